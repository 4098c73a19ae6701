"""Units over several outcomes: matching, multiplicity, and correlation of effects freed of noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm

from benchmodels.comparison import Coverage
from benchmodels.errors import SpecificationError
from benchmodels.kernels.bivariate_effects import effect_correlation
from benchmodels.profiles import profile
from tests.test_flags import make


def drawn(rng, k, correlation, reliability=0.6, noise_correlation=0.0):
    effects = rng.multivariate_normal([0.3, -0.2], [[1.0, correlation], [correlation, 1.0]], k)
    s = np.sqrt((1 - reliability) / reliability) * np.exp(0.4 * rng.normal(size=(k, 2)))
    errors = rng.multivariate_normal([0, 0], [[1.0, noise_correlation], [noise_correlation, 1.0]], k)
    return effects + s * errors, s


def three(k=30, seed=1, **rest):
    rng = np.random.default_rng(seed)
    y, s = drawn(rng, k, 0.5)
    costs = make(rng.normal(size=k), np.full(k, 0.5), null=1.0, contrast="ratio", expected=np.ones(k))
    costs = make(np.exp(0.3 * y[:, 0]), 0.1 * np.ones(k), null=1.0, contrast="ratio", expected=np.ones(k))
    return {"segregation": make(y[:, 0], s[:, 0]), "absence": make(y[:, 1], s[:, 1]), "costs": costs} | rest


def test_each_row_is_that_of_its_comparison():
    outcomes = three()
    found = profile(outcomes)
    assert found.to_frame().columns.tolist()[:3] == ["unit", "outcome", "estimate"]
    row = found.of("Enhed 7")
    assert row["outcome"].tolist() == ["segregation", "absence", "costs"]
    for name, comparison in outcomes.items():
        own = row[row["outcome"] == name].iloc[0]
        z = (comparison.estimate[7] - comparison.null) / comparison.null_std_error[7]
        assert own["z"] == pytest.approx(z)
        assert own["p"] == pytest.approx(2 * norm.sf(abs(z)))
        assert (own["lower"], own["upper"]) == (comparison.lower[7], comparison.upper[7])
        away = comparison.estimate - comparison.null
        assert own["standardised"] == pytest.approx(away[7] / np.sqrt(np.mean(away**2)))
        assert abs(own["shrunken"]) <= np.abs(away).max() / np.sqrt(np.mean(away**2))
    place = found.to_frame().groupby("outcome")["place"].mean()
    assert ((place > 0.2) & (place < 0.8)).all()


def test_holm_and_benjamini_hochberg_by_hand():
    away = {"a": 2.0, "b": 2.3, "c": 3.0, "d": 0.1}
    outcomes = {name: make([value, 0.0, 0.0, 0.0], np.ones(4)) for name, value in away.items()}
    p = 2 * norm.sf(np.array(list(away.values())))
    order = np.argsort(p)
    holm, fdr = np.empty(4), np.empty(4)
    running = 0.0
    for place, i in enumerate(order):
        running = max(running, (4 - place) * p[i])
        holm[i] = min(running, 1.0)
    running = 1.0
    for place, i in reversed(list(enumerate(order))):
        running = min(running, 4 / (place + 1) * p[i])
        fdr[i] = running
    np.testing.assert_allclose(profile(outcomes).of("Enhed 0")["adjusted_p"], holm)
    by_rate = profile(outcomes, multiplicity="fdr").of("Enhed 0")
    np.testing.assert_allclose(by_rate["adjusted_p"], fdr)
    plain = profile(outcomes, multiplicity="none").of("Enhed 0")
    np.testing.assert_allclose(plain["adjusted_p"], p)
    assert profile(outcomes).of("Enhed 0")["verdict"].tolist() == ["not different"] * 2 + ["above", "not different"]
    assert by_rate["verdict"].tolist() == ["not different", "above", "above", "not different"]
    assert plain["verdict"].tolist() == ["above"] * 3 + ["not different"]


def test_holm_keeps_its_word():
    rng = np.random.default_rng(2)
    outcomes = {name: make(rng.normal(size=4000), np.ones(4000)) for name in "abcde"}
    wrong = profile(outcomes).to_frame().groupby("unit")["verdict"].agg(lambda v: (v != "not different").any())
    assert wrong.mean() == pytest.approx(0.05, abs=0.014)


def test_units_that_an_outcome_lacks_are_said_and_do_not_count():
    outcomes = three()
    outcomes["absence"] = outcomes["absence"].take(np.arange(5, 30))
    noise = outcomes["costs"].noise.copy()
    noise[0] = np.nan
    outcomes["costs"] = replace(outcomes["costs"], noise=noise, withheld=np.where(np.isnan(noise), "one", ""))
    found = profile(outcomes)
    row = found.of("Enhed 0")
    assert row["verdict"].tolist()[1:] == ["not there", "withheld"]
    assert row["adjusted_p"].iloc[0] == row["p"].iloc[0]
    assert any("'absence': 'Enhed 0'" in note for note in found.notes)
    assert len(found.to_frame()) == 90
    assert found.correlations()["units"].tolist() == [25, 29, 25]


def test_the_correlation_maximises_the_restricted_likelihood():
    y, s = drawn(np.random.default_rng(3), 40, 0.6)

    def deviance(u):
        t = np.exp(u[:2])
        r = np.tanh(u[2])
        between = np.array([[t[0] ** 2, r * t[0] * t[1]], [r * t[0] * t[1], t[1] ** 2]])
        blocks = [between + np.diag(row**2) for row in s]
        precision = sum(np.linalg.inv(block) for block in blocks)
        mean = np.linalg.solve(precision, sum(np.linalg.inv(b) @ row for b, row in zip(blocks, y, strict=True)))
        total = sum(multivariate_normal(mean, b).logpdf(row) for b, row in zip(blocks, y, strict=True))
        return -2 * total + np.linalg.slogdet(precision)[1]

    best = minimize(deviance, [0.0, 0.0, 0.5], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-5})
    found = effect_correlation(y, s)
    assert found.estimate == pytest.approx(np.tanh(best.x[2]), abs=2e-3)
    assert (found.first_sd, found.second_sd) == pytest.approx(np.exp(best.x[:2]), rel=5e-3)
    assert found.plain == pytest.approx(np.corrcoef(y.T)[0, 1])
    spread = np.cov(y, rowvar=False)
    inside = np.diag(spread) - (s**2).mean(axis=0)
    assert found.moments == pytest.approx(spread[0, 1] / np.sqrt(inside.prod()))
    # At the ends the profile is a quantile of chi-square higher.
    for end in (found.lower, found.upper):
        if abs(end) < 1:
            at = minimize(lambda u, e=end: deviance([*u, np.arctanh(e)]), best.x[:2], method="Nelder-Mead")
            assert at.fun - best.fun == pytest.approx(3.841, abs=0.06)


def test_units_of_measure_do_not_matter():
    y, s = drawn(np.random.default_rng(4), 40, 0.4)
    one, other = effect_correlation(y, s), effect_correlation(y * [1e6, -1e-6], s * [1e6, 1e-6])
    assert other.estimate == pytest.approx(-one.estimate, abs=2e-3)
    assert (other.lower, other.upper) == pytest.approx((-one.upper, -one.lower), abs=4e-3)
    assert other.first_sd == pytest.approx(1e6 * one.first_sd, rel=1e-3)


def test_noise_is_taken_out_and_intervals_hold():
    rng = np.random.default_rng(5)
    found = [effect_correlation(*drawn(rng, 98, 0.5)) for _ in range(50)]
    assert np.mean([f.estimate for f in found]) == pytest.approx(0.5, abs=0.07)
    assert np.mean([f.plain for f in found]) < 0.35
    # Four standard errors of 0.95 in 50 are 0.12.
    assert np.mean([f.lower <= 0.5 <= f.upper for f in found]) >= 0.84


def test_noise_that_goes_together_is_not_practice_that_does():
    rng = np.random.default_rng(6)
    told, untold = [], []
    for _ in range(12):
        y, s = drawn(rng, 98, 0.0, noise_correlation=0.7)
        told.append(effect_correlation(y, s, noise_correlation=0.7).estimate)
        untold.append(effect_correlation(y, s).estimate)
    assert abs(np.mean(told)) < 0.17 < np.mean(untold)


def test_correlations_are_withheld_where_there_are_none():
    few = profile({"a": make(np.arange(10.0), np.ones(10)), "b": make(np.arange(10.0), np.ones(10))}).correlations()
    assert np.isnan(few["estimate"].iloc[0]) and "20 are needed" in few["why"].iloc[0]
    rng = np.random.default_rng(7)
    y, _ = drawn(rng, 40, 0.5)
    still = profile({"a": make(0.1 * y[:, 0], np.full(40, 2.0)), "b": make(y[:, 1], np.full(40, 0.1))}).correlations()
    assert "does not vary" in still["why"].iloc[0]
    same = profile({"a": make(np.ones(40), np.ones(40)), "b": make(y[:, 1], np.ones(40))}).correlations()
    assert "does not vary" in same["why"].iloc[0]


def test_the_same_outcome_twice_goes_together():
    y, s = drawn(np.random.default_rng(8), 60, 0.5, reliability=0.9)
    found = effect_correlation(y[:, [0, 0]], s[:, [0, 0]], noise_correlation=0.99)
    assert found.estimate > 0.98 and found.upper == 1.0


def test_ratios_go_by_their_logarithm_and_zero_has_none():
    outcomes = three(40)
    estimate = outcomes["costs"].estimate.copy()
    estimate[3] = 0.0
    outcomes["costs"] = replace(outcomes["costs"], estimate=estimate)
    table = profile(outcomes).correlations()
    assert table["units"].tolist() == [40, 39, 39]
    # Costs are the exponential of the first outcome, noise and all.
    assert table["plain"].iloc[1] == pytest.approx(1.0, abs=1e-9)
    assert any("independent" in note for note in table.attrs["notes"])
    assert pd.api.types.is_numeric_dtype(table["estimate"])


def test_a_frontiers_intervals_give_no_verdicts():
    short = Coverage(level=0.95, intervals=0.7, ranks=0.7, all_ranks=0.1, shrunken=0.5, simulated="s")
    outcomes = three()
    outcomes["best"] = replace(outcomes["absence"], coverage=short)
    found = profile(outcomes)
    assert found.of("Enhed 1")["verdict"].tolist()[-1] == "withheld"
    assert any("no verdicts on 'best'" in note for note in found.notes)


def test_prediction_errors_are_said_to_be_no_test_of_noise():
    outcomes = three()
    outcomes["own"] = replace(outcomes["absence"], null_kind="prediction", df=np.full(30, 20.0))
    assert any("no test of noise" in note for note in profile(outcomes).notes)


def test_one_unit_and_impossible_questions():
    one = make([2.5], [1.0])
    found = profile({"a": one, "b": one})
    assert found.of("Enhed 0")["verdict"].tolist() == ["above", "above"]
    with pytest.raises(SpecificationError, match="there is no unit 'Ribe'"):
        found.of("Ribe")
    for wrong, message in [
        ({"a": one}, "two or more"),
        ([one, one], "two or more"),
        ({"a": one, "b": 3}, "profile, for 'b', takes a Comparison"),
    ]:
        with pytest.raises(SpecificationError, match=message):
            profile(wrong)
    with pytest.raises(SpecificationError, match="multiplicity='all'"):
        profile({"a": one, "b": one}, multiplicity="all")
    with pytest.raises(SpecificationError, match="level=2"):
        profile({"a": one, "b": one}, level=2)
    with pytest.raises(SpecificationError, match="noise_correlation=1.0"):
        found.correlations(noise_correlation=1.0)
