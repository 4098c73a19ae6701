"""Frontiers of copies: what units as they are could do put together, each run once, twice, or as often as wanted.

Copies are whole; or any number from one up, where a unit can be made larger but not smaller. One integer program a
point. Units that the point cannot pay for are left out, copies found are put together, and the score is that of the sum
itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import highspy
import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.free_disposal import Goods, score_by_units, steps_of
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, STALLED, UNBOUNDED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Replicability", "replicability"]

# By how much copies may miss a good, relative to the point; sums of goods round.
_MISS = 1e-9
# What a score is where no step is taken, and what each step does to it.
_SCORE = {"input": (1.0, -1.0), "output": (1.0, 1.0), "directional": (0.0, 1.0)}
# How far a score and its bound may be apart and still count as proved, relative to the point.
_PROVED = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Replicability:
    """Scores against whole copies of units.

    Parameters
    ----------
    score : (k,) array
        NaN where it is not proved.
    found, bound : (k,) arrays
        Score of the copies below, and a score that no copies can beat; the same to 1e-6 where proved.
    status : (k,) array of int
        `OPTIMAL`, `INFEASIBLE`, `UNBOUNDED`, or `STALLED` where the search gave up.
    point, peer : (t,) arrays of int; copies : (t,) array of int, or of float where they need not be whole
        A best set of copies, which need not be the only one.
    """

    score: Floats
    found: Floats
    bound: Floats
    status: Codes
    point: Codes
    peer: Codes
    copies: Codes | Floats


def replicability(
    reference: Goods,
    points: Goods,
    *,
    measure: Literal["input", "output", "directional"],
    direction: Floats | None = None,
    exclude: Codes | None = None,
    allowed: Allowed | None = None,
    whole: bool = True,
    nodes: int = 10_000,
) -> Replicability:
    """Score k points against copies of n units put together (free replicability, additivity).

    The technology is every sum Σ λ_j (x_j, y_j) with λ_j = 0, 1, 2, …, the empty one too, and whatever it dominates;
    or, where copies need not be ``whole``, with λ_j = 0 or any number from 1 up.

    Parameters
    ----------
    reference, points, measure, direction, exclude, allowed
        As in `score_by_units`; at least one good positive for each unit.
    whole : bool
        Copies are whole numbers; else a unit may also be made larger by any part of itself.
    nodes : int
        Nodes of the search tree, for each point, before its score is given up.

    Returns
    -------
    Replicability
        A score that could not be proved is NaN, its status `STALLED`; ``found`` and ``bound`` say what is known.

    Raises
    ------
    DataError, SpecificationError
        As in `score_by_units`; a graph measure, which is not linear in copies.

    Notes
    -----
    One integer program a point, solved by HiGHS to a gap of 1e-9; units of which the point cannot afford one copy at
    the score of free disposal are left out first. Copies are then rounded and put together, and the score is that of
    the sum itself. 98 units with 3 inputs and 2 outputs take about .6 s, 200 take 6 s. The search can grow without a
    limit where small units can be put together in very many ways, as with units of 2,000 and of 600,000 inhabitants:
    hence ``nodes``.

    References
    ----------
    Tulkens, H. (1993), as in `score_by_units` (free replicability). Bogetoft, P. and Otto, L. (2011). Benchmarking with
    DEA, SFA, and R. Springer (the additive technology; and 'irs2', additive and increasing, of copies from one up).

    Examples
    --------
    >>> units = Goods(np.array([[2.0], [5.0]]), np.array([[1.0], [2.0]]))
    >>> replicability(units, units, measure="input").score
    array([1. , 0.8])
    """
    if measure not in _SCORE:
        raise SpecificationError(f"measure={measure!r}; whole copies have {', '.join(map(repr, _SCORE))}")
    alone = score_by_units(reference, points, measure=measure, direction=direction, exclude=exclude, allowed=allowed)
    k, n = len(points.inputs), len(reference.inputs)
    shift, sign = _SCORE[measure]
    step = steps_of(points, measure, direction)
    found, bound, status = np.full(k, np.nan), np.full(k, np.nan), np.full(k, UNBOUNDED, dtype=np.intp)
    triples: list[tuple[Codes, Codes, Codes | Floats]] = []
    for i in np.flatnonzero((step > 0).any(axis=1)):
        usable = np.ones(n, dtype=np.bool_) if allowed is None else allowed(np.array([i]), 0, n)[0].copy()
        if exclude is not None and exclude[i] >= 0:
            usable[exclude[i]] = False
        units = np.flatnonzero(usable)
        part = Goods(reference.inputs[units], reference.outputs[units])
        point = Goods(points.inputs[i], points.outputs[i])
        least = sign * (alone.score[i] - shift) if alone.status[i] == OPTIMAL else -np.inf
        copies, reached, most, status[i] = _copied(part, point, step[i], least, whole, nodes)
        found[i], bound[i] = shift + sign * reached, shift + sign * most
        used = np.flatnonzero(copies)
        triples.append((np.full(len(used), i), units[used], copies[used]))
    empty: Codes = np.empty(0, dtype=np.intp)
    parts: list[Any] = [np.concatenate(part) for part in zip(*triples, strict=True)] if triples else [empty] * 3
    return Replicability(
        score=np.where(status == OPTIMAL, found, np.nan), found=found, bound=bound, status=status,
        point=parts[0], peer=parts[1], copies=parts[2],
    )  # fmt: skip


def _copied(
    units: Goods, point: Goods, step: Floats, least: float, whole: bool, nodes: int
) -> tuple[Codes | Floats, float, float, int]:
    """Return the best numbers of copies (n,), the steps they allow, a bound of these, and a status.

    ``least`` is a number of steps that is possible, or ``-inf``.
    """
    m = units.inputs.shape[1]
    goods, own = np.concatenate(units, axis=1), np.concatenate(point)
    sign, moves = np.where(np.arange(len(own)) < m, 1.0, -1.0), step > 0
    # Steps of which the point has about one, and goods of order 1, whatever the units of measure.
    one = np.max(step[moves & (own != 0)] / np.abs(own[moves & (own != 0)]), initial=0.0) or 1.0
    step, least = step / one, least * one
    size = np.maximum(np.abs(own), step)
    size = np.where(size > 0, size, 1.0)
    most = _affordable(goods, own, step, least, m, whole)
    tried = np.flatnonzero(most >= 1)
    copies: Codes | Floats = np.zeros(len(goods), dtype=np.intp if whole else float)
    if not len(tried):
        # Nothing but nothing itself, which makes nothing and needs nothing.
        reached = float(np.min((sign * own)[moves] / step[moves])) / one
        return (copies, reached, reached, OPTIMAL) if np.all(sign[~moves] * own[~moves] >= 0) else (
            copies, np.nan, np.nan, INFEASIBLE
        )  # fmt: skip
    body = np.column_stack([step / size, (goods[tried] * sign / size).T])
    find = _whole if whole else _from_one_up
    status, number, bound = find(body, sign * own / size, most[tried], nodes)
    if number is None:
        return copies, np.nan, bound / one, status
    copies[tried] = number
    short = sign * (copies @ goods - own)
    reached = float(np.min(-short[moves] / step[moves]))
    held = np.all(short[~moves] <= _MISS * max(1, len(tried)) * size[~moves])
    if not held or not abs(bound - reached) <= _PROVED * max(1.0, abs(bound)):
        status = STALLED
    return copies, (reached / one if held else np.nan), bound / one, status


def _affordable(goods: Floats, own: Floats, step: Floats, least: float, m: int, whole: bool) -> Floats:
    """Return (n,) how many copies of each unit can serve, at most."""
    left = own[:m] - np.where(step[:m] > 0, step[:m], 0.0) * (least if np.isfinite(least) else 0.0)
    left = np.where((step[:m] > 0) & ~np.isfinite(least), np.inf, left)
    most = np.full(goods.shape, np.inf)
    np.divide(np.broadcast_to(left, goods[:, :m].shape), goods[:, :m], out=most[:, :m], where=goods[:, :m] > 0)
    if not (step[m:] > 0).any():
        # Where outputs are only to be reached, more copies than one good asks for serve nothing.
        needed = np.where(own[m:] > 0, np.inf, 0.0) * np.ones_like(goods[:, m:])
        np.divide(np.broadcast_to(own[m:], needed.shape), goods[:, m:], out=needed, where=goods[:, m:] > 0)
        enough = needed.max(axis=1, initial=0.0)
        enough = np.ceil(enough * (1.0 - _MISS)) if whole else np.where(enough > 0, np.maximum(enough, 1.0), 0.0)
        most = np.column_stack([most[:, :m], enough])
    number = most.min(axis=1, initial=np.inf) * (1.0 + _MISS) + _MISS
    return np.asarray(np.floor(number) if whole else number)


def _whole(body: Floats, limit: Floats, most: Floats, nodes: int) -> tuple[int, Codes | None, float]:
    """Return a status, whole copies (c,), and a bound of the steps, as `_solved`."""
    status, value, bound = _solved(body, limit, np.concatenate([[np.inf], most]), len(most), nodes)
    return status, None if value is None else np.rint(value[1:]).astype(np.intp), bound


def _from_one_up(body: Floats, limit: Floats, most: Floats, nodes: int) -> tuple[int, Floats | None, float]:
    """Return a status, copies (c,) of zero or 1 and more, and a bound of the steps.

    A copy is there or not, and larger by no more than it may be if it is there. HiGHS has such variables as a kind of
    their own, but ends at a worse answer with some of these programs.
    """
    c = len(most)
    linked = np.column_stack([np.zeros(c), -np.diag(most - 1.0), np.eye(c)])
    whole = np.concatenate([np.column_stack([body, body[:, 1:]]), linked])
    ends = np.concatenate([[np.inf], np.ones(c), most - 1.0])
    status, value, bound = _solved(whole, np.concatenate([limit, np.zeros(c)]), ends, c, nodes)
    if value is None:
        return status, None, bound
    there = np.rint(value[1 : c + 1])
    return status, there * (1.0 + np.maximum(value[c + 1 :], 0.0)), bound


def _solved(body: Floats, limit: Floats, most: Floats, count: int, nodes: int) -> tuple[int, Floats | None, float]:
    """Solve: the largest x_0 with body x <= limit and 0 <= x_j <= most_j for j > 0, whole for j <= count.

    Returns a status, the solution if there is one, and a bound.
    """
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    tight = {f"{kind}_feasibility_tolerance": 1e-9 for kind in ("primal", "dual", "mip")}
    stop = {"mip_rel_gap": 1e-9, "mip_abs_gap": 1e-9, "mip_max_nodes": nodes}
    for option, choice in ({"output_flag": False} | tight | stop).items():
        solver.setOptionValue(option, choice)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = body.shape
    model.col_cost_ = np.where(np.arange(body.shape[1]) == 0, -1.0, 0.0)
    model.col_lower_ = np.where(np.arange(body.shape[1]) == 0, -np.inf, 0.0)
    model.col_upper_ = most
    model.row_lower_, model.row_upper_ = np.full(len(limit), -np.inf), limit
    kinds = highspy.HighsVarType
    rest = body.shape[1] - 1 - count
    model.integrality_ = [kinds.kContinuous] + [kinds.kInteger] * count + [kinds.kContinuous] * rest
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    filled = body.T != 0.0
    model.a_matrix_.start_ = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    model.a_matrix_.index_ = np.nonzero(filled)[1]
    model.a_matrix_.value_ = body.T[filled]
    solver.passModel(model)
    solver.run()
    ends, end, info = highspy.HighsModelStatus, solver.getModelStatus(), solver.getInfo()
    status = {ends.kOptimal: OPTIMAL, ends.kInfeasible: INFEASIBLE, ends.kUnbounded: UNBOUNDED}.get(end, STALLED)
    value = np.array(solver.getSolution().col_value)
    if len(value) != body.shape[1] or info.primal_solution_status == 0:
        return (status if status != OPTIMAL else STALLED), None, np.nan
    return status, value, -float(info.mip_dual_bound)
