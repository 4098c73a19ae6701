"""The narrow waist itself: arrays are copies, read-only and of one length; verdicts and covariance."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from benchmodels import Comparison, DataError
from benchmodels.comparison import Coverage, Source

SOURCE = Source(model="by hand", version="0", rows_read=3, rows_dropped=0, noise="nothing")


def made(k=4, q=2, **changes):
    rng = np.random.default_rng(0)
    core = rng.normal(size=(q, q))
    values = {
        "unit": np.array([f"u{i}" for i in range(k)], dtype=object),
        "size": np.full(k, 100.0), "observed": np.full(k, 12.0), "expected": np.full(k, 10.0),
        "estimate": np.full(k, 0.02), "lower": np.full(k, -0.01), "upper": np.full(k, 0.05),
        "noise": np.full(k, 4e-4), "shared": rng.normal(size=(k, q)), "core": 1e-5 * (core @ core.T),
        "null": 0.0, "null_std_error": np.full(k, 0.02), "df": np.full(k, np.inf), "overlap": np.full(k, 0.9),
        "withheld": np.full(k, "", dtype=object), "standard": "indirect", "contrast": "difference",
        "reference": "others", "level": 0.95, "better": None, "source": SOURCE,
    }  # fmt: skip
    return Comparison(**{**values, **changes})


def test_arrays_are_read_only_copies():
    size = np.full(4, 100.0)
    comparison = made(size=size)
    size[0] = -1.0
    assert comparison.size[0] == 100.0
    for name in ("size", "estimate", "noise", "shared", "core", "unit", "std_error", "withheld"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(comparison, name)[0] = 0
    with pytest.raises(FrozenInstanceError):
        comparison.level = 0.9


def test_standard_error_is_the_root_of_the_diagonal():
    comparison = made()
    dense = np.diag(comparison.noise)
    for i in range(4):
        for j in range(4):
            for a in range(2):
                for b in range(2):
                    dense[i, j] += comparison.shared[i, a] * comparison.core[a, b] * comparison.shared[j, b]
    np.testing.assert_allclose(comparison.covariance(), dense, rtol=1e-12)
    np.testing.assert_allclose(comparison.std_error, np.sqrt(dense.diagonal()), rtol=1e-12)


def test_withheld_noise_is_nan_in_its_own_row_only():
    noise = np.array([4e-4, np.nan, 4e-4, 4e-4])
    comparison = made(noise=noise)
    assert np.isnan(comparison.std_error).tolist() == [False, True, False, False]
    others = np.ix_([0, 2, 3], [0, 2, 3])
    assert np.isfinite(comparison.covariance()[others]).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": np.ones(3)}, r"size has shape \(3,\); one value for each of 4 units"),
        ({"withheld": np.array(["", ""], dtype=object)}, "withheld has shape"),
        ({"shared": np.zeros((3, 2))}, "do not fit 4 units"),
        ({"core": np.zeros((3, 3))}, "do not fit 4 units"),
        ({"shared": np.zeros(4)}, "do not fit 4 units"),
        ({"unit": np.array(["a", "a", "b", "c"], dtype=object)}, "unique"),
    ],
)
def test_what_does_not_fit_is_refused(changes, said):
    with pytest.raises(DataError, match=said):
        made(**changes)


def test_verdicts():
    comparison = made(lower=np.array([0.01, -0.05, -0.01, np.nan]), upper=np.array([0.05, -0.01, 0.03, np.nan]))
    assert comparison.different.tolist() == ["above", "below", "not different", "withheld"]
    above_one = replace_null(comparison, 0.02)
    assert above_one.different.tolist() == ["not different", "below", "not different", "withheld"]


def replace_null(comparison, null):
    fields = {name: getattr(comparison, name) for name in comparison.__dataclass_fields__ if name != "std_error"}
    return Comparison(**{**fields, "null": null})


def test_take_keeps_what_it_takes():
    comparison = made()
    part = comparison.take(np.array([2, 0]))
    assert part.unit.tolist() == ["u2", "u0"]
    np.testing.assert_allclose(part.covariance(), comparison.covariance()[np.ix_([2, 0], [2, 0])], rtol=1e-12)
    assert part.source == comparison.source


def test_pickles_and_prints():
    again = pickle.loads(pickle.dumps(made()))
    np.testing.assert_array_equal(again.estimate, made().estimate)
    assert repr(again).startswith("Comparison(4 units, indirect difference")
    assert len(again) == 4


def test_a_stored_comparison_is_read_only_too():
    again = pickle.loads(pickle.dumps(made()))
    with pytest.raises(ValueError, match="read-only"):
        again.estimate[0] = 5.0


def test_labels_of_numbers_stay_numbers():
    frame = made(unit=np.array([101, 147, 151, 153], dtype=object)).to_frame()
    assert frame["unit"].dtype.kind == "i"
    assert list(frame.columns)[:3] == ["unit", "size", "observed"]


def test_replace_makes_a_new_one():
    with pytest.raises((TypeError, ValueError), match="std_error"):
        replace(made(), std_error=np.zeros(4))


def of_replicates(kind="errors", b=400, **changes):
    """Four estimates of .02 with errors that are skewed, tied to each other, and not about zero."""
    rng = np.random.default_rng(1)
    errors = 0.01 * (rng.exponential(size=(b, 4)) + rng.exponential(size=(b, 1)) - 3.0)
    given = {"replicates": errors, "replicate_kind": kind, "shared": np.zeros((4, 0)), "core": np.zeros((0, 0))}
    return made(**(given | {"noise": errors.var(axis=0, ddof=1)} | changes)), errors


def test_replicates_are_the_covariance_and_the_bias():
    comparison, errors = of_replicates()
    centred = errors - errors.mean(axis=0)
    np.testing.assert_allclose(comparison.covariance(), centred.T @ centred / 399, rtol=1e-12)
    np.testing.assert_allclose(comparison.std_error, np.sqrt(comparison.covariance().diagonal()), rtol=1e-12)
    np.testing.assert_allclose(comparison.corrected, 0.02 - errors.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(comparison.errors(), centred, atol=1e-16)
    assert made().errors() is None
    np.testing.assert_array_equal(made().corrected, made().estimate)


def test_posterior_draws_have_a_mean_and_errors_the_other_way_round():
    comparison, draws = of_replicates("draws")
    np.testing.assert_allclose(comparison.corrected, draws.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(comparison.errors(), draws.mean(axis=0) - draws, atol=1e-16)


def test_a_unit_withheld_has_its_estimate():
    comparison, errors = of_replicates()
    errors[:, 1] = np.nan
    some, _ = of_replicates(replicates=errors, noise=np.array([comparison.noise[0], np.nan, *comparison.noise[2:]]))
    assert some.corrected[1] == some.estimate[1] and np.isnan(some.errors()[:, 1]).all()


def test_replicates_go_with_their_units_and_stay_closed():
    comparison, errors = of_replicates()
    part = comparison.take(np.array([2, 0]))
    np.testing.assert_array_equal(part.replicates, errors[:, [2, 0]])
    assert part.replicate_kind == "errors"
    again = pickle.loads(pickle.dumps(comparison))
    for each in (comparison, part, again):
        with pytest.raises(ValueError, match="read-only"):
            each.replicates[0] = 0.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"replicate_kind": None}, "replicate_kind=None"),
        ({"replicates": None}, "of kind 'errors' or 'draws'"),
        ({"replicate_kind": "bogus"}, "replicate_kind='bogus'"),
        ({"replicates": np.zeros((5, 3))}, r"shape \(5, 3\); \(b, 4\)"),
        ({"replicates": np.zeros((1, 4))}, "two or more"),
        ({"df": np.array([np.inf, 8.0, np.inf, np.inf])}, "degrees of freedom"),
        ({"replicates": 2.0 * np.random.default_rng(1).normal(size=(400, 4))}, "variance of the replicates"),
        ({"replicates": np.full((400, 4), np.nan)}, "variance of the replicates"),
        ({"replicates": np.zeros(4)}, r"\(b, 4\) is needed"),
        ({"shared": np.zeros((4, 1)), "core": np.ones((1, 1))}, "nothing shared"),
    ],
)
def test_replicates_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(DataError, match=said):
        of_replicates(**changes)


def coverage(**changes):
    values = {"level": 0.95, "intervals": 0.95, "ranks": 0.9, "all_ranks": 0.4, "shrunken": 0.7, "simulated": "so"}
    return Coverage(**(values | changes))


@pytest.mark.parametrize(
    ("found", "withheld"),
    [
        ({}, False),
        ({"intervals": 0.946}, False),
        ({"intervals": 0.944}, True),
        ({"intervals": np.nan}, True),
        ({"level": 0.9}, True),
    ],
)
def test_verdicts_are_withheld_where_intervals_do_not_hold(found, withheld):
    comparison = made(lower=np.full(4, 0.01), coverage=coverage(**found))
    assert comparison.different.tolist() == ["withheld" if withheld else "above"] * 4


def test_what_is_not_known_of_coverage_is_said():
    assert coverage().of_ranks().startswith("rank sets asked for at 95% held the rank of 90% of the units")
    assert coverage().of_shrunken().startswith("intervals of shrunken values asked for at 95% held 70%")
    assert "not known" in coverage(ranks=np.nan).of_ranks()
    assert "not known" in coverage(shrunken=np.nan).of_shrunken()
