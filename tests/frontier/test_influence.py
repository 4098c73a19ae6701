"""What hangs on each unit of a frontier, against frontiers fitted anew without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA, FDH, WeightRestrictions, efficiency_ladder

GOODS = ["x1", "x2", "y1", "y2"]
FOUR = {"inputs": ["x1", "x2"], "outputs": ["y1", "y2"], "unit": "unit"}
SIX = pd.DataFrame({"unit": list("ABCDEF"), "x": [20.0, 40, 40, 60, 70, 50], "y": [20.0, 30, 50, 40, 60, 20]})
COLUMNS = [
    "unit", "efficiency", "super_efficiency", "unmatched", "changed", "total", "largest", "above_threshold",
    "above_quartiles", "dominance", "p",
]  # fmt: skip
# Circles of comparable units are small here on purpose; the test of the warning has it back.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*held against few others:benchmodels.errors.BenchmodelsWarning",
    "ignore:.*held against the others:benchmodels.errors.PartialResultWarning",
)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(4)
    x = rng.uniform(2, 9, (30, 2))
    y = np.sqrt(x) * rng.uniform(0.5, 1, (30, 1))
    y[7] *= 2.0
    frame = pd.DataFrame(np.column_stack([x, y]), columns=GOODS)
    return frame.assign(unit=[f"U{i:02d}" for i in range(30)], place=rng.integers(1, 4, 30))


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("more", [{"returns": "crs"}, {"returns": "vrs"}, {"environment": {"place": "high"}}])
def test_as_frontiers_fitted_without_each(table, orientation, more):
    model = DEA(**FOUR, orientation=orientation, **more)
    fit = model.fit(table)
    told = fit.influence()
    frame, changes = told.to_frame(), told.changes()
    assert list(frame) == COLUMNS and frame["unit"].tolist() == fit.unit.tolist()
    np.testing.assert_allclose(frame["efficiency"], fit.efficiency, atol=1e-9)
    for i in range(0, 30, 3):
        gone = f"U{i:02d}"
        left = model.fit(table[table["unit"] != gone])
        before = fit.efficiency[np.arange(30) != i]
        moved = left.efficiency - before > 1e-7
        of_unit = changes[changes["leaves"] == gone].set_index("unit")
        assert set(of_unit.index) == set(left.unit[moved])
        np.testing.assert_allclose(of_unit["after"].reindex(left.unit[moved]), left.efficiency[moved], atol=1e-9)
        assert frame["changed"][i] == moved.sum()
        if orientation == "input":
            np.testing.assert_allclose(frame["total"][i], (left.efficiency - before).sum(), atol=1e-7)
            np.testing.assert_allclose(frame["largest"][i], (left.efficiency - before).max(), atol=1e-7)


def test_the_unit_that_was_made_to_stand_out(table):
    fit = DEA(**FOUR, returns="crs").fit(table)
    frame = fit.influence().to_frame()
    assert frame["super_efficiency"].idxmax() == frame["total"].idxmax() == 7
    assert set(frame["unit"][frame["above_threshold"]]) == {"U07", "U09"}
    assert frame["above_quartiles"][7] and frame["p"].idxmin() == 7
    assert not fit.influence().to_frame(threshold=5.0)["above_threshold"].any()
    removals = fit.removals(most=2, kept=5)
    assert list(removals) == ["size", "units", "ratio", "log_ratio", "exact"] and len(removals) == 10
    assert removals["exact"].all() and removals["log_ratio"][0] == removals["log_ratio"][5] == 0
    goods = table[GOODS].to_numpy()
    whole = np.linalg.det(goods.T @ goods)
    for units, ratio in zip(removals["units"], removals["ratio"], strict=True):
        part = goods[~table["unit"].isin(units)]
        assert ratio == pytest.approx(np.linalg.det(part.T @ part) / whole, rel=1e-9)


def test_a_unit_that_nobody_matches():
    """Bogetoft and Otto's six firms: without E no combination makes 60."""
    frame = DEA(inputs=["x"], outputs=["y"], unit="unit").fit(SIX).influence().to_frame().set_index("unit")
    np.testing.assert_allclose(frame["super_efficiency"][list("ABCDF")], [2, 2 / 3, 1.4375, 5 / 9, 0.4], atol=1e-9)
    assert frame["unmatched"].tolist() == [False] * 4 + [True, False] and np.isnan(frame["super_efficiency"]["E"])
    for rule in ("above_threshold", "above_quartiles"):
        assert frame[rule].isna().tolist() == frame["unmatched"].tolist()
    with pytest.warns(PartialResultWarning, match="1 of 6 units held against the others have no efficiency .*E"):
        alone = DEA(inputs=["x"], outputs=["y"], unit="unit").fit(SIX).super_efficiency()
    assert alone.status.tolist() == ["solved"] * 4 + ["infeasible", "solved"]


def test_what_is_refused(table):
    with pytest.raises(SpecificationError, match="needs an efficiency"):
        DEA(**FOUR, orientation="graph").fit(table).influence()
    with pytest.raises(SpecificationError, match="threshold"):
        DEA(**FOUR).fit(table).influence().to_frame(threshold=0.5)
    with pytest.raises(SpecificationError, match="threshold='a'"):
        DEA(**FOUR).fit(table).influence().to_frame(threshold="a")
    for most in (0, 2.0, "2", 31):
        with pytest.raises(SpecificationError, match="most="):
            DEA(**FOUR).fit(table).removals(most=most)
    with pytest.raises(DataError, match="linearly dependent"):
        DEA(**FOUR).fit(table.assign(x2=2 * table["x1"])).removals()


def test_simulated_figures_stay_so():
    model = DEA(inputs=["x"], outputs=["y"], unit="unit")
    marked = SIX.copy()
    marked.attrs["simulated"] = True
    assert model.fit(marked).influence().simulated and not model.fit(SIX).influence().simulated


@pytest.mark.parametrize("place", [{}, {"environment": {"place": "high"}}])
@pytest.mark.parametrize("weights", [
    {"ratios": {("x1", "x2"): (0.5, 2.0)}}, {"virtual": {"y1": (0.2, 0.8)}},
    {"ratios": {("x1", "x2"): (0.5, 2.0)}, "virtual": {"y1": (0.2, 0.8)}},
])  # fmt: skip
def test_a_ladder_with_bounds_of_prices(table, weights, place):
    model = DEA(**FOUR, returns="crs", weights=WeightRestrictions(**weights), **place)
    fit = model.fit(table)
    unit = fit.unit[np.argmin(fit.efficiency)]
    ladder = efficiency_ladder(fit, unit, steps=4)
    assert len(ladder) == 5
    for step in range(5):
        left = model.fit(table[~table["unit"].isin(ladder["removed"][1 : step + 1])])
        again = left.efficiency[list(left.unit).index(unit)]
        assert ladder["efficiency"][step] == pytest.approx(again, abs=1e-8)


@pytest.mark.filterwarnings("ignore:.*are advised.*:benchmodels.errors.BenchmodelsWarning")
def test_who_has_no_ladder(table):
    by_units = FDH(**FOUR).fit(table)
    with pytest.raises(SpecificationError, match=r"takes a fit of benchmodels.frontier.DEA \(found UnitsFit"):
        efficiency_ladder(by_units, "U03")
    none = table.assign(y1=table["y1"].where(table["unit"] != "U03", 0.0))
    with pytest.warns(PartialResultWarning, match="contradict"):
        fit = DEA(**FOUR, weights=WeightRestrictions(virtual={"y1": (0.2, 0.8)})).fit(none)
    with pytest.raises(SpecificationError, match="contradict each other for 'U03'"):
        efficiency_ladder(fit, "U03")
