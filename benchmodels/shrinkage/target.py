"""What units are shrunk towards: nothing, their mean, or a regression on columns of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Towards", "named", "target_columns"]

Towards = Literal["null", "mean"]

_NAMED = 10


def target_columns(
    towards: Towards | Floats | pd.DataFrame | pd.Series[float], unit: NDArray[np.object_], used: NDArray[np.bool_]
) -> tuple[Floats, tuple[str, ...]]:
    """Return the columns of the target for the units used, and their names.

    Parameters
    ----------
    towards : {'null', 'mean'} or (k,) or (k, q) array, Series or DataFrame
        As in `benchmodels.shrinkage.shrink`.
    unit : (k,) array
        Labels.
    used : (k,) array of bool
        Units that are shrunk.

    Returns
    -------
    (used, q) or (used, q + 1) array
        With a constant in front, but for 'null'.
    tuple of str
        Names of its columns.

    Raises
    ------
    SpecificationError
        An unknown target, too few units, no columns, or columns that do not vary on their own.
    DataError
        Columns that do not fit the units, are no numbers or have missing values.
    """
    if isinstance(towards, str):
        if towards not in ("null", "mean"):
            raise SpecificationError(f"towards={towards!r}; allowed are 'null', 'mean', or columns with a row a unit")
        _enough(used, int(towards == "mean"))
        return np.ones((int(used.sum()), int(towards == "mean"))), ("constant",) * (towards == "mean")
    columns, terms = _columns(towards, unit.tolist())
    if len(columns) != len(unit):
        raise DataError(f"towards has {len(columns)} rows; one for each of {len(unit)} units, each named once")
    _enough(used, columns.shape[1] + 1)
    columns = columns[used]
    missing = unit[used][~np.isfinite(columns).all(axis=1)]
    if len(missing):
        raise DataError(f"towards has missing values for {len(missing)} units: {named(missing)}")
    scale = np.abs(columns).max(axis=0, initial=0.0)
    centred = (columns - columns.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    spread = np.sqrt((centred**2).sum(axis=0))
    # A column is first held against rounding of its own values, then against the other columns.
    if (spread < 1e-12).any() or np.linalg.cond(centred / np.where(spread > 0, spread, 1.0)) > 1e10:
        raise SpecificationError(f"columns of towards do not vary, or not apart from each other: {', '.join(terms)}")
    return np.column_stack([np.ones(len(columns)), columns]), ("constant", *terms)


def named(units: NDArray[np.object_]) -> str:
    """Return the first ten labels, and how many more there are."""
    told = ", ".join(str(unit) for unit in units[:_NAMED])
    return told + (f" and {len(units) - _NAMED} more" if len(units) > _NAMED else "")


def _columns(towards: Floats | pd.DataFrame | pd.Series[float], units: list[object]) -> tuple[Floats, tuple[str, ...]]:
    """Return the columns as numbers, by unit where their index names units, and their names."""
    try:
        given = pd.DataFrame(towards)
        frame = pd.DataFrame(given.to_numpy(dtype=np.float64), index=given.index)
    except (TypeError, ValueError) as error:
        raise DataError("towards must be 'null', 'mean', or columns of numbers with a row a unit") from error
    there = set(frame.index.tolist())
    lost = [unit for unit in units if unit not in there]
    if 0 < len(lost) < len(units) and not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"the index of towards lacks {len(lost)} of {len(units)} units: {named(np.array(lost))}")
    if not len(frame.columns):
        raise SpecificationError("towards has no columns; towards='mean' asks for a constant alone")
    names = given.columns + 1 if (plain := isinstance(given.columns, pd.RangeIndex)) else given.columns
    return (frame if lost else frame.loc[units]).to_numpy(), tuple(f"column {n}" if plain else str(n) for n in names)


def _enough(used: NDArray[np.bool_], q: int) -> None:
    if used.sum() < q + 4:
        raise SpecificationError(
            f"{int(used.sum())} of {len(used)} units have a known uncertainty; a target of {q} terms needs {q + 4}"
        )
