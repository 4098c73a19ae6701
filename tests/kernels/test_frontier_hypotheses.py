"""Statistics over splits and tables under the null hypothesis, against loops and identities."""

import numpy as np
import pytest

from benchmodels.kernels.frontier_hypotheses import (
    association,
    coordinates,
    independence_replicates,
    null_scores,
    null_worlds,
    returns_ratios,
    returns_replicates,
    rule_of,
    share_beyond,
    split_statistics,
)
from benchmodels.kernels.frontier_means import own_scores
from benchmodels.kernels.smoothed_scores import smoothed_draws

SOLVER, ALGEBRA = 1e-8, 1e-12
KINDS = np.arange(60) % 2


@pytest.fixture(scope="module")
def units():
    rng = np.random.default_rng(6)
    x = rng.uniform(1, 10, (60, 2))
    return x, (np.sqrt(x[:, 0] * x[:, 1]) * rng.uniform(0.5, 1, 60))[:, None]


@pytest.mark.parametrize("question", ["convexity", "returns", "separability"])
def test_tables_together_are_tables_one_by_one(units, question):
    x, y = units
    options = {"estimator": "vrs", "splits": 3, "halvings": 2, "strata": KINDS if question == "separability" else None}
    tables = np.stack([x, x * 1.1 ** KINDS[:, None], x[::-1]]), np.stack([y, y, y[::-1]])
    seeds = [np.random.default_rng(i) for i in range(3)]
    every = split_statistics(*tables, "input", question, rngs=seeds, **options)
    assert every.shape == (3, 3)
    for i in range(3):
        one = split_statistics(
            tables[0][i : i + 1], tables[1][i : i + 1], "input", question, rngs=[np.random.default_rng(i)], **options
        )
        np.testing.assert_allclose(every[i], one[0], atol=1e-6)


def test_rules():
    assert rule_of("convexity", "vrs", 4)[:3] == ("fdh", "vrs", "fdh")
    assert rule_of("convexity", "vrs", 4).kappas == (0.25, 0.4)
    assert rule_of("returns", "vrs", 4) == ("vrs", "crs", "crs", (0.4, 0.5))
    assert rule_of("separability", "fdh", 4) == ("fdh", "fdh", "fdh", (0.25, 0.25))


@pytest.mark.parametrize("side", ["input", "output"])
def test_the_null_hypothesis_is_true_in_its_tables(units, side):
    """Units that drew an efficiency of 1 are on the old frontier, and nobody is beyond it."""
    x, y = units
    rule = rule_of("returns", "vrs", 3)
    scores, pool = null_scores(x, y, side, rule)
    np.testing.assert_array_equal(scores, pool)
    a, b = null_worlds(x, y, side, scores, pool, [np.random.default_rng(i) for i in (0, 1)])
    for i in (0, 1):
        both = np.concatenate([x, a[i]]), np.concatenate([y, b[i]])
        found = own_scores(*both, side, "crs", [np.arange(120)])[0]
        np.testing.assert_allclose(found[:60], scores, atol=SOLVER)
        drawn = pool[np.random.default_rng(i).choice(60, 60)]
        np.testing.assert_allclose(found[60:], drawn, atol=SOLVER)


def test_kinds_draw_from_their_own(units):
    x, y = units
    rule = rule_of("separability", "vrs", 3)
    scores, pool = null_scores(x, y, "input", rule, KINDS)
    assert (pool >= scores - SOLVER).all() and (pool > scores + SOLVER).any()
    for kind in (0, 1):
        at = np.flatnonzero(kind == KINDS)
        np.testing.assert_allclose(pool[at], own_scores(x, y, "input", "vrs", [at])[0], atol=SOLVER)
    marked = KINDS + 1.0
    a, b = null_worlds(x, y, "input", np.ones(60), marked, [np.random.default_rng(0)], KINDS)
    np.testing.assert_allclose(a[0], x / marked[:, None], rtol=ALGEBRA)
    np.testing.assert_array_equal(b[0], y)


def test_share_beyond_counts_itself():
    np.testing.assert_allclose(share_beyond(np.array([5.0]), np.arange(19.0)), (1 + 14) / 20)
    assert np.isnan(share_beyond(np.array([np.nan]), np.arange(19.0)))[0]


def test_ratios_by_hand():
    sums, ratios = returns_ratios(np.array([0.5, 0.9]), np.array([1.0, 0.9]))
    np.testing.assert_allclose([sums, ratios], [1.4 / 1.9, -0.25], rtol=ALGEBRA)


@pytest.mark.parametrize("side", ["input", "output"])
def test_replicates_of_returns_by_hand(units, side):
    """Units are held against pseudo-units by programs of both returns, replicate by replicate."""
    x, y = units
    delta = 1 / own_scores(x, y, side, "crs", [np.arange(60)])[0]
    found = returns_replicates(x, y, side, "crs", delta=delta, bandwidth=0.1, count=3, rng=np.random.default_rng(4))
    drawn = smoothed_draws(delta, 0.1, 3, np.random.default_rng(4))
    for i in range(3):
        factor = (drawn[i] / delta)[:, None]
        pseudo = (x * factor, y) if side == "input" else (x, y / factor)
        told = {}
        for returns in ("crs", "vrs"):
            # Each unit with the pseudo-units alone: it has no say itself.
            told[returns] = np.array([beyond(x[j], y[j], *pseudo, side, returns) for j in range(60)])
        np.testing.assert_allclose([w[i] for w in found], returns_ratios(told["crs"], told["vrs"]), atol=1e-7)


def beyond(point_x, point_y, x, y, side, returns):
    """The efficiency of a point against others, which may be above 1."""
    from scipy.optimize import linprog

    n, m = x.shape
    left = np.hstack([np.vstack([x.T, -y.T]), np.zeros((m + y.shape[1], 1))])
    right = np.concatenate([point_x, -point_y])
    if side == "input":
        left[:m, -1], right[:m] = -point_x, 0.0
    else:
        left[m:, -1], right[m:] = point_y, 0.0
    cost = np.append(np.zeros(n), 1.0 if side == "input" else -1.0)
    equal = {"A_eq": np.append(np.ones(n), 0.0)[None], "b_eq": [1.0]} if returns == "vrs" else {}
    found = linprog(cost, A_ub=left, b_ub=right, bounds=(0, None), **equal)
    assert found.status == 0
    return found.fun if side == "input" else -1.0 / found.fun


def test_association_by_loops(units):
    x, y = units
    around = coordinates(x, y, "input")
    assert around.shape == (60, 2)
    scores = np.stack([np.round(np.random.default_rng(i).uniform(size=60), 1) for i in (0, 1)])
    squares, largest = association(scores, around)
    for r in (0, 1):
        gaps = []
        for i in range(60):
            less = scores[r] <= scores[r, i]
            below = (around <= around[i]).all(axis=1)
            gaps.append((less & below).mean() - less.mean() * below.mean())
        np.testing.assert_allclose(squares[r], np.sum(np.square(gaps)), rtol=1e-10)
        np.testing.assert_allclose(largest[r], np.sqrt(60) * np.abs(gaps).max(), rtol=1e-10)
    tied = association(scores * (1 + 1e-13 * np.random.default_rng(0).normal(size=60)), around)
    np.testing.assert_array_equal(tied, (squares, largest))
    again = association(scores, coordinates(x * [1e6, 1e-3], y * 7, "input"))
    np.testing.assert_allclose(again, (squares, largest), rtol=1e-12)


@pytest.mark.parametrize("side", ["input", "output"])
def test_pseudo_units_are_found_again(units, side):
    x, y = units
    delta = 1 / own_scores(x, y, side, "vrs", [np.arange(60)])[0]
    found = independence_replicates(
        x, y, side, (1.0, 1.0), delta=delta, bandwidth=0.1, count=2, rng=np.random.default_rng(4)
    )
    drawn = smoothed_draws(delta, 0.1, 2, np.random.default_rng(4))
    for i in (0, 1):
        factor = (drawn[i] / delta)[:, None]
        pseudo = (x * factor, y) if side == "input" else (x, y / factor)
        scores = own_scores(*pseudo, side, "vrs", [np.arange(60)])[0]
        theirs = association(scores[None], coordinates(x, y, side))
        np.testing.assert_allclose([w[i] for w in found], [w[0] for w in theirs], rtol=1e-10)
