"""One unit's way from one figure to another in steps that add up: what a waterfall draws."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import BenchmodelsError, SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["ROUNDING", "Step", "Steps", "check_sum", "row_of", "rows_of"]

# Relative to the largest figure: what sums of parts may miss by rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Step:
    """One bar: a part, or a figure that the parts before it add up to.

    Parameters
    ----------
    name : str
        A term, a group …; or with ``word`` a word that pictures know in every language.
    value : float
        In the figures' unit of measure; NaN where it is not known.
    std_error : float
        In the same unit of measure; NaN where it is not known.
    total : bool
    word : bool
    """

    name: str
    value: float
    std_error: float = float("nan")
    total: bool = False
    word: bool = False


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Parts between figures, in order; a total is the total before it with the parts between them.

    Parameters
    ----------
    label : str
        Whose figures they are.
    rows : tuple of Step
        The first and the last are totals.
    simulated : bool
        The figures are of simulated data.

    Raises
    ------
    BenchmodelsError
        Known parts do not add up.
    """

    label: str
    rows: tuple[Step, ...]
    simulated: bool = False

    def __repr__(self) -> str:
        way = ", ".join(f"{step.name} {step.value:{'.4g' if step.total else '+.4g'}}" for step in self.rows)
        return f"Steps({self.label}: {way})"

    def __post_init__(self) -> None:
        scale = max((abs(step.value) for step in self.rows if np.isfinite(step.value)), default=0.0)
        at = self.rows[0].value
        for step in self.rows[1:]:
            if step.total:
                if abs(step.value - at) > ROUNDING * scale:
                    raise BenchmodelsError(f"the parts do not add to {step.name!r} (by {step.value - at:.1e})")
                at = step.value
            else:
                at += step.value


def check_sum(parts: NDArray[np.float64], gap: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
    """Raise BenchmodelsError where rows of parts (k, t) do not add to the gap (k,), relative to a scale (k,)."""
    off = np.abs(parts.sum(axis=-1) - gap) / np.where(scale > 0, scale, 1.0)
    if np.any(off > ROUNDING):
        raise BenchmodelsError(f"the parts do not add to the gap (by {np.nanmax(off):.1e} of the figures)")


def rows_of(table: pd.DataFrame, labels: NDArray[np.object_], asked: object) -> pd.DataFrame:
    """Return the rows of one unit of a table with equally many rows, one after the other, for each unit."""
    i, each = row_of(labels, asked), len(table) // len(labels)
    return table.iloc[i * each : (i + 1) * each].reset_index(drop=True)


def row_of(labels: Sequence[object] | NDArray[np.object_], asked: object) -> int:
    """Return the row of a unit, or raise SpecificationError with names near to it."""
    known = list(labels)
    if isinstance(asked, Hashable) and asked in known:
        return known.index(asked)
    near = get_close_matches(str(asked), [str(label) for label in known], n=3, cutoff=0.5)
    hint = f"; near: {listed(near)}" if near else ""
    raise SpecificationError(f"unit={asked!r} is not among the {len(known)} there are: {listed(known)}{hint}")
