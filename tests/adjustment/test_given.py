"""Comparisons of given expected values and of rates by stratum, against published limits and plain formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels.adjustment.given import compare_expected, compare_strata
from benchmodels.errors import DataError, SpecificationError
from tests.lip_cancer import LIP_CANCER

TWELVE = pd.DataFrame({"u": ["a", "b"], "o": [10, 0], "e": [12.0, 3.0], "n": [40, 9], "t": [100.0, 20.0]})
ASK = {"unit": "u", "observed": "o", "expected": "e"}


@pytest.mark.parametrize(("limits", "lower", "upper"), [("exact", 0.39962, 1.53253), ("mid-p", 0.42329, 1.48540)])
def test_ten_of_twelve(limits, lower, upper):
    found = compare_expected(TWELVE, **ASK, limits=limits)
    assert found.lower[0] == pytest.approx(lower, abs=5e-6)
    assert found.upper[0] == pytest.approx(upper, abs=5e-6)
    # No events: a ratio of nought, no lower limit, and a variance that is not nought.
    assert found.estimate[1] == found.lower[1] == 0
    assert found.upper[1] > 0.99
    assert found.noise[1] > 0


def test_lip_cancer_of_scotland():
    """Counties by exact limits: Skye-Lochalsh first of all, Annandale and Tweeddale without a case."""
    found = compare_expected(LIP_CANCER, unit="county", observed="observed", expected="expected", limits="exact")
    assert LIP_CANCER["observed"].sum() == 536
    assert LIP_CANCER["expected"].sum() == pytest.approx(536, abs=56 * 0.05)
    assert found.estimate[0] == pytest.approx(6.522, rel=0.05)
    assert found.estimate[1] == pytest.approx(4.503, rel=0.01)
    assert found.estimate[54] == found.estimate[55] == 0
    different = found.different
    assert different[0] == different[1] == "above"
    assert different[48] == "below"
    # County 56: 0 of 1.8; one-sided, −log(.025) events.
    assert found.upper[55] == pytest.approx(-np.log(0.025) / 1.8, rel=1e-10)


def test_one_row_of_trials_is_clopper_pearson_and_mid_p():
    found = compare_expected(TWELVE.assign(e=[12.0, 3.0]), **ASK, trials="n", limits="exact")
    from statsmodels.stats.proportion import proportion_confint

    lower, upper = proportion_confint(10, 40, method="beta")
    assert (found.lower[0], found.upper[0]) == pytest.approx((lower * 40 / 12, upper * 40 / 12))
    middle = compare_expected(TWELVE, **ASK, trials="n")
    from scipy.stats import binom

    at = middle.lower[0] * 12 / 40
    assert binom.sf(9, 40, at) - 0.5 * binom.pmf(10, 40, at) == pytest.approx(0.025, rel=1e-8)
    assert middle.null_std_error[0] == pytest.approx(np.sqrt(12 * (1 - 12 / 40)) / 12)


def test_contrasts_say_the_same():
    ratio = compare_expected(TWELVE, **ASK, size="t")
    difference = compare_expected(TWELVE, **ASK, size="t", contrast="difference")
    rate = compare_expected(TWELVE, **ASK, size="t", contrast="rate")
    for name in ("estimate", "lower", "upper"):
        of = getattr(ratio, name)
        np.testing.assert_allclose(getattr(difference, name), (of - 1) * TWELVE["e"] / TWELVE["t"], atol=1e-15)
        np.testing.assert_allclose(getattr(rate, name), of * 15 / 120)
    np.testing.assert_allclose(difference.std_error, ratio.std_error * TWELVE["e"] / TWELVE["t"])
    np.testing.assert_allclose(rate.null_std_error, ratio.null_std_error * 15 / 120)


@pytest.mark.parametrize("limits", ["mid-p", "exact", "byar"])
def test_coverage_of_known_expected_values(limits):
    rng = np.random.default_rng(2)
    expected, truth = np.geomspace(2, 800, 98), np.exp(0.3 * rng.normal(size=98))
    hits = np.empty((400, 98))
    for row in hits:
        table = pd.DataFrame({"u": range(98), "o": rng.poisson(expected * truth), "e": expected})
        found = compare_expected(table, **ASK, limits=limits)
        row[:] = (found.lower <= truth) & (truth <= found.upper)
    each = hits.mean(axis=1)
    slack = 4 * each.std() / np.sqrt(len(each))
    assert each.mean() > 0.95 - slack
    if limits == "mid-p":
        assert each.mean() < 0.95 + slack + 0.005


def strata():
    return pd.DataFrame(
        {
            "u": np.repeat(["x", "y", "z"], 2),
            "age": ["young", "old"] * 3,
            "events": [2, 30, 5, 10, 0, 0],
            "people": [1000.0, 500.0, 2000.0, 200.0, 100.0, 100.0],
        }
    )


STRATA = {"unit": "u", "stratum": "age", "events": "events", "population": "people"}


def test_direct_rates_by_hand():
    found = compare_strata(strata(), **STRATA, standard=pd.Series({"old": 1.0, "young": 3.0}), limits="exact")
    assert found.estimate[0] == pytest.approx(0.75 * 2 / 1000 + 0.25 * 30 / 500)
    error = np.sqrt(0.75**2 * 2 / 1000**2 + 0.25**2 * 30 / 500**2)
    assert found.std_error[0] == pytest.approx(error)
    # Garwood's limits of 32 events: 21.8880 and 45.1743.
    assert found.lower[0] == pytest.approx(found.estimate[0] + error / np.sqrt(32) * (21.8880 - 32), rel=1e-5)
    assert found.upper[0] == pytest.approx(found.estimate[0] + error / np.sqrt(32) * (45.1743 - 32), rel=1e-5)
    assert found.withheld[2] != ""
    assert found.different[2] == "withheld"
    own = compare_strata(strata(), **STRATA)
    assert own.null == pytest.approx(47 / 3900)


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"o": [-1, 2]}, DataError, "negative"),
        ({"o": [np.nan, 2]}, DataError, "missing"),
        ({"o": ["a", "b"]}, DataError, "text"),
        ({"e": [0.0, 2.0]}, DataError, "'e' is not above zero"),
        ({"u": ["a", "a"]}, DataError, "unique"),
        ({"n": [5, 9]}, DataError, "'o' is above 'n'"),
        ({"e": [40.0, 2.0]}, DataError, "not below"),
    ],
)
def test_bad_tables_are_refused(change, error, word):
    with pytest.raises(error, match=word):
        compare_expected(TWELVE.assign(**change), **ASK, trials="n")


def test_bad_questions_are_refused():
    for options in ({"limits": "byar", "trials": "n"}, {"limits": "wilson"}, {"size": "nothing"}, {"level": 1.5}):
        with pytest.raises(SpecificationError):
            compare_expected(TWELVE, **ASK, **options)
    with pytest.raises(DataError, match="no population"):
        compare_strata(strata().iloc[:-1], **STRATA)
    with pytest.raises(DataError, match="sum them"):
        compare_strata(pd.concat([strata(), strata()]), **STRATA)
    with pytest.raises(SpecificationError, match="lacks"):
        compare_strata(strata(), **STRATA, standard=pd.Series({"old": 1.0}))
    with pytest.raises(DataError, match="no rows"):
        compare_expected(TWELVE.iloc[:0], **ASK)


def test_events_in_strata_without_weight_say_nothing():
    """A unit all of whose events are in a stratum of no weight has rate 0, and no interval of length 0 around it."""
    found = compare_strata(
        strata().assign(events=[2, 0, 5, 10, 0, 0]), **STRATA, standard=pd.Series({"old": 1.0, "young": 0.0})
    )
    assert found.estimate[0] == 0.0
    assert "no events in a stratum with a weight" in found.withheld[0]
    assert found.withheld[2].startswith("it has no events,")
    assert found.different.tolist()[::2] == ["withheld", "withheld"]
    assert np.isnan([found.lower[0], found.upper[0], found.std_error[0], found.null_std_error[0]]).all()
    assert np.isfinite(found.lower[1])


def test_labels_and_options_are_checked():
    for labels in (["a", None], [np.nan, np.nan]):
        with pytest.raises(DataError, match="'u' is missing in"):
            compare_expected(TWELVE.assign(u=labels), **ASK)
    for column in ("u", "age"):
        with pytest.raises(DataError, match=f"'{column}' is missing in 6"):
            compare_strata(strata().assign(**{column: None}), **STRATA)
    for ask in (lambda **o: compare_expected(TWELVE, **ASK, **o), lambda **o: compare_strata(strata(), **STRATA, **o)):
        with pytest.raises(SpecificationError, match="better must be one of"):
            ask(better="up")
    with pytest.raises(DataError, match="DataFrame"):
        compare_expected([1, 2], **ASK)
    with pytest.raises(SpecificationError, match="no column"):
        compare_expected(TWELVE, **(ASK | {"unit": ["u"]}))
    with pytest.raises(DataError, match="more than one column is called 'o'"):
        compare_expected(pd.concat([TWELVE, TWELVE[["o"]]], axis=1), **ASK)
    for standard, error, word in (
        ({"old": 1.0, "young": 2.0}, SpecificationError, "Series"),
        (pd.Series([1.0, 2.0, 3.0], index=["old", "young", "young"]), DataError, "more than once"),
        (pd.Series(["a", "b"], index=["old", "young"]), DataError, "text"),
    ):
        with pytest.raises(error, match=word):
            compare_strata(strata(), **STRATA, standard=standard)
