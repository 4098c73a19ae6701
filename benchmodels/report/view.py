"""From results to sentences: what the page says of each unit and of all together, as plain text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.decomposition import LEFT_OUT
from benchmodels.report.beside import beside_of
from benchmodels.report.best_practice import national_tile, practice_of
from benchmodels.report.limits import limits_kind
from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison
    from benchmodels.report.beside import Beside
    from benchmodels.report.best_practice import Practice
    from benchmodels.report.chapter import Chapter
    from benchmodels.report.wording import Wording

__all__ = ["Row", "national_tiles", "part_decimals", "rows_of", "short_verdict", "wording_of"]

# From this reliability on, a shrunken figure says what the plain one does.
_RELIABLE = 0.9
_MARKS = {"above": "▲", "below": "▼", "not": "●", "withheld": "○"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One unit in one study, as text; numbers only where the page sorts or draws by them."""

    label: str
    size: str
    actual: str
    expected: str
    gap: str
    gap_between: str
    ratio: str
    ratio_between: str
    different: str
    unusual: str
    rank: str
    rank_set: str
    withheld: str
    limits: str
    summary: str
    sentences: tuple[str, ...]
    rank_sentence: str
    parts: tuple[tuple[str, str, float], ...]
    parts_end: str
    cells: tuple[str, ...]
    sort: tuple[float | None, ...]
    practice: Practice | None = None
    beside: Beside | None = None

    def words(self, w: Wording) -> dict[str, Any]:
        """Return what the script puts into the profile, as text only."""
        slots = {
            "actual": self.actual,
            "expected": self.expected,
            "gap": self.gap,
            "gap_between": self.gap_between,
            "ratio": self.ratio,
            "ratio_between": self.ratio_between,
            "sentence": " ".join(self.sentences),
            "rank": self.rank_sentence,
            "parts_end": self.parts_end,
            "parts_lead": first_upper(
                w("parts_lead", unit=self.label, national=w.common["national"], expected=self.expected)
            ),
            "parts_end_label": w("parts_end", unit=self.label),
        }
        for kind, verdict in (("different", self.different), ("unusual", self.unusual)):
            slots[kind] = f"{_MARKS[verdict]} {w(f'{kind}_{verdict}')}"
            slots[f"{kind}_short"] = short_verdict(w, kind, verdict)
            by_chance = "_plain" if kind == "unusual" and verdict != "withheld" and self.limits == "_plain" else ""
            slots[f"{kind}_why"] = w(f"{kind}_{verdict}_why{by_chance}", unit=self.label, why=self.withheld)
        if self.practice is not None:
            slots |= self.practice.slots()
        if self.beside is not None:
            slots |= self.beside.slots()
        return {
            "goods": [list(good) for good in self.practice.goods] if self.practice is not None else [],
            "slots": slots,
            "states": {"different": self.different, "unusual": self.unusual},
            "parts": [list(part) for part in self.parts],
            "beside": None if self.beside is None else self.beside.drawing(),
            "summary": self.summary,
        }


def short_verdict(w: Wording, kind: str, verdict: str) -> str:
    """Return a verdict in a word or two, with a mark that does not need colour."""
    return f"{_MARKS[verdict]} {w(f'{kind}_{verdict}_short')}"


def wording_of(chapter: Chapter, w: Wording) -> Wording:
    """Return the words with what a chapter calls its units, its size and its measures."""
    labels = chapter.labels
    names = {
        name: getattr(labels, name) for name in ("one", "the_one", "many", "the_many", "everyone", "size", "measure")
    }
    about = w.about(**names, level=w.percent(w.number(chapter.main.level * 100, 0)))
    return about.about(national=about.amount(chapter.national, labels.rate, chapter.decimals))


def rows_of(chapter: Chapter, w: Wording) -> list[Row]:
    """Return every unit of a chapter in words, in the order of the comparison."""
    unusual = _verdicts(chapter)
    different = ["not" if verdict == "not different" else str(verdict) for verdict in chapter.main.different]
    ranks = _ranks(chapter)
    ranked = _ranked_words(chapter, w, ranks)
    parts = _parts(chapter)
    practice, beside = practice_of(chapter, w), beside_of(chapter, w)
    return [
        _row(
            chapter,
            w,
            i,
            different=different[i],
            unusual=unusual[i],
            rank=ranks.get(label),
            ranked=ranked,
            parts=parts.get(label, {}),
            practice=practice.get(label),
            beside=beside.get(label),
        )
        for i, label in enumerate(chapter.main.unit.tolist())
    ]


def _row(
    chapter: Chapter,
    w: Wording,
    i: int,
    *,
    different: str,
    unusual: str,
    rank: dict[str, float] | None,
    ranked: str,
    parts: dict[str, float],
    practice: Practice | None,
    beside: Beside | None,
) -> Row:
    labels, scale, decimals = chapter.labels, chapter.scale, chapter.decimals
    label, size = str(chapter.main.unit[i]), float(chapter.main.size[i])
    withheld = w.translated(str(chapter.main.withheld[i]))
    # Totals of the indirect kind: what the unit had, and would have had with its own people.
    own, should = (_divided(float(v[i]), size) * scale for v in (chapter.main.observed, chapter.main.expected))
    gap, lower, upper = (float(v[i]) * scale for v in _estimates(chapter.difference))
    ratio, ratio_lower, ratio_upper = (float(v[i]) for v in _estimates(chapter.ratio))
    told = {
        "unit": label,
        "actual": w.amount(own, labels.rate, decimals),
        "expected": w.amount(should, labels.rate, decimals),
        "gap": w.amount(gap, labels.measure, decimals, sign=True),
        "ratio": w.relative(ratio),
    }
    gap_between = w.between(lower, upper, unit=labels.measure, decimals=decimals)
    ratio_between = w.between_relative(ratio_lower, ratio_upper)
    key = "sentence_ratio" if chapter.contrast == "ratio" else "sentence_gap"
    between = ratio_between if chapter.contrast == "ratio" else gap_between
    key = f"{key}_withheld" if different == "withheld" else key
    if math.isnan(own):
        key = "sentence_hidden"
    sentence = w(key, **told, between=between, why=withheld)
    rank_sentence, rank_set = _rank_words(w, label, rank, count=ranked)
    rank_value = rank["rank"] if rank else math.nan
    cells = (
        w.number(own, decimals),
        w.number(should, decimals),
        w.number(gap, decimals, sign=True),
        w.span(lower, upper, decimals),
        w.number((ratio - 1) * 100, 1, sign=True),
        w.span((ratio_lower - 1) * 100, (ratio_upper - 1) * 100, 1),
    )
    return Row(
        label=label,
        size=w.number(size),
        actual=told["actual"],
        expected=told["expected"],
        gap=told["gap"],
        gap_between=gap_between,
        ratio=told["ratio"],
        ratio_between=ratio_between,
        different=different,
        unusual=unusual,
        rank=w.number(rank_value),
        rank_set=rank_set,
        withheld=withheld,
        limits=limits_kind(chapter),
        summary=f"{labels.title}: {sentence}",
        sentences=(sentence, *_size_words(chapter, w, i), *_shrunken_words(chapter, w, i)),
        rank_sentence=rank_sentence,
        parts=_told_parts(chapter, w, parts, should),
        parts_end=w.number(should, part_decimals(chapter)),
        cells=cells,
        practice=practice,
        beside=beside,
        sort=tuple(
            float(v) if math.isfinite(v) else None
            for v in (size, own, should, gap, lower, ratio, ratio_lower, rank_value)
        ),
    )


def _estimates(comparison: Comparison) -> tuple[NDArray[np.float64], ...]:
    return comparison.estimate, comparison.lower, comparison.upper


def _size_words(chapter: Chapter, w: Wording, i: int) -> list[str]:
    """Return how many cases the gap amounts to, where cases are counted, and how many the figures rest on."""
    more = float(chapter.main.observed[i] - chapter.main.expected[i])
    sentences = []
    if chapter.counts and math.isfinite(more) and round(abs(more)) > 1:
        key = "sentence_more" if more > 0 else "sentence_fewer"
        sentences.append(w(key, number=w.number(round(abs(more)))))
    sentences.append(w("sentence_size", number=w.number(float(chapter.main.size[i]))))
    return sentences


def _shrunken_words(chapter: Chapter, w: Wording, i: int) -> list[str]:
    """Return the shrunken figure and how much of it is the unit's own, where chance is a tenth or more of it."""
    if chapter.shrinkage is None:
        return []
    found = chapter.shrinkage.iloc[i]
    shrunken, reliability = float(found["shrunken"]), float(found["reliability"])
    if not (math.isfinite(shrunken) and reliability < _RELIABLE):
        return []
    told = w.relative(shrunken)
    if chapter.contrast == "difference":
        told = w.amount(shrunken * chapter.scale, chapter.labels.measure, chapter.decimals, sign=True)
    key = "sentence_shrunken_ratio" if chapter.contrast == "ratio" else "sentence_shrunken"
    return [w(key, shrunken=told, reliability=w.percent(w.number(reliability * 100)))]


def _told_parts(
    chapter: Chapter, w: Wording, parts: dict[str, float], should: float
) -> tuple[tuple[str, str, float], ...]:
    """Return label, text and value of each part, largest first; then what leaving the unit out moves."""
    if not parts:
        return ()
    labelled: dict[str, float] = {}
    for term, value in parts.items():
        if term != LEFT_OUT:
            name = first_upper(chapter.labels.term(term))
            labelled[name] = labelled.get(name, 0.0) + value * chapter.scale
    rest = should - chapter.national - sum(labelled.values())
    ordered = sorted(labelled.items(), key=lambda item: -abs(item[1]))
    decimals = part_decimals(chapter)
    if abs(rest) >= 0.5 * 10.0**-decimals:
        ordered.append((w("parts_rest"), rest))
    return tuple((name, w.number(value, decimals, sign=True), value) for name, value in ordered)


def part_decimals(chapter: Chapter) -> int:
    """Return the decimals that parts are told with: one more than rates, where rates have any."""
    return chapter.decimals + 1 if chapter.decimals else 0


def _ranked_words(chapter: Chapter, w: Wording, ranks: dict[Any, dict[str, float]]) -> str:
    """Return how many units were ranked, and that it is not all of them where some were not."""
    count = sum(math.isfinite(rank["rank"]) for rank in ranks.values())
    number = w.number(count)
    return number if count == len(chapter.main) else w("rank_count_some", count=number)


def _rank_words(w: Wording, label: str, rank: dict[str, float] | None, *, count: str) -> tuple[str, str]:
    if rank is None or not math.isfinite(rank["rank"]):
        return w("rank_none", unit=label), w("no_value")
    alone = _places(w, rank["lower"], rank["upper"])
    together = _places(w, rank["simultaneous_lower"], rank["simultaneous_upper"])
    sentence = w(
        "rank_sentence",
        unit=label,
        rank=w.number(rank["rank"]),
        count=count,
        between=alone,
        simultaneous=together,
    )
    return sentence, f"{w.number(rank['lower'])}–{w.number(rank['upper'])}"


def _places(w: Wording, lower: float, upper: float) -> str:
    key = "rank_one" if lower == upper else "rank_between"
    return w(key, lower=w.number(lower), upper=w.number(upper))


def _ranks(chapter: Chapter) -> dict[Any, dict[str, float]]:
    if chapter.ranking is None:
        return {}
    names = ["rank", "lower", "upper", "simultaneous_lower", "simultaneous_upper"]
    return {
        record["unit"]: {name: float(record[name]) for name in names} for record in chapter.ranking.to_dict("records")
    }


def _parts(chapter: Chapter) -> dict[Any, dict[str, float]]:
    # Parts are of the value expected with the unit's own people; a direct figure is of the whole country's.
    if chapter.parts is None or chapter.main.standard == "direct":
        return {}
    found: dict[Any, dict[str, float]] = {}
    for record in chapter.parts.to_dict("records"):
        found.setdefault(record["unit"], {})[str(record["term"])] = float(record["contribution"])
    return found


def _verdicts(chapter: Chapter) -> list[str]:
    """Return the second verdict of each unit: 'above', 'below', 'not' or 'withheld'."""
    table = {record["unit"]: record for record in chapter.flags.to_dict("records")}
    found = []
    for label, estimate in zip(chapter.main.unit.tolist(), chapter.main.estimate, strict=True):
        value = table.get(label, {}).get("unusual")
        if isinstance(value, str):
            found.append(value if value in ("above", "below", "withheld") else "not")
        elif value is None or (isinstance(value, float) and math.isnan(value)):
            found.append("withheld")
        else:
            found.append(("above" if estimate > chapter.main.null else "below") if value else "not")
    return found


def national_tiles(chapter: Chapter, rows: list[Row], w: Wording) -> list[tuple[str, str, str]]:
    """Return value, label and note of each figure about all units together."""
    withheld = sum(row.different == "withheld" for row in rows)
    tiles = [
        (w.common["national"], w("national_level"), ""),
        (
            w.number(len(rows)),
            w("national_units"),
            w("national_units_note", withheld=withheld) if withheld else "",
        ),
    ]
    for kind in ("different", "unusual"):
        if all(getattr(row, kind) == "withheld" for row in rows):
            tiles.append((w("no_value"), w(f"national_{kind}"), w("national_undecided_note")))
            continue
        above, below = (sum(getattr(row, kind) == side for row in rows) for side in ("above", "below"))
        note = w(f"national_{kind}_note", above=above, below=below)
        tiles.append((w.number(above + below), w(f"national_{kind}"), note))
    if math.isfinite(chapter.explained):
        share, none = w.percent(w.number(chapter.explained * 100)), round(chapter.explained * 100) < 0
        value = w("national_none", number=share) if none else share
        tiles.append((value, w("national_explained"), w("national_none_note" if none else "national_explained_note")))
    if chapter.reference is not None and chapter.reference.method != "prediction":
        tau, phi = chapter.reference.tau, chapter.reference.phi
        if chapter.contrast == "ratio":
            spread = w.percent(w.number(tau * 100, 1))
        else:
            spread = w.amount(tau * chapter.scale, chapter.labels.measure, max(chapter.decimals, 1))
        tiles.append((spread, w("national_spread"), w("national_spread_note")))
        tiles.append((w.number(phi, 1), w("national_dispersion"), w("national_dispersion_note")))
    return tiles + national_tile(chapter, w)


def _divided(total: float, size: float) -> float:
    return float(np.divide(total, size)) if size else math.nan
