"""Pictures of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError, SpecificationError
from benchmodels.plots.canvas import SMALL, STYLE, axes, factor, mark_simulated, measured, numbers_on
from benchmodels.plots.texts import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from benchmodels.plots.texts import Lang

__all__ = ["calibration"]

_COLUMNS = ("bin", "size", "expected", "observed", "lower", "upper")


def calibration(
    calibration_frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    percent: bool = False,
    scale: float = 1.0,
    simulated: bool = False,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw observed against expected rates by bin of the expected, with intervals for the observed.

    A triangle is a bin whose interval leaves out the expected rate.

    Parameters
    ----------
    calibration_frame : DataFrame
        Columns bin, size, expected, observed, lower, upper; one row per bin, rates in the outcome's unit of
        measure.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    percent : bool, default False
        Write rates times 100, as per cent; the data drawn are unchanged.
    scale : float, default 1.0
        Rates are written times this; the data drawn are unchanged. Not together with ``percent``.
    simulated : bool, default False
        The table's figures are simulated, and the picture says so.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words for the axes: key 'measure', the unit of measure of the rates as written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        A column is missing.
    SpecificationError
        No bin has both rates, or a word or the scale does not fit.
    """
    say = words(lang, labels, allowed=("measure",))
    times = factor(percent=percent, scale=scale)
    missing = [name for name in _COLUMNS if name not in calibration_frame.columns]
    if missing:
        raise DataError(f"the calibration has no {missing}; it needs {list(_COLUMNS)}")
    ordered = calibration_frame.sort_values("expected", kind="stable")
    values = {name: ordered[name].to_numpy(dtype=np.float64) for name in _COLUMNS[2:]}
    expected, observed, lower, upper = (values[name] for name in _COLUMNS[2:])
    usable = np.isfinite(expected) & np.isfinite(observed)
    if not usable.any():
        raise SpecificationError("no bin has both an expected and an observed rate; there is nothing to draw")
    ax = axes(ax, width=5.2, height=5.0)
    ends = np.concatenate([column[usable] for column in values.values()])
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    margin = 0.05 * (high - low) or 1.0
    edges = (low - margin, high + margin)
    ax.plot(
        edges,
        edges,
        color="#1A1A1A",
        linewidth=0.9,
        linestyle="--",
        label=say["diagonal"],
        gid="diagonal",
        zorder=1,
    )
    ax.vlines(
        expected[usable],
        lower[usable],
        upper[usable],
        color="#999999",
        linewidth=1.0,
        gid="interval",
        zorder=2,
    )
    kinds = {
        "above": usable & (lower > expected),
        "below": usable & (upper < expected),
    }
    kinds["neither"] = usable & ~(kinds["above"] | kinds["below"])
    for kind, rows in kinds.items():
        if rows.any():
            label = say["not different" if kind == "neither" else kind]
            ax.scatter(expected[rows], observed[rows], s=32, label=label, gid=kind, zorder=3, **STYLE[kind])
    ax.set_xlim(edges)
    ax.set_ylim(edges)
    ax.set_aspect("equal")
    for axis, name in ((ax.xaxis, "expected"), (ax.yaxis, "observed")):
        numbers_on(axis, lang, scale=times)
        axis.set_label_text(measured(say[name], say.get("measure", say["percent"] if percent else "")))
    ax.legend(loc="upper left", fontsize=SMALL + 0.5)
    mark_simulated(ax, say, simulated)
    return ax
