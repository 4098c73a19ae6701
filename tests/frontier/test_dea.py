"""The public face of data envelopment: published numbers, what must and must not change it, and what it refuses."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import linprog

from benchmodels.errors import (
    BenchmodelsWarning,
    DataError,
    DroppedRowsWarning,
    PartialResultWarning,
    SpecificationError,
)
from benchmodels.frontier import DEA, FDH, programs
from benchmodels.kernels.shared_simplex import STALLED
from benchmodels.ranking import rank

# Fried, Lovell & Schmidt's eleven units, as DataEnvelopmentAnalysis.jl has them.
ELEVEN = pd.DataFrame(
    {
        "unit": np.arange(1, 12),
        "x1": [5.0, 16, 16, 17, 18, 23, 25, 27, 37, 42, 5],
        "x2": [13.0, 12, 26, 15, 14, 6, 10, 22, 14, 25, 17],
        "y": [12.0, 14, 25, 26, 8, 9, 27, 30, 31, 26, 12],
    }
)
# Bogetoft & Otto's six firms.
SIX = pd.DataFrame({"unit": list("ABCDEF"), "x": [20.0, 40, 40, 60, 70, 50], "y": [20.0, 30, 50, 40, 60, 20]})
ONE = {"inputs": ["x"], "outputs": ["y"], "unit": "unit"}
TWO = {"inputs": ["x1", "x2"], "outputs": ["y"], "unit": "unit"}
FOUR = {"inputs": ["x1", "x2"], "outputs": ["y1", "y2"], "unit": "unit"}
GOODS = ["x1", "x2", "y1", "y2"]
INFINITE = {"vrs": (1, 1), "crs": (0, np.inf), "drs": (0, 1), "irs": (1, np.inf)}
# Circles of comparable units are small here on purpose; the test of the warning has it back.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*held against few others:benchmodels.errors.BenchmodelsWarning",
    "ignore:.*held against the others:benchmodels.errors.PartialResultWarning",
)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(20)
    n = 40
    x = rng.uniform(2, 9, (n, 2))
    y = np.sqrt(x) * rng.uniform(0.3, 1, (n, 1)) * rng.uniform(0.7, 1.3, (n, 2))
    frame = pd.DataFrame(np.column_stack([x, y]), columns=GOODS)
    frame.insert(0, "unit", [f"U{i:02d}" for i in range(n)])
    return frame.assign(
        place=rng.integers(1, 6, n), kind=rng.choice(["town", "country"], n), a=rng.normal(size=n), b=rng.normal(size=n)
    )


def plain(x, y, x0, y0, *, returns="vrs", orientation="input", moving=None):
    """Return the distance of one point to the units x, y by one program as in a textbook."""
    n, m, s = len(x), x.shape[1], y.shape[1]
    low, high = INFINITE[returns]
    moving = np.ones(m + s, dtype=bool) if moving is None else np.asarray(moving)
    if orientation == "input":
        step = np.concatenate([x0, np.zeros(s)]) * moving
    elif orientation == "output":
        step = np.concatenate([np.zeros(m), y0]) * moving
    else:
        step = np.concatenate([x0, y0]) * moving
    above = np.column_stack([np.concatenate([x.T, -y.T]), step])
    total = np.append(np.ones(n), 0.0)
    rows, limit = [above], [np.concatenate([x0, -y0])]
    if np.isfinite(high):
        rows, limit = [*rows, total[None]], [*limit, [high]]
    if low:
        rows, limit = [*rows, -total[None]], [*limit, [-low]]
    bounds = [(0, None)] * n + [(None, None)]
    found = linprog(np.append(np.zeros(n), -1.0), np.concatenate(rows), np.concatenate(limit), bounds=bounds)
    return -found.fun if found.status == 0 else np.nan


def arrays(frame):
    return frame[["x1", "x2"]].to_numpy(), frame[["y1", "y2"]].to_numpy()


def wide(fit, column):
    return fit.targets()[column].to_numpy().reshape(len(fit.unit), -1)


# Published numbers.


def test_eleven_units():
    crs = DEA(**TWO, returns="crs").fit(ELEVEN)
    expected = [
        1, 0.6222896791, 0.8198562444, 1, 0.3103709311, 0.5555555556, 1, 0.7576690896, 0.8201058201, 0.4905660377, 1,
    ]  # fmt: skip
    np.testing.assert_allclose(crs.efficiency, expected, atol=1e-10)
    slack = np.zeros((11, 3))
    slack[5, 0], slack[10, 1] = 4.444444444444, 4.0
    # Unit 9 is held against 31/27 of unit 7, by its second input; of the first it would use more than that.
    slack[8, 0] = 37 * 0.820105820105820 - 25 * 31 / 27
    np.testing.assert_allclose(wide(crs, "slack"), slack, atol=1e-9)
    vrs = DEA(**TWO).fit(ELEVEN).efficiency
    np.testing.assert_allclose(vrs, [1, 0.8699861687, 1, 1, 0.7116402116, 1, 1, 1, 1, 0.4931209269, 1], atol=1e-10)
    step = DEA(**TWO, returns="crs", orientation="directional").fit(ELEVEN).inefficiency
    expected = [0, 0.232825, 0.098988, 0, 0.526285, 0.285714, 0, 0.137871, 0.098837, 0.341772, 0]
    np.testing.assert_allclose(step, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ("vrs", [1, 2 / 3, 1, 5 / 9, 1, 0.4]),
        ("drs", [0.8, 0.6, 1, 8 / 15, 1, 0.32]),
        ("crs", [0.8, 0.6, 1, 8 / 15, 24 / 35, 0.32]),
        ("irs", [1, 2 / 3, 1, 5 / 9, 24 / 35, 0.4]),
    ],
)
def test_six_firms(returns, expected):
    np.testing.assert_allclose(DEA(**ONE, returns=returns).fit(SIX).efficiency, expected, rtol=1e-12)


def test_three_hospitals():
    """Cooper, Seiford and Tone's example of costs: its technical part."""
    table = pd.DataFrame({"unit": list("ABC"), "x1": [3.0, 1, 4], "x2": [2.0, 3, 6], "y": [3.0, 5, 6]})
    with pytest.warns(BenchmodelsWarning, match="few"):
        fit = DEA(**TWO, returns="crs").fit(table)
    np.testing.assert_allclose(fit.efficiency, [0.9, 1, 0.6], atol=1e-9)


def test_six_firms_beyond_the_others_and_by_graph():
    assert DEA(**ONE, returns=(0, np.inf)).fit(SIX).efficiency == pytest.approx([0.8, 0.6, 1, 8 / 15, 24 / 35, 0.32])
    beyond = DEA(**ONE).fit(SIX).super_efficiency()
    np.testing.assert_allclose(beyond.efficiency, [2, 2 / 3, 1.4375, 5 / 9, np.nan, 0.4], rtol=1e-12)
    assert beyond.status.tolist() == ["solved"] * 4 + ["infeasible", "solved"]
    graph = DEA(**ONE, orientation="graph").fit(SIX)
    np.testing.assert_allclose(graph.efficiency, [1, 0.79533, 1, 0.76865, 1, 0.58735], atol=1e-5)
    crs = DEA(**ONE, orientation="graph", returns="crs").fit(SIX)
    np.testing.assert_allclose(crs.efficiency**2, DEA(**ONE, returns="crs").fit(SIX).efficiency, rtol=1e-10)
    assert np.isnan(graph.inefficiency).all()


def test_scale_of_six_firms():
    frame = DEA(**ONE).fit(SIX).scale()
    assert frame.columns.tolist() == ["unit", "crs", "vrs", "drs", "scale_efficiency", "returns"]
    np.testing.assert_allclose(frame["scale_efficiency"], [0.8, 0.9, 1, 0.96, 24 / 35, 0.8])
    assert frame["returns"].tolist() == ["increasing", "increasing", "constant", "increasing", "decreasing"] + [
        "increasing"
    ]
    with pytest.raises(SpecificationError, match="scale needs an efficiency"):
        DEA(**ONE, orientation="graph").fit(SIX).scale()


# Plain loops and identities.


@pytest.mark.parametrize("orientation", ["input", "output", "directional"])
@pytest.mark.parametrize("returns", INFINITE)
def test_plain_programs(table, returns, orientation):
    fit = DEA(**FOUR, returns=returns, orientation=orientation).fit(table)
    x, y = arrays(table)
    step = np.array([plain(x, y, x[i], y[i], returns=returns, orientation=orientation) for i in range(len(x))])
    ours = {"input": 1 - fit.efficiency, "output": fit.expansion - 1, "directional": fit.inefficiency}[orientation]
    np.testing.assert_allclose(ours, step, atol=1e-9)
    assert 3 <= (np.abs(step) < 1e-9).sum() < 30, "a table in which something is to be found"


def test_nesting(table):
    by = {returns: DEA(**FOUR, returns=returns).fit(table).efficiency for returns in INFINITE}
    hull = FDH(**FOUR).fit(table).efficiency
    for above, below in [(hull, by["vrs"]), (by["vrs"], by["drs"]), (by["vrs"], by["irs"]), (by["drs"], by["crs"])]:
        assert np.all(above >= below - 1e-12)
    np.testing.assert_allclose(np.minimum(by["drs"], by["irs"]), by["crs"])
    np.testing.assert_allclose(DEA(**FOUR, returns="crs", orientation="output").fit(table).efficiency, by["crs"])


def test_inputs_that_cannot_be_changed(table):
    radial = DEA(**FOUR).fit(table).efficiency
    fit = DEA(**FOUR, nondiscretionary=["x2"]).fit(table)
    without = DEA(inputs=["x1"], outputs=["y1", "y2"], unit="unit").fit(table).efficiency
    # The input that stays bounds the comparison less than where it must fall too, and more than where it is left out.
    assert np.all(fit.efficiency <= radial + 1e-12)
    assert np.all(fit.efficiency >= without - 1e-12)
    assert np.any(fit.efficiency < radial - 0.01)
    assert np.any(fit.efficiency > without + 0.01)
    x, y = arrays(table)
    moving = [True, False, True, True]
    loop = [1 - plain(x, y, x[i], y[i], moving=moving) for i in range(len(x))]
    np.testing.assert_allclose(fit.efficiency, loop, atol=1e-9)
    targets = fit.targets().query("good == 'x2'")
    np.testing.assert_allclose(targets["target"] + targets["slack"], targets["value"])


def test_an_input_that_cannot_be_changed_by_hand():
    units = pd.DataFrame({"unit": list("abcdefghi"), "x1": [4.0, 2, 8] * 3, "x2": [1.0, 4, 2] * 3, "y": [1.0] * 9})
    fit = DEA(**TWO, nondiscretionary=["x2"]).fit(units)
    # c has x2 = 2 and may be held against a third of b and two of a: 2/3 · 4 + 1/3 · 2 = 10/3 of its 8.
    np.testing.assert_allclose(fit.efficiency[:3], [1, 1, 10 / 24], rtol=1e-12)
    radial = DEA(**TWO).fit(units)
    # Radially along (8, 2): the line from a to b is x2 = 7 - 1.5 x1, met at x1 = 4: above a's 1, so θ = 1/2.
    np.testing.assert_allclose(radial.efficiency[:3], [1, 1, 0.5], rtol=1e-12)


@pytest.mark.parametrize("kind", ["high", "low", "same"])
def test_environment(table, kind):
    fit = DEA(**FOUR, environment={"place": kind}).fit(table)
    assert np.all(fit.efficiency >= DEA(**FOUR).fit(table).efficiency - 1e-12)
    place = table["place"].to_numpy()
    for i, unit in enumerate(table["unit"]):
        some = {"high": place <= place[i], "low": place >= place[i], "same": place == place[i]}[kind]
        x, y = arrays(table)
        assert fit.efficiency[i] == pytest.approx(1 - plain(x[some], y[some], x[i], y[i]), abs=1e-9)
        for pairs in (fit.peers(), fit.possible_peers()):
            assert set(pairs.loc[pairs["unit"] == unit, "peer"]) <= set(table["unit"][some])


def test_environments_together_and_in_words(table):
    fit = DEA(**FOUR, environment={"kind": "same", "place": "high"}).fit(table)
    x, y = arrays(table)
    for i in (0, 7, 23):
        some = ((table["kind"] == table["kind"][i]) & (table["place"] <= table["place"][i])).to_numpy()
        assert fit.efficiency[i] == pytest.approx(1 - plain(x[some], y[some], x[i], y[i]), abs=1e-9)
    new = fit.evaluate(table.iloc[[7]].assign(unit="new"))
    assert new.efficiency == pytest.approx(fit.efficiency[[7]])


def test_peers_by_list(table):
    lists = {"U03": ["U01", "U30"], "U07": []}
    fit = DEA(**FOUR, peers=lists).fit(table)
    everyone = DEA(**FOUR).fit(table).efficiency
    x, y = arrays(table)
    some = [1, 3, 30]
    assert fit.efficiency[3] == pytest.approx(1 - plain(x[some], y[some], x[3], y[3]), abs=1e-9)
    assert fit.efficiency[7] == pytest.approx(1)
    rest = np.setdiff1d(np.arange(len(table)), [3, 7])
    np.testing.assert_allclose(fit.efficiency[rest], everyone[rest])
    assert fit.evaluate(table.iloc[[3]]).efficiency == pytest.approx(fit.efficiency[[3]])
    assert fit.evaluate(table.iloc[[5]]).efficiency == pytest.approx(everyone[[5]])


def test_nearest(table):
    fit = DEA(**FOUR, composition=["a", "b"], nearest=15).fit(table)
    z = table[["a", "b"]].to_numpy()
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    x, y = arrays(table)
    for i in range(len(table)):
        some = np.argsort(((z - z[i]) ** 2).sum(axis=1))[:15]
        assert fit.efficiency[i] == pytest.approx(1 - plain(x[some], y[some], x[i], y[i]), abs=1e-9)
    np.testing.assert_allclose(
        DEA(**FOUR, composition=["a"], nearest=40).fit(table).efficiency, DEA(**FOUR).fit(table).efficiency
    )


@pytest.mark.parametrize("orientation", ["input", "output", "directional", "graph"])
def test_evaluate(table, orientation):
    fit = DEA(**FOUR, orientation=orientation).fit(table)
    same = fit.evaluate(table).to_frame()
    pd.testing.assert_frame_equal(same, fit.scores.to_frame(), atol=1e-10)
    half, rest = table.iloc[:20], table.iloc[20:]
    scores = DEA(**FOUR, returns="crs").fit(half).evaluate(rest)
    whole = DEA(**FOUR, returns="crs").fit(table).efficiency[20:]
    assert np.all(scores.efficiency >= whole - 1e-12)
    assert np.any(scores.efficiency > 1)


def test_evaluate_along_the_mean_of_the_frontier(table):
    model = DEA(**FOUR, orientation="directional", direction="mean")
    half, rest = table.iloc[:20], table.iloc[20:]
    mean = half[GOODS].mean().to_dict()
    given = DEA(**FOUR, orientation="directional", direction=mean).fit(half).evaluate(rest)
    np.testing.assert_allclose(model.fit(half).evaluate(rest).inefficiency, given.inefficiency, atol=1e-12)


def test_evaluate_says_who_has_no_answer(table):
    large = table.iloc[[0]].assign(y1=1e3)
    with pytest.warns(PartialResultWarning, match="1 of 1 units of the units evaluated .*no combination"):
        scores = DEA(**FOUR).fit(table).evaluate(large)
    assert scores.status.tolist() == ["infeasible"]
    assert np.isnan(scores.efficiency).all()


def test_evaluate_a_unit_without_one_output(table):
    point = table.iloc[[4]].assign(y1=0.0)
    x, y = arrays(table)
    expected = 1 - plain(x, y, x[4], np.array([0.0, y[4, 1]]))
    assert DEA(**FOUR).fit(table).evaluate(point).efficiency == pytest.approx([expected], abs=1e-9)


def test_nothing_can_be_made_of_so_little():
    units = pd.DataFrame({"unit": list("abcdefgh"), "x": [1.0] + [2.0, 3, 4, 5, 6, 7, 8][:7], "y1": [1.0] * 8})
    units["y2"] = [1.0] + [0.0] + [1.0] * 6
    units.loc[1, "x"] = 1.0
    model = DEA(inputs=["x"], outputs=["y1", "y2"], unit="unit", orientation="output")
    with pytest.warns(BenchmodelsWarning, match="are few"):
        scores = model.fit(units).super_efficiency()
    # Without a, only b does with so little, and makes none of y2: a is beyond by any factor.
    assert scores.expansion[0] == pytest.approx(0, abs=1e-12)
    assert scores.efficiency[0] == np.inf


# What stands behind a score.


@pytest.mark.parametrize("returns", ["vrs", "crs"])
@pytest.mark.parametrize("orientation", ["input", "output", "directional", "graph"])
def test_targets_are_reached_by_peers_and_efficient(table, orientation, returns):
    fit = DEA(**FOUR, orientation=orientation, returns=returns).fit(table)
    peers, target, slack = fit.peers(), wide(fit, "target"), wide(fit, "slack")
    goods = table.set_index("unit")[GOODS]
    made = np.array([
        peers.loc[peers["unit"] == unit, "weight"].to_numpy()
        @ goods.loc[peers.loc[peers["unit"] == unit, "peer"]].to_numpy()
        for unit in table["unit"]
    ])  # fmt: skip
    np.testing.assert_allclose(made, target, rtol=1e-9)
    assert np.all(slack >= 0)
    assert peers["weight"].gt(0).all()
    if returns == "vrs":
        np.testing.assert_allclose(peers.groupby("unit")["weight"].sum(), 1)
    value = wide(fit, "value")
    assert np.all(target[:, :2] <= value[:, :2] + 1e-9)
    assert np.all(target[:, 2:] >= value[:, 2:] - 1e-9)
    aims = pd.DataFrame(target, columns=GOODS).assign(unit=table["unit"])
    again = DEA(**FOUR, returns=returns).fit(pd.concat([table, aims.assign(unit="t" + aims["unit"])]))
    is_aim = np.char.startswith(again.unit.astype(str), "t")
    np.testing.assert_allclose(again.efficiency[is_aim], 1, rtol=1e-9)
    np.testing.assert_allclose(wide(again, "slack")[is_aim], 0, atol=1e-8)


def test_peers_are_in_order_and_among_the_possible(table):
    fit = DEA(**FOUR).fit(table)
    peers, possible = fit.peers(), fit.possible_peers()
    pairs = set(map(tuple, possible[["unit", "peer"]].to_numpy()))
    assert set(map(tuple, peers[["unit", "peer"]].to_numpy())) <= pairs
    for _, some in peers.groupby("unit"):
        assert some["weight"].is_monotonic_decreasing
    only = peers[peers["unique"]]
    assert set(map(tuple, only[["unit", "peer"]].to_numpy())) == {
        pair for pair in pairs if pair[0] in set(only["unit"])
    }
    efficient = fit.unit[np.abs(fit.efficiency - 1) < 1e-9]
    assert set(possible["peer"]) <= set(efficient)


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("returns", ["vrs", "crs", "drs", "irs"])
def test_multipliers(table, returns, orientation):
    fit = DEA(**FOUR, orientation=orientation, returns=returns).fit(table)
    frame = fit.multipliers()
    price = frame["price"].to_numpy().reshape(-1, 4)
    assert np.all(frame["lower"] <= frame["price"] + 1e-9)
    assert np.all(frame["price"] <= frame["upper"] + 1e-9)
    assert np.all(price >= 0)
    goods = table[GOODS].to_numpy()
    part = slice(0, 2) if orientation == "input" else slice(2, 4)
    np.testing.assert_allclose((price * goods)[:, part].sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(price * wide(fit, "slack"), 0, atol=1e-9)
    # No unit earns more at a unit's prices than its own target does; the constant that fits is of the right sign.
    signed = price * np.array([-1, -1, 1, 1])
    best = (signed * wide(fit, "target")).sum(axis=1)
    everyone = signed @ goods.T
    if returns == "vrs":
        assert np.all(everyone <= best[:, None] + 1e-9)
        return
    constant = -best
    assert np.all({"crs": np.abs(constant) < 1e-9, "drs": constant <= 1e-9, "irs": constant >= -1e-9}[returns])
    assert np.all(everyone + constant[:, None] <= 1e-9)


def test_a_certificate_and_a_name(table):
    fit = DEA(**FOUR).fit(table)
    assert fit.certificate.startswith("40 of 40 programs solved, 0 of them")
    best = (np.abs(fit.efficiency - 1) < 1e-9).sum()
    assert repr(fit) == f"DEAFit(40 units, {best} on the frontier, orientation='input', returns='vrs')"
    assert fit.scores.to_frame().columns.tolist() == ["unit", "efficiency", "expansion", "inefficiency", "status"]


# What must not change a score, and what must.


@pytest.mark.parametrize("orientation", ["input", "output", "graph", "directional"])
def test_units_of_measure(table, orientation):
    scale = 10.0 ** np.random.default_rng(3).uniform(-9, 9, 4)
    other = table.assign(**{name: table[name] * c for name, c in zip(GOODS, scale, strict=True)})
    model = DEA(**FOUR, orientation=orientation)
    a, b = model.fit(table), model.fit(other)
    np.testing.assert_allclose(a.efficiency, b.efficiency, rtol=1e-9)
    np.testing.assert_allclose(a.inefficiency, b.inefficiency, atol=1e-9)
    np.testing.assert_allclose(wide(a, "target") * scale, wide(b, "target"), rtol=1e-8)
    np.testing.assert_allclose(wide(a, "slack"), wide(b, "slack") / scale, atol=1e-8)


def test_translation(table):
    outputs, inputs = table.assign(y1=table["y1"] + 50), table.assign(x1=table["x1"] + 50)
    score = DEA(**FOUR).fit(table).efficiency
    np.testing.assert_allclose(DEA(**FOUR).fit(outputs).efficiency, score, rtol=1e-9)
    assert np.abs(DEA(**FOUR).fit(inputs).efficiency - score).max() > 0.1
    crs = [DEA(**FOUR, returns="crs").fit(some).efficiency for some in (table, outputs)]
    assert np.abs(crs[0] - crs[1]).max() > 0.1
    fixed = DEA(**FOUR, orientation="directional", direction={"x1": 1.0, "y2": 2.0})
    np.testing.assert_allclose(
        fixed.fit(inputs.assign(y1=outputs["y1"])).inefficiency, fixed.fit(table).inefficiency, atol=1e-9
    )


def test_rows_and_labels(table):
    fit = DEA(**FOUR).fit(table)
    mixed = table.sample(frac=1, random_state=4)
    other = DEA(**FOUR).fit(mixed)
    assert other.unit.tolist() == fit.unit.tolist()
    np.testing.assert_array_equal(other.efficiency, fit.efficiency)
    pd.testing.assert_frame_equal(other.targets(), fit.targets())
    name = dict(zip(table["unit"], np.random.default_rng(5).permutation(40), strict=True))
    renamed = DEA(**FOUR).fit(table.assign(unit=table["unit"].map(name)))
    score = dict(zip(renamed.unit, renamed.efficiency, strict=True))
    np.testing.assert_allclose([score[name[unit]] for unit in fit.unit], fit.efficiency, rtol=1e-10)
    pairs = {(name[a], name[b]) for a, b in fit.possible_peers().to_numpy()}
    assert pairs == set(map(tuple, renamed.possible_peers().to_numpy()))


def test_conditions_follow_their_rows(table):
    for more in ({"environment": {"place": "high", "kind": "same"}}, {"composition": ["a", "b"], "nearest": 15}):
        fit = DEA(**FOUR, **more, size="place").fit(table)
        other = DEA(**FOUR, **more, size="place").fit(table.sample(frac=1, random_state=6))
        np.testing.assert_array_equal(other.efficiency, fit.efficiency)
        np.testing.assert_array_equal(other.compare().size, table["place"])


def test_a_model_keeps_what_it_was_asked(table):
    environment, peers = {"place": "high"}, {"U01": ["U02"]}
    model = DEA(**FOUR, environment=environment, peers=peers)
    environment["place"] = "low"
    peers.clear()
    assert (model.environment, model.peers) == ({"place": "high"}, {"U01": ("U02",)})


def test_duplicates_dominated_and_more_units(table):
    score = DEA(**FOUR).fit(table).efficiency
    twice = DEA(**FOUR).fit(pd.concat([table, table.assign(unit="v" + table["unit"])]))
    np.testing.assert_allclose(twice.efficiency, np.tile(score, 2), rtol=1e-10)
    worse = table.iloc[[0]].assign(unit="worse", x1=20.0, y1=0.0)
    np.testing.assert_allclose(DEA(**FOUR).fit(pd.concat([table, worse])).efficiency[:40], score, rtol=1e-10)
    assert np.all(DEA(**FOUR).fit(table.iloc[:30]).efficiency >= score[:30] - 1e-12)


def test_collinear_and_constant_goods(table):
    single = DEA(inputs=["x1"], outputs=["y1"], unit="unit").fit(table).efficiency
    double = DEA(inputs=["x1", "c"], outputs=["y1"], unit="unit").fit(table.assign(c=2 * table["x1"]))
    np.testing.assert_allclose(double.efficiency, single, rtol=1e-10)
    constant = DEA(inputs=["x1", "c"], outputs=["y1"], unit="unit").fit(table.assign(c=3.0))
    np.testing.assert_allclose(constant.efficiency, 1, rtol=1e-10)
    assert (wide(constant, "slack")[:, 0] > 0.1).any(), "efficient by the radius alone, which slacks tell"


def test_zeros_are_goods(table):
    some = table.copy()
    some.loc[[0, 1, 2], "y1"] = 0.0
    some.loc[[3, 4], "x2"] = 0.0
    fit = DEA(**FOUR).fit(some)
    x, y = arrays(some)
    np.testing.assert_allclose(
        fit.efficiency, [1 - plain(x, y, x[i], y[i]) for i in range(len(x))], atol=1e-9, rtol=1e-9
    )
    assert (fit.status == "solved").all()


def test_tables_of_other_kinds(table):
    fit = DEA(**FOUR).fit(table)
    np.testing.assert_array_equal(DEA(**FOUR).fit(pl.from_pandas(table)).efficiency, fit.efficiency)
    np.testing.assert_array_equal(DEA(**FOUR).fit(table.set_index("kind")).efficiency, fit.efficiency)


@pytest.mark.parametrize("orientation", ["input", "output", "directional", "graph"])
def test_a_large_table_is_searched_for_its_frame_first(table, orientation, monkeypatch):
    fit = DEA(**FOUR, orientation=orientation).fit(table)
    expected, peers, beyond = fit.scores.to_frame(), fit.possible_peers(), fit.super_efficiency().to_frame()
    monkeypatch.setattr(programs, "_MANY", 10)
    again = DEA(**FOUR, orientation=orientation).fit(table)
    pd.testing.assert_frame_equal(again.scores.to_frame(), expected, rtol=1e-9, atol=1e-10)
    pd.testing.assert_frame_equal(again.possible_peers(), peers)
    pd.testing.assert_frame_equal(again.super_efficiency().to_frame(), beyond, rtol=1e-9, atol=1e-10)
    pd.testing.assert_frame_equal(again.evaluate(table).to_frame(), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("returns", INFINITE)
@pytest.mark.parametrize("orientation", ["input", "output", "directional"])
def test_beyond_the_others_by_a_plain_loop(table, orientation, returns):
    x, y = arrays(table)
    loop = []
    for i in range(len(x)):
        some = np.arange(len(x)) != i
        loop.append(plain(x[some], y[some], x[i], y[i], returns=returns, orientation=orientation))
    scores = DEA(**FOUR, orientation=orientation, returns=returns).fit(table).super_efficiency()
    ours = {"input": 1 - scores.efficiency, "output": scores.expansion - 1, "directional": scores.inefficiency}
    np.testing.assert_allclose(ours[orientation], loop, atol=1e-8)
    np.testing.assert_array_equal(scores.status == "infeasible", np.isnan(loop))


def test_beyond_the_others_of_its_kind(table):
    x, y = arrays(table)
    kind = table["kind"].to_numpy()
    loop = []
    for i in range(len(x)):
        some = (kind == kind[i]) & (np.arange(len(x)) != i)
        loop.append(1 - plain(x[some], y[some], x[i], y[i]))
    scores = DEA(**FOUR, environment={"kind": "same"}).fit(table).super_efficiency()
    np.testing.assert_allclose(scores.efficiency, loop, atol=1e-8)


def test_slacks_are_the_largest(table):
    # Of rounded goods many peers are as good; the sum of slacks, in means of the goods, is the largest there is.
    some = table.assign(**{name: np.ceil(table[name]) for name in GOODS})
    fit = DEA(**FOUR).fit(some)
    x, y = arrays(some)
    mean = some[GOODS].mean().to_numpy()
    ours = (wide(fit, "slack") / mean).sum(axis=1)
    n = len(x)
    for i in range(n):
        rows = np.zeros((5, n + 4))
        rows[:4, :n] = np.column_stack([x, y]).T
        rows[:4, n:] = np.diag([1.0, 1, -1, -1])
        rows[4, :n] = 1
        limit = np.concatenate([fit.efficiency[i] * x[i] * (1 + 1e-12), y[i], [1]])
        best = linprog(-np.concatenate([np.zeros(n), 1 / mean]), A_eq=rows, b_eq=limit)
        assert best.status == 0
        assert ours[i] == pytest.approx(-best.fun, abs=1e-6)
    assert (ours > 0.1).sum() >= 3


@pytest.mark.parametrize("more", [{}, {"environment": {"place": "high"}}, {"composition": ["a"], "nearest": 20}])
def test_a_fit_can_be_kept(table, more):
    fit = DEA(**FOUR, **more).fit(table)
    before = fit.peers()
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.efficiency, fit.efficiency)
    pd.testing.assert_frame_equal(again.peers(), before)


# A comparison, and that it claims no more than it knows.


def test_compare_one_input():
    fit = DEA(**ONE, size="people").fit(SIX.assign(people=[1.0, 2, 2, 3, 3, 4]))
    ratio, difference = fit.compare(), fit.compare(contrast="difference", better=None)
    np.testing.assert_array_equal(ratio.observed, SIX["x"])
    np.testing.assert_allclose(ratio.expected, SIX["x"] * fit.efficiency)
    np.testing.assert_allclose(ratio.estimate, 1 / fit.efficiency)
    np.testing.assert_allclose(difference.estimate, [0, 20 / 3, 0, 80 / 9, 0, 7.5], atol=1e-12)
    assert (ratio.null, difference.null) == (1, 0)
    assert (ratio.better, difference.better) == ("low", None)


def test_compare_many_inputs(table):
    for orientation in ("input", "output"):
        fit = DEA(**FOUR, orientation=orientation).fit(table)
        comparison = fit.compare()
        np.testing.assert_array_equal(comparison.observed, 1)
        np.testing.assert_allclose(comparison.expected, fit.efficiency)
        np.testing.assert_array_equal(comparison.size, 1)


@pytest.mark.parametrize("contrast", ["ratio", "difference"])
def test_uncertainty_is_withheld(table, contrast):
    comparison = DEA(**FOUR).fit(table).compare(contrast=contrast)
    assert all("by a bootstrap of DEA alone" in why for why in comparison.withheld)
    for values in (comparison.lower, comparison.upper, comparison.std_error, comparison.null_std_error):
        assert np.isnan(values).all()
    with pytest.raises(SpecificationError, match="0 of 40 have one"):
        rank(comparison)


def test_compare_refuses(table):
    for orientation in ("graph", "directional"):
        with pytest.raises(SpecificationError, match="compare needs an efficiency"):
            DEA(**FOUR, orientation=orientation).fit(table).compare()
    with pytest.raises(SpecificationError, match="contrast='rate'"):
        DEA(**FOUR).fit(table).compare(contrast="rate")
    for name, values in (("kind", table["kind"]), ("none", 0.0)):
        with pytest.raises(DataError, match=f"size '{name}' must be a positive number"):
            DEA(**FOUR, size=name).fit(table.assign(**{name: values})).compare()


# Refusals.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y1": -1.0}, "'y1' is negative for 'U02'.*shifting it would change the answer"),
        ({"x1": np.inf}, "'x1' is an input and must be finite"),
        ({"x1": np.nan}, "missing values in 1 column"),
        ({"unit": None}, "missing values in 1 column"),
        ({"x1": 0.0, "x2": 0.0}, "a unit that uses nothing has no efficiency.*'U02'"),
        ({"y1": 0.0, "y2": 0.0}, "a unit that makes nothing has no efficiency.*'U02'"),
        ({"unit": "U03"}, "have more than one row: 'U03'"),
        ({"unit": 3}, "mixes numbers and text"),
    ],
)
def test_a_bad_row(table, change, message):
    bad = table.astype({"unit": object})
    for name, value in change.items():
        bad.loc[2, name] = value
    for model in (DEA(**FOUR), FDH(**FOUR)):
        with pytest.raises(DataError, match=message):
            model.fit(bad)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda t: t.iloc[:0], "no rows"),
        (lambda t: t.iloc[:1], "at least 2 units; 'unit' has 1"),
        (lambda t: t.drop(columns="x1"), "no column 'x1'"),
        (lambda t: t.assign(y2=0.0), "'y2' is zero for every unit"),
        (lambda t: t.assign(x1=t["kind"]), "'x1' is an input and must be a number"),
        (lambda t: t.assign(x1=np.where(t["unit"] == "U05", 0.0, t["x1"])), ""),
    ],
)
def test_a_bad_table(table, bad, message):
    if message:
        with pytest.raises(DataError, match=message):
            DEA(**FOUR).fit(bad(table))
    else:
        with pytest.raises(DataError, match="nothing moves for 'U05'"):
            DEA(**FOUR, nondiscretionary=["x2"]).fit(bad(table))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "x1"}, "inputs='x1'; give a list"),
        ({"returns": "ccr"}, "returns='ccr'"),
        ({"returns": (1.2, 1.5)}, "bounds of the sum"),
        ({"orientation": "in"}, "orientation='in'"),
        ({"missing": "ignore"}, "missing='ignore'"),
        ({"nondiscretionary": ["z"]}, "neither input nor output"),
        ({"nondiscretionary": ["x1", "x2"]}, "is nondiscretionary"),
        ({"environment": {"x1": "high"}}, "both a good and an environment"),
        ({"environment": ["place"]}, "which is favourable"),
        ({"direction": "mean"}, "belongs to orientation='directional'"),
        ({"orientation": "directional", "direction": {"z": 1.0}}, "give amounts"),
        ({"orientation": "directional", "direction": {"x1": np.nan}}, "give amounts"),
        ({"orientation": "directional", "direction": {"x1": np.inf}}, "give amounts"),
        ({"orientation": "directional", "direction": {"x1": 0.0}}, "give amounts"),
        ({"orientation": "directional", "direction": {"x1": -1.0, "x2": 2.0}}, "give amounts"),
        ({"orientation": "directional", "direction": "up"}, "allowed are 'own', 'mean'"),
        ({"orientation": "graph", "nondiscretionary": ["x1"]}, "the graph measure moves all goods"),
        ({"orientation": "graph", "returns": (0.8, 1.2)}, "the graph measure"),
    ],
)
def test_options_that_cannot_be_meant(options, message):
    with pytest.raises(SpecificationError, match=message):
        DEA(**{**FOUR, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": []}, "at least one input and one output"),
        ({"outputs": ["y1", "x1"]}, "'x1' plays two parts"),
        ({"environment": {"place": "up"}}, "which is favourable"),
        ({"nearest": 15}, "go together"),
        ({"composition": ["a"]}, "go together"),
        ({"composition": ["a"], "nearest": 41}, "from 1 to 40"),
        ({"composition": ["a"], "nearest": 12.5}, "a whole number"),
        ({"peers": {"U01": ["who"]}}, "not there: 'who'"),
        ({"peers": {"who": ["U01"]}}, "not there: 'who'"),
        ({"peers": {"U01": "U02"}}, "a list of peers for 'U01'"),
    ],
)
def test_options_that_do_not_fit_the_table(table, options, message):
    with pytest.raises(SpecificationError, match=message):
        _ = DEA(**{**FOUR, **options}).fit(table).efficiency


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"environment": {"kind": "high"}}, "can only be the 'same'"),
        ({"composition": ["kind"], "nearest": 15}, "distances need numbers"),
        ({"composition": ["one"], "nearest": 15}, "does not vary: 'one'"),
        ({"composition": ["far"], "nearest": 15}, "must be finite: 'far'"),
    ],
)
def test_conditions_that_cannot_be_used(table, options, message):
    with pytest.raises(DataError, match=message):
        DEA(**FOUR, **options).fit(table.assign(one=1.0, far=np.append(table["a"][1:], np.inf)))


def test_missing_rows_are_dropped_on_request(table):
    holed = table.copy()
    holed.loc[[0, 5], "x1"] = np.nan
    with pytest.warns(DroppedRowsWarning, match="2 of 40 rows dropped"):
        fit = DEA(**FOUR, missing="drop").fit(holed)
    np.testing.assert_array_equal(fit.efficiency, DEA(**FOUR).fit(table.drop(index=[0, 5])).efficiency)
    assert (fit.compare().source.rows_read, fit.compare().source.rows_dropped) == (40, 2)


def test_few_units_for_many_goods(table):
    with pytest.warns(BenchmodelsWarning, match="5 units are few for 2 inputs and 2 outputs .at least 12"):
        DEA(**FOUR).fit(table.iloc[:5])
    with pytest.warns(BenchmodelsWarning, match="6 units are few"):
        DEA(**FOUR, composition=["a"], nearest=6).fit(table)


def test_a_graph_measure_that_was_not_found_is_not_called_solved(table, monkeypatch):
    whole = programs.graph_efficiency

    def failing(*args, **options):
        found = whole(*args, **options)
        status, efficiency = found.status.copy(), found.efficiency.copy()
        status[3], efficiency[3] = STALLED, np.nan
        return replace(found, status=status, efficiency=efficiency)

    monkeypatch.setattr(programs, "graph_efficiency", failing)
    with pytest.warns(PartialResultWarning, match="1 of 40 units have no efficiency.*'U03'"):
        fit = DEA(**FOUR, orientation="graph").fit(table)
    assert fit.status[3] == "not solved"
    assert (fit.status == "solved").sum() == 39


def test_slacks_that_were_not_found_are_counted_and_named(table, monkeypatch):
    whole = programs.second_phase

    def failing(*args, **options):
        found = whole(*args, **options)
        status, slack = found.status.copy(), found.slack.copy()
        status[3], slack[3] = STALLED, np.nan
        return replace(found, status=status, slack=slack)

    monkeypatch.setattr(programs, "second_phase", failing)
    fit = DEA(**FOUR).fit(table)
    with pytest.warns(PartialResultWarning, match="slacks of 1 of 40 units were not found.*'U03'"):
        targets = fit.targets()
    assert targets.loc[targets["unit"] == "U03", "target"].isna().all()
    assert targets.loc[targets["unit"] != "U03", "target"].notna().all()


@pytest.mark.parametrize("direction", ["range", {"x1": 1.0, "y2": 0.5}])
def test_amounts_below_zero(table, direction):
    """Along a direction that does not depend on where zero is, under variable returns: the same wherever zero is."""
    model = DEA(**FOUR, orientation="directional", direction=direction)
    plain = model.fit(table)
    moved = table.assign(x1=table["x1"] - 6.0, y1=table["y1"] - 100.0, y2=table["y2"] + 7.0)
    assert (moved["x1"] < 0).any() and (moved["y1"] < 0).all()
    there = model.fit(moved)
    np.testing.assert_allclose(there.inefficiency, plain.inefficiency, atol=1e-9)
    assert set(there.status) == {"solved"}
    target, before = (fit.targets().set_index(["unit", "good"])["target"].unstack() for fit in (there, plain))
    np.testing.assert_allclose(target["x1"] + 6.0, before["x1"], atol=1e-7)
    np.testing.assert_allclose(target["y1"] + 100.0, before["y1"], atol=1e-7)
    pd.testing.assert_frame_equal(there.peers(), plain.peers(), atol=1e-7)


def test_range_by_plain_programs(table):
    """Portela, Thanassoulis and Simpson's measure: how much of the way to the best figures a unit could go."""
    moved = table.assign(x1=table["x1"] - 5.0, y1=table["y1"] - 2.0)
    fit = DEA(**FOUR, orientation="directional", direction="range").fit(moved)
    x, y = moved[["x1", "x2"]].to_numpy(), moved[["y1", "y2"]].to_numpy()
    step = np.concatenate([x - x.min(axis=0), y.max(axis=0) - y], axis=1)
    for i in range(0, 40, 3):
        body = np.column_stack([-step[i], -np.concatenate([-x, y], axis=1).T])
        body[:, 0] *= -1.0
        found = linprog(
            np.append(-1.0, np.zeros(40)), body, np.concatenate([x[i], -y[i]]),
            np.append(0.0, np.ones(40))[None], [1.0], method="highs",
        )  # fmt: skip
        assert fit.inefficiency[i] == pytest.approx(-found.fun, abs=1e-8)
    assert fit.inefficiency.min() > -1e-9 and fit.inefficiency.max() < 1


def test_amounts_below_zero_are_refused_where_zero_matters(table):
    moved = table.assign(x1=table["x1"] - 5.0)
    for model in (
        DEA(**FOUR), DEA(**FOUR, orientation="directional"),
        DEA(**FOUR, orientation="directional", direction="range", returns="crs"),
        DEA(**FOUR, orientation="directional", direction="mean"),
    ):  # fmt: skip
        with pytest.raises(DataError, match="direction='range'"):
            model.fit(moved)
    with pytest.raises(SpecificationError, match="belongs to orientation='directional'"):
        DEA(**FOUR, direction="range")


def test_slacks_are_those_of_the_targets(table):
    fit = DEA(**FOUR, returns="crs").fit(table)
    wide, long = fit.slacks(), fit.targets()
    assert list(wide) == ["unit", *GOODS]
    np.testing.assert_array_equal(wide[GOODS].to_numpy().ravel(), long["slack"])
    assert (wide[GOODS].to_numpy() > 1e-6).any()


def test_models_are_hashed_and_answers_are_read_only(table):
    one, two = (DEA(**FOUR, environment={"place": way}, peers={"U01": ["U02"]}) for way in ("high", "low"))
    assert one == DEA(**FOUR, environment={"place": "high"}, peers={"U01": ["U02"]}) != two
    assert len({one, two, replace(one)}) == 2
    fit = DEA(**FOUR).fit(table)
    for array in (fit.efficiency, fit.unit, fit.status, fit.goods.inputs, fit.goods.goods):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_prices_and_bounds_make_up_the_distance(table):
    x, y = table[["x1", "x2"]].to_numpy(), table[["y1", "y2"]].to_numpy()
    for returns in ("crs", "vrs", "drs", "irs", (0.8, 1.2)):
        for orientation in ("input", "output"):
            fit = DEA(**FOUR, returns=returns, orientation=orientation).fit(table)
            price = fit.multipliers().set_index(["unit", "good"])["price"].unstack()[GOODS].to_numpy()
            bounds = fit.returns_multipliers()
            assert list(bounds) == ["unit", "bound", "price", "lower", "upper"]
            assert np.all(bounds["lower"] <= bounds["price"] + 1e-9) and np.all(
                bounds["price"] <= bounds["upper"] + 1e-9
            )
            at_bounds = (bounds["price"] * bounds["bound"].astype(float)).groupby(bounds["unit"]).sum()
            total = at_bounds.reindex(fit.unit, fill_value=0.0).to_numpy()
            worth = (price[:, :2] * x).sum(axis=1) - (price[:, 2:] * y).sum(axis=1) + total
            distance = 1 - fit.efficiency if orientation == "input" else fit.expansion - 1
            np.testing.assert_allclose(worth, distance, atol=1e-9)
            # At peers it is zero, and nowhere below, with the bound that counts there.
            per_unit = np.array([bounds["price"][bounds["unit"] == unit].sum() for unit in fit.unit])
            if returns != (0.8, 1.2):
                everywhere = price[:, :2] @ x.T - price[:, 2:] @ y.T + per_unit[:, None]
                assert everywhere.min() > -1e-9
                peers = fit.peers()
                at = [np.flatnonzero(fit.unit == name)[0] for name in peers["unit"]]
                to = [np.flatnonzero(fit.unit == name)[0] for name in peers["peer"]]
                np.testing.assert_allclose(everywhere[at, to], 0.0, atol=1e-8)


def test_whom_a_unit_may_be_held_against(table):
    fit = DEA(**FOUR).fit(table)
    assert fit.comparables.tolist() == [40] * 40 and len(fit.comparable()) == 40 * 39
    with pytest.warns(BenchmodelsWarning, match=r"\d+ of 40 units are held against few others for 2 inputs and 2 outp"):
        fit = DEA(**FOUR, environment={"place": "high"}, nearest=30, composition=["a", "b"]).fit(table)
    frame, pairs = fit.to_frame(), fit.comparable()
    assert list(frame) == ["unit", "efficiency", "expansion", "inefficiency", "status", "comparables"]
    assert pairs.groupby("unit").size().reindex(fit.unit, fill_value=0).tolist() == (fit.comparables - 1).tolist()
    place = table.set_index("unit")["place"]
    assert np.all(place[pairs["other"]].to_numpy() <= place[pairs["unit"]].to_numpy())
    held = set(map(tuple, pairs.to_numpy()))
    peers = fit.peers().query("unit != peer")
    assert set(map(tuple, peers[["unit", "peer"]].to_numpy())) <= held
    with pytest.warns(BenchmodelsWarning, match="1 of 40 units are held against few others .*: 'U05'"):
        DEA(**FOUR, peers={"U05": ["U06"]}).fit(table)


def test_slacks_do_not_depend_on_where_zero_is_either():
    goods = np.array([[5.0, 1, 1], [5, 1, 3], [1, 2, 3], [3, 3, 1], [1, 1, 1]])
    frame = pd.DataFrame(goods, columns=["x1", "x2", "y"]).assign(unit=range(5))
    with pytest.warns(BenchmodelsWarning, match="few"):
        plain, moved = (
            DEA(**TWO, orientation="directional", direction={"y": 1.0}).fit(frame.assign(x1=frame["x1"] + shift))
            for shift in (0.0, 100.0)
        )
    np.testing.assert_allclose(moved.slacks()[["x1", "x2", "y"]], plain.slacks()[["x1", "x2", "y"]], atol=1e-9)
    pd.testing.assert_frame_equal(moved.possible_peers(), plain.possible_peers())
    assert (plain.slacks()[["x1", "x2"]].to_numpy() > 0.1).any()


def test_the_best_in_everything_has_no_way_to_go():
    frame = pd.DataFrame({"unit": list("ABC"), "x": [1.0, 2, 3], "y": [5.0, 4, 3]})
    with pytest.warns(BenchmodelsWarning, match="few"):
        fit = DEA(**ONE, orientation="directional", direction="range").fit(frame)
    np.testing.assert_allclose(fit.inefficiency, [0, 1, 1], atol=1e-12)
    assert fit.peers().to_numpy()[:, :2].tolist() == [["A", "A"], ["B", "A"], ["C", "A"]]
    with pytest.warns(BenchmodelsWarning, match="few"):
        same = DEA(**ONE, orientation="directional", direction="range").fit(frame.assign(x=1.0, y=2.0))
    np.testing.assert_allclose(same.inefficiency, 0.0, atol=1e-12)


def test_nobody_to_be_held_against_is_said(table):
    fit = DEA(**FOUR, environment={"kind": "same"}).fit(table)
    with pytest.warns(PartialResultWarning, match="there is nobody that it may be held against"):
        scores = fit.evaluate(table.head(2).assign(unit=["a", "b"], kind=["village", "town"]))
    assert scores.status.tolist()[0] == "alone" and np.isnan(scores.efficiency[0])
    with pytest.raises(DataError, match="holds text"):
        DEA(**FOUR, composition=["a"], nearest=15).fit(table).evaluate(table.head(2).assign(a="b"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"returns": None}, "two numbers"),
        ({"returns": ("a", 1)}, "two numbers"),
        ({"returns": (0.5, 1, 2)}, "two numbers"),
        ({"inputs": 3}, "list of columns"),
        ({"inputs": None}, "list of columns"),
        ({"peers": ["A"]}, "unit by unit"),
        ({"peers": {"A": 3}}, "list of peers for 'A'"),
        ({"orientation": "directional", "direction": np.array([1.0, 2.0])}, "by name"),
    ],
)
def test_options_of_another_type(options, message):
    with pytest.raises(SpecificationError, match=message):
        DEA(**(FOUR | options))


def test_equal_questions_are_equal():
    one, two = (DEA(**FOUR, returns=bounds, peers={"A": peers}) for bounds, peers in
                (([0.5, 2], ["B", "C"]), (np.array([0.5, 2.0]), np.array(["B", "C"]))))  # fmt: skip
    assert one == two and hash(one) == hash(two)


def test_what_was_found_stays_as_it_is(table):
    fit = DEA(**FOUR).fit(table)
    again = pickle.loads(pickle.dumps(fit))
    closed = [fit.programs.found.price, fit.programs.status, fit.second_phase.weight, again.goods.goods, again.unit]
    closed.append(pickle.loads(pickle.dumps(fit.scores)).efficiency)
    for array in closed:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_price_ends_that_were_not_found_are_named(table, monkeypatch):
    real = programs.price_ranges

    def lost(*args, **options):
        found = real(*args, **options)
        found.lower[3, 1] = np.nan
        return found

    monkeypatch.setattr(programs, "price_ranges", lost)
    with pytest.warns(PartialResultWarning, match="the ends of some prices of 1 of 40 units were not found: 'U03'"):
        DEA(**FOUR).fit(table).multipliers()


def test_what_is_printed_is_a_line():
    fit = DEA(inputs=["x"], outputs=["y"], unit="unit").fit(SIX)
    for told in (fit, fit.scores, fit.influence()):
        assert "\n" not in repr(told)
        assert "6 units" in repr(told)
