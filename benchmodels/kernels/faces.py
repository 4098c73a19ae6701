"""What an envelopment leaves open: the largest slacks, and every unit that can be a peer.

Whatever is optimal meets every optimal dual with complementary slackness. So all optimal solutions of one program lie
among the columns and slacks that cost nothing at the prices found: its face, mostly a handful of columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.shared_columns import products
from benchmodels.kernels.shared_simplex import OPTIMAL, OWN, STALLED, Columns
from benchmodels.kernels.small_programs import SmallPrograms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.envelopment import Envelopment
    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["PRESENT", "TIED", "Faces", "SecondPhase", "no_own", "optimal_faces", "prices_of", "second_phase"]

# A reduced cost that counts as zero, where prices and columns have largest entry 1.
TIED = 1e-9
# The share of some row of the projection from which on a unit has a part in it; and the least share a row counts as.
PRESENT = 1e-6
# The share up to which it is the rounding of none.
_DUST = 1e-12
# Of columns of length 1, the smallest singular value at which they are independent.
_INDEPENDENT = 1e-9
# Points whose prices are held against the columns together.
_CHUNK = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class Faces:
    """The columns and slacks of k programs that an optimal solution may use.

    Parameters
    ----------
    columns : Columns
        Of f reference units.
    unit : (f,) array of int
        Which unit of the technology each column is, or trade-off behind the units.
    target : (k, d) array
        What the columns and slacks of a face must add up to: the point, moved to the frontier.
    length : (k,) array
        What points were divided by.
    first : (k + 1,) array of int; code : (e,) array of int
        Those of program i are ``code[first[i]:first[i + 1]]``: columns 0 to f - 1, then slacks.
    single : (k,) array of bool
        They are linearly independent, so that there is one optimal solution.
    twin : (f,) array of int
        The same for columns that are equal: of equal units, under constant returns of proportional ones.
    """

    columns: Columns
    unit: Codes
    target: Floats
    length: Floats
    first: Codes
    code: Codes
    single: Mask
    twin: Codes

    def of(self, i: int) -> Codes:
        """Return the codes of program i."""
        return self.code[self.first[i] : self.first[i + 1]]

    def distinct(self, i: int) -> Codes:
        """Return the codes of program i, of equal columns the first."""
        code = self.of(i)
        column = code[code < len(self.unit)]
        one = np.sort(np.unique(self.twin[column], return_index=True)[1])
        return np.concatenate([column[one], code[len(column) :]])

    def body(self, code: Codes) -> Floats:
        """Return columns and slacks (d, c)."""
        f = len(self.unit)
        found = np.empty((self.columns.slacks.shape[0], len(code)))
        column = code < f
        found[:, column] = self.columns.matrix[:, code[column]]
        found[:, ~column] = self.columns.slacks[:, code[~column] - f]
        return found


def no_own(own: Codes) -> None:
    """Raise where a point may use itself without being a reference unit."""
    count = int(np.sum(own == OWN))
    if count:
        raise SpecificationError(
            f"{count} points may use themselves and are no reference units; needed are points of the reference, or "
            "points that may not use themselves"
        )


def prices_of(technology: Technology, found: Envelopment, length: Floats) -> Floats:
    """Return multipliers (k, d) in the technology's units of measure, of points divided by ``length`` (k,)."""
    goods = found.price * technology.scale * length[:, None]
    return np.concatenate([goods, found.returns_price], axis=1)


def optimal_faces(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    direction: Floats,
    found: Envelopment,
    *,
    own: Codes,
    allowed: Allowed | None = None,
    frame: Codes | None = None,
) -> Faces:
    """Return the faces of programs that `envelop` has solved with the same arguments.

    Raises
    ------
    SpecificationError
        A point that may use itself without being a reference unit.

    Notes
    -----
    A reduced cost counts as zero up to 1e-9, where prices and columns have largest entry 1. The face of a program
    without an answer is empty. Cost: k n d multiplications.
    """
    no_own(own)
    columns = technology.columns if frame is None else technology.part(frame)
    unit = technology.places(frame)
    point, _, step = technology.point(inputs, outputs, direction)
    length = technology.lengths(inputs, outputs)
    price = np.where(found.status[:, None] == OPTIMAL, prices_of(technology, found, length), np.nan)
    price = price / np.abs(price).max(axis=1, keepdims=True)
    pairs = []
    for low in range(0, len(point), _CHUNK):
        some = np.arange(low, min(low + _CHUNK, len(point)))
        for block in columns.blocks:
            zero = products(price[some], block.priced)[:, : block.high - block.low] <= TIED
            if allowed is not None:
                zero &= allowed(some, block.low, block.high)
            at, column = np.nonzero(zero)
            pairs.append((some[at], block.low + column))
    at, slack = np.nonzero(price @ columns.slacks <= TIED)
    pairs.append((at, len(unit) + slack))
    program, code = (np.concatenate(part) for part in zip(*pairs, strict=True))
    order = np.lexsort((code, program))
    first = np.searchsorted(program[order], np.arange(len(point) + 1))
    faces = Faces(
        columns=columns,
        unit=unit,
        target=point - np.where(np.isfinite(found.beta), found.beta, 0.0)[:, None] * step,
        length=length,
        first=first,
        code=code[order],
        single=np.zeros(len(point), dtype=np.bool_),
        twin=np.unique(columns.matrix.T, axis=0, return_inverse=True)[1],
    )
    faces.single[:] = _single(faces)
    return faces


def _single(faces: Faces) -> Mask:
    """Whether the columns of each face are independent; of faces with more columns than rows they never are."""
    d, count = faces.columns.slacks.shape[0], np.diff(faces.first)
    single = np.zeros(len(count), dtype=np.bool_)
    for size in range(1, d + 1):
        there = np.flatnonzero(count == size)
        code = faces.code[faces.first[there][:, None] + np.arange(size)]
        body = faces.body(code.ravel()).reshape(d, len(there), size).transpose(1, 0, 2)
        single[there] = _independent(body)
    return single


def _independent(body: Floats) -> Mask:
    """Whether the columns of matrices (..., d, c) with c <= d are independent."""
    if body.shape[-1] == 0:
        return np.ones(body.shape[:-2], dtype=np.bool_)
    long = np.sqrt(np.einsum("...ij,...ij->...j", body, body))[..., None, :]
    singular = np.linalg.svd(body / np.where(long > 0, long, 1.0), compute_uv=False)
    return np.asarray(singular[..., -1] > _INDEPENDENT)


@dataclass(frozen=True, eq=False, kw_only=True)
class SecondPhase:
    """Slacks and peers of k points.

    Parameters
    ----------
    slack : (k, m + s) array
        In the goods' units of measure; NaN without an answer.
    peer : (k, d) array of int; weight : (k, d) array
        Reference units of one solution with these slacks and their intensities; -1 and 0 where a place holds none.
    first : (k + 1,) array of int; possible : (e,) array of int
        The units that can be peers of point i: ``possible[first[i]:first[i + 1]]``, ascending.
    unique : (k,) array of bool
        Slacks, peers and intensities are the only ones.
    status : (k,) array of int
        As in `Envelopment`; `STALLED` where the second program, or the one for the peers, was not solved.
    residual : (k,) array
        Of the programs solved here, as in `SmallPrograms.solve`; 0 where none was needed.
    """

    slack: Floats
    peer: Codes
    weight: Floats
    first: Codes
    possible: Codes
    unique: Mask
    status: Codes
    residual: Floats


def second_phase(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    direction: Floats,
    found: Envelopment,
    *,
    own: Codes,
    weights: Floats | None = None,
    allowed: Allowed | None = None,
    frame: Codes | None = None,
) -> SecondPhase:
    """Find the largest weighted sum of slacks at the distances found, and all units that can be peers then.

    Parameters
    ----------
    technology : Technology
        n reference units.
    inputs : (k, m) array; outputs : (k, s) array; direction : (k, m + s) array; own, allowed, frame
        As given to `envelop`.
    found : Envelopment
        What it returned.
    weights : (m + s,) array, optional
        What one unit of measure of slack in each good counts; 1 / the good's mean over the reference by default, so
        that units of measure do not matter. Ones for the sum in the units of the data.

    Returns
    -------
    SecondPhase

    Raises
    ------
    SpecificationError
        Weights that are not positive; a point that may use itself without being a reference unit.

    Notes
    -----
    Possible peers are those of a strictly complementary solution of the second phase: units with a positive intensity
    in some solution with the largest sum of slacks. Where the slacks are unique they span the smallest face that holds
    the projection. An intensity counts as positive where the unit is above 1e-6 of some good of the projection (or of
    Σλ), however small that is beside the unit. The order of units does not matter
    (``test_possible_peers_do_not_depend_on_the_order_of_units``).
    Programs are solved only for points whose face is not a simplex, 0.4 to 1.5 ms each: 1,000 points of whole numbers
    from 1 to 9 in four goods take below 2 s (``test_whole_numbers_are_fast``).

    References
    ----------
    Ali & Seiford (1993) in Fried, Lovell & Schmidt, The Measurement of Productive Efficiency, ch. 3 (two phases).
    Krivonozhko, Forsund & Lychev (2014), Annals of Operations Research 214 (smallest faces).
    Roshdi, Mehdiloozad & Margaritis (2014), arXiv:1407.2592 (one program for all peers).

    Examples
    --------
    >>> import numpy as np
    >>> from benchmodels.kernels.envelopment import envelop
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[2.0, 4.0], [4.0, 2.0], [2.0, 6.0]]), np.ones((3, 1))
    >>> goods = x, y, np.concatenate([x, 0.0 * y], axis=1)
    >>> technology, own = Technology(x, y, (1.0, 1.0)), np.arange(3)
    >>> second_phase(technology, *goods, envelop(technology, *goods, own=own), own=own).slack[2].tolist()
    [0.0, 2.0, 0.0]
    """
    weights = 1.0 / technology.scale if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != technology.scale.shape or not np.all((weights > 0) & np.isfinite(weights)):
        raise SpecificationError(f"weights={weights}; needed is one positive number for each of the goods")
    faces = optimal_faces(technology, inputs, outputs, direction, found, own=own, allowed=allowed, frame=frame)
    answered = found.status == OPTIMAL
    gain = np.zeros(technology.rows)
    gain[: len(weights)] = weights * technology.scale / np.max(weights * technology.scale)
    work = _Work(
        faces=faces,
        gain=gain,
        slack=np.where(answered[:, None], found.slack / technology.scale / faces.length[:, None], np.nan),
        peer=np.where((found.weight > 0) & answered[:, None], found.peer, -1),
        weight=np.where(answered[:, None], found.weight, 0.0)
        * technology.length[np.maximum(found.peer, 0)]
        / faces.length[:, None],
        unique=answered & faces.single,
        status=found.status.copy(),
        residual=np.zeros(len(answered)),
    )
    part = work.weight * _largest(technology.columns.matrix[:, work.peer].transpose(1, 0, 2), faces.target)
    simple = np.nonzero((part > PRESENT) & work.unique[:, None])
    pairs = [(simple[0], work.peer[simple])]
    programs = SmallPrograms()
    for i in np.flatnonzero(answered & ~faces.single).tolist():
        able = work.solve(i, programs)
        pairs.append((np.full(len(able), i), able))
    point, unit = (np.concatenate(each) for each in zip(*pairs, strict=True))
    point, unit = point[unit < len(technology.inputs)], unit[unit < len(technology.inputs)]
    order = np.lexsort((unit, point))
    work.weight[work.peer >= len(technology.inputs)] = 0.0
    dust = work.weight * _largest(technology.columns.matrix[:, work.peer].transpose(1, 0, 2), faces.target) <= _DUST
    work.peer[dust], work.weight[dust] = -1, 0.0
    return SecondPhase(
        slack=work.slack * technology.scale * faces.length[:, None],
        peer=work.peer,
        weight=work.weight * faces.length[:, None] / technology.length[np.maximum(work.peer, 0)],
        first=np.searchsorted(point[order], np.arange(len(answered) + 1)),
        possible=unit[order],
        unique=work.unique,
        status=work.status,
        residual=work.residual,
    )


@dataclass(eq=False, kw_only=True)
class _Work:
    """The second phase under way, in the technology's units of measure."""

    faces: Faces
    gain: Floats
    slack: Floats
    peer: Codes
    weight: Floats
    unique: Mask
    status: Codes
    residual: Floats

    def solve(self, i: int, programs: SmallPrograms) -> Codes:
        """Write the second phase of point i, and return the units that can be its peers."""
        faces, f = self.faces, len(self.faces.unit)
        column, code = faces.of(i), faces.distinct(i)
        column = column[column < f]
        body, target = faces.body(code), faces.target[i]
        row = faces.columns.slack_row
        gain = np.where(code < f, 0.0, self.gain[row[np.maximum(code - f, 0)]])
        if gain.any():
            solved = programs.solve(body, target, gain, np.zeros(len(code)), np.full(len(code), np.inf))
            self.residual[i] = solved.residual
            if solved.status != OPTIMAL:
                return self._without(i, solved.status)
            # A solution that is as good already is kept: an efficient unit stays its own peer.
            if solved.value @ gain > self.slack[i] @ self.gain[: self.slack.shape[1]] + TIED:
                self._write(i, code, solved.value)
            worth = max(float(np.abs(solved.price).max()), float(gain.max()))
            tied = solved.price @ body - gain <= TIED * worth
            code, body = code[tied], body[:, tied]
        support = _support(body, target, programs)
        if support is None:
            return self._without(i, STALLED)
        able = column[np.isin(faces.twin[column], faces.twin[code[support & (code < f)]])]
        few = int(support.sum()) <= len(target)
        alone = len(able) == int(np.sum(support & (code < f)))
        self.unique[i] = alone and few and bool(_independent(body[:, support]))
        return faces.unit[able]

    def _write(self, i: int, code: Codes, value: Floats) -> None:
        f = len(self.faces.unit)
        used = np.flatnonzero((code < f) & (value > 0))
        self.peer[i], self.weight[i] = -1, 0.0
        self.peer[i, : len(used)] = self.faces.unit[code[used]]
        self.weight[i, : len(used)] = value[used]
        self.slack[i] = 0.0
        row = self.faces.columns.slack_row[np.maximum(code - f, 0)]
        good = np.flatnonzero((code >= f) & (row < self.slack.shape[1]))
        self.slack[i, row[good]] = value[good]

    def _without(self, i: int, status: int) -> Codes:
        self.status[i] = status
        self.slack[i], self.peer[i], self.weight[i], self.unique[i] = np.nan, -1, 0.0, False
        return np.zeros(0, dtype=np.intp)


def _support(body: Floats, target: Floats, programs: SmallPrograms) -> Mask | None:
    """Return which columns are positive in some x >= 0 with body x = target; None where that is not found out.

    Notes
    -----
    With x = (t + r) / μ, 0 <= t <= 1, r >= 0 and μ >= 1, the largest Σt has t = 1 for a column that can be positive,
    and 0 for others. μ is held below 1 / `PRESENT`, so that rounding in the target cannot be taken for a column.
    """
    d, c = body.shape
    largest = _largest(body, target)
    body = body / np.where(largest > 0, largest, 1.0)
    if c <= d and _independent(body):
        return np.asarray(np.linalg.lstsq(body, target)[0] > PRESENT)
    whole = np.concatenate([body, body, -target[:, None]], axis=1)
    gain = np.concatenate([np.ones(c), np.zeros(c + 1)])
    lower = np.append(np.zeros(2 * c), 1.0)
    upper = np.concatenate([np.ones(c), np.full(c, np.inf), [1.0 / PRESENT]])
    solved = programs.solve(whole, np.zeros(d), gain, lower, upper)
    return solved.value[:c] > 0.5 if solved.status == OPTIMAL else None


def _largest(body: Floats, target: Floats) -> Floats:
    """Return the largest entries of columns (..., d, c), as shares of their rows of targets (..., d): (..., c)."""
    row = np.abs(target)
    row = np.maximum(row, PRESENT * row.max(axis=-1, keepdims=True))
    return np.asarray((np.abs(body) / np.where(row > 0, row, 1.0)[..., None]).max(axis=-2))
