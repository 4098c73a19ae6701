"""Best practice: what the best comparable units achieve with the same resources."""

from benchmodels.frontier.bootstrap import FrontierBootstrap
from benchmodels.frontier.conditional import Conditional, ConditionalFit
from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.economics import CostEfficiency, EconomicFit, ProfitEfficiency, RevenueEfficiency
from benchmodels.frontier.influence import Influence, efficiency_ladder
from benchmodels.frontier.models import DEA
from benchmodels.frontier.scores import Scores
from benchmodels.frontier.second_stage import SecondStage
from benchmodels.frontier.units import FDH, FRH, OrderAlpha, OrderM, UnitsFit

__all__ = [
    "DEA",
    "FDH",
    "FRH",
    "Conditional",
    "ConditionalFit",
    "CostEfficiency",
    "DEAFit",
    "EconomicFit",
    "FrontierBootstrap",
    "Influence",
    "OrderAlpha",
    "OrderM",
    "ProfitEfficiency",
    "RevenueEfficiency",
    "Scores",
    "SecondStage",
    "UnitsFit",
    "efficiency_ladder",
]
