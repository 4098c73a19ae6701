"""Many linear programs over the same columns, pivot by pivot for all of them at once.

A program asks how far a point b can be moved along its own direction g and still be met by the columns:

    max β   subject to   A λ + S s + β g = b,   λ ≥ 0,  s ≥ 0,  β free.

A (d, n) and S (d, q) are shared; b and g are the program's own. d is small, so that a program's state is a d x d
inverse, and a pivot of all programs is a few products of matrices. There may be several sets of columns, of which each
program has one: replicates, years, kinds of units.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.dual_steps import dual_steps, short_places
from benchmodels.kernels.shared_columns import ARTIFICIAL, BETA, DUST, OWN, Block, Columns, apart, cheapest, sizes

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
# columns, decides what is zero: of a reduced cost, of a pivot.
_COST, _PIVOT = 1e-11, 1e-10
# Of a reduced cost that needs no second look, to the prices.
_PLAIN = 1e-6
# Of a rate at which β rises without end, which nothing may come near to stopping.
_RISE, _STOP = 1e-9, 1e-13
# Ties are broken by moving the point by about this much, relative to it, and moving it back at the end.
_MOVED = 1e-9
# Pivots without an end: 50 for d = 7 and 10,000 columns are usual.
_MOST = 60
# Programs that are not worth moving together.
_FEW = 50
_NOBODY = np.zeros(0, dtype=np.intp)
# Pivots after which inverses are made anew.
_FRESH = 64


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
    """Programs still running, the last axis of every array, so that a pivot runs along them.

    Place 0 of a basis holds β, the last one the program's own start until it leaves. ``table`` (d, d + 1, k) holds the
    inverses and, behind them, the values.
    """

    program: Codes
    member: Codes
    first: Mask
    code: Codes
    table: Floats
    clean: Codes
    pivots: Codes
    some_first: bool = field(init=False)
    each: Codes = field(init=False)

    def __post_init__(self) -> None:
        self.some_first = bool(self.first.any())
        self.each = np.arange(len(self.program))

    def take(self, kept: Mask) -> _Running:
        at = np.flatnonzero(kept)
        return _Running(*(getattr(self, f.name).take(at, axis=-1) for f in fields(self) if f.init))

    @property
    def inverse(self) -> Floats:
        return self.table[:, :-1]

    @property
    def value(self) -> Floats:
        return self.table[:, -1]


@dataclass(eq=False)
class _Last:
    """The last bases of all programs: a row each."""

    first: Mask
    code: Codes
    inverse: Floats
    value: Floats
    pivots: Codes

    @classmethod
    def of(cls, first: Mask, d: int) -> _Last:
        k = len(first)
        code, pivots = np.full((k, d), ARTIFICIAL, dtype=np.intp), np.zeros(k, dtype=np.intp)
        return cls(first.copy(), code, np.full((k, d, d), np.nan), np.full((k, d), np.nan), pivots)

    def put(self, left: _Running) -> None:
        there = left.program
        self.first[there], self.pivots[there] = left.first, left.pivots
        self.code[there], self.value[there] = left.code.T, left.value.T
        self.inverse[there] = left.inverse.transpose(2, 0, 1)


def maximise(
    columns: Columns,
    point: Floats,
    direction: Floats,
    *,
    start: Floats,
    own: Codes,
    member: Codes | None = None,
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
        A column of which a multiple meets the point, by itself or with a step along its direction, and with a slack in
        rows where that is not the point.
    own : (k,) array of int
        Which column that is; `OWN` where it is none of them but may be used; `ARTIFICIAL` where it may not, and the
        program asks first whether the columns can meet the point.
    member : (k,) array of int, optional
        Which set of columns each program has, ascending; the first by default.
    allowed : callable, optional
        Which columns a program may use; all of its set by default.
    enough : float
        A program may end, as stalled, when its β is above this.

    Returns
    -------
    Vertices
        Programs that stall are the caller's to solve again.

    Notes
    -----
    Primal simplex. Columns are priced in blocks by a product of matrices, each block for all programs; a program ends
    when a whole round finds nothing to enter. All start at their own point, where every slack is zero, so the point is
    moved by about 1e-9 of itself to break ties; the last basis is then held to the point itself, by dual steps where it
    does not fit. Inverses are made anew every 64 pivots. Cost per program and pivot: d² + 256 d multiplications. Memory
    O(k (d² + 256)).
    """
    k, d = point.shape
    last = _Last.of(np.asarray(own == ARTIFICIAL), d)
    status = np.full(k, STALLED, dtype=np.intp)
    member = np.zeros(k, dtype=np.intp) if member is None else member
    running, moved = _started(columns, point, direction, start, own, member)
    blocks, size = columns.blocks, sizes(point)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for step in range(_MOST * d * len(blocks)):
            block = blocks[step % len(blocks)]
            entering = _priced(running, block, len(blocks), size, allowed)
            ended = running.clean >= len(blocks)
            if enough < np.inf:
                ended |= _beyond(running, point, enough)
            # Those that ended do no harm where they are; to move the others together costs as much as a pivot.
            over = np.count_nonzero(ended)
            if over == len(ended) or over >= max(_FEW, len(ended) // 4):
                left = running.take(ended)
                last.put(left)
                status[left.program[left.clean >= len(blocks)]] = OPTIMAL
                running, entering = running.take(~ended), entering[~ended]
                if not len(running.program):
                    break
            stuck, endless = _pivoted(running, entering, block)
            if len(stuck):
                sure = stuck[endless & _meets(running, stuck, point, own)]
                status[running.program[sure]] = UNBOUNDED
                kept = np.ones(len(running.program), dtype=np.bool_)
                kept[stuck] = False
                running = running.take(kept)
            if step % _FRESH == _FRESH - 1:
                _refreshed(running, columns, moved, direction, start)
    status[(status == OPTIMAL) & last.first] = INFEASIBLE
    return _held(columns, point, direction, start, member, last, status, allowed)


def _started(
    columns: Columns, point: Floats, direction: Floats, start: Floats, own: Codes, member: Codes
) -> tuple[_Running, Floats]:
    """Return the programs at their own points, without those whose basis there would be singular; and points moved.

    Of the slacks most are zero at the point itself; so it is moved to where none is, nor two alike.
    """
    n, d = columns.count, point.shape[1]
    # A basis of β, the start, and all slacks but those of two rows has the determinant of those two rows. Rows without
    # a slack are among them, rows where the start is not the point are not.
    bare = set(range(d)) - set(columns.slack_row.tolist())
    closed = apart(point, direction, start)
    pairs = [pair for pair in itertools.combinations(sorted(set(range(d)) - closed), 2) if bare <= set(pair)]
    pair = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    minor = direction[:, pair[:, 0]] * start[:, pair[:, 1]] - direction[:, pair[:, 1]] * start[:, pair[:, 0]]
    best = np.abs(minor).argmax(axis=1) if pairs else np.zeros(len(point), dtype=np.intp)
    largest = np.abs(minor).max(axis=1, initial=0.0)
    there = np.flatnonzero(largest > 1e-9 * np.abs(point).max(axis=1) * np.abs(direction).max(axis=1))
    each, best = np.arange(len(there)), best[there]
    determinant = minor[there, best]
    rest = [[i for i, row in enumerate(columns.slack_row.tolist()) if row not in two] for two in pairs]
    slack = np.array(rest, dtype=np.intp).reshape(len(pairs), d - 2)[best].T
    one, two = pair[best].T
    row, sign = columns.slack_row[slack], columns.slack_sign[slack]
    step, begin = (np.ascontiguousarray(whole[there].T) for whole in (direction, start))
    table = np.zeros((d, d + 1, len(there)))
    for place, other, flip in ((0, begin, 1.0), (-1, step, -1.0)):
        table[place, one, each] = flip * other[two, each] / determinant
        table[place, two, each] = -flip * other[one, each] / determinant
    # The rows of slacks: what is left of each row after β and the start.
    for column, place in ((step, 0), (begin, -1)):
        table[1:-1] -= (sign * column[row, each])[:, None] * table[place]
    table[np.arange(1, d - 1)[:, None], row, each] += sign
    size, at = np.abs(point[there].T), np.ascontiguousarray(point[there].T)
    room = size[row, each]
    room = np.where(room > 0, room, 1e-3 * size.max(axis=0))
    table[:, -1] = np.einsum("ijk,jk->ik", table[:, :-1], at)
    room *= _MOVED * (1.0 + (1.0 + slack) * 0.6180339887498949 % 1.0)
    table[1:-1, -1] += room
    at[row, each] += sign * room
    moved = np.full_like(point, np.nan)
    moved[there] = at.T
    code = np.empty((d, len(there)), dtype=np.intp)
    code[0], code[-1], code[1:-1] = BETA, own[there], n + slack
    none = np.zeros(len(there), dtype=np.intp)
    first = np.asarray(own[there] == ARTIFICIAL)
    return _Running(there, member[there], first, code, table, none, none.copy()), moved


def _beyond(running: _Running, point: Floats, enough: float) -> Mask:
    """Whether programs have come far enough at their points themselves, and not only where those were moved to."""
    over = np.asarray(~running.first & (running.value[0] > enough))
    some = np.flatnonzero(over)
    if len(some):
        x = _at(running, some, point)
        over[some] = (x[:, 0] > enough) & (x[:, 1:] >= 0.0).all(axis=1)
    return over


def _at(running: _Running, some: Codes, point: Floats) -> Floats:
    """Return the values of some bases (k, d) at the points themselves."""
    return np.asarray(np.einsum("ijk,kj->ki", running.inverse[:, :, some], point[running.program[some]]))


def _meets(running: _Running, some: Codes, point: Floats, own: Codes) -> Mask:
    """Whether programs meet their points themselves; those that may use their own start always do."""
    there = running.program[some]
    inverse = running.inverse[:, :, some].transpose(2, 0, 1)
    fits = ~short_places(inverse, _at(running, some, point), point[there]).any(axis=1)
    return np.asarray(~running.first[some] & ((own[there] != ARTIFICIAL) | fits))


def _priced(running: _Running, block: Block, blocks: int, size: Floats, allowed: Allowed | None) -> Codes:
    """Return for each program the column of a block to enter, -1 for none, and count blocks without one."""
    price = running.table[0, :-1]
    if running.some_first:
        price = np.where(running.first, -running.table[-1, :-1], price)
    best, least = cheapest(price.T, block, block.priced, running.member, running.program, allowed)
    largest = np.abs(price).max(axis=0)
    enters = least < -_PLAIN * largest
    # What is not plain is held against its own terms and what the point is worth: prices of goods differ much where the
    # point is far from the average column, and a small cost may be a gain, or rounding in the inverse.
    near = (least < -1e-15 * largest) > enters
    if near.any():
        near = np.flatnonzero(near & (running.clean < blocks))
        terms = price[:, near] * _entering(block, running.member[near], best[near])
        worth = np.abs(price[:, near].T) * size[running.program[near]]
        enters[near] = terms.sum(axis=0) < -_COST * np.maximum(np.abs(terms).sum(axis=0), worth.max(axis=1))
    running.clean += 1
    running.clean[enters] = 0
    best[~enters] = -1
    return best


def _entering(block: Block, member: Codes, place: Codes) -> Floats:
    """Return the columns (d, k) at places of a block."""
    if len(block.columns) == 1:
        return np.asarray(block.columns[0].take(place, axis=1))
    return np.ascontiguousarray(block.columns[member, :, place].T)


def _pivoted(running: _Running, entering: Codes, block: Block) -> tuple[Codes, Mask]:
    """Take one step in each program that has a column to enter.

    Return the programs in which nothing was found to stop it, and whether nothing does: β rises without end.
    """
    table, moving, each = running.table, entering >= 0, running.each
    inverse, value = running.inverse, running.value
    column = _entering(block, running.member, entering)
    step = np.einsum("ijk,jk->ik", inverse, column)
    # The others stand still: a step of β by itself.
    step *= moving
    step[0] += ~moving
    leaving, length = _stop(step, value, step > 0.0)
    row, pivot = np.ascontiguousarray(table[leaving, :, each].T), step[leaving, each]
    size = np.abs(column)
    size += DUST
    small = np.flatnonzero(moving & ~(pivot > _PIVOT * np.einsum("jk,jk->k", np.abs(row[:-1]), size)))
    stuck, endless = _NOBODY, _NOBODY.astype(np.bool_)
    if len(small):
        reach = np.einsum("ijk,jk->ik", np.abs(inverse[:, :, small]), size[:, small])
        leaving[small], length[small] = _stop(step[:, small], value[:, small], step[:, small] > _PIVOT * reach)
        without = ~np.isfinite(length[small])
        stuck = small[without]
        # These leave the field; a step of zero keeps their numbers finite until then.
        length[stuck] = 0.0
        reach = reach[:, without]
        endless = -step[0, stuck] > _RISE * reach[0]
        endless &= (step[1:, stuck] <= _STOP * reach[1:]).all(axis=0)
        step[leaving[stuck], stuck] = 1.0
        row, pivot = np.ascontiguousarray(table[leaving, :, each].T), step[leaving, each]
    row /= pivot
    row[-1] = np.where(moving, length, value[0])
    step[leaving, each] = 0.0
    table -= step[:, None] * row
    table[leaving, :, each] = row.T
    running.code[leaving, each] = np.where(moving, block.code[entering], BETA)
    running.pivots += moving
    if running.some_first:
        running.first &= ~moving | (leaving < len(step) - 1)
    return stuck, endless


def _stop(step: Floats, value: Floats, counts: Mask) -> tuple[Codes, Floats]:
    """Return which place of each basis is the first to come to zero, and after how long."""
    ratio = np.where(counts, value / step, np.inf)
    ratio[0] = np.inf
    return ratio.argmin(axis=0), np.maximum(ratio.min(axis=0), 0.0)


def _refreshed(running: _Running, columns: Columns, moved: Floats, direction: Floats, start: Floats) -> None:
    """Take the rounding of many pivots out of the inverses, by a step of Newton's each, and values from there."""
    there = running.program
    basis = columns.basis(running.code.T, direction[there], start[there], running.member)
    inverse = running.inverse.transpose(2, 0, 1)
    inverse = inverse + np.matmul(inverse, np.eye(len(running.code)) - np.matmul(basis, inverse))
    value = np.matmul(inverse, moved[there][:, :, None])
    running.table[:] = np.concatenate([inverse, value], axis=2).transpose(1, 2, 0)


def _held(
    columns: Columns,
    point: Floats,
    direction: Floats,
    start: Floats,
    member: Codes,
    last: _Last,
    status: Codes,
    allowed: Allowed | None,
) -> Vertices:
    """Hold the last bases to the points themselves, which were moved, and compute values and duals anew."""

    def polished(some: Codes, place: int) -> tuple[Floats, Floats]:
        basis = columns.basis(last.code[some], direction[some], start[some], member[some])
        return _polished(last.inverse[some], basis, point[some], place)

    dual, value = np.full(point.shape, np.nan), np.full(point.shape, np.nan)
    early = np.flatnonzero((status == STALLED) & np.isfinite(last.value[:, 0]))
    if len(early):
        value[early] = polished(early, 0)[0]
    out = np.flatnonzero(status == INFEASIBLE)
    if len(out):
        ray = -polished(out, -1)[1]
        dual[out] = ray
        # Points were moved; an artificial start that is left with nothing at the point itself is for others to judge.
        status[out[~(np.einsum("ij,ij->i", ray, point[out]) < -1e-8)]] = STALLED
    done = np.flatnonzero(status == OPTIMAL)
    short = done
    for again in (False, True):
        value[short], dual[short] = polished(short, 0)
        short = short[short_places(last.inverse[short], value[short], point[short]).any(axis=1)]
        if again:
            status[short] = STALLED
        elif len(short):
            dual_steps(columns, point, member, short, last.code, last.inverse, allowed)
            basis = columns.basis(last.code[short], direction[short], start[short], member[short])
            for i, matrix in zip(short, basis, strict=True):
                # Steps on small pivots may leave more error than a step of Newton's can take.
                try:
                    last.inverse[i] = np.linalg.inv(matrix)
                except np.linalg.LinAlgError:
                    continue
        else:
            break
    beta = np.full(len(point), np.nan)
    beta[early] = value[early, 0]
    beta[done] = np.where(status[done] == OPTIMAL, value[done, 0], np.nan)
    return Vertices(beta=beta, code=last.code, value=value, dual=dual, status=status, pivots=last.pivots)


def _polished(inverse: Floats, basis: Floats, point: Floats, place: int) -> tuple[Floats, Floats]:
    """Return the values of bases, and a row of their inverses, each after a step of iterative refinement."""
    target = point[:, :, None]
    x = np.matmul(inverse, target)
    x += np.matmul(inverse, target - np.matmul(basis, x))
    row = inverse[:, place, None]
    row = row + np.matmul(np.eye(point.shape[1])[place] - np.matmul(row, basis), inverse)
    return x[:, :, 0], row[:, 0]
