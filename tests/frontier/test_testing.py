"""Tests of a frontier: what they say, when they withhold it, whom they agree with, and what they refuse."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm
from scipy.stats import t as student

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA, FDH, FRH, OrderM
from benchmodels.frontier.testing import (
    HypothesisTest,
    bootstrap_returns,
    check_convexity,
    check_independence,
    check_returns,
    check_separability,
    compare_means,
    mean_efficiency,
)
from benchmodels.frontier.testing.outcome import judged
from benchmodels.frontier.testing.sizes import Size, size_of
from benchmodels.kernels.frontier_means import own_scores

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
GOODS = {"inputs": ["x"], "outputs": ["y"], "unit": "unit"}
FAST = {"replicates": 19, "rng": 1}
EXACT = 1e-9


def drawn(n=120, seed=0, scale=0.9, labels="Aarhus"):
    rng = np.random.default_rng(seed)
    x = rng.uniform(10, 100, n)
    waste = np.abs(rng.normal(0, 0.3, n))
    kind = np.where(np.arange(n) % 2, "by", "ø")
    return pd.DataFrame(
        {"unit": [f"{labels} {i:03d}" for i in range(n)], "x": x, "y": x**scale * np.exp(-waste), "kind": kind,
         "z": rng.normal(size=n), "three": np.array(["a", "b", "c"])[np.arange(n) % 3]}
    )  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return drawn()


@pytest.fixture(scope="module")
def fit(table):
    return DEA(**GOODS).fit(table)


def of(fit, table, name, **options):
    if name == "check_separability":
        return check_separability(fit, table, "kind", **(FAST | options))
    if name == "compare_means":
        return compare_means(fit, table, "kind", rng=1, **options)
    return globals()[name](fit, **(FAST | options))


NAMES = (
    "check_convexity", "check_returns", "check_separability", "compare_means", "bootstrap_returns", "check_independence"
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_promise_of_every_test(fit, table, name):
    """Order of rows and units of measure do not matter; a seed is an answer; it is kept, closed, told."""
    found = of(fit, table, name)
    assert isinstance(found, HypothesisTest) and 0 < found.p_value <= 1
    assert found.verdict in ("rejected", "not rejected", "withheld") and found.reason in repr(found)
    shuffled = table.sample(frac=1, random_state=3)
    shuffled = shuffled.assign(x=shuffled["x"] * 1e9, y=shuffled["y"] * 1e-9)
    again = of(DEA(**GOODS).fit(shuffled), shuffled, name)
    assert again.statistic == pytest.approx(found.statistic, rel=1e-6)
    assert again.p_value == pytest.approx(found.p_value, rel=1e-5)
    kept = pickle.loads(pickle.dumps(found))
    assert kept.to_frame().equals(found.to_frame()) and not kept.replicated.flags.writeable
    frame = found.to_frame()
    assert len(frame) == 1 and {"null", "statistic", "p_value", "verdict", "reason", "size"} <= set(frame)
    with pytest.raises(ValueError, match="read-only"):
        found.statistics[0] = 0.0


@pytest.mark.parametrize("name", ["check_convexity", "check_returns", "bootstrap_returns", "check_independence"])
def test_workers_do_not_matter(fit, name):
    import joblib

    options = {"replicates": 40} | ({"splits": 2} if name in ("check_convexity", "check_returns") else {})
    one = of(fit, None, name, **options)
    with joblib.parallel_config("threading"):
        two = of(fit, None, name, workers=2, **options)
    np.testing.assert_array_equal(one.replicated, two.replicated)
    assert one.statistic == two.statistic


def test_what_is_false_is_found():
    steep = drawn(scale=1.6)
    assert check_convexity(FDH(**GOODS).fit(steep), **FAST).p_value == 0.05
    fit = DEA(**GOODS).fit(drawn(scale=0.6))
    for statistic in ("mean", "kolmogorov"):
        found = check_returns(fit, statistic=statistic, **FAST)
        assert found.p_value == 0.05 and found.splits == 10 and found.replicates == 19
        assert found.statistics.shape == (10,) and found.replicated.shape == (19,)
    assert bootstrap_returns(fit, **FAST).p_value == 0.05
    apart = drawn()
    apart["y"] *= np.where(apart["kind"] == "by", 0.6, 1.0)
    fit = DEA(**GOODS).fit(apart)
    assert check_separability(fit, apart, "kind", **FAST).p_value == 0.05
    apart["number"] = np.where(apart["kind"] == "by", 1.0, 0.0) + 0.1 * apart["z"]
    told = check_separability(fit, apart, "number", **FAST)
    assert told.p_value == 0.05 and "whatever 'number'" in told.null
    # Means against one's own frontier may still be the same.
    assert compare_means(fit, apart, "kind", rng=1).p_value > 0.01


def test_what_is_true_is_seldom_found():
    p = [check_returns(DEA(**GOODS).fit(drawn(60, seed, 1.0)), splits=3, **FAST).p_value for seed in range(8)]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 8) and np.median(p) > 0.1


def test_the_estimators_fit_makes_no_difference(table, fit):
    same = DEA(**GOODS, returns="crs").fit(table)
    few = FAST | {"splits": 2}
    assert check_returns(fit, **few).statistic == check_returns(same, **few).statistic
    hull = FDH(**GOODS).fit(table)
    assert check_convexity(fit, **few).statistic == check_convexity(hull, **few).statistic
    assert bootstrap_returns(fit, **FAST).statistic == bootstrap_returns(same, **FAST).statistic


def test_one_split_is_held_against_the_normal_law(fit):
    found = check_returns(fit, splits=1, rng=4)
    assert found.p_value == pytest.approx(norm.sf(found.statistic)) and found.statistic_name == "one split"
    assert found.replicates == 0 and len(found.replicated) == 0
    assert abs(check_returns(fit, splits=1, rng=5).statistic - found.statistic) > 1e-3


@pytest.mark.parametrize(
    ("asking", "reason"),
    [
        (lambda t, f: check_returns(f, splits=4, **FAST), "simulated with splits=10, and this is 4"),
        (lambda t, f: check_returns(f, halvings=9, **FAST), "simulated with halvings=3, and this is 9"),
        (lambda t, f: check_returns(f, level=0.03, **FAST), "simulated at levels 0.01, 0.05, 0.1 alone"),
        (lambda t, f: check_separability(f, t, "three", **FAST), "with 2 kinds of units, and these are 3"),
        (lambda t, f: compare_means(f, t, "three", rng=1), "with 2 kinds of units, and these are 3"),
        (lambda t, f: compare_means(f, t, "kind", halvings=7, rng=1), "simulated with halvings=20, and this is 7"),
        (lambda t, f: bootstrap_returns(f, bandwidth=0.05, **FAST), "simulated with bandwidth='silverman' alone"),
        (lambda t, f: bootstrap_returns(f, null="drs", **FAST), "simulated with null='crs' alone"),
    ],
)
def test_verdicts_are_withheld_where_nothing_is_known(table, fit, asking, reason):
    found = asking(table, fit)
    assert found.verdict == "withheld" and reason in found.reason and np.isnan(found.size)
    assert 0 < found.p_value <= 1


def test_verdicts_are_withheld_beyond_the_tables_simulated():
    small = DEA(**GOODS).fit(drawn(60))
    found = check_returns(small, splits=1)
    assert found.verdict == "withheld" and "and this one has 60 with 2" in found.reason
    output = check_returns(DEA(**GOODS, orientation="output").fit(drawn()), splits=1)
    assert output.verdict == "withheld" and "orientation='input' alone" in output.reason
    many = drawn(110).assign(**{f"x{i}": np.random.default_rng(i).uniform(1, 2, 110) for i in range(4)})
    wide = DEA(inputs=["x", "x0", "x1", "x2", "x3"], outputs=["y"], unit="unit").fit(many)
    assert "has 110 with 6" in check_returns(wide, splits=1).reason
    uneven = drawn().assign(kind=np.where(np.arange(120) < 20, "a", "b"))
    assert "has 40 with 2" in compare_means(DEA(**GOODS).fit(uneven), uneven, "kind", rng=1).reason


def test_verdicts_are_withheld_where_the_size_is_off():
    """One split of 98 units calls nine convex technologies of ten not convex: no p-value makes that a verdict."""
    rng = np.random.default_rng(2)
    x = rng.uniform(10, 100, (98, 2))
    table = pd.DataFrame(x, columns=["a", "b"]).assign(
        unit=range(98), y=np.prod(x**0.45, axis=1) * np.exp(-np.abs(rng.normal(0, 0.3, 98)))
    )
    fit = FDH(inputs=["a", "b"], outputs=["y"], unit="unit").fit(table)
    found = check_convexity(fit, splits=1, rng=1)
    assert found.p_value < 0.05 and found.verdict == "withheld" and found.size > 0.5
    assert "rejects what is true too often: in 9" in found.reason


def test_words_of_a_verdict():
    known = Size(size=0.06, limit=0.11, power=0.8, told="200 simulated tables")
    assert judged(0.02, 0.05, known)[0] == "rejected"
    verdict, reason = judged(0.2, 0.05, known)
    assert verdict == "not rejected" and "alternative simulated found in 80%" in reason
    assert judged(0.02, 0.05, Size(size=0.3, limit=0.11, power=1.0, told="x"))[0] == "withheld"


def test_the_worst_of_the_neighbours_counts():
    asked = {"goods": 2, "side": "input", "level": 0.05}
    ends = [size_of("returns-2002", "sums", "crs", units=n, **asked).size for n in (98, 300)]
    between = size_of("returns-2002", "sums", "crs", units=150, **asked)
    assert between.size == max(ends)
    assert not size_of("returns-2002", "sums", "crs", units=97, **asked).known


@pytest.mark.skipif(not SHARED.exists(), reason="reference results are not here")
def test_as_rdea():
    """Statistics to the last digit; under its bandwidth the law of 200 replicates of rDEA 1.2-8, and the p-value."""
    kept = json.loads((SHARED / "dea" / "rdea_rtstest_syn_sw2007_a.json").read_text())
    theirs, frame = kept["result"], pd.read_csv(SHARED / kept["dataset"])
    fit = DEA(inputs=["x1", "x2"], outputs=["y"], unit="dmu").fit(frame)
    for statistic, value, law in (("sums", "w_hat", "w_hat_boot"), ("ratios", "w48_hat", "w48_hat_boot")):
        found = bootstrap_returns(fit, statistic=statistic, bandwidth=theirs["bw_value"], replicates=999, rng=1)
        assert found.statistic == pytest.approx(theirs[value], abs=EXACT)
        drawn = np.array(theirs[law]).ravel()
        spread = drawn.std(ddof=1)
        assert abs(found.replicated.mean() - drawn.mean()) < 4 * spread * np.sqrt(1 / 200 + 1 / 999)
        assert found.replicated.std(ddof=1) == pytest.approx(spread, rel=4 * np.sqrt(0.5 / 200 + 0.5 / 999))
        # Theirs adds one to the count but not to the number: none of its replicates is beyond the statistic.
        assert theirs["pvalue"] == theirs["pvalue48"] == 1 / 200
        assert abs(found.p_value - 1 / 200) < 4 * np.sqrt(0.005 * 0.995 * (1 / 200 + 1 / 999))
        share = np.mean(found.replicated <= theirs["H0level" if statistic == "sums" else "H0level48"])
        assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 * (1 / 200 + 1 / 999))


def test_means_by_hand(table, fit):
    found = mean_efficiency(fit, rng=3, level=0.9)
    spread = fit.efficiency.std(ddof=1)
    np.testing.assert_allclose(found.found, fit.efficiency.mean(), atol=EXACT)
    np.testing.assert_allclose(found.mean, found.found - found.bias, atol=EXACT)
    np.testing.assert_allclose(found.std_error, spread / np.sqrt(120), atol=EXACT)
    np.testing.assert_allclose(found.upper - found.lower, 2 * norm.ppf(0.95) * found.std_error, atol=EXACT)
    assert found.bias > 0 and found.part == 120
    # Under constant returns both orientations have the same efficiencies, halves and all.
    both = [
        mean_efficiency(DEA(**GOODS, returns="crs", orientation=side).fit(table), rng=3) for side in ("input", "output")
    ]
    np.testing.assert_allclose(both[0].mean, both[1].mean, atol=EXACT)
    assert np.isfinite(both[0].coverage).all() and np.isnan(both[1].coverage).all()


def test_means_by_kind(table, fit):
    found = mean_efficiency(fit, table, "kind", rng=3)
    assert found.group.tolist() == ["by", "ø"] and found.units.tolist() == [60, 60]
    for i, kind in enumerate(("by", "ø")):
        some = table[table["kind"] == kind]
        own = own_scores(some[["x"]].to_numpy(), some[["y"]].to_numpy(), "input", "vrs", [np.arange(60)])[0]
        np.testing.assert_allclose(found.found[i], own.mean(), atol=EXACT)
    test = compare_means(fit, table, "kind", rng=3)
    gap = (found.mean[0] - found.mean[1]) / np.hypot(*found.std_error)
    assert test.statistic == pytest.approx(gap) and test.p_value == pytest.approx(2 * norm.sf(abs(gap)))
    frame = found.to_frame()
    assert list(frame)[:2] == ["group", "units"] and "tables of" in frame["told"].iloc[0]
    assert pickle.loads(pickle.dumps(found)).to_frame().equals(frame) and repr(found).startswith("MeanEfficiency(by: ")


def test_more_than_two_kinds(table, fit):
    found, test = mean_efficiency(fit, table, "three", rng=3), compare_means(fit, table, "three", rng=3)
    # Wald, with all contrasts with the last.
    left = np.array([[1, 0, -1], [0, 1, -1]])
    value = left @ found.mean
    plain = value @ np.linalg.solve(left @ np.diag(found.std_error**2) @ left.T, value)
    assert test.statistic == pytest.approx(plain) and test.p_value == pytest.approx(chi2.sf(plain, 2))
    assert test.statistic_name == "Wald"


def test_means_where_goods_are_many():
    rng = np.random.default_rng(1)
    x = rng.uniform(1, 10, (100, 4))
    table = pd.DataFrame(x, columns=list("abcd")).assign(
        unit=range(100), y=x.prod(axis=1) ** 0.2 * rng.uniform(0.5, 1, 100)
    )
    fit = DEA(inputs=list("abcd"), outputs=["y"], unit="unit").fit(table)
    one, two = (mean_efficiency(fit, centre=centre, rng=1) for centre in ("subsample", "all"))
    assert one.part == two.part == int(100 ** (4 / 6)) and one.std_error == two.std_error
    assert one.mean != two.mean and two.mean == two.found - two.bias
    assert np.isnan(two.coverage).all() and "5" in str(one.told[0])


def test_means_of_partial_frontiers(table):
    fit = OrderM(**GOODS, m=10).fit(table)
    found = mean_efficiency(fit, rng=1)
    assert found.found == pytest.approx(fit.efficiency.mean())
    small = OrderM(**GOODS, m=10).fit(table.iloc[:40])
    told = mean_efficiency(small, rng=1)
    left = [OrderM(**GOODS, m=10).fit(table.iloc[:40].drop(index=i)).efficiency.mean() for i in range(40)]
    error = np.sqrt(39 / 40 * np.sum((np.array(left) - np.mean(left)) ** 2))
    np.testing.assert_allclose(told.std_error, error, rtol=1e-8)
    np.testing.assert_allclose(told.upper - told.mean, student.ppf(0.975, 39) * error, rtol=1e-8)
    assert np.isnan(told.bias).all() and "partial" in told.told[0]
    assert mean_efficiency(fit, table, "kind", rng=1).group.tolist() == ["by", "ø"]
    few = table.assign(kind=np.where(table.index < 5, "few", "many"))
    refused(
        "at least 10 units of each kind are needed; there are few: 5",
        lambda: mean_efficiency(fit, few, "kind"),
        DataError,
    )


def refused(message, asking, error=SpecificationError):
    with pytest.raises(error, match=message):
        asking()


def test_what_is_refused(table, fit):
    refused("statistic='median'", lambda: check_returns(fit, statistic="median"))
    refused("splits=0", lambda: check_returns(fit, splits=0))
    refused("halvings=True", lambda: check_returns(fit, halvings=True))
    refused("replicates=5", lambda: check_returns(fit, replicates=5))
    refused("level=5", lambda: check_returns(fit, level=5))
    refused("rng='a'", lambda: check_returns(fit, rng="a"))
    refused("null='vrs'", lambda: bootstrap_returns(fit, null="vrs"))
    refused("bandwidth=-1", lambda: bootstrap_returns(fit, bandwidth=-1))
    refused("rule='scott'", lambda: bootstrap_returns(fit, bandwidth="scott"))
    refused("statistic='sums'", lambda: check_independence(fit, statistic="sums"))
    refused("centre='mean'", lambda: mean_efficiency(fit, centre="mean"))
    refused("data and column go together", lambda: mean_efficiency(fit, table))
    refused("found UnitsFit", lambda: mean_efficiency(FRH(**GOODS).fit(table.iloc[:10])))
    refused("found DataFrame", lambda: check_returns(table))
    refused("found FDH", lambda: check_returns(FDH(**GOODS).fit(table)))
    refused("returns='irs'", lambda: mean_efficiency(DEA(**GOODS, returns="irs").fit(table)))
    refused(r"returns=\(0.8, 1.2\)", lambda: mean_efficiency(DEA(**GOODS, returns=(0.8, 1.2)).fit(table)))
    refused("found 'graph'", lambda: check_returns(DEA(**GOODS, orientation="graph").fit(table)))
    refused("found 'directional'", lambda: check_returns(DEA(**GOODS, orientation="directional").fit(table)))
    held = DEA(**GOODS, environment={"z": "high"})
    with pytest.warns(Warning, match="few"):
        held = held.fit(table)
    refused("leave out nondiscretionary, environment", lambda: check_returns(held))
    refused("orientation 'input' or 'output'", lambda: mean_efficiency(OrderM(**GOODS, orientation="graph").fit(table)))


def test_columns_that_are_refused(table, fit):
    refused("no column 'zz'", lambda: check_separability(fit, table, "zz", **FAST), DataError)
    refused(r"column=\['kind'\]", lambda: check_separability(fit, table, ["kind"], **FAST))
    refused("which is not the unit's", lambda: check_separability(fit, table, "unit", **FAST))
    refused("numbers of many values", lambda: compare_means(fit, table, "z"))
    refused("slices=1", lambda: check_separability(fit, table, "z", slices=1, **FAST))
    refused("have no row", lambda: compare_means(fit, table.iloc[1:], "kind"), DataError)
    twice = pd.concat([table, table.iloc[:1]])
    refused("more than one row", lambda: compare_means(fit, twice, "kind"), DataError)
    refused("same for all units", lambda: compare_means(fit, table.assign(kind="a"), "kind"), DataError)
    gap = table.assign(kind=table["kind"].where(table.index > 0))
    refused("missing values", lambda: compare_means(fit, gap, "kind"), DataError)
    inf = table.assign(z=table["z"].where(table.index > 0, np.inf))
    refused("finite", lambda: check_separability(fit, inf, "z", **FAST), DataError)
    few = table.assign(kind=np.where(table.index < 5, "few", "many"))
    refused("at least 6 units of each kind.*few: 5", lambda: compare_means(fit, few, "kind"), DataError)
    refused("at least 12 units of each kind", lambda: check_separability(fit, few, "kind", **FAST), DataError)
    lumps = table.assign(z=np.where(table.index < 100, 0.0, table["z"].abs()))
    refused("too few values for 3 slices", lambda: check_separability(fit, lumps, "z", slices=3, **FAST), DataError)


def test_tables_that_are_refused():
    with pytest.warns(Warning, match="few"):
        two = DEA(**GOODS).fit(drawn(5))
    refused("at least 12 units", lambda: check_returns(two, **FAST), DataError)
    alike = pd.DataFrame({"unit": range(30), "x": np.arange(1.0, 31), "y": np.arange(1.0, 31)})
    same = DEA(**GOODS).fit(alike)
    refused("all units are efficient in every half", lambda: check_returns(same, **FAST), DataError)
    refused("too few to smooth", lambda: bootstrap_returns(same, **FAST), DataError)
    refused(
        "all units of a, b are efficient",
        lambda: compare_means(same, alike.assign(kind=np.array(["a", "b"])[np.arange(30) % 2]), "kind"),
        DataError,
    )


@pytest.mark.parametrize("fitted", [DEA(**GOODS, orientation="input"), OrderM(**GOODS, m=5)])
def test_a_mean_of_units_that_are_all_as_efficient_has_no_interval(fitted):
    alike = pd.DataFrame({"unit": range(30), "x": 1.0, "y": 2.0})
    with pytest.warns(PartialResultWarning, match=r"1 of 1 means have no interval.*'all'"):
        found = mean_efficiency(fitted.fit(alike), rng=1)
    np.testing.assert_allclose(found.mean, 1.0)
    assert np.isnan([found.std_error, found.lower, found.upper, found.coverage]).all()
    assert "all units are as efficient" in found.told[0]


def test_slices_of_numbers_that_differ_in_their_last_digits_alone_are_two(table):
    near = table.assign(z=1e9 + np.arange(len(table)))
    found = check_separability(DEA(**GOODS, orientation="input").fit(table), near, "z", **FAST)
    assert "2 kinds of units, and these are" not in found.reason
    with pytest.raises(DataError, match="at least 12 units of each kind"):
        check_separability(DEA(**GOODS).fit(table), near, "z", slices=12, **FAST)
