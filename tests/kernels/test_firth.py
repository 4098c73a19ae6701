"""Firth's penalised likelihood against closed forms, a general optimiser and its own score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.families import Family
from benchmodels.kernels.firth import firth_leave_out, fit_firth, leverages
from benchmodels.kernels.newton import fit_levels
from tests import plain
from tests.kernels.problems import as_rows, problem


def penalised(family, dense, outcome, size, offset, beta):
    eta = dense @ beta + offset
    mu = plain.mean(family, eta)
    if family == "binomial":
        log_likelihood = np.sum(outcome * eta - size * np.logaddexp(0, eta))
    else:
        log_likelihood = np.sum(outcome * eta - size * mu)
    information = (dense * (size * plain.weight(family, eta))[:, None]).T @ dense
    return log_likelihood + 0.5 * np.linalg.slogdet(information)[1]


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_agrees_with_a_general_optimiser(family, each):
    matrix, outcome, size, offset, unit = problem(family, k=6, cells=10, size=8.0, degenerate=True)
    rows = as_rows(family, matrix, outcome, size, offset, unit, each=each)
    found = fit_firth(rows)
    assert found.certificate.converged
    assert np.isfinite(found.levels).all()
    dense = np.column_stack([matrix, plain.dummies(unit, 6) if each else np.ones(len(unit))])
    best = minimize(
        lambda b: -penalised(family, dense, outcome, size, offset, b), np.r_[found.slopes, found.levels] * 0.9,
        method="BFGS", options={"gtol": 1e-9},
    )  # fmt: skip
    np.testing.assert_allclose(np.r_[found.slopes, found.levels], best.x, atol=2e-5)
    at = penalised(family, dense, outcome, size, offset, np.r_[found.slopes, found.levels])
    assert at >= -best.fun - 1e-9


@pytest.mark.parametrize(("family", "count", "of"), [("binomial", 0, 12), ("binomial", 12, 12), ("poisson", 0, 12)])
def test_half_an_event_without_columns(family, count, of):
    rows = Rows(
        np.zeros((1, 0)), np.array([float(count)]), np.array([float(of)]), np.zeros(1), np.zeros(1, dtype=np.intp),
        1, Family(family), np.ones(1),
    )  # fmt: skip
    level = fit_firth(rows).levels[0]
    rate = (count + 0.5) / (of + 1.0) if family == "binomial" else (count + 0.5) / of
    assert plain.mean(family, level) == pytest.approx(rate, rel=1e-8)


def test_perfect_separation_has_an_answer():
    x = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
    rows = as_rows(
        "binomial", x[:, None], (x > 0).astype(float), np.ones(6), np.zeros(6), np.zeros(6, dtype=np.intp), each=False
    )
    assert not fit_levels(rows).certificate.converged
    found = fit_firth(rows)
    assert found.certificate.converged
    assert 0 < found.slopes[0] < 5


@pytest.mark.parametrize("each", [False, True])
def test_leverages_add_up_to_the_number_of_coefficients(each):
    arrays = problem("binomial", k=6)
    rows = as_rows("binomial", *arrays, each=each)
    fit = fit_levels(rows)
    assert leverages(rows, fit.slopes, fit.levels).sum() == pytest.approx(2 + (6 if each else 1), rel=1e-10)


@pytest.mark.parametrize("each", [False, True])
def test_without_a_unit_it_is_the_literal_refit(each):
    matrix, outcome, size, offset, unit = problem("binomial", k=5, size=6.0, degenerate=True)
    rows = as_rows("binomial", matrix, outcome, size, offset, unit, each=each)
    left = firth_leave_out(rows, unit, 5, fit_firth(rows))
    assert left.found.all()
    for i in range(5):
        keep = unit != i
        again = np.unique(unit[keep], return_inverse=True)[1]
        part = as_rows("binomial", matrix[keep], outcome[keep], size[keep], offset[keep], again, each=each)
        np.testing.assert_allclose(left.slopes[i], fit_firth(part).slopes, atol=1e-7)
