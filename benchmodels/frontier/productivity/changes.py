"""Changes of units from period to period, whichever measure they are of."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Changes", "warn_of_changes"]

_WHY = {
    "infeasible": "the frontier of another period ends short of the unit in what does not move",
    "not solved": "a program was not solved",
    "absent": "the unit is there in one of the two periods only",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Changes:
    """Changes of p units and pairs of periods, pair by pair and, within them, in the order of units.

    Parameters
    ----------
    unit, earlier, later : (p,) arrays
        Labels of the unit and of the two periods.
    index : (p,) array
        Above 1 (of differences: above 0) is progress; NaN without an answer.
    parts : dict of str to (p,) array
        What it is made of.
    factors : tuple of str
        Parts whose product (of differences: sum) the index is.
    status : (p,) array of str
        'solved'; 'infeasible': a distance that some of it needs has no bound, and the parts without it remain;
        'absent': the unit is there in one of the periods only; 'not solved'.
    scale : {'ratio', 'difference'}
    circular : bool
        Whether the change over several periods is the product (or sum) of those between, whichever they are.
    simulated : bool, default False
    """

    unit: NDArray[np.object_]
    earlier: NDArray[np.object_]
    later: NDArray[np.object_]
    index: Floats
    parts: dict[str, Floats]
    factors: tuple[str, ...]
    status: NDArray[np.object_]
    scale: Literal["ratio", "difference"]
    circular: bool
    simulated: bool = False

    def __post_init__(self) -> None:
        read_only(self)
        for part in self.parts.values():
            part.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        solved = int((self.status == "solved").sum())
        parts = f" {(' + ' if self.scale == 'difference' else ' × ').join(self.factors)}," if self.factors else ""
        return f"Changes({len(self.unit)} units and pairs of periods, {solved} solved,{parts} scale={self.scale!r})"

    @property
    def names(self) -> tuple[str, ...]:
        """The index and its parts, by name."""
        return ("index", *self.parts)

    @property
    def values(self) -> Floats:
        """The index and its parts (1 + parts, p)."""
        return np.stack([self.index, *self.parts.values()])

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit and pair of periods: ``unit, from, to, index``, the parts, ``status``."""
        frame = {"unit": self.unit, "from": self.earlier, "to": self.later, "index": self.index, **self.parts}
        return pd.DataFrame({**frame, "status": self.status}).infer_objects()

    def cumulated(self) -> pd.DataFrame:
        """Return the changes of each unit since it was first there: ``unit, from, to, index``, the parts, ``chained``.

        From the first of two neighbouring periods that it is there in both.

        The product (of differences: the sum) of the changes between neighbouring periods. Where ``chained`` is true
        that is no more than a product: the index is not circular, and held directly against its first period a unit
        may have changed by another amount. NaN from the first change thereafter that is unknown.
        """
        frame = self.to_frame()
        there = (frame["status"] != "absent").groupby(frame["unit"], sort=False).cummax()
        frame = frame[there].drop(columns="status").reset_index(drop=True)
        names, by = list(self.names), frame.groupby("unit", sort=False)
        frame["from"] = by["from"].transform("first")
        # A missing change would be jumped over; nothing behind it is known.
        lost = frame[names].isna().groupby(frame["unit"], sort=False).cummax()
        if self.scale == "ratio":
            whole = frame[names].transform(np.log).groupby(frame["unit"], sort=False).cumsum().transform(np.exp)
        else:
            whole = by[names].cumsum()
        frame[names] = whole.mask(lost)
        frame["chained"] = (not self.circular) & (by.cumcount() > 0)
        return frame

    def means(self, *, over: Literal["units", "periods"] = "units") -> pd.DataFrame:
        """Return geometric means (of differences: plain means) of the changes, in which each one known counts the same.

        Parameters
        ----------
        over : {'units', 'periods'}, default 'units'
            Of all units in each pair of periods: ``from, to, changes, index``, the parts; or of all pairs of periods
            of each unit: ``unit, changes, index``, the parts. A large unit counts no more than a small one. Changes
            that lack the index or some part are left out, and ``changes`` counts those that are not.
        """
        if over not in ("units", "periods"):
            raise SpecificationError(f"over={over!r}; allowed are 'units', 'periods'")
        names, keys = list(self.names), ["from", "to"] if over == "units" else ["unit"]
        frame = self.to_frame()
        if self.scale == "ratio":
            frame[names] = frame[names].transform(np.log)
        frame.loc[frame[names].isna().any(axis=1), names] = np.nan
        by = frame.groupby(keys, sort=False)
        mean = by[names].mean()
        if self.scale == "ratio":
            mean = mean.transform(np.exp)
        mean.insert(0, "changes", by["index"].count())
        return mean.reset_index()


def warn_of_changes(changes: Changes) -> None:
    """Warn of units without an answer, with the reasons."""
    lost = changes.status != "solved"
    if lost.any():
        told = "; ".join(
            f"{int((changes.status == kind).sum())} {kind} ({why})"
            for kind, why in _WHY.items()
            if (changes.status == kind).any()
        )
        units = dict.fromkeys(changes.unit[lost].tolist())
        warnings.warn(
            f"{int(lost.sum())} of {len(lost)} changes are not, or not wholly, known: {told}; of {listed(units)}",
            PartialResultWarning,
            stacklevel=4,
        )
