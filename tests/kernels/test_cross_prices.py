"""Prices of cross-efficiency against the programs of Doyle and Green (1994), solved in prices, unit by unit."""

import numpy as np
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.kernels import cross_prices as module
from benchmodels.kernels.cross_prices import cross_prices
from benchmodels.kernels.shared_simplex import OPTIMAL, STALLED, UNBOUNDED, maximise
from benchmodels.kernels.technology import Technology
from tests import plain_measures

# HiGHS in the oracle.
SOLVER = 1e-6
CERTIFIED = 1e-9
CONE = (0.0, np.inf)


def problem(seed=0, n=25, m=3, s=2, *, whole=False):
    rng = np.random.default_rng(seed)
    if whole:
        return rng.integers(1, 9, (n, m)).astype(float), rng.integers(1, 9, (n, s)).astype(float)
    return rng.lognormal(0, 0.5, (n, m)), rng.lognormal(0, 0.5, (n, s))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("surrogate", ["ratio", "difference"])
@pytest.mark.parametrize("goal", ["benevolent", "aggressive"])
def test_plain_programs(goal, surrogate, whole):
    x, y = problem(1 + whole, whole=whole)
    theta = np.array([plain_measures.best_ratio(x, y, i)[0] for i in range(25)])
    found = cross_prices(Technology(x, y, CONE), theta, goal=goal, surrogate=surrogate)
    assert np.all(found.status == OPTIMAL) and found.residual.max() <= CERTIFIED
    v, u = found.price[:, :3], found.price[:, 3:]
    rating = (u @ y.T) / (v @ x.T)
    np.testing.assert_allclose(np.diag(rating), theta, rtol=1e-9)
    assert rating.max() <= 1 + 1e-9 and found.price.min() >= -1e-12
    for i in range(25):
        others = np.arange(25) != i
        total = v[i] @ x[others].sum(axis=0), u[i] @ y[others].sum(axis=0)
        reached = total[1] / total[0] if surrogate == "ratio" else (total[1] - total[0]) / (v[i] @ x[i])
        wanted, _ = plain_measures.second_goal(x, y, i, theta[i], goal, surrogate)
        np.testing.assert_allclose(reached, wanted, rtol=SOLVER, atol=SOLVER)


def test_where_prices_are_unique_other_goals_agree():
    # One input and one output: there is one ratio of prices, whatever the goal.
    x, y = problem(3, m=1, s=1)
    theta = (y / x)[:, 0] / (y / x).max()
    kinds = [(g, s) for g in ("benevolent", "aggressive") for s in ("ratio", "difference")]
    found = [cross_prices(Technology(x, y, CONE), theta, goal=g, surrogate=s) for g, s in kinds]
    ratio = [each.price[:, 1] / each.price[:, 0] for each in found]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], (4, 25)), rtol=1e-10)


def test_what_stalls_is_solved_one_by_one(monkeypatch):
    x, y = problem(4)
    theta = np.array([plain_measures.best_ratio(x, y, i)[0] for i in range(25)])
    warm = {g: cross_prices(Technology(x, y, CONE), theta, goal=g) for g in ("benevolent", "aggressive")}

    def stalling(*arguments, **options):
        found = maximise(*arguments, **options)
        found.status[:] = STALLED
        return found

    monkeypatch.setattr(module, "maximise", stalling)
    for goal, first in warm.items():
        cold = cross_prices(Technology(x, y, CONE), theta, goal=goal)
        assert np.all(cold.status == OPTIMAL)
        one = first.price / np.abs(first.price).max(axis=1, keepdims=True)
        other = cold.price / np.abs(cold.price).max(axis=1, keepdims=True)
        np.testing.assert_allclose(other[first.unique], one[first.unique], rtol=1e-6, atol=1e-8)


def test_an_input_that_costs_the_rater_nothing():
    # The first uses nothing of the second input: at any price of it the others can be made to look as bad as one likes.
    x, y = np.array([[1.0, 0.0], [1.0, 1.0], [2.0, 1.0]]), np.array([[1.0], [1.5], [1.0]])
    theta = np.array([plain_measures.best_ratio(x, y, i)[0] for i in range(3)])
    found = cross_prices(Technology(x, y, CONE), theta, goal="aggressive", surrogate="difference")
    assert found.status.tolist()[0] == UNBOUNDED and np.isnan(found.price[0]).all()
    assert np.all(found.status[1:] == OPTIMAL)


def test_a_unit_whose_own_ratio_is_not_known():
    x, y = problem(6)
    theta = np.array([plain_measures.best_ratio(x, y, i)[0] for i in range(25)])
    first = cross_prices(Technology(x, y, CONE), theta, goal="benevolent")
    theta[3] = np.nan
    found = cross_prices(Technology(x, y, CONE), theta, goal="benevolent")
    assert found.status[3] == STALLED and np.isnan(found.price[3]).all()
    rest = np.arange(25) != 3
    np.testing.assert_array_equal(found.price[rest], first.price[rest])


@pytest.mark.parametrize("scale", [1.0, [1e-9, 1e9, 1e3, 1e-6], [7.0, 1e-3, 1e8, 1e-9]])
def test_a_price_of_rounding_is_none(scale):
    # The first unit has goods that some raters price at nothing: rounding over rounding was a rating of 1.
    x = np.array([[0.0, 1], [2, 5], [4, 3], [4, 2], [3, 0], [4, 2]])
    y = np.array([[4.0, 0], [4, 3], [4, 3], [1, 4], [2, 5], [4, 2]])
    goods = np.hstack([x, y]) * scale
    theta = np.array([plain_measures.best_ratio(x, y, i)[0] for i in range(6)])
    technology = Technology(goods[:, :2], goods[:, 2:], CONE)
    for goal in ("benevolent", "aggressive"):
        for surrogate in ("ratio", "difference"):
            found = cross_prices(technology, theta, goal=goal, surrogate=surrogate)
            per_good = found.price[found.status == OPTIMAL] * np.asarray(scale)
            assert np.all((per_good == 0.0) | (per_good > 1e-6))


def test_refuses():
    x, y = problem(5)
    with pytest.raises(SpecificationError, match="constant returns"):
        cross_prices(Technology(x, y, (1.0, 1.0)), np.ones(25), goal="benevolent")
    with pytest.raises(SpecificationError, match="two units"):
        cross_prices(Technology(x[:1], y[:1], CONE), np.ones(1), goal="benevolent")
