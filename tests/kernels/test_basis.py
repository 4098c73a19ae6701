"""Collinear columns are named, and only they."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.kernels.basis import group_means, orthogonal


def made(n=400, groups=8, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.sort(rng.integers(0, groups, n))
    return rng, rng.normal(size=(n, 3)), codes, rng.uniform(0.1, 5.0, n)


def dependent(x, weight, codes, *, each):
    codes = codes if each else np.zeros_like(codes)
    return orthogonal(np.ascontiguousarray(x), weight, codes, int(codes.max()) + 1)[1].dependent


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_later_column_is_named(each, scale):
    _, x, codes, weight = made()
    assert dependent(x * scale, weight, codes, each=each) == ()
    assert dependent(np.column_stack([x, x[:, 0]]) * scale, weight, codes, each=each) == (3,)
    assert dependent(np.column_stack([x, x @ [1.0, -2.0, 0.5] + 7]) * scale, weight, codes, each=each) == (3,)
    assert dependent(np.column_stack([x[:, 0], 2 * x[:, 0], x[:, 1]]) * scale, weight, codes, each=each) == (1,)
    assert dependent(np.column_stack([x, np.full(len(x), 3.7)]) * scale, weight, codes, each=each) == (3,)


def test_different_scales_do_not_hide_it():
    _, x, codes, weight = made()
    both = np.column_stack([x[:, 0] * 1e9, x[:, 1] * 1e-9, x[:, 0] * 1e9 + x[:, 2] * 1e2])
    assert dependent(both, weight, codes, each=False) == ()
    assert dependent(np.column_stack([x[:, 0] * 1e9, x[:, 1], x[:, 0] * 1e-9]), weight, codes, each=False) == (2,)


def test_constant_within_groups_is_dependent_for_unit_effects_only():
    rng, x, codes, weight = made()
    with_unit = np.column_stack([x, rng.normal(size=8)[codes]])
    assert dependent(with_unit, weight, codes, each=True) == (3,)
    assert dependent(with_unit, weight, codes, each=False) == ()


def test_dummies_that_add_to_one():
    rng, x, codes, weight = made()
    third = rng.integers(0, 3, len(x))
    dummies = np.eye(3)[third]
    assert dependent(dummies, weight, codes, each=False) == (2,)
    assert dependent(dummies[:, :2], weight, codes, each=False) == ()


def test_nearly_dependent_is_not_dependent():
    rng, x, codes, weight = made()
    assert dependent(np.column_stack([x, x[:, 0] + 1e-7 * rng.normal(size=len(x))]), weight, codes, each=False) == ()


def test_rows_of_no_weight_do_not_count():
    _, x, codes, weight = made()
    twin = x[:, 0].copy()
    twin[:20] += 1.0
    weight[:20] = 0.0
    assert dependent(np.column_stack([x, twin]), weight, codes, each=False) == (3,)


def test_group_means_are_a_loop():
    _, x, codes, weight = made(groups=200)
    codes[codes > 150] = 199  # groups that nobody is in
    weight[codes == 3] = 0.0
    means = group_means(x, weight, codes, 200)
    for g in range(200):
        own = (codes == g) & (weight > 0)
        expected = np.average(x[own], axis=0, weights=weight[own]) if own.any() else np.zeros(3)
        np.testing.assert_allclose(means[g], expected, rtol=1e-12, atol=1e-14)
