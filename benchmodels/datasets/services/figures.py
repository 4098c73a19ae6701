"""Figures as the StatBank writes them: semicolon files with Danish or English numbers, and marks instead of numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.datasets.services.answer import Answer, ServiceError, own_words
from benchmodels.datasets.services.jsonstat import read_jsonstat
from benchmodels.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Block", "numbers", "read_block", "service_text"]

# A dash is nothing at all, so the number 0; the others stand for a number that is not given.
_MARKS = frozenset({".", "..", "...", "-", ""})
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-"})
_VALUE = "INDHOLD"


@dataclass(frozen=True, kw_only=True)
class Block:
    """The answer to one question, cell by cell.

    Parameters
    ----------
    values : ndarray, shape of the codes asked for
        In the unit of measure of the table; NaN where the service gives no number.
    marks : ndarray of str, same shape
        Empty for an ordinary number; else what stands there, ``"omitted"`` for a row that a streamed answer leaves out
        and ``"absent"`` for one that another answer leaves out.
    duplicates : int
        Rows that said the same twice.
    """

    values: np.ndarray
    marks: np.ndarray
    duplicates: int


def service_text(answer: Answer, what: str) -> str:
    """Return the text of an answer, or raise what the service meant when it is an error or a page for people.

    Parameters
    ----------
    answer : Answer
        With a status that says that all is well, which is not always so.
    what : str
        Named in the errors.

    Raises
    ------
    ServiceError
        The body is the service's error, in JSON or XML, or an HTML page.
    DataError
        It is empty, or no text.
    """
    text = answer.text()
    start = text[:2000].lstrip()
    if not start:
        raise DataError(f"{what} is empty (status {answer.status}); the service may be overloaded: ask again later")
    if start.startswith("<") or '"errorTypeCode"' in start:
        code, words = own_words(text[:65_536].encode(), "")
        kind = "an error" if code else "a page for people"
        raise ServiceError(
            f"{what} is {kind}, not figures{f' ({code})' if code else ''}: {words[:300]}",
            status=answer.status,
            code=code,
            words=words[:500],
        )
    return text


def numbers(texts: Sequence[str], *, what: str = "the answer") -> tuple[np.ndarray, np.ndarray]:
    r"""Turn written numbers into numbers, whatever its decimal sign is.

    Parameters
    ----------
    texts : sequence of str
        One column of one answer, shape (n,): all of it, since the decimal sign is found from all of it.
    what : str
        Named in the errors.

    Returns
    -------
    tuple of ndarray
        Values, NaN for a mark (0 for ``-``), and marks, both shape (n,).

    Raises
    ------
    DataError
        Something is neither number nor mark; or the only separator could be a decimal sign as well as one of thousands
        (``1.234`` and nothing else), which is never guessed.

    Examples
    --------
    >>> values, marks = numbers(["1.072,20", "-3,5", "..", "-"])
    >>> values.tolist(), marks.tolist()
    ([1072.2, -3.5, nan, 0.0], ['', '', '..', '-'])
    """
    import pandas as pd

    inverse, seen = pd.factorize(np.asarray(texts, dtype=object), use_na_sentinel=False)
    plain = [str(one).translate(_SPACES).strip() for one in seen.tolist()]
    marks = np.array([_mark(one) for one in plain], dtype=object)
    written = [one.removesuffix("*").rstrip() for one, mark in zip(plain, marks, strict=True) if mark in ("", "*")]
    decimal = _decimal(written, what)
    values = np.full(len(seen), np.nan)
    values[[mark in ("", "*") for mark in marks]] = [_number(one, decimal, what) for one in written]
    values[marks == "-"] = 0.0
    return values[inverse], marks[inverse]


def _mark(one: str) -> str:
    if one in _MARKS:
        return one or ".."
    return "*" if one.endswith("*") else ""


def _pattern(decimal: str) -> re.Pattern[str]:
    group = "." if decimal == "," else ","
    whole = rf"(?:[1-9]\d{{0,2}}(?:[{group} ]\d{{3}})+|\d+)"
    return re.compile(rf"[+-]? ?{whole}(?:[{decimal}]\d*)?(?:[eE][+-]?\d{{1,3}})?", re.ASCII)


def _decimal(written: Sequence[str], what: str) -> str:
    """Return the decimal sign that every number of a column agrees with, or raise when none or both do."""
    strange = {sign: [one for one in written if not _pattern(sign).fullmatch(one)] for sign in ",."}
    fits = [sign for sign, bad in strange.items() if not bad]
    if not fits:
        neither = [one for one in strange[","] if one in set(strange["."])] or [strange[","][0], strange["."][0]]
        raise DataError(
            f"{what} has {' and '.join(f'{one!r:.60}' for one in neither[:2])} where numbers with one decimal sign, or "
            "one of the marks . .. ... - are allowed; format='jsonstat' may help"
        )
    unclear = [one for one in written if "," in one or "." in one]
    if len(fits) == 2 and unclear:
        raise DataError(
            f"{what} has numbers as {unclear[0]!r:.40}, whose separator may be the decimal sign or stand between "
            "thousands; ask for format='jsonstat', where it cannot be mistaken"
        )
    return fits[0]


def _number(one: str, decimal: str, what: str) -> float:
    group = "." if decimal == "," else ","
    number = float(one.replace(group, "").replace(" ", "").replace(decimal, "."))
    if not np.isfinite(number):
        raise DataError(f"{what} has {one!r:.60}, which is too large to be a number")
    return number


def read_block(
    answer: Answer,
    *,
    asked: Mapping[str, Mapping[str, str]],
    form: str,
    omitted: float,
    what: str,
) -> Block:
    """Read one answer and put every figure in the cell it belongs to.

    Parameters
    ----------
    answer : Answer
        In the format `form`.
    asked : mapping of str to mapping of str to str
        Codes asked for by variable, with their texts, both in order.
    form : {"CSV", "BULK", "JSONSTAT"}
        Format of the answer.
    omitted : float
        What a row that BULK leaves out stands for, in the unit of the table.
    what : str
        Named in the errors.

    Returns
    -------
    Block
        Shape of `asked`.

    Raises
    ------
    DataError
        Columns, codes, rows or numbers are not those of the question.
    """
    text = service_text(answer, what)
    if form == "JSONSTAT":
        return _from_cube(text, asked, what)
    if not answer.whole and not text.endswith("\n"):
        raise DataError(f"{what} may be cut: neither its length nor an end of line at its end tells that it is whole")
    table = _table(text, asked, what)
    shape = tuple(len(codes) for codes in asked.values())
    places = [_places(table[name].to_numpy(dtype=object), codes, name, what) for name, codes in asked.items()]
    flat = np.ravel_multi_index(tuple(places), shape)
    values, marks = numbers(table[_VALUE].to_numpy(dtype=object), what=what)  # type: ignore[arg-type]
    return _filled(flat, values, marks, shape, form=form, omitted=omitted, what=what)


def _filled(
    flat: np.ndarray,
    values: np.ndarray,
    marks: np.ndarray,
    shape: tuple[int, ...],
    *,
    form: str,
    omitted: float,
    what: str,
) -> Block:
    size = int(np.prod(shape))
    every = np.full(size, omitted if form == "BULK" else np.nan)
    said = np.full(size, "omitted" if form == "BULK" else "absent", dtype=object)
    every[flat], said[flat] = values, marks
    again = len(flat) - int(np.count_nonzero(np.bincount(flat, minlength=size)))
    if again:
        differs = ~((every[flat] == values) | (np.isnan(every[flat]) & np.isnan(values))) | (said[flat] != marks)
        if differs.any():
            raise DataError(f"{what} gives two different figures for the same cell (row {int(differs.argmax()) + 1})")
    return Block(values=every.reshape(shape), marks=said.reshape(shape), duplicates=again)


def _table(text: str, asked: Mapping[str, Mapping[str, str]], what: str) -> pd.DataFrame:
    import pandas as pd

    head = text.lstrip("\r\n").split("\n", 1)[0].strip("\r").split(";")
    head = [name.strip().strip('"') for name in head]
    wanted = {name.upper(): name for name in asked}
    if sorted(name.upper() for name in head) != sorted([*wanted, _VALUE]):
        raise DataError(
            f"{what} has the columns {'; '.join(head)[:300]}, but {'; '.join([*asked, _VALUE])} were asked for"
        )
    names = [wanted.get(name.upper(), _VALUE) for name in head]
    try:
        bad = next((row for row, width in enumerate(_widths(text)) if width != len(names)), None)
    except csv.Error as error:
        raise DataError(f"{what} is no table of {len(names)} columns: {error}") from None
    if bad is not None:
        raise DataError(f"{what} has another number of columns than {len(names)} in row {bad}")
    try:
        table = pd.read_csv(
            StringIO(text.lstrip("\r\n")), sep=";", header=None, skiprows=1, names=names, dtype=object, na_filter=False
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{what} is no table of {len(names)} columns: {' '.join(str(error).split())[:200]}") from None
    if table.empty:
        raise DataError(f"{what} has a head and not one row; the service may be overloaded: ask again later")
    return table


def _widths(text: str) -> Iterator[int]:
    """Yield the number of columns of every line, the head first; pandas fills a short line up without a word."""
    if '"' in text:
        return (len(row) for row in csv.reader(StringIO(text, newline=""), delimiter=";", strict=True) if row)
    return (line.count(";") + 1 for line in text.split("\n") if line.strip("\r"))


def _places(column: np.ndarray, codes: Mapping[str, str], name: str, what: str) -> np.ndarray:
    """Return the place of each code; texts are taken for codes when they are what the service wrote."""
    import pandas as pd

    inverse, seen = pd.factorize(column)
    written = [one.strip() for one in seen.tolist()]
    for known in (list(codes), [code.upper() for code in codes], [text.strip().upper() for text in codes.values()]):
        places = {one: place for place, one in enumerate(known)}
        exact = known == list(codes)
        found = [places.get(one if exact else one.upper()) for one in written]
        # Texts, or codes without regard to small letters, only speak for a code when no two are the same.
        if len(places) == len(known) and None not in found:
            return np.array(found, dtype=np.intp)[inverse]
    strange = next(one for one in written if one not in codes)
    raise DataError(f"{what} has {strange!r:.60} in column {name}, which was not asked for")


def _from_cube(text: str, asked: Mapping[str, Mapping[str, str]], what: str) -> Block:
    cube = read_jsonstat(text, what=what)
    spelled = {name.upper(): name for name in cube.dimensions}
    missing = [name for name in asked if name.upper() not in spelled]
    beyond = [name for name, codes in cube.dimensions.items() if name.upper() not in {one.upper() for one in asked}]
    if missing or any(len(cube.dimensions[name]) > 1 for name in beyond):
        raise DataError(
            f"{what} has the dimensions {', '.join(cube.dimensions)[:300]}, but {', '.join(asked)} were asked for"
        )
    order = [list(cube.dimensions).index(spelled[name.upper()]) for name in asked]
    alone = [side for side, name in enumerate(cube.dimensions) if name in beyond]
    first: Any = (..., *[0] * len(alone))
    values, marks = (one.transpose([*order, *alone])[first] for one in (cube.values, cube.marks))
    places: list[Any] = []
    for name, codes in asked.items():
        found = list(cube.dimensions[spelled[name.upper()]])
        if len(found) != len(codes):
            raise DataError(f"{what} has other codes of {name} than were asked for: {', '.join(found)[:200]}")
        order_of = _places(np.asarray(found, dtype=object), codes, name, what)
        if len(set(order_of.tolist())) != len(codes):
            raise DataError(f"{what} has the same code of {name} twice: {', '.join(found)[:200]}")
        places.append(np.argsort(order_of))
    return Block(values=values[np.ix_(*places)], marks=marks[np.ix_(*places)], duplicates=0)
