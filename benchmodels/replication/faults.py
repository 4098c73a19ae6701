"""Faults between the keys of a study, found on the raw table so that they come together with those of single keys."""

from __future__ import annotations

from typing import Any

__all__ = ["COUNTS", "SHARES", "cross_faults", "named"]

# Families of cases out of so many, and of counts of any kind.
SHARES = ("binomial", "beta_binomial")
COUNTS = (*SHARES, "poisson", "negative_binomial")


def cross_faults(table: dict[str, Any]) -> list[str]:
    """Return every fault that takes two keys to see, each with the path of its key.

    Parameters
    ----------
    table : dict
        The sections as read; any of them may be missing or of a wrong type, which is told elsewhere.
    """
    faults = []
    data = table.get("data")
    if isinstance(data, dict) and ("dataset" in data) == ("path" in data):
        found = "both" if "dataset" in data else "neither"
        faults.append(f"data: exactly one of 'dataset' and 'path' must be given (found {found})")
    model, roles, asked = _section(table, "model"), _section(table, "roles"), table.get("comparison")
    if model and roles:
        family = model.get("family")
        if family == "fractional" and "disclosure" in table:
            faults.append("disclosure: is for counts and for costs, not for shares without counts")
        if family not in SHARES and "trials" in roles:
            faults.append(f"roles.trials: belongs to family 'binomial' (found family {family!r})")
        if isinstance(asked, dict):
            faults += _limits_faults(asked, family, roles)
    return faults + _frontier_faults(table, model, roles)


def named(names: Any) -> str:
    """Return names in quotes, with commas."""
    return ", ".join(repr(name) for name in names)


def _section(table: dict[str, Any], name: str) -> dict[str, Any]:
    found = table.get(name)
    return found if isinstance(found, dict) else {}


def _limits_faults(asked: dict[str, Any], family: object, roles: dict[str, Any]) -> list[str]:
    """Faults of a reference distribution that the outcome, or another option, does not have."""
    limits = asked.get("limits", "tau")
    faults = []
    families = SHARES if limits == "beta_binomial" else COUNTS if limits in ("garwood", "negative_binomial") else ()
    if families:
        where = f"comparison.limits: {limits!r}"
        if family not in families:
            faults.append(f"{where} is of counts, family {named(families)} (found family {family!r})")
        if asked.get("standard", "indirect") != "indirect":
            faults.append(f"{where} is of the counts of each unit's own cases, standard 'indirect'")
        if "sampling_weights" in roles:
            faults.append(f"{where} is of whole counts; with roles.sampling_weights they are not")
    trims = [name for name in ("winsorise", "truncate") if asked.get(name)]
    if trims and limits not in ("tau", "phi"):
        faults.append(f"comparison.{trims[0]}: is for limits 'tau' and 'phi' (found limits {limits!r})")
    if len(trims) == 2:
        faults.append("comparison.truncate: not together with winsorise")
    return faults


def _frontier_faults(table: dict[str, Any], model: dict[str, Any], roles: dict[str, Any]) -> list[str]:
    """Faults of best practice: columns in two parts, options that go together, and words that are missing."""
    asked = table.get("frontier")
    faults = []
    for lang, texts in _section(table, "texts").items():
        if isinstance(texts, dict) and ("frontier" in texts) != (asked is not None):
            told = "is missing: the study has a frontier" if asked is not None else "the study has no frontier"
            faults.append(f"texts.{lang}.frontier: {told}")
    if not isinstance(asked, dict):
        return faults
    goods, conditions = _names(asked, "inputs", "outputs"), _names(asked, "composition", "environment")
    by = _names(asked, "outputs_by")
    twice = [name for name in dict.fromkeys(goods) if goods.count(name) > 1]
    twice += [name for name in goods if name in (*conditions, *by, roles.get("unit"))]
    if twice:
        faults.append(f"frontier: {named(dict.fromkeys(twice))} plays two parts among unit, goods and conditions")
    if ("composition" in asked) != ("nearest" in asked):
        alone = "composition" if "composition" in asked else "nearest"
        faults.append(f"frontier: composition and nearest go together (found only {alone!r})")
    if asked.get("per_period") is True and "period" not in roles:
        faults.append("frontier.per_period: needs roles.period, to know how many periods a unit has")
    if "sampling_weights" in roles:
        faults.append("frontier: sums of a sample are no totals, so not together with roles.sampling_weights")
    return faults + (_disclosed_faults(model, roles, goods, by) if "disclosure" in table else [])


def _disclosed_faults(model: dict[str, Any], roles: dict[str, Any], goods: list[str], by: list[str]) -> list[str]:
    """Faults by which best practice would tell what disclosure control has not judged."""
    faults = []
    judged = [str(model.get("formula", "")).partition("~")[0].strip()]
    judged += [str(roles[name]) for name in ("trials", "exposure") if name in roles]
    others = [name for name in dict.fromkeys(goods) if name not in judged]
    if others:
        faults.append(
            f"frontier: with disclosure only the outcome and the size may be goods; nothing judges {named(others)}"
        )
    if by:
        faults.append("frontier.outputs_by: not together with disclosure: nothing judges the counts it splits into")
    if model.get("missing") == "drop":
        faults.append("frontier: with disclosure, not together with model.missing = 'drop': nothing judges those rows")
    return faults


def _names(asked: dict[str, Any], *keys: str) -> list[str]:
    found: list[str] = []
    for key in keys:
        value = asked.get(key, ())
        found += [name for name in ([value] if isinstance(value, str) else value or ()) if isinstance(name, str)]
    return found
