"""Best sets and differences from a comparison, and their coverage among units of very different size."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri
from scipy.stats import norm
from scipy.stats import t as student

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.placing import best_set, differences, differs
from benchmodels.ranking import rank

_spec = importlib.util.spec_from_file_location("made", Path(__file__).with_name("test_ranking.py"))
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
make, sample = made.make, made.sample


def test_best_set_is_within_the_simultaneous_sets():
    c = sample()
    found = best_set(c, tau=3, draws=1000)
    possible = set(found.unit[found.verdict == "possible"])
    assert possible <= set(rank(c, draws=1000).best(3))
    assert {f"Enhed {i}" for i in np.argsort(-c.estimate)[:3]} <= possible
    assert list(found.to_frame().columns) == ["unit", "estimate", "rank", "verdict"]
    assert "may be among the 3 highest" in repr(found)
    assert pickle.loads(pickle.dumps(found)).critical == found.critical


def test_worst_of_low_is_best_of_high():
    low, high = sample(better="low"), sample(better="high")
    worst, best = best_set(low, tau=4, end="worst"), best_set(high, tau=4)
    assert worst.verdict.tolist() == best.verdict.tolist()
    assert set(rank(low).worst(4)) == set(rank(low).unit[rank(low).simultaneous_upper > 16])


def test_withheld_units_are_neither_possible_nor_excluded():
    c = sample()
    noise = c.noise.copy()
    noise[4] = np.nan
    holed = make(c.estimate, noise)
    with pytest.warns(PartialResultWarning, match="Enhed 4"):
        found = best_set(holed, draws=1000)
    assert found.verdict[4] == "withheld"
    assert np.isnan(found.rank[4])
    with pytest.raises(SpecificationError, match="one cluster"):
        differs(holed, "Enhed 4", "Enhed 5")
    with pytest.raises(SpecificationError, match="from 1 to 19"), pytest.warns(PartialResultWarning):
        rank(holed, draws=1000).best(20)


def test_difference_of_two_by_hand():
    shared = np.array([[1.0], [0.5], [0.0]])
    c = make([3.0, 1.0, 0.0], [0.3, 0.4, 0.5], shared=shared, core=np.array([[0.2]]))
    found = differs(c, "Enhed 0", "Enhed 1")
    se = np.sqrt(0.3 + 0.4 + 0.2 * 0.25)
    assert found.difference == 2.0
    assert found.std_error == pytest.approx(se)
    assert found.p_value == pytest.approx(2 * norm.sf(2.0 / se))
    assert (found.lower, found.upper) == pytest.approx(norm.interval(0.95, 2.0, se))
    back = differs(c, "Enhed 1", "Enhed 0")
    assert (back.verdict, found.verdict) == ("below", "above")
    assert back.lower == pytest.approx(-found.upper)
    assert len(found.to_frame()) == 1


def test_estimated_noise_has_the_degrees_of_freedom_of_satterthwaite():
    c = make([3.0, 0.0, 1.0], [0.3, 0.4, 0.5], df=np.array([5.0, np.inf, 7.0]))
    found = differs(c, "Enhed 0", "Enhed 2", draws=1000)
    df = 0.8**2 / (0.3**2 / 5 + 0.5**2 / 7)
    assert found.df == pytest.approx(df)
    assert found.p_value == pytest.approx(2 * student.sf(2.0 / np.sqrt(0.8), df))


def test_noise_that_sharing_takes_from_shrinks_the_parts_alike():
    # Each of two units is less noisy than its own noise: a share of it is in its expected value too.
    c = make([3.0, 0.0], [0.4, 0.4], shared=np.eye(2), core=-0.1 * np.eye(2), df=np.array([5.0, 7.0]))
    assert differs(c, "Enhed 0", "Enhed 1", draws=1000).df == pytest.approx(0.6**2 / (0.3**2 / 5 + 0.3**2 / 7))


def test_a_pair_chosen_for_its_estimates_needs_more():
    c = make(np.r_[0.0, 2.9, np.full(28, 1.4)], np.full(30, 1.0))
    found = differs(c, "Enhed 1", "Enhed 0")
    assert (found.verdict, found.simultaneous) == ("above", "not different")
    assert differs(make([0.0, 90.0, 1.0], np.ones(3)), "Enhed 0", "Enhed 1").simultaneous == "below"


def test_refusals():
    c = sample()
    with pytest.raises(SpecificationError, match="did you mean Enhed 1"):
        differs(c, "Enhed_1", "Enhed 2")
    with pytest.raises(SpecificationError, match="itself"):
        differs(c, "Enhed 1", "Enhed 1")
    with pytest.raises(SpecificationError, match="end='top'"):
        best_set(c, end="top")
    with pytest.raises(SpecificationError, match="tau=0"):
        best_set(c, tau=0)


def test_words_say_high_and_low_where_neither_is_better():
    told = {better: repr(best_set(sample(better=better), tau=3, draws=1000)) for better in (None, "high", "low")}
    assert "the 3 highest" in told[None]
    assert "the 3 best" in told["high"]
    assert "the 3 best" in told["low"]
    assert "the 3 lowest" in repr(best_set(sample(), tau=3, end="worst", draws=1000))
    assert "the 3 worst" in repr(best_set(sample(better="low"), tau=3, end="worst", draws=1000))


def test_differences_are_those_of_pairs_one_by_one():
    loading = np.random.default_rng(0).normal(0, 0.3, (6, 2))
    df = np.array([4.0, np.inf, 9.0, np.inf, np.inf, 5.0])
    c = make([3.0, 0.0, 1.0, 2.9, -4.0, 1.1], np.linspace(0.1, 0.6, 6), shared=loading, core=np.eye(2), df=df)
    table = differences(c, "Enhed 3", draws=1000).to_frame()
    columns = ["unit", "other", "difference", "std_error", "lower", "upper", "p_value", "verdict", "simultaneous"]
    assert list(table.columns) == columns
    assert table.other.tolist() == [f"Enhed {i}" for i in (0, 1, 2, 4, 5)]
    assert set(table.unit) == {"Enhed 3"}
    for _, row in table.iterrows():
        pair = (
            differs(c, "Enhed 3", row.other, draws=1000).to_frame().rename(columns={"first": "unit", "second": "other"})
        )
        assert pair.loc[0].to_dict() == row.to_dict()
    some = differences(c, "Enhed 3", ["Enhed 4", "Enhed 0"], draws=1000)
    assert some.other.tolist() == ["Enhed 4", "Enhed 0"]
    assert (len(some), some.df[0], some.df[1]) == (2, np.inf, differs(c, "Enhed 3", "Enhed 0", draws=1000).df)
    assert "Differences('Enhed 3' against 2 units; among all pairs: 1 above, 0 below" in repr(some)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(some)).lower, some.lower)


def test_differences_to_units_withheld_are_told_without_an_interval():
    c = sample()
    noise = c.noise.copy()
    noise[4] = np.nan
    holed = make(c.estimate, noise)
    with pytest.warns(PartialResultWarning, match="Enhed 4") as caught:
        found = differences(holed, "Enhed 9", draws=1000)
    assert [Path(one.filename).name for one in caught] == ["test_placing.py"]
    assert (len(found), found.verdict[4], found.simultaneous[4]) == (19, "withheld", "withheld")
    assert found.difference[4] == c.estimate[9] - c.estimate[4]
    for name in ("std_error", "lower", "upper", "df", "p_value"):
        assert np.isnan(getattr(found, name)).tolist() == [i == 4 for i in range(19)]
    with pytest.raises(SpecificationError, match="one cluster"):
        differences(holed, "Enhed 4")


def test_differences_refuse():
    c = sample()
    for others, told in (
        ([], "at least one"),
        (["Enhed 2", "Enhed 2"], "different units"),
        (["Enhed 2", "Enhed 1"], "itself"),
        (["Enhed 99"], "no unit 'Enhed 99'"),
    ):
        with pytest.raises(SpecificationError, match=told):
            differences(c, "Enhed 1", others)


def one_of_98(truth, noise, rng):
    """True effects on the logit, and a comparison of 98 units with 60 to 6,000 cases each, log-normal."""
    k = 98
    size = rng.permutation(np.rint(600.0 * 10.0 ** (ndtri((np.arange(k) + 0.5) / k) / ndtri(1 - 0.5 / k))))
    effect = rng.normal(0, 0.35, k)
    if truth == "ties":
        effect[rng.permutation(k)[:60]] = 0.0
    variance = 1.0 / (size * 0.2 * 0.8)
    if noise == "counts":
        events = rng.binomial(size.astype(int), expit(logit(0.2) + effect))
        # Half an event added, as a unit may have none of its cases or all.
        estimate = np.log(events + 0.5) - np.log(size - events + 0.5)
        return effect, make(estimate, 1 / (events + 0.5) + 1 / (size - events + 0.5), size=size)
    estimate = effect + np.sqrt(variance) * rng.normal(size=k)
    if noise == "clusters":
        estimated = variance * rng.chisquare(8, k) / 8
        return effect, make(estimate, estimated, df=np.full(k, 8.0), size=size)
    loading = 0.1 * rng.normal(size=(k, 2)) if noise == "shared" else np.zeros((k, 0))
    estimate = estimate + loading @ rng.normal(size=loading.shape[1])
    return effect, make(estimate, variance, shared=loading, core=np.eye(loading.shape[1]), size=size)


def covered(truth, noise, *, reps, seed, draws=1000):
    """What each data set covers: shares of units for the marginal sets, all or nothing for what is joint.

    A unit that ties may be given each of its ranks: a set must hold the first and the last of them. Members of the τ
    best are all with fewer than τ units truly above.
    """
    rng, found = np.random.default_rng(seed), {}
    for _ in range(reps):
        effect, c = one_of_98(truth, noise, rng)
        above, below = (effect > effect[:, None]).sum(axis=1), (effect < effect[:, None]).sum(axis=1)
        sets = rank(c, draws=draws, rng=rng)
        inside = (sets.lower <= 1 + above) & (len(c) - below <= sets.upper)
        by_size = np.argsort(c.size)
        some = {
            "simultaneous": (
                (sets.simultaneous_lower <= 1 + above) & (len(c) - below <= sets.simultaneous_upper)
            ).all(),
            "marginal": inside.mean(),
            "ten smallest": inside[by_size[:10]].mean(),
        }
        some |= {f"third {i + 1}": inside[third].mean() for i, third in enumerate(np.array_split(by_size, 3))}
        for tau in (5, 20):
            for end, beyond in (("best", above), ("worst", below)):
                member = best_set(c, tau=tau, end=end, draws=draws, rng=rng).verdict == "possible"
                some[f"{tau} {end}"] = member[beyond < tau].all()
        for name, value in some.items():
            found.setdefault(name, []).append(float(value))
    return {name: np.array(values) for name, values in found.items()}


def check_coverage(truth, noise, **options):
    found = covered(truth, noise, **options)
    print(f"{noise}, {truth}:", ", ".join(f"{name} {values.mean():.3f}" for name, values in found.items()))
    for name, values in found.items():
        joint = name in ("simultaneous", "5 best", "5 worst", "20 best", "20 worst")
        spread = np.sqrt(0.95 * 0.05) if joint else max(values.std(), np.sqrt(0.95 * 0.05 / 98))
        assert values.mean() >= 0.95 - 4 * spread / np.sqrt(len(values)), name


@pytest.mark.parametrize(("truth", "noise"), [("spread", "counts"), ("ties", "clusters")])
def test_coverage_of_98_units_of_very_different_size(truth, noise):
    check_coverage(truth, noise, reps=15, seed=4)


@pytest.mark.slow
@pytest.mark.parametrize("truth", ["spread", "ties"])
@pytest.mark.parametrize("noise", ["known", "shared", "clusters", "counts"])
def test_coverage_in_full(truth, noise):
    """500 data sets, 1,000 draws, level .95; effects with sd .35 on the logit, in "ties" 60 of 98 equal.

    Measured: simultaneous, marginal (of the ten smallest units), members of the 5 best, 5 worst, 20 best, 20 worst.

    known, spread     1.000  1.000 (.999)   1.000 1.000 1.000 1.000
    known, ties        .998   .999 (.994)   1.000 1.000 1.000 1.000
    shared, spread    1.000  1.000 (1.000)  1.000 1.000 1.000 1.000
    shared, ties       .998   .998 (.996)   1.000 1.000  .998 1.000
    clusters, spread  1.000  1.000 (.999)   1.000 1.000 1.000 1.000
    clusters, ties    1.000   .999 (.995)   1.000 1.000 1.000 1.000
    counts, spread    1.000  1.000 (1.000)  1.000 1.000 1.000 1.000
    counts, ties       .996   .999 (.995)   1.000 1.000 1.000 1.000
    """
    check_coverage(truth, noise, reps=500, seed=5)


def test_what_is_no_number_is_refused_in_words():
    c = sample()
    for tau in (2.5, "2", True, np.nan, None, 0):
        with pytest.raises(SpecificationError, match="tau="):
            best_set(c, tau=tau)
    for options in ({"draws": 1000.5}, {"level": "a"}, {"rng": "a"}, {"overlap_threshold": 20}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            best_set(c, **options)
    for options in ({"draws": "many"}, {"level": 0}, {"rng": -1}, {"overlap_threshold": "0.2"}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            differs(c, "Enhed 1", "Enhed 2", **options)
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            differences(c, "Enhed 1", **options)
    with pytest.raises(DataError, match="degrees of freedom"):
        differs(sample(df=np.zeros(20)), "Enhed 1", "Enhed 2")


def test_a_pair_is_never_told_apart_among_all_and_not_by_itself():
    """Of two units the drawn critical value lies around the normal quantile, on either side of it."""
    for shift in np.linspace(1.80, 2.1, 7):
        for seed in range(5):
            found = differs(make([shift * np.sqrt(2), 0.0], np.ones(2)), "Enhed 0", "Enhed 1", draws=200, rng=seed)
            assert found.simultaneous in (found.verdict, "not different")
