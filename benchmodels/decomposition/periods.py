"""Growth from one period to another, in parts that add up to it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.decomposition.steps import ROUNDING, Step, Steps
from benchmodels.errors import BenchmodelsError, SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["TOTAL", "Growth"]

# The row of all groups together.
TOTAL = "(total)"


@dataclass(frozen=True, eq=False, kw_only=True)
class Growth:
    """Growth of r series from one period to another, in t parts.

    Parameters
    ----------
    labels : DataFrame
        r rows: what tells the series apart; no columns where there is one.
    first, last : label
        The periods.
    start, end : (r,) arrays
        Amounts, in their own unit of measure; NaN where they are not known.
    names : tuple of str
        Of the parts.
    parts, std_error : (r, t) arrays
        In the same unit of measure; a row sums to ``end - start``. NaN where a part is not known, which is not zero;
        standard errors are NaN where chance is not known.
    notes : tuple of str
        What a reader must know, as sentences without a full stop.
    simulated : bool
    """

    labels: pd.DataFrame
    first: object
    last: object
    start: Floats
    end: Floats
    names: tuple[str, ...]
    parts: Floats
    std_error: Floats
    notes: tuple[str, ...]
    simulated: bool = False

    def __post_init__(self) -> None:
        off = np.abs(self.parts.sum(1) - (self.end - self.start))
        beyond = off > ROUNDING * np.maximum(np.abs(self.start), np.abs(self.end))
        if beyond.any():
            raise BenchmodelsError(f"the parts do not add to the growth (by {np.nanmax(off):.1e})")

    def __repr__(self) -> str:
        return f"Growth({len(self.start)} series from {self.first} to {self.last}; {', '.join(self.names)})"

    def to_frame(self) -> pd.DataFrame:
        """Return labels, ``start, end, change, growth``, ``from_`` each part and, where known, its ``_std_error``.

        `growth` is a fraction of `start`, and missing where that is not above zero.
        """
        change = self.end - self.start
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = np.where(self.start > 0, change / self.start, np.nan)
        frame = self.labels.assign(start=self.start, end=self.end, change=change, growth=growth)
        frame = frame.assign(**{f"from_{name}": self.parts[:, j] for j, name in enumerate(self.names)})
        if np.isfinite(self.std_error).any():
            errors = {f"from_{name}_std_error": self.std_error[:, j] for j, name in enumerate(self.names)}
            frame = frame.assign(**errors)
        frame.attrs["notes"] = self.notes
        return frame

    def steps(self, *labels: object) -> Steps:
        """Return the way of one series from the first period to the last, for a waterfall.

        Parameters
        ----------
        *labels : object
            Of the series, in the order of the columns that tell them apart; none where there is one series.

        Raises
        ------
        SpecificationError
            There is no such series.
        """
        i = self._row(labels)
        parts = (
            Step(name=name, value=float(value), std_error=float(error), word=True)
            for name, value, error in zip(self.names, self.parts[i], self.std_error[i], strict=True)
        )
        ends = [
            Step(name=str(period), value=float(value), total=True)
            for period, value in ((self.first, self.start[i]), (self.last, self.end[i]))
        ]
        return Steps(label=" / ".join(map(str, labels)), rows=(ends[0], *parts, ends[1]), simulated=self.simulated)

    def _row(self, labels: tuple[object, ...]) -> int:
        known = [tuple(row) for row in self.labels.to_numpy(dtype=object).tolist()]
        if not labels and len(known) == 1:
            return 0
        if all(isinstance(label, Hashable) for label in labels) and labels in known:
            return known.index(labels)
        there = [" / ".join(map(str, row)) for row in known]
        raise SpecificationError(
            f"no series {' / '.join(map(str, labels))!r}; give the labels of {listed(self.labels.columns)}, of which "
            f"there are {listed(there)}"
        )
