"""The pupils of a simulated country: their composition and the log-odds of their outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq, newton
from scipy.special import expit

from benchmodels.datasets.structure import SCHOOL_YEARS, Practice, Structure

__all__ = [
    "COVARIATES",
    "OUTCOMES",
    "MeanLogistic",
    "Outcome",
    "Pupils",
    "composition_log_odds",
    "draw_pupils",
    "national_level",
    "own_log_odds",
]

COVARIATES: dict[str, tuple[str, ...]] = {
    "sex": ("boy", "girl"),
    "grade_band": ("0-3", "4-6", "7-9"),
    "parents_education": ("basic", "vocational", "short or medium", "long"),
    "parents_income": ("lowest fourth", "second fourth", "third fourth", "highest fourth"),
    "parents_work": ("in work", "not in work"),
    "origin": ("Danish", "descendant", "immigrant"),
    "family": ("two parents", "one parent"),
    "diagnosis": ("none", "one", "several"),
}
"""Categorical covariates and their values; `diagnosis` counts contacts with hospital psychiatry."""

COMBINATIONS = int(np.prod([len(values) for values in COVARIATES.values()]))


@dataclass(frozen=True, eq=False)
class Outcome:
    """The law of a binary outcome of pupils.

    Parameters
    ----------
    column : str
        Name of the count in the tables.
    national : tuple of float
        Share of all pupils in each of the `SCHOOL_YEARS`, which the expected outcomes meet exactly.
    effects : dict
        Log-odds of each value of each covariate.
    need_effect : float
        Log-odds per standard deviation of the unmeasured need.
    practice_sd, year_sd, school_sd : float
        Standard deviation on the logit of municipalities' practice, of its years and of schools.
    correlation : float
        Of practice with the municipality's advantage: as in life, practice follows composition.
    """

    column: str
    national: tuple[float, ...]
    effects: dict[str, tuple[float, ...]]
    need_effect: float
    practice_sd: float
    correlation: float
    year_sd: float
    school_sd: float


OUTCOMES: dict[str, Outcome] = {
    # 4.5 % in 2019/20 and 5.1 % in 2022/23 are the Benchmarking Unit's national figures; between them ours.
    "special_education": Outcome(
        column="segregated",
        national=(0.044, 0.045, 0.047, 0.049, 0.051),
        effects={
            "sex": (0.70, 0.0),
            "grade_band": (0.0, 0.50, 0.80),
            "parents_education": (0.45, 0.20, 0.0, -0.18),
            "parents_income": (0.25, 0.10, 0.0, -0.12),
            "parents_work": (0.0, 0.30),
            "origin": (0.0, 0.05, 0.15),
            "family": (0.0, 0.30),
            "diagnosis": (0.0, 1.5, 2.5),
        },
        need_effect=0.8,
        practice_sd=0.185,
        correlation=-0.3,
        year_sd=0.05,
        school_sd=0.15,
    ),
    # 14.2 % in 2018/19, 26 % in 2021/22 and 20 % in 2022/23 are published; the two years between are ours.
    "school_absence": Outcome(
        column="high_absence",
        national=(0.142, 0.150, 0.170, 0.260, 0.200),
        effects={
            "sex": (0.0, 0.08),
            "grade_band": (0.0, 0.10, 0.60),
            "parents_education": (0.45, 0.20, 0.0, -0.15),
            "parents_income": (0.35, 0.15, 0.0, -0.15),
            "parents_work": (0.0, 0.25),
            "origin": (0.0, 0.10, 0.20),
            "family": (0.0, 0.45),
            "diagnosis": (0.0, 0.70, 1.20),
        },
        need_effect=0.6,
        practice_sd=0.28,
        correlation=-0.3,
        year_sd=0.10,
        school_sd=0.20,
    ),
}

NEED_EFFECTS: dict[str, tuple[float, ...]] = {
    "parents_work": (0.0, 0.20),
    "diagnosis": (0.0, 0.30, 0.50),
}
"""Mean of the unmeasured need by covariate: the unmeasured cause is correlated with the measured ones."""


@dataclass(frozen=True, eq=False)
class Pupils:
    """The pupils of one year, ordered by school.

    Parameters
    ----------
    year : int
        The year in which the school year ends.
    school : array (n,)
        Position of the pupil's school.
    unit : array (n,)
        Position of the school's municipality.
    values : dict of arrays (n,)
        Position of the pupil's value in `COVARIATES`.
    combination : array (n,)
        The values as one number.
    """

    year: int
    school: NDArray[np.int64]
    unit: NDArray[np.int64]
    values: dict[str, NDArray[np.int8]]
    combination: NDArray[np.int64]


class MeanLogistic:
    """The logistic function averaged over a normal cause, as a function of the linear predictor.

    Gauss-Hermite quadrature with 64 nodes on a grid of step 0.01, joined by a cubic spline: within 1e-9 of
    the integral (`test_mean_logistic_is_the_integral`) and as fast as the logistic function itself.

    Parameters
    ----------
    sd : float
        Standard deviation of the cause on the logit.
    """

    def __init__(self, sd: float) -> None:
        grid = np.arange(-30.0, 30.005, 0.01)
        nodes, weights = np.polynomial.hermite_e.hermegauss(64)
        values = expit(grid[:, None] + sd * nodes) @ (weights / weights.sum())
        self._spline = CubicSpline(grid, values)

    def __call__(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean probability at each linear predictor."""
        return np.asarray(self._spline(log_odds))


def draw_pupils(rng: np.random.Generator, structure: Structure, year: int) -> Pupils:
    """Draw the composition of one year; every year is a cross-section of its own."""
    # A year's cohort differs a little in size; a school has five pupils at least.
    pupils = np.maximum(5, rng.poisson(structure.school_pupils))
    school = np.repeat(np.arange(len(pupils)), pupils)
    n = len(school)
    advantage = structure.school_advantage[school]
    diversity = structure.school_diversity[school]

    uniform = rng.random(n)
    immigrant = expit(-3.1 + 0.45 * diversity - 0.10 * advantage)
    descendant = expit(-3.0 + 0.75 * diversity - 0.15 * advantage)
    origin = (uniform < immigrant + descendant).astype(np.int8)
    origin += uniform < immigrant
    # A family's own position, which ties schooling, income, work and household together.
    family = 0.40 * advantage + rng.standard_normal(n)
    family -= np.array([0.0, 0.6, 0.9])[origin]

    schooling = family + 0.15 * diversity + 0.7 * rng.standard_normal(n)
    income = family + 0.10 * advantage + 0.8 * rng.standard_normal(n)
    sex = (rng.random(n) < 0.488).astype(np.int8)
    grade = np.searchsorted([0.4, 0.7], rng.random(n)).astype(np.int8)
    no_work = rng.random(n) < expit(-2.7 - 1.1 * family)
    one_parent = rng.random(n) < expit(-1.25 - 0.45 * family)
    health = -3.4 + 0.45 * grade + 0.35 * (sex == 0) - 0.25 * family + 0.35 * one_parent
    diagnosis = rng.random(n) < expit(health)
    several = diagnosis & (rng.random(n) < 0.4)

    values: dict[str, NDArray[np.int8]] = {
        "sex": sex,
        "grade_band": grade,
        "parents_education": np.searchsorted([-1.85, -0.35, 0.85], schooling).astype(np.int8),
        "parents_income": np.searchsorted([-0.89, 0.055, 1.0], income).astype(np.int8),
        "parents_work": no_work.astype(np.int8),
        "origin": origin,
        "family": one_parent.astype(np.int8),
        "diagnosis": diagnosis.astype(np.int8) + several.astype(np.int8),
    }
    combination = np.zeros(n, dtype=np.int64)
    for name, levels in COVARIATES.items():
        combination *= len(levels)
        combination += values[name]
    return Pupils(year, school, structure.school_unit[school], values, combination)


def composition_log_odds(outcome: Outcome) -> NDArray[np.float64]:
    """Return the log-odds of each of the 3,456 combinations, with the mean of the unmeasured need."""
    total: NDArray[np.float64] = np.zeros(1)
    for name, levels in COVARIATES.items():
        need = np.array(NEED_EFFECTS.get(name, (0.0,) * len(levels)))
        effect = np.array(outcome.effects[name]) + outcome.need_effect * need
        total = np.add.outer(total, effect).ravel()
    return np.asarray(total)


def own_log_odds(pupils: Pupils, structure: Structure, outcome: Outcome, practice: Practice) -> NDArray[np.float64]:
    """Return each pupil's log-odds under its own school and municipality, without the national level."""
    year = SCHOOL_YEARS.index(pupils.year)
    of_unit = practice.fixed + practice.yearly[year] + outcome.need_effect * structure.need
    of_school = practice.schools + of_unit[structure.school_unit]
    return np.asarray(composition_log_odds(outcome)[pupils.combination] + of_school[pupils.school])


def national_level(log_odds: NDArray[np.float64], mean: MeanLogistic, share: float) -> float:
    """Return the level at which the expected share of all pupils is `share`."""
    # The log-odds are many and the level is one: a fine histogram finds the start, all pupils the root.
    counts, edges = np.histogram(log_odds, bins=400)
    centres = (edges[:-1] + edges[1:]) / 2
    weight = counts / counts.sum()
    rough = brentq(lambda a: weight @ mean(centres + a) - share, -20.0, 20.0)
    slope = weight @ (mean(centres + rough + 1e-4) - mean(centres + rough - 1e-4)) / 2e-4
    return float(newton(lambda a: mean(log_odds + a).mean() - share, rough, fprime=lambda _: slope, tol=1e-11))
