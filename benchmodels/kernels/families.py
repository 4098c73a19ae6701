"""Families and links: mean, slope and variance of a case at a linear predictor, and what a row says of it.

A row of size m has mean ``m * mean(eta)``. Two different things are called a weight elsewhere and are kept apart here:
the *slope* dμ/dη, by which a total moves with a level, and the *variance* V(μ) of a case of its own practice. They
agree for a canonical link only. What the estimating equations need, the derivative of a row's log-likelihood in η and
its information, comes from `working`.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, table 2.1; Papke & Wooldridge (1996), J. Applied Econometrics
11:619 (fractional); Lawless (1987), Canadian J. Statistics 15:209 (negative binomial); Griffiths (1973), Biometrics
29:637 (beta-binomial).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import digamma, log_ndtr, logit, ndtri, polygamma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "Family",
    "FamilyName",
    "Link",
    "LINKS",
    "link",
    "marginal",
    "mean",
    "mean_and_slope",
    "pull",
    "score",
    "variance",
    "working",
]

FamilyName = Literal["binomial", "poisson", "gaussian", "gamma", "fractional", "negative_binomial", "beta_binomial"]
Link = Literal["logit", "probit", "cloglog", "log", "identity"]

# The first is the default.
LINKS: dict[str, tuple[Link, ...]] = {
    "binomial": ("logit", "probit", "cloglog"),
    "beta_binomial": ("logit", "probit", "cloglog"),
    "fractional": ("logit", "probit", "cloglog"),
    "poisson": ("log",),
    "negative_binomial": ("log",),
    "gamma": ("log",),
    "gaussian": ("identity",),
}
_CANONICAL = {("binomial", "logit"), ("fractional", "logit"), ("poisson", "log"), ("gaussian", "identity")}
# What the families with a shape are when it is zero.
_PLAIN = {"beta_binomial": "binomial", "negative_binomial": "poisson"}
_SHARES = ("binomial", "beta_binomial", "fractional")
_COUNTS = ("binomial", "beta_binomial", "poisson", "negative_binomial")


@dataclass(frozen=True)
class Family:
    """A family with its link.

    Parameters
    ----------
    name : str
        "binomial", "poisson", "gaussian", "gamma", "fractional", "negative_binomial" or "beta_binomial".
    link : str
        By default the first of ``LINKS[name]``.
    shape : float
        Negative binomial: a in V = M + a M² of a row's mean M. Beta-binomial: ρ in V = m p (1 − p) (1 + (m − 1) ρ).
        Not used by the other families.
    """

    name: FamilyName
    link: Link = ""  # type: ignore[assignment]
    shape: float = 0.0

    def __post_init__(self) -> None:
        if not self.link:
            object.__setattr__(self, "link", LINKS[self.name][0])

    @property
    def canonical(self) -> bool:
        """Whether slope and variance are one."""
        return (self.name if self.shape else _PLAIN.get(self.name, self.name), self.link) in _CANONICAL

    @property
    def counted(self) -> bool:
        """Whether a row counts cases, so that its sampling variance is known without any spread."""
        return self.name in _COUNTS

    @property
    def share(self) -> bool:
        """Whether the mean of a case lies between 0 and 1."""
        return self.name in _SHARES

    @property
    def by_row(self) -> bool:
        """Whether rows alike may not be added up, as their outcomes are tied to each other."""
        return self.name in ("negative_binomial", "beta_binomial")


def mean(family: Family, eta: Floats) -> Floats:
    """Return the mean per unit of size at linear predictor ``eta``, any shape: an array that callers may change."""
    if family.link == "logit":
        # tanh saturates without overflow, and is faster than the logistic function (speed is measured in
        # benchmarks/); below about -18 it loses relative accuracy, which is 1e-16 of a case.
        result = np.tanh(0.5 * eta)
        result *= 0.5
        result += 0.5
        return result
    if family.link == "log":
        return np.exp(eta)
    if family.link == "probit":
        return np.asarray(np.exp(log_ndtr(eta)))
    if family.link == "cloglog":
        return np.asarray(-np.expm1(-np.exp(np.minimum(eta, 700.0))))
    return np.array(eta)


def mean_and_slope(family: Family, eta: Floats) -> tuple[Floats, Floats]:
    """Return mean and its derivative at ``eta``, any shape: two arrays, as callers scale them in place."""
    mu = mean(family, eta)
    if family.link == "logit":
        return mu, mu * (1.0 - mu)
    if family.link == "log":
        return mu, mu.copy()
    if family.link == "probit":
        return mu, np.exp(-0.5 * eta * eta) / np.sqrt(2.0 * np.pi)
    if family.link == "cloglog":
        capped = np.minimum(eta, 700.0)
        return mu, np.exp(capped - np.exp(capped))
    return mu, np.ones_like(mu)


def variance(family: Family, mu: Floats) -> Floats:
    """Return the variance of a case of mean ``mu`` given its unit's practice, up to the residual variance if measured.

    For the negative and the beta-binomial family it is that of the plain count: what rows vary beyond it is practice,
    or a cause that cases share, and no noise of counting.
    """
    if family.share:
        return mu * (1.0 - mu)
    if family.name in ("poisson", "negative_binomial"):
        return mu.copy()
    return mu * mu if family.name == "gamma" else np.ones_like(mu)


def working(family: Family, eta: Floats, outcome: Floats, size: Floats, cases: Floats) -> tuple[Floats, Floats]:
    """Return what rows say of their linear predictor.

    Parameters
    ----------
    eta, outcome, size, cases : (n,) arrays
        Linear predictor, total outcome, size, and how many cases of equal size and outcome the row stands for.

    Returns
    -------
    first : (n,) array
        Derivative of the log-likelihood in η, up to the dispersion of a measured outcome.
    information : (n,) array
        Its (for the beta-binomial family nearly) expected negative derivative, positive where the row has size.
    """
    mu, slope = mean_and_slope(family, eta)
    if family.canonical:
        slope *= size
        mu *= size
        return outcome - mu, slope
    if family.name == "beta_binomial" and family.shape:
        return _beta_binomial(family, mu, slope, outcome, size, cases)[:2]
    drawn = _pull(family, eta, mu, size, cases)
    return drawn * (outcome - size * mu), size * slope * drawn


def score(family: Family, eta: Floats, outcome: Floats, size: Floats, cases: Floats) -> Floats:
    """Return the first half of `working` alone, for arrays that broadcast against ``eta``."""
    if family.canonical:
        residual = mean(family, eta)
        residual *= -size
        residual += outcome
        return residual
    return working(family, eta, outcome, size, cases)[0]


def pull(family: Family, eta: Floats, outcome: Floats, size: Floats, cases: Floats) -> Floats:
    """Return the derivative (n,) of ``first`` of `working` in the outcome; one everywhere for a canonical link."""
    if family.canonical:
        return np.ones_like(eta)
    mu, slope = mean_and_slope(family, eta)
    if family.name == "beta_binomial" and family.shape:
        return _beta_binomial(family, mu, slope, outcome, size, cases)[2]
    return _pull(family, eta, mu, size, cases)


def _pull(family: Family, eta: Floats, mu: Floats, size: Floats, cases: Floats) -> Floats:
    """Slope over variance, in a form that keeps its digits where both vanish."""
    if family.name == "negative_binomial":
        each = np.divide(size, cases, out=np.zeros_like(size), where=cases > 0)
        return 1.0 / (1.0 + family.shape * each * mu)
    if family.link == "log":
        return np.exp(-eta)
    if family.link == "probit":
        return np.asarray(np.exp(-0.5 * eta * eta - 0.5 * np.log(2.0 * np.pi) - log_ndtr(eta) - log_ndtr(-eta)))
    return np.exp(np.minimum(eta, 700.0)) / np.maximum(mu, np.finfo(float).tiny)


def _beta_binomial(
    family: Family, mu: Floats, slope: Floats, outcome: Floats, size: Floats, cases: Floats
) -> tuple[Floats, Floats, Floats]:
    """Derivative, information and pull for cases of ``size / cases`` trials each, with ρ = 1 / (1 + precision)."""
    precision = (1.0 - family.shape) / family.shape
    one = np.divide(1.0, cases, out=np.zeros_like(cases), where=cases > 0)
    trials, events = size * one, outcome * one
    up, down = np.maximum(precision * mu, 1e-300), np.maximum(precision * (1.0 - mu), 1e-300)
    first = digamma(events + up) - digamma(up) - digamma(trials - events + down) + digamma(down)
    drawn = precision * slope * (polygamma(1, events + up) + polygamma(1, trials - events + down))
    # The expected information has no closed form; that of the quasi-likelihood of this variance is close to it.
    spread = mu * (1.0 - mu) * (1.0 + (trials - 1.0) * family.shape)
    return cases * precision * slope * first, size * slope**2 / np.maximum(spread, 1e-300), drawn


def link(family: Family, mu: Floats) -> Floats:
    """Return the linear predictor at mean ``mu``; infinite at the edge of the parameter space."""
    if family.link == "logit":
        return np.asarray(logit(mu))
    if family.link == "probit":
        return np.asarray(ndtri(mu))
    with np.errstate(divide="ignore"):
        if family.link == "log":
            return np.asarray(np.log(mu))
        if family.link == "cloglog":
            return np.asarray(np.log(-np.log1p(-mu)))
    return mu


# Nodes of the rule for ∫ μ(η + σ z) φ(z) dz. With 32 its relative error is below 1e-12 up to σ = 1 and 1e-6 up to
# σ = 2 for the logistic mean (tests/kernels/test_families.py).
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def marginal(family: Family, eta: Floats, spread: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Return the mean over N(0, spread²) of levels, and its derivatives in η and in the spread.

    Parameters
    ----------
    eta : array of any shape
    spread : array that broadcasts against ``eta``, or None
        On the link scale. None: no spread, and the last derivative is zero.

    Returns
    -------
    mean, slope, in_spread : arrays of the shape of ``eta``
    """
    if spread is None:
        mu, slope = mean_and_slope(family, eta)
        return mu, slope, np.zeros_like(mu)
    spread = np.broadcast_to(spread, eta.shape)
    if family.link == "identity":
        return eta.copy(), np.ones_like(eta), np.zeros_like(eta)
    if family.link == "log":
        mu = np.exp(eta + 0.5 * spread**2)
        return mu, mu.copy(), spread * mu
    if family.link == "probit":
        root = np.sqrt(1.0 + spread**2)
        mu, slope = mean_and_slope(family, eta / root)
        return mu, slope / root, -slope * eta * spread / root**3
    mu, slope, in_spread = (np.zeros(eta.shape) for _ in range(3))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        at, rise = mean_and_slope(family, eta + spread * node)
        rise *= weight
        at *= weight
        mu += at
        slope += rise
        in_spread += node * rise
    return mu, slope, in_spread
