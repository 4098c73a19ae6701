"""From one figure to another in parts that add up: a unit's expected value, a gap, or growth."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import ndtri

from benchmodels.asked import share, whole
from benchmodels.decomposition import LEFT_OUT, TOTAL, Steps
from benchmodels.errors import SpecificationError
from benchmodels.plots.canvas import SMALL, STYLE, axes, factor, mark_simulated, numbers_on
from benchmodels.plots.texts import number, percentage, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

    from benchmodels.decomposition import Step
    from benchmodels.plots.texts import Lang

__all__ = ["waterfall"]

_SAID: dict[str, dict[str, str]] = {
    "en": {
        TOTAL: "Total",
        "country": "Country",
        "others": "All others together",
        "all": "All units together",
        "expected": "Expected",
        "observed": "Observed",
        "practice": "Left: practice, the unmeasured, chance",
        LEFT_OUT: "The unit itself left out",
        "composition": "Composition",
        "rates": "Rates, people alike",
        "interaction": "Both at once (interaction)",
        "explained": "Explained by covariates",
        "unexplained": "Not explained",
        "covariates": "Covariates",
        "slopes": "Slopes and level",
        "recipients": "Number of recipients",
        "population": "Size of the population",
        "share_receiving": "Share of it receiving",
        "mix": "Mix of measures",
        "unit_cost": "Unit cost",
        "price": "Prices and wages",
        "size": "Size of the population",
        "gathered": "Other ({n} terms)",
        "unsplit": "not known apart",
        "unknown": "not known",
        "order": "Terms: largest first",
        "whiskers": "Lines: {level} intervals of the parts",
    },
    "da": {
        TOTAL: "I alt",
        "country": "Hele landet",
        "others": "Alle andre tilsammen",
        "all": "Alle enheder tilsammen",
        "expected": "Forventet",
        "observed": "Observeret",
        "practice": "Rest: praksis, det ikke målte, tilfældighed",
        LEFT_OUT: "At enheden selv er udeladt",
        "composition": "Sammensætning",
        "rates": "Rater, ens grupper",
        "interaction": "Begge på én gang (interaktion)",
        "explained": "Forklaret af kovariaterne",
        "unexplained": "Ikke forklaret",
        "covariates": "Kovariaterne",
        "slopes": "Hældninger og niveau",
        "recipients": "Antal modtagere",
        "population": "Befolkningens størrelse",
        "share_receiving": "Andelen, der modtager",
        "mix": "Blandingen af indsatser",
        "unit_cost": "Enhedsudgift",
        "price": "Priser og lønninger",
        "size": "Befolkningens størrelse",
        "gathered": "Øvrige ({n} led)",
        "unsplit": "kendes ikke hver for sig",
        "unknown": "ikke kendt",
        "order": "Led: største først",
        "whiskers": "Streger: {level}-intervaller for bidragene",
    },
}

# Letters of a name on one line.
_LINE = 30


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row as drawn: from where to where, and what is written; NaN where nothing is drawn."""

    name: str
    kind: Literal["total", "part", "gathered", "unsplit", "unknown"]
    start: float
    end: float
    std_error: float = float("nan")


def waterfall(
    steps: Steps,
    *,
    ax: Axes | None = None,
    names: Mapping[str, str] | None = None,
    most: int = 8,
    level: float = 0.95,
    percent: bool = False,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the way from one figure to another, a bar for each part and a line where the parts meet a figure.

    Terms of a formula are sorted between figures, the largest first, and what is beyond ``most`` is gathered in one
    bar that counts them; parts with fixed names stay in their order. Parts that are not known are drawn together as
    what is left, hatched, and last. The axis need not begin at zero: figures are lines and not bars.

    Parameters
    ----------
    steps : Steps
        Of a `Decomposition`, `Kitagawa`, `OaxacaBlinder` or `Growth`, by its ``steps``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    names : mapping of str to str, optional
        Own words for terms, parts and figures, by their name in ``steps``.
    most : int, default 8
        Terms that have a bar of their own.
    level : float, default 0.95
        Of the intervals of parts whose standard error is known.
    percent : bool, default False
        Write figures times 100, as per cent and percentage points; the data drawn are unchanged.
    scale : float, default 1.0
        Figures are written times this. Not together with ``percent``.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words: key 'measure', the unit of measure of the figures as written.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        No steps, no figure that is known, a name that is not there, or a word or the scale does not fit.
    """
    if not isinstance(steps, Steps):
        raise SpecificationError(
            f"waterfall draws Steps, such as decompose(fit).steps('Aarhus'); found {type(steps).__name__}"
        )
    base, say = words(lang, labels, allowed=("measure",)), _SAID[lang]
    share("level", level)
    whole("most", most)
    times = factor(percent=percent, scale=scale)
    unknown = sorted(set(names or ()) - {step.name for step in steps.rows})
    if unknown:
        raise SpecificationError(f"names has {unknown}; there are {sorted({step.name for step in steps.rows})}")
    rows = _rows(steps, dict(names or {}), most, say)
    ordered = sum(not (step.total or step.word) for step in steps.rows) > 1
    drawn = [value for row in rows for value in (row.start, row.end) if math.isfinite(value)]
    if not drawn:
        raise SpecificationError(f"no figure of {steps.label or 'these steps'} is known; there is nothing to draw")
    lines = [textwrap.wrap(row.name, _LINE) or [""] for row in rows]
    ax = axes(ax, width=7.0, height=1.3 + 0.17 * len(rows) + 0.13 * sum(map(len, lines)))
    half = -float(ndtri(0.5 * (1.0 - level)))
    ends = drawn + [
        row.end + sign * half * row.std_error for row in rows if math.isfinite(row.std_error) for sign in (-1, 1)
    ]
    ends = [end for end in ends if math.isfinite(end)]
    low, high = min(ends), max(ends)
    room = (high - low) or abs(high) or 1.0
    decimals = _decimals([times * (row.end - row.start) for row in rows if row.kind != "total"], times * room)
    for place, row in enumerate(rows):
        _bar(ax, place, row, half)
        _figure(ax, place, row, say, lang, times, decimals, half)
    _connect(ax, rows)
    ax.set_yticks(range(len(rows)), ["\n".join(own) for own in lines], fontsize=SMALL + 1.0)
    for tick, row in zip(ax.get_yticklabels(), rows, strict=True):
        tick.set_parse_math(False)
        tick.set_fontweight("bold" if row.kind == "total" else "normal")
    # Figures are written beside the bars.
    ax.set_xlim(low - 0.24 * room, high + 0.24 * room)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E3E3E3", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    numbers_on(ax.xaxis, lang, scale=times)
    ax.tick_params(axis="x", labelsize=SMALL + 1.5)
    ax.set_xlabel(_below(rows, base, say, lang, level=level, percent=percent, ordered=ordered), fontsize=SMALL + 1.5)
    if steps.label:
        title = steps.label.replace(TOTAL, say[TOTAL])
        ax.set_title(title, loc="left", fontsize=SMALL + 3.0, fontweight="bold", parse_math=False)
    mark_simulated(ax, base, steps.simulated)
    return ax


def _rows(steps: Steps, names: dict[str, str], most: int, say: Mapping[str, str]) -> list[_Row]:
    """Return the rows in the order they are drawn."""

    def named(step: Step) -> str:
        return str(names.get(step.name, say.get(step.name, step.name) if step.word else step.name))

    rows: list[_Row] = []
    parts: list[Step] = []
    at = float("nan")
    for number_of, step in enumerate(steps.rows):
        if not step.total:
            parts.append(step)
            continue
        if number_of:
            rows += _between(parts, at, step.value, most, say, named)
        rows.append(_Row(name=named(step), kind="total", start=step.value, end=step.value))
        parts, at = [], step.value
    return rows


def _between(
    parts: list[Step], start: float, end: float, most: int, say: Mapping[str, str], named: Callable[[Step], str]
) -> list[_Row]:
    """Return the rows of the parts between two figures."""
    terms = sorted((p for p in parts if not p.word and math.isfinite(p.value)), key=lambda p: -abs(p.value))
    fixed = [p for p in parts if p.word and math.isfinite(p.value)]
    lost = [p for p in parts if not math.isfinite(p.value)]
    # One term more than there is room for would be gathered alone.
    kept = terms if len(terms) <= most else terms[: most - 1]
    rest = terms[len(kept) :]
    rows: list[_Row] = []
    at = start

    def add(name: str, kind: Literal["part", "gathered"], value: float, error: float) -> None:
        nonlocal at
        rows.append(_Row(name=name, kind=kind, start=at, end=at + value, std_error=error))
        at += value

    for part in kept:
        add(named(part), "part", part.value, part.std_error)
    if rest:
        add(say["gathered"].format(n=len(rest)), "gathered", sum(part.value for part in rest), float("nan"))
    for part in fixed:
        add(named(part), "part", part.value, part.std_error)
    if lost:
        known = math.isfinite(end - at)
        name = " + ".join(named(part) for part in lost)
        if known and len(lost) > 1:
            name = f"{name} ({say['unsplit']})"
        rows.append(_Row(name=name, kind="unsplit" if known else "unknown", start=at, end=end))
    return rows


def _bar(ax: Axes, place: int, row: _Row, half: float) -> None:
    """Draw a part as a bar with its interval, a figure as a line."""
    if row.kind == "unknown" or not math.isfinite(row.end - row.start):
        return
    if row.kind == "total":
        ax.plot([row.end, row.end], [place - 0.36, place + 0.36], color="#1A1A1A", linewidth=3.0, gid="total", zorder=4)
        return
    colour = STYLE["above" if row.end > row.start else "below"]["color"]
    look: dict[str, Any] = {"facecolor": colour, "alpha": 0.85, "edgecolor": "white", "linewidth": 0.4, "hatch": ""}
    if row.kind != "part":
        look |= {"facecolor": "#BDBDBD", "hatch": "////" if row.kind == "unsplit" else ""}
    for bar in ax.barh(place, row.end - row.start, left=row.start, height=0.56, zorder=3, **look):
        bar.set_gid(row.kind)
    if math.isfinite(row.std_error):
        reach = half * row.std_error
        ax.hlines(place, row.end - reach, row.end + reach, color="#1A1A1A", linewidth=1.1, gid="interval", zorder=5)


def _figure(
    ax: Axes, place: int, row: _Row, say: Mapping[str, str], lang: Lang, times: float, decimals: int, half: float
) -> None:
    """Write a figure beside its line, and a part with its sign beyond its bar."""
    change = row.end - row.start
    if row.kind == "total":
        text = number(times * row.end, lang, decimals=decimals) if math.isfinite(row.end) else say["unknown"]
    elif not math.isfinite(change):
        text = say["unknown"]
    else:
        told = number(times * change, lang, decimals=decimals)
        text = f"+{told}" if round(times * change, decimals) > 0 else told
    reach = half * row.std_error if math.isfinite(row.std_error) else 0.0
    down = math.isfinite(change) and change < 0
    at = min(row.start, row.end - reach) if down else max(row.start, row.end + reach)
    if not math.isfinite(at):
        at = row.start if math.isfinite(row.start) else float(np.mean(ax.get_xlim()))
    ax.annotate(
        text,
        (at, place),
        xytext=(-4 if down else 4, 0),
        textcoords="offset points",
        ha="right" if down else "left",
        va="center_baseline",
        fontsize=SMALL + 0.5,
        fontweight="bold" if row.kind == "total" else "normal",
        gid="figure",
        zorder=6,
    )


def _connect(ax: Axes, rows: list[_Row]) -> None:
    """Join each row's end to the next row's start."""
    for place, (row, after) in enumerate(zip(rows[:-1], rows[1:], strict=True)):
        if math.isfinite(row.end) and math.isfinite(after.start):
            ends = (place + 0.3, place + 0.7)
            ax.plot([row.end, row.end], ends, color="#8A8A8A", linewidth=0.8, gid="joint", zorder=2)


def _decimals(parts: list[float], room: float) -> int:
    """Return decimals that show the largest part with three digits, or what the picture spans."""
    largest = max((abs(part) for part in parts if math.isfinite(part)), default=0.0)
    size = largest or room
    return min(12, max(0, 2 - math.floor(math.log10(size)))) if size > 0 else 0


def _below(
    rows: list[_Row],
    base: Mapping[str, str],
    say: Mapping[str, str],
    lang: Lang,
    *,
    level: float,
    percent: bool,
    ordered: bool,
) -> str:
    """Return the axis's words: unit of measure, order of terms, and what the lines are."""
    told = [base.get("measure", base["percent"] if percent else "")]
    if ordered:
        told.append(say["order"])
    if any(math.isfinite(row.std_error) for row in rows):
        told.append(say["whiskers"].format(level=percentage(level, lang)))
    measure, *rest = told
    return "\n".join(part for part in (measure, ". ".join(rest)) if part)
