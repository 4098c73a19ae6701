"""What the service of Uddannelsesstatistik.dk answers, checked before anybody counts with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NoReturn, TypeVar

import pandas as pd

from benchmodels.datasets.danish_numbers import NumbersRead, read_numbers
from benchmodels.datasets.services.answer import Answer
from benchmodels.errors import DataError

__all__ = ["Cube", "Page", "complete", "nearest", "page_of", "read_cube", "read_names", "reader", "table_of"]

T = TypeVar("T")

# Names under which an answer may say how many rows there are in all.
_TOTALS = frozenset({"antal", "antal_rækker", "antalrækker", "total", "totalcount", "total_count"})
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Cube:
    """What can be asked of one cube.

    Parameters
    ----------
    område, emne, underemne : str
        Its codes, as "GS", "KARA", "KARAGNS".
    nøgletal : tuple of str
        Names of the measures.
    detaljer : dict of str to int or None
        Names of the details, each with its number of members when the service says it.
    """

    område: str
    emne: str
    underemne: str
    nøgletal: tuple[str, ...]
    detaljer: Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of an answer.

    Parameters
    ----------
    rows : list of dict
        Texts, numbers and missing values by column.
    total : int or None
        Rows of the whole answer, when the service says it.
    """

    rows: list[dict[str, object]] = field(repr=False)
    total: int | None


def nearest(name: str, names: Sequence[str]) -> str:
    """Return words that name what is nearest to `name`, or what there is."""
    near = get_close_matches(name, names, n=3, cutoff=0.4)
    if near:
        return f"the nearest are {', '.join(map(repr, near))}"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"there are {', '.join(map(repr, names[:_SHOWN]))}{more}" if names else "there are none"


def read_names(answer: Answer) -> list[tuple[str, str]]:
    """Return codes and names of one level of the catalogue."""
    found = _json(answer)
    if not isinstance(found, list) or not found:
        _odd(answer, "a list of codes and names")
    names: list[tuple[str, str]] = []
    for one in found:
        if not isinstance(one, dict):
            _odd(answer, "a list of codes and names")
        plain = {key.casefold(): value for key, value in one.items()}
        code, name = plain.get("id"), plain.get("name")
        if not isinstance(code, str) or not isinstance(name, str) or not code:
            _odd(answer, "an ID and a Name in each entry")
        names.append((code, name))
    return names


def read_cube(answer: Answer, område: str, emne: str, underemne: str) -> Cube:
    """Return what the catalogue says of one cube."""
    found = _json(answer)
    if not isinstance(found, dict):
        _odd(answer, "the details and measures of a cube")
    measures, details = found.get("nøgletal"), found.get("detaljer")
    if not isinstance(measures, list) or not isinstance(details, list) or not measures:
        _odd(answer, "'nøgletal' and 'detaljer'")
    if not all(isinstance(one, str) and one for one in measures):
        _odd(answer, "names of measures")
    counts: dict[str, int | None] = {}
    for one in details:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            _odd(answer, "names of details")
        count = one.get("count")
        counts[one["name"]] = count if type(count) is int else None
    plain = [re.sub(r"^\[Measures\]\.\[(.*)\]$", r"\1", one) for one in measures]
    return Cube(område=område, emne=emne, underemne=underemne, nøgletal=tuple(plain), detaljer=counts)


def page_of(answer: Answer) -> Page:
    """Return the rows of one page."""
    found = _json(answer)
    total = None
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        totals = [value for key, value in found.items() if key.casefold() in _TOTALS and type(value) is int]
        if len(lists) != 1 or len(totals) > 1:
            _odd(answer, "one list of rows")
        found, total = lists[0], totals[0] if totals else None
    if not isinstance(found, list):
        _odd(answer, "a list of rows")
    for row in found:
        if not isinstance(row, dict) or not row:
            _odd(answer, "rows with named columns")
        if any(isinstance(value, bool | list | dict) for value in row.values()):
            _odd(answer, "rows of texts and numbers ('indlejret' is not used)")
    return Page(rows=found, total=total)


def table_of(
    pages: Sequence[Page], detaljering: Sequence[str], nøgletal: Sequence[str], texts: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the rows of all pages as a table, and the unit of each measure.

    Parameters
    ----------
    pages : sequence of Page
        All of them, in order, without the empty one at the end.
    detaljering, nøgletal, texts : sequence of str
        Details and measures asked for, and the measures that are words.

    Returns
    -------
    DataFrame, one row for each row of the answer
        The details, and for each measure its value and its mark.
    dict of str to str
        "per cent" or "as written" for each measure of numbers.

    Raises
    ------
    DataError
        Rows come twice, a column is missing, or a value cannot be read.
    """
    rows = [row for page in pages for row in page.rows]
    says = {page.total for page in pages if page.total is not None}
    if says and says != {len(rows)}:
        raise DataError(f"the service says that there are {max(says)} rows and has given {len(rows)}; ask again")
    columns: dict[str, list[object]] = {}
    for detail in detaljering:
        columns[detail] = _labels(rows, detail)
    _not_twice(columns, [number for number, page in enumerate(pages, 1) for _ in page.rows])
    table = pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in columns.items()})
    table = table.reindex(range(len(rows)))
    units: dict[str, str] = {}
    for name in nøgletal:
        if not any(name in row for row in rows):
            others = sorted({key for row in rows for key in row if not key.startswith("[")})
            raise DataError(f"the answer has no measure {name!r}; {nearest(name, others)}. It may have a new name")
        cells = [row.get(name) for row in rows]
        absent = pd.Series([name not in row for row in rows], dtype=bool)
        if name in texts:
            table[name], table[f"{name} (mark)"] = _words(name, cells)
        else:
            read = _numbers(name, cells)
            units[name] = "per cent" if (read.marks == "%").any() else "as written"
            table[name], table[f"{name} (mark)"] = read.values, read.marks.mask(read.marks == "%", "")
        table[f"{name} (mark)"] = table[f"{name} (mark)"].mask(absent, "omitted")
    return table, units


def _labels(rows: list[dict[str, object]], detail: str) -> list[object]:
    # "[Skoleår].[Skoleår]" comes back as "[Skoleår].[Skoleår].[Skoleår]".
    echoed = f"{detail}.{detail[detail.rindex('[') :]}" if "[" in detail else detail
    labels: list[object] = []
    for row in rows:
        found = [row[name] for name in (echoed, detail) if name in row]
        if not found or not isinstance(found[0], str | int | float):
            there = sorted({key for one in rows for key in one if key.startswith("[")})
            raise DataError(
                f"a row of the answer does not say its {detail}; its details are {', '.join(there) or 'none'}"
            )
        labels.append(str(found[0]))
    return labels


def _not_twice(columns: dict[str, list[object]], of_page: list[int]) -> None:
    seen: dict[tuple[object, ...], int] = {}
    for page, *labels in zip(of_page, *columns.values(), strict=True):
        key = tuple(labels)
        if key in seen:
            what = ", ".join(map(str, key)) or "without details"
            where = f"on pages {seen[key]} and {page}" if seen[key] != page else f"twice on page {page}"
            raise DataError(
                f"the row {what!r:.200} comes {where}: the data may have changed while they were read, so ask again "
                "with refresh=True; or two units have one name, so add a detail that tells them apart, such as "
                "'[Institution].[Institutionsnummer]'"
            )
        seen[key] = page


def _words(name: str, cells: list[object]) -> tuple[pd.Series, pd.Series]:
    words: list[str | None] = []
    marks: list[str] = []
    for cell in cells:
        if cell is not None and not isinstance(cell, str):
            raise DataError(f"the measure {name!r} is not words: {cell!r:.60}; take it out of texts")
        stripped = (cell or "").strip()
        nothing = stripped in ("", "<fejl>")
        words.append(None if nothing else cell)
        marks.append((stripped or "blank") if nothing else "")
    return pd.Series(words, dtype="str"), pd.Series(marks, dtype="str")


def _numbers(name: str, cells: list[object]) -> NumbersRead:
    try:
        return read_numbers(cells, decimal="comma")
    except DataError as error:
        raise DataError(
            f"the measure {name!r} is not all numbers: {error}. If it is words by nature, name it in texts"
        ) from None


def _json(answer: Answer) -> object:
    def refuse(word: str) -> NoReturn:
        raise DataError(f"the answer of {answer.url} holds {word}, which is no number in JSON")

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise DataError(f"the answer of {answer.url} names a column twice in one row; it cannot be trusted")
        return made

    text = answer.text()
    try:
        found = json.loads(text, parse_constant=refuse, parse_float=_finite, object_pairs_hook=once)
        # Half a letter, which JSON can write and no text can hold.
        if "\\ud" in text.casefold():
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except RecursionError:
        raise DataError(f"the answer of {answer.url} is nested too deep to be a table") from None
    except DataError:
        raise
    except ValueError as error:
        raise DataError(
            f"the answer of {answer.url} is not whole JSON ({error!s:.100}); it begins {text[:60]!r}: ask again"
        ) from None


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits:.20} is too large")
    return value


def _odd(answer: Answer, expected: str) -> NoReturn:
    begins = answer.text()[:100]
    raise DataError(
        f"the answer of {answer.url} is not what was asked for: {expected} expected, and it begins {begins!r}"
    )


def reader(read: Callable[..., T], *fixed: str) -> Callable[[Answer], T]:
    """Return `read` with the arguments after the answer given."""
    return lambda answer: read(answer, *fixed)


def complete(frame: pd.DataFrame, *, units: Iterable[object], by: str) -> pd.DataFrame:
    """Put the rows back that the service left out, without values.

    Parameters
    ----------
    frame : DataFrame
        From `Uddannelsesstatistik.statistics`.
    units : iterable of str
        Every unit that there should be, as the names of the 98 municipalities.
    by : str
        The detail that names them.

    Returns
    -------
    DataFrame
        One row for each unit and each combination of the other details that occurs; the rows added are last, their
        values missing and their marks "omitted". ``attrs["omitted"]`` says how many there are.

    Raises
    ------
    DataError
        `by` is no detail of the frame, units are named twice, or the frame has units that are not among them.

    Notes
    -----
    "omitted" says only that the service gave no row: most often the cell is too small to be shown, but there may be no
    such school or pupil at all. Never a zero.

    Examples
    --------
    >>> given = pd.DataFrame({"[Kommune].[Navn]": ["Fanø"], "Elever": [300.0], "Elever (mark)": [""]})
    >>> whole = complete(given, units=["Fanø", "Læsø"], by="[Kommune].[Navn]")
    >>> list(whole["Elever"]), list(whole["Elever (mark)"])
    ([300.0, nan], ['', 'omitted'])
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a DataFrame is needed, not {type(frame).__name__}")
    measures = [name for name in frame.columns if f"{name} (mark)" in frame.columns]
    details = [name for name in frame.columns if name not in measures and not str(name).endswith(" (mark)")]
    if by not in details:
        raise DataError(f"there is no detail {by!r}; there are {', '.join(map(repr, details)) or 'none'}")
    wanted = _units(units)
    strange = sorted(set(frame[by]) - set(wanted), key=str)
    if strange:
        raise DataError(
            f"{len(strange)} units of the answer are not among the units given: {strange[0]!r}: "
            f"{nearest(str(strange[0]), wanted)}. Leave such rows out, or name the units as the service does"
        )
    others = [name for name in details if name != by]
    there = set(frame[[by, *others]].itertuples(index=False, name=None))
    combinations = list(dict.fromkeys(frame[others].itertuples(index=False, name=None))) if others else [()]
    every = ((unit, *rest) for rest in combinations for unit in wanted)
    absent = [row for row in every if row not in there]
    out = frame.reset_index(drop=True).reindex(range(len(frame) + len(absent)))
    for place, name in enumerate([by, *others]):
        labels = [*frame[name], *(row[place] for row in absent)]
        out[name] = pd.Series(labels, dtype=frame[name].dtype)
    for name in measures:
        marks = [*frame[f"{name} (mark)"], *("omitted" for _ in absent)]
        out[f"{name} (mark)"] = pd.Series(marks, dtype="str")
    out.attrs = {**frame.attrs, "omitted": len(absent)}
    return out


def _units(units: Iterable[object]) -> list[str]:
    if isinstance(units, str | bytes):
        raise DataError(f"units are a list of names, not the one text {units!r:.60}")
    wanted = list(units)
    if not wanted or not all(isinstance(unit, str) and unit for unit in wanted):
        raise DataError("units are a list of names, at least one and none of them empty")
    if len(set(wanted)) != len(wanted):
        twice = next(unit for unit in wanted if wanted.count(unit) > 1)
        raise DataError(f"units are named twice, as {twice!r}")
    return [str(unit) for unit in wanted]
