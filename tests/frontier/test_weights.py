"""Bounds of prices: against multiplier programs solved one by one, at their limits, and where they contradict."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from benchmodels import plots
from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier.weights import WeightRestrictions

GOODS = ["a", "b", "c", "u", "v"]
FIVE = {"inputs": ["a", "b", "c"], "outputs": ["u", "v"], "unit": "unit"}
# Solver, against solver: both at 1e-9.
SOLVED = 1e-7
RATIOS = {("a", "b"): (0.5, 2.0), ("u", "v"): (0.2, np.inf)}
SHARES = {"a": (0.2, 0.5), "u": (0.3, 0.7)}
CONE = ({"a": 1.0, "b": 1.0, "c": -0.5}, {"u": 1.0, "v": -0.1})
ASKED = {
    "ratios": WeightRestrictions(ratios=RATIOS),
    "cone": WeightRestrictions(cone=CONE),
    "virtual": WeightRestrictions(virtual=SHARES),
    "all": WeightRestrictions(ratios={("u", "v"): (0.2, 5.0)}, cone=CONE[:1], virtual={"a": (0.2, 0.5)}),
    "linked": WeightRestrictions(ratios={("u", "a"): (0.0, 3.0), ("v", "c"): (0.02, np.inf)}),
}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    x = rng.lognormal(sigma=0.5, size=(40, 3))
    y = rng.lognormal(sigma=0.5, size=(40, 2)) * np.prod(x, axis=1)[:, None] ** 0.3
    return pd.DataFrame(np.column_stack([x, y]), columns=GOODS).assign(unit=[f"K{i:02d}" for i in range(40)])


def rows_of(weights, x0, y0):
    """Return rows of restrictions, row @ (v, u) >= 0, straight from their words."""
    at, rows = {name: i for i, name in enumerate(GOODS)}, []
    for (first, second), (low, high) in weights.ratios.items():
        row = np.zeros(5)
        row[at[first]], row[at[second]] = 1.0, -low
        rows.append(row)
        if np.isfinite(high):
            row = np.zeros(5)
            row[at[first]], row[at[second]] = -1.0, high
            rows.append(row)
    for some in weights.cone:
        row = np.zeros(5)
        for name, value in some.items():
            row[at[name]] = value
        rows.append(row)
    for name, (low, high) in weights.virtual.items():
        i, total = at[name], np.concatenate([x0, 0 * y0]) if name in "abc" else np.concatenate([0 * x0, y0])
        own = np.zeros(5)
        own[i] = total[i]
        rows += [own - low * total, high * total - own]
    return np.array(rows)


def plain(frame, weights, point, *, returns, orientation):
    """Return the steps to the frontier by the multiplier program: least worth of the distance, direction worth one."""
    x, y = frame[GOODS[:3]].to_numpy(), frame[GOODS[3:]].to_numpy()
    x0, y0 = x[point], y[point]
    step = np.concatenate([x0 * (orientation != "output"), y0 * (orientation != "input")])
    # v, u, and what Σλ costs (w): minimise v x0 - u y0 + w, with v X - u Y + w >= 0 for all.
    cost = np.concatenate([x0, -y0, [1.0]])
    body = np.column_stack([-x, y, -np.ones(len(x))])
    own = np.column_stack([-rows_of(weights, x0, y0), np.zeros(len(rows_of(weights, x0, y0)))])
    ends = {"crs": (0, 0), "vrs": (None, None), "drs": (0, None), "irs": (None, 0)}[returns]
    found = linprog(
        cost, A_ub=np.vstack([body, own]), b_ub=np.zeros(len(body) + len(own)), A_eq=[np.append(step, 0.0)], b_eq=[1.0],
        bounds=[(0, None)] * 5 + [ends],
    )  # fmt: skip
    return found.fun if found.status == 0 else np.nan


def distance(fit):
    return {"input": 1.0 - fit.efficiency, "output": fit.expansion - 1.0}.get(fit.model.orientation, fit.inefficiency)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("returns", "orientation"),
    [
        ("vrs", "input"),
        ("crs", "input"),
        ("drs", "output"),
        ("irs", "directional"),
        ("crs", "output"),
        ("irs", "input"),
    ],
)
def test_against_the_multiplier_program(table, asked, returns, orientation):
    weights = ASKED[asked]
    fit = DEA(**FIVE, returns=returns, orientation=orientation, weights=weights).fit(table)
    want = [plain(table, weights, i, returns=returns, orientation=orientation) for i in range(len(table))]
    np.testing.assert_allclose(distance(fit), want, atol=SOLVED, rtol=SOLVED)
    loose = DEA(**FIVE, returns=returns, orientation=orientation).fit(table)
    assert np.all(distance(fit) >= distance(loose) - 1e-12)
    assert np.any(distance(fit) > distance(loose) + 1e-3)
    found = fit.programs.found
    assert max(found.primal_residual.max(), found.dual_residual.max(), found.gap.max()) <= 1e-9


@pytest.mark.parametrize("asked", ["ratios", "virtual"])
def test_prices_keep_their_bounds_and_trade_offs_are_nobodys_peers(table, asked):
    fit = DEA(**FIVE, returns="vrs", weights=ASKED[asked]).fit(table)
    prices = fit.multipliers().set_index(["unit", "good"])
    for column in ("price", "lower", "upper"):
        assert prices[column].notna().all()
    worth = prices["price"].unstack()[GOODS].to_numpy()
    for i, unit in enumerate(fit.unit):
        x0, y0 = fit.goods.inputs[i], fit.goods.outputs[i]
        assert (rows_of(ASKED[asked], x0, y0) @ worth[i] >= -1e-9 * np.abs(worth[i]).max()).all(), unit
    assert set(fit.peers()["peer"]) <= set(fit.unit)
    assert set(fit.possible_peers()["peer"]) <= set(fit.unit)
    np.testing.assert_allclose(fit.peers().groupby("unit")["weight"].sum(), 1.0, rtol=1e-9)
    assert (fit.targets()["target"] >= -1e-9).all()


def test_fourteen_hospitals():
    """Cooper, Seiford & Tone's hospitals, with prices of nurses to doctors and in- to outpatients from .2 to 5.

    Table and efficiencies (Data Envelopment Analysis, 2nd ed., ch. 6) are quoted from memory, and were not checked
    against the book; that 28 figures of three digits come out is what speaks for them.
    """
    frame = pd.DataFrame(
        {
            "unit": np.arange(1, 15),
            "doctors": [3008, 3985, 4324, 3534, 8836, 5376, 4982, 4775, 8046, 8554, 6147, 8366, 13479, 21808],
            "nurses": [
                20980, 25643, 26978, 25361, 40796, 37562, 33088, 39122, 42958, 48955, 45514, 55140, 68037, 78302,
            ],
            "outpatients": [
                97775, 135871, 133655, 46243, 176661, 182576, 98880, 136701, 225138, 257370, 165274, 203989, 174270,
                322990,
            ],
            "inpatients": [
                101225, 130580, 168473, 100407, 215616, 217615, 167278, 193393, 256575, 312877, 227099, 321623, 341743,
                487539,
            ],
        }
    )  # fmt: skip
    asked = {
        "inputs": ["doctors", "nurses"],
        "outputs": ["outpatients", "inpatients"],
        "unit": "unit",
        "returns": "crs",
    }
    free = [0.955, 1, 1, 0.702, 0.827, 1, 0.844, 1, 0.995, 1, 0.913, 0.969, 0.786, 0.974]
    np.testing.assert_allclose(DEA(**asked).fit(frame).efficiency, free, atol=5e-4)
    fifth = {("nurses", "doctors"): (0.2, 5), ("inpatients", "outpatients"): (0.2, 5)}
    bound = [0.926, 1, 1, 0.634, 0.820, 1, 0.803, 0.872, 0.982, 1, 0.849, 0.930, 0.740, 0.929]
    fit = DEA(**asked, weights=WeightRestrictions(ratios=fifth)).fit(frame)
    np.testing.assert_allclose(fit.efficiency, bound, atol=5e-4)


def test_a_picture_of_a_frontier_that_is_not_through_units_is_refused():
    frame = pd.DataFrame({"unit": np.arange(20), "x": np.arange(1.0, 21.0), "y": np.sqrt(np.arange(1.0, 21.0))})
    linked = WeightRestrictions(ratios={("y", "x"): (0.0, 50.0)})
    fit = DEA(inputs=["x"], outputs=["y"], unit="unit", weights=linked).fit(frame)
    with pytest.raises(SpecificationError, match="without weights"):
        plots.frontier(fit)


def test_wide_bounds_change_nothing(table):
    wide = WeightRestrictions(
        ratios={("a", "b"): (1e-12, 1e12), ("u", "v"): (0.0, np.inf)}, virtual={"a": (0.0, 1.0), "v": (0.0, 1.0)}
    )
    for orientation in ("input", "output", "directional", "graph"):
        some = DEA(**FIVE, orientation=orientation, weights=wide).fit(table)
        none = DEA(**FIVE, orientation=orientation).fit(table)
        np.testing.assert_allclose(some.to_frame().iloc[:, 1:4], none.to_frame().iloc[:, 1:4], atol=1e-7)


def test_equal_bounds_are_fixed_prices(table):
    """With all prices fixed a unit's efficiency is its ratio of worth, to the best one."""
    fixed = WeightRestrictions(ratios={("a", "b"): (0.5, 0.5), ("b", "c"): (3.0, 3.0), ("u", "v"): (2.0, 2.0)})
    ratio = (table[["u", "v"]] @ [2.0, 1.0]) / (table[["a", "b", "c"]] @ [1.5, 3.0, 1.0])
    for orientation in ("input", "output"):
        fit = DEA(**FIVE, returns="crs", orientation=orientation, weights=fixed).fit(table)
        np.testing.assert_allclose(fit.efficiency, ratio / ratio.max(), rtol=1e-10)
    graph = DEA(**FIVE, returns="crs", orientation="graph", weights=fixed).fit(table)
    np.testing.assert_allclose(graph.efficiency, np.sqrt(ratio / ratio.max()), rtol=1e-8)


def test_fixed_shares_are_a_geometric_thing_only_at_the_unit_itself():
    """With equal shares of a unit's own inputs its prices are 1 / its goods: a hand calculation."""
    frame = pd.DataFrame({"unit": list("ABC"), "x1": [1.0, 4.0, 4.0], "x2": [4.0, 1.0, 4.0], "y": [1.0, 1.0, 1.0]})
    half = WeightRestrictions(virtual={"x1": (0.5, 0.5)})
    with pytest.warns(Warning, match="few"):
        fit = DEA(inputs=["x1", "x2"], outputs=["y"], unit="unit", returns="crs", weights=half).fit(frame)
    # A's prices (.5, .125): itself 1, B 2.125; C's (.125, .125): A and B .625.
    np.testing.assert_allclose(fit.efficiency, [1.0, 1.0, 0.625], rtol=1e-12)


def test_units_of_measure_and_order_do_not_matter(table):
    factor = np.array([1e6, 1e-6, 1e3, 1e-3, 1e5])
    want = DEA(**FIVE, weights=ASKED["all"]).fit(table).efficiency
    other = table.copy()
    other[GOODS] *= factor
    # A price per unit of measure is divided by the factor.
    ratio = factor[4] / factor[3]
    scaled = WeightRestrictions(
        ratios={("u", "v"): (0.2 * ratio, 5.0 * ratio)},
        cone=[{name: value * factor[GOODS.index(name)] for name, value in CONE[0].items()}],
        virtual={"a": (0.2, 0.5)},
    )
    got = DEA(**FIVE, weights=scaled).fit(other.sample(frac=1.0, random_state=1)).efficiency
    np.testing.assert_allclose(got, want, rtol=1e-8)


def test_contradictions_are_said(table):
    around = WeightRestrictions(ratios={("a", "b"): (2, 3), ("b", "c"): (2, 3), ("c", "a"): (2, 3)})
    with pytest.raises(SpecificationError, match="contradict each other"):
        _ = DEA(**FIVE, weights=around).fit(table)
    generous = WeightRestrictions(
        ratios={("u", "a"): (1e3, np.inf), ("u", "b"): (1e3, np.inf), ("u", "c"): (1e3, np.inf)}
    )
    for returns in ("crs", "vrs", "drs", "irs"):
        with pytest.raises(SpecificationError, match="of nothing"):
            DEA(**FIVE, returns=returns, weights=generous).fit(table)


def test_a_unit_whose_own_goods_cannot_meet_the_shares_is_withheld(table):
    frame = table.copy()
    frame.loc[7, "u"] = 0.0
    model = DEA(**FIVE, weights=WeightRestrictions(virtual={"u": (0.2, 0.7)}))
    with pytest.warns(PartialResultWarning, match="1 of 40 units .*contradict"):
        fit = model.fit(frame)
    assert fit.status[7] == "contradictory"
    assert np.isnan(fit.efficiency[7])
    assert np.isfinite(np.delete(fit.efficiency, 7)).all()
    assert fit.peers().query("unit == 'K07'").empty
    with pytest.raises(SpecificationError, match="contradict"):
        fit.influence()


def test_what_rests_on_the_fit(table):
    fit = DEA(**FIVE, returns="drs", weights=ASKED["all"]).fit(table)
    np.testing.assert_allclose(
        fit.evaluate(table).efficiency[fit.efficiency < 1 - 1e-9], fit.efficiency[fit.efficiency < 1 - 1e-9], rtol=1e-9
    )
    assert np.all(fit.scale()["crs"] <= fit.scale()["vrs"] + 1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        beyond = fit.super_efficiency().efficiency
    literal = [
        DEA(**FIVE, returns="drs", weights=ASKED["all"]).fit(table.drop(index=i)).evaluate(table.loc[[i]]).efficiency[0]
        for i in range(6)
    ]
    np.testing.assert_allclose(beyond[:6], literal, rtol=1e-8)
    np.testing.assert_allclose(fit.influence().to_frame()["super_efficiency"][:6], literal, rtol=1e-8)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(fit)).efficiency, fit.efficiency)
    for ask in (lambda: fit.bootstrap(replicates=200), lambda: fit.second_stage(table, ["a"])):
        with pytest.raises(SpecificationError, match="with weights"):
            ask()


def test_a_peer_circle_goes_together_with_restrictions(table):
    some = {unit: [other for other in table["unit"] if other[-1] == unit[-1]] for unit in table["unit"]}
    with pytest.warns(Warning, match="few"):
        fit = DEA(**FIVE, peers=some, weights=ASKED["all"]).fit(table)
    for last in "03":
        part = table[table["unit"].str[-1] == last].reset_index(drop=True)
        want = [1 - plain(part, ASKED["all"], i, returns="vrs", orientation="input") for i in range(len(part))]
        got = fit.efficiency[[unit[-1] == last for unit in fit.unit]]
        np.testing.assert_allclose(got, want, atol=SOLVED)


def test_a_target_below_nothing_is_withheld():
    """A unit that could trade an input away for more than it has of it keeps its score and loses its target."""
    rng, lost = np.random.default_rng(12), 0
    weights = WeightRestrictions(ratios={("a", "b"): (0.5, 1.0), ("c", "b"): (0.7, 3.0)})
    for _ in range(12):
        x = rng.lognormal(size=(40, 4))
        frame = pd.DataFrame(x, columns=list("abcd")).assign(unit=np.arange(40), u=rng.lognormal(size=40))
        fit = DEA(inputs=list("abcd"), outputs=["u"], unit="unit", weights=weights).fit(frame)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            targets = fit.targets()
        without = targets[targets["target"].isna()]["unit"].unique()
        assert len(told) == (len(without) > 0)
        assert np.isfinite(fit.efficiency).all()
        assert (targets["target"].dropna() >= -1e-9).all()
        assert not set(without) & set(fit.peers()["unit"])
        assert not set(without) & set(fit.possible_peers()["unit"])
        lost += len(without)
    assert lost


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no weight is restricted"),
        ({"ratios": [("a", "b")]}, "give the ends"),
        ({"ratios": {("a", "b"): 2}}, "two numbers"),
        ({"ratios": {("a", "b"): (2, 1)}}, "low <= high"),
        ({"ratios": {("a", "b"): (-1, 1)}}, "low <= high"),
        ({"ratios": {("a", "b"): (np.nan, 1)}}, "two numbers"),
        ({"ratios": {("a", "b"): (0, 0)}}, "above 0"),
        ({"ratios": {("a", "b"): (np.inf, np.inf)}}, "low <= high"),
        ({"ratios": {"ab": (1, 2)}}, "two goods"),
        ({"ratios": {("a", "a"): (1, 2)}}, "two goods"),
        ({"virtual": {"a": (0.2, 1.2)}}, "high <= 1|<= 1"),
        ({"virtual": {"a": (True, 1)}}, "two numbers"),
        ({"cone": {"a": 1}}, "list of mappings"),
        ({"cone": [{"a": 0.0}]}, "not all zero"),
        ({"cone": [{"a": "1"}]}, "number each"),
        ({"cone": [{"a": np.inf}]}, "number each"),
    ],
)
def test_what_cannot_be_meant(given, told):
    with pytest.raises(SpecificationError, match=told):
        WeightRestrictions(**given)


def test_what_a_model_refuses(table):
    for weights, told in (
        (WeightRestrictions(ratios={("a", "q"): (1, 2)}), "name 'q'"),
        (WeightRestrictions(virtual={"a": (0.6, 1), "b": (0.5, 1)}), "cannot add to 1"),
        (WeightRestrictions(virtual={"u": (0, 0.3), "v": (0, 0.3)}), "cannot add to 1"),
        ({"a": 1}, "give benchmodels.frontier.WeightRestrictions"),
    ):
        with pytest.raises(SpecificationError, match=told):
            DEA(**FIVE, weights=weights)
    with pytest.raises(SpecificationError, match="no meaning"):
        DEA(**FIVE, orientation="directional", direction="range", weights=WeightRestrictions(virtual={"a": (0, 0.5)}))
    model = DEA(**FIVE, orientation="directional", direction="range", weights=ASKED["ratios"])
    shifted = table.assign(a=table["a"] - 5.0, u=table["u"] - 3.0)
    np.testing.assert_allclose(model.fit(shifted).inefficiency, model.fit(table).inefficiency, atol=1e-8)
