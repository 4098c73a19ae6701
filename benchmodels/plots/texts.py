"""Words and numbers in pictures, in English and Danish."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmodels.comparison import Coverage

__all__ = ["Lang", "number", "percentage", "told_at", "words"]

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
        "absent": "Not compared",
        "departure": "What the choices leave of the difference from expected",
        "departure log": "What the choices leave of log(observed / expected)",
        "std_error": "Standard error",
        "chance alone": "{level} of units by chance alone",
        "chance and tau": "{level} of units, with variation between units τ = {tau}",
        "explained": "The choices go with {share} of the variation between units",
        "explained unknown": "Units do not vary by more than chance",
        "interval": "{level} interval",
        "interval asked": "Interval asked for at {level}; {held}",
        "held": "held for {held} in simulations",
        "held unknown": "how often that holds is not known",
        "no verdict": "Estimate (no verdict)",
        "sorted_high": "sorted by estimate, highest on top",
        "sorted_low": "sorted by estimate, lowest on top",
        "sorted_rank": "sorted by rank",
        "every": "one unit in {n} named",
        "rank_low": "Rank (1 = lowest)",
        "rank_high": "Rank (1 = highest)",
        "rank": "Rank",
        "marginal": "{level} set for one unit (marginal)",
        "simultaneous": "{level} sets for all units at once (simultaneous)",
        "marginal asked": "Set for one unit (marginal), asked for at {level}; {held}",
        "simultaneous asked": "Sets for all units at once (simultaneous), asked for at {level}; {held}",
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
        "on the frontier": "On the frontier",
        "off the frontier": "Off the frontier",
        "beyond the frontier": "Beyond the frontier",
        "technology": "What the units show can be done",
        "edge": "Frontier, {returns}",
        "crs": "constant returns to scale",
        "vrs": "variable returns to scale",
        "drs": "non-increasing returns to scale",
        "irs": "non-decreasing returns to scale",
        "bounds": "intensities summing to {low} to {high}",
        "fdh": "of real units (FDH)",
        "per": "{good} per {other}",
        "per many": "{good} per {n} {other}",
        "in millions": "{text}, millions",
        "nearer input": "How much nearer the frontier the others would be without the unit:\n"
        "sum over them, per cent of what each uses",
        "nearer output": "How much nearer the frontier the others would be without the unit:\n"
        "sum over them, per cent of what each makes",
        "moves": "moves {n}, each at most {most}",
        "within reach": "Within reach of the others",
        "out of reach": "Out of reach of the others",
        "out of reach too": "not shown, but out of reach of the others:\n{names}",
        "moving": "{n} of {all} units move others{some}",
        "moving some": "; shown are those that move them most",
        "nobody removed": "Nobody is left out: look at the figures of those on top first",
        "outside": "outside the picture: {names}",
        "to target": "{unit}: to its target",
        "to peer": "{unit}: to a unit that does it",
        "efficiency input": "Efficiency: share of its inputs a unit would need on the frontier, per cent",
        "efficiency output": "Efficiency: share of what it could make that a unit makes, per cent",
        "efficiency graph": "Efficiency: factor on inputs, and its inverse on outputs, to the frontier, per cent",
        "efficiency directional": "Inefficiency: steps to the frontier along the direction",
        "marks": "one mark a unit, stacked where they meet",
        "chance": "A frontier of the units there happen to be lies within the true one; noise in their figures\n"
        "pushes it out. Some of each distance is chance, and distances are no ranking",
        "chance partial": "Some of each distance is chance, and distances are no ranking",
        "no efficiency": "not shown (no answer): {names}",
        "now": "Now",
        "target": "Target",
        "move": "Move to the frontier",
        "slack": "Further (slack)",
        "of now": "{unit}, per cent of now",
        "now to target": "now → on the frontier",
        "peers input": "What those it is held against use: no goal",
        "peers output": "What those it is held against make: no goal",
        "no share": "none now: amounts only",
        "good input": "{good} (used)",
        "good output": "{good} (made)",
        "peer of": "Number of other units it is a peer of (of {n} that have others as peers)",
        "peer weights": "Weight in the target of {unit}",
        "peer on": "On the frontier",
        "peer off": "Off its own frontier: others in its own circle do better",
        "nobody's peer": "Not shown: {n} on the frontier and nobody's peer, best perhaps for want of anyone\n"
        "to be held against: {names}",
        "peer copies": "Copies that {unit} is held against",
        "other copies": "other copies may do as well",
        "other peers": "{n} of them could have other peers just as well",
        "other peers one": "it could have other peers just as well",
        "first few": "the first {n} of {all}",
        "beats": "Units that beat {unit}: difference from it in per cent",
        "sorted_gain": "largest mean gain on top",
        "simulated": "Simulated figures",
        "beside observed": "Now",
        "beside expected": "Expected with\naverage practice",
        "beside attainable": "With best practice,\nall else the same",
        "per size": "Per unit of size",
        "beside interval": "Grey: {level} interval of the expected",
        "beside limits": "Striped: {level} limits of best practice",
        "beside limits asked": "Striped: limits of best practice asked for at {level};\n{held}",
        "beside as expected": "As expected",
        "beside middle": "The middle unit, by each factor",
        "beside x input": "How much: what the best would use for the same, from what is expected, per cent",
        "beside y input": "How dear: what it uses, from what the best would use for the same, per cent",
        "beside x output": "How much to make it with: what the best would make, from what is expected, per cent",
        "beside y output": "How well: what it makes, from what the best would make with the same, per cent",
        "beside input up left": "More used for the same, and less made,\nthan by the middle unit",
        "beside input up right": "More used for the same,\nand more made",
        "beside input down left": "Less used for the same,\nand less made",
        "beside input down right": "Less used for the same,\nbut more made",
        "beside output up left": "More made of the same, and less to\nmake it with, than by the middle unit",
        "beside output up right": "More made of the same,\nand more to make it with",
        "beside output down left": "Less made of the same,\nand less to make it with",
        "beside output down right": "Less made of the same,\nbut more to make it with",
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
        "absent": "Ikke sammenlignet",
        "departure": "Hvad valgene efterlader af forskellen fra det forventede",
        "departure log": "Hvad valgene efterlader af log(observeret / forventet)",
        "std_error": "Standardfejl",
        "chance alone": "{level} af enhederne ved tilfældigheder alene",
        "chance and tau": "{level} af enhederne, med variation mellem enheder τ = {tau}",
        "explained": "Valgene hænger sammen med {share} af variationen mellem enheder",
        "explained unknown": "Enhederne varierer ikke mere end tilfældigt",
        "interval": "{level}-interval",
        "interval asked": "Interval, der skulle holde for {level}; {held}",
        "held": "holdt for {held} i simuleringer",
        "held unknown": "hvor tit det holder, vides ikke",
        "no verdict": "Estimat (ingen afgørelse)",
        "sorted_high": "sorteret efter estimat, højeste øverst",
        "sorted_low": "sorteret efter estimat, laveste øverst",
        "sorted_rank": "sorteret efter placering",
        "every": "hver {n}. enhed er navngivet",
        "rank_low": "Placering (1 = lavest)",
        "rank_high": "Placering (1 = højest)",
        "rank": "Placering",
        "marginal": "{level}-sæt for én enhed (marginalt)",
        "simultaneous": "{level}-sæt for alle enheder på én gang (simultant)",
        "marginal asked": "Sæt for én enhed (marginalt), der skulle holde for {level}; {held}",
        "simultaneous asked": "Sæt for alle enheder på én gang (simultant), der skulle holde for {level}; {held}",
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
        "on the frontier": "På fronten",
        "off the frontier": "Inden for fronten",
        "beyond the frontier": "Uden for fronten",
        "technology": "Det, enhederne viser kan lade sig gøre",
        "edge": "Front, {returns}",
        "crs": "konstant skalaafkast",
        "vrs": "variabelt skalaafkast",
        "drs": "ikke-stigende skalaafkast",
        "irs": "ikke-aftagende skalaafkast",
        "bounds": "vægte med en sum fra {low} til {high}",
        "fdh": "af virkelige enheder (FDH)",
        "per": "{good} pr. {other}",
        "per many": "{good} pr. {n} {other}",
        "in millions": "{text}, millioner",
        "nearer input": "Så meget nærmere fronten ville de andre være uden enheden:\n"
        "sum over dem, procent af det, hver bruger",
        "nearer output": "Så meget nærmere fronten ville de andre være uden enheden:\n"
        "sum over dem, procent af det, hver yder",
        "moves": "flytter {n}, hver højst {most}",
        "within reach": "Inden for de andres rækkevidde",
        "out of reach": "Uden for de andres rækkevidde",
        "out of reach too": "ikke vist, men uden for de andres rækkevidde:\n{names}",
        "moving": "{n} af {all} enheder flytter andre{some}",
        "moving some": "; vist er dem, der flytter mest",
        "nobody removed": "Ingen er udeladt: se først på tallene for dem øverst",
        "outside": "uden for billedet: {names}",
        "to target": "{unit}: til sit mål",
        "to peer": "{unit}: til en enhed, der gør det",
        "efficiency input": "Efficiens: andel af sit input, som enheden ville bruge på fronten, procent",
        "efficiency output": "Efficiens: andel af det mulige output, som enheden når, procent",
        "efficiency graph": "Efficiens: faktor på input, og dens omvendte på output, til fronten, procent",
        "efficiency directional": "Inefficiens: skridt til fronten i den valgte retning",
        "marks": "ét mærke pr. enhed, stablet hvor de mødes",
        "chance": "En front af de enheder, der tilfældigvis er med, ligger inden for den sande; støj i tallene\n"
        "skubber den ud. Noget af hver afstand er tilfældigt, og afstande er ingen rangering",
        "chance partial": "Noget af hver afstand er tilfældigt, og afstande er ingen rangering",
        "no efficiency": "ikke vist (intet svar): {names}",
        "now": "Nu",
        "target": "Mål",
        "move": "Vejen til fronten",
        "slack": "Yderligere (slack)",
        "of now": "{unit}, procent af nu",
        "now to target": "nu → på fronten",
        "peers input": "Det, sammenligningen bruger: intet mål",
        "peers output": "Det, sammenligningen yder: intet mål",
        "no share": "intet nu: kun mængder",
        "good input": "{good} (bruges)",
        "good output": "{good} (ydes)",
        "peer of": "Antal andre enheder, der holdes op mod den (af {n}, der holdes op mod andre)",
        "peer weights": "Vægt i målet for {unit}",
        "peer on": "På fronten",
        "peer off": "Inden for sin egen front: andre i dens egen kreds gør det bedre",
        "nobody's peer": "Ikke vist: {n} på fronten, som ingen andre holdes op mod, måske kun bedst\n"
        "i mangel af sammenlignelige: {names}",
        "peer copies": "Kopier, som {unit} holdes op mod",
        "other copies": "andre kopier gør det måske lige så godt",
        "other peers": "{n} af dem kunne lige så godt holdes op mod andre",
        "other peers one": "den kunne lige så godt holdes op mod andre",
        "first few": "de første {n} af {all}",
        "beats": "Enheder, der gør det bedre end {unit}: forskel fra den i procent",
        "sorted_gain": "største gennemsnitlige gevinst øverst",
        "simulated": "Simulerede tal",
        "beside observed": "Nu",
        "beside expected": "Forventet med\ngennemsnitlig praksis",
        "beside attainable": "Med bedste praksis,\nalt andet lige",
        "per size": "Pr. enhed af størrelsen",
        "beside interval": "Grå: {level}-interval for det forventede",
        "beside limits": "Skraveret: {level}-grænser for bedste praksis",
        "beside limits asked": "Skraveret: grænser for bedste praksis, der skulle holde for {level};\n{held}",
        "beside as expected": "Som forventet",
        "beside middle": "Den midterste enhed i hver retning",
        "beside x input": "Hvor meget: det, de bedste ville bruge til det samme, i forhold til det forventede, procent",
        "beside y input": "Hvor dyrt: forbruget i forhold til det, de bedste ville bruge til det samme, procent",
        "beside x output": "Hvor meget at gøre det med: det, de bedste ville nå, i forhold til det forventede, procent",
        "beside y output": "Hvor godt: det, der nås, i forhold til det, de bedste ville nå med det samme, procent",
        "beside input up left": "Bruger mere på det samme og når mindre\nend den midterste enhed",
        "beside input up right": "Bruger mere på det samme\nog når mere",
        "beside input down left": "Bruger mindre på det samme\nog når mindre",
        "beside input down right": "Bruger mindre på det samme,\nmen når mere",
        "beside output up left": "Når mere med det samme og har mindre\nat nå det med end den midterste enhed",
        "beside output up right": "Når mere med det samme\nog har mere at nå det med",
        "beside output down left": "Når mindre med det samme\nog har mindre at nå det med",
        "beside output down right": "Når mindre med det samme,\nmen har mere at nå det med",
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


def told_at(
    say: Mapping[str, str],
    key: str,
    coverage: Coverage | None,
    level: float,
    of: Literal["intervals", "ranks", "all_ranks"],
    lang: Lang,
) -> str:
    """Return the words of a key with its level or, where sets hold less often than it says, with how often they do.

    Parameters
    ----------
    say : mapping of str to str
        With the key, and the key followed by ' asked'.
    key : str
    coverage : Coverage or None
    level : float
        Asked for.
    of : str
        Which sets.
    lang : {'en', 'da'}
    """
    asked = percentage(level, lang)
    if coverage is None or (of == "intervals" and coverage.reached(level)):
        return say[key].format(level=asked)
    share = getattr(coverage, of) if coverage.level == level else math.nan
    held = say["held"].format(held=percentage(round(share, 2), lang)) if math.isfinite(share) else say["held unknown"]
    return say[f"{key} asked"].format(level=asked, held=held)
