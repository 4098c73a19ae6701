"""Measures of small-area variation: plain formulas, chance, coverage, and a known distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, nbinom

from benchmodels import compare_expected
from benchmodels.errors import DataError, SpecificationError
from benchmodels.variation import MEASURES, small_area_variation, systematic_component
from tests.lip_cancer import LIP_CANCER
from tests.test_flags import make


def given(observed, expected, **rest):
    table = pd.DataFrame({"k": [f"k{i}" for i in range(len(observed))], "o": observed, "e": expected} | rest)
    names = {"trials": "n"} if "n" in rest else {}
    return compare_expected(table, unit="k", observed="o", expected="e", **names)


def lip():
    return given(LIP_CANCER["observed"], LIP_CANCER["expected"])


def at(found, name, column="value"):
    return found.to_frame().set_index("measure").loc[name, column]


def test_measures_against_plain_formulas():
    found = small_area_variation(lip(), draws=200)
    o = LIP_CANCER["observed"].to_numpy(float)
    e = LIP_CANCER["expected"].to_numpy(float)
    e = e * o.sum() / e.sum()
    scv = sum((a - b) ** 2 / b**2 - 1 / b for a, b in zip(o, e, strict=True)) / 56
    assert at(found, "systematic_component") == pytest.approx(scv)
    assert systematic_component(o, e) == pytest.approx(scv)
    r = o / e
    assert at(found, "coefficient_of_variation") == pytest.approx(np.std(r, ddof=1) / np.mean(r))
    # Weighted by E the mean ratio is one.
    assert at(found, "weighted_coefficient_of_variation") == pytest.approx(np.sqrt(np.average((r - 1) ** 2, weights=e)))
    assert at(found, "quotient_75_25") == pytest.approx(np.quantile(r, 0.75) / np.quantile(r, 0.25))
    assert at(found, "extremal_quotient") == np.inf
    assert found.chi_square == pytest.approx(((o - e) ** 2 / e).sum())
    assert found.chi_square_p == pytest.approx(1 / 201)
    assert found.df == 55
    assert found.to_frame()["measure"].tolist() == list(MEASURES)
    assert "2 unit(s) have no event" in found.notes[0]


def test_the_gammas_variance_is_the_maximum_of_the_negative_binomials_likelihood():
    o = LIP_CANCER["observed"].to_numpy()
    e = (LIP_CANCER["expected"] * o.sum() / LIP_CANCER["expected"].sum()).to_numpy()
    best = minimize_scalar(
        lambda v: -nbinom.logpmf(o, 1 / v, 1 / (1 + v * e)).sum(), bounds=(0.01, 5), method="bounded"
    )
    assert at(small_area_variation(lip(), draws=100), "empirical_bayes") == pytest.approx(best.x, rel=1e-4)


def test_the_systematic_component_is_unbiased():
    rng = np.random.default_rng(1)
    e = np.exp(rng.uniform(np.log(5), np.log(500), 98))
    for spread in (0.0, 0.04):
        rates = 1.0 if spread == 0 else rng.gamma(1 / spread, spread, (4000, 98))
        found = [systematic_component(o, e) for o in rng.poisson(e * rates, (4000, 98))]
        assert np.mean(found) == pytest.approx(spread, abs=4 * np.std(found) / 4000**0.5)


def test_chance_alone_makes_large_quotients_of_small_units():
    rng = np.random.default_rng(2)
    small, large = np.full(98, 12.0), np.full(98, 1200.0)
    quotients = []
    for e in (small, large):
        found = small_area_variation(given(rng.poisson(e), e), draws=500)
        assert at(found, "extremal_quotient", "p") > 0.01
        assert at(found, "extremal_quotient") <= at(found, "extremal_quotient", "chance_upper") * 1.3
        quotients.append(at(found, "extremal_quotient", "chance"))
        assert abs(at(found, "systematic_component")) < 3 * at(found, "systematic_component", "chance_upper")
        assert found.chi_square_p == pytest.approx(chi2.sf(found.chi_square, 97), abs=0.08)
    assert quotients[0] > 4 > 1.3 > quotients[1]


def test_p_values_are_uniform_where_units_are_as_expected():
    rng = np.random.default_rng(3)
    e = np.exp(rng.uniform(np.log(3), np.log(100), 40))
    at_scv = MEASURES.index("systematic_component")
    p = [small_area_variation(given(rng.poisson(e), e), draws=100, rng=i).p[at_scv] for i in range(80)]
    # Four standard errors.
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.13)
    assert np.mean(p) == pytest.approx(0.5, abs=0.13)


def test_coverage_of_the_systematic_component():
    rng = np.random.default_rng(4)
    e, spread = np.exp(rng.uniform(np.log(5), np.log(500), 98)), 0.04
    held = 0
    for i in range(100):
        found = small_area_variation(given(rng.poisson(e * rng.gamma(1 / spread, spread, 98)), e), draws=200, rng=i)
        held += at(found, "systematic_component", "lower") <= spread <= at(found, "systematic_component", "upper")
    # Four standard errors of 0.95 in 100 are 0.09.
    assert held / 100 >= 0.86


def test_trials_have_less_chance():
    rng = np.random.default_rng(5)
    n = rng.integers(40, 4000, 60)
    e = 0.6 * n
    comparison = given(rng.binomial(n, 0.6), e, n=n)
    found = small_area_variation(comparison, law="binomial", draws=500)
    poisson = small_area_variation(comparison, draws=500)
    assert at(found, "systematic_component") > at(poisson, "systematic_component")
    assert at(found, "systematic_component", "p") > 0.005 and found.chi_square_p > 0.005
    assert poisson.chi_square < found.chi_square
    mixed = rng.binomial(n, rng.beta(0.6 * 30, 0.4 * 30, 60))
    varied = small_area_variation(given(mixed, e, n=n), law="binomial", draws=200)
    # ρ = 1 / 31 of shares about 0.6.
    assert at(varied, "empirical_bayes") == pytest.approx(0.4 / 0.6 / 31, rel=0.6)
    assert varied.chi_square_p < 0.01


def test_the_same_seed_gives_the_same_answer_and_scale_does_not_matter():
    a, b = small_area_variation(lip(), draws=200), small_area_variation(lip(), draws=200)
    pd.testing.assert_frame_equal(a.to_frame(), b.to_frame())
    scaled = small_area_variation(given(LIP_CANCER["observed"], 3.7 * LIP_CANCER["expected"]), draws=200)
    np.testing.assert_allclose(scaled.value[1:], a.value[1:], rtol=1e-6)


def test_duplicates_of_one_unit_vary_by_chance_or_less():
    found = small_area_variation(given([10] * 5, [10.0] * 5), draws=200)
    assert at(found, "systematic_component") == pytest.approx(-0.1)
    assert at(found, "extremal_quotient") == 1.0
    assert at(found, "empirical_bayes") == 0.0


@pytest.mark.parametrize(
    ("comparison", "asked", "message"),
    [
        (given([1, 2], [1.0, 2.0]), {}, "three or more"),
        (given([0, 0, 0], [1.0, 2.0, 3.0]), {}, "no unit has an event"),
        (given([1.5, 2, 3], [1.0, 2.0, 3.0]), {}, "whole numbers"),
        (lip(), {"law": "normal"}, "law='normal'"),
        (lip(), {"draws": 10}, "draws=10"),
        (lip(), {"level": 0}, "level=0"),
        (make([0.1, 0.2, 0.3], [1, 1, 1], standard="direct"), {}, "each unit's own people"),
        ("table", {}, "takes a Comparison"),
    ],
)
def test_impossible_questions_are_refused(comparison, asked, message):
    with pytest.raises(SpecificationError, match=message):
        small_area_variation(comparison, **asked)


def test_expected_counts_must_be_possible():
    with pytest.raises(DataError, match="no expected count above zero"):
        small_area_variation(make([1, 2, 3], [1, 1, 1], observed=[1, 2, 3], expected=[1.0, 0.0, 2.0]))
    tight = make([1, 2, 3], [1, 1, 1], observed=[1, 2, 3], expected=[1.0, 1.0, 2.0], size=[1.2, 9, 9])
    with pytest.raises(DataError, match="Enhed 0"):
        small_area_variation(tight, law="binomial")
