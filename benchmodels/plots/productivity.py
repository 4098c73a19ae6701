"""Pictures of productivity: what a unit's changes are made of, period by period, and the changes of all units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.productivity import Changes, MalmquistBootstrap, MalmquistFit
from benchmodels.plots.canvas import SMALL, STYLE, axes, legend_above, mark_simulated, numbers_on, position
from benchmodels.plots.texts import percentage, words
from benchmodels.table import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]
    Found = Changes | MalmquistFit | MalmquistBootstrap

__all__ = ["productivity_of_unit", "productivity_of_units"]

_COLOURS = ("#1A1A1A", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6E6E6E")
_MARKERS = ("D", "o", "s", "^", "v", "P")
_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "index": "Productivity change",
        "efficiency_change": "Efficiency change",
        "technical_change": "Technical change",
        "pure_efficiency_change": "Pure efficiency change",
        "scale_change": "Scale change",
        "output_bias": "Output bias",
        "input_bias": "Input bias",
        "magnitude": "Magnitude of technical change",
        "output_change": "Growth of outputs",
        "input_change": "Growth of inputs",
        "ratio": "Change, 1 = as before",
        "difference": "Change, steps along the direction",
        "as before": "As before",
        "interval": "{level} intervals",
        "held": "{level} intervals; in simulated panels they held in {least} or more",
        "not simulated": "{level} intervals; how often they hold is not simulated",
        "progress": "Progress",
        "regress": "Regress",
        "undecided": "Undecided",
        "withheld": "No verdict",
        "known": "Units",
        "title": "{part}, {first}–{second}",
        "missing": "Not known: {n}",
    },
    "da": {
        "index": "Produktivitetsændring",
        "efficiency_change": "Ændring i efficiens",
        "technical_change": "Teknisk ændring",
        "pure_efficiency_change": "Ændring i ren efficiens",
        "scale_change": "Ændring i skala",
        "output_bias": "Skævhed i output",
        "input_bias": "Skævhed i input",
        "magnitude": "Den tekniske ændrings størrelse",
        "output_change": "Vækst i output",
        "input_change": "Vækst i input",
        "ratio": "Ændring, 1 = som før",
        "difference": "Ændring, skridt i retningen",
        "as before": "Som før",
        "interval": "{level}-intervaller",
        "held": "{level}-intervaller; i simulerede paneler holdt de i {least} eller mere",
        "not simulated": "{level}-intervaller; hvor ofte de holder, er ikke simuleret",
        "progress": "Fremgang",
        "regress": "Tilbagegang",
        "undecided": "Uafgjort",
        "withheld": "Ingen afgørelse",
        "known": "Enheder",
        "title": "{part}, {first}–{second}",
        "missing": "Ikke kendt: {n}",
    },
}


def productivity_of_unit(
    found: Found,
    *,
    unit: object,
    parts: tuple[str, ...] | None = None,
    ax: Axes | None = None,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw a unit's change and what it is made of between neighbouring periods, side by side, with intervals.

    Parameters
    ----------
    found : MalmquistBootstrap, MalmquistFit or Changes
        With intervals where it is a bootstrap; the legend tells how often such intervals were seen to hold.
    unit : label
    parts : tuple of str, optional
        Of 'index' and its parts; all by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    simulated : bool, default False
        The figures are simulated, and the picture says so; unasked where the table said it.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        A unit or part that is not there.
    """
    say = words(lang) | _TEXTS[lang]
    names, values = _values(found)
    shown = _parts(names, parts)
    position(np.array(list(dict.fromkeys(found.unit.tolist())), dtype=object), unit, asked="unit")
    rows = np.flatnonzero(np.array([str(label) == str(unit) for label in found.unit.tolist()]))
    changes = found.changes if isinstance(found, MalmquistFit) else found
    ax = axes(ax, width=max(5.2, 1.3 * len(rows) + 2.4), height=4.2)
    ax.axhline(0.0 if _scale(found) == "difference" else 1.0, color="#1A1A1A", linewidth=0.9, linestyle="--",
               label=say["as before"], gid="as before")  # fmt: skip
    at, gap = np.arange(len(rows)), 0.7 / len(shown)
    for place, name in enumerate(shown):
        j = names.index(name)
        x = at + (place - (len(shown) - 1) / 2.0) * gap
        colour, y = _COLOURS[j % len(_COLOURS)], values[j, rows]
        if isinstance(found, MalmquistBootstrap):
            low, high = (ends[j, rows] for ends in found.interval)
            ax.vlines(x, low, high, color=colour, linewidth=1.3, alpha=0.6, gid=f"{name} interval", zorder=2)
        marker = _MARKERS[j % len(_MARKERS)]
        ax.scatter(x, y, s=28, color=colour, marker=marker, label=say[name], gid=name, zorder=3)
    ax.set_xticks(at, [f"{changes.earlier[i]}–{changes.later[i]}" for i in rows])
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_ylabel(say[_scale(found)])
    ax.set_title(str(unit), fontsize=SMALL + 3.0, loc="right", parse_math=False)
    _finish(ax, found, say, lang, simulated, names=shown)
    return ax


def productivity_of_units(
    found: Found,
    *,
    earlier: object,
    part: str = "index",
    ax: Axes | None = None,
    highlight: object = None,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw the changes of all units from a period to the next, the largest on top, with intervals.

    Parameters
    ----------
    found : MalmquistBootstrap, MalmquistFit or Changes
        Of a bootstrap units are marked by its verdicts, which it withholds where its intervals were not seen to hold.
    earlier : label
        The earlier period.
    part : str, default 'index'
        Of 'index' and its parts.
    ax : matplotlib.axes.Axes, optional
    highlight : label, optional
        Unit named in bold.
    simulated : bool, default False
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        A period, part or unit that is not there, or no change that is known.
    """
    say = words(lang) | _TEXTS[lang]
    names, values = _values(found)
    (name,), changes = _parts(names, (part,)), found.changes if isinstance(found, MalmquistFit) else found
    periods = list(dict.fromkeys(changes.earlier.tolist()))
    if earlier not in periods:
        raise SpecificationError(f"earlier={earlier!r}; there are {listed(periods)}")
    rows = np.flatnonzero(np.array([label == earlier for label in changes.earlier.tolist()]))
    strong, j = position(changes.unit[rows], highlight), names.index(name)
    y = values[j, rows]
    order = np.argsort(y, kind="stable")[: int(np.isfinite(y).sum())]
    if not len(order):
        raise SpecificationError(f"no {name} from {earlier!r} is known; there is nothing to draw")
    kept, place = rows[order], np.arange(len(order))
    ax = axes(ax, width=6.4, height=max(2.6, 0.13 * len(order) + 1.4))
    ax.axvline(0.0 if _scale(found) == "difference" else 1.0, color="#1A1A1A", linewidth=0.9, linestyle="--",
               label=say["as before"], gid="as before")  # fmt: skip
    verdict = np.full(len(changes.unit), "known", dtype=object)
    if isinstance(found, MalmquistBootstrap):
        low, high = (ends[j, kept] for ends in found.interval)
        ax.hlines(place, low, high, color="#BDBDBD", linewidth=1.4, gid="intervals", zorder=1)
        verdict = found.verdict[j]
    for kind, style in (("progress", "above"), ("regress", "below"), ("undecided", "neither"), ("withheld", "neither"),
                        ("known", "neither")):  # fmt: skip
        some = verdict[kept] == kind
        if some.any():
            look: dict[str, Any] = dict(STYLE[style])
            if kind == "withheld":
                look = {"edgecolors": look["color"], "facecolors": "white", "marker": look["marker"]}
            ax.scatter(values[j, kept][some], place[some], s=16, label=say[kind], gid=kind, zorder=3, **look)
    ax.set_yticks(place, [str(label) for label in changes.unit[kept]], fontsize=SMALL - 1.0, parse_math=False)
    if strong is not None and strong in order:
        ax.get_yticklabels()[int(np.flatnonzero(order == strong)[0])].set_fontweight("bold")
    ax.set_ylim(-0.8, len(order) - 0.2)
    title = say["title"].format(part=say[name], first=earlier, second=changes.later[kept[0]])
    lost = len(rows) - len(order)
    ax.set_xlabel(f"{title}. {say[_scale(found)]}" + (f" ({say['missing'].format(n=lost)})" if lost else ""))
    _finish(ax, found, say, lang, simulated, names=(name,), along=True)
    return ax


def _values(found: Found) -> tuple[tuple[str, ...], Floats]:
    """Return names of the index and its parts, and their values (parts, p)."""
    if isinstance(found, MalmquistBootstrap):
        return found.names, found.found
    changes = found.changes if isinstance(found, MalmquistFit) else found
    return changes.names, changes.values


def _scale(found: Found) -> str:
    return found.scale if isinstance(found, Changes) else "ratio"


def _parts(names: tuple[str, ...], parts: tuple[str, ...] | None) -> tuple[str, ...]:
    shown = names if parts is None else tuple(parts)
    strange = [name for name in shown if name not in names]
    if strange or not shown:
        raise SpecificationError(f"there is no part {listed(strange)}; there are {listed(names)}")
    return shown


def _finish(
    ax: Axes,
    found: Found,
    say: dict[str, str],
    lang: Lang,
    simulated: bool,
    *,
    names: tuple[str, ...],
    along: bool = False,
) -> None:
    """Write numbers, the legend and, under the axes, what is known of the intervals."""
    numbers_on(ax.xaxis if along else ax.yaxis, lang)
    mark_simulated(ax, say, simulated or (found.changes if isinstance(found, MalmquistFit) else found).simulated)
    legend_above(ax, most=3)
    if isinstance(found, MalmquistBootstrap):
        told = [found.coverage.parts[name] for name in names if name in found.coverage.parts]
        key = "held" if len(told) == len(names) else "not simulated"
        least = percentage(round(min(told, default=0.0), 2), lang)
        note = say[key].format(level=percentage(found.level, lang), least=least)
        ax.annotate(
            note, (0.0, 0.0), xycoords="axes fraction", xytext=(0, -38), textcoords="offset points", fontsize=SMALL,
            color="#4D4D4D", gid="coverage", annotation_clip=False, va="top",
        )  # fmt: skip
