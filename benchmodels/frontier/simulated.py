"""How often a frontier's intervals and rank sets were seen to hold, where the truth was known."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from operator import ge, le
from typing import Any

from benchmodels.comparison import Coverage

__all__ = ["coverage_of"]

_FILE = "coverage.json"


def coverage_of(kind: str, *, units: int, goods: int, returns: str, orientation: str, level: float) -> Coverage:
    """Return the coverage of a bootstrap: the least of the simulated tables that are next to it, smaller and larger.

    Parameters
    ----------
    kind : str
        Of the bootstrap.
    units, goods : int
        That the units are held against, and that are used or made.
    returns, orientation : str
        As of `benchmodels.frontier.DEA`.
    level : float
        Asked for.

    Returns
    -------
    Coverage
        NaN beyond the tables simulated, and at another level.
    """
    table = _simulated()
    asked = {"kind": kind, "returns": returns, "orientation": orientation}
    rows = [row for row in table["rows"] if all(row[name] == value for name, value in asked.items())]
    rows = _beside(_beside(rows, "units", units), "goods", goods) if table["level"] == level else []
    if not rows:
        told = ", ".join(map(str, asked.values()))
        why = f"no tables of {units} units with {goods} goods were simulated at {level:.0%} ({told})"
        nan = float("nan")
        return Coverage(level=level, intervals=nan, ranks=nan, all_ranks=nan, shrunken=nan, simulated=why)
    many, kinds = ("–".join(str(n) for n in sorted({row[name] for row in rows})) for name in ("units", "goods"))
    least = {name: min(row[name] for row in rows) for name in ("coverage", "ranks", "all_ranks", "shrunken")}
    return Coverage(
        level=table["level"],
        intervals=least.pop("coverage"),
        **least,
        simulated=f"{min(row['draws'] for row in rows)} tables of {many} units with {kinds} goods, half-normal waste",
    )


def _beside(rows: list[dict[str, Any]], name: str, value: int) -> list[dict[str, Any]]:
    """Return the rows next to a value from below and from above; none where there is nothing on one side."""
    below, above = ([row[name] for row in rows if side(row[name], value)] for side in (le, ge))
    return [row for row in rows if row[name] in (max(below), min(above))] if below and above else []


@cache
def _simulated() -> dict[str, Any]:
    """Return the table that ``tests/recovery/frontier_coverage.py`` writes."""
    table: dict[str, Any] = json.loads(files("benchmodels.frontier").joinpath(_FILE).read_text(encoding="utf-8"))
    return table
