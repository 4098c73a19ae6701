"""Average practice beside best practice: one unit's three figures on an axis, or all units by the two factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    legend_above,
    mark_simulated,
    measured,
    name_points,
    numbers_on,
    position,
)
from benchmodels.plots.texts import number, percentage, told_at, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.beside import AverageBesideBest
    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]

__all__ = ["beside"]

_ROWS: dict[str, dict[str, Any]] = {
    "observed": {"marker": "s", "color": "#1A1A1A"},
    "expected": {"marker": "o", "color": "#6E6E6E"},
    "attainable": {"marker": "D", "color": "#0072B2"},
}
# Share of the picture that is left free around the points.
_ROOM = 0.08
_NAMED = 12


def beside(
    record: AverageBesideBest,
    *,
    ax: Axes | None = None,
    unit: object = None,
    highlight: object = None,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw what one unit has, what is expected and what the best would have; or all units by the two factors.

    For one unit three rows on one axis, with intervals. For all a plane with log axes: to the right the factor that
    what is expected does not explain, up how far the unit is from the best; all that has the same observed over
    expected lies on a falling line, and the one drawn is of what is as expected. Dotted lines are the middle unit, by
    each factor: they part the plane into four, which are named, since nobody is at the average *and* at the best.

    Parameters
    ----------
    record : AverageBesideBest
        k units.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    unit : label, optional
        Whose figures; None for all units.
    highlight : label, optional
        Of all units, the one that is drawn stronger and named.
    scale : float, default 1.0
        Of one unit: figures are written times this; the data drawn are unchanged.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words: key 'measure', the unit of measure of the figures as written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        The unit is not there, or not known to both; no unit is; or both ``unit`` and ``highlight``.
    """
    say = words(lang, labels, allowed=("measure",))
    if unit is not None and highlight is not None:
        raise SpecificationError("highlight is of the picture of all units; give unit or highlight, not both")
    known = np.isfinite(record.observed) & np.isfinite(record.expected) & np.isfinite(record.attainable)
    if unit is None:
        return _all(record, known, position(record.unit, highlight), ax, say, lang)
    row = position(record.unit, unit)
    if row is None or not known[row]:
        raise SpecificationError(f"{unit!r} has no figure of best practice, or no expected one; nothing to draw")
    return _one(record, row, ax, say, lang, scale=scale)


def _one(
    record: AverageBesideBest, row: int, ax: Axes | None, say: Mapping[str, str], lang: Lang, *, scale: float
) -> Axes:
    ax = axes(ax, width=7.0, height=3.1)
    names = []
    for place, (name, style) in enumerate(_ROWS.items()):
        value = float(getattr(record, name)[row])
        names.append(f"{say[f'beside {name}']}\n{number(value * scale, lang)}")
        if name != "observed":
            ends = [float(getattr(record, f"{name}_{end}")[row]) for end in ("lower", "upper")]
            if np.isfinite(ends).all():
                line: dict[str, Any] = {"linestyles": "-" if name == "expected" else (0, (1.2, 0.6))}
                line |= {"colors": style["color"], "linewidth": 4.0, "alpha": 0.6, "gid": f"interval {name}"}
                ax.hlines(place, ends[0], ends[1], **line)
        ax.scatter([value], [place], s=55, edgecolors="white", linewidths=0.6, gid=name, zorder=3, **style)
    ax.axvline(float(record.observed[row]), color="#1A1A1A", linewidth=0.9, linestyle="--", zorder=1)
    ax.set_yticks(range(len(names)), names, fontsize=SMALL + 1.5)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=_ROOM)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.set_title(str(record.unit[row]), loc="left", fontsize=SMALL + 3.0, fontweight="bold", parse_math=False)
    lines = [measured(say["per size"], say.get("measure", "")), _limits(record, say, lang)]
    ax.set_xlabel("\n".join(lines), fontsize=SMALL + 1.5, parse_math=False)
    numbers_on(ax.xaxis, lang, scale=scale)
    mark_simulated(ax, say, record.simulated)
    return ax


def _limits(record: AverageBesideBest, say: Mapping[str, str], lang: Lang) -> str:
    """Return what the bars are, and how often those of best practice hold."""
    told = say["beside interval"].format(level=percentage(record.level, lang))
    if not np.isfinite(record.expected_lower).any():
        told = say["withheld"]
    if not np.isfinite(record.attainable_lower).any():
        return told
    return f"{told}\n{told_at(say, 'beside limits', record.coverage, record.level, 'intervals', lang)}"


def _all(
    record: AverageBesideBest,
    known: NDArray[np.bool_],
    strong: int | None,
    ax: Axes | None,
    say: Mapping[str, str],
    lang: Lang,
) -> Axes:
    x, y = record.best_to_expected, record.to_best
    shown = known & (x > 0) & (y > 0)
    if not shown.any():
        raise SpecificationError("no unit has both an expected figure and one of best practice; nothing to draw")
    ax = axes(ax, width=7.0, height=6.2)
    for name in ("x", "y"):
        getattr(ax, f"set_{name}scale")("log")
    _frame(ax, x[shown], y[shown])
    line = np.array(ax.get_xlim())
    ax.plot(line, 1.0 / line, color="#1A1A1A", linewidth=0.9, label=say["beside as expected"], gid="as expected")
    middle = float(np.median(x[shown])), float(np.median(y[shown]))
    ax.axvline(middle[0], color="#6E6E6E", linewidth=0.9, linestyle=":", label=say["beside middle"], zorder=1)
    ax.axhline(middle[1], color="#6E6E6E", linewidth=0.9, linestyle=":", zorder=1)
    for kind, style in STYLE.items():
        verdict = "not different" if kind == "neither" else kind
        rows = np.flatnonzero(shown & (record.different == verdict))
        if len(rows):
            edges: dict[str, Any] = {} if kind == "withheld" else {"edgecolors": "white", "linewidths": 0.3}
            ax.scatter(x[rows], y[rows], s=26, label=say[verdict], gid=kind, zorder=3, **style, **edges)
    ax.set_xlabel(say[f"beside x {record.orientation}"])
    ax.set_ylabel(say[f"beside y {record.orientation}"])
    for axis in (ax.xaxis, ax.yaxis):
        _percents(axis, lang)
    _corners(ax, record.orientation, say)
    mark_simulated(ax, say, record.simulated)
    legend_above(ax, most=3)
    points = np.column_stack([x[shown], y[shown]])
    if strong is not None and shown[strong]:
        ring: dict[str, Any] = {"s": 130, "facecolors": "none", "edgecolors": "#1A1A1A", "linewidths": 1.6}
        ax.scatter(x[[strong]], y[[strong]], gid="highlight", zorder=4, **ring)
    name_points(ax, _named(record, shown, middle, strong), avoid=points, strong=strong is not None and shown[strong])
    return ax


def _frame(ax: Axes, x: Floats, y: Floats) -> None:
    """Let the points fill the picture, the line of what is as expected in it, and room for the names of corners."""
    for name, value in (("x", x), ("y", y)):
        ends = np.log([min(value.min(), 1.0), max(value.max(), 1.0)])
        room = (2.0 * _ROOM if name == "y" else _ROOM) * float(ends[1] - ends[0]) or 0.05
        getattr(ax, f"set_{name}lim")(*np.exp([ends[0] - room, ends[1] + room]))


def _percents(axis: Any, lang: Lang) -> None:
    """Write a log axis as per cent above or below 1, at round places."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = axis.get_view_interval()
    step = next((s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if (high - low) / s <= 8), 2.0)
    ticks = 1.0 + step * np.arange(np.ceil((low - 1.0) / step), np.floor((high - 1.0) / step) + 1)
    axis.set_major_locator(FixedLocator(ticks[ticks > 0].tolist()))
    axis.set_minor_locator(NullLocator())

    def text(value: float, _: int | None) -> str:
        told = number(100.0 * (value - 1.0), lang, decimals=0)
        return f"+{told}" if round(100.0 * (value - 1.0)) > 0 else told

    axis.set_major_formatter(FuncFormatter(text))


def _corners(ax: Axes, orientation: str, say: Mapping[str, str]) -> None:
    for vertical, y in (("up", 0.99), ("down", 0.01)):
        for side, x in (("left", 0.01), ("right", 0.99)):
            ax.annotate(
                say[f"beside {orientation} {vertical} {side}"],
                (x, y),
                xycoords="axes fraction",
                ha=side,
                va="top" if vertical == "up" else "bottom",
                fontsize=SMALL + 0.5,
                fontstyle="italic",
                color="#4A4A4A",
                gid=f"corner {vertical} {side}",
                zorder=2,
            )


def _named(
    record: AverageBesideBest, shown: NDArray[np.bool_], middle: tuple[float, float], strong: int | None
) -> list[tuple[float, float, str]]:
    """Return the highlighted unit first, then those farthest from the middle, each factor by its own spread."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log([record.best_to_expected / middle[0], record.to_best / middle[1]])
    spread = np.maximum(np.sqrt(np.mean(logs[:, shown] ** 2, axis=1)), 1e-12)
    far = np.where(shown, np.hypot(*(logs / spread[:, None])), -1.0)
    rows = [i for i in np.argsort(-far, kind="stable")[:_NAMED].tolist() if shown[i] and i != strong]
    if strong is not None and shown[strong]:
        rows.insert(0, strong)
    return [(float(record.best_to_expected[i]), float(record.to_best[i]), str(record.unit[i])) for i in rows]
