"""Totals to compare, and how they move: observed and expected under the indirect and the direct standard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.adjustment.practice import Practice, population
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.families import marginal, mean, variance
from benchmodels.kernels.levels import own_levels
from benchmodels.kernels.overdispersion import dispersion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.arrow import Rows

    Floats = NDArray[np.float64]

__all__ = ["Contrasted", "OwnCases", "direct", "expected_gradients", "gradients", "indirect", "own_cases"]


@dataclass(frozen=True, eq=False)
class OwnCases:
    """What each unit's own cases say; (k,) arrays but for ``eta`` (n,), the linear predictor without a level.

    ``level`` is the one at which expected equals observed, infinite without or with only events; ``shrunken`` is the
    finite one at which variances are taken; ``null`` is the one of a unit that is as expected (the average level, but
    for random effects, whose expected value is a mean over levels).
    """

    eta: Floats
    observed: Floats
    size: Floats
    expected: Floats
    level: Floats
    shrunken: Floats
    null: Floats


@dataclass(frozen=True, eq=False)
class Contrasted:
    """A contrast before its uncertainty.

    ``observed`` and ``expected`` are totals at the unit's size; ``own`` (k,) is the derivative of the observed total
    in the unit's own count, ``own_null`` the same at average practice; ``absolute`` and ``relative`` (k, p + 2) are
    gradients of observed − expected, and of log(observed / expected) with a minus, in slopes, log spread and average
    level.
    """

    observed: Floats
    expected: Floats
    own: Floats
    own_null: Floats
    absolute: Floats
    relative: Floats


def own_cases(rows: Rows, unit: NDArray[np.intp], practice: Practice, inflation: Floats) -> OwnCases:
    """Add up each unit's own cases at its slopes; O / E is drawn to one by its reliability for ``shrunken``.

    ``inflation`` (n,) is the variance of a row's total over that of as many cases as its size says.
    """
    k = len(practice.average)
    observed, size = group_sums(unit, rows.outcome, k), group_sums(unit, rows.size, k)
    eta = practice.own_eta(rows, unit)
    between = None if practice.spread is None else practice.spread[unit]
    expected = group_sums(unit, rows.size * marginal(rows.family, eta + practice.average[unit], between)[0], k)
    level = own_levels(rows.family, rows.size, eta, unit, observed, practice.average)
    null = practice.average
    if between is not None:
        null = own_levels(rows.family, rows.size, eta, unit, expected, practice.average)
    if rows.family.link == "identity":
        return OwnCases(eta, observed, size, expected, level, level, null)
    if not rows.family.counted:
        return OwnCases(eta, observed, size, expected, level, np.where(np.isfinite(level), level, null), null)
    # Variances are taken at a shrunken rate, never at a raw 0 or 1: O/E drawn to 1 by its reliability.
    spread = inflation * variance(rows.family, mean(rows.family, eta + null[unit]))
    weight = group_sums(unit, rows.size * spread, k)
    error = np.sqrt(weight) / expected
    tau2 = max(dispersion(observed / expected - 1.0, error).tau2, 0.0)
    target = expected * (1.0 + tau2 / (tau2 + error**2) * (observed / expected - 1.0))
    shrunken = own_levels(rows.family, rows.size, eta, unit, target, null)
    return OwnCases(eta, observed, size, expected, level, shrunken, null)


def gradients(rows: Rows, unit: NDArray[np.intp], eta: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Return the gradient of each unit's own total, at its own practice, in the slopes (k, p) and in the level (k,)."""
    gradient = expected_gradients(rows, unit, eta, level, None)
    return gradient[:, :-2], gradient[:, -1]


def expected_gradients(rows: Rows, unit: NDArray[np.intp], eta: Floats, level: Floats, spread: Floats | None) -> Floats:
    """Return the gradient (k, p + 2) of each unit's expected total in the slopes, the log spread and the level."""
    k = len(level)
    each = None if spread is None else spread[unit]
    _, slope, in_spread = marginal(rows.family, eta + level[unit], each)
    weight = rows.size * slope
    sums = np.zeros((k, rows.columns.shape[1] + 2))
    cuts = np.searchsorted(unit, np.arange(k + 1))
    for i in range(k):
        sums[i, :-2] = weight[cuts[i] : cuts[i + 1]] @ rows.columns[cuts[i] : cuts[i + 1]]
    if each is not None:
        sums[:, -2] = group_sums(unit, rows.size * in_spread * each, k)
    sums[:, -1] = group_sums(unit, weight, k)
    return sums


def indirect(rows: Rows, unit: NDArray[np.intp], practice: Practice, own: OwnCases) -> Contrasted:
    """Own cases: observed, against expected under average practice."""
    gradient = expected_gradients(rows, unit, own.eta, practice.average, practice.spread)
    ones = np.ones(len(own.size))
    return Contrasted(own.observed, own.expected, ones, ones, gradient, gradient / own.expected[:, None])


def direct(rows: Rows, unit: NDArray[np.intp], practice: Practice, own: OwnCases) -> Contrasted:
    """The whole population at the unit's size: under its own practice, against average practice."""
    scale = own.size / own.size.sum()
    observed = population(rows, practice, own.level).total * scale
    average = population(rows, practice, practice.average, practice.spread)
    expected = average.total * scale

    def part(level: Floats) -> tuple[Floats, Floats, Floats]:
        """Return derivative in the own count, gradient in the slopes and total, all at the unit's size."""
        there = population(rows, practice, level)
        slopes, weight = gradients(rows, unit, own.eta, level)
        own_part = there.gradient[:, -1] / weight
        gradient = there.gradient.copy()
        gradient[:, :-2] -= own_part[:, None] * slopes
        gradient[:, -2:] = 0.0
        return own_part * scale, gradient * scale[:, None], there.total * scale

    own_part, moves, total = part(own.shrunken)
    own_null, _, _ = part(own.null)
    average_moves = average.gradient * scale[:, None]
    absolute = average_moves - moves
    relative = average_moves / expected[:, None] - moves / total[:, None]
    return Contrasted(observed, expected, own_part, own_null, absolute, relative)
