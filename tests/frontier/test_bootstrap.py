"""Bootstraps of efficiencies: against other programs in distribution, by identities, and where they must refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier import DEA

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
    found = fit.bootstrap(replicates=200, rng=1)
    frame = found.to_frame()
    assert list(frame) == ["unit", "efficiency", "corrected", "lower", "upper", "bias", "std_error", "ratio", "advised"]
    np.testing.assert_allclose(frame["efficiency"], fit.efficiency, atol=1e-12)
    assert (frame["lower"] < frame["upper"]).all() and (frame["upper"] <= frame["efficiency"] + 1e-3).all()
    assert (frame["bias"] < 0).mean() > 0.95 and frame["corrected"].between(frame["lower"] * 0.8, 1.0).all()
    np.testing.assert_allclose(frame["corrected"], 1 / (1 / frame["efficiency"] - frame["bias"]))


def test_the_same_seed_gives_the_same_answer_for_any_number_of_workers(table):
    fit = DEA(**TWO).fit(table)
    one, two, other = (
        fit.bootstrap(replicates=100, rng=seed, workers=workers) for seed, workers in ((5, 1), (5, 2), (6, 1))
    )
    np.testing.assert_array_equal(one.errors, two.errors)
    assert not np.array_equal(one.errors, other.errors)


def test_progress_and_bad_options(table):
    fit, done = DEA(**TWO).fit(table), []
    fit.bootstrap(replicates=100, rng=1, progress=done.append)
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
            fit.bootstrap(**options)
    with pytest.raises(SpecificationError, match="needs an efficiency"):
        DEA(**TWO, orientation="graph").fit(table).bootstrap()


def test_nothing_to_smooth():
    alike = pd.DataFrame({"unit": range(6), "x": [1.0, 2, 3, 1, 2, 3], "y": [1.0, 2, 3, 1, 2, 3]})
    with pytest.warns(Warning, match="few"):
        fit = DEA(inputs=["x"], outputs=["y"], unit="unit", returns="crs").fit(alike.iloc[:3])
    with pytest.raises(DataError, match="too few to smooth"):
        fit.bootstrap()


def test_circles_are_kept(table):
    """Kinds that are never held against each other: each half's errors are those of its own pseudo-units."""
    fit = DEA(**TWO, environment={"z": "same"}).fit(table)
    found = fit.bootstrap(replicates=200, rng=2).to_frame()
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
    found = model.fit(frame).bootstrap(bandwidth=theirs["bw"], replicates=1000, rng=4)
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
        found = fit.bootstrap(replicates=400, rng=2)
        ours = 1.0 / (found.delta + found.errors) if side == "in" else found.delta + found.errors
        assert ours.std(axis=0).mean() == pytest.approx(np.mean(theirs["boot_sd"]), rel=0.1)
