"""How often intervals and rank sets of composites were seen to hold, where the truth was known."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from operator import ge, le
from typing import Any

from benchmodels.comparison import Coverage

__all__ = ["coverage_of"]

_FILE = "coverage.json"


def coverage_of(
    of: str, *, units: int, outcomes: int, measure: str, bounded: bool, reliability: float, level: float
) -> Coverage:
    """Return the coverage of intervals: the least of the simulated tables next to this one, smaller and larger.

    Parameters
    ----------
    of : str
        As of `BenefitOfTheDoubtFit.uncertainty`.
    units, outcomes : int
    measure : {'radial', 'directional'}
        With the unit's own step, or one that all have.
    bounded : bool
        Shares have bounds.
    reliability : float
        Of the least reliable outcome; of units it does not matter.
    level : float
        Asked for.

    Returns
    -------
    Coverage
        NaN beyond the tables simulated, and at another level.
    """
    table = _simulated()
    asked = {"of": of, "measure": measure, "bounded": bounded}
    rows = [row for row in table["rows"] if all(row[name] == value for name, value in asked.items())]
    rows = rows if table["level"] == level else []
    for name, value in (("units", units), ("outcomes", outcomes), ("reliability", reliability)):
        if not (of == "units" and name == "reliability"):
            rows = _beside(rows, name, value)
    told = f"{measure}, shares {'bounded' if bounded else 'free'}"
    if not rows:
        nan = float("nan")
        why = f"no tables of {units} units with {outcomes} outcomes like these were simulated at {level:.0%} ({told})"
        return Coverage(level=level, intervals=nan, ranks=nan, all_ranks=nan, shrunken=nan, simulated=why)
    many, kinds, reliable = (
        "–".join(f"{n:g}" for n in sorted({row[name] for row in rows})) for name in ("units", "outcomes", "reliability")
    )
    least = {name: min(row[name] for row in rows) for name in ("intervals", "ranks", "all_ranks")}
    noise = "" if of == "units" else f" of reliability {reliable}"
    return Coverage(
        level=table["level"],
        **least,
        shrunken=float("nan"),
        simulated=f"{min(row['draws'] for row in rows)} tables of {many} units with {kinds} outcomes{noise} ({told})",
    )


def _beside(rows: list[dict[str, Any]], name: str, value: float) -> list[dict[str, Any]]:
    """Return the rows next to a value from below and from above; none where there is nothing on one side."""
    below, above = ([row[name] for row in rows if side(row[name], value)] for side in (le, ge))
    return [row for row in rows if row[name] in (max(below), min(above))] if below and above else []


@cache
def _simulated() -> dict[str, Any]:
    """Return the table that ``tests/recovery/composite_coverage.py`` writes."""
    folder = files("benchmodels.frontier.composites")
    table: dict[str, Any] = json.loads(folder.joinpath(_FILE).read_text(encoding="utf-8"))
    return table
