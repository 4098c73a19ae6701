"""Prices that show a unit at its best, and of those the kindest to others, or the least kind.

Under constant returns unit d is rated at prices π = (v, u) of inputs and outputs with u y_d / v x_d = θ_d, its best
ratio. Where there are many such prices a second goal chooses: the others together, X = Σ x_j and Y = Σ y_j over j ≠ d,
are to come out well or badly, in u Y - v X with v X = 1 (a ratio) or with v x_d = 1 (a difference).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.cold_program import solve_cold
from benchmodels.kernels.shared_simplex import (
    ARTIFICIAL,
    INFEASIBLE,
    OPTIMAL,
    OWN,
    STALLED,
    UNBOUNDED,
    Columns,
    Vertices,
    maximise,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["CrossPrices", "cross_prices"]

# Units solved together; residuals that an answer may have.
_CHUNK = 500
_CLOSE = 1e-9
# Of a rater's largest price, per mean good: below which a price is rounding.
_DUST = 1e-13
# A basic value above which a solution is no tie, so that its prices are the only ones.
_APART = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossPrices:
    """Prices of k units that meet the second goal.

    Parameters
    ----------
    price : (k, m + s) array
        Per unit of measure of each good; NaN without an answer.
    status : (k,) array of int
        `OPTIMAL`; `UNBOUNDED`: no prices are the best for the goal, or only such as give the unit no worth itself, as
        may be where it uses nothing of some input; or `STALLED`.
    residual : (k,) array
        The largest of: a unit that is above 1 at these prices, the unit's own ratio off θ, the goal off its bound; each
        relative to the terms that it is a sum of.
    unique : (k,) array of bool
        No other prices meet both goals.
    """

    price: Floats
    status: Codes
    residual: Floats
    unique: Mask


def cross_prices(
    technology: Technology,
    theta: Floats,
    *,
    goal: Literal["benevolent", "aggressive"],
    surrogate: Literal["ratio", "difference"] = "ratio",
) -> CrossPrices:
    """Find, for each of n reference units, prices that are best for it first and meet the goal second.

    Parameters
    ----------
    technology : Technology
        n units, under constant returns.
    theta : (n,) array
        The units' own best ratios, those of the input measure; of a NaN there are no prices.
    goal : {'benevolent', 'aggressive'}
        Whether the others together are to come out as well, or as badly, as can be.
    surrogate : {'ratio', 'difference'}
        Of what: u Y / v X, or u Y - v X where v x_d = 1.

    Raises
    ------
    SpecificationError
        Other returns; fewer than two units.

    Notes
    -----
    The dual of each program moves a point (X, Y) along a direction, over the units and one column more, which holds the
    unit's own ratio. So all are one batch of `maximise`; those that it does not solve go to HiGHS one by one.
    98 units with six goods take some 5 ms, 1,000 some .07 s.

    References
    ----------
    Doyle & Green (1994), J Oper Res Soc 45:567-578.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.ones((3, 1)), np.array([[4.0, 1.0], [1.0, 4.0], [2.0, 2.0]])
    >>> found = cross_prices(Technology(x, y, (0.0, np.inf)), np.array([1.0, 1.0, 0.8]), goal="aggressive")
    >>> (found.price[0] / found.price[0, 0]).round(12).tolist()
    [1.0, 0.25, 0.0]
    """
    n, m = technology.inputs.shape
    if not technology.cone or n < 2:
        raise SpecificationError("cross-efficiency needs constant returns and two units or more")
    body = np.concatenate([technology.inputs, -technology.outputs], axis=1) / technology.scale
    unit, is_input = body / technology.length[:, None], np.arange(body.shape[1]) < m
    whole, sign = body.sum(axis=0), 1.0 if goal == "benevolent" else -1.0
    price = np.full(body.shape, np.nan)
    status, residual = np.full(n, STALLED, dtype=np.intp), np.full(n, np.inf)
    unique = np.zeros(n, dtype=np.bool_)
    for low in range(0, n, _CHUNK):
        some = np.arange(low, min(low + _CHUNK, n))
        known = np.isfinite(theta[some])
        ratio = np.where(known, theta[some], 1.0)[:, None]
        held, others = unit[some] * np.where(is_input, ratio, 1.0), whole - body[some]
        step = (others if surrogate == "ratio" else unit[some]) * is_input
        programs = _Programs(
            columns=Columns(np.concatenate([unit.T, -held.T], axis=1), technology.columns.slacks),
            count=n,
            point=sign * others / np.abs(others).max(axis=1, keepdims=True),
            step=step / np.abs(step).max(axis=1, keepdims=True),
            held=held,
            own=np.full(len(some), OWN if sign > 0 else ARTIFICIAL),
        )
        found, wrong = programs.solved()
        solved = np.asarray((found.status == OPTIMAL) & (wrong <= _CLOSE))
        # Prices that give the unit itself no worth are best for it in the limit only.
        worth = (found.dual * unit[some] * is_input).sum(axis=1)
        fair = np.asarray(worth > _CLOSE * np.abs(found.dual).max(axis=1))
        ended = np.where(solved & fair, OPTIMAL, np.where(solved | (found.status == INFEASIBLE), UNBOUNDED, STALLED))
        ended[~known] = STALLED
        status[some], residual[some] = ended, wrong
        # A price of rounding is none: a unit that has no other goods would be rated by rounding over rounding.
        dust = np.abs(found.dual) <= _DUST * np.abs(found.dual).max(axis=1, keepdims=True)
        price[some] = np.where((ended == OPTIMAL)[:, None], np.where(dust, 0.0, found.dual), np.nan)
        unique[some] = (ended == OPTIMAL) & (found.value[:, 1:] > _APART).all(axis=1)
    return CrossPrices(price=price / technology.scale, status=status, residual=residual, unique=unique)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Programs:
    """Programs of p units over n units and, behind them, p columns that hold each one's own ratio."""

    columns: Columns
    count: int
    point: Floats
    step: Floats
    held: Floats
    own: Codes

    def allowed(self, some: Codes, low: int, high: int) -> Mask:
        """Return that a program may use all units, and of the columns behind them its own."""
        column = np.arange(low, high)
        return np.asarray((column < self.count) | (column - self.count == some[:, None]))

    def solved(self) -> tuple[Vertices, Floats]:
        """Return the answers and their residuals (p,)."""
        found = maximise(
            self.columns, self.point, self.step, start=self.point, own=self.own, allowed=self.allowed
        )  # fmt: skip
        wrong = self.residual(found)
        for i in np.flatnonzero(~(wrong <= _CLOSE) & (found.status != INFEASIBLE)).tolist():
            whole = self.columns.of_set(0), self.columns.count
            solve_cold(*whole, self.point[i], self.point[i], self.step[i], int(self.own[i]), self.allowed, i, found)
        return found, self.residual(found)

    def residual(self, found: Vertices) -> Floats:
        """Return what `CrossPrices` has, (p,)."""
        known = np.asarray(np.isfinite(found.dual).all(axis=1) & (found.status == OPTIMAL))
        price, body = np.where(known[:, None], found.dual, 0.0), self.columns.matrix[:, : self.count]
        worst = _share(np.maximum(-(price @ body), 0.0), np.abs(price) @ np.abs(body)).max(axis=1)
        below = np.maximum(-(price @ self.columns.slacks), 0.0).max(axis=1)
        worst = np.maximum(worst, _share(below, np.abs(price).max(axis=1)))
        own = price * self.held
        worst = np.maximum(worst, _share(np.abs(own.sum(axis=1)), np.abs(own).sum(axis=1)))
        one = np.abs((price * self.step).sum(axis=1) - 1.0)
        beta = np.where(known, found.beta, 0.0)
        gap = np.abs((price * self.point).sum(axis=1) - beta)
        gap = _share(gap, np.maximum(np.abs(price * self.point).max(axis=1), np.abs(beta)))
        return np.where(known, np.maximum(worst, np.maximum(one, gap)), np.inf)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.where(part > 0, np.inf, part), where=whole > 0)
