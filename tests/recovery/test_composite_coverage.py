"""The committed tables of composites are of this code, and say what is told to users."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmodels.frontier.composites import BenefitOfTheDoubt, BenefitOfTheDoubtFit
from benchmodels.frontier.composites.simulated import coverage_of
from benchmodels.kernels.composites import compose, corners_of
from tests.recovery import planted_composites
from tests.recovery.code import code_hash
from tests.recovery.composite_coverage import BOUNDS, CASES, FILE, FUNCTIONS, RELIABILITIES, of_outcomes, of_units, one

TABLE = json.loads(FILE.read_text(encoding="utf-8"))
ROWS = pd.DataFrame(TABLE["rows"])
PLANTED = json.loads(planted_composites.FILE.read_text(encoding="utf-8"))


def test_the_tables_are_fresh_and_whole():
    assert TABLE["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.composite_coverage"
    assert PLANTED["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.planted_composites"
    names = ["of", "measure", "units", "outcomes", "bounded", "reliability"]
    assert set(ROWS[names].itertuples(index=False, name=None)) == {
        (of, measure, units, s, bounded, reliability)
        for of, measure, units, s, bounded, _ in CASES
        for reliability in (RELIABILITIES if of == "outcomes" else (1.0,))
    }
    assert len(PLANTED["rows"]) == PLANTED["countries"]
    mean = pd.DataFrame(PLANTED["rows"]).drop(columns="seed").mean()
    np.testing.assert_allclose(mean, pd.Series(PLANTED["mean"]).reindex(mean.index), atol=1e-3)


def test_what_is_told_of_them():
    told = " ".join(str(BenefitOfTheDoubtFit.uncertainty.__doc__).split())

    def span(rows, column):
        low, high = (f"{value:.2f}".removeprefix("0") for value in (rows[column].min(), rows[column].max()))
        return f"{low} to {high}"

    drawn = ROWS.query("of == 'outcomes'")
    assert f"reliability .8 or more held in {span(drawn.query('reliability >= 0.8'), 'intervals')} of cases" in told
    assert f"with .5 in {span(drawn.query('reliability < 0.8'), 'intervals')}" in told
    units = ROWS.query("of == 'units'")
    for s, word in ((2, "two"), (3, "three"), (5, "five")):
        assert f"{span(units.query(f'outcomes == {s}'), 'intervals')} with {word}" in told


def test_what_is_told_of_planted_practice():
    told, mean = " ".join(str(BenefitOfTheDoubt.__doc__).split()), PLANTED["mean"]
    two = {name: f"{value:.2f}".removeprefix("0") for name, value in mean.items()}
    assert f"adjusted outcomes of {PLANTED['countries']} simulated countries" in told
    assert f"rank correlation of {two['found_composite']} (its middle" in told
    assert f"{two['drawn_composite']}, the mean of standardised outcomes {two['z_composite']})" in told
    found = [two[f"{which}_composite_top"] for which in ("found", "drawn", "z")]
    assert "has {} of the planted best tenth in its own ({}, {})".format(*found) in told
    assert f"it is {two['found_practice']}, and the mean of standardised outcomes {two['z_practice']}" in told
    assert mean["set_composite_top"] == 1.0
    assert f"held all of them, and {mean['set']:.0f} of 98 units" in told


def test_draws_are_nearer_to_the_truth_than_what_was_found():
    drawn = ROWS.query("of == 'outcomes'")
    ratio = drawn["error_corrected"] / drawn["error_found"]
    assert ratio[drawn["reliability"] < 0.6].max() < 0.9
    assert ratio[drawn["reliability"] < 0.9].max() < 0.95
    # Where there is next to no noise there is next to nothing to gain.
    assert ratio.max() < 1.02


def test_coverage_is_that_of_the_tables_beside():
    asked = {"units": 60, "outcomes": 3, "measure": "directional", "bounded": False, "level": 0.95}
    rows = ROWS.query("of == 'outcomes' and measure == 'directional' and outcomes == 3 and not bounded")
    found = coverage_of("outcomes", reliability=0.85, **asked)
    assert found.intervals == rows.query("reliability >= 0.8")["intervals"].min()
    assert "40–98 units with 3 outcomes of reliability 0.8–0.95 (directional, shares free)" in found.simulated
    for change in ({"reliability": 0.3}, {"reliability": 0.85, "units": 500}, {"reliability": 0.85, "level": 0.9}):
        assert not np.isfinite(coverage_of("outcomes", **(asked | change)).intervals)


def test_the_truth_is_the_truth():
    fit, truth = of_outcomes("directional", 40, 3, True, 0.999999, 0)
    np.testing.assert_allclose(fit.inefficiency, truth, atol=0.02)
    fit, truth = of_outcomes("radial", 40, 3, True, 0.999999, 0)
    np.testing.assert_allclose(1 / fit.efficiency, truth, atol=0.01)
    assert fit.corners is not None
    assert len(fit.corners) == len(corners_of(np.concatenate([np.eye(3) - BOUNDS[0], BOUNDS[1] - np.eye(3)])))
    # Units on a sphere beside them, and the distances are those to it.
    fit, truth = of_units("directional", 40, 2, 0)
    angle = np.linspace(0, np.pi / 2, 4000)
    sphere = np.column_stack([np.cos(angle), np.sin(angle)])
    both = np.concatenate([fit.outcomes.value, sphere])
    beta = compose(both, np.ones_like(both), None).beta[:40]
    np.testing.assert_allclose(beta, truth, atol=1e-5)
    fit, truth = of_units("radial", 40, 2, 0)
    both = np.concatenate([fit.outcomes.value, sphere])
    np.testing.assert_allclose(1 + compose(both, both, None).beta[:40], truth, atol=1e-5)


@pytest.mark.slow
def test_coverage_again_from_other_seeds():
    again = [one("outcomes", "directional", 98, 3, False, 0.8, seed)["intervals"] for seed in range(1000, 1020)]
    kept = ROWS.query("of == 'outcomes' and measure == 'directional' and units == 98 and outcomes == 3")
    kept = kept.query("not bounded and reliability == 0.8")
    error = np.hypot(np.std(again) / np.sqrt(20), kept["mc_error"].item())
    assert np.mean(again) == pytest.approx(kept["intervals"].item(), abs=4 * error)
