"""What is uncertain about best practice, in words: limits, how often such limits hold, places, and whom lots leave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmodels.comparison import Coverage
    from benchmodels.report.chapter import BestPractice, Chapter
    from benchmodels.report.wording import Wording

__all__ = ["caution_of", "drawn_words", "held_words", "limits_words", "percent_of", "place_words"]

# A set with more than this share of all places tells of none.
_TELLING = 0.8
# From this share of the draws on, one that the frontier found does not use is named too, and so many of them.
_OFTEN = 0.5
_NAMED = 3


def percent_of(w: Wording, share: float, decimals: int = 0) -> str:
    """Return a share in per cent; one below 100 is never rounded up to it."""
    near = 0.995 <= share < 1.0 and decimals == 0
    return w.percent(w.number(min(100.0 * share, 99.9) if near else 100.0 * share, 1 if near else decimals))


def caution_of(found: BestPractice) -> str:
    """Return the key of the caution: with limits it is another."""
    return "frontier_caution" if found.drawn is None else "frontier_caution_limits"


def limits_words(chapter: Chapter, w: Wording, score: dict[str, Any]) -> str:
    """Return the limits of one unit's share and how often such limits hold, or why there are none."""
    found = chapter.frontier
    if found is None or found.drawn is None or score["place"] == "none":
        return ""
    lower, upper = float(score["lower"]), float(score["upper"])
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return w("frontier_limits_none", why=w.translated(str(score["withheld"])))
    key = "within" if score["place"] == "within" else f"best_{found.orientation}"
    told = w(
        f"frontier_limits_{key}",
        unit=score["unit"],
        between=_between(w, lower, upper),
        inputs=chapter.labels.inputs,
        outputs=chapter.labels.outputs,
    )
    return f"{told} {held_words(found, w)}"


def _between(w: Wording, lower: float, upper: float) -> str:
    """Return two shares in words, with as many decimals as it takes to tell them apart."""
    for decimals in (0, 1):
        ends = [percent_of(w, end, decimals) for end in (lower, upper)]
        if ends[0] != ends[1]:
            return w("between", lower=ends[0], upper=ends[1])
    return ends[0]


def held_words(found: BestPractice, w: Wording) -> str:
    """Return how often limits of shares were seen to hold; that this is not known, where it is not."""
    asked, held = w.percent(w.number(100.0 * found.level)), _held(found.coverage, "intervals", found.level)
    if held is None:
        return w("frontier_held_unknown", asked=asked)
    return w("frontier_held", asked=asked, held=percent_of(w, held))


def _held(coverage: Coverage | None, of: str, level: float) -> float | None:
    held = math.nan if coverage is None or coverage.level != level else float(getattr(coverage, of))
    return held if math.isfinite(held) else None


def place_words(chapter: Chapter, w: Wording, score: dict[str, Any]) -> str:
    """Return between which places a unit lies, where these are not nearly all."""
    found = chapter.frontier
    if found is None or "rank_lower" not in found.scores or score["place"] == "none":
        return ""
    places = found.scores[["rank_lower", "rank_upper"]].dropna()
    lower, upper = float(score["rank_lower"]), float(score["rank_upper"])
    if math.isnan(lower) or upper - lower + 1 > _TELLING * len(places):
        return ""
    key = "rank_one" if lower == upper else "rank_between"
    between = w(key, lower=w.number(lower), upper=w.number(upper))
    told = w("frontier_rank", unit=score["unit"], between=between, count=w.number(len(places)))
    held = _held(found.coverage, "ranks", found.level)
    if held is None:
        return f"{told} {w('frontier_rank_held_unknown')}"
    return f"{told} {w('frontier_rank_held', held=percent_of(w, held))}"


def drawn_words(found: BestPractice, w: Wording, label: object) -> str:
    """Return how often each peer was one where lots were drawn, and who else often was."""
    if found.drawn is None:
        return ""
    rows = found.drawn[(found.drawn["unit"] == label) & (found.drawn["peer"] != label)].dropna(subset="frequency")
    used = rows[rows["found"]]
    if used.empty:
        return ""
    told = w("frontier_drawn", peers=_often(w, used))
    others = rows[~rows["found"] & (rows["frequency"] >= _OFTEN)].head(_NAMED)
    return told if others.empty else f"{told} {w('frontier_drawn_others', peers=_often(w, others))}"


def _often(w: Wording, rows: Any) -> str:
    rows = rows.sort_values("frequency", ascending=False, kind="stable")
    told = [
        f"{name} {percent_of(w, float(often))}" for name, often in zip(rows["peer"], rows["frequency"], strict=True)
    ]
    return told[0] if len(told) == 1 else w("and", first=", ".join(told[:-1]), last=told[-1])
