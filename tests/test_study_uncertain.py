"""The uncertainty of best practice in a study: what is asked for, what the files say, and what is left out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.replication import answer, parse_study, read_study, run_study, shipped_studies
from benchmodels.replication.best_practice import best_practice_of, frontier_table
from benchmodels.replication.outcome import Outcome
from benchmodels.replication.tables import read_table
from tests.test_study import asked_of_the_best, places, small_table, spec

K = 40


def asked(**changes: object) -> dict[str, object]:
    table = asked_of_the_best(**({"replicates": 100, "returns": "vrs"} | changes))
    table["comparison"]["rank"] = True
    return table


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = places(K)
    return frame.assign(udgift=frame["udgift"] * rng.uniform(1.0, 1.4, len(frame)))


@pytest.fixture(scope="module")
def outcome(data: pd.DataFrame) -> Outcome:
    return answer(parse_study(asked()), data=data)


@pytest.mark.parametrize("value", [50, 99, -1, 150.5, "200", True])
def test_replicates_are_none_or_many(value: object) -> None:
    with pytest.raises(SpecificationError, match="frontier.replicates: "):
        parse_study(asked(replicates=value))
    assert parse_study(asked(replicates=100)).frontier.replicates == 100
    assert parse_study(asked_of_the_best()).frontier.replicates == 0


def test_too_few_are_told_in_words() -> None:
    with pytest.raises(SpecificationError, match=r"frontier.replicates: must be 0 for none, or 100 or more .found 50."):
        parse_study(asked(replicates=50))


def test_the_outcome_carries_the_comparison_its_ranking_and_the_average_beside_it(outcome: Outcome) -> None:
    best, fit = outcome.best, outcome.frontier
    assert best is not None
    assert (best.comparison.contrast, best.comparison.better, len(best.bootstrap.errors)) == ("ratio", "low", 100)
    np.testing.assert_allclose(best.comparison.estimate, 1.0 / fit.efficiency)
    assert best.ranking.unit.tolist() == fit.unit.tolist()
    assert best.beside.unit.tolist() == outcome.main.unit.tolist()
    assert best.beside.different.tolist() == outcome.main.different.tolist()
    np.testing.assert_allclose(best.beside.to_best, 1.0 / fit.efficiency)
    np.testing.assert_allclose(best.beside.observed, outcome.main.observed / outcome.main.size)
    # That each unit is held against its own circle is told of the frontier; no standard is advised that it has not.
    assert not [note for note in outcome.notes if "standard=" in note]


def test_columns_of_the_tables(outcome: Outcome) -> None:
    frame, best = outcome.to_frame().set_index("unit"), outcome.best
    found = best.bootstrap.to_frame().set_index("unit")
    withheld = best.comparison.withheld != ""
    assert 0 < withheld.sum() < K
    found = found.astype(float)
    found.loc[withheld] = np.nan
    for name in ("lower", "upper", "corrected"):
        np.testing.assert_allclose(frame[f"frontier_efficiency_{name}"], found[name], rtol=1e-9)
    known = frame[~withheld]
    assert (known["frontier_efficiency_upper"] <= known["frontier_efficiency"] + 1e-12).all()
    assert str(frame["frontier_rank_lower"].dtype) == "Int64"
    np.testing.assert_array_equal(frame["frontier_rank_upper"].to_numpy(float), best.ranking.upper)
    table = frontier_table(outcome.frontier, best)
    assert list(table)[-3:] == ["frequency", "lower", "upper"]
    cost = table[table["part"] == "input"].set_index("unit")
    for end in ("lower", "upper"):
        np.testing.assert_allclose((cost[end] / cost["value"])[~withheld], found.loc[~withheld, end], rtol=1e-9)
    assert table.loc[table["part"] == "output", ["lower", "upper"]].isna().all(axis=None)
    peers = table[table["part"] == "peer"]
    assert peers["frequency"].between(0.0, 1.0).all()
    own = peers[peers["unit"] == peers["name"]]
    assert (own["frequency"] == 1.0).all()  # the best stays the best among fewer


def test_slack_has_no_limits(outcome: Outcome) -> None:
    targets = outcome.frontier.targets()
    row = targets.index[targets["part"] == "input"][3]
    assert math.isfinite(outcome.best.limits(targets)["lower"][row])
    targets.loc[row, "target"] *= 0.99
    assert math.isnan(outcome.best.limits(targets)["lower"][row])


def test_without_replicates_there_is_the_average_beside_best_and_nothing_else(data: pd.DataFrame) -> None:
    plain = answer(parse_study(asked(replicates=0)), data=data)
    assert (plain.best.bootstrap, plain.best.ranking) == (None, None)
    assert np.isnan(plain.best.beside.attainable_lower).all()
    assert np.isfinite(plain.best.beside.attainable).all()
    assert not [name for name in plain.to_frame() if name.startswith(("frontier_efficiency_", "frontier_rank"))]
    assert list(frontier_table(plain.frontier, plain.best)) == list(frontier_table(plain.frontier))
    found = best_practice_of(plain.frontier, plain.best)
    assert found.drawn is None
    assert answer(parse_study(spec()), data=small_table()).best is None


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, True),
        ({"inputs": ["pladser"], "outputs": ["udgift"], "orientation": "output"}, True),
        ({"inputs": ["pladser"], "outputs": ["udgift"]}, False),
        ({"inputs": ["udgift", "pladser"], "outputs": ["borgere"]}, False),
        ({"inputs": ["pladser"], "outputs": ["udgift"], "outputs_by": "service", "orientation": "output"}, False),
    ],
)
def test_the_two_are_side_by_side_only_where_both_are_of_the_outcome(
    changes: dict[str, object], there: bool, data: pd.DataFrame
) -> None:
    table = asked(**changes, replicates=0)
    assert (answer(parse_study(table), data=data).best.beside is not None) == there
    table["comparison"]["standard"] = "direct"
    assert answer(parse_study(table), data=data).best.beside is None


def test_the_same_seed_gives_the_same_and_ranks_do_not_move(data: pd.DataFrame, outcome: Outcome) -> None:
    study = parse_study(asked())
    same, other = answer(study, data=data), answer(study, data=data, rng=1)
    np.testing.assert_array_equal(same.best.bootstrap.errors, outcome.best.bootstrap.errors)
    assert not np.array_equal(other.best.bootstrap.errors, outcome.best.bootstrap.errors)
    plain = answer(parse_study(asked(replicates=0)), data=data)
    pd.testing.assert_frame_equal(plain.ranking.to_frame(), outcome.ranking.to_frame())


def test_where_none_can_be_had_the_study_goes_on_and_says_why() -> None:
    few = places(8)
    found = answer(parse_study(asked()), data=few)
    assert found.best.bootstrap is None
    assert [note for note in found.notes if note.startswith("no uncertainty of best practice: 8 units are too few")]
    table = asked()
    table["comparison"]["rank"] = False
    assert answer(parse_study(table), data=places(K)).best.ranking is None


def test_a_run_writes_it_all(tmp_path: Path, data: pd.DataFrame) -> None:
    html = run_study(parse_study(asked()), out=tmp_path / "out", data=data, danish_csv=True, lang="en")
    out, page = tmp_path / "out", html.read_text(encoding="utf-8")
    [record] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["studies"]
    told = record["frontier"]["uncertainty"]
    assert (told["kind"], told["replicates"], told["level"]) == ("subsample", 100, 0.95)
    assert told["noise"] == f"100 subsamples of {told['subset']} of {K} units"
    assert 2 < told["subset"] < K
    assert ("asked for at 95%" in told["coverage"]) or ("not known" in told["coverage"])
    assert told["coverage_of_ranks"]
    assert "spawn key" in told["rng"]  # a child of the run's generator, and not that of the ranks
    assert told["rng"] != record["rng"]
    units, danish = (read_table(out / f"small{ending}") for ending in (".csv", ".da.csv"))
    pd.testing.assert_frame_equal(units, danish)
    assert {"frontier_efficiency_lower", "frontier_rank_upper"} <= set(units)
    assert {"frequency", "lower", "upper"} <= set(read_table(out / "small-frontier.csv"))
    assert "figures/small-beside.svg" in page
    assert "Had other municipalities taken part" in page
    assert "Average and best practice side by side" in page
    assert "NaN" not in page.split('id="data">')[1].split("</script>")[0]


def test_the_costs_study_asks_for_it() -> None:
    assert read_study(shipped_studies()["sheltered-housing"]).frontier.replicates == 2000
