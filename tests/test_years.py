"""Comparisons of several periods: identities, plain loops, simulation of known drift, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm

from benchmodels import (
    BenchmodelsWarning,
    Comparison,
    DataError,
    FixedEffects,
    PartialResultWarning,
    Pooled,
    SpecificationError,
    datasets,
    shrink,
)
from benchmodels.adjustment.noise import NOISE_TEXT
from benchmodels.comparison import Coverage, Source
from benchmodels.years import (
    by_period,
    change,
    forecast,
    pooled_years,
    regression_to_the_mean,
    reliability,
)
from benchmodels.years.periods import _CLUSTERED, positions_of, year_effects

Z = norm.ppf(0.975)
YEARS = (2019, 2020, 2021, 2022, 2023)


def comparison(estimate, variance, *, units=None, contrast="difference", noise=NOISE_TEXT["counts"], seed=0, **rest):
    """A comparison with normal limits, part of whose variance is shared between units."""
    k = len(estimate)
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(k, 2)) * 0.1 * np.sqrt(variance)[:, None]
    core = np.eye(2)
    std_error = np.sqrt(variance)
    null = 0.0 if contrast == "difference" else 1.0
    expected = np.linspace(50.0, 500.0, k)
    size = np.linspace(1000.0, 9000.0, k)
    observed = expected * estimate if contrast == "ratio" else expected + size * estimate
    fields = {
        "unit": units if units is not None else [f"enhed {i:03d}" for i in range(k)],
        "size": size,
        "observed": observed,
        "expected": expected,
        "estimate": estimate,
        "lower": estimate - Z * std_error,
        "upper": estimate + Z * std_error,
        "noise": variance - np.sum(shared**2, axis=1),
        "shared": shared,
        "core": core,
        "null": null,
        "null_std_error": std_error,
        "df": np.full(k, np.inf),
        "overlap": np.full(k, 0.9),
        "withheld": np.full(k, "", dtype=object),
        "standard": "indirect",
        "contrast": contrast,
        "reference": "others",
        "level": 0.95,
        "better": None,
        "source": Source(model="m", version="0", rows_read=k, rows_dropped=0, noise=noise, simulated=True),
    }
    return Comparison(**{**fields, **rest})


def drifting(k=98, years=YEARS, seed=0, lasting=0.3, rho=0.6, noise=0.5):
    """Comparisons of known drift, and the true distances (k, t)."""
    rng = np.random.default_rng(seed)
    steps = np.array(years) - years[0]
    sigma = lasting + (1.0 - lasting) * rho ** np.abs(np.subtract.outer(steps, steps))
    signal = rng.multivariate_normal(np.zeros(len(years)), sigma, size=k)
    variance = noise * np.exp(rng.normal(0, 0.8, (k, 1)) + np.zeros((1, len(years))))
    effect = signal + rng.normal(size=signal.shape) * np.sqrt(variance)
    return {year: comparison(effect[:, t], variance[:, t], seed=t) for t, year in enumerate(years)}, signal


@pytest.fixture(scope="module")
def pupils():
    table = datasets.simulate_denmark().special_education(years=(2021, 2022, 2023))
    keys = ["municipality", "year", "sex", "diagnosis"]
    small = table.groupby(keys, as_index=False, observed=True)[["pupils", "segregated"]].sum()
    small.attrs = dict(table.attrs)
    return small


MODEL = FixedEffects("segregated ~ sex + diagnosis", unit="municipality", trials="pupils", family="binomial")


@pytest.fixture(scope="module")
def found(pupils):
    return by_period(MODEL, pupils, period="year", contrast="ratio", better="low")


def test_each_period_is_the_fit_of_its_own_rows(pupils, found):
    assert list(found) == [2021, 2022, 2023]
    for year, one in found.items():
        wanted = MODEL.fit(pupils[pupils["year"] == year]).compare(contrast="ratio", better="low")
        pd.testing.assert_frame_equal(one.to_frame(), wanted.to_frame())
        assert one.source.simulated and one.better == "low"


def test_any_dataframe_and_any_labels(pupils, found):
    polars = pytest.importorskip("polars")
    school = pupils.assign(year=(pupils["year"] - 1).astype(str) + "/" + pupils["year"].astype(str).str[2:])
    again = by_period(MODEL, polars.from_pandas(school), period="year", contrast="ratio")
    assert list(again) == ["2020/21", "2021/22", "2022/23"]
    np.testing.assert_allclose(again["2022/23"].estimate, found[2023].estimate, rtol=1e-10)
    np.testing.assert_array_equal(reliability(again).by_lag()["lag"], [0, 1, 2])


def test_what_by_period_cannot_do_is_said(pupils):
    with pytest.raises(SpecificationError, match="in the formula"):
        by_period(Pooled("segregated ~ sex + year", unit="municipality", trials="pupils"), pupils, period="year")
    with pytest.raises(SpecificationError, match="takes a model"):
        by_period("segregated ~ sex", pupils, period="year")
    with pytest.raises(DataError, match="one period only"):
        by_period(MODEL, pupils[pupils["year"] == 2022], period="year")
    with pytest.raises(DataError, match="did you mean 'year'"):
        by_period(MODEL, pupils, period="yeer")
    holes = pupils.assign(year=pupils["year"].where(pupils.index > 0))
    with pytest.raises(DataError, match="give each row its period"):
        by_period(MODEL, holes, period="year")
    empty = pupils.assign(segregated=pupils["segregated"].where(pupils["year"] != 2022, 0))
    with pytest.raises(DataError, match="^year 2022: "):
        by_period(MODEL, empty, period="year")
    mixed = pupils.assign(year=pupils["year"].astype(object).where(pupils["year"] != 2022, "2022"))
    with pytest.raises(DataError, match="mixes"):
        by_period(MODEL, mixed, period="year")


@pytest.mark.parametrize(
    ("labels", "positions"),
    [
        ([2019, 2021, 2025], [0, 1, 3]),
        ([2019.0, 2020.0], [0, 1]),
        ([202011, 202012, 202101], [0, 1, 2]),
        (["2019/20", "2020/21"], [0, 1]),
        ([2019.25, 2019.5], [0, 1]),
        # Each of these leaves out a period, which is farther apart.
        ([2019.0, 2019.5, 2020.5], [0, 1, 3]),
        (["2018", "2020", "2021"], [0, 2, 3]),
        (["2019H1", "2019H2", "2020H2"], [0, 1, 3]),
        (["2019K4", "2020K1", "2020K4"], [0, 1, 4]),
        (["2019M11", "2020M02", "2020M03"], [0, 3, 4]),
        (["2019K1", "2019M02"], [0, 1]),
        (["2019K1", "2019K3", "2019K5"], [0, 1, 2]),
        (list(pd.to_datetime(["2018-01-01", "2020-01-01", "2021-01-01"])), [0, 2, 3]),
        (list(pd.to_datetime(["2020-01-31", "2020-02-29", "2020-03-31"])), [0, 1, 2]),
        (list(pd.to_datetime(["2020-01-06", "2020-01-13", "2020-01-27"])), [0, 1, 3]),
    ],
)
def test_positions_of_periods(labels, positions):
    assert positions_of(labels).tolist() == positions


def test_effects_are_logarithms_of_ratios_and_differences_as_they_are(found):
    ratios = year_effects(found, "a test")
    row = found[2022]
    at = [ratios.unit.tolist().index(label) for label in row.unit]
    np.testing.assert_allclose(ratios.effect[at, 1], np.log(row.estimate), rtol=1e-12)
    np.testing.assert_allclose(ratios.variance[at, 1], (row.std_error / row.estimate) ** 2, rtol=1e-12)
    made, _ = drifting(k=12)
    plain = year_effects(made, "a test")
    np.testing.assert_array_equal(plain.effect[:, 2], made[2021].estimate)
    assert (ratios.scale, plain.scale) == ("log", "estimate")


@pytest.mark.parametrize("contrast", ["difference", "ratio"])
def test_pooling_by_size_is_as_if_the_periods_were_one(pupils, contrast):
    years = by_period(MODEL, pupils, period="year", contrast=contrast)
    pooled = pooled_years(years)
    c = pooled.comparison
    observed, expected, size = (sum(getattr(y, n) for y in years.values()) for n in ("observed", "expected", "size"))
    wanted = observed / expected if contrast == "ratio" else (observed - expected) / size
    np.testing.assert_allclose(c.estimate, wanted, rtol=1e-10)
    np.testing.assert_allclose(c.observed, observed)
    weight = pooled.weight
    dense = sum(np.diag(weight[:, t]) @ y.covariance() @ np.diag(weight[:, t]) for t, y in enumerate(years.values()))
    np.testing.assert_allclose(c.covariance(), dense, rtol=1e-8, atol=1e-18)
    np.testing.assert_allclose(c.std_error, np.sqrt(np.diag(dense)), rtol=1e-8)
    assert np.all((c.lower < c.estimate) & (c.estimate < c.upper)) and c.source.simulated
    assert np.mean(c.std_error < years[2022].std_error) > 0.95
    # The waist: what starts from a comparison starts from this one.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)  # That effects go with precision here.
        assert len(shrink(c).to_frame()) == 98


def test_pooling_by_precision_is_the_weighted_mean_and_q_is_cochrans():
    made, _ = drifting(k=20, years=(1, 2, 3))
    pooled = pooled_years(made, weights="precision")
    table = pooled.to_frame()
    for i in (0, 7, 19):
        y = np.array([c.estimate[i] for c in made.values()])
        w = np.array([c.std_error[i] ** -2 for c in made.values()])
        middle = w @ y / w.sum()
        np.testing.assert_allclose(table["estimate"][i], middle)
        np.testing.assert_allclose(table["std_error"][i], w.sum() ** -0.5)
        np.testing.assert_allclose(table["upper"][i], middle + Z * w.sum() ** -0.5)
        np.testing.assert_allclose(table["q"][i], w @ (y - middle) ** 2)
        np.testing.assert_allclose(table["p"][i], chi2.sf(w @ (y - middle) ** 2, 2))
    names = ["unit", "periods", "estimate", "std_error", "lower", "upper", "q", "p", "1", "2", "3"]
    assert list(table.columns) == names


def test_q_of_steady_units_is_uniform_and_limits_hold():
    rng = np.random.default_rng(3)
    truth, variance = rng.normal(size=3000), np.exp(rng.normal(size=(3000, 3)))
    effect = truth[:, None] + rng.normal(size=variance.shape) * np.sqrt(variance)
    pooled = pooled_years({t: comparison(effect[:, t], variance[:, t], seed=t) for t in range(3)})
    c = pooled.comparison
    four = 4.0 * np.sqrt(0.05 * 0.95 / 3000)
    assert abs(np.mean((c.lower < truth) & (truth < c.upper)) - 0.95) < four
    assert abs(np.mean(pooled.p < 0.05) - 0.05) < four


def test_pooling_units_that_are_absent_or_withheld():
    made, _ = drifting(k=20, years=(1, 2, 3))
    made[2] = made[2].take(np.arange(1, 20))
    lost = np.full(20, "", dtype=object)
    lost[5] = "it has a single cluster"
    one = made[3]
    gone = np.where(lost != "", np.nan, 1.0)
    made[3] = comparison(one.estimate, one.std_error**2, withheld=lost, noise=one.source.noise, lower=one.lower * gone)
    with pytest.warns(PartialResultWarning, match="enhed 005"):
        pooled = pooled_years(made)
    table = pooled.to_frame()
    assert table["periods"].tolist()[:2] == [2, 3] and np.isnan(table["2"][0])
    assert pooled.comparison.withheld[5] == "withheld in 3: it has a single cluster"
    assert np.isnan(table["lower"][5]) and np.isfinite(table["lower"][0]) and np.isnan(pooled.p[5])
    assert "1 of 20 units are not in every period" in pooled.notes


def test_what_cannot_be_pooled(found):
    with pytest.raises(SpecificationError, match="weights must be"):
        pooled_years(found, weights="equal")
    made, _ = drifting(k=12, years=(1, 2))
    rates = {t: comparison(np.ones(12), np.ones(12), contrast="rate", null=0.1 * (t + 1)) for t in range(2)}
    with pytest.raises(SpecificationError, match="another null"):
        pooled_years(rates)
    with pytest.raises(SpecificationError, match="levels 0.9, 0.95"):
        pooled_years({**made, 2: comparison(np.ones(12), np.ones(12), level=0.9)})


def test_change_is_a_difference_whose_variances_add():
    made, _ = drifting(k=30, years=(1, 2))
    moved = change(made[1], made[2])
    np.testing.assert_allclose(moved.change, made[2].estimate - made[1].estimate)
    np.testing.assert_allclose(moved.std_error, np.hypot(made[1].std_error, made[2].std_error))
    np.testing.assert_allclose(moved.covariance, made[1].covariance() + made[2].covariance(), rtol=1e-12)
    np.testing.assert_allclose(moved.upper, moved.change + Z * moved.std_error)
    assert list(moved.to_frame().columns) == [
        "unit", "earlier", "later", "change", "std_error", "lower", "upper", "withheld",
    ]  # fmt: skip


def test_change_through_one_fit_has_its_covariance(pupils):
    # One fit of municipality-years: the two estimates of a municipality share slopes and level.
    joint = pupils[pupils["year"] > 2021].assign(unit=lambda t: t["municipality"] + " " + t["year"].astype(str))
    model = Pooled("segregated ~ sex + diagnosis", unit="unit", trials="pupils", family="binomial")
    whole = model.fit(joint).compare()
    labels = np.array([str(u) for u in whole.unit])
    early, late = (np.flatnonzero([u.endswith(y) for u in labels]) for y in ("2022", "2023"))

    def named(rows):
        part = whole.take(rows)
        units = [str(u)[:-5] for u in part.unit]
        names = [f.name for f in Comparison.__dataclass_fields__.values() if f.init and f.name != "unit"]
        return Comparison(unit=units, **{n: getattr(part, n) for n in names})

    dense = whole.covariance()
    moved = change(named(early), named(late), covariance=dense[np.ix_(early, late)])
    pick = np.zeros((98, len(whole)))
    order = {label: i for i, label in enumerate(moved.unit)}
    for rows, sign in ((early, -1.0), (late, 1.0)):
        for r in rows:
            pick[order[labels[r][:-5]], r] = sign
    np.testing.assert_allclose(moved.covariance, pick @ dense @ pick.T, rtol=1e-8, atol=1e-15)
    np.testing.assert_allclose(moved.std_error**2, np.diag(pick @ dense @ pick.T), rtol=1e-8)
    apart = change(named(early), named(late))
    assert np.abs(moved.std_error / apart.std_error - 1).max() > 1e-6
    with pytest.raises(DataError, match="shape"):
        change(named(early), named(late), covariance=dense)
    with pytest.raises(DataError, match="larger than the variances"):
        change(named(early), named(late), covariance=100 * np.diag(np.diag(dense)[:98]))
    with pytest.raises(DataError, match="no numbers"):
        change(named(early), named(late), covariance="none")


def test_change_of_ratios_is_a_factor(found):
    moved = change(found[2021], found[2022])
    at = [found[2021].unit.tolist().index(u) for u in moved.unit]
    early, late = found[2021].take(np.array(at)), found[2022].take(np.array(at))
    np.testing.assert_allclose(moved.change, late.estimate / early.estimate)
    spread = (early.std_error / early.estimate) ** 2 + (late.std_error / late.estimate) ** 2
    np.testing.assert_allclose(moved.std_error**2, spread)
    np.testing.assert_allclose(np.diag(moved.covariance), spread, rtol=1e-9)
    low = np.sqrt(np.log(late.estimate / late.lower) ** 2 + np.log(early.upper / early.estimate) ** 2)
    np.testing.assert_allclose(moved.lower, moved.change * np.exp(-low))
    assert moved.scale == "log"


def test_change_limits_hold_and_what_is_withheld_says_why():
    rng = np.random.default_rng(5)
    variance = np.exp(rng.normal(size=(2, 4000)))
    a, b = (comparison(rng.normal(size=4000) * np.sqrt(v), v) for v in variance)
    moved = change(a, b)
    assert abs(np.mean((moved.lower < 0) & (moved.upper > 0)) - 0.95) < 4.0 * np.sqrt(0.05 * 0.95 / 4000)
    short = a.take(np.arange(10))
    none = comparison(np.r_[0.0, np.ones(9)], np.ones(10), contrast="ratio")
    with pytest.warns(PartialResultWarning, match="withheld"):
        gone = change(short, b.take(np.arange(8)))
    assert gone.withheld.tolist()[8:] == ["it is not in both periods"] * 2 and np.isnan(gone.change[8:]).all()
    assert np.isfinite(gone.covariance[:8, :8]).all() and np.isnan(gone.covariance[8, 0])
    with pytest.warns(PartialResultWarning):
        zero = change(none, none)
    assert "no events" in zero.withheld[0] and zero.withheld[1] == ""
    # A lower limit of zero leaves the factor open upwards, or its lower limit at zero.
    wide = {"contrast": "ratio", "lower": np.zeros(12), "upper": np.full(12, 3.0)}
    open_ended = comparison(np.ones(12), np.ones(12), **wide)
    sure = comparison(np.ones(12), np.full(12, 0.01), contrast="ratio")
    up, down = change(open_ended, sure), change(sure, open_ended)
    assert np.isposinf(up.upper).all() and np.isfinite(up.lower).all()
    assert np.all(down.lower == 0) and np.isfinite(down.upper).all()
    with pytest.raises(SpecificationError, match="levels"):
        change(a, comparison(np.zeros(10), np.ones(10), level=0.9))


def test_reliability_finds_the_drift_it_was_given():
    made, _ = drifting(k=900, seed=4)
    result = reliability(made)
    table = result.by_lag()
    wanted = 0.3 + 0.7 * 0.6 ** np.arange(5)
    assert np.all(np.abs(table["covariance"] - wanted) <= 4.0 * table["std_error"])
    assert np.all((table["lower"] <= wanted + 0.05) & (table["upper"] >= wanted - 0.05))
    # Noise brings the correlation of figures down.
    assert np.all(table["observed_correlation"][1:] < table["correlation"][1:])
    years = result.by_period()
    noise = np.array([np.median(c.std_error) for c in made.values()])
    np.testing.assert_allclose(years["noise"], noise)
    np.testing.assert_allclose(years["reliability"], years["signal_sd"] ** 2 / (years["signal_sd"] ** 2 + noise**2))
    assert np.all((years["lower"] < 1.0) & (years["upper"] > 1.0))


def test_reliability_without_signal_or_units_is_withheld():
    rng = np.random.default_rng(6)
    flat = {t: comparison(rng.normal(size=60) * 0.8, np.ones(60)) for t in (1, 2, 3)}
    table = reliability(flat).by_lag()
    assert np.isnan(table["correlation"]).all() and "not told from chance" in table["withheld"][1]
    with pytest.raises(DataError, match="nothing to foretell"):
        forecast(flat)
    with pytest.raises(DataError, match="10 are needed"):
        reliability({t: c.take(np.arange(9)) for t, c in flat.items()})
    made, _ = drifting(k=15, years=(1, 2, 3))
    made[3] = comparison(made[3].estimate, made[3].std_error ** 2, units=[f"anden {i}" for i in range(15)])
    seen = reliability(made).by_lag()
    assert "fewer than 10" in seen["withheld"][2] and np.isnan(seen["covariance"][2])


def test_persons_that_are_met_again_are_told_of():
    assert NOISE_TEXT["clusters"] == _CLUSTERED
    made, _ = drifting(k=20, years=(1, 2))
    again = {t: comparison(c.estimate, c.std_error**2, noise=NOISE_TEXT["clusters"]) for t, c in made.items()}
    assert "not independent between periods" in " ".join(reliability(again).notes)
    assert "not independent between periods" in " ".join(change(again[1], again[2]).notes)
    assert not reliability(made).notes


def test_flagged_units_move_back_as_reliability_says():
    shares, inside, predicted = [], [], []
    for seed in range(60):
        made, _ = drifting(seed=seed, years=(2020, 2021, 2022), noise=0.3)
        table = regression_to_the_mean(made).to_frame()
        last = table.iloc[-1]
        shares.append(last["observed"])
        predicted.append(last["predicted"])
        inside.append(last["lower"] <= last["predicted"] <= last["upper"])
    gap = np.array(shares) - predicted
    assert abs(gap.mean()) <= 4.0 * gap.std(ddof=1) / np.sqrt(60)
    assert np.mean(inside) >= 0.85
    assert np.mean(predicted) < 0.75  # A signal of which 72 % lasts, and noise beside it.


def test_what_is_left_is_a_plain_sum_over_flagged_units():
    made, _ = drifting(k=40, seed=2)
    table = regression_to_the_mean(made).to_frame()
    effects = year_effects(made, "a test")
    g = reliability(made).autocovariances.covariance
    w = 1.0 / (effects.variance + g[0])
    middle = effects.effect - (w * effects.effect).sum(0) / w.sum(0)
    top = base = want = 0.0
    for i in range(40):
        if made[2020].different[i] in ("above", "below"):
            sign = np.sign(middle[i, 1])
            top, base = top + sign * middle[i, 2], base + abs(middle[i, 1])
            want += abs(middle[i, 1]) * g[1] / (g[0] + effects.variance[i, 1])
    np.testing.assert_allclose(table["observed"][1], top / base)
    np.testing.assert_allclose(table["predicted"][1], want / base)
    assert table["earlier"].tolist() == [2019, 2020, 2021, 2022, "all"]
    assert table["later"].tolist() == [2020, 2021, 2022, 2023, "all"]


def test_few_flagged_units_are_withheld_and_uneven_periods_not_added_up():
    made, _ = drifting(k=30, years=(2019, 2020, 2023), noise=30.0)
    result = regression_to_the_mean(made)
    table = result.to_frame()
    assert repr(result).startswith("RegressionToTheMean(2 pairs of periods")
    assert len(table) == 2 and "unevenly" in " ".join(result.notes)
    assert "fewer than 5" in table["withheld"][0] and np.isnan(table["observed"][0])


def test_forecasts_hold_the_truth_and_are_neither_timid_nor_bold():
    slopes, inside, ahead, again = [], [], [], []
    for seed in range(40):
        made, signal = drifting(seed=seed, years=(*YEARS, 2024))
        known = {year: made[year] for year in YEARS}
        result = forecast(known)
        low, high = result.limits()
        inside.append(np.mean((low < signal[:, :5]) & (signal[:, :5] < high)))
        slopes.append(result.calibration().slope)
        again.append(result.calibration().inside)
        following = forecast(known, of="next")
        low, high = following.limits()
        ahead.append(np.mean((low[:, 0] < signal[:, 5]) & (signal[:, 5] < high[:, 0])))
    for values in (inside, ahead, again):
        assert abs(np.mean(values) - 0.95) <= 4.0 * np.std(values) / np.sqrt(40)
    assert abs(np.mean(slopes) - 1.0) <= 1.0 / 98 + 4.0 * np.std(slopes) / np.sqrt(40)


def test_a_forecast_does_not_look_at_its_own_period():
    made, _ = drifting(k=60)
    one = forecast(made).to_frame().set_index(["unit", "period"])
    assert list(one.columns) == [
        "used", "forecast", "std_error", "lower", "upper", "estimate", "estimate_lower", "estimate_upper",
    ]  # fmt: skip
    moved = made[2021].estimate.copy()
    moved[7] += 0.5
    other = forecast({**made, 2021: comparison(moved, made[2021].std_error ** 2, seed=2)}).to_frame()
    other = other.set_index(["unit", "period"])
    by = (other["forecast"] - one["forecast"]).abs()
    # Through the mean and the covariances a little, directly not at all.
    assert by["enhed 007", 2021] < 0.05 < by["enhed 007", 2022]


def test_a_unit_that_is_new_has_no_forecast_for_its_first_year_but_one_for_the_next():
    made, _ = drifting(k=30)
    whole = forecast(made, of="next").std_error[0, 0]
    for year in YEARS[:-1]:
        made[year] = made[year].take(np.arange(1, 30))
    result = forecast(made)
    row = result.unit.tolist().index("enhed 000")
    assert np.isnan(result.forecast[row, :4]).sum() == 0 and np.isnan(result.forecast[row, 4])
    assert result.used[row].tolist() == [1, 1, 1, 1, 0]
    following = forecast(made, of="next")
    assert following.used[row, 0] == 1 and following.period == ("next",)
    assert following.std_error[row, 0] > whole
    with pytest.raises(SpecificationError, match="nothing to be held against"):
        following.calibration()


def test_periods_of_different_spread_are_told_of():
    made, _ = drifting(k=98, noise=0.05)
    made[2022] = comparison(made[2022].estimate * 2.5, made[2022].std_error ** 2)
    assert "not equally far apart" in " ".join(forecast(made).notes)
    assert "not equally far apart" not in " ".join(forecast(drifting(k=98, noise=0.05)[0]).notes)


@pytest.mark.parametrize("use", [reliability, regression_to_the_mean, pooled_years, forecast])
def test_what_cannot_be_held_together_is_said(use, found):
    made, _ = drifting(k=12, years=(1, 2, 3))
    one = made[1]
    with pytest.raises(SpecificationError, match="by period"):
        use(list(made.values()))
    with pytest.raises(SpecificationError, match="periods or more"):
        use({1: one})
    with pytest.raises(SpecificationError, match="takes a Comparison"):
        use({1: one, 2: MODEL, 3: one})
    with pytest.raises(SpecificationError, match="different contrasts"):
        use({1: one, 2: found[2021], 3: one})
    with pytest.raises(SpecificationError, match="mix numbers and text"):
        use({1: one, "2": one, 3: one})
    cover = Coverage(level=0.95, intervals=0.9, ranks=0.9, all_ranks=0.9, shrunken=0.9, simulated="s")
    with pytest.raises(SpecificationError, match="replicates"):
        use({1: one, 2: comparison(one.estimate, one.std_error**2, coverage=cover), 3: one})


def test_options_that_are_not_known():
    made, _ = drifting(k=12, years=(1, 2, 3))
    with pytest.raises(SpecificationError, match="of must be"):
        forecast(made, of="future")
    for use in (reliability, regression_to_the_mean, forecast):
        with pytest.raises(SpecificationError, match="level"):
            use(made, level=95)
