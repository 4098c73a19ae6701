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
    assert list(frame.columns) == ["unit", "estimate", "different", "unusual", "z"]
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


def test_degrees_of_freedom_of_own_noise_do_not_touch_the_other_limits():
    s0 = np.array([1.0, 2.0, 4.0])
    a, b = (reference_distribution(make([3.0, -5.0, 1.0], s0, df=np.full(3, df))) for df in (2.0, np.inf))
    np.testing.assert_array_equal(a.upper, b.upper)


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
    # The package writes 1.96 for the normal quantile, which is 1.8e-5 larger.
    np.testing.assert_allclose(half, (np.array(expected["OD95UCL"]) - expected["OD95LCL"]) / 2, rtol=2e-5)
