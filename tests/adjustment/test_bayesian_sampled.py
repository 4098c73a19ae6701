"""The same posterior by NUTS: its density, its judgement, and the agreement with the engine that integrates."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, ndtr

from benchmodels.adjustment.bayesian import BayesianRandomEffects, Prior
from benchmodels.adjustment.bayesian.evidence import evidence_of, informed
from benchmodels.adjustment.bayesian.model import problem
from benchmodels.adjustment.bayesian.sampled import Chains, judge, numpyro, sample
from benchmodels.datasets import simulate_denmark
from benchmodels.errors import PartialResultWarning, SpecificationError


def shares(k=14, seed=3, least=2, most=90):
    """Units of very different size, so that levels are drawn in both ways."""
    rng = np.random.default_rng(seed)
    effect, rows = rng.normal(0.0, 0.5, k), []
    for i, size in enumerate(np.geomspace(least, most, k).astype(int)):
        for x in (0.0, 1.0, 3.0):
            rows.append((f"u{i:02d}", x, size, rng.binomial(size, expit(-1.0 + 0.4 * x + effect[i]))))
    return pd.DataFrame(rows, columns=["unit", "x", "n", "y"])


@pytest.mark.parametrize(
    ("family", "link"),
    [("binomial", "logit"), ("binomial", "probit"), ("binomial", "cloglog"), ("poisson", "log"), ("gaussian", None)],
)
def test_density_is_that_of_the_plain_loop(family, link):
    pytest.importorskip("numpyro")
    rng = np.random.default_rng(11)
    # Units of unlike covariates.
    table = shares(k=5).drop(index=[0, 4]).assign(shift=lambda t: np.where(t["x"] > 0, 0.3, -0.2))
    table = pd.concat([table, table.assign(y=(table["y"] * 0.5).round())])
    if family == "gaussian":
        table = table.assign(y=1000.0 + 70.0 * rng.normal(size=len(table)))
    roles = {"binomial": {"trials": "n"}, "poisson": {"exposure": "n"}, "gaussian": {"exposure": "n"}}[family]
    model = BayesianRandomEffects("y ~ x", unit="unit", family=family, link=link, offset="shift", **roles)
    asked = problem(model, table)
    evidence, column = evidence_of(asked), (table["x"].to_numpy() - asked.center[0]) / asked.scale[0]
    code = np.searchsorted(asked.units.astype(str), table["unit"].to_numpy().astype(str))
    apart = []
    for _ in range(5):
        slopes, level, sd = rng.normal(size=1) * 0.3, rng.normal(size=5), rng.uniform(0.5, 2.0)
        with numpyro():
            fast = float(evidence.log_likelihood(slopes, level, sd))
        line = evidence.start + evidence.scale * ((column - evidence.means[code, 0]) * slopes[0] + level[code])
        line = line + table["shift"].to_numpy()
        apart.append(fast - plain(family, link, line, table, sd * evidence.scale))
    assert np.ptp(apart) < 1e-8 * max(abs(fast), 1.0)


def plain(family, link, line, table, sd):
    """The log-likelihood row by row."""
    y, n = table["y"].to_numpy(), table["n"].to_numpy()
    if family == "poisson":
        return stats.poisson.logpmf(y, n * np.exp(line)).sum()
    if family == "gaussian":
        # The outcome is a total over the row's exposure.
        return stats.norm.logpdf(y, n * line, sd * np.sqrt(n)).sum()
    mean = {"logit": expit, "probit": ndtr, "cloglog": lambda z: -np.expm1(-np.exp(z))}[link]
    return stats.binom.logpmf(y, n, mean(line)).sum()


def test_rule_of_drawing_levels():
    assert informed(np.array([1.0, 4.0, 5.0, 100.0]), 0.25).tolist() == [False, True, True, True]
    evidence = evidence_of(problem(BayesianRandomEffects("y ~ x", unit="unit", trials="n"), shares()))
    assert 0 < evidence.informed.sum() < 14


def test_agrees_with_quadrature():
    pytest.importorskip("numpyro")
    table = shares()
    model = BayesianRandomEffects("y ~ x", unit="unit", trials="n", rng=1, draws=8000)
    agree(problem(model, table), model.fit(table).draws, draws=4000, warmup=600)


def agree(asked, other, *, draws, warmup):
    """Means within 4 Monte Carlo standard errors of both engines, standard deviations within 10 %."""
    found = sample(asked, draws=draws, warmup=warmup, rng=2)
    assert found.engine == "nuts"
    assert found.chains == 4
    assert found.diagnostics.divergences == 0
    assert max(found.diagnostics.rhat.values()) < 1.02
    pairs = {name: (found.parameters[name], value) for name, value in other.parameters.items()}
    pairs |= {f"effect of {u}": (found.effects[:, i], other.effects[:, i]) for i, u in enumerate(asked.units)}
    for name, (a, b) in pairs.items():
        effective = 1.0 / found.diagnostics.ess[name] + 1.0 / min(other.diagnostics.ess.get(name, 500.0), 500.0)
        assert abs(a.mean() - b.mean()) < 4.0 * b.std() * np.sqrt(effective), name
        assert 0.9 < a.std() / b.std() < 1.0 / 0.9, name


def study(name):
    """A small version of one of the three simulated studies: 25 municipalities, few covariates."""
    country = simulate_denmark(rng=2026)
    if name == "housing":
        table = country.sheltered_housing()
        by = ["municipality", "year", "population_18_64", "disability_pension_pct"]
        table = table.groupby(by, as_index=False)["cost_1000dkk"].sum()
        question = {"family": "gaussian", "exposure": "population_18_64"}
        model = BayesianRandomEffects(
            "cost_1000dkk ~ C(year) + disability_pension_pct", unit="municipality", rng=1, draws=8000, **question
        )
    else:
        events = {"special": "segregated", "absence": "high_absence"}[name]
        table = country.special_education() if name == "special" else country.school_absence()
        model = BayesianRandomEffects(
            f"{events} ~ C(sex) + C(diagnosis)", unit="municipality", trials="pupils", rng=1, draws=8000
        )
    return model, table[table["municipality"].isin(sorted(table["municipality"].unique())[:25])]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["special", "absence", "housing"])
def test_agrees_with_quadrature_on_studies(name):
    pytest.importorskip("numpyro")
    model, table = study(name)
    agree(problem(model, table), model.fit(table).draws, draws=8000, warmup=1000)


def test_same_seed_same_draws_and_jax_left_alone():
    jax = pytest.importorskip("jax")
    pytest.importorskip("numpyro")
    before = jax.config.jax_enable_x64
    asked, found = problem(BayesianRandomEffects("y ~ 1", unit="unit", trials="n"), shares(k=6)), []
    for _ in range(2):
        with pytest.warns(PartialResultWarning, match="fewer than 400 draws are effective for 8 of 8"):
            found.append(sample(asked, draws=40, chains=2, warmup=100, rng=5))
    assert jax.config.jax_enable_x64 == before
    assert found[0].effects.dtype == np.float64
    assert found[0].slopes.shape == (40, 0)
    np.testing.assert_array_equal(found[0].effects, found[1].effects)
    np.testing.assert_array_equal(found[0].unit_sd, found[1].unit_sd)


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro", None)
    asked = problem(BayesianRandomEffects("y ~ x", unit="unit", trials="n", prior=Prior(slope_sd=1.0)), shares())
    with pytest.raises(SpecificationError) as told:
        sample(asked, rng=1)
    assert str(told.value) == "engine='nuts' needs numpyro: pip install \"benchmodels[bayes]\""


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"chains": 1}, "chains=1; give a whole number from 2"),
        ({"draws": 4001}, "draws=4001 is no multiple of chains=4; give 4000"),
        ({"draws": 8}, "draws=8; give a whole number from 16"),
        ({"warmup": 10}, "warmup=10; give a whole number from 100"),
        ({"rng": -1}, "rng=-1"),
    ],
)
def test_numbers_that_cannot_be_meant(numbers, message):
    asked = problem(BayesianRandomEffects("y ~ x", unit="unit", trials="n"), shares())
    with pytest.raises(SpecificationError, match=message):
        sample(asked, **numbers)


def test_judgement_counts_and_names():
    rng = np.random.default_rng(8)
    good = rng.normal(size=(4, 500))
    apart = good + np.array([0.0, 0.0, 0.0, 3.0])[:, None]
    slow = np.repeat(rng.normal(size=(4, 20)), 25, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = judge({"a": good.ravel(), "b": good[::-1].ravel()}, Chains({"a": good}, 0))
    assert told.rhat["a"] < 1.01
    assert told.ess["b"] > 1000
    with pytest.warns(PartialResultWarning) as said:
        told = judge({"a": good.ravel(), "b": apart.ravel(), "c": slow.ravel()}, Chains({"a": good}, 7))
    text = str(said[0].message)
    assert "R-hat is above 1.01 for 2 of 3 (b: " in text
    assert "fewer than 400 draws are effective for 2 of 3 (b: " in text
    assert "7 of 2000 transitions diverged" in text
    assert "draws=4000" in text
    assert told.divergences == 7
    assert told.rhat["b"] > 1.3


def test_constant_draws_are_not_passed_over():
    good, still = np.random.default_rng(1).normal(size=(4, 300)), np.ones(1200)
    with pytest.warns(PartialResultWarning, match=r"R-hat is above 1.01 for 1 of 2 \(b: nan\)"):
        judge({"a": good.ravel(), "b": still}, Chains({"a": good}, 0))
