"""The picture of a frontier in two dimensions: units, the line that the best of them make, and what lies behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.units import FDH
from benchmodels.kernels.technology import bounds_of
from benchmodels.plots.canvas import SMALL, axes, listed, mark_simulated, name_points, numbers_on, position
from benchmodels.plots.frontiers import KINDS, ON, kinds
from benchmodels.plots.texts import number, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.frontier.units import UnitsFit
    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]
    Plane = tuple[int, int, int | None]

__all__ = ["frontier"]


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
    numbers_on(ax.xaxis, lang)
    numbers_on(ax.yaxis, lang)
    across, up = _axis_words(fit, plane, say)
    outside = fit.unit[(x > ends[0]) | (y > ends[1])].tolist()
    lines = [say.get("x", across)]
    lines += [say["outside"].format(names=listed(outside, say["more"], most=3))] if outside else []
    ax.set_xlabel("\n".join(lines), parse_math=False)
    ax.set_ylabel(say.get("y", up), parse_math=False)
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, fontsize=SMALL + 0.5, frameon=False)
    mark_simulated(ax, say, fit.goods.simulated)
    drawn = np.vstack([np.column_stack([x, y]), _along(np.minimum(edge, ends))])
    name_points(ax, [(x[i], y[i], str(fit.unit[i])) for i in order], avoid=drawn, strong=bool(first))
    return ax


def _plane(fit: DEAFit | UnitsFit) -> Plane:
    """Return the goods across and up, and the one that both are divided by."""
    m, s = fit.goods.inputs.shape[1], fit.goods.outputs.shape[1]
    if isinstance(fit, DEAFit):
        model = fit.model
        if model.environment or model.composition or model.peers:
            raise SpecificationError(
                "units with peers of their own have a frontier each, which one picture cannot hold"
            )
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


def _axis_words(fit: DEAFit | UnitsFit, plane: Plane, say: Mapping[str, str]) -> tuple[str, str]:
    names, (across, up, per) = fit.goods.names, plane
    if per is None:
        return say["good input"].format(good=names[across]), say["good output"].format(good=names[up])
    return (
        say["per"].format(good=names[across], other=names[per]),
        say["per"].format(good=names[up], other=names[per]),
    )


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
