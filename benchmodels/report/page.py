"""The page itself: one file that needs no server, no network and no other file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.report.beside import beside_caption
from benchmodels.report.best_practice import few_words, method_words
from benchmodels.report.choices import choices_view
from benchmodels.report.development import development_view, growth_rows, with_growth
from benchmodels.report.figures import Values, caterpillar, funnel, overlap
from benchmodels.report.limits import (
    LOW_OVERLAP,
    limits_kind,
    limits_rows,
    limits_used,
    lines_of,
    overlap_words,
    shares_case_mix,
)
from benchmodels.report.templating import part, template
from benchmodels.report.tiles import tile_map
from benchmodels.report.view import Row, national_tiles, part_decimals, rows_of, short_verdict, wording_of
from benchmodels.report.wording import Lang, first_upper, wording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmodels.report.chapter import Chapter
    from benchmodels.report.tiles import TileMap
    from benchmodels.report.wording import Wording

__all__ = ["render_page"]


def render_page(
    chapters: Sequence[Chapter],
    *,
    lang: Lang,
    version: str,
    date: str,
    notice: str = "",
    command: str = "",
    files: Sequence[tuple[str, str]] = (),
) -> str:
    """Write the page of one or more studies.

    Parameters
    ----------
    chapters : sequence of Chapter
        In the order of the page.
    lang : {"da", "en"}
        Language of every word on the page.
    version, date : str
        Of benchmodels and of the calculation, for the reference.
    notice : str
        What stands on top when any chapter's figures are simulated; a plain sentence by default.
    command : str
        The command that repeats the calculation.
    files : sequence of (str, str)
        Label and relative place of files that belong to all chapters.

    Returns
    -------
    str
        HTML with style, script, figures and data inside. All text from data and studies is escaped.
    """
    if not chapters:
        raise SpecificationError("a page needs at least one chapter")
    base = wording(lang)
    views = [_chapter_view(chapter, base, version=version, date=date) for chapter in chapters]
    labels = sorted({row.label for view in views for row in view["rows"]}, key=base.order)
    number = {label: i for i, label in enumerate(labels)}
    for view in views:
        view["index"] = [number[row.label] for row in view["rows"]]
    data = {
        "units": labels,
        "studies": [
            {"id": view["id"], "rows": {number[r.label]: _told(view, r) for r in view["rows"]}} for view in views
        ],
        "words": {"chosen": base.table["chosen"], "missing": base.table["chosen_missing"]},
    }
    return template("page.html.j2").render(
        lang=lang,
        w=views[0]["w"],
        chapters=views,
        units=labels,
        data=data,
        notice=(notice or views[0]["w"]("simulated")) if any(c.main.source.simulated for c in chapters) else "",
        command=command,
        files=files,
        css=part("page.css"),
        js=part("page.js"),
    )


def _chapter_view(chapter: Chapter, base: Wording, *, version: str, date: str) -> dict[str, Any]:
    w = wording_of(chapter, base)
    rows = rows_of(chapter, w)
    source = chapter.main.source
    drawings = _drawings(chapter, rows, w)
    sources = list(chapter.labels.sources) + ([w.translated(source.data)] if source.data else [])
    return {
        "id": chapter.id,
        "w": w,
        "labels": chapter.labels,
        "chapter": chapter,
        "rows": rows,
        "direct": "_direct" if chapter.main.standard == "direct" else "",
        "order": sorted(range(len(rows)), key=lambda i: base.order(rows[i].label)),
        "parts_start": w.number(chapter.national, part_decimals(chapter)),
        "tiles": national_tiles(chapter, rows, w),
        "limits": limits_kind(chapter),
        "limits_rows": limits_rows(chapter, w),
        "limits_used": limits_used(chapter, w),
        "different_counts": _counts([row.different for row in rows], w),
        "overlap": overlap_words(chapter, w) if shares_case_mix(chapter.main.overlap) else "",
        "intervals": bool(np.isfinite(chapter.main.lower).any() or np.isfinite(chapter.main.upper).any()),
        "frontier_few": few_words(chapter, w),
        "frontier_method": method_words(chapter, w),
        "beside_caption": beside_caption(chapter, w),
        "choices": choices_view(chapter, w),
        "development": development_view(chapter, w),
        "development_notes": _notes(() if chapter.development is None else chapter.development.notes, w),
        "growth": growth_rows(chapter, w),
        "choice_notes": _notes(chapter.choice_notes, w),
        "notes": _notes(chapter.notes, w),
        "drawings": drawings,
        "map_ends": _map_ends(
            drawings["map"], drawings["axis"], "%" if chapter.contrast == "ratio" else chapter.labels.measure
        ),
        "y_label": {
            "funnel": w("axis_ratio") if chapter.contrast == "ratio" else w("axis_gap"),
            "caterpillar": w("axis_ratio") if chapter.contrast == "ratio" else w("axis_gap"),
            "overlap": w("overlap_y"),
        },
        "v": lambda value: "" if value is None else repr(value),
        "withheld": [row for row in rows if row.different == "withheld"],
        "withheld_all": _one_reason(rows),
        "short": lambda kind, verdict: short_verdict(w, kind, verdict),
        "terms": list(dict.fromkeys(first_upper(chapter.labels.term(t)) for t in _terms(chapter.formula))),
        "coefficients": _coefficient_rows(chapter, w),
        "calibration": _calibration_rows(chapter, w),
        "sources": sources,
        "cite": w("cite", title=chapter.labels.title, version=version, date=date, source="; ".join(sources) or "–"),
        "files": [(w(key), place) for key, place in chapter.files.items()],
        "source": source,
        "rows_value": w("method_rows_value", read=w.number(source.rows_read), dropped=w.number(source.rows_dropped)),
    }


def _told(view: dict[str, Any], row: Row) -> dict[str, Any]:
    words = row.words(view["w"])
    return with_growth(words, view["growth"].get(row.label)) if view["development"] else words


def _one_reason(rows: list[Row]) -> str:
    """Return why every unit is withheld, where it is the same for all; else nothing."""
    reasons = {row.withheld if row.different == "withheld" else "" for row in rows}
    return reasons.pop() if len(reasons) == 1 else ""


def _counts(verdicts: list[str], w: Wording) -> list[str]:
    above, below = verdicts.count("above"), verdicts.count("below")
    return [w.number(count) for count in (above + below, above, below)]


def _notes(notes: Sequence[str], w: Wording) -> list[tuple[str, str]]:
    """Return each note and its language: English, as it was said, where this language has no words for it."""
    told = [(note, w.translated(note)) for note in notes]
    return [(first_upper(ours), "en" if ours == note else w.lang) for note, ours in told]


def _drawings(chapter: Chapter, rows: list[Row], w: Wording) -> dict[str, Any]:
    main, reference = chapter.main, chapter.reference
    unknown = np.full(len(main), np.nan)
    factor = 100.0 if chapter.contrast == "ratio" else chapter.scale
    values = Values(
        size=main.size,
        gap=(main.estimate - main.null) * factor,
        lower=(main.lower - main.null) * factor,
        upper=(main.upper - main.null) * factor,
        least=unknown if reference is None else (reference.lower - main.null) * factor,
        most=unknown if reference is None else (reference.upper - main.null) * factor,
        different=[row.different in ("above", "below") for row in rows],
        unusual=[row.unusual in ("above", "below") for row in rows],
        titles=[f"{row.label}: {row.ratio if chapter.contrast == 'ratio' else row.gap}" for row in rows],
    )

    shown = values.gap[np.isfinite(values.gap)]
    span = float(np.ptp(shown)) if len(shown) else 0.0
    drawings: dict[str, Any] = {
        "funnel": [funnel(values, limits=lines_of(chapter, factor), narrow=narrow) for narrow in (False, True)],
        "caterpillar": [caterpillar(values, narrow=narrow) for narrow in (False, True)],
        "axis": lambda value: w.number(value, 0 if span > 8 else 1 if span > 0.8 else 2),
    }
    drawings["map"] = tile_map([row.label for row in rows], values.gap, [row.different for row in rows], values.titles)
    if shares_case_mix(main.overlap):
        share = 100.0 * main.overlap
        titles = [f"{row.label}: {w.percent(w.number(s))}" for row, s in zip(rows, share, strict=True)]
        drawings["overlap"] = [
            overlap(main.size, share, titles, least=100.0 * LOW_OVERLAP, narrow=narrow) for narrow in (False, True)
        ]
    return drawings


def _map_ends(tiles: TileMap | None, axis: Callable[[float], str], measure: str) -> tuple[str, str]:
    """Return what the two strongest colours of the map stand for."""
    return ("", "") if tiles is None else (axis(-tiles.reach), f"+{axis(tiles.reach)} {measure}")


def _terms(formula: str) -> list[str]:
    """Return the terms on the right-hand side, as written; for their labels only, so a plain split will do."""
    return [term.strip() for term in formula.partition("~")[2].split("+") if term.strip() not in ("", "1", "0", "-1")]


def _coefficient_rows(chapter: Chapter, w: Wording) -> list[list[str]]:
    """Return headings and rows, each with the decimals that its standard error gives meaning to."""
    if chapter.coefficients is None or chapter.coefficients.empty:
        return []
    names = [str(name) for name in chapter.coefficients.columns]
    rows = [[w(f"coef_{name}") if f"coef_{name}" in w.table else name for name in names]]
    for record in chapter.coefficients.to_dict("records"):
        error = float(record.get("std_error", math.nan))
        known = math.isfinite(error) and error > 0
        decimals = min(max(1 - math.floor(math.log10(error)), 0), 10) if known else 3
        rows.append([_cell(str(name), value, chapter, w, decimals) for name, value in record.items()])
    return rows


def _cell(name: str, value: object, chapter: Chapter, w: Wording, decimals: int) -> str:
    if isinstance(value, float):
        return w.number(value, decimals)
    if name == "term":
        return w("coef_level") if value == "1" else first_upper(chapter.labels.term(str(value)))
    return str(value)


def _calibration_rows(chapter: Chapter, w: Wording) -> list[tuple[str, ...]]:
    if chapter.calibration is None:
        return []
    scale, decimals = chapter.scale, chapter.decimals
    rows = []
    for place, record in enumerate(chapter.calibration.to_dict("records"), start=1):
        told = [w.number(record[name] * scale, decimals) for name in ("expected", "observed")]
        between = w.span(record["lower"] * scale, record["upper"] * scale, decimals)
        rows.append((str(place), w.number(record["size"]), *told, between))
    return rows
