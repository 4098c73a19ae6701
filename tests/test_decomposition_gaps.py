"""Gaps in rates over cells, and by covariates and slopes: identities, loops, published figures, draws, statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels.decomposition import kitagawa, oaxaca_blinder
from benchmodels.errors import DataError, SpecificationError
from tests import plain

EXACT = 1e-12
# Half a unit of the last digit printed.
PRINTED = 5e-5


def cells(seed=1, *, k=5, empty=True):
    rng = np.random.default_rng(seed)
    rows = [(f"u{i}", age, sex) for i in range(k) for age in ("0-17", "18-66", "67-") for sex in "mk"]
    table = pd.DataFrame(rows, columns=["unit", "age", "sex"])
    table["n"] = rng.integers(20, 400, len(table))
    table["y"] = rng.binomial(table["n"], rng.uniform(0.05, 0.4, len(table)))
    if empty:
        table.loc[[0, 9], ["n", "y"]] = 0
        # A cell that only the last unit has.
        table.loc[len(table)] = [f"u{k - 1}", "ukendt", "m", 30, 4]
    return table


def asked(table, **more):
    return kitagawa(table, **({"unit": "unit", "cells": ["age", "sex"], "outcome": "y", "size": "n"} | more))


def by_loop(table, label, against, form):
    """Kitagawa's sums one cell at a time, with the conventions of empty cells."""
    own = table[table["unit"] == label].groupby(["age", "sex"])[["y", "n"]].sum()
    rest = table if against == "all" else table[table["unit"] != label]
    rest = rest.groupby(["age", "sex"])[["y", "n"]].sum()
    parts, empty = np.zeros(3), 0
    for cell in sorted(set(own.index) | set(rest.index)):
        y, n = own.loc[cell] if cell in own.index else (0, 0)
        rest_y, rest_n = rest.loc[cell] if cell in rest.index else (0, 0)
        s, big_s = n / own["n"].sum(), rest_n / rest["n"].sum()
        if n == 0 and rest_n == 0:
            continue
        r = y / n if n else rest_y / rest_n
        big_r = rest_y / rest_n if rest_n else y / n
        empty += n == 0
        if form == "midpoint":
            parts += [(s - big_s) * (r + big_r) / 2, (r - big_r) * (s + big_s) / 2, 0]
        else:
            parts += [(s - big_s) * big_r, (r - big_r) * big_s, (s - big_s) * (r - big_r)]
    return parts[:2] if form == "midpoint" else parts, empty


@pytest.mark.parametrize("form", ["midpoint", "interaction"])
@pytest.mark.parametrize("against", ["others", "all"])
def test_all_units_at_once_are_the_loop_over_cells(against, form):
    table = cells()
    found = asked(table, against=against, form=form)
    totals = table.groupby("unit")[["y", "n"]].sum()
    for i, label in enumerate(found.unit):
        parts, empty = by_loop(table, label, against, form)
        np.testing.assert_allclose(found.parts[i], parts, atol=EXACT)
        assert found.empty[i] == empty
        rest = totals if against == "all" else totals.drop(label)
        gap = totals.loc[label, "y"] / totals.loc[label, "n"] - rest["y"].sum() / rest["n"].sum()
        assert found.parts[i].sum() == pytest.approx(gap, abs=EXACT)
        np.testing.assert_allclose(found.cells_of(label)[list(found.names)].sum(), found.parts[i], atol=EXACT)
    assert found.empty_share[found.empty == 0].sum() == 0
    assert (found.empty_share[found.empty > 0] > 0).all()


def test_kitagawas_example_of_two_populations():
    # Composition differs and the rates of people alike do not: all of the gap is of composition.
    table = pd.DataFrame({"unit": list("aabb"), "age": [0, 1] * 2, "n": [900, 100, 100, 900], "y": [90, 50, 10, 450]})
    found = kitagawa(table, unit="unit", cells=["age"], outcome="y", size="n")
    np.testing.assert_allclose(found.parts, [[-0.32, 0.0], [0.32, 0.0]], atol=EXACT)
    # Against all, with itself, the gap is less by its share of all.
    np.testing.assert_allclose(
        kitagawa(table, unit="unit", cells=["age"], outcome="y", size="n", against="all").parts,
        0.5 * found.parts,
        atol=EXACT,
    )


def test_units_alike_have_no_gap():
    table = cells(k=2, empty=False)
    twin = table[table["unit"] == "u0"]
    found = asked(pd.concat([twin, twin.assign(unit="u1")]))
    np.testing.assert_allclose(found.parts, 0.0, atol=EXACT)
    assert (found.gap_std_error > 0).all()
    assert found.steps("u0").rows[-1].value == pytest.approx(found.reference[0])


@pytest.mark.parametrize(
    ("family", "against", "form"),
    [
        ("binomial", "others", "midpoint"),
        ("binomial", "all", "interaction"),
        ("poisson", "others", "interaction"),
        ("poisson", "all", "midpoint"),
    ],
)
def test_errors_are_the_spread_of_drawn_cases(family, against, form):
    table = cells()
    table["n"] *= 20
    rng = np.random.default_rng(3)
    rate = rng.uniform(0.05, 0.4, len(table))

    def drawn():
        y = rng.binomial(table["n"], rate) if family == "binomial" else rng.poisson(table["n"] * rate)
        return asked(table.assign(y=y), family=family, against=against, form=form)

    found = drawn()
    draws = [drawn() for _ in range(100)]
    tolerance = 4 / np.sqrt(200) + 0.03
    spread = np.std([d.parts for d in draws], axis=0, ddof=1)
    np.testing.assert_allclose(found.std_error, spread, rtol=tolerance, atol=1e-9)
    gaps = np.std([d.rate - d.reference for d in draws], axis=0, ddof=1)
    np.testing.assert_allclose(found.gap_std_error, gaps, rtol=tolerance)
    frame = found.to_frame()
    assert list(frame.columns) == ["unit", "part", "contribution", "std_error", "lower", "upper"]


def test_cells_without_cases_still_have_chance():
    table = cells(empty=False)
    table.loc[table["unit"] == "u0", "y"] = 0
    found = asked(table)
    # A rule of three: no cases out of n are in line with three.
    people = table.loc[table["unit"] == "u0", "n"].sum()
    assert 0.3 / people < found.gap_std_error[0] < 3 / people + found.gap_std_error[1:].max()
    never = asked(table.assign(y=0))
    assert np.isnan(never.std_error).all()
    np.testing.assert_array_equal(never.parts, 0.0)
    always = asked(table.assign(y=table["n"]))
    np.testing.assert_allclose(always.parts, 0.0, atol=EXACT)
    assert np.isnan(always.std_error).all()
    amounts = asked(table.assign(y=-3.0e9 * table["n"] * (table["sex"] == "m")), family="gaussian")
    assert np.isnan(amounts.std_error).all()


def test_person_years_may_be_on_any_scale():
    table = cells()
    there = asked(table, family="poisson")
    here = asked(table.assign(n=table["n"] * 1e-9), family="poisson")
    np.testing.assert_allclose(here.parts * 1e-9, there.parts, rtol=1e-9, atol=EXACT)
    np.testing.assert_allclose(here.std_error * 1e-9, there.std_error, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "more", "error", "message"),
    [
        ({"y": -1}, {}, DataError, "at least 0"),
        ({"n": 1}, {}, DataError, "more cases than"),
        ({"n": 0}, {}, DataError, "cases without any 'n'"),
        ({"unit": "same"}, {}, DataError, "a gap needs two"),
        ({"n": np.nan}, {}, DataError, "missing values"),
        ({}, {"cells": "age"}, SpecificationError, "names of one or more columns"),
        ({}, {"cells": ["age", "unit"]}, SpecificationError, "name each column once"),
        ({}, {"form": "shapley"}, SpecificationError, "form must be one of 'midpoint', 'interaction'"),
        ({}, {"cells": ["aeg"]}, DataError, "did you mean 'age'"),
    ],
)
def test_cells_that_cannot_be_meant(change, more, error, message):
    with pytest.raises(error, match=message):
        asked(cells(empty=False).assign(**change), **more)


def test_a_unit_without_people_is_named():
    table = cells(empty=False)
    table.loc[table["unit"] == "u2", ["n", "y"]] = 0
    with pytest.raises(DataError, match="1 units have no 'n' at all: 'u2'"):
        asked(table)
    with pytest.raises(SpecificationError, match="'u7' is not among"):
        asked(cells()).steps("u7")


@pytest.fixture(scope="module")
def cards():
    sm = pytest.importorskip("statsmodels.api")
    return sm.datasets.ccard.load_pandas().data.astype({"OWNRENT": int})


CARDS = "AVGEXP ~ AGE + INCOME + INCOMESQ"


def owners(cards, **more):
    return oaxaca_blinder(cards, CARDS, unit="OWNRENT", which=1, **more)


def test_published_figures_of_credit_cards(cards):
    three = owners(cards, fold="threefold")
    assert three.mean - three.reference == pytest.approx(158.7504, abs=PRINTED)
    np.testing.assert_allclose(three.parts, [321.7482, 75.45371, -238.4515], atol=PRINTED)
    np.testing.assert_allclose(owners(cards, weights="pooled").parts, [130.8095, 27.94091], atol=PRINTED)
    np.testing.assert_allclose(owners(cards, weights="average").parts, [202.52249, -43.77205], atol=PRINTED)
    assert owners(cards).parts.sum() == pytest.approx(158.7504, abs=PRINTED)


def test_statsmodels_has_the_same_parts(cards):
    from statsmodels.stats.oaxaca import OaxacaBlinder as Reference

    theirs = Reference(cards["AVGEXP"], cards[["AGE", "INCOME", "INCOMESQ", "OWNRENT"]], "OWNRENT", hasconst=False)
    unexplained, explained, gap = theirs.two_fold(two_fold_type="pooled").params
    np.testing.assert_allclose(owners(cards, weights="pooled").parts, [explained, unexplained], rtol=1e-8)
    unexplained, explained, gap = theirs.two_fold(two_fold_type="nuemark").params
    np.testing.assert_allclose(owners(cards, weights="neumark").parts, [explained, unexplained], rtol=1e-8)
    endowments, slopes, interaction, gap = theirs.three_fold().params
    np.testing.assert_allclose(owners(cards, fold="threefold").parts, [endowments, slopes, interaction], rtol=1e-8)
    # Cotton weighs each group's slopes by the group's own share of cases (Jann 2008, equation 9). There the groups
    # change places (swap) and their sizes do not, so that its figures, 172.716 and -13.966, have the shares crossed.
    n = cards["OWNRENT"].value_counts(normalize=True)
    unit, reference = owners(cards, weights="unit").parts, owners(cards, weights="reference").parts
    np.testing.assert_allclose(owners(cards, weights="size").parts, n[1] * unit + n[0] * reference, rtol=1e-9)
    unexplained, explained, gap = theirs.two_fold(two_fold_type="cotton").params
    np.testing.assert_allclose([explained, unexplained], [172.71605, -13.96561], atol=PRINTED)
    np.testing.assert_allclose([explained, unexplained], n[0] * unit + n[1] * reference, rtol=1e-8)


def test_parts_by_term_of_a_linear_model_are_slopes_times_differences(cards):
    found = owners(cards, weights="reference")
    own, other = (
        np.column_stack([part[["AGE", "INCOME", "INCOMESQ"]], np.ones(len(part))])
        for part in (cards[cards["OWNRENT"] == 1], cards[cards["OWNRENT"] == 0])
    )
    beta = [
        np.linalg.lstsq(m, cards.loc[cards["OWNRENT"] == g, "AVGEXP"], rcond=None)[0] for m, g in ((own, 1), (other, 0))
    ]
    np.testing.assert_allclose(found.by_term[:, 0], (own.mean(0) - other.mean(0)) * beta[1], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.by_term[:, 1], own.mean(0) * (beta[0] - beta[1]), rtol=1e-7)
    # Standard errors: Jann 2008, equations 12 and 13; covariates fixed leave the second term of the first out.
    residual = cards.loc[cards["OWNRENT"] == 0, "AVGEXP"] - other @ beta[1]
    of_other = np.linalg.inv(other.T @ other) * (residual @ residual) / (len(other) - 4)
    apart = own.mean(0) - other.mean(0)
    variance = apart @ of_other @ apart
    assert found.std_error[0] == pytest.approx(np.sqrt(variance), rel=1e-6)
    of_means = sum(np.cov(m.T, ddof=0) / len(m) for m in (own, other))
    sampled = owners(cards, weights="reference", composition="sampled")
    assert sampled.std_error[0] == pytest.approx(np.sqrt(variance + beta[1] @ of_means @ beta[1]), rel=1e-6)


def counts(family, *, n=600, seed=2):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"town": rng.choice(list("aabbbcc"), n), "x": np.round(rng.normal(size=n), 1)})
    frame["g"] = rng.choice(["grund", "gym", "lang"], n)
    frame["m"] = rng.integers(3, 12, n).astype(float)
    eta = (
        -0.8
        + (0.5 + 0.3 * (frame["town"] == "a")) * frame["x"]
        + 0.6 * (frame["g"] == "gym")
        + 0.4 * (frame["town"] == "a")
    )
    mu = plain.mean(family, eta.to_numpy())
    draw = {
        "binomial": lambda: rng.binomial(frame["m"].astype(int), mu),
        "poisson": lambda: rng.poisson(frame["m"] * mu),
        "gaussian": lambda: frame["m"] * mu + np.sqrt(frame["m"]) * rng.normal(size=n),
    }
    return frame.assign(y=draw[family]().astype(float))


def of_counts(frame, family, formula="y ~ x + g", **more):
    size = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    return oaxaca_blinder(frame, formula, unit="town", which="a", family=family, **size, **more)


WEIGHTS = ["unit", "reference", "average", "size", "pooled", "neumark"]


class ByHand:
    """Slopes of each side and of θ*, and means, by dense fits of the rows; ``y`` may be moved."""

    def __init__(self, frame, family, weights, y=None):
        self.family, self.own = family, (frame["town"] == "a").to_numpy()
        self.size, self.y = frame["m"].to_numpy(), frame["y"].to_numpy() if y is None else y
        columns = [frame["x"], frame["g"] == "gym", frame["g"] == "lang", np.ones(len(frame))]
        self.columns = np.column_stack(columns).astype(float)
        self.a, self.b = self.fit(self.columns, self.own), self.fit(self.columns, ~self.own)
        every = np.ones(len(self.own), dtype=bool)
        if weights == "neumark":
            self.star = self.fit(self.columns, every)
        elif weights == "pooled":
            slopes = self.fit(np.column_stack([self.columns, self.own.astype(float)]), every)[:3]
            level = plain.level_for(family, self.columns[:, :3] @ slopes, self.size, self.y.sum())
            self.star = np.append(slopes, level)
        else:
            share = self.size[self.own].sum() / self.size.sum()
            of_a = {"unit": 1.0, "reference": 0.0, "average": 0.5, "size": share}[weights]
            self.star = of_a * self.a + (1 - of_a) * self.b

    def fit(self, matrix, rows):
        return plain.dense_fit(self.family, matrix[rows], self.y[rows], self.size[rows], np.zeros(rows.sum()))

    def mean(self, rows, theta):
        return np.average(plain.mean(self.family, self.columns[rows] @ theta), weights=self.size[rows])

    def gap(self):
        own = self.own
        return self.y[own].sum() / self.size[own].sum() - self.y[~own].sum() / self.size[~own].sum()

    def twofold(self):
        explained = self.mean(self.own, self.star) - self.mean(~self.own, self.star)
        return np.array([explained, self.gap() - explained, self.gap()])

    def threefold(self):
        at_b = self.mean(~self.own, self.b)
        first, second = self.mean(self.own, self.b) - at_b, self.mean(~self.own, self.a) - at_b
        return np.array([first, second, self.gap() - first - second, self.gap()])


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_parts_are_differences_of_means_at_slopes_fitted_apart(family, weights):
    frame = counts(family)
    found = of_counts(frame, family, weights=weights)
    hand = ByHand(frame, family, weights)
    np.testing.assert_allclose(found.parts, hand.twofold()[:2], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.by_term.sum(0), found.parts, atol=1e-10)
    assert found.against == "others"
    three = of_counts(frame, family, fold="threefold")
    np.testing.assert_allclose(three.parts, hand.threefold()[:3], rtol=1e-7, atol=1e-9)
    # Yun's weights; the deviation contrast leaves explained as it is.
    own, size = hand.own, hand.size
    sides = [np.average(hand.columns[rows], axis=0, weights=size[rows]) for rows in (own, ~own)]
    linear = (sides[0] - sides[1]) * hand.star
    shares = np.array([linear[0], linear[1] + linear[2], linear[3]]) / linear.sum()
    np.testing.assert_allclose(found.by_term[:, 0], shares * found.parts[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_it_does_not_matter_which_category_is_left_out(family):
    frame = counts(family)
    turned = [
        frame.assign(g=pd.Categorical(frame["g"], categories=order))
        for order in (["grund", "gym", "lang"], ["lang", "gym", "grund"])
    ]
    ours = [of_counts(one, family, weights="pooled") for one in turned]
    np.testing.assert_allclose(ours[0].by_term, ours[1].by_term, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours[0].by_term_std_error, ours[1].by_term_std_error, rtol=1e-4, atol=1e-9)
    plainly = [of_counts(one, family, weights="pooled", categories="omitted") for one in turned]
    assert np.abs(plainly[0].by_term[:, 1] - plainly[1].by_term[:, 1]).max() > 1e-3
    np.testing.assert_allclose(plainly[0].parts, ours[0].parts, rtol=1e-9)


@pytest.mark.parametrize("weights", ["average", "pooled", "neumark", "threefold"])
@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_errors_are_of_the_chance_in_each_outcome(family, weights):
    # Every row's outcome is moved by itself, everything fitted anew, and the squares are weighed by its variance.
    frame = counts(family, n=110)
    three = weights == "threefold"
    found = of_counts(frame, family, **({"fold": "threefold"} if three else {"weights": weights}))
    hand = ByHand(frame, family, "reference" if three else weights)
    mu = np.where(hand.own, *(plain.mean(family, hand.columns @ theta) for theta in (hand.a, hand.b)))
    m = hand.size
    if family == "gaussian":
        squares = (hand.y - m * mu) ** 2 / m
        phi = [squares[rows].sum() / (rows.sum() - 4) for rows in (hand.own, ~hand.own)]
        variance = m * np.where(hand.own, *phi)
    else:
        variance = m * mu * (1 - mu) if family == "binomial" else m * mu
    total = 0.0
    for row in range(len(frame)):
        ends = []
        for step in (1e-3, -1e-3):
            moved = m * mu + 0.0
            moved[row] += step
            again = ByHand(frame, family, "reference" if three else weights, moved)
            ends.append(again.threefold() if three else again.twofold())
        total = total + ((ends[0] - ends[1]) / 2e-3) ** 2 * variance[row]
    np.testing.assert_allclose(np.append(found.std_error, found.gap_std_error), np.sqrt(total), rtol=1e-4)


def test_grouped_counts_are_the_cases_they_count():
    frame = counts("binomial", n=120)
    cases = frame.loc[frame.index.repeat(frame["m"].astype(int))].reset_index(names="row")
    cases["y"] = (cases.groupby("row").cumcount() < cases["y"]).astype(float)
    there = of_counts(frame, "binomial", composition="sampled")
    here = oaxaca_blinder(cases, "y ~ x + g", unit="town", which="a", family="binomial", composition="sampled")
    np.testing.assert_allclose(here.parts, there.parts, rtol=1e-8)
    np.testing.assert_allclose(here.std_error, there.std_error, rtol=1e-5)


def test_two_units_alike_have_no_gap_and_one_unit_is_against_itself_never():
    frame = counts("poisson")
    twins = pd.concat([frame.assign(town="a"), frame.assign(town="b")])
    found = of_counts(twins, "poisson")
    np.testing.assert_allclose(found.parts, 0.0, atol=1e-9)
    assert found.steps(terms=True).rows[0].name == "others"
    one = of_counts(frame, "poisson", against="b")
    assert one.against == "b"
    both = of_counts(frame[frame["town"] != "c"], "poisson")
    np.testing.assert_allclose(one.parts, both.parts, rtol=1e-9)
    frame_of = one.to_frame()
    assert frame_of["contribution"].iloc[-1] == pytest.approx(one.parts.sum())
    assert frame_of.loc[frame_of["term"] == "(whole)", "part"].tolist() == [*one.names, "gap"]
    assert frame_of["term"].notna().all()


def test_terms_of_an_interaction_are_told_to_depend_on_their_coding():
    found = of_counts(counts("gaussian"), "gaussian", formula="y ~ x * g")
    assert "'x:g'" in found.notes[0]
    np.testing.assert_allclose(found.by_term.sum(0), found.parts, rtol=1e-8)


@pytest.mark.parametrize(
    ("change", "more", "error", "message"),
    [
        ({}, {"which": "z"}, SpecificationError, "which='z'; 'town' has 'a', 'b', 'c'"),
        ({}, {"which": "aa"}, SpecificationError, "near: 'a'"),
        ({}, {"against": "a"}, SpecificationError, "give one unit, and another"),
        ({}, {"which": ["a"]}, SpecificationError, "give labels of 'town'"),
        ({}, {"weights": "cotton"}, SpecificationError, "weights must be one of"),
        ({}, {"formula": "y ~ 1"}, SpecificationError, "no covariates"),
        ({"y": 0.0}, {}, DataError, "a has no events"),
        ({"x": 1.0}, {}, DataError, "a: 'x' is the same in every row"),
    ],
)
def test_gaps_that_cannot_be_divided(change, more, error, message):
    frame = counts("binomial")
    for name, value in change.items():
        frame.loc[frame["town"] == "a", name] = value
    asked_for = {"formula": "y ~ x + g", "which": "a"} | more
    formula = asked_for.pop("formula")
    with pytest.raises(error, match=message):
        oaxaca_blinder(frame, formula, unit="town", family="binomial", trials="m", **asked_for)
