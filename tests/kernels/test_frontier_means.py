"""Means of efficiencies and their bias, against programs and loops written as the papers have them."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import kstest, norm

from benchmodels.kernels.frontier_means import (
    Moments,
    contrasts,
    distance_from_uniform,
    exponent,
    moments,
    own_scores,
    part_of,
)

SOLVER, ALGEBRA = 1e-8, 1e-12


def program(x, y, i, side, returns):
    """The radial program of unit i, straight from Banker, Charnes and Cooper (1984)."""
    n, m = x.shape
    s = y.shape[1]
    cost = np.append(np.zeros(n), 1.0 if side == "input" else -1.0)
    left = np.hstack([np.vstack([x.T, -y.T]), np.zeros((m + s, 1))])
    right = np.concatenate([x[i], -y[i]])
    if side == "input":
        left[:m, -1], right[:m] = -x[i], 0.0
    else:
        left[m:, -1], right[m:] = y[i], 0.0
    equal = (np.append(np.ones(n), 0.0)[None], [1.0]) if returns == "vrs" else (None, None)
    found = linprog(cost, A_ub=left, b_ub=right, A_eq=equal[0], b_eq=equal[1], bounds=(0, None))
    return found.fun if side == "input" else 1.0 / -found.fun


def hull(x, y, i, side):
    """Free disposal hull of one unit, unit by unit."""
    best = np.inf
    for j in range(len(x)):
        move, still = (x, y) if side == "input" else (y, x)
        if not (np.all(still[j] >= still[i]) if side == "input" else np.all(still[j] <= still[i])):
            continue
        there = move[i] > 0
        if side == "input" and np.any(move[j][~there] > 0):
            continue
        ratio = move[j][there] / move[i][there]
        best = min(best, ratio.max() if side == "input" else -ratio.min())
    return best if side == "input" else -1.0 / best


@pytest.fixture(scope="module")
def units():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(1, 10, (40, 2)), rng.uniform(1, 10, (40, 2))
    x[::7, 0], y[3::9, 1] = 0.0, 0.0
    return x, y


@pytest.mark.parametrize("side", ["input", "output"])
def test_scores_of_sets_are_those_of_the_programs(units, side):
    x, y = units
    rng = np.random.default_rng(1)
    sets = [np.sort(rng.choice(40, size, replace=False)) for size in (12, 17, 12, 20)]
    for estimator in ("crs", "vrs", "fdh"):
        for at, score in zip(sets, own_scores(x, y, side, estimator, sets), strict=True):
            some = x[at], y[at]
            if estimator == "fdh":
                plain = [hull(*some, i, side) for i in range(len(at))]
            else:
                plain = [program(*some, i, side, estimator) for i in range(len(at))]
            np.testing.assert_allclose(score, plain, atol=SOLVER, err_msg=estimator)


@pytest.mark.parametrize("estimator", ["crs", "vrs", "fdh"])
def test_units_of_measure_do_not_matter(units, estimator):
    x, y = units
    sets = [np.arange(0, 40, 2), np.arange(1, 40, 2)]
    for side in ("input", "output"):
        one = own_scores(x, y, side, estimator, sets)
        two = own_scores(x * [1e9, 1e-9], y * [1e-9, 1e9], side, estimator, sets)
        np.testing.assert_allclose(np.concatenate(one), np.concatenate(two), atol=SOLVER)


def test_chunks_do_not_matter(units, monkeypatch):
    x, y = units
    sets = [np.sort(np.random.default_rng(i).choice(40, 15, replace=False)) for i in range(9)]
    for estimator in ("vrs", "fdh"):
        one = np.concatenate(own_scores(x, y, "input", estimator, sets))
        with monkeypatch.context() as patch:
            patch.setattr("benchmodels.kernels.frontier_means._PROGRAMS", 31)
            patch.setattr("benchmodels.kernels.frontier_means._CELLS", 500)
            two = np.concatenate(own_scores(x, y, "input", estimator, sets))
        np.testing.assert_allclose(one, two, atol=SOLVER)


@pytest.mark.parametrize("strata", [None, np.arange(40) % 2])
def test_the_jackknife_by_hand(units, strata):
    x, y = units
    sample, kappa, halvings, part = np.random.default_rng(5).permutation(40)[:31], 0.4, 3, 9
    found = moments(
        x, y, "input", "vrs", [sample], kappa=kappa, parts=[part], halvings=halvings,
        rngs=[np.random.default_rng(8)], strata=strata,
    )  # fmt: skip

    def scores(at):
        return own_scores(x, y, "input", "vrs", [np.sort(at)])[0]

    rng, ordered = np.random.default_rng(8), np.sort(sample)
    kinds = [ordered] if strata is None else [ordered[strata[ordered] == kind] for kind in (0, 1)]
    own = np.concatenate([scores(kind) for kind in kinds])
    halves = []
    for _ in range(halvings):
        total = 0.0
        for kind in kinds:
            mixed = rng.permutation(kind)
            half = (len(mixed) + int(rng.integers(2))) // 2
            total += scores(mixed[:half]).sum() + scores(mixed[half:]).sum()
        halves.append(total / 31)
    np.testing.assert_allclose(found.mean, own.mean(), atol=SOLVER)
    np.testing.assert_allclose(found.bias, (np.mean(halves) - own.mean()) / (2**kappa - 1), atol=SOLVER)
    np.testing.assert_allclose(found.variance, own.var(ddof=1), atol=SOLVER)
    np.testing.assert_allclose(found.part_mean, own[rng.choice(31, part, replace=False)].mean(), atol=SOLVER)
    assert found.units == 31 and found.part == part


def test_over_how_many_units():
    """The cases of Theorems 4.3 and 4.4 of Kneip, Simar and Wilson (2015)."""
    whole = {"crs": 5, "vrs": 4, "fdh": 3}
    for estimator, most in whole.items():
        for goods in range(2, 9):
            part = part_of(1000, estimator, goods)
            assert part == (1000 if goods <= most else int(1000 ** (2 * exponent(estimator, goods)) + 1e-9))
    assert part_of(10, "fdh", 20) == 2


def test_contrasts_by_hand():
    def of(mean, bias, variance, part):
        row = np.array([mean])
        return Moments(
            mean=row + 9, bias=np.array([bias]), variance=np.array([variance]), units=np.array([50]), part_mean=row,
            part=np.array([part]),
        )  # fmt: skip

    found = contrasts(of(0.8, 0.05, 0.04, 25), of(0.7, 0.01, 0.09, 30))
    np.testing.assert_allclose(found, (0.1 - 0.04) / np.sqrt(0.04 / 25 + 0.09 / 30), rtol=ALGEBRA)
    assert np.isnan(contrasts(of(1.0, 0.0, 0.0, 25), of(1.0, 0.0, 0.0, 25))).all()


def test_distance_from_uniform_is_that_of_scipy():
    statistics = np.random.default_rng(2).normal(0.5, 1, (6, 9))
    plain = [kstest(norm.sf(row), "uniform").statistic for row in statistics]
    np.testing.assert_allclose(distance_from_uniform(statistics), plain, rtol=ALGEBRA)
    gaps = statistics.copy()
    gaps[0, 3] = gaps[1] = np.nan
    found = distance_from_uniform(gaps)
    rest = np.delete(statistics[0], 3)
    np.testing.assert_allclose(found[0], kstest(norm.sf(rest), "uniform").statistic, rtol=ALGEBRA)
    assert np.isnan(found[1])


def test_the_bias_is_found_where_the_rate_is_known():
    """With two goods and constant returns a score is a ratio to the best one: a maximum, whose bias falls as 1 / n."""
    rng, left, raw = np.random.default_rng(0), [], []
    for _ in range(60):
        share = rng.uniform(0.4, 1, 100)
        x = rng.uniform(1, 2, 100)
        found = moments(
            x[:, None], (x * share)[:, None], "input", "crs", [np.arange(100)], kappa=1.0, parts=[100], halvings=20,
            rngs=[rng],
        )  # fmt: skip
        raw.append(found.mean[0] - share.mean())
        left.append(found.mean[0] - found.bias[0] - share.mean())
    assert np.mean(raw) > 6 * np.std(raw) / np.sqrt(60)
    assert abs(np.mean(left)) < 4 * np.std(left) / np.sqrt(60)
