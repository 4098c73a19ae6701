"""Units together: the way from what a group uses to best practice as one, best partners, and gaps between kinds."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.asked import whole
from benchmodels.errors import SpecificationError
from benchmodels.frontier.together.bootstrap import PARTS, MergerBootstrap
from benchmodels.frontier.together.gains import Gains
from benchmodels.frontier.together.metafrontier import MetafrontierFit
from benchmodels.plots.canvas import SMALL, STYLE, axes, legend_above, mark_simulated, numbers_on
from benchmodels.plots.merger_texts import RETURNS, SAID
from benchmodels.plots.texts import number, percentage, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]

__all__ = ["gap_ratios", "merger_parts", "partners"]

_LINE, _WIDE = 26, 96


def _taken(found: object, what: str) -> tuple[Gains, MergerBootstrap | None]:
    if isinstance(found, MergerBootstrap):
        return found.gains, found
    if isinstance(found, Gains):
        return found, None
    raise SpecificationError(f"{what} draws Gains or a MergerBootstrap of them; found {type(found).__name__}")


def merger_parts(
    gains: Gains | MergerBootstrap,
    group: object = None,
    *,
    ax: Axes | None = None,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw one merger from today to best practice: learning, harmony and size, one after the other.

    Parts multiply; each bar is what it makes of where the one before ended, in per cent of today.

    Parameters
    ----------
    gains : Gains or MergerBootstrap
        With a bootstrap each part has its interval, drawn from where the part begins.
    group : label, optional
        Name of the group, as in ``gains.to_frame()``; may be left out where there is one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words: key 'measure', in the place of what the axis says.

    Raises
    ------
    SpecificationError
        The group is not there, or has no potential, or not in parts.
    """
    found, resampled = _taken(gains, "merger_parts")
    base, say = words(lang, labels, allowed=("measure",)), SAID[lang]
    if group is None and len(found) != 1:
        raise SpecificationError(f"there are {len(found)} groups; name the one to draw")
    at = 0 if group is None else found.position(group)
    name, side = str(found.groups.name[at]), found.fit.model.orientation
    if found.status[at] != "solved":
        raise SpecificationError(f"{name!r} has no potential in parts: its status is {found.status[at]!r}")
    factors = [float(getattr(found, part)[at]) for part in ("learning", "harmony", "size")]
    ends: Floats = 100.0 * np.cumprod(np.array([1.0, *factors]))
    known = resampled is not None and resampled.withheld[at] == ""
    reach = _reaches(resampled, at, ends) if resampled is not None and known else {}
    ax = axes(ax, width=7.2, height=3.9)
    rows = ("today", "learning", "harmony", "size", "best")
    for place, (start, end, part) in enumerate(zip(ends[:-1], ends[1:], rows[1:4], strict=True), start=1):
        _bar(ax, place, start, end, saved=(end < start) == (side == "input"))
        _interval(ax, place, reach.get(part))
        _joint(ax, place - 1, start)
    for place, end in ((0, 100.0), (4, ends[-1])):
        ax.plot([end, end], [place - 0.36, place + 0.36], color="#1A1A1A", linewidth=3.0, gid="total", zorder=4)
    _joint(ax, 3, ends[-1])
    _interval(ax, 4, reach.get("total"))
    _figures(ax, ends, reach, side, say, lang)
    ax.set_yticks(range(5), [textwrap.fill(say[row], _LINE) for row in rows], fontsize=SMALL + 1.0)
    for place, tick in enumerate(ax.get_yticklabels()):
        tick.set_fontweight("bold" if place in (0, 4) else "normal")
    _framed(ax, lang)
    drawn = [*ends, *(end for pair in reach.values() for end in pair)]
    room = max(max(drawn) - min(drawn), 1e-3)
    ax.set_xlim(min(drawn) - 0.32 * room, max(drawn) + 0.45 * room)
    ax.set_ylim(4.6, -0.6)
    told = [say["not saving"], say["scale"].format(returns=RETURNS[lang][found.fit.model.returns])]
    if (factors[2] > 1.0) == (side == "input") and abs(factors[2] - 1.0) > 1e-9:
        told.insert(0, say["size costs"])
    if resampled is not None:
        told.append(_told_of(resampled, at, say, lang))
    _below(ax, base.get("measure", say[side]), told)
    ax.set_title(name, loc="left", fontsize=SMALL + 3.0, fontweight="bold", parse_math=False)
    mark_simulated(ax, base, found.fit.goods.simulated)
    return ax


def _reaches(resampled: MergerBootstrap, at: int, ends: Floats) -> dict[str, tuple[float, float]]:
    """Return the ends of the intervals of the parts, from where each begins, and of the total."""
    low, high = resampled.interval
    starts = {"learning": ends[0], "harmony": ends[1], "size": ends[2], "total": 100.0}
    return {
        part: (start * float(low[at, PARTS.index(part)]), start * float(high[at, PARTS.index(part)]))
        for part, start in starts.items()
    }


def _bar(ax: Axes, place: int, start: float, end: float, *, saved: bool) -> None:
    if abs(end - start) < 1e-7:
        return
    colour = STYLE["below" if saved else "above"]["color"]
    look: dict[str, Any] = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.4, "alpha": 0.85}
    for bar in ax.barh(place, end - start, left=start, height=0.56, hatch="" if saved else "////", zorder=3, **look):
        bar.set_gid("gain" if saved else "cost")


def _interval(ax: Axes, place: float, reach: tuple[float, float] | None, *, gid: str = "interval") -> None:
    if reach is not None and all(map(math.isfinite, reach)):
        ax.hlines(place, *reach, color="#1A1A1A", linewidth=1.1, gid=gid, zorder=5)


def _joint(ax: Axes, place: int, at: float) -> None:
    ax.plot([at, at], [place + 0.3, place + 0.7], color="#8A8A8A", linewidth=0.8, gid="joint", zorder=2)


def _figures(
    ax: Axes, ends: Floats, reach: Mapping[str, tuple[float, float]], side: str, say: Mapping[str, str], lang: Lang
) -> None:
    """Write each figure beside its bar: changes with their sign and whether they are gain or cost."""
    for place, part in enumerate(("today", "learning", "harmony", "size", "total")):
        end = ends[min(place, 3)]
        start = ends[place - 1] if 0 < place < 4 else end
        text = number(end, lang, decimals=1)
        if 0 < place < 4:
            change = round(end - start, 1)
            text = number(end - start, lang, decimals=1)
            if change:
                word = say["gain" if (change < 0) == (side == "input") else "cost"]
                text = f"{'+' if change > 0 else ''}{text} ({word})"
        right = max(start, end, *reach.get(part, (end,)))
        ax.annotate(
            text, (right, place), xytext=(5, 0), textcoords="offset points", ha="left", va="center_baseline",
            fontsize=SMALL + 0.5, fontweight="bold" if place in (0, 4) else "normal", gid="figure", zorder=6,
        )  # fmt: skip


def _told_of(resampled: MergerBootstrap, at: int, say: Mapping[str, str], lang: Lang) -> str:
    """Say what the lines are, and how often they hold, or why there are none."""
    if resampled.withheld[at] != "":
        return say["no interval"].format(why=say["short"])
    held = [resampled.held[part] for part in PARTS]
    more = say["not simulated"]
    if not any(map(math.isnan, held)):
        more = say["held"].format(least=_rounded(min(held), lang), most=_rounded(max(held), lang))
    return say["whiskers"].format(level=percentage(resampled.level, lang), held=more)


def _rounded(share: float, lang: Lang) -> str:
    return percentage(round(share, 2), lang)


def partners(
    gains: Gains | MergerBootstrap,
    unit: object,
    *,
    ax: Axes | None = None,
    most: int = 15,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw with whom a unit has most to gain by merging, the first on top.

    Sorted by harmony and size together, since what each could learn by itself is no reason to merge; with that a
    cross, further on. With a bootstrap, filled circles may be the best partner: their simultaneous intervals, which are
    the lines, reach as far as every other's nearer end.

    Parameters
    ----------
    gains : Gains or MergerBootstrap
        Of pairs with the unit, as `MergersFit.partners` makes them.
    unit : label
        Whose partners they are.
    ax : matplotlib.axes.Axes, optional
    most : int, default 15
        Partners drawn; the others are counted.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words: key 'measure', in the place of what the axis says.

    Raises
    ------
    SpecificationError
        Groups that are no pairs with the unit, or none with an answer.
    """
    found, resampled = _taken(gains, "partners")
    base, say = words(lang, labels, allowed=("measure",)), SAID[lang]
    whole("most", most)
    names = _others(found, unit)
    worth, total = 100.0 * found.by_merging, 100.0 * found.potential
    order = np.argsort(-np.nan_to_num(worth, nan=-np.inf), kind="stable")
    order = order[np.isfinite(worth[order])]
    if not len(order):
        raise SpecificationError(
            f"none of the {len(found)} pairs with {unit!r} has an answer; there is nothing to draw"
        )
    shown = order[:most]
    ax = axes(ax, width=7.2, height=1.9 + 0.24 * len(shown))
    best = _best(resampled) if resampled is not None else {}
    drawn: dict[str, list[tuple[float, int]]] = {"one of the best": [], "not best": [], "found": []}
    for row, pair in enumerate(shown.tolist()):
        reach = best.get(found.groups.name[pair])
        if reach is None:
            drawn["found"].append((worth[pair], row))
        else:
            drawn["one of the best" if reach[2] else "not best"].append((worth[pair], row))
            _interval(ax, row, (reach[0], reach[1]))
    looks: dict[str, dict[str, Any]] = {
        "one of the best": {"marker": "o", "facecolors": "#0072B2", "edgecolors": "#0072B2"},
        "not best": {"marker": "o", "facecolors": "white", "edgecolors": "#6E6E6E"},
        "found": {"marker": "D", "facecolors": "white", "edgecolors": "#1A1A1A"},
    }
    for kind, points in drawn.items():
        if points:
            x, y = zip(*points, strict=True)
            label = say[kind].format(level="" if resampled is None else percentage(resampled.level, lang))
            ax.scatter(x, y, s=34, zorder=6, label=label, gid=kind, **looks[kind])
    ax.scatter(
        total[shown], range(len(shown)), s=20, marker="x", color="#8A8A8A", zorder=4, label=say["with learning"],
        gid="total", linewidths=1.0,
    )  # fmt: skip
    ax.axvline(0.0, color="#1A1A1A", linewidth=0.8, zorder=1)
    ax.set_yticks(range(len(shown)), [names[pair] for pair in shown.tolist()], fontsize=SMALL + 1.0)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    _framed(ax, lang)
    told = [say["scale"].format(returns=RETURNS[lang][found.fit.model.returns]), say["by chance"], say["not saving"]]
    if best and resampled is not None:
        held = resampled.held["best"]
        key = "best not known" if math.isnan(held) else "best held"
        told.insert(2, say[key].format(share=_rounded(held, lang)))
    if len(shown) < len(order):
        told.insert(0, say["shown"].format(n=len(shown), all=len(order)))
    if len(order) < len(found):
        told.insert(1, say["no answer"].format(n=len(found) - len(order), all=len(found)))
    side = found.fit.model.orientation
    _below(ax, base.get("measure", say["reduction" if side == "input" else "increase"]), told)
    for text in ax.get_yticklabels():
        text.set_parse_math(False)
    legend_above(ax, most=2)
    ax.set_title(str(unit), loc="left", fontsize=SMALL + 3.0, fontweight="bold", parse_math=False, pad=38)
    mark_simulated(ax, base, found.fit.goods.simulated)
    return ax


def _others(found: Gains, unit: object) -> list[str]:
    """Return the other's name in each pair with the unit."""
    names = []
    for group in range(len(found)):
        members = found.groups.members(group)
        if len(members) != 2 or unit not in members:
            raise SpecificationError(f"partners draws pairs with {unit!r}; found the group {members}")
        names.append(str(members[0] if members[1] == unit else members[1]))
    return names


def _best(resampled: MergerBootstrap) -> dict[Any, tuple[float, float, bool]]:
    """Return the simultaneous interval of each pair, in per cent, and whether it may be the best."""
    if not (resampled.withheld == "").any():
        return {}
    told = resampled.best()
    sign = -1.0 if resampled.gains.fit.model.orientation == "input" else 1.0
    ends = [100.0 * sign * (told[end] - 1.0) for end in ("lower", "upper")]
    return {
        name: (min(a, b), max(a, b), bool(may))
        for name, a, b, may in zip(told["group"], *ends, told["may_be_best"], strict=True)
    }


def gap_ratios(
    fit: MetafrontierFit,
    *,
    ax: Axes | None = None,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw how near the frontier of each kind of units comes to that of all: a point a unit, a line for the mean.

    Kinds from the largest mean to the smallest; those that are too small stand last, without points.

    Parameters
    ----------
    fit : MetafrontierFit
    ax : matplotlib.axes.Axes, optional
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words: key 'measure', in the place of what the axis says.
    """
    if not isinstance(fit, MetafrontierFit):
        raise SpecificationError(f"gap_ratios draws a MetafrontierFit; found {type(fit).__name__}")
    base, say = words(lang, labels, allowed=("measure",)), SAID[lang]
    kinds = fit.groups().sort_values("gap_ratio", ascending=False, kind="stable", na_position="last")
    ax = axes(ax, width=7.2, height=1.7 + 0.5 * len(kinds))
    ratio, first = fit.gap_ratio, True
    for row, (kind, mean, why) in enumerate(
        zip(kinds["group"], kinds["gap_ratio"], kinds["withheld"], strict=True)
    ):  # fmt: skip
        own = np.sort(ratio[(fit.group == kind) & np.isfinite(ratio)])
        if why:
            ax.annotate(
                say["few"], (0.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL + 1.0,
                color="#4A4A4A", style="italic", gid="withheld",
            )  # fmt: skip
            continue
        # Side by side in the order of their values, so that equal ones do not hide each other.
        shift = 0.16 * (((np.arange(len(own)) * 7) % 13) / 6.0 - 1.0)
        label = say["units"] if first else None
        ax.scatter(own, row + shift, s=16, facecolors="none", edgecolors="#0072B2", linewidths=0.8, label=label,
                   zorder=3, gid="unit")  # fmt: skip
        label = say["mean"] if first else None
        ax.plot(
            [mean, mean], [row - 0.34, row + 0.34], color="#1A1A1A", linewidth=2.4, label=label, gid="mean", zorder=4
        )
        ax.annotate(
            number(mean, lang, decimals=3), (mean, row - 0.36), ha="center", va="bottom", fontsize=SMALL + 0.5,
            fontweight="bold", gid="figure",
        )  # fmt: skip
        first = False
    ticks = [f"{kind} ({number(units, lang, decimals=0)})" for kind, units in zip(kinds["group"], kinds["units"],
                                                                                  strict=True)]  # fmt: skip
    ax.set_yticks(range(len(kinds)), ticks, fontsize=SMALL + 1.0)
    for text in ax.get_yticklabels():
        text.set_parse_math(False)
    ax.set_ylim(len(kinds) - 0.4, -0.7)
    ax.set_xlim(right=1.01)
    _framed(ax, lang)
    _below(ax, base.get("measure", say["ratio"]), [say["small kinds"]])
    if not first:
        legend_above(ax, most=2)
    mark_simulated(ax, base, fit.goods.simulated)
    return ax


def _framed(ax: Axes, lang: Lang) -> None:
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    numbers_on(ax.xaxis, lang)
    ax.tick_params(axis="x", labelsize=SMALL + 1.5)


def _below(ax: Axes, measure: str, told: list[str]) -> None:
    """Write the axis's name, and below it what a reader must know."""
    # A number and its per cent sign stay on one line.
    lines = [measure, *textwrap.wrap(" ".join(told).replace(" %", "\N{NO-BREAK SPACE}%"), _WIDE)]
    ax.set_xlabel("\n".join(lines), fontsize=SMALL + 1.0)
