"""Studentised bootstrap of the totals of many units, each from its own clusters.

A unit's estimating equation is Σ_g (y_g − E_g(a)) = 0 over its clusters g, with a its level. Draw clusters with
replacement, w_g times each. With r_g = y_g − E_g at the unit's own level, where Σ r_g = 0, and v_g = dE_g/da, the
equation of a replicate misses by Σ w r, which moves the level by δ = Σ w r / Σ w v and leaves residuals r_g − v_g δ.
Its studentised miss, Σ w r / (Σ w c (r − v δ)²)^½, is made of sums that are linear in w: all replicates of a unit are
one matrix product of the numbers drawn with five columns, and nothing is fitted again.

References
----------
Davison & Hinkley (1997), Bootstrap Methods and their Application, sections 2.4, 3.8 and 5.2 (studentised, clusters).
Hu & Kalbfleisch (2000), Canadian Journal of Statistics 28:449 (of the estimating function: no choice of scale).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.basis import group_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Flags = NDArray[np.bool_]

__all__ = ["Studentised", "effective_clusters", "studentised"]

# Numbers in a block of draws, and in the replicates of the units that are drawn together.
BLOCK, TOGETHER = 1 << 20, 1 << 22
# Part of the sum of squares of a replicate below which its variance is the rounding of zero.
NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Studentised:
    """Quantiles of the studentised misses of k units.

    Parameters
    ----------
    low, high : (k,) arrays
        Order statistics of the replicates, in standard errors. Infinite where so many replicates do not vary that the
        quantile is one of theirs; NaN for units that were not asked for.
    """

    low: Floats
    high: Floats


def effective_clusters(weight: Floats, unit: Codes, units: int) -> Floats:
    """Return (Σ v)² / Σ v² of each unit (units,): as many clusters of equal weight v; 0 for a unit without any."""
    squares = group_sums(unit, weight**2, units)
    return group_sums(unit, weight, units) ** 2 / np.where(squares > 0, squares, 1.0)


def studentised(
    residual: Floats,
    weight: Floats,
    factor: Floats,
    unit: Codes,
    asked: Flags,
    *,
    level: float,
    replicates: int,
    rng: np.random.Generator,
) -> Studentised:
    """Draw the clusters of every unit with replacement and return the quantiles of its studentised total.

    Parameters
    ----------
    residual : (G,) array
        r, observed less expected of a cluster at its unit's own level, in the outcome's unit of measure.
    weight : (G,) array
        v, derivative of the cluster's expected total in the level, above zero, in any unit of measure.
    factor : (G,) array
        c, by which squares are raised in the standard error that the quantiles are for.
    unit : (G,) array of int
        Unit of each cluster, 0 … k − 1, sorted.
    asked : (k,) array of bool
        Units that are drawn.
    level : float
        Of the interval: quantiles are at (1 − level) / 2 and (1 + level) / 2.
    replicates : int
        b.
    rng : Generator
        Gives one number, from which the draws of G clusters start, whatever the other units are.

    Returns
    -------
    Studentised

    Notes
    -----
    A limit of the total is its observed value less ``high`` (less ``low``) standard errors, (Σ c r²)^½ each. The
    quantiles are order statistics number (b + 1)(1 ∓ level) / 2, the outer ones where that is no whole number.
    Units with equally many clusters share the draws: each interval is what it would be alone, and the draws are made
    once. Clusters are drawn in an order of their own values, so the order of rows does not count. Equal to a plain
    loop (``tests/adjustment/test_bootstrap_t.py``). Cost b G draws for each number of clusters that is met, and 10 b G
    flops a unit; memory one block of either.
    """
    k = len(asked)
    starts = np.searchsorted(unit, np.arange(k + 1))
    counts = np.diff(starts)
    columns = _columns(residual, weight, factor, unit, k)
    seed, tail = int(rng.integers(1 << 62)), 0.5 * (1.0 - level) * (replicates + 1)
    # Rounding must not move a whole number to the next order statistic.
    place = max(int(np.floor(tail + 1e-9)), 1) - 1
    low, high = np.full(k, np.nan), np.full(k, np.nan)
    for count in np.unique(counts[asked]):
        alike = np.flatnonzero(asked & (counts == count))
        step = max(1, TOGETHER // replicates)
        for which in np.split(alike, range(step, len(alike), step)):
            rows = starts[which, None] + np.arange(count)
            values = _misses(columns[rows].transpose(1, 0, 2), replicates, np.random.default_rng((seed, int(count))))
            values.partition((place, replicates - 1 - place), axis=0)
            low[which], high[which] = values[place], values[replicates - 1 - place]
    return Studentised(low, high)


def _columns(residual: Floats, weight: Floats, factor: Floats, unit: Codes, k: int) -> Floats:
    """Return r, v, c r², c r v and c v² of each cluster (G, 5), free of units of measure and in an order of their own.

    The order is that of r / v, then of v, to ten digits: what rounding makes of clusters alike does not count.
    """
    size = np.sqrt(group_sums(unit, factor * residual**2, k))[unit]
    r = residual / np.where(size > 0, size, 1.0)
    v = weight / group_sums(unit, weight, k)[unit]
    order = np.lexsort((np.round(v, 10), np.round(r, 10), unit))
    r, v, c = r[order], v[order], factor[order]
    return np.stack([r, v, c * r * r, c * r * v, c * v * v], axis=1)


def _misses(columns: Floats, replicates: int, rng: np.random.Generator) -> Floats:
    """Return the studentised misses (b, u) of u units with the same number of clusters; ``columns`` is (G, u, 5)."""
    count, units, _ = columns.shape
    flat, result = columns.reshape(count, units * 5), np.empty((replicates, units))
    step = max(1, BLOCK // max(count, units * 5))
    for start in range(0, replicates, step):
        part = slice(start, min(start + step, replicates))
        times = _draws(count, part.stop - part.start, rng) @ flat
        r, v, rr, rv, vv = np.moveaxis(times.reshape(-1, units, 5), 2, 0)
        move = r / v
        variance = rr - 2.0 * move * rv + move**2 * vv
        # Draws of clusters that are all alike say that the level is known: they are as extreme as there is.
        varies = variance > NOTHING * (rr + move**2 * vv)
        scale = np.sqrt(np.where(varies, variance, 1.0))
        result[part] = np.where(varies, r / scale, np.copysign(np.inf, r))
    return result


def _draws(count: int, replicates: int, rng: np.random.Generator) -> Floats:
    """Return how many times (replicates, count) each cluster is among as many drawn as there are."""
    drawn = rng.integers(0, count, size=(replicates, count))
    drawn += count * np.arange(replicates)[:, None]
    return np.bincount(drawn.ravel(), minlength=replicates * count).reshape(replicates, count).astype(np.float64)
