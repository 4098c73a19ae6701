"""Tests of what a frontier takes for granted, and means of efficiencies, with verdicts where their size is known."""

from benchmodels.frontier.testing.means import MeanEfficiency, compare_means, mean_efficiency
from benchmodels.frontier.testing.outcome import HypothesisTest
from benchmodels.frontier.testing.smoothed import bootstrap_returns, check_independence
from benchmodels.frontier.testing.splits import check_convexity, check_returns, check_separability

__all__ = [
    "HypothesisTest",
    "MeanEfficiency",
    "bootstrap_returns",
    "check_convexity",
    "check_independence",
    "check_returns",
    "check_separability",
    "compare_means",
    "mean_efficiency",
]
