"""Average practice: what an average unit would have had with the same composition."""

from benchmodels.adjustment.fit import Fit
from benchmodels.adjustment.models import FixedEffects, Pooled, RandomEffects
from benchmodels.adjustment.resampling import bootstrap_t
from benchmodels.adjustment.standardised import StandardisedRates, standardised_rates
from benchmodels.adjustment.two_part import TwoPart

__all__ = [
    "Fit",
    "FixedEffects",
    "Pooled",
    "RandomEffects",
    "StandardisedRates",
    "TwoPart",
    "bootstrap_t",
    "standardised_rates",
]
