"""Conditional frontiers: plain loops over units, all draws, each class apart, no difference, a frontier that moves."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import integrate

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA, FDH, FRH, OrderAlpha, OrderM
from benchmodels.frontier.conditional import Conditional
from benchmodels.kernels.conditional_bandwidths import cross_validated
from benchmodels.kernels.conditional_weights import Surroundings, weights_of
from benchmodels.kernels.free_disposal import Goods
from benchmodels.kernels.partial import order_m

GOODS = {"inputs": ["x1", "x2"], "outputs": ["y"], "unit": "unit"}
MODELS = [(FDH, {}), (OrderM, {"m": 6}), (OrderAlpha, {"alpha": 0.8})]
SIDES = ("input", "output")
COLUMNS = ["z", "kind", "grade"]
WIDTHS = {"z": 1.3, "kind": 0.4, "grade": 0.6}
# Circles of comparable units are small here on purpose; the test of the warning has it back.
pytestmark = pytest.mark.filterwarnings("ignore:.*no conditional efficiency:benchmodels.errors.PartialResultWarning")


def made(n, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    kind, grade = rng.choice(["a", "b", "c"], n), rng.integers(0, 4, n)
    y = rng.uniform(1, 1.3, n)
    x = y[:, None] * np.exp(0.4 * z[:, None] + 0.3 * (kind == "b")[:, None] + rng.exponential(0.4, (n, 2)))
    return pd.DataFrame(
        {
            "unit": [f"U{i:03d}" for i in range(n)],
            "x1": x[:, 0],
            "x2": x[:, 1],
            "y": y,
            "z": z,
            "kind": kind,
            "grade": pd.Categorical.from_codes(grade, ["low", "some", "much", "most"], ordered=True),
        }
    )


@pytest.fixture(scope="module")
def table():
    return made(110, 4)


def weight(a, b, widths):
    """Return the weight of one pair, each with z, kind and the place of its grade, by the definition."""
    found = 1.0
    if "z" in widths:
        found *= max(0.0, 1.0 - ((a[0] - b[0]) / widths["z"]) ** 2)
    if "kind" in widths and a[1] != b[1]:
        found *= widths["kind"]
    if "grade" in widths:
        found *= widths["grade"] ** abs(a[2] - b[2])
    return found


def alike(table, o, side, widths):
    """Return what o would score with each comparable unit as its only peer, and their weights, where above zero."""
    x, y = table[["x1", "x2"]].to_numpy(), table["y"].to_numpy()
    around = list(zip(table["z"].tolist(), table["kind"].tolist(), table["grade"].cat.codes.tolist(), strict=True))
    score, weights = [], []
    for j in range(len(table)):
        w = weight(around[o], around[j], widths)
        if w > 0 and (y[j] >= y[o] if side == "input" else np.all(x[j] <= x[o])):
            score.append(np.max(x[j] / x[o]) if side == "input" else y[j] / y[o])
            weights.append(w)
    return np.array(score), np.array(weights)


def partial_score(model, side, score, weights):
    """Return the conditional score by the definitions, an integral and a quantile."""
    share = weights / weights.sum()
    order = np.argsort(score) if side == "input" else np.argsort(-score)
    score, share = score[order], share[order]
    if isinstance(model, FDH):
        return score[0]
    if isinstance(model, OrderM):
        # P(the best of m is worse than u), integrated piece by piece; outputs are bounded below by zero.
        def none(u):
            return share[score > u].sum() ** model.m if side == "input" else 1 - share[score < u].sum() ** model.m

        edges = np.concatenate([[0.0], np.sort(score)])
        return sum(integrate.fixed_quad(np.vectorize(none), a, b, n=1)[0] for a, b in itertools.pairwise(edges))
    for place in range(len(score)):
        if share[: place + 1].sum() > 1 - model.alpha + 1e-12:
            return score[place]
    raise AssertionError


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_scores_are_those_of_a_plain_loop(table, kind, options, side):
    model = kind(**GOODS, orientation=side, **options)
    fit = Conditional(frontier=model, columns=COLUMNS, bandwidth=WIDTHS).fit(table)
    found = fit.efficiency if side == "input" else fit.scores.expansion
    seen = 0
    for o in range(len(table)):
        score, weights = alike(table, o, side, WIDTHS)
        effective = weights.sum() ** 2 / (weights**2).sum()
        assert fit.effective[o] == pytest.approx(effective, rel=1e-12)
        if effective < 15:
            assert fit.status[o] == "few"
            assert np.isnan(found[o])
            continue
        seen += 1
        assert fit.status[o] == "solved"
        assert found[o] == pytest.approx(partial_score(model, side, score, weights), rel=1e-11)
    assert 10 < seen < len(table)
    if side == "output":
        np.testing.assert_allclose(fit.efficiency, 1 / found, rtol=1e-14)


@pytest.mark.parametrize("side", SIDES)
def test_order_m_is_the_mean_over_all_draws(side):
    table = made(34, 9).assign(y=1.0, x2=1.0)
    if side == "output":
        table = table.assign(x1=1.0, y=made(34, 9)["y"])
    model = OrderM(**GOODS, orientation=side, m=3)
    fit = Conditional(frontier=model, columns=["z"], bandwidth={"z": 2.5}).fit(table)
    o = int(np.argmax(fit.effective))
    score, weights = alike(table, o, side, {"z": 2.5})
    share = weights / weights.sum()
    best = np.minimum if side == "input" else np.maximum
    three = best(best(score[:, None, None], score[:, None]), score)
    mean = np.sum(three * share[:, None, None] * share[:, None] * share)
    assert (fit.efficiency if side == "input" else fit.scores.expansion)[o] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_no_difference_is_the_frontier_by_itself(table, kind, options, side):
    model = kind(**GOODS, orientation=side, **options)
    fit = Conditional(frontier=model, columns=COLUMNS, bandwidth={"z": np.inf, "kind": 1.0, "grade": 1.0}).fit(table)
    solved = fit.status == "solved"
    np.testing.assert_allclose(fit.efficiency[solved], model.fit(table).efficiency[solved], rtol=1e-12)
    np.testing.assert_allclose(fit.ratio[solved], 1.0, rtol=1e-12)
    np.testing.assert_array_equal(fit.unconditional.efficiency, model.fit(table).efficiency)
    assert fit.bandwidths_frame()["flat"].all()
    assert solved.sum() > 50


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_levels_of_no_weight_are_each_class_apart(table, kind, options):
    model = kind(**GOODS, **options)
    fit = Conditional(frontier=model, columns=["kind"], bandwidth={"kind": 0.0}).fit(table)
    for _, some in table.groupby("kind"):
        apart = model.fit(some).efficiency
        here = fit.efficiency[some.index]
        solved = np.isfinite(here)
        assert solved.sum() > 10
        np.testing.assert_allclose(here[solved], apart[solved], rtol=1e-12)
    same = kind(**GOODS, **options, environment={"kind": "same"}).fit(table)
    solved = fit.status == "solved"
    np.testing.assert_allclose(fit.efficiency[solved], same.efficiency[solved], rtol=1e-12)


def test_the_frontiers_own_rules_still_hold(table):
    inner = OrderM(**GOODS, m=5, environment={"kind": "same"})
    with_mask = Conditional(frontier=inner, columns=["z"], bandwidth={"z": 3.0}).fit(table)
    by_weight = Conditional(
        frontier=OrderM(**GOODS, m=5), columns=["z", "kind"], bandwidth={"z": 3.0, "kind": 0.0}
    ).fit(table)
    np.testing.assert_allclose(with_mask.efficiency, by_weight.efficiency, rtol=1e-12)
    np.testing.assert_allclose(with_mask.effective, by_weight.effective, rtol=1e-12)
    hull = Conditional(frontier=FDH(**GOODS, environment={"kind": "same"}), columns=["z"], bandwidth={"z": 3.0})
    both = Conditional(frontier=FDH(**GOODS), columns=["z", "kind"], bandwidth={"z": 3.0, "kind": 0.0})
    np.testing.assert_array_equal(hull.fit(table).efficiency, both.fit(table).efficiency)
    chosen = Conditional(frontier=inner, columns=["z"]).fit(table)
    units, kind = Goods(chosen.goods.inputs, chosen.goods.outputs), table["kind"].to_numpy()
    around = Surroundings(values=table[["z"]].to_numpy(), kinds=("continuous",))
    own = cross_validated(
        units, around, measure="input", allowed=lambda some, low, high: kind[some, None] == kind[None, low:high]
    )
    np.testing.assert_allclose(chosen.bandwidth, own, rtol=1e-12)
    assert np.all(chosen.effective <= table.groupby("kind")["unit"].transform("size").to_numpy() + 1e-9)


def test_a_free_disposal_hull_leaves_nobody_out_for_a_level_of_some_weight(table):
    fit = Conditional(frontier=FDH(**GOODS), columns=["kind"], bandwidth={"kind": 0.01}).fit(table)
    solved = fit.status == "solved"
    np.testing.assert_array_equal(fit.ratio[solved], 1.0)
    assert solved.sum() > 30


@pytest.mark.parametrize("side", SIDES)
def test_with_many_drawn_order_m_is_free_disposal(table, side):
    options = {"columns": ["z"], "bandwidth": {"z": 1.5}}
    many = Conditional(frontier=OrderM(**GOODS, orientation=side, m=1e9), **options).fit(table)
    hull = Conditional(frontier=FDH(**GOODS, orientation=side), **options).fit(table)
    np.testing.assert_allclose(many.efficiency, hull.efficiency, rtol=1e-9)
    solved = hull.status == "solved"
    assert np.all(hull.ratio[solved] >= 1.0)
    assert np.any(hull.ratio[solved] > 1.005)


def test_few_are_withheld_counted_and_named(table):
    model = Conditional(frontier=OrderM(**GOODS, m=2), columns=["z"], bandwidth={"z": 0.7})
    with pytest.warns(PartialResultWarning, match="no conditional efficiency") as caught:
        fit = model.fit(table)
    few = fit.effective < 15
    assert 0 < few.sum() < len(few)
    np.testing.assert_array_equal(fit.status == "few", few)
    np.testing.assert_array_equal(np.isnan(fit.efficiency), few)
    message = str(caught[0].message)
    assert len(caught) == 1
    assert message.startswith(f"{few.sum()} of {len(few)} units have no conditional efficiency (fewer than 15 units")
    assert repr(fit.unit[few][0]) in message
    compared = fit.compare()
    np.testing.assert_array_equal([text.startswith("fewer than 15") for text in compared.withheld], few)
    np.testing.assert_allclose(compared.expected[~few], fit.efficiency[~few])
    frame = fit.to_frame()
    assert frame.loc[few, ["efficiency", "ratio", "std_error"]].isna().all(axis=None)


def test_the_standard_error_is_withheld_below_ten_draws_of_comparable_units(table):
    for side in SIDES:
        model = OrderM(**GOODS, orientation=side, m=2)
        fit = Conditional(frontier=model, columns=["z"], bandwidth={"z": 2.0}).fit(table)
        known = np.isfinite(fit.std_error)
        np.testing.assert_array_equal(known, fit.effective >= 20)
        assert 0 < known.sum() < (fit.status == "solved").sum()
        units = Goods(fit.goods.inputs, fit.goods.outputs)
        weights = weights_of(Surroundings(values=table[["z"]].to_numpy(), kinds=("continuous",)), fit.bandwidth)
        found = order_m(units, units, 2, measure=side, weights=weights)
        # By how much an efficiency moves with its expansion, from a small step.
        step = 1.0 if side == "input" else (1 / found.score - 1 / (found.score + 1e-6)) / 1e-6
        np.testing.assert_allclose(fit.std_error[known], (found.std_error * step)[known], rtol=1e-5)
    fit = Conditional(frontier=OrderAlpha(**GOODS), columns=["z"], bandwidth={"z": 2.0}).fit(table)
    assert np.all(np.isnan(fit.std_error))


def test_tables_always_have_the_same_form(table):
    fit = Conditional(frontier=FDH(**GOODS), columns=COLUMNS, bandwidth=WIDTHS).fit(table)
    names = ["unit", "efficiency", "unconditional", "ratio", "effective", "status", "std_error"]
    assert list(fit.to_frame()) == names
    frame = fit.bandwidths_frame()
    assert list(frame) == ["unit", "column", "kind", "bandwidth", "flat"]
    assert frame["kind"].tolist()[:3] == ["continuous", "unordered", "ordered"]
    assert frame["bandwidth"].tolist()[:3] == [1.3, 0.4, 0.6]
    assert len(frame) == 3 * len(table)
    assert repr(fit).startswith("ConditionalFit(110 units, Conditional(frontier=FDH(")
    with pytest.raises(ValueError, match="read-only"):
        fit.bandwidth[0, 0] = 1.0
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(again.to_frame(), fit.to_frame())
    assert hash(fit.model) == hash(again.model)
    assert fit.model == again.model


@pytest.fixture(scope="module")
def chosen(table):
    return Conditional(frontier=OrderM(**GOODS, m=4), columns=COLUMNS).fit(table)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_units_of_measure_do_not_matter(table, chosen, factor):
    scaled = table.assign(x1=table.x1 * factor, x2=table.x2 / factor, y=table.y * factor, z=table.z * factor)
    fit = Conditional(frontier=OrderM(**GOODS, m=4), columns=COLUMNS).fit(scaled)
    np.testing.assert_allclose(fit.efficiency, chosen.efficiency, rtol=1e-9)
    np.testing.assert_allclose(fit.effective, chosen.effective, rtol=1e-9)
    np.testing.assert_allclose(fit.bandwidth, chosen.bandwidth * [factor, 1, 1], rtol=1e-9)


def test_neither_the_order_of_rows_nor_whose_table_it_is_matters(table, chosen):
    model = Conditional(frontier=OrderM(**GOODS, m=4), columns=COLUMNS)
    pd.testing.assert_frame_equal(model.fit(table.sample(frac=1, random_state=2)).to_frame(), chosen.to_frame())
    other = pl.from_pandas(table.drop(columns="grade"))
    found = Conditional(frontier=OrderM(**GOODS, m=4), columns=["z", "kind"]).fit(other)
    same = Conditional(frontier=OrderM(**GOODS, m=4), columns=["z", "kind"]).fit(table)
    pd.testing.assert_frame_equal(found.to_frame(), same.to_frame())


def test_truth_values_and_numbers_of_two_values_are_levels(table):
    model = {"frontier": OrderM(**GOODS, m=4), "columns": ["b"], "bandwidth": {"b": 0.3}}
    text = Conditional(**model).fit(table.assign(b=np.where(table.kind == "a", "yes", "no")))
    for b in (table.kind == "a", 7.5 + 2 * (table.kind == "a")):
        fit = Conditional(**model).fit(table.assign(b=b))
        assert fit.kinds == ("unordered",)
        np.testing.assert_allclose(fit.efficiency, text.efficiency, rtol=1e-13)


def test_each_unit_twice_changes_no_given_answer(table):
    """Weights are shares: repeated rows count twice on both sides, and the effective number doubles."""
    model = Conditional(frontier=OrderM(**GOODS, m=4), columns=["z", "kind"], bandwidth={"z": 2.0, "kind": 0.5})
    one = model.fit(table)
    two = model.fit(pd.concat([table, table.assign(unit=table.unit + "b")]))
    np.testing.assert_allclose(two.effective[::2], 2 * one.effective, rtol=1e-12)
    solved = one.status == "solved"
    np.testing.assert_allclose(two.efficiency[::2][solved], one.efficiency[solved], rtol=1e-12)


def moving(n, seed):
    """Make units of one output, whose least input is exp(z) and whose excess over it is Pareto of index 3."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0, 1.5, n)
    x = np.exp(z + rng.exponential(1 / 3, n))
    return pd.DataFrame({"unit": np.arange(n), "x": x, "y": np.linspace(1, 1.01, n), "z": z, "w": rng.normal(size=n)})


def test_a_frontier_that_moves_is_followed():
    """The truth: the best of m has the mean exp(z) 3 m / (3 m - 1), and the slope of ln z in it is one."""
    table, m = moving(300, 3), 5
    # All must be comparable, or the bandwidth would take a cross-validation of each unit's own.
    flat = OrderM(inputs=["x"], outputs=["y"], unit="unit", m=m)
    fit = Conditional(frontier=flat, columns=["z", "w"]).fit(table)
    solved = (fit.status == "solved") & (table.y < 1.005).to_numpy()
    truth = np.exp(table.z) * 3 * m / (3 * m - 1) / table.x
    z = table.z[solved]
    slope = {
        name: np.polyfit(z, np.log(found[solved] / truth[solved]), 1)[0]
        for name, found in (("conditional", fit.efficiency), ("unconditional", fit.unconditional.efficiency))
    }
    assert slope["unconditional"] == pytest.approx(-1.0, abs=0.02)
    assert abs(slope["conditional"]) < 0.15
    assert np.polyfit(z, np.log(fit.ratio[solved]), 1)[0] > 0.85
    error = np.log(fit.efficiency / truth)[solved]
    assert np.sqrt(np.mean(error**2)) < 0.12
    widths = fit.bandwidths_frame().groupby("column")["bandwidth"].median()
    assert widths["z"] < 0.6
    assert widths["w"] > 1.0


@pytest.mark.slow
def test_the_standard_error_is_that_of_drawing_others_again():
    """With z given and a fixed bandwidth the spread of scores over tables is what the standard error says."""
    model = OrderM(inputs=["x"], outputs=["y"], unit="unit", m=5)
    scores, errors = [], []
    for seed in range(400):
        table = moving(200, seed).assign(y=1.0)
        table.loc[0, ["x", "z"]] = [3.0, 0.75]
        fit = Conditional(frontier=model, columns=["z"], bandwidth={"z": 0.5}).fit(table)
        scores.append(fit.efficiency[0])
        errors.append(fit.std_error[0])
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frontier": DEA(**GOODS)}, "give OrderM, OrderAlpha or FDH"),
        ({"frontier": FRH(**GOODS)}, "give OrderM, OrderAlpha or FDH"),
        ({"frontier": FDH(**GOODS, orientation="graph")}, "'graph' moves every good"),
        ({"columns": "z"}, "give a list of columns"),
        ({"columns": []}, "give a list of columns"),
        ({"columns": 3}, "give a list of columns"),
        ({"columns": ["z", "kind", "z"]}, "'z' more than once"),
        ({"columns": ["z", "y"]}, "'y' is a good or the unit itself"),
        ({"columns": ["unit"]}, "'unit' is a good or the unit itself"),
        ({"bandwidth": "plug-in"}, "give 'cross-validated'"),
        ({"bandwidth": 0.3}, "give 'cross-validated'"),
        ({"bandwidth": {}}, "a number for each"),
        ({"bandwidth": {"z": 1.0, "w": 1.0}}, "a number for each"),
        ({"bandwidth": {"z": -1.0}}, "must be a number above zero"),
        ({"bandwidth": {"z": np.nan}}, "must be a number above zero"),
        ({"bandwidth": {"z": True}}, "must be a number above zero"),
        ({"bandwidth": {"z": "wide"}}, "must be a number above zero"),
    ],
)
def test_questions_that_cannot_be_meant(options, words):
    with pytest.raises(SpecificationError, match=words):
        Conditional(**{"frontier": FDH(**GOODS), "columns": ["z"], **options})


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({"z": 4.0}, {}, DataError, "'z' is the same for all units"),
        ({"kind": "a"}, {"columns": ["kind"]}, DataError, "'kind' is the same for all units"),
        ({"kind": [f"k{i}" for i in range(110)]}, {"columns": ["kind"]}, DataError, "a level for each unit alone"),
        ({"z": [np.inf] + [1.0, 2.0] * 54 + [3.0]}, {}, DataError, "must be finite; it is not for 'U000'"),
        ({"z": [np.nan] + [1.0, 2.0] * 54 + [3.0]}, {}, DataError, "missing values"),
        ({"z": pd.date_range("2020", periods=110)}, {}, DataError, "dates"),
        ({}, {"columns": ["zz"]}, DataError, "no column 'zz'.*did you mean 'z'"),
        ({}, {"bandwidth": {"z": 0.0}}, SpecificationError, "'z' is 0.0; it must be above zero"),
        ({}, {"columns": ["kind"], "bandwidth": {"kind": 1.5}}, SpecificationError, "must be from 0 to 1"),
    ],
)
def test_tables_that_do_not_hold_what_is_needed(table, change, options, error, words):
    model = Conditional(**{"frontier": FDH(**GOODS), "columns": ["z"], **options})
    with pytest.raises(error, match=words):
        model.fit(table.assign(**change))


@pytest.mark.parametrize("n", [2, 14])
def test_a_handful_of_units(table, n):
    with pytest.raises(DataError, match=f"at least 15 units.*there are {n}"):
        Conditional(frontier=FDH(**GOODS), columns=["z"]).fit(table.head(n))


def test_missing_surroundings_are_dropped_on_request(table):
    lost = table.assign(z=table.z.where(table.index > 2))
    with pytest.warns(UserWarning, match="3 of 110 rows dropped"):
        fit = Conditional(frontier=FDH(**GOODS, missing="drop"), columns=["z"]).fit(lost)
    assert len(fit.goods) == 107
