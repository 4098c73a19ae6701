"""Random effects: what is expected, without a unit, within and between; against literal refits and integrals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from benchmodels import FixedEffects, Pooled, RandomEffects, SpecificationError
from benchmodels.decomposition import decompose
from tests import plain

# Both are as exact as their searches, 1e-8 standard errors.
SEARCH = 1e-6
FAMILIES = ("binomial", "poisson", "gaussian")


def table(family="binomial", *, k=9, n=400, sd=0.5, seed=1, tied=0.0):
    rng = np.random.default_rng(seed)
    unit = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    practice = sd * rng.normal(size=k)
    x = np.round(rng.normal(size=n) + tied * practice[unit], 1)
    group, size = rng.choice(list("ab"), n), rng.integers(1, 30, n).astype(float)
    eta = -1 + 0.4 * x + 0.3 * (group == "b") + practice[unit]
    mu = plain.mean(family, eta)
    outcome = {
        "binomial": lambda: rng.binomial(size.astype(int), mu),
        "poisson": lambda: rng.poisson(size * mu),
        "gaussian": lambda: size * (20 + eta) + np.sqrt(size) * rng.normal(size=n),
    }[family]()
    return pd.DataFrame({"unit": [f"u{i}" for i in unit], "x": x, "g": group, "y": outcome, "m": size})


def ask(data, family="binomial", model=RandomEffects, formula="y ~ x + g", **more):
    return model(
        formula, unit="unit", family=family, **({"trials": "m"} if family == "binomial" else {"exposure": "m"}), **more
    ).fit(data)


def marginal(family, eta, sd):
    """The mean over levels by brute force."""
    if sd == 0 or family == "gaussian":
        return plain.mean(family, eta)
    return np.array(
        [
            quad(lambda z, e=e: plain.mean(family, e + sd * z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi), -12, 12)[0]
            for e in eta
        ]
    )


def expected_by_hand(fit, reference, own, family):
    """Expected total over ``own`` rows, at the level where it is as observed over ``reference`` rows."""

    def eta(data):
        return fit.slopes["x"] * data["x"].to_numpy() + fit.slopes["g[T.b]"] * (data["g"] == "b").to_numpy()

    def gap(level):
        mu = marginal(family, eta(reference) + level, fit.unit_sd)
        return float(np.sum(reference["m"] * mu) - reference["y"].sum())

    level = brentq(gap, -5, 40, xtol=1e-13)
    return float(np.sum(own["m"] * marginal(family, eta(own) + level, fit.unit_sd)))


@pytest.mark.parametrize("slopes", ["pooled", "within"])
@pytest.mark.parametrize("family", FAMILIES)
def test_expected_is_a_mean_over_levels_without_the_unit_itself(family, slopes):
    data = table(family, n=120, k=6)
    found = ask(data, family, slopes=slopes).expected()
    for unit in ("u0", "u3"):
        others = data[data["unit"] != unit]
        refit = ask(others, family, slopes=slopes)
        by_hand = expected_by_hand(refit, others, data[data["unit"] == unit], family)
        assert found[unit] == pytest.approx(by_hand, rel=SEARCH)


@pytest.mark.parametrize("family", FAMILIES)
def test_expected_adds_up_to_observed(family):
    data = table(family)
    assert ask(data, family).expected(reference="all").sum() == pytest.approx(data["y"].sum(), rel=1e-10)


def test_no_spread_is_the_pooled_fit():
    data = table(sd=0.0, seed=12)
    fit, pooled = ask(data), ask(data, model=Pooled)
    assert fit.random.boundary
    assert fit.unit_sd == 0.0
    assert fit.unit_sd_interval()[0] == 0.0 < fit.unit_sd_interval()[1]
    assert fit.unit_sd_test() == (0.0, 1.0)
    np.testing.assert_allclose(fit.coefficients()["estimate"], pooled.coefficients()["estimate"], rtol=SEARCH)
    np.testing.assert_allclose(fit.coefficients()["std_error"], pooled.coefficients()["std_error"], rtol=SEARCH)
    a, b = fit.compare(), pooled.compare()
    for name in ("expected", "lower", "upper"):
        # A unit left out may leave the others some spread.
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0.05, atol=0.01)
    a, b = fit.compare(reference="all"), pooled.compare(reference="all")
    for name in ("expected", "estimate", "lower", "upper", "null_std_error"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("tied", [0.0, 2.0])
def test_linear_slopes_within_are_those_of_fixed_effects(tied):
    data = table("gaussian", tied=tied)
    within, fixed = ask(data, "gaussian", slopes="within"), ask(data, "gaussian", model=FixedEffects)
    np.testing.assert_allclose(within.slopes, fixed.slopes, rtol=1e-9)
    np.testing.assert_allclose(within.expected(reference="all"), fixed.expected(reference="all"), rtol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_within_and_between_stand_side_by_side(family):
    fit = ask(table(family, k=30, n=900, tied=1.0), family, slopes="within")
    frame, side = fit.coefficients().set_index("name"), fit.within_between().set_index("name")
    assert list(side.index) == ["x", "g[T.b]"]
    np.testing.assert_allclose(side["within"], frame.loc[["x", "g[T.b]"], "estimate"])
    np.testing.assert_allclose(side["difference"], frame.loc[["mean(x)", "mean(g[T.b])"], "estimate"])
    np.testing.assert_allclose(side["between"], side["within"] + side["difference"])
    # Practice goes with x between units, not within.
    assert side.loc["x", "lower"] > 0
    with pytest.raises(SpecificationError, match="slopes='within'"):
        ask(table(family), family).within_between()


def test_between_standard_error_is_that_of_the_model_written_the_other_way():
    data = table("gaussian", k=30, n=900, tied=1.0)
    side = ask(data, "gaussian", slopes="within", formula="y ~ x").within_between()
    mean = (data["x"] * data["m"]).groupby(data["unit"]).transform("sum") / data["m"].groupby(data["unit"]).transform(
        "sum"
    )
    other = (
        ask(data.assign(d=data["x"] - mean, b=mean), "gaussian", formula="y ~ d + b").coefficients().set_index("name")
    )
    np.testing.assert_allclose(
        side.loc[0, ["within", "between"]].astype(float), other.loc[["d", "b"], "estimate"], rtol=1e-7
    )
    np.testing.assert_allclose(
        side.loc[0, ["within_std_error", "between_std_error"]].astype(float),
        other.loc[["d", "b"], "std_error"],
        rtol=1e-6,
    )


def test_context_stays_in_the_unit_effect_unless_asked_for():
    data = table(k=30, n=900, tied=1.0)
    data["town"] = (data["unit"].str.slice(1).astype(int) % 2).astype(float)
    unit = ask(data, slopes="within", formula="y ~ x + town")
    composition = ask(data, slopes="within", formula="y ~ x + town", context="composition")
    assert list(unit.slopes.index) == ["x"]
    assert list(composition.slopes.index) == ["x", "town", "mean(x)"]
    np.testing.assert_allclose(unit.coefficients()["estimate"], composition.coefficients()["estimate"])
    # With context the expected values follow the units; without it the effects do.
    size = data.groupby("unit")["m"].sum()
    assert np.std(composition.expected() / size) > 1.2 * np.std(unit.expected() / size)
    assert np.std(unit.unit_effects()["shrunken"]) > 1.2 * np.std(composition.unit_effects()["shrunken"])
    unit.compare()
    composition.compare(standard="direct", contrast="ratio")


def test_shrunken_lies_between_the_average_and_the_units_own():
    data = table(k=20)
    data.loc[data["unit"] == "u4", "y"] = 0
    fit = ask(data)
    effects = fit.unit_effects().set_index("unit")
    assert effects.loc["u4", "unshrunken"] == -np.inf
    assert np.isfinite(effects.loc["u4", "shrunken"])
    known = effects[np.isfinite(effects["unshrunken"])]
    assert (known["shrunken"].abs() <= known["unshrunken"].abs() + 0.02).mean() > 0.9
    comparison = fit.compare(contrast="ratio")
    i = list(comparison.unit).index("u4")
    assert comparison.estimate[i] == comparison.lower[i] == 0.0 < comparison.upper[i] < 1.0


def test_profile_interval_and_test_agree():
    """The interval leaves zero out exactly where twice the likelihood ratio is above its quantile."""
    for seed, sd in ((1, 0.5), (2, 0.12), (3, 0.05)):
        fit = ask(table(sd=sd, seed=seed))
        statistic, p = fit.unit_sd_test()
        assert (fit.unit_sd_interval()[0] > 0) == (statistic > 3.841458820694124)
        assert (p < 0.025) == (statistic > 3.841458820694124)


def test_what_random_effects_do_not_take():
    data = table()
    for more, words in (
        ({"family": "negative_binomial"}, "RandomEffects takes family="),
        ({"family": "binomial", "method": "reml"}, "method='reml' is for family='gaussian'"),
        ({"family": "binomial", "slopes": "both"}, "slopes must be one of"),
    ):
        with pytest.raises(SpecificationError, match=words):
            ask(data, **more)
    fit = ask(data)
    with pytest.raises(SpecificationError, match="is not for RandomEffects"):
        fit.coefficients(covariance="CR1")
    with pytest.raises(SpecificationError, match="Pooled has no random intercepts; use RandomEffects"):
        ask(data, model=Pooled).unit_effects()
    with pytest.raises(SpecificationError, match="needs a covariate that varies within units"):
        ask(data.assign(x=data["unit"].str.slice(1).astype(float)), slopes="within", formula="y ~ x")


@pytest.mark.parametrize("options", [{}, {"slopes": "within"}, {"slopes": "within", "context": "composition"}])
@pytest.mark.parametrize("family", FAMILIES)
def test_expected_values_divide_by_term(family, options):
    data = table(family, k=12, tied=0.5)
    data["town"] = (data["unit"].str.slice(1).astype(int) % 2).astype(float)
    parts = decompose(ask(data, family, formula="y ~ x + g + town", **options))
    np.testing.assert_allclose(parts.parts.sum(axis=1), parts.expected - parts.country, atol=1e-10 * parts.country)
    assert ("town" in parts.terms) == (options.get("context") == "composition" or not options)
