"""Fits of claims: what they take, what they give, and how they refuse."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from benchmodels.replication.claims import libraries
from benchmodels.replication.claims.fits import FIT_KINDS, FitSpec, fitted
from benchmodels.replication.claims.libraries import LIBRARY_DATASETS, load_dataset

GOODS = pd.DataFrame(
    {"unit": list("abcdef"), "cost": [20.0, 40, 40, 60, 70, 50], "persons": [20.0, 30, 50, 40, 60, 20]}
)
FRONTIER = {"table": "t", "kind": "dea", "inputs": ["cost"], "outputs": ["persons"]}
CELLS = pd.DataFrame(
    {
        "cell": ["a young", "a old", "b young", "b old"],
        "unit": list("aabb"),
        "age": ["young", "old"] * 2,
        "events": [2, 30, 8, 10],
        "people": [100, 200, 300, 50],
        "world": [3.0, 1.0] * 2,
    }
)
STRATA = {
    "table": "t",
    "kind": "standardised",
    "unit": "unit",
    "stratum": "age",
    "events": "events",
    "population": "people",
}


def spec(**keys):
    return FitSpec.model_validate(keys)


def faults(**keys):
    with pytest.raises(ValidationError) as caught:
        spec(**keys)
    return str(caught.value)


def line(n=40, units=8):
    rng = np.random.default_rng(5)
    x, unit = rng.normal(size=n), np.repeat(np.arange(units), n // units)
    y = 1.0 + 2.0 * x + rng.normal(size=units)[unit] + 0.3 * rng.normal(size=n)
    return pd.DataFrame({"row": np.arange(n).astype(str), "unit": unit.astype(str), "x": x, "y": y})


# What a section may say.


def test_a_section_needs_what_its_kind_needs():
    assert "kind 'pooled' needs formula" in faults(table="t", kind="pooled")
    assert "kind 'dea' needs inputs, outputs" in faults(table="t", kind="dea")
    assert "kind 'shrunken' needs std_error" in faults(table="t", kind="shrunken", estimate="y")
    assert "needs events, expected" in faults(table="t", kind="observed-expected")


def test_a_section_refuses_what_its_kind_does_not_read():
    assert "does not take returns" in faults(**{**FRONTIER, "kind": "fdh"}, returns="crs")
    assert "does not take inputs" in faults(table="t", kind="pooled", formula="y ~ x", inputs=["x"])
    assert "does not take method" in faults(table="t", kind="pooled", formula="y ~ x", method="reml")
    assert "does not take covariance" in faults(**FRONTIER, covariance="HC0")


@pytest.mark.parametrize(
    ("key", "value"),
    [("kind", "sfa"), ("returns", "fdh"), ("inputs", []), ("inputs", "cost"), ("colour", 1), ("level", 2.0)],
)
def test_a_section_refuses_strange_values(key, value):
    assert key in faults(**{**FRONTIER, key: value})


def test_a_section_does_not_change():
    with pytest.raises(ValidationError):
        spec(**FRONTIER).kind = "fdh"


# Regressions.


def test_pooled_is_least_squares():
    data = line()
    fit = fitted(spec(table="t", kind="pooled", formula="y ~ x"), data)
    design = np.column_stack([np.ones(len(data)), data["x"]])
    beta, residual, *_ = np.linalg.lstsq(design, data["y"], rcond=None)
    s2 = residual[0] / (len(data) - 2)
    error = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * s2)
    np.testing.assert_allclose([fit.value("coefficient", n) for n in ("level", "x")], beta, rtol=1e-10)
    np.testing.assert_allclose([fit.value("std_error", n) for n in ("level", "x")], error, rtol=1e-10)
    assert fit.value("spread", "rows") == pytest.approx(np.sqrt(s2), rel=1e-10)


def test_robust_errors_are_those_asked_for():
    data = line()
    keys = {"table": "t", "kind": "pooled", "formula": "y ~ x"}
    plain, white = (fitted(spec(**keys, covariance=c), data).value("std_error", "x") for c in ("model", "HC0"))
    one = fitted(spec(**keys, covariance="HC1"), data).value("std_error", "x")
    assert plain != white
    assert one == pytest.approx(white * np.sqrt(40 / 38), rel=1e-12)


def test_within_takes_units_out():
    data = line()
    fit = fitted(spec(table="t", kind="fixed-effects", unit="unit", formula="y ~ x"), data)
    x, y = (data[c] - data.groupby("unit")[c].transform("mean") for c in ("x", "y"))
    assert fit.value("coefficient", "x") == pytest.approx((x * y).sum() / (x * x).sum(), rel=1e-10)


def test_random_effects_of_a_balanced_table_in_closed_form():
    data = line()[["row", "unit", "y"]]
    fit = fitted(spec(table="t", kind="random-effects", unit="unit", method="reml", formula="y ~ 1"), data)
    groups = data.groupby("unit")["y"]
    within, between = groups.var().mean(), 5 * groups.mean().var()
    assert fit.value("spread", "rows") == pytest.approx(np.sqrt(within), rel=1e-6)
    assert fit.value("spread", "units") == pytest.approx(np.sqrt((between - within) / 5), rel=1e-6)
    weight = 1.0 - within / between
    shrunken = weight * (groups.mean()["3"] - data["y"].mean())
    assert fit.value("unit_effect", "3") == pytest.approx(shrunken, rel=1e-6)


def test_random_effects_within_are_mundlaks():
    fit = fitted(spec(table="t", kind="random-effects-within", unit="unit", formula="y ~ x"), line())
    fixed = fitted(spec(table="t", kind="fixed-effects", unit="unit", formula="y ~ x"), line())
    assert fit.value("coefficient", "x") == pytest.approx(fixed.value("coefficient", "x"), rel=1e-6)


def test_counts_have_no_residual_spread():
    data = pd.DataFrame({"unit": list("abcd"), "x": [0, 0, 1, 1], "n": [10, 20, 30, 20], "y": [3, 7, 12, 11]})
    fit = fitted(spec(table="t", kind="pooled", family="binomial", trials="n", formula="y ~ x"), data)
    assert fit.value("coefficient", "level") == pytest.approx(np.log(10 / 20), rel=1e-10)
    with pytest.raises(SpecificationError, match="no spread of 'rows'; there is none"):
        fit.value("spread", "rows")


# Frontiers.


def test_scores_in_closed_form():
    ratio = GOODS["persons"] / GOODS["cost"]
    fit = fitted(spec(**FRONTIER, returns="crs"), GOODS)
    scores = [fit.value("efficiency", u) for u in GOODS["unit"]]
    np.testing.assert_allclose(scores, ratio / ratio.max(), rtol=1e-9)
    assert fit.value("mean_efficiency", "all") == pytest.approx(np.mean(scores))
    assert fit.value("super_efficiency", "c") == pytest.approx(1.25 / 1.0)
    assert fit.value("peer_weight", "a/c") == pytest.approx(0.4)
    assert fit.value("target", "b/cost") == pytest.approx(24.0)
    assert fit.value("slack", "b/persons") == pytest.approx(0.0, abs=1e-9)
    vrs = fitted(spec(**FRONTIER, returns="vrs"), GOODS)
    assert vrs.value("scale_efficiency", "d") == pytest.approx(0.53333333 / 0.55555556, rel=1e-6)


def test_output_direction_and_free_disposal():
    out = fitted(spec(**FRONTIER, returns="crs", orientation="output"), GOODS)
    assert out.value("expansion", "d") == pytest.approx(75 / 40)
    assert out.value("efficiency", "d") == pytest.approx(40 / 75)
    along = fitted(spec(**FRONTIER, returns="crs", orientation="directional"), GOODS)
    assert along.value("inefficiency", "d") == pytest.approx((75 - 40) / (75 + 40))
    hull = fitted(spec(**{**FRONTIER, "kind": "fdh"}), GOODS)
    assert hull.value("efficiency", "d") == pytest.approx(40 / 60)
    with pytest.raises(SpecificationError, match="gives no 'slack'; it gives efficiency"):
        hull.value("slack", "d/cost")


def test_a_unit_without_a_score_is_not_given_one():
    fit = fitted(spec(**FRONTIER, returns="vrs"), GOODS)
    with pytest.raises(DataError, match="super_efficiency of 'e' was not found"):
        fit.value("super_efficiency", "e")
    with pytest.raises(DataError, match="expansion of 'a' was not found"):
        fit.value("expansion", "a")


def test_textbook_tables_bring_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fitted(spec(**FRONTIER, returns="vrs"), GOODS.head(3))
        fit.value("super_efficiency", "b")


# Rates, ratios, and what is shrunken.


def test_direct_standardisation_by_hand():
    own = fitted(spec(**STRATA, scale=1000.0), CELLS)
    young, old = 400 / 650, 250 / 650
    assert own.value("standardised_rate", "a") == pytest.approx(1000 * (young * 0.02 + old * 0.15))
    world = fitted(spec(**STRATA, standard="world"), CELLS)
    assert world.value("standardised_rate", "b") == pytest.approx(0.75 * 8 / 300 + 0.25 * 10 / 50)
    rate = world.value("standardised_rate", "b")
    assert world.value("rate_limit", "b/lower") < rate < world.value("rate_limit", "b/upper")
    error = np.sqrt(0.75**2 * 8 / 300**2 + 0.25**2 * 10 / 50**2)
    assert world.value("std_error", "b") == pytest.approx(error)


def test_a_standard_is_one_for_all_units():
    with pytest.raises(DataError, match="standard population 'people' of 'young' differs between units"):
        fitted(spec(**STRATA, standard="people"), CELLS)
    with pytest.raises(DataError, match="no column 'moon'"):
        fitted(spec(**STRATA, standard="moon"), CELLS)


def test_observed_over_expected():
    data = pd.DataFrame({"unit": ["a", "b"], "o": [10, 0], "e": [12.0, 3.0]})
    fit = fitted(spec(table="t", kind="observed-expected", events="o", expected="e", limits="exact", scale=100.0), data)
    assert fit.value("standardised_ratio", "a") == pytest.approx(1000 / 12)
    assert fit.value("rate_limit", "a/lower") == pytest.approx(39.962, abs=5e-4)
    assert fit.value("rate_limit", "b/lower") == 0.0


def test_equal_errors_give_lindleys_estimator():
    y = np.array([1.0, 4.0, 2.0, 9.0, 3.0, 5.0])
    data = pd.DataFrame({"unit": list("abcdef"), "y": y, "s": 1.0})
    fit = fitted(spec(table="t", kind="shrunken", estimate="y", std_error="s"), data)
    factor = 1.0 - (6 - 3) / ((y - y.mean()) ** 2).sum()
    assert fit.value("shrunken", "d") == pytest.approx(y.mean() + factor * (9.0 - y.mean()), rel=1e-6)
    assert fit.value("shrunken_target", "a") == pytest.approx(y.mean())
    null = fitted(spec(table="t", kind="shrunken", estimate="y", std_error="s", towards="null"), data)
    assert null.value("shrunken_target", "a") == 0.0
    assert null.value("shrunken", "d") == pytest.approx((1.0 - 4 / (y**2).sum()) * 9.0, rel=1e-6)


@pytest.mark.parametrize(
    ("column", "values"),
    [("s", [1.0, 0.0, 1.0, 1.0]), ("y", [1.0, np.nan, 2.0, 3.0]), ("y", ["1", "x", "2", "3"]), ("unit", list("aabc"))],
)
def test_estimates_that_cannot_be_shrunken(column, values):
    data = pd.DataFrame({"unit": list("abcd"), "y": [1.0, 2.0, 3.0, 5.0], "s": 1.0}).assign(**{column: values})
    with pytest.raises(DataError, match="one row a unit, numbers, and errors above zero"):
        fitted(spec(table="t", kind="shrunken", estimate="y", std_error="s"), data)


# How it refuses.


def test_names_that_are_not_there():
    fit = fitted(spec(**FRONTIER), GOODS)
    with pytest.raises(SpecificationError, match="no efficiency of 'z'; there is 'a', 'b'"):
        fit.value("efficiency", "z")
    with pytest.raises(SpecificationError, match="gives no 'coefficient'; it gives efficiency"):
        fit.value("coefficient", "a")
    many = pd.DataFrame({"unit": [f"u{i}" for i in range(20)], "cost": 1.0, "persons": np.arange(1.0, 21)})
    with pytest.raises(SpecificationError, match="and 8 more"):
        fitted(spec(**FRONTIER), many).value("efficiency", "z")


def test_rows_are_kept_by_value():
    fit = fitted(spec(**FRONTIER, returns="crs", filter={"unit": ["a", "b"]}), GOODS)
    assert fit.value("efficiency", "b") == pytest.approx(0.75)
    with pytest.raises(DataError, match="no column 'town'"):
        fitted(spec(**FRONTIER, filter={"town": "x"}), GOODS)
    with pytest.raises(DataError, match="no row of the table has 'unit' = 'x'"):
        fitted(spec(**FRONTIER, filter={"unit": "x"}), GOODS)


def test_the_unit_is_the_first_column_or_the_one_that_is_named():
    turned = GOODS[["cost", "persons", "unit"]]
    assert fitted(spec(**FRONTIER, unit="unit"), turned).value("efficiency", "a") == 1.0
    with pytest.raises(DataError, match="no column 'school'"):
        fitted(spec(**FRONTIER, unit="school"), GOODS)


@pytest.mark.parametrize(
    ("keys", "data"),
    [
        ({"table": "t", "kind": "pooled", "formula": "y ~ z"}, line()),
        ({"table": "t", "kind": "pooled", "formula": "y ~ x", "family": "binomial"}, line()),
        ({"table": "t", "kind": "pooled", "formula": "log(y) ~ x"}, line()),
        ({"table": "t", "kind": "random-effects", "formula": "y ~ x", "method": "reml", "family": "poisson"}, line()),
        (FRONTIER, GOODS.assign(cost="many")),
        (FRONTIER, GOODS.assign(cost=np.nan)),
        (FRONTIER, GOODS.drop(columns="cost")),
        (STRATA, CELLS.assign(events=-1)),
        (STRATA, CELLS.head(3)),
        ({"table": "t", "kind": "observed-expected", "events": "o", "expected": "e"}, GOODS),
        ({"table": "t", "kind": "shrunken", "estimate": "o", "std_error": "e"}, GOODS),
    ],
)
def test_whatever_is_wrong_is_an_error_of_the_package(keys, data):
    with pytest.raises(BenchmodelsError):
        fitted(spec(**keys), data)


def test_columns_that_are_one_within_units_are_fitted():
    data = line().assign(year=lambda d: d.groupby("unit").cumcount(), age=lambda d: d["year"] + d["unit"].astype(int))
    keys = {"table": "men", "kind": "random-effects", "unit": "unit", "formula": "y ~ age + C(year)"}
    assert np.isfinite(fitted(spec(**keys), data).value("coefficient", "age"))


def test_every_kind_is_given_by_some_fit():
    data = line()
    fits = [
        fitted(spec(table="t", kind="random-effects", unit="unit", formula="y ~ x"), data),
        fitted(spec(**FRONTIER), GOODS),
        fitted(spec(**STRATA), CELLS),
        fitted(spec(table="t", kind="observed-expected", events="persons", expected="cost"), GOODS),
        fitted(spec(table="t", kind="shrunken", estimate="persons", std_error="cost"), GOODS),
    ]
    assert {kind for fit in fits for kind in fit.readers} == set(FIT_KINDS)


# Tables of libraries.


@pytest.mark.parametrize("name", sorted(LIBRARY_DATASETS))
def test_library_tables_are_there(name):
    frame = load_dataset(name)
    assert len(frame) >= 16
    assert {*LIBRARY_DATASETS[name].logarithms, *LIBRARY_DATASETS[name].sums} <= set(frame.columns)


def test_made_columns():
    frame = load_dataset("linearmodels.munnell")
    np.testing.assert_allclose(np.exp(frame["LGSP"]), frame["GSP"], rtol=1e-12)
    frame = load_dataset("statsmodels.star98")
    assert (frame["TESTED"] == frame["NABOVE"] + frame["NBELOW"]).all()


def test_only_tables_of_the_list():
    with pytest.raises(DataError, match="no table 'os.path' of a library; there is linearmodels.mroz"):
        load_dataset("os.path")


def test_a_library_that_has_changed_is_told(monkeypatch):
    broken = {
        "statsmodels.gone": libraries._dataset("nobody"),
        "statsmodels.longley": libraries._dataset("Longley", logarithms={"new": "missing"}),
    }
    monkeypatch.setattr(libraries, "LIBRARY_DATASETS", broken)
    with pytest.raises(DataError, match=r"'statsmodels.gone' cannot be read from the installed statsmodels"):
        load_dataset("statsmodels.gone")
    with pytest.raises(DataError, match="no column 'missing'"):
        load_dataset("statsmodels.longley")
