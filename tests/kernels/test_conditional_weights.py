"""Weights by what surrounds units, and their bandwidths: plain loops over pairs, identities, what must not matter."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import conditional_bandwidths
from benchmodels.kernels.conditional_bandwidths import candidates, cross_validated, prediction_errors
from benchmodels.kernels.conditional_weights import (
    Surroundings,
    effective_number,
    flat,
    kernel_weights,
    weights_of,
)
from benchmodels.kernels.free_disposal import Goods

KINDS = ("continuous", "unordered", "ordered")


def surrounded(n, seed, kinds=KINDS):
    rng = np.random.default_rng(seed)
    make = {
        "continuous": lambda: rng.normal(size=n),
        "unordered": lambda: rng.integers(0, 3, n).astype(float),
        "ordered": lambda: rng.integers(0, 4, n).astype(float),
    }
    return Surroundings(values=np.column_stack([make[kind]() for kind in kinds]), kinds=kinds)


def weight_of(a, b, kinds, width):
    """Return the weight of one pair, by the definition."""
    weight = 1.0
    for kind, u, v, h in zip(kinds, a, b, width, strict=True):
        if kind == "continuous":
            weight *= max(0.0, 1.0 - ((u - v) / h) ** 2)
        elif kind == "unordered":
            weight *= 1.0 if u == v else h
        else:
            weight *= h ** abs(u - v)
    return weight


def kernel(u, v, b=0.1):
    """Return the normal kernel on [0, 1], reflected at both ends."""
    images = [2 * k + sign * v for k in range(-2, 3) for sign in (1, -1)]
    return sum(np.exp(-0.5 * ((u - image) / b) ** 2) for image in images) / (b * np.sqrt(2 * np.pi))


def criterion(cost, values, kinds, width, left=None):
    """Return the least-squares criterion of one unit's comparable units, by the definition."""
    many = len(cost)
    left = range(many) if left is None else left
    place = [(sum(r < c for r in cost) + sum(r <= c for r in cost)) / (2 * many) for c in cost]
    nodes, shares = np.polynomial.legendre.leggauss(40)
    nodes, shares = (nodes + 1) / 2, shares / 2
    total, at_nodes = 0.0, [kernel(nodes, v) for v in place]
    at_places = [kernel(np.array(place), v) for v in place]
    for i in left:
        weights = [0.0 if j == i else weight_of(values[i], values[j], kinds, width) for j in range(many)]
        if sum(weights) == 0.0:
            weights = [0.0 if j == i else 1.0 for j in range(many)]
        density = sum(w * f for w, f in zip(weights, at_nodes, strict=True)) / sum(weights)
        own = sum(w * f[i] for w, f in zip(weights, at_places, strict=True)) / sum(weights)
        total += np.sum(density**2 * shares) - 2 * own
    return total / len(left)


def produced(around, seed, s=1, tied=False):
    rng = np.random.default_rng(seed)
    n = len(around.values)
    y = rng.uniform(1, 2, (n, s))
    x = np.exp(around.values[:, :1] + rng.exponential(0.5, (n, 2)))
    return Goods(np.ceil(x) if tied else x, np.round(y, 1) if tied else y)


def test_weights_are_those_of_a_plain_loop():
    around = surrounded(23, 1)
    rng = np.random.default_rng(2)
    width = np.column_stack([rng.uniform(0.3, 3, 23), rng.uniform(0, 1, (23, 2))])
    width[0], width[1] = [np.inf, 1, 1], [1.0, 0, 0]
    points = np.array([4, 0, 1, 22])
    found = weights_of(around, width)(points)
    expected = [[weight_of(around.values[o], v, KINDS, width[o]) for v in around.values] for o in points]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(found[np.arange(4), points], 1.0)
    np.testing.assert_array_equal(found[1], 1.0)


def test_aitchison_and_aitken_is_the_same_kernel():
    around = surrounded(40, 3, ("unordered",))
    levels, aa = 3, 0.4
    same = around.values[5] == around.values[:, 0]
    theirs = np.where(same, 1 - aa, aa / (levels - 1))
    ours = kernel_weights(around, np.array([5]), np.array([[aa / ((1 - aa) * (levels - 1))]]))[0]
    np.testing.assert_allclose(theirs / theirs.sum(), ours / ours.sum(), rtol=1e-14)


def test_effective_number_is_kishs():
    weights = np.random.default_rng(0).uniform(0, 1, (3, 9)) * np.array([[1.0], [1e-200], [0.0]])
    expected = [weights[0].sum() ** 2 / (weights[0] ** 2).sum()]
    scaled = weights[1] * 1e200
    expected += [scaled.sum() ** 2 / (scaled**2).sum(), 0.0]
    np.testing.assert_allclose(effective_number(weights), expected, rtol=1e-14)
    np.testing.assert_allclose(effective_number(np.full((1, 7), 0.3)), 7.0)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_criterion_is_that_of_a_plain_loop(column, tied):
    around = surrounded(17, 5)
    cost = np.sort(np.random.default_rng(6).normal(size=17))
    if tied:
        cost = np.round(cost)
    width = np.array([0.9, 0.3, 0.6])
    grid = candidates(around)[column]
    found = prediction_errors(cost, around.values, KINDS, width, column, grid)
    for h, error in zip(grid, found, strict=True):
        each = width.copy()
        each[column] = h
        assert error == pytest.approx(criterion(cost, around.values, KINDS, each), abs=5e-5)


def test_one_unit_far_away_is_predicted_by_all_alike():
    z = np.append(np.linspace(0, 1, 14), 1e6)[:, None]
    cost = np.sort(np.random.default_rng(6).normal(size=15))
    grid = np.array([0.3, np.inf])
    found = prediction_errors(cost, z, ("continuous",), np.array([np.inf]), 0, grid)
    expected = [criterion(cost, z, ("continuous",), [h]) for h in grid]
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_blocks_make_no_difference(monkeypatch):
    around = surrounded(60, 7)
    units = produced(around, 8)
    whole = cross_validated(units, around, measure="input")
    monkeypatch.setattr(conditional_bandwidths, "_CELLS", 700)
    np.testing.assert_array_equal(cross_validated(units, around, measure="input"), whole)


def test_of_many_comparable_units_an_even_sample_is_left_out(monkeypatch):
    monkeypatch.setattr(conditional_bandwidths, "_LEFT_OUT", 5)
    around = surrounded(17, 5, ("continuous",))
    cost = np.sort(np.random.default_rng(6).normal(size=17))
    found = prediction_errors(cost, around.values, around.kinds, np.array([np.inf]), 0, np.array([0.8]))
    assert found[0] == pytest.approx(criterion(cost, around.values, around.kinds, [0.8], [0, 4, 8, 12, 16]), abs=5e-5)


@pytest.mark.parametrize("measure", ["input", "output"])
@pytest.mark.parametrize("tied", [False, True])
def test_bandwidths_are_the_best_of_the_grid_for_each_unit(measure, tied):
    """One column: the smoothest of the best, over all candidates, among the unit's own comparable units."""
    around = surrounded(22, 11, ("continuous",))
    units = produced(around, 12, tied=tied)
    found = cross_validated(units, around, measure=measure, least=6)
    x, y = units
    for o in range(22):
        if measure == "input":
            some = [j for j in range(22) if np.all(y[j] >= y[o])]
            cost = np.array([np.max(x[j] / x[o]) for j in some])
        else:
            some = [j for j in range(22) if np.all(x[j] <= x[o])]
            cost = -np.array([np.min(y[j] / y[o]) for j in some])
        if len(some) < 6:
            assert np.isnan(found[o, 0])
            continue
        grid = candidates(around)[0]
        values = around.values[some]
        errors = np.array([criterion(cost, values, around.kinds, [h]) for h in grid])
        place = int(np.flatnonzero(grid == found[o, 0])[0])
        assert errors[place] <= errors.min() + 1e-4
        # Nothing smoother is as good.
        assert np.all(errors[:place] > errors[place] - 1e-4)


def test_no_single_column_could_be_changed_for_the_better():
    around = surrounded(45, 13)
    units = produced(around, 14)
    found = cross_validated(units, around, measure="input")
    o = int(np.argmin(units.outputs[:, 0]))
    cost = (units.inputs / units.inputs[o]).max(axis=1)
    order = np.argsort(cost)
    width = found[o]
    least = prediction_errors(cost[order], around.values[order], KINDS, width, 0, width[:1])[0]
    for column, grid in enumerate(candidates(around)):
        errors = prediction_errors(cost[order], around.values[order], KINDS, width, column, grid)
        assert errors.min() >= least - 1e-9


def test_a_mask_is_kept_to(monkeypatch):
    around = surrounded(60, 15, ("continuous", "unordered"))
    units = produced(around, 16)
    half = np.arange(60) < 30
    grids = candidates(around)
    # The grid is of all units; here it is to be the same for half of them.
    monkeypatch.setattr(conditional_bandwidths, "candidates", lambda _: grids)

    def allowed(some, low, high):
        return half[some, None] == half[None, low:high]

    found = cross_validated(units, around, measure="input", allowed=allowed)
    for part in (half, ~half):
        alone = Surroundings(values=around.values[part], kinds=around.kinds)
        own = cross_validated(Goods(units.inputs[part], units.outputs[part]), alone, measure="input")
        np.testing.assert_array_equal(found[part], own)


def test_what_matters_is_narrow_and_what_does_not_is_wide():
    rng = np.random.default_rng(20)
    n = 150
    z = rng.uniform(0, 1, (n, 2))
    level = rng.integers(0, 2, (n, 2)).astype(float)
    x = np.exp(3 * z[:, 0] + level[:, 0] + rng.exponential(0.2, n))[:, None]
    kinds = ("continuous", "continuous", "unordered", "unordered")
    around = Surroundings(values=np.column_stack([z, level]), kinds=kinds)
    # Only the first unit has all others to be compared with.
    found = cross_validated(Goods(x, np.arange(1.0, n + 1)[:, None]), around, measure="input", least=n)
    assert np.all(np.isnan(found[1:]))
    assert found[0, 0] < 0.3
    assert found[0, 1] > 0.5
    assert found[0, 2] < 0.1
    assert found[0, 3] == 1.0


def test_a_column_that_does_not_matter_is_mostly_wide():
    wide = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        around = Surroundings(values=rng.normal(size=(98, 1)), kinds=("continuous",))
        units = Goods(rng.exponential(1, (98, 1)) + 1, np.arange(1.0, 99)[:, None])
        wide.append(cross_validated(units, around, measure="input", least=98)[0, 0])
    # Of normal columns; at more than two standard deviations three quarters of the units still count by half or more.
    assert np.mean(np.array(wide) > 2) > 0.5


@pytest.mark.parametrize("factor", [1e-8, 3.0, 1e8])
def test_units_of_measure_do_not_matter(factor):
    around = surrounded(70, 21, ("continuous", "ordered"))
    units = produced(around, 22)
    found = cross_validated(units, around, measure="input")
    scaled = Surroundings(values=around.values * np.array([factor, 1.0]), kinds=around.kinds)
    other = cross_validated(Goods(units.inputs / factor, units.outputs * factor), scaled, measure="input")
    np.testing.assert_allclose(other, found * np.array([factor, 1.0]), rtol=1e-9)


def test_the_order_of_rows_does_not_matter():
    around = surrounded(70, 23)
    units = produced(around, 24, tied=True)
    order = np.random.default_rng(1).permutation(70)
    found = cross_validated(units, around, measure="output")
    moved = Surroundings(values=around.values[order], kinds=KINDS)
    other = cross_validated(Goods(units.inputs[order], units.outputs[order]), moved, measure="output")
    np.testing.assert_allclose(other, found[order], rtol=1e-12)


def test_repeated_units_and_two_values_are_taken():
    around = surrounded(40, 25, ("continuous", "continuous"))
    values = np.repeat(around.values, 2, axis=0)
    values[:, 1] = np.tile([0.0, 1.0], 40)
    twice = Surroundings(values=values, kinds=around.kinds)
    units = Goods(*(np.repeat(goods, 2, axis=0) for goods in produced(around, 26)))
    found = cross_validated(units, twice, measure="input")
    assert np.all(np.isnan(found) | (found > 0))
    all_equal = Goods(np.ones((80, 1)), np.ones((80, 1)))
    np.testing.assert_array_equal(cross_validated(all_equal, twice, measure="input"), np.inf)


def test_a_few_units_far_away_do_not_stretch_the_candidates():
    values = np.append(np.random.default_rng(0).normal(size=98), [1e4, 2e4])[:, None]
    grid = candidates(Surroundings(values=values, kinds=("continuous",)))[0]
    assert grid[0] == np.inf
    assert 0.1 < grid[-1] < 0.3
    mostly_zero = np.append(np.zeros(90), np.arange(10.0))[:, None]
    assert np.all(candidates(Surroundings(values=mostly_zero, kinds=("continuous",)))[0] > 0)


def test_no_difference():
    np.testing.assert_array_equal(flat(KINDS), [np.inf, 1, 1])
    units = produced(surrounded(5, 1), 1)
    assert np.all(np.isnan(cross_validated(units, surrounded(5, 1), measure="input")))


@pytest.mark.parametrize(
    ("values", "kinds", "error", "words"),
    [
        ([[0.0], [np.nan]], ("continuous",), DataError, "finite"),
        ([[0.0], [0.5]], ("ordered",), DataError, "codes"),
        ([[0.0], [1.0]], ("text",), SpecificationError, "allowed are"),
        ([[0.0], [1.0]], ("ordered", "ordered"), SpecificationError, "2 kinds"),
    ],
)
def test_what_surroundings_may_not_be(values, kinds, error, words):
    with pytest.raises(error, match=words):
        Surroundings(values=np.array(values), kinds=kinds)


@pytest.mark.parametrize("width", [[0.0, 0.5], [np.nan, 0.5], [-1.0, 0.5], [1.0, -0.1], [1.0, 1.1]])
def test_bandwidths_outside_their_bounds(width):
    around = surrounded(6, 1, ("continuous", "unordered"))
    with pytest.raises(SpecificationError, match="bandwidth"):
        kernel_weights(around, np.array([0]), np.array([width]))


def test_a_column_that_does_not_vary():
    around = Surroundings(values=np.ones((30, 1)), kinds=("continuous",))
    with pytest.raises(DataError, match="does not vary"):
        cross_validated(Goods(np.ones((30, 1)), np.ones((30, 1))), around, measure="input")
