"""Partial frontiers: all draws enumerated, quantiles by counting, weights as repeated units, simulated errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmodels.errors import SpecificationError
from benchmodels.kernels import free_disposal
from benchmodels.kernels.free_disposal import Goods, comparisons, score_by_units
from benchmodels.kernels.partial import order_alpha, order_m, outside_level, share_outside
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED

Floats = NDArray[np.float64]
MEASURES = ["input", "output", "directional", "graph"]


def drawn(n: int, m: int, s: int, seed: int) -> Goods:
    rng = np.random.default_rng(seed)
    return Goods(np.exp(rng.normal(size=(n, m))), np.exp(rng.normal(size=(n, s))))


def direction_of(points: Goods, measure: str) -> Floats | None:
    if measure != "directional":
        return None
    # The first output does not move: a condition.
    step = np.random.default_rng(0).uniform(0.5, 2.0, (len(points.inputs), sum(g.shape[1] for g in points)))
    step[:, points.inputs.shape[1]] = 0.0
    return step


def single_scores(units: Goods, points: Goods, measure: Any, direction: Floats | None) -> list[Floats]:
    """For each point its scores against single units that it can be compared with, by the definition."""
    found = []
    for o in range(len(points.inputs)):
        x, y, each = points.inputs[o], points.outputs[o], []
        for a, b in zip(*units, strict=True):
            if measure == "input" and np.all(b >= y):
                each.append(np.max(a / x))
            elif measure == "output" and np.all(a <= x):
                each.append(np.min(b / y))
            elif measure == "graph":
                each.append(max(np.max(a / x), np.max(y / b)))
            elif measure == "directional" and direction is not None and b[0] >= y[0]:
                steps = np.concatenate([x - a, b[1:] - y[1:]]) / np.delete(direction[o], len(x))
                each.append(np.min(steps))
        found.append(np.array(each))
    return found


def best_of(measure: str) -> Any:
    return np.min if measure in ("input", "graph") else np.max


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("m", [1, 2, 4])
def test_every_draw_of_m(measure: Any, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_disposal, "_CELLS", 20)
    units = drawn(7, 2, 2, 1)
    direction = direction_of(units, measure)
    found = order_m(units, units, m, measure=measure, direction=direction)
    for o, each in enumerate(single_scores(units, units, measure, direction)):
        draws = [best_of(measure)(draw) for draw in itertools.product(each, repeat=m)]
        assert found.score[o] == pytest.approx(np.mean(draws), rel=1e-13, abs=1e-14)
        assert found.comparable[o] == len(each)


@pytest.mark.parametrize("measure", MEASURES)
def test_many_draws(measure: Any) -> None:
    units, rng = drawn(60, 2, 2, 2), np.random.default_rng(5)
    direction = direction_of(units, measure)
    found = order_m(units, units, 3, measure=measure, direction=direction)
    for o, each in enumerate(single_scores(units, units, measure, direction)):
        draws = best_of(measure)(rng.choice(each, (40_000, 3)), axis=1)
        # 240 comparisons: five errors, and ten draws of what may not have come up at all.
        assert abs(found.score[o] - draws.mean()) <= 5 * draws.std() / 200 + 10 * np.ptp(each) / 40_000 + 1e-12


def test_closed_form_of_a_uniform_input() -> None:
    # One input, equal outputs: the expected least of m of 1..N, over own input.
    n, m = 50, 2.5
    units = Goods(np.arange(1.0, n + 1)[:, None], np.ones((n, 1)))
    wanted = np.sum((np.arange(1, n + 1) / n) ** m) / units.inputs[:, 0]
    np.testing.assert_allclose(order_m(units, units, m, measure="input").score, wanted, rtol=1e-13)


@pytest.mark.parametrize("measure", MEASURES)
def test_limits_are_free_disposal(measure: Any) -> None:
    units = drawn(80, 3, 2, 3)
    direction = direction_of(units, measure)
    hull = score_by_units(units, units, measure=measure, direction=direction).score
    sign = 1.0 if measure in ("input", "graph") else -1.0
    last = np.full(80, np.inf)
    for m in (0.5, 1.0, 3.0, 30.0, 1e3, 1e6):
        score = sign * order_m(units, units, m, measure=measure, direction=direction).score
        assert np.all(score <= last + 1e-12)
        assert np.all(score >= sign * hull - 1e-12)
        last = score
    np.testing.assert_allclose(last, sign * hull, rtol=1e-9, atol=1e-12)
    last = np.full(80, np.inf)
    for alpha in (0.01, 0.3, 0.5, 0.9, 0.99, 1.0):
        score = sign * order_alpha(units, units, alpha, measure=measure, direction=direction).score
        assert np.all(score <= last)
        last = score
    np.testing.assert_array_equal(last, sign * hull)
    if measure != "directional":
        assert np.any(sign * order_m(units, units, 10, measure=measure).score > sign)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.5, 0.75, 0.9, 0.95, 1.0])
def test_quantiles_by_counting(measure: Any, alpha: float) -> None:
    # Multiples of 1/40 times the numbers of comparable units are often whole, and then off by an ulp.
    units = drawn(40, 1, 2, 4)
    direction = direction_of(units, measure)
    found = order_alpha(units, units, alpha, measure=measure, direction=direction).score
    sign = 1 if measure in ("input", "graph") else -1
    for o, each in enumerate(single_scores(units, units, measure, direction)):
        cost, n = np.sort(sign * each), len(each)
        # In whole hundredths, exactly: the first k with 100 k > (100 - 100 α) N.
        share = round(100 * alpha)
        k = next(k for k in range(1, n + 1) if 100 * k > (100 - share) * n)
        assert found[o] == pytest.approx(sign * cost[k - 1], rel=1e-13, abs=1e-14)


def test_weights_are_repeated_units() -> None:
    units = drawn(30, 2, 2, 6)
    times = np.random.default_rng(1).integers(0, 4, 30)
    again = Goods(np.repeat(units.inputs, times, axis=0), np.repeat(units.outputs, times, axis=0))
    weight = 0.37 * times[None, :].astype(float)
    for measure in ("input", "output", "graph"):
        for left, right in (
            (order_m(units, units, 8, measure=measure, weights=lambda some: weight.repeat(len(some), axis=0)),
             order_m(again, units, 8, measure=measure)),
            (order_alpha(units, units, 0.8, measure=measure, weights=lambda some: weight.repeat(len(some), axis=0)),
             order_alpha(again, units, 0.8, measure=measure)),
        ):  # fmt: skip
            np.testing.assert_allclose(left.score, right.score, rtol=1e-12)
            np.testing.assert_array_equal(left.status, right.status)
    with pytest.raises(SpecificationError, match="weights"):
        order_m(units, units, 3, measure="input", weights=lambda some: -np.ones((len(some), 30)))
    none = order_m(units, units, 3, measure="input", weights=lambda some: np.zeros((len(some), 30)))
    assert np.all(none.status == INFEASIBLE)


def test_equal_weights_are_none() -> None:
    units = drawn(50, 2, 3, 7)
    plain = order_m(units, units, 12, measure="output")
    even = order_m(units, units, 12, measure="output", weights=lambda some: np.full((len(some), 50), 3.0))
    for name in ("score", "std_error", "comparable"):
        np.testing.assert_allclose(getattr(even, name), getattr(plain, name), rtol=1e-11, err_msg=name)


def test_error_is_that_of_the_derivatives() -> None:
    # The influence of a unit is the derivative of the score to its weight, taken here by differences.
    units = drawn(60, 1, 1, 8)
    point = Goods(np.array([[1.0], [0.6]]), np.array([[0.8], [1.5]]))
    for measure in MEASURES:
        direction = None if measure != "directional" else np.ones((2, 2))
        change = np.zeros((60, 2))
        for j, h in itertools.product(range(60), (1e-5, -1e-5)):
            weight = np.ones((2, 60))
            weight[:, j] += h
            change[j] += order_m(
                units, point, 5, measure=measure, direction=direction, weights=lambda some, w=weight: w  # type: ignore
            ).score / (2 * h)  # fmt: skip
        found = order_m(units, point, 5, measure=measure, direction=direction)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.std_error, np.sqrt(np.sum(change**2, axis=0)), rtol=1e-7)


def test_error_is_the_spread_of_samples() -> None:
    rng, point = np.random.default_rng(9), Goods(np.array([[1.0, 1.2]]), np.array([[0.7]]))
    score, error = [], []
    for _ in range(1500):
        units = Goods(np.exp(rng.normal(size=(300, 2))), np.exp(rng.normal(size=(300, 1))))
        found = order_m(units, point, 20, measure="input")
        score.append(found.score[0])
        error.append(found.std_error[0])
    spread = np.std(score)
    # The standard deviation of 1500 draws is known to 1 / sqrt(3000); four of these, and 3 % for n = 300.
    assert np.mean(error) == pytest.approx(spread, rel=4 / np.sqrt(3000) + 0.03)
    truth = order_m(
        Goods(np.exp(rng.normal(size=(200_000, 2))), np.exp(rng.normal(size=(200_000, 1)))), point, 20, measure="input"
    ).score[0]
    covered = np.mean(np.abs(np.array(score) - truth) <= stats.norm.isf(0.025) * np.array(error))
    assert 0.91 <= covered <= 0.97


@pytest.mark.parametrize(("times", "low", "high"), [(10, 0.90, 0.955), (5, 0.85, 0.92), (2, 0.72, 0.83)])
def test_coverage_by_comparable_units_for_each_drawn(times: int, low: float, high: float) -> None:
    # What the notes say: an interval of 95 % is one only in name where few units are compared with.
    rng, m, point = np.random.default_rng(3), 10, Goods(np.ones((1, 3)), np.ones((1, 1)))

    def scored(n: int) -> tuple[float, float]:
        found = order_m(Goods(np.exp(0.5 * rng.normal(size=(n, 3))), np.ones((n, 1))), point, m, measure="input")
        return float(found.score[0]), float(found.std_error[0])

    truth = scored(400_000)[0]
    each = np.array([scored(times * m) for _ in range(2000)])
    assert low <= np.mean(np.abs(each[:, 0] - truth) <= stats.norm.isf(0.025) * each[:, 1]) <= high


@pytest.mark.parametrize("measure", MEASURES)
def test_units_of_measure_and_order_of_rows_do_not_matter(measure: Any) -> None:
    units = drawn(60, 2, 2, 10)
    direction = direction_of(units, measure)
    scale, order = np.array([1e8, 1e-8, 3e-8, 7e7]), np.random.default_rng(2).permutation(60)
    other = Goods((units.inputs * scale[:2])[order], (units.outputs * scale[2:])[order])
    step = None if direction is None else (direction * scale)[order]
    for score in (order_m, order_alpha):
        base = score(units, units, 0.9, measure=measure, direction=direction)  # type: ignore[operator]
        found = score(other, other, 0.9, measure=measure, direction=step)  # type: ignore[operator]
        np.testing.assert_allclose(found.score, base.score[order], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.std_error, base.std_error[order], rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(
        outside_level(other, other, measure=measure, direction=step),
        outside_level(units, units, measure=measure, direction=direction)[order],
    )


def test_few_equal_and_zero() -> None:
    one = Goods(np.array([[3.0]]), np.array([[2.0]]))
    found = order_m(one, one, 10, measure="input")
    assert found.score.tolist() == [1.0]
    assert np.isnan(found.std_error[0])
    alone = order_m(one, one, 10, measure="input", exclude=np.array([0]))
    assert alone.status.tolist() == [INFEASIBLE]
    assert np.isnan(alone.score[0])
    assert order_alpha(one, one, 0.5, measure="output").score.tolist() == [1.0]
    same = Goods(np.full((5, 2), 0.1), np.full((5, 1), 0.3))
    for measure in ("input", "output", "graph"):
        found = order_m(same, same, 3, measure=measure)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.score, 1.0, rtol=1e-15)
        np.testing.assert_allclose(found.std_error, 0.0, atol=1e-15)
        assert outside_level(same, same, measure=measure).tolist() == [0.0] * 5  # type: ignore[arg-type]
    zeros = Goods(np.array([[0.0, 2.0], [0.0, 1.0], [1.0, 1.0]]), np.array([[0.0], [1.0], [2.0]]))
    out = order_m(zeros, zeros, 2, measure="output")
    assert out.status.tolist() == [UNBOUNDED, OPTIMAL, OPTIMAL]
    # Without the first input the first two are compared with each other only.
    into = order_m(zeros, zeros, 1, measure="input")
    np.testing.assert_allclose(into.score, [0.75, 1.0, 1.0])
    assert into.comparable.tolist() == [2, 1, 1]
    # A unit without output never matches, in both goods at once, one that has some: the expectation is infinite.
    both = Goods(np.ones((3, 1)), zeros.outputs)
    assert order_m(both, both, 2, measure="graph").status.tolist() == [OPTIMAL, UNBOUNDED, UNBOUNDED]
    assert order_alpha(both, both, 0.9, measure="graph").status.tolist() == [OPTIMAL] * 3
    none = Goods(np.empty((0, 1)), np.empty((0, 1)))
    assert order_m(none, one, 2, measure="input").status.tolist() == [INFEASIBLE]


@pytest.mark.parametrize("measure", MEASURES)
def test_outside_level(measure: Any) -> None:
    units = drawn(50, 2, 2, 12)
    direction = direction_of(units, measure)
    level = outside_level(units, units, measure=measure, direction=direction)
    sign, par = (1, 1.0) if measure in ("input", "graph") else (-1, 0.0 if measure == "directional" else 1.0)
    for o, each in enumerate(single_scores(units, units, measure, direction)):
        assert level[o] == pytest.approx(1 - np.mean(sign * each <= sign * par), abs=1e-12)
    # Below its level a point is beyond the frontier, above it is not.
    for o in range(50):
        point = Goods(units.inputs[[o]], units.outputs[[o]])
        step = None if direction is None else direction[[o]]
        for alpha in (level[o] - 1e-6, level[o] + 1e-6):
            if not 0 < alpha <= 1:
                continue
            score = order_alpha(units, point, alpha, measure=measure, direction=step).score[0]
            assert (sign * score > sign * par) == (alpha < level[o])


def test_blocks_hold_what_they_say() -> None:
    units = drawn(900, 2, 2, 13)
    sizes = [cost.size for _, cost, _ in comparisons(units, units, measure="input")]
    assert len(sizes) > 1
    assert max(sizes) <= free_disposal._CELLS


def test_what_cannot_be_asked() -> None:
    units = drawn(5, 1, 1, 0)
    for m in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(SpecificationError, match="above zero"):
            order_m(units, units, m, measure="input")
    for alpha in (0.0, 1.1, np.nan):
        with pytest.raises(SpecificationError, match="up to 1"):
            order_alpha(units, units, alpha, measure="input")


def test_share_outside_is_the_share_of_scores_beyond_one() -> None:
    units = drawn(60, 2, 2, 11)
    level = outside_level(units, units, measure="input")
    alpha = np.array([0.03, 0.21, 0.5, 0.77, 0.95])
    share = share_outside(level, alpha)
    for a, found in zip(alpha, share, strict=True):
        score = order_alpha(units, units, a, measure="input").score
        assert found == pytest.approx(np.mean(score > 1))
    assert np.all(np.diff(share) <= 0)
    assert np.isnan(share_outside(np.array([np.nan]), alpha)).all()
