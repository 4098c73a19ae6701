"""The page of units over time, and together with their neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.report.listing import all_of, change, render_listing
from benchmodels.report.over_time import PARTS, Years, told_of_time
from benchmodels.report.together import STEPS, Partners, told_of_pairs
from benchmodels.report.wording import Lang, wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmodels.frontier import MalmquistBootstrap, MalmquistFit, MergerBootstrap
    from benchmodels.report.chapter import Labels
    from benchmodels.report.wording import Wording

__all__ = ["TogetherChapter", "render_together_over_time"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TogetherChapter:
    """Changes and mergers of one page, worked out elsewhere.

    Parameters
    ----------
    labels : Labels
        Words of the page; ``terms`` are those of the goods, and ``rate``, ``measure``, ``size`` are not used.
    fit : MalmquistFit
        Of all periods, decomposed into efficiency change and technical change.
    drawn : MalmquistBootstrap
        Of the fit.
    direct : MalmquistBootstrap
        Of the first and the last period alone: what a chain of changes is not.
    mergers : MergerBootstrap
        Of pairs of neighbours among the same units, whose inputs fall.
    notes : sequence of str
    """

    labels: Labels
    fit: MalmquistFit
    drawn: MalmquistBootstrap
    direct: MalmquistBootstrap
    mergers: MergerBootstrap
    notes: Sequence[str] = ()


def render_together_over_time(
    chapter: TogetherChapter,
    *,
    lang: Lang,
    version: str,
    date: str,
    notice: str = "",
    command: str = "",
    files: Sequence[tuple[str, str]] = (),
) -> str:
    """Write the page of units over time and together.

    Parameters
    ----------
    chapter : TogetherChapter
    lang : {'da', 'en'}
    version, date : str
        Of benchmodels and of the calculation, for the reference.
    notice : str
        What stands on top when the figures are simulated; a plain sentence by default.
    command : str
        The command that repeats the calculation.
    files : sequence of (str, str)
        Label and relative place of files.

    Returns
    -------
    str
        HTML with style and script inside. All text from data and labels is escaped.

    Raises
    ------
    SpecificationError
        Another decomposition, groups of more than two, outputs that rise, or levels that differ.
    """
    _check(chapter)
    fit, labels, gains = chapter.fit, chapter.labels, chapter.mergers.gains
    words = wording(lang)
    goods = [labels.good(name) for name in gains.fit.goods.names]
    inputs = len(gains.fit.model.inputs)
    w = words.about(
        one=labels.one,
        the_one=labels.the_one,
        many=labels.many,
        the_many=labels.the_many,
        everyone=labels.everyone,
        level=words.percent(f"{100 * chapter.drawn.level:.4g}"),
        used=all_of(words, goods[:inputs]),
        made=all_of(words, goods[inputs:]),
    )
    years, partners = Years(fit, chapter.drawn, chapter.direct), Partners(chapter.mergers)
    units = sorted(gains.fit.unit.tolist(), key=lambda unit: w.order(str(unit)))
    rows = [{"unit": str(unit), "time": years.row(unit, w), "together": partners.row(unit, w)} for unit in units]
    told, pairs = told_of_time(years, w), told_of_pairs(partners, w)
    return render_listing(
        "together",
        w=w,
        labels=labels,
        rows=rows,
        tiles=_tiles(chapter, years, pairs["counted"], w),
        source=fit.panel.source,
        simulated=fit.panel.simulated or gains.fit.goods.simulated,
        notes=chapter.notes,
        version=version,
        date=date,
        notice=notice,
        command=command,
        files=files,
        years=told,
        pairs=pairs,
        ends={"first": years.first, "last": years.last},
        time_parts=[f"time_{part}" for part in PARTS],
        steps=[f"together_{step}" for step in STEPS],
        axes={"time": years.overview.ticks(w, through=0.0, sign=True),
              "pair": partners.overview.ticks(w, through=0.0, sign=True)},
        zero={"time": years.overview.at(0.0), "pair": partners.overview.at(0.0)},
        how=_how(chapter, w),
        models=[repr(fit.model), repr(gains.fit.model)],
        rng=all_of(w, list(dict.fromkeys([chapter.drawn.rng, chapter.direct.rng, chapter.mergers.rng]))),
    )  # fmt: skip


def _check(chapter: TogetherChapter) -> None:
    """Raise where this is not the page for it."""
    names, groups, model = chapter.drawn.names, chapter.mergers.gains.groups, chapter.mergers.gains.fit.model
    if not set(PARTS) <= set(names) or not set(PARTS) <= set(chapter.direct.names):
        raise SpecificationError(f"this page is of changes in {', '.join(PARTS)}; found {', '.join(names)}")
    if np.any(groups.sums.size != 2) or model.orientation != "input":
        raise SpecificationError("this page is of pairs of units whose inputs fall; found others")
    levels = {chapter.drawn.level, chapter.direct.level, chapter.mergers.level}
    if len(levels) > 1:
        raise SpecificationError(f"intervals of one page are of one level; found {', '.join(map(str, sorted(levels)))}")
    if set(chapter.mergers.gains.fit.unit.tolist()) != set(chapter.fit.panel.unit.tolist()):
        raise SpecificationError("changes and mergers of one page are of the same units; found others")


def _tiles(chapter: TogetherChapter, years: Years, counted: dict[str, str], w: Wording) -> list[tuple[str, str, str]]:
    """Return figures of all units: value, what it is, and a note."""
    direct, drawn, gains = chapter.direct, chapter.drawn, chapter.mergers.gains
    index = drawn.names.index("index")
    verdict = drawn.to_frame()["verdict"].to_numpy(dtype=object).reshape(drawn.found.shape)[index]
    sure = int(np.isin(verdict, ["progress", "regress"]).sum())
    middle = [float(np.nanmedian(direct.found[direct.names.index(part)])) for part in PARTS]
    held = drawn.coverage.parts.get("index", math.nan)
    note = (
        w("time_tile_sure_note", share=w.percent(w.number(100 * held)))
        if math.isfinite(held)
        else w("time_tile_sure_unknown")
    )
    learning = float(np.nanmedian(1 - gains.learning))
    ends = {"first": years.first, "last": years.last}
    return [
        (change(w, middle[0]), w("time_tile_middle", **ends), w("time_tile_middle_note")),
        (w("of", number=w.number(sure), total=w.number(len(verdict))), w("time_tile_sure"), note),
        (w.percent(w.number(100 * learning, 1)), w("together_tile_learning"), w("together_tile_learning_note")),
        (w("of", number=counted["less"], total=counted["solved"]), w("together_tile_gain"),
         w("together_tile_gain_note", gain=counted["gain"])),
    ]  # fmt: skip


def _how(chapter: TogetherChapter, w: Wording) -> list[tuple[str, list[str]]]:
    """Return how each half of the page is made."""
    fit, drawn, mergers = chapter.fit, chapter.drawn, chapter.mergers
    returns = str(fit.model.returns)
    over = [
        w("time_how"),
        w("time_how_parts"),
        w("time_how_returns", returns=w(f"returns_{returns}")) if returns in ("crs", "vrs", "irs", "drs") else "",
        w(
            "time_how_drawn" if drawn.kind == "subsample" else "time_how_smoothed",
            replicates=w.number(len(drawn.errors)),
        ),
        w("time_how_chain"),
    ]
    together = [
        w("together_how"),
        w("together_how_parts"),
        w("together_how_returns", returns=w(f"returns_{mergers.gains.fit.model.returns}")),
        w(
            "together_how_drawn" if mergers.kind == "subsample" else "together_how_smoothed",
            replicates=w.number(len(mergers.errors)),
            subset=w.number(mergers.subset),
            units=w.number(len(mergers.gains.fit.goods)),
        ),
    ]
    return [
        (w("time_title"), [text for text in over if text]),
        (w("together_title"), together),
    ]
