"""The committed table of a frontier's intervals is of this code, and says what is told to users."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmodels.frontier import DEAFit
from tests.recovery.code import code_hash
from tests.recovery.frontier_coverage import CASES, FILE, FUNCTIONS, GOODS, draw, one

TABLE = json.loads(FILE.read_text(encoding="utf-8"))
ROWS = pd.DataFrame(TABLE["rows"])


def test_the_table_is_fresh_and_whole():
    assert TABLE["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.frontier_coverage"
    names = ["returns", "orientation", "units", "kind", "inputs", "outputs"]
    assert set(ROWS[names].itertuples(index=False, name=None)) == {
        (returns, orientation, n, kind, *goods) for returns, orientation, n, kinds, _ in CASES
        for kind in kinds for goods in GOODS
    }  # fmt: skip
    drawn = {(returns, orientation, n): round(100 * share) for returns, orientation, n, _, share in CASES}
    assert [drawn[case] for case in ROWS[names[:3]].itertuples(index=False, name=None)] == ROWS["draws"].tolist()


def test_what_is_told_of_it():
    rows = ROWS.query("units == 98 and returns == 'vrs' and orientation == 'input'")
    rows = rows.set_index(["inputs", "outputs", "kind"])["coverage"]
    told = " ".join(str(DEAFit.bootstrap.__doc__).split())
    for key in ((1, 1, "smoothed"), (4, 2, "smoothed"), (1, 1, "subsample"), (4, 2, "subsample")):
        assert f"{rows[key]:.2f}".lstrip("0") in told, (key, rows[key])

    ranks = ROWS.query("kind == 'subsample'")["ranks"]
    assert f"held in {f'{ranks.min():.2f}'.lstrip('0')} to {ranks.max():.2f} of cases" in told


def test_the_truth_is_the_truth():
    """A frontier of a great many units without waste comes near to it from above."""
    rng = np.random.default_rng(0)
    frame, truth = draw(50, 1, 1, rng)
    x, y = frame["x0"].to_numpy(), frame["y0"].to_numpy()
    np.testing.assert_allclose(truth, y ** (1 / 0.9) / x, rtol=1e-12)
    frame, truth = draw(50, 1, 1, rng, "vrs", "output")
    np.testing.assert_allclose(truth, frame["y0"] / frame["x0"] ** 0.9, rtol=1e-12)
    frame, truth = draw(50, 1, 1, rng, "crs")
    np.testing.assert_allclose(truth, frame["y0"] / frame["x0"], rtol=1e-12)


@pytest.mark.slow
def test_coverage_again_from_other_seeds():
    again = [one(98, 1, 1, seed, ("subsample",))["subsample"]["coverage"] for seed in range(1000, 1030)]
    kept = ROWS.query("units == 98 and inputs == 1 and kind == 'subsample' and returns == 'vrs'")
    kept = kept.query("orientation == 'input'")["coverage"].item()
    assert np.mean(again) == pytest.approx(kept, abs=4 * np.std(again) / np.sqrt(30))
