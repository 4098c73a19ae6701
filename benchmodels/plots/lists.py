"""Pictures with one row per unit: estimates with intervals, and ranks with sets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.comparison import a_comparison
from benchmodels.errors import SpecificationError
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    factor,
    legend_above,
    listed,
    made_by,
    mark_simulated,
    numbers_on,
    position,
)
from benchmodels.plots.funnels import estimate_label
from benchmodels.plots.texts import told_at, words
from benchmodels.ranking import Ranking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison
    from benchmodels.plots.texts import Lang

    Positions = NDArray[np.intp]

__all__ = ["caterpillar", "rank_sets"]

_ROW = 0.135  # inches a row when there is room for all
_TALLEST = 16.0  # inches
_NAME = 0.112  # inches a name needs


def caterpillar(
    comparison: Comparison,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw every unit's estimate with its interval, one row per unit.

    Rows are sorted by estimate with the better end on top, the highest where no direction is better; equal
    estimates by label, units without an estimate last. A triangle is a unit whose interval leaves out what is
    expected; where intervals were seen to hold less often than they say there are none, and the key says how often.

    Parameters
    ----------
    comparison : Comparison
        k units; intervals are at ``comparison.level``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own, as tall as the names need, to 16 inches. Where names do
        not fit they are thinned evenly and the axis says so.
    highlight : label, optional
        Unit drawn stronger and named.
    percent : bool, default False
        Write estimates times 100, as percentage points or per cent; the data drawn are unchanged.
    scale : float, default 1.0
        Estimates are written times this; the data drawn are unchanged. Not together with ``percent``.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words for the axis: keys 'estimate', and 'measure', the unit of measure of the estimates as written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No unit has an estimate with an interval, the unit to highlight or a word is not there, or both ``percent`` and
        ``scale``.
    """
    a_comparison(comparison, "caterpillar")
    say = words(lang, labels, allowed=("estimate", "measure"))
    times = factor(percent=percent, scale=scale)
    strong = position(comparison.unit, highlight)
    different = _verdicts(comparison)
    if not (np.isfinite(comparison.estimate) & (different != "withheld")).any():
        raise SpecificationError("no unit has an estimate with a known uncertainty; there is nothing to draw")
    lowest_first = comparison.better == "low"
    order = _order(comparison.estimate if lowest_first else -comparison.estimate, comparison.unit)
    ax = _rows(ax, len(order))
    row = np.empty(len(order))
    row[order] = np.arange(len(order))
    _intervals(ax, comparison, different, row, say, lang)
    ax.axvline(comparison.null, color="#1A1A1A", linewidth=0.9, zorder=1)
    sorting = say["sorted_low" if lowest_first else "sorted_high"]
    label = say.get("estimate") or estimate_label(comparison, say, percent=percent)
    _finish(ax, comparison.unit[order], None if strong is None else int(row[strong]), [label, sorting], say)
    numbers_on(ax.xaxis, lang, scale=times)
    mark_simulated(ax, say, comparison.source.simulated)
    return ax


def rank_sets(
    ranking: Ranking,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    lang: Lang = "en",
) -> Axes:
    """Draw every unit's rank with its marginal (thick) and simultaneous (thin) confidence set.

    Rows are sorted by rank with rank 1 on top; equal ranks by their marginal set, then by label. Units left
    out of the ranking have no row and are named under the axis. Where sets hold less often than their level says, the
    key says how often.

    Parameters
    ----------
    ranking : Ranking
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own, as tall as the names need, to 16 inches. Where names do
        not fit they are thinned evenly and the axis says so.
    highlight : label, optional
        Unit drawn stronger and named.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No unit is ranked, or the unit to highlight is not there.
    """
    from matplotlib.ticker import MaxNLocator

    made_by(ranking, Ranking, "rank_sets", "rank(…)")
    say = words(lang)
    strong = position(ranking.unit, highlight)
    ranked = np.flatnonzero(np.isfinite(ranking.rank))
    if not len(ranked):
        raise SpecificationError("no unit is ranked; there is nothing to draw")
    order = ranked[_order(ranking.rank[ranked], ranking.unit[ranked], ranking.lower[ranked] + ranking.upper[ranked])]
    ax = _rows(ax, len(order))
    rows, pitch = np.arange(len(order)), _pitch(ax, len(order))
    sets: tuple[tuple[str, str, Literal["ranks", "all_ranks"], float, str], ...] = (
        ("simultaneous", "simultaneous_", "all_ranks", min(1.0, 0.25 * pitch), "#56A0D3"),
        ("marginal", "", "ranks", min(4.0, 0.5 * pitch), "#0072B2"),
    )
    for kind, prefix, of, width, color in sets:
        low, high = getattr(ranking, f"{prefix}lower")[order], getattr(ranking, f"{prefix}upper")[order]
        label = told_at(say, kind, ranking.coverage, ranking.level, of, lang)
        ax.hlines(rows, low, high, colors=color, linewidth=width, alpha=0.75, label=label, gid=kind, zorder=2)
    ax.scatter(
        ranking.rank[order],
        rows,
        s=min(14.0, pitch**2),
        color="#1A1A1A",
        edgecolors="white",
        linewidths=0.4,
        label=say["rank"],
        gid="rank",
        zorder=3,
    )
    at = np.flatnonzero(order == strong) if strong is not None else np.empty(0, dtype=np.intp)
    lines = [say["rank_low" if ranking.better == "low" else "rank_high"], say["sorted_rank"]]
    out = ranking.unit[~np.isfinite(ranking.rank)].tolist()
    if out:
        lines.append(say["left_out"].format(names=listed(out, say["more"])))
    _finish(ax, ranking.unit[order], int(at[0]) if len(at) else None, lines, say)
    ax.set_xlim(0.0, len(order) + 1.0)
    ticks = MaxNLocator(nbins=8, integer=True).tick_values(1, len(order))
    ax.set_xticks([1, *(tick for tick in ticks if 1 < tick <= len(order))])
    mark_simulated(ax, say, ranking.source.simulated)
    return ax


def _order(key: NDArray[np.float64], unit: NDArray[np.object_], second: NDArray[np.float64] | None = None) -> Positions:
    """Return positions by key, then second key, then label; keys that are NaN last."""
    names = np.array([str(label) for label in unit])
    return np.lexsort((names, np.zeros(len(key)) if second is None else second, key))


def _verdicts(comparison: Comparison) -> NDArray[np.object_]:
    """Return the verdicts; 'no verdict' for a unit that has an interval and none."""
    known = np.isfinite(comparison.lower) | np.isfinite(comparison.upper)
    verdict = comparison.different.copy()
    verdict[known & (verdict == "withheld")] = "no verdict"
    return verdict


def _rows(ax: Axes | None, k: int) -> Axes:
    return axes(ax, width=7.0, height=min(_TALLEST, 1.6 + _ROW * max(k, 8)))


def _pitch(ax: Axes, k: int) -> float:
    """Return the height of a row in points."""
    return float(72.0 * _inches(ax) / k)


def _inches(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    return float(ax.get_window_extent().height / (100.0 if figure is None else figure.dpi))


def _intervals(
    ax: Axes,
    comparison: Comparison,
    different: NDArray[np.object_],
    row: NDArray[np.float64],
    say: Mapping[str, str],
    lang: Lang,
) -> None:
    """Draw intervals and markers by verdict; an interval without an end runs to the edge of the picture."""
    ends = np.concatenate([comparison.lower, comparison.upper, comparison.estimate, [comparison.null]])
    low, high = float(ends[np.isfinite(ends)].min()), float(ends[np.isfinite(ends)].max())
    margin = 0.03 * (high - low) or 1.0
    pitch = _pitch(ax, len(row))
    ax.set_xlim(low - margin, high + margin)
    lower = np.where(np.isfinite(comparison.lower), comparison.lower, low - margin)
    upper = np.where(np.isfinite(comparison.upper), comparison.upper, high + margin)
    drawn = [(kind, "not different" if kind == "neither" else kind, style) for kind, style in STYLE.items()]
    for kind, verdict, style in [*drawn, ("neither", "no verdict", STYLE["neither"])]:
        rows = np.flatnonzero((different == verdict) & np.isfinite(comparison.estimate))
        if not len(rows):
            continue
        if kind != "withheld":
            width, color = min(1.1, 0.3 * pitch), style["color"]
            ax.hlines(row[rows], lower[rows], upper[rows], colors=color, linewidth=width, gid=f"interval {kind}")
        ax.scatter(
            comparison.estimate[rows],
            row[rows],
            s=min(18.0, pitch**2),
            linewidths=1.0 if kind == "withheld" else 0.3,
            label=say[verdict],
            gid=kind,
            zorder=3,
            **style,
        )
    ax.plot(
        [],
        [],
        color=STYLE["neither"]["color"],
        label=told_at(say, "interval", comparison.coverage, comparison.level, "intervals", lang),
    )


def _finish(ax: Axes, names: NDArray[np.object_], strong: int | None, lines: list[str], say: Mapping[str, str]) -> None:
    """Name the rows, as many as fit; mark the highlighted one; put the legend above and the lines below."""
    k = len(names)
    ax.set_ylim(k - 0.4, -0.6)
    every = max(1, math.ceil(k * _NAME / _inches(ax)))
    rows = [i for i in range(0, k, every) if strong is None or i == strong or abs(i - strong) >= every]
    rows = sorted({*rows, *([] if strong is None else [strong])})
    ax.set_yticks(rows, [str(names[i]) for i in rows], fontsize=SMALL, parse_math=False)
    ax.tick_params(axis="y", length=0 if every == 1 else 2)
    if k > 40:
        ax.tick_params(axis="x", top=True, labeltop=True)
    if strong is not None:
        label = ax.get_yticklabels()[rows.index(strong)]
        label.set_fontweight("bold")
        ax.axhspan(strong - 0.5, strong + 0.5, color="#F0E442", alpha=0.55, linewidth=0, gid="highlight", zorder=0)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    lines = lines if every == 1 else [*lines, say["every"].format(n=every)]
    ax.set_xlabel("\n".join(lines))
    legend_above(ax, most=2, pad=3.0 if k > 40 else 0.5)
