"""Public figures of pupils in Danish municipalities, fetched and shaped for studies: high absence from school."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from benchmodels.datasets.packaged import municipalities
from benchmodels.datasets.places import municipality_codes, only_municipalities
from benchmodels.datasets.services.uddannelsesstatistik_answers import complete, nearest
from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from benchmodels.datasets.services.uddannelsesstatistik import Uddannelsesstatistik

__all__ = ["SCHOOL_YEARS", "school_absence", "school_covariates"]

SCHOOL_YEARS: tuple[str, ...] = ("2019/2020", "2020/2021", "2021/2022", "2022/2023", "2023/2024", "2024/2025")
"""School years that are fetched unless others are asked for."""

_ABSENCE = ("GS", "ELEVFRAV", "FRAVAAR")
_PARENTS = ("GS", "TRIV", "TRIVSP")
_SCHOOL = "[Institution].[Beliggenhedskommune]"
_EDUCATION = "[Forældres Højest Fuldførte Uddannelse].[Uddannelsesgruppe]"
_HIGH = "Over 10 procent"
_PUPILS = "Antal elever"
# How texts of parents' education begin or what they hold; all others known are youth education.
_BASIC = ("grundskole",)
_HIGHER = ("videregående", "bachelor", "ph.d", "forsker")
_UNKNOWN = ("uoplyst", "ikke oplyst", "ukendt", "ingen oplysning", "missing")


def school_absence(
    client: Uddannelsesstatistik | None = None, *, years: Sequence[str] = SCHOOL_YEARS, refresh: bool = False
) -> pd.DataFrame:
    """Fetch the share of pupils with more than 10 per cent absence, and what is public of the pupils' parents.

    Parameters
    ----------
    client : Uddannelsesstatistik, optional
        Which service, and which cache; by default the ministry's and the user's own.
    years : sequence of str
        School years, as "2023/2024".
    refresh : bool
        Ask again though answers are kept.

    Returns
    -------
    DataFrame, 98 municipalities x school years
        `municipality_code`, `municipality` (where the SCHOOL lies), `school_year`, `high_absence` (a share, 0 to 1),
        and the columns of `school_covariates`. Missing where the service leaves a cell out. ``attrs`` say sources,
        licence, notes and whether figures are simulated.

    Raises
    ------
    DataError
        A measure or detail has another name than expected (it names the nearest), no row is of the years asked for,
        or the service cannot be had.
    SpecificationError
        No years, or years that are not written so.

    Notes
    -----
    The service tells shares and not counts: a model of it is of family "fractional".
    """
    asked = _years(years)
    client = client or _client()
    measure, detail, year = _names(client, _ABSENCE, _HIGH, (_SCHOOL, "[Tid].[Skoleår]"), refresh=refresh)
    frame = client.statistics(*_ABSENCE, nøgletal=[measure], detaljering=[detail, year], refresh=refresh)
    shares = _by_municipality(frame, detail, year, asked)
    shares["high_absence"] = _share(shares[measure], unit=str(frame.attrs.get("units", {}).get(measure, "")))
    keys = ["municipality_code", "school_year"]
    covariates = school_covariates(client, years=asked, refresh=refresh)
    table = covariates[[*keys, "municipality"]].merge(
        shares[[*keys, "high_absence"]], on=keys, how="left", validate="one_to_one"
    )
    table = table.merge(covariates.drop(columns="municipality"), on=keys, validate="one_to_one")
    table = table[["municipality_code", "municipality", *table.columns.drop(["municipality_code", "municipality"])]]
    table.attrs.clear()
    table.attrs.update(_attrs([frame.attrs, *covariates.attrs["sources"]], _missing_said(table)))
    return table


def school_covariates(
    client: Uddannelsesstatistik | None = None, *, years: Sequence[str] = SCHOOL_YEARS, refresh: bool = False
) -> pd.DataFrame:
    """Fetch what is public of pupils' parents in each municipality.

    Parameters
    ----------
    client, years, refresh
        As in `school_absence`.

    Returns
    -------
    DataFrame, 98 municipalities x school years
        `municipality_code`, `municipality`, `school_year`; `pupils` (in the survey of well-being, which is of public
        schools), and of those whose parents' education is known `low_education_pct` (basic schooling only) and
        `higher_education_pct`.

    Raises
    ------
    DataError, SpecificationError
        As `school_absence`.

    Notes
    -----
    Groups of fewer than 5 pupils are left out by the service and count as none in a sum, so that shares of the smallest
    municipalities are a little off; a municipality and year without any group is missing.
    """
    asked = _years(years)
    client = client or _client()
    measure, detail, year = _names(client, _PARENTS, _PUPILS, (_SCHOOL, "[Skoleår].[Skoleår]"), refresh=refresh)
    education = _detail(client, _PARENTS, _EDUCATION, refresh=refresh)
    details = [detail, year, education]
    frame = client.statistics(*_PARENTS, nøgletal=[measure], detaljering=details, refresh=refresh)
    known = _by_municipality(frame, detail, year, asked, extra=(education,))
    known["level"] = [_level(text) for text in known[education]]
    keys = ["municipality_code", "school_year"]
    sums = known.dropna(subset=[measure]).groupby([*keys, "level"])[measure].sum().unstack("level")
    sums = sums.reindex(columns=["basic", "youth", "higher", "unknown"]).fillna(0.0)
    told = sums[["basic", "youth", "higher"]].sum(axis=1)
    if sums["basic"].eq(0).all() or sums["higher"].eq(0).all():
        there = ", ".join(map(repr, sorted(known[education].unique())[:8]))
        raise DataError(
            f"the cube {'/'.join(_PARENTS)}: {education} is expected to have groups of basic schooling ('Grundskole') "
            f"and of higher education ('videregående'); it has {there}"
        )
    table = pd.DataFrame(
        {
            "pupils": sums.sum(axis=1),
            "low_education_pct": 100.0 * sums["basic"] / told.where(told > 0),
            "higher_education_pct": 100.0 * sums["higher"] / told.where(told > 0),
        }
    )
    whole = _grid(asked).merge(table.reset_index(), on=keys, how="left", validate="one_to_one")
    whole.attrs.clear()
    whole.attrs.update(_attrs([frame.attrs], _missing_said(whole)))
    return whole


def _client() -> Uddannelsesstatistik:
    from benchmodels.datasets.services.uddannelsesstatistik import Uddannelsesstatistik

    return Uddannelsesstatistik()


def _years(years: Sequence[str]) -> list[str]:
    given = [] if isinstance(years, str) else list(years)
    if not given or len(set(given)) < len(given) or not all(_is_year(year) for year in given):
        raise SpecificationError(f"years={years!r:.80}; give school years in a list, each once, as ['2023/2024']")
    return sorted(given)


def _is_year(year: object) -> bool:
    parts = year.split("/") if isinstance(year, str) else []
    return len(parts) == 2 and all(len(p) == 4 and p.isdecimal() for p in parts) and int(parts[1]) == int(parts[0]) + 1


def _names(
    client: Uddannelsesstatistik, cube: tuple[str, str, str], measure: str, details: tuple[str, str], *, refresh: bool
) -> tuple[str, str, str]:
    """Return the names of a measure and two details as the catalogue has them, or say what has changed."""
    found = client.cube(*cube, refresh=refresh)
    if measure not in found.nøgletal:
        raise DataError(
            f"the cube {'/'.join(cube)} is expected to have the measure {measure!r}; "
            f"{nearest(measure, found.nøgletal)}. Names change without notice; the study must be told the new one"
        )
    return measure, *(_detail(client, cube, name, refresh=refresh) for name in details)  # type: ignore[return-value]


def _detail(client: Uddannelsesstatistik, cube: tuple[str, str, str], name: str, *, refresh: bool) -> str:
    """Return a detail: by its whole name, or the only one that ends alike."""
    details = list(client.cube(*cube, refresh=refresh).detaljer)
    end = name[name.rindex("[") :]
    alike = [name] if name in details else [one for one in details if one.endswith(end)]
    if len(alike) != 1:
        raise DataError(
            f"the cube {'/'.join(cube)} is expected to have the detail {name!r}; {nearest(name, alike or details)}. "
            "Names change without notice; the study must be told the new one"
        )
    return alike[0]


def _by_municipality(
    frame: pd.DataFrame, detail: str, year: str, years: list[str], *, extra: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Return rows of municipalities and years asked for, those the service left out without values."""
    there = sorted(frame[year].unique())
    kept = frame[frame[year].isin(years)]
    if kept.empty:
        raise DataError(f"no row is of the school years {', '.join(years)}; there is {', '.join(there)}")
    kept = only_municipalities(kept, detail).drop(columns="municipality_code")
    names = municipalities()
    official = dict(zip(names["code"].astype(str), names["municipality"], strict=True))
    kept[detail] = municipality_codes(kept[detail]).map(official).astype("str")
    twice = kept[kept.duplicated([detail, year, *extra])]
    if len(twice):
        raise DataError(f"{twice[detail].iloc[0]} is there twice in {twice[year].iloc[0]}, by two names of one place")
    whole = kept if extra else complete(kept, units=[str(name) for name in names["municipality"]], by=detail)
    whole = whole.rename(columns={year: "school_year"})
    whole["municipality_code"] = municipality_codes(whole[detail])
    return whole


def _share(values: pd.Series[Any], *, unit: str) -> pd.Series[Any]:
    """Return fractions of what is written as per cent, or as fractions already."""
    known = values.dropna()
    if (known < 0).any() or (known > 100).any():
        raise DataError(f"{_HIGH!r} is {float(known.min())} to {float(known.max())}; a share of pupils is expected")
    return values / 100.0 if unit == "per cent" or (known > 1).any() else values


def _level(text: str) -> str:
    plain = text.casefold()
    for level, words in (("unknown", _UNKNOWN), ("basic", _BASIC), ("higher", _HIGHER)):
        if any(word in plain for word in words):
            return level
    return "youth"


def _grid(years: list[str]) -> pd.DataFrame:
    names = municipalities()
    unit, year = (a.ravel() for a in np.indices((len(names), len(years))))
    return pd.DataFrame(
        {
            "municipality_code": names["code"].astype(str).take(unit).array,
            "municipality": names["municipality"].astype("str").take(unit).array,
            "school_year": pd.Series(years, dtype="str").take(year).array,
        }
    )


def _attrs(found: Sequence[Mapping[Any, Any]], notes: tuple[str, ...]) -> dict[str, Any]:
    names = ("source", "retrieved", "url", "sha256", "licence", "simulated", "municipality_concept", "suppressed")
    sources = [{**{name: one[name] for name in names}, "cube": one.get("cube") or _cube(one)} for one in found]
    simulated = any(one["simulated"] for one in sources)
    told = ", ".join(f"{one['cube']} ({str(one['retrieved'])[:10]})" for one in sources)
    host = urlsplit(str(sources[0]["url"])).netloc
    return {
        "simulated": simulated,
        "source": (
            f"Simulated figures from {host}, not from Uddannelsesstatistik.dk: {told}"
            if simulated
            else f"Source: Uddannelsesstatistik.dk, {told}"
        ),
        "licence": "simulated figures: no licence" if simulated else str(sources[0]["licence"]),
        "sources": sources,
        "notes": notes,
    }


def _cube(attrs: Mapping[Any, Any]) -> str:
    return "/".join(str(attrs["question"][name]) for name in ("område", "emne", "underemne"))


def _missing_said(frame: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    for column in frame.columns[3:]:
        lacking = frame.loc[frame[column].isna(), "municipality"].drop_duplicates().tolist()
        if lacking:
            shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
            notes.append(f"{len(lacking)} municipalities lack {column} in some year: {shown}")
    return tuple(notes)
