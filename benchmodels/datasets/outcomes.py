"""Binary outcomes of pupils: probabilities, draws, and the tables that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from benchmodels.datasets.pupils import (
    COMBINATIONS,
    COVARIATES,
    OUTCOMES,
    MeanLogistic,
    Pupils,
    composition_log_odds,
    draw_pupils,
    national_level,
    own_log_odds,
)
from benchmodels.datasets.structure import SCHOOL_YEARS, Practice, Structure, autoregression, child
from benchmodels.errors import SpecificationError

__all__ = [
    "Level",
    "OutcomeYear",
    "Redrawn",
    "Rows",
    "average_log_odds",
    "draw_counts",
    "outcome_year",
    "rows_of",
    "table",
]

Level = Literal["cells", "school_cells", "persons"]
Redrawn = Literal["schools", "years"]

SCHOOL_DAYS = 200


@dataclass(frozen=True, eq=False)
class OutcomeYear:
    """One outcome in one year, before chance.

    Parameters
    ----------
    name : str
        Key of `OUTCOMES`.
    pupils : Pupils
        Composition, n pupils.
    level : float
        National level on the logit, which makes the expected share of all pupils the published one.
    log_odds : array (n,)
        Under own practice, school and year, with the level.
    probability : array (n,)
        The same averaged over the unmeasured need.
    """

    name: str
    pupils: Pupils
    level: float
    log_odds: NDArray[np.float64]
    probability: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Which row of a table each pupil belongs to.

    Parameters
    ----------
    row : array (n,)
        The pupil's row.
    first : array (r,)
        One pupil of each row, whose municipality, school and values are the row's.
    pupils : array (r,)
        Pupils in the row.
    """

    row: NDArray[np.int64]
    first: NDArray[np.int64]
    pupils: NDArray[np.int64]

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the pupils' values in each row."""
        return np.asarray(np.bincount(self.row, values, minlength=len(self.first)), dtype=np.float64)

    def count(self, event: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number of pupils with the event in each row."""
        return np.bincount(self.row[event], minlength=len(self.first))


def outcome_year(name: str, entropy: int, structure: Structure, practice: Practice, year: int) -> OutcomeYear:
    """Draw the pupils of a year and work out their probabilities."""
    outcome = OUTCOMES[name]
    pupils = draw_pupils(child(entropy, "pupils", year), structure, year)
    mean = MeanLogistic(outcome.need_effect)
    log_odds = own_log_odds(pupils, structure, outcome, practice)
    level = national_level(log_odds, mean, outcome.national[SCHOOL_YEARS.index(year)])
    log_odds += level
    return OutcomeYear(name, pupils, level, log_odds, mean(log_odds))


def rows_of(pupils: Pupils, level: Level) -> Rows:
    """Group pupils into the rows of a table, ordered by municipality (and school) and combination."""
    n = len(pupils.school)
    if level == "persons":
        own = np.arange(n)
        return Rows(own, own, np.ones(n, dtype=np.int64))
    if level not in ("cells", "school_cells"):
        raise SpecificationError(f'level is {level!r}; it must be "cells", "school_cells" or "persons"')
    place = pupils.unit if level == "cells" else pupils.school
    key = place * COMBINATIONS + pupils.combination
    size = np.bincount(key)
    occupied = np.flatnonzero(size)
    position = np.empty(len(size), dtype=np.int64)
    position[occupied] = np.arange(len(occupied))
    row = position[key]
    first = np.empty(len(occupied), dtype=np.int64)
    first[row] = np.arange(n)
    return Rows(row, first, size[occupied])


def table(of_year: OutcomeYear, structure: Structure, level: Level, entropy: int) -> pd.DataFrame:
    """Draw the outcomes of a year and lay them out at the level asked."""
    pupils, name = of_year.pupils, of_year.name
    rows = rows_of(pupils, level)
    key = (list(OUTCOMES).index(name), pupils.year)
    # A pupil's need and then the outcome given need, or the outcome at the probability averaged over need:
    # the same law, as need is nobody else's and is not seen.
    event = child(entropy, "outcome", *key).random(len(pupils.unit)) < of_year.probability

    unit = pupils.unit[rows.first]
    columns: dict[str, object] = {
        "municipality_code": structure.code[unit],
        "municipality": _labels(structure.name, unit),
        "year": np.full(len(unit), pupils.year, dtype=np.int64),
    }
    if level != "cells":
        columns["school_id"] = _school_id(structure)[pupils.school[rows.first]]
    if level == "persons":
        columns["person_id"] = pupils.year * 1_000_000 + 1 + np.arange(len(unit))
    for covariate, levels in COVARIATES.items():
        columns[covariate] = _labels(np.array(levels, dtype=object), pupils.values[covariate][rows.first])
    if level != "persons":
        columns["pupils"] = rows.pupils
    columns[OUTCOMES[name].column] = rows.count(event)
    if name == "school_absence":
        days = _absence_days(child(entropy, "days", *key), event)
        columns["absence_days"] = rows.total(days).astype(np.int64)
        columns["school_days"] = SCHOOL_DAYS * rows.pupils
    return pd.DataFrame(columns)


def draw_counts(
    years: Sequence[OutcomeYear],
    rows: Sequence[Rows],
    rng: np.random.Generator,
    *,
    structure: Structure,
    practice: Practice,
    redrawn: frozenset[str],
) -> NDArray[np.int64]:
    """Draw the counts of all rows once more, the years after one another.

    Pupils and their unmeasured need are always drawn anew; schools' effects and the yearly deviations of
    municipalities only when they are named in `redrawn`.
    """
    schools, yearly = practice.schools, practice.yearly
    if "schools" in redrawn:
        schools = practice.school_sd * rng.standard_normal(len(schools))
    if "years" in redrawn:
        yearly = practice.year_sd * autoregression(
            rng, len(SCHOOL_YEARS), practice.fixed.shape, practice.autocorrelation
        )
    counts = []
    for of_year, of_rows in zip(years, rows, strict=True):
        probability = of_year.probability
        pupils = of_year.pupils
        if redrawn:
            place = SCHOOL_YEARS.index(pupils.year)
            change = schools - practice.schools
            change = change + (yearly[place] - practice.yearly[place])[structure.school_unit]
            need = OUTCOMES[of_year.name].need_effect * rng.standard_normal(len(probability))
            probability = expit(of_year.log_odds + change[pupils.school] + need)
        counts.append(of_rows.count(rng.random(len(probability)) < probability))
    return np.concatenate(counts)


def average_log_odds(of_year: OutcomeYear, structure: Structure) -> NDArray[np.float64]:
    """Return each pupil's log-odds at practice, school and year effects of 0, with the year's level.

    What the unmeasured need owes to the municipality is the pupils' own: it stays.
    """
    outcome, pupils = OUTCOMES[of_year.name], of_year.pupils
    of_pupils = composition_log_odds(outcome)[pupils.combination]
    return np.asarray(of_year.level + of_pupils + outcome.need_effect * structure.need[pupils.unit])


def _absence_days(rng: np.random.Generator, high: NDArray[np.bool_]) -> NDArray[np.float64]:
    # At most 20 of 200 days is not high absence. National mean about 6 per cent of days in 2023.
    n = len(high)
    low_days = np.floor(21 * rng.random(n) ** 2)
    high_days = np.minimum(21 + np.floor(rng.exponential(14.0, n)), SCHOOL_DAYS)
    return np.where(high, high_days, low_days)


def _school_id(structure: Structure) -> NDArray[np.int64]:
    unit = structure.school_unit
    first = np.searchsorted(unit, np.arange(len(structure.code)))
    return np.asarray(structure.code[unit] * 1000 + 1 + np.arange(len(unit)) - first[unit])


def _labels(values: NDArray[np.object_], position: NDArray[np.integer]) -> object:
    # Taking from a short array of strings is far faster than making 700,000 of them.
    return pd.Series(values.tolist(), dtype="str").take(position).array
