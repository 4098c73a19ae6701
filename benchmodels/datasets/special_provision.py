"""Start in special provision in grade 0, and how municipalities steer special education: simulated, with a known truth.

What a municipality chooses goes with its practice here and does not make it: choices are drawn given practice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.datasets.denmark import simulate_denmark
from benchmodels.datasets.outcomes import rows_of
from benchmodels.datasets.pupils import (
    COVARIATES,
    OUTCOMES,
    MeanLogistic,
    Pupils,
    composition_log_odds,
    draw_pupils,
    national_level,
)
from benchmodels.datasets.structure import entropy_of, standardised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.datasets.denmark import SimulatedDenmark

    Floats = NDArray[np.float64]

__all__ = [
    "SpecialProvision",
    "school_start",
    "simulate_special_provision",
    "special_education_steering",
]

SOURCE = (
    "Simulated by benchmodels.datasets.special_provision; not real municipalities' figures or choices. Real are only "
    "the codes, names, regions and populations of the municipalities (Statistics Denmark, CC BY 4.0) and, in "
    "expectation, national totals"
)

PAYMENT: tuple[str, ...] = ("municipality", "shared", "schools")
"""Who pays for a pupil's place in special education."""
REFERRAL: tuple[str, ...] = ("one panel", "several panels")
"""Who decides on it."""

_YEAR = 2023
# Of pupils in grade 0 in 2022/23, by the ministry; and one year's intake of the four in grades 0 to 3.
_NATIONAL, _INTAKE = 0.036, 0.25
_OWN_SD, _CARRIED = 0.12, 0.8
# How closely who pays follows practice, in standard deviations of practice, and how many choose each.
_FOLLOWS, _CUTS = 0.9, (0.35, 0.70)
_KEYS = {"choices": 9101, "pupils": 9102, "practice": 9103, "outcome": 9104}


@dataclass(frozen=True, eq=False, kw_only=True)
class SpecialProvision:
    """Two tables of cells and what made them.

    Parameters
    ----------
    school_start : DataFrame
        `municipality_code`, `municipality`, `year`, the covariates of `simulate_denmark` without `grade_band`,
        `pupils` and `special_start` (pupils of grade 0 who start in a special class, a special school or day
        treatment), `payment` and `referral`.
    steering : DataFrame, 98 rows
        `municipality_code`, `municipality`, `payment` ("municipality", "shared", "schools") and `referral` ("one
        panel", "several panels").
    truth : DataFrame, 98 rows
        `municipality_code`, `municipality` and `practice` in log-odds of starting in special provision.
    """

    school_start: pd.DataFrame
    steering: pd.DataFrame
    truth: pd.DataFrame


def school_start() -> pd.DataFrame:
    """Return cells of simulated pupils in grade 0, as `simulate_special_provision().school_start`.

    Examples
    --------
    >>> table = school_start()
    >>> table["municipality"].nunique(), 60_000 < int(table["pupils"].sum()) < 80_000
    (98, True)
    """
    return _copied(_shipped().school_start)


def special_education_steering() -> pd.DataFrame:
    """Return `simulate_denmark().special_education()` with how each municipality steers: `payment` and `referral`.

    Examples
    --------
    >>> table = special_education_steering()
    >>> int(table.groupby("municipality")["payment"].nunique().max())
    1
    """
    country, steering = simulate_denmark(), _shipped().steering
    table = country.special_education().merge(steering, on=["municipality_code", "municipality"], validate="m:1")
    table.attrs = dict(steering.attrs)
    return table


def simulate_special_provision(*, rng: int | np.random.Generator | None = 2026) -> SpecialProvision:
    """Simulate start in special provision, and who pays for it, in the country that `simulate_denmark` makes of `rng`.

    Parameters
    ----------
    rng : int, Generator or None
        Source of everything that is drawn.

    Returns
    -------
    SpecialProvision

    Notes
    -----
    Practice at the start of school = 0.8 times that in special education at large + the municipality's own (standard
    deviation 0.12 on the logit); other log-odds are those of `simulate_denmark` for special education. Who pays is
    drawn from 0.9 times the standardised practice + noise of standard deviation 1: municipalities that refer many
    oftener pay centrally (35 of 100 do so, 30 leave it to schools). Who decides is drawn of itself.
    """
    entropy = entropy_of(rng)
    country = simulate_denmark(rng=entropy)
    structure = country.structure
    practice = country.practice["special_education"].fixed
    steering = _steering(_generator(entropy, "choices"), country)
    own = _CARRIED * practice + _OWN_SD * standardised(_generator(entropy, "practice").standard_normal(len(practice)))
    pupils = _starters(_generator(entropy, "pupils"), country)
    cells = _cells(_generator(entropy, "outcome"), pupils, country, own)
    table = cells.merge(steering, on=["municipality_code", "municipality"], validate="m:1")
    truth = steering[["municipality_code", "municipality"]].assign(practice=own)
    for frame in (table, steering, truth):
        frame.attrs = {"simulated": True, "source": SOURCE, "rng": entropy}
    assert len(truth) == len(structure.code)
    return SpecialProvision(school_start=table, steering=steering, truth=truth)


@cache
def _shipped() -> SpecialProvision:
    return simulate_special_provision()


def _copied(frame: pd.DataFrame) -> pd.DataFrame:
    copy = frame.copy()
    copy.attrs = dict(frame.attrs)
    return copy


def _generator(entropy: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(_KEYS[purpose],)))


def _steering(rng: np.random.Generator, country: SimulatedDenmark) -> pd.DataFrame:
    practice = standardised(country.practice["special_education"].fixed)
    latent = -_FOLLOWS * practice + rng.standard_normal(len(practice))
    payment = np.searchsorted(np.quantile(latent, _CUTS), latent)
    referral = rng.integers(0, len(REFERRAL), len(practice))
    return pd.DataFrame(
        {
            "municipality_code": country.structure.code,
            "municipality": pd.array(country.structure.name.tolist(), dtype="str"),
            "payment": pd.array(np.array(PAYMENT, dtype=object)[payment].tolist(), dtype="str"),
            "referral": pd.array(np.array(REFERRAL, dtype=object)[referral].tolist(), dtype="str"),
        }
    )


def _starters(rng: np.random.Generator, country: SimulatedDenmark) -> Pupils:
    """Draw a year's intake: of pupils in the youngest band, one year in four."""
    drawn = draw_pupils(rng, country.structure, _YEAR)
    kept = np.flatnonzero((drawn.values["grade_band"] == 0) & (rng.random(len(drawn.unit)) < _INTAKE))
    values = {name: value[kept] for name, value in drawn.values.items()}
    return Pupils(drawn.year, drawn.school[kept], drawn.unit[kept], values, drawn.combination[kept])


def _cells(rng: np.random.Generator, pupils: Pupils, country: SimulatedDenmark, practice: Floats) -> pd.DataFrame:
    outcome, structure = OUTCOMES["special_education"], country.structure
    mean = MeanLogistic(outcome.need_effect)
    of_unit = practice + outcome.need_effect * structure.need
    log_odds = composition_log_odds(outcome)[pupils.combination] + of_unit[pupils.unit]
    probability = mean(log_odds + national_level(log_odds, mean, _NATIONAL))
    rows = rows_of(pupils, "cells")
    unit = pupils.unit[rows.first]
    columns: dict[str, object] = {
        "municipality_code": structure.code[unit],
        "municipality": pd.Series(structure.name.tolist(), dtype="str").take(unit).array,
        "year": np.full(len(unit), _YEAR),
    }
    for name, levels in COVARIATES.items():
        if name != "grade_band":
            columns[name] = pd.Series(list(levels), dtype="str").take(pupils.values[name][rows.first]).array
    columns["pupils"] = rows.pupils
    columns["special_start"] = rows.count(rng.random(len(probability)) < probability)
    return pd.DataFrame(columns)
