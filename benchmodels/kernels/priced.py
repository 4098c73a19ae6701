"""What goods cost and fetch at a unit's own prices, and what the best others could make of those prices.

At prices the goods that have one come to a single good, their value, so that the least cost and the largest revenue
are envelopments with one good that moves; prices differ from unit to unit, and so does the value of every other. The
largest profit needs no program: it is at one unit, by as much as returns to scale let it grow or shrink.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.free_disposal import blocks
from benchmodels.kernels.scaled_units import factor_needed, factor_paid
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Priced", "best_profit", "best_value", "best_value_by_units"]

# Numbers of a block of values, units by units.
_ENTRIES = 2**20
# A factor that is beyond its bounds by less, and a profit that is a smaller share of the turnover, are so by rounding.
_TIE = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class Priced:
    """The best value of k units' goods at their own prices.

    Parameters
    ----------
    ratio : (k,) array
        Least cost as a share of the unit's own, 1 or less; or largest revenue as a multiple of its own, 1 or more. NaN
        where ``status`` is not `OPTIMAL`.
    status : (k,) array of int
    goods : (k, m + s) array
        Inputs and outputs of the best plan, in their units of measure; one of many where several are as good.
    unit, peer : (t,) arrays of int; weight : (t,) array
        The units that the plan is made of.
    residual : (k,) array
        Largest violation of a row or of a price and largest gap, relative; 0 where the answer is closed.
    """

    ratio: Floats
    status: Codes
    goods: Floats
    unit: Codes
    peer: Codes
    weight: Floats
    residual: Floats


def best_value(
    inputs: Floats,
    outputs: Floats,
    prices: Floats,
    priced: Mask,
    *,
    side: Literal["input", "output"],
    bounds: tuple[float, float],
    allowed: Allowed | None = None,
) -> Priced:
    """Return the least cost of k units' outputs, or the largest revenue from their inputs, at their own prices.

    Parameters
    ----------
    inputs : (k, m) array; outputs : (k, s) array
        Of the units, which are their own reference.
    prices : (k, m + s) array
        Per unit of measure of each good; used where ``priced``.
    priced : (m + s,) array of bool
        Goods of the side that have a price; those of the same side that have none stay as they are.
    side : {"input", "output"}
    bounds : (float, float)
        Of the sum of intensities.
    allowed : callable, optional
        Which units each may be held against.

    Notes
    -----
    Values are shares of the unit's own, so that the money's unit of measure does not matter. Every unit has columns of
    its own, k n of them in all, made in blocks of about 2**20 numbers: 98 units take about .1 s, 1,000 about 1.3 s.

    References
    ----------
    Färe, R., Grosskopf, S. and Lovell, C. A. K. (1985). The Measurement of Efficiency of Production. Kluwer, ch. 3-4.
    """
    k, m = inputs.shape
    goods, first = np.concatenate([inputs, outputs], axis=1), side == "input"
    still = np.flatnonzero(~priced[:m]) if first else np.flatnonzero(~priced[m:])
    ratio, status, residual = np.full(k, np.nan), np.full(k, INFEASIBLE, dtype=np.intp), np.zeros(k)
    plan, triples = np.full(goods.shape, np.nan), []
    step = max(1, _ENTRIES // (k * (goods.shape[1] + 1)))
    for low in range(0, k, step):
        at = np.arange(low, min(low + step, k))
        value = _values(goods, prices, priced, at).ravel()[:, None]
        every = np.tile(np.arange(k), len(at))
        moved, kept = (inputs, outputs) if first else (outputs, inputs)
        sides = np.column_stack([value, moved[every][:, still]]), kept[every]
        technology = Technology(*(sides if first else sides[::-1]), bounds)
        own = np.arange(len(at)) * k + at
        start = technology.inputs[own], technology.outputs[own]
        direction = np.zeros((len(at), goods.shape[1] - int(priced.sum()) + 1))
        direction[:, 0 if first else kept.shape[1]] = 1.0
        found = envelop(
            technology, *start, direction, own=own, sets=[np.arange(i * k, (i + 1) * k) for i in range(len(at))],
            member=np.arange(len(at)), allowed=_from(allowed, low),
        )  # fmt: skip
        solved = found.status == OPTIMAL
        ratio[at] = np.where(solved, 1.0 - found.beta if first else 1.0 + found.beta, np.nan)
        status[at] = found.status
        residual[at] = np.maximum.reduce([found.primal_residual, found.dual_residual, found.gap])
        row, place = np.nonzero((found.peer >= 0) & (found.weight > 0) & solved[:, None])
        peer, weight = found.peer[row, place] % k, found.weight[row, place]
        best = np.zeros((len(at), goods.shape[1]))
        np.add.at(best, row, weight[:, None] * goods[peer])
        plan[at] = np.where(solved[:, None], best, np.nan)
        triples.append((at[row], peer, weight))
    unit, peer, weight = (np.concatenate(part) for part in zip(*triples, strict=True))
    return Priced(ratio=ratio, status=status, goods=plan, unit=unit, peer=peer, weight=weight, residual=residual)


def best_value_by_units(
    inputs: Floats,
    outputs: Floats,
    prices: Floats,
    priced: Mask,
    *,
    side: Literal["input", "output"],
    bounds: tuple[float, float],
    allowed: Allowed | None = None,
) -> Priced:
    """Return the same without mixtures: of each unit alone, made larger or smaller by a factor within bounds.

    Every good of the side needs a price. Closed, as `benchmodels.kernels.scaled_units`: O(k² (m + s)).
    """
    k, first = len(inputs), side == "input"
    goods = np.concatenate([inputs, outputs], axis=1)
    cost, peer, weight = np.full(k, np.inf), np.zeros(k, dtype=np.intp), np.zeros(k)
    for at, eligible in blocks(k, k, exclude=None, allowed=allowed):
        some = np.arange(at.start, at.stop)
        value = _values(goods, prices, priced, some)
        if first:
            factor = np.maximum(factor_needed(outputs, outputs[at]), bounds[0])
            possible = factor <= bounds[1] * (1.0 + _TIE)
        else:
            factor = np.minimum(factor_paid(inputs, inputs[at]), bounds[1])
            possible = factor >= bounds[0] * (1.0 - _TIE)
        with np.errstate(invalid="ignore"):
            each = np.where(possible & eligible, (1.0 if first else -1.0) * factor * value, np.inf)
        peer[at] = each.argmin(axis=1)
        row = np.arange(len(some))
        cost[at], weight[at] = each[row, peer[at]], factor[row, peer[at]]
    status = np.select([cost == np.inf, cost == -np.inf], [INFEASIBLE, UNBOUNDED], OPTIMAL)
    solved = status == OPTIMAL
    plan = np.where(solved[:, None], np.where(solved, weight, 0.0)[:, None] * goods[peer], np.nan)
    ratio = np.where(solved, cost if first else -cost, np.nan)
    unit = np.flatnonzero(solved)
    return Priced(
        ratio=ratio, status=status, goods=plan, unit=unit, peer=peer[unit], weight=weight[unit], residual=np.zeros(k)
    )


def best_profit(
    inputs: Floats, outputs: Floats, prices: Floats, *, bounds: tuple[float, float], allowed: Allowed | None = None
) -> tuple[Floats, Priced]:
    """Return the largest profit (k,) at each unit's prices, in its money, and the plan that makes it.

    A linear function is largest at a unit, with or without mixtures; by a loss, or where nothing bounds it by a profit,
    returns to scale decide: as small as it may be, or without a bound (`UNBOUNDED`). ``ratio`` is NaN.

    References
    ----------
    Nerlove, M. (1965). Estimation and Identification of Cobb-Douglas Production Functions. Rand McNally.
    """
    k, m = inputs.shape
    goods = np.concatenate([-inputs, outputs], axis=1)
    profit, peer = np.full(k, -np.inf), np.zeros(k, dtype=np.intp)
    for at, eligible in blocks(k, k, exclude=None, allowed=allowed):
        each, turnover = prices[at] @ goods.T, prices[at] @ np.abs(goods).T
        # A profit that is nothing but rounding is none: returns to scale would make it one without a bound.
        each = np.where(np.abs(each) > _TIE * turnover, each, 0.0)
        each = np.where(eligible, each, -np.inf)
        peer[at] = each.argmax(axis=1)
        profit[at] = each[np.arange(len(each)), peer[at]]
    weight = np.where(profit > 0, bounds[1], bounds[0])
    status = np.select([profit == -np.inf, np.isinf(weight)], [INFEASIBLE, UNBOUNDED], OPTIMAL)
    solved = status == OPTIMAL
    weight = np.where(solved, weight, 0.0)
    size = np.where(np.arange(goods.shape[1]) < m, -1.0, 1.0) * weight[:, None] * goods[peer] + 0.0
    unit = np.flatnonzero(weight > 0)
    return np.where(solved, weight * np.where(solved, profit, 0.0), np.nan), Priced(
        ratio=np.full(k, np.nan), status=status, goods=np.where(solved[:, None], size, np.nan), unit=unit,
        peer=peer[unit], weight=weight[unit], residual=np.zeros(k),
    )  # fmt: skip


def _values(goods: Floats, prices: Floats, priced: Mask, at: Codes) -> Floats:
    """Return the value (b, n) of everybody's goods at the prices of some units, as a share of the unit's own value."""
    price = prices[at][:, priced]
    own = (price * goods[at][:, priced]).sum(axis=1)
    return np.asarray((price / own[:, None]) @ goods[:, priced].T)


def _from(allowed: Allowed | None, low: int) -> Allowed | None:
    """Return the same for points that are counted from a place."""
    if allowed is None:
        return None
    return lambda some, first, last: allowed(some + low, first, last)
