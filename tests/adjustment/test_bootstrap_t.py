"""Limits from resampled clusters: a plain loop, what must not count, what is withheld, and coverage."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from benchmodels import FixedEffects, PartialResultWarning, Pooled, RandomEffects, SpecificationError, TwoPart
from benchmodels.adjustment import resampling
from benchmodels.adjustment.resampling import bootstrap_t
from benchmodels.kernels import studentised as kernel
from benchmodels.kernels.families import Family
from benchmodels.kernels.levels import own_levels

COLUMNS = ("lower", "upper")


def table(seed=0, *, k=8, outcome="poisson", least=10, most=30):
    """One row a cluster, of unequal size, with an exponential effect of its own."""
    rng = np.random.default_rng(seed)
    count = rng.integers(least, most + 1, k)
    unit = np.repeat(np.arange(k), count)
    n = len(unit)
    size = np.round(np.exp(rng.normal(4.0, 0.4, n)))
    x, effect = rng.normal(size=n), rng.exponential(size=n)
    at = -1.2 + 0.3 * x + 0.2 * rng.normal(size=k)[unit]
    if outcome == "poisson":
        y = rng.poisson(size * np.exp(at) * (0.3 + 0.7 * effect)).astype(float)
    elif outcome == "binomial":
        y = rng.binomial(size.astype(int), np.minimum(effect / (1.0 + np.exp(-at)), 1.0)).astype(float)
    else:
        y = size * (5.0 + at + 3.0 * effect)
    return pd.DataFrame({"u": unit, "s": np.arange(n), "x": x, "m": size, "y": y})


def fitted(data, family="poisson", model=Pooled, formula="y ~ x", **options):
    sizes = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    return model(formula, unit="u", cluster="s", family=family, **sizes, **options).fit(data)


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return bootstrap_t(*arguments, **options)


def draws(count, replicates, rng):
    """Clusters drawn in each replicate, as the kernel draws them."""
    seed = int(np.random.default_rng(rng).integers(1 << 62))
    return np.random.default_rng((seed, count)).integers(0, count, size=(replicates, count))


def order_of(residual, weight, factor):
    scale = np.sqrt(np.sum(factor * residual**2))
    return np.lexsort((np.round(weight / weight.sum(), 10), np.round(residual / scale, 10)))


@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_limits_of_totals_are_those_of_a_plain_loop_over_resampled_rates(family):
    """Davison & Hinkley's studentised ratio, a cluster at a time; the others' mean joins by squares of distances."""
    data = table(1, outcome=family)
    found = bootstrap_t(fitted(data, family, formula="y ~ 1"), replicates=199, rng=5, level=0.9)
    z = -ndtri(0.05)
    rates, variances, totals, reach = [], [], [], []
    for _, part in data.groupby("u"):
        y, m = part["y"].to_numpy(), part["m"].to_numpy()
        rate = y.sum() / m.sum()
        residual, factor = y - rate * m, 1.0 / (1.0 - m / m.sum())
        order = order_of(residual, m, factor)
        y, m, factor = y[order], m[order], factor[order]
        spread = np.sum(factor * (y - rate * m) ** 2)
        statistics = []
        for row in draws(len(y), 199, 5):
            again = y[row].sum() / m[row].sum()
            error = np.sqrt(np.sum(factor[row] * (y[row] - again * m[row]) ** 2)) / m[row].sum()
            statistics.append((again - rate) / error)
        ordered = np.sort(statistics)
        rates.append(rate)
        totals.append((y.sum(), m.sum()))
        variances.append(spread)
        # Numbers (b + 1) 0.05 and (b + 1) 0.95 of 199.
        reach.append((ordered[189] * np.sqrt(spread), -ordered[9] * np.sqrt(spread)))
    totals, reach = np.array(totals), np.array(reach)
    for i in range(len(rates)):
        rest = np.arange(len(rates)) != i
        (o, m), (below, above) = totals[i], reach[i]
        average = totals[rest, 0].sum() / totals[rest, 1].sum()
        # The comparison takes the information at the level of all units, its gradient at that of the others.
        slope = average / (totals[:, 0].sum() / totals[:, 1].sum()) if family == "poisson" else 1.0
        moved = np.array(variances)[rest].sum() * (slope / totals[rest, 1].sum()) ** 2
        low, high = np.sqrt((below / m) ** 2 + z**2 * moved), np.sqrt((above / m) ** 2 + z**2 * moved)
        estimate = o / m - average
        np.testing.assert_allclose(found.estimate[i], estimate, rtol=1e-9)
        np.testing.assert_allclose([found.lower[i], found.upper[i]], [estimate - low, estimate + high], rtol=1e-9)


def test_quantiles_are_near_those_of_literally_resolved_levels():
    """Logit with a covariate: the level of each replicate found anew, its residuals taken there."""
    rng = np.random.default_rng(3)
    g, family = 25, Family("binomial")
    m, eta = np.round(np.exp(rng.normal(4.5, 0.4, g))), 0.7 * rng.normal(size=g)
    y = rng.binomial(m.astype(int), np.minimum(rng.exponential(size=g) / (1.0 + np.exp(1.5 - eta)), 1.0)) * 1.0
    one = np.zeros(g, dtype=np.intp)

    def level(times):
        return own_levels(family, times * m, eta, one, np.array([times @ y]), np.zeros(1))[0]

    a = level(np.ones(g))
    p = 1.0 / (1.0 + np.exp(-a - eta))
    residual, weight = y - m * p, m * p * (1 - p)
    factor = 1.0 / (1.0 - weight / weight.sum())
    found = kernel.studentised(
        residual, weight, factor, one, np.array([True]), level=0.9, replicates=1999, rng=np.random.default_rng(0)
    )
    order = order_of(residual, weight, factor)
    statistics = []
    for row in draws(g, 1999, 0):
        times = np.bincount(order[row], minlength=g) * 1.0
        at = m / (1.0 + np.exp(-level(times) - eta))
        statistics.append(times @ residual / np.sqrt(times @ (factor * (y - at) ** 2)))
    low, high = np.quantile(statistics, [0.05, 0.95], method="weibull")
    assert high < 1.6 < 2.0 < -low
    np.testing.assert_allclose([found.low[0], found.high[0]], [low, high], rtol=0.01)


def test_a_unit_is_drawn_as_if_alone_and_in_any_order():
    rng = np.random.default_rng(0)
    counts = np.array([9, 9, 12, 40, 9, 700])
    unit = np.repeat(np.arange(6), counts)
    residual, weight = rng.exponential(size=len(unit)), rng.uniform(0.5, 2.0, len(unit))
    residual -= (np.bincount(unit, residual) / np.bincount(unit, weight))[unit] * weight
    factor = np.ones(len(unit))
    options = {"level": 0.95, "replicates": 499}
    whole = kernel.studentised(
        residual, weight, factor, unit, np.ones(6, bool), rng=np.random.default_rng(1), **options
    )
    for i, count in enumerate(counts):
        part = rng.permutation(np.flatnonzero(unit == i))
        alone = kernel.studentised(
            1e8 * residual[part], 1e-8 * weight[part], factor[part], np.zeros(count, np.intp), np.ones(1, bool),
            rng=np.random.default_rng(1), **options,
        )  # fmt: skip
        np.testing.assert_allclose([alone.low[0], alone.high[0]], [whole.low[i], whole.high[i]], rtol=1e-9)
    asked = np.array([True, False] * 3)
    some = kernel.studentised(residual, weight, factor, unit, asked, rng=np.random.default_rng(1), **options)
    np.testing.assert_array_equal(some.low, np.where(asked, whole.low, np.nan))


def test_many_clusters_give_the_normal_quantiles_and_skewed_ones_the_edgeworth_correction():
    """Hall (1988): the quantile of t* is z − γ (2 z² + 1) / (6 √G) to first order; exponential clusters have γ = 2."""
    g, copies = 2500, 40
    rng = np.random.default_rng(2)
    for residual, skew in ((rng.normal(size=(copies, g)), 0.0), (rng.exponential(size=(copies, g)), 2.0)):
        residual -= residual.mean(axis=1, keepdims=True)
        lows, highs = [], []
        for i in range(copies):
            found = kernel.studentised(
                residual[i], np.ones(g), np.ones(g), np.zeros(g, np.intp), np.ones(1, bool),
                level=0.95, replicates=999, rng=np.random.default_rng(i),
            )  # fmt: skip
            lows.append(found.low[0])
            highs.append(found.high[0])
        shift = skew * (2 * 1.96**2 + 1) / (6 * np.sqrt(g))
        for values, expected in ((lows, -1.96 - shift), (highs, 1.96 - shift)):
            error = np.std(values, ddof=1) / np.sqrt(copies)
            assert abs(np.mean(values) - expected) < 4 * error + 0.005, (skew, np.mean(values), expected)


@pytest.mark.parametrize("family", ["poisson", "binomial", "gaussian"])
@pytest.mark.parametrize("model", [Pooled, FixedEffects, RandomEffects])
def test_all_else_is_as_compared_and_every_contrast_has_limits(family, model):
    fit = fitted(table(2, outcome=family), family, model)
    for standard in ("indirect", "direct"):
        for contrast in ("difference", "ratio", "rate"):
            for reference in ("others", "all"):
                options = {"standard": standard, "contrast": contrast, "reference": reference}
                found, plain = bootstrap_t(fit, **options), fit.compare(**options)
                assert (found.withheld == "").all()
                assert (found.lower < found.estimate).all()
                assert (found.estimate < found.upper).all()
                pd.testing.assert_frame_equal(
                    found.to_frame().drop(columns=[*COLUMNS]), plain.to_frame().drop(columns=[*COLUMNS])
                )
                np.testing.assert_array_equal(found.covariance(), plain.covariance())
                # Not far from the symmetric ones, and longer on the side of the long tail.
                length = (found.upper - found.lower) / (plain.upper - plain.lower)
                assert (length > 0.6).all()
                assert np.median(length) < 1.5
                assert np.median((found.upper - found.estimate) / (found.estimate - found.lower)) > 1.2
    assert found.source.rng == "0"
    assert "1999 resamples" in found.source.noise


def test_own_limits_agree_over_contrasts_where_the_reference_says_nothing():
    """With so much in the reference that E is known, difference, ratio and rate are one statement."""
    data = table(4)
    large = pd.DataFrame({"u": 99, "s": 10_000 + np.arange(200), "x": 0.0, "m": 1e9, "y": 0.0})
    large["y"] = np.round(large["m"] * 0.3 * (1 + 0.01 * np.random.default_rng(0).normal(size=200)))
    fit = fitted(pd.concat([data, large]), formula="y ~ 1")
    difference, ratio, rate = (bootstrap_t(fit, contrast=c).take(np.arange(8)) for c in ("difference", "ratio", "rate"))
    per = difference.expected / difference.size
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(difference, name) / per + 1.0, getattr(ratio, name), rtol=1e-3)
        np.testing.assert_allclose(getattr(ratio, name), getattr(rate, name) / rate.null, rtol=1e-3)


def test_a_unit_among_its_own_reference_pulls_its_expected_value_along():
    """O/m less the mean of all is (1 − share) of O/m less the mean of the others; the joining is to a few per cent."""
    data = table(12, outcome="gaussian")
    fit = fitted(data, "gaussian", formula="y ~ 1")
    others, everyone = bootstrap_t(fit), bootstrap_t(fit, reference="all")
    rest = 1.0 - others.size / others.size.sum()
    np.testing.assert_allclose(everyone.estimate, rest * others.estimate, rtol=1e-8)
    for name in COLUMNS:
        reach = (getattr(found, name) - found.estimate for found in (everyone, others))
        own, apart = reach
        np.testing.assert_allclose(own, rest * apart, rtol=0.04)


def test_order_units_and_measure_do_not_count_and_the_seed_does():
    data = table(5, outcome="gaussian")
    first = bootstrap_t(fitted(data, "gaussian"), rng=3)
    mixed = data.sample(frac=1.0, random_state=1)
    for scale, size in ((1.0, 1.0), (1e8, 1.0), (1e-8, 1.0), (1.0, 1e6), (1.0, 1e-6)):
        again = bootstrap_t(fitted(mixed.assign(y=mixed["y"] * scale, m=mixed["m"] * size), "gaussian"), rng=3)
        for name in COLUMNS:
            np.testing.assert_allclose(getattr(again, name) / scale * size, getattr(first, name), rtol=1e-6)
    same = bootstrap_t(fitted(data, "gaussian"), rng=np.random.default_rng(3))
    np.testing.assert_array_equal(same.lower, first.lower)
    other = bootstrap_t(fitted(data, "gaussian"), rng=4)
    assert (other.lower != first.lower).all()
    np.testing.assert_allclose(other.upper - other.lower, first.upper - first.lower, rtol=0.2)
    wide = bootstrap_t(fitted(data, "gaussian"), rng=3, level=0.99)
    assert ((wide.lower < first.lower) & (wide.upper > first.upper)).all()


def test_rows_of_one_cluster_are_added_up_and_a_name_that_units_share_is_two_clusters():
    data = table(6)
    halves = pd.concat([data.assign(m=data["m"] - 9, y=data["y"]), data.assign(m=9.0, y=0.0)])
    renamed = halves.assign(s=halves.groupby("u")["s"].transform(lambda s: s - s.min()))
    first = bootstrap_t(fitted(data, formula="y ~ 1"))
    for again in (halves, renamed):
        found = bootstrap_t(fitted(again, formula="y ~ 1"))
        np.testing.assert_allclose(found.lower, first.lower, rtol=1e-9)
        np.testing.assert_allclose(found.upper, first.upper, rtol=1e-9)


def test_units_that_cannot_be_resampled_are_withheld_counted_and_named():
    data = table(7, k=6, least=12, most=20)
    rows = [data]
    for label, sizes, outcomes in (
        ("single", [50], [9]),
        ("seven", [50] * 7, range(1, 8)),
        ("eight", [50] * 8, range(1, 9)),
        ("one is nearly all", [100_000, *[50] * 30], [9_000, *range(30)]),
        ("alike", [50] * 10, [7] * 10),
        ("none", [50] * 10, [0] * 10),
        ("nearly none", [50] * 10, [0] * 9 + [30]),
    ):
        n = len(sizes)
        part = pd.DataFrame({"u": label, "m": np.array(sizes) * 1.0, "y": np.array(outcomes) * 1.0})
        rows.append(part.assign(s=[f"{label}{j}" for j in range(n)], x=np.linspace(-1, 1, n)))
    everything = pd.concat(rows).astype({"u": str, "s": str})
    fit = fitted(everything, formula="y ~ 1")
    with pytest.warns(PartialResultWarning, match="withheld for 6 of 13 units") as caught:
        found = bootstrap_t(fit)
    assert len(caught) == 1
    why = dict(zip(found.unit.tolist(), found.withheld.tolist(), strict=True))
    few = "it has fewer than 8 clusters of equal weight, too few to resample"
    assert why["seven"] == why["one is nearly all"] == few
    assert why["single"] == "it has a single cluster"
    assert why["alike"] == why["none"] == "its clusters do not vary (with no events they say nothing of noise)"
    assert why["nearly none"] == "too many of its resamples have clusters that do not vary"
    assert why["eight"] == ""
    lost = found.withheld != ""
    for name in ("lower", "upper", "noise", "std_error", "null_std_error"):
        np.testing.assert_array_equal(np.isnan(getattr(found, name)), lost, err_msg=name)
    assert np.isfinite(found.estimate).all()
    assert set(found.different[lost]) == {"withheld"}
    # A unit's limits are not those of fewer units.
    assert not np.isnan(quietly(fit, standard="direct", contrast="ratio").upper[~lost]).any()


@pytest.mark.parametrize("model", [Pooled, FixedEffects])
def test_alike_but_for_rounding_is_alike(model):
    data = table(8, k=4)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        alike = pd.DataFrame({"u": 9, "s": 9_000 + np.arange(20), "x": 1.0, "m": rng.uniform(1, 9, 20)})
        alike["y"] = alike["m"] * 0.3
        found = quietly(fitted(pd.concat([data, alike]), "gaussian", model))
        assert found.withheld[-1] == "its clusters do not vary (with no events they say nothing of noise)"
        assert np.isnan([found.upper[-1], found.std_error[-1]]).all()


def test_a_limit_without_a_level_is_withheld(monkeypatch):
    def lost(family, size, eta, unit, target, start):
        return np.where(np.arange(len(target)) == 3, np.nan, own_levels(family, size, eta, unit, target, start))

    fit = fitted(table(11))
    monkeypatch.setattr(resampling, "own_levels", lost)
    with pytest.warns(PartialResultWarning, match="1 of 8 units .'no level of its own gives its limits'.: 3"):
        found = bootstrap_t(fit, standard="direct")
    assert np.isnan([found.lower[3], found.upper[3], found.std_error[3]]).all()


def test_limits_stay_within_what_is_possible():
    """A rate near zero with a very long tail: the basic limits would leave the range."""
    rng = np.random.default_rng(4)
    data = table(9, outcome="binomial")
    rows = [data]
    for unit, high in ((50, False), (51, True)):
        y = np.array([0] * 6 + [0, 1, 1, 2, 3, 60]) * 1.0
        part = pd.DataFrame({"u": unit, "s": 1000 * unit + np.arange(12), "x": rng.normal(size=12), "m": 60.0})
        rows.append(part.assign(y=60 - y if high else y))
    for model in (Pooled, FixedEffects):
        fit = fitted(pd.concat(rows), "binomial", model)
        for standard in ("indirect", "direct"):
            found = quietly(fit, standard=standard, contrast="ratio", reference="others")
            there = found.withheld == ""
            assert there[:8].all()
            assert (found.lower[there] > -0.2).all()
            assert (found.upper[there] * found.expected[there] < 1.3 * found.size[there]).all()


def test_what_cannot_be_asked_is_refused():
    data = table(10)
    fit = fitted(data)
    with pytest.raises(SpecificationError, match="name them in the role cluster"):
        bootstrap_t(Pooled("y ~ x", unit="u", family="poisson", exposure="m").fit(data))
    two = TwoPart("y ~ 1", unit="u", cluster="s").fit(data.assign(y=data["y"] * (data["s"] % 3 > 0)))
    with pytest.raises(SpecificationError, match="found TwoPartFit"):
        bootstrap_t(two)
    for options, match in (
        ({"level": 0.999}, "use 5000 or more"),
        ({"replicates": 50}, "use 100 or more"),
        ({"replicates": 0}, "whole number"),
        ({"level": 95}, "share"),
        ({"standard": "crude"}, "standard must be one of"),
        ({"contrast": "odds"}, "contrast must be one of"),
        ({"reference": "none"}, "reference must be one of"),
        ({"better": "up"}, "better must be one of"),
        ({"rng": "seed"}, "rng="),
    ):
        with pytest.raises(SpecificationError, match=match):
            bootstrap_t(fit, **options)


class Country:
    """98 units of very unequal size, 6 to 60 clusters each, of unequal size and with exponential effects."""

    k = 98

    def __init__(self, outcome, seed=0):
        rng = np.random.default_rng(seed)
        self.outcome = outcome
        self.count = rng.integers(6, 61, self.k)
        self.unit = np.repeat(np.arange(self.k), self.count)
        n = len(self.unit)
        scale = np.exp(rng.normal(0.0, 0.8, self.k))[self.unit]
        self.size = np.maximum(np.round(60 * scale * np.exp(rng.normal(0.0, 0.4, n))), 5.0)
        self.x = rng.normal(size=n)
        at = 0.3 * self.x + rng.normal(0.0, 0.25, self.k)[self.unit]
        logit = 1.0 / (1.0 + np.exp(2.0 - at))
        self.mean = {"poisson": 0.3 * np.exp(at), "binomial": logit, "gaussian": 10.0 + 3.0 * at}[outcome]
        self.model = {"family": outcome, "trials" if outcome == "binomial" else "exposure": "m"}
        self.truth = self.fit(self.size * self.mean)

    def fit(self, y):
        data = pd.DataFrame({"u": self.unit, "s": np.arange(len(y)), "x": self.x, "m": self.size, "y": y})
        return Pooled("y ~ x", unit="u", cluster="s", **self.model).fit(data)

    def draw(self, rng):
        n = len(self.unit)
        if self.outcome == "poisson":
            return rng.poisson(self.size * self.mean * (0.4 + 0.6 * rng.exponential(size=n))).astype(float)
        if self.outcome == "binomial":
            chance = rng.beta(8 * self.mean, 8 * (1 - self.mean))
            return rng.binomial(self.size.astype(int), chance).astype(float)
        case = np.sqrt(self.size) * 5.0 * rng.normal(size=n)
        return self.size * (self.mean + 10.0 * (rng.exponential(size=n) - 1.0)) + case

    def misses(self, contrast, sets, *, first=0):
        """Count of the truth below and above the limits, of t and of the bootstrap, by unit; and times each is told."""
        truth = self.truth.compare(contrast=contrast).estimate
        counts = {name: np.zeros((3, self.k)) for name in ("t", "bootstrap")}
        for seed in range(first, first + sets):
            fit = self.fit(self.draw(np.random.default_rng((seed, 7))))
            found = quietly(fit, contrast=contrast, rng=seed)
            told = found.withheld == ""
            for name, one in (("t", fit.compare(contrast=contrast)), ("bootstrap", found)):
                counts[name] += np.stack([told & (truth < one.lower), told & (truth > one.upper), told])
        return counts

    def summary(self, counts):
        """Coverage, and the parts missed below and above, over all units and over the third with fewest cases."""
        cases = np.bincount(self.unit, self.size)
        groups = {"all": np.ones(self.k, bool), "smallest third": cases <= np.quantile(cases, 1 / 3)}
        result = {}
        for group, inside in groups.items():
            below, above, told = counts[:, inside].sum(axis=1)
            result[group] = (1 - (below + above) / told, below / told, above / told)
        return result


def test_tails_are_nearer_to_equal_than_those_of_t():
    """15 data sets of 98 units: the upper miss, which t leaves, falls, and coverage is not lost."""
    country = Country("gaussian")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        counts = country.misses("difference", 15)
    t, bootstrap = (country.summary(counts[name])["all"] for name in ("t", "bootstrap"))
    assert bootstrap[0] > t[0] + 0.01
    assert bootstrap[2] < t[2] - 0.02
    assert bootstrap[1] > t[1]
    assert 0.91 < bootstrap[0] < 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outcome", "contrast", "least"),
    [
        ("gaussian", "difference", 0.937),
        ("gaussian", "ratio", 0.937),
        ("poisson", "ratio", 0.936),
        ("binomial", "rate", 0.944),
    ],
)
def test_coverage_of_500_data_sets(outcome, contrast, least):
    r"""98 units, 6 to 60 clusters each; per cent covered: truth below, truth above the limits, where both are told.

    ======================  ===================  ===================  ===================  ===================
    \                       t, all               t, smallest third    bootstrap, all       bootstrap, third
    ======================  ===================  ===================  ===================  ===================
    Gaussian cost, diff.    92.4: 0.8, 6.8     91.7: 0.9, 7.4     94.4: 1.8, 3.8     94.0: 1.7, 4.3
    Gaussian cost, ratio    92.4: 0.8, 6.8     91.6: 0.9, 7.5     94.4: 1.8, 3.8     94.0: 1.7, 4.3
    Poisson, ratio          93.1: 1.7, 5.2     93.2: 1.7, 5.1     94.1: 1.9, 4.0     94.0: 1.8, 4.3
    Binomial, rate          93.9: 2.1, 4.1     93.1: 2.1, 4.9     94.9: 1.9, 3.2     94.8: 1.8, 3.4
    ======================  ===================  ===================  ===================  ===================

    Withheld: 9 to 11 units of 98, with fewer than 8 clusters of equal weight. The standard error of a figure is about
    0.1 points over all units.
    """
    country = Country(outcome)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        counts = country.misses(contrast, 500)
    t, bootstrap = (country.summary(counts[name]) for name in ("t", "bootstrap"))
    for group in ("all", "smallest third"):
        assert bootstrap[group][0] > t[group][0] + 0.004
        assert abs(bootstrap[group][2] - 0.025) < abs(t[group][2] - 0.025) - 0.004
        assert least < bootstrap[group][0] < 0.956
