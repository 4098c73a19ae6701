"""Small counts in studies: what is kept back from every table, alone and together with other studies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.replication import Study, answer, parse_study, run_studies, run_study
from benchmodels.replication.keeping_back import keep_back
from tests.test_study import spec


def few(k: int = 30) -> pd.DataFrame:
    """Thirty units, two of which have few cases counted."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"unit": np.repeat([f"K{i:02d}" for i in range(k)], 4), "age": np.tile([1, 2, 3, 4], k)})
    frame["people"] = rng.integers(200, 900, len(frame))
    frame.loc[frame["unit"].isin(["K03", "K17"]), "people"] = 12
    frame["cases"] = rng.binomial(frame["people"], 0.08 + 0.01 * frame["age"])
    return frame


def exchanged(data: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the counts of the two small units exchanged, and moved between their rows."""
    moved = data.copy()
    one, other = (moved.index[moved["unit"] == unit] for unit in ("K03", "K17"))
    moved.loc[one, "cases"], moved.loc[other, "cases"] = (
        data.loc[rows, "cases"].to_numpy()[::-1] for rows in (other, one)
    )
    assert not moved.equals(data)
    return moved


def asked_of_few(**disclosure: object) -> dict[str, object]:
    table = spec()
    table["data"] = {"path": "few.csv"}
    table["roles"] = {"unit": "unit", "trials": "people"}
    table["model"] = {"kind": "fixed-effects", "family": "binomial", "formula": "cases ~ age"}
    return table | ({"disclosure": disclosure} if disclosure else {})


def test_small_counts_are_kept_back_from_every_table() -> None:
    data = few()
    totals = data.groupby("unit")["cases"].sum()
    threshold = int(totals.nsmallest(2).iloc[1]) + 1
    outcome = answer(parse_study(asked_of_few(threshold=threshold)), data=data)
    frame = outcome.to_frame().set_index("unit")
    hidden = frame.index[frame["withheld"].str.startswith("fewer than")]
    assert {"K03", "K17"} <= set(hidden)
    shown = frame.loc[hidden].drop(columns=["size", "withheld", "different", "unusual"])
    assert shown.isna().all(axis=None)
    assert set(frame.loc[hidden, "different"]) == {"withheld"}
    assert outcome.parts is not None
    assert not set(hidden) & set(outcome.parts["unit"])
    # Nothing that is published moves with the counts kept back.
    moved = exchanged(data)
    again = answer(parse_study(asked_of_few(threshold=threshold)), data=moved)
    pd.testing.assert_frame_equal(again.to_frame(), outcome.to_frame())
    pd.testing.assert_frame_equal(again.coefficients, outcome.coefficients)
    assert again.overall == outcome.overall
    assert again.notes == outcome.notes


def test_disclosure_is_for_counts_and_costs() -> None:
    table = asked_of_few(threshold=5)
    table["model"] = {"kind": "pooled", "family": "fractional", "formula": "cases ~ age"}
    table["roles"] = {"unit": "unit"}
    with pytest.raises(SpecificationError, match="disclosure: is for counts and for costs"):
        parse_study(table)
    with pytest.raises(SpecificationError, match=r"disclosure\.threshold"):
        parse_study(asked_of_few(threshold=1))


def nested() -> pd.DataFrame:
    """Municipalities in six regions; two outcomes and their sum; two groups of people."""
    data = few()
    for unit, cases in (("K03", [1, 0, 2, 0]), ("K17", [2, 3, 4, 2])):
        data.loc[data["unit"] == unit, "cases"] = cases
    data["region"] = "R" + (data["unit"].str[1:].astype(int) // 6).astype(str)
    data["mild"] = np.random.default_rng(1).binomial(data["people"] - data["cases"], 0.1)
    data["all"] = data["cases"] + data["mild"]
    data["group"] = np.where(data["age"] == 1, "a", "b")
    return data


def linked(
    folder: Path, name: str, *, unit: str = "unit", outcome: str = "cases", kept: dict[str, str] | None = None
) -> Study:
    table = asked_of_few(threshold=5)
    table["study"] = {"id": name}
    table["data"] = {"path": "few.csv"} | ({"filter": kept} if kept else {})
    table["roles"] = {"unit": unit, "trials": "people"}
    table["model"] = {"kind": "pooled", "family": "binomial", "formula": f"{outcome} ~ 1"}
    table["comparison"] = dict(table["comparison"]) | {"rank": False}
    return parse_study(table, folder=folder)


def observed(studies: list[Study], tmp_path: Path) -> dict[str, pd.Series]:
    run_studies(studies, out=tmp_path / "out", lang="en")
    return {s.id: pd.read_csv(tmp_path / "out" / f"{s.id}.csv").set_index("unit")["observed"] for s in studies}


def test_studies_of_one_table_leave_out_the_same_rows(tmp_path: Path) -> None:
    """Regions less their municipalities, a sum less one outcome, and all less one group hold nothing kept back."""
    data = nested()
    data.to_csv(tmp_path / "few.csv", index=False)
    here = linked(tmp_path, "here")
    alone = observed([here], tmp_path)["here"]
    gone = set(alone.index[alone.isna()])
    assert "K03" in gone
    found = observed([here, linked(tmp_path, "region", unit="region")], tmp_path)
    rest = data[~data["unit"].isin(found["here"].index[found["here"].isna()])]
    np.testing.assert_array_equal(found["region"], rest.groupby("region")["cases"].sum())
    found = observed([here, linked(tmp_path, "mild", outcome="mild"), linked(tmp_path, "all", outcome="all")], tmp_path)
    assert found["all"].isna().equals(found["here"].isna())
    assert found["all"].isna().equals(found["mild"].isna())
    found = observed(
        [here, linked(tmp_path, "a", kept={"group": "a"}), linked(tmp_path, "b", kept={"group": "b"})], tmp_path
    )
    assert found["a"].isna().sum() >= len(gone)
    assert found["here"].isna().equals(found["a"].isna())
    assert found["here"].isna().equals(found["b"].isna())
    notes = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["studies"][0]["notes"]
    assert any("units withheld for disclosure control" in note for note in notes)


def test_a_study_that_would_give_another_away_is_refused(tmp_path: Path) -> None:
    nested().to_csv(tmp_path / "few.csv", index=False)
    table = asked_of_few()
    table["study"] = {"id": "open"}
    open_ = parse_study(table, folder=tmp_path)
    with pytest.raises(SpecificationError, match=r"'open' reads the table of 'closed'.*\[disclosure\]"):
        run_studies([parse_study(asked_of_few(threshold=5) | {"study": {"id": "closed"}}, folder=tmp_path), open_],
                    out=tmp_path / "out")  # fmt: skip
    assert not (tmp_path / "out").exists()


def costs(*, period: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for i in range(20):
        for person in range(3 if i == 4 else 30 + 5 * i):
            rows.append({"unit": f"K{i:02d}", "person": f"{i}-{person}", "age": rng.integers(0, 4),
                         "cost": rng.gamma(2.0, 50_000.0)})  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.loc[frame["unit"] == "K09", "cost"] = 1.0
    frame.loc[frame.index[frame["unit"] == "K09"][0], "cost"] = 3e6
    return frame.assign(year=2020) if period else frame


def asked_of_costs(**roles: str) -> Study:
    table = asked_of_few(threshold=5, percent=10.0)
    table["roles"] = {"unit": "unit"} | roles
    table["model"] = {"kind": "pooled", "family": "gaussian", "formula": "cost ~ age"}
    return parse_study(table)


@pytest.mark.parametrize("roles", [{}, {"cluster": "person"}])
def test_costs_of_few_or_of_one_are_kept_back(roles: dict[str, str], tmp_path: Path) -> None:
    data = costs()
    frame = answer(asked_of_costs(**roles), data=data).to_frame().set_index("unit")
    gone = set(frame.index[frame["withheld"].str.startswith("fewer than 5 contributors")])
    assert {"K04", "K09"} <= gone
    assert 4 <= len(gone) <= 6
    assert frame.loc[sorted(gone), ["observed", "difference", "ratio", "difference_lower"]].isna().all(axis=None)
    page = run_study(asked_of_costs(**roles), out=tmp_path / "out", data=data).read_text(encoding="utf-8")
    assert "dominerer" in page


def test_costs_without_persons_cannot_be_judged() -> None:
    with pytest.raises(SpecificationError, match="who they are for"):
        answer(asked_of_costs(period="year"), data=costs(period=True))


def test_few_events_a_person_year() -> None:
    data = few()
    table = asked_of_few(threshold=int(data.groupby("unit")["cases"].sum().nsmallest(2).iloc[1]) + 1)
    table["roles"] = {"unit": "unit", "exposure": "people"}
    table["model"] = {"kind": "pooled", "family": "poisson", "formula": "cases ~ age"}
    frame = answer(parse_study(table), data=data).to_frame().set_index("unit")
    assert {"K03", "K17"} <= set(frame.index[frame["observed"].isna()])


def with_frontier(table: dict[str, object], **changes: object) -> dict[str, object]:
    asked = {"inputs": ["people"], "outputs": ["cases"], "returns": "vrs", "composition": ["age"], "nearest": 12}
    words = {"inputs": "eleverne", "outputs": "fraværet"}
    texts = {lang: dict(text) | {"frontier": words} for lang, text in table["texts"].items()}
    return table | {"frontier": asked | changes, "texts": texts}


@pytest.mark.parametrize(
    "best", [{}, {"replicates": 0}, {"replicates": 100}, {"replicates": 100, "orientation": "output"}]
)
def test_no_file_of_the_folder_moves_with_counts_kept_back(best: dict[str, object], tmp_path: Path) -> None:
    """Tables, page, figures and manifest are alike to the byte whatever the counts kept back are, but for the time."""
    data = few()
    totals = data.groupby("unit")["cases"].sum()
    asked = asked_of_few(threshold=int(totals.nsmallest(2).iloc[1]) + 1)
    study = parse_study(with_frontier(asked, **best) if best else asked)
    moved = exchanged(data)
    for name, table in (("first", data), ("second", moved)):
        run_study(study, out=tmp_path / name, data=table, lang="en", danish_csv=True)
    files = sorted(p.relative_to(tmp_path / "first") for p in (tmp_path / "first").rglob("*") if p.is_file())
    assert len(files) > 8
    for file in files:
        first, second = ((tmp_path / name / file).read_bytes() for name in ("first", "second"))
        if file.name == "manifest.json":
            whole = [json.loads(text) for text in (first, second)]
            assert [m.pop("created") for m in whole]
            assert whole[0] == whole[1]
            assert whole[0]["studies"][0]["data"]["sha256"] == "withheld for disclosure control"
        else:
            assert first == second, file
    if best:
        units = pd.read_csv(tmp_path / "first" / "small.csv").set_index("unit")
        hidden = set(units.index[units["observed"].isna()])
        assert {"K03", "K17"} <= hidden
        assert units["frontier_efficiency"].isna().equals(units["observed"].isna())
        peers = pd.read_csv(tmp_path / "first" / "small-frontier.csv", encoding="utf-8-sig")
        assert not hidden & (set(peers["unit"]) | set(peers["name"]))
        assert len(set(peers["unit"])) == len(units) - len(hidden)
    if best.get("replicates"):
        for column in ("efficiency_lower", "efficiency_upper", "efficiency_corrected", "rank_lower", "rank_upper"):
            assert units.loc[list(hidden), f"frontier_{column}"].isna().all()
            assert units[f"frontier_{column}"].notna().any()
        assert {"frequency", "lower", "upper"} <= set(peers)
        page = (tmp_path / "first" / "index.html").read_text(encoding="utf-8")
        [rows] = [
            study["rows"].values() for study in json.loads(page.split('id="data">')[1].split("</script>")[0])["studies"]
        ]
        told = {row["slots"]["parts_end_label"].removeprefix("Expected for "): row["beside"] for row in rows}
        assert {unit for unit, drawing in told.items() if drawing} == (
            set(units.index) - hidden if best.get("orientation") else set()
        )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"frontier": {"inputs": ["beds"]}}, "only the outcome and the size may be goods; nothing judges 'beds'"),
        ({"frontier": {"outputs_by": "kind"}}, r"frontier\.outputs_by: not together with disclosure"),
        ({"model": {"missing": "drop"}}, "not together with model.missing = 'drop'"),
    ],
)
def test_best_practice_may_not_tell_what_nothing_judges(changes: dict[str, dict[str, object]], fault: str) -> None:
    table = with_frontier(asked_of_few(threshold=5), **changes.get("frontier", {}))
    table["model"] = dict(table["model"]) | changes.get("model", {})
    with pytest.raises(SpecificationError, match=fault):
        parse_study(table)
    del table["disclosure"]
    parse_study(table)


def test_what_is_kept_back_is_told_where_too_little_is_left() -> None:
    data = few()
    with pytest.raises(SpecificationError, match="30 units with few cases cannot be protected"):
        answer(parse_study(asked_of_few(threshold=100_000)), data=data)
    totals = data.groupby("unit")["cases"].sum()
    threshold = int(totals.nsmallest(2).iloc[1]) + 1
    table = asked_of_few(threshold=threshold)
    table["model"] = table["model"] | {"formula": "cases ~ age + rare"}
    rare = data.assign(rare=np.where(data["unit"] == "K03", data["age"] % 2, 0))
    with pytest.raises(SpecificationError, match=r"constant within units.*units are kept back"):
        answer(parse_study(table), data=rare)


def test_rows_dropped_of_units_kept_back_are_not_told() -> None:
    data = few().assign(x=1.0)
    data["x"] = np.random.default_rng(0).normal(size=len(data))
    data.loc[[0, 12], "x"] = np.nan
    assert data.loc[12, "unit"] == "K03"
    totals = data.groupby("unit")["cases"].sum()
    table = asked_of_few(threshold=int(totals.nsmallest(2).iloc[1]) + 1)
    table["model"] = table["model"] | {"formula": "cases ~ x", "missing": "drop"}
    notes = [note for note in answer(parse_study(table), data=data).notes if "dropped" in note]
    assert len(notes) == 1
    assert notes[0].startswith("1 of ")


def test_what_is_left_between_two_tables_is_a_count_as_well(tmp_path: Path) -> None:
    data = nested()
    at = {u: data.index[data["unit"] == u] for u in ("K05", "K08", "K11")}
    # K08: five and three of eight; K05: one case in group a; a row of K11 is dropped for want of a covariate.
    data.loc[at["K08"], ["cases", "mild"]] = [[3, 5], [0, 0], [0, 0], [0, 0]]
    data.loc[data.index[(data["unit"] == "K05") & (data["group"] == "a")], "cases"] = 1
    data["all"], data["x"] = data["cases"] + data["mild"], 1.0 + np.arange(len(data)) % 3
    data.loc[at["K11"][0], ["x", "cases"]] = [np.nan, 2]
    data.to_csv(tmp_path / "few.csv", index=False)

    def differences(first: Study, second: Study) -> pd.Series:
        found = observed([first, second], tmp_path)
        rest = (found[first.id] - found[second.id]).abs()
        return rest[(rest > 0) & (rest < 5)]

    whole, drop = linked(tmp_path, "whole"), asked_of_few(threshold=5)
    drop["study"], drop["comparison"] = {"id": "drop"}, dict(drop["comparison"]) | {"rank": False}
    drop["model"] = {"kind": "pooled", "family": "binomial", "formula": "cases ~ x", "missing": "drop"}
    pairs = [
        (linked(tmp_path, "all", outcome="all"), linked(tmp_path, "mild", outcome="mild")),
        (whole, linked(tmp_path, "b", kept={"group": "b"})),
        (whole, parse_study(drop, folder=tmp_path)),
    ]
    for first, second in pairs:
        assert differences(first, second).empty, (first.id, second.id)
        assert differences(second, first).empty, (first.id, second.id)


def test_rates_of_linked_tables_are_of_the_rows_that_are_left(tmp_path: Path) -> None:
    data = nested()
    data.loc[data["unit"] == "K11", ["people", "cases"]] = [400, 40]
    data.to_csv(tmp_path / "few.csv", index=False)
    run_studies([linked(tmp_path, "here"), linked(tmp_path, "region", unit="region")], out=tmp_path / "out", lang="en")
    here, region = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("here", "region"))
    rest = data[~data["unit"].isin(here.loc[here["observed"].isna(), "unit"])]
    total = rest.groupby("region")[["cases", "people"]].sum()
    np.testing.assert_allclose(region["observed_rate"], 100 * total["cases"] / total["people"])
    np.testing.assert_array_equal(region["size"], total["people"])


@pytest.mark.parametrize("name", ["few.csv", "copy.csv"])
def test_one_table_by_another_name_is_the_same_table(tmp_path: Path, name: str) -> None:
    text = nested().to_csv(index=False)
    for file in ("few.csv", "copy.csv"):
        (tmp_path / file).write_text(text, encoding="utf-8")
    open_ = asked_of_few()
    open_["study"], open_["data"] = {"id": "open"}, {"path": name, "sheet": "x"}
    with pytest.raises(SpecificationError, match="keeps units back"):
        run_studies([linked(tmp_path, "here"), parse_study(open_, folder=tmp_path)], out=tmp_path / "out")
    closed = open_ | {"disclosure": {"threshold": 5}}
    with pytest.raises(SpecificationError, match="one file in two ways"):
        run_studies([linked(tmp_path, "here"), parse_study(closed, folder=tmp_path)], out=tmp_path / "out")


def test_codes_of_another_study_leave_numbers_numbers(tmp_path: Path) -> None:
    data = nested()
    data.loc[[5, 6], "age"] = [7, 8]
    data.loc[[5, 6], ["people", "cases"]] = [[30, 2], [60, 40]]
    data.to_csv(tmp_path / "few.csv", index=False)
    by_age = asked_of_few(threshold=5)
    by_age["study"], by_age["roles"] = {"id": "age"}, {"unit": "age", "trials": "people"}
    by_age["model"] = {"kind": "pooled", "family": "binomial", "formula": "cases ~ 1"}
    here = asked_of_few(threshold=5)
    here["study"], here["model"] = {"id": "here"}, {"kind": "pooled", "family": "binomial", "formula": "cases ~ age"}
    studies = [parse_study(table, folder=tmp_path) for table in (here, by_age)]
    kept = keep_back(studies)
    assert kept["here"].without["age"]
    assert answer(studies[0], kept=kept["here"]).coefficients["term"].tolist() == ["1", "age"]


def test_people_who_cost_nothing_are_nobody_to_hide_among() -> None:
    data = costs()
    data = data[~data["unit"].isin(["K04", "K09"])]
    rows = [{"unit": "K04", "person": f"z{i}", "age": i % 4, "cost": 5e4 if i < 3 else 0.0} for i in range(40)]
    frame = answer(asked_of_costs(cluster="person"), data=pd.concat([data, pd.DataFrame(rows)])).to_frame()
    assert np.isnan(frame.set_index("unit").loc["K04", "observed"])


def test_clusters_are_said_not_to_be_protected() -> None:
    data = few().assign(school=lambda rows: rows["unit"] + (rows["age"] > 2).map({True: "b", False: "a"}))
    table = asked_of_few(threshold=5)
    table["roles"] = {"unit": "unit", "trials": "people", "cluster": "school"}
    notes = answer(parse_study(table), data=data).notes
    assert any("counts of clusters within units are not protected" in note for note in notes)


def test_too_few_left_says_how_many_are_kept_back() -> None:
    data = few(4)
    data.loc[data["unit"] == "K03", ["people", "cases"]] = [12, 1]
    with pytest.raises(DataError, match=r"3 of 4 units are kept back by disclosure\.threshold = 5: too few are left"):
        answer(parse_study(asked_of_few(threshold=5)), data=data)
