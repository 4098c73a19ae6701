"""The narrow waist itself: arrays are copies, read-only and of one length; verdicts and covariance."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from benchmodels import Comparison, DataError
from benchmodels.comparison import Source

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
