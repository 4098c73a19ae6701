"""Limits for a unit's own count, by the level its cases would need for the count to be at the edge of belief.

The level moves all cases of the unit by the same amount on the link scale (a common odds or rate ratio), so the
limits know the unit's case mix.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import gammainc, gammaincc, logit, ndtri

from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.families import Family, mean, mean_and_slope
from benchmodels.kernels.levels import own_levels
from benchmodels.kernels.poisson_binomial import count_tails, exact_mass

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Limits", "count_limits", "poisson_tail"]

Limits = Literal["mid-p", "exact"]
# Units of up to this many trials times rows get the exact distribution (some 10 ms each): where cases are few or of few
# kinds, approximations are at their worst.
EXACT_COST = 100_000


def poisson_tail(count: Floats, expected: Floats, *, limits: Limits, upper: bool) -> Floats:
    """Return the Poisson tail probability at ``count``, (k,) arrays.

    ``upper``: of the count or more; else of the count or fewer; with ``limits="mid-p"`` half of the count itself.
    ``count`` may be fractional: the incomplete gamma function is its own continuation.
    """
    function = gammainc if upper else gammaincc

    def tail(least: Floats) -> Floats:
        value = function(np.where(least > 0, least, 1.0), expected)
        return np.where(least > 0, value, float(upper))

    if limits == "exact":
        return tail(count if upper else count + 1.0)
    return np.asarray(0.5 * (tail(count) + tail(count + 1.0)))


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
    family : Family
        Of counts. The noise of a negative or beta-binomial count is that of the plain one.
    count : (k,) array
        The unit's count; may be fractional.
    size, eta : (n,) arrays
        Trials or exposure, and linear predictor without the level, of the unit's own rows.
    unit : (n,) array
        Unit of each row, non-decreasing.
    start : (k,) array
        A finite level near the estimate.
    confidence : float
        Two-sided, such as 0.95.
    limits : "mid-p" or "exact"

    Returns
    -------
    lower, upper : (k,) arrays
        −∞ for a count of zero, +∞ for one that is all trials.

    Notes
    -----
    Binomial: the sum of a unit's unequal trials is Poisson-binomial. Small units (``EXACT_COST``) are solved with its
    exact distribution; larger ones, and fractional counts, with the saddlepoint tail of `CountTails`, whose relative
    error is below 2e-3 in the simulated country and 4e-3 for chances anywhere between 0.002 and 0.98
    (tests/kernels/test_counts.py). The shift is of the odds under every link, which leaves the exact distribution as
    it is; the limit comes back as the level with the same expected total. Poisson: exact.

    References
    ----------
    Wu, Yang, Kang & He (2022), Statistics in Medicine 41:2840, section 3 (common shift, exact test).
    """
    if family.share and family.link != "logit":
        odds = logit(mean(family, eta + start[unit]))
        plain = Family("binomial")
        level = np.zeros(len(count))
        shifts = count_limits(plain, count, size, odds, unit, level, confidence=confidence, limits=limits)
        totals = (group_sums(unit, size * mean(plain, odds + shift[unit]), len(count)) for shift in shifts)
        lower, upper = (own_levels(family, size, eta, unit, total, start) for total in totals)
        return lower, upper
    target = 0.5 * (1.0 - confidence)
    if not family.share:

        def tail(level: Floats, *, upper: bool) -> Floats:
            expected = group_sums(unit, size * mean(family, eta + level[unit]), len(count))
            return poisson_tail(count, expected, limits=limits, upper=upper)
    else:
        # At least the count, and at least one more.
        tails = count_tails(size, eta, unit, np.stack([count, count + 1.0]), start)

        def tail(level: Floats, *, upper: bool) -> Floats:
            beyond = tails.at(level)[0 if upper else 1]
            return np.asarray(beyond[0 if upper else 1] if limits == "exact" else beyond.mean(axis=0))

    weight = group_sums(unit, size * mean_and_slope(family, eta + start[unit])[1], len(count))
    reach = 1.5 * -float(ndtri(target)) / np.sqrt(np.maximum(weight, 0.1))
    lower = _solve(partial(tail, upper=True), target, start, rising=True, reach=reach)
    upper = _solve(partial(tail, upper=False), target, start, rising=False, reach=reach)
    if family.share:
        _polish(count, size, eta, unit, target, limits, lower, upper)
        upper = np.where(count >= group_sums(unit, size, len(count)), np.inf, upper)
    return np.where(count <= 0, -np.inf, lower), upper


def _solve(
    tail: Callable[[Floats], Floats], target: float, start: Floats, *, rising: bool, reach: Floats | float = 1.0
) -> Floats:
    """Return the level (k,) at which a monotone tail is ``target``: bracketed, then false position (Illinois).

    On the scale of the normal quantile, on which a tail is nearly straight in the level. ``reach`` is the half width of
    the first bracket.
    """
    wanted = float(ndtri(target))

    def gap(level: Floats) -> Floats:
        value = ndtri(np.clip(tail(level), 1e-300, 1.0 - 1e-16)) - wanted
        return np.asarray(value if rising else -value)

    low, high = start - reach, start + reach
    at_low, at_high = gap(low), gap(high)
    for _ in range(12):
        if not (np.any(at_low > 0) or np.any(at_high < 0)):
            break
        low, high = np.where(at_low > 0, 2.0 * low - start, low), np.where(at_high < 0, 2.0 * high - start, high)
        at_low, at_high = gap(low), gap(high)
    for turn in range(60):
        rise = at_high - at_low
        straight = (rise > 0) & (turn % 8 < 7)
        middle = np.where(straight, (low * at_high - high * at_low) / np.where(straight, rise, 1.0), 0.5 * (low + high))
        at = gap(middle)
        up = at >= 0
        # The end that stays twice running counts half: it is drawn in as well.
        at_low, at_high = np.where(up, 0.5 * at_low, at), np.where(up, at, 0.5 * at_high)
        low, high = np.where(up, low, middle), np.where(up, middle, high)
        if np.all((np.abs(at) < 1e-10) | (high - low < 1e-12 * (1.0 + np.abs(middle)))):
            break
    return np.asarray(middle)


def _polish(
    count: Floats, size: Floats, eta: Floats, unit: Codes, target: float, limits: Limits, lower: Floats, upper: Floats
) -> None:
    """Solve small units of whole counts again, in place, with the exact distribution."""
    cuts = np.searchsorted(unit, np.arange(len(count) + 1))
    for i in range(len(count)):
        rows = slice(cuts[i], cuts[i + 1])
        own, odds = size[rows], eta[rows]
        whole = count[i] == round(count[i]) and np.all(own == np.round(own))
        # Trials that are all alike are exact already.
        if not whole or own.sum() * len(own) > EXACT_COST or np.ptp(odds[own > 0]) == 0:
            continue
        for limit, least, rising in ((lower, 1, True), (upper, 0, False)):
            # At least the count, or at most it; nothing is to be solved at the edges.
            if count[i] >= least and (rising or count[i] < own.sum()):
                limit[i] += _exact_shift(own, odds + limit[i], int(count[i]), target, limits, rising=rising)


def _exact_shift(size: Floats, eta: Floats, count: int, target: float, limits: Limits, *, rising: bool) -> float:
    """Return the shift of the log odds at which the exact tail of a sum is ``target``.

    A shift tilts the distribution by exp(shift y), so it is made once, where the limit nearly is. What is less than
    rounding of its peak is left out: a tilt would raise it.
    """
    mass = exact_mass(size, eta)
    there = np.flatnonzero(mass > 1e-14 * mass.max())
    mass, step = mass[there], (there - count).astype(float)
    beyond = np.where(step == 0, 0.5 if limits == "mid-p" else 1.0, (step > 0) == rising)

    def tail(shift: Floats) -> Floats:
        power = shift[0] * step
        tilted = mass * np.exp(power - power.max())
        return np.array([tilted @ beyond / tilted.sum()])

    return float(_solve(tail, target, np.zeros(1), rising=rising, reach=0.02)[0])
