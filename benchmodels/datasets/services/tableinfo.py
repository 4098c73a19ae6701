"""What a table of the StatBank holds, and a selection from it checked before anybody is asked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from benchmodels.datasets.services.answer import clean
from benchmodels.datasets.services.jsonstat import read_json
from benchmodels.errors import DataError, SpecificationError

__all__ = ["Selection", "TableInfo", "Variable", "choose", "read_tableinfo"]

Selection = dict[str, tuple[str, ...]]
"""Codes asked for, by variable, both in the order of the table."""

_CONDITION = re.compile(r"(?P<first>[<>]=?)(?P<from>[^<>=]+)(?:(?P<last><=?)(?P<to>[^<>=]+))?")
_NTH = re.compile(r"(?P<sign>[+-]?)\((?P<rule>[^()]+)\)")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One side of a table.

    Parameters
    ----------
    id : str
        Code, as ``"OMRÅDE"``.
    text : str
        Name in the language asked for.
    elimination : bool
        Whether it may be left out of a question, and the table then answers for its total.
    time : bool
        Whether it is the periods of the table.
    map : str or None
        Map that its codes belong to, as ``"Denmark_municipality_07"``.
    values : mapping of str to str
        Codes in order, with their texts.
    """

    id: str
    text: str
    elimination: bool
    time: bool
    map: str | None
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TableInfo:
    """What the service says about a table.

    Parameters
    ----------
    id, text, description, unit : str
        Code, title, long title, and unit of measure of the values.
    updated : str
        When its figures were last changed, ISO 8601.
    active : bool
        Whether it is still kept up.
    suppressed_value : str
        What a row that a streamed answer leaves out stands for, nearly always ``"0"``.
    footnote : str
        Note on the whole table, or an empty text.
    documentation : str
        Address of the documentation of the statistics, or an empty text.
    variables : mapping of str to Variable
        By code, in order.
    """

    id: str
    text: str
    description: str
    unit: str
    updated: str
    active: bool
    suppressed_value: str
    footnote: str
    documentation: str
    variables: Mapping[str, Variable]

    @property
    def time(self) -> Variable | None:
        """The variable of the periods."""
        return next((one for one in self.variables.values() if one.time), None)

    @property
    def first_period(self) -> str:
        """Code of the oldest period, or an empty text."""
        return next(iter(self.time.values), "") if self.time else ""

    @property
    def last_period(self) -> str:
        """Code of the newest period, or an empty text."""
        return next(reversed(list(self.time.values)), "") if self.time else ""


def read_tableinfo(text: str) -> TableInfo:
    """Read the JSON that the service answers to ``tableinfo``.

    Parameters
    ----------
    text : str
        The answer.

    Returns
    -------
    TableInfo
        Every variable with its codes in the order of the service.

    Raises
    ------
    DataError
        It is not what such an answer is; the message names the part.
    """
    found = _object(read_json(text, "the description of the table"), "the description of the table")
    what = f"the description of table {_text(found, 'id', 'a table')}"
    listed = found.get("variables")
    if not isinstance(listed, list) or not listed:
        raise DataError(f"{what} has no list of variables")
    variables: dict[str, Variable] = {}
    for one in listed:
        variable = _variable(_object(one, f"{what}: a variable"), what)
        if variable.id.upper() in {name.upper() for name in variables}:
            raise DataError(f"{what} has the variable {variable.id} twice")
        variables[variable.id] = variable
    if sum(one.time for one in variables.values()) > 1:
        raise DataError(f"{what} has more than one variable of time")
    footnote, documentation = found.get("footnote"), found.get("documentation")
    return TableInfo(
        id=_text(found, "id", what),
        text=_text(found, "text", what),
        description=_text(found, "description", what, missing=""),
        unit=_text(found, "unit", what, missing=""),
        updated=_text(found, "updated", what, missing=""),
        active=_truth(found, "active", what, missing=True),
        suppressed_value=_text(found, "suppressedDataValue", what, missing="0"),
        footnote=_text(footnote, "text", what, missing="") if isinstance(footnote, dict) else "",
        documentation=_text(documentation, "url", what, missing="") if isinstance(documentation, dict) else "",
        variables=variables,
    )


def _variable(found: Mapping[str, Any], what: str) -> Variable:
    name = _text(found, "id", f"{what}: a variable")
    what = f"{what}: variable {name}"
    listed = found.get("values")
    if not isinstance(listed, list) or not listed:
        raise DataError(f"{what} has no list of values")
    values: dict[str, str] = {}
    for one in listed:
        value = _object(one, f"{what}: a value")
        code = _text(value, "id", f"{what}: a value")
        if code in values:
            raise DataError(f"{what} has the code {code!r:.60} twice")
        values[code] = _text(value, "text", f"{what}: value {code!r:.60}", missing=code)
    place = found.get("map")
    return Variable(
        id=name,
        text=_text(found, "text", what, missing=name),
        elimination=_truth(found, "elimination", what, missing=False),
        time=_truth(found, "time", what, missing=False),
        map=place if isinstance(place, str) else None,
        values=values,
    )


def _object(found: object, what: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise DataError(f"{what} is {type(found).__name__}, not an object")
    return found


def _text(found: Mapping[str, Any], name: str, what: str, *, missing: str | None = None) -> str:
    one = found.get(name)
    if one is None and missing is not None:
        return missing
    if not isinstance(one, str) or (missing is None and not one):
        raise DataError(f"{what}: its {name} is {one!r:.60}, not a text")
    told = clean(one)
    if name == "id" and told != one:
        # A code is sent back as it is, and stands in addresses and files.
        raise DataError(f"{what}: its {name} is {one!r:.60}, with characters that no code has")
    return told


def _truth(found: Mapping[str, Any], name: str, what: str, *, missing: bool) -> bool:
    one = found.get(name, missing)
    if not isinstance(one, bool):
        raise DataError(f"{what}: its {name} is {one!r:.60}, not true or false")
    return one


def choose(info: TableInfo, wanted: Mapping[str, object], *, streamed: bool = False) -> Selection:
    """Return the codes that a selection means, checked against the table.

    Parameters
    ----------
    info : TableInfo
        The table.
    wanted : mapping of str to str or sequence of str
        By code of the variable (small letters do), one or several of: a code; a pattern as ``"*"``, ``"2*"``,
        ``"*K1"``; a stretch of codes as ``">=2018"``, ``">=2018K1<=2020K4"``; for time a place as ``"(1)"`` (the
        newest), ``"(-n+3)"`` (the newest three), ``"-(1)"`` (the oldest).
    streamed : bool
        Whether every variable must be given, as in streamed formats.

    Returns
    -------
    dict of str to tuple of str
        Codes by variable, both in the order of the table, each once.

    Raises
    ------
    SpecificationError
        A variable or a code is unknown, and the message has the nearest; a variable that cannot be eliminated is
        left out.

    Notes
    -----
    Every pattern is resolved here and the codes are sent, so that a question means the same tomorrow, whatever periods
    have come. A bound that is no code itself means the periods that begin with it: ``"<=2018"`` is to the end of 2018.

    Examples
    --------
    >>> info = read_tableinfo(
    ...     '{"id": "T", "text": "t", "variables": [{"id": "Tid", "time": true,'
    ...     ' "values": [{"id": "2024"}, {"id": "2025"}]}]}'
    ... )
    >>> choose(info, {"tid": "(1)"})
    {'Tid': ('2025',)}
    """
    if not isinstance(wanted, Mapping):
        raise SpecificationError(
            f"a selection is codes by variable, not {type(wanted).__name__}; table {info.id} has "
            f"{', '.join(info.variables)}"
        )
    spelled = {name.upper(): name for name in info.variables}
    chosen: dict[str, tuple[str, ...]] = {}
    for name, asked in wanted.items():
        found = spelled.get(str(name).upper())
        if found is None:
            raise SpecificationError(f"table {info.id} has no variable {name!r}{_near(str(name), info.variables)}")
        if found in chosen:
            raise SpecificationError(f"variable {found} of table {info.id} is given twice")
        chosen[found] = _codes(info, info.variables[found], asked)
    _complete(info, chosen, streamed=streamed)
    return {name: chosen[name] for name in info.variables if name in chosen}


def _complete(info: TableInfo, chosen: Selection, *, streamed: bool) -> None:
    left = [one.id for one in info.variables.values() if one.id not in chosen]
    if not chosen:
        raise SpecificationError(f"nothing is asked for of table {info.id}; it has {', '.join(info.variables)}")
    needed = left if streamed else [name for name in left if not info.variables[name].elimination]
    if needed:
        why = "a streamed answer leaves no variable out" if streamed else "they have no total to stand in for them"
        raise SpecificationError(
            f"table {info.id} needs codes for {', '.join(needed)}: {why}; '*' is all of them, '(1)' the newest period"
        )


def _codes(info: TableInfo, variable: Variable, asked: object) -> tuple[str, ...]:
    several = isinstance(asked, Iterable) and not isinstance(asked, str | bytes | Mapping)
    parts: Iterable[object] = asked if several else [asked]  # type: ignore[assignment]
    codes = list(variable.values)
    places: set[int] = set()
    for part in parts:
        if not isinstance(part, str | Integral) or isinstance(part, bool):
            raise SpecificationError(f"a code of variable {variable.id} is a text, not {part!r:.60}")
        places.update(_places(info, variable, codes, str(part).strip()))
    if not places:
        raise SpecificationError(
            f"no code is asked for of variable {variable.id} of table {info.id}; '*' is all of them"
        )
    return tuple(codes[place] for place in sorted(places))


def _places(info: TableInfo, variable: Variable, codes: list[str], part: str) -> Iterable[int]:
    """Return the places of the codes that one part of a selection means."""
    if part in variable.values:
        return [codes.index(part)]
    same = [place for place, code in enumerate(codes) if code.upper() == part.upper()]
    if len(same) == 1:
        return same
    found: Iterable[int] | None = None
    if "*" in part:
        pattern = re.compile(".*".join(re.escape(piece) for piece in part.split("*")), re.IGNORECASE)
        found = [place for place, code in enumerate(codes) if pattern.fullmatch(code)]
    elif condition := _CONDITION.fullmatch(part):
        found = _stretch(variable, codes, condition)
    elif variable.time and (nth := _NTH.fullmatch(part)):
        found = _nth(nth, len(codes))
    if not found:
        raise SpecificationError(
            f"variable {variable.id} of table {info.id} has nothing that is {part!r:.80}{_near(part, variable.values)}"
        )
    return found


def _stretch(variable: Variable, codes: list[str], condition: re.Match[str]) -> Iterable[int]:
    first, last = 0, len(codes)
    for sign, bound in (("first", "from"), ("last", "to")):
        if condition[sign] is None:
            continue
        same = [place for place, code in enumerate(codes) if code.upper() == condition[bound].strip().upper()]
        within = same or [
            place
            for place, code in enumerate(codes)
            if variable.time and code.upper().startswith(condition[bound].upper())
        ]
        if not within:
            raise SpecificationError(
                f"variable {variable.id} has no code {condition[bound]!r:.60} for {condition[0]!r:.80} to begin or "
                f"end at{_near(condition[bound], variable.values)}"
            )
        if condition[sign].startswith(">"):
            first = max(first, within[0] if "=" in condition[sign] else within[-1] + 1)
        else:
            last = min(last, within[-1] + 1 if "=" in condition[sign] else within[0])
    return range(first, last)


def _nth(nth: re.Match[str], count: int) -> Iterable[int] | None:
    """Return the places of an an+b rule, counted from the newest, or from the oldest after a minus."""
    rule = re.fullmatch(r"(?:([+-]?\d{0,6})n)?\s*([+-]?\s*\d{1,6})?", nth["rule"].strip())
    if rule is None or (rule[1] is None and rule[2] is None):
        return None
    step = 0 if rule[1] is None else int(rule[1] + "1" if rule[1] in ("", "+", "-") else rule[1])
    start = int(rule[2].replace(" ", "")) if rule[2] else 0
    ranks = {start + step * turn for turn in range(count + abs(start) + 1)} if step else {start}
    inside = [rank for rank in ranks if 1 <= rank <= count]
    return [rank - 1 if nth["sign"] == "-" else count - rank for rank in inside]


def _near(word: str, names: Iterable[str]) -> str:
    every = list(names)
    plain = {name.upper(): name for name in every}
    near = [plain[one] for one in difflib.get_close_matches(word.upper(), list(plain), n=5, cutoff=0.5)]
    listed = near or every[:8]
    more = f" and {len(every) - len(listed)} more" if not near and len(every) > len(listed) else ""
    return f"; {'the nearest are' if near else 'it has'} {', '.join(listed)}{more}"
