"""Properties that hold for any table, tried on many."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from benchmodels import (
    ConvergenceError,
    DataError,
    DroppedRowsWarning,
    FixedEffects,
    PartialResultWarning,
    Pooled,
    SpecificationError,
)
from tests import plain
from tests.contract import EXACT, assert_same_comparison, assert_same_fit, close, compared

# Not shrunk: a failing table is small as it is, and a failure should cost no more time than a success.
FEW = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@st.composite
def tables(draw, *, least_units=3):
    """Grouped binomial tables of any size and shape, rare and common events, empty and full units."""
    k = draw(st.integers(least_units, 7))
    n = draw(st.integers(3 * k, 12 * k))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    unit = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    size = rng.integers(1, draw(st.sampled_from([2, 30, 1000])), n)
    rate = plain.mean("binomial", draw(st.sampled_from([-4.0, -1.0, 0.0, 3.0])) + rng.normal(size=n))
    data = pd.DataFrame({"u": unit, "x": np.round(rng.normal(size=n), 1), "g": rng.integers(0, 2, n), "m": size})
    data["y"] = rng.binomial(size, rate)
    if draw(st.booleans()):
        data.loc[data["u"] == 0, "y"] = 0
    return data


def fitted(model, data, **roles):
    """Fit, or say that there is nothing to fit: our own errors are fine answers, anything else is not."""
    try:
        return model("y ~ x + C(g)", unit="u", trials="m", **roles).fit(data)
    except (DataError, SpecificationError, ConvergenceError):
        return None


@FEW
@given(tables(), st.sampled_from([Pooled, FixedEffects]), st.randoms(use_true_random=False))
def test_row_order(data, model, random):
    first = fitted(model, data)
    assume(first is not None)
    order = list(range(len(data)))
    random.shuffle(order)
    second = fitted(model, data.iloc[order])
    assert_same_fit(first, second, coefficients=False, rtol=1e-9)


@FEW
@given(tables(), st.sampled_from([Pooled, FixedEffects]))
def test_cells_cases_and_frequencies(data, model):
    """One row a case, one row a cell and a frequency are one and the same table."""
    assume(data["m"].sum() < 3000)
    first = fitted(model, data)
    assume(first is not None)
    events = data.loc[data.index.repeat(data["y"])].assign(y=1, m=1)
    others = data.loc[data.index.repeat(data["m"] - data["y"])].assign(y=0, m=1)
    cases = pd.concat([others, events])
    assert_same_fit(first, fitted(model, cases), coefficients=False, rtol=1e-9)
    weighted = pd.concat([data.assign(w=data["m"] - data["y"], y=0, m=1), data.assign(w=data["y"], y=1, m=1)])
    weighted = fitted(model, weighted, frequency="w")
    assert_same_fit(first, weighted, coefficients=False, rtol=1e-9)
    a, b = (compared(fit, contrast="ratio") if np.all(fit.practice().found) else None for fit in (first, weighted))
    if a is not None and np.all(a.expected > 1e-6):
        assert_same_comparison(a, b, rtol=1e-7)


@FEW
@given(tables(), st.sampled_from([Pooled, FixedEffects]), st.sampled_from(["others", "all"]))
def test_identities_and_limits(data, model, reference):
    fit = fitted(model, data)
    assume(fit is not None)
    # The reference without the unit may have no events: tested by name elsewhere.
    observed = data.groupby("u")["y"].sum()
    rest = (observed.sum() - observed).to_numpy()
    assume((rest > 0).all() and (rest < data["m"].sum() - data.groupby("u")["m"].sum()).all())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        found = fit.compare(reference=reference, contrast="difference")
    ok = np.isfinite(found.expected)
    if reference == "all":
        assert ok.all()
        np.testing.assert_allclose(found.expected.sum(), found.observed.sum(), rtol=1e-10)
    assert np.all(found.expected[ok] >= 0)
    assert np.all(found.expected[ok] <= found.size[ok] * (1 + 1e-12))
    np.testing.assert_allclose(found.estimate[ok], ((found.observed - found.expected) / found.size)[ok], atol=1e-12)
    known = ok & (found.withheld == "")
    assert np.all(found.lower[known] <= found.estimate[known])
    assert np.all(found.upper[known] >= found.estimate[known])
    assert np.all(found.std_error[known] >= 0)


@FEW
@given(tables(), st.sampled_from([0.0, -0.3, 7.0, 100.0]), st.sampled_from([1e-6, 1e-3, 1e3, 1e6]))
def test_shift_and_scale_of_a_covariate(data, shift, factor):
    first = fitted(Pooled, data)
    assume(first is not None)
    second = fitted(Pooled, data.assign(x=(data["x"] + shift) * factor))
    close(second.slopes["x"] * factor, first.slopes["x"], 1e-8)
    close(second.expected(reference="all"), first.expected(reference="all"), 1e-9)


@FEW
@given(tables())
def test_turning_the_outcome_round(data):
    """Events and non-events change places: expected values complement each other, slopes change sign."""
    first = fitted(FixedEffects, data)
    assume(first is not None)
    second = fitted(FixedEffects, data.assign(y=data["m"] - data["y"]))
    close(second.slopes, -first.slopes, 1e-8)
    size = data.groupby("u")["m"].sum().to_numpy()
    np.testing.assert_allclose(
        second.expected(reference="all"), size - first.expected(reference="all"), rtol=1e-8, atol=1e-8
    )


@FEW
@given(tables(least_units=4))
def test_a_unit_like_the_others_together_is_as_expected(data):
    """A copy of everything as one more unit: observed is expected."""
    twin = data.assign(u=99)
    fit = fitted(Pooled, pd.concat([data, twin]))
    assume(fit is not None)
    assume(data["y"].sum() > 0)
    found = fit.expected()
    np.testing.assert_allclose(found[99], data["y"].sum(), rtol=1e-7)


def test_missing_rows_are_dropped_counted_and_said_once():
    data = pd.DataFrame({"u": list("aabbcc") * 5, "x": np.arange(30.0) % 7, "y": [0, 1, 1, 0, 0] * 6})
    data.loc[[3, 8], "x"] = np.nan
    data.loc[8, "u"] = None
    data.loc[20, "y"] = np.nan
    model = Pooled("y ~ x", unit="u", missing="drop")
    with pytest.warns(DroppedRowsWarning, match="3 of 30 rows dropped") as said:
        fit = model.fit(data)
    assert len(said) == 1
    assert (fit.design.rows_read, fit.design.rows_dropped) == (30, 3)
    clean = Pooled("y ~ x", unit="u").fit(data.dropna())
    close(fit.expected(), clean.expected(), EXACT)
    source = fit.compare().source
    assert (source.rows_read, source.rows_dropped) == (30, 3)


def test_missing_values_elsewhere_are_nobodys_business():
    data = pd.DataFrame({"u": list("aabbcc") * 5, "x": np.arange(30.0) % 7, "y": [0, 1, 1, 0, 0] * 6, "z": np.nan})
    assert Pooled("y ~ x", unit="u").fit(data).design.rows_dropped == 0
