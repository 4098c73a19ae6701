"""Gaussian random intercept under normal priors: everything but two standard deviations in closed form.

For a case of size s with outcome v, v / s = level + x'slopes + u_unit + e, with Var(u) = unit_sd² and
Var(e) = residual_sd² / s. Given both standard deviations, slopes and level are normal, and so are unit effects given
these: only two numbers are left to integrate over, and rows are read once.

References
----------
Lindley & Smith (1972), JRSS-B 34:1 (posterior of the linear hierarchical model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from benchmodels.errors import ConvergenceError
from benchmodels.kernels.basis import row_blocks
from benchmodels.kernels.posterior_importance import Point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.linear_intercept import UnitStatistics

    Floats = NDArray[np.float64]

__all__ = ["LinearPosterior", "linear_posterior", "unit_log_likelihoods"]


@dataclass(frozen=True, eq=False)
class LinearPosterior:
    """What the posterior reads: q = p + 2 numbers a unit, columns, one, and the outcome less the prior's mean.

    Parameters
    ----------
    weight : (k,) array
        Total size of each unit.
    means : (k, q) array
    within : (q, q) array
        Cross-products of cases about their own unit's means.
    cases : float
    precision : (p + 1,) array
        Of the priors of slopes and, last, level; means zero.
    residual_scale : float
        Of the half-normal prior of the residual standard deviation, outcome's unit of measure.
    """

    weight: Floats
    means: Floats
    within: Floats
    cases: float
    precision: Floats
    residual_scale: float

    def _moments(self, sd: Floats, residual: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the products (d, q, q) with V⁻¹, the factor (d, p + 1, p + 1) of the precision, and log |V| (d,)."""
        q = self.means.shape[1]
        shrunken = self.weight / (residual[:, None] ** 2 + self.weight * sd[:, None] ** 2)
        outer = np.einsum("ka,kb->kab", self.means, self.means).reshape(len(self.weight), q * q)
        products = (shrunken @ outer).reshape(-1, q, q) + self.within / residual[:, None, None] ** 2
        root = np.linalg.cholesky(products[:, :-1, :-1] + np.diag(self.precision))
        log_det = 2.0 * self.cases * np.log(residual)
        log_det += np.log1p(self.weight * (sd / residual)[:, None] ** 2).sum(axis=1)
        return products, root, log_det

    def log_density(self, sd: Floats, log_residual: Floats) -> Floats:
        """Return the log posterior density (d,) of unit_sd, without its prior, and log residual_sd."""
        residual = np.exp(log_residual)
        products, root, log_det = self._moments(sd, residual)
        solved = np.linalg.solve(root, products[:, :-1, -1:])[..., 0]
        squares = products[:, -1, -1] - np.sum(solved**2, axis=1)
        half = np.log(np.einsum("dii->di", root)).sum(axis=1)
        prior = log_residual - 0.5 * (residual / self.residual_scale) ** 2
        return np.asarray(-0.5 * (log_det + squares) - half + prior)

    def conditional(self, sd: float, near: Point | None) -> Point:
        """Return mode and curvature of log residual_sd at one unit standard deviation.

        Raises
        ------
        ConvergenceError
            No mode was found.
        """
        start = float(np.log(self.residual_scale)) - 1.0 if near is None else float(near.mode[0])

        def fall(at: float) -> float:
            return -float(self.log_density(np.array([sd]), np.array([at]))[0])

        found = minimize_scalar(fall, bracket=(start - 0.1, start + 0.1), tol=1e-6)
        at, h = float(found.x), 1e-3
        bend = (fall(at - h) - 2.0 * found.fun + fall(at + h)) / h**2
        if not np.isfinite(found.fun) or not bend > 0:
            raise ConvergenceError(f"no posterior mode of residual_sd was found at a unit_sd of {sd:.3g}")
        factor = bend**-0.5
        return Point(sd, np.array([at]), np.array([[factor]]), float(np.log(factor) - found.fun), np.zeros(0))

    def draw(self, sd: Floats, residual: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Draw slopes (d, p), level (d,) less the prior's mean, and effects (d, k), given standard deviations (d,)."""
        products, root, _ = self._moments(sd, residual)
        up = np.swapaxes(root, 1, 2)
        solved = np.linalg.solve(root, products[:, :-1, -1:])
        theta = np.linalg.solve(up, solved + rng.standard_normal(solved.shape))[..., 0]
        rest = self.means[:, -1] - theta @ self.means[:, :-1].T
        shrink = self.weight * sd[:, None] ** 2
        both = shrink + residual[:, None] ** 2
        spread = sd[:, None] * residual[:, None] / np.sqrt(both)
        effects = shrink / both * rest + spread * rng.standard_normal(rest.shape)
        return np.asarray(theta[:, :-1]), np.asarray(theta[:, -1]), np.asarray(effects)


def linear_posterior(
    statistics: UnitStatistics, center: float, precision: Floats, residual_scale: float
) -> LinearPosterior:
    """Return what the posterior reads of the rows.

    Parameters
    ----------
    statistics : UnitStatistics
        Of p columns of mean zero and the outcome.
    center : float
        Mean of the level's prior, in the outcome's unit of measure per unit of size.
    precision : (p + 1,) array
        Of the normal priors of slopes and level.
    residual_scale : float
        Of the half-normal prior of the residual standard deviation.
    """
    k, width = statistics.means.shape
    p = width - 1
    means = np.ones((k, p + 2))
    whole = statistics.means + statistics.center
    means[:, :p], means[:, -1] = whole[:, :p], statistics.means[:, p] + (statistics.center[p] - center)
    within = np.zeros((p + 2, p + 2))
    keep = np.r_[np.arange(p), p + 1]
    within[np.ix_(keep, keep)] = statistics.within
    means[statistics.weight <= 0] = 0.0
    return LinearPosterior(statistics.weight, means, within, statistics.cases, precision, residual_scale)


def unit_log_likelihoods(
    rows: Rows, starts: NDArray[np.intp], squares: Floats, slopes: Floats, level: Floats, sd: Floats, residual: Floats
) -> Floats:
    """Return the log-likelihood (d, k) of each unit's cases at d draws, unit effects integrated out, in nats.

    Parameters
    ----------
    rows : Rows
        n rows sorted by unit, p columns.
    starts : (k,) array
        First row of each unit.
    squares : (n,) array
        Sum over the cell's cases of outcome² / size.
    slopes : (d, p) array; level, sd, residual : (d,) arrays
        Outcome's unit of measure; standard deviations of units, and of a case of size one.
    """
    weight, cases = (
        np.add.reduceat(rows.size, starts),
        np.add.reduceat(np.where(rows.size > 0, rows.cases, 0.0), starts),
    )
    result = np.empty((len(level), len(starts)))
    for part in row_blocks(len(level), len(rows.outcome)):
        mu = slopes[part] @ rows.columns.T + level[part, None] + rows.offset
        rest = np.add.reduceat(rows.outcome - rows.size * mu, starts, axis=1)
        inside = np.add.reduceat(squares - 2.0 * mu * rows.outcome + mu**2 * rows.size, starts, axis=1)
        inside -= np.divide(rest**2, weight, out=np.zeros_like(rest), where=weight > 0)
        s2 = residual[part, None] ** 2
        both = s2 + weight * sd[part, None] ** 2
        means = np.divide(rest**2, weight, out=np.zeros_like(rest), where=weight > 0) / both
        result[part] = -0.5 * (
            cases * np.log(2.0 * np.pi * s2) + np.log(both / s2) + np.maximum(inside, 0.0) / s2 + means
        )
    return result
