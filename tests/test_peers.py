"""Peers by distance, group and list; and a unit against the mean of its peers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import norm, t

from benchmodels.comparison import Coverage
from benchmodels.errors import DataError, SpecificationError
from benchmodels.peer_comparison import compare_within_peers
from benchmodels.peers import find_peers
from tests.test_flags import make


def surroundings(n=40, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) * [1.0, 50.0, 0.01]
    x[:, 1] += 30.0 * x[:, 0]
    return pd.DataFrame(
        {
            "unit": [f"Ærø {i:02d}" for i in range(n)],
            "a": x[:, 0],
            "b": x[:, 1],
            "c": x[:, 2],
            "area": rng.integers(0, 4, n),
        }
    )


@pytest.mark.parametrize("distance", ["standardised", "mahalanobis", "weighted"])
def test_the_nearest_against_a_plain_search(distance):
    table = surroundings()
    x = table[["a", "b", "c"]].to_numpy()
    weights = {"a": 3.0, "b": 1.0, "c": 0.0} if distance == "weighted" else None
    found = find_peers(table, ["a", "b", "c"], unit="unit", k=5, distance=distance, weights=weights)
    if distance == "mahalanobis":
        apart = cdist(x, x, "mahalanobis", VI=np.linalg.inv(np.cov(x, rowvar=False)))
    else:
        w = np.ones(3) if weights is None else 3 * np.array(list(weights.values())) / 4
        apart = cdist(
            x, x, "seuclidean", V=x.var(axis=0, ddof=1) / np.where(w > 0, w, 1e-300) * (w > 0) + (w == 0) * 1e300
        )
    for i in range(40):
        order = [j for j in np.argsort(apart[i]) if j != i][:5]
        assert found.peer[i].tolist() == order
        np.testing.assert_allclose(found.distance[i], apart[i, order], rtol=1e-9)
    pairs = apart[np.triu_indices(40, 1)]
    share = [(pairs < apart[i][np.arange(40) != i].min() * (1 - 1e-9)).mean() for i in range(40)]
    np.testing.assert_allclose(found.nearest_share, share)


def test_why_they_are_alike_is_told_by_column():
    table = surroundings()
    frame = find_peers(table, ["a", "b"], unit="unit", k=3).to_frame()
    assert len(frame) == 120
    row, by = frame.iloc[7], table.set_index("unit")
    assert row["b: difference"] == pytest.approx(by.loc[row["peer"], "b"] - by.loc[row["unit"], "b"])
    assert frame["place"].tolist()[:4] == [1, 2, 3, 1]


def test_units_of_measure_row_order_and_ties():
    table = surroundings()
    one = find_peers(table, ["a", "b", "c"], unit="unit", k=4)
    other = find_peers(
        table.sample(frac=1, random_state=3).assign(b=lambda t: 1e6 * t["b"] + 5), ["c", "b", "a"], unit="unit", k=4
    )
    assert all(one.of(name) == other.of(name) for name in table["unit"])
    tied = pd.DataFrame({"unit": list("dcbae"), "x": [0.0, 1.0, 1.0, -1.0, 2.0]})
    assert find_peers(tied, ["x"], unit="unit", k=3).of("d") == ["a", "b", "c"]
    twins = pd.DataFrame({"unit": list("abc"), "x": [1.0, 1.0, 2.0]})
    assert find_peers(twins, ["x"], unit="unit", k=1).of("b") == ["a"]


def test_nobody_need_be_anybodys_in_return_and_the_odd_one_is_said():
    table = pd.DataFrame({"unit": list("abcdefz"), "x": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 60.0]})
    found = find_peers(table, ["x"], unit="unit", k=2)
    assert found.of("z") == ["f", "e"]
    assert "z" not in found.of("f")
    assert found.alone.tolist() == [False] * 6 + [True]
    assert "'z'" in found.notes[0]


def test_groups_and_lists():
    table = surroundings()
    found = find_peers(table, unit="unit", groups="area", k=None)
    area = dict(zip(table["unit"], table["area"], strict=True))
    for name in table["unit"]:
        assert {area[other] for other in found.of(name)} == {area[name]}
        assert len(found.of(name)) == sum(a == area[name] for a in area.values()) - 1
    assert np.isnan(found.nearest_share).all() and not found.alone.any()
    inside = find_peers(table, ["a"], unit="unit", groups="area", k=2)
    assert all(area[other] == area[name] for name in area for other in inside.of(name))
    own = {name: [other for other in list(area)[:3] if other != name] for name in area}
    assert find_peers(table, unit="unit", given=own).of("Ærø 05") == list(area)[:3]
    assert find_peers(table, ["a"], unit="unit", given=own).how == "as given"


@pytest.mark.parametrize(
    ("change", "asked", "error", "message"),
    [
        ({}, {"k": 40}, SpecificationError, "k=40"),
        ({}, {"k": 0}, SpecificationError, "k=0"),
        ({}, {"distance": "city"}, SpecificationError, "distance='city'"),
        ({}, {"distance": "weighted"}, SpecificationError, "weights go with"),
        ({}, {"distance": "weighted", "weights": {"a": 1.0}}, SpecificationError, "the columns are 'a', 'b'"),
        ({}, {"distance": "weighted", "weights": {"a": -1.0, "b": 1.0}}, SpecificationError, "zero or more"),
        ({}, {"columns": ()}, SpecificationError, "columns is empty"),
        ({}, {"columns": ["a", "a"]}, SpecificationError, "each column once"),
        ({}, {"k": None}, SpecificationError, "k=None"),
        ({}, {"given": {"Ærø 00": ["Ærø 01"]}}, SpecificationError, "no peers of 39"),
        ({}, {"given": {}, "groups": "area"}, SpecificationError, "not both"),
        ({"b": 1.0}, {}, DataError, "the same for all units.*'b'"),
        ({"b": lambda t: 2 * t["a"]}, {"distance": "mahalanobis"}, DataError, "one follows from the others"),
        ({"a": lambda t: t["a"].where(t["unit"] != "Ærø 07")}, {}, DataError, "lack 'a': 'Ærø 07'"),
        ({"unit": "x"}, {}, DataError, "more than one row"),
        ({"a": "text"}, {}, DataError, "must be a number"),
        ({"area": lambda t: t.index}, {"groups": "area"}, DataError, "groups of one unit"),
    ],
)
def test_impossible_peers_are_refused(change, asked, error, message):
    with pytest.raises(error, match=message):
        find_peers(surroundings().assign(**change), **({"columns": ["a", "b"], "unit": "unit"} | asked))


def test_own_lists_name_others_of_the_table():
    table = pd.DataFrame({"unit": ["a", "b"]})
    for own in (["a"], ["c"], [], 3, None, [["b"]]):
        wrong = {"a": own, "b": ["a"]}
        with pytest.raises(SpecificationError, match="peers of 'a'"):
            find_peers(table, unit="unit", given=wrong)
    with pytest.raises(DataError, match="one unit"):
        find_peers(table.iloc[:1], unit="unit", given={"a": ["b"]})


def test_what_is_no_column_weight_or_label_is_said():
    table = pd.DataFrame({"unit": list("abcd"), "x": [1.0, 2.0, 4.0, 9.0]})
    for columns in (None, 3, [["x"]]):
        with pytest.raises(SpecificationError, match="columns="):
            find_peers(table, columns, unit="unit", k=2)
    for weights in ({"x": "much"}, {"x": None}, ["x"], 2):
        with pytest.raises(SpecificationError, match="weights="):
            find_peers(table, ["x"], unit="unit", k=2, distance="weighted", weights=weights)
    with pytest.raises(DataError, match="'unit' holds values that are no labels: 4 row"):
        find_peers(table.assign(unit=[[1], [2], [3], [4]]), ["x"], unit="unit", k=2)
    with pytest.raises(DataError, match="'g' holds values that are no labels"):
        find_peers(table.assign(g=[[1], [1], [2], [2]]), unit="unit", groups="g", k=None)


def compared(n=12, seed=2, **rest):
    rng = np.random.default_rng(seed)
    s = rng.uniform(0.5, 1.5, n)
    shared = rng.normal(size=(n, 2))
    core = np.array([[0.1, -0.05], [-0.05, 0.04]])
    comparison = make(rng.normal(size=n), s, shared=shared, core=core, size=rng.uniform(10, 90, n), **rest)
    table = pd.DataFrame({"unit": comparison.unit, "x": rng.normal(size=n)})
    return comparison, find_peers(table.sample(frac=1, random_state=1), ["x"], unit="unit", k=4)


@pytest.mark.parametrize("weights", ["precision", "size", "equal"])
def test_against_the_mean_of_peers_by_the_dense_covariance(weights):
    comparison, group = compared()
    found = compare_within_peers(comparison, group, weights=weights)
    covariance = comparison.covariance()
    place = {name: i for i, name in enumerate(comparison.unit)}
    for i, name in enumerate(comparison.unit):
        own = [place[other] for other in group.of(name)]
        raw = {"precision": 1 / comparison.std_error**2, "size": comparison.size, "equal": np.ones(12)}[weights][own]
        c = np.zeros(12)
        c[i], c[own] = 1.0, -raw / raw.sum()
        assert found.difference[i] == pytest.approx(c @ comparison.estimate)
        assert found.std_error[i] == pytest.approx(np.sqrt(c @ covariance @ c))
        assert found.upper[i] - found.difference[i] == pytest.approx(norm.isf(0.025) * found.std_error[i])
        assert found.estimate[i] - found.peer_mean[i] == pytest.approx(found.difference[i])
        values = comparison.estimate[[i, *own]]
        assert found.rank[i] == 1 + (values > values[0]).sum()
        assert found.rank_lower[i] <= found.rank[i] <= found.rank_upper[i] <= found.of[i] == 5
    told = np.where(found.lower > 0, "above", np.where(found.upper < 0, "below", "not different"))
    assert found.verdict.tolist() == told.tolist()


def test_degrees_of_freedom_are_those_of_the_noises():
    comparison, group = compared(df=np.full(12, 6.0))
    comparison = replace(comparison, shared=np.zeros((12, 0)), core=np.zeros((0, 0)))
    found = compare_within_peers(comparison, group, weights="equal")
    place = {name: i for i, name in enumerate(comparison.unit)}
    own = [place[other] for other in group.of("Enhed 3")]
    parts = np.append(comparison.noise[3], comparison.noise[own] / 16)
    df = parts.sum() ** 2 / (parts**2 / 6).sum()
    half = t.isf(0.025, df) * np.sqrt(parts.sum())
    assert found.upper[3] - found.difference[3] == pytest.approx(half)


def test_replicates_are_used_as_they_are():
    rng = np.random.default_rng(5)
    errors = rng.gamma(2.0, 1.0, (4000, 6)) - 2.0
    estimate = np.array([3.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    comparison = make(
        estimate, np.ones(6), noise=errors.var(axis=0, ddof=1), replicates=errors, replicate_kind="errors"
    )
    group = find_peers(pd.DataFrame({"unit": comparison.unit, "g": 1}), unit="unit", groups="g", k=None)
    found = compare_within_peers(comparison, group, weights="equal", draws=4000)
    centred = errors - errors.mean(axis=0)
    low, high = np.quantile(centred[:, 0] - centred[:, 1:].mean(axis=1), [0.025, 0.975])
    c = comparison.corrected
    assert found.difference[0] == pytest.approx(c[0] - c[1:].mean())
    assert (found.lower[0], found.upper[0]) == pytest.approx((found.difference[0] - high, found.difference[0] - low))
    short = Coverage(level=0.95, intervals=0.7, ranks=0.7, all_ranks=0.1, shrunken=0.5, simulated="s")
    told = compare_within_peers(replace(comparison, coverage=short), group, draws=4000)
    assert set(told.verdict) == {"withheld"}
    assert any("70%" in note for note in told.notes)


def test_withheld_units_are_nobodys_mean():
    noise = np.ones(6)
    noise[2] = np.nan
    comparison = make(np.arange(6.0), np.ones(6), noise=noise)
    group = find_peers(pd.DataFrame({"unit": comparison.unit, "x": np.arange(6.0)}), ["x"], unit="unit", k=1)
    found = compare_within_peers(comparison, group)
    assert found.verdict[2] == "withheld"
    assert np.isnan(found.difference[2])
    lonely = [i for i in range(6) if group.of(f"Enhed {i}") == ["Enhed 2"]]
    assert lonely and np.isnan(found.difference[lonely]).all()
    assert any("no peer with a known uncertainty" in note for note in found.notes)
    assert "Enhed 2" not in {name for own in found.peers for name in own}


def test_coverage_and_better():
    rng = np.random.default_rng(6)
    truth = rng.normal(size=15)
    table = pd.DataFrame({"unit": [f"Enhed {i}" for i in range(15)], "x": rng.normal(size=15)})
    group = find_peers(table, ["x"], unit="unit", k=4)
    held = 0
    for i in range(100):
        found = compare_within_peers(make(truth + rng.normal(size=15), np.ones(15)), group, draws=200, rng=i)
        place = [[int(name.split()[1]) for name in own] for own in found.peers]
        true = [truth[j] - truth[own].mean() for j, own in enumerate(place)]
        held += ((found.lower <= true) & (true <= found.upper)).sum()
    assert held / 1500 == pytest.approx(0.95, abs=0.03)
    low = compare_within_peers(make(truth, np.ones(15), better="low"), group)
    high = compare_within_peers(make(truth, np.ones(15), better="high"), group)
    np.testing.assert_allclose(low.rank, 6 - high.rank)
    assert low.to_frame().columns[0] == "unit"
    assert repr(low).startswith("AmongPeers(15 units against") and "array(" not in repr(low)


def test_impossible_questions_of_peers_are_refused():
    comparison, group = compared()
    with pytest.raises(SpecificationError, match="not among the peers: 'Enhed 12'"):
        compare_within_peers(make(np.zeros(13), np.ones(13)), group)
    with pytest.raises(SpecificationError, match="weights='best'"):
        compare_within_peers(comparison, group, weights="best")
    with pytest.raises(SpecificationError, match="peers=list"):
        compare_within_peers(comparison, [])
    with pytest.raises(SpecificationError, match="takes a Comparison"):
        compare_within_peers(group, group)
    with pytest.raises(SpecificationError, match="there is no unit 'Ribe'"):
        group.of("Ribe")
