"""What growth consists of, in words: a fold for the chosen unit beside all units together, and one for all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from benchmodels.report.chapter import Chapter
    from benchmodels.report.wording import Wording

__all__ = ["Development", "development_view", "growth_rows", "with_growth"]

_TOTAL = "(total)"
_CURRENT = "current"
_MARGIN = 4.0
_WHOLE = 100.0 - 2 * _MARGIN


@dataclass(frozen=True, eq=False, kw_only=True)
class Development:
    """What amounts grew by, and the words for amounts and people.

    Parameters
    ----------
    contributions, providers, unit_costs, split : DataFrame
        With columns scope ('unit' or 'all'), unit and prices ('current', or the base of an index) before their own;
        without rows where the study does not ask for them. Shares and growth are fractions.
    start, end, base : str
        First and last period, and that whose prices amounts are told in too; base empty for none.
    money, person, recipient, recipients : str
        Unit of measure of a cost per person; one inhabitant, one recipient, several.
    notes : tuple of str
    """

    contributions: pd.DataFrame
    providers: pd.DataFrame
    unit_costs: pd.DataFrame
    split: pd.DataFrame
    start: str
    end: str
    base: str
    money: str
    person: str
    recipient: str
    recipients: str
    notes: tuple[str, ...]


def development_view(chapter: Chapter, w: Wording) -> dict[str, Any]:
    """Return the fold of all units together, and headings of that of a unit; empty where the study has none."""
    found = chapter.development
    if found is None:
        return {}
    w = _about(found, w)
    told = _Told(chapter, found, w)
    headings = [w("development_change"), *([w("development_fixed_change")] if found.base else [])]
    return {
        "summary": w("development_summary"),
        "caution": w("development_caution"),
        "method": w("development_method", recipient=found.recipient) if len(found.split) else "",
        "contributions_caption": w("development_contributions"),
        "contributions_beside": w("development_contributions_beside"),
        "costs_caption": w("development_costs", money=found.money) if told.has_costs else "",
        "providers_caption": w("development_providers") if len(found.providers) else "",
        "providers_beside": w("development_providers_beside") if len(found.providers) else "",
        "columns": [found.start, found.end, *headings],
        "provider_columns": [found.start, found.end, w("development_change")],
        "together": told.of(None),
    }


def growth_rows(chapter: Chapter, w: Wording) -> dict[str, dict[str, Any]]:
    """Return what the script puts into the profile of each unit."""
    found = chapter.development
    if found is None:
        return {}
    told = _Told(chapter, found, _about(found, w))
    units = found.contributions.loc[found.contributions["scope"] == "unit", "unit"].drop_duplicates().tolist()
    return {str(unit): told.of(unit) for unit in units}


def with_growth(words: dict[str, Any], growth: dict[str, Any] | None) -> dict[str, Any]:
    """Return the words of a unit with those of its development; its place stays empty where it has none."""
    slots = {**words["slots"], "development": "" if growth is None else growth["sentence"]}
    return {**words, "slots": slots, "growth": growth}


def _about(found: Development, w: Wording) -> Wording:
    w = w.about(start=found.start, end=found.end, base=found.base)
    return w.about(together=w("development_together"))


class _Told:
    """Rows of tables and sentences of one unit, or of all together."""

    def __init__(self, chapter: Chapter, found: Development, w: Wording) -> None:
        self.chapter, self.found, self.w = chapter, found, w
        tables = ("contributions", "providers", "unit_costs", "split")
        self.parts = {name: dict(_pieces(getattr(found, name))) for name in tables}
        whole = self._part("contributions", None, _CURRENT)
        items = whole[whole["item"] != _TOTAL].sort_values("contribution", ascending=False, kind="stable")
        self.items = [*items["item"].tolist(), _TOTAL]
        costs = found.unit_costs
        self.kinds = [
            (column, word)
            for column, word in (("per_inhabitant", found.person), ("per_recipient", found.recipient))
            if len(costs) and costs[column].notna().any()
        ]
        self.has_costs = bool(self.kinds)

    def of(self, unit: Any) -> dict[str, Any]:
        """Return all that is told of a unit; None for all together."""
        rows, zero = self._contributions(unit)
        return {
            "sentence": " ".join(filter(None, self._sentences(unit))),
            "rows": rows,
            "zero": zero,
            "costs": self._costs(unit),
            "providers": self._providers(unit),
        }

    def _part(self, table: str, unit: Any, prices: str) -> pd.DataFrame:
        scope = "all" if unit is None else "unit"
        found = self.parts[table].get((scope, "" if unit is None else unit, prices))
        return getattr(self.found, table).iloc[:0] if found is None else found

    def _growth(self, unit: Any, prices: str) -> float:
        part = self._part("contributions", unit, prices)
        return float(part.loc[part["item"] == _TOTAL, "growth"].iloc[0]) if len(part) else math.nan

    def _percent(self, share: float) -> str:
        told = self.w.number(100.0 * share, 1, sign=True)
        return self.w.percent(told) if math.isfinite(share) else told

    def _sentences(self, unit: Any) -> list[str]:
        w, base = self.w, self.found.base
        own = "" if unit is None else "_unit"

        def both(prices: str) -> dict[str, str]:
            told = {
                "growth": self._percent(self._growth(unit, prices)),
                "all": self._percent(self._growth(None, prices)),
            }
            return told | ({} if unit is None else {"unit": str(unit)})

        sentences = [w(f"development_growth{own}", **both(_CURRENT))]
        if base:
            sentences.append(w(f"development_fixed{own}", **both(base)))
        return [*sentences, self._split(unit, base or _CURRENT)]

    def _split(self, unit: Any, prices: str) -> str:
        """Return how much of the growth is more recipients, and how much a higher cost of each."""
        part = self._part("split", unit, prices)
        if not len(part) or not math.isfinite(float(part["cost_growth"].iloc[0])):
            return ""
        row = part.iloc[0]
        start = float(row["change"]) / float(row["cost_growth"]) if row["cost_growth"] else math.nan
        if not math.isfinite(start):
            return ""
        w, found = self.w, self.found
        points = {
            name: w.number(100.0 * float(row[f"from_{name}"]) / start, 1, sign=True)
            for name in ("recipients", "mix", "unit_cost")
        }
        return w(
            "development_split" if prices == _CURRENT else "development_split_fixed",
            many_recipients=found.recipients,
            recipient=found.recipient,
            more=self._percent(float(row["recipients_growth"])),
            dearer=self._percent(float(row["unit_cost_growth"])),
            **points,
        )

    def _contributions(self, unit: Any) -> tuple[list[list[Any]], float]:
        """Return name, text and bar of the unit and of all together, by item, and where zero is drawn."""
        own, every = (self._by_item(one) for one in (unit, None))
        shown = [*own.values(), *([] if unit is None else every.values())]
        known = [value for value in shown if math.isfinite(value)]
        low, high = min([0.0, *known]), max([0.0, *known])
        span = (high - low) or 1.0

        def at(value: float) -> float:
            return round(_MARGIN + _WHOLE * (value - low) / span, 2)

        def bar(value: float) -> list[Any] | None:
            if not math.isfinite(value):
                return None
            left, right = sorted((at(0.0), at(value)))
            return [left, round(max(right - left, 0.4), 2), "up" if value >= 0 else "down"]

        rows = []
        for item in self.items:
            name = self.w("development_total") if item == _TOTAL else self._label(item)
            mine, theirs = own.get(item, math.nan), every.get(item, math.nan)
            beside = ["", None] if unit is None else [self._points(theirs), bar(theirs)]
            rows.append([name, self._points(mine), bar(mine), *beside])
        return rows, at(0.0)

    def _by_item(self, unit: Any) -> Mapping[Any, float]:
        part = self._part("contributions", unit, _CURRENT)
        return dict(zip(part["item"].tolist(), part["contribution"].astype(float).tolist(), strict=True))

    def _points(self, share: float) -> str:
        return self.w.number(100.0 * share, 1, sign=True)

    def _label(self, name: object) -> str:
        return first_upper(self.chapter.labels.terms.get(str(name), str(name)))

    def _costs(self, unit: Any) -> list[list[str]]:
        """Return what a person costs in the first and the last period, and how that has changed."""
        rows = []
        for column, word in self.kinds:
            for whose in [unit] if unit is None else [unit, None]:
                name = self.w("development_per", person=word)
                name = (
                    name if unit is None else f"{name}, {str(unit) if whose is not None else self.w.common['together']}"
                )
                rows.append([name, *self._cost_cells(whose, column)])
        return rows

    def _cost_cells(self, unit: Any, column: str) -> list[str]:
        cells: list[str] = []
        for prices in (_CURRENT, *([self.found.base] if self.found.base else [])):
            part = self._part("unit_costs", unit, prices)
            by = part[part["item"] == _TOTAL].set_index(part.loc[part["item"] == _TOTAL, "period"].astype(str))[column]
            first, last = (float(by.get(period, np.nan)) for period in (self.found.start, self.found.end))
            if prices == _CURRENT:
                cells += [self.w.number(first), self.w.number(last)]
            cells.append(self._percent(last / first - 1.0 if first > 0 else math.nan))
        return cells

    def _providers(self, unit: Any) -> list[list[str]]:
        """Return the share of each who is paid in the first and the last period, and the growth of what it is paid."""
        own, every = (self._by_provider(one) for one in (unit, None))
        rows = []
        for name in every:
            mine = own.get(name, ("", "", ""))
            told = mine if unit is None else [f"{a} ({b})" if a else b for a, b in zip(mine, every[name], strict=True)]
            rows.append([self._label(name), *told])
        return rows

    def _by_provider(self, unit: Any) -> dict[Any, tuple[str, str, str]]:
        part = self._part("providers", unit, _CURRENT)
        told: dict[Any, tuple[str, str, str]] = {}
        if not len(part):
            return told
        for name, rows in part.groupby("provider", sort=False):
            by = rows.set_index(rows["period"].astype(str))
            shares = [float(by["share"].get(period, np.nan)) for period in (self.found.start, self.found.end)]
            first, last = (self.w.percent(self.w.number(100.0 * share)) for share in shares)
            told[name] = (first, last, self._percent(float(by["growth"].get(self.found.end, np.nan))))
        return told


def _pieces(table: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Return the rows of each scope, unit and prices."""
    if not len(table):
        return []
    return [(tuple(key), part) for key, part in table.groupby(["scope", "unit", "prices"], sort=False)]
