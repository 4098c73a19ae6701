"""Average practice beside best practice: the two products, and what is told where one of them is not known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmodels.beside import average_beside_best
from benchmodels.comparison import Comparison, Coverage, Source
from benchmodels.errors import DataError, SpecificationError

SOURCE = Source(model="m", version="0", rows_read=3, rows_dropped=0, noise="n")
COVERAGE = Coverage(level=0.95, intervals=0.8, ranks=0.9, all_ranks=0.5, shrunken=0.7, simulated="s")


def made(observed, expected, size, *, half, contrast="ratio", unit=("Ærø", "Læsø", "Fanø"), **rest):
    observed, expected, size = (np.array(part, float) for part in (observed, expected, size))
    k = len(observed)
    estimate = observed / expected if contrast == "ratio" else (observed - expected) / size
    values = {
        "unit": list(unit), "size": size, "observed": observed, "expected": expected, "estimate": estimate,
        "lower": estimate - half, "upper": estimate + half, "noise": np.full(k, 0.01), "shared": np.zeros((k, 0)),
        "core": np.zeros((0, 0)), "null": 1.0, "null_std_error": np.full(k, 0.1), "df": np.full(k, np.inf),
        "overlap": np.full(k, np.nan), "withheld": [""] * k, "standard": "indirect", "contrast": contrast,
        "reference": "others", "level": 0.95, "better": None, "source": SOURCE,
    }  # fmt: skip
    return Comparison(**(values | rest))


def average(**rest):
    return made([120.0, 90, 50], [100.0, 100, 50], [10.0, 10, 5], half=0.1, **rest)


def best(share=(0.5, 1.0, 0.8), unit=("Ærø", "Læsø", "Fanø"), **rest):
    share = np.array(share)
    found = made(np.array([24.0, 18, 10]), np.array([24.0, 18, 10]) * share, np.ones(3), half=0.0, unit=unit)
    of = rest.pop("orientation", "input")
    rest["source"] = replace(SOURCE, model=f"DEA(orientation='{of}')")
    return replace(found, lower=found.estimate * 1.1, upper=found.estimate * 1.4, coverage=COVERAGE, **rest)


def test_by_hand():
    found = average_beside_best(average(), best())
    np.testing.assert_allclose(found.observed, [12, 9, 10])
    np.testing.assert_allclose(found.expected, [10, 10, 10])
    np.testing.assert_allclose(found.expected_lower, [12 / 1.3, 9.0, 10 / 1.1])
    np.testing.assert_allclose(found.expected_upper, [12 / 1.1, 9 / 0.8, 10 / 0.9])
    np.testing.assert_allclose(found.attainable, [6, 9, 8])
    np.testing.assert_allclose(found.attainable_lower, np.array([6, 9, 8]) / 1.4)
    np.testing.assert_allclose(found.attainable_upper, np.array([6, 9, 8]) / 1.1)
    np.testing.assert_allclose(found.to_best * found.best_to_expected, found.observed / found.expected)
    np.testing.assert_allclose(found.best_to_expected, [0.6, 0.9, 0.8])
    assert found.beaten.tolist() == [True, False, True]
    assert found.different.tolist() == ["above", "not different", "not different"]
    assert (found.level, found.coverage) == (0.95, COVERAGE)
    below = np.log(0.6) - np.hypot(np.log(1.2 / 1.1), np.log(1.4))
    assert found.best_to_expected_lower[0] == pytest.approx(np.exp(below), rel=1e-12)
    assert len(found.to_frame()) == len(found) == 3


def test_differences_tell_the_same():
    one = average_beside_best(average(), best())
    same = average(contrast="difference")
    ends = {name: same.observed / same.size - getattr(one, f"expected_{other}")
            for name, other in (("lower", "upper"), ("upper", "lower"))}  # fmt: skip
    other = average_beside_best(replace(same, **ends), best())
    for name in ("expected", "expected_lower", "expected_upper", "best_to_expected_lower", "best_to_expected_upper"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, err_msg=name)


def test_more_could_be_made():
    """Of an output the best would have more: observed over attainable is the efficiency."""
    found = average_beside_best(average(), best(orientation="output"), orientation="output")
    np.testing.assert_allclose(found.attainable, [24, 9, 12.5])
    np.testing.assert_allclose(found.attainable_lower, np.array([24, 9, 12.5]) * 1.1)
    np.testing.assert_allclose(found.to_best, [0.5, 1, 0.8])
    np.testing.assert_allclose(found.to_best * found.best_to_expected, found.observed / found.expected)


def test_order_and_strangers():
    found = average_beside_best(average(), best(unit=("Læsø", "Samsø", "Ærø")))
    np.testing.assert_allclose(found.attainable, [12 * 0.8, 9 * 0.5, np.nan])
    assert found.beaten.tolist() == [True, True, False]
    with pytest.raises(DataError, match="no unit in common"):
        average_beside_best(average(), best(unit=("a", "b", "c")))


def test_the_correction_is_the_centre_of_the_joint_interval_alone():
    errors = np.random.default_rng(0).normal(-0.2, 0.01, size=(200, 3))
    noise = errors.var(axis=0, ddof=1)
    corrected = best(replicates=errors, replicate_kind="errors", noise=noise)
    found = average_beside_best(average(), corrected)
    np.testing.assert_array_equal(found.best_to_expected, average_beside_best(average(), best()).best_to_expected)
    a, f = np.log(average().estimate), np.log(corrected.estimate)
    centre = np.log(corrected.estimate - errors.mean(axis=0))
    up = a - centre + np.hypot(np.log(average().upper) - a, centre - f - np.log(1.1))
    np.testing.assert_allclose(found.best_to_expected_upper, np.exp(up), rtol=1e-12)
    # Where the average has no error the interval is that of best practice.
    sure = replace(average(), lower=average().estimate, upper=average().estimate)
    found = average_beside_best(sure, corrected)
    np.testing.assert_allclose(found.best_to_expected_lower, np.exp(a - f) / 1.4, rtol=1e-12)
    np.testing.assert_allclose(found.best_to_expected_upper, np.exp(a - f) / 1.1, rtol=1e-12)


def test_what_has_no_interval_has_its_figures():
    none = np.full(3, np.nan)
    found = average_beside_best(replace(average(), lower=none, upper=none), replace(best(), lower=none, upper=none))
    assert np.isfinite(found.attainable).all() and np.isnan(found.attainable_lower).all()
    assert np.isnan(found.expected_lower).all() and np.isnan(found.best_to_expected_lower).all()
    assert set(found.different) == {"withheld"}


def test_ends_below_zero():
    wide = average_beside_best(made([120.0, 90, 50], [100.0, 100, 50], [10.0, 10, 5], half=2.0), best())
    assert np.isinf(wide.expected_upper).all() and (wide.expected_lower > 0).all()
    lost = made([120.0, 90, 50], [100.0, 100, 50], [10.0, 10, 5], half=20.0, contrast="difference")
    assert (average_beside_best(lost, best()).expected_lower == 0).all()


@pytest.mark.parametrize("contrast", ["ratio", "difference"])
def test_nothing_observed(contrast):
    some = made([0.0, 90, 50], [100.0, 100, 50], [10.0, 10, 5], half=0.1, contrast=contrast)
    found = average_beside_best(some, best())
    assert found.observed[0] == 0.0 and found.expected[0] == 10.0
    told = [found.expected_lower[0], found.expected_upper[0]]
    assert np.isnan(told).all() if contrast == "ratio" else told == pytest.approx([9.9, 10.1])
    assert found.attainable[0] == 0.0 and not np.isfinite(found.best_to_expected_lower[0])
    assert np.isfinite(found.best_to_expected_lower[1:]).all()


def test_refusals():
    with pytest.raises(SpecificationError, match=r"at 0.95 \(average\) and at 0.8 \(best\)"):
        average_beside_best(average(), replace(best(), level=0.8))
    with pytest.raises(SpecificationError, match="indirect"):
        average_beside_best(average(standard="direct"), best())
    with pytest.raises(SpecificationError, match="allowed are 'input', 'output'"):
        average_beside_best(average(), best(), orientation="graph")
    with pytest.raises(SpecificationError, match="give the orientation of the frontier"):
        average_beside_best(average(), best(orientation="output"))
    for pair in ((best(), average()), (best(), best()), (average(), average())):
        with pytest.raises(SpecificationError, match="in this order"):
            average_beside_best(*pair)
    with pytest.raises(SpecificationError, match="takes a Comparison, and this is a str"):
        average_beside_best(average(), "best")
