"""Technologies with trade-offs and with goods that have no free disposal: against programs as in a textbook."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.envelopment import envelop, frame_of
from benchmodels.kernels.faces import second_phase
from benchmodels.kernels.free_production import makes_of_nothing
from benchmodels.kernels.multipliers import price_ranges
from benchmodels.kernels.scale import productive_scale
from benchmodels.kernels.shared_simplex import OPTIMAL
from benchmodels.kernels.technology import Technology, bounds_of

SOLVED = 1e-8
MOVES = np.array([[1.0, -0.3, 0.0, 0.0], [-1.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.2, -1.0], [0.5, 0.0, 0.0, 0.01]])


def draws(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.lognormal(sigma=0.6, size=(n, 2))
    return x, rng.lognormal(sigma=0.5, size=(n, 2)) * np.sqrt(np.prod(x, axis=1))[:, None]


def plain(x, y, returns, point, step, *, moves, strict):
    """Return the steps to the frontier by the envelopment program, rows as they are written."""
    n, m, s, t = len(x), x.shape[1], y.shape[1], len(moves)
    low, high = bounds_of(returns)
    rows = np.zeros((m + s, 1 + n + t))
    rows[:, 0] = step
    rows[:m, 1 : 1 + n], rows[m:, 1 : 1 + n] = x.T, -y.T
    rows[:m, 1 + n :], rows[m:, 1 + n :] = moves[:, :m].T, -moves[:, m:].T
    target = np.concatenate([point[:m], -point[m:]])
    total = np.concatenate([[0.0], np.ones(n), np.zeros(t)])
    body = [rows[~strict], total[None], -total[None]]
    ends = [target[~strict], [min(high, 1e9)], [-low]]
    found = linprog(
        -np.eye(1 + n + t)[0], A_ub=np.vstack(body), b_ub=np.concatenate(ends),
        A_eq=rows[strict] if strict.any() else None, b_eq=target[strict] if strict.any() else None,
        bounds=[(None, None)] + [(0, None)] * (n + t),
    )  # fmt: skip
    return -found.fun if found.status == 0 else np.nan


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs", "irs"])
@pytest.mark.parametrize("strict", [[], [1], [0, 1], [1, 3], [0, 1, 3]])
@pytest.mark.parametrize("t", [0, 4])
def test_envelopment(returns, strict, t):
    x, y = draws(30)
    closed = np.isin(np.arange(4), strict)
    moves = MOVES[:t]
    technology = Technology(x, y, bounds_of(returns), moves=moves if t else None, strict=closed)
    step = np.concatenate([x, 0.3 * y], axis=1)
    own = np.arange(30)
    found = envelop(technology, x, y, step, own=own)
    goods = np.concatenate([x, y], axis=1)
    want = [plain(x, y, returns, goods[i], step[i], moves=moves, strict=closed) for i in range(30)]
    assert (found.status == OPTIMAL).all()
    np.testing.assert_allclose(found.beta, want, atol=SOLVED)
    assert np.all(found.slack[:, closed] == 0.0)
    assert found.peer.max() < 30
    assert max(found.primal_residual.max(), found.dual_residual.max(), found.gap.max()) <= 1e-9
    # A point can start at itself where at most two rows have no slack, and a step tells these two apart.
    bare = len(strict) + (returns == "vrs")
    assert found.cold.any() == (bare > 2 or strict == [0, 1])


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_largest_slacks_and_prices_of_a_strict_good(returns):
    x, y = draws(30, 5)
    closed = np.array([False, True, False, False])
    technology = Technology(x, y, bounds_of(returns), moves=MOVES[2:3], strict=closed)
    step, own = np.concatenate([x, 0.0 * y], axis=1), np.arange(30)
    given = technology, x, y, step, envelop(technology, x, y, step, own=own)
    phase = second_phase(*given, own=own)
    assert (phase.status == OPTIMAL).all()
    assert np.all(phase.slack[:, 1] == 0.0)
    assert phase.possible.max() < 30
    assert phase.peer.max() < 30
    # Largest slack straight from its program.
    scale, moved = technology.scale, np.concatenate([x, y], axis=1) * 1.0
    moved[:, :2] -= given[4].beta[:, None] * x
    for i in range(30):
        body = np.zeros((4 + (returns == "vrs"), 30 + 1 + 3))
        body[:2, :30], body[2:4, :30], body[:, 30] = x.T, -y.T, 0.0
        body[2:4, 30] = -MOVES[2, 2:]
        body[[0, 2, 3], [31, 32, 33]] = 1.0
        body[4:, :30] = 1.0
        target = np.concatenate([moved[i, :2], -moved[i, 2:], [1.0] * (returns == "vrs")])
        target[:4] += 1e-9 * scale * ~closed
        gain = np.concatenate([np.zeros(31), 1.0 / scale[[0, 2, 3]]])
        found = linprog(-gain, A_eq=body, b_eq=target)
        if found.status == 0:
            assert -found.fun == pytest.approx(phase.slack[i] @ (1.0 / scale), abs=1e-6)
    ranges = price_ranges(*given, own=own)
    price = given[4].price
    assert np.all((ranges.lower <= price + 1e-7) & (price <= ranges.upper + 1e-7))
    assert (price[:, 1] < -1e-6).any()
    assert (price[:, 1] > 1e-6).any()


def test_a_frame_and_sets_carry_trade_offs():
    x, y = draws(60, 2)
    technology = Technology(x, y, (1.0, 1.0), moves=MOVES)
    step, own = np.concatenate([x, 0.0 * y], axis=1), np.arange(60)
    want = envelop(technology, x, y, step, own=own)
    frame = frame_of(technology, direction=step)
    assert len(frame) < 60
    assert frame.max() < 60
    np.testing.assert_allclose(envelop(technology, x, y, step, own=own, frame=frame).beta, want.beta, atol=1e-9)
    # A set names the trade-offs that it has.
    sets = [np.arange(64), np.concatenate([np.arange(60), [60, 62]]), np.arange(60)]
    for j, taken in enumerate((MOVES, MOVES[[0, 2]], None)):
        alone = envelop(Technology(x, y, (1.0, 1.0), moves=taken), x, y, step, own=own)
        both = envelop(technology, x, y, step, own=own, sets=sets, member=np.full(60, j))
        np.testing.assert_allclose(both.beta, alone.beta, atol=1e-9)
        assert both.peer.max() < 60


def test_what_is_refused():
    x, y = draws(5)
    for moves, told in ((np.ones((2, 3)), "shape"), (np.full((1, 4), np.nan), "finite"), (np.zeros((1, 4)), "nothing")):
        with pytest.raises(DataError, match=told):
            Technology(x, y, (1.0, 1.0), moves=moves)
    for strict in (np.zeros(3, dtype=bool), np.ones(4, dtype=bool)):
        with pytest.raises(DataError, match="strict"):
            Technology(x, y, (1.0, 1.0), strict=strict)
    technology = Technology(x, y, (0.0, np.inf), moves=MOVES[:1])
    step = np.concatenate([x, 0.0 * y], axis=1)
    found = envelop(technology, x, y, step, own=np.arange(5))
    with pytest.raises(SpecificationError, match="without trade-offs"):
        productive_scale(technology, x, y, step, found, own=np.arange(5))


def test_something_of_nothing_against_its_own_program():
    """The largest sum of outputs, each at most one, that need no input: above zero or not."""
    rng = np.random.default_rng(8)
    met = set()
    for seed in range(60):
        x, y = draws(12, seed)
        moves = rng.normal(size=(rng.integers(1, 4), 4)) * [1, 1, 0.5, 0.5]
        if seed % 2:
            moves[:, 2 if seed % 4 == 1 else 0 :][:, :2] = 0.0
            moves = moves[moves.any(axis=1)]
        for returns in ("crs", "vrs", "drs", "irs"):
            low, high = bounds_of(returns)
            t, total = len(moves), np.concatenate([np.ones(12), np.zeros(len(moves) + 2)])
            rows = np.zeros((4, 12 + t + 2))
            rows[:2, :12], rows[2:, :12] = x.T, -y.T
            rows[:2, 12:-2], rows[2:, 12:-2] = moves[:, :2].T, -moves[:, 2:].T
            rows[2:, -2:] = np.eye(2)
            made = 0.0
            for least, most in ((low, high), (0.0, 0.0)):
                found = linprog(
                    -np.eye(12 + t + 2)[-1] - np.eye(12 + t + 2)[-2],
                    A_ub=np.vstack([rows, total, -total]), b_ub=[0.0] * 4 + [min(most, 1e9), -least],
                    bounds=[(0, None)] * (12 + t) + [(0, 1)] * 2,
                )  # fmt: skip
                made = max(made, -found.fun if found.status == 0 else 0.0)
            got = makes_of_nothing(Technology(x, y, bounds_of(returns), moves=moves))[0]
            assert got == (made > 1e-6), (seed, returns, made)
            met.add((bool(got), seed % 2))
    assert len(met) == 4
