"""Two verdicts, the limits between them, and what composition explains."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from benchmodels.comparison import Comparison, Source
from benchmodels.errors import SpecificationError
from benchmodels.flags import between_unit_sd, explained_share, flag, reference_distribution

FOLDER = Path(__file__).parent / "reference" / "funnelplotr"
EXACT = 1e-10
Z95 = norm.isf(0.025)


def make(estimate, s0, *, size=None, observed=None, expected=None, null=0.0, noise=None, **rest):
    estimate, s0 = np.asarray(estimate, float), np.asarray(s0, float)
    k = len(estimate)
    size = np.full(k, 100.0) if size is None else np.asarray(size, float)
    noise = s0**2 if noise is None else np.asarray(noise, float)
    half = Z95 * np.sqrt(noise)
    values = {
        "unit": [f"Enhed {i}" for i in range(k)],
        "size": size,
        "observed": estimate * size if observed is None else observed,
        "expected": np.zeros(k) if expected is None else expected,
        "estimate": estimate,
        "lower": estimate - half,
        "upper": estimate + half,
        "noise": noise,
        "shared": np.zeros((k, 0)),
        "core": np.zeros((0, 0)),
        "null": null,
        "null_std_error": s0,
        "null_kind": "sampling",
        "df": np.full(k, np.inf),
        "overlap": np.full(k, np.nan),
        "withheld": np.where(np.isnan(noise), "one cluster", ""),
        "standard": "indirect",
        "contrast": "difference",
        "reference": "others",
        "level": 0.95,
        "better": None,
        "source": Source(model="m", version="0", rows_read=k, rows_dropped=0, noise="counts"),
    }
    return Comparison(**(values | rest))


def counts(seed=1, k=98, composition=0.02, practice=0.004, contrast="difference"):
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(8.5, 0.8, k))
    p = 0.06 + rng.normal(0, composition, k).clip(-0.05, 0.05)
    expected = size * p
    observed = rng.poisson((expected + size * rng.normal(0, practice, k)).clip(0)).astype(float)
    s0 = np.sqrt(p * (1 - p) / size)
    rate = observed.sum() / size.sum()
    null = {"difference": 0.0, "ratio": 1.0, "rate": rate}[contrast]
    estimate = (observed - expected) / size if contrast == "difference" else null * observed / expected
    s0 = s0 if contrast == "difference" else s0 * null * size / expected
    return make(estimate, s0, size=size, observed=observed, expected=expected, null=null, contrast=contrast)


@pytest.mark.parametrize("method", ["tau", "phi", "plain"])
def test_limits_by_hand(method):
    s0 = np.array([1.0, 2.0, 4.0])
    c = make([3.0, -5.0, 1.0], s0, null=0.5)
    found = reference_distribution(c, method=method, level=0.9)
    z = np.array([2.5, -2.75, 0.125])
    phi = (z**2).mean()
    w = 1 / s0**2
    tau = np.sqrt((3 * phi - 2) / (w.sum() - (w**2).sum() / w.sum()))
    half = norm.isf(0.05) * {"tau": np.hypot(s0, tau), "phi": np.sqrt(phi) * s0, "plain": s0}[method]
    np.testing.assert_allclose(found.z, z, rtol=EXACT)
    np.testing.assert_allclose([found.phi, found.tau], [phi, tau], rtol=EXACT)
    np.testing.assert_allclose(found.lower, 0.5 - half, rtol=EXACT)
    np.testing.assert_allclose(found.upper, 0.5 + half, rtol=EXACT)
    np.testing.assert_array_equal(found.limits_at(s0), (found.lower, found.upper))
    assert (found.limits_at(s0, level=0.998)[1] > found.upper).all()
    assert between_unit_sd(c) == found.tau


def test_phi_is_floored_in_the_limits_only():
    c = make([0.1, -0.1, 0.2], np.ones(3))
    found = reference_distribution(c, method="phi")
    assert found.phi == pytest.approx(0.02, rel=EXACT)
    np.testing.assert_allclose(found.upper, Z95, rtol=EXACT)
    assert found.tau == 0.0


def test_the_two_verdicts_stay_apart():
    # Known exactly, practice varies: all are different from expected, none is unusual.
    s0 = np.full(6, 0.01)
    found = flag(make([1.0, -1.0, 0.9, -0.9, 0.8, -0.8], s0))
    assert set(found.different) == {"above", "below"}
    assert set(found.unusual) == {"not unusual"}
    plain = flag(make([1.0, -1.0, 0.9, -0.9, 0.8, -0.8], s0), method="plain")
    assert plain.unusual.tolist() == plain.different.tolist()


def test_withheld_units_and_a_zero_numerator():
    estimate = np.array([0.0, 1.1, 0.9, 1.3, np.nan, 1.0])
    s0 = np.array([0.2, 0.1, 0.1, 0.1, np.nan, np.nan])
    noise = np.array([0.04, 0.01, 0.01, np.nan, np.nan, np.nan])
    found = flag(make(estimate, s0, null=1.0, noise=noise, contrast="ratio"), method="plain")
    assert found.unusual.tolist() == [
        "below",
        "not unusual",
        "not unusual",
        "above",
        "withheld",
        "withheld",
    ]
    # Own noise not known, prediction limit known: unusual, and nothing is said on different.
    assert found.different[3] == "withheld"
    frame = found.to_frame()
    assert list(frame.columns) == [
        "unit",
        "estimate",
        "different",
        "unusual",
        "z",
        "discovery",
        "adjusted_p",
        "practical",
    ]
    assert frame["z"].isna().tolist() == [False] * 4 + [True] * 2
    assert "1 above" in repr(found)
    assert list(found.reference.to_frame().columns) == ["unit", "z", "lower", "upper"]


def test_withheld_units_carry_no_weight():
    c = counts()
    s0 = c.null_std_error.copy()
    s0[5] = np.nan
    holed = make(
        c.estimate,
        s0,
        size=c.size,
        observed=c.observed,
        expected=c.expected,
        noise=np.where(np.isnan(s0), np.nan, c.noise),
    )
    rest = c.take(np.delete(np.arange(98), 5))
    assert between_unit_sd(holed) == pytest.approx(between_unit_sd(rest), rel=EXACT)


def test_typical_standard_error():
    c = counts(composition=0.0)
    found = reference_distribution(c)
    np.testing.assert_allclose(found.std_error_at(c.size), c.null_std_error, rtol=1e-8)
    same = reference_distribution(make([1.0, 2.0], [0.5, 0.5]))
    np.testing.assert_allclose(same.std_error_at(np.array([100.0, 400.0])), [0.5, 0.25], rtol=EXACT)


def test_winsorising_narrows():
    estimate = np.r_[np.random.default_rng(0).normal(0, 1, 60), 30.0]
    c = make(estimate, np.ones(61))
    assert reference_distribution(c, winsorise=0.1).tau < reference_distribution(c).tau
    assert reference_distribution(c, winsorise=0.1).z[-1] == 30.0


@pytest.mark.parametrize("contrast", ["difference", "ratio", "rate"])
def test_explained_share_is_one_number_for_all_contrasts(contrast):
    share = explained_share(counts(contrast=contrast))
    assert share == pytest.approx(explained_share(counts()), rel=EXACT)
    # Variances of rates: composition .02², practice .004².
    assert share == pytest.approx(0.02**2 / (0.02**2 + 0.004**2), abs=0.05)


def test_explained_share_at_its_ends():
    size = np.full(200, 1e9)
    rng = np.random.default_rng(4)
    p, practice = 0.05 + rng.normal(0, 0.005, 200), rng.normal(0, 0.005, 200)
    s0 = np.full(200, 1e-6)

    def share(observed, expected):
        scaled = {"observed": observed * size, "expected": expected * size}
        return explained_share(make(observed - expected, s0, size=size, **scaled))

    assert share(p, p) == pytest.approx(1.0, abs=1e-4)
    assert abs(share(p, np.full(200, p.mean()))) < 1e-6
    # An expected value that varies the wrong way explains less than nothing, and is not clipped.
    assert share(0.05 + practice, 0.05 - practice) == pytest.approx(-3.0, abs=0.1)
    assert np.isnan(share(np.full(200, 0.05), p))


def test_refusals():
    c = counts()
    with pytest.raises(SpecificationError, match="method='median'"):
        reference_distribution(c, method="median")
    with pytest.raises(SpecificationError, match="level=95"):
        reference_distribution(c, level=95)
    with pytest.raises(SpecificationError, match="standard='indirect'"):
        explained_share(make([1.0, 2.0], [1.0, 1.0], standard="direct"))
    nothing = make([1.0, np.nan, 2.0], [np.nan, 1.0, 1.0])
    for method in ("tau", "phi"):
        with pytest.raises(SpecificationError, match="1 of 3 units"):
            flag(nothing, method=method)
    assert flag(nothing, method="plain").unusual.tolist() == ["withheld", "withheld", "above"]
    assert np.isnan(between_unit_sd(nothing))


@pytest.mark.parametrize("method", ["tau", "phi", "plain"])
def test_predictions_hold_the_variation_between_units_already(method):
    s0 = np.array([1.0, 2.0, 4.0])
    rows = {"null_kind": "prediction", "noise": np.full(3, np.nan)}
    small = make([3.0, -5.0, 1.0], s0, df=np.full(3, 4.0), **rows)
    found = reference_distribution(small, method=method, level=0.9)
    assert found.method == "prediction"
    assert np.isnan([found.phi, found.tau, between_unit_sd(small), explained_share(small)]).all()
    np.testing.assert_allclose(found.upper, t.isf(0.05, 4) * s0, rtol=EXACT)
    np.testing.assert_allclose(found.lower, -found.upper, rtol=EXACT)
    np.testing.assert_array_equal(found.limits_at(s0), (found.lower, found.upper))
    np.testing.assert_allclose(found.limits_at(s0, level=0.998)[1], t.isf(0.001, 4) * s0, rtol=EXACT)
    verdicts = flag(small, method=method, level=0.9)
    assert verdicts.unusual.tolist() == ["above", "below", "not unusual"]
    assert set(verdicts.different) == {"withheld"}
    assert "prediction at 0.9" in repr(verdicts)
    for df in (0.0, np.inf):
        normal = reference_distribution(make([3.0, -5.0, 1.0], s0, df=np.full(3, df), **rows), method=method, level=0.9)
        np.testing.assert_allclose(normal.upper, norm.isf(0.05) * s0, rtol=EXACT)
    with pytest.raises(SpecificationError, match="method='prediction'; allowed"):
        reference_distribution(small, method="prediction")


def test_degrees_of_freedom_of_own_noise_widen_plain_limits_and_no_others():
    s0, df = np.array([1.0, 2.0, 4.0]), np.array([2.0, 5.0, np.inf])
    known, estimated = (make([3.0, -5.0, 1.0], s0, df=freedom) for freedom in (np.full(3, np.inf), df))
    for method in ("tau", "phi"):
        a, b = (reference_distribution(c, method=method) for c in (known, estimated))
        np.testing.assert_array_equal(a.upper, b.upper)
    plain = reference_distribution(estimated, method="plain")
    quantile = [*t.isf(0.025, df[:2]), norm.isf(0.025)]
    np.testing.assert_allclose(plain.upper, quantile * s0, rtol=EXACT)


def test_pickles_and_leaves_the_comparison_alone():
    c = counts()
    before = c.to_frame()
    found = pickle.loads(pickle.dumps(flag(c)))
    pd.testing.assert_frame_equal(found.to_frame(), flag(c).to_frame())
    pd.testing.assert_frame_equal(before, c.to_frame())


@pytest.mark.parametrize(("key", "trim"), [("SR|CQC|95|trim0|adjusted", 0.0), ("SR|CQC|95|trim0.1|adjusted", 0.1)])
def test_limits_agree_with_funnelplotr(key, trim):
    data = pd.read_csv(FOLDER / "syn_indicators_a.csv")
    expected = json.loads((FOLDER / "funnel.json").read_text())["results"][key]
    s = 1 / (2 * np.sqrt(data.expected))
    c = make(np.sqrt(data.observed / data.expected), s, null=1.0, contrast="ratio")
    found = reference_distribution(c, winsorise=trim)
    half = (found.upper - found.lower) / 2
    # The package rounds the normal quantile to 1.959964, which is 8e-9 larger.
    np.testing.assert_allclose(half, (np.array(expected["OD95UCL"]) - expected["OD95LCL"]) / 2, rtol=2e-8)


def test_no_information_is_a_verdict_of_its_own():
    #         beyond    within  wide    sign known, size not   below   withheld
    estimate = [0.50, 0.01, 0.00, 0.15, -0.60, 0.0]
    s = [0.10, 0.02, 0.50, 0.05, 0.05, np.nan]
    found = flag(make(estimate, np.where(np.isnan(s), 1.0, s), noise=np.square(s)), margin=0.1)
    assert found.practical.tolist() == [
        "above",
        "as expected",
        "not enough information",
        "not enough information",
        "below",
        "withheld",
    ]
    assert found.different[3] == "above"
    assert (found.margin, found.to_frame()["practical"].tolist()[1]) == (0.1, "as expected")
    # Without a margin no unit can be shown to be as expected.
    none = flag(make(estimate[:5], s[:5]))
    assert "as expected" not in none.practical
    assert np.isin(none.practical, ["above", "below"]).tolist() == np.isin(none.different, ["above", "below"]).tolist()


def test_margins_around_a_ratio():
    found = flag(make([1.3, 0.7, 1.0], [0.05, 0.05, 0.02], null=1.0, contrast="ratio"), margin=0.1, method="plain")
    assert found.practical.tolist() == ["above", "below", "as expected"]
    assert found.discovery.tolist() == ["above", "below", "none"]


def test_discoveries_are_the_step_up_procedure_with_signs():
    z = np.r_[np.linspace(-4, 4, 21), 3.5]
    c = make(z * 0.1, np.full(22, 0.1), noise=np.r_[np.full(21, 0.01), np.nan])
    found = flag(c, false_discovery_rate=0.1)
    p = 2 * norm.sf(np.abs(z[:21]))
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= 0.1 * np.arange(1, 22) / 21)
    rejected = np.isin(np.arange(21), order[: passed.max() + 1])
    expected = np.where(rejected, np.where(z[:21] > 0, "above", "below"), "none")
    assert found.discovery.tolist() == [*expected, "withheld"]
    assert np.isnan(found.adjusted_p[-1])
    narrower = flag(c, false_discovery_rate=0.1, dependence="any").adjusted_p[:-1]
    assert (narrower >= found.adjusted_p[:-1]).all()
    assert (flag(c, margin=0.05).adjusted_p[:-1] >= found.adjusted_p[:-1]).all()


def test_expected_false_flags():
    c = make(np.r_[np.zeros(50), np.full(50, 10.0)], np.ones(100))
    found = flag(c)
    assert found.expected_false_at_most == pytest.approx(5.0)
    assert found.null_share == 1.0
    few = flag(make(np.r_[norm.isf((np.arange(20) + 0.5) / 40), np.full(80, 10.0)], np.ones(100)))
    assert few.null_share == pytest.approx((11 + 1) / 50, abs=0.03)
    assert few.expected_false == pytest.approx(5.0 * few.null_share)


def test_invariant_to_units_of_measure_and_to_order():
    c = counts()
    base = flag(c, margin=0.002)
    for scale in (1e8, 1e-8):
        scaled = make(c.estimate * scale, c.null_std_error * scale, size=c.size)
        found = flag(scaled, margin=0.002 * scale)
        for name in ("discovery", "practical", "unusual"):
            assert getattr(found, name).tolist() == getattr(base, name).tolist()
    order = np.random.default_rng(0).permutation(98)
    assert flag(c.take(order), margin=0.002).discovery.tolist() == base.discovery[order].tolist()


def test_refusals_of_the_new_options():
    c = counts()
    for options, told in (
        ({"margin": -1.0}, "margin=-1.0"),
        ({"false_discovery_rate": 0.0}, "false_discovery_rate=0.0"),
        ({"dependence": "none"}, "dependence='none'"),
        ({"winsorise": 0.1, "truncate": 0.1}, "one of them"),
        ({"sides": "up", "truncate": 0.1}, "sides='up'"),
        ({"scale": "logit"}, "scale='logit'; allowed"),
        ({"scale": "log"}, "scale='log' is of a ratio or a rate"),
        ({"method": "empirical_null", "truncate": 0.1}, "uses neither"),
    ):
        with pytest.raises(SpecificationError, match=told):
            flag(c, **options)
    ratio = counts(contrast="ratio")
    with pytest.raises(SpecificationError, match="is of a rate"):
        reference_distribution(ratio, scale="arcsine")
    with pytest.raises(SpecificationError, match="whole numbers"):
        reference_distribution(
            make(ratio.estimate, ratio.null_std_error, observed=ratio.observed + 0.5, expected=ratio.expected),
            method="negative_binomial",
        )


@pytest.mark.parametrize("contrast", ["difference", "ratio", "rate"])
@pytest.mark.parametrize("method", ["garwood", "beta_binomial", "negative_binomial"])
def test_limits_of_counts_are_the_same_events_for_all_contrasts(contrast, method):
    c = counts(contrast=contrast)
    found = reference_distribution(c, method=method)
    events = {
        "difference": lambda x: c.expected + x * c.size,
        "ratio": lambda x: c.expected * x,
        "rate": lambda x: c.expected * x / c.null,
    }[contrast]
    base = reference_distribution(counts(), method=method)
    first = counts()
    np.testing.assert_allclose(events(found.lower), first.expected + base.lower * first.size, rtol=EXACT)
    np.testing.assert_allclose(events(found.upper), first.expected + base.upper * first.size, rtol=EXACT)
    # The curve passes near the limits of units of the overall rate.
    typical = np.abs(c.expected / c.size - c.expected.sum() / c.size.sum()) < 0.002
    lower, upper = found.limits_at(c.null_std_error)
    np.testing.assert_allclose((upper - lower)[typical], (found.upper - found.lower)[typical], rtol=0.1)


@pytest.mark.parametrize("contrast", ["difference", "ratio"])
@pytest.mark.parametrize("method", ["beta_binomial", "negative_binomial"])
def test_the_curve_of_counts_meets_units_of_the_overall_rate(method, contrast):
    size, rate = np.array([200.0, 500.0, 1000.0, 4000.0]), 0.3
    observed, expected = np.array([40.0, 190.0, 290.0, 1300.0]), rate * size
    spare = 1 - rate if method == "beta_binomial" else 1.0
    s0 = np.sqrt(rate * spare / size) / (rate if contrast == "ratio" else 1.0)
    estimate = observed / expected if contrast == "ratio" else (observed - expected) / size
    null = float(contrast == "ratio")
    c = make(estimate, s0, size=size, observed=observed, expected=expected, null=null, contrast=contrast)
    found = reference_distribution(c, method=method)
    assert found.counts.dispersion > 0
    np.testing.assert_allclose(np.stack(found.limits_at(s0)), [found.lower, found.upper], rtol=1e-8)


def test_a_zero_numerator_has_a_verdict_on_every_scale_and_method():
    observed, expected = np.r_[0.0, np.full(19, 10.0) + np.arange(19) % 5 - 2], np.full(20, 10.0)
    size = np.full(20, 100.0)
    rate = observed.sum() / size.sum()
    c = make(
        rate * observed / expected,
        rate / np.sqrt(expected),
        size=size,
        observed=observed,
        expected=expected,
        null=rate,
        contrast="rate",
    )
    for scale in ("estimate", "log", "square_root", "arcsine"):
        found = flag(c, method="plain", scale=scale)
        assert np.isfinite(found.z).all(), scale
        assert found.unusual[0] == "below"
    assert flag(c, method="plain", scale="log").z[0] == pytest.approx(np.log(0.5 / 10.5) * np.sqrt(10), rel=EXACT)
    for method in ("garwood", "beta_binomial", "negative_binomial", "empirical_null"):
        assert flag(c, method=method).unusual[0] == "below", method


def test_the_empirical_null_says_what_it_is():
    c = counts(practice=0.01)
    found = reference_distribution(c, method="empirical_null")
    assert "empirical null" in found.label
    assert any("98 units (fewer than 300)" in note for note in found.notes)
    assert any("real practice" in note for note in found.notes)
    assert found.empirical.sd_std_error > 0
    np.testing.assert_allclose(np.stack(found.limits_at(c.null_std_error)), [found.lower, found.upper], rtol=EXACT)
    s0, null = c.null_std_error, found.empirical
    spread = Z95 * null.sd(1 / s0**2) * s0
    np.testing.assert_allclose(found.upper, null.mean * s0 + spread, rtol=EXACT)
    np.testing.assert_allclose(found.lower, null.mean * s0 - spread, rtol=EXACT)
    # Practice of one point is absorbed: few are unusual that are different.
    verdict = flag(c, method="empirical_null")
    assert np.isin(verdict.unusual, ["above", "below"]).mean() < 0.12
    assert np.isin(verdict.different, ["above", "below"]).mean() > 0.5


def test_labels_name_method_figure_scale_and_trimming():
    c = counts(contrast="ratio")
    assert reference_distribution(c, method="plain").label == "sampling noise alone"
    shown = reference_distribution(c, scale="log", truncate=0.1, sides="high").label
    assert shown.startswith("additive variance between units, τ = 0.")
    assert shown.endswith("log scale, 10 % truncated on the high side")
    assert reference_distribution(c, method="beta_binomial").label.startswith("beta-binomial, ρ = 0.")
    assert reference_distribution(c, method="negative_binomial").label.startswith("negative binomial, κ = 0.")
    assert pickle.loads(pickle.dumps(reference_distribution(c, method="beta_binomial"))).counts.units == 98


@pytest.mark.slow
@pytest.mark.parametrize("dependence", ["positive", "any"])
@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_false_discoveries_with_60_of_98_units_as_expected(margin, dependence):
    rng = np.random.default_rng(8)
    s = np.exp(rng.normal(-1.0, 0.6, 98))
    proportion, wrong_side, flags, told, bound = [], [], [], [], []
    for _ in range(400):
        # Sixty at the null, half of them at its ends; the others beyond it by anything from a little to a lot.
        beyond = rng.choice([-1, 1], 38) * (margin + rng.exponential(1, 38))
        truth = np.r_[np.full(30, 0.0), rng.choice([-margin, margin], 30), beyond]
        c = make(truth + s * rng.normal(size=98), s)
        found = flag(c, margin=margin, false_discovery_rate=0.1, dependence=dependence)
        up, down = found.discovery == "above", found.discovery == "below"
        false = (up & (truth <= margin)) | (down & (truth >= -margin))
        proportion.append(false.sum() / max(1, (up | down).sum()))
        wrong_side.append(((up & (truth < -margin)) | (down & (truth > margin))).sum() / max(1, (up | down).sum()))
        if margin == 0.0:
            flags.append(np.isin(found.different[:60], ["above", "below"]).sum())
            told.append(found.expected_false)
            bound.append(found.null_share)
    error = np.std(proportion) / np.sqrt(400)
    print(f"{margin} {dependence}: {np.mean(proportion):.4f} ({error:.4f}), wrong side {np.mean(wrong_side):.4f}")
    assert np.mean(proportion) <= 0.1 + 4 * error
    assert np.mean(wrong_side) < 0.02
    if margin == 0.0:
        # Plain intervals flag 5 % of the sixty; the bound expects at least that many.
        print(f"false by plain intervals {np.mean(flags):.2f}, told {np.mean(told):.2f}, share {np.mean(bound):.3f}")
        assert np.mean(flags) == pytest.approx(3.0, abs=4 * np.std(flags) / 20)
        assert 3.0 - 4 * np.std(told) / 20 < np.mean(told) < 4.9


@pytest.mark.slow
def test_with_nothing_to_find_plain_intervals_flag_five_of_98_and_discoveries_are_rare():
    rng = np.random.default_rng(9)
    s, flags, any_found = np.exp(rng.normal(-1.0, 0.6, 98)), [], []
    for _ in range(400):
        found = flag(make(s * rng.normal(size=98), s))
        flags.append(np.isin(found.different, ["above", "below"]).sum())
        any_found.append(np.isin(found.discovery, ["above", "below"]).any())
    assert np.mean(flags) == pytest.approx(4.9, abs=4 * np.std(flags) / 20)
    assert np.mean(any_found) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 400)


def test_scales_of_estimates_of_zero_or_more():
    c = make(np.r_[-0.1, np.linspace(0.5, 1.5, 11)], np.full(12, 0.1), null=0.9, contrast="rate")
    for scale in ("log", "square_root", "arcsine"):
        with pytest.raises(SpecificationError, match="of zero or more"):
            reference_distribution(c, scale=scale)


def test_too_few_units_after_truncation_are_told_as_that():
    c = make([1.0, 2.0, 0.5], np.ones(3))
    with pytest.raises(SpecificationError, match="3 of 3 units .* truncate=0.49 leaves 1"):
        flag(c, truncate=0.49)
    # Plain limits know neither φ nor τ.
    assert np.isfinite(reference_distribution(c, method="plain", truncate=0.49).upper).all()


def test_options_that_are_no_numbers_are_refused_in_words():
    c = counts()
    for options in (
        {"level": "a"}, {"winsorise": "a"}, {"truncate": None}, {"margin": "a"}, {"margin": None},
        {"false_discovery_rate": "a"},
    ):  # fmt: skip
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            flag(c, **options)


def test_no_unit_to_explain_is_nan():
    lost = np.full(4, np.nan)
    assert np.isnan(explained_share(make(lost, lost)))
    assert np.isnan(flag(make([1.0, 2.0], [1.0, 1.0], noise=[np.nan, np.nan]), method="plain").expected_false)


@pytest.mark.parametrize(("scale", "within"), [("estimate", 0.96), ("square_root", 0.93), ("log", 0.88)])
def test_share_within_limits_where_few_events_are_expected(scale, within):
    rng, held = np.random.default_rng(0), []
    for _ in range(60):
        expected = np.exp(rng.normal(1.5, 1.0, 98))
        size = np.round(20 * expected) + 1
        observed = rng.binomial(size.astype(int), expected / size).astype(float)
        s0 = np.sqrt(expected * (1 - expected / size)) / expected
        c = make(observed / expected, s0, size=size, observed=observed, expected=expected, null=1.0, contrast="ratio")
        held.append((flag(c, scale=scale).unusual == "not unusual").mean())
    assert np.mean(held) == pytest.approx(within, abs=0.01)
