"""Pictures of a frontier as a whole: its line in two dimensions, and what hangs on each unit of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError
from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.influence import Influence
from benchmodels.frontier.units import FDH, FRH
from benchmodels.kernels.technology import bounds_of
from benchmodels.plots import diagnostics
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    legend_above,
    listed,
    mark_simulated,
    name_points,
    numbers_on,
    position,
)
from benchmodels.plots.lists import _finish, _rows
from benchmodels.plots.texts import number, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.frontier.units import UnitsFit
    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]
    Plane = tuple[int, int, int | None]

__all__ = ["KINDS", "ON", "distance_of", "frontier", "influence", "kinds"]

# The distance that counts as none.
ON = 1e-9
KINDS = {
    "on": {"color": "#0072B2", "marker": "D"},
    "off": STYLE["neither"],
    "beyond": {"color": "#D55E00", "marker": "^"},
}
# Units that are named in the picture of influence.
_NAMED = 15


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
    exactly; units on it are named, also those that could do with less of one good, or make more of one.

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
        Of two inputs per output the picture ends at four times the median, if the frontier does; units outside are
        named under the axis.

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
    kind = kinds(fit)
    first = [] if strong is None else [strong]
    order = [*first, *(int(i) for i in kind["on"] if i not in first)]
    ends = np.array([_end(along, order, skewed=plane == (0, 1, 2)) for along in (x, y)])
    edge, corner = _edge(fit, plane, np.column_stack([x, y]), ends)
    ax.fill(*np.vstack([edge, corner]).T, color="#CFE3F1", alpha=0.6, linewidth=0, label=say["technology"], gid="area")
    ax.plot(*edge.T, color="#0072B2", linewidth=1.6, label=_edge_words(fit, say, lang), gid="edge", zorder=2)
    for name, rows in kind.items():
        if len(rows):
            ax.scatter(x[rows], y[rows], s=26, label=say[f"{name} the frontier"], gid=name, zorder=4, **KINDS[name])
    if strong is not None:
        _arrows(ax, fit, strong, plane, say)
    ax.set_xlim(0.0, ends[0])
    ax.set_ylim(0.0, ends[1])
    across, up = _axis_words(ax, fit, plane, say, lang)
    outside = fit.unit[(x > ends[0]) | (y > ends[1])].tolist()
    lines = [say.get("x", across)]
    lines += [say["outside"].format(names=listed(outside, say["more"], most=3))] if outside else []
    ax.set_xlabel("\n".join(lines), parse_math=False)
    ax.set_ylabel(say.get("y", up), parse_math=False)
    mark_simulated(ax, say, fit.goods.simulated)
    legend_above(ax)
    drawn = np.vstack([np.column_stack([x, y]), _along(np.minimum(edge, ends))])
    name_points(ax, [(x[i], y[i], str(fit.unit[i])) for i in order], avoid=drawn, strong=bool(first))
    return ax


def influence(
    found: Influence | pd.DataFrame,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw what hangs on each unit: of a frontier, what the others gain without it; of a regression, its largest slope.

    Of a frontier: a bar for each of the 15 units that move the others most, with how many it moves and the most that
    one of them gains; hatched where the others reach the unit's goods from no amount. Nobody is removed. Of a
    regression: each unit's largest DFBETAS against its share of the information, a triangle where it is beyond
    2 / √k (Belsley, Kuh & Welsch 1980).

    Parameters
    ----------
    found : Influence or DataFrame
        What ``influence()`` of a fit returns, of k units: of DEA an `Influence`; of a regression a table with columns
        unit, dfbetas, leverage.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit named in bold; of a frontier it has a row if it moves anybody.
    simulated : bool, default False
        The figures are simulated, and the picture says so.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        A column is missing.
    SpecificationError
        Something else than what ``influence()`` returns; nothing to draw; or the unit to highlight is not there.
    """
    if isinstance(found, Influence):
        return _departures(found, ax=ax, highlight=highlight, simulated=simulated or found.simulated, lang=lang)
    if not isinstance(found, pd.DataFrame):
        raise SpecificationError(f"influence draws what fit.influence() returns, not a {type(found).__name__}")
    if {"super_efficiency", "changed"} <= set(found.columns):
        raise SpecificationError("of a frontier, give what fit.influence() returns, without to_frame()")
    return diagnostics.influence(found, ax=ax, highlight=highlight, simulated=simulated, lang=lang)


def _departures(found: Influence, *, ax: Axes | None, highlight: object, simulated: bool, lang: Lang) -> Axes:
    """Draw what the others of a frontier gain where a unit leaves."""
    say, frame = words(lang), found.to_frame()
    strong = position(found.unit, highlight)
    total, away = frame["total"].to_numpy(dtype=np.float64), frame["unmatched"].to_numpy(dtype=np.bool_)
    order = np.lexsort((found.unit.astype(str), -total))
    moving = [int(i) for i in order if total[i] > 0]
    if not moving:
        raise SpecificationError("nobody's efficiency rests on another unit; there is nothing to draw")
    shown = [i for place, i in enumerate(moving) if place < _NAMED or i == strong]
    ax = _rows(ax, len(shown))
    hatched = {"color": STYLE["above"]["color"], "hatch": "////", "edgecolor": "white", "linewidth": 0.0}
    for kind, style in (("within reach", {"color": KINDS["on"]["color"]}), ("out of reach", hatched)):
        rows = [place for place, i in enumerate(shown) if away[i] == (kind == "out of reach")]
        if rows:
            some = total[[shown[place] for place in rows]]
            for bar in ax.barh(rows, some, height=0.7, label=say[kind], zorder=2, **style):
                bar.set_gid(kind)
    for place, i in enumerate(shown):
        most = number(100.0 * frame["largest"][i], lang, decimals=1)
        text = say["moves"].format(n=frame["changed"][i], most=most)
        style = {"textcoords": "offset points", "va": "center", "fontsize": SMALL, "gid": "moves"}
        ax.annotate(text, (total[i], place), xytext=(4, 0), **style)
    lines = [say["nearer output" if found.output else "nearer input"]]
    lines.append(
        say["moving"].format(n=len(moving), all=len(total), some=say["moving some"] if len(shown) < len(moving) else "")
    )
    rest = [found.unit[i] for i in np.flatnonzero(away) if i not in shown]
    lines += [say["out of reach too"].format(names=listed(rest, say["more"], most=3))] if rest else []
    at = shown.index(strong) if strong in shown else None
    _finish(ax, found.unit[shown], at, [*lines, say["nobody removed"]], say)
    ax.set_xlim(0.0, 1.45 * float(total[shown].max()))
    numbers_on(ax.xaxis, lang, scale=100.0)
    mark_simulated(ax, say, simulated)
    return ax


def distance_of(fit: DEAFit | UnitsFit) -> tuple[Floats, float]:
    """Return the distance asked for, and what it is on the frontier."""
    if isinstance(fit, DEAFit) and fit.model.orientation == "directional":
        return fit.inefficiency, 0.0
    return fit.efficiency, 1.0


def kinds(fit: DEAFit | UnitsFit) -> dict[str, Positions]:
    """Return the units on the frontier, off it, and beyond it."""
    distance, at = distance_of(fit)
    on = np.abs(distance - at) < ON
    beyond = ~on & (distance > at) if at else np.zeros(len(on), dtype=np.bool_)
    off = np.isfinite(distance) & ~on & ~beyond
    return {"on": np.flatnonzero(on), "off": np.flatnonzero(off), "beyond": np.flatnonzero(beyond)}


def _plane(fit: DEAFit | UnitsFit) -> Plane:
    """Return the goods across and up, and the one that both are divided by."""
    m, s = fit.goods.inputs.shape[1], fit.goods.outputs.shape[1]
    if isinstance(fit, DEAFit):
        model = fit.model
        if model.environment or model.composition or model.peers:
            raise SpecificationError(
                "units with peers of their own have a frontier each, which one picture cannot hold"
            )
        if model.weights is not None:
            raise SpecificationError("bounds of prices move the frontier off the units; draw the model without weights")
        constant = fit.technology.cone
    elif isinstance(fit.model, FRH):
        raise SpecificationError("whole units put together have no line of their own; FDH has, and DEA(returns='crs')")
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


def _across(goods: Floats, plane: Plane) -> tuple[Floats, Floats]:
    across, up, per = plane
    by = 1.0 if per is None else goods[..., per]
    return np.asarray(goods[..., across] / by), np.asarray(goods[..., up] / by)


def _end(along: Floats, told: list[int], *, skewed: bool) -> float:
    """Return where an axis ends; a skewed one need not reach units that make next to nothing."""
    most = float(along.max())
    if skewed:
        most = min(most, max(4.0 * float(np.median(along)), float(along[told].max(initial=0.0))))
    return 1.12 * most


def _along(edge: Floats) -> Floats:
    """Return points (p, 2) along a line, so close that no name fits between them."""
    share = np.linspace(0.0, 1.0, 60, endpoint=False)[:, None]
    return np.vstack([a + share * (b - a) for a, b in zip(edge[:-1], edge[1:], strict=True)])


def _edge(fit: DEAFit | UnitsFit, plane: Plane, points: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """Return the frontier as a line (v, 2) from end to end, and the corner that makes it an area."""
    right, top = ends
    if plane == (0, 1, 2):
        line = -_falling(-points)[::-1]
        return np.vstack([[line[0, 0], top], line, [right, line[-1, 1]]]), np.array([[right, top]])
    if plane == (1, 2, 0):
        line = _falling(points)
        return np.vstack([[0.0, line[0, 1]], line, [line[-1, 0], 0.0]]), np.array([[0.0, 0.0]])
    if not isinstance(fit, DEAFit):
        line = _stairs(points)
    else:
        low, high = bounds_of(fit.model.returns)
        bend = low * points
        if np.isfinite(high):
            line = _rising(np.vstack([bend, high * points]))
        else:
            best = points[np.argmax(points[:, 1] / points[:, 0])]
            line = _rising(np.vstack([bend, best * (2.0 * right / best[0])]))
    last = max(float(right), float(line[-1, 0]))
    return np.vstack([[line[0, 0], 0.0], line, [last, line[-1, 1]]]), np.array([[last, 0.0]])


def _rising(points: Floats) -> Floats:
    """Return the corners (v, 2) over all points, from the leftmost to the highest."""
    chain = _chain(points)
    return chain[: int(np.argmax(chain[:, 1])) + 1]


def _falling(points: Floats) -> Floats:
    """Return the corners (v, 2) over all points, from the highest to the rightmost."""
    chain = _chain(points)
    return chain[int(np.argmax(chain[:, 1])) :]


def _chain(points: Floats) -> Floats:
    """Return the corners (v, 2) of the upper convex hull from left to right (Andrew 1979, Inf Process Lett 9:216)."""
    chain: list[Floats] = []
    for point in points[np.lexsort((-points[:, 1], points[:, 0]))]:
        if chain and point[0] == chain[-1][0]:
            continue
        while len(chain) > 1:
            (a, b), (c, d) = chain[-1] - chain[-2], point - chain[-2]
            if a * d < b * c:
                break
            chain.pop()
        chain.append(point)
    return np.array(chain)


def _stairs(points: Floats) -> Floats:
    """Return the steps (v, 2) of what real units make with no more, from the left."""
    order = np.lexsort((-points[:, 1], points[:, 0]))
    best = np.maximum.accumulate(points[order, 1])
    return np.column_stack([np.repeat(points[order, 0], 2)[1:], np.repeat(best, 2)[:-1]])


def _edge_words(fit: DEAFit | UnitsFit, say: Mapping[str, str], lang: Lang) -> str:
    if not isinstance(fit, DEAFit):
        return say["edge"].format(returns=say["fdh"])
    returns = fit.model.returns
    if isinstance(returns, str):
        return say["edge"].format(returns=say[returns])
    low, high = (number(end, lang) if np.isfinite(end) else "∞" for end in returns)
    return say["edge"].format(returns=say["bounds"].format(low=low, high=high))


def _axis_words(ax: Axes, fit: DEAFit | UnitsFit, plane: Plane, say: Mapping[str, str], lang: Lang) -> tuple[str, str]:
    """Write numbers that can be read on both axes, and return the words that say what of; own words are as they are."""
    ends, per = np.array([ax.get_xlim()[1], ax.get_ylim()[1]]), plane[2]
    tens = 0 if per is None or {"x", "y"} & set(say) else _tens(ends)
    found = []
    for axis, key, end, good in ((ax.xaxis, "x", ends[0], plane[0]), (ax.yaxis, "y", ends[1], plane[1])):
        name = fit.goods.names[good]
        if per is None:
            text = say["good input" if key == "x" else "good output"].format(good=name)
        else:
            many = number(10.0**tens, lang, decimals=0)
            text = say["per many" if tens else "per"].format(good=name, other=fit.goods.names[per], n=many)
        large = end * 10.0**tens >= 1e6 and key not in say
        numbers_on(axis, lang, scale=10.0 ** (tens - (6 if large else 0)))
        found.append(say["in millions"].format(text=text) if large else text)
    return found[0], found[1]


def _tens(ends: Floats) -> int:
    """Return the power of ten of the good that others are per, 0 or more, with which numbers on both axes reach 1."""
    least = float(ends.min())
    return 0 if least >= 0.5 else int(np.ceil(-np.log10(least)))


def _arrows(ax: Axes, fit: DEAFit | UnitsFit, strong: int, plane: Plane, say: Mapping[str, str]) -> None:
    """Draw arrows from a unit to its target, or to each real unit that is one."""
    goods, name = fit.goods.goods, str(fit.unit[strong])
    frame = fit.targets() if isinstance(fit, DEAFit) else fit.peers()
    own = frame[frame["unit"].map(str) == name]
    if isinstance(fit, DEAFit):
        ends = own["target"].to_numpy(dtype=np.float64)[None, :]
    else:
        ends = goods[np.isin(fit.unit.astype(str), own["peer"].map(str).to_numpy(dtype=str))]
    start = np.array(_across(goods[strong], plane))
    drawn = False
    for end in np.column_stack(_across(ends, plane)):
        if np.isfinite(end).all() and np.abs(end - start).max() > ON * np.abs(start).max():
            style = {"arrowstyle": "-|>", "color": "#9A3412", "linewidth": 1.6, "shrinkA": 3.0, "shrinkB": 1.0}
            ax.annotate("", tuple(end), tuple(start), arrowprops=style, zorder=5, gid="arrow")
            drawn = True
    if drawn:
        label = say["to target" if isinstance(fit, DEAFit) else "to peer"].format(unit=name)
        ax.plot([], [], color="#9A3412", marker=">", linewidth=1.6, label=label)
