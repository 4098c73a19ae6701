"""Row-wise log-likelihoods with their first three derivatives in the linear predictor, without working weights.

A row has outcome total y of size m (trials or exposure) at linear predictor η. What does not depend on η is left out:
the binomial coefficient, and log(m^y / y!) of the Poisson. The second derivative is the observed one, which for
probit and the complementary log-log differs from its expectation; each log-likelihood here is concave in η.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erfcx, logit, ndtri

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Likelihood", "log_likelihood_terms", "row_likelihood"]

HALF = np.sqrt(0.5)
MILLS = np.sqrt(2.0 / np.pi)


@dataclass(frozen=True)
class Likelihood:
    """Functions of ``(eta, outcome, size)``, each of any shapes that broadcast; a row of size zero gives zeros.

    Parameters
    ----------
    value : callable
        Log-likelihood ℓ, in nats.
    derivatives : callable
        ℓ′ and −ℓ″, per unit of the linear predictor and its square.
    third : callable
        The derivative of −ℓ″, that is −ℓ‴.
    link : callable
        Linear predictor at a mean per unit of size, of one argument.
    """

    value: Callable[[Floats, Floats, Floats], Floats]
    derivatives: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]
    third: Callable[[Floats, Floats, Floats], Floats]
    link: Callable[[Floats], Floats]


def _logit_value(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    # log1p(exp(η)) is accurate on both sides and overflows only where η itself is senseless.
    total = np.exp(eta)
    np.log1p(total, out=total)
    total *= size
    return np.subtract(outcome * eta, total, out=total)


def _logit_mean(eta: Floats) -> Floats:
    mean = np.negative(eta)
    np.exp(mean, out=mean)
    mean += 1.0
    return np.divide(1.0, mean, out=mean)


def _logit_derivatives(eta: Floats, outcome: Floats, size: Floats) -> tuple[Floats, Floats]:
    mean = _logit_mean(eta)
    weight = 1.0 - mean
    mean *= size
    weight *= mean
    return np.subtract(outcome, mean, out=mean), weight


def _logit_third(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    mean = _logit_mean(eta)
    return size * mean * (1.0 - mean) * (1.0 - 2.0 * mean)


def _poisson_value(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    return outcome * eta - size * np.exp(eta)


def _poisson_derivatives(eta: Floats, outcome: Floats, size: Floats) -> tuple[Floats, Floats]:
    mean = size * np.exp(eta)
    return outcome - mean, mean


def _poisson_third(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    return size * np.exp(eta)


def _tail(eta: Floats) -> tuple[Floats, Floats, Floats]:
    """Return 2 Φ(−|η|) exp(η²/2), η²/2 and Φ(−|η|) from one scaled error function, which never underflows."""
    far = np.abs(eta) * HALF
    scaled, square = erfcx(far), far * far
    return scaled, square, 0.5 * scaled * np.exp(-square)


def _probit_value(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    scaled, square, below = _tail(eta)
    small, large = np.log(0.5 * scaled) - square, np.log1p(-below)
    up = eta >= 0
    return outcome * np.where(up, large, small) + (size - outcome) * np.where(up, small, large)


def _probit_ratios(eta: Floats) -> tuple[Floats, Floats]:
    """Return the inverse Mills ratios φ/Φ at η and at −η."""
    scaled, square, below = _tail(eta)
    small, large = MILLS / scaled, 0.5 * MILLS * np.exp(-square) / (1.0 - below)
    up = eta >= 0
    return np.where(up, large, small), np.where(up, small, large)


def _probit_derivatives(eta: Floats, outcome: Floats, size: Floats) -> tuple[Floats, Floats]:
    success, failure = _probit_ratios(eta)
    rest = size - outcome
    first = outcome * success - rest * failure
    return first, outcome * success * (success + eta) + rest * failure * (failure - eta)


def _probit_third(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    success, failure = _probit_ratios(eta)

    def slope(ratio: Floats, at: Floats) -> Floats:
        near = ratio + at
        return np.asarray(ratio * (1.0 - near * (near + ratio)))

    return outcome * slope(success, eta) - (size - outcome) * slope(failure, -eta)


def _cloglog_value(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    hazard = np.exp(eta)
    return outcome * np.log(-np.expm1(-hazard)) - (size - outcome) * hazard


def _cloglog_share(hazard: Floats) -> tuple[Floats, Floats]:
    """Return h = d log(1 − exp(−e^η)) / dη, and h (e^η + h − 1), minus its own derivative."""
    share = hazard * np.exp(-hazard) / -np.expm1(-hazard)
    return share, share * (hazard + share - 1.0)


def _cloglog_derivatives(eta: Floats, outcome: Floats, size: Floats) -> tuple[Floats, Floats]:
    hazard = np.exp(eta)
    share, bend = _cloglog_share(hazard)
    rest = (size - outcome) * hazard
    return outcome * share - rest, outcome * bend + rest


def _cloglog_third(eta: Floats, outcome: Floats, size: Floats) -> Floats:
    hazard = np.exp(eta)
    share, bend = _cloglog_share(hazard)
    return outcome * (share * hazard - bend * (hazard + 2.0 * share - 1.0)) + (size - outcome) * hazard


def _cloglog_link(mean: Floats) -> Floats:
    return np.asarray(np.log(-np.log1p(-mean)))


LIKELIHOODS = {
    ("binomial", "logit"): Likelihood(_logit_value, _logit_derivatives, _logit_third, logit),
    ("binomial", "probit"): Likelihood(_probit_value, _probit_derivatives, _probit_third, ndtri),
    ("binomial", "cloglog"): Likelihood(_cloglog_value, _cloglog_derivatives, _cloglog_third, _cloglog_link),
    ("poisson", "log"): Likelihood(_poisson_value, _poisson_derivatives, _poisson_third, np.log),
}


def row_likelihood(family: str, link: str) -> Likelihood:
    """Return the log-likelihood of a family with a link.

    Raises
    ------
    SpecificationError
        No such pair.
    """
    try:
        return LIKELIHOODS[family, link]
    except KeyError:
        known = ", ".join(" ".join(pair) for pair in LIKELIHOODS)
        raise SpecificationError(f"no likelihood for {family} with link {link}; there is: {known}") from None


def log_likelihood_terms(
    family: str, link: str, eta: Floats, outcome: Floats, size: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return ℓ, ℓ′ and −ℓ″ of each row.

    Parameters
    ----------
    family, link : str
        Binomial with logit, probit or cloglog; Poisson with log.
    eta : (…, n) array
        Linear predictor, on the link scale.
    outcome, size : (n,) arrays
        Successes and trials, or events and exposure; ``outcome <= size`` for the binomial.

    Raises
    ------
    SpecificationError
        No such family and link.

    Notes
    -----
    Without the binomial coefficient and the Poisson's log(m^y / y!). Stable for |η| up to 700
    (``test_terms_are_stable_far_out``).
    """
    terms = row_likelihood(family, link)
    return (terms.value(eta, outcome, size), *terms.derivatives(eta, outcome, size))
