"""The empirical null: recovery, contamination, equal sizes, standard errors and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.errors import ConvergenceError, SpecificationError
from benchmodels.kernels.empirical_null import empirical_null


def draw(rng, k, growth, outliers, mean=0.0):
    size = np.exp(rng.normal(0, 0.8, k))
    sd = np.sqrt(1 + growth * size / size.mean())
    z = rng.normal(mean, sd)
    out = rng.random(k) < outliers
    z[out] += 6 * sd[out] * rng.choice([-1, 1], out.sum())
    return z, size


@pytest.mark.parametrize("growth", [0.0, 5.0])
@pytest.mark.parametrize("outliers", [0.0, 0.1])
def test_recovers_centre_and_spread_with_and_without_outliers(growth, outliers):
    rng = np.random.default_rng(1)
    found = [empirical_null(*draw(rng, 400, growth, outliers, mean=0.5)) for _ in range(12)]
    sd = np.array([float(f.sd(np.array(f.size))) for f in found])
    truth = np.sqrt(1 + growth)
    # π0 is at most one, which costs a few per cent of the spread where all units are ordinary.
    assert sd.mean() == pytest.approx(truth, abs=4 * sd.std() / np.sqrt(12) + 0.03 * truth)
    mean = np.array([f.mean for f in found])
    assert mean.mean() == pytest.approx(0.5, abs=4 * mean.std() / np.sqrt(12))
    share = np.mean([f.null_share for f in found])
    assert share == pytest.approx(1 - outliers, abs=0.03)


def test_growth_with_size_is_found():
    z, size = draw(np.random.default_rng(2), 3000, 5.0, 0.0)
    found = empirical_null(z, size)
    assert found.growth == pytest.approx(5.0, rel=0.15)
    np.testing.assert_allclose(found.sd(size), np.sqrt(1 + 5 * size / size.mean()), rtol=0.1)


def test_equal_sizes_and_units_of_measure():
    z, size = draw(np.random.default_rng(3), 98, 2.0, 0.05)
    assert empirical_null(z, np.full(98, 7.0)).growth == 0.0
    one, other = empirical_null(z, size), empirical_null(z, size * 1e10)
    np.testing.assert_allclose(other.sd(size * 1e10), one.sd(size), rtol=1e-9)
    order = np.random.default_rng(0).permutation(98)
    permuted = empirical_null(z[order], size[order])
    assert permuted.mean == pytest.approx(one.mean, abs=1e-4)
    moved = empirical_null(100.0 + 3.0 * z, size)
    assert moved.mean == pytest.approx(100.0 + 3.0 * one.mean, rel=1e-6)
    assert moved.sd_std_error == pytest.approx(3.0 * one.sd_std_error, rel=1e-3)


def test_units_without_a_score_carry_no_weight():
    z, size = draw(np.random.default_rng(4), 50, 1.0, 0.0)
    holed = empirical_null(np.r_[z, np.nan, 4.0], np.r_[size, 1.0, np.nan])
    assert holed == empirical_null(z, size)


def test_refusals():
    with pytest.raises(SpecificationError, match="9 units"):
        empirical_null(np.arange(9.0), np.ones(9))
    with pytest.raises(ConvergenceError, match="no spread"):
        empirical_null(np.zeros(20), np.ones(20))


@pytest.mark.slow
@pytest.mark.parametrize(("growth", "outliers"), [(0.0, 0.1), (5.0, 0.0), (5.0, 0.1)])
def test_its_own_standard_errors(growth, outliers):
    rng = np.random.default_rng(5)
    found = [empirical_null(*draw(rng, 98, growth, outliers)) for _ in range(400)]
    sd = np.array([float(f.sd(np.array(f.size))) for f in found])
    told = np.nanmean([f.sd_std_error for f in found])
    assert told == pytest.approx(sd.std(), rel=0.25)
    assert np.nanmean([f.mean_std_error for f in found]) == pytest.approx(np.std([f.mean for f in found]), rel=0.2)
    # What the docstring says of 98 units.
    assert sd.std() / sd.mean() == pytest.approx(0.12, abs=0.03)
