"""Sums of goods: the eigensystem against plain power iteration, what must not matter, and what is advised."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier import DEA, FDH, FRH, Conditional, OrderAlpha, OrderM
from benchmodels.frontier.dimension import _ALIKE, _APART, _MOST, Aggregated, aggregate
from benchmodels.frontier.undesirable import UndesirableDEA
from benchmodels.frontier.weights import WeightRestrictions
from benchmodels.kernels.aggregates import aggregate_of
from tests.recovery.code import code_hash
from tests.recovery.dimension_reduction import FILE, FUNCTIONS, draw

EXACT = 1e-10
GOODS = ["a", "b", "c", "u", "v"]
FIVE = {"inputs": ["a", "b", "c"], "outputs": ["u", "v"], "unit": "unit"}


@pytest.fixture(scope="module")
def table():
    x, y, _ = draw(98, 3, 2, 0.2, np.random.default_rng(4), even=True)
    return pd.DataFrame(np.column_stack([x, y]), columns=GOODS).assign(unit=[f"Ø{i:03d}" for i in range(98)])


def power(goods):
    """Return the first eigenvector and its share of the trace, by power iteration."""
    z = goods / np.sqrt(np.mean(goods**2, axis=0))
    vector = np.ones(z.shape[1])
    for _ in range(2000):
        vector = z.T @ (z @ vector)
        vector /= np.linalg.norm(vector)
    return z @ vector, np.sum((z @ vector) ** 2) / np.sum(z**2)


def test_the_eigensystem(table):
    found = aggregate(DEA(**FIVE), table)
    for part, share, value in (
        (["a", "b", "c"], found.input_share, found.reduced.goods.inputs),
        (["u", "v"], found.output_share, found.reduced.goods.outputs),
    ):
        want, first = power(table[part].to_numpy())
        np.testing.assert_allclose(value[:, 0], want / want.mean(), rtol=EXACT)
        assert share == pytest.approx(first, rel=EXACT)
        weight = found.weights().set_index("good")["weight"][part].to_numpy()
        np.testing.assert_allclose(table[part].to_numpy() @ weight, value[:, 0], rtol=EXACT)
    np.testing.assert_allclose(found.weights().groupby("part")["mean_share"].sum(), 1.0, rtol=EXACT)
    plain = DEA(inputs=["x"], outputs=["y"], unit="unit").fit(
        pd.DataFrame({"unit": table["unit"], "x": power(table[GOODS[:3]].to_numpy())[0],
                      "y": power(table[GOODS[3:]].to_numpy())[0]})
    )  # fmt: skip
    np.testing.assert_allclose(found.reduced.efficiency, plain.efficiency, rtol=1e-8)
    np.testing.assert_allclose(found.full.efficiency, DEA(**FIVE).fit(table).efficiency, rtol=1e-12)
    np.testing.assert_allclose(found.to_frame()["efficiency_of_sums"], found.reduced.efficiency)


def test_effective_units(table):
    """98 units and seven goods: 98 to the power 4 / 8, as Wilson has it; two goods 98 to the power 4 / 3."""
    x, y, _ = draw(98, 4, 3, 0.2, np.random.default_rng(4), even=True)
    frame = pd.DataFrame(np.column_stack([x, y]), columns=list("abcduvw")).assign(unit=np.arange(98))
    seven = aggregate(DEA(inputs=list("abcd"), outputs=list("uvw"), unit="unit"), frame)
    np.testing.assert_allclose(seven.effective_units, (98**0.5, 98 ** (4 / 3)), rtol=EXACT)
    five = aggregate(DEA(**FIVE, returns="crs"), table)
    np.testing.assert_allclose(five.effective_units, (98**0.8, 98**2.0), rtol=EXACT)


def test_what_does_not_matter(table):
    want = aggregate(DEA(**FIVE, orientation="output"), table)
    scaled = table.copy()
    scaled[GOODS] *= [1e9, 1e-9, 1.0, 1e-12, 1e12]
    got = aggregate(DEA(**FIVE, orientation="output"), scaled.sample(frac=1.0, random_state=2))
    np.testing.assert_allclose(got.reduced.efficiency, want.reduced.efficiency, rtol=1e-8)
    assert got.input_share == pytest.approx(want.input_share, rel=EXACT)


def test_proportional_goods_lose_nothing(table):
    frame = table.assign(b=3.0 * table["a"], c=0.1 * table["a"], v=2.0 * table["u"])
    found = aggregate(DEA(**FIVE), frame)
    assert found.input_share == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(found.reduced.efficiency, found.full.efficiency, rtol=1e-8)
    assert found.advice == "sum"


def test_goods_that_never_meet():
    goods = np.vstack([np.eye(3)] * 5)
    assert aggregate_of(goods).share == pytest.approx(1 / 3)
    lonely = pd.DataFrame({"unit": np.arange(40), "x": 1.0, "u": 1.0, "v": 0.0})
    lonely.loc[3, ["u", "v"]] = [0.0, 1.0]
    with pytest.raises(DataError, match="3 have none of the goods of which a sum is made: 'u'"):
        aggregate(DEA(inputs=["x"], outputs=["u", "v"], unit="unit"), lonely)


def test_advice():
    def shares(spread, n=98, goods=(3, 2)):
        x, y, _ = draw(n, *goods, spread, np.random.default_rng(0), even=True)
        names = [*(f"x{i}" for i in range(goods[0])), *(f"y{i}" for i in range(goods[1]))]
        frame = pd.DataFrame(np.column_stack([x, y]), columns=names).assign(unit=np.arange(n))
        model = DEA(inputs=names[: goods[0]], outputs=names[goods[0] :], unit="unit")
        return aggregate(model, frame)

    assert shares(0.05).advice == "sum"
    assert shares(0.4).advice == "depends"
    assert shares(3.0).advice == "keep"
    assert shares(0.05, n=99).advice == "depends"
    assert shares(0.05, goods=(1, 1)).advice == "keep"
    assert "98 units, R_x=0." in repr(shares(0.4))


def test_advice_is_what_was_simulated():
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    assert kept["code"] == code_hash(FUNCTIONS), "stale: python -m tests.recovery.dimension_reduction"
    rows = pd.DataFrame(kept["rows"])
    least, ratio = rows[["input_share", "output_share"]].min(axis=1), np.log(rows["mse_of_sums"] / rows["mse"])
    sums = (least >= _ALIKE) & (rows["units"] <= _MOST)
    assert set(rows["even"][sums]) == {True, False}
    assert (ratio[sums] < 0).all()
    # With more units all goods may do better, however alike units are.
    assert (ratio[(least >= _ALIKE) & (rows["units"] > _MOST)] > 0).any()
    assert (ratio[least < _APART] > 0).all()
    between = (least >= _APART) & (least < _ALIKE)
    assert (ratio[between & rows["even"]] < 0).any()
    assert (ratio[between & ~rows["even"]] > 0).any()
    told = rows.query("units == 98 and inputs == 3 and outputs == 3 and spread == .3").set_index("even")
    for even, said in ((True, ".12"), (False, "1.30")):
        assert f"{told['mse_of_sums'][even] / told['mse'][even]:.2f}".lstrip("0") == said
        assert said in str(Aggregated.advice.__doc__)


@pytest.mark.slow
def test_the_table_again_from_other_seeds():
    from tests.recovery.dimension_reduction import one

    for row in json.loads(FILE.read_text(encoding="utf-8"))["rows"][::40]:
        again = one(*(row[name] for name in ("units", "inputs", "outputs", "spread", "even", "draws")), seed=1)
        error = 4 * np.hypot(row["std_error_of_log_ratio"], again["std_error_of_log_ratio"])
        both = [np.log(each["mse_of_sums"] / each["mse"]) for each in (row, again)]
        # Ratios of means are not means of ratios: another tenth.
        assert both[0] == pytest.approx(both[1], abs=error + 0.1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"orientation": "directional"}, "sums need"),
        ({"orientation": "graph"}, "sums need"),
        ({"nondiscretionary": ["a"]}, "not summed"),
        ({"weights": WeightRestrictions(ratios={("a", "b"): (1, 2)})}, "not summed"),
    ],
)
def test_what_is_refused(table, change, told):
    with pytest.raises(SpecificationError, match=told):
        aggregate(DEA(**FIVE, **change), table)


def test_other_models_are_refused(table):
    with pytest.raises(SpecificationError, match="takes a benchmodels"):
        aggregate(FDH(**FIVE), table)
    for goods in (np.array([[1.0, -1.0]]), np.array([[1.0, np.nan]]), np.array([[1.0, 0.0], [2.0, 0.0]])):
        with pytest.raises(DataError, match="to be summed"):
            aggregate_of(goods)


@pytest.mark.parametrize("model", [DEA, FDH, FRH, OrderM, OrderAlpha, Conditional, UndesirableDEA])
def test_figures_below_zero_point_to_the_model_that_takes_them(table, model):
    """Nothing is shifted in silence: each model says which one does not depend on where zero is."""
    frame = table.assign(a=table["a"] - table["a"].mean(), z=1.0)
    if model is Conditional:
        asked = Conditional(frontier=OrderM(**FIVE), columns=["z"])
    else:
        asked = model(**FIVE, **({"undesirable": ["z"]} if model is UndesirableDEA else {}))
    with pytest.raises(DataError, match="direction='range' and returns='vrs'"):
        asked.fit(frame)
    taken = DEA(**FIVE, orientation="directional", direction="range").fit(frame)
    assert (taken.status == "solved").all()
    with pytest.raises(DataError, match="direction='range' and returns='vrs'"):
        aggregate(DEA(**FIVE), frame)
