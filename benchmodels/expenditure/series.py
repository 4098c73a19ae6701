"""Series of amounts in a long table: one row per label and period, checked for rows that count things twice."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsWarning, DataError, SpecificationError
from benchmodels.table import Table, listed, numbers, read_table

__all__ = ["Series", "names_of", "rows_named", "with_notes"]

_OURS = ("start", "end", "change", "growth", "contribution", "share_of_growth", "provider", "share", "unit_cost")
_TWICE = 1e-3  # a sum of items is "twice" its total within this


@dataclass(frozen=True, eq=False)
class Series:
    """A checked long table.

    Parameters
    ----------
    frame : DataFrame
        The columns that are used; ``value`` as float64, missing where nothing is known.
    value : str
    period : str or None
        None where each label has one row.
    by : list of str
        Columns that tell the series apart.
    attrs : dict
        Of the table.
    """

    frame: pd.DataFrame
    value: str
    period: str | None
    by: list[str]
    attrs: dict[str, Any]

    @classmethod
    def of(cls, data: object, value: str, period: str | None, by: object, *, why: str) -> Series:
        """Take a table in, or raise DataError where a label and period is there twice or a value is no number."""
        labels = names_of(by, "by")
        keys = [*labels, *([] if period is None else [period])]
        if not all(isinstance(name, str) for name in (*keys, value)):
            raise SpecificationError(f"{listed([*keys, value])}: names of columns are text")
        if len({*keys, value}) < len(keys) + 1:
            raise SpecificationError(f"{listed([*keys, value])}: one column cannot be two things; name each once")
        taken = [name for name in keys if name in _OURS]
        if taken:
            raise SpecificationError(f"the answer has columns {listed(taken)} of its own; rename those of the table")
        table = read_table(data, [*keys, value], why=why)
        table.refuse_missing(keys, advice="give every row its labels")
        _refuse_twice(data, table.frame, keys, why)
        return cls(table.frame.assign(**{value: _amounts(table, value)}), value, period, labels, dict(table.attrs))

    def ends(self, start: object, end: object) -> tuple[Any, Any]:
        """Return the periods to compare, the first and the last unless others are asked for."""
        there = self.frame[self.period].drop_duplicates()
        try:
            there = there.sort_values()
        except TypeError as error:
            raise DataError(f"{self.period!r} holds periods of several kinds; make them one") from error
        known = there.tolist()
        first, last = known[0] if start is None else start, known[-1] if end is None else end
        for name, asked in (("start", first), ("end", last)):
            if not isinstance(asked, Hashable) or asked not in known:
                raise SpecificationError(f"{name}={asked!r}; {self.period!r} has {listed(known, most=30)}")
        if first == last:
            raise SpecificationError(f"start and end are both {first!r}; growth needs two periods")
        return first, last

    def at(self, period: object) -> pd.Series[Any]:
        """Return the amounts of one period, by labels."""
        rows = self.frame[self.frame[self.period] == period]
        if not self.by:
            return pd.Series(rows[self.value].to_numpy(), index=pd.Index([0] * len(rows)), dtype=np.float64)
        return rows.set_index(self.by)[self.value]

    def between(self, first: object, last: object) -> pd.DataFrame:
        """Return labels, `start`, `end`, `change` and `growth`, in the table's order of labels."""
        there = self.frame.loc[self.frame[self.period].isin([first, last])]
        ends = [self.at(period) for period in (first, last)]
        if self.by:
            frame = there[self.by].drop_duplicates().reset_index(drop=True)
            order = pd.MultiIndex.from_frame(frame) if len(self.by) > 1 else pd.Index(frame[self.by[0]])
        else:
            frame, order = pd.DataFrame(index=[0]), pd.Index([0])
        frame["start"], frame["end"] = (end.reindex(order).to_numpy() for end in ends)
        frame["change"] = frame["end"] - frame["start"]
        frame["growth"] = frame["change"] / frame["start"].where(frame["start"] > 0)
        return frame

    def check_totals(self, item: str, total: str) -> tuple[str, ...]:
        """Return notes, and warn, of totals that are not the sum of their items; raise where there is no total."""
        if not isinstance(total, str):
            raise SpecificationError(f"total={total!r}; give the name of the item that is the total, or None")
        keys = [name for name in [*self.by, str(self.period)] if name != item]
        frame, is_total = self.frame, self.frame[item] == total
        if not is_total.any():
            there = listed(frame[item].unique(), most=30)
            raise DataError(f"no item {total!r} in {item!r}, the total that was asked for; it has {there}")
        items = frame[~is_total].groupby(keys, observed=True)[self.value].agg(["sum", "count"])
        both = items.join(frame[is_total].set_index(keys)[self.value].rename("total"), how="left")
        lost = both["total"].isna()
        if lost.any():
            raise DataError(
                f"{int(lost.sum())} sums have no total {total!r}: {rows_named(both[lost].reset_index(), keys)}"
            )
        # Each figure is rounded by itself, to half a unit of measure at most.
        beyond = (both["total"] - both["sum"]).abs() > 0.5 * (both["count"] + 1)
        if not beyond.any():
            return ()
        off = both[beyond]
        example = off.iloc[0]
        note = (
            f"{len(off)} of {len(both)} totals {total!r} are not the sum of their items, beyond rounding: "
            f"{rows_named(off.reset_index(), keys)}; the first is {example['total']:.10g}, its items add to "
            f"{example['sum']:.10g}"
        )
        if ((off["sum"] - 2 * off["total"]).abs() < _TWICE * off["total"].abs()).all():
            note += ", twice as much: are subtotals among the items?"
        warnings.warn(note, BenchmodelsWarning, stacklevel=3)
        return (note,)


def names_of(given: object, what: str) -> list[str]:
    """Return names of columns that were given as a sequence, or raise SpecificationError."""
    names = None if isinstance(given, str | Mapping) or not isinstance(given, Iterable) else list(given)
    if names is None or not all(isinstance(name, str) for name in names):
        raise SpecificationError(f"{what}={given!r}; give names of columns in a list, as ['area']")
    return names


def rows_named(frame: pd.DataFrame, keys: list[str]) -> str:
    """Return the labels of rows as a list for a message."""
    rows = frame[keys].drop_duplicates().to_numpy(dtype=object).tolist()
    return listed([row[0] if len(row) == 1 else " / ".join(map(str, row)) for row in rows], most=5)


def with_notes(frame: pd.DataFrame, attrs: dict[str, Any], notes: tuple[str, ...]) -> pd.DataFrame:
    """Return the table with what its origin says of itself and what a reader must know."""
    frame.attrs.update(attrs)
    frame.attrs["notes"] = (*attrs.get("notes", ()), *notes)
    return frame


def _amounts(table: Table, value: str) -> Any:
    column = table.frame[value]
    if pd.api.types.is_string_dtype(column) and column.dropna().isin(["-", "..", "…", ":"]).any():
        raise DataError(
            f"{value!r} holds dashes or dots in the place of numbers; they are not zero: read them as missing, as "
            "pandas.read_csv(..., na_values=['-', '..'])"
        )
    known = column.notna().to_numpy()
    amounts = np.full(len(column), np.nan)
    if not known.any():
        raise DataError(f"{value!r} has no values at all")
    amounts[known] = numbers(
        Table(table.frame[known].reset_index(drop=True), int(known.sum())), value, role="an amount"
    )
    return amounts


def _refuse_twice(data: object, frame: pd.DataFrame, keys: list[str], why: str) -> None:
    """Raise where the same labels are there twice, naming columns that tell the rows apart."""
    try:
        again = frame.duplicated(keys, keep=False) if keys else pd.Series([len(frame) > 1] * len(frame))
    except TypeError as error:
        raise DataError(f"{listed(keys)} hold values that are no labels, such as lists; make them text") from error
    if not again.any():
        return
    others = [name for name in list(getattr(data, "columns", ())) if name not in frame.columns]
    message = f"{int(again.sum())} rows have the same {listed(keys) if keys else 'table'}"
    if keys:
        message += f", as {rows_named(frame[again], keys)}"
    if others:
        whole = read_table(data, [*keys, *others], why=why).frame[again.to_numpy()]
        groups = whole.groupby(keys, observed=True) if keys else whole.groupby(np.zeros(len(whole)))
        apart = [name for name in others if (groups[name].nunique(dropna=False) > 1).any()]
        told = [f"{name!r} ({listed(whole[name].unique(), most=4)})" for name in apart]
        if told:
            raise DataError(
                f"{message}; what tells them apart is {', '.join(told)}: keep one value of it (a unit of measure, "
                "parts or their total), or name it in by="
            )
    raise DataError(f"{message}; add them up or drop one, or name the column that tells them apart in by=")
