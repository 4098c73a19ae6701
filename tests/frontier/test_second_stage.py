"""The public face of the second stage: joined by label, told in words, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier import DEA

KEPT = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
MODEL = DEA(inputs=["x"], outputs=["y"], unit="unit", returns="crs", orientation="output")


@pytest.fixture(scope="module")
def table():
    """Outputs shrink with z: the distance is a normal around 1.2 + .4 z, truncated at 1."""
    rng = np.random.default_rng(5)
    z = rng.uniform(0, 1, 200)
    delta = 1.2 + 0.4 * z + 0.2 * rng.normal(size=200)
    delta = np.where(delta < 1, 2 - delta, delta)
    x = rng.uniform(1, 2, 200)
    return pd.DataFrame(
        {"unit": [f"U{i:03d}" for i in range(200)], "x": x, "y": x / delta, "z": z, "w": rng.normal(size=200)}
    )


@pytest.mark.parametrize("algorithm", [1, 2])
def test_a_slope_is_found_and_joined_by_label(table, algorithm):
    fit = MODEL.fit(table)
    shuffled = table.sample(frac=1, random_state=1)
    one, two = (
        fit.second_stage(data, ["z", "w"], algorithm=algorithm, replicates=400, rng=3) for data in (table, shuffled)
    )
    frame = one.to_frame()
    pd.testing.assert_frame_equal(frame, two.to_frame())
    assert frame["term"].tolist() == ["constant", "z", "w", "sigma"]
    assert list(frame) == ["term", "coefficient", "std_error", "lower", "upper"]
    of = frame.set_index("term")
    assert of.loc["z", "lower"] < 0.4 < of.loc["z", "upper"] and of.loc["z", "lower"] > 0.1
    assert of.loc["w", "lower"] < 0 < of.loc["w", "upper"]
    units = one.units_frame()
    assert list(units) == ["unit", "efficiency", "corrected", "used_first", "used"]
    np.testing.assert_allclose(units["efficiency"], fit.efficiency, atol=1e-12)
    assert (units["corrected"] <= units["efficiency"] + 1e-12).all() and units["used"].sum() >= units[
        "used_first"
    ].sum()
    assert repr(one).startswith(f"SecondStage(algorithm {algorithm}, ")


@pytest.mark.skipif(not KEPT.exists(), reason="reference results are not here")
@pytest.mark.parametrize("orientation", ["input", "output"])
def test_as_rdea(orientation):
    """Distances of rDEA 1.2-8 exactly; its coefficients as near as a hundred replicates of the bias allow."""
    kept = json.loads((KEPT / "dea" / "rdea_sw2007_syn_sw2007_a.json").read_text())
    frame = pd.read_csv(KEPT / kept["dataset"]).assign(unit=lambda table: np.arange(len(table)))
    theirs = kept["results"][orientation]
    fit = DEA(inputs=kept["inputs"], outputs=kept["outputs"], unit="unit", orientation=orientation).fit(frame)
    found = fit.second_stage(frame, kept["Z"], rng=1)
    np.testing.assert_allclose(found.delta, theirs["delta_hat"], atol=1e-9)
    told = found.to_frame()
    np.testing.assert_allclose(
        told["coefficient"][:3], np.ravel(theirs["beta_hat_hat"]), atol=0.15 * told["std_error"][:3].max() + 0.02
    )
    ends = np.array(theirs["beta_ci"])
    np.testing.assert_allclose(told[["lower", "upper"]][:3], ends, atol=0.08)


def test_what_is_refused(table):
    fit = MODEL.fit(table)
    for data, columns, error, message in (
        (table, "z", SpecificationError, "give a list"),
        (table, [], SpecificationError, "give a list"),
        (table, ["none"], DataError, "none"),
        (table.iloc[5:], ["z"], DataError, "5 of 200 units of the frontier have no row"),
        (pd.concat([table, table.head(1)]), ["z"], DataError, "more than one row"),
        (table.assign(z="a"), ["z"], DataError, "'z'"),
        (table.assign(v=2 * table["z"]), ["z", "v"], SpecificationError, "collinear"),
    ):
        with pytest.raises(error, match=message):
            fit.second_stage(data, columns, replicates=100)
    for options, message in (
        ({"algorithm": 3}, "algorithm=3"),
        ({"first": 2}, "first=2"),
        ({"replicates": 10}, "replicates=10"),
        ({"level": 1.5}, "level=1.5"),
    ):
        with pytest.raises(SpecificationError, match=message):
            fit.second_stage(table, ["z"], **options)
    with pytest.raises(SpecificationError, match="second_stage needs an efficiency"):
        DEA(inputs=["x"], outputs=["y"], unit="unit", orientation="graph").fit(table).second_stage(table, ["z"])
