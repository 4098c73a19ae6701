"""Best practice at prices: a published table, the reference program, plain programs, closed forms, bad input."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier.economics import CostEfficiency, ProfitEfficiency, RevenueEfficiency
from benchmodels.kernels import priced

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
needs_shared = pytest.mark.skipif(not (SHARED / "dea").exists(), reason="the reference results are not here")
RETURNS = {"vrs": (1, 1), "crs": (0, None), "drs": (0, 1), "irs": (1, None), (0.8, 1.3): (0.8, 1.3)}
GOODS = {"inputs": ["x1", "x2"], "outputs": ["y1", "y2"], "unit": "unit"}
COOPER = pd.DataFrame({"unit": list("abc"), "staff": [3.0, 1, 4], "rooms": [2.0, 3, 6], "users": [3.0, 5, 6]})

pytestmark = pytest.mark.filterwarnings("ignore:.*are advised.*:benchmodels.errors.BenchmodelsWarning")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    n = 30
    x = np.exp(rng.normal(1, 0.6, (n, 2)))
    y = np.sqrt(x) * rng.uniform(0.4, 1, (n, 2))
    frame = pd.DataFrame(np.column_stack([x, y]), columns=["x1", "x2", "y1", "y2"])
    for name in ("w1", "w2", "p1", "p2"):
        frame[name] = np.exp(rng.normal(0, 0.5, n))
    frame.insert(0, "unit", [f"ø{i:02d}" for i in range(n)])
    return frame


def plain(table, i, side, returns, fixed=()):
    """Return the least cost or the largest revenue at a unit's prices by one plain program: intensities, then goods."""
    x, y = table[["x1", "x2"]].to_numpy(), table[["y1", "y2"]].to_numpy()
    w, p = table[["w1", "w2"]].to_numpy()[i], table[["p1", "p2"]].to_numpy()[i]
    n, low, high = len(x), *RETURNS[returns]
    chosen, kept = (x, y) if side == "input" else (y, x)
    price = w if side == "input" else -p
    cost = np.concatenate([np.zeros(n), np.where([g in fixed for g in range(2)], 0.0, price)])
    sign = 1.0 if side == "input" else -1.0
    body = [np.concatenate([sign * chosen[:, g], -sign * np.eye(2)[g]]) for g in range(2)]
    limit = [0.0, 0.0]
    body += [np.concatenate([-sign * kept[:, g], np.zeros(2)]) for g in range(2)]
    limit += [-sign * kept[i, g] for g in range(2)]
    body += [np.concatenate([np.ones(n), np.zeros(2)]) * s for s in (1, -1)]
    limit += [np.inf if high is None else high, -low]
    keep = np.isfinite(limit)
    ends = [(0, None)] * n + [(chosen[i, g],) * 2 if g in fixed else (0, None) for g in range(2)]
    found = linprog(cost, np.array(body)[keep], np.array(limit)[keep], bounds=ends, method="highs")
    return abs(found.fun)


@pytest.mark.parametrize("returns", RETURNS)
def test_plain_programs(table, returns):
    prices = {"x1": "w1", "x2": "w2"}
    cost = CostEfficiency(**GOODS, prices=prices, returns=returns).fit(table)
    np.testing.assert_allclose(cost.optimal, [plain(table, i, "input", returns) for i in range(30)], rtol=1e-9)
    own = (table[["w1", "w2"]].to_numpy() * table[["x1", "x2"]].to_numpy()).sum(axis=1)
    np.testing.assert_allclose(cost.observed, own, rtol=1e-14)
    revenue = RevenueEfficiency(**GOODS, prices={"y1": "p1", "y2": "p2"}, returns=returns).fit(table)
    np.testing.assert_allclose(revenue.optimal, [plain(table, i, "output", returns) for i in range(30)], rtol=1e-9)
    for fit in (cost, revenue):
        parts = fit.decomposition()
        assert np.all(parts["technical"] >= parts["efficiency"] - 1e-12)
        np.testing.assert_allclose(parts["technical"] * parts["allocative"], parts["efficiency"], rtol=1e-12)
        # The plan costs what is said, and is made of units that are said.
        plan = fit.optimum()
        worth = (plan["optimal"] * plan["price"]).fillna(0).groupby(plan["unit"]).sum()
        np.testing.assert_allclose(worth.to_numpy(), fit.optimal, rtol=1e-9)
        peers = fit.peers().merge(table, left_on="peer", right_on="unit")
        for good in ("x1", "x2", "y1", "y2"):
            made = (peers["weight"] * peers[good]).groupby(peers["unit_x"]).sum()
            told = plan[plan["good"] == good].set_index("unit")["optimal"]
            np.testing.assert_allclose(made.to_numpy(), told[made.index].to_numpy(), rtol=1e-9)


@pytest.mark.parametrize("returns", ["vrs", "crs"])
def test_an_input_without_a_price_is_fixed(table, returns):
    fit = CostEfficiency(**GOODS, prices={"x1": "w1"}, returns=returns).fit(table)
    wanted = [plain(table, i, "input", returns, fixed=(1,)) for i in range(30)]
    np.testing.assert_allclose(fit.optimal, wanted, rtol=1e-9)
    plan = fit.optimum().query("good == 'x2'")
    assert np.all(plan["optimal"] <= plan["value"] * (1 + 1e-9))
    fit = RevenueEfficiency(**GOODS, prices={"y2": "p2"}, returns=returns).fit(table)
    np.testing.assert_allclose(
        fit.optimal, [plain(table, i, "output", returns, fixed=(0,)) for i in range(30)], rtol=1e-9
    )


def test_published_cost_and_revenue():
    """Cooper, Seiford and Tone (2007), three units at common prices 4 and 2; revenue at any price of one output."""
    parts = {"inputs": ["staff", "rooms"], "outputs": ["users"], "unit": "unit", "returns": "crs"}
    found = CostEfficiency(**parts, prices={"staff": 4, "rooms": 2}).fit(COOPER).decomposition()
    np.testing.assert_allclose(found["efficiency"], [0.375, 1, 0.429], atol=5e-4)
    np.testing.assert_allclose(found["technical"], [0.9, 1, 0.6], atol=5e-4)
    np.testing.assert_allclose(found["allocative"], [0.417, 1, 0.714], atol=5e-4)
    revenue = RevenueEfficiency(**parts, prices={"users": 6}).fit(COOPER)
    np.testing.assert_allclose(revenue.efficiency, [0.9, 1, 0.6], atol=5e-4)


@needs_shared
@pytest.mark.parametrize(("kind", "model", "best"), [
    ("cost", CostEfficiency, "cost"), ("revenue", RevenueEfficiency, "rev"), ("profit", ProfitEfficiency, "profit"),
])  # fmt: skip
def test_reference_program(kind, model, best):
    """Benchmarking 0.33 on 248 pig farms, each with prices of its own; its output efficiency is the reciprocal."""
    kept = json.loads((SHARED / "dea" / f"pigdata_{kind}.json").read_text())
    table = pd.read_csv(SHARED / kept["dataset"])
    table["unit"] = np.arange(len(table))
    paid = dict(zip(kept["inputs"], kept["input_prices"], strict=True))
    fetched = dict(zip(kept["outputs"], kept["output_prices"], strict=True))
    for key, theirs in kept["results"].items():
        returns, prices = key.split("|")[1], {"cost": paid, "revenue": fetched, "profit": paid | fetched}[kind]
        if "common" in key:
            prices = dict(zip(kept["inputs"], theirs["w"], strict=True))
        convex = returns != "fdh"
        fit = model(
            inputs=kept["inputs"], outputs=kept["outputs"], unit="unit", prices=prices, convex=convex,
            returns=returns if convex else "vrs",
        ).fit(table)  # fmt: skip
        np.testing.assert_allclose(fit.optimal, theirs[best], rtol=2e-11)
        ours = fit.decomposition()
        names = {"CE": "efficiency", "RE": "efficiency", "TE": "technical", "AE": "allocative", "TE_out": "technical"}
        for name in set(names) & set(theirs):
            wanted = np.array(theirs[name], dtype=float)
            wanted = 1 / wanted if name == "TE_out" else wanted
            np.testing.assert_allclose(ours[names[name]], wanted, rtol=2e-11)
        if kind == "profit":
            np.testing.assert_allclose(fit.observed, theirs["observed"], rtol=1e-12)


def test_profit_by_a_plain_maximum_and_its_parts(table):
    prices = {"x1": "w1", "x2": "w2", "y1": "p1", "y2": "p2"}
    cost, revenue = table[["w1", "w2"]].to_numpy(), table[["p1", "p2"]].to_numpy()
    each = revenue @ table[["y1", "y2"]].to_numpy().T - cost @ table[["x1", "x2"]].to_numpy().T
    fit = ProfitEfficiency(**GOODS, prices=prices).fit(table)
    np.testing.assert_allclose(fit.optimal, each.max(axis=1), rtol=1e-12)
    np.testing.assert_allclose(fit.observed, np.diag(each), rtol=1e-12)
    parts = fit.decomposition()
    np.testing.assert_allclose(parts["technical"] + parts["allocative"], parts["inefficiency"], atol=1e-12)
    assert np.all(parts["allocative"] >= -1e-12)
    # Without a bound of size a profit has no end; a loss is cut to nothing at all.
    with pytest.warns(PartialResultWarning, match="no bound"):
        free = ProfitEfficiency(**GOODS, prices=prices, returns="crs").fit(table)
    gains = each.max(axis=1) > 0
    assert gains.any()
    assert not gains.all()
    assert set(free.status[gains]) == {"unbounded"}
    np.testing.assert_allclose(free.optimal[~gains], 0.0)
    with pytest.raises(SpecificationError, match="cost or a revenue"):
        fit.compare()


@pytest.mark.parametrize("returns", ["vrs", "crs", "irs", (0.85, 1.15)])
def test_each_unit_alone_by_a_plain_loop(table, returns):
    low, high = RETURNS.get(returns, returns)
    high = np.inf if high is None else high
    x, y = table[["x1", "x2"]].to_numpy(), table[["y1", "y2"]].to_numpy()
    w = table[["w1", "w2"]].to_numpy()
    fit = CostEfficiency(**GOODS, prices={"x1": "w1", "x2": "w2"}, returns=returns, convex=False).fit(table)
    for i in range(30):
        factor = np.maximum((y[i] / y).max(axis=1), low)
        assert fit.optimal[i] == pytest.approx((factor * (x @ w[i]))[factor <= high + 1e-12].min(), rel=1e-12)
    convex = CostEfficiency(**GOODS, prices={"x1": "w1", "x2": "w2"}, returns=returns).fit(table)
    assert np.all(convex.efficiency <= fit.efficiency + 1e-9)


def test_who_may_be_held_against_whom(table, monkeypatch):
    kinds = table.assign(kind=["by", "land"] * 15)
    parts = {**GOODS, "prices": {"x1": "w1", "x2": 2.0}, "environment": {"kind": "same"}}
    whole = CostEfficiency(**parts).fit(kinds)
    # Blocks of one unit make the same of masks that are counted from their own place.
    monkeypatch.setattr(priced, "_ENTRIES", 1)
    cut = CostEfficiency(**parts).fit(kinds)
    np.testing.assert_allclose(cut.efficiency, whole.efficiency, rtol=1e-12)
    for kind, some in kinds.groupby("kind"):
        apart = CostEfficiency(**{**parts, "environment": {}}).fit(some)
        np.testing.assert_allclose(whole.efficiency[kinds["kind"] == kind], apart.efficiency, rtol=1e-9)


def test_units_of_measure_and_order_of_rows_do_not_matter(table):
    prices = {"x1": "w1", "x2": "w2"}
    fit = CostEfficiency(**GOODS, prices=prices).fit(table)
    other = table.assign(x1=table["x1"] * 1e9, w1=table["w1"] / 1e9 * 1e6, w2=table["w2"] * 1e6, y2=table["y2"] * 1e-8)
    found = CostEfficiency(**GOODS, prices=prices).fit(other.sample(frac=1, random_state=1))
    np.testing.assert_allclose(found.efficiency, fit.efficiency, rtol=1e-9)
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.efficiency, fit.efficiency)


def test_a_comparison_of_cost(table):
    model = CostEfficiency(**GOODS, prices={"x1": "w1", "x2": "w2"}, size="y1")
    fit = model.fit(table)
    found = fit.compare(contrast="difference")
    np.testing.assert_allclose(found.observed, fit.observed)
    np.testing.assert_allclose(found.expected, fit.optimal, rtol=1e-12)
    np.testing.assert_allclose(found.estimate, (fit.observed - fit.optimal) / table["y1"], rtol=1e-9)
    assert np.isnan(found.noise).all()
    assert "CostEfficiency" in found.source.model


@pytest.mark.parametrize(("change", "words"), [
    ({"prices": {}}, "there are none"), ({"prices": {"y1": "p1"}}, "prices are of"),
    ({"prices": "w1"}, "a column or a number"),
    ({"prices": {"x1": -1.0, "x2": 1.0}}, "positive number"), ({"prices": {"x1": True, "x2": 1.0}}, "positive number"),
    ({"prices": {"x1": "w1"}, "convex": False}, "x2.*has no price"), ({"convex": "yes"}, "True or False"),
    ({"returns": "nirs"}, "allowed are"),
])  # fmt: skip
def test_what_cannot_be_asked(change, words):
    with pytest.raises(SpecificationError, match=words):
        CostEfficiency(**{**GOODS, "prices": {"x1": "w1", "x2": "w2"}, **change})


def test_profit_needs_all_prices():
    with pytest.raises(SpecificationError, match="needs all prices"):
        ProfitEfficiency(**GOODS, prices={"x1": 1.0})
    with pytest.raises(SpecificationError, match="need 'vrs'"):
        ProfitEfficiency(**GOODS, prices=dict.fromkeys(["x1", "x2", "y1", "y2"], 1.0), convex=False, returns="crs")


@pytest.mark.parametrize(("price", "words"), [
    (0.0, "no positive number"), (-1.0, "no positive number"), (np.inf, "positive|finite"), (np.nan, "missing"),
    ("dear", "no numbers"),
])  # fmt: skip
def test_bad_prices(table, price, words):
    bad = table.astype({"w1": object}) if isinstance(price, str) else table.copy()
    bad.loc[3, "w1"] = price
    with pytest.raises(DataError, match=words):
        CostEfficiency(**GOODS, prices={"x1": "w1", "x2": "w2"}).fit(bad)


def test_few_units_and_one():
    parts = {"inputs": ["staff", "rooms"], "outputs": ["users"], "unit": "unit", "prices": {"staff": 4, "rooms": 2}}
    with pytest.raises(DataError, match="at least 2 units"):
        CostEfficiency(**parts).fit(COOPER[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", BenchmodelsWarning)
        assert CostEfficiency(**parts).fit(COOPER[:2]).efficiency.tolist() == pytest.approx([10 / 16, 1.0])


@pytest.mark.parametrize(("model", "words"), [
    (CostEfficiency(inputs=["a", "b"], outputs=["c", "d"], unit="unit", prices={"a": 2.0}), "uses none of the inputs"),
    (RevenueEfficiency(inputs=["c", "d"], outputs=["a", "b"], unit="unit", prices={"a": 2.0}), "makes none of the out"),
])  # fmt: skip
def test_a_unit_without_any_good_that_has_a_price(model, words):
    table = pd.DataFrame({"unit": list("åbc"), "a": [0.0, 1, 2], "b": [1.0, 1, 2], "c": [1.0, 2, 3], "d": 1.0})
    with pytest.raises(DataError, match=f"{words}.*'a'.*'å'"):
        model.fit(table)


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_a_profit_of_nothing_but_rounding_has_a_bound(scale):
    # Of every unit, w x = p y but for the last digit: the largest profit of constant returns is zero.
    staff = np.array([3.0, 1, 7, 5, 6, 8]) / 10
    table = pd.DataFrame({"unit": range(6), "staff": staff * scale, "users": staff * 0.3 / 0.1})
    assert np.any(0.3 / scale * table["staff"] != 0.1 * table["users"])
    model = ProfitEfficiency(inputs=["staff"], outputs=["users"], unit="unit", returns="crs",
        prices={"staff": 0.3 / scale, "users": 0.1})  # fmt: skip
    fit = model.fit(table)
    assert fit.status.tolist() == ["solved"] * 6
    assert fit.optimal.tolist() == [0.0] * 6


@pytest.mark.parametrize("more", [
    {"environment": {"p1": "high"}}, {"composition": ["p1"], "nearest": 6},
    {"peers": {f"ø{i:02d}": ["ø01"] for i in range(30)}},
])  # fmt: skip
def test_without_prices_units_are_held_against_the_same_others(table, more):
    fit = CostEfficiency(**GOODS, prices={"x1": "w1", "x2": "w2"}, **more).fit(table)
    np.testing.assert_allclose(fit.technical, DEA(**GOODS, **more).fit(table).efficiency, rtol=1e-9)
    assert np.any(np.abs(fit.technical - DEA(**GOODS).fit(table).efficiency) > 1e-6)


def test_rounding_is_nobody_to_talk_to():
    parts = {"inputs": ["staff", "rooms"], "outputs": ["users"], "unit": "unit", "returns": "crs"}
    for prices in ({"users": 1}, {"users": 7.3}):
        peers = RevenueEfficiency(**parts, prices=prices).fit(COOPER).peers()
        largest = peers.groupby("unit")["weight"].transform("max")
        assert (peers["weight"] > 1e-9 * largest).all()
