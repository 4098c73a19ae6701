"""The simulated country: its levels, its promises about random numbers and its truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import expit

from benchmodels.datasets import SIMULATED_NOTICE, expenditure_midtjylland, municipalities, simulate_denmark
from benchmodels.datasets.housing import SERVICES
from benchmodels.datasets.outcomes import average_log_odds, rows_of
from benchmodels.datasets.pupils import COVARIATES, OUTCOMES, MeanLogistic
from benchmodels.errors import SpecificationError

MONTE_CARLO = 4.0
SOLVER = 1e-8
EVENT = {"special_education": "segregated", "school_absence": "high_absence"}


@pytest.fixture(scope="module")
def country():
    return simulate_denmark(rng=2026)


@pytest.fixture(scope="module")
def cells(country):
    return country.special_education()


@pytest.fixture(scope="module")
def persons(country):
    return country.special_education(level="persons")


@pytest.fixture(scope="module")
def absence(country):
    return country.school_absence()


def shares(table, event):
    units = table.groupby("municipality_code")[["pupils", event]].sum()
    return units["pupils"], units[event] / units["pupils"], units[event].sum() / units["pupils"].sum()


def dispersion(table, event):
    size, share, national = shares(table, event)
    return float(((share - national) ** 2 / (national * (1 - national) / size)).mean())


# --- levels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [2026, 1])
def test_special_education_looks_like_the_country(seed, country, cells):
    table = cells if seed == 2026 else simulate_denmark(rng=seed).special_education()
    size, share, national = shares(table, "segregated")
    assert abs(size.sum() - 700_000) < 5_000
    assert size.min() < 300
    assert abs(national - 0.051) < MONTE_CARLO * np.sqrt(0.051 * 0.949 / size.sum())
    assert 20 < dispersion(table, "segregated") < 50
    # Published: from under 3 to over 8 per cent over three years, from under 2 to over 10 in one.
    read = share[size > 1_500]
    assert 0.018 < read.min() < 0.035
    assert 0.075 < read.max() < 0.110


def test_special_education_rises(country):
    table = country.special_education(years=(2020, 2023))
    national = table.groupby("year")[["pupils", "segregated"]].sum()
    share = national["segregated"] / national["pupils"]
    assert abs(share[2020] - 0.045) < 0.001
    assert share[2023] - share[2020] > 0.004


def test_extremes_against_expected(country):
    truth = country.truth("special_education")["value"].sort_values().to_numpy()
    # Benchmarking Unit: +1.5 and -1.6 percentage points in the mean of the ten highest and lowest.
    assert 0.013 < truth[-10:].mean() < 0.021
    assert -0.019 < truth[:10].mean() < -0.009


def test_school_absence_looks_like_the_country(absence):
    size, share, national = shares(absence, "high_absence")
    assert abs(national - 0.20) < MONTE_CARLO * np.sqrt(0.2 * 0.8 / size.sum())
    assert 0.05 < share.min() < 0.12
    assert 0.30 < share.max() < 0.42
    assert 0.055 < absence["absence_days"].sum() / absence["school_days"].sum() < 0.065
    np.testing.assert_array_equal(absence["school_days"], 200 * absence["pupils"])
    assert (absence["absence_days"] >= 21 * absence["high_absence"]).all()
    most = 200 * absence["high_absence"] + 20 * (absence["pupils"] - absence["high_absence"])
    assert (absence["absence_days"] <= most).all()


def test_places_are_the_real_ones_and_schools_about_1500(country, persons):
    table = municipalities()
    np.testing.assert_array_equal(country.structure.code, table["code"])
    np.testing.assert_array_equal(country.structure.population, table["population"])
    schools = persons.groupby("municipality_code")["school_id"].nunique()
    assert 1_450 < schools.sum() < 1_550
    assert schools[825] == 1  # Læsø
    assert schools.idxmax() == 101
    assert (persons["school_id"] // 1000 == persons["municipality_code"]).all()


def test_composition_differs_and_follows_known_places(persons):
    low = persons["parents_education"].isin(["basic", "vocational"])
    low = low.groupby(persons["municipality_code"]).mean()
    assert low[[157, 230]].max() < 0.2 < 0.5 < low[[360, 482]].min()
    diverse = (persons["origin"] != "Danish").groupby(persons["municipality_code"]).mean()
    assert diverse[183] > 0.4 > 0.1 > diverse[860]


# --- tables -----------------------------------------------------------------------------------------


def test_columns(cells, persons, absence):
    head = ["municipality_code", "municipality", "year"]
    assert list(cells.columns) == [*head, *COVARIATES, "pupils", "segregated"]
    assert list(absence.columns) == [
        *head, *COVARIATES, "pupils", "high_absence", "absence_days", "school_days",
    ]  # fmt: skip
    assert list(persons.columns) == [*head, "school_id", "person_id", *COVARIATES, "segregated"]
    assert persons["person_id"].is_unique
    assert 40_000 < len(cells) < 90_000
    assert not cells.duplicated([*head, *COVARIATES]).any()
    assert (cells["pupils"] >= 1).all()
    assert cells["segregated"].between(0, cells["pupils"]).all()
    for name, values in COVARIATES.items():
        assert pd.api.types.is_string_dtype(cells[name])
        assert set(cells[name]) == set(values)


@pytest.mark.parametrize("outcome", list(EVENT))
def test_persons_added_up_are_the_cells(outcome, country, persons):
    by = ["municipality_code", "municipality", "year", *COVARIATES]
    table = getattr(country, outcome)()
    people = persons if outcome == "special_education" else country.school_absence(level="persons")
    within = getattr(country, outcome)(level="school_cells")
    sums = [c for c in table.columns if c not in (*by, "pupils")]
    order = table.sort_values(by).reset_index(drop=True)
    grouped = people.groupby(by, as_index=False)[sums].sum().sort_values(by).reset_index(drop=True)
    pd.testing.assert_frame_equal(grouped, order[by + sums], check_dtype=False)
    within = within.groupby(by, as_index=False)[["pupils", *sums]].sum().sort_values(by)
    pd.testing.assert_frame_equal(within.reset_index(drop=True), order, check_dtype=False)
    assert len(people) == table["pupils"].sum()
    assert set(people[EVENT[outcome]]) == {0, 1}


def test_both_outcomes_are_of_the_same_pupils(cells, absence):
    by = ["municipality_code", "year", *COVARIATES, "pupils"]
    pd.testing.assert_frame_equal(cells[by], absence[by])


def test_every_table_says_that_it_is_simulated(country, cells, persons, absence):
    for table in (cells, persons, absence, country.sheltered_housing(), country.truth("sheltered_housing")):
        assert table.attrs["simulated"] is True
        assert "not real municipalities' figures" in table.attrs["source"]
        assert table.attrs["rng"] == 2026
    assert set(SIMULATED_NOTICE) == {"da", "en"}
    assert "simulerede" in SIMULATED_NOTICE["da"]
    assert "not theirs" in SIMULATED_NOTICE["en"]


# --- random numbers -----------------------------------------------------------------------------------


def test_same_rng_same_country(cells):
    pd.testing.assert_frame_equal(simulate_denmark(rng=2026).special_education(), cells)
    one = simulate_denmark(rng=np.random.default_rng(5))
    two = simulate_denmark(rng=np.random.default_rng(5))
    pd.testing.assert_frame_equal(one.sheltered_housing(), two.sheltered_housing())
    again = simulate_denmark(rng=one.rng)
    pd.testing.assert_frame_equal(one.sheltered_housing(), again.sheltered_housing())
    assert simulate_denmark(rng=None).rng != simulate_denmark(rng=None).rng


def test_asking_for_more_years_changes_no_year(country, cells):
    both = country.special_education(years=(2022, 2023))
    second = both[both["year"] == 2023].reset_index(drop=True)
    pd.testing.assert_frame_equal(second, cells)
    assert both["year"].is_monotonic_increasing


def test_redraw_changes_chance_only(country, cells):
    other = country.redraw(7)
    table = other.special_education()
    assert not table["segregated"].equals(cells["segregated"])
    pd.testing.assert_frame_equal(table.drop(columns="segregated"), cells.drop(columns="segregated"))
    assert table.attrs["outcome_rng"] == 7
    np.testing.assert_array_equal(
        other.expected_counts("special_education"), country.expected_counts("special_education")
    )
    cost = [c.sheltered_housing()["cost_1000dkk"] for c in (country, other, country.redraw(7))]
    assert not cost[0].equals(cost[1])
    pd.testing.assert_series_equal(cost[1], cost[2])


@pytest.mark.parametrize("outcome", ["special_education", "sheltered_housing"])
def test_first_draws_do_not_depend_on_how_many(outcome, country):
    two = list(country.draws(outcome, n=2, rng=3))
    three = list(country.draws(outcome, n=3, rng=3))
    for a, b in zip(two, three, strict=False):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(three[1], three[2])


# --- expected values ----------------------------------------------------------------------------------


def test_expected_counts_are_the_mean_of_draws(country, cells, persons):
    n = 200
    mean = sum(country.draws("special_education", n=n, rng=11)) / n
    expected = country.expected_counts("special_education")
    assert mean.shape == expected.shape == (len(cells),)
    assert abs(expected.sum() / cells["pupils"].sum() - 0.051) < SOLVER

    p = country.expected_counts("special_education", level="persons")
    for by in ("municipality_code", "diagnosis", "parents_income", "origin"):
        variance = pd.Series(p * (1 - p)).groupby(persons[by].to_numpy()).sum() / n
        gap = pd.Series(mean - expected).groupby(cells[by].to_numpy()).sum()
        z2 = float((gap**2 / variance).sum())
        k = len(gap)
        assert abs(z2 - k) < MONTE_CARLO * np.sqrt(2 * k) + 4  # the last for the skewness of small k
    assert abs((mean - expected).sum()) < MONTE_CARLO * np.sqrt((p * (1 - p)).sum() / n)


def test_redrawn_schools_and_years_widen_the_draws(country, cells):
    first = np.flatnonzero(np.r_[True, np.diff(cells["municipality_code"]) > 0])

    def spread(**options):
        draws = country.draws("special_education", n=10, rng=4, **options)
        return np.array([np.add.reduceat(d, first) for d in draws]).var(axis=0).sum()

    fixed, free = spread(), spread(redrawn=("schools", "years"))
    assert free > 3 * fixed


def test_mean_logistic_is_the_integral():
    mean = MeanLogistic(0.8)
    for log_odds in (-6.003, -2.998, -0.501, 0.0, 2.2347):
        exact, _ = quad(
            lambda z, a=log_odds: expit(a + 0.8 * z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
            -12, 12, epsabs=1e-13, epsrel=1e-13,
        )  # fmt: skip
        assert abs(float(mean(np.array([log_odds]))[0]) - exact) < 1e-9


# --- sheltered housing --------------------------------------------------------------------------------


def published():
    table = expenditure_midtjylland()
    table = table[(table["table"] == 1) & table["item"].isin(SERVICES.values())]
    return table.set_index(["year", "item"])["dkk_1000"]


def test_housing_table(country):
    table = country.sheltered_housing()
    assert list(table.columns) == [
        "municipality_code", "municipality", "year", "service", "population_18_64", "full_year_persons",
        "cost_1000dkk", "psychiatric_contacts_per_1000", "disability_pension_pct", "low_education_pct",
        "single_households_pct",
    ]  # fmt: skip
    assert len(table) == 98 * 5 * 3
    assert not table.duplicated(["municipality_code", "year", "service"]).any()
    assert (table["cost_1000dkk"] >= 0).all()
    np.testing.assert_array_equal(table["cost_1000dkk"] == 0, table["full_year_persons"] == 0)
    price = table["cost_1000dkk"].sum() / table["full_year_persons"].sum()
    assert 650 < price < 850
    assert table["disability_pension_pct"].between(2, 16).all()
    assert table["single_households_pct"].between(30, 65).all()


def test_expected_housing_costs_are_the_published_totals(country):
    table = country.sheltered_housing()
    cost = pd.Series(country.expected_counts("sheltered_housing"))
    item = table["service"].map(SERVICES)
    sums = cost.groupby([table["year"], item]).sum()
    np.testing.assert_allclose(sums, published().loc[sums.index], rtol=1e-12)
    persons = country.housing.persons.sum(axis=(1, 2))
    np.testing.assert_allclose(persons[[0, 3]], [27_100, 28_000])
    np.testing.assert_allclose(table.groupby("year")["cost_1000dkk"].sum(), cost.groupby(table["year"]).sum(),
                               rtol=0.02)  # chance  # fmt: skip


def test_housing_draws_have_the_expected_mean_and_zeros_only_where_few_live(country):
    n = 400
    draws = np.array(list(country.draws("sheltered_housing", n=n, rng=8)))
    expected = country.expected_counts("sheltered_housing")
    z = (draws.mean(axis=0) - expected) / (draws.std(axis=0, ddof=1) / np.sqrt(n))
    # Years are correlated, so the rows are worth fewer: 294 series of five years.
    assert abs((z**2).mean() - 1) < MONTE_CARLO * np.sqrt(2 / 294)
    table = country.sheltered_housing()
    ever_zero = (draws == 0).any(axis=0)
    assert ever_zero.any()
    assert table["population_18_64"][ever_zero].max() < 10_000
    relative = draws.std(axis=0) / expected
    size = np.log(table["population_18_64"])
    assert np.corrcoef(size, np.log(relative))[0, 1] < -0.8


def test_housing_noise_is_serially_correlated(country):
    draws = np.array(list(country.draws("sheltered_housing", n=40, rng=9)))
    noise = (draws / country.expected_counts("sheltered_housing") - 1).reshape(40, 98, 5, 3)
    noise = noise[:, country.structure.population > 30_000]
    correlation = np.corrcoef(noise[:, :, :-1].ravel(), noise[:, :, 1:].ravel())[0, 1]
    assert 0.4 < correlation < 0.55  # .5, less a little for the prices of single years


def test_years_of_pupils_are_serially_correlated(country):
    for practice in country.practice.values():
        before, after = practice.yearly[:-1].ravel(), practice.yearly[1:].ravel()
        correlation = np.corrcoef(before, after)[0, 1]
        assert abs(correlation - 0.5) < MONTE_CARLO * 0.75 / np.sqrt(before.size)
        assert abs(practice.yearly.std() / practice.year_sd - 1) < 0.15


def test_practice_follows_composition(country):
    for practice in country.practice.values():
        correlation = np.corrcoef(practice.fixed, country.structure.advantage)[0, 1]
        assert -0.35 < correlation < -0.2
        assert abs(practice.fixed @ country.structure.population) < 1e-6 * country.structure.population.sum()


# --- truth ----------------------------------------------------------------------------------------------

OUTCOME_NAMES = ["special_education", "school_absence", "sheltered_housing"]


@pytest.mark.parametrize("outcome", OUTCOME_NAMES)
def test_truth_identities(outcome, country):
    indirect = country.truth(outcome)
    assert len(indirect) == 98
    np.testing.assert_allclose(indirect["observed"].sum(), indirect["expected"].sum(), rtol=SOLVER)
    expected = country.expected_counts(outcome)
    np.testing.assert_allclose(indirect["observed"].sum(), expected.sum(), rtol=SOLVER)
    gap = (indirect["observed"] - indirect["expected"]) / indirect["size"]
    np.testing.assert_allclose(indirect["value"], gap, rtol=1e-10)
    assert np.corrcoef(indirect["practice"], country.truth(outcome, contrast="ratio")["value"])[0, 1] > 0.55

    direct = country.truth(outcome, standard="direct", contrast="rate")
    np.testing.assert_allclose(direct["value"], direct["observed"] / direct["size"], rtol=1e-10)
    rate = indirect["observed"].sum() / indirect["size"].sum()
    np.testing.assert_allclose(direct["expected"] / direct["size"], rate, rtol=1e-10)


def test_without_practice_there_is_nothing_to_find(country):
    practice = country.practice["special_education"]
    none = replace(
        practice,
        fixed=0 * practice.fixed,
        yearly=0 * practice.yearly,
        schools=0 * practice.schools,
        school_sd=0.0,
    )
    plain = replace(country, practice={"special_education": none})
    for standard in ("indirect", "direct"):
        value = plain.truth("special_education", standard=standard)["value"]
        np.testing.assert_allclose(value, 0.0, atol=1e-9)


def test_direct_truth_is_the_plain_sum(country):
    of_year = country._outcome_year("special_education", 2023)
    practice = country.practice["special_education"]
    rows = rows_of(of_year.pupils, "cells")
    average = average_log_odds(of_year, country.structure)[rows.first]
    mean = MeanLogistic(OUTCOMES["special_education"].need_effect)
    truth = country.truth("special_education", standard="direct", contrast="rate")["value"]
    for unit in (96 - 5, 5, 20):
        pupils = of_year.pupils.school[of_year.pupils.unit == unit]
        share = np.bincount(pupils) / len(pupils)
        rate = 0.0
        for school in np.flatnonzero(share):
            own = practice.fixed[unit] + practice.yearly[4, unit] + practice.schools[school]
            rate += share[school] * np.average(mean(average + own), weights=rows.pupils)
        np.testing.assert_allclose(truth[unit], rate, rtol=1e-9)


def test_housing_truth_by_service_is_practice(country):
    for service in SERVICES:
        truth = country.truth("sheltered_housing", contrast="ratio", service=service)
        np.testing.assert_allclose(np.log(truth["value"]) - truth["practice"],
                                   np.log(truth["value"][0]) - truth["practice"][0], atol=2e-3)  # fmt: skip
        direct = country.truth("sheltered_housing", standard="direct", contrast="ratio", service=service)
        constant = np.log(direct["value"]) - direct["practice"]
        np.testing.assert_allclose(constant, constant[0], atol=1e-10)


# --- what cannot be asked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.special_education(years=(2018,)), "2018.*2019, 2020, 2021, 2022, 2023"),
        (lambda c: c.special_education(years=()), "at least one"),
        (lambda c: c.special_education(years=(2023, 2023)), "each once"),
        (lambda c: c.special_education(years=2023), r"\(2023,\)"),
        (lambda c: c.special_education(level="schools"), "school_cells"),
        (lambda c: c.draws("absence", n=1, rng=1), "school_absence"),
        (lambda c: c.draws("school_absence", n=1, rng=1, redrawn=("pupils",)), "schools"),
        (lambda c: c.truth("school_absence", standard="both"), "indirect"),
        (lambda c: c.truth("school_absence", contrast="odds"), "ratio"),
        (lambda c: c.truth("sheltered_housing", service="§ 85"), "§ 107"),
        (lambda c: simulate_denmark(rng="2026"), "whole number"),
    ],
)
def test_wrong_questions_are_named(ask, message, country):
    with pytest.raises(SpecificationError, match=message):
        ask(country)
