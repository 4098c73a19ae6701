"""Limits for counts against closed forms, published numbers and the exact Poisson-binomial distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, chi2, poisson_binom
from statsmodels.stats.proportion import proportion_confint

from benchmodels.kernels import counts
from benchmodels.kernels.counts import count_limits, poisson_tail
from benchmodels.kernels.families import Family
from benchmodels.kernels.poisson_binomial import count_tails, exact_mass
from tests import plain

PRINTED = 5e-6  # half a unit of the fifth decimal, as the reference prints


def limits_of(family, count, size, *, eta=None, confidence=0.95, limits="exact"):
    count = np.atleast_1d(np.asarray(count, dtype=float))
    size = np.broadcast_to(np.asarray(size, dtype=float), count.shape)
    eta = np.zeros(len(count)) if eta is None else eta
    low, high = count_limits(
        Family(family),
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
    np.testing.assert_allclose(np.array([low, high]), proportion_confint(count, 100, 1 - confidence, "beta"), rtol=1e-9)


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


def tail_of_chances(chances, count, *, limits, upper):
    exact = poisson_binom(chances)
    tail = exact.sf(count - 1) if upper else exact.cdf(count)
    return tail - 0.5 * exact.pmf(count) if limits == "mid-p" else tail


@pytest.mark.parametrize("limits", ["exact", "mid-p"])
@pytest.mark.parametrize(("most", "tolerance"), [(100_000, 1e-7), (0, 0.01)])
def test_the_exact_tail_at_a_binomial_limit_is_the_level(monkeypatch, limits, most, tolerance):
    """The defining equation, unequal cases in each unit; without the exact distribution, to one per cent of it."""
    monkeypatch.setattr(counts, "EXACT_COST", most)
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(6), 20)
    size, eta = rng.integers(1, 9, 120).astype(float), rng.normal(-1.5, 1.7, 120)
    count = np.array([1, 2, 7, 20, 30, 44])
    low, high = count_limits(
        Family("binomial"), count * 1.0, size, eta, unit, np.zeros(6), confidence=0.9, limits=limits
    )
    for level, upper in ((low, True), (high, False)):
        for i in range(6):
            own = unit == i
            chances = np.repeat(plain.mean("binomial", eta[own] + level[i]), size[own].astype(int))
            tail = tail_of_chances(chances, count[i], limits=limits, upper=upper)
            np.testing.assert_allclose(tail, 0.05, rtol=tolerance)
    assert (low < high).all()


@pytest.mark.parametrize("limits", ["exact", "mid-p"])
def test_the_tail_at_a_poisson_limit_is_the_level(limits):
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(6), 20)
    size, eta = rng.integers(1, 9, 120).astype(float), rng.normal(-1.5, 0.7, 120)
    count = np.array([1.0, 2.0, 7.0, 20.0, 30.5, 44.0])
    low, high = count_limits(Family("poisson"), count, size, eta, unit, np.zeros(6), confidence=0.9, limits=limits)
    for level, upper in ((low, True), (high, False)):
        expected = np.bincount(unit, size * np.exp(eta + level[unit]))
        np.testing.assert_allclose(poisson_tail(count, expected, limits=limits, upper=upper), 0.05, rtol=1e-8)


@pytest.mark.parametrize(
    ("rare", "sure", "count"),
    [
        ((0.01, 20), (0.97, 5), 8),
        ((0.001, 200), (0.9, 10), 12),
        ((0.02, 3), (0.95, 2), 1),
        ((0.02, 24), (0.9, 6), 3),
        ((0.001, 1000), (0.99, 10), 15),
    ],
)
@pytest.mark.parametrize("limits", ["exact", "mid-p"])
def test_limits_of_few_cases_that_are_sure_and_rare(rare, sure, count, limits):
    chance, size = np.array([rare[0], sure[0]]), np.array([rare[1], sure[1]], dtype=float)
    eta, unit = np.log(chance / (1 - chance)), np.zeros(2, dtype=np.intp)
    edges = count_limits(
        Family("binomial"), np.array([count * 1.0]), size, eta, unit, np.zeros(1), confidence=0.95, limits=limits
    )
    for edge, upper in zip(edges, (True, False), strict=True):
        chances = np.repeat(plain.mean("binomial", eta + edge[0]), size.astype(int))
        np.testing.assert_allclose(tail_of_chances(chances, count, limits=limits, upper=upper), 0.025, rtol=1e-6)


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


def tail_error(chances, *, low=0.0125, high=0.05):
    """Largest relative error of either saddlepoint tail where the exact tail is between the two."""
    chances = np.asarray(chances)
    mean, variance = chances.sum(), np.sum(chances * (1 - chances))
    reach = 5 * np.sqrt(variance) + 3
    at = np.arange(max(1, int(mean - reach)), min(len(chances), int(mean + reach)) + 1)
    eta, unit = np.log(chances / (1 - chances)), np.zeros(len(chances), dtype=np.intp)
    tails = count_tails(np.ones(len(chances)), eta, unit, at[:, None] * 1.0, np.zeros(1)).at(np.zeros(1))
    exact = poisson_binom(chances)
    worst = 0.0
    for found, truth in zip(tails, (exact.sf(at - 1), exact.cdf(at - 1)), strict=True):
        near = (truth > low) & (truth < high)
        worst = max(worst, np.max(np.abs(found[:, 0] / truth - 1)[near], initial=0.0))
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


@pytest.mark.parametrize("top", [0.1, 0.3, 0.98])
def test_saddlepoint_tails_of_mixed_cases(top):
    """Chances from near zero to 10, 30 or 98 per cent."""
    rng = np.random.default_rng(0)
    assert max(tail_error(rng.uniform(0.002, top, n)) for n in (100, 300, 1000)) < 4e-3


def test_saddlepoint_tails_in_the_simulated_country(country, pupils):
    """Chances from 1 to 84 per cent, 152 pupils and more."""
    chance = country.expected_counts("special_education") / pupils["pupils"].to_numpy()
    for name in ("Læsø", "Fanø", "Samsø", "Ærø", "Langeland"):
        own = (pupils["municipality"] == name).to_numpy()
        assert tail_error(np.repeat(chance[own], pupils["pupils"].to_numpy()[own])) < 2e-3, name


def test_exact_mass_is_the_distribution():
    rng = np.random.default_rng(1)
    for size in ([3.0, 1.0, 40.0], [1.0], [7.0, 200.0]):
        odds = rng.normal(-1.0, 2.0, len(size))
        chances = np.repeat(plain.mean("binomial", odds), np.array(size, dtype=int))
        mass = exact_mass(np.array(size), odds)
        np.testing.assert_allclose(mass, poisson_binom(chances).pmf(np.arange(len(chances) + 1)), atol=1e-13)
