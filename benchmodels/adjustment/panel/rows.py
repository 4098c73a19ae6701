"""One row per unit and period: checked, and said in words where it is not, or where effects leave nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.basis import group_means, group_sums
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.design import Design

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["PanelRows", "panel_rows"]

# Of a column that is a combination of those before it, this part of its length is left by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelRows:
    """The n rows of a panel, sorted by unit and period; those without exposure are left out.

    Parameters
    ----------
    outcome : (n,) array
        In its own unit of measure; per exposure where there is one.
    columns : (n, p) array; names : (p,) tuple of str
    weight : (n,) array
        Exposure, or 1.
    unit, period : (n,) arrays of int
        Positions; k units and t periods.
    units : int
    periods : int
    """

    outcome: Floats
    columns: Floats
    names: tuple[str, ...]
    weight: Floats
    unit: Codes
    period: Codes
    units: int
    periods: int

    @property
    def constant(self) -> Floats:
        """The columns with ones after them, (n, p + 1)."""
        return np.column_stack([self.columns, np.ones(len(self.outcome))])

    def means(self, values: Floats) -> Floats:
        """Return the unit means (k, …) of values by row."""
        table = values if values.ndim == 2 else values[:, None]
        return group_means(table, self.weight, self.unit, self.units).reshape(self.units, *values.shape[1:])

    def varying(self) -> NDArray[np.bool_]:
        """Return which columns (p,) vary within units."""
        spread = np.abs(self.columns - self.means(self.columns)[self.unit]).max(axis=0, initial=0.0)
        return np.asarray(spread > _ROUNDING * np.abs(self.columns).max(axis=0, initial=0.0))


def panel_rows(design: Design, unit: str, period: str, effects: str) -> PanelRows:
    """Return the rows of a panel, or say what they lack.

    Raises
    ------
    DataError
        Two rows of a unit in a period; too few units or periods for the effects.
    SpecificationError
        Columns that cannot be told apart where the effects look.
    """
    if design.period is None:
        raise SpecificationError("Panel needs the role period, as period='year'")
    there = np.flatnonzero(design.size > 0)
    there = there[np.lexsort((design.period[there], design.unit[there]))]
    code = design.unit[there]
    labels, when = np.unique(design.period[there], return_inverse=True)
    _refuse_twice(design, there, code, when, unit, period)
    rows = PanelRows(
        outcome=design.outcome[there] / design.size[there],
        columns=design.columns[there],
        names=design.names,
        weight=design.size[there],
        unit=code,
        period=when.astype(np.intp),
        units=len(design.units),
        periods=len(labels),
    )
    if np.ptp(rows.outcome) == 0:
        raise DataError(f"the outcome {design.outcome_name!r} is the same in every row: nothing to estimate")
    _check_enough(rows, effects, period)
    _check_columns(rows, effects)
    return rows


def _refuse_twice(design: Design, there: Codes, code: Codes, when: Codes, unit: str, period: str) -> None:
    same = (np.diff(code) == 0) & (np.diff(when) == 0)
    twice = np.union1d(np.flatnonzero(same), np.flatnonzero(design.cases[there] > 1))
    if len(twice):
        who = list(dict.fromkeys(str(design.units[code[i]]) for i in twice))
        raise DataError(
            f"{len(twice)} pair(s) of {unit!r} and {period!r} have more than one row (units {listed(who)}); a panel "
            "has one: sum or filter them first, or use FixedEffects for a table of cases"
        )


def _check_enough(rows: PanelRows, effects: str, period: str) -> None:
    n, p, k = len(rows.outcome), len(rows.names), rows.units
    if effects not in ("pooled", "between") and rows.periods < 2:
        raise DataError(
            f"{period!r} has one period only, and effects={effects!r} rest on what changes between periods; use "
            "effects='pooled'"
        )
    met = group_sums(rows.unit, np.ones(n), k)
    if effects not in ("pooled", "between") and np.all(met <= 1):
        raise DataError(f"every unit has one period only, which leaves nothing within units for effects={effects!r}")
    if effects in ("between", "random") and k <= p + 1:
        raise DataError(f"effects={effects!r} with {p} covariate(s) needs {p + 2} units or more; there are {k}")
    spent = {"unit": k, "both": k + rows.periods - 1, "random": k, "pooled": 1}.get(effects, 0)
    kept = len(_changes(rows)[0]) if effects == "first difference" else n
    if effects != "between" and kept <= p + spent:
        raise DataError(
            f"{kept} {'changes' if effects == 'first difference' else 'rows'} are too few for effects={effects!r}: the "
            f"{p} covariate(s) and {spent} level(s) leave nothing to tell the noise by"
        )
    if effects == "first difference" and not p:
        raise SpecificationError("effects='first difference' has no level, so the formula needs a covariate")


def _changes(rows: PanelRows) -> tuple[Codes, Codes]:
    """Return the rows (later, earlier) of neighbouring periods of one unit."""
    near = (np.diff(rows.unit) == 0) & (np.diff(rows.period) == 1)
    later = np.flatnonzero(near) + 1
    return later, later - 1


def _check_columns(rows: PanelRows, effects: str) -> None:
    """Raise where a column is a combination of those before it; fits of average practice check their own."""
    if effects == "both":
        _refuse_shared(rows)
    if effects == "random":
        seen, why = np.roll(rows.constant, 1, axis=1), "do not vary, or go with the others"
    elif effects == "between":
        seen, why = np.roll(rows.means(rows.constant), 1, axis=1), "have the same mean in every unit, or go with others"
    elif effects == "first difference":
        later, earlier = _changes(rows)
        seen, why = rows.columns[later] - rows.columns[earlier], "do not change between periods, or go with the others"
    else:
        return
    names = ("level", *rows.names) if seen.shape[1] > len(rows.names) else rows.names
    scale = np.abs(rows.constant).max(axis=0) if len(names) == len(rows.names) else np.abs(seen).max(axis=0)
    scaled = seen / np.where(scale[: seen.shape[1]] > 0, scale[: seen.shape[1]], 1.0)
    left = np.abs(np.diag(np.linalg.qr(scaled)[1]))
    length = np.sqrt((scaled**2).sum(axis=0))
    lost = [n for n, rest, whole in zip(names, left, length, strict=True) if rest <= _ROUNDING * max(whole, _ROUNDING)]
    if lost:
        raise SpecificationError(
            f"{listed(lost)} cannot be told from the other columns with effects={effects!r}: they {why}; leave them out"
        )


def _refuse_shared(rows: PanelRows) -> None:
    """Raise where a column is the same for all units of a period: it cannot be told from the period itself."""
    means = group_means(rows.columns, np.ones(len(rows.period)), rows.period, rows.periods)
    apart = np.abs(rows.columns - means[rows.period]).max(axis=0, initial=0.0)
    lost = apart <= _ROUNDING * np.abs(rows.columns).max(axis=0, initial=0.0)
    if lost.any():
        raise SpecificationError(
            f"{listed(np.array(rows.names)[lost].tolist())} is the same for all units of a period, so effects='both' "
            "cannot tell it from the periods themselves; leave it out, or use effects='unit'"
        )
