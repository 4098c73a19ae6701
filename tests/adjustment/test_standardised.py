"""Standardised rates under a posterior: numerical integration, conjugate limits, closed forms, and coverage."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import xlog1py, xlogy
from scipy.stats import beta, gamma, norm

from benchmodels import FixedEffects, PartialResultWarning, RandomEffects, SpecificationError
from benchmodels.adjustment.standardised import standardised_rates
from benchmodels.grading import Posterior, expected_ranks
from benchmodels.kernels import families
from benchmodels.kernels import posterior_levels as kernel
from benchmodels.kernels.families import Family
from benchmodels.kernels.quadrature import unit_rows
from tests import plain

PAIRS = [("binomial", "logit"), ("binomial", "probit"), ("binomial", "cloglog"), ("poisson", "log")]
SHRUNKEN = ("shrunken", "shrunken_std_error", "shrunken_lower", "shrunken_upper")


def table(family, seed=0, *, k=10, rows=6, size=30, sd=0.7):
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(k), rows)
    n = len(unit)
    x, m = rng.normal(size=n) + 0.5 * (unit % 3), np.round(size * rng.uniform(0.3, 3.0, n))
    at = -1.5 + 0.4 * x + sd * rng.normal(size=k)[unit]
    if family == "gaussian":
        y = m * (5.0 + at) + np.sqrt(m) * 2.0 * rng.normal(size=n)
    elif family == "poisson":
        y = rng.poisson(m * np.exp(at)) * 1.0
    else:
        y = rng.binomial(m.astype(int), 1.0 / (1.0 + np.exp(-at))) * 1.0
    return pd.DataFrame({"u": unit, "x": x, "m": m, "y": y})


def fitted(data, family, formula="y ~ x", **options):
    sizes = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    return RandomEffects(formula, unit="u", family=family, **sizes, **options).fit(data)


def integrated(family, data, eta, center, sd, share):
    """Mean, standard deviation and probability below a level of one unit, by adaptive integration of everything."""
    own = (data["y"].to_numpy(), data["m"].to_numpy())

    def log_density(a, of):
        mu = families.mean(family, eta[of] + a)
        y, m = (v[of] for v in own)
        terms = xlogy(y, mu) + xlog1py(m - y, -mu) if family.share else xlogy(y, mu) - m * mu
        return terms.sum() - 0.5 * ((a - center) / sd) ** 2

    def rate(a):
        return own[1] @ families.mean(family, eta + a) / own[1].sum()

    result = []
    for i in range(int(data["u"].max()) + 1):
        of = np.flatnonzero(data["u"].to_numpy() == i)
        grid = np.linspace(center - 8 * sd, center + 8 * sd, 4001)
        logs = np.array([log_density(a, of) for a in grid])
        top, peak = logs.max(), grid[logs.argmax()]
        inside = grid[logs > top - 45]
        low, high = inside[0], inside[-1]

        def integral(f, until, of=of, top=top, low=low, peak=peak):
            points = [p for p in (peak,) if low < p < until]
            weighted = lambda level: f(level) * np.exp(log_density(level, of) - top)  # noqa: E731
            return quad(weighted, low, until, points=points, limit=400, epsabs=0.0, epsrel=1e-11)[0]

        mass = integral(lambda a: 1.0, high)
        mean = integral(rate, high) / mass
        spread = np.sqrt(integral(lambda a, mean=mean: (rate(a) - mean) ** 2, high) / mass)
        limits = []
        for edge in share[:, i]:
            # The level at which the population has this rate.
            a, b = low - 1.0, high + 1.0
            for _ in range(80):
                middle = 0.5 * (a + b)
                a, b = (middle, b) if rate(middle) < edge else (a, middle)
            limits.append(integral(lambda a: 1.0, 0.5 * (a + b)) / mass)
        result.append((mean, spread, *limits))
    return np.array(result).T


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_moments_and_limits_are_those_of_adaptive_integration(family, link):
    data = table(family, k=5, rows=4, size=12, sd=1.0)
    # Units without events, and with nothing else, have the most skewed posteriors.
    data.loc[data["u"] == 0, "y"] = 0.0
    if family == "binomial":
        data.loc[data["u"] == 1, "y"] = data["m"]
    fit = fitted(data, family, link=link)
    found = standardised_rates(fit, level=0.9)
    assert fit.unit_sd > 0.3
    eta = data["x"].to_numpy() * fit.slopes["x"]
    center = fit.random.level - fit.random.center[0] * fit.slopes["x"]
    mean, sd, low, high = integrated(
        Family(family, link), data, eta, center, fit.unit_sd, np.stack([found.shrunken_lower, found.shrunken_upper])
    )
    np.testing.assert_allclose(found.shrunken, mean, rtol=1e-8)
    np.testing.assert_allclose(found.shrunken_std_error, sd, rtol=1e-7)
    np.testing.assert_allclose(low, 0.05, rtol=2e-5)
    # A rate that rounds to one does not tell its level.
    told = (found.shrunken_upper < 1.0 - 1e-9) | (family == "poisson")
    assert told.sum() >= 4
    np.testing.assert_allclose(high[told], 0.95, rtol=2e-5)


@pytest.mark.parametrize("context", ["unit", "composition"])
def test_gaussian_rates_are_the_normal_posterior(context):
    data = table("gaussian", 3)
    fit = fitted(data, "gaussian", slopes="within", context=context)
    found, d = standardised_rates(fit), fit.design
    random, sd2, within = fit.random, fit.unit_sd**2, fit.dispersion
    # By its definition: precisions add, from the residuals of the model of all columns, at the model's level.
    x = data["x"].to_numpy()
    means = (data["x"] * data["m"]).groupby(data["u"]).sum() / data.groupby("u")["m"].sum()
    slopes = dict(zip(random.names, random.slopes, strict=True))
    between = slopes["mean(x)"] * means.to_numpy()
    start = random.level - random.center @ random.slopes
    residual = data["y"] / data["m"] - start - slopes["x"] * x - between[data["u"]]
    weight = data.groupby("u")["m"].sum().to_numpy() / within
    effect = (residual * data["m"]).groupby(data["u"]).sum().to_numpy() / within / (weight + 1 / sd2)
    spread = np.sqrt(1.0 / (weight + 1.0 / sd2))
    m = data["m"].to_numpy() / data["m"].sum()
    ours = effect + start + slopes["x"] * (m @ x) + (between if context == "unit" else m @ between[data["u"]])
    np.testing.assert_allclose(found.shrunken, ours, rtol=1e-9)
    np.testing.assert_allclose(found.shrunken_std_error, spread, rtol=1e-9)
    np.testing.assert_allclose(found.shrunken_lower, norm.ppf(0.025, ours, spread), rtol=1e-9)
    np.testing.assert_allclose(found.shrunken_upper, norm.ppf(0.975, ours, spread), rtol=1e-9)
    assert len(d.units) == len(found.unit)


@pytest.mark.parametrize(("family", "link"), [*PAIRS, ("gaussian", "identity")])
def test_unshrunken_rates_are_those_at_the_units_own_levels(family, link):
    data = table(family, 1)
    fit = fitted(data, family, link=link)
    found = standardised_rates(fit)
    x, m = data["x"].to_numpy() * fit.slopes["x"], data["m"].to_numpy()
    for i in range(10):
        of = data["u"].to_numpy() == i
        low, high = -60.0, 60.0
        for _ in range(100):
            middle = 0.5 * (low + high)
            short = m[of] @ families.mean(Family(family, link), x[of] + middle) < data["y"][of].sum()
            low, high = (middle, high) if short else (low, middle)
        rate = m @ families.mean(Family(family, link), x + low) / m.sum()
        np.testing.assert_allclose(found.estimate[i], rate, rtol=1e-9)
    # Drawn towards the middle, less so where there is more to go by.
    middle = np.median(found.estimate)
    drawn = (found.shrunken - middle) / (found.estimate - middle)
    assert np.mean(drawn < 1.0) > 0.7
    if family != "gaussian":
        assert (found.shrunken_std_error < found.std_error * 1.05).all()
    for name in ("estimate", "std_error", "lower", "upper"):
        np.testing.assert_array_equal(getattr(found, name), getattr(found.comparison, name))


def levels(family, link, y, m, sd, center=0.0, eta=0.0):
    """Posterior of units of one row each."""
    k = len(y)
    rows = unit_rows(np.zeros((k, 0)), y, m, np.zeros(k), np.arange(k), family, link)
    return kernel.level_posterior(rows, np.full(k, eta), np.full(k, center), sd)


def test_a_wide_prior_gives_the_conjugate_posteriors_whose_means_are_unshrunken():
    """Flat on the log: gamma, of mean O / E. Flat on the logit: beta, of mean O / m."""
    y, m = np.array([1.0, 4.0, 30.0, 900.0, 1e6]), np.array([40.0, 50.0, 31.0, 5000.0, 2e6])
    share = np.repeat([[0.025], [0.5], [0.975]], 5, axis=1)
    log = kernel.PopulationCurve("log", 0.0)
    found = levels("poisson", "log", y, m, 1e3)
    assert found.found.all()
    mean, sd = found.moments(log)
    np.testing.assert_allclose(mean, y / m, rtol=1e-5)
    np.testing.assert_allclose(sd, np.sqrt(y) / m, rtol=1e-5)
    np.testing.assert_allclose(log(found.quantiles(share)), gamma.ppf(share, y, scale=1 / m), rtol=1e-4)
    found = levels("binomial", "logit", y, m, 1e3)
    curve = kernel.population_curve(Family("binomial"), np.zeros(1), np.ones(1), -40.0, 40.0)
    # Past 40 the share is zero or one, and a series is not for levels of 700.
    keep = replace(found, nodes=np.clip(found.nodes, -40, 40))
    mean, sd = keep.moments(curve)
    np.testing.assert_allclose(mean, y / m, rtol=1e-5)
    np.testing.assert_allclose(sd, beta.std(y, m - y), rtol=1e-5)
    np.testing.assert_allclose(curve(found.quantiles(share)), beta.ppf(share, y, m - y), rtol=1e-4)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_a_narrow_prior_gives_its_own_mean(family, link):
    y, m = np.array([0.0, 3.0, 10.0]), np.array([10.0, 10.0, 10.0])
    curve = kernel.population_curve(Family(family, link), np.array([0.3, -0.4]), np.array([1.0, 3.0]), -1.1, -0.9)
    mean, sd = levels(family, link, y, m, 1e-6, center=-1.0).moments(curve)
    np.testing.assert_allclose(mean, curve(np.array(-1.0)), rtol=1e-5)
    assert (sd < 1e-6).all()


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_without_variation_between_units_all_have_the_pooled_rate(family):
    data = table(family, 0, sd=0.0)
    data["y"] = data["m"] * np.round(data["y"].sum() / data["m"].sum(), 3) + np.tile([2.0, -2.0] * 3, 10)
    data["y"] = np.maximum(np.round(data["y"]), 0.0)
    fit = fitted(data, family, "y ~ 1")
    assert fit.random.boundary
    found = standardised_rates(fit)
    pooled = data["y"].sum() / data["m"].sum()
    np.testing.assert_allclose(found.shrunken, pooled, rtol=1e-7)
    np.testing.assert_allclose(np.stack([found.shrunken_lower, found.shrunken_upper]), pooled, rtol=1e-7)
    np.testing.assert_array_equal(found.shrunken_std_error, 0.0)
    np.testing.assert_allclose(found.sample(draws=3), pooled, rtol=1e-7)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("reach", [0.0, 3.0, 60.0])
def test_the_series_of_a_population_is_its_mean(link, reach):
    rng = np.random.default_rng(0)
    eta, size = rng.normal(size=3000), rng.uniform(0.0, 9.0, 3000)
    curve = kernel.population_curve(Family("binomial", link), eta, size, -reach, 0.5 * reach)
    at = rng.uniform(-reach, 0.5 * reach, (4, 5))
    exact = [size @ families.mean(Family("binomial", link), eta + a) / size.sum() for a in at.ravel()]
    np.testing.assert_allclose(curve(at), np.reshape(exact, (4, 5)), atol=1e-12)
    assert curve.coefficients is not None
    assert len(curve.coefficients) < 2050


def test_draws_are_of_the_posterior_and_grades_take_them():
    fit = fitted(table("binomial", 2), "binomial")
    found = standardised_rates(fit)
    draws = found.sample(draws=20_000, rng=1)
    error = found.shrunken_std_error / np.sqrt(20_000)
    assert (np.abs(draws.mean(axis=0) - found.shrunken) < 4 * error).all()
    np.testing.assert_allclose(draws.std(axis=0), found.shrunken_std_error, rtol=0.03)
    below = np.mean(draws < found.shrunken_lower, axis=0), np.mean(draws > found.shrunken_upper, axis=0)
    np.testing.assert_allclose(below, 0.025, atol=4 * np.sqrt(0.025 * 0.975 / 20_000))
    correlation = np.corrcoef(draws.T) - np.eye(10)
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)
    np.testing.assert_array_equal(draws, found.sample(draws=20_000, rng=1))
    assert (found.sample(draws=3, rng=2) != draws[:3]).all()
    table_of_ranks = expected_ranks(Posterior(unit=found.unit, draws=draws))
    assert table_of_ranks.loc[table_of_ranks["rank"] == 1, "unit"].item() == found.unit[found.shrunken.argmax()]


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_order_labels_cells_and_measure_do_not_count(family):
    data = table(family, 4)
    first = standardised_rates(fitted(data, family))
    renamed = data.assign(u=data["u"].map(lambda u: f"z{(7 * u + 3) % 10}")).sample(frac=1.0, random_state=0)
    place = [f"z{(7 * u + 3) % 10}" for u in range(10)]
    again = standardised_rates(fitted(renamed, family))
    order = [again.unit.tolist().index(label) for label in place]
    for name in SHRUNKEN:
        np.testing.assert_allclose(getattr(again, name)[order], getattr(first, name), rtol=1e-6)
    np.testing.assert_allclose(again.sample(draws=5)[:, order], first.sample(draws=5), rtol=1e-5)
    if family == "binomial":
        return
    scales = {"poisson": (1.0, 1e6), "gaussian": (1e8, 1e-4)}[family]
    for scale in (scales, tuple(1.0 / s for s in scales) if family == "gaussian" else (1.0, 1e-6)):
        moved = data.assign(y=data["y"] * scale[0], m=data["m"] * scale[1])
        again = standardised_rates(fitted(moved, family))
        for name in SHRUNKEN:
            np.testing.assert_allclose(getattr(again, name) * scale[1] / scale[0], getattr(first, name), rtol=1e-5)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_an_offset_that_the_slope_takes_back_changes_nothing(family):
    data = table(family, 5).assign(o=lambda d: 0.7 - 0.3 * d["x"])
    first, again = standardised_rates(fitted(data, family)), standardised_rates(fitted(data, family, offset="o"))
    for name in ("estimate", *SHRUNKEN):
        np.testing.assert_allclose(getattr(again, name), getattr(first, name), rtol=1e-6)


def test_two_units_one_of_them_large():
    data = pd.DataFrame({"u": list("aabb"), "m": [1e7, 2e7, 40.0, 50.0], "y": [3e6, 5e6, 2.0, 3.0]})
    found = standardised_rates(fitted(data, "binomial", "y ~ 1"))
    np.testing.assert_allclose(found.shrunken[0], 8 / 30, rtol=1e-6)
    np.testing.assert_allclose(found.shrunken_std_error[0], np.sqrt(8 * 22 / 30**2 / 3e7), rtol=1e-4)
    assert found.estimate[1] < found.shrunken[1] < 8 / 30


def test_a_table_pickles_and_has_fixed_columns():
    found = standardised_rates(fitted(table("poisson"), "poisson"))
    assert found.to_frame().columns.tolist() == [
        "unit", "size", "estimate", "std_error", "lower", "upper", *SHRUNKEN,
    ]  # fmt: skip
    back = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(back.sample(draws=4), found.sample(draws=4))
    assert "10 units" in repr(found)


def test_a_posterior_that_is_not_resolved_is_withheld_counted_and_named(monkeypatch):
    fit = fitted(table("binomial"), "binomial")
    monkeypatch.setattr(kernel, "_agree", lambda weights, effects: np.arange(len(weights)) != 3)
    with pytest.warns(PartialResultWarning, match="the posterior of 1 of 10 units is not resolved.*: 3"):
        found = standardised_rates(fit)
    for name in SHRUNKEN:
        np.testing.assert_array_equal(np.isnan(getattr(found, name)), np.arange(10) == 3)
    assert np.isfinite(found.estimate).all()
    np.testing.assert_array_equal(np.isnan(found.sample(draws=2)).all(axis=0), np.arange(10) == 3)


def test_a_rule_that_is_too_coarse_says_so(monkeypatch):
    assert levels("poisson", "log", np.array([0.0, 5.0, 1e9]), np.array([5.0, 5.0, 1e9]), 2.0).found.all()
    monkeypatch.setattr(kernel, "NODES", 17)
    assert not levels("poisson", "log", np.array([0.0, 5.0, 1e9]), np.array([5.0, 5.0, 1e9]), 2.0).found.any()


def test_what_cannot_be_asked_is_refused():
    data = table("binomial")
    with pytest.raises(SpecificationError, match="RandomEffects"):
        standardised_rates(FixedEffects("y ~ x", unit="u", trials="m").fit(data))
    fit = fitted(data, "binomial")
    for level in (0.0, 1.0, 95, "much"):
        with pytest.raises(SpecificationError, match="level"):
            standardised_rates(fit, level=level)
    with pytest.raises(SpecificationError, match="draws"):
        standardised_rates(fit).sample(draws=0)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_intervals_cover_on_average_over_units_and_shrunken_rates_are_closer(family):
    """20 data sets of 98 units as the model says: plug-in intervals cover nearly 95 per cent, in all 1,960 of them."""
    k, sd, inside, errors = 98, 0.5, [], []
    for seed in range(20):
        rng = np.random.default_rng((seed, 1))
        m, effect = np.round(np.exp(rng.normal(3.5, 1.0, k)) + 2), sd * rng.normal(size=k)
        x = rng.normal(size=k)
        at = -1.5 + 0.3 * x + effect
        y = rng.poisson(m * np.exp(at)) if family == "poisson" else rng.binomial(m.astype(int), plain.mean(family, at))
        data = pd.DataFrame({"u": np.arange(k), "x": x, "m": m, "y": y * 1.0})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PartialResultWarning)
            found = standardised_rates(fitted(data, family))
        truth = np.array([m @ plain.mean(family, -1.5 + 0.3 * x + u) for u in effect]) / m.sum()
        inside.append((truth > found.shrunken_lower) & (truth < found.shrunken_upper))
        errors.append(np.stack([found.shrunken - truth, found.estimate - truth]))
    coverage = np.mean(inside)
    assert abs(coverage - 0.945) < 0.02, coverage
    shrunken, unshrunken = np.sqrt(np.nanmean(np.square(errors), axis=(0, 2)))
    assert shrunken < 0.8 * unshrunken
