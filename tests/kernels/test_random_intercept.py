"""Random-intercept quadrature against plain integrals, its own differences, published figures and lme4."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import log_ndtr, xlogy

from benchmodels.errors import ConvergenceError, SpecificationError
from benchmodels.kernels import quadrature
from benchmodels.kernels.likelihood import log_likelihood_terms, row_likelihood
from benchmodels.kernels.random_intercept import (
    fit_random_intercept,
    log_likelihood,
    mixed_chi2_p,
    profile_unit_sd,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
MODELS = [("binomial", "logit"), ("binomial", "probit"), ("binomial", "cloglog"), ("poisson", "log")]
MEAN = {
    "logit": lambda eta: 1.0 / (1.0 + np.exp(-eta)),
    "probit": stats.norm.cdf,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
    "log": np.exp,
}
models = pytest.mark.parametrize(("family", "link"), MODELS)


def problem(link, *, k=12, per=6, p=2, sd=0.5, level=-0.7, size=6, seed=0):
    """Rows sorted by unit, of unequal numbers and sizes, with an offset."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(k), rng.integers(1, 2 * per, k))
    n = len(unit)
    columns = rng.normal(size=(n, p)) + 0.3 * (unit % 3)[:, None]
    sizes = rng.integers(1, size + 1, n).astype(float)
    offset = 0.2 * rng.normal(size=n)
    eta = level + columns @ np.linspace(0.4, -0.3, p) + offset + (sd * rng.normal(size=k))[unit]
    mean = MEAN[link](eta)
    outcome = rng.poisson(sizes * mean) if link == "log" else rng.binomial(sizes.astype(int), mean)
    return columns, outcome.astype(float), sizes, offset, unit, k


def plain_terms(link, eta, outcome, size):
    """Row log-likelihoods as in a textbook."""
    if link == "log":
        return outcome * eta - size * np.exp(eta)
    mean = MEAN[link](eta)
    return xlogy(outcome, mean) + xlogy(size - outcome, 1.0 - mean)


def plain_log_likelihood(link, data, slopes, level, unit_sd):
    """One integral a unit, by adaptive subdivision of a wide range."""
    columns, outcome, size, offset, unit, units = data
    total = 0.0
    for i in range(units):
        own = unit == i
        eta = level + columns[own] @ slopes + offset[own]

        def log_density(u, own=own, eta=eta):
            return plain_terms(link, eta + u, outcome[own], size[own]).sum() + stats.norm.logpdf(u, scale=unit_sd)

        grid = np.linspace(-8 * unit_sd, 8 * unit_sd, 401)
        values = np.array([log_density(u) for u in grid])
        top, mode = values.max(), grid[values.argmax()]
        mass, _ = integrate.quad(
            lambda u, top=top, f=log_density: np.exp(f(u) - top),
            *(-8 * unit_sd, 8 * unit_sd),
            points=[mode - 0.3 * unit_sd, mode, mode + 0.3 * unit_sd],
            epsabs=1e-13,
            epsrel=1e-13,
            limit=400,
        )
        total += top + np.log(mass)
    return total


def fitted(data, family, link, **options):
    found = fit_random_intercept(*data, family=family, link=link, **options)
    assert found.certificate.converged
    return found


def parameters(found):
    return np.r_[found.slopes, found.level, np.log(found.unit_sd)]


def std_errors(found):
    return np.sqrt(np.diag(np.linalg.inv(found.information)))


def score(data, family, link, theta, nodes):
    """Gradient, and per-unit scores, at any parameters."""
    rows = quadrature.unit_rows(*data[:5], family, link)
    at = quadrature.place(rows, theta[:-2], theta[-2], np.exp(theta[-1]), nodes, np.zeros(len(rows.starts)))
    return at, quadrature.differentiate(rows, at)


# --- rows ---


@models
def test_terms_agree_with_the_textbook_and_their_own_differences(family, link):
    eta = np.linspace(-6.0, 2.5, 30)
    size = np.resize([1.0, 7.0, 0.0, 2.5], 30)
    outcome = np.floor(size * np.resize([0.0, 0.4, 1.0], 30))
    value, first, second = log_likelihood_terms(family, link, eta, outcome, size)
    np.testing.assert_allclose(value, plain_terms(link, eta, outcome, size), rtol=1e-12, atol=1e-12)
    terms, h = row_likelihood(family, link), 1e-5
    up, down = (log_likelihood_terms(family, link, eta + s, outcome, size) for s in (h, -h))
    np.testing.assert_allclose((up[0] - down[0]) / (2 * h), first, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose((down[1] - up[1]) / (2 * h), second, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose((up[2] - down[2]) / (2 * h), terms.third(eta, outcome, size), rtol=1e-6, atol=1e-8)
    for part in (value, first, second):
        assert np.all(part[size == 0] == 0)


@models
def test_terms_are_stable_far_out(family, link):
    far = np.array([-700.0, -300.0, -40.0, 40.0, 300.0, 700.0])
    for outcome in (0.0, 1.0):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            terms = log_likelihood_terms(family, link, far, np.full(6, outcome), np.ones(6))
            third = row_likelihood(family, link).third(far, np.full(6, outcome), np.ones(6))
        assert all(np.isfinite(part).all() for part in (*terms, third))
        assert np.all(terms[2] >= 0)
    expected = {
        "logit": np.where(far < 0, far, 0.0),
        "probit": log_ndtr(far),
        "cloglog": np.where(far < 0, far, 0.0),
        "log": far - np.exp(far),
    }[link]
    found = log_likelihood_terms(family, link, far, np.ones(6), np.ones(6))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@models
def test_link_undoes_mean(family, link):
    eta = np.linspace(-5.0, 1.5, 20)
    np.testing.assert_allclose(row_likelihood(family, link).link(MEAN[link](eta)), eta, rtol=1e-9)


def test_unknown_link_is_named():
    with pytest.raises(SpecificationError, match="cauchit"):
        log_likelihood_terms("binomial", "cauchit", np.zeros(1), np.zeros(1), np.ones(1))


# --- log-likelihood ---


@models
@pytest.mark.parametrize("sd", [0.05, 0.5, 1.5])
def test_log_likelihood_is_the_plain_integral(family, link, sd):
    data = problem(link, k=6, per=5, sd=sd)
    slopes, level = np.array([0.3, -0.2]), -0.5
    exact = plain_log_likelihood(link, data, slopes, level, sd)
    errors = [
        abs(log_likelihood(*data, slopes, level, sd, family=family, link=link, nodes=q) - exact) for q in (1, 5, 61)
    ]
    assert errors[2] < 1e-9
    assert errors[0] >= errors[1] >= errors[2] - 1e-9


@models
def test_zero_sd_is_the_pooled_model_and_the_limit(family, link):
    data = problem(link)
    slopes, level = np.array([0.3, -0.2]), -0.5
    columns, outcome, size, offset, *_ = data
    zero = log_likelihood(*data, slopes, level, 0.0, family=family, link=link, nodes=9)
    plain = plain_terms(link, level + columns @ slopes + offset, outcome, size).sum()
    assert zero == pytest.approx(plain, rel=1e-12)
    near = log_likelihood(*data, slopes, level, 1e-4, family=family, link=link, nodes=9)
    assert near == pytest.approx(zero, abs=1e-4)


def test_absurd_parameters_raise():
    data = problem("logit")
    with pytest.raises(ConvergenceError):
        log_likelihood(*data, np.array([np.inf, 0.0]), 0.0, 1.0, family="binomial", link="logit", nodes=5)


# --- score and information ---


@models
@pytest.mark.parametrize("nodes", [1, 5, 9])
def test_score_is_that_of_the_quadrature(family, link, nodes):
    """Any number of nodes, one (Laplace) too: no other gradient vanishes where the log-likelihood is largest."""
    data = problem(link, k=8, per=3, sd=1.2)
    theta, h = np.array([0.2, -0.4, -0.4, np.log(0.9)]), 1e-5
    found = score(data, family, link, theta, nodes)[1].unit_scores.sum(axis=0)
    for j in range(4):
        step = h * np.eye(4)[j]
        up, down = (score(data, family, link, theta + s, nodes)[0].value for s in (step, -step))
        assert found[j] == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-6)


@models
def test_fixed_nodes_miss_less_of_the_score_the_more_they_are(family, link):
    data = problem(link, k=8, per=3, sd=1.2)
    theta = np.array([0.2, -0.4, -0.4, np.log(0.9)])
    missed = [np.abs(score(data, family, link, theta, nodes)[1].drift).max() for nodes in (1, 5, 9, 15, 61)]
    assert all(a > 2 * b for a, b in zip(missed[:-1], missed[1:], strict=True))
    assert missed[-1] < 1e-8


@models
def test_information_is_minus_the_derivative_of_the_score(family, link):
    data = problem(link, k=8, per=3, sd=1.2)
    theta, h = np.array([0.2, -0.4, -0.4, np.log(1.2)]), 1e-4

    def missed(nodes):
        found = score(data, family, link, theta, nodes)[1].information
        scores = [
            [score(data, family, link, theta + s * h * e, nodes)[1].unit_scores.sum(axis=0) for s in (-1, 1)]
            for e in np.eye(4)
        ]
        differences = np.array([(low - high) / (2 * h) for low, high in scores])
        return np.abs(found - differences).max() / np.abs(found).max()

    errors = [missed(nodes) for nodes in (5, 15, 61)]
    assert errors[0] < 0.2
    assert errors[2] < 1e-6
    assert errors[0] > 10 * errors[1]


@models
def test_unit_scores_are_each_units_own(family, link):
    columns, outcome, size, offset, unit, units = problem(link)
    found = fitted((columns, outcome, size, offset, unit, units), family, link)
    np.testing.assert_allclose(found.unit_scores.sum(axis=0) * std_errors(found), 0.0, atol=1e-7)
    own = unit == 3
    alone = (columns[own], outcome[own], size[own], offset[own], unit[own], units)
    np.testing.assert_allclose(
        score(alone, family, link, parameters(found), 9)[1].unit_scores[0], found.unit_scores[3], rtol=1e-9, atol=1e-12
    )


@models
def test_posterior_is_that_of_the_plain_integral(family, link):
    columns, outcome, size, offset, unit, units = data = problem(link)
    found = fitted(data, family, link, nodes=25)
    own = unit == 2
    eta = found.level + columns[own] @ found.slopes + offset[own]
    u = np.linspace(-9, 9, 40001) * found.unit_sd
    logs = sum(plain_terms(link, e + u, y, m) for e, y, m in zip(eta, outcome[own], size[own], strict=True))
    logs = logs - 0.5 * (u / found.unit_sd) ** 2
    density = np.exp(logs - logs.max())
    density /= density.sum()
    mean = density @ u
    assert found.posterior_mean[2] == pytest.approx(mean, abs=1e-9)
    assert found.posterior_sd[2] == pytest.approx(np.sqrt(density @ (u - mean) ** 2), rel=1e-7)
    assert found.modes[2] == pytest.approx(u[logs.argmax()], abs=u[1] - u[0])
    second = log_likelihood_terms(family, link, eta + found.modes[2], outcome[own], size[own])[2]
    assert found.mode_variance[2] == pytest.approx(1 / (second.sum() + found.unit_sd**-2), rel=1e-8)


# --- references ---


def table(name):
    path = SHARED / "data" / name
    if not path.exists():
        pytest.skip("no reference data here")
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {key: [row[key] for row in rows] for key in rows[0]}


def reference(name):
    path = SHARED / "mixed" / name
    if not path.exists():
        pytest.skip("no reference results here")
    return json.loads(path.read_text(encoding="utf-8"))["results"]


def sorted_by_unit(columns, outcome, size, offset, unit):
    order = np.argsort(unit, kind="stable")
    return columns[order], outcome[order], size[order], offset[order], unit[order], int(unit.max()) + 1


def cbpp():
    read = table("cbpp.csv")
    period = np.array(read["period"])
    columns = np.column_stack([period == str(i) for i in (2, 3, 4)]).astype(float)
    outcome, size = np.array(read["incidence"], float), np.array(read["size"], float)
    return sorted_by_unit(columns, outcome, size, np.zeros(len(size)), np.array(read["herd"], int) - 1)


def grouped(kind):
    read = table("syn_grouped_a.csv")
    x1, x2, w = (np.array(read[name], float) for name in ("x1", "x2", "w"))
    unit = np.array([int(name[1:]) - 1 for name in read["unit"]])
    outcome = np.array(read[{"logit": "y", "poisson": "count", "trials": "succ"}[kind]], float)
    size, offset = np.ones(len(unit)), np.zeros(len(unit))
    if kind == "trials":
        size = np.array(read["trials"], float)
    if kind == "poisson":
        offset = np.log(np.array(read["exposure"], float))
    columns = np.column_stack([x1, x2] if kind == "poisson" else [x1, x2, w])
    return sorted_by_unit(columns, outcome, size, offset, unit)


def saturated(family, data):
    """Log-likelihood of the model with a mean for each row, which lme4 takes off with more than one node."""
    _, outcome, size, *_ = data
    if family == "poisson":
        return np.sum(xlogy(outcome, outcome / size) - outcome)
    return np.sum(xlogy(outcome, outcome / size) + xlogy(size - outcome, 1 - outcome / size))


LME4 = [
    ("glmer_cbpp.json", "nAGQ5", cbpp, "binomial", "logit", 5, 5),
    ("glmer_cbpp.json", "nAGQ10", cbpp, "binomial", "logit", 11, 10),
    ("glmer_cbpp.json", "nAGQ25", cbpp, "binomial", "logit", 25, 25),
    ("glmer_cbpp.json", "probit_nAGQ10", cbpp, "binomial", "probit", 11, 10),
    ("lme4_syn_grouped.json", "logit_nAGQ10", lambda: grouped("logit"), "binomial", "logit", 11, 10),
    ("lme4_syn_grouped.json", "poisson_nAGQ10", lambda: grouped("poisson"), "poisson", "log", 11, 10),
]


@pytest.mark.parametrize(("file", "key", "data", "family", "link", "nodes", "theirs"), LME4, ids=lambda v: str(v)[:14])
def test_agrees_with_lme4(file, key, data, family, link, nodes, theirs):
    expected, data = reference(file)[key], data()
    found = fitted(data, family, link, nodes=nodes)
    np.testing.assert_allclose(np.r_[found.level, found.slopes], list(expected["fixef"].values()), rtol=1e-6)
    assert found.unit_sd == pytest.approx(expected["theta"][0], rel=1e-6)
    errors = std_errors(found)
    # lme4 differences the deviance; ours takes the information at the nodes, of which five are few.
    np.testing.assert_allclose(np.r_[errors[-2], errors[:-2]], expected["se"], rtol=1e-3 if nodes == 5 else 1e-5)
    np.testing.assert_allclose(found.modes, expected["ranef"], atol=1e-6)
    # For probit lme4's curvature is the expected one.
    np.testing.assert_allclose(found.mode_variance, expected["condVar"], rtol=0.1 if link == "probit" else 1e-6)
    value = log_likelihood(
        *data, found.slopes, found.level, found.unit_sd, family=family, link=link, nodes=theirs
    ) - saturated(family, data)
    # At lme4's own number of nodes; where its nodes are scaled by the expected curvature they are others.
    assert value == pytest.approx(expected["logLik"], abs=1e-6 if link == "probit" else 1e-8)


@pytest.mark.parametrize(
    ("file", "key", "kind"),
    [
        ("lme4_syn_grouped.json", "logit_nAGQ1", "logit"),
        ("lme4_syn_grouped.json", "poisson_nAGQ1", "poisson"),
        ("lme4_syn_grouped.json", "binom_trials_nAGQ1", "trials"),
        ("glmmTMB.json", "logit_ri", "logit"),
        ("glmmTMB.json", "poisson_ri", "poisson"),
    ],
)
def test_one_node_is_the_laplace_value_of_lme4_and_glmmtmb(file, key, kind):
    expected, data = reference(file)[key], grouped(kind)
    family, link = ("poisson", "log") if kind == "poisson" else ("binomial", "logit")
    level, *slopes = expected["fixef"].values()
    unit_sd = expected["theta"][0] if "theta" in expected else expected["sd_random"]
    value = log_likelihood(*data, np.array(slopes), level, unit_sd, family=family, link=link, nodes=1)
    _, outcome, size, offset, *_ = data
    if family == "poisson":
        constant = stats.poisson.logpmf(outcome, outcome).sum() - np.sum(xlogy(outcome, outcome) - outcome)
    else:
        constant = stats.binom.logpmf(outcome, size, outcome / size).sum() - saturated(family, data)
    # With many trials lme4's curvature, a step of its own behind its modes, is off by a relative 1e-6.
    assert value + constant == pytest.approx(expected["logLik"], abs=1e-5 if kind == "trials" else 1e-7)


SURGICAL = (
    np.zeros((12, 0)),
    np.array([0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24.0]),
    np.array([47, 148, 119, 810, 211, 196, 148, 215, 207, 97, 256, 360.0]),
    np.zeros(12),
    np.arange(12),
    12,
)


def test_surgical_mortality():
    """Twelve hospitals of the BUGS manual; one without deaths stays in."""
    found = fitted(SURGICAL, "binomial", "logit", nodes=25)
    assert found.level == pytest.approx(-2.54396, abs=5e-6)
    assert std_errors(found)[0] == pytest.approx(0.13500, abs=5e-6)
    assert found.unit_sd == pytest.approx(0.35770, abs=5e-6)


# --- identities ---


@models
def test_trials_may_be_rows(family, link):
    """A row of m trials is m rows of one; a row of exposure m is one of offset log m."""
    columns, outcome, size, offset, unit, units = data = problem(link)
    found = fitted(data, family, link)
    if link == "log":
        other = (columns, outcome, np.ones(len(size)), offset + np.log(size), unit, units)
    else:
        times = size.astype(int)
        ones = np.concatenate([np.arange(m) < y for m, y in zip(times, outcome, strict=True)]).astype(float)
        other = (*(np.repeat(a, times, axis=0) for a in (columns,)), ones, np.ones(len(ones)))
        other = (*other, np.repeat(offset, times), np.repeat(unit, times), units)
    again = fitted(other, family, link)
    np.testing.assert_allclose(parameters(again), parameters(found), rtol=1e-8)
    np.testing.assert_allclose(again.modes, found.modes, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(again.information, found.information, rtol=1e-8, atol=1e-8)


@models
def test_empty_rows_missing_units_and_order_do_not_matter(family, link):
    columns, outcome, size, offset, unit, units = data = problem(link)
    found = fitted(data, family, link)
    rng = np.random.default_rng(3)
    order = np.lexsort((rng.random(len(unit)), unit))
    empty = np.repeat(np.arange(units), 2)
    columns, outcome, size, offset, unit = (a[order] for a in (columns, outcome, size, offset, unit))
    rows = np.argsort(np.r_[unit, empty], kind="stable")
    columns = np.vstack([columns, rng.normal(size=(len(empty), 2))])[rows]
    outcome, size, offset = (np.r_[a, np.zeros(len(empty))][rows] for a in (outcome, size, offset))
    # Units 0, 2, 4 …: every other unit has no rows at all.
    again = fitted((columns, outcome, size, offset, 2 * np.r_[unit, empty][rows], 2 * units), family, link)
    np.testing.assert_allclose(parameters(again), parameters(found), rtol=1e-8)
    np.testing.assert_allclose(again.modes[::2], found.modes, rtol=1e-7, atol=1e-10)
    assert again.log_likelihood == pytest.approx(found.log_likelihood, rel=1e-12)
    assert np.all(again.modes[1::2] == 0)
    assert np.all(again.posterior_sd[1::2] == again.unit_sd)
    assert np.all(again.mode_variance[1::2] == again.unit_sd**2)
    assert np.all(again.unit_scores[1::2] == 0)


@models
@pytest.mark.parametrize("rows", [1, 7, 50])
def test_block_size_does_not_matter(monkeypatch, family, link, rows):
    data = problem(link, k=15, per=20)
    whole = fitted(data, family, link)
    monkeypatch.setattr(quadrature, "ROWS", rows)
    parts = fitted(data, family, link)
    np.testing.assert_allclose(parameters(parts), parameters(whole), rtol=1e-9)
    np.testing.assert_allclose(parts.information, whole.information, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(parts.unit_scores, whole.unit_scores, atol=1e-7)


@pytest.mark.parametrize("per", [2, 60])
def test_few_and_many_rows_a_unit_take_the_same_sums(per):
    """Both ways to sum products within units, against a loop."""
    data = problem("logit", k=40, per=per)
    columns, unit = data[0], data[4]
    theta = np.array([0.2, -0.4, -0.4, np.log(0.7)])
    at, there = score(data, "binomial", "logit", theta, 5)
    expected = np.zeros((4, 4))
    for i in range(40):
        own = unit == i
        x = np.column_stack([columns[own], np.ones(own.sum())])
        scores = []
        for u, weight in zip(at.nodes[i], at.posterior[i], strict=True):
            _, first, second = log_likelihood_terms("binomial", "logit", at.eta[own] + u, data[1][own], data[2][own])
            square = (u / at.unit_sd) ** 2
            scores.append(np.r_[first @ x, square - 1])
            expected[:3, :3] += weight * (x.T * second) @ x
            expected[3, 3] += weight * 2 * square
        expected -= np.cov(np.array(scores).T, aweights=at.posterior[i], bias=True)
    np.testing.assert_allclose(there.information, expected, rtol=1e-9, atol=1e-9)


@models
def test_units_of_measure(family, link):
    columns, *rest = data = problem(link)
    found = fitted(data, family, link)
    scale = np.array([1e8, 1e-8])
    again = fitted((columns * scale, *rest), family, link)
    np.testing.assert_allclose(again.slopes * scale, found.slopes, rtol=1e-8)
    np.testing.assert_allclose([again.level, again.unit_sd], [found.level, found.unit_sd], rtol=1e-8)
    errors = std_errors(found)
    np.testing.assert_allclose(std_errors(again) * np.r_[scale, 1, 1], errors, rtol=1e-7)


def test_exposure_in_millions_moves_the_level_only():
    columns, outcome, size, *rest = data = problem("log")
    found = fitted(data, "poisson", "log")
    again = fitted((columns, outcome, size * 1e6, *rest), "poisson", "log")
    assert again.level + np.log(1e6) == pytest.approx(found.level, abs=1e-8)
    np.testing.assert_allclose(again.slopes, found.slopes, rtol=1e-7)
    assert again.unit_sd == pytest.approx(found.unit_sd, rel=1e-8)


@models
def test_a_start_changes_nothing_but_the_path(family, link):
    data = problem(link, k=20)
    found = fitted(data, family, link)
    for start in (found, (found.slopes, found.level, found.unit_sd), (np.zeros(2), 1.0, 3.0)):
        again = fitted(data, family, link, start=start)
        np.testing.assert_allclose(parameters(again), parameters(found), rtol=1e-7)
    assert fitted(data, family, link, start=found).certificate.iterations == 1


# --- edges ---


@models
def test_equal_units_are_pooled(family, link):
    """Every unit with the same rows: less variation than by chance."""
    columns, outcome, size, offset, unit, _ = problem(link, k=1, per=40, sd=0.0)
    data = (*(np.concatenate([a] * 8) for a in (columns, outcome, size, offset)), np.repeat(np.arange(8), len(unit)), 8)
    found = fitted(data, family, link)
    assert found.boundary
    assert found.unit_sd == 0
    assert found.log_likelihood == found.pooled_log_likelihood
    assert found.information.shape == (3, 3)
    assert found.unit_scores.shape == (8, 3)
    assert np.all(found.modes == 0)
    assert np.all(found.posterior_sd == 0)
    for sd in (0.01, 0.1, 0.5, 2.0):
        value = log_likelihood(*data, found.slopes, found.level, sd, family=family, link=link, nodes=15)
        assert value < found.log_likelihood
    eta = found.level + data[0] @ found.slopes + data[3]
    _, first, second = log_likelihood_terms(family, link, eta, data[1], data[2])
    x = np.column_stack([data[0], np.ones(len(eta))])
    np.testing.assert_allclose(found.information, (x.T * second) @ x, rtol=1e-10)
    np.testing.assert_allclose(first @ x * std_errors(found), 0, atol=1e-7)


def test_one_unit_is_pooled_and_two_are_not_refused():
    found = fitted(problem("logit", k=1, per=50), "binomial", "logit")
    assert found.boundary
    two = fitted(problem("logit", k=2, per=50, sd=1.5, seed=4), "binomial", "logit")
    assert not two.boundary


def test_one_large_unit_does_not_hide_that_the_others_differ():
    """Its part of the score at zero is minus half its weight, far more than all that the small units say."""
    rng = np.random.default_rng(0)
    size = np.r_[1e6, np.full(20, 100.0)]
    share = np.r_[0.2, MEAN["logit"](-1.4 + 0.8 * rng.normal(size=20))]
    outcome = np.r_[2e5, rng.binomial(100, share[1:])]
    data = (np.zeros((21, 0)), outcome, size, np.zeros(21), np.arange(21), 21)
    overall = outcome.sum() / size.sum()
    residual, weight = outcome - size * overall, size * overall * (1 - overall)
    assert np.sum(residual**2 - weight) < 0
    found = fitted(data, "binomial", "logit")
    assert 0.4 < found.unit_sd < 1.5
    assert found.log_likelihood > found.pooled_log_likelihood + 30


def test_near_the_boundary_the_two_answers_meet():
    """Variation between units is turned down until nothing is left; the fit goes over into the pooled one."""
    m = np.full(30, 400.0)
    lean = np.linspace(-1, 1, 30)
    previous, met = np.inf, set()
    for by in np.linspace(24.0, 14.0, 40):
        data = (np.zeros((30, 0)), 100.0 + by * lean, m, np.zeros(30), np.arange(30), 30)
        found = fitted(data, "binomial", "logit")
        assert found.unit_sd <= previous
        assert found.log_likelihood >= found.pooled_log_likelihood - 1e-9
        previous = found.unit_sd
        met.add(found.boundary)
    assert met == {True, False}


@models
def test_units_of_nothing_or_all_are_kept(family, link):
    columns, outcome, size, offset, unit, units = problem(link)
    outcome[unit == 0] = 0.0
    if family == "binomial":
        outcome[unit == 1] = size[unit == 1]
    found = fitted((columns, outcome, size, offset, unit, units), family, link)
    assert np.isfinite(found.modes).all()
    assert found.modes[0] == found.modes.min()
    if family == "binomial":
        assert found.modes[1] == found.modes.max()


@models
def test_what_runs_off_is_not_certified(family, link):
    columns, outcome, size, offset, unit, units = problem(link)
    nothing = fit_random_intercept(columns, 0 * outcome, size, offset, unit, units, family=family, link=link)
    assert not nothing.certificate.converged
    # A column that is met with no event at all.
    rare = (np.arange(len(unit)) % 5 == 0).astype(float)
    apart = np.where(rare == 1, 0.0, outcome)
    separated = fit_random_intercept(
        np.column_stack([columns, rare]), apart, size, offset, unit, units, family=family, link=link
    )
    assert not separated.certificate.converged
    assert not separated.boundary
    twice = fit_random_intercept(
        np.column_stack([columns, columns[:, 0]]), outcome, size, offset, unit, units, family=family, link=link
    )
    assert not twice.certificate.converged


def test_units_that_are_all_or_nothing_have_no_finite_sd():
    outcome = np.array([0.0, 50.0, 50.0, 0.0])
    data = (np.zeros((4, 0)), outcome, np.full(4, 50.0), np.zeros(4), np.arange(4), 4)
    found = fit_random_intercept(*data, family="binomial", link="logit")
    assert not found.certificate.converged
    assert not found.boundary


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("nodes", [5, 9, 25])
def test_single_cases_say_nothing_of_units(link, nodes):
    """One case a unit, no covariates: the likelihood is flat in the unit sd, and no error of quadrature is fitted."""
    data = (np.zeros((9, 0)), np.r_[np.ones(3), np.zeros(6)], np.ones(9), np.zeros(9), np.arange(9), 9)
    assert fitted(data, "binomial", link, nodes=nodes).boundary


@pytest.mark.parametrize("nodes", [1, 3, 8])
def test_too_few_or_even_nodes_are_refused(nodes):
    with pytest.raises(ValueError, match="odd"):
        fit_random_intercept(*problem("logit"), family="binomial", link="logit", nodes=nodes)


@models
def test_wide_skew_posteriors_converge_and_say_how_far_off_they_are(family, link):
    """A unit sd of 2.5 and one or two cases a unit: Newton's matrix at nine nodes is wrong, the answer is not."""
    data = problem(link, k=120, per=2, sd=2.5, size=2, seed=8)
    nine, many = (fitted(data, family, link, nodes=q) for q in (9, 61))
    moved = parameters(nine) - parameters(many)
    off = np.sqrt(moved @ many.information @ moved)
    assert many.quadrature_error < 1e-3
    assert 1e-4 < nine.quadrature_error < 1.0
    assert off < 3 * nine.quadrature_error
    np.testing.assert_allclose(std_errors(nine), std_errors(many), rtol=0.2)


@models
def test_exact_information_where_newton_is_slow(family, link):
    """Five nodes for skew posteriors: the information reported is the derivative of the score, whatever the nodes."""
    data = problem(link, k=60, per=2, sd=1.8, size=2, seed=2)
    found = fitted(data, family, link, nodes=5)
    theta = parameters(found)
    h = 1e-3 * std_errors(found)
    scores = [
        [score(data, family, link, theta + s * step, 5)[1].unit_scores.sum(axis=0) for s in (-1, 1)]
        for step in np.diag(h)
    ]
    differences = np.array([(low - high) / (2 * width) for (low, high), width in zip(scores, h, strict=True)])
    np.testing.assert_allclose(std_errors(found), np.sqrt(np.diag(np.linalg.inv(differences))), rtol=0.02)


# --- profile and test ---


@models
def test_profile_limits_have_the_stated_drop(family, link):
    data = problem(link, k=40, sd=0.8)
    found = fitted(data, family, link)
    lower, upper = profile_unit_sd(*data, family=family, link=link, fit=found, confidence=0.9)
    assert 0 < lower < found.unit_sd < upper
    drop = stats.chi2.ppf(0.9, 1) / 2
    for limit in (lower, upper):
        best = max(
            log_likelihood(*data, slopes, level, limit, family=family, link=link, nodes=9)
            for slopes, level in refitted(data, family, link, limit, found)
        )
        assert found.log_likelihood - best == pytest.approx(drop, abs=1e-4)


def refitted(data, family, link, unit_sd, found):
    """Slopes and level at a given unit sd, by a general optimiser."""
    from scipy.optimize import minimize

    def minus(x):
        return -log_likelihood(*data, x[:-1], x[-1], unit_sd, family=family, link=link, nodes=9)

    best = minimize(minus, np.r_[found.slopes, found.level], method="BFGS", options={"gtol": 1e-5})
    yield best.x[:-1], best.x[-1]


def test_profile_starts_at_zero_where_the_pooled_model_is_near():
    data = problem("logit", k=10, sd=0.2, seed=1)
    found = fitted(data, "binomial", "logit")
    lower, upper = profile_unit_sd(*data, family="binomial", link="logit", fit=found)
    assert found.log_likelihood - found.pooled_log_likelihood < stats.chi2.ppf(0.95, 1) / 2
    assert lower == 0
    assert upper > found.unit_sd


def test_profile_of_a_boundary_fit_has_an_upper_limit():
    columns, outcome, size, offset, unit, _ = problem("logit", k=1, per=40, sd=0.0)
    data = (*(np.concatenate([a] * 8) for a in (columns, outcome, size, offset)), np.repeat(np.arange(8), len(unit)), 8)
    found = fitted(data, "binomial", "logit")
    lower, upper = profile_unit_sd(*data, family="binomial", link="logit", fit=found)
    assert lower == 0
    (slopes, level), *_ = refitted(data, "binomial", "logit", upper, found)
    best = log_likelihood(*data, slopes, level, upper, family="binomial", link="logit", nodes=9)
    assert found.log_likelihood - best == pytest.approx(stats.chi2.ppf(0.95, 1) / 2, abs=1e-4)


def test_mixed_chi2():
    assert mixed_chi2_p(0.0) == 1.0
    assert mixed_chi2_p(-1e-12) == 1.0
    assert mixed_chi2_p(2.705543454095404) == pytest.approx(0.05, rel=1e-12)


# --- recovery ---


@models
def test_recovers_the_truth(family, link):
    """Five hundred units: estimates within four standard errors of what made the data."""
    rng = np.random.default_rng(12)
    unit = np.repeat(np.arange(500), 20)
    columns = rng.normal(size=(len(unit), 2))
    truth = np.array([0.5, -0.3, -1.0, np.log(0.6)])
    eta = columns @ truth[:2] + truth[2] + 0.6 * rng.normal(size=500)[unit]
    mean = MEAN[link](eta)
    outcome = (rng.poisson(mean) if link == "log" else rng.random(len(unit)) < mean).astype(float)
    found = fitted((columns, outcome, np.ones(len(unit)), np.zeros(len(unit)), unit, 500), family, link)
    assert np.all(np.abs(parameters(found) - truth) < 4 * std_errors(found))
    # The model is right, so information and the variance of the units' scores agree.
    sandwich = np.sqrt(np.diag(np.linalg.inv(found.unit_scores.T @ found.unit_scores)))
    np.testing.assert_allclose(sandwich, std_errors(found), rtol=0.2)


@pytest.mark.slow
def test_size_of_the_boundary_test_and_coverage_of_the_profile():
    """2,000 draws of 60 units: the mixture's 5 % and the profile's 95 % within four Monte Carlo standard errors."""
    rng = np.random.default_rng(5)
    unit, draws = np.repeat(np.arange(60), 10), 2000
    size, zero, columns = np.full(600, 5.0), np.zeros(600), np.zeros((600, 0))
    rejected = covered = 0
    for _ in range(draws):
        null = (columns, rng.binomial(5, 0.2, 600).astype(float), size, zero, unit, 60)
        found = fitted(null, "binomial", "logit")
        rejected += mixed_chi2_p(2 * (found.log_likelihood - found.pooled_log_likelihood)) < 0.05
        p = MEAN["logit"](-1.4 + 0.5 * rng.normal(size=60)[unit])
        data = (columns, rng.binomial(5, p).astype(float), size, zero, unit, 60)
        found = fitted(data, "binomial", "logit")
        lower, upper = profile_unit_sd(*data, family="binomial", link="logit", fit=found)
        covered += lower <= 0.5 <= upper
    allowed = 4 * np.sqrt(0.05 * 0.95 / draws)
    assert abs(rejected / draws - 0.05) < allowed
    assert abs(covered / draws - 0.95) < allowed
