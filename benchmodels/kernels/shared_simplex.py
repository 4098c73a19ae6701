"""Many linear programs over the same columns, pivot by pivot for all of them at once.

A program asks how far a point b can be moved along its own direction g and still be met by the columns:

    max β   subject to   A λ + S s + β g = b,   λ ≥ 0,  s ≥ 0,  β free.

A (d, n) and S (d, q) are shared; b and g are the program's own. d is small, so that a program's state is a d x d
inverse, and a pivot of all programs is a few products of matrices.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.shared_columns import ARTIFICIAL, BETA, DUST, OWN, Block, Columns, sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]
    # Which columns lo..hi a program (by its number) may use: (programs, columns).
    Allowed = Callable[[Codes, int, int], Mask]

__all__ = [
    "ARTIFICIAL", "BETA", "INFEASIBLE", "OPTIMAL", "OWN", "STALLED", "UNBOUNDED", "Columns", "Vertices", "maximise",
    "sizes",
]  # fmt: skip

OPTIMAL, INFEASIBLE, UNBOUNDED, STALLED = 0, 1, 2, 3

# Each relative to the terms that the number is a sum of, so that no unit of measure, nor the size of a point among the
# columns, decides what is zero: of a reduced cost, of a pivot, of a negative variable (to what it adds to the point).
_COST, _PIVOT, _BELOW = 1e-11, 1e-10, 1e-10
# Of a reduced cost that needs no second look, to the prices.
_PLAIN = 1e-6
# Of a rate at which β rises without end, which nothing may come near to stopping.
_RISE, _STOP = 1e-9, 1e-13
# Ties are broken by moving the point by about this much, relative to it, and moving it back at the end.
_MOVED = 1e-9
# Pivots without an end: 50 for d = 7 and 10,000 columns are usual.
_MOST = 60


@dataclass(frozen=True, eq=False)
class Vertices:
    """Where k programs in d rows ended.

    Parameters
    ----------
    beta : (k,) array
        β; NaN where there is none. Of a program that ended early, a bound below.
    code : (k, d) array of int
        What each place of the basis holds: `BETA` in place 0, columns 0 to n - 1, slacks n to n + q - 1.
    value : (k, d) array
        Its values.
    dual : (k, d) array
        π with π g = 1 and π a >= 0 for every column and slack, so that β <= π b; here equal. Of an infeasible program a
        ray: π a >= 0 for all of them, π g = 0 and π b < 0.
    status : (k,) array of int
    pivots : (k,) array of int
    """

    beta: Floats
    code: Codes
    value: Floats
    dual: Floats
    status: Codes
    pivots: Codes


@dataclass(eq=False)
class _Running:
    """Programs still running. Place 0 of a basis holds β, the last one the program's own start until it leaves."""

    program: Codes
    first: Mask
    code: Codes
    inverse: Floats
    value: Floats
    clean: Codes
    pivots: Codes

    def take(self, kept: Mask | Codes) -> _Running:
        return _Running(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


def maximise(
    columns: Columns,
    point: Floats,
    direction: Floats,
    *,
    start: Floats,
    own: Codes,
    allowed: Allowed | None = None,
    enough: float = np.inf,
) -> Vertices:
    """Solve k programs that share their columns.

    Parameters
    ----------
    columns : Columns
        n columns in d rows, and q slacks, at most one a row.
    point, direction : (k, d) arrays
        b and g, of the order of the columns.
    start : (k, d) array
        A column that meets the point by itself, with a slack in rows where it is not the point.
    own : (k,) array of int
        Which column that is; `OWN` where it is none of them but may be used; `ARTIFICIAL` where it may not, and the
        program asks first whether the columns can meet the point.
    allowed : callable, optional
        Which columns a program may use; all by default.
    enough : float
        A program ends, as stalled, when its β is above this.

    Returns
    -------
    Vertices
        Programs that stall are the caller's to solve again.

    Notes
    -----
    Primal simplex. Columns are priced in blocks by a product of matrices, each block for all programs; a program ends
    when a whole round finds nothing to enter. All start at their own point, where every slack is zero, so the point is
    moved by about 1e-9 of itself to break ties; the last basis is then held to the point itself, by dual steps where it
    does not fit. Cost per program and pivot: d² + 256 d multiplications. Memory O(k (d² + 256)).
    """
    k, d = point.shape
    last = _Running(
        program=np.arange(k),
        first=np.asarray(own == ARTIFICIAL),
        code=np.full((k, d), ARTIFICIAL, dtype=np.intp),
        inverse=np.full((k, d, d), np.nan),
        value=np.full((k, d), np.nan),
        clean=np.zeros(k, dtype=np.intp),
        pivots=np.zeros(k, dtype=np.intp),
    )
    status = np.full(k, STALLED, dtype=np.intp)
    running = _started(columns, point, direction, start, own)
    blocks, size = columns.blocks, sizes(point)
    for step in range(_MOST * d * len(blocks)):
        block = blocks[step % len(blocks)]
        entering = _priced(running, block, size, allowed)
        ended = running.clean >= len(blocks)
        if enough < np.inf:
            ended |= _beyond(running, point, enough)
        # Those that ended do no harm where they are; to move the others together costs as much as a pivot.
        if 4 * np.count_nonzero(ended) >= len(ended):
            left = running.take(ended)
            there = left.program
            for name in ("first", "code", "inverse", "value", "pivots"):
                getattr(last, name)[there] = getattr(left, name)
            status[there[left.clean >= len(blocks)]] = OPTIMAL
            running, entering = running.take(~ended), entering[~ended]
            if not len(running.program):
                break
        with np.errstate(over="ignore"):
            stuck, endless = _pivoted(running, entering, block)
        if len(stuck):
            sure = stuck[endless & _meets(running, stuck, point, own)]
            status[running.program[sure]] = UNBOUNDED
            running = running.take(np.setdiff1d(np.arange(len(running.program)), stuck))
    status[(status == OPTIMAL) & last.first] = INFEASIBLE
    return _held(columns, point, direction, start, last, status, allowed)


def _started(columns: Columns, point: Floats, direction: Floats, start: Floats, own: Codes) -> _Running:
    """Return the programs at their own points; without those whose basis there would be singular."""
    n, d = columns.matrix.shape[1], point.shape[1]
    # A basis of β, the start, and all slacks but those of two rows has the determinant of those two rows. Rows without
    # a slack are among them, rows where the start is not the point are not.
    bare = set(range(d)) - set(columns.slack_row.tolist())
    closed = set(np.flatnonzero(((start != point) & np.isfinite(start)).any(axis=0)).tolist())
    pairs = [pair for pair in itertools.combinations(sorted(set(range(d)) - closed), 2) if bare <= set(pair)]
    pair = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    minor = direction[:, pair[:, 0]] * start[:, pair[:, 1]] - direction[:, pair[:, 1]] * start[:, pair[:, 0]]
    best = np.abs(minor).argmax(axis=1) if pairs else np.zeros(len(point), dtype=np.intp)
    largest = np.abs(minor).max(axis=1, initial=0.0)
    there = np.flatnonzero(largest > 1e-9 * np.abs(point).max(axis=1) * np.abs(direction).max(axis=1))
    each, best = np.arange(len(there)), best[there]
    determinant = minor[there, best][:, None]
    rest = [[i for i, row in enumerate(columns.slack_row.tolist()) if row not in two] for two in pairs]
    slack = np.array(rest, dtype=np.intp).reshape(len(pairs), d - 2)[best]
    one, two = pair[best, 0], pair[best, 1]
    row, sign = columns.slack_row[slack], columns.slack_sign[slack]
    step, begin, size = direction[there], start[there], np.abs(point[there])
    inverse = np.zeros((len(there), d, d))
    for place, other, flip in ((0, begin, 1.0), (-1, step, -1.0)):
        inverse[each, place, one], inverse[each, place, two] = flip * other[each, two], -flip * other[each, one]
        inverse[:, place] /= determinant
    # The rows of slacks: what is left of each row after β and the start.
    for column, place in ((step, 0), (begin, -1)):
        part = sign * np.take_along_axis(column, row, axis=1)
        inverse[:, 1:-1] -= part[:, :, None] * inverse[:, place, None]
    inverse[each[:, None], np.arange(1, d - 1), row] += sign
    code = np.empty((len(there), d), dtype=np.intp)
    code[:, 0], code[:, -1], code[:, 1:-1] = BETA, own[there], n + slack
    # Of the slacks that are left most are zero at the point itself; so it is moved to where none is, nor two alike.
    room = np.take_along_axis(size, row, axis=1)
    room = np.where(room > 0, room, 1e-3 * size.max(axis=1, keepdims=True))
    value = np.matmul(inverse, point[there][:, :, None])[:, :, 0]
    value[:, 1:-1] += _MOVED * (1.0 + (1.0 + slack) * 0.6180339887498949 % 1.0) * room
    return _Running(
        program=there,
        first=np.asarray(own[there] == ARTIFICIAL),
        code=code,
        inverse=inverse,
        value=value,
        clean=np.zeros(len(there), dtype=np.intp),
        pivots=np.zeros(len(there), dtype=np.intp),
    )


def _beyond(running: _Running, point: Floats, enough: float) -> Mask:
    """Whether programs have come far enough at their points themselves, and not only where those were moved to."""
    over = ~running.first & (running.value[:, 0] > enough)
    some = np.flatnonzero(over)
    if len(some):
        x = np.matmul(running.inverse[some], point[running.program[some], :, None])[:, :, 0]
        over[some] = (x[:, 0] > enough) & (x[:, 1:] >= 0.0).all(axis=1)
    return over


def _meets(running: _Running, some: Codes, point: Floats, own: Codes) -> Mask:
    """Whether programs meet their points themselves; those that may use their own start always do."""
    inverse, there = running.inverse[some], running.program[some]
    fits = ~_short(inverse, np.matmul(inverse, point[there, :, None])[:, :, 0], point[there]).any(axis=1)
    return np.asarray(~running.first[some] & ((own[there] != ARTIFICIAL) | fits))


def _short(inverse: Floats, value: Floats, point: Floats) -> Mask:
    """Which values of bases (k, d) are below zero by more than rounding: by the terms that they are sums of."""
    short = np.asarray(value < -_BELOW * np.matmul(np.abs(inverse), np.abs(point)[:, :, None])[:, :, 0])
    short[:, 0] = False
    return short


def _priced(running: _Running, block: Block, size: Floats, allowed: Allowed | None) -> Codes:
    """Return for each program the column of a block to enter, -1 for none, and count blocks without one."""
    price = running.inverse[:, 0]
    if running.first.any():
        price = np.where(running.first[:, None], -running.inverse[:, -1], price)
    cost = price @ block.priced
    if allowed is not None:
        cost[:, : block.high - block.low][~allowed(running.program, block.low, block.high)] = np.inf
    best: Codes = cost.argmin(axis=1)
    least = cost[np.arange(len(best)), best]
    largest = np.sqrt(np.einsum("ij,ij->i", price, price))
    enters = least < -_PLAIN * largest
    # What is not plain is held against its own terms and what the point is worth: prices of goods differ much where the
    # point is far from the average column, and a small cost may be a gain, or rounding in the inverse.
    near = np.flatnonzero((least < -1e-15 * largest) & ~enters)
    if len(near):
        terms = price[near] * block.columns[best[near]]
        worth = np.abs(price[near]) * size[running.program[near]]
        enters[near] = terms.sum(axis=1) < -_COST * np.maximum(np.abs(terms).sum(axis=1), worth.max(axis=1))
    running.clean += 1
    running.clean[enters] = 0
    best[~enters] = -1
    return best


def _pivoted(running: _Running, entering: Codes, block: Block) -> tuple[Codes, Mask]:
    """Take one step in each program that has a column to enter.

    Return the programs in which nothing was found to stop it, and whether nothing does: β rises without end.
    """
    k = len(entering)
    moving = np.flatnonzero(entering >= 0)
    if not len(moving):
        return moving, np.zeros(0, dtype=np.bool_)
    every = len(moving) == k
    inverse, value = (running.inverse, running.value) if every else (running.inverse[moving], running.value[moving])
    place = entering[moving]
    column, size = block.columns.take(place, axis=0), block.size.take(place, axis=0)
    step = np.einsum("kij,kj->ki", inverse, column)
    leaving, length = _stop(step, value, step > 0.0)
    each = np.arange(len(moving))
    row = inverse[each, leaving]
    pivot = step[each, leaving]
    small = np.flatnonzero(~(pivot > _PIVOT * np.einsum("ij,ij->i", np.abs(row), size)))
    stuck = np.zeros(0, dtype=np.intp)
    endless = np.zeros(0, dtype=np.bool_)
    if len(small):
        reach = np.matmul(np.abs(inverse[small]), size[small, :, None])[:, :, 0]
        leaving[small], length[small] = _stop(step[small], value[small], step[small] > _PIVOT * reach)
        without = ~np.isfinite(length[small])
        stuck = small[without]
        # These leave the field; a step of zero keeps their numbers finite until then.
        length[stuck] = 0.0
        reach = reach[without]
        endless = -step[stuck, 0] > _RISE * reach[:, 0]
        endless &= (step[stuck, 1:] <= _STOP * reach[:, 1:]).all(axis=1)
        step[stuck, leaving[stuck]] = 1.0
        row, pivot = inverse[each, leaving], step[each, leaving]
    row = row / pivot[:, None]
    step[each, leaving] = 0.0
    inverse -= np.matmul(step[:, :, None], row[:, None, :])
    inverse[each, leaving] = row
    value -= step * length[:, None]
    value[each, leaving] = length
    if not every:
        running.inverse[moving], running.value[moving] = inverse, value
    running.code[moving, leaving] = block.code[place]
    running.pivots[moving] += 1
    running.first[moving[leaving == step.shape[1] - 1]] = False
    return moving[stuck], endless


def _stop(step: Floats, value: Floats, counts: Mask) -> tuple[Codes, Floats]:
    """Return which place of each basis is the first to come to zero, and after how long."""
    ratio = np.full(step.shape, np.inf)
    np.divide(np.maximum(value, 0.0), step, out=ratio, where=counts)
    ratio[:, 0] = np.inf
    leaving = ratio.argmin(axis=1)
    return leaving, ratio[np.arange(len(leaving)), leaving]


def _held(
    columns: Columns,
    point: Floats,
    direction: Floats,
    start: Floats,
    last: _Running,
    status: Codes,
    allowed: Allowed | None,
) -> Vertices:
    """Hold the last bases to the points themselves, which were moved, and compute values and duals anew."""
    dual, value = np.full(point.shape, np.nan), np.full(point.shape, np.nan)
    early = np.flatnonzero((status == STALLED) & np.isfinite(last.value[:, 0]))
    value[early] = _polished(columns, point, direction, start, last, early, 0)[0]
    out = np.flatnonzero(status == INFEASIBLE)
    ray = -_polished(columns, point, direction, start, last, out, -1)[1]
    dual[out] = ray
    # The points were moved; an artificial start that is left with nothing at the point itself is for others to judge.
    status[out[~(np.einsum("ij,ij->i", ray, point[out]) < -1e-8)]] = STALLED
    done = np.flatnonzero(status == OPTIMAL)
    short = done
    for again in (False, True):
        x, pi = _polished(columns, point, direction, start, last, short, 0)
        value[short], dual[short] = x, pi
        short = short[_short(last.inverse[short], x, point[short]).any(axis=1)]
        if again:
            status[short] = STALLED
        elif len(short):
            _dual_steps(columns, point, last, short, allowed)
        else:
            break
    beta = np.full(len(point), np.nan)
    beta[early] = value[early, 0]
    beta[done] = np.where(status[done] == OPTIMAL, value[done, 0], np.nan)
    return Vertices(beta=beta, code=last.code, value=value, dual=dual, status=status, pivots=last.pivots)


def _polished(
    columns: Columns, point: Floats, direction: Floats, start: Floats, last: _Running, some: Codes, place: int
) -> tuple[Floats, Floats]:
    """Return the values of some bases, and a row of their inverses, each after a step of iterative refinement."""
    inverse = last.inverse[some]
    basis = columns.basis(last.code[some], direction[some], start[some])
    target = point[some][:, :, None]
    x = np.matmul(inverse, target)
    x += np.matmul(inverse, target - np.matmul(basis, x))
    row = inverse[:, place, None]
    unit = np.eye(point.shape[1])[place]
    row = row + np.matmul(unit - np.matmul(row, basis), inverse)
    return x[:, :, 0], row[:, 0]


def _dual_steps(columns: Columns, point: Floats, last: _Running, programs: Codes, allowed: Allowed | None) -> None:
    """Make bases that are optimal in cost fit their points; those that do not get there are left as they are."""
    n = columns.matrix.shape[1]
    whole = np.concatenate([columns.matrix, columns.slacks], axis=1)
    size = np.abs(whole) + DUST
    for i in programs:
        inverse, code, b = last.inverse[i].copy(), last.code[i].copy(), point[i]
        usable = np.ones(whole.shape[1], dtype=np.bool_)
        if allowed is not None:
            usable[:n] = allowed(np.array([i]), 0, n)[0]
        for _ in range(_MOST):
            # How much of a place comes from rounding alone: by its own row of the inverse.
            short = inverse @ b + _BELOW * (np.abs(inverse) @ np.abs(b))
            short[0] = 0.0
            out = int(short.argmin())
            if short[out] >= 0.0:
                last.inverse[i], last.code[i] = inverse, code
                break
            move, price = inverse[out] @ whole, inverse[0]
            against = np.flatnonzero(usable & (move < -_PIVOT * (np.abs(inverse[out]) @ size)))
            if not len(against):
                break
            cost = np.maximum(price @ whole[:, against], 0.0)
            ratio = cost / -move[against]
            near = ratio <= ratio.min() * (1.0 + 1e-9) + 1e-13 * (np.abs(price) @ np.abs(b))
            enters = against[np.where(near, -move[against], -np.inf).argmax()]
            step = inverse @ whole[:, enters]
            row = inverse[out] / step[out]
            step[out] = 0.0
            inverse -= np.outer(step, row)
            inverse[out] = row
            code[out] = enters
