"""Public figures of Danish municipalities, fetched and shaped for studies: expenditure on adults with special needs.

Codes and what is expected of them are stated here; a table that is not as expected is an error that says so, and never
another figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from benchmodels.datasets.packaged import municipalities
from benchmodels.datasets.places import country_gap, kind_of_area
from benchmodels.datasets.services.statbank_tables import (
    age_bands,
    code_by_text,
    expected_code,
    sources_said,
    total_code,
    variable_of,
    years_of,
)
from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from benchmodels.datasets.services.statbank import StatBank
    from benchmodels.datasets.services.tableinfo import TableInfo

__all__ = ["ADULT_FUNCTIONS", "YEARS", "adult_expenditure", "sheltered_housing"]

YEARS: tuple[int, ...] = tuple(range(2018, 2025))
"""Years that are fetched unless others are asked for; HAND01 begins in 2015, and services were the same from 2018."""

ADULT_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "53838": (),
    "53839": (),
    "53840": (),
    "53841": (),
    "53842": (),
    "53844": (),
    "53845": (),
    "53850": ("længerevarende", "botilbud"),
    "53851": ("botilbudslignende",),
    "53852": ("midlertidig", "botilbud"),
    "53853": (),
    "53854": (),
    "53858": (),
    "53859": (),
}
"""Functions of the accounts for adults with special needs (5.38), each with words that its text must have."""

# Account types of purchases (main type 4): who is paid. Totals (TOT, UE, I, S0 to S9) are never among them.
_PROVIDERS = {"40": "private", "47": "municipal", "48": "regional", "45": "other", "46": "other", "49": "other"}
_PROVIDER_WORDS: Mapping[str, tuple[str, ...]] = {"40": ("tjenesteydelser",), "47": ("kommun",), "48": ("region",)}
_COUNTRY = "000"


@dataclass(frozen=True, kw_only=True)
class _Service:
    """A kind of housing: its name, its function in the accounts, and its service in the statistics of persons."""

    name: str
    function: str
    benefit: str
    words: tuple[str, ...]


_SERVICES = (
    _Service(name="§ 107 midlertidigt botilbud", function="53852", benefit="30182", words=("midlertidig",)),
    _Service(name="§ 108 længerevarende botilbud", function="53850", benefit="30181", words=("længerevarende",)),
    _Service(name="ABL § 105 botilbudslignende", function="53851", benefit="31201", words=("botilbud",)),
)


def sheltered_housing(bank: StatBank | None = None, *, years: Sequence[int] = YEARS) -> pd.DataFrame:
    """Fetch expenditure on sheltered housing, who lives there, and what is public of the inhabitants.

    Parameters
    ----------
    bank : StatBank, optional
        Which service, and which cache; by default Statistics Denmark and the user's own.
    years : sequence of int
        Years of the accounts.

    Returns
    -------
    DataFrame, 98 municipalities x years x 3 services
        `municipality_code`, `municipality`, `year`, `service`; `population_18_64` (inhabitants on 1 January, FOLK1A);
        `full_year_persons` (mean of the four quarters, HAND01); `cost_1000dkk` (net operating expenditure of the
        municipality that pays, DKK 1,000 in current prices, REGK31), and of it what is paid for services of others:
        `purchases_private_1000dkk`, `purchases_municipal_1000dkk`, `purchases_regional_1000dkk` and
        `purchases_other_1000dkk`; `disability_pension_pct` (persons on disability pension, AUH01, per 100 inhabitants
        aged 18-64) and `low_education_pct` (basic schooling only, of those aged 25-64, HFUDD11); `consumer_prices`
        (yearly mean of the index, PRIS112, the same everywhere). Missing where a table has no figure. ``attrs`` say
        sources, licence, notes and whether figures are simulated.

    Raises
    ------
    DataError
        A table is not as expected (it names table, variable, what was expected and what there is); or it cannot be had.
    SpecificationError
        No years, or years that are none.

    Notes
    -----
    The names of services and columns are those of the simulated table, as far as figures are public by municipality:
    psychiatric contacts and single households are not in it. Municipal figures of persons are not checked as national
    ones are. Christiansø, which is no municipality, is left out, as are regions and groups.
    """
    asked = _years(years)
    tables = _Tables.of(bank)
    cost = tables.accounts(asked, country=True)
    persons = tables.persons(asked)
    frame = _grid(asked)
    keys = ["municipality_code", "year"]
    frame = frame.merge(tables.population(asked), on=keys, how="left", validate="many_to_one")
    frame = frame.merge(persons, on=[*keys, "service"], how="left", validate="one_to_one")
    frame = frame.merge(cost[cost["municipality_code"] != _COUNTRY], on=[*keys, "service"], how="left")
    for extra in (tables.pensioners(asked), tables.schooling(asked)):
        frame = frame.merge(extra, on=keys, how="left", validate="many_to_one")
    frame = frame.merge(tables.prices(asked), on="year", how="left", validate="many_to_one")
    frame["disability_pension_pct"] = 100.0 * frame.pop("pensioners") / frame["population_18_64"]
    notes = (*_missing_said(frame), *_gap_said(cost), _ON_1_JANUARY, _OF_MEANS)
    return _with_attrs(frame, {**tables.attrs(), "notes": notes})


_ON_1_JANUARY = "inhabitants are those aged 18-64 on 1 January of the year"
_OF_MEANS = "full-year persons are the mean of a year's four quarters; a year that lacks a quarter is missing"


def adult_expenditure(bank: StatBank | None = None, *, years: Sequence[int] = YEARS) -> pd.DataFrame:
    """Fetch net operating expenditure on adults with special needs by function and by whom is paid.

    Parameters
    ----------
    bank, years
        As in `sheltered_housing`.

    Returns
    -------
    DataFrame, areas x functions x accounts x years
        `area_code`, `area` (the Danish name), `kind` ("country", "region" or "municipality"), `function` (code),
        `item` (its text), `account` ("TOT" or the two digits of a type of purchases), `provider` ("total", "private",
        "municipal", "regional" or "other"), `year` and `dkk_1000` (current prices). Rows of "TOT" are net totals: they
        hold the purchases and are never added to them.

    Raises
    ------
    DataError, SpecificationError
        As `sheltered_housing`.
    """
    asked = _years(years)
    tables = _Tables.of(bank)
    info = tables.info("REGK31")
    areas = variable_of(info, "OMRÅDE").values
    kinds = kind_of_area(list(areas))
    kept = {
        code: kind for code, kind in zip(areas, kinds, strict=True) if kind in ("country", "region", "municipality")
    }
    functions = [expected_code(info, "FUNKTION", code, words) for code, words in ADULT_FUNCTIONS.items()]
    frame = tables.regk31(info, list(kept), functions, ["TOT", *_PROVIDERS], asked)
    texts = variable_of(info, "FUNKTION").values
    return _with_attrs(
        pd.DataFrame(
            {
                "area_code": frame["OMRÅDE"],
                "area": frame["OMRÅDE"].map(dict(areas)),
                "kind": frame["OMRÅDE"].map(kept),
                "function": frame["FUNKTION"],
                "item": frame["FUNKTION"].map({code: texts[code] for code in functions}),
                "account": frame["ART"],
                "provider": frame["ART"].map({"TOT": "total", **_PROVIDERS}),
                "year": frame["Tid"].astype(int),
                "dkk_1000": frame["value"],
            }
        ),
        {**tables.attrs(), "notes": ()},
    )


@dataclass(eq=False)
class _Tables:
    """The tables of one study, with where each came from."""

    bank: StatBank
    sources: dict[str, dict[str, object]]

    @classmethod
    def of(cls, bank: StatBank | None) -> _Tables:
        from benchmodels.datasets.services.statbank import StatBank

        # Codes are told by their Danish texts.
        return cls(replace(bank or StatBank(), lang="da"), {})

    def info(self, table: str) -> TableInfo:
        try:
            return self.bank.table_info(table)
        except SpecificationError as error:
            raise DataError(f"table {table} is needed for this: {error}") from error

    def data(self, table: str, selection: Mapping[str, object]) -> pd.DataFrame:
        frame = self.bank.data(table, selection)
        names = ("table", "title", "retrieved", "url", "sha256", "licence", "updated", "simulated", "source")
        self.sources[table] = {name: frame.attrs[name] for name in names}
        # Kept with the sources: each step would copy the whole question.
        frame.attrs = {}
        # Variables by the names they were asked by.
        spelled = {name.casefold(): name for name in selection}
        return frame.rename(columns={name: spelled.get(str(name).casefold(), name) for name in frame.columns})

    def attrs(self) -> dict[str, Any]:
        sources = list(self.sources.values())
        host = urlsplit(self.bank.address).netloc
        return {
            "simulated": self.bank.simulated,
            "source": sources_said(sources, host=host),
            "licence": str(sources[0]["licence"]),
            "sources": sources,
        }

    def regk31(
        self, info: TableInfo, areas: list[str], functions: list[str], accounts: list[str], years: list[int]
    ) -> pd.DataFrame:
        selection = {
            "OMRÅDE": areas,
            "FUNKTION": functions,
            "DRANST": expected_code(info, "DRANST", "1", ("drift",)),
            "ART": [expected_code(info, "ART", code, _PROVIDER_WORDS.get(code, ())) for code in accounts],
            "PRISENHED": expected_code(info, "PRISENHED", "LOBM", ("løbende", "1.000")),
            "Tid": years_of(info, years),
        }
        return self.data(info.id, selection)

    def accounts(self, years: list[int], *, country: bool) -> pd.DataFrame:
        info = self.info("REGK31")
        functions = {expected_code(info, "FUNKTION", s.function, ADULT_FUNCTIONS[s.function]): s for s in _SERVICES}
        areas = _areas(info, "OMRÅDE")
        if country and _COUNTRY in variable_of(info, "OMRÅDE").values:
            areas.append(_COUNTRY)
        frame = self.regk31(info, areas, list(functions), ["TOT", *_PROVIDERS], years)
        frame["who"] = frame["ART"].map({"TOT": "cost_1000dkk", **{a: _column(p) for a, p in _PROVIDERS.items()}})
        frame["service"] = frame["FUNKTION"].map({code: service.name for code, service in functions.items()})
        frame["year"] = frame["Tid"].astype(int)
        wide = _whole(frame, ["OMRÅDE", "year", "service", "who"]).unstack("who")
        wide = wide[["cost_1000dkk", *dict.fromkeys(_column(provider) for provider in _PROVIDERS.values())]]
        return wide.reset_index().rename(columns={"OMRÅDE": "municipality_code"}).rename_axis(columns=None)

    def persons(self, years: list[int]) -> pd.DataFrame:
        info = self.info("HAND01")
        services = {expected_code(info, "YDELSESTYPE", s.benefit, s.words): s.name for s in _SERVICES}
        selection: dict[str, object] = {
            "OMRÅDE": _areas(info, "OMRÅDE"),
            "YDELSESTYPE": list(services),
            "Tid": years_of(info, years, ("K1", "K2", "K3", "K4")),
        }
        frame = self.data("HAND01", _with_totals(info, selection))
        frame["year"], frame["service"] = frame["Tid"].str[:4].astype(int), frame["YDELSESTYPE"].map(services)
        # A row that is left out is not zero: municipalities that did not report, and few persons, are left out too.
        frame["value"] = frame["value"].mask(frame["mark"].isin(["omitted", "absent"]))
        return _named(_whole(frame, ["OMRÅDE", "year", "service"], mean=True), "full_year_persons")

    def population(self, years: list[int]) -> pd.DataFrame:
        info = self.info("FOLK1A")
        ages = [expected_code(info, "ALDER", str(age), (str(age),)) for age in range(18, 65)]
        selection: dict[str, object] = {
            "OMRÅDE": _areas(info, "OMRÅDE"),
            "ALDER": ages,
            "Tid": years_of(info, years, ("K1",)),
        }
        frame = self.data("FOLK1A", _with_totals(info, selection))
        frame["year"] = frame["Tid"].str[:4].astype(int)
        return _named(_whole(frame, ["OMRÅDE", "year"]), "population_18_64")

    def pensioners(self, years: list[int]) -> pd.DataFrame:
        info = self.info("AUH01")
        selection: dict[str, object] = {
            "OMRÅDE": _areas(info, "OMRÅDE"),
            "YDELSESTYPE": code_by_text(info, "YDELSESTYPE", "Førtidspension"),
            "Tid": years_of(info, years),
        }
        frame = self.data("AUH01", _with_totals(info, selection))
        frame["year"] = frame["Tid"].astype(int)
        return _named(_whole(frame, ["OMRÅDE", "year"]), "pensioners")

    def schooling(self, years: list[int]) -> pd.DataFrame:
        info = self.info("HFUDD11")
        total = expected_code(info, "HFUDD", "TOT", ())
        basic = expected_code(info, "HFUDD", "H10", ("grundskole",))
        selection: dict[str, object] = {
            "BOPOMR": _areas(info, "BOPOMR"),
            "HFUDD": [total, basic],
            "ALDER": age_bands(info, "ALDER", 25, 64),
            "Tid": years_of(info, years),
        }
        frame = self.data("HFUDD11", _with_totals(info, selection)).rename(columns={"BOPOMR": "OMRÅDE"})
        frame["year"] = frame["Tid"].astype(int)
        sums = _whole(frame, ["OMRÅDE", "year", "HFUDD"]).unstack("HFUDD")
        return _named(100.0 * sums[basic] / sums[total].where(sums[total] > 0), "low_education_pct")

    def prices(self, years: list[int]) -> pd.DataFrame:
        info = self.info("PRIS112")
        mean = expected_code(info, "HOVED", "1005", ("gennemsnit",))
        frame = self.data("PRIS112", {"HOVED": mean, "Tid": years_of(info, years)})
        return pd.DataFrame({"year": frame["Tid"].astype(int), "consumer_prices": frame["value"]})


def _column(provider: str) -> str:
    return f"purchases_{provider}_1000dkk"


def _with_attrs(frame: pd.DataFrame, attrs: dict[str, Any]) -> pd.DataFrame:
    frame.attrs = {}
    frame.attrs.update(attrs)
    return frame


def _years(years: Sequence[int]) -> list[int]:
    given = [] if isinstance(years, str) else list(years)
    if not given or len(set(given)) < len(given) or not all(type(y) is int and 1970 <= y < 2100 for y in given):
        raise SpecificationError(f"years={years!r:.80}; give years in a list, each once, as [2018, 2019]")
    return sorted(given)


def _areas(info: TableInfo, name: str) -> list[str]:
    """Return the municipalities that a table has; Christiansø, regions and groups have other codes."""
    ours = {str(code) for code in municipalities()["code"]}
    there = [code for code in variable_of(info, name).values if code in ours]
    if len(there) < 2:
        raise DataError(
            f"table {info.id} ({info.text}), variable {name}: codes of municipalities (101 to 860) are expected; "
            f"it has {', '.join(list(variable_of(info, name).values)[:6])}"
        )
    return there


def _with_totals(info: TableInfo, selection: Mapping[str, object]) -> dict[str, object]:
    """Return the selection with the total of each variable that it does not name."""
    named = {name.casefold() for name in selection}
    totals = {name: total_code(info, name) for name in info.variables if name.casefold() not in named}
    return {**selection, **{name: code for name, code in totals.items() if code is not None}}


def _whole(frame: pd.DataFrame, keys: list[str], *, mean: bool = False, value: str = "value") -> pd.Series[Any]:
    """Return sums or means by keys; one that lacks a part is missing, and no smaller sum."""
    groups = frame.groupby(keys, sort=False)[value]
    found = groups.mean() if mean else groups.sum()
    return found.where(groups.count() == groups.size())


def _named(values: pd.Series[Any], name: str) -> pd.DataFrame:
    return values.rename(name).reset_index().rename(columns={"OMRÅDE": "municipality_code"})


def _grid(years: list[int]) -> pd.DataFrame:
    """Return a row for each municipality, year and service, in this order."""
    names = municipalities()
    services = [service.name for service in _SERVICES]
    unit, year, service = (a.ravel() for a in np.indices((len(names), len(years), len(services))))
    return pd.DataFrame(
        {
            "municipality_code": names["code"].astype(str).take(unit).array,
            "municipality": names["municipality"].astype("str").take(unit).array,
            "year": np.array(years)[year],
            "service": pd.Series(services, dtype="str").take(service).array,
        }
    )


def _missing_said(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return a note for each column that some municipalities lack values of."""
    notes = []
    for column in frame.columns[4:]:
        lacking = frame.loc[frame[column].isna(), "municipality"].drop_duplicates().tolist()
        if lacking:
            shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
            notes.append(f"{len(lacking)} municipalities lack {column} in some year or service: {shown}")
    return tuple(notes)


def _gap_said(cost: pd.DataFrame) -> tuple[str, ...]:
    """Return a note where the country's expenditure is not what its municipalities add up to."""
    last = cost[cost["year"] == cost["year"].max()]
    if not (last["municipality_code"] == _COUNTRY).any():
        return ()
    sums = _whole(last, ["municipality_code"], value="cost_1000dkk").reset_index()
    if sums.loc[sums["municipality_code"] == _COUNTRY, "cost_1000dkk"].isna().any():
        return ()
    gap = country_gap(sums, "municipality_code", "cost_1000dkk")
    # Each amount is rounded to whole units by itself.
    if abs(gap.difference) <= 0.5 * (len(last) + 1):
        return ()
    return (f"expenditure of {int(last['year'].iloc[0])}, DKK 1,000: {gap}",)
