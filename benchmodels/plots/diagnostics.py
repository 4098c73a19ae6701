"""Pictures of diagnostics: who steers a fit, who has no peers, and ratios within subgroups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError, SpecificationError
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    mark_simulated,
    name_points,
    numbers_on,
    position,
    sizes_on,
)
from benchmodels.plots.lists import _finish, _rows
from benchmodels.plots.texts import number, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from numpy.typing import NDArray

    from benchmodels.plots.texts import Lang

__all__ = ["influence", "overlap", "subgroups"]

# Ratios beyond these have the colour of the end.
_ENDS = (0.5, 2.0)
# Points that are named, most telling first; as many as fit.
_NAMED = 12


def influence(
    influence_frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw each unit's largest DFBETAS against its share of the information.

    A triangle is a unit that moves a slope by more than 2 / √k standard errors, the dashed lines (the cut-off of
    Belsley, Kuh & Welsch 1980); the largest are named.

    Parameters
    ----------
    influence_frame : DataFrame
        Columns unit, dfbetas, leverage: one row for each of k units.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit named in bold.
    simulated : bool, default False
        The table's figures are simulated, and the picture says so.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        A column is missing.
    SpecificationError
        No unit has both numbers, or the unit to highlight is not there.
    """
    say = words(lang)
    unit, x, y, usable = _points(influence_frame, "leverage", "dfbetas")
    strong = position(unit, highlight)
    ax = axes(ax, width=7.0, height=4.6)
    guide = 2.0 / np.sqrt(len(unit))
    ax.axhline(0.0, color="#1A1A1A", linewidth=0.9, zorder=1)
    for end in (-guide, guide):
        ax.axhline(end, color="#1A1A1A", linewidth=0.9, linestyle="--", gid="guide", zorder=1)
    beyond = usable & (np.abs(y) > guide)
    for kind, rows in (("above", beyond & (y > 0)), ("below", beyond & (y < 0)), ("neither", usable & ~beyond)):
        if rows.any():
            label = say[f"steers {kind}"].format(n=len(unit))
            ax.scatter(x[rows], y[rows], s=26, label=label, gid=kind, zorder=3, **STYLE[kind])
    numbers_on(ax.xaxis, lang)
    numbers_on(ax.yaxis, lang)
    ax.set_xlabel(say["leverage"])
    ax.set_ylabel(say["dfbetas"])
    ax.legend(loc="best", fontsize=SMALL + 0.5)
    telling = [i for i in np.argsort(-np.abs(np.where(usable, y, 0.0))) if beyond[i]][:_NAMED]
    mark_simulated(ax, say, simulated)
    _name(ax, unit, x, y, telling, strong, usable)
    return ax


def overlap(
    overlap_frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    simulated: bool = False,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw how much of each unit's case mix others have too, against its size; the most isolated are named.

    Parameters
    ----------
    overlap_frame : DataFrame
        Columns unit, size, overlap: one row a unit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit named in bold.
    simulated : bool, default False
        The table's figures are simulated, and the picture says so.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words for the axis: key 'size'.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        A column is missing.
    SpecificationError
        No unit has an overlap, or the unit to highlight or a word is not there.
    """
    say = words(lang, labels, allowed=("size",))
    unit, x, y, usable = _points(overlap_frame, "size", "overlap")
    strong = position(unit, highlight)
    ax = axes(ax, width=7.0, height=4.2)
    ax.scatter(x[usable], y[usable], s=26, gid="neither", zorder=3, **STYLE["neither"])
    sizes_on(ax, lang, x[usable])
    ax.set_ylim(float(np.floor(10.0 * y[usable].min() - 0.2)) / 10.0, 1.02)
    numbers_on(ax.yaxis, lang, scale=100.0)
    ax.set_xlabel(say["size"])
    ax.set_ylabel(f"{say['overlap']}, {say['percent']}")
    ax.grid(axis="y", color="#E3E3E3", linewidth=0.6, zorder=0)
    telling = [i for i in np.argsort(np.where(usable, y, np.inf), kind="stable") if usable[i]][:_NAMED]
    mark_simulated(ax, say, simulated)
    _name(ax, unit, x, y, telling, strong, usable)
    return ax


def subgroups(
    subgroups_frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw observed / expected of every unit in every subgroup as a field of colour.

    A triangle is a ratio whose limits leave out one; a cross one that is withheld; an empty field has no cases.

    Parameters
    ----------
    subgroups_frame : DataFrame
        Columns unit, group, observed, expected, ratio, lower, upper: one row for each unit and group.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own, as tall as the names need, to 16 inches.
    highlight : label, optional
        Unit drawn stronger and named.
    simulated : bool, default False
        The table's figures are simulated, and the picture says so.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        A column is missing.
    SpecificationError
        No ratio is known, or the unit to highlight is not there.
    """
    from matplotlib.colors import LinearSegmentedColormap

    say = words(lang)
    _require(subgroups_frame, ("unit", "group", "observed", "expected", "ratio", "lower", "upper"))
    total = subgroups_frame.groupby("unit", sort=False)[["observed", "expected"]].sum(min_count=1)
    sorting = (total["observed"] / total["expected"]).sort_values(ascending=False, kind="stable", na_position="last")
    unit = np.array(sorting.index, dtype=object)
    groups = list(dict.fromkeys(subgroups_frame["group"]))
    row = subgroups_frame["unit"].map({name: i for i, name in enumerate(unit)}).to_numpy()
    column = subgroups_frame["group"].map({name: j for j, name in enumerate(groups)}).to_numpy()
    ratio, lower, upper = (subgroups_frame[name].to_numpy(dtype=np.float64) for name in ("ratio", "lower", "upper"))
    if not np.isfinite(ratio).any():
        raise SpecificationError("no subgroup has a ratio; there is nothing to draw")
    strong = position(unit, highlight)
    ax = _rows(ax, len(unit))
    field = np.full((len(unit), len(groups)), np.nan)
    with np.errstate(divide="ignore"):
        field[row, column] = np.log2(ratio)
    colours = LinearSegmentedColormap.from_list("ratio", [STYLE["below"]["color"], "#FFFFFF", STYLE["above"]["color"]])
    low, high = np.log2(_ENDS)
    edges = (np.arange(len(groups) + 1) - 0.5, np.arange(len(unit) + 1) - 0.5)
    mesh = ax.pcolormesh(*edges, np.ma.masked_invalid(np.clip(field, low, high)), cmap=colours, vmin=low, vmax=high)
    mesh.set_gid("ratio")
    marks = {"above": lower > 1.0, "below": upper < 1.0, "withheld": ~np.isfinite(ratio)}
    for kind, rows in marks.items():
        if rows.any():
            style = STYLE[kind] | {"color": "#1A1A1A"}
            label = say["too few" if kind == "withheld" else kind]
            ax.scatter(column[rows], row[rows], s=14, linewidths=0.8, label=label, gid=kind, zorder=3, **style)
    _scale(ax, mesh, say, lang)
    lines = [say["sorted_total"]]
    ax.set_xlim(-0.5, len(groups) - 0.5)
    _finish(ax, unit, strong, lines, say)
    ax.grid(visible=False)
    ax.set_xticks(range(len(groups)), [str(name) for name in groups], fontsize=SMALL + 0.5, parse_math=False)
    mark_simulated(ax, say, simulated)
    return ax


def _scale(ax: Axes, mesh: QuadMesh, say: Mapping[str, str], lang: Lang) -> None:
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    bar = figure.colorbar(mesh, ax=ax, shrink=0.5, aspect=30, extend="both", label=say["ratio"])
    ticks = (0.5, 0.7, 1.0, 1.4, 2.0)
    bar.set_ticks(np.log2(ticks).tolist(), labels=[number(tick, lang, decimals=1) for tick in ticks])


def _points(
    frame: pd.DataFrame, x: str, y: str
) -> tuple[NDArray[np.object_], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return labels, two columns, and which rows have both."""
    _require(frame, ("unit", x, y))
    across, up = (frame[name].to_numpy(dtype=np.float64) for name in (x, y))
    usable = np.isfinite(across) & np.isfinite(up)
    if not usable.any():
        raise SpecificationError(f"no unit has both {x} and {y}; there is nothing to draw")
    return frame["unit"].to_numpy(dtype=object), across, up, usable


def _require(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(f"the table has no {missing}; it needs {list(columns)}")


def _name(
    ax: Axes,
    unit: NDArray[np.object_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    telling: Sequence[int],
    strong: int | None,
    usable: NDArray[np.bool_],
) -> None:
    """Name the points that tell most, the highlighted one first."""
    first = [strong] if strong is not None and usable[strong] else []
    order = [*first, *(i for i in telling if i not in first)]
    points = [(float(x[i]), float(y[i]), str(unit[i])) for i in order]
    name_points(ax, points, avoid=np.column_stack([x[usable], y[usable]]), strong=bool(first))
