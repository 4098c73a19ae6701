"""Measures beyond the radial: published numbers, plain programs, what must not change them, what they refuse."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier.measures import Additive, CrossEfficiency, MultiDirectional, Russell, SlackBased, slacks
from benchmodels.kernels.additive import largest_slacks
from benchmodels.kernels.shared_simplex import STALLED
from tests import plain_measures

# Exact algebra; HiGHS in the oracle, which holds rows of order 1 to 1e-7.
EXACT, SOLVER = 1e-9, 1e-6
# Fried, Lovell & Schmidt's eleven units, as DataEnvelopmentAnalysis.jl has them.
ELEVEN = pd.DataFrame(
    {
        "unit": np.arange(1, 12),
        "x1": [5.0, 16, 16, 17, 18, 23, 25, 27, 37, 42, 5],
        "x2": [13.0, 12, 26, 15, 14, 6, 10, 22, 14, 25, 17],
        "y": [12.0, 14, 25, 26, 8, 9, 27, 30, 31, 26, 12],
    }
)
TWO = {"inputs": ["x1", "x2"], "outputs": ["y"], "unit": "unit"}
FOUR = {"inputs": ["x1", "x2"], "outputs": ["y1", "y2"], "unit": "unit"}
GOODS = ["x1", "x2", "y1", "y2"]
RETURNS = ("vrs", "crs", "drs", "irs", (0.8, 1.2))
MODELS = {
    "mean": Additive(**FOUR),
    "unit": Additive(**FOUR, weights="unit"),
    "ram": Additive(**FOUR, weights="ram"),
    "bam": Additive(**FOUR, weights="bam"),
    "bam crs": Additive(**FOUR, weights="bam", returns="crs"),
    "named": Additive(**FOUR, weights={"x1": 2.0, "y2": 1.0}),
    "sbm": SlackBased(**FOUR),
    "sbm crs": SlackBased(**FOUR, returns="crs"),
    "sbm input": SlackBased(**FOUR, orientation="input"),
    "russell": Russell(**FOUR, orientation="output"),
    "mea": MultiDirectional(**FOUR),
    "mea none": MultiDirectional(**FOUR, orientation="none", returns="drs"),
    "cross": CrossEfficiency(**FOUR),
    "cross aggressive": CrossEfficiency(**FOUR, goal="aggressive", surrogate="difference"),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*few (others )?for:benchmodels.errors.BenchmodelsWarning",
)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(20)
    n = 40
    x = rng.uniform(2, 9, (n, 2))
    y = np.sqrt(x) * rng.uniform(0.3, 1, (n, 1)) * rng.uniform(0.7, 1.3, (n, 2))
    frame = pd.DataFrame(np.column_stack([x, y]), columns=GOODS)
    frame.insert(0, "unit", [f"U{i:02d}" for i in range(n)])
    return frame.assign(place=rng.integers(1, 6, n), kind=rng.choice(["town", "country"], n), a=rng.normal(size=n))


def arrays(frame):
    return frame[["x1", "x2"]].to_numpy(), frame[["y1", "y2"]].to_numpy()


def score(found):
    """Both numbers of a fit, each where there is one."""
    return np.concatenate([np.nan_to_num(found.efficiency), np.nan_to_num(found.inefficiency)])


def test_eleven_units():
    found = Additive(**TWO, weights="unit", returns="crs").fit(ELEVEN)
    published = [0, 10.7692, 10.8378, 0, 22.1538, 17.9231, 0, 12.0769, 11.6138, 35, 4]
    np.testing.assert_allclose(found.inefficiency, published, atol=5e-5)


@pytest.mark.parametrize("weights", ["unit", "mean", "bam", "ram"])
@pytest.mark.parametrize("returns", RETURNS)
def test_additive_by_plain_programs(table, returns, weights):
    if weights == "ram" and returns != "vrs":
        with pytest.raises(SpecificationError, match="larger than the range.*'bam'"):
            Additive(**FOUR, returns=returns, weights=weights)
        return
    x, y = arrays(table)
    goods = np.column_stack([x, y])
    found = Additive(**FOUR, returns=returns, weights=weights).fit(table)
    room = np.column_stack([x - x.min(axis=0), y.max(axis=0) - y])
    with np.errstate(divide="ignore"):
        weight = {
            "unit": np.ones_like(goods),
            "mean": np.broadcast_to(1 / goods.mean(axis=0), goods.shape),
            "ram": np.broadcast_to(1 / np.ptp(goods, axis=0) / 4, goods.shape),
            "bam": np.where(room > 0, 1 / room / 4, 0.0),
        }[weights]
    upper = room if weights == "bam" and returns != "vrs" else [None] * len(x)
    wanted = [
        plain_measures.additive(x, y, x[i], y[i], weight[i], returns, upper[i]) for i in range(len(x))
    ]  # fmt: skip
    np.testing.assert_allclose(found.inefficiency, wanted, rtol=SOLVER, atol=SOLVER)
    if weights in ("ram", "bam"):
        np.testing.assert_array_equal(found.efficiency, 1 - found.inefficiency)
        assert found.efficiency.min() >= 0 and found.efficiency.max() <= 1
    else:
        assert np.isnan(found.efficiency).all()


@pytest.mark.parametrize("returns", RETURNS)
def test_slacks_based_and_russell_by_plain_programs(table, returns):
    x, y = arrays(table)
    points = list(zip(x, y, strict=True))
    wanted = [plain_measures.slacks_based(x, y, *point, returns) for point in points]
    np.testing.assert_allclose(SlackBased(**FOUR, returns=returns).fit(table).efficiency, wanted, rtol=SOLVER)
    wanted = [plain_measures.russell(x, y, *point, returns, "input") for point in points]
    np.testing.assert_allclose(Russell(**FOUR, returns=returns).fit(table).efficiency, wanted, rtol=SOLVER)
    found = Russell(**FOUR, returns=returns, orientation="output").fit(table)
    wanted = [plain_measures.russell(x, y, *point, returns, "output") for point in points]
    np.testing.assert_allclose(found.expansion, wanted, rtol=SOLVER)
    np.testing.assert_allclose(found.efficiency * found.expansion, 1.0, rtol=EXACT)


@pytest.mark.parametrize("returns", ["vrs", "crs"])
def test_every_slack_counts_so_no_measure_is_above_the_radial_one(table, returns):
    free = SlackBased(**FOUR, returns=returns).fit(table).efficiency
    for orientation in ("input", "output"):
        radial = DEA(**FOUR, returns=returns, orientation=orientation).fit(table).efficiency
        one = SlackBased(**FOUR, returns=returns, orientation=orientation).fit(table).efficiency
        assert np.all(one <= radial + EXACT) and np.all(free <= one + EXACT)


def test_all_measures_agree_on_who_has_no_slack(table):
    efficient = {
        name: fitted.inefficiency < EXACT
        for name in ("mean", "unit", "ram", "bam", "sbm")
        for fitted in [MODELS[name].fit(table)]
    }
    assert all(np.array_equal(each, efficient["mean"]) for each in efficient.values())
    assert 0 < efficient["mean"].sum() < len(table)


def test_multidirectional_shares(table):
    x, y = arrays(table)
    found = MultiDirectional(**FOUR, orientation="none").fit(table)
    columns = ("value", "ideal", "reached", "share")
    parts = found.potentials().pivot(index="unit", columns="good", values=list(columns))
    value, ideal, reached, share = (parts[name][GOODS].to_numpy(float) for name in columns)
    np.testing.assert_allclose(reached, value + found.inefficiency[:, None] * (ideal - value), rtol=EXACT)
    np.testing.assert_allclose(share, reached / value, rtol=EXACT)
    np.testing.assert_allclose(found.efficiency, share[:, :2].mean(axis=1) / share[:, 2:].mean(axis=1), rtol=EXACT)
    # With one good that moves β is all of the way, and the efficiency is the radial one.
    one = {"inputs": ["x1"], "outputs": ["y1", "y2"], "unit": "unit"}
    single, radial = MultiDirectional(**one).fit(table), DEA(**one).fit(table).efficiency
    np.testing.assert_allclose(single.efficiency, radial, rtol=EXACT)
    np.testing.assert_allclose(single.inefficiency, radial < 1 - EXACT, atol=EXACT)


def test_cross_efficiency_by_hand():
    # Two inputs for one output: A is best in a, B in b, C in the middle; D is behind all.
    frame = pd.DataFrame({"unit": list("ABCD"), "a": [1.0, 4, 2, 4], "b": [4.0, 1, 2, 4], "y": 1.0})
    with pytest.warns(BenchmodelsWarning, match="few"):
        found = CrossEfficiency(inputs=["a", "b"], outputs=["y"], unit="unit", goal="aggressive").fit(frame)
    # A's worst prices for the others: all weight on a, so that they come to 1/4, 1/2, 1/4.
    np.testing.assert_allclose(found.matrix().loc[0, list("ABCD")].astype(float), [1, 0.25, 0.5, 0.25], atol=EXACT)
    seen = found.raters().set_index("unit")
    np.testing.assert_allclose(seen["own"], [1, 1, 1, 0.5], rtol=EXACT)
    rating = found.ratings
    others = (rating.sum(axis=0) - np.diag(rating)) / 3
    np.testing.assert_allclose(seen["others"], others, rtol=EXACT)
    np.testing.assert_allclose(seen["maverick"], (seen["own"] - others) / others, rtol=EXACT)
    np.testing.assert_allclose(seen["mean"], rating.mean(axis=0), rtol=EXACT)


def test_second_goals_are_in_order(table):
    kind, harsh = (CrossEfficiency(**FOUR, goal=goal).fit(table) for goal in ("benevolent", "aggressive"))
    assert np.all(np.nanmean(kind.ratings, axis=1) >= np.nanmean(harsh.ratings, axis=1) - 0.05)
    np.testing.assert_allclose(np.diag(kind.ratings), np.diag(harsh.ratings), rtol=EXACT)
    own = DEA(**FOUR, returns="crs").fit(table).efficiency
    np.testing.assert_allclose(np.diag(kind.ratings), own, rtol=EXACT)
    assert kind.ratings.min() >= 0 and kind.ratings.max() <= 1 + EXACT


def test_a_rater_without_prices_is_counted_and_named():
    frame = pd.DataFrame({"unit": list("ABC"), "a": [1.0, 1, 2], "b": [0.0, 1, 1], "y": [1.0, 1.5, 1]})
    model = CrossEfficiency(inputs=["a", "b"], outputs=["y"], unit="unit", goal="aggressive", surrogate="difference")
    with pytest.warns(PartialResultWarning, match="1 of 3 units have no prices.*'A'"):
        found = model.fit(frame)
    assert np.isnan(found.ratings[0]).all() and np.isfinite(found.efficiency).all()
    np.testing.assert_allclose(found.efficiency, found.ratings[1:].mean(axis=0))


@pytest.mark.parametrize("name", MODELS)
def test_units_of_measure(table, name):
    # Only slacks that are added up as they are, or by amounts that are named, depend on units of measure.
    factor = pd.Series({"x1": 1e6, "x2": 1e-6, "y1": 1e3, "y2": 1e-9})
    first, scaled = (
        score(MODELS[name].fit(t)) for t in (table, table.assign(**{g: table[g] * factor[g] for g in GOODS}))
    )
    if name in ("unit", "named"):
        assert not np.allclose(scaled, first, rtol=1e-3)
    else:
        np.testing.assert_allclose(scaled, first, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_where_zero_is(table, name):
    # Under variable returns sums of slacks, range and bounds do not depend on it; means and shares do.
    moved = table.assign(**{good: table[good] + shift for good, shift in zip(GOODS, (7.0, 3, 5, 2), strict=True)})
    first, shifted = (MODELS[name].fit(t) for t in (table, moved))
    if name in ("unit", "ram", "bam", "named"):
        np.testing.assert_allclose(score(shifted), score(first), atol=1e-8)
    elif name == "mea":
        np.testing.assert_allclose(shifted.inefficiency, first.inefficiency, atol=1e-8)
        assert not np.allclose(shifted.efficiency, first.efficiency, atol=1e-3)
    else:
        assert not np.allclose(score(shifted), score(first), atol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_rows_labels_and_kinds_of_tables(table, name):
    first = MODELS[name].fit(table)
    order = np.random.default_rng(1).permutation(len(table))
    np.testing.assert_allclose(score(MODELS[name].fit(table.iloc[order])), score(first), atol=1e-8)
    np.testing.assert_allclose(score(MODELS[name].fit(pl.from_pandas(table))), score(first), atol=1e-12)
    danish = MODELS[name].fit(table.assign(unit=[f"Ærø{i:02d} å" for i in range(len(table))]))
    np.testing.assert_allclose(score(danish), score(first), atol=1e-12)
    assert danish.unit[0] == "Ærø00 å"


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith("cross")])
def test_twins_and_units_that_are_worse_change_nothing(table, name):
    if name == "mean":
        return  # Means are those of the units that are there.
    worse = table.iloc[:5].assign(
        x1=table["x1"].max(), x2=table["x2"].max(), y1=table["y1"].min(), y2=table["y2"].min()
    )
    more = pd.concat(
        [table, table.assign(unit="twin " + table["unit"]), worse.assign(unit=[f"V{i}" for i in range(5)])]
    )
    first, many = MODELS[name].fit(table), MODELS[name].fit(more)
    kept = pd.DataFrame({"unit": many.unit, "e": many.efficiency, "i": many.inefficiency}).set_index("unit")
    np.testing.assert_allclose(np.nan_to_num(kept.loc[first.unit].to_numpy(float).T.ravel()), score(first), atol=1e-8)


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith("cross")])
def test_targets_are_reached_by_peers(table, name):
    found = MODELS[name].fit(table)
    targets = found.targets().pivot(index="unit", columns="good", values="target")[GOODS]
    goods = table.set_index("unit")[GOODS]
    peers = found.peers()
    made = peers[["unit"]].assign(**{g: peers["weight"] * goods[g].loc[peers["peer"]].to_numpy() for g in GOODS})
    np.testing.assert_allclose(made.groupby("unit")[GOODS].sum(), targets, rtol=1e-8)
    slack = found.slacks().set_index("unit")
    assert slack.columns.tolist() == GOODS and slack.to_numpy().min() >= 0
    # What is reached has no slack that counts left.
    again = found.evaluate(targets.mul([1, 1, 1 - 1e-9, 1 - 1e-9]).reset_index())
    assert set(again.status) == {"solved"}
    # β is a share of what is left to go, and BAM's weights grow without bound near the best: of rounding, here.
    if name in ("mea", "mea none"):
        np.testing.assert_allclose(again.efficiency, 1, atol=1e-6)
    elif not name.startswith("bam"):
        assert again.inefficiency.max() < 1e-6


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith("cross")])
def test_evaluate(table, name):
    found = MODELS[name].fit(table)
    again = found.evaluate(table.assign(unit="new " + table["unit"]))
    assert set(again.status) <= {"solved"}
    np.testing.assert_allclose(score(again), score(found), atol=1e-8)
    better = table.iloc[:1].assign(x1=1e-3, x2=1e-3)
    with pytest.warns(PartialResultWarning, match="1 of 1 units of the units evaluated"):
        beyond = found.evaluate(better)
    assert beyond.status.tolist() == ["infeasible"] and np.isnan(beyond.inefficiency).all()


@pytest.mark.parametrize("model", [Additive(**FOUR, weights="bam"), SlackBased(**FOUR), MultiDirectional(**FOUR)])
def test_who_may_be_a_peer(table, model):
    kinds = replace(model, environment={"kind": "same"}).fit(table)
    if not isinstance(model, Additive):
        # Of shares of its own goods nothing is left of the others; means, ranges and bounds are those of all units.
        for kind in ("town", "country"):
            at = table["kind"].to_numpy() == kind
            np.testing.assert_allclose(kinds.efficiency[at], model.fit(table[at]).efficiency, rtol=1e-8)
    listed = replace(model, peers={"U00": ["U01"]}).fit(table)
    assert set(listed.peers().query("unit == 'U00'")["peer"]) <= {"U00", "U01"}
    near = replace(model, composition=["a"], nearest=10).fit(table)
    assert set(near.comparables) == {10}
    ruggiero = replace(model, environment={"place": "high"}).fit(table)
    place, peers = table.set_index("unit")["place"], ruggiero.peers()
    assert np.all(place[peers["peer"]].to_numpy() <= place[peers["unit"]].to_numpy())
    first = model.fit(table)
    for held in (kinds, listed, near, ruggiero):
        # The way to another ideal point may lead further; fewer peers leave no more slack.
        assert np.all(held.inefficiency <= first.inefficiency + 1e-8) or isinstance(model, MultiDirectional)


def test_goods_that_nobody_can_change(table):
    x, y = arrays(table)
    still = {"nondiscretionary": ["x2"]}
    found = SlackBased(**FOUR, orientation="input", **still).fit(table)
    weight = np.array([1.0, 0, 0, 0])
    wanted = [1 - plain_measures.additive(x, y, x[i], y[i], weight / x[i, 0], "vrs") for i in range(len(x))]
    np.testing.assert_allclose(found.efficiency, wanted, rtol=SOLVER)
    ram = Additive(**FOUR, weights="ram", **still).fit(table)
    weight = np.array([1.0, 0, 1, 1]) / 3 / np.ptp(np.column_stack([x, y]), axis=0)
    wanted = [plain_measures.additive(x, y, x[i], y[i], weight, "vrs") for i in range(len(x))]
    np.testing.assert_allclose(ram.inefficiency, wanted, rtol=SOLVER, atol=SOLVER)
    way = MultiDirectional(**FOUR, **still).fit(table)
    assert np.all(way.found.potential[:, 1] == 0)


def test_goods_that_a_unit_has_nothing_of(table):
    bare = table.copy()
    bare.loc[3, "y1"], bare.loc[4, "x2"] = 0.0, 0.0
    found = SlackBased(**FOUR).fit(bare)
    assert set(found.status) == {"solved"} and np.all((found.efficiency > 0) & (found.efficiency <= 1))
    # A unit's means are over what it has: that of U03 over one output, by the program for that output.
    x, y = arrays(bare)
    out = Russell(**FOUR, orientation="output").fit(bare)
    wanted = 1 + plain_measures.additive(x, y, x[3], y[3], [0, 0, 0, 1 / y[3, 1]], "vrs")
    np.testing.assert_allclose(out.expansion[3], wanted, rtol=SOLVER)
    shares = MultiDirectional(**FOUR).fit(bare).potentials().set_index(["unit", "good"])["share"]
    assert np.isnan(shares["U04", "x2"]) and np.isfinite(shares["U04", "x1"])


@pytest.mark.parametrize("model", [SlackBased(**FOUR, orientation="input"), MultiDirectional(**FOUR)])
def test_a_unit_with_nothing_that_moves(table, model):
    bare = table.assign(x1=np.where(table["unit"] == "U05", 0.0, table["x1"]))
    with pytest.raises(DataError, match="nothing counts for 'U05'"):
        replace(model, nondiscretionary=["x2"]).fit(bare)


def test_amounts_below_zero(table):
    below = table.assign(**{good: table[good] - 5 for good in GOODS})
    for name in ("unit", "ram", "bam"):
        np.testing.assert_allclose(score(MODELS[name].fit(below)), score(MODELS[name].fit(table)), atol=1e-8)
    for name in ("mean", "bam crs", "sbm", "russell", "mea", "cross"):
        with pytest.raises(DataError, match="is negative"):
            MODELS[name].fit(below)


def test_collinear_goods_and_goods_far_apart(table):
    twice = table.assign(x2=2 * table["x1"])
    one = {"inputs": ["x1"], "outputs": ["y1", "y2"], "unit": "unit"}
    for kind in (SlackBased, MultiDirectional):
        many, single = kind(**FOUR, orientation="input").fit(twice), kind(**one, orientation="input").fit(twice)
        np.testing.assert_allclose(many.efficiency, single.efficiency, rtol=1e-8)
    far = table.assign(x1=table["x1"] * 1e9, y2=table["y2"] * 1e-9)
    assert set(SlackBased(**FOUR).fit(far).status) == {"solved"}
    uneven = table.assign(x1=np.where(table["unit"] == "U01", 1e-9, table["x1"]))
    for name in MODELS:
        if not name.startswith("cross"):
            assert set(MODELS[name].fit(uneven).status) == {"solved"}
    # At the prices that are worst for the others, all on the first input, this rater is worth next to nothing itself.
    with pytest.warns(PartialResultWarning, match="1 of 40 units have no prices.*'U01'"):
        MODELS["cross aggressive"].fit(uneven)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda t: t.iloc[:1], "at least 2 units; 'unit' has 1"),
        (lambda t: t.drop(columns="x1"), "no column 'x1'"),
        (lambda t: t.assign(y2=0.0), "'y2' is zero for every unit"),
    ],
)
def test_a_bad_table(table, bad, message):
    for model in MODELS.values():
        with pytest.raises(DataError, match=message):
            model.fit(bad(table))


def test_bounded_targets_stay_in_the_range_of_the_data(table):
    x, y = arrays(table)
    for returns in RETURNS:
        targets = Additive(**FOUR, weights="bam", returns=returns).fit(table).targets()
        reached = targets.pivot(index="unit", columns="good", values="target")[GOODS].to_numpy()
        assert np.all(reached[:, :2] >= x.min(axis=0) - EXACT) and np.all(reached[:, 2:] <= y.max(axis=0) + EXACT)


def test_a_good_that_does_not_vary(table):
    flat = table.assign(x2=3.0)
    for name in ("ram", "bam", "sbm", "mea"):
        found = MODELS[name].fit(flat)
        assert set(found.status) == {"solved"}
    np.testing.assert_allclose(MODELS["ram"].fit(flat).slacks()["x2"], 0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_can_be_kept_and_is_read_only(table, name):
    found = MODELS[name].fit(table)
    hash(MODELS[name])
    kept = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(score(kept), score(found))
    frame = found.scores.to_frame()
    assert frame.columns.tolist() == ["unit", "efficiency", "expansion", "inefficiency", "status"]
    assert "comparables" in found.to_frame() and "40 units" in repr(found)
    for array in (found.efficiency, found.inefficiency, found.goods.goods):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 2.0


def test_a_certificate(table):
    said = MODELS["sbm"].fit(table).certificate
    assert said.startswith("40 of 40 programs solved, 0 of them one by one")


def test_what_is_not_solved_is_counted_and_named(table, monkeypatch):
    def failing(*arguments, **options):
        found = largest_slacks(*arguments, **options)
        found.status[7], found.total[7] = STALLED, np.nan
        return found

    monkeypatch.setattr(slacks, "largest_slacks", failing)
    with pytest.warns(PartialResultWarning, match="1 of 40 units have no efficiency.*'U07'"):
        found = MODELS["ram"].fit(table)
    assert found.status[7] == "not solved" and np.isnan(found.efficiency[7])


def test_few_units_for_many_goods():
    frame = pd.DataFrame({"unit": ["A", "B"], "x1": [1.0, 2], "x2": [2.0, 2], "y1": [1.0, 1], "y2": [1.0, 2]})
    for model in MODELS.values():
        with pytest.warns(BenchmodelsWarning, match="2 units are few for 2 inputs"):
            model.fit(frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y1": np.inf}, "must be finite"),
        ({"x1": np.nan}, "missing values in 1 column"),
        ({"unit": "U03"}, "more than one row"),
        ({"x1": "much"}, "must be a number"),
    ],
)
def test_a_bad_row(table, change, message):
    bad = table.astype({"unit": object} | {name: object for name, value in change.items() if value == "much"})
    for name, value in change.items():
        bad.loc[2, name] = value
    for model in MODELS.values():
        with pytest.raises(DataError, match=message):
            model.fit(bad)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (Additive, {"weights": "sd"}, "weights='sd'; allowed are 'unit', 'mean', 'ram', 'bam'"),
        (Additive, {"weights": {"z": 1.0}}, "give amounts"),
        (Additive, {"weights": {"x1": -1.0}}, "give amounts"),
        (Additive, {"weights": {"x1": np.nan}}, "give amounts"),
        (Additive, {"weights": {"x1": 0.0}}, "give amounts"),
        (Additive, {"weights": {"x1": 1.0}, "nondiscretionary": ["x1"]}, "give amounts.*'x2', 'y1', 'y2'"),
        (Additive, {"returns": "ccr"}, "returns='ccr'"),
        (Additive, {"nondiscretionary": GOODS}, "is nondiscretionary"),
        (Additive, {"nondiscretionary": ["z"]}, "neither input nor output"),
        (Additive, {"nondiscretionary": "x1"}, "give a list"),
        (SlackBased, {"orientation": "graph"}, "allowed are 'none', 'input', 'output'"),
        (SlackBased, {"orientation": "input", "nondiscretionary": ["x1", "x2"]}, "is nondiscretionary"),
        (Russell, {"orientation": "graph"}, "SlackBased"),
        (Russell, {"orientation": "none"}, "SlackBased"),
        (MultiDirectional, {"orientation": "graph"}, "allowed are 'input', 'output', 'none'"),
        (MultiDirectional, {"returns": (2.0, 3.0)}, "bounds of the sum"),
        (CrossEfficiency, {"returns": "vrs"}, "negative without bound"),
        (CrossEfficiency, {"goal": "arbitrary"}, "whichever prices a solver ends with"),
        (CrossEfficiency, {"surrogate": "sum"}, "allowed are 'ratio', 'difference'"),
        (CrossEfficiency, {"peers": {"U00": ["U01"]}}, "every unit rates every other"),
        (CrossEfficiency, {"environment": {"place": "high"}}, "every unit rates every other"),
    ],
)
def test_options_that_cannot_be_meant(make, options, message):
    with pytest.raises(SpecificationError, match=message):
        make(**{**FOUR, **options})


@pytest.mark.parametrize("model", [Russell(**FOUR), SlackBased(**FOUR, orientation="output"), MultiDirectional(**FOUR)])
def test_compare(table, model):
    found = model.fit(table)
    compared = found.compare()
    np.testing.assert_array_equal(compared.expected, found.efficiency)
    assert all("bootstrap of DEA alone" in why for why in compared.withheld)


@pytest.mark.parametrize("name", ["ram", "sbm", "mea none"])
def test_compare_needs_a_side(table, name):
    with pytest.raises(SpecificationError, match="compare needs an efficiency, by orientation='input' or 'output'"):
        MODELS[name].fit(table).compare()
