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


def statistics(theta, s, draws, rng, noise=None, df=None):
    """Observed and drawn studentised differences of every ordered pair; units in ascending order of θ."""
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
    return t, statistic


def plain(theta, s, *, level, draws, rng, noise=None, df=None):
    """Sets by testing every one-sided hypothesis one by one; units in ascending order of θ."""
    k = len(theta)
    t, statistic = statistics(theta, s, draws, rng, noise, df)
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
    monkeypatch.setattr(pairwise_errors, "_TILE", 7)
    monkeypatch.setattr(pairwise_errors, "_SINGLE", 0.0)
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


def bounded(k, loading, df, *, draws=500, scale=1.0, spread=20.0, seed=2):
    """Errors, and the largest studentised difference of each unit in each draw by the whole k x k of each."""
    rng = np.random.default_rng(seed)
    noise = scale**2 * np.exp(rng.uniform(-2 * np.log(spread), 0.0, k))
    shared = scale * loading * rng.normal(1.0, 0.1, (k, 2))
    # What a unit left out of its own expected value shares with the others is less than nothing.
    s = np.diag(noise) + shared @ shared.T if loading >= 0 else np.diag((1.0 + loading) * noise)
    freedom = np.full(k, np.inf if df is None else df)
    errors = pairwise_errors.draw_errors(s, noise, freedom, draws=draws, rng=rng)
    difference = np.abs(errors.z[:, :, None] - errors.z[:, None, :])
    if df is None:
        return errors, (difference * errors.inverse).max(axis=2).T
    own = errors.variance[:, :, None] + errors.variance[:, None, :]
    return errors, (difference / np.sqrt(own * errors.scale + errors.shared)).max(axis=2).T


@pytest.mark.parametrize("df", [None, 5.0, 1.0])
@pytest.mark.parametrize(
    ("loading", "scale", "spread"),
    [(0.0, 1.0, 20.0), (0.2, 1e-8, 20.0), (5.0, 1e8, 20.0), (0.01, 1.0, 1e10), (1e5, 1.0, 20.0), (-0.3, 1.0, 20.0)],
)
def test_no_difference_is_beyond_its_bound(df, loading, scale, spread):
    """Also where single precision does not reach: standard errors from 1 to 1e-10, and 1e5 shared to 1 of one's own."""
    errors, largest = bounded(17, loading, df, scale=scale, spread=spread)
    assert (largest <= errors.bound).all()
    # And the bound is no more than what rounding may hide above it, so that few draws are looked at again.
    assert (errors.bound <= largest * (1 + 2e-5) + 2e-3).all()
    for j in (0, 16):
        assert len(errors.large(j, slice(0, 17), 0.0).value) == 500 * 17
        found = errors.large(j, slice(0, 17), 2.0)
        assert len(np.unique(found.draw)) == (largest[j] >= 2.0).sum()
        assert (np.abs(found.value) <= errors.bound[j, found.draw]).all()


def test_a_pair_almost_tied_together_is_bounded_in_double_precision():
    s = np.eye(3)
    s[0, 1] = s[1, 0] = 1.0 - 1e-11
    errors = pairwise_errors.draw_errors(s, np.zeros(3), np.full(3, np.inf), draws=400, rng=np.random.default_rng(0))
    largest = (np.abs(errors.z[:, :, None] - errors.z[:, None, :]) * errors.inverse).max(axis=2).T
    assert (largest <= errors.bound).all()
    assert (errors.bound <= largest * (1 + 2e-7)).all()


def test_noise_that_is_drawn_as_zero_rejects_nothing():
    """Of a thousandth of a degree of freedom most draws underflow; the critical value has no limit then."""
    sets = confidence_sets(
        np.arange(4.0), np.eye(4), noise=np.ones(4), df=np.full(4, 1e-3), draws=200, rng=np.random.default_rng(0)
    )
    assert sets.simultaneous_critical == np.inf
    assert (sets.simultaneous_lower == 1).all()
    assert (sets.upper == 4).all()


def plain_best(theta, s, *, tau, level, draws, rng, noise=None, df=None):
    """Step-down over pairs (unit in question, unit above it), one by one."""
    k = len(theta)
    pairs = [(j, r) for j in range(k) for r in range(k) if r != j]
    t, error = statistics(theta, s, draws, rng, noise, df)
    standing = set(pairs)
    while True:
        c = np.sort(np.max([error[r, j] for j, r in standing], axis=0))[math.ceil(level * draws) - 1]
        member = [sum(t[r, j] > c for r in range(k) if r != j) < tau for j in range(k)]
        left = {(j, r) for j, r in standing if member[j] and t[r, j] <= c}
        if left == standing:
            return member, c
        standing = left


@pytest.mark.parametrize("df", [None, 4.0])
@pytest.mark.parametrize("tau", [1, 3, 9])
@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_best_set_agrees_with_plain_loop(tau, spread, df):
    theta, s, noise = problem(9, 11, spread)
    options = {"tau": tau, "level": 0.9, "draws": 1500}
    options |= {} if df is None else {"noise": noise, "df": np.full(9, df)}
    fast = best_set(theta, s, rng=np.random.default_rng(5), **options)
    member, critical = plain_best(theta, s, rng=np.random.default_rng(5), **options)
    assert fast.member.tolist() == member
    assert fast.critical == pytest.approx(critical, rel=1e-12)


def truths(k, tau):
    """Where a wrong exclusion is most likely, and where the steps take most away."""
    return {
        "all equal": np.zeros(k),
        "one less than tau apart, the rest tied": np.r_[np.full(tau - 1, 20.0), np.zeros(k - tau + 1)],
        "tau apart, a cluster below": np.r_[np.full(tau, 20.0), np.zeros(k - tau)],
        "two clusters": np.r_[np.full(k // 2, 3.0), np.zeros(k - k // 2)],
        "a ladder": np.linspace(3.0, 0.0, k),
    }


def wrongly_excluded(theta, s, *, tau, level, draws, reps, rng, estimated=None):
    """Share of data sets that leave a member out, and how many do so within the event of the proposition."""
    k = len(theta)
    above = (theta > theta[:, None]).sum(axis=1)
    member = above < tau
    low, high = np.nonzero(member[:, None] & (theta <= theta[:, None]) & ~np.eye(k, dtype=bool))
    wrong, against = 0, 0
    for _ in range(reps):
        x = theta + gaussian_draws(s, draws=1, rng=rng)[:, 0]
        noise, df, covariance = None, None, s
        if estimated is not None:
            noise, df = np.diagonal(s) * rng.chisquare(estimated, k) / estimated, np.full(k, estimated)
            covariance = np.diag(noise)
        seed = int(rng.integers(2**31))
        found = best_set(
            x, covariance, tau=tau, noise=noise, df=df, level=level, draws=draws, rng=np.random.default_rng(seed)
        )
        left_out = not found.member[member].all()
        wrong += left_out
        # The same draws, in the same order, give c_I: the quantile over the pairs that must stand.
        errors, _, order = rank_sets._ordered(x, covariance, noise, df, draws, np.random.default_rng(seed))
        place = np.argsort(order)
        a, b = place[low], place[high]
        scale = 1.0 / errors.inverse[a, b]
        if df is not None:
            scale = np.sqrt((errors.variance[:, a] + errors.variance[:, b]) * errors.scale[a, b] + errors.shared[a, b])
        largest = ((errors.z[:, b] - errors.z[:, a]) / scale).max(axis=1)
        critical = np.sort(largest)[math.ceil(level * draws) - 1]
        happened = (x - theta)[high] - (x - theta)[low] <= critical / errors.inverse[a, b] * (1 - 1e-12)
        against += left_out and bool(happened.all())
    return wrong / reps, against


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("tau", [1, 3])
def test_the_proposition_on_members_has_no_exception(tau, correlated):
    k, reps, level, rng = 10, 40, 0.7, np.random.default_rng(tau)
    for theta in truths(k, tau).values():
        _, s, _ = problem(k, 3)
        s = s if correlated else np.diag(np.diagonal(s))
        wrong, against = wrongly_excluded(theta, s, tau=tau, level=level, draws=200, reps=reps, rng=rng)
        assert against == 0
        assert wrong <= 1 - level + 4 * np.sqrt(level * (1 - level) * (1 / reps + 1 / 200))


@pytest.mark.slow
@pytest.mark.parametrize("estimated", [None, 8.0])
def test_members_are_left_out_no_more_often_than_stated(estimated):
    """20 units, standard errors of .05 to 1, 1,000 data sets of 2,000 draws each, level .95.

    Of 2,000 data sets a member was left out, known noise (8 df): all equal .047 and .060 (.057, .056) for τ 1, .007
    (.007) for τ 5; one less than τ apart and the rest tied .045 (.042) for τ 5; two clusters .027 (.030) and .002; tau
    apart .000; a ladder .002 (.002) and .000.
    """
    k, reps, draws, level, rng = 20, 1000, 2000, 0.95, np.random.default_rng(6)
    s = np.diag(np.geomspace(0.05, 1.0, k)[rng.permutation(k)] ** 2)
    for tau in (1, 5):
        for name, theta in truths(k, tau).items():
            wrong, against = wrongly_excluded(
                theta, s, tau=tau, level=level, draws=draws, reps=reps, rng=rng, estimated=estimated
            )
            print(f"df {estimated}, tau {tau}, {name}: a member left out in {wrong:.4f}")
            assert against == 0
            assert wrong <= 1 - level + 3 * np.sqrt(level * (1 - level) * (1 / reps + 1 / draws))


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
    for df in (0.0, -1.0, np.nan):
        with pytest.raises(DataError, match="degrees of freedom must be above zero"):
            confidence_sets(x, np.eye(3), noise=np.ones(3), df=np.array([4.0, df, np.inf]), rng=rng)
    with pytest.raises(DataError, match="not below"):
        best_set(x, np.eye(3), tau=1, noise=np.array([1.0, -0.1, 1.0]), df=np.full(3, 4.0), rng=rng)
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
        for df in (np.inf, 8.0):
            start = time.process_time()
            confidence_sets(
                theta, np.diag(noise), noise=noise, df=np.full(k, df), draws=draws, rng=np.random.default_rng(0)
            )
            print(f"{k} units, {draws} draws, df {df}: {time.process_time() - start:.2f} s")
    tracemalloc.start()
    theta, _, noise = problem(600, 1)
    df = np.full(600, 8.0)
    confidence_sets(theta, np.diag(noise), noise=noise, df=df, draws=1000, rng=np.random.default_rng(0))
    assert tracemalloc.get_traced_memory()[1] < 1e8
    tracemalloc.stop()
