"""Refits in batches against a loop of plain single fits, statsmodels, closed forms and their own score."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from benchmodels.errors import DataError
from benchmodels.kernels import batched
from benchmodels.kernels.batched import bootstrap_cells, bootstrap_clusters, fit_batch, simulate_binomial

FAMILIES = ("binomial", "poisson", "gaussian")
EXACT, SOLVER = 1e-10, 1e-8
LEVEL = {"binomial": lambda x: np.log(x / (1 - x)), "poisson": np.log, "gaussian": lambda x: x}


def mean(family, eta):
    if family == "binomial":
        return expit(eta)
    return np.exp(eta) if family == "poisson" else eta


def slope(family, mu):
    return {"binomial": mu * (1 - mu), "poisson": mu, "gaussian": np.ones_like(mu)}[family]


def table(family, *, k=6, cells=14, p=3, seed=0, size=60.0):
    """Cells sorted by unit: columns, outcome, size, offset, unit."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(k), cells)
    n = len(unit)
    x = rng.normal(size=(n, p)) + 0.2 * (unit % 3)[:, None]
    m = np.ceil(size * rng.uniform(0.3, 2.0, n)) * (1.0 if family == "binomial" else 0.37)
    offset = 0.3 * rng.normal(size=n) + 0.2 * unit
    eta = -1.0 + x @ np.linspace(0.4, -0.5, p) + offset - 0.2 * unit + 0.3 * rng.normal(size=k)[unit]
    if family == "binomial":
        return x, rng.binomial(m.astype(int), mean(family, eta)).astype(float), m, offset, unit
    if family == "poisson":
        return x, rng.poisson(m * np.exp(eta)).astype(float), m, offset, unit
    return x, m * (10.0 + eta) + np.sqrt(m) * rng.normal(size=n), m, offset, unit


def case_weights(n, b, seed=1):
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=b).astype(float)


def plain_fit(family, matrix, y, m, offset):
    """Iteratively reweighted least squares by QR, one model: estimates and their standard errors at dispersion one."""
    rate = y.sum() / m.sum()
    own = (y + 0.5) / (m + 0.5 / rate) if family != "gaussian" else y / np.where(m > 0, m, 1.0)
    beta = np.linalg.lstsq(matrix, LEVEL[family](own) - offset, rcond=None)[0]
    for _ in range(60):
        eta = matrix @ beta + offset
        w = m * slope(family, mean(family, eta))
        root = np.sqrt(w)
        scaled = np.divide(y - m * mean(family, eta), root, out=np.zeros_like(root), where=root > 0)
        move = np.linalg.lstsq(matrix * root[:, None], scaled, rcond=None)[0]
        beta = beta + move
        if np.max(np.abs(move)) < 1e-13 * (1 + np.max(np.abs(beta))):
            break
    return beta, np.sqrt(np.diag(np.linalg.inv((matrix * w[:, None]).T @ matrix)))


def dummies(unit, k):
    return (unit[:, None] == np.arange(k)).astype(float)


def assert_same(fit, b, expected, errors):
    """Within 1e-8 standard errors, the tolerance of the fit, and rounding."""
    assert fit.converged[b]
    found = np.r_[fit.slopes[b], fit.levels[b]]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=SOLVER * errors.max())


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("what", ["weights", "outcomes", "sizes", "all"])
def test_same_as_single_fits(family, each, what):
    x, y, m, offset, unit = table(family)
    b, rng = 12, np.random.default_rng(3)
    v = case_weights(len(y), b) if what in ("weights", "all") else None
    ys = np.array([rng.permutation(y / m) * m for _ in range(b)]) if what in ("outcomes", "all") else y
    ms = m * rng.uniform(1.0, 2.0, (b, len(y))) if what in ("sizes", "all") else m
    fit = fit_batch(x, ys, ms, offset, family=family, weights=v, codes=unit if each else None)
    matrix = np.column_stack([x, dummies(unit, 6) if each else np.ones(len(y))])
    ys, ms = np.broadcast_to(ys, (b, len(y))), np.broadcast_to(ms, (b, len(y)))
    for i in range(b):
        w = np.ones(len(y)) if v is None else v[i]
        keep = w > 0
        expected = plain_fit(family, matrix[keep], (w * ys[i])[keep], (w * ms[i])[keep], offset[keep])
        assert_same(fit, i, *expected)
    assert fit.iterations.max() <= 9
    assert fit.decrement.max() <= SOLVER


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_statsmodels(family):
    x, y, m, offset, _ = table(family)
    v = case_weights(len(y), 6)
    fit = fit_batch(x, y, m, offset, family=family, weights=v)
    kind = {"binomial": sm.families.Binomial, "poisson": sm.families.Poisson, "gaussian": sm.families.Gaussian}[family]
    for b in range(6):
        keep = v[b] > 0
        model = sm.GLM(
            (y / m)[keep],
            np.column_stack([x, np.ones(len(y))])[keep],
            family=kind(),
            var_weights=(v[b] * m)[keep],
            offset=offset[keep],
        ).fit(tol=1e-14, maxiter=100)
        np.testing.assert_allclose(np.r_[fit.slopes[b], fit.levels[b]], model.params, rtol=SOLVER, atol=SOLVER)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_score_is_zero_in_its_own_standard_deviations(family, each):
    x, y, m, offset, unit = table(family, seed=4)
    v = case_weights(len(y), 40)
    codes = unit if each else np.zeros_like(unit)
    fit = fit_batch(x, y, m, offset, family=family, weights=v, codes=codes)
    mu = mean(family, fit.slopes @ x.T + fit.levels[:, codes] + offset)
    residual, spread = v * (y - m * mu), v * m * slope(family, mu)
    for column in np.column_stack([x, dummies(codes, codes.max() + 1)]).T:
        np.testing.assert_array_less(np.abs(residual @ column) / np.sqrt(spread @ column**2), 1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_replicate_and_vectors_in(family):
    x, y, m, offset, unit = table(family)
    fit = fit_batch(x, y, m, offset, family=family, codes=unit)
    assert fit.slopes.shape == (1, 3)
    assert fit.levels.shape == (1, 6)
    assert_same(fit, 0, *plain_fit(family, np.column_stack([x, dummies(unit, 6)]), y, m, offset))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_columns_has_a_closed_form(family):
    _, y, m, _, unit = table(family)
    v = case_weights(len(y), 20) + 0.1
    fit = fit_batch(np.zeros((len(y), 0)), y, m, np.zeros(len(y)), family=family, weights=v, codes=unit)
    rate = (v * y) @ dummies(unit, 6) / ((v * m) @ dummies(unit, 6))
    assert fit.converged.all()
    assert fit.slopes.shape == (20, 0)
    np.testing.assert_allclose(fit.levels, LEVEL[family](rate), rtol=EXACT)


def test_gaussian_has_a_closed_form_and_takes_two_passes():
    x, y, m, offset, _ = table("gaussian")
    v = case_weights(len(y), 5)
    fit = fit_batch(x, y, m, offset, family="gaussian", weights=v)
    matrix = np.column_stack([x, np.ones(len(y))])
    for b in range(5):
        gram = (matrix * (v[b] * m)[:, None]).T @ matrix
        expected = np.linalg.solve(gram, matrix.T @ (v[b] * (y - m * offset)))
        np.testing.assert_allclose(np.r_[fit.slopes[b], fit.levels[b]], expected, rtol=1e-11)
    assert fit.iterations.max() == 2


@pytest.mark.parametrize("y", [np.zeros(30), np.full(30, 3.0), 2e8 + 3e5 * np.arange(30.0), np.pi * np.arange(30.0)])
def test_gaussian_outcome_that_fits_exactly(y):
    x = np.column_stack([np.arange(30.0), np.arange(30.0) ** 2])
    fit = fit_batch(x, y * np.ones((4, 1)), np.ones(30), np.zeros(30), family="gaussian")
    assert fit.converged.all()
    np.testing.assert_allclose(x @ fit.slopes[2] + fit.levels[2], y, rtol=EXACT, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_weights_are_repeated_rows(family):
    x, y, m, offset, unit = table(family)
    v = np.random.default_rng(5).integers(1, 4, (3, len(y)))
    fit = fit_batch(x, y, m, offset, family=family, weights=v.astype(float), codes=unit)
    for b in range(3):
        rows = np.repeat(np.arange(len(y)), v[b])
        again = fit_batch(x[rows], y[rows], m[rows], offset[rows], family=family, codes=unit[rows])
        np.testing.assert_allclose(fit.slopes[b], again.slopes[0], rtol=SOLVER, atol=1e-9)
        np.testing.assert_allclose(fit.levels[b], again.levels[0], rtol=SOLVER, atol=1e-9)


# --- replicates without an answer, and levels without one ---


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("by", [1e-9, 1e-4, 1.0, 1e6])
def test_separated_replicates_are_nan_and_leave_the_others_alone(family, each, by):
    """With few cases, or parts of one, the decrement is soon nothing however far the estimate has run."""
    x, y, m, offset, unit = table(family, k=4)
    y, m = by * y, by * m
    x[:, 1] = np.arange(len(y)) % 7 == 0
    ys = np.tile(y, (9, 1))
    ys[2:5, x[:, 1] > 0] = 0.0
    if family == "binomial":
        ys[4:6, x[:, 1] > 0] = m[x[:, 1] > 0]
    apart = [2, 3, 4, 5] if family == "binomial" else [2, 3, 4]
    codes = unit if each else None
    fit = fit_batch(x, ys, m, offset, family=family, codes=codes)
    assert np.flatnonzero(~fit.converged).tolist() == apart
    assert np.isnan(fit.slopes[apart]).all()
    assert np.isnan(fit.levels[apart]).all()
    alone = fit_batch(x, y, m, offset, family=family, codes=codes)
    whole, rtol = np.tile(alone.slopes, (9 - len(apart), 1)), SOLVER / min(1.0, by) ** 0.5
    np.testing.assert_allclose(np.delete(fit.slopes, apart, 0), whole, rtol=rtol)


@pytest.mark.parametrize("level", [-12.0, -5.0, np.log(0.4 / 0.6), 5.0, 12.0])
@pytest.mark.parametrize("effect", [-3.0, 0.0, 3.0, 6.0])
def test_separation_is_seen_from_any_start(level, effect):
    """From a saturated start a single step runs so far that the next decrement is nothing."""
    x = np.tile([0.0, 1.0], 8)[:, None]
    m = np.full(16, 50.0)
    y = np.where(x[:, 0] > 0, 0.0, 20.0)
    fit = fit_batch(x, y, m, np.zeros(16), family="binomial", start=(np.array([effect]), np.array([level])))
    assert not fit.converged[0]
    assert np.isnan(fit.slopes).all()


@pytest.mark.parametrize("level", [-30.0, -5.0, 0.0, 5.0, 30.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_bad_start_does_no_harm(family, level):
    x, y, m, offset, _ = table(family)
    expected = fit_batch(x, y, m, offset, family=family)
    fit = fit_batch(x, y, m, offset, family=family, start=(np.full(3, 0.1 * level), np.array([level])))
    assert fit.converged[0]
    np.testing.assert_allclose(fit.slopes, expected.slopes, rtol=SOLVER, atol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_start_at_the_answer_takes_one_pass(family):
    x, y, m, offset, unit = table(family)
    first = fit_batch(x, y, m, offset, family=family, codes=unit)
    again = fit_batch(x, y, m, offset, family=family, codes=unit, start=(first.slopes[0], first.levels[0]))
    assert again.iterations[0] == 1
    np.testing.assert_allclose(again.slopes, first.slopes, rtol=SOLVER, atol=1e-9)


def test_maxima_that_plain_steps_overshoot():
    """Columns without a variance and offsets that leave rows saturated; certified by the score."""
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, m, offset = rng.standard_t(1.0, size=(12, 1)), np.full(12, 20.0), rng.normal(0.0, 4.0, 12)
        chance = mean("binomial", np.clip(-1.0 + rng.normal(0.0, 3.0) * x[:, 0] + offset, -12.0, 12.0))
        y = rng.binomial(20, chance).astype(float)
        fit = fit_batch(x, y, m, offset, family="binomial")
        if fit.converged[0]:
            mu = mean("binomial", x[:, 0] * fit.slopes[0] + fit.levels[0] + offset)
            matrix, w = np.column_stack([x, np.ones(12)]), m * mu * (1 - mu)
            np.testing.assert_array_less(np.abs(matrix.T @ (y - m * mu)), 1e-6 * np.sqrt(w @ matrix**2))
            found += 1
    # Steps never halved find 91 of them.
    assert found >= 97


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_outcomes_of_very_different_rates(family):
    """The average outcome is a bad start for all of them."""
    x, _, _, _, _ = table(family)
    rng, n = np.random.default_rng(0), len(x)
    m = np.full(n, 4000.0)
    rates = [0.001, 0.02, 0.5, 0.9, 0.995]
    ys = np.array([rng.binomial(4000, rate, n) for rate in rates]).astype(float)
    fit = fit_batch(x, ys, m, np.zeros(n), family=family)
    for b in range(5):
        assert_same(fit, b, *plain_fit(family, np.column_stack([x, np.ones(n)]), ys[b], m, np.zeros(n)))


@pytest.mark.parametrize("family", FAMILIES)
def test_degenerate_levels_are_left_out_exactly(family):
    x, y, m, offset, unit = table(family)
    v = np.ones((5, len(y)))
    v[1, unit == 2] = 0.0
    ys = np.tile(y, (5, 1))
    if family != "gaussian":
        ys[2, unit == 0] = 0.0
        ys[3, unit == 5] = 0.0
    if family == "binomial":
        ys[3, unit == 4] = m[unit == 4]
    fit = fit_batch(x, ys, m, offset, family=family, weights=v, codes=unit)
    special = {(1, 2): np.nan}
    if family != "gaussian":
        special |= {(2, 0): -np.inf, (3, 5): -np.inf}
    if family == "binomial":
        special |= {(3, 4): np.inf}
    for b in range(5):
        lost = [g for (i, g) in special if i == b]
        keep = ~np.isin(unit, lost)
        rest = [g for g in range(6) if g not in lost]
        matrix = np.column_stack([x, dummies(unit, 6)[:, rest]])[keep]
        expected, errors = plain_fit(family, matrix, ys[b][keep], m[keep], offset[keep])
        found = np.r_[fit.slopes[b], fit.levels[b, rest]]
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=SOLVER * errors.max())
        for g in lost:
            np.testing.assert_equal(fit.levels[b, g], special[b, g])
    assert fit.converged.all()


def test_replicates_with_nothing_to_learn_from():
    x, y, m, offset, unit = table("binomial")
    ys = np.array([y, np.zeros_like(y), m, y])
    v = np.ones((4, len(y)))
    v[3] = 0.0
    fit = fit_batch(x, ys, m, offset, family="binomial", weights=v, codes=unit)
    assert fit.converged.tolist() == [True, False, False, False]
    assert np.isnan(fit.slopes[1:]).all()
    assert np.isnan(fit.levels[1:]).all()
    bare = fit_batch(x[:, :0], ys, m, offset, family="binomial", weights=v, codes=unit)
    assert bare.converged.all()
    assert (bare.levels[1] == -np.inf).all()
    assert (bare.levels[2] == np.inf).all()
    assert np.isnan(bare.levels[3]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_no_size_do_not_matter(family):
    x, y, m, offset, unit = table(family)
    more = np.r_[np.arange(len(y)), 3, 3, 40]
    order = np.argsort(unit[more], kind="stable")
    rows = more[order]
    size, outcome = np.where(order < len(y), m[rows], 0.0), np.where(order < len(y), y[rows], 0.0)
    found = fit_batch(
        x[rows] + (order >= len(y))[:, None], outcome, size, offset[rows], family=family, codes=unit[rows]
    )
    expected = fit_batch(x, y, m, offset, family=family, codes=unit)
    np.testing.assert_allclose(found.slopes, expected.slopes, rtol=SOLVER, atol=1e-10)
    np.testing.assert_allclose(found.levels, expected.levels, rtol=SOLVER, atol=1e-10)


# --- columns ---


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_subsets_are_fits_of_those_columns(family, each):
    x, y, m, offset, unit = table(family)
    subsets = np.array([[i >> j & 1 for j in range(3)] for i in range(8)], dtype=bool)
    codes = unit if each else np.zeros_like(unit)
    fit = fit_batch(x, y, m, offset, family=family, codes=codes, subsets=subsets)
    for b, used in enumerate(subsets):
        matrix = np.column_stack([x[:, used], dummies(codes, codes.max() + 1)])
        expected, errors = plain_fit(family, matrix, y, m, offset)
        found = np.r_[fit.slopes[b, used], fit.levels[b]]
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=SOLVER * errors.max())
        assert np.isnan(fit.slopes[b, ~used]).all()
    assert fit.converged.all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("start", [None, (np.full(4, 0.1), np.full(6, -1.0))])
def test_subsets_with_weights_and_collinear_columns(family, start):
    """The third column is a combination of the first two; the fourth is constant within units."""
    x, y, m, offset, unit = table(family)
    x = np.column_stack([x[:, :2], 1e3 * (x[:, 0] - 2 * x[:, 1]) + 7.0, 1.0 + np.sqrt(unit)])
    subsets = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0]], dtype=bool)
    v = case_weights(len(y), 5) + 0.5
    fit = fit_batch(x, y, m, offset, family=family, codes=unit, subsets=subsets, weights=v, start=start)
    assert fit.converged.tolist() == [True, False, True, False, True]
    assert np.isnan(fit.slopes[[1, 3]]).all()
    for b in (0, 2, 4):
        matrix = np.column_stack([x[:, subsets[b]], dummies(unit, 6)])
        expected, errors = plain_fit(family, matrix, v[b] * y, v[b] * m, offset)
        np.testing.assert_allclose(np.r_[fit.slopes[b, subsets[b]], fit.levels[b]], expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("constant", [1.0, 1e9, 0.1, 1 / 3])
def test_a_constant_column_has_no_slope_whatever_its_rounding(constant):
    x, y, m, offset, _ = table("binomial")
    jitter = 1.0 + 2e-16 * (np.arange(len(y)) % 3)
    for column in (np.full(len(y), constant), constant * jitter):
        assert not fit_batch(np.column_stack([x, column]), y, m, offset, family="binomial").converged[0]


def test_a_column_that_a_resample_leaves_constant():
    x, y, m, offset, unit = table("binomial")
    x[:, 2] = np.arange(len(y)) == 5
    v = np.ones((4, len(y)))
    v[2, 5] = 0.0
    fit = fit_batch(x, y, m, offset, family="binomial", weights=v, codes=unit)
    assert fit.converged.tolist() == [True, True, False, True]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("each", [False, True])
def test_units_of_measure_of_columns_do_not_matter(family, each):
    x, y, m, offset, unit = table(family)
    v = case_weights(len(y), 6) + 0.2
    codes = unit if each else None
    first = fit_batch(x, y, m, offset, family=family, weights=v, codes=codes)
    scale = np.array([1e8, 1e-8, 1e100])
    second = fit_batch(x * scale, y, m, offset, family=family, weights=v, codes=codes)
    np.testing.assert_allclose(second.slopes * scale, first.slopes, rtol=1e-9)
    np.testing.assert_allclose(second.levels, first.levels, rtol=1e-9)
    far = fit_batch(1e-3 * x + 1e3, y, m, offset, family=family, weights=v, codes=codes)
    # The column itself is rounded to 1e-10 of its spread.
    np.testing.assert_allclose(far.slopes * 1e-3, first.slopes, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("by", [1e-8, 1e8])
def test_unit_of_measure_of_size_moves_the_level_only(family, by):
    x, y, m, offset, unit = table(family)
    v = case_weights(len(y), 6) + 0.2
    first = fit_batch(x, y, m, offset, family=family, weights=v, codes=unit)
    if family == "poisson":
        second = fit_batch(x, y, m * by, offset, family=family, weights=v, codes=unit)
        np.testing.assert_allclose(second.levels, first.levels - np.log(by), rtol=1e-9)
    else:
        # Fewer cases have larger standard errors, of which the tolerance is a part.
        tight = 1e-8 * min(1.0, by**0.5) if family == "binomial" else 1e-8
        second = fit_batch(x, y * by, m * by, offset, family=family, weights=v, codes=unit, tolerance=tight)
        np.testing.assert_allclose(second.levels, first.levels, rtol=1e-9)
    np.testing.assert_allclose(second.slopes, first.slopes, rtol=1e-9, atol=1e-9)
    assert second.converged.all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_constant_in_the_offset_moves_the_levels_only(family):
    x, y, m, offset, unit = table(family)
    v = case_weights(len(y), 6) + 0.2
    first = fit_batch(x, y, m, offset, family=family, weights=v, codes=unit)
    second = fit_batch(x, y, m, offset + 25.0 - 3.0 * unit, family=family, weights=v, codes=unit)
    np.testing.assert_allclose(second.slopes, first.slopes, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(second.levels, first.levels - 25.0 + 3.0 * np.arange(6), rtol=1e-9)


def test_near_collinear_columns():
    x, y, m, offset, _ = table("binomial")
    turned = np.column_stack([x[:, 0], x[:, 0] + 1e-5 * x[:, 1], x[:, 2]])
    v = case_weights(len(y), 4) + 0.2
    first = fit_batch(x, y, m, offset, family="binomial", weights=v)
    second = fit_batch(turned, y, m, offset, family="binomial", weights=v)
    np.testing.assert_allclose(second.slopes @ turned.T, first.slopes @ x.T, atol=1e-6)


# --- how the work is cut, and what vouches for it ---


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cut", [(1 << 22, 1, 1 << 17), (1, 1024, 1), (1 << 22, 7, 1)])
def test_chunks_and_blocks_do_not_matter(monkeypatch, family, each, cut):
    x, y, m, offset, unit = table(family, k=20, cells=17)
    v = case_weights(len(y), 31)
    whole = fit_batch(x, y, m, offset, family=family, weights=v, codes=unit if each else None)
    for name, value in zip(("CHUNK", "MOST", "BLOCK"), cut, strict=True):
        monkeypatch.setattr(batched, name, value)
    parts = fit_batch(x, y, m, offset, family=family, weights=v, codes=unit if each else None)
    np.testing.assert_allclose(parts.slopes, whole.slopes, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(parts.levels, whole.levels, rtol=1e-9, atol=1e-11)


def test_order_and_company_of_replicates_do_not_matter():
    x, y, m, offset, unit = table("binomial")
    v = case_weights(len(y), 30)
    start = tuple(part[0] for part in (lambda f: (f.slopes, f.levels))(fit_batch(x, y, m, offset, family="binomial")))
    whole = fit_batch(x, y, m, offset, family="binomial", weights=v, start=start)
    some = np.random.default_rng(0).permutation(30)[:11]
    part = fit_batch(x, y, m, offset, family="binomial", weights=v[some], start=start)
    np.testing.assert_allclose(part.slopes, whole.slopes[some], rtol=1e-9, atol=1e-11)


def test_arguments_are_not_changed():
    for family in FAMILIES:
        x, y, m, offset, unit = table(family)
        v = case_weights(len(y), 4)
        subsets = np.ones((4, 3), dtype=bool)
        arguments = (x, y, m, offset, unit, v, subsets)
        before = [part.copy() for part in arguments]
        fit_batch(x, y, m, offset, family=family, weights=v, codes=unit, subsets=subsets)
        fit_batch(x, np.tile(y, (4, 1)), m, offset, family=family, codes=unit)
        for now, then in zip(arguments, before, strict=True):
            np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_convergence_is_withheld_when_the_weights_are_wrong(monkeypatch, family, each):
    right = batched._moments

    def wrong(name, eta, size):
        fitted, weight = right(name, eta, size)
        return fitted, 30.0 * weight

    monkeypatch.setattr(batched, "_moments", wrong)
    x, y, m, offset, unit = table(family)
    v = case_weights(len(y), 5)
    fit = fit_batch(x, y, m, offset, family=family, weights=v, codes=unit if each else None)
    assert not fit.converged.any()
    assert np.isnan(fit.slopes).all()


def test_convergence_is_withheld_when_passes_run_out():
    x, y, m, offset, _ = table("binomial")
    v = case_weights(len(y), 5)
    for start in (None, (np.zeros(3), np.zeros(1))):
        for passes in (1, 2):
            fit = fit_batch(x, y, m, offset, family="binomial", weights=v, start=start, max_iterations=passes)
            assert not fit.converged.any()
            assert np.isnan(fit.levels).all()
            assert (fit.iterations == passes).all()


# --- draws ---


def test_redrawn_cells_keep_the_total_and_have_multinomial_moments():
    _, y, m, _, _ = table("binomial", k=2, cells=5)
    ys, ms = bootstrap_cells(y, m, 4000, np.random.default_rng(0))
    assert ys.shape == ms.shape == (4000, 10)
    assert (ms.sum(axis=1) == m.sum()).all()
    assert ((ys >= 0) & (ys <= ms)).all()
    np.testing.assert_array_less(np.abs(ys.mean(axis=0) - y) / np.sqrt(y / 4000), 4.5)
    np.testing.assert_allclose(ms.var(axis=0), m * (1 - m / m.sum()), rtol=0.12)


def test_redrawn_cells_spread_as_the_information_says():
    """Cases of a true model: the bootstrap's covariance is the inverse information, within Monte Carlo error."""
    rng = np.random.default_rng(2)
    x, m = rng.normal(size=(98, 3)), np.full(98, 400.0)
    y = rng.binomial(400, mean("binomial", -1.0 + x @ [0.3, -0.2, 0.0])).astype(float)
    ys, ms = bootstrap_cells(y, m, 3000, rng)
    fit = fit_batch(x, ys, ms, np.zeros(98), family="binomial")
    _, errors = plain_fit("binomial", np.column_stack([x, np.ones(98)]), y, m, np.zeros(98))
    np.testing.assert_allclose(np.r_[fit.slopes.std(axis=0), fit.levels.std(axis=0)], errors, rtol=0.08)


@pytest.mark.parametrize("y, m", [([0.5, 1], [1, 1]), ([1, 1], [1, 1.5]), ([2, 1], [1, 1]), ([0, 0], [0, 0])])
def test_cases_that_cannot_be_redrawn_are_refused(y, m):
    with pytest.raises(DataError, match="whole numbers"):
        bootstrap_cells(np.array(y), np.array(m), 2, np.random.default_rng(0))


def test_simulated_cells_have_binomial_moments():
    m = np.array([0.0, 1.0, 50.0, 1e6])
    chance = np.array([0.5, 0.3, 0.1, 0.02])
    ys = simulate_binomial(chance, m, 4000, np.random.default_rng(0))
    assert ys.shape == (4000, 4)
    spread = np.sqrt(m * chance * (1 - chance))
    assert (np.abs(ys.mean(axis=0) - m * chance) <= 4.5 * spread / np.sqrt(4000)).all()
    np.testing.assert_allclose(ys.std(axis=0), spread, rtol=0.06)


def test_clusters_are_redrawn_whole_and_within_units():
    clusters = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 1])
    units = np.array([1, 0, 1, 0, 0, 7])
    v = bootstrap_clusters(clusters, units, 3000, np.random.default_rng(0))
    assert v.shape == (3000, 10)
    by_cluster = v[:, [0, 2, 3, 6, 7, 8]]
    assert (v == by_cluster[:, clusters]).all()
    for unit, count in ((0, 3), (1, 2), (7, 1)):
        assert (by_cluster[:, units == unit].sum(axis=1) == count).all()
    np.testing.assert_allclose(by_cluster.mean(axis=0), 1.0, atol=0.08)
    np.testing.assert_allclose(by_cluster[:, 1].var(), 3 * (1 / 3) * (2 / 3), atol=0.06)


def test_draws_depend_on_their_generator_alone():
    """Fixed blocks, a child each: whoever draws them, in whatever order."""
    _, y, m, _, unit = table("binomial")
    for draw in (
        lambda rng: bootstrap_cells(y, m, 25, rng)[0],
        lambda rng: simulate_binomial(y / m, m, 25, rng),
        lambda rng: bootstrap_clusters(np.arange(len(y)), unit, 25, rng),
    ):
        forward = [draw(child) for child in np.random.default_rng(3).spawn(4)]
        backward = [draw(child) for child in reversed(np.random.default_rng(3).spawn(4))][::-1]
        np.testing.assert_array_equal(np.concatenate(forward), np.concatenate(backward))
        assert not np.array_equal(forward[0], forward[1])
