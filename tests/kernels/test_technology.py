"""The rows and columns of a technology, in units of measure of its own."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.technology import Technology, bounds_of

X = np.array([[2.0, 30.0], [4.0, 10.0], [6.0, 20.0]])
Y = np.array([[5.0], [1.0], [3.0]])


def test_names_of_returns():
    known = {"crs": (0.0, np.inf), "vrs": (1.0, 1.0), "drs": (0.0, 1.0), "irs": (1.0, np.inf)}
    assert {name: bounds_of(name) for name in known} == known
    assert bounds_of((0.5, 2)) == (0.5, 2.0)


@pytest.mark.parametrize("returns", ["VRS", "fdh", (1.1, 2.0), (0.2, 0.8), (-0.1, 1.0), (np.nan, 2.0), (2.0, 0.5)])
def test_returns_that_are_none(returns):
    with pytest.raises(SpecificationError, match="returns="):
        bounds_of(returns)


@pytest.mark.parametrize(
    ("bounds", "extra", "signs"),
    [
        ((0.0, np.inf), 0, []),
        ((1.0, 1.0), 1, []),
        ((0.0, 1.0), 1, [1.0]),
        ((1.0, np.inf), 1, [-1.0]),
        ((0.8, 1.2), 2, [-1.0, 1.0]),
        ((1.0, 1.5), 2, [-1.0, 1.0]),
    ],
)
def test_rows_and_slacks(bounds, extra, signs):
    technology = Technology(X, Y, bounds)
    assert technology.rows == 3 + extra
    assert technology.cone == (bounds == (0.0, np.inf))
    slacks = technology.columns.slacks
    assert slacks.shape == (3 + extra, 3 + len(signs))
    np.testing.assert_array_equal(slacks[:3, :3], np.eye(3))
    assert slacks[3:, 3:].sum(axis=0).tolist() == signs
    assert np.all(np.count_nonzero(slacks, axis=1) <= 1)
    np.testing.assert_array_equal(technology.columns.matrix[3:], 1.0)


def test_goods_are_divided_by_their_means_and_under_a_cone_by_their_largest():
    flat = Technology(X, Y, (1.0, 1.0))
    np.testing.assert_allclose(flat.columns.matrix[:2].mean(axis=1), 1.0)
    np.testing.assert_allclose(flat.columns.matrix[2].mean(), -1.0)
    np.testing.assert_array_equal(flat.length, 1.0)
    cone = Technology(X, Y, (0.0, np.inf))
    np.testing.assert_allclose(np.abs(cone.columns.matrix).max(axis=0), 1.0)
    np.testing.assert_allclose(cone.columns.matrix * cone.length, flat.columns.matrix[:3])
    np.testing.assert_allclose(cone.lengths(X, Y), cone.length)


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (1.0, 1.0), (0.8, 1.2)])
def test_a_point_is_the_column_that_it_would_be_but_for_the_bounds(bounds):
    technology = Technology(X, Y, bounds)
    step = np.hstack([X, 0 * Y])
    point, start, moved = technology.point(X, Y, step)
    np.testing.assert_array_equal(start.T, technology.columns.matrix)
    np.testing.assert_array_equal(point[:, :3], start[:, :3])
    assert point[0, 3:].tolist() == ([] if technology.cone else list(dict.fromkeys(bounds)))
    np.testing.assert_allclose(moved[:, :2], point[:, :2])
    np.testing.assert_array_equal(moved[:, 2:], 0.0)


def test_part_keeps_units_of_measure():
    technology = Technology(X, Y, (1.0, 1.0))
    np.testing.assert_array_equal(technology.part(np.array([2, 0])).matrix, technology.columns.matrix[:, [2, 0]])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_goods_that_are_none(wrong):
    strange = X.copy()
    strange[1, 1] = wrong
    with pytest.raises(DataError, match="finite and, unless Σλ is 1, zero or more"):
        Technology(strange, Y, (0.0, 1.0))


def test_zero_is_nowhere_where_weights_sum_to_one():
    """Under variable returns a constant may be taken from all amounts; the same program is left."""
    plain, moved = Technology(X, Y, (1.0, 1.0)), Technology(X - X.mean(axis=0), Y - 100.0, (1.0, 1.0))
    assert np.any(moved.inputs < 0) and np.all(moved.scale > 0)
    step = np.hstack([np.ones_like(X), np.ones_like(Y)])
    own = np.arange(len(X))
    found = [envelop(technology, technology.inputs, technology.outputs, step, own=own) for technology in (plain, moved)]
    np.testing.assert_allclose(found[1].beta, found[0].beta, atol=1e-10)


def test_a_good_that_nobody_has():
    with pytest.raises(DataError, match="zero for every unit"):
        Technology(X * [1.0, 0.0], Y, (1.0, 1.0))
