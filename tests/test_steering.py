"""Steering choices as a second step: the join, the scale, and what the first step leaves of a choice."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from benchmodels import FixedEffects, Pooled, datasets
from benchmodels.comparison import Coverage
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.meta_regression import meta_regression
from benchmodels.steering import CONSTANT, SecondStep, second_step
from tests.test_flags import make

EXACT = 1e-12
PAYMENT = ["central", "divided", "school"]


def country(k=60, *, seed=2, contrast="difference", withheld=(), effect=(0.0, -0.3, -0.8), tau=0.3):
    """Units whose effect goes with who pays, and a table of choices in another order."""
    rng = np.random.default_rng(seed)
    payment, managers = rng.integers(0, 3, k), rng.uniform(1, 9, k)
    s = np.exp(rng.normal(-1.2, 0.5, k))
    y = 0.1 + np.array(effect)[payment] + 0.05 * managers + tau * rng.normal(size=k) + s * rng.normal(size=k)
    null = {"difference": 0.0, "ratio": 1.0, "rate": 0.05}[contrast]
    estimate, noise = (y, s**2) if contrast == "difference" else (null * np.exp(y), (s * null * np.exp(y)) ** 2)
    noise[list(withheld)] = np.nan
    comparison = make(estimate, s, noise=noise, null=null, contrast=contrast)
    table = pd.DataFrame(
        {"enhed": comparison.unit, "payment": np.array(PAYMENT, object)[payment], "managers": managers}
    )
    return comparison, table.sample(frac=1, random_state=1), y, s


def coded(comparison, table):
    rows = table.set_index("enhed").loc[comparison.unit]
    return np.column_stack(
        [np.ones(len(rows)), rows["payment"] == "divided", rows["payment"] == "school", rows["managers"]]
    ).astype(float)


@pytest.mark.parametrize("contrast", ["difference", "ratio", "rate"])
def test_the_table_is_joined_and_the_scale_said(contrast):
    comparison, table, y, s = country(contrast=contrast)
    step = second_step(comparison, table, ["payment", "managers"], unit="enhed")
    by_hand = meta_regression(y, s, coded(comparison, table))
    frame = step.to_frame()
    assert frame.columns.tolist() == ["term", "estimate", "std_error", "lower", "upper", "p"]
    assert frame["term"].tolist() == [CONSTANT, "payment[T.divided]", "payment[T.school]", "managers"]
    np.testing.assert_allclose(frame["estimate"], by_hand.coefficients, rtol=1e-9)
    np.testing.assert_allclose(frame["std_error"], by_hand.std_error, rtol=1e-9)
    np.testing.assert_allclose(frame["upper"] - frame["lower"], 2 * by_hand.half_width(0.95), rtol=1e-9)
    assert step.scale == ("estimate" if contrast == "difference" else "log")
    assert any("factor" in note for note in step.notes) == (contrast != "difference")
    assert "need not be its cause" in step.notes[0]
    assert "payment: held against 'central'" in step.notes
    assert step.together("payment") == pytest.approx(by_hand.together(np.array([1, 2])), rel=1e-9)
    assert step.together("managers")[1] == pytest.approx(frame["p"].iloc[3], rel=1e-9)
    new = pd.DataFrame({"payment": ["school", "central"], "managers": [2.0, 3.0]})
    told = step.predict(new)
    mean, _, half, wide = by_hand.at(np.array([[1, 0, 1, 2.0], [1, 0, 0, 3.0]]), 0.95)
    back = np.exp if contrast != "difference" else np.asarray
    for name, value in zip(told.columns, (mean, mean - half, mean + half, mean - wide, mean + wide), strict=True):
        np.testing.assert_allclose(told[name], back(value), rtol=1e-8, err_msg=name)


def test_units_left_out_and_rows_not_used_are_counted():
    comparison, table, y, s = country(withheld=(3, 7))
    more = pd.concat([table, pd.DataFrame({"enhed": ["Christiansø"], "payment": ["central"], "managers": [1.0]})])
    with pytest.warns(
        PartialResultWarning, match="2 of 60 units have no known uncertainty and are left out: 'Enhed 3'"
    ):
        step = second_step(comparison, more, ["payment", "managers"], unit="enhed", level=0.9)
    keep = np.setdiff1d(np.arange(60), [3, 7])
    by_hand = meta_regression(y[keep], s[keep], coded(comparison, table)[keep])
    np.testing.assert_allclose(step.to_frame()["estimate"], by_hand.coefficients, rtol=1e-9)
    assert len(step.unit) == 58
    assert "58 units, each" in " | ".join(step.notes)
    assert any(note.startswith("2 of 60 units have no known") for note in step.notes)
    assert "3 rows of the table are of units that are not used" in step.notes
    # A unit that is not used needs no choice.
    with pytest.warns(PartialResultWarning):
        again = second_step(comparison, table[table["enhed"] != "Enhed 3"], ["managers"], unit="enhed")
    assert len(again.unit) == 58


def test_truth_values_and_ordered_categories():
    comparison, table, *_ = country()
    order = pd.Categorical(table["payment"], categories=["school", "never", "divided", "central"], ordered=True)
    table = table.assign(payment=order, whole=table["managers"] > 5)
    step = second_step(comparison, table, ["payment", "whole"], unit="enhed")
    assert step.terms == (CONSTANT, "payment[T.divided]", "payment[T.central]", "whole")
    assert "payment: held against 'school'" in step.notes
    told = step.predict(pd.DataFrame({"payment": ["school"], "whole": [False]}))
    assert told["estimate"].iloc[0] == pytest.approx(step.to_frame()["estimate"].iloc[0], rel=EXACT)


def test_no_variation_is_said_not_to_be_certain():
    comparison, table, *_ = country(tau=0.0, effect=(0.0, 0.0, 0.0), seed=5)
    still = make(0.0 * comparison.estimate + 0.01 * np.sin(np.arange(60)), comparison.null_std_error)
    step = second_step(still, table, ["managers"], unit="enhed")
    assert step.tau == 0.0
    assert np.isnan(step.r2)
    assert any("no variation is likely is not certain" in note for note in step.notes)
    assert "R² = nan%" in repr(step)


def test_few_units_are_said_to_be_few():
    comparison, table, *_ = country()
    few = second_step(comparison.take(np.arange(20)), table, ["managers"], unit="enhed")
    many = second_step(comparison, table, ["managers"], unit="enhed")
    assert [any(note.startswith("few units") for note in step.notes) for step in (few, many)] == [True, False]


def test_it_can_be_kept():
    comparison, table, *_ = country()
    step = pickle.loads(pickle.dumps(second_step(comparison, table, ["managers"], unit="enhed")))
    assert isinstance(step, SecondStep)
    assert "managers; τ = " in repr(step)
    assert step.source == comparison.source


@pytest.mark.parametrize(
    ("change", "columns", "error", "message"),
    [
        (lambda t: t[t["enhed"] != "Enhed 5"], ["managers"], DataError, "1 of 60 .* not in column 'enhed': 'Enhed 5'"),
        (lambda t: t.assign(enhed=range(60)), ["managers"], DataError, "60 of 60 .*holds such as 0.*text are not"),
        (lambda t: pd.concat([t, t.head(2)]), ["managers"], DataError, "2 units have more than one row"),
        (lambda t: t.assign(enhed=[[1]] * 60), ["managers"], DataError, "no labels"),
        (lambda t: t.assign(managers=t["managers"].mask(t["enhed"] == "Enhed 9")), ["managers"], DataError,
         "1 units lack a value in 'managers': 'Enhed 9'"),
        (lambda t: t.assign(managers=np.inf), ["managers"], DataError, "must be finite"),
        (lambda t: t.assign(managers=pd.Timestamp("2024-01-01")), ["managers"], DataError, "dates or times"),
        (lambda t: t.assign(managers=2.0), ["managers"], SpecificationError, "'managers' is the same in every unit"),
        (lambda t: t.assign(payment="central"), ["payment"], SpecificationError, "is 'central' in every unit"),
        (lambda t: t.assign(twin=2 * t["managers"] + 1), ["managers", "twin"], SpecificationError, "vary apart"),
        (lambda t: t, "managers", SpecificationError, "columns='managers'; give the names"),
        (lambda t: t, [], SpecificationError, "give the names of one or more"),
        (lambda t: t, None, SpecificationError, "give the names of one or more"),
        (lambda t: t, ["managers", "managers"], SpecificationError, "name each column once"),
        (lambda t: t, ["enhed"], SpecificationError, "name each column once"),
        (lambda t: t, ["manager"], DataError, "did you mean 'managers'"),
        (lambda t: t.head(0), ["managers"], DataError, "no rows"),
        (lambda t: [1, 2], ["managers"], DataError, "a dataframe is needed"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(change, columns, error, message):
    comparison, table, *_ = country()
    with pytest.raises(error, match=message):
        second_step(comparison, change(table), columns, unit="enhed")


def test_more_that_cannot_be_asked():
    comparison, table, *_ = country()
    with pytest.raises(SpecificationError, match=r"level=95"):
        second_step(comparison, table, ["managers"], unit="enhed", level=95)
    with pytest.raises(SpecificationError, match="takes a Comparison"):
        second_step(table, table, ["managers"], unit="enhed")
    seen = Coverage(level=0.95, intervals=0.8, ranks=0.8, all_ranks=0.5, shrunken=0.8, simulated="s")
    with pytest.raises(SpecificationError, match=r"frontier's comparison.*second_stage"):
        second_step(replace(comparison, coverage=seen), table, ["managers"], unit="enhed")
    with pytest.raises(SpecificationError, match="4 units have a known uncertainty; 2 terms with the constant need 5"):
        second_step(comparison.take(np.arange(4)), table, ["managers"], unit="enhed")
    ratios, table, *_ = country(contrast="ratio")
    zero = np.array(ratios.estimate)
    zero[4] = 0.0
    with pytest.raises(SpecificationError, match=r"regressed on the log, and 1 units .* zero: 'Enhed 4'.*the lowest"):
        second_step(replace(ratios, estimate=zero), table, ["managers"], unit="enhed")
    step = second_step(comparison, table, ["payment"], unit="enhed")
    with pytest.raises(SpecificationError, match="no choice 'pay'; there are 'payment'"):
        step.together("pay")
    with pytest.raises(DataError, match="not there before: 'never'; there were 'central', 'divided', 'school'"):
        step.predict(pd.DataFrame({"payment": ["never"]}))
    with pytest.raises(DataError, match="missing values"):
        step.predict(pd.DataFrame({"payment": ["school", None]}))


@pytest.mark.parametrize("model", [FixedEffects, Pooled])
def test_a_choice_that_goes_with_composition(model):
    """Slopes within units leave a choice to the second step; slopes pooled over units take part of it."""
    rng = np.random.default_rng(8)
    k, cells = 98, 4
    poor = rng.beta(2, 4, k)
    central = (poor + 0.2 * rng.normal(size=k) > np.median(poor)).astype(float)
    alpha = -2.0 + 0.5 * central + 0.15 * rng.normal(size=k)
    rows = pd.DataFrame({"unit": np.repeat([f"K{i}" for i in range(k)], cells), "poor": np.tile([0, 0, 1, 1], k)})
    share = np.repeat(poor, cells)
    rows["trials"] = np.maximum(1, np.round(3000 * np.where(rows["poor"] == 1, share, 1 - share) / 2)).astype(int)
    p = 1 / (1 + np.exp(-(np.repeat(alpha, cells) + 0.4 * rows["poor"])))
    rows["events"] = rng.binomial(rows["trials"], p)
    fit = model("events ~ poor", unit="unit", trials="trials", family="binomial").fit(rows)
    comparison = fit.compare(contrast="ratio")
    table = pd.DataFrame({"unit": [f"K{i}" for i in range(k)], "central": central})
    found = second_step(comparison, table, ["central"], unit="unit").to_frame().iloc[1]
    # On the log of observed over expected 0.5 on the logit is 0.5 (1 - p) at about p = 0.17.
    if model is FixedEffects:
        assert found["lower"] < 0.41 < found["upper"]
    else:
        assert found["estimate"] < 0.38


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_what_units_share_moves_little(correlation):
    """Generalised least squares with the whole covariance of the estimates, its variance by the same likelihood."""
    covariates = "sex + grade_band + parents_education + parents_income + origin + family + diagnosis"
    model = FixedEffects(f"segregated ~ {covariates}", unit="municipality", trials="pupils", family="binomial")
    comparison = model.fit(datasets.simulate_denmark().special_education()).compare()
    rate = comparison.expected / comparison.size
    other = np.random.default_rng(3).normal(size=98)
    choice = correlation * (rate - rate.mean()) / rate.std() + np.sqrt(1 - correlation**2) * other
    step = second_step(comparison, pd.DataFrame({"k": comparison.unit, "x": choice}), ["x"], unit="k")
    X, y, shared = np.column_stack([np.ones(98), choice]), comparison.estimate, comparison.covariance()

    def fitted(tau2):
        inverse = np.linalg.inv(shared + tau2 * np.eye(98))
        inner = X.T @ inverse @ X
        b = np.linalg.solve(inner, X.T @ inverse @ y)
        squares = (y - X @ b) @ inverse @ (y - X @ b)
        return np.linalg.slogdet(inner)[1] - np.linalg.slogdet(inverse)[1] + squares, b, inner, squares / 96

    top = 4 * step.found.tau2
    tau2 = minimize_scalar(lambda v: fitted(v)[0], bounds=(0, top), method="bounded", options={"xatol": 1e-6 * top}).x
    _, b, inner, scale = fitted(tau2)
    error = np.sqrt(scale * np.linalg.inv(inner)[1, 1])
    row = step.to_frame().iloc[1]
    assert abs(row["estimate"] - b[1]) < 0.03 * error
    assert row["std_error"] == pytest.approx(error, rel=0.01)


def test_bundled_country_with_region():
    comparison = (
        FixedEffects("segregated ~ sex + diagnosis", unit="municipality", trials="pupils", family="binomial")
        .fit(datasets.simulate_denmark().special_education())
        .compare()
    )
    step = second_step(comparison, datasets.municipalities(), ["region"], unit="municipality")
    assert len(step.unit) == 98
    assert step.terms[1:] == tuple(f"region[T.{r}]" for r in ["Midtjylland", "Nordjylland", "Sjælland", "Syddanmark"])
    f, p = step.together("region")
    assert f > 0
    assert 0 <= p <= 1
