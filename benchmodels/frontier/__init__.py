"""Best practice: what the best comparable units achieve with the same resources."""

from benchmodels.frontier.bootstrap import FrontierBootstrap
from benchmodels.frontier.composites import BenefitOfTheDoubt, BenefitOfTheDoubtFit, CompositeUncertainty
from benchmodels.frontier.conditional import Conditional, ConditionalFit
from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.dimension import Aggregated, aggregate
from benchmodels.frontier.economics import CostEfficiency, EconomicFit, ProfitEfficiency, RevenueEfficiency
from benchmodels.frontier.influence import Influence, efficiency_ladder
from benchmodels.frontier.measures import (
    Additive,
    CrossEfficiency,
    CrossFit,
    MultiDirectional,
    MultiDirectionalFit,
    Russell,
    SlackBased,
    SlackFit,
)
from benchmodels.frontier.models import DEA
from benchmodels.frontier.productivity import (
    Changes,
    HicksMoorsteen,
    Luenberger,
    Malmquist,
    MalmquistBootstrap,
    MalmquistFit,
    Windows,
    WindowsFit,
)
from benchmodels.frontier.scores import Scores
from benchmodels.frontier.second_stage import SecondStage
from benchmodels.frontier.testing import (
    HypothesisTest,
    MeanEfficiency,
    bootstrap_returns,
    check_convexity,
    check_independence,
    check_returns,
    check_separability,
    compare_means,
    mean_efficiency,
)
from benchmodels.frontier.together import (
    Gains,
    MergerBootstrap,
    MergerGains,
    MergersFit,
    Metafrontier,
    MetafrontierFit,
    Reallocation,
)
from benchmodels.frontier.undesirable import UndesirableDEA, UndesirableFit
from benchmodels.frontier.units import FDH, FRH, OrderAlpha, OrderM, UnitsFit
from benchmodels.frontier.weights import WeightRestrictions

__all__ = [
    "Additive",
    "Aggregated",
    "BenefitOfTheDoubt",
    "BenefitOfTheDoubtFit",
    "Changes",
    "CompositeUncertainty",
    "Conditional",
    "ConditionalFit",
    "CostEfficiency",
    "CrossEfficiency",
    "CrossFit",
    "DEA",
    "DEAFit",
    "EconomicFit",
    "FDH",
    "FRH",
    "FrontierBootstrap",
    "Gains",
    "HicksMoorsteen",
    "HypothesisTest",
    "Influence",
    "Luenberger",
    "Malmquist",
    "MalmquistBootstrap",
    "MalmquistFit",
    "MeanEfficiency",
    "MergerBootstrap",
    "MergerGains",
    "MergersFit",
    "Metafrontier",
    "MetafrontierFit",
    "MultiDirectional",
    "MultiDirectionalFit",
    "OrderAlpha",
    "OrderM",
    "ProfitEfficiency",
    "Reallocation",
    "RevenueEfficiency",
    "Russell",
    "Scores",
    "SecondStage",
    "SlackBased",
    "SlackFit",
    "UndesirableDEA",
    "UndesirableFit",
    "UnitsFit",
    "WeightRestrictions",
    "Windows",
    "WindowsFit",
    "aggregate",
    "bootstrap_returns",
    "check_convexity",
    "check_independence",
    "check_returns",
    "check_separability",
    "compare_means",
    "efficiency_ladder",
    "mean_efficiency",
]
