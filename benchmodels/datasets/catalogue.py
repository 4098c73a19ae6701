"""Tables by name, for study files that can only write words."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from benchmodels.datasets.denmark import simulate_denmark
from benchmodels.datasets.packaged import expenditure_midtjylland, municipalities, star98
from benchmodels.datasets.pupil_months import pupil_months
from benchmodels.datasets.services.open_studies import OPEN_TABLES
from benchmodels.datasets.special_provision import school_start, special_education_steering
from benchmodels.errors import SpecificationError

__all__ = ["load"]

TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "denmark.special_education": lambda: simulate_denmark().special_education(),
    "denmark.sheltered_housing": lambda: simulate_denmark().sheltered_housing(),
    "denmark.school_absence": lambda: simulate_denmark().school_absence(),
    "denmark.special_education_steering": special_education_steering,
    "denmark.school_start": school_start,
    "denmark.pupil_months": pupil_months,
    "star98": star98,
    "expenditure_midtjylland": expenditure_midtjylland,
    "municipalities": municipalities,
    **OPEN_TABLES,
}


def load(name: str) -> pd.DataFrame:
    """Return a table by its name.

    Parameters
    ----------
    name : str
        "denmark.special_education" and "denmark.school_absence" (simulated cells of 2023),
        "denmark.special_education_steering" (the first with how municipalities steer) and "denmark.school_start"
        (simulated cells of grade 0), "denmark.pupil_months" (simulated absence by pupil and month),
        "denmark.sheltered_housing" (simulated), "star98", "expenditure_midtjylland" or "municipalities"; fetched, and
        kept: "open.sheltered_housing", "open.adult_expenditure" and "open.school_absence".

    Raises
    ------
    SpecificationError
        There is no table of this name.
    DataError
        A table that is to be fetched is not kept and cannot be had, or is not as expected.

    Examples
    --------
    >>> load("municipalities").shape
    (98, 4)
    """
    if name not in TABLES:
        raise SpecificationError(f"no table is named {name!r}; there are {', '.join(sorted(TABLES))}")
    return TABLES[name]()
