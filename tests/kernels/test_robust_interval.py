"""Critical values against linear programs, closed forms and ebci; moments of effects, free of noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import kurtosis, ncx2, norm

from benchmodels.kernels.robust_interval import critical_value, effect_moments, noncoverage

EXACT = 1e-10


def test_moments_are_exact_over_the_noise():
    # Gauss-Hermite nodes as weights: the noise integrates away without error.
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    effect, s = np.array([5.0, -3.0]), np.array([1.5, 0.7])
    residual = (effect[:, None] + s[:, None] * nodes).ravel()
    second, fourth = effect_moments(residual, np.repeat(s, 8), np.tile(weights, 2))
    assert second == pytest.approx(17.0, rel=1e-9)
    assert fourth == pytest.approx((5.0**4 + 3.0**4) / 2 / 17.0**2, rel=1e-9)


def test_moments_are_free_of_noise_and_floored():
    rng = np.random.default_rng(3)
    effects = rng.exponential(1, 200_000) - 1
    s = rng.uniform(0.2, 0.6, 200_000)
    second, fourth = effect_moments(effects + s * rng.normal(size=200_000), s, np.ones(200_000))
    assert second == pytest.approx(1.0, abs=4 * np.sqrt(8.0 / 200_000) * 1.5)
    assert fourth == pytest.approx(kurtosis(effects, fisher=False), rel=0.1)
    s, w = np.array([1.0, 2.0, 0.5, 1.0]), np.array([1.0, 2.0, 1.0, 3.0])
    second, fourth = effect_moments(np.zeros(4), s, w)
    assert second == pytest.approx(2 * (w**2 @ s**4) / (w.sum() * (w @ s**2)), rel=EXACT)
    assert fourth == pytest.approx(1 + 32 * (w**2 @ s**8) / (w.sum() * (w @ s**4)) / second**2, rel=EXACT)


@pytest.mark.parametrize(
    ("b", "kappa", "level", "printed"),
    [
        (5.0, 3.0, 0.95, 11.88358367),
        (1.0, 3.0, 0.8, 1.8494683),
        (10.0, 3.0, 0.95, 24.86172217),
        (2.8, 8.0, 0.9, 7.0779747158),
    ],
)
def test_critical_values_of_ebci(b, kappa, level, printed):
    assert critical_value(np.array([b**2]), kappa, level=level)[0] == pytest.approx(printed, abs=1e-7)


def test_noncoverage_of_ebci():
    assert noncoverage(np.array([1.0]), 3.0, np.array([11.9699639845401]))[0] == pytest.approx(6.0216e-05, abs=5e-10)
    found = noncoverage(np.array([2.8**2]), 8.0, np.array([7.13242901478398]))[0]
    assert found == pytest.approx(0.09805099, abs=5e-9)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.998])
def test_closed_forms(level):
    z = norm.isf((1 - level) / 2)
    for kappa in (1.5, 3.0, np.inf):
        assert critical_value(np.array([0.0]), kappa, level=level)[0] == pytest.approx(z, rel=EXACT)
    # A kurtosis of 1 is a bias of known size: the quantile of a noncentral χ².
    m2 = np.array([0.25, 1.0, 25.0])
    known = np.sqrt(ncx2.ppf(level, 1, m2))
    found = critical_value(m2, 1.0, level=level)
    assert (found >= known * (1 - 1e-9)).all()
    # The kurtosis counts as 1.0001 here.
    np.testing.assert_allclose(found, known, rtol=5e-4)
    # No kurtosis: the line from 0 touches, unless m2 is in the concave part, where the worst bias is a constant.
    assert critical_value(np.array([0.1]), np.inf, level=0.5)[0] == pytest.approx(
        np.sqrt(ncx2.ppf(0.5, 1, 0.1)), rel=1e-9
    )


@pytest.mark.parametrize("kappa", [1.2, 3.0, 8.0, np.inf])
@pytest.mark.parametrize("m2", [0.05, 1.0, 9.0])
@pytest.mark.parametrize("chi", [1.0, 2.5, 6.0])
def test_noncoverage_against_a_linear_program(kappa, m2, chi):
    t = np.unique(np.concatenate([np.linspace(0, 18, 3000) ** 2, [m2], np.linspace(0.5, 1.5, 401) * m2]))
    miss = norm.sf(chi - np.sqrt(t)) + norm.sf(chi + np.sqrt(t))
    bounds = {} if np.isinf(kappa) else {"A_ub": (t**2 / m2**2)[None], "b_ub": [kappa]}
    found = linprog(-miss, A_eq=np.vstack([np.ones_like(t), t / m2]), b_eq=[1, 1], **bounds, method="highs")
    answer = noncoverage(np.array([m2]), kappa, np.array([chi]))[0]
    # The program is bound to a grid, and its solver to a tolerance of 1e-7.
    assert answer >= -found.fun - 3e-7
    assert answer <= -found.fun + 2e-5


@pytest.mark.parametrize("kappa", [1.0, 1.001, 1.2, 3.0, 1e3, np.inf])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.998])
def test_critical_values_solve_their_equation_over_all_sizes(kappa, level):
    m2 = np.concatenate([[0.0], np.geomspace(1e-9, 1e8, 35)])
    found = critical_value(m2, kappa, level=level)
    np.testing.assert_allclose(noncoverage(m2, max(kappa, 1.0001), found), 1 - level, rtol=1e-6)
    # Below m2 = 1e-6 the kurtosis is left free, which widens by less than 1e-5.
    assert (np.diff(found) >= -1e-5).all()
    assert (found <= np.sqrt((1 + m2) / (1 - level)) * (1 + 1e-12)).all()


def test_kurtosis_only_widens():
    m2 = np.array([0.5, 4.0])
    found = [critical_value(m2, kappa, level=0.95) for kappa in (1.0, 1.5, 3.0, 10.0, 1e4, np.inf)]
    assert (np.diff(found, axis=0) >= -1e-9).all()
    # ebci's own note: free of kurtosis the worst case at b = 2 has one of 17.4.
    np.testing.assert_allclose(critical_value(m2[1:], 20.0, level=0.95), found[-1][1], rtol=1e-9)
