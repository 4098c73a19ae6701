"""A unit's own sampling noise: variances of its total and of its scores, by where the noise is known from.

Counts know their noise from the model; cases of a measured outcome from their spread within the unit; clusters
(schools, persons) from the spread of cluster totals; a table of one row per unit and period from the periods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.errors import DataError
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.serial import serial_noise
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.design import Design
    from benchmodels.kernels.families import Family

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["NOISE_TEXT", "Noise", "NoiseKind", "noise_kind", "unit_noise"]

NoiseKind = Literal["counts", "weighted", "cases", "clusters", "periods", "none"]

NOISE_TEXT: dict[NoiseKind, str] = {
    "counts": "the number of cases behind each count (binomial or Poisson)",
    "weighted": "the number of cases behind each count, by their sampling weights",
    "cases": "the spread of cases within the unit",
    "clusters": "the spread of cluster totals within the unit",
    "periods": "the unit's own variation over periods, with serial correlation pooled over units",
    "none": "nothing: one row a unit says nothing of its own noise",
}


@dataclass(frozen=True, eq=False)
class Noise:
    """Sampling variances at one point.

    Parameters
    ----------
    total : (k,) array
        Variance of the unit's observed total; NaN where it cannot be known.
    cross : (k, q) array
        Covariance of the total with the unit's q scores.
    scores : (k, q, q) array
        Covariance of the unit's scores.
    df : (k,) array
        Degrees of freedom of ``total``.
    reason : (k,) array of str
        Why it cannot be known; empty where it can.
    correlation : float
        Of neighbouring periods, where noise comes from periods; else NaN.
    """

    total: Floats
    cross: Floats
    scores: Floats
    df: Floats
    reason: NDArray[np.object_]
    correlation: float = float("nan")


def noise_kind(design: Design, family: Family, cluster: str | None) -> NoiseKind:
    """Return where the units' own noise is known from."""
    if cluster is not None:
        return "clusters"
    if family.counted:
        return "counts" if np.allclose(design.inflation[design.size > 0], 1.0, rtol=1e-12) else "weighted"
    rows = group_sums(design.unit, design.cases, len(design.units))
    if np.all(rows <= 1):
        return "none"
    if design.period is not None:
        there = design.cases > 0
        pairs, met = np.unique(np.column_stack([design.unit, design.period])[there], axis=0, return_counts=True)
        if len(pairs) == design.cases.sum():
            return "periods"
        if np.any(met > 1) and design.cases.sum() < 2 * len(pairs):
            # Neither a panel nor a table of cases: most periods have one row, some have more.
            twice = [str(design.units[int(i)]) for i in dict.fromkeys(pairs[met > 1, 0])]
            raise DataError(
                f"{int((met > 1).sum())} unit-period pair(s) have more than one row (units {listed(twice)}); sum or "
                "filter them to one row a unit and period, or leave the role period out for a table of cases"
            )
    return "cases"


def unit_noise(kind: NoiseKind, design: Design, score_columns: Floats, weight: Floats, residual: Floats) -> Noise:
    """Return the sampling variances of totals and scores.

    Parameters
    ----------
    kind : NoiseKind
    design : Design
        c cells, k units.
    score_columns : (c, q) array
        A cell's contribution to the scores per unit of residual.
    weight : (c,) array
        Variance of the cell's total under the model, up to the dispersion of a measured outcome.
    residual : (c,) array
        Observed less expected of the cell at the unit's own level.
    """
    k, q = len(design.units), score_columns.shape[1]
    reason = np.full(k, "", dtype=object)
    cuts = np.searchsorted(design.unit, np.arange(k + 1))
    if kind in ("counts", "weighted"):
        return _from_weights(score_columns, weight * design.inflation, cuts, np.full(k, np.inf), reason)
    if kind == "cases":
        rows = group_sums(design.unit, design.cases, k)
        mean = np.where(design.size > 0, (design.outcome - residual) / np.where(design.size > 0, design.size, 1.0), 0.0)
        squares = design.squares - 2.0 * mean * design.outcome + mean**2 * design.size
        # In units of the variance function, so that cases of small mean count as much as those of large.
        there = weight > 0
        function = np.where(there, weight, 1.0) / np.where(there, design.size, 1.0)
        df = np.maximum(rows - 1.0, 0.0)
        each = rows / np.maximum(group_sums(design.unit, design.weights, k), np.finfo(float).tiny)
        spread = group_sums(design.unit, np.maximum(squares, 0.0) / function, k) * each
        # Rounding leaves a residual sum of squares of about 1e-16 of the raw one where nothing varies.
        varies = (df > 0) & (spread > 1e-13 * each * group_sums(design.unit, design.squares / function, k))
        reason[~varies] = "its cases do not vary"
        reason[df == 0] = "it has a single case"
        variance = np.where(varies, spread / np.where(df > 0, df, 1.0), np.nan)
        return _from_weights(score_columns, weight * design.inflation * variance[design.unit], cuts, df, reason)
    if kind == "clusters" and design.cluster is not None:
        return _from_clusters(design, design.cluster, score_columns, weight, residual, cuts)
    if kind == "periods" and design.period is not None:
        return _from_periods(design, design.period, score_columns, residual, cuts)
    reason[:] = "it has a single row, which says nothing of its own noise"
    empty = np.full(k, np.nan)
    return Noise(empty, np.zeros((k, q)), np.zeros((k, q, q)), np.zeros(k), reason)


def _from_weights(columns: Floats, weight: Floats, cuts: Codes, df: Floats, reason: NDArray[np.object_]) -> Noise:
    k, q = len(cuts) - 1, columns.shape[1]
    total, cross, scores = np.zeros(k), np.zeros((k, q)), np.zeros((k, q, q))
    for i in range(k):
        part = slice(cuts[i], cuts[i + 1])
        block, own = columns[part], weight[part]
        total[i] = own.sum()
        cross[i] = own @ block
        scores[i] = (block * own[:, None]).T @ block
    return _known(total, cross, scores, df, reason)


def _known(
    total: Floats,
    cross: Floats,
    scores: Floats,
    df: Floats,
    reason: NDArray[np.object_],
    correlation: float = float("nan"),
) -> Noise:
    """Keep NaN in the totals of units that are withheld, and out of what the others share."""
    lost = reason != ""
    total[lost], cross[lost], scores[lost] = np.nan, 0.0, 0.0
    return Noise(total, cross, scores, df, reason, correlation)


def _from_clusters(
    design: Design, cluster: Codes, columns: Floats, weight: Floats, residual: Floats, cuts: Codes
) -> Noise:
    """Sum squares of cluster totals about the unit's own level, each raised by 1 / (1 − its share of the weight).

    Unbiased where cases of one cluster are independent (CR2 for a mean), and with Bell and McCaffrey's degrees of
    freedom, which fall below clusters − 1 where clusters are of unequal size.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28:169, eq. 11 and section 5.
    """
    k, q = len(cuts) - 1, columns.shape[1]
    total, cross, scores, df = np.zeros(k), np.zeros((k, q)), np.zeros((k, q, q)), np.zeros(k)
    reason = np.full(k, "", dtype=object)
    for i in range(k):
        part = slice(cuts[i], cuts[i + 1])
        _, codes = np.unique(cluster[part], return_inverse=True)
        groups = int(codes.max()) + 1
        share = group_sums(codes, weight[part], groups)
        share /= share.sum()
        if groups == 1 or share.max() >= 1.0:
            reason[i] = "it has a single cluster"
            continue
        sums = [group_sums(codes, residual[part] * column, groups) for column in (*columns[part].T, np.ones(1))]
        parts = np.stack(sums, axis=1)
        # About the unit's own mean: that its slopes are its own is practice, not noise.
        parts = (parts - share[:, None] * parts.sum(0)) / np.sqrt(1.0 - share)[:, None]
        own, parts = parts[:, q], parts[:, :q]
        total[i] = float(own @ own)
        cross[i] = own @ parts
        scores[i] = parts.T @ parts
        pairs = np.outer(share, share) / np.sqrt(np.outer(1.0 - share, 1.0 - share))
        np.fill_diagonal(pairs, share)
        df[i] = 1.0 / float(np.sum(pairs**2))
        # Rounding leaves squares of about 1e-26 of the outcomes' where nothing varies.
        if total[i] <= 1e-20 * float(np.sum(group_sums(codes, design.outcome[part], groups) ** 2)):
            reason[i] = "its clusters do not vary (with no events they say nothing of noise)"
    return _known(total, cross, scores, df, reason)


def _from_periods(design: Design, period: Floats, columns: Floats, residual: Floats, cuts: Codes) -> Noise:
    k, q = len(cuts) - 1, columns.shape[1]
    # A year without inhabitants says nothing, and is not a year without deviation.
    there = design.size > 0
    order = np.lexsort((period, design.unit))
    order = order[there[order]]
    cuts = np.searchsorted(design.unit[order], np.arange(k + 1))
    steps = np.diff(np.unique(period[there]))
    even = period / (float(steps.min()) if len(steps) else 1.0)
    rate = residual / np.where(there, design.size, 1.0)
    serial = serial_noise(rate[order], even[order], design.unit[order], k)
    total, cross, scores = np.zeros(k), np.zeros((k, q)), np.zeros((k, q, q))
    reason = np.full(k, "", dtype=object)
    reason[~np.isfinite(serial.variance)] = "its outcome does not vary over periods"
    reason[serial.df == 0] = "it has a single period"
    for i in range(k):
        rows = order[cuts[i] : cuts[i + 1]]
        size = design.size[rows]
        variance = np.nan_to_num(serial.variance[i])
        covariance = variance * serial.matrices[i] * np.outer(size, size) if variance else np.zeros((len(rows),) * 2)
        spread = covariance @ columns[rows]
        total[i] = covariance.sum()
        cross[i] = spread.sum(0)
        scores[i] = columns[rows].T @ spread
    return _known(total, cross, scores, serial.df, reason, serial.correlation)
