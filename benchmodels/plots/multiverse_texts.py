"""The words in pictures of a multiverse, by language."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmodels.plots.texts import Lang

__all__ = ["MULTIVERSE_WORDS"]

MULTIVERSE_WORDS: dict[Lang, dict[str, str]] = {
    "en": {
        "main": "The chosen specification",
        "sorted_curve": "{n} specifications, sorted by estimate: how far the answer rests on the analyst's choices.\n"
        "Not a confidence interval: specifications are no sample, and a share of them is no probability",
        "one": "1 specification: there is no other to hold it against",
        "not estimated": "not shown: {n} that cannot be estimated",
        "interval own": "{level} interval of each",
        "range": "Least to largest of {n}",
        "quartiles": "The middle half of them",
        "interval main": "{level} interval of the chosen one",
        "holds": "Chosen; the same verdict in all",
        "turns": "Chosen; other verdicts in some",
        "range note": "The range says how far the answer rests on the analyst's choices;\n"
        "it is not a confidence interval",
        "model": "Model",
        "family": "Family",
        "periods": "Periods",
        "pooled": "one level for all",
        "fixed": "a level for each unit",
        "random": "random levels",
        "random within": "random levels, slopes within",
        "all": "all",
        "beyond": "range runs beyond the picture:\n{names}",
        "not drawn": "no estimate: {names}",
    },
    "da": {
        "main": "Den valgte specifikation",
        "sorted_curve": "{n} specifikationer, sorteret efter estimat: hvor meget svaret hviler på analytikerens valg.\n"
        "Ikke et konfidensinterval: de er ingen stikprøve, og en andel af dem er ingen sandsynlighed",
        "one": "1 specifikation: der er ingen anden at holde den op imod",
        "not estimated": "ikke vist: {n}, der ikke kan estimeres",
        "interval own": "{level}-interval for hver",
        "range": "Mindste til største af {n}",
        "quartiles": "Den midterste halvdel af dem",
        "interval main": "{level}-interval for den valgte",
        "holds": "Den valgte; samme afgørelse i alle",
        "turns": "Den valgte; andre afgørelser i nogle",
        "range note": "Spændet viser, hvor meget svaret hviler på analytikerens valg;\n"
        "det er ikke et konfidensinterval",
        "model": "Model",
        "family": "Fordeling",
        "periods": "Perioder",
        "pooled": "ét niveau for alle",
        "fixed": "et niveau for hver enhed",
        "random": "tilfældige niveauer",
        "random within": "tilfældige niveauer, hældninger inden for",
        "all": "alle",
        "beyond": "spændet går ud over billedet:\n{names}",
        "not drawn": "intet estimat: {names}",
    },
}
