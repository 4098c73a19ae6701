"""Pictures of best practice: distances to the frontier, targets, peers, and the units that beat another."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.dea import DEAFit
from benchmodels.plots.canvas import SMALL, STYLE, axes, listed, mark_simulated, numbers_on, position
from benchmodels.plots.lists import _finish, _order, _pitch, _rows
from benchmodels.plots.texts import number, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.frontier.units import UnitsFit
    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["KINDS", "ON", "dominance", "efficiencies", "kinds", "peers", "targets"]

# The distance that counts as none.
ON = 1e-9
# Rows of a picture that is one unit's own.
_MOST = 20
KINDS = {
    "on": {"color": "#0072B2", "marker": "D"},
    "off": STYLE["neither"],
    "beyond": {"color": "#D55E00", "marker": "^"},
}


def efficiencies(
    fit: DEAFit | UnitsFit,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    lang: Lang = "en",
) -> Axes:
    """Draw every unit's efficiency (directional: inefficiency), one row per unit, the units on the frontier marked.

    There are no ranks and no intervals: a line under the axis says what chance does to a frontier.

    Parameters
    ----------
    fit : DEAFit or UnitsFit
        k units; those without an answer have no row and are named under the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own, as tall as the names need, to 16 inches.
    highlight : label, optional
        Unit drawn stronger and named.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No unit has an answer, or the unit to highlight is not there.
    """
    say = words(lang)
    strong = position(fit.unit, highlight)
    distance, frontier_at = _distance(fit)
    known = np.flatnonzero(np.isfinite(distance))
    if not len(known):
        raise SpecificationError("no unit has an efficiency; there is nothing to draw")
    directional = fit.model.orientation == "directional"
    sign = 1.0 if directional else -1.0
    # Units on the frontier are equal, whatever the last digit says.
    key = np.where(np.abs(distance - frontier_at) < ON, frontier_at, distance)
    order = known[_order(sign * key[known], fit.unit[known])]
    ax = _rows(ax, len(order))
    row = np.full(len(distance), np.nan)
    row[order] = np.arange(len(order))
    ax.axvline(frontier_at, color="#1A1A1A", linewidth=0.9, zorder=1)
    size = min(24.0, _pitch(ax, len(order)) ** 2)
    for name, rows in kinds(fit).items():
        if len(rows):
            label = say[f"{name} the frontier"]
            ax.scatter(distance[rows], row[rows], s=size, label=label, gid=name, zorder=3, **KINDS[name])
    lines = [say[f"efficiency {fit.model.orientation}"], say["chance"]]
    lines.append(say["sorted_inefficiency" if directional else "sorted_efficiency"])
    out = fit.unit[~np.isfinite(distance)].tolist()
    if out:
        lines.append(say["no efficiency"].format(names=listed(out, say["more"])))
    at = np.flatnonzero(order == strong) if strong is not None else np.empty(0, dtype=np.intp)
    _finish(ax, fit.unit[order], int(at[0]) if len(at) else None, lines, say)
    numbers_on(ax.xaxis, lang, scale=1.0 if directional else 100.0)
    mark_simulated(ax, say, fit.goods.simulated)
    return ax


def targets(fit: DEAFit, unit: object, *, ax: Axes | None = None, lang: Lang = "en") -> Axes:
    """Draw what one unit uses and makes beside its target, each good in per cent of now; the amounts stand beside.

    Parameters
    ----------
    fit : DEAFit
        k units.
    unit : label
        Whose target.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes
        A good that is zero now has no percentage, and only its amounts.

    Raises
    ------
    SpecificationError
        The unit is not there, or has no target; or a fit that has no targets.
    """
    say = words(lang)
    _needs_dea(fit, "targets")
    name = str(fit.unit[_place(fit, unit)])
    frame = fit.targets()
    frame = frame[frame["unit"].map(str) == name].reset_index(drop=True)
    if not np.isfinite(frame["target"]).all():
        raise SpecificationError(f"{name} has no target; there is nothing to draw")
    value, target, slack = (frame[column].to_numpy(dtype=np.float64) for column in ("value", "target", "slack"))
    rows = np.flatnonzero(value > 0)
    now, aim, spare = (100.0 * part[rows] / value[rows] for part in (value, target, slack))
    moved = aim + np.where(frame["part"].to_numpy()[rows] == "input", spare, -spare)
    ax = axes(ax, width=7.0, height=1.7 + 0.32 * len(frame))
    ax.hlines(rows, now, moved, colors="#56A0D3", linewidth=3.0, label=say["move"], gid="move", zorder=2)
    left = np.abs(aim - moved) > 1e-7
    if left.any():
        ends = (rows[left], moved[left], aim[left])
        ax.hlines(*ends, colors="#56A0D3", linewidth=2.0, linestyles=":", label=say["slack"], gid="slack", zorder=2)
    ring = {"facecolors": "white", "edgecolors": STYLE["neither"]["color"], "linewidths": 1.4}
    ax.scatter(now, rows, s=80, label=say["now"], gid="now", zorder=3, **ring)
    ax.scatter(aim, rows, s=34, label=say["target"], gid="target", zorder=4, **KINDS["on"])
    amounts = [f"{number(a, lang)} → {number(b, lang)}" for a, b in zip(value, target, strict=True)]
    for i, text in enumerate([say["now to target"], *amounts], start=-1):
        ax.annotate(
            text,
            (1.0, max(i, -0.85)),
            xycoords=("axes fraction", "data"),
            xytext=(14, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL + 0.5,
            annotation_clip=False,
            gid="amounts",
        )
    ax.set_ylim(len(frame) - 0.4, -0.6)
    goods = [say[f"good {part}"].format(good=good) for good, part in zip(frame["good"], frame["part"], strict=True)]
    ax.set_yticks(range(len(frame)), goods, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.08)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    numbers_on(ax.xaxis, lang)
    ax.set_xlabel(say["of now"].format(unit=name), parse_math=False)
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, fontsize=SMALL + 0.5, frameon=False)
    mark_simulated(ax, say, fit.goods.simulated)
    return ax


def peers(
    fit: DEAFit | UnitsFit,
    *,
    unit: object = None,
    ax: Axes | None = None,
    highlight: object = None,
    lang: Lang = "en",
) -> Axes:
    """Draw of how many others each unit on the frontier is a peer; or, for one unit, the weights of its peers.

    Parameters
    ----------
    fit : DEAFit, or UnitsFit of FDH
        k units.
    unit : label, optional
        Whose peers; None for all peers. The weights need a DEAFit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own, as tall as the names need, to 16 inches.
    highlight : label, optional
        Peer drawn stronger.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes
        Where other peers would do as well, a line under the axis says so.

    Raises
    ------
    SpecificationError
        A unit is not there, or has no peers; or a fit that has no peers or no weights.
    """
    from matplotlib.ticker import MaxNLocator

    say = words(lang)
    position(fit.unit, highlight)
    frame = fit.peers()
    if unit is None:
        length, lines = _counted(fit, frame, say)
    else:
        _needs_dea(fit, "weights of peers")
        length, lines = _weighted(frame, str(fit.unit[_place(fit, unit)]), say)
    names = np.array(list(length), dtype=object)
    value = np.array(list(length.values()), dtype=np.float64)
    order = _order(-value, names)
    ax = _rows(ax, len(order))
    rows = np.arange(len(order))
    bars = ax.barh(rows, value[order], height=0.7, color=KINDS["on"]["color"], label=lines[0], zorder=2)
    for bar in bars:
        bar.set_gid("bar")
    strong = None if highlight is None else np.flatnonzero(names[order] == str(highlight))
    _finish(ax, names[order], int(strong[0]) if strong is not None and len(strong) else None, lines, say)
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()  # bars of one kind, which the axis names
    ax.set_xlim(0.0, 1.05 * float(value.max(initial=0.0)) or 1.0)
    if unit is None:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    numbers_on(ax.xaxis, lang)
    mark_simulated(ax, say, fit.goods.simulated)
    return ax


def dominance(fit: UnitsFit, unit: object, *, ax: Axes | None = None, lang: Lang = "en") -> Axes:
    """Draw the units that beat one: by how many per cent they use less of each input and make more of each output.

    Parameters
    ----------
    fit : UnitsFit
        k units.
    unit : label
        Who is beaten.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes
        The 20 with the largest mean gain, where there are more; '–' where the unit has none of a good. The colour is
        full at half and at double.

    Raises
    ------
    SpecificationError
        The unit is not there, or no unit beats it; or a fit against mixtures of units.
    """
    from matplotlib.colors import LinearSegmentedColormap

    say = words(lang)
    if isinstance(fit, DEAFit):
        raise SpecificationError("dominance is by real units: give a fit of FDH, OrderM or OrderAlpha")
    place = _place(fit, unit)
    frame = fit.dominators()
    better = [str(name) for name in frame["better"][frame["unit"].map(str) == str(fit.unit[place])]]
    if not better:
        raise SpecificationError(f"no unit beats {fit.unit[place]}; there is nothing to draw")
    names, goods = better[:_MOST], fit.goods.goods
    rows = [[str(name) for name in fit.unit].index(name) for name in names]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 100.0 * (goods[rows] / goods[place] - 1.0)
        shade = np.clip(np.abs(np.log2(goods[rows] / goods[place])), 0.0, 1.0)
    known = np.isfinite(share)
    ax = axes(ax, width=max(5.0, 2.4 + 1.2 * goods.shape[1]), height=1.5 + 0.27 * max(len(names), 3))
    most = float(np.abs(share[known]).max(initial=0.0)) or 1.0
    colours = LinearSegmentedColormap.from_list("gain", ["#FFFFFF", "#7DB8DE"])
    edges = (np.arange(goods.shape[1] + 1) - 0.5, np.arange(len(names) + 1) - 0.5)
    mesh = ax.pcolormesh(*edges, np.ma.masked_array(shade, ~known), cmap=colours, vmin=0.0, vmax=1.0)
    mesh.set_gid("gain")
    for (i, j), value in np.ndenumerate(share):
        text = ("+" if value > 0 else "") + number(value, lang, decimals=0 if most >= 10 else 1) if known[i, j] else "–"
        ax.text(j, i, text, ha="center", va="center", fontsize=SMALL + 1.0)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    kinds = ["input" if j < fit.goods.inputs.shape[1] else "output" for j in range(goods.shape[1])]
    titles = [say[f"good {kind}"].format(good=good) for good, kind in zip(fit.goods.names, kinds, strict=True)]
    ax.set_xticks(range(len(titles)), titles, fontsize=SMALL + 1.0, parse_math=False)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    lines = [say["beats"].format(unit=fit.unit[place]), say["sorted_gain"]]
    if len(better) > _MOST:
        lines.append(say["first few"].format(n=_MOST, all=len(better)))
    ax.set_xlabel("\n".join(lines), parse_math=False)
    mark_simulated(ax, say, fit.goods.simulated)
    return ax


def _distance(fit: DEAFit | UnitsFit) -> tuple[Floats, float]:
    """Return the distance asked for, and what it is on the frontier."""
    if isinstance(fit, DEAFit) and fit.model.orientation == "directional":
        return fit.inefficiency, 0.0
    return fit.efficiency, 1.0


def kinds(fit: DEAFit | UnitsFit) -> dict[str, Positions]:
    """Return the units on the frontier, off it, and beyond it."""
    distance, at = _distance(fit)
    on = np.abs(distance - at) < ON
    beyond = ~on & (distance > at) if at else np.zeros(len(on), dtype=np.bool_)
    off = np.isfinite(distance) & ~on & ~beyond
    return {"on": np.flatnonzero(on), "off": np.flatnonzero(off), "beyond": np.flatnonzero(beyond)}


def _counted(fit: DEAFit | UnitsFit, frame: pd.DataFrame, say: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """Return of how many others each unit is a peer, and the words for it."""
    others = frame[frame["unit"].map(str) != frame["peer"].map(str)]
    number_of = others["peer"].map(str).value_counts()
    names = dict.fromkeys([*(str(fit.unit[i]) for i in kinds(fit)["on"]), *number_of.index])
    lines = [say["peer of"].format(n=others["unit"].nunique())]
    if "unique" in others:
        open_ = others.loc[~others["unique"].astype(bool), "unit"].nunique()
        lines += [say["other peers"].format(n=open_)] if open_ else []
    return {name: float(number_of.get(name, 0)) for name in names}, lines


def _weighted(frame: pd.DataFrame, name: str, say: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """Return the weights of one unit's peers, and the words for them."""
    own = frame[frame["unit"].map(str) == name]
    if own.empty:
        raise SpecificationError(f"{name} has no peers; there is nothing to draw")
    lines = [say["peer weights"].format(unit=name)]
    lines += [] if own["unique"].all() else [say["other peers one"]]
    return dict(zip(own["peer"].map(str), own["weight"].astype(float), strict=True)), lines


def _needs_dea(fit: DEAFit | UnitsFit, what: str) -> None:
    if not isinstance(fit, DEAFit):
        raise SpecificationError(f"{what} are of mixtures of units: give a fit of DEA, or draw dominance")


def _place(fit: DEAFit | UnitsFit, unit: object) -> int:
    names = [str(label) for label in fit.unit]
    if str(unit) not in names:
        near = difflib.get_close_matches(str(unit), names, n=5, cutoff=0.5) or names[:5]
        raise SpecificationError(f"unit={unit!r} is not among the {len(names)} units; near: {', '.join(near)}")
    return names.index(str(unit))
