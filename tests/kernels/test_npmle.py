"""Nonparametric prior against a convex solver and closed forms; gamma and beta priors against likelihoods of SciPy."""

from __future__ import annotations

import clarabel
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import sparse
from scipy.optimize import minimize
from scipy.stats import beta, betabinom, gamma, kurtosis, nbinom, norm

from benchmodels.kernels.npmle import conjugate_posterior, effect_moments, npmle
from tests.lip_cancer import LIP_CANCER

EXACT = 1e-10
O, E, AFF = (LIP_CANCER[name].to_numpy(dtype=float) for name in ("observed", "expected", "outdoor"))
# Surgical (BUGS examples, volume 1): infant cardiac surgery in 12 hospitals.
TRIALS = np.array([47, 148, 119, 810, 211, 196, 148, 215, 207, 97, 256, 360.0])
DEATHS = np.array([0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24.0])


def draws(seed, k, kind, spread=0.7):
    rng = np.random.default_rng(seed)
    s = np.exp(rng.normal(0, spread, k))
    effects = {"none": np.zeros(k), "two": rng.choice([-2.0, 2.0], k), "skew": rng.exponential(2, k)}[kind]
    return effects + s * rng.normal(size=k), s


def likelihood(y, s, atoms, weights):
    return np.log(norm.pdf(y[:, None], atoms, s[:, None]) @ weights).sum()


@pytest.mark.parametrize("spread", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("kind", ["none", "two", "skew"])
def test_certificate_and_posterior_by_hand(kind, spread):
    y, s = draws(1, 98, kind, spread)
    found = npmle(y, s)
    assert found.max_derivative <= 1 + 1e-8
    assert found.weights.sum() == pytest.approx(1, rel=EXACT)
    density = norm.pdf(y[:, None], found.atoms, s[:, None])
    mixed = density @ found.weights
    np.testing.assert_allclose(
        found.posterior_mean, density @ (found.weights * found.atoms) / mixed, rtol=1e-8, atol=1e-10
    )
    assert found.log_likelihood == pytest.approx(np.log(mixed).sum(), rel=1e-9)
    # Also between the points of its grid no atom would raise the log likelihood by more than a tenth.
    fine = np.linspace(y.min(), y.max(), 20_001)
    derivative = (norm.pdf(y[:, None], fine, s[:, None]) / mixed[:, None]).mean(axis=0)
    assert 98 * (derivative.max() - 1) < 0.1
    mean = found.weights @ found.atoms
    assert found.variance == pytest.approx(found.weights @ (found.atoms - mean) ** 2, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("kind", ["two", "skew"])
def test_interior_point_solver_agrees(kind):
    y, s = draws(2, 60, kind)
    grid = np.linspace(y.min(), y.max(), 800)
    density = norm.pdf(y[:, None], grid, s[:, None])
    density /= density.max(axis=1, keepdims=True)
    k, m = density.shape
    # Minimise -Σ t_i with (t_i, 1, (Aw)_i) in the exponential cone, w ≥ 0 and Σw = 1.
    rows = [sparse.csc_matrix((np.append(np.ones(m), np.zeros(k)))[None])]
    rows.append(sparse.hstack([-sparse.eye(m), sparse.csc_matrix((m, k))]))
    cone = np.zeros((3 * k, m + k))
    cone[0::3, m:] = -np.eye(k)
    cone[2::3, :m] = -density
    rows.append(sparse.csc_matrix(cone))
    right = np.concatenate([[1.0], np.zeros(m), np.tile([0.0, 1.0, 0.0], k)])
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(m), *[clarabel.ExponentialConeT() for _ in range(k)]]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    cost = np.append(np.zeros(m), -np.ones(k))
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix((m + k, m + k)), cost, sparse.csc_matrix(sparse.vstack(rows)), right, cones, settings
    )
    theirs = np.asarray(solver.solve().x)[:m].clip(0)
    theirs /= theirs.sum()
    found = npmle(y, s, points=800)
    np.testing.assert_allclose(np.isin(np.round(found.atoms, 9), np.round(grid, 9)), True)
    # The interior point stops a little short of the corner.
    assert found.log_likelihood == pytest.approx(likelihood(y, s, grid, theirs), abs=1e-4)
    assert found.log_likelihood >= likelihood(y, s, grid, theirs) - 1e-7
    mixed = norm.pdf(y[:, None], grid, s[:, None]) * theirs
    np.testing.assert_allclose(found.posterior_mean, (mixed @ grid) / mixed.sum(1), atol=1e-4)


def test_plain_em_only_creeps_up_to_it():
    y, s = draws(3, 40, "two")
    grid = np.linspace(y.min(), y.max(), 300)
    density = norm.pdf(y[:, None], grid, s[:, None])
    w = np.full(300, 1 / 300)
    for _ in range(20_000):
        w = w * (density / (density @ w)[:, None]).mean(axis=0)
    found = npmle(y, s)
    creeping = np.log(density @ w).sum()
    assert creeping <= found.log_likelihood + 1e-9
    assert creeping == pytest.approx(found.log_likelihood, abs=1e-2)


def test_closed_forms_of_few_units():
    one = npmle(np.array([3.0]), np.array([2.0]))
    assert (one.atoms.tolist(), one.weights.tolist(), one.posterior_mean.tolist()) == ([3.0], [1.0], [3.0])
    same = npmle(np.full(4, 2.0), np.array([1.0, 2.0, 0.1, 1.0]))
    np.testing.assert_allclose(same.posterior_mean, 2.0)
    # Two units closer than two standard errors have one atom between them, else one on each side.
    close = npmle(np.array([0.0, 1.9]), np.ones(2), points=301)
    np.testing.assert_allclose(close.posterior_mean, 0.95, rtol=1e-9)
    far = npmle(np.array([0.0, 100.0]), np.ones(2))
    np.testing.assert_allclose(far.posterior_mean, [0, 100], atol=1e-9)
    # One unit is known all but exactly: it stands where it is, and the grid knows it.
    exact = npmle(np.array([1.0, 2.0, 3.0, 1000.0]), np.array([1.0, 1e-8, 1.0, 1.0]))
    assert exact.posterior_mean[1] == pytest.approx(2.0, abs=1e-8)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_of_measure_and_order(unit):
    y, s = draws(4, 60, "skew")
    a, b = npmle(y, s), npmle(unit * (y + 5), unit * s)
    np.testing.assert_allclose(b.posterior_mean / unit - 5, a.posterior_mean, atol=1e-6)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(npmle(y[order], s[order]).posterior_mean, a.posterior_mean[order], atol=1e-6)


def test_moments_are_exact_over_the_noise():
    # Gauss-Hermite nodes as weights: the noise integrates away without error.
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    effect, s = np.array([5.0, -3.0]), np.array([1.5, 0.7])
    residual = (effect[:, None] + s[:, None] * nodes).ravel()
    second, fourth = effect_moments(residual, np.repeat(s, 8), np.tile(weights, 2))
    assert second == pytest.approx(17.0, rel=1e-9)
    assert fourth == pytest.approx((5.0**4 + 3.0**4) / 2 / 17.0**2, rel=1e-9)


def test_moments_are_free_of_noise_and_floored():
    rng = np.random.default_rng(3)
    effects = rng.exponential(1, 200_000) - 1
    s = rng.uniform(0.2, 0.6, 200_000)
    second, fourth = effect_moments(effects + s * rng.normal(size=200_000), s, np.ones(200_000))
    assert second == pytest.approx(1.0, abs=4 * np.sqrt(8.0 / 200_000) * 1.5)
    assert fourth == pytest.approx(kurtosis(effects, fisher=False), rel=0.1)
    s, w = np.array([1.0, 2.0, 0.5, 1.0]), np.array([1.0, 2.0, 1.0, 3.0])
    second, fourth = effect_moments(np.zeros(4), s, w)
    assert second == pytest.approx(2 * (w**2 @ s**4) / (w.sum() * (w @ s**2)), rel=EXACT)
    assert fourth == pytest.approx(1 + 32 * (w**2 @ s**8) / (w.sum() * (w @ s**4)) / second**2, rel=EXACT)


def test_scottish_lip_cancer():
    found = conjugate_posterior(O, E, np.full(56, np.inf), np.ones((56, 1)), prior="gamma", level=0.95)
    fit = sm.NegativeBinomial(O, np.ones(56), exposure=E).fit(disp=0, maxiter=500)
    assert found.strength == pytest.approx(1 / fit.params[1], rel=1e-5)
    assert found.coefficients[0] == pytest.approx(fit.params[0], abs=1e-5)
    # Gamma posterior: shape a + O, rate a / m + E.
    a, m = found.strength, found.target
    np.testing.assert_allclose(found.mean, (a + O) / (a / m + E), rtol=EXACT)
    np.testing.assert_allclose(found.upper, gamma.ppf(0.975, a + O, scale=1 / (a / m + E)), rtol=1e-9)
    np.testing.assert_allclose(found.lower, gamma.ppf(0.025, a + O, scale=1 / (a / m + E)), rtol=1e-9)
    np.testing.assert_allclose(found.std_error, gamma.std(a + O, scale=1 / (a / m + E)), rtol=1e-9)
    tau2 = found.between_sd**2
    np.testing.assert_allclose(found.reliability, tau2 / (tau2 + m / E), rtol=1e-9)
    # The smallest ratios, of counties without a case, are no longer zero; the largest are drawn in.
    assert (found.mean[-2:] > 0).all()
    assert found.mean[0] < O[0] / E[0]
    design = np.column_stack([np.ones(56), AFF])
    regression = conjugate_posterior(O, E, np.full(56, np.inf), design, prior="gamma", level=0.95)
    fit = sm.NegativeBinomial(O, design, exposure=E).fit(disp=0, maxiter=500)
    np.testing.assert_allclose(regression.coefficients, fit.params[:2], rtol=1e-4)
    assert regression.strength == pytest.approx(1 / fit.params[2], rel=1e-4)
    assert regression.strength > found.strength


@pytest.mark.parametrize("q", [0, 1])
@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_marginal_likelihood_against_scipy(prior, q):
    expected = TRIALS * DEATHS.sum() / TRIALS.sum()
    design = np.ones((12, q))

    def minus(x):
        a, shift = np.exp(x[0]), x[1] if q else 0.0
        if prior == "gamma":
            mu = expected * np.exp(shift)
            return -nbinom.logpmf(DEATHS, a, a / (a + mu)).sum()
        odds = expected / (TRIALS - expected) * np.exp(shift)
        p = odds / (1 + odds)
        return -betabinom.logpmf(DEATHS, TRIALS, a * p, a * (1 - p)).sum()

    best = minimize(
        minus, np.array([3.0, 0.0][: q + 1]), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13}
    )
    found = conjugate_posterior(DEATHS, expected, TRIALS, design, prior=prior, level=0.9)
    assert np.log(found.strength) == pytest.approx(best.x[0], abs=1e-5)
    if q:
        assert found.coefficients[0] == pytest.approx(best.x[1], abs=1e-6)
    if prior == "beta":
        up, down = found.strength * found.target + DEATHS, found.strength * (1 - found.target) + TRIALS - DEATHS
        np.testing.assert_allclose(found.mean, beta.mean(up, down), rtol=EXACT)
        np.testing.assert_allclose(found.std_error, beta.std(up, down), rtol=EXACT)
        np.testing.assert_allclose([found.lower, found.upper], beta.ppf([[0.05], [0.95]], up, down), rtol=1e-9)
        variance = found.between_sd**2
        noise = found.target * (1 - found.target) - variance
        np.testing.assert_allclose(found.reliability, variance / (variance + noise / TRIALS), rtol=1e-9)


@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_no_more_than_chance(prior):
    size = np.full(8, 100.0)
    observed = np.array([10, 11, 9, 10, 10, 9, 11, 10.0])
    found = conjugate_posterior(observed, np.full(8, 10.0), size, np.ones((8, 1)), prior=prior, level=0.95)
    assert found.strength == np.inf
    np.testing.assert_allclose(found.mean, 1.0 if prior == "gamma" else 0.1, rtol=1e-9)
    np.testing.assert_array_equal(found.reliability, 0.0)
    assert np.isnan(found.lower).all()
    assert np.isnan(found.std_error).all()


def test_large_counts_keep_their_digits():
    rng = np.random.default_rng(0)
    expected = np.exp(rng.normal(11, 1, 98))
    observed = rng.poisson(expected * rng.gamma(4e4, 1 / 4e4, 98)).astype(float)
    found = conjugate_posterior(observed, expected, expected * 3, np.ones((98, 1)), prior="gamma", level=0.95)
    # Between-unit sd of half a percent: log likelihoods differ from Poisson in the sixth digit of a.
    assert np.isfinite(found.strength)
    assert 1e4 < found.strength < 4e5
    shares = conjugate_posterior(observed, expected, expected * 3, np.ones((98, 1)), prior="beta", level=0.95)
    assert np.isfinite(shares.strength)
