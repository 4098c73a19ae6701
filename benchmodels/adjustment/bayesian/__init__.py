"""Random effects with priors: a posterior for every parameter and every unit."""

from benchmodels.adjustment.bayesian.model import BayesianRandomEffects
from benchmodels.adjustment.bayesian.posterior import Diagnostics, PosteriorDraws
from benchmodels.adjustment.bayesian.prior import Prior

__all__ = ["BayesianRandomEffects", "Diagnostics", "PosteriorDraws", "Prior"]
