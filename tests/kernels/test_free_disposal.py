"""Units as they are, and whole copies of them: plain loops, printed tables, reference programs, nesting."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import free_disposal, whole_copies
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.free_disposal import Goods, dominators, score_by_units
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, STALLED, UNBOUNDED
from benchmodels.kernels.technology import Technology, bounds_of
from benchmodels.kernels.whole_copies import replicability

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
needs_shared = pytest.mark.skipif(not (SHARED / "dea").exists(), reason="reference results are not here")
# Bogetoft and Otto's six firms.
SIX = Goods(
    np.array([[20.0], [40.0], [40.0], [60.0], [70.0], [50.0]]),
    np.array([[20.0], [30.0], [50.0], [40.0], [60.0], [20.0]]),
)
MEASURES = ["input", "output", "directional", "graph"]


def drawn(n: int, m: int, s: int, seed: int, *, whole: bool = False) -> Goods:
    rng = np.random.default_rng(seed)
    if whole:
        return Goods(rng.integers(0, 4, (n, m)).astype(float), rng.integers(0, 4, (n, s)).astype(float))
    return Goods(np.exp(rng.normal(size=(n, m))), np.exp(rng.normal(size=(n, s))))


def direction_of(points: Goods, measure: str, seed: int = 0) -> np.ndarray | None:
    if measure != "directional":
        return None
    k, d = len(points.inputs), points.inputs.shape[1] + points.outputs.shape[1]
    return np.random.default_rng(seed).integers(0, 3, (k, d)).astype(float)


def plain_score(a: Any, b: Any, x: Any, y: Any, measure: str, g: Any) -> float:
    """How far a point (x, y) goes with a unit (a, b) as its only peer; -inf where it does not reach it."""
    limits = []
    for i in range(len(x)):
        if measure in ("input", "graph") and x[i] > 0:
            limits.append(-a[i] / x[i])
        elif measure == "directional" and g[i] > 0:
            limits.append((x[i] - a[i]) / g[i])
        elif a[i] > x[i]:
            return -np.inf
    for r in range(len(y)):
        if measure == "graph" and y[r] > 0:
            limits.append(-y[r] / b[r] if b[r] > 0 else -np.inf)
        elif measure == "output" and y[r] > 0:
            limits.append(b[r] / y[r])
        elif measure == "directional" and g[len(x) + r] > 0:
            limits.append((b[r] - y[r]) / g[len(x) + r])
        elif b[r] < y[r]:
            return -np.inf
    return min(limits, default=np.inf)


def plain(ref: Goods, points: Goods, measure: str, direction: np.ndarray | None, exclude: Any) -> list[Any]:
    """For each point the score as the definition has it, and all units that give it."""
    found = []
    for o in range(len(points.inputs)):
        g = None if direction is None else direction[o]
        each = {
            j: plain_score(ref.inputs[j], ref.outputs[j], points.inputs[o], points.outputs[o], measure, g)
            for j in range(len(ref.inputs))
            if exclude is None or exclude[o] != j
        }
        best = max(each.values(), default=-np.inf)
        if not np.isfinite(best):
            found.append((np.nan, INFEASIBLE if best < 0 else UNBOUNDED, set()))
            continue
        peers = {j for j, v in each.items() if v >= best - 1e-12 * max(1.0, abs(best))}
        found.append((-best if measure in ("input", "graph") else best, OPTIMAL, peers))
    return found


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("excluded", [False, True])
def test_scores_and_peers_are_those_of_a_plain_loop(
    measure: Any, whole: bool, excluded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whole numbers from 0 to 3 bring ties, duplicates and zeros; small blocks bring their seams.
    monkeypatch.setattr(free_disposal, "_CELLS", 200)
    units = drawn(60, 2, 3, 5, whole=whole)
    points = units if excluded else drawn(30, 2, 3, 6, whole=whole)
    direction = direction_of(points, measure)
    exclude = np.arange(60) if excluded else None
    found = score_by_units(units, points, measure=measure, direction=direction, exclude=exclude)
    wanted = plain(units, points, measure, direction, exclude)
    np.testing.assert_allclose(found.score, [one[0] for one in wanted], rtol=1e-13, atol=1e-14)
    assert found.status.tolist() == [one[1] for one in wanted]
    for o, one in enumerate(wanted):
        assert set(found.peer[found.point == o]) == one[2]


def test_six_firms() -> None:
    found = score_by_units(SIX, SIX, measure="input")
    np.testing.assert_allclose(found.score, [1, 1, 1, 2 / 3, 1, 0.4], rtol=1e-15)
    assert (found.point.tolist(), found.peer.tolist()) == ([0, 1, 1, 2, 3, 4, 5], [0, 1, 2, 2, 2, 4, 0])
    added = replicability(SIX, SIX, measure="input")
    np.testing.assert_allclose(added.score, [1, 1, 1, 2 / 3, 6 / 7, 0.4], rtol=1e-12)
    assert added.copies[added.point == 4].tolist() == [1, 1]


@needs_shared
def test_ccr_1981_mean() -> None:
    units = goods_of("charnes1981")[0]
    assert score_by_units(units, units, measure="input").score.mean() == pytest.approx(0.997806, abs=5e-7)


def goods_of(name: str) -> tuple[Goods, dict[str, Any]]:
    """The data of a reference set, as its own files name them."""
    about = json.loads((SHARED / "dea" / f"{name}_in.json").read_text())
    with (SHARED / about["dataset"]).open() as file:
        rows = list(csv.DictReader(file))
    inputs, outputs = (
        np.array([[float(row[g]) for g in about[kind]] for row in rows]) for kind in ("inputs", "outputs")
    )
    return Goods(inputs, outputs), about


def result_of(name: str, what: str) -> Any:
    return json.loads((SHARED / "dea" / f"{name}_{what}.json").read_text())


def numbers(values: list[Any]) -> np.ndarray:
    """None and infinite: no score."""
    found = np.array([np.nan if v is None else float(v) for v in values])
    return np.where(np.isfinite(found), found, np.nan)


SETS = ["charnes1981", "milkProd", "pigdata", "syn_dea_a", "syn_dea_degenerate", "tiny6"]


@needs_shared
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("measure", ["input", "output"])
def test_reference_program(name: str, measure: Any) -> None:
    units, _ = goods_of(name)
    short = {"input": "in", "output": "out"}[measure]
    wanted = numbers(result_of(name, short)["results"]["fdh"]["eff"])
    found = score_by_units(units, units, measure=measure).score
    known = np.isfinite(wanted)
    # The program has no answer where an output is zero; such a unit may be its own peer.
    assert name == "syn_dea_degenerate" or known.all()
    np.testing.assert_allclose(found[known], wanted[known], rtol=2e-7)
    assert np.all(np.isfinite(found))
    beyond = numbers(result_of(name, "super")["results"][f"fdh|{short}"]["eff"])
    found = score_by_units(units, units, measure=measure, exclude=np.arange(len(beyond))).score
    known = np.isfinite(beyond)
    np.testing.assert_allclose(found[known], beyond[known], rtol=2e-7)
    assert name == "syn_dea_degenerate" or np.array_equal(np.isfinite(found), known)


@needs_shared
@pytest.mark.parametrize("name", SETS)
def test_reference_program_directional_graph_and_other_reference(name: str) -> None:
    units, _ = goods_of(name)
    m, s = units.inputs.shape[1], units.outputs.shape[1]
    table = result_of(name, "directional")
    mean, goods = np.array(table["mean_direction"]), np.concatenate(units, axis=1)
    sides = {"in": np.arange(m + s) < m, "out": np.arange(m + s) >= m, "in-out": np.ones(m + s, dtype=bool)}
    for (side, moves), (kind, step) in itertools.product(
        sides.items(), {"own": goods, "mean": mean, "one": np.ones(m + s)}.items()
    ):
        wanted = numbers(table["results"].get(f"fdh|{side}|{kind}", {"objval": []})["objval"])
        if not len(wanted):
            continue
        direction = np.broadcast_to(step, goods.shape) * moves
        found = score_by_units(units, units, measure="directional", direction=direction).score
        known = np.isfinite(wanted) & np.isfinite(found)
        np.testing.assert_allclose(found[known], wanted[known], rtol=2e-7, atol=2e-7 * abs(wanted[known]).max())
    graph = numbers(result_of(name, "graph")["results"]["fdh"])
    found = score_by_units(units, units, measure="graph").score
    # Its bisection stops at 1 for a few units that another, listed here, betters in every good.
    missed = (graph == 1) & (found < 1 - 2e-5)
    assert missed.sum() <= 2
    np.testing.assert_allclose(found[~missed], graph[~missed], atol=2e-5)
    wanted = plain(units, units, "graph", None, None)
    np.testing.assert_allclose(found[missed], [wanted[o][0] for o in np.flatnonzero(missed)], rtol=1e-12)
    other = result_of(name, "otherref")["results"]
    rows = np.array(other["ref_rows"])
    part = Goods(units.inputs[rows], units.outputs[rows])
    for measure, short in (("input", "in"), ("output", "out")):
        kept = other[f"fdh|{short}"]
        wanted = numbers(kept["eff"] if isinstance(kept, dict) else kept)
        found = score_by_units(part, units, measure=measure).score  # type: ignore[arg-type]
        known = np.isfinite(wanted)
        np.testing.assert_allclose(found[known], wanted[known], rtol=2e-7)


@needs_shared
@pytest.mark.parametrize("name", ["milkProd", "syn_dea_a", "syn_dea_degenerate", "tiny6"])
@pytest.mark.parametrize("measure", ["input", "output"])
def test_whole_copies_of_the_reference_program(name: str, measure: Any) -> None:
    units, _ = goods_of(name)
    wanted = numbers(result_of(name, {"input": "in", "output": "out"}[measure])["results"]["add"]["eff"])
    found = replicability(units, units, measure=measure)
    known = np.isfinite(wanted)
    np.testing.assert_allclose(found.score[known], wanted[known], rtol=1e-6)


@pytest.mark.parametrize("measure", ["input", "output"])
def test_nesting(measure: Any) -> None:
    units = drawn(40, 2, 2, 3)
    n, side = 40, np.array([1, 1, 0, 0.0] if measure == "input" else [0, 0, 1, 1.0])
    technology = Technology(units.inputs, units.outputs, bounds_of("crs"))
    found = envelop(technology, *units, direction=np.concatenate(units, axis=1) * side, own=np.arange(n))
    steps = {
        "fdh": score_by_units(units, units, measure=measure).score,
        "copies": replicability(units, units, measure=measure).score,
    }
    fdh, copies = (1.0 - v if measure == "input" else v - 1.0 for v in steps.values())
    assert np.all(fdh >= 0)
    assert np.all(copies >= fdh - 1e-12)
    assert np.all(found.beta >= copies - 1e-9)
    assert (copies > fdh + 1e-6).any()
    assert (found.beta > copies + 1e-6).any()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_copies_by_enumeration(scale: float) -> None:
    units = drawn(3, 1, 2, 8)
    points = Goods(3.0 * units.inputs, 2.2 * units.outputs[::-1])
    # The last point is one that a single unit serves better than it does itself.
    points.outputs[2] = 1.5 * units.outputs[0]
    points.inputs[2] = 4.0 * units.inputs[0]
    direction = np.column_stack([np.ones(3), np.zeros(3), np.full(3, 0.5)]) * scale
    best = np.full(3, -np.inf)
    for copies in itertools.product(range(12), repeat=3):
        x, y = np.array(copies) @ units.inputs, np.array(copies) @ units.outputs
        fits = y[0] >= points.outputs[:, 0]
        steps = np.minimum(points.inputs[:, 0] - x[0], (y[1] - points.outputs[:, 1]) / 0.5) / scale
        best = np.where(fits, np.maximum(best, steps), best)
    found = replicability(units, points, measure="directional", direction=direction)
    np.testing.assert_allclose(found.score * scale, best * scale, rtol=1e-9, atol=1e-9)
    assert np.all(np.abs(found.bound - found.found) * scale <= 1e-6)


def test_solutions_that_do_not_hold_are_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    # Six firms' additive scores, but with one copy too few of each, and with a bound that proves nothing.
    solved = whole_copies._solved
    kept = []
    for spoil in (lambda status, x, bound: (status, x - 1.0, bound), lambda status, x, bound: (status, x, bound + 0.1)):
        monkeypatch.setattr(whole_copies, "_solved", lambda *parts, spoil=spoil: spoil(*solved(*parts)))
        found = replicability(SIX, SIX, measure="input")
        assert np.all(found.status == STALLED)
        assert np.all(np.isnan(found.score))
        # Copies that do not make the point's outputs are no finding; those that do are, though not the best.
        kept.append(np.isfinite(found.found))
    assert not kept[0][:4].any()
    assert kept[1].all()


def test_ties_that_rounding_breaks_are_ties() -> None:
    # .1 / 1 and .3 / 3 differ in the last digit.
    units = Goods(np.array([[0.1, 0.0], [0.0, 0.3]]), np.ones((2, 1)))
    point = Goods(np.array([[1.0, 3.0]]), np.ones((1, 1)))
    assert score_by_units(units, point, measure="input").peer.tolist() == [0, 1]
    direction = np.array([[1.0, 3.0, 0.0]])
    assert score_by_units(units, point, measure="directional", direction=direction).peer.tolist() == [0, 1]


@pytest.mark.parametrize("measure", MEASURES)
def test_units_of_measure_and_order_of_rows_do_not_matter(measure: Any) -> None:
    units = drawn(50, 3, 2, 11)
    units = Goods(np.vstack([units.inputs, units.inputs[:5]]), np.vstack([units.outputs, units.outputs[:5]]))
    direction = direction_of(units, measure)
    base = score_by_units(units, units, measure=measure, direction=direction)
    scale = np.array([1e8, 3e-8, 7.0, 1e-8, 0.3e8])
    order = np.random.default_rng(0).permutation(55)
    other = Goods((units.inputs * scale[:3])[order], (units.outputs * scale[3:])[order])
    step = None if direction is None else (direction * scale)[order]
    found = score_by_units(other, other, measure=measure, direction=step)
    np.testing.assert_allclose(found.score, base.score[order], rtol=1e-12, atol=1e-13)
    pairs = set(zip(order[found.point].tolist(), order[found.peer].tolist(), strict=True))
    assert pairs == set(zip(base.point.tolist(), base.peer.tolist(), strict=True))


def test_copies_do_not_depend_on_units_of_measure() -> None:
    units = drawn(25, 2, 2, 12)
    scale = np.array([1e8, 3e-8]), np.array([1e-8, 7e8])
    other = Goods(units.inputs * scale[0], units.outputs * scale[1])
    step = np.concatenate(units, axis=1)[::-1]
    for measure, direction in (("input", None), ("directional", step)):
        base = replicability(units, units, measure=measure, direction=direction)  # type: ignore[arg-type]
        moved = None if direction is None else direction * np.concatenate(scale)
        found = replicability(other, other, measure=measure, direction=moved)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.score, base.score, rtol=1e-8, atol=1e-9)


def test_a_mask_is_the_same_as_leaving_units_out() -> None:
    units = drawn(40, 2, 2, 13)
    group = np.arange(40) % 3
    found = score_by_units(
        units, units, measure="input", allowed=lambda some, low, high: group[some, None] == group[None, low:high]
    )
    copied = replicability(
        units, units, measure="input", allowed=lambda some, low, high: group[some, None] == group[None, low:high]
    )
    for g in range(3):
        own = Goods(units.inputs[group == g], units.outputs[group == g])
        np.testing.assert_array_equal(score_by_units(own, own, measure="input").score, found.score[group == g])
        np.testing.assert_allclose(replicability(own, own, measure="input").score, copied.score[group == g], rtol=1e-8)


@pytest.mark.parametrize("strict", [False, True])
def test_dominators(strict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_disposal, "_CELLS", 100)
    units = drawn(40, 2, 2, 14, whole=True)
    found = dominators(units, units, strict=strict)
    goods = np.concatenate([-units.inputs, units.outputs], axis=1)
    scale = np.abs(goods).mean(axis=0)
    seen = set()
    for o in range(40):
        beat = [
            j
            for j in range(40)
            if (np.all(goods[j] > goods[o]) if strict else np.all(goods[j] >= goods[o]) and np.any(goods[j] > goods[o]))
        ]
        here = found.point == o
        assert set(found.unit[here]) == set(beat)
        gains = ((goods[found.unit[here]] - goods[o]) / scale).mean(axis=1)
        np.testing.assert_allclose(found.gain[here], gains, rtol=1e-12)
        assert np.all(np.diff(found.gain[here]) <= 0)
        seen |= set(beat)
    assert seen
    # A unit that no other beats is its own peer, and one that is beaten in every good scores less than 1.
    score = score_by_units(units, units, measure="graph").score
    if strict:
        assert np.all(score[np.unique(found.point)] < 1)
    else:
        assert np.all(score[np.setdiff1d(np.arange(40), found.point)] == 1)


def test_one_two_and_equal_units() -> None:
    one = Goods(np.array([[3.0]]), np.array([[2.0]]))
    assert score_by_units(one, one, measure="output").score.tolist() == [1.0]
    alone = score_by_units(one, one, measure="output", exclude=np.array([0]))
    assert np.isnan(alone.score[0])
    assert alone.status.tolist() == [INFEASIBLE]
    same = Goods(np.full((4, 2), 0.1), np.full((4, 1), 0.3))
    for measure in ("input", "output", "graph"):
        found = score_by_units(same, same, measure=measure, exclude=np.arange(4))  # type: ignore[arg-type]
        assert found.score.tolist() == [1.0] * 4
        assert len(found.peer) == 12
    assert len(dominators(same, same).point) == 0
    none = Goods(np.empty((0, 1)), np.empty((0, 1)))
    assert score_by_units(none, one, measure="input").status.tolist() == [INFEASIBLE]
    assert len(score_by_units(one, none, measure="input").score) == 0
    assert len(dominators(none, one).point) == 0
    assert replicability(none, one, measure="input").status.tolist() == [INFEASIBLE]


def test_zeros() -> None:
    units = Goods(np.array([[0.0, 2.0], [0.0, 1.0], [1.0, 1.0]]), np.array([[0.0], [1.0], [0.0]]))
    # An input of zero has nothing to save, and only units without it are peers of one without it.
    assert score_by_units(units, units, measure="input").score.tolist() == [0.5, 1.0, 1.0]
    out = score_by_units(units, units, measure="output")
    assert out.status.tolist() == [UNBOUNDED, OPTIMAL, UNBOUNDED]
    assert np.isnan(out.score).tolist() == [True, False, True]
    assert score_by_units(units, units, measure="directional", direction=np.ones((3, 3))).score.tolist() == [0, 0, 0]
    copies = replicability(units, units, measure="input")
    # Nothing out of nothing: no copies at all make nothing.
    assert copies.score.tolist() == [0.0, 1.0, 0.0]


def test_a_search_that_gives_up_says_so() -> None:
    rng = np.random.default_rng(3)
    size = np.exp(rng.normal(0, 2, 60))[:, None]
    units = Goods(size * np.exp(0.2 * rng.normal(size=(60, 3))), size * np.exp(0.2 * rng.normal(size=(60, 3))))
    big = Goods(units.inputs.max(axis=0, keepdims=True) * 10, units.outputs.max(axis=0, keepdims=True) * 5)
    found = replicability(units, big, measure="input", nodes=1)
    assert found.status.tolist() == [STALLED]
    assert np.isnan(found.score[0])
    assert found.bound[0] <= found.found[0] or np.isnan(found.found[0])


def test_what_cannot_be_asked() -> None:
    with pytest.raises(SpecificationError, match="allowed are"):
        score_by_units(SIX, SIX, measure="cost")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="goes with"):
        score_by_units(SIX, SIX, measure="directional")
    with pytest.raises(SpecificationError, match="goes with"):
        score_by_units(SIX, SIX, measure="input", direction=np.ones((6, 2)))
    with pytest.raises(SpecificationError, match="shape"):
        score_by_units(SIX, SIX, measure="directional", direction=np.ones((6, 3)))
    with pytest.raises(SpecificationError, match="zero or more"):
        score_by_units(SIX, SIX, measure="directional", direction=-np.ones((6, 2)))
    with pytest.raises(SpecificationError, match="whole copies"):
        replicability(SIX, SIX, measure="graph")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="finite"):
        score_by_units(Goods(SIX.inputs * np.nan, SIX.outputs), SIX, measure="input")
    with pytest.raises(DataError, match="zero or more"):
        score_by_units(Goods(-SIX.inputs, SIX.outputs), SIX, measure="input")
    with pytest.raises(DataError, match="units have"):
        score_by_units(SIX, Goods(np.ones((6, 2)), SIX.outputs), measure="input")
    below = Goods(SIX.inputs - 45.0, SIX.outputs - 30.0)
    step = np.ones((6, 2))
    np.testing.assert_allclose(
        score_by_units(below, below, measure="directional", direction=step).score,
        score_by_units(SIX, SIX, measure="directional", direction=step).score,
    )
