"""What units chose and what goes with it, in words: a fold of the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    import pandas as pd

    from benchmodels.report.chapter import Chapter
    from benchmodels.report.wording import Wording

__all__ = ["choices_view"]

_LEAST_P = 0.001


def choices_view(chapter: Chapter, w: Wording) -> dict[str, Any]:
    """Return the fold of steering choices as text; empty where the study names none.

    Parameters
    ----------
    chapter : Chapter
    w : Wording
        With the words of the chapter.

    Returns
    -------
    dict
        `withheld`, why there is nothing; or `units`, `caption`, `groups` (a choice each, with its rows) and `left`,
        what is left between units.
    """
    table = chapter.choices
    if table is None or table.empty:
        return {}
    why = str(table["withheld"].iloc[0])
    if why:
        return {"withheld": w("choices_withheld", why=w.translated(why))}
    log = str(table["measure"].iloc[0]) != "difference"
    units, i2, r2 = (float(table[name].iloc[0]) for name in ("units", "i2", "r2"))
    left = w("choices_left", tau=_tau(chapter, w, table, log=log), share=w.percent(w.number(100 * i2)))
    if math.isfinite(r2):
        left += " " + w("choices_taken", share=w.percent(w.number(100 * r2)))
    return {
        "withheld": "",
        "units": w("choices_units", number=w.number(units)),
        "caption": w("choices_caption_ratio") if log else w("choices_caption"),
        "groups": [_group(chapter, w, rows, log=log) for choice, rows in table.groupby("choice", sort=False) if choice],
        "left": left,
    }


def _group(chapter: Chapter, w: Wording, rows: pd.DataFrame, *, log: bool) -> dict[str, Any]:
    """Return one choice: categories under the one they are held against, or a number by itself."""
    terms, first = chapter.labels.terms, rows.iloc[0]
    choice, reference = first_upper(chapter.labels.term(str(first["choice"]))), str(first["reference"])
    title = w("choices_against", choice=choice, reference=terms.get(reference, reference)) if reference else ""
    if len(rows) > 1:
        title += " " + w("choices_together", p=_p(w, float(first["p_choice"])))
    told = []
    for record in rows.to_dict("records"):
        category = str(record["category"])
        name = first_upper(terms.get(category, category)) if category else w("choices_unit", choice=choice)
        told.append((name, *_cells(chapter, w, record, log=log)))
    return {"title": title, "rows": told}


def _cells(chapter: Chapter, w: Wording, record: dict[Any, Any], *, log: bool) -> tuple[str, str, str]:
    """Return estimate, interval and p, with the decimals that the standard error gives meaning to."""
    estimate, lower, upper = (float(record[name]) for name in ("estimate", "lower", "upper"))
    error = float(record["std_error"])
    if log:
        estimate, lower, upper = (100.0 * float(np.expm1(value)) for value in (estimate, lower, upper))
        error *= 100.0
    decimals = min(max(1 - math.floor(math.log10(error)), 0), 6) if error > 0 else chapter.decimals
    return w.number(estimate, decimals, sign=True), w.span(lower, upper, decimals), _p(w, float(record["p"]))


def _tau(chapter: Chapter, w: Wording, table: pd.DataFrame, *, log: bool) -> str:
    tau = float(table["tau"].iloc[0])
    if log:
        return w.percent(w.number(100.0 * tau, 1))
    return w.amount(tau, chapter.labels.measure, max(chapter.decimals, 1))


def _p(w: Wording, p: float) -> str:
    return w("choices_p_less", least=w.number(_LEAST_P, 3)) if p < _LEAST_P else w.number(p, 3)
