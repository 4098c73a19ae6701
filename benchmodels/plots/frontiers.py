"""Pictures of best practice: the frontier, distances to it, targets, peers, and the units that beat another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.units import FDH
from benchmodels.kernels.technology import bounds_of
from benchmodels.plots.canvas import SMALL, STYLE, axes, listed, mark_simulated, name_points, numbers_on, position
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

__all__ = ["dominance", "efficiencies", "frontier", "peers", "targets"]

# The distance that counts as none.
_ON = 1e-9
# Rows of a picture that is one unit's own.
_MOST = 20
_KINDS = {
    "on": {"color": "#0072B2", "marker": "D"},
    "off": STYLE["neither"],
    "beyond": {"color": "#D55E00", "marker": "^"},
}


def frontier(
    fit: DEAFit | UnitsFit,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the units, the frontier that they make, and what lies behind it, in two dimensions.

    One input and one output: what can be made of how much. Two inputs and one output, or one input and two outputs,
    under constant returns: each good per unit of the one that is alone. The frontier runs through the units' goods
    exactly; units on it are named.

    Parameters
    ----------
    fit : DEAFit, or UnitsFit of FDH
        k units.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit named in bold, with an arrow to its target; under FDH to each unit that does it.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words for the axes: keys 'x' and 'y'.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        More goods than two dimensions hold, a frontier that is not the same for all units, or no unit's; or the unit
        to highlight or a word is not there.
    """
    say = words(lang, labels, allowed=("x", "y"))
    plane = _plane(fit)
    strong = position(fit.unit, highlight)
    ax = axes(ax, width=6.4, height=4.8)
    x, y = _across(fit.goods.goods, plane)
    ends = 1.12 * np.array([x.max(), y.max()])
    edge, corner = _edge(fit, plane, np.column_stack([x, y]), ends)
    ax.fill(*np.vstack([edge, corner]).T, color="#CFE3F1", alpha=0.6, linewidth=0, label=say["technology"], gid="area")
    ax.plot(*edge.T, color="#0072B2", linewidth=1.6, label=_edge_words(fit, say, lang), gid="edge", zorder=2)
    kind = _kinds(fit)
    for name, rows in kind.items():
        if len(rows):
            ax.scatter(x[rows], y[rows], s=26, label=say[f"{name} the frontier"], gid=name, zorder=4, **_KINDS[name])
    if strong is not None:
        _arrows(ax, fit, strong, plane, say)
    ax.set_xlim(0.0, ends[0])
    ax.set_ylim(0.0, ends[1])
    numbers_on(ax.xaxis, lang)
    numbers_on(ax.yaxis, lang)
    across, up = _axis_words(fit, plane, say)
    ax.set_xlabel(say.get("x", across), parse_math=False)
    ax.set_ylabel(say.get("y", up), parse_math=False)
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, fontsize=SMALL + 0.5, frameon=False)
    mark_simulated(ax, say, fit.goods.simulated)
    first = [] if strong is None else [strong]
    order = [*first, *(int(i) for i in kind["on"] if i not in first)]
    name_points(
        ax, [(x[i], y[i], str(fit.unit[i])) for i in order], avoid=np.column_stack([x, y]), strong=bool(first)
    )
    return ax


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
    key = np.where(np.abs(distance - frontier_at) < _ON, frontier_at, distance)
    order = known[_order(sign * key[known], fit.unit[known])]
    ax = _rows(ax, len(order))
    row = np.full(len(distance), np.nan)
    row[order] = np.arange(len(order))
    ax.axvline(frontier_at, color="#1A1A1A", linewidth=0.9, zorder=1)
    size = min(24.0, _pitch(ax, len(order)) ** 2)
    for name, rows in _kinds(fit).items():
        if len(rows):
            label = say[f"{name} the frontier"]
            ax.scatter(distance[rows], row[rows], s=size, label=label, gid=name, zorder=3, **_KINDS[name])
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
        ax.hlines(
            *ends, colors="#56A0D3", linewidth=2.0, linestyles=":", label=say["slack"], gid="slack", zorder=2
        )
    ax.scatter(now, rows, s=34, label=say["now"], gid="now", zorder=3, **STYLE["neither"])
    ax.scatter(aim, rows, s=34, label=say["target"], gid="target", zorder=4, **_KINDS["on"])
    beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center", "annotation_clip": False}
    for i, (a, b) in enumerate(zip(value, target, strict=True)):
        text = f"{_amount(a, lang)} → {_amount(b, lang)}"
        ax.annotate(text, (1.0, i), xytext=(14, 0), fontsize=SMALL + 0.5, gid="amounts", **beside)
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
    bars = ax.barh(rows, value[order], height=0.7, color=_KINDS["on"]["color"], zorder=2)
    for bar in bars:
        bar.set_gid("bar")
    strong = None if highlight is None else np.flatnonzero(names[order] == str(highlight))
    _finish(ax, names[order], int(strong[0]) if strong is not None and len(strong) else None, lines, say)
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()
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
        The 20 with the largest mean gain, where there are more; '–' where the unit has none of a good.

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
    known = np.isfinite(share)
    ax = axes(ax, width=max(5.0, 2.4 + 1.2 * goods.shape[1]), height=1.5 + 0.27 * max(len(names), 3))
    most = float(np.abs(share[known]).max(initial=0.0)) or 1.0
    colours = LinearSegmentedColormap.from_list("gain", ["#FFFFFF", "#7DB8DE"])
    edges = (np.arange(goods.shape[1] + 1) - 0.5, np.arange(len(names) + 1) - 0.5)
    mesh = ax.pcolormesh(*edges, np.ma.masked_array(np.abs(share), ~known), cmap=colours, vmin=0.0, vmax=most)
    mesh.set_gid("gain")
    for (i, j), value in np.ndenumerate(share):
        text = f"{'+' if value > 0 else ''}{number(value, lang, decimals=0 if most >= 10 else 1)}" if known[i, j] else "–"
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


def _plane(fit: DEAFit | UnitsFit) -> tuple[int, int, int | None]:
    """Return the goods across and up, and the one that both are divided by."""
    m, s = fit.goods.inputs.shape[1], fit.goods.outputs.shape[1]
    if isinstance(fit, DEAFit):
        model = fit.model
        if model.environment or model.composition or model.peers:
            raise SpecificationError("units with peers of their own have a frontier each, which one picture cannot hold")
        constant = fit.technology.cone
    elif isinstance(fit.model, FDH):
        constant = False
    else:
        raise SpecificationError("a partial frontier is an expectation over many units, and runs through none of them")
    if (m, s) == (1, 1):
        return 0, 1, None
    if (m, s) in ((2, 1), (1, 2)):
        if constant:
            return (0, 1, 2) if m == 2 else (1, 2, 0)
        raise SpecificationError(
            f"{m} inputs and {s} outputs have two dimensions under constant returns only: DEA(returns='crs')"
        )
    raise SpecificationError(
        f"{m} inputs and {s} outputs do not fit in two dimensions; one of each does, and three in all under "
        "constant returns. efficiencies, targets and peers draw any number"
    )


def _across(goods: Floats, plane: tuple[int, int, int | None]) -> tuple[Floats, Floats]:
    across, up, per = plane
    by = 1.0 if per is None else goods[..., per]
    return np.asarray(goods[..., across] / by), np.asarray(goods[..., up] / by)


def _edge(
    fit: DEAFit | UnitsFit, plane: tuple[int, int, int | None], points: Floats, ends: Floats
) -> tuple[Floats, Floats]:
    """Return the frontier as a line (v, 2) from end to end, and the corner that makes it an area."""
    right, top = ends
    if plane == (0, 1, 2):
        line = -_hull(-points)[::-1]
        return np.vstack([[line[0, 0], top], line, [right, line[-1, 1]]]), np.array([[right, top]])
    if plane == (1, 2, 0):
        line = _hull(points)
        return np.vstack([[0.0, line[0, 1]], line, [line[-1, 0], 0.0]]), np.array([[0.0, 0.0]])
    if not isinstance(fit, DEAFit):
        line = _stairs(points)
    else:
        low, high = bounds_of(fit.model.returns)
        bend = low * points
        if np.isfinite(high):
            line = _hull(np.vstack([bend, high * points]))
        else:
            best = points[np.argmax(points[:, 1] / points[:, 0])]
            line = _hull(np.vstack([bend, bend + best * (2.0 * right / best[0])]))
    return np.vstack([[line[0, 0], 0.0], line, [max(right, line[-1, 0]), line[-1, 1]]]), np.array([[right, 0.0]])


def _hull(points: Floats) -> Floats:
    """Return the corners (v, 2) of the upper right hull, from the highest to the rightmost where x is good to have.

    From left to right, concave; where only height is good, as for an output over an input, from the leftmost to the
    highest.
    """
    return points


def _stairs(points: Floats) -> Floats:
    """Return the steps (v, 2) of what real units make with no more, from the left."""
    order = np.lexsort((-points[:, 1], points[:, 0]))
    best = np.maximum.accumulate(points[order, 1])
    return np.column_stack([np.repeat(points[order, 0], 2)[1:], np.repeat(best, 2)[:-1]])
