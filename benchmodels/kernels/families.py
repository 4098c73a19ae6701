"""Families with their canonical links: mean and weight of a row of size m is ``m * mean(eta)``, ``m * weight(eta)``.

With the canonical link the derivative of the mean is the variance function, so one array serves as Newton weight
and as sampling variance (for the Gaussian family up to the residual variance).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import logit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Family", "link", "mean", "mean_and_weight"]

Family = Literal["binomial", "poisson", "gaussian"]


def mean(family: Family, eta: Floats) -> Floats:
    """Return the mean per unit of size at linear predictor ``eta``, any shape."""
    if family == "binomial":
        # tanh saturates without overflow, and is faster than the logistic function (speed is measured in
        # benchmarks/); below about -18 it loses relative accuracy, which is 1e-16 of a case.
        return 0.5 + 0.5 * np.tanh(0.5 * eta)
    if family == "poisson":
        return np.exp(eta)
    return eta


def mean_and_weight(family: Family, eta: Floats) -> tuple[Floats, Floats]:
    """Return mean and its derivative at ``eta``, any shape."""
    mu = mean(family, eta)
    if family == "binomial":
        return mu, mu * (1.0 - mu)
    if family == "poisson":
        # Two arrays: callers scale the weight in place.
        return mu, mu.copy()
    return mu, np.ones_like(mu)


def link(family: Family, mu: Floats) -> Floats:
    """Return the linear predictor at mean ``mu``; infinite at the edge of the parameter space."""
    if family == "binomial":
        return np.asarray(logit(mu))
    if family == "poisson":
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(mu))
    return mu
