"""Average practice: what an average unit would have had with the same composition."""

from benchmodels.adjustment.fit import Fit
from benchmodels.adjustment.models import FixedEffects, Pooled

__all__ = ["Fit", "FixedEffects", "Pooled"]
