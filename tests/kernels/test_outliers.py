"""What hangs on one unit: literal removal, the reference program's log-ratios, the rules by hand."""

from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import outliers
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.free_disposal import Goods
from benchmodels.kernels.outliers import depart, judge_dominance, removals, screen
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import Technology, bounds_of

Floats = NDArray[np.float64]
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
needs_shared = pytest.mark.skipif(not (SHARED / "dea").exists(), reason="reference results are not here")


def drawn(n: int, m: int, s: int, seed: int) -> Goods:
    rng = np.random.default_rng(seed)
    inputs = np.exp(rng.normal(size=(n, m)))
    outputs = np.exp(0.6 * np.log(inputs).mean(axis=1, keepdims=True) + 0.4 * rng.normal(size=(n, s)))
    return Goods(inputs, outputs)


def plain_removals(goods: Floats, size: int) -> list[tuple[float, tuple[int, ...]]]:
    whole = np.linalg.det(goods.T @ goods)
    found = []
    for subset in combinations(range(len(goods)), size):
        rest = np.delete(goods, subset, axis=0)
        found.append((float(np.linalg.det(rest.T @ rest) / whole), subset))
    return sorted(found)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ratios_are_those_of_literal_removal(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "_BLOCK", 70)
    goods = np.concatenate(drawn(17, 2, 2, seed), axis=1)
    for found, size in zip(removals(goods, most=4, kept=12), (1, 2, 3, 4), strict=True):
        wanted = plain_removals(goods, size)[:12]
        assert found.exact
        np.testing.assert_allclose(found.ratio, [one[0] for one in wanted], rtol=1e-9)
        np.testing.assert_allclose(found.log_ratio, np.log([one[0] / wanted[0][0] for one in wanted]), atol=1e-9)
        assert found.units.tolist() == [list(one[1]) for one in wanted]


def goods_of(name: str) -> tuple[Goods, dict[str, Any]]:
    about = json.loads((SHARED / "dea" / f"{name}_ladder_outlier.json").read_text())
    with (SHARED / about["dataset"]).open() as file:
        rows = list(csv.DictReader(file))
    inputs, outputs = (
        np.array([[float(row[g]) for g in about[kind]] for row in rows]) for kind in ("inputs", "outputs")
    )
    return Goods(inputs, outputs), about


@needs_shared
@pytest.mark.parametrize("name", ["charnes1981", "milkProd", "syn_dea_a", "syn_dea_degenerate", "tiny6"])
def test_log_ratios_of_the_reference_program(name: str) -> None:
    units, about = goods_of(name)
    wanted = about["outlier"]
    sizes = len(wanted["r0"])
    found = removals(np.concatenate(units, axis=1), most=sizes)
    table = np.array(wanted["ratio"], dtype=float)
    for at, one in enumerate(found):
        assert one.exact
        assert one.ratio[0] == pytest.approx(wanted["r0"][at], rel=1e-9)
        rows = min(len(table), len(one.ratio))
        np.testing.assert_allclose(one.log_ratio[:rows], table[:rows, at], atol=1e-8)
        best = sorted(unit for unit in wanted["imat"][at] if unit is not None)
        ties = one.units[one.log_ratio < 1e-9].tolist()
        assert best in ties or [unit - 1 for unit in best] in ties


def test_a_planted_unit_is_found_without_visiting_all() -> None:
    goods = np.concatenate(drawn(3000, 3, 2, 3), axis=1)
    goods[[100, 2000]] = [[1, 1, 1, 900, 900], [900, 1, 1, 1, 900]]
    one, two, three = removals(goods, most=3, subsets=300_000)
    assert one.units[0].tolist() in ([100], [2000])
    assert two.units[0].tolist() == [100, 2000]
    assert one.exact
    assert two.exact
    assert two.log_ratio[1] > 1.0
    assert {100, 2000} < set(three.units[0].tolist())
    for found in (one, two, three):
        ratio = [np.linalg.det(np.delete(goods, u, axis=0).T @ np.delete(goods, u, axis=0)) for u in found.units[:3]]
        np.testing.assert_allclose(found.ratio[:3], np.array(ratio) / np.linalg.det(goods.T @ goods), rtol=1e-8)


def test_a_search_cut_short_says_so() -> None:
    goods = np.concatenate(drawn(60, 2, 2, 4), axis=1)
    short, full = removals(goods, most=3, subsets=100), removals(goods, most=3)
    assert [one.exact for one in full] == [True] * 3
    assert short[0].exact
    assert not short[2].exact
    assert np.all(short[2].ratio >= full[2].ratio - 1e-12)


def test_ratios_do_not_depend_on_units_of_measure_or_order() -> None:
    goods = np.concatenate(drawn(40, 2, 2, 5), axis=1)
    order = np.random.default_rng(1).permutation(40)
    for base, found in zip(removals(goods), removals((goods * [1e8, 1e-8, 3e7, 2.0])[order]), strict=True):
        np.testing.assert_allclose(found.ratio, base.ratio, rtol=1e-9)
        np.testing.assert_array_equal(np.sort(order[found.units], axis=1), base.units)


def test_what_has_no_ratio() -> None:
    goods = np.concatenate(drawn(12, 1, 1, 6), axis=1)
    with pytest.raises(DataError, match="dependent"):
        removals(np.column_stack([goods, 2.0 * goods[:, 0]]))
    with pytest.raises(DataError, match="fewer"):
        removals(goods[:4])
    with pytest.raises(DataError, match="finite"):
        removals(goods * np.nan)
    with pytest.raises(DataError, match="zero"):
        removals(np.column_stack([goods, np.zeros(12)]))
    # Without its only unit with a second good the data have none of it left.
    lonely = np.column_stack([np.arange(1.0, 9.0), np.eye(8)[3]])
    one = removals(lonely, most=1)[0]
    assert one.units[0].tolist() == [3]
    assert one.ratio[0] == 0.0
    assert one.log_ratio[0] == 0.0
    assert np.all(np.isinf(one.log_ratio[1:]))


def plain_departures(units: Goods, returns: Any, direction: Floats) -> tuple[Floats, Floats]:
    """Steps of all units with all, and (n, n) of each point when a unit is not there: n frontiers, made anew."""
    n = len(units.inputs)
    full = Technology(*units, bounds_of(returns))
    before = envelop(full, *units, direction, own=np.arange(n)).beta
    table = np.empty((n, n))
    for gone in range(n):
        rest = np.delete(np.arange(n), gone)
        technology = Technology(units.inputs[rest], units.outputs[rest], bounds_of(returns))
        own = np.full(n, ARTIFICIAL)
        own[rest] = np.arange(n - 1)
        table[gone] = envelop(technology, *units, direction, own=own).beta
    return before, table


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs", "irs"])
@pytest.mark.parametrize("side", ["input", "output", "both"])
def test_departures_are_those_of_literal_removal(returns: Any, side: str) -> None:
    units = drawn(30, 2, 2, 7)
    # A copy of an efficient unit: neither is missed while the other stays.
    units = Goods(np.vstack([units.inputs, units.inputs[:2]]), np.vstack([units.outputs, units.outputs[:2]]))
    direction = np.concatenate(units, axis=1).copy()
    direction[:, slice(2, 4) if side == "input" else slice(0, 2)] *= side == "both"
    found = depart(Technology(*units, bounds_of(returns)), direction)
    before, table = plain_departures(units, returns, direction)
    np.testing.assert_allclose(found.before, before, atol=1e-9)
    np.testing.assert_allclose(found.beyond, np.diagonal(table), atol=1e-8)
    np.testing.assert_array_equal(found.status == OPTIMAL, np.isfinite(np.diagonal(table)))
    got = np.tile(before, (32, 1))
    got[found.unit, found.point] = found.after
    np.fill_diagonal(got, np.diagonal(table))
    np.testing.assert_allclose(got, table, atol=1e-8)
    off = ~np.eye(32, dtype=bool)
    spared = np.where(off, before - table, 0.0)
    np.testing.assert_allclose(found.total, spared.sum(axis=1), atol=1e-7)
    np.testing.assert_allclose(found.largest, spared.max(axis=1), atol=1e-8)
    np.testing.assert_array_equal(found.moved, (spared > 1e-7).sum(axis=1))
    assert found.moved.max() > 3
    test = judge_dominance(found)
    squares = np.where(off, table, 0.0) ** 2
    ratio = squares.sum(axis=1) / (np.sum(before**2) - before**2)
    np.testing.assert_allclose(test.statistic, ratio, rtol=1e-6)
    np.testing.assert_allclose(test.p, stats.f.cdf(ratio, 31, 31), rtol=1e-5)


@needs_shared
@pytest.mark.parametrize("name", ["charnes1981", "syn_dea_a", "tiny6"])
def test_super_efficiency_of_the_reference_program(name: str) -> None:
    units, _ = goods_of(name)
    wanted = json.loads((SHARED / "dea" / f"{name}_super.json").read_text())["results"]
    for returns in ("crs", "vrs", "drs", "irs"):
        direction = np.concatenate([units.inputs, 0 * units.outputs], axis=1)
        found = depart(Technology(*units, bounds_of(returns)), direction)  # type: ignore[arg-type]
        score = np.array([float(v) for v in wanted[f"{returns}|in"]["eff"]])
        np.testing.assert_array_equal(found.status == INFEASIBLE, np.isinf(score))
        there = np.isfinite(score)
        np.testing.assert_allclose(1.0 - found.beyond[there], score[there], rtol=2e-7)


def test_a_dominant_unit_is_found() -> None:
    units = drawn(98, 1, 2, 8)
    direction = np.concatenate([units.inputs, 0 * units.outputs], axis=1)
    calm = judge_dominance(depart(Technology(*units, bounds_of("crs")), direction))
    units.outputs[17] = 40 * units.inputs[17]
    direction = np.concatenate([units.inputs, 0 * units.outputs], axis=1)
    found = depart(Technology(*units, bounds_of("crs")), direction)
    test = judge_dominance(found)
    assert found.moved[17] == 97
    assert np.flatnonzero(test.p < 0.05).tolist() == [17]
    assert np.all(calm.p > 1e-3)
    rule = screen(1.0 - found.beyond)
    assert rule.outside[17]
    assert rule.above[17]


def test_one_two_and_equal_units() -> None:
    one = Goods(np.array([[3.0]]), np.array([[2.0]]))
    found = depart(Technology(*one, bounds_of("vrs")), np.array([[3.0, 0.0]]))
    assert found.status.tolist() == [INFEASIBLE]
    assert np.isnan(found.beyond[0])
    assert np.isnan(judge_dominance(found).p[0])
    same = Goods(np.full((5, 2), 0.1), np.full((5, 1), 0.3))
    found = depart(Technology(*same, bounds_of("crs")), np.array([[0.1, 0.1, 0.0]] * 5))
    np.testing.assert_allclose(found.beyond, 0.0, atol=1e-12)
    assert found.moved.tolist() == [0] * 5
    assert np.all(np.isnan(judge_dominance(found).statistic))


def test_departures_do_not_depend_on_units_of_measure_or_order() -> None:
    units = drawn(40, 2, 2, 9)
    direction = np.concatenate([units.inputs, 0 * units.outputs], axis=1)
    base = depart(Technology(*units, bounds_of("vrs")), direction)
    scale, order = np.array([1e8, 1e-8, 3e-8, 7e7]), np.random.default_rng(2).permutation(40)
    other = Goods((units.inputs * scale[:2])[order], (units.outputs * scale[2:])[order])
    found = depart(Technology(*other, bounds_of("vrs")), (direction * scale)[order])
    for name in ("before", "beyond", "total", "largest", "moved"):
        np.testing.assert_allclose(getattr(found, name), getattr(base, name)[order], atol=1e-8, err_msg=name)


def test_programs_that_are_not_solved_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    units = drawn(20, 1, 1, 10)
    direction = np.concatenate([units.inputs, 0 * units.outputs], axis=1)
    technology = Technology(*units, bounds_of("vrs"))
    efficient = int(np.argmin(depart(technology, direction).before))

    def spoiled(*args: Any, **kwargs: Any) -> Any:
        found = envelop(*args, **kwargs)
        found.status[len(found.status) - 1] = 3
        return found

    monkeypatch.setattr(outliers, "envelop", spoiled)
    found = depart(technology, direction)
    assert found.unsolved == 2
    assert np.isnan(found.before[19])
    assert not np.isnan(found.before[efficient]) or efficient == 19


def test_screens() -> None:
    scores = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.9, np.nan])
    found = screen(scores)
    low, high = 0.7, 1.1
    assert found.limit == pytest.approx(high + 1.5 * (high - low))
    assert np.flatnonzero(found.outside).tolist() == [8]
    assert np.flatnonzero(found.above).tolist() == [7, 8]
    assert found.share == pytest.approx(2 / 9)
    assert np.flatnonzero(found.unscored).tolist() == [9]
    nobody = screen(np.array([np.nan, np.nan]))
    assert np.isnan(nobody.limit)
    assert np.isnan(nobody.share)
    assert not nobody.outside.any()
    with pytest.raises(SpecificationError, match="at least 1"):
        screen(scores, threshold=0.9)
