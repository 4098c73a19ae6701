"""Kinds of units: by DEA of each kind and of all, by closed forms, and bad input."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier.together import Metafrontier
from tests.frontier.test_mergers import shared_by_hand

SOLVER = 1e-9


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    goods = rng.uniform(1, 10, (n, 4))
    frame = pd.DataFrame(goods, columns=["x0", "x1", "y0", "y1"])
    return frame.assign(unit=[f"å{i:02d}" for i in range(n)], kind=np.array(["ø", "by", "land"])[np.arange(n) % 3])


def model(**options):
    return Metafrontier(inputs=["x0", "x1"], outputs=["y0", "y1"], unit="unit", group="kind", **options)


def dea(data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        return DEA(inputs=["x0", "x1"], outputs=["y0", "y1"], unit="unit", **options).fit(data)


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("returns", ["vrs", "crs", "drs", "irs"])
def test_by_frontiers_one_by_one(returns, orientation):
    data, options = table(), {"returns": returns, "orientation": orientation}
    found = model(**options).fit(data)
    np.testing.assert_allclose(found.meta, dea(data, **options).efficiency, rtol=SOLVER)
    every = []
    for kind, own in data.groupby("kind"):
        fit = dea(own, **options)
        at = found.group == kind
        np.testing.assert_allclose(found.efficiency[at], fit.efficiency, rtol=SOLVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BenchmodelsWarning)
            every.append(fit.evaluate(data).efficiency)
    np.testing.assert_allclose(found.gap_ratio * found.efficiency, found.meta, rtol=SOLVER)
    assert found.gap_ratio.max() <= 1 + SOLVER
    apart = model(**options, union="non-convex").fit(data)
    np.testing.assert_allclose(apart.meta, np.nanmin(every, axis=0), rtol=SOLVER)
    assert (apart.meta >= found.meta - SOLVER).all()
    np.testing.assert_allclose(apart.efficiency, found.efficiency, rtol=SOLVER)


def test_a_gap_in_closed_form():
    """The one kind needs twice as much of all: its gap ratio is a half everywhere."""
    data = table(30)
    both = pd.concat([data.assign(kind="a"), data.assign(x0=2 * data["x0"], x1=2 * data["x1"], kind="b",
                                                         unit=data["unit"] + "b")])  # fmt: skip
    for union in ("convex", "non-convex"):
        found = model(union=union).fit(both)
        np.testing.assert_allclose(found.gap_ratio[found.group == "a"], 1.0, rtol=SOLVER)
        np.testing.assert_allclose(found.gap_ratio[found.group == "b"], 0.5, rtol=SOLVER)
    kinds = found.groups().set_index("group")
    assert kinds["leading"].tolist() == [1.0, 0.0]
    np.testing.assert_allclose(kinds["gap_ratio"], [1.0, 0.5], rtol=SOLVER)


def test_small_kinds_are_withheld_and_still_part_of_all():
    data = table()
    data.loc[:3, "kind"] = "few"
    whole = model(least=3).fit(data)
    with pytest.warns(PartialResultWarning, match=r"4 of 60 units.*'few' has 4 units, too few \(of 12\)"):
        found = model().fit(data)
    at = found.group == "few"
    assert at.sum() == 4
    assert np.isnan(found.efficiency[at]).all()
    assert np.isnan(found.gap_ratio[at]).all()
    np.testing.assert_allclose(found.meta, whole.meta, rtol=SOLVER)
    kinds = found.groups().set_index("group")
    assert kinds.loc["few", "withheld"]
    assert np.isnan(kinds.loc["few", "leading"])
    with pytest.raises(SpecificationError, match="too few"):
        found.reallocation([found.unit[at][:2].tolist()])


@pytest.mark.parametrize("moving", ["both", "inputs"])
def test_sharing_each_by_the_technology_of_its_own_kind(moving):
    found = model().fit(table())
    group = [found.unit[0], found.unit[1], found.unit[5]]
    shared = found.reallocation([group], moving=moving)
    at = [0, 1, 5]
    own = [np.flatnonzero(found.group == found.group[i]) for i in at]
    truth = shared_by_hand(found.goods.inputs, found.goods.outputs, own, at, moving)
    np.testing.assert_allclose(shared.factor, truth, rtol=SOLVER)


def test_invariances():
    data = table()
    found = model().fit(data)
    other = data.sample(frac=1, random_state=0).assign(x0=data["x0"] * 1e9, y0=data["y0"] * 1e-9)
    again = model().fit(other)
    np.testing.assert_allclose(again.gap_ratio, found.gap_ratio, rtol=SOLVER)


def test_bad_input():
    with pytest.raises(SpecificationError, match="union"):
        model(union="none")
    with pytest.raises(SpecificationError, match="least"):
        model(least=0)
    with pytest.raises(SpecificationError, match="column of the kinds"):
        Metafrontier(inputs=["x0"], outputs=["y0"], unit="unit", group="x0")
    with pytest.raises(DataError, match="two kinds or more"):
        model().fit(table().assign(kind="one"))
    with pytest.raises(DataError, match="mixes"):
        model().fit(table().assign(kind=lambda t: [i if i < 30 else "b" for i in range(len(t))]))
    with pytest.raises(DataError, match="missing"):
        model().fit(table().assign(kind=None))


def test_a_fit_that_was_kept_is_closed_too():
    again = pickle.loads(pickle.dumps(model().fit(table())))
    with pytest.raises(ValueError, match="read-only"):
        again.meta[0] = 0.0
