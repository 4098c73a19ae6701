"""Bootstraps of efficiencies: against other programs in distribution, by identities, and where they must refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA, FrontierBootstrap

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
KEPT = SHARED / "reference" / "dea"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    x = rng.uniform(2, 9, (60, 2))
    y = np.sqrt(x.prod(axis=1)) * np.exp(-np.abs(rng.normal(0, 0.3, 60)))
    return pd.DataFrame({"unit": np.arange(60), "x1": x[:, 0], "x2": x[:, 1], "y": y, "z": rng.integers(0, 2, 60)})


TWO = {"inputs": ["x1", "x2"], "outputs": ["y"], "unit": "unit"}


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("returns", ["crs", "vrs", "drs"])
def test_the_interval_lies_within_the_frontier(table, orientation, returns):
    fit = DEA(**TWO, orientation=orientation, returns=returns).fit(table)
    found = fit.bootstrap(kind="smoothed", replicates=200, rng=1)
    frame = found.to_frame()
    assert list(frame) == [
        "unit",
        "efficiency",
        "corrected",
        "lower",
        "upper",
        "bias",
        "std_error",
        "ratio",
        "advised",
        "missing",
    ]
    np.testing.assert_allclose(frame["efficiency"], fit.efficiency, atol=1e-12)
    assert (frame["lower"] < frame["upper"]).all() and (frame["upper"] <= frame["efficiency"] + 1e-3).all()
    assert (frame["bias"] < 0).mean() > 0.95 and frame["corrected"].between(frame["lower"] * 0.8, 1.0).all()
    np.testing.assert_allclose(frame["corrected"], 1 / (1 / frame["efficiency"] - frame["bias"]))


def test_the_same_seed_gives_the_same_answer_for_any_number_of_workers(table):
    fit = DEA(**TWO).fit(table)
    one, two, other = (
        fit.bootstrap(kind="smoothed", replicates=100, rng=seed, workers=workers)
        for seed, workers in ((5, 1), (5, 2), (6, 1))
    )
    np.testing.assert_array_equal(one.errors, two.errors)
    assert not np.array_equal(one.errors, other.errors)


def test_progress_and_bad_options(table):
    fit, done = DEA(**TWO).fit(table), []
    fit.bootstrap(kind="smoothed", replicates=100, rng=1, progress=done.append)
    assert done == [20, 40, 60, 80, 100]
    for options, message in (
        ({"kind": "rows"}, "allowed are 'smoothed', 'subsample'"),
        ({"replicates": 10}, "replicates=10"),
        ({"level": 95}, "level=95"),
        ({"bandwidth": -1.0}, "bandwidth=-1.0"),
        ({"bandwidth": "scott"}, "rule='scott'"),
        ({"subset": 20}, "subset belongs"),
        ({"kind": "subsample", "subset": 60}, "subset=60"),
        ({"rng": "a"}, "rng='a'"),
    ):
        with pytest.raises(SpecificationError, match=message):
            fit.bootstrap(**({"kind": "smoothed"} | options))
    with pytest.raises(SpecificationError, match="needs an efficiency"):
        DEA(**TWO, orientation="graph").fit(table).bootstrap()


def test_nothing_to_smooth():
    alike = pd.DataFrame({"unit": range(6), "x": [1.0, 2, 3, 1, 2, 3], "y": [1.0, 2, 3, 1, 2, 3]})
    with pytest.warns(Warning, match="few"):
        fit = DEA(inputs=["x"], outputs=["y"], unit="unit", returns="crs").fit(alike.iloc[:3])
    with pytest.raises(DataError, match="too few to smooth"):
        fit.bootstrap(kind="smoothed")


def test_circles_are_kept(table):
    """Kinds that are never held against each other: each half's errors are those of its own pseudo-units."""
    fit = DEA(**TWO, environment={"z": "same"}).fit(table)
    found = fit.bootstrap(kind="smoothed", replicates=200, rng=2).to_frame()
    assert (found["upper"] <= found["efficiency"] + 1e-3).all()
    halves = fit.bootstrap(replicates=200, rng=2, kind="subsample", subset=40).to_frame()
    assert (halves["lower"] < halves["upper"]).all()


def kept(name):
    found = json.loads((KEPT / f"{name}.json").read_text())
    frame = pd.read_csv(SHARED / "reference" / found["dataset"])
    asked = {"inputs": found["inputs"], "outputs": found["outputs"], "unit": "unit"}
    return found["results"], frame.assign(unit=np.arange(len(frame))), asked


@pytest.mark.skipif(not KEPT.exists(), reason="reference results are not here")
@pytest.mark.parametrize("rule", ["bw.ucv", "silverman"])
@pytest.mark.parametrize("returns", ["variable", "constant"])
@pytest.mark.parametrize("orientation", ["input", "output"])
def test_as_rdea_under_its_own_bandwidth(rule, returns, orientation):
    """Mean and spread of 1,000 replicates of rDEA 1.2-8, unit by unit, within what two runs differ by."""
    results, frame, asked = kept("rdea_robust_syn_dea_a")
    theirs = results[f"{orientation}|{returns}|{rule}"]
    model = DEA(**asked, returns={"variable": "vrs", "constant": "crs"}[returns], orientation=orientation)
    found = model.fit(frame).bootstrap(kind="smoothed", bandwidth=theirs["bw"], replicates=1000, rng=4)
    ours = 1.0 / (found.delta + found.errors)
    mean, spread = np.array(theirs["boot_mean"]), np.array(theirs["boot_sd"])
    apart = np.abs(ours.mean(axis=0) - mean) / (spread * np.sqrt(2 / 1000))
    assert np.quantile(apart, 0.9) < 3.0 and apart.max() < 5.5
    np.testing.assert_allclose(ours.std(axis=0, ddof=1), spread, rtol=0.25)
    assert ours.std(axis=0, ddof=1).mean() == pytest.approx(spread.mean(), rel=0.04)


@pytest.mark.skipif(not KEPT.exists(), reason="reference results are not here")
@pytest.mark.parametrize("name", ["charnes1981", "milkProd", "syn_dea_a"])
def test_as_benchmarking_in_spread(name):
    """Benchmarking 0.33 does not tell its bandwidth, which moves the bias; the spread hardly depends on it."""
    results, frame, asked = kept(f"boot_{name}")
    for asking, theirs in results.items():
        returns, side = asking.split("|")
        fit = DEA(**asked, returns=returns, orientation={"in": "input", "out": "output"}[side]).fit(frame)
        found = fit.bootstrap(kind="smoothed", replicates=400, rng=2)
        ours = 1.0 / (found.delta + found.errors) if side == "in" else found.delta + found.errors
        assert ours.std(axis=0).mean() == pytest.approx(np.mean(theirs["boot_sd"]), rel=0.1)


def test_subsamples(table):
    """Sizes are chosen where intervals are quiet; nobody has an interval that most subsamples say nothing of."""
    fit = DEA(**TWO).fit(table)
    with pytest.warns(PartialResultWarning, match="of 60 units have no interval"):
        one, two = (fit.bootstrap(replicates=200, rng=3, workers=workers) for workers in (1, 2))
    np.testing.assert_array_equal(one.errors, two.errors)
    assert one.kind == "subsample" and 5 <= one.subset <= 45
    frame = one.to_frame()
    known = frame[frame["lower"].notna()]
    assert (known["lower"] < known["upper"]).all() and (known["upper"] <= known["efficiency"] + 1e-9).mean() > 0.9
    assert len(known) == (one.missing <= 0.5).sum() > 50
    # Output 1.5 times as much as anyone's: most subsamples hold nobody that makes so much.
    far = pd.concat([table, table.loc[[0]].assign(unit=60, y=1.5 * table["y"].max())])
    with pytest.warns(PartialResultWarning, match="of 61 units have no interval, .*60"):
        found = DEA(**TWO).fit(far).bootstrap(replicates=200, rng=3, subset=15)
    assert np.isnan(found.to_frame()["lower"].iloc[60]) and found.missing[60] > 0.5


def test_a_subsample_by_hand(table):
    """Errors are those of distances to the frontier of each subsample, times the rate."""
    fit = DEA(**TWO, returns="crs", orientation="output").fit(table)
    found = fit.bootstrap(replicates=100, rng=9, subset=20)
    rng = np.random.default_rng(9).spawn(5)[0]
    units = np.sort(rng.choice(60, 20, replace=False))
    theirs = DEA(**TWO, returns="crs", orientation="output").fit(table.iloc[units]).evaluate(table)
    expected = (20 / 60) ** (2 / 3) * (theirs.expansion - fit.expansion)
    np.testing.assert_allclose(found.errors[0], expected, atol=1e-9)


def test_bias_and_spread_are_of_the_replicates_that_came_near():
    errors = np.array([[0.0, np.nan, 1.0], [-1.0, np.nan, np.nan], [-2.0, np.nan, np.nan]])
    found = FrontierBootstrap(
        unit=np.array(["a", "b", "c"], dtype=object), delta=np.array([1.5, 2.0, 1.0]), errors=errors,
        kind="subsample", bandwidth=float("nan"), subset=5, level=0.95,
    )  # fmt: skip
    np.testing.assert_allclose(found.bias, [-1.0, np.nan, 1.0])
    np.testing.assert_allclose(found.std_error, [1.0, np.nan, np.nan])
    np.testing.assert_allclose(found.missing, [0, 1, 2 / 3])
    frame = found.to_frame()
    assert frame["lower"].isna().tolist() == [False, True, True]
    np.testing.assert_allclose(frame["missing"], found.missing)
    np.testing.assert_allclose(frame["corrected"][0], 1 / 2.5)
    assert frame["ratio"][0] == 1.0 and not frame["advised"].any()
