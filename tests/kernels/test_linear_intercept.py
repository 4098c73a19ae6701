"""The Gaussian random intercept against closed forms, dense matrices, its own criterion, lme4 and glmmTMB."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, minimize_scalar

from benchmodels.errors import DataError
from benchmodels.kernels import linear_intercept
from benchmodels.kernels.linear_intercept import fit_linear_intercept, profile_unit_sd, unit_statistics

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
METHODS = ("ml", "reml")
EXACT, DENSE, PEER = 1e-10, 1e-9, 1e-7
# Davies (1947), The Design and Analysis of Industrial Experiments, table 6.1; Box & Tiao (1973), table 5.1.4.
DYESTUFF = """1545 1440 1440 1520 1580 1540 1555 1490 1560 1495 1595 1550 1605 1510 1560
              1445 1440 1595 1465 1545 1595 1630 1515 1635 1625 1520 1455 1450 1480 1445"""
DYESTUFF2 = """7.298 3.846 2.434 9.566 7.99 5.22 6.556 .608 11.788 -.892 .11 10.386 13.434 5.51 8.166
               2.212 4.852 7.092 9.288 4.98 .282 9.014 4.458 9.446 7.198 1.722 4.782 8.106 .758 3.758"""


def cases(*, k=9, columns=2, seed=0, sd=0.6, most=14):
    """Cases one a row, of unequal size, with an offset, in unequal units."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(k), rng.integers(1, most, k))
    n = len(unit)
    matrix = rng.normal(size=(n, columns)) + 0.5 * (unit % 3)[:, None]
    size, offset = rng.uniform(0.3, 3.0, n), rng.normal(size=n)
    eta = 3.0 + matrix @ np.linspace(0.4, -0.5, columns) + offset + sd * rng.normal(size=k)[unit]
    outcome = size * eta + np.sqrt(size) * rng.normal(size=n)
    return matrix, outcome, size, offset, unit


def reduce(matrix, outcome, size=None, offset=None, unit=None, *, units=None):
    size = np.ones(len(outcome)) if size is None else size
    offset = np.zeros(len(outcome)) if offset is None else offset
    squares = outcome**2 / np.where(size > 0, size, 1.0)
    units = int(unit.max()) + 1 if units is None else units
    return unit_statistics(matrix, outcome, size, squares, np.ones(len(outcome)), offset, unit, units)


def dense(matrix, outcome, size, offset, unit, tau, sigma, *, method, units=None):
    """Everything from the n × n covariance of outcome / √size."""
    root = np.sqrt(size)
    x = np.column_stack([matrix, np.ones(len(outcome))]) * root[:, None]
    z = (outcome / size - offset) * root
    effects = (unit[:, None] == np.arange(unit.max() + 1 if units is None else units)) * root[:, None]
    v = sigma**2 * np.eye(len(z)) + tau**2 * effects @ effects.T
    information = x.T @ np.linalg.solve(v, x)
    beta = np.linalg.solve(information, x.T @ np.linalg.solve(v, z))
    pull = np.linalg.solve(v, z - x @ beta)
    log_likelihood = -0.5 * (len(z) * np.log(2 * np.pi) + np.linalg.slogdet(v)[1] + (z - x @ beta) @ pull)
    if method == "reml":
        log_likelihood += 0.5 * (x.shape[1] * np.log(2 * np.pi) - np.linalg.slogdet(information)[1])
    return {
        "log_likelihood": log_likelihood,
        "beta": beta,
        "covariance": np.linalg.inv(information),
        "effects": tau**2 * effects.T @ pull,
        "effect_variance": tau**2 - tau**4 * np.diag(effects.T @ np.linalg.solve(v, effects)),
    }


# --- closed forms ---


@pytest.mark.parametrize("seed", range(4))
def test_balanced_design_has_a_closed_form(seed):
    """Analysis of variance: MSW, and (MSB − MSW) / m or its maximum-likelihood fellow."""
    rng = np.random.default_rng(seed)
    k, m = 7, 5
    outcome = rng.normal(size=k)[:, None] + rng.normal(size=(k, m))
    means = outcome.mean(1)
    within = np.sum((outcome - means[:, None]) ** 2) / (k * (m - 1))
    between = m * np.sum((means - means.mean()) ** 2) / (k - 1)
    statistics = reduce(np.zeros((k * m, 0)), outcome.ravel(), unit=np.repeat(np.arange(k), m))
    for method, mean_square in (("reml", between), ("ml", between * (k - 1) / k)):
        fit = fit_linear_intercept(statistics, method=method)
        assert fit.certificate.converged
        np.testing.assert_allclose(fit.unit_sd**2, (mean_square - within) / m, rtol=EXACT)
        np.testing.assert_allclose(fit.residual_sd**2, within, rtol=EXACT)
        np.testing.assert_allclose(fit.level, outcome.mean(), rtol=EXACT)
        np.testing.assert_allclose(fit.covariance, [[mean_square / (k * m)]], rtol=EXACT)


def test_dyestuff_as_published():
    """Bates et al., lme4: -2 log L 327.3271, restricted 319.6543; profile interval of the unit sd 12.1975, 84.0634."""
    statistics = reduce(np.zeros((30, 0)), np.array(DYESTUFF.split(), dtype=float), unit=np.repeat(np.arange(6), 5))
    fit = fit_linear_intercept(statistics)
    np.testing.assert_allclose(fit.unit_sd**2, 1388.0 + 1 / 3, rtol=EXACT)
    np.testing.assert_allclose(fit.residual_sd**2, 2451.25, rtol=EXACT)
    np.testing.assert_allclose(-2 * fit.log_likelihood, 327.3270598811428, rtol=1e-11)
    # The published interval is interpolated.
    np.testing.assert_allclose(profile_unit_sd(statistics, fit), [12.197461, 84.063361], rtol=1e-4)
    restricted = fit_linear_intercept(statistics, method="reml")
    np.testing.assert_allclose(-2 * restricted.log_likelihood, 319.65427684225216, rtol=1e-11)
    np.testing.assert_allclose(restricted.unit_sd**2, 1764.05, rtol=EXACT)


@pytest.mark.parametrize("method", METHODS)
def test_boundary_is_the_pooled_model(method):
    """Dyestuff2: the units differ less than chance would make them."""
    outcome = np.array(DYESTUFF2.split(), dtype=float)
    statistics = reduce(np.zeros((30, 0)), outcome, unit=np.repeat(np.arange(6), 5))
    fit = fit_linear_intercept(statistics, method=method)
    assert fit.boundary
    assert fit.unit_sd == 0
    assert fit.certificate.converged
    assert not fit.effects.any()
    assert not fit.effect_variance.any()
    assert fit.log_likelihood == fit.pooled_log_likelihood
    np.testing.assert_allclose(fit.residual_sd, outcome.std(ddof=method == "reml"), rtol=EXACT)
    if method == "ml":
        np.testing.assert_allclose(-2 * fit.log_likelihood, 162.87303665382575, rtol=1e-11)
    lower, upper = profile_unit_sd(statistics, fit)
    assert lower == 0 < upper


# --- dense matrices ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("columns", [0, 1, 3])
def test_dense(method, columns):
    data = cases(columns=columns, seed=columns)
    fit = fit_linear_intercept(reduce(*data), method=method)
    assert fit.certificate.converged
    assert not fit.boundary
    by_hand = dense(*data, fit.unit_sd, fit.residual_sd, method=method)
    np.testing.assert_allclose(fit.log_likelihood, by_hand["log_likelihood"], rtol=DENSE)
    np.testing.assert_allclose(np.r_[fit.slopes, fit.level], by_hand["beta"], rtol=DENSE)
    for name in ("covariance", "effects", "effect_variance"):
        np.testing.assert_allclose(getattr(fit, name), by_hand[name], rtol=DENSE, atol=1e-12)

    def loss(log_sd):
        return -dense(*data, *np.exp(log_sd), method=method)["log_likelihood"]

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 2000})
    np.testing.assert_allclose([fit.unit_sd, fit.residual_sd], np.exp(best.x), rtol=1e-6)
    assert fit.log_likelihood >= -best.fun - 1e-10
    pooled = dense(*data, 0.0, 1.0, method=method)["beta"]
    matrix, outcome, size, offset, _ = data
    rest = outcome / size - offset - np.column_stack([matrix, np.ones(len(size))]) @ pooled
    sigma = np.sqrt(np.sum(size * rest**2) / (len(size) - (method == "reml") * (columns + 1)))
    expected = dense(*data, 0.0, sigma, method=method)["log_likelihood"]
    np.testing.assert_allclose(fit.pooled_log_likelihood, expected, rtol=DENSE)


@pytest.mark.parametrize("method", METHODS)
def test_the_derivative_is_that_of_the_criterion(method):
    statistics = reduce(*cases(seed=3))
    for ratio in (1e-3, 0.1, 1.0, 30.0):
        h = 1e-5 * ratio
        ahead, back = (linear_intercept._evaluate(statistics, ratio + d, method).deviance for d in (h, -h))
        step = linear_intercept._evaluate(statistics, ratio, method).step
        np.testing.assert_allclose(step, (ahead - back) / (2 * h), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_profile_interval_ends_where_the_dense_criterion_has_fallen_enough(method, seed):
    data = cases(seed=seed, sd=0.9)
    statistics = reduce(*data)
    fit = fit_linear_intercept(statistics, method=method)
    lower, upper = profile_unit_sd(statistics, fit, 0.9)
    assert 0 < lower < fit.unit_sd < upper
    for end in (lower, upper):
        best = minimize_scalar(
            lambda s, end=end: -dense(*data, end, np.exp(s), method=method)["log_likelihood"],
            bounds=(np.log(fit.residual_sd) - 1, np.log(fit.residual_sd) + 1),
            method="bounded",
            options={"xatol": 1e-9},
        )
        np.testing.assert_allclose(2 * (fit.log_likelihood + best.fun), 2.705543454095404, rtol=1e-7)


def test_profile_interval_widens_to_zero_and_with_confidence():
    statistics = reduce(*cases(seed=1, sd=0.45))
    fit = fit_linear_intercept(statistics)
    assert 2 * (fit.log_likelihood - fit.pooled_log_likelihood) < 6.63
    assert profile_unit_sd(statistics, fit, 0.99)[0] == 0
    ends = [profile_unit_sd(statistics, fit, c) for c in (0.1, 0.5, 0.9, 0.99, 0.9999)]
    assert all(a[0] >= b[0] and a[1] < b[1] for a, b in zip(ends[:-1], ends[1:], strict=True))
    np.testing.assert_allclose(profile_unit_sd(statistics, fit, 1e-6), fit.unit_sd, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_the_highest_of_several_maxima(method):
    """Large units hardly apart and a few small ones far apart: the profile can have two hills."""
    found = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(5), [1, 1, 2, 300, 300])
        effects = np.array([2.2, -2.0, 0.3, 0.06, -0.06]) + 0.05 * rng.normal(size=5)
        outcome = effects[unit] + rng.normal(size=len(unit))
        statistics = reduce(np.zeros((len(unit), 0)), outcome, unit=unit)
        fit = fit_linear_intercept(statistics, method=method)
        if fit.maxima > 1:
            found += 1
            grid = np.r_[0.0, np.geomspace(1e-7, 1e4, 2000)]
            best = min(linear_intercept._evaluate(statistics, ratio, method).deviance for ratio in grid)
            assert -2 * fit.log_likelihood <= best + 1e-9
            if found == 3:
                return
    raise AssertionError("no example has two maxima")


# --- other programs ---


def lme4_result(name, key):
    path = REFERENCE / "mixed" / name
    if not path.exists():
        pytest.skip("the reference results are not beside this checkout")
    return json.loads(path.read_text(encoding="utf-8"))["results"][key]


def check_against_lme4(fit, result):
    fixed = np.array(list(result["fixef"].values()))
    np.testing.assert_allclose(np.r_[fit.level, fit.slopes], fixed, rtol=PEER)
    p = len(fixed) - 1
    order = [p, *range(p)]
    matrix = np.array(result["vcov_fixef"])
    np.testing.assert_allclose(fit.covariance[np.ix_(order, order)], matrix, atol=PEER * np.max(np.abs(matrix)))
    spread = [component["sdcor"] for component in result["varcomp"]]
    np.testing.assert_allclose([fit.unit_sd, fit.residual_sd], spread, rtol=PEER)
    np.testing.assert_allclose(fit.log_likelihood, result["logLik"], rtol=1e-11)
    np.testing.assert_allclose(fit.effects, result["ranef"], atol=PEER)
    np.testing.assert_allclose(fit.effect_variance, result["condVar"], rtol=2 * PEER)
    assert fit.certificate.converged
    assert fit.maxima == 1


@pytest.mark.parametrize("key", ["ri_reml", "ri_ml", "ri_null_reml", "mundlak_reml"])
def test_lme4_on_exam(key):
    result = lme4_result("lmer_Exam.json", key)
    table = pd.read_csv(REFERENCE / "data" / "Exam.csv")
    table["male"] = (table["sex"] == "M").astype(float)
    names = {"ri": ["standLRT", "male"], "ri_null": [], "mundlak": ["standLRT", "schavg", "male"]}
    model, method = key.rsplit("_", 1)
    matrix = table[names[model]].to_numpy(dtype=float)
    unit = pd.factorize(table["school"])[0].astype(np.intp)
    check_against_lme4(
        fit_linear_intercept(reduce(matrix, table["normexam"].to_numpy(), unit=unit), method=method), result
    )


def test_exam_as_published():
    """Normexam on standLRT, maximum likelihood: -2 log L 9357.243 (Goldstein et al. 1993; MLwiN user's guide)."""
    if not REFERENCE.exists():
        pytest.skip("the reference data are not beside this checkout")
    table = pd.read_csv(REFERENCE / "data" / "Exam.csv")
    unit = pd.factorize(table["school"])[0].astype(np.intp)
    fit = fit_linear_intercept(reduce(table[["standLRT"]].to_numpy(), table["normexam"].to_numpy(), unit=unit))
    found = [fit.slopes[0], np.sqrt(fit.covariance[0, 0]), fit.level, fit.unit_sd**2, fit.residual_sd**2]
    np.testing.assert_allclose(found, [0.56337, 0.01247, 0.00239, 0.09213, 0.56573], atol=5e-6)
    np.testing.assert_allclose(-2 * fit.log_likelihood, 9357.243, atol=5e-4)


@pytest.mark.parametrize("method", METHODS)
def test_lme4_and_glmmtmb_on_the_synthetic_set(method):
    result = lme4_result("lme4_syn_grouped.json", f"lmer_{method}")
    table = pd.read_csv(REFERENCE / "data" / "syn_grouped_a.csv")
    unit = pd.factorize(table["unit"], sort=True)[0].astype(np.intp)
    fit = fit_linear_intercept(
        reduce(table[["x1", "x2", "w"]].to_numpy(dtype=float), table["ylin"].to_numpy(), unit=unit), method=method
    )
    check_against_lme4(fit, result)
    if method == "reml":
        other = lme4_result("glmmTMB.json", "gaussian_ri_reml")
        # glmmTMB's own optimum is good to six digits.
        np.testing.assert_allclose(np.r_[fit.level, fit.slopes], list(other["fixef"].values()), rtol=2e-7)
        np.testing.assert_allclose(fit.residual_sd, other["sigma"], rtol=1e-6)


# --- identities ---


def same(one, other, *, rtol=EXACT):
    for name in ("slopes", "level", "unit_sd", "residual_sd", "covariance", "log_likelihood", "effects"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_cells_are_exact(method):
    """Cases alike in covariates, offset and unit become one row with their totals."""
    rng = np.random.default_rng(5)
    n = 400
    unit, group = rng.integers(0, 8, n), rng.integers(0, 3, n)
    size = rng.uniform(0.5, 2.0, n)
    outcome = size * (1.0 + 0.5 * (group == 1) + 0.4 * unit) + np.sqrt(size) * rng.normal(size=n)
    columns = np.column_stack([group == 1, group == 2]).astype(float)
    rows = reduce(columns, outcome, size, 0.3 * group, unit)
    cell = unit * 3 + group
    first = np.unique(cell, return_index=True)[1]
    total = [np.bincount(cell, value, 24)[np.unique(cell)] for value in (outcome, size, outcome**2 / size, np.ones(n))]
    cells = unit_statistics(columns[first], *total, 0.3 * group[first], unit[first], 8)
    same(fit_linear_intercept(cells, method=method), fit_linear_intercept(rows, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_and_size_of_blocks_do_not_matter(monkeypatch, method):
    data = cases(seed=2, k=20)
    whole = fit_linear_intercept(reduce(*data), method=method)
    order = np.random.default_rng(0).permutation(len(data[1]))
    same(fit_linear_intercept(reduce(*(part[order] for part in data)), method=method), whole)
    for step in (1, 7, 64):

        def small(n, width, step=step):
            return [slice(a, min(a + step, n)) for a in range(0, n, step)]

        monkeypatch.setattr(linear_intercept, "row_blocks", small)
        same(fit_linear_intercept(reduce(*data), method=method), whole)


@pytest.mark.parametrize("factor", [1e8, 1e-8])
def test_units_of_measure_of_columns_outcome_and_size(factor):
    matrix, outcome, size, offset, unit = cases(seed=4)
    fit = fit_linear_intercept(reduce(matrix, outcome, size, offset, unit))
    other = fit_linear_intercept(reduce(matrix * [factor, 1.0], outcome, size, offset, unit))
    np.testing.assert_allclose(other.slopes * [factor, 1.0], fit.slopes, rtol=1e-9)
    np.testing.assert_allclose([other.unit_sd, other.log_likelihood], [fit.unit_sd, fit.log_likelihood], rtol=EXACT)
    other = fit_linear_intercept(reduce(matrix, factor * outcome, size, factor * offset, unit))
    np.testing.assert_allclose(other.unit_sd, factor * fit.unit_sd, rtol=EXACT)
    np.testing.assert_allclose(other.effects, factor * fit.effects, rtol=1e-9)
    np.testing.assert_allclose(other.covariance, factor**2 * fit.covariance, rtol=1e-9)
    other = fit_linear_intercept(reduce(matrix, factor * outcome, factor * size, offset, unit))
    np.testing.assert_allclose(other.unit_sd, fit.unit_sd, rtol=EXACT)
    np.testing.assert_allclose(other.residual_sd, np.sqrt(factor) * fit.residual_sd, rtol=EXACT)
    interval = profile_unit_sd(reduce(matrix, outcome, size, offset, unit), fit)
    np.testing.assert_allclose(
        profile_unit_sd(reduce(matrix, factor * outcome, factor * size, offset, unit), other), interval, rtol=1e-8
    )


@pytest.mark.parametrize("method", METHODS)
def test_mean_far_above_the_spread(method):
    """Columns and outcome moved by 2**27, which their last digits survive: only the level moves."""
    rng = np.random.default_rng(6)
    unit = np.repeat(np.arange(30), 50)
    columns = np.round(rng.normal(size=(1500, 2)) * 1024) / 1024 + np.round(rng.normal(size=(30, 2)))[unit]
    outcome = np.round((columns @ [0.5, -0.3] + rng.normal(size=30)[unit] + rng.normal(size=1500)) * 1024) / 1024
    near = fit_linear_intercept(reduce(columns, outcome, unit=unit), method=method)
    far = fit_linear_intercept(reduce(columns + 2.0**27, outcome + 2.0**27, unit=unit), method=method)
    for name in ("slopes", "unit_sd", "residual_sd", "log_likelihood", "effects"):
        np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(far.covariance[:2, :2], near.covariance[:2, :2], rtol=1e-9)


def test_units_far_apart_cancel_no_digit_of_what_varies_within_them():
    """Units 2**14 apart, in rational arithmetic: X'V⁻¹X = X'X − Σ λ s s' / (1 + λ W) would lose eight digits."""
    rng = np.random.default_rng(7)
    unit = np.repeat(np.arange(12), 20)
    column = rng.normal(size=240) + 2.0**14 * unit
    outcome = column + 0.1 * rng.normal(size=240) + 2.0**14 * rng.normal(size=12)[unit]
    fit = fit_linear_intercept(reduce(column[:, None], outcome, unit=unit))
    exact = [[Fraction(1), Fraction(x), Fraction(y)] for x, y in zip(column, outcome, strict=True)]
    shrink = 1 / (1 / Fraction(fit.unit_sd / fit.residual_sd) ** 2 + 20)
    sums = [[sum(exact[i][a] for i in np.flatnonzero(unit == j)) for a in range(3)] for j in range(12)]
    gram = [
        [sum(row[a] * row[b] for row in exact) - shrink * sum(s[a] * s[b] for s in sums) for b in range(3)]
        for a in range(3)
    ]
    determinant = gram[0][0] * gram[1][1] - gram[0][1] ** 2
    slope = (gram[0][0] * gram[1][2] - gram[0][1] * gram[0][2]) / determinant
    np.testing.assert_allclose(fit.slopes, float(slope), rtol=1e-11)
    variance = gram[0][0] / determinant * Fraction(fit.residual_sd) ** 2
    np.testing.assert_allclose(fit.covariance[0, 0], float(variance), rtol=1e-11)


def test_rows_and_units_without_size_change_nothing_but_their_own_prediction():
    matrix, outcome, size, offset, unit = cases(seed=8)
    fit = fit_linear_intercept(reduce(matrix, outcome, size, offset, unit))
    more = (
        np.r_[matrix, 9.0 * np.ones((3, 2))],
        np.r_[outcome, 0, 0, 0],
        np.r_[size, 0, 0, 0],
        np.r_[offset, 1, 2, 3],
        np.r_[unit, 0, 9, 9],
    )
    other = fit_linear_intercept(reduce(*more, units=11))
    np.testing.assert_allclose(other.slopes, fit.slopes, rtol=EXACT)
    np.testing.assert_allclose(other.log_likelihood, fit.log_likelihood, rtol=EXACT)
    np.testing.assert_allclose(other.effects, np.r_[fit.effects, 0, 0], rtol=EXACT)
    np.testing.assert_allclose(other.effect_variance[9:], fit.unit_sd**2, rtol=EXACT)


@pytest.mark.parametrize("method", METHODS)
def test_two_units(method):
    data = cases(k=2, seed=12, sd=3.0, most=30, columns=1)
    fit = fit_linear_intercept(reduce(*data), method=method)
    assert fit.certificate.converged
    by_hand = dense(*data, fit.unit_sd, fit.residual_sd, method=method)
    np.testing.assert_allclose(fit.log_likelihood, by_hand["log_likelihood"], rtol=DENSE)
    lower, upper = profile_unit_sd(reduce(*data), fit)
    assert lower <= fit.unit_sd < upper < np.inf


def test_many_units_of_a_case_or_two():
    data = cases(k=300, most=3, seed=13)
    fit = fit_linear_intercept(reduce(*data), method="reml")
    by_hand = dense(*data, fit.unit_sd, fit.residual_sd, method="reml")
    np.testing.assert_allclose(fit.log_likelihood, by_hand["log_likelihood"], rtol=DENSE)
    assert fit.certificate.converged


# --- what cannot be answered ---


@pytest.mark.parametrize(
    ("unit", "message"),
    [(np.zeros(8, dtype=int), "8 cases in 1 units"), (np.arange(8), "8 cases in 8 units")],
)
def test_nothing_to_tell_units_from_cases_by(unit, message):
    with pytest.raises(DataError, match=message):
        reduce(np.zeros((8, 0)), np.arange(8.0), unit=unit)


def test_no_cases():
    with pytest.raises(DataError, match="0 cases in 0 units"):
        reduce(np.zeros((0, 0)), np.zeros(0), unit=np.zeros(0, dtype=int), units=3)


def test_squares_that_contradict_the_total():
    ones = np.ones(4)
    with pytest.raises(DataError, match="smaller than the square"):
        unit_statistics(np.zeros((4, 0)), 2 * ones, ones, ones, ones, 0 * ones, np.array([0, 0, 1, 1]), 2)


@pytest.mark.parametrize("method", METHODS)
def test_columns_that_say_too_much(method):
    rng = np.random.default_rng(9)
    unit = np.repeat(np.arange(3), 6)
    outcome, own = rng.normal(size=18), (unit[:, None] == [1, 2]).astype(float)
    with pytest.raises(DataError, match="every unit from the others"):
        fit_linear_intercept(reduce(own, outcome, unit=unit), method=method)
    with pytest.raises(DataError, match="without error"):
        fit_linear_intercept(reduce(outcome[:, None], outcome, unit=unit), method=method)
    with pytest.raises(DataError, match="18 cases for 18 coefficients"):
        fit_linear_intercept(reduce(rng.normal(size=(18, 17)), outcome, unit=unit), method=method)
    x = rng.normal(size=(18, 1))
    with pytest.raises(DataError, match="follows from the others up to rounding"):
        fit_linear_intercept(reduce(np.hstack([x, 2.0 * x + 1.0]), outcome, unit=unit), method=method)
    with pytest.raises(DataError, match="does not vary"):
        fit_linear_intercept(reduce(np.full((18, 1), 3.0), outcome, unit=unit), method=method)


@pytest.mark.parametrize("method", METHODS)
def test_an_outcome_that_does_not_vary_within_units(method):
    unit = np.repeat(np.arange(4), 5)
    with pytest.raises(DataError, match="within units"):
        fit_linear_intercept(reduce(np.zeros((20, 0)), np.array([1.0, 3.0, 2.0, 7.0])[unit], unit=unit), method=method)


def test_certificate_measures_the_step_that_is_left(monkeypatch):
    """Moved off its root by a hundredth, the answer is that many standard errors away, and is not certified."""
    statistics = reduce(*cases(seed=3))
    most = statistics.weight.max()
    whole = fit_linear_intercept(statistics)
    assert whole.certificate.value < 1e-10
    at = np.log1p(most * (whole.unit_sd / whole.residual_sd) ** 2)
    monkeypatch.setattr(linear_intercept, "brentq", lambda *_, **__: at + 0.01)
    fit = fit_linear_intercept(statistics)
    assert not fit.certificate.converged
    fall = 2.0 * (whole.log_likelihood - fit.log_likelihood)
    np.testing.assert_allclose(fit.certificate.value, np.sqrt(fall), rtol=0.02)
