"""Tables that come with the package, and one that comes with statsmodels."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

__all__ = ["STAR98_COVARIATES", "expenditure_midtjylland", "municipalities", "read_packaged", "star98"]

STAR98_COVARIATES: tuple[str, ...] = (
    "LOWINC",
    "PERASIAN",
    "PERBLACK",
    "PERHISP",
    "PERMINTE",
    "AVYRSEXP",
    "AVSALK",
    "PERSPENK",
    "PTRATIO",
    "PCTAF",
    "PCTCHRT",
    "PCTYRRND",
    "PERMINTE_AVYRSEXP",
    "PERMINTE_AVSAL",
    "AVYRSEXP_AVSAL",
    "PERSPEN_PTRATIO",
    "PERSPEN_PCTAF",
    "PTRATIO_PCTAF",
    "PERMINTE_AVYRSEXP_AVSAL",
    "PERSPEN_PTRATIO_PCTAF",
)
"""The 20 covariates of statsmodels' example: 12 measured and their two- and three-way products."""


def municipalities() -> pd.DataFrame:
    """Read the 98 Danish municipalities, ordered by code.

    Returns
    -------
    DataFrame, 98 rows
        `code` (official three-digit number), `municipality` (Danish name), `region` (Danish name of one of
        the five regions) and `population` (inhabitants, 2026). Christiansø (411) is not a municipality.

    Notes
    -----
    `attrs["source"]` names Statistics Denmark, CC BY 4.0.

    Examples
    --------
    >>> municipalities().head(2)
       code   municipality       region  population
    0   101      København  Hovedstaden      671714
    1   147  Frederiksberg  Hovedstaden      106150
    """
    table = read_packaged("municipalities.csv")
    table.attrs = {
        "simulated": False,
        "source": (
            "Statistics Denmark (Danmarks Statistik), population of the municipalities 2026, CC BY 4.0; "
            "official codes of municipalities and regions"
        ),
    }
    return table


def expenditure_midtjylland() -> pd.DataFrame:
    """Read the six published tables of expenditure on specialised social services, 2018-2022.

    Tables 1, 3 and 5 are the whole country (`area` "landsplan"), tables 2, 4 and 6 the region
    ("Midtjylland"): adults' net operating expenditure (1, 2), adults' purchases of services, main type 4
    (3, 4) and children's net expenditure (5, 6).

    Returns
    -------
    DataFrame, 300 rows
        `table` (1 to 6), `area`, `item` (the source's words; "I alt" is the printed total), `year` and
        `dkk_1000` (thousand DKK). A dash in the source (an act not yet in force in 2018) is missing, not
        zero.

    Notes
    -----
    The printed totals agree with the sums of the items within 2 (rounding) in all 30 columns, tables 4 and 6
    included. Several sentences beside the tables do not agree with them, such as purchases in Midtjylland 2018,
    4.31 billion (table 4: 4.34); ``benchmodels audit kkr-midtjylland-2023`` lists them. The tables are what is kept
    here.

    Examples
    --------
    >>> table = expenditure_midtjylland()
    >>> total = table[(table["table"] == 1) & (table["item"] == "I alt")].set_index("year")["dkk_1000"]
    >>> float(round(100 * (total[2022] / total[2018] - 1), 1))
    9.7
    """
    table = read_packaged("expenditure.csv")
    table.attrs = {
        "simulated": False,
        "source": (
            'KKR Midtjylland / DASSOS, "Analyse af udgiftsudviklingen på det specialiserede socialområde i '
            'Midtjylland" (2023), section 4, tables 1-6; figures from Statistikbanken (Statistics Denmark)'
        ),
        "unit": "1000 DKK; table 1 by the price and wage index of June 2023, as its note says",
    }
    return table


def star98() -> pd.DataFrame:
    """Load the 303 Californian school districts of statsmodels' `star98`.

    Returns
    -------
    DataFrame, 303 rows
        `district` (1 to 303, the order of the source), `NABOVE` and `NBELOW` (pupils above and below the
        national median in mathematics), `trials` (their sum) and the 20 `STAR98_COVARIATES`.

    Notes
    -----
    The table is read from the installed statsmodels and not copied into this package.

    References
    ----------
    Gill, J. (2000). *Generalized Linear Models: A Unified Approach*. Sage.

    Examples
    --------
    >>> star98().shape
    (303, 24)
    """
    # Inside: statsmodels takes a second to import and nothing else here needs it.
    from statsmodels.datasets import star98 as source

    data = pd.DataFrame(source.load_pandas().data)
    table = data.loc[:, ["NABOVE", "NBELOW", *STAR98_COVARIATES]].reset_index(drop=True)
    table.insert(0, "district", range(1, len(table) + 1))
    counts = {"NABOVE": "int64", "NBELOW": "int64"}
    table = table.astype(counts)
    table.insert(3, "trials", table["NABOVE"] + table["NBELOW"])
    table.attrs = {
        "simulated": False,
        "source": "statsmodels.datasets.star98 (California STAR 1998; Gill 2000, by the author's permission)",
    }
    return table


def read_packaged(name: str) -> pd.DataFrame:
    """Read a table that lies beside this module."""
    with (files("benchmodels.datasets") / name).open("r", encoding="utf-8") as stream:
        return pd.read_csv(stream)
