"""Faults between the keys of a study, found on the raw table so that they come together with those of single keys."""

from __future__ import annotations

from typing import Any

from benchmodels.errors import SpecificationError
from benchmodels.replication.pupil_courses import COURSE_COLUMNS
from benchmodels.replication.section import development_faults

__all__ = ["COUNTS", "SHARES", "cross_faults", "named"]

# Families of cases out of so many, and of counts of any kind.
SHARES = ("binomial", "beta_binomial")
COUNTS = (*SHARES, "poisson", "negative_binomial")
# Names that a table of courses has of its own, beside which the year stands.
_TAKEN = ("unit", "pupil", "absent", "possible", "months", "onset", "duration", "begins", "ends", "moved")
_CONDITIONS = ("composition", "environment")


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
    faults += _choice_faults(table, model, roles)
    faults += _courses_faults(_section(table, "data"), model, roles)
    return faults + _frontier_faults(table, model, roles) + development_faults(table)


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


def _choice_faults(table: dict[str, Any], model: dict[str, Any], roles: dict[str, Any]) -> list[str]:
    """Faults of what a unit chooses itself: it is no condition, and plays no other part."""
    chosen = _names(roles, "choice")
    if not chosen:
        return []
    faults = [f"roles.choice: names {named(twice)} twice" for twice in [_twice(chosen)] if twice]
    own = "is the unit's own choice and never enters an expected value; held against the differences, it is in roles"
    faults += [f"model.formula: {name!r} {own}" for name in dict.fromkeys(chosen) if name in _covariates(model)]
    single = [str(column) for role, column in roles.items() if role != "choice"]
    outcome = str(model.get("formula", "")).partition("~")[0].strip(" `")
    taken = [name for name in dict.fromkeys(chosen) if name in (*single, outcome)]
    if taken:
        faults.append(f"roles.choice: {named(taken)} plays another part in the study")
    given = [name for name in dict.fromkeys(chosen) if name in _names(_section(table, "frontier"), *_CONDITIONS)]
    if given:
        faults.append(f"frontier: {named(given)} is the unit's own choice and no condition that it is given")
    return faults


def _courses_faults(data: dict[str, Any], model: dict[str, Any], roles: dict[str, Any]) -> list[str]:
    """Faults of courses of absence: a column in two parts, and columns that are not left when they are told."""
    asked = data.get("courses")
    if not isinstance(asked, dict):
        return []
    unit, of_pupils = _names(roles, "unit"), _names(asked, "pupil", "year", "absent", "possible", "keep")
    parts = [*unit, *of_pupils, *_names(asked, "month")]
    faults = [f"data.courses: {named(twice)} plays two parts" for twice in [_twice(parts)] if twice]
    reserved = [name for name in dict.fromkeys(parts) if name in COURSE_COLUMNS]
    if reserved:
        faults.append(f"data.courses: {named(reserved)} is made here, so no column of the table may be called that")
    if asked.get("year") in _TAKEN:
        faults.append(f"data.courses.year: must not be called {asked['year']!r} (nor any of {named(_TAKEN)})")
    left = {*unit, *of_pupils, *COURSE_COLUMNS}
    wanted = [name for role in roles for name in _names(roles, role)]
    wanted += [*_section(data, "filter"), *_names(_section(data, "aggregate"), "by", "sum"), *_covariates(model)]
    gone = [name for name in dict.fromkeys(wanted) if name not in left]
    if gone:
        faults.append(f"data.courses.keep: lacks {named(gone)}, which the study uses")
    return faults


def _covariates(model: dict[str, Any]) -> tuple[str, ...]:
    """Return the columns on the right-hand side of the formula; none where it cannot be read, told elsewhere."""
    from benchmodels.formula import read_formula

    try:
        return read_formula(str(model.get("formula", "")))[2]
    except SpecificationError:
        return ()


def _twice(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


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
    goods, conditions = _names(asked, "inputs", "outputs"), _names(asked, *_CONDITIONS)
    by = _names(asked, "outputs_by")
    twice = _twice(goods)
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
        several = value if isinstance(value, list | dict) else [value]
        found += [name for name in several if isinstance(name, str)]
    return found
