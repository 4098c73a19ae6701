"""Points and reference units, cut into pieces that are solved one by one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.shared_columns import OWN, Columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmodels.kernels.technology import Technology

    Codes = NDArray[np.intp]

__all__ = ["Piece", "pieces_of_one", "pieces_of_sets"]

# Entries of the columns of the sets of a piece.
_ENTRIES = 2**21


@dataclass(frozen=True, eq=False)
class Piece:
    """Points that are solved together.

    Parameters
    ----------
    points : (k,) array of int
        Which of all points.
    member : (k,) array of int
        Set of columns of each, ascending.
    columns : Columns
        Of r sets.
    unit : (r, n) array of int
        The reference units, and trade-offs behind them, that the columns stand for, in ascending order; then -1.
    """

    points: Codes
    member: Codes
    columns: Columns
    unit: Codes

    def place(self, own: Codes) -> Codes:
        """Return the places of points (k,) among the columns of their sets; `OWN` for those that are not there."""
        inside = own.copy()
        known = np.flatnonzero(own >= 0)
        cuts = np.searchsorted(self.member[known], np.arange(len(self.unit) + 1)).tolist()
        for unit, (low, high) in zip(self.unit, itertools.pairwise(cuts), strict=True):
            some, units = known[low:high], unit[unit >= 0]
            at = np.searchsorted(units, own[some])
            there = np.append(units, -1)[at] == own[some]
            inside[some] = np.where(there, at, OWN)
        return inside


def pieces_of_one(technology: Technology, points: int, frame: Codes | None, size: int) -> Iterator[Piece]:
    """Yield pieces of at most ``size`` points with the same columns: of the frame (f,), or of all reference units."""
    unit = technology.places(frame)
    columns = technology.columns if frame is None else technology.part(frame)
    unit = unit[None] if len(unit) else np.full((1, 1), -1, dtype=np.intp)
    for low in range(0, max(points, 1), size):
        some = np.arange(low, min(low + size, points))
        yield Piece(some, np.zeros(len(some), dtype=np.intp), columns, unit)


def pieces_of_sets(technology: Technology, sets: Sequence[Codes], member: Codes, size: int) -> Iterator[Piece]:
    """Yield pieces of about ``size`` points, in the order of the sets; ``member`` (k,) is the set of each point.

    Raises
    ------
    SpecificationError
        A set that is no whole numbers, not ascending, or has units that are not there; a member of no set; no set.
    """
    n, d = technology.columns.count, technology.rows
    if not len(sets):
        raise SpecificationError("sets holds no set of reference units")
    for j, units in enumerate(sets):
        if not np.issubdtype(np.asarray(units).dtype, np.integer):
            raise SpecificationError(f"set {j} of reference units must be positions, whole numbers")
        if len(units) and (units[0] < 0 or units[-1] >= n or np.any(np.diff(units) <= 0)):
            raise SpecificationError(f"set {j} of reference units must be ascending, from 0 to {n - 1}")
    if len(member) and (member.min() < 0 or member.max() >= len(sets)):
        raise SpecificationError(f"each member must be a set, from 0 to {len(sets) - 1}")
    order = np.argsort(member, kind="stable")
    cuts = np.searchsorted(member[order], np.arange(len(sets) + 1)).tolist()
    low = 0
    while low < len(sets):
        high, width = low, 0
        # As many sets as fit: at least one.
        while high < len(sets):
            width = max(width, len(sets[high]))
            many = cuts[high + 1] - cuts[low] > size or (high + 1 - low) * width * d > _ENTRIES
            if many and high > low:
                break
            high += 1
        unit = np.full((high - low, max(1, *(len(units) for units in sets[low:high]))), -1, dtype=np.intp)
        for row, units in zip(unit, sets[low:high], strict=True):
            row[: len(units)] = units
        body = np.where(unit >= 0, technology.columns.matrix[:, unit], 0.0).transpose(1, 0, 2)
        columns = Columns(np.ascontiguousarray(body), technology.columns.slacks)
        for first in range(cuts[low], max(cuts[high], cuts[low] + 1), size):
            some = order[first : min(first + size, cuts[high])]
            yield Piece(some, member[some] - low, columns, unit)
        low = high
