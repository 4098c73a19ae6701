"""Rank sets against a slow obvious loop, csranks, and simulation."""

from __future__ import annotations

import json
import math
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import pairwise_errors, rank_sets
from benchmodels.kernels.rank_sets import best_set, confidence_sets, gaussian_draws, min_rank

FOLDER = Path(__file__).parents[1] / "reference" / "csranks"
SHARED = Path(__file__).parents[2] / "../shared/reference"
FIELDS = ("rank", "lower", "upper", "simultaneous_lower", "simultaneous_upper")


def plain(theta, s, *, level, draws, rng, noise=None, df=None):
    """Sets by testing every one-sided hypothesis one by one; units in ascending order of θ."""
    k = len(theta)
    normal, chi = rng.spawn(2)
    z = gaussian_draws(s, draws=draws, rng=normal)
    own = np.zeros((k, draws))
    if df is not None:
        own[:] = noise[:, None]
        finite = np.flatnonzero(np.isfinite(df))
        for child, start in zip(chi.spawn(math.ceil(draws / 1000)), range(0, draws, 1000), strict=True):
            size = (len(finite), min(1000, draws - start))
            own[finite, start : start + 1000] *= child.chisquare(df[finite, None], size=size) / df[finite, None]
    t, statistic = {}, {}
    for j in range(k):
        for r in range(k):
            if j == r:
                continue
            s2 = s[j, j] + s[r, r] - 2 * s[j, r]
            redrawn = np.full(draws, s2)
            if df is not None:
                both = noise[j] + noise[r]
                redrawn = (own[j] + own[r]) * min(1.0, s2 / both) + max(0.0, s2 - both)
            t[j, r] = (theta[j] - theta[r]) / math.sqrt(s2)
            statistic[j, r] = (z[j] - z[r]) / np.sqrt(redrawn)
    index = math.ceil(level * draws) - 1

    def rejected(family):
        standing, gone = set(family), set()
        while True:
            c = np.sort(np.max([statistic[h] for h in standing], axis=0))[index]
            new = {h for h in standing if t[h] > c}
            if not new:
                return gone
            standing, gone = standing - new, gone | new

    marginal = [rejected([h for h in t if j in h]) for j in range(k)]
    joint = [rejected(list(t))] * k
    sets = []
    for gone in (marginal, joint):
        sets.append([1 + sum((r, j) in gone[j] for r in range(k)) for j in range(k)])
        sets.append([k - sum((j, r) in gone[j] for r in range(k)) for j in range(k)])
    return sets


def as_lists(sets):
    return [getattr(sets, name).tolist() for name in FIELDS[1:]]


def problem(k, seed, spread=1.0):
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.2, 0.6, k)
    loading = rng.normal(0, 0.2, (k, 2))
    s = np.diag(se**2) + loading @ loading.T
    return np.sort(rng.normal(0, spread, k)), s, se**2


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0, 20.0])
def test_agrees_with_plain_loop(spread):
    theta, s, _ = problem(9, 1, spread)
    fast = confidence_sets(theta, s, draws=2500, level=0.9, rng=np.random.default_rng(5))
    slow = plain(theta, s, draws=2500, level=0.9, rng=np.random.default_rng(5))
    assert as_lists(fast) == slow


@pytest.mark.parametrize("df", [4.0, "mixed"])
def test_estimated_noise_agrees_with_plain_loop(df):
    theta, _, noise = problem(8, 2, 1.5)
    shared = np.full((8, 8), 0.02) - 0.05 * np.eye(8) * noise  # partly negative, as for a unit left out
    s = np.diag(noise) + shared
    df = np.full(8, 4.0) if df == 4.0 else np.array([3.0, np.inf, 8.0, 5.0, np.inf, 3.0, 12.0, 6.0])
    fast = confidence_sets(theta, s, noise=noise, df=df, draws=2500, rng=np.random.default_rng(5))
    slow = plain(theta, s, noise=noise, df=df, draws=2500, level=0.95, rng=np.random.default_rng(5))
    assert as_lists(fast) == slow


def test_chunks_and_short_cuts_do_not_matter(monkeypatch):
    theta, s, _ = problem(15, 3, 2.0)
    one = confidence_sets(theta, s, draws=3000, rng=np.random.default_rng(1))
    monkeypatch.setattr(pairwise_errors, "_CHUNK", 1000)
    monkeypatch.setattr(pairwise_errors, "_GROUPS", 1)
    monkeypatch.setattr(rank_sets, "_START", 1.5)
    monkeypatch.setattr(rank_sets, "_LOWER", 0.5)
    other = confidence_sets(theta, s, draws=3000, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(one.critical, other.critical)
    assert one.simultaneous_critical == other.simultaneous_critical


@pytest.mark.parametrize("name", ["csranks_syn_ranks_a", "csranks_syn_ranks_a_correlated"])
@pytest.mark.parametrize("level", ["0.9", "0.95"])
def test_agrees_with_csranks(name, level):
    data = pd.read_csv(FOLDER / "syn_ranks_a.csv")
    results = json.loads((FOLDER / f"{name}.json").read_text())["results"]
    i = np.arange(len(data))
    decay = 0.3 ** np.abs(i[:, None] - i) if "correlated" in name else np.eye(len(data))
    s = np.outer(data.se, data.se) * decay
    check_csranks(data.x.to_numpy(), s, results, level)


@pytest.mark.skipif(not (SHARED / "ranks").exists(), reason="the reference folder is not beside this repository")
def test_agrees_with_csranks_on_pisa():
    reference = json.loads((SHARED / "ranks" / "csranks_pisa2018.json").read_text())
    data = pd.read_csv(SHARED / "data" / "pisa2018.csv").set_index("jurisdiction").loc[reference["units"]]
    s = np.diag(data.math_se.to_numpy() ** 2)
    check_csranks(data.math_score.to_numpy(), s, reference["results"], "0.95")


def check_csranks(x, s, results, level):
    sets = confidence_sets(x, s, level=float(level), rng=np.random.default_rng(0))
    assert sets.rank.tolist() == results["rank"]
    moves = results["seed_sensitivity"]
    steady = {
        "L": np.equal(moves["L_min"], moves["L_max"]),
        "U": np.equal(moves["U_min"], moves["U_max"]),
    }
    for kind, prefix in (("marginal", ""), ("simul", "simultaneous_")):
        expected = results[f"{level}|two-sided|stepdown|{kind}"]
        for end, name in (("L", "lower"), ("U", "upper")):
            gap = np.abs(getattr(sets, prefix + name) - np.array(expected[end]))
            # Both critical values are simulated: a bound may differ by one, and few do.
            assert gap.max() <= 1
            assert gap.sum() <= 2
            if kind == "simul" and level == "0.95":
                assert not gap[steady[end]].any()


@pytest.mark.parametrize("df", [None, 5.0])
@pytest.mark.parametrize("loading", [0.0, 0.2, 5.0])
def test_no_difference_is_beyond_its_bound(df, loading):
    k, rng = 17, np.random.default_rng(2)
    noise = rng.uniform(0.03, 0.6, k) ** 2
    shared = loading * rng.normal(1.0, 0.1, (k, 2))
    freedom = np.full(k, np.inf if df is None else df)
    errors = pairwise_errors.draw_errors(np.diag(noise) + shared @ shared.T, noise, freedom, draws=500, rng=rng)
    for j in range(k):
        found = errors.large(j, slice(0, k), 0.0)
        assert len(found.value) == 500 * k
        assert (np.abs(found.value) <= errors.bound[j, found.draw]).all()


def plain_best(theta, s, *, tau, level, draws, rng):
    """Step-down over pairs (unit in question, unit above it), one by one."""
    k = len(theta)
    z = gaussian_draws(s, draws=draws, rng=rng.spawn(2)[0])
    pairs = [(j, r) for j in range(k) for r in range(k) if r != j]
    scale = {(j, r): math.sqrt(s[j, j] + s[r, r] - 2 * s[j, r]) for j, r in pairs}
    t = {(j, r): (theta[r] - theta[j]) / scale[j, r] for j, r in pairs}
    error = {(j, r): (z[r] - z[j]) / scale[j, r] for j, r in pairs}
    standing = set(pairs)
    while True:
        c = np.sort(np.max([error[pair] for pair in standing], axis=0))[math.ceil(level * draws) - 1]
        member = [sum(t[j, r] > c for r in range(k) if r != j) < tau for j in range(k)]
        left = {(j, r) for j, r in standing if member[j] and t[j, r] <= c}
        if left == standing:
            return member, c
        standing = left


@pytest.mark.parametrize("tau", [1, 3, 9])
@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_best_set_agrees_with_plain_loop(tau, spread):
    theta, s, _ = problem(9, 11, spread)
    fast = best_set(theta, s, tau=tau, level=0.9, draws=1500, rng=np.random.default_rng(5))
    member, critical = plain_best(theta, s, tau=tau, level=0.9, draws=1500, rng=np.random.default_rng(5))
    assert fast.member.tolist() == member
    assert fast.critical == pytest.approx(critical, rel=1e-12)


@pytest.mark.parametrize("name", ["csranks_syn_ranks_a", "csranks_syn_ranks_a_correlated"])
def test_best_sets_and_one_sided_sets_against_csranks(name):
    data = pd.read_csv(FOLDER / "syn_ranks_a.csv")
    results = json.loads((FOLDER / f"{name}.json").read_text())["results"]
    i = np.arange(len(data))
    s = np.outer(data.se, data.se) * (0.3 ** np.abs(i[:, None] - i) if "correlated" in name else np.eye(len(data)))
    x = data.x.to_numpy()
    sets = confidence_sets(x, s, rng=np.random.default_rng(0))
    for tau in (1, 2, 5):
        for end, sign, projected in (
            ("best", 1.0, sets.simultaneous_lower <= tau),
            ("worst", -1.0, sets.simultaneous_upper > len(x) - tau),
        ):
            expected = np.array(results[f"tau_{end}|{tau}|stepdown"])
            np.testing.assert_array_equal(projected, expected)
            member = best_set(sign * x, s, tau=tau, rng=np.random.default_rng(0)).member
            assert not (member & ~expected).any()
    for level in ("0.9", "0.95"):
        for side, end, name in (("lower", "L", "lower"), ("upper", "U", "upper")):
            one = confidence_sets(x, s, level=float(level), side=side, rng=np.random.default_rng(0))
            for kind, prefix in (("marginal", ""), ("simul", "simultaneous_")):
                gap = np.abs(getattr(one, prefix + name) - np.array(results[f"{level}|{side}|stepdown|{kind}"][end]))
                assert gap.max() <= 1
                assert gap.sum() <= 1


def test_best_of_equals_is_wrong_as_often_as_stated():
    rng, reps, k = np.random.default_rng(9), 400, 12
    noise = rng.uniform(0.5, 2.0, k) ** 2
    wrong = 0
    for _ in range(reps):
        found = best_set(rng.normal(0, np.sqrt(noise)), np.diag(noise), tau=1, draws=1000, level=0.9, rng=rng)
        wrong += not found.member.all()
    # All have rank 1, so that the error is exactly the stated one, but for the simulated critical value.
    assert abs(wrong / reps - 0.1) < 4 * np.hypot(np.sqrt(0.09 / reps), np.sqrt(0.09 / 1000))


def test_best_set_is_never_larger_than_the_projection():
    for seed in range(20):
        theta, s, _ = problem(15, seed, 1.0)
        sets = confidence_sets(theta, s, draws=1000, rng=np.random.default_rng(seed))
        for tau in (1, 4, 15):
            member = best_set(theta, s, tau=tau, draws=1000, rng=np.random.default_rng(seed)).member
            assert not (member & (sets.simultaneous_lower > tau)).any()
            assert member[np.argsort(-theta)[:tau]].all()


def test_all_equal_is_wrong_as_often_as_stated():
    rng, reps, k = np.random.default_rng(7), 400, 12
    noise = rng.uniform(0.5, 2.0, k) ** 2
    wrong = 0
    for _ in range(reps):
        x = rng.normal(0, np.sqrt(noise))
        sets = confidence_sets(x, np.diag(noise), draws=1000, level=0.9, rng=rng)
        wrong += (sets.simultaneous_lower > 1).any() or (sets.simultaneous_upper < k).any()
    error = np.sqrt(0.1 * 0.9 / reps)
    # With all equal, the simultaneous sets are wrong exactly as often as stated; the simulated critical value (1,000
    # draws) moves that by one Monte Carlo standard error of its own.
    assert abs(wrong / reps - 0.1) < 4 * np.hypot(error, np.sqrt(0.1 * 0.9 / 1000))


def test_estimated_noise_keeps_the_level():
    rng, reps, k, df = np.random.default_rng(8), 400, 6, 4.0
    wrong = {"t": 0, "normal": 0}
    for _ in range(reps):
        x = rng.normal(size=k)
        noise = rng.chisquare(df, k) / df
        for name, freedom in (("t", np.full(k, df)), ("normal", np.full(k, np.inf))):
            sets = confidence_sets(x, np.diag(noise), noise=noise, df=freedom, draws=1000, level=0.9, rng=rng)
            wrong[name] += (sets.simultaneous_lower > 1).any() or (sets.simultaneous_upper < k).any()
    assert wrong["t"] / reps < 0.1 + 4 * np.sqrt(0.1 * 0.9 / reps)
    assert wrong["normal"] > 1.5 * wrong["t"]


def test_order_of_rows_and_units_of_measure_are_irrelevant():
    theta, s, noise = problem(20, 4)
    df = np.random.default_rng(0).integers(3, 20, 20).astype(float)
    one = confidence_sets(theta, s, noise=noise, df=df, draws=1000, rng=np.random.default_rng(3))
    to = np.random.default_rng(9).permutation(20)
    other = confidence_sets(
        1e6 * theta[to],
        1e12 * s[np.ix_(to, to)],
        noise=1e12 * noise[to],
        df=df[to],
        draws=1000,
        rng=np.random.default_rng(3),
    )
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name)[to], getattr(other, name))
    np.testing.assert_allclose(one.critical[to], other.critical, rtol=1e-10)


def test_draws_have_the_covariance_also_when_singular():
    s = np.array([[2.0, 1.0, -1.0], [1.0, 1.0, -0.5], [-1.0, -0.5, 0.5]])  # rank two
    z = gaussian_draws(s, draws=40_000, rng=np.random.default_rng(1))
    np.testing.assert_allclose(np.cov(z), s, atol=4 * 2.0 * np.sqrt(2 / 40_000))
    np.testing.assert_allclose(z[0] + 2 * z[2], 0.0, atol=1e-6)


def test_refusals():
    rng, x = np.random.default_rng(0), np.arange(3.0)
    indefinite = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    with pytest.raises(DataError, match="positive semidefinite"):
        confidence_sets(x, indefinite, rng=rng)
    with pytest.raises(DataError, match="above zero"):
        confidence_sets(x, np.diag([1.0, 0.0, 1.0]), rng=rng)
    with pytest.raises(DataError, match="no standard error"):
        confidence_sets(x, np.ones((3, 3)), rng=rng)
    with pytest.raises(SpecificationError, match="at least two"):
        confidence_sets(x[:1], np.eye(1), rng=rng)
    with pytest.raises(SpecificationError, match="needs noise"):
        confidence_sets(x, np.eye(3), df=np.full(3, 4.0), rng=rng)
    with pytest.raises(SpecificationError, match="too few"):
        confidence_sets(x, np.eye(3), draws=50, rng=rng)
    for level in (0.2, 1.0):
        with pytest.raises(SpecificationError, match="level"):
            confidence_sets(x, np.eye(3), level=level, rng=rng)


def test_ties_share_the_smallest_rank():
    assert min_rank(np.array([0.1 + 0.2, 0.3, -1.0, 5.0, 0.0, -0.0])).tolist() == [2, 2, 6, 1, 4, 4]


@pytest.mark.parametrize("df", [None, 6.0])
def test_two_units_and_everything_separated(df):
    x, noise = np.array([0.0, 1000.0, 2000.0]), np.ones(3)
    freedom = None if df is None else np.full(3, df)
    sets = confidence_sets(x, np.eye(3), noise=noise, df=freedom, rng=np.random.default_rng(0))
    for name in FIELDS:
        assert getattr(sets, name).tolist() == [3, 2, 1]
    pair = confidence_sets(x[:2], np.eye(2), rng=np.random.default_rng(0))
    # Once apart, only the true half of the pair stands: a one-sided normal quantile.
    assert pair.simultaneous_critical == pytest.approx(1.645, abs=0.08)


@pytest.mark.slow
def test_time_and_memory():
    """Prints what the docstring states; asserts only that memory stays far below k² b."""
    for k, draws in ((98, 10_000), (2000, 1000)):
        theta, _, noise = problem(k, 1)
        start = time.perf_counter()
        confidence_sets(theta, np.diag(noise), draws=draws, rng=np.random.default_rng(0))
        print(f"{k} units, {draws} draws: {time.perf_counter() - start:.2f} s")
    tracemalloc.start()
    theta, _, noise = problem(600, 1)
    confidence_sets(theta, np.diag(noise), draws=1000, rng=np.random.default_rng(0))
    assert tracemalloc.get_traced_memory()[1] < 1e8
    tracemalloc.stop()
