"""Many linear programs over the same columns, each with a gain and a bound of its own for every slack.

Shared columns cost nothing and slacks are unit vectors, so that a program's own weights enter its prices and nothing
else. As in `benchmodels.kernels.shared_simplex` all programs start at their own points and pivot in step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmodels.kernels.shared_columns import sizes
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, STALLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_columns import Columns
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Answers", "Programs", "maximise_bounded"]

# Of a reduced cost, and of a pivot, relative to the terms that they are sums of.
_COST, _PIVOT = 1e-11, 1e-9
# Ties are broken by moving points by about this much of themselves, and moving them back at the end.
_MOVED = 1e-9
# Pivots without an end, for each row; pivots after which inverses are made anew.
_MOST, _FRESH = 60, 40
# Of a value below zero at the point itself, which counts as rounding; and of one above, which is none to speak of.
_BELOW, _DUST = 1e-12, 1e-14
# Programs that are not worth moving together.
_FEW = 50


@dataclass(frozen=True, eq=False)
class Programs:
    """k programs over n shared columns in d rows with q slacks.

    Parameters
    ----------
    columns : Columns
        Of one set.
    point, start : (k, d) arrays
        As in `maximise`: what is to be met, and a column that meets it with slacks in rows where it is not the point.
    own : (k,) array of int
        Which column the start is; `ARTIFICIAL` where it may not be used.
    gain, upper : (k, q) arrays
        What each slack counts, and how large it may be.
    allowed : callable or None
    """

    columns: Columns
    point: Floats
    start: Floats
    own: Codes
    gain: Floats
    upper: Floats
    allowed: Allowed | None

    @property
    def size(self) -> Floats:
        """Of what size each row of the points is (k, d), above zero."""
        found = sizes(self.point)
        return np.where(found > 0, found, 1.0)


class Answers(NamedTuple):
    """Where k programs ended: columns (k, d) and their values, slacks (k, q), prices (k, d) and status (k,).

    Arrays may be written. Prices of an infeasible program are a ray: no column or slack without bound is worth less
    than nothing, and the point is.
    """

    code: Codes
    value: Floats
    slack: Floats
    price: Floats
    status: Codes


class _Running:
    """Programs under way: bases, inverses (r, d, d), prices (r, d) and values (r, d)."""

    def __init__(self, programs: Programs) -> None:
        n, (k, d), q = programs.columns.count, programs.point.shape, programs.gain.shape[1]
        row, sign = programs.columns.slack_row, programs.columns.slack_sign
        self.programs = programs
        self.at = np.arange(k)
        self.first = np.asarray(programs.own == ARTIFICIAL)
        self.clean, self.high = np.zeros(k, dtype=np.intp), np.zeros((k, q), dtype=np.bool_)
        # One slack gives way to the start: that of the row where the start is largest and is the point; a row without
        # slack has none to give.
        bare = sorted(set(range(d)) - set(row.tolist()))
        same = np.abs(programs.start - programs.point) <= 1e-12 * np.abs(programs.start)
        place = np.where(same, np.abs(programs.start), -1.0).argmax(axis=1)
        drop = np.full(k, bare[0]) if bare else place
        size = programs.size
        room = _MOVED * size[:, row] * (1.0 + (1.0 + np.arange(q)) * 0.6180339887498949 % 1.0)
        self.moved = programs.point.copy()
        kept = row[None, :] != drop[:, None]
        self.moved[:, row] += np.where(kept, sign * room, 0.0)
        self.upper = programs.upper + 4.0 * room
        self.code = np.empty((k, d), dtype=np.intp)
        self.code[:, 0] = programs.own
        self.code[:, 1:] = n + np.nonzero(kept)[1].reshape(k, d - 1) if d > 1 else 0
        each = np.arange(k)
        self.inverse = np.zeros((k, d, d))
        self.inverse[each, 0, drop] = 1.0 / programs.start[each, drop]
        slack = self.code[:, 1:] - n
        for j in range(d - 1):
            at, s = row[slack[:, j]], sign[slack[:, j]]
            self.inverse[each, j + 1, at] = s
            self.inverse[each, j + 1, drop] -= s * programs.start[each, at] / programs.start[each, drop]
        self.price = np.einsum("kj,kji->ki", self.gains(), self.inverse)
        self.value = np.einsum("kij,kj->ki", self.inverse, self.moved)

    def keep(self, some: Codes) -> None:
        """Go on with some of the programs only."""
        for name in ("at", "first", "clean", "high", "moved", "upper", "code", "inverse", "price", "value"):
            setattr(self, name, getattr(self, name)[some])

    def part(self, some: Codes) -> _Running:
        """Return some of the programs as they are now."""
        found = _Running.__new__(_Running)
        vars(found).update(vars(self))
        found.keep(some)
        return found

    def gains(self) -> Floats:
        """Return what each place of the bases counts (r, d)."""
        n = self.programs.columns.count
        slack = np.maximum(self.code - n, 0)
        found = np.take_along_axis(self.programs.gain[self.at], slack, axis=1)
        return np.where(self.code >= n, found, 0.0)

    def tops(self) -> Floats:
        """Return the upper bound of each place of the bases (r, d)."""
        n = self.programs.columns.count
        found = np.take_along_axis(self.upper, np.maximum(self.code - n, 0), axis=1)
        return np.where(self.code >= n, found, np.inf)

    def basis(self) -> Floats:
        """Return the matrices (r, d, d) of the bases."""
        zero = np.zeros_like(self.moved)
        return self.programs.columns.basis(self.code, zero, self.programs.start[self.at])

    def renew(self) -> None:
        """Take the rounding of many pivots out of inverses, values and prices."""
        basis = self.basis()
        self.inverse = self.inverse + self.inverse @ (np.eye(basis.shape[1]) - basis @ self.inverse)
        self.price = np.einsum("kj,kji->ki", self.gains(), self.inverse)
        self.value = np.einsum("kij,kj->ki", self.inverse, self.target(self.moved, self.upper))

    def target(self, point: Floats, upper: Floats) -> Floats:
        """Return points without the slacks that are at their upper bound, (r, d)."""
        at_top = np.where(self.high, np.where(np.isfinite(upper), upper, 0.0), 0.0)
        return np.asarray(point - at_top @ self.programs.columns.slacks.T)


def maximise_bounded(programs: Programs) -> Answers:
    """Solve k programs; those that stall are the caller's to solve again.

    Notes
    -----
    Bounded primal simplex, columns priced in blocks, largest normalised reduced cost. A program that may not use its
    own point first drives that out of the basis. The points are moved by about 1e-9 of themselves to break ties; the
    last basis is then held to the point itself, and where it does not fit the program counts as stalled.
    """
    (k, d), q = programs.point.shape, programs.gain.shape[1]
    answers = Answers(
        code=np.full((k, d), ARTIFICIAL, dtype=np.intp),
        value=np.zeros((k, d)),
        slack=np.zeros((k, q)),
        price=np.full((k, d), np.nan),
        status=np.full(k, STALLED, dtype=np.intp),
    )
    with np.errstate(all="ignore"):
        running = _Running(programs)
        blocks = programs.columns.blocks
        running.keep(np.flatnonzero(np.isfinite(running.inverse).all(axis=(1, 2)) & np.isfinite(running.value).all(1)))
        for step in range(_MOST * d * len(blocks)):
            if not len(running.at):
                break
            entering, column = _priced(running, step % len(blocks))
            ended = running.clean >= len(blocks)
            over = int(ended.sum())
            if over == len(ended) or over >= max(_FEW, len(ended) // 4):
                _put(running, np.flatnonzero(ended), answers)
                left = np.flatnonzero(~ended)
                running.keep(left)
                entering, column = entering[left], column[left]
            some = np.flatnonzero(entering >= 0)
            if len(some):
                _pivoted(running, some, entering[some], column[some])
            if step % _FRESH == _FRESH - 1:
                running.renew()
    return answers


def _priced(running: _Running, which: int) -> tuple[Codes, Floats]:
    """Return the column to enter of each program (r,), -1 for none, and as it is (r, d)."""
    programs, block = running.programs, running.programs.columns.blocks[which]
    n, count, each = programs.columns.count, block.high - block.low, np.arange(len(running.at))
    slacks, row, sign = programs.columns.slacks, programs.columns.slack_row, programs.columns.slack_sign
    price = np.where(running.first[:, None], -running.inverse[:, 0], running.price)
    gain = np.where(running.first[:, None], 0.0, programs.gain[running.at])
    cost = price @ block.priced[0][:, :count]
    if programs.allowed is not None:
        cost[~programs.allowed(running.at, block.low, block.high)] = np.inf
    best = cost.argmin(axis=1)
    slack_cost = price[:, row] * sign - gain
    slack_cost = np.where(running.high, -slack_cost, slack_cost)
    slack = slack_cost.argmin(axis=1)
    is_slack = slack_cost[each, slack] < cost[each, best]
    chosen = np.where(is_slack[:, None], slacks.T[slack], block.columns[0].T[best])
    terms = price * chosen
    counts = np.where(is_slack, gain[each, slack], 0.0)
    reduced = terms.sum(axis=1) - counts
    worth = (np.abs(price) * programs.size[running.at]).max(axis=1) * 1e-4
    scale = np.maximum(np.abs(terms).sum(axis=1) + counts, worth)
    signed = np.where(is_slack & running.high[each, slack], -reduced, reduced)
    enters = signed < -_COST * scale
    running.clean += 1
    running.clean[enters] = 0
    return np.where(enters, np.where(is_slack, n + slack, block.low + best), -1), chosen


def _pivoted(running: _Running, some: Codes, entering: Codes, column: Floats) -> None:
    """Take one step in programs ``some`` (p,); those that nothing stops leave the field without an answer."""
    n, each = running.programs.columns.count, np.arange(len(some))
    slack = np.maximum(entering - n, 0)
    is_slack = entering >= n
    down = is_slack & running.high[some, slack]
    gain = np.where(is_slack, running.programs.gain[running.at[some], slack], 0.0)
    cost = np.einsum("kj,kj->k", running.price[some], column) - gain
    inverse, value = running.inverse[some], running.value[some]
    move = np.einsum("kij,kj->ki", inverse, column)
    sign = np.where(down, -1.0, 1.0)
    step = move * sign[:, None]
    sure = _PIVOT * np.einsum("kij,kj->ki", np.abs(inverse), np.abs(column) + 1e-4)
    tops = running.tops()[some]
    ratio = np.where(step > sure, value / step, np.inf)
    ratio = np.where((step < -sure) & np.isfinite(tops), (tops - value) / -step, ratio)
    leaving = ratio.argmin(axis=1)
    length = np.maximum(ratio[each, leaving], 0.0)
    span = np.where(is_slack, running.upper[some, slack], np.inf)
    flips = span <= length
    length = np.minimum(length, span)
    stuck = ~np.isfinite(length)
    length[stuck] = 0.0
    value = value - step * length[:, None]
    running.value[some] = value
    running.high[some[flips], slack[flips]] ^= True
    go = np.flatnonzero(~flips & ~stuck)
    if len(go):
        p, place, entered = some[go], leaving[go], entering[go]
        out = running.code[p, place]
        left_high = (step[go, place] < 0) & (out >= n)
        up = np.flatnonzero(out >= n)
        running.high[p[up], out[up] - n] = left_high[up]
        into = np.flatnonzero(is_slack[go])
        running.high[p[into], slack[go][into]] = False
        pivot = move[go, place]
        line = inverse[go, place] / pivot[:, None]
        away = move[go].copy()
        away[np.arange(len(go)), place] = 0.0
        fresh = inverse[go] - away[:, :, None] * line[:, None]
        fresh[np.arange(len(go)), place] = line
        running.inverse[p] = fresh
        running.price[p] -= cost[go][:, None] * line
        running.code[p, place] = entered
        running.value[p, place] = np.where(down[go], span[go] - length[go], length[go])
        # The artificial start is in place 0 until it leaves.
        running.first[p] &= place != 0
    if stuck.any():
        alone = np.ones(len(running.at), dtype=np.bool_)
        alone[some[stuck]] = False
        running.keep(np.flatnonzero(alone))


def _put(running: _Running, some: Codes, answers: Answers) -> None:
    """Hold the last bases of some programs to their points themselves, and write what they found."""
    if not len(some):
        return
    whole, running = running.programs, running.part(some)
    at, n = running.at, whole.columns.count
    basis = running.basis()
    inverse = running.inverse
    for _ in range(2):
        inverse = inverse + inverse @ (np.eye(basis.shape[1]) - basis @ inverse)
    running.inverse = inverse
    price = np.einsum("kj,kji->ki", running.gains(), inverse)
    target = running.target(whole.point[at], whole.upper[at])
    value = np.einsum("kij,kj->ki", inverse, target)
    value += np.einsum("kij,kj->ki", inverse, target - np.einsum("kij,kj->ki", basis, value))
    tops = np.take_along_axis(whole.upper[at], np.maximum(running.code - n, 0), axis=1)
    tops = np.where(running.code >= n, tops, np.inf)
    terms = np.einsum("kij,kj->ki", np.abs(inverse), whole.size[at])
    first = running.first
    fits = ((value >= -_BELOW * terms) & (value <= tops + _BELOW * terms)).all(axis=1)
    status = np.where(first, INFEASIBLE, np.where(fits, OPTIMAL, STALLED))
    value = np.where(value <= _DUST * terms, 0.0, np.minimum(value, tops))
    answers.price[at] = np.where(first[:, None], -inverse[:, 0], price)
    answers.status[at] = status
    column = running.code < n
    answers.code[at] = np.where(column, running.code, ARTIFICIAL)
    answers.value[at] = np.where(column & (running.code >= 0), value, 0.0)
    slack = np.where(running.high, whole.upper[at], 0.0)
    unit, place = np.nonzero(~column)
    slack[unit, running.code[unit, place] - n] = value[unit, place]
    answers.slack[at] = slack
