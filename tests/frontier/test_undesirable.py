"""Frontiers with bads: Kuosmanen's program as it is printed, unit by unit, and what weak disposability must give."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.undesirable import UndesirableDEA
from benchmodels.kernels.technology import bounds_of

SOLVED = 1e-7
ONE = {"inputs": ["x1", "x2"], "outputs": ["y1"], "undesirable": ["b1"], "unit": "unit"}
TWO = {"inputs": ["x1", "x2"], "outputs": ["y1", "y2"], "undesirable": ["b1", "b2"], "unit": "unit"}
SMALL = {"inputs": ["staff"], "outputs": ["power"], "undesirable": ["smoke"], "unit": "unit"}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(11)
    x = rng.lognormal(sigma=0.4, size=(45, 2))
    y = rng.lognormal(sigma=0.3, size=(45, 2)) * np.sqrt(np.prod(x, axis=1))[:, None]
    b = y * rng.lognormal(sigma=0.5, size=(45, 2))
    frame = pd.DataFrame(np.column_stack([x, y, b]), columns=["x1", "x2", "y1", "y2", "b1", "b2"])
    return frame.assign(unit=[f"Å{i:02d}" for i in range(45)])


def small(*rows):
    return pd.DataFrame(
        [("ABCDEFGHIJ"[i], *row) for i, row in enumerate(rows)], columns=["unit", "staff", "power", "smoke"]
    )


def goods_of(frame, asked):
    return [frame[asked[part]].to_numpy() for part in ("inputs", "outputs", "undesirable")]


def plain(frame, asked, point, *, returns, gx, gy, gb):
    """Maximise β over z and w: x - β gx >= Σ(z + w) x_j, y + β gy <= Σ z y_j, b - β gb = Σ z b_j."""
    (x, y, b), (x0, y0, b0) = goods_of(frame, asked), point
    n, (low, high) = len(x), bounds_of(returns)
    upper = np.vstack([
        np.column_stack([gx, x.T, x.T]), np.column_stack([gy, -y.T, 0 * y.T]),
        [np.r_[0.0, np.ones(2 * n)], -np.r_[0.0, np.ones(2 * n)]],
    ])  # fmt: skip
    found = linprog(
        -np.eye(1 + 2 * n)[0], A_ub=upper, b_ub=np.r_[x0, -y0, min(high, 1e9), -low],
        A_eq=np.column_stack([gb, b.T, 0 * b.T]), b_eq=b0, bounds=[(None, None)] + [(0, None)] * (2 * n),
    )  # fmt: skip
    return -found.fun if found.status == 0 else np.nan


def quiet(model, frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        return model.fit(frame)


@pytest.mark.parametrize("returns", ["vrs", "crs", "drs", "irs"])
@pytest.mark.parametrize("asked", [ONE, TWO])
@pytest.mark.parametrize("orientation", ["directional", "undesirable", "output", "input"])
def test_against_the_printed_program(table, asked, returns, orientation):
    fit = UndesirableDEA(**asked, returns=returns, orientation=orientation).fit(table)
    goods, want = goods_of(table, asked), []
    moves = [orientation == "input", orientation in ("output", "directional"),
             orientation in ("undesirable", "directional")]  # fmt: skip
    for i in range(len(table)):
        point = [good[i] for good in goods]
        gx, gy, gb = (good * moving for good, moving in zip(point, moves, strict=True))
        want.append(plain(table, asked, point, returns=returns, gx=gx, gy=gy, gb=gb))
    got = {"directional": fit.inefficiency, "output": fit.expansion - 1.0}.get(orientation, 1.0 - fit.efficiency)
    np.testing.assert_allclose(got, want, atol=SOLVED, rtol=SOLVED)
    assert max(fit.found.primal_residual.max(), fit.found.dual_residual.max(), fit.found.gap.max()) <= 1e-9
    assert np.nanmax(want) > 0.05


def test_a_picture_of_one_input():
    """A (1, 1) and B (2, 3) make the edge y = (1 + b) / 2; D is dirtier than B and makes no more than A."""
    frame = small((1, 1, 1), (1, 2, 3), (1, 1, 2), (1, 1, 4), (1, 0.25, 0.5))
    fit = quiet(UndesirableDEA(**SMALL), frame)
    # C: 1 + β = (1 + 2 - 2 β) / 2. E below A on the ray from nothing: .25 + .25 β = .5 - .5 β.
    np.testing.assert_allclose(fit.inefficiency[[0, 1, 2, 4]], [0.0, 0.0, 0.25, 1 / 3], atol=1e-12)
    output = quiet(UndesirableDEA(**SMALL, orientation="output"), frame)
    assert output.efficiency[3] == pytest.approx(1.0)
    price = output.multipliers().set_index(["unit", "good"])["upper"]["D", "smoke"]
    assert price < -0.5
    lean = output.multipliers().set_index(["unit", "good"])
    # On the edge from A to B half a unit of power for each of smoke, C's power being worth 1.
    assert lean["price"]["C", "smoke"] / lean["price"]["C", "power"] == pytest.approx(0.5)
    contrast = quiet(UndesirableDEA(**SMALL, orientation="output", disposability="input"), frame)
    assert contrast.efficiency[3] == pytest.approx(0.5)


def test_peers_give_up_a_share_of_their_own():
    frame = small((1, 1, 1), (1, 2, 3), (1, 1, 2), (1, 1, 4), (1, 0.25, 0.5))
    fit = quiet(UndesirableDEA(**SMALL), frame)
    peers = fit.peers().set_index(["unit", "peer"])
    # E's target has a third of A's goods; any unit may be the one that gives up the rest.
    whole = peers.loc["E"]
    assert whole["weight"].sum() == pytest.approx(1.0)
    assert (whole["weight"] * (1 - whole["given_up"])).sum() == pytest.approx(1 / 3)
    assert peers.loc[("C", "A"), "given_up"] == 0.0
    targets = fit.targets().set_index(["unit", "good"])["target"]
    assert targets["E", "smoke"] == pytest.approx(1 / 3)
    assert targets["C", "power"] == pytest.approx(1.25)


def test_targets_are_met_by_peers(table):
    fit = UndesirableDEA(**TWO).fit(table)
    targets = fit.targets().pivot(index="unit", columns="good", values="target")
    values = fit.targets().pivot(index="unit", columns="good", values="value")
    peers = fit.peers()
    for unit, mine in peers.groupby("unit"):
        goes_on = (mine["weight"] * (1.0 - mine["given_up"])).to_numpy()
        other = values.loc[mine["peer"]]
        made = goes_on @ other[["y1", "y2", "b1", "b2"]].to_numpy()
        np.testing.assert_allclose(made, targets.loc[unit, ["y1", "y2", "b1", "b2"]].astype(float), atol=1e-8)
        used = mine["weight"].to_numpy() @ other[["x1", "x2"]].to_numpy()
        np.testing.assert_allclose(used, targets.loc[unit, ["x1", "x2"]].astype(float), atol=1e-8)


def test_weak_disposability_and_convexity(table):
    """Part of a unit's goods and bads is possible, and so is any average: Kuosmanen & Podinovski's two axioms."""
    fit = UndesirableDEA(**TWO, orientation="output").fit(table)
    part = table.copy()
    share = np.random.default_rng(0).uniform(0.1, 1.0, 45)
    part[["y1", "y2", "b1", "b2"]] *= share[:, None]
    scores = fit.evaluate(part)
    assert (scores.status == "solved").all()
    assert np.all(scores.expansion >= 1.0 - 1e-9)
    other = part.sample(frac=1.0, random_state=3).reset_index(drop=True)
    goods = ["x1", "x2", "y1", "y2", "b1", "b2"]
    middle = part.assign(**{name: 0.5 * (part[name] + other[name]) for name in goods})
    assert np.all(fit.evaluate(middle).expansion >= 1.0 - 1e-9)


def test_one_share_of_abatement_for_all_would_not_be_convex():
    """Half of a unit given up and half of another is possible here; by a common share it makes 4.4 and not 5."""
    frame = small((1, 1, 1), (5, 10, 4), (5, 9, 4), (5, 8, 4), (5, 7, 4))
    fit = quiet(UndesirableDEA(**SMALL, orientation="output"), frame)
    middle = pd.DataFrame({"unit": ["M"], "staff": [3.0], "power": [4.4], "smoke": [2.0]})
    assert fit.evaluate(middle).expansion[0] == pytest.approx(5 / 4.4)
    common = max(
        share * (weight * 10 + 1 - weight)
        for weight in np.linspace(0, 0.5, 2001)
        for share in [2.0 / (4 * weight + 1 - weight)]
        if share <= 1
    )
    assert common == pytest.approx(4.4)


def test_a_comparison(table):
    fit = UndesirableDEA(**ONE, orientation="undesirable").fit(table)
    found = fit.compare()
    np.testing.assert_allclose(found.observed, table["b1"])
    np.testing.assert_allclose(found.expected, table["b1"] * fit.efficiency)
    assert "UndesirableDEA" in found.source.model
    assert np.all(fit.compare(contrast="difference").estimate >= -1e-9)
    np.testing.assert_allclose(UndesirableDEA(**ONE, orientation="output").fit(table).compare().observed, 1.0)
    with pytest.raises(SpecificationError, match="compare needs an efficiency"):
        UndesirableDEA(**ONE).fit(table).compare()


def test_constant_returns_are_shephards(table):
    """Under constant returns one share of abatement for all does as well: only z is needed."""
    fit = UndesirableDEA(**ONE, returns="crs").fit(table)
    x, y, b = goods_of(table, ONE)
    for i in range(0, 45, 5):
        found = linprog(
            -np.eye(46)[0], A_ub=np.vstack([np.c_[0 * x[i], x.T], np.c_[y[i], -y.T]]), b_ub=np.r_[x[i], -y[i]],
            A_eq=np.c_[b[i], b.T], b_eq=b[i], bounds=[(None, None)] + [(0, None)] * 45,
        )  # fmt: skip
        assert fit.inefficiency[i] == pytest.approx(-found.fun, abs=SOLVED)


def test_bads_as_inputs_are_plain_envelopment(table):
    from benchmodels.frontier import DEA

    contrast = UndesirableDEA(**TWO, orientation="output", disposability="input").fit(table)
    plain_fit = DEA(inputs=["x1", "x2", "b1", "b2"], outputs=["y1", "y2"], unit="unit", orientation="output").fit(table)
    np.testing.assert_allclose(contrast.efficiency, plain_fit.efficiency, rtol=1e-12)


def test_prices_are_a_proof_and_may_have_either_sign(table):
    fit = UndesirableDEA(**TWO, orientation="output").fit(table)
    prices = fit.multipliers().pivot(index="unit", columns="good", values="price")
    bads = prices[["b1", "b2"]].to_numpy()
    assert (bads < -1e-6).any()
    assert (bads > 1e-6).any()
    assert (prices[["x1", "x2", "y1", "y2"]].to_numpy() >= -1e-9).all()
    np.testing.assert_allclose((prices[["y1", "y2"]] * table.set_index("unit")[["y1", "y2"]]).sum(axis=1), 1.0)


def test_what_does_not_matter(table):
    want = UndesirableDEA(**TWO).fit(table)
    scaled = table.copy()
    scaled[["x1", "b1", "y2"]] *= [1e7, 1e-7, 1e5]
    got = UndesirableDEA(**TWO).fit(scaled.sample(frac=1.0, random_state=0))
    np.testing.assert_allclose(got.inefficiency, want.inefficiency, atol=1e-9)
    twice = pd.concat([table, table.assign(unit=table["unit"] + "b")])
    np.testing.assert_allclose(UndesirableDEA(**TWO).fit(twice).inefficiency[::2], want.inefficiency, atol=1e-9)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(want)).inefficiency, want.inefficiency)
    assert "45 units" in repr(want)
    assert not want.inefficiency.flags.writeable


def test_a_circle_of_peers(table):
    halves = {unit: [v for v in table["unit"] if (int(v[1:]) < 20) == (int(unit[1:]) < 20)] for unit in table["unit"]}
    fit = quiet(UndesirableDEA(**ONE, peers=halves), table)
    for part in (table[:20], table[20:]):
        alone = quiet(UndesirableDEA(**ONE), part)
        both = fit.inefficiency[np.isin(fit.unit, alone.unit)]
        np.testing.assert_allclose(both, alone.inefficiency, atol=1e-9)
    assert fit.peers().query("unit == 'Å03'")["peer"].max() < "Å20"


def test_a_point_with_nobody_beside_it():
    frame = small((1, 1, 1), (1, 2, 3), (1, 1, 2), (1, 1, 4), (1, 0.25, 0.5)).assign(kind=["a", "a", "b", "b", "b"])
    fit = quiet(UndesirableDEA(**SMALL, environment={"kind": "same"}), frame)
    with pytest.warns(PartialResultWarning, match="nobody that it may be held against"):
        assert fit.evaluate(frame[:1].assign(kind="c")).status.tolist() == ["alone"]


def test_zeros():
    frame = small((1, 1, 0), (1, 2, 3), (2, 1, 2), (1, 1, 4), (1, 1, 1))
    fit = quiet(UndesirableDEA(**SMALL), frame)
    assert fit.inefficiency[0] == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(DataError, match="nothing moves for 'A'"):
        quiet(UndesirableDEA(**SMALL, orientation="undesirable"), frame)
    dirty = pd.DataFrame({"unit": ["Z"], "staff": [1.0], "power": [1.0], "smoke": [9.0]})
    with pytest.warns(PartialResultWarning, match="no combination"):
        scores = quiet(UndesirableDEA(**SMALL, orientation="output"), frame).evaluate(dirty)
    assert np.isnan(scores.efficiency[0])


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"undesirable": []}, SpecificationError, "without bads ask"),
        ({"undesirable": "smoke"}, SpecificationError, "list of columns"),
        ({"undesirable": ["power"]}, SpecificationError, "two parts"),
        ({"inputs": []}, SpecificationError, "at least one input"),
        ({"undesirable": ["soot"]}, DataError, "soot"),
        ({"orientation": "graph"}, SpecificationError, "allowed are 'directional'"),
        ({"disposability": "strong"}, SpecificationError, "allowed are 'weak'"),
        ({"direction": "range"}, SpecificationError, "allowed are 'own'"),
        ({"direction": {"soot": 1.0}}, SpecificationError, "give amounts"),
        ({"direction": {"smoke": -1.0}}, SpecificationError, "give amounts"),
        ({"direction": "mean", "orientation": "output"}, SpecificationError, "direction belongs"),
        ({"environment": {"smoke": "high"}}, SpecificationError, "both bad and environment"),
        ({"returns": "nirs"}, SpecificationError, "allowed are"),
    ],
)
def test_what_cannot_be_meant(change, error, told):
    frame = small((1, 1, 1), (1, 2, 3), (1, 1, 2), (1, 1, 4), (1, 0.25, 0.5))
    with pytest.raises(error, match=told):
        quiet(UndesirableDEA(**{**SMALL, **change}), frame)


def test_bad_figures():
    frame = small((1, 1, 1), (1, 2, 3), (1, 1, 2))
    for name, value, told in (
        ("smoke", -1.0, "negative"), ("smoke", np.nan, "missing"), ("smoke", np.inf, "infinite|finite"),
        ("staff", 0.0, "uses nothing"), ("power", 0.0, "makes nothing"),
    ):  # fmt: skip
        wrong = frame.copy()
        wrong[name] = wrong[name].astype(float)
        wrong.loc[1, name] = value
        with pytest.raises(DataError, match=told):
            quiet(UndesirableDEA(**SMALL), wrong)
    with pytest.raises(DataError, match="zero for every unit"):
        quiet(UndesirableDEA(**SMALL), frame.assign(smoke=0.0))


def test_an_amount_of_each_good(table):
    fit = UndesirableDEA(**TWO, direction={"x1": 1.0, "b2": 0.5}).fit(table)
    goods = goods_of(table, TWO)
    want = [
        plain(
            table,
            TWO,
            [good[i] for good in goods],
            returns="vrs",
            gx=np.r_[1.0, 0.0],
            gy=np.zeros(2),
            gb=np.r_[0.0, 0.5],
        )
        for i in range(45)
    ]
    np.testing.assert_allclose(fit.inefficiency, want, atol=SOLVED)
