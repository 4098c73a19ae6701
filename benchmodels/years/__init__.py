"""Comparisons of several periods: how much of a year lasts, what several years say together, and what is to come."""

from benchmodels.years.changes import Changes, change
from benchmodels.years.forecasts import Calibration, Forecasts, forecast
from benchmodels.years.periods import by_period
from benchmodels.years.pooling import PooledYears, pooled_years
from benchmodels.years.reliabilities import (
    RegressionToTheMean,
    Reliability,
    regression_to_the_mean,
    reliability,
)

__all__ = [
    "Calibration",
    "Changes",
    "Forecasts",
    "PooledYears",
    "RegressionToTheMean",
    "Reliability",
    "by_period",
    "change",
    "forecast",
    "pooled_years",
    "regression_to_the_mean",
    "reliability",
]
