"""Numbers as they stand in print: the value, and what rounding it may hide."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from benchmodels.errors import SpecificationError

__all__ = ["Printed", "PrintLanguage", "read_printed"]

PrintLanguage = Literal["da", "en"]

# Thousands in threes or not at all, and none before them: '1.2345' and '0.125' are no Danish numbers.
_FORMS = {
    "da": re.compile(r"[-+]?([1-9]\d{0,2}(\.\d{3})+|\d+)(,\d+)?"),
    "en": re.compile(r"[-+]?([1-9]\d{0,2}(,\d{3})+|\d*)(\.\d+)?(e[-+]?\d{1,3})?", re.IGNORECASE),
}
_MINUS = str.maketrans({"−": "-", "–": "-"})
# A space between thousands, as some tables have it; anywhere else two numbers stand beside each other.
_SPACED = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f](?=\d{3}(?!\d))")


@dataclass(frozen=True)
class Printed:
    """A printed number.

    Parameters
    ----------
    text : str
        As it stands.
    value : float
    half : float
        Half a unit of the last printed digit, in the unit of measure of the value.
    """

    text: str
    value: float
    half: float


def read_printed(text: str, *, language: PrintLanguage, precision: str | None = None) -> Printed:
    """Read a printed number with the precision that its digits claim.

    Parameters
    ----------
    text : str
        '1.234,5' in Danish, '1,234.5' in English; a minus sign or a hyphen for less than zero.
    language : {"da", "en"}
        Which marks are used.
    precision : str, optional
        The unit of the last digit that means something, where trailing zeros do not: '1.000' for 'about 5.000'. Above
        zero, and no larger than the number.

    Raises
    ------
    SpecificationError
        This is no number in this language, or no precision of it.

    Examples
    --------
    >>> read_printed("35,75", language="da")
    Printed(text='35,75', value=35.75, half=0.005)
    >>> read_printed("5,000", language="en", precision="1,000").half
    500.0
    """
    number = _decimal(text, language)
    exponent = number.as_tuple().exponent
    unit = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    if precision is not None:
        unit = _decimal(precision, language)
        if unit <= 0 or (number and unit > abs(number)):
            raise SpecificationError(f"precision {precision!r} of {text!r}: above zero and no larger than the number")
    value, half = float(number), float(unit / 2)
    if not (math.isfinite(value) and math.isfinite(half)):
        raise SpecificationError(f"{text[:40]!r} is too large a number")
    return Printed(text, value, half)


def _decimal(text: str, language: PrintLanguage) -> Decimal:
    plain = _SPACED.sub("", text.strip().translate(_MINUS))
    if not plain or not any(c.isdigit() for c in plain) or not _FORMS[language].fullmatch(plain):
        example = "'1.234,5'" if language == "da" else "'1,234.5'"
        raise SpecificationError(f"{text[:40]!r} is no number in {language!r}; one looks like {example}")
    marks = plain.replace(".", "").replace(",", ".") if language == "da" else plain.replace(",", "")
    try:
        return Decimal(marks)
    except InvalidOperation as error:
        raise SpecificationError(f"{text[:40]!r} is no number") from error
