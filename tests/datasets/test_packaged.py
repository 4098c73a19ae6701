"""Packaged tables against what their sources print."""

import doctest
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets import (
    STAR98_COVARIATES,
    catalogue,
    denmark,
    expenditure_midtjylland,
    load,
    municipalities,
    packaged,
    star98,
)
from benchmodels.errors import SpecificationError

HOUSING = ("Længerevarende botilbud", "Botilbudslignende tilbud", "Midlertidig botilbud")


def test_municipalities_are_the_98():
    table = municipalities()
    assert list(table.columns) == ["code", "municipality", "region", "population"]
    assert len(table) == 98
    assert table["code"].is_unique
    assert table["code"].is_monotonic_increasing
    assert table["code"].between(101, 860).all()
    assert 411 not in set(table["code"])  # Christiansø
    assert table["municipality"].is_unique
    by_code = table.set_index("code")["municipality"]
    expected = {101: "København", 751: "Aarhus", 810: "Brønderslev", 820: "Vesthimmerlands", 480: "Nordfyns"}
    expected |= {773: "Morsø", 825: "Læsø", 492: "Ærø", 183: "Ishøj", 269: "Solrød"}
    assert all(by_code[code] == name for code, name in expected.items())


def test_regions_and_population():
    table = municipalities()
    regions = table["region"].value_counts().to_dict()
    assert regions == {
        "Hovedstaden": 29,
        "Syddanmark": 22,
        "Midtjylland": 19,
        "Sjælland": 17,
        "Nordjylland": 11,
    }
    assert table["population"].sum() == 6_025_511
    assert table["population"].agg(["min", "max"]).tolist() == [1_683, 671_714]
    assert "CC BY 4.0" in table.attrs["source"]


def column(table, number):
    part = table[table["table"] == number]
    return part.pivot(index="item", columns="year", values="dkk_1000")


@pytest.mark.parametrize("number", range(1, 7))
def test_expenditure_adds_up_to_the_printed_total(number):
    amounts = column(expenditure_midtjylland(), number)
    gap = amounts.drop(index="I alt").sum() - amounts.loc["I alt"]
    assert list(gap.index) == [2018, 2019, 2020, 2021, 2022]
    assert gap.abs().max() <= 2  # rounding in the source


def test_expenditure_growth_as_the_text_says():
    table = expenditure_midtjylland()
    country, region = column(table, 1), column(table, 2)
    for amounts, growth, share in ((country, 9.7, 68), (region, 10.9, 81)):
        total = amounts.loc["I alt"]
        housing = amounts.loc[list(HOUSING)].sum()
        assert round(100 * (total[2022] / total[2018] - 1), 1) == growth
        assert round(100 * (housing[2022] - housing[2018]) / (total[2022] - total[2018])) == share
    assert (country.loc[list(HOUSING)].sum()[[2018, 2022]] / 1e6).round(2).tolist() == [19.17, 21.54]
    assert (region.loc[list(HOUSING)].sum()[[2018, 2022]] / 1e6).round(2).tolist() == [4.16, 4.85]


def test_where_the_text_and_the_tables_of_the_source_differ():
    # Said in the docstring: text 4.31 billion and 20.5 per cent; the tables are what is kept.
    table = expenditure_midtjylland()
    assert round(column(table, 4).loc["I alt", 2018] / 1e6, 2) == 4.34
    similar = column(table, 2).loc["Botilbudslignende tilbud"]
    assert round(100 * (similar[2022] / similar[2018] - 1), 1) == 19.6


def test_a_dash_is_missing_and_not_zero():
    table = expenditure_midtjylland()
    missing = table[table["dkk_1000"].isna()]
    assert len(table) == 300
    assert missing["year"].tolist() == [2018, 2018]
    assert missing["item"].str.startswith("Afgørelser efter lov om bekæmpelse af ungdomskriminalitet").all()
    assert table.groupby("table")["area"].unique().map(list).tolist() == [["landsplan"], ["Midtjylland"]] * 3
    assert "KKR Midtjylland" in table.attrs["source"]
    assert "tables 1-6" in table.attrs["source"]


def test_star98():
    table = star98()
    assert table.shape == (303, 24)
    assert table["district"].tolist() == list(range(1, 304))
    assert len(set(STAR98_COVARIATES)) == 20
    assert list(table.columns) == ["district", "NABOVE", "NBELOW", "trials", *STAR98_COVARIATES]
    np.testing.assert_array_equal(table["trials"], table["NABOVE"] + table["NBELOW"])
    product = table["PERMINTE"] * table["AVYRSEXP"] * table["AVSALK"]
    np.testing.assert_allclose(table["PERMINTE_AVYRSEXP_AVSAL"], product, rtol=1e-4)


def test_load_by_name():
    pd.testing.assert_frame_equal(load("municipalities"), municipalities())
    pd.testing.assert_frame_equal(load("star98"), star98())
    housing = load("denmark.sheltered_housing")
    assert len(housing) == 1470
    assert housing.attrs["simulated"] is True
    with pytest.raises(SpecificationError, match=r"denmark\.school_absence.*star98"):
        load("denmark.schools")


def test_statsmodels_is_imported_only_where_it_is_used():
    code = "import sys, benchmodels.datasets; sys.exit('statsmodels' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", [packaged, catalogue, denmark])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
