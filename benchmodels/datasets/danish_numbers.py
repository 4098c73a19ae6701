"""Numbers as Danish tables write them, read without guessing, with the marks that stand where a number does not."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Literal, NamedTuple

import pandas as pd

from benchmodels.errors import DataError, SpecificationError

__all__ = ["Decimal", "NumberRead", "NumbersRead", "read_number", "read_numbers"]

Decimal = Literal["comma", "point"]

_SHOWN = 5
_WORDS = frozenset(
    {
        "i.o.",
        "io",
        "i.o",
        "n/a",
        "na",
        "nan",
        "null",
        "none",
        "#n/a",
        "#i/t",
        "<fejl>",
        "<na>",
        "x",
        "z",
        "c",
        "u",
        "uoplyst",
        "diskretioneret",
        "ikke offentliggjort",
        "ikke opgjort",
    }
)
# Signs only: "..", "-", "*", "•" and their like.
_SIGNS = re.compile(r"[.…·•:*\-‐-―−]+")
_BOUND = re.compile(r"[<>≤≥]=?\s*[0-9]+([.,][0-9]+)?\s*%?")
_SPACES = re.compile(r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")

# No number begins with a needless 0: "0101" is a code and "01.02" may be a date.
_WHOLE = re.compile(r"0|[1-9][0-9]*|[1-9][0-9]{0,2}( [0-9]{3})+")
# Either sign may be the decimal one: a group of three after one to three digits that do not begin with 0.
_EITHER = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_FORMS: dict[Decimal, tuple[re.Pattern[str], ...]] = {
    "comma": (
        re.compile(r"(0|[1-9][0-9]*|[1-9][0-9]{0,2}( [0-9]{3})+|[1-9][0-9]{0,2}(\.[0-9]{3})+),[0-9]+"),
        re.compile(r"[1-9][0-9]{0,2}(\.[0-9]{3})+"),
    ),
    "point": (
        re.compile(r"(0|[1-9][0-9]*|[1-9][0-9]{0,2}( [0-9]{3})+|[1-9][0-9]{0,2}(,[0-9]{3})+)\.[0-9]+"),
        re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+"),
    ),
}


class NumberRead(NamedTuple):
    """One cell as it was read.

    Parameters
    ----------
    value : float
        In the unit that is written: "12,3 %" is 12.3. NaN where there is no number.
    mark : str
        What stands beside or instead of the number: "", "%", "blank" for an empty cell, or the mark itself ("..",
        "<5"). It says nothing of what the mark means, which is up to the source: with Statistics Denmark "-" is nil.
    """

    value: float
    mark: str


@dataclass(frozen=True, kw_only=True)
class NumbersRead:
    """A column as it was read.

    Parameters
    ----------
    values : Series of float, n values
        NaN where there is no number.
    marks : Series of str, n values
        As in `NumberRead`.
    decimal : {"comma", "point"} or None
        The decimal sign that was said or shown by the column; None when no cell needed one.
    """

    values: pd.Series
    marks: pd.Series
    decimal: Decimal | None


def read_number(text: object, *, decimal: Decimal | None = None) -> NumberRead:
    """Read one cell.

    Parameters
    ----------
    text : object
        "1.234,5", "1 234,5", "12,3 %", "−3,1", "..", "<5"; a number is taken as it is, None and NaN are blank.
    decimal : {"comma", "point"} or None
        The decimal sign of the source. None reads what can be read in one way only.

    Returns
    -------
    NumberRead
        The value and the mark.

    Raises
    ------
    DataError
        The cell is no number and no known mark, contradicts `decimal`, or could be read in two ways ("1.234").
    SpecificationError
        `decimal` is something else.

    Notes
    -----
    Thousands are grouped in threes by points or any kind of space (by commas when the decimal sign is the point);
    "12.34,5", "1 23" and "007" are errors.

    Examples
    --------
    >>> read_number("1.234,5"), read_number("<5")
    (NumberRead(value=1234.5, mark=''), NumberRead(value=nan, mark='<5'))
    >>> read_number("1.234", decimal="comma").value
    1234.0
    """
    _check(decimal)
    read = _read(text, decimal)
    if isinstance(read, str):
        raise DataError(f"{_short(text)} cannot be read: {read}")
    return read


def read_numbers(series: Iterable[object], *, decimal: Decimal | None = None) -> NumbersRead:
    """Read a column.

    Parameters
    ----------
    series : iterable, n values
        Cells as in `read_number`.
    decimal : {"comma", "point"} or None
        None: the sign that other cells of the column show, when all that show one show the same.

    Returns
    -------
    NumbersRead
        Values and marks, with the index of `series` when it is a Series.

    Raises
    ------
    DataError
        Cells cannot be read (they are counted and the first are shown), the cells show both decimal signs, none
        tells how "1.234" is meant, or only some of the numbers are per cent.
    SpecificationError
        `decimal` is something else.

    Examples
    --------
    >>> read = read_numbers(["1.234", "12,5", ".."])
    >>> list(read.values), list(read.marks)
    ([1234.0, 12.5, nan], ['', '', '..'])
    """
    _check(decimal)
    if isinstance(series, str | bytes) or not isinstance(series, Iterable):
        raise DataError(f"a column or list of cells is needed, not {_short(series)}")
    cells = list(series)
    sign = decimal or _shown(cells)
    read: list[NumberRead] = []
    wrong: list[str] = []
    for position, cell in enumerate(cells):
        one = _read(cell, sign)
        if isinstance(one, str):
            wrong.append(f"{_short(cell)} in row {position + 1}: {one}")
        else:
            read.append(one)
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(f"{len(wrong)} of {len(cells)} cells cannot be read: {'; '.join(wrong[:_SHOWN])}{more}")
    units = Counter(one.mark for one in read if not math.isnan(one.value))
    if len(units) > 1:
        raise DataError(
            f"{units['%']} of {units.total()} numbers are written with % and the others without; read them apart, "
            "since they may not be in one unit"
        )
    index = series.index if isinstance(series, pd.Series) else None
    return NumbersRead(
        values=pd.Series([one.value for one in read], index=index, dtype="float64"),
        marks=pd.Series([one.mark for one in read], index=index, dtype="str"),
        decimal=sign,
    )


def _check(decimal: object) -> None:
    if decimal not in (None, "comma", "point"):
        raise SpecificationError(f"decimal is {decimal!r:.40}; allowed are 'comma', 'point' and None")


def _short(cell: object) -> str:
    return f"{cell!r:.60}"


def _shown(cells: list[object]) -> Decimal | None:
    """Return the decimal sign that the cells show, if any does."""
    signs = {sign: cell for cell in cells if isinstance(cell, str) and (sign := _sign(cell)) is not None}
    if len(signs) == 2:
        raise DataError(
            f"both decimal signs are in one column: {_short(signs['comma'])} and {_short(signs['point'])}; the file "
            "may be put together from two sources: say which sign is right, and mend the others"
        )
    return next(iter(signs), None)


def _sign(cell: str) -> Decimal | None:
    body = _body(cell)[0]
    if _EITHER.fullmatch(body):
        return None
    for sign, forms in _FORMS.items():
        if any(form.fullmatch(body) for form in forms):
            return sign
    return None


def _body(cell: str) -> tuple[str, bool, bool]:
    """Return the digits and separators of a cell, whether it is negative and whether it is per cent."""
    text = _SPACES.sub(" ", cell).strip()
    percent = text.endswith("%")
    text = text.removesuffix("%").rstrip(" ") if percent else text
    negative = bool(re.match(r"[-‐‑–−] ?[0-9]", text))
    body = text[1:].lstrip(" ") if negative or re.match(r"\+[0-9]", text) else text
    return body, negative, percent


def _read(cell: object, decimal: Decimal | None) -> NumberRead | str:
    """Return what a cell says, or why it cannot be read."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return NumberRead(math.nan, "blank")
    if isinstance(cell, bool):
        return "a truth value is no number"
    if isinstance(cell, Real):
        return _number(cell)
    if not isinstance(cell, str):
        return f"a {type(cell).__name__} is no number"
    text = _SPACES.sub(" ", cell).strip()
    if not text:
        return NumberRead(math.nan, "blank")
    if text.casefold() in _WORDS or _SIGNS.fullmatch(text) or _BOUND.fullmatch(text):
        return NumberRead(math.nan, text)
    return _figure(text, decimal)


def _number(cell: Real) -> NumberRead | str:
    try:
        value = float(cell)
    except OverflowError:
        return "it is too large"
    if math.isnan(value):
        return NumberRead(value, "blank")
    return "it is not finite" if math.isinf(value) else NumberRead(value, "")


def _figure(text: str, decimal: Decimal | None) -> NumberRead | str:
    body, negative, percent = _body(text)
    if len(body) > 400:
        return "it is too long"
    sign = decimal
    if _WHOLE.fullmatch(body):
        sign = sign or "comma"
    elif decimal is None and _EITHER.fullmatch(body):
        return "it can be a number of thousands or one with three decimals; say decimal='comma' (Danish) or 'point'"
    elif decimal is None:
        sign = _sign(text)
        if sign is None:
            return "it is neither a number nor a known mark"
    elif not any(form.fullmatch(body) for form in _FORMS[decimal]):
        other = _sign(text)
        return (
            f"its decimal sign is the {other}, not the {decimal}"
            if other
            else "it is neither a number nor a known mark"
        )
    point, group = (",", ".") if sign == "comma" else (".", ",")
    value = float(body.replace(" ", "").replace(group, "").replace(point, "."))
    if math.isinf(value):
        return "it is too large"
    return NumberRead(-value if negative else value, "%" if percent else "")
