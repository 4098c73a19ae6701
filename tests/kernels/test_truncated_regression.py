"""Truncated regression: moments in closed form, a plain likelihood, invariance, and recovery of what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from scipy.special import log_ndtr

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.truncated_regression import (
    CONVERGED,
    FEW,
    NO_MAXIMUM,
    STALLED,
    _moments,
    fit_truncated,
    truncated_draws,
)

SLOPES, SIGMA = np.array([0.8, 0.3, 0.5]), 0.3


def plain(values, delta, z):
    """Return the log likelihood of coefficients and, last, sigma."""
    mean, sigma = z @ values[:-1], values[-1]
    density = -0.5 * ((delta - mean) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
    return float(np.sum(density - log_ndtr((mean - 1) / sigma)))


def slopes_of(values, delta, z):
    """Return the plain likelihood's derivatives."""
    mean, sigma = z @ values[:-1], values[-1]
    e, v = (delta - mean) / sigma, (mean - 1) / sigma
    ratio = np.exp(stats.norm.logpdf(v) - log_ndtr(v))
    return np.append((e - ratio) @ z / sigma, np.sum(e**2 - 1 + ratio * v) / sigma)


def surroundings(n, seed=3):
    rng = np.random.default_rng(seed)
    return np.column_stack([np.ones(n), rng.normal(size=n), rng.random(n)])


@pytest.fixture(scope="module")
def planted():
    z = surroundings(98)
    delta = truncated_draws(z @ SLOPES, SIGMA, 200, np.random.default_rng(4))
    return z, delta, fit_truncated(delta, z)


def values_of(found, row):
    return np.append(found.coefficients[row], found.sigma[row])


def test_maximum_of_the_plain_likelihood(planted):
    z, delta, found = planted
    assert np.all(found.status == CONVERGED)
    for row in range(4):
        mine = values_of(found, row)
        answer = optimize.minimize(
            lambda p, d=delta[row]: -plain(np.append(p[:-1], np.exp(p[-1])), d, z), [0.5, 0, 0, -1.0], method="BFGS",
            options={"gtol": 1e-5},
        )  # fmt: skip
        other = np.append(answer.x[:-1], np.exp(answer.x[-1]))
        assert np.abs((mine - other) / found.std_error[row]).max() < 1e-4
        assert found.log_likelihood[row] == pytest.approx(plain(mine, delta[row], z), abs=1e-10)
        assert found.log_likelihood[row] >= -answer.fun - 1e-10


def test_slope_is_zero_to_a_hundred_millionth_of_a_standard_error(planted):
    z, delta, found = planted
    for row in range(200):
        slope = slopes_of(values_of(found, row), delta[row], z)
        assert np.abs(slope * found.std_error[row]).max() < 1e-8


def test_errors_are_those_of_the_plain_hessian(planted):
    z, delta, found = planted
    for row in range(5):
        at, step = values_of(found, row), 1e-5 * found.std_error[row]
        hessian = np.array([
            (slopes_of(at + step * e, delta[row], z) - slopes_of(at - step * e, delta[row], z)) / (2 * step @ e)
            for e in np.eye(4)
        ])  # fmt: skip
        error = np.sqrt(np.diag(np.linalg.inv(-hessian)))
        np.testing.assert_allclose(found.std_error[row], error, rtol=1e-6)


@pytest.mark.parametrize("v", [-400.0, -40.0, -10.0, -4.000001, -3.999999, -1.0, 0.0, 2.0, 8.0, 50.0])
def test_moments_are_those_of_quadrature(v):
    def part(f):
        top = max(v, 0.0)
        reach = 40.0 / max(1.0, -v)
        density = lambda t: np.exp(-0.5 * (t - v) ** 2 + 0.5 * (top - v) ** 2)  # noqa: E731
        ends = np.unique(np.clip([0.0, top - 12, top - 6, top - 3, top, top + reach / 40, top + reach / 8, top + reach],
                                 0.0, None))  # fmt: skip
        return sum(integrate.quad(lambda t: f(t) * density(t), a, b, epsabs=0, epsrel=1e-13)[0]
                   for a, b in zip(ends[:-1], ends[1:], strict=True))  # fmt: skip

    total = part(np.ones_like)
    mean = part(lambda t: t) / total
    second, third, fourth = (part(lambda t, k=k: (t - mean) ** k) / total for k in (2, 3, 4))
    found = [float(each[0]) for each in _moments(np.array([v]))]
    np.testing.assert_allclose(found[1:], [mean, second, third, fourth - second**2], rtol=1e-9, atol=1e-11)
    expected = np.log(total) - 0.5 * (max(v, 0.0) - v) ** 2 - 0.5 * np.log(2 * np.pi)
    assert found[0] == pytest.approx(expected + (0.5 * v * v if v <= -4 else 0.0), abs=1e-10)


def spread_out(mean, second):
    """Return 50 values with a mean and a mean square, a little more skewed than exponential ones."""
    w = (-np.log(1 - (np.arange(50) + 0.5) / 50)) ** 1.3
    w = (w - w.mean()) / w.std()
    return mean + np.sqrt(second - mean**2) * w


@pytest.mark.parametrize("v", [-40.0, -12.0, -3.0])
def test_constant_alone_matches_two_moments(v):
    moments = [float(each[0]) for each in _moments(np.array([v]))]
    t = spread_out(moments[1], moments[2] + moments[1] ** 2)
    found = fit_truncated(1 + 0.7 * t[None], np.ones((50, 1)))
    assert found.status[0] == CONVERGED
    assert found.sigma[0] == pytest.approx(0.7, rel=1e-7)
    assert found.coefficients[0, 0] == pytest.approx(1 + 0.7 * v, rel=1e-6)


def test_no_maximum_just_where_values_spread_as_exponential_ones():
    """With a constant alone there is a maximum where the mean square is below twice the squared mean."""
    t = np.random.default_rng(2).exponential(size=60) ** np.linspace(0.6, 1.6, 40)[:, None]
    found = fit_truncated(1 + t, np.ones((60, 1)))
    exists = np.mean(t**2, axis=1) < 2 * np.mean(t, axis=1) ** 2
    assert 5 < exists.sum() < 35
    assert np.array_equal(found.status == CONVERGED, exists)
    assert np.all(found.status[~exists] == NO_MAXIMUM)
    for each in (found.coefficients[:, 0], found.sigma, found.std_error[:, 0], found.log_likelihood):
        assert np.array_equal(np.isfinite(each), exists)


def test_far_from_the_edge_it_is_least_squares():
    z = surroundings(60)
    delta = 1e6 + z @ SLOPES + np.random.default_rng(1).normal(size=60)
    found = fit_truncated(delta[None], z)
    ols, rest = np.linalg.lstsq(z, delta, rcond=None)[:2]
    np.testing.assert_allclose(found.coefficients[0], ols, rtol=1e-8)
    assert found.sigma[0] == pytest.approx(np.sqrt(rest[0] / 60), rel=1e-7)


def test_mask_is_a_fit_to_those_left(planted):
    z, delta, _ = planted
    use = np.random.default_rng(5).random(delta.shape) < 0.7
    found = fit_truncated(np.where(use, delta, np.nan), z, use)
    for row in range(10):
        some = use[row]
        alone = fit_truncated(delta[row : row + 1, some], z[some])
        np.testing.assert_allclose(values_of(found, row), values_of(alone, 0), rtol=1e-9)
        np.testing.assert_allclose(found.std_error[row], alone.std_error[0], rtol=1e-8)


def test_units_of_measure_order_and_duplicates(planted):
    z, delta, found = planted
    scale = np.array([1e-3, 1e8, 1e-8])
    again = fit_truncated(delta, z * scale + np.array([0.0, 3e8, 0.0]))
    np.testing.assert_allclose(again.coefficients[:, 1:] * scale[1:], found.coefficients[:, 1:], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(again.sigma, found.sigma, rtol=1e-9)
    order = np.random.default_rng(1).permutation(98)
    np.testing.assert_allclose(fit_truncated(delta[:, order], z[order]).coefficients, found.coefficients, atol=1e-9)
    for large in (1e8, 1e-8):
        far = fit_truncated(1 + large * (delta - 1), z)
        expected = large * (found.coefficients - [1.0, 0, 0]) + [1.0, 0, 0]
        tolerance = 1e-7 * large + (1e-7 if large < 1 else 0.0)
        np.testing.assert_allclose(far.coefficients, expected, rtol=0, atol=tolerance)
    twice = fit_truncated(np.tile(delta, (1, 2)), np.tile(z, (2, 1)))
    np.testing.assert_allclose(twice.coefficients, found.coefficients, atol=1e-9)
    np.testing.assert_allclose(twice.std_error * np.sqrt(2), found.std_error, rtol=1e-6)
    dummies = np.column_stack([z[:, 1] > 0, z[:, 1] <= 0, z[:, 2]]).astype(float)
    contrast = np.column_stack([np.ones(98), z[:, 1] > 0, z[:, 2]]).astype(float)
    one, other = fit_truncated(delta, dummies), fit_truncated(delta, contrast)
    np.testing.assert_allclose(one.coefficients[:, 1], other.coefficients[:, 0], atol=1e-9)
    np.testing.assert_allclose(one.std_error[:, 3], other.std_error[:, 3], rtol=1e-8)


def test_a_replicate_is_what_it_is_alone(planted):
    z, delta, found = planted
    for row in (0, 77, 199):
        alone = fit_truncated(delta[row : row + 1], z)
        np.testing.assert_allclose(alone.coefficients[0], found.coefficients[row], rtol=1e-10)


def test_what_has_no_answer():
    z = surroundings(10)
    good = truncated_draws(z @ SLOPES, SIGMA, 1, np.random.default_rng(1))[0]
    cases = np.array([1.5 + 0 * good, 2 + z[:, 2], 1.0 + 0 * good, good])
    use = np.ones((4, 10), dtype=bool)
    use[3, 4:] = False
    found = fit_truncated(cases, z, use)
    assert found.status.tolist() == [STALLED, STALLED, STALLED, FEW]
    assert np.all(np.isnan(found.coefficients)) and np.all(np.isnan(found.sigma))
    group = np.column_stack([np.ones(10), np.arange(10) < 2])
    found = fit_truncated(good[None], group.astype(float), (np.arange(10) >= 2)[None])
    assert found.status[0] == STALLED and np.isnan(found.coefficients).all()
    assert fit_truncated(np.array([[2.0]]), np.ones((1, 1))).status[0] == FEW
    assert fit_truncated(np.empty((0, 10)), z).coefficients.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda z, d: (np.column_stack([z, z[:, 1] + 2 * z[:, 2]]), d), SpecificationError, "collinear"),
        (lambda z, d: (np.column_stack([z, 7 * z[:, 0]]), d), SpecificationError, "collinear"),
        (lambda z, d: (z[:, 1:], d), SpecificationError, "no constant"),
        (lambda z, d: (z * [1, 0, 1], d), SpecificationError, "column of zeros"),
        (lambda z, d: (z[:2], d[:, :2]), SpecificationError, "3 columns for 2 units"),
        (lambda z, d: (z * np.nan, d), DataError, "z must be finite"),
        (lambda z, d: (z, d - 0.9), DataError, "1 or more"),
        (lambda z, d: (z, d * np.nan), DataError, "1 or more"),
        (lambda z, d: (z, d * np.inf), DataError, "1 or more"),
    ],
)
def test_refused_in_words(planted, change, error, words):
    z, delta = change(planted[0], planted[1][:2])
    with pytest.raises(error, match=words):
        fit_truncated(delta, z)


@pytest.mark.parametrize("v", [-40.0, -5.0, 0.0, 3.0, 40.0])
def test_draws_follow_the_truncated_normal(v):
    drawn = truncated_draws(np.full(4, 1 + 0.3 * v), 0.3, 5000, np.random.default_rng(8)).ravel()
    mean, second = (float(each[0]) for each in _moments(np.array([v]))[1:3])
    assert drawn.min() >= 1.0
    assert abs(drawn.mean() - 1 - 0.3 * mean) < 4 * 0.3 * np.sqrt(second / 20_000)
    tail = 1 - np.exp(log_ndtr(v - (drawn - 1) / 0.3) - log_ndtr(v))
    assert stats.kstest(tail, "uniform").pvalue > 1e-3


def test_what_was_planted_comes_back():
    z = surroundings(400)
    delta = truncated_draws(z @ SLOPES, SIGMA, 400, np.random.default_rng(9))
    found = fit_truncated(delta, z)
    estimates = np.column_stack([found.coefficients, found.sigma])
    error = estimates - np.append(SLOPES, SIGMA)
    covered = np.abs(error) < 1.96 * found.std_error
    assert np.all(np.abs(error.mean(axis=0)) < 0.25 * error.std(axis=0))
    np.testing.assert_allclose(found.std_error.mean(axis=0), error.std(axis=0), rtol=0.15)
    assert np.all(np.abs(covered.mean(axis=0) - 0.95) < 0.045)
