"""A simulated country with the names of Denmark's municipalities and a known truth."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmodels.datasets.housing import (
    HOUSING_YEARS,
    SERVICES,
    Housing,
    draw_housing,
    draw_noise,
    housing_table,
    in_rows,
)
from benchmodels.datasets.outcomes import (
    Level,
    OutcomeYear,
    Redrawn,
    draw_counts,
    outcome_year,
    rows_of,
    table,
)
from benchmodels.datasets.pupils import OUTCOMES
from benchmodels.datasets.structure import (
    SCHOOL_YEARS,
    Practice,
    Structure,
    child,
    draw_practice,
    draw_structure,
    entropy_of,
)
from benchmodels.datasets.truths import Contrast, Standard, housing_totals, pupil_totals, value_of
from benchmodels.errors import SpecificationError

__all__ = ["SIMULATED_NOTICE", "SimulatedDenmark", "simulate_denmark"]

SIMULATED_NOTICE: dict[str, str] = {
    "da": (
        "Data er simulerede. Kommunernes navne er rigtige, men tallene er ikke deres: de er trukket af et "
        "program og siger intet om den enkelte kommune."
    ),
    "en": (
        "The data are simulated. The municipalities' names are real, but the figures are not theirs: they "
        "were drawn by a program and say nothing about any municipality."
    ),
}
"""What every page that shows simulated figures must say, by language."""

SOURCE = (
    "Simulated by benchmodels.datasets.simulate_denmark; not real municipalities' figures. Real are only "
    "the codes, names, regions and populations (Statistics Denmark, CC BY 4.0) and, in expectation, national "
    "totals"
)

OutcomeName = Literal["special_education", "school_absence", "sheltered_housing"]


@dataclass(frozen=True, eq=False)
class SimulatedDenmark:
    """A country of 98 municipalities whose practice is known.

    A pupil's outcome has log-odds = national level of the year + effects of its covariates + 0.8 (special
    education; absence 0.6) x unmeasured need + practice of its municipality (a fixed part and an AR(1) yearly
    deviation) + effect of its school. Need is normal with standard deviation 1; its mean depends on the
    municipality and on covariates. Practice is correlated with composition. Pupils belong to the municipality
    of their school, and every year is a cross-section of its own: pupils are not followed.

    Cost of sheltered housing = inhabitants x exp(need + practice) x yearly noise (mean 1, AR(1), larger in
    small municipalities), by paying municipality.

    Parameters
    ----------
    rng : int
        The number that makes this country: `simulate_denmark(rng=country.rng)` is it again.
    outcome_rng : int
        The number behind what `redraw` draws anew: chance in outcomes and in the years of sheltered housing.
    structure : Structure
        Places and schools.
    practice : dict of Practice
        Practice on the logit for "special_education" and "school_absence".
    housing : Housing
        Expected persons and costs of sheltered housing, with practice on the log.

    Notes
    -----
    Measured on two shared cores: 75,000 cells of a year in about 0.4 seconds, its 700,000 persons in 0.8;
    a draw of a year's cells in about 10 milliseconds (50 with schools or years redrawn).
    """

    rng: int
    outcome_rng: int
    structure: Structure = field(repr=False)
    practice: dict[str, Practice] = field(repr=False)
    housing: Housing = field(repr=False)

    def special_education(self, *, years: Sequence[int] = (2023,), level: Level = "cells") -> pd.DataFrame:
        """Return the table of segregated special education.

        Parameters
        ----------
        years : sequence of int
            School years by the year they end in, 2019 to 2023.
        level : {"cells", "school_cells", "persons"}
            One row per occupied municipality, year and combination of covariates; the same within schools
            (adds `school_id`); or one row a pupil (adds `school_id` and `person_id`, has no `pupils`).

        Returns
        -------
        DataFrame
            `municipality_code`, `municipality`, `year`, the eight covariates, `pupils` and `segregated`
            (a count; 0 or 1 for a person), year by year and ordered by municipality within a year. The three
            levels are one draw: any of them summed is the other.

        Raises
        ------
        SpecificationError
            Years or a level that there are not.
        """
        return self._pupil_table("special_education", years, level)

    def school_absence(self, *, years: Sequence[int] = (2023,), level: Level = "cells") -> pd.DataFrame:
        """Return the table of high school absence, over 10 per cent of 200 school days.

        As `special_education`, with `high_absence` (pupils), `absence_days` and `school_days` (days).
        """
        return self._pupil_table("school_absence", years, level)

    def sheltered_housing(self) -> pd.DataFrame:
        """Return costs and full-year persons of sheltered housing, by *paying* municipality.

        Returns
        -------
        DataFrame, 1,470 rows (98 municipalities x 5 years x 3 services, in that order)
            `municipality_code`, `municipality`, `year` (2018 to 2022), `service`, `population_18_64`
            (persons), `full_year_persons`, `cost_1000dkk` (thousand DKK, at least 0; a very small
            municipality may have none in a year), `psychiatric_contacts_per_1000`, `disability_pension_pct`,
            `low_education_pct` and `single_households_pct`.

        Notes
        -----
        The *expected* national totals of cost are the published ones (`expenditure_midtjylland`, table 1),
        those of persons 27,100 in 2018 and 28,000 in 2021; the drawn totals differ from them by chance.
        """
        drawn = housing_table(child(self.outcome_rng, "housing years"), self.structure, self.housing)
        return self._described(drawn)

    def redraw(self, rng: int | np.random.Generator | None) -> SimulatedDenmark:
        """Return the same country (composition, practice, schools, years) with new chance in the outcomes."""
        return replace(self, outcome_rng=entropy_of(rng))

    def draws(
        self,
        outcome: OutcomeName,
        *,
        years: Sequence[int] | None = None,
        n: int,
        rng: int | np.random.Generator | None,
        level: Level = "cells",
        redrawn: Collection[Redrawn] = (),
    ) -> Iterator[NDArray[np.float64] | NDArray[np.int64]]:
        """Return `n` successive draws of the outcome, aligned with the rows of its table.

        Parameters
        ----------
        outcome : {"special_education", "school_absence", "sheltered_housing"}
            What is drawn: counts of pupils, or costs (1000 DKK) with the yearly noise drawn anew.
        years : sequence of int, optional
            2023 for pupils and all five years for housing when not given.
        n : int
            Number of draws.
        rng : int, Generator or None
            Each draw has a child of its own, so the first draws do not depend on `n`.
        level : {"cells", "school_cells", "persons"}
            Rows of the pupils' table; without meaning for housing.
        redrawn : collection of {"schools", "years"}
            Effects of schools and yearly deviations of municipalities are fixed unless they are named here,
            for methods in which schools or years count as a sample.

        Returns
        -------
        iterator of arrays, one value a row

        Raises
        ------
        SpecificationError
            An outcome, years, a level or an effect that there is not.
        """
        children = np.random.default_rng(rng).spawn(n)
        asked = self._years(outcome, years)
        if outcome == "sheltered_housing":
            keep = np.isin(HOUSING_YEARS, asked)
            cost = self.housing.cost
            return (in_rows((cost * draw_noise(g, self.housing)[1])[keep]) for g in children)
        _known("redrawn", redrawn, get_args(Redrawn))
        of_years = [self._outcome_year(outcome, year) for year in asked]
        rows = [rows_of(of_year.pupils, level) for of_year in of_years]
        effects = frozenset(redrawn)
        practice = self.practice[outcome]
        return (
            draw_counts(of_years, rows, g, structure=self.structure, practice=practice, redrawn=effects)
            for g in children
        )

    def expected_counts(
        self, outcome: OutcomeName, *, years: Sequence[int] | None = None, level: Level = "cells"
    ) -> NDArray[np.float64]:
        """Return the exact expected value of each row of the outcome's table.

        Counts of pupils, or costs (1000 DKK) for sheltered housing. A model fitted to them gives its own
        probability limit: what it estimates when chance is taken away.
        """
        asked = self._years(outcome, years)
        if outcome == "sheltered_housing":
            return in_rows(self.housing.cost[np.isin(HOUSING_YEARS, asked)])
        totals = []
        for year in asked:
            of_year = self._outcome_year(outcome, year)
            totals.append(rows_of(of_year.pupils, level).total(of_year.probability))
        return np.concatenate(totals)

    def truth(
        self,
        outcome: OutcomeName,
        *,
        standard: Standard = "indirect",
        contrast: Contrast = "difference",
        years: Sequence[int] | None = None,
        service: str | None = None,
    ) -> pd.DataFrame:
        """Return the true contrast of each municipality, by the process that generates the outcomes.

        Parameters
        ----------
        outcome : {"special_education", "school_absence", "sheltered_housing"}
            The outcome.
        standard : {"indirect", "direct"}
            Own cases under own practice against the same cases under average practice (practice, year and
            mean school effect 0, moved by the one level that makes expected and observed agree in the
            country); or the whole country's cases under this municipality's practice and schools against the
            country's outcome, both at this municipality's size.
        contrast : {"difference", "ratio", "rate"}
            (observed - expected) / size, observed / expected, or the ratio times the national rate.
        years : sequence of int, optional
            As in `draws`.
        service : str, optional
            One service of sheltered housing; all three when not given. Each service has its own level.

        Returns
        -------
        DataFrame, 98 rows
            `municipality_code`, `municipality`, `size` (pupils, or inhabitants 18-64, summed over years),
            `practice` (the fixed part, on the logit or on the log of cost; for housing as a whole the part
            common to the services), `observed`, `expected` and `value`.

        Notes
        -----
        Observed is the expected outcome under own practice: chance is not in it, the need that nobody
        measured is averaged over. This is the *structural* truth. A fitted model does not see the need and
        credits to practice what need owes to the municipality: its probability limit, to be had by fitting it
        to `expected_counts`, is another number, and the one that its intervals can be asked to cover.
        """
        _known("standard", [standard], get_args(Standard))
        _known("contrast", [contrast], get_args(Contrast))
        asked = self._years(outcome, years)
        if outcome == "sheltered_housing":
            _known("service", [] if service is None else [service], SERVICES)
            totals = housing_totals(self.housing, asked, service, standard)
            place = None if service is None else list(SERVICES).index(service)
            practice = self.housing.common if place is None else self.housing.practice[:, place]
        else:
            _known("service", [] if service is None else [service], ())
            of_years = [self._outcome_year(outcome, year) for year in asked]
            totals = pupil_totals(of_years, self.structure, self.practice[outcome], standard)
            practice = self.practice[outcome].fixed
        columns = {
            "municipality_code": self.structure.code,
            "municipality": pd.array(self.structure.name.tolist(), dtype="str"),
            "size": totals[0],
            "practice": practice,
            "observed": totals[1],
            "expected": totals[2],
            "value": value_of(totals, contrast),
        }
        return self._described(pd.DataFrame(columns))

    def _outcome_year(self, outcome: str, year: int) -> OutcomeYear:
        return outcome_year(outcome, self.rng, self.structure, self.practice[outcome], year)

    def _pupil_table(self, outcome: OutcomeName, years: Sequence[int], level: Level) -> pd.DataFrame:
        parts = [
            table(self._outcome_year(outcome, year), self.structure, level, self.outcome_rng)
            for year in self._years(outcome, years)
        ]
        return self._described(parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True))

    def _described(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame.attrs = {"simulated": True, "source": SOURCE, "rng": self.rng}
        if self.outcome_rng != self.rng:
            frame.attrs["outcome_rng"] = self.outcome_rng
        return frame

    def _years(self, outcome: str, years: Sequence[int] | None) -> tuple[int, ...]:
        _known("outcome", [outcome], get_args(OutcomeName))
        housing = outcome == "sheltered_housing"
        there_are = HOUSING_YEARS if housing else SCHOOL_YEARS
        if years is None:
            return HOUSING_YEARS if housing else (2023,)
        if isinstance(years, int):
            raise SpecificationError(f"years is {years}; it must be a sequence, such as ({years},)")
        _known("years", years, there_are)
        if not len(years) or len(set(years)) != len(years):
            raise SpecificationError(f"years are {list(years)}; at least one is needed, and each once")
        return tuple(int(year) for year in sorted(years))


def simulate_denmark(*, rng: int | np.random.Generator | None = 2026) -> SimulatedDenmark:
    """Simulate a register-like country with known practice; the same `rng` gives the same country.

    Parameters
    ----------
    rng : int, Generator or None
        Source of everything that is drawn. A Generator is spawned from, not drawn from.

    Returns
    -------
    SimulatedDenmark

    Examples
    --------
    >>> country = simulate_denmark(rng=2026)
    >>> cells = country.special_education()
    >>> cells["municipality"].nunique(), cells.attrs["simulated"]
    (98, True)
    """
    entropy = entropy_of(rng)
    structure = draw_structure(child(entropy, "structure"))
    practice = {
        name: draw_practice(
            child(entropy, "practice", place),
            structure,
            practice_sd=outcome.practice_sd,
            correlation=outcome.correlation,
            year_sd=outcome.year_sd,
            school_sd=outcome.school_sd,
        )
        for place, (name, outcome) in enumerate(OUTCOMES.items())
    }
    housing = draw_housing(child(entropy, "housing"), structure)
    return SimulatedDenmark(entropy, entropy, structure, practice, housing)


def _known(what: str, asked: Collection[object], there_are: Collection[object]) -> None:
    unknown = [value for value in asked if value not in there_are]
    if unknown:
        allowed = ", ".join(repr(value) for value in there_are) or "nothing for this outcome"
        raise SpecificationError(f"{what} has {', '.join(map(repr, unknown))}; allowed: {allowed}")
