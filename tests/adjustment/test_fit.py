"""Estimates, standard errors and expected values against published numbers, statsmodels and identities."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from benchmodels import ConvergenceError, FixedEffects, Pooled, SpecificationError
from benchmodels.datasets import STAR98_COVARIATES
from benchmodels.kernels import newton
from tests import plain

EXACT, SOLVER, REFIT = 1e-10, 1e-8, 1e-8
STAR98 = "NABOVE ~ " + " + ".join(STAR98_COVARIATES)


def table(family="binomial", *, k=9, n=900, seed=1):
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, k, n)
    x, group = rng.normal(size=n) + 0.2 * unit, rng.choice(list("abc"), n)
    size = rng.integers(1, 30, n).astype(float)
    eta = -1 + 0.4 * x + 0.3 * (group == "b") + 0.3 * rng.normal(size=k)[unit]
    mu = plain.mean(family, eta)
    outcome = {
        "binomial": lambda: rng.binomial(size.astype(int), mu),
        "poisson": lambda: rng.poisson(size * mu),
        "gaussian": lambda: size * (20 + eta) + np.sqrt(size) * rng.normal(size=n),
    }[family]()
    return pd.DataFrame({"unit": [f"u{i:02d}" for i in unit], "x": x, "g": group, "y": outcome, "m": size})


def asked(model, family):
    role = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    return model("y ~ x + g", unit="unit", family=family, **role)


def dense(data, *, each):
    columns = np.column_stack([data["x"], data["g"] == "b", data["g"] == "c"]).astype(float)
    unit = pd.factorize(data["unit"], sort=True)[0]
    return (
        columns,
        unit,
        np.column_stack([columns, plain.dummies(unit, unit.max() + 1) if each else np.ones(len(data))]),
    )


@pytest.fixture(scope="module")
def star98_fit(districts):
    return Pooled(STAR98, unit="district", trials="trials").fit(districts)


def test_star98_published(star98_fit, districts):
    """statsmodels' documented example of this table (Gill 2000)."""
    coefficients = star98_fit.coefficients().set_index("name")
    assert coefficients.loc["LOWINC", "estimate"] == pytest.approx(-0.016815, abs=5e-7)
    assert coefficients.loc["level", "estimate"] == pytest.approx(2.95888, abs=5e-6)
    mu = star98_fit.expected(reference="all").to_numpy()
    events, trials = districts["NABOVE"].to_numpy(), districts["trials"].to_numpy()
    both = np.array([(events, mu), (trials - events, trials - mu)])
    parts = [np.where(o > 0, o * np.log(np.where(o > 0, o, 1) / e), 0.0) for o, e in both]
    assert 2 * np.sum(parts) == pytest.approx(4078.765, abs=5e-4)
    assert np.sum((events - mu) ** 2 / (mu * (1 - mu / trials))) == pytest.approx(4051.921, abs=5e-4)


def test_star98_agrees_with_statsmodels(star98_fit, districts):
    matrix = sm.add_constant(districts[list(STAR98_COVARIATES)].to_numpy(float))
    reference = sm.GLM(districts[["NABOVE", "NBELOW"]].to_numpy(), matrix, sm.families.Binomial()).fit(tol=1e-14)
    found = star98_fit.coefficients()
    # A condition number of 1e10 and more: coefficients are known to fewer digits than fitted values.
    np.testing.assert_allclose(found["estimate"], reference.params, rtol=2e-6)
    np.testing.assert_allclose(found["std_error"], reference.bse, rtol=2e-6)
    np.testing.assert_allclose(
        star98_fit.expected(reference="all"), reference.fittedvalues * districts["trials"], rtol=1e-8
    )


def test_star98_each_district_left_out(star98_fit, districts):
    """All 303 refits, by QR."""
    columns = districts[list(STAR98_COVARIATES)].to_numpy(float)
    columns = (columns - columns.mean(0)) / columns.std(0)
    q, _ = np.linalg.qr(np.column_stack([np.ones(303), columns]))
    outcome, size = districts["NABOVE"].to_numpy(float), districts["trials"].to_numpy(float)
    found = star98_fit.expected().to_numpy()
    for i in range(303):
        keep = np.arange(303) != i
        beta = plain.dense_fit("binomial", q[keep], outcome[keep], size[keep], np.zeros(302))
        np.testing.assert_allclose(found[i], size[i] * plain.mean("binomial", q[i] @ beta), rtol=REFIT)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_coefficients_and_model_errors_agree_with_statsmodels(family, model):
    data = table(family)
    fit = asked(model, family).fit(data)
    each = model is FixedEffects
    _, _, matrix = dense(data, each=each)
    kind = {"binomial": sm.families.Binomial(), "poisson": sm.families.Poisson(), "gaussian": None}[family]
    if family == "gaussian":
        reference = sm.WLS(data["y"] / data["m"], matrix, weights=data["m"]).fit()
    else:
        reference = sm.GLM(data["y"] / data["m"], matrix, kind, var_weights=data["m"]).fit(tol=1e-14)
    found = fit.coefficients()
    if not each:
        assert found["term"].iloc[0] == "1"
        np.testing.assert_allclose(found["estimate"].iloc[0], reference.params.iloc[-1], rtol=SOLVER)
        np.testing.assert_allclose(found["std_error"].iloc[0], reference.bse.iloc[-1], rtol=1e-6)
        found = found.iloc[1:]
    np.testing.assert_allclose(found["estimate"], reference.params.iloc[:3], rtol=SOLVER, atol=SOLVER)
    np.testing.assert_allclose(found["std_error"], reference.bse.iloc[:3], rtol=1e-6)
    np.testing.assert_allclose(fit.slopes, found["estimate"], rtol=EXACT)
    if each:
        np.testing.assert_allclose(fit.unit_levels, reference.params.iloc[3:], rtol=SOLVER, atol=SOLVER)
    if family == "gaussian":
        np.testing.assert_allclose(fit.dispersion, reference.scale, rtol=1e-9)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_clustered_errors_are_cr1(family):
    """statsmodels multiplies by (n − 1) / (n − p) besides k / (k − 1); ours is k / (k − 1) alone."""
    data = table(family)
    data["m"] = 1.0 if family != "binomial" else data["m"]
    if family == "binomial":
        # One row a case: statsmodels clusters cases, not rows with weights.
        rng = np.random.default_rng(3)
        data["y"] = (rng.random(len(data)) < data["y"] / data["m"]).astype(int)
        data["m"] = 1
    fit = asked(Pooled, family).fit(data)
    kind = {
        "binomial": sm.families.Binomial,
        "poisson": sm.families.Poisson,
        "gaussian": sm.families.Gaussian,
    }
    groups = {"groups": pd.factorize(data["unit"])[0], "use_correction": False}
    model = smf.glm("y ~ x + g", data, family=kind[family]())
    reference = model.fit(tol=1e-14, cov_type="cluster", cov_kwds=groups)
    found = fit.coefficients(covariance="CR1").set_index("name")
    order = ["level", "g[T.b]", "g[T.c]", "x"]
    k = data["unit"].nunique()
    found_errors = found.loc[order, "std_error"]
    np.testing.assert_allclose(found_errors, reference.bse.to_numpy() * np.sqrt(k / (k - 1)), rtol=1e-6)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_errors_from_the_spread_of_rows_see_through_cells(family, kind):
    """Rows that were added up for speed still count one by one."""
    data = table(family, n=300).drop(columns="x")
    data["x"] = np.arange(len(data)) % 4
    sizes = {"binomial": {"trials": "m"}, "poisson": {"exposure": "m"}, "gaussian": {"exposure": "m"}}[family]
    if kind in ("HC2", "HC3"):
        sizes, data["m"] = {}, 1
        data["y"] = (data["y"] > data["y"].median()).astype(float) if family == "binomial" else data["y"] * 1.0
    fit = Pooled("y ~ x + g", unit="unit", family=family, **sizes).fit(data)
    assert len(fit.design.outcome) < 0.9 * len(data)
    size = data["m"].to_numpy(float)
    dense = np.column_stack([np.ones(len(data)), data["g"] == "b", data["g"] == "c", data["x"]]).astype(float)
    names = ["level", "g[T.b]", "g[T.c]", "x"]
    beta = fit.coefficients().set_index("name").loc[names, "estimate"].to_numpy()
    mu, w = plain.mean(family, dense @ beta), size * plain.weight(family, dense @ beta)
    residual = data["y"].to_numpy() - size * mu
    bread = np.linalg.inv((dense * w[:, None]).T @ dense)
    leverage = w * np.einsum("nq,qr,nr->n", dense, bread, dense)
    n, q = dense.shape
    scale = {"HC0": 1.0, "HC1": n / (n - q), "HC2": 1 / (1 - leverage), "HC3": 1 / (1 - leverage) ** 2}[kind]
    by_rows = bread @ (dense * (residual**2 * scale)[:, None]).T @ dense @ bread
    found = fit.coefficients(covariance=kind).set_index("name").loc[names, "std_error"]
    np.testing.assert_allclose(found**2, by_rows.diagonal(), rtol=1e-8)


def test_leverage_of_rows_of_different_size_is_not_known_once_added_up():
    data = table("binomial").drop(columns="x").assign(m=50)
    data.loc[::3, "m"] = 60
    fit = Pooled("y ~ g", unit="unit", trials="m").fit(data)
    fit.coefficients(covariance="HC1")
    with pytest.raises(SpecificationError, match="HC2 needs the leverage of each row"):
        fit.coefficients(covariance="HC2")


def test_wild_bootstrap_of_a_slope():
    data = table("gaussian", n=200)
    fit = Pooled("y ~ x + g", unit="unit", family="gaussian", exposure="m").fit(data)
    found = fit.wild_bootstrap("x", rng=1)
    assert found.replicates == 9999
    assert found.lower < fit.slopes["x"] < found.upper
    assert fit.wild_bootstrap("x", null=float(fit.slopes["x"]), rng=1).p_value == pytest.approx(1.0)
    with pytest.raises(SpecificationError, match="no coefficient 'z'"):
        fit.wild_bootstrap("z")


def test_intervals_of_coefficients_are_symmetric_and_widen():
    fit = asked(Pooled, "binomial").fit(table())
    narrow, wide = fit.coefficients(level=0.8), fit.coefficients(level=0.99)
    np.testing.assert_allclose(narrow["lower"] + narrow["upper"], 2 * narrow["estimate"], rtol=EXACT)
    assert (wide["lower"] < narrow["lower"]).all()


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_expected_identities(family, model):
    data = table(family)
    fit = asked(model, family).fit(data)
    observed = data.groupby("unit")["y"].sum()
    # Reference all: expected and observed agree in total.
    assert fit.expected(reference="all").sum() == pytest.approx(observed.sum(), rel=1e-11)
    # Reference others: they agree over the others, at each unit's own slopes and level.
    practice = fit.practice("others")
    design = fit.design
    for i in range(len(design.units)):
        keep = design.unit != i
        eta = fit._rows.columns[keep] @ practice.slopes[i] + practice.average[i] + design.offset[keep]
        total = np.sum(design.size[keep] * plain.mean(family, eta))
        assert total == pytest.approx(design.outcome[keep].sum(), rel=1e-10)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
@pytest.mark.parametrize("model", [Pooled, FixedEffects])
@pytest.mark.parametrize("reference", ["others", "all"])
def test_expected_is_a_plain_refit(family, model, reference):
    data = table(family)
    columns, unit, _ = dense(data, each=False)
    y, m = data["y"].to_numpy(float), data["m"].to_numpy()
    _, totals = plain.contrasts(
        family, columns, y, m, np.zeros(len(y)), unit, each=model is FixedEffects, reference=reference
    )
    found = asked(model, family).fit(data).expected(reference=reference)
    np.testing.assert_allclose(found, totals["expected"], rtol=REFIT)


def test_a_unit_that_alone_has_a_category_is_withheld_and_the_rest_stands():
    data = table()
    data.loc[(data["unit"] == "u03") & (data.index % 2 == 0), "g"] = "only here"
    for model in (Pooled, FixedEffects):
        expected = asked(model, "binomial").fit(data).expected()
        assert expected.index[expected.isna()].tolist() == ["u03"]


def test_self_inclusion_has_a_closed_form():
    """A unit of share s with ratio R against the others has the internal ratio R / (s R + 1 − s)."""
    data = pd.DataFrame({"u": ["a", "b", "c"], "y": [130.0, 400.0, 500.0], "m": [100.0, 400.0, 500.0]})
    fit = Pooled("y ~ 1", unit="u", family="poisson", exposure="m").fit(data)
    s, ratio = 0.1, 1.3
    assert fit.compare(contrast="ratio").estimate[0] == pytest.approx(ratio, rel=1e-9)
    inside = fit.compare(contrast="ratio", reference="all").estimate[0]
    assert inside == pytest.approx(ratio / (s * ratio + 1 - s), rel=1e-9)


def test_toy_where_composition_and_practice_go_together():
    """Constructed without noise: pooled slopes take practice for composition, within-unit slopes do not."""
    rng = np.random.default_rng(0)
    practice = rng.normal(size=20)
    unit = np.repeat(np.arange(20), 50)
    x = practice[unit] + rng.normal(size=1000)
    data = pd.DataFrame({"u": unit, "x": x, "y": 0.5 * x + 0.3 * practice[unit]})
    within = FixedEffects("y ~ x", unit="u", family="gaussian").fit(data)
    assert within.slopes["x"] == pytest.approx(0.5, rel=1e-9)
    np.testing.assert_allclose(within.unit_levels, 0.3 * practice, atol=1e-9)
    assert Pooled("y ~ x", unit="u", family="gaussian").fit(data).slopes["x"] > 0.55


@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_a_failed_solve_raises(monkeypatch, model):
    monkeypatch.setattr(newton, "fit_levels", partial(newton.fit_levels, max_iterations=1))
    with pytest.raises(ConvergenceError, match="no maximum found after 1 Newton"):
        asked(model, "binomial").fit(table())


def test_offset_is_on_the_link_scale():
    data = table("poisson")
    by_exposure = asked(Pooled, "poisson").fit(data)
    data["log_m"] = np.log(data["m"])
    by_offset = Pooled("y ~ x + g", unit="unit", family="poisson", offset="log_m").fit(data)
    np.testing.assert_allclose(by_offset.slopes, by_exposure.slopes, rtol=SOLVER)
    np.testing.assert_allclose(by_offset.expected(), by_exposure.expected(), rtol=REFIT)


def test_cells_carry_the_table():
    data = table()
    fit = asked(Pooled, "binomial").fit(data)
    cells = fit.cells
    assert list(cells.columns) == ["unit", "cell", "weight", "outcome", "x", "g[T.b]", "g[T.c]"] or set(
        cells.columns
    ) == {"unit", "cell", "weight", "outcome", "x", "g[T.b]", "g[T.c]"}
    assert cells["outcome"].sum() == data["y"].sum()
    by_unit = cells.groupby("unit")["weight"].sum()
    np.testing.assert_allclose(by_unit, data.groupby("unit")["m"].sum())


def test_calibration_adds_up():
    data = table()
    fit = asked(Pooled, "binomial").fit(data)
    found = fit.calibration(bins=5)
    assert found["size"].sum() == pytest.approx(data["m"].sum())
    assert (found["observed"] * found["size"]).sum() == pytest.approx(data["y"].sum())
    assert (found["lower"] <= found["observed"]).all()
    assert (found["observed"] <= found["upper"]).all()
    assert (np.diff(found["expected"]) > 0).all()
