"""Pages of one list of units, each of which opens: what they have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmodels.report.templating import part, template
from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmodels.report.chapter import Labels
    from benchmodels.report.wording import Wording

__all__ = ["Axis", "all_of", "change", "change_span", "render_listing"]


def all_of(w: Wording, names: Sequence[str]) -> str:
    """Return names in a row, as they stand in a sentence."""
    return names[0] if len(names) == 1 else w("and", first=", ".join(names[:-1]), last=names[-1])


def render_listing(
    name: str,
    *,
    w: Wording,
    labels: Labels,
    rows: Sequence[dict[str, Any]],
    tiles: Sequence[tuple[str, str, str]],
    source: str,
    simulated: bool,
    notes: Sequence[str],
    version: str,
    date: str,
    notice: str,
    command: str,
    files: Sequence[tuple[str, str]],
    **rest: object,
) -> str:
    """Write a page of one list of units.

    Parameters
    ----------
    name : str
        Of the template, which extends that of lists, and of its style.
    w : Wording
    labels : Labels
    rows : sequence of dict
        What is told of each unit, with its label as ``unit``, in the order of the page.
    tiles : sequence of (str, str, str)
        Figures of all units: value, what it is, and a note.
    source : str
        Of the data, as they say it.
    simulated : bool
    notes : sequence of str
        Warnings of the calculation, in English.
    version, date, notice, command, files
        As the page's own function documents.
    **rest
        What the template asks for besides.

    Returns
    -------
    str
        HTML with style and script inside.
    """
    nothing = w("simulated_label").lower() if simulated else w("no_value")
    return template(f"{name}.html.j2").render(
        lang=w.lang,
        w=w,
        labels=labels,
        simulated=simulated,
        notice=(notice or w("simulated")) if simulated else "",
        rows=rows,
        by_name=sorted(range(len(rows)), key=lambda i: w.order(rows[i]["unit"])),
        tiles=tiles,
        notes=[first_upper(w.translated(note)) for note in notes],
        sources=[*labels.sources, *([w.translated(source)] if source else [])],
        cite=w("cite", title=labels.title, version=version, date=date, source="; ".join(labels.sources) or nothing),
        command=command,
        files=files,
        css=[part(f"{style}.css") for style in ("page", "list", name)],
        js=part("list.js"),
        **rest,
    )


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis that values of all units are drawn on.

    Parameters
    ----------
    low, high : float
        Ends.
    step : float
        Between ticks.
    """

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, values: Iterable[float], *, through: float, most: int = 8) -> Axis:
        """Return an axis from whole steps around all finite values and one that is to be on it, of `most` steps."""
        known = [value for value in values if math.isfinite(value)] + [through]
        low, high = min(known), max(known)
        for step in (1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0):
            first, last = math.floor(low / step), math.ceil(high / step)
            if last - first <= most:
                break
        last = max(last, first + 1)
        return cls(low=first * step, high=last * step, step=step)

    def at(self, value: float) -> float:
        """Return where a value stands, in per cent of the width; 0 where there is none."""
        if not math.isfinite(value):
            return 0.0
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def reach(self, lower: float, upper: float) -> dict[str, float]:
        """Return where a bar between two values, in any order, begins, and how wide it is."""
        left, right = sorted((self.at(lower), self.at(upper)))
        return {"left": left, "width": round(right - left, 2)}

    def ticks(self, w: Wording, *, through: float, sign: bool) -> list[tuple[float, str]]:
        """Return where the ticks stand, and what is written there, in per cent; one of them is `through`.

        Every other where they would stand too close.
        """
        every = self.step * (1 if self.high - self.low <= 5 * self.step else 2)
        first = through - every * math.floor((through - self.low) / every)
        values = [first + every * j for j in range(math.floor((self.high - first) / every) + 1)]
        return [(self.at(value), w.percent(w.number(value, sign=sign))) for value in values]


def change(w: Wording, factor: float) -> str:
    """Write a factor as the change it makes, in per cent."""
    return w.percent(w.number(100 * (factor - 1), 1, sign=True)) if math.isfinite(factor) else w("no_value")


def change_span(w: Wording, lower: float, upper: float) -> str:
    """Write an interval of factors as changes in per cent, in short; nothing where there is none."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return ""
    return w.span(100 * (lower - 1), 100 * (upper - 1), 1)
