"""Noise from periods: the likelihood against a loop, and recovery in short panels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

from benchmodels.kernels.serial import serial_noise
from tests import plain


def panel(rng, *, k, periods, rho, sd, times=None):
    times = np.arange(periods, dtype=float) if times is None else np.asarray(times, dtype=float)
    gaps = np.abs(np.subtract.outer(times, times))
    root = np.linalg.cholesky(np.where(gaps == 0, 1.0, np.sign(rho) ** gaps * np.abs(rho) ** gaps))
    values = (rng.standard_normal((k, len(times))) @ root.T) * sd[:, None] + rng.normal(size=(k, 1))
    return values.ravel(), np.tile(times, k), np.repeat(np.arange(k), len(times))


@pytest.mark.parametrize("gap", [False, True])
def test_maximises_the_plain_likelihood(gap):
    rng = np.random.default_rng(3)
    residual, time, unit = panel(rng, k=12, periods=6, rho=0.5, sd=np.linspace(0.5, 3, 12))
    if gap:
        keep = rng.random(len(time)) > 0.2
        residual, time, unit = residual[keep], time[keep], unit[keep]
    found = serial_noise(residual, time, unit, 12)
    groups = [(residual[unit == i], time[unit == i]) for i in range(12) if np.sum(unit == i) >= 3]
    best = minimize_scalar(
        lambda rho: -plain.log_shape_likelihood(groups, rho),
        bounds=(0.01, 0.97),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert found.correlation == pytest.approx(best.x, abs=1e-5)
    for i in range(12):
        values, times = residual[unit == i], time[unit == i]
        matrix = found.correlation ** np.abs(np.subtract.outer(times, times))
        inverse, one = np.linalg.inv(matrix), np.ones(len(times))
        centre = one @ inverse @ values / (one @ inverse @ one)
        q = (values - centre) @ inverse @ (values - centre)
        np.testing.assert_allclose(found.variance[i], q / (len(times) - 1), rtol=1e-8)
        np.testing.assert_allclose(found.matrices[i], matrix, rtol=1e-10)
    np.testing.assert_array_equal(found.df, np.bincount(unit) - 1)


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.4, 0.7])
def test_correlation_is_recovered_in_short_panels(rho):
    """98 units of five years, each with its own variance: no bias beyond 4 Monte Carlo standard errors."""
    rng = np.random.default_rng(11)
    sd = np.exp(rng.normal(0, 0.7, 98))
    found = np.array([serial_noise(*panel(rng, k=98, periods=5, rho=rho, sd=sd), 98).correlation for _ in range(60)])
    error = found.std(ddof=1) / np.sqrt(len(found))
    # The likelihood equation is unbiased, its root only up to order 1/98.
    assert abs(found.mean() - rho) < 4 * error + 0.01


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_t_interval_of_a_unit_covers(rho):
    """The unit's mean over its years, known to t with T − 1 degrees of freedom at the pooled correlation."""
    rng = np.random.default_rng(5)
    k, periods = 98, 5
    sd = np.exp(rng.normal(0, 0.7, k))
    covered = []
    for _ in range(60):
        gaps = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
        root = np.linalg.cholesky(np.where(gaps == 0, 1.0, rho**gaps))
        values = (rng.standard_normal((k, periods)) @ root.T) * sd[:, None]
        found = serial_noise(values.ravel(), np.tile(np.arange(5.0), k), np.repeat(np.arange(k), 5), k)
        weights = np.linalg.solve(found.matrices[0], np.ones(periods))
        mean = values @ weights / weights.sum()
        error = np.sqrt(found.variance / weights.sum())
        covered.append(np.mean(np.abs(mean) <= student.isf(0.025, periods - 1) * error))
    covered = np.array(covered)
    assert abs(covered.mean() - 0.95) < 4 * covered.std(ddof=1) / np.sqrt(len(covered)) + 0.003


def test_scale_and_shift_of_a_unit_do_not_matter():
    rng = np.random.default_rng(0)
    residual, time, unit = panel(rng, k=10, periods=5, rho=0.4, sd=np.ones(10))
    first = serial_noise(residual, time, unit, 10)
    factor = np.exp(rng.normal(0, 5, 10))
    second = serial_noise((residual + 100.0 * unit) * factor[unit], time + 2018, unit, 10)
    assert second.correlation == pytest.approx(first.correlation, abs=1e-6)
    # The correlation is found by a search without derivatives, to about 1e-6.
    np.testing.assert_allclose(second.variance, first.variance * factor**2, rtol=1e-4)


@pytest.mark.parametrize("rho", [-0.4, 0.4])
def test_months_as_decimals_of_a_year_are_months(rho):
    """Positions that are even only up to rounding, and a correlation that may be negative."""
    rng = np.random.default_rng(2)
    residual, time, unit = panel(rng, k=30, periods=12, rho=rho, sd=np.ones(30))
    whole = serial_noise(residual, time, unit, 30)
    year = 2018 + time / 12
    decimal = serial_noise(residual, (year - 2018) / np.diff(np.unique(year)).min(), unit, 30)
    assert decimal.correlation == pytest.approx(whole.correlation, abs=1e-4)
    assert np.isfinite(decimal.variance).all()


def test_units_of_one_or_two_periods_and_without_variation():
    residual = np.array([1.0, 2.0, 0.5, 5.0, 1.0, 1.0, 1.0, 3.0, 4.0])
    unit = np.array([0, 0, 0, 1, 2, 2, 2, 3, 3])
    time = np.array([0.0, 1, 2, 0, 0, 1, 2, 0, 3])
    found = serial_noise(residual, time, unit, 4)
    assert found.df.tolist() == [2, 0, 2, 1]
    assert np.isnan(found.variance[[1, 2]]).all()
    assert (found.variance[[0, 3]] > 0).all()


def test_no_unit_has_three_periods():
    found = serial_noise(np.array([1.0, 2.0, 3.0, 5.0]), np.array([0.0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2)
    assert np.isnan(found.correlation)
    np.testing.assert_allclose(found.variance, [0.5, 2.0])
