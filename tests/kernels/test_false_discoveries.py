"""p values of interval nulls, step-up adjustment and the share of true nulls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm, t

from benchmodels.errors import SpecificationError
from benchmodels.kernels.false_discoveries import adjusted_p_values, interval_p_values, null_share

INF = np.full(5, np.inf)


def test_a_point_null_is_the_two_sided_test():
    d, s = np.array([0.0, 1.0, -2.0, 3.0, -40.0]), np.array([1.0, 2.0, 1.0, 0.5, 1.0])
    np.testing.assert_allclose(interval_p_values(d, s, margin=0.0, df=INF), 2 * norm.sf(np.abs(d) / s), rtol=1e-12)
    df = np.full(5, 4.0)
    np.testing.assert_allclose(interval_p_values(d, s, margin=0.0, df=df), 2 * t.sf(np.abs(d) / s, 4), rtol=1e-12)


def test_far_from_an_interval_it_is_the_one_sided_test_of_the_nearer_end():
    d = np.array([6.0, -6.5, 7.0, 8.0, -12.0])
    p = interval_p_values(d, np.ones(5), margin=5.0, df=INF)
    np.testing.assert_allclose(p, norm.sf(np.abs(d) - 5), rtol=1e-10)


def test_uniform_at_the_ends_of_the_null_and_smaller_inside():
    # By quadrature over the estimate: P(p <= t) at delta.
    grid = np.linspace(-12, 12, 200_001)
    for margin in (0.0, 0.3, 2.0):
        p = interval_p_values(grid, np.ones_like(grid), margin=margin, df=np.full(len(grid), np.inf))
        for level in (0.01, 0.05, 0.3):
            for delta, most in ((margin, level), (-margin, level), (0.5 * margin, level)):
                found = norm.pdf(grid - delta)[p <= level].sum() * (grid[1] - grid[0])
                assert found <= most + 1e-4
                if abs(delta) == margin:
                    assert found == pytest.approx(level, abs=1e-4)
            # Declared below although above the margin: at most half the level.
            wrong = norm.pdf(grid - margin - 0.01)[(p <= level) & (grid < 0)].sum() * (grid[1] - grid[0])
            assert wrong <= 0.5 * level + 1e-4


def test_units_of_measure_withheld_and_known_exactly():
    d, s = np.array([1.0, np.nan, 3.0, 0.4, 0.6]), np.array([1.0, 1.0, np.nan, 0.0, 0.0])
    p = interval_p_values(d, s, margin=0.5, df=INF)
    assert np.isnan(p[1:3]).all()
    assert p[3:].tolist() == [1.0, 0.0]
    for scale in (1e8, 1e-8):
        np.testing.assert_allclose(interval_p_values(d * scale, s * scale, margin=0.5 * scale, df=INF), p, rtol=1e-9)
    for wrong in (-0.1, np.nan, np.inf):
        with pytest.raises(SpecificationError, match="margin"):
            interval_p_values(d, s, margin=wrong, df=INF)


@pytest.mark.parametrize(("dependence", "other"), [("positive", "bh"), ("any", "by")])
def test_adjustment_agrees_with_scipy(dependence, other):
    p = np.random.default_rng(1).uniform(size=40) ** 3
    p[5] = p[6]
    np.testing.assert_allclose(adjusted_p_values(p, dependence=dependence), false_discovery_control(p, method=other))
    holed = np.insert(p, 7, np.nan)
    found = adjusted_p_values(holed, dependence=dependence)
    assert np.isnan(found[7])
    np.testing.assert_array_equal(np.delete(found, 7), adjusted_p_values(p, dependence=dependence))


def test_edges():
    assert adjusted_p_values(np.array([0.03])).tolist() == [0.03]
    assert np.isnan(adjusted_p_values(np.array([np.nan]))).all()
    assert np.isnan(null_share(np.array([np.nan])))
    assert null_share(np.full(4, 0.9)) == 1.0
    # Nothing above a half: 1 in 10 remains.
    assert null_share(np.full(20, 0.01)) == pytest.approx(0.1)
    with pytest.raises(SpecificationError, match="dependence='none'"):
        adjusted_p_values(np.array([0.1]), dependence="none")
    with pytest.raises(SpecificationError, match="from 0 to 1"):
        adjusted_p_values(np.array([1.1]))


def test_null_share_is_a_bound():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(300):
        z = rng.normal(np.where(np.arange(98) < 60, 0.0, rng.normal(0, 4, 98)), 1.0)
        found.append(null_share(2 * norm.sf(np.abs(z))))
    assert np.mean(found) > 60 / 98
    assert np.mean(found) < 0.85
