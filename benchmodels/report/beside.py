"""Average practice beside best practice, in words and as a picture of three rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.report.figures import round_ticks

if TYPE_CHECKING:
    from benchmodels.beside import AverageBesideBest
    from benchmodels.report.chapter import Chapter
    from benchmodels.report.wording import Wording

__all__ = ["Beside", "beside_caption", "beside_of"]

# Of the axis, left free at each end.
_MARGIN = 0.06
# An end further off than so many times the distance between the outer two of the three figures is cut off.
_FAR = 6.0


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The two answers about one unit.

    Rows are name, value and limits as text, then the places on the axis of value and limits, in per cent of it or None;
    ticks are text and place.
    """

    sentence: str
    factors: str
    rows: tuple[tuple[str, str, str, float, float | None, float | None], ...]
    ticks: tuple[tuple[str, float], ...]

    def slots(self) -> dict[str, str]:
        """Return each sentence by its place on the page."""
        return {"beside": self.sentence, "beside_factors": self.factors}

    def drawing(self) -> dict[str, Any]:
        """Return what the script draws."""
        return {"rows": [list(row) for row in self.rows], "ticks": [list(tick) for tick in self.ticks]}


def beside_of(chapter: Chapter, w: Wording) -> dict[Any, Beside]:
    """Return the words of every unit that both answers are known of."""
    found = chapter.beside
    if found is None:
        return {}
    known = np.isfinite(found.observed) & np.isfinite(found.expected) & np.isfinite(found.attainable)
    middle = float(np.median(found.best_to_expected[known])) if known.any() else math.nan
    words = {}
    for i in np.flatnonzero(known).tolist():
        rows, ticks = _picture(chapter, found, w, i)
        words[found.unit[i]] = Beside(
            sentence=_sentence(found, w, i), factors=_factors(found, w, i, middle), rows=rows, ticks=ticks
        )
    return words


def beside_caption(chapter: Chapter, w: Wording) -> str:
    """Return what the axis is in, and what bars are."""
    found = chapter.beside
    if found is None:
        return ""
    told = w("beside_caption", rate=chapter.labels.rate, asked=w.percent(w.number(100.0 * found.level)))
    if not np.isfinite(found.attainable_lower).any():
        return told
    return f"{told} {w('beside_caption_limits')}"


def _sentence(found: AverageBesideBest, w: Wording, i: int) -> str:
    """Return whether the two agree and, where they point apart, where the difference lies."""
    side = {"not different": "not"}.get(str(found.different[i]), str(found.different[i]))
    beaten = bool(found.beaten[i])
    told = w(f"beside_{found.orientation}_{side}_{'beaten' if beaten else 'best'}", unit=found.unit[i])
    # Who has more of what is used, or less of what is made, and is beaten too: as the best do it, would it still?
    less = found.orientation == "input"
    if not (beaten and side == ("above" if less else "below")):
        return told
    second = float(found.best_to_expected[i])
    lower, upper = float(found.best_to_expected_lower[i]), float(found.best_to_expected_upper[i])
    if lower > 1.0 if less else upper < 1.0:
        return f"{told} {w(f'beside_{found.orientation}_beyond')}"
    within = second <= 1.0 if less else second >= 1.0
    return f"{told} {w(f'beside_{found.orientation}_within')}" if within else told


def _factors(found: AverageBesideBest, w: Wording, i: int, middle: float) -> str:
    """Return the two factors of observed over expected, with limits of the second and what it is in the middle."""
    lower, upper = float(found.best_to_expected_lower[i]), float(found.best_to_expected_upper[i])
    limits = w("beside_limits", between=_between(w, lower, upper)) if math.isfinite(lower + upper) else ""
    return w(
        f"beside_factors_{found.orientation}_{'beaten' if found.beaten[i] else 'best'}",
        unit=found.unit[i],
        first=w.relative(float(found.to_best[i])),
        second=w.relative(float(found.best_to_expected[i])),
        limits=limits,
        middle=w.relative(middle),
    )


def _between(w: Wording, lower: float, upper: float) -> str:
    """Return two ratios in per cent over or under; the word once where both are on the same side."""
    if (lower >= 1.0) != (upper >= 1.0):
        return w.between_relative(lower, upper)
    near, far = sorted((lower, upper), key=lambda end: abs(end - 1.0))
    return w("between", lower=w.percent(w.number(100.0 * abs(near - 1.0), 1)), upper=w.relative(far))


def _picture(
    chapter: Chapter, found: AverageBesideBest, w: Wording, i: int
) -> tuple[tuple[tuple[str, str, str, float, float | None, float | None], ...], tuple[tuple[str, float], ...]]:
    """Return rows and ticks, placed in per cent of an axis that holds all but very long intervals."""
    rows = []
    for name, level in (("observed", False), ("expected", True), ("attainable", True)):
        value = float(getattr(found, name)[i]) * chapter.scale
        ends = (
            [float(getattr(found, f"{name}_{end}")[i]) * chapter.scale for end in ("lower", "upper")] if level else []
        )
        rows.append((name, value, *(ends or (math.nan, math.nan))))
    points = np.array([row[1] for row in rows])
    spread = float(np.ptp(points)) or 0.05 * abs(points[0]) or 1.0
    known = np.array([end for row in rows for end in row[2:] if math.isfinite(end)])
    low = float(min(points.min(), max(known.min(initial=math.inf), points.min() - _FAR * spread)))
    high = float(max(points.max(), min(known.max(initial=-math.inf), points.max() + _FAR * spread)))
    low, high = low - _MARGIN * (high - low), high + _MARGIN * (high - low)

    def at(value: float) -> float:
        return round(100.0 * min(max((value - low) / (high - low), 0.0), 1.0), 2)

    told = []
    for name, value, lower, upper in rows:
        whole = math.isfinite(lower) and not math.isnan(upper)
        span = w.span(lower, upper, chapter.decimals) if whole else ""
        places = (at(lower), at(upper)) if whole else (None, None)
        told.append((w(f"beside_row_{name}"), w.number(value, chapter.decimals), span, at(value), *places))
    ticks = round_ticks(low, high, most=5)
    decimals = max(0, -math.floor(math.log10(high - low) - 0.7))
    return tuple(told), tuple((w.number(tick, decimals), at(tick)) for tick in ticks)
