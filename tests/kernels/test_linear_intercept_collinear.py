"""Columns that are collinear within units, but not between them: experience beside years.

Against exact rational arithmetic, dense matrices, the same model in other columns, and statsmodels.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, minimize_scalar

from benchmodels.adjustment import RandomEffects
from benchmodels.errors import BenchmodelsError, DataError
from benchmodels.kernels.collinear import apart_within
from benchmodels.kernels.linear_intercept import fit_linear_intercept, profile_unit_sd
from tests.kernels.test_linear_intercept import METHODS, dense, reduce, same

DENSE = 1e-9


def panel(*, k=8, seed=0, sd=0.7, years=6):
    """An unbalanced panel: x, what one is born with, year and experience = year + start; last, what start stands for.

    Sizes, offsets and units are those of `reduce` and `dense`.
    """
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(k), rng.integers(2, years + 1, k))
    n = len(unit)
    year = np.concatenate([np.arange(m) for m in np.bincount(unit)]).astype(float)
    start, born = rng.integers(0, 9, k)[unit].astype(float), rng.normal(size=k)[unit]
    x = rng.normal(size=n) + 0.3 * start
    size, offset = rng.uniform(0.5, 2.0, n), rng.normal(size=n)
    eta = 1.0 + 0.5 * x - 0.4 * born + 0.1 * year + 0.2 * start + offset + sd * rng.normal(size=k)[unit]
    outcome = size * eta + np.sqrt(size) * 0.5 * rng.normal(size=n)
    return np.column_stack([x, born, year, year + start]), start, outcome, size, offset, unit


# --- dense matrices ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_dense(method, seed):
    matrix, _, *rest = panel(seed=seed)
    statistics = reduce(matrix, *rest)
    fit = fit_linear_intercept(statistics, method=method)
    assert fit.certificate.converged
    assert not fit.boundary
    by_hand = dense(matrix, *rest, fit.unit_sd, fit.residual_sd, method=method)
    np.testing.assert_allclose(fit.log_likelihood, by_hand["log_likelihood"], rtol=DENSE)
    np.testing.assert_allclose(np.r_[fit.slopes, fit.level], by_hand["beta"], rtol=DENSE)
    for name in ("covariance", "effects", "effect_variance"):
        np.testing.assert_allclose(getattr(fit, name), by_hand[name], rtol=DENSE, atol=1e-12)

    def loss(log_sd):
        return -dense(matrix, *rest, *np.exp(log_sd), method=method)["log_likelihood"]

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 2000})
    np.testing.assert_allclose([fit.unit_sd, fit.residual_sd], np.exp(best.x), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_profile_interval(method):
    matrix, _, *rest = panel(seed=2, sd=1.5)
    statistics = reduce(matrix, *rest)
    fit = fit_linear_intercept(statistics, method=method)
    lower, upper = profile_unit_sd(statistics, fit, 0.9)
    assert 0 < lower < fit.unit_sd < upper
    for end in (lower, upper):
        best = minimize_scalar(
            lambda s, end=end: -dense(matrix, *rest, end, np.exp(s), method=method)["log_likelihood"],
            bounds=(np.log(fit.residual_sd) - 1, np.log(fit.residual_sd) + 1),
            method="bounded",
            options={"xatol": 1e-9},
        )
        np.testing.assert_allclose(2 * (fit.log_likelihood + best.fun), 2.705543454095404, rtol=1e-7)


# --- the same model in other columns ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_start_in_place_of_experience(method, seed):
    """A column that is constant within units needs no turn, and says the same as the one that is collinear."""
    matrix, start, *rest = panel(seed=seed, k=30)
    fit = fit_linear_intercept(reduce(matrix, *rest), method=method)
    other = fit_linear_intercept(reduce(np.column_stack([matrix[:, :3], start]), *rest), method=method)
    back = np.eye(5)
    back[2, 3] = -1.0
    for name in ("level", "unit_sd", "residual_sd", "log_likelihood", "pooled_log_likelihood", "effects"):
        np.testing.assert_allclose(getattr(fit, name), getattr(other, name), rtol=DENSE, atol=1e-11, err_msg=name)
    np.testing.assert_allclose(fit.slopes, back[:4, :4] @ other.slopes, rtol=DENSE)
    np.testing.assert_allclose(fit.covariance, back @ other.covariance @ back.T, rtol=1e-8, atol=1e-12)
    ends = [profile_unit_sd(reduce(m, *rest), f) for m, f in ((matrix, fit), (matrix, other))]
    np.testing.assert_allclose(*ends, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_order_and_units_of_measure(method):
    matrix, _, *rest = panel(seed=5, k=20)
    fit = fit_linear_intercept(reduce(matrix, *rest), method=method)
    order, factor = np.array([3, 0, 2, 1]), np.array([1e6, 1.0, 1e-5, 3.0])
    other = fit_linear_intercept(reduce(matrix[:, order] * factor, *rest), method=method)
    np.testing.assert_allclose(other.slopes * factor, fit.slopes[order], rtol=1e-8)
    np.testing.assert_allclose(other.unit_sd, fit.unit_sd, rtol=DENSE)
    found = np.sqrt(other.covariance.diagonal())
    expected = np.sqrt(fit.covariance.diagonal())
    np.testing.assert_allclose(found, np.r_[expected[order] / factor, expected[4]], rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_several_collinear_combinations(method):
    """Two columns that are one within units with a third, in sums: only two directions vary within."""
    matrix, start, *rest = panel(seed=6, k=40)
    x, born, year, _ = matrix.T
    wide = np.column_stack([x + year, year + born, x - start + 2.0 * year, born**2, x])
    plain = np.column_stack([x, year, start, born, born**2])
    fit = fit_linear_intercept(reduce(wide, *rest), method=method)
    other = fit_linear_intercept(reduce(plain, *rest), method=method)
    np.testing.assert_allclose(fit.unit_sd, other.unit_sd, rtol=DENSE)
    np.testing.assert_allclose(fit.log_likelihood, other.log_likelihood, rtol=DENSE)
    np.testing.assert_allclose(wide @ fit.slopes + fit.level, plain @ other.slopes + other.level, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 2, 0], [2, 1, 0]])
def test_units_far_apart_in_one_of_the_collinear_columns(order):
    """What is taken off must be the column that hardly differs between units, whichever comes first."""
    matrix, _, *rest = panel(seed=9, k=40)
    x, born, year, _ = matrix.T
    far = np.column_stack([x + 2.0**26 * np.round(born * 64) / 64, x, year])[:, order]
    plain = np.column_stack([2.0**26 * np.round(born * 64) / 64, x, year])
    fit = fit_linear_intercept(reduce(far, *rest))
    other = fit_linear_intercept(reduce(plain, *rest))
    np.testing.assert_allclose(fit.unit_sd, other.unit_sd, rtol=1e-7)
    back = np.array([[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(fit.slopes, (back @ other.slopes)[order], rtol=1e-6)


def test_boundary_is_least_squares():
    rng = np.random.default_rng(3)
    matrix, _, _, size, offset, unit = panel(seed=3, k=12)
    for _ in range(50):
        noise = rng.normal(size=len(unit))
        # Units differ less than by chance: their means are all but taken out.
        noise -= 0.95 * (np.bincount(unit, noise) / np.bincount(unit))[unit]
        outcome = size * (matrix @ [1.0, 2.0, 3.0, 4.0] + offset) + np.sqrt(size) * noise
        fit = fit_linear_intercept(reduce(matrix, outcome, size, offset, unit))
        if fit.boundary:
            break
    assert fit.boundary
    root = np.sqrt(size)[:, None]
    whole = np.column_stack([matrix, np.ones(len(unit))])
    expected = np.linalg.lstsq(root * whole, root[:, 0] * (outcome / size - offset), rcond=None)[0]
    np.testing.assert_allclose(np.r_[fit.slopes, fit.level], expected, rtol=1e-8)
    assert fit.log_likelihood == fit.pooled_log_likelihood


# --- exact arithmetic ---


def rational(columns, outcome, unit, ratio):
    """Generalised least squares with V = I + ratio Z Z', in rational numbers: coefficients, residual squares."""
    rows = [[*map(Fraction, row), Fraction(1), Fraction(y)] for row, y in zip(columns.tolist(), outcome, strict=True)]
    q = len(rows[0])
    gram = [[sum(row[a] * row[b] for row in rows) for b in range(q)] for a in range(q)]
    for j in range(unit.max() + 1):
        own = np.flatnonzero(unit == j)
        sums = [sum(rows[i][a] for i in own) for a in range(q)]
        shrink = ratio / (1 + ratio * len(own))
        gram = [[gram[a][b] - shrink * sums[a] * sums[b] for b in range(q)] for a in range(q)]
    for a in range(q - 1):
        for b in range(q):
            if b != a:
                part = gram[b][a] / gram[a][a]
                gram[b] = [left - part * right for left, right in zip(gram[b], gram[a], strict=True)]
    return [float(gram[a][-1] / gram[a][a]) for a in range(q - 1)], gram[-1][-1]


@pytest.mark.parametrize("power", [4, 14, 22])
def test_the_maximum_at_a_huge_ratio(power):
    """Units up to 4 million residual standard deviations apart; the maximum and its slopes in rational arithmetic."""
    rng = np.random.default_rng(11)
    unit = np.repeat(np.arange(7), [3, 4, 5, 5, 4, 6, 3])
    year = np.concatenate([np.arange(m) for m in np.bincount(unit)]).astype(float)
    x = np.round(rng.normal(size=30) * 64) / 64
    columns = np.column_stack([x, year, year + rng.integers(0, 9, 7)[unit]])
    effects = 2.0**power * np.round(rng.normal(size=7) * 64) / 64
    outcome = np.round((x - 0.5 * year + rng.normal(size=30)) * 64) / 64 + effects[unit]
    fit = fit_linear_intercept(reduce(columns, outcome, unit=unit))
    assert fit.certificate.converged
    assert fit.unit_sd / fit.residual_sd > 0.3 * 2.0**power
    ratio = Fraction((fit.unit_sd / fit.residual_sd) ** 2)
    expected, _ = rational(columns, outcome, unit, ratio)
    np.testing.assert_allclose([*fit.slopes, fit.level], expected, rtol=1e-8)

    def deviance(step):
        at = ratio * Fraction(np.exp(step))
        rss = rational(columns, outcome, unit, at)[1]
        return float(np.log1p(float(at) * np.bincount(unit)).sum() + 30.0 * np.log(float(rss)))

    h = 1e-2
    below, here, above = (deviance(step) for step in (-h, 0.0, h))
    assert abs(0.5 * h * (below - above) / (below - 2.0 * here + above)) < 1e-4
    start = np.column_stack([x, year, columns[:, 2] - year])
    ends = profile_unit_sd(reduce(columns, outcome, unit=unit), fit)
    np.testing.assert_allclose(ends, profile_unit_sd(reduce(start, outcome, unit=unit), fit), rtol=1e-7)


# --- another program, and print ---


def test_wage_panel():
    """Wooldridge, Introductory Econometrics, table 14.2, and statsmodels: 545 men over eight years."""
    data = pytest.importorskip("linearmodels.datasets.wage_panel").load()
    mixed = pytest.importorskip("statsmodels.regression.mixed_linear_model").MixedLM
    formula = "lwage ~ educ + black + hisp + exper + expersq + married + union + C(year)"
    fit = RandomEffects(formula, unit="nr", family="gaussian").fit(data)
    table = fit.coefficients().set_index("name")
    # The book's variances are by moments: union is .1061 there and .1055 at the maximum of the likelihood.
    printed = {"educ": 0.092, "black": -0.139, "hisp": 0.022, "exper": 0.106, "expersq": -0.0047, "married": 0.064}
    for name, value in printed.items():
        assert abs(table.loc[name, "estimate"] - value) <= (5e-5 if name == "expersq" else 5e-4), name
    assert abs(table.loc["union", "estimate"] - 0.106) < 1e-3
    errors = {"educ": 0.011, "black": 0.048, "hisp": 0.043, "exper": 0.015, "expersq": 0.0007, "married": 0.017}
    for name, value in errors.items():
        assert abs(table.loc[name, "std_error"] - value) <= (5e-5 if name == "expersq" else 5e-4), name
    other = mixed.from_formula(formula, data, groups=data["nr"]).fit(reml=False, method="bfgs", gtol=1e-8)
    ours = table["estimate"].rename({"level": "Intercept"})[other.fe_params.index]
    np.testing.assert_allclose(ours, other.fe_params, rtol=1e-6)
    spread = [fit.unit_sd, np.sqrt(fit.dispersion)]
    np.testing.assert_allclose(spread, np.sqrt([other.cov_re.iloc[0, 0], other.scale]), rtol=1e-6)
    np.testing.assert_allclose(fit.random.log_likelihood, other.llf, rtol=1e-10)
    # Theirs are from the Hessian of slopes and variances at once, ours from the information on the slopes.
    error = table["std_error"].rename({"level": "Intercept"})[other.fe_params.index]
    np.testing.assert_allclose(error, other.bse_fe, rtol=5e-3)


def test_comparison_without_each_unit():
    matrix, _, outcome, size, _, unit = panel(seed=4, k=10, sd=1.0)
    frame = pd.DataFrame(matrix, columns=["x", "born", "year", "experience"]).assign(y=outcome / size, unit=unit)
    model = RandomEffects("y ~ x + experience + year", unit="unit", family="gaussian")
    same_model = RandomEffects("y ~ x + start + year", unit="unit", family="gaussian")
    found = model.fit(frame).compare(contrast="difference")
    other = same_model.fit(frame.assign(start=frame["experience"] - frame["year"])).compare(contrast="difference")
    assert np.isfinite(found.estimate).all()
    np.testing.assert_allclose(found.estimate, other.estimate, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.std_error, other.std_error, rtol=1e-7)


# --- what cannot be answered ---


@pytest.mark.parametrize("method", METHODS)
def test_collinear_between_units_too(method):
    matrix, start, *rest = panel(seed=1)
    for more in (matrix[:, 3] - 2.0 * matrix[:, 1], start, matrix[:, 2] + 5.0):
        with pytest.raises(DataError, match="follows from the others up to rounding"):
            fit_linear_intercept(reduce(np.column_stack([matrix, more]), *rest), method=method)


def test_collinear_columns_are_named():
    matrix, start, outcome, *_, unit = panel(seed=1)
    frame = pd.DataFrame(matrix, columns=["x", "born", "year", "experience"]).assign(y=outcome, unit=unit, start=start)
    with pytest.raises(DataError, match="collinear covariates: 'start' follows exactly"):
        RandomEffects("y ~ year + experience + start", unit="unit", family="gaussian").fit(frame)


@pytest.mark.parametrize("part", [1e-5, 1e-6, 3e-7, 1e-8, 1e-9, 0.0])
def test_nearly_collinear_columns_end_in_an_error_of_the_package_or_an_answer(part):
    matrix, _, outcome, *_, unit = panel(seed=1, k=20)
    near = matrix[:, 0] + part * np.random.default_rng(1).normal(size=len(unit))
    frame = pd.DataFrame({"x": matrix[:, 0], "near": near, "y": outcome, "unit": unit})
    try:
        fit = RandomEffects("y ~ x + near", unit="unit", family="gaussian").fit(frame)
    except BenchmodelsError:
        assert part < 1e-5
    else:
        assert np.isfinite(fit.coefficients()["std_error"]).all()


def test_columns_that_tell_every_unit():
    matrix, _, *rest = panel(seed=1, k=4)
    unit = rest[-1]
    year = matrix[:, 2]
    wide = np.column_stack([year, *(year + (unit == j) for j in range(1, 4))])
    with pytest.raises(DataError, match="every unit from the others"):
        fit_linear_intercept(reduce(wide, *rest))


# --- the turn ---


@pytest.mark.parametrize(("p", "rank"), [(2, 1), (5, 3), (12, 11), (90, 70)])
def test_turned_columns_are_uncorrelated_and_the_determinant_is_one(p, rank):
    rng = np.random.default_rng(p)
    block = rng.normal(size=(500, rank)) @ rng.normal(size=(rank, p)) * 10.0 ** rng.integers(-6, 7, p)
    assert np.linalg.matrix_rank(block / np.linalg.norm(block, axis=0)) == rank
    within = block.T @ block
    turn, left = apart_within(within, within.diagonal())
    assert (left > 0).sum() == rank
    scale = np.sqrt(within.diagonal())
    np.testing.assert_allclose((turn.T @ within @ turn) / np.outer(scale, scale), np.diag(left / scale**2), atol=1e-11)
    sign, log = np.linalg.slogdet(turn * np.outer(scale, 1.0 / scale))
    assert sign == 1
    assert abs(log) < 1e-9


def test_columns_that_are_told_apart_are_left():
    rng = np.random.default_rng(0)
    block = rng.normal(size=(40, 4))
    block[:, 3] = block[:, 2] + 1e-5 * rng.normal(size=40)
    within = block.T @ block
    assert apart_within(within, within.diagonal()) is None
    # Columns that are constant within units leave traces of rounding; that these are alike is no collinearity.
    trace = np.r_[1e-15, 3e-15, 0.0, 0.0]
    within[:2], within[:, :2] = 0.0, 0.0
    assert apart_within(within + np.outer(trace, trace), np.ones(4)) is None
    assert apart_within(np.zeros((0, 0)), np.zeros(0)) is None
    assert apart_within(np.zeros((2, 2)), np.ones(2)) is None


def test_nearly_collinear_is_the_limit_of_collinear():
    """On both sides of where columns are turned, and of where their last part within units is let go."""
    matrix, _, *rest = panel(seed=8, k=30)
    noise = np.random.default_rng(8).normal(size=len(matrix))
    exact = fit_linear_intercept(reduce(matrix, *rest))
    turned = []
    for part in (3e-6, 1e-6, 3e-7, 1e-7):
        moved = matrix.copy()
        moved[:, 3] += part * noise
        same(fit_linear_intercept(reduce(moved, *rest)), exact, rtol=100.0 * part)
        within = reduce(moved, *rest).within[:4, :4]
        found = apart_within(within, within.diagonal())
        turned.append("no" if found is None else "whole" if found[1].all() else "less")
    assert turned == ["no", "whole", "less", "less"]
