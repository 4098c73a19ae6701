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
    """Return the sampling variances of totals and scores from the spread of cases, or of clusters, about their mean.

    For what a case adds to several equations at once, whose variances no single residual tells.

    Parameters
    ----------
    design : Design
        n rows of equal cases, k units.
    scores : (n, q) array
        What a row adds to each equation at its unit's own level; the last is its total.
    weight : (n,) array
        Variance of the row's total, up to a factor: with s the share of a cluster in its unit's, its deviation is
        raised by 1 / (1 − s), which is unbiased for independent cases, and degrees of freedom are Bell and McCaffrey's.
        Cases themselves count alike, so theirs are cases − 1.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28:169, eq. 11 and section 5.
    """
    k, q, kind = len(design.units), scores.shape[1], "case" if design.cluster is None else "cluster"
    cuts = np.searchsorted(design.unit, np.arange(k + 1))
    spread, df, reason = np.zeros((k, q, q)), np.zeros(k), np.full(k, "", dtype=object)
    for i in range(k):
        part = np.arange(cuts[i], cuts[i + 1])[design.cases[cuts[i] : cuts[i + 1]] > 0]
        if design.cluster is None:
            times = design.cases[part]
            parts, outcome = scores[part] / times[:, None], design.outcome[part] / times
            share = np.full(len(part), 1.0 / times.sum())
        else:
            codes = np.unique(design.cluster[part], return_inverse=True)[1]
            times = np.ones(codes.max() + 1)
            parts = np.stack([group_sums(codes, column, len(times)) for column in scores[part].T], axis=1)
            outcome, share = (group_sums(codes, values[part], len(times)) for values in (design.outcome, weight))
            share /= share.sum()
        if share.max() >= 1.0:
            reason[i] = f"it has a single {kind}"
            continue
        parts = (parts - share[:, None] * (times @ parts)) / np.sqrt(1.0 - share)[:, None]
        spread[i] = (parts * times[:, None]).T @ parts
        pairs = share**2 / (1.0 - share)
        df[i] = 1.0 / ((times @ pairs) ** 2 - times @ pairs**2 + times @ share**2)
        # Rounding leaves squares of about 1e-26 of the outcomes' where nothing varies.
        if spread[i, -1, -1] <= 1e-20 * (times @ outcome**2):
            reason[i] = f"its {kind}s do not vary"
    lost = reason != ""
    spread[lost] = 0.0
    total = np.where(lost, np.nan, spread[:, -1, -1])
    return Noise(total, spread[:, -1].copy(), spread, df, reason)
