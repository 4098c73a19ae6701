"""Pupils' absence month by month: who has high absence, how it began and whether it came back, counted by unit.

The counts are what the models for counts take: pupils with high absence out of pupils, sudden out of those whose onset
is told, and so on. The rules are few and can be checked by hand from a pupil's ten figures.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.asked import share, whole
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.courses import BEFORE, DURATIONS, ONSETS, courses_of
from benchmodels.kernels.intervals import wilson_limits
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.table import Table

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["AbsenceCourses", "absence_courses"]

_YEAR_OF_MONTHS = 12
# Columns of `AbsenceCourses.to_frame` and `per_unit`, beside which the column of years stands under its own name.
_OWN = (
    "unit",
    "pupil",
    "absent",
    "possible",
    "high",
    "months",
    "onset",
    "duration",
    "begins",
    "ends",
    "moved",
    "pupils",
)
# What is counted by unit: column, of the onset or the duration, and the category.
_COUNTED = (
    ("sudden", "onset", "sudden"),
    ("gradual", "onset", "gradual"),
    ("from_the_start", "onset", "from the start"),
    ("onset_untold", "onset", "not to be told"),
    ("transient", "duration", "transient"),
    ("permanent", "duration", "permanent"),
    ("duration_untold", "duration", "not to be told"),
)
_ORDER = (
    *("pupils", "high", "sudden", "gradual", "from_the_start", "onset_told", "onset_untold"),
    *("transient", "permanent", "duration_told", "duration_untold"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class AbsenceCourses:
    """Pupils' courses of absence, one row per pupil (and year).

    Parameters
    ----------
    pupils : DataFrame, n rows
        See `to_frame`.
    year : str or None
        Name of the column of years.
    threshold : float
        Share of what is possible, 0 to 1, that high absence is above.
    window : int
        Months that absence is taken over before the spell and at the end.
    notes : tuple of str
        The rules and what was counted, as sentences without a full stop.
    """

    pupils: pd.DataFrame
    year: str | None
    threshold: float
    window: int
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        high = int(self.pupils["high"].sum())
        return f"AbsenceCourses({len(self.pupils)} pupils, {high} with absence above {self.threshold:.0%})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pupil.

        `unit`, `pupil` (and the year, under its own name), `absent` and `possible` over the months, `high`, `months`
        with possible days, `onset`, `duration`, the months the spell `begins` and `ends` (missing where absence is not
        high), and whether the pupil `moved` between units.
        """
        return self.pupils.copy()

    def per_unit(self) -> pd.DataFrame:
        """Return counts of pupils, one row per unit (and year), for models of counts.

        `pupils` and `high`; of these `sudden`, `gradual`, `from_the_start`, and their sum `onset_told`, with
        `onset_untold` beside; `transient`, `permanent`, their sum `duration_told`, and `duration_untold`.
        """
        by = ["unit"] if self.year is None else ["unit", self.year]
        told = self.pupils[["onset", "duration"]]
        counts = {"pupils": np.ones(len(self.pupils), dtype=np.int64), "high": self.pupils["high"].to_numpy()}
        counts |= {name: (told[of] == category).to_numpy() for name, of, category in _COUNTED}
        frame = pd.DataFrame({**{name: self.pupils[name] for name in by}, **counts})
        table = frame.groupby(by, sort=False, observed=True).sum().astype("int64").reset_index()
        table["onset_told"] = table["high"] - table["onset_untold"]
        table["duration_told"] = table["high"] - table["duration_untold"]
        table = table[[*by, *_ORDER]]
        table.attrs.update(self.pupils.attrs)
        return table

    def shares(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return shares of all pupils, one row per unit (and year): `high` with its limits, and what it consists of.

        `high`, `lower` and `upper` (Wilson's, of the pupils as a sample of a like year), then `sudden`, `gradual`,
        `from_the_start` and `onset_untold`, which add up to `high`, and `transient`, `permanent` and `duration_untold`,
        which do so too.
        """
        share("level", level)
        counts = self.per_unit()
        pupils = counts["pupils"].to_numpy(dtype=np.float64)
        lower, upper = wilson_limits(counts["high"].to_numpy(dtype=np.float64), pupils, level=level)
        table = counts[["unit"] if self.year is None else ["unit", self.year]].copy()
        table["pupils"] = counts["pupils"]
        table["high"], table["lower"], table["upper"] = counts["high"] / pupils, lower, upper
        for name, *_ in _COUNTED:
            table[name] = counts[name] / pupils
        table.attrs.update(counts.attrs)
        return table


def absence_courses(
    data: object,
    *,
    unit: str,
    pupil: str,
    month: str,
    absent: str,
    possible: str,
    year: str | None = None,
    months: Sequence[object] | None = None,
    threshold: float = 0.10,
    window: int = 3,
) -> AbsenceCourses:
    """Tell high absence over a year, and its course, from one row per pupil and month.

    Parameters
    ----------
    data : dataframe
        One row per pupil and month, or per pupil, month and unit where a pupil moved within a month. A month that is
        not known is a row that is not there.
    unit, pupil, month : str
        Columns of labels: the municipality or school, the pupil, the month.
    absent, possible : str
        Columns of days or lessons, one unit of measure for both.
    year : str, optional
        Column of school years; each is told by itself. Without it the table is one year.
    months : sequence, optional
        The months of the school year in their order, as the column has them. None where their order shows: dates,
        periods, an ordered categorical, text as "2023-08" or "2023M08", or numbers as 202308.
    threshold : float, default 0.10
        Share of what is possible over the year that high absence is above.
    window : int, default 3
        Months that absence is taken over just before it became high, and at the end; 2 or more.

    Returns
    -------
    AbsenceCourses

    Raises
    ------
    DataError
        Missing values, negative days, more absent than possible, a pupil and month twice in one unit, or months that
        are not in ``months``.
    SpecificationError
        An impossible option, months whose order does not show, or more than twelve of them in a year.

    Notes
    -----
    *High*: absence over all months together is above ``threshold`` of what was possible; exactly the threshold is not.

    *Spell*: a run of months each above the threshold. Months without possible days are passed over. Of several spells
    the one with most absence is looked at, of equal ones the first. Whoever has high absence has one.

    *Onset*: "from the start" where absence over the first ``window`` months is above the threshold already, or fewer
    than two months come before the spell; else "sudden" where absence over the ``window`` months just before the spell
    (two, where there are no more) is below half the threshold; else "gradual".

    *Duration*: "transient" where absence over the pupil's last ``window`` months is not above the threshold any more,
    else "permanent"; "not to be told" where the spell begins within these months and absence over all months before
    them is not above the threshold.

    Neither is told with fewer than 2 × ``window`` months, or with more than one month missing between the first and the
    last. A month in which no pupil has possible days is no month.

    *Pupils who move*: all months count to one course, and the pupil to the unit with most possible days in the year; of
    equal ones, the one of the later month. Pupils without any possible days are left out and counted.

    A month is short, and illness comes in days on end: these are words for patterns, not diagnoses. In simulations
    with spells of illness of 1 to 5 days (``tests/test_courses.py``), of pupils who are ill 15 % of the days all year
    70 % are told "from the start", 20 % "gradual" and 10 % "sudden"; of those who go from 3 to 40 % in a month 58 % are
    told "sudden" and 36 % "gradual"; of those who rise to 40 % over six months 34 % and 51 %. Compare shares of units,
    which all have the same rules.

    700,000 pupils with 10 months each take about 4 seconds (labels that are numbers; two shared cores).

    Examples
    --------
    >>> days = [0, 1, 0, 9, 12, 10, 3, 0, 0, 1]
    >>> table = pd.DataFrame({"school": "A", "pupil": 1, "month": range(1, 11), "absent": days, "days": 20})
    >>> found = absence_courses(
    ...     table, unit="school", pupil="pupil", month="month", absent="absent", possible="days", months=range(1, 11)
    ... )
    >>> found.to_frame()[["high", "onset", "duration", "begins", "ends"]]
       high   onset   duration  begins  ends
    0  True  sudden  transient       4     7
    """
    share("threshold", threshold, example=0.1)
    whole("window", window, least=2, most=_YEAR_OF_MONTHS // 2, what="months")
    if year in _OWN:
        raise SpecificationError(f"year {year!r}: the answer has a column of that name; rename the column of years")
    names = [unit, pupil, month, absent, possible, *([] if year is None else [year])]
    if not all(isinstance(name, str) for name in names):
        raise SpecificationError(f"{listed(names)}: names of columns are text")
    if len(set(names)) < len(names):
        raise SpecificationError(f"{listed(names)}: one column cannot be two things; name each once")
    table = read_table(data, names, why="absence_courses")
    table.refuse_missing(names, advice="leave out the rows of months that are not known")
    away, out_of = _days(table, absent, possible)
    met = _Labels.of(table, month)
    in_order = _months(table, month, met, months)
    places = {label: place for place, label in enumerate(in_order)}
    place = np.array([places.get(label, -1) for label in met.as_list()], dtype=np.intp)[met.codes]
    if (place < 0).any():
        raise table.row_error(month, place < 0, f"{month!r} holds months that are not in months={listed(in_order)}")
    units, pupils = _Labels.of(table, unit), _Labels.of(table, pupil)
    years = None if year is None else _Labels.of(table, year)
    parts, without = [], 0
    for code in range(1 if years is None else len(years.labels)):
        rows = slice(None) if years is None else np.flatnonzero(years.codes == code)
        here = _Rows(units.codes[rows], pupils.codes[rows], place[rows], away[rows], out_of[rows])
        here.check(units, pupils, in_order, "" if years is None else f" of {years.labels[code]}")
        part = here.told(in_order, threshold, window)
        without += int((part["possible"] == 0).sum())
        part = part[part["possible"] > 0].sort_values(["unit", "pupil"], kind="stable")
        if years is not None:
            part.insert(2, str(year), years.of_codes(np.full(len(part), code)))
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    if frame.empty:
        raise DataError(f"no pupil has any possible days in {possible!r}")
    for name, labels in (("unit", units), ("pupil", pupils)):
        frame[name] = labels.of_codes(frame[name].to_numpy())
    frame.attrs.update(table.attrs)
    return AbsenceCourses(
        pupils=frame, year=year, threshold=threshold, window=window, notes=_notes(frame, without, threshold, window)
    )


@dataclass(frozen=True, eq=False)
class _Labels:
    """A column as places (rows,) among its labels, in order."""

    codes: Codes
    labels: NDArray[Any]

    @classmethod
    def of(cls, table: Table, name: str) -> _Labels:
        column = table.frame[name]
        try:
            codes, labels = pd.factorize(column, sort=True)
        except TypeError as error:
            raise DataError(f"column {name!r} holds values of several kinds, or no labels; make it one kind") from error
        return cls(codes, np.asarray(labels))

    def as_list(self) -> list[Any]:
        # By pandas: NumPy would make whole numbers of dates.
        return list(pd.Index(self.labels))

    def of_codes(self, codes: Codes) -> pd.Series[Any]:
        return pd.Series(self.labels[codes]).infer_objects()


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of one year: places of unit, pupil and month, and days."""

    unit: Codes
    pupil: Codes
    month: Codes
    absent: Floats
    possible: Floats

    def check(self, units: _Labels, pupils: _Labels, months: list[object], of_year: str) -> None:
        """Raise where a pupil has a month twice in one unit, or the year has more than twelve months."""
        cell = self.pupil * len(months) + self.month
        often = np.flatnonzero(np.bincount(cell)[cell] > 1)
        again = often[pd.Series(cell[often] * len(units.labels) + self.unit[often]).duplicated().to_numpy()]
        if len(again):
            row = again[0]
            raise DataError(
                f"{len(again)} rows are of a pupil, month and unit that had a row before{of_year}: pupil "
                f"{pupils.labels[self.pupil[row]]}, month {months[self.month[row]]}, unit "
                f"{units.labels[self.unit[row]]}; add them up, drop one, or give year= where there are several years"
            )
        count = len(np.unique(self.month[self.possible > 0]))
        if count > _YEAR_OF_MONTHS:
            raise SpecificationError(f"{count} months in one year{of_year}; give year=, the column of school years")

    def told(self, months: list[object], threshold: float, window: int) -> pd.DataFrame:
        """Return one row per pupil, with places of units and pupils."""
        pupil, row = np.unique(self.pupil, return_inverse=True)
        met, column = np.unique(self.month, return_inverse=True)
        shape, cell = (len(pupil), len(met)), row * len(met) + column
        absent, possible = (
            np.bincount(cell, days, shape[0] * shape[1]).reshape(shape).astype(np.float64, copy=False)
            for days in (self.absent, self.possible)
        )
        # A month in which nobody has possible days is no month, and so no gap either.
        held = possible.sum(axis=0) > 0
        held |= not held.any()
        found = courses_of(absent[:, held], possible[:, held], threshold=threshold, window=window)
        named = pd.Series([months[m] for m in met[held]]).infer_objects()
        if pd.api.types.is_integer_dtype(named):
            named = named.astype("Int64")
        unit, moved = self._unit_of(row, len(pupil))
        return pd.DataFrame(
            {
                "unit": unit,
                "pupil": pupil,
                "absent": found.absent,
                "possible": found.possible,
                "high": found.high,
                "months": found.months,
                "onset": pd.Categorical.from_codes(found.onset, pd.Index(ONSETS)),
                "duration": pd.Categorical.from_codes(found.duration, pd.Index(DURATIONS)),
                "begins": named.reindex(found.first).array,
                "ends": named.reindex(found.last).array,
                "moved": moved,
            }
        )

    def _unit_of(self, row: Codes, n: int) -> tuple[Codes, NDArray[np.bool_]]:
        """Return the unit with most possible days (n,), of equal ones that of the later month; and who has several."""
        unit, moved = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=bool)
        unit[row] = self.unit
        moved[row[self.unit != unit[row]]] = True
        of_them = np.flatnonzero(moved[row])
        if len(of_them):
            frame = pd.DataFrame(
                {"row": row[of_them], "unit": self.unit[of_them], "month": self.month[of_them]}
                | {"possible": self.possible[of_them]}
            )
            by = frame.groupby(["row", "unit"], as_index=False).agg({"possible": "sum", "month": "max"})
            last = by.sort_values(["row", "possible", "month", "unit"]).drop_duplicates("row", keep="last")
            unit[last["row"].to_numpy()] = last["unit"].to_numpy()
        return unit, moved


def _days(table: Table, absent: str, possible: str) -> tuple[Floats, Floats]:
    away = numbers(table, absent, role="the days or lessons absent", least=0.0)
    out_of = numbers(table, possible, role="the days or lessons possible", least=0.0)
    # A day in halves and thirds need not add up to the last digit.
    more = away > out_of * (1.0 + 1e-9)
    if more.any():
        raise table.row_error(absent, more, f"more is absent in {absent!r} than is possible in {possible!r}")
    return away, out_of


def _months(table: Table, name: str, met: _Labels, given: Sequence[object] | None) -> list[object]:
    """Return the months in their order: as given, or where it shows."""
    if given is not None:
        months = [] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
        if not months or not all(isinstance(m, Hashable) for m in months) or len(set(months)) < len(months):
            raise SpecificationError(f"months={given!r}; give the months of a school year in their order, each once")
        return months
    column, there = table.frame[name], met.as_list()
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        return list(column.cat.categories)
    dated = pd.Series([str(m) for m in there], dtype=object).str.fullmatch(r"(19|20)\d\d[-M]?(0[1-9]|1[0-2])")
    if not dated.all() and not all(isinstance(m, date | pd.Period) for m in there):
        raise SpecificationError(
            f"the order of months does not show in {name!r} (such as {listed(there[:3])}): 8 may be August or the "
            "eighth month. Give them in order, as months=(8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6)"
        )
    return there


def _notes(frame: pd.DataFrame, without: int, threshold: float, window: int) -> tuple[str, ...]:
    moved = int(frame["moved"].sum())
    untold = int((frame["onset"] == "not to be told").sum())
    notes = [
        f"high absence is above {100 * threshold:.4g} % of what was possible over the year",
        f"from the start: above that over the first {window} months, or with fewer than {BEFORE} months before; "
        f"sudden: below half of it over the {window} months just before; gradual: the rest",
        f"transient: no longer above it over the last {window} months; permanent: above",
    ]
    counts = {
        f"{without} pupils have no possible days and are left out": without,
        f"{moved} pupils were in several units; each counts, with the whole year, where most days were possible": moved,
        f"{untold} pupils have high absence and too few months, or gaps, to tell its course": untold,
    }
    return (*notes, *(note for note, count in counts.items() if count))
