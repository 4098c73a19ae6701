"""Average practice: what an average unit would have had with the same composition."""

from benchmodels.adjustment.fit import Fit
from benchmodels.adjustment.models import FixedEffects, Pooled, RandomEffects
from benchmodels.adjustment.two_part import TwoPart

__all__ = ["Fit", "FixedEffects", "Pooled", "RandomEffects", "TwoPart"]
