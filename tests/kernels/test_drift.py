"""Drifting effects: plain loops, processes that are known, and simulation of bias and coverage."""

import numpy as np
import pytest

from benchmodels.kernels.drift import autocovariances, centred, convex, predict, share_left

DRAWS, UNITS = 250, 98


def process(t, lasting=0.3, rho=0.6):
    """Covariances by lag of what lasts and what drifts, of variance 1."""
    return lasting + (1.0 - lasting) * rho ** np.arange(t)


def noises(k, t, seed=1, size=0.5):
    rng = np.random.default_rng(seed)
    return size * np.exp(rng.normal(0, 1, (k, 1)) + rng.normal(0, 0.1, (k, t)))


def drawn(g, variance, rng):
    t = len(g)
    root = np.linalg.cholesky(g[np.abs(np.subtract.outer(np.arange(t), np.arange(t)))])
    signal = rng.normal(size=variance.shape) @ root.T
    return signal, signal + np.sqrt(variance) * rng.normal(size=variance.shape)


def plain(effect, variance, position, lag, signal):
    """The covariance at a lag, unit by unit and pair by pair."""
    k, t = effect.shape
    share, centre = np.zeros((k, t)), np.zeros(t)
    for j in range(t):
        rows = [i for i in range(k) if np.isfinite(effect[i, j])]
        total = sum(1.0 / (variance[i, j] + signal) for i in rows)
        for i in rows:
            share[i, j] = 1.0 / (variance[i, j] + signal) / total
        centre[j] = sum(share[i, j] * effect[i, j] for i in rows)
    top = base = 0.0
    for i in range(k):
        for a in range(t):
            for b in range(t):
                if position[a] - position[b] != lag or not np.isfinite(effect[i, a] * effect[i, b]):
                    continue
                w = 1.0 / (variance[i, a] + signal) / (variance[i, b] + signal)
                product = (effect[i, a] - centre[a]) * (effect[i, b] - centre[b])
                factor = 1.0 - share[i, a] - share[i, b] + sum(share[m, a] * share[m, b] for m in range(k))
                if lag == 0:
                    total = sum(1.0 / (variance[m, a] + signal) for m in range(k) if np.isfinite(effect[m, a]))
                    product, factor = product - variance[i, a] + 1.0 / total, 1.0
                top, base = top + w * product, base + w * factor
    return top / base


def test_covariances_are_those_of_plain_loops():
    rng = np.random.default_rng(3)
    variance = noises(25, 4)
    effect = drawn(process(4), variance, rng)[1] + 7.0
    effect[2:6, 1] = np.nan
    position = np.array([0, 1, 2, 5])
    found = autocovariances(effect, variance, position)
    np.testing.assert_array_equal(found.lags, [0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(found.pairs, [96, 42, 25, 25, 21, 25])
    wanted = [plain(effect, variance, position, lag, found.covariance[0]) for lag in found.lags]
    np.testing.assert_allclose(found.covariance, wanted, rtol=1e-8)


def test_influence_is_the_change_without_a_unit():
    rng = np.random.default_rng(4)
    variance = noises(60, 3)
    effect = drawn(process(3), variance, rng)[1]
    found = autocovariances(effect, variance, np.arange(3))
    moved = np.array(
        [
            found.covariance
            - autocovariances(*(np.delete(a, i, 0) for a in (effect, variance)), np.arange(3)).covariance
            for i in range(60)
        ]
    )
    # The jackknife, whose weights are found anew, agrees with the errors to their own accuracy.
    jackknife = np.sqrt(np.sum((moved - moved.mean(0)) ** 2, axis=0) * 59 / 60)
    np.testing.assert_allclose(np.sqrt(found.errors.diagonal()), jackknife, rtol=0.1)
    np.testing.assert_allclose(found.influence.sum(axis=0), 0.0, atol=1e-12)


def test_units_of_measure_and_a_shift_of_each_period_do_not_matter():
    variance = noises(40, 4)
    effect = drawn(process(4), variance, np.random.default_rng(5))[1]
    one = autocovariances(effect, variance, np.arange(4))
    two = autocovariances(1e-6 * (effect + [1.0, -5.0, 9.0, 2.0]), 1e-12 * variance, np.arange(4))
    np.testing.assert_allclose(two.covariance, 1e-12 * one.covariance, rtol=1e-7)
    np.testing.assert_allclose(two.correlation(0.9), one.correlation(0.9), rtol=1e-6)


def test_no_signal_has_no_correlation():
    rng = np.random.default_rng(6)
    effect = rng.normal(size=(50, 3))
    found = autocovariances(effect, np.full(effect.shape, 1.3), np.arange(3))
    assert found.covariance[0] < 0 and np.isnan(found.signal(0.95)).all()
    assert np.isnan(found.correlation(0.95)).all()


def test_few_units_at_a_lag_are_withheld():
    variance = noises(30, 3)
    effect = drawn(process(3), variance, np.random.default_rng(7))[1]
    effect[8:, 2] = np.nan
    found = autocovariances(effect, variance, np.arange(3))
    assert np.isfinite(found.covariance[:2]).all() and np.isnan(found.covariance[2])
    assert np.isnan(found.correlation(0.95)[0][2]) and found.units[2] == 8
    g, errors, _ = convex(found)
    assert len(g) == 2 and np.isfinite(errors).all()


def _found(g, units=50, pairs=None):
    from benchmodels.kernels.drift import Autocovariances

    lags = np.arange(len(g))
    influence = np.random.default_rng(0).normal(size=(units, len(g))) * 0.01
    many = np.asarray(pairs if pairs is not None else len(g) - lags) * units
    return Autocovariances(
        lags=lags, covariance=np.array(g), influence=influence, units=np.full(len(g), units), pairs=many
    )


@pytest.mark.parametrize("g", [process(6), process(5, 0.0, 0.8), np.r_[1.0, np.full(4, 0.7)], np.full(3, 2.0)])
def test_convex_covariances_stay_as_they_are(g):
    fitted, errors, moved = convex(_found(g))
    np.testing.assert_allclose(fitted, g, atol=1e-12)
    assert moved < 1e-10
    assert errors.shape == (len(g), len(g))


@pytest.mark.parametrize("g", [[1.0, 1.1, 0.9], [1.0, 0.2, 0.9, -0.5, 0.3], [1.0, -0.6, 0.4, 0.4], [1.0, 0.9, 0.1]])
def test_covariances_of_no_such_process_are_moved_to_one_that_is_for_any_length(g):
    fitted, _, moved = convex(_found(g))
    assert moved > 0.01
    assert np.all(np.diff(fitted) <= 1e-12) and np.all(np.diff(fitted, 2) >= -1e-12) and fitted[-1] >= 0
    longer = np.r_[fitted, np.full(20, fitted[-1])]
    steps = np.arange(len(longer))
    assert np.linalg.eigvalsh(longer[np.abs(np.subtract.outer(steps, steps))])[0] > -1e-12


def test_a_lag_that_is_not_seen_lies_on_a_line():
    found = _found([1.0, 0.8, np.nan, 0.5])
    np.testing.assert_allclose(convex(found)[0], [1.0, 0.8, 0.65, 0.5], atol=1e-12)


def test_prediction_is_the_conditional_mean_of_a_normal():
    g, t = process(4), 4
    variance = noises(20, t)
    _, effect = drawn(g, variance, np.random.default_rng(8))
    effect[3, 1] = effect[4, :] = np.nan
    gaps = np.abs(np.subtract.outer(np.arange(t), np.arange(t)))
    target = np.array([4, 3, 2, 1])
    found = predict(effect, variance, gaps, target, g, np.zeros((4, 4)))
    for i in range(20):
        seen = np.flatnonzero(np.isfinite(effect[i]))
        sigma = g[gaps[np.ix_(seen, seen)]] + np.diag(variance[i, seen])
        # Beyond the last lag the last covariance holds.
        gamma = g[np.minimum(target[seen], 3)]
        b = np.linalg.solve(sigma, gamma) if len(seen) else np.zeros(0)
        np.testing.assert_allclose(found.signal[i], b @ effect[i, seen], atol=1e-12)
        np.testing.assert_allclose(found.variance[i], g[0] - b @ gamma, atol=1e-12)
    assert found.signal[4] == 0 and found.variance[4] == g[0]


def test_what_the_error_of_covariances_adds_is_the_delta_method():
    g = process(3)
    variance = noises(6, 2)
    effect = drawn(g, noises(6, 3), np.random.default_rng(9))[1][:, :2]
    errors = np.diag([0.02, 0.01, 0.03])
    gaps, target = np.array([[0, 1], [1, 0]]), np.array([2, 1])
    found = predict(effect, variance, gaps, target, g, errors)
    # g0 and g1 in Σ, g2 and g1 in γ: derivatives by hand.
    for i in range(6):
        sigma = np.array([[g[0], g[1]], [g[1], g[0]]]) + np.diag(variance[i])
        inverse = np.linalg.inv(sigma)
        gamma = np.array([g[2], g[1]])
        by = [
            -gamma @ inverse @ inverse @ effect[i],
            (np.array([0, 1.0]) - gamma @ inverse @ np.array([[0, 1.0], [1.0, 0]])) @ inverse @ effect[i],
            np.array([1.0, 0]) @ inverse @ effect[i],
        ]
        np.testing.assert_allclose(found.estimated[i], np.sum(np.array(by) ** 2 * errors.diagonal()), rtol=1e-6)


def test_share_left_is_exact_where_there_is_no_spread_and_sums_by_unit():
    before = np.array([1.0, -2.0, 3.0, -0.5, 2.0, 1.0])
    found, low, high = share_left(before, 0.7 * before, np.arange(6), 0.95)
    np.testing.assert_allclose([found, low, high], 0.7, rtol=1e-12)
    after = 0.7 * before + np.array([0.1, 0.3, -0.2, 0.4, 0.0, -0.1])
    once = share_left(before, after, np.arange(6), 0.95)
    twice = share_left(np.r_[before, before], np.r_[after, after], np.tile(np.arange(6), 2), 0.95)
    np.testing.assert_allclose(twice, once, rtol=1e-12)


@pytest.fixture(scope="module")
def simulated():
    """Draws of 98 units in five years: what was found of each."""
    g, t = process(5), 5
    rng, variance = np.random.default_rng(11), noises(UNITS, 5)
    rows = {name: [] for name in ("g", "error", "correlation", "signal", "slope", "inside", "by_unit")}
    for _ in range(DRAWS):
        signal, effect = drawn(g, variance, rng)
        found = autocovariances(effect + 3.0, variance, np.arange(t))
        rows["g"].append(found.covariance)
        rows["error"].append(np.sqrt(found.errors.diagonal()))
        _, low, high = found.correlation(0.95)
        rows["correlation"].append((low <= g) & (g <= high))
        low0, high0 = found.signal(0.95)
        rows["signal"].append(low0 < g[0] < high0)
        fitted, errors, _ = convex(found)
        middle, _ = centred(effect, variance, fitted[0])
        top = base = 0.0
        hits = []
        for j in range(t):
            rest = np.delete(np.arange(t), j)
            gaps = np.abs(np.subtract.outer(rest, rest))
            made = predict(middle[:, rest], variance[:, rest], gaps, np.abs(rest - j), fitted, errors)
            hits.append(np.abs(made.signal - signal[:, j]) < 1.959964 * np.sqrt(made.variance))
            weight = 1.0 / (made.variance + variance[:, j])
            top, base = top + np.sum(weight * effect[:, j] * made.signal), base + np.sum(weight * made.signal**2)
        rows["slope"].append(top / base)
        rows["by_unit"].append(np.mean(hits, axis=0))
        rows["inside"].append(np.mean(hits))
    return g, {name: np.array(values) for name, values in rows.items()}


def _within(values, truth, times=4.0):
    """Whether a mean over draws is within so many Monte Carlo standard errors of the truth."""
    values = np.asarray(values, float)
    return np.all(np.abs(values.mean(axis=0) - truth) <= times * values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def test_covariances_are_unbiased_and_know_their_errors(simulated):
    g, found = simulated
    assert _within(found["g"], g)
    np.testing.assert_allclose(found["error"].mean(axis=0), found["g"].std(axis=0), rtol=0.12)


def test_intervals_of_correlations_and_of_the_signal_hold(simulated):
    _, found = simulated
    four = 4.0 * np.sqrt(0.95 * 0.05 / DRAWS)
    assert np.all(np.abs(found["correlation"][:, 1:].mean(axis=0) - 0.95) <= four)
    assert abs(found["signal"].mean() - 0.95) <= four


def test_forecasts_are_unbiased_and_their_limits_hold(simulated):
    _, found = simulated
    # The mean of a period is of its own units, which is worth 1 / k.
    assert abs(found["slope"].mean() - 1.0) <= 1.0 / UNITS + 4.0 * found["slope"].std() / np.sqrt(DRAWS)
    assert abs(found["inside"].mean() - 0.95) <= 4.0 * found["inside"].std() / np.sqrt(DRAWS) + 0.005
    # And for the noisiest third as for the others.
    third = np.argsort(noises(UNITS, 5).mean(axis=1))[-33:]
    assert abs(found["by_unit"][:, third].mean() - 0.95) < 0.012
