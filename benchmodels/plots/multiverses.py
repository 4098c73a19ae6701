"""Pictures of a multiverse: one unit under every specification, and the range of all units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.multiverse import MultiverseResult
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    factor,
    legend_above,
    listed,
    made_by,
    mark_simulated,
    measured,
    numbers_on,
    position,
)
from benchmodels.plots.lists import _finish, _order, _pitch, _rows
from benchmodels.plots.multiverse_texts import MULTIVERSE_WORDS
from benchmodels.plots.texts import number, percentage, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.plots.texts import Lang

    Positions = NDArray[np.intp]

__all__ = ["specification_curve", "specification_ranges"]

# Rows of `benchmodels.multiverse.VERDICTS`, as they are styled and named.
_KINDS = (("below", "below"), ("neither", "not different"), ("above", "above"), ("withheld", "withheld"))
_MAIN = "#E69F00"
_ROW, _TALL = 0.19, 2.6  # inches of a row of the matrix, and of the estimates, in a figure of its own


def specification_curve(
    result: MultiverseResult,
    unit: object,
    *,
    ax: Axes | None = None,
    percent: bool = False,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Axes:
    """Draw one unit's estimate under every specification, with what each is made of beneath.

    Above, estimates with their own intervals, sorted from the lowest; beneath, a mark in each row that a specification
    has: terms that are in, and the option of every other choice. The specification that was chosen is a diamond.

    Parameters
    ----------
    result : MultiverseResult
    unit : label
    ax : matplotlib.axes.Axes, optional
        A subplot, which is divided between estimates and matrix. None for a figure of its own.
    percent : bool, default False
        Write estimates times 100, as percentage points or per cent; the data drawn are unchanged.
    scale : float, default 1.0
        Estimates are written times this; the data drawn are unchanged. Not together with ``percent``.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words for the axis: keys 'estimate', and 'measure', the unit of measure of the estimates as written.
    names : mapping, optional
        Own words for choices and options, by their names in ``result.choices``.

    Returns
    -------
    matplotlib.axes.Axes
        Of the estimates; the matrix is the axes added to the figure last.

    Raises
    ------
    SpecificationError
        The unit or a word is not there, the unit has no estimate, both ``percent`` and ``scale``, or axes that are no
        subplot.

    References
    ----------
    Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4:1208.
    """
    from matplotlib.font_manager import FontProperties

    made_by(result, MultiverseResult, "specification_curve", "Multiverse(…).run(table)")
    say = MULTIVERSE_WORDS.get(lang, {}) | words(lang, labels, allowed=("estimate", "measure"))
    times, row = factor(percent=percent, scale=scale), result.position(unit)
    estimate = result.estimate[:, row]
    order = np.argsort(estimate, kind="stable")[: int(np.isfinite(estimate).sum())]
    if not len(order):
        raise SpecificationError(f"{unit!r} has no estimate under any specification; there is nothing to draw")
    rows = _matrix_rows(result, say, names or {})
    ax = axes(ax, width=7.2, height=_TALL + 0.9 + _ROW * len(rows))
    _curve(ax, result, row, order, say, lang)
    ax.set_ylabel(_label(result, say, percent=percent), fontsize=SMALL + 1.5, parse_math=False)
    numbers_on(ax.yaxis, lang, scale=times)
    _matrix(ax, result, order, rows, say, share=_ROW * len(rows) / _TALL)
    legend_above(ax, most=3)
    legend = ax.get_legend()
    if legend is not None:
        legend.set_alignment("left")
        legend.set_title(str(result.unit[row]), prop=FontProperties(size=SMALL + 3.0, weight="bold"))
        legend.get_title().set_parse_math(False)
    mark_simulated(ax, say, result.simulated)
    return ax


def specification_ranges(
    result: MultiverseResult,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw every unit's estimates over all specifications about the one that was chosen, one row per unit.

    Rows are sorted by the chosen estimate with the better end on top, the highest where no direction is better. Black:
    from the least to the largest estimate, thick the middle half. Grey: the interval of the specification that was
    chosen, which is another matter. A marker is open where the verdict depends on the specification.

    Parameters
    ----------
    result : MultiverseResult
    ax : matplotlib.axes.Axes, optional
    highlight : label, optional
        Unit drawn stronger and named.
    percent, scale, lang, labels
        As in `specification_curve`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No unit has an estimate under the specification that was chosen, the unit to highlight or a word is not there,
        or both ``percent`` and ``scale``.
    """
    made_by(result, MultiverseResult, "specification_ranges", "Multiverse(…).run(table)")
    say = MULTIVERSE_WORDS.get(lang, {}) | words(lang, labels, allowed=("estimate", "measure"))
    times, strong = factor(percent=percent, scale=scale), position(result.unit, highlight)
    table = result.to_frame()
    drawn = np.flatnonzero(np.isfinite(table["estimate"].to_numpy()))
    if not len(drawn):
        raise SpecificationError("the specification that was chosen has no estimate; there is nothing to draw")
    key = table["estimate"].to_numpy()[drawn]
    order = drawn[_order(key if result.better == "low" else -key, result.unit[drawn])]
    ax = _rows(ax, len(order))
    at = np.arange(len(order))
    pitch = _pitch(ax, len(order))
    said = table.iloc[order]
    level = percentage(result.level, lang)
    estimated = sum(status == "estimated" for status in result.status)
    lines: tuple[tuple[str, str, str, str, float, str], ...] = (
        ("lower", "upper", "interval", say["interval main"].format(level=level), min(4.5, 0.6 * pitch), "#D9D9D9"),
        ("minimum", "maximum", "range", say["range"].format(n=estimated), min(0.9, 0.2 * pitch), "#1A1A1A"),
        ("quartile_1", "quartile_3", "quartiles", say["quartiles"], min(2.6, 0.4 * pitch), "#1A1A1A"),
    )
    for place, (low, high, gid, label, width, color) in enumerate(lines):
        ends = said[low].to_numpy(), said[high].to_numpy()
        ax.hlines(at, *ends, colors=color, linewidth=width, label=label, gid=gid, zorder=1.5 + 0.1 * place)
    _markers(ax, said, say)
    null = float(result.null[result.main])
    ax.axvline(null, color="#1A1A1A", linewidth=0.9, zorder=1)
    where = np.flatnonzero(order == strong) if strong is not None else np.empty(0, dtype=np.intp)
    sorting = say["sorted_low" if result.better == "low" else "sorted_high"]
    below = [_label(result, say, percent=percent), sorting, say["range note"]]
    beyond = _cut(ax, said)
    if beyond:
        reaches = [f"{name} ({number(value * times, lang)})" for name, value in beyond]
        below.append(say["beyond"].format(names=listed(reaches, say["more"], most=3)))
    lost = result.unit[~np.isfinite(table["estimate"].to_numpy())].tolist()
    if lost:
        below.append(say["not drawn"].format(names=listed(lost, say["more"])))
    _finish(ax, result.unit[order], int(where[0]) if len(where) else None, below, say)
    numbers_on(ax.xaxis, lang, scale=times)
    mark_simulated(ax, say, result.simulated)
    return ax


def _cut(ax: Axes, said: pd.DataFrame) -> list[tuple[str, float]]:
    """Keep one wild specification from hiding all others: cut ranges at the edge, and return what runs beyond it."""
    core = said[["estimate", "lower", "upper", "quartile_1", "quartile_3"]].to_numpy()
    core = core[np.isfinite(core)]
    low, high = float(core.min()), float(core.max())
    room = 0.3 * (high - low)
    least, most = said["minimum"].to_numpy(), said["maximum"].to_numpy()
    left = min(low, max(low - room, float(least.min())))
    right = max(high, min(high + room, float(most.max())))
    margin = 0.03 * (right - left) or 1.0
    ax.set_xlim(left - margin, right + margin)
    beyond = []
    for values, edge, out, marker in (
        (least, left - margin, least < left, "<"),
        (most, right + margin, most > right, ">"),
    ):
        those = np.flatnonzero(out)
        if len(those):
            look: dict[str, Any] = {"s": 14, "color": "#1A1A1A", "marker": marker, "clip_on": False, "gid": "beyond"}
            ax.scatter(np.full(len(those), edge), those, zorder=4, **look)
            beyond += [(str(said["unit"].iloc[i]), float(values[i])) for i in those]
    return beyond


def _label(result: MultiverseResult, say: Mapping[str, str], *, percent: bool) -> str:
    if "estimate" in say:
        return say["estimate"]
    name = say[result.contrast] + (f", {say['direct']}" if result.standard == "direct" else "")
    unit = say["points" if result.contrast == "difference" else "percent"] if percent else ""
    return measured(name, say.get("measure", unit))


def _curve(ax: Axes, result: MultiverseResult, row: int, order: Positions, say: Mapping[str, str], lang: Lang) -> None:
    x = np.empty(len(result.status))
    x[order] = np.arange(len(order))
    n = len(order)
    width, size = max(0.35, min(1.6, 120.0 / n)), max(5.0, min(26.0, 2200.0 / n))
    for place, (kind, verdict) in enumerate(_KINDS):
        those = order[result.verdict[order, row] == place]
        if not len(those):
            continue
        style = STYLE[kind]
        low, high = result.lower[those, row], result.upper[those, row]
        ax.vlines(
            x[those], low, high, colors=style["color"], linewidth=width, alpha=0.45, gid=f"interval {kind}", zorder=2
        )
        ax.scatter(
            x[those],
            result.estimate[those, row],
            s=size,
            label=say[verdict],
            gid=kind,
            linewidths=0.3,
            zorder=3,
            **style,
        )
    ax.plot(
        [], [], color=STYLE["neither"]["color"], alpha=0.6,
        label=say["interval own"].format(level=percentage(result.level, lang)),
    )  # fmt: skip
    if result.main in order:
        at = float(x[result.main])
        ax.axvline(at, color=_MAIN, linewidth=1.2, gid="main line", zorder=1.5)
        diamond: dict[str, Any] = {"s": 52, "marker": "D", "color": _MAIN, "edgecolors": "#1A1A1A", "linewidths": 0.9}
        ax.scatter([at], [result.estimate[result.main, row]], label=say["main"], gid="main", zorder=5, **diamond)
    nulls = result.null[order]
    if np.ptp(nulls) <= 1e-9 * max(1.0, float(np.abs(nulls).max())):
        ax.axhline(float(nulls[0]), color="#1A1A1A", linewidth=0.9, zorder=1)
    ax.set_xlim(-1.0, n)
    ax.grid(axis="y", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.tick_params(axis="x", bottom=False, labelbottom=False)


def _matrix_rows(
    result: MultiverseResult, say: Mapping[str, str], names: Mapping[str, str]
) -> list[tuple[str, int, int]]:
    """Return name, choice and option of each row; choices of one option have none, of terms only what is in."""
    rows = []
    for j, choice in enumerate(result.choices):
        if len(choice.options) < 2:
            continue
        if _is_term(result, j):
            rows.append((names.get(choice.name, choice.name), j, 1))
            continue
        head = names.get(choice.name, say.get(choice.name, choice.name))
        for i, option in enumerate(choice.options):
            rows.append((f"{head}: {names.get(option, say.get(option, option))}", j, i))
    return rows


def _divided(ax: Axes, share: float) -> Axes:
    """Divide a subplot in two and return the lower part, ``share`` of the upper in height."""
    figure, place = ax.get_figure(), ax.get_subplotspec()
    if figure is None or place is None:
        raise SpecificationError("ax must be a subplot, which can be divided between estimates and matrix")
    parts = place.subgridspec(2, 1, height_ratios=(1.0, share), hspace=0.03)
    ax.set_subplotspec(parts[0])
    made: Axes = figure.add_subplot(parts[1], sharex=ax)
    return made


def _is_term(result: MultiverseResult, choice: int) -> bool:
    # The last three choices are the model, the family and the periods.
    return choice < len(result.choices) - 3


def _matrix(
    ax: Axes,
    result: MultiverseResult,
    order: Positions,
    rows: list[tuple[str, int, int]],
    say: Mapping[str, str],
    *,
    share: float,
) -> None:
    """Draw below the axes which specification has what."""
    n, text = len(order), [say["one" if len(order) == 1 else "sorted_curve"].format(n=len(order))]
    lost = len(result.status) - n
    if lost:
        text.append(say["not estimated"].format(n=lost))
    if not rows:
        ax.set_xlabel("\n".join(text), fontsize=SMALL + 1.0)
        return
    below = _divided(ax, share)
    options = np.array([s.options for s in result.specifications])[order]
    main = np.flatnonzero(order == result.main)
    for place, (_, choice, option) in enumerate(rows):
        there = np.flatnonzero(options[:, choice] == option)
        size = max(3.0, min(20.0, 1500.0 / n))
        below.scatter(
            there, np.full(len(there), place), s=size, marker="s", color="#1A1A1A", linewidths=0, gid=f"row {place}"
        )
        chosen = np.intersect1d(there, main)
        below.scatter(chosen, np.full(len(chosen), place), s=26, marker="D", color=_MAIN, edgecolors="#1A1A1A",
                      linewidths=0.7, gid="main", zorder=4)  # fmt: skip
        if place and choice != rows[place - 1][1] and not _is_term(result, choice):
            below.axhline(place - 0.5, color="#C9C9C9", linewidth=0.6, zorder=0)
    if len(main):
        below.axvline(float(main[0]), color=_MAIN, linewidth=1.2, zorder=1.5)
    below.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=SMALL + 0.5, parse_math=False)
    below.tick_params(axis="y", length=0)
    below.tick_params(axis="x", bottom=False, labelbottom=False)
    below.set_ylim(len(rows) - 0.4, -0.6)
    below.set_xlabel("\n".join(text), fontsize=SMALL + 1.0)


def _markers(ax: Axes, said: pd.DataFrame, say: Mapping[str, str]) -> None:
    """Draw the chosen estimates by verdict, open where it depends on the specification."""
    estimate, verdict, holds = (said[name].to_numpy() for name in ("estimate", "verdict", "holds"))
    for kind, name in _KINDS:
        for same in (True, False):
            those = np.flatnonzero((verdict == name) & (holds == same))
            if not len(those):
                continue
            color, marker = STYLE[kind]["color"], STYLE[kind]["marker"]
            if kind == "withheld":
                look: dict[str, Any] = {"color": color, "linewidths": 1.0}
            else:
                look = {"facecolors": color if same else "white", "edgecolors": color, "linewidths": 0.9}
            gid = kind if same else f"{kind} turns"
            label = say[name] if same or not (holds & (verdict == name)).any() else None
            ax.scatter(
                estimate[those],
                those,
                s=17,
                marker=marker,
                label=label,
                gid=gid,
                zorder=3,
                **look,
            )
    for word, face in (("holds", "#6E6E6E"), ("turns", "white")):
        ax.scatter([], [], s=17, facecolors=face, edgecolors="#6E6E6E", linewidths=0.9, label=say[word])
