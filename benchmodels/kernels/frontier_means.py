"""Means of efficiencies over samples, each held against its own frontier, and the bias that frontier brings in.

A frontier found lies within the true one, so that units look better than they are, by an amount that falls as the
number of units to the power -κ. Halving a sample shows how fast: the generalised jackknife. That makes of a mean one
that is normal around the true one, and of two samples a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import OPTIMAL
from benchmodels.kernels.technology import Technology, bounds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = [
    "Estimator", "Moments", "Side", "contrasts", "distance_from_uniform", "exponent", "moments", "own_scores",
    "part_of",
]  # fmt: skip

Estimator = Literal["crs", "vrs", "fdh"]
Side = Literal["input", "output"]

# Pairs of units of one sample that are held against each other at once: they stay in the second-level cache.
_CELLS = 1 << 16
# Programs that are made ready together; a chunk of sets, whatever the number of replicates.
_PROGRAMS = 200_000
# Of the mean; scores that vary less do so by rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class Moments:
    """Means of efficiencies of r samples.

    Parameters
    ----------
    mean : (r,) array
        Over all units of the sample, each held against the frontier of the sample.
    bias : (r,) array
        That mean's bias by the generalised jackknife.
    variance : (r,) array
        Of the efficiencies, with n - 1 in the denominator.
    units : (r,) array of int
    part_mean : (r,) array; part : (r,) array of int
        Over a random part of the units, and how many those are; all where the theorem allows it.
    """

    mean: Floats
    bias: Floats
    variance: Floats
    units: Codes
    part_mean: Floats
    part: Codes


def exponent(estimator: Estimator, goods: int) -> float:
    """Return κ: n efficiencies come near to the true ones as n to the power -κ.

    2 / goods (CRS), 2 / (goods + 1) (VRS), 1 / goods (FDH).

    References
    ----------
    Kneip, Simar & Wilson (2015), Econom Theory 31:394-422, Theorem 3.1 and its table of rates.

    Examples
    --------
    >>> exponent("crs", 4), exponent("vrs", 4), exponent("fdh", 4)
    (0.5, 0.4, 0.25)
    """
    return {"crs": 2.0 / goods, "vrs": 2.0 / (goods + 1), "fdh": 1.0 / goods}[estimator]


def part_of(n: int, estimator: Estimator, goods: int) -> int:
    """Return over how many of n units the mean is to be taken, for its error to be of the order of its remaining bias.

    All of them where κ >= 2/5 (CRS: up to 5 goods; VRS: up to 4) or, for FDH, κ >= 1/3 (up to 3 goods): there
    √n times what the jackknife leaves of the bias, n^(-3κ/2) (FDH: n^(-2κ)) but for logarithms, goes to zero, Theorem
    4.3. Else ⌊n^(2κ)⌋, Theorem 4.4.

    References
    ----------
    Kneip, Simar & Wilson (2015), Econom Theory 31:394-422, Theorems 4.3 and 4.4.

    Examples
    --------
    >>> [part_of(98, "vrs", goods) for goods in (2, 4, 5, 6)], [part_of(98, "fdh", goods) for goods in (3, 4)]
    ([98, 98, 21, 13], [98, 9])
    """
    kappa = exponent(estimator, goods)
    if kappa >= (1.0 / 3.0 if estimator == "fdh" else 0.4) - 1e-12:
        return n
    return max(2, min(n, int(np.floor(n ** (2.0 * kappa) + 1e-9))))


def own_scores(
    inputs: Floats, outputs: Floats, side: Side, estimator: Estimator, sets: Sequence[Codes]
) -> list[Floats]:
    """Return the efficiencies, 0 to 1, of the units of each set against the frontier of that set.

    Parameters
    ----------
    inputs : (n, m) array; outputs : (n, s) array
        Zero or more; of each unit some input and some output above zero.
    side : {'input', 'output'}
    estimator : {'crs', 'vrs', 'fdh'}
    sets : sequence of arrays (n_j,) of int
        Positions, in ascending order.

    Returns
    -------
    list of (n_j,) arrays
        NaN where a program was not solved.
    """
    if estimator == "fdh":
        return _free_disposal(inputs, outputs, side, sets)
    found: list[Floats] = []
    ends = np.cumsum([len(units) for units in sets])
    first = 0
    while first < len(sets):
        base = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, base + _PROGRAMS, side="right")))
        found += _enveloped(inputs, outputs, side, estimator, sets[first:last])
        first = last
    return found


def _enveloped(
    inputs: Floats, outputs: Floats, side: Side, estimator: Literal["crs", "vrs"], sets: Sequence[Codes]
) -> list[Floats]:
    points = np.concatenate(sets)
    used = np.unique(points)
    place = np.searchsorted(used, points)
    sizes = [len(units) for units in sets]
    ends = np.cumsum(sizes)[:-1]
    x, y = inputs[points], outputs[points]
    step = np.concatenate([x, np.zeros_like(y)] if side == "input" else [np.zeros_like(x), y], axis=1)
    technology = Technology(inputs[used], outputs[used], bounds_of(estimator))
    found = envelop(
        technology, x, y, step, own=place, sets=np.split(place, ends), member=np.repeat(np.arange(len(sets)), sizes)
    )  # fmt: skip
    beta = np.where(found.status == OPTIMAL, found.beta, np.nan)
    score = 1.0 - beta if side == "input" else 1.0 / (1.0 + beta)
    return np.split(score, ends)


def _free_disposal(inputs: Floats, outputs: Floats, side: Side, sets: Sequence[Codes]) -> list[Floats]:
    """Return the scores of sets, those of one size together."""
    found: list[Floats] = [np.empty(0)] * len(sets)
    sizes = np.array([len(units) for units in sets])
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        step = max(1, _CELLS // int(size) ** 2)
        for low in range(0, len(places), step):
            some = places[low : low + step]
            units = np.stack([sets[j] for j in some])
            for j, score in zip(some, _free_disposal_of(inputs[units], outputs[units], side), strict=True):
                found[j] = score
    return found


def _free_disposal_of(x: Floats, y: Floats, side: Side) -> Floats:
    """Return the scores (r, n) of r sets with goods (r, n, m) and (r, n, s)."""
    moving, still, worse = (x, y, np.less) if side == "input" else (y, x, np.greater)
    ratio = np.full((*x.shape[:2], x.shape[1]), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(moving.shape[2]):
            each = moving[:, None, :, i] / moving[:, :, None, i]
            # Nothing over nothing bounds nothing, and is not a number, which is passed over.
            (np.fmax if side == "input" else np.fmin)(ratio, each, out=ratio)
    out = np.zeros(ratio.shape, dtype=np.bool_)
    for i in range(still.shape[2]):
        out |= worse(still[:, None, :, i], still[:, :, None, i])
    if side == "input":
        ratio[out] = np.inf
        return np.asarray(ratio.min(axis=2))
    ratio[out] = 0.0
    return np.asarray(1.0 / ratio.max(axis=2))


def moments(
    inputs: Floats,
    outputs: Floats,
    side: Side,
    estimator: Estimator,
    samples: Sequence[Codes],
    *,
    kappa: float,
    parts: Sequence[int],
    halvings: int,
    rngs: Sequence[np.random.Generator],
    strata: Codes | None = None,
) -> Moments:
    """Return means of r samples and their bias by the generalised jackknife.

    With μ̂ the mean of n efficiencies and μ̂* that of the same units, each half of them held against its own frontier,
    the bias is (μ̂* - μ̂) / (2^κ - 1), on average over random halves.

    Parameters
    ----------
    inputs : (n, m) array; outputs : (n, s) array
    side, estimator
        As in `own_scores`.
    samples : sequence of r arrays of int
        Positions, in any order, none twice.
    kappa : float
        Of the estimator, `exponent`.
    parts : sequence of r int
        Over how many units the part's mean is to be taken, `part_of`; drawn at random.
    halvings : int
    rngs : sequence of r Generator
        Of each sample: for its halves and its part.
    strata : (n,) array of int, optional
        Kinds of units that are held against their own kind alone; halves are of each kind.

    Returns
    -------
    Moments

    References
    ----------
    Kneip, Simar & Wilson (2015), Econom Theory 31:394-422, equations 4.5 to 4.8.
    """
    sets: list[Codes] = []
    count, chosen = [], []
    for units, wanted, rng in zip(samples, parts, rngs, strict=True):
        kinds = _kinds(np.sort(units), strata)
        sets += kinds
        for _ in range(halvings):
            for kind in kinds:
                mixed = rng.permutation(kind)
                half = (len(mixed) + int(rng.integers(2))) // 2
                sets += [np.sort(mixed[:half]), np.sort(mixed[half:])]
        count.append(len(kinds))
        n = len(units)
        chosen.append(np.arange(n) if wanted >= n else rng.choice(n, wanted, replace=False))
    scores = own_scores(inputs, outputs, side, estimator, sets)
    total = np.array([score.sum() for score in scores])
    rows, at = [], 0
    for units, kinds_in, some in zip(samples, count, chosen, strict=True):
        n = len(units)
        own = np.concatenate(scores[at : at + kinds_in])
        halves = total[at + kinds_in : at + kinds_in * (1 + 2 * halvings)]
        found = own.mean()
        gap = (halves.sum() / (halvings * n) - found) / (2.0**kappa - 1.0)
        rows.append((found, gap, own.var(ddof=1), n, own[some].mean(), len(some)))
        at += kinds_in * (1 + 2 * halvings)
    mean, bias, variance, numbers, part_mean, part = (np.array(column) for column in zip(*rows, strict=True))
    return Moments(mean=mean, bias=bias, variance=variance, units=numbers, part_mean=part_mean, part=part)


def _kinds(units: Codes, strata: Codes | None) -> list[Codes]:
    if strata is None:
        return [units]
    return [units[strata[units] == kind] for kind in np.unique(strata[units])]


def contrasts(larger: Moments, smaller: Moments) -> Floats:
    """Return by how many standard errors (r,) the means of independent samples differ, corrected for bias.

    (μ̂₁ - μ̂₂ - (B̂₁ - B̂₂)) / √(σ̂₁² / n₁ + σ̂₂² / n₂), with the means and numbers of the parts: standard normal where
    the true means are the same. NaN where all efficiencies of both samples are the same.

    References
    ----------
    Kneip, Simar & Wilson (2016), J Bus Econ Stat 34:435-456, Theorems of section 3.
    """
    gap = larger.part_mean - smaller.part_mean - (larger.bias - smaller.bias)
    error = np.sqrt(larger.variance / larger.part + smaller.variance / smaller.part)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(error > _ROUNDING, gap / error, np.nan))


def distance_from_uniform(statistics: Floats) -> Floats:
    """Return how far (b,) the law of one-sided p-values 1 - Φ(T) is from uniform, of statistics T (b, s).

    The two-sided Kolmogorov-Smirnov distance, sup |F̂(p) - p|; statistics that are NaN are left out.

    Examples
    --------
    >>> distance_from_uniform(np.array([[0.0], [10.0]])).round(2)
    array([0.5, 1. ])
    """
    p = np.sort(special.ndtr(-statistics), axis=1)
    known = np.isfinite(p).sum(axis=1, keepdims=True)
    rank = np.arange(p.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below = (rank + 1) / known - p, p - rank / known
    gap = np.where(np.isfinite(p), np.maximum(above, below), -np.inf).max(axis=1, initial=-np.inf)
    return np.where(known[:, 0] > 0, gap, np.nan)
