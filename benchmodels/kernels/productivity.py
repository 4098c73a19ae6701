"""Distances of points in one period to what could be done in another, for indices of productivity change.

A point may use what was used in one row of a panel and make what was made in another; a reference is any set of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, STALLED
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Distances", "Side", "directional_distances", "radial_distances"]

Side = Literal["input", "output"]

# Part of a point's outputs below which nothing can be made of its inputs, and of its inputs below which what would do
# is lost in rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class Distances:
    """Distances of k points.

    Parameters
    ----------
    value : (k,) array
        Efficiency, or steps along the direction; NaN without an answer.
    status : (k,) array of int
        `OPTIMAL`, `INFEASIBLE`, or `STALLED`.
    """

    value: Floats
    status: Codes


def radial_distances(
    inputs: Floats,
    outputs: Floats,
    bounds: tuple[float, float],
    side: Side,
    *,
    used: Codes,
    made: Codes,
    sets: Sequence[Codes],
    member: Codes,
) -> Distances:
    """Return efficiencies of k points, each against a set of rows of a panel.

    Parameters
    ----------
    inputs : (n, m) array; outputs : (n, s) array
        Rows of the panel, in any units of measure.
    bounds : (float, float)
        Of Σλ, as `bounds_of` gives.
    side : {'input', 'output'}
        The least share of the inputs that would do; or the share that is made of what could be made.
    used, made : (k,) arrays of int
        Rows of which a point uses the inputs and makes the outputs.
    sets : sequence of r arrays (n_j,) of int, ascending
        Reference rows.
    member : (k,) array of int
        Set of each point, which need not be in it: then the efficiency may be above 1.

    Returns
    -------
    Distances
        Never 0 or infinite: a point of whose inputs the reference could make nothing is `INFEASIBLE`, and one of whose
        inputs less than 1e-12 would do is `STALLED`, since no digit of that is known.

    Notes
    -----
    Points that are asked for more than once are solved once. A point that is a row of its set begins at itself, and
    needs no first phase.
    """
    m = inputs.shape[1]
    moves = np.arange(m + outputs.shape[1]) < m
    moving = moves if side == "input" else ~moves
    beta, status = _solved(inputs, outputs, bounds, moving, used=used, made=made, sets=sets, member=member)
    found = status == OPTIMAL
    if side == "input":
        lost = found & (1.0 - beta < _NOTHING)
        status = np.where(lost, STALLED, status)
        return Distances(value=np.where(found & ~lost, 1.0 - beta, np.nan), status=status)
    nothing = found & (1.0 + beta < _NOTHING)
    status = np.where(nothing, INFEASIBLE, status)
    found &= ~nothing
    return Distances(value=np.divide(1.0, 1.0 + beta, where=found, out=np.full(len(beta), np.nan)), status=status)


def directional_distances(
    inputs: Floats,
    outputs: Floats,
    bounds: tuple[float, float],
    direction: Floats,
    *,
    used: Codes,
    made: Codes,
    sets: Sequence[Codes],
    member: Codes,
) -> Distances:
    """Return steps of k points along a direction to the frontier of sets of rows; below zero for a point beyond it.

    ``direction`` is (m + s,), the same for all points; or (n, m + s), of which a point has the inputs of the row that
    it uses and the outputs of the row that it makes; the rest as in `radial_distances`.
    """
    beta, status = _solved(inputs, outputs, bounds, direction, used=used, made=made, sets=sets, member=member)
    return Distances(value=np.where(status == OPTIMAL, beta, np.nan), status=status)


def _solved(
    inputs: Floats,
    outputs: Floats,
    bounds: tuple[float, float],
    direction: Floats | NDArray[np.bool_],
    *,
    used: Codes,
    made: Codes,
    sets: Sequence[Codes],
    member: Codes,
) -> tuple[Floats, Codes]:
    """Return steps and statuses (k,); ``direction`` is steps, or which of its own goods move with a point."""
    n, m = inputs.shape
    key = (used * n + made) * len(sets) + member
    _, first, back = np.unique(key, return_index=True, return_inverse=True)
    used, made, member = used[first], made[first], member[first]
    inside = np.zeros((len(sets), n), dtype=np.bool_)
    for row, rows in zip(inside, sets, strict=True):
        row[rows] = True
    own = np.where((used == made) & inside[member, used], used, ARTIFICIAL)
    points = inputs[used], outputs[made]
    if direction.dtype == np.bool_:
        step = np.where(direction, np.concatenate(points, axis=1), 0.0)
    elif direction.ndim == 2:
        step = np.concatenate([direction[used, :m], direction[made, m:]], axis=1)
    else:
        step = np.tile(direction, (len(used), 1))
    found = envelop(Technology(inputs, outputs, bounds), *points, step, own=own, sets=sets, member=member)
    known = (found.status == OPTIMAL) | (found.status == INFEASIBLE)
    return found.beta[back], np.where(known, found.status, STALLED)[back]
