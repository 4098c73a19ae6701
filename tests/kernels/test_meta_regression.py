"""Meta-regression: published output, closed forms, dense matrices and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t

from benchmodels.errors import SpecificationError
from benchmodels.kernels.meta_regression import meta_regression
from tests.kernels.test_empirical_bayes import bcg

EXACT = 1e-10
# Half a unit of the last digit metafor prints; its iterations stop at a change of 1e-5, which τ² shows.
PRINTED = 5e-5


def columns(*given):
    return np.column_stack([np.ones(len(given[0])), *given])


def test_metafor_on_the_bcg_trials():
    """The README of metafor: rma(yi, vi, mods = ~ ablat, test = "knha"), log risk ratios, REML."""
    y, s, latitude = bcg()
    found = meta_regression(y, s, columns(latitude))
    assert found.df == 11
    assert found.tau2 == pytest.approx(0.0764, abs=1e-4)
    assert np.sqrt(found.tau2) == pytest.approx(0.2763, abs=2e-4)
    assert found.i2 == pytest.approx(0.6839, abs=3e-4)
    assert found.r2 == pytest.approx(0.7562, abs=3e-4)
    assert found.residual_q == pytest.approx(30.7331, abs=PRINTED)
    assert found.residual_p == pytest.approx(0.0012, abs=PRINTED)
    np.testing.assert_allclose(found.coefficients, [0.2515, -0.0291], atol=PRINTED)
    np.testing.assert_allclose(found.std_error, [0.2839, 0.0082], atol=PRINTED)
    np.testing.assert_allclose(found.coefficients / found.std_error, [0.8857, -3.5483], atol=2e-3)
    np.testing.assert_allclose(found.p, [0.3948, 0.0046], atol=PRINTED * 2)
    half = found.half_width(0.95)
    np.testing.assert_allclose(found.coefficients - half, [-0.3735, -0.0472], atol=PRINTED * 2)
    np.testing.assert_allclose(found.coefficients + half, [0.8764, -0.0111], atol=PRINTED * 2)
    f, p = found.together(np.array([1]))
    assert (f, p) == (pytest.approx(12.5905, abs=1e-2), pytest.approx(0.0046, abs=PRINTED))


def test_metafor_without_columns_and_its_prediction():
    y, s, _ = bcg()
    found = meta_regression(y, s, np.ones((13, 1)))
    assert found.tau2 == pytest.approx(0.3132, abs=PRINTED)
    assert found.tau2_alone == pytest.approx(found.tau2, rel=EXACT)
    assert found.i2 == pytest.approx(0.9222, abs=PRINTED)
    assert found.residual_q == pytest.approx(152.2330, abs=PRINTED)
    assert found.coefficients[0] == pytest.approx(-0.7145, abs=PRINTED)
    assert found.std_error[0] == pytest.approx(0.1808, abs=PRINTED)
    assert found.p[0] == pytest.approx(0.0019, abs=PRINTED)
    mean, _, of_mean, of_one = (float(v[0]) for v in found.at(np.ones((1, 1)), 0.95))
    ends = np.exp([mean, mean - of_mean, mean + of_mean, mean - of_one, mean + of_one])
    np.testing.assert_allclose(ends, [0.49, 0.33, 0.73, 0.14, 1.76], atol=5e-3)


def test_equal_noise_is_ordinary_least_squares():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 2))
    y = 1 + x @ [0.5, -0.2] + rng.normal(size=30)
    ours, theirs = meta_regression(y, np.full(30, 0.3), columns(x)), sm.OLS(y, columns(x)).fit()
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=EXACT)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=EXACT, atol=1e-14)
    np.testing.assert_allclose(ours.p, theirs.pvalues, rtol=1e-8)
    assert ours.scale == pytest.approx(1.0, rel=EXACT)
    # With equal noise τ² is the mean square of the residuals less the noise, and I² its share.
    assert ours.tau2 == pytest.approx(theirs.mse_resid - 0.09, rel=EXACT)
    assert ours.i2 == pytest.approx(1 - 0.09 / theirs.mse_resid, rel=EXACT)
    f, p = ours.together(np.array([1, 2]))
    assert (f, p) == (pytest.approx(theirs.fvalue, rel=1e-8), pytest.approx(theirs.f_pvalue, rel=1e-8))


def test_against_dense_matrices():
    rng = np.random.default_rng(4)
    k, x = 25, rng.normal(size=25)
    s = np.exp(rng.normal(0, 0.7, k))
    y = 2 + x + rng.normal(0, 1.5, k) + s * rng.normal(size=k)
    X, found = columns(x), meta_regression(y, s, columns(x))
    v = np.linalg.inv(np.diag(s**2 + found.tau2))
    plain = np.linalg.inv(X.T @ v @ X)
    b = plain @ X.T @ v @ y
    rest = y - X @ b
    np.testing.assert_allclose(found.coefficients, b, rtol=EXACT)
    np.testing.assert_allclose(found.covariance, plain * (rest @ v @ rest) / (k - 2), rtol=EXACT)
    w = np.diag(1 / s**2)
    P = w - w @ X @ np.linalg.inv(X.T @ w @ X) @ X.T @ w
    assert found.residual_q == pytest.approx(y @ P @ y, rel=EXACT)
    assert found.i2 == pytest.approx(found.tau2 / (found.tau2 + (k - 2) / np.trace(P)), rel=EXACT)
    new = np.array([[1.0, 0.3]])
    value, error, of_mean, of_one = found.at(new, 0.9)
    q = t.isf(0.05, k - 2)
    spread = (new @ found.covariance @ new.T)[0, 0]
    np.testing.assert_allclose(
        [value[0], error[0], of_mean[0], of_one[0]],
        [(new @ b)[0], spread**0.5, q * spread**0.5, q * (spread + found.tau2) ** 0.5],
        rtol=EXACT,
    )


def test_units_of_measure_do_not_matter():
    y, s, latitude = bcg()
    here, there = meta_regression(y, s, columns(latitude)), meta_regression(1e6 * y, 1e6 * s, columns(latitude / 1e3))
    np.testing.assert_allclose(there.coefficients, here.coefficients * [1e6, 1e9], rtol=1e-8)
    np.testing.assert_allclose(there.p, here.p, rtol=1e-8)
    assert there.i2 == pytest.approx(here.i2, rel=1e-8)


def test_no_variation_between_units():
    y = np.array([0.1, -0.1, 0.05, 0.0, -0.05, 0.1])
    found = meta_regression(y, np.ones(6), columns(np.arange(6.0)))
    assert (found.tau2, found.i2) == (0.0, 0.0)
    assert np.isnan(found.r2)
    assert found.scale < 1.0


def test_too_few_units():
    with pytest.raises(SpecificationError, match="4 units.*2 coefficients need 5"):
        meta_regression(np.arange(4.0), np.ones(4), columns(np.arange(4.0)))


def held(k, draws, *, tau=0.5, seed=11):
    """How often the interval of a slope holds it: noise over an eightfold range, effects skewed as units' are."""
    rng = np.random.default_rng(seed)
    s, x = np.exp(rng.uniform(np.log(0.2), np.log(1.6), k)), (rng.uniform(size=k) < 0.4).astype(float)
    held = np.zeros(2)
    for _ in range(draws):
        effect = tau * (rng.gamma(4.0, size=k) - 4.0) / 2.0
        y = 0.3 + 0.7 * x + effect + s * rng.normal(size=k)
        found = meta_regression(y, s, columns(x))
        held += np.abs(found.coefficients - [0.3, 0.7]) <= found.half_width(0.95)
    return held / draws


def test_intervals_hold():
    np.testing.assert_allclose(held(20, 400), 0.95, atol=4 * np.sqrt(0.95 * 0.05 / 400))


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("k", [20, 98])
def test_intervals_hold_of_many_draws(k, tau):
    found = held(k, 4000, tau=tau)
    print(k, tau, found)
    # Of 20 units with noise over an eightfold range few weigh much, and k - p overstates what their spread rests on:
    # 92.8 % is the least that was seen.
    lost = 0.025 if k == 20 else 0.0
    # Without variation between units an estimate of it that is never below zero makes intervals a little wide.
    excess = 0.01 if tau == 0 else 0.0
    error = 4 * np.sqrt(0.95 * 0.05 / 4000)
    assert (found > 0.95 - lost - error).all()
    assert (found < 0.95 + excess + error).all()
