"""Bootstraps of distances to a frontier: how far those found are from the true ones.

The frontier found is made of the units that are there, and lies within the true one; how far is learnt by drawing
reference units from what was found, and holding the points against them. To resample rows would not do: the frontier
of a resample is made of the same few units again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.kernels.envelopment import Envelopment
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = [
    "Measure", "Replicates", "Side", "merged", "pseudo_replicates", "rate", "strange_replicates",
    "subset_replicates",
]  # fmt: skip

Side = Literal["input", "output"]
Measure = Literal["input", "output", "directional"]

# Part of a unit's largest peer below which another is one by rounding alone.
_PART = 1e-9
# Units whose chances of peers are counted together.
_TOGETHER = 500


@dataclass(frozen=True, eq=False, kw_only=True)
class Replicates:
    """Distances of n units to r resampled frontiers, and who their peers are there.

    Parameters
    ----------
    distance : (r, n) array
        1 or more; of directions the steps to the frontier. NaN without an answer.
    stalled : (n,) array of int
        In how many replicates a unit has no answer for want of a solution, and not because the frontier ends short.
    inside : (r, n) array of bool
        Whether a unit, or its pseudo-unit, is part of the frontier's reference.
    pair : (c,) array of int, ascending; count : (c,) array of int
        Unit x n + peer for those met, and in how many replicates: peers of the basic solution, before slacks.
    """

    distance: Floats
    stalled: Codes
    inside: Mask
    pair: Codes
    count: Codes

    @property
    def chance(self) -> Codes:
        """In how many replicates the peer of each pair (c,) could be met: it is inside, and the unit has an answer."""
        known, inside, n = np.isfinite(self.distance).astype(float), self.inside.astype(float), self.inside.shape[1]
        parts = []
        for low in range(0, n, _TOGETHER):
            first, last = np.searchsorted(self.pair, [low * n, (low + _TOGETHER) * n])
            unit, peer = np.divmod(self.pair[first:last], n)
            parts.append((known[:, low : low + _TOGETHER].T @ inside)[unit - low, peer])
        return np.concatenate(parts).astype(np.intp)


def merged(parts: Sequence[Replicates]) -> Replicates:
    """Return the replicates of all parts, in order."""
    pair, place = np.unique(np.concatenate([part.pair for part in parts]), return_inverse=True)
    count = np.zeros(len(pair), dtype=np.intp)
    np.add.at(count, place, np.concatenate([part.count for part in parts]))
    return Replicates(
        distance=np.concatenate([part.distance for part in parts]),
        stalled=np.sum([part.stalled for part in parts], axis=0),
        inside=np.concatenate([part.inside for part in parts]),
        pair=pair,
        count=count,
    )


def rate(goods: int, bounds: tuple[float, float]) -> float:
    """Return the exponent κ at which n distances come near to the true ones, as n to the power -κ.

    2 / goods under constant returns, else 2 / (goods + 1): under returns that do not increase, or do not decrease, the
    rate is the faster one where they are constant, and the slower one errs on the side of wide intervals.

    References
    ----------
    Kneip, Simar & Wilson (2008), Econom Theory 24:1663-1697 (variable). Park, Jeong & Simar (2010), Ann Stat
    38:1320-1341 (constant). Simar, Vanhems & Wilson (2012), Eur J Oper Res 220:853-864 (directions: the same).

    Examples
    --------
    >>> rate(6, (0.0, float("inf"))), round(rate(6, (1.0, 1.0)), 4)
    (0.3333333333333333, 0.2857)
    """
    cone = bounds == (0.0, np.inf)
    return 2.0 / (goods + (0 if cone else 1))


def pseudo_replicates(
    inputs: Floats,
    outputs: Floats,
    direction: Floats,
    bounds: tuple[float, float],
    side: Side,
    *,
    delta: Floats,
    drawn: Floats,
    allowed: Allowed | None = None,
) -> Replicates:
    """Hold units against units on their own rays that are as far within the frontier as was drawn.

    Parameters
    ----------
    inputs : (n, m) array; outputs : (n, s) array
    direction : (n, m + s) array
        Each unit's own inputs, or outputs, that move; zero elsewhere.
    bounds : (float, float)
        Of Σλ.
    side : {'input', 'output'}
        Whether inputs are divided by a distance, or outputs multiplied.
    delta : (n,) array
        Distances of the units, 1 or more.
    drawn : (r, n) array
        Those of the pseudo-units.
    allowed : callable, optional
        ``allowed(units, low, high)``: against which of units low to high, or their pseudo-units, each may be held.

    Returns
    -------
    Replicates

    Notes
    -----
    Each program begins at the pseudo-unit of its own, so that none needs a first phase.
    """
    (r, n), m = drawn.shape, inputs.shape[1]
    points = [np.tile(part, (r, 1)) for part in (inputs, outputs, direction)]
    step = (1.0 - drawn / delta if side == "input" else delta / drawn - 1.0).reshape(-1, 1) * points[2]
    pool = Technology(points[0] - step[:, :m], points[1] + step[:, m:], bounds)
    every = np.arange(r * n)
    mask = None if allowed is None else lambda some, low, high: allowed(some % n, low, high)
    return _replicates(pool, points, side, own=every, sets=list(every.reshape(r, n)), allowed=mask)


def subset_replicates(
    technology: Technology,
    direction: Floats,
    measure: Measure,
    sets: Sequence[Codes],
    *,
    allowed: Allowed | None = None,
) -> Replicates:
    """Hold all n units of a technology against r sets of them.

    ``sets`` are ascending positions; a unit may be in a set or not. The rest as in `pseudo_replicates`.
    """
    n, r = len(technology.inputs), len(sets)
    own = np.full((r, n), ARTIFICIAL)
    for row, units in zip(own, sets, strict=True):
        row[units] = units
    points = [np.tile(part, (r, 1)) for part in (technology.inputs, technology.outputs, direction)]
    mask = None if allowed is None else _of_sets(allowed, sets, n)
    return _replicates(technology, points, measure, own=own.ravel(), sets=sets, allowed=mask)


def strange_replicates(technology: Technology, direction: Floats, side: Side, pool: Technology) -> Replicates:
    """Hold all n units of a technology against r sets of n others, one after the other in ``pool``, which are nobody's.

    Pairs of ``Replicates`` are of units and places in the sets.
    """
    n = len(technology.inputs)
    every = np.arange(len(pool.inputs)).reshape(-1, n)
    points = [np.tile(part, (len(every), 1)) for part in (technology.inputs, technology.outputs, direction)]
    own = np.full(every.size, ARTIFICIAL)
    return _replicates(pool, points, side, own=own, sets=list(every), allowed=None)


def _of_sets(allowed: Allowed, sets: Sequence[Codes], n: int) -> Allowed:
    """Return a mask of units as one of places in the sets, of which each holds n points."""
    held = np.zeros((len(sets), max(len(units) for units in sets)), dtype=np.intp)
    for row, units in zip(held, sets, strict=True):
        row[: len(units)] = units

    def mask(some: Codes, low: int, high: int) -> Mask:
        return np.take_along_axis(allowed(some % n, 0, n), held[some // n, low:high], axis=1)

    return mask


def _replicates(
    pool: Technology,
    points: list[Floats],
    measure: Measure,
    *,
    own: Codes,
    sets: Sequence[Codes],
    allowed: Allowed | None,
) -> Replicates:
    r, n = len(sets), len(own) // len(sets)
    found = envelop(pool, *points, own=own, sets=sets, member=np.repeat(np.arange(r), n), allowed=allowed)
    distance = np.where(found.status == OPTIMAL, found.beta, np.nan)
    if measure == "input":
        with np.errstate(divide="ignore"):
            distance = 1.0 / (1.0 - distance)
    elif measure == "output":
        distance = 1.0 + distance
    stalled = (found.status != OPTIMAL) & (found.status != INFEASIBLE)
    pair, count = _pairs(pool, found, n)
    return Replicates(
        distance=distance.reshape(r, n),
        stalled=stalled.reshape(r, n).sum(axis=0),
        inside=(own != ARTIFICIAL).reshape(r, n),
        pair=pair,
        count=count,
    )


def _pairs(pool: Technology, found: Envelopment, n: int) -> tuple[Codes, Codes]:
    """Return pairs of a unit and a peer (c,), of n each, and how often they are met."""
    part = np.where(found.peer >= 0, found.weight * pool.length[found.peer], 0.0)
    held = (part > _PART * part.max(axis=1, keepdims=True)) & (found.status == OPTIMAL)[:, None]
    point, place = np.nonzero(held)
    return np.unique(point % n * n + found.peer[point, place] % n, return_counts=True)
