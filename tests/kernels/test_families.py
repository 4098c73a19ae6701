"""Means, slopes and what rows say, against differences, statsmodels' families and numerical integrals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import betabinom, nbinom

from benchmodels.kernels.families import (
    LINKS,
    Family,
    link,
    marginal,
    mean,
    mean_and_slope,
    pull,
    score,
    variance,
    working,
)

ALL = [Family(name, which, shape=0.2) for name, links in LINKS.items() for which in links]
ETA = np.linspace(-5, 2.5, 31)


def ids(family):
    return f"{family.name}-{family.link}"


@pytest.mark.parametrize("family", ALL, ids=ids)
def test_slope_is_the_derivative_of_the_mean_in_two_arrays(family):
    h = 1e-5
    mu, slope = mean_and_slope(family, ETA)
    np.testing.assert_allclose(slope, (mean(family, ETA + h) - mean(family, ETA - h)) / (2 * h), rtol=1e-7, atol=1e-10)
    assert not np.shares_memory(mu, slope)


@pytest.mark.parametrize("family", ALL, ids=ids)
def test_extremes_do_not_overflow(family):
    far = np.array([-1e4, -800.0, -40.0, 40.0, 700.0])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        mu, slope = mean_and_slope(family, far if family.link != "log" else np.minimum(far, 300.0))
    assert np.isfinite(mu).all() and np.isfinite(slope).all()


@pytest.mark.parametrize("family", ALL, ids=ids)
def test_link_undoes_mean(family):
    eta = np.linspace(-12, 1.5, 40) if family.link != "probit" else np.linspace(-6, 5, 40)
    np.testing.assert_allclose(link(family, mean(family, eta)), eta, rtol=1e-9)


def log_density(family, eta, outcome, size):
    """Log-likelihood of one case of ``size``, to a constant that η does not move."""
    mu = mean(family, eta)
    s = family.shape
    return {
        "binomial": lambda: outcome * np.log(mu) + (size - outcome) * np.log1p(-mu),
        "fractional": lambda: outcome * np.log(mu) + (size - outcome) * np.log1p(-mu),
        "poisson": lambda: outcome * np.log(mu) - size * mu,
        "gaussian": lambda: -0.5 * (outcome - size * mu) ** 2 / size,
        "gamma": lambda: -outcome / mu - size * np.log(mu),
        "negative_binomial": lambda: nbinom.logpmf(outcome, 1 / s, 1 / (1 + s * size * mu)),
        "beta_binomial": lambda: betabinom.logpmf(outcome, size, (1 - s) / s * mu, (1 - s) / s * (1 - mu)),
    }[family.name]()


@pytest.mark.parametrize("cases", [1.0, 3.0])
@pytest.mark.parametrize("family", ALL, ids=ids)
def test_score_is_the_derivative_of_the_log_likelihood(family, cases):
    rng = np.random.default_rng(1)
    size = np.full(len(ETA), 12.0)
    outcome = np.round(size * np.clip(mean(family, ETA), 0.1, 0.9)) + (rng.random(len(ETA)) < 0.5)
    outcome = np.clip(outcome, 1, 11)
    h = 1e-5
    slope = (log_density(family, ETA + h, outcome, size) - log_density(family, ETA - h, outcome, size)) / (2 * h)
    first, information = working(family, ETA, cases * outcome, cases * size, np.full(len(ETA), cases))
    np.testing.assert_allclose(first, cases * slope, rtol=2e-6, atol=1e-6)
    assert np.all(information > 0)
    np.testing.assert_allclose(
        score(family, ETA[:, None], *(v[:, None] for v in (cases * outcome, cases * size, np.full(len(ETA), cases))))[
            :, 0
        ],
        first,
        rtol=1e-12,
        atol=1e-12,
    )
    up, down = (
        working(family, ETA, cases * outcome + d, cases * size, np.full(len(ETA), cases))[0] for d in (1e-4, -1e-4)
    )
    drawn = pull(family, ETA, cases * outcome, cases * size, np.full(len(ETA), cases))
    np.testing.assert_allclose(drawn, (up - down) / 2e-4, rtol=1e-5)


@pytest.mark.parametrize("family", [f for f in ALL if f.name != "beta_binomial"], ids=ids)
def test_information_is_the_expected_one(family):
    """Its slope in η at an outcome as expected: E[−ℓ''] is −dℓ'/dη with the outcome held at its mean."""
    size, h = np.full(len(ETA), 9.0), 1e-5
    outcome = size * mean(family, ETA)
    one = np.ones(len(ETA))
    _, information = working(family, ETA, outcome, size, one)
    numeric = (working(family, ETA - h, outcome, size, one)[0] - working(family, ETA + h, outcome, size, one)[0]) / (
        2 * h
    )
    np.testing.assert_allclose(information, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("family", ALL, ids=ids)
def test_variance_is_of_the_plain_count(family):
    mu = mean(family, ETA)
    plain = replace(family, shape=0.0)
    np.testing.assert_array_equal(variance(family, mu), variance(plain, mu))
    if family.canonical:
        np.testing.assert_allclose(variance(family, mu), mean_and_slope(family, ETA)[1], rtol=1e-12)


def integral(family, eta, spread):
    def at(z):
        return float(mean(family, np.array([eta + spread * z]))[0]) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

    return quad(at, -14, 14, epsabs=1e-15, limit=500)[0]


@pytest.mark.parametrize("family", [f for f in ALL if f.link in ("logit", "probit", "log", "identity")], ids=ids)
@pytest.mark.parametrize(("spread", "relative"), [(0.35, 1e-12), (1.0, 1e-11), (2.0, 1e-5)])
def test_marginal_mean_and_its_derivatives(family, spread, relative):
    eta, h = np.array([-6.0, -2.0, 0.5]), 1e-5
    mu, slope, in_spread = marginal(family, eta, np.array(spread))
    np.testing.assert_allclose(mu, [integral(family, e, spread) for e in eta], rtol=relative)
    numeric = [marginal(family, eta + d, np.array(spread))[0] for d in (h, -h)]
    np.testing.assert_allclose(slope, (numeric[0] - numeric[1]) / (2 * h), rtol=1e-6)
    numeric = [marginal(family, eta, np.array(spread + d))[0] for d in (h, -h)]
    np.testing.assert_allclose(in_spread, (numeric[0] - numeric[1]) / (2 * h), rtol=1e-5, atol=1e-9)


def test_no_spread_is_the_plain_mean():
    family = Family("binomial")
    for got, want in zip(marginal(family, ETA, None), (*mean_and_slope(family, ETA), 0 * ETA), strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_allclose(marginal(family, ETA, np.array(0.0))[0], mean(family, ETA), rtol=1e-14)
