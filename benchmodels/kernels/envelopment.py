"""Envelopment of many points by one technology: how far each can be moved along its direction before it leaves it.

Units that are dominated by others are never needed as columns. So where there are many the frame is found first: that
of a sample, then those that it does not dominate, then those of both that no other dominates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

from benchmodels.kernels.shared_simplex import (
    ARTIFICIAL,
    BETA,
    INFEASIBLE,
    OPTIMAL,
    OWN,
    STALLED,
    UNBOUNDED,
    Columns,
    Vertices,
    maximise,
)
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Envelopment", "envelop", "frame_of"]

# Programs solved together: their inverses and a block's prices stay in the second-level cache.
CHUNK = 1000
# Units below which a frame costs more than it saves.
_FEW = 2500
# How far a point must be from the frontier to count as dominated, and as so far that its program may end.
_INSIDE, _FAR = 1e-9, 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Envelopment:
    """Distances of k points to a technology, with their certificates.

    Parameters
    ----------
    beta : (k,) array
        Steps along the direction to the frontier; NaN without one.
    peer : (k, d) array of int; weight : (k, d) array
        Reference units of the basic solution and their intensities; -1 and 0 where a place holds none.
    slack : (k, m + s) array
        Of the basic solution, in the goods' units of measure.
    price : (k, m + s) array
        Multipliers, per unit of measure of each good: Σ price x direction = 1.
    returns_price : (k, r) array
        Multipliers of the bounds of Σλ.
    status : (k,) array of int
        `OPTIMAL`, `INFEASIBLE` (then ``price`` is a ray), `UNBOUNDED` or `STALLED`.
    primal_residual, dual_residual : (k,) arrays
        Largest violation of a row, relative to the point; and of a reduced cost, relative to prices and column.
    cold : (k,) array of bool
        Solved by HiGHS, one by one.
    """

    beta: Floats
    peer: Codes
    weight: Floats
    slack: Floats
    price: Floats
    returns_price: Floats
    status: Codes
    primal_residual: Floats
    dual_residual: Floats
    cold: Mask


def envelop(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    direction: Floats,
    *,
    own: Codes,
    allowed: Allowed | None = None,
    frame: Codes | None = None,
    run: Callable[..., Any] = map,
) -> Envelopment:
    """Move k points to the frontier of a technology.

    Parameters
    ----------
    technology : Technology
        n reference units.
    inputs : (k, m) array; outputs : (k, s) array
        The points, in the goods' units of measure.
    direction : (k, m + s) array
        By how much inputs fall and outputs rise in one step.
    own : (k,) array of int
        Position of the point among the reference units; `OWN` for a point that may use itself but is none of them,
        `ARTIFICIAL` for one that may not use itself: another's frontier, or super-efficiency.
    allowed : callable, optional
        ``allowed(points, low, high)``: which reference units low to high each of some points may use, as booleans.
    frame : (f,) array of int, optional
        Reference units that are enough as columns; `frame_of` finds them. Not together with ``allowed``.
    run : callable
        As ``map``: solves chunks, one call each.

    Returns
    -------
    Envelopment

    Notes
    -----
    A program that stalls, or has no bound, is solved again by HiGHS from cold; so is one whose residuals are too large.
    """
    n = len(technology.inputs)
    kept = np.arange(n) if frame is None else frame
    columns = technology.columns if frame is None else technology.part(frame)
    place = np.full(n, OWN, dtype=np.intp)
    place[kept] = np.arange(len(kept))
    inside = own.copy()
    inside[own >= 0] = place[own[own >= 0]]

    def solved(at: slice) -> Envelopment:
        numbers = np.arange(len(inputs))[at]
        mask = None if allowed is None else lambda some, low, high: allowed(numbers[some], low, high)
        goods = inputs[at], outputs[at]
        point, start, step = technology.point(*goods, direction[at])
        found = maximise(columns, point, step, start=start, own=inside[at], allowed=mask)
        cold = np.isin(found.status, (STALLED, UNBOUNDED))
        for i in np.flatnonzero(cold):
            _solve_cold(columns, point[i], start[i], step[i], int(inside[at][i]), mask, int(i), found)
        residuals = _residuals(columns, point, start, step, found, mask)
        return _in_own_units(technology, kept, own[at], goods, found, residuals, cold)

    chunks = [slice(low, low + CHUNK) for low in range(0, max(len(inputs), 1), CHUNK)]
    parts = list(run(solved, chunks))
    return Envelopment(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Envelopment)})


def frame_of(technology: Technology, *, direction: Floats, run: Callable[..., Any] = map, seed: int = 0) -> Codes:
    """Return reference units among which are all that any point can have as a peer, in ascending order.

    Parameters
    ----------
    technology : Technology
        n units.
    direction : (n, m + s) array
        In which units are compared; each must lead away from the frontier: some good changes, none the wrong way.
    run : callable
        As in `envelop`.
    seed : int
        Of the samples. The answer does not depend on it, but for units within 1e-9 of being dominated.

    Notes
    -----
    Of a sample of an eighth the frame is found in the same way. A unit that it dominates needs a few pivots, and most
    are dominated; the rest are held against each other. With six goods about 1,500 of 10,000 units are left.
    """
    units = np.arange(len(technology.inputs))
    return _frame(technology, direction, units, run, np.random.default_rng(seed))


def _frame(
    technology: Technology, direction: Floats, units: Codes, run: Callable[..., Any], rng: np.random.Generator
) -> Codes:
    if len(units) <= _FEW:
        return units[~_dominated(technology, direction, units, units, run)]
    chosen = np.zeros(len(units), dtype=np.bool_)
    chosen[rng.choice(len(units), len(units) // 8, replace=False)] = True
    first = _frame(technology, direction, units[chosen], run, rng)
    rest = units[~chosen]
    both = np.sort(np.concatenate([first, rest[~_dominated(technology, direction, rest, first, run)]]))
    return both[~_dominated(technology, direction, both, both, run)]


def _dominated(
    technology: Technology, direction: Floats, units: Codes, reference: Codes, run: Callable[..., Any]
) -> Mask:
    """Whether units (u,) lie within what the reference units and they themselves can do."""
    columns = technology.part(reference)
    place = np.full(len(technology.inputs), OWN, dtype=np.intp)
    place[reference] = np.arange(len(reference))

    def inside(at: slice) -> Mask:
        some = units[at]
        point, start, step = technology.point(technology.inputs[some], technology.outputs[some], direction[some])
        found = maximise(columns, point, step, start=start, own=place[some], enough=_FAR)
        # One that stalls is kept: a unit too many costs a little time, one too few is a wrong answer.
        return np.asarray(found.beta > _INSIDE)

    return np.concatenate(list(run(inside, [slice(low, low + CHUNK) for low in range(0, len(units), CHUNK)])))


def _solve_cold(
    columns: Columns, point: Floats, start: Floats, step: Floats, own: int, allowed: Allowed | None, i: int,
    found: Vertices,
) -> None:  # fmt: skip
    """Solve one program by HiGHS and write it into what was found."""
    d, n = columns.matrix.shape
    usable = np.arange(n) if allowed is None else np.flatnonzero(allowed(np.array([i]), 0, n)[0])
    code = np.concatenate([[BETA], usable, n + np.arange(columns.slacks.shape[1]), [OWN] if own == OWN else []])
    body = np.column_stack([step, columns.matrix[:, usable], columns.slacks, *([start] if own == OWN else [])])
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    tight = {f"{kind}_feasibility_tolerance": 1e-10 for kind in ("primal", "dual")}
    for option, choice in ({"output_flag": False, "presolve": "off"} | tight).items():
        solver.setOptionValue(option, choice)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = body.shape
    model.col_cost_ = np.where(code == BETA, -1.0, 0.0)
    model.col_lower_ = np.where(code == BETA, -np.inf, 0.0)
    model.col_upper_ = np.full(len(code), np.inf)
    model.row_lower_ = model.row_upper_ = point
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    filled = body.T != 0.0
    model.a_matrix_.start_ = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    model.a_matrix_.index_ = np.nonzero(filled)[1]
    model.a_matrix_.value_ = body.T[filled]
    solver.passModel(model)
    solver.run()
    kinds, status = highspy.HighsModelStatus, solver.getModelStatus()
    found.status[i] = {
        kinds.kOptimal: OPTIMAL, kinds.kInfeasible: INFEASIBLE, kinds.kUnbounded: UNBOUNDED,
    }.get(status, STALLED)  # fmt: skip
    found.beta[i], found.code[i], found.value[i], found.dual[i] = np.nan, ARTIFICIAL, 0.0, np.nan
    if found.status[i] != OPTIMAL:
        return
    solution, basis = solver.getSolution(), solver.getBasis()
    value = np.array(solution.col_value)
    basic = np.array([kind == highspy.HighsBasisStatus.kBasic for kind in basis.col_status])
    # β in place 0; fewer than d columns are basic where a row is.
    chosen = [0, *np.flatnonzero(basic & (code != BETA)).tolist()][:d]
    found.beta[i] = value[0]
    found.code[i, : len(chosen)], found.value[i, : len(chosen)] = code[chosen], value[chosen]
    found.dual[i] = -np.array(solution.row_dual)


def _residuals(
    columns: Columns, point: Floats, start: Floats, step: Floats, found: Vertices, allowed: Allowed | None
) -> tuple[Floats, Floats]:
    """Return the largest violation of a row, relative to the point, and of a reduced cost, to prices and column."""
    k = len(point)
    value = np.where(found.code == ARTIFICIAL, 0.0, np.maximum(found.value, np.where(found.code == BETA, -np.inf, 0.0)))
    met = np.einsum("kij,kj->ki", columns.basis(found.code, step, start), value)
    size = np.abs(point).max(axis=1)
    primal = np.abs(met - point).max(axis=1) / size
    worst = np.zeros(k)
    for block in columns.blocks:
        cost = found.dual @ block.priced
        if allowed is not None:
            cost[:, : block.high - block.low][~allowed(np.arange(k), block.low, block.high)] = 0.0
        worst = np.minimum(worst, cost.min(axis=1))
    return primal, -worst / np.abs(found.dual).max(axis=1)


def _in_own_units(
    technology: Technology,
    kept: Codes,
    own: Codes,
    goods: tuple[Floats, Floats],
    found: Vertices,
    residuals: tuple[Floats, Floats],
    cold: Mask,
) -> Envelopment:
    """Turn codes into reference units, and values and prices into the goods' units of measure."""
    n, length = len(kept), technology.lengths(*goods)
    k, width = len(length), len(technology.scale)
    code, value = found.code, np.maximum(found.value, 0.0)
    peer = np.where((code >= 0) & (code < n), kept[np.clip(code, 0, n - 1)], -1)
    peer = np.where(code == OWN, np.where(own >= 0, own, -1)[:, None], peer)
    weight = np.where(peer >= 0, value * length[:, None] / technology.length[np.maximum(peer, 0)], 0.0)
    slack = np.zeros((k, technology.columns.slacks.shape[1]))
    unit, at = np.nonzero(code >= n)
    slack[unit, code[unit, at] - n] = value[unit, at]
    return Envelopment(
        beta=found.beta,
        peer=peer,
        weight=weight,
        slack=slack[:, :width] * technology.scale * length[:, None],
        price=found.dual[:, :width] / technology.scale / length[:, None],
        returns_price=found.dual[:, width:],
        status=found.status,
        primal_residual=residuals[0],
        dual_residual=residuals[1],
        cold=cold,
    )
