"""Pictures of best practice: distances to the frontier, targets, peers, and the units that beat another."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.units import FRH, OrderAlpha, OrderM
from benchmodels.plots.canvas import SMALL, STYLE, axes, legend_above, listed, mark_simulated, numbers_on, position
from benchmodels.plots.lists import _finish, _order, _rows
from benchmodels.plots.planes import KINDS, ON, distance_of, kinds
from benchmodels.plots.texts import number, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.frontier.units import UnitsFit
    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]

__all__ = ["dominance", "efficiencies", "peers", "targets"]

# Rows of a picture that is one unit's own.
_MOST = 20


def efficiencies(
    fit: DEAFit | UnitsFit,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    lang: Lang = "en",
) -> Axes:
    """Draw how efficiencies (directional: inefficiencies) are distributed: one mark a unit, with the frontier's own.

    Nobody is named but the unit to highlight: without intervals an order of names would be read as a ranking.

    Parameters
    ----------
    fit : DEAFit or UnitsFit
        k units; those without an answer have no mark and are named under the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit drawn larger and named.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes
        Marks are where the figures are; they are stacked where they would cover each other, and height says no more.

    Raises
    ------
    SpecificationError
        No unit has an answer, or the unit to highlight is not there.
    """
    say = words(lang)
    strong = position(fit.unit, highlight)
    distance, frontier_at = distance_of(fit)
    known = np.flatnonzero(np.isfinite(distance))
    if not len(known):
        raise SpecificationError("no unit has an efficiency; there is nothing to draw")
    # Units on the frontier are equal, whatever the last digit says.
    x = np.where(np.abs(distance - frontier_at) < ON, frontier_at, distance)
    present = {name: rows for name, rows in kinds(fit).items() if len(rows)}
    ax = axes(ax, width=7.0, height=min(5.0, 2.7 + 0.04 * len(present.get("on", ()))))
    ax.axvline(frontier_at, color="#1A1A1A", linewidth=0.9, zorder=1)
    for name, rows in present.items():
        ax.plot([], [], linestyle="", markersize=5, label=f"{say[f'{name} the frontier']} ({len(rows)})", **KINDS[name])
    partial = isinstance(getattr(fit.model, "frontier", fit.model), OrderM | OrderAlpha)
    lines = [say[f"efficiency {fit.model.orientation}"], say["marks"], say["chance partial" if partial else "chance"]]
    out = fit.unit[~np.isfinite(distance)].tolist()
    if out:
        lines.append(say["no efficiency"].format(names=listed(out, say["more"])))
    ax.set_xlabel("\n".join(lines), parse_math=False)
    ax.set_yticks([])
    ax.spines[["left", "top", "right"]].set_visible(False)
    ends = float(x[known].min()), max(float(x[known].max()), frontier_at)
    margin = 0.05 * (ends[1] - ends[0]) or 0.05
    ax.set_xlim(ends[0] - margin, ends[1] + margin)
    numbers_on(ax.xaxis, lang, scale=1.0 if fit.model.orientation == "directional" else 100.0)
    mark_simulated(ax, say, fit.goods.simulated)
    legend_above(ax)
    level = np.full(len(x), np.nan)
    level[known], size = _stack(ax, x[known])
    for name, rows in present.items():
        large = np.where(rows == (-1 if strong is None else strong), max(9.0, 1.6 * size), size)
        ax.scatter(
            x[rows], level[rows], s=large**2, linewidths=0.4, edgecolors="white", gid=name, zorder=3, **KINDS[name]
        )
    if strong is not None and np.isfinite(x[strong]):
        others = [rows for name, rows in present.items() if name != "on"]
        over = 2.0 + float(level[np.concatenate(others)].max()) if others else 1.0
        _name_over(ax, str(fit.unit[strong]), (float(x[strong]), float(level[strong])), over)
    return ax


def targets(fit: DEAFit, unit: object, *, ax: Axes | None = None, lang: Lang = "en") -> Axes:
    """Draw what one unit uses and makes beside its target, each good in per cent of now; the amounts stand beside.

    A target is filled where the orientation moves the good. Elsewhere it is open: no goal, but what those that the
    unit is held against make of it (or use), as outputs are where inputs are to fall.

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
        A good of which there is none now has no percentage: its row says so, and its amounts stand beside. Goods that
        are whole numbers for all units are written as such from ten.

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
    part = frame["part"].to_numpy()
    rows = np.flatnonzero(value > 0)
    now, aim, spare = (100.0 * amount[rows] / value[rows] for amount in (value, target, slack))
    moved = aim + np.where(part[rows] == "input", spare, -spare)
    ax = axes(ax, width=7.0, height=2.0 + 0.32 * len(frame))
    ax.hlines(rows, now, moved, colors="#56A0D3", linewidth=3.0, label=say["move"], gid="move", zorder=2)
    left = np.abs(aim - moved) > 1e-7
    if left.any():
        ends = (rows[left], moved[left], aim[left])
        ax.hlines(*ends, colors="#56A0D3", linewidth=2.0, linestyles=":", label=say["slack"], gid="slack", zorder=2)
    ring = {"facecolors": "white", "edgecolors": STYLE["neither"]["color"], "linewidths": 1.4}
    ax.scatter(np.full(len(frame), 100.0), range(len(frame)), s=80, label=say["now"], gid="now", zorder=3, **ring)
    goal = np.asarray((fit.programs.direction > 0).any(axis=0))
    open_ = KINDS["on"] | {"facecolors": "white", "edgecolors": KINDS["on"]["color"], "linewidths": 1.2}
    open_.pop("color")
    for gid, asked, style in (
        ("target", goal, KINDS["on"]),
        ("peers input", ~goal & (part == "input"), open_),
        ("peers output", ~goal & (part == "output"), open_),
    ):
        some = asked[rows]
        if some.any():
            ax.scatter(aim[some], rows[some], s=34, label=say[gid], gid=gid, zorder=4, **style)
    ax.set_ylim(len(frame) - 0.4, -0.6)
    _beside(ax, fit, value, target, say, lang)
    goods = [say[f"good {kind}"].format(good=good) for good, kind in zip(frame["good"], part, strict=True)]
    ax.set_yticks(range(len(frame)), goods, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.08)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    numbers_on(ax.xaxis, lang)
    ax.set_xlabel(say["of now"].format(unit=name), parse_math=False)
    mark_simulated(ax, say, fit.goods.simulated)
    legend_above(ax, most=4)
    return ax


def peers(
    fit: DEAFit | UnitsFit,
    *,
    unit: object = None,
    ax: Axes | None = None,
    highlight: object = None,
    lang: Lang = "en",
) -> Axes:
    """Draw of how many others each unit is a peer; or, for one unit, the weights (FRH: the copies) of its peers.

    Units on the frontier that are nobody's peer have no row: they are counted under the axis. Where units have circles
    of their own to be held against, a peer may be off its own frontier, others in its circle doing better; such bars
    are hatched.

    Parameters
    ----------
    fit : DEAFit, or UnitsFit of FDH or FRH
        k units.
    unit : label, optional
        Whose peers; None for all peers. Of a DEAFit or of FRH.
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
        A unit is not there, or has no peers; no unit is another's peer; or a fit without peers or without weights.
    """
    from matplotlib.ticker import MaxNLocator

    say = words(lang)
    position(fit.unit, highlight)
    frame = fit.peers()
    whole = unit is None or isinstance(fit.model, FRH)
    if unit is None:
        length, lines = _counted(fit, frame, say)
    else:
        if not whole:
            _needs_dea(fit, "weights of peers")
        length, lines = _weighted(frame, str(fit.unit[_place(fit, unit)]), say)
    names = np.array(list(length), dtype=object)
    value = np.array(list(length.values()), dtype=np.float64)
    order = _order(-value, names)
    ax = _rows(ax, len(order))
    off = {str(fit.unit[i]) for i in kinds(fit)["off"]}
    below = np.array([name in off for name in names[order]])
    hatched: dict[str, Any] = {"hatch": "////", "edgecolor": "white", "linewidth": 0.0}
    for kind in ("on", "off"):
        rows = np.flatnonzero(below if kind == "off" else ~below)
        if len(rows):
            style = {"color": KINDS[kind]["color"], "label": say[f"peer {kind}"]} | (hatched if kind == "off" else {})
            for bar in ax.barh(rows, value[order][rows], height=0.7, zorder=2, **style):
                bar.set_gid("bar" if kind == "on" else "bar off")
    labels = names[order]
    if unit is not None and whole:
        labels = np.array([f"{value[i]:.0f} × {names[i]}" for i in order], dtype=object)
    strong = None if highlight is None else np.flatnonzero(names[order] == str(highlight))
    _finish(ax, labels, int(strong[0]) if strong is not None and len(strong) else None, lines, say)
    legend = ax.get_legend()
    if below.any():
        legend_above(ax, most=2, pad=3.0 if len(order) > 40 else 0.5)
    elif legend is not None:
        legend.remove()  # bars of one kind, which the axis names
    ax.set_xlim(0.0, 1.05 * float(value.max()))
    if whole:
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


def _stack(ax: Axes, x: Floats) -> tuple[Floats, float]:
    """Return each mark's level, the lowest where it covers no other, and the marks' size in points."""
    figure = ax.get_figure(root=True)
    box, dots = ax.get_window_extent(), 100.0 if figure is None else figure.dpi
    wide, tall = 72.0 * box.width / dots, 72.0 * box.height / dots
    low, high = ax.get_xlim()
    for size in np.linspace(7.0, 1.5, 12):
        step, level = 1.1 * size * (high - low) / wide, np.zeros(len(x))
        ends: list[float] = []
        for i in np.argsort(x, kind="stable"):
            free = next((j for j, end in enumerate(ends) if x[i] >= end), len(ends))
            ends[free : free + 1] = [x[i] + step]
            level[i] = free
        rise = min(1.1 * size, tall / (len(ends) + 4.0))
        if rise >= 0.5 * size:
            break
    ax.set_ylim(-0.6 * size / rise, tall / rise - 0.6 * size / rise)
    return level, float(size)


def _name_over(ax: Axes, name: str, at: tuple[float, float], over: float) -> None:
    """Write a name above the marks, towards the middle of the picture, with a line to its mark."""
    low, high = ax.get_xlim()
    side = "left" if at[0] < (low + high) / 2 else "right"
    ax.annotate(
        name,
        at,
        xytext=(at[0] + (0.02 if side == "left" else -0.02) * (high - low), max(over, at[1] + 2.0)),
        ha=side,
        va="bottom",
        fontsize=SMALL + 1.5,
        fontweight="bold",
        arrowprops={"arrowstyle": "-", "color": "#1A1A1A", "linewidth": 0.8, "shrinkA": 0.0},
        gid="name",
        zorder=5,
        parse_math=False,
    )


def _beside(ax: Axes, fit: DEAFit, value: Floats, target: Floats, say: Mapping[str, str], lang: Lang) -> None:
    """Write amounts beside the rows, and in rows without a percentage that there is none."""
    goods = fit.goods.goods
    whole, none = (goods == np.round(goods)).all(axis=0), 1e-9 * np.abs(goods).max(axis=0)

    def text(amount: float, j: int) -> str:
        if abs(amount) <= none[j]:
            return "0"
        if whole[j] and (abs(amount) >= 10.0 or abs(amount - round(amount)) <= none[j]):
            return number(amount, lang, decimals=0)
        return number(amount, lang)

    rows = [f"{text(a, j)} → {text(b, j)}" for j, (a, b) in enumerate(zip(value, target, strict=True))]
    style: dict[str, Any] = {
        "textcoords": "offset points",
        "va": "center",
        "fontsize": SMALL + 0.5,
        "annotation_clip": False,
    }
    for i, line in enumerate([say["now to target"], *rows], start=-1):
        at = (1.0, max(i, -0.85))
        ax.annotate(line, at, xycoords=("axes fraction", "data"), xytext=(14, 0), gid="amounts", **style)
    for row in np.flatnonzero(value <= 0).tolist():
        ax.annotate(say["no share"], (100.0, row), xytext=(-9, 0), ha="right", gid="no share", **style)


def _counted(fit: DEAFit | UnitsFit, frame: pd.DataFrame, say: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """Return of how many others each unit that is a peer is one, and the words for it."""
    others = frame[frame["unit"].map(str) != frame["peer"].map(str)]
    number_of = others["peer"].map(str).value_counts()
    if number_of.empty:
        raise SpecificationError("no unit is another's peer, each being on the frontier; there is nothing to draw")
    lines = [say["peer of"].format(n=others["unit"].nunique())]
    if "unique" in others:
        open_ = others.loc[~others["unique"].astype(bool), "unit"].nunique()
        lines += [say["other peers"].format(n=open_)] if open_ else []
    alone = [name for name in (str(fit.unit[i]) for i in kinds(fit)["on"]) if name not in number_of.index]
    if alone:
        lines.append(say["nobody's peer"].format(n=len(alone), names=listed(alone, say["more"], most=3)))
    return {str(name): float(count) for name, count in number_of.items()}, lines


def _weighted(frame: pd.DataFrame, name: str, say: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """Return the weights (or copies) of one unit's peers, and the words for them."""
    own = frame[frame["unit"].map(str) == name]
    if own.empty:
        raise SpecificationError(f"{name} has no peers; there is nothing to draw")
    if "weight" not in own:
        lines = [say["peer copies"].format(unit=name), say["other copies"]]
        return dict(zip(own["peer"].map(str), own["copies"].astype(float), strict=True)), lines
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
