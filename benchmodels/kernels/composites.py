"""Composites of outcomes with the weights that are kindest to each unit: corners of the weights, distances, ranges.

A unit's goods a (larger is better, in steps of its direction) are held against those of others. Its distance is

    β = min over shares q of max over units j of q (a_j - a),   q ≥ 0, Σq = 1, and whatever else shares must meet;

q is the share of each outcome in a step. As a program of intensities the shares' corners are the goods: what every
permitted weighting of a mixture of units must be ahead by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.faces import second_phase
from benchmodels.kernels.shared_simplex import ARTIFICIAL, OPTIMAL
from benchmodels.kernels.small_programs import SmallPrograms
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Composed", "compose", "compose_again", "corners_of", "share_ranges"]

# Corners of the shares, which a program has as goods.
_CORNERS = 400
# Programs with goods of their own that are solved together.
_TOGETHER = 1000
# Of shares, which are of order 1: what is met, and what is the same.
_MET = 1e-10
# Of distances in steps.
_ZERO = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class Composed:
    """Composites of k units over s outcomes.

    Parameters
    ----------
    beta : (k,) array
        Steps to the frontier; NaN without an answer.
    share : (k, s) array
        Of each outcome in a step, Σ = 1: one weighting of which there may be many.
    peer : (k, d) array of int; weight : (k, d) array
        Units of the mixture that each is held against, and their weights, Σ = 1; -1 and 0 where a place holds none.
    first : (k + 1,) array of int; possible : (e,) array of int
        The units that can be peers of unit i: ``possible[first[i]:first[i + 1]]``, ascending.
    status : (k,) array of int
    residual : (k,) array
        Largest of those of `envelop`.
    """

    beta: Floats
    share: Floats
    peer: Codes
    weight: Floats
    first: Codes
    possible: Codes
    status: Codes
    residual: Floats


def corners_of(rows: Floats) -> Floats:
    """Return the corners (v, s) of the shares q ≥ 0 with Σq = 1 and rows @ q ≥ 0, in a fixed order.

    Parameters
    ----------
    rows : (h, s) array
        Homogeneous conditions; a lower bound q_r ≥ L is the row e_r - L, since shares sum to 1.

    Raises
    ------
    SpecificationError
        No shares meet the conditions, or they have more corners than is practical.

    Notes
    -----
    The simplex is cut by one condition after another: corners beyond it are left out, and there is a new one on each
    edge that it cuts. Two corners share an edge where no third meets all conditions that both meet exactly (double
    description).

    References
    ----------
    Fukuda & Prodon (1996), Combinatorics and Computer Science, 91-111 (the test of edges).

    Examples
    --------
    >>> corners_of(np.zeros((0, 2))).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    >>> corners_of(np.eye(3) - 0.1).round(12).tolist()
    [[0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]]
    """
    corners, met = np.eye(rows.shape[1]), np.eye(rows.shape[1])
    for row in rows:
        met = np.concatenate([met, row[None]])
        ahead = corners @ row
        inside, beyond = np.flatnonzero(ahead > _MET), np.flatnonzero(ahead < -_MET)
        tight = np.abs(corners @ met[:-1].T) <= _MET
        new = []
        for i in inside:
            both = tight[i] & tight[beyond]
            # Only the two ends of an edge meet all that both meet.
            ends = (both[:, None] <= tight).all(axis=2).sum(axis=1) == 2
            part = (ahead[i] / (ahead[i] - ahead[beyond[ends]]))[:, None]
            new.append((1.0 - part) * corners[i] + part * corners[beyond[ends]])
        corners = np.concatenate([corners[ahead >= -_MET], *new])
        if not len(corners):
            raise SpecificationError("no shares that sum to 1 meet all bounds; loosen some of them")
        if len(corners) > _CORNERS:
            raise SpecificationError(
                f"the bounds leave shares with more than {_CORNERS} corners, which is too many to be followed; give "
                "lower bounds alone, or fewer outcomes"
            )
    corners = np.where(corners <= _MET, 0.0, corners)
    return np.asarray(corners[np.lexsort(np.round(corners, 9).T[::-1])])


@dataclass(frozen=True, eq=False)
class _Group:
    """Units (p,) that are held against the same goods (n, v), with their steps (p, v), and how shares are read.

    ``shares``: (v, s) corners, or (p, s) what a step of each outcome is in the goods' units of measure.
    """

    units: Codes
    goods: Floats
    step: Floats


def _shifted(goods: Floats) -> Floats:
    """Return goods that are all above zero: no answer depends on where zero is, and mixtures never cancel."""
    spread = np.ptp(goods, axis=0)
    return np.asarray(goods - goods.min(axis=0) + np.where(spread > 0, spread, 1.0))


def _groups(better: Floats, steps: Floats, corners: Floats | None) -> list[_Group]:
    """Return whom units are held against: one group, but where bounds are of each unit's own step one a unit.

    ``better`` (n, s): outcomes, larger is better; ``steps`` (k, s) of the first k of them.
    """
    k = len(steps)
    if corners is None:
        scale = np.where(np.ptp(better, axis=0) > 0, np.ptp(better, axis=0), 1.0)
        return [_Group(np.arange(k), _shifted(better / scale), steps / scale)]
    if np.all(steps == steps[0]):
        goods = _shifted(better / steps[0]) @ corners.T
        return [_Group(np.arange(k), goods, np.ones((k, len(corners))))]
    ones = np.ones((1, len(corners)))
    return [_Group(np.array([i]), _shifted(better / steps[i]) @ corners.T, ones) for i in range(k)]


def _technology(goods: Floats) -> Technology:
    return Technology(np.empty((len(goods), 0)), goods, (1.0, 1.0))


def compose(better: Floats, steps: Floats, corners: Floats | None) -> Composed:
    """Hold k units against all of them.

    Parameters
    ----------
    better : (k, s) array
        Outcomes, larger is better, in any unit of measure; negative ones too.
    steps : (k, s) array
        How much better each unit becomes in a step, zero or more, in the same; above zero where there are corners.
    corners : (v, s) array, optional
        Of the shares permitted, as `corners_of`; None for all shares.

    Returns
    -------
    Composed

    Notes
    -----
    98 units, three outcomes: 5 ms, with bounds on the shares of each unit's own outcomes 200 ms, since each unit then
    has goods of its own.
    """
    k, s = better.shape
    groups = _groups(better, steps, corners)
    parts = [_one(group, corners) for group in groups]
    width = max(part.peer.shape[1] for part in parts)
    pad = [(0, 0), (0, width)]
    counts = np.concatenate([np.diff(part.first) for part in parts])
    found = Composed(
        beta=np.concatenate([part.beta for part in parts]),
        share=np.concatenate([part.share for part in parts]),
        peer=np.concatenate([np.pad(p.peer, pad, constant_values=-1)[:, :width] for p in parts]),
        weight=np.concatenate([np.pad(p.weight, pad)[:, :width] for p in parts]),
        first=np.append(0, np.cumsum(counts)),
        possible=np.concatenate([part.possible for part in parts]),
        status=np.concatenate([part.status for part in parts]),
        residual=np.concatenate([part.residual for part in parts]),
    )
    if corners is None:
        # The price of a good in its own scale times the step; of one group.
        share = found.share * groups[0].step
        return _replaced(found, share / share.sum(axis=1, keepdims=True))
    share = found.share @ corners
    return _replaced(found, share / share.sum(axis=1, keepdims=True))


def _replaced(found: Composed, share: Floats) -> Composed:
    return Composed(**(vars(found) | {"share": share}))


def _one(group: _Group, corners: Floats | None) -> Composed:
    """Return the answers of a group, with the prices of its goods in the place of shares."""
    technology, none = _technology(group.goods), np.empty((len(group.units), 0))
    goods = none, group.goods[group.units], group.step
    found = envelop(technology, *goods, own=group.units)
    phase = second_phase(technology, *goods, found, own=group.units, weights=1.0 / _ranged(group.goods))
    return Composed(
        beta=_unrounded(found.beta),
        share=found.price,
        peer=phase.peer,
        weight=phase.weight,
        first=phase.first,
        possible=phase.possible,
        status=np.where(phase.status == OPTIMAL, found.status, phase.status),
        residual=np.maximum.reduce([found.primal_residual, found.dual_residual, found.gap]),
    )


def _unrounded(beta: Floats) -> Floats:
    """Return distances of which those that are zero but for rounding are: units on the frontier are equal."""
    return np.where(np.abs(beta) <= _ZERO, 0.0, beta)


def _ranged(goods: Floats) -> Floats:
    spread = np.ptp(goods, axis=0)
    return np.where(spread > 0, spread, 1.0)


def compose_again(
    better: Floats, steps: Floats, corners: Floats | None, sets: Sequence[Codes], points: Sequence[Codes]
) -> Floats:
    """Hold units against r sets of units, and return their distances (r, k).

    Parameters
    ----------
    better : (n, s) array
        As in `compose`, of n units, draws of units among them.
    steps : (n, s) array
        Of each of them.
    sets : sequence of r arrays of int
        Rows that are the reference, ascending.
    points : sequence of r arrays (k,) of int
        Rows that are held against it. One that is not in the set is no part of its frontier, and may be beyond it:
        then its distance is below zero.

    Returns
    -------
    (r, k) array
        NaN without an answer.
    """
    k = len(points[0])
    if corners is not None and np.any(steps != steps[0]):
        some = max(1, _TOGETHER // k)
        parts = [slice(low, low + some) for low in range(0, len(sets), some)]
        return np.concatenate([_each_alone(better, steps, corners, sets[at], points[at]) for at in parts])
    every, member = np.concatenate(points), np.repeat(np.arange(len(sets)), k)
    inside = np.concatenate([np.isin(some, units) for some, units in zip(points, sets, strict=True)])
    group = _groups(better, steps, corners)[0]
    own = np.where(inside, every, ARTIFICIAL)
    return _solved(group.goods, every, group.step[every], own, sets, member).reshape(len(sets), k)


def _each_alone(
    better: Floats, steps: Floats, corners: Floats, sets: Sequence[Codes], points: Sequence[Codes]
) -> Floats:
    """Return the distances (r, k) of units whose steps are their own: each has goods of its own in each set."""
    pool, own, reference, last = [], [], [], 0
    for units, rows in zip(sets, points, strict=True):
        n, k = len(units), len(rows)
        # The unit itself stands behind those that it is held against.
        goods = np.concatenate([np.tile(better[units], (k, 1, 1)), better[rows][:, None]], axis=1)
        goods /= steps[rows][:, None]
        spread = np.ptp(goods, axis=1, keepdims=True)
        goods += np.where(spread > 0, spread, 1.0) - goods.min(axis=1, keepdims=True)
        pool.append((goods @ corners.T).reshape(k * (n + 1), -1))
        first = last + (n + 1) * np.arange(k)
        place = np.minimum(np.searchsorted(units, rows), n - 1)
        own.append(np.where(units[place] == rows, first + place, ARTIFICIAL))
        reference += [np.arange(low, low + n) for low in first]
        last += k * (n + 1)
    every = np.array([units[-1] + 1 for units in reference])
    ones, member = np.ones((len(every), len(corners))), np.arange(len(every))
    found = _solved(np.concatenate(pool), every, ones, np.concatenate(own), reference, member)
    return found.reshape(len(sets), -1)


def _solved(goods: Floats, points: Codes, step: Floats, own: Codes, sets: Sequence[Codes], member: Codes) -> Floats:
    technology, none = _technology(goods), np.empty((len(points), 0))
    found = envelop(technology, none, goods[points], step, own=own, sets=sets, member=member)
    return np.where(found.status == OPTIMAL, _unrounded(found.beta), np.nan)


def share_ranges(better: Floats, steps: Floats, corners: Floats | None, beta: Floats) -> tuple[Floats, Floats]:
    """Return the least and the largest share (k, s) of each outcome over all weightings that are as kind.

    Parameters
    ----------
    better, steps, corners
        As in `compose`.
    beta : (k,) array
        Distances found.

    Notes
    -----
    Two small programs for a share, 0.3 ms each: by intensities λ and what a share may still differ by,

        max q_r  =  min β Σλ + τ   subject to   Σ_j λ_j (a_j - a) - M μ + τ ≥ e_r   in every outcome,

    over weights of the corners where there are bounds. NaN where a program was not solved.
    """
    k, s = better.shape
    low, high = np.full((k, s), np.nan), np.full((k, s), np.nan)
    programs = SmallPrograms()
    for i in np.flatnonzero(np.isfinite(beta)):
        moving = steps[i] > 0
        step = np.where(moving, steps[i], 1.0)
        apart = (better - better[i]) / step
        if corners is None:
            # An outcome that a step does not move has no share, but a weight: in steps of its range.
            step = np.where(moving, steps[i], np.where(np.ptp(better, axis=0) > 0, np.ptp(better, axis=0), 1.0))
            apart, basis, one = (better - better[i]) / step, np.eye(s), moving.astype(float)
        else:
            basis, one = corners, np.ones(len(corners))
        apart = apart @ basis.T
        for r in range(s):
            share = basis[:, r] * (moving[r] or corners is not None)
            high[i, r] = _most(programs, apart, one, share, float(beta[i]))
            low[i, r] = -_most(programs, apart, one, -share, float(beta[i]))
    return np.clip(low, 0.0, 1.0) + 0.0, np.clip(high, 0.0, 1.0) + 0.0


def _most(programs: SmallPrograms, apart: Floats, one: Floats, share: Floats, beta: float) -> float:
    """Return max share t over t ≥ 0 with one t = 1 and apart t ≤ β, by its dual, whose rows are few.

    That is: least β Σλ + τ with apart' λ + one τ - slack = share.
    """
    n, v = apart.shape
    size = max(1.0, float(np.abs(apart).max()))
    # Rounding must not make the weights found impossible.
    beta = beta + 1e-11 * size
    body = np.concatenate([apart.T / size, one[:, None], -np.eye(v)], axis=1)
    gain = np.concatenate([np.full(n, -beta / size), [-1.0], np.zeros(v)])
    lower = np.zeros(n + 1 + v)
    lower[n] = -np.inf
    solved = programs.solve(body, share, gain, lower, np.full(n + 1 + v, np.inf))
    return -float(solved.value @ gain) if solved.status == OPTIMAL else np.nan
