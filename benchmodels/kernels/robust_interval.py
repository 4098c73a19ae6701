"""Intervals around shrunken values that cover on average over units, whatever the distribution of effects.

The critical value rests on the second and fourth moments of the effects alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from benchmodels.errors import ConvergenceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["critical_value", "effect_moments", "noncoverage"]

_LEAST_KURTOSIS = 1.0001  # below it the two worst points cannot be told apart to rounding
_GAP = 1e-9  # by how much a worst-case noncoverage may fail to be certified


def effect_moments(residual: Floats, std_error: Floats, weight: Floats) -> tuple[float, float]:
    """Return the second moment of effects around their target, and their kurtosis, free of noise.

    Parameters
    ----------
    residual, std_error : (k,) arrays
        Estimate minus target, and its standard error, in one unit of measure.
    weight : (k,) array
        Relative weights of the units.

    Returns
    -------
    float, float
        Second moment in squared units of measure; kurtosis, a pure number of at least 1. Neither falls below the
        posterior mean it would have, were the moment estimate far below what is possible.

    References
    ----------
    Armstrong, Kolesár, Plagborg-Møller (2022), Econometrica 90:2567-2602, section 4 (baseline implementation).
    """
    scale = float(np.median(std_error))
    e2, s2 = np.square(residual / scale), np.square(std_error / scale)
    total = weight.sum()
    floor = 2.0 * (weight**2 @ s2**2) / (total * (weight @ s2))
    second = max(float(weight @ (e2 - s2)) / total, floor)
    fourth = float(weight @ (e2**2 - 6.0 * s2 * e2 + 3.0 * s2**2)) / total
    least = 32.0 * (weight**2 @ s2**4) / (total * (weight @ s2**2))
    return second * scale**2, float(max(fourth, second**2 + least) / second**2)


def _exceeds(s: Floats, chi: Floats) -> Floats:
    """Return P(abs(Z + s) > χ) for a standard normal Z."""
    return np.asarray(ndtr(s - chi) + ndtr(-s - chi))


def _density(s: Floats, chi: Floats) -> tuple[Floats, Floats]:
    return np.exp(-0.5 * (s - chi) ** 2) / np.sqrt(2 * np.pi), np.exp(-0.5 * (s + chi) ** 2) / np.sqrt(2 * np.pi)


def _tangent_point(chi: Floats) -> Floats:
    """Return s where the line from P(abs(Z) > χ) touches P(abs(Z + s) > χ) as a function of s²; 0 where concave."""
    low, high = np.full_like(chi, 1e-3), chi + 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        near, far = _density(middle, chi)
        above = _exceeds(middle, chi) - 2.0 * ndtr(-chi) > 0.5 * middle * (near - far)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(chi > np.sqrt(3.0), high, 0.0)


def _least_favourable(m2: Floats, kappa: float, chi: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the two values of s of the worst distribution and the probability of the second, (k,) arrays."""
    touch = _tangent_point(chi)
    point = m2 >= touch**2
    first, second = np.where(point, np.sqrt(m2), 0.0), np.where(point, np.sqrt(m2), touch)
    share = np.where(point, 1.0, m2 / np.where(point, 1.0, touch**2))
    # So near zero the kurtosis moves a critical value by less than 1e-5, and is left free.
    bound = ~point & (m2 < touch**2 / kappa) & (m2 > 1e-6)
    if bound.any():
        first[bound], second[bound], share[bound] = _two_points(m2[bound], kappa, chi[bound], touch[bound])
    return first, second, share


def _two_points(m2: Floats, kappa: float, chi: Floats, touch: Floats) -> tuple[Floats, Floats, Floats]:
    """Maximise over distributions on two points whose first two moments of s² are m2 and κ m2²."""

    def pair(position: Floats) -> tuple[Floats, Floats, Floats]:
        # Near the tangent point steps are standard errors, far from it a share of the distance.
        top = touch - np.expm1(position * np.log1p(reach)) / 100.0
        over = top**2 - m2
        under = (kappa - 1.0) * m2**2 / over
        return np.minimum(under, m2), top, under / (under + over)

    def gain(position: Floats) -> Floats:
        # What two points gain over one at m2; as a difference of slopes it keeps its digits however small m2.
        under, top, share = pair(position)
        over = top**2 - m2
        half = np.sqrt(m2 - 0.5 * under)
        near, far = _density(half, chi)
        flat = np.where(half * chi > 1e-8, (near - far) / (2.0 * np.maximum(half, 1e-300)), chi * near)
        lower = np.where(under > 1e-4, (here - _exceeds(np.sqrt(m2 - under), chi)) / np.maximum(under, 1e-4), flat)
        found = share * over * ((_exceeds(top, chi) - here) / over - lower)
        # Two points this close to zero and to each other differ by rounding alone.
        return np.where((m2 < 1e-3) & (over < 1e-3), -1.0, found)

    here = _exceeds(np.sqrt(m2), chi)
    reach = 100.0 * (touch - np.sqrt(kappa * m2))
    grid = np.linspace(0.0, 1.0, 33)
    best = np.argmax([gain(np.full_like(m2, position)) for position in grid], axis=0)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, 32)]
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(32):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        rises = gain(right) > gain(left)
        low, high = np.where(rises, left, low), np.where(rises, high, right)
    ends = np.array([low, 0.5 * (low + high), high])
    at = np.argmax([gain(end) for end in ends], axis=0)
    under, top, share = pair(ends[at, np.arange(len(m2))])
    return np.sqrt(m2 - under), top, share


def noncoverage(m2: Floats, kappa: float, chi: Floats) -> Floats:
    """Return the largest P(abs(Z + b) > χ) over b with E b² = m2 and E b⁴ at most κ m2².

    Parameters
    ----------
    m2, chi : (k,) arrays
        Second moment of the bias b in squared standard errors; half-width in standard errors.
    kappa : float
        Largest kurtosis of b, above 1; infinite leaves it free.

    Returns
    -------
    (k,) array
        Probabilities.

    Raises
    ------
    ConvergenceError
        A bound by duality is more than 1e-9 above the answer.

    Notes
    -----
    The worst distribution of b² has at most two points. Its proof is the mean of a quadratic in b² (a line where the
    kurtosis is free) that touches P(abs(Z + b) > χ) at the larger point and lies nowhere below it.

    References
    ----------
    Armstrong, Kolesár, Plagborg-Møller (2022), propositions B.1 and B.2 of the appendix: the bound and its dual.
    """
    first, second, share = _least_favourable(m2, kappa, chi)
    top = _exceeds(second, chi)
    found = (1.0 - share) * _exceeds(first, chi) + share * top
    near, far = _density(second, chi)
    slope = (near - far) / (2.0 * np.where(second > 0, second, 1.0))
    # Beyond χ + 10 the noncoverage is 1 to rounding, and the quadratic rises.
    steps = np.linspace(0.0, 1.0, 201)[:, None]
    below = np.maximum(chi - 10.0, 0.0)
    s = np.concatenate([first[None], steps * below, below + steps * (chi + 10.0 - below)])
    over = s**2 - second**2
    apart = np.abs(s - second) > 1e-3
    bend = np.where(apart, (_exceeds(s, chi) - top - slope * over) / np.where(apart, over, 1.0) ** 2, 0.0).max(axis=0)
    bound = top + slope * (m2 - second**2)
    if np.isfinite(kappa):
        bound = bound + bend * ((kappa - 1.0) * m2**2 + (m2 - second**2) ** 2)
    gap = bound - found
    if not (gap < _GAP).all():
        raise ConvergenceError(f"worst-case noncoverage: the gap to its bound is {gap.max():.1e}, above {_GAP}")
    return np.asarray(found)


def critical_value(m2: Floats, kappa: float, *, level: float) -> Floats:
    """Return the half-width, in standard errors, that covers ``level`` on average whatever the biases.

    Parameters
    ----------
    m2 : (k,) array
        Second moment of the bias, in squared standard errors.
    kappa : float
        Largest kurtosis of the bias, above 1; infinite leaves it free.
    level : float
        Such as 0.95.

    Returns
    -------
    (k,) array

    Raises
    ------
    ConvergenceError
        As `noncoverage`.

    Notes
    -----
    Newton steps between the normal quantile and Chebyshev's bound, to a relative 1e-12; the worst case is certified at
    the end. A kurtosis below 1.0001 counts as that, which only widens. 98 units take about 0.05 seconds.

    References
    ----------
    Armstrong, Kolesár, Plagborg-Møller (2022), equation (8): cva(m2, κ).

    Examples
    --------
    >>> critical_value(np.array([0.0, 25.0]), 3.0, level=0.95).round(5)
    array([ 1.95996, 11.88358])
    """
    miss, kappa = 1.0 - level, max(kappa, _LEAST_KURTOSIS)
    low, high = np.full_like(m2, -ndtri(miss / 2.0)), np.sqrt((1.0 + m2) / miss)
    chi = low
    for _ in range(100):
        first, second, share = _least_favourable(m2, kappa, chi)
        excess = (1.0 - share) * _exceeds(first, chi) + share * _exceeds(second, chi) - miss
        low, high = np.where(excess > 0, chi, low), np.where(excess > 0, high, chi)
        # The worst distribution is the best of all, so that it counts as fixed in the slope.
        slope = (1.0 - share) * sum(_density(first, chi)) + share * sum(_density(second, chi))
        newton = chi + excess / np.maximum(slope, 1e-300)
        following = np.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
        done = bool((np.abs(following - chi) <= 1e-12 * chi).all())
        chi = following
        if done:
            break
    noncoverage(m2, kappa, chi)
    return chi
