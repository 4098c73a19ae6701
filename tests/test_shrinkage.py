"""Shrunken beside unshrunken: closed forms, contrasts, withheld units, coverage on average, what shrinkage hides."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from benchmodels.adjustment.given import compare_expected
from benchmodels.comparison import Comparison, Source
from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.grading import expected_ranks, report_card
from benchmodels.shrinkage import minimum_size, shrink

EXACT = 1e-10
COLUMNS = ["unit", "size", "estimate", "std_error", "shrunken", "shrunken_std_error", "lower", "upper", "target"]


def make(estimate, s, *, size=None, observed=None, expected=None, null=0.0, null_std_error=None, **rest):
    estimate, s = np.asarray(estimate, float), np.asarray(s, float)
    k = len(estimate)
    size = np.full(k, 100.0) if size is None else np.asarray(size, float)
    values = {
        "unit": [f"Enhed {i}" for i in range(k)],
        "size": size,
        "observed": estimate * size if observed is None else observed,
        "expected": np.zeros(k) if expected is None else expected,
        "estimate": estimate,
        "lower": estimate - 2 * s,
        "upper": estimate + 2 * s,
        "noise": s**2,
        "shared": np.zeros((k, 0)),
        "core": np.zeros((0, 0)),
        "null": null,
        "null_std_error": s if null_std_error is None else null_std_error,
        "df": np.full(k, np.inf),
        "overlap": np.full(k, np.nan),
        "withheld": np.where(np.isnan(s), "one cluster", ""),
        "standard": "indirect",
        "contrast": "difference",
        "reference": "others",
        "level": 0.95,
        "better": None,
        "source": Source(model="m", version="0", rows_read=k, rows_dropped=0, noise="counts"),
    }
    return Comparison(**(values | rest))


def counts(contrast="difference", seed=3, k=98, practice=0.15, **rest):
    rng = np.random.default_rng(seed)
    size = np.round(np.exp(rng.normal(8.5, 1.0, k)))
    rate = rng.uniform(0.04, 0.08, k)
    expected = size * rate
    observed = rng.binomial(size.astype(int), rate * rng.gamma(1 / practice**2, practice**2, k)).astype(float)
    overall = observed.sum() / size.sum()
    null = {"difference": 0.0, "ratio": 1.0, "rate": overall}[contrast]
    factor = rate if contrast == "difference" else null
    estimate = (observed - expected) / size if contrast == "difference" else null * observed / expected
    spread = factor * np.sqrt(size * rate * (1 - rate)) / expected
    return make(estimate, spread, size=size, observed=observed, expected=expected, null=null, contrast=contrast, **rest)


def quiet(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        return shrink(*arguments, **options)


def test_james_stein_side_by_side():
    y = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0])
    c = make(y + 0.5, np.full(7, 1.5), null=0.5)
    found = shrink(c, towards="null")
    factor = 1 - 5 * 2.25 / (y**2).sum()
    np.testing.assert_allclose(found.shrunken, 0.5 + factor * y, rtol=EXACT)
    np.testing.assert_array_equal(found.target, 0.5)
    np.testing.assert_array_equal(found.estimate, c.estimate)
    tau2 = (y**2).mean() - 2.25
    np.testing.assert_allclose(found.reliability, tau2 / (tau2 + 2.25), rtol=EXACT)
    frame = found.to_frame()
    assert frame.columns.tolist() == [*COLUMNS, "reliability"]
    assert len(frame) == len(found) == 7
    assert "7 of 7 units" in repr(found)
    assert found.terms == ()
    posterior = shrink(c, towards="null", interval="posterior", level=0.9)
    half = norm.isf(0.05) * posterior.shrunken_std_error
    np.testing.assert_allclose(posterior.upper - posterior.shrunken, half, rtol=EXACT)
    assert np.isnan(posterior.kurtosis)
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again.to_frame(), frame)


@pytest.mark.parametrize("prior", ["gamma", "beta"])
@pytest.mark.parametrize("towards", ["null", "mean", "size"])
def test_contrasts_are_one_answer(prior, towards):
    c = {contrast: counts(contrast) for contrast in ("difference", "ratio", "rate")}
    goal = np.log(c["ratio"].size) if towards == "size" else towards
    found = {contrast: quiet(value, prior=prior, towards=goal) for contrast, value in c.items()}
    rate = c["ratio"].expected / c["ratio"].size
    for name in ("shrunken", "lower", "upper", "target"):
        ratio = getattr(found["ratio"], name)
        np.testing.assert_allclose(getattr(found["difference"], name), (ratio - 1) * rate, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(getattr(found["rate"], name), ratio * c["rate"].null, rtol=1e-9)
    np.testing.assert_allclose(found["ratio"].shrunken_std_error * rate, found["difference"].shrunken_std_error)
    between = (found["ratio"].estimate - found["ratio"].shrunken) * (found["ratio"].shrunken - found["ratio"].target)
    assert (between >= -1e-12).all()
    if towards == "null":
        np.testing.assert_allclose(found["ratio"].target, 1.0, rtol=EXACT)
    assert found["ratio"].interval == "posterior"
    # Practice varies by 15 %, and the prior says so.
    assert 0.08 < np.median(found["ratio"].between_sd) < 0.25


@pytest.mark.parametrize("prior", ["normal", "gamma", "beta", "npmle"])
def test_withheld_units_stay_so_and_order_is_irrelevant(prior):
    base = counts("ratio")
    s = base.std_error.copy()
    s[[3, 40]] = np.nan
    c = make(
        base.estimate, s, size=base.size, observed=base.observed, expected=base.expected, null=1.0, contrast="ratio"
    )
    with pytest.warns(PartialResultWarning, match="2 of 98 units .*: Enhed 3, Enhed 40"):
        found = shrink(c, prior=prior)
    for name in ("shrunken", "shrunken_std_error", "lower", "upper", "target", "reliability"):
        assert np.isnan(getattr(found, name)[[3, 40]]).all()
    np.testing.assert_array_equal(found.estimate, c.estimate)
    kept = np.setdiff1d(np.arange(98), [3, 40])
    order = np.random.default_rng(0).permutation(kept)
    alone = quiet(c.take(order), prior=prior)
    np.testing.assert_allclose(alone.shrunken, found.shrunken[order], rtol=1e-7)
    np.testing.assert_allclose(alone.upper, found.upper[order], rtol=1e-7)
    assert np.isfinite(found.shrunken[kept]).all()
    assert any("2 of 98" in note for note in found.notes)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
@pytest.mark.parametrize("prior", ["normal", "npmle"])
def test_units_of_measure(prior, unit):
    c = counts()
    d = make(c.estimate * unit, c.std_error * unit, size=c.size * 1e3)
    a, b = quiet(c, prior=prior), quiet(d, prior=prior)
    for name in ("shrunken", "shrunken_std_error", "lower", "upper"):
        np.testing.assert_allclose(getattr(b, name), getattr(a, name) * unit, rtol=1e-6)
    np.testing.assert_allclose(b.reliability, a.reliability, rtol=1e-6)
    assert minimum_size(b) == pytest.approx(1e3 * minimum_size(a), rel=1e-6)


def test_regression_on_a_frame_is_matched_by_unit():
    c = counts()
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"volume": np.log(c.size), "poor": rng.normal(size=98)}, index=c.unit)
    found = quiet(c, towards=frame)
    shuffled = quiet(c, towards=frame.sample(frac=1.0, random_state=1))
    placed = quiet(c, towards=frame.to_numpy())
    assert found.terms == ("constant", "volume", "poor")
    assert placed.terms == ("constant", "column 1", "column 2")
    np.testing.assert_array_equal(found.shrunken, shuffled.shrunken)
    np.testing.assert_array_equal(found.shrunken, placed.shrunken)
    np.testing.assert_allclose(found.target, frame.to_numpy() @ found.coefficients[1:] + found.coefficients[0])
    one = quiet(c, towards=np.log(c.size))
    assert one.terms == ("constant", "column 1")
    missing = frame.copy()
    missing.iloc[5, 1] = np.nan
    with pytest.raises(DataError, match="Enhed 5"):
        shrink(c, towards=missing)
    with pytest.raises(DataError, match="97 rows"):
        shrink(c, towards=frame.to_numpy()[1:])
    for columns in (np.ones(98), np.column_stack([c.size, c.size * 3])):
        with pytest.raises(SpecificationError, match="apart"):
            shrink(c, towards=columns)


def test_what_cannot_be_asked():
    c = counts()
    for options, match in [
        ({"prior": "student"}, "allowed"),
        ({"towards": "average"}, "allowed"),
        ({"level": 95}, "share"),
        ({"prior": "gamma", "interval": "robust"}, "allows"),
        ({"prior": "npmle", "towards": "null"}, "centre"),
    ]:
        with pytest.raises(SpecificationError, match=match):
            shrink(c, **options)
    for k in (1, 2, 4):
        with pytest.raises(SpecificationError, match="needs 5"):
            shrink(c.take(np.arange(k)))
    withheld = make(np.ones(6), np.full(6, np.nan))
    for towards in ("mean", np.arange(6.0)):
        with pytest.raises(SpecificationError, match="0 of 6"):
            shrink(withheld, towards=towards)
    with pytest.raises(SpecificationError, match="indirect"):
        shrink(counts(standard="direct"), prior="gamma")
    money = make(c.estimate, c.std_error, size=c.size, observed=c.observed + 0.5, expected=c.expected)
    with pytest.raises(SpecificationError, match="whole counts"):
        shrink(money, prior="gamma")
    empty = make(c.estimate, c.std_error, size=c.size, observed=np.zeros(98), expected=c.expected)
    with pytest.raises(SpecificationError, match="no cases"):
        shrink(empty, prior="beta")
    with pytest.raises(SpecificationError, match="reliability"):
        minimum_size(quiet(c), reliability=1.0)


def test_effects_that_go_with_precision_are_told():
    rng = np.random.default_rng(2)
    s = np.exp(rng.normal(0, 0.7, 98))
    c = make(2 * np.log(s) + s * rng.normal(size=98) + rng.normal(0, 0.3, 98), s)
    with pytest.warns(BenchmodelsWarning, match="go with the standard error"):
        found = shrink(c)
    assert found.precision.mean_p < 0.001
    assert len(found.notes) == 1
    # A standard error that goes with the outcome itself is no sign: the one under the null is what counts.
    own = make(c.estimate, s, null_std_error=np.ones(98))
    assert np.isnan(shrink(own).precision.p)
    # Towards a regression on it there is nothing left to tell.
    assert np.isnan(shrink(c, towards=np.log(s)).precision.slope)


def test_no_more_than_chance():
    size = np.arange(1000.0, 1600.0, 100.0)
    observed = size / 10
    c = make(np.zeros(6), np.sqrt(0.09 / size), size=size, observed=observed, expected=observed)
    for prior in ("normal", "gamma", "beta"):
        found = shrink(c, prior=prior)
        assert found.notes == ("units vary no more than chance: the variance between them is estimated as 0",)
        # The most likely variance is none, and none is not certain.
        assert ((found.lower < 0) & (found.upper > 0)).all()
        np.testing.assert_array_equal(found.reliability, 0.0)
        assert minimum_size(found) == np.inf


def test_a_zero_standard_error_is_left_out():
    s = np.array([1.0, 0.0, 1.0, 2.0, 1.0, 1.5])
    with pytest.warns(PartialResultWarning, match="1 of 6"):
        found = shrink(make([1.0, 5.0, -2.0, 3.0, 0.5, 9.0], s))
    assert np.isnan(found.shrunken[1])


def test_minimum_size_is_spearman_brown():
    # s² = 4 / size and τ² known by the reliability: the exact answer is τ² n / 4 = r / (1 - r).
    rng = np.random.default_rng(4)
    size = np.exp(rng.normal(6, 1, 50))
    s = np.sqrt(4 / size)
    found = quiet(make(rng.normal(0, 0.1, 50) + s * rng.normal(size=50), s, size=size))
    tau2 = found.between_sd[0] ** 2
    for wanted in (0.5, 0.8, 0.95):
        exact = 4 / tau2 * wanted / (1 - wanted)
        assert minimum_size(found, reliability=wanted) == pytest.approx(exact, rel=1e-9)
    equal = quiet(make(found.estimate, np.full(50, 0.1)))
    tau2 = equal.between_sd[0] ** 2
    assert minimum_size(equal) == pytest.approx(100 * 0.01 / tau2 * 4, rel=1e-9)
    with pytest.raises(SpecificationError, match="do not fall"):
        minimum_size(quiet(make(found.estimate, np.sqrt(size) / 300, size=size)))


def test_robust_interval_is_never_inside_the_normal_one_where_the_prior_is_normal_or_wilder():
    c = counts()
    robust, posterior = quiet(c), quiet(c, interval="posterior")
    np.testing.assert_array_equal(robust.shrunken, posterior.shrunken)
    if robust.kurtosis >= 3:
        assert ((robust.upper - robust.lower) > 0.97 * (posterior.upper - posterior.lower)).all()
    assert ((robust.upper - robust.lower) < 2 * norm.isf(0.025) * c.std_error * 1.2).all()


def effects(kind, k, rng):
    """Effects with mean 0 and variance 1."""
    if kind == "normal":
        return rng.normal(size=k)
    if kind == "skewed":
        return rng.exponential(size=k) - 1
    bad = rng.random(k) < 0.1
    return np.where(bad, 3.0, -1 / 3)


def test_normal_posterior_is_ranked_with_what_units_share():
    c = counts(better="low")
    found = quiet(c, towards=np.log(c.size))
    posterior = found.posterior()
    assert posterior.better == "low"
    np.testing.assert_array_equal(posterior.mean, found.shrunken)
    np.testing.assert_allclose(np.sqrt(np.diag(posterior.covariance)), found.shrunken_std_error, rtol=EXACT)
    assert (np.abs(posterior.covariance - np.diag(np.diag(posterior.covariance))) > 0).any()
    table = expected_ranks(posterior, tau=10, threshold=0.0, draws=4000)
    exact = norm.sf(0.0, found.shrunken, found.shrunken_std_error)
    np.testing.assert_allclose(table.exceeds, exact, atol=4 * 0.5 / np.sqrt(4000))
    assert table["first"].sum() == pytest.approx(1.0)
    assert table["first"].idxmax() in np.argsort(found.shrunken)[:4]
    assert len(report_card(posterior).found.grade) == 98


@pytest.mark.parametrize("contrast", ["difference", "ratio", "rate"])
@pytest.mark.parametrize("prior", ["gamma", "beta"])
def test_posterior_of_counts_is_drawn(prior, contrast):
    base = counts(contrast)
    s = base.std_error.copy()
    s[[3, 40]] = np.nan
    c = make(
        base.estimate, s, size=base.size, observed=base.observed, expected=base.expected, null=base.null,
        contrast=contrast,
    )  # fmt: skip
    found = quiet(c, prior=prior, level=0.8)
    posterior = found.posterior(draws=4000)
    kept = np.setdiff1d(np.arange(98), [3, 40])
    assert posterior.draws.shape == (4000, 96)
    np.testing.assert_array_equal(posterior.unit, c.unit[kept])
    error = found.shrunken_std_error[kept]
    np.testing.assert_allclose(posterior.draws.mean(axis=0), found.shrunken[kept], atol=4 * error.max() / 60)
    inside = (posterior.draws > found.lower[kept]) & (posterior.draws < found.upper[kept])
    np.testing.assert_allclose(inside.mean(axis=0), 0.8, atol=4 * 0.4 / np.sqrt(4000))
    order = np.random.default_rng(0).permutation(kept)
    again = quiet(c.take(order), prior=prior, level=0.8).posterior(draws=200)
    at = {unit: i for i, unit in enumerate(posterior.unit)}
    expected = found.posterior(draws=200).draws[:, [at[unit] for unit in again.unit]]
    np.testing.assert_allclose(again.draws, expected, rtol=1e-6, atol=1e-9)
    pd.testing.assert_frame_equal(
        expected_ranks(posterior, tau=5), expected_ranks(pickle.loads(pickle.dumps(found)).posterior(draws=4000), tau=5)
    )


def test_no_posterior_to_rank_by():
    c = counts()
    with pytest.raises(SpecificationError, match="no posterior"):
        quiet(c, prior="npmle").posterior()
    for options in ({"draws": 0}, {"rng": "a"}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            quiet(c, prior="gamma").posterior(**options)


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.3, 1.0])
@pytest.mark.parametrize("kind", ["normal", "skewed", "two points"])
def test_robust_intervals_cover_on_average(kind, tau):
    draws, covered = 500, []
    rng = np.random.default_rng(11)
    s = np.exp(rng.normal(0, 0.5, 98))
    for _ in range(draws):
        truth = tau * effects(kind, 98, rng)
        found = quiet(make(truth + s * rng.normal(size=98), s))
        covered.append(((found.lower <= truth) & (truth <= found.upper)).mean())
    mean, error = np.mean(covered), np.std(covered) / np.sqrt(draws)
    print(f"{kind}, tau={tau}: {mean:.4f} (Monte Carlo error {error:.4f})")
    assert mean >= 0.95 - 4 * error


@pytest.mark.slow
def test_intervals_of_counts_cover_more_cautiously_with_few_units():
    for k, prior in ((8, "gamma"), (20, "beta")):
        rng, covered = np.random.default_rng(3), []
        for _ in range(500):
            size, share = np.round(np.exp(rng.normal(6.5, 1.2, k))), rng.uniform(0.04, 0.08, k)
            truth = np.exp(0.25 * rng.normal(size=k))
            observed = rng.binomial(size.astype(int), share * truth).astype(float)
            ratio, s = observed / (size * share), 1 / np.sqrt(size * share)
            c = make(ratio, s, size=size, observed=observed, expected=size * share, null=1.0, contrast="ratio")
            try:
                found = quiet(c, prior=prior)
            except SpecificationError:
                continue
            covered.append(((found.lower <= truth) & (truth <= found.upper)).mean())
        mean, error = np.mean(covered), np.std(covered) / np.sqrt(len(covered))
        print(f"{prior}, {k} units: {mean:.4f} ({error:.4f})")
        assert mean > 0.95 - 4 * error


@pytest.mark.slow
def test_posterior_intervals_cover_normal_effects():
    draws, covered = 500, []
    rng = np.random.default_rng(12)
    s = np.exp(rng.normal(0, 0.5, 98))
    for _ in range(draws):
        truth = rng.normal(size=98)
        found = quiet(make(truth + s * rng.normal(size=98), s), interval="posterior")
        covered.append(((found.lower <= truth) & (truth <= found.upper)).mean())
    mean, error = np.mean(covered), np.std(covered) / np.sqrt(draws)
    assert abs(mean - 0.95) < max(4 * error, 0.004)


def test_shrinkage_hides_small_bad_units():
    """Of small units with twice the risk, the interval of the shrunken value finds far fewer than the unshrunken one.

    Two hundred cases a small unit and a risk of 3 %, as in Anesthesiology 2016;125:1092.
    """
    rng = np.random.default_rng(6)
    hidden, shown, false_shrunken, false_plain = [], [], [], []
    size = np.where(np.arange(98) < 30, 200.0, 2000.0)
    bad = np.arange(98) % 10 == 0
    for _ in range(40):
        expected = 0.03 * size
        observed = rng.poisson(expected * np.where(bad, 2.0, rng.gamma(100, 0.01, 98))).astype(float)
        ratio, s = observed / expected, 1 / np.sqrt(expected)
        found = quiet(
            make(ratio, s, size=size, observed=observed, expected=expected, null=1.0, contrast="ratio"), prior="gamma"
        )
        small = size == 200.0
        plain, shrunken = ratio > 1 + norm.isf(0.05) * s, found.lower > 1
        shown.append(plain[small & bad].mean())
        hidden.append(shrunken[small & bad].mean())
        false_plain.append(plain[small & ~bad].mean())
        false_shrunken.append(shrunken[small & ~bad].mean())
    assert np.mean(shown) > 0.5
    assert np.mean(hidden) < 0.5 * np.mean(shown)
    assert np.mean(false_shrunken) < np.mean(false_plain)


def test_shrinkage_is_nearer_the_truth_on_average():
    rng = np.random.default_rng(7)
    s = np.exp(rng.normal(0, 0.5, 98))
    for prior in ("normal", "npmle"):
        plain, shrunken = 0.0, 0.0
        for _ in range(10):
            truth = effects("two points", 98, rng)
            c = make(truth + s * rng.normal(size=98), s)
            plain += ((c.estimate - truth) ** 2).sum()
            shrunken += ((quiet(c, prior=prior).shrunken - truth) ** 2).sum()
        assert shrunken < 0.6 * plain


def test_a_series_is_matched_by_unit_like_a_frame():
    c = counts()
    series = pd.Series(np.log(c.size), index=c.unit)
    expected = quiet(c, towards=np.log(c.size))
    found = quiet(c, towards=series.sample(frac=1.0, random_state=1))
    np.testing.assert_array_equal(found.shrunken, expected.shrunken)
    assert found.terms == ("constant", "column 1")
    assert quiet(c, towards=series.rename("volume")).terms == ("constant", "volume")
    plain = pd.DataFrame({"volume": np.log(c.size)})
    np.testing.assert_array_equal(quiet(c, towards=plain).shrunken, expected.shrunken)


def test_an_index_with_some_of_the_units_is_refused():
    c = counts()
    frame = pd.DataFrame({"volume": np.log(c.size)}, index=c.unit).rename(index={"Enhed 7": "Enhed 98"})
    with pytest.raises(DataError, match="lacks 1 of 98 units: Enhed 7"):
        shrink(c, towards=frame)


def test_columns_that_are_none_are_refused_in_words():
    c = counts()
    for towards in (5.0, np.full(98, "x"), pd.DataFrame({"a": ["x"] * 98}), np.ones((98, 2, 2))):
        with pytest.raises(DataError, match="columns of numbers"):
            shrink(c, towards=towards)
    for towards in (None, np.ones((98, 0)), pd.DataFrame(index=c.unit)):
        with pytest.raises(SpecificationError, match="no columns"):
            shrink(c, towards=towards)
    for options in ({"level": "0.95"}, {"level": None}, {"prior": ["normal"]}):
        with pytest.raises(SpecificationError, match=next(iter(options))):
            shrink(c, **options)
    with pytest.raises(SpecificationError, match="reliability='0.8'"):
        minimum_size(quiet(c), reliability="0.8")


def test_a_unit_without_noise_to_rounding_says_nothing_of_the_size_needed():
    s, size = np.geomspace(1e-3, 10.0, 12), np.geomspace(1e6, 10.0, 12)
    rng = np.random.default_rng(2)
    found = quiet(make(rng.normal(size=12), np.r_[1e-12, s[1:]], size=size))
    assert found.reliability[0] == 1.0
    assert 0 < minimum_size(found) < np.inf
    with pytest.raises(SpecificationError, match="without noise"):
        minimum_size(quiet(make(rng.normal(size=12), np.geomspace(1e-12, 1e-11, 12), size=size)))


def test_a_target_that_rests_on_few_cases_is_said_to() -> None:
    observed, expected = np.array([5, 9, 2, 4, 8, 5, 1, 0.0]), np.array([5, 6, 4, 5, 6, 5, 3, 2.0])
    table = pd.DataFrame({"unit": [f"u{i}" for i in range(8)], "o": observed, "e": expected})
    compared = compare_expected(table, unit="unit", observed="o", expected="e")
    group = np.repeat([0.0, 1.0], [6, 2])[:, None]
    more = compare_expected(table.assign(o=50 * observed, e=50 * expected), unit="unit", observed="o", expected="e")
    with warnings.catch_warnings():
        # That effects go with precision is no matter here.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        few, many = (shrink(c, prior="gamma", towards=group).notes for c in (compared, more))
    assert any("2 of 8 units rests on few cases" in note for note in few)
    assert not any("few cases" in note for note in many)
