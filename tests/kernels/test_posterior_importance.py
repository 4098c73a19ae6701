"""Kernels of the Bayesian random effects: proposal, weights, many draws at once, effects from their distribution."""

import numpy as np
import pytest
from scipy.stats import halfnorm, kstest, multivariate_normal

from benchmodels.errors import ConvergenceError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.families import Family
from benchmodels.kernels.linear_intercept import unit_statistics
from benchmodels.kernels.posterior_importance import (
    Point,
    effective_draws,
    factor_of,
    lay,
    propose,
    resampled,
)
from benchmodels.kernels.posterior_levels import level_posterior
from benchmodels.kernels.posterior_linear import linear_posterior
from benchmodels.kernels.posterior_linear import unit_log_likelihoods as linear_log_likelihoods
from benchmodels.kernels.posterior_marginal import Parameters, draw_effects, unit_log_likelihoods
from benchmodels.kernels.posterior_totals import DrawnPractice, average_totals, own_totals, population_means
from benchmodels.kernels.quadrature import place, unit_rows


def counts(seed=1, k=12, p=2, family="binomial", link="logit"):
    """Return rows of counts, some units with no events or nothing but events."""
    rng = np.random.default_rng(seed)
    unit = np.sort(np.r_[np.arange(k), rng.integers(0, k, 2 * k)])
    columns = rng.normal(size=(len(unit), p))
    size = rng.integers(1, 40, len(unit)).astype(float)
    outcome = np.minimum(rng.poisson(0.2 * size), size).astype(float)
    outcome[unit == 0] = 0.0
    outcome[unit == 1] = size[unit == 1]
    return unit_rows(columns, outcome, size, 0.1 * rng.normal(size=len(unit)), unit, family, link)


def drawn(rows, d, seed=2):
    rng = np.random.default_rng(seed)
    p, k = rows.columns.shape[1], len(rows.starts)
    sd = np.r_[1e-7, 0.05, rng.gamma(2.0, 0.4, d - 2)]
    return Parameters(0.3 * rng.normal(size=(d, p)), rng.normal(-1.0, 0.5, d), sd, np.zeros((d, k)))


@pytest.mark.parametrize(
    "family, link", [("binomial", "logit"), ("binomial", "probit"), ("binomial", "cloglog"), ("poisson", "log")]
)
def test_many_draws_are_each_draw(family, link):
    rows = counts(family=family, link=link)
    at = drawn(rows, 40)
    found = unit_log_likelihoods(rows, at, 9)
    for i in range(40):
        one = place(rows, at.slopes[i], float(at.level[i]), float(at.unit_sd[i]), 9, np.zeros(len(rows.starts)))
        np.testing.assert_allclose(found[i].sum(), one.value, rtol=1e-8)


def test_a_draw_without_modes_has_no_likelihood_and_harms_no_other():
    rows = counts()
    at = drawn(rows, 6)
    at.level[3] = np.nan
    found = unit_log_likelihoods(rows, at, 9)
    assert np.isneginf(found[3]).all()
    rest = np.delete(np.arange(6), 3)
    part = Parameters(at.slopes[rest], at.level[rest], at.unit_sd[rest], at.start[rest])
    np.testing.assert_allclose(found[rest], unit_log_likelihoods(rows, part, 9), rtol=1e-12)
    with pytest.raises(ConvergenceError, match="effect"):
        draw_effects(rows, at, np.full((6, len(rows.starts)), 0.5))


@pytest.mark.parametrize("unit_sd", [1e-6, 0.1, 0.5, 2.0, 6.0])
@pytest.mark.parametrize("family, link", [("binomial", "logit"), ("poisson", "log")])
def test_effects_are_drawn_from_their_distribution(family, link, unit_sd):
    """Against 257 nodes of the kernel of levels: units of no events, of all events, of few and of many."""
    rng = np.random.default_rng(0)
    outcome = np.r_[np.zeros(8), rng.poisson(3, 8), rng.poisson(200, 8)].astype(float)
    size = np.r_[rng.integers(1, 50, 8), np.full(8, 100), np.full(8, 5000)].astype(float)
    outcome[3] = size[3]
    rows = unit_rows(np.zeros((24, 0)), outcome, size, np.zeros(24), np.arange(24), family, link)
    d = 101
    share = np.tile(((np.arange(d) + 0.5) / d)[:, None], (1, 24))
    at = Parameters(np.zeros((d, 0)), np.full(d, -2.0), np.full(d, unit_sd), np.zeros((d, 24)))
    found = draw_effects(rows, at, share)
    exact = level_posterior(rows, np.full(24, -2.0), np.zeros(24), unit_sd).quantiles(share)
    below = np.array([np.interp(found[:, i], exact[:, i], share[:, i]) for i in range(24)]).T
    np.testing.assert_allclose(below, share, atol=5e-4)


def test_the_factor_is_of_the_inverse_and_lower_triangular():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(5, 8))
    precision = a @ a.T
    factor, half = factor_of(precision)
    np.testing.assert_allclose(factor @ factor.T, np.linalg.inv(precision), rtol=1e-10)
    assert not np.triu(factor, 1).any() and np.isclose(2.0 * half, np.linalg.slogdet(precision)[1])


def test_a_proposal_has_the_density_it_says():
    """Its weights against a target of known integral and moments: half-normal s, and normal others about s."""

    def conditional(sd, near):
        factor = np.array([[0.5 + 2.0 * sd, 0.0], [0.3, 0.5]])
        return Point(sd, np.array([sd, -sd]), factor, -0.5 * (sd / 0.3) ** 2, np.zeros(0))

    nest = lay(conditional, 1.0)
    assert nest.sd[0] == 0 and np.all(np.diff(nest.sd) > 0) and len(nest.sd) == 40
    found = propose(nest, 40_000, np.random.default_rng(4))
    away, wide = found.others - found.sd[:, None] * np.array([1.0, -1.0]), 0.5 + 2.0 * found.sd
    z = np.column_stack([away[:, 0] / wide, 2.0 * (away[:, 1] - 0.3 * away[:, 0] / wide)])
    log_target = halfnorm(scale=0.3).logpdf(found.sd) + multivariate_normal(np.zeros(2)).logpdf(z) - np.log(0.5 * wide)
    weights = np.exp(log_target - found.log_density)
    assert abs(weights.mean() - 1.0) < 4.0 * weights.std() / 200.0
    assert effective_draws(weights / weights.sum(), found.others).min() > 20_000
    kept = resampled(weights / weights.sum(), 5_000, np.random.default_rng(5))
    assert kstest(found.sd[kept], halfnorm(scale=0.3).cdf).pvalue > 1e-3
    assert kstest(z[kept, 0], "norm").pvalue > 1e-3


def test_a_narrow_spread_far_from_the_scale_is_found():
    def conditional(sd, near):
        return Point(sd, np.zeros(0), np.zeros((0, 0)), -0.5 * ((sd - 0.3411) / 1e-4) ** 2, np.zeros(0))

    sd = propose(lay(conditional, 1.0), 4000, np.random.default_rng(6)).sd
    assert abs(sd.mean() - 0.3411) < 2e-5 and 0.5e-4 < sd.std() < 2e-4


def test_systematic_resampling_keeps_shares():
    weights = np.array([0.5, 0.25, 0.25, 0.0])
    kept = np.bincount(resampled(weights, 8, np.random.default_rng(7)), minlength=4)
    assert kept.tolist() == [4, 2, 2, 0]
    assert effective_draws(np.full(10, 0.1), np.arange(10.0)[:, None])[0] == pytest.approx(10.0)


def gaussian(seed=8, k=6, n=25):
    rng = np.random.default_rng(seed)
    unit = np.sort(np.r_[np.arange(k), rng.integers(0, k, n - k)])
    x = rng.normal(size=(n, 2))
    x -= x.mean(axis=0)
    y = 3.0 + x @ np.array([1.0, -0.5]) + 0.7 * rng.normal(size=k)[unit] + rng.normal(size=n)
    return unit, x, y


def dense(unit, x, sd, residual, prior):
    """Covariance of the outcomes with slopes, level and effects integrated out."""
    full = np.column_stack([x, np.ones(len(unit))])
    return residual**2 * np.eye(len(unit)) + sd**2 * (unit[:, None] == unit) + (full / prior) @ full.T


def test_the_linear_posterior_is_that_of_the_dense_normal():
    unit, x, y = gaussian()
    ones = np.ones(len(y))
    statistics = unit_statistics(x, y, ones, y**2, ones, 0.0 * y, unit, 6)
    precision = np.array([0.3, 0.8, 0.05])
    posterior = linear_posterior(statistics, 2.5, precision, 1.3)
    sd, residual = np.array([0.0, 0.4, 2.0]), np.array([0.9, 1.4, 0.6])
    found = posterior.log_density(sd, np.log(residual))
    expected = [
        multivariate_normal(np.full(len(y), 2.5), dense(unit, x, s, r, precision)).logpdf(y)
        + np.log(r)
        - 0.5 * (r / 1.3) ** 2
        for s, r in zip(sd, residual, strict=True)
    ]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-9)
    # Conditional means and covariance of slopes, level and effects, from the dense model.
    d, (s, r) = 20_000, (0.6, 0.9)
    slopes, level, effects = posterior.draw(np.full(d, s), np.full(d, r), np.random.default_rng(9))
    loads = np.column_stack([x, ones, unit[:, None] == np.arange(6)])
    before = np.diag(np.r_[1.0 / precision, np.full(6, s**2)])
    gain = before @ loads.T @ np.linalg.inv(dense(unit, x, s, r, precision))
    draws = np.column_stack([slopes, level, effects])
    after = before - gain @ loads @ before
    error = np.sqrt(after.diagonal() / d)
    assert np.all(np.abs(draws.mean(axis=0) - gain @ (y - 2.5)) < 4.5 * error)
    np.testing.assert_allclose(np.cov(draws.T), after, atol=6.0 * float(after.diagonal().max()) / np.sqrt(d))


def test_linear_units_have_the_density_of_the_dense_normal():
    unit, x, y = gaussian()
    ones = np.ones(len(y))
    rows = Rows(x, y, ones, 0.0 * y, unit, 6, Family("gaussian"), ones)
    starts = np.searchsorted(unit, np.arange(6))
    slopes = np.array([[1.0, -0.5], [0.2, 0.0]])
    found = linear_log_likelihoods(rows, starts, y**2, slopes, np.array([3.0, 2.0]), np.array([0.7, 0.1]), ones[:2])
    for i, (level, sd) in enumerate([(3.0, 0.7), (2.0, 0.1)]):
        for j in range(6):
            own = unit == j
            v = np.eye(own.sum()) + sd**2
            expected = multivariate_normal(level + x[own] @ slopes[i], v).logpdf(y[own])
            assert found[i, j] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["binomial", "poisson", "gaussian"])
def test_expected_adds_up_in_every_draw(name):
    rng = np.random.default_rng(10)
    unit = np.repeat(np.arange(7), 4)
    size = rng.integers(1, 30, 28).astype(float)
    rows = Rows(rng.normal(size=(28, 2)), size, size, 0.1 * rng.normal(size=28), unit, 7, Family(name), np.ones(28))
    starts, d = np.arange(0, 28, 4), 15
    levels = rng.normal(-1.0, 0.7, size=(d, 7))
    practice = DrawnPractice(0.4 * rng.normal(size=(d, 2)), levels, rng.gamma(2.0, 0.4, d))
    own = own_totals(rows, starts, practice)
    mean = {"binomial": lambda e: 1 / (1 + np.exp(-e)), "poisson": np.exp, "gaussian": lambda e: e}[name]
    eta = rows.columns @ practice.slopes[3] + rows.offset
    plain = np.add.reduceat(size * mean(eta + levels[3][unit]), starts)
    np.testing.assert_allclose(own[3], plain, rtol=1e-12)
    expected = average_totals(rows, starts, practice, own.sum(axis=1), levels.mean(axis=1))
    np.testing.assert_allclose(expected.sum(axis=1), own.sum(axis=1), rtol=1e-9)
    # A mean over levels of the draw's spread about one level: by plain quadrature at that draw.
    z, w = np.polynomial.hermite_e.hermegauss(40)
    w = w / w.sum()

    def at(level):
        return np.add.reduceat(size * (mean(eta[:, None] + level + practice.spread[3] * z) @ w), starts)

    from scipy.optimize import brentq

    root = brentq(lambda a: at(a).sum() - own[3].sum(), -20.0, 20.0, xtol=1e-12)
    np.testing.assert_allclose(expected[3], at(root), rtol=1e-6)
    means = population_means(rows, practice)
    np.testing.assert_allclose(means[3, 2], size @ mean(eta + levels[3, 2]) / size.sum(), rtol=1e-10)
