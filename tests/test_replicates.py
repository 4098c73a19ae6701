"""What is used of a comparison with replicates: their joint errors, whatever their shape, and their bias."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmodels import flag, rank, shrink, withheld_units
from benchmodels.bands import simultaneous_level
from benchmodels.comparison import Comparison, Coverage, Source
from benchmodels.errors import SpecificationError
from benchmodels.imputation import pool
from benchmodels.placing import best_set, differences, differs

K, B = 12, 4000


def made(estimate, errors, **rest):
    k = len(estimate)
    values = {
        "unit": [f"Ærø {i}" for i in range(k)], "size": np.ones(k), "observed": estimate, "expected": np.ones(k),
        "estimate": estimate, "lower": estimate - np.quantile(errors, 0.975, axis=0),
        "upper": estimate - np.quantile(errors, 0.025, axis=0), "noise": errors.var(axis=0, ddof=1),
        "shared": np.zeros((k, 0)), "core": np.zeros((0, 0)), "null": 1.0, "null_std_error": np.full(k, np.nan),
        "df": np.full(k, np.inf), "overlap": np.full(k, np.nan), "withheld": np.full(k, "", object),
        "standard": "indirect", "contrast": "difference", "reference": "all", "level": 0.95, "better": "low",
        "source": Source(model="m", version="0", rows_read=k, rows_dropped=0, noise="replicates"),
        "replicates": errors, "replicate_kind": "errors",
    }  # fmt: skip
    return Comparison(**(values | {"standard": "direct"} | rest))


def normal_and_drawn(bias=0.0):
    """Return the same estimates with a normal covariance, and with draws from it that have a bias."""
    rng = np.random.default_rng(3)
    root = rng.normal(size=(K, K)) / 8 + np.diag(rng.uniform(0.1, 0.3, K))
    errors = rng.normal(size=(B, K)) @ root.T
    # Draws with exactly this covariance and no mean, so that nothing but the quantiles is drawn.
    errors = (errors - errors.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(errors, rowvar=False))).T
    covariance = root @ root.T
    errors = errors @ np.linalg.cholesky(covariance).T
    estimate = np.linspace(1.0, 3.0, K) + rng.normal(0, 0.1, K)
    noise = np.full(K, 1e-12)
    plain = made(
        estimate, errors, replicates=None, replicate_kind=None, noise=noise, shared=np.eye(K),
        core=covariance - np.diag(noise),
    )  # fmt: skip
    return plain, made(estimate + bias, errors + bias)


def test_normal_replicates_rank_as_the_normal_covariance_does():
    plain, drawn = normal_and_drawn()
    np.testing.assert_allclose(drawn.covariance(), plain.covariance(), rtol=1e-8, atol=1e-12)
    one, other = rank(plain, draws=200_000), rank(drawn)
    assert other.draws == B
    for name in ("lower", "upper", "simultaneous_lower", "simultaneous_upper"):
        assert np.abs(getattr(one, name) - getattr(other, name)).max() <= 1, name
    np.testing.assert_array_equal(one.rank, other.rank)


def test_a_bias_that_is_known_changes_no_set():
    bias = np.linspace(-3.0, 4.0, K)
    one, other = rank(normal_and_drawn()[1]), rank(normal_and_drawn(bias)[1])
    for name in ("lower", "upper", "simultaneous_lower", "simultaneous_upper"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    # Ranks themselves are of what was found.
    np.testing.assert_array_equal(other.rank, stats.rankdata(np.linspace(1.0, 3.0, K) * 0 + other.estimate))
    first = [best_set(normal_and_drawn(b)[1], tau=3) for b in (0.0, bias)]
    np.testing.assert_array_equal(first[0].verdict, first[1].verdict)


def test_one_pair_by_hand():
    rng = np.random.default_rng(4)
    errors = rng.exponential(0.1, size=(B, 3)) - 0.3
    comparison = made(np.array([1.0, 1.5, 1.2]), errors)
    pair = differs(comparison, "Ærø 1", "Ærø 0")
    apart = errors[:, 1] - errors[:, 0]
    assert pair.difference == pytest.approx(0.5 - apart.mean(), rel=1e-12)
    assert (pair.lower, pair.upper) == pytest.approx(0.5 - np.quantile(apart, [0.975, 0.025]), rel=1e-12)
    assert pair.verdict == "above" and pair.std_error == pytest.approx(apart.std(ddof=1), rel=1e-12)
    assert pair.p_value <= 2 * (np.sum(np.abs(apart - apart.mean()) > abs(pair.difference)) + 2) / B
    both = differences(comparison, "Ærø 1")
    assert (both.lower[0], both.verdict[0]) == (pair.lower, pair.verdict)
    same = differs(made(np.array([1.0, 1.0 + 1e-9, 1.2]), errors), "Ærø 1", "Ærø 0")
    assert same.verdict == "not different" and same.p_value > 0.9


def test_p_values_are_uniform_where_two_are_equal():
    rng = np.random.default_rng(5)
    spread = np.array([0.3, 0.1])
    found = []
    for _ in range(300):
        estimate = 1.0 + rng.exponential(spread) - spread
        errors = rng.exponential(spread, size=(800, 2)) - spread
        found.append(differs(made(estimate, errors), "Ærø 0", "Ærø 1").p_value)
    assert stats.kstest(found, "uniform").pvalue > 1e-4
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 300))


def test_sets_of_skewed_errors_cover():
    """The same truth again and again, with errors of one-sided shape, a bias, and what all units share."""
    rng, held, together = np.random.default_rng(6), [], []
    spread = rng.uniform(0.1, 0.6, K)

    def errors(b):
        return spread * rng.exponential(size=(b, K)) + 0.5 * rng.exponential(size=(b, 1)) - 2.0

    truth = np.linspace(1, 2, K)
    for _ in range(150):
        sets = rank(made(truth + errors(1)[0], errors(500)))
        true = 1 + np.argsort(np.argsort(truth))
        held.append(np.mean((sets.lower <= true) & (true <= sets.upper)))
        together.append(np.all((sets.simultaneous_lower <= true) & (true <= sets.simultaneous_upper)))
    assert np.mean(held) > 0.95 - 4 * np.std(held) / np.sqrt(150)
    assert np.mean(together) > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 150)


def test_shrinkage_is_of_corrected_estimates():
    plain, drawn = normal_and_drawn(bias=-0.5)
    one, other = shrink(plain), shrink(drawn)
    np.testing.assert_allclose(one.shrunken, other.shrunken, rtol=1e-6)
    np.testing.assert_allclose(one.lower, other.lower, rtol=1e-6)
    np.testing.assert_allclose(other.estimate, plain.estimate - 0.5, rtol=1e-12)
    np.testing.assert_allclose(shrink(plain, prior="npmle").shrunken, shrink(drawn, prior="npmle").shrunken, atol=1e-4)
    for prior in ("gamma", "beta"):
        with pytest.raises(SpecificationError, match="by replicates"):
            shrink(drawn, prior=prior)


def test_what_holds_less_often_than_it_says_is_said_and_gives_no_verdict():
    found = Coverage(level=0.95, intervals=0.7, ranks=0.9, all_ranks=0.2, shrunken=0.6, simulated="ten tables")
    comparison = made(np.linspace(1, 3, K), normal_and_drawn()[1].replicates, coverage=found)
    ranks = rank(comparison)
    assert ranks.coverage == found and found.of_ranks() in ranks.notes
    assert "held 90% when simulated" in repr(ranks)
    assert found.of_shrunken() in shrink(comparison).notes
    flags = flag(comparison)
    for verdict in (flags.different, flags.unusual, flags.discovery, flags.practical):
        assert set(verdict) == {"withheld"}
    assert "simulated" not in repr(rank(normal_and_drawn()[1]))
    unknown = made(np.linspace(1, 3, K), normal_and_drawn()[1].replicates, coverage=short(ranks=np.nan))
    assert "unknown coverage" in repr(rank(unknown))


def test_no_band_of_replicates():
    with pytest.raises(SpecificationError, match="of replicates"):
        simultaneous_level(normal_and_drawn()[1])


def test_two_units_with_the_same_errors_are_not_told_apart():
    errors = np.random.default_rng(0).normal(0.0, 0.01, size=(200, 3))
    errors[:, 1] = errors[:, 0]
    comparison = made(np.array([1.0, 1.0, 1.5]), errors)
    sets = rank(comparison)
    assert sets.lower.tolist() == [1, 1, 3] and sets.upper.tolist() == [2, 2, 3]
    pair = differs(comparison, "Ærø 0", "Ærø 1")
    assert (pair.difference, pair.lower, pair.upper, pair.verdict) == (0.0, 0.0, 0.0, "not different")
    assert differs(comparison, "Ærø 2", "Ærø 1").simultaneous == "above"


def test_withheld_units_leave_no_replicate():
    comparison = normal_and_drawn()[1]
    size = np.full(K, 100.0)
    with pytest.warns(match="disclosure control"):
        kept = withheld_units(comparison.unit, np.r_[2.0, np.full(K - 1, 40.0)], size, threshold=5)
    told = kept.apply(comparison)
    assert np.isnan(told.replicates[:, kept.withheld]).all() and kept.withheld.any()
    np.testing.assert_array_equal(told.replicates[:, ~kept.withheld], comparison.replicates[:, ~kept.withheld])
    with pytest.warns(match="left out"):
        assert np.isfinite(rank(told).rank).sum() == int((~kept.withheld).sum())


def short(**changes):
    values = {"level": 0.95, "intervals": 0.7, "ranks": 0.9, "all_ranks": 0.2, "shrunken": 0.6, "simulated": "tables"}
    return Coverage(**(values | changes))


def test_no_verdict_on_pairs_and_no_chances_where_intervals_do_not_hold():
    comparison = made(np.linspace(1, 3, K), normal_and_drawn()[1].replicates, coverage=short())
    pair = differs(comparison, "Ærø 0", "Ærø 11")
    assert (pair.verdict, pair.simultaneous) == ("withheld", "withheld") and np.isnan(pair.p_value)
    assert pair.lower < pair.difference < pair.upper
    with pytest.raises(SpecificationError, match="held 70% of the truths"):
        shrink(comparison).posterior()
    assert "held 60% when simulated" in repr(shrink(comparison))
    reached = made(np.linspace(1, 3, K), normal_and_drawn()[1].replicates, coverage=short(intervals=0.95))
    assert differs(reached, "Ærø 0", "Ærø 11").verdict == "below"
    shrink(reached).posterior()


def test_the_best_are_ranked_as_in_the_ranking():
    biased = normal_and_drawn(np.linspace(-3.0, 4.0, K))[1]
    found = best_set(biased, tau=3)
    np.testing.assert_array_equal(found.rank, rank(biased).rank)
    assert found.draws == B


def test_discoveries_need_a_law_of_errors():
    flags = flag(normal_and_drawn()[1])
    assert set(flags.discovery) == {"withheld"} and np.isnan(flags.adjusted_p).all()
    assert "above" in set(flags.different) and "above" in set(flags.practical)


def test_replicates_are_not_pooled():
    comparison = normal_and_drawn()[1]
    with pytest.raises(Exception, match="pooling is of normal errors"):
        pool([comparison, comparison])


def test_low_is_high_in_the_mirror():
    """Errors that are skewed lean the other way there; the best of one end are those of the other."""
    rng = np.random.default_rng(8)
    errors = rng.exponential(0.3, size=(600, K)) * np.linspace(0.5, 2.0, K)
    estimate = rng.permutation(np.linspace(1.0, 2.5, K))
    low, high = made(estimate, errors), made(-estimate, -errors, better="high")
    for tau in (1, 3):
        one, two = best_set(low, tau=tau), best_set(high, tau=tau)
        np.testing.assert_array_equal(one.verdict, two.verdict)
        assert one.critical == pytest.approx(two.critical, rel=1e-12)
        # Turned one way only, the answer is another: the test sees which way errors lean.
        assert best_set(made(estimate, -errors + 2 * errors.mean(axis=0)), tau=tau).critical != one.critical


def test_the_best_are_held_by_errors_that_lean_one_way():
    """The one best of equals is left out no more often than it may be, whichever way the errors lean."""
    rng, held = np.random.default_rng(9), {1.0: [], -1.0: []}
    for sign, found in held.items():
        for _ in range(250):
            errors = sign * (rng.exponential(0.3, size=(501, 6)) - 0.3)
            comparison = made(2.0 + errors[0], errors[1:])
            found.append(best_set(comparison, tau=1, level=0.9).verdict[0] == "possible")
    for sign, found in held.items():
        assert np.mean(found) >= 0.9 - 4 * np.sqrt(0.09 / 250), (sign, np.mean(found))
