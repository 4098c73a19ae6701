"""What is thought likely before the data: weakly informative priors on the link scale."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real

import numpy as np

from benchmodels.errors import SpecificationError

__all__ = ["Prior"]


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Prior of a random-intercept model; all parameters are independent before the data.

    Parameters
    ----------
    intercept_sd : float
        Standard deviation of the normal prior of the intercept, which is the level of an average unit with average
        covariates; link scale, for a Gaussian outcome times the outcome's standard deviation. Its mean is zero for
        shares, and the overall rate or mean for events and measured outcomes, so that their unit of measure is of no
        consequence.
    slope_sd : float
        Of the normal prior, of mean zero, of the slope of a covariate scaled to standard deviation one; link scale, for
        a Gaussian outcome times the outcome's standard deviation.
    unit_sd_scale : float
        Of the half-normal prior of the units' standard deviation; link scale, for a Gaussian outcome times the
        outcome's standard deviation.
    residual_sd_scale : float
        Of the half-normal prior of a Gaussian outcome's residual standard deviation of a case of average size, in
        standard deviations of the outcome.

    Raises
    ------
    SpecificationError
        A scale that is not a number above zero.

    References
    ----------
    Gelman (2006), Bayesian Analysis 1:515 (half-normal and half-t priors of a hierarchical standard deviation).

    Examples
    --------
    >>> Prior(unit_sd_scale=0.5).slope_sd
    2.5
    """

    intercept_sd: float = 5.0
    slope_sd: float = 2.5
    unit_sd_scale: float = 1.0
    residual_sd_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 < float(value) < np.inf:
                raise SpecificationError(f"{name} of a Prior is a number above zero; found {value!r}")
            object.__setattr__(self, name, float(value))
