"""The committed table of mergers' intervals is of this code, and its truth is the truth."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmodels.frontier.together import Gains
from benchmodels.frontier.together.bootstrap import PARTS
from benchmodels.frontier.together.simulated import held_in
from benchmodels.kernels.merging import Sums, farrell_of_hull, merged_gains
from benchmodels.kernels.technology import Technology
from tests.recovery.code import code_hash
from tests.recovery.merger_coverage import CASES, FILE, FUNCTIONS, GOODS, KINDS, draw, one, true_gains

TABLE = json.loads(FILE.read_text(encoding="utf-8"))
ROWS = pd.DataFrame(TABLE["rows"])


def test_the_table_is_fresh_and_whole():
    assert TABLE["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.merger_coverage"
    names = ["returns", "orientation", "units", "kind", "inputs", "outputs"]
    assert set(ROWS[names].itertuples(index=False, name=None)) == {
        (returns, orientation, n, kind, *goods) for returns, orientation, n in CASES for kind in KINDS
        for goods in GOODS
    }  # fmt: skip


def test_the_truth_is_the_truth():
    """The frontier of a great many units without waste comes near to it from within."""
    rng = np.random.default_rng(0)
    x, y, r = draw(30, 1, 1, rng)
    groups = Sums(np.array([0, 1, 2, 3, 4]), np.array([0, 2, 5]))
    wide = np.linspace(1, 1000, 3000)[:, None]
    for side in ("input", "output"):
        truth = true_gains(x, y, groups, side, r)
        near = merged_gains(farrell_of_hull(Technology(wide, wide**r, (1.0, 1.0)), side), x, y, groups, side)
        for part in PARTS:
            np.testing.assert_allclose(getattr(near, part), getattr(truth, part), rtol=1e-3)


def test_what_was_simulated_is_told():
    asked = {"returns": "vrs", "orientation": "input", "goods": 5, "level": 0.95}
    row = ROWS.query(
        "returns == 'vrs' and orientation == 'input' and units == 98 and goods == 5 and kind == 'subsample'"
    )
    assert held_in("subsample", units=98, **asked)["total"] == row["total"].item()
    between = held_in("subsample", units=60, **asked)
    assert between["total"] == ROWS.query(
        "returns == 'vrs' and orientation == 'input' and goods == 5 and kind == 'subsample'"
    )["total"].min()  # fmt: skip
    for other in ({"units": 300}, {"level": 0.9}, {"returns": "irs"}, {"goods": 9}):
        assert np.isnan(held_in("subsample", **{"units": 98, **asked, **other})["corrected"])


def test_what_the_docstring_says():
    rows = ROWS.query("returns == 'vrs' and orientation == 'input' and units == 98 and kind == 'subsample'")
    told = " ".join(str(Gains.bootstrap.__doc__).split())
    for part in ("corrected", "total", "size", "learning", "harmony"):
        low, high = (f"{value:.2f}".removeprefix("0") for value in (rows[part].min(), rows[part].max()))
        assert f"{low} to {high}" in told, (part, low, high)
    assert rows["withheld"].between(0.4, 0.65).all()
    assert (rows["may_be_best"] > 0.9).all()


@pytest.mark.slow
def test_coverage_again_from_other_seeds():
    again = [one(98, 1, 1, seed, ("subsample",))["subsample"]["corrected"] for seed in range(1000, 1020)]
    row = ROWS.query("returns == 'vrs' and orientation == 'input' and units == 98 and goods == 2")
    kept = row.query("kind == 'subsample'")["corrected"].item()
    assert np.nanmean(again) == pytest.approx(kept, abs=4 * np.sqrt(2) * np.nanstd(again) / np.sqrt(20))
