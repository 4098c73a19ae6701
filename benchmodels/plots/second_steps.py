"""What steering choices leave of units' effects, against how surely each is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    factor,
    legend_above,
    made_by,
    mark_simulated,
    name_points,
    numbers_on,
    position,
)
from benchmodels.plots.texts import number, percentage, words
from benchmodels.steering import SecondStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmodels.plots.texts import Lang

__all__ = ["departures"]

_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "neither outer": "Within the outer limits",
        "above outer": "Above the outer limits",
        "below outer": "Below the outer limits",
    },
    "da": {
        "neither outer": "Inden for de yderste grænser",
        "above outer": "Over de yderste grænser",
        "below outer": "Under de yderste grænser",
    },
}

_NAMED = 8


def departures(
    step: SecondStep,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw the funnel of a second step: what the choices leave of each unit's effect, the surest units on top.

    Inner limits are those of chance alone, outer ones those of chance and the variation that the choices leave
    between units. Units outside of the outer limits are triangles, and the farthest are named.

    Parameters
    ----------
    step : SecondStep
        k units, on its own scale.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit drawn stronger and named.
    percent : bool, default False
        Write numbers times 100; the data drawn are unchanged.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        The unit to highlight is not there, or what is given is no second step.
    """
    made_by(step, SecondStep, "departures", "second_step(…)")
    say = words(lang) | _TEXTS[lang]
    times = factor(percent=percent, scale=1.0)
    units = step.units()
    strong = position(step.unit, highlight)
    departure, error = units["departure"].to_numpy(), units["std_error"].to_numpy()
    ax = axes(ax, width=7.5, height=5.0)
    z = -float(ndtri(0.5 * (1.0 - step.level)))
    grid = np.linspace(0.0, 1.05 * error.max(), 200)
    level = percentage(step.level, lang)
    tau = number(step.tau * times, lang)
    for reach, line, label in (
        (z * grid, ":", say["chance alone"].format(level=level)),
        (z * np.hypot(grid, step.tau), "-", say["chance and tau"].format(level=level, tau=tau)),
    ):
        ax.plot(reach, grid, line, color="#4A4A4A", linewidth=1.0, label=label)
        ax.plot(-reach, grid, line, color="#4A4A4A", linewidth=1.0)
    ax.axvline(0.0, color="#1A1A1A", linewidth=0.9)
    outer = z * np.hypot(error, step.tau)
    verdict = np.where(departure > outer, "above", np.where(departure < -outer, "below", "neither"))
    for name in ("neither", "above", "below"):
        some = verdict == name
        if some.any():
            label = say[f"{name} outer"]
            ax.plot(departure[some], error[some], ls="none", markersize=5, gid=name, label=label, **STYLE[name])
    if strong is not None:
        ax.plot(
            departure[strong], error[strong], "o", markersize=11, fillstyle="none", color="#000000", gid="highlight"
        )
    ax.set_ylim(1.05 * error.max(), 0.0)
    numbers_on(ax.xaxis, lang, scale=times)
    numbers_on(ax.yaxis, lang, scale=times)
    measure = f", {say['points']}" if percent and step.scale == "estimate" else ""
    ax.set_xlabel(say["departure" if step.scale == "estimate" else "departure log"] + measure)
    ax.set_ylabel(say["std_error"] + measure)
    told = say["explained"].format(share=percentage(round(step.r2, 2), lang)) if step.r2 == step.r2 else ""
    legend_above(ax, most=2)
    figure, legend = ax.get_figure(root=True), ax.get_legend()
    high = legend.get_window_extent().height * 72.0 / figure.dpi if figure is not None and legend is not None else 0.0
    ax.set_title(told or say["explained unknown"], loc="left", fontsize=SMALL + 1.5, pad=high + 7.0)
    mark_simulated(ax, say, step.source.simulated)
    order = np.argsort(-np.abs(departure / outer), kind="stable")
    marked = [] if strong is None else [strong]
    named = marked + [i for i in order[:_NAMED].tolist() if verdict[i] != "neither" and i not in marked]
    points = [(float(departure[i]), float(error[i]), str(step.unit[i])) for i in named]
    name_points(ax, points, avoid=np.column_stack([departure, error]), strong=bool(marked))
    return ax
