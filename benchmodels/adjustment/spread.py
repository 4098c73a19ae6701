"""Sampling variances of what a case adds to several equations at once, which no single residual tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.adjustment.noise import Noise
from benchmodels.kernels.basis import group_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.design import Design

    Floats = NDArray[np.float64]

__all__ = ["spread_noise"]


def spread_noise(design: Design, scores: Floats, weight: Floats) -> Noise:
    """Return the sampling variances of totals and scores from the spread of clusters (of cases, without that role).

    With s a cluster's share of the variance of its unit's total, its deviation from the mean is raised by 1 / (1 − s),
    which is unbiased where cases are independent; degrees of freedom are Bell and McCaffrey's. A case is a cluster of
    its own: cases − 1 degrees of freedom where all have the same variance, fewer where a few have most of it.

    Parameters
    ----------
    design : Design
        n rows of equal cases, k units.
    scores : (n, q) array
        What a row adds to each equation at its unit's own level; the last is its total.
    weight : (n,) array
        Variance of the row's total, up to a factor.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28:169, eq. 11 and section 5.
    """
    k, q, kind = len(design.units), scores.shape[1], "case" if design.cluster is None else "cluster"
    cuts = np.searchsorted(design.unit, np.arange(k + 1))
    spread, df, reason = np.zeros((k, q, q)), np.zeros(k), np.full(k, "", dtype=object)
    for i in range(k):
        part = np.arange(cuts[i], cuts[i + 1])[design.cases[cuts[i] : cuts[i + 1]] > 0]
        times, sums = design.cases[part], np.column_stack([scores[part], weight[part], design.outcome[part]])
        if design.cluster is not None:
            codes = np.unique(design.cluster[part], return_inverse=True)[1]
            times = np.ones(int(codes.max()) + 1)
            sums = np.stack([group_sums(codes, column, len(times)) for column in sums.T], axis=1)
        # Of one case, or cluster, of which there are so many alike.
        each = sums / times[:, None]
        share = each[:, q] / (times @ each[:, q])
        if share.max() >= 1.0:
            reason[i] = f"it has a single {kind}"
            continue
        parts = (each[:, :q] - share[:, None] * (times @ each[:, :q])) / np.sqrt(1.0 - share)[:, None]
        spread[i] = (parts * times[:, None]).T @ parts
        pairs = share**2 / (1.0 - share)
        df[i] = 1.0 / ((times @ pairs) ** 2 - times @ pairs**2 + times @ share**2)
        # Rounding leaves squares of about 1e-26 of the outcomes' where nothing varies.
        if spread[i, -1, -1] <= 1e-20 * (times @ each[:, q + 1] ** 2):
            reason[i] = f"its {kind}s do not vary"
    lost = reason != ""
    spread[lost] = 0.0
    total = np.where(lost, np.nan, spread[:, -1, -1])
    return Noise(total, spread[:, -1].copy(), spread, df, reason)
