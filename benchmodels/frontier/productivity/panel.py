"""The doorway of productivity: a table with one row a unit and period becomes goods, and pairs of periods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.technology import Returns, bounds_of
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Panel", "PanelModel"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """n rows, one a unit and period, in the order of periods and, within them, of units.

    Parameters
    ----------
    unit : (k,) array; period : (T,) array
        Labels in sorted order.
    who, when : (n,) arrays of int
        Unit and period of each row.
    inputs : (n, m) array; outputs : (n, s) array
        In the table's units of measure; read only.
    names : tuple of str
        Of the inputs, then of the outputs.
    rows_read, rows_dropped : int
    source : str
    simulated : bool
    """

    unit: NDArray[np.object_]
    period: NDArray[np.object_]
    who: Codes
    when: Codes
    inputs: Floats
    outputs: Floats
    names: tuple[str, ...]
    rows_read: int
    rows_dropped: int
    source: str = ""
    simulated: bool = False

    def __post_init__(self) -> None:
        for array in (self.unit, self.period, self.who, self.when, self.inputs, self.outputs):
            array.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.who)

    @property
    def rows(self) -> Codes:
        """Row of each unit in each period (k, T); -1 where it is absent."""
        found = np.full((len(self.unit), len(self.period)), -1, dtype=np.intp)
        found[self.who, self.when] = np.arange(len(self))
        return found

    def in_periods(self, first: int, last: int) -> Codes:
        """Return the rows of periods first to last."""
        return np.flatnonzero((self.when >= first) & (self.when <= last))


@dataclass(frozen=True, kw_only=True)
class PanelModel:
    """The question that all measures over time share.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure, the same in all periods.
    unit, period : str
        Columns that name the unit and the period; one row each pair. Periods are of any kind that can be sorted: text
        by letter, which is refused where it holds numbers that letters put in another order.
    returns : {'crs', 'vrs', 'drs', 'irs'} or (low, high), default 'crs'
        Returns to scale, as in `benchmodels.frontier.DEA`.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    unit: str
    period: str
    returns: Returns | tuple[float, float] = "crs"
    missing: Literal["raise", "drop"] = "raise"

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise SpecificationError(f"{name}={value!r}; give a list of columns")
            object.__setattr__(self, name, tuple(value))
        if not self.inputs or not self.outputs:
            raise SpecificationError("productivity needs at least one input and one output")
        named = [self.unit, self.period, *self.inputs, *self.outputs]
        twice = sorted({str(name) for name in named if named.count(name) > 1})
        if twice:
            raise SpecificationError(f"{listed(twice)} plays two parts among unit, period, inputs and outputs")
        bounds = bounds_of(self.returns)
        if not isinstance(self.returns, str):
            object.__setattr__(self, "returns", bounds)
        if self.missing not in ("raise", "drop"):
            raise SpecificationError(f"missing={self.missing!r}; allowed are 'raise', 'drop'")

    def read(self, data: object) -> Panel:
        """Read a table of one row a unit and period.

        Raises
        ------
        DataError
            A column is missing or no number; a unit has two rows in a period, uses nothing, or makes nothing; a good
            that no unit has; fewer than two periods.
        """
        wanted = [self.unit, self.period, *self.inputs, *self.outputs]
        table = read_table(data, wanted, why="the measure of productivity")
        table, dropped = table.without_missing(wanted, self.missing)
        columns = {name: numbers(table, name, role="an input") for name in self.inputs}
        columns |= {name: numbers(table, name, role="an output") for name in self.outputs}
        unit, who = _sorted(table.frame[self.unit], "unit", self.unit)
        period, when = _sorted(table.frame[self.period], "period", self.period)
        _check_order(table.frame[self.period], period, self.period)
        if len(period) < 2:
            raise DataError(f"a change needs at least two periods; {self.period!r} has {len(period)}")
        label = np.array([f"{unit[i]} ({period[t]})" for i, t in zip(who, when, strict=True)], dtype=object)
        twice = pd.Series(who * len(period) + when).duplicated().to_numpy()
        if twice.any():
            raise DataError(
                f"more than one row a unit and period, {int(twice.sum())} too many: {listed(label[twice])}; sum them"
            )
        _check(columns, self.inputs, self.outputs, label)
        order = np.lexsort((who, when))
        x, y = (np.column_stack([columns[name] for name in some])[order] for some in (self.inputs, self.outputs))
        return Panel(
            unit=unit, period=period, who=who[order], when=when[order], inputs=x, outputs=y,
            names=(*self.inputs, *self.outputs), rows_read=table.rows_read, rows_dropped=dropped,
            source=str(table.attrs.get("source", "")), simulated=bool(table.attrs.get("simulated", False)),
        )  # fmt: skip


def _check(
    columns: dict[str, Floats], inputs: Sequence[str], outputs: Sequence[str], label: NDArray[np.object_]
) -> None:
    for name, column in columns.items():
        if np.any(column < 0):
            raise DataError(
                f"{name!r} is negative for {listed(label[column < 0])}: what is used and made is counted from zero; "
                "shifting it would change the answer"
            )
        if not np.any(column):
            raise DataError(f"{name!r} is zero for every unit in every period; leave it out")
    for some, verb in ((inputs, "uses nothing"), (outputs, "makes nothing")):
        idle = ~np.any([columns[name] > 0 for name in some], axis=0)
        if idle.any():
            raise DataError(f"a unit that {verb} in a period has no productivity; leave it out: {listed(label[idle])}")


def _check_order(column: pd.Series[Any], period: NDArray[np.object_], name: str) -> None:
    """Raise where periods are not in the order of time: text of numbers, '10' before '9', or no time at all."""
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        return
    number = pd.to_numeric(pd.Series(period.tolist()), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(number).any():
        return
    if not np.isfinite(number).all():
        raise DataError(f"the period column {name!r} holds infinity; periods are finite")
    if (np.diff(number) < 0).any():
        raise DataError(
            f"the period column {name!r} holds numbers as text, in the order {listed(period.tolist())}; make them "
            "numbers, or ordered categories"
        )


def _sorted(column: pd.Series[Any], role: str, name: str) -> tuple[NDArray[np.object_], Codes]:
    """Return labels in order, and the place of each row's."""
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        met = [label for label in column.cat.categories if (column == label).any()]
    else:
        try:
            met = sorted(set(column.tolist()))
        except TypeError as error:
            raise DataError(
                f"the {role} column {name!r} mixes kinds that have no order; make it one of them"
            ) from error
    place = {label: i for i, label in enumerate(met)}
    labels = np.empty(len(met), dtype=object)
    labels[:] = met
    return labels, np.array([place[label] for label in column.tolist()], dtype=np.intp)
