"""The public face of free disposal, order m and order α, against plain loops over units."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA, FDH, FRH, OrderAlpha, OrderM
from benchmodels.ranking import rank

SIX = pd.DataFrame({"unit": list("ABCDEF"), "x": [20.0, 40, 40, 60, 70, 50], "y": [20.0, 30, 50, 40, 60, 20]})
ONE = {"inputs": ["x"], "outputs": ["y"], "unit": "unit"}
FOUR = {"inputs": ["x1", "x2"], "outputs": ["y1", "y2"], "unit": "unit"}
GOODS = ["x1", "x2", "y1", "y2"]
MEASURES = ("input", "output", "graph")
MODELS = [(FDH, {}), (OrderM, {"m": 6}), (OrderAlpha, {"alpha": 0.8})]
# Circles of comparable units are small here on purpose; the test of the warning has it back.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*held against few others:benchmodels.errors.BenchmodelsWarning",
    "ignore:.*held against the others:benchmodels.errors.PartialResultWarning",
)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(8)
    n = 45
    x = rng.uniform(2, 9, (n, 2))
    y = np.sqrt(x) * rng.uniform(0.3, 1, (n, 1)) * rng.uniform(0.7, 1.3, (n, 2))
    frame = pd.DataFrame(np.column_stack([x, y]), columns=GOODS)
    frame.insert(0, "unit", [f"U{i:02d}" for i in range(n)])
    return frame


def ratios(frame, point, measure):
    """Return the comparable units and what share of its inputs (or multiple of its outputs) each leaves the point."""
    x, y = frame[["x1", "x2"]].to_numpy(), frame[["y1", "y2"]].to_numpy()
    x0, y0 = point[["x1", "x2"]].to_numpy(float), point[["y1", "y2"]].to_numpy(float)
    fewer, more = (x / x0).max(axis=1), (y / y0).min(axis=1)
    if measure == "input":
        some = (y >= y0).all(axis=1)
        return np.flatnonzero(some), fewer[some]
    if measure == "output":
        some = (x <= x0).all(axis=1)
        return np.flatnonzero(some), more[some]
    return np.arange(len(x)), np.maximum(fewer, 1 / more)


def measured(scores, measure):
    return scores.expansion if measure == "output" else scores.efficiency


def expected_best(values, m, measure):
    """Return the mean over draws of m with replacement of the best, by the share of draws that are no better."""
    worst_first = np.sort(values) if measure == "output" else -np.sort(-values)
    n = len(values)
    return sum(v * ((k / n) ** m - ((k - 1) / n) ** m) for k, v in enumerate(worst_first, start=1))


def test_six_firms():
    fit = FDH(**ONE).fit(SIX)
    np.testing.assert_allclose(fit.efficiency, [1, 1, 1, 2 / 3, 1, 0.4], rtol=1e-12)
    pairs = fit.peers()[["unit", "peer"]]
    assert pairs.to_numpy().tolist() == [
        ["A", "A"], ["B", "B"], ["B", "C"], ["C", "C"], ["D", "C"], ["E", "E"], ["F", "A"],
    ]  # fmt: skip
    assert FDH(**ONE, orientation="output").fit(SIX).expansion == pytest.approx([1, 5 / 3, 1, 1.25, 1, 2.5])


@pytest.mark.parametrize("measure", MEASURES)
def test_free_disposal_by_a_plain_loop(table, measure):
    fit = FDH(**FOUR, orientation=measure).fit(table)
    best = np.max if measure == "output" else np.min
    loop = np.array([best(ratios(table, row, measure)[1]) for _, row in table.iterrows()])
    np.testing.assert_allclose(measured(fit, measure), loop, rtol=1e-12)
    if measure == "input":
        assert np.isnan(fit.expansion).all()
    else:
        np.testing.assert_allclose(fit.expansion * fit.efficiency, 1)
    pairs = set(map(tuple, fit.peers()[["unit", "peer"]].to_numpy()))
    for i, row in table.iterrows():
        where, values = ratios(table, row, measure)
        tied = where[np.isclose(values, loop[i], rtol=1e-11)]
        assert {peer for unit, peer in pairs if unit == row["unit"]} == set(table["unit"][tied])
    assert 5 < (loop == 1).sum() < 40


@pytest.mark.parametrize("m", [1, 4, 25, 2.5])
@pytest.mark.parametrize("measure", MEASURES)
def test_order_m_by_a_plain_loop(table, measure, m):
    fit = OrderM(**FOUR, m=m, orientation=measure).fit(table)
    loop = [expected_best(ratios(table, row, measure)[1], m, measure) for _, row in table.iterrows()]
    np.testing.assert_allclose(measured(fit, measure), loop, rtol=1e-10)


def test_order_m_by_all_draws():
    # C, making 50, is comparable with itself and E: x = 40 or 70; the cheapest of two draws costs 70 one time in four.
    fit = OrderM(**ONE, m=2).fit(SIX)
    assert fit.efficiency[2] == pytest.approx((3 * 40 + 70) / 4 / 40)
    # D, making 40: itself too; five, three and one of nine pairs cost 40, 60 and 70, of its 60.
    assert fit.efficiency[3] == pytest.approx((5 * 40 + 3 * 60 + 70) / 9 / 60)


@pytest.mark.parametrize("alpha", [0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("measure", MEASURES)
def test_order_alpha_by_a_plain_loop(table, measure, alpha):
    fit = OrderAlpha(**FOUR, alpha=alpha, orientation=measure).fit(table)
    for i, row in table.iterrows():
        values = ratios(table, row, measure)[1]
        n = len(values)
        if measure == "output":
            # The least score that a share alpha of the comparable units do no better than.
            loop = min(v for v in values if np.mean(values <= v) >= alpha - 1e-12)
        else:
            # The largest score that no more than a share 1 - alpha do better than, strictly.
            loop = max(v for v in values if np.sum(values < v) <= (1 - alpha) * n + 1e-9)
        assert measured(fit, measure)[i] == pytest.approx(loop, rel=1e-10)


@pytest.mark.parametrize("measure", MEASURES)
def test_partial_frontiers_grow_to_the_hull(table, measure):
    hull = FDH(**FOUR, orientation=measure).fit(table).efficiency
    near = OrderM(**FOUR, m=1e6, orientation=measure).fit(table).efficiency
    np.testing.assert_allclose(near, hull, rtol=1e-6)
    np.testing.assert_allclose(OrderAlpha(**FOUR, alpha=1.0, orientation=measure).fit(table).efficiency, hull)
    before = np.full(len(table), np.inf)
    for m in (2, 5, 20, 100):
        now = OrderM(**FOUR, m=m, orientation=measure).fit(table).efficiency
        assert np.all(now <= before + 1e-12)
        before = now
    assert np.all(before >= hull - 1e-12)
    assert OrderM(**FOUR, m=2, orientation=measure).fit(table).efficiency.max() > 1


def test_mixtures_beat_units(table):
    assert np.all(FDH(**FOUR).fit(table).efficiency >= DEA(**FOUR).fit(table).efficiency - 1e-12)


@pytest.mark.parametrize("strict", [False, True])
def test_dominators(table, strict):
    some_equal = table.assign(**{name: np.ceil(table[name]) for name in GOODS})
    fit = FDH(**FOUR).fit(some_equal)
    frame = fit.dominators(strict=strict)
    assert frame.columns.tolist() == ["unit", "better", "gain", "least"]
    goods = some_equal[GOODS].to_numpy() * [-1, -1, 1, 1]
    names = table["unit"].to_numpy()
    loop = set()
    for i in range(len(goods)):
        for j in range(len(goods)):
            by = goods[j] - goods[i]
            if (by > 0).all() if strict else (by >= 0).all() and (by > 0).any():
                loop.add((names[i], names[j]))
    assert set(map(tuple, frame[["unit", "better"]].to_numpy())) == loop
    assert loop, "a table in which someone is beaten"
    for _, some in frame.groupby("unit"):
        assert some["gain"].is_monotonic_decreasing
    beaten = set(frame["unit"])
    if not strict:
        assert beaten >= set(fit.unit[fit.efficiency < 1])
        assert len(beaten) > len(set(fit.dominators(strict=True)["unit"])), "ties, which tell the two apart"


def test_a_duplicate_beats_nobody():
    twice = pd.concat([SIX, SIX.assign(unit="v" + SIX["unit"])])
    fit = FDH(**ONE).fit(twice)
    np.testing.assert_allclose(fit.efficiency, np.tile(FDH(**ONE).fit(SIX).efficiency, 2))
    pairs = set(map(tuple, fit.dominators()[["unit", "better"]].to_numpy()))
    assert ("A", "vA") not in pairs
    assert ("D", "vC") in pairs


@pytest.mark.parametrize(("model", "more"), MODELS)
@pytest.mark.parametrize("measure", MEASURES)
def test_evaluate(table, model, more, measure):
    fit = model(**FOUR, **more, orientation=measure).fit(table)
    pd.testing.assert_frame_equal(fit.evaluate(table).to_frame(), fit.scores.to_frame())
    half = model(**FOUR, **more, orientation=measure).fit(table.iloc[:25])
    # A point in the middle of the table, which all have units to be held against.
    point = table.iloc[[30]].assign(x1=8.9, x2=8.9, y1=0.5, y2=0.5)
    values = ratios(table.iloc[:25], point.iloc[0], measure)[1]
    scores = half.evaluate(point)
    if model is FDH:
        loop = values.max() if measure == "output" else values.min()
        assert measured(scores, measure) == pytest.approx([loop])
    elif model is OrderM:
        assert measured(scores, measure) == pytest.approx([expected_best(values, 6, measure)])


@pytest.mark.parametrize(("model", "more"), MODELS)
def test_evaluate_says_who_has_no_answer(table, model, more):
    large = table.iloc[[0]].assign(y1=1e3, unit="large")
    with pytest.warns(PartialResultWarning, match="1 of 1 units of the units evaluated .*'large'"):
        scores = model(**FOUR, **more).fit(table).evaluate(large)
    assert scores.status.tolist() == ["infeasible"]
    assert np.isnan(scores.efficiency).all()


def test_nothing_made_with_so_little():
    units = pd.DataFrame({"unit": list("ab"), "x1": [1.0, 2], "x2": [1.0, 2], "y1": [1.0, 1], "y2": [0.0, 1]})
    point = pd.DataFrame({"unit": ["new"], "x1": [1.0], "x2": [1.0], "y1": [1.0], "y2": [1.0]})
    scores = FDH(**FOUR, orientation="output").fit(units).evaluate(point)
    assert (scores.expansion[0], scores.efficiency[0]) == (0.0, np.inf)


@pytest.mark.parametrize(("model", "more"), MODELS)
@pytest.mark.parametrize("measure", MEASURES)
def test_what_must_not_change_a_score(table, model, more, measure):
    fit = model(**FOUR, **more, orientation=measure).fit(table)
    scale = 10.0 ** np.random.default_rng(3).uniform(-9, 9, 4)
    other = table.assign(**{name: table[name] * c for name, c in zip(GOODS, scale, strict=True)})
    other = other.sample(frac=1, random_state=1)
    again = model(**FOUR, **more, orientation=measure).fit(pl.from_pandas(other))
    assert again.unit.tolist() == fit.unit.tolist()
    np.testing.assert_allclose(again.efficiency, fit.efficiency, rtol=1e-9)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fit)).efficiency, fit.efficiency)
    assert repr(fit).startswith("UnitsFit(45 units, ")


def test_zeros_are_goods(table):
    some = table.copy()
    some.loc[:4, "y1"] = 0.0
    some.loc[5:7, "x2"] = 0.0
    fit = FDH(**FOUR).fit(some)
    x, y = some[["x1", "x2"]].to_numpy(), some[["y1", "y2"]].to_numpy()
    for i in range(len(x)):
        found = []
        for j in range(len(x)):
            if (y[j] >= y[i]).all() and (x[j][x[i] == 0] == 0).all():
                found.append((x[j][x[i] > 0] / x[i][x[i] > 0]).max())
        assert fit.efficiency[i] == pytest.approx(min(found))


@pytest.mark.parametrize(("model", "more"), MODELS)
def test_compare_withholds(table, model, more):
    comparison = model(**FOUR, **more).fit(table).compare()
    np.testing.assert_array_equal(comparison.observed, 1)
    assert all("by a bootstrap of DEA alone" in why for why in comparison.withheld)
    assert np.isnan(comparison.std_error).all()
    with pytest.raises(SpecificationError, match="0 of 45 have one"):
        rank(comparison)
    with pytest.raises(SpecificationError, match="compare needs an efficiency"):
        model(**FOUR, **more, orientation="graph").fit(table).compare()
    one = model(**{**FOUR, "inputs": ["x1"]}, size="people", **more).fit(table.assign(people=7.0))
    difference = one.compare(contrast="difference")
    np.testing.assert_allclose(difference.estimate, table["x1"] * (1 - one.efficiency) / 7, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (FDH, {"inputs": "x1"}, "inputs='x1'; give a list"),
        (FDH, {"orientation": "directional"}, "orientation='directional'"),
        (FDH, {"missing": "ignore"}, "missing='ignore'"),
        (OrderM, {"m": 0.5}, "m=0.5"),
        (OrderM, {"m": np.nan}, "m=nan"),
        (OrderAlpha, {"alpha": 0.0}, "alpha=0.0"),
        (OrderAlpha, {"alpha": 1.2}, "alpha=1.2"),
        (OrderAlpha, {"alpha": np.nan}, "alpha=nan"),
    ],
)
def test_options_that_cannot_be_meant(model, options, message):
    with pytest.raises(SpecificationError, match=message):
        model(**{**FOUR, **options})


@pytest.mark.parametrize(("model", "more"), MODELS)
def test_bad_tables(table, model, more):
    for bad, message in (
        (table.iloc[:1], "at least 2 units"),
        (pd.concat([table, table.iloc[:1]]), "more than one row: 'U00'"),
        (table.assign(y2=0.0), "'y2' is zero for every unit"),
        (table.assign(x1=-table["x1"]), "'x1' is negative"),
        (table.assign(x1="much"), "must be a number"),
        (table.assign(x1=np.nan), "missing values"),
    ):
        with pytest.raises(DataError, match=message):
            model(**FOUR, **more).fit(bad)


def test_a_partial_frontier_has_no_peers(table):
    for model, more in MODELS[1:]:
        with pytest.raises(SpecificationError, match="has no peers"):
            model(**FOUR, **more).fit(table).peers()


@pytest.mark.parametrize(
    "make",
    [
        lambda: OrderM(inputs=["x"], outputs=["y"], unit="u", m="a"),
        lambda: OrderAlpha(inputs=["x"], outputs=["y"], unit="u", alpha="a"),
        lambda: DEA(inputs=["x"], outputs=["y"], unit="u", composition=["z"], nearest=0),
        lambda: DEA(inputs=["x"], outputs=["y"], unit="u", orientation="directional", direction={"x": "a"}),
    ],
)
def test_options_that_are_no_numbers_are_refused(make):
    with pytest.raises(SpecificationError, match="give"):
        make()


@pytest.mark.parametrize("orientation", ["input", "output"])
def test_whole_copies_lie_between_units_and_multiples(table, orientation):
    few = table.head(20)
    hull, copies = (model(**FOUR, orientation=orientation).fit(few) for model in (FDH, FRH))
    cone = DEA(**FOUR, orientation=orientation, returns="crs").fit(few)
    assert np.all(copies.efficiency <= hull.efficiency + 1e-9) and np.any(copies.efficiency < hull.efficiency - 1e-3)
    assert np.all(copies.efficiency >= cone.efficiency - 1e-9) and np.any(copies.efficiency > cone.efficiency + 1e-3)
    peers = copies.peers()
    assert list(peers) == ["unit", "peer", "copies"] and peers["copies"].min() >= 1
    goods = few.set_index("unit")[GOODS]
    for unit, some in peers.groupby("unit"):
        made = (goods.loc[some["peer"]].to_numpy() * some[["copies"]].to_numpy()).sum(axis=0)
        share, own = copies.efficiency[copies.unit == unit][0], goods.loc[unit].to_numpy()
        inputs, outputs = (share, 1.0) if orientation == "input" else (1.0, 1 / share)
        assert np.all(made[:2] <= inputs * own[:2] * (1 + 1e-8)) and np.all(made[2:] >= outputs * own[2:] * (1 - 1e-8))


def test_whole_copies_of_six_firms():
    """Two of A use 40 and make 40: so D, which uses 60 to make 40, needs two thirds of it."""
    fit = FRH(**ONE).fit(SIX)
    np.testing.assert_allclose(fit.efficiency, [1, 1, 1, 2 / 3, 6 / 7, 0.4], atol=1e-9)
    assert fit.peers().query("unit == 'D'")[["peer", "copies"]].to_numpy().tolist() in ([["A", 2]], [["C", 1]])
    with pytest.raises(SpecificationError, match="not linear in copies"):
        FRH(**ONE, orientation="graph")


@pytest.mark.parametrize(("model", "more"), [*MODELS, (FRH, {})])
def test_circles_of_peers(table, model, more):
    """Units held against those of their kind alone: as two tables."""
    both = table.head(24).assign(kind=["town", "country"] * 12, a=np.arange(24.0))
    fit = model(**FOUR, environment={"kind": "same"}, **more).fit(both)
    for kind, part in both.groupby("kind"):
        alone = model(**FOUR, **more).fit(part)
        of_kind = np.isin(fit.unit, part["unit"])
        np.testing.assert_allclose(fit.efficiency[of_kind], alone.efficiency, rtol=1e-9)
        beyond = [f.super_efficiency() for f in (fit, alone)] if model is FDH else []
        if beyond:
            np.testing.assert_allclose(beyond[0].efficiency[of_kind], beyond[1].efficiency, rtol=1e-9)
        assert kind in ("town", "country")
    assert fit.comparables.tolist() == [12] * 24 and len(fit.comparable()) == 24 * 11
    better = fit.dominators().merge(both[["unit", "kind"]]).merge(
        both[["unit", "kind"]], left_on="better", right_on="unit", suffixes=("", "_better")
    )  # fmt: skip
    assert np.all(better["kind"] == better["kind_better"])
    near = model(**FOUR, composition=["a"], nearest=5, **more).fit(both)
    assert near.comparables.min() >= 5 and np.all(near.to_frame()["comparables"] == near.comparables)


@pytest.mark.parametrize("model", [FDH(**ONE, environment={"place": "high"}),
    FDH(**ONE, environment={"place": "high"}, returns="crs"), FRH(**ONE, environment={"place": "high"}),
    OrderM(**ONE, environment={"place": "high"}), DEA(**ONE, environment={"place": "high"})])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*are advised.*:benchmodels.errors.BenchmodelsWarning")
def test_nobody_to_be_held_against_is_told_apart(model):
    fit = model.fit(SIX.assign(place=[1, 2, 3, 4, 5, 6]))
    alone = pd.DataFrame({"unit": ["worse"], "x": 50.0, "y": 20.0, "place": 0})
    with pytest.warns(PartialResultWarning, match="there is nobody that it may be held against"):
        assert fit.evaluate(alone).status.tolist() == ["alone"]
    with pytest.warns(PartialResultWarning, match="there is nobody that it may be held against"):
        assert fit.super_efficiency().status[0] == "alone"
