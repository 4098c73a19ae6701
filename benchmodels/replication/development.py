"""What growth in a study's amounts consists of, for each unit and for all together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsWarning, DataError
from benchmodels.expenditure import contributions, fixed_prices, provider_mix, split_growth
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Hashable

    from benchmodels.replication.section import Development
    from benchmodels.replication.study import Study
    from benchmodels.replication.tables import Table

__all__ = ["TOTAL", "GrowthTables", "development_of"]

TOTAL = "(total)"
_CURRENT = "current"
_PEOPLE = {"population": "numbers of inhabitants", "recipients": "numbers of recipients"}
# An amount or number of people is a figure; one of few people is refused as a unit cost.
_LEAST_PEOPLE = 1.0


@dataclass(frozen=True, eq=False, kw_only=True)
class GrowthTables:
    """What amounts grew by, and what the growth consists of. Shares and growth are fractions.

    Rows of `scope` "unit" are of one unit, rows of "all" of all units together that have figures at both ends. `prices`
    is "current", or the base of the index.

    Parameters
    ----------
    contributions : DataFrame
        scope, unit, prices, item, start, end, change, growth, contribution (percentage points of the total, as a
        fraction), share_of_growth; the total is the item `TOTAL`.
    providers : DataFrame
        scope, unit, prices, provider, period, amount, share, growth (since the first period).
    unit_costs : DataFrame
        scope, unit, prices, item, period, amount, population, recipients, per_inhabitant, per_recipient; costs of a
        person are times the study's scale.
    split : DataFrame
        scope, unit, prices, cost_growth, recipients_growth, unit_cost_growth, change, from_recipients, from_mix,
        from_unit_cost: change in the unit of measure of the amounts, and its parts, which add up to it.
    start, end : label
        First and last period.
    base : str
        Period whose prices amounts are told in too; empty for none.
    notes : tuple of str
        What a reader must know.
    """

    contributions: pd.DataFrame
    providers: pd.DataFrame
    unit_costs: pd.DataFrame
    split: pd.DataFrame
    start: Hashable
    end: Hashable
    base: str
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what is written to files, by the ending of each name; none without rows."""
        named = {
            "development": self.contributions,
            "providers": self.providers,
            "unit-costs": self.unit_costs,
            "growth-split": self.split,
        }
        return {name: table for name, table in named.items() if len(table)}


def development_of(study: Study, table: Table) -> GrowthTables | None:
    """Return what growth consists of; None where the study does not ask.

    Parameters
    ----------
    study : Study
    table : Table
        Its rows before they are summed are used. Units kept back by disclosure control are not in it, and so in no
        total; with disclosure control only all units together are told of, since nothing judges amounts by item.

    Raises
    ------
    DataError
        Amounts or people that are no numbers, one period, a population that is not one number for a unit and period,
        or no unit with figures at both ends.
    """
    asked = study.development
    if asked is None:
        return None
    rows = _rows(study, asked, table)
    periods = sorted(rows["period"].unique().tolist())
    if len(periods) < 2:
        raise DataError(f"development: {study.roles.period!r} has only {listed(periods)}; growth needs two periods")
    first, last = periods[0], periods[-1]
    whole, notes = _whole(rows, "amount", first, last, what="amounts of every item")
    if not whole:
        raise DataError(f"development: no unit has amounts of every item in both {first} and {last}")
    rows = rows[rows["unit"].isin(whole)]
    counted = {"population": asked.population, "recipients": asked.recipients}
    known: dict[str, list[Any]] = {}
    for role, column in counted.items():
        if column is not None:
            known[role], told = _whole(rows, role, first, last, what=_PEOPLE[role])
            notes += told
    levels, base = _levels(asked, table, study)
    if study.disclosure is not None:
        notes += (
            "what amounts are for is told of all published units together: nothing judges a unit's amounts by item",
        )
    made: dict[str, list[pd.DataFrame]] = {"contributions": [], "providers": [], "unit_costs": [], "split": []}
    for prices in (_CURRENT, *([base] if base else [])):
        told_in = rows if prices == _CURRENT else _in_prices(rows, asked, levels, base)
        for scope in ("all",) if study.disclosure is not None else ("unit", "all"):
            part = _Part(told_in, scope, prices, known, asked.providers, study.comparison.scale, (first, last))
            for name, frame in part.tables().items():
                made[name].append(_labelled(frame, part))
                notes += tuple(note for note in frame.attrs.get("notes", ()) if prices == _CURRENT)
    tables = {name: pd.concat(found, ignore_index=True) if found else pd.DataFrame() for name, found in made.items()}
    return GrowthTables(**tables, start=first, end=last, base=base, notes=tuple(dict.fromkeys(notes)))


def _rows(study: Study, asked: Development, table: Table) -> pd.DataFrame:
    """Return a row for each unit, item and period, with amounts and people added up; what is missing stays missing."""
    cases = table.cases
    period = study.roles.period
    assert period is not None  # the study was checked
    keys = {"unit": study.roles.unit, "item": asked.item, "period": period}
    named = {"amount": asked.value, "recipients": asked.recipients, "population": asked.population}
    named |= {f"provider {i}": column for i, column in enumerate(asked.providers)}
    frame = pd.DataFrame({name: cases[column] for name, column in keys.items()})
    for name, column in named.items():
        if column is None:
            continue
        if not pd.api.types.is_numeric_dtype(cases[column]) or pd.api.types.is_bool_dtype(cases[column]):
            raise DataError(f"{table.name}: development needs numbers in {column!r}; it holds {cases[column].dtype}")
        frame[name] = cases[column].astype(np.float64)
    if frame[list(keys)].isna().any().any():
        raise DataError(f"{table.name}: development needs a unit, item and period in every row")
    if asked.population is not None:
        met = frame.groupby(["unit", "period"], sort=False)["population"].nunique(dropna=False)
        varying = met.index[met > 1].tolist()
        if varying:
            raise DataError(
                f"{table.name}: population {asked.population!r} is not one number for a unit and period: "
                f"{' in '.join(map(str, varying[0]))} has {int(met.max())}"
            )
    sums = [name for name in frame.columns if name not in (*keys, "population")]
    whole = _added(frame, list(keys), sums)
    if asked.population is not None:
        whole = whole.merge(
            frame[["unit", "period", "population"]].drop_duplicates(["unit", "period"]), on=["unit", "period"]
        )
    return whole


def _added(rows: pd.DataFrame, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """Return sums by keys; one that lacks a part is missing, and no smaller sum."""
    groups = rows.groupby(keys, sort=False, observed=True)[columns]
    return groups.sum().where(groups.count().eq(groups.size(), axis=0)).reset_index()


def _whole(
    rows: pd.DataFrame, column: str, first: object, last: object, *, what: str
) -> tuple[list[Any], tuple[str, ...]]:
    """Return units that have figures of every item at both ends, and a note of the others."""
    ends = rows[rows["period"].isin([first, last])]
    count = ends.groupby("unit", sort=False)[column].count()
    needed = 2 * rows["item"].nunique()
    units = rows["unit"].drop_duplicates().tolist()
    whole = [unit for unit in units if count.get(unit, 0) == needed]
    lost = [unit for unit in units if unit not in set(whole)]
    if not lost:
        return whole, ()
    return whole, (
        f"{len(lost)} of {len(units)} units without {what} in {first} or {last} are in no sum of it: "
        f"{', '.join(map(str, lost[:5]))}{f' and {len(lost) - 5} more' if len(lost) > 5 else ''}",
    )


def _levels(asked: Development, table: Table, study: Study) -> tuple[dict[Any, float], str]:
    """Return the price index by period as the table writes it, and its base; nothing without an index."""
    period = study.roles.period
    if asked.base is None or period is None:
        return {}, ""
    there = table.cases[period].drop_duplicates().tolist()
    if asked.price_index is None:
        lacking = [one for one in there if str(one) not in asked.prices]
        if lacking:
            raise DataError(f"development.prices: no level for {listed(lacking)}; there is {', '.join(asked.prices)}")
        levels = {one: asked.prices[str(one)] for one in there}
        # A base may be beyond the table's periods: prices of this year, of accounts to last year.
        return levels | {str(asked.base): asked.prices[str(asked.base)]}, str(asked.base)
    met = table.cases.groupby(period)[asked.price_index].nunique(dropna=False)
    if (met > 1).any():
        raise DataError(f"{table.name}: price index {asked.price_index!r} is not one level for each {period!r}")
    found = table.cases.groupby(period)[asked.price_index].first().to_dict()
    named = {str(one): level for one, level in found.items()}
    if str(asked.base) not in named:
        raise DataError(f"development.base: {period!r} has no {asked.base!r}; there is {', '.join(named)}")
    return found | {str(asked.base): named[str(asked.base)]}, str(asked.base)


def _labelled(frame: pd.DataFrame, part: _Part) -> pd.DataFrame:
    frame = frame.copy()
    frame.attrs = {}
    if "unit" not in frame.columns:
        frame.insert(0, "unit", "")
    frame.insert(0, "scope", part.scope)
    frame.insert(2, "prices", part.prices)
    return frame


def _in_prices(rows: pd.DataFrame, asked: Development, levels: dict[Any, float], base: str) -> pd.DataFrame:
    for column in ("amount", *(f"provider {i}" for i in range(len(asked.providers)))):
        rows = rows.copy()
        rows.attrs = {}
        rows = fixed_prices(rows, value=column, period="period", index=levels, base=base)
    rows.attrs = {}
    return rows


@dataclass(frozen=True, eq=False)
class _Part:
    """Amounts in some prices, of each unit or of all together."""

    rows: pd.DataFrame
    scope: str
    prices: str
    known: dict[str, list[Any]]
    providers: list[str]
    scale: float
    ends: tuple[Any, Any]

    def tables(self) -> dict[str, pd.DataFrame]:
        found = {"contributions": self._contributions(), "unit_costs": self._unit_costs()}
        if self.providers:
            found["providers"] = self._providers()
        if "recipients" in self.known and self.known["recipients"]:
            found["split"] = self._split()
        return found

    @property
    def _by(self) -> list[str]:
        return ["unit"] if self.scope == "unit" else []

    def _added(self, columns: list[str], keys: list[str], units: list[Any] | None = None) -> pd.DataFrame:
        """Return sums over units where all are told of together."""
        rows = self.rows if units is None else self.rows[self.rows["unit"].isin(units)]
        return _added(rows, [*self._by, *keys], columns)

    def _contributions(self) -> pd.DataFrame:
        rows = self._added(["amount"], ["item", "period"])
        start, end = self.ends
        return contributions(
            rows, value="amount", item="item", period="period", total=None, by=self._by, start=start, end=end
        )

    def _providers(self) -> pd.DataFrame:
        columns = [f"provider {i}" for i in range(len(self.providers))]
        rows = self._added(columns, ["period"]).melt(
            id_vars=[*self._by, "period"], value_vars=columns, var_name="account", value_name="amount"
        )
        rows["account"] = rows["account"].map(dict(zip(columns, self.providers, strict=True)))
        named = {name: name for name in self.providers}
        return provider_mix(
            rows, value="amount", item="account", period="period", total=None, by=self._by, providers=named
        )

    def _unit_costs(self) -> pd.DataFrame:
        items = self._added(["amount"], ["item", "period"])
        total = self._added(["amount"], ["period"]).assign(item=TOTAL)
        frame = pd.concat([items, total], ignore_index=True)[[*self._by, "item", "period", "amount"]]
        for role, name in (("population", "per_inhabitant"), ("recipients", "per_recipient")):
            frame[role], frame[name] = np.nan, np.nan
            if self.known.get(role):
                people, cost = self._people(role, frame)
                frame[role] = people
                frame[name] = cost / people.where(people >= _LEAST_PEOPLE) * self.scale
        return frame

    def _people(self, role: str, frame: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """Return people and what they cost by the rows of a table, both of units whose people are known."""
        units = self.known[role] if self.scope == "all" else None
        keys = [*self._by, "item", "period"]
        rows = self.rows if units is None else self.rows[self.rows["unit"].isin(units)]
        items = _added(rows, keys, ["amount", role])
        once = rows
        if role == "population":
            # One number for all items of a unit and period.
            once = rows.assign(**{role: rows[role].where(~rows.duplicated(["unit", "period"]), 0.0)})
        whole = _added(once, [*self._by, "period"], ["amount", role])
        both = pd.concat([items, whole.assign(item=TOTAL)], ignore_index=True)
        found = frame[keys].merge(both, on=keys, how="left", validate="one_to_one")
        return found[role], found["amount"]

    def _split(self) -> pd.DataFrame:
        rows = self._added(["amount", "recipients"], ["item", "period"], self.known["recipients"])
        start, end = self.ends
        with warnings.catch_warnings():
            # A unit without a split has missing parts in the table; of all together there is one, or a note.
            warnings.simplefilter("ignore", BenchmodelsWarning)
            return split_growth(
                rows,
                cost="amount",
                recipients="recipients",
                period="period",
                by=self._by,
                measure="item",
                start=start,
                end=end,
            )
