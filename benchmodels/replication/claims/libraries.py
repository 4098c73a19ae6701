"""Tables that come with installed libraries: the data of classical results, by name, without a download."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["LIBRARY_DATASETS", "LibraryDataset", "load_dataset"]


@dataclass(frozen=True, kw_only=True)
class LibraryDataset:
    """A table of an installed library, and what is made of it before anyone sees it.

    Parameters
    ----------
    source : str
        Who collected the figures and where they were printed.
    logarithms : mapping of str to str
        New columns: the natural logarithm of another.
    sums : mapping of str to tuple of str
        New columns: the sum of others.
    """

    source: str
    logarithms: Mapping[str, str]
    sums: Mapping[str, tuple[str, ...]]


def _dataset(
    source: str, *, logarithms: Mapping[str, str] | None = None, sums: Mapping[str, tuple[str, ...]] | None = None
) -> LibraryDataset:
    return LibraryDataset(source=source, logarithms=logarithms or {}, sums=sums or {})


# A closed list: a file of claims names a table, and never a module to be imported.
LIBRARY_DATASETS: dict[str, LibraryDataset] = {
    "statsmodels.longley": _dataset("Longley (1967), J Am Stat Assoc 62:819: employment in the USA, 16 years"),
    "statsmodels.stackloss": _dataset("Brownlee (1965): a plant that oxidises ammonia, 21 days"),
    "statsmodels.spector": _dataset("Spector & Mazzeo (1980), J Econ Educ 11:37: marks of 32 students"),
    "statsmodels.cpunish": _dataset("Gill (2001): executions in 17 states of the USA, 1997"),
    "statsmodels.star98": _dataset(
        "Gill (2001): pupils above the national median in mathematics, 303 school districts of California, 1998",
        sums={"TESTED": ("NABOVE", "NBELOW")},
    ),
    "statsmodels.ccard": _dataset("Greene (1992): monthly spending of 72 holders of a credit card"),
    "statsmodels.grunfeld": _dataset("Grunfeld (1958), as restored by Kleiber & Zeileis (2010): 11 firms, 1935-1954"),
    "linearmodels.munnell": _dataset(
        "Munnell (1990): output and public capital of 48 states of the USA, 1970-1986",
        logarithms={"LGSP": "GSP"},
    ),
    "linearmodels.wage_panel": _dataset("Vella & Verbeek (1998), J Appl Econom 13:163: wages of 545 men, 1980-1987"),
    "linearmodels.mroz": _dataset("Mroz (1987), Econometrica 55:765: work of 753 married women, 1975"),
}


def load_dataset(name: str) -> pd.DataFrame:
    """Return a table of an installed library.

    Parameters
    ----------
    name : str
        Library and table, one of `LIBRARY_DATASETS`: 'statsmodels.longley'.

    Returns
    -------
    DataFrame
        The library's own columns, in its own units of measure and its own order of rows, and those of the list.

    Raises
    ------
    DataError
        There is no such table, or the installed library no longer has it.

    Examples
    --------
    >>> load_dataset("statsmodels.longley").shape
    (16, 7)
    """
    if name not in LIBRARY_DATASETS:
        raise DataError(f"there is no table {name!r} of a library; there is {', '.join(sorted(LIBRARY_DATASETS))}")
    library, table = name.split(".")
    frame: pd.DataFrame
    try:
        module = import_module(f"{library}.datasets.{table}")
        frame = module.load_pandas().data if library == "statsmodels" else module.load()
    except (ImportError, AttributeError, OSError) as error:
        raise DataError(f"the table {name!r} cannot be read from the installed {library}: {error}") from error
    known = LIBRARY_DATASETS[name]
    wanted = [*known.logarithms.values(), *(part for parts in known.sums.values() for part in parts)]
    lost = [column for column in wanted if column not in frame.columns]
    if lost:
        raise DataError(f"the table {name!r} of the installed {library} has no column {lost[0]!r}")
    made = {new: np.log(frame[old]) for new, old in known.logarithms.items()}
    made |= {new: frame[list(old)].sum(axis=1) for new, old in known.sums.items()}
    return frame.assign(**made)
