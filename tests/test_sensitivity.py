"""E-values: published figures, symmetry, and what has no scale."""

import numpy as np
import pandas as pd
import pytest

from benchmodels import Pooled, compare_expected
from benchmodels.errors import SpecificationError
from benchmodels.sensitivity import e_value, e_values


@pytest.mark.parametrize(
    ("ratio", "printed", "digits"),
    [
        # VanderWeele & Ding (2017): estimate and lower limit of the example with a risk ratio of 3.9
        # (1.8, 8.7), and of the one of 0.80 (0.71, 0.91).
        (3.9, 7.26, 2),
        (1.8, 3.0, 2),
        (0.80, 1.81, 2),
        (0.91, 1.43, 2),
        # Hammond & Horn's 10.73 (8.02, 14.36), as in the vignette of the R package EValue.
        (10.73, 20.94777, 5),
        (8.02, 15.52336, 5),
        # The R package tipr.
        (0.9, 1.462475, 6),
        (1.3, 1.9245, 4),
    ],
)
def test_published_figures(ratio, printed, digits):
    assert round(float(e_values(ratio)), digits) == pytest.approx(printed, abs=10.0**-digits / 2)


def test_formula_symmetry_and_ends():
    ratio = np.geomspace(1.0, 50.0, 40)
    np.testing.assert_allclose(e_values(ratio), ratio + np.sqrt(ratio * (ratio - 1.0)), rtol=1e-14)
    np.testing.assert_allclose(e_values(1.0 / ratio), e_values(ratio), rtol=1e-7)
    assert e_values(0.0) == np.inf and e_values(np.inf) == np.inf and np.isnan(e_values(np.nan))
    assert e_values([[1.0, 2.0]]).shape == (1, 2)
    assert e_values(1e300) == pytest.approx(2e300)
    # A condition of just this strength explains the ratio away: the bounding factor of Ding & VanderWeele (2016).
    e = e_values(ratio)
    np.testing.assert_allclose(e * e / (2 * e - 1), ratio, rtol=1e-12)


def test_other_measures():
    odds = np.array([0.86, 0.75, 4.0])
    np.testing.assert_allclose(e_values(odds, measure="odds ratio"), e_values(np.sqrt(odds)))
    np.testing.assert_allclose(e_values(odds, measure="odds ratio, rare"), e_values(odds))
    d = np.array([-0.4, 0.0, 0.4])
    found = e_values(d, measure="standardised difference")
    np.testing.assert_allclose(found, e_values(np.exp(0.91 * d)))
    assert found[1] == 1.0 and found[0] == pytest.approx(found[2])


@pytest.mark.parametrize(
    ("ratio", "measure", "message"),
    [
        (2.0, "hazard", "measure must be one of"),
        ("two", "risk ratio", "give numbers"),
        (-1.0, "odds ratio", "zero or more; the least given is -1"),
    ],
)
def test_what_is_no_ratio(ratio, measure, message):
    with pytest.raises(SpecificationError, match=message):
        e_values(ratio, measure=measure)


TABLE = pd.DataFrame({"unit": list("abcd"), "events": [90, 100, 20, 0], "expected": [50.0, 98.0, 60.0, 9.0]})


def test_limits_nearest_to_what_is_expected():
    found = compare_expected(TABLE, unit="unit", observed="events", expected="expected", contrast="ratio")
    frame = e_value(found)
    assert frame.columns.tolist() == ["unit", "estimate", "risk_ratio", "e_value", "limit", "e_value_limit"]
    assert frame["limit"].tolist() == [found.lower[0], 1.0, found.upper[2], found.upper[3]]
    assert frame["e_value_limit"].iloc[1] == 1.0
    np.testing.assert_allclose(frame["e_value"][:3], e_values([1.8, 100 / 98, 1 / 3]))
    assert frame["e_value"].iloc[3] == np.inf and 1.0 < frame["e_value_limit"].iloc[3] < np.inf
    assert (frame["e_value_limit"] <= frame["e_value"]).all()


def cells():
    rows = [(u, g) for u in "abc" for g in (0, 1)]
    return pd.DataFrame(rows, columns=["unit", "girl"]).assign(pupils=100, absent=[30, 35, 10, 12, 18, 22])


def test_rates_are_divided_by_the_overall_rate():
    fit = Pooled("absent ~ girl", unit="unit", trials="pupils").fit(cells())
    ratio, rate = e_value(fit.compare(contrast="ratio")), e_value(fit.compare(contrast="rate"))
    np.testing.assert_allclose(rate["risk_ratio"], ratio["risk_ratio"], rtol=1e-12)
    np.testing.assert_allclose(rate["e_value"], ratio["e_value"], rtol=1e-7)


def test_differences_need_a_scale():
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"unit": np.repeat(list("abc"), 40), "days": rng.normal(10, 3, 120)})
    table.loc[:39, "days"] += 4
    found = Pooled("days ~ 1", unit="unit", family="gaussian").fit(table).compare()
    with pytest.raises(SpecificationError, match=r"no E-value without a scale.*contrast='ratio'"):
        e_value(found)
    frame = e_value(found, sd=3.0)
    np.testing.assert_allclose(frame["risk_ratio"], np.exp(0.91 * found.estimate / 3.0))
    np.testing.assert_allclose(frame["e_value"], e_values(frame["risk_ratio"]))
    inside = (found.lower <= 0) & (found.upper >= 0)
    assert inside.sum() in (1, 2) or not inside.any()
    np.testing.assert_array_equal(frame["e_value_limit"] == 1.0, inside)
    assert frame["limit"].iloc[0] == pytest.approx(np.exp(0.91 * found.lower[0] / 3.0))


@pytest.mark.parametrize("sd", [0.0, -1.0, np.inf, np.nan, True, "3"])
def test_a_scale_that_is_none(sd):
    fit = Pooled("absent ~ girl", unit="unit", trials="pupils").fit(cells())
    with pytest.raises(SpecificationError, match="give a number above zero"):
        e_value(fit.compare(), sd=sd)


def test_not_a_comparison_and_a_ratio_with_a_scale():
    with pytest.raises(SpecificationError, match="takes a Comparison"):
        e_value(TABLE)
    fit = Pooled("absent ~ girl", unit="unit", trials="pupils").fit(cells())
    with pytest.raises(SpecificationError, match="sd is for differences"):
        e_value(fit.compare(contrast="ratio"), sd=1.0)


def test_withheld_units_have_none_for_the_limit():
    table = pd.DataFrame({"unit": list("abcde"), "cost": [5.0, 6.0, 7.0, 9.0, 4.0]})
    with pytest.warns(Warning, match="single row"):
        found = Pooled("cost ~ 1", unit="unit", family="gaussian").fit(table).compare(contrast="ratio")
    frame = e_value(found)
    assert frame["e_value_limit"].isna().all() and frame["limit"].isna().all()
    assert np.isfinite(frame["e_value"]).all()
