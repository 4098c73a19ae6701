"""Several outcomes at once: composites of all units with their limits, and what stands behind one unit's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.composites import CompositeUncertainty
from benchmodels.plots.canvas import SMALL, STYLE, axes, legend_above, mark_simulated, numbers_on, position
from benchmodels.plots.lists import _finish, _order, _rows
from benchmodels.plots.texts import number, percentage, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from benchmodels.frontier.composites import BenefitOfTheDoubtFit
    from benchmodels.plots.texts import Lang

__all__ = ["composite_profile", "composite_scores"]

_SAID: dict[str, dict[str, str]] = {
    "en": {
        "high": "Composite: what the unit has, per cent of what the best have,\nby the weights kindest to it",
        "low": "Composite: what the best would have, per cent of what the unit has,\nby the weights kindest to it",
        "directional": "Composite: steps from the best by the weights kindest to the unit;\n0 is the best there is",
        "sorted": "the best at the top; equal ones by name",
        "found": "Found",
        "best": "Found: nobody is better",
        "corrected": "What it may truly be, the middle",
        "corrected units": "Without the bias of few units",
        "interval": "{level} interval",
        "asked": "Interval asked for at {level}; {held}",
        "held": "{held} of such held",
        "not known": "how often such hold is not known",
        "outcomes": "Chance in the outcomes; the units are those that there are",
        "units": "Which units there are; chance in the outcomes is not in it",
        "share": "Weight of the outcome: its share in a step, per cent",
        "range": "All shares that are as kind",
        "chosen": "Share chosen",
        "row": "{value} now, {target} in the mixture it is held against\ncontributes {part} of the distance",
        "row best": "{value} now",
        "title": "{unit}: {score}",
        "score radial": "composite {value}",
        "score directional": "{value} steps from the best",
        "peers": "Held against: {peers}",
        "no peers": "Nobody does better by these weights",
        "more": "and {n} more",
        "better low": "low is better",
        "better high": "high is better",
    },
    "da": {
        "high": "Samlet mål: det, enheden har, i procent af de bedstes,\nmed de vægte, der stiller den bedst",
        "low": "Samlet mål: det, de bedste ville have, i procent af enhedens,\nmed de vægte, der stiller den bedst",
        "directional": "Samlet mål: skridt fra de bedste med de vægte, der stiller enheden bedst;\n0 er de bedste",
        "sorted": "de bedste øverst; lige gode efter navn",
        "found": "Fundet",
        "best": "Fundet: ingen er bedre",
        "corrected": "Det, det i virkeligheden kan være, midten",
        "corrected units": "Uden skævheden af få enheder",
        "interval": "{level}-interval",
        "asked": "Interval, der skulle holde for {level}; {held}",
        "held": "{held} af den slags holdt",
        "not known": "hvor ofte den slags holder, vides ikke",
        "outcomes": "Tilfældigheder i udfaldene; enhederne er dem, der er",
        "units": "Hvilke enheder der er; tilfældigheder i udfaldene er ikke med",
        "share": "Udfaldets vægt: dets andel af et skridt, procent",
        "range": "Alle andele, der stiller den lige så godt",
        "chosen": "Valgt andel",
        "row": "{value} nu, {target} i den blanding, den holdes op mod\nbidrager med {part} af afstanden",
        "row best": "{value} nu",
        "title": "{unit}: {score}",
        "score radial": "samlet mål {value}",
        "score directional": "{value} skridt fra de bedste",
        "peers": "Holdt op mod: {peers}",
        "no peers": "Ingen gør det bedre med disse vægte",
        "more": "og {n} mere",
        "better low": "lavt er bedst",
        "better high": "højt er bedst",
    },
}
# Peers that are named.
_NAMED = 4
_LIMITS = "#8FA1AB"


def composite_scores(
    record: CompositeUncertainty, *, ax: Axes | None = None, highlight: object = None, lang: Lang = "en"
) -> Axes:
    """Draw every unit's composite as found, with its interval and what it may truly be, one row a unit.

    Rows are sorted by the composite with the best on top. The composite found need not lie in the middle of its
    interval: of many the best found are helped by chance.

    Parameters
    ----------
    record : CompositeUncertainty
        k units; those without an interval have the composite found alone.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own, as tall as the names need, to 16 inches.
    highlight : label, optional
        Unit named in bold.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        The unit to highlight is not there, or what is given is no uncertainty of a composite.
    """
    if not isinstance(record, CompositeUncertainty):
        raise SpecificationError(
            f"composite_scores draws what fit.uncertainty(…) returns; found a {type(record).__name__}"
        )
    base, say = words(lang), _SAID[lang]
    strong = position(record.unit, highlight)
    frame = record.to_frame()
    radial = record.fit.model.orientation == "radial"
    found = frame["efficiency" if radial else "inefficiency"].to_numpy()
    order = _order(-found if radial else found, record.unit)
    row = np.empty(len(order))
    row[order] = np.arange(len(order))
    ax = _rows(ax, len(order))
    asked = percentage(record.level, lang)
    told = say["interval"].format(level=asked)
    if not record.coverage.reached(record.level):
        share = record.coverage.intervals
        known = np.isfinite(share)
        held = say["held"].format(held=percentage(round(share, 2), lang)) if known else say["not known"]
        told = say["asked"].format(level=asked, held=held)
    known = np.isfinite(frame["lower"].to_numpy())
    lower, upper = (frame[end].to_numpy()[known] for end in ("lower", "upper"))
    ax.hlines(row[known], lower, upper, colors=_LIMITS, linewidth=2.2, zorder=2, label=told, gid="intervals")
    middle = say["corrected" if record.of == "outcomes" else "corrected units"]
    look: dict[str, Any] = {"linestyle": "none", "zorder": 3, "markersize": 4.0}
    ax.plot(
        frame["corrected"].to_numpy()[known],
        row[known],
        marker="|",
        color="#1A1A1A",
        label=middle,
        gid="corrected",
        **look,
    )
    best = record.fit.best
    marks = (("found", ~best, STYLE["neither"]), ("best", best, STYLE["below"] | {"marker": "D"}))
    for name, some, style in marks:
        ax.plot(
            found[some], row[some], label=say[name], gid=name, markeredgewidth=0.0, **(look | style | {"zorder": 4})
        )
    kind = record.fit.outcomes.better[0] if radial else "directional"
    lines = [say[kind], say["sorted"], say[record.of]]
    _finish(ax, record.unit[order], None if strong is None else int(row[strong]), lines, base)
    numbers_on(ax.xaxis, lang, scale=100.0 if radial else 1.0)
    mark_simulated(ax, base, record.fit.outcomes.simulated)
    return ax


def composite_profile(
    fit: BenefitOfTheDoubtFit,
    *,
    unit: object,
    ax: Axes | None = None,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw one unit's composite: its outcomes, the weights that are kindest to it, and what each contributes.

    One row an outcome: the share chosen, the range of all shares that are as kind, and beside it the outcome now and in
    the mixture of units that it is held against.

    Parameters
    ----------
    fit : BenefitOfTheDoubtFit
        s outcomes, drawn in its order from the top.
    unit : label
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    lang : {'en', 'da'}, default 'en'
    labels : mapping of str to str, optional
        Names of outcomes as they are to be written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No such unit, one without a composite, or a label of an outcome that is not there.
    """
    base, say = words(lang), _SAID[lang]
    named = dict(labels or {})
    strange = [name for name in named if name not in fit.outcomes.names]
    if strange:
        raise SpecificationError(f"labels names {strange}; the outcomes are {list(fit.outcomes.names)}")
    at = position(fit.unit, unit, asked="unit")
    if at is None or not np.isfinite(fit.distance[at]):
        raise SpecificationError(f"unit {unit!r} has no composite; there is nothing to draw")
    s = len(fit.outcomes.names)
    rows = slice(at * s, (at + 1) * s)
    weights, parts = fit.weights().iloc[rows], fit.contributions().iloc[rows]
    ax = axes(ax, width=7.6, height=1.8 + 0.62 * s)
    place = np.arange(s)
    low, high = weights["lower"].to_numpy(), weights["upper"].to_numpy()
    ax.hlines(place, low, high, colors=_LIMITS, linewidth=6.0, zorder=2, label=say["range"], gid="range")
    look: dict[str, Any] = {"linestyle": "none", "markersize": 7.0, "markeredgecolor": "white", "zorder": 3}
    share = weights["share"].to_numpy()
    ax.plot(share, place, marker="o", color=STYLE["below"]["color"], label=say["chosen"], gid="chosen", **look)
    for row, text in enumerate(_amounts(fit, at, parts, say, lang)):
        ax.text(1.06, row, text, va="center", fontsize=SMALL + 1.0, gid="amounts", parse_math=False)
    ax.set_xlim(-0.03, 1.95)
    ax.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0])
    ax.set_ylim(s - 0.5, -0.5)
    told = zip(fit.outcomes.names, fit.outcomes.better, strict=True)
    names = [f"{named.get(name, name)}\n({say[f'better {better}']})" for name, better in told]
    ax.set_yticks(place, names, parse_math=False)
    ax.tick_params(axis="y", length=0, labelsize=SMALL + 1.5)
    ax.vlines([0.0, 0.25, 0.5, 0.75, 1.0], -0.5, s - 0.5, colors="#E3E3E3", linewidth=0.6, zorder=0)
    ax.spines[["left", "top", "right"]].set_visible(False)
    ax.spines["bottom"].set_bounds(0.0, 1.0)
    ax.set_xlabel(f"{say['share']}\n{_peers(fit, at, say, lang)}", fontsize=SMALL + 1.0, loc="left", parse_math=False)
    numbers_on(ax.xaxis, lang, scale=100.0)
    mark_simulated(ax, base, fit.outcomes.simulated)
    legend_above(ax, most=2)
    radial = fit.model.orientation == "radial"
    value = percentage(round(float(fit.efficiency[at]), 3), lang) if radial else number(float(fit.distance[at]), lang)
    score = say["score radial" if radial else "score directional"].format(value=value)
    ax.set_title(
        say["title"].format(unit=fit.unit[at], score=score), loc="left", fontweight="bold", pad=22.0, parse_math=False
    )
    return ax


def _amounts(fit: BenefitOfTheDoubtFit, at: int, parts: pd.DataFrame, say: Mapping[str, str], lang: Lang) -> list[str]:
    """Return what stands beside each outcome: now, in the mixture, and its part of the distance."""
    told = []
    steps = float(fit.found.beta[at])
    for value, target, part in zip(parts["value"], parts["target"], parts["contribution"], strict=True):
        now = number(float(value), lang)
        if fit.best[at]:
            told.append(say["row best"].format(value=now))
            continue
        whole = percentage(round(float(part) / steps, 2), lang)
        told.append(say["row"].format(value=now, target=number(float(target), lang), part=whole))
    return told


def _peers(fit: BenefitOfTheDoubtFit, at: int, say: Mapping[str, str], lang: Lang) -> str:
    """Return the peers of a unit, the largest first, in words."""
    if fit.best[at]:
        return say["no peers"]
    weight, peer = fit.found.weight[at], fit.found.peer[at]
    order = [j for j in np.argsort(-weight, kind="stable") if peer[j] >= 0 and weight[j] > 0]
    told = [f"{fit.unit[peer[j]]} {percentage(round(float(weight[j]), 2), lang)}" for j in order[:_NAMED]]
    rest = len(order) - len(told)
    return say["peers"].format(peers=", ".join(told)) + (f" {say['more'].format(n=rest)}" if rest else "")
