"""Grades against all weak orders of few units, with a bound that is checked, and their speed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import ndtr

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.grades import expected_loss, grades


def normal(mean, sd):
    return ndtr((mean[:, None] - mean) / np.hypot(sd[:, None], sd))


def arbitrary(k, rng):
    upper = np.triu(rng.uniform(size=(k, k)), 1)
    return upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(k)


def weak_orders(k):
    for grade in itertools.product(range(1, k + 1), repeat=k):
        if set(grade) == set(range(1, max(grade) + 1)):
            yield np.array(grade)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
@pytest.mark.parametrize("cost", [0.0, 0.25, 0.8, 1.0])
def test_best_of_all_weak_orders(k, cost):
    rng = np.random.default_rng(k)
    for p in (normal(rng.normal(size=k), rng.uniform(0.1, 2.0, k)), arbitrary(k, rng), arbitrary(k, rng)):
        found = grades(p, concordance_value=cost)
        best = min(expected_loss(g, p, concordance_value=cost)[0] for g in weak_orders(k))
        assert found.optimal
        assert found.loss == pytest.approx(best, abs=1e-9)
        assert found.bound <= best + 1e-9
        assert found.discordance + found.concordance + found.undecided == pytest.approx(1.0)


@pytest.mark.slow
def test_best_of_all_weak_orders_of_six():
    rng = np.random.default_rng(6)
    for _ in range(10):
        p = arbitrary(6, rng)
        best = min(expected_loss(g, p, concordance_value=0.25)[0] for g in weak_orders(6))
        assert grades(p).loss == pytest.approx(best, abs=1e-9)


def test_two_units_part_at_the_threshold():
    for p, parted in ((0.79, False), (0.81, True), (0.21, False), (0.19, True)):
        found = grades(np.array([[0.5, p], [1.0 - p, 0.5]]))
        assert (found.grade[0] != found.grade[1]) == parted


def test_equal_units_share_a_grade_and_cost_of_one_ranks_all():
    assert grades(np.full((7, 7), 0.5)).grade.tolist() == [1] * 7
    rng = np.random.default_rng(1)
    mean = rng.normal(size=12)
    ranked = grades(normal(mean, np.full(12, 0.5)), concordance_value=1.0)
    assert (np.argsort(ranked.grade) == np.argsort(-mean)).all()


def test_cycles_are_solved():
    p = np.array([[0.5, 0.9, 0.1], [0.1, 0.5, 0.9], [0.9, 0.1, 0.5]])
    found = grades(p)
    assert found.optimal
    assert found.loss == pytest.approx(min(expected_loss(g, p, concordance_value=0.25)[0] for g in weak_orders(3)))


def test_order_of_units_is_irrelevant():
    rng = np.random.default_rng(3)
    p = normal(rng.normal(0, 0.35, 25), rng.uniform(0.1, 0.3, 25))
    to = rng.permutation(25)
    one, other = grades(p), grades(p[np.ix_(to, to)])
    np.testing.assert_array_equal(one.grade[to], other.grade)


def national(seed, sd, k=98):
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.2, 0.6, k)
    share = sd**2 / (sd**2 + se**2)
    return normal(share * rng.normal(rng.normal(0, sd, k), se), np.sqrt(share) * se)


@pytest.mark.parametrize("sd", [0.15, 0.35])
def test_98_units_with_a_certificate(sd):
    found = grades(national(3, sd), time_limit=60.0)
    assert found.optimal
    assert -1e-12 <= found.gap < 1e-7


def test_out_of_time_says_so():
    found = grades(national(3, 0.35), time_limit=0.05)
    assert not found.optimal
    assert found.gap > 0.0
    assert found.loss <= 0.0


@pytest.mark.slow
def test_seconds():
    for seed in range(4):
        for sd in (0.15, 0.35, 1.0):
            found = grades(national(seed, sd), time_limit=30.0)
            print(f"seed {seed}, sd {sd}: {found.seconds:.1f} s, gap {found.gap:.1e}, {found.grade.max()} grades")
            assert found.optimal


def test_refusals():
    p = np.array([[0.5, 0.7], [0.3, 0.5]])
    with pytest.raises(DataError, match="add up to 1"):
        grades(np.array([[0.5, 0.7], [0.7, 0.5]]))
    with pytest.raises(DataError, match="add up to 1"):
        grades(np.array([[0.5, np.nan], [0.7, 0.5]]))
    with pytest.raises(DataError, match="two units"):
        grades(np.eye(1))
    with pytest.raises(SpecificationError, match="concordance_value"):
        grades(p, concordance_value=1.5)
    with pytest.raises(SpecificationError, match="time_limit"):
        grades(p, time_limit=0.0)
