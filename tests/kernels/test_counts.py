"""Limits for counts against closed forms, published numbers and the exact Poisson-binomial distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, chi2, poisson_binom
from statsmodels.stats.proportion import proportion_confint

from benchmodels.kernels.counts import binomial_tail, count_limits, poisson_tail
from tests import plain

PRINTED = 5e-6  # half a unit of the fifth decimal, as the reference prints


def limits_of(family, count, size, *, eta=None, confidence=0.95, limits="exact"):
    count = np.atleast_1d(np.asarray(count, dtype=float))
    size = np.broadcast_to(np.asarray(size, dtype=float), count.shape)
    eta = np.zeros(len(count)) if eta is None else eta
    low, high = count_limits(
        family,
        count,
        size,
        eta,
        np.arange(len(count)),
        np.zeros(len(count)),
        confidence=confidence,
        limits=limits,
    )
    return plain.mean(family, low + eta), plain.mean(family, high + eta)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.998])
def test_binomial_exact_is_clopper_pearson(confidence):
    count = np.array([1, 3, 17, 50, 99])
    low, high = limits_of("binomial", count, 100, confidence=confidence)
    a = 0.5 * (1 - confidence)
    np.testing.assert_allclose(low, beta.ppf(a, count, 101 - count), rtol=1e-9)
    np.testing.assert_allclose(high, beta.isf(a, count + 1, 100 - count), rtol=1e-9)
    np.testing.assert_allclose(
        np.array([low, high]), proportion_confint(count, 100, 1 - confidence, "beta"), rtol=1e-9
    )


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.998])
def test_poisson_exact_is_chi_square(confidence):
    count, exposure = np.array([1.0, 4, 10, 200, 5000]), 3.0
    low, high = limits_of("poisson", count, exposure, confidence=confidence)
    a = 0.5 * (1 - confidence)
    np.testing.assert_allclose(low * exposure, 0.5 * chi2.ppf(a, 2 * count), rtol=1e-9)
    np.testing.assert_allclose(high * exposure, 0.5 * chi2.isf(a, 2 * count + 2), rtol=1e-9)


def test_poisson_10_of_12():
    """statsmodels.stats.rates, methods exact-c and midp-c, for a count of 10 where 12 are expected."""
    for limits, printed in (("exact", (0.39962, 1.53253)), ("mid-p", (0.42329, 1.48540))):
        low, high = limits_of("poisson", 10, 12, limits=limits)
        np.testing.assert_allclose([low[0], high[0]], printed, atol=PRINTED)


@pytest.mark.parametrize("limits", ["exact", "mid-p"])
@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_the_tail_at_a_limit_is_the_level(family, limits):
    """The defining equation, with unequal cases in each unit."""
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(6), 20)
    size, eta = rng.integers(1, 9, 120).astype(float), rng.normal(-1.5, 0.7, 120)
    count = np.array([1.0, 2.0, 7.0, 20.0, 30.5, 44.0])
    low, high = count_limits(family, count, size, eta, unit, np.zeros(6), confidence=0.9, limits=limits)
    for level, upper in ((low, True), (high, False)):
        mu = plain.mean(family, eta + level[unit])
        expected = np.bincount(unit, size * mu)
        if family == "poisson":
            tail = poisson_tail(count, expected, limits=limits, upper=upper)
        else:
            variance = np.bincount(unit, size * mu * (1 - mu))
            tail = binomial_tail(count, expected, variance, limits=limits, upper=upper)
        np.testing.assert_allclose(tail, 0.05, rtol=1e-9)
    assert (low < high).all()


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_mid_p_lies_inside_exact_and_limits_widen_with_the_level(family):
    count = np.array([1.0, 5, 20, 60])
    last = (np.full(4, 0.6), np.full(4, 0.0))
    for confidence in (0.5, 0.8, 0.95, 0.99, 0.999999):
        exact = limits_of(family, count, 100, confidence=confidence)
        mid = limits_of(family, count, 100, confidence=confidence, limits="mid-p")
        assert (exact[0] < mid[0]).all()
        assert (mid[1] < exact[1]).all()
        assert (mid[0] < count / 100).all()
        assert (mid[1] > count / 100).all()
        if confidence > 0.5:
            assert (mid[0] < last[0]).all()
            assert (mid[1] > last[1]).all()
        last = mid


def test_edges():
    low, high = limits_of("binomial", [0, 10], 10)
    assert low[0] == 0.0
    assert high[1] == 1.0
    # One-sided half level, in closed form: (1 - p)^10 = .025.
    np.testing.assert_allclose(high[0], 1 - 0.025**0.1, rtol=1e-9)
    np.testing.assert_allclose(low[1], 0.025**0.1, rtol=1e-9)
    low, high = limits_of("poisson", 0, 2.0)
    assert low[0] == 0.0
    np.testing.assert_allclose(high[0], -np.log(0.025) / 2, rtol=1e-9)
    _, high = limits_of("poisson", 0, 2.0, limits="mid-p")
    np.testing.assert_allclose(high[0], -np.log(0.05) / 2, rtol=1e-9)


def test_a_fractional_count_lies_between_its_neighbours():
    for family in ("binomial", "poisson"):
        low, high = limits_of(family, [7.0, 7.25, 7.5, 8.0], 40)
        assert (np.diff(low) > 0).all()
        assert (np.diff(high) > 0).all()


def test_exposure_in_another_unit_of_measure_moves_the_rate_only():
    first = np.array(limits_of("poisson", [3.0, 30.0], 5.0))
    second = np.array(limits_of("poisson", [3.0, 30.0], 5.0e6, eta=np.full(2, -10.0)))
    np.testing.assert_allclose(second * 1e6, first, rtol=1e-9)


def tail_error(chances):
    """Largest error of either tail, mid-P or not, where the exact tail is .0125 to .05."""
    chances = np.asarray(chances)
    mean, variance = chances.sum(), np.sum(chances * (1 - chances))
    reach = 5 * np.sqrt(variance) + 3
    counts = np.arange(max(0, int(mean - reach)), min(len(chances), int(mean + reach)) + 1)
    exact = poisson_binom(chances)
    worst = 0.0
    for limits in ("exact", "mid-p"):
        for upper in (True, False):
            truth = exact.sf(counts - 1) if upper else exact.cdf(counts)
            truth = truth - (0.5 * exact.pmf(counts) if limits == "mid-p" else 0.0)
            at = np.ones(len(counts))
            near = (truth > 0.0125) & (truth < 0.05)
            found = binomial_tail(counts * 1.0, mean * at, variance * at, limits=limits, upper=upper)
            worst = max(worst, np.max(np.abs(found - truth)[near], initial=0.0))
    return worst


def test_scipy_distribution_is_the_plain_convolution():
    chances = np.random.default_rng(0).uniform(0, 1, 12)
    for count in (3, 6, 9):
        for upper in (True, False):
            ours = plain.poisson_binomial_tail(chances, count, upper=upper, mid=False)
            theirs = poisson_binom(chances).sf(count - 1) if upper else poisson_binom(chances).cdf(count)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_alike_trials_are_exact():
    assert tail_error(np.full(150, 0.07)) < 1e-10


@pytest.mark.parametrize("top", [0.1, 0.3])
def test_tail_error_with_rare_events(top):
    """Rates from near zero to 10 or 30 per cent: what the docstring says of tails near .025."""
    rng = np.random.default_rng(0)
    assert max(tail_error(rng.uniform(0.002, top, n)) for n in (100, 300, 1000)) < 2e-4


def test_tail_error_in_the_simulated_country(country, pupils):
    """Measured 1.1e-3 at 152 pupils, where chances run from 1 to 84 per cent; less than 6e-4 above 300."""
    chance = country.expected_counts("special_education") / pupils["pupils"].to_numpy()
    worst = {}
    for name in ("Læsø", "Fanø", "Samsø", "Ærø", "Langeland"):
        own = (pupils["municipality"] == name).to_numpy()
        worst[name] = tail_error(np.repeat(chance[own], pupils["pupils"].to_numpy()[own]))
    assert worst["Læsø"] < 1.2e-3
    assert max(worst[name] for name in worst if name != "Læsø") < 6e-4


def test_limits_know_a_case_mix_of_sure_and_rare_cases():
    """Ten cases almost sure and a thousand rare ones: the count is ten and a Poisson of one.

    Fifteen or more has exact probability .004; a limit that misses this by a factor is no exact limit.
    """
    chances = np.r_[np.full(10, 0.99), np.full(1000, 0.001)]
    truth = poisson_binom(chances).sf(14)
    mean, variance = np.array([chances.sum()]), np.array([np.sum(chances * (1 - chances))])
    found = binomial_tail(np.array([15.0]), mean, variance, limits="exact", upper=True)[0]
    np.testing.assert_allclose(found, truth, rtol=0.1)
