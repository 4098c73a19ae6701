"""The page of several outcomes at once: each unit with the weights that are kindest to it, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.report.listing import all_of, render_listing
from benchmodels.report.wording import Lang, first_upper, wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from benchmodels.frontier.composites import BenefitOfTheDoubtFit, CompositeUncertainty
    from benchmodels.ranking import Ranking
    from benchmodels.report.chapter import Labels
    from benchmodels.report.wording import Wording

__all__ = ["CompositeChapter", "render_composites"]

# Peers that are named of a unit, and a smaller share of a mixture than which is told as less.
_NAMED, _LEAST = 5, 0.01
# Of two shares that are the same, but for rounding.
_SAME = 5e-4


@dataclass(frozen=True, eq=False, kw_only=True)
class CompositeChapter:
    """Composites of one page, worked out elsewhere.

    Parameters
    ----------
    labels : Labels
        Words of the page; ``terms`` are those of the outcomes, and ``rate``, ``measure``, ``size`` are not used.
    fit : BenefitOfTheDoubtFit
        Of the radial measure.
    uncertainty : CompositeUncertainty
        Of its outcomes.
    ranking : Ranking
        Of its comparison.
    found : mapping of str to float
        Of simulated outcomes, whose truth is known, over so many ``countries``: rank correlations with the planted
        ``composite`` and its ``practice``, and those of the mean of standardised outcomes (``z, z_practice``); shares
        of the planted best tenth found (``top, z_top, set_top``) and how many units the ``set`` of possible ones has;
        how often ``intervals`` held what was planted, and ``intervals_limit`` what models would find without chance.
        Empty where nothing is known.
    notes : sequence of str
    """

    labels: Labels
    fit: BenefitOfTheDoubtFit
    uncertainty: CompositeUncertainty
    ranking: Ranking
    found: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()


def render_composites(
    chapter: CompositeChapter,
    *,
    lang: Lang,
    version: str,
    date: str,
    notice: str = "",
    command: str = "",
    files: Sequence[tuple[str, str]] = (),
) -> str:
    """Write the page of a composite.

    Parameters
    ----------
    chapter : CompositeChapter
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
        The directional measure, or the uncertainty of which units there are.
    """
    fit, labels = chapter.fit, chapter.labels
    if fit.model.orientation != "radial" or chapter.uncertainty.of != "outcomes":
        raise SpecificationError("this page is of the radial measure, with the uncertainty of its outcomes")
    w = wording(lang).about(
        one=labels.one,
        the_one=labels.the_one,
        many=labels.many,
        the_many=labels.the_many,
        everyone=labels.everyone,
        level=wording(lang).percent(f"{100 * chapter.uncertainty.level:.4g}"),
        outcomes=all_of(wording(lang), [labels.term(name) for name in fit.outcomes.names]),
    )
    rows = _rows(chapter, w)
    by_score = sorted(range(len(rows)), key=lambda i: (-round(float(fit.efficiency[i]), 9), w.order(rows[i]["unit"])))
    return render_listing(
        "composites",
        w=w,
        labels=labels,
        rows=[rows[i] for i in by_score],
        tiles=_tiles(chapter, w),
        source=fit.outcomes.source,
        simulated=fit.outcomes.simulated,
        notes=chapter.notes,
        version=version,
        date=date,
        notice=notice,
        command=command,
        files=files,
        scale=_scale(chapter, w),
        how=_how(chapter, w),
        held=_held(chapter, w),
        found=_found(chapter, w),
        model=repr(fit.model),
        certificate=w.translated(fit.certificate),
        rng=chapter.uncertainty.rng,
    )


def _scale(chapter: CompositeChapter, w: Wording) -> dict[str, Any]:
    """Return the axis that all composites are drawn on, from a whole ten to 100 per cent, and its ticks."""
    frame = chapter.uncertainty.to_frame()
    least = float(np.nanmin(frame[["efficiency", "lower"]].to_numpy()))
    low = min(math.floor(10 * least) / 10, 0.9)
    ticks = [round(low + j / 10, 1) for j in range(round(10 * (1 - low)) + 1)]
    # Every other where they would stand too close.
    shown = ticks if len(ticks) <= 6 else ticks[::-1][::2][::-1]
    return {"low": low, "ticks": [(_at(tick, low), w.percent(w.number(100 * tick))) for tick in shown]}


def _at(value: float, low: float) -> float:
    """Return where a composite stands on the axis, in per cent of its width."""
    return round(100 * (value - low) / (1 - low), 2)


def _rows(chapter: CompositeChapter, w: Wording) -> list[dict[str, Any]]:
    """Return what is told of every unit, in the order of the fit."""
    fit, frame = chapter.fit, chapter.uncertainty.to_frame()
    low = _scale(chapter, w)["low"]
    s = len(fit.outcomes.names)
    weights, parts, ranking = fit.weights(), fit.contributions(), chapter.ranking
    place = {label: i for i, label in enumerate(ranking.unit.tolist())}
    rows = []
    for i, told in enumerate(frame.to_dict("records")):
        known = math.isfinite(told["lower"])
        ends = w.between(100 * told["lower"], 100 * told["upper"], unit="%", decimals=0) if known else ""
        outcomes = _outcomes(chapter, weights.iloc[i * s : (i + 1) * s], parts.iloc[i * s : (i + 1) * s], i, w)
        row = {
            "unit": str(told["unit"]),
            "score": w.percent(w.number(100 * told["efficiency"])),
            "at": _at(told["efficiency"], low),
            "best": bool(fit.best[i]),
            "known": known,
            "left": _at(told["lower"], low) if known else 0,
            "width": _at(told["upper"], low) - _at(told["lower"], low) if known else 0,
            "middle": _at(told["corrected"], low) if known else 0,
            "between": ends,
            "short": w.span(100 * told["lower"], 100 * told["upper"], 0) if known else w("no_value"),
            "sentence": _sentence(fit, i, told, w),
            "limits": _limits(chapter, i, told, ends, w),
            "place": _place(ranking, place[told["unit"]], w),
            "peers": _peers(fit, i, w),
            "outcomes": outcomes,
            "many": w("composite_many") if any(cell["range"] for cell in outcomes) else "",
        }
        rows.append(row)
    return rows


def _sentence(fit: BenefitOfTheDoubtFit, i: int, told: dict[Any, Any], w: Wording) -> str:
    unit, better = str(told["unit"]), fit.outcomes.better[0]
    if fit.best[i]:
        return w("composite_best", unit=unit)
    return w(f"composite_within_{better}", unit=unit, share=w.percent(w.number(100 * told["efficiency"])))


def _limits(chapter: CompositeChapter, i: int, told: dict[Any, Any], ends: str, w: Wording) -> str:
    reason = str(chapter.uncertainty.withheld[i])
    if reason:
        return w("composite_withheld", why=w.translated(reason))
    likely = told["best"]
    key = "composite_likely" if 0.01 <= likely <= 0.99 else "composite_sure" if likely > 0.5 else "composite_unlikely"
    share = w.percent(w.number(100 * likely))
    return w("composite_limits", between=ends) + " " + w(key, unit=str(told["unit"]), share=share)


def _place(ranking: Ranking, at: int, w: Wording) -> str:
    if not math.isfinite(ranking.rank[at]):
        return ""
    ends = [w.number(float(end[at])) for end in (ranking.rank, ranking.lower, ranking.upper)]
    known = int(np.isfinite(ranking.rank).sum())
    return w("composite_place", rank=ends[0], lower=ends[1], upper=ends[2], total=w.number(known))


def _peers(fit: BenefitOfTheDoubtFit, i: int, w: Wording) -> str:
    if fit.best[i]:
        return ""
    weight, peer = fit.found.weight[i], fit.found.peer[i]
    order = [j for j in np.argsort(-weight, kind="stable") if peer[j] >= 0 and weight[j] > 0]
    told = []
    for j in order[:_NAMED]:
        share = w.percent(w.number(100 * weight[j]))
        if weight[j] < _LEAST:
            share = w("frontier_share_less", share=w.percent(w.number(100 * _LEAST)))
        told.append(w("frontier_peer", peer=str(fit.unit[peer[j]]), share=share))
    return w("composite_peers", unit=str(fit.unit[i]), peers=all_of(w, told))


def _outcomes(
    chapter: CompositeChapter, weights: pd.DataFrame, parts: pd.DataFrame, i: int, w: Wording
) -> list[dict[str, Any]]:
    """Return the cells of a unit's outcomes."""
    fit, cells = chapter.fit, []
    for weight, part_ in zip(weights.to_dict("records"), parts.to_dict("records"), strict=True):
        many = weight["upper"] - weight["lower"] > _SAME
        span = w.percent(w.span(100 * weight["lower"], 100 * weight["upper"], 0)) if many else ""
        best = bool(fit.best[i])
        contribution = part_["contribution"] / float(fit.found.beta[i]) if not best else math.nan
        cells.append(
            {
                "label": first_upper(chapter.labels.term(str(weight["outcome"]))),
                "now": w.number(100 * part_["value"], 0),
                "target": w("no_value") if best else w.number(100 * part_["target"], 0),
                "share": w.percent(w.number(100 * weight["share"])),
                "at": round(100 * weight["share"], 1),
                "left": round(100 * weight["lower"], 1),
                "width": round(100 * (weight["upper"] - weight["lower"]), 1),
                "range": span,
                "part": w("no_value") if best else w.percent(w.number(100 * contribution)),
            }
        )
    return cells


def _tiles(chapter: CompositeChapter, w: Wording) -> list[tuple[str, str, str]]:
    """Return figures of all units: value, what it is, and a note."""
    fit, frame = chapter.fit, chapter.uncertainty.to_frame()
    k = w.number(len(fit.unit))
    likely = int((frame["best"] >= 0.5).sum())
    possible = int((frame["best"] >= 0.05).sum())
    median = float(np.median(fit.efficiency))
    return [
        (w("of", number=w.number(int(fit.best.sum())), total=k), w("composite_tile_best"),
         w("composite_tile_best_note")),
        (w("of", number=w.number(likely), total=k), w("composite_tile_likely"),
         w("composite_tile_likely_note", number=w.number(possible))),
        (w.percent(w.number(100 * median)), w("composite_tile_median"),
         w("composite_tile_median_note", reliability=w.number(float(chapter.uncertainty.reliability.min()), 2))),
    ]  # fmt: skip


def _how(chapter: CompositeChapter, w: Wording) -> list[str]:
    """Return sentences of how the composite is made."""
    model, better = chapter.fit.model, chapter.fit.outcomes.better[0]
    told = [w("composite_how"), w(f"composite_how_{better}")]
    if isinstance(model.shares, tuple):
        low, high = (w.percent(w.number(100 * end)) for end in model.shares)
        told.append(w("composite_how_shares", low=low, high=high))
    elif model.bounded:
        told.append(w("composite_how_bounds"))
    else:
        told.append(w("composite_how_free"))
    b, k = chapter.uncertainty.replicates.shape
    return [*told, w("composite_how_drawn", replicates=w.number(b), units=w.number(k)), w("composite_how_not")]


def _held(chapter: CompositeChapter, w: Wording) -> str:
    """Return how often such limits were seen to hold."""
    coverage, level = chapter.uncertainty.coverage, chapter.uncertainty.level
    if not math.isfinite(coverage.intervals):
        return w("composite_held_unknown")
    key = "composite_held" if coverage.reached(level) else "composite_held_less"
    return w(key, share=w.percent(w.number(100 * coverage.intervals)))


def _found(chapter: CompositeChapter, w: Wording) -> list[str]:
    """Return whether such composites found what was planted."""
    found = chapter.found
    if not found:
        return []
    share = {name: w.percent(w.number(100 * value)) for name, value in found.items()}
    number = {name: w.number(value, 2) for name, value in found.items()}
    units = w.number(len(chapter.fit.unit))
    return [
        w(
            "composite_found_ranks",
            countries=w.number(found["countries"]),
            composite=number["composite"],
            z=number["z"],
        ),
        w("composite_found_top", top=share["top"], z_top=share["z_top"]),
        w("composite_found_set", top=share["set_top"], set=w.number(found["set"]), units=units),
        w("composite_found_practice", practice=number["practice"], z_practice=number["z_practice"]),
        w("composite_found_intervals", limit=share["intervals_limit"], planted=share["intervals"]),
    ]
