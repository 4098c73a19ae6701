"""What a page tells of changes over time: each unit year by year, and all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.report.listing import Axis, all_of, change, change_span

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from benchmodels.frontier import MalmquistBootstrap, MalmquistFit
    from benchmodels.report.wording import Wording

__all__ = ["PARTS", "Years", "told_of_time"]

# The index, how near to the best, and what the best can do.
PARTS = ("index", "efficiency_change", "technical_change")


class Years:
    """Changes between neighbouring periods and from the first period straight to the last, unit by unit.

    Parameters
    ----------
    fit : MalmquistFit
    drawn, direct : MalmquistBootstrap
        Of the fit, and of one of its first and last period alone.
    """

    def __init__(self, fit: MalmquistFit, drawn: MalmquistBootstrap, direct: MalmquistBootstrap) -> None:
        self.fit, self.drawn, self.direct = fit, drawn, direct
        self.first, self.last = str(fit.panel.period[0]), str(fit.panel.period[-1])
        self.steps, self.ends = _cells(drawn), _cells(direct)
        self.chained = _chained(fit)
        self.chain = {
            unit: dict(zip(PARTS, row, strict=True))
            for unit, row in zip(self.chained["unit"], self.chained[list(PARTS)].to_numpy(), strict=True)
        }
        self.overview = Axis.around(
            [end for of_unit in self.ends.values() for step in of_unit for end in _all(step["index"])], through=0.0,
        )  # fmt: skip

    def whole(self, unit: Any) -> dict[str, dict[str, Any]]:
        """Return the change of a unit from the first period straight to the last; of no value where there is none."""
        lost = {"value": math.nan, "lower": math.nan, "upper": math.nan, "verdict": "withheld"}
        found = self.ends.get(unit)
        return found[0] if found else dict.fromkeys(PARTS, lost)

    def row(self, unit: Any, w: Wording) -> dict[str, Any]:
        """Return what is told of a unit."""
        steps = self.steps.get(unit, [])
        whole, chain = self.whole(unit), self.chain.get(unit, dict.fromkeys(PARTS, math.nan))
        bare = {part: {"value": chain[part], "lower": math.nan, "upper": math.nan, "verdict": ""} for part in PARTS}
        ends = {"first": self.first, "last": self.last}
        # Each unit's years are drawn on its own axis: those of the smallest move ten times as much as others'.
        axis = Axis.around([end for step in [*steps, bare, whole] for end in _all(step["index"])], through=0.0)
        rows = [_line(step, axis, f"{step['from']}–{step['to']}", w) for step in steps]
        rows.append(_line(bare, axis, w("time_chain", **ends), w) | {"sum": True})
        rows.append(_line(whole, axis, w("time_direct", **ends), w) | {"sum": True})
        told: dict[str, Any] = {"rows": rows, "sentence": self._sentence(unit, whole, chain["index"], w)}
        told |= {"ticks": axis.ticks(w, through=0.0, sign=True), "zero": axis.at(0.0)}
        return told | _drawn(whole["index"], self.overview, w)

    def _sentence(self, unit: Any, whole: dict[str, Any], chain: float, w: Wording) -> str:
        ends = {"unit": unit, "first": self.first, "last": self.last}
        index = whole["index"]
        if not math.isfinite(index["value"]):
            return w("time_unknown", **ends)
        share = w.percent(w.number(abs(100 * (index["value"] - 1)), 1))
        told = [w("time_more" if index["value"] >= 1 else "time_less", share=share, **ends)]
        between = change_span(w, index["lower"], index["upper"])
        if between:
            told.append(w("time_between", between=w.percent(between)))
        if between or index["verdict"] != "withheld":
            told.append(w(f"time_verdict_{index['verdict']}", **ends))
        catch, best = (change(w, whole[part]["value"]) for part in PARTS[1:])
        told.append(w("time_parts", catch=catch, best=best))
        if math.isfinite(chain):
            alike = change(w, chain) == change(w, index["value"])
            key = "time_chained_same" if alike else "time_chained"
            told.append(w(key, chain=change(w, chain), direct=change(w, index["value"])))
        return " ".join(told)


def _chained(fit: MalmquistFit) -> pd.DataFrame:
    """Return the chains from the first period to the last; units that came later, or left, have none."""
    chained, period = fit.cumulated(), fit.panel.period
    whole = (chained["from"] == period[0]) & (chained["to"] == period[-1])
    found: pd.DataFrame = chained.loc[whole]
    return found


def _cells(drawn: MalmquistBootstrap) -> dict[Any, list[dict[str, Any]]]:
    """Return what was found of each unit, period by period: of each part ``value, lower, upper, verdict``."""
    shape = drawn.found.shape
    low, high = drawn.interval
    verdict = drawn.to_frame()["verdict"].to_numpy(dtype=object).reshape(shape)
    place = [drawn.names.index(part) for part in PARTS]
    found: dict[Any, list[dict[str, Any]]] = {}
    for i, unit in enumerate(drawn.unit.tolist()):
        step: dict[str, Any] = {"from": str(drawn.earlier[i]), "to": str(drawn.later[i])}
        for part, at in zip(PARTS, place, strict=True):
            step[part] = {"value": float(drawn.found[at, i]), "lower": float(low[at, i]), "upper": float(high[at, i]),
                          "verdict": str(verdict[at, i])}  # fmt: skip
        found.setdefault(unit, []).append(step)
    return found


def _line(step: dict[str, Any], axis: Axis, label: str, w: Wording) -> dict[str, Any]:
    cells = [_drawn(step[part], axis, w) | {"key": f"time_{part}"} for part in PARTS]
    return {"label": label, "cells": cells, "sum": False}


def _all(cell: dict[str, Any]) -> list[float]:
    return [100 * (cell[name] - 1) for name in ("value", "lower", "upper")]


def _drawn(cell: dict[str, Any], axis: Axis, w: Wording) -> dict[str, Any]:
    """Return how a change is written and drawn."""
    value, lower, upper = _all(cell)
    verdict = cell["verdict"]
    return {
        "text": change(w, cell["value"]),
        "span": change_span(w, cell["lower"], cell["upper"]),
        "verdict": w(f"time_word_{verdict}") if verdict in ("progress", "regress", "undecided") else "",
        "there": math.isfinite(value),
        "unsure": verdict == "withheld",
        "known": math.isfinite(lower) and math.isfinite(upper),
        "at": axis.at(value),
    } | axis.reach(lower, upper)


def told_of_time(years: Years, w: Wording) -> dict[str, Any]:
    """Return what is told of all units: rows of the table, how often limits held, and which changes are not known."""
    fit, drawn = years.fit, years.drawn
    rows = [_mean(f"{row['from']}–{row['to']}", row, w) for row in fit.means().to_dict("records")]
    ends = {"first": years.first, "last": years.last}
    logs = np.log(years.chained[list(PARTS)]).mean()
    rows.append(_mean(w("time_chain", **ends), np.exp(logs).to_dict(), w) | {"sum": True})
    of_direct = [years.direct.names.index(part) for part in PARTS]
    with np.errstate(invalid="ignore"):
        straight = np.exp(np.nanmean(np.log(years.direct.found[of_direct]), axis=1))
    straight_row = dict(zip(PARTS, straight.tolist(), strict=True))
    rows.append(_mean(w("time_direct", **ends), straight_row, w) | {"sum": True})
    return {"rows": rows, "held": _held(drawn, w), "lost": _lost(fit, w)}


def _mean(label: str, row: dict[Any, Any], w: Wording) -> dict[str, Any]:
    return {"label": label, "cells": [(f"time_{part}", change(w, float(row[part]))) for part in PARTS], "sum": False}


def _held(drawn: MalmquistBootstrap, w: Wording) -> str:
    """Return how often such limits were seen to hold, and what is therefore not said."""
    coverage = drawn.coverage
    why = w.translated(coverage.simulated)
    if not all(part in coverage.parts for part in PARTS):
        return w("time_held_unknown", why=why)
    index, catch, best = (w.percent(w.number(100 * coverage.parts[part])) for part in PARTS)
    told = w("time_held", why=why, index=index, catch=catch, best=best)
    enough = [part for part in PARTS if part in coverage.enough]
    if len(enough) == len(PARTS):
        return f"{told} {w('time_held_all')}"
    if not enough:
        return f"{told} {w('time_held_none')}"
    return f"{told} {w('time_held_some', parts=all_of(w, _small(enough, w)))}"


def _small(parts: Sequence[str], w: Wording) -> list[str]:
    return [w(f"time_{part}")[:1].lower() + w(f"time_{part}")[1:] for part in parts]


def _lost(fit: MalmquistFit, w: Wording) -> str:
    status: NDArray[np.object_] = fit.status
    told = [
        w("time_lost", number=w.number(int((status == kind).sum())), why=w(f"time_lost_{kind.replace(' ', '_')}"))
        for kind in ("infeasible", "absent", "not solved")
        if (status == kind).any()
    ]
    return " ".join(told)
