"""Bundled tables, and a simulator whose truth is known."""

from benchmodels.datasets.catalogue import load
from benchmodels.datasets.denmark import SIMULATED_NOTICE, SimulatedDenmark, simulate_denmark
from benchmodels.datasets.packaged import STAR98_COVARIATES, expenditure_midtjylland, municipalities, star98

__all__ = [
    "SIMULATED_NOTICE",
    "STAR98_COVARIATES",
    "SimulatedDenmark",
    "expenditure_midtjylland",
    "load",
    "municipalities",
    "simulate_denmark",
    "star98",
]
