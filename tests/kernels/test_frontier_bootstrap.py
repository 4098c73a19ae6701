"""Resampled frontiers by plain loops: one program at a time, by another solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmodels.kernels.frontier_bootstrap import (
    Replicates,
    merged,
    pseudo_replicates,
    rate,
    strange_replicates,
    subset_replicates,
)
from benchmodels.kernels.technology import Technology, bounds_of

N = 14


@pytest.fixture(scope="module")
def goods():
    rng = np.random.default_rng(8)
    x = rng.uniform(2, 9, (N, 2))
    y = np.sqrt(x.prod(axis=1))[:, None] * np.exp(-np.abs(rng.normal(0, 0.3, N)))[:, None]
    return x, np.hstack([y, y * rng.uniform(0.5, 2.0, (N, 1))])


def program(pool, point, step, returns):
    """Return the steps to the frontier of a pool, and the weights there, or None."""
    (px, py), (x, y) = pool, point
    m = len(x)
    rows = np.hstack([np.vstack([px.T, -py.T]), np.concatenate([step[:m], step[m:]])[:, None]])
    equal = {"A_eq": np.append(np.ones(len(px)), 0.0)[None], "b_eq": [1.0]} if returns == "vrs" else {}
    if returns == "drs":
        rows = np.vstack([rows, np.append(np.ones(len(px)), 0.0)])
    limits = np.concatenate([x, -y, [1.0] * (returns == "drs")])
    cost = np.append(np.zeros(len(px)), -1.0)
    found = linprog(
        cost, A_ub=rows, b_ub=limits, bounds=[(0, None)] * len(px) + [(None, None)], method="highs", **equal
    )
    return (found.x[-1], found.x[:-1]) if found.status == 0 else None


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs"])
@pytest.mark.parametrize("side", ["input", "output"])
def test_pseudo_units_one_program_at_a_time(goods, returns, side):
    x, y = goods
    step = np.hstack([x, 0 * y]) if side == "input" else np.hstack([0 * x, y])
    own = np.array([program(goods, (x[i], y[i]), step[i], returns)[0] for i in range(N)])
    delta = np.maximum(1 / (1 - own) if side == "input" else 1 + own, 1.0)
    drawn = 1 + np.abs(np.random.default_rng(1).normal(0, 0.4, (3, N)))
    found = pseudo_replicates(x, y, step, bounds_of(returns), side, delta=delta, drawn=drawn)
    assert found.inside.all() and not found.stalled.any()
    expected, met = np.empty((3, N)), np.zeros((N, N), dtype=int)
    for r in range(3):
        move = (drawn[r] / delta)[:, None]
        pool = (x * move, y) if side == "input" else (x, y / move)
        for i in range(N):
            beta, weight = program(pool, (x[i], y[i]), step[i], returns)
            expected[r, i] = 1 / (1 - beta) if side == "input" else 1 + beta
            met[i] += weight > 1e-8
    np.testing.assert_allclose(found.distance, expected, rtol=1e-8)
    unit, peer = np.divmod(found.pair, N)
    counted = np.zeros((N, N), dtype=int)
    counted[unit, peer] = found.count
    np.testing.assert_array_equal(counted, met)
    assert (found.chance == 3).all()


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs"])
def test_subsets_and_strangers_one_program_at_a_time(goods, returns):
    x, y = goods
    step, rng = np.hstack([0.5 * x, 0.2 * y]), np.random.default_rng(2)
    sets = [np.sort(rng.choice(N, 7, replace=False)) for _ in range(4)]
    technology = Technology(x, y, bounds_of(returns))
    found = subset_replicates(technology, step, "directional", sets)
    expected, met, could = np.full((4, N), np.nan), np.zeros((N, N), dtype=int), np.zeros((N, N), dtype=int)
    for r, units in enumerate(sets):
        for i in range(N):
            beta, weight = program((x[units], y[units]), (x[i], y[i]), step[i], returns)
            expected[r, i] = beta
            met[i, units] += weight > 1e-8
            could[i, units] += 1
    np.testing.assert_allclose(found.distance, expected, atol=1e-8)
    unit, peer = np.divmod(found.pair, N)
    np.testing.assert_array_equal(found.pair, np.flatnonzero(met))
    np.testing.assert_array_equal(found.count, met[unit, peer])
    np.testing.assert_array_equal(found.chance, could[unit, peer])
    assert np.array_equal(found.inside.sum(axis=1), [7] * 4)

    others = Technology(np.vstack([1.1 * x, 1.2 * x]), np.vstack([y, 0.9 * y]), bounds_of(returns))
    inputs = np.hstack([x, 0 * y])
    theirs = strange_replicates(technology, inputs, "input", others).distance
    for r, by in enumerate([(1.1, 1.0), (1.2, 0.9)]):
        for i in range(N):
            one = program((by[0] * x, by[1] * y), (x[i], y[i]), inputs[i], returns)
            np.testing.assert_allclose(theirs[r, i], np.nan if one is None else 1 / (1 - one[0]), rtol=1e-8)
    assert np.isnan(theirs[1]).any() == (returns != "crs")


def test_a_frontier_that_ends_short_gives_no_chance():
    """Who makes more than all of a set has no answer there, and meets nobody."""
    x, y = np.array([[1.0], [1.5], [3.0], [4.0]]), np.array([[1.0], [2.0], [3.0], [2.5]])
    technology = Technology(x, y, bounds_of("vrs"))
    found = subset_replicates(technology, np.hstack([x, 0 * y]), "input", [np.array([0, 1]), np.array([1, 2])])
    assert np.isnan(found.distance).tolist() == [[False, False, True, True], [False] * 4] and not found.stalled.any()
    told = dict(zip(found.pair.tolist(), zip(found.count.tolist(), found.chance.tolist(), strict=True), strict=True))
    # Unit 3 is held against 1 and 2 in the second set; in the first, which holds 1 as well, against nobody.
    assert told[3 * 4 + 1] == told[3 * 4 + 2] == told[2 * 4 + 2] == (1, 1)
    assert told[1 * 4 + 1] == (2, 2) and 2 * 4 + 1 not in told


def test_parts_are_put_together():
    def part(pair, count, rows):
        return Replicates(
            distance=np.ones((rows, 2)), stalled=np.array([rows, 0]), inside=np.ones((rows, 2), dtype=bool),
            pair=np.array(pair), count=np.array(count),
        )  # fmt: skip

    found = merged([part([0, 2], [1, 2], 2), part([0, 3], [1, 1], 3)])
    assert found.pair.tolist() == [0, 2, 3] and found.count.tolist() == [2, 2, 1]
    assert found.distance.shape == (5, 2) and found.stalled.tolist() == [5, 0] and found.chance.tolist() == [5, 5, 5]


def test_rates():
    assert [rate(4, bounds_of(returns)) for returns in ("crs", "vrs", "drs", "irs")] == [0.5, 0.4, 0.4, 0.4]
