"""Ideal points and the way there, against a program for each good."""

import numpy as np
import pytest

from benchmodels.kernels.ideal_points import towards_ideal
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import Technology, bounds_of
from tests import plain_measures

SOLVER = 1e-6


@pytest.mark.parametrize("returns", ["vrs", "crs", "drs", "irs", (0.8, 1.2)])
@pytest.mark.parametrize("moves", [(True, True, False, False), (False, False, True, True), (True, False, True, True)])
def test_plain_programs(returns, moves):
    rng = np.random.default_rng(1)
    x, y = rng.lognormal(0, 0.5, (25, 2)), rng.lognormal(0, 0.5, (25, 2))
    found = towards_ideal(Technology(x, y, bounds_of(returns)), x, y, np.array(moves), own=np.arange(25))
    assert np.all(found.status == OPTIMAL)
    for i in range(25):
        ideal = [plain_measures.alone(x, y, x[i], y[i], g, returns) if moves[g] else 0.0 for g in range(4)]
        np.testing.assert_allclose(found.potential[i], ideal, rtol=SOLVER, atol=SOLVER)
        if max(ideal) > SOLVER:
            beta = plain_measures.along(x, y, x[i], y[i], found.potential[i], returns)
            np.testing.assert_allclose(found.beta[i], beta, rtol=SOLVER)
        else:
            assert found.beta[i] == 0.0


def test_one_good_goes_all_the_way():
    rng = np.random.default_rng(2)
    x, y = rng.lognormal(0, 0.5, (25, 1)), rng.lognormal(0, 0.5, (25, 2))
    found = towards_ideal(Technology(x, y, (1.0, 1.0)), x, y, np.array([True, False, False]), own=np.arange(25))
    np.testing.assert_allclose(found.beta, found.potential[:, 0] > 0, atol=1e-12)


def test_beyond_the_frontier_there_is_no_ideal_point():
    x, y = np.array([[1.0], [2.0]]), np.array([[1.0], [2.0]])
    technology = Technology(x, y, (1.0, 1.0))
    at, made = np.array([[0.9], [1.6], [3.0]]), np.array([[1.0], [2.5], [1.5]])
    found = towards_ideal(technology, at, made, np.array([True, False]), own=np.full(3, ARTIFICIAL))
    assert found.status.tolist() == [INFEASIBLE, INFEASIBLE, OPTIMAL]
    np.testing.assert_allclose(found.potential[2], [1.5, 0.0])
    assert np.isnan(found.beta[:2]).all() and np.isnan(found.potential[:2]).all()
