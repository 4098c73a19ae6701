"""A sample scaled to the country: textbook figures, plain loops, coverage at 37 of 98, and half-years."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from benchmodels import datasets
from benchmodels.errors import DataError, SpecificationError
from benchmodels.half_years import annualised
from benchmodels.kernels.survey_totals import (
    Sample,
    jackknife_variance,
    linear_variance,
    predicted_variance,
    survey_total,
)
from benchmodels.scaling import sample_balance, scale_up

SEED = Path(__file__).resolve().parents[1].parent / "shared" / "seeds" / "kl-partnerskab-voksenomraadet.txt"
ESTIMATORS = ("expansion", "ratio", "separate_ratio", "regression")

# Cochran (1977), section 6.2: inhabitants of 49 of 196 large cities in 1920 and 1930, in thousands.
IN_1920 = [
    138, 93, 61, 179, 48, 37, 29, 23, 30, 2, 38, 46, 71, 25, 298, 74, 50, 76, 381, 387, 78, 60, 507, 50, 77, 64, 40,
    136, 243, 256, 94, 36, 45, 67, 120, 172, 66, 46, 121, 44, 64, 56, 40, 116, 87, 43, 43, 161, 36,
]  # fmt: skip
IN_1930 = [
    143, 104, 69, 260, 75, 63, 50, 48, 111, 50, 52, 53, 79, 57, 317, 93, 58, 80, 464, 459, 106, 57, 634, 64, 89, 77,
    60, 139, 291, 288, 85, 46, 53, 67, 115, 183, 86, 65, 113, 58, 63, 142, 64, 130, 105, 61, 50, 232, 54,
]  # fmt: skip


def cities():
    """The 49 cities, and 147 others whose sizes make up the 22,919 thousand of all 196."""
    rest = (22919.0 - sum(IN_1920)) / 147
    return pd.DataFrame(
        {
            "city": range(196),
            "in_1920": [*map(float, IN_1920), *[rest] * 147],
            "in_1930": [*map(float, IN_1930), *[np.nan] * 147],
            "asked": [1] * 49 + [0] * 147,
        }
    )


def country(seed=3, *, dear=1.0, noise=0.2):
    """Danish municipalities with costs in proportion to inhabitants, but for noise and the largest."""
    rng = np.random.default_rng(seed)
    table = datasets.municipalities()[["municipality", "region", "population"]].copy()
    size = table["population"].to_numpy(float)
    table["cost"] = size * np.exp(noise * rng.normal(size=98)) * np.where(size == size.max(), dear, 1.0)
    asked = np.zeros(98)
    for _, rows in table.groupby("region").indices.items():
        asked[rng.choice(rows, round(0.38 * len(rows)), replace=False)] = 1
    return table.assign(asked=asked)


def scaled(table, **asked):
    roles = {"unit": "municipality", "size": "population", "in_sample": "asked"}
    return scale_up(table, "cost", **(roles | asked))


def test_the_cities_of_the_textbook():
    found = {
        name: scale_up(cities(), "in_1930", unit="city", size="in_1920", in_sample="asked", estimator=name)
        for name in ("expansion", "ratio")
    }
    assert round(found["expansion"].estimate) == 25048
    assert round(found["ratio"].estimate) == 28397
    # The country's true total of 1930.
    assert found["ratio"].lower < 29351 < found["ratio"].upper
    assert found["expansion"].linear_std_error == pytest.approx(found["expansion"].jackknife_std_error, rel=1e-12)
    assert found["ratio"].sampled_total == 6262.0
    assert found["ratio"].df == 48


def test_the_line_of_the_ratio_is_the_textbook_one_times_the_size_put_right():
    x, y = np.array(IN_1920, float), np.array(IN_1930, float)
    residual = y - y.sum() / x.sum() * x
    textbook = 196 * np.sqrt((1 - 49 / 196) / 49 * (residual @ residual) / 48)
    found = scale_up(cities(), "in_1930", unit="city", size="in_1920", in_sample="asked", variance="linear")
    assert found.std_error == pytest.approx(textbook * (22919 / 196) / x.mean(), rel=1e-12)
    half = student.isf(0.025, 48) * found.std_error
    assert (found.lower, found.upper) == pytest.approx((found.estimate - half, found.estimate + half))


def drawn(y, x, h, size, group):
    """A sample of a country with these sizes and groups."""
    return Sample(
        outcome=y, size=x, stratum=h, units=np.bincount(group).astype(float), totals=np.bincount(group, size),
        squares=np.bincount(group, size**2),
    )  # fmt: skip


def sample(seed=1):
    rng = np.random.default_rng(seed)
    h = np.repeat([0, 1, 2], [5, 4, 6])
    x = rng.gamma(3.0, 2.0, 15)
    return Sample(
        outcome=3 * x + rng.normal(size=15) + 5, size=x, stratum=h, units=np.array([9.0, 4.0, 20.0]),
        totals=np.array([60.0, x[h == 1].sum(), 130.0]),
        squares=np.array([500.0, (x[h == 1] ** 2).sum(), 1900.0]),
    )  # fmt: skip


def plain_total(y, x, h, weight, units, totals, estimator):
    """The estimators as loops over strata."""
    if estimator == "separate_ratio":
        return sum(totals[g] * (weight * y)[h == g].sum() / (weight * x)[h == g].sum() for g in range(len(units)))
    if estimator == "ratio":
        return totals.sum() * (weight @ y) / (weight @ x)
    if estimator == "regression":
        top = bottom = 0.0
        for g in range(len(units)):
            yg, xg, n = y[h == g], x[h == g], (h == g).sum()
            factor = units[g] ** 2 * (1 - n / units[g]) / n
            top, bottom = top + factor * np.cov(xg, yg)[0, 1], bottom + factor * np.var(xg, ddof=1)
        return weight @ y + top / bottom * (totals.sum() - weight @ x)
    return weight @ y


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_totals_and_jackknife_against_loops(estimator):
    s = sample()
    y, x, h, units, totals = s.outcome, s.size, s.stratum, s.units, s.totals
    n = np.bincount(h)
    weight = (units / n)[h]
    assert survey_total(s, estimator) == pytest.approx(plain_total(y, x, h, weight, units, totals, estimator))
    variance = 0.0
    for g in (0, 2):  # all of stratum 1 is sampled
        left = []
        for i in np.flatnonzero(h == g):
            keep = np.arange(15) != i
            moved = weight.copy()
            moved[h == g] *= n[g] / (n[g] - 1)
            left.append(plain_total(y[keep], x[keep], h[keep], moved[keep], units, totals, estimator))
        variance += (1 - n[g] / units[g]) * (n[g] - 1) / n[g] * np.sum((np.array(left) - np.mean(left)) ** 2)
    assert jackknife_variance(s, estimator) == pytest.approx(variance, rel=1e-9)
    if estimator != "regression":
        assert linear_variance(s, estimator) == pytest.approx(variance, rel=0.35)
    assert s.df == 9


def test_the_regression_on_the_cities_by_the_textbooks_formula():
    x, y = np.array(IN_1920, float), np.array(IN_1930, float)
    slope, level = np.polyfit(x, y, 1)
    residual = y - level - slope * x
    found = scale_up(
        cities(), "in_1930", unit="city", size="in_1920", in_sample="asked", estimator="regression", variance="linear"
    )
    assert found.estimate == pytest.approx(196 * (level + slope * 22919 / 196))
    assert found.std_error == pytest.approx(196 * np.sqrt(0.75 / 49 * (residual @ residual) / 47))
    assert found.df == 47


def test_the_expansion_is_unbiased_over_all_samples_and_so_is_its_variance():
    y, x = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0]), np.array([1.0, 3.0, 2.0, 6.0, 5.0, 5.0])
    totals, variances, grouped, line = [], [], [], []
    for kept in itertools.combinations(range(6), 3):
        i = list(kept)
        s = drawn(y[i], x[i], np.zeros(3, int), x, np.zeros(6, int))
        totals.append(survey_total(s, "expansion"))
        variances.append(linear_variance(s, "expansion"))
        grouped.append(survey_total(s, "ratio"))
        line.append(linear_variance(s, "ratio"))
    assert np.mean(totals) == pytest.approx(y.sum())
    assert np.mean(variances) == pytest.approx(np.var(totals))
    assert np.var(grouped) < 0.3 * np.var(totals)
    assert np.mean(line) == pytest.approx(np.var(grouped), rel=0.35)


def test_post_strata_by_the_textbooks_formula_and_all_samples():
    rng = np.random.default_rng(5)
    group = np.repeat([0, 1], [20, 12])
    y, x = rng.normal(10 + 20 * group, 2.0), np.ones(32)
    totals, variances = [], []
    for _ in range(4000):
        i = rng.choice(32, 12, replace=False)
        if min(np.bincount(group[i], minlength=2)) < 2:
            continue
        s = drawn(y[i], x[i], group[i], x, group)
        totals.append(survey_total(s, "post_stratified"))
        variances.append(linear_variance(s, "post_stratified"))
    assert np.mean(variances) == pytest.approx(np.var(totals), rel=0.08)
    assert np.mean(totals) == pytest.approx(y.sum(), rel=0.002)


def test_all_sampled_leaves_no_error():
    table = country().assign(asked=1)
    for name in (*ESTIMATORS, "post_stratified"):
        found = scaled(table, estimator=name, strata="region")
        assert found.estimate == pytest.approx(table["cost"].sum())
        assert (found.std_error, found.df) == (0.0, 0)
        assert found.lower == found.upper == found.estimate
        assert found.notes == (
            "all units are in the sample: the total is their sum, and there is no error of sampling",
        )


def test_units_of_measure_and_row_order_do_not_matter():
    table = country()
    for name in (*ESTIMATORS, "post_stratified"):
        found = scaled(table, estimator=name, strata="region")
        moved = table.sample(frac=1, random_state=2).assign(
            cost=lambda t: 1e-6 * t["cost"], population=lambda t: 1e-3 * t["population"]
        )
        other = scaled(moved, estimator=name, strata="region")
        assert other.estimate == pytest.approx(1e-6 * found.estimate, rel=1e-10)
        assert other.std_error == pytest.approx(1e-6 * found.std_error, rel=1e-8)
        assert found.strata["sampled"].sum() == found.sampled
        assert found.rate[0] == pytest.approx(found.estimate / table["population"].sum())


def test_values_outside_the_sample_are_not_read():
    table = country()
    empty = table.assign(cost=table["cost"].where(table["asked"] == 1))
    assert scaled(empty).estimate == scaled(table).estimate


@pytest.mark.parametrize(("certain", "told"), [(False, (0.903, 0.885, 0.945)), (True, (0.935, 0.9275, 0.949))])
def test_coverage_at_37_of_98_is_what_the_docstring_says(certain, told):
    size = datasets.municipalities()["population"].to_numpy(float)
    largest = int(np.argmax(size))
    rng, times = np.random.default_rng(11), 1500
    h = (np.arange(98) == largest) & certain
    held = np.zeros(3)
    for _ in range(times):
        cost = size * np.exp(0.2 * rng.normal(size=98))
        i = rng.choice(np.flatnonzero(~h), 37 - certain, replace=False)
        i = np.append(i, largest) if certain else i
        s = drawn(cost[i], size[i], h[i].astype(int), size, h.astype(int))
        error = np.sqrt([v(s, "ratio") for v in (jackknife_variance, linear_variance, predicted_variance)])
        held += np.abs(survey_total(s, "ratio") - cost.sum()) <= student.isf(0.025, 36 - certain) * error
    # Four standard errors of a share of 0.9 in 1500 samples are 0.031, as are those of the figures told.
    np.testing.assert_allclose(held / times, told, atol=0.035)
    assert held[2] > held[0] > held[1]


def test_prediction_is_the_error_of_the_model():
    # Over models with a fixed sample: rates vary, and the true total with them.
    size = np.array([10.0, 20.0, 30.0, 40.0, 15.0, 25.0, 60.0, 5.0])
    i = np.arange(5)
    rng = np.random.default_rng(4)
    errors, variances = [], []
    for _ in range(6000):
        cost = size * (2.0 + 0.3 * rng.normal(size=8))
        s = drawn(cost[i], size[i], np.zeros(5, int), size, np.zeros(8, int))
        errors.append(survey_total(s, "ratio") - cost.sum())
        variances.append(predicted_variance(s, "ratio"))
    assert np.mean(variances) == pytest.approx(np.var(errors), rel=0.12)
    with pytest.raises(SpecificationError, match="is of 'ratio'"):
        scaled(country(), estimator="expansion", variance="prediction")
    table = country()
    assert scaled(table, variance="prediction").std_error == scaled(table).prediction_std_error


def test_a_stratum_without_enough_is_refused_by_name_and_can_be_put_elsewhere():
    table = country()
    north = table["region"] == "Nordjylland"
    none = table.assign(asked=table["asked"].where(~north, 0))
    with pytest.raises(SpecificationError, match="no unit is sampled of 'Nordjylland'"):
        scaled(none, strata="region")
    one = none.assign(asked=none["asked"].where(table["municipality"] != "Aalborg", 1))
    with pytest.raises(SpecificationError, match="one unit alone is sampled of 'Nordjylland'"):
        scaled(one, strata="region")
    found = scaled(one, strata="region", collapse={"Nordjylland": "Midtjylland"})
    assert "Nordjylland" not in found.strata["stratum"].tolist()
    assert found.units == 98
    with pytest.raises(SpecificationError, match="not there: 'Jylland'"):
        scaled(one, strata="region", collapse={"Nordjylland": "Jylland"})
    with pytest.raises(SpecificationError, match="itself put elsewhere"):
        scaled(one, strata="region", collapse={"Nordjylland": "Midtjylland", "Midtjylland": "Syddanmark"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"asked": 0}, "0 unit"),
        ({"asked": 2}, "must be 0 or 1"),
        ({"population": -1.0}, "above zero"),
        ({"population": np.nan}, "missing values"),
        ({"municipality": "A"}, "more than one row"),
        ({"cost": "mange"}, "must be a number"),
        ({"cost": np.nan}, "lack 'cost'"),
    ],
)
def test_impossible_tables_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        scaled(country().assign(**change))


def test_what_units_outside_the_sample_hold_is_not_read():
    table = country()
    marked = table.assign(cost=table["cost"].astype(object).where(table["asked"] == 1, "–"))
    assert scaled(marked).estimate == scaled(table).estimate


def test_what_is_no_stratum_or_column_is_said():
    table = country()
    for collapse in (["Nordjylland"], "Nordjylland"):
        with pytest.raises(SpecificationError, match="collapse="):
            scaled(table, strata="region", collapse=collapse)
    with pytest.raises(DataError, match="'region' holds values that are no labels"):
        scaled(table.assign(region=[["a"]] * len(table)), strata="region")
    for columns in (None, [], [["population"]]):
        with pytest.raises(SpecificationError, match="columns="):
            sample_balance(table, columns, in_sample="asked")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"estimator": "best"}, "estimator='best'"),
        ({"variance": "none"}, "variance='none'"),
        ({"level": 1.0}, "level=1.0"),
        ({"estimator": "post_stratified"}, "needs strata"),
        ({"size": "cost"}, "one role only"),
    ],
)
def test_impossible_questions_are_refused(asked, message):
    with pytest.raises(SpecificationError, match=message):
        scaled(country(), **asked)


def test_a_regression_needs_sizes_that_differ():
    with pytest.raises(SpecificationError, match="sizes that differ"):
        scaled(country().assign(population=100.0), estimator="regression")


def test_notes_say_who_took_part():
    found = scaled(country(), estimator="expansion")
    assert "drawn at random within strata" in found.notes[0]
    assert "the expansion does not use that" in found.notes[-1]
    heavy = country().assign(asked=lambda t: ((t["population"] > 300_000) | (t["population"] < 15_000)).astype(int))
    assert any("steers the estimate" in note for note in scaled(heavy).notes)
    few = scaled(country(), estimator="separate_ratio", strata="region")
    assert any("add up over strata" in note for note in few.notes)


def test_balance_tells_large_from_small():
    table = country().assign(asked=lambda t: (t["population"] > 50_000).astype(int), flat=1.0)
    found = sample_balance(table, ["population", "flat"], in_sample="asked").set_index("column")
    assert found.loc["population", "difference"] > 0.5
    assert found.loc["flat", "difference"] == 0.0
    with pytest.raises(DataError, match="98 of 98"):
        sample_balance(table.assign(asked=1), ["population"], in_sample="asked")


def test_half_years():
    doubled = annualised(50.0, std_error=2.0)
    assert doubled.estimate == 100.0
    assert repr(doubled) == "Annualised(100, no interval; the half times 2)"
    with pytest.raises(SpecificationError, match="are numbers; found '50,0'"):
        annualised("50,0")
    assert np.isnan([doubled.lower, doubled.upper, doubled.factor_std_error]).all()
    assert "a quarter of that share too low" in doubled.notes[0]
    halves = [(40.0, 44.0), (45.0, 46.0), (48.0, 54.0)]
    found = annualised(50.0, std_error=2.0, earlier=halves)
    factors = np.array([84 / 40, 91 / 45, 102 / 48])
    spread = factors.std(ddof=1) * np.sqrt(4 / 3)
    assert found.factor == pytest.approx(factors.mean())
    assert found.std_error == pytest.approx(np.hypot(factors.mean() * 2.0, 50.0 * spread))
    assert found.upper - found.estimate == pytest.approx(student.isf(0.025, 2) * found.std_error)
    one = annualised(50.0, earlier=[(40.0, 44.0)])
    assert one.estimate == pytest.approx(105.0)
    assert np.isnan(one.lower)


def test_growth_within_the_year():
    # Level 1 + g t over the year; means of the first half and of the year.
    g = 0.08
    first, year = (1 + g / 4) / 2, 1 + g / 2
    assert 1 - annualised(first).estimate / year == pytest.approx(g / 4 / (1 + g / 2), rel=1e-9)


@pytest.mark.parametrize("bad", [{"first_half": -1.0}, {"first_half": 1.0, "earlier": [(0.0, 1.0)]},
                                 {"first_half": 1.0, "earlier": [(1.0, 2.0, 3.0)]},
                                 {"first_half": 1.0, "std_error": np.nan}])  # fmt: skip
def test_impossible_halves_are_refused(bad):
    with pytest.raises(SpecificationError):
        annualised(**bad)


@pytest.mark.skipif(not SEED.exists(), reason="the partnership's report is not beside the checkout")
def test_what_the_partnerships_own_numbers_give():
    text = " ".join(SEED.read_text(encoding="utf-8").split())
    assert "steget med ca. 5.000 fra 2015 til 2018. Det svarer til en stigning på ca. 8 pct." in text
    assert "opskrevet pba. data for de første 6 mdr. af 2018" in text
    assert "Data fra i alt 37 kommuner med valide data" in text
    rise, share = 5000.0, 0.08
    level = rise / share
    assert level == pytest.approx(62_500)
    # A steady rise of 8 % in three years: the doubled first half of 2018 is about 0.65 % of the level too low, some 400
    # full-time recipients, a twelfth of the rise that is reported.
    short = (share / 3) / 4 * (level + rise)
    assert 400 < short < 470
    # Recipients with a diagnosis rose by 4,000 from about half of 62,500: as the number of people with one, 13 %.
    assert 4000 / (level / 2) == pytest.approx(0.13, abs=0.005)
    assert 4000 / rise == 0.8
    # 37 of 98 drawn at random, rates that differ by a fifth: the interval of the level is wider than half the rise.
    error = 0.2 * np.sqrt((1 - 37 / 98) / 37)
    assert 2 * student.isf(0.025, 36) * error * level > rise / 2
