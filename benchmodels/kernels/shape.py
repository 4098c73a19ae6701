"""The second parameter of counts that vary more than counting does: negative and beta-binomial, by maximum likelihood.

Slopes at a fixed shape are a Newton fit; the shape at fixed means is one root. The two take turns until neither moves,
which is the joint maximum. A shape of zero, at the edge, is the plain Poisson or binomial fit.

References
----------
Lawless (1987), Canadian J. Statistics 15:209, eq. 2.3; Griffiths (1973), Biometrics 29:637.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, xlogy

from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.families import mean, score
from benchmodels.kernels.newton import Certificate, LevelsFit, fit_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["fit_shape", "joint_information", "shape_log_likelihood"]

# Range of log precision (1/a, or (1 − ρ)/ρ) in which the root is sought. Beyond the upper end a row of a million
# cases varies by less than a tenth more than counting does.
LOW, HIGH = -9.0, 16.0


def _single(rows: Rows, eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return outcome, size, mean per size and number of the single cases that rows stand for, where there are any."""
    there = rows.cases > 0
    cases = rows.cases[there]
    return rows.outcome[there] / cases, rows.size[there] / cases, mean(rows.family, eta[there]), cases


def _slope(family: str, precision: float, single: tuple[Floats, Floats, Floats, Floats]) -> float:
    """Derivative of the log-likelihood in the precision."""
    y, m, mu, cases = single
    s = precision
    if family == "negative_binomial":
        M = m * mu
        each = digamma(y + s) - digamma(s) - np.log1p(M / s) + (M - y) / (M + s)
    else:
        p, q = mu, 1.0 - mu
        up, down = np.maximum(s * p, 1e-300), np.maximum(s * q, 1e-300)
        each = p * (digamma(y + up) - digamma(up)) + q * (digamma(m - y + down) - digamma(down))
        each -= digamma(m + s) - digamma(s)
    return float(cases @ each)


def shape_log_likelihood(rows: Rows, eta: Floats) -> float:
    """Return the log-likelihood with all its constants, at the family's shape (0: Poisson, binomial)."""
    y, m, mu, cases = _single(rows, eta)
    shape, counts = rows.family.shape, rows.family.name == "negative_binomial"
    if counts and shape == 0:
        each = xlogy(y, m * mu) - m * mu - gammaln(y + 1.0)
    elif counts:
        s, M = 1.0 / shape, m * mu
        each = gammaln(y + s) - gammaln(s) - gammaln(y + 1.0) + xlogy(y, M / (M + s)) - s * np.log1p(M / s)
    else:
        each = gammaln(m + 1.0) - gammaln(y + 1.0) - gammaln(m - y + 1.0)
        if shape == 0:
            each += xlogy(y, mu) + xlogy(m - y, 1.0 - mu)
        else:
            s = (1.0 - shape) / shape
            up, down = s * mu, s * (1.0 - mu)
            each += gammaln(y + up) - gammaln(up) + gammaln(m - y + down) - gammaln(down) - gammaln(m + s) + gammaln(s)
    return float(cases @ each)


def _best(rows: Rows, eta: Floats) -> float:
    """Return the shape of greatest likelihood at fixed means; 0 at the edge."""
    single, name = _single(rows, eta), rows.family.name

    def at(log_precision: float) -> float:
        return _slope(name, float(np.exp(log_precision)), single)

    grid = np.linspace(HIGH, LOW, 26)
    values = np.array([at(float(g)) for g in grid])
    # From the plain count downwards: the first precision at which more of it would help.
    rising = np.flatnonzero(values > 0)
    if not len(rising):
        return _shape(name, float(np.exp(LOW)))
    if rising[0] == 0:
        return 0.0
    root = brentq(at, grid[rising[0]], grid[rising[0] - 1], xtol=1e-13, rtol=1e-14)
    return _shape(name, float(np.exp(root)))


def _shape(name: str, precision: float) -> float:
    return 1.0 / precision if name == "negative_binomial" else 1.0 / (1.0 + precision)


def fit_shape(
    rows: Rows, start: LevelsFit, *, tolerance: float = 1e-10, max_turns: int = 200
) -> tuple[Rows, LevelsFit]:
    """Return the rows with the family at its shape of greatest likelihood, and the fit there.

    Parameters
    ----------
    rows : Rows
        n rows of a "negative_binomial" or "beta_binomial" family, not added up beyond rows of equal size and outcome.
    start : LevelsFit
        The fit at a shape of zero.
    tolerance : float
        Relative change of the shape at which it counts as found.

    Returns
    -------
    rows : Rows
    fit : LevelsFit
        Its certificate counts the turns, and does not converge where they run out.
    """
    fit, shape, steps = start, -1.0, 0
    for _ in range(max_turns):
        levels = np.where(np.isfinite(fit.levels), fit.levels, 0.0)
        eta = rows.columns @ fit.slopes + levels[rows.codes] + rows.offset
        kept = rows.take(np.isfinite(fit.levels)[rows.codes])
        found = _best(kept, eta[np.isfinite(fit.levels)[rows.codes]])
        rows = replace(rows, family=replace(rows.family, shape=found))
        fit = fit_levels(rows, slopes=fit.slopes, levels=levels)
        steps += fit.certificate.iterations
        if not fit.certificate.converged or abs(found - shape) <= tolerance * found:
            break
        shape = found
    done = fit.certificate.converged and abs(found - shape) <= tolerance * max(found, shape)
    path = fit.certificate.path
    certificate = Certificate(done, steps, fit.certificate.criterion, fit.certificate.value, path)
    return rows, replace(fit, certificate=certificate)


def joint_information(rows: Rows, fit: LevelsFit) -> Floats:
    """Return the observed information (p + g, p + g) on slopes and levels, the shape profiled out; g levels.

    Row by row second derivatives, as central differences of the first (relative error about 1e-9).
    """
    g, step = len(fit.levels), 1e-5
    finite = np.isfinite(fit.levels)
    eta = rows.columns @ fit.slopes + np.where(finite, fit.levels, 0.0)[rows.codes] + rows.offset
    there = finite[rows.codes] & (rows.cases > 0)
    z = np.zeros((int(there.sum()), rows.columns.shape[1] + g))
    z[:, : rows.columns.shape[1]] = rows.columns[there]
    z[np.arange(len(z)), rows.columns.shape[1] + rows.codes[there]] = 1.0
    part = rows.take(there)
    eta = eta[there]

    def first(at: Floats, shape: float) -> Floats:
        return score(replace(rows.family, shape=shape), at, part.outcome, part.size, part.cases)

    shape = rows.family.shape
    curvature = (first(eta - step, shape) - first(eta + step, shape)) / (2.0 * step)
    information = (z * curvature[:, None]).T @ z
    if shape == 0:
        return information
    # In the log of the precision, as the likelihood is nearest to a parabola there.
    name = rows.family.name
    precision = 1.0 / shape if name == "negative_binomial" else (1.0 - shape) / shape
    up, down = precision * np.exp(step), precision * np.exp(-step)
    cross = z.T @ ((first(eta, _shape(name, up)) - first(eta, _shape(name, down))) / (2.0 * step))
    single = _single(part, eta)
    own = (up * _slope(name, up, single) - down * _slope(name, down, single)) / (2.0 * step)
    return information + np.outer(cross, cross) / own if own < 0 else information
