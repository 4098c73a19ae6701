"""Kindest weights: against the plain program of multipliers, closed forms, and invariances."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmodels.errors import SpecificationError
from benchmodels.kernels.composites import compose, compose_again, corners_of, share_ranges

SOLVED = 1e-9
BOX = np.concatenate([np.eye(3) - 0.1, 0.5 - np.eye(3)])


def plain(better, steps, rows, reference=None):
    """Multipliers, unit by unit: the least v - w y with w y_j <= v for all j, w g = 1, and rows of the shares w g."""
    reference = better if reference is None else reference
    s, found = better.shape[1], []
    for y, g in zip(better, steps, strict=True):
        body = [np.append(other, -1.0) for other in reference] + [np.append(-row * g, 0.0) for row in rows]
        solved = linprog(
            np.append(-y, 1.0), A_ub=np.array(body), b_ub=np.zeros(len(body)), A_eq=[np.append(g, 0.0)], b_eq=[1.0],
            bounds=[(0, None)] * s + [(None, None)],
        )  # fmt: skip
        assert solved.status == 0
        found.append(solved.fun)
    return np.array(found)


def plain_range(better, steps, rows, beta, unit, outcome):
    """The least and largest share of an outcome over all multipliers that give the distance."""
    s = better.shape[1]
    body = [np.append(other, -1.0) for other in better] + [np.append(-row * steps[unit], 0.0) for row in rows]
    body.append(np.append(-better[unit], 1.0))
    limits = np.append(np.zeros(len(body) - 1), beta + 1e-9)
    ends = []
    for sign in (1, -1):
        cost = np.zeros(s + 1)
        cost[outcome] = sign * steps[unit, outcome]
        solved = linprog(cost, A_ub=np.array(body), b_ub=limits, A_eq=[np.append(steps[unit], 0.0)], b_eq=[1.0],
                         bounds=[(0, None)] * s + [(None, None)])  # fmt: skip
        ends.append(sign * solved.fun)
    return ends


def tables():
    rng = np.random.default_rng(0)
    y = rng.uniform(1, 10, (40, 3))
    spread = np.tile(y.std(axis=0), (40, 1))
    mixed = y * [1, -1, 1]
    whole = rng.integers(1, 6, (40, 3)).astype(float)
    return {
        "high": (y, y), "low": (-y, y), "mixed, own": (mixed, y), "mixed, common": (mixed, spread),
        "below zero": (y - 5.0, spread), "ties": (whole, whole),
    }  # fmt: skip


@pytest.mark.parametrize("kind", tables())
@pytest.mark.parametrize("rows", [None, BOX], ids=["free", "bounded"])
def test_distances_are_those_of_the_plain_program(kind, rows):
    better, steps = tables()[kind]
    corners = None if rows is None else corners_of(rows)
    found = compose(better, steps, corners)
    np.testing.assert_allclose(found.beta, plain(better, steps, [] if rows is None else rows), rtol=0, atol=SOLVED)
    assert found.residual.max() <= SOLVED

    # The weighting is one of those, and the mixture of peers shows that no other is kinder.
    share = found.share
    np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-12)
    assert share.min() >= -1e-12
    if rows is not None:
        assert (share @ rows.T).min() >= -1e-12
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = share / steps
    ahead = (weight[:, None] * (better[None] - better[:, None])).sum(axis=2).max(axis=1)
    np.testing.assert_allclose(ahead, found.beta, atol=SOLVED)
    np.testing.assert_allclose(found.weight.sum(axis=1), 1.0, rtol=1e-9)


@pytest.mark.parametrize("kind", ["high", "mixed, common", "ties"])
@pytest.mark.parametrize("rows", [None, BOX], ids=["free", "bounded"])
def test_ranges_of_shares_are_those_of_plain_programs(kind, rows):
    better, steps = tables()[kind]
    corners = None if rows is None else corners_of(rows)
    found = compose(better, steps, corners)
    low, high = share_ranges(better, steps, corners, found.beta)
    assert np.all(low <= found.share + 1e-7)
    assert np.all(high >= found.share - 1e-7)
    for unit, outcome in itertools.product(range(0, 40, 5), range(3)):
        ends = plain_range(better, steps, [] if rows is None else rows, found.beta[unit], unit, outcome)
        np.testing.assert_allclose([low[unit, outcome], high[unit, outcome]], ends, atol=1e-6)


def test_frontiers_again_are_those_of_plain_programs():
    rng = np.random.default_rng(3)
    for (better, steps), rows in itertools.product([tables()["low"], tables()["mixed, common"]], [None, BOX]):
        corners = None if rows is None else corners_of(rows)
        sets = [np.sort(rng.choice(40, m, replace=False)) for m in (5, 12, 39)]
        found = compose_again(better, steps, corners, sets, [np.arange(40)] * 3)
        for row, units in zip(found, sets, strict=True):
            expected = plain(better, steps, [] if rows is None else rows, better[units])
            np.testing.assert_allclose(row, expected, atol=SOLVED)
            assert np.all(row[units] >= 0)


def test_draws_with_steps_of_their_own():
    rng = np.random.default_rng(4)
    drawn = rng.uniform(1, 2, (3, 20, 3))
    pool, sets = drawn.reshape(60, 3), [np.arange(20) + 20 * j for j in range(3)]
    for corners in (None, corners_of(BOX)):
        found = compose_again(-pool, pool, corners, sets, sets)
        for row, table in zip(found, drawn, strict=True):
            np.testing.assert_allclose(row, compose(-table, table, corners).beta, atol=SOLVED)


def test_one_outcome_is_a_share_of_the_best():
    y = np.array([[2.0], [8.0], [5.0]])
    np.testing.assert_allclose(1 / (1 + compose(y, y, None).beta), y[:, 0] / 8, rtol=1e-12)
    np.testing.assert_allclose(1 - compose(-y, y, None).beta, 2 / y[:, 0], rtol=1e-12)


def test_equal_shares_are_a_mean_of_ratios():
    """With q fixed at 1 / s, φ is the largest mean of ratios to the unit's own outcomes."""
    rng = np.random.default_rng(1)
    y = rng.uniform(1, 3, (15, 4))
    corners = corners_of(np.concatenate([np.eye(4) - 0.25, 0.25 - np.eye(4)]))
    np.testing.assert_allclose(corners, [[0.25] * 4], rtol=1e-12)
    expected = np.array([(y / own).mean(axis=1).max() for own in y])
    np.testing.assert_allclose(1 + compose(y, y, corners).beta, expected, rtol=1e-12)


def test_two_outcomes_on_a_line():
    """The frontier from (1, 9) to (9, 1) is x + y = 10: a unit at (2, 3) reaches it at twice itself."""
    y = np.array([[1.0, 9], [9, 1], [2, 3], [0.5, 8]])
    found = compose(y, y, None)
    np.testing.assert_allclose(1 + found.beta, [1, 1, 2, 9 / 8], rtol=1e-12)
    np.testing.assert_allclose(found.share[2], [0.4, 0.6], rtol=1e-12)
    np.testing.assert_allclose(np.sort(found.weight[2])[-2:], [3 / 8, 5 / 8], rtol=1e-12)
    np.testing.assert_allclose(found.share[3], [0.0, 1.0], atol=1e-12)


def test_corners():
    assert corners_of(BOX).shape == (6, 3)
    # A chain of importance has the corners (1, 0, 0), (1/2, 1/2, 0), (1/3, 1/3, 1/3).
    chain = corners_of(np.array([[1.0, -1, 0], [0, 1, -1]]))
    np.testing.assert_allclose(chain, [[1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0], [1, 0, 0]], atol=1e-12)
    assert corners_of(np.zeros((0, 1))).tolist() == [[1.0]]
    with pytest.raises(SpecificationError, match="no shares"):
        corners_of(0.2 - np.eye(3))
    many = np.concatenate([np.eye(14) - 0.01, 0.2 - np.eye(14)])
    with pytest.raises(SpecificationError, match="more than 400 corners"):
        corners_of(many)


def test_nine_indicators_with_shares_between_a_twentieth_and_a_quarter():
    rng = np.random.default_rng(5)
    y = rng.uniform(1, 3, (30, 9))
    corners = corners_of(np.concatenate([np.eye(9) - 0.05, 0.25 - np.eye(9)]))
    assert len(corners) == 252
    steps = np.tile(y.mean(axis=0), (30, 1))
    rows = np.concatenate([np.eye(9) - 0.05, 0.25 - np.eye(9)])
    np.testing.assert_allclose(compose(y, steps, corners).beta, plain(y, steps, rows), atol=1e-8)


@pytest.mark.parametrize("rows", [None, BOX], ids=["free", "bounded"])
def test_units_of_measure_and_the_order_of_rows_do_not_matter(rows):
    better, steps = tables()["mixed, common"]
    corners = None if rows is None else corners_of(rows)
    found = compose(better, steps, corners)
    scale = np.array([1e9, 1e-9, 3.0])
    np.testing.assert_allclose(compose(better * scale, steps * scale, corners).beta, found.beta, atol=SOLVED)
    moved = compose(better + np.array([100.0, -7, 0.3]) * steps, steps, corners)
    np.testing.assert_allclose(moved.beta, found.beta, atol=SOLVED)
    order = np.random.default_rng(0).permutation(40)
    again = compose(better[order], steps[order], corners)
    np.testing.assert_allclose(again.beta, found.beta[order], atol=SOLVED)
    for i, j in enumerate(order):
        mine = set(order[again.possible[again.first[i] : again.first[i + 1]]].tolist())
        assert mine == set(found.possible[found.first[j] : found.first[j + 1]].tolist())
    twice = compose(np.tile(better, (2, 1)), np.tile(steps, (2, 1)), corners)
    np.testing.assert_allclose(twice.beta, np.tile(found.beta, 2), atol=SOLVED)


def test_tighter_bounds_are_never_kinder():
    better, steps = tables()["high"]
    last = compose(better, steps, None).beta
    for low in (0.0, 0.1, 0.2, 0.3, 1 / 3):
        beta = compose(better, steps, corners_of(np.eye(3) - low)).beta
        assert np.all(beta >= last - SOLVED)
        last = beta
