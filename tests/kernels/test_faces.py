"""Slacks, possible peers and ranges of prices are those of exact arithmetic, whatever is tied."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.kernels import small_programs
from benchmodels.kernels.envelopment import envelop, frame_of
from benchmodels.kernels.faces import second_phase
from benchmodels.kernels.multipliers import _end_by_program, price_ranges
from benchmodels.kernels.scale import productive_scale
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, OWN, STALLED, UNBOUNDED
from benchmodels.kernels.small_programs import SmallPrograms
from benchmodels.kernels.technology import Technology, bounds_of

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
EXACT, SOLVER = 1e-12, 1e-9
RETURNS = ("crs", "vrs", "drs", "irs", (0.5, 2.0))
SIDES = ("input", "output", "both")

# Fried, Lovell & Schmidt: eleven units, two inputs, one output.
FLS_X = np.array([[5, 13], [16, 12], [16, 26], [17, 15], [18, 14], [23, 6], [25, 10], [27, 22], [37, 14], [42, 25],
                  [5, 17]], float)  # fmt: skip
FLS_Y = np.array([[12, 14, 25, 26, 8, 9, 27, 30, 31, 26, 12]], float).T


# --- exact arithmetic -------------------------------------------------------------------------------------------------


class Tableau:
    """Rows x = target, x >= 0 in fractions, with one artificial a row to start from."""

    def __init__(self, rows, target):
        self.rows, self.width = [], len(rows[0])
        for i, (row, right) in enumerate(zip(rows, target, strict=True)):
            sign = -1 if right < 0 else 1
            own = [int(j == i) for j in range(len(rows))]
            self.rows.append([Fraction(v) for v in [*(sign * v for v in row), *own, sign * right]])
        self.basis = [self.width + i for i in range(len(rows))]

    def pivot(self, at, enter):
        head = self.rows[at] = [v / self.rows[at][enter] for v in self.rows[at]]
        for i, row in enumerate(self.rows):
            if i != at and row[enter]:
                by = row[enter]
                self.rows[i] = [v - by * w if w else v for v, w in zip(row, head, strict=True)]
        self.basis[at] = enter

    def climb(self, gain):
        """Bland's rule, with the gains in a last row of their own."""
        head = [Fraction(v) for v in gain] + [Fraction(0)] * (len(self.rows[0]) - len(gain))
        for b, row in zip(self.basis, self.rows, strict=True):
            if head[b]:
                by = head[b]
                head = [v - by * w if w else v for v, w in zip(head, row, strict=True)]
        while True:
            enter = next((j for j in range(len(gain)) if head[j] > 0), None)
            if enter is None:
                return -head[-1]
            ratios = [(row[-1] / row[enter], self.basis[i], i) for i, row in enumerate(self.rows) if row[enter] > 0]
            if not ratios:
                return np.inf
            at = min(ratios)[2]
            self.pivot(at, enter)
            by = head[enter]
            head = [v - by * w if w else v for v, w in zip(head, self.rows[at], strict=True)]

    def start(self):
        """Leave the artificials; whether there is a solution at all."""
        if self.climb([0] * self.width + [-1] * len(self.rows)) < 0:
            return False
        for at in reversed(range(len(self.rows))):
            if self.basis[at] >= self.width:
                enter = next((j for j in range(self.width) if self.rows[at][j]), None)
                if enter is None:
                    del self.rows[at], self.basis[at]
                else:
                    self.pivot(at, enter)
        return True


def exact_maxima(gains, rows, target):
    """Largest gain x with rows x = target and x >= 0, one after another; infinity without an end."""
    tableau = Tableau(rows, target)
    assert tableau.start()
    return [tableau.climb(gain) for gain in gains]


def exact_ends(gains, rows, target):
    """Least and largest of each."""
    both = exact_maxima([[sign * v for v in gain] for gain in gains for sign in (1, -1)], rows, target)
    return list(zip([-least for least in both[1::2]], both[::2], strict=True))


class Exact:
    """One point against a technology, in fractions; everything by definition."""

    def __init__(self, x, y, bounds, point, direction):
        n, m = x.shape
        goods = np.concatenate([x, -y], axis=1).astype(int)
        width = goods.shape[1]
        low, high = bounds
        rows = [[*goods[:, r].tolist(), *[int(r == q) for q in range(width)]] for r in range(width)]
        limits = [low] if low == high else [low] * (low > 0) + [high] * bool(np.isfinite(high))
        signs = [0] if low == high else [-1] * (low > 0) + [1] * bool(np.isfinite(high))
        for sign, at in zip(signs, range(len(signs)), strict=True):
            rows = [[*row, 0] for row in rows]
            rows.append([1] * n + [0] * (width + at) + [sign])
        self.n, self.m, self.width = n, m, width
        self.rows, self.size = rows, len(rows[0])
        self.mean = [Fraction(int(abs(goods[:, r]).sum()), n) for r in range(width)]
        self.b = [*[int(v) for v in point[:m]], *[-int(v) for v in point[m:]], *[Fraction(v) for v in limits]]
        self.g = [*[int(v) for v in direction], *[0] * len(limits)]
        moved = [[*row, g, -g] for row, g in zip(rows, self.g, strict=True)]
        self.beta = exact_maxima([[0] * self.size + [1, -1]], moved, self.b)[0]

    def second(self, weights=None):
        gain = [0] * self.size
        for r in range(self.width):
            gain[self.n + r] = 1 / self.mean[r] if weights is None else weights[r]
        target = [b - self.beta * g for b, g in zip(self.b, self.g, strict=True)]
        best = exact_maxima([gain], self.rows, target)[0]
        each = [[int(j == i) for i in range(self.size)] for j in range(self.n)]
        return best, exact_ends(each, [*self.rows, gain], [*target, best])

    def prices(self):
        """Ends of every price: π a >= 0, π g = 1, π b = β, π free."""
        d = len(self.b)
        rows, right = [], []
        for j in range(self.size):
            column = [row[j] for row in self.rows]
            rows.append([*column, *[-v for v in column], *[-int(j == i) for i in range(self.size)]])
            right.append(0)
        for vector, value in ((self.g, 1), (self.b, self.beta)):
            rows.append([*vector, *[-v for v in vector], *[0] * self.size])
            right.append(value)
        each = [[int(r == i) for i in range(d)] for r in range(d)]
        gains = [[*unit, *[-v for v in unit], *[0] * self.size] for unit in each]
        return np.array(exact_ends(gains, rows, right), dtype=float)


def directed(x, y, side):
    return np.concatenate([x * (side != "output"), y * (side != "input")], axis=1)


def solved(x, y, returns, side="input", points=None, own=None, **options):
    """Everything there is about some points; by default about the reference units themselves."""
    technology = Technology(x, y, bounds_of(returns))
    px, py = (x, y) if points is None else points
    own = np.arange(len(px)) if own is None else own
    goods = px, py, directed(px, py, side)
    weights = options.pop("weights", None)
    found = envelop(technology, *goods, own=own, **options)
    return found, second_phase(technology, *goods, found, own=own, weights=weights, **options), technology, goods


def able(second, i):
    return second.possible[second.first[i] : second.first[i + 1]].tolist()


def whole(seed, n=8, m=2, s=2, top=3):
    rng = np.random.default_rng(seed)
    return rng.integers(1, top + 1, (n, m)).astype(float), rng.integers(1, top + 1, (n, s)).astype(float)


def flat(seed, n, top=6):
    """Whole numbers on and below one plane, so that a facet holds many units."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, top + 1, (n, 2)).astype(float)
    total = np.maximum(x.sum(axis=1) - rng.integers(0, 3, n), 1)
    first = np.floor(total * rng.integers(0, 4, n) / 3.0)
    return x, np.column_stack([first, total - first])


def check_exactly(exact, found, second, ranges, x, y, i):
    mean = np.concatenate([x.mean(axis=0), y.mean(axis=0)])
    assert found.beta[i] == pytest.approx(float(exact.beta), abs=EXACT)
    best, ends = exact.second()
    assert (second.slack[i] / mean).sum() == pytest.approx(float(best), abs=EXACT)
    assert able(second, i) == [j for j, (_, most) in enumerate(ends) if most > 0]
    assert second.unique[i] == all(least == most for least, most in ends)
    end = exact.prices()
    goods = len(mean)
    lower = np.concatenate([ranges.lower[i], ranges.returns_lower[i]])
    upper = np.concatenate([ranges.upper[i], ranges.returns_upper[i]])
    np.testing.assert_allclose(lower, end[:, 0], atol=1e-10)
    np.testing.assert_allclose(upper, end[:, 1], atol=1e-10)
    assert ranges.single[i] == np.all(end[:, 0] == end[:, 1])
    assert goods == len(ranges.lower[i])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("returns", RETURNS)
def test_all_answers_are_those_of_fractions(returns, side):
    """Whole numbers 1 to 3, so that most programs are tied in every way."""
    for seed in range(3):
        x, y = flat(seed, n=7, top=4) if seed == 1 else whole(seed, n=7, s=1 + seed // 2)
        found, second, technology, goods = solved(x, y, returns, side)
        ranges = price_ranges(technology, *goods, found, own=np.arange(len(x)))
        for i in range(len(x)):
            exact = Exact(x, y, technology.bounds, np.concatenate([x[i], y[i]]), goods[2][i])
            check_exactly(exact, found, second, ranges, x, y, i)


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_ranges_are_exact(returns):
    """Another frontier's points, without themselves: beyond it, and beyond reach."""
    x, y = whole(5, n=6)
    px, py = whole(6, n=8, top=4)
    own = np.full(8, ARTIFICIAL)
    found, second, technology, goods = solved(x, y, returns, "input", (px, py), own)
    ranges = price_ranges(technology, *goods, found, own=own)
    reached = found.status == OPTIMAL
    assert reached.any()
    assert returns == "crs" or not reached.all()
    for i in range(8):
        if reached[i]:
            exact = Exact(x, y, technology.bounds, np.concatenate([px[i], py[i]]), goods[2][i])
            check_exactly(exact, found, second, ranges, x, y, i)
        else:
            assert found.status[i] == second.status[i] == INFEASIBLE
            assert np.isnan(second.slack[i]).all()
            assert able(second, i) == []
            assert np.all(second.peer[i] == -1)
            assert np.isnan(ranges.lower[i]).all()
            assert np.isnan(ranges.returns_upper[i]).all()


def test_units_that_may_not_use_themselves():
    """The last is the first again, and so may use its column, but not itself."""
    x, y = (np.concatenate([part, part[:1]]) for part in whole(9, n=6))
    own = np.full(7, ARTIFICIAL)

    def others(some, low, high):
        return some[:, None] != np.arange(low, high)

    found, second, technology, goods = solved(x, y, "crs", own=own, allowed=others)
    ranges = price_ranges(technology, *goods, found, own=own, allowed=others)
    for i in range(7):
        rest = np.arange(7) != i
        exact = Exact(x[rest], y[rest], technology.bounds, np.concatenate([x[i], y[i]]), goods[2][i])
        weights = [1 / Fraction(float(v)) for v in technology.scale]
        best, ends = exact.second(weights)
        assert (second.slack[i] / technology.scale).sum() == pytest.approx(float(best), abs=EXACT)
        assert able(second, i) == np.flatnonzero(rest)[[most > 0 for _, most in ends]].tolist()
        np.testing.assert_allclose(ranges.upper[i], exact.prices()[: len(goods[2][i]), 1], atol=1e-10)


def test_an_end_by_a_program_of_its_own_is_the_same():
    """What stands behind when no small move finds an end."""
    x, y = whole(2, n=7)
    found, _, technology, goods = solved(x, y, "drs")
    ranges = price_ranges(technology, *goods, found, own=np.arange(7))
    point, _, step = technology.point(*goods)
    for i in range(7):
        lower, upper = (
            [
                _end_by_program(technology.columns, point[i], step[i], found.beta[i], row, sign, None, SmallPrograms())
                for row in range(4)
            ]
            for sign in (1.0, -1.0)
        )
        np.testing.assert_allclose(lower / technology.scale, ranges.lower[i], atol=1e-10)
        np.testing.assert_allclose(upper / technology.scale, ranges.upper[i], atol=1e-10)


# --- published figures ------------------------------------------------------------------------------------------------


def test_fried_lovell_and_schmidt():
    found, second, _, _ = solved(FLS_X, FLS_Y, "crs")
    efficiency = [1, 0.6222896791, 0.8198562444, 1, 0.3103709311, 0.5555555556, 1, 0.7576690896, 0.8201058201,
                  0.4905660377, 1]  # fmt: skip
    np.testing.assert_allclose(1.0 - found.beta, efficiency, atol=1e-10)
    assert second.slack[5, 0] == pytest.approx(40 / 9, abs=EXACT)
    assert second.slack[10, 1] == pytest.approx(4.0, abs=EXACT)
    assert able(second, 10) == [0]
    assert np.all(second.unique)


def reference(stem):
    path = REFERENCE / "dea" / f"{stem}.json"
    if not path.exists():
        pytest.skip("no reference results here")
    told = json.loads(path.read_text())
    data = pd.read_csv(REFERENCE / told["dataset"])
    return told, data[told["inputs"]].to_numpy(float), data[told["outputs"]].to_numpy(float)


@pytest.mark.parametrize("orientation", ["in", "out"])
@pytest.mark.parametrize("name", ["tiny6", "syn_dea_degenerate", "syn_dea_a", "charnes1981", "milkProd", "pigdata"])
def test_benchmarking_in_r(name, orientation):
    """Its sums of slacks are ours; its peers are among the possible ones; its prices are between our ends."""
    told, x, y = reference(f"{name}_{orientation}")
    k = len(x)
    for returns in ("crs", "vrs", "drs", "irs"):
        theirs = told["results"][returns]
        ones = np.ones(x.shape[1] + y.shape[1])
        found, second, technology, goods = solved(x, y, returns, f"{orientation}put", weights=ones)
        ranges = price_ranges(technology, *goods, found, own=np.arange(k))
        total = np.array(theirs["slack_sum"], float)
        assert np.all(second.status == OPTIMAL)
        np.testing.assert_allclose(second.slack.sum(axis=1), total, rtol=2e-6, atol=1e-6)
        peers = zip(*(theirs["lambda"][part] for part in ("row", "col", "val")), strict=True)
        assert all(unit in able(second, i) for i, unit, weight in peers if weight > 1e-5)
        price = np.concatenate([np.array(theirs["ux"], float), np.array(theirs["vy"], float)], axis=1)
        room = 1e-9 * np.abs(price * technology.scale).max(axis=1)[:, None] / technology.scale
        assert np.all(price >= ranges.lower - room)
        assert np.all(price <= ranges.upper + room)
        assert np.all(found.price >= ranges.lower - room)
        assert np.all(found.price <= ranges.upper + room)


# --- what must not matter, and what must hold -------------------------------------------------------------------------


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_possible_peers_do_not_depend_on_the_order_of_units(returns):
    x, y = flat(11, n=60)
    _, second, _, _ = solved(x, y, returns)
    order = np.random.default_rng(0).permutation(60)
    _, again, _, _ = solved(x[order], y[order], returns)
    for new, old in enumerate(order):
        assert sorted(order[able(again, new)].tolist()) == able(second, old)
        assert again.unique[new] == second.unique[old]
    weight = 1.0 / np.concatenate([x.mean(axis=0), y.mean(axis=0)])
    np.testing.assert_allclose(again.slack @ weight, second.slack[order] @ weight, atol=EXACT)
    assert (np.diff(second.first) > 1).any()
    assert (~second.unique).any()


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_units_of_measure_do_not_matter(returns):
    x, y = flat(12, n=40)
    by = np.array([1e8, 1e-8, 3e7, 7e-9])
    found, second, technology, goods = solved(x, y, returns)
    there, again, other, moved = solved(x * by[:2], y * by[2:], returns)
    np.testing.assert_allclose(again.slack / by, second.slack, atol=1e-11)
    assert again.possible.tolist() == second.possible.tolist()
    assert again.unique.tolist() == second.unique.tolist()
    ranges = price_ranges(technology, *goods, found, own=np.arange(40))
    scaled = price_ranges(other, *moved, there, own=np.arange(40))
    np.testing.assert_allclose(scaled.lower * by, ranges.lower, atol=1e-9)
    np.testing.assert_allclose(scaled.upper * by, ranges.upper, atol=1e-9)


@pytest.mark.parametrize("returns", RETURNS)
def test_targets_are_efficient_and_peers_produce_them(returns):
    x, y = flat(13, n=80)
    found, second, technology, (_, _, step) = solved(x, y, returns, "both")
    target = np.concatenate([x, y], axis=1) - (found.beta[:, None] * step + second.slack) * [1, 1, -1, -1]
    goods = np.concatenate([x, y], axis=1)
    made = np.einsum("kd,kdg->kg", second.weight, goods[np.maximum(second.peer, 0)])
    np.testing.assert_allclose(made, target, atol=1e-10)
    low, high = technology.bounds
    total = second.weight.sum(axis=1)
    assert np.all((total >= low - EXACT) & (total <= high + EXACT))
    for i in range(len(x)):
        assert set(second.peer[i][second.weight[i] > 1e-6].tolist()) <= set(able(second, i))
    # An output of nothing comes out as 1e-32.
    px, py = np.split(np.where(np.abs(target) < EXACT, 0.0, target), 2, axis=1)
    _, twice, _, _ = solved(x, y, returns, "both", (px, py), np.full(len(x), ARTIFICIAL))
    np.testing.assert_allclose(twice.slack, 0.0, atol=1e-9)
    for i in range(len(x)):
        assert able(twice, i) == able(second, i)


def test_an_efficient_unit_is_its_own_peer():
    """Between two others on one line it could be given either; and two that are equal are peers of both."""
    x, y = np.array([[1.0], [2.0], [3.0], [2.0]]), np.array([[1.0], [2.0], [3.0], [2.0]])
    _, second, _, _ = solved(x, y, "vrs")
    assert [second.peer[i][second.weight[i] > 0].tolist() for i in range(3)] == [[0], [1], [2]]
    assert [able(second, i) for i in range(4)] == [[0], [0, 1, 2, 3], [2], [0, 1, 2, 3]]
    assert second.unique.tolist() == [True, False, True, False]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]])
def test_an_efficient_unit_stays_its_own_peer_where_slacks_are_looked_for(order):
    """All have the first input to the last; the second input and the output cost nothing at such prices."""
    x, y = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])[order], np.array([[1.0], [2.0], [3.0]])[order]
    _, second, _, _ = solved(x, y, "vrs")
    own = np.arange(3)
    assert [second.peer[i][second.weight[i] > 0].tolist() for i in own] == [[i] for i in own]


def test_facets_smaller_than_the_move():
    """The middle unit is 1e-5 from the first: moved by more, it would be given the slope of another facet."""
    near = 1e-5
    x, y = np.array([[1.0], [1.0 + near], [2.0]]), np.array([[1.0], [1.0 + 3 * near], [2.0]])
    found, _, technology, goods = solved(x, y, "vrs")
    ranges = price_ranges(technology, *goods, found, own=np.arange(3))
    slopes = np.array([1 / 3, (1 - near) / (1 - 3 * near)]) / (1.0 + near)
    np.testing.assert_allclose([ranges.lower[1, 1], ranges.upper[1, 1]], slopes, rtol=1e-9)


def test_what_is_not_certified_is_withheld(monkeypatch):
    x, y = flat(11, n=30)
    technology, own = Technology(x, y, (0.0, np.inf)), np.arange(30)
    goods = x, y, directed(x, y, "input")
    found = envelop(technology, *goods, own=own)
    monkeypatch.setattr(small_programs, "SURE", -1.0)
    second = second_phase(technology, *goods, found, own=own)
    size = productive_scale(technology, *goods, found, own=own)
    lost = second.status == STALLED
    assert lost.any()
    assert np.isnan(second.slack[lost]).all()
    assert np.all(second.peer[lost] == -1)
    assert not second.unique[lost].any()
    assert np.isnan(size.lower[size.status == STALLED]).all()
    assert (size.status == STALLED).any()


def test_a_certificate_tells_wrong_answers():
    """max x + 2 y, x + y = 1: y = 1 at the price 2."""
    body, target, gain = np.ones((1, 2)), np.ones(1), np.array([1.0, 2.0])
    ends = np.zeros(2), np.full(2, np.inf)
    answer = SmallPrograms().solve(body, target, gain, *ends)
    assert answer.value.tolist() == [0.0, 1.0]
    assert answer.price.tolist() == [2.0]
    for value, price in (([0.1, 0.9], [2.0]), ([0.0, 1.1], [2.0]), ([0.0, 1.0], [1.9]), ([0.0, 1.0], [2.1])):
        residual = small_programs.residual_of(body, target, gain, *ends, np.array(value), np.array(price))
        assert residual > 0.01
    assert SmallPrograms().solve(body, -target, gain, *ends).status == INFEASIBLE
    assert SmallPrograms().solve(0 * body, 0 * target, gain, *ends).status == UNBOUNDED


def test_a_giant_is_a_peer_of_a_dwarf():
    """Between units of 1 and 10 million lies one of 2, with an intensity of 1e-7 that is half of it."""
    x, y = np.array([[1.0], [1e7], [3.0]]), np.array([[1.0], [1e7], [2.0]])
    for more in (np.zeros((0, 1)), np.array([[1e7]])):
        _, second, _, _ = solved(np.concatenate([x, more]), np.concatenate([y, more]), "vrs")
        assert able(second, 2) == [0, *range(1, 2), *range(3, 3 + len(more))]
        assert second.weight[2].max() == pytest.approx(1.0 - 1e-7, abs=1e-9)
        assert second.unique[2] == (len(more) == 0)


def test_weights_choose_among_slacks():
    """The point can give up one of the first input, or two of the second, not both."""
    x, y = np.array([[1.0, 3.0], [2.0, 1.0], [2.0, 3.0]]), np.ones((3, 1))
    step = np.zeros((3, 3))
    step[:, 2] = 1.0
    technology, own = Technology(x, y, (1.0, 1.0)), np.arange(3)
    found = envelop(technology, x, y, step, own=own)
    for weights, slack in (([1.0, 1.0, 1.0], [0, 2, 0]), ([3.0, 1.0, 1.0], [1, 0, 0])):
        second = second_phase(technology, x, y, step, found, own=own, weights=np.array(weights))
        np.testing.assert_allclose(second.slack[2], slack, atol=EXACT)
        assert able(second, 2) == [[1], [0]][slack[0]]


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_one_unit_two_units_and_all_equal(returns):
    for x, y in ((np.ones((1, 1)), np.ones((1, 1))), (np.ones((2, 2)), np.ones((2, 1))), (np.ones((9, 2)),) * 2):
        n = len(x)
        found, second, technology, goods = solved(x, y, returns)
        np.testing.assert_allclose(second.slack, 0.0, atol=EXACT)
        assert all(able(second, i) == list(range(n)) for i in range(n))
        assert second.unique.tolist() == [n == 1] * n
        ranges = price_ranges(technology, *goods, found, own=np.arange(n))
        assert np.all(ranges.lower <= ranges.upper)


def test_no_points_and_zero_goods():
    x, y = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]), np.array([[1.0], [1.0], [0.0]])
    technology = Technology(x, y, (1.0, 1.0))
    goods = x[:0], y[:0], np.zeros((0, 3))
    none = envelop(technology, *goods, own=np.zeros(0, dtype=int))
    assert second_phase(technology, *goods, none, own=np.zeros(0, dtype=int)).first.tolist() == [0]
    found, second, technology, goods = solved(x, y, "vrs")
    assert np.all(second.status == OPTIMAL)
    exact = Exact(x, y, technology.bounds, np.array([2, 2, 0]), goods[2][2])
    check_exactly(exact, found, second, price_ranges(technology, *goods, found, own=np.arange(3)), x, y, 2)


def test_a_frame_is_enough():
    x, y = whole(21, n=150, top=9)
    x += np.random.default_rng(3).random(x.shape)
    _, second, technology, goods = solved(x, y, "vrs")
    frame = frame_of(technology, direction=goods[2])
    _, less, _, _ = solved(x, y, "vrs", frame=frame)
    assert len(frame) < 150
    np.testing.assert_allclose(less.slack, second.slack, atol=1e-10)
    assert less.possible.tolist() == second.possible.tolist()


def test_questions_that_cannot_be_asked():
    x, y = whole(1)
    technology, own = Technology(x, y, (1.0, 1.0)), np.arange(len(x))
    goods = x, y, directed(x, y, "input")
    found = envelop(technology, *goods, own=own)
    for weights in (np.zeros(4), np.ones(3), np.array([1, 1, 1, np.nan]), -np.ones(4)):
        with pytest.raises(SpecificationError, match="one positive number"):
            second_phase(technology, *goods, found, own=own, weights=weights)
    for ask in (second_phase, price_ranges):
        with pytest.raises(SpecificationError, match="8 points may use themselves"):
            ask(technology, *goods, found, own=np.full(8, OWN))


@pytest.mark.parametrize("returns", ["crs", "vrs"])
@pytest.mark.parametrize("of", [flat, whole])
def test_whole_numbers_are_fast(of, returns):
    x, y = of(31, n=1000, top=9)
    technology, own = Technology(x, y, bounds_of(returns)), np.arange(1000)
    goods = x, y, directed(x, y, "input")
    found = envelop(technology, *goods, own=own)
    start = time.process_time()
    second = second_phase(technology, *goods, found, own=own)
    assert time.process_time() - start < 2.0
    assert np.all(second.status == OPTIMAL)
    assert second.residual.max() < 1e-11
