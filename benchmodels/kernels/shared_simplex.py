"""Many linear programs over the same columns, pivot by pivot for all of them at once.

A program asks how far a point b can be moved along its own direction g and still be met by the columns:

    max β   subject to   A λ + S s + β g = b,   λ ≥ 0,  s ≥ 0,  β free.

A (d, n) and S (d, q) are shared; b and g are the program's own. d is small, so that a program's state is a d x d
inverse, and a pivot of all programs is a few products of matrices.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

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
]  # fmt: skip

# What a place of a basis holds beside columns 0..n-1 and slacks n..n+q-1.
BETA, ARTIFICIAL, OWN = -1, -2, -3
OPTIMAL, INFEASIBLE, UNBOUNDED, STALLED = 0, 1, 2, 3

# Of a reduced cost, where columns and prices have largest entry 1; of a pivot; of a negative variable, to the point.
_COST, _PIVOT, _BELOW = 1e-11, 1e-9, 1e-10
# Columns priced at once, besides the slacks: so many that the products of a chunk of programs stay in cache.
_BLOCK = 256
# Ties are broken by moving the point by about this much, relative to it, and moving it back at the end.
_MOVED = 1e-7
# Pivots without an end: 50 for d = 7 and 10,000 columns are usual.
_MOST = 60


class _Block(NamedTuple):
    """Columns low to high and all slacks: as they are priced (d, c), as they are (c, d), and their codes (c,)."""

    low: int
    high: int
    priced: Floats
    columns: Floats
    code: Codes


@dataclass(frozen=True, eq=False)
class Columns:
    """Shared columns, cut into blocks, each with the slacks behind it.

    Parameters
    ----------
    matrix : (d, n) array
        A; entries of order 1.
    slacks : (d, q) array
        S: a unit vector or its negative each, at most one a row.
    """

    matrix: Floats
    slacks: Floats
    blocks: list[_Block] = field(init=False, repr=False)
    slack_row: Codes = field(init=False, repr=False)
    slack_sign: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n, q = self.matrix.shape[1], self.slacks.shape[1]
        cuts = np.linspace(0, n, max(1, -(-n // _BLOCK)) + 1).astype(np.intp).tolist()
        blocks = []
        for low, high in itertools.pairwise(cuts):
            part = np.concatenate([self.matrix[:, low:high], self.slacks], axis=1)
            largest = np.abs(part).max(axis=0)
            priced = part / np.where(largest > 0, largest, 1.0)
            code = np.concatenate([np.arange(low, high), n + np.arange(q)])
            blocks.append(_Block(low, high, priced, np.ascontiguousarray(part.T), code))
        row = np.abs(self.slacks).argmax(axis=0)
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "slack_row", row)
        object.__setattr__(self, "slack_sign", self.slacks[row, np.arange(q)])

    def basis(self, code: Codes, direction: Floats, own: Floats) -> Floats:
        """Return the matrices (k, d, d) of bases, a column for each place."""
        whole = np.concatenate([self.matrix, self.slacks], axis=1).T
        found = whole[np.maximum(code, 0)]
        for label, values in ((BETA, direction), (ARTIFICIAL, own), (OWN, own)):
            unit, place = np.nonzero(code == label)
            found[unit, place] = values[unit]
        return np.ascontiguousarray(found.transpose(0, 2, 1))


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
    moved by about 1e-7 of itself to break ties; the last basis is then held to the point itself, by dual steps where it
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
    blocks = columns.blocks
    for step in range(_MOST * d * len(blocks)):
        if not len(running.program):
            break
        block = blocks[step % len(blocks)]
        entering = _priced(running, block, allowed)
        ended = (running.clean >= len(blocks)) | (~running.first & (running.value[:, 0] > enough))
        if ended.any():
            left = running.take(ended)
            there = left.program
            for name in ("first", "code", "inverse", "value", "pivots"):
                getattr(last, name)[there] = getattr(left, name)
            status[there[left.clean >= len(blocks)]] = OPTIMAL
            running, entering = running.take(~ended), entering[~ended]
        free = _pivoted(running, entering, block)
        if free.any():
            status[running.program[free]] = UNBOUNDED
            running = running.take(~free)
    status[(status == OPTIMAL) & last.first] = INFEASIBLE
    return _held(columns, point, direction, start, last, status, allowed)


def _started(columns: Columns, point: Floats, direction: Floats, start: Floats, own: Codes) -> _Running:
    """Return the programs at their own points; without those whose basis there would be singular."""
    n, (d, q) = columns.matrix.shape[1], columns.slacks.shape
    row = columns.slack_row
    size = np.abs(point).max(axis=1)
    # A basis of β, the start, and all slacks but those of two rows has the determinant of those two rows.
    cross = direction[:, :, None] * start[:, None, :]
    minor = np.abs(cross - cross.transpose(0, 2, 1))
    bare = np.setdiff1d(np.arange(d), row)
    open_ = np.zeros((d, d), dtype=np.bool_)
    slack_there = (start != point).any(axis=0)
    rows = [
        (i, j)
        for i in range(d)
        for j in range(i + 1, d)
        if set(bare.tolist()) <= {i, j} and not slack_there[i] and not slack_there[j]
    ]
    open_[tuple(np.array(rows).T)] = True
    minor = np.where(open_, minor, 0.0).reshape(len(point), -1)
    best = minor.argmax(axis=1)
    there = np.flatnonzero(minor[np.arange(len(point)), best] > 1e-9 * size * np.abs(direction).max(axis=1))
    two = np.column_stack(np.divmod(best[there], d))
    left = np.ones((len(there), q), dtype=np.bool_)
    for i in (0, 1):
        left &= row != two[:, i : i + 1]
    slack = np.nonzero(left)[1].reshape(len(there), d - 2)
    basis = np.empty((len(there), d, d))
    basis[:, :, 0], basis[:, :, -1] = direction[there], start[there]
    basis[:, :, 1:-1] = columns.slacks[:, slack].transpose(1, 0, 2)
    code = np.empty((len(there), d), dtype=np.intp)
    code[:, 0], code[:, -1], code[:, 1:-1] = BETA, own[there], n + slack
    # Of the slacks that are left most are zero at the point itself; so it is moved to where none is, nor two alike.
    row_of = np.abs(np.take_along_axis(point[there], row[slack], axis=1))
    inverse: Floats = np.linalg.inv(basis)
    value = np.matmul(inverse, point[there][:, :, None])[:, :, 0]
    spread = 1.0 + (1.0 + slack) * 0.6180339887498949 % 1.0
    value[:, 1:-1] += _MOVED * spread * np.where(row_of > 0, row_of, 1e-3 * size[there, None])
    return _Running(
        program=there,
        first=np.asarray(own[there] == ARTIFICIAL),
        code=code,
        inverse=inverse,
        value=value,
        clean=np.zeros(len(there), dtype=np.intp),
        pivots=np.zeros(len(there), dtype=np.intp),
    )


def _priced(running: _Running, block: _Block, allowed: Allowed | None) -> Codes:
    """Return for each program the column of a block to enter, -1 for none, and count blocks without one."""
    price = running.inverse[:, 0]
    if running.first.any():
        price = np.where(running.first[:, None], -running.inverse[:, -1], price)
    cost = price @ block.priced
    if allowed is not None:
        cost[:, : block.high - block.low][~allowed(running.program, block.low, block.high)] = np.inf
    best = cost.argmin(axis=1)
    enters = cost[np.arange(len(best)), best] < -_COST * np.abs(price).max(axis=1)
    running.clean += 1
    running.clean[enters] = 0
    return np.where(enters, best, -1)


def _pivoted(running: _Running, entering: Codes, block: _Block) -> Mask:
    """Take one step in each program that has a column to enter; return those in which nothing stops it."""
    k = len(entering)
    free = np.zeros(k, dtype=np.bool_)
    moving = np.flatnonzero(entering >= 0)
    if not len(moving):
        return free
    every = len(moving) == k
    inverse, value = (running.inverse, running.value) if every else (running.inverse[moving], running.value[moving])
    place = entering[moving]
    step = np.matmul(inverse, block.columns[place][:, :, None])[:, :, 0]
    ratio = np.full(step.shape, np.inf)
    np.divide(np.maximum(value, 0.0), step, out=ratio, where=step > _PIVOT)
    ratio[:, 0] = np.inf
    leaving, each = ratio.argmin(axis=1), np.arange(len(moving))
    length = ratio[each, leaving]
    stuck = ~np.isfinite(length)
    if stuck.any():
        free[moving[stuck]] = True
        # These leave the field; a step of zero keeps their numbers finite until then.
        length, leaving = np.where(stuck, 0.0, length), np.where(stuck, 1, leaving)
        step[stuck, 1] = 1.0
    row = inverse[each, leaving] / step[each, leaving][:, None]
    step[each, leaving] = 0.0
    inverse -= step[:, :, None] * row[:, None, :]
    inverse[each, leaving] = row
    value -= step * length[:, None]
    value[each, leaving] = length
    if not every:
        running.inverse[moving], running.value[moving] = inverse, value
    running.code[moving, leaving] = block.code[place]
    running.pivots[moving] += 1
    running.first[moving[leaving == step.shape[1] - 1]] = False
    return free


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
    d = point.shape[1]
    n = columns.matrix.shape[1]
    beta = np.where(status == STALLED, last.value[:, 0], np.nan)
    dual, value = np.full(point.shape, np.nan), np.full(point.shape, np.nan)
    out = np.flatnonzero(status == INFEASIBLE)
    dual[out] = -last.inverse[out, -1]
    # The points were moved; an artificial start that is left with nothing at the point itself is for others to judge.
    status[out[np.einsum("ij,ij->i", dual[out], point[out]) > -1e-8]] = STALLED
    done = np.flatnonzero(status == OPTIMAL)
    for again in (False, True):
        inverse, code = last.inverse[done], last.code[done]
        basis = columns.basis(code, direction[done], start[done])
        x = np.matmul(inverse, point[done][:, :, None])
        x += np.matmul(inverse, point[done][:, :, None] - np.matmul(basis, x))
        pi = inverse[:, :1]
        unit = np.zeros((1, 1, d))
        unit[..., 0] = 1.0
        pi = pi + np.matmul(unit - np.matmul(pi, basis), inverse)
        value[done], dual[done] = x[:, :, 0], pi[:, 0]
        room = _room(columns, point[done], code, n)
        below = np.flatnonzero((value[done, 1:] < -room[:, 1:]).any(axis=1))
        if again:
            status[done[below]] = STALLED
        elif len(below):
            _dual_steps(columns, point, last, done[below], allowed)
        else:
            break
    beta[done] = np.where(status[done] == OPTIMAL, value[done, 0], beta[done])
    return Vertices(beta=beta, code=last.code, value=value, dual=dual, status=status, pivots=last.pivots)


def _room(columns: Columns, point: Floats, code: Codes, n: int) -> Floats:
    """Return how far below zero each value of a basis may be: of a slack by its row, of a column by the whole point."""
    size = np.abs(point)
    largest = np.broadcast_to(size.max(axis=1, keepdims=True), code.shape)
    of_slack = np.take_along_axis(size, columns.slack_row[np.maximum(code - n, 0)], axis=1)
    return _BELOW * np.where((code >= n) & (of_slack > 0), of_slack, largest)


def _dual_steps(columns: Columns, point: Floats, last: _Running, programs: Codes, allowed: Allowed | None) -> None:
    """Make bases that are optimal in cost fit their points; those that do not get there are left as they are."""
    n = columns.matrix.shape[1]
    whole = np.concatenate([columns.matrix, columns.slacks], axis=1)
    for i in programs:
        inverse, code, b = last.inverse[i].copy(), last.code[i].copy(), point[i]
        for _ in range(_MOST):
            value = inverse @ b
            room = _room(columns, b[None], code[None], n)[0]
            short = np.where(np.arange(len(b)) > 0, value / room, 0.0)
            out = int(short.argmin())
            if short[out] >= -1.0:
                last.inverse[i], last.code[i] = inverse, code
                break
            move, cost = inverse[out] @ whole, np.maximum(inverse[0] @ whole, 0.0)
            usable = move < -_PIVOT
            if allowed is not None:
                usable[:n] &= allowed(np.array([i]), 0, n)[0]
            if not usable.any():
                break
            ratio = np.where(usable, cost / np.where(usable, -move, 1.0), np.inf)
            near = ratio <= ratio.min() * (1.0 + 1e-9) + 1e-13
            enters = int(np.where(near, -move, -np.inf).argmax())
            step = inverse @ whole[:, enters]
            row = inverse[out] / step[out]
            step[out] = 0.0
            inverse -= np.outer(step, row)
            inverse[out] = row
            code[out] = enters
