"""Best practice: what the best comparable units achieve with the same resources."""

from benchmodels.frontier.dea import DEAFit, Scores
from benchmodels.frontier.models import DEA

__all__ = ["DEA", "DEAFit", "Scores"]
