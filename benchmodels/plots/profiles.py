"""One unit over several outcomes, and one unit among its peers."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.peer_comparison import AmongPeers
from benchmodels.plots.canvas import (
    SMALL,
    STYLE,
    axes,
    factor,
    legend_above,
    made_by,
    mark_simulated,
    numbers_on,
    position,
)
from benchmodels.plots.funnels import estimate_label
from benchmodels.plots.texts import percentage, told_at, words
from benchmodels.profiles import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from benchmodels.plots.texts import Lang

__all__ = ["among_peers", "profile"]

_SAID: dict[str, dict[str, str]] = {
    "en": {
        "axis": "Distance from what is expected; 1 is the usual distance of all units (root mean square)\n"
        "Lines: {level} intervals, each for itself; verdicts {rule}",
        "holm": "of all outcomes together at {level} (Holm)",
        "fdr": "with {error} of them expected to be wrong",
        "none": "each for itself",
        "others": "Another unit",
        "low": "low is better",
        "high": "high is better",
        "not there": "no figure",
        "peer": "Peer",
        "mean": "Mean of the peers, {weights}",
        "precision": "weighted by precision",
        "size": "weighted by size",
        "equal": "unweighted",
        "apart": "{unit} less its peers: {difference} ({level} interval {lower} to {upper})",
        "rank": "number {rank} of {of} (from {lower} to {upper})",
        "unit above": "Above its peers",
        "unit below": "Below its peers",
        "unit not different": "Not different from its peers",
        "unit withheld": "No verdict",
    },
    "da": {
        "axis": "Afstand fra det forventede; 1 er den normale afstand blandt alle enheder (kvadratisk middel)\n"
        "Streger: {level}-intervaller, hvert for sig; afgørelser {rule}",
        "holm": "for alle udfald på én gang, {level} (Holm)",
        "fdr": "hvoraf {error} ventes at være forkerte",
        "none": "hver for sig",
        "others": "En anden enhed",
        "low": "lavt er bedst",
        "high": "højt er bedst",
        "not there": "intet tal",
        "peer": "Sammenlignelig enhed",
        "mean": "Gennemsnit af de sammenlignelige, {weights}",
        "precision": "vægtet efter sikkerhed",
        "size": "vægtet efter størrelse",
        "equal": "uvægtet",
        "apart": "{unit} minus de sammenlignelige: {difference} ({level}-interval {lower} til {upper})",
        "rank": "nummer {rank} af {of} (fra {lower} til {upper})",
        "unit above": "Over de sammenlignelige",
        "unit below": "Under de sammenlignelige",
        "unit not different": "Ikke forskellig fra de sammenlignelige",
        "unit withheld": "Ingen afgørelse",
    },
}
# Letters of a line of an outcome's name.
_LINE = 30

_STYLES = {"above": "above", "below": "below", "not different": "neither", "withheld": "withheld"}


def profile(
    record: Profile,
    *,
    unit: object,
    ax: Axes | None = None,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw one unit's outcomes on a common scale, one row an outcome, with all other units behind.

    Parameters
    ----------
    record : Profile
        m outcomes, drawn in its order from the top.
    unit : label
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    lang : {'en', 'da'}, default 'en'
    labels : mapping of str to str, optional
        Names of outcomes as they are to be written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No such unit, a label of an outcome that is not there, or no figure of the unit at all.
    """
    made_by(record, Profile, "profile", "benchmodels.profile(…)")
    base, say = words(lang), _SAID[lang]
    named = dict(labels or {})
    strange = [name for name in named if name not in record.outcomes]
    if strange:
        raise SpecificationError(f"labels names {strange}; the outcomes are {', '.join(map(repr, record.outcomes))}")
    at = position(record.unit, unit, asked="unit")
    own = record.of(record.unit[at])
    value, there = own["standardised"].to_numpy(), np.isfinite(own["standardised"].to_numpy())
    if not there.any():
        raise SpecificationError(f"unit {unit!r} has no figure in any outcome; there is nothing to draw")
    m = len(record.outcomes)
    ax = axes(ax, width=7.2, height=1.7 + 0.52 * m)
    reach = _others(ax, record, own["unit"].iloc[0], say)
    low, high = own["standardised_lower"].to_numpy(), own["standardised_upper"].to_numpy()
    for verdict, style in _STYLES.items():
        rows = np.flatnonzero((own["verdict"] == verdict).to_numpy() & there)
        if not len(rows):
            continue
        color = STYLE[style]["color"]
        ax.hlines(rows, low[rows], high[rows], colors=color, linewidth=2.2, zorder=4, gid=f"interval {verdict}")
        look: dict[str, Any] = {"markersize": 8.5, "markeredgecolor": "white", "linestyle": "none", "zorder": 5}
        look |= {"markeredgewidth": 1.6 if style == "withheld" else 0.8, **STYLE[style]}
        if style == "withheld":
            look["markeredgecolor"] = color
        ax.plot(value[rows], rows, label=base[verdict], gid=verdict, **look)
    ax.axvline(0.0, color="#1A1A1A", linewidth=0.9, zorder=1)
    wide = 1.06 * max(reach, float(np.nanmax(np.abs(np.concatenate([low, high, value])))))
    ax.set_xlim(-wide, wide)
    missing: dict[str, Any] = {"va": "center", "ha": "center", "fontsize": SMALL + 1.0, "zorder": 6, "gid": "not there"}
    for row in np.flatnonzero(~there).tolist():
        ax.text(0.0, row, say["not there"], bbox={"facecolor": "white", "edgecolor": "#6E6E6E"}, **missing)
    ax.set_yticks(range(m), [_outcome(record, name, named, say) for name in record.outcomes], parse_math=False)
    ax.set_ylim(m - 0.5, -0.5)
    _plain(ax)
    rule = say[record.multiplicity].format(
        level=percentage(record.level, lang), error=percentage(round(1.0 - record.level, 10), lang)
    )
    ax.set_xlabel(say["axis"].format(level=percentage(record.level, lang), rule=rule), fontsize=SMALL + 1.0)
    numbers_on(ax.xaxis, lang)
    mark_simulated(ax, base, record.simulated)
    legend_above(ax, most=4)
    _title_above_legend(ax, str(own["unit"].iloc[0]))
    return ax


def _title_above_legend(ax: Axes, title: str) -> None:
    figure, legend = ax.get_figure(root=True), ax.get_legend()
    high = legend.get_window_extent().height * 72.0 / figure.dpi if figure is not None and legend is not None else 0.0
    ax.set_title(title, loc="left", fontweight="bold", pad=high + 7.0, parse_math=False)


def _others(ax: Axes, record: Profile, unit: object, say: Mapping[str, str]) -> float:
    """Draw the other units, and return how far from zero nearly all of them are."""
    table = record.table[record.table["unit"] != unit]
    place = table["outcome"].map({name: j for j, name in enumerate(record.outcomes)}).to_numpy(dtype=float)
    x = table["standardised"].to_numpy()
    # Spread by a fixed rule, so that marks on one place are told apart.
    drift = 0.17 * ((np.arange(len(x)) // len(record.outcomes) * 0.618034) % 1.0 * 2.0 - 1.0)
    look: dict[str, Any] = {"marker": "o", "markersize": 3.2, "color": "#B8B8B8", "linestyle": "none", "zorder": 2}
    ax.plot(x, place + drift, label=say["others"], gid="others", markeredgewidth=0.0, alpha=0.75, **look)
    known = np.abs(x[np.isfinite(x)])
    return float(known.max()) if len(known) else 0.0


def _outcome(record: Profile, name: str, named: Mapping[str, str], say: Mapping[str, str]) -> str:
    better = record.better[name]
    # A long name would leave no room for what it names.
    said = textwrap.fill(str(named.get(name, name)), _LINE)
    return said if better is None else f"{said}\n({say[better]})"


def among_peers(
    record: AmongPeers,
    *,
    unit: object,
    ax: Axes | None = None,
    percent: bool = False,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw a unit and its peers with their intervals, and the mean of the peers.

    Rows are sorted by estimate with the better end on top, the highest where no direction is better.

    Parameters
    ----------
    record : AmongPeers
    unit : label
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    percent : bool, default False
        Write estimates times 100; the data drawn are unchanged.
    scale : float, default 1.0
        Estimates are written times this. Not together with ``percent``.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words for the axis: keys 'estimate', and 'measure', the unit of measure of the estimates as written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No such unit, one that is not held against anybody, or both ``percent`` and ``scale``.
    """
    made_by(record, AmongPeers, "among_peers", "compare_within_peers(…)")
    base, say = words(lang, labels, allowed=("estimate", "measure")), _SAID[lang]
    times = factor(percent=percent, scale=scale)
    at = position(record.unit, unit, asked="unit")
    if at is None or not np.isfinite(record.difference[at]):
        raise SpecificationError(f"unit {unit!r} is not held against any peer; there is nothing to draw")
    found = record.comparison
    place = {label: i for i, label in enumerate(found.unit.tolist())}
    rows = np.array([at, *(place[label] for label in record.peers[at].tolist())])
    value = record.estimate[rows]
    names = np.array([str(label) for label in found.unit[rows]])
    rows = rows[np.lexsort((names, value if record.better == "low" else -value))]
    ax = axes(ax, width=6.6, height=1.9 + 0.3 * len(rows))
    verdict = str(record.verdict[at])
    _rows_of(ax, record, rows, at, verdict, say)
    ax.axvline(
        record.peer_mean[at],
        color="#1A1A1A",
        linewidth=1.1,
        linestyle="--",
        label=say["mean"].format(weights=say[record.weights]),
        gid="mean",
    )
    ax.axvline(found.null, color="#9A9A9A", linewidth=0.8, zorder=1, label=base["as_expected"], gid="null")
    ax.set_yticks(range(len(rows)), [str(label) for label in found.unit[rows]], parse_math=False)
    ax.get_yticklabels()[int(np.flatnonzero(rows == at)[0])].set_fontweight("bold")
    ax.set_ylim(len(rows) - 0.4, -0.6)
    _plain(ax)
    ax.set_xlabel(_below(record, at, base, say, lang, percent=percent, times=times), fontsize=SMALL + 1.0)
    numbers_on(ax.xaxis, lang, scale=times)
    mark_simulated(ax, base, found.source.simulated)
    legend_above(ax, most=2)
    return ax


def _rows_of(ax: Axes, record: AmongPeers, rows: Any, at: int, verdict: str, say: Mapping[str, str]) -> None:
    found = record.comparison
    for kind in ("peer", "unit"):
        places = np.flatnonzero((rows == at) == (kind == "unit"))
        of = rows[places]
        style = STYLE[_STYLES[verdict]] if kind == "unit" else {"color": "#8A8A8A", "marker": "o"}
        width, size = (2.4, 9.0) if kind == "unit" else (1.4, 5.0)
        color = style["color"]
        ax.hlines(
            places, found.lower[of], found.upper[of], colors=color, linewidth=width, gid=f"interval {kind}", zorder=3
        )
        edge = color if style["marker"] == "x" else "white"
        label = say[f"unit {verdict}"] if kind == "unit" else say["peer"]
        look: dict[str, Any] = {"markersize": size, "markeredgecolor": edge, "linestyle": "none", "zorder": 4}
        ax.plot(record.estimate[of], places, label=label, gid=kind, **look, **style)


def _below(
    record: AmongPeers, at: int, base: Mapping[str, str], say: Mapping[str, str], lang: Lang, *, percent: bool,
    times: float,
) -> str:  # fmt: skip
    """Return what is written below the axis: what it is, the difference with its interval, and the place."""
    from benchmodels.plots.texts import number

    ends = np.array([record.difference[at], record.lower[at], record.upper[at]]) * times
    width = abs(ends[2] - ends[1])
    decimals = int(np.clip(1 - np.floor(np.log10(width)), 0, 8)) if width > 0 else 2
    told = [number(v, lang, decimals=decimals) for v in ends]
    asked = percentage(record.level, lang)
    apart = say["apart"].format(unit=record.unit[at], difference=told[0], lower=told[1], upper=told[2], level=asked)
    ranked = [f"{v:.0f}" for v in (record.rank[at], record.of[at], record.rank_lower[at], record.rank_upper[at])]
    rank = say["rank"].format(rank=ranked[0], of=ranked[1], lower=ranked[2], upper=ranked[3])
    label = base.get("estimate") or estimate_label(record.comparison, base, percent=percent)
    found = record.comparison
    level = told_at(base, "interval", found.coverage, found.level, "intervals", lang)
    sorting = base["sorted_low" if record.better == "low" else "sorted_high"]
    return f"{label} ({level}), {sorting}\n{apart}\n{rank}"


def _plain(ax: Axes) -> None:
    ax.tick_params(axis="y", length=0, labelsize=SMALL + 1.5)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
