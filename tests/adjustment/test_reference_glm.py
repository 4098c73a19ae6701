"""Pooled models against R's glm, glm.nb and glmmTMB on a synthetic table; skipped where the results are not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, Pooled

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"


pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference results are not there")

ALL = "x1 + x2 + w"
GLM = {
    "logit": (f"y ~ {ALL}", {}),
    "probit": (f"y ~ {ALL}", {"link": "probit"}),
    "cloglog": ("y ~ x1 + x2", {"link": "cloglog"}),
    "binomial_trials": (f"succ ~ {ALL}", {"trials": "trials"}),
    "poisson": ("count ~ x1 + x2", {"family": "poisson", "exposure": "exposure"}),
    "gamma_log": ("exposure ~ x1 + x2", {"family": "gamma"}),
}


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(SHARED / "data" / "syn_grouped_a.csv")


@pytest.fixture(scope="module")
def results():
    return json.loads((SHARED / "mixed" / "glm.json").read_text(encoding="utf-8"))["results"]


def coefficients(fit, **options):
    frame = fit.coefficients(**options)
    return frame["estimate"].to_numpy(), frame["std_error"].to_numpy()


@pytest.mark.parametrize("name", list(GLM))
def test_coefficients_and_standard_errors(table, results, name):
    formula, options = GLM[name]
    estimate, error = coefficients(Pooled(formula, unit="unit", **options).fit(table))
    # In standard errors: what the certificate promises.
    gap = (estimate - list(results[name]["coef"].values())) / error
    assert np.max(np.abs(gap)) < 1e-7
    np.testing.assert_allclose(error, results[name]["se"], rtol=1e-6)


@pytest.mark.parametrize(("name", "of"), [("quasibinomial_trials", "binomial_trials"), ("quasipoisson", "poisson")])
def test_quasi_standard_errors(table, results, name, of):
    formula, options = GLM[of]
    fit = Pooled(formula, unit="unit", **options).fit(table)
    assert fit.pearson == pytest.approx(results[name]["dispersion"], rel=1e-8)
    np.testing.assert_allclose(coefficients(fit, covariance="quasi")[1], results[name]["se"], rtol=1e-6)


def test_negative_binomial(table, results):
    fit = Pooled("count ~ x1 + x2", unit="unit", family="negative_binomial", exposure="exposure").fit(table)
    want = results["negbin"]
    estimate, error = coefficients(fit)
    # glm.nb stops at a relative change of 1e-8 in the deviance.
    assert 1.0 / fit.shape == pytest.approx(want["theta"], rel=1e-5)
    np.testing.assert_allclose(estimate, list(want["coef"].values()), rtol=1e-6)
    np.testing.assert_allclose(error, want["se"], rtol=1e-5)


def test_beta_binomial(table):
    want = json.loads((SHARED / "mixed" / "glmmTMB.json").read_text(encoding="utf-8"))["results"]["betabinomial_fixed"]
    fit = Pooled(f"succ ~ {ALL}", unit="unit", family="beta_binomial", trials="trials").fit(table)
    estimate, error = coefficients(fit)
    # glmmTMB's optimiser stops at about 1e-6 of the estimates.
    assert (1.0 - fit.shape) / fit.shape == pytest.approx(want["sigma"], rel=1e-4)
    np.testing.assert_allclose(estimate, list(want["fixef"].values()), rtol=2e-5)
    np.testing.assert_allclose(error, np.sqrt(np.diag(want["vcov"])), rtol=1e-4)


def test_unit_dummies(table, results):
    fit = FixedEffects("y ~ x1 + x2", unit="unit").fit(table)
    estimate, error = coefficients(fit)
    want = results["logit_unit_dummies"]
    np.testing.assert_allclose(estimate, [want["coef"]["x1"], want["coef"]["x2"]], rtol=1e-7)
    np.testing.assert_allclose(error, want["se"][1:3], rtol=1e-6)


@pytest.mark.parametrize("name", list(GLM))
def test_robust_errors(table, results, name):
    """R keeps the working weights of its last but one step."""
    formula, options = GLM[name]
    fit = Pooled(formula, unit="unit", **options).fit(table)
    n, q = len(table), len(fit.slopes) + 1
    want = results[name]
    for kind in ("HC0", "HC1"):
        if kind in want:
            np.testing.assert_allclose(
                coefficients(fit, covariance=kind)[1] ** 2, np.diag(want[kind]), rtol=1e-6, err_msg=kind
            )
    if "cluster_HC0" in want:
        clustered = coefficients(fit, covariance="CR1")[1] ** 2
        np.testing.assert_allclose(clustered, np.diag(want["cluster_HC0"]), rtol=1e-6)
        np.testing.assert_allclose(clustered * (n - 1) / (n - q), np.diag(want["cluster_HC1"]), rtol=1e-6)
