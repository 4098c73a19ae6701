"""Measures of productivity against loops over programs written from the papers, identities, invariances, bad input."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier.productivity import (
    DECOMPOSITIONS,
    HicksMoorsteen,
    Luenberger,
    Malmquist,
    Windows,
    decomposition_table,
)
from benchmodels.kernels.technology import bounds_of

SOLVER, EXACT = 1e-8, 1e-10
GOODS = {"inputs": ["x1", "x2"], "outputs": ["y1", "y2"], "unit": "unit", "period": "year"}
COLUMNS = ["x1", "x2", "y1", "y2"]


def panel(k=9, periods=4, seed=3):
    rng = np.random.default_rng(seed)
    frames = []
    for t in range(periods):
        x, mix = rng.uniform(10, 100, (k, 2)), np.sqrt(rng.dirichlet([1, 1], k))
        level = (1.0 + 0.1 * np.sin(3 * t)) * np.sqrt(x.prod(axis=1)) ** 0.9 * np.exp(-np.abs(rng.normal(0, 0.3, k)))
        frame = pd.DataFrame(np.column_stack([x, mix * level[:, None]]), columns=COLUMNS)
        frames.append(frame.assign(unit=[f"enhed æ{i}" for i in range(k)], year=2015 + t))
    return pd.concat(frames, ignore_index=True)


def quiet(model, table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return model.fit(table)


def distance(point, rows, returns, direction):
    """max β: Xλ + β g_x ≤ x, Yλ − β g_y ≥ y, low ≤ Σλ ≤ high; NaN without a solution."""
    goods, n = np.concatenate([rows[:, :2], -rows[:, 2:]], axis=1), len(rows)
    right = np.concatenate([point[:2], -point[2:]])
    low, high = bounds_of(returns)
    left = [np.column_stack([goods.T, direction])]
    if high < np.inf:
        left, right = [*left, np.append(np.ones(n), 0.0)[None]], np.append(right, high)
    if low > 0:
        left, right = [*left, np.append(-np.ones(n), 0.0)[None]], np.append(right, -low)
    found = linprog(
        np.append(np.zeros(n), -1.0), np.vstack(left), right, bounds=[(0, None)] * n + [(None, None)], method="highs"
    )
    return found.x[-1] if found.status == 0 else np.nan


def efficiency(point, rows, returns, side):
    if side == "input":
        return 1.0 - distance(point, rows, returns, np.append(point[:2], [0.0, 0.0]))
    return 1.0 / (1.0 + distance(point, rows, returns, np.append([0.0, 0.0], point[2:])))


def technologies(table, reference):
    """Reference rows of each period, and of both of each pair of periods."""
    years = sorted(table["year"].unique())
    goods = {t: table.loc[table["year"] == t, COLUMNS].to_numpy() for t in years}
    own = {t: np.vstack([goods[s] for s in years if s == t or (s < t and reference == "sequential")]) for t in years}
    every = np.vstack(list(goods.values()))
    common = {
        (s, t): every if reference == "global" else np.vstack([goods[s], goods[t]])
        for s, t in zip(years, years[1:], strict=False)
    }
    return own, common


def loops(table, reference, returns, side):
    """The index, efficiency change and technical change by a loop, and both distances' products."""
    own, common = technologies(table, reference)
    at = table.set_index(["year", "unit"])[COLUMNS]
    rows = []
    for (s, t), both in common.items():
        for unit in table.loc[table["year"] == s, "unit"]:
            a, b = at.loc[(s, unit)].to_numpy(), at.loc[(t, unit)].to_numpy()

            def e(point, where):
                return efficiency(point, where, returns, side)

            caught = e(b, own[t]) / e(a, own[s])
            if reference in ("global", "biennial"):
                index = e(b, both) / e(a, both)
            else:
                index = np.sqrt(e(b, own[s]) / e(a, own[s]) * e(b, own[t]) / e(a, own[t]))
            rows.append([index, caught, index / caught])
    return np.array(rows)


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("returns", ["crs", "vrs"])
@pytest.mark.parametrize("reference", ["contemporaneous", "sequential", "global", "biennial"])
def test_malmquist_is_that_of_a_loop(reference, returns, side):
    table = panel()
    fit = quiet(Malmquist(**GOODS, returns=returns, orientation=side, reference=reference), table)
    frame = fit.to_frame()
    ours = frame[["index", "efficiency_change", "technical_change"]].to_numpy()
    theirs = loops(table, reference, returns, side)
    np.testing.assert_allclose(ours, theirs, rtol=SOLVER)
    assert ((frame["status"] == "infeasible") == np.isnan(theirs).any(axis=1)).all()
    if reference in ("global", "biennial"):
        assert (frame["status"] == "solved").all()


@pytest.mark.parametrize("reference", ["contemporaneous", "sequential", "global", "biennial"])
@pytest.mark.parametrize("direction", ["own", {"x1": 10.0, "y2": 5.0}])
def test_luenberger_is_that_of_a_loop(reference, direction):
    table = panel(k=7, periods=3)
    fit = quiet(Luenberger(**GOODS, returns="vrs", direction=direction, reference=reference), table)
    own, common = technologies(table, reference)
    at = table.set_index(["year", "unit"])[COLUMNS]
    rows = []
    for (s, t), both in common.items():
        for unit in table.loc[table["year"] == s, "unit"]:
            a, b = at.loc[(s, unit)].to_numpy(), at.loc[(t, unit)].to_numpy()

            def d(point, where):
                return distance(point, where, "vrs", point if direction == "own" else np.array([10.0, 0, 0, 5.0]))

            caught = d(a, own[s]) - d(b, own[t])
            if reference in ("global", "biennial"):
                index = d(a, both) - d(b, both)
            else:
                index = (d(a, own[s]) - d(b, own[s]) + d(a, own[t]) - d(b, own[t])) / 2
            rows.append([index, caught, index - caught])
    ours = fit.to_frame()[["index", "efficiency_change", "technical_change"]].to_numpy()
    np.testing.assert_allclose(ours, np.array(rows), rtol=SOLVER, atol=SOLVER)


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_hicks_moorsteen_is_that_of_a_loop(returns):
    table = panel(k=7, periods=3)
    fit = HicksMoorsteen(**GOODS, returns=returns).fit(table)
    own, common = technologies(table, "contemporaneous")
    at = table.set_index(["year", "unit"])[COLUMNS]
    rows = []
    for s, t in common:
        for unit in table.loc[table["year"] == s, "unit"]:
            a, b = at.loc[(s, unit)].to_numpy(), at.loc[(t, unit)].to_numpy()
            made, used = np.append(a[:2], b[2:]), np.append(b[:2], a[2:])

            def out(point, where):
                return efficiency(point, own[where], returns, "output")

            def inp(point, where):
                return 1.0 / efficiency(point, own[where], returns, "input")

            outputs = np.sqrt(out(made, s) / out(a, s) * out(b, t) / out(used, t))
            inputs = np.sqrt(inp(used, s) / inp(a, s) * inp(b, t) / inp(made, t))
            rows.append([outputs / inputs, outputs, inputs])
    frame = fit.to_frame()
    np.testing.assert_allclose(frame[["index", "output_change", "input_change"]], np.array(rows), rtol=SOLVER)
    assert (frame["status"] == "solved").all()


@pytest.mark.parametrize("side", ["input", "output"])
def test_biennial_is_a_fit_of_both_years_stacked(side):
    table = panel(periods=2)
    stacked = table.assign(row=table["unit"] + table["year"].astype(str))
    model = DEA(inputs=["x1", "x2"], outputs=["y1", "y2"], unit="row", returns="vrs", orientation=side)
    held = model.fit(stacked).evaluate(stacked)
    share = pd.Series(held.efficiency, index=held.unit)
    fit = Malmquist(**GOODS, returns="vrs", orientation=side, reference="biennial").fit(table)
    told = [share[f"{unit}2016"] / share[f"{unit}2015"] for unit in fit.unit]
    np.testing.assert_allclose(fit.index, told, rtol=EXACT)


def every_model():
    for name, told in DECOMPOSITIONS.items():
        for reference in told.references:
            for side in ("input", "output"):
                returns = told.returns[0] if told.returns else "drs"
                yield Malmquist(**GOODS, returns=returns, orientation=side, reference=reference, decomposition=name)


@pytest.mark.parametrize("model", list(every_model()), ids=lambda m: f"{m.decomposition} {m.reference} {m.orientation}")
def test_the_parts_make_the_index(model):
    changes = quiet(model, panel()).changes
    product = np.prod([changes.parts[name] for name in changes.factors], axis=0)
    known = np.isfinite(product)
    assert known.mean() > 0.3
    np.testing.assert_allclose(product[known], changes.index[known], rtol=EXACT)


def test_grifell_tatje_lovell_by_hand():
    table, k = panel(periods=2), 9
    for side in ("input", "output"):
        fit = quiet(
            Malmquist(**GOODS, returns="vrs", orientation=side, decomposition="grifell-tatje-lovell", base="earlier"),
            table,
        )
        first, second = (table[COLUMNS].to_numpy()[low : low + k] for low in (0, k))
        for i in range(k):
            a, b = first[i], second[i]
            mixed = np.append(a[:2], b[2:]) if side == "input" else np.append(b[:2], a[2:])

            of = [efficiency(point, first, "crs", side) / efficiency(point, first, "vrs", side) for point in (mixed, a)]
            np.testing.assert_allclose(fit.changes.parts["scale_change"][i], of[0] / of[1], rtol=SOLVER)


def test_the_table_of_decompositions_is_kept_to():
    told = decomposition_table()
    assert set(zip(told["decomposition"], told["reference"], strict=True)) == {
        (name, reference) for name, each in DECOMPOSITIONS.items() for reference in each.references
    }
    for wrong in (
        {"decomposition": "bias", "reference": "global"},
        {"decomposition": "grifell-tatje-lovell", "reference": "sequential", "returns": "vrs"},
        {"decomposition": "fgnz", "returns": "vrs"},
        {"decomposition": "ray-desli", "returns": "drs"},
        {"reference": "global", "base": "earlier"},
        {"decomposition": "bias", "base": "later"},
    ):
        with pytest.raises(SpecificationError, match=r"defined for|no base"):
            Malmquist(**GOODS, **wrong)


def test_global_is_circular_and_others_are_chained():
    table = panel()
    whole = Malmquist(**GOODS, reference="global").fit(table).cumulated()
    assert not whole["chained"].any()
    ends = Malmquist(**GOODS, reference="global").fit(table).distances()
    of_all = ends[(ends["reference"] == "common")].set_index(["unit", "from", "point"])["efficiency"]
    for row in whole[whole["to"] == 2018].itertuples():
        direct = of_all[row.unit, 2017, "later"] / of_all[row.unit, 2015, "earlier"]
        assert row.index != row.Index
        np.testing.assert_allclose(whole.loc[row.Index, "index"], direct, rtol=EXACT)
    others = Malmquist(**GOODS).fit(table).cumulated()
    assert (others["chained"] == (others["to"] > 2016)).all()
    assert (others["from"] == 2015).all()


def test_sequential_technical_change_is_never_below_one():
    for side in ("input", "output"):
        for returns in ("crs", "vrs"):
            model = Malmquist(**GOODS, reference="sequential", returns=returns, orientation=side)
            part = quiet(model, panel(seed=5)).changes.parts["technical_change"]
            assert np.nanmin(part) >= 1 - EXACT


def test_hicks_moorsteen_is_complete():
    """Outputs that grow by a factor, and inputs that do, are told as that, whatever the returns."""
    first = panel(periods=1)
    second = first.assign(year=2016)
    second[["y1", "y2"]] *= 1.3
    second[["x1", "x2"]] *= 1.1
    fit = HicksMoorsteen(**GOODS, returns="vrs").fit(pd.concat([first, second], ignore_index=True))
    np.testing.assert_allclose(fit.parts["output_change"], 1.3, rtol=SOLVER)
    np.testing.assert_allclose(fit.parts["input_change"], 1.1, rtol=SOLVER)
    np.testing.assert_allclose(fit.index, 1.3 / 1.1, rtol=SOLVER)


def test_orientations_agree_under_constant_returns():
    found = [Malmquist(**GOODS, orientation=side, decomposition="bias").fit(panel()) for side in ("input", "output")]
    for one, other in zip(*(fit.changes.values for fit in found), strict=True):
        np.testing.assert_allclose(one, other, rtol=SOLVER)


def test_windows_are_fits_of_stacked_periods():
    table = panel(k=6, periods=4)
    fit = Windows(**GOODS, returns="vrs", width=2).fit(table)
    frame = fit.to_frame()
    assert len(frame) == 3 * 2 * 6
    for (first, last), some in frame.groupby(["first", "last"]):
        stacked = table[table["year"].between(first, last)]
        stacked = stacked.assign(row=stacked["unit"] + stacked["year"].astype(str))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = DEA(inputs=["x1", "x2"], outputs=["y1", "y2"], unit="row").fit(stacked)
        share = dict(zip(held.unit, held.efficiency, strict=True))
        told = [share[f"{unit}{year}"] for unit, year in zip(some["unit"], some["period"], strict=True)]
        np.testing.assert_allclose(some["efficiency"], told, rtol=EXACT)
    stability = fit.stability().set_index("unit")
    one = frame[frame["unit"] == "enhed æ0"]
    assert stability.loc["enhed æ0", "largest_overall"] == pytest.approx(np.ptp(one["efficiency"]))
    by = one.groupby("period")["efficiency"].agg(np.ptp)
    assert stability.loc["enhed æ0", "largest_within_period"] == pytest.approx(by.max())


MODELS = (
    Malmquist(**GOODS, decomposition="fgnz"),
    Malmquist(**GOODS, reference="biennial", decomposition="ray-desli"),
    Luenberger(**GOODS),
    HicksMoorsteen(**GOODS, returns="vrs"),
)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_units_of_measure_order_and_labels_change_nothing(model):
    table = panel()
    first = model.fit(table).to_frame()
    scaled = table.assign(x1=table["x1"] * 1e9, x2=table["x2"] * 1e-9, y2=table["y2"] * 1e6)
    names = [name for name in first if name not in ("unit", "from", "to", "status")]
    np.testing.assert_allclose(model.fit(scaled).to_frame()[names], first[names], rtol=SOLVER, atol=SOLVER)
    mixed = model.fit(table.sample(frac=1, random_state=1)).to_frame()
    np.testing.assert_allclose(mixed[names], first[names], rtol=SOLVER, atol=SOLVER)
    assert mixed["unit"].tolist() == first["unit"].tolist()
    twice = pd.concat([table, table.assign(unit=table["unit"] + " igen")], ignore_index=True)
    again = model.fit(twice).to_frame()
    kept = again[~again["unit"].str.endswith("igen")]
    np.testing.assert_allclose(kept[names], first[names], rtol=SOLVER, atol=SOLVER)
    assert table.equals(panel())


def test_unbalanced_panels_and_any_kind_of_period():
    table = panel()
    gone = (table["unit"] == "enhed æ3") & (table["year"] == 2016)
    with pytest.warns(PartialResultWarning, match=r"2 absent .*enhed æ3"):
        fit = Malmquist(**GOODS).fit(table[~gone])
    frame = fit.to_frame()
    assert (frame["status"] == "absent").sum() == 2
    assert frame.loc[frame["status"] == "absent", "index"].isna().all()
    # It is part of the technologies of the other years: what does not touch 2016 is as before.
    whole = Malmquist(**GOODS).fit(table).to_frame()
    np.testing.assert_allclose(frame.loc[frame["from"] == 2017, "index"], whole.loc[whole["from"] == 2017, "index"])
    chain = fit.cumulated().set_index(["unit", "to"])["index"]
    # Its chain begins where it is there twice in a row; of one that leaves and comes back it ends.
    alone = frame[(frame["unit"] == "enhed æ3") & (frame["from"] == 2017)]["index"].item()
    assert chain["enhed æ3"].to_dict() == {2018: alone}
    late = (table["unit"] == "enhed æ3") & (table["year"] == 2017)
    found = quiet(Malmquist(**GOODS), table[~late]).cumulated().set_index(["unit", "to"])["index"]
    assert np.isnan(found["enhed æ3"].to_numpy()).tolist() == [False, True, True]
    assert np.isfinite(chain.drop("enhed æ3", level="unit")).all()
    means = fit.means()
    assert means["changes"].tolist() == [8, 8, 9]
    np.testing.assert_allclose(
        means["index"].iloc[2], np.exp(np.log(frame.loc[frame["from"] == 2017, "index"]).mean()), rtol=EXACT
    )
    for labels in (["a", "b", "c", "d"], pd.to_datetime(["2015", "2016", "2018", "2030"]), [0.5, 1.0, 2.5, 9.0]):
        named = dict(zip([2015, 2016, 2017, 2018], labels, strict=True))
        again = Malmquist(**GOODS).fit(table.assign(year=table["year"].map(named))).to_frame()
        np.testing.assert_array_equal(again["index"], whole["index"])
    order = pd.CategoricalDtype(["d", "c", "b", "a"], ordered=True)
    turned = table.assign(
        year=table["year"].map(dict(zip([2018, 2017, 2016, 2015], "abcd", strict=True))).astype(order)
    )
    np.testing.assert_array_equal(Malmquist(**GOODS).fit(turned).to_frame()["index"], whole["index"])


def test_zeros_and_what_has_no_answer():
    table = pd.DataFrame(
        {"unit": [*"ABC"] * 2, "year": [1] * 3 + [2] * 3, "x1": [2.0, 3, 4, 2, 3, 4], "x2": [1.0, 1, 1, 1, 1, 0],
         "y1": [1.0, 2, 2, 1, 2, 3], "y2": [0.0, 0, 0, 1, 0, 0]}
    )  # fmt: skip
    with pytest.warns(PartialResultWarning, match="infeasible"):
        fit = Malmquist(**GOODS, orientation="output", returns="vrs").fit(table)
    values = fit.changes.values
    assert np.all((values > 0) & np.isfinite(values) | np.isnan(values))
    assert (fit.status[np.isnan(fit.index)] == "infeasible").all()
    with pytest.warns(PartialResultWarning, match="infeasible"):
        found = HicksMoorsteen(**GOODS).fit(table)
    assert found.status[0] == found.status[2] == "infeasible"


@pytest.mark.parametrize("kind", [Malmquist, Luenberger, HicksMoorsteen, Windows])
def test_bad_input(kind):
    table = panel(k=4, periods=3)
    model = kind(**GOODS)
    for bad, message in (
        (table.drop(columns="y2"), "y2"),
        (table.assign(x1=table["x1"].where(table.index > 0)), "missing"),
        (table.assign(x1=table["x1"].where(table.index > 0, np.inf)), "x1"),
        (table.assign(x1=-table["x1"]), "negative"),
        (table.assign(y2=0.0), "zero for every unit"),
        (table.assign(x1=table["x1"].where(table.index > 0, 0), x2=table["x2"].where(table.index > 0, 0)), "uses no"),
        (pd.concat([table, table.iloc[:1]]), "more than one row"),
        (table[table["year"] == 2015], "two periods"),
        (table.assign(year=table["year"].astype(object).where(table.index > 0, "first")), "no order"),
        (table.assign(x1="many"), "x1"),
    ):
        with pytest.raises(DataError, match=message):
            model.fit(bad)
    for wrong in ({"inputs": "x1"}, {"inputs": []}, {"outputs": ["x1"]}, {"returns": "up"}, {"missing": "keep"}):
        with pytest.raises(SpecificationError):
            kind(**GOODS | wrong)
    with pytest.raises(SpecificationError):
        Malmquist(**GOODS, orientation="graph")
    with pytest.raises(SpecificationError, match="width"):
        Windows(**GOODS, width=9).fit(table)
    for direction in ("range", {"z": 1.0}, {"x1": -1.0}, {"x1": 0.0}):
        with pytest.raises(SpecificationError, match="direction"):
            Luenberger(**GOODS, direction=direction)
    apart = table[(table["year"] == 2015) == (table["unit"] == "enhed æ0")]
    if kind is not Windows:
        with pytest.raises(DataError, match="two neighbouring periods"):
            model.fit(apart[apart["year"] < 2017])


@pytest.mark.parametrize("kind", ["simar-wilson-1999", "subsample"])
def test_bootstrap(kind):
    table = panel(k=20, periods=3)
    fit = Malmquist(**GOODS, decomposition="fgnz").fit(table)
    with warnings.catch_warnings():
        # A subsample of six units often ends short of the others under variable returns.
        warnings.simplefilter("ignore", PartialResultWarning)
        found = fit.bootstrap(kind=kind, replicates=100, rng=7)
        again = fit.bootstrap(kind=kind, replicates=100, rng=7, workers=2)
    np.testing.assert_array_equal(found.errors, again.errors)
    frame = found.to_frame()
    assert found.errors.shape == (100, 5, 40)
    lower, upper = found.interval
    known = ~found.withheld
    assert known.mean() > (0.9 if kind == "simar-wilson-1999" else 0.5)
    assert np.all(lower[known] <= upper[known])
    parts = list(found.names)
    index, pieces = parts.index("index"), [parts.index(name) for name in fit.changes.factors]
    product = found.errors[:, pieces].sum(axis=1)
    np.testing.assert_allclose(product, np.where(np.isnan(product), np.nan, found.errors[:, index]), atol=SOLVER)
    low, high = np.quantile(found.errors[:, 0, 0], [0.025, 0.975])
    np.testing.assert_allclose([lower[0, 0], upper[0, 0]], fit.index[0] * np.exp([-high, -low]))
    np.testing.assert_allclose(found.bias[0, 0], found.errors[:, 0, 0].mean())
    # No panels of 20 units were simulated, so that nothing vouches for a verdict.
    assert (frame["verdict"] == "withheld").all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).errors, found.errors)
    with pytest.raises(ValueError, match="read-only"):
        found.errors[0] = 0


def test_bootstrap_of_other_panels_and_references():
    """An output-oriented, biennial index of a panel that a unit leaves and another joins."""
    table = panel(k=20, periods=3)
    gone = (table["unit"] == "enhed æ3") & (table["year"] == 2017) | (table["unit"] == "enhed æ5") & (
        table["year"] == 2015
    )
    model = Malmquist(**GOODS, orientation="output", returns="vrs", reference="biennial")
    fit = quiet(model, table[~gone])
    with pytest.warns(PartialResultWarning, match=r"1 of 40 changes"):
        # One is nobody's but its own peer in both years, whatever the frontier.
        found = fit.bootstrap(replicates=100, rng=1)
    known = np.isfinite(fit.index)
    assert known.sum() == 38
    assert np.isfinite(found.errors[:, :, known]).mean() > 0.99
    assert np.isnan(found.errors[:, :, ~known]).all()
    np.testing.assert_allclose(found.errors[:, 1] + found.errors[:, 2], found.errors[:, 0], atol=SOLVER)


def test_what_a_bootstrap_cannot_be():
    table = panel(k=8, periods=2)
    fit = Malmquist(**GOODS).fit(table)
    for wrong in (
        {"replicates": 10}, {"level": 1.5}, {"bandwidth": -1.0}, {"kind": "naive"}, {"subset": 1.0},
        {"kind": "subsample", "bandwidth": 1.0}, {"rng": "one"},
    ):  # fmt: skip
        with pytest.raises(SpecificationError):
            fit.bootstrap(**({"replicates": 100} | wrong))
    with pytest.raises(SpecificationError, match="neighbouring"):
        Malmquist(**GOODS, reference="global").fit(table).bootstrap()


def test_fits_are_kept_and_read_only():
    for model in (*MODELS, Windows(**GOODS)):
        fit = model.fit(panel())
        again = pickle.loads(pickle.dumps(fit))
        pd.testing.assert_frame_equal(again.to_frame(), fit.to_frame())
    with pytest.raises(ValueError, match="read-only"):
        Malmquist(**GOODS).fit(panel()).changes.index[0] = 2.0


@pytest.mark.parametrize("orientation", ["input", "output"])
def test_a_change_of_which_no_digit_is_known_is_no_answer(orientation):
    table = panel()
    apart = np.where(table.index == len(table) - 1, 1e-9, 1e9)
    model = Malmquist(**GOODS, orientation=orientation)
    with pytest.warns(PartialResultWarning, match="not, or not wholly, known"):
        frame = model.fit(table.assign(x1=apart, x2=apart)).to_frame()
    known = frame["status"] == "solved"
    assert known.any()
    assert (~known).any()
    assert (frame.loc[known, "index"] > 0).all()
    assert frame.loc[~known, "index"].isna().all()


def test_periods_that_are_not_in_the_order_of_time_are_refused():
    table, model = panel(), Malmquist(**GOODS)
    text = (table["year"] - 2007).astype(str)
    with pytest.raises(DataError, match=r"numbers as text, in the order '10', '11', '8', '9'.*ordered categories"):
        model.fit(table.assign(year=text))
    kinds = pd.Categorical(text, categories=["8", "9", "10", "11"], ordered=True)
    np.testing.assert_array_equal(model.fit(table.assign(year=kinds)).index, model.fit(table).index)
    np.testing.assert_array_equal(model.fit(table.assign(year=table["year"].astype(str))).index, model.fit(table).index)
    with pytest.raises(DataError, match="'year' holds infinity"):
        model.fit(table.assign(year=table["year"].astype(float).replace(2018.0, np.inf)))
    with pytest.raises(DataError, match="more than one row a unit and period, 2 too many"):
        model.fit(pd.concat([table, table[:2]]))


def test_changes_are_read_in_a_line():
    found = Luenberger(**GOODS).fit(panel())
    assert repr(found) == (
        "Changes(27 units and pairs of periods, 27 solved, efficiency_change + technical_change, scale='difference')"
    )


def test_errors_of_subsamples_shrink_by_the_rate_and_corrections_take_bias_away(monkeypatch):
    fit = Malmquist(**GOODS).fit(panel(k=25, periods=2))
    asked = {"kind": "subsample", "replicates": 100, "rng": 3}
    found = fit.bootstrap(**asked)
    monkeypatch.setattr("benchmodels.frontier.productivity.bootstrap.rate", lambda goods, bounds: 0.0)
    plain = fit.bootstrap(**asked)
    known = np.isfinite(plain.errors) & (np.abs(plain.errors) > 1e-6)
    ratio = found.errors[known] / plain.errors[known]
    # Frontiers of fewer units are further from the true one than that of all is.
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert 0 < ratio[0] < 1
    frame = found.to_frame()
    np.testing.assert_allclose(frame["corrected"], frame["change"] * np.exp(-frame["bias"]), rtol=1e-12)
