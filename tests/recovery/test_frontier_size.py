"""The committed table of sizes is of this code, and is what tests consult and documents say."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmodels.frontier.testing import check_convexity, mean_efficiency
from benchmodels.frontier.testing.sizes import settings
from tests.recovery import frontier_size
from tests.recovery.code import code_hash
from tests.recovery.frontier_size import FILE, FUNCTIONS, PACKAGED, cell, draw, mean_of, packaged, worlds

TABLE = json.loads(FILE.read_text(encoding="utf-8"))
ROWS = pd.DataFrame(TABLE["rows"])


def test_the_table_is_fresh():
    assert TABLE["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.frontier_size"
    assert json.loads(PACKAGED.read_text(encoding="utf-8")) == json.loads(json.dumps(packaged(TABLE)))
    assert settings() == {"splits": 10, "halvings": 3, "halvings_of_means": 20}


def test_every_cell_is_there_or_empty_with_its_time():
    there = set(ROWS[["test", "estimator", "units", "goods"]].itertuples(index=False, name=None))
    assert {row["test"] for row in TABLE["rows_where_alike"]} == {"returns-2002", "returns", "convexity"}
    there = {("means" if test == "interval" else test, *rest) for test, *rest in there}
    empty = {(row["test"], row["estimator"], row["units"], row["goods"]) for row in TABLE["empty"]}
    assert not there & empty and there | empty == set(frontier_size.cells())
    assert all(row["projected_seconds"] > 0 for row in TABLE["empty"] + TABLE["all_splits"])
    assert ROWS["seconds"].groupby([ROWS[n] for n in ("test", "estimator", "units", "goods")]).max().sum() < 3600


def test_tables_of_98_units_are_all_there():
    small = ROWS[ROWS["units"] == 98]
    assert set(small["goods"]) == {2, 3, 4}
    assert set(small["test"]) == {"means", "separability", "convexity", "returns", "returns-2002", "independence"}
    assert (small["tables"] == 200).all()


def three(values):
    one, two, last = (f"{value:.2f}".lstrip("0") for value in values)
    return f"{one}, {two} and {last}"


def told_of(function):
    return " ".join(str(function.__doc__).split())


def test_what_is_told_of_it():
    rows = ROWS[ROWS["units"] == 98].set_index(["test", "statistic", "estimator", "goods"])["size_0.05"]
    for statistic in ("one split", "mean"):
        sizes = [rows["convexity", statistic, "vrs", goods] for goods in (2, 3, 4)]
        assert three(sizes) in told_of(check_convexity)
    for estimator in ("crs", "vrs", "fdh"):
        held = [1 - rows["means", "interval", estimator, goods] for goods in (2, 3, 4)]
        assert three(held) in told_of(mean_efficiency)
    both = pd.concat([ROWS, pd.DataFrame(TABLE["rows_where_alike"])]).query("statistic == 'kolmogorov'")
    largest = both[both["test"] == "returns"]["size_0.05"].max()
    assert f"of returns in all of them, up to {largest:.2f}".replace(" 0.", " .") in told_of(check_convexity)


def test_the_truth_is_the_truth():
    rng = np.random.default_rng(0)
    waste = np.abs(rng.normal(0, 0.3, 400_000))
    assert mean_of(0.9) == pytest.approx(np.exp(-waste / 0.9).mean(), abs=4 * 0.2 / np.sqrt(400_000))
    x, y = draw(50, 4, rng, spread=0.0, scale=0.8)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.prod(x**0.4, axis=1), rtol=1e-12)
    _, _, kinds = worlds("separability", True, 10, 2, rng)
    assert kinds.tolist() == [0, 1] * 5


@pytest.mark.slow
@pytest.mark.parametrize("asked", [("returns-2002", "crs", 98, 2), ("separability", "fdh", 98, 2)])
def test_a_cell_again(asked):
    """The same seeds give the same rows."""
    names = [name for name in ROWS.columns if name != "seconds"]
    kept = ROWS[(ROWS[["test", "estimator", "units", "goods"]] == asked).all(axis=1)][names]
    again = pd.DataFrame(cell(*asked, 200))[names]
    pd.testing.assert_frame_equal(again, kept.reset_index(drop=True), check_dtype=False)
