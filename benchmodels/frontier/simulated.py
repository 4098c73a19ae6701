"""How often a frontier's intervals and rank sets were seen to hold, where the truth was known."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from benchmodels.comparison import Coverage

__all__ = ["coverage_of"]

_FILE = "coverage.json"


def coverage_of(kind: str, *, units: int, goods: int, level: float) -> Coverage:
    """Return the coverage of a bootstrap, of simulated tables that are no easier.

    Parameters
    ----------
    kind : str
        Of the bootstrap.
    units, goods : int
        That the units are held against, and that are used or made.
    level : float
        Asked for.

    Returns
    -------
    Coverage
        Of the largest tables with no more units, of the fewest goods that are no fewer; NaN where there are none, or
        where they were not simulated at this level.
    """
    table = _simulated()
    rows = [row for row in table["rows"] if row["kind"] == kind and row["units"] <= units]
    rows = [row for row in rows if row["inputs"] + row["outputs"] >= goods and table["level"] == level]
    if not rows:
        why = f"no tables of {units} units with {goods} goods were simulated at {level:.0%} for kind={kind!r}"
        nan = float("nan")
        return Coverage(level=level, intervals=nan, ranks=nan, all_ranks=nan, shrunken=nan, simulated=why)
    row = max(rows, key=lambda row: (row["units"], -row["inputs"] - row["outputs"]))
    return Coverage(
        level=table["level"],
        intervals=row["coverage"],
        ranks=row["ranks"],
        all_ranks=row["all_ranks"],
        shrunken=row["shrunken"],
        simulated=(
            f"{row['draws']} tables of {row['units']} units with {row['inputs'] + row['outputs']} goods, half-normal "
            "waste and variable returns"
        ),
    )


@cache
def _simulated() -> dict[str, Any]:
    """Return the table that ``tests/recovery/frontier_coverage.py`` writes."""
    table: dict[str, Any] = json.loads(files("benchmodels.frontier").joinpath(_FILE).read_text(encoding="utf-8"))
    return table
