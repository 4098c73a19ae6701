"""Growth in expenditure: the published appendix, the traps of accounts, and exact splits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects
from benchmodels.datasets import expenditure_midtjylland, simulate_denmark
from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.expenditure import (
    REST,
    contributions,
    fixed_prices,
    growth,
    provider_mix,
    split_growth,
    unit_costs,
)

EXACT = 1e-12
HOMES = ["Længerevarende botilbud", "Botilbudslignende tilbud", "Midlertidig botilbud"]
PLACED = [
    "Opholdssteder mv. for børn og unge",
    "Plejefamilier",
    "Døgninstitutioner for børn og unge",
    "Sikrede døgninstitutioner m.v. for børn og unge",
]
NEW = "Afgørelser efter lov om bekæmpelse af ungdomskriminalitet"
ACCOUNT = {"value": "dkk_1000", "period": "year"}
ITEMS = ACCOUNT | {"item": "item", "total": "I alt"}


def appendix(*tables):
    table = expenditure_midtjylland()
    return table[table["table"].isin(tables)]


def parts(number, **ends):
    return contributions(appendix(number), **ITEMS, **ends).set_index("item")


# What the appendix says, in thousand DKK and per cent, to half of its last digit.
@pytest.mark.parametrize(
    ("number", "start", "end", "change", "half", "percent"),
    [
        (1, 35_750_000, 39_220_000, 3_470_000, 5_000, 9.7),
        (2, 7_860_000, 8_720_000, 858_000, 5_000, 10.9),
        (3, 22_100_000, 24_500_000, None, 50_000, 10.7),
        # The text has 4.31 bn in 2018, the table 4,341,167: 4.34.
        (4, 4_340_000, 4_650_000, None, 5_000, 7.1),
        (5, 17_687_469, 18_601_570, 914_000, 500, 5.2),
        # The text has 1.3 per cent; 49,984 of 3,602,483 are 1.39.
        (6, 3_600_000, 3_650_000, 50_000, 5_000, 1.4),
    ],
)
def test_published_totals(number, start, end, change, half, percent):
    row = growth(appendix(number).query("item == 'I alt'"), **ACCOUNT).iloc[0]
    assert row["start"] == pytest.approx(start, abs=half)
    assert row["end"] == pytest.approx(end, abs=half)
    if change is not None:
        assert row["change"] == pytest.approx(change, abs=5_000 if number == 1 else 500)
    assert 100 * row["growth"] == pytest.approx(percent, abs=0.05)


@pytest.mark.parametrize("number", range(1, 7))
def test_parts_add_to_the_total(number):
    frame = contributions(appendix(number), **ITEMS)
    body, whole = frame.iloc[:-1], frame.iloc[-1]
    assert whole["item"] == "I alt"
    assert frame["item"].iloc[-2] == REST
    assert body["contribution"].sum() == pytest.approx(whole["growth"], rel=EXACT)
    assert body["share_of_growth"].sum() == pytest.approx(1.0, rel=EXACT)
    assert whole["contribution"] == whole["growth"]
    known = body["change"].notna()
    assert body.loc[known, "change"].sum() == pytest.approx(whole["change"], rel=EXACT)
    np.testing.assert_allclose(body.loc[known, "end"].sum(), whole["end"], rtol=EXACT)


def test_published_contributions():
    country, region = parts(1), parts(2)
    assert country.loc[HOMES, "start"].sum() == pytest.approx(19_170_000, abs=5_000)
    assert country.loc[HOMES, "end"].sum() == pytest.approx(21_540_000, abs=5_000)
    assert country.loc[HOMES, "change"].sum() == pytest.approx(2_370_000, abs=5_000)
    assert country.loc[HOMES, "share_of_growth"].sum() == pytest.approx(0.68, abs=0.005)
    assert region.loc[HOMES, "change"].sum() == pytest.approx(695_000, abs=500)
    assert region.loc[HOMES, "share_of_growth"].sum() == pytest.approx(0.81, abs=0.005)
    np.testing.assert_allclose(country.loc[HOMES, "growth"], [0.03, 0.23, 0.08], atol=0.005)
    # The text has 20.5 per cent for the second, from 2.2 and 2.7 bn; the table says 19.6.
    np.testing.assert_allclose(region.loc[HOMES, "growth"], [0.19, 0.196, 0.07], atol=0.005)


def test_published_figures_of_children():
    country, region = parts(5), parts(6)
    assert country.loc[PLACED, "change"].sum() == pytest.approx(-118_000, abs=500)
    assert region.loc[PLACED, "change"].sum() == pytest.approx(-56_000, abs=500)
    assert parts(5, end=2021).loc[PLACED, "change"].sum() == pytest.approx(-269_000, abs=500)
    assert parts(5, start=2021).loc[PLACED, "change"].sum() == pytest.approx(151_000, abs=500)
    assert parts(6, end=2021).loc[PLACED, "change"].sum() == pytest.approx(-101_000, abs=500)
    assert parts(6, start=2021).loc[PLACED, "change"].sum() == pytest.approx(45_000, abs=500)
    prevention = "Forebyggende foranstaltninger for børn og unge"
    assert country.loc[prevention, "change"] == pytest.approx(450_000, abs=5_000)
    assert region.loc[prevention, "change"] == pytest.approx(-4_400, abs=50)
    assert parts(6, end=2020).loc[prevention, "change"] == pytest.approx(-91_700, abs=50)
    assert parts(6, start=2020).loc[prevention, "change"] == pytest.approx(87_300, abs=50)


def test_a_dash_is_not_zero():
    """The act came in 2019: what it costs is in the rest, and said."""
    frame = parts(6)
    assert np.isnan(frame.loc[NEW, ["start", "change", "contribution", "share_of_growth"]].astype(float)).all()
    assert frame.loc[REST, "change"] == pytest.approx(82_379, abs=2)
    assert frame.loc[REST, "start"] == pytest.approx(0, abs=2)
    notes = contributions(appendix(6), **ITEMS).attrs["notes"]
    assert notes == (f"1 series are not known in both 2018 and 2022: '{NEW}'; missing is not zero",)
    # 2019 to 2022 it is known.
    assert parts(6, start=2019).loc[NEW, "end"] == pytest.approx(82_400, abs=50)
    assert parts(5).loc[NEW, "end"] == pytest.approx(421_000, abs=500)
    assert abs(parts(6, start=2019).loc[REST, "change"]) <= 2
    own = contributions(appendix(6).query("item != 'I alt'"), **(ITEMS | {"total": None}))
    assert own["item"].iloc[-1] == "(total)"
    assert own["start"].iloc[-1] == own["start"].iloc[:-1].sum()
    assert own["contribution"].iloc[:-1].sum() == pytest.approx(own["growth"].iloc[-1], rel=EXACT)


def test_published_providers():
    mix = provider_mix(appendix(3, 4), **ITEMS, by=["area"]).set_index(["area", "provider", "year"])
    last = mix.xs(2022, level="year")["growth"]
    expected = {
        ("landsplan", "private"): 29.7,
        ("landsplan", "municipal"): -13.9,
        ("Midtjylland", "private"): 33.1,
        ("Midtjylland", "municipal"): -20.9,
        ("Midtjylland", "regional"): 14.3,
    }
    for key, percent in expected.items():
        assert 100 * last[key] == pytest.approx(percent, abs=0.05), key
    np.testing.assert_allclose(mix["share"].groupby(["area", "year"]).sum(), 1.0, rtol=EXACT)
    # "i 2018 blev der betalt flest penge til andre kommuner, men i 2021 ... mere til private"
    here = mix.loc["Midtjylland"]["share"].unstack()
    assert (here.loc["municipal", [2018, 2019, 2020]] > here.loc["private", [2018, 2019, 2020]]).all()
    assert (here.loc["municipal", [2021, 2022]] < here.loc["private", [2021, 2022]]).all()
    assert here.loc["private", 2018] == pytest.approx(1_393_115 / 4_341_167, rel=1e-6)
    assert (mix["growth"].xs(2018, level="year") == 0).all()


def test_providers_that_are_refunded_or_missing():
    own = {"4.6 Betalinger til staten": "state", "4.0": "private"}
    mix = provider_mix(appendix(4), **ITEMS, providers=own)
    state = mix[mix["provider"] == "state"].set_index("year")
    assert math.isnan(state.loc[2018, "share"])
    assert state.loc[2019, "share"] > 0
    assert state["growth"].isna().all()
    assert mix.attrs["notes"] == ("1 sums of a provider and period are negative (refunds) and have no share",)
    table = appendix(4).copy()
    table.loc[(table["item"].str.startswith("4.7")) & (table["year"] == 2018), "dkk_1000"] = np.nan
    with pytest.warns(BenchmodelsWarning, match="1 of 5 totals 'I alt' are not the sum"):
        lost = provider_mix(table, **ITEMS).set_index(["provider", "year"])
    assert lost["share"].xs(2018, level="year").isna().all()
    assert lost.loc["municipal", "growth"].isna().all()
    assert lost.loc[("private", 2022), "growth"] == pytest.approx(0.331, abs=5e-4)
    with pytest.raises(DataError, match=r"no item of 'item' is of a provider.*'4.0', '4.7', '4.8'"):
        provider_mix(appendix(1), **ITEMS)


def test_a_refund_at_the_start_has_no_growth():
    frame = contributions(appendix(4), **ITEMS)
    state = frame.set_index("item").loc["4.6 Betalinger til staten"]
    assert math.isnan(state["growth"])
    assert state["contribution"] == pytest.approx(904 / 4_341_167, rel=1e-9)
    note = "1 series start at zero or below (refunds) and have no growth in per cent: '4.6 Betalinger til staten'"
    assert frame.attrs["notes"] == (note,)
    refunded = pd.DataFrame({"item": ["a", "b"] * 2, "year": [1, 1, 2, 2], "kr": [5.0, -9.0, 6.0, -4.0]})
    whole = contributions(refunded, value="kr", item="item", period="year", total=None)
    assert whole["contribution"].isna().all()
    assert whole["share_of_growth"].tolist() == pytest.approx([1 / 6, 5 / 6, 1.0])


def test_one_series_that_is_not_known():
    table = appendix(1).query("item == 'I alt'")
    frame = growth(table.assign(dkk_1000=table["dkk_1000"].mask(table["year"] == 2022)), **ACCOUNT)
    assert len(frame) == 1
    assert frame["growth"].isna().all()
    assert frame.attrs["notes"] == ("1 series are not known in both 2018 and 2022; missing is not zero",)
    with pytest.raises(SpecificationError, match="providers=5"):
        provider_mix(appendix(3), **ITEMS, providers=5)
    with pytest.raises(SpecificationError, match=r"base=\[2018\]"):
        fixed_prices(table, value="dkk_1000", period="year", index=dict.fromkeys(range(2018, 2023), 1.0), base=[2018])
    with pytest.raises(SpecificationError, match="least=0"):
        unit_costs(table, table, on=["year"], cost="dkk_1000", count="table", least=0)


def test_totals_that_are_not_sums():
    table = appendix(1).copy()
    short = table[table["item"] != "Rådgivning"]
    with pytest.warns(
        BenchmodelsWarning, match=r"5 of 5 totals .* beyond rounding: .*35754748, its items add to 35422868"
    ):
        frame = contributions(short, **ITEMS).set_index("item")
    assert frame.loc[REST, "change"] == pytest.approx(34_733, abs=2)
    assert any("beyond rounding" in note for note in frame.attrs["notes"])
    # Subtotals among the items: what an account's `art` does.
    twice = pd.concat([table, table[table["item"] == "I alt"].assign(item="S Driftsudgifter")])
    with pytest.warns(BenchmodelsWarning, match="twice as much: are subtotals among the items"):
        contributions(twice, **ITEMS)


def test_rows_that_count_twice_are_named():
    table = appendix(1)
    both = pd.concat([table.assign(prisenhed="1.000 kr."), table.assign(prisenhed="kr. pr. indbygger")])
    with pytest.raises(
        DataError, match=r"150 rows have the same 'item', 'year', as 'Personlig .*'prisenhed' \('1.000 kr.'"
    ):
        contributions(both, **ITEMS)
    assert len(contributions(both, **ITEMS, by=["prisenhed"])) == 32
    with pytest.raises(
        DataError, match=r"what tells them apart is 'table' \(1, 2\), 'area' \('landsplan', 'Midtjylland'\)"
    ):
        contributions(appendix(1, 2), **ITEMS)
    with pytest.raises(DataError, match="10 rows have the same 'year'.*'area'"):
        growth(appendix(1, 2).query("item == 'I alt'"), **ACCOUNT)
    with pytest.raises(DataError, match="add them up or drop one"):
        growth(pd.concat([table.query("item == 'I alt'")] * 2), **ACCOUNT)


def test_split_of_the_homes():
    """+9 % cost is +3 % persons and +6 % unit cost: 27,100 and 28,000 full-year persons."""
    table = pd.DataFrame({"year": [2018, 2021], "cost": [100.0, 109.0], "persons": [27_100, 28_000]})
    row = split_growth(table, cost="cost", recipients="persons", period="year").iloc[0]
    assert [round(100 * row[f"{n}_growth"]) for n in ("cost", "recipients")] == [9, 3]
    # The text has 6, of rounded figures: 1.09 / 1.03 is 1.058.
    assert 100 * row["unit_cost_growth"] == pytest.approx(5.5, abs=0.05)
    assert round(100 * (1.09 / 1.03 - 1)) == 6
    assert (1 + row["recipients_growth"]) * (1 + row["unit_cost_growth"]) == pytest.approx(1.09, rel=EXACT)
    mean = 9 / math.log(1.09)
    assert row["from_recipients"] == pytest.approx(mean * math.log(280 / 271), rel=EXACT)
    assert row["from_recipients"] + row["from_unit_cost"] == pytest.approx(row["change"], rel=EXACT)
    assert "from_mix" not in row


def several(seed=3, groups=4, measures=3):
    rng = np.random.default_rng(seed)
    rows = [
        (f"K{g}", f"M{m}", year, rng.uniform(10, 90), rng.uniform(2, 9))
        for g in range(groups)
        for m in range(measures)
        for year in (2018, 2022)
    ]
    return pd.DataFrame(rows, columns=["kommune", "art", "år", "kr", "personer"])


def test_split_with_a_mix_of_measures():
    table = several()
    names = {"cost": "kr", "recipients": "personer", "period": "år", "by": ["kommune"], "measure": "art"}
    ours = split_growth(table.sample(frac=1, random_state=1), **names).set_index("kommune")
    for name, group in table.groupby("kommune"):
        wide = group.pivot(index="art", columns="år", values=["kr", "personer"])
        c0, c1, r0, r1 = (
            wide[c, y].to_numpy() for c, y in (("kr", 2018), ("kr", 2022), ("personer", 2018), ("personer", 2022))
        )
        people = mix = price = 0.0
        for a0, a1, b0, b1 in zip(c0, c1, r0, r1, strict=True):
            mean = (a1 - a0) / math.log(a1 / a0)
            people += mean * math.log(r1.sum() / r0.sum())
            mix += mean * math.log((b1 / r1.sum()) / (b0 / r0.sum()))
            price += mean * math.log((a1 / b1) / (a0 / b0))
        row = ours.loc[name]
        np.testing.assert_allclose(
            row[["from_recipients", "from_mix", "from_unit_cost"]].astype(float), [people, mix, price], rtol=1e-10
        )
        assert people + mix + price == pytest.approx(row["change"], rel=1e-10)
        assert row["cost_growth"] == pytest.approx(c1.sum() / c0.sum() - 1, rel=EXACT)
    back = split_growth(table, **names, start=2022, end=2018).set_index("kommune").loc[ours.index]
    for part in ("from_recipients", "from_mix", "from_unit_cost", "change"):
        np.testing.assert_allclose(back[part], -ours[part], rtol=1e-9)


def test_cost_that_does_not_change_is_split_too():
    table = pd.DataFrame({"year": [2018, 2021], "cost": [100.0, 100.0], "persons": [50, 40]})
    row = split_growth(table, cost="cost", recipients="persons", period="year").iloc[0]
    assert row["from_recipients"] == pytest.approx(-row["from_unit_cost"], rel=EXACT)
    assert row["from_recipients"] == pytest.approx(100 * math.log(0.8), rel=EXACT)


@pytest.mark.parametrize("bad", [0.0, -5.0, np.nan])
def test_splits_that_are_not_made_are_counted(bad):
    table = several()
    table.loc[(table["kommune"] == "K1") & (table["art"] == "M0") & (table["år"] == 2018), "kr"] = bad
    with pytest.warns(
        PartialResultWarning, match=r"1 series .* negative or zero by itself .* 1 splits are not made: 'K1 / M0'"
    ):
        split = split_growth(table, cost="kr", recipients="personer", period="år", by=["kommune"], measure="art")
    assert split.set_index("kommune")["from_recipients"].isna().to_dict() == {
        "K0": False,
        "K1": True,
        "K2": False,
        "K3": False,
    }


def test_a_measure_that_is_new_is_of_the_mix():
    table = several(groups=1)
    names = {"cost": "kr", "recipients": "personer", "period": "år", "measure": "art"}
    new = (table["art"] == "M0") & (table["år"] == 2018)
    nearly, fully = table.copy(), table.copy()
    for tiny, changed in ((1e-13, nearly), (0.0, fully)):
        changed.loc[new, "kr"] *= tiny
        changed.loc[new, "personer"] *= tiny
    ours, limit = split_growth(fully, **names).iloc[0], split_growth(nearly, **names).iloc[0]
    # L(c, 0) goes to zero as slowly as 1 / ln: to within a twentieth here.
    np.testing.assert_allclose(ours.astype(float), limit.astype(float), rtol=0.2)
    assert ours["from_recipients"] + ours["from_mix"] + ours["from_unit_cost"] == pytest.approx(
        ours["change"], rel=1e-10
    )
    never = pd.concat([table, pd.DataFrame({"art": "M9", "år": [2018, 2022], "kr": 0.0, "personer": 0.0})])
    np.testing.assert_allclose(split_growth(never, **names), split_growth(table, **names), rtol=EXACT)
    with pytest.warns(PartialResultWarning, match="1 splits are not made"):
        none = split_growth(table.assign(kr=0.0, personer=0.0), **names)
    assert none["from_mix"].isna().all()
    with pytest.warns(PartialResultWarning, match="'M0'"):
        split_growth(table.assign(personer=table["personer"].mask(new, 0.0)), **names)


def test_fixed_prices():
    table = appendix(2)
    index = {2018: 100.0, 2019: 102.1, 2020: 104.0, 2021: 106.3, 2022: 110.0}
    fixed = fixed_prices(table, value="dkk_1000", period="year", index=index, base=2022)
    assert fixed.index.equals(table.index)
    assert fixed.columns.equals(table.columns)
    assert fixed.attrs["prices"] == "prices of 2022"
    assert fixed.attrs["source"] == table.attrs["source"]
    whole = growth(fixed.query("item == 'I alt'"), **ACCOUNT)
    plain = growth(table.query("item == 'I alt'"), **ACCOUNT)
    assert 1 + whole["growth"].iloc[0] == pytest.approx((1 + plain["growth"].iloc[0]) / 1.1, rel=EXACT)
    assert whole.attrs["prices"] == "prices of 2022"
    series = fixed_prices(table, value="dkk_1000", period="year", index=pd.Series(index) / 7, base=2018)
    np.testing.assert_allclose(series["dkk_1000"], fixed["dkk_1000"] / 1.1, rtol=1e-10)
    with pytest.raises(SpecificationError, match="in fixed prices already: prices of 2022"):
        fixed_prices(fixed, value="dkk_1000", period="year", index=index, base=2022)
    with pytest.raises(SpecificationError, match="base=2017; the index has 2018"):
        fixed_prices(table, value="dkk_1000", period="year", index=index, base=2017)
    with pytest.raises(DataError, match="the index lacks 2022"):
        fixed_prices(
            table, value="dkk_1000", period="year", index={k: v for k, v in index.items() if k < 2022}, base=2018
        )
    for bad in ({2018: 0.0}, {2018: "a"}, {}, {2018: math.inf}, {2018: None}):
        with pytest.raises(DataError, match="numbers above zero"):
            fixed_prices(table, value="dkk_1000", period="year", index=bad, base=2018)
    with pytest.raises(DataError, match="pandas DataFrame"):
        fixed_prices([1], value="dkk_1000", period="year", index=index, base=2018)
    with pytest.raises((DataError, SpecificationError), match="index="):
        fixed_prices(table, value="dkk_1000", period="year", index=5, base=2018)


def test_unit_costs_go_to_the_models():
    costs = pd.DataFrame({"kommune": ["A", "B", "C"], "år": 2022, "kr": [100.0, 50.0, 3.0]})
    people = pd.DataFrame({"kommune": ["C", "B", "A", "D"], "år": 2022, "personer": [0, 25, 20, 9]})
    with pytest.warns(PartialResultWarning, match=r"1 rows have fewer than 1 persons and no unit cost: 'C / 2022'"):
        found = unit_costs(costs, people, on=["kommune", "år"], cost="kr", count="personer")
    assert found["unit_cost"].tolist()[:2] == [5.0, 2.0]
    assert math.isnan(found["unit_cost"].iloc[2])
    with pytest.raises(DataError, match="1 rows of costs have no persons: 'C / 2022'"):
        unit_costs(costs, people.query("kommune != 'C'"), on=["kommune", "år"], cost="kr", count="personer")
    with pytest.raises(DataError, match="2 rows have the same 'kommune'"):
        unit_costs(costs, pd.concat([people, people.head(1)]), on=["kommune"], cost="kr", count="personer")
    with pytest.raises(DataError, match="'personer' is negative: 'B'"):
        unit_costs(costs, people.assign(personer=[1, -2, 3, 4]), on=["kommune"], cost="kr", count="personer")
    for on in ([], "kommune", None, [1]):
        with pytest.raises(SpecificationError, match="on="):
            unit_costs(costs, people, on=on, cost="kr", count="personer")


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda t: t.assign(dkk_1000="-"), {}, DataError, "dashes or dots .* not zero: read them as missing"),
        (lambda t: t.assign(dkk_1000="1.428.436"), {}, DataError, "must be a number"),
        (lambda t: t.assign(dkk_1000=np.inf), {}, DataError, "must be finite"),
        (lambda t: t.assign(dkk_1000=np.nan), {}, DataError, "no values at all"),
        (lambda t: t.assign(year=[*t["year"].iloc[1:].astype(object), "2018x"]), {}, DataError, "several kinds"),
        (lambda t: t.assign(item=None), {}, DataError, "give every row its labels"),
        (lambda t: t.head(0), {}, DataError, "no rows"),
        (lambda t: None, {}, DataError, "a dataframe is needed"),
        (lambda t: t, {"total": "Ialt"}, DataError, "no item 'Ialt' in 'item', the total"),
        (lambda t: t.query("item != 'I alt' or year != 2019"), {}, DataError, "1 sums have no total 'I alt': 2019"),
        (lambda t: t, {"start": 2017}, SpecificationError, "start=2017; 'year' has 2018"),
        (lambda t: t, {"end": "2022"}, SpecificationError, "end='2022'"),
        (lambda t: t, {"start": 2022}, SpecificationError, "both 2022"),
        (lambda t: t, {"by": "area"}, SpecificationError, "by='area'; give names of columns in a list"),
        (lambda t: t, {"by": ["item"]}, SpecificationError, "one column cannot be two things"),
        (lambda t: t.rename(columns={"area": "end"}), {"by": ["end"]}, SpecificationError, "columns 'end' of its own"),
        (lambda t: t, {"item": "itm"}, DataError, "did you mean 'item'"),
        (lambda t: t, {"value": [None]}, SpecificationError, "names of columns are text"),
        (lambda t: t, {"by": np.array([1, 2])}, SpecificationError, "by="),
        (lambda t: t, {"start": [2018]}, SpecificationError, "start="),
        (lambda t: t, {"total": ["I alt"]}, SpecificationError, "total="),
        (lambda t: t.assign(item=[["a"]] * len(t)), {}, DataError, "no labels, such as lists"),
    ],
)  # fmt: skip
def test_what_cannot_be_divided(change, options, error, message):
    with pytest.raises(error, match=message):
        contributions(change(appendix(1)), **(ITEMS | options))


def test_costs_of_municipalities_are_split_and_compared():
    housing = simulate_denmark().sheltered_housing()
    names = {"cost": "cost_1000dkk", "recipients": "full_year_persons", "period": "year", "measure": "service"}
    split = split_growth(housing, **names, by=["municipality"])
    assert len(split) == 98
    np.testing.assert_allclose(
        split["from_recipients"] + split["from_mix"] + split["from_unit_cost"], split["change"], rtol=1e-8
    )
    whole = split_growth(
        housing.groupby(["service", "year"], as_index=False)[[names["cost"], names["recipients"]]].sum(), **names
    )
    assert whole["change"].iloc[0] == pytest.approx(split["change"].sum(), rel=1e-10)
    keys = ["municipality", "year"]
    costs = housing.groupby(keys, as_index=False)["cost_1000dkk"].sum()
    adults = housing[[*keys, "population_18_64"]].drop_duplicates()
    table = unit_costs(costs, adults, on=keys, cost="cost_1000dkk", count="population_18_64")
    model = FixedEffects(
        "cost_1000dkk ~ C(year)", unit="municipality", period="year", exposure="population_18_64", family="gaussian"
    )
    comparison = model.fit(table).compare(contrast="ratio")
    assert len(comparison) == 98
    np.testing.assert_allclose(
        comparison.observed, costs.groupby("municipality")["cost_1000dkk"].sum()[comparison.unit]
    )
