"""The committed table of second stages is of this code, and says where planted coefficients are found."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.frontier import DEAFit
from tests.recovery.code import code_hash
from tests.recovery.two_stage_coverage import FUNCTIONS, GOODS, TRUE, UNITS, draw, one

TABLE = json.loads((Path(__file__).parent / "two_stage_coverage.json").read_text(encoding="utf-8"))
ROWS = pd.DataFrame(TABLE["rows"])
MC_ERRORS = 4.0


def test_the_table_is_fresh_and_whole():
    assert TABLE["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.two_stage_coverage"
    cells = set(zip(ROWS["units"], ROWS["inputs"], ROWS["outputs"], ROWS["algorithm"], strict=True))
    assert cells == {(n, *goods, algorithm) for n in UNITS for goods in GOODS for algorithm in (1, 2)}
    assert (ROWS["draws"] + ROWS["without_answer"]).min() >= 300


def test_planted_coefficients_are_found_where_goods_are_few_and_units_many():
    few = ROWS.query("units >= 400 and inputs + outputs <= 3 and algorithm == 2")
    assert len(few) == 2 and (few["without_answer"] == 0).all()
    for name in TRUE:
        spread = np.sqrt(few[f"{name}_rmse"] ** 2 - few[f"{name}_bias"] ** 2)
        # Less than half a standard deviation of bias, which leaves 92 % to a 95 % interval.
        assert (few[f"{name}_bias"].abs() < 0.5 * spread).all(), name
        error = np.sqrt(TABLE["level"] * (1 - TABLE["level"]) / few["draws"])
        assert (few[f"{name}_coverage"] >= TABLE["level"] - MC_ERRORS * error).all(), name


def test_what_is_told_of_it():
    told = " ".join(str(DEAFit.second_stage.__doc__).split())
    for units, algorithm in ((400, 2), (98, 2), (400, 1)):
        some = ROWS.query("units == @units and algorithm == @algorithm")["z_coverage"]
        one, two, three = (f"{value:.2f}".lstrip("0") for value in some)
        assert f"{one}, {two} and {three}" in told or f"{one}, {two}, {three}" in told, (units, algorithm)


def test_distances_are_those_that_are_drawn():
    frame = draw(20_000, 1, 2, np.random.default_rng(0))
    made = np.hypot(frame["y0"], frame["y1"])
    delta = frame["x0"] ** 0.75 / made
    assert delta.min() >= 1.0
    # The mean of a normal distribution truncated at 1, at z near its mean.
    near = delta[np.abs(frame["z"] - 2.0) < 0.1]
    above = TRUE["constant"] + 2.0 * TRUE["z"] - 1.0
    mean = 1.0 + above + np.exp(-0.5 * above**2) / np.sqrt(2 * np.pi) / 0.6914624612740131
    assert near.mean() == pytest.approx(mean, abs=4 * near.std() / np.sqrt(len(near)))


@pytest.mark.slow
def test_recovery_again_from_other_seeds():
    again = pd.DataFrame([one(400, 2, 1, seed)[2] for seed in range(1000, 1060)])
    kept = ROWS.query("units == 400 and inputs == 2 and algorithm == 2").iloc[0]
    for name in TRUE:
        assert again[name].mean() == pytest.approx(kept[f"{name}_bias"], abs=4 * again[name].std() / np.sqrt(60))
