"""Texts of two runs side by side: words to the letter, and numbers as what they are in the language of the text."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple

from benchmodels.replication.provenance.agreement import TOLERANCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["compare_shown", "compare_words"]

Lang = Literal["da", "en"]

_SHOWN = re.compile(r"((?<![\w.,])-?\d+(?:[.,]\d+)*(?:[eE][-+]?\d{1,4})?(?!\w))", re.ASCII)
_BEFORE, _AROUND = 25, 50


def _written(thousands: str, decimal: str) -> re.Pattern[str]:
    """Return how numbers are written: a mark of thousands stands before exactly three digits, and nowhere else."""
    whole = rf"[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+|\d+"
    return re.compile(rf"(-?(?:{whole}))(?:{re.escape(decimal)}(\d+))?([eE][-+]?\d+)?", re.ASCII)


_MARKS: Mapping[Lang, str] = {"da": ".", "en": ","}
_WRITTEN: Mapping[Lang, re.Pattern[str]] = {"da": _written(".", ","), "en": _written(",", ".")}


class _Number(NamedTuple):
    value: float
    decimals: int
    whole: bool


def compare_words(recorded: str, found: str, *, lang: Lang = "en") -> tuple[int, str, str]:
    """Compare two texts with numbers in them: words to the letter, numbers with decimals as figures.

    Parameters
    ----------
    recorded, found : str
    lang : {"da", "en"}
        Whose marks of thousands and decimals are meant; a number that cannot be written so is read as of the other.

    Returns
    -------
    places : int
        How many words or numbers differ.
    recorded, found : str
        The first of them, with what stands before it; '' where none does.

    Examples
    --------
    >>> compare_words("tau = 0.0415000000001", "tau = 0.0415")
    (0, '', '')
    >>> compare_words("tau = 0.0415", "tau = 0.0416")
    (1, 'tau = 0.0415', 'tau = 0.0416')
    """
    beyond, _, a, b = compare_shown(recorded, found, lang=lang)
    return beyond, a, b


def compare_shown(
    recorded: str, found: str, *, figures: Sequence[float] = (), lang: Lang = "en"
) -> tuple[int, int, str, str]:
    """Compare two texts as `compare_words` does, and set apart numbers that were rounded to neighbours.

    Parameters
    ----------
    recorded, found : str
    figures : sequence of float
        What the numbers are of, in the units of measure of the text, ascending and without signs. A number with
        decimals may be one unit of its last away from the other where one of these lies half way between the two: it
        is rounded up or down by its sixteenth digit. Numbers without decimals are counts, ranks and years, and have no
        neighbours.
    lang : {"da", "en"}
        As in `compare_words`.

    Returns
    -------
    beyond, rounded : int
        How many words or numbers differ, and how many numbers by their rounding.
    recorded, found : str
        The first of those beyond, or else of those rounded, with what stands around it; '' where none differs.

    Examples
    --------
    >>> compare_shown("99,8 %", "99,9 %", figures=[99.85], lang="da")
    (0, 1, '99,8', '99,9')
    >>> compare_shown("30 units", "31 units", figures=[30.5])[:2]
    (1, 0)
    """
    if recorded == found:
        return 0, 0, "", ""
    one, other = _SHOWN.split(recorded), _SHOWN.split(found)
    rounded: list[int] = []
    beyond: list[int] = []
    for i, (a, b) in enumerate(zip_longest(one, other, fillvalue="")):
        if a == b:
            continue
        written: Lang = "en" if _is_value(one, i) and _is_value(other, i) else lang
        if not _near(a, b, written):
            (rounded if figures and _neighbours(a, b, written, figures) else beyond).append(i)
    if not beyond and not rounded:
        return 0, 0, "", ""
    at = (beyond or rounded)[0]
    first, second = ("".join(pieces[max(at - 2, 0) : at + 1]) for pieces in (one, other))
    # From a little before the first letter that differs.
    same = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    start = max(same - _BEFORE, 0)
    return len(beyond), len(rounded), first[start : start + _AROUND], second[start : start + _AROUND]


def _is_value(pieces: Sequence[str], i: int) -> bool:
    """Whether a number is the whole value of an attribute of a page, which programs read: with a point in any page."""
    return 0 < i < len(pieces) - 1 and pieces[i - 1].endswith('="') and pieces[i + 1].startswith('"')


def _near(a: str, b: str, lang: Lang) -> bool:
    """Whether two numbers that are not the same to the letter are near each other."""
    one, other = _number(a, lang), _number(b, lang)
    if one is None or other is None or (one.whole and other.whole):
        return False
    asked = TOLERANCES["figure"]
    # Figures of a page that are not 0 have a size of about one in their own unit of measure.
    return abs(one.value - other.value) <= asked.rtol * max(abs(one.value), abs(other.value)) + asked.atol


def _neighbours(a: str, b: str, lang: Lang, figures: Sequence[float]) -> bool:
    """Whether two numbers are one unit of their last decimal apart, with a figure half way between them."""
    one, other = _number(a, lang), _number(b, lang)
    if one is None or other is None or one.decimals != other.decimals or not one.decimals:
        return False
    unit = 10.0**-one.decimals
    if not abs(one.value - other.value) <= 1.001 * unit:
        return False
    half = abs(one.value + other.value) / 2
    # Relative to 100: a ratio is shown as a share more or less than it.
    leave = TOLERANCES["figure"].rtol * max(half, 100.0)
    first = bisect_left(figures, half - leave)
    return first < len(figures) and figures[first] <= half + leave


def _number(text: str, lang: Lang) -> _Number | None:
    other: Lang = "en" if lang == "da" else "da"
    for reading in (lang, other):
        found = _WRITTEN[reading].fullmatch(text)
        if found:
            whole, decimals, power = found[1].replace(_MARKS[reading], ""), found[2] or "", found[3] or ""
            value = float(f"{whole}.{decimals or '0'}{power}")
            return _Number(value=value, decimals=len(decimals), whole=not decimals and not power)
    return None
