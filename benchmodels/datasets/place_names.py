"""What a label of an area is: names, codes, spellings and the divisions of Denmark since 1975."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from numbers import Integral
from typing import Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError

__all__ = ["REFORM", "Division", "Kind", "Place", "division_of", "old_municipalities", "recognised", "refuse"]

Kind = Literal[
    "municipality",
    "region",
    "province",
    "country",
    "group",
    "christiansø",
    "unallocated",
    "former municipality",
]

REFORM = 2007
"""First year of today's 98 municipalities."""

# Before April 1974 there were 277 municipalities, two of which have no row in the table of the reforms.
_FIRST_DIVISION = 1975
_SHOWN = 5

_ALIASES = {
    "copenhagen": "101",
    "københavns": "101",
    "elsinore": "217",
    "frederiksværk hundested": "260",
    "bornholms": "400",
    "bornholms region": "400",
    "nordfyn": "480",
    "brønderslev dronninglund": "810",
    "vesthimmerland": "820",
}
_OLD_ALIASES = {
    "copenhagen": "101",
    "københavns": "101",
    "nykøbing f": "369",
    "nykøbing f.": "369",
    "bornholms": "400",
    "bornholms region": "400",
    "neksø": "405",
    "nørre rangsstrup": "525",
    "nr. rangstrup": "525",
}
_REGIONS = {
    "nordjylland": "081",
    "north denmark": "081",
    "north jutland": "081",
    "midtjylland": "082",
    "central denmark": "082",
    "central jutland": "082",
    "syddanmark": "083",
    "southern denmark": "083",
    "hovedstaden": "084",
    "capital": "084",
    "capital region of denmark": "084",
    "sjælland": "085",
    "zealand": "085",
}
_PROVINCES = {
    "byen københavn": "01",
    "københavns omegn": "02",
    "nordsjælland": "03",
    "bornholm": "04",
    "østsjælland": "05",
    "vest og sydsjælland": "06",
    "fyn": "07",
    "sydjylland": "08",
    "østjylland": "09",
    "vestjylland": "10",
    "nordjylland": "11",
}
_COUNTRY = (
    "hele landet",
    "hele danmark",
    "danmark",
    "landet",
    "landsplan",
    "landstal",
    "i alt",
    "ialt",
    "all denmark",
    "denmark",
    "whole country",
    "total",
)
_UNALLOCATED = (
    "uoplyst",
    "uoplyst kommune",
    "ukendt",
    "ukendt kommune",
    "ufordelt",
    "ikke fordelt",
    "uden for kommunal inddeling",
    "udenfor kommunal inddeling",
    "unknown",
    "unknown municipality",
    "not stated",
    "unallocated",
)
_GROUPS = ("hovedstadskommuner", "storbykommuner", "provinsbykommuner", "oplandskommuner", "landkommuner")
_CHRISTIANSØ = ("christiansø", "ertholmene")

# How a file of Danish names is most often read wrongly: what it was read as, what it is.
_MISREAD = (
    ("latin-1", "utf-8"),
    ("cp1252", "utf-8"),
    ("cp1252", "cp850"),
    ("cp850", "cp1252"),
    ("cp1252", "mac_roman"),
    ("mac_roman", "cp1252"),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a label is.

    Parameters
    ----------
    kind : str
        One of `Kind`.
    code : str
        Three digits (two for a province); "" for a group or unallocated rows known by name only.
    """

    kind: Kind
    code: str


@dataclass(frozen=True, kw_only=True)
class OldMunicipality:
    """One municipality of 1970-2006, or one part of one that was divided.

    Parameters
    ----------
    code, municipality : str
        Three digits, and the name.
    first_year, last_year : int
        Years of existence, from 1970.
    new_code : str
        Of the municipality of 2007 that it went to.
    share : str
        "whole" or "part".
    """

    code: str
    municipality: str
    first_year: int
    last_year: int
    new_code: str
    share: str


@dataclass(frozen=True, kw_only=True)
class Division:
    """The municipalities of one year.

    Parameters
    ----------
    year : int or None
        None is the division in force since 2007.
    codes : dict of str to str
        Name of each code.
    names : dict of str to str
        Code of each folded name and alias.
    """

    year: int | None
    codes: dict[str, str]
    names: dict[str, str]


def fold(text: str) -> str:
    """Return `text` without what spellings differ in: case, spaces, hyphens, and aa, oe and ae for å, ø and æ."""
    plain = unicodedata.normalize("NFKC", re.sub("[\u00ad\u200b\ufeff]", "", text)).casefold()
    plain = " ".join(re.sub(r"[-‐-―−]", " ", plain).split())
    return plain.replace("aa", "å").replace("oe", "ø").replace("ae", "æ")


@lru_cache(maxsize=1)
def old_municipalities() -> tuple[OldMunicipality, ...]:
    """Return the municipalities of 1970-2006 by code, one row for each they went to."""
    with (files("benchmodels.datasets") / "reforms.csv").open("r", encoding="utf-8") as stream:
        return tuple(
            OldMunicipality(
                code=row["code"],
                municipality=row["municipality"],
                first_year=int(row["first_year"]),
                last_year=int(row["last_year"]),
                new_code=row["new_code"],
                share=row["share"],
            )
            for row in csv.DictReader(stream)
        )


def division_of(year: int | None) -> Division:
    """Return the municipalities of a year; None is today's.

    Raises
    ------
    SpecificationError
        It is no year, or one before 1975.
    """
    if year is None:
        return _division(None)
    if isinstance(year, bool) or not isinstance(year, Integral):
        raise SpecificationError(
            f"year is {year!r}; a whole number such as 2006 is needed, or None for today's division"
        )
    if int(year) < _FIRST_DIVISION:
        raise SpecificationError(f"the division of {year} is not known; {_FIRST_DIVISION} and later years are")
    return _division(None if int(year) >= REFORM else int(year))


@lru_cache(maxsize=64)
def _division(year: int | None) -> Division:
    if year is None:
        with (files("benchmodels.datasets") / "municipalities.csv").open("r", encoding="utf-8") as stream:
            codes = {row["code"]: row["municipality"] for row in csv.DictReader(stream)}
        aliases = _ALIASES
    else:
        codes = {row.code: row.municipality for row in old_municipalities() if row.first_year <= year <= row.last_year}
        aliases = _OLD_ALIASES
    names = {fold(name): code for code, name in codes.items()}
    names |= {fold(name): code for name, code in aliases.items() if code in codes}
    return Division(year=year, codes=codes, names=names)


@lru_cache(maxsize=1)
def _former() -> Division:
    codes = {row.code: row.municipality for row in old_municipalities()}
    names = {fold(name): code for code, name in codes.items()} | {
        fold(name): code for name, code in _OLD_ALIASES.items()
    }
    return Division(year=None, codes=codes, names=names)


def recognised(labels: Iterable[object], division: Division) -> list[Place]:
    """Return what each label is.

    Parameters
    ----------
    labels : iterable, n values
        Names, codes or both.
    division : Division
        The municipalities of the year.

    Returns
    -------
    list of Place, n values

    Raises
    ------
    DataError
        Some are nothing that is known; the message names the nearest, or the wrong encoding.
    """
    if isinstance(labels, str | bytes):
        raise DataError(f"a column or list of labels is needed, not the one text {labels!r:.60}")
    known: dict[tuple[type, object], Place | str] = {}
    found: list[Place] = []
    wrong: dict[str, str] = {}
    for label in labels:
        try:
            key = (type(label), label)
            what = known[key] if key in known else known.setdefault(key, _recognise(label, division))
        except TypeError:
            what = f"a {type(label).__name__} is no label"
        if isinstance(what, str):
            wrong[f"{label!r:.60}"] = what
        else:
            found.append(what)
    refuse(wrong)
    return found


def refuse(wrong: dict[str, str]) -> None:
    """Raise a `DataError` that says what is wrong with each label, if any is wrong."""
    if not wrong:
        return
    said = "; ".join(f"{label}: {reason}" for label, reason in list(wrong.items())[:_SHOWN])
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise DataError(f"{len(wrong)} label{'s' if len(wrong) > 1 else ''} of areas cannot be used: {said}{more}")


def _recognise(label: object, division: Division) -> Place | str:
    if label is None or label is pd.NA or label is pd.NaT or label != label:
        return "the label is missing"
    if isinstance(label, bool):
        return "a truth value is no label"
    if isinstance(label, int | float | np.integer | np.floating):
        if not 0 <= label < 10_000 or label != int(label):
            return "no code of an area is such a number"
        return _of_code(int(label), division)
    if not isinstance(label, str):
        return f"a {type(label).__name__} is no label"
    text = " ".join(label.split())
    if not text:
        return "the label is empty"
    if re.fullmatch(r"[0-9]{1,4}(\.0+)?", text):
        return _of_code(int(float(text)), division)
    both = re.fullmatch(r"([0-9]{1,4})\s*[-–:.,]?\s*([^\W\d_].*)", text)
    turned = re.fullmatch(r"([^\W\d_].*?)\s*\(([0-9]{1,4})\)", text)
    if both or turned:
        code, name = (both[1], both[2]) if both else (turned[2], turned[1]) if turned else ("", "")
        return _agreed(_of_code(int(code), division), _of_name(name, division))
    return _of_name(text, division)


def _agreed(by_code: Place | str, by_name: Place | str) -> Place | str:
    if isinstance(by_code, str) or isinstance(by_name, str):
        return by_code if isinstance(by_code, str) else str(by_name)
    same_name = by_name.code in ("", by_code.code) and by_name.kind == by_code.kind
    # "11 Nordjylland" and "04 Bornholm": the code tells which of two areas of one name is meant.
    twin = by_code.kind == "province" and (by_code.code, by_name.code) in {("11", "081"), ("04", "400")}
    if same_name or twin:
        return by_code
    return f"the code is of {by_code.kind} {by_code.code} and the name of {by_name.kind} {by_name.code}"


def _of_code(number: int, division: Division) -> Place | str:
    code = f"{number:03d}"
    if code in division.codes:
        return Place(kind="municipality", code=code)
    kinds: tuple[tuple[bool, Kind, str], ...] = (
        (number == 0, "country", "000"),
        (1 <= number <= 11, "province", f"{number:02d}"),
        (81 <= number <= 85, "region", code),
        (1081 <= number <= 1085, "region", f"0{number - 1000}"),
        (number == 411, "christiansø", code),
        (910 <= number <= 960, "group", code),
        (996 <= number <= 999, "unallocated", code),
    )
    for holds, kind, written in kinds:
        if holds:
            return Place(kind=kind, code=written)
    return _other_year(code, division) or f"no area has the code {code}"


def _other_year(code: str, division: Division) -> Place | str:
    rows = [row for row in old_municipalities() if row.code == code]
    if rows and (division.year is None or rows[0].last_year < division.year):
        return Place(kind="former municipality", code=code)
    if rows:
        return f"{rows[0].municipality} ({code}) came into being in {rows[0].first_year}, after {division.year}"
    return _not_yet(code, division) if code in _division(None).codes else ""


def _not_yet(code: str, division: Division) -> str:
    return f"{_division(None).codes[code]} ({code}) came into being in {REFORM}, after {division.year}"


def _of_name(text: str, division: Division) -> Place | str:
    plain = fold(text)
    short = re.sub(r" (regions)?kommune$| municipality$", "", plain)
    exact: tuple[tuple[Kind, tuple[str, ...], str], ...] = (
        ("country", _COUNTRY, "000"),
        ("unallocated", _UNALLOCATED, ""),
        ("group", _GROUPS, ""),
        ("christiansø", _CHRISTIANSØ, "411"),
    )
    for kind, names, code in exact:
        if plain in names:
            return Place(kind=kind, code=code)
    if short in division.names:
        return Place(kind="municipality", code=division.names[short])
    if short in _former().names:
        return _other_year(_former().names[short], division)
    if short in _division(None).names:
        return _not_yet(_division(None).names[short], division)
    region = re.sub(r"^region (of )?| region( of denmark)?$", "", plain)
    if region in _REGIONS:
        return Place(kind="region", code=_REGIONS[region])
    province = re.sub(r"^(landsdel|province) | province$", "", plain)
    if province in _PROVINCES:
        return Place(kind="province", code=_PROVINCES[province])
    return _misread(text, division) or _nearest(short, division)


def _misread(text: str, division: Division) -> str:
    if "\ufffd" in text:
        return "letters were lost when the file was read; read it again with encoding='cp1252' (or 'latin-1')"
    names = {*division.names, *_former().names, *map(fold, _REGIONS), *map(fold, _PROVINCES)}
    for wrong, right in _MISREAD:
        repaired = text
        for _ in range(2):
            try:
                repaired = repaired.encode(wrong).decode(right)
            except UnicodeError:
                break
            whole = fold(repaired)
            if re.sub(r" (regions)?kommune$|^(region|landsdel|province) ", "", whole) in names:
                return (
                    f"this is {repaired!r} read in the wrong encoding ({right} read as {wrong}); read the file again "
                    f"with encoding={right!r}"
                )
    return ""


def _nearest(short: str, division: Division) -> str:
    written = {name: division.codes[code] for name, code in division.names.items()}
    written |= {name: f"Region {name.capitalize()}" for name in ("hovedstaden", "midtjylland", "syddanmark")}
    near = list(dict.fromkeys(written[name] for name in get_close_matches(short, written, n=3, cutoff=0.6)))
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"no Danish area has this name{hint}"
