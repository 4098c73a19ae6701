"""What pictures of units together say, in English and Danish."""

from __future__ import annotations

__all__ = ["RETURNS", "SAID"]

SAID: dict[str, dict[str, str]] = {
    "en": {
        "today": "Today, added up",
        "learning": "Learning: each as good as its best peers",
        "harmony": "Harmony: one mix for the group",
        "size": "Size: working at the size of all",
        "best": "Best practice as one unit",
        "input": "Input, today = 100",
        "output": "Output, today = 100",
        "gain": "gain",
        "cost": "cost",
        "not saving": "A potential, not a saving: nobody has merged, and what it costs to change, travel and "
        "levels of pay and service are not in it.",
        "size costs": "Size is a cost here: by the table, units as large as the group do worse than smaller ones.",
        "scale": "Returns to scale: {returns}.",
        "whiskers": "Lines: {level} intervals, each part by itself{held}. They lie "
        "beyond the bars where the best found fall short of the best there could be.",
        "held": "; in simulations of such tables they held in {least} to {most} of cases",
        "not simulated": "; how often such intervals hold was not simulated",
        "no interval": "No intervals: {why}.",
        "short": "more than half of the frontiers drawn end short of the group",
        "reduction": "Less input by merging, per cent (harmony and size)",
        "increase": "More output by merging, per cent (harmony and size)",
        "one of the best": "May be the best partner (all partners at once, {level})",
        "not best": "Not the best partner",
        "found": "Found, no interval",
        "with learning": "With what each could learn by itself",
        "no answer": "{n} of {all} have no answer: as one they are larger, or of another mix, than any units show.",
        "shown": "The {n} with most to gain of {all}.",
        "by chance": "The first of many is first in part by chance.",
        "best held": "In simulations of such tables the best was among those that may be in {share} of cases.",
        "best not known": "How often the best is among those that may be was not simulated.",
        "ratio": "Technology gap ratio: how near the own kind's frontier comes to that of all",
        "mean": "Mean of the kind",
        "units": "A unit",
        "few": "too few units for a frontier of their own",
        "small kinds": "Kinds with fewer units seem further behind, by their number alone.",
    },
    "da": {
        "today": "I dag, lagt sammen",
        "learning": "Læring: hver så god som de bedste af sine lige",
        "harmony": "Harmoni: én blanding for hele gruppen",
        "size": "Størrelse: at arbejde i samlet størrelse",
        "best": "Bedste praksis som én enhed",
        "input": "Ressourceforbrug, i dag = 100",
        "output": "Produktion, i dag = 100",
        "gain": "gevinst",
        "cost": "omkostning",
        "not saving": "Et potentiale, ikke en besparelse: ingen er lagt sammen, og omstilling, afstande, løn og "
        "serviceniveau er ikke regnet med.",
        "size costs": "Størrelsen koster her: efter tabellen klarer så store enheder sig dårligere end mindre.",
        "scale": "Skalaafkast: {returns}.",
        "whiskers": "Streger: {level}-intervaller, ét led ad gangen{held}. De ligger "
        "uden for søjlerne, hvor de bedste fundne ikke når så langt som de bedst mulige.",
        "held": "; i simulationer af sådanne tabeller holdt de i {least} til {most} af tilfældene",
        "not simulated": "; hvor ofte sådanne intervaller holder, er ikke simuleret",
        "no interval": "Ingen intervaller: {why}.",
        "short": "mere end halvdelen af de trukne fronter når ikke ud til gruppen",
        "reduction": "Mindre ressourceforbrug ved sammenlægning, pct. (harmoni og størrelse)",
        "increase": "Større produktion ved sammenlægning, pct. (harmoni og størrelse)",
        "one of the best": "Kan være den bedste partner (alle partnere på én gang, {level})",
        "not best": "Ikke den bedste partner",
        "found": "Fundet, uden interval",
        "with learning": "Med det, hver kunne lære selv",
        "no answer": "{n} af {all} har intet svar: som én er de større, eller af en anden blanding, end nogen viser.",
        "shown": "De {n} med mest at vinde af {all}.",
        "by chance": "Den første af mange er først til dels ved et tilfælde.",
        "best held": "I simulationer af sådanne tabeller var den bedste blandt dem, der kan være det, i {share}.",
        "best not known": "Hvor ofte den bedste er blandt dem, der kan være det, er ikke simuleret.",
        "ratio": "Teknologiforhold: hvor nær egen gruppes front kommer på alles",
        "mean": "Gruppens gennemsnit",
        "units": "En enhed",
        "few": "for få enheder til en front for sig selv",
        "small kinds": "Grupper med færre enheder synes længere bagud alene på grund af antallet.",
    },
}

RETURNS: dict[str, dict[str, str]] = {
    "en": {"vrs": "variable", "crs": "constant, so that size cannot count", "drs": "not increasing, so that size "
           "cannot be a gain", "irs": "not decreasing, so that size cannot be a cost", "fdh": "units as they are"},
    "da": {"vrs": "variabelt", "crs": "konstant, så størrelsen ikke kan tælle", "drs": "ikke stigende, så størrelsen "
           "ikke kan være en gevinst", "irs": "ikke faldende, så størrelsen ikke kan koste",
           "fdh": "enheder, som de er"},
}  # fmt: skip
