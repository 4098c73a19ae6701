"""Expenditure on sheltered housing in a simulated country: municipality x year x service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmodels.datasets.packaged import expenditure_midtjylland
from benchmodels.datasets.structure import Structure, autoregression, correlated, standardised

__all__ = ["HOUSING_YEARS", "SERVICES", "Housing", "draw_housing", "draw_noise", "housing_table", "in_rows"]

HOUSING_YEARS: tuple[int, ...] = (2018, 2019, 2020, 2021, 2022)
SERVICES: dict[str, str] = {
    "§ 107 midlertidigt botilbud": "Midlertidig botilbud",
    "§ 108 længerevarende botilbud": "Længerevarende botilbud",
    "ABL § 105 botilbudslignende": "Botilbudslignende tilbud",
}
"""The services, and their items in the published expenditure tables."""

# 27,100 in 2018 and 28,000 in 2021 are published (helårspersoner, the whole country); the rest is ours,
# as is the split between the services.
NATIONAL_PERSONS = (27_100.0, 27_400.0, 27_700.0, 28_000.0, 28_200.0)
PERSONS_SPLIT = np.linspace((0.262, 0.222, 0.516), (0.258, 0.204, 0.538), len(HOUSING_YEARS))
PRICE_NOISE = 0.02


@dataclass(frozen=True, eq=False)
class Housing:
    """Expected persons and costs, 5 years x 98 municipalities x 3 services.

    Parameters
    ----------
    covariates : dict of arrays (5, 98)
        Composition in per cent or per 1,000 inhabitants aged 18-64.
    population : array (5, 98)
        Inhabitants aged 18-64.
    common, practice : arrays (98,), (98, 3)
        Practice on the log of cost: what a municipality does in all services, and in each (common included).
    average_cost : array (5, 98, 3)
        Expected cost at practice 0 and the national level, 1000 DKK.
    cost : array (5, 98, 3)
        Expected cost under own practice, 1000 DKK; summed over municipalities equal to the published totals.
    persons : array (5, 98, 3)
        Expected full-year persons.
    noise_sd : array (98, 3)
        Scale of the yearly noise before it is cut at zero.
    autocorrelation : float
        Of the yearly noise.
    """

    covariates: dict[str, NDArray[np.float64]]
    population: NDArray[np.int64]
    common: NDArray[np.float64]
    practice: NDArray[np.float64]
    average_cost: NDArray[np.float64]
    cost: NDArray[np.float64]
    persons: NDArray[np.float64]
    noise_sd: NDArray[np.float64]
    autocorrelation: float


def draw_housing(rng: np.random.Generator, structure: Structure) -> Housing:
    """Draw composition, practice and expected costs; calibrate once, on expected values."""
    years, units = len(HOUSING_YEARS), len(structure.code)
    share = np.clip(0.572 + 0.02 * structure.diversity + 0.008 * rng.standard_normal(units), 0.5, 0.66)
    growth = np.linspace(0.985, 1.0, years)[:, None]
    population = np.rint(structure.population * share * growth).astype(np.int64)
    covariates = _draw_covariates(rng, structure)
    need = (
        0.35 * np.log(covariates["psychiatric_contacts_per_1000"] / 34.0)
        + 0.45 * np.log(covariates["disability_pension_pct"] / 7.2)
        + 0.15 * np.log(covariates["low_education_pct"] / 19.0)
        + 0.30 * np.log(covariates["single_households_pct"] / 44.0)
        + 0.50 * structure.need
    )
    common = 0.09 * correlated(rng, structure, -0.25)
    own = np.column_stack([standardised(rng.standard_normal(units)) for _ in SERVICES])
    practice = common[:, None] + 0.12 * own

    weight = (population * np.exp(need))[:, :, None] * np.ones(len(SERVICES))
    cost = weight * np.exp(practice)
    level = _published_costs() / cost.sum(axis=1)
    # Four fifths of need and practice are in the number of persons, the rest in what a person costs.
    persons = population[:, :, None].astype(float) * np.exp(0.8 * (need[:, :, None] + practice))
    national = np.array(NATIONAL_PERSONS)[:, None] * PERSONS_SPLIT
    persons = np.asarray(persons * (national / persons.sum(axis=1))[:, None, :], dtype=np.float64)
    return Housing(
        covariates=covariates,
        population=population,
        common=common,
        practice=practice,
        average_cost=weight * level[:, None, :],
        cost=cost * level[:, None, :],
        persons=persons,
        noise_sd=np.sqrt(0.03**2 + 1.0**2 / persons.mean(axis=0)),
        autocorrelation=0.5,
    )


def draw_noise(rng: np.random.Generator, housing: Housing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the factors (mean 1) on the expected persons and on the expected costs, each (5, 98, 3).

    The factor on persons is max(0, c + sd z) with z AR(1) over the years and c such that its mean is 1:
    nearly normal in a large municipality, and zero in some years in a very small one. The price of a person
    varies a little besides, independently from year to year.
    """
    sd = housing.noise_sd
    series = autoregression(rng, len(HOUSING_YEARS), sd.shape, housing.autocorrelation)
    persons = np.maximum(0.0, _centre(sd) + sd * series)
    price = np.exp(PRICE_NOISE * rng.standard_normal(persons.shape) - PRICE_NOISE**2 / 2)
    return persons, persons * price


def housing_table(rng: np.random.Generator, structure: Structure, housing: Housing) -> pd.DataFrame:
    """Draw the yearly noise and lay the table out, ordered by municipality, year and service."""
    of_persons, of_cost = draw_noise(rng, housing)
    years, units, services = housing.cost.shape
    unit, year, service = (a.ravel() for a in np.indices((units, years, services)))
    columns: dict[str, object] = {
        "municipality_code": structure.code[unit],
        "municipality": pd.Series(structure.name.tolist(), dtype="str").take(unit).array,
        "year": np.array(HOUSING_YEARS)[year],
        "service": pd.Series(list(SERVICES), dtype="str").take(service).array,
        "population_18_64": housing.population[year, unit],
        "full_year_persons": in_rows(housing.persons * of_persons),
        "cost_1000dkk": in_rows(housing.cost * of_cost),
    }
    for name, values in housing.covariates.items():
        columns[name] = values[year, unit]
    return pd.DataFrame(columns)


def in_rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (year, municipality, service) into the order of the table's rows."""
    return values.transpose(1, 0, 2).ravel()


def _centre(sd: NDArray[np.float64]) -> NDArray[np.float64]:
    # E max(0, c + sd z) = c Phi(c/sd) + sd phi(c/sd) is convex and increasing in c, and at least 1 at c = 1:
    # Newton's steps from there fall to the root.
    centre = np.ones_like(sd)
    for _ in range(50):
        ratio = centre / sd
        mean = centre * ndtr(ratio) + sd * np.exp(-(ratio**2) / 2) / np.sqrt(2 * np.pi)
        centre = centre - (mean - 1.0) / ndtr(ratio)
    return centre


def _draw_covariates(rng: np.random.Generator, structure: Structure) -> dict[str, NDArray[np.float64]]:
    years, units = len(HOUSING_YEARS), len(structure.code)
    advantage, diversity = structure.advantage, structure.diversity
    trend = np.arange(years)[:, None] - (years - 1) / 2

    def vary(lasting: float, yearly: float) -> NDArray[np.float64]:
        return lasting * rng.standard_normal(units) + yearly * rng.standard_normal((years, units))

    psychiatric = 34.0 * np.exp(-0.10 * advantage + 0.05 * diversity + 0.015 * trend + vary(0.07, 0.015))
    pension = 7.2 * np.exp(-0.22 * advantage - 0.05 * diversity + 0.010 * trend + vary(0.10, 0.01))
    schooling = 19.0 * np.exp(-0.17 * advantage + 0.05 * diversity - 0.015 * trend + vary(0.06, 0.01))
    single = 44.0 + 2.5 * diversity - 1.2 * advantage + 0.15 * trend + vary(2.5, 0.2)
    return {
        "psychiatric_contacts_per_1000": np.round(psychiatric, 2),
        "disability_pension_pct": np.round(pension, 2),
        "low_education_pct": np.round(schooling, 2),
        "single_households_pct": np.round(single, 2),
    }


def _published_costs() -> NDArray[np.float64]:
    table = expenditure_midtjylland()
    country = table[table["table"] == 1].pivot(index="year", columns="item", values="dkk_1000")
    return country.loc[list(HOUSING_YEARS), list(SERVICES.values())].to_numpy(dtype=float)
