"""How often intervals of changes of productivity were seen to hold, where the truth was known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["ChangeCoverage", "change_coverage"]

_FILE = "coverage.json"
# Errors of a simulation by which it may fall short of nominal, and the draws whose error that is: fewer, which have a
# larger one, do not make a verdict.
_ERRORS, _DRAWS = 4.0, 500


@dataclass(frozen=True, kw_only=True)
class ChangeCoverage:
    """Coverage of intervals of changes in simulated panels.

    Parameters
    ----------
    level : float
        Asked for.
    parts : dict of str to float
        Coverage of the index and its parts; none where nothing was simulated.
    enough : tuple of str
        Those whose coverage reaches nominal, within 4 errors that a simulation of 500 draws has.
    simulated : str
        What was simulated, or why there is nothing.
    """

    level: float
    parts: dict[str, float]
    enough: tuple[str, ...]
    simulated: str


def change_coverage(
    *,
    kind: str,
    units: int,
    goods: int,
    decomposition: str,
    reference: str,
    returns: str,
    orientation: str,
    level: float,
    by_rule: bool = True,
) -> ChangeCoverage:
    """Return the least coverage of the simulated tables next to what is asked, smaller and larger.

    Nothing was simulated but ``by_rule``: the kind's own bandwidth or size, and the mean of both periods' technologies.
    """
    table = _simulated()
    asked = {"kind": kind, "decomposition": decomposition, "reference": reference, "returns": returns}
    asked["orientation"] = orientation
    rows = [row for row in table["rows"] if all(row[name] == value for name, value in asked.items())]
    rows = _beside(_beside(rows, "units", units), "goods", goods) if by_rule and table["level"] == level else []
    if not rows:
        told = f"no panels of {units} units with {goods} goods were simulated at {level:.0%}"
        return ChangeCoverage(level=level, parts={}, enough=(), simulated=f"{told} ({', '.join(asked.values())})")
    names = rows[0]["coverage"]
    many, kinds = ("–".join(str(n) for n in sorted({row[name] for row in rows})) for name in ("units", "goods"))
    return ChangeCoverage(
        level=level,
        parts={name: min(row["coverage"][name] for row in rows) for name in names},
        enough=tuple(
            name for name in names
            if all(row["coverage"][name] >= level - _ERRORS * _error(row, name) for row in rows)
        ),
        simulated=(
            f"{min(row['draws'] for row in rows)} panels of {many} units with {kinds} goods, constant returns, "
            "half-normal waste"
        ),
    )  # fmt: skip


def _error(row: dict[str, Any], name: str) -> float:
    return float(row["mc_error"][name] * min(1.0, row["draws"] / _DRAWS) ** 0.5)


def _beside(rows: list[dict[str, Any]], name: str, value: int) -> list[dict[str, Any]]:
    """Return the rows next to a value from below and from above; none where there is nothing on one side."""
    below, above = [row[name] for row in rows if row[name] <= value], [row[name] for row in rows if row[name] >= value]
    return [row for row in rows if row[name] in (max(below), min(above))] if below and above else []


@cache
def _simulated() -> dict[str, Any]:
    """Return the table that ``tests/recovery/productivity_coverage.py`` writes."""
    text = files("benchmodels.frontier.productivity").joinpath(_FILE).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
