"""A budget by need: exact sums, bounds, phasing in, and the error of the shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, compare_expected
from benchmodels.allocation import allocate
from benchmodels.comparison import Coverage
from benchmodels.errors import DataError, SpecificationError
from tests.test_flags import make


def given(k=12, seed=1):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"k": [f"Ø{i}" for i in range(k)], "e": rng.gamma(2.0, 40.0, k), "n": rng.integers(500, 9000, k)}
    )
    return compare_expected(table.assign(o=rng.poisson(table["e"])), unit="k", observed="o", expected="e", size="n")


def today(comparison, total=1_000_000, seed=2):
    part = np.random.default_rng(seed).gamma(5.0, 1.0, len(comparison)) * comparison.size
    return pd.Series(part / part.sum() * total, index=comparison.unit)


@pytest.mark.parametrize("budget", [0, 1, 11, 1e6, 999_999, 1_000_000_007, 34_567_890_123])
def test_amounts_are_shares_and_sum_to_the_krone(budget):
    comparison = given()
    found = allocate(comparison, budget)
    assert found.amount.sum() == budget
    by_need = comparison.expected / comparison.expected.sum() * budget
    assert np.abs(found.amount - by_need).max() < 1.0 + 1e-6
    np.testing.assert_allclose(found.share, comparison.expected / comparison.expected.sum())
    frame = found.to_frame()
    np.testing.assert_allclose(frame["per_size"], found.amount / comparison.size)
    assert np.isnan(frame["change"]).all()


def test_largest_remainders_get_the_krone_left():
    e = np.array([47.0, 16.0, 15.8, 12.0, 6.1, 3.1]) * 1000  # Hamilton's textbook case: 100,000 for 10 seats
    table = pd.DataFrame({"k": list("abcdef"), "o": 1, "e": e})
    found = allocate(compare_expected(table, unit="k", observed="o", expected="e"), 10)
    assert found.amount.tolist() == [5, 2, 1, 1, 1, 0]


def test_bounds_hold_and_what_they_take_is_borne_in_proportion_to_need():
    comparison = given()
    free = allocate(comparison, 1_000_000).to_frame()
    floor, ceiling = np.quantile(free["per_size"], [0.3, 0.8])
    found = allocate(comparison, 1_000_000, floor=floor, ceiling=ceiling)
    assert found.amount.sum() == 1_000_000
    per = found.amount / comparison.size
    assert (per >= floor - 1 / comparison.size.min()).all()
    assert (per <= ceiling + 1 / comparison.size.min()).all()
    between = (per > floor * 1.001) & (per < ceiling * 0.999)
    factor = found.amount[between] / comparison.expected[between]
    assert 2 <= between.sum() < 12
    np.testing.assert_allclose(factor, factor[0], rtol=1e-3)
    assert any("are not their share of need" in note for note in found.notes)


def test_bounded_amounts_against_bisection():
    comparison = given(seed=4)
    low, high = 3.0, 40.0
    found = allocate(comparison, 900_000, floor=low, ceiling=high)
    e, n = comparison.expected, comparison.size
    a, b = 0.0, 1e7
    for _ in range(200):
        middle = 0.5 * (a + b)
        a, b = (middle, b) if np.clip(middle * e, low * n, high * n).sum() < 900_000 else (a, middle)
    np.testing.assert_allclose(found.amount, np.clip(a * e, low * n, high * n), atol=1.0)


def test_the_change_is_phased_in_and_arrives():
    comparison = given()
    spent = today(comparison)
    found = allocate(comparison, 1_000_000, today=spent, most_change=0.05, years=40)
    assert found.path.shape == (40, 12)
    assert (found.path.sum(axis=1) == 1_000_000).all()
    before = np.vstack([spent.to_numpy(), found.path[:-1]])
    assert (np.abs(found.path - before) <= 0.05 * before + 2.0).all()
    np.testing.assert_allclose(found.amount, found.share * 1_000_000, atol=1.0)
    first = allocate(comparison, 1_000_000, today=spent, most_change=0.05)
    assert first.amount.tolist() == found.path[0].tolist()
    np.testing.assert_allclose(first.to_frame()["change"], first.amount - spent.to_numpy())
    # Nobody who needs more than today loses, but for what the bounds of others ask of all.
    more = found.share * 1_000_000 > 1.06 * spent.to_numpy()
    assert (first.amount[more] >= spent.to_numpy()[more] - 1).all()


def test_another_budget_than_todays_moves_all():
    comparison = given()
    found = allocate(comparison, 1_100_000, today=today(comparison), most_change=0.01)
    assert found.amount.sum() == 1_100_000
    assert any("sum to 1000000" in note for note in found.notes)


def country(rng, size, share_ill, effects):
    """Cells of people with and without a diagnosis."""
    rows = []
    for i, n in enumerate(size):
        ill = round(n * share_ill[i])
        for diagnosis, people in ((0, n - ill), (1, ill)):
            p = 1 / (1 + np.exp(-(-3.0 + 1.5 * diagnosis + effects[i])))
            rows.append((f"k{i}", diagnosis, people, rng.binomial(people, p)))
    return pd.DataFrame(rows, columns=["unit", "diagnosis", "people", "cases"])


def test_the_error_of_shares_is_their_spread_over_new_data():
    rng = np.random.default_rng(8)
    size, ill = rng.integers(300, 2000, 8), rng.uniform(0.02, 0.4, 8)
    effects = rng.normal(0, 0.2, 8)
    model = FixedEffects("cases ~ diagnosis", unit="unit", trials="people")
    shares, errors = [], []
    for _ in range(60):
        comparison = model.fit(country(rng, size, ill, effects)).compare(reference="all")
        found = allocate(comparison, 1_000_000)
        shares.append(found.share)
        errors.append(found.std_error)
    # A standard deviation of 60 has a standard error of 9 %.
    ratio = np.mean(errors, axis=0) / np.std(shares, axis=0, ddof=1)
    np.testing.assert_allclose(ratio, 1.0, atol=0.37)
    assert (found.lower < found.share).all() and (found.share < found.upper).all()
    assert not any("cannot be told" in note for note in found.notes)


def test_the_error_of_shares_is_the_same_whatever_the_contrast():
    rng = np.random.default_rng(3)
    data = country(rng, rng.integers(300, 2000, 8), rng.uniform(0.02, 0.4, 8), rng.normal(0, 0.2, 8))
    fit = FixedEffects("cases ~ diagnosis", unit="unit", trials="people").fit(data)
    one, other = (allocate(fit.compare(contrast=c, reference="all"), 10).std_error for c in ("difference", "ratio"))
    np.testing.assert_allclose(one, other, rtol=1e-8)
    # One slope and no more: shares move by their derivative in it.
    step = fit.coefficients()["std_error"].iloc[0]
    assert (one > 0).all() and one.max() < step
    assert np.isnan(allocate(fit.compare(contrast="rate", reference="all"), 10).std_error).all()


def test_no_interval_where_expected_values_are_given():
    found = allocate(given(), 100)
    assert np.isnan(found.std_error).all() and np.isnan(found.lower).all()
    assert any("cannot be told" in note for note in found.notes)
    assert "equalisation" in found.notes[0]


def test_one_unit_gets_it_all():
    assert allocate(given(1), 77).amount.tolist() == [77]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"budget": -5}, "budget=-5"),
        ({"budget": 10.5}, "budget=10.5"),
        ({"budget": True}, "budget=True"),
        ({"floor": -1.0}, "floor=-1.0"),
        ({"floor": 5.0, "ceiling": 4.0}, "above ceiling"),
        ({"floor": 1e6}, "the bounds need between"),
        ({"ceiling": 0.0}, "the bounds need between"),
        ({"most_change": 0.05}, "give today"),
        ({"years": 3}, "without most_change"),
        ({"years": 0}, "years=0"),
        ({"most_change": 2.0}, "most_change=2.0"),
        ({"today": 5}, "mapping or Series"),
    ],
)
def test_impossible_budgets_are_refused(asked, message):
    with pytest.raises(SpecificationError, match=message):
        allocate(given(), **({"budget": 1000} | asked))


def test_todays_amounts_are_of_all_units_and_numbers():
    comparison = given()
    spent = today(comparison)
    for wrong, message in [
        (spent.iloc[1:], "nothing of 1 unit"),
        (-spent, "zero or more"),
        (spent * np.nan, "zero or more"),
        (dict.fromkeys(comparison.unit, 0.0), "zero for all units"),
        (dict.fromkeys(comparison.unit, "100"), "zero or more"),
        (pd.concat([spent, spent]), "several amounts"),
    ]:
        with pytest.raises(DataError, match=message):
            allocate(comparison, 1000, today=wrong)


def test_needs_below_zero_and_frontiers_are_refused():
    with pytest.raises(DataError, match="no expected value above zero: 'Enhed 1'"):
        allocate(make([0.1, 0.2], [1, 1], expected=[5.0, -1.0]), 10)
    seen = Coverage(level=0.95, intervals=0.9, ranks=0.9, all_ranks=0.9, shrunken=0.9, simulated="s")
    with pytest.raises(SpecificationError, match="of an adjustment"):
        allocate(replace(given(), coverage=seen), 10)
    with pytest.raises(SpecificationError, match="takes a Comparison"):
        allocate([1, 2], 10)
