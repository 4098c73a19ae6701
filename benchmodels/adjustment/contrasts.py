"""Totals to compare, and how they move: observed and expected under the indirect and the direct standard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.adjustment.practice import Practice, population
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.families import mean, mean_and_weight
from benchmodels.kernels.levels import own_levels
from benchmodels.kernels.overdispersion import dispersion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.newton import Rows

    Floats = NDArray[np.float64]

__all__ = ["Contrasted", "OwnCases", "direct", "gradients", "indirect", "own_cases"]


@dataclass(frozen=True, eq=False)
class OwnCases:
    """What each unit's own cases say; (k,) arrays but for ``eta`` (n,), the linear predictor without a level.

    ``level`` is the one at which expected equals observed, infinite without or with only events; ``shrunken`` is the
    finite one at which variances are taken.
    """

    eta: Floats
    observed: Floats
    size: Floats
    expected: Floats
    level: Floats
    shrunken: Floats


@dataclass(frozen=True, eq=False)
class Contrasted:
    """A contrast before its uncertainty.

    ``observed`` and ``expected`` are totals at the unit's size; ``own`` (k,) is the derivative of the observed total
    in the unit's own count, ``own_null`` the same at average practice; ``absolute`` and ``relative`` (k, q) are
    gradients of observed − expected, and of log(observed / expected) with a minus, in slopes and average level.
    """

    observed: Floats
    expected: Floats
    own: Floats
    own_null: Floats
    absolute: Floats
    relative: Floats


def own_cases(rows: Rows, unit: NDArray[np.intp], practice: Practice) -> OwnCases:
    """Add up each unit's own cases at its slopes; O / E is drawn to one by its reliability for ``shrunken``."""
    k = len(practice.average)
    observed, size = group_sums(unit, rows.outcome, k), group_sums(unit, rows.size, k)
    eta = practice.own_eta(rows, unit)
    expected = group_sums(unit, rows.size * mean(rows.family, eta + practice.average[unit]), k)
    level = own_levels(rows.family, rows.size, eta, unit, observed, practice.average)
    if rows.family == "gaussian":
        return OwnCases(eta, observed, size, expected, level, level)
    # Variances are taken at a shrunken rate, never at a raw 0 or 1: O/E drawn to 1 by its reliability.
    weight = group_sums(unit, rows.size * mean_and_weight(rows.family, eta + practice.average[unit])[1], k)
    error = np.sqrt(weight) / expected
    tau2 = max(dispersion(observed / expected - 1.0, error).tau2, 0.0)
    target = expected * (1.0 + tau2 / (tau2 + error**2) * (observed / expected - 1.0))
    shrunken = own_levels(rows.family, rows.size, eta, unit, target, practice.average)
    return OwnCases(eta, observed, size, expected, level, shrunken)


def gradients(rows: Rows, unit: NDArray[np.intp], eta: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Return the gradient of each unit's own total in the slopes (k, p) and in the level (k,)."""
    k = len(level)
    weight = rows.size * mean_and_weight(rows.family, eta + level[unit])[1]
    sums = np.zeros((k, rows.columns.shape[1]))
    cuts = np.searchsorted(unit, np.arange(k + 1))
    for i in range(k):
        sums[i] = weight[cuts[i] : cuts[i + 1]] @ rows.columns[cuts[i] : cuts[i + 1]]
    return sums, group_sums(unit, weight, k)


def indirect(rows: Rows, unit: NDArray[np.intp], practice: Practice, own: OwnCases) -> Contrasted:
    """Own cases: observed, against expected under average practice."""
    slopes, level = gradients(rows, unit, own.eta, practice.average)
    gradient = np.column_stack([slopes, level])
    ones = np.ones(len(own.size))
    return Contrasted(own.observed, own.expected, ones, ones, gradient, gradient / own.expected[:, None])


def direct(rows: Rows, unit: NDArray[np.intp], practice: Practice, own: OwnCases) -> Contrasted:
    """The whole population at the unit's size: under its own practice, against average practice."""
    scale = own.size / own.size.sum()
    observed = population(rows, practice, own.level).total * scale
    average = population(rows, practice, practice.average)
    expected = average.total * scale

    def part(level: Floats) -> tuple[Floats, Floats, Floats]:
        """Return derivative in the own count, gradient in the slopes and total, all at the unit's size."""
        there = population(rows, practice, level)
        slopes, weight = gradients(rows, unit, own.eta, level)
        own_part = there.level_gradient / weight
        gradient = there.slope_gradient - own_part[:, None] * slopes
        return own_part * scale, gradient * scale[:, None], there.total * scale

    own_part, slopes, total = part(own.shrunken)
    own_null, _, _ = part(practice.average)
    average_slopes, average_level = average.slope_gradient * scale[:, None], average.level_gradient * scale
    absolute = np.column_stack([average_slopes - slopes, average_level])
    relative = np.column_stack([average_slopes / expected[:, None] - slopes / total[:, None], average_level / expected])
    return Contrasted(observed, expected, own_part, own_null, absolute, relative)
