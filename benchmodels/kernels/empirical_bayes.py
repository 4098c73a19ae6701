"""Shrinkage of k noisy estimates towards a regression, and intervals that cover on average over units.

The interval's critical value holds whatever the distribution of effects, given its second and fourth moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, ndtr, ndtri, stdtr

from benchmodels.errors import ConvergenceError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "NormalPosterior",
    "PrecisionTest",
    "critical_value",
    "noncoverage",
    "normal_posterior",
    "precision_test",
]

_LEAST_KURTOSIS = 1.0001  # below it the two worst points cannot be told apart to rounding
_GAP = 1e-9  # by how much a worst-case noncoverage may fail to be certified


@dataclass(frozen=True, eq=False, kw_only=True)
class NormalPosterior:
    """Normal effects around a regression, and what is believed of each after its estimate.

    Parameters
    ----------
    tau2 : float
        Variance of effects around the target by REML, in squared units of measure of the estimates.
    coefficients : (q,) array
        Of the target, in the estimate's unit of measure per unit of each column.
    target, weight, mean, std_error : (k,) arrays
        Fitted target; weight of the unit's own estimate, 0 to 1; posterior mean and standard deviation.
    target_variance : (k,) array
        Of the fitted target.
    """

    tau2: float
    coefficients: Floats
    target: Floats
    target_variance: Floats
    weight: Floats
    mean: Floats
    std_error: Floats


@dataclass(frozen=True, kw_only=True)
class PrecisionTest:
    """Whether effects, or their spread, go with the standard error.

    Parameters
    ----------
    slope : float
        Of the estimate on log standard error, given the target, in the estimate's unit of measure. NaN where all
        standard errors are equal or the target already holds them.
    mean_p, spread_p : float
        p-values: of that slope, and of a trend of squared standardised residuals over log standard error.
    p : float
        The smaller of the two, doubled: one p-value for both questions.
    """

    slope: float
    mean_p: float
    spread_p: float
    p: float


def normal_posterior(estimate: Floats, std_error: Floats, design: Floats) -> NormalPosterior:
    """Shrink estimates towards a regression, y_i ~ N(θ_i, s_i²) and θ_i ~ N(x_i'β, τ²).

    Parameters
    ----------
    estimate, std_error : (k,) arrays
        In one unit of measure; standard errors above zero.
    design : (k, q) array
        Columns of the target, of full rank; q = 0 shrinks towards zero.

    Returns
    -------
    NormalPosterior

    Raises
    ------
    SpecificationError
        Fewer than q + 3 units.
    ConvergenceError
        The restricted score is not zero at τ².

    Notes
    -----
    τ² maximises the restricted likelihood over a grid of 81 values, then solves the score. With B_i the share
    (k - q - 2) / (k - q) of s_i² / (s_i² + τ²), the mean is y_i - B_i (y_i - x_i'b); its variance holds the error of b
    and of τ². The weight 1 - B_i is never below 2 / (k - q), so nothing is shrunk all the way when τ² is
    estimated as zero. Equal standard errors give James and Stein's (q = 0) or Lindley's estimator
    exactly (``tests/kernels/test_empirical_bayes.py``). Cost about 100 regressions of k rows.

    References
    ----------
    Morris (1983), JASA 78:47-55, section 5: the estimator, its factor (k - q - 2) / (k - q) and its variance.

    Examples
    --------
    >>> found = normal_posterior(np.array([2.0, -1.0, 4.0, -3.0]), np.ones(4), np.zeros((4, 0)))
    >>> found.mean.round(3)
    array([ 1.867, -0.933,  3.733, -2.8  ])
    """
    k, q = design.shape
    if k < q + 3:
        raise SpecificationError(f"{k} units with a known uncertainty; shrinkage to {q} coefficients needs {q + 3}")
    scale = float(np.median(std_error))
    y, s2 = estimate / scale, np.square(std_error / scale)
    basis, triangle = np.linalg.qr(design)
    tau2 = _restricted_maximum(y, s2, basis)
    w, inverse, b = _weighted(y, s2, basis, tau2)
    target = basis @ b
    spread = np.einsum("kp,pq,kq->k", basis, inverse, basis)
    shrinkage = (k - q - 2) / (k - q) * s2 * w
    average = (w @ s2) / w.sum()
    of_tau2 = 2.0 / (k - q - 2) * shrinkage**2 * (average + tau2) * w * (y - target) ** 2
    variance = s2 * (1.0 - (1.0 - w * spread) * shrinkage) + of_tau2
    return NormalPosterior(
        tau2=tau2 * scale**2,
        coefficients=np.linalg.solve(triangle, b) * scale,
        target=target * scale,
        target_variance=spread * scale**2,
        weight=1.0 - shrinkage,
        mean=(y - shrinkage * (y - target)) * scale,
        std_error=np.sqrt(variance) * scale,
    )


def _weighted(y: Floats, s2: Floats, basis: Floats, tau2: float) -> tuple[Floats, Floats, Floats]:
    w = 1.0 / (s2 + tau2)
    inverse = np.asarray(np.linalg.inv((basis * w[:, None]).T @ basis), dtype=np.float64)
    return w, inverse, inverse @ (basis.T @ (w * y))


def _restricted_maximum(y: Floats, s2: Floats, basis: Floats) -> float:
    def likelihood(tau2: float) -> float:
        w, inverse, b = _weighted(y, s2, basis, tau2)
        residual = y - basis @ b
        return float(np.log(w).sum() + np.linalg.slogdet(inverse)[1] - w @ residual**2)

    def score(tau2: float) -> float:
        w, inverse, b = _weighted(y, s2, basis, tau2)
        trace = w.sum() - np.einsum("pq,kp,k,kq->", inverse, basis, w**2, basis)
        return float((w**2) @ (y - basis @ b) ** 2 - trace)

    # At more than the whole sum of squares the likelihood falls; below a millionth of s² nothing is shrunk less.
    top = max(float((y - basis @ (basis.T @ y)) @ y), 1.0) * 2.0
    grid = np.concatenate([[0.0], np.geomspace(1e-6 * float(s2.min()), top, 80)])
    best = int(np.argmax([likelihood(value) for value in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if best <= 1 and score(0.0) <= 0.0:
        return 0.0
    if not score(low) >= 0.0 >= score(high):
        raise ConvergenceError("the variance between units: the restricted likelihood has no maximum on its grid")
    return float(brentq(score, low, high, xtol=1e-15 * high, rtol=1e-14))


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


def precision_test(estimate: Floats, std_error: Floats, design: Floats, tau2: float) -> PrecisionTest:
    """Test whether effects depend on precision, which shrinkage takes them not to do.

    Parameters
    ----------
    estimate, std_error : (k,) arrays
        In one unit of measure; standard errors above zero.
    design : (k, q) array
        Columns of the target. A constant is added to the alternative.
    tau2 : float
        Variance of effects around the target, in squared units of measure.

    Returns
    -------
    PrecisionTest

    Raises
    ------
    SpecificationError
        Too few units for q + 2 coefficients and two degrees of freedom.

    Notes
    -----
    The slope is of a regression with weights 1 / (s_i² + τ²), its variance scaled by the mean square of the residuals,
    with Student's t. The spread is tested by k R² of squared standardised residuals on log s_i, against χ² with one
    degree of freedom. Size at 98 units is simulated in ``tests/kernels/test_empirical_bayes.py``.

    References
    ----------
    Knapp, Hartung (2003), Stat Med 22:2693-2710: the slope. Koenker (1981), J Econometrics 17:107-112: the spread.
    """
    k = len(estimate)
    scale = float(np.median(std_error))
    trend = np.log(std_error / scale)
    if not np.ptp(trend) > 1e-9:
        return PrecisionTest(slope=np.nan, mean_p=np.nan, spread_p=np.nan, p=np.nan)
    root = np.sqrt(1.0 / ((std_error / scale) ** 2 + tau2 / scale**2))
    basis = np.linalg.svd(np.column_stack([design, np.ones(k)]) * root[:, None], full_matrices=False)
    columns = basis[0][:, basis[1] > 1e-10 * basis[1][0]]
    df = k - columns.shape[1] - 1
    if df < 2:
        raise SpecificationError(f"{k} units are too few to tell whether effects go with precision")
    y, x = estimate / scale * root, trend * root
    y, x = y - columns @ (columns.T @ y), x - columns @ (columns.T @ x)
    slope, mean_p = np.nan, np.nan
    if x @ x > 1e-10 * (trend * root) @ (trend * root):
        slope = float(x @ y / (x @ x))
        y = y - slope * x
        error = np.sqrt((y @ y) / df / (x @ x))
        mean_p = float(2.0 * stdtr(df, -abs(slope) / error)) if error > 0 else np.nan
    spread_p = _spread(y**2, trend)
    ps = [p for p in (mean_p, spread_p) if np.isfinite(p)]
    return PrecisionTest(
        slope=slope * scale,
        mean_p=mean_p,
        spread_p=spread_p,
        p=min(1.0, len(ps) * min(ps)) if ps else np.nan,
    )


def _spread(squared: Floats, trend: Floats) -> float:
    squared, trend = squared - squared.mean(), trend - trend.mean()
    total = squared @ squared
    return float(chdtrc(1.0, len(trend) * (squared @ trend) ** 2 / (total * (trend @ trend)))) if total > 0 else np.nan
