"""Absence of pupils month by month, simulated, with municipalities whose practice is known.

Smaller than life: about one pupil in sixty, so that a table of months is read in a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmodels.datasets.pupils import COVARIATES, OUTCOMES, draw_pupils
from benchmodels.datasets.structure import child, correlated, draw_structure, entropy_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.datasets.pupils import Pupils
    from benchmodels.datasets.structure import Structure

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["PupilMonths", "pupil_months", "simulate_pupil_months"]

SOURCE = (
    "Simulated by benchmodels.datasets.pupil_months; not real pupils and not real municipalities' figures. Real are "
    "only the codes, names, regions and populations of the municipalities (Statistics Denmark, CC BY 4.0)"
)

MONTHS = (
    *("2022-08", "2022-09", "2022-10", "2022-11", "2022-12"),
    *("2023-01", "2023-02", "2023-03", "2023-04", "2023-05", "2023-06"),
)
# 200 school days, with the holidays of autumn, Christmas, winter and Easter.
DAYS = np.array([14, 22, 16, 22, 15, 21, 15, 23, 15, 19, 18])

_YEAR = 2023
_SHARE, _FEWEST = 1 / 62, 30
# Log-odds of a day's absence of a pupil with nothing the matter, and of what befalls pupils.
_LEVEL, _PUPIL_SD = -3.5, 0.45
_RISES, _SUDDEN, _STAYS = -1.45, 0.0, 0.1
# A day's absence that a rise leads to, and its length in months where it passes.
_HEIGHT, _MONTHS_AWAY = 0.42, 3
_MOVERS = 0.006
_LONGEST = 5
# The keys of random numbers, apart from those of `benchmodels.datasets.structure`.
_KEYS = {"practice": 9001, "pupils": 9002, "months": 9003}


@dataclass(frozen=True, eq=False, kw_only=True)
class PupilMonths:
    """A table of months and what made it.

    Parameters
    ----------
    table : DataFrame, one row per pupil and month
        `municipality_code`, `municipality`, `pupil` (a number), `month` ("2022-08" to "2023-06"), `absent_days`,
        `school_days` (days) and the eight covariates of `simulate_denmark`, the same in all months of a pupil.
    truth : DataFrame, 98 rows
        `municipality_code`, `municipality` and practice in log-odds, mean 0 over municipalities: `level` of a day's
        absence, `sudden` of a rise being sudden and not gradual, `permanent` of a rise not passing again.
    """

    table: pd.DataFrame
    truth: pd.DataFrame


def pupil_months() -> pd.DataFrame:
    """Return absence of about 11,000 simulated pupils month by month, a school year in 98 municipalities.

    Returns
    -------
    DataFrame
        As `simulate_pupil_months().table`.

    Examples
    --------
    >>> table = pupil_months()
    >>> table["municipality"].nunique(), table["month"].nunique(), table.attrs["simulated"]
    (98, 11, True)
    """
    table = _shipped().table.copy()
    table.attrs = dict(_shipped().table.attrs)
    return table


def simulate_pupil_months(*, rng: int | np.random.Generator | None = 2026) -> PupilMonths:
    """Simulate pupils' absence month by month; the same `rng` gives the same table.

    Parameters
    ----------
    rng : int, Generator or None
        Source of everything that is drawn. The composition of pupils is that of `simulate_denmark`, drawn anew.

    Returns
    -------
    PupilMonths

    Notes
    -----
    Log-odds of a day's absence = level + half the effects of composition on high absence + practice of the municipality
    + the pupil's own (standard deviation 0.45). Some pupils, by composition, are struck by a rise to about 42 % of the
    days: at once, or in even steps over five months; and it stays for the year, or passes after three months.
    Municipalities have a practice of their own in all three. Absence comes in spells of one to five days. Six pupils in
    a thousand move within the year. Sizes are one in 62 of life's, 30 pupils at least.
    """
    entropy = entropy_of(rng)
    structure = draw_structure(child(entropy, "structure"))
    truth = _truth(_generator(entropy, "practice"), structure)
    of_pupils = _generator(entropy, "pupils")
    pupils = draw_pupils(of_pupils, structure, _YEAR)
    chosen = _sample(of_pupils, pupils.unit, len(structure.code))
    draw = _generator(entropy, "months")
    absent = _absent(draw, pupils, chosen, truth)
    unit = _moving(draw, pupils.unit[chosen], len(structure.code))
    n, months = absent.shape
    columns: dict[str, object] = {
        "municipality_code": structure.code[unit].ravel(),
        "municipality": _labels(structure.name, unit.ravel()),
        "pupil": np.repeat(np.arange(1, n + 1), months),
        "month": _labels(np.array(MONTHS, dtype=object), np.tile(np.arange(months), n)),
        "absent_days": absent.ravel(),
        "school_days": np.tile(DAYS, n),
    }
    for name, levels in COVARIATES.items():
        position = np.repeat(pupils.values[name][chosen], months)
        columns[name] = _labels(np.array(levels, dtype=object), position)
    table = pd.DataFrame(columns)
    for frame in (table, truth):
        frame.attrs = {"simulated": True, "source": SOURCE, "rng": entropy}
    return PupilMonths(table=table, truth=truth)


@cache
def _shipped() -> PupilMonths:
    return simulate_pupil_months()


def _generator(entropy: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(_KEYS[purpose],)))


def _truth(rng: np.random.Generator, structure: Structure) -> pd.DataFrame:
    """Draw what each municipality does to the level, the onset and the duration of absence."""
    return pd.DataFrame(
        {
            "municipality_code": structure.code,
            "municipality": pd.array(structure.name.tolist(), dtype="str"),
            "level": 0.22 * correlated(rng, structure, -0.3),
            "sudden": 1.20 * correlated(rng, structure, 0.0),
            "permanent": 0.80 * correlated(rng, structure, -0.2),
        }
    )


def _sample(rng: np.random.Generator, unit: NDArray[np.int64], units: int) -> Codes:
    """Return the places of the pupils who are looked at, ordered by municipality."""
    order = rng.permutation(len(unit))
    order = order[np.argsort(unit[order], kind="stable")]
    size = np.bincount(unit, minlength=units)
    wanted = np.minimum(np.maximum(np.rint(size * _SHARE).astype(np.int64), _FEWEST), size)
    place = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    return np.asarray(order[place < np.repeat(wanted, size)])


def _absent(rng: np.random.Generator, pupils: Pupils, chosen: Codes, truth: pd.DataFrame) -> NDArray[np.int64]:
    """Draw days absent, shape (pupils, months)."""
    unit = pupils.unit[chosen]
    level, sudden, permanent = (truth[name].to_numpy()[unit] for name in ("level", "sudden", "permanent"))
    effects = OUTCOMES["school_absence"].effects
    composition = np.sum([np.array(effects[name])[pupils.values[name][chosen]] for name in COVARIATES], axis=0)
    composition -= composition.mean()
    n, months = len(chosen), len(DAYS)
    own = expit(_LEVEL + 0.5 * composition + level + _PUPIL_SD * rng.standard_normal(n))
    struck = rng.random(n) < expit(_RISES + 0.6 * composition + level)
    at_once = rng.random(n) < expit(_SUDDEN + sudden)
    stays = rng.random(n) < expit(_STAYS + permanent)
    # August is too early to have a before, and May too late to have an after.
    begins = rng.integers(2, months - 3, n)
    since = np.arange(months)[None, :] - begins[:, None]
    up = np.where(at_once[:, None], since >= 0, np.clip((since + 3) / 5, 0.0, 1.0))
    over = ~stays[:, None] & (since >= _MONTHS_AWAY)
    risen = struck[:, None] * up * ~over
    return _spells(rng, own[:, None] + risen * (_HEIGHT - own[:, None]))


def _spells(rng: np.random.Generator, share: Floats) -> NDArray[np.int64]:
    """Draw days in spells of one to five, with the share of days given in expectation (before the month is full)."""
    days = np.broadcast_to(DAYS, share.shape)
    spells = np.minimum(rng.poisson(share * days / (0.5 * (1 + _LONGEST))), 12)
    absent = np.zeros(share.shape, dtype=np.int64)
    for place in range(int(spells.max())):
        absent += np.where(spells > place, rng.integers(1, _LONGEST + 1, share.shape), 0)
    return np.asarray(np.minimum(absent, days))


def _moving(rng: np.random.Generator, unit: NDArray[np.int64], units: int) -> NDArray[np.int64]:
    """Return the municipality of each pupil in each month; the few who move do so at the turn of a month."""
    n, months = len(unit), len(DAYS)
    moves = np.where(rng.random(n) < _MOVERS, rng.integers(1, months, n), months)
    to = rng.integers(0, units, n)
    return np.asarray(np.where(np.arange(months)[None, :] >= moves[:, None], to[:, None], unit[:, None]))


def _labels(values: NDArray[np.object_], position: NDArray[np.integer]) -> object:
    return pd.Series(values.tolist(), dtype="str").take(position).array
