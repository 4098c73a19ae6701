"""The committed table of a frontier's intervals is of this code, and says what is told to users."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmodels.frontier import DEAFit
from tests.recovery.code import code_hash
from tests.recovery.frontier_coverage import FILE, FUNCTIONS, GOODS, KINDS, draw, one

TABLE = json.loads(FILE.read_text(encoding="utf-8"))


def test_the_table_is_fresh_and_whole():
    assert TABLE["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.frontier_coverage"
    rows = pd.DataFrame(TABLE["rows"])
    assert set(zip(rows["units"], rows["inputs"], rows["outputs"], rows["kind"], strict=True)) == {
        (n, *goods, kind) for n in (98, 300) for goods in GOODS for kind in KINDS
    }
    assert rows.groupby("units")["draws"].min().ge([100, 33]).all()


def test_what_is_told_of_it():
    rows = pd.DataFrame(TABLE["rows"]).query("units == 98").set_index(["inputs", "outputs", "kind"])["coverage"]
    told = " ".join(str(DEAFit.bootstrap.__doc__).split())
    for key in ((1, 1, "smoothed"), (4, 2, "smoothed"), (1, 1, "subsample"), (4, 2, "subsample")):
        assert f"{rows[key]:.2f}".lstrip("0") in told, (key, rows[key])


def test_the_truth_is_the_truth():
    """A frontier of a great many units without waste comes near to it from above."""
    rng = np.random.default_rng(0)
    frame, truth = draw(50, 1, 1, rng)
    x, y = frame["x0"].to_numpy(), frame["y0"].to_numpy()
    np.testing.assert_allclose(truth, y ** (1 / 0.9) / x, rtol=1e-12)


@pytest.mark.slow
def test_coverage_again_from_other_seeds():
    again = [one(98, 1, 1, seed)["subsample"]["coverage"] for seed in range(1000, 1030)]
    kept = next(row for row in TABLE["rows"] if (row["units"], row["inputs"], row["kind"]) == (98, 1, "subsample"))
    assert np.mean(again) == pytest.approx(kept["coverage"], abs=4 * np.std(again) / np.sqrt(30))
