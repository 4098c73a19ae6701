"""The committed table of intervals of productivity change is of this code, and is what users are told."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from benchmodels.frontier.productivity import Malmquist, MalmquistFit
from benchmodels.frontier.productivity.simulated import change_coverage
from tests.recovery.code import code_hash
from tests.recovery.productivity_coverage import CASES, FILE, FUNCTIONS, GOODS, SMOOTHED, SUBSAMPLE, UNITS, draw, one

TABLE = json.loads(FILE.read_text(encoding="utf-8"))
ROWS = pd.DataFrame(TABLE["rows"])
ASKED = {"decomposition": "fglr", "reference": "contemporaneous", "returns": "crs", "orientation": "input"}


def test_the_table_is_fresh_and_whole():
    assert TABLE["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.productivity_coverage"
    names = ["kind", "decomposition", "units", "inputs", "outputs"]
    assert set(ROWS[names].itertuples(index=False, name=None)) == {
        (kind, name, n, *goods) for kind, name in CASES for n in UNITS for goods in GOODS
    }


def test_what_is_told_of_it():
    told = " ".join(str(MalmquistFit.bootstrap.__doc__).split())
    for kind in (SMOOTHED, SUBSAMPLE):
        rows = ROWS.query("kind == @kind")
        least, most = (f"{end:.2f}" for end in (rows["coverage"].map(lambda c: c["index"]).agg(["min", "max"])))
        assert f"{least} to {most} of indices" in told, (kind, least, most)
    # No index or part of those simulated comes near to its level, so that no verdict can be had.
    short = ROWS["coverage"].map(lambda c: max(c.values())).max()
    assert short < 0.9
    assert "for now all verdicts are withheld" in told


def test_users_get_the_least_of_the_tables_beside():
    found = change_coverage(kind=SUBSAMPLE, units=60, goods=4, level=0.95, **ASKED)
    rows = ROWS.query("kind == @SUBSAMPLE")["coverage"]
    assert found.parts["index"] == min(row["index"] for row in rows)
    for beyond in ({"units": 500}, {"goods": 12}, {"level": 0.9}, {"returns": "vrs"}):
        none = change_coverage(**({"kind": SUBSAMPLE, "units": 60, "goods": 4, "level": 0.95} | ASKED | beyond))
        assert none.parts == {}
        assert none.enough == ()


def test_no_verdict_where_intervals_do_not_hold():
    """Coverage falls short for every part, so that no change is called progress or regress."""
    frame, _ = draw(60, 2, 1, np.random.default_rng(0))
    model = Malmquist(inputs=["x0", "x1"], outputs=["y0"], unit="unit", period="period")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(frame).bootstrap(replicates=100, rng=0)
    assert found.coverage.enough == ()
    assert (found.to_frame()["verdict"] == "withheld").all()
    assert found.coverage.parts["index"] < 0.95


def test_few_draws_do_not_make_a_verdict():
    """A simulation whose own error is large does not pass for one that reaches nominal."""
    for kind, name in CASES:
        for n in UNITS:
            for goods in GOODS:
                asked = ASKED | {"decomposition": name}
                assert change_coverage(kind=kind, units=n, goods=sum(goods), level=0.95, **asked).enough == ()


def test_the_truth_is_the_truth():
    """Of a great many units without waste the index comes near to it, and of all its ratio of goods is exact."""
    frame, truth = draw(50, 1, 1, np.random.default_rng(0))
    one_by_one = frame.assign(ratio=frame["y0"] / frame["x0"]).pivot(index="unit", columns="period", values="ratio")
    np.testing.assert_allclose(one_by_one[1] / one_by_one[0], truth["index"], rtol=1e-12)
    np.testing.assert_allclose(truth["efficiency_change"] * truth["technical_change"], truth["index"], rtol=1e-12)
    frame, truth = draw(3000, 2, 1, np.random.default_rng(0))
    fit = Malmquist(inputs=["x0", "x1"], outputs=["y0"], unit="unit", period="period").fit(frame)
    off = np.abs(np.log(fit.changes.parts["technical_change"] / truth["technical_change"]))
    # But where few units have such a mix of inputs.
    assert np.quantile(off, 0.95) < 0.01


@pytest.mark.slow
def test_coverage_again_from_other_seeds():
    again = [one(98, 2, 1, "fglr", seed, SUBSAMPLE)["efficiency_change"]["coverage"] for seed in range(1000, 1020)]
    row = ROWS.query("units == 98 and inputs == 2 and kind == @SUBSAMPLE").iloc[0]
    error = np.hypot(row["mc_error"]["efficiency_change"], np.std(again) / np.sqrt(20))
    assert np.mean(again) == pytest.approx(row["coverage"]["efficiency_change"], abs=4 * error)
