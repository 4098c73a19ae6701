"""Growth in cost and in activity: the published appendix, identities, loops, what is missing, and draws."""

from __future__ import annotations

import warnings
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets import expenditure_midtjylland
from benchmodels.decomposition import TOTAL, activity_growth, cost_growth
from benchmodels.errors import BenchmodelsError, DataError, PartialResultWarning, SpecificationError
from benchmodels.expenditure import split_growth

EXACT = 1e-10
SEEDS = Path(__file__).resolve().parents[1].parent / "shared" / "seeds"


def costs(*, years=(2018, 2021), units=("Ærø", "Aarhus"), seed=1):
    rng = np.random.default_rng(seed)
    rows = [(unit, kind, year) for unit in units for kind in ("§ 107", "§ 108", "plejefamilie") for year in years]
    table = pd.DataFrame(rows, columns=["unit", "kind", "year"])
    table["cost"] = rng.uniform(1e6, 9e7, len(table))
    table["persons"] = rng.integers(4, 300, len(table)).astype(float)
    table["price"] = np.where(table["year"] == years[0], 1.0, rng.uniform(1.02, 1.1, len(table)))
    return table.assign(
        people=table["unit"].map({"Ærø": 6000.0, "Aarhus": 350000.0}) * (1 + 0.01 * (table["year"] - 2018))
    )


def grown(table, **more):
    asked = {"cost": "cost", "recipients": "persons", "period": "year", "by": ["unit"], "measure": "kind"}
    return cost_growth(table, **(asked | more))


def by_loop(rows, year0, year1, *, price, people):
    """The logarithmic mean Divisia index, one measure at a time."""
    a, b = (rows[rows["year"] == year].set_index("kind") for year in (year0, year1))
    parts = dict.fromkeys(("population", "share_receiving", "recipients", "mix", "unit_cost", "price"), 0.0)
    for kind in a.index:
        c0, c1, r0, r1 = a.loc[kind, "cost"], b.loc[kind, "cost"], a.loc[kind, "persons"], b.loc[kind, "persons"]
        mean = (c1 - c0) / log(c1 / c0) if c1 != c0 else c0
        all0, all1 = a["persons"].sum(), b["persons"].sum()
        parts["population"] += mean * log(b.loc[kind, "people"] / a.loc[kind, "people"])
        parts["share_receiving"] += mean * log((all1 / b.loc[kind, "people"]) / (all0 / a.loc[kind, "people"]))
        parts["recipients"] += mean * log(all1 / all0)
        parts["mix"] += mean * log((r1 / all1) / (r0 / all0))
        p = log(b.loc[kind, "price"] / a.loc[kind, "price"]) if price else 0.0
        parts["price"] += mean * p
        parts["unit_cost"] += mean * (log((c1 / r1) / (c0 / r0)) - p)
    for name in (() if people else ("population", "share_receiving")) + (("recipients",) if people else ()):
        del parts[name]
    if not price:
        del parts["price"]
    return parts


@pytest.mark.parametrize("price", [None, "price"])
@pytest.mark.parametrize("people", [None, "people"])
def test_parts_of_cost_are_the_index_of_every_measure(price, people):
    table = costs()
    found = grown(table, price=price, population=people)
    for unit in table["unit"].unique():
        by_hand = by_loop(table[table["unit"] == unit], 2018, 2021, price=price is not None, people=people is not None)
        assert found.names == tuple(by_hand)
        steps = found.steps(unit)
        for step in steps.rows[1:-1]:
            assert step.value == pytest.approx(by_hand[step.name], rel=1e-9)
        assert [steps.rows[0].name, steps.rows[-1].name] == ["2018", "2021"]
    frame = found.to_frame()
    parts = frame[[f"from_{name}" for name in found.names]].sum(axis=1)
    np.testing.assert_allclose(parts, frame["change"], rtol=EXACT)
    back = grown(table, price=price, population=people, start=2021, end=2018)
    np.testing.assert_allclose(back.parts, -found.parts, rtol=1e-9)


def test_growth_of_cost_is_that_of_the_expenditure_tools():
    table = costs()
    there = split_growth(table, cost="cost", recipients="persons", period="year", by=["unit"], measure="kind")
    here = grown(table, price="price").to_frame()
    for name in ("recipients", "mix"):
        np.testing.assert_allclose(here[f"from_{name}"], there[f"from_{name}"], rtol=1e-9)
    np.testing.assert_allclose(here["from_unit_cost"] + here["from_price"], there["from_unit_cost"], rtol=1e-9)


def test_places_to_live_in_2018_to_2021():
    # The appendix: 27,100 recipients became 28,000, which it has as 3 per cent; cost grew by 9 per cent, and so that of
    # each by 6. Its own accounts of the whole country are in the table.
    table = expenditure_midtjylland()
    homes = ["Længerevarende botilbud", "Botilbudslignende tilbud", "Midlertidig botilbud"]
    country = table[(table["table"] == 1) & table["item"].isin(homes) & table["year"].isin([2018, 2021])]
    cost = country.groupby("year")["dkk_1000"].sum()
    growth = cost[2021] / cost[2018] - 1
    persons = {2018: 27_100.0, 2021: 28_000.0}
    rows = pd.DataFrame({"year": [2018, 2021], "cost": cost.to_numpy(), "persons": list(persons.values())})
    split = cost_growth(rows, cost="cost", recipients="persons", period="year").to_frame().iloc[0]
    assert persons[2021] / persons[2018] - 1 == pytest.approx(0.03, abs=0.005)
    # Published beside exact: the rounded growth of 9 and 3 per cent leaves 5.8 for each, published as 6.
    published = cost_growth(
        rows.assign(cost=[100.0, 109.0]), cost="cost", recipients="persons", period="year"
    ).to_frame()
    np.testing.assert_allclose(1.09 / 1.03 - 1, 0.06, atol=0.005)
    assert published["from_recipients"].iloc[0] == pytest.approx(3.412, abs=5e-4)
    assert published["from_unit_cost"].iloc[0] == pytest.approx(5.588, abs=5e-4)
    assert split["from_recipients"] + split["from_unit_cost"] == pytest.approx(split["change"], rel=EXACT)
    assert split["growth"] == pytest.approx(growth)
    # By the accounts, in thousand DKK: 8.87 per cent, of which two fifths go with recipients and three with unit cost.
    assert growth == pytest.approx(0.09, abs=0.005)
    assert split["from_recipients"] == pytest.approx(653_812, abs=1)
    assert split["from_unit_cost"] == pytest.approx(1_046_776, abs=1)
    assert split["from_recipients"] / split["change"] == pytest.approx(0.38, abs=0.005)


def test_the_appendix_says_so():
    path = SEEDS / "kkr-midtjylland-udgiftsanalyse.txt"
    if not path.exists():
        pytest.skip("the appendix is not here")
    text = path.read_text(encoding="utf-8")
    for words in ("27.100 modtagere af botilbud", "vokset til 28.000", "steget med 9 %", "steget med 6 %"):
        assert words in text


def test_what_is_missing_is_missing_and_not_zero():
    table = costs()
    table.loc[(table["unit"] == "Ærø") & (table["kind"] == "§ 107") & (table["year"] == 2021), "price"] = np.nan
    with pytest.warns(PartialResultWarning, match=r"1 of 2 series .*unit_cost, price.*'Ærø'"):
        found = grown(table, price="price")
    frame = found.to_frame().set_index("unit")
    assert np.isnan(frame.loc["Ærø", ["from_unit_cost", "from_price"]].to_numpy(dtype=float)).all()
    assert np.isfinite(frame.loc["Ærø", ["from_recipients", "from_mix", "change"]].to_numpy(dtype=float)).all()
    assert np.isfinite(found.parts[1]).all()
    table.loc[(table["unit"] == "Aarhus") & (table["year"] == 2018), "persons"] = np.nan
    with pytest.warns(PartialResultWarning):
        found = grown(table)
    assert np.isnan(found.parts[1]).all()
    assert np.isfinite(found.to_frame()["change"]).all()
    with pytest.warns(PartialResultWarning):
        assert np.isnan(grown(table.drop(index=0)).to_frame()["change"].iloc[0])


@pytest.mark.parametrize("refund", [-1.0, 0.0])
def test_costs_of_zero_and_below(refund):
    table = costs()
    table.loc[0, "cost"] = refund
    with pytest.warns(PartialResultWarning, match="below zero, or zero by themselves"):
        found = grown(table)
    assert np.isnan(found.parts[0]).all()
    # Without any recipients either, the measure was not used: what it costs is of the mix.
    table.loc[0, ["cost", "persons"]] = 0.0
    found = grown(table, price="price")
    assert np.isfinite(found.parts).all()
    with_cost = found.to_frame().iloc[0]
    there = split_growth(table, cost="cost", recipients="persons", period="year", by=["unit"], measure="kind").iloc[0]
    assert with_cost["from_mix"] == pytest.approx(there["from_mix"], rel=1e-9)
    assert with_cost["from_unit_cost"] + with_cost["from_price"] == pytest.approx(there["from_unit_cost"], rel=1e-9)


def test_cost_at_every_scale_and_without_growth():
    table = costs()
    there = grown(table, price="price")
    here = grown(table.assign(cost=table["cost"] * 1e12, persons=table["persons"] * 1e-6), price="price")
    np.testing.assert_allclose(here.parts / 1e12, there.parts, rtol=1e-9)
    still = costs().assign(cost=5.0, persons=7.0, price=1.0)
    np.testing.assert_array_equal(grown(still, price="price").parts, 0.0)
    falling = grown(table.assign(cost=table["cost"] * np.where(table["year"] == 2021, 0.1, 1.0)))
    assert (falling.parts.sum(1) < 0).all()
    # Equal to fifteen digits and not quite.
    nearly = still.assign(cost=5.0 * (1 + 1e-13 * (table["year"] - 2018)), persons=7.0)
    assert np.isfinite(grown(nearly).parts).all()


def test_costs_that_cannot_be_meant():
    table = costs()
    with pytest.raises(DataError, match="'people' is not the same for all measures .*'Ærø'"):
        grown(table.assign(people=table["people"] + (table.index == 0)), population="people")
    with pytest.raises(SpecificationError, match="start=1999"):
        grown(table, start=1999)
    with pytest.raises(DataError, match="the same"):
        grown(pd.concat([table, table]))
    with pytest.raises(SpecificationError, match="no series 'Fanø'; give the labels of 'unit'"):
        grown(table).steps("Fanø")
    with pytest.raises(SpecificationError, match="no series"):
        grown(table).steps()


def visits(*, seed=4):
    rng = np.random.default_rng(seed)
    rows = [(area, age, year) for area in ("nord", "syd") for age in ("0-17", "18-66", "67-") for year in (2019, 2023)]
    table = pd.DataFrame(rows, columns=["area", "age", "year"])
    table["people"] = rng.integers(500, 4000, len(table)).astype(float)
    return table.assign(visits=rng.poisson(0.2 * table["people"]).astype(float))


def active(table, **more):
    asked = {"activity": "visits", "population": "people", "group": "age", "period": "year", "by": ["area"]}
    return activity_growth(table, **(asked | more))


@pytest.mark.parametrize("form", ["midpoint", "interaction"])
def test_parts_of_activity_by_group_are_the_loop(form):
    table = visits()
    found = active(table, form=form)
    frame = found.to_frame().set_index(["area", "age"])
    for area, rows in table.groupby("area"):
        a, b = (rows[rows["year"] == year].set_index("age") for year in (2019, 2023))
        total = 0.0
        for age in a.index:
            n0, n1, r0, r1 = a.loc[age, "people"], b.loc[age, "people"], 0.0, 0.0
            r0, r1 = a.loc[age, "visits"] / n0, b.loc[age, "visits"] / n1
            whole0, whole1 = a["people"].sum(), b["people"].sum()
            if form == "midpoint":
                rate = (r0 + r1) / 2
                parts = [
                    (whole1 - whole0) * (n0 / whole0 + n1 / whole1) / 2 * rate,
                    (n1 / whole1 - n0 / whole0) * (whole0 + whole1) / 2 * rate,
                    (r1 - r0) * (n0 + n1) / 2,
                ]
            else:
                size = (whole1 - whole0) * n0 / whole0 * r0
                parts = [size, (n1 - n0) * r0 - size, (r1 - r0) * n0, (n1 - n0) * (r1 - r0)]
            np.testing.assert_allclose(found.parts[list(frame.index).index((area, age))], parts, rtol=1e-9, atol=EXACT)
            total = total + np.array(parts)
            assert sum(parts) == pytest.approx(frame.loc[(area, age), "change"])
        np.testing.assert_allclose(found.parts[list(frame.index).index((area, TOTAL))], total, rtol=1e-9)
        assert frame.loc[(area, TOTAL), "change"] == b["visits"].sum() - a["visits"].sum()
    if form == "midpoint":
        back = active(table, start=2023, end=2019)
        np.testing.assert_allclose(back.parts, -found.parts, rtol=1e-9, atol=EXACT)


@pytest.mark.parametrize("form", ["midpoint", "interaction"])
def test_errors_of_activity_are_the_spread_of_drawn_counts(form):
    table = visits()
    rng = np.random.default_rng(8)
    draws = [
        active(table.assign(visits=rng.poisson(0.2 * table["people"]).astype(float)), form=form) for _ in range(60)
    ]
    spread = np.std([d.parts for d in draws], axis=0, ddof=1)
    np.testing.assert_allclose(draws[0].std_error, spread, rtol=4 / np.sqrt(120) + 0.05)
    amounts = active(table, form=form, family="gaussian")
    assert np.isnan(amounts.std_error).all()
    assert "from_size_std_error" not in amounts.to_frame().columns


def test_groups_that_come_and_go():
    table = visits()
    new = (table["age"] == "67-") & (table["year"] == 2019)
    table.loc[new, ["people", "visits"]] = 0.0
    found = active(table)
    frame = found.to_frame().set_index(["area", "age"])
    assert frame.loc[("nord", "67-"), "from_rates"] == 0.0
    row = list(frame.index).index(("nord", "67-"))
    assert found.parts[row].sum() == pytest.approx(frame.loc[("nord", "67-"), "end"])
    # It has one rate, of its one count, which moves size and composition together and rates not at all.
    assert found.std_error[row, :2].sum() == pytest.approx(np.sqrt(found.end[row]), rel=0.05)
    assert found.std_error[row, 2] == 0.0
    gone = table.assign(
        people=table["people"].where(table["age"] != "67-", 0.0),
        visits=table["visits"].where(table["age"] != "67-", 0.0),
    )
    assert np.isfinite(active(gone).parts).all()
    none = active(visits().assign(visits=0.0))
    np.testing.assert_array_equal(none.parts, 0.0)
    assert np.isnan(none.std_error).all()


def test_activity_that_is_not_known():
    table = visits()
    table.loc[0, "visits"] = np.nan
    with pytest.warns(PartialResultWarning, match=r"2 of 8 rows, totals among them.*nord / 0-17"):
        found = active(table)
    frame = found.to_frame().set_index(["area", "age"])
    assert np.isnan(frame.loc[("nord", "0-17"), "from_rates"])
    assert np.isfinite(frame.loc[("nord", "18-66"), "from_rates"])
    assert np.isnan(frame.loc[("nord", TOTAL), "from_rates"])
    assert np.isfinite(frame.loc[("syd", TOTAL), "from_rates"])
    assert "from_size" in frame.columns


@pytest.mark.parametrize(
    ("change", "more", "error", "message"),
    [
        ({"visits": -1.0}, {}, DataError, "activity below zero"),
        ({"visits": 1.5}, {}, DataError, "counts that are not whole"),
        ({"people": 0.0}, {}, DataError, "activity without any people"),
        ({"people": -5.0}, {}, DataError, "people below zero"),
        ({}, {"form": "shapley"}, SpecificationError, "form must be one of"),
        ({}, {"by": []}, DataError, "the same"),
        ({}, {"end": 2030}, SpecificationError, "end=2030"),
    ],
)
def test_activity_that_cannot_be_meant(change, more, error, message):
    with pytest.raises(error, match=message), warnings.catch_warnings():
        active(visits().assign(**change), **more)


def test_one_area_and_one_group():
    table = visits().query("area == 'nord' and age == '67-'").drop(columns="area")
    found = active(table, by=[])
    np.testing.assert_allclose(found.parts[0], found.parts[1])
    assert found.parts[0, 1] == pytest.approx(0.0, abs=1e-9)
    assert found.steps(TOTAL).rows[1].std_error > 0


def test_parts_that_do_not_add_up_are_never_returned():
    from dataclasses import replace

    found = grown(costs())
    with pytest.raises(BenchmodelsError, match="do not add to the growth"):
        replace(found, parts=found.parts * 1.001)
