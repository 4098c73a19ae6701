"""Units drawn from their smoothed distribution: moments, identities, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmodels.errors import DataError
from benchmodels.kernels import heterogeneous_scores
from benchmodels.kernels.heterogeneous_scores import (
    angles_of,
    cloud_of,
    normal_bandwidth,
    smoothed_units,
    unit_vectors,
)
from benchmodels.kernels.technology import Technology, bounds_of

N = 50


def tables(returns, side, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.uniform(4, 6, (N, 3))
    y = np.exp(-np.abs(rng.normal(0, 0.2, N)))[:, None] * x.mean(axis=1, keepdims=True) * rng.uniform(0.8, 1.2, (N, 2))
    technology = Technology(x, y, bounds_of(returns))
    moving = np.repeat([side == "input", side == "output"], [3, 2])
    delta = np.array([distance(technology, x[i], y[i], side, returns) for i in range(N)])
    return technology, moving, np.maximum(delta, 1.0)


def distance(technology, x, y, side, returns):
    """Return the distance of a point to the frontier, by one program."""
    n, m, s = len(technology.inputs), len(x), len(y)
    share = np.concatenate([-x, np.zeros(s)]) if side == "input" else np.concatenate([np.zeros(m), y])
    rows = np.hstack([np.vstack([technology.inputs.T, -technology.outputs.T]), share[:, None]])
    limits = np.concatenate([np.zeros(m), -y]) if side == "input" else np.concatenate([x, np.zeros(s)])
    equal = {"A_eq": np.append(np.ones(n), 0.0)[None], "b_eq": [1.0]} if returns == "vrs" else {}
    cost = np.append(np.zeros(n), 1.0 if side == "input" else -1.0)
    found = linprog(cost, A_ub=rows, b_ub=limits, bounds=(0, None), method="highs", **equal)
    assert found.status == 0
    return 1 / found.x[-1] if side == "input" else found.x[-1]


def test_angles_there_and_back():
    rng = np.random.default_rng(0)
    goods = rng.uniform(0, 1, (200, 4)) * (rng.uniform(size=(200, 4)) < 0.7)
    goods = goods[goods.any(axis=1)]
    angles = angles_of(goods)
    assert angles.shape == (len(goods), 3) and (angles >= 0).all() and (angles <= np.pi / 2).all()
    np.testing.assert_allclose(unit_vectors(angles), goods / np.linalg.norm(goods, axis=1, keepdims=True), atol=1e-15)
    assert angles_of(goods[:, :1]).shape == (len(goods), 0)
    np.testing.assert_array_equal(unit_vectors(np.zeros((3, 0))), np.ones((3, 1)))


def test_the_normal_reference_is_least_in_mean_square():
    """Of one dimension: the known 1.059 n^(-1/5)."""
    assert normal_bandwidth(100, 1) == pytest.approx((4 / 3) ** 0.2 * 100**-0.2)


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_without_smoothing_the_units_come_again(returns, side):
    technology, moving, delta = tables(returns, side)
    cloud = cloud_of(technology, moving, delta)
    pool, vain = smoothed_units(
        technology, moving, side, cloud, bandwidth=1e-12, replicates=4, rng=np.random.default_rng(3)
    )
    goods = np.hstack([technology.inputs, technology.outputs])
    drawn = np.hstack([pool.inputs, pool.outputs])
    assert drawn.shape == (4 * N, 5) and vain <= 2
    nearest = np.abs(drawn[:, None] / goods - 1).max(axis=2)
    assert nearest.min(axis=1).max() < 1e-8
    # Drawn with replacement: about a third of the units is left out of a replicate.
    assert 0.5 < np.mean([len(set(part.argmin(axis=1))) for part in nearest.reshape(4, N, N)]) / N < 0.75


@pytest.mark.parametrize("side", ["input", "output"])
def test_moments_and_distances(side):
    """Under constant returns every ray meets the frontier: what is drawn has the mean and the covariance of the units.

    Distances are those to the frontier of the units along the ray, and, mirrored at 1, smoothed as well: about 1 their
    mean square is that of the units' own and of the kernel, over 1 + h².
    """
    technology, moving, delta = tables("crs", side)
    cloud, h, r = cloud_of(technology, moving, delta), 0.4, 60
    np.testing.assert_allclose(cloud.root.T @ cloud.root, np.cov(cloud.place.T, bias=True), atol=1e-15)
    pool, vain = smoothed_units(
        technology, moving, side, cloud, bandwidth=h, replicates=r, rng=np.random.default_rng(5)
    )
    assert vain == 0
    goods = np.hstack([pool.inputs, pool.outputs]) / technology.scale
    drawn = np.column_stack([angles_of(goods[:, moving]), goods[:, ~moving]])
    count, place = r * N, cloud.place[:, 1:]
    spread = place.std(axis=0)
    np.testing.assert_allclose(drawn.mean(axis=0), place.mean(axis=0), atol=4 * spread.max() / np.sqrt(count))
    theirs = np.corrcoef(drawn.T) * np.outer(drawn.std(axis=0), drawn.std(axis=0)) / np.outer(spread, spread)
    np.testing.assert_allclose(theirs, np.corrcoef(place.T), atol=6 / np.sqrt(count) + 1 / N)
    away = np.array([distance(technology, pool.inputs[i], pool.outputs[i], side, "crs") for i in range(0, count, 5)])
    assert away.min() >= 1 - 1e-9
    square = (np.mean((delta - 1) ** 2) + h**2 * delta.var()) / (1 + h**2)
    off = (away - 1) ** 2
    assert abs(off.mean() - square) < 4 * off.std() / np.sqrt(len(off)) + square / N


def test_distance_and_place_stay_together():
    """Waste that grows with size, all far from the frontier: the mirrored half is drawn by a mirrored kernel.

    What is drawn has the covariance of the units, and distances shrink towards the mirror, to (δ - 1) / √(1 + h²).
    """
    rng, h, r = np.random.default_rng(2), 0.8, 400
    y = rng.uniform(5, 9, (N, 1))
    delta = 4 + 0.1 * (y.ravel() - 7) + rng.normal(0, 0.1, N)
    technology, moving = Technology(y, y, bounds_of("crs")), np.array([True, False])
    cloud = cloud_of(technology, moving, delta)
    pool, vain = smoothed_units(technology, moving, "input", cloud, bandwidth=h, replicates=r, rng=rng)
    away, size = (pool.inputs / pool.outputs).ravel(), pool.outputs.ravel()
    assert vain == 0
    assert (away - 1).mean() == pytest.approx((delta - 1).mean() / np.sqrt(1 + h**2), rel=0.01)
    assert np.cov(away, size)[0, 1] == pytest.approx(np.cov(delta, y.ravel())[0, 1], rel=0.1)
    # About 1 the mirrored halves have a mean that differs from replicate to replicate, and so much more variance.
    centre = (delta - 1).mean() ** 2 / N * (1 - 1 / np.sqrt(1 + h**2)) ** 2
    assert away.var() == pytest.approx(
        (((delta - 1) ** 2).mean() + h**2 * delta.var()) / (1 + h**2) - (delta - 1).mean() ** 2 / (1 + h**2) + centre,
        rel=0.1,
    )


def test_what_cannot_be_is_drawn_again(monkeypatch):
    technology, moving, delta = tables("vrs", "input")
    asked = (technology, moving, "input", cloud_of(technology, moving, delta))
    pool, vain = smoothed_units(*asked, bandwidth=0.5, replicates=3, rng=np.random.default_rng(1))
    assert 0 < vain < 3 * N
    for i in range(0, 3 * N, 7):
        assert distance(technology, pool.inputs[i], pool.outputs[i], "input", "vrs") >= 1 - 1e-9
    monkeypatch.setattr(heterogeneous_scores, "_ROUNDS", 1)
    with pytest.raises(DataError, match=r"a bandwidth below 0\.5 is needed"):
        smoothed_units(*asked, bandwidth=0.5, replicates=3, rng=np.random.default_rng(1))


def test_units_of_measure_and_goods_that_are_sums_of_others():
    technology, moving, delta = tables("crs", "input")
    by = np.array([1e8, 1e-8, 3.0, 7.0, 1e5])
    goods = np.hstack([technology.inputs, technology.outputs]) * by
    other = Technology(goods[:, :3], goods[:, 3:], technology.bounds)
    drawn = []
    for each in (technology, other):
        cloud = cloud_of(each, moving, delta)
        pool, _ = smoothed_units(
            each, moving, "input", cloud, bandwidth=0.3, replicates=2, rng=np.random.default_rng(1)
        )
        drawn.append(np.hstack([pool.inputs, pool.outputs]))
    np.testing.assert_allclose(drawn[0] * by, drawn[1], rtol=1e-7)
    twice = Technology(technology.inputs, technology.outputs[:, [0, 0]], technology.bounds)
    cloud = cloud_of(twice, moving, delta)
    pool, _ = smoothed_units(twice, moving, "input", cloud, bandwidth=0.3, replicates=2, rng=np.random.default_rng(1))
    np.testing.assert_allclose(pool.outputs[:, 0], pool.outputs[:, 1], rtol=1e-6)
