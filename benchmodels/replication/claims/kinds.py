"""What each kind of claim works out from its cells: the value, and all it may be within the rounding of the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError
from benchmodels.kernels.ranges import quotient_range
from benchmodels.replication.claims.specification import ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmodels.replication.claims.cells import Cell
    from benchmodels.replication.claims.specification import Claim

__all__ = ["SHARES", "Computed", "work_out"]

# Kinds whose value is a share of something, and is told in per cent.
SHARES = ("growth", "share", "share_of_growth", "contribution", "growth_of_ratio")
# Growth from a debt has no meaning in per cent: what it is from must be above zero.
_FROM = {"growth": "base", "contribution": "whole_base"}


@dataclass(frozen=True)
class Computed:
    """A value worked out, and its least and most over what the printed cells may have been rounded from."""

    value: float
    lower: float
    upper: float


def work_out(claim: Claim, cells: Mapping[str, Sequence[Sequence[Cell]]]) -> Computed:
    """Work out a claim from its cells.

    Parameters
    ----------
    claim : Claim
    cells : mapping of str to sequences of cells
        For each argument of the kind, the cells of each address in it; they are added up, and of a rank each
        address is one that takes part.

    Returns
    -------
    Computed
        Shares as fractions; amounts in the tables' unit of measure.

    Raises
    ------
    DataError
        What is divided by is zero, or several cells were given where one is meant.

    Notes
    -----
    value, sum, mean, count; difference = of - base; growth = of / base - 1; share, ratio = of / base;
    share_of_growth = (of - base) / (whole - whole_base); contribution = (of - base) / whole_base;
    growth_of_ratio = (of / per) / (base / per_base) - 1; rank = 1 + how many of `among` are larger.
    """
    if claim.kind == "rank":
        return _rank(claim, cells)
    if claim.kind == "growth_of_ratio":
        return _growth_of_ratio(cells)
    flat = {name: [cell for group in cells[name] for cell in group] for name in ARGUMENTS[claim.kind]}
    count = float(len(flat["of"]))
    if claim.kind == "count":
        return Computed(count, count, count)
    if claim.kind == "value" and count != 1:
        raise DataError(f"kind 'value' is of one cell; {count:g} were given")
    minus = {"difference", "growth", "share_of_growth", "contribution"}
    above = _weights(flat, {"of": 1.0, **({"base": -1.0} if claim.kind in minus else {})})
    if claim.kind in _FROM:
        _refuse_from_below(flat[_FROM[claim.kind]])
    if claim.kind in ("value", "sum", "difference"):
        return _range(above, {}, below_constant=1.0)
    if claim.kind == "mean":
        return _range(above, {}, below_constant=count)
    divisors = {
        "share_of_growth": {"whole": 1.0, "whole_base": -1.0},
        "contribution": {"whole_base": 1.0},
    }
    return _range(above, _weights(flat, divisors.get(claim.kind, {"base": 1.0})))


def _refuse_from_below(cells: Sequence[Cell]) -> None:
    if sum(cell.value for cell in cells) <= sum(cell.half for cell in cells):
        raise DataError("growth is from an amount above zero, beyond its rounding")


def _weights(flat: Mapping[str, Sequence[Cell]], signs: Mapping[str, float]) -> dict[Cell, float]:
    weights: dict[Cell, float] = {}
    for name, sign in signs.items():
        for cell in flat[name]:
            weights[cell] = weights.get(cell, 0.0) + sign
    return weights


def _range(above: Mapping[Cell, float], below: Mapping[Cell, float], *, below_constant: float = 0.0) -> Computed:
    there = list(dict.fromkeys([*above, *below]))
    value, lower, upper = quotient_range(
        np.array([above.get(cell, 0.0) for cell in there]),
        np.array([below.get(cell, 0.0) for cell in there]),
        np.array([cell.value for cell in there]),
        np.array([cell.half for cell in there]),
        above_constant=0.0,
        below_constant=below_constant,
    )
    return Computed(value, lower, upper)


def _growth_of_ratio(cells: Mapping[str, Sequence[Sequence[Cell]]]) -> Computed:
    """Growth of cost per person: four sums that share no cell, so that the limits of the two ratios are exact."""
    flat = {name: [cell for group in cells[name] for cell in group] for name in ARGUMENTS["growth_of_ratio"]}
    later = _range(_weights(flat, {"of": 1.0}), _weights(flat, {"per": 1.0}))
    first = _range(_weights(flat, {"base": 1.0}), _weights(flat, {"per_base": 1.0}))
    if min(later.lower, first.lower) <= 0:
        raise DataError("growth of a ratio is of amounts above zero")
    return Computed(later.value / first.value - 1, later.lower / first.upper - 1, later.upper / first.lower - 1)


def _rank(claim: Claim, cells: Mapping[str, Sequence[Sequence[Cell]]]) -> Computed:
    """1 is the largest; ties take the better rank. The limits count who is surely, and who may be, larger."""
    among = [tuple(group) for group in cells["among"]]
    first = [tuple(group) for group in cells.get("among_base", [()] * len(among))]
    wanted, *more = [tuple(group) for group in cells["of"]]
    if more or wanted not in among:
        raise DataError("'of' must be one of those it is ranked among")
    if claim.by != "value":
        _refuse_unpaired(among, first)
        if [tuple(group) for group in cells["base"]] != [first[among.index(wanted)]]:
            raise DataError("'base' must be the one of among_base that stands where 'of' stands in among")
    found = {}
    for group, start in zip(among, first, strict=True):
        above = _weights({"of": group, "base": start}, {"of": 1.0, "base": -1.0})
        growth = claim.by == "growth"
        if growth:
            _refuse_from_below(start)
        below = _weights({"base": start}, {"base": 1.0}) if growth else {}
        found[group] = _range(above, below, below_constant=0.0 if growth else 1.0)
    mine = found.pop(wanted)
    larger = sum(other.value > mine.value for other in found.values())
    surely = sum(other.lower > mine.upper for other in found.values())
    perhaps = sum(other.upper > mine.lower for other in found.values())
    return Computed(1.0 + larger, 1.0 + surely, 1.0 + perhaps)


def _refuse_unpaired(among: Sequence[tuple[Cell, ...]], first: Sequence[tuple[Cell, ...]]) -> None:
    """Refuse pairs of unlike rows: a row that is empty in one of two columns would shift all after it."""
    rows = [[{(cell.table, cell.row) for cell in group} for group in groups] for groups in (among, first)]
    columns = [[{(cell.table, cell.column) for cell in group} for group in groups] for groups in (among, first)]
    if len(among) != len(first) or (rows[0] != rows[1] and columns[0] != columns[1]):
        raise DataError("among and among_base do not have the same rows in the same order")
