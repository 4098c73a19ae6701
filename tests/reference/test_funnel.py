"""Every number of FunnelPlotR 0.6.0 that is kept for the synthetic indicators, by ratio, share and ratio of counts.

Where the package's number is not the method's own, the test says so and asserts what it is.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from benchmodels.comparison import Comparison, Source
from benchmodels.flags import flag, reference_distribution
from benchmodels.kernels.overdispersion import dispersion

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
EXACT = 1e-9
# The package rounds normal quantiles to six decimals, and calls 99.8 % limits "99".
LEVELS = {"95": 1 - 2 * norm.sf(1.959964), "99": 1 - 2 * norm.sf(3.090232)}
TRIMS = {"trim0": 0.0, "trim0.1": 0.1}

pytestmark = pytest.mark.skipif(not (SHARED / "funnel").exists(), reason="the reference results are not here")


def results(kind):
    return json.loads((SHARED / "funnel" / f"funnel_{kind}.json").read_text())["results"]


def keys(kind):
    if not (SHARED / "funnel").exists():
        return []
    return [key for key, value in results(kind).items() if "error" not in value]


def make(observed, expected, size, *, null=1.0, null_std_error=None, contrast="ratio"):
    observed, expected = np.asarray(observed, float), np.asarray(expected, float)
    k = len(observed)
    s0 = null / np.sqrt(expected) if null_std_error is None else null_std_error
    estimate = observed / expected * (null if contrast == "rate" else 1.0)
    return Comparison(
        unit=[f"U{i + 1:02d}" for i in range(k)],
        size=size,
        observed=observed,
        expected=expected,
        estimate=estimate,
        lower=estimate - 1.96 * s0,
        upper=estimate + 1.96 * s0,
        noise=s0**2,
        shared=np.zeros((k, 0)),
        core=np.zeros((0, 0)),
        null=null,
        null_std_error=s0,
        df=np.full(k, np.inf),
        overlap=np.full(k, np.nan),
        withheld=np.full(k, "", dtype=object),
        standard="indirect",
        contrast=contrast,
        reference="all",
        level=0.95,
        better=None,
        source=Source(model="m", version="0", rows_read=k, rows_dropped=0, noise="counts"),
    )


def near(found, expected, rtol=EXACT):
    np.testing.assert_allclose(found, np.asarray(expected, float), rtol=rtol, atol=1e-12)


def indicators():
    return pd.read_csv(SHARED / "data" / "syn_indicators_a.csv")


def pairs(aggregated, over):
    names = ("OD{}LCL", "OD{}UCL") if over else ("LCL{}", "UCL{}")
    return {n: tuple(aggregated[name.format(n)] for name in names) for n in ("95", "99")}


@pytest.mark.parametrize("key", keys("SR"))
def test_standardised_ratios(key):
    _, variant, _, trim, adjusted = key.split("|")
    told = results("SR")[key]
    data, aggregated = indicators(), told["aggregated"]
    # SHMI rounds the expected count to two digits before anything else.
    expected = data.expected.round(2) if variant == "SHMI" else data.expected
    c = make(data.observed, expected, data.denom)
    scale = "log" if variant == "SHMI" else "square_root"
    how = {"truncate" if variant == "SHMI" else "winsorise": TRIMS[trim]}
    method = "tau" if adjusted == "adjusted" else "plain"
    for name, level in LEVELS.items():
        found = reference_distribution(c, method=method, level=level, scale=scale, **how)
        near(found.z, aggregated["Uzscore"])
        if method == "tau":
            near([found.phi, found.tau**2], [told["phi"], told["tau2"]])
        lower, upper = pairs(aggregated, over=True)[name]
        if variant == "CQC":
            # The package leaves these on the square-root scale, beside ratios that are not.
            half = (np.asarray(upper) - lower) / 2
            near(lower, 1 - half)
            near(found.lower, np.maximum(1 - half, 0) ** 2)
            near(found.upper, (1 + half) ** 2)
        else:
            near(found.lower, lower)
            near(found.upper, upper)
        exact = reference_distribution(c, method="garwood", level=0.95 if name == "95" else 0.998)
        for limits, want in zip((exact.lower, exact.upper), pairs(aggregated, over=False)[name], strict=True):
            near(limits, want)


@pytest.mark.parametrize("key", keys("SR"))
def test_curves_and_outliers_of_standardised_ratios(key):
    _, variant, asked, trim, adjusted = key.split("|")
    told = results("SR")[key]
    data, curve = indicators(), told["limits_sample"]
    expected = data.expected.round(2) if variant == "SHMI" else data.expected
    c = make(data.observed, expected, data.denom)
    grid = np.array(curve["number_seq"])
    exact = reference_distribution(c, method="garwood")
    for level, names in ((0.95, ("ll95", "ul95")), (0.998, ("ll998", "ul998"))):
        for limits, name in zip(exact.limits_at(1 / np.sqrt(grid), level=level), names, strict=True):
            near(limits, curve[name])
    how = {"truncate" if variant == "SHMI" else "winsorise": TRIMS[trim]}
    scale = "log" if variant == "SHMI" else "square_root"
    method = "tau" if adjusted == "adjusted" else "plain"
    over = reference_distribution(c, method=method, scale=scale, **how)
    for level, names in ((LEVELS["95"], ("odll95", "odul95")), (LEVELS["99"], ("odll998", "odul998"))):
        lower, upper = over.limits_at(1 / np.sqrt(grid), level=level)
        want = [np.asarray(curve[name]) for name in names]
        if variant == "CQC":
            want = [np.maximum(w, 0.0) ** 2 for w in want]
        near(lower, want[0])
        near(upper, want[1])
    if variant == "SHMI" or adjusted == "unadjusted":
        level = LEVELS[asked]
        options = {"scale": scale, **how} if adjusted == "adjusted" else {}
        verdict = flag(c, method="tau" if adjusted == "adjusted" else "garwood", level=level, **options)
        assert verdict.unit[np.isin(verdict.unusual, ["above", "below"])].tolist() == told["outliers"]
    else:
        # Ratios held against limits of their square roots: here they flag up to three times as many.
        half = np.sqrt(reference_distribution(c, method=method, level=LEVELS[asked], scale=scale, **how).upper) - 1
        outside = np.abs(c.estimate - 1) > half
        assert c.unit[outside].tolist() == told["outliers"]
        assert (
            outside.sum() > np.isin(flag(c, scale=scale, level=LEVELS[asked], **how).unusual, ["above", "below"]).sum()
        )


@pytest.mark.parametrize("key", keys("PR"))
def test_proportions(key):
    _, asked, trim, adjusted = key.split("|")
    told = results("PR")[key]
    data, aggregated, curve = indicators(), told["aggregated"], told["limits_sample"]
    rate = data.n.sum() / data.denom.sum()
    s0 = np.sqrt(rate * (1 - rate) / data.denom.to_numpy())
    c = make(data.n, data.denom * rate, data.denom, null=rate, null_std_error=s0, contrast="rate")
    grid = np.array(curve["number_seq"])
    for method, over in (("tau", True), ("plain", False)):
        if over and adjusted == "unadjusted":
            continue
        for name, level in LEVELS.items():
            found = reference_distribution(c, method=method, level=level, scale="arcsine", winsorise=TRIMS[trim])
            near(found.z, aggregated["Uzscore"])
            if over:
                near([found.phi, found.tau**2], [told["phi"], told["tau2"]])
            for limits, want in zip((found.lower, found.upper), pairs(aggregated, over=over)[name], strict=True):
                near(limits, want)
            lower, upper = found.limits_at(np.sqrt(rate * (1 - rate) / grid))
            number = {"95": "95", "99": "998"}[name]
            low, high = (np.asarray(curve[f"{'od' if over else ''}{side}{number}"]) for side in ("ll", "ul"))
            # Where the lower end of the arc is below zero the package takes the square of its sine all the same.
            inside = lower > 0
            near(lower[inside], low[inside])
            near(upper, high)
            assert np.all(lower[~inside] == 0.0)
            if name == asked and over == (adjusted == "adjusted"):
                verdict = flag(c, method=method, level=level, scale="arcsine", winsorise=TRIMS[trim])
                assert verdict.unit[np.isin(verdict.unusual, ["above", "below"])].tolist() == told["outliers"]


@pytest.mark.parametrize("key", keys("RC"))
def test_ratios_of_counts(key):
    _, _, trim, adjusted = key.split("|")
    told = results("RC")[key]
    data, aggregated, curve = indicators(), told["aggregated"], told["limits_sample"]
    target = data.observed.sum() / data.expected.sum()
    # z by the noise of both counts, half an event added; the limits by 1 / (2 sqrt(expected)), another number.
    up, down = data.observed + 0.5, data.expected + 0.5
    y, s = np.log(up / down), np.sqrt(data.observed / up**2 + data.expected / down**2)
    near(y, aggregated["Y"])
    found = dispersion((y - np.log(target)).to_numpy(), s.to_numpy(), winsorise=TRIMS[trim])
    near((y - np.log(target)) / s, aggregated["Uzscore"])
    if adjusted == "adjusted":
        near([found.phi, found.tau2], [told["phi"], told["tau2"]])
    s0 = target / (2 * np.sqrt(data.expected.to_numpy()))
    c = make(data.observed, data.expected, data.denom, null=target, null_std_error=s0)
    at = target / (2 * np.sqrt(np.array(curve["number_seq"])))
    for name, level in LEVELS.items():
        limits = reference_distribution(c, method="plain", level=level, scale="log")
        # τ² is zero here: with and without over-dispersion are the same limits.
        for over in (True, False):
            for side, want in zip((limits.lower, limits.upper), pairs(aggregated, over=over)[name], strict=True):
                near(side, want)
            number = {"95": "95", "99": "998"}[name]
            for side, end in zip(limits.limits_at(at), ("ll", "ul"), strict=True):
                near(side, curve[f"{'od' if over else ''}{end}{number}"])
