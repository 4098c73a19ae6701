"""Tables by name, for study files that can only write words."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from benchmodels.datasets.denmark import simulate_denmark
from benchmodels.datasets.packaged import expenditure_midtjylland, municipalities, star98
from benchmodels.errors import SpecificationError

__all__ = ["load"]

TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "denmark.special_education": lambda: simulate_denmark().special_education(),
    "denmark.sheltered_housing": lambda: simulate_denmark().sheltered_housing(),
    "denmark.school_absence": lambda: simulate_denmark().school_absence(),
    "star98": star98,
    "expenditure_midtjylland": expenditure_midtjylland,
    "municipalities": municipalities,
}


def load(name: str) -> pd.DataFrame:
    """Return a table by its name.

    Parameters
    ----------
    name : str
        "denmark.special_education" and "denmark.school_absence" (simulated cells of 2023),
        "denmark.sheltered_housing" (simulated), "star98", "expenditure_midtjylland" or "municipalities".

    Raises
    ------
    SpecificationError
        There is no table of this name.

    Examples
    --------
    >>> load("municipalities").shape
    (98, 4)
    """
    if name not in TABLES:
        raise SpecificationError(f"no table is named {name!r}; there are {', '.join(sorted(TABLES))}")
    return TABLES[name]()
