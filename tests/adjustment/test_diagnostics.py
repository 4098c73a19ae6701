"""Diagnostics against loops over pairs, literal refits, dense algebra, statsmodels and simulation."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.stats import chi2
from scipy.stats import f as f_distribution
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from benchmodels.adjustment.diagnostics import (
    calibration,
    discrimination,
    homogeneity,
    influence,
    overlap,
    spatial,
    subgroups,
)
from benchmodels.adjustment.models import FixedEffects, Pooled, RandomEffects
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.families import LINKS
from benchmodels.kernels.moran import moran
from benchmodels.kernels.newton import fit_levels
from tests import plain

PLAIN = ("binomial", "poisson", "gaussian")
EVERY = [
    (model, family)
    for model in (Pooled, FixedEffects, RandomEffects)
    for family in LINKS
    if model is not RandomEffects or family in PLAIN
]


def table(family="binomial", *, k=8, n=240, seed=1, sd=0.3, most=30, slope_sd=0.0):
    rng = np.random.default_rng(seed)
    unit = np.arange(n) % k
    x, group = rng.normal(size=n) + 0.2 * unit, rng.choice(list("abc"), n)
    size = rng.integers(1, most, n).astype(float)
    slope = 0.4 + slope_sd * rng.normal(size=k)[unit]
    eta = -1 + slope * x + 0.3 * (group == "b") + sd * rng.normal(size=k)[unit]
    chance, rate = 1 / (1 + np.exp(-eta)), np.exp(eta)
    outcome = {
        "binomial": lambda: rng.binomial(size.astype(int), chance),
        "beta_binomial": lambda: rng.binomial(size.astype(int), rng.beta(10 * chance, 10 * (1 - chance))),
        "fractional": lambda: rng.beta(4 * size * chance, 4 * size * (1 - chance)),
        "poisson": lambda: rng.poisson(size * rate),
        "negative_binomial": lambda: rng.poisson(size * rate * rng.gamma(4, 0.25, n)),
        "gamma": lambda: rng.gamma(5 * size, rate / 5),
        "gaussian": lambda: size * (20 + eta) + np.sqrt(size) * rng.normal(size=n),
    }[family]()
    return pd.DataFrame({"unit": [f"u{i:02d}" for i in unit], "x": x, "g": group, "y": outcome * 1.0, "m": size})


def asked(model, family, data, formula="y ~ x + g", **roles):
    size = {"trials": "m"} if family in ("binomial", "beta_binomial") else {"exposure": "m"}
    return model(formula, unit="unit", family=family, **size, **roles).fit(data)


def arrays(fit):
    d = fit.design
    return d.columns, d.outcome, d.size, d.offset, d.unit, len(d.units)


def crossed(fit, family, *, each):
    """Each cell's mean per size from a literal refit without its unit."""
    columns, outcome, size, offset, unit, k = arrays(fit)
    mu = np.zeros(len(unit))
    for i in range(k):
        own, rest = unit == i, unit != i
        slopes = plain.slopes_of(family, columns[rest], outcome[rest], size[rest], offset[rest], unit[rest], each=each)
        eta = columns @ slopes + offset
        level = plain.level_for(family, eta[rest], size[rest], outcome[rest].sum())
        mu[own] = plain.mean(family, eta[own] + level)
    return mu


# ---------------------------------------------------------------- calibration


@pytest.mark.parametrize("family", PLAIN)
@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_calibration_is_that_of_literal_refits(family, model):
    fit = asked(model, family, table(family))
    _, outcome, size, _, unit, k = arrays(fit)
    mu = crossed(fit, family, each=model is FixedEffects)
    found = calibration(fit, bins=5)
    assert list(found) == ["bin", "group", "units", "size", "expected", "observed", "lower", "upper"]
    order = np.argsort(mu)
    middle = np.cumsum(size[order]) - size[order] / 2
    group = np.empty(len(mu), int)
    group[order] = np.minimum(middle / size.sum() * 5, 4).astype(int)
    for b, row in found.iterrows():
        own = group == b
        np.testing.assert_allclose(row["size"], size[own].sum())
        np.testing.assert_allclose(row["expected"], (size * mu)[own].sum() / size[own].sum(), rtol=1e-8)
        np.testing.assert_allclose(row["observed"], outcome[own].sum() / size[own].sum(), rtol=1e-12)
        assert row["units"] == len(set(unit[own]))
    np.testing.assert_allclose(found["group"], found["expected"], rtol=1e-12)
    assert found["lower"].lt(found["observed"]).all()
    assert found["upper"].gt(found["observed"]).all()


def test_count_limits_of_a_group_are_poisson_binomial():
    """Few trials: the mid-P tail at each limit is 2.5 per cent, by convolution one trial at a time."""
    fit = asked(FixedEffects, "binomial", table(n=96, most=5))
    _, outcome, size, _, _, _ = arrays(fit)
    mu = crossed(fit, "binomial", each=True)
    groups = fit.cells["g[T.b]"].to_numpy() + 2 * fit.cells["g[T.c]"].to_numpy()
    found = calibration(fit, by="g")
    for b, row in found.iterrows():
        own = groups == b
        eta = np.repeat(np.log(mu[own] / (1 - mu[own])), size[own].astype(int))
        count = int(outcome[own].sum())

        def tail(shift, upper, eta=eta, count=count):
            return (
                plain.poisson_binomial_tail(plain.mean("binomial", eta + shift), count, upper=upper, mid=True) - 0.025
            )

        low, high = (brentq(tail, -5, 5, args=(upper,), xtol=1e-12) for upper in (True, False))
        at = [plain.mean("binomial", eta + shift).mean() for shift in (low, high)]
        np.testing.assert_allclose(row[["lower", "upper"]].to_numpy(float), at, rtol=1e-6)


def test_measured_limits_are_t_of_unit_means_when_units_are_alike():
    data = table("gaussian", k=6, n=180)
    data["m"] = 2.0
    fit = asked(Pooled, "gaussian", data)
    # The same cells in every group, so that each unit weighs the same in each: three equal parts of each unit's cells.
    part = np.concatenate([np.arange(30) % 3] * 6)
    found = calibration(fit, by=part)
    _, outcome, size, _, unit, k = arrays(fit)
    gap = outcome - size * crossed(fit, "gaussian", each=False)
    for b in range(3):
        means = np.array([gap[(unit == i) & (part == b)].sum() / 20.0 for i in range(k)])
        half = student.ppf(0.975, 5) * means.std(ddof=1) / np.sqrt(k)
        row = found.iloc[b]
        np.testing.assert_allclose([row["lower"], row["upper"]], [row["observed"] - half, row["observed"] + half])


def test_measured_limits_are_bell_mccaffrey_when_units_are_not_alike():
    fit = asked(Pooled, "gaussian", table("gaussian", k=7))
    _, outcome, size, _, unit, k = arrays(fit)
    gap = outcome - size * crossed(fit, "gaussian", each=False)
    found = calibration(fit, by="g")
    groups = fit.cells["g[T.b]"].to_numpy() + 2 * fit.cells["g[T.c]"].to_numpy()
    for b, row in found.iterrows():
        sums = np.array([gap[(unit == i) & (groups == b)].sum() for i in range(k)])
        share = np.array([size[(unit == i) & (groups == b)].sum() for i in range(k)])
        total = share.sum()
        share = share / total
        residuals = np.eye(k) - np.outer(share, np.ones(k))
        adjust = np.diag(1 / np.sqrt(1 - share))
        c = adjust @ residuals @ np.diag(share) @ residuals.T @ adjust
        df = np.trace(c) ** 2 / np.trace(c @ c)
        error = np.sqrt(np.sum((adjust @ (sums - share * sums.sum())) ** 2)) / total
        half = student.ppf(0.975, df) * error
        np.testing.assert_allclose(row["upper"] - row["observed"], half, rtol=1e-9)


def test_measured_limits_need_two_units():
    fit = asked(Pooled, "gaussian", table("gaussian"))
    unit = fit.design.unit
    found = calibration(fit, by=np.select([unit == 0, unit < 3], [0, 1], 2))
    assert found["units"].tolist() == [1, 2, 5]
    assert found["upper"].isna().tolist() == [True, False, False]


def test_measured_limits_cover():
    """A true model, units that differ: 95 per cent of groups hold their expectation, within 4 Monte Carlo errors."""
    hit = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(12), rng.integers(4, 12, 12))
        n = len(unit)
        data = pd.DataFrame({"unit": unit, "x": rng.normal(size=n), "m": 1.0, "g": np.arange(n) % 2})
        data["y"] = 3 + data["x"] + 0.5 * rng.normal(size=12)[unit] + rng.normal(size=n)
        fit = asked(Pooled, "gaussian", data, "y ~ x")
        found = calibration(fit, by=data["g"].to_numpy())
        hit += list((found["lower"] < found["expected"]) & (found["expected"] < found["upper"]))
    # Half of the deviations of two groups of the same units are shared.
    assert abs(np.mean(hit) - 0.95) < 4 * np.sqrt(0.05 * 0.95 / 100)


def test_groups_by_category_column_array_and_composition_of_units():
    data = table(n=400)
    fit = asked(FixedEffects, "binomial", data)
    by_term = calibration(fit, by="g")
    assert by_term["group"].tolist() == ["a", "b", "c"]
    labels = np.select([fit.cells["g[T.b]"] == 1, fit.cells["g[T.c]"] == 1], ["b", "c"], "a")
    pd.testing.assert_frame_equal(calibration(fit, by=labels), by_term)
    pd.testing.assert_frame_equal(calibration(fit, by=pd.Series(labels)), by_term)
    turned = pd.Series(pd.Categorical(labels, ["c", "a", "b"], ordered=True))
    assert calibration(fit, by=turned)["group"].tolist() == ["c", "a", "b"]
    np.testing.assert_allclose(by_term["size"], data.groupby("g")["m"].sum())
    by_column = calibration(fit, by="g[T.b]")
    assert by_column["group"].tolist() == [0.0, 1.0]
    by_number = calibration(fit, by="x", bins=4)
    assert (np.diff(by_number["group"]) > 0).all()
    assert (abs(by_number["size"] / data["m"].sum() - 0.25) < 0.02).all()
    units = calibration(fit, by="x", bins=3, of="units")
    means = data.assign(w=data["x"] * data["m"]).groupby("unit")[["w", "m"]].sum()
    means = (means["w"] / means["m"]).sort_values()
    assert units["units"].sum() == 8
    lowest = data[data["unit"].isin(means.index[: units["units"][0]])]
    np.testing.assert_allclose(units["observed"][0], lowest["y"].sum() / lowest["m"].sum())
    np.testing.assert_allclose(units["group"][0], (lowest["x"] * lowest["m"]).sum() / lowest["m"].sum())
    assert calibration(fit, of="units", bins=4)["units"].sum() == 8


def test_cells_alike_stay_together_and_row_order_does_not_matter():
    """Three patterns only: ten groups are asked for, three there are."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"unit": rng.integers(0, 5, 300), "g": rng.choice(list("abc"), 300), "m": 4.0})
    data["y"] = rng.binomial(4, 0.3, 300)
    fit = asked(Pooled, "binomial", data, "y ~ g")
    assert len(calibration(fit, by="g[T.b]", of="cases")) == 2
    found = overlap(fit)
    again = overlap(asked(Pooled, "binomial", data.sample(frac=1, random_state=1), "y ~ g"))
    pd.testing.assert_frame_equal(found, again)
    pd.testing.assert_frame_equal(
        calibration(fit), calibration(asked(Pooled, "binomial", data.sample(frac=1, random_state=2), "y ~ g"))
    )


# ---------------------------------------------------------------- discrimination


@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_auc_is_that_of_all_pairs(model):
    fit = asked(model, "binomial", table(n=120, most=8))
    _, outcome, size, _, unit, k = arrays(fit)
    mu = crossed(fit, "binomial", each=model is FixedEffects)
    rest = size - outcome

    def pairs(keep):
        above = (mu[keep, None] > mu[keep]) + 0.5 * (mu[keep, None] == mu[keep])
        return outcome[keep] @ above @ rest[keep] / (outcome[keep].sum() * rest[keep].sum())

    found = discrimination(fit).set_index("measure")
    assert found.loc["auc", "estimate"] == pytest.approx(pairs(np.full(len(mu), True)), abs=1e-12)
    label, weight, score = np.r_[np.ones(len(mu)), np.zeros(len(mu))], np.r_[outcome, rest], np.r_[mu, mu]
    assert found.loc["auc", "estimate"] == pytest.approx(roc_auc_score(label, score, sample_weight=weight), abs=1e-12)
    deleted = np.array([pairs(unit != i) for i in range(k)])
    jackknife = np.sqrt((k - 1) / k * np.sum((deleted - deleted.mean()) ** 2))
    assert found.loc["auc", "std_error"] == pytest.approx(jackknife, rel=1e-7)


def test_ties_count_half():
    """One covariate of two values: the area is a sum of four products."""
    data = pd.DataFrame({"unit": list("aabb") * 2, "x": [0, 1] * 4, "m": 100.0})
    data["y"] = [20.0, 40, 22, 44, 19, 41, 21, 43]
    fit = asked(Pooled, "binomial", data, "y ~ x")
    both = {"a": (20 + 19, 40 + 41), "b": (22 + 21, 44 + 43)}
    # Unit a is expected by b's rates and the other way round: b's cases at x have the lower expected values.
    order = [("b", 0), ("a", 0), ("b", 1), ("a", 1)]
    area, below = 0.0, 0.0
    for unit, x in order:
        events = both[unit][x]
        area += events * (below + 0.5 * (200 - events))
        below += 200 - events
    total = sum(sum(v) for v in both.values())
    assert discrimination(fit)["estimate"][0] == pytest.approx(area / (total * (800 - total)), abs=1e-12)


@pytest.mark.parametrize("family", ["poisson", "gaussian", "binomial"])
def test_deviance_explained_is_that_of_statsmodels(family):
    fit = asked(FixedEffects, family, table(family))
    _, outcome, size, _, unit, k = arrays(fit)
    mu = crossed(fit, family, each=True)
    null = np.array([(outcome[unit != i].sum() / size[unit != i].sum()) for i in range(k)])[unit]

    def deviance(at, keep):
        if family == "binomial":
            y, m, p = outcome[keep], size[keep], at[keep]
            kind = sm.families.Binomial()
            return kind.deviance(np.ones(len(y)), p, var_weights=y) + kind.deviance(0 * y, p, var_weights=m - y)
        if family == "poisson":
            return sm.families.Poisson().deviance(outcome[keep], (size * at)[keep])
        return np.sum(size[keep] * (outcome[keep] / size[keep] - at[keep]) ** 2)

    everyone = np.full(len(mu), True)
    found = discrimination(fit).set_index("measure").loc["deviance_explained"]
    assert found["estimate"] == pytest.approx(1 - deviance(mu, everyone) / deviance(null, everyone), abs=1e-9)
    deleted = np.array([1 - deviance(mu, unit != i) / deviance(null, unit != i) for i in range(k)])
    assert found["std_error"] == pytest.approx(np.sqrt((k - 1) / k * np.sum((deleted - deleted.mean()) ** 2)), rel=1e-7)


@pytest.mark.parametrize(
    ("family", "kind"),
    [("gamma", sm.families.Gamma(sm.families.links.Log())), ("negative_binomial", None), ("fractional", None)],
)
def test_deviance_of_other_families(family, kind):
    """Of each cell at any mean, against statsmodels' deviance."""
    from benchmodels.adjustment.diagnostics.calibration import _deviance

    fit = asked(Pooled, family, table(family))
    _, outcome, size, _, _, _ = arrays(fit)
    mu = np.random.default_rng(5).uniform(0.1, 0.9, len(size))
    if family == "gamma":
        expected = kind.deviance(outcome / size, mu, var_weights=size)
    elif family == "negative_binomial":
        kind = sm.families.NegativeBinomial(alpha=fit.shape)
        cases = fit.design.cases
        expected = kind.deviance(outcome / cases, size * mu / cases, freq_weights=cases)
    else:
        expected = sm.families.Binomial().deviance(outcome / size, mu, var_weights=size)
    assert _deviance(fit, mu).sum() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_correlation_is_weighted_and_of_the_rows_read(family):
    """Doubled rows (frequency 2) and rows that collapse change nothing."""
    data = table(family)
    data["x"] = data["x"].round(0)
    data = pd.concat([data, data.assign(y=data["y"] * 1.1 if family == "gaussian" else data["y"] + 1)])
    fit = asked(Pooled, family, data)
    assert len(fit.cells) < len(data)
    names = fit.design.units.tolist()
    mu = crossed(fit, family, each=False)
    place = {key: at for at, key in enumerate(zip(fit.design.unit, *fit.design.columns.T, strict=True))}
    keys = zip(data["unit"].map(names.index), data["x"], data["g"].eq("b") * 1.0, data["g"].eq("c") * 1.0, strict=True)
    at = mu[[place[key] for key in keys]]
    rate, w = data["y"] / data["m"], data["m"]
    matrix = np.cov(rate, at, aweights=w)
    found = discrimination(fit).set_index("measure")
    assert found.loc["correlation", "estimate"] == pytest.approx(matrix[0, 1] / np.sqrt(np.prod(matrix.diagonal())))
    if family == "gaussian":
        null = np.array([(data["y"][data["unit"] != u].sum() / w[data["unit"] != u].sum()) for u in data["unit"]])
        share = 1 - np.sum(w * (rate - at) ** 2) / np.sum(w * (rate - null) ** 2)
        assert found.loc["deviance_explained", "estimate"] == pytest.approx(share, rel=1e-9)


def test_offset_is_known_without_slopes():
    """What an offset explains is not what the slopes explain: without covariates nothing is left."""
    data = table("poisson")
    data["o"] = np.random.default_rng(1).normal(size=len(data))
    data["y"] = np.random.default_rng(2).poisson(data["m"] * np.exp(data["o"]))
    found = discrimination(asked(Pooled, "poisson", data, "y ~ 1", offset="o")).set_index("measure")
    assert found.loc["deviance_explained", "estimate"] == pytest.approx(0.0, abs=1e-12)
    assert found.loc["correlation", "estimate"] > 0.7


# ---------------------------------------------------------------- influence and overlap


@pytest.mark.parametrize("family", PLAIN)
@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_influence_is_that_of_literal_refits(family, model):
    fit = asked(model, family, table(family))
    columns, outcome, size, offset, unit, k = arrays(fit)
    each = model is FixedEffects
    errors = fit.coefficients().set_index("name")["std_error"]

    def refit(keep):
        slopes = plain.slopes_of(family, columns[keep], outcome[keep], size[keep], offset[keep], unit[keep], each=each)
        level = plain.level_for(family, (columns @ slopes)[keep], size[keep], outcome[keep].sum())
        mean = size * plain.mean(family, columns @ slopes + level)
        return slopes, np.bincount(unit, mean) / np.bincount(unit, size)

    everyone, rates = refit(np.full(len(unit), True))
    found = influence(fit)
    assert list(found) == ["unit", "dfbetas", "name", "shift", "shifted", "leverage"]
    for i, row in found.iterrows():
        slopes, without = refit(unit != i)
        steps = (everyone - slopes) / errors[list(fit.design.names)].to_numpy()
        j = np.argmax(np.abs(steps))
        assert (row["name"], row["dfbetas"]) == (fit.design.names[j], pytest.approx(steps[j], rel=1e-6))
        moves = rates - without
        moves[i] = 0.0
        j = np.argmax(np.abs(moves))
        assert (row["shifted"], row["shift"]) == (fit.design.units[j], pytest.approx(moves[j], rel=1e-6))


@pytest.mark.parametrize("slopes", ["pooled", "within"])
def test_influence_with_random_effects_is_that_of_literal_refits(slopes):
    def asked_of(data):
        return RandomEffects("y ~ x + g", unit="unit", family="poisson", exposure="m", slopes=slopes).fit(data)

    data = table("poisson")
    fit = asked_of(data)
    errors = fit.coefficients().set_index("name")["std_error"]
    rates = fit.expected(reference="all") / data.groupby("unit")["m"].sum()
    found = influence(fit)
    for row in found.itertuples():
        without = asked_of(data[data["unit"] != row.unit])
        steps = (fit.slopes - without.slopes) / errors[fit.slopes.index]
        assert row.name == steps.abs().idxmax()
        assert row.dfbetas == pytest.approx(steps[row.name], rel=1e-4)
        moved = rates - without.expected(reference="all") / data.groupby("unit")["m"].sum()
        assert row.shift == pytest.approx(moved[moved.abs().idxmax()], rel=1e-3)
        assert row.shifted == moved.abs().idxmax()


def test_leverage_is_the_unit_s_part_of_the_hat_matrix():
    data = table("gaussian")
    for model in (Pooled, FixedEffects, RandomEffects):
        fit = asked(model, "gaussian", data)
        columns, _, size, _, unit, k = arrays(fit)
        dummies = plain.dummies(unit, k)
        if model is RandomEffects:
            # Generalised least squares: V = σ² / m + τ² within units.
            v = fit.random.dispersion * np.diag(1 / size) + fit.unit_sd**2 * dummies @ dummies.T
            z = np.column_stack([columns, np.ones(len(size))])
            root = np.linalg.inv(v)
            part = [
                np.trace(np.linalg.solve(z.T @ root @ z, z[unit == i].T @ np.linalg.inv(v[np.ix_(unit == i, unit == i)])
                                         @ z[unit == i])) for i in range(k)
            ]  # fmt: skip
            part = np.array(part) / z.shape[1]
        else:
            within = columns - (dummies.T @ (columns * size[:, None]) / np.bincount(unit, size)[:, None])[unit]
            z = within if model is FixedEffects else np.column_stack([columns, np.ones(len(size))])
            root = z * np.sqrt(size)[:, None]
            hat = np.einsum("np,pq,nq->n", root, np.linalg.inv(root.T @ root), root)
            part = np.bincount(unit, hat) / z.shape[1]
        found = influence(fit)["leverage"]
        np.testing.assert_allclose(found, part, rtol=1e-7)
        assert found.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("model", [Pooled, FixedEffects, RandomEffects])
def test_influence_with_random_effects_and_one_unit_that_steers(model):
    data = table("poisson", n=400)
    heavy = data["unit"] == "u03"
    data.loc[heavy, ["y", "m"]] = data.loc[heavy, ["y", "m"]] * [60, 30]
    found = influence(asked(model, "poisson", data)).set_index("unit")
    assert found["leverage"].idxmax() == "u03"
    assert found["shift"].abs().idxmax() == "u03"


def test_overlap_and_comparable_cases_by_loops():
    fit = asked(Pooled, "binomial", table(n=600))
    columns, _, size, _, unit, k = arrays(fit)
    score = columns @ fit.slopes.to_numpy()
    order = np.argsort(score)
    group = np.empty(len(score), int)
    group[order] = np.minimum((np.cumsum(size[order]) - size[order] / 2) / size.sum() * 20, 19).astype(int)
    found = overlap(fit).set_index("unit")
    assert (np.diff(found["overlap"]) >= 0).all()
    for i, name in enumerate(fit.design.units):
        own, rest = unit == i, unit != i
        mix = np.array([size[own & (group == b)].sum() for b in range(20)]) / size[own].sum()
        there = np.array([size[rest & (group == b)].sum() for b in range(20)])
        assert found.loc[name, "overlap"] == pytest.approx(np.minimum(mix, there / there.sum()).sum())
        # Kish: (Σ w)² / Σ w² over the others' cases, each weighted by how much more common its class is here.
        weight = (mix / there)[group[rest]]
        kish = np.sum(size[rest] * weight) ** 2 / np.sum(size[rest] * weight**2)
        assert found.loc[name, "comparable"] == pytest.approx(kish)
    # Continuous scores without ties: the comparison has the same overlap.
    np.testing.assert_allclose(found["overlap"].loc[fit.design.units], fit.compare().overlap, rtol=1e-12)


def test_overlap_of_units_that_are_all_alike_and_of_one_that_is_not():
    pattern = pd.DataFrame({"x": [0.0, 1.0, 2.0], "m": 10.0, "y": [2.0, 3, 4]})
    alike = pd.concat([pattern.assign(unit=u) for u in "abcd"])
    found = overlap(asked(Pooled, "binomial", alike, "y ~ x"))
    np.testing.assert_allclose(found[["overlap", "comparable"]], [[1.0, 90.0]] * 4)
    other = pd.concat([alike, pattern.assign(x=9.0 + pattern["x"], unit="e")])
    found = overlap(asked(Pooled, "binomial", other, "y ~ x"))
    assert found.iloc[0][["unit", "overlap", "comparable"]].tolist() == ["e", 0.0, 0.0]


# ---------------------------------------------------------------- homogeneity


def score_of_statsmodels(family, data, term):
    """Null: a dummy for each unit and common slopes; the extra columns are the term's, unit by unit but one."""
    unit = pd.factorize(data["unit"], sort=True)[0]
    k = unit.max() + 1
    x = data["x"].to_numpy()[:, None] if term == "x" else np.column_stack([data["g"] == "b", data["g"] == "c"]) * 1.0
    common = np.column_stack([data["x"], data["g"] == "b", data["g"] == "c", plain.dummies(unit, k)]).astype(float)
    extra = np.column_stack([x * (unit == i)[:, None] for i in range(1, k)])
    if family == "binomial":
        given = {"family": sm.families.Binomial()}
        y = np.column_stack([data["y"], data["m"] - data["y"]])
    else:
        given, y = {"family": sm.families.Poisson(), "offset": np.log(data["m"].to_numpy())}, data["y"].to_numpy()
    null, full = (
        sm.GLM(y, matrix, **given).fit(tol=1e-14, maxiter=100) for matrix in (common, np.column_stack([common, extra]))
    )
    return null.score_test(exog_extra=extra), null.deviance - full.deviance, extra.shape[1]


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("term", ["x", "g"])
@pytest.mark.parametrize("slope_sd", [0.0, 0.15])
def test_score_test_is_that_of_statsmodels(family, term, slope_sd):
    data = table(family, n=480, slope_sd=slope_sd)
    (statistic, p_value, *_), likelihood, extra = score_of_statsmodels(family, data, term)
    for model in (FixedEffects, Pooled, RandomEffects):
        found = homogeneity(asked(model, family, data), term=term)
        assert found.statistic == pytest.approx(np.ravel(statistic)[0], rel=1e-7)
        assert found.p_value == pytest.approx(np.ravel(p_value)[0], rel=1e-6, abs=1e-12)
        assert (found.df, found.df_residual, found.units) == (extra, np.inf, 8)
        assert found.i_squared == pytest.approx(max(0.0, 1 - extra / found.statistic))
    # Twice the log-likelihood ratio differs in higher order only.
    assert found.statistic == pytest.approx(likelihood, rel=0.12)
    assert found.p_value == pytest.approx(chi2.sf(likelihood, extra), abs=0.06)


@pytest.mark.parametrize("term", ["x", "g"])
def test_gaussian_test_is_exactly_f(term):
    data = table("gaussian", slope_sd=0.1)
    unit = pd.factorize(data["unit"], sort=True)[0]
    x = data["x"].to_numpy()[:, None] if term == "x" else np.column_stack([data["g"] == "b", data["g"] == "c"]) * 1.0
    common = np.column_stack([data["x"], data["g"] == "b", data["g"] == "c", plain.dummies(unit, 8)]).astype(float)
    extra = np.column_stack([x * (unit == i)[:, None] for i in range(1, 8)])
    null, full = (
        sm.WLS(data["y"] / data["m"], matrix, weights=data["m"]).fit()
        for matrix in (common, np.column_stack([common, extra]))
    )
    statistic, p_value, df = full.compare_f_test(null)
    for model in (FixedEffects, Pooled, RandomEffects):
        found = homogeneity(asked(model, "gaussian", data), term=term)
        assert found.statistic / found.df == pytest.approx(statistic, rel=1e-8)
        assert (found.df, found.df_residual) == (df, full.df_resid)
        assert found.p_value == pytest.approx(p_value, rel=1e-7)


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_slopes_of_single_units_by_literal_fits(family):
    """Cochran's Q and Welch's test from a fit to each unit alone, with no other covariate to hold common."""
    data = table(family, n=480, slope_sd=0.15)
    found = homogeneity(asked(FixedEffects, family, data, "y ~ x"), term="x", method="slopes")
    slopes, weights, df = [], [], []
    for _, own in data.groupby("unit"):
        matrix, y, m = sm.add_constant(own["x"].to_numpy()), own["y"] / own["m"], own["m"]
        if family == "binomial":
            alone = sm.GLM(y, matrix, sm.families.Binomial(), var_weights=m).fit(tol=1e-14)
        else:
            alone = sm.WLS(y, matrix, weights=m).fit()
        slopes.append(alone.params.iloc[1] if hasattr(alone.params, "iloc") else alone.params[1])
        weights.append(1 / np.asarray(alone.bse)[1] ** 2)
        df.append(alone.df_resid)
    slopes, weights, df = np.array(slopes), np.array(weights), np.array(df)
    q = np.sum(weights * (slopes - np.average(slopes, weights=weights)) ** 2)
    if family == "gaussian":
        lam = np.sum((1 - weights / weights.sum()) ** 2 / df)
        welch = q / 7 / (1 + 2 * 6 / 63 * lam)
        assert found.statistic / 7 == pytest.approx(welch, rel=1e-8)
        assert found.p_value == pytest.approx(f_distribution.sf(welch, 7, 63 / (3 * lam)), rel=1e-8)
    else:
        assert found.statistic == pytest.approx(q, rel=1e-7)
        assert found.p_value == pytest.approx(chi2.sf(q, 7), rel=1e-7)
    assert (found.df, found.units) == (7, 8)


def redrawn(family, seed):
    """Fits with unlike levels and alike slopes: one table, outcomes drawn again."""
    rng = np.random.default_rng(seed)
    first = asked(FixedEffects, family, table(family, k=12, n=12 * 15), "y ~ x")
    columns, _, size, _, unit, _ = arrays(first)
    eta = -1 + 0.4 * columns[:, 0] + 0.3 * rng.normal(size=12)[unit]
    while True:
        mu = plain.mean(family, eta)
        y = {
            "binomial": lambda mu=mu: rng.binomial(size.astype(int), mu) * 1.0,
            "poisson": lambda mu=mu: rng.poisson(size * mu) * 1.0,
            "gaussian": lambda mu=mu: size * mu + np.sqrt(size) * rng.normal(size=len(mu)),
        }[family]()
        rows = replace(first._rows, outcome=y)
        # Size 1 or more and one case a cell, so that sums of squares are those of the cells.
        design = replace(first.design, outcome=y, squares=y**2 / size)
        yield replace(first, design=design, _rows=rows, _solution=fit_levels(rows))


@pytest.mark.parametrize(
    ("family", "method"),
    [
        ("binomial", "score"),
        *(pytest.param(family, "score", marks=pytest.mark.slow) for family in ("poisson", "gaussian")),
        *(pytest.param(family, "slopes", marks=pytest.mark.slow) for family in PLAIN),
    ],
)
def test_size_of_the_test_without_heterogeneity(family, method):
    """500 draws with alike slopes: rejected at 5 per cent, and at 50, within 4 Monte Carlo errors."""
    draws = redrawn(family, seed=1)
    p = np.array([homogeneity(next(draws), term="x", method=method).p_value for _ in range(500)])
    assert abs(np.mean(p < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 500)
    assert abs(np.mean(p < 0.5) - 0.5) < 4 * np.sqrt(0.25 / 500)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "family"), [each for each in EVERY if each[1] not in PLAIN])
def test_size_of_the_test_for_other_families(model, family):
    p = [homogeneity(asked(model, family, table(family, seed=seed)), term="x").p_value for seed in range(200)]
    assert abs(np.mean(np.array(p) < 0.25) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 200)


@pytest.mark.parametrize("family", [family for family in LINKS if family not in PLAIN])
def test_a_pooled_fit_is_tested_with_a_level_for_each_unit(family):
    data = table(family, sd=0.8)
    pooled, fixed = (homogeneity(asked(model, family, data), term="x") for model in (Pooled, FixedEffects))
    assert pooled.statistic == pytest.approx(fixed.statistic, rel=1e-6)
    assert pooled.df_residual == fixed.df_residual


@pytest.mark.parametrize(("model", "family"), [each for each in EVERY if each[1] not in PLAIN])
def test_other_families_see_what_is_there(model, family):
    strong = homogeneity(asked(model, family, table(family, n=960, slope_sd=0.4)), term="x")
    assert strong.p_value < 1e-4
    assert strong.i_squared > 0.5


def test_units_without_variation_do_not_count():
    data = table(n=480)
    whole = homogeneity(asked(FixedEffects, "binomial", data[data["unit"] < "u06"]), term="x")
    inside = data["unit"] == "u06"
    data.loc[inside, "x"] = 1.0 + 1e-7 * data.loc[inside, "x"]
    data.loc[data["unit"] == "u07", "y"] = 0.0
    found = homogeneity(asked(FixedEffects, "binomial", data, "y ~ x"), term="x")
    assert (found.df, found.units, whole.df) == (5, 6, 5)
    assert found.note == "1 of 8 units have fewer than 5 events, or fewer than 5 cases without: the chi-square is rough"
    without = homogeneity(asked(FixedEffects, "binomial", data[data["unit"] < "u06"], "y ~ x"), term="x")
    assert found.statistic == pytest.approx(without.statistic, rel=1e-6)


def test_units_of_measure_do_not_matter():
    for family in ("binomial", "gaussian"):
        data = table(family)
        base = homogeneity(asked(FixedEffects, family, data), term="x")
        for scale in (1e-8, 1e8):
            again = data.assign(x=1e3 * scale + data["x"] * scale)
            if family == "gaussian":
                again["y"] = again["y"] * scale
            found = homogeneity(asked(FixedEffects, family, again), term="x")
            assert found.statistic == pytest.approx(base.statistic, rel=1e-6)
            assert found.df == base.df


def test_slopes_that_cannot_be_compared():
    data = table(n=480)
    fit = asked(Pooled, "binomial", data.assign(z=data["unit"].str[-1].astype(float)), "y ~ x + z + g")
    with pytest.raises(SpecificationError, match="'z' varies within 0 unit"):
        homogeneity(fit, term="z")
    assert homogeneity(fit, term="x").statistic == pytest.approx(
        homogeneity(asked(FixedEffects, "binomial", data), term="x").statistic, rel=1e-7
    )
    with pytest.raises(SpecificationError, match="'x', 'z', 'g'"):
        homogeneity(fit, term="w")
    with pytest.raises(SpecificationError, match="one column"):
        homogeneity(fit, term="g", method="slopes")
    with pytest.raises(SpecificationError, match="'score', 'slopes'"):
        homogeneity(fit, term="x", method="wald")
    single = data.iloc[:8].assign(m=20.0, y=[3.0, 5, 4, 8, 6, 7, 2, 9])
    with pytest.raises(SpecificationError, match="within 0 unit"):
        homogeneity(asked(Pooled, "binomial", single, "y ~ x"), term="x")
    pairs = table("gaussian", n=16)
    with pytest.raises(SpecificationError, match="too few cases"):
        homogeneity(asked(Pooled, "gaussian", pairs, "y ~ x"), term="x")


def test_clusters_and_periods_are_said_to_count_as_independent():
    data = table(n=480)
    data["school"] = np.arange(480) // 3
    assert "cluster" in homogeneity(asked(FixedEffects, "binomial", data, cluster="school"), term="x").note


# ---------------------------------------------------------------- subgroups


@pytest.mark.parametrize("family", PLAIN)
@pytest.mark.parametrize("model", [Pooled, FixedEffects, RandomEffects])
def test_subgroups_add_up_to_what_is_expected(family, model):
    fit = asked(model, family, table(family, n=480))
    found = subgroups(fit, by="g")
    assert list(found) == ["unit", "group", "size", "observed", "expected", "ratio", "lower", "upper", "withheld"]
    np.testing.assert_allclose(found.groupby("unit")["expected"].sum(), fit.expected(), rtol=1e-9)
    assert found["observed"].sum() == pytest.approx(fit.design.outcome.sum())
    there = found[found["withheld"] == ""]
    assert len(there) > 20
    np.testing.assert_allclose(there["ratio"], there["observed"] / there["expected"])
    assert (there["lower"] <= there["ratio"]).all()
    assert (there["upper"] >= there["ratio"]).all()


def test_one_subgroup_is_the_unit_itself():
    """Limits of a count are those of the comparison, whose expected value is taken as known here."""
    fit = asked(Pooled, "poisson", table("poisson"))
    found = subgroups(fit, by=np.zeros(len(fit.cells)), level=0.9)
    low, high = chi2.ppf([0.05, 0.95], 2 * 10)
    compared = fit.compare(contrast="ratio", level=0.9)
    np.testing.assert_allclose(found["ratio"], compared.estimate, rtol=1e-10)
    assert (compared.lower <= found["lower"] + 1e-9).all()
    assert (compared.upper >= found["upper"] - 1e-9).all()
    count = found["observed"].to_numpy()
    from scipy.special import gammainc, gammaincc

    for row, o in zip(found.itertuples(), count, strict=True):
        at_low, at_high = row.lower * row.expected, row.upper * row.expected
        assert 0.5 * (gammainc(o, at_low) + gammainc(o + 1, at_low)) == pytest.approx(0.05, abs=1e-8)
        assert 0.5 * (gammaincc(o, at_high) + gammaincc(o + 1, at_high)) == pytest.approx(0.05, abs=1e-8)
    assert low < high


def test_measured_limits_are_t_of_cases():
    """Subgroups that cut across the order of the cells; residual spread about the subgroup's own level."""
    data = table("gaussian").assign(m=1.0)
    data["y"] = 5 + np.random.default_rng(3).normal(size=len(data))
    fit = asked(Pooled, "gaussian", data)
    columns, outcome, _, _, unit, k = arrays(fit)
    part = np.arange(len(unit)) % 3
    found = subgroups(fit, by=part).set_index(["unit", "group"])
    slopes = fit._basis.to_columns(fit.practice("others").slopes)
    gap = outcome - np.einsum("np,np->n", columns, slopes[unit])
    for i in range(k):
        for b in range(3):
            own = gap[(unit == i) & (part == b)]
            row, n = found.loc[(fit.design.units[i], b)], len(own)
            half = student.ppf(0.975, n - 1) * own.std(ddof=1) * np.sqrt(n)
            assert row["upper"] * row["expected"] == pytest.approx(row["observed"] + half, rel=1e-8)


def test_small_subgroups_are_withheld_with_their_reason():
    data = table("binomial", n=480)
    small = (data["g"] == "c") & (data["unit"] == "u00")
    data = data[~small | (small.cumsum() <= 3)].copy()
    data.loc[small, ["y", "m"]] = [1.0, 2.0]
    data = data[~((data["g"] == "b") & (data["unit"] == "u01"))]
    data.loc[(data["g"] == "a") & (data["unit"] == "u02"), "y"] = 0.0
    found = subgroups(asked(FixedEffects, "binomial", data), by="g").set_index(["unit", "group"])
    assert len(found) == 23
    few = found.loc[("u00", "c")]
    assert few["expected"] < 5
    assert few["withheld"] == "fewer than 5 expected"
    assert (found["withheld"] != "").sum() == 1
    none = found.loc[("u02", "a")]
    assert (none["ratio"], none["lower"]) == (0.0, 0.0)
    assert none["upper"] > 0
    gone = found["withheld"] != ""
    assert found.loc[gone, ["ratio", "lower", "upper"]].isna().all(axis=None)
    assert found.loc[~gone, ["ratio", "lower", "upper"]].notna().all(axis=None)


@pytest.mark.parametrize("role", ["cluster", "period"])
def test_noise_of_subgroups_from_clusters_and_periods(role):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"unit": np.repeat(np.arange(6), 16), "t": np.tile(np.arange(16), 6), "m": 10.0})
    data["g"] = np.where(data["t"] < 8, "early", "late")
    data["y"] = 50 + 5 * rng.normal(size=96)
    data["s"] = np.arange(96) // 2
    fit = asked(Pooled, "gaussian", data, "y ~ g", **{role: {"cluster": "s", "period": "t"}[role]})
    found = subgroups(fit, by="g")
    assert (found["withheld"] == "").all()
    assert len(found) == 12
    if role == "cluster":
        totals = data.groupby(["unit", "g", "s"])["y"].sum()
        for (_, own), row in zip(totals.groupby(["unit", "g"]), found.itertuples(), strict=True):
            half = student.ppf(0.975, 3) * own.std(ddof=1) * np.sqrt(4)
            assert (row.upper - row.ratio) * row.expected == pytest.approx(half, rel=1e-8)


# ---------------------------------------------------------------- spatial


@pytest.mark.parametrize(("family", "contrast"), [("binomial", "ratio"), ("gaussian", "difference")])
def test_spatial_is_moran_of_the_comparison(family, contrast):
    fit = asked(Pooled, family, table(family, k=12, n=480))
    names = fit.design.units.tolist()
    # Eleven in a ring, one of them with a neighbour across; the twelfth is an island.
    near = {name: [names[i - 1], names[(i + 1) % 11]] for i, name in enumerate(names[:11])}
    near[names[0]] = [names[10], names[1], names[5]]
    found = spatial(fit, near, permutations=499, rng=3)
    assert found["values"].tolist() == ["estimate", "standardised"]
    assert (found["units"] == 11).all()
    assert (found["islands"] == 1).all()
    weights = np.zeros((12, 12))
    for a, others in near.items():
        for b in others:
            weights[names.index(a), names.index(b)] = 1 / len(others)
    compared = fit.compare(contrast=contrast)
    rng = np.random.default_rng(3)
    for row, variances in zip(found.itertuples(), (None, compared.null_std_error**2), strict=True):
        one = moran(compared.estimate, weights, variances=variances, permutations=499, rng=rng)
        assert (row.statistic, row.p_value, row.z) == pytest.approx((one.statistic, one.p_value, one.z))
    pd.testing.assert_frame_equal(spatial(fit, weights, permutations=499, rng=3), found)
    mixed = pd.DataFrame(weights, names, names).sample(frac=1, random_state=1).sample(frac=1, axis=1, random_state=2)
    pd.testing.assert_frame_equal(spatial(fit, mixed, permutations=499, rng=3), found)


def test_spatial_with_one_row_a_unit_and_names_that_are_not_there():
    data = table("gaussian", k=20, n=20)
    fit = asked(Pooled, "gaussian", data, "y ~ x")
    names = fit.design.units.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        found = spatial(fit, {a: [b] for a, b in zip(names, names[1:], strict=False)}, permutations=99, rng=1)
    assert np.isfinite(found[["statistic", "p_value"]]).all(axis=None)
    with pytest.raises(DataError, match="'Ærø'"):
        spatial(fit, {names[0]: ["Ærø"]})
    with pytest.raises(DataError, match="give each unit a list of units"):
        spatial(fit, {names[0]: 2})
    with pytest.raises(DataError, match="a list within a list"):
        spatial(fit, {names[0]: [[names[1]]]})
    with pytest.raises(DataError, match=r"have shape \(2, 2\); for 20 units"):
        spatial(fit, np.zeros((2, 2)))
    with pytest.raises(DataError, match="or an array of numbers"):
        spatial(fit, np.full((20, 20), "x"))
    with pytest.raises(DataError, match="no row and column"):
        spatial(fit, pd.DataFrame(np.zeros((2, 2)), names[:2], names[:2]))


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize(("model", "family"), EVERY)
def test_every_family_and_model_answers(model, family):
    fit = asked(model, family, table(family))
    for frame in (calibration(fit), calibration(fit, by="x", of="units"), subgroups(fit, by="g"), influence(fit)):
        assert not frame.drop(columns=["lower", "upper", "ratio"], errors="ignore").isna().any(axis=None)
    found = discrimination(fit)
    shared = family in ("binomial", "beta_binomial")
    assert found["measure"].tolist() == ["auc" if shared else "correlation", "deviance_explained"]
    assert (found["estimate"] > np.array([0.5 if shared else 0.0, 0.0])).all()
    assert influence(fit)["leverage"].sum() == pytest.approx(1.0)
    assert overlap(fit)["overlap"].between(0, 1).all()


@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_sampling_weights(model):
    """Weights of two change no estimate; limits and standard errors stay those of the cases that there are."""
    data = table().assign(w=2.0)
    fit, base = asked(model, "binomial", data, sampling_weights="w"), asked(model, "binomial", data)
    for measure in ("estimate", "std_error"):
        np.testing.assert_allclose(discrimination(fit)[measure], discrimination(base)[measure], rtol=1e-8)
    np.testing.assert_allclose(overlap(fit)["overlap"], overlap(base)["overlap"])
    one, two = subgroups(base, by="g"), subgroups(fit, by="g")
    np.testing.assert_allclose(two["ratio"], one["ratio"], rtol=1e-8)
    # Normal limits on the level scale against mid-P ones.
    np.testing.assert_allclose(two["upper"] - two["lower"], one["upper"] - one["lower"], rtol=0.1)
    one, two = calibration(base, by="g"), calibration(fit, by="g")
    np.testing.assert_allclose(two["expected"], one["expected"], rtol=1e-8)
    assert (two["lower"] < two["observed"]).all()
    # However many members of the population a case stands for, it is one case.
    five = asked(model, "binomial", data.assign(w=5.0), sampling_weights="w")
    np.testing.assert_allclose(calibration(five, by="g")[["lower", "upper"]], two[["lower", "upper"]], rtol=1e-8)
    one, two = influence(base), influence(fit)
    np.testing.assert_allclose(two["shift"], one["shift"], rtol=1e-6)
    np.testing.assert_allclose(two["leverage"], one["leverage"], rtol=1e-8)
    assert (abs(two["dfbetas"] / one["dfbetas"]) < 3).all()
    with pytest.raises(SpecificationError, match="sampling weights"):
        homogeneity(fit, term="x")
    data.loc[(data["g"] == "a") & (data["unit"] == "u02"), "y"] = 0.0
    parts = subgroups(asked(model, "binomial", data, sampling_weights="w"), by="g").set_index(["unit", "group"])
    assert "no events" in parts.loc[("u02", "a"), "withheld"]
    assert np.isnan(parts.loc[("u02", "a"), "upper"])


def test_penalised_fits_are_tested_from_the_maximum_of_the_likelihood():
    data = table(n=480)
    fit = FixedEffects("y ~ x + g", unit="unit", trials="m", penalty="firth").fit(data)
    base = homogeneity(asked(FixedEffects, "binomial", data), term="x")
    assert homogeneity(fit, term="x").statistic == pytest.approx(base.statistic, rel=1e-9)
    assert influence(fit)["dfbetas"].notna().all()
    assert discrimination(fit)["estimate"][0] > 0.5


@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_without_covariates(model):
    fit = asked(model, "binomial", table(), "y ~ 1")
    found = influence(fit)
    assert found["dfbetas"].isna().all()
    assert (found["name"] == "").all()
    assert found["leverage"].isna().all() == (model is FixedEffects)
    assert found["shift"].notna().all()
    assert overlap(fit)["overlap"].isna().all()
    np.testing.assert_allclose(overlap(fit)["comparable"], fit.design.size.sum() - overlap(fit)["size"])
    assert discrimination(fit)["estimate"][1] == pytest.approx(0.0, abs=1e-12)
    assert len(calibration(fit)) > 1


def test_units_that_the_others_do_not_identify_are_left_out_and_named():
    data = table(n=480)
    data["g"] = np.where((data["unit"] == "u02") & (data["g"] == "b"), "b", "a")
    fit = asked(Pooled, "binomial", data)
    with pytest.warns(PartialResultWarning, match="1 of 8 units left out.*'u02'"):
        found = calibration(fit)
    assert found["size"].sum() == data["m"][data["unit"] != "u02"].sum()
    with pytest.warns(PartialResultWarning):
        assert np.isfinite(discrimination(fit)["estimate"]).all()
    with pytest.warns(PartialResultWarning):
        steered = influence(fit).set_index("unit")
    assert steered.loc["u02", ["dfbetas", "shift"]].isna().all()
    assert steered.loc["u02", ["name", "shifted"]].tolist() == ["", ""]
    assert steered["leverage"].notna().all()
    assert steered.drop(index="u02").notna().all(axis=None)
    with pytest.warns(PartialResultWarning):
        parts = subgroups(fit, by="g")
    own = parts[parts["unit"] == "u02"]
    assert own["withheld"].str.contains("do not identify").all()
    assert own[["expected", "ratio"]].isna().all(axis=None)


def test_two_units_and_rows_of_no_size():
    data = table(k=2, n=80)
    base = asked(FixedEffects, "binomial", data)
    empty = data.iloc[:6].assign(m=0.0, y=0.0, x=99.0)
    fit = asked(FixedEffects, "binomial", pd.concat([data, empty]))
    for function in (calibration, discrimination, overlap):
        pd.testing.assert_frame_equal(function(fit), function(base), rtol=1e-7)
    pd.testing.assert_frame_equal(influence(fit), influence(base), rtol=1e-6)
    pd.testing.assert_frame_equal(subgroups(fit, by="g"), subgroups(base, by="g"), rtol=1e-7)
    assert homogeneity(fit, term="x").statistic == pytest.approx(homogeneity(base, term="x").statistic, rel=1e-8)


def test_what_cannot_be_asked():
    fit = asked(Pooled, "binomial", table())
    with pytest.raises(SpecificationError, match="2 or more"):
        calibration(fit, bins=1)
    with pytest.raises(SpecificationError, match="'cases', 'units'"):
        calibration(fit, of="schools")
    with pytest.raises(SpecificationError, match="'x', 'g', 'g\\[T.b\\]'"):
        calibration(fit, by="age")
    with pytest.raises(SpecificationError, match="one value for each of the 240 rows"):
        calibration(fit, by=np.zeros(3))
    with pytest.raises(SpecificationError, match="none missing"):
        subgroups(fit, by=np.where(np.arange(240) == 5, np.nan, 1.0))
    with pytest.raises(SpecificationError, match="mean of a column"):
        calibration(fit, by="g", of="units")
    with pytest.raises(SpecificationError, match="20 subgroups"):
        subgroups(fit, by="x")
    with pytest.raises(SpecificationError, match="level"):
        subgroups(fit, by="g", level=95)
    spline = asked(Pooled, "binomial", table(), "y ~ poly(x, 2)")
    with pytest.raises(SpecificationError, match="no category"):
        calibration(spline, by="poly(x, 2)")
