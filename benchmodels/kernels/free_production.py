"""Whether a technology with trade-offs makes something of nothing, which no bounds of prices may allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import ConvergenceError
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL
from benchmodels.kernels.small_programs import SmallPrograms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["makes_of_nothing"]

# A share of the mean output, up to 1, that counts as something.
_SOMETHING = 1e-6


def makes_of_nothing(technology: Technology, owner: Codes | None = None, points: int = 1) -> Mask:
    """Whether outputs without inputs, or without end, can be made with trade-offs.

    A technology does so where no prices that the trade-offs allow are above zero for all outputs and leave no unit
    with a profit; then efficiencies may be zero, below zero, or without a bound.

    Parameters
    ----------
    technology : Technology
        n units and t trade-offs.
    owner : (t,) array of int, optional
        Which of the points each trade-off is of, -1 for one that all have, as by default.
    points : int, default 1
        Points, each with the trade-offs that are its own or of all.

    Returns
    -------
    (points,) array of bool

    Raises
    ------
    ConvergenceError
        A program was not solved.

    Notes
    -----
    Where each trade-off is among inputs, or among outputs, positive prices of all goods settle it: those of inputs can
    be raised until nobody has a profit. That is a program of t columns; only points that fail need one of all units.

    References
    ----------
    Podinovski & Bouzdine-Chameeva (2013), Oper Res 61:426-437; (2015), Eur J Oper Res 244:201-209.

    Examples
    --------
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones((2, 1))
    >>> twice = np.array([[-1.0, 1.0, 0.0], [1.0, -1.0, 0.0]])
    >>> makes_of_nothing(Technology(x, y, (1.0, 1.0), moves=twice)).tolist()
    [False]
    >>> cheaper = np.array([[-2.0, 1.0, 0.0], [1.0, -2.0, 0.0]])
    >>> makes_of_nothing(Technology(x, y, (1.0, 1.0), moves=cheaper)).tolist()
    [True]
    """
    n, m, goods = len(technology.inputs), technology.inputs.shape[1], len(technology.scale)
    trades = technology.columns.matrix[:, n:]
    owner = np.full(trades.shape[1], -1) if owner is None else owner
    linked: Mask = np.logical_and(trades[:m].any(axis=0), trades[m:goods].any(axis=0))
    programs, found = SmallPrograms(), np.zeros(points, dtype=np.bool_)
    for i in range(points):
        some = (owner == -1) | (owner == i)
        body = trades[:, some]
        if body.shape[1] and (linked[some].any() or not _priced(body[:goods], programs)):
            found[i] = _made(technology, body, programs)
    return found


def _priced(trades: Floats, programs: SmallPrograms) -> bool:
    """Whether some prices of all goods, each above zero, leave every trade-off (m + s, t) worth zero or more."""
    goods, t = trades.shape
    # Prices are ε + p with p >= 0; the largest ε up to 1 is 1 or 0, since multiples of prices do as well.
    body = np.concatenate([trades.T, -np.eye(t), trades.sum(axis=0)[:, None]], axis=1)
    upper = np.append(np.full(goods + t, np.inf), 1.0)
    gain = np.append(np.zeros(goods + t), 1.0)
    solved = programs.solve(body, np.zeros(t), gain, np.zeros(len(gain)), upper)
    return solved.status == OPTIMAL and solved.value[-1] > 0.5


def _made(technology: Technology, trades: Floats, programs: SmallPrograms) -> bool:
    """Whether something is made without inputs by units and trade-offs, or by trade-offs alone."""
    n, m, goods = len(technology.inputs), technology.inputs.shape[1], len(technology.scale)
    units, slacks = technology.columns.matrix[:, :n], technology.columns.slacks
    made = np.eye(technology.rows)[:, m:goods]
    target = np.zeros(technology.rows)
    low, high = technology.bounds
    target[goods:] = [low] if low == high else [low] * (low > 0) + [high] * bool(np.isfinite(high))
    cases = [(np.concatenate([trades, slacks[:, slacks[:goods].any(axis=0)], made], axis=1), np.zeros_like(target))]
    if not (technology.inputs < 0).any():
        # Where inputs may be below zero there is no such thing as nothing.
        cases.append((np.concatenate([units, trades, slacks, made], axis=1), target))
    for body, wanted in cases:
        count, s = body.shape[1], made.shape[1]
        gain, upper = np.zeros(count), np.full(count, np.inf)
        gain[-s:], upper[-s:] = 1.0, 1.0
        solved = programs.solve(body, wanted, gain, np.zeros(count), upper)
        if solved.status not in (OPTIMAL, INFEASIBLE):
            raise ConvergenceError("whether the trade-offs make something of nothing was not found out")
        if solved.status == OPTIMAL and solved.value @ gain > _SOMETHING:
            return True
    return False
