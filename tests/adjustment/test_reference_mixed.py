"""Models against lme4, glmmTMB, fixest, sandwich and pprof, and published numbers; skipped where R's are not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, Pooled, RandomEffects
from benchmodels.kernels.counts import count_limits
from benchmodels.kernels.families import Family, mean, variance
from benchmodels.kernels.shape import joint_information, shape_log_likelihood

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
here = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference results are not there")
ALL = "x1 + x2 + w"

SURGICAL = pd.DataFrame(
    {
        "hospital": list("ABCDEFGHIJKL"),
        "deaths": [0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24],
        "operations": [47, 148, 119, 810, 211, 196, 148, 215, 207, 97, 256, 360],
    }
)


def results(name):
    return json.loads((SHARED / "mixed" / f"{name}.json").read_text(encoding="utf-8"))["results"]


def data(name):
    return pd.read_csv(SHARED / "data" / f"{name}.csv")


def values(fit, **options):
    frame = fit.coefficients(**options)
    return frame["estimate"].to_numpy(), frame["std_error"].to_numpy()


# --- random intercepts ---

EXAM = {
    "ri_reml": ("standLRT + sex", "reml"),
    "ri_ml": ("standLRT + sex", "ml"),
    "ri_null_reml": ("1", "reml"),
    "mundlak_reml": ("standLRT + schavg + sex", "reml"),
}


@here
@pytest.mark.parametrize("name", EXAM)
def test_exam_by_lme4(name):
    right, method = EXAM[name]
    want = results("lmer_Exam")[name]
    fit = RandomEffects(f"normexam ~ {right}", unit="school", family="gaussian", method=method).fit(data("Exam"))
    estimate, error = values(fit)
    np.testing.assert_allclose(estimate, list(want["fixef"].values()), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(error, want["se"], rtol=1e-6)
    assert fit.unit_sd == pytest.approx(want["varcomp"][0]["sdcor"], rel=1e-6)
    assert fit.dispersion == pytest.approx(want["varcomp"][1]["vcov"], rel=1e-6)
    assert fit.random.log_likelihood == pytest.approx(want["logLik"], abs=1e-6)
    effects = fit.unit_effects()
    np.testing.assert_allclose(effects["shrunken"], want["ranef"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(effects["std_error"] ** 2, want["condVar"], rtol=1e-5)


@here
def test_exam_as_published():
    """Goldstein et al. (1993), the tutorial model by maximum likelihood, to the printed digits."""
    fit = RandomEffects("normexam ~ standLRT", unit="school", family="gaussian").fit(data("Exam"))
    frame = fit.coefficients().set_index("name")
    assert round(frame.loc["standLRT", "estimate"], 5) == 0.56337
    assert round(frame.loc["standLRT", "std_error"], 5) == 0.01247
    assert round(fit.unit_sd**2, 5) == 0.09213
    assert round(fit.dispersion, 5) == 0.56573
    assert round(-2 * fit.random.log_likelihood, 3) == 9357.243


def test_surgical_as_computed_by_quadrature_of_25_nodes():
    fit = RandomEffects("deaths ~ 1", unit="hospital", trials="operations").fit(SURGICAL)
    frame = fit.coefficients()
    assert round(frame.loc[0, "estimate"], 4) == -2.5440
    assert round(frame.loc[0, "std_error"], 4) == 0.1350
    assert round(fit.unit_sd, 4) == 0.3577
    # Hospital A has no deaths: its own level is infinite, its shrunken one is not.
    effects = fit.unit_effects()
    assert effects.loc[0, "unshrunken"] == -np.inf
    shrunken = 1.0 / (1.0 + np.exp(-(frame.loc[0, "estimate"] + fit.random._found.modes)))
    printed = [0.0538, 0.1021, 0.0700, 0.0590, 0.0516, 0.0688, 0.0662, 0.1231, 0.0695, 0.0773, 0.1020, 0.0682]
    np.testing.assert_allclose(shrunken, printed, atol=1.01e-4)


GLMER = {
    "glmer_cbpp nAGQ5": ("incidence ~ C(period)", {"unit": "herd", "trials": "size"}, "cbpp"),
    "glmer_cbpp nAGQ10": ("incidence ~ C(period)", {"unit": "herd", "trials": "size"}, "cbpp"),
    "glmer_cbpp nAGQ25": ("incidence ~ C(period)", {"unit": "herd", "trials": "size"}, "cbpp"),
    "glmer_cbpp probit_nAGQ10": ("incidence ~ C(period)", {"unit": "herd", "trials": "size", "link": "probit"}, "cbpp"),
    "lme4_syn_grouped logit_nAGQ10": (f"y ~ {ALL}", {"unit": "unit"}, "syn_grouped_a"),
    "lme4_syn_grouped poisson_nAGQ10": (
        "count ~ x1 + x2",
        {"unit": "unit", "family": "poisson", "exposure": "exposure"},
        "syn_grouped_a",
    ),
}


@here
@pytest.mark.parametrize("name", GLMER)
def test_counts_by_lme4(name):
    """Nine nodes here, as many as the name says there: five are good for three or four digits of these herds."""
    formula, options, table = GLMER[name]
    file, key = name.split(" ")
    want = results(file)[key]
    fit = RandomEffects(formula, **options).fit(data(table))
    estimate, error = values(fit)
    near = 1e-3 if key == "nAGQ5" else 2e-5
    np.testing.assert_allclose(estimate, list(want["fixef"].values()), rtol=near)
    # lme4 takes second differences of the deviance.
    np.testing.assert_allclose(error, want["se"], rtol=max(near, 1e-3))
    assert fit.unit_sd == pytest.approx(want["theta"][0], rel=near)
    np.testing.assert_allclose(fit.random._found.modes, want["ranef"], rtol=10 * near, atol=2e-5)
    if "probit" not in key:
        # With a link that is not canonical lme4 takes the expected curvature at the mode, ours is the observed one.
        np.testing.assert_allclose(fit.random._found.mode_variance, want["condVar"], rtol=4 * near)


@here
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_linear_on_the_synthetic_table(method):
    want = results("lme4_syn_grouped")[f"lmer_{method}"]
    fit = RandomEffects(f"ylin ~ {ALL}", unit="unit", family="gaussian", method=method).fit(data("syn_grouped_a"))
    estimate, error = values(fit)
    np.testing.assert_allclose(estimate, list(want["fixef"].values()), rtol=1e-6)
    np.testing.assert_allclose(error, want["se"], rtol=1e-6)
    assert fit.unit_sd == pytest.approx(want["varcomp"][0]["sdcor"], rel=1e-6)
    if method == "reml":
        other = results("glmmTMB")["gaussian_ri_reml"]
        assert fit.unit_sd == pytest.approx(other["sd_random"], rel=1e-5)
        assert fit.random.log_likelihood == pytest.approx(other["logLik"], abs=1e-5)


# --- counts that vary more than counting does ---


@here
def test_negative_binomial_by_glmmtmb():
    """Its covariance is from the observed joint information, ours in `coefficients` from the expected one."""
    want = results("glmmTMB")["nbinom2_fixed"]
    table = data("syn_grouped_a")
    fit = Pooled("count ~ x1 + x2", unit="unit", family="negative_binomial", exposure="exposure").fit(table)
    np.testing.assert_allclose(values(fit)[0], list(want["fixef"].values()), rtol=1e-5)
    assert 1.0 / fit.shape == pytest.approx(want["sigma"], rel=1e-5)
    observed = np.linalg.inv(joint_information(fit._rows, fit._solution))
    order = [2, 0, 1]
    np.testing.assert_allclose(observed[np.ix_(order, order)], want["vcov"], rtol=1e-3, atol=1e-7)


@here
@pytest.mark.parametrize(
    ("key", "formula", "options", "table"),
    [
        ("betabinomial_fixed", f"succ ~ {ALL}", {"unit": "unit", "trials": "trials"}, "syn_grouped_a"),
        ("cbpp_betabinomial_fixed", "incidence ~ C(period)", {"unit": "herd", "trials": "size"}, "cbpp"),
    ],
)
def test_beta_binomial_by_glmmtmb(key, formula, options, table):
    want = results("glmmTMB")[key]
    fit = Pooled(formula, family="beta_binomial", **options).fit(data(table))
    estimate, error = values(fit)
    eta = fit._rows.columns @ fit._solution.slopes + fit._solution.levels[0]
    # Their optimiser stops a little lower.
    assert want["logLik"] - 1e-9 <= shape_log_likelihood(fit._rows, eta) <= want["logLik"] + 1e-6
    np.testing.assert_allclose(estimate, list(want["fixef"].values()), rtol=3e-5)
    np.testing.assert_allclose(error, np.sqrt(np.diag(want["vcov"])), rtol=1e-4)
    assert (1.0 - fit.shape) / fit.shape == pytest.approx(want["sigma"], rel=1e-4)


# --- fixed effects ---


@here
def test_unit_effects_by_fixest_and_pprof():
    table, fixest = data("syn_grouped_a"), results("ols_fixest")
    for key, formula, options in (
        ("feols", "ylin ~ x1 + x2", {"family": "gaussian"}),
        ("fepois", "count ~ x1 + x2", {"family": "poisson", "exposure": "exposure"}),
        ("felogit", "y ~ x1 + x2", {}),
    ):
        want = fixest[key]
        fit = FixedEffects(formula, unit="unit", **options).fit(table)
        estimate, error = values(fit)
        np.testing.assert_allclose(estimate, list(want["coef"].values()), rtol=1e-6)
        levels = fit.unit_levels.to_numpy()
        np.testing.assert_allclose(levels[np.isfinite(levels)], want["fixef"], rtol=1e-5, atol=1e-6)
        # fixest scales by (n − 1) / (n − coefficients); for a Gaussian outcome by our own residual variance.
        k, n = len(levels), len(table)
        factor = 1.0 if key == "feols" else (n - 1) / (n - k - 2)
        np.testing.assert_allclose(error**2 * factor, np.diag(want["vcov_iid"]), rtol=1e-5)
        clustered = values(fit, covariance="CR1")[1] ** 2
        # Levels nested in clusters are not counted, but for one.
        np.testing.assert_allclose(clustered * (n - 1) / (n - 3), np.diag(want["vcov_cluster"]), rtol=1e-5)
    linear, logit = results("pprof_linear_fe"), results("pprof_logis_fe")
    fit = FixedEffects("ylin ~ x1 + x2", unit="unit", family="gaussian").fit(table)
    np.testing.assert_allclose(fit.slopes, linear["beta"], rtol=1e-9)
    np.testing.assert_allclose(fit.unit_levels, linear["gamma"], rtol=1e-9)
    fit = FixedEffects("y ~ x1 + x2", unit="unit").fit(table)
    np.testing.assert_allclose(fit.slopes, logit["beta"], rtol=1e-8)
    np.testing.assert_allclose(fit.unit_levels, logit["gamma"], rtol=1e-7)


@here
def test_limits_of_levels_and_ratios_by_pprof():
    """Poisson-binomial limits of each unit's level, and of its ratio to a unit of median level; slopes as known.

    What pprof calls exact is mid-P.
    """
    table, want = data("syn_grouped_a"), results("pprof_logis_fe")
    fit = FixedEffects("y ~ x1 + x2", unit="unit").fit(table)
    d, levels = fit.design, fit.unit_levels.to_numpy()
    eta = d.columns @ fit.slopes.to_numpy()
    count = np.bincount(d.unit, d.outcome)
    found = count_limits(
        Family("binomial"), count, d.size, eta, d.unit, np.clip(levels, -5.0, 5.0), confidence=0.95, limits="mid-p"
    )
    own = want["confint_gamma|exact"]
    for limit, name in zip(found, ("gamma.lower", "gamma.upper"), strict=True):
        told = np.array(own[name], dtype=float)
        there = np.isfinite(limit) & np.isfinite(told)
        # Their root finder stops at 1e-4 or so.
        np.testing.assert_allclose(limit[there], told[there], atol=2e-4)
        assert there.sum() >= len(levels) - 2
    expected = np.bincount(d.unit, d.size * mean(Family("binomial"), eta + np.median(levels)))
    np.testing.assert_allclose(
        count / expected, want["median|indirect.ratio"]["Indirect_standardized.ratio"], rtol=1e-6
    )
    ratio = want["confint_SM|exact|CI.indirect_ratio"]
    for limit, name in zip(found, ("CI_ratio.lower", "CI_ratio.upper"), strict=True):
        at = np.bincount(d.unit, d.size * mean(Family("binomial"), eta + limit[d.unit])) / expected
        there = np.isfinite(limit)
        np.testing.assert_allclose(at[there], np.array(ratio[name], dtype=float)[there], atol=2e-4)
    score = np.bincount(d.unit, d.outcome - d.size * mean(Family("binomial"), eta + np.median(levels)))
    spread = np.sqrt(
        np.bincount(d.unit, d.size * variance(Family("binomial"), mean(Family("binomial"), eta + np.median(levels))))
    )
    np.testing.assert_allclose(score / spread, want["test|score"]["stat"], rtol=1e-5)


@here
def test_weighted_logit():
    """R's prior weights of a logit are trials."""
    table, want = data("syn_grouped_a"), results("glm")["logit_weights"]
    n = len(table)
    table = table.assign(events=table["y"] * table["trials"], row=np.arange(n))
    fit = Pooled("events ~ x1 + x2", unit="unit", trials="trials", cluster="row").fit(table)
    estimate, error = values(fit)
    np.testing.assert_allclose(estimate, list(want["coef"].values()), rtol=1e-9)
    np.testing.assert_allclose(error, want["se"], rtol=1e-8)
    # Its rows are ours as clusters; CR1 has n / (n − 1) besides.
    clustered = values(fit, covariance="CR1", by="cluster")[1] ** 2
    np.testing.assert_allclose(clustered * (n - 1) / n, np.diag(want["HC0"]), rtol=1e-7)


@here
@pytest.mark.parametrize("name", ["ols", "wls"])
def test_robust_errors_of_linear_models(name):
    table, want = data("syn_grouped_a"), results("ols_fixest")[name]
    if name == "wls":
        # A weight of variances is a size: the outcome is then a total.
        table = table.assign(ylin=table["ylin"] * table["trials"])
    size = {"exposure": "trials"} if name == "wls" else {}
    fit = Pooled(f"ylin ~ {ALL}", unit="unit", family="gaussian", **size).fit(table)
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        np.testing.assert_allclose(values(fit, covariance=kind)[1] ** 2, np.diag(want[kind]), rtol=1e-8)
    n = len(table)
    cr1 = values(fit, covariance="CR1")[1] ** 2
    # sandwich's cluster HC0 is our CR1, and its HC1 has (n − 1) / (n − p) besides.
    np.testing.assert_allclose(cr1, np.diag(want["cluster_HC0"]), rtol=1e-8)
    np.testing.assert_allclose(cr1 * (n - 1) / (n - 4), np.diag(want["cluster_HC1"]), rtol=1e-8)
    if name == "ols":
        cr2 = values(fit, covariance="CR2")[1] ** 2
        # sandwich multiplies its cluster HC2 by G / (G − 1); CR2 as published has no such factor.
        g = table["unit"].nunique()
        ratio = np.diag(want["cluster_HC2"]) / cr2
        assert np.allclose(ratio, 1.0, rtol=1e-8) or np.allclose(ratio, g / (g - 1), rtol=1e-8)
