"""What a study expects of a table of the StatBank, held against what the table says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from benchmodels.datasets.services.tableinfo import TableInfo, Variable

__all__ = ["age_bands", "code_by_text", "expected_code", "sources_said", "total_code", "variable_of", "years_of"]

_SHOWN = 6
_BAND = re.compile(r"(\d{1,3})\s*[-–]\s*(\d{1,3})\s*år", re.IGNORECASE)


def variable_of(info: TableInfo, name: str) -> Variable:
    """Return a variable by its code.

    Raises
    ------
    DataError
        The table has no such variable; the message names those it has.
    """
    for code, variable in info.variables.items():
        if code.casefold() == name.casefold():
            return variable
    raise DataError(
        f"table {info.id} ({info.text}) has no variable {name}, which is expected of it; it has "
        f"{', '.join(info.variables)}. It may have been rebuilt: see what it holds with benchmodels fetch {info.id}"
    )


def expected_code(info: TableInfo, name: str, code: str, words: Iterable[str]) -> str:
    """Return a code whose text has the words that are expected of it.

    Raises
    ------
    DataError
        There is no such code, or it now means something else: code plans change.

    Notes
    -----
    Without words, that the code is there is enough.
    """
    variable, wanted = variable_of(info, name), tuple(words)
    text = variable.values.get(code)
    if text is None or not _has(text, wanted):
        found = "it is not there" if text is None else f"it now means {text!r:.100}"
        raise _unlike(info, variable, f"code {code} for {_said(wanted)}", found, wanted)
    return code


def code_by_text(info: TableInfo, name: str, text: str) -> str:
    """Return the code whose text is `text`, or the only one that begins with it.

    Raises
    ------
    DataError
        None does, or several do.
    """
    variable = variable_of(info, name)
    plain = {code: said.strip().casefold() for code, said in variable.values.items()}
    for found in (
        [code for code, said in plain.items() if said == text.casefold()],
        [code for code, said in plain.items() if said.startswith(text.casefold())],
    ):
        if len(found) == 1:
            return found[0]
    several = [code for code, said in plain.items() if said.startswith(text.casefold())]
    raise _unlike(info, variable, f"one text {text!r}", f"{len(several)} begin so" if several else "none is", (text,))


def total_code(info: TableInfo, name: str) -> str | None:
    """Return the code of the total; None where the variable may be left out for it.

    Raises
    ------
    DataError
        There is no total.
    """
    variable = variable_of(info, name)
    for code in ("TOT", "IALT"):
        if code in variable.values:
            return code
    totals = [code for code, text in variable.values.items() if re.search(r"\bi alt\b", text, re.IGNORECASE)]
    if len(totals) == 1:
        return totals[0]
    if variable.elimination:
        return None
    raise _unlike(info, variable, "a total", "none of its texts says 'i alt'", ())


def age_bands(info: TableInfo, name: str, first: int, last: int) -> list[str]:
    """Return codes of ages in years that cover first to last once, none beyond.

    Raises
    ------
    DataError
        Its bands leave a gap or overlap.
    """
    variable = variable_of(info, name)
    bands = []
    for code, text in variable.values.items():
        found = _BAND.search(text)
        if found and first <= int(found[1]) <= int(found[2]) <= last:
            bands.append((int(found[1]), int(found[2]), code))
    bands.sort()
    starts = [first, *(end + 1 for _, end, _ in bands)]
    if not bands or [begin for begin, _, _ in bands] + [last + 1] != starts:
        raise _unlike(info, variable, f"bands that cover the ages {first}-{last} once", "they do not", ())
    return [code for _, _, code in bands]


def years_of(info: TableInfo, years: Iterable[int], suffixes: Iterable[str] = ("",)) -> list[str]:
    """Return the codes of the periods of these years.

    Raises
    ------
    DataError
        A period is not in the table.
    """
    variable = info.time
    if variable is None:
        raise DataError(f"table {info.id} ({info.text}) has no variable of time")
    ends = tuple(suffixes)
    wanted = [f"{year}{end}" for year in years for end in ends]
    lacking = [code for code in wanted if code not in variable.values]
    if lacking:
        raise DataError(
            f"table {info.id} ({info.text}) has no figures for {', '.join(lacking)}; it has {info.first_period} to "
            f"{info.last_period}: ask for years that it has"
        )
    return wanted


def sources_said(sources: Iterable[Mapping[str, object]], *, host: str) -> str:
    """Return where tables come from in a sentence, each with the date it was retrieved.

    Parameters
    ----------
    sources : iterable of mapping
        table, retrieved and simulated of each.
    host : str
        Who was asked, for figures that are simulated.
    """
    listed = list(sources)
    tables = ", ".join(f"{one['table']} ({str(one['retrieved'])[:10]})" for one in listed)
    if any(one["simulated"] for one in listed):
        return f"Simulated figures from {host}, not from Statistics Denmark: tables {tables}"
    return f"Statistics Denmark, StatBank, tables {tables}, CC BY 4.0"


def _has(text: str, words: Iterable[str]) -> bool:
    plain = text.casefold()
    return all(word.casefold() in plain for word in words)


def _said(words: tuple[str, ...]) -> str:
    return f"a text with {' and '.join(map(repr, words))}" if words else "its figures"


def _unlike(info: TableInfo, variable: Variable, expected: str, found: str, words: tuple[str, ...]) -> DataError:
    """Return an error that says which table and variable are not as expected, and what comes nearest."""
    near = [f"{code} {text!r:.60}" for code, text in variable.values.items() if words and _has(text, words[:1])]
    listed = near or [f"{code} {text!r:.60}" for code, text in variable.values.items()]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return DataError(
        f"table {info.id} ({info.text}), variable {variable.id}: {expected} is expected, and {found}; "
        f"{'nearest are' if near else 'it has'} {', '.join(listed[:_SHOWN])}{more}. The table may have been rebuilt"
    )
