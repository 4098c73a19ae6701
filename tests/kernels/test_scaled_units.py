"""Units made larger and smaller: a plain search over factors, the free disposal hull, nesting, zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import free_disposal
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.free_disposal import Goods, score_by_units
from benchmodels.kernels.scaled_units import score_by_scaled_units
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import Technology, bounds_of

KINDS = ["vrs", "crs", "drs", "irs", (0.85, 1.15)]
MEASURES = ["input", "output", "graph"]


def drawn(n: int, seed: int) -> Goods:
    rng = np.random.default_rng(seed)
    return Goods(np.exp(rng.normal(size=(n, 2))), np.exp(rng.normal(size=(n, 2))))


def plain(units: Goods, i: int, measure: str, bounds: tuple[float, float]) -> float:
    """The best over units and all factors at which anything changes: bounds, and ratios of the goods."""
    best = np.inf
    x, y = units.inputs[i], units.outputs[i]
    for a, b in zip(units.inputs, units.outputs, strict=True):
        paid, needed = min(x / a), max(y / b)
        tried = [
            t for t in (*bounds, paid, needed, np.sqrt(paid * needed)) if bounds[0] <= t <= bounds[1] and 0 < t < np.inf
        ]
        for t in tried:
            less, more = max(t * a / x), min(t * b / y)
            if measure == "input" and more >= 1 - 1e-12:
                best = min(best, less)
            elif measure == "output" and less <= 1 + 1e-12:
                best = min(best, -more)
            elif measure == "graph":
                best = min(best, max(less, 1 / more))
    return -best if measure == "output" else best


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("measure", MEASURES)
def test_a_plain_search(measure: Any, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_disposal, "_CELLS", 90)
    units, bounds = drawn(30, 4), bounds_of(kind)
    found = score_by_scaled_units(units, units, measure=measure, bounds=bounds)
    wanted = [plain(units, i, measure, bounds) for i in range(30)]
    np.testing.assert_allclose(found.score, wanted, rtol=1e-12)
    # Each peer, made as large as is said, gives the score.
    for o, j, t in zip(found.point, found.peer, found.copies, strict=True):
        assert bounds[0] - 1e-12 <= t <= bounds[1] * (1 + 1e-12)
        less = (t * units.inputs[j] / units.inputs[o]).max()
        more = (t * units.outputs[j] / units.outputs[o]).min()
        score = {"input": less, "output": more, "graph": max(less, 1 / more)}[measure]
        assert score == pytest.approx(found.score[o], rel=1e-11)


@pytest.mark.parametrize("measure", MEASURES)
def test_by_a_factor_of_one_it_is_free_disposal(measure: Any) -> None:
    units = drawn(40, 5)
    plain_ones = score_by_units(units, units, measure=measure)
    found = score_by_scaled_units(units, units, measure=measure, bounds=(1.0, 1.0))
    np.testing.assert_allclose(found.score, plain_ones.score, rtol=1e-14)
    np.testing.assert_array_equal(found.peer, plain_ones.peer)


def test_with_one_good_on_each_side_constant_returns_need_no_mixture() -> None:
    rng = np.random.default_rng(1)
    units = Goods(np.exp(rng.normal(size=(25, 1))), np.exp(rng.normal(size=(25, 1))))
    technology = Technology(units.inputs, units.outputs, bounds_of("crs"))
    step = np.column_stack([units.inputs, np.zeros(25)])
    dea = 1 - envelop(technology, *units, direction=step, own=np.arange(25)).beta
    found = score_by_scaled_units(units, units, measure="input", bounds=bounds_of("crs"))
    np.testing.assert_allclose(found.score, dea, rtol=1e-9)


def test_nesting_and_units_of_measure() -> None:
    units = drawn(40, 6)
    score = {k: score_by_scaled_units(units, units, measure="input", bounds=bounds_of(k)).score for k in KINDS}
    assert np.all(score["crs"] <= np.minimum(score["drs"], score["irs"]) + 1e-12)
    assert np.all(np.maximum(score["drs"], score["irs"]) <= score["vrs"] + 1e-12)
    np.testing.assert_allclose(score["crs"], np.minimum(score["drs"], score["irs"]), rtol=1e-12)
    assert (score["crs"] < score["vrs"] - 1e-6).any()
    scale = Goods(np.array([1e9, 1e-9]), np.array([1e-6, 1e7]))
    other = Goods(units.inputs * scale.inputs, units.outputs * scale.outputs)
    found = score_by_scaled_units(other, other, measure="input", bounds=(0.85, 1.15)).score
    np.testing.assert_allclose(found, score[(0.85, 1.15)], rtol=1e-12)


def test_zeros_others_and_masks() -> None:
    units = Goods(np.array([[0.0, 2], [2, 0], [4, 4]]), np.array([[1.0, 0], [0, 1], [1, 1]]))
    beyond = score_by_scaled_units(units, units, measure="input", bounds=(0.0, np.inf), exclude=np.arange(3))
    # The first two make what no other does without an input that they have none of; the third reaches nobody.
    assert beyond.status.tolist() == [INFEASIBLE, INFEASIBLE, INFEASIBLE]
    own = score_by_scaled_units(units, units, measure="output", bounds=(1.0, np.inf))
    assert own.status.tolist() == [OPTIMAL] * 3
    np.testing.assert_allclose(own.score, 1.0)
    masked = score_by_scaled_units(
        units,
        units,
        measure="graph",
        bounds=(0.5, 2.0),
        allowed=lambda some, low, high: np.eye(3, dtype=bool)[some, low:high],
    )
    np.testing.assert_allclose(masked.score, 1.0)


def test_what_cannot_be_asked() -> None:
    units = drawn(4, 1)
    with pytest.raises(SpecificationError, match="scaled have"):
        score_by_scaled_units(units, units, measure="directional", bounds=(1.0, 1.0))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="finite"):
        score_by_scaled_units(units, Goods(units.inputs * np.nan, units.outputs), measure="input", bounds=(1.0, 1.0))
    with pytest.raises(DataError, match="zero or more"):
        score_by_scaled_units(units, Goods(-units.inputs, units.outputs), measure="input", bounds=(1.0, 1.0))
