"""Mergers: closed forms, a plain loop of programs straight from the paper, Benchmarking's results, and bad input."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from benchmodels import datasets
from benchmodels.datasets import municipality_neighbours
from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier.together import MergerGains, Metafrontier
from benchmodels.frontier.together.bootstrap import PARTS

pytestmark = pytest.mark.filterwarnings("ignore:.*are few for:benchmodels.errors.BenchmodelsWarning")

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
ALGEBRA, SOLVER, REFERENCE = 1e-12, 1e-9, 1e-10
SUM = {"crs": (0, None), "vrs": (1, 1), "drs": (0, 1), "irs": (1, None)}
NAMES = ["æ", "ø", "å", *"bcdefghijklmnopqrstuvwxyz"]


def table(n=14, inputs=2, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    goods = rng.uniform(1, 10, (n, inputs + outputs))
    names = [*(f"x{i}" for i in range(inputs)), *(f"y{i}" for i in range(outputs))]
    return pd.DataFrame(goods, columns=names).assign(unit=NAMES[:n])


def model(inputs=2, outputs=2, **options):
    names = {"inputs": [f"x{i}" for i in range(inputs)], "outputs": [f"y{i}" for i in range(outputs)]}
    return MergerGains(**names, unit="unit", **options)


def quietly(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return call(*arguments, **options)


def plain(x, y, point, returns, orientation):
    """One Farrell program: min θ, or max φ, over intensities; NaN without a solution."""
    low, high = SUM[returns]
    n, (px, py) = len(x), point
    first = (-px, np.zeros_like(py)) if orientation == "input" else (np.zeros_like(px), py)
    right = (np.zeros_like(px), -py) if orientation == "input" else (px, np.zeros_like(py))
    rows = [np.column_stack([first[0], x.T]), np.column_stack([first[1], -y.T])]
    bounds, ones = [*right], np.append(0, np.ones(n))
    rows, right = np.vstack(rows), np.concatenate(bounds)
    if high is not None:
        rows, right = np.vstack([rows, ones]), np.append(right, high)
    if low:
        rows, right = np.vstack([rows, -ones]), np.append(right, -low)
    cost = np.append(1.0 if orientation == "input" else -1.0, np.zeros(n))
    found = linprog(cost, A_ub=rows, b_ub=right, bounds=(0, None), method="highs")
    return found.x[0] if found.status == 0 else np.nan


def oracle(x, y, group, returns, orientation):
    """Bogetoft and Wang's programs one by one."""
    own = np.array([plain(x, y, (x[i], y[i]), returns, orientation) for i in group])[:, None]
    at = (x[group] * own, y[group]) if orientation == "input" else (x[group], y[group] * own)
    total = plain(x, y, (x[group].sum(0), y[group].sum(0)), returns, orientation)
    corrected = plain(x, y, (at[0].sum(0), at[1].sum(0)), returns, orientation)
    harmony = plain(x, y, (at[0].mean(0), at[1].mean(0)), returns, orientation)
    return [total, total / corrected, harmony, corrected / harmony, corrected]


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("returns", list(SUM))
def test_a_plain_loop_of_programs(returns, orientation):
    data = table()
    fit = model(returns=returns, orientation=orientation).fit(data)
    groups = [["æ", "ø"], ["å", "b", "c"], ["ø", "f"], ["e", "g", "h", "k"]]
    found = quietly(fit.gains, groups)
    goods = data.set_index("unit")
    place = {name: i for i, name in enumerate(fit.unit)}
    goods = goods.loc[fit.unit].to_numpy()
    truth = np.array([oracle(goods[:, :2], goods[:, 2:], [place[u] for u in g], returns, orientation) for g in groups])
    ours = np.column_stack([getattr(found, part) for part in PARTS])
    np.testing.assert_allclose(ours, truth, rtol=SOLVER)
    assert (found.status == "solved").tolist() == np.isfinite(truth[:, 0]).tolist()


@pytest.mark.parametrize("name", ["charnes1981", "milkProd", "syn_dea_a"])
@pytest.mark.skipif(not (SHARED / "dea").exists(), reason="the reference results are not here")
def test_benchmarking(name):
    kept = json.loads((SHARED / "dea" / f"merge_{name}.json").read_text())
    data = pd.read_csv(SHARED / kept["dataset"])
    data["unit"] = np.arange(len(data))
    named = {"Eff": "total", "Estar": "corrected", "learning": "learning", "harmony": "harmony", "size": "size"}
    for key, theirs in kept["results"].items():
        returns, side = key.split("|")
        orientation = {"in": "input", "out": "output"}[side]
        asked = MergerGains(
            inputs=kept["inputs"], outputs=kept["outputs"], unit="unit", returns=returns, orientation=orientation
        )
        found = quietly(asked.fit(data).gains, kept["groups_0based"])
        for word, part in named.items():
            values = np.array(theirs[word], dtype=float)
            values[~np.isfinite(values)] = np.nan
            np.testing.assert_allclose(getattr(found, part), values, rtol=REFERENCE, err_msg=f"{key} {part}")
        infeasible = ~np.isfinite(np.array(theirs["Eff"], dtype=float))
        assert ((found.status == "infeasible") == infeasible).all()


@pytest.mark.parametrize("orientation", ["input", "output"])
def test_one_input_one_output_under_constant_returns(orientation):
    """The best ratio is all there is: a merger adds nothing to what each can learn."""
    data = pd.DataFrame({"unit": list("abc"), "x0": [2.0, 4, 5], "y0": [2.0, 2, 4]})
    found = model(1, 1, returns="crs", orientation=orientation).fit(data).gains([["a", "b"], ["b", "c"]])
    total = np.array([4 / 6, 6 / 9])
    np.testing.assert_allclose(found.total, total if orientation == "input" else 1 / total, rtol=ALGEBRA)
    np.testing.assert_allclose(found.harmony, 1.0, rtol=ALGEBRA)
    assert (found.size == 1.0).all()
    np.testing.assert_allclose(found.learning, found.total, rtol=ALGEBRA)


def test_sizes_in_closed_form():
    """All that is best lies on the line from (1, 1) to (4, 16): 2 could make 4 of 1.6, and both together 5 of 1.8."""
    data = pd.DataFrame({"unit": list("abc"), "x0": [1.0, 2, 4], "y0": [1.0, 4, 16]})
    found = model(1, 1).fit(data).gains([["a", "b"]])
    np.testing.assert_allclose(found.total, 1.8 / 3, rtol=ALGEBRA)
    np.testing.assert_allclose(found.learning, 2.6 / 3, rtol=ALGEBRA)
    np.testing.assert_allclose(found.harmony, 1.0, rtol=ALGEBRA)
    np.testing.assert_allclose(found.size, 1.8 / 2.6, rtol=ALGEBRA)


@pytest.mark.parametrize("returns", [*SUM, "fdh"])
@pytest.mark.parametrize("orientation", ["input", "output"])
def test_identities(returns, orientation):
    fit = model(returns=returns, orientation=orientation).fit(table(seed=3))
    found = quietly(fit.pairs)
    at = np.isfinite(found.size)
    assert at.any()
    product = found.learning * found.harmony * found.size
    np.testing.assert_allclose(product[at], found.total[at], rtol=ALGEBRA)
    np.testing.assert_allclose((found.harmony * found.size)[at], found.corrected[at], rtol=ALGEBRA)
    sign = 1 if orientation == "input" else -1
    assert np.nanmax(sign * (found.learning - 1)) <= SOLVER
    if returns != "fdh":
        assert np.nanmax(sign * (found.harmony - 1)) <= SOLVER
    if returns == "crs":
        assert (found.size == 1).all()
    if returns == "drs":
        assert np.nanmin(sign * (found.size - 1)) >= -SOLVER
    if returns == "irs":
        assert np.nanmax(sign * (found.size - 1)) <= SOLVER
    efficiency = quietly(DEA(inputs=["x0", "x1"], outputs=["y0", "y1"], unit="unit", orientation=orientation).fit,
                         table(seed=3))  # fmt: skip
    if returns == "vrs":
        known = efficiency.efficiency if orientation == "input" else efficiency.expansion
        np.testing.assert_allclose(fit.factor, known, rtol=SOLVER)


def test_units_of_measure_rows_and_labels_do_not_matter():
    data = table(seed=5)
    groups = [["æ", "ø"], ["b", "å", "c"]]
    before = quietly(model().fit(data).gains, groups)
    other = data.sample(frac=1, random_state=1).assign(x0=data["x0"] * 1e9, y1=data["y1"] * 1e-9)
    other["unit"] = other["unit"].map({name: f"{i:02d}" for i, name in enumerate(NAMES)})
    renamed = [[f"{NAMES.index(u):02d}" for u in reversed(g)] for g in groups]
    after = quietly(model().fit(other).gains, renamed)
    for part in PARTS:
        np.testing.assert_allclose(getattr(after, part), getattr(before, part), rtol=SOLVER)
    doubled = pd.concat([data, data.assign(unit=data["unit"] + "2")])
    for part in PARTS:
        again = quietly(model().fit(doubled).gains, groups)
        np.testing.assert_allclose(getattr(again, part), getattr(before, part), rtol=SOLVER)


def test_too_large_is_a_status_and_is_counted():
    data = pd.DataFrame({"unit": list("abc"), "x0": [1.0, 2, 4], "y0": [1.0, 3, 4]})
    with pytest.warns(PartialResultWarning, match=r"of 3 groups.*2 are larger"):
        found = model(1, 1).fit(data).pairs()
    assert found.status.tolist() == ["solved", "infeasible", "infeasible"]
    assert np.isnan(found.total[1:]).all()
    assert np.isfinite(found.harmony).all()
    frame = found.to_frame()
    assert frame["group"].tolist() == ["a + b", "a + c", "b + c"]
    np.testing.assert_allclose(frame["potential"][0], 1 - found.total[0])
    assert found.amounts().query("good == 'y0'")["value"].tolist() == [4.0, 5.0, 7.0]
    best = found.best_partners()
    assert best["partner"].tolist()[:2] == ["b", "a"]
    assert best["solved"].tolist() == [1, 1, 0]
    assert pd.isna(best["partner"][2])
    same = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(same.total, found.total)


def test_partners_and_neighbours():
    data = table(seed=7)
    fit = model(returns="crs").fit(data)
    every = fit.partners("ø")
    assert len(every) == 13
    assert (np.diff(every.corrected) >= 0).all()
    chain = {a: [b] for a, b in zip(NAMES[:13], NAMES[1:14], strict=True)}
    near = fit.partners("ø", among=chain)
    assert {frozenset(near.groups.members(i)) for i in range(2)} == {frozenset("æø"), frozenset("øå")}
    assert len(fit.pairs(among=chain)) == 13
    three = fit.connected(chain, units=3)
    assert len(three) == 12
    np.testing.assert_array_equal(three.groups.sums.size, 3)
    by_hand = fit.gains({"first": ["æ", "ø", "å"]})
    assert by_hand.to_frame()["group"].tolist() == ["first"]
    at = three.position(" + ".join(three.groups.members(0)))
    assert at == 0
    best = fit.pairs().best_partners().set_index("unit")
    first = every.groups.members(0)
    assert best["partner"]["ø"] in first
    np.testing.assert_allclose(best["corrected"]["ø"], every.corrected[0])


def test_danish_neighbours():
    near = municipality_neighbours()
    rng = np.random.default_rng(0)
    goods = pd.DataFrame(rng.uniform(1, 5, (98, 2)), columns=["x0", "y0"]).assign(unit=list(near))
    assert len(model(1, 1, returns="crs").fit(goods).pairs(among=near)) == 192


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ([["æ"]], "two or more"),
        ([["æ", "æ"]], "more than once"),
        ([["æ", "zz"]], "not among the 14 units"),
        ([["æ", ["ø"]]], "not among the 14 units"),
        ([["æ", "ø"], ["ø", "æ"]], "same units"),
        (["æø"], "give a list of units"),
        ("æø", "give a list of groups"),
        (3, "give a list of groups"),
        ([], "empty"),
        ({"one": ["æ"]}, "'one'"),
    ],
)
def test_groups_that_are_none(groups, told):
    with pytest.raises(SpecificationError, match=told):
        model().fit(table()).gains(groups)


def test_bad_input():
    for options, told in (({"returns": "frh"}, "allowed are"), ({"orientation": "graph"}, "allowed are")):
        with pytest.raises(SpecificationError, match=told):
            model(**options)
    with pytest.raises(SpecificationError, match="list of columns"):
        MergerGains(inputs="x0", outputs=["y0"], unit="unit")
    for change in ({"x0": np.nan}, {"x0": np.inf}, {"x0": -1.0}, {"x0": 0.0}):
        with pytest.raises(DataError):
            model().fit(table().assign(**change))
    with pytest.raises(DataError, match="more than one row"):
        model().fit(table().assign(unit="a"))
    with pytest.raises(DataError, match="at least 2"):
        model().fit(table(1))
    fit = model(returns="crs").fit(table())
    with pytest.raises(SpecificationError, match="neighbours"):
        fit.pairs(among="near")
    with pytest.raises(SpecificationError, match="none of the"):
        fit.pairs(among={"somewhere": ["else"]})
    with pytest.raises(SpecificationError, match="there are no pairs"):
        fit.partners("æ", among={"ø": ["å"], "æ": ["elsewhere"]})
    with pytest.raises(SpecificationError, match="not among"):
        fit.partners("nobody")
    with pytest.raises(SpecificationError, match="units=7"):
        fit.connected({"æ": ["ø"]}, units=7)
    with pytest.raises(SpecificationError, match="pairs"):
        fit.gains([["æ", "ø", "å"]]).best_partners()
    with pytest.raises(SpecificationError, match="no group"):
        fit.gains([["æ", "ø"]]).position("x")
    with pytest.raises(SpecificationError, match="another law"):
        quietly(quietly(model(returns="fdh").fit(table()).pairs).bootstrap)


@pytest.mark.filterwarnings("error")
def test_few_units_for_many_goods():
    with pytest.warns(BenchmodelsWarning, match="10 units are few for 2 inputs and 2 outputs"):
        model().fit(table(10))
    model().fit(table(12))


def test_a_zero_good_is_held_as_it_is():
    data = table().assign(x1=lambda t: np.where(t["unit"] == "æ", 0.0, t["x1"]))
    found = model(returns="crs").fit(data).gains([["æ", "ø"]])
    assert found.status[0] == "solved"


def shared_by_hand(x, y, technologies, group, moving, bounds=(1, 1)):
    """min θ: intensities of each unit's own technology, written out with dense rows."""
    sizes = [len(t) for t in technologies]
    places = np.cumsum([1, *sizes])
    width, rows, right, equal = places[-1], [], [], []
    for good in range(x.shape[1] + y.shape[1]):
        is_input = good < x.shape[1]
        values = x[:, good] if is_input else -y[:, good - x.shape[1]]
        per_unit = []
        for j, t in enumerate(technologies):
            row = np.zeros(width)
            row[places[j] : places[j + 1]] = values[t]
            if is_input:
                row[0] = -values[group[j]]
            per_unit.append((row, 0.0 if is_input else values[group[j]]))
        pooled = moving == "both" or moving == ("inputs" if is_input else "outputs")
        if pooled:
            per_unit = [(sum(r for r, _ in per_unit), sum(b for _, b in per_unit))]
        rows += [r for r, _ in per_unit]
        right += [b for _, b in per_unit]
    for j in range(len(technologies)):
        row = np.zeros(width)
        row[places[j] : places[j + 1]] = 1.0
        equal.append(row)
    found = linprog(np.eye(width)[0], A_ub=rows, b_ub=right, A_eq=equal, b_eq=np.ones(len(equal)), method="highs")
    return found.x[0]


@pytest.mark.parametrize("moving", ["both", "inputs", "outputs"])
def test_sharing_without_a_merger(moving):
    data = table(seed=9)
    fit = model().fit(data)
    goods = fit.goods
    groups = [["æ", "ø"], ["b", "c", "d"]]
    found = fit.reallocation(groups, moving=moving)
    place = {name: i for i, name in enumerate(fit.unit)}
    every = np.arange(len(goods))
    truth = [
        shared_by_hand(goods.inputs, goods.outputs, [every] * len(g), [place[u] for u in g], moving) for g in groups
    ]
    np.testing.assert_allclose(found.factor, truth, rtol=SOLVER)
    plans = found.plans().pivot_table(index=["group", "good"], values="value", aggfunc="sum")["value"]
    own = data.set_index("unit")
    for name, group, factor in zip(found.groups.name, groups, found.factor, strict=True):
        assert plans[name, "x0"] <= factor * own.loc[group, "x0"].sum() * (1 + SOLVER)
        assert plans[name, "y0"] >= own.loc[group, "y0"].sum() * (1 - SOLVER)
    with pytest.raises(SpecificationError, match="allowed are"):
        fit.reallocation(groups, moving="some")


def test_sharing_all_is_the_mean_of_the_group_and_less_is_less():
    data = table(seed=9)
    for orientation in ("input", "output"):
        fit = model(orientation=orientation).fit(data)
        at = np.array([1, 4, 7])
        group = [fit.unit[at].tolist()]
        mean, _ = fit.farrell(
            fit.goods.inputs[at].mean(axis=0, keepdims=True), fit.goods.outputs[at].mean(axis=0, keepdims=True),
            np.zeros(1, dtype=int), inside=True,
        )  # fmt: skip
        shared = [fit.reallocation(group, moving=moving).potential[0] for moving in ("both", "inputs", "outputs")]
        both = fit.reallocation(group).factor
        np.testing.assert_allclose(both, mean, rtol=SOLVER)
        assert shared[0] >= max(shared[1:]) - SOLVER
        assert min(shared) >= -SOLVER
    with pytest.raises(SpecificationError, match="convex"):
        model(returns="fdh").fit(data).reallocation([["æ", "ø"]])


@pytest.fixture(scope="module")
def resampled():
    data = table(28, seed=11)
    fit = model(1, 1).fit(data)
    gains = quietly(fit.partners, fit.unit[np.argsort(fit.goods.outputs[:, 0])[0]])
    return gains, quietly(gains.bootstrap, replicates=120, rng=1)


def test_intervals(resampled):
    gains, found = resampled
    assert found.errors.shape == (120, len(gains), 5)
    known = np.isfinite(found.errors)
    parts = found.errors[:, :, 1:4].sum(axis=2)
    np.testing.assert_allclose(parts[known[:, :, 0]], found.errors[:, :, 0][known[:, :, 0]], atol=SOLVER)
    low, high = found.interval
    at = found.withheld == ""
    assert at.any()
    assert not at.all()
    assert (low[at] <= high[at]).all()
    assert np.isnan(low[~at]).all()
    assert (high[at][:, [1, 2]] <= 1.0).all()
    frame = found.to_frame()
    assert set(frame["verdict"]) <= {"gain", "cost", "not different", "withheld"}
    assert (frame.loc[frame["verdict"] == "withheld", "why"] != "").all()
    assert np.isnan(found.held["total"])  # 28 units were not simulated
    assert set(found.verdicts()) == {"withheld"}


def test_same_rng_same_answer_and_workers_do_not_matter(resampled):
    gains, found = resampled
    import joblib

    with joblib.parallel_config("threading"):
        again = quietly(gains.bootstrap, replicates=120, rng=1, workers=2)
    np.testing.assert_array_equal(again.errors, found.errors)
    smooth = quietly(gains.bootstrap, replicates=100, rng=1, kind="smoothed")
    assert np.nanmin(smooth.errors[:, :, 0]) >= -SOLVER  # frontiers drawn lie within the one found
    assert "bandwidth" in smooth.told


def test_errors_by_hand(resampled):
    """A replicate is the merger held against the units drawn, by programs one by one."""
    gains, found = resampled
    fit, k = gains.fit, len(gains.fit.goods)
    child = np.random.default_rng(1).spawn(6)[0]
    sets = [np.sort(child.choice(k, found.subset, replace=False)) for _ in range(20)]
    x, y = fit.goods.inputs, fit.goods.outputs
    pair = gains.groups.sums.unit[:2]
    shrink = (found.subset / k) ** (2 / 3)
    for row in (0, 1, 2, 3):
        some = sets[row]
        own = np.array([plain(x[some], y[some], (x[i], y[i]), "vrs", "input") for i in pair])
        total = plain(x[some], y[some], (x[pair].sum(0), y[pair].sum(0)), "vrs", "input")
        if not np.isfinite(own).all() or not np.isfinite(total):
            assert np.isnan(found.errors[row, 0, 0])
            continue
        truth = shrink * (np.log(total) - np.log(gains.total[0]))
        np.testing.assert_allclose(found.errors[row, 0, 0], truth, atol=1e-8)


def test_best_of_many(resampled):
    gains, found = resampled
    told = found.best()
    assert len(told) == (found.withheld == "").sum()
    assert told["may_be_best"][0]
    assert (told["best_rank"] <= np.arange(1, len(told) + 1)).all()
    assert (told["worst_rank"] >= np.arange(1, len(told) + 1)).all()
    low, high = found.interval
    one = pd.Series(np.log(high / low)[:, PARTS.index("corrected")], gains.groups.name)[told["group"]]
    both = np.log(told["upper"] / told["lower"]).to_numpy()
    assert (both >= 0.9 * one.to_numpy()).all()
    with pytest.raises(SpecificationError, match="part="):
        found.best("all")


def test_bad_bootstraps(resampled):
    gains, _ = resampled
    for options, told in (
        ({"replicates": 10}, "replicates"), ({"kind": "rows"}, "allowed are"), ({"subset": 2}, "subset"),
        ({"level": 95}, "level"), ({"kind": "smoothed", "subset": 9}, "subset belongs"), ({"rng": "x"}, "rng"),
    ):  # fmt: skip
        with pytest.raises(SpecificationError, match=told):
            gains.bootstrap(**options)


@pytest.mark.filterwarnings("ignore::benchmodels.errors.BenchmodelsWarning")
def test_under_constant_returns_both_orientations_say_the_same():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.lognormal(size=(24, 3)), columns=["a", "b", "y"]).assign(unit=range(24), kind=[1, 2] * 12)
    asked = {"inputs": ["a", "b"], "outputs": ["y"], "unit": "unit", "returns": "crs"}
    kinds = [
        Metafrontier(**asked, group="kind", union="non-convex", least=2, orientation=side).fit(frame)
        for side in ("input", "output")
    ]
    np.testing.assert_allclose(kinds[0].meta, kinds[1].meta, rtol=1e-9)
    errors = [
        MergerGains(**asked, orientation=side).fit(frame).gains([[0, 1], [2, 3, 4]])
        .bootstrap(kind="smoothed", replicates=100, rng=1).errors
        for side in ("input", "output")
    ]  # fmt: skip
    total = PARTS.index("total")
    np.testing.assert_allclose(errors[0][:, :, total], -errors[1][:, :, total], atol=1e-8)


def test_a_group_of_which_no_digit_of_the_potential_is_known_has_none():
    apart = np.where(np.arange(14) % 5 == 0, 1e-9, 1e9)
    with pytest.warns(PartialResultWarning, match="have a program that was not solved"):
        gains = model(returns="crs").fit(table().assign(x0=apart, x1=apart)).pairs()
    assert set(gains.status) == {"solved", "not solved"}
    solved = gains.status == "solved"
    assert (gains.total[solved] > 0).all()
    assert (gains.harmony[solved] <= 1 + 1e-6).all()
    assert np.isnan(gains.total[~solved] + gains.size[~solved] + gains.learning[~solved]).all()


@pytest.mark.filterwarnings("ignore::benchmodels.errors.BenchmodelsWarning")
def test_a_cost_of_size_that_is_none_is_not_called_one():
    """In the simulated country what a place costs does not depend on how many a municipality has."""
    rows = datasets.simulate_denmark().sheltered_housing()
    price = rows.groupby("year")["cost_1000dkk"].sum() / rows.groupby("year")["full_year_persons"].sum()
    rows = rows.assign(cost=rows["cost_1000dkk"] / rows["year"].map(price / price.iloc[0]))
    homes = rows.pivot_table(index="municipality", columns="service", values="full_year_persons", aggfunc="sum")
    homes.columns = ["a", "b", "c"]
    homes["cost"] = rows.groupby("municipality")["cost"].sum()
    asked = {"inputs": ["cost"], "outputs": ["a", "b", "c"], "unit": "municipality"}
    pairs = MergerGains(**asked).fit(homes.reset_index()).pairs(among=datasets.municipality_neighbours())
    found = pairs.bootstrap(rng=1)
    size = found.to_frame().query("part == 'size'")
    told = (size["lower"] > 1).sum()
    assert (told, len(pairs)) == (126, 192)
    few = size["why"] == "size looks like a cost where large units are few, also where it is none"
    assert few.sum() == told
    assert set(size["verdict"]) == {"not different", "withheld"}
    assert "cost" not in set(found.verdicts()) | set(found.verdicts("total"))
