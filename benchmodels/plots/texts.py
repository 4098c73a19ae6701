"""Words and numbers in pictures, in English and Danish."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Lang", "number", "percentage", "words"]

Lang = Literal["en", "da"]

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "size": "Size",
        "difference": "Difference from expected",
        "ratio": "Observed / expected",
        "rate": "Standardised rate",
        "points": "percentage points",
        "percent": "per cent",
        "direct": "directly standardised",
        "expected": "Expected",
        "observed": "Observed",
        "as_expected": "As expected",
        "above_limits": "Above the limits",
        "below_limits": "Below the limits",
        "within_limits": "Within the limits",
        "limits": "{level} limits",
        "own_limits": "A unit's own limits",
        "reference": "Reference distribution: {spread}; limits {inner} and {outer}",
        "tau": "additive τ = {value}",
        "phi": "multiplicative φ = {value}",
        "plain": "sampling noise alone",
        "garwood": "exact Poisson limits",
        "beta_binomial": "beta-binomial ρ = {value}",
        "negative_binomial": "negative binomial κ = {value}",
        "empirical_null": "empirical null of sd {value} standard errors, practice in it{few}",
        "few": "; descriptive, {n} units",
        "log": "log scale",
        "square_root": "square-root scale",
        "arcsine": "arcsine scale",
        "winsorised": "{share} winsorised",
        "truncated": "{share} truncated",
        "prediction": "Prediction limits {inner}: where a unit like the others would fall",
        "limits_prediction": "{level} prediction limits",
        "above": "Above expected",
        "below": "Below expected",
        "not different": "Not different from expected",
        "withheld": "Uncertainty not known",
        "interval": "{level} interval",
        "sorted_high": "sorted by estimate, highest on top",
        "sorted_low": "sorted by estimate, lowest on top",
        "sorted_rank": "sorted by rank",
        "every": "one unit in {n} named",
        "rank_low": "Rank (1 = lowest)",
        "rank_high": "Rank (1 = highest)",
        "rank": "Rank",
        "marginal": "{level} set for one unit (marginal)",
        "simultaneous": "{level} sets for all units at once (simultaneous)",
        "not_shown": "not shown (no value): {names}",
        "left_out": "left out (uncertainty not known): {names}",
        "more": "{names} and {n} more",
        "diagonal": "Observed = expected",
        "leverage": "Share of all information",
        "dfbetas": "Slope that moves most\nwhen the unit is left out, standard errors",
        "steers above": "Above 2 / √{n}",
        "steers below": "Below −2 / √{n}",
        "steers neither": "Between",
        "overlap": "Share of the case mix\nthat others have too",
        "too few": "Not shown: too few, or noise not known",
        "sorted_total": "sorted by observed / expected of all cases, highest on top",
        "simulated": "Simulated figures",
    },
    "da": {
        "size": "Størrelse",
        "difference": "Forskel fra det forventede",
        "ratio": "Observeret / forventet",
        "rate": "Standardiseret rate",
        "points": "procentpoint",
        "percent": "procent",
        "direct": "direkte standardiseret",
        "expected": "Forventet",
        "observed": "Observeret",
        "as_expected": "Som forventet",
        "above_limits": "Over grænserne",
        "below_limits": "Under grænserne",
        "within_limits": "Inden for grænserne",
        "limits": "{level}-grænser",
        "own_limits": "Enhedens egne grænser",
        "reference": "Referencefordeling: {spread}; grænser {inner} og {outer}",
        "tau": "additiv τ = {value}",
        "phi": "multiplikativ φ = {value}",
        "plain": "kun tilfældig variation",
        "garwood": "eksakte Poissongrænser",
        "beta_binomial": "betabinomial ρ = {value}",
        "negative_binomial": "negativ binomial κ = {value}",
        "empirical_null": "empirisk fordeling, spredning {value} standardfejl, praksis medregnet{few}",
        "few": "; kun beskrivende, {n} enheder",
        "log": "logaritmisk skala",
        "square_root": "kvadratrodsskala",
        "arcsine": "arcussinusskala",
        "winsorised": "{share} trukket ind",
        "truncated": "{share} udeladt",
        "prediction": "Prædiktionsgrænser {inner}: hvor en enhed som de andre ville ligge",
        "limits_prediction": "{level}-prædiktionsgrænser",
        "above": "Over det forventede",
        "below": "Under det forventede",
        "not different": "Ikke forskellig fra det forventede",
        "withheld": "Usikkerheden er ikke kendt",
        "interval": "{level}-interval",
        "sorted_high": "sorteret efter estimat, højeste øverst",
        "sorted_low": "sorteret efter estimat, laveste øverst",
        "sorted_rank": "sorteret efter placering",
        "every": "hver {n}. enhed er navngivet",
        "rank_low": "Placering (1 = lavest)",
        "rank_high": "Placering (1 = højest)",
        "rank": "Placering",
        "marginal": "{level}-sæt for én enhed (marginalt)",
        "simultaneous": "{level}-sæt for alle enheder på én gang (simultant)",
        "not_shown": "ikke vist (ingen værdi): {names}",
        "left_out": "udeladt (usikkerheden er ikke kendt): {names}",
        "more": "{names} og {n} til",
        "diagonal": "Observeret = forventet",
        "leverage": "Andel af al information",
        "dfbetas": "Hældning, der ændres mest,\nnår enheden udelades, standardfejl",
        "steers above": "Over 2 / √{n}",
        "steers below": "Under −2 / √{n}",
        "steers neither": "Imellem",
        "overlap": "Andel af sammensætningen,\nsom andre også har",
        "too few": "Ikke vist: for få, eller usikkerheden er ikke kendt",
        "sorted_total": "sorteret efter observeret / forventet for alle, højeste øverst",
        "simulated": "Simulerede tal",
    },
}


def words(lang: Lang, own: Mapping[str, str] | None = None, *, allowed: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the words of a language, with the caller's own words for some of them.

    Parameters
    ----------
    lang : {'en', 'da'}
    own : mapping of str to str, optional
        Other words, by key.
    allowed : tuple of str
        Keys that may be given.

    Returns
    -------
    dict of str to str

    Raises
    ------
    SpecificationError
        A language or a key that is not there.
    """
    if lang not in _WORDS:
        raise SpecificationError(f"lang={lang!r}; allowed are {', '.join(map(repr, _WORDS))}")
    unknown = sorted(set(own or ()) - set(allowed))
    if unknown:
        raise SpecificationError(f"labels has {unknown}; this picture has {list(allowed)}")
    return _WORDS[lang] | dict(own or {})


def number(value: float, lang: Lang, *, decimals: int | None = None) -> str:
    """Return a number as text: decimal comma and dotted thousands in Danish, a true minus sign in both.

    Parameters
    ----------
    value : float
    lang : {'en', 'da'}
    decimals : int, optional
        Digits after the separator; None gives three significant digits.

    Returns
    -------
    str

    Examples
    --------
    >>> number(-1234.5, "da", decimals=1), number(0.01234, "en")
    ('−1.234,5', '0.0123')
    """
    if decimals is None:
        decimals = 2 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    if lang == "da":
        text = text.translate(str.maketrans(",.", ".,"))
    return text.replace("-", "−")


def percentage(share: float, lang: Lang) -> str:
    """Return a share as a percentage: '99.8%' in English, '99,8 %' in Danish.

    Parameters
    ----------
    share : float
        0 to 1.
    lang : {'en', 'da'}

    Returns
    -------
    str
    """
    text = f"{100 * share:.10g}"
    return f"{text}%" if lang == "en" else f"{text.replace('.', ',')} %"
