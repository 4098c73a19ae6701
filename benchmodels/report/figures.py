"""Geometry of the figures drawn on the page itself, so that a unit can be found and highlighted.

No statistic is computed here: only positions on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Place = Callable[[float], float]
    Limits = Callable[[Floats], tuple[Floats, Floats, Floats, Floats]]

__all__ = ["Drawing", "Mark", "Tick", "Values", "caterpillar", "funnel", "overlap", "round_ticks"]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One unit on paper: a point, the ends of its interval or of its own limits, and whether limits show unasked."""

    unit: int
    x: float
    y: float
    top: float = 0.0
    bottom: float = 0.0
    different: bool
    unusual: bool
    own: bool = False
    title: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure in user units of an SVG."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    zero: float
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    marks: Sequence[Mark]
    own: Sequence[str] = ()
    spread: Sequence[str] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Values:
    """What the figures are drawn from; all (k,) arrays, in the unit of measure told.

    ``lower`` and ``upper`` are a unit's own interval, ``least`` and ``most`` its own limits among units.
    """

    size: Floats
    gap: Floats
    lower: Floats
    upper: Floats
    least: Floats
    most: Floats
    different: Sequence[bool]
    unusual: Sequence[bool]
    titles: Sequence[str]


def funnel(values: Values, *, limits: Limits, narrow: bool) -> Drawing:
    """Place units by size (logarithmic) and gap, with limits by chance alone and with ordinary spread.

    Parameters
    ----------
    values : Values
    limits : callable
        Lower and upper gap at given sizes, by chance alone and with the ordinary spread; NaN where not known.
    narrow : bool
        For a phone.
    """
    width, height, left, right, top, bottom = _frame(narrow)
    shown = np.isfinite(values.gap) & (values.size > 0)
    sizes = values.size[shown] if shown.any() else np.array([1.0, 10.0])
    low, high = float(np.log10(sizes.min())), float(np.log10(sizes.max()))
    room = max(0.04 * (high - low), 0.02)
    low, high = low - room, high + room
    y_low, y_high = _range(values.gap[shown])

    def x_of(size: float) -> float:
        return left + (math.log10(size) - low) / (high - low) * (right - left)

    def y_of(gap: float) -> float:
        return bottom - (gap - y_low) / (y_high - y_low) * (bottom - top)

    def held(gap: float) -> float:
        return y_of(min(max(gap, y_low), y_high)) if math.isfinite(gap) else 0.0

    grid = np.logspace(low, high, 60)
    lines = [_path(grid, line, x_of, y_of, (y_low, y_high)) for line in limits(grid)]
    misled = _misled(values, limits)
    marks = [
        Mark(
            unit=i,
            x=x_of(float(values.size[i])),
            y=y_of(float(values.gap[i])),
            top=held(float(values.most[i])),
            bottom=held(float(values.least[i])),
            different=values.different[i],
            unusual=values.unusual[i],
            own=bool(misled[i]),
            title=values.titles[i],
        )
        for i in np.flatnonzero(shown).tolist()
    ]
    return Drawing(
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        zero=y_of(0.0),
        x_ticks=[Tick(at=x_of(v), value=v) for v in _log_ticks(low, high, few=narrow)],
        y_ticks=[Tick(at=y_of(v), value=v) for v in round_ticks(y_low, y_high)],
        marks=marks,
        own=lines[:2],
        spread=lines[2:],
    )


def _misled(values: Values, limits: Limits) -> NDArray[np.bool_]:
    """Return the units that their own limits judge otherwise than the lines, which are of a typical composition."""
    chance_low, chance_high, low, high = limits(np.where(values.size > 0, values.size, 1.0))
    low, high = np.where(np.isnan(low), chance_low, low), np.where(np.isnan(high), chance_high, high)
    by_line = (values.gap < low) | (values.gap > high)
    by_own = (values.gap < values.least) | (values.gap > values.most)
    return np.asarray((by_line != by_own) & np.isfinite(values.least) & np.isfinite(low))


def overlap(size: Floats, share: Floats, titles: Sequence[str], *, least: float, narrow: bool) -> Drawing:
    """Place units by size (logarithmic) and the share of their case mix that others have, in per cent.

    Parameters
    ----------
    size, share : (k,) arrays
    titles : sequence of str
    least : float
        Share that a line is drawn at, where the axis comes down to it.
    narrow : bool
        For a phone.
    """
    nan = np.full(len(size), np.nan)
    values = Values(
        size=size,
        gap=share - 100.0,
        lower=nan,
        upper=nan,
        least=nan,
        most=nan,
        different=[False] * len(size),
        unusual=[False] * len(size),
        titles=titles,
    )
    drawn = funnel(
        values, limits=lambda grid: (*(np.full(len(grid), np.nan),) * 3, 0 * grid + least - 100), narrow=narrow
    )
    return replace(drawn, y_ticks=[Tick(at=t.at, value=t.value + 100.0) for t in drawn.y_ticks if t.value <= 0])


def caterpillar(values: Values, *, narrow: bool) -> Drawing:
    """Place units side by side in the order of their gap, each with its interval.

    The axis covers all gaps and the inner 96 % of interval ends; longer intervals are cut at the frame.
    """
    width, height, left, right, top, bottom = _frame(narrow)
    order = [int(i) for i in np.lexsort((np.arange(len(values.gap)), values.gap)) if np.isfinite(values.gap[i])]
    ends = np.concatenate([values.lower, values.upper])
    ends = ends[np.isfinite(ends)]
    inner = np.quantile(ends, [0.02, 0.98]) if len(ends) else np.array([])
    y_low, y_high = _range(np.concatenate([values.gap[order], inner]))
    step = (right - left) / max(len(order), 1)

    def y_of(gap: float) -> float:
        return bottom - (min(max(gap, y_low), y_high) - y_low) / (y_high - y_low) * (bottom - top)

    marks = []
    for place, i in enumerate(order):
        gap = float(values.gap[i])
        lower, upper = (float(v[i]) if np.isfinite(v[i]) else gap for v in (values.lower, values.upper))
        marks.append(
            Mark(
                unit=i,
                x=left + (place + 0.5) * step,
                y=y_of(gap),
                top=y_of(upper),
                bottom=y_of(lower),
                different=values.different[i],
                unusual=values.unusual[i],
                title=values.titles[i],
            )
        )
    return Drawing(
        width=width,
        height=height - 14,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        zero=y_of(0.0),
        x_ticks=[],
        y_ticks=[Tick(at=y_of(v), value=v) for v in round_ticks(y_low, y_high)],
        marks=marks,
    )


def _frame(narrow: bool) -> tuple[int, int, float, float, float, float]:
    return (360, 340, 46.0, 352.0, 26.0, 292.0) if narrow else (1040, 420, 64.0, 1030.0, 28.0, 372.0)


def _range(values: Floats) -> tuple[float, float]:
    low, high = min(float(values.min(initial=0.0)), 0.0), max(float(values.max(initial=0.0)), 0.0)
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room


def round_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Return round values within the range, about as many as asked for or fewer."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float, *, few: bool) -> list[float]:
    """Round values within a logarithmic range: 1, 2 and 5 of each decade, or fewer where there is no room."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in steps]
        ticks = [t for t in ticks if low <= math.log10(t) <= high]
        if len(ticks) <= (5 if few else 9):
            return ticks
    return ticks


def _path(x: Floats, y: Floats, x_of: Place, y_of: Place, bounds: tuple[float, float]) -> str:
    """Write the part of a line that lies within the frame as an SVG path; empty where there is none."""
    inside = np.isfinite(y) & (y >= bounds[0]) & (y <= bounds[1])
    points = [f"{x_of(float(a)):.1f} {y_of(float(b)):.1f}" for a, b in zip(x[inside], y[inside], strict=True)]
    return "M" + "L".join(points) if len(points) > 1 else ""
