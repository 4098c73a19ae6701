"""Average practice: what an average unit would have had with the same composition."""

from benchmodels.adjustment.bayesian import BayesianRandomEffects, Prior
from benchmodels.adjustment.cross_fitted import CrossFitted, CrossFittedFit
from benchmodels.adjustment.fit import Fit
from benchmodels.adjustment.models import FixedEffects, Pooled, RandomEffects
from benchmodels.adjustment.panel import Panel, PanelFit
from benchmodels.adjustment.resampling import bootstrap_t
from benchmodels.adjustment.standardised import StandardisedRates, standardised_rates
from benchmodels.adjustment.two_part import TwoPart

__all__ = [
    "BayesianRandomEffects",
    "CrossFitted",
    "CrossFittedFit",
    "Fit",
    "FixedEffects",
    "Panel",
    "PanelFit",
    "Pooled",
    "Prior",
    "RandomEffects",
    "StandardisedRates",
    "TwoPart",
    "bootstrap_t",
    "standardised_rates",
]
