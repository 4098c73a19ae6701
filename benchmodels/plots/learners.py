"""Pictures of learners: what more units teach, and expected values beside those of a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    legend_above,
    mark_simulated,
    name_points,
    numbers_on,
    position,
    ring,
)
from benchmodels.plots.texts import words
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from benchmodels.plots.texts import Lang

__all__ = ["learner_beside", "learning"]

# Points that are named, those that move most; as many as fit.
_NAMED = 10
_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "units learnt": "Units learnt from",
        "deviance": "Deviance per case, in units not learnt from",
        "part": "The learner: one random part",
        "mean": "The learner: mean of random parts",
        "level": "Nothing but the level",
        "infinite": "{n} of {all} not shown: something happened that was given no chance",
        "by regression": "Expected by the regression",
        "by learner": "Expected by the learner",
        "alike": "Both alike",
        "higher": "Learner expects more",
        "lower": "Learner expects less",
    },
    "da": {
        "units learnt": "Enheder, der læres af",
        "deviance": "Devians pr. tilfælde i enheder, der ikke læres af",
        "part": "Læringsmodellen: ét tilfældigt udsnit",
        "mean": "Læringsmodellen: gennemsnit af udsnit",
        "level": "Kun niveauet",
        "infinite": "{n} af {all} ikke vist: noget skete, som fik sandsynligheden nul",
        "by regression": "Forventet efter regressionen",
        "by learner": "Forventet efter læringsmodellen",
        "alike": "Begge ens",
        "higher": "Læringsmodellen forventer mere",
        "lower": "Læringsmodellen forventer mindre",
    },
}


def learning(
    curve: pd.DataFrame,
    *,
    ax: Axes | None = None,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw the error on unseen units by the number of units learnt from.

    Parameters
    ----------
    curve : DataFrame
        Columns units, deviance, level_deviance: see `benchmodels.adjustment.learning.learning_curve`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    simulated : bool, default False
        The figures are simulated, and the picture says so; so it does where the table's own ``attrs`` say it.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        A column is missing.
    SpecificationError
        No deviance is finite.
    """
    say = words(lang) | _TEXTS[lang]
    _require(curve, ("units", "deviance", "level_deviance"), what="learning", source="the table of learning_curve(…)")
    known = np.isfinite(curve[["units", "deviance", "level_deviance"]].to_numpy(dtype=np.float64)).all(axis=1)
    if not known.any():
        raise SpecificationError("no deviance of the curve is finite; there is nothing to draw")
    shown = curve[known]
    means = shown.groupby("units")[["deviance", "level_deviance"]].mean()
    ax = axes(ax, width=6.4, height=4.2)
    colour = STYLE["below"]["color"]
    ax.plot(means.index, means["level_deviance"], color="#1A1A1A", linestyle="--", label=say["level"], gid="level")
    ax.plot(means.index, means["deviance"], color=colour, label=say["mean"], gid="mean", zorder=3)
    ax.scatter(
        shown["units"], shown["deviance"], s=20, facecolors="none", edgecolors=colour, label=say["part"], gid="part"
    )
    numbers_on(ax.xaxis, lang)
    numbers_on(ax.yaxis, lang)
    lost = int((~known).sum())
    below = [say["infinite"].format(n=lost, all=len(curve))] if lost else []
    ax.set_xlabel("\n".join([say["units learnt"], *below]))
    ax.set_ylabel(say["deviance"])
    ax.grid(axis="y", color="#E3E3E3", linewidth=0.6, zorder=0)
    mark_simulated(ax, say, simulated or bool(curve.attrs.get("simulated", False)))
    legend_above(ax)
    return ax


def learner_beside(
    units: pd.DataFrame,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    simulated: bool = False,
    lang: Lang = "en",
) -> Axes:
    """Draw what a learner expects of each unit against what a regression does, per size; who moves most is named.

    Parameters
    ----------
    units : DataFrame
        Columns unit, size, learner, regression (expected totals): `BesideRegression.units`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit named in bold.
    percent : bool, default False
        Numbers are times 100, and the axes say so.
    simulated : bool, default False
        The figures are simulated, and the picture says so; so it does where the table's own ``attrs`` say it.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        A column is missing.
    SpecificationError
        Of no unit both expect something, or the unit to highlight is not there.
    """
    say = words(lang) | _TEXTS[lang]
    _require(
        units,
        ("unit", "size", "learner", "regression"),
        what="learner_beside",
        source="beside_regression(…).units",
    )
    size, one, two = (units[name].to_numpy(dtype=np.float64) for name in ("size", "learner", "regression"))
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = two / size, one / size
    usable = np.isfinite(x) & np.isfinite(y)
    if not usable.any():
        raise SpecificationError("there is no unit of which both expect something; there is nothing to draw")
    labels = units["unit"].to_numpy(dtype=object)
    strong = position(labels, highlight)
    ax = axes(ax, width=5.6, height=5.6)
    ends = [float(min(x[usable].min(), y[usable].min())), float(max(x[usable].max(), y[usable].max()))]
    ax.plot(ends, ends, color="#1A1A1A", linewidth=0.9, linestyle="--", label=say["alike"], gid="alike", zorder=1)
    for kind, rows, key in (("above", usable & (y > x), "higher"), ("below", usable & (y <= x), "lower")):
        if rows.any():
            ax.scatter(x[rows], y[rows], s=24, label=say[key], gid=kind, zorder=3, **STYLE[kind])
    scale = 100.0 if percent else 1.0
    numbers_on(ax.xaxis, lang, scale=scale)
    numbers_on(ax.yaxis, lang, scale=scale)
    measure = f", {say['percent']}" if percent else ""
    ax.set_xlabel(say["by regression"] + measure)
    ax.set_ylabel(say["by learner"] + measure)
    ax.set_aspect("equal", adjustable="datalim")
    mark_simulated(ax, say, simulated or bool(units.attrs.get("simulated", False)))
    legend_above(ax)
    first = [strong] if strong is not None and usable[strong] else []
    for i in first:
        ring(ax, float(x[i]), float(y[i]))
    moved = np.argsort(-np.abs(np.where(usable, y - x, 0.0)), kind="stable")[:_NAMED]
    order = [*first, *(int(i) for i in moved if usable[i] and i not in first)]
    points = [(float(x[i]), float(y[i]), str(labels[i])) for i in order]
    name_points(ax, points, avoid=np.column_stack([x[usable], y[usable]]), strong=bool(first))
    ax.tick_params(labelsize=SMALL + 1.5)
    return ax


def _require(frame: pd.DataFrame, columns: Sequence[str], *, what: str, source: str) -> None:
    missing = [name for name in columns if name not in getattr(frame, "columns", ())]
    if missing:
        found = f"this one lacks {listed(missing)}" if hasattr(frame, "columns") else f"found a {type(frame).__name__}"
        raise DataError(f"{what} draws {source}, a table with the columns {listed(columns)}; {found}")
    words = [name for name in columns if name != "unit" and not pd.api.types.is_numeric_dtype(frame[name])]
    if words:
        raise DataError(f"{words} of the table must be numbers; they hold such as {frame[words[0]].iloc[0]!r}")
