"""Envelopment of many points by one technology: how far each can be moved along its direction before it leaves it.

Units that are dominated by others are never needed as columns. So where there are many the frame is found first: that
of a sample, then those that it does not dominate, then those of both that no other dominates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.cold_program import solve_cold
from benchmodels.kernels.pieces import Piece, pieces_of_one, pieces_of_sets
from benchmodels.kernels.shared_columns import cheapest, products
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
    sizes,
)
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Envelopment", "envelop", "frame_of"]

# Programs solved together: their inverses and a block's prices stay in the second-level cache.
CHUNK = 2000
# Units below which a frame costs more than it saves.
_FEW = 2500
# Residuals that an answer may have; all are relative to the terms that they are sums of.
_CLOSE = 1e-9
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
        Reference units of the basic solution and their intensities; -1 and 0 where a place holds none, `OWN` where it
        holds the point itself, which is no reference unit. A trade-off is none either.
    slack : (k, m + s) array
        Of the basic solution, in the goods' units of measure.
    price : (k, m + s) array
        Multipliers, per unit of measure of each good: Σ price x direction = 1.
    returns_price : (k, r) array
        Multipliers of the bounds of Σλ, the lower one first.
    status : (k,) array of int
        `OPTIMAL`, `INFEASIBLE` (then prices are a ray: no column is worth less than nothing by them, a step nothing,
        and the point less than nothing), `UNBOUNDED` or `STALLED`.
    primal_residual, dual_residual, gap : (k,) arrays
        Largest violation of a row (of a ray 0); of a reduced cost of all columns; of β = Σ price x point and
        Σ price x direction = 1 (of a ray 0): each relative to the terms that it is a sum of, the last two also to the
        largest part of the point's own worth. At most 1e-9 where the program is solved.
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
    gap: Floats
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
    sets: Sequence[Codes] | None = None,
    member: Codes | None = None,
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
        Position of the point among the reference units, or of one that makes the point by a step along its direction,
        as a replicate of the point does; `OWN` for a point that may use itself but is none of them, `ARTIFICIAL` for
        one that may not use itself: another's frontier, or super-efficiency.
    allowed : callable, optional
        ``allowed(points, low, high)``: which reference units low to high each of some points may use, as booleans; the
        technology's trade-offs are asked about as well, in the places behind the units.
    frame : (f,) array of int, optional
        Reference units that are enough as columns; `frame_of` finds them. Not together with ``allowed``.
    sets : sequence of r arrays (n_j,) of int, optional
        Sets of reference units, each in ascending order: years, replicates, kinds of units; ``allowed`` is then asked
        of places in the point's own set. Not together with ``frame``. A set's trade-offs are named in it, as n, n + 1 …
    member : (k,) array of int, optional
        Which of the sets is each point's reference; it need not be in it.
    run : callable
        As ``map``: solves chunks, one call each.

    Raises
    ------
    SpecificationError
        Sets without members, or together with ``frame``.

    Returns
    -------
    Envelopment

    Notes
    -----
    A program that stalls, or whose residuals are above 1e-9, is solved again by HiGHS from cold; where that fails as
    well it is `STALLED`, and so is a point that is not finite. Of 10,000 programs of all kinds (tied, lognormal with a
    standard deviation of 3, zeros, goods in units of measure 18 orders apart) all end solved; where goods differ by
    less than 1e-6 of themselves some do not.
    """
    if (sets is None) != (member is None) or (sets is not None and frame is not None):
        raise SpecificationError("sets and member go together, and not with frame")
    if member is not None and len(member) != len(inputs):
        raise SpecificationError(f"member has {len(member)} entries for {len(inputs)} points")

    def solved(piece: Piece) -> Envelopment:
        at, columns, kinds = piece.points, piece.columns, piece.member
        mask = None if allowed is None else lambda some, low, high: allowed(at[some], low, high)
        goods, inside = (inputs[at], outputs[at]), piece.place(own[at])
        point, start, step = technology.point(*goods, direction[at])
        start = np.where(inside[:, None] >= 0, columns.taken(np.maximum(inside, 0), kinds), start)
        found = maximise(columns, point, step, start=start, own=inside, member=kinds, allowed=mask)
        # Nothing bounds a step of zero, where there is a solution at all.
        found.status[(inside != ARTIFICIAL) & ~step.any(axis=1)] = UNBOUNDED
        program = columns, point, start, step, found, kinds
        residuals = _residuals(*program, _rebalanced(*program), inside == OWN, mask)
        cold = ~_solved(found, residuals) & np.isfinite(point).all(axis=1) & np.isfinite(step).all(axis=1)
        for i in np.flatnonzero(cold):
            body = columns.of_set(kinds[i])
            solve_cold(body, columns.count, point[i], start[i], step[i], int(inside[i]), mask, int(i), found)
        if cold.any():
            residuals = _residuals(*program, _rebalanced(*program), inside == OWN, mask)
        lost = ~_solved(found, residuals)
        found.status[lost], found.beta[lost] = STALLED, np.nan
        return _in_own_units(technology, piece, own[at], goods, found, residuals, cold)

    if sets is None or member is None:
        pieces = pieces_of_one(technology, len(inputs), frame, CHUNK)
    else:
        pieces = pieces_of_sets(technology, sets, member, CHUNK)
    parts = list(run(solved, pieces))
    found = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Envelopment)}
    if member is not None:
        back = np.argsort(np.argsort(member, kind="stable"))
        found = {name: whole[back] for name, whole in found.items()}
    return Envelopment(**found)


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
        # One that is not proved to be inside is kept: one too many costs a little time, one too few is a wrong answer.
        proved = _missed(columns, point, start, step, found) < 0.1 * _INSIDE
        return np.asarray((found.beta > _INSIDE) & proved)

    return np.concatenate(list(run(inside, [slice(low, low + CHUNK) for low in range(0, len(units), CHUNK)])))


def _solved(found: Vertices, residuals: tuple[Floats, ...]) -> Mask:
    """Whether an answer is proved by its residuals; that nothing bounds a program is proved where it is found."""
    close = np.logical_and.reduce([each <= _CLOSE for each in residuals])
    return np.asarray((found.status == UNBOUNDED) | ((found.status != STALLED) & close))


def _residuals(
    columns: Columns,
    point: Floats,
    start: Floats,
    step: Floats,
    found: Vertices,
    member: Codes,
    missed: Floats,
    may_use_itself: Mask,
    allowed: Allowed | None,
) -> tuple[Floats, Floats, Floats]:
    """Return the largest violation of a row, and of a reduced cost, and the gap, as `Envelopment` has them."""
    ray, size = found.status == INFEASIBLE, sizes(point)
    worth, moved = (found.dual * point).sum(axis=1), found.dual * step
    largest = (np.abs(found.dual) * size).max(axis=1)
    gap = _share(np.abs(worth - found.beta), np.maximum(largest, np.abs(found.beta)))
    off = _share(np.abs(moved.sum(axis=1) - ~ray), np.maximum(np.where(ray, largest, 1.0), np.abs(moved).max(axis=1)))
    gap = np.maximum(off, np.where(ray, np.where(worth < -_CLOSE * largest, 0.0, np.inf), gap))
    primal = np.where(ray, 0.0, missed)
    dual = _overpriced(columns, found.dual, largest, np.arange(len(point)), member, allowed)
    far = np.flatnonzero(dual > _CLOSE)
    if len(far):
        dual[far] = _overpriced_by_terms(columns, found.dual[far], largest[far], far, member[far], allowed)
    # A point that may use itself is a column of its own; it has left the basis where another's is worth more.
    itself = np.where(may_use_itself, -(found.dual * start).sum(axis=1), 0.0)
    return primal, np.maximum(dual, _share(itself, largest)), gap


def _rebalanced(columns: Columns, point: Floats, start: Floats, step: Floats, found: Vertices, member: Codes) -> Floats:
    """Return the largest violation of a row, where what is below zero is left out.

    Before, where values of a badly conditioned basis are below zero by rounding, the others are made to meet the point.
    """
    missed = _missed(columns, point, start, step, found, member)
    far = np.flatnonzero((found.status == OPTIMAL) & (missed > 0.1 * _CLOSE))
    for i in far:
        at = slice(i, i + 1)
        basis = columns.basis(found.code[at], step[at], start[at], member[at])[0]
        kept = (found.value[i] > 0.0) | (found.code[i] == BETA)
        value = np.where(kept, np.linalg.lstsq(basis * kept, point[i])[0], 0.0)
        if np.all(value[found.code[i] != BETA] >= 0.0):
            found.value[i], found.beta[i] = value, value[0]
    return _missed(columns, point, start, step, found, member) if len(far) else missed


def _missed(
    columns: Columns, point: Floats, start: Floats, step: Floats, found: Vertices, member: Codes | None = None
) -> Floats:
    """Return the largest violation of a row, where what is below zero is left out."""
    value = np.where(found.code == ARTIFICIAL, 0.0, np.maximum(found.value, np.where(found.code == BETA, -np.inf, 0.0)))
    basis = columns.basis(found.code, step, start, member)
    terms = np.matmul(np.abs(basis), np.abs(value)[:, :, None])[:, :, 0] + sizes(point)
    return np.asarray(_share(np.abs(np.matmul(basis, value[:, :, None])[:, :, 0] - point), terms).max(axis=1))


def _overpriced(
    columns: Columns, dual: Floats, largest: Floats, programs: Codes, member: Codes, allowed: Allowed | None
) -> Floats:
    """Return the largest violation of a reduced cost of all columns, to the largest part of the points' own worth."""
    least = np.zeros(len(dual))
    for block in columns.blocks:
        np.minimum(least, cheapest(dual, block, block.columns, member, programs, allowed)[1], out=least)
    return _share(np.abs(least), largest)


def _overpriced_by_terms(
    columns: Columns, dual: Floats, largest: Floats, programs: Codes, member: Codes, allowed: Allowed | None
) -> Floats:
    """Return the same, each to its own terms where those are larger, which is never more."""
    worst = np.zeros(len(dual))
    for block in columns.blocks:
        cost = products(dual, block.columns, member)
        if allowed is not None:
            cost[:, : block.high - block.low][~allowed(programs, block.low, block.high)] = 0.0
        terms = products(np.abs(dual), np.abs(block.columns), member)
        worst = np.maximum(worst, -_share(cost, np.maximum(terms, largest[:, None])).min(axis=1))
    return worst


def _share(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, where nothing of nothing is nothing."""
    return np.divide(part, whole, out=np.where(part > 0, np.inf, part), where=~(whole == 0))


def _in_own_units(
    technology: Technology,
    piece: Piece,
    own: Codes,
    goods: tuple[Floats, Floats],
    found: Vertices,
    residuals: tuple[Floats, ...],
    cold: Mask,
) -> Envelopment:
    """Turn codes into reference units, and values and prices into the goods' units of measure."""
    n, length = piece.columns.count, technology.lengths(*goods)
    k, width = len(length), len(technology.scale)
    code, value = found.code, np.maximum(found.value, 0.0)
    peer = np.where((code >= 0) & (code < n), piece.unit[piece.member[:, None], np.clip(code, 0, n - 1)], -1)
    peer = np.where(code == OWN, np.where(own >= 0, own, OWN)[:, None], peer)
    peer = np.where(peer < len(technology.inputs), peer, -1)
    weight = np.where(peer >= 0, value * length[:, None] / technology.length[np.maximum(peer, 0)], 0.0)
    weight = np.where(peer == OWN, value, weight)
    slack = np.zeros((k, technology.rows))
    unit, at = np.nonzero(code >= n)
    slack[unit, technology.columns.slack_row[code[unit, at] - n]] = value[unit, at]
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
        gap=residuals[2],
        cold=cold,
    )
