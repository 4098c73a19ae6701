"""From a fit to a comparison: estimates by literal refits, covariance by perturbing one cell at a time."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from benchmodels import FixedEffects, PartialResultWarning, Pooled
from benchmodels.kernels.serial import serial_noise
from tests import plain

ALL = [(s, c) for s in ("indirect", "direct") for c in ("difference", "ratio", "rate")]
BOTH = [Pooled, FixedEffects]


def problem(family, *, k=8, cells=5, sd=0.05, size=1e9, seed=0, noise=False):
    """Few cells with very many cases each: variances are at the unit's own level, whatever the shrinkage."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(k), cells)
    matrix = np.column_stack([rng.normal(size=k * cells) + 0.3 * (unit % 3), rng.random(k * cells) < 0.4]) * 1.0
    sizes = np.round(size * rng.uniform(0.5, 2, k * cells))
    mu = plain.mean(family, -1.2 + matrix @ [0.3, -0.5] + sd * rng.normal(size=k)[unit])
    if family == "gaussian":
        mu = mu + 5.0
    outcome = sizes * mu
    if noise:
        outcome = outcome + np.sqrt(sizes) * rng.normal(size=k * cells)
    data = pd.DataFrame({"u": unit, "a": matrix[:, 0], "b": matrix[:, 1], "m": sizes})
    data["y"] = outcome if family == "gaussian" else np.round(outcome)
    return data, matrix, data["y"].to_numpy(float), sizes, unit


def asked(model, family, data, **roles):
    sizes = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    return model("y ~ a + b", unit="u", family=family, **sizes, **roles).fit(data)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("reference", ["others", "all"])
def test_estimates_are_those_of_literal_refits(family, model, reference):
    """All twelve combinations, with practice that differs a lot, on a table of ordinary size."""
    data, matrix, y, m, unit = problem(family, sd=0.6, size=60.0, seed=2, noise=family == "gaussian")
    fit = asked(model, family, data)
    expected, totals = plain.contrasts(
        family, matrix, y, m, np.zeros(len(y)), unit, each=model is FixedEffects, reference=reference
    )
    overall = y.sum() / m.sum()
    for standard, contrast in ALL:
        found = fit.compare(standard=standard, contrast=contrast, reference=reference)
        np.testing.assert_allclose(found.estimate, expected[standard, contrast], rtol=1e-7, atol=1e-10)
        name = "" if standard == "indirect" else "_direct"
        np.testing.assert_allclose(found.observed, totals["observed" + name], rtol=1e-8)
        np.testing.assert_allclose(found.expected, totals["expected" + name], rtol=1e-8)
        # The identities that tie the columns together.
        difference = (found.observed - found.expected) / found.size
        ratio = found.observed / found.expected
        identity = {"difference": difference, "ratio": ratio, "rate": ratio * overall}[contrast]
        np.testing.assert_allclose(found.estimate, identity, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(found.null, {"difference": 0.0, "ratio": 1.0, "rate": overall}[contrast], rtol=1e-12)
        np.testing.assert_allclose(found.size, np.bincount(unit, m))


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("reference", ["others", "all"])
def test_covariance_is_that_of_perturbed_cells(family, model, reference):
    """∂T_i/∂y_c by refitting with one cell moved; then Σ_c (∂T_i/∂y_c)(∂T_j/∂y_c) var(y_c).

    Under "others" the information is taken at the full fit, first order in practice: hence 1 per cent
    here and 5e-4 in the next test. Under "all" the two agree to what differences in double precision give.
    """
    data, matrix, y, m, unit = problem(family)
    check_covariance(family, model, reference, data, matrix, y, m, unit, {"all": 1e-5, "others": 1e-2}[reference])


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("model", BOTH)
def test_covariance_without_the_unit_is_exact_as_practice_becomes_alike(family, model):
    data, matrix, y, m, unit = problem(family, sd=0.002)
    check_covariance(family, model, "others", data, matrix, y, m, unit, 5e-4)


def check_covariance(family, model, reference, data, matrix, y, m, unit, tolerance):
    each, zero, k = model is FixedEffects, np.zeros(len(y)), unit.max() + 1
    moved = plain.derivatives(family, matrix, y, m, zero, unit, each=each, reference=reference, step=1e-4 * y)
    eta = matrix @ plain.slopes_of(family, matrix, y, m, zero, unit, each=each)
    own = [plain.level_for(family, eta[unit == i], m[unit == i], y[unit == i].sum()) for i in range(k)]
    variance = m * plain.weight(family, eta + np.array(own)[unit])
    fit = asked(model, family, data)
    for standard, contrast in ALL:
        found = fit.compare(standard=standard, contrast=contrast, reference=reference)
        dense = moved[standard, contrast] * variance @ moved[standard, contrast].T
        scale = np.sqrt(np.outer(dense.diagonal(), dense.diagonal()))
        covariance = found.covariance()
        # What units share is no trifle here, so the off-diagonal is put to the test as well.
        assert np.max(np.abs(dense / scale - np.eye(k))) > 0.05
        np.testing.assert_allclose(covariance / scale, dense / scale, atol=tolerance)
        np.testing.assert_allclose(found.std_error, np.sqrt(covariance.diagonal()), rtol=1e-9)


def bell_mccaffrey(share):
    """Degrees of freedom of a mean from clusters of unequal shares: (tr C)² / tr C², with a dense C."""
    g = len(share)
    residuals = np.eye(g) - np.outer(share, np.ones(g))
    adjust = np.diag(1 / np.sqrt(1 - share))
    c = adjust @ residuals @ np.diag(share) @ residuals.T @ adjust
    return np.trace(c) ** 2 / np.trace(c @ c)


def covariance_from(moved, blocks, unit):
    """Σ over units of D V D', with V the covariance of a unit's cells."""
    total = 0.0
    for i, block in enumerate(blocks):
        part = moved[:, unit == i]
        total = total + part @ block @ part.T
    return total


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("reference", ["others", "all"])
@pytest.mark.parametrize("kind", ["cases", "periods", "clusters"])
def test_gaussian_covariance_is_exact(kind, model, reference):
    """A linear model: perturbation and formula agree to rounding, whatever the unit's noise rests on."""
    data, matrix, y, m, unit = problem("gaussian", cells=6, size=50.0, sd=0.5, noise=True)
    roles = {}
    if kind == "periods":
        data["p"] = np.tile(np.arange(6), 8)
        roles = {"period": "p"}
    elif kind == "clusters":
        data["s"] = np.tile([0, 0, 1, 1, 2, 2], 8)
        roles = {"cluster": "s"}
    zero, each = np.zeros(len(y)), model is FixedEffects
    fit = asked(model, "gaussian", data, **roles)
    assert fit.noise_kind == kind
    moved = plain.derivatives(
        "gaussian", matrix, y, m, zero, unit, each=each, reference=reference, step=np.ones(len(y))
    )
    residual = np.zeros(len(y))
    for i in range(8):
        keep = unit != i if reference == "others" else np.ones(len(y), dtype=bool)
        slopes = plain.slopes_of("gaussian", matrix[keep], y[keep], m[keep], zero[keep], unit[keep], each=each)
        own = unit == i
        eta = matrix[own] @ slopes
        residual[own] = y[own] - m[own] * (eta + plain.level_for("gaussian", eta, m[own], y[own].sum()))
    blocks, df = [], []
    for i in range(8):
        own = unit == i
        if kind == "cases":
            variance = np.sum(residual[own] ** 2 / m[own]) / (own.sum() - 1)
            blocks.append(np.diag(m[own] * variance))
            df.append(own.sum() - 1)
        elif kind == "periods":
            serial = serial_noise(residual / m, data["p"].to_numpy(float), unit, 8)
            blocks.append(serial.variance[i] * serial.matrices[i] * np.outer(m[own], m[own]))
            df.append(5)
        else:
            groups = data.loc[own, "s"].to_numpy()
            parts = np.array([np.where(groups == g, residual[own], 0.0) for g in range(3)])
            share = np.array([m[own][groups == g].sum() for g in range(3)]) / m[own].sum()
            blocks.append((parts, share))
            df.append(bell_mccaffrey(share))
    for standard, contrast in ALL:
        found = fit.compare(standard=standard, contrast=contrast, reference=reference)
        d = moved[standard, contrast]
        if contrast == "difference" or standard == "indirect":
            if kind == "clusters":
                dense = 0.0
                for i, (parts, share) in enumerate(blocks):
                    # About the unit's own mean: a unit whose slopes differ from the others' is no noise.
                    contribution = parts @ d[:, unit == i].T
                    contribution -= share[:, None] * contribution.sum(0)
                    contribution /= np.sqrt(1 - share)[:, None]
                    dense = dense + contribution.T @ contribution
            else:
                dense = covariance_from(d, blocks, unit)
            scale = np.sqrt(np.outer(dense.diagonal(), dense.diagonal()))
            # Ratios are curved in the outcome, differences are not: what is left is that of the steps.
            np.testing.assert_allclose(found.covariance() / scale, dense / scale, atol=1e-6)
        np.testing.assert_allclose(found.df, df, rtol=1e-9)
        assert np.all(found.withheld == "")


@pytest.mark.parametrize("model", BOTH)
def test_gaussian_intervals_are_t_plus_the_others(model):
    """Difference without the unit itself: own variance with t, that of the expected value with the normal."""
    data, _, y, m, unit = problem("gaussian", cells=6, size=50.0, noise=True)
    found = asked(model, "gaussian", data).compare(level=0.9)
    residual_variance = found.noise  # holds the unit's own variance, and its own part in what it shares
    assert np.all(residual_variance > 0)
    own = np.sqrt(found.null_std_error**2)
    half = found.upper - found.estimate
    np.testing.assert_allclose(found.estimate - found.lower, half, rtol=1e-9)
    # Between what the normal and what t would give for the whole.
    assert np.all(half > norm.isf(0.05) * own * 0.999)
    assert np.all(half < student.isf(0.05, 5) * own * 1.001)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_limits_are_those_of_the_count_when_the_expected_value_is_known(family):
    """One small unit against a very large one: E is known, the interval is that of the count alone."""
    big, n = 1e12, 400.0
    rate = 0.05
    data = pd.DataFrame({"u": ["big", "small"], "y": [big * rate, 31.0], "m": [big, n]})
    role = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    fit = Pooled("y ~ 1", unit="u", family=family, **role).fit(data)
    from scipy.stats import beta, chi2

    found = fit.compare(contrast="ratio", limits="exact")
    if family == "binomial":
        exact = np.array([beta.ppf(0.025, 31, n - 30), beta.isf(0.025, 32, n - 31)]) * n
    else:
        exact = np.array([0.5 * chi2.ppf(0.025, 62), 0.5 * chi2.isf(0.025, 64)])
    np.testing.assert_allclose([found.lower[1], found.upper[1]], exact / (n * rate), rtol=1e-5)
    inner = fit.compare(contrast="ratio")
    assert found.lower[1] < inner.lower[1] < inner.estimate[1] < inner.upper[1] < found.upper[1]
    direct = fit.compare(standard="direct", contrast="ratio", limits="exact")
    # Without covariates own and country's composition are the same.
    np.testing.assert_allclose([direct.lower[1], direct.upper[1]], exact / (n * rate), rtol=1e-5)


@pytest.mark.parametrize("limits", ["mid-p", "exact"])
@pytest.mark.parametrize("reference", ["others", "all"])
@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_limits_hold_the_estimate_and_widen_with_the_level(family, model, reference, limits):
    data, *_ = problem(family, size=15.0, sd=0.5, k=7)
    fit = asked(model, family, data)
    for standard, contrast in ALL:
        last = None
        for level in (0.5, 0.9, 0.99, 0.9999):
            found = fit.compare(standard=standard, contrast=contrast, reference=reference, level=level, limits=limits)
            assert (found.lower <= found.estimate).all()
            assert (found.estimate <= found.upper).all()
            if last is not None:
                assert (found.lower <= last.lower).all()
                assert (found.upper >= last.upper).all()
            last = found


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("standard", ["indirect", "direct"])
@pytest.mark.parametrize("contrast", ["difference", "ratio", "rate"])
def test_units_without_events_or_with_nothing_else_are_there(model, standard, contrast):
    data, *_ = problem("binomial", size=20.0, sd=0.5, k=7)
    data.loc[data["u"] == 2, "y"] = 0.0
    data.loc[data["u"] == 5, "y"] = data.loc[data["u"] == 5, "m"]
    found = asked(model, "binomial", data).compare(standard=standard, contrast=contrast)
    assert np.all(found.withheld == "")
    for name in ("estimate", "std_error", "lower", "upper", "null_std_error"):
        assert np.isfinite(getattr(found, name)).all(), name
    assert found.observed[2] == 0.0
    assert found.std_error[2] > 0
    if contrast != "difference":
        # Nothing is observed: not less than nothing, up to the uncertainty of what is expected.
        assert found.lower[2] <= 0.0 < found.upper[2]


@pytest.mark.parametrize("reference", ["others", "all"])
def test_one_row_per_unit_is_withheld_and_predicted(reference):
    """Leave-one-out prediction errors against literal refits; nothing is said of a unit's own noise."""
    rng = np.random.default_rng(0)
    k = 25
    x, z, m = rng.normal(size=k), rng.normal(size=k), rng.uniform(1, 50, k)
    data = pd.DataFrame({"u": [f"u{i}" for i in range(k)], "x": x, "z": z, "m": m})
    data["y"] = m * (10 + x - 0.5 * z) + np.sqrt(m) * rng.normal(size=k)
    fit = Pooled("y ~ x + z", unit="u", family="gaussian", exposure="m").fit(data)
    with pytest.warns(PartialResultWarning, match="25 of 25 units"):
        found = fit.compare(reference=reference)
    assert np.isnan(found.std_error).all()
    assert np.isnan(found.lower).all()
    assert all("single row" in reason for reason in found.withheld)
    assert set(found.different) == {"withheld"}
    order = np.argsort(data["u"].to_numpy())
    for place, i in enumerate(order):
        keep = np.arange(k) != i if reference == "others" else np.ones(k, dtype=bool)
        design = np.column_stack([x, z, np.ones(k)])
        root = np.sqrt(m[keep])
        beta, squares, *_ = np.linalg.lstsq(design[keep] * root[:, None], data["y"][keep] / root, rcond=None)
        error = (data["y"][i] - m[i] * (design[i] @ beta)) / m[i]
        np.testing.assert_allclose(found.estimate[place], error, rtol=1e-8)
        variance = squares[0] / (keep.sum() - 3)
        inside = design[i] @ np.linalg.inv((design[keep] * m[keep, None]).T @ design[keep]) @ design[i]
        sign = 1 if reference == "others" else -1
        np.testing.assert_allclose(
            found.null_std_error[place], np.sqrt(variance * (1 / m[i] + sign * inside)), rtol=1e-8
        )


def test_prediction_error_of_a_ratio_is_that_of_the_difference_in_units_of_the_expected():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"u": range(12), "x": rng.normal(size=12), "m": rng.uniform(1, 9, 12)})
    data["y"] = data["m"] * (10 + data["x"] + rng.normal(size=12))
    fit = Pooled("y ~ x", unit="u", family="gaussian", exposure="m").fit(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        ratio, difference = fit.compare(contrast="ratio"), fit.compare()
    np.testing.assert_allclose(
        ratio.null_std_error * ratio.expected / ratio.size, difference.null_std_error, rtol=1e-10
    )
    np.testing.assert_allclose(
        (ratio.estimate - 1) / ratio.null_std_error,
        difference.estimate / difference.null_std_error,
        rtol=1e-8,
    )


def test_one_row_per_unit_without_covariates_under_unit_effects():
    """Nothing can be said, and it is said: no crash."""
    data = pd.DataFrame({"u": range(6), "y": [3.0, 4.0, 5.0, 9.0, 1.0, 2.0]})
    fit = FixedEffects("y ~ 1", unit="u", family="gaussian").fit(data)
    with pytest.warns(PartialResultWarning, match="6 of 6"):
        found = fit.compare()
    np.testing.assert_allclose(found.estimate, [y - (24 - y) / 5 for y in data["y"]], rtol=1e-10)


def test_as_many_slopes_as_rows_has_no_prediction_error():
    """Without the unit nothing is left to judge the fit by: NaN, not infinity, and no warning of NumPy."""
    data = pd.DataFrame({"u": range(5), "x": [1.0, 2, 3, 5, 9], "z": [1.0, 4, 9, 0, 2], "w": [0.0, 1, 1, 0, 3]})
    data["y"] = [3.0, 5, 1, 7, 2]
    fit = Pooled("y ~ x + z + w", unit="u", family="gaussian").fit(data)
    with pytest.warns(PartialResultWarning):
        found = fit.compare()
    assert not np.isfinite(found.null_std_error).any()


def test_all_events_in_one_unit():
    """Without it the others expect nothing: withheld and named, the rest stands, no warning of NumPy."""
    data, *_ = problem("binomial", size=20.0, k=6)
    data.loc[data["u"] != 3, "y"] = 0.0
    for model in BOTH:
        fit = asked(model, "binomial", data)
        for contrast in ("difference", "ratio"):
            with pytest.warns(PartialResultWarning, match="1 of 6"):
                found = fit.compare(contrast=contrast)
            assert found.withheld[3] != ""
            assert np.isfinite(np.delete(found.estimate, 3)).all()
            assert np.isfinite(np.delete(found.upper, 3)).all()


def test_single_clusters_and_single_cases_are_withheld_and_counted():
    data, *_ = problem("binomial", size=20.0, k=6, sd=0.4)
    data["s"] = np.tile([0, 0, 1, 1, 2], 6)
    data.loc[data["u"] == 1, "s"] = 7
    fit = asked(Pooled, "binomial", data, cluster="s")
    with pytest.warns(PartialResultWarning, match=r"1 of 6 units \('it has a single cluster'\): 1"):
        found = fit.compare()
    assert np.isnan(found.std_error[1])
    assert np.isfinite(np.delete(found.std_error, 1)).all()
    assert np.isfinite(found.estimate).all()
    gaussian, *_ = problem("gaussian", size=20.0, k=6, noise=True)
    gaussian = gaussian[(gaussian["u"] != 4) | (gaussian.index == 20)]
    with pytest.warns(PartialResultWarning, match="single case"):
        found = asked(Pooled, "gaussian", gaussian).compare()
    assert found.withheld[4] == "it has a single case"


def test_clusters_of_binomial_noise_agree_with_a_loop():
    """CR2 of cluster totals with Bell and McCaffrey's degrees of freedom, unequal clusters."""
    data, matrix, y, m, unit = problem("binomial", size=30.0, k=8, cells=12, sd=0.3)
    rng = np.random.default_rng(4)
    data["s"] = rng.integers(0, 5, len(data))
    # Weights are taken at the shrunken level, here at the own one: the same to 1e-3.
    data["y"] = rng.binomial(m.astype(int), 0.3)
    found = asked(Pooled, "binomial", data, cluster="s").compare(reference="all")
    y = data["y"].to_numpy(float)
    beta = plain.dense_fit("binomial", np.column_stack([matrix, np.ones(len(y))]), y, m, np.zeros(len(y)))
    eta = matrix @ beta[:-1]
    for i in range(8):
        own = unit == i
        level = plain.level_for("binomial", eta[own], m[own], y[own].sum())
        residual = y[own] - m[own] * plain.mean("binomial", eta[own] + level)
        weight = m[own] * plain.weight("binomial", eta[own] + level)
        total, shares = 0.0, []
        for g in sorted(set(data.loc[own, "s"])):
            inside = (data.loc[own, "s"] == g).to_numpy()
            shares.append(weight[inside].sum() / weight.sum())
            total += residual[inside].sum() ** 2 / (1 - shares[-1])
        np.testing.assert_allclose(found.noise[i], total / m[own].sum() ** 2, rtol=5e-3)
        np.testing.assert_allclose(found.df[i], bell_mccaffrey(np.array(shares)), rtol=5e-3)


def test_a_unit_with_slopes_of_its_own_is_not_noise():
    """Independent cases in clusters that mean nothing: what units share is that of the counts."""
    k, n, ratios = 20, 200, []
    own = np.random.default_rng(99).normal(0.3, 0.5, k)
    unit, cluster = np.repeat(np.arange(k), n), np.tile(np.arange(n) % 4, k)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=k * n)
        event = rng.random(k * n) < plain.mean("binomial", -1 + own[unit] * x)
        data = pd.DataFrame({"u": unit, "s": cluster, "x": x, "y": event * 1})
        counts = Pooled("y ~ x", unit="u").fit(data).compare()
        clusters = Pooled("y ~ x", unit="u", cluster="s").fit(data).compare()
        ratios.append(clusters.core[0, 0] / counts.core[0, 0])
    error = np.std(ratios, ddof=1) / np.sqrt(len(ratios))
    assert abs(np.mean(ratios) - 1) < 4 * error + 0.02


def test_overlap_is_one_for_like_units_and_zero_for_strangers():
    unit = np.repeat(np.arange(4), 40)
    x = np.tile(np.linspace(-1, 1, 40), 4)
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"u": unit, "x": x, "m": 100.0, "y": rng.integers(10, 30, 160)})
    model = Pooled("y ~ x", unit="u", trials="m")
    np.testing.assert_allclose(model.fit(data).compare().overlap, 1.0, atol=0.1)
    data.loc[data["u"] == 3, "x"] += 50.0
    overlap = model.fit(data).compare().overlap
    assert overlap[3] < 0.05
    assert np.isnan(Pooled("y ~ 1", unit="u", trials="m").fit(data).compare().overlap).all()


def test_overlap_does_not_tell_rows_of_equal_case_mix_apart():
    """Forty units of one and the same composition, two kinds of cases each."""
    data = pd.DataFrame({"u": np.repeat(np.arange(40), 2), "sex": np.tile([0, 1], 40), "m": 100.0})
    data["y"] = np.random.default_rng(0).integers(10, 30, 80)
    np.testing.assert_allclose(Pooled("y ~ sex", unit="u", trials="m").fit(data).compare().overlap, 1.0, rtol=1e-12)


def test_null_std_error_is_the_spread_at_the_expected_rate():
    """Known E: the binomial standard error at the expected rate, whatever was observed."""
    data = pd.DataFrame({"u": ["big", "s"], "y": [5e10, 3.0], "m": [1e12, 400.0]})
    found = Pooled("y ~ 1", unit="u", trials="m").fit(data).compare()
    np.testing.assert_allclose(found.null_std_error[1], np.sqrt(0.05 * 0.95 / 400), rtol=1e-4)


def test_source_says_what_noise_rests_on():
    data, *_ = problem("gaussian", cells=6, size=50.0, noise=True)
    data["p"] = np.tile(np.arange(6), 8)
    periods = asked(Pooled, "gaussian", data, period="p").compare().source.noise
    assert "periods" in periods
    # The same unit and period twice: no longer one row a period, and the source says what is used instead.
    twice = pd.concat([data, data.iloc[:1].assign(y=1.0)])
    assert "cases" in asked(Pooled, "gaussian", twice, period="p").compare().source.noise


def test_a_unit_among_its_own_reference_cases_in_closed_form():
    """y ~ 1, one rate p: O / n less the overall rate has variance pq / n · (1 − share), also for 60 per cent of all."""
    size = np.array([600.0, 200.0, 100.0, 100.0]) * 10
    data = pd.DataFrame({"unit": list("abcd"), "y": 0.05 * size, "n": size})
    found = Pooled("y ~ 1", unit="unit", trials="n").fit(data).compare(reference="all")
    truth = np.sqrt(0.05 * 0.95 / size * (1.0 - size / size.sum()))
    np.testing.assert_allclose(found.std_error, truth, rtol=1e-9)
    np.testing.assert_allclose(found.null_std_error, truth, rtol=1e-9)
    np.testing.assert_allclose((found.upper - found.lower) / (2 * 1.959964), truth, rtol=0.02)
