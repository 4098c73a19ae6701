"""Sections of a study: what they have in common, and the one on what growth in expenditure consists of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["Development", "Growth", "Name", "Section", "development_faults"]

Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Section(BaseModel):
    """A part of a study file: every key is known, and none is changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Development(Section):
    """What amounts grew by from the first period to the last, and what the growth consists of.

    Rows are those of the table before it is summed, one for each unit, item and period; more are added up.
    """

    value: Name = Field(description="Column of amounts.")
    item: Name = Field(description="Column of what the amounts are for, such as service.")
    population: Name | None = Field(None, description="Column of inhabitants: one number for a unit and period.")
    recipients: Name | None = Field(None, description="Column of recipients of each item, best as full-year persons.")
    providers: list[Name] = Field(
        default_factory=list, description="Columns of what is paid for services of others, one for each who is paid."
    )
    prices: dict[str, float] = Field(default_factory=dict, description="Price index: period = level, on any base.")
    price_index: Name | None = Field(None, description="Column of the price index, in place of prices.")
    base: str | int | None = Field(None, description="Period whose prices amounts are told in too.")

    def columns(self) -> list[str]:
        """Return every column that is named, once each."""
        one = [self.value, self.item, self.population, self.recipients, self.price_index]
        return list(dict.fromkeys([*filter(None, one), *self.providers]))


class Growth(Section):
    """Amounts and people in a sentence about development."""

    money: Name = Field(description="Unit of measure of a cost per person: 'DKK'.")
    person: Name | None = Field(None, description="One of the population: 'inhabitant aged 18-64'.")
    recipient: Name | None = Field(None, description="One recipient: 'full-year person'.")
    recipients: Name | None = Field(None, description="Several: 'full-year persons'.")


def development_faults(table: dict[str, Any]) -> list[str]:
    """Return faults of a study's development that take two keys to see.

    Parameters
    ----------
    table : dict
        The sections as read; any of them may be missing or of a wrong type, which is told elsewhere.
    """
    asked = table.get("development")
    texts = table.get("texts")
    faults = []
    for lang, words in (texts if isinstance(texts, dict) else {}).items():
        if isinstance(words, dict) and ("development" in words) != (asked is not None):
            told = "is missing: the study has a development" if asked is not None else "the study has no development"
            faults.append(f"texts.{lang}.development: {told}")
    if not isinstance(asked, dict):
        return faults
    roles = table.get("roles") if isinstance(table.get("roles"), dict) else {}
    assert isinstance(roles, dict)
    if roles.get("period") is None:
        faults.append("development: needs roles.period, to know from when to when amounts grew")
    providers = asked.get("providers")
    parts = [asked.get(key) for key in ("value", "item", "population", "recipients", "price_index")]
    parts += providers if isinstance(providers, list) else []
    parts += [roles.get(key) for key in ("unit", "period")]
    names = [name for name in parts if isinstance(name, str)]
    twice = list(dict.fromkeys(name for name in names if names.count(name) > 1))
    if twice:
        faults.append(f"development: {', '.join(map(repr, twice))} plays two parts")
    return faults + _price_faults(asked) + _word_faults(asked, texts)


def _price_faults(asked: dict[str, Any]) -> list[str]:
    prices = asked.get("prices")
    given = [key for key in ("prices", "price_index") if asked.get(key)]
    if len(given) == 2:
        return ["development: one price index is enough (found both prices and price_index)"]
    if bool(given) != ("base" in asked):
        return [f"development: a price index and base go together (found only {(given or ['base'])[0]!r})"]
    if given == ["prices"] and isinstance(prices, dict):
        wrong = [key for key, level in prices.items() if isinstance(level, int | float) and not level > 0]
        if wrong:
            return [f"development.prices: levels are above zero (found {wrong[0]} = {prices[wrong[0]]!r})"]
        if str(asked["base"]) not in prices:
            return [f"development.base: must be one of {', '.join(prices)} (found {asked['base']!r})"]
    return []


def _word_faults(asked: dict[str, Any], texts: object) -> list[str]:
    """Return what texts lack of the words for people that are counted."""
    faults = []
    for lang, words in (texts if isinstance(texts, dict) else {}).items():
        told = words.get("development") if isinstance(words, dict) else None
        if not isinstance(told, dict):
            continue
        needed = (["person"] if "population" in asked else []) + (
            ["recipient", "recipients"] if "recipients" in asked else []
        )
        faults += [f"texts.{lang}.development.{key}: is missing" for key in needed if key not in told]
    return faults
