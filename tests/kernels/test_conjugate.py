"""Gamma and beta priors of counts against likelihoods of SciPy, plain quadrature over the prior, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import brentq, minimize
from scipy.special import polygamma, psi
from scipy.stats import beta, betabinom, gamma, nbinom

from benchmodels.errors import SpecificationError
from benchmodels.kernels.conjugate import conjugate_posterior
from benchmodels.kernels.count_prior import PriorCounts, _bent, _lifted, most_likely_prior, prior_law
from tests.lip_cancer import LIP_CANCER

O, E, AFF = (LIP_CANCER[name].to_numpy(dtype=float) for name in ("observed", "expected", "outdoor"))
# Surgical (BUGS examples, volume 1): infant cardiac surgery in 12 hospitals.
TRIALS = np.array([47, 148, 119, 810, 211, 196, 148, 215, 207, 97, 256, 360.0])
DEATHS = np.array([0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24.0])


EXACT = 1e-10


def test_scottish_lip_cancer():
    found = conjugate_posterior(O, E, np.full(56, np.inf), np.ones((56, 1)), prior="gamma", level=0.95)
    fit = sm.NegativeBinomial(O, np.ones(56), exposure=E).fit(disp=0, maxiter=500)
    assert found.strength == pytest.approx(1 / fit.params[1], rel=1e-5)
    assert found.coefficients[0] == pytest.approx(fit.params[0], abs=1e-5)
    # Taking the fitted gamma prior as known, shape a + O and rate a / m + E: near, and a little too sure.
    a, m = found.strength, found.target
    known = gamma(a + O, scale=1 / (a / m + E))
    np.testing.assert_allclose(found.mean, known.mean(), rtol=0.06)
    wider = (found.upper - found.lower) / (known.ppf(0.975) - known.ppf(0.025))
    assert (wider > 0.98).all()
    assert 1.005 < wider.mean() < 1.05
    tau2 = found.between_sd**2
    np.testing.assert_allclose(found.reliability, tau2 / (tau2 + m / E), rtol=1e-9)
    # The smallest ratios, of counties without a case, are no longer zero; the largest are drawn in.
    assert (found.mean[-2:] > 0).all()
    assert found.mean[0] < O[0] / E[0]
    design = np.column_stack([np.ones(56), AFF])
    regression = conjugate_posterior(O, E, np.full(56, np.inf), design, prior="gamma", level=0.95)
    fit = sm.NegativeBinomial(O, design, exposure=E).fit(disp=0, maxiter=500)
    np.testing.assert_allclose(regression.coefficients, fit.params[:2], rtol=1e-4)
    assert regression.strength == pytest.approx(1 / fit.params[2], rel=1e-4)
    assert regression.strength > found.strength


@pytest.mark.parametrize("q", [0, 1])
@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_marginal_likelihood_against_scipy(prior, q):
    expected = TRIALS * DEATHS.sum() / TRIALS.sum()
    design = np.ones((12, q))

    def minus(x):
        a, shift = np.exp(x[0]), x[1] if q else 0.0
        if prior == "gamma":
            mu = expected * np.exp(shift)
            return -nbinom.logpmf(DEATHS, a, a / (a + mu)).sum()
        odds = expected / (TRIALS - expected) * np.exp(shift)
        p = odds / (1 + odds)
        return -betabinom.logpmf(DEATHS, TRIALS, a * p, a * (1 - p)).sum()

    best = minimize(
        minus, np.array([3.0, 0.0][: q + 1]), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13}
    )
    found = conjugate_posterior(DEATHS, expected, TRIALS, design, prior=prior, level=0.9)
    assert np.log(found.strength) == pytest.approx(best.x[0], abs=1e-5)
    if q:
        assert found.coefficients[0] == pytest.approx(best.x[1], abs=1e-6)
    if prior == "beta":
        up, down = found.strength * found.target + DEATHS, found.strength * (1 - found.target) + TRIALS - DEATHS
        assert (np.abs(found.mean - beta.mean(up, down)) < 0.5 * found.std_error).all()
        variance = found.between_sd**2
        noise = found.target * (1 - found.target) - variance
        np.testing.assert_allclose(found.reliability, variance / (variance + noise / TRIALS), rtol=1e-9)


@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_no_more_than_chance(prior):
    size = np.full(8, 100.0)
    observed = np.array([10, 11, 9, 10, 10, 9, 11, 10.0])
    found = conjugate_posterior(observed, np.full(8, 10.0), size, np.ones((8, 1)), prior=prior, level=0.95)
    assert found.strength == np.inf
    np.testing.assert_allclose(found.target, 1.0 if prior == "gamma" else 0.1, rtol=1e-9)
    np.testing.assert_array_equal(found.reliability, 0.0)
    np.testing.assert_array_equal(found.between_sd, 0.0)
    # That no variation is most likely does not make it certain.
    assert (found.std_error > 0).all()
    np.testing.assert_array_equal(np.argsort(found.mean, kind="stable"), np.argsort(observed, kind="stable"))
    assert ((found.lower < found.target) & (found.target < found.upper)).all()


def test_large_counts_keep_their_digits():
    rng = np.random.default_rng(0)
    expected = np.exp(rng.normal(11, 1, 98))
    observed = rng.poisson(expected * rng.gamma(4e4, 1 / 4e4, 98)).astype(float)
    found = conjugate_posterior(observed, expected, expected * 3, np.ones((98, 1)), prior="gamma", level=0.95)
    # Between-unit sd of half a percent: log likelihoods differ from Poisson in the sixth digit of a.
    assert np.isfinite(found.strength)
    assert 1e4 < found.strength < 4e5
    shares = conjugate_posterior(observed, expected, expected * 3, np.ones((98, 1)), prior="beta", level=0.95)
    assert np.isfinite(shares.strength)


def plain_mixture(observed, expected, size, prior, level):
    """Mean, standard deviation and limits by a plain grid over log strength and the prior's mean, no Laplace."""
    shift = np.linspace(-1.2, 1.2, 241)[:, None]
    weight, laws = [], []
    for u in np.linspace(-16.0, 9.0, 251):
        a = np.exp(-u)
        if prior == "gamma":
            mu = expected * np.exp(shift)
            logs = nbinom.logpmf(observed, a, a / (a + mu)).sum(axis=1)
            laws.append((a + observed + 0 * mu, a / np.exp(shift) + expected))
        else:
            odds = expected / (size - expected) * np.exp(shift)
            p = odds / (1 + odds)
            logs = betabinom.logpmf(observed, size, a * p, a * (1 - p)).sum(axis=1)
            laws.append((a * p + observed, a * (1 - p) + size - observed))
        weight.append(logs + u)
    weight = np.exp(np.concatenate(weight) - np.max(weight))
    weight = weight / weight.sum()
    first, second = (np.concatenate(parts) for parts in zip(*laws, strict=True))
    kept = weight > 1e-9
    weight, first, second = weight[kept], first[kept], second[kept]
    law = [gamma(f, scale=1 / s) if prior == "gamma" else beta(f, s) for f, s in zip(first.T, second.T, strict=True)]
    mean = np.array([weight @ of.mean() for of in law])
    sd = np.sqrt([weight @ (of.var() + (of.mean() - m) ** 2) for of, m in zip(law, mean, strict=True)])
    tails = (0.5 - level / 2, 0.5 + level / 2)
    most = 20.0 if prior == "gamma" else 1.0
    limits = [[brentq(lambda x, of=of, t=t: weight @ of.cdf(x) - t, 0, most) for of in law] for t in tails]
    return mean, sd, *np.array(limits)


@pytest.mark.parametrize("case", ["surgical", "no more than chance"])
@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_the_prior_is_averaged_over_as_by_plain_quadrature(prior, case):
    size, observed = TRIALS, DEATHS
    if case != "surgical":
        size, observed = np.full(12, 200.0), np.array([20, 24, 17, 20, 18, 23, 19, 21, 20, 16, 22, 20.0])
    expected = size * observed.sum() / size.sum()
    found = conjugate_posterior(observed, expected, size, np.ones((12, 1)), prior=prior, level=0.9)
    assert np.isinf(found.strength) == (case != "surgical")
    mean, sd, lower, upper = plain_mixture(observed, expected, size, prior, 0.9)
    # Laplace's method takes the prior's mean to be normal on the link: some hundredths of a standard deviation.
    for ours, plain in [(found.mean, mean), (found.lower, lower), (found.upper, upper)]:
        np.testing.assert_allclose(ours, plain, atol=0.05 * sd.max())
    np.testing.assert_allclose(found.std_error, sd, rtol=0.02)


@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_limits_are_quantiles_of_the_draws_and_order_does_not_count(prior):
    expected = TRIALS * DEATHS.sum() / TRIALS.sum()
    design = np.column_stack([np.ones(12), np.log(TRIALS)])
    found = conjugate_posterior(DEATHS, expected, TRIALS, design, prior=prior, level=0.8)
    drawn = found.sample(draws=40_000, rng=np.random.default_rng(1), order=np.arange(12))
    np.testing.assert_allclose(drawn.mean(axis=0), found.mean, atol=4 * found.std_error.max() / 200)
    np.testing.assert_allclose(drawn.std(axis=0), found.std_error, rtol=0.05)
    np.testing.assert_allclose((drawn < found.lower).mean(axis=0), 0.1, atol=0.01)
    np.testing.assert_allclose((drawn > found.upper).mean(axis=0), 0.1, atol=0.01)
    # Units share the error of the prior.
    assert np.corrcoef(drawn[:, 0], drawn[:, 9])[0, 1] > 0.02
    order = np.random.default_rng(2).permutation(12)
    moved = conjugate_posterior(DEATHS[order], expected[order], TRIALS[order], design[order], prior=prior, level=0.8)
    np.testing.assert_allclose(moved.lower, found.lower[order], rtol=1e-6)
    again = moved.sample(draws=50, rng=np.random.default_rng(1), order=np.argsort(order))
    np.testing.assert_allclose(
        again, found.sample(draws=50, rng=np.random.default_rng(1), order=np.arange(12))[:, order]
    )


@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_derivatives_of_the_likelihood(prior):
    counts = PriorCounts(prior, DEATHS, 0.1 * TRIALS, TRIALS, np.ones((12, 1)))
    step = 1e-4

    def at(log_a, b):
        return counts.likelihood(np.exp([[log_a]]), counts.means(np.array([[b]])))

    for log_a in (0.0, 4.0, 9.0):
        _, strength, slope, sure, bend = at(log_a, -0.3)
        (
            (
                up,
                *_,
            ),
            (down, *_),
        ) = at(log_a + step, -0.3), at(log_a - step, -0.3)
        np.testing.assert_allclose(strength, (up - down) / (2 * step), rtol=1e-5, atol=1e-6)
        above, below = at(log_a, -0.3 + step), at(log_a, -0.3 - step)
        np.testing.assert_allclose(slope, (above[0] - below[0]) / (2 * step), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(bend, (below[2] - above[2]) / (2 * step), rtol=1e-5, atol=1e-6)
        assert (sure >= 0).all()


def test_weights_are_of_a_density_seen_from_end_to_end():
    counts = PriorCounts("gamma", O, E, E, np.ones((56, 1)))
    law = prior_law(counts, most_likely_prior(counts))
    assert law.weight.sum() == pytest.approx(1, rel=EXACT)
    assert 10 <= len(law.weight) <= 19
    assert max(law.weight[[0, -1]]) < 1e-2
    steps = np.diff(np.log(law.strength))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)


def test_differences_of_polygammas_keep_their_digits():
    for a in (0.3, 900.0, 1001.0, 1e6, 1e12):
        a_ = np.array(a)
        for count in (1.0, 2.0, 40.0):
            j = np.arange(count)
            assert float(_lifted(a_, np.array(count))) == pytest.approx((1 / (a + j)).sum(), rel=1e-11)
            assert float(_bent(a_, np.array(count))) == pytest.approx((1 / (a + j) ** 2).sum(), rel=1e-9)
    assert float(_lifted(np.array(1e4), np.array(3e5))) == pytest.approx(psi(3.1e5) - psi(1e4), rel=1e-12)
    assert float(_bent(np.array(1e4), np.array(3e5))) == pytest.approx(
        polygamma(1, 1e4) - polygamma(1, 3.1e5), rel=1e-11
    )


@pytest.mark.parametrize("prior", ["gamma", "beta"])
@pytest.mark.parametrize("size", [3e1, 1e9])
def test_extreme_sizes(prior, size):
    rng = np.random.default_rng(5)
    size = np.round(size * np.exp(rng.normal(0, 1, 30))) + 2
    observed = rng.binomial(size.astype(int), 0.1 * np.exp(0.2 * rng.normal(size=30))).astype(float)
    found = conjugate_posterior(observed, 0.09 * size, size, np.ones((30, 1)), prior=prior, level=0.95)
    assert ((found.lower < found.mean) & (found.mean < found.upper) & (found.std_error > 0)).all()
    if size.min() > 1e6:
        np.testing.assert_allclose(found.mean, observed / size / (0.09 if prior == "gamma" else 1), rtol=1e-6)


def test_too_few_units_with_cases_are_told():
    observed, size = np.array([0, 0, 3, 0, 5, 0.0]), np.full(6, 100.0)
    with pytest.raises(SpecificationError, match="2 of 6 units have some cases; .* needs 3"):
        conjugate_posterior(observed, size / 50, size, np.ones((6, 1)), prior="gamma", level=0.95)
    with pytest.raises(SpecificationError, match="1 of 6 units have some cases, but not all; .* needs 2"):
        conjugate_posterior(
            np.array([0, 0, 3, 0, 100, 0.0]), size / 50, size, np.ones((6, 0)), prior="beta", level=0.95
        )


def country(rng, *, prior, kind, sd):
    """98 units with 3 to 1,000 expected cases, whose practice varies on the scale of logs or logits."""
    size, share = np.round(np.exp(rng.normal(6.5, 1.2, 98))), rng.uniform(0.04, 0.08, 98)
    effect = rng.normal(size=98) if kind == "normal" else np.where(rng.random(98) < 0.1, 3.0, -1 / 3)
    if prior == "gamma":
        truth = np.exp(sd * effect)
        return size, size * share, rng.poisson(size * share * truth).astype(float), truth
    truth = 1 / (1 + (1 - share) / share * np.exp(-sd * effect))
    return size, size * share, rng.binomial(size.astype(int), truth).astype(float), truth


def coverage(*, prior, kind, sd, draws, seed=5):
    rng, covered = np.random.default_rng(seed), []
    for _ in range(draws):
        size, expected, observed, truth = country(rng, prior=prior, kind=kind, sd=sd)
        found = conjugate_posterior(observed, expected, size, np.ones((98, 1)), prior=prior, level=0.95)
        covered.append(np.mean((found.lower <= truth) & (truth <= found.upper)))
    return np.mean(covered), np.std(covered) / np.sqrt(draws)


@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_intervals_cover_where_the_prior_is_hardly_known(prior):
    mean, error = coverage(prior=prior, kind="normal", sd=0.1, draws=12)
    assert mean > 0.95 - 4 * error
    assert error < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("kind", ["normal", "two points"])
@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_intervals_cover_on_average(prior, kind, sd):
    mean, error = coverage(prior=prior, kind=kind, sd=sd, draws=500)
    print(f"{prior} {kind} sd={sd}: {mean:.4f} ({error:.4f})")
    # A prior of another shape than the effects' costs up to a point.
    assert mean > (0.95 if kind == "normal" else 0.935) - 4 * error
    assert mean < 0.962
