"""Outcomes shrunken together: against one by one, the plain formula, and what was planted."""

import numpy as np
import pytest
from scipy.optimize import minimize

from benchmodels.errors import SpecificationError
from benchmodels.kernels.empirical_bayes import normal_posterior
from benchmodels.kernels.shrunken_draws import between_covariance, shrunken_outcomes


def drawn(k=200, seed=0, rho=0.5):
    rng = np.random.default_rng(seed)
    between = np.array([[1.0, 0.6, 0.2], [0.6, 2.0, -0.3], [0.2, -0.3, 0.5]])
    truth = rng.multivariate_normal([1.0, -2.0, 3.0], between, k)
    error = rng.uniform(0.3, 1.2, (k, 3))
    noise = rng.multivariate_normal(np.zeros(3), np.full((3, 3), rho) + (1 - rho) * np.eye(3), k)
    return truth + error * noise, error, truth, between


def test_one_outcome_is_shrunken_as_by_itself():
    y, s, _, _ = drawn()
    found = shrunken_outcomes(y[:, :1], s[:, :1], correlation=0.0, names=["a"])
    alone = normal_posterior(y[:, 0], s[:, 0], np.ones((200, 1)))
    assert found.between[0, 0] == pytest.approx(alone.tau2, rel=1e-4)
    np.testing.assert_allclose(found.mean[:, 0], alone.mean, rtol=1e-4)
    np.testing.assert_allclose(found.root[:, 0, 0] ** 2, alone.own_variance, rtol=1e-4)
    np.testing.assert_allclose(found.shared[0], alone.shared, rtol=1e-9)


def test_the_restricted_likelihood_has_its_top_there():
    y, s, _, _ = drawn(60)
    cover = np.einsum("kq,kr,qr->kqr", s, s, np.full((3, 3), 0.5) + 0.5 * np.eye(3))
    mean, between = between_covariance(y, cover)

    def plain(packed):
        root = np.zeros((3, 3))
        root[np.tril_indices(3)] = packed
        total = root @ root.T + cover
        weight = np.linalg.inv(total)
        middle = np.linalg.solve(weight.sum(axis=0), np.einsum("kqr,kr->q", weight, y))
        apart = y - middle
        return 0.5 * (
            np.linalg.slogdet(total)[1].sum() + np.linalg.slogdet(weight.sum(axis=0))[1]
            + np.einsum("kq,kqr,kr->", apart, weight, apart)
        )  # fmt: skip

    start = np.linalg.cholesky(between + 1e-6 * np.eye(3))[np.tril_indices(3)]
    again = minimize(plain, start, method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-10})
    assert plain(start) <= again.fun + 1e-5
    weight = np.linalg.inv(between + cover)
    np.testing.assert_allclose(mean, np.linalg.solve(weight.sum(axis=0), np.einsum("kqr,kr->q", weight, y)), rtol=1e-9)


def test_what_was_planted_is_found():
    y, s, truth, between = drawn(4000, rho=0.5)
    found = shrunken_outcomes(y, s, correlation=0.5, names="abc")
    np.testing.assert_allclose(found.between, between, atol=0.15)
    assert np.mean((found.mean - truth) ** 2) < 0.8 * np.mean((y - truth) ** 2)
    z = np.einsum("kqr,kr->kq", np.linalg.inv(found.root), found.mean - truth)
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=0.05)
    np.testing.assert_allclose(np.corrcoef(z.T), np.eye(3), atol=0.06)


def test_draws_have_the_mean_and_covariance_that_they_say():
    y, s, _, _ = drawn(12)
    found = shrunken_outcomes(y, s, correlation=0.2, names="abc")
    draws = found.draw(40_000, np.random.default_rng(0))
    np.testing.assert_allclose(draws.mean(axis=0), found.mean, atol=0.03)
    spread = found.root @ found.root.transpose(0, 2, 1)
    for j, shared in enumerate(found.shared):
        spread[:, j, j] += (shared**2).sum(axis=1)
    np.testing.assert_allclose(np.array([np.cov(draws[:, i].T) for i in range(12)]), spread, atol=0.05)


def test_units_of_measure_do_not_matter():
    y, s, _, _ = drawn(50)
    found = shrunken_outcomes(y, s, correlation=0.3, names="abc")
    scale = np.array([1e9, 1e-9, 1.0])
    again = shrunken_outcomes(y * scale, s * scale, correlation=0.3, names="abc")
    np.testing.assert_allclose(again.mean / scale, found.mean, rtol=1e-6)
    np.testing.assert_allclose(again.root / scale[:, None], found.root, atol=1e-6)


def test_an_outcome_without_a_known_error_stays():
    y, s, _, _ = drawn(50)
    s[3, 1] = np.nan
    found = shrunken_outcomes(y, s, correlation=0.3, names="abc")
    assert found.mean[3, 1] == pytest.approx(y[3, 1], rel=1e-12)
    assert not found.known[3, 1]
    draws = found.draw(50, np.random.default_rng(0))
    np.testing.assert_allclose(draws[:, 3, 1], y[3, 1], rtol=1e-9)
    assert draws[:, 3, 0].std() > 0.1


@pytest.mark.parametrize("correlation", ["much", 1.0, -0.6, np.nan, np.eye(2), np.full((3, 3), 0.2)])
def test_what_is_no_correlation(correlation):
    y, s, _, _ = drawn(20)
    with pytest.raises(SpecificationError, match="noise_correlation"):
        shrunken_outcomes(y, s, correlation=correlation, names="abc")


def test_too_few_units():
    y, s, _, _ = drawn(5)
    with pytest.raises(SpecificationError, match="6 are needed"):
        shrunken_outcomes(y, s, correlation=0.0, names="abc")
