"""High absence by unit, and what it consists of: how it began, or whether it came back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmodels.courses import AbsenceCourses
from benchmodels.errors import SpecificationError
from benchmodels.plots.canvas import SMALL, axes, legend_above, made_by, mark_simulated, numbers_on, position
from benchmodels.plots.texts import percentage, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmodels.plots.texts import Lang

__all__ = ["courses"]

_SAID: dict[str, dict[str, str]] = {
    "en": {
        "sudden": "Began suddenly",
        "gradual": "Began gradually",
        "from_the_start": "From the start of the year",
        "onset_untold": "Onset not to be told",
        "transient": "Transient",
        "permanent": "Permanent",
        "duration_untold": "Duration not to be told",
        "axis": "Pupils with absence above {threshold}, per cent of pupils\nLine: {level} interval of the whole bar",
    },
    "da": {
        "sudden": "Begyndt pludseligt",
        "gradual": "Kommet løbende",
        "from_the_start": "Fra skoleårets start",
        "onset_untold": "Begyndelsen kan ikke afgøres",
        "transient": "Forbigående",
        "permanent": "Mere permanent",
        "duration_untold": "Varigheden kan ikke afgøres",
        "axis": "Elever med over {threshold} fravær, procent af eleverne\nStreg: {level}-interval for hele søjlen",
    },
}

# Okabe and Ito's colours; every part has a hatch of its own too.
_PARTS: dict[str, dict[str, dict[str, Any]]] = {
    "onset": {
        "sudden": {"facecolor": "#D55E00", "hatch": "////"},
        "gradual": {"facecolor": "#56B4E9", "hatch": "...."},
        "from_the_start": {"facecolor": "#0072B2", "hatch": ""},
        "onset_untold": {"facecolor": "#BDBDBD", "hatch": "xxxx"},
    },
    "duration": {
        "transient": {"facecolor": "#56B4E9", "hatch": "...."},
        "permanent": {"facecolor": "#0072B2", "hatch": ""},
        "duration_untold": {"facecolor": "#BDBDBD", "hatch": "xxxx"},
    },
}


def courses(
    record: AbsenceCourses,
    *,
    of: Literal["onset", "duration"] = "onset",
    year: object = None,
    level: float = 0.95,
    ax: Axes | None = None,
    highlight: object = None,
    lang: Lang = "en",
) -> Axes:
    """Draw the share of pupils with high absence, one bar per unit, the highest first, in parts by their course.

    Parameters
    ----------
    record : AbsenceCourses
        k units.
    of : {'onset', 'duration'}, default 'onset'
        What the parts are.
    year : label, optional
        Which year, where there are several.
    level : float, default 0.95
        Of the interval of the share of high absence.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit whose name is in bold.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        A unit, year or part that is not there, or no year where there are several.
    """
    from matplotlib.patheffects import withStroke

    made_by(record, AbsenceCourses, "courses", "absence_courses(…)")
    base = words(lang)
    if of not in _PARTS:
        raise SpecificationError(f"of={of!r}; allowed are {', '.join(map(repr, _PARTS))}")
    table, say = record.shares(level=level), _SAID[lang]
    if record.year is None and year is not None:
        raise SpecificationError(f"year={year!r}; the courses are of one year, and none is asked for")
    if record.year is not None:
        years = table[record.year].drop_duplicates().tolist()
        if year not in years:
            raise SpecificationError(f"year={year!r}; the courses are of {', '.join(map(repr, years))}: give one")
        table = table[table[record.year] == year]
    table = table.sort_values(["high", "unit"], ascending=[False, True], kind="stable")
    places, strong = np.arange(len(table)), position(table["unit"].to_numpy(dtype=object), highlight)
    ax = axes(ax, width=7.0, height=min(1.4 + 0.17 * len(table), 20.0))
    left = np.zeros(len(table))
    for name, style in _PARTS[of].items():
        part = table[name].to_numpy()
        if part.any():
            look: dict[str, Any] = {"height": 0.8, "edgecolor": "white", "linewidth": 0.3, "label": say[name]}
            for bar in ax.barh(places, part, left=left, **look, **style):
                bar.set_gid(name)
        left = left + part
    line: dict[str, Any] = {"colors": "#1A1A1A", "linewidth": 1.2, "gid": "interval", "zorder": 3}
    around = [withStroke(linewidth=2.8, foreground="white")]
    ax.hlines(places, table["lower"], table["upper"], path_effects=around, **line)
    ax.set_yticks(places, [str(unit) for unit in table["unit"]], fontsize=SMALL, parse_math=False)
    if strong is not None:
        ax.get_yticklabels()[strong].set_fontweight("bold")
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_xlim(0.0, 1.03 * float(table["upper"].max()))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    told = say["axis"].format(threshold=percentage(record.threshold, lang), level=percentage(level, lang))
    ax.set_xlabel(told, fontsize=SMALL + 1.5)
    numbers_on(ax.xaxis, lang, scale=100.0)
    mark_simulated(ax, base, bool(table.attrs.get("simulated", False)))
    if left.any():
        legend_above(ax, most=len(_PARTS[of]))
    return ax
