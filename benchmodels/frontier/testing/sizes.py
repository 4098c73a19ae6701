"""How often tests of a frontier were seen to reject what was true, where the frontier was known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import ge, le
from typing import Any

import numpy as np

__all__ = ["Size", "settings", "size_of"]

_FILE = "size.json"
# Monte Carlo standard errors by which a simulated size may lie above its level.
_ERRORS = 4.0


@dataclass(frozen=True, kw_only=True)
class Size:
    """What simulations say of a test at a level.

    Parameters
    ----------
    size : float
        Share of tables in which a true null hypothesis was rejected, the largest of the simulated cells next to the
        table at hand; NaN where there are none.
    limit : float
        What it may be: the level and 4 Monte Carlo standard errors.
    power : float
        Least share of tables in which the simulated alternative was found; NaN where none was simulated.
    told : str
        Of which tables; or why there are none.
    """

    size: float
    limit: float
    power: float
    told: str

    @property
    def known(self) -> bool:
        """Whether there are any."""
        return bool(np.isfinite(self.size))

    @property
    def right(self) -> bool:
        """Whether the size is known and not above its limit."""
        return self.known and self.size <= self.limit


def size_of(
    test: str, statistic: str, estimator: str, *, units: int, goods: int, side: str, level: float, strange: str = ""
) -> Size:
    """Return what is known of a test: the worst of the simulated cells that are next to it, smaller and larger.

    Parameters
    ----------
    test, statistic, estimator, side : str
        As in the table.
    units, goods : int
        Of the table at hand.
    level : float
    strange : str
        What is other than was simulated, if anything: then nothing is known.
    """
    table = _simulated()
    if strange:
        return _unknown(strange)
    if level not in table["levels"]:
        return _unknown(f"it was simulated at levels {', '.join(f'{x:g}' for x in table['levels'])} alone")
    if side != table["side"]:
        return _unknown(f"it was simulated with orientation={table['side']!r} alone")
    asked = {"test": test, "statistic": statistic, "estimator": estimator}
    rows = [row for row in table["rows"] if all(row[name] == value for name, value in asked.items())]
    if not rows:
        return _unknown("it was not simulated with this estimator")
    near = _beside(_beside(rows, "goods", goods), "units", units)
    if not near:
        spans = (f"{min(r[n] for r in rows)} to {max(r[n] for r in rows)} {n}" for n in ("units", "goods"))
        return _unknown(f"it was simulated for tables of {' with '.join(spans)}, and this one has {units} with {goods}")
    worst = max(near, key=lambda row: row[f"size_{level:g}"] - _limit(row, level))
    power = [row[f"power_{level:g}"] for row in near if row[f"power_{level:g}"] is not None]
    return Size(
        size=worst[f"size_{level:g}"],
        limit=_limit(worst, level),
        power=min(power, default=float("nan")),
        told=f"{worst['tables']} simulated tables of {worst['units']} units with {worst['goods']} goods",
    )


def settings() -> dict[str, int]:
    """Return how many ``splits`` and ``halvings`` were simulated, and ``halvings_of_means``."""
    return {name: int(_simulated()[name]) for name in ("splits", "halvings", "halvings_of_means")}


def _unknown(why: str) -> Size:
    nan = float("nan")
    return Size(size=nan, limit=nan, power=nan, told=why)


def _limit(row: dict[str, Any], level: float) -> float:
    # The critical value of a bootstrap is that of the replicates of all tables, and has an error of its own.
    parts = 1.0 / row["tables"] + (1.0 / row["replicates"] if row["replicates"] else 0.0)
    return float(level + _ERRORS * np.sqrt(level * (1.0 - level) * parts))


def _beside(rows: list[dict[str, Any]], name: str, value: int) -> list[dict[str, Any]]:
    """Return the rows next to a value from below and from above; none where there is nothing on one side."""
    below, above = ([row[name] for row in rows if side(row[name], value)] for side in (le, ge))
    return [row for row in rows if row[name] in (max(below), min(above))] if below and above else []


@cache
def _simulated() -> dict[str, Any]:
    """Return the table that ``tests/recovery/frontier_size.py`` writes."""
    text = files("benchmodels.frontier.testing").joinpath(_FILE).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
