"""Bayesian random effects, default engine: posteriors against brute force, and what is read from them."""

import pickle
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logsumexp
from scipy.stats import halfnorm, kstest, norm

from benchmodels import RandomEffects, rank
from benchmodels.adjustment.bayesian import BayesianRandomEffects, PosteriorDraws, Prior, importance
from benchmodels.adjustment.bayesian.importance import sample_importance, smoothed
from benchmodels.adjustment.bayesian.model import problem
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError

SMALL = pd.DataFrame({"unit": list("abcdefgh"), "y": [0, 1, 0, 2, 0, 5, 1, 3], "n": [3, 4, 2, 2, 5, 6, 7, 8]})


def table(seed=1, k=60, slope=0.4):
    rng = np.random.default_rng(seed)
    unit = np.repeat([f"u{i:02d}" for i in range(k)], 3)
    x = rng.normal(size=3 * k)
    n = rng.integers(100, 900, 3 * k)
    u = np.repeat(rng.normal(0.0, 0.3, k), 3)
    y = rng.binomial(n, expit(-2.0 + slope * x + u))
    return pd.DataFrame({"unit": unit, "x": x, "n": n, "y": y})


@pytest.fixture(scope="module")
def fit():
    return BayesianRandomEffects("y ~ x", unit="unit", trials="n", draws=2000, rng=3).fit(table())


def costs(seed=2, k=15):
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, k, 200)
    x = rng.normal(size=200) + 0.1 * unit
    y = 1000.0 + 50.0 * x + 30.0 * rng.normal(size=k)[unit] + 60.0 * rng.normal(size=200)
    return pd.DataFrame({"unit": unit, "x": x, "y": y})


def brute(y, n, prior, family):
    """Posterior means and standard deviations of level, unit_sd and effects by sums over grids of three variables."""
    level = np.linspace(-9.0, 6.0, 121)
    sd = np.linspace(1e-3, 4.5, 91)
    z = np.linspace(-7.0, 7.0, 141)
    weight = norm.pdf(z)
    log_post = norm.logpdf(level, 0.0, prior.intercept_sd)[:, None] + halfnorm.logpdf(sd, scale=prior.unit_sd_scale)
    u = sd[:, None] * z
    effects = []
    for o, m in zip(y, n, strict=True):
        eta = level[:, None, None] + u
        log_l = o * eta - m * (np.logaddexp(0.0, eta) if family == "binomial" else np.exp(eta))
        there = np.exp(log_l - log_l.max()) * weight
        total = there.sum(axis=2)
        log_post = log_post + np.log(np.maximum(total, 1e-300))
        effects.append((there * u).sum(axis=2) / np.maximum(total, 1e-300))
    p = np.exp(log_post - log_post.max())
    p /= p.sum()
    first = [float(p.sum(1) @ level), float(p.sum(0) @ sd), *(float((p * e).sum()) for e in effects)]
    second = [float(p.sum(1) @ level**2), float(p.sum(0) @ sd**2)]
    return np.array(first), np.sqrt(np.array(second) - np.array(first[:2]) ** 2)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_few_small_units_are_as_brute_force_has_them(family):
    """A table where unit_sd may be zero, and units have nothing or everything: no approximation would pass."""
    prior = Prior(intercept_sd=2.0, unit_sd_scale=0.8)
    roles = {"trials": "n"} if family == "binomial" else {"exposure": "n", "family": "poisson"}
    model = BayesianRandomEffects("y ~ 1", unit="unit", prior=prior, **roles)
    found = replace(problem(model, SMALL), intercept_center=0.0)
    draws = sample_importance(found, draws=4000, rng=np.random.default_rng(1))
    mean, sd = brute(SMALL["y"], SMALL["n"], prior, family)
    values = np.column_stack([draws.intercept, draws.unit_sd, draws.effects])
    error = values.std(axis=0) / np.sqrt(min(draws.diagnostics.ess.values()))
    assert np.all(np.abs(values.mean(axis=0) - mean) < 4.0 * error)
    np.testing.assert_allclose(values[:, :2].std(axis=0), sd, rtol=0.06)
    assert draws.diagnostics.khat < 0.5


def test_a_gaussian_posterior_is_as_brute_force_has_it():
    data = costs(k=4).head(14)
    model = BayesianRandomEffects("y ~ 1", unit="unit", family="gaussian", draws=4000, rng=2)
    fit = model.fit(data)
    found, y = fit._problem, data["y"].to_numpy()
    scale = y.std()
    same = data["unit"].to_numpy()[:, None] == data["unit"].to_numpy()
    sd, residual = np.linspace(0.0, 4.5, 60) * scale, np.linspace(0.3, 3.5, 90) * scale
    log_post = np.empty((60, 90))
    for i, s in enumerate(sd):
        for j, r in enumerate(residual):
            v = r**2 * np.eye(14) + s**2 * same + found.intercept_sd**2
            a = y - y.mean()
            log_post[i, j] = -0.5 * (np.linalg.slogdet(v)[1] + a @ np.linalg.solve(v, a))
    log_post += halfnorm.logpdf(sd, scale=scale)[:, None] + halfnorm.logpdf(residual, scale=scale)
    p = np.exp(log_post - log_post.max())
    p /= p.sum()
    draws = fit.draws
    for values, expected in ((draws.unit_sd, p.sum(1) @ sd), (draws.residual_sd, p.sum(0) @ residual)):
        assert abs(values.mean() - expected) < 5.0 * values.std() / np.sqrt(3000) + 0.01 * scale


def test_without_rows_that_count_the_prior_comes_back():
    prior = Prior(intercept_sd=1.5, slope_sd=0.7, unit_sd_scale=0.4)
    found = problem(BayesianRandomEffects("y ~ x", unit="unit", trials="n", prior=prior), table(k=6))
    empty = replace(found, outcome=0.0 * found.outcome, size=0.0 * found.size)
    draws = sample_importance(empty, draws=2000, rng=np.random.default_rng(3))
    assert kstest(draws.unit_sd, halfnorm(scale=0.4).cdf).pvalue > 1e-3
    assert kstest(draws.intercept, norm(0.0, 1.5).cdf).pvalue > 1e-3
    assert kstest(draws.slopes[:, 0] * found.scale[0], norm(0.0, 0.7).cdf).pvalue > 1e-3
    assert kstest(draws.effects[:, 2] / draws.unit_sd, "norm").pvalue > 1e-3


def test_much_data_leave_little_of_the_prior(fit):
    ml = RandomEffects("y ~ x", unit="unit", trials="n").fit(table())
    expected, found = ml.coefficients(), fit.coefficients()
    assert list(found.columns) == list(expected.columns) and found["name"].tolist() == expected["name"].tolist()
    assert np.all(np.abs(found["estimate"] - expected["estimate"]) < 0.2 * expected["std_error"])
    np.testing.assert_allclose(found["std_error"], expected["std_error"], rtol=0.1)
    np.testing.assert_allclose(found[["lower", "upper"]], expected[["lower", "upper"]], atol=0.03)
    lower, upper = ml.unit_sd_interval()
    assert lower < fit.draws.unit_sd.mean() < upper
    shrunken = ml.unit_effects()["shrunken"].to_numpy()
    np.testing.assert_allclose(fit.unit_effects()["mean"], shrunken, atol=0.06)


def test_the_unit_of_measure_is_of_no_consequence():
    data = costs()
    model = BayesianRandomEffects("y ~ x", unit="unit", family="gaussian", draws=200, rng=5)
    once = model.fit(data).draws
    again = model.fit(data.assign(y=1000.0 * data["y"] - 7.0, x=data["x"] / 12.0 + 3.0)).draws
    np.testing.assert_allclose(again.slopes, 12_000.0 * once.slopes, rtol=1e-5)
    np.testing.assert_allclose(again.unit_sd, 1000.0 * once.unit_sd, rtol=1e-5, atol=1e-3)
    counted = table(k=8)
    model = BayesianRandomEffects("y ~ x", unit="unit", exposure="n", family="poisson", draws=200, rng=5)
    once = model.fit(counted).draws
    again = model.fit(counted.assign(n=counted["n"] * 365.25)).draws
    np.testing.assert_allclose(again.effects, once.effects, atol=1e-5)
    np.testing.assert_allclose(again.intercept, once.intercept - np.log(365.25), rtol=1e-6)
    # A total over an exposure: the residual's prior must not go by what exposure is counted in.
    spent = data.assign(n=1.0 + np.arange(len(data)) % 7).assign(y=lambda d: d["y"] * d["n"])
    model = BayesianRandomEffects("y ~ x", unit="unit", exposure="n", family="gaussian", draws=200, rng=5)
    once = model.fit(spent).draws
    again = model.fit(spent.assign(n=spent["n"] * 1000.0)).draws
    np.testing.assert_allclose(again.slopes, once.slopes / 1000.0, rtol=1e-4)
    np.testing.assert_allclose(again.residual_sd, once.residual_sd / np.sqrt(1000.0), rtol=1e-4)


def test_the_same_seed_gives_the_same_draws_whatever_the_order_of_rows():
    data = table(k=8)
    before = data.copy()
    model = BayesianRandomEffects("y ~ x", unit="unit", trials="n", draws=200, rng=5)
    once, again = model.fit(data), model.fit(data.sample(frac=1.0, random_state=1))
    np.testing.assert_allclose(once.draws.effects, again.draws.effects, atol=1e-6)
    pd.testing.assert_frame_equal(data, before)
    other = replace(model, rng=6).fit(data)
    assert not np.allclose(other.draws.unit_sd, once.draws.unit_sd)
    there = pickle.loads(pickle.dumps(once))
    assert not there.draws.effects.flags.writeable and repr(there) == repr(once) and once.rng == "5"


def test_slopes_within_units_leave_what_is_between_in_the_effect():
    data = table(k=40, slope=0.3)
    shift = data["unit"].str[1:].astype(int) / 20.0 - 1.0
    rng = np.random.default_rng(6)
    data["x"] += shift
    data["y"] = rng.binomial(data["n"], expit(-2.0 + 0.3 * (data["x"] - shift) - 0.4 * shift))
    fit = BayesianRandomEffects("y ~ x", unit="unit", trials="n", slopes="within", draws=600).fit(data)
    ml = RandomEffects("y ~ x", unit="unit", trials="n", slopes="within").fit(data)
    coefficients, expected = fit.coefficients(), ml.coefficients()
    assert coefficients["term"].tolist() == expected["term"].tolist()
    assert np.all(np.abs(coefficients["estimate"] - expected["estimate"]) < 0.4 * expected["std_error"])
    np.testing.assert_allclose(fit.unit_effects()["mean"], ml.unit_effects()["shrunken"], atol=0.1)
    compared = fit.compare(contrast="ratio", level=0.9)
    plain = ml.compare(contrast="ratio", reference="all")
    np.testing.assert_allclose(compared.expected, plain.expected, rtol=0.02)


def test_units_with_nothing_or_everything_and_a_category_without_events():
    data = pd.DataFrame({"unit": list("aabbccdd"), "x": list("pqpqpqpq"), "n": [40, 9] * 4})
    data["y"] = [0, 0, 40, 0, 5, 0, 9, 0]
    fit = BayesianRandomEffects("y ~ x", unit="unit", trials="n", draws=1000).fit(data)
    effects = fit.unit_effects()["mean"]
    assert fit.draws.diagnostics.khat < 0.7 and np.isfinite(fit.draws.effects).all()
    assert effects.idxmin() == 0 and effects.idxmax() == 1
    compared = fit.compare(contrast="ratio")
    assert np.all(compared.lower > 0) and np.all(np.isfinite(compared.upper))


def test_exact_agreement_of_units_leaves_the_spread_near_zero():
    data = pd.DataFrame({"unit": [f"u{i}" for i in range(30)], "y": 50, "n": 500})
    draws = BayesianRandomEffects("y ~ 1", unit="unit", trials="n", draws=1000).fit(data).draws
    # The mode is at zero: the smallest draws are near it, as a half-normal's are, and none is pushed away.
    assert np.quantile(draws.unit_sd, 0.1) < 0.02 and draws.unit_sd.mean() < 0.08
    assert draws.diagnostics.khat < 0.5


def test_comparisons_are_draws_of_the_true_contrast(fit):
    data = table()
    observed = data.groupby("unit")["y"].sum().to_numpy()
    compared = fit.compare(contrast="ratio", better="low")
    assert compared.replicate_kind == "draws" and compared.replicates.shape == (2000, 60)
    np.testing.assert_array_equal(compared.observed, observed)
    np.testing.assert_allclose(compared.estimate, compared.replicates.mean(axis=0), rtol=1e-12)
    # Plain, at one draw.
    draws, d = fit.draws, 17
    eta = draws.intercept[d] + (data["x"] - fit._problem.center[0]) * draws.slopes[d, 0]
    own = (data["n"] * expit(eta + np.repeat(draws.effects[d], 3))).groupby(data["unit"]).sum().to_numpy()
    z, w = np.polynomial.hermite_e.hermegauss(32)

    def expected(a):
        mu = expit(eta.to_numpy()[:, None] + a + draws.unit_sd[d] * z) @ (w / w.sum())
        return (data["n"] * mu).groupby(data["unit"]).sum().to_numpy()

    a = 0.0
    for _ in range(60):
        a += np.log(own.sum() / expected(a).sum())
    np.testing.assert_allclose(compared.replicates[d], own / expected(a), rtol=1e-6)
    difference = fit.compare()
    size = data.groupby("unit")["n"].sum().to_numpy()
    np.testing.assert_allclose((difference.replicates * size).sum(axis=1), 0.0, atol=1e-5)
    rate = fit.compare(contrast="rate")
    np.testing.assert_allclose(rate.replicates, compared.replicates * rate.null, rtol=1e-10)
    # Shrunken to one: nearer than the plain ratio on average, and its intervals cover the plain ratio mostly.
    plain = observed / compared.expected
    assert np.mean(np.abs(compared.estimate - 1.0)) < np.mean(np.abs(plain - 1.0))
    assert np.mean((compared.lower < plain) & (plain < compared.upper)) > 0.9


def test_direct_comparisons_have_one_population(fit):
    data = table()
    compared = fit.compare(standard="direct", contrast="rate", level=0.8)
    draws, d = fit.draws, 5
    eta = draws.intercept[d] + (data["x"].to_numpy() - fit._problem.center[0]) * draws.slopes[d, 0]
    n = data["n"].to_numpy()
    own = np.array([n @ expit(eta + u) / n.sum() for u in draws.effects[d]])
    mean = (n * expit(eta + np.repeat(draws.effects[d], 3))).sum() / n.sum()
    np.testing.assert_allclose(compared.replicates[d], own / mean * compared.null, rtol=1e-8)
    ranking = rank(compared, level=0.9)
    assert np.all(ranking.lower <= ranking.upper) and len(ranking) == 60
    inside = (compared.replicates > compared.lower) & (compared.replicates < compared.upper)
    np.testing.assert_allclose(inside.mean(axis=0), 0.8, atol=0.002)


def test_a_ratio_is_withheld_where_there_is_none():
    data = costs()
    data["y"] -= data["y"].mean()
    fit = BayesianRandomEffects("y ~ x", unit="unit", family="gaussian", draws=200).fit(data)
    with pytest.warns(PartialResultWarning, match="no ratio"):
        compared = fit.compare(contrast="ratio")
    lost = compared.withheld != ""
    assert lost.any() and np.isnan(compared.estimate[lost]).all() and np.isnan(compared.replicates[:, lost]).all()
    assert np.isfinite(fit.compare().estimate).all()


def test_chances_and_ranks_are_shares_of_draws(fit):
    effects = fit.effects
    found = fit.exceedance(margin=0.1)
    np.testing.assert_allclose(found["above"], (effects > 0.1).mean(axis=0))
    np.testing.assert_allclose(found["below"], (effects < -0.1).mean(axis=0))
    ranks = fit.ranks(tau=5, better="low")
    order = np.argsort(np.argsort(effects, axis=1), axis=1) + 1
    np.testing.assert_allclose(ranks["expected_rank"], order.mean(axis=0))
    np.testing.assert_allclose(ranks["among"], (order <= 5).mean(axis=0))
    with pytest.raises(SpecificationError, match="margin"):
        fit.exceedance(margin=-1.0)
    with pytest.raises(SpecificationError, match="tau"):
        fit.ranks(tau=61)


def test_a_unit_left_out_is_as_when_it_is_left_out():
    """Weights against literal fits without the unit."""
    data = table(k=20)
    prior = Prior(intercept_sd=2.0)
    model = BayesianRandomEffects("y ~ 1", unit="unit", trials="n", draws=2000, prior=prior)
    found = model.fit(data).leave_one_unit_out()
    assert found["unit"].tolist() == sorted(set(data["unit"])) and (found["khat"] < 0.7).all()
    z, w = np.polynomial.hermite_e.hermegauss(201)
    for i, unit in enumerate(found["unit"][:3]):
        own = data["unit"] == unit
        rest = model.fit(data[~own]).draws
        o, m = float(data["y"][own].sum()), float(data["n"][own].sum())
        eta = rest.intercept[:, None] + rest.unit_sd[:, None] * z
        log_l = logsumexp(o * eta - m * np.logaddexp(0.0, eta), b=w / w.sum(), axis=1)
        assert found["elpd"][i] == pytest.approx(logsumexp(log_l) - np.log(2000), abs=0.15)


def test_a_unit_that_tells_too_much_is_named():
    data = table(k=10)
    data.loc[data["unit"] == "u08", "y"] = data["n"]
    with pytest.warns(PartialResultWarning, match="1 of 10 units.*'u08'"):
        found = BayesianRandomEffects("y ~ 1", unit="unit", trials="n", draws=2000).fit(data).leave_one_unit_out()
    assert found["khat"].idxmax() == 8


def test_a_tree_is_what_arviz_reads(fit):
    import arviz_stats

    tree = fit.to_datatree(rng=1)
    groups = {name.strip("/") for name in tree.groups}
    assert {"posterior", "log_likelihood", "posterior_predictive", "observed_data"} <= groups
    assert tree["posterior"]["slopes"].sel(term="x").shape == (1, 2000)
    predicted = tree["posterior_predictive"]["outcome"].sel(unit="u03").to_numpy()
    observed = float(tree["observed_data"]["outcome"].sel(unit="u03"))
    assert abs(predicted.mean() - observed) < 3.0 * predicted.std()
    summary = arviz_stats.summary(tree, var_names=["unit_sd", "slopes"], ci_prob=0.9, ci_kind="eti", round_to="none")
    np.testing.assert_allclose(float(summary.loc["unit_sd", "mean"]), fit.draws.unit_sd.mean(), rtol=1e-6)
    known = fit.summary(level=0.9)
    assert list(known.columns) == ["name", "mean", "sd", "lower", "upper", "ess", "rhat", "khat"]
    np.testing.assert_allclose(known["mean"].iloc[-1], fit.draws.unit_sd.mean())
    gaussian = BayesianRandomEffects("y ~ 1", unit="unit", family="gaussian", draws=200).fit(costs())
    assert "slopes" not in gaussian.to_datatree()["posterior"]
    assert (gaussian.leave_one_unit_out()["khat"] < 0.7).all()


def test_weights_are_smoothed_with_the_right_sign():
    rng = np.random.default_rng(8)
    x = rng.standard_t(4, 4000)
    from scipy.stats import t

    weights, khat = smoothed(norm.logpdf(x) - t(4).logpdf(x))
    assert khat < 0.3 and abs(weights @ x**2 - 1.0) < 0.1
    z = rng.normal(size=4000)
    assert smoothed(t(2).logpdf(z * 0.5) - norm.logpdf(z * 0.5, scale=0.5))[1] > 0.7
    whole, _ = smoothed(np.r_[np.zeros(999), -np.inf])
    assert whole[-1] == 0.0 and np.isclose(whole.sum(), 1.0)


def test_an_untrustworthy_answer_says_so(monkeypatch):
    monkeypatch.setattr(importance, "smoothed", lambda ratio: (np.full(len(ratio), 1.0 / len(ratio)), 0.83))
    with pytest.warns(PartialResultWarning, match=r"k-hat\) of 0\.83.*engine='nuts'"):
        BayesianRandomEffects("y ~ 1", unit="unit", trials="n", draws=100).fit(SMALL)


def test_the_sampler_takes_the_same_problem(monkeypatch):
    taken = {}

    def sample(found, *, draws, rng):
        taken["problem"] = found
        return PosteriorDraws(
            names=found.names,
            intercept=rng.normal(size=draws),
            slopes=np.zeros((draws, 0)),
            unit_sd=np.ones(draws),
            effects=rng.normal(size=(draws, len(found.units))),
            chains=2,
            engine="nuts",
        )

    module = type(sys)("benchmodels.adjustment.bayesian.sampled")
    module.sample = sample
    monkeypatch.setitem(sys.modules, module.__name__, module)
    fit = BayesianRandomEffects("y ~ 1", unit="unit", trials="n", engine="nuts", draws=100).fit(SMALL)
    assert fit.draws.chains == 2 and taken["problem"].columns.shape == (8, 0) and "nuts" in repr(fit)
    assert np.isnan(fit.summary()["khat"]).all()
    assert fit.to_datatree()["posterior"]["effects"].shape == (2, 50, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        assert np.isfinite(fit.leave_one_unit_out()["elpd"]).all()


@pytest.mark.parametrize(
    "change, match",
    [
        ({"family": "gamma", "trials": None}, "takes family"),
        ({"sampling_weights": "n", "trials": None}, "sampling_weights"),
        ({"engine": "gibbs"}, "engine"),
        ({"slopes": "random"}, "slopes"),
        ({"prior": 2.0}, "prior"),
        ({"draws": 10}, "draws"),
        ({"draws": 1000.5}, "draws"),
        ({"rng": "seed"}, "rng"),
    ],
)
def test_what_cannot_be_asked(change, match):
    asked = {"unit": "unit", "trials": "n", **change}
    with pytest.raises(SpecificationError, match=match):
        BayesianRandomEffects("y ~ 1", **asked).fit(SMALL)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf, np.nan, "1", True])
def test_a_prior_has_scales_above_zero(bad):
    with pytest.raises(SpecificationError, match="unit_sd_scale"):
        Prior(unit_sd_scale=bad)


def test_what_is_wrong_with_a_table():
    model = BayesianRandomEffects("y ~ x + z", unit="unit", trials="n")
    data = table(k=6)
    with pytest.raises(DataError, match="z"):
        model.fit(data.assign(z=2.0 * data["x"] + 1.0))
    with pytest.raises(DataError, match="zero in every row"):
        model.fit(data.assign(z=data["x"] ** 2, y=0))
    with pytest.raises(DataError):
        PosteriorDraws(
            names=(), intercept=np.zeros(3), slopes=np.zeros((3, 0)), unit_sd=np.array([1.0, np.nan, 1.0]),
            effects=np.zeros((3, 2)), engine="nuts",
        )  # fmt: skip


def test_constants_of_a_count_are_left_out():
    """One unit's density at a point, by hand, so that the sum over units compares models of one table."""
    fit = BayesianRandomEffects("y ~ 1", unit="unit", exposure="n", family="poisson", draws=200).fit(SMALL)
    from benchmodels.adjustment.bayesian.held_out import unit_log_likelihood

    found, draws = unit_log_likelihood(fit), fit.draws
    u = np.linspace(-12.0, 12.0, 20_001) * draws.unit_sd[7]
    eta = draws.intercept[7] + u
    plain = np.exp(5.0 * eta - 6.0 * np.exp(eta)) * norm.pdf(u, scale=draws.unit_sd[7])
    assert found[7, 5] == pytest.approx(np.log(plain.sum() * (u[1] - u[0])), abs=5e-3)


def test_imports_stay_light():
    heavy = ("arviz_stats", "xarray", "jax")
    code = f"import sys, benchmodels.adjustment.bayesian; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_what_is_shrunken_already_is_not_shrunken_again(fit) -> None:
    from benchmodels import expected_ranks, report_card, second_step, shrink

    comparison = fit.compare(contrast="difference")
    choices = pd.DataFrame({"unit": comparison.unit, "choice": np.arange(len(comparison)) % 2})
    with pytest.raises(SpecificationError, match="shrink takes estimates that are each unit's own"):
        shrink(comparison)
    with pytest.raises(SpecificationError, match="second_step takes estimates that are each unit's own"):
        second_step(comparison, choices, ["choice"], unit="unit")
    for what in (expected_ranks, report_card):
        with pytest.raises(SpecificationError, match="takes a Posterior, and this is a Comparison"):
            what(comparison)
