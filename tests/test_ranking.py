"""Ranks from a comparison: who is first, who is left out, what is refused, and whether sets cover."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from benchmodels.comparison import Comparison, Source
from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.rank_sets import gaussian_draws
from benchmodels.ranking import rank

COLUMNS = ["unit", "estimate", "rank", "lower", "upper", "simultaneous_lower", "simultaneous_upper"]


def make(estimate, noise, *, shared=None, core=None, **rest):
    estimate, noise = np.asarray(estimate, float), np.asarray(noise, float)
    k = len(estimate)
    shared = np.zeros((k, 0)) if shared is None else shared
    values = {
        "unit": [f"Enhed {i}" for i in range(k)],
        "size": np.ones(k),
        "observed": estimate,
        "expected": np.zeros(k),
        "estimate": estimate,
        "lower": estimate - np.sqrt(noise),
        "upper": estimate + np.sqrt(noise),
        "noise": noise,
        "shared": shared,
        "core": np.zeros((shared.shape[1],) * 2) if core is None else core,
        "null": 0.0,
        "null_std_error": np.sqrt(noise),
        "df": np.full(k, np.inf),
        "overlap": np.full(k, np.nan),
        "withheld": np.where(np.isnan(noise), "one cluster", ""),
        "standard": "direct",
        "contrast": "difference",
        "reference": "others",
        "level": 0.95,
        "better": None,
        "source": Source(model="m", version="0", rows_read=k, rows_dropped=0, noise="counts"),
    }
    return Comparison(**(values | rest))


def sample(k=20, seed=1, **rest):
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.2, 0.6, k)
    return make(rng.normal(0, 1, k), se**2, **rest)


def test_table_and_attributes():
    found = rank(sample(), draws=1000, level=0.9)
    frame = found.to_frame()
    assert list(frame.columns) == COLUMNS
    assert len(found) == len(frame) == 20
    assert (frame.lower <= frame["rank"]).all()
    assert (frame["rank"] <= frame.upper).all()
    assert (frame.simultaneous_lower <= frame.lower).all()
    assert (frame.upper <= frame.simultaneous_upper).all()
    assert (found.level, found.draws, found.better, found.notes, found.rng) == (0.9, 1000, None, (), "0")
    assert "20 of 20" in repr(found)


@pytest.mark.parametrize(
    ("better", "first", "word"), [("low", 0, "lowest"), ("high", 2, "highest"), (None, 2, "highest")]
)
def test_rank_one_is_the_better_end(better, first, word):
    found = rank(make([-100.0, 0.0, 100.0], np.ones(3), better=better))
    assert found.rank[first] == found.lower[first] == found.upper[first] == 1
    assert word in found.order


def test_mirror_image_has_mirrored_sets():
    low, high = rank(sample(better="low")), rank(sample(better="high"))
    np.testing.assert_array_equal(low.rank, 21 - high.rank)
    # Draws are not mirrored, so a bound may differ by one.
    assert np.abs(low.lower - (21 - high.upper)).max() <= 1


def test_ties():
    found = rank(make([0.3, 0.1 + 0.2, 0.1, 0.5], np.full(4, 1e-6)))
    assert found.rank.tolist() == [2, 2, 4, 1]
    assert found.lower.tolist() == [2, 2, 4, 1]
    assert found.upper.tolist() == [3, 3, 4, 1]


def test_same_seed_same_answer_and_order_of_rows_is_irrelevant():
    c = sample()
    to = np.random.default_rng(5).permutation(20)
    one, again, moved = rank(c, draws=1000), rank(c, draws=1000), rank(c.take(to), draws=1000)
    pd.testing.assert_frame_equal(one.to_frame(), again.to_frame())
    pd.testing.assert_frame_equal(one.to_frame().iloc[to].reset_index(drop=True), moved.to_frame())
    named = rank(make(c.estimate, c.noise, unit=[f"Ærø {i}" for i in range(20)]), draws=1000)
    pd.testing.assert_frame_equal(one.to_frame().drop(columns="unit"), named.to_frame().drop(columns="unit"))
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(one)).to_frame(), one.to_frame())


def test_entropy_is_recorded():
    fresh = rank(sample(), draws=1000, rng=None)
    assert int(fresh.rng) > 0
    repeated = rank(sample(), draws=1000, rng=int(fresh.rng))
    pd.testing.assert_frame_equal(fresh.to_frame(), repeated.to_frame())
    child = np.random.default_rng(3).spawn(1)[0]
    assert "spawn key (0,)" in rank(sample(), draws=1000, rng=child).rng


def test_what_units_share_cancels():
    # A common error moves all units together and tells nothing of their order.
    c = sample()
    common = make(c.estimate, c.noise, shared=np.ones((20, 1)), core=np.array([[25.0]]))
    one, other = rank(c), rank(common)
    assert np.abs(one.lower - other.lower).max() <= 1
    assert np.abs(one.simultaneous_upper - other.simultaneous_upper).max() <= 1


def test_indefinite_core_is_used_when_the_whole_is_a_covariance():
    c = sample()
    loading = np.random.default_rng(0).normal(0, 0.1, (20, 2))
    mixed = make(c.estimate, c.noise, shared=loading, core=np.diag([0.5, -0.2]))
    assert np.isfinite(rank(mixed, draws=1000).rank).all()


def test_withheld_units_are_left_out_and_named():
    c = sample()
    noise = c.noise.copy()
    noise[[4, 7]] = np.nan
    holed = make(c.estimate, noise)
    with pytest.warns(PartialResultWarning, match="2 of 20 units.*Enhed 4, Enhed 7") as caught:
        found = rank(holed, draws=1000)
    assert len(caught) == 1
    assert "Enhed 4, Enhed 7" in found.notes[0]
    assert np.isnan(found.rank).sum() == 2
    assert np.nanmax(found.upper) == 18
    rest = rank(c.take(np.delete(np.arange(20), [4, 7])), draws=1000)
    np.testing.assert_array_equal(found.lower[np.isfinite(found.lower)], rest.lower)


@pytest.mark.parametrize("contrast", ["ratio", "rate", "difference"])
def test_indirect_estimates_warn(contrast):
    with pytest.warns(BenchmodelsWarning, match="own case mix") as caught:
        found = rank(sample(standard="indirect", contrast=contrast, overlap=np.full(20, 0.9)), draws=1000)
    assert not issubclass(caught[0].category, PartialResultWarning)
    assert len(found.notes) == 1


def test_too_different_case_mix_is_refused():
    overlap = np.full(20, 0.9)
    overlap[3] = 0.15
    for contrast in ("ratio", "rate"):
        with pytest.raises(SpecificationError, match=r"Enhed 3 shares 15% .* 20%"):
            rank(sample(standard="indirect", contrast=contrast, overlap=overlap), draws=1000)
    with pytest.warns(BenchmodelsWarning):
        rank(sample(standard="indirect", contrast="ratio", overlap=overlap), draws=1000, overlap_threshold=0.1)
    with pytest.warns(BenchmodelsWarning):
        difference = rank(sample(standard="indirect", overlap=overlap), draws=1000)
    assert "Enhed 3" in difference.notes[1]
    assert "extrapolation" in rank(sample(overlap=overlap), draws=1000).notes[0]


def test_too_few_units():
    with pytest.raises(SpecificationError, match="at least two"):
        rank(make([1.0], [1.0]))
    with pytest.raises(SpecificationError, match="1 of 3 have one"):
        rank(make([1.0, 2.0, 3.0], [1.0, np.nan, np.nan]))


def test_certain_of_a_place():
    found = rank(make([10.0, 9.0, 8.9, -50.0], np.full(4, 0.01)))
    assert found.certain(1).tolist() == ["Enhed 0"]
    assert found.certain(2).tolist() == ["Enhed 0"]  # of the two that follow, either may be second
    assert found.certain(3).tolist() == ["Enhed 0", "Enhed 1", "Enhed 2"]
    assert found.certain(4).tolist() == found.best(4).tolist() == found.worst(4).tolist()
    tied = rank(make([5.0, 5.0, 0.0], np.full(3, 1e-6)))
    assert tied.certain(1).tolist() == []
    assert tied.best(1).tolist() == ["Enhed 0", "Enhed 1"]
    for tau in (1, 3):
        wide = rank(sample(), draws=1000)
        assert set(wide.certain(tau)) <= set(wide.best(tau))


def test_what_is_no_number_is_refused_in_words():
    c = sample()
    found = rank(c, draws=1000)
    for ask in (found.best, found.worst, found.certain):
        for tau in (2.5, True, "3", np.nan, None, 0, 21):
            with pytest.raises(
                SpecificationError, match="tau=.*a whole number from 1 to 20, the number of units ranked"
            ):
                ask(tau)
        assert len(ask(np.int64(20))) == 20
    for name, values in (
        ("overlap_threshold", (-0.1, 0, 20, True, "0.2", np.nan, None)),
        ("level", (95, "0.95", np.nan)),
        ("draws", (1000.5, "many", 0)),
        ("rng", ("a", -1)),
    ):
        for value in values:
            with pytest.raises(SpecificationError, match=f"{name}="):
                rank(c, **{name: value})


@pytest.mark.parametrize("df", [0.0, -2.0, np.nan])
def test_no_degrees_of_freedom_are_refused(df):
    with pytest.raises(DataError, match="degrees of freedom must be above zero"):
        rank(sample(df=np.r_[df, np.full(19, 8.0)]), draws=1000)


def coverage(k, sd, reps, *, draws, seed=0):
    """Share of data sets in which all true ranks, and share of units whose true rank, is in its set."""
    rng = np.random.default_rng(seed)
    together, single, naive_together, naive = [], [], [], []
    for _ in range(reps):
        se, truth = rng.uniform(0.2, 0.6, k), rng.normal(0, sd, k)
        true_rank = 1 + (truth > truth[:, None]).sum(axis=1)
        estimate = rng.normal(truth, se)
        found = rank(make(estimate, se**2), draws=draws, rng=rng)
        single.append(np.mean((found.lower <= true_rank) & (true_rank <= found.upper)))
        inside = (found.simultaneous_lower <= true_rank) & (true_rank <= found.simultaneous_upper)
        together.append(inside.all())
        redrawn = estimate[:, None] + gaussian_draws(np.diag(se**2), draws=500, rng=rng)
        ranks = k - np.argsort(np.argsort(redrawn, axis=0), axis=0)
        low, high = np.quantile(ranks, [0.025, 0.975], axis=1)
        naive.append(np.mean((low <= true_rank) & (true_rank <= high)))
        naive_together.append(((low <= true_rank) & (true_rank <= high)).all())
    return (np.mean(values) for values in (together, single, naive_together, naive))


def test_sets_cover():
    reps = 200
    together, single, _, _ = coverage(20, 0.35, reps, draws=1000)
    assert together >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / reps)
    assert single >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / reps)


@pytest.mark.slow
def test_naive_rank_intervals_do_not_cover_and_these_do():
    """98 units, effects with standard deviation .35, standard errors .2 to .6, 200 data sets."""
    reps = 200
    together, single, naive_together, naive = coverage(98, 0.35, reps, draws=1000, seed=1)
    print(f"simultaneous {together:.3f}, marginal {single:.3f}; naive {naive_together:.3f}, {naive:.3f}")
    assert together >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / reps)
    assert single >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / reps)
    assert naive_together == 0.0
    assert naive < 0.9


def test_no_warning_when_there_is_nothing_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rank(sample(overlap=np.full(20, 0.9)), draws=1000)
