"""Several outcomes at once: each unit against the best, with the weights that are kindest to it."""

from benchmodels.frontier.composites.fit import BenefitOfTheDoubtFit
from benchmodels.frontier.composites.model import BenefitOfTheDoubt
from benchmodels.frontier.composites.uncertainty import CompositeUncertainty

__all__ = ["BenefitOfTheDoubt", "BenefitOfTheDoubtFit", "CompositeUncertainty"]
