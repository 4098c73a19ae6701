"""The true contrasts of a simulated country, by the process that generates it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from scipy.optimize import newton

from benchmodels.datasets.housing import HOUSING_YEARS, SERVICES, Housing
from benchmodels.datasets.outcomes import OutcomeYear, average_log_odds, rows_of
from benchmodels.datasets.pupils import OUTCOMES, MeanLogistic
from benchmodels.datasets.structure import SCHOOL_YEARS, Practice, Structure

__all__ = ["Contrast", "Standard", "housing_totals", "pupil_totals", "value_of"]

Standard = Literal["indirect", "direct"]
Contrast = Literal["difference", "ratio", "rate"]

Totals = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Size, observed and expected of each municipality."""

CHEBYSHEV_DEGREE = 24


def pupil_totals(years: Sequence[OutcomeYear], structure: Structure, practice: Practice, standard: Standard) -> Totals:
    """Return size, observed and expected of each municipality for an outcome of pupils."""
    units = len(structure.code)
    size, observed = np.zeros(units), np.zeros(units)
    for of_year in years:
        size += np.bincount(of_year.pupils.unit, minlength=units)
        observed += np.bincount(of_year.pupils.unit, of_year.probability, minlength=units)
    if standard == "indirect":
        return size, observed, _expected(years, structure, practice, observed.sum())
    direct = sum(_country_under_each(of_year, structure, practice) for of_year in years) / size.sum()
    return size, size * direct, size * observed.sum() / size.sum()


def _expected(
    years: Sequence[OutcomeYear], structure: Structure, practice: Practice, total: float
) -> NDArray[np.float64]:
    # Average practice keeps the ordinary spread of schools: their law is averaged over with the need.
    outcome = OUTCOMES[years[0].name]
    mean = MeanLogistic(float(np.hypot(outcome.need_effect, practice.school_sd)))
    unit, weight, log_odds = _cells(years, structure)
    shift = newton(lambda a: weight @ mean(log_odds + a) - total, 0.0, x1=1e-3, tol=1e-12)
    return np.asarray(np.bincount(unit, weight * mean(log_odds + shift)), dtype=np.float64)


def _country_under_each(of_year: OutcomeYear, structure: Structure, practice: Practice) -> NDArray[np.float64]:
    """Return the country's expected outcomes of a year under each municipality's practice and schools."""
    _, weight, log_odds = _cells([of_year], structure)
    mean = MeanLogistic(OUTCOMES[of_year.name].need_effect)
    unit, year = structure.school_unit, SCHOOL_YEARS.index(of_year.pupils.year)
    of_school = practice.schools + (practice.fixed + practice.yearly[year])[unit]
    # The country's total is an analytic function of the one number that a school brings: 25 values of it
    # give all 1,500 schools (to 1e-9, `test_direct_truth_is_the_plain_sum`).
    domain = [of_school.min() - 0.1, of_school.max() + 0.1]
    country = Chebyshev.interpolate(
        lambda levels: np.array([weight @ mean(log_odds + a) for a in levels]), CHEBYSHEV_DEGREE, domain
    )
    pupils = np.bincount(of_year.pupils.school, minlength=len(unit)).astype(float)
    total = np.bincount(unit, pupils * country(of_school))
    return np.asarray(total / np.bincount(unit, pupils))


def _cells(
    years: Sequence[OutcomeYear], structure: Structure
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return municipality, pupils and log-odds under average practice of all occupied cells."""
    parts = []
    for of_year in years:
        rows = rows_of(of_year.pupils, "cells")
        log_odds = average_log_odds(of_year, structure)[rows.first]
        parts.append((of_year.pupils.unit[rows.first], rows.pupils.astype(float), log_odds))
    unit, weight, log_odds = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return unit, weight, log_odds


def housing_totals(housing: Housing, years: Sequence[int], service: str | None, standard: Standard) -> Totals:
    """Return size (inhabitants 18-64 x years), observed and expected cost (1000 DKK) of each municipality."""
    at = [HOUSING_YEARS.index(year) for year in years]
    of = list(range(len(SERVICES))) if service is None else [list(SERVICES).index(service)]
    size = housing.population[at].sum(axis=0).astype(float)
    cost = housing.cost[at].sum(axis=0)[:, of]
    average = housing.average_cost[at].sum(axis=0)[:, of]
    # One level for each service, over the years asked, so that expected and observed agree in the country.
    average = average * (cost.sum(axis=0) / average.sum(axis=0))
    if standard == "indirect":
        return size, cost.sum(axis=1), average.sum(axis=1)
    baseline = housing.average_cost[at].sum(axis=(0, 1))[of]
    country = np.exp(housing.practice[:, of]) @ baseline
    return size, size * country / size.sum(), size * cost.sum() / size.sum()


def value_of(totals: Totals, contrast: Contrast) -> NDArray[np.float64]:
    """Return the contrast of observed and expected."""
    size, observed, expected = totals
    ratio = np.asarray(observed / expected)
    if contrast == "difference":
        return np.asarray((observed - expected) / size)
    if contrast == "ratio":
        return ratio
    # Under either standard the expected totals of the country are its observed ones.
    return np.asarray(ratio * (expected.sum() / size.sum()))
