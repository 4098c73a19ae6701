"""Every score of Benchmarking 0.33 that is kept: radial, beyond the others, against others, directional and graph.

The scores are unique, so they agree to the accuracy of the package's own solver; its graph measure is found by
bisection, to about 1e-5. Slacks are not unique, and the package takes the largest sum in the units of the data, ours
the largest in means of the goods: each must be best in its own sum.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import BenchmodelsWarning
from benchmodels.frontier import DEA, FDH, FRH, efficiency_ladder

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
EXACT = 1e-8
SETS = ("tiny6", "syn_dea_a", "syn_dea_degenerate", "charnes1981", "milkProd")
RETURNS = ("vrs", "crs", "drs", "irs")
ORIENTATION = {"in": "input", "out": "output"}

pytestmark = pytest.mark.skipif(not (SHARED / "dea").exists(), reason="the reference results are not here")


def stored(name, kind):
    return json.loads((SHARED / "dea" / f"{name}_{kind}.json").read_text())


def read(name):
    kept = stored(name, "in")
    table = pd.read_csv(SHARED / kept["dataset"])
    table = table[[*kept["inputs"], *kept["outputs"]]].astype(float)
    table["unit"] = np.arange(len(table))
    return table, {"inputs": kept["inputs"], "outputs": kept["outputs"], "unit": "unit"}


def quietly(call, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        return call(*arguments)


def numbers(values):
    """Return the package's scores, with NaN for those that it has no answer to, by either infinity."""
    found = np.array([np.nan if v is None or v == "NA" else v for v in values], dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


def measured(scores, orientation):
    return scores.efficiency if orientation == "in" else scores.expansion


def agree(ours, theirs, tolerance=EXACT):
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("orientation", ORIENTATION)
@pytest.mark.parametrize("name", [*SETS, "pigdata"])
def test_scores_and_slacks(name, orientation):
    table, parts = read(name)
    kept = stored(name, orientation)["results"]
    mean = table[[*parts["inputs"], *parts["outputs"]]].mean().to_numpy()
    for returns in RETURNS:
        fit = DEA(**parts, returns=returns, orientation=ORIENTATION[orientation]).fit(table)
        theirs = kept[returns]
        agree(measured(fit.scores, orientation), numbers(theirs["eff"]))
        ours = fit.targets()["slack"].to_numpy().reshape(len(table), -1)
        slack = np.column_stack([np.array(theirs["sx"], float), np.array(theirs["sy"], float)])
        np.testing.assert_allclose(slack.sum(axis=1), theirs["slack_sum"], rtol=1e-6, atol=1e-6)
        # The package's slacks rest on its own score, good to 1e-8 of the goods.
        loose = 1e-6 * (slack / mean).sum(axis=1) + 1e-6
        assert np.all((ours / mean).sum(axis=1) >= (slack / mean).sum(axis=1) - loose)
        assert np.all(ours.sum(axis=1) <= slack.sum(axis=1) * (1 + 1e-6) + 1e-6 * mean.sum())


@pytest.mark.parametrize("orientation", ORIENTATION)
@pytest.mark.parametrize("name", [*SETS, "pigdata"])
def test_free_disposal(name, orientation):
    table, parts = read(name)
    theirs = np.array(stored(name, orientation)["results"]["fdh"]["eff"], dtype=float)
    ours = measured(FDH(**parts, orientation=ORIENTATION[orientation]).fit(table), orientation)
    # The package has no output score where an output is zero; the rest must be there.
    given = np.isfinite(theirs)
    zero = (table[parts["outputs"]].to_numpy() == 0).any(axis=1)
    assert np.all(given | (zero & (orientation == "out")))
    agree(ours[given], theirs[given])


@pytest.mark.filterwarnings("ignore:.*held against the others:benchmodels.errors.PartialResultWarning")
@pytest.mark.parametrize("orientation", ORIENTATION)
@pytest.mark.parametrize("name", SETS)
def test_super_efficiency_and_the_same_units_without_one(name, orientation):
    table, parts = read(name)
    kept = stored(name, "super")["results"]
    for returns in RETURNS:
        fit = quietly(DEA(**parts, returns=returns, orientation=ORIENTATION[orientation]).fit, table)
        scores, theirs = fit.super_efficiency(), numbers(kept[f"{returns}|{orientation}"]["eff"])
        agree(measured(scores, orientation), theirs)
        np.testing.assert_array_equal(scores.status, np.where(np.isnan(theirs), "infeasible", "solved"))


@pytest.mark.parametrize("orientation", ORIENTATION)
@pytest.mark.parametrize("name", SETS)
def test_against_the_frontier_of_others(name, orientation):
    table, parts = read(name)
    kept = stored(name, "otherref")["results"]
    others = table.iloc[kept["ref_rows"]]
    for returns in RETURNS:
        fit = quietly(DEA(**parts, returns=returns, orientation=ORIENTATION[orientation]).fit, others)
        scores, theirs = quietly(fit.evaluate, table), numbers(kept[f"{returns}|{orientation}"]["eff"])
        agree(measured(scores, orientation), theirs)
    fit = FDH(**parts, orientation=ORIENTATION[orientation]).fit(others)
    scores, theirs = quietly(fit.evaluate, table), numbers(kept[f"fdh|{orientation}"]["eff"])
    given = np.isfinite(theirs)
    agree(measured(scores, orientation)[given], theirs[given])


def directions(parts, way, length, mean):
    """Return options of a directional model for the package's words."""
    moving = {"in": parts["inputs"], "out": parts["outputs"], "in-out": [*parts["inputs"], *parts["outputs"]]}[way]
    still = [name for name in (*parts["inputs"], *parts["outputs"]) if name not in moving]
    if length == "one":
        return {"direction": dict.fromkeys(moving, 1.0)}
    if length == "mean":
        return {"direction": {name: mean[name] for name in moving}}
    return {"direction": "own", "nondiscretionary": still}


@pytest.mark.parametrize("name", ["tiny6", "syn_dea_a", "syn_dea_degenerate", "milkProd"])
def test_directional(name):
    table, parts = read(name)
    kept = stored(name, "directional")["results"]
    for key, theirs in kept.items():
        returns, way, length = key.split("|")
        if returns == "fdh":
            continue
        model = DEA(**parts, returns=returns, orientation="directional", **directions(parts, way, length, table.mean()))
        theirs = numbers(theirs["objval"])
        scale = max(1.0, np.nanmax(np.abs(theirs)))
        agree(model.fit(table).inefficiency / scale, theirs / scale)
    mean = DEA(**parts, orientation="directional", direction="mean").fit(table).inefficiency
    agree(mean, numbers(kept["vrs|in-out|mean"]["objval"]))


@pytest.mark.parametrize("name", SETS)
def test_graph(name):
    table, parts = read(name)
    kept = stored(name, "graph")["results"]
    for returns in RETURNS:
        ours = DEA(**parts, returns=returns, orientation="graph").fit(table)
        agree(ours.efficiency, numbers(kept[returns]), 1e-5)
        np.testing.assert_allclose(ours.expansion, 1 / ours.efficiency)
    # The package's bisection stops at 1 for a few units that another one beats: those are shown to be beaten.
    x, y = table[parts["inputs"]].to_numpy(), table[parts["outputs"]].to_numpy()
    plain = [
        min(max([*(x[j] / x[i]), *(y[i][y[i] > 0] / np.maximum(y[j][y[i] > 0], 1e-300))]) for j in range(len(x)))
        for i in range(len(x))
    ]
    ours, theirs = FDH(**parts, orientation="graph").fit(table).efficiency, numbers(kept["fdh"])
    agree(ours, np.array(plain))
    stopped = (theirs == 1) & (ours < 1 - 1e-5)
    assert stopped.sum() <= 2
    agree(ours[~stopped], theirs[~stopped], 1e-5)


@pytest.mark.parametrize("orientation", ORIENTATION)
@pytest.mark.parametrize("name", [*SETS, "pigdata"])
def test_units_made_larger_and_smaller(name, orientation):
    """Their 'fdh+' is free disposal with each unit at 85 to 115 per cent of itself."""
    table, parts = read(name)
    theirs = stored(name, orientation)["results"]["fdh+"]
    fit = FDH(**parts, orientation=ORIENTATION[orientation], returns=(0.85, 1.15)).fit(table)
    ours = measured(fit, orientation)
    agree(ours, numbers(theirs["eff"]), 1e-10)
    # Their one peer and its factor are among ours, where its factor is what its score needs and no more.
    pairs = fit.peers().set_index(["unit", "peer"])["copies"]
    kept = theirs["lambda"]
    for i, j, factor in zip(kept["row"], kept["col"], kept["val"], strict=True):
        assert pairs[i, j] == pytest.approx(factor, rel=1e-6) or name == "syn_dea_degenerate"


@pytest.mark.parametrize("orientation", ORIENTATION)
@pytest.mark.parametrize("name", [*SETS, pytest.param("pigdata", marks=pytest.mark.slow)])
def test_copies_of_one_and_more(name, orientation):
    """Their 'irs2' is a sum of units, each at its own size or larger."""
    table, parts = read(name)
    theirs = numbers(stored(name, orientation)["results"]["irs2"]["eff"])
    fit = FRH(**parts, orientation=ORIENTATION[orientation], copies="one or more").fit(table)
    ours = measured(fit, orientation).copy()
    found = fit.peers()
    assert ((found["copies"] >= 1 - 1e-9) & np.isfinite(found["copies"])).all()
    if (name, orientation) == ("syn_dea_degenerate", "out"):
        # Their search ends early for one unit: these copies of two others do better by its own inputs.
        assert ours[20] == pytest.approx(25 / 7)
        assert theirs[20] == pytest.approx(3.5)
        x, y = table[parts["inputs"]].to_numpy(), table[parts["outputs"]].to_numpy()
        put = found[found["unit"] == 20]
        copies, peers = put["copies"].to_numpy(), put["peer"].to_numpy(int)
        assert np.all(copies @ x[peers] <= x[20] * (1 + 1e-9))
        assert np.all(copies @ y[peers] >= ours[20] * y[20] * (1 - 1e-9))
        ours[20] = theirs[20]
    agree(ours, theirs, 2e-9)


@pytest.mark.parametrize("by", ["effect", "weight"])
@pytest.mark.parametrize("name", ["tiny6", "syn_dea_a", "charnes1981", "milkProd", "syn_dea_degenerate"])
def test_ladders(name, by):
    """Theirs goes on once a unit is ahead of all, by taking itself away; ours ends there."""
    table, parts = read(name)
    kept = stored(name, "ladder_outlier")["eladder"]
    met = 0
    for key, ladders in kept.items():
        _, unit, returns = key.split("|")
        theirs = ladders["eladder" if by == "effect" else "eladder2"]
        if "error" in theirs:
            continue
        ladder = quietly(
            lambda unit=unit, returns=returns: efficiency_ladder(
                DEA(**parts, returns=returns).fit(table), int(unit), by=by
            )
        )
        ours, wanted = ladder["efficiency"].to_numpy(), numbers(theirs["eff"])
        count = min(len(ours), len(wanted))
        assert len(ours) == len(wanted) or len(ours) == 9 or ours[-1] == pytest.approx(1)
        same = np.allclose(ours[:count], wanted[:count], atol=1e-7)
        # Where units are alike peers are not unique, and ladders go different ways from the first such rung.
        assert same or name == "syn_dea_degenerate"
        np.testing.assert_allclose(ours[:2], wanted[:2], atol=1e-7)
        assert np.all(np.diff(ours) >= -1e-9)
        met += same
    assert met >= (3 if name == "syn_dea_degenerate" else len(kept) - 1)
