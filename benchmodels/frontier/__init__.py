"""Best practice: what the best comparable units achieve with the same resources."""

from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.models import DEA
from benchmodels.frontier.scores import Scores
from benchmodels.frontier.units import FDH, OrderAlpha, OrderM, UnitsFit

__all__ = ["DEA", "FDH", "DEAFit", "OrderAlpha", "OrderM", "Scores", "UnitsFit"]
