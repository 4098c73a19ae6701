"""Every unit left out in turn, against as many literal refits; and levels against their defining equation."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.kernels import leave_out as module
from benchmodels.kernels.leave_out import average_levels, leave_out
from benchmodels.kernels.levels import own_levels
from benchmodels.kernels.newton import fit_levels
from tests import plain
from tests.kernels.problems import FAMILIES, as_rows, problem

REFIT = 1e-8  # relative, of expected values: what the kernel promises


def left_out(family, matrix, outcome, size, offset, unit, *, each):
    rows = as_rows(family, matrix, outcome, size, offset, unit, each=each)
    fit = fit_levels(rows)
    assert fit.certificate.converged
    return rows, leave_out(rows, unit, int(unit.max()) + 1, fit)


def expected_by_refits(family, matrix, outcome, size, offset, unit, *, each):
    return plain.contrasts(family, matrix, outcome, size, offset, unit, each=each, reference="others")[1]["expected"]


def expected_by_kernel(family, rows, unit, left):
    k = len(left.slopes)
    average = average_levels(rows, unit, left.slopes, np.zeros(k), own=False)
    eta = np.einsum("np,np->n", rows.columns, left.slopes[unit]) + rows.offset + average[unit]
    return np.bincount(unit, rows.size * plain.mean(family, eta), k)


@pytest.mark.parametrize("degenerate", [False, True])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_literal_refits(family, each, degenerate):
    arrays = problem(family, k=9, sd=0.8, degenerate=degenerate and family != "gaussian", seed=3)
    rows, left = left_out(family, *arrays, each=each)
    assert left.found.all()
    refits = expected_by_refits(family, *arrays, each=each)
    np.testing.assert_allclose(expected_by_kernel(family, rows, arrays[-1], left), refits, rtol=REFIT)
    if not each:
        # Pooled: the refit's own level is the average level.
        average = average_levels(rows, arrays[-1], left.slopes, np.zeros(9), own=False)
        np.testing.assert_allclose(left.levels[0], average, rtol=REFIT, atol=REFIT)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_unit_with_most_of_the_cases_and_other_slopes(family, each):
    """The downdate is a poor start there: the answer must not show it."""
    matrix, outcome, size, offset, unit = problem(family, k=6, seed=8)
    big = unit == 2
    size[big] *= 50
    outcome[big] *= 50
    matrix[big] *= 4.0
    rows, left = left_out(family, matrix, outcome, size, offset, unit, each=each)
    assert left.found.all()
    refits = expected_by_refits(family, matrix, outcome, size, offset, unit, each=each)
    np.testing.assert_allclose(expected_by_kernel(family, rows, unit, left), refits, rtol=REFIT)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_two_units(family, each):
    arrays = problem(family, k=2, cells=30, seed=4)
    rows, left = left_out(family, *arrays, each=each)
    refits = expected_by_refits(family, *arrays, each=each)
    np.testing.assert_allclose(expected_by_kernel(family, rows, arrays[-1], left), refits, rtol=REFIT)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_level_that_one_unit_alone_has_is_not_identified_without_it(family, each):
    matrix, outcome, size, offset, unit = problem(family, k=7, seed=2)
    alone = np.where(unit == 4, np.arange(len(unit)) % 2, 0.0)
    _, left = left_out(family, np.column_stack([matrix, alone]), outcome, size, offset, unit, each=each)
    assert left.found.tolist() == [i != 4 for i in range(7)]
    assert np.isnan(left.slopes[4]).all()
    assert np.isfinite(left.slopes[left.found]).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_varies_in_one_unit_alone_is_not_identified_without_it(family, each, seed):
    """As above, but the others hold a constant that is not zero: the downdate leaves rounding, not zero."""
    matrix, outcome, size, offset, unit = problem(family, k=7, seed=seed)
    rng = np.random.default_rng(seed)
    constant = 3.7 * rng.normal(size=7)[unit] if each else np.full(len(unit), 3.7)
    column = np.where(unit == 4, rng.normal(size=len(unit)), constant)
    _, left = left_out(family, np.column_stack([matrix, column]), outcome, size, offset, unit, each=each)
    assert left.found.tolist() == [i != 4 for i in range(7)]


def test_refits_one_by_one_when_passes_run_out(monkeypatch):
    """The fallback gives the same numbers as the joint passes."""
    arrays = problem("binomial", k=6, sd=0.5)
    rows = as_rows("binomial", *arrays, each=True)
    fit = fit_levels(rows)
    joint = leave_out(rows, arrays[-1], 6, fit)
    alone = leave_out(rows, arrays[-1], 6, fit, max_passes=1)
    np.testing.assert_allclose(alone.slopes, joint.slopes, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("step", [3, 50])
def test_block_size_does_not_matter(monkeypatch, step):
    for each in (False, True):
        arrays = problem("binomial", k=6)
        _, whole = left_out("binomial", *arrays, each=each)
        with monkeypatch.context() as patch:
            patch.setattr(module, "row_blocks", lambda n, w: [slice(a, min(a + step, n)) for a in range(0, n, step)])
            _, parts = left_out("binomial", *arrays, each=each)
        np.testing.assert_allclose(parts.slopes, whole.slopes, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_average_level_is_the_root(family, own):
    matrix, outcome, size, offset, unit = problem(family, k=8, sd=1.5)
    rng = np.random.default_rng(0)
    slopes = rng.normal(size=(8, 2)) * 2
    rows = as_rows(family, matrix, outcome, size, offset, unit, each=True)
    for start in (-30.0, 0.0, 8.0):
        level = average_levels(rows, unit, slopes, np.full(8, start), own=own)
        for i in range(8):
            keep = np.ones(len(unit), dtype=bool) if own else unit != i
            eta = matrix[keep] @ slopes[i] + offset[keep] + level[i]
            np.testing.assert_allclose(np.sum(size[keep] * plain.mean(family, eta)), outcome[keep].sum(), rtol=1e-11)


@pytest.mark.parametrize("family", FAMILIES)
def test_own_level_is_the_root_and_infinite_at_the_edges(family):
    matrix, outcome, size, offset, unit = problem(family, k=8, sd=1.5)
    eta = matrix @ [3.0, -2.0] + offset
    total = np.bincount(unit, size)
    target = np.bincount(unit, outcome)
    if family != "gaussian":
        target[0] = 1e-6
    if family == "binomial":
        target[1] = total[1] * (1 - 1e-9)
    rows = as_rows(family, matrix, outcome, size, offset, unit, each=True)
    level = own_levels(rows.family, rows.size, eta, unit, target, np.zeros(8))
    reached = np.bincount(unit, size * plain.mean(family, eta + level[unit]))
    # Near 0 the logistic function is known to 1e-16 of a case, not of the rate.
    np.testing.assert_allclose(reached, target, rtol=1e-10, atol=1e-15 * total.max())
    if family != "gaussian":
        target[2] = 0.0
        assert own_levels(rows.family, rows.size, eta, unit, target, np.zeros(8))[2] == -np.inf
    if family == "binomial":
        target[2] = total[2]
        assert own_levels(rows.family, rows.size, eta, unit, target, np.zeros(8))[2] == np.inf
