"""The empirical null: centre and spread of the z-scores of ordinary units, as the middle of all of them shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr

from benchmodels.errors import ConvergenceError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["EmpiricalNull", "empirical_null"]

_REACH = 2.0  # half width of the middle, in standard deviations of the null
_FEWEST = 10
_ROUNDS = 50
_FLOOR = 1e-4  # of the variance that does not grow with size, against the first guess


@dataclass(frozen=True, kw_only=True)
class EmpiricalNull:
    """Normal null of z-scores, whose variance is linear in a unit's effective size.

    Parameters
    ----------
    mean : float
        Centre of the z-scores, a pure number; 0 under the theoretical null.
    variance : float
        Variance of the z-score of a unit of no size; 1 under the theoretical null.
    growth : float
        What is added to the variance by a unit of mean effective size, 0 or more; 0 under the theoretical null.
    mean_std_error, sd_std_error : float
        Standard errors of the mean, and of the standard deviation at mean effective size; NaN where the likelihood
        is too flat to tell.
    null_share : float
        Largest share of units that the null can hold, given how many are in its middle; 1 or less.
    size : float
        Mean effective size, in the unit of measure of the sizes.
    units : int
        Units it rests on.
    """

    mean: float
    variance: float
    growth: float
    mean_std_error: float
    sd_std_error: float
    null_share: float
    size: float
    units: int

    def sd(self, size: Floats) -> Floats:
        """Return the standard deviation of ordinary z-scores at these effective sizes."""
        return np.sqrt(self.variance + self.growth * np.asarray(size) / self.size)


def empirical_null(z: Floats, size: Floats) -> EmpiricalNull:
    """Fit the null to the middle of the z-scores by maximum likelihood.

    z_i ~ N(μ, v + g n_i / n̄) for ordinary units, which are a share π0 of all. Others may lie anywhere, but outside the
    middle, |z_i - μ| ≤ 2 sd_i.

    Parameters
    ----------
    z : (k,) array
        z-scores, pure numbers; NaN carry no weight.
    size : (k,) array
        Effective size n_i, above zero: inverse squared standard errors, in any unit of measure. All equal for a
        variance that is the same for all units.

    Returns
    -------
    EmpiricalNull

    Raises
    ------
    SpecificationError
        Fewer than ten units with a z-score and a size.
    ConvergenceError
        The likelihood has no maximum inside its bounds, as where more than half of the z-scores are equal.

    Notes
    -----
    The middle is that of the fit itself: fits are repeated until the units in it stay the same (at most fifty times;
    where they alternate the last one counts). Standard errors are those of the likelihood with the middle held fixed.
    At 98 units the standard deviation is known to about 12 %: at this size an empirical null describes (``tests/
    kernels/test_empirical_null.py``). Cost: some 10 fits of O(k), 20 to 100 ms for 98 units.

    Whatever varies between units belongs to this null, also what a better measurement would call practice.

    References
    ----------
    Efron (2004), J Am Stat Assoc 99:96-104; Efron (2007), Ann Stat 35:1351, eqs 4.6-4.10 (likelihood of the middle,
    with π0). Xia, He et al. (2022), Biostatistics 23:257; Hartman, He et al. (2024), Ann Appl Stat 18:729 (variance
    linear in the effective size).

    Examples
    --------
    >>> z = np.r_[np.linspace(-2.2, 2.2, 45), 8.0, 9.0, 12.0]
    >>> found = empirical_null(z, np.ones(48))
    >>> round(found.mean, 2), round(float(found.sd(np.ones(1))[0]), 2), round(found.null_share, 2)
    (-0.01, 1.34, 0.95)
    """
    usable = np.isfinite(z) & np.isfinite(size) & (size > 0)
    units = int(usable.sum())
    if units < _FEWEST:
        raise SpecificationError(f"{units} units have a z-score; an empirical null needs at least {_FEWEST}")
    z, mean_size = z[usable], float(size[usable].mean())
    relative = size[usable] / mean_size
    centre = float(np.median(z))
    spread = 1.4826 * float(np.median(np.abs(z - centre)))
    if not spread > 0.0:
        raise ConvergenceError("more than half of the z-scores are equal: their middle has no spread")
    problem = _Middle(z=(z - centre) / spread, relative=relative)
    found, middle = problem.fit()
    mean_error, sd_error = problem.errors(found, middle)
    return EmpiricalNull(
        mean=centre + spread * float(found[0]),
        variance=spread**2 * float(found[1]),
        growth=spread**2 * float(found[2]),
        mean_std_error=spread * mean_error,
        sd_std_error=spread * sd_error,
        null_share=float(found[3]),
        size=mean_size,
        units=units,
    )


def _density(x: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Middle:
    """z-scores on the scale of their own spread, and relative sizes; parameters are (mean, variance, growth, π0)."""

    z: Floats
    relative: Floats

    def bounds(self) -> list[tuple[float, float]]:
        # Equal sizes cannot tell a variance that grows from one that does not.
        grows = np.ptp(self.relative) > 1e-6
        return [(-10.0, 10.0), (_FLOOR, 1e3), (0.0, 1e3 if grows else 0.0), (1e-3, 1.0)]

    def loss(self, theta: Floats, low: Floats, high: Floats) -> tuple[float, Floats]:
        """Return minus the log-likelihood, and its gradient.

        The density in the middle, the chance of not being there outside.
        """
        mean, variance, growth, share = theta
        sd = np.sqrt(variance + growth * self.relative)
        inside = (self.z >= low) & (self.z <= high)
        scaled, left, right = (self.z - mean) / sd, (low - mean) / sd, (high - mean) / sd
        chance = np.minimum(ndtr(right) - ndtr(left), 1.0 - 1e-15)
        out = 1.0 - share * chance
        told = np.where(inside, np.log(share / sd) - 0.5 * scaled**2, np.log(out))
        at_left, at_right = _density(left), _density(right)
        by_mean = np.where(inside, scaled, share * (at_right - at_left) / out) / sd
        by_variance = np.where(inside, scaled**2 - 1.0, share * (right * at_right - left * at_left) / out) / (
            2.0 * sd**2
        )
        by_share = np.where(inside, 1.0 / share, -chance / out)
        rows = (by_mean, by_variance, by_variance * self.relative, by_share)
        return -float(told.sum()), -np.array([row.sum() for row in rows])

    def middle(self, theta: Floats) -> tuple[Floats, Floats]:
        half = _REACH * np.sqrt(theta[1] + theta[2] * self.relative)
        return theta[0] - half, theta[0] + half

    def fit(self) -> tuple[Floats, tuple[Floats, Floats]]:
        theta = np.array([0.0, 1.0, 0.0, 1.0])
        coming = self.middle(theta)
        for _ in range(_ROUNDS):
            middle = coming
            theta = self._maximum(theta, middle)
            coming = self.middle(theta)
            before, after = ((self.z >= low) & (self.z <= high) for low, high in (middle, coming))
            if np.array_equal(before, after):
                break
        return theta, middle

    def _maximum(self, start: Floats, middle: tuple[Floats, Floats]) -> Floats:
        bounds = self.bounds()
        done = minimize(self.loss, start, args=middle, method="L-BFGS-B", jac=True, bounds=bounds)
        theta: Floats = done.x
        ends = np.array(bounds)[:3, 1]
        if not done.success or np.any((theta[:3] >= ends) & (ends > 0)):
            raise ConvergenceError(f"the empirical null was not found: {done.message}")
        return theta

    def errors(self, theta: Floats, middle: tuple[Floats, Floats]) -> tuple[float, float]:
        """Return the standard errors of the mean and of the standard deviation at relative size one."""
        step = 1e-4 * np.maximum(np.abs(theta), 0.1)
        # What lies at its bound is not free to vary.
        bounds = enumerate(self.bounds())
        free = [i for i, (low, high) in bounds if low + 4.0 * step[i] < theta[i] < high - 4.0 * step[i]]

        information = np.empty((len(free), len(free)))
        for row, i in enumerate(free):
            move = np.eye(4)[i] * step[i]
            rise = self.loss(theta + move, *middle)[1] - self.loss(theta - move, *middle)[1]
            information[row] = rise[free] / (2.0 * step[i])
        covariance = np.linalg.pinv(information)
        slope = np.array([0.5 / np.sqrt(theta[1] + theta[2]) if i in (1, 2) else 0.0 for i in free])
        variance = np.array([covariance[0, 0], slope @ covariance @ slope])
        mean_error, sd_error = np.sqrt(np.where(variance > 0, variance, np.nan))
        return float(mean_error), float(sd_error)
