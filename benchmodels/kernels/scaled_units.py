"""Frontiers of units made larger or smaller: each alone, no mixture of them, by any factor within bounds.

The answer for a point and a unit is closed: by which factor the unit reaches the point's outputs, by which it can be
paid for by its inputs, and what is left between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.free_disposal import Goods, blocks, check_goods, sign_of
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["ScaledUnits", "factor_needed", "factor_paid", "score_by_scaled_units"]

# A factor that is beyond its bounds by less, and a score that is worse than the best by less, are so by rounding.
_TIE = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class ScaledUnits:
    """Scores of k points, with every unit that gives one and by which factor.

    Parameters
    ----------
    score : (k,) array
        θ or φ; NaN where ``status`` is not `OPTIMAL`.
    status : (k,) array of int
        `OPTIMAL`; `INFEASIBLE`: no unit reaches the point by a factor that is allowed; `UNBOUNDED`.
    point, peer : (t,) arrays of int; copies : (t,) array
        All pairs of a point and a unit that gives its score, and the factor.
    """

    score: Floats
    status: Codes
    point: Codes
    peer: Codes
    copies: Floats


def score_by_scaled_units(
    reference: Goods,
    points: Goods,
    *,
    measure: Literal["input", "output", "graph"],
    bounds: tuple[float, float],
    exclude: Codes | None = None,
    allowed: Allowed | None = None,
) -> ScaledUnits:
    """Score k points against n units, each made larger or smaller by a factor between two bounds.

    The technology is the union over j of all that λ (x_j, y_j) dominates, low <= λ <= high: free disposal without
    convexity, under returns to scale that are constant (0, ∞), not increasing (0, 1), not decreasing (1, ∞), or
    constant near each unit (as .85 to 1.15).

    Parameters
    ----------
    reference : Goods of n units; points : Goods of k points
        In the same units of measure; zero or more.
    measure : {"input", "output", "graph"}
    bounds : (float, float)
        Of the factor, 0 <= low <= 1 <= high.
    exclude, allowed
        As in `benchmodels.kernels.free_disposal.score_by_units`.

    Raises
    ------
    DataError
        Goods that are not finite or below zero, or shapes that do not fit.
    SpecificationError
        Another measure.

    Notes
    -----
    Time O(n k (m + s)), memory of 2**18 pairs. With both bounds 1 it is the free disposal hull.

    References
    ----------
    Kerstens, K. and Vanden Eeckaut, P. (1999), Eur J Oper Res 113:206-214. Podinovski, V. (2004), Oper Res Lett
    32:555-558 (closed form). Bogetoft, P. and Otto, L. (2011), Benchmarking with DEA, SFA, and R, Springer ('fdh+').

    Examples
    --------
    >>> units = Goods(np.array([[2.0], [4.0]]), np.array([[1.0], [1.5]]))
    >>> score_by_scaled_units(units, units, measure="input", bounds=(1.0, np.inf)).score
    array([1.  , 0.75])
    """
    if measure not in ("input", "output", "graph"):
        raise SpecificationError(f"measure={measure!r}; units that are scaled have 'input', 'output', 'graph'")
    check_goods(reference, points, measure)
    n, k, sign = len(reference.inputs), len(points.inputs), sign_of(measure)
    best, pairs = np.full(k, np.inf), []
    for at, eligible in blocks(n, k, exclude=exclude, allowed=allowed):
        own = Goods(*(goods[at] for goods in points))
        needed, paid = factor_needed(reference.outputs, own.outputs), factor_paid(reference.inputs, own.inputs)
        factor, cost = _best(needed, paid, measure, bounds)
        cost[~eligible] = np.inf
        best[at] = cost.min(axis=1, initial=np.inf)
        room = _TIE * np.where(np.isfinite(best[at]), np.abs(best[at]), 0.0)
        row, unit = np.nonzero((cost <= (best[at] + room)[:, None]) & np.isfinite(best[at])[:, None])
        pairs.append((row + at.start, unit, factor[row, unit]))
    status = np.select([best == np.inf, best == -np.inf], [INFEASIBLE, UNBOUNDED], OPTIMAL)
    point, peer, copies = (np.concatenate(part) for part in zip(*pairs, strict=True)) if pairs else (
        np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    )  # fmt: skip
    score = sign * np.where(status == OPTIMAL, best, np.nan) + 0.0
    return ScaledUnits(score=score, status=status, point=point, peer=peer, copies=copies)


def factor_needed(theirs: Floats, own: Floats) -> Floats:
    """Return the factor (b, n) from which on each unit makes what each point does; infinite where none is enough."""
    found = np.zeros((len(own), len(theirs)))
    for i in range(theirs.shape[1]):
        wanted = own[:, i] > 0
        with np.errstate(divide="ignore"):
            found[wanted] = np.maximum(found[wanted], own[wanted, i : i + 1] / theirs[None, :, i])
    return found


def factor_paid(theirs: Floats, own: Floats) -> Floats:
    """Return the factor (b, n) up to which each point's inputs are enough for each unit."""
    found = np.full((len(own), len(theirs)), np.inf)
    for i in range(theirs.shape[1]):
        used = theirs[:, i] > 0
        found[:, used] = np.minimum(found[:, used], own[:, i : i + 1] / theirs[None, used, i])
    return found


def _best(needed: Floats, paid: Floats, measure: str, bounds: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return the factor and the score (b, n) of each unit alone, the least best; infinite where it cannot serve."""
    low, high = bounds
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "input":
            factor = np.maximum(needed, low)
            cost = np.where(factor > 0, factor / paid, 0.0)
            possible = factor <= high * (1.0 + _TIE)
        elif measure == "output":
            factor = np.minimum(paid, high)
            cost = np.where(needed > 0, -factor / needed, -np.inf)
            possible = (factor >= low * (1.0 - _TIE)) & ((factor > 0) | (needed > 0))
        else:
            # λ/paid is what inputs are multiplied by, needed/λ what outputs are divided by.
            factor = np.clip(np.sqrt(needed * paid), low, high)
            cost = np.maximum(factor / paid, needed / factor)
            possible = np.isfinite(needed) & (paid > 0)
    cost[~possible | np.isnan(cost)] = np.inf
    return np.minimum(factor, high), cost
