"""Fetched tables by name, with an error that says what to do where they cannot be fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from benchmodels.datasets.services.answer import ServiceError
from benchmodels.datasets.services.cache import Cache, NotKeptError
from benchmodels.datasets.services.open_schools import school_absence
from benchmodels.datasets.services.open_tables import adult_expenditure, sheltered_housing
from benchmodels.errors import DataError

__all__ = ["OPEN_TABLES"]

_HOUSING = (
    *("municipality", "year", "service", "population_18_64", "full_year_persons", "cost_1000dkk"),
    *(f"purchases_{who}_1000dkk" for who in ("private", "municipal", "regional", "other")),
    *("disability_pension_pct", "low_education_pct", "consumer_prices"),
)
_ABSENCE = ("municipality", "school_year", "high_absence", "pupils", "low_education_pct", "higher_education_pct")
_ADULTS = ("area_code", "area", "kind", "function", "item", "account", "provider", "year", "dkk_1000")


def _told(
    name: str, make: Callable[[], pd.DataFrame], service: str, columns: tuple[str, ...]
) -> Callable[[], pd.DataFrame]:
    """Return what makes a table, or says why it cannot be had and what else there is."""

    def made() -> pd.DataFrame:
        try:
            return make()
        except (ServiceError, NotKeptError) as error:
            raise DataError(
                f"the table {name!r} is fetched from {service}, and could not be had: {error}\n"
                f"What to do: run once with access to the network; every answer is kept in {Cache().place} "
                "(BENCHMODELS_CACHE names another folder, and the folder may be copied to another machine), and with "
                "BENCHMODELS_OFFLINE=1 only what is kept is read. Or give a table of your own with --data FILE: CSV, "
                f"XLSX or Parquet with the columns {', '.join(columns)}"
            ) from error

    return made


OPEN_TABLES: Mapping[str, Callable[[], pd.DataFrame]] = {
    "open.sheltered_housing": _told(
        "open.sheltered_housing", sheltered_housing, "Statistics Denmark (api.statbank.dk, no key)", _HOUSING
    ),
    "open.adult_expenditure": _told(
        "open.adult_expenditure", adult_expenditure, "Statistics Denmark (api.statbank.dk, no key)", _ADULTS
    ),
    "open.school_absence": _told(
        "open.school_absence",
        school_absence,
        "Uddannelsesstatistik.dk (a free key in BENCHMODELS_UDDANNELSESSTATISTIK_KEY)",
        _ABSENCE,
    ),
}
"""What is fetched when a study asks for it, with the years its function has by default."""
