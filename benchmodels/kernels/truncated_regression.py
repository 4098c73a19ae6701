"""Regression of distances to a frontier, which are 1 or more: a normal distribution cut off at 1, many at once.

A distance less 1 has the density exp(κ t - η t² / 2 - A) for t >= 0, κ and η = 1 / σ² linear in what is sought: an
exponential family. So the likelihood is concave, its maximum the only one, and Newton's method sure to find it. Where
the distances spread more than exponential ones do, the likelihood grows as far as η = 0, and has no maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import log_ndtr, ndtri_exp

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["CONVERGED", "FEW", "NO_MAXIMUM", "STALLED", "TruncatedFits", "fit_truncated", "truncated_draws"]

CONVERGED, NO_MAXIMUM, STALLED, FEW = range(4)

# Newton's decrement, of a log likelihood, at which the last step is taken.
_DECREMENT = 1e-12
_STEPS = 60
# η times the squared mean of t, below which the density cannot be told from an exponential one.
_FLAT = 1e-6
# Below which the continued fraction is used, and how many terms it then needs.
_TAIL, _TERMS = -4.0, 40
# Numbers in an array that stays in the cache.
_CACHED = 1 << 15
_LOG_ROOT = 0.5 * float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False, kw_only=True)
class TruncatedFits:
    """Fits of r truncated regressions; NaN where there is none.

    Parameters
    ----------
    coefficients : (r, p) array
        In the units of the distances per unit of z.
    sigma : (r,) array
        Standard deviation before truncation.
    std_error : (r, p + 1) array
        Of the coefficients and of sigma, from the inverse Hessian.
    log_likelihood : (r,) array
    decrement : (r,) array
        Newton's, before the last step: twice what is missing of the log likelihood, before it.
    status : (r,) array of int
        `CONVERGED`; `NO_MAXIMUM`: the likelihood grows as σ → ∞; `STALLED`: it grows as σ → 0, or the used rows of z
        are collinear; `FEW`: fewer than p + 2 used.
    """

    coefficients: Floats
    sigma: Floats
    std_error: Floats
    log_likelihood: Floats
    decrement: Floats
    status: Codes


@dataclass(frozen=True, eq=False)
class _Problem:
    """Outcomes less 1, divided by their means (r, n); orthogonal columns (n, p); use (r, n); least squares (r, n)."""

    t: Floats
    q: Floats
    use: Floats
    centre: Floats

    def part(self, rows: Codes) -> _Problem:
        return _Problem(self.t[rows], self.q, self.use[rows], self.centre[rows])


def fit_truncated(delta: Floats, z: Floats, use: Mask | None = None) -> TruncatedFits:
    """Fit δ = z b + e, e ~ N(0, σ²) given that δ >= 1, by maximum likelihood to each row of outcomes.

    Parameters
    ----------
    delta : (r, n) array
        Distances, 1 or more where they are used.
    z : (n, p) array
        In any units of measure; with a constant, or columns that sum to one.
    use : (r, n) array of bool, optional
        Which outcomes count; all by default.

    Raises
    ------
    SpecificationError
        Columns of z that are collinear, or without a constant among them.
    DataError
        Numbers that are not finite, or distances below 1, among those used.

    Notes
    -----
    Accurate to 1e-8 standard errors; with means 40 σ below 1, or 1e6 σ above it, to 1e-6 of their distance from 1
    (test_truncated_regression.py). 2,000 fits of 98 outcomes by 3 columns take a fifth of a second of one core.

    References
    ----------
    Simar & Wilson (2007), J Econometrics 136:31-64. Olsen (1978), Econometrica 46:1211-1215.
    Orme & Ruud (2002), Econ Lett 75:209-217 (one maximum).

    Examples
    --------
    >>> z = np.column_stack([np.ones(5), [0.0, 1.0, 2.0, 3.0, 4.0]])
    >>> found = fit_truncated(np.array([[1.9, 2.6, 2.4, 3.1, 3.2]]), z)
    >>> np.round(found.coefficients, 3), np.round(found.sigma, 3), int(found.status[0])
    (array([[2.02, 0.31]]), array([0.185]), 0)
    """
    q, back, constant = _orthogonal(z)
    (r, n), p = delta.shape, q.shape[1]
    use = np.ones((r, n), dtype=bool) if use is None else use
    if not np.all(delta[use] >= 1.0) or not np.all(np.isfinite(delta[use])):
        raise DataError("distances must be finite and 1 or more; found others among those to be regressed")
    status = np.where(use.sum(axis=1) < p + 2, FEW, STALLED)
    values, covariance = np.full((r, p + 1), np.nan), np.full((r, p + 1, p + 1), np.nan)
    likelihood, decrement = np.full(r, np.nan), np.full(r, np.nan)
    rows = np.flatnonzero(status != FEW)
    for block in np.array_split(rows, max(1, len(rows) * n // _CACHED)):
        found = _fit(delta[block], q, use[block])
        values[block], covariance[block], likelihood[block], decrement[block], status[block] = found
    values[:, :p] = values[:, :p] @ back.T + constant
    covariance[:, :p] = back @ covariance[:, :p]
    covariance[..., :p] = covariance[..., :p] @ back.T
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    return TruncatedFits(
        coefficients=values[:, :p], sigma=values[:, p], std_error=error, log_likelihood=likelihood,
        decrement=decrement, status=status,
    )  # fmt: skip


def truncated_draws(mean: Floats, sigma: float, replicates: int, rng: np.random.Generator) -> Floats:
    """Draw from normal distributions cut off at 1.

    Parameters
    ----------
    mean : (n,) array
        Before truncation.
    sigma : float
    replicates : int
    rng : Generator

    Returns
    -------
    (replicates, n) array
        1 or more.

    Examples
    --------
    >>> bool(np.all(truncated_draws(np.array([-39.0, 1.0, 41.0]), 1.0, 5, np.random.default_rng(1)) >= 1.0))
    True
    """
    v = (mean - 1.0) / sigma
    tail = log_ndtr(v) - rng.standard_exponential((replicates, len(mean)))
    # Rounding may put a draw at the edge a little below it.
    return np.asarray(1.0 + sigma * np.maximum(v - ndtri_exp(tail), 0.0))


def _orthogonal(z: Floats) -> tuple[Floats, Floats, Floats]:
    """Return z with orthogonal columns of mean square 1, what gives coefficients of z back, and those of a constant."""
    n, p = z.shape
    scale = np.abs(z).max(axis=0, initial=0.0)
    if not np.all(np.isfinite(z)):
        raise DataError("z must be finite")
    if n < p or not np.all(scale > 0.0):
        raise SpecificationError(f"z has {p} columns for {n} units, or a column of zeros; leave some out")
    body = z / scale
    # A column far from zero with little spread would else seem to be a constant.
    level = body.mean(axis=0)
    vary = np.ptp(body, axis=0) > 0.0
    if not vary.all():
        body = np.where(vary, body - level, body)
    length = np.sqrt(np.mean(body**2, axis=0))
    q, upper = np.linalg.qr(body / length)
    if np.abs(np.diagonal(upper)).min() < 1e-9 * np.sqrt(n):
        raise SpecificationError("columns of z are collinear; leave one out")
    q *= np.sqrt(n)
    constant = q.mean(axis=0)
    if np.abs(q @ constant - 1.0).max() > 1e-9:
        raise SpecificationError("z has no constant, nor columns that sum to one; add a column of ones")
    back = solve_triangular(upper, np.eye(p)) * np.sqrt(n) / (length * scale)[:, None]
    if not vary.all():
        where = int(np.flatnonzero(~vary)[0])
        shift = np.where(vary, level * scale, 0.0)
        back[where] -= (shift @ back) / z[0, where]
    return q, back, back @ constant


def _fit(delta: Floats, q: Floats, use: Mask) -> tuple[Floats, Floats, Floats, Floats, Codes]:
    """Return coefficients of q, less those of 1, and sigma (r, p + 1); their covariance; and how it ended."""
    n, p = q.shape
    weight = use.astype(float)
    count = weight.sum(axis=1)
    t = np.where(use, delta - 1.0, 0.0)
    unit = t.sum(axis=1) / count
    unit[unit == 0.0] = 1.0
    t /= unit[:, None]
    gram = (weight @ _squares(q)).reshape(-1, p, p) / n
    start = (np.linalg.pinv(gram, hermitian=True) @ (t @ q / n)[..., None])[..., 0]
    centre = start @ q.T
    spread = (weight * (t - centre) ** 2).sum(axis=1) / count
    # Values that lie on a plane but for rounding have no likelihood with a maximum.
    exact = spread <= 1e-24
    theta = np.zeros((len(t), p + 1))
    theta[:, p] = 1.0 / np.where(exact, 1.0, spread)
    problem = _Problem(t, q, weight, centre)
    theta, covariance, likelihood, decrement, status = _newton(problem, theta, np.flatnonzero(~exact))
    eta = theta[:, p]
    jacobian = np.zeros_like(covariance)
    jacobian[:, range(p), range(p)] = (1.0 / eta)[:, None]
    jacobian[:, :p, p] = -theta[:, :p] / eta[:, None] ** 2
    jacobian[:, p, p] = -0.5 * eta**-1.5
    covariance = jacobian @ covariance @ jacobian.transpose(0, 2, 1) * unit[:, None, None] ** 2
    values = np.column_stack([start + theta[:, :p] / eta[:, None], eta**-0.5]) * unit[:, None]
    lost = status != CONVERGED
    values[lost], covariance[lost], likelihood[lost] = np.nan, np.nan, np.nan
    return values, covariance, likelihood - count * np.log(unit), decrement, status


def _newton(problem: _Problem, theta: Floats, rows: Codes) -> tuple[Floats, Floats, Floats, Floats, Codes]:
    """Climb from theta (r, p + 1) in some rows; steps are halved until the likelihood does not fall."""
    r, d = theta.shape
    inverse, status = np.full((r, d, d), np.nan), np.full(r, STALLED)
    height, decrement, step = np.full(r, -np.inf), np.full(r, np.inf), np.zeros_like(theta)
    base = theta.copy()
    for _ in range(_STEPS):
        if not len(rows):
            break
        value, slope, bend = _evaluate(problem.part(rows), theta[rows])
        rose = value >= height[rows] - 1e-11 * (1.0 + np.abs(value))
        missed, rows = rows[~rose], rows[rose]
        step[missed] *= 0.5
        height[rows], base[rows] = value[rose], theta[rows]
        inverse[rows], sound = _inverse(bend[rose])
        step[rows] = (inverse[rows] @ slope[rose][..., None])[..., 0]
        decrement[rows] = np.sum(step[rows] * slope[rose], axis=1)
        done = sound & (decrement[rows] < _DECREMENT)
        flat = base[rows, -1] < _FLAT
        status[rows[done]] = CONVERGED
        status[rows[flat]] = NO_MAXIMUM
        going = sound & ~flat
        # η may fall to a tenth in one step, and no further: at zero the density ends.
        fall = -step[rows, -1] / base[rows, -1]
        step[rows] *= np.minimum(1.0, 0.9 / np.maximum(fall, 0.9))[:, None]
        theta[rows[done]] = base[rows[done]] + step[rows[done]]
        rows = np.sort(np.concatenate([missed, rows[going & ~done]]))
        theta[rows] = base[rows] + step[rows]
    return theta, inverse, height, decrement, status


def _evaluate(problem: _Problem, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Return log likelihoods (r,), their slopes (r, d), and minus their second derivatives (r, d, d).

    Parameters are γ and η in κ = q γ + η times the least-squares fit; their statistics q t and -(t - fit)² / 2.
    """
    q, use, p = problem.q, problem.use, problem.q.shape[1]
    eta = theta[:, p:]
    h = np.sqrt(eta)
    shift = theta[:, :p] @ q.T / h
    centre = h * problem.centre
    v = shift + centre
    u = h * problem.t
    log_scale, mean, second, third, fourth = _moments(v)
    # Both are taken from the fit: so nothing cancels where t is many σ from zero.
    off = np.where(v > _TAIL, shift + (mean - v), mean - centre)
    residual = u - centre
    value = np.where(v > _TAIL, -0.5 * (u - v) ** 2, u * v - 0.5 * u * u) - log_scale + 0.5 * np.log(eta) - _LOG_ROOT
    slope = np.empty_like(theta)
    slope[:, :p] = (use * (residual - off) / h) @ q
    slope[:, p] = -0.5 * np.sum(use * (residual**2 - off**2 - second), axis=1) / eta[:, 0]
    bend = np.empty((*theta.shape, p + 1))
    bend[:, :p, :p] = ((use * second / eta) @ _squares(q)).reshape(-1, p, p)
    cross = -0.5 * (use * (third + 2.0 * off * second) / (eta * h)) @ q
    bend[:, :p, p] = bend[:, p, :p] = cross
    squared = fourth + 4.0 * off * (third + off * second)
    bend[:, p, p] = 0.25 * np.sum(use * squared, axis=1) / eta[:, 0] ** 2
    return np.sum(use * value, axis=1), slope, bend


def _moments(v: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return moments of a normal variable with mean v and variance 1, given that it is above 0.

    First log Φ(v), at v <= -4 plus v² / 2; then its mean, variance, third central moment, and the variance of its
    squared deviation from the mean.
    """
    log_scale = log_ndtr(v)
    ratio = np.exp(-0.5 * v * v - _LOG_ROOT - log_scale)
    mean = v + ratio
    second = 1.0 - ratio * mean
    third = ratio * (mean * mean - second)
    fourth = ratio * (2.0 * mean * second - third) - mean * third + 2.0 * second**2
    low = np.nonzero(v <= _TAIL)
    if len(low[0]):
        parts = _tail_moments(v[low])
        for whole, part in zip((log_scale, mean, second, third, fourth), parts, strict=True):
            whole[low] = part
    return log_scale, mean, second, third, fourth


def _tail_moments(v: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the same for v far below 0, by ratios of successive moments r_k = (k + 1) / (|v| + r_(k + 1)).

    All terms are positive: nothing cancels, as it does in the upward recursion.
    """
    ratio = np.zeros((4, len(v)))
    last = np.full(len(v), np.sqrt(_TERMS))
    for k in range(_TERMS, 0, -1):
        last = k / (last - v)
        if k <= 4:
            ratio[k - 1] = last
    one, two, three, four = np.cumprod(ratio, axis=0)
    second = two - one**2
    third = three - 3.0 * two * one + 2.0 * one**3
    central = four - 4.0 * three * one + 6.0 * two * one**2 - 3.0 * one**4
    return -np.log(one - v) - _LOG_ROOT, one, second, third, central - second**2


def _inverse(bend: Floats) -> tuple[Floats, Mask]:
    """Return inverses of positive definite matrices (r, d, d), and which are that."""
    size = np.sqrt(np.diagonal(bend, axis1=1, axis2=2))
    size = np.where((size > 0.0) & np.isfinite(size), size, 1.0)
    pair = size[:, :, None] * size[:, None, :]
    sound = np.asarray(np.isfinite(bend).all(axis=(1, 2)))
    values, vectors = np.linalg.eigh(np.where(sound[:, None, None], bend / pair, np.eye(bend.shape[1])))
    sound &= values[:, 0] > 1e-12
    values = np.where(sound[:, None], values, 1.0)
    return (vectors / values[:, None, :]) @ vectors.transpose(0, 2, 1) / pair, sound


def _squares(q: Floats) -> Floats:
    return np.asarray((q[:, :, None] * q[:, None, :]).reshape(len(q), -1))
