"""Shrinkage of k noisy estimates towards a regression, and whether effects go with precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, stdtr

from benchmodels.errors import ConvergenceError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["NormalPosterior", "PrecisionTest", "normal_posterior", "precision_test"]


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
    own_variance : (k,) array; shared : (k, q + 1) array
        The posterior's covariance is diag(own_variance) + shared shared': what would be left were the prior known, and
        the errors of the target and of τ², which units share. Squared units of measure, and units of measure.
    """

    tau2: float
    coefficients: Floats
    target: Floats
    target_variance: Floats
    weight: Floats
    mean: Floats
    std_error: Floats
    own_variance: Floats
    shared: Floats

    def covariance(self) -> Floats:
        """Return the posterior's covariance, a (k, k) array."""
        return np.asarray(np.diag(self.own_variance) + self.shared @ self.shared.T)


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
    of_tau2 = shrinkage * (y - target) * np.sqrt(2.0 / (k - q - 2) * (average + tau2) * w)
    of_target = np.sqrt(s2 * w * shrinkage)[:, None] * (basis @ np.linalg.cholesky(inverse))
    own, shared = s2 * (1.0 - shrinkage), np.column_stack([of_target, of_tau2])
    return NormalPosterior(
        tau2=tau2 * scale**2,
        coefficients=np.linalg.solve(triangle, b) * scale,
        target=target * scale,
        target_variance=spread * scale**2,
        weight=1.0 - shrinkage,
        mean=(y - shrinkage * (y - target)) * scale,
        std_error=np.sqrt(own + (shared**2).sum(axis=1)) * scale,
        own_variance=own * scale**2,
        shared=shared * scale,
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
