"""Measures beyond the radial against Benchmarking 0.33 and deaR 1.5.3.

In milkProd and pigdata, whose figures are the largest, Benchmarking's additive program seems to work on goods divided
by their means: it takes the largest sum of slacks in means, and prints that solution's sum in the units of the data. So
there its slacks are those of ``weights="mean"``, elsewhere those of ``weights="unit"``.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import BenchmodelsWarning
from benchmodels.frontier import DEA
from benchmodels.frontier.measures import Additive, CrossEfficiency, MultiDirectional, Russell, SlackBased
from tests import plain_measures

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
# Their solver's own accuracy: 1e-9 to 1e-11 of the goods; deaR's to rounding.
SOLVER, ROUNDING = 1e-8, 1e-10
RETURNS = ("vrs", "crs", "drs", "irs")
SETS = ("tiny6", "syn_dea_a", "syn_dea_degenerate", "charnes1981", "milkProd", "pigdata")
IN_MEANS = ("milkProd", "pigdata")
ODD = ("pigdata", "vrs|out")

pytestmark = pytest.mark.skipif(not (SHARED / "dea").exists(), reason="the reference results are not here")


def read(file):
    kept = json.loads((SHARED / "dea" / file).read_text())
    table = pd.read_csv(SHARED / kept["dataset"])[[*kept["inputs"], *kept["outputs"]]].astype(float)
    return (
        table.assign(unit=np.arange(len(table))),
        {k: kept[k] for k in ("inputs", "outputs")} | {"unit": "unit"},
        kept,
    )


def fitted(model, table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        return model.fit(table)


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("name", SETS)
def test_additive(name, returns):
    table, parts, kept = read(f"{name}_additive_mea.json")
    theirs = kept["additive"][returns]
    slack = np.column_stack([np.array(theirs["sx"], float), np.array(theirs["sy"], float)])
    goods = table[[*parts["inputs"], *parts["outputs"]]].to_numpy()
    if name in IN_MEANS:
        ours = fitted(Additive(**parts, returns=returns, weights="mean"), table).inefficiency
        np.testing.assert_allclose(ours, (slack / goods.mean(axis=0)).sum(axis=1), rtol=1e-6, atol=1e-8)
        unweighted = fitted(Additive(**parts, returns=returns, weights="unit"), table).inefficiency
        # Their sum is one that can be had, and not the largest.
        assert np.all(unweighted >= np.array(theirs["sum"]) * (1 - 1e-9) - 1e-6)
        assert np.any(unweighted > 2 * np.array(theirs["sum"]) + 1)
    else:
        ours = fitted(Additive(**parts, returns=returns, weights="unit"), table).inefficiency
        np.testing.assert_allclose(ours, theirs["sum"], rtol=SOLVER, atol=SOLVER)


@pytest.mark.parametrize("key", ["vrs|in", "vrs|out", "crs|in", "crs|out"])
@pytest.mark.parametrize("name", SETS)
def test_multidirectional(name, key):
    # What it calls eff is β, our inefficiency; direct is the way to the ideal point.
    table, parts, kept = read(f"{name}_additive_mea.json")
    returns, side = key.split("|")
    fit = fitted(MultiDirectional(**parts, returns=returns, orientation={"in": "input", "out": "output"}[side]), table)
    theirs = kept["mea"][key]
    beta, way = np.array(theirs["objval"], float), np.array(theirs["direct"], float)
    moving = slice(None, len(parts["inputs"])) if side == "in" else slice(len(parts["inputs"]), None)
    size = table[[*parts["inputs"], *parts["outputs"]]].mean().to_numpy()[moving]
    # Theirs is within 1e-6 of the goods in pigdata, where inputs are four orders apart.
    np.testing.assert_allclose(fit.found.potential[:, moving] / size, way / size, atol=1e-6)
    np.testing.assert_allclose(np.ravel(theirs["eff"]), beta, atol=SOLVER)
    # Where all of the way is rounding, they go it all the same: two units of pigdata, whose way we find to be nothing.
    rounding = (way / size).max(axis=1) < 1e-5
    np.testing.assert_allclose(fit.inefficiency[~rounding], beta[~rounding], atol=SOLVER)
    assert np.all(fit.inefficiency[rounding] == 0)
    assert np.flatnonzero(rounding & (beta > SOLVER)).tolist() == ([4, 134] if (name, key) == ODD else [])


def test_the_units_of_pigdata_that_are_their_own_ideal():
    table, parts, kept = read("pigdata_additive_mea.json")
    x, y = (table[parts[part]].to_numpy() for part in ("inputs", "outputs"))
    size = np.concatenate([x, y], axis=1)
    for i in (4, 134):
        assert kept["mea"]["vrs|out"]["objval"][i] > 1e-3
        for good in (6, 7):
            own = size[i]
            room = plain_measures.alone(x / own[:6], y / own[6:], x[i] / own[:6], y[i] / own[6:], good, "vrs")
            assert abs(room) < 1e-9


@pytest.mark.parametrize("returns", ["crs", "vrs"])
@pytest.mark.parametrize(("key", "orientation"), [("no", "none"), ("io", "input"), ("oo", "output")])
def test_slacks_based(key, orientation, returns):
    table, parts, kept = read("deaR_charnes1981.json")
    fit = fitted(SlackBased(**parts, orientation=orientation, returns=returns), table)
    np.testing.assert_allclose(fit.efficiency, kept["results"][f"sbm|{key}|{returns}"]["eff"], rtol=ROUNDING)
    if orientation != "none":
        russell = fitted(Russell(**parts, orientation=orientation, returns=returns), table)
        np.testing.assert_array_equal(russell.efficiency, fit.efficiency)


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_additive_of_another_package(returns):
    table, parts, kept = read("deaR_charnes1981.json")
    fit = fitted(Additive(**parts, weights="unit", returns=returns), table)
    np.testing.assert_allclose(
        fit.inefficiency, kept["results"][f"additive|{returns}"]["obj"], rtol=ROUNDING, atol=ROUNDING
    )


@pytest.mark.parametrize("goal", ["benevolent", "aggressive"])
def test_cross_efficiency(goal):
    # Its goals are differences; the mean is over all raters, the unit among them.
    table, parts, kept = read("deaR_charnes1981.json")
    theirs = np.array(kept["results"]["cross|io|crs"][f"{goal}_e"])
    fit = fitted(CrossEfficiency(**parts, goal=goal, surrogate="difference"), table)
    np.testing.assert_allclose(fit.efficiency, theirs, rtol=ROUNDING)
    ratio = fitted(CrossEfficiency(**parts, goal=goal), table)
    assert 1e-4 < np.abs(ratio.efficiency - theirs).max() < 2e-3


def test_cross_efficiency_without_a_goal_is_one_of_many():
    # Theirs is within what best prices can give, which is wide: a second goal decides up to a fifth of a score.
    table, parts, kept = read("deaR_charnes1981.json")
    theirs = np.array(kept["results"]["cross|io|crs"]["arbitrary_e"])
    x, y = (table[parts[part]].to_numpy() for part in ("inputs", "outputs"))
    x, y = x / x.mean(axis=0), y / y.mean(axis=0)
    theta = fitted(DEA(**parts, returns="crs"), table).efficiency
    n, m = x.shape
    for j in (0, 30):
        ends = np.zeros(2)
        for i in range(n):
            held = [np.concatenate([x[j], 0 * y[j]]), np.concatenate([-theta[i] * x[i], y[i]])]
            for k, sign in enumerate((1.0, -1.0)):
                value, _ = plain_measures.solve(
                    sign * np.concatenate([0 * x[j], y[j]]), np.column_stack([-x, y]), np.full(n, 1e-12), held,
                    [1.0, 0.0], [(0, None)] * (m + y.shape[1]),
                )  # fmt: skip
                ends[k] += sign * value / n
        assert ends[0] - 1e-6 <= theirs[j] <= ends[1] + 1e-6
        assert ends[1] - ends[0] > 0.05


def test_cross_efficiency_under_variable_returns_is_refused_for_a_reason():
    _, parts, kept = read("deaR_charnes1981.json")
    assert min(kept["results"]["cross|io|vrs"]["aggressive_e"]) < -1e8
    with pytest.raises(ValueError, match="negative without bound"):
        CrossEfficiency(**parts, returns="vrs")


def test_range_directional():
    table, parts, kept = read("deaR_charnes1981.json")
    fit = fitted(DEA(**parts, orientation="directional", direction="range"), table)
    np.testing.assert_allclose(fit.inefficiency, kept["results"]["rdm|no|vrs"]["eff"], atol=ROUNDING)
