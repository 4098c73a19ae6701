"""Pictures of periods: one against another with what lasts, and what came against what was foretold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.plots.canvas import (
    STYLE,
    axes,
    legend_above,
    made_by,
    mark_simulated,
    name_points,
    numbers_on,
    position,
    ring,
)
from benchmodels.plots.texts import number, percentage, words
from benchmodels.table import listed
from benchmodels.years import Forecasts
from benchmodels.years.periods import positions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]

__all__ = ["foretold", "year_to_year"]

# Points that are named, the farthest from the line; as many as fit.
_NAMED = 8
_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "units": "Units",
        "estimate": "{period}: distance from the mean of units",
        "log": "{period}: log of the ratio, from the mean of units",
        "points": ", percentage points",
        "unchanged": "Nothing changed",
        "lasts": "What lasts: {share} of the distance",
        "lasts within": "What lasts: {share} of the distance ({lower} to {upper})",
        "foretold": "Foretold from the other periods",
        "as foretold": "As foretold",
        "inside": "Within the limits ({level})",
        "over": "Above the limits",
        "under": "Below the limits",
    },
    "da": {
        "units": "Enheder",
        "estimate": "{period}: afstand fra enhedernes gennemsnit",
        "log": "{period}: logaritmen til forholdet, fra enhedernes gennemsnit",
        "points": ", procentpoint",
        "unchanged": "Intet ændret",
        "lasts": "Hvad der varer ved: {share} af afstanden",
        "lasts within": "Hvad der varer ved: {share} af afstanden ({lower} til {upper})",
        "foretold": "Forudsagt ud fra de andre perioder",
        "as foretold": "Som forudsagt",
        "inside": "Inden for grænserne ({level})",
        "over": "Over grænserne",
        "under": "Under grænserne",
    },
}


def year_to_year(
    found: Forecasts,
    *,
    earlier: object,
    later: object,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw units' distances in one period against those in another, with the line of what lasts.

    The line is the correlation of the signals at that lag, chance taken out. A unit whose own noise is not small comes
    on average nearer to the mean than the line.

    Parameters
    ----------
    found : Forecasts
        Of the periods, ``of="left out"``: see `benchmodels.years.forecast`.
    earlier, later : label
        Two of its periods.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit ringed, and named in bold.
    percent : bool, default False
        Distances are written times 100.
    simulated : bool, default False
        The figures are simulated, and the picture says so; so it does where the forecasts know it themselves.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        A period or the unit to highlight is not there, or no unit is known in both periods.
    """
    made_by(found, Forecasts, "year_to_year", "forecast(…)")
    say = words(lang) | _TEXTS[lang]
    strong, scale = position(found.unit, highlight), _scale(found, percent)
    s, t = _column(found, earlier), _column(found, later)
    if s == t:
        raise SpecificationError(f"earlier and later are both {found.period[s]!r}; give two periods")
    x, y = found.estimate[:, s], found.estimate[:, t]
    known = _known(x, y)
    place = positions_of(list(found.period))
    at = int(np.flatnonzero(found.autocovariances.lags == abs(int(place[t] - place[s])))[0])
    share, lower, upper = (float(values[at]) for values in found.autocovariances.correlation(found.level))
    ax = axes(ax, width=6.4, height=5.4)
    ends = np.array([x[known].min(), x[known].max()])
    ax.plot(ends, ends, color="#1A1A1A", linewidth=0.9, linestyle="--", label=say["unchanged"], gid="unchanged")
    slope = 1.0
    if np.isfinite(share):
        slope = share
        told = {name: number(v, lang, decimals=2) for name, v in (("share", share), ("lower", lower), ("upper", upper))}
        label = say["lasts within" if np.isfinite(lower + upper) else "lasts"].format(**told)
        colour = STYLE["above"]["color"]
        ax.plot(ends, share * ends, color=colour, linewidth=1.4, label=label, gid="lasts", zorder=2)
        grid = np.linspace(ends[0], ends[1], 101)
        ax.fill_between(grid, lower * grid, upper * grid, color=colour, alpha=0.15, linewidth=0, gid="limits")
    ax.scatter(x[known], y[known], s=22, label=say["units"], gid="units", zorder=3, **STYLE["neither"])
    _finish(ax, say, lang, scale, simulated or found.simulated)
    axis = say[found.scale] + (say["points"] if percent else "")
    ax.set_xlabel(axis.format(period=found.period[s]))
    ax.set_ylabel(axis.format(period=found.period[t]))
    _names(ax, found, x, y, np.abs(y - slope * x), strong)
    return ax


def foretold(
    found: Forecasts,
    *,
    period: object,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw what was estimated in a period against what the other periods foretold, with the limits of each forecast.

    Parameters
    ----------
    found : Forecasts
        With ``of="left out"``: see `benchmodels.years.forecast`.
    period : label
        One of its periods.
    ax, highlight, percent, simulated, lang
        As in `year_to_year`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        The period or the unit to highlight is not there, or there is nothing to hold the forecasts against.
    """
    made_by(found, Forecasts, "foretold", "forecast(…)")
    say = words(lang) | _TEXTS[lang]
    strong, scale = position(found.unit, highlight), _scale(found, percent)
    t = _column(found, period)
    x, y = found.forecast[:, t], found.estimate[:, t]
    known = _known(x, y)
    low, high = (ends[:, t] for ends in found.estimate_limits())
    ax = axes(ax, width=6.4, height=5.4)
    ax.vlines(x[known], low[known], high[known], color="#BDBDBD", linewidth=0.8, gid="limits", zorder=1)
    ends = np.array([x[known].min(), x[known].max()])
    ax.plot(ends, ends, color="#1A1A1A", linewidth=0.9, linestyle="--", label=say["as foretold"], gid="as foretold")
    level = percentage(found.level, lang)
    for kind, rows, key in (
        ("neither", (low <= y) & (y <= high), "inside"),
        ("above", y > high, "over"),
        ("below", y < low, "under"),
    ):
        some = known & rows
        if some.any():
            label = say[key].format(level=level)
            ax.scatter(x[some], y[some], s=22, label=label, gid=kind, zorder=3, **STYLE[kind])
    _finish(ax, say, lang, scale, simulated or found.simulated)
    measure = say["points"] if percent else ""
    ax.set_xlabel(say["foretold"] + measure)
    ax.set_ylabel(say[found.scale].format(period=found.period[t]) + measure)
    with np.errstate(divide="ignore", invalid="ignore"):
        _names(ax, found, x, y, np.abs(y - x) / (high - low), strong)
    return ax


def _scale(found: Forecasts, percent: bool) -> float:
    if percent and found.scale == "log":
        raise SpecificationError("these are logarithms of ratios, which are not written in per cent; leave percent out")
    return 100.0 if percent else 1.0


def _column(found: Forecasts, period: object) -> int:
    """Return the column of a period."""
    if found.period == ("next",):
        raise SpecificationError(
            "forecasts of the next period have nothing to be held against yet; give those of forecast(of='left out')"
        )
    if period not in found.period:
        raise SpecificationError(f"there is no period {period!r}; there are {listed(found.period)}")
    return found.period.index(period)


def _known(x: Floats, y: Floats) -> NDArray[np.bool_]:
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        raise SpecificationError("no unit is known on both axes; there is nothing to draw")
    return known


def _finish(ax: Axes, say: dict[str, str], lang: Lang, scale: float, simulated: bool) -> None:
    ax.axhline(0.0, color="#BDBDBD", linewidth=0.6, zorder=0)
    ax.axvline(0.0, color="#BDBDBD", linewidth=0.6, zorder=0)
    numbers_on(ax.xaxis, lang, scale=scale)
    numbers_on(ax.yaxis, lang, scale=scale)
    mark_simulated(ax, say, simulated)
    legend_above(ax)


def _names(ax: Axes, found: Forecasts, x: Floats, y: Floats, far: Floats, strong: int | None) -> None:
    """Name the unit that is asked for, and those that are farthest."""
    known = np.isfinite(x) & np.isfinite(y)
    first: Sequence[int] = [strong] if strong is not None and known[strong] else []
    for i in first:
        ring(ax, float(x[i]), float(y[i]))
    order = np.argsort(-np.where(known, far, -1.0), kind="stable")[:_NAMED].tolist()
    named = [*first, *(i for i in order if known[i] and i not in first)]
    points = [(float(x[i]), float(y[i]), str(found.unit[i])) for i in named]
    name_points(ax, points, avoid=np.column_stack([x[known], y[known]]), strong=bool(first))
