"""Danish places: municipality codes from any spelling, what a row that is not a municipality is, and the reforms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from benchmodels.datasets.place_names import (
    REFORM,
    Division,
    Kind,
    Place,
    division_of,
    old_municipalities,
    recognised,
    refuse,
)
from benchmodels.errors import DataError, SpecificationError

__all__ = [
    "CountryGap",
    "Kind",
    "country_gap",
    "in_reform",
    "kind_of_area",
    "municipality_codes",
    "only_municipalities",
    "reforms",
]


@dataclass(frozen=True, kw_only=True)
class CountryGap:
    """How far a country row is from the sum of its municipalities.

    Parameters
    ----------
    country : float
        Value of the country row, in the unit of the column.
    municipalities : float
        Sum over the municipality rows (and Christiansø's, where there is one), in the same unit.
    difference : float
        `country` minus `municipalities`: what belongs to no municipality, or was withheld.
    share : float
        `difference` divided by `country`; NaN when the country's value is 0.
    rows : int
        Municipality rows that were added up.
    without_value : tuple of str
        Labels of municipality rows without a value: they are in the country's value and not in the sum.
    absent : tuple of str
        Codes of the municipalities that have no row.
    """

    country: float
    municipalities: float
    difference: float
    share: float
    rows: int
    without_value: tuple[str, ...]
    absent: tuple[str, ...]

    def __str__(self) -> str:
        share = "" if np.isnan(self.share) else f", {100 * self.share:.1f} per cent"
        return (
            f"the country row is {self.country:,.10g} and its {self.rows} municipalities add up to "
            f"{self.municipalities:,.10g}: {self.difference:,.10g} apart{share}"
        )


def municipality_codes(labels: Iterable[object], *, year: int | None = None) -> pd.Series:
    """Return the official three-digit codes of municipalities written in any usual way.

    Parameters
    ----------
    labels : iterable, n values
        Names ("Århus", "Københavns Kommune", "Copenhagen"), codes (101, 101.0, "0101") or both ("101 København").
    year : int or None
        Year of the DIVISION that the table uses, 1975 or later; None is the one in force since 2007. A table that
        is carried back before 2007 in today's municipalities, as many of Statistics Denmark's are, has today's
        division.

    Returns
    -------
    Series of str, n values
        Codes such as "101"; the index of `labels` when it is a Series.

    Raises
    ------
    DataError
        A label is not a municipality of that division: the message says what it is instead (the country, a region,
        a municipality of another year, a name read in the wrong encoding), or names the nearest.
    SpecificationError
        The division of that year is not known.

    Notes
    -----
    Capital letters, double spaces, hyphens, "aa" for "å", "oe" for "ø", "ae" for "æ", decomposed letters and
    "Kommune" at the end do not matter. A misspelt name is never guessed.

    Examples
    --------
    >>> list(municipality_codes(["Århus", "0101", 400, "Høje Taastrup"]))
    ['751', '101', '400', '169']
    >>> list(municipality_codes(["Aabybro"], year=2005))
    ['849']
    """
    given = _listed(labels)
    division = division_of(year)
    places = recognised(given, division)
    pairs = zip(given, places, strict=True)
    refuse({f"{label!r:.60}": _instead(place, division) for label, place in pairs if place.kind != "municipality"})
    return _series(labels, [place.code for place in places], "municipality_code")


def kind_of_area(labels: Iterable[object], *, year: int | None = None) -> pd.Series:
    """Return what each label of an area column is.

    Parameters
    ----------
    labels : iterable, n values
        Names or codes, as in `municipality_codes`.
    year : int or None
        Year of the division, as in `municipality_codes`.

    Returns
    -------
    Series of str, n values
        "municipality", "region" (081-085), "province" (01-11), "country" (000), "group" (910-960), "christiansø"
        (411), "unallocated" (996-999, "Uoplyst") or "former municipality".

    Raises
    ------
    DataError
        A label is none of these.

    Notes
    -----
    "Nordjylland" is the region and "Bornholm" the municipality; the provinces of those names are recognised when
    "Landsdel" or "Province" is said, or by their codes.

    Examples
    --------
    >>> list(kind_of_area(["Hele landet", "Region Sjælland", "Landsdel Fyn", "Fanø", "Brovst", 411]))
    ['country', 'region', 'province', 'municipality', 'former municipality', 'christiansø']
    """
    places = recognised(_listed(labels), division_of(year))
    return _series(labels, [place.kind for place in places], "kind_of_area")


def only_municipalities(
    frame: pd.DataFrame, column: str, *, christiansø: Literal["drop", "bornholm"] = "drop", year: int | None = None
) -> pd.DataFrame:
    """Return the municipality rows of a table, with their codes, and what was left out.

    Parameters
    ----------
    frame : DataFrame
        Rows of areas of any kind.
    column : str
        Where the areas are named.
    christiansø : {"drop", "bornholm"}
        Christiansø is no municipality: leave its rows out, or give them Bornholm's code, so that counts can be added
        by code afterwards (shares and means cannot).
    year : int or None
        Year of the division, as in `municipality_codes`.

    Returns
    -------
    DataFrame
        The rows kept, in their order, with a new column `municipality_code`; `attrs["left_out"]` says the labels
        left out and their number of rows by kind, and `attrs["absent"]` the codes that have no row.

    Raises
    ------
    DataError
        The column is missing, a label is not known, or there is a column `municipality_code` already.
    SpecificationError
        `christiansø` or `year` is not allowed.

    Examples
    --------
    >>> table = pd.DataFrame({"area": ["Hele landet", "Fanø", "Læsø"], "n": [5, 2, 3]})
    >>> kept = only_municipalities(table, "area")
    >>> list(kept["municipality_code"]), kept.attrs["left_out"]
    (['563', '825'], {'country': {'Hele landet': 1}})
    """
    if christiansø not in ("drop", "bornholm"):
        raise SpecificationError(f"christiansø is {christiansø!r}; allowed are 'drop' and 'bornholm'")
    labels = _column(frame, column)
    if "municipality_code" in frame.columns:
        raise DataError("the table has a column 'municipality_code' already; rename it, or leave the step out")
    division = division_of(year)
    places = recognised(labels, division)
    kinds = {"municipality", "christiansø"} if christiansø == "bornholm" else {"municipality"}
    kept = [place.kind in kinds for place in places]
    codes = ["400" if place.kind == "christiansø" else place.code for place in places if place.kind in kinds]
    out = frame.loc[np.array(kept, dtype=bool)].copy()
    out["municipality_code"] = pd.Series(codes, index=out.index, dtype="str")
    left: dict[str, dict[str, int]] = {}
    for label, place in zip(labels, places, strict=True):
        if place.kind not in kinds:
            counts = left.setdefault(place.kind, {})
            counts[str(label)] = counts.get(str(label), 0) + 1
    out.attrs["left_out"] = left
    out.attrs["absent"] = sorted(set(division.codes) - set(codes))
    return out


def country_gap(frame: pd.DataFrame, area: str, value: str) -> CountryGap:
    """Compare the country row of a table of counts with the sum of its municipalities.

    Parameters
    ----------
    frame : DataFrame
        One row for each area: one period, one measure. Regions and provinces are not added.
    area, value : str
        Columns of the areas and of the counts or amounts. A share or a mean cannot be added up.

    Returns
    -------
    CountryGap
        In the unit of `value`.

    Raises
    ------
    DataError
        There is not exactly one country row, an area has two rows, or the values are not numbers.

    Notes
    -----
    They often differ: persons without a known municipality are in the country and in no municipality.

    Examples
    --------
    >>> table = pd.DataFrame({"area": ["Hele landet", "Fanø", "Læsø"], "n": [7, 2, 3]})
    >>> country_gap(table, "area", "n").difference
    2.0
    """
    labels = _column(frame, area)
    numbers = _column(frame, value)
    if not pd.api.types.is_numeric_dtype(numbers) or pd.api.types.is_bool_dtype(numbers):
        raise DataError(f"the column {value!r} does not hold numbers but {numbers.dtype}; read them as numbers first")
    division = division_of(None)
    places = recognised(labels, division)
    countries = [position for position, place in enumerate(places) if place.kind == "country"]
    if len(countries) != 1:
        raise DataError(f"there are {len(countries)} country rows in {area!r}; exactly one is needed: take one period")
    added = [position for position, place in enumerate(places) if place.kind in ("municipality", "christiansø")]
    twice = [code for code, times in Counter(places[position].code for position in added).items() if times > 1]
    if twice:
        raise DataError(f"{len(twice)} municipalities have more than one row, as {twice[0]}; take one period")
    values = numbers.to_numpy(dtype=float, na_value=np.nan)
    country = float(values[countries[0]])
    if np.isnan(country):
        raise DataError(f"the country row has no value in {value!r}")
    total = float(np.nansum(values[added]))
    codes = {places[position].code for position in added}
    return CountryGap(
        country=country,
        municipalities=total,
        difference=country - total,
        share=(country - total) / country if country else float("nan"),
        rows=sum(places[position].kind == "municipality" for position in added),
        without_value=tuple(str(labels.iloc[position]) for position in added if np.isnan(values[position])),
        absent=tuple(sorted(set(division.codes) - codes)),
    )


def reforms() -> pd.DataFrame:
    """Return which municipality each one of 1975-2006 went to.

    Returns
    -------
    DataFrame, 291 rows
        `code` and `municipality` (old), `first_year`, `last_year` (of existence, from 1970), `new_code` and `share`:
        "whole", or "part" when the old municipality was divided (13 were: two or three rows each).

    Notes
    -----
    Counts agree with Statistics Denmark's: 275 municipalities until 2002, 271 from 2003 (Bornholm), 270 in 2006 (Ærø)
    and 98 since 2007, of which 32 kept both code and area. How large a part of a divided municipality went where is
    not known here: some are a parish, one is half an airport. Small changes of borders are not in the table.

    Examples
    --------
    >>> table = reforms()
    >>> list(table.loc[table["municipality"] == "Aalestrup", "new_code"])
    ['791', '820', '846']
    """
    table = pd.DataFrame([vars(row) for row in old_municipalities()])
    table.attrs = {
        "simulated": False,
        "source": "Municipal codes and the reforms of 2003, 2006 and 2007; counts checked with Statistics Denmark",
    }
    return table


def in_reform(code: object, year: int) -> bool:
    """Return whether a code of a year's division denotes another area than the same code does today.

    Parameters
    ----------
    code : object
        Code or name of a municipality that existed in `year`.
    year : int
        Year of the division, 1975 or later.

    Returns
    -------
    bool
        True when a figure for that code and year cannot be set beside today's figure for the same code.

    Raises
    ------
    DataError
        There was no such municipality in that year.

    Examples
    --------
    >>> in_reform("615", 2006), in_reform("101", 2006), in_reform("615", 2007)
    (True, False, False)
    """
    found = str(municipality_codes([code], year=year).iloc[0])
    if year >= REFORM:
        return False
    rows = [row for row in old_municipalities() if row.first_year <= year <= row.last_year]
    then = {(row.code, row.share) for row in rows if row.new_code == found}
    return then != {(found, "whole")}


def _instead(place: Place, division: Division) -> str:
    if place.kind == "former municipality":
        rows = [row for row in old_municipalities() if row.code == place.code]
        today = division_of(None).codes
        went = " and ".join(f"{row.new_code} {today[row.new_code]}" for row in rows)
        how = "was divided between" if len(rows) > 1 else "went to"
        return (
            f"{rows[0].municipality} ({place.code}) was a municipality until {rows[0].last_year} and {how} {went}; say "
            "year= of the division that the table uses"
        )
    named = f" {place.code}" if place.code else ""
    what = {"country": "the country", "christiansø": "Christiansø, which is no municipality"}
    return f"this is {what.get(place.kind, place.kind + named)}; leave such rows out with only_municipalities"


def _listed(labels: Iterable[object]) -> list[object]:
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise DataError(f"a column or list of labels is needed, not {labels!r:.60}")
    return list(labels)


def _series(labels: Iterable[object], values: list[str], name: str) -> pd.Series:
    index = labels.index if isinstance(labels, pd.Series) else None
    return pd.Series(values, index=index, name=name, dtype="str")


def _column(frame: pd.DataFrame, column: str) -> pd.Series:
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a DataFrame is needed, not {type(frame).__name__}")
    if column not in frame.columns:
        raise DataError(f"there is no column {column!r}; there are {', '.join(map(repr, frame.columns))}")
    found = frame[column]
    if isinstance(found, pd.DataFrame):
        raise DataError(f"there are {found.shape[1]} columns named {column!r}; rename them")
    return found
