"""Two random intercepts, crossed or nested: Gaussian by profile, counts by Laplace's approximation.

Oracles: dense matrices, brute-force quadrature, finite differences, published fits, one-factor kernels.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.linalg import LinAlgError
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logsumexp
from scipy.stats import binom, poisson

from benchmodels.errors import DataError
from benchmodels.kernels import crossed_binomial, crossed_linear, linear_intercept
from benchmodels.kernels.crossed_binomial import fit_crossed_counts
from benchmodels.kernels.crossed_linear import crossed_statistics, fit_crossed_linear
from benchmodels.kernels.linear_intercept import fit_linear_intercept, unit_statistics

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
METHODS = ("ml", "reml")
FAMILIES = ("binomial", "poisson")
EXACT, DENSE = 1e-10, 1e-9
# Davies & Goldsmith (1972), Statistical Methods in Research and Production: section 6.6, diameters on 24 plates of 6
# samples of penicillin; section 6.5, strength of paste from 3 casks in each of 10 batches, measured twice.
PENICILLIN = """27 23 26 23 23 21 27 23 26 23 23 21 25 21 25 24 24 20 26 23 25 23 23 20 25 22 26 22 23 20 24 22 25 23 22
19 24 20 23 21 22 19 26 22 26 24 24 21 24 21 24 22 22 20 24 21 24 23 22 19 26 23 26 24 24 21 25 22 26 24 24 20 26 24 26
24 25 22 26 23 26 23 23 20 26 23 25 24 24 22 25 22 25 23 23 20 25 21 24 23 23 20 25 22 24 23 23 19 24 21 23 21 21 19 26
23 26 24 24 21 25 21 24 22 22 18 25 22 25 22 22 20 24 21 24 22 24 19 24 21 24 22 21 18"""
PASTES = """62.8 62.6 60.1 62.3 62.7 63.1 60 61.4 57.5 56.9 61.1 58.9 58.7 57.5 63.9 63.1 65.4 63.7 57.1 56.4 56.9 58.6
64.7 64.5 55.1 55.1 54.7 54.2 58.8 57.5 63.4 64.9 59.3 58.1 60.5 60 62.5 62.6 61 58.7 56.9 57.7 59.2 59.4 65.2 66
64.8 64.1 54.8 54.8 64 64 57.7 56.8 58.3 59.3 59.2 59.2 58.9 56.6"""


def numbers(text):
    return np.array(text.split(), dtype=float)


def factors_of(kind, levels, n, rng):
    """Levels of two factors: each of the first within one of the second, or both at random, or few of the pairs."""
    first = rng.integers(0, levels[0], n)
    if kind == "nested":
        return first, first % levels[1]
    if kind == "sparse":
        return first, (first // 3 + rng.integers(0, 2, n)) % levels[1]
    return first, rng.integers(0, levels[1], n)


def problem(kind="crossed", *, seed=0, levels=(12, 4), n=150, columns=2, sd=(0.7, 0.5)):
    """Cases of unequal size, with an offset, and levels of both factors."""
    rng = np.random.default_rng(seed)
    factors = factors_of(kind, levels, n, rng)
    matrix = rng.normal(size=(n, columns)) + 0.3 * (factors[0] % 3)[:, None]
    size, offset = rng.uniform(0.3, 3.0, n), rng.normal(size=n)
    eta = 3.0 + matrix @ np.linspace(0.4, -0.5, columns) + offset
    for codes, k, s in zip(factors, levels, sd, strict=True):
        eta = eta + s * rng.normal(size=k)[codes]
    return matrix, size * eta + np.sqrt(size) * rng.normal(size=n), size, offset, factors, levels


def reduce(matrix, outcome, size, offset, factors, levels):
    squares = outcome**2 / np.where(size > 0, size, 1.0)
    return crossed_statistics(matrix, outcome, size, squares, np.ones(len(size)), offset, factors, levels)


def plainly(matrix, outcome, factors, levels):
    return reduce(matrix, outcome, np.ones(len(outcome)), np.zeros(len(outcome)), factors, levels)


def dense(matrix, outcome, size, offset, factors, levels, sd, sigma, *, method):
    """Everything from the n × n covariance of outcome / √size."""
    root = np.sqrt(size)
    x = np.column_stack([matrix, np.ones(len(outcome))]) * root[:, None]
    z = (outcome / size - offset) * root
    effects = [(f[:, None] == np.arange(k)) * root[:, None] for f, k in zip(factors, levels, strict=True)]
    v = sigma**2 * np.eye(len(z)) + sum(s**2 * e @ e.T for s, e in zip(sd, effects, strict=True))
    information = x.T @ np.linalg.solve(v, x)
    beta = np.linalg.solve(information, x.T @ np.linalg.solve(v, z))
    pull = np.linalg.solve(v, z - x @ beta)
    log_likelihood = -0.5 * (len(z) * np.log(2 * np.pi) + np.linalg.slogdet(v)[1] + (z - x @ beta) @ pull)
    if method == "reml":
        log_likelihood += 0.5 * (x.shape[1] * np.log(2 * np.pi) - np.linalg.slogdet(information)[1])
    both = list(zip(sd, effects, strict=True))
    return {
        "log_likelihood": log_likelihood,
        "beta": beta,
        "covariance": np.linalg.inv(information),
        "effects": [s**2 * e.T @ pull for s, e in both],
        "effect_variance": [s**2 - s**4 * np.diag(e.T @ np.linalg.solve(v, e)) for s, e in both],
    }


# --- Gaussian ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["crossed", "nested", "sparse"])
@pytest.mark.parametrize(("levels", "columns"), [((12, 4), 2), ((4, 12), 0), ((40, 9), 1)])
def test_dense(method, kind, levels, columns):
    if kind == "nested" and levels[0] < levels[1]:
        levels = levels[::-1]
    if kind == "sparse":
        levels = (60, 40) if levels[0] > levels[1] else (40, 60)
    data = problem(kind, levels=levels, columns=columns, seed=columns)
    statistics = reduce(*data)
    assert statistics.nested == (kind == "nested")
    assert isinstance(statistics.table, np.ndarray) == (kind == "crossed")
    fit = fit_crossed_linear(statistics, method=method)
    assert fit.certificate.converged
    assert fit.maxima == 1
    by_hand = dense(*data, fit.factor_sd, fit.residual_sd, method=method)
    np.testing.assert_allclose(fit.log_likelihood, by_hand["log_likelihood"], rtol=DENSE)
    np.testing.assert_allclose(np.r_[fit.slopes, fit.level], by_hand["beta"], rtol=DENSE)
    np.testing.assert_allclose(fit.covariance, by_hand["covariance"], rtol=DENSE, atol=1e-12)
    for f in (0, 1):
        np.testing.assert_allclose(fit.effects[f], by_hand["effects"][f], rtol=DENSE, atol=1e-11)
        np.testing.assert_allclose(fit.effect_variance[f], by_hand["effect_variance"][f], rtol=DENSE, atol=1e-12)

    def loss(log_sd):
        return -dense(*data, np.exp(log_sd[:2]), np.exp(log_sd[2]), method=method)["log_likelihood"]

    start = np.log(np.r_[np.maximum(fit.factor_sd, 0.02), fit.residual_sd])
    best = minimize(loss, start + [0.1, -0.1, 0.05], method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-7})
    assert fit.log_likelihood >= -best.fun - 1e-8
    np.testing.assert_allclose(np.exp(best.x[2]), fit.residual_sd, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["crossed", "nested", "sparse"])
@pytest.mark.parametrize("ratios", [(0.0, 0.0), (0.3, 0.2), (5.0, 0.0), (0.0, 2.0), (30.0, 9.0)])
def test_the_derivatives_are_those_of_the_criterion(method, kind, ratios):
    statistics = reduce(*problem(kind, seed=3, levels=(40, 9)))
    found = crossed_linear._evaluate(statistics, np.array(ratios), method).step
    for f in (0, 1):
        # Ahead only, with the end points of a five-point rule, as the boundary has no other side.
        h = 1e-4 * max(ratios[f], 0.1)
        unit = h * np.eye(2)[f]
        at = [crossed_linear._evaluate(statistics, np.array(ratios) + i * unit, method).deviance for i in range(5)]
        ahead = (-25 * at[0] + 48 * at[1] - 36 * at[2] + 16 * at[3] - 3 * at[4]) / (12 * h)
        np.testing.assert_allclose(found[f], ahead, rtol=1e-6, atol=1e-6)


def test_penicillin():
    """As MixedModels.jl and lme4 have it: maximum likelihood 332.188, restricted 330.861."""
    factors = np.repeat(np.arange(24), 6), np.tile(np.arange(6), 24)
    statistics = plainly(np.zeros((144, 0)), numbers(PENICILLIN), factors, (24, 6))
    fit = fit_crossed_linear(statistics)
    np.testing.assert_allclose(-2 * fit.log_likelihood, 332.18834867, atol=1e-8)
    np.testing.assert_allclose(fit.level, 22.97222222222222, rtol=EXACT)
    np.testing.assert_allclose(fit.factor_sd / fit.residual_sd, [1.53759361, 3.21975176], rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(fit.covariance), 0.744595, rtol=2e-6)
    np.testing.assert_allclose(fit.effect_variance[0][0], 0.0733132, rtol=1e-4)
    np.testing.assert_allclose(fit.effect_variance[1][-1], 0.0405155, rtol=1e-4)
    restricted = fit_crossed_linear(statistics, method="reml")
    np.testing.assert_allclose(-2 * restricted.log_likelihood, 330.86058899122, atol=1e-8)
    np.testing.assert_allclose(restricted.factor_sd / restricted.residual_sd, [1.5396773, 3.5124112], rtol=1e-4)
    np.testing.assert_allclose(restricted.residual_sd, 0.5499232, rtol=1e-5)


def test_pastes():
    """Casks in batches: 247.9945 and 246.9907; sd of casks 2.90, of batches 1.10."""
    factors = np.repeat(np.arange(10), 6), np.repeat(np.arange(30), 2)
    statistics = plainly(np.zeros((60, 0)), numbers(PASTES), factors, (10, 30))
    assert statistics.nested
    assert statistics.swapped
    fit = fit_crossed_linear(statistics)
    np.testing.assert_allclose(-2 * fit.log_likelihood, 247.994465862, atol=2e-9)
    np.testing.assert_allclose(fit.factor_sd, [1.0950704, 2.9040690], rtol=2e-5)
    np.testing.assert_allclose([fit.residual_sd, fit.level], [0.8234088, 60.0533333], rtol=3e-6)
    np.testing.assert_allclose(np.sqrt(fit.covariance), 0.642136, rtol=2e-6)
    restricted = fit_crossed_linear(statistics, method="reml")
    np.testing.assert_allclose(-2 * restricted.log_likelihood, 246.9907, atol=5e-5)


def test_balanced_nested_design_has_a_closed_form():
    """Restricted likelihood is the analysis of variance where all its estimates are positive."""
    outcome = numbers(PASTES).reshape(10, 3, 2)
    casks, batches = outcome.mean(2), outcome.mean((1, 2))
    error = np.sum((outcome - casks[:, :, None]) ** 2) / 30
    between_casks = 2 * np.sum((casks - batches[:, None]) ** 2) / 20
    between_batches = 6 * np.sum((batches - batches.mean()) ** 2) / 9
    fit = fit_crossed_linear(
        plainly(
            np.zeros((60, 0)), outcome.ravel(), (np.repeat(np.arange(10), 6), np.repeat(np.arange(30), 2)), (10, 30)
        ),
        method="reml",
    )
    expected = [(between_batches - between_casks) / 6, (between_casks - error) / 2, error]
    np.testing.assert_allclose(np.r_[fit.factor_sd, fit.residual_sd] ** 2, expected, rtol=1e-8)


def test_statsmodels_with_a_variance_component():
    matrix, outcome, _, _, factors, levels = problem("nested", seed=5, levels=(24, 6), n=300, sd=(0.8, 0.9))
    table = pd.DataFrame({"y": outcome, "x1": matrix[:, 0], "x2": matrix[:, 1], "a": factors[0], "b": factors[1]})
    fit = fit_crossed_linear(plainly(matrix, outcome, factors, levels), method="reml")
    model = smf.mixedlm("y ~ x1 + x2", table, groups="b", re_formula="1", vc_formula={"a": "0 + C(a)"})
    other = model.fit(reml=True, method="lbfgs")
    # statsmodels stops when its criterion is good to some seven digits; ours is never below it.
    assert fit.log_likelihood >= other.llf - 1e-9
    np.testing.assert_allclose(fit.log_likelihood, other.llf, atol=1e-4)
    np.testing.assert_allclose(np.r_[fit.level, fit.slopes], other.params[["Intercept", "x1", "x2"]], rtol=1e-3)
    np.testing.assert_allclose(fit.residual_sd**2, other.scale, rtol=1e-3)
    np.testing.assert_allclose(fit.factor_sd**2, [other.vcomp[0], other.cov_re.iloc[0, 0]], rtol=0.02)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["crossed", "nested"])
def test_a_factor_that_makes_no_difference_leaves_the_one_factor_model(method, kind):
    """The second standard deviation is at its boundary, and all else is what one intercept gives."""
    found = 0
    for seed in range(12):
        matrix, outcome, size, offset, factors, levels = problem(kind, seed=seed, sd=(0.8, 0.0))
        fit = fit_crossed_linear(reduce(matrix, outcome, size, offset, factors, levels), method=method)
        assert fit.certificate.converged
        if not fit.boundary[1]:
            continue
        found += 1
        assert fit.factor_sd[1] == 0
        assert not fit.effects[1].any()
        statistics = unit_statistics(
            matrix, outcome, size, outcome**2 / size, np.ones(len(size)), offset, factors[0], levels[0]
        )
        one = fit_linear_intercept(statistics, method=method)
        np.testing.assert_allclose(fit.log_likelihood, one.log_likelihood, rtol=EXACT)
        np.testing.assert_allclose(fit.factor_sd[0], one.unit_sd, rtol=1e-7)
        np.testing.assert_allclose(fit.slopes, one.slopes, rtol=1e-7)
        np.testing.assert_allclose(fit.effects[0], one.effects, rtol=1e-6)
        np.testing.assert_allclose(fit.effect_variance[0], one.effect_variance, rtol=1e-6)
    assert found > 2


def test_no_difference_at_all_is_the_pooled_model():
    """Means of both factors are equal to the last digit."""
    values = np.array([-1.0, 1.0, 2.0, -2.0])
    factors = np.repeat(np.arange(4), 16), np.tile(np.repeat(np.arange(4), 4), 4)
    fit = fit_crossed_linear(plainly(np.zeros((64, 0)), np.tile(values, 16), factors, (4, 4)))
    assert fit.boundary.all()
    assert fit.certificate.converged
    np.testing.assert_allclose(fit.residual_sd, np.sqrt(2.5), rtol=EXACT)


def same(one, other, *, rtol=1e-7):
    for name in ("slopes", "level", "factor_sd", "residual_sd", "covariance", "log_likelihood"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-9, err_msg=name)
    for f in (0, 1):
        np.testing.assert_allclose(one.effects[f], other.effects[f], rtol=rtol, atol=1e-8)
        np.testing.assert_allclose(one.effect_variance[f], other.effect_variance[f], rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("kind", ["crossed", "nested", "sparse"])
def test_order_of_factors_and_rows_and_size_of_blocks_do_not_matter(monkeypatch, kind):
    data = problem(kind, seed=2, levels=(30, 6), sd=(0.8, 0.9))
    whole = fit_crossed_linear(reduce(*data))
    other = fit_crossed_linear(reduce(*data[:4], data[4][::-1], data[5][::-1]))
    for name in ("factor_sd", "boundary"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(other, name)[::-1])
    np.testing.assert_array_equal(whole.effects[0], other.effects[1])
    np.testing.assert_array_equal(whole.effect_variance[1], other.effect_variance[0])
    order = np.random.default_rng(0).permutation(len(data[1]))
    moved = [part[order] for part in data[:4]]
    same(fit_crossed_linear(reduce(*moved, tuple(f[order] for f in data[4]), data[5])), whole)
    for step in (1, 7, 64):

        def small(n, width, step=step):
            return [slice(a, min(a + step, n)) for a in range(0, n, step)]

        monkeypatch.setattr(linear_intercept, "row_blocks", small)
        monkeypatch.setattr(crossed_linear, "row_blocks", small)
        same(fit_crossed_linear(reduce(*data)), whole)


def test_dense_and_sparse_storage_and_the_nested_shortcut_agree(monkeypatch):
    crossed, nested = problem(seed=4, levels=(30, 6)), problem("nested", seed=4, levels=(30, 6), sd=(0.8, 0.9))
    whole, short = fit_crossed_linear(reduce(*crossed)), fit_crossed_linear(reduce(*nested))
    monkeypatch.setattr(crossed_linear, "DENSE", 1.0)
    same(fit_crossed_linear(reduce(*crossed)), whole)
    pairs = crossed_linear.pairs

    def never(*arguments):
        met = pairs(*arguments)
        return crossed_linear.Pairs(met.cell, met.first, met.second, met.levels, False)

    monkeypatch.setattr(crossed_linear, "pairs", never)
    same(fit_crossed_linear(reduce(*nested)), short)


@pytest.mark.parametrize("factor", [1e8, 1e-8])
def test_units_of_measure(factor):
    matrix, outcome, size, offset, *rest = problem(seed=6, sd=(0.8, 0.9))
    fit = fit_crossed_linear(reduce(matrix, outcome, size, offset, *rest))
    other = fit_crossed_linear(reduce(matrix * [factor, 1.0], factor * outcome, size, factor * offset, *rest))
    np.testing.assert_allclose(other.factor_sd, factor * fit.factor_sd, rtol=1e-7)
    np.testing.assert_allclose(other.slopes * [1.0, 1 / factor], fit.slopes, rtol=1e-7)
    np.testing.assert_allclose(other.effects[1], factor * fit.effects[1], rtol=1e-6)
    other = fit_crossed_linear(reduce(matrix, factor * outcome, factor * size, offset, *rest))
    np.testing.assert_allclose(other.factor_sd, fit.factor_sd, rtol=1e-7)
    np.testing.assert_allclose(other.residual_sd, np.sqrt(factor) * fit.residual_sd, rtol=1e-7)


def test_mean_far_above_the_spread():
    matrix, outcome, _, _, factors, levels = problem(seed=7, sd=(0.8, 0.9))
    matrix, outcome = np.round(matrix * 1024) / 1024, np.round(outcome * 1024) / 1024
    near = fit_crossed_linear(plainly(matrix, outcome, factors, levels))
    far = fit_crossed_linear(plainly(matrix + 2.0**27, outcome + 2.0**27, factors, levels))
    for name in ("slopes", "factor_sd", "residual_sd", "log_likelihood"):
        np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("kind", ["crossed", "nested"])
def test_rows_and_levels_without_size_change_nothing_but_their_own_prediction(kind):
    matrix, outcome, size, offset, factors, levels = problem(kind, seed=8, sd=(0.8, 0.9))
    fit = fit_crossed_linear(reduce(matrix, outcome, size, offset, factors, levels))
    more = (np.r_[matrix, 9.0 * np.ones((3, 2))], np.r_[outcome, 0, 0, 0], np.r_[size, 0, 0, 0], np.r_[offset, 1, 2, 3])
    also = np.r_[factors[0], 0, 1, 12], np.r_[factors[1], 3, 0, 4]
    other = fit_crossed_linear(reduce(*more, also, (13, 5)))
    np.testing.assert_allclose(other.log_likelihood, fit.log_likelihood, rtol=EXACT)
    np.testing.assert_allclose(other.slopes, fit.slopes, rtol=1e-7)
    for f in (0, 1):
        np.testing.assert_allclose(other.effects[f], np.r_[fit.effects[f], 0.0], rtol=1e-6)
        np.testing.assert_allclose(other.effect_variance[f][-1], fit.factor_sd[f] ** 2, rtol=1e-6)


def test_what_two_intercepts_cannot_answer():
    matrix, outcome, _, _, factors, levels = problem(seed=9)
    none = np.zeros((len(outcome), 0))
    with pytest.raises(DataError, match="1 level"):
        plainly(none, outcome, (factors[0], 0 * factors[0]), (12, 3))
    with pytest.raises(DataError, match="in the same way"):
        plainly(none, outcome, (factors[0], factors[0] + 1), (12, 13))
    with pytest.raises(DataError, match="150 cases in 150 units"):
        plainly(none, outcome, (np.arange(150), factors[1]), (150, 4))
    periods = (factors[1][:, None] == [1, 2, 3]).astype(float)
    with pytest.raises(DataError, match="every level of a factor"):
        fit_crossed_linear(plainly(periods, outcome, factors, levels))
    with pytest.raises(DataError, match="without error"):
        fit_crossed_linear(plainly(outcome[:, None], outcome, factors, levels))
    with pytest.raises(DataError, match="150 cases for 151 coefficients"):
        fit_crossed_linear(plainly(np.random.default_rng(0).normal(size=(150, 150)), outcome, factors, levels))
    with pytest.raises(LinAlgError):
        fit_crossed_linear(plainly(np.column_stack([matrix, matrix[:, 0] + 1.0]), outcome, factors, levels))


def test_certificate_is_withheld_when_steps_run_out(monkeypatch):
    statistics = reduce(*problem(seed=4, levels=(30, 6), sd=(0.8, 0.9)))
    descend = crossed_linear._Profile.descend
    monkeypatch.setattr(crossed_linear._Profile, "descend", lambda self, t: descend(self, t, iterations=2))
    fit = fit_crossed_linear(statistics)
    assert not fit.certificate.converged
    assert fit.certificate.value > 1e-6


# --- counts by Laplace's approximation ---


def counts(family, kind="crossed", *, seed=0, levels=(8, 3), n=120, sd=(0.8, 0.5), most=6, level=-0.5):
    """Rows of unequal size, with an offset, and levels of both factors."""
    rng = np.random.default_rng(seed)
    factors = factors_of(kind, levels, n, rng)
    matrix, offset = rng.normal(size=(n, 2)), 0.3 * rng.normal(size=n)
    eta = level + matrix @ [0.5, -0.3] + offset
    for codes, k, s in zip(factors, levels, sd, strict=True):
        eta = eta + s * rng.normal(size=k)[codes]
    size = rng.integers(1, most, n).astype(float)
    if family == "binomial":
        return family, matrix, rng.binomial(size.astype(int), expit(eta)).astype(float), size, offset, factors, levels
    size = size * 0.37
    return family, matrix, rng.poisson(size * np.exp(eta)).astype(float), size, offset, factors, levels


def as_rows(family, matrix, outcome, size, offset, factors, levels):
    larger, smaller = factors if levels[0] >= levels[1] else factors[::-1]
    met = crossed_linear.pairs(larger, smaller, tuple(sorted(levels, reverse=True)))
    return crossed_binomial._Rows(family, matrix, outcome, size, offset, met)


def log_density(family, outcome, size, eta):
    """Log-probability of each row, by scipy."""
    if family == "binomial":
        return binom.logpmf(outcome, size, expit(eta))
    return poisson.logpmf(outcome, size * np.exp(eta))


def plain_laplace(family, outcome, size, eta, effects, variances):
    """Laplace's log L from a dense (n, k) matrix of effects: Newton's method with step halving on u."""
    design = effects * np.sqrt(variances)
    u = np.zeros(design.shape[1])

    def height(u):
        return log_density(family, outcome, size, eta + design @ u).sum() - 0.5 * u @ u

    for _ in range(100):
        mean = expit(eta + design @ u) if family == "binomial" else np.exp(eta + design @ u)
        weight = size * mean * ((1 - mean) if family == "binomial" else 1.0)
        hessian = np.eye(len(u)) + design.T @ (weight[:, None] * design)
        move = np.linalg.solve(hessian, design.T @ (outcome - size * mean) - u)
        while height(u + move) < height(u) - 1e-9:
            move = 0.5 * move
        u = u + move
        if np.max(np.abs(move)) < 1e-12:
            break
    return height(u) - 0.5 * np.linalg.slogdet(hessian)[1]


def plain_value(data, beta, ratios):
    family, matrix, outcome, size, offset, factors, levels = data
    effects = np.column_stack([f[:, None] == np.arange(k) for f, k in zip(factors, levels, strict=True)]).astype(float)
    eta = matrix @ beta[:-1] + beta[-1] + offset
    return plain_laplace(family, outcome, size, eta, effects, np.repeat(ratios, levels))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["crossed", "nested", "sparse"])
@pytest.mark.parametrize("ratios", [(0.4, 0.2), (0.0, 0.3), (0.3, 0.0), (2.5, 1.5), (0.0, 0.0)])
def test_the_gradient_of_laplace(family, kind, ratios):
    """Against its own differences: central in slopes and level, five points ahead in a variance, zero included."""
    data = counts(family, kind, levels=(60, 40) if kind == "sparse" else (8, 3))
    rows, beta, ratios = as_rows(*data), np.array([0.4, -0.2, -0.6]), np.array(ratios)
    start = np.zeros(sum(data[-1]))
    found = crossed_binomial._laplace(rows, beta, ratios, start)
    np.testing.assert_allclose(found.value + rows.constant(), plain_value(data, beta, ratios), rtol=1e-11)
    for i in range(3):
        h = 1e-4 * np.eye(3)[i]
        ahead, back = (crossed_binomial._laplace(rows, beta + d, ratios, start).value for d in (h, -h))
        np.testing.assert_allclose(found.slope[i], (ahead - back) / 2e-4, rtol=1e-6, atol=1e-6)
    for f in (0, 1):
        h = 2e-5 * np.eye(2)[f] if ratios[f] == 0 else 1e-3 * np.eye(2)[f]
        at = [crossed_binomial._laplace(rows, beta, ratios + i * h, start).value for i in range(5)]
        ahead = (-25 * at[0] + 48 * at[1] - 36 * at[2] + 16 * at[3] - 3 * at[4]) / (12 * h[f])
        np.testing.assert_allclose(found.ratio_slope[f], ahead, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("kind", "levels"), [("crossed", (20, 5)), ("crossed", (5, 20)), ("nested", (20, 5))])
def test_the_maximum_of_laplace(family, kind, levels):
    """No value of the dense oracle in any direction is higher, and its differences give the covariance."""
    data = counts(family, kind, seed=3, levels=levels, n=300, sd=(0.9, 0.9))
    fit = fit_crossed_counts(*data)
    assert fit.certificate.converged
    assert not fit.boundary.any()
    at = np.r_[fit.slopes, fit.level, np.log(fit.factor_sd)]

    def value(theta):
        return plain_value(data, theta[:3], np.exp(2 * theta[3:]))

    np.testing.assert_allclose(fit.log_likelihood, value(at), rtol=1e-11)
    h = 3e-3
    step = h * np.eye(5)
    slope = np.array([(value(at + s) - value(at - s)) / (2 * h) for s in step])
    hessian = np.array(
        [
            [
                (value(at + a + b) - value(at + a - b) - value(at - a + b) + value(at - a - b)) / (4 * h * h)
                for a in step
            ]
            for b in step
        ]
    )
    covariance = np.linalg.inv(-hessian)
    # The differences are themselves off by h².
    assert np.sqrt(slope @ covariance @ slope) < 1e-3
    np.testing.assert_allclose(fit.covariance, covariance[:3, :3], rtol=5e-3, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["crossed", "nested"])
def test_effects_are_the_mode_and_their_variance_is_its_curvature(family, kind):
    data = counts(family, kind, seed=2, levels=(20, 5), sd=(0.9, 0.9), n=300)
    fit = fit_crossed_counts(*data)
    _, matrix, outcome, size, offset, factors, _ = data
    eta = matrix @ fit.slopes + fit.level + offset + fit.effects[0][factors[0]] + fit.effects[1][factors[1]]
    mean = expit(eta) if family == "binomial" else np.exp(eta)
    effects = np.column_stack([f[:, None] == np.arange(k) for f, k in zip(factors, (20, 5), strict=True)]).astype(float)
    prior = np.repeat(fit.factor_sd**2, (20, 5))
    score = effects.T @ (outcome - size * mean)
    np.testing.assert_allclose(np.concatenate(fit.effects), prior * score, rtol=1e-7, atol=1e-9)
    weight = size * mean * ((1 - mean) if family == "binomial" else 1.0)
    covariance = np.linalg.inv(np.diag(1 / prior) + effects.T @ (weight[:, None] * effects))
    np.testing.assert_allclose(np.concatenate(fit.effect_variance), np.diag(covariance), rtol=1e-8)


def lme4_result(name, key):
    path = REFERENCE / "mixed" / name
    if not path.exists():
        pytest.skip("the reference results are not beside this checkout")
    return json.loads(path.read_text(encoding="utf-8"))["results"][key]


def lme4_data(name):
    table = pd.read_csv(REFERENCE / "data" / ("cbpp.csv" if name == "cbpp" else "syn_grouped_a.csv"))
    ones = np.ones(len(table))
    if name == "cbpp":
        periods = (table["period"].to_numpy()[:, None] == [2, 3, 4]).astype(float)
        outcome, size = table[["incidence", "size"]].to_numpy(dtype=float).T
        return "binomial", periods, outcome, size, pd.factorize(table["herd"])[0]
    unit = pd.factorize(table["unit"], sort=True)[0]
    columns = {"outcome": ["y"], "trials": ["succ", "trials"], "count": ["count", "exposure"]}[name]
    outcome, size = (*table[columns].to_numpy(dtype=float).T, ones)[:2]
    names = ["x1", "x2"] if name == "count" else ["x1", "x2", "w"]
    family = "poisson" if name == "count" else "binomial"
    return family, table[names].to_numpy(dtype=float), outcome, size, unit


@pytest.mark.parametrize(
    ("name", "file", "key", "tolerance"),
    [
        ("cbpp", "glmer_cbpp.json", "nAGQ1", 2e-6),
        ("outcome", "lme4_syn_grouped.json", "logit_nAGQ1", 2e-6),
        # lme4 stops 5e-6 below this log-likelihood here, and its estimates are as far from their maximum.
        ("trials", "lme4_syn_grouped.json", "binom_trials_nAGQ1", 1e-5),
        ("count", "lme4_syn_grouped.json", "poisson_nAGQ1", 2e-6),
    ],
)
def test_lme4_with_a_factor_that_makes_no_difference(name, file, key, tolerance):
    """Random labels as a second factor: where its deviation is zero, the rest is lme4's one-factor Laplace fit."""
    result = lme4_result(file, key)
    family, matrix, outcome, size, unit = lme4_data(name)
    for seed in range(20):
        other = np.random.default_rng(seed).integers(0, 4, len(outcome))
        factors, levels = (unit, other), (int(unit.max()) + 1, 4)
        fit = fit_crossed_counts(family, matrix, outcome, size, np.zeros(len(outcome)), factors, levels)
        assert fit.certificate.converged
        if fit.boundary[1]:
            break
    assert fit.factor_sd[1] == 0
    np.testing.assert_allclose(np.r_[fit.level, fit.slopes], list(result["fixef"].values()), atol=tolerance)
    np.testing.assert_allclose(fit.factor_sd[0], result["varcomp"][0]["sdcor"], atol=tolerance)
    np.testing.assert_allclose(fit.effects[0], result["ranef"], atol=tolerance)
    np.testing.assert_allclose(fit.effect_variance[0], result["condVar"], rtol=tolerance)
    np.testing.assert_allclose(fit.log_likelihood, result["logLik"], atol=1e-5)
    assert fit.log_likelihood > result["logLik"] - 1e-7
    order = [len(fit.slopes), *range(len(fit.slopes))]
    # lme4's own Hessian is by differences of the deviance.
    spread = np.sqrt(np.diag(fit.covariance))[order]
    np.testing.assert_allclose(spread, result["se"], rtol=3e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_deviation_of_zero_is_the_one_factor_approximation(family):
    """Unit by unit, each with its own scalar mode: nothing of the block-arrow system."""
    for seed in range(20):
        data = counts(family, seed=seed, sd=(0.8, 0.0), levels=(20, 4), n=300)
        fit = fit_crossed_counts(*data)
        assert fit.certificate.converged
        if fit.boundary[1]:
            break
    assert fit.factor_sd[1] == 0
    assert not fit.effects[1].any()
    assert not fit.effect_variance[1].any()
    _, matrix, outcome, size, offset, (unit, _), (k, _) = data
    eta, total = matrix @ fit.slopes + fit.level + offset, 0.0
    for i in range(k):
        own = unit == i

        def fall(b, own=own):
            return (
                0.5 * b * b / fit.factor_sd[0] ** 2 - log_density(family, outcome[own], size[own], eta[own] + b).sum()
            )

        best = minimize_scalar(fall, bracket=(-0.1, 0.1), tol=1e-12)
        np.testing.assert_allclose(fit.effects[0][i], best.x, atol=1e-6)
        mean = expit(eta[own] + best.x) if family == "binomial" else np.exp(eta[own] + best.x)
        weight = np.sum(size[own] * mean * ((1 - mean) if family == "binomial" else 1.0))
        total -= best.fun + 0.5 * np.log1p(fit.factor_sd[0] ** 2 * weight)
    np.testing.assert_allclose(fit.log_likelihood, total, rtol=1e-10)


def by_quadrature(data, beta, sd):
    """Nested: the integral over the outer effect of products of integrals over inner ones, on fine grids."""
    family, matrix, outcome, size, offset, (inner, outer), levels = data
    eta = matrix @ beta[:2] + beta[2] + offset
    nodes = np.linspace(-6.0, 6.0, 241)
    mass = np.log(nodes[1] - nodes[0]) - 0.5 * nodes**2 - 0.5 * np.log(2 * np.pi)
    total = 0.0
    for j in range(levels[1]):
        level = np.zeros(len(nodes))
        for i in np.unique(inner[outer == j]):
            own = inner == i
            shift = sd[0] * nodes[:, None] + sd[1] * nodes
            heights = log_density(family, outcome[own], size[own], 0.0).sum() + 0.0 * shift
            for y, m, e in zip(outcome[own], size[own], eta[own], strict=True):
                # As far from its value at zero as the exponential family says.
                at = e + shift
                softplus = np.maximum(at, 0.0) + np.log1p(np.exp(-np.abs(at))) - np.log(2)
                heights += y * at - m * (softplus if family == "binomial" else np.exp(at) - 1)
            level += logsumexp(heights + mass[:, None], axis=0)
        total += logsumexp(level + mass)
    return total


@pytest.mark.parametrize("family", FAMILIES)
def test_brute_force_quadrature(family):
    """The error of Laplace's approximation falls in proportion to the counts, and the maxima meet."""
    data = counts(family, "nested", levels=(8, 3), n=32, sd=(0.6, 0.8), most=7, seed=4, level=-0.2)
    errors = []
    for times in (10.0, 100.0):
        more = (*data[:2], data[2] * times, data[3] * times, *data[4:])
        beta, sd = np.array([0.4, -0.2, -0.3]), np.array([0.6, 0.5])
        errors.append(plain_value(more, beta, sd**2) - by_quadrature(more, beta, sd))
    assert 1e-3 < abs(errors[0]) < 0.02
    np.testing.assert_allclose(errors[1] / errors[0], 0.1, rtol=0.3)
    fit = fit_crossed_counts(*more)
    assert not fit.boundary.any()
    at = np.r_[fit.slopes, fit.level, np.log(fit.factor_sd)]
    scale = np.r_[np.sqrt(np.diag(fit.covariance)), 0.3, 0.5]

    def value(z):
        theta = at + scale * z
        return by_quadrature(more, theta[:3], np.exp(theta[3:]))

    # A slope per standard error is also how many standard errors the exact maximum is away.
    slope = [(value(h) - value(-h)) / 2e-3 for h in 1e-3 * np.eye(5)]
    assert np.max(np.abs(slope)) < 0.01


def same_counts(one, other, *, shift=0.0):
    np.testing.assert_allclose(one.slopes, other.slopes, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(one.level, other.level + shift, rtol=1e-6)
    np.testing.assert_allclose(one.factor_sd, other.factor_sd, rtol=1e-6)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-4, atol=1e-7)
    for f in (0, 1):
        np.testing.assert_allclose(one.effects[f], other.effects[f], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(one.effect_variance[f], other.effect_variance[f], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["crossed", "nested", "sparse"])
def test_order_storage_and_empty_rows_do_not_matter_for_counts(monkeypatch, family, kind):
    levels = (60, 40) if kind == "sparse" else (20, 5)
    family, matrix, outcome, size, offset, factors, _ = counts(
        family, kind, seed=3, levels=levels, n=400, sd=(0.9, 0.9)
    )
    fit = fit_crossed_counts(family, matrix, outcome, size, offset, factors, levels)
    assert fit.certificate.converged
    other = fit_crossed_counts(family, matrix, outcome, size, offset, factors[::-1], levels[::-1])
    np.testing.assert_array_equal(fit.factor_sd, other.factor_sd[::-1])
    np.testing.assert_array_equal(fit.effects[1], other.effects[0])
    order = np.random.default_rng(0).permutation(len(outcome))
    moved = [part[order] for part in (matrix, outcome, size, offset)]
    same_counts(fit_crossed_counts(family, *moved, tuple(f[order] for f in factors), levels), fit)
    monkeypatch.setattr(crossed_linear, "DENSE", 1.0)
    for module in (crossed_linear, crossed_binomial):
        monkeypatch.setattr(module, "row_blocks", lambda n, width: [slice(a, min(a + 7, n)) for a in range(0, n, 7)])
    same_counts(fit_crossed_counts(family, matrix, outcome, size, offset, factors, levels), fit)
    more = [np.r_[part, part[:2] * 0] for part in (matrix, outcome, size, offset)]
    also = np.r_[factors[0], 0, levels[0]], np.r_[factors[1], 0, 1]
    other = fit_crossed_counts(family, *more, also, (levels[0] + 1, levels[1]))
    np.testing.assert_allclose(other.log_likelihood, fit.log_likelihood, rtol=1e-9)
    np.testing.assert_allclose(other.effect_variance[0][-1], fit.factor_sd[0] ** 2, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_alike_may_be_added_up(family):
    """One row of m trials, or m rows of one: the same but for the constant of the log-likelihood."""
    family, matrix, outcome, size, offset, factors, levels = counts(
        family, seed=4, levels=(20, 5), n=200, sd=(0.9, 0.9)
    )
    whole = fit_crossed_counts(family, matrix, outcome, size, offset, factors, levels)
    times = size.astype(int) if family == "binomial" else np.full(len(size), 3)
    row = np.repeat(np.arange(len(size)), times)
    part = np.concatenate([np.arange(t) for t in times])
    single = (part < outcome[row]).astype(float) if family == "binomial" else np.where(part == 0, outcome[row], 0.0)
    apart = matrix[row], single, (size / times)[row], offset[row], tuple(f[row] for f in factors), levels
    same_counts(fit_crossed_counts(family, *apart), whole)


def test_units_of_measure_of_counts():
    family, matrix, outcome, size, offset, factors, levels = counts("poisson", seed=5, levels=(20, 5), n=300)
    fit = fit_crossed_counts(family, matrix, outcome, size, offset, factors, levels)
    for factor in (1e8, 1e-8):
        other = fit_crossed_counts(family, matrix * [factor, 1.0], outcome, size * factor, offset, factors, levels)
        np.testing.assert_allclose(other.slopes * [factor, 1.0], fit.slopes, rtol=1e-6)
        np.testing.assert_allclose(other.level, fit.level - np.log(factor), rtol=1e-6)
        np.testing.assert_allclose(other.factor_sd, fit.factor_sd, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_levels_without_events_or_with_nothing_else_are_shrunken(family):
    family, matrix, outcome, size, offset, factors, levels = counts(
        family, seed=6, levels=(20, 5), n=300, sd=(0.9, 0.5)
    )
    outcome[factors[0] == 3] = 0.0
    if family == "binomial":
        outcome[factors[0] == 4] = size[factors[0] == 4]
    fit = fit_crossed_counts(family, matrix, outcome, size, offset, factors, levels)
    assert fit.certificate.converged
    assert np.isfinite(fit.effects[0]).all()
    assert np.argmin(fit.effects[0]) == 3
    assert family == "poisson" or np.argmax(fit.effects[0]) == 4


def test_rare_events_and_great_differences_of_exposure():
    rng = np.random.default_rng(7)
    factors = rng.integers(0, 30, 600), rng.integers(0, 6, 600)
    matrix, exposure = rng.normal(size=(600, 2)), np.exp(rng.uniform(0.0, 13.0, 600))
    eta = -9.0 + matrix @ [0.4, -0.4] + 0.6 * rng.normal(size=30)[factors[0]] + 0.4 * rng.normal(size=6)[factors[1]]
    outcome = rng.poisson(exposure * np.exp(eta)).astype(float)
    fit = fit_crossed_counts("poisson", matrix, outcome, exposure, np.zeros(600), factors, (30, 6))
    assert fit.certificate.converged
    assert np.all(np.abs(fit.slopes - [0.4, -0.4]) < 4 * np.sqrt(np.diag(fit.covariance)[:2]))


def test_what_counts_cannot_answer():
    family, matrix, outcome, size, offset, factors, levels = counts("binomial", seed=8)
    for events in (0 * outcome, size):
        with pytest.raises(DataError, match="no events, or nothing but"):
            fit_crossed_counts(family, matrix, events, size, offset, factors, levels)
    with pytest.raises(DataError, match="1 level"):
        fit_crossed_counts(family, matrix, outcome, size, offset, (factors[0], 0 * factors[0]), (8, 2))
    with pytest.raises(DataError, match="in the same way"):
        fit_crossed_counts(family, matrix, outcome, size, offset, (factors[0], factors[0]), (8, 8))
    with pytest.raises(LinAlgError):
        fit_crossed_counts(
            family, np.column_stack([matrix, matrix @ [1.0, 1.0]]), outcome, size, offset, factors, levels
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_no_certificate_where_a_slope_runs_to_infinity(family):
    """A group without a single event."""
    family, matrix, outcome, size, offset, factors, levels = counts(family, seed=9, levels=(20, 5), n=300)
    group = np.random.default_rng(0).random(300) < 0.3
    outcome[group] = 0.0
    columns = np.column_stack([matrix, group])
    fit = fit_crossed_counts(family, columns, outcome, size, offset, factors, levels)
    assert not fit.certificate.converged


def test_certificate_is_withheld_when_the_search_stops_early(monkeypatch):
    data = counts("binomial", seed=3, levels=(20, 5), n=300, sd=(0.9, 0.9))
    descend = crossed_binomial._Objective.descend
    monkeypatch.setattr(crossed_binomial._Objective, "descend", lambda self, z: z + 50.0)
    assert not fit_crossed_counts(*data).certificate.converged
    monkeypatch.setattr(crossed_binomial._Objective, "descend", lambda self, z: descend(self, z, iterations=4))
    fit = fit_crossed_counts(*data)
    # Newton steps make up for it, and the path shows that they had to.
    assert fit.certificate.converged
    assert fit.certificate.path[0] > 1e-4
    monkeypatch.setattr(crossed_binomial, "TOLERANCE", 0.0)
    assert not fit_crossed_counts(*data).certificate.converged


def test_a_mode_is_found_from_near_at_once_and_from_far_away_after_a_fresh_start(monkeypatch):
    rows = as_rows(*counts("poisson", seed=3, levels=(20, 5), n=300))
    objective = crossed_binomial._Objective(rows)
    value = objective.at(objective.start)[0]
    passes = []
    weigh = crossed_binomial._weigh
    monkeypatch.setattr(crossed_binomial, "_weigh", lambda *a: passes.append(1) or weigh(*a))
    np.testing.assert_allclose(objective.at(objective.start)[0], value, rtol=1e-12)
    assert len(passes) <= 2
    objective.effects = objective.effects + 1e4
    assert objective.at(objective.start)[0] == np.inf
    np.testing.assert_allclose(objective.at(objective.start)[0], value, rtol=1e-12)
