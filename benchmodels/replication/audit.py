"""The audit of a published comparison: each claim worked out anew from the tables it rests on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from benchmodels.errors import BenchmodelsError, DataError
from benchmodels.replication.cells import Cell, Grid, read_grids
from benchmodels.replication.claims import ARGUMENT_NAMES, Claim, Claims
from benchmodels.replication.fits import FIT_KINDS, Fitted, fitted
from benchmodels.replication.kinds import SHARES, Computed, work_out
from benchmodels.replication.printed import Printed, read_printed
from benchmodels.replication.units import factor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Audit", "AuditedNumber", "Verdict", "audit_claims"]

Verdict = Literal["confirmed", "rounding", "contradicted", "not computable"]
VERDICTS: tuple[Verdict, ...] = ("confirmed", "rounding", "contradicted", "not computable")
# Binary fractions of decimal figures: a difference of exactly half a unit is not to hang on the last bit.
_SLACK = 1e-9


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
        return all(f.verdict != "contradicted" and (not f.reason or f.claim.missing is not None) for f in self.numbers)

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
    numbers: list[AuditedNumber] = []
    for done, (claim, total) in enumerate(every):
        if progress is not None:
            progress(done, len(every), claim.id)
        if claim.kind in FIT_KINDS:
            numbers += _of_fit(claim, claims, grids, fits)
        else:
            numbers.append(_of_cells(claim, claims, grids, total=total))
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
    for cell in cells:
        text = f"{cell.value:,.{max(grid.spec.decimals or 0, 0)}f}"
        if claims.document.language == "da":
            text = text.translate(str.maketrans(",.", ".,"))
        content = {
            "id": f"total-{grid.name}-{cell.column}".replace(" ", "-"),
            "where": grid.spec.title,
            "quote": f"{name} {cell.column}",
            "kind": "sum",
            "published": text,
            "unit": grid.spec.unit,
            "of": [f"{grid.name} | * | {cell.column}"],
        }
        yield Claim.model_validate(content), cell


def _of_cells(
    claim: Claim, claims: Claims, grids: Mapping[str, Grid | DataError], *, total: Cell | None
) -> AuditedNumber:
    language = claims.document.language
    printed = read_printed(str(claim.published), language=language, precision=claim.precision)
    known: dict[str, Any] = {"claim": claim, "id": claim.id, "printed": printed, "own": total is None}
    aside = _aside(claim, claims, grids)
    if claim.missing is not None:
        return AuditedNumber(**known, verdict="not computable", reason=claim.missing, aside=aside)
    given = {name: getattr(claim, name) for name in ARGUMENT_NAMES if getattr(claim, name) is not None}
    try:
        cells = {name: _groups(claim, addresses, grids) for name, addresses in given.items()}
        computed = work_out(claim, cells)
    except DataError as error:
        return AuditedNumber(**known, verdict="not computable", reason=str(error), aside=aside)
    told = _told(computed, _factor(claim, grids, cells["of"][0][0].table))
    arguments = {name: tuple(cell for group in groups for cell in group) for name, groups in cells.items()}
    return AuditedNumber(
        **known,
        verdict=_verdict(printed, told),
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


def _factor(claim: Claim, grids: Mapping[str, Grid | DataError], table: str) -> float:
    if claim.kind in ("rank", "count"):
        return 1.0
    if claim.kind in SHARES or (claim.kind == "ratio" and claim.unit in ("%", "pct.")):
        return factor("", claim.unit, share=True)
    if claim.kind == "ratio":
        return 1.0
    grid = grids[table]
    return factor("" if isinstance(grid, DataError) else grid.spec.unit, claim.unit, share=False)


def _told(computed: Computed, times: float) -> Computed:
    return Computed(computed.value * times, computed.lower * times, computed.upper * times)


def _verdict(printed: Printed, told: Computed) -> Verdict:
    reach = printed.half + _SLACK * max(abs(printed.value), printed.half)
    if abs(told.value - printed.value) <= reach:
        return "confirmed"
    if told.lower - reach <= printed.value <= told.upper + reach:
        return "rounding"
    return "contradicted"


def _aside(claim: Claim, claims: Claims, grids: Mapping[str, Grid | DataError]) -> Computed | None:
    """Work the claim out with other printed numbers of the document in the place of cells."""
    if not claim.aside:
        return None
    others = {other.id: other for other in claims.claims}
    language = claims.document.language

    def stand_ins(entry: str) -> list[Cell]:
        if " | " in entry:
            return _cells(entry, grids)
        source = others[entry]
        number = read_printed(str(source.published), language=language, precision=source.precision)
        return [Cell("", entry, "", number.value, number.half)]

    try:
        cells = {name: [stand_ins(entry) for entry in entries] for name, entries in claim.aside.items()}
        computed = work_out(claim, cells)
    except DataError:
        return None
    return _told(computed, factor("", claim.unit, share=True) if claim.kind in SHARES else 1.0)


def _of_fit(
    claim: Claim,
    claims: Claims,
    grids: Mapping[str, Grid | DataError],
    fits: dict[str, Fitted | BenchmodelsError],
) -> list[AuditedNumber]:
    """Read one number, or one for each unit or term, off a fit; a fit is made once."""
    name = str(claim.fit)
    if name not in fits:
        grid = grids[claims.fits[name].table]
        try:
            fits[name] = grid if isinstance(grid, DataError) else fitted(claims.fits[name], grid.frame)
        except BenchmodelsError as error:
            fits[name] = error
    several = not isinstance(claim.published, str)
    told = claim.published if isinstance(claim.published, dict) else {str((claim.of or [""])[0]): claim.published}
    return [
        _read_off(claim, of, text, fits[name], claims, id_=f"{claim.id}-{of}" if several else claim.id)
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
        claim=claim, id=id_, printed=printed, verdict=_verdict(printed, told), computed=value, lower=value, upper=value
    )
