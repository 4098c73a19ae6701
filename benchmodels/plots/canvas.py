"""What all pictures share: axes, colours with shapes, numbers on axes, names beside points."""

from __future__ import annotations

import difflib
import math
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.plots.texts import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

    from benchmodels.plots.texts import Lang

__all__ = [
    "STYLE",
    "SMALL",
    "axes",
    "factor",
    "legend_above",
    "listed",
    "made_by",
    "mark_simulated",
    "measured",
    "name_points",
    "numbers_on",
    "position",
    "ring",
    "sizes_on",
]

SMALL = 7.0  # points; names and notes

# Okabe and Ito's colours, told apart in common colour blindness; every meaning has a shape of its own too.
STYLE: dict[str, dict[str, Any]] = {
    "above": {"color": "#D55E00", "marker": "^"},
    "below": {"color": "#0072B2", "marker": "v"},
    "neither": {"color": "#6E6E6E", "marker": "o"},
    "withheld": {"color": "#1A1A1A", "marker": "x"},
}

_OFFSETS = (
    (5, 0, "left"),
    (-5, 0, "right"),
    (4, 7, "left"),
    (-4, 7, "right"),
    (4, -7, "left"),
    (-4, -7, "right"),
)


def axes(ax: Axes | None, *, width: float, height: float) -> Axes:
    """Return the axes given, or new ones of this size in inches in a figure of their own."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width, height), layout="constrained")
    made: Axes = figure.add_subplot()
    return made


def factor(*, percent: bool, scale: float) -> float:
    """Return what numbers on the axis are multiplied by."""
    number = isinstance(scale, Real) and not isinstance(scale, bool)
    if not number or not np.isfinite(float(scale)) or float(scale) == 0.0:
        raise SpecificationError(f"scale={scale!r}; give a number that figures are written times, other than zero")
    if percent and scale != 1.0:
        raise SpecificationError(f"percent=True writes numbers times 100; scale={scale!r} too is one too many")
    return 100.0 if percent else scale


def measured(name: str, measure: str) -> str:
    """Return the name of an axis with its unit of measure, where there is one."""
    return f"{name}, {measure}" if measure else name


def mark_simulated(ax: Axes, say: Mapping[str, str], simulated: bool) -> None:
    """Write along the right edge that the figures are simulated, so that a picture says so wherever it is shown."""
    if simulated:
        ax.annotate(
            say["simulated"],
            (1.0, 1.0),
            xycoords="axes fraction",
            xytext=(3, 0),
            textcoords="offset points",
            rotation=90,
            ha="left",
            va="top",
            fontsize=SMALL + 1.0,
            fontweight="bold",
            color="#9A3412",
            gid="simulated",
        )


def made_by(given: object, kind: type, what: str, source: str) -> None:
    """Raise SpecificationError where a picture is not given what it draws."""
    if not isinstance(given, kind):
        raise SpecificationError(f"{what} draws what {source} returns; found a {type(given).__name__}")


def position(unit: NDArray[np.object_], highlight: object, *, asked: str = "highlight") -> int | None:
    """Return the row of the unit to highlight, or None when none is asked for."""
    if highlight is None:
        return None
    names = [str(label) for label in unit]
    if str(highlight) not in names:
        near = difflib.get_close_matches(str(highlight), names, n=5, cutoff=0.5)
        there = f"; near: {', '.join(near)}" if near else f", such as {', '.join(names[:5])}"
        raise SpecificationError(f"{asked}={highlight!r} is not among the {len(names)} units{there}")
    return names.index(str(highlight))


def listed(names: Sequence[object], more: str, *, most: int = 5) -> str:
    """Return names in a row; beyond ``most`` they are counted."""
    text = ", ".join(str(name) for name in names[:most])
    return text if len(names) <= most else more.format(names=text, n=len(names) - most)


def numbers_on(axis: Axis, lang: Lang, *, scale: float = 1.0) -> None:
    """Write the axis in the language, with the decimals its step needs; ``scale`` multiplies the ticks."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, _: int | None) -> str:
        ticks = np.asarray(axis.get_majorticklocs()) * scale
        step = float(np.min(np.diff(ticks))) if len(ticks) > 1 else abs(value * scale) or 1.0
        decimals = next((d for d in range(12) if abs(round(step, d) - step) < 1e-6 * step), 12)
        return number(value * scale, lang, decimals=decimals)

    axis.set_major_formatter(FuncFormatter(text))


def sizes_on(ax: Axes, lang: Lang, sizes: NDArray[np.float64]) -> None:
    """Put sizes on the x-axis, on a log scale when they span more than twentyfold."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = float(sizes.min()), float(sizes.max())
    if high > 20 * low:
        ax.set_xscale("log")
        ax.set_xlim(low / 1.25, high * 1.25)
        decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high < 1000 * low else (1, 3)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low / 1.25 <= tick <= high * 1.25]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(
            FuncFormatter(lambda v, _: number(v, lang, decimals=max(0, -math.floor(math.log10(v)))))
        )
    else:
        numbers_on(ax.xaxis, lang)


def ring(ax: Axes, x: float, y: float) -> None:
    """Draw a ring about the point of the highlighted unit, whose name may have to stand at some distance."""
    ax.scatter([x], [y], s=95, facecolors="none", edgecolors="#1A1A1A", linewidths=1.4, gid="highlight", zorder=5)


def name_points(
    ax: Axes,
    points: Sequence[tuple[float, float, str]],
    *,
    avoid: NDArray[np.float64],
    strong: bool = False,
) -> None:
    """Write names beside points, in the order given, leaving out those that would cover a name or a point.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    points : sequence of (x, y, name)
    avoid : (n, 2) array
        All points drawn.
    strong : bool, default False
        The first point is named whatever its name covers, and in bold.
    """
    figure = ax.get_figure(root=True)
    if figure is None or not points:
        return
    figure.draw_without_rendering()  # places the axes, so that extents below are those of the picture
    legend = ax.get_legend()
    taken = [] if legend is None else [legend.get_window_extent()]
    markers = ax.transData.transform(avoid)
    for i, (x, y, name) in enumerate(points):
        bold = strong and i == 0
        for last, (dx, dy, side) in enumerate(_OFFSETS, start=1 - len(_OFFSETS)):
            text = _name(ax, (x, y), name, (2 * dx, 2 * dy) if bold else (dx, dy), side, bold=bold)
            box = text.get_window_extent()
            if (bold and last == 0) or _fits(box, ax.get_window_extent(), taken, markers):
                taken.append(box)
                break
            text.remove()


def _name(ax: Axes, xy: tuple[float, float], name: str, offset: tuple[float, float], side: str, *, bold: bool) -> Any:
    from matplotlib.patheffects import withStroke

    return ax.annotate(
        name,
        xy,
        xytext=offset,
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=SMALL + (1.5 if bold else 0.0),
        fontweight="bold" if bold else "normal",
        zorder=6,
        parse_math=False,
        path_effects=[withStroke(linewidth=2.0, foreground="white")],
    )


def _fits(box: Any, frame: Any, taken: Sequence[Any], markers: NDArray[np.float64]) -> bool:
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    x, y = markers[:, 0], markers[:, 1]
    covers = (x > box.x0 - 2) & (x < box.x1 + 2) & (y > box.y0 - 1) & (y < box.y1 + 1)
    return bool(inside and not covers.any() and not any(box.overlaps(other) for other in taken))


def legend_above(ax: Axes, *, most: int = 3, pad: float = 0.5) -> None:
    """Put the legend above the axes, ``pad`` letters from them, in as many columns as they are wide enough for."""
    figure = ax.get_figure(root=True)
    for columns in range(most, 0, -1):
        style: dict[str, Any] = {"ncols": columns, "fontsize": SMALL + 0.5, "frameon": False, "borderaxespad": pad}
        legend = ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), **style)
        if figure is None:
            return
        figure.draw_without_rendering()  # places the axes, so that extents below are those of the picture
        if legend.get_window_extent().x1 <= ax.get_window_extent().x1:
            return
