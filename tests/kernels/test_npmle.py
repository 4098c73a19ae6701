"""Nonparametric prior against a convex solver, EM and closed forms."""

from __future__ import annotations

import clarabel
import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm

from benchmodels.kernels.npmle import npmle

EXACT = 1e-10
DEATHS = np.array([0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24.0])


def draws(seed, k, kind, spread=0.7):
    rng = np.random.default_rng(seed)
    s = np.exp(rng.normal(0, spread, k))
    effects = {"none": np.zeros(k), "two": rng.choice([-2.0, 2.0], k), "skew": rng.exponential(2, k)}[kind]
    return effects + s * rng.normal(size=k), s


def likelihood(y, s, atoms, weights):
    return np.log(norm.pdf(y[:, None], atoms, s[:, None]) @ weights).sum()


@pytest.mark.parametrize("spread", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("kind", ["none", "two", "skew"])
def test_certificate_and_posterior_by_hand(kind, spread):
    y, s = draws(1, 98, kind, spread)
    found = npmle(y, s)
    assert found.max_derivative <= 1 + 1e-8
    assert found.weights.sum() == pytest.approx(1, rel=EXACT)
    density = norm.pdf(y[:, None], found.atoms, s[:, None])
    mixed = density @ found.weights
    np.testing.assert_allclose(
        found.posterior_mean, density @ (found.weights * found.atoms) / mixed, rtol=1e-8, atol=1e-10
    )
    assert found.log_likelihood == pytest.approx(np.log(mixed).sum(), rel=1e-9)
    # Also between the points of its grid no atom would raise the log likelihood by more than a tenth.
    fine = np.linspace(y.min(), y.max(), 20_001)
    derivative = (norm.pdf(y[:, None], fine, s[:, None]) / mixed[:, None]).mean(axis=0)
    assert 98 * (derivative.max() - 1) < 0.1
    mean = found.weights @ found.atoms
    assert found.variance == pytest.approx(found.weights @ (found.atoms - mean) ** 2, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("kind", ["two", "skew"])
def test_interior_point_solver_agrees(kind):
    y, s = draws(2, 60, kind)
    grid = np.linspace(y.min(), y.max(), 800)
    density = norm.pdf(y[:, None], grid, s[:, None])
    density /= density.max(axis=1, keepdims=True)
    k, m = density.shape
    # Minimise -Σ t_i with (t_i, 1, (Aw)_i) in the exponential cone, w ≥ 0 and Σw = 1.
    rows = [sparse.csc_matrix((np.append(np.ones(m), np.zeros(k)))[None])]
    rows.append(sparse.hstack([-sparse.eye(m), sparse.csc_matrix((m, k))]))
    cone = np.zeros((3 * k, m + k))
    cone[0::3, m:] = -np.eye(k)
    cone[2::3, :m] = -density
    rows.append(sparse.csc_matrix(cone))
    right = np.concatenate([[1.0], np.zeros(m), np.tile([0.0, 1.0, 0.0], k)])
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(m), *[clarabel.ExponentialConeT() for _ in range(k)]]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    cost = np.append(np.zeros(m), -np.ones(k))
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix((m + k, m + k)), cost, sparse.csc_matrix(sparse.vstack(rows)), right, cones, settings
    )
    theirs = np.asarray(solver.solve().x)[:m].clip(0)
    theirs /= theirs.sum()
    found = npmle(y, s, points=800)
    np.testing.assert_allclose(np.isin(np.round(found.atoms, 9), np.round(grid, 9)), True)
    # The interior point stops a little short of the corner.
    assert found.log_likelihood == pytest.approx(likelihood(y, s, grid, theirs), abs=1e-4)
    assert found.log_likelihood >= likelihood(y, s, grid, theirs) - 1e-7
    mixed = norm.pdf(y[:, None], grid, s[:, None]) * theirs
    np.testing.assert_allclose(found.posterior_mean, (mixed @ grid) / mixed.sum(1), atol=1e-4)


def test_plain_em_only_creeps_up_to_it():
    y, s = draws(3, 40, "two")
    grid = np.linspace(y.min(), y.max(), 300)
    density = norm.pdf(y[:, None], grid, s[:, None])
    w = np.full(300, 1 / 300)
    for _ in range(20_000):
        w = w * (density / (density @ w)[:, None]).mean(axis=0)
    found = npmle(y, s)
    creeping = np.log(density @ w).sum()
    assert creeping <= found.log_likelihood + 1e-9
    assert creeping == pytest.approx(found.log_likelihood, abs=1e-2)


def test_closed_forms_of_few_units():
    one = npmle(np.array([3.0]), np.array([2.0]))
    assert (one.atoms.tolist(), one.weights.tolist(), one.posterior_mean.tolist()) == ([3.0], [1.0], [3.0])
    same = npmle(np.full(4, 2.0), np.array([1.0, 2.0, 0.1, 1.0]))
    np.testing.assert_allclose(same.posterior_mean, 2.0)
    # Two units closer than two standard errors have one atom between them, else one on each side.
    close = npmle(np.array([0.0, 1.9]), np.ones(2), points=301)
    np.testing.assert_allclose(close.posterior_mean, 0.95, rtol=1e-9)
    far = npmle(np.array([0.0, 100.0]), np.ones(2))
    np.testing.assert_allclose(far.posterior_mean, [0, 100], atol=1e-9)
    # One unit is known all but exactly: it stands where it is, and the grid knows it.
    exact = npmle(np.array([1.0, 2.0, 3.0, 1000.0]), np.array([1.0, 1e-8, 1.0, 1.0]))
    assert exact.posterior_mean[1] == pytest.approx(2.0, abs=1e-8)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_of_measure_and_order(unit):
    y, s = draws(4, 60, "skew")
    a, b = npmle(y, s), npmle(unit * (y + 5), unit * s)
    np.testing.assert_allclose(b.posterior_mean / unit - 5, a.posterior_mean, atol=1e-6)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(npmle(y[order], s[order]).posterior_mean, a.posterior_mean[order], atol=1e-6)
