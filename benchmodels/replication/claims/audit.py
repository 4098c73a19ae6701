"""The audit of a published comparison: each claim worked out anew from the tables it rests on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from benchmodels.replication.claims.cells import Cell, Grid, read_grids
from benchmodels.replication.claims.fits import FIT_KINDS, Fitted, fitted
from benchmodels.replication.claims.kinds import SHARES, Computed, work_out
from benchmodels.replication.claims.printed import Printed, PrintLanguage, read_printed
from benchmodels.replication.claims.specification import ARGUMENT_NAMES, Claim, Claims
from benchmodels.replication.claims.units import factor, money

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Audit", "AuditedNumber", "Verdict", "audit_claims"]

Verdict = Literal["confirmed", "rounding", "contradicted", "not computable"]
VERDICTS: tuple[Verdict, ...] = ("confirmed", "rounding", "contradicted", "not computable")
# Binary fractions of decimal figures: a difference of exactly half a unit is not to hang on the last bit of a sum.
_SLACK = 1e-14
_UNSCALED = ("rank", "count", "share", "ratio", "growth", "share_of_growth", "contribution", "growth_of_ratio")


@dataclass(frozen=True, kw_only=True)
class AuditedNumber:
    """What became of one claim.

    Parameters
    ----------
    claim : Claim
    id : str
        Of the claim; with the unit or term where one claim holds several numbers.
    printed : Printed
        The published number.
    verdict : str
        "confirmed": within half a unit of the last printed digit. "rounding": within it for some figures that round
        to the printed cells. "contradicted": for none. "not computable": something is missing.
    computed, lower, upper : float
        The number worked out, and its limits over the rounding of the cells; in the claim's unit of measure. NaN
        where not computable.
    reason : str
        What is missing; else empty.
    arguments : dict of str to tuple of Cell
        All that the number rests on, by the part it plays.
    aside : Computed or None
        The same from other printed numbers of the document, which may explain a number and never confirms it.
    own : bool
        False for a printed total, which is a claim that the table makes of itself.
    """

    claim: Claim
    id: str
    printed: Printed
    verdict: Verdict
    computed: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    reason: str = ""
    arguments: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict)
    aside: Computed | None = None
    own: bool = True

    @property
    def faulty(self) -> bool:
        """Whether it is the file of claims that lacks something, and not the document."""
        return self.verdict == "not computable" and self.claim.missing is None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, once each."""
        return tuple(dict.fromkeys(cell for cells in self.arguments.values() for cell in cells))


@dataclass(frozen=True, eq=False, kw_only=True)
class Audit:
    """All numbers of one document, in its own order.

    Parameters
    ----------
    claims : Claims
    numbers : tuple of AuditedNumber
        Statements first, then printed totals.
    unused : tuple of Cell
        Cells that no claim rests on: a fault in them would pass unseen.
    """

    claims: Claims
    numbers: tuple[AuditedNumber, ...]
    unused: tuple[Cell, ...] = field(default=(), repr=False)

    def counts(self) -> dict[str, int]:
        """Return how many claims there are of each verdict."""
        return {verdict: sum(f.verdict == verdict for f in self.numbers) for verdict in VERDICTS}

    def of(self, verdict: Verdict) -> list[AuditedNumber]:
        """Return the numbers of one verdict."""
        return [found for found in self.numbers if found.verdict == verdict]

    @property
    def ok(self) -> bool:
        """Whether nothing is contradicted, and nothing is missing but what the document itself does not publish."""
        return all(number.verdict != "contradicted" and not number.faulty for number in self.numbers)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a claim."""
        return pd.DataFrame(
            {
                "id": [f.id for f in self.numbers],
                "verdict": [f.verdict for f in self.numbers],
                "where": [f.claim.where for f in self.numbers],
                "quote": [f.claim.quote for f in self.numbers],
                "kind": [f.claim.kind for f in self.numbers],
                "published": [f.printed.text for f in self.numbers],
                "half_unit": [f.printed.half for f in self.numbers],
                "unit": [f.claim.unit for f in self.numbers],
                "computed": [f.computed for f in self.numbers],
                "lower": [f.lower for f in self.numbers],
                "upper": [f.upper for f in self.numbers],
                "reason": [f.reason for f in self.numbers],
                "note": [f.claim.note for f in self.numbers],
                "cells": ["; ".join(cell.address for cell in f.cells) for f in self.numbers],
            }
        )

    def to_json(self) -> str:
        """Return the document and every number as JSON; a number that does not exist is null."""
        rows = [
            {str(key): None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
            for row in self.to_frame().to_dict("records")
        ]
        document = self.claims.document.model_dump(mode="json")
        content = {"document": document, "verdicts": self.counts(), "numbers": rows}
        return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)


def audit_claims(
    claims: Claims,
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Audit:
    """Work out every claim of a document and hold it against what was printed.

    Parameters
    ----------
    claims : Claims
    tables : mapping of str to DataFrame, optional
        Frames that take the place of the file's tables, by name.
    progress : callable, optional
        Called with claims done, claims in all, and the claim's id.

    Returns
    -------
    Audit

    Raises
    ------
    SpecificationError
        A unit of measure cannot be told in another, or `tables` names a table that is not there.

    Examples
    --------
    >>> from benchmodels.replication import published, read_claims
    >>> audit = audit_claims(read_claims(published()["kkr-midtjylland-2023"]))
    >>> [found.claim.quote for found in audit.of("contradicted")][:1]
    ['fra 53,1 mia. kr. i 2018']
    """
    grids = read_grids(claims, tables=tables)
    sound = [grid for grid in grids.values() if isinstance(grid, Grid)]
    every: list[tuple[Claim, Cell | None]] = [(claim, None) for claim in claims.claims]
    every += [total for grid in sound for total in _totals(grid, claims)]
    fits: dict[str, Fitted | BenchmodelsError] = {}
    stated = {claim.id: claim for claim in claims.claims}
    numbers: list[AuditedNumber] = []
    for done, (claim, total) in enumerate(every):
        if progress is not None:
            progress(done, len(every), claim.id)
        if claim.kind in FIT_KINDS:
            numbers += _of_fit(claim, claims, grids, fits)
        else:
            numbers.append(_of_cells(claim, claims, grids, total=total, stated=stated))
    used = {cell.address for number in numbers for cell in number.cells}
    fitted_tables = {fit.table for fit in claims.fits.values()}
    unused = [
        cell
        for grid in sound
        if grid.name not in fitted_tables
        for cell in grid.cells.values()
        if cell.address not in used
    ]
    return Audit(claims=claims, numbers=tuple(numbers), unused=tuple(unused))


def _totals(grid: Grid, claims: Claims) -> Iterable[tuple[Claim, Cell]]:
    """Give each printed total as a claim that the table makes: it is the sum of what stands above it."""
    name = grid.spec.total
    cells = [grid.cells[name, column] for column in grid.columns if name is not None and (name, column) in grid.cells]
    taken = {claim.id for claim in claims.claims}
    for place, cell in enumerate(cells, start=1):
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", f"total-{grid.name}-{cell.column}")[:100].rstrip("-")
        name_of_claim = readable if readable not in taken else f"{readable}-{place}-of-table"
        content = {
            "id": name_of_claim,
            "where": grid.spec.title,
            "quote": f"{name} {cell.column}",
            "kind": "sum",
            "published": _as_printed(cell, claims.document.language),
            "unit": grid.spec.unit,
            "of": [f"{grid.name} | * | {cell.column}"],
        }
        taken.add(name_of_claim)
        yield Claim.model_validate(content), cell


def _as_printed(cell: Cell, language: PrintLanguage) -> str:
    """Return a cell with the decimals that its precision tells of; all of them where it is exact."""
    if cell.half > 0:
        decimals = max(round(-math.log10(2 * cell.half)), 0)
    else:
        decimals = len(f"{cell.value:.12f}".rstrip("0").partition(".")[2])
    text = f"{cell.value:,.{decimals}f}"
    return text.translate(str.maketrans(",.", ".,")) if language == "da" else text


def _of_cells(
    claim: Claim,
    claims: Claims,
    grids: Mapping[str, Grid | DataError],
    *,
    total: Cell | None,
    stated: Mapping[str, Claim],
) -> AuditedNumber:
    text = str(claim.published)
    if total is None:
        printed = read_printed(text, language=claims.document.language, precision=claim.precision)
    else:
        printed = Printed(text, total.value, total.half)
    known: dict[str, Any] = {"claim": claim, "id": claim.id, "printed": printed, "own": total is None}
    try:
        aside = _aside(claim, claims, grids, stated)
        if claim.missing is not None:
            return AuditedNumber(**known, verdict="not computable", reason=claim.missing, aside=aside)
        given = {name: getattr(claim, name) for name in ARGUMENT_NAMES if getattr(claim, name) is not None}
        cells = {name: _groups(claim, addresses, grids) for name, addresses in given.items()}
        common, unit = _in_one_unit(cells, grids)
        computed = work_out(claim, common)
        times = _factor(claim, unit)
    except BenchmodelsError as error:
        return AuditedNumber(**known, verdict="not computable", reason=str(error))
    told = Computed(computed.value * times, computed.lower * times, computed.upper * times)
    arguments = {name: tuple(cell for group in groups for cell in group) for name, groups in cells.items()}
    largest = max(abs(cell.value) for groups in common.values() for group in groups for cell in group) * times
    return AuditedNumber(
        **known,
        verdict=_verdict(printed, told, scale=0.0 if claim.kind in _UNSCALED else largest),
        computed=told.value,
        lower=told.lower,
        upper=told.upper,
        arguments=arguments if total is None else {**arguments, "printed": (total,)},
        aside=aside,
    )


def _groups(claim: Claim, addresses: list[str], grids: Mapping[str, Grid | DataError]) -> list[list[Cell]]:
    """Return the cells of each address; a star in a rank is each of its cells by itself."""
    found: list[list[Cell]] = []
    for address in addresses:
        cells = _cells(address, grids)
        found += [[cell] for cell in cells] if claim.kind == "rank" and "*" in address.split(" | ") else [cells]
    return found


def _cells(address: str, grids: Mapping[str, Grid | DataError]) -> list[Cell]:
    table, row, column = (part.strip() for part in address.split(" | "))
    grid = grids[table]
    if isinstance(grid, DataError):
        raise grid
    return grid.find(row, column)


def _in_one_unit(
    cells: Mapping[str, list[list[Cell]]], grids: Mapping[str, Grid | DataError], units: Mapping[str, str] | None = None
) -> tuple[Mapping[str, list[list[Cell]]], str]:
    """Return the cells in one unit of measure, and which: amounts of money of unlike tables in kroner.

    What there is one of for each (persons) has a unit of measure of its own, and so may what a ratio is divided by.
    """
    names = dict(units or {})
    for groups in cells.values():
        for cell in (cell for group in groups for cell in group):
            grid = grids.get(cell.table)
            names.setdefault(cell.table, grid.spec.unit if isinstance(grid, Grid) else "")
    top = [c for name, groups in cells.items() if name not in ("per", "per_base") for group in groups for c in group]
    there = {names[cell.table] for cell in top}
    if len({"".join(unit.split()).casefold() for unit in there}) == 1:
        return cells, there.pop()
    worth = {table: money(unit) for table, unit in names.items()}
    if any(worth[cell.table] is None for cell in top):
        if "base" in cells and len(cells) == 2:  # cost per person: two units of measure, each of its own
            return cells, ""
        raise SpecificationError(f"figures in unlike units of measure: {', '.join(sorted(map(repr, there)))}")
    told = {
        name: [[cell.times(worth[cell.table] or 1.0) for cell in group] for group in groups]
        for name, groups in cells.items()
    }
    return told, "kr."


def _factor(claim: Claim, unit: str) -> float:
    if claim.kind in ("rank", "count"):
        return 1.0
    if claim.kind == "ratio" and claim.unit not in ("%", "pct.", "per cent", "procent"):
        return 1.0
    if claim.kind in SHARES or claim.kind == "ratio":
        return factor("", claim.unit, share=True)
    return factor(unit, claim.unit, share=False)


def _verdict(printed: Printed, told: Computed, *, scale: float) -> Verdict:
    """Judge a number: closed where the printed number itself is near enough, open where only rounding could make it so.

    Two intervals that only touch hold no figure that rounds to both.
    """
    slack = _SLACK * max(abs(printed.value), abs(told.value), scale)
    if abs(told.value - printed.value) <= printed.half + slack:
        return "confirmed"
    overlap = min(told.upper, printed.value + printed.half) - max(told.lower, printed.value - printed.half)
    return "rounding" if overlap > slack else "contradicted"


def _aside(
    claim: Claim, claims: Claims, grids: Mapping[str, Grid | DataError], stated: Mapping[str, Claim]
) -> Computed | None:
    """Work the claim out with other printed numbers of the document in the place of cells."""
    if not claim.aside:
        return None
    units: dict[str, str] = {}

    def stand_ins(entry: str) -> list[Cell]:
        if " | " in entry:
            return _cells(entry, grids)
        source = stated[entry]
        number = read_printed(str(source.published), language=claims.document.language, precision=source.precision)
        units[f"<{entry}>"] = source.unit
        return [Cell(f"<{entry}>", entry, "", number.value, number.half)]

    try:
        cells = {name: [stand_ins(entry) for entry in entries] for name, entries in claim.aside.items()}
        common, unit = _in_one_unit(cells, grids, units)
        computed, times = work_out(claim, common), _factor(claim, unit)
    except BenchmodelsError:
        return None
    return Computed(computed.value * times, computed.lower * times, computed.upper * times)


def _of_fit(
    claim: Claim,
    claims: Claims,
    grids: Mapping[str, Grid | DataError],
    fits: dict[str, Fitted | BenchmodelsError],
) -> list[AuditedNumber]:
    """Read one number, or one for each unit or term, off a fit; a fit is made once."""
    if claim.missing is not None:
        fit: Fitted | BenchmodelsError = DataError(claim.missing)
        return _read_all(claim, claims, fit)
    name = str(claim.fit)
    if name not in fits:
        grid = grids[claims.fits[name].table]
        try:
            fits[name] = grid if isinstance(grid, DataError) else fitted(claims.fits[name], grid.frame)
        except BenchmodelsError as error:
            fits[name] = error
    return _read_all(claim, claims, fits[name])


def _read_all(claim: Claim, claims: Claims, fit: Fitted | BenchmodelsError) -> list[AuditedNumber]:
    several = not isinstance(claim.published, str)
    told = claim.published if isinstance(claim.published, dict) else {str((claim.of or [""])[0]): claim.published}
    return [
        _read_off(claim, of, text, fit, claims, id_=f"{claim.id}-{of}" if several else claim.id)
        for of, text in told.items()
    ]


def _read_off(
    claim: Claim, of: str, text: str, fit: Fitted | BenchmodelsError, claims: Claims, *, id_: str
) -> AuditedNumber:
    printed = read_printed(text, language=claims.document.language, precision=claim.precision)
    try:
        if isinstance(fit, BenchmodelsError):
            raise fit
        value = float(fit.value(claim.kind, of))
    except BenchmodelsError as error:
        return AuditedNumber(claim=claim, id=id_, printed=printed, verdict="not computable", reason=str(error))
    # What rounding of the inputs does to an estimate is not followed through: it is confirmed, or it is not.
    told = Computed(value, value, value)
    return AuditedNumber(
        claim=claim,
        id=id_,
        printed=printed,
        verdict=_verdict(printed, told, scale=0.0),
        computed=value,
        lower=value,
        upper=value,
    )
