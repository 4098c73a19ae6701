"""Blocked Newton against statsmodels and its own score; its certificate against sabotage."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from benchmodels.design import read_design
from benchmodels.kernels import arrow, basis, newton
from benchmodels.kernels.families import Family, link, working
from benchmodels.kernels.newton import fit_in_basis, fit_levels
from benchmodels.roles import Roles
from tests import plain
from tests.kernels.problems import FAMILIES, as_rows, problem

EXACT, SOLVER = 1e-10, 1e-8
SM = {
    "binomial": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gaussian": sm.families.Gaussian(),
}


def by_statsmodels(family, matrix, outcome, size, offset):
    """The mean per unit of size with size as variance weight: the same likelihood for all three families."""
    model = sm.GLM(outcome / size, matrix, family=SM[family], var_weights=size, offset=offset)
    return model.fit(tol=1e-14, maxiter=100)


def score(family, matrix, outcome, size, offset, beta):
    return matrix.T @ (outcome - size * plain.mean(family, matrix @ beta + offset))


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_statsmodels(family, each):
    matrix, outcome, size, offset, unit = problem(family)
    found = fit_levels(as_rows(family, matrix, outcome, size, offset, unit, each=each))
    dummies = plain.dummies(unit, 10) if each else np.ones((len(unit), 1))
    dense = np.column_stack([matrix, dummies])
    reference = by_statsmodels(family, dense, outcome, size, offset)
    assert found.certificate.converged
    beta = np.r_[found.slopes, found.levels]
    np.testing.assert_allclose(beta, reference.params, rtol=SOLVER, atol=SOLVER)
    errors = reference.bse / np.sqrt(reference.scale)
    # The score in units of its own standard deviation: what the certificate promises.
    assert np.max(np.abs(score(family, dense, outcome, size, offset, beta)) * errors) < 1e-6


def test_98_unit_effects_agree_with_dummy_columns(pupils):
    """Every twelfth cell of the simulated country, with 98 dummies in statsmodels."""
    part = pupils.iloc[::12]
    formula = "segregated ~ sex + grade_band + parents_education + parents_income + origin + diagnosis"
    design = read_design(formula, Roles(unit="municipality", trials="pupils"), part)
    lost = plain.degenerate("binomial", design.unit, 98, design.outcome, design.size)
    rows = as_rows("binomial", design.columns, design.outcome, design.size, design.offset, design.unit, each=True)
    found = fit_levels(rows)
    keep = ~lost[design.unit]
    dense = np.column_stack([design.columns, plain.dummies(design.unit, 98)[:, ~lost]])[keep]
    reference = sm.GLM(
        design.outcome[keep] / design.size[keep], dense, family=SM["binomial"], var_weights=design.size[keep]
    ).fit(tol=1e-13)
    both = np.r_[found.slopes, found.levels[~lost]]
    np.testing.assert_allclose(both, reference.params, rtol=SOLVER, atol=SOLVER)
    variance = np.linalg.inv(found.step.schur())
    np.testing.assert_allclose(np.sqrt(np.diag(variance)), reference.bse[: len(found.slopes)], rtol=1e-6)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_degenerate_levels_are_infinite_and_leave_the_slopes_alone(family):
    matrix, outcome, size, offset, unit = problem(family, degenerate=True)
    found = fit_levels(as_rows(family, matrix, outcome, size, offset, unit, each=True))
    assert found.certificate.converged
    assert found.levels[1] == -np.inf
    lost = [1]
    if family == "binomial":
        assert found.levels[3] == np.inf
        lost = [1, 3]
    assert np.isfinite(np.delete(found.levels, lost)).all()
    reference = plain.slopes_of(family, matrix, outcome, size, offset, unit, each=True)
    np.testing.assert_allclose(found.slopes, reference, rtol=SOLVER)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_columns_has_a_closed_form(family):
    _, outcome, size, _, unit = problem(family)
    rows = as_rows(family, np.zeros((len(unit), 0)), outcome, size, np.zeros(len(unit)), unit, each=True)
    rate = np.bincount(unit, outcome) / np.bincount(unit, size)
    np.testing.assert_allclose(fit_levels(rows).levels, link(Family(family), rate), rtol=EXACT)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_unit_of_measure_of_size_moves_the_level_only(family, each):
    """Exposure in thousands, outcome in thousands: slopes stay, on any scale."""
    matrix, outcome, size, offset, unit = problem(family)
    if family == "binomial":
        by, again = 1000.0, 0.0
        outcome, fine = outcome, outcome * by
    else:
        by = 1e6
        fine, again = outcome, -np.log(by) if family == "poisson" else 0.0
    first = fit_levels(as_rows(family, matrix, outcome, size, offset, unit, each=each))
    if family == "gaussian":
        # Mean per unit of size: outcome and size move together, or the slopes would.
        fine = outcome * by
    second = fit_levels(as_rows(family, matrix, fine, size * by, offset, unit, each=each))
    np.testing.assert_allclose(second.slopes, first.slopes, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(second.levels, first.levels + again, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("by", [-28.0, 13.0, 28.0])
@pytest.mark.parametrize("family", [*FAMILIES, "gamma"])
def test_far_offsets_move_the_level_only(family, by, each):
    """The logarithm of inhabitants is an offset of 7 to 13."""
    matrix, outcome, size, offset, unit = problem("poisson" if family == "gamma" else family)
    outcome = outcome + 0.5 if family == "gamma" else outcome
    first = fit_levels(as_rows(family, matrix, outcome, size, offset, unit, each=each))
    second = fit_levels(as_rows(family, matrix, outcome, size, offset + by, unit, each=each))
    assert first.certificate.converged and second.certificate.converged
    np.testing.assert_allclose(second.slopes, first.slopes, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(second.levels, first.levels - by, rtol=1e-9, atol=1e-9)


def turned(seed, kind, n):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    matrix = {
        "huge and tiny": np.diag([1e9, 1.0, 1e-9]),
        "near collinear": np.array([[1, 1, 0], [0, 1e-6, 0], [0, 0, 1.0]]),
        "nearer collinear": np.array([[1, 1, 0], [0, 1e-8, 0], [0, 0, 1.0]]),
        "mean far above sd": np.eye(3),
        "all at once": np.array([[1e9, 1e9, 0], [0, 1e3, 0], [0, 0, 1e-9]]),
    }[kind]
    x = z @ matrix
    if "mean" in kind:
        x = x * 1e-3 + 1e4
    if "all" in kind:
        x = x + np.array([1e9, 0, 1e-5])
    return z, x


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "kind", ["huge and tiny", "near collinear", "nearer collinear", "mean far above sd", "all at once"]
)
def test_ill_conditioned_columns_give_the_same_fitted_values(family, each, kind):
    _, outcome, size, offset, unit = problem(family)
    z, x = turned(5, kind, len(unit))
    plain_fit = fit_levels(as_rows(family, z, outcome, size, offset, unit, each=each))
    codes = unit if each else np.zeros(len(unit), dtype=np.intp)
    rows, found_basis, found = fit_in_basis(as_rows(family, x, outcome, size, offset, unit, each=each))
    assert found_basis.dependent == ()
    assert found.certificate.converged
    eta = rows.columns @ found.slopes + found.levels[codes]
    expected = z @ plain_fit.slopes + plain_fit.levels[codes]
    # x itself is rounded to 1e-16 of its size, that is to 1e-8 … 1e-7 of what sets it apart.
    np.testing.assert_allclose(eta, expected, atol=1e-6)
    back = x @ found_basis.to_columns(found.slopes) + (found.levels + found_basis.level_shift(found.slopes))[codes]
    # Coefficients on columns that nearly cancel lose what the cancellation loses.
    np.testing.assert_allclose(back, expected, atol=2e-5)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("step", [1, 7, 64])
def test_block_size_does_not_matter(monkeypatch, family, each, step):
    matrix, outcome, size, offset, unit = problem(family)
    rows = as_rows(family, matrix, outcome, size, offset, unit, each=each)
    whole = fit_levels(rows)

    def small(n, width, **_):
        return [slice(a, min(a + step, n)) for a in range(0, n, step)]

    monkeypatch.setattr(arrow, "row_blocks", small)
    monkeypatch.setattr(basis, "row_blocks", small)
    parts = fit_levels(rows)
    np.testing.assert_allclose(parts.slopes, whole.slopes, rtol=EXACT, atol=1e-12)
    np.testing.assert_allclose(parts.levels, whole.levels, rtol=EXACT)


@pytest.mark.parametrize("family", FAMILIES)
def test_order_of_rows_does_not_matter(family):
    arrays = problem(family, degenerate=family != "gaussian")
    order = np.random.default_rng(1).permutation(len(arrays[0]))
    given = fit_levels(as_rows(family, *arrays, each=True))
    moved = fit_levels(as_rows(family, *(part[order] for part in arrays), each=True))
    assert moved.certificate.converged
    np.testing.assert_allclose(moved.slopes, given.slopes, rtol=EXACT, atol=1e-12)
    np.testing.assert_allclose(moved.levels, given.levels, rtol=EXACT)
    np.testing.assert_allclose(moved.step.schur(), given.step.schur(), rtol=EXACT)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize(
    ("each", "k", "degenerate"), [(False, 12, False), (True, 12, False), (True, 12, True), (True, 300, False)]
)
def test_very_many_rows_are_fitted_alike(monkeypatch, family, each, k, degenerate):
    """By way of a sample and of passes for the score alone, whether the sample has enough of every unit or not."""
    rows = as_rows(family, *problem(family, k=k, cells=60_000 // k, degenerate=degenerate), each=each)
    plainly = fit_levels(rows)
    monkeypatch.setattr(newton, "MANY", 10_000)
    passes = []
    evaluate = newton.evaluate

    def counted(rows, *arguments, information=None):
        passes.append((len(rows.outcome), information is not None))
        return evaluate(rows, *arguments, information=information)

    monkeypatch.setattr(newton, "evaluate", counted)
    found = fit_levels(rows)
    assert found.certificate.converged
    assert found.certificate.value <= 1e-8
    # Information of all rows is made but once where the sample can do for the way there, else twice.
    sampled = not each or (k == 12 and not degenerate)
    assert passes.count((60_000, False)) == (1 if sampled else 2)
    np.testing.assert_allclose(found.slopes, plainly.slopes, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.levels, plainly.levels, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.step.schur(), plainly.step.schur(), rtol=1e-5)


def test_row_blocks_cover_every_row_once():
    for n, width in [(0, 3), (1, 1), (255, 10), (100_000, 31), (40_000, 0), (5, 10**7)]:
        rows = [i for part in basis.row_blocks(n, width) for i in range(part.start, part.stop)]
        assert rows == list(range(n))


# --- the certificate ---


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("each", [False, True])
def test_certificate_is_withheld_when_the_weights_are_wrong(monkeypatch, family, each):
    """Steps a thirtieth of what they should be do not arrive, and the certificate says so."""

    def wrong(*arrays):
        first, information = working(*arrays)
        return first, 30.0 * information

    monkeypatch.setattr(arrow, "working", wrong)
    found = fit_levels(as_rows(family, *problem(family), each=each))
    assert not found.certificate.converged


def test_certificate_is_withheld_when_passes_run_out_or_numbers_are_not_finite(monkeypatch):
    rows = as_rows("binomial", *problem("binomial"), each=True)
    assert not fit_levels(rows, max_iterations=1).certificate.converged

    def broken(*arrays):
        first, information = working(*arrays)
        first[0] = np.nan
        return first, information

    monkeypatch.setattr(arrow, "working", broken)
    assert not fit_levels(rows).certificate.converged


def test_path_ends_quadratically():
    for family in ("binomial", "poisson"):
        path = fit_levels(as_rows(family, *problem(family), each=True)).certificate.path
        assert len(path) <= 8
        assert path[-1] < 0.01 * path[-2]


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("size", [1.0, 10.0, 1000.0])
def test_no_certificate_where_there_is_no_maximum(each, size):
    """A group without a single event: its slope runs to minus infinity however flat the likelihood gets.

    The decrement falls by a constant factor a step, so it passes any tolerance in the end.
    """
    converged = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(6), 2)
        group = np.tile([1.0, 2.0], 6)[:, None]
        outcome = np.where(group[:, 0] == 1.0, rng.integers(1, 3, 12) / 4.0 * size, 0.0)
        rows = as_rows("binomial", group, outcome, np.full(12, size), np.zeros(12), unit, each=each)
        with np.errstate(all="ignore"):
            converged.append(fit_levels(rows).certificate.converged)
    assert not any(converged)
