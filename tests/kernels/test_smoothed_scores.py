"""Bandwidths by plain formulas, and draws with the moments that they are to have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.smoothed_scores import bandwidth_of, smoothed_draws


@pytest.fixture(scope="module")
def delta():
    rng = np.random.default_rng(0)
    return np.concatenate([np.ones(12), 1 + np.abs(rng.normal(0, 0.3, 60))])


def mirrored(delta):
    inner = delta[delta > 1]
    values = np.concatenate([2 - inner, inner])
    return values, 2**0.2 * (len(inner) / len(delta)) ** 0.2 * delta.std(ddof=1) / values.std(ddof=1)


def test_reference_rules(delta):
    values, factor = mirrored(delta)
    spread, size = values.std(ddof=1), len(values) ** -0.2
    quartiles = np.subtract(*np.percentile(values, [75, 25])) / 1.34
    assert bandwidth_of(delta, "normal") == pytest.approx(1.06 * spread * size * factor)
    assert bandwidth_of(delta, "silverman") == pytest.approx(0.9 * min(spread, quartiles) * size * factor)


def test_cross_validation_by_quadrature():
    """The criterion: the integral of the squared estimate, less twice the mean of the estimates without each."""
    # Two heaps, so that the minimum lies well below the bound by the spread of all.
    rng = np.random.default_rng(2)
    delta = 1 + np.concatenate([rng.normal(0.2, 0.03, 60), rng.normal(0.8, 0.03, 60)])
    values, factor = mirrored(delta)
    c = len(values)

    def criterion(h):
        grid = np.linspace(values.min() - 6 * h, values.max() + 6 * h, 4001)
        density = stats.norm.pdf((grid[:, None] - values) / h).mean(axis=1) / h
        kernel = stats.norm.pdf(np.subtract.outer(values, values) / h) / h
        others = (kernel.sum(axis=1) - np.diag(kernel)) / (c - 1)
        return integrate.trapezoid(density**2, grid) - 2 * others.mean()

    found = bandwidth_of(delta, "cross-validated") / factor
    around = [criterion(found * by) for by in (0.9, 1.0, 1.1)]
    assert around[1] <= min(around) + 1e-9


def test_moments_of_draws(delta):
    drawn = smoothed_draws(delta, 0.04, 20_000, np.random.default_rng(1))
    assert drawn.shape == (20_000, len(delta)) and drawn.min() > 0.9
    # Folding at 1 moves the mean up a little; but for that the variance is that of the distances.
    assert delta.mean() < drawn.mean() < delta.mean() + 0.03
    assert 0.85 * delta.var() < drawn.var() < delta.var()
    plain = smoothed_draws(delta, 1e-12, 5, np.random.default_rng(1))
    assert np.all(np.abs(plain[:, :, None] - delta).min(axis=2) < 1e-9)


def test_what_cannot_be_smoothed(delta):
    with pytest.raises(SpecificationError, match="allowed are 'normal'"):
        bandwidth_of(delta, "scott")
    for none in (np.ones(9), np.append(np.ones(9), 1.5)):
        with pytest.raises(DataError, match="too few to smooth"):
            bandwidth_of(none, "normal")
