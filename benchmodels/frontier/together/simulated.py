"""How often intervals of mergers' gains were seen to hold, where the truth was known."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["held_in"]

_FILE = "coverage.json"
_NAMES = ("total", "learning", "harmony", "size", "corrected", "best", "ranks")


def held_in(kind: str, *, returns: str, orientation: str, units: int, goods: int, level: float) -> dict[str, float]:
    """Return how often intervals of each part, and the sets of possibly best groups, held; NaN beyond the simulations.

    The least of the simulated tables that are next to it, smaller and larger.

    Parameters
    ----------
    kind, returns, orientation : str
        Of the bootstrap, and of the model.
    units, goods : int
        Of the table: units, and inputs and outputs together.
    level : float
        Asked for.
    """
    table = _simulated()
    asked = {"kind": kind, "returns": returns, "orientation": orientation}
    rows = [row for row in table["rows"] if all(row[name] == value for name, value in asked.items())]
    for name, value in (("units", units), ("goods", goods)):
        below = [row[name] for row in rows if row[name] <= value]
        above = [row[name] for row in rows if row[name] >= value]
        rows = [row for row in rows if row[name] in (max(below), min(above))] if below and above else []
    if not rows or table["level"] != level:
        return dict.fromkeys(_NAMES, float("nan"))
    return {name: min(row[name] for row in rows) for name in _NAMES}


@cache
def _simulated() -> dict[str, Any]:
    """Return the table that ``tests/recovery/merger_coverage.py`` writes."""
    table: dict[str, Any] = json.loads(files("benchmodels.frontier.together").joinpath(_FILE).read_text("utf-8"))
    return table
