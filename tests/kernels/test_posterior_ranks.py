"""Posterior ranks against normal closed forms, a plain loop and all rankings of few units."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import ndtr

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import posterior_ranks as module
from benchmodels.kernels.posterior_ranks import above, above_by_draws, posterior_ranks


def sample(k=6, b=20_000, seed=0):
    rng = np.random.default_rng(seed)
    mean, root = rng.normal(size=k), rng.normal(size=(k, k)) / 2
    return mean, root @ root.T, mean + rng.normal(size=(b, k)) @ root.T


def test_expected_ranks_are_the_closed_form_for_a_correlated_posterior():
    mean, s, draws = sample()
    found = posterior_ranks(draws, tau=2, threshold=0.3)
    p = above(mean, s)
    error = 4 * np.sqrt(36 / 12 / len(draws))
    np.testing.assert_allclose(found.expected, 6.5 - p.sum(axis=1), atol=error)
    np.testing.assert_allclose(found.exceeds, ndtr((mean - 0.3) / np.sqrt(np.diag(s))), atol=4 * 0.5 / np.sqrt(20_000))
    np.testing.assert_allclose(above_by_draws(draws), p, atol=4 * 0.5 / np.sqrt(20_000))
    assert found.expected.sum() == pytest.approx(21.0)
    assert found.first.sum() == pytest.approx(1.0)
    assert found.among.sum() == pytest.approx(2.0)


def test_plain_loop_with_ties_and_blocks(monkeypatch):
    draws = np.random.default_rng(1).integers(0, 4, size=(57, 5)).astype(float)
    monkeypatch.setattr(module, "_BLOCK", 10)
    found = posterior_ranks(draws, tau=3)
    low = np.array([[1 + (row > value).sum() for value in row] for row in draws])
    mean = np.array([[(row > value).sum() + ((row == value).sum() + 1) / 2 for value in row] for row in draws])
    np.testing.assert_allclose(found.expected, mean.mean(axis=0))
    np.testing.assert_allclose(found.first, (low == 1).mean(axis=0))
    np.testing.assert_allclose(found.among, (low <= 3).mean(axis=0))
    plain = [
        [((draws[:, i] > draws[:, j]).mean() + (draws[:, i] >= draws[:, j]).mean()) / 2 for j in range(5)]
        for i in range(5)
    ]
    np.testing.assert_allclose(above_by_draws(draws), plain)


def test_no_ranking_has_a_smaller_loss():
    _, _, draws = sample(k=5, b=500, seed=3)
    true = 1 + (draws[:, None, :] > draws[:, :, None]).sum(axis=2)
    found = posterior_ranks(draws, tau=2)
    loss = {r: ((true - np.array(r)) ** 2).mean() for r in itertools.permutations(range(1, 6))}
    assert loss[tuple(found.rank.tolist())] == pytest.approx(min(loss.values()))
    wrong = {s: ((true <= 2) != np.isin(np.arange(5), s)).mean() for s in itertools.combinations(range(5), 2)}
    chosen = tuple(np.flatnonzero(found.among_rank <= 2).tolist())
    assert wrong[chosen] == pytest.approx(min(wrong.values()))


def test_units_of_measure_and_order_are_irrelevant():
    mean, s, draws = sample(b=1000)
    to = np.random.default_rng(2).permutation(6)
    one, other = posterior_ranks(draws, tau=2), posterior_ranks(1e8 * draws[:, to] + 1e8, tau=2)
    np.testing.assert_allclose(one.expected[to], other.expected)
    np.testing.assert_allclose(above(mean, s), above(1e-8 * mean, 1e-16 * s), rtol=1e-10)


def test_certain_units():
    p = above(np.array([0.0, 0.0, 1.0]), np.zeros(3))
    np.testing.assert_array_equal(p, [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1.0, 1.0, 0.5]])
    alone = posterior_ranks(np.zeros((4, 1)), tau=1)
    assert alone.expected.tolist() == alone.among.tolist() == [1.0]


def test_refusals():
    with pytest.raises(DataError, match="finite"):
        posterior_ranks(np.array([[1.0, np.nan]]), tau=1)
    with pytest.raises(SpecificationError, match="tau=3"):
        posterior_ranks(np.zeros((4, 2)), tau=3)
    with pytest.raises(DataError, match="semidefinite"):
        above(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))
