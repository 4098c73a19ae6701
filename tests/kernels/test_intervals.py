"""Closed-form limits against statsmodels, tail probabilities and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chi2, poisson
from statsmodels.stats.proportion import proportion_confint

from benchmodels.kernels.intervals import (
    byar_limits,
    clopper_pearson_limits,
    dobson_limits,
    poisson_limits,
    wilson_limits,
)

COUNT = np.array([0.0, 1.0, 4.0, 10.0, 250.0])


@pytest.mark.parametrize("level", [0.8, 0.95, 0.998])
def test_exact_limits_leave_the_tail_that_they_say(level):
    lower, upper = poisson_limits(COUNT, level=level)
    tail = (1 - level) / 2
    assert lower[0] == 0
    np.testing.assert_allclose(poisson.sf(COUNT[1:] - 1, lower[1:]), tail, rtol=1e-9)
    np.testing.assert_allclose(poisson.cdf(COUNT, upper), tail, rtol=1e-9)
    size = np.array([3.0, 20.0, 7.0, 10.0, 1000.0])
    lower, upper = clopper_pearson_limits(COUNT, size, level=level)
    np.testing.assert_allclose(binom.sf(COUNT[1:] - 1, size[1:], lower[1:]), tail, rtol=1e-9)
    inside = size > COUNT
    np.testing.assert_allclose(binom.cdf(COUNT[inside], size[inside], upper[inside]), tail, rtol=1e-9)
    assert lower[0] == 0
    assert upper[3] == 1


def test_a_fractional_count_has_the_limits_of_chi_squared_and_a_missing_one_none():
    lower, upper = poisson_limits(np.array([10.0, 3.7, 0.0, np.nan]), level=0.9)
    np.testing.assert_allclose(lower[:3], [*(chi2.ppf(0.05, [20.0, 7.4]) / 2), 0.0], rtol=1e-10)
    np.testing.assert_allclose(upper[:3], chi2.ppf(0.95, [22.0, 9.4, 2.0]) / 2, rtol=1e-10)
    one = np.full(1, np.nan)
    for found in (
        (lower[3:], upper[3:]),
        byar_limits(one, level=0.9),
        wilson_limits(one, np.ones(1), level=0.9),
        clopper_pearson_limits(one, np.ones(1), level=0.9),
    ):
        assert np.isnan(np.r_[found]).all()


@pytest.mark.parametrize(("function", "method"), [(wilson_limits, "wilson"), (clopper_pearson_limits, "beta")])
def test_shares_by_statsmodels(function, method):
    size = np.array([3.0, 20.0, 7.0, 11.0, 1000.0])
    found = function(COUNT, size, level=0.9)
    np.testing.assert_allclose(found, proportion_confint(COUNT, size, alpha=0.1, method=method), atol=1e-12)
    assert np.isnan(function(np.zeros(1), np.zeros(1), level=0.9)).all()


def test_wilson_stays_on_the_edge():
    lower, upper = wilson_limits(np.array([0.0, 7.0]), np.array([7.0, 7.0]), level=0.95)
    assert lower[0] == 0.0
    assert upper[1] == 1.0
    np.testing.assert_allclose(upper[0], 1.0 - lower[1], rtol=1e-14)


def test_byar_is_near_the_exact_limits_and_nearer_the_more_events():
    count = np.array([1.0, 10.0, 100.0, 1000.0])
    for byar, exact in zip(byar_limits(count, level=0.95), poisson_limits(count, level=0.95), strict=True):
        off = np.abs(byar / exact - 1.0)
        assert (off[1:] < [3e-3, 1e-4, 1e-5]).all()
        assert (np.diff(off) < 0).all()
    lower, upper = byar_limits(np.zeros(1), level=0.95)
    assert lower[0] == 0
    assert upper[0] == pytest.approx(3.689, rel=0.02)


def test_dobson_of_one_stratum_is_the_limit_of_its_count():
    count, size = np.array([4.0, 10.0, 0.0]), 250.0
    lower, upper = poisson_limits(count, level=0.95)
    found = dobson_limits(count / size, np.sqrt(count) / size, count, lower, upper)
    np.testing.assert_allclose(found[0][:2], lower[:2] / size)
    np.testing.assert_allclose(found[1][:2], upper[:2] / size)
    assert np.isnan(found[0][2])


@pytest.mark.parametrize("limits", [poisson_limits, byar_limits])
def test_coverage_of_a_poisson_mean(limits):
    """Exact in the sense of summing the distribution: no simulation."""
    for mean in (0.7, 3.0, 12.5, 80.0):
        count = np.arange(0.0, mean + 12 * np.sqrt(mean) + 20)
        lower, upper = limits(count, level=0.95)
        share = poisson.pmf(count, mean)[(lower <= mean) & (mean <= upper)].sum()
        assert share >= (0.95 if limits is poisson_limits else 0.949)


def test_coverage_of_dobson_with_unlike_strata():
    """Rates of .001 to .05, weights unlike the unit's own: 10,000 draws, 4 Monte Carlo errors."""
    rng = np.random.default_rng(5)
    size, rate, weight = np.array([800.0, 400.0, 90.0]), np.array([0.002, 0.01, 0.05]), np.array([0.2, 0.5, 0.3])
    drawn = rng.poisson(size * rate, (10_000, 3))
    drawn = drawn[drawn.sum(1) > 0]
    total = drawn.sum(1).astype(float)
    found = dobson_limits(
        drawn / size @ weight, np.sqrt(drawn / size**2 @ weight**2), total, *poisson_limits(total, level=0.95)
    )
    hits = (found[0] <= rate @ weight) & (rate @ weight <= found[1])
    assert abs(hits.mean() - 0.95) < 4 * hits.std() / np.sqrt(len(hits)) + 0.01
