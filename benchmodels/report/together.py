"""What a page tells of units together: each unit with its neighbours, and all pairs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.report.listing import Axis, all_of, change, change_span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier import MergerBootstrap
    from benchmodels.report.wording import Wording

    Codes = NDArray[np.intp]

__all__ = ["STEPS", "Partners", "told_of_pairs"]

STEPS = ("learning", "harmony", "size")
# Pairs in the table of all, and partners that are named in a sentence.
_PAIRS, _NAMED = 10, 4


class Partners:
    """Pairs of neighbours, unit by unit, the most to gain by the merger itself first.

    Parameters
    ----------
    drawn : MergerBootstrap
        Of pairs whose inputs fall.
    """

    def __init__(self, drawn: MergerBootstrap) -> None:
        self.drawn, self.gains = drawn, drawn.gains
        gains, frame = drawn.gains, drawn.to_frame()
        self.cells = [
            {str(row["part"]): row for row in rows}
            for rows in np.array_split(np.array(frame.to_dict("records"), dtype=object), len(gains))
        ]
        members = [gains.groups.members(i) for i in range(len(gains))]
        self.pairs: dict[Any, list[tuple[int, Any]]] = {unit: [] for unit in gains.fit.unit.tolist()}
        order = np.argsort(-np.nan_to_num(gains.by_merging, nan=-np.inf), kind="stable")
        for i in order.tolist():
            one, other = members[i]
            self.pairs[one].append((i, other))
            self.pairs[other].append((i, one))
        self.members = members
        merged = [self.cells[i]["corrected"] for i in range(len(gains))]
        best = [merged[pairs[0][0]] for pairs in self.pairs.values() if pairs]
        ends = [100 * (row[name] - 1) for row in best for name in ("value", "lower", "upper")]
        self.overview = Axis.around(ends, through=0.0)

    def _way(self, i: int) -> list[float]:
        """Return where the parts of a pair begin and end: today, after learning, harmony and size."""
        steps = [float(getattr(self.gains, step)[i]) for step in STEPS]
        return [1.0, steps[0], steps[0] * steps[1], steps[0] * steps[1] * steps[2]]

    def row(self, unit: Any, w: Wording) -> dict[str, Any]:
        """Return what is told of a unit."""
        pairs = self.pairs[unit]
        solved = [pair for pair in pairs if self.gains.status[pair[0]] == "solved"]
        first = _written(self.cells[solved[0][0]]["corrected"] if solved else None, self.overview, w)
        axis = Axis.around([100 * end for i, _ in solved for end in self._way(i)], through=100.0)
        told = {
            "rows": [self._partner(i, other, axis, w) for i, other in solved],
            "ticks": axis.ticks(w, through=100.0, sign=False),
            "zero": axis.at(100.0),
            "lost": self._lost(pairs, w),
            "why": self._why(solved, w),
            "sentence": w("together_alone", unit=unit),
            "partner": str(solved[0][1]) if solved else "",
        } | first
        if pairs and not solved:
            told["sentence"] = w("together_none", unit=unit)
        elif solved:
            told["sentence"] = f"{self._sentence(unit, solved, w)} {self._others(solved, w)}"
        return told

    def _partner(self, i: int, other: Any, axis: Axis, w: Wording) -> dict[str, Any]:
        way = self._way(i)
        bars = [
            {"kind": step, "up": way[j + 1] > way[j]} | axis.reach(100 * way[j], 100 * way[j + 1])
            for j, step in enumerate(STEPS)
        ]
        cells = [(f"together_{step}", _written(self.cells[i][step], axis, w)) for step in STEPS]
        merged = self.cells[i]["corrected"]
        verdict = str(merged["verdict"]).replace(" ", "_")
        return {
            "partner": str(other),
            "bars": bars,
            "end": axis.at(100 * way[3]),
            "total": w.percent(w.number(100 * way[3], 1)),
            "cells": cells,
            "merged": _written(merged, self.overview, w),
            "verdict": w(f"together_word_{verdict}"),
        }

    def _sentence(self, unit: Any, solved: list[tuple[int, Any]], w: Wording) -> str:
        i, other = solved[0]
        learning = float(self.gains.learning[i])
        alone = float(self.gains.corrected[i])
        share = w.percent(w.number(abs(100 * (alone - 1)), 1))
        key = "together_saves" if alone < 1 else "together_costs"
        if round(abs(100 * (alone - 1)), 1) == 0:
            key = "together_even"
        count = "together_first" if len(solved) > 1 else "together_only"
        told = [w(count, unit=unit, partner=other, number=w.number(len(solved))), w(key, share=share)]
        verdict = str(self.cells[i]["corrected"]["verdict"]).replace(" ", "_")
        if verdict != "withheld":
            told.append(w(f"together_verdict_{verdict}"))
        if round(100 * (1 - learning), 1) > 0:
            told.append(w("together_learning_is", share=w.percent(w.number(100 * (1 - learning), 1))))
        else:
            told.append(w("together_learning_none"))
        return " ".join(told)

    def _others(self, solved: list[tuple[int, Any]], w: Wording) -> str:
        """Return which of a unit's partners may be the best, all of them at once."""
        at = np.array([i for i, _ in solved], dtype=np.intp)
        own = replace(self.drawn, gains=self.gains.some(at), errors=self.drawn.errors[:, at])
        if len(solved) < 2:
            return ""
        if not np.any(own.withheld == ""):
            return w("together_unsaid")
        best = own.best()
        names = self.gains.groups.name
        may = set(best.loc[best["may_be_best"], "group"].tolist())
        # Of those without an interval nothing can be excluded.
        may |= {names[i] for i, reason in zip(at.tolist(), own.withheld, strict=True) if reason}
        others = [str(other) for i, other in solved[1:] if names[i] in may]
        if not others:
            return w("together_surely", partner=solved[0][1])
        if len(others) == len(solved) - 1:
            return w("together_any")
        if len(others) > _NAMED:
            return w("together_many", number=w.number(len(others)))
        return w("together_also", partners=all_of(w, others))

    def _lost(self, pairs: list[tuple[int, Any]], w: Wording) -> str:
        """Return which partners have no answer, and why."""
        told = []
        for status in ("infeasible", "mean infeasible", "unbounded", "not solved"):
            others = [str(other) for i, other in pairs if self.gains.status[i] == status]
            if others:
                why = w(f"together_lost_{status.replace(' ', '_')}")
                told.append(w("together_lost", partners=all_of(w, others), why=why))
        return " ".join(told)

    def _why(self, solved: list[tuple[int, Any]], w: Wording) -> str:
        """Return of which partners it is not said whether merging is a gain, and why."""
        reasons: dict[str, list[str]] = {}
        for i, other in solved:
            reason = str(self.cells[i]["corrected"]["why"])
            if reason:
                reasons.setdefault(reason, []).append(str(other))
        return " ".join(
            w("together_withheld", partners=all_of(w, others), why=w.translated(reason))
            for reason, others in reasons.items()
        )


def _written(cell: dict[str, Any] | None, axis: Axis, w: Wording) -> dict[str, Any]:
    """Return how a factor is written and drawn."""
    value, lower, upper = (math.nan,) * 3 if cell is None else (cell[name] for name in ("value", "lower", "upper"))
    ends = [100 * (end - 1) for end in (value, lower, upper)]
    return {
        "text": change(w, value),
        "span": change_span(w, lower, upper),
        "there": math.isfinite(value),
        "unsure": cell is None or cell["verdict"] == "withheld",
        "known": math.isfinite(lower) and math.isfinite(upper),
        "at": axis.at(ends[0]),
    } | axis.reach(ends[1], ends[2])


def told_of_pairs(partners: Partners, w: Wording) -> dict[str, Any]:
    """Return what is told of all pairs: sentences, the pairs with most to gain, and how often limits held."""
    gains, drawn = partners.gains, partners.drawn
    status, alone = gains.status, gains.corrected
    solved = status == "solved"
    verdict = drawn.verdicts("corrected")
    number = {
        "asked": len(gains),
        "solved": solved.sum(),
        "less": (solved & (alone < 1)).sum(),
        "gain": (verdict == "gain").sum(),
        "cost": (verdict == "cost").sum(),
        "open": (verdict == "not different").sum(),
        "withheld": (solved & (verdict == "withheld")).sum(),
    }
    counted = {name: w.number(int(value)) for name, value in number.items()}
    told = [w("together_counted", **counted)]
    for kind in ("infeasible", "mean infeasible", "unbounded", "not solved"):
        if n := int((status == kind).sum()):
            why = w(f"together_lost_{kind.replace(' ', '_')}")
            of = [name for name, one in zip(gains.groups.name, status, strict=True) if one == kind]
            of = of[:_PAIRS] + (["…"] if len(of) > _PAIRS else [])
            told.append(w("together_uncounted", number=w.number(n), why=why, pairs=", ".join(map(str, of))))
    return {"told": told, "rows": _top(partners, w), "held": _held(drawn, w), "counted": counted}


def _top(partners: Partners, w: Wording) -> list[dict[str, Any]]:
    gains, drawn = partners.gains, partners.drawn
    known = np.any(drawn.withheld == "")
    best = drawn.best().set_index("group") if known else None
    names = gains.groups.name
    order = np.argsort(np.where(gains.status == "solved", gains.corrected, np.inf), kind="stable")
    rows = []
    for i in order[: min(_PAIRS, int((gains.status == "solved").sum()))].tolist():
        place = w("no_value")
        if best is not None and names[i] in best.index:
            ranks = best.loc[names[i]]
            place = w("span", lower=w.number(int(ranks["best_rank"])), upper=w.number(int(ranks["worst_rank"])))
        cells = [(f"together_{step}", change(w, float(getattr(gains, step)[i]))) for step in STEPS]
        rows.append(
            {
                "pair": " + ".join(map(str, partners.members[i])),
                "cells": cells,
                "merged": _written(partners.cells[i]["corrected"], partners.overview, w),
                "place": place,
            }
        )
    return rows


def _held(drawn: MergerBootstrap, w: Wording) -> str:
    """Return how often such limits were seen to hold, and of what it is therefore not said which way it goes."""
    held = drawn.held
    if not all(math.isfinite(held[part]) for part in ("corrected", *STEPS)):
        return w("together_held_unknown")
    share = {part: w.percent(w.number(100 * held[part])) for part in ("corrected", *STEPS, "best")}
    return w("together_held", **share)
