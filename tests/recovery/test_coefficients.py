"""Slopes, spread and unit effects against a known truth: 98 units, ten of them of some fifty cases, 100 draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, Pooled, RandomEffects

K, DRAWS, MC_ERRORS = 98, 100, 4.0
SLOPE, OTHER, SPREAD = 0.5, -0.3, 0.25
FORMULA = "y ~ poor + girl"


def country(rng):
    """Sizes from 50 to 20,000, and the share of poor families of each unit."""
    sizes = np.r_[np.full(10, 50.0), np.exp(rng.uniform(np.log(200), np.log(20_000), K - 10))].round()
    return sizes, rng.beta(4, 8, K)


def cells(sizes, share, rng):
    unit = np.repeat(np.arange(K), 4)
    poor, girl = np.tile([0, 0, 1, 1], K), np.tile([0, 1, 0, 1], K)
    part = np.where(poor, share[unit], 1 - share[unit]) * 0.5
    return unit, poor, girl, np.maximum(np.round(sizes[unit] * part), 1.0)


def draws(family, *, tied, seed, n=DRAWS):
    """Tables with practice drawn anew; ``tied``: higher where more families are poor."""
    rng = np.random.default_rng(seed)
    sizes, share = country(rng)
    unit, poor, girl, m = cells(sizes, share, rng)
    for _ in range(n):
        practice = SPREAD * rng.normal(size=K) + (3.0 * (share - share.mean()) if tied else 0.0)
        eta = -2.0 + SLOPE * poor + OTHER * girl + practice[unit]
        if family == "binomial":
            y = rng.binomial(m.astype(int), 1 / (1 + np.exp(-eta)))
        elif family == "poisson":
            y = rng.poisson(m * np.exp(eta))
        else:
            y = m * eta + np.sqrt(m) * 1.5 * rng.normal(size=len(m))
        yield practice, pd.DataFrame({"unit": unit, "poor": poor, "girl": girl, "y": y, "m": m})


def ask(model, family, **more):
    size = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    return model(FORMULA, unit="unit", family=family, **size, **more)


def covered(frame, name, truth):
    row = frame.set_index("name").loc[name]
    return row["lower"] <= truth <= row["upper"]


def judge(hits, nominal=0.95):
    """Within four Monte Carlo errors of nominal, and the errors those of the nominal rate."""
    hits = np.asarray(hits, dtype=float)
    assert abs(hits.mean() - nominal) <= MC_ERRORS * np.sqrt(nominal * (1 - nominal) / len(hits)), hits.mean()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
@pytest.mark.parametrize("model", ["fixed", "random within"])
def test_slopes_within_units_cover_whatever_practice_goes_with(model, family, tied):
    asked = ask(FixedEffects, family) if model == "fixed" else ask(RandomEffects, family, slopes="within")
    found = [asked.fit(table).coefficients() for _, table in draws(family, tied=tied, seed=3)]
    judge([covered(f, "poor", SLOPE) for f in found])
    judge([covered(f, "girl", OTHER) for f in found])
    estimates = np.array([f.set_index("name").loc["poor", "estimate"] for f in found])
    assert abs(estimates.mean() - SLOPE) < MC_ERRORS * estimates.std(ddof=1) / np.sqrt(len(estimates))


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_pooled_slopes_take_practice_for_composition(family):
    """Tied: pooled slopes are off by far more than their own standard error, those of random effects by less."""
    tables = [table for _, table in draws(family, tied=True, seed=4, n=40)]
    pooled, random = (
        np.array([ask(model, family).fit(t).coefficients().set_index("name").loc["poor", "estimate"] for t in tables])
        for model in (Pooled, RandomEffects)
    )
    error = pooled.std(ddof=1) / np.sqrt(len(pooled))
    assert pooled.mean() - SLOPE > 10 * error
    assert pooled.mean() - SLOPE > 0.05
    assert SLOPE - 0.05 < random.mean() < pooled.mean()


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_random_effects_cover_slopes_spread_and_units(family):
    """Practice is a draw here, as the model says; a unit's interval is its posterior's."""
    slopes, spreads, units = [], [], []
    for practice, table in draws(family, tied=False, seed=5):
        fit = ask(RandomEffects, family).fit(table)
        frame = fit.coefficients()
        slopes.append(covered(frame, "poor", SLOPE))
        low, high = fit.unit_sd_interval()
        spreads.append(low <= SPREAD <= high)
        # At the unit's own mean composition, where slopes that are a little off do no harm.
        means = table[["poor", "girl"]].mul(table["m"], axis=0).groupby(table["unit"]).sum()
        means = means.div(table.groupby("unit")["m"].sum(), axis=0)
        level = fit.unit_levels.to_numpy() + means.to_numpy() @ fit.slopes[["poor", "girl"]].to_numpy()
        true = practice - 2.0 + means.to_numpy() @ [SLOPE, OTHER]
        units.append(np.mean(np.abs(level - true) <= 1.96 * fit.unit_effects()["std_error"]))
    judge(slopes)
    judge(spreads)
    units = np.array(units)
    # The posterior takes slopes, level and spread as known, which costs a little.
    assert abs(units.mean() - 0.95) < MC_ERRORS * units.std(ddof=1) / np.sqrt(len(units)) + 0.005


def test_no_spread_is_found_at_the_edge_half_of_the_time_and_rejected_at_most_as_often_as_said():
    rng = np.random.default_rng(6)
    sizes, share = country(rng)
    unit, poor, girl, m = cells(sizes, share, rng)
    edge, rejected = [], []
    for _ in range(DRAWS):
        y = rng.binomial(m.astype(int), 1 / (1 + np.exp(2.0 - SLOPE * poor)))
        fit = ask(RandomEffects, "binomial").fit(
            pd.DataFrame({"unit": unit, "poor": poor, "girl": girl, "y": y, "m": m})
        )
        edge.append(fit.random.boundary)
        rejected.append(fit.unit_sd_test()[1] < 0.05)
    assert 0.35 < np.mean(edge) < 0.75
    assert np.mean(rejected) <= 0.05 + MC_ERRORS * np.sqrt(0.05 * 0.95 / DRAWS)


def test_expected_values_hold_whatever_the_spread():
    """Random effects' expected totals add up to what was observed, and the mean over levels is what makes them."""
    for practice, table in draws("binomial", tied=False, seed=7, n=5):
        fit = ask(RandomEffects, "binomial").fit(table)
        assert fit.expected(reference="all").sum() == pytest.approx(table["y"].sum(), rel=1e-10)
        assert len(practice) == len(fit.expected())
