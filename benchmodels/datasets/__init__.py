"""Bundled tables, a simulator whose truth is known, and clients of open statistics.

Nothing is fetched but by asking a client, and every answer of a client is kept with its source, licence and hash.
"""

from benchmodels.datasets.catalogue import load
from benchmodels.datasets.danish_numbers import read_number, read_numbers
from benchmodels.datasets.denmark import SIMULATED_NOTICE, SimulatedDenmark, simulate_denmark
from benchmodels.datasets.geography import municipality_neighbours, municipality_tiles, read_outlines
from benchmodels.datasets.packaged import STAR98_COVARIATES, expenditure_midtjylland, municipalities, star98
from benchmodels.datasets.places import (
    CountryGap,
    country_gap,
    in_reform,
    kind_of_area,
    municipality_codes,
    only_municipalities,
    reforms,
)
from benchmodels.datasets.services.answer import ServiceError
from benchmodels.datasets.services.cache import Cache, NotKeptError
from benchmodels.datasets.services.open_schools import school_absence, school_covariates
from benchmodels.datasets.services.open_tables import adult_expenditure, sheltered_housing
from benchmodels.datasets.services.statbank import StatBank
from benchmodels.datasets.services.uddannelsesstatistik import Uddannelsesstatistik, complete

__all__ = [
    "SIMULATED_NOTICE",
    "STAR98_COVARIATES",
    "Cache",
    "CountryGap",
    "NotKeptError",
    "ServiceError",
    "SimulatedDenmark",
    "StatBank",
    "Uddannelsesstatistik",
    "adult_expenditure",
    "complete",
    "country_gap",
    "expenditure_midtjylland",
    "in_reform",
    "kind_of_area",
    "load",
    "municipalities",
    "municipality_codes",
    "municipality_neighbours",
    "municipality_tiles",
    "only_municipalities",
    "read_number",
    "read_numbers",
    "read_outlines",
    "reforms",
    "school_absence",
    "school_covariates",
    "sheltered_housing",
    "simulate_denmark",
    "star98",
]
