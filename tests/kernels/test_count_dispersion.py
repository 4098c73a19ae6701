"""Beta-binomial and negative binomial: slow sums, scipy's distributions, recovery, and the published interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, binom, nbinom, poisson

from benchmodels.errors import ConvergenceError, SpecificationError
from benchmodels.kernels.count_dispersion import count_dispersion, count_quantiles, log_rising

FAMILIES = ("beta_binomial", "negative_binomial")


def plain_rising(m, d):
    return np.log1p(d * np.arange(int(m), dtype=np.longdouble)).sum()


@pytest.mark.parametrize("m", [0, 1, 2, 30, 4000])
@pytest.mark.parametrize("d", [0.0, 1e-14, 1e-9, 3e-4, 0.01, 1 / 12.01, 1 / 11.99, 0.5, 40.0, 1e8])
def test_rising_product_agrees_with_its_sum(m, d):
    found = float(log_rising(np.array([float(m)]), np.array([d]))[0])
    assert found == pytest.approx(float(plain_rising(m, d)), rel=1e-12, abs=3e-15)


def law(family, n, e, s):
    if family == "beta_binomial":
        p = e / n
        return betabinom(n, p * (1 - s) / s, (1 - p) * (1 - s) / s) if s else binom(n, p)
    return nbinom(1 / s, 1 / (1 + s * e)) if s else poisson(e)


def draw(rng, family, k=98, dispersion=0.02):
    size = np.round(np.exp(rng.normal(5.5, 0.8, k)))
    expected = size * rng.uniform(0.03, 0.2, k)
    if family == "beta_binomial":
        share, odds = expected / size, (1 - dispersion) / dispersion
        return rng.binomial(size.astype(int), rng.beta(share * odds, (1 - share) * odds)).astype(float), size, expected
    return rng.poisson(expected * rng.gamma(1 / dispersion, dispersion, k)).astype(float), size, expected


@pytest.mark.parametrize("family", FAMILIES)
def test_the_estimate_is_the_maximum_of_scipys_likelihood(family):
    count, size, expected = draw(np.random.default_rng(2), family)
    found = count_dispersion(family, count, size, expected)

    def told(s):
        return sum(law(family, n, e, s).logpmf(y) for y, n, e in zip(count, size, expected, strict=True))

    best = told(found.dispersion)
    assert found.units == 98
    assert found.gain == pytest.approx(best - told(0.0), abs=1e-6)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert told(found.dispersion * factor) < best


@pytest.mark.parametrize(("family", "truth"), [("beta_binomial", 0.02), ("negative_binomial", 0.1)])
def test_recovers_the_truth(family, truth):
    rng = np.random.default_rng(5)
    found = [count_dispersion(family, *draw(rng, family, dispersion=truth)).dispersion for _ in range(25)]
    # Maximum likelihood with 98 units: a bias of a few per cent beside the Monte Carlo error.
    assert abs(np.mean(found) / truth - 1) < 4 * np.std(found) / truth / np.sqrt(25) + 0.03


@pytest.mark.parametrize("family", FAMILIES)
def test_less_than_chance_gives_zero(family):
    expected = np.array([10.0, 20.0, 30.0])
    found = count_dispersion(family, expected, np.full(3, 100.0), expected)
    assert (found.dispersion, found.gain) == (0.0, 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_zero_numerators_and_unusable_units(family):
    count, size, expected = draw(np.random.default_rng(3), family)
    count[:5] = 0.0
    whole = count_dispersion(family, count, size, expected)
    assert whole.dispersion > 0
    holed = [np.r_[a, b] for a, b in ((count, [np.nan, 3, 3]), (size, [9.0, np.nan, 9]), (expected, [1, 1, np.nan]))]
    assert count_dispersion(family, *holed) == whole
    order = np.random.default_rng(0).permutation(98)
    permuted = count_dispersion(family, count[order], size[order], expected[order])
    assert permuted.dispersion == pytest.approx(whole.dispersion, rel=1e-6)


def test_refusals():
    ones = np.ones(3)
    with pytest.raises(SpecificationError, match="1 units"):
        count_dispersion("negative_binomial", ones[:1], ones[:1], ones[:1])
    with pytest.raises(SpecificationError, match="more events than cases"):
        count_dispersion("beta_binomial", 5 * ones, 4 * ones, ones)
    with pytest.raises(ConvergenceError, match="no finite estimate"):
        count_dispersion("beta_binomial", np.array([0.0, 50.0, 0.0, 50.0]), np.full(4, 50.0), np.full(4, 25.0))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dispersion", [0.0, 1e-13, 0.004, 0.3])
@pytest.mark.parametrize("tail", [0.025, 0.001])
def test_quantiles_agree_with_the_published_interpolation(family, dispersion, tail):
    size, expected = np.array([20.0, 300.0, 4000.0]), np.array([0.4, 12.0, 900.0])
    lower, upper = count_quantiles(family, size, expected, dispersion, tail=tail)
    for i, (n, e) in enumerate(zip(size, expected, strict=True)):
        d = law(family, int(n), e, dispersion if dispersion > 1e-6 else 0.0)

        def published(p, d=d):
            r = int(d.ppf(p))
            return r - (d.cdf(r) - p) / d.pmf(r)

        # scipy's own sums are good to about nine digits.
        assert lower[i] == pytest.approx(published(tail), abs=1e-5)
        if upper[i] < n or family == "negative_binomial":
            assert upper[i] == pytest.approx(published(1 - tail) + 1, abs=1e-4)
        assert d.cdf(np.ceil(lower[i]) - 1) < tail
        assert d.sf(np.floor(upper[i])) < tail
        assert d.cdf(np.ceil(lower[i])) >= tail
        assert d.sf(np.floor(upper[i]) - 1) >= tail


def test_a_large_unit_is_as_the_normal_one_and_cost_is_bounded():
    lower, upper = count_quantiles("beta_binomial", np.array([4e5]), np.array([2e4]), 0.0, tail=0.025)
    half = 1.959964 * np.sqrt(2e4 * 0.95)
    assert upper[0] - 2e4 == pytest.approx(half, rel=0.01)
    assert 2e4 - lower[0] == pytest.approx(half, rel=0.01)
    assert np.isnan(count_quantiles("beta_binomial", np.array([5.0, 5.0]), np.array([0.0, 5.0]), 0.1, tail=0.025)).all()
