"""The page of an audit: what was printed, what the tables give, and where the two part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmodels.errors import SpecificationError
from benchmodels.report.templating import part, template
from benchmodels.report.wording import Lang, wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmodels.report.wording import Wording

__all__ = ["VERDICTS", "AuditedClaim", "AuditedDocument", "audit_lines", "render_audit"]

Verdict = Literal["confirmed", "rounding", "contradicted", "not computable"]
VERDICTS: tuple[Verdict, ...] = ("contradicted", "not computable", "rounding", "confirmed")


@dataclass(frozen=True, kw_only=True)
class AuditedClaim:
    """One claim as a page tells it.

    Parameters
    ----------
    id, where, quote : str
    verdict : str
    kind : str
        What was worked out.
    published, unit : str
        As printed.
    computed, lower, upper : float
        NaN where not computable; in the unit of measure of the printed number.
    half : float
        Half a unit of the last printed digit.
    precision : str
        The unit that the document rounds to, where its zeros say more; else empty.
    reason, note : str
        What is missing; what to know.
    faulty : bool
        It is the file of claims that lacks it, and not the document.
    cells : tuple of (str, tuple of (str, float))
        For each argument its cells, as address and number.
    aside : tuple of float, optional
        Value and limits from other printed numbers of the document.
    own : bool
        False for a printed total.
    """

    id: str
    where: str
    quote: str
    verdict: Verdict
    kind: str
    published: str
    unit: str
    computed: float
    lower: float
    upper: float
    half: float
    precision: str = ""
    reason: str = ""
    faulty: bool = False
    note: str = ""
    cells: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()
    aside: tuple[float, float, float] | None = None
    own: bool = True


@dataclass(frozen=True, kw_only=True)
class AuditedDocument:
    """A document and its claims, in its own order; `lang` is the language of its words.

    `seen` says whether "all", "some" or "none" of the printed numbers were read in print or a public copy of it.
    """

    id: str
    title: str
    source: str
    lang: Lang
    topic: str
    data_note: str
    seen: Literal["all", "some", "none"]
    unused: int
    claims: tuple[AuditedClaim, ...]

    def counts(self) -> dict[str, int]:
        """Return how many claims there are of each verdict."""
        return {verdict: sum(claim.verdict == verdict for claim in self.claims) for verdict in VERDICTS}


def render_audit(
    documents: Sequence[AuditedDocument],
    *,
    lang: Lang,
    version: str,
    date: str,
    command: str = "",
    files: Sequence[tuple[str, str]] = (),
) -> str:
    """Write the page of an audit: one file that needs no server, no network and no other file.

    Parameters
    ----------
    documents : sequence of AuditedDocument
    lang : {"da", "en"}
        Language of the page; quotes and notes stay in the document's own.
    version, date : str
        Of benchmodels and of the calculation.
    command : str
        The command that repeats the calculation.
    files : sequence of (str, str)
        Key of a label and relative place.
    """
    if not documents:
        raise SpecificationError("an audit needs at least one document")
    w = wording(lang)
    views = [_document_view(document, w) for document in documents]
    total = {verdict: sum(view["counts"][verdict] for view in views) for verdict in VERDICTS}
    return template("audit.html.j2").render(
        lang=lang,
        w=w,
        documents=views,
        total=total,
        verdicts=VERDICTS,
        version=version,
        date=date,
        command=command,
        files=[(w(key), place) for key, place in files],
        css=part("page.css"),
    )


def audit_lines(document: AuditedDocument, *, lang: Lang) -> list[tuple[str, str]]:
    """Return what a terminal shows of a document: a verdict, and a line in words, the worst first.

    Confirmed numbers are counted and not listed, nor are printed totals that are off by their rounding; numbers that
    lack the same are one line.
    """
    w = wording(lang)
    lines: list[tuple[str, str]] = []
    for verdict in ("contradicted", "rounding"):
        found = [
            claim for claim in document.claims if claim.verdict == verdict and (claim.own or verdict != "rounding")
        ]
        for claim in found:
            said = [_told(claim, w), claim.note, _from_others(claim, w)]
            lines.append((verdict, f"{claim.where}: »{claim.quote}«. {' '.join(filter(None, said))}"))
    missing = [claim for claim in document.claims if claim.verdict == "not computable"]
    for told in dict.fromkeys(_told(claim, w) for claim in missing):
        quotes = ", ".join(f"»{claim.quote}«" for claim in missing if _told(claim, w) == told)
        lines.append(("not computable", f"{quotes}. {told}"))
    return lines


def _from_others(claim: AuditedClaim, w: Wording) -> str:
    """Say what other printed numbers of the document give."""
    if claim.aside is None:
        return ""
    value, lower, upper = (_amount(part, claim, w) for part in claim.aside)
    return w("audit_aside", value=value, lower=lower, upper=upper)


def _told(claim: AuditedClaim, w: Wording) -> str:
    """Say what was printed beside what was found, or what is missing."""
    printed = _printed(claim, w)
    if claim.verdict == "not computable":
        return w("audit_fault" if claim.faulty else "audit_missing", reason=claim.reason)
    found = _amount(claim.computed, claim, w)
    text = w("audit_told", printed=printed, found=found)
    if claim.verdict == "rounding":
        lower, upper = (_amount(end, claim, w, more=1) for end in (claim.lower, claim.upper))
        text += " " + w("audit_range", lower=lower, upper=upper)
    return text


def _printed(claim: AuditedClaim, w: Wording) -> str:
    text = claim.published
    if text.startswith("-"):  # typed with the hyphen of a keyboard
        text = w.table["minus"] + text[1:]
    printed = _with_unit(text, claim, w)
    return w("audit_precision", printed=printed, unit=claim.precision) if claim.precision else printed


def _amount(value: float, claim: AuditedClaim, w: Wording, *, more: int = 0) -> str:
    return _with_unit(w.number(value, _decimals(claim) + more), claim, w)


def _with_unit(number: str, claim: AuditedClaim, w: Wording) -> str:
    """Write a number with its unit of measure; a place in an order as one, and '1.000 kr.' apart from the number."""
    if claim.kind == "rank":
        return w("audit_place", number=number)
    unit = f"({claim.unit})" if any(digit.isdigit() for digit in claim.unit) else claim.unit
    return f"{number} {unit}".strip()


def _decimals(claim: AuditedClaim) -> int:
    """Return two decimals more than were printed, so that a difference can be seen; none for whole counts."""
    if claim.kind in ("rank", "count"):
        return 0
    whole = claim.half >= 0.5 and math.isfinite(claim.computed) and claim.computed == round(claim.computed)
    if whole and claim.unit not in ("%", "pct."):
        return 0
    return min(max(2 - math.floor(math.log10(2 * claim.half) + 0.5), 0), 12) if claim.half > 0 else 6


def _document_view(document: AuditedDocument, w: Wording) -> dict[str, Any]:
    rows = [_row(claim, w) for claim in document.claims]
    return {
        "document": document,
        "counts": document.counts(),
        "rows": rows,
        "of": {verdict: [row for row in rows if row["claim"].verdict == verdict] for verdict in VERDICTS},
        "orders": sum(claim.kind == "rank" for claim in document.claims),
    }


def _row(claim: AuditedClaim, w: Wording) -> dict[str, Any]:
    known = claim.verdict != "not computable"
    key = f"audit_kind_{claim.kind}"
    return {
        "claim": claim,
        "printed": _printed(claim, w),
        "found": _amount(claim.computed, claim, w) if known else w("no_value"),
        "between": _between(claim, w),
        "told": _told(claim, w),
        "kind": w(key) if key in w.table else claim.kind,
        "aside": _from_others(claim, w),
        "cells": _cell_rows(claim.cells, w),
    }


def _between(claim: AuditedClaim, w: Wording) -> str:
    """Return the limits over the rounding of the cells, where they can be told apart."""
    lower, upper = (w.number(end, _decimals(claim) + 1) for end in (claim.lower, claim.upper))
    return w("span", lower=lower, upper=upper) if lower != upper else ""


def _cell_rows(cells: Sequence[tuple[str, Sequence[tuple[str, float]]]], w: Wording) -> list[tuple[str, str, str]]:
    rows = []
    for name, group in cells:
        key = f"audit_argument_{name}"
        label = w(key) if key in w.table else name
        for address, value in group:
            decimals = 0 if value == round(value) else min(len(repr(value).partition(".")[2]), 6)
            rows.append((label, address.replace(" | ", " · "), w.number(value, decimals)))
    return rows
