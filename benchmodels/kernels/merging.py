"""Units put together: what the sum of several would need, or could make, and which part of that is for which reason.

Every point is held against the same frontier, whichever that is: each unit, the sum of a group, the sum of its units
as each would be at the frontier, and their mean. A frontier is a function of points, so that hulls, free disposal hulls
and frontiers drawn for a bootstrap are all treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from benchmodels.kernels import free_disposal
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL, OPTIMAL, OWN, STALLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = [
    "Farrell", "Merged", "Side", "Sums", "farrell_of_hull", "farrell_of_units", "merged_gains", "replicated_gains",
]  # fmt: skip

Side = Literal["input", "output"]
# By how much a mean or a sum of goods may miss a unit that it equals but for rounding: free disposal compares exactly.
_ROUNDING = 1e-12


class Farrell(Protocol):
    """A frontier: which factor of its inputs a point needs there, or of its outputs it could make."""

    def __call__(self, inputs: Floats, outputs: Floats, member: Codes, *, inside: bool) -> tuple[Floats, Codes]:
        """Return the factors (k,), NaN without one, and the status (k,) of each.

        ``member`` (k,) says which of several frontiers each point is held against; ``inside`` that the points are
        known to lie within all of them.
        """


@dataclass(frozen=True, eq=False)
class Sums:
    """g groups of k units.

    Parameters
    ----------
    unit : (t,) array of int
        Positions of the units, group by group.
    first : (g + 1,) array of int
        Where each group begins, and the end.
    """

    unit: Codes
    first: Codes

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def size(self) -> Codes:
        """Units of each group, (g,)."""
        return np.diff(self.first)

    def of(self, values: Floats) -> Floats:
        """Return the sums (g, c) of the values (k, c) of the units."""
        return np.asarray(np.add.reduceat(values[self.unit], self.first[:-1], axis=0))

    def some(self, at: Codes) -> Sums:
        """Return some of the groups, in the order asked for."""
        size = self.size[at]
        first = np.concatenate([[0], np.cumsum(size)])
        place = np.arange(first[-1]) - np.repeat(first[:-1], size) + np.repeat(self.first[at], size)
        return Sums(self.unit[place], first)


@dataclass(frozen=True, eq=False, kw_only=True)
class Merged:
    """Farrell factors of g groups: of inputs where inputs fall, of outputs where outputs rise.

    Parameters
    ----------
    total : (g,) array
        Of the sum of the units as they are.
    corrected : (g,) array
        Of the sum of the units as each would be at the frontier.
    harmony : (g,) array
        Of the mean of those.
    unit : (k,) array
        Of each unit.
    status : (g,) array of int
        `OPTIMAL`; or what the first of total, corrected and harmony is that has no answer.
    """

    total: Floats
    corrected: Floats
    harmony: Floats
    unit: Floats
    status: Codes

    @property
    def learning(self) -> Floats:
        """What the units could each do for themselves, (g,)."""
        return self.total / self.corrected

    @property
    def size(self) -> Floats:
        """What is left for working at the size of all of them, (g,)."""
        return self.corrected / self.harmony


def merged_gains(
    farrell: Farrell,
    inputs: Floats,
    outputs: Floats,
    groups: Sums,
    side: Side,
    *,
    unit: Floats | None = None,
    member: Codes | None = None,
    cone: bool = False,
    convex: bool = True,
) -> Merged:
    """Return what groups of units would need, or could make, as one unit.

    Parameters
    ----------
    farrell : Farrell
        The frontier.
    inputs : (k, m) array; outputs : (k, s) array
        The units, in any units of measure.
    groups : Sums
        Of positions among the k.
    side : {'input', 'output'}
    unit : (k,) array, optional
        Farrell factors of the units, where they are known; NaN without one.
    member : (k,) array of int, optional
        Which frontier each unit is held against; a group is held against its first unit's.
    cone : bool, default False
        Constant returns: a mean has the factor of the sum.
    convex : bool, default True
        Whether means of points within the frontier are within it.

    Returns
    -------
    Merged

    References
    ----------
    Bogetoft & Wang (2005), J Prod Anal 23:145-171: E^J, E*^J, H^J there are total, corrected, harmony here.

    Examples
    --------
    Three units under constant returns; the first two, each at its best, use different mixes of two inputs.

    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[1.0, 3], [3, 1], [1.5, 1.5]]), np.ones((3, 1))
    >>> frontier = farrell_of_hull(Technology(x, y, (0.0, np.inf)), "input")
    >>> found = merged_gains(frontier, x, y, Sums(np.array([0, 1]), np.array([0, 2])), "input", cone=True)
    >>> found.total, found.learning, found.harmony, found.size
    (array([0.75]), array([1.]), array([0.75]), array([1.]))
    """
    k = len(inputs)
    member = np.zeros(k, dtype=np.intp) if member is None else member
    if unit is None:
        unit, _ = farrell(inputs, outputs, member, inside=False)
    there = member[groups.unit[groups.first[:-1]]]
    moved = (inputs * unit[:, None], outputs) if side == "input" else (inputs, outputs * unit[:, None])
    plain, best = ((groups.of(x), groups.of(y)) for x, y in ((inputs, outputs), moved))
    count = groups.size[:, None]
    total, first = farrell(*plain, there, inside=False)
    corrected, second = farrell(*best, there, inside=False)
    if cone:
        harmony, third = corrected.copy(), second
    else:
        # Each unit is moved to the frontier, from within or from beyond, so that their mean is within what is convex.
        harmony, third = farrell(best[0] / count, best[1] / count, there, inside=convex)
    status = np.select([each != OPTIMAL for each in (first, second, third)], [first, second, third], OPTIMAL)
    return Merged(total=total, corrected=corrected, harmony=harmony, unit=unit, status=status)


def farrell_of_hull(
    technology: Technology, side: Side, *, frame: Codes | None = None, sets: Sequence[Codes] | None = None
) -> Farrell:
    """Return the frontier of a technology, or the frontiers of sets of its units."""

    def farrell(inputs: Floats, outputs: Floats, member: Codes, *, inside: bool) -> tuple[Floats, Codes]:
        known = np.isfinite(inputs).all(axis=1) & np.isfinite(outputs).all(axis=1)
        factor, status = np.full(len(inputs), np.nan), np.full(len(inputs), STALLED)
        x, y = inputs[known], outputs[known]
        step = np.concatenate([x, np.zeros_like(y)] if side == "input" else [np.zeros_like(x), y], axis=1)
        # A mean that may use itself needs no first phase, and is no help to itself.
        own = np.full(len(x), OWN if inside else ARTIFICIAL, dtype=np.intp)
        if sets is None:
            found = envelop(technology, x, y, step, own=own, frame=frame)
        else:
            found = envelop(technology, x, y, step, own=own, sets=sets, member=member[known])
        score = 1.0 - found.beta if side == "input" else 1.0 + found.beta
        # A factor that is nothing beside 1 has no digit that is known.
        lost = (found.status == OPTIMAL) & (score < _ROUNDING)
        factor[known] = np.where((found.status == OPTIMAL) & ~lost, score, np.nan)
        status[known] = np.where(lost, STALLED, found.status)
        return factor, status

    return farrell


def farrell_of_units(reference: free_disposal.Goods, side: Side) -> Farrell:
    """Return the frontier of units as they are (free disposal hull).

    Goods that do not move are met but for 1e-12 of themselves: the mean of three equal units is not always equal to
    them.
    """

    def farrell(inputs: Floats, outputs: Floats, member: Codes, *, inside: bool) -> tuple[Floats, Codes]:
        known = np.isfinite(inputs).all(axis=1) & np.isfinite(outputs).all(axis=1)
        factor, status = np.full(len(inputs), np.nan), np.full(len(inputs), STALLED)
        x, y = inputs[known], outputs[known]
        points = (
            free_disposal.Goods(x, y * (1.0 - _ROUNDING))
            if side == "input"
            else free_disposal.Goods(x * (1.0 + _ROUNDING), y)
        )
        found = free_disposal.score_by_units(reference, points, measure=side)
        factor[known], status[known] = found.score, found.status
        return factor, status

    return farrell


def replicated_gains(
    pool: Technology, inputs: Floats, outputs: Floats, groups: Sums, side: Side, sets: Sequence[Codes]
) -> Merged:
    """Return what groups would need, or could make, by each of r frontiers drawn: arrays (r, g), and (r, u) of units.

    Parameters
    ----------
    pool : Technology
        Units that frontiers are drawn of.
    inputs : (u, m) array; outputs : (u, s) array
        The units that are put together, which stay as they are.
    groups : Sums
        Of positions among the u.
    side : {'input', 'output'}
    sets : sequence of r arrays of int
        Positions in the pool, each in ascending order.

    Notes
    -----
    A unit, or a sum, that a frontier drawn ends short of has no answer there, and its group is NaN throughout.
    """
    r, u, g = len(sets), len(inputs), len(groups)
    farrell = farrell_of_hull(pool, side, sets=sets)
    shift = np.arange(r)[:, None]
    first = np.concatenate([(groups.first[:-1] + shift * len(groups.unit)).ravel(), [r * len(groups.unit)]])
    found = merged_gains(
        farrell,
        np.tile(inputs, (r, 1)),
        np.tile(outputs, (r, 1)),
        Sums((groups.unit + shift * u).ravel(), first),
        side,
        member=np.repeat(np.arange(r), u),
        cone=pool.cone,
    )
    lost = found.status != OPTIMAL
    total, corrected, harmony = (
        np.where(lost, np.nan, part).reshape(r, g) for part in (found.total, found.corrected, found.harmony)
    )
    return Merged(
        total=total, corrected=corrected, harmony=harmony, unit=found.unit.reshape(r, u),
        status=found.status.reshape(r, g),
    )  # fmt: skip
