"""What growth in expenditure consists of, for one area or several beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError
from benchmodels.expenditure import REST
from benchmodels.plots.canvas import SMALL, axes, legend_above, mark_simulated, numbers_on
from benchmodels.plots.texts import number, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmodels.plots.texts import Lang

__all__ = ["contributions"]

_SAID: dict[str, dict[str, str]] = {
    "en": {
        "axis": "Contribution to growth, percentage points of the total at the start",
        "total": "Total",
        "rest": "Rest: not known in both periods, or rounding",
        "unknown": "not known in both periods",
    },
    "da": {
        "axis": "Bidrag til væksten, procentpoint af det samlede beløb ved start",
        "total": "I alt",
        "rest": "Øvrigt: ikke kendt i begge perioder, eller afrunding",
        "unknown": "ikke kendt i begge perioder",
    },
}

# Okabe and Ito's colours; every area has a hatch of its own too.
_AREAS: tuple[dict[str, Any], ...] = (
    {"facecolor": "#0072B2", "hatch": ""},
    {"facecolor": "#E69F00", "hatch": "////"},
    {"facecolor": "#009E73", "hatch": "...."},
    {"facecolor": "#CC79A7", "hatch": "xxxx"},
)
# Of the longest name of an item that is written on one line.
_LINE = 44


def contributions(
    table: pd.DataFrame,
    *,
    item: str,
    by: str | None = None,
    ax: Axes | None = None,
    lang: Lang = "en",
) -> Axes:
    """Draw each item's contribution to growth, the largest first, with the total below; areas beside each other.

    Items are in the order of the first area's contributions. An item that is not known in both periods has no bar, and
    says so. A rest of less than a twentieth of a percentage point in all areas is left out: it is rounding.

    Parameters
    ----------
    table : DataFrame
        Of `benchmodels.expenditure.contributions`.
    item : str
        Its column of items.
    by : str, optional
        Its column of areas, of which there are at most four.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    lang : {'en', 'da'}, default 'en'

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        A table that is none of contributions, too many areas, or items there more than once in an area.
    """
    base = words(lang)
    say = _SAID[lang]
    wide = _wide(table, item, by)
    total = table[item].iloc[-1]
    if REST in wide.index and not (wide.loc[REST].abs() >= 5e-4).any():
        wide = wide.drop(index=REST)
    last = [*([REST] if REST in wide.index else []), total]
    body = wide.drop(index=last).sort_values(wide.columns[0], ascending=False, kind="stable", na_position="last")
    wide = pd.concat([body, wide.loc[last]])
    count = len(wide.columns)
    ax = axes(ax, width=7.4, height=1.3 + (0.12 + 0.16 * count) * len(wide))
    height = 0.8 / count
    for i, area in enumerate(wide.columns):
        values = wide[area].to_numpy(dtype=np.float64)
        places = np.arange(len(wide)) - 0.4 + height * (i + 0.5)
        look: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.3, "label": str(area)}
        drawn = np.isfinite(values)
        for bar in ax.barh(places[drawn], values[drawn], height=height, **look, **_AREAS[i]):
            bar.set_gid(str(area))
        for place, value in zip(places, values, strict=True):
            _figure(ax, value, place, say["unknown"], lang)
    names = {REST: say["rest"], total: say["total"]}
    ax.set_yticks(range(len(wide)), [_lines(names.get(name, str(name))) for name in wide.index], fontsize=SMALL)
    ax.axhline(len(wide) - 1.5, color="#6E6E6E", linewidth=0.8, gid="above total")
    ax.get_yticklabels()[-1].set_fontweight("bold")
    ax.axvline(0.0, color="#1A1A1A", linewidth=0.9, zorder=3)
    ax.set_ylim(len(wide) - 0.5, -0.5)
    ax.margins(x=0.1)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.set_xlabel(say["axis"], fontsize=SMALL + 1.5)
    numbers_on(ax.xaxis, lang, scale=100.0)
    mark_simulated(ax, base, bool(table.attrs.get("simulated", False)))
    if by is not None:
        legend_above(ax, most=count)
    return ax


def _wide(table: pd.DataFrame, item: str, by: str | None) -> pd.DataFrame:
    """Return contributions with a row per item and a column per area, both in the table's order."""
    needed = [item, "contribution", "growth", *([] if by is None else [by])]
    lacking = [name for name in needed if name not in getattr(table, "columns", ())]
    if lacking:
        raise SpecificationError(
            f"no columns {', '.join(map(repr, lacking))}; give a table of expenditure.contributions"
        )
    areas = table[by] if by is not None else pd.Series("", index=table.index)
    if pd.DataFrame({"area": areas, "item": table[item]}).duplicated().any():
        raise SpecificationError("items are there more than once; give by=, the column that tells the totals apart")
    if areas.nunique() > len(_AREAS):
        raise SpecificationError(f"{areas.nunique()} areas in {by!r}; at most {len(_AREAS)} can be told apart")
    wide = table.assign(_area=areas).pivot(index=item, columns="_area", values="contribution")
    return wide.loc[table[item].drop_duplicates(), areas.drop_duplicates()]


def _figure(ax: Axes, value: float, place: float, unknown: str, lang: Lang) -> None:
    """Write a contribution at the end of its bar, with its sign, or that it is not known."""
    told = number(100.0 * value, lang, decimals=1) if np.isfinite(value) else unknown
    ax.annotate(
        f"+{told}" if round(100.0 * value, 1) > 0 else told,
        (value if np.isfinite(value) else 0.0, place),
        xytext=(-2 if value < 0 else 2, 0),
        textcoords="offset points",
        ha="right" if value < 0 else "left",
        va="center_baseline",
        fontsize=SMALL - 1.0,
        gid="figure",
    )


def _lines(name: str) -> str:
    """Return a name on as many lines as it needs."""
    import textwrap

    return "\n".join(textwrap.wrap(name, _LINE)) or name
