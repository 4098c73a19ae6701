"""The largest weighted slacks, against plain programs and by certificates, where figures are tied or far apart."""

import numpy as np
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.kernels import additive as module
from benchmodels.kernels.additive import largest_slacks
from benchmodels.kernels.bounded_simplex import maximise_bounded
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, OWN, STALLED
from benchmodels.kernels.technology import Technology, bounds_of
from tests import plain_measures

# HiGHS in the oracle: 1e-7 in absolute terms on rows of order 1.
SOLVER = 1e-6
CERTIFIED = 1e-9
RETURNS = ("vrs", "crs", "drs", "irs", (0.5, 1.5))
KINDS = ("smooth", "whole", "zeros", "wide", "units", "twins", "close")


def goods(kind, rng, n=30, m=2, s=2):
    if kind == "whole":
        return rng.integers(1, 10, (n, m)).astype(float), rng.integers(1, 10, (n, s)).astype(float)
    if kind == "zeros":
        x, y = rng.integers(0, 4, (n, m)).astype(float), rng.integers(0, 4, (n, s)).astype(float)
        x[:, 0] += 1
        y[:, 0] += 1
        return x, y
    if kind == "close":
        return np.exp(rng.normal(0, 1e-3, (n, m))), np.exp(rng.normal(0, 1e-3, (n, s)))
    spread = 2.0 if kind == "wide" else 0.5
    x, y = rng.lognormal(0, spread, (n, m)), rng.lognormal(0, spread, (n, s))
    if kind == "units":
        x, y = x * 10.0 ** rng.uniform(-9, 9, m), y * 10.0 ** rng.uniform(-9, 9, s)
    if kind == "twins":
        x, y = np.round(np.tile(x[: n // 2], (2, 1)), 1) + 0.1, np.round(np.tile(y[: n // 2], (2, 1)), 1) + 0.1
    return x, y


def of_own(x, y):
    whole = np.column_stack([x, y])
    return np.divide(1.0, whole, out=np.zeros_like(whole), where=whole > 0)


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("kind", KINDS)
def test_plain_programs(kind, returns):
    rng = np.random.default_rng([KINDS.index(kind), RETURNS.index(returns)])
    x, y = goods(kind, rng)
    n, whole = len(x), np.column_stack([x, y])
    technology = Technology(x, y, bounds_of(returns))
    some = rng.random((n, n)) < 0.6
    some[np.arange(n), np.arange(n)] = True
    # A bound of no slack at all, of some, and one that is too far out to matter.
    bound = whole * rng.choice([0.0, 0.1, 0.5, 50.0], whole.shape)
    weights = {
        "own": of_own(x, y), "mean": np.broadcast_to(1 / whole.mean(axis=0) * [0.0, 1.0, 2.0, 1.0], whole.shape)
    }  # fmt: skip
    for weight in weights.values():
        for upper, mask in ((None, None), (bound, None), (None, some), (bound, some)):
            allowed = None if mask is None else lambda at, low, high: some[at, low:high]
            found = largest_slacks(technology, x, y, weight, own=np.arange(n), upper=upper, allowed=allowed)
            assert np.all(found.status == OPTIMAL)
            for residual in (found.primal_residual, found.dual_residual, found.gap):
                assert residual.max() <= CERTIFIED
            for i in range(0, n, 6):
                held = np.arange(n) if mask is None else np.flatnonzero(some[i])
                top = None if upper is None else upper[i]
                wanted = plain_measures.additive(x[held], y[held], x[i], y[i], weight[i], returns, top)
                np.testing.assert_allclose(found.total[i], wanted, rtol=SOLVER, atol=SOLVER)


@pytest.mark.parametrize("returns", RETURNS)
def test_what_is_found_is_met_by_the_peers(returns):
    x, y = goods("smooth", np.random.default_rng(3), n=60, m=3)
    found = largest_slacks(Technology(x, y, bounds_of(returns)), x, y, of_own(x, y), own=np.arange(60))
    held = np.where(found.peer >= 0, found.weight, 0.0)
    np.testing.assert_allclose(np.einsum("kd,kdm->km", held, x[found.peer]), x - found.slack[:, :3], rtol=1e-12)
    np.testing.assert_allclose(np.einsum("kd,kdm->km", held, y[found.peer]), y + found.slack[:, 3:], rtol=1e-12)
    low, high = bounds_of(returns)
    assert np.all((held.sum(axis=1) >= low - 1e-12) & (held.sum(axis=1) <= high + 1e-12))
    # Prices are no less than weights, and by them no unit is worth less than nothing.
    assert np.all(found.price >= of_own(x, y) * (1 - 1e-9))


@pytest.mark.parametrize("returns", RETURNS)
def test_points_that_are_none_of_the_units(returns):
    rng = np.random.default_rng(4)
    x, y = goods("smooth", rng)
    at, out = x * 1.2, y[rng.permutation(len(y))]
    technology, weight = Technology(x, y, bounds_of(returns)), 1 / np.column_stack([x, y]).mean(axis=0)
    found = largest_slacks(technology, at, out, weight, own=np.full(len(x), ARTIFICIAL))
    wanted = [plain_measures.additive(x, y, a, b, weight, returns) for a, b in zip(at, out, strict=True)]
    np.testing.assert_array_equal(found.status == INFEASIBLE, np.isnan(wanted))
    assert 0 < np.isnan(wanted).sum() < len(x) or returns == "crs"
    np.testing.assert_allclose(found.total, wanted, rtol=SOLVER, atol=SOLVER)


def test_no_unit_stands_in_the_way_of_a_proof():
    x, y = np.array([[1.0], [2.0]]), np.array([[1.0], [2.0]])
    technology = Technology(x, y, (1.0, 1.0))

    def nobody(at, low, high):
        return np.zeros((len(at), high - low), dtype=bool)

    found = largest_slacks(technology, x, y, np.ones(2), own=np.full(2, ARTIFICIAL), allowed=nobody)
    assert found.status.tolist() == [INFEASIBLE, INFEASIBLE]
    assert np.isnan(found.total).all() and np.isnan(found.slack).all() and np.all(found.peer == -1)


def test_what_stalls_is_solved_one_by_one(monkeypatch):
    rng = np.random.default_rng(5)
    x, y = goods("smooth", rng)
    n = len(x)
    upper, weight = np.column_stack([x, y]) * rng.choice([0.1, 1.0], (n, 4)), of_own(x, y)
    at = np.where(np.arange(n)[:, None] % 2 > 0, x, 0.3 * x)
    options = {"own": np.full(n, ARTIFICIAL), "upper": upper}
    warm = largest_slacks(Technology(x, y, (1.0, 1.0)), at, y, weight, **options)

    def stalling(programs):
        found = maximise_bounded(programs)
        found.status[:] = STALLED
        return found

    monkeypatch.setattr(module, "maximise_bounded", stalling)
    cold = largest_slacks(Technology(x, y, (1.0, 1.0)), at, y, weight, **options)
    assert cold.cold.all() and not warm.cold.any()
    np.testing.assert_array_equal(cold.status, warm.status)
    assert {OPTIMAL, INFEASIBLE} == set(cold.status.tolist())
    np.testing.assert_allclose(cold.total, warm.total, rtol=1e-9, atol=1e-9)


def test_what_is_not_solved_is_no_number(monkeypatch):
    x, y = goods("smooth", np.random.default_rng(6))

    def wrong(programs):
        found = maximise_bounded(programs)
        found.slack[:] *= 1.5
        return found

    monkeypatch.setattr(module, "maximise_bounded", wrong)
    monkeypatch.setattr(module, "_solve_cold", lambda *arguments: None)
    found = largest_slacks(Technology(x, y, (1.0, 1.0)), x, y, np.ones(4), own=np.arange(len(x)))
    lost = found.status == STALLED
    assert lost.any() and np.all(np.isnan(found.total) == lost)


def test_units_of_measure_and_the_order_of_rows():
    rng = np.random.default_rng(7)
    x, y = goods("smooth", rng, n=50)
    factor = 10.0 ** np.array([9.0, -9.0, 6.0, -3.0])
    weight, order = of_own(x, y), rng.permutation(50)
    first = largest_slacks(Technology(x, y, (1.0, 1.0)), x, y, weight, own=np.arange(50))
    a, b = x * factor[:2], y * factor[2:]
    scaled = largest_slacks(Technology(a, b, (1.0, 1.0)), a, b, weight / factor, own=np.arange(50))
    np.testing.assert_allclose(scaled.total, first.total, rtol=1e-10, atol=1e-12)
    x, y = x[order], y[order]
    shuffled = largest_slacks(Technology(x, y, (1.0, 1.0)), x, y, weight[order], own=np.arange(50))
    np.testing.assert_allclose(shuffled.total, first.total[order], rtol=1e-10, atol=1e-12)


def test_many_units_in_blocks_and_chunks():
    x, y = goods("smooth", np.random.default_rng(8), n=1200, m=3)
    found = largest_slacks(Technology(x, y, (1.0, 1.0)), x, y, of_own(x, y), own=np.arange(1200))
    assert np.all(found.status == OPTIMAL)
    for i in (0, 1, 999, 1000, 1199):
        wanted = plain_measures.additive(x, y, x[i], y[i], of_own(x, y)[i], "vrs")
        np.testing.assert_allclose(found.total[i], wanted, rtol=SOLVER, atol=SOLVER)


def test_bounds_beyond_reach_do_not_matter():
    x, y = goods("zeros", np.random.default_rng([2, 1]))
    technology, weight = Technology(x, y, bounds_of("crs")), np.array([0.0, 1.0, 2.0, 1.0])
    free = largest_slacks(technology, x, y, weight, own=np.arange(len(x)))
    far = largest_slacks(technology, x, y, weight, own=np.arange(len(x)), upper=np.full(4, 1e9))
    assert np.all(far.status == OPTIMAL)
    np.testing.assert_allclose(far.total, free.total, rtol=1e-10)


def test_nothing_counts():
    x, y = goods("smooth", np.random.default_rng(9))
    found = largest_slacks(Technology(x, y, (1.0, 1.0)), x, y, np.zeros(4), own=np.arange(len(x)))
    assert np.all(found.total == 0) and np.all(found.status == OPTIMAL)


def test_a_point_that_is_no_number_has_no_answer():
    x, y = goods("smooth", np.random.default_rng(10))
    at = x.copy()
    at[0, 0] = np.nan
    found = largest_slacks(Technology(x, y, (1.0, 1.0)), at, y, np.ones(4), own=np.arange(len(x)))
    assert found.status[0] == STALLED and np.isnan(found.total[0])
    assert np.all(found.status[1:] == OPTIMAL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": -np.ones(4)}, "weights must be zero or more and finite"),
        ({"weights": np.full(4, np.inf)}, "weights must be zero or more and finite"),
        ({"weights": np.ones(3)}, "weights has shape"),
        ({"upper": -np.ones(4)}, "upper must be zero or more"),
        ({"upper": np.full(4, np.nan)}, "upper must be zero or more"),
        ({"own": np.full(30, OWN)}, "must be a reference unit"),
    ],
)
def test_what_cannot_be_meant(change, message):
    x, y = goods("smooth", np.random.default_rng(11))
    options = {"weights": np.ones(4), "own": np.arange(30)} | change
    with pytest.raises(SpecificationError, match=message):
        largest_slacks(Technology(x, y, (1.0, 1.0)), x, y, options.pop("weights"), **options)
