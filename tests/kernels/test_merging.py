"""Groups put together: sums by hand, replicates one frontier at a time, and all pairs at once as one by one."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.kernels import free_disposal
from benchmodels.kernels.merging import Sums, farrell_of_hull, farrell_of_units, merged_gains, replicated_gains
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import Technology, bounds_of

SOLVER = 1e-9
PARTS = ("total", "corrected", "harmony", "learning", "size")


def goods(n=20, m=2, s=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(1, 10, (n, m)), rng.uniform(1, 10, (n, s))


def groups(n=20, seed=1):
    rng = np.random.default_rng(seed)
    some = [np.sort(rng.choice(n, size, replace=False)) for size in (2, 3, 2, 5, 2, 4)]
    return some, Sums(np.concatenate(some), np.concatenate([[0], np.cumsum([len(g) for g in some])]))


def test_sums():
    some, sums = groups()
    values = np.arange(40.0).reshape(20, 2)
    np.testing.assert_array_equal(sums.of(values), [values[g].sum(axis=0) for g in some])
    fewer = sums.some(np.array([4, 1]))
    np.testing.assert_array_equal(fewer.of(values), sums.of(values)[[4, 1]])
    assert fewer.size.tolist() == [2, 3]
    assert len(fewer) == 2


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("returns", ["vrs", "crs", "drs", "irs"])
def test_together_as_one_by_one(returns, side):
    x, y = goods()
    some, sums = groups()
    technology = Technology(x, y, bounds_of(returns))
    farrell = farrell_of_hull(technology, side)
    found = merged_gains(farrell, x, y, sums, side, cone=technology.cone)
    for row, group in enumerate(some):
        alone = merged_gains(farrell, x, y, Sums(group, np.array([0, len(group)])), side)
        for part in PARTS:
            np.testing.assert_allclose(getattr(found, part)[row], getattr(alone, part)[0], rtol=SOLVER)


@pytest.mark.parametrize("side", ["input", "output"])
def test_replicates_are_frontiers_one_at_a_time(side):
    x, y = goods(30)
    some, sums = groups(30)
    technology, rng = Technology(x, y, (1.0, 1.0)), np.random.default_rng(3)
    sets = [np.sort(rng.choice(30, 14, replace=False)) for _ in range(5)]
    found = replicated_gains(technology, x, y, sums, side, sets)
    assert found.total.shape == (5, len(some))
    assert found.unit.shape == (5, 30)
    for row, units in enumerate(sets):
        alone = merged_gains(
            farrell_of_hull(Technology(x[units], y[units], (1.0, 1.0)), side), x, y, sums, side
        )  # fmt: skip
        lost = alone.status != OPTIMAL
        np.testing.assert_array_equal(found.status[row] != OPTIMAL, lost)
        for part in PARTS:
            truth = np.where(lost, np.nan, getattr(alone, part))
            np.testing.assert_allclose(getattr(found, part)[row], truth, rtol=SOLVER)


def test_a_unit_that_the_frontier_ends_short_of_leaves_its_group_without_answer():
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [9.0]])
    found = replicated_gains(
        Technology(x, y, (1.0, 1.0)), x, y, Sums(np.array([0, 1, 0, 2]), np.array([0, 2, 4])), "input",
        [np.array([0, 1])],
    )  # fmt: skip
    assert np.isnan(found.total).all()
    assert (found.status == INFEASIBLE).all()


def test_the_mean_of_equal_units_is_the_unit():
    x, y = np.full((3, 1), 0.1), np.full((3, 2), 0.7)
    farrell = farrell_of_units(free_disposal.Goods(x, y), "input")
    found = merged_gains(farrell, x, y, Sums(np.arange(3), np.array([0, 3])), "input", convex=False)
    np.testing.assert_allclose(found.harmony, 1.0, rtol=1e-12)
    assert np.isnan(found.total).all()
