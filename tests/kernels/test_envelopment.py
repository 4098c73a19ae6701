"""Every answer of the envelopment kernel is proved by its own residuals, and agrees with one program at a time."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import envelopment, pieces
from benchmodels.kernels.envelopment import envelop, frame_of
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, OWN, STALLED, UNBOUNDED
from benchmodels.kernels.technology import Technology, bounds_of
from tests.kernels.envelopment_problems import DATA, by_highs, case, certificate, goods_of, usable
from tests.kernels.exact_lp import envelopment as exactly

SOLVER = 1e-9
# HiGHS's own tolerances are absolute; where it disagrees by more, fractions decide.
HIGHS = 1e-7
FLS_X = [[5, 13], [16, 12], [16, 26], [17, 15], [18, 14], [23, 6], [25, 10], [27, 22], [37, 14], [42, 25], [5, 17]]
FLS_Y = [12, 14, 25, 26, 8, 9, 27, 30, 31, 26, 12]


def solved(one, **options):
    technology = Technology(one.inputs, one.outputs, one.bounds)
    return envelop(technology, *one.split, one.direction, own=one.own, allowed=one.allowed, **options)


def exact(one, i):
    goods, _ = usable(one, i)
    m = one.inputs.shape[1]
    point = one.points[i]
    status, beta, _ = exactly((goods[:, :m], goods[:, m:]), (point[:m], point[m:]), one.direction[i], one.bounds)
    code = {"optimal": OPTIMAL, "infeasible": INFEASIBLE, "unbounded": UNBOUNDED}[status]
    return code, np.nan if beta is None else float(beta)


def agrees(found, i, status, beta):
    close = status != OPTIMAL or abs(beta - found.beta[i]) <= HIGHS * max(1.0, abs(beta))
    return status == found.status[i] and close


def wrong_of(one, found, chosen):
    """Return what is wrong with answers: with their proofs (all of them), with others' answers (those chosen)."""
    wrong = []
    for i in np.flatnonzero((found.status == OPTIMAL) | (found.status == INFEASIBLE)):
        missed = {name: value for name, value in certificate(one, found, i).items() if not value < SOLVER}
        wrong += [(one.kind, int(i), missed)] if missed else []
    for i in chosen:
        if not agrees(found, i, *by_highs(one, i)) and not agrees(found, i, *exact(one, i)):
            wrong.append((one.kind, int(i), int(found.status[i]), float(found.beta[i])))
    return wrong


def fuzz(seeds, each):
    """Solve many cases; return counts by kind of data, and all that is wrong."""
    programs, cold, checked, wrong = Counter(), Counter(), 0, []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        one = case(rng)
        found = solved(one)
        chosen = rng.choice(len(found.beta), min(each, len(found.beta)), replace=False)
        wrong += wrong_of(one, found, chosen)
        wrong += [(one.kind, "stalled")] * int((found.status == STALLED).sum())
        wrong += [(one.kind, "residual")] * int((~(largest_residual(found) < SOLVER)).sum())
        checked += len(chosen)
        programs[one.kind[0]] += len(found.beta)
        cold[one.kind[0]] += int(found.cold.sum())
    return programs, cold, checked, wrong


def largest_residual(found):
    some = found.status != UNBOUNDED
    return np.max([found.primal_residual[some], found.dual_residual[some], found.gap[some]], axis=0, initial=0.0)


def test_two_thousand_programs_of_every_kind():
    programs, cold, checked, wrong = fuzz([(1, i) for i in range(500)], 4)
    assert checked >= 1900
    assert set(programs) == set(DATA)
    assert wrong == []
    assert cold["continuous"] + cold["sizes"] + cold["duplicates"] == 0
    # Zeros bring directions that are none, and points that have nothing to start from.
    assert sum(cold.values()) - cold["zeros"] <= 1e-3 * sum(programs.values())


@pytest.mark.slow
def test_ten_thousand_programs_of_every_kind():
    programs, cold, checked, wrong = fuzz([(2, i) for i in range(3600)], 3)
    print({kind: (programs[kind], cold[kind]) for kind in DATA})  # noqa: T201
    assert checked >= 10_000
    assert wrong == []
    assert sum(cold.values()) - cold["zeros"] <= 1e-3 * sum(programs.values())
    assert cold["zeros"] <= 0.1 * programs["zeros"]


@pytest.mark.parametrize("seed", [429, 721, 886])
def test_points_that_come_back_to_themselves(seed):
    """Of these programs some need their own point again after it has left the basis; columns alone do not show it."""
    one = case(np.random.default_rng([0, seed]))
    found = solved(one)
    assert np.all(one.own == OWN) and found.cold.any()
    assert wrong_of(one, found, np.flatnonzero(found.cold)) == []


def test_published_scores():
    """Fried, Lovell and Schmidt's eleven units; their scores to the ten digits that are printed of them."""
    x, y = np.array(FLS_X, float), np.array(FLS_Y, float)[:, None]
    step = np.hstack([x, 0 * y])
    found = envelop(Technology(x, y, bounds_of("crs")), x, y, step, own=np.arange(11))
    known = [1, 0.6222896791, 0.8198562444, 1, 0.3103709311, 0.5555555556, 1, 0.7576690896, 0.8201058201, 0.4905660377]
    np.testing.assert_allclose(1 - found.beta, [*known, 1], atol=5e-11)
    np.testing.assert_allclose(found.slack[5], [4.444444444, 0, 0], atol=5e-9)
    found = envelop(Technology(x, y, bounds_of("vrs")), x, y, step, own=np.arange(11))
    known = [1, 0.8699861687, 1, 1, 0.7116402116, 1, 1, 1, 1, 0.4931209269, 1]
    np.testing.assert_allclose(1 - found.beta, known, atol=5e-11)
    found = envelop(Technology(x, y, bounds_of("crs")), x, y, np.hstack([x, y]), own=np.arange(11))
    known = [0, 0.232825, 0.098988, 0, 0.526285, 0.285714, 0, 0.137871, 0.098837, 0.341772, 0]
    np.testing.assert_allclose(found.beta, known, atol=5e-7)


def test_super_efficiency_of_six_units():
    """Bogetoft and Otto's example; one unit is beyond what the others can do with any input."""
    x, y = np.array([20, 40, 40, 60, 70, 50.0])[:, None], np.array([20, 30, 50, 40, 60, 20.0])[:, None]
    found = envelop(
        Technology(x, y, bounds_of("vrs")), x, y, np.hstack([x, 0 * y]), own=np.full(6, ARTIFICIAL),
        allowed=lambda some, low, high: some[:, None] != np.arange(low, high),
    )  # fmt: skip
    np.testing.assert_allclose(1 - found.beta, [2, 2 / 3, 1.4375, 5 / 9, np.nan, 0.4], atol=1e-12)
    assert found.status.tolist() == [OPTIMAL] * 4 + [INFEASIBLE, OPTIMAL]
    ray, ends = found.price[4], found.returns_price[4]
    others = np.arange(6) != 4
    assert np.all(ray >= 0) and abs(ray @ [70.0, 0.0]) < 1e-12
    assert np.all((x * ray[0] - y * ray[1] + ends)[others] >= -1e-12)
    assert 70 * ray[0] - 60 * ray[1] + ends[0] < -1e-3


def some_case(returns="vrs", towards="input", n=80, seed=0, data="continuous", goods=(3, 2)):
    rng = np.random.default_rng(seed)
    both = goods_of(data, rng, n, sum(goods))
    x, y = both[:, : goods[0]], both[:, goods[0] :]
    step = np.hstack([x, 0 * y]) if towards == "input" else np.hstack([0 * x, y])
    return x, y, step


def scores(x, y, step, returns, own=None, **options):
    own = np.arange(len(x)) if own is None else own
    return envelop(Technology(x, y, bounds_of(returns)), x, y, step, own=own, **options)


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs", "irs"])
@pytest.mark.parametrize("towards", ["input", "output"])
@pytest.mark.parametrize("data", ["continuous", "ties", "lognormal", "sizes"])
def test_units_of_measure_do_not_matter(returns, towards, data):
    x, y, step = some_case(returns, towards, data=data)
    rng = np.random.default_rng(3)
    there, here = 10.0 ** rng.uniform(-9, 9, 3), 10.0 ** rng.uniform(-9, 9, 2)
    plain = scores(x, y, step, returns)
    scaled = scores(x * there, y * here, step * np.append(there, here), returns)
    np.testing.assert_allclose(scaled.beta, plain.beta, rtol=1e-9, atol=1e-9)
    assert not plain.cold.any() and not scaled.cold.any()
    np.testing.assert_allclose((scaled.price * np.append(there, here) * step).sum(axis=1), 1.0, rtol=1e-9)


@pytest.mark.parametrize("returns", ["crs", "vrs", "irs"])
def test_order_copies_and_dominated_units_do_not_matter(returns):
    x, y, step = some_case(returns, data="ties", n=60)
    plain = scores(x, y, step, returns)
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_allclose(scores(x[order], y[order], step[order], returns).beta, plain.beta[order], atol=1e-12)
    more_x, more_y = np.vstack([x, x, 1.5 * x + 0.1]), np.vstack([y, y, 0.9 * y])
    more = scores(more_x, more_y, np.hstack([more_x, 0 * more_y]), returns)
    np.testing.assert_allclose(more.beta[:60], plain.beta, atol=1e-12)
    np.testing.assert_allclose(more.beta[60:120], plain.beta, atol=1e-12)
    assert np.all(more.beta[120:] > 0)


def test_more_units_never_raise_a_score():
    x, y, step = some_case(n=120)
    few = envelop(Technology(x[:60], y[:60], (1.0, 1.0)), x[:60], y[:60], step[:60], own=np.arange(60))
    assert np.all(scores(x, y, step, "vrs").beta[:60] >= few.beta - 1e-12)


def test_returns_are_nested():
    x, y, step = some_case()
    crs, vrs, drs, irs = (scores(x, y, step, returns).beta for returns in ("crs", "vrs", "drs", "irs"))
    np.testing.assert_allclose(np.minimum(crs, np.maximum(drs, irs)), np.maximum(drs, irs), atol=1e-12)
    np.testing.assert_allclose(np.minimum(drs, irs), vrs, atol=1e-9)
    assert np.all(crs >= vrs - 1e-12)


def test_vrs_input_scores_are_invariant_to_translation_of_outputs_only():
    x, y, step = some_case()
    plain = scores(x, y, step, "vrs").beta
    np.testing.assert_allclose(scores(x, y + [1e3, 5.0], step, "vrs").beta, plain, atol=1e-9)
    moved = x + [50.0, 0.0, 0.0]
    assert np.abs(scores(moved, y, np.hstack([moved, 0 * y]), "vrs").beta - plain).max() > 0.01
    assert np.abs(scores(x, y + [1e3, 5.0], step, "crs").beta - scores(x, y, step, "crs").beta).max() > 0.01


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-4, 1.0, 1e4, 1e7])
def test_small_and_large_points_are_solved_as_well_as_others(size):
    """Half of the units are of another size; among themselves they score as if the others were not there."""
    x, y, step = some_case(n=60)
    both_x, both_y = np.vstack([x, 3 * size * x]), np.vstack([y, size * y])
    both_step = np.hstack([both_x, 0 * both_y])
    found = scores(both_x, both_y, both_step, "vrs", own=np.arange(120))
    mask = np.add.outer(np.arange(120) // 60, -(np.arange(120) // 60)) == 0
    apart = scores(both_x, both_y, both_step, "vrs", allowed=lambda some, low, high: mask[some, low:high])
    np.testing.assert_allclose(apart.beta[:60], scores(x, y, step, "vrs").beta, atol=1e-9)
    np.testing.assert_allclose(apart.beta[60:], apart.beta[:60], atol=1e-9)
    for answer in (found, apart):
        assert largest_residual(answer).max() < SOLVER and not answer.cold.any()


def test_size_of_chunks_and_threads_do_not_matter(monkeypatch):
    x, y, step = some_case(n=150)
    plain = scores(x, y, step, "vrs")
    monkeypatch.setattr(envelopment, "CHUNK", 7)
    np.testing.assert_allclose(scores(x, y, step, "vrs").beta, plain.beta, atol=1e-13)
    masked = scores(x, y, step, "vrs", allowed=lambda some, low, high: some[:, None] % 3 == np.arange(low, high) % 3)
    monkeypatch.setattr(envelopment, "CHUNK", 1000)
    again = scores(x, y, step, "vrs", allowed=lambda some, low, high: some[:, None] % 3 == np.arange(low, high) % 3)
    np.testing.assert_allclose(masked.beta, again.beta, atol=1e-13)
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(scores(x, y, step, "vrs", run=pool.map).beta, plain.beta)


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_a_frame_holds_all_units_that_are_not_dominated(returns):
    x, y, step = some_case(n=4000, seed=5)
    technology = Technology(x, y, bounds_of(returns))
    frame = frame_of(technology, direction=step)
    plain = scores(x, y, step, returns)
    framed = scores(x, y, step, returns, frame=frame)
    assert set(np.flatnonzero(plain.beta < 1e-10)) <= set(frame)
    assert np.all(plain.beta[frame] < 1e-8)
    np.testing.assert_allclose(framed.beta, plain.beta, atol=1e-10)
    assert set(framed.peer[framed.weight > 1e-9]) <= set(frame)
    np.testing.assert_array_equal(frame_of(technology, direction=step, seed=1), frame)


def test_a_steep_frontier_keeps_its_units_in_the_frame():
    """The program of a point on a steep stretch is moved far by the small move that breaks its ties."""
    x = np.linspace(1.0, 2.0, 2600)[:, None]
    y = 1e3 + np.sqrt(x - 1.0)
    step = np.hstack([x, 0 * y])
    frame = frame_of(Technology(x, y, bounds_of("vrs")), direction=step)
    np.testing.assert_array_equal(frame, np.arange(2600))


def test_copies_of_a_unit_on_the_frontier_all_stay_in_the_frame():
    x, y, step = some_case(n=50)
    three = [np.vstack([part] * 3) for part in (x, y, step)]
    frame = frame_of(Technology(*three[:2], bounds_of("vrs")), direction=three[2])
    assert np.all(np.bincount(frame % 50)[np.unique(frame % 50)] == 3)


def test_one_unit_and_two():
    one = scores(np.array([[3.0]]), np.array([[2.0]]), np.array([[3.0, 0.0]]), "vrs")
    assert one.beta.tolist() == [0.0] and one.status.tolist() == [OPTIMAL]
    alone = scores(
        np.array([[3.0]]), np.array([[2.0]]), np.array([[3.0, 0.0]]), "vrs", own=np.array([ARTIFICIAL]),
        allowed=lambda some, low, high: np.zeros((len(some), high - low), dtype=bool),
    )  # fmt: skip
    assert alone.status.tolist() == [INFEASIBLE] and np.isnan(alone.beta[0])
    two = scores(np.array([[3.0], [6.0]]), np.array([[2.0], [2.0]]), np.array([[3.0, 0.0], [6.0, 0.0]]), "crs")
    np.testing.assert_allclose(two.beta, [0.0, 0.5], atol=1e-15)


def test_a_point_of_its_own_is_its_own_peer():
    x, y, _ = some_case(n=30)
    best_x, best_y = 0.1 * x[:1], 10 * y[:1]
    found = envelop(Technology(x, y, (1.0, 1.0)), best_x, best_y, np.hstack([best_x, 0 * best_y]), own=np.array([OWN]))
    assert abs(found.beta[0]) < 1e-12
    assert found.weight[found.peer == OWN].sum() == pytest.approx(1.0)


def test_nothing_bounds_what_costs_nothing():
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [1.0], [1.0]])
    found = scores(x, y, np.hstack([0 * x, y]), "crs")
    assert np.all(found.status == UNBOUNDED) and np.all(np.isnan(found.beta))
    still = scores(x + 1, y, np.zeros((3, 2)), "vrs")
    assert np.all(still.status == UNBOUNDED) and not still.cold.any()


def test_points_that_are_not_numbers_stay_without_an_answer_and_disturb_no_other():
    x, y, step = some_case(n=40)
    technology = Technology(x, y, (1.0, 1.0))
    plain = envelop(technology, x, y, step, own=np.arange(40))
    holed, less, strange = x.copy(), y.copy(), step.copy()
    holed[3], less[3], strange[5, 0] = np.nan, np.nan, np.inf
    found = envelop(technology, holed, less, strange, own=np.arange(40))
    others = ~np.isin(np.arange(40), [3, 5])
    np.testing.assert_allclose(found.beta[others], plain.beta[others], atol=1e-13)
    assert np.all(np.isnan(found.beta[~others])) and np.all(found.status[~others] == STALLED)
    assert not found.cold.any()
    with pytest.raises(DataError, match="finite"):
        Technology(holed, y, (1.0, 1.0))


def test_an_answer_without_proof_is_solved_again(monkeypatch):
    """A simplex that ends too early: what it says is not believed."""
    x, y, step = some_case(n=40)
    plain = scores(x, y, step, "vrs")
    real = envelopment.maximise

    def careless(columns, *args, **options):
        found = real(columns, *args, **options)
        found.dual[::2] *= 1.0 + 1e-6
        found.value[1::4, 1:] = 0.0
        found.value[3::8] *= 1.0 - 1e-6
        return found

    monkeypatch.setattr(envelopment, "maximise", careless)
    found = scores(x, y, step, "vrs")
    assert found.cold.sum() == 30
    np.testing.assert_allclose(found.beta, plain.beta, atol=1e-10)
    assert largest_residual(found).max() < SOLVER


def test_what_nobody_solves_is_said_to_be_unsolved(monkeypatch):
    x, y, step = some_case(n=20)
    real = envelopment.maximise

    def careless(columns, *args, **options):
        found = real(columns, *args, **options)
        found.dual[:5] = 0.0
        return found

    monkeypatch.setattr(envelopment, "maximise", careless)
    monkeypatch.setattr(envelopment, "solve_cold", lambda *_: None)
    found = scores(x, y, step, "vrs")
    assert np.all(found.status[:5] == STALLED) and np.all(np.isnan(found.beta[:5]))
    assert np.all(found.status[5:] == OPTIMAL)


@pytest.mark.parametrize("returns", ["crs", "vrs", "irs"])
@pytest.mark.parametrize("data", ["continuous", "ties", "zeros"])
def test_sets_of_reference_units(returns, data, monkeypatch):
    """Years, kinds, replicates: each point against its own set, in any order, in it or not, in pieces of any size."""
    x, y, step = some_case(n=90, data=data)
    rng = np.random.default_rng(8)
    sets = [np.sort(rng.choice(90, size, replace=False)) for size in (30, 5, 60, 1, 41)]
    member = rng.choice([0, 1, 2, 4], 90)
    inside = np.array([i in sets[j] for i, j in enumerate(member)])
    own = np.where(inside, np.arange(90), ARTIFICIAL)
    technology = Technology(x, y, bounds_of(returns))
    together = envelop(technology, x, y, step, own=own, sets=sets, member=member)
    assert {OPTIMAL} <= set(together.status) <= {OPTIMAL, INFEASIBLE} and largest_residual(together).max() < SOLVER
    belongs = np.array([np.isin(np.arange(90), sets[j]) for j in member])
    masked = envelop(technology, x, y, step, own=own, allowed=lambda some, low, high: belongs[some, low:high])
    np.testing.assert_array_equal(together.status, masked.status)
    np.testing.assert_allclose(together.beta, masked.beta, rtol=1e-9, atol=1e-9)
    for i, j in enumerate(member):
        peers = together.peer[i][together.weight[i] > 1e-9]
        assert np.isin(peers, sets[j]).all()
    for size, entries in ((7, 10**9), (1000, 300)):
        monkeypatch.setattr(envelopment, "CHUNK", size)
        monkeypatch.setattr(pieces, "_ENTRIES", entries)
        again = envelop(technology, x, y, step, own=own, sets=sets, member=member)
        np.testing.assert_allclose(again.beta, together.beta, atol=1e-12)
    outside = envelop(technology, x, y, step, own=np.where(inside, np.arange(90), OWN), sets=sets, member=member)
    known = outside.status == OPTIMAL
    expected = np.fmax(together.beta, np.where(inside, -np.inf, 0.0))
    np.testing.assert_allclose(outside.beta[known], expected[known], atol=1e-9)


def test_sets_that_are_none():
    x, y, step = some_case(n=20)
    technology, own = Technology(x, y, (1.0, 1.0)), np.arange(20)
    member = np.zeros(20, dtype=np.intp)
    for sets, kinds, message in (
        ([np.array([3, 2])], member, "ascending"),
        ([np.array([3, 20])], member, "from 0 to 19"),
        ([own], member + 1, "each member must be a set"),
        ([own], None, "go together"),
        ([own < 5], member, "whole numbers"),
        ([own.astype(float)], member, "whole numbers"),
        ([own], member[:5], "5 entries for 20 points"),
        ([], member, "no set"),
    ):
        with pytest.raises(SpecificationError, match=message):
            envelop(technology, x, y, step, own=own, sets=sets, member=kinds)
    with pytest.raises(SpecificationError, match="not with frame"):
        envelop(technology, x, y, step, own=own, sets=[own], member=member, frame=own)
    nobody = np.zeros(0, dtype=np.intp)
    alone = envelop(technology, x, y, step, own=np.full(20, OWN), sets=[nobody], member=member)
    np.testing.assert_allclose(alone.beta, 0.0, atol=1e-12)
    left = envelop(technology, x, y, step, own=np.full(20, ARTIFICIAL), sets=[nobody], member=member)
    assert set(left.status) == {INFEASIBLE}
    none = envelop(technology, x[:0], y[:0], step[:0], own=own[:0], sets=[own], member=member[:0])
    assert none.beta.shape == (0,) and none.peer.shape == (0, technology.rows)


@pytest.mark.parametrize("spread", [1e-3, 1e-5, 1e-6])
@pytest.mark.parametrize("flat", ["one", "inputs", "all"])
@pytest.mark.parametrize("towards", ["input", "output"])
def test_goods_that_hardly_differ(spread, flat, towards):
    """Bases of columns that are almost the same: small pivots, and values that rounding puts below zero."""
    rng = np.random.default_rng(1)
    goods = rng.uniform(1, 2, (300, 6))
    level = slice(0, {"one": 1, "inputs": 3, "all": 6}[flat])
    goods[:, level] = 1 + spread * (2 * goods[:, level] - 3)
    x, y = goods[:, :3], goods[:, 3:]
    step = np.hstack([x, 0 * y]) if towards == "input" else np.hstack([0 * x, y])
    for returns in ("crs", "vrs"):
        found = scores(x, y, step, returns)
        assert np.all(found.status == OPTIMAL) and largest_residual(found).max() < SOLVER
        assert not found.cold.any()
    # Under variable returns a constant can be taken from a good that does not move: the same scores, well conditioned.
    if flat == "one" and towards == "output":
        plain = np.hstack([(goods[:, :1] - 1 + spread) / spread + 1, goods[:, 1:3]])
        np.testing.assert_allclose(scores(plain, y, step, "vrs").beta, found.beta, atol=1e-7)


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs", "irs"])
@pytest.mark.parametrize("towards", ["input", "output"])
def test_replicates_of_a_point_are_where_it_begins(returns, towards):
    """A reference of units moved along their own directions: begun from there or from outside, the same answers."""
    x, y, step = some_case(returns, towards, n=50)
    rng = np.random.default_rng(2)
    pull = rng.uniform(0.7, 1.3, (4, 50, 1))
    moved = (x * pull, y * np.ones_like(pull)) if towards == "input" else (x * np.ones_like(pull), y * pull)
    pool = Technology(moved[0].reshape(-1, 3), moved[1].reshape(-1, 2), bounds_of(returns))
    many = [np.tile(part, (4, 1)) for part in (x, y, step)]
    places = {"sets": list(np.arange(200).reshape(4, 50)), "member": np.repeat(np.arange(4), 50)}
    inside = envelop(pool, *many, own=np.arange(200), **places)
    outside = envelop(pool, *many, own=np.full(200, ARTIFICIAL), **places)
    np.testing.assert_array_equal(inside.status, outside.status)
    assert set(inside.status) == {OPTIMAL} and inside.beta.min() < -0.01
    np.testing.assert_allclose(inside.beta, outside.beta, atol=1e-11)
    assert not inside.cold.any() and largest_residual(inside).max() < SOLVER


@pytest.mark.parametrize("spread", [1e-5, 1e-6])
def test_a_pivot_that_is_small_but_the_only_one(spread):
    """Unit 246 is worth 1e-8 more than the least in the flat good: without that pivot it has no answer at all."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(1, 2, (300, 3)), rng.uniform(1, 2, (300, 3))
    x[:, 0] = 1 + spread * rng.uniform(-1, 1, 300)
    found = scores(x, y, np.hstack([0 * x, y]), "vrs")
    assert np.all(found.status == OPTIMAL) and not found.cold.any()
    assert largest_residual(found).max() < SOLVER
