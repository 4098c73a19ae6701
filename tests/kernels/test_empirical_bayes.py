"""Normal shrinkage against closed forms, dense matrices and metafor; effects that go with precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from benchmodels.errors import SpecificationError
from benchmodels.kernels.empirical_bayes import normal_posterior, precision_test

EXACT = 1e-10
SOLVER = 1e-7
# Colditz et al. (1994): 13 trials of BCG vaccine; cases and others, vaccinated and not; absolute latitude.
BCG = np.array(
    [
        [4, 119, 11, 128, 44],
        [6, 300, 29, 274, 55],
        [3, 228, 11, 209, 42],
        [62, 13536, 248, 12619, 52],
        [33, 5036, 47, 5761, 13],
        [180, 1361, 372, 1079, 44],
        [8, 2537, 10, 619, 19],
        [505, 87886, 499, 87892, 13],
        [29, 7470, 45, 7232, 27],
        [17, 1699, 65, 1600, 42],
        [186, 50448, 141, 27197, 18],
        [5, 2493, 3, 2338, 33],
        [27, 16886, 29, 17825, 33],
    ],
    dtype=float,
)


def bcg():
    a, b, c, d, latitude = BCG.T
    return np.log(a / (a + b)) - np.log(c / (c + d)), np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)), latitude


def sample(seed=1, k=40, tau=1.0):
    rng = np.random.default_rng(seed)
    s = np.exp(rng.normal(0, 0.6, k))
    x = rng.normal(0, 1, k)
    return 2 + 0.5 * x + rng.normal(0, tau, k) + s * rng.normal(0, 1, k), s, x


def restricted(tau2, y, s, X):
    """The restricted likelihood by determinants of dense matrices."""
    v = np.diag(s**2 + tau2)
    vi = np.linalg.inv(v)
    p = vi - vi @ X @ np.linalg.inv(X.T @ vi @ X) @ X.T @ vi
    return 0.5 * (np.linalg.slogdet(v)[1] + np.linalg.slogdet(X.T @ vi @ X)[1] + y @ p @ y)


@pytest.mark.parametrize("q", [0, 1])
def test_equal_standard_errors_are_james_stein_and_lindley(q):
    y = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0])
    k, s = len(y), 1.5
    found = normal_posterior(y, np.full(k, s), np.ones((k, q)))
    centre = y.mean() if q else 0.0
    squares = ((y - centre) ** 2).sum()
    shrinkage = (k - q - 2) * s**2 / squares
    np.testing.assert_allclose(found.mean, centre + (1 - shrinkage) * (y - centre), rtol=EXACT)
    assert found.tau2 == pytest.approx(squares / (k - q) - s**2, rel=EXACT)
    # Morris (1983), equation (1.17): his variance with equal standard errors.
    variance = s**2 * (1 - (k - q) / k * shrinkage) + 2 / (k - q - 2) * shrinkage**2 * (y - centre) ** 2
    np.testing.assert_allclose(found.std_error, np.sqrt(variance), rtol=EXACT)


def test_no_variation_is_shrunk_almost_all_the_way():
    y, s = np.array([0.1, -0.1, 0.05, 0.0, -0.05, 0.1]), np.ones(6)
    found = normal_posterior(y, s, np.ones((6, 1)))
    assert found.tau2 == 0.0
    np.testing.assert_allclose(found.weight, 2 / 5, rtol=EXACT)
    assert (found.std_error > 0).all()


def test_metafor_on_the_bcg_trials():
    y, s, latitude = bcg()
    found = normal_posterior(y, s, np.ones((13, 1)))
    assert found.tau2 == pytest.approx(0.3132, abs=5e-5)
    assert found.coefficients[0] == pytest.approx(-0.7145, abs=5e-5)
    assert np.sqrt(found.target_variance[0]) == pytest.approx(0.1798, abs=5e-5)
    found = normal_posterior(y, s, np.column_stack([np.ones(13), latitude]))
    # metafor stops iterating at a change of 1e-5, and prints 0.0764.
    assert found.tau2 == pytest.approx(0.0764, abs=1e-4)
    np.testing.assert_allclose(found.coefficients, [0.2515, -0.0291], atol=5e-5)


@pytest.mark.parametrize("q", [0, 1, 2])
@pytest.mark.parametrize("tau", [0.3, 1.0, 5.0])
def test_restricted_maximum_against_dense_matrices(q, tau):
    y, s, x = sample(tau=tau)
    design = np.column_stack([np.ones(40), x])[:, :q]
    best = minimize_scalar(restricted, bounds=(0, 100), args=(y, s, design), method="bounded", options={"xatol": 1e-9})
    found = normal_posterior(y, s, design)
    assert restricted(found.tau2, y, s, design) <= best.fun + 1e-10
    if found.tau2 > 0:
        assert found.tau2 == pytest.approx(best.x, rel=1e-4)
        w = 1 / (s**2 + found.tau2)
        b = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * y))
        np.testing.assert_allclose(found.coefficients, b, rtol=1e-9)
        np.testing.assert_allclose(found.target, design @ b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("q", [0, 1, 2])
def test_posterior_covariance_against_dense_matrices(q):
    y, s, x = sample()
    k, design = 40, np.column_stack([np.ones(40), x])[:, :q]
    found = normal_posterior(y, s, design)
    share = (k - q - 2) / (k - q)
    noise, v = np.diag(s**2), np.linalg.inv(np.diag(s**2 + found.tau2))
    of_target = noise @ v @ design
    plain = noise - share * noise @ v @ noise + share * of_target @ np.linalg.inv(design.T @ v @ design) @ of_target.T
    # What the error of τ² adds is one direction: how the means move with it.
    rest = found.covariance() - plain
    step = found.shared[:, -1]
    np.testing.assert_allclose(rest, np.outer(step, step), atol=1e-12)
    np.testing.assert_allclose(np.diag(found.covariance()), found.std_error**2, rtol=EXACT)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_of_measure_and_order(unit):
    y, s, x = sample()
    design = np.column_stack([np.ones(40), x])
    a, b = normal_posterior(y, s, design), normal_posterior(y * unit, s * unit, design * [1, 1e6])
    np.testing.assert_allclose(b.mean, a.mean * unit, rtol=SOLVER)
    np.testing.assert_allclose(b.std_error, a.std_error * unit, rtol=SOLVER)
    np.testing.assert_allclose(b.coefficients * [1, 1e6], a.coefficients * unit, rtol=SOLVER)
    order = np.random.default_rng(0).permutation(40)
    c = normal_posterior(y[order], s[order], design[order])
    np.testing.assert_allclose(c.mean, a.mean[order], rtol=SOLVER)


def test_too_few_units():
    with pytest.raises(SpecificationError, match="needs 4"):
        normal_posterior(np.ones(3), np.ones(3), np.ones((3, 1)))


def test_equal_estimates_are_the_answer():
    found = normal_posterior(np.full(5, 3.0), np.ones(5), np.ones((5, 1)))
    np.testing.assert_allclose(found.mean, 3.0, rtol=EXACT)
    assert found.tau2 == 0.0


def test_precision_test_by_hand_and_where_it_cannot_be_asked():
    y, s, _ = sample()
    found = precision_test(y, s, np.ones((40, 1)), 1.0)
    w = 1 / (s**2 + 1.0)
    X = np.column_stack([np.ones(40), np.log(s)])
    inverse = np.linalg.inv(X.T @ (w[:, None] * X))
    b = inverse @ X.T @ (w * y)
    residual2 = w * (y - X @ b) ** 2
    t = b[1] / np.sqrt(inverse[1, 1] * residual2.sum() / 38)
    r = np.corrcoef(residual2, np.log(s))[0, 1]
    from scipy.stats import t as student

    assert found.slope == pytest.approx(b[1], rel=1e-9)
    assert found.mean_p == pytest.approx(2 * student.sf(abs(t), 38), rel=1e-9)
    assert found.spread_p == pytest.approx(chi2.sf(40 * r**2, 1), rel=1e-9)
    assert found.p == pytest.approx(2 * min(found.mean_p, found.spread_p))
    assert np.isnan(precision_test(y, np.ones(40), np.ones((40, 1)), 1.0).p)
    held = precision_test(y, s, np.column_stack([np.ones(40), np.log(s)]), 1.0)
    assert np.isnan(held.slope)
    assert held.p == held.spread_p
    with pytest.raises(SpecificationError, match="too few"):
        precision_test(y[:3], s[:3], np.ones((3, 1)), 1.0)


def test_precision_test_keeps_its_size_and_finds_a_trend():
    rng = np.random.default_rng(5)
    s = np.exp(rng.normal(0, 0.7, 98))
    rejected, found = 0, 0
    for _ in range(1000):
        noise = s * rng.normal(size=98)
        rejected += precision_test(rng.normal(size=98) + noise, s, np.ones((98, 1)), 1.0).p < 0.05
        found += precision_test(np.log(s) + rng.normal(size=98) + noise, s, np.ones((98, 1)), 1.0).p < 0.05
    assert rejected / 1000 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 1000)
    assert found > 600
