"""Gamma prior of rate ratios and beta prior of shares, fitted to counts: the most likely one, and the likely ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize, root
from scipy.special import betaln, digamma, expit, gammaln, logit, polygamma

from benchmodels.errors import ConvergenceError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["CountPrior", "PriorCounts", "PriorFit", "PriorLaw", "most_likely_prior", "prior_law"]

CountPrior = Literal["gamma", "beta"]
_NODES = 19
_DROP = 9.0  # in log density, below which a strength is left out: an eight-thousandth of the mode's
_ROUNDS = 60
_LARGE = 1e3  # above it the next term of an expansion is a relative 1e-13


@dataclass(frozen=True, eq=False)
class PriorCounts:
    """Counts of k units and the columns of their prior mean.

    Parameters
    ----------
    prior : 'gamma' or 'beta'
        O_i ~ Poisson(E_i θ_i), θ_i gamma with mean exp(x_i'β) and shape a; or O_i ~ binomial(n_i, p_i), p_i beta with
        mean expit(logit(E_i / n_i) + x_i'β) and strength a.
    observed, expected : (k,) arrays
        Cases; expected above zero, and below ``size`` for the beta prior.
    size : (k,) array
        Trials; used by the beta prior alone.
    design : (k, q) array
        Columns x of the prior mean, orthonormal but for their scale.
    """

    prior: CountPrior
    observed: Floats
    expected: Floats
    size: Floats
    design: Floats

    def take(self, units: NDArray[np.intp]) -> PriorCounts:
        """Return the counts of some of the units, by position."""
        per_unit = (self.observed, self.expected, self.size, self.design)
        return PriorCounts(self.prior, *(values[units] for values in per_unit))

    def means(self, b: Floats, *, shift: Floats | float = 0.0) -> Floats:
        """Return expected counts (…, k) at coefficients b (…, q), ``shift`` further along the link."""
        eta = b @ self.design.T + shift
        if self.prior == "gamma":
            return np.asarray(np.exp(np.log(self.expected) + eta))
        return np.asarray(self.size * expit(logit(self.expected / self.size) + eta))

    def likelihood(self, a: Floats, mu: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return the log likelihood and its derivatives at strengths a (m, 1) and expected counts mu (m, k).

        By unit, (m, k): the value; slopes in log a and along the link; the part of minus the second derivative along
        the link that is never negative, and all of it.
        """
        o = self.observed
        if self.prior == "gamma":
            value = _rising(a, o) - a * np.log1p(mu / a) + o * (np.log(mu) - np.log(a + mu))
            strength = a * (_lifted(a, o) - np.log1p(mu / a) + (mu - o) / (a + mu))
            bend = a * mu * (a + o) / (a + mu) ** 2
            return value, strength, (o - mu) * a / (a + mu), bend, bend
        fails, p, rest = self.size - o, mu / self.size, 1.0 - mu / self.size
        value = _rising(a * p, o) + _rising(a * rest, fails) - _rising(a, self.size)
        up, down = _lifted(a * p, o), _lifted(a * rest, fails)
        slope = a * p * rest * (up - down)
        bend = (a * p * rest) ** 2 * (_bent(a * p, o) + _bent(a * rest, fails))
        return value, a * (p * up + rest * down - _lifted(a, self.size)), slope, bend, bend - (rest - p) * slope

    def overdispersion(self, mu: Floats) -> tuple[float, float]:
        """Return twice the score of 1 / a at zero, and its expected slope there; mu (k,)."""
        o, n = self.observed, self.size
        if self.prior == "gamma":
            return float(((o - mu) ** 2 - o).sum()), float((mu**2).sum())
        fails, p = n - o, mu / n
        pairs = o * (o - 1.0) / p + fails * (fails - 1.0) / (1.0 - p) - n * (n - 1.0)
        return float(pairs.sum()), float((n * (n - 1.0)).sum())


@dataclass(frozen=True, eq=False)
class PriorFit:
    """The most likely prior.

    Parameters
    ----------
    strength : float
        a; infinite where units vary no more than chance.
    coefficients : (q,) array
        Of the columns of the counts.
    spread : float
        Rough standard error of 1 / a, were it zero.
    """

    strength: float
    coefficients: Floats
    spread: float


@dataclass(frozen=True, eq=False)
class PriorLaw:
    """What is believed of the prior: m strengths, and normal coefficients at each.

    Parameters
    ----------
    weight, strength : (m,) arrays
        Probabilities, adding to 1; and a.
    coefficients, root : (m, q) and (m, q, q) arrays
        Mean, and a factor R of the covariance R R'.
    """

    weight: Floats
    strength: Floats
    coefficients: Floats
    root: Floats


def most_likely_prior(counts: PriorCounts) -> PriorFit:
    """Fit the prior by marginal maximum likelihood.

    Parameters
    ----------
    counts : PriorCounts

    Returns
    -------
    PriorFit

    Raises
    ------
    SpecificationError
        Fewer than q + 2 units with some cases (and, under the beta prior, not all): what is believed of the prior would
        not add to one.
    ConvergenceError
        The score is not zero at the answer.

    Notes
    -----
    Without overdispersion (the score of 1 / a is not positive at 1 / a = 0) the strength is infinite. The score at the
    answer is below 1e-8 k. Against likelihoods of SciPy in ``tests/kernels/test_conjugate.py``.

    References
    ----------
    Clayton, Kaldor (1987), Biometrics 43:671-681, section 2 (gamma). Skellam (1948), JRSS B 10:257-261 (beta).
    """

    def minus_likelihood(x: Floats) -> tuple[float, Floats]:
        found = counts.likelihood(np.exp(x[:1])[:, None], counts.means(x[None, 1:]))
        value, strength, slope = (part[0] for part in found[:3])
        return -float(value.sum()), -np.concatenate([[strength.sum()], counts.design.T @ slope])

    _refuse_few(counts)
    b = _without_variation(counts)
    mu = counts.means(b)
    excess, weight = counts.overdispersion(mu)
    spread = float(np.sqrt(2.0 / weight))
    if excess <= 0.0:
        strength, certificate = np.inf, np.abs(counts.design.T @ (counts.observed - mu))
    else:
        start = np.concatenate([[np.log(weight / excess)], b])
        # A line search may try a step too far; what counts is the score at the answer.
        with np.errstate(over="ignore", invalid="ignore"):
            rough = minimize(minus_likelihood, start, jac=True, method="BFGS").x
            x = np.asarray(root(lambda at: minus_likelihood(at)[1], rough).x)
        strength, b, certificate = float(np.exp(x[0])), x[1:], np.abs(minus_likelihood(x)[1])
    if certificate.size and not certificate.max() <= 1e-8 * max(len(mu), counts.observed.sum()):
        raise ConvergenceError(f"the {counts.prior} prior: the score is {certificate.max():.1e} at the answer, not 0")
    return PriorFit(strength, b, spread)


def prior_law(counts: PriorCounts, fit: PriorFit) -> PriorLaw:
    """Return the posterior of the prior's parameters, with 1 / a and the coefficients uniform beforehand.

    Parameters
    ----------
    counts : PriorCounts
    fit : PriorFit
        Of the same counts.

    Returns
    -------
    PriorLaw

    Raises
    ------
    ConvergenceError
        The likelihood of the coefficients has no maximum at one of the strengths, or the strengths have no end.

    Notes
    -----
    The density of 1 / a is the likelihood with the coefficients integrated out by Laplace's method. It is summed over
    10 to 19 strengths equally spaced on the log scale, from end to end of where it is within e^-9 of its mode; it may
    be far from normal, with its mode at 1 / a = 0. Against plain quadrature over both parameters in
    ``tests/kernels/test_conjugate.py``.

    References
    ----------
    Kass, Steffey (1989), JASA 84:717-726: conditionally independent hierarchical models. Christiansen, Morris (1997),
    JASA 92:618-632; Tak, Kelly, Morris (2017), J Stat Softw 78(5), section 2: uniform distribution of 1 / a.
    """
    middle = np.log(fit.spread) if np.isinf(fit.strength) else -np.log(fit.strength)
    low, high = middle - 12.0, middle + 12.0
    for _ in range(_ROUNDS):
        at = np.linspace(low, high, _NODES)
        density, b, root = _integrated(counts, at, fit.coefficients)
        inside = np.flatnonzero(density > density.max() - _DROP)
        first, last, step = inside[0], inside[-1], at[1] - at[0]
        if first > 0 and last < _NODES - 1 and len(inside) >= 10:
            weight = np.exp(density[inside] - density.max())
            return PriorLaw(weight / weight.sum(), np.exp(-at[inside]), b[inside], root[inside])
        low, high = at[first] - (step if first else 6.0), at[last] + (step if last < _NODES - 1 else 6.0)
    raise ConvergenceError(f"the {counts.prior} prior: no bounds of its strength were found")


def _integrated(counts: PriorCounts, at: Floats, start: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the log density of log 1 / a (m,), and the coefficients with a root of their covariance at each."""
    a = np.exp(-at)[:, None]
    b = np.tile(start, (len(at), 1))
    scale = max(float(len(counts.observed)), float(counts.observed.sum()))
    for _ in range(_ROUNDS):
        mu = counts.means(b)
        value, _, slope, sure, bend = counts.likelihood(a, mu)
        score, precision = slope @ counts.design, _squares(counts.design, bend)
        # Where the likelihood is not concave yet, its part that always is shows the way up.
        odd = np.linalg.eigvalsh(precision).min(axis=1, initial=np.inf) <= 0.0
        precision[odd] = _squares(counts.design, sure[odd])
        step = np.linalg.solve(precision, score[..., None])[..., 0]
        if not (np.abs(score) > 1e-8 * scale * np.minimum(1.0, a)).any() and not odd.any():
            break
        b = b + step / np.maximum(1.0, np.abs(step @ counts.design.T).max(axis=1, keepdims=True))
    else:
        raise ConvergenceError(f"the {counts.prior} prior: its mean has no most likely value at some strength")
    # Covariance R R' with R the inverse of the transposed Cholesky factor of the precision.
    factor = np.linalg.cholesky(precision)
    root = np.linalg.inv(factor).transpose(0, 2, 1)
    log_determinant = 2.0 * np.log(np.einsum("mqq->mq", factor)).sum(axis=1)
    return value.sum(axis=1) + at - 0.5 * log_determinant, b, root


def _squares(design: Floats, weight: Floats) -> Floats:
    return np.asarray(np.einsum("kp,mk,kq->mpq", design, weight, design, optimize=True))


def _refuse_few(counts: PriorCounts) -> None:
    q = counts.design.shape[1]
    telling = counts.observed > 0
    if counts.prior == "beta":
        telling = telling & (counts.observed < counts.size)
    if telling.sum() < q + 2:
        told = "some cases, but not all" if counts.prior == "beta" else "some cases"
        raise SpecificationError(
            f"{int(telling.sum())} of {len(telling)} units have {told}; a {counts.prior} prior with {q} terms "
            f"needs {q + 2}"
        )


def _without_variation(counts: PriorCounts) -> Floats:
    """Return the most likely coefficients were there no variation but chance."""
    o, e, n = counts.observed.sum(), counts.expected.sum(), counts.size.sum()
    overall = float(np.log(o / e) if counts.prior == "gamma" else logit(o / n) - logit(e / n))
    b = np.linalg.lstsq(counts.design, np.full(len(counts.design), overall), rcond=None)[0]
    for _ in range(50 if len(b) else 0):
        mu = counts.means(b)
        weight = mu if counts.prior == "gamma" else mu * (1.0 - mu / counts.size)
        score = counts.design.T @ (counts.observed - mu)
        step = np.linalg.solve((counts.design * weight[:, None]).T @ counts.design, score)
        # A step of more than one on the scale of logs would leave the quadratic behind.
        b = b + step / max(1.0, float(np.abs(counts.design @ step).max()))
        if np.abs(step).max() < 1e-12:
            break
    return np.asarray(b)


def _rising(a: Floats, count: Floats) -> Floats:
    """Return log Γ(a + count) - log Γ(a) without cancellation at large a."""
    some = np.where(count > 0, count, 1.0)
    return np.where(count > 0, gammaln(some) - betaln(a, some), 0.0)


def _lifted(a: Floats, count: Floats) -> Floats:
    """Return ψ(a + count) - ψ(a): of large a by differences of the terms of ψ, which do not cancel."""
    end = a + count
    far = np.log1p(count / a) + count / (2.0 * a * end) + count * (a + end) / (12.0 * (a * end) ** 2)
    return np.where(a > _LARGE, far, digamma(end) - digamma(a))


def _bent(a: Floats, count: Floats) -> Floats:
    """Return ψ'(a) - ψ'(a + count), likewise."""
    end = a + count
    inverse, both = 1.0 / (a * end), a + end
    far = count * inverse * (1.0 + 0.5 * both * inverse + (both**2 - a * end) * inverse**2 / 6.0)
    return np.where(a > _LARGE, far, polygamma(1, a) - polygamma(1, end))
