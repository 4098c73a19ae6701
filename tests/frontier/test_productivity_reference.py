"""Malmquist indices of Benchmarking 0.33 and deaR 1.5.3 that are kept, and of DEAP 2.1's example."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import PartialResultWarning
from benchmodels.frontier.productivity import Malmquist

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
# Those programs stop at 1e-9 or so of an optimum.
EXACT = 1e-8
kept = pytest.mark.skipif(not (SHARED / "dea").exists(), reason="the reference results are not here")
ASKED = {
    "syn_a": {"inputs": ["x1", "x2", "x3"], "outputs": ["y1", "y2"], "unit": "id", "period": "t"},
    "EconomyLong": {"inputs": ["Capital", "Labor"], "outputs": ["GIOV"], "unit": "DMUs", "period": "Period"},
}
PLACES = {"e00": ("earlier", "earlier"), "e10": ("later", "earlier"), "e11": ("later", "later"),
          "e01": ("earlier", "later")}  # fmt: skip


def stored(name):
    return json.loads((SHARED / "dea" / f"{name}.json").read_text())


def fitted(table, **asked):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return Malmquist(**asked).fit(table)


def known(values):
    found = np.array([np.nan if v is None or v == "NA" else v for v in values], dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


@kept
@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("orientation", ["in", "out"])
@pytest.mark.parametrize("returns", ["crs", "vrs", "drs", "irs"])
def test_benchmarking(name, returns, orientation):
    theirs = stored(f"malmquist_{name}")
    results = theirs["results"].get(f"{returns}|{orientation}")
    if results is None:
        pytest.skip("not kept")
    side = {"in": "input", "out": "output"}[orientation]
    fit = fitted(pd.read_csv(SHARED / theirs["dataset"]), **ASKED[name], returns=returns, orientation=side)
    frame, distances = fit.to_frame(), fit.distances()
    # Of Farrell's expansions all are the reciprocals.
    power = 1.0 if orientation == "in" else -1.0
    for step, result in results.items():
        earlier = type(frame["from"].iloc[0])(step.split("->")[0])
        units = list(map(type(frame["unit"].iloc[0]), result["id"]))
        mine = frame[frame["from"] == earlier].set_index("unit").loc[units]
        held = distances[distances["from"] == earlier].set_index("unit")
        # Where a program has no answer theirs may be 0, or infinite; ours is none.
        lost = np.isnan([known(result[e]) for e in PLACES]).any(axis=0)
        for e, (point, reference) in PLACES.items():
            ours = held[(held["point"] == point) & (held["reference"] == reference)].loc[units, "efficiency"]
            np.testing.assert_allclose(ours**power, known(result[e]), rtol=EXACT, err_msg=e)
        for ours, key in (("index", "m"), ("technical_change", "tc"), ("efficiency_change", "ec")):
            told = np.where(lost & (key != "ec"), np.nan, known(result[key]))
            np.testing.assert_allclose(mine[ours] ** power, told, rtol=EXACT, err_msg=key)


@kept
@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize(
    ("kind", "decomposition", "returns", "base"),
    [
        ("fgnz", "fglr", "crs", "both"),
        ("rd", "ray-desli", "crs", "earlier"),
        ("gl", "grifell-tatje-lovell", "vrs", "earlier"),
        ("bias", "bias", "crs", "both"),
    ],
)
def test_dear(kind, decomposition, returns, base, side):
    """Its 'rd' and 'gl' hold both points against the earlier period's technology, not the mean of both.

    Its input-oriented 'gl' lets inputs change in scale change, as the output-oriented paper does, though with one input
    nothing would be left of it; ours lets outputs change there, so only its other parts are the same.
    """
    theirs = stored("deaR_malmquist_EconomyLong")
    result = theirs["results"][f"{side[0]}o|{kind}"]
    table = pd.read_csv(SHARED / theirs["dataset"])
    asked = {"returns": returns, "orientation": side, "decomposition": decomposition, "base": base}
    frame = fitted(table, **ASKED["EconomyLong"], **asked).to_frame()
    names = {"mi": "index", "ec": "efficiency_change", "tc": "technical_change", "pech": "pure_efficiency_change",
             "sech": "scale_change", "obtech": "output_bias", "ibtech": "input_bias",
             "matech": "magnitude"}  # fmt: skip
    met = 0
    for key, name in names.items():
        if result.get(key) is None or name not in frame:
            continue
        if kind == "gl" and side == "input" and key in ("mi", "sech"):
            continue
        ours = frame.pivot(index="from", columns="unit", values=name)[theirs["dmunames"]].to_numpy()
        told = np.array([known(row) for row in result[key]])
        if kind == "rd" and key == "mi":
            # The index needs no variable returns: it is there where the parts are not.
            assert np.isfinite(ours).all()
            ours = np.where(np.isnan(told), np.nan, ours)
        np.testing.assert_allclose(ours, told, rtol=EXACT, err_msg=key)
        met += 1
    assert met >= 2


def test_deap_example():
    """Coelli (1996), example 4 of DEAP 2.1: output-oriented, year 2 against year 1, to the three printed digits."""
    table = pd.DataFrame(
        {"firm": [*range(1, 6)] * 2, "year": [1] * 5 + [2] * 5, "x": [2, 4, 3, 5, 6, 2, 4, 3, 5, 5],
         "y": [1, 2, 3, 4, 5, 1, 3, 4, 3, 5]}
    )  # fmt: skip
    fit = Malmquist(
        inputs=["x"], outputs=["y"], unit="firm", period="year", orientation="output", decomposition="fgnz"
    ).fit(table)
    printed = {
        "efficiency_change": [0.750, 1.125, 1.000, 0.562, 0.900],
        "technical_change": [1.333] * 5,
        "pure_efficiency_change": [1.000, 1.222, 1.000, 0.650, 1.000],
        "scale_change": [0.750, 0.920, 1.000, 0.865, 0.900],
        "index": [1.000, 1.500, 1.333, 0.750, 1.200],
    }
    for name, values in printed.items():
        # Half a unit of the last digit, and the one that it truncates (.5625, printed .562).
        np.testing.assert_allclose(fit.to_frame()[name], values, atol=0.000501, err_msg=name)
    assert fit.means()["index"].item() == pytest.approx(1.125, abs=0.0005)
