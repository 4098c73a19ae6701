"""Funnel plots: every unit at its size, against the limits within which ordinary units lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.comparison import a_comparison
from benchmodels.errors import SpecificationError
from benchmodels.flags import ReferenceDistribution, reference_distribution
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    factor,
    listed,
    mark_simulated,
    measured,
    name_points,
    numbers_on,
    position,
    sizes_on,
)
from benchmodels.plots.texts import number, percentage, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison
    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]

__all__ = ["estimate_label", "funnel"]

_OUTER = 0.998
_NAMED = 14


def funnel(
    comparison: Comparison,
    reference: ReferenceDistribution | None = None,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw a funnel plot: estimates against size, with the limits of the reference distribution.

    A triangle is a unit outside its own limits at the level of the reference distribution. The curves are the
    limits of a unit with the standard error typical of its size, at that level and at 99.8 %. Where a unit's
    own limits lead to another verdict than the curve, and for the highlighted unit, its own limits are drawn
    as a bar. Prediction limits (one row per unit) are drawn at their own level only.

    Parameters
    ----------
    comparison : Comparison
        k units.
    reference : ReferenceDistribution, optional
        Of the same units; None for that of `benchmodels.flags.reference_distribution` with its defaults.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit drawn stronger and named.
    percent : bool, default False
        Write estimates times 100, as percentage points or per cent; the data drawn are unchanged.
    scale : float, default 1.0
        Estimates are written times this; the data drawn are unchanged. Not together with ``percent``.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words for the axes: keys 'size', 'estimate', and 'measure', the unit of measure of the estimates as written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No unit has both a size and an estimate, the reference distribution is of other units, the unit to highlight or
        a word is not there, or both ``percent`` and ``scale``.
    """
    a_comparison(comparison, "funnel")
    say = words(lang, labels, allowed=("size", "estimate", "measure"))
    times = factor(percent=percent, scale=scale)
    reference = reference_distribution(comparison) if reference is None else reference
    if not np.array_equal(reference.unit, comparison.unit):
        raise SpecificationError("the reference distribution is of other units than the comparison")
    strong = position(comparison.unit, highlight)
    shown = np.isfinite(comparison.estimate) & (comparison.size > 0)
    if not (shown & np.isfinite(reference.z)).any():
        raise SpecificationError("no unit has a size, an estimate and a standard error; there is nothing to draw")
    ax = axes(ax, width=7.5, height=5.0)
    sizes_on(ax, lang, comparison.size[shown])
    verdict = _verdicts(comparison.estimate, reference.lower, reference.upper)
    _curves(ax, reference, comparison.size[shown], say, lang)
    _own_limits(ax, comparison, reference, verdict, strong, say)
    _points(ax, comparison, verdict, shown, strong, say)
    _frame(ax, comparison, reference, shown, strong)
    numbers_on(ax.yaxis, lang, scale=times)
    ax.set_xlabel(say["size"])
    ax.set_ylabel(say.get("estimate") or estimate_label(comparison, say, percent=percent))
    title = _told(comparison, reference, say, lang, times=times, percent=percent)
    if not shown.all():
        title += "\n" + say["not_shown"].format(names=listed(comparison.unit[~shown].tolist(), say["more"]))
    ax.set_title(title, loc="left", fontsize=SMALL + 1.5)
    ax.legend(loc="upper right", fontsize=SMALL + 0.5, framealpha=0.9)
    mark_simulated(ax, say, comparison.source.simulated)
    marked = [] if strong is None or not shown[strong] else [strong]
    outside = np.flatnonzero(shown & np.isin(verdict, ("above", "below")))
    outside = outside[np.argsort(-np.abs(reference.z[outside]), kind="stable")][:_NAMED]
    named = marked + [i for i in outside.tolist() if i not in marked]
    points = [(comparison.size[i], comparison.estimate[i], str(comparison.unit[i])) for i in named]
    drawn = np.column_stack([comparison.size[shown], comparison.estimate[shown]])
    name_points(ax, points, avoid=drawn, strong=bool(marked))
    return ax


def _frame(
    ax: Axes,
    comparison: Comparison,
    reference: ReferenceDistribution,
    shown: NDArray[np.bool_],
    strong: int | None,
) -> None:
    """Let the points fill the picture; the curves may leave it where units are small."""
    typical = reference.std_error_at(np.array([np.median(comparison.size[shown])]))
    outermost = max(_levels(reference))
    reach = np.concatenate([comparison.estimate[shown], *reference.limits_at(typical, level=outermost)])
    if strong is not None and shown[strong] and np.isfinite(reference.z[strong]):
        reach = np.append(reach, [reference.lower[strong], reference.upper[strong]])
    half = 1.2 * float(np.abs(reach - reference.null).max())
    bottom = reference.null - half
    ax.set_ylim(bottom if comparison.contrast == "difference" else max(0.0, bottom), reference.null + half)


def _told(
    comparison: Comparison,
    reference: ReferenceDistribution,
    say: Mapping[str, str],
    lang: Lang,
    *,
    times: float,
    percent: bool,
) -> str:
    """Return which reference distribution the limits are of, in words."""
    inner = percentage(reference.level, lang)
    if reference.method == "prediction":
        return say["prediction"].format(inner=inner)
    value, few = "", ""
    if reference.method == "tau":
        own = reference.scale == "estimate"
        value = number(reference.tau * (times if own else 1.0), lang)
        value += f" {_measure(comparison, say, percent=percent)}".rstrip() if own else ""
    elif reference.method == "phi":
        value = number(reference.phi, lang)
    elif reference.counts is not None:
        value = number(reference.counts.dispersion, lang)
    elif reference.empirical is not None:
        value = number(float(reference.empirical.sd(np.asarray(reference.empirical.size))), lang)
        few = say["few"].format(n=reference.empirical.units) if len(reference.notes) > 1 else ""
    spread = [say[reference.method].format(value=value, few=few)]
    if reference.scale != "estimate":
        spread.append(say[reference.scale])
    for how, share in (("winsorised", reference.winsorise), ("truncated", reference.truncate)):
        if share > 0.0 and reference.method in ("tau", "phi"):
            spread.append(say[how].format(share=percentage(share, lang)))
    return say["reference"].format(
        spread=", ".join(spread),
        inner=inner,
        outer=percentage(_OUTER, lang),
    )


def estimate_label(comparison: Comparison, say: Mapping[str, str], *, percent: bool) -> str:
    """Return the axis text of the estimates: contrast, standard if direct, and unit of measure if known."""
    parts = [say[comparison.contrast]]
    if comparison.standard == "direct":
        parts.append(say["direct"])
    return measured(", ".join(parts), _measure(comparison, say, percent=percent))


def _measure(comparison: Comparison, say: Mapping[str, str], *, percent: bool) -> str:
    """Return the unit of measure of the estimates as written: the caller's own, or per cent if asked."""
    if "measure" in say or not percent:
        return say.get("measure", "")
    return say["points" if comparison.contrast == "difference" else "percent"]


def _levels(reference: ReferenceDistribution) -> tuple[float, ...]:
    """Return the levels that curves are drawn at."""
    # A prediction rests on the same few units it is to judge: its far tail would say more than they know.
    return (reference.level,) if reference.method == "prediction" else (reference.level, _OUTER)


def _verdicts(estimate: Floats, lower: Floats, upper: Floats) -> NDArray[np.object_]:
    verdict = np.full(len(estimate), "neither", dtype=object)
    verdict[estimate > upper] = "above"
    verdict[estimate < lower] = "below"
    verdict[np.isnan(lower) | np.isnan(upper)] = "withheld"
    return verdict


def _curves(ax: Axes, reference: ReferenceDistribution, size: Floats, say: Mapping[str, str], lang: Lang) -> None:
    low, high = float(size.min()), float(size.max())
    left, right = ax.get_xlim() if ax.get_xscale() == "log" else (0.9 * low, 1.05 * high)
    grid = np.geomspace(max(left, 0.5 * low), right, 200)
    s0 = reference.std_error_at(grid)
    ax.axhline(reference.null, color="#1A1A1A", linewidth=0.9, label=say["as_expected"], zorder=1)
    text = say["limits_prediction" if reference.method == "prediction" else "limits"]
    for level, line in zip(_levels(reference), ("--", ":"), strict=False):
        lower, upper = reference.limits_at(s0, level=level)
        label = text.format(level=percentage(level, lang))
        ax.plot(
            grid,
            upper,
            linestyle=line,
            color="#1A1A1A",
            linewidth=1.0,
            label=label,
            gid=f"upper {level}",
            zorder=1,
        )
        ax.plot(grid, lower, linestyle=line, color="#1A1A1A", linewidth=1.0, gid=f"lower {level}", zorder=1)


def _own_limits(
    ax: Axes,
    comparison: Comparison,
    reference: ReferenceDistribution,
    verdict: NDArray[np.object_],
    strong: int | None,
    say: Mapping[str, str],
) -> None:
    """Draw the own limits of units that the curve would judge otherwise, and of the highlighted one."""
    size = np.where(comparison.size > 0, comparison.size, np.nan)
    lower, upper = reference.limits_at(reference.std_error_at(size))
    other = (_verdicts(comparison.estimate, lower, upper) != verdict) & (verdict != "withheld") & (comparison.size > 0)
    if strong is not None and verdict[strong] != "withheld":
        other[strong] = comparison.size[strong] > 0
    rows = np.flatnonzero(other)
    if not len(rows):
        return
    x, low, high = comparison.size[rows], reference.lower[rows], reference.upper[rows]
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    bars = ax.errorbar(
        x,
        middle,
        yerr=half,
        fmt="none",
        ecolor="#999999",
        elinewidth=0.8,
        capsize=2.5,
        label=say["own_limits"],
        zorder=2,
    )
    bars[2][0].set_gid("own limits")


def _points(
    ax: Axes,
    comparison: Comparison,
    verdict: NDArray[np.object_],
    shown: NDArray[np.bool_],
    strong: int | None,
    say: Mapping[str, str],
) -> None:
    text = {
        "above": "above_limits",
        "below": "below_limits",
        "neither": "within_limits",
        "withheld": "withheld",
    }
    for kind, style in STYLE.items():
        rows = np.flatnonzero(shown & (verdict == kind))
        if len(rows):
            ax.scatter(
                comparison.size[rows],
                comparison.estimate[rows],
                s=16 if kind == "neither" else 30,
                linewidths=1.0 if kind == "withheld" else 0.4,
                edgecolors=None if kind == "withheld" else "white",
                label=say[text[kind]],
                gid=kind,
                zorder=3,
                **style,
            )
    if strong is not None and shown[strong]:
        ax.scatter(
            comparison.size[[strong]],
            comparison.estimate[[strong]],
            s=130,
            facecolors="none",
            edgecolors="#1A1A1A",
            linewidths=1.6,
            gid="highlight",
            zorder=4,
        )
