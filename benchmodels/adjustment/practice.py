"""Average practice as each unit meets it: the slopes and the one average level its expected value is made with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.families import marginal, mean
from benchmodels.kernels.firth import firth_leave_out
from benchmodels.kernels.leave_out import average_levels, leave_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Reference
    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.newton import LevelsFit

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Population", "Practice", "average_practice", "expected_total", "own_total", "population"]


@dataclass(frozen=True, eq=False)
class Practice:
    """Slopes and average level for each of k units.

    Parameters
    ----------
    slopes : (k, p) array
        On the basis. ``reference="all"``: k times the same.
    average : (k,) array
        The level α* at which expected and observed totals agree over the reference cases.
    found : (k,) array of bool
        False where the other units alone do not identify the slopes.
    others : bool
        The unit is left out of its own slopes and level.
    spread : (k,) array or None
        Standard deviation of levels that the expected value is a mean over (random effects), link scale.
    """

    slopes: Floats
    average: Floats
    found: NDArray[np.bool_]
    others: bool
    spread: Floats | None = None

    def own_eta(self, rows: Rows, unit: Codes) -> Floats:
        """Return the linear predictor without level (n,): each row at its own unit's slopes."""
        return np.asarray(np.einsum("np,np->n", rows.columns, self.slopes[unit]) + rows.offset)

    def filled(self, solution: LevelsFit) -> Practice:
        """Return the practice with the full fit standing in where none was found; the caller withholds those units."""
        if self.found.all():
            return self
        slopes = np.where(self.found[:, None], self.slopes, solution.slopes)
        spread = None if self.spread is None else np.where(self.found, self.spread, np.nanmean(self.spread))
        average = np.where(self.found, self.average, np.nanmean(self.average))
        return replace(self, slopes=slopes, average=average, spread=spread)


def average_practice(
    rows: Rows, unit: Codes, units: int, solution: LevelsFit, reference: Reference, *, penalised: bool = False
) -> Practice:
    """Find slopes and average level for each unit (rows sorted by unit); ``penalised``: slopes are Firth's."""
    finite = solution.levels[np.isfinite(solution.levels)]
    start = float(np.median(finite)) if len(finite) else 0.0
    if reference == "all":
        slopes = solution.slopes[None]
        average = average_levels(rows, unit, slopes, np.array([start]), own=True)
        return Practice(np.repeat(slopes, units, axis=0), np.repeat(average, units), np.ones(units, dtype=bool), False)
    left = (firth_leave_out if penalised else leave_out)(rows, unit, units, solution)
    slopes = np.where(left.found[:, None], left.slopes, 0.0)
    if rows.groups == 1 and rows.family.canonical and not penalised and left.found.all():
        # The pooled maximum already has observed equal to expected over the others.
        average = left.levels[0]
    else:
        average = average_levels(rows, unit, slopes, np.full(units, start), own=False)
    return Practice(left.slopes, np.where(left.found, average, np.nan), left.found, True)


def own_total(rows: Rows, unit: Codes, practice: Practice, level: Floats) -> Floats:
    """Return each unit's total (k,) over its own rows at its slopes and the given level."""
    mu = mean(rows.family, practice.own_eta(rows, unit) + level[unit])
    return group_sums(unit, rows.size * mu, len(level))


def expected_total(rows: Rows, unit: Codes, practice: Practice) -> Floats:
    """Return each unit's expected total (k,) under average practice over its own rows."""
    spread = None if practice.spread is None else practice.spread[unit]
    mu = marginal(rows.family, practice.own_eta(rows, unit) + practice.average[unit], spread)[0]
    return group_sums(unit, rows.size * mu, len(practice.average))


@dataclass(frozen=True, eq=False)
class Population:
    """The whole population under each unit's slopes and some level.

    Total (k,) and its gradient (k, p + 2) in the slopes, the log spread and the level.
    """

    total: Floats
    gradient: Floats


def population(rows: Rows, practice: Practice, level: Floats, spread: Floats | None = None) -> Population:
    """Sum the whole population's rows under each unit's slopes and level; n k in time, one block × k in memory."""
    k, p = practice.slopes.shape
    if k > 1 and not practice.others and np.all(level == level[0]) and (spread is None or np.all(spread == spread[0])):
        # One practice for all of them: summed once.
        single = replace(practice, slopes=practice.slopes[:1], average=practice.average[:1], found=practice.found[:1])
        once = population(rows, single, level[:1], None if spread is None else spread[:1])
        return Population(np.repeat(once.total, k), np.repeat(once.gradient, k, axis=0))
    total, gradient = np.zeros(k), np.zeros((k, p + 2))
    for part in row_blocks(len(rows.outcome), k):
        block, size = rows.columns[part], rows.size[part]
        eta = block @ practice.slopes.T
        eta += level
        eta += rows.offset[part, None]
        mu, weight, in_spread = marginal(rows.family, eta, spread)
        weight *= size[:, None]
        total += size @ mu
        gradient[:, -1] += weight.sum(0)
        gradient[:, :-2] += weight.T @ block
        if spread is not None:
            gradient[:, -2] += (size @ in_spread) * spread
    return Population(total, gradient)
