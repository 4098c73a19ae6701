"""Parts by term: against a loop over pairs of cases, and their standard errors against closed forms and draws."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, Pooled, RandomEffects, SpecificationError
from benchmodels.decomposition import LEFT_OUT, Step, Steps, decompose, kitagawa, terms
from benchmodels.errors import BenchmodelsError
from tests import plain

EXACT = 1e-10
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


def table(family, *, k=4, n=48, seed=3):
    rng = np.random.default_rng(seed)
    unit = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    frame = pd.DataFrame({"unit": [f"u{i}" for i in unit], "g": rng.choice(list("abc"), n)})
    frame["x"] = rng.integers(0, 3, n) + 0.5 * (unit == 1)
    frame["s"] = rng.choice(["dreng", "pige"], n)
    frame["m"] = rng.integers(4, 25, n).astype(float)
    eta = -1 + 0.5 * frame["x"] + 0.7 * (frame["g"] == "b") - 0.4 * (frame["s"] == "pige") + 0.3 * (unit == 2)
    mu = plain.mean(family, eta.to_numpy())
    size = frame["m"].to_numpy()
    draw = {
        "binomial": lambda: rng.binomial(size.astype(int), mu),
        "poisson": lambda: rng.poisson(size * mu),
        "gaussian": lambda: size * (20 + mu) + np.sqrt(size) * rng.normal(size=n),
    }
    return frame.assign(y=draw[family]().astype(float))


def fitted(family, model, frame=None, **more):
    size = {"trials": "m"} if family == "binomial" else {"exposure": "m"}
    frame = table(family) if frame is None else frame
    return frame, model("y ~ x + g + s", unit="unit", family=family, **size, **more).fit(frame)


def by_loops(frame, family, slopes, spread):
    """Shapley values by every order's sums over pairs of cases, one pair at a time."""
    terms = {
        "x": slopes["x"] * frame["x"].to_numpy(),
        "g": slopes["g[T.b]"] * (frame["g"] == "b").to_numpy() + slopes["g[T.c]"] * (frame["g"] == "c").to_numpy(),
        "s": slopes["s[T.pige]"] * (frame["s"] == "pige").to_numpy(),
    }
    size = frame["m"].to_numpy()

    def mean(eta):
        if not spread:
            return plain.mean(family, eta)
        return sum(w * plain.mean(family, eta + spread * z) for z, w in zip(NODES, WEIGHTS, strict=True)) / sum(WEIGHTS)

    low, high = -60.0, 60.0
    whole = sum(terms.values())
    for _ in range(200):
        level = 0.5 * (low + high)
        if np.sum(size * mean(whole + level)) < frame["y"].sum():
            low = level
        else:
            high = level
    names, found = list(terms), {}
    for label in sorted(frame["unit"].unique()):
        own = np.flatnonzero(frame["unit"] == label)
        worth = {}
        for count in range(4):
            for chosen in combinations(names, count):
                total = 0.0
                for i in own:
                    eta = sum(terms[t][i] for t in chosen) + sum(terms[t] for t in names if t not in chosen) + level
                    total += size[i] * np.sum(size * mean(eta))
                worth[chosen] = total / size[own].sum() / size.sum()
        for t in names:
            value = 0.0
            for chosen, v in worth.items():
                if t not in chosen:
                    more = tuple(n for n in names if n in chosen or n == t)
                    value += factorial(len(chosen)) * factorial(2 - len(chosen)) / factorial(3) * (worth[more] - v)
            found[label, t] = value
    return found


@pytest.mark.parametrize("model", [Pooled, FixedEffects, RandomEffects])
@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_parts_are_shapley_values_of_means_over_pairs(family, model):
    frame, fit = fitted(family, model)
    parts = decompose(fit)
    spread = fit.unit_sd if model is RandomEffects and family != "gaussian" else 0.0
    by_hand = by_loops(frame, family, fit.slopes, spread)
    assert parts.exact
    assert parts.terms == ("x", "g", "s", LEFT_OUT)
    # The integral over levels is by 32 nodes there and 40 here.
    tolerance = 1e-8 if spread else EXACT
    for i, label in enumerate(parts.unit):
        for j, term in enumerate(parts.terms[:-1]):
            assert parts.parts[i, j] == pytest.approx(by_hand[label, term], abs=tolerance * parts.country)
    own = frame.groupby("unit")[["y", "m"]].sum()
    np.testing.assert_allclose(parts.observed, (own["y"] / own["m"]).loc[parts.unit], rtol=EXACT)
    np.testing.assert_allclose(parts.parts.sum(1), parts.expected - parts.country, atol=EXACT * parts.country)


def test_errors_of_linear_parts_are_the_closed_form():
    frame, fit = fitted("gaussian", Pooled)
    found = decompose(fit, std_error=True)
    size = frame["m"].to_numpy()
    columns = np.column_stack(
        [np.ones(len(frame)), frame["x"], frame["g"] == "b", frame["g"] == "c", frame["s"] == "pige"]
    )
    columns = columns.astype(float)
    covariance = np.linalg.inv((columns * size[:, None]).T @ columns) * fit.dispersion
    for i, label in enumerate(found.unit):
        own = (frame["unit"] == label).to_numpy()
        apart = np.average(columns[own], axis=0, weights=size[own]) - np.average(columns, axis=0, weights=size)
        for j, which in enumerate([[1], [2, 3], [4]]):
            variance = apart[which] @ covariance[np.ix_(which, which)] @ apart[which]
            assert found.std_error[i, j] == pytest.approx(np.sqrt(variance), rel=1e-7)
    assert np.isnan(found.std_error[:, -1]).all()
    assert decompose(fit).std_error is None


@pytest.mark.parametrize(
    ("family", "model"), [("binomial", Pooled), ("poisson", FixedEffects), ("binomial", RandomEffects)]
)
def test_errors_of_curved_parts_are_the_spread_of_drawn_outcomes(family, model):
    # Outcomes are drawn again from the model, and each time everything is fitted anew.
    frame = table(family, n=150)
    frame["m"] *= 8 if family == "binomial" else 20
    rng = np.random.default_rng(5)
    eta = -1 + 0.5 * frame["x"] + 0.7 * (frame["g"] == "b") - 0.4 * (frame["s"] == "pige")
    mu, size = plain.mean(family, eta.to_numpy()), frame["m"].to_numpy()

    def drawn():
        counts = rng.binomial(size.astype(int), mu) if family == "binomial" else rng.poisson(size * mu)
        return fitted(family, model, frame.assign(y=counts.astype(float)))[1]

    found = decompose(drawn(), std_error=True)
    draws = 60 if model is RandomEffects else 120
    spread = np.std([decompose(drawn()).parts for _ in range(draws)], axis=0, ddof=1)
    # The standard deviation of so many draws has a relative error of 1 / sqrt(2 draws): four of them, and some for
    # slopes of one draw that stand in for the truth.
    np.testing.assert_allclose(found.std_error[:, :-1], spread[:, :-1], rtol=4 / np.sqrt(2 * draws) + 0.05)


@pytest.mark.parametrize("model", [Pooled, RandomEffects])
def test_errors_on_a_grid_are_those_of_every_pair(monkeypatch, model):
    frame = table("binomial", n=600)
    frame["x"] += np.random.default_rng(1).normal(size=len(frame))
    fit = fitted("binomial", model, frame)[1]
    every = decompose(fit, std_error=True)
    monkeypatch.setattr(terms, "MOST_PAIRS", 10)
    monkeypatch.setattr(terms, "GRID", 200)
    few = decompose(fit, std_error=True)
    assert every.exact and not few.exact
    # Linear between 200 values that span some five units of the linear predictor.
    np.testing.assert_allclose(few.parts, every.parts, atol=1e-4 * every.country)
    np.testing.assert_allclose(few.std_error, every.std_error, rtol=1e-3, atol=1e-5 * every.country)


def test_steps_lead_from_the_country_to_what_is_observed():
    frame, fit = fitted("binomial", FixedEffects)
    found = decompose(fit, std_error=True)
    steps = found.steps("u1")
    assert [step.name for step in steps.rows] == [
        "country",
        "x",
        "g",
        "s",
        LEFT_OUT,
        "expected",
        "practice",
        "observed",
    ]
    comparison = fit.compare(contrast="difference").to_frame().set_index("unit")
    practice = steps.rows[-2]
    assert practice.value == pytest.approx(comparison.loc["u1", "estimate"], rel=1e-9)
    assert practice.std_error == pytest.approx(comparison.loc["u1", "std_error"])
    assert "std_error" in found.to_frame().columns
    assert list(decompose(fit).to_frame().columns) == ["unit", "term", "contribution"]
    with pytest.raises(SpecificationError, match="'u9' is not among the 4 there are"):
        found.steps("u9")
    told = repr(steps)
    assert told.startswith("Steps(u1: country ") and "\n" not in told and "Step(" not in told
    with pytest.raises(SpecificationError, match="not among"):
        found.steps(["u1"])


def test_steps_that_do_not_add_up_are_refused():
    total = {"total": True}
    with pytest.raises(BenchmodelsError, match="do not add to 'end'"):
        Steps(
            label="a",
            rows=(
                Step(name="start", value=1.0, **total),
                Step(name="p", value=1.0),
                Step(name="end", value=2.1, **total),
            ),
        )


def test_one_unit_is_looked_up_and_what_is_printed_is_a_line():
    frame, fit = fitted("binomial", FixedEffects)
    found = decompose(fit)
    table = found.to_frame()
    for unit in ("u1", "u3"):
        want = table[table["unit"] == unit].reset_index(drop=True)
        pd.testing.assert_frame_equal(found.of(unit), want)
    with pytest.raises(SpecificationError, match="'u9' is not among"):
        found.of("u9")
    assert repr(found).startswith("Decomposition(4 units from the country's ") and "array(" not in repr(found)
    cells = kitagawa(frame, unit="unit", cells=["g"], outcome="y", size="m")
    want = cells.to_frame(level=0.9)
    want = want[want["unit"] == "u2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(cells.of("u2", level=0.9), want)


def test_what_is_no_fit_is_not_divided():
    frame, fit = fitted("binomial", FixedEffects)
    for wrong in (fit.compare(), frame):
        with pytest.raises(SpecificationError, match=r"takes the fit of .*; found a (Comparison|DataFrame)"):
            decompose(wrong)


def test_what_cannot_be_divided_is_said():
    frame, fit = fitted("binomial", Pooled)
    bare = Pooled("y ~ 1", unit="unit", trials="m").fit(frame)
    with pytest.raises(SpecificationError, match="no covariates"):
        decompose(bare)
    weighted = Pooled("y ~ x", unit="unit", trials="m", sampling_weights="w").fit(frame.assign(w=1.0 + frame["x"]))
    assert decompose(weighted).std_error is None
    with pytest.raises(SpecificationError, match="sampling weights"):
        decompose(weighted, std_error=True)


def test_figures_do_not_depend_on_the_unit_of_measure():
    frame, fit = fitted("poisson", Pooled)
    there = decompose(fit, std_error=True)
    scaled = frame.assign(m=frame["m"] * 1e7, x=frame["x"] * 1e-5)
    here = decompose(fitted("poisson", Pooled, scaled)[1], std_error=True)
    np.testing.assert_allclose(here.parts * 1e7, there.parts, rtol=1e-6, atol=1e-9 * there.country)
    np.testing.assert_allclose(here.std_error[:, :-1] * 1e7, there.std_error[:, :-1], rtol=1e-5)
