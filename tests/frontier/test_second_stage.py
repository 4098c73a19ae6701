"""The public face of the second stage: joined by label, told in words, and what it refuses."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import t as student
from scipy.stats import truncnorm

from benchmodels.errors import ConvergenceError, DataError, SpecificationError
from benchmodels.frontier import DEA, second_stage
from benchmodels.frontier.second_stage import efficiency_slope

KEPT = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
MODEL = DEA(inputs=["x"], outputs=["y"], unit="unit", returns="crs", orientation="output")


@pytest.fixture(scope="module")
def table():
    """Outputs shrink with z: the distance is a normal around 1.2 + .4 z, truncated at 1."""
    rng = np.random.default_rng(5)
    z = rng.uniform(0, 1, 200)
    delta = 1.2 + 0.4 * z + 0.2 * rng.normal(size=200)
    delta = np.where(delta < 1, 2 - delta, delta)
    x = rng.uniform(1, 2, 200)
    return pd.DataFrame(
        {"unit": [f"U{i:03d}" for i in range(200)], "x": x, "y": x / delta, "z": z, "w": rng.normal(size=200)}
    )


@pytest.mark.parametrize("algorithm", [1, 2])
def test_a_slope_is_found_and_joined_by_label(table, algorithm):
    fit = MODEL.fit(table)
    shuffled = table.sample(frac=1, random_state=1)
    one, two = (
        fit.second_stage(data, ["z", "w"], algorithm=algorithm, replicates=400, rng=3) for data in (table, shuffled)
    )
    frame = one.to_frame()
    pd.testing.assert_frame_equal(frame, two.to_frame())
    assert frame["term"].tolist() == ["constant", "z", "w", "sigma"]
    assert list(frame) == ["term", "coefficient", "std_error", "lower", "upper"]
    of = frame.set_index("term")
    assert of.loc["z", "lower"] < 0.4 < of.loc["z", "upper"] and of.loc["z", "lower"] > 0.1
    assert of.loc["w", "lower"] < 0 < of.loc["w", "upper"]
    units = one.units_frame()
    assert list(units) == ["unit", "efficiency", "corrected", "used_first", "used"]
    np.testing.assert_allclose(units["efficiency"], fit.efficiency, atol=1e-12)
    assert (units["corrected"] <= units["efficiency"] + 1e-12).all() and units["used"].sum() >= units[
        "used_first"
    ].sum()
    assert repr(one).startswith(f"SecondStage(algorithm {algorithm}, ")


@pytest.mark.skipif(not KEPT.exists(), reason="reference results are not here")
@pytest.mark.parametrize("orientation", ["input", "output"])
def test_as_rdea(orientation):
    """Distances of rDEA 1.2-8 exactly; its coefficients as near as a hundred replicates of the bias allow."""
    kept = json.loads((KEPT / "dea" / "rdea_sw2007_syn_sw2007_a.json").read_text())
    frame = pd.read_csv(KEPT / kept["dataset"]).assign(unit=lambda table: np.arange(len(table)))
    theirs = kept["results"][orientation]
    fit = DEA(inputs=kept["inputs"], outputs=kept["outputs"], unit="unit", orientation=orientation).fit(frame)
    found = fit.second_stage(frame, kept["Z"], rng=1)
    np.testing.assert_allclose(found.delta, theirs["delta_hat"], atol=1e-9)
    told = found.to_frame()
    np.testing.assert_allclose(
        told["coefficient"][:3], np.ravel(theirs["beta_hat_hat"]), atol=0.15 * told["std_error"][:3].max() + 0.02
    )
    ends = np.array(theirs["beta_ci"])
    np.testing.assert_allclose(told[["lower", "upper"]][:3], ends, atol=0.08)


def test_what_is_refused(table):
    fit = MODEL.fit(table)
    for data, columns, error, message in (
        (table, "z", SpecificationError, "give a list"),
        (table, [], SpecificationError, "give a list"),
        (table, ["none"], DataError, "none"),
        (table.iloc[5:], ["z"], DataError, "5 of 200 units of the frontier have no row"),
        (pd.concat([table, table.head(1)]), ["z"], DataError, "more than one row"),
        (table.assign(z="a"), ["z"], DataError, "'z'"),
        (table.assign(v=2 * table["z"]), ["z", "v"], SpecificationError, "collinear"),
        (table.assign(v=7.0), ["z", "v"], SpecificationError, "do not vary, beside the constant: 'v'"),
    ):
        with pytest.raises(error, match=message):
            fit.second_stage(data, columns, replicates=100)
    for options, message in (
        ({"algorithm": 3}, "algorithm=3"),
        ({"first": 2}, "first=2"),
        ({"replicates": 10}, "replicates=10"),
        ({"level": 1.5}, "level=1.5"),
    ):
        with pytest.raises(SpecificationError, match=message):
            fit.second_stage(table, ["z"], **options)
    with pytest.raises(SpecificationError, match="second_stage is not of orientation='graph'"):
        DEA(inputs=["x"], outputs=["y"], unit="unit", orientation="graph").fit(table).second_stage(table, ["z"])


# For contrast


@pytest.fixture(scope="module")
def stage(table):
    return MODEL.fit(table).second_stage(table, ["z", "w"], algorithm=1, replicates=200, rng=3)


def test_the_contrast_is_one_table_of_three_methods(stage):
    told = stage.contrast()
    assert list(told) == ["term", "method", "coefficient", "std_error", "lower", "upper", "effect"]
    assert told["term"].tolist() == ["constant", "z", "w"] * 3
    assert told["method"].unique().tolist() == ["truncated regression", "least squares", "fractional logit"]
    same = ["coefficient", "std_error", "lower", "upper"]
    pd.testing.assert_frame_equal(told.loc[:2, same], stage.to_frame().loc[:2, same])
    assert told["effect"].isna().tolist() == [True, False, False] * 3
    # All tell the same story of z, planted with less efficiency.
    assert told.loc[told["term"] == "z", "effect"].between(-0.3, -0.1).all()
    assert "separability" in repr(stage)


def test_least_squares_in_closed_form(stage, table):
    z = np.column_stack([np.ones(200), table["z"], table["w"]])
    inverse = np.linalg.inv(z.T @ z)
    b = inverse @ z.T @ stage.delta
    off = stage.delta - z @ b
    error = np.sqrt(np.diag(inverse @ (z.T * off**2) @ z @ inverse) * 200 / 197)
    told = stage.contrast().query("method == 'least squares'")
    np.testing.assert_allclose(told["coefficient"], b, rtol=1e-11)
    np.testing.assert_allclose(told["std_error"], error, rtol=1e-11)
    reach = student.ppf(0.975, 197) * error
    np.testing.assert_allclose(told[["lower", "upper"]], np.column_stack([b - reach, b + reach]), rtol=1e-10)
    # Mean efficiency when all distances move by what a small step of z brings, errors given.
    step = 1e-6
    moved = [(np.mean(1 / (stage.delta + step * b[j])) - np.mean(1 / (stage.delta - step * b[j]))) for j in (1, 2)]
    np.testing.assert_allclose(told["effect"][1:], np.array(moved) / (2 * step), rtol=1e-6)


def test_the_fractional_logit_as_its_own_equations_and_statsmodels_have_it(stage, table):
    from statsmodels.api import GLM, families

    z = np.column_stack([np.ones(200), table["z"], table["w"]])
    y = 1 / stage.delta
    told = stage.contrast().query("method == 'fractional logit'")
    g = told["coefficient"].to_numpy()
    np.testing.assert_allclose(z.T @ (y - expit(z @ g)), 0, atol=1e-9)

    def loss(g):
        return np.sum(np.logaddexp(0, z @ g) - y * (z @ g))

    np.testing.assert_allclose(minimize(loss, np.zeros(3), tol=1e-12).x, g, atol=1e-5)
    theirs = GLM(y, z, family=families.Binomial()).fit(tol=1e-12)
    np.testing.assert_allclose(theirs.params, g, rtol=1e-9)
    mean = expit(z @ g)
    bread = np.linalg.inv((z.T * (mean * (1 - mean))) @ z)
    error = np.sqrt(np.diag(bread @ (z.T * (y - mean) ** 2) @ z @ bread) * 200 / 197)
    np.testing.assert_allclose(told["std_error"], error, rtol=1e-8)
    step = 1e-5
    for j in (1, 2):
        up, down = (expit((z + side * step * np.eye(3)[j]) @ g).mean() for side in (1, -1))
        np.testing.assert_allclose(told["effect"].to_numpy()[j], (up - down) / (2 * step), rtol=1e-8)


def mean_efficiency(mean, sigma):
    law = truncnorm((1 - mean) / sigma, np.inf, loc=mean, scale=sigma)
    return law.expect(lambda d: 1 / d, epsabs=1e-13, epsrel=1e-13)


def test_the_effect_of_the_truncated_regression_is_the_slope_of_mean_efficiency(stage, table):
    z = np.column_stack([np.ones(200), table["z"], table["w"]])[::40]
    b, sigma, step = stage.found.stage.coefficients, stage.found.stage.sigma, 1e-4
    for row in z:
        up, down = (mean_efficiency(row @ b + side * step, sigma) for side in (1, -1))
        np.testing.assert_allclose(efficiency_slope(np.array([row @ b]), sigma), (up - down) / (2 * step), rtol=1e-6)
    told = stage.contrast()
    whole = np.column_stack([np.ones(200), table["z"], table["w"]])
    np.testing.assert_allclose(told["effect"][1:3], b[1:] * efficiency_slope(whole @ b, sigma).mean(), rtol=1e-12)


def covariance_of(mean, sigma):
    """Cov(1 / δ, δ) / σ² on four thousand panels, by its definition."""
    v = (mean - 1) / sigma
    low, high = max(0, v - 11), v + 11 if v >= 0 else 120 / (np.hypot(v, 11) - v)
    edges = low + (high - low) * np.linspace(0, 1, 4001) ** (3 if low == 0 else 1)
    points, weights = np.polynomial.legendre.leggauss(12)
    width = np.diff(edges)[:, None]
    t = (edges[:-1, None] + width * (points + 1) / 2).ravel()
    density = (width * weights).ravel() * np.exp(-((t - v) ** 2) / 2 if v >= 0 else -t * t / 2 + v * t)
    density /= density.sum()
    delta = 1 + sigma * t
    return density @ ((1 / delta - density @ (1 / delta)) * (delta - density @ delta)) / sigma**2


@pytest.mark.parametrize("sigma", [1e-4, 0.01, 0.1, 1.0, 10.0])
def test_the_slope_of_mean_efficiency_by_its_definition(sigma):
    v = np.array([-1000, -30, -3, -0.5, 0, 0.5, 3, 8.9, 9.1, 30, 1e4, 1e6])
    plain = [covariance_of(1 + sigma * each, sigma) for each in v]
    np.testing.assert_allclose(efficiency_slope(1 + sigma * v, sigma), plain, rtol=1e-9)
    # Far within, truncation is nothing: the chain rule.
    np.testing.assert_allclose(efficiency_slope(np.array([2.0]), 1e-7), -0.25, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e8, 1e-8, -3.0])
def test_the_contrast_in_other_units_of_measure(table, stage, unit):
    """Also from another zero: the effect of a unit is what it was, divided by the unit."""
    moved = table.assign(z=unit * (table["z"] + 5))
    told = MODEL.fit(table).second_stage(moved, ["z", "w"], algorithm=1, replicates=200, rng=3).contrast()
    was = stage.contrast()
    for column in ("coefficient", "effect"):
        np.testing.assert_allclose(
            told.loc[told["term"] == "z", column] * unit, was.loc[was["term"] == "z", column], rtol=1e-6
        )
        np.testing.assert_allclose(
            told.loc[told["term"] == "w", column], was.loc[was["term"] == "w", column], rtol=1e-6
        )
    each = told["term"] == "z"
    np.testing.assert_allclose(told.loc[each, "std_error"][1:] * abs(unit), was.loc[each, "std_error"][1:], rtol=1e-6)


def test_the_contrast_has_no_part_in_chance(stage):
    pd.testing.assert_frame_equal(stage.contrast(), stage.contrast())


def test_a_fractional_logit_that_is_not_found_is_told_of(stage, monkeypatch):
    monkeypatch.setattr(second_stage, "_SLOPE", -1.0)
    with pytest.raises(ConvergenceError, match="fractional logit of the efficiencies was not found"):
        stage.contrast()


def test_rows_of_units_that_the_frontier_left_out_may_lack_what_they_like(table):
    lacking = table.copy()
    lacking.loc[3, ["y", "z"]] = np.nan
    with pytest.warns(match="dropped"):
        fit = replace(MODEL, missing="drop").fit(lacking)
    found = fit.second_stage(lacking, ["z"], algorithm=1, replicates=100, rng=1)
    rest = table.drop(index=3)
    same = MODEL.fit(rest).second_stage(rest, ["z"], algorithm=1, replicates=100, rng=1)
    pd.testing.assert_frame_equal(found.to_frame(), same.to_frame())


def test_what_was_found_is_closed_and_says_what_it_was_drawn_from(table):
    found = MODEL.fit(table).second_stage(table, ["z"], replicates=100, rng=7)
    for record in (found, pickle.loads(pickle.dumps(found))):
        assert record.rng == "7"
        for array in (record.delta, record.surroundings, record.found.errors, record.found.stage.coefficients):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0.0


def test_a_spread_that_is_hardly_known_is_said_and_has_no_end_below_zero():
    """Half-normal waste crowds at the frontier more than a truncated normal distribution does."""
    rng = np.random.default_rng(2)
    x, z = rng.uniform(1, 2, 100), rng.normal(size=100)
    y = x * np.exp(-np.abs(rng.normal(0, 0.3, 100)))
    frame = pd.DataFrame({"unit": np.arange(100), "x": x, "y": y, "z": z})
    with pytest.warns(match="hardly tells the constant from the spread"):
        found = MODEL.fit(frame).second_stage(frame, ["z"], algorithm=1, replicates=200, rng=1)
    assert found.to_frame()["lower"].iloc[-1] == 0.0
