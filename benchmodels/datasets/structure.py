"""What stays the same in a simulated country: places, schools and the practice of each municipality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmodels.datasets.packaged import municipalities
from benchmodels.errors import SpecificationError

__all__ = [
    "SCHOOL_YEARS",
    "Practice",
    "Structure",
    "autoregression",
    "child",
    "correlated",
    "draw_practice",
    "draw_structure",
    "entropy_of",
    "standardised",
]

SCHOOL_YEARS: tuple[int, ...] = (2019, 2020, 2021, 2022, 2023)
"""The years in which the school years 2018/19 to 2022/23 end."""

PUPILS_PER_INHABITANT = 0.1162  # about 700,000 pupils in grades 0-9 among 6.0 million inhabitants
PUPILS_PER_SCHOOL = 467.0  # about 1,500 schools

# Advantage (schooling, income, work of parents) of the places that most readers know as well off or as
# hard up; the size of each number is ours and the other municipalities are drawn. Simulated, not measured.
ADVANTAGE = {
    157: 2.2, 230: 2.1, 223: 1.9, 173: 1.8, 201: 1.6, 190: 1.4, 147: 1.2, 155: 1.2, 240: 1.0, 269: 1.0,
    350: 0.9, 746: 0.9, 751: 0.7, 101: 0.5, 265: 0.8, 210: 0.6, 187: 0.7, 219: 0.6, 710: 0.8, 159: 0.4,
    360: -2.1, 482: -1.8, 376: -1.5, 306: -1.4, 390: -1.1, 326: -1.1, 330: -0.9, 320: -0.8, 707: -1.2,
    741: -0.8, 773: -0.9, 260: -0.9, 825: -0.9, 550: -1.0, 153: -1.0, 183: -0.9, 165: -0.6, 492: -0.4,
    400: -0.8, 849: -0.7,
}  # fmt: skip
# Diversity of origin: the towns around København and the largest cities. Ours as well.
DIVERSITY = {
    153: 2.5, 183: 2.5, 165: 2.2, 169: 1.7, 151: 1.3, 163: 1.4, 161: 1.2, 167: 1.1, 175: 1.1, 187: 1.1,
    101: 1.3, 461: 1.0, 751: 1.0, 253: 0.8, 159: 0.9, 147: 0.7, 607: 0.5,
}  # fmt: skip
REGION_ADVANTAGE = {
    "Hovedstaden": 0.3, "Sjælland": -0.25, "Syddanmark": -0.2, "Midtjylland": 0.1, "Nordjylland": -0.2,
}  # fmt: skip


# The place in this tuple is the key of the purpose's random numbers: add at the end only.
PURPOSES = ("structure", "practice", "housing", "pupils", "outcome", "days", "housing years")


@dataclass(frozen=True, eq=False)
class Structure:
    """Places and schools; every array is in the order of `code` or of the schools.

    Parameters
    ----------
    code, name, region, population : arrays (98,)
        The official number, Danish name, region and inhabitants (real; all else is simulated).
    advantage, diversity : arrays (98,)
        Latent factors behind the composition, in standard deviations of municipalities.
    need : array (98,)
        Mean of the unmeasured need that no covariate explains, in standard deviations of persons.
    school_unit : array (s,)
        Position of the school's municipality, ascending.
    school_pupils : array (s,)
        Expected number of pupils in a year.
    school_advantage, school_diversity : arrays (s,)
        Latent factors of the school's neighbourhood.
    """

    code: NDArray[np.int64]
    name: NDArray[np.object_]
    region: NDArray[np.object_]
    population: NDArray[np.int64]
    advantage: NDArray[np.float64]
    diversity: NDArray[np.float64]
    need: NDArray[np.float64]
    school_unit: NDArray[np.int64]
    school_pupils: NDArray[np.float64]
    school_advantage: NDArray[np.float64]
    school_diversity: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Practice:
    """What a municipality itself does to the log-odds of an outcome.

    Parameters
    ----------
    fixed : array (98,)
        The lasting part.
    yearly : array (5, 98)
        Deviations of the school years, AR(1).
    schools : array (s,)
        Effects of schools.
    school_sd, year_sd, autocorrelation : float
        The laws by which schools and years are drawn anew when that is asked.
    """

    fixed: NDArray[np.float64]
    yearly: NDArray[np.float64]
    schools: NDArray[np.float64]
    school_sd: float
    year_sd: float
    autocorrelation: float


def entropy_of(rng: int | np.random.Generator | None) -> int:
    """Turn `rng` into one whole number from which everything else follows."""
    if rng is None:
        return int(np.random.default_rng().integers(2**62))
    if isinstance(rng, np.random.Generator):
        return int(rng.spawn(1)[0].integers(2**62))
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise SpecificationError(
            f"rng is {rng!r}; it must be a whole number of at least 0, a numpy.random.Generator or None"
        )
    return int(rng)


def child(entropy: int, purpose: str, *key: int) -> np.random.Generator:
    """Return the generator of one named purpose, so that asking for more never changes what was asked."""
    sequence = np.random.SeedSequence(entropy, spawn_key=(PURPOSES.index(purpose), *key))
    return np.random.default_rng(sequence)


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with mean 0 and standard deviation 1."""
    return np.asarray((values - values.mean()) / values.std())


def autoregression(
    rng: np.random.Generator, periods: int, shape: tuple[int, ...], correlation: float
) -> NDArray[np.float64]:
    """Draw stationary AR(1) series with unit variance, shape (periods, *shape)."""
    shocks = rng.standard_normal((periods, *shape))
    series = np.empty_like(shocks)
    series[0] = shocks[0]
    for t in range(1, periods):
        series[t] = correlation * series[t - 1] + np.sqrt(1 - correlation**2) * shocks[t]
    return series


def draw_structure(rng: np.random.Generator) -> Structure:
    """Draw the places and schools of a country."""
    table = municipalities()
    code = table["code"].to_numpy(dtype=np.int64, copy=True)
    region = table["region"].to_numpy(dtype=object, copy=True)
    population = table["population"].to_numpy(dtype=np.int64, copy=True)
    size = standardised(np.log(population.astype(float)))

    advantage = np.array([REGION_ADVANTAGE[r] for r in region]) + 0.15 * size
    advantage += 0.4 * rng.standard_normal(len(code))
    diversity = -0.3 + 0.25 * size + 0.3 * rng.standard_normal(len(code))
    for place, value in enumerate(code):
        advantage[place] = ADVANTAGE.get(int(value), advantage[place])
        diversity[place] = DIVERSITY.get(int(value), diversity[place])
    advantage, diversity = standardised(advantage), standardised(diversity)

    share = PUPILS_PER_INHABITANT * np.exp(0.06 * rng.standard_normal(len(code)) + 0.04 * advantage)
    share[population > 200_000] *= 0.88  # the university cities have few families with school children
    share[population < 7_000] *= 0.75  # and so have the islands
    pupils = population * share
    pupils *= PUPILS_PER_INHABITANT * population.sum() / pupils.sum()
    schools = np.maximum(1, np.rint(pupils / PUPILS_PER_SCHOOL)).astype(np.int64)

    school_unit = np.repeat(np.arange(len(code)), schools)
    weight = np.exp(0.45 * rng.standard_normal(len(school_unit)))
    weight /= np.bincount(school_unit, weight)[school_unit]
    return Structure(
        code=code,
        name=table["municipality"].to_numpy(dtype=object, copy=True),
        region=region,
        population=population,
        advantage=advantage,
        diversity=diversity,
        need=-0.05 * advantage + 0.08 * standardised(rng.standard_normal(len(code))),
        school_unit=school_unit,
        school_pupils=pupils[school_unit] * weight,
        school_advantage=advantage[school_unit] + 0.4 * rng.standard_normal(len(school_unit)),
        school_diversity=diversity[school_unit] + 0.4 * rng.standard_normal(len(school_unit)),
    )


def draw_practice(
    rng: np.random.Generator,
    structure: Structure,
    *,
    practice_sd: float,
    correlation: float,
    year_sd: float,
    school_sd: float,
    autocorrelation: float = 0.5,
) -> Practice:
    """Draw practice that is correlated with the municipality's advantage."""
    fixed = correlated(rng, structure, correlation)
    schools = school_sd * rng.standard_normal(len(structure.school_unit))
    yearly = autoregression(rng, len(SCHOOL_YEARS), fixed.shape, autocorrelation)
    return Practice(practice_sd * fixed, year_sd * yearly, schools, school_sd, year_sd, autocorrelation)


def correlated(rng: np.random.Generator, structure: Structure, correlation: float) -> NDArray[np.float64]:
    """Draw values, one a municipality, that are correlated with advantage.

    Mean 0, population-weighted mean 0 and standard deviation 1 are exact, and so is the correlation with that
    part of advantage that population does not explain (nearly all of it): spread and dispersion then differ
    little from one seed to the next, and København does not move the national level on its own.
    """
    size = standardised(structure.population.astype(float))
    other = _without(structure.advantage, size)
    free = _without(_without(rng.standard_normal(len(size)), size), other)
    return np.asarray(correlation * other + np.sqrt(1 - correlation**2) * free)


def _without(values: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standardised part of values that the standardised `other` does not explain."""
    centred = values - values.mean()
    return standardised(centred - other * (centred @ other) / len(other))
