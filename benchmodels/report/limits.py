"""What counts as ordinary among units, in words: the limits used, how many are unusual under others, and case mix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.report.chapter import Chapter
    from benchmodels.report.wording import Wording

    Floats = NDArray[np.float64]
    Lines = tuple[Floats, Floats, Floats, Floats]

__all__ = ["LOW_OVERLAP", "limits_kind", "limits_rows", "limits_used", "lines_of", "overlap_words", "shares_case_mix"]

# From this share of its case mix in common with others on, a unit's indirect ratio may be ranked.
LOW_OVERLAP = 0.2
_CHANCE = ("plain", "garwood")
_NAMED = 8


def limits_kind(chapter: Chapter) -> str:
    """Return which words the limits have: '' for chance and ordinary spread; '_plain', '_prediction' or '_none'."""
    if chapter.reference is None:
        return "_none"
    if chapter.reference.method in _CHANCE:
        return "_plain"
    return "_prediction" if chapter.reference.method == "prediction" else ""


def limits_used(chapter: Chapter, w: Wording) -> str:
    """Return which limits the figures have, as a sentence; nothing where there is no choice."""
    told = [row for row in limits_rows(chapter, w) if row["chosen"]]
    if not told:
        return ""
    name = str(told[0]["name"])
    return w("limits_used", name=name[:1].lower() + name[1:])


def limits_rows(chapter: Chapter, w: Wording) -> list[dict[str, Any]]:
    """Return name, counts and whether it is the one used, of each reference distribution that could be found."""
    if chapter.limits is None:
        return []
    rows = []
    for record in chapter.limits.to_dict("records"):
        method, chosen = str(record["method"]), bool(record["chosen"])
        name = w(f"limits_{method}", value=_value(chapter, w, method, float(record["value"])))
        if record["descriptive"]:
            name += w("limits_descriptive")
        if chosen and chapter.reference is not None:
            for how, share in (("winsorised", chapter.reference.winsorise), ("truncated", chapter.reference.truncate)):
                name += w(f"limits_{how}", share=w.percent(w.number(share * 100))) if share > 0.0 else ""
        above, below = int(record["above"]), int(record["below"])
        counts = [w.number(count) for count in (above + below, above, below)]
        rows.append({"name": name, "counts": counts, "chosen": chosen})
    return rows


def _value(chapter: Chapter, w: Wording, method: str, value: float) -> str:
    """Return the figure of a reference distribution; τ in the unit of measure of the differences."""
    if method in ("phi", "empirical_null"):
        return w.number(value, 1)
    if method != "tau":
        return w.number(value, max(2, 1 - math.floor(math.log10(value))) if value > 0.0 else 0)
    if chapter.contrast == "ratio":
        return w.percent(w.number(value * 100, 1))
    return w.amount(value * chapter.scale, chapter.labels.measure, max(chapter.decimals, 1))


def lines_of(chapter: Chapter, factor: float) -> Callable[[Floats], Lines]:
    """Return the lines of the funnel by size: chance alone, below and above, and the limits; NaN where not known."""
    null = chapter.main.null

    def lines(size: Floats) -> Lines:
        unknown = np.full(len(size), np.nan)
        reference = chapter.reference
        if reference is None:
            return unknown, unknown, unknown, unknown
        std_error = reference.std_error_at(size)
        lower, upper = ((end - null) * factor for end in reference.limits_at(std_error))
        if reference.method in _CHANCE:
            return lower, upper, unknown, unknown
        chance = -ndtri((1 - chapter.main.level) / 2) * std_error * factor
        if reference.method == "prediction":
            chance = unknown
        return -chance, chance, lower, upper

    return lines


def shares_case_mix(overlap: Floats) -> bool:
    """Return whether an overlap tells of case mix: units of few rows each have one that is low for all."""
    known = overlap[np.isfinite(overlap)]
    return bool(len(known)) and float(np.median(known)) >= LOW_OVERLAP


def overlap_words(chapter: Chapter, w: Wording) -> str:
    """Return which units have a case mix that few others have, as a sentence."""
    overlap = np.where(np.isfinite(chapter.main.overlap), chapter.main.overlap, math.inf)
    order = np.argsort(overlap, kind="stable")
    alone = [i for i in order.tolist() if overlap[i] < LOW_OVERLAP]
    threshold = w.percent(w.number(LOW_OVERLAP * 100))
    if not alone:
        least = w.percent(w.number(float(overlap[order[0]]) * 100))
        return w("overlap_fine", unit=chapter.main.unit[order[0]], least=least, threshold=threshold)
    names = ", ".join(str(chapter.main.unit[i]) for i in alone[:_NAMED])
    if len(alone) > _NAMED:
        names = w("overlap_more", names=names, number=w.number(len(alone) - _NAMED))
    return w("overlap_alone", number=w.number(len(alone)), names=names, threshold=threshold)
