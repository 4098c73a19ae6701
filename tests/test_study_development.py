"""What growth consists of, as a study tells it: sums that add up, nothing that was missing counted as zero."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.replication import answer, parse_study, read_study, run_study, shipped_studies
from benchmodels.replication.development import TOTAL, GrowthTables, development_of
from benchmodels.replication.tables import load_table
from benchmodels.report.development import growth_rows
from benchmodels.report.wording import wording

WORDS = {"money": "kr.", "person": "indbygger", "recipient": "helårsperson", "recipients": "helårspersoner"}
DEVELOPMENT = {
    "value": "cost",
    "item": "service",
    "population": "people",
    "recipients": "persons",
    "providers": ["private", "public"],
    "prices": {"2018": 100, "2019": 102.0, "2020": 110.0},
    "base": "2020",
}
TEXTS = {
    "title": "Udgifter",
    "question": "Mere end ventet?",
    "outcome": "Udgifter.",
    "size": "indbyggere",
    "rate": "kr.",
    "measure": "kr.",
    "caveats": ["Ikke årsag."],
    "terms": {"a": "bosteder", "private": "private"},
    "development": WORDS,
}
SPEC: dict[str, object] = {
    "study": {"id": "small"},
    "data": {"path": "small.csv", "aggregate": {"by": ["unit", "year"], "sum": ["cost"]}},
    "roles": {"unit": "unit", "exposure": "people", "period": "year"},
    "model": {"kind": "pooled", "family": "gaussian", "formula": "cost ~ C(year)", "missing": "drop"},
    "comparison": {"contrast": "ratio", "scale": 1000.0, "rank": False},
    "development": DEVELOPMENT,
    "texts": {"da": TEXTS, "en": copy.deepcopy(TEXTS)},
}


def spec(**changes: object) -> dict[str, object]:
    table = copy.deepcopy(SPEC)
    for path, value in changes.items():
        *sections, key = path.split("__")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})  # type: ignore[assignment]
        if value is None:
            inner.pop(key, None)
        else:
            inner[key] = value
    return table


def small(units: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    rows = []
    for i in range(units):
        people = int(rng.integers(800, 9000))
        for year in (2018, 2019, 2020):
            for item in ("a", "b", "c"):
                persons = float(rng.uniform(5, 50)) * people / 2000
                cost = persons * 900 * float(rng.uniform(0.8, 1.2)) * 1.04 ** (year - 2018)
                share = float(rng.uniform(0.1, 0.4))
                rows.append(
                    {
                        "unit": f"K{i}",
                        "year": year,
                        "service": item,
                        "cost": cost,
                        "persons": persons,
                        "people": people + 10 * (year - 2018),
                        "private": share * cost,
                        "public": 0.3 * cost,
                    }
                )
    return pd.DataFrame(rows)


def found(table: pd.DataFrame, **changes: object) -> GrowthTables:
    study = parse_study(spec(**changes))
    tables = development_of(study, load_table(study, data=table))
    assert tables is not None
    return tables


def rows(table: pd.DataFrame, unit: str, prices: str = "current") -> pd.DataFrame:
    scope = "unit" if unit else "all"
    return table[(table["scope"] == scope) & (table["unit"] == unit) & (table["prices"] == prices)]


@pytest.mark.parametrize("prices", ["current", "2020"])
def test_figures_are_those_of_a_plain_loop(prices: str) -> None:
    table = small()
    told = found(table)
    levels = {2018: 100.0, 2019: 102.0, 2020: 110.0}
    for unit in ["K0", "K5", ""]:
        own = table if not unit else table[table["unit"] == unit]
        cost: dict[tuple[str, int], float] = {}
        persons: dict[int, float] = {}
        people: dict[int, float] = {}
        paid: dict[tuple[str, int], float] = {}
        seen: set[tuple[str, int]] = set()
        for row in own.to_dict("records"):
            year = row["year"]
            factor = 1.0 if prices == "current" else levels[2020] / levels[year]
            cost[row["service"], year] = cost.get((row["service"], year), 0.0) + row["cost"] * factor
            persons[year] = persons.get(year, 0.0) + row["persons"]
            for who in ("private", "public"):
                paid[who, year] = paid.get((who, year), 0.0) + row[who] * factor
            if (row["unit"], year) not in seen:
                seen.add((row["unit"], year))
                people[year] = people.get(year, 0.0) + row["people"]
        whole = {year: sum(cost[item, year] for item in "abc") for year in levels}
        parts = rows(told.contributions, unit, prices).set_index("item")
        assert list(parts.index) == ["a", "b", "c", TOTAL]
        for item in "abc":
            change = cost[item, 2020] - cost[item, 2018]
            np.testing.assert_allclose(parts.loc[item, "contribution"], change / whole[2018], rtol=1e-12)
            np.testing.assert_allclose(parts.loc[item, "growth"], change / cost[item, 2018], rtol=1e-12)
        np.testing.assert_allclose(parts.loc[TOTAL, "growth"], whole[2020] / whole[2018] - 1, rtol=1e-12)
        costs = rows(told.unit_costs, unit, prices)
        for year in levels:
            line = costs[(costs["item"] == TOTAL) & (costs["period"] == year)].iloc[0]
            np.testing.assert_allclose(line["per_inhabitant"], 1000 * whole[year] / people[year], rtol=1e-12)
            np.testing.assert_allclose(line["per_recipient"], 1000 * whole[year] / persons[year], rtol=1e-12)
            mix = rows(told.providers, unit, prices)
            mine = mix[mix["period"] == year].set_index("provider")
            both = paid["private", year] + paid["public", year]
            np.testing.assert_allclose(mine.loc["private", "share"], paid["private", year] / both, rtol=1e-12)
        split = rows(told.split, unit, prices).iloc[0]
        np.testing.assert_allclose(split["change"], whole[2020] - whole[2018], rtol=1e-10)
        np.testing.assert_allclose(split["recipients_growth"], persons[2020] / persons[2018] - 1, rtol=1e-12)


def test_parts_add_up_everywhere() -> None:
    told = found(small())
    parts = told.contributions
    keys = ["scope", "unit", "prices"]
    items = parts[parts["item"] != TOTAL].groupby(keys)[["contribution", "share_of_growth"]].sum()
    totals = parts[parts["item"] == TOTAL].set_index(keys)
    np.testing.assert_allclose(items["contribution"], totals["growth"].loc[items.index], atol=1e-12)
    np.testing.assert_allclose(items["share_of_growth"], 1.0, atol=1e-9)
    split = told.split
    np.testing.assert_allclose(
        split["from_recipients"] + split["from_mix"] + split["from_unit_cost"], split["change"], atol=1e-6
    )
    np.testing.assert_allclose(
        (1 + split["recipients_growth"]) * (1 + split["unit_cost_growth"]), 1 + split["cost_growth"], rtol=1e-12
    )
    shares = told.providers.groupby([*keys, "period"])["share"].sum()
    np.testing.assert_allclose(shares, 1.0, atol=1e-12)
    # Amounts in current prices of the base's own year are the same in its prices.
    costs = told.unit_costs[told.unit_costs["period"] == 2020]
    now, fixed = (costs[costs["prices"] == prices]["amount"].to_numpy() for prices in ("current", "2020"))
    np.testing.assert_allclose(now, fixed, rtol=1e-12)


def test_missing_is_not_zero() -> None:
    table = small()
    gone = table["unit"].eq("K3") & table["year"].eq(2020) & table["service"].eq("b")
    unknown = table["unit"].eq("K1") & table["year"].eq(2018) & table["service"].eq("a")
    told = found(table.assign(cost=table["cost"].mask(gone), persons=table["persons"].mask(unknown)))
    assert "K3" not in set(told.contributions["unit"])
    left = table[table["unit"] != "K3"]
    ends = left.groupby("year")["cost"].sum()
    total = rows(told.contributions, "").set_index("item").loc[TOTAL]
    np.testing.assert_allclose(total["growth"], ends[2020] / ends[2018] - 1, rtol=1e-12)
    known = left[left["unit"] != "K1"]
    by = known.groupby("year")[["cost", "persons"]].sum()
    line = rows(told.unit_costs, "").query("item == @TOTAL and period == 2018").iloc[0]
    np.testing.assert_allclose(line["per_recipient"], 1000 * by["cost"][2018] / by["persons"][2018], rtol=1e-12)
    np.testing.assert_allclose(line["amount"], ends[2018], rtol=1e-12)  # amounts are of all whose amounts are known
    assert np.isnan(rows(told.unit_costs, "K1").query("item == @TOTAL and period == 2018")["per_recipient"].iloc[0])
    assert told.notes == (
        "1 of 8 units without amounts of every item in 2018 or 2020 are in no sum of it: K3",
        "1 of 7 units without numbers of recipients in 2018 or 2020 are in no sum of it: K1",
    )
    # A row that is not there is no zero either.
    assert found(table[~gone]).notes[0] == told.notes[0]


def test_sums_of_a_study_with_a_part_missing_are_missing(tmp_path: Path) -> None:
    """A municipality whose largest service is not known is no cheap one."""
    table = small()
    gone = table["unit"].eq("K2") & table["year"].eq(2019) & table["service"].eq("a")
    study = parse_study(spec(development=None, texts__da__development=None, texts__en__development=None))
    frame = load_table(study, data=table.assign(cost=table["cost"].mask(gone))).frame
    lost = frame[frame["cost"].isna()]
    assert list(zip(lost["unit"], lost["year"], strict=True)) == [("K2", 2019)]
    whole = load_table(study, data=table).frame
    pd.testing.assert_frame_equal(frame.dropna(), whole.drop(index=lost.index), check_dtype=False)


def test_a_price_index_in_a_column_is_the_same_as_one_in_the_study() -> None:
    table = small()
    levels = {2018: 100.0, 2019: 102.0, 2020: 110.0}
    inline = found(table)
    column = found(
        table.assign(index=table["year"].map(levels)), development__prices=None, development__price_index="index",
        development__base=2020,
    )  # fmt: skip
    for name, frame in inline.tables().items():
        pd.testing.assert_frame_equal(frame, column.tables()[name])
    with pytest.raises(DataError, match="is not one level for each 'year'"):
        found(
            table.assign(index=np.arange(len(table)) + 1.0), development__prices=None,
            development__price_index="index", development__base=2020,
        )  # fmt: skip


def test_only_what_is_asked_for_is_there() -> None:
    least = {"value": "cost", "item": "service"}
    told = found(small(), development=least, texts__da__development={"money": "kr."},
                 texts__en__development={"money": "DKK"})  # fmt: skip
    assert set(told.tables()) == {"development", "unit-costs"} and told.base == ""
    assert set(told.contributions["prices"]) == {"current"}
    assert told.unit_costs[["per_inhabitant", "per_recipient"]].isna().all().all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"roles__period": None}, "development: needs roles.period"),
        ({"roles": {**SPEC["roles"], "period": None}}, "development: needs roles.period"),  # type: ignore[dict-item]
        ({"development__value": "service"}, "development: 'service' plays two parts"),
        ({"development__providers": ["cost"]}, "development: 'cost' plays two parts"),
        ({"development__item": "year"}, "development: 'year' plays two parts"),
        ({"development__base": None}, "a price index and base go together"),
        ({"development__prices": None}, "found only 'base'"),
        ({"development__price_index": "x"}, "one price index is enough"),
        ({"development__base": "2031"}, "development.base: must be one of 2018, 2019, 2020"),
        ({"development__prices": {"2018": 0.0, "2020": 1.0}}, "levels are above zero"),
        ({"development__colour": "red"}, "development.colour: unknown key"),
        ({"development__value": None}, "development.value: is missing"),
        ({"development": None}, "texts.da.development: the study has no development"),
        ({"texts__en__development": None}, "texts.en.development: is missing"),
        ({"texts__da__development": {"money": "kr."}}, "texts.da.development.person: is missing"),
        ({"texts__da__development": {"person": "x"}}, "texts.da.development.money: is missing"),
        ({"development": "yes"}, "development"),
        ({"development": ["cost"]}, "development"),
    ],
)
def test_faults_are_told(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SpecificationError, match=re.escape(said)):
        parse_study(spec(**changes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t[t["year"] == 2018], "growth needs two periods"),
        (lambda t: t.assign(private="x"), "development needs numbers in 'private'"),
        (lambda t: t.assign(service=t["service"].where(t["service"] != "a")), "needs a unit, item and period"),
        (lambda t: t.assign(cost=np.nan), "no unit has amounts of every item"),
        (lambda t: t.drop(columns="persons"), "no column 'persons'"),
        (lambda t: t.assign(year=t["year"] + 1), "no level for 2021"),
    ],
)
def test_tables_that_cannot_be_told_of(change: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        found(change(small()))  # type: ignore[operator]


def test_a_population_of_each_item_is_none() -> None:
    table = small()
    with pytest.raises(DataError, match="'people' is not one number for a unit and period: K0 in 2018 has 3"):
        found(table.assign(people=np.arange(len(table)) + 5.0), data__aggregate=None)


def test_order_of_rows_and_units_without_items_do_not_matter() -> None:
    table = small()
    told, mixed = found(table), found(table.sample(frac=1.0, random_state=3))
    for name, frame in told.tables().items():
        keys = [key for key in ("scope", "unit", "prices", "item", "provider", "period") if key in frame.columns]
        pd.testing.assert_frame_equal(
            frame.sort_values(keys).reset_index(drop=True),
            mixed.tables()[name].sort_values(keys).reset_index(drop=True),
            rtol=1e-12,
        )


def disclosed() -> dict[str, object]:
    return spec(
        disclosure={"threshold": 3},
        roles={"unit": "unit", "cluster": "place", "period": "year", "exposure": "people"},
        data__aggregate=None,
        model={"kind": "pooled", "family": "gaussian", "formula": "cost ~ 1", "missing": "raise"},
    )


def places() -> pd.DataFrame:
    """Rows of places, with few of them in unit K0."""
    table = small().drop(columns="people").assign(people=100.0)
    parts = []
    for i in range(6):
        part = table[(table["unit"] != "K0") | (i < 1)]
        parts.append(part.assign(place=part["unit"] + f"/{i}", cost=part["cost"] * (1 + 0.05 * i)))
    return pd.concat(parts, ignore_index=True)


def test_units_kept_back_are_in_no_table_and_no_total() -> None:
    study = parse_study(disclosed())
    outcome = answer(study, data=places())
    told = outcome.development
    assert told is not None
    shown = set(outcome.difference.unit[np.isfinite(outcome.difference.observed)].tolist())
    assert "K0" not in shown and len(shown) >= 2
    for frame in told.tables().values():
        assert set(frame["scope"]) == {"all"} and set(frame["unit"]) == {""}
    ends = places().query("unit in @shown").groupby("year")["cost"].sum()
    total = rows(told.contributions, "").set_index("item").loc[TOTAL]
    np.testing.assert_allclose([total["start"], total["end"]], [ends[2018], ends[2020]], rtol=1e-12)
    assert "nothing judges a unit's amounts by item" in told.notes[-1]


@pytest.mark.parametrize("lang", ["da", "en"])
def test_the_page_and_the_files(tmp_path: Path, lang: str) -> None:
    table = small()
    table.to_csv(tmp_path / "small.csv", index=False)
    study = parse_study(spec(), folder=tmp_path)
    page = run_study(study, out=tmp_path / "out", lang=lang, danish_csv=True)  # type: ignore[arg-type]
    names = {path.name for path in (tmp_path / "out").glob("*.csv")}
    for part in ("development", "providers", "unit-costs", "growth-split"):
        assert {f"small-{part}.csv", f"small-{part}.da.csv"} <= names
    text = page.read_text(encoding="utf-8")
    assert ('id="development-small"' in text) and (wording(lang)("development_title") in text)  # type: ignore[arg-type]
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    words = data["studies"][0]["rows"]["0"]
    assert words["slots"]["development"].startswith("K0: ")
    names_told = [row[0] for row in words["growth"]["rows"]]
    assert sorted(names_told[:-1]) == ["B", "Bosteder", "C"] and names_told[-1] == wording(lang)("development_total")  # type: ignore[arg-type]
    parts = pd.read_csv(tmp_path / "out" / "small-development.csv")
    mine = rows(parts.fillna({"unit": ""}), "K0").set_index("item")["contribution"]
    sign = {"da": ",", "en": "."}[lang]
    for row, item in zip(words["growth"]["rows"], sorted("abc", key=lambda i: -rows(
            parts.fillna({"unit": ""}), "").set_index("item")["contribution"][i]), strict=False):  # fmt: skip
        assert row[1].replace("−", "-").replace(sign, ".").lstrip("+") == f"{100 * mine[item]:.1f}"


def test_names_of_units_and_items_cannot_break_the_page(tmp_path: Path) -> None:
    bad = "</script><b>&{x}"
    table = small().replace({"unit": {"K0": bad}, "service": {"a": "{unit}<i>"}})
    table.to_csv(tmp_path / "small.csv", index=False)
    page = run_study(parse_study(spec(), folder=tmp_path), out=tmp_path / "out", lang="en")
    text = page.read_text(encoding="utf-8")
    assert bad not in text and "<i>" not in text
    assert text.count("</script>") == 2


def test_studies_without_a_development_have_none() -> None:
    study = read_study(shipped_studies()["special-education"])
    assert study.development is None and development_of(study, load_table(study)) is None


def test_growth_rows_of_a_chapter_without_are_none() -> None:
    class Chapter:
        development = None

    assert growth_rows(Chapter(), wording("da")) == {}  # type: ignore[arg-type]
