"""Best sets and differences from a comparison, and their coverage among units of very different size."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.placing import best_set, differs
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
    assert "may be among the 3 best" in repr(found)
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


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.1])
def test_coverage_of_98_units_of_very_different_size(shared):
    """Standard errors .03 to .6, alone and with errors in common; effects with sd .35; 200 data sets."""
    rng, k, reps, tau = np.random.default_rng(4), 98, 200, 10
    together, single, best = [], [], []
    se = 0.6 * np.sqrt(1700 / np.exp(rng.uniform(np.log(1700), np.log(670_000), k)))
    loading = shared * rng.normal(size=(k, 2))
    for _ in range(reps):
        truth = rng.normal(0, 0.35, k)
        place = 1 + (truth > truth[:, None]).sum(axis=1)
        c = make(truth + se * rng.normal(size=k) + loading @ rng.normal(size=2), se**2, shared=loading, core=np.eye(2))
        sets = rank(c, draws=1000, rng=rng)
        single.append(np.mean((sets.lower <= place) & (place <= sets.upper)))
        together.append(((sets.simultaneous_lower <= place) & (place <= sets.simultaneous_upper)).all())
        member = best_set(c, tau=tau, draws=1000, rng=rng).verdict == "possible"
        best.append(member[place <= tau].all())
    print(f"marginal {np.mean(single):.3f}, simultaneous {np.mean(together):.3f}, best {np.mean(best):.3f}")
    for covered in (together, single, best):
        assert np.mean(covered) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / reps)


def test_what_is_no_number_is_refused_in_words():
    c = sample()
    for options in ({"tau": 2.5}, {"tau": "2"}, {"tau": True}, {"draws": 1000.5}, {"level": "a"}, {"rng": "a"}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            best_set(c, **options)
    for options in ({"draws": "many"}, {"level": 0}, {"rng": -1}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            differs(c, "Enhed 1", "Enhed 2", **options)


def test_a_pair_is_never_told_apart_among_all_and_not_by_itself():
    """Of two units the drawn critical value lies around the normal quantile, on either side of it."""
    for shift in np.linspace(1.80, 2.1, 7):
        for seed in range(5):
            found = differs(make([shift * np.sqrt(2), 0.0], np.ones(2)), "Enhed 0", "Enhed 1", draws=200, rng=seed)
            assert found.simultaneous in (found.verdict, "not different")
