"""Limits for a unit's own count, by the level its cases would need for the count to be at the edge of belief.

The level moves all cases of the unit by the same amount on the link scale (a common odds or rate ratio), so the
limits know the unit's case mix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import betainc, betaincc, gammainc, gammaincc

from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.families import Family, mean_and_weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Limits", "binomial_tail", "count_limits", "poisson_tail"]

Limits = Literal["mid-p", "exact"]


def binomial_tail(count: Floats, expected: Floats, variance: Floats, *, limits: Limits, upper: bool) -> Floats:
    """Return the tail probability of a sum of unequal Bernoulli trials at ``count``, (k,) arrays.

    ``upper``: of the count or more; else of the count or fewer; with ``limits="mid-p"`` half of the count itself.

    Notes
    -----
    The Poisson-binomial distribution is replaced by the binomial of the same mean and variance, of real-valued
    number of trials (exact when the trials are alike). Against the exact distribution the tail probabilities near
    0.025 differ by less than 2e-4 (tests/kernels/test_counts.py). ``count`` may be fractional: the incomplete beta
    function is its own continuation.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(expected > 0, 1.0 - variance / expected, 0.0)
        trials = np.where(chance > 0, expected / chance, np.inf)
    function = betainc if upper else betaincc

    def tail(least: Floats) -> Floats:
        """Probability of at least ``least`` (upper), or of fewer (lower)."""
        left = trials - least + 1.0
        inside = (left > 0) & (least > 0) & np.isfinite(trials)
        value = function(np.where(inside, least, 1.0), np.where(inside, left, 1.0), np.where(inside, chance, 0.5))
        return np.where(inside, value, np.where(least <= 0, float(upper), float(not upper)))

    if limits == "exact":
        return tail(count if upper else count + 1.0)
    return 0.5 * (tail(count) + tail(count + 1.0))


def poisson_tail(count: Floats, expected: Floats, *, limits: Limits, upper: bool) -> Floats:
    """Return the Poisson tail probability at ``count``, (k,) arrays; see `binomial_tail`."""
    function = gammainc if upper else gammaincc

    def tail(least: Floats) -> Floats:
        value = function(np.where(least > 0, least, 1.0), expected)
        return np.where(least > 0, value, float(upper))

    if limits == "exact":
        return tail(count if upper else count + 1.0)
    return 0.5 * (tail(count) + tail(count + 1.0))


def count_limits(
    family: Family,
    count: Floats,
    size: Floats,
    eta: Floats,
    unit: Codes,
    start: Floats,
    *,
    confidence: float,
    limits: Limits,
) -> tuple[Floats, Floats]:
    """Return the lower and upper level (k,) of each unit for its count.

    Parameters
    ----------
    family : "binomial" or "poisson"
    count : (k,) array
        The unit's count; may be fractional.
    size, eta : (n,) arrays
        Trials or exposure, and linear predictor without the level, of the unit's own rows.
    unit : (n,) array
        Unit of each row.
    start : (k,) array
        A finite level near the estimate.
    confidence : float
        Two-sided, such as 0.95.
    limits : "mid-p" or "exact"

    Returns
    -------
    lower, upper : (k,) arrays
        −∞ for a count of zero, +∞ for one that is all trials.

    References
    ----------
    Wu, Yang, Kang & He (2022), Statistics in Medicine 41:2840, section 3 (common shift, exact test).
    """
    units = len(count)
    trials = group_sums(unit, size, units)
    target = 0.5 * (1.0 - confidence)

    def tail(level: Floats, upper: bool) -> Floats:
        mu, weight = mean_and_weight(family, eta + level[unit])
        expected = group_sums(unit, size * mu, units)
        if family == "poisson":
            return poisson_tail(count, expected, limits=limits, upper=upper)
        variance = group_sums(unit, size * weight, units)
        return binomial_tail(count, expected, variance, limits=limits, upper=upper)

    edges = []
    for upper in (True, False):
        # The upper tail grows with the level and gives the lower limit; the lower tail falls and gives the upper.
        low, high = start - 1.0, start + 1.0
        for _ in range(7):
            low = np.where((tail(low, upper) > target) == upper, 2.0 * low - start, low)
            high = np.where((tail(high, upper) > target) == upper, high, 2.0 * high - start)
        for _ in range(48):
            middle = 0.5 * (low + high)
            beyond = (tail(middle, upper) > target) == upper
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        edges.append(0.5 * (low + high))
    lower, upper_level = edges
    lower = np.where(count <= 0, -np.inf, lower)
    if family == "binomial":
        upper_level = np.where(count >= trials, np.inf, upper_level)
    return lower, upper_level
