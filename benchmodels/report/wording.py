"""The words and the numbers of a page in one language."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Lang", "Wording", "wording"]

Lang = Literal["da", "en"]
_FOLDER = Path(__file__).parent / "words"
_NBSP = "\u00a0"
_DANISH_ORDER = str.maketrans({"æ": "{", "ø": "|", "å": "}", "ä": "{", "ö": "|"})


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Sentences by key, and the marks that numbers are written with.

    Parameters
    ----------
    lang : str
        'da' or 'en'.
    table : mapping of str to str
        Sentences, with named places in braces.
    common : mapping of str to str
        Values for places that are the same all over a chapter, such as what a unit is called.
    sentences : mapping of str to str
        What models say in English, in this language.
    """

    lang: Lang
    table: Mapping[str, str]
    common: Mapping[str, str] = field(default_factory=dict)
    sentences: Mapping[str, str] = field(default_factory=dict)

    def translated(self, sentence: str) -> str:
        """Return a sentence of a model, said in English, in this language where it is known; else as it is.

        A known sentence with named places must fit as a whole, and what fills its places is translated in turn;
        one without is replaced wherever it is found.
        """
        if re.fullmatch(r"[-+]?\d+\.\d+(e[-+]?\d+)?", sentence):
            return sentence.replace(".", self.table["decimal"])
        if re.fullmatch(r"\d+%", sentence):
            return self.percent(sentence[:-1])
        for said, ours in self.sentences.items():
            if "{" in said and (found := re.fullmatch(_pattern(said), sentence, re.DOTALL)):
                return ours.format(**{place: self.translated(value) for place, value in found.groupdict().items()})
        for said, ours in self.sentences.items():
            if "{" not in said:
                sentence = sentence.replace(said, ours)
        return sentence

    def about(self, **common: str) -> Wording:
        """Return the same wording with more places filled in throughout."""
        return replace(self, common={**self.common, **common})

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of a key with its places filled in."""
        text = self.table[key].format(**{**self.common, **{name: str(value) for name, value in values.items()}})
        # A unit of measure may end in a full stop of its own ("kr."); a sentence has one.
        return re.sub(r"(?<!\.)\.\.(?!\.)", ".", text)

    def number(self, value: float, decimals: int = 0, *, sign: bool = False) -> str:
        """Write a number with this language's marks; '–' where there is none.

        Examples
        --------
        >>> wording("da").number(-1234.5, 1), wording("en").number(1234.5, 1, sign=True)
        ('−1.234,5', '+1,234.5')
        """
        if not math.isfinite(value):
            return self.table["no_value"]
        text = f"{abs(value):,.{decimals}f}"
        text = text.replace(",", "\0").replace(".", self.table["decimal"]).replace("\0", self.table["thousands"])
        if not any(digit in text for digit in "123456789"):
            return text
        if value < 0:
            return self.table["minus"] + text
        return f"+{text}" if sign else text

    def amount(self, value: float, unit: str, decimals: int = 0, *, sign: bool = False) -> str:
        """Write a number with its unit of measure; a short one stays on the number's line."""
        number = self.number(value, decimals, sign=sign)
        if not math.isfinite(value):
            return number
        return self.percent(number) if unit == "%" else f"{number}{_NBSP if len(unit) <= 3 else ' '}{unit}"

    def percent(self, number: str) -> str:
        """Write the sign for per cent as this language does: '5 %' or '5%'."""
        return self.table["percent"].format(number=number).replace(" ", _NBSP)

    def relative(self, ratio: float) -> str:
        """Write a ratio as per cent over or under the expected."""
        if not math.isfinite(ratio):
            return self.table["no_value"]
        number = self.percent(self.number(abs(ratio - 1) * 100, 1))
        return self("over" if ratio >= 1 else "under", number=number)

    def between(self, lower: float, upper: float, *, unit: str, decimals: int) -> str:
        """Write an interval in words; one-sided where one end is missing. See `span` for its decimals."""
        decimals = _off_zero((lower, upper), decimals)
        if math.isfinite(lower) and math.isfinite(upper):
            first = self.number(lower, decimals) if unit != "%" else self.amount(lower, unit, decimals)
            return self("between", lower=first, upper=self.amount(upper, unit, decimals))
        if math.isfinite(lower):
            return self("at_least", lower=self.amount(lower, unit, decimals))
        if math.isfinite(upper):
            return self("at_most", upper=self.amount(upper, unit, decimals))
        return self("interval_withheld")

    def span(self, lower: float, upper: float, decimals: int) -> str:
        """Write an interval in short, for a table.

        An end that is no zero is not written as one: by which side of zero it is on, a unit is different or not.

        Examples
        --------
        >>> wording("da").span(-0.04, 1.52, 1).replace(_NBSP, " "), wording("da").span(0.3, 1.52, 1).replace(_NBSP, " ")
        ('−0,04 til 1,52', '0,3 til 1,5')
        """
        if not (math.isfinite(lower) or math.isfinite(upper)):
            return self.table["no_value"]
        decimals = _off_zero((lower, upper), decimals)
        return self("span", lower=self.number(lower, decimals), upper=self.number(upper, decimals)).replace(" ", _NBSP)

    def between_relative(self, lower: float, upper: float) -> str:
        """Write an interval of ratios as per cent over or under the expected."""
        if math.isfinite(lower) and math.isfinite(upper):
            return self("between", lower=self.relative(lower), upper=self.relative(upper))
        if math.isfinite(lower):
            return self("at_least", lower=self.relative(lower))
        if math.isfinite(upper):
            return self("at_most", upper=self.relative(upper))
        return self("interval_withheld")

    def order(self, label: str) -> tuple[str, str]:
        """Return the key that labels are ordered by: 2 before 10; in Danish aa, æ, ø and å come last."""
        folded = re.sub(r"\d+", lambda digits: digits.group().zfill(12), label.casefold())
        if self.lang == "da":
            folded = folded.replace("aa", "å").translate(_DANISH_ORDER)
        return folded, label


def _off_zero(ends: tuple[float, float], decimals: int) -> int:
    """Return up to two more decimals, where an end that is no zero would be written as one."""
    known = [abs(end) for end in ends if math.isfinite(end) and end != 0.0]
    for more in range(3):
        if all(float(f"{end:.{decimals + more}f}") > 0.0 for end in known):
            return decimals + more
    return decimals


def _pattern(said: str) -> str:
    """Return the expression that finds a sentence and its places; a place named by n or k is a whole number."""
    parts = re.split(r"{(\w+)}", said)
    whole = {"n": r"\d+", "k": r"\d+"}
    places = [f"(?P<{name}>{whole.get(name, '.+?')})" for name in parts[1::2]]
    texts = [re.escape(text) for text in parts[::2]]
    return "".join(text + place for text, place in zip(texts, [*places, ""], strict=True))


def wording(lang: Lang) -> Wording:
    """Return the words of a language."""
    table = tomllib.loads((_FOLDER / f"{lang}.toml").read_text(encoding="utf-8"))
    sentences = table.pop("sentences", {})
    return Wording(lang=lang, table=table, sentences=sentences)


def first_upper(text: str) -> str:
    """Return the text with its first letter as a capital; the rest untouched."""
    return text[:1].upper() + text[1:]
