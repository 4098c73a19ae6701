"""Programs that share their columns end where each ends by itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmodels.kernels import shared_simplex
from benchmodels.kernels.shared_simplex import (
    ARTIFICIAL,
    BETA,
    INFEASIBLE,
    OPTIMAL,
    OWN,
    STALLED,
    UNBOUNDED,
    Columns,
    maximise,
)  # fmt: skip
from benchmodels.kernels.technology import Technology


def programs(n=700, d=5, seed=0, whole=False):
    """Return n points of which each is a column, and slacks: inputs up to the row before the last, which is Σλ."""
    rng = np.random.default_rng(seed)
    body = rng.integers(1, 4, (d, n)).astype(float) if whole else rng.uniform(0.2, 2.0, (d, n))
    body[-2] *= -1.0
    body[-1] = 1.0
    direction = body.T.copy()
    direction[:, -2:] = 0.0
    return Columns(body, np.eye(d)[:, :-1]), body.T.copy(), direction


def plain(columns, point, direction, usable):
    body = np.column_stack([columns.matrix[:, usable], columns.slacks, direction])
    cost = np.zeros(body.shape[1])
    cost[-1] = -1.0
    limits = [(0, None)] * (len(cost) - 1) + [(None, None)]
    found = linprog(cost, A_eq=body, b_eq=point, bounds=limits, method="highs-ds")
    return (OPTIMAL, -found.fun) if found.status == 0 else (INFEASIBLE if found.status == 2 else UNBOUNDED, np.nan)


@pytest.mark.parametrize("whole", [False, True])
def test_as_one_by_one(whole):
    columns, point, direction = programs(whole=whole)
    assert len(columns.blocks) == 3
    found = maximise(columns, point, direction, start=point, own=np.arange(700))
    assert np.all(found.status == OPTIMAL)
    for i in range(0, 700, 25):
        assert found.beta[i] == pytest.approx(plain(columns, point[i], direction[i], slice(None))[1], abs=1e-9)
    basis = columns.basis(found.code, direction, point)
    np.testing.assert_allclose(np.matmul(basis, found.value[:, :, None])[:, :, 0], point, atol=1e-12)
    assert found.value[:, 1:].min() >= -1e-12
    np.testing.assert_allclose((found.dual * point).sum(axis=1), found.beta, atol=1e-12)
    np.testing.assert_allclose((found.dual * direction).sum(axis=1), 1.0, atol=1e-12)
    assert (found.dual @ columns.matrix).min() >= -1e-11 and (found.dual @ columns.slacks).min() >= -1e-11
    assert np.all(found.code[:, 0] == BETA)


def test_without_itself_with_a_mask_of_every_block():
    columns, point, direction = programs(n=600, d=4)
    mask = np.random.default_rng(1).uniform(size=(600, 600)) < 0.02
    np.fill_diagonal(mask, False)
    found = maximise(
        columns, point, direction, start=point, own=np.full(600, ARTIFICIAL),
        allowed=lambda some, low, high: mask[some, low:high],
    )  # fmt: skip
    assert set(found.status) == {OPTIMAL, INFEASIBLE}
    for i in range(0, 600, 20):
        status, beta = plain(columns, point[i], direction[i], mask[i])
        assert found.status[i] == status
        assert found.beta[i] == pytest.approx(beta, abs=1e-9, nan_ok=True)
    for i in np.flatnonzero(found.status == INFEASIBLE):
        ray = found.dual[i]
        assert (ray @ columns.matrix[:, mask[i]]).min() >= -1e-10 and (ray @ columns.slacks).min() >= -1e-10
        assert abs(ray @ direction[i]) < 1e-10 and ray @ point[i] < -1e-8


def test_a_program_may_end_when_it_has_come_far_enough():
    columns, point, direction = programs()
    whole = maximise(columns, point, direction, start=point, own=np.arange(700))
    early = maximise(columns, point, direction, start=point, own=np.arange(700), enough=1e-3)
    ended = early.status == STALLED
    assert ended.sum() > 400 and early.pivots.sum() < 0.7 * whole.pivots.sum()
    assert np.all(early.beta[ended] > 1e-3) and np.all(early.beta[ended] <= whole.beta[ended] + 1e-12)
    assert early.value[ended, 1:].min() >= -1e-12
    np.testing.assert_allclose(early.beta[~ended], whole.beta[~ended], atol=1e-12)
    assert np.all(ended[whole.beta > 1e-3].mean() > 0.9)


def steep(n):
    """Return n points on a frontier where a little more output takes much more input."""
    x = np.linspace(1.0, 2.0, n)
    body = np.vstack([x, -1.0 - 1e-3 * np.sqrt(x - 1.0), np.ones(n)])
    return Columns(body, np.eye(3)[:, :2]), body.T.copy(), body.T * [1.0, 0.0, 0.0]


def test_far_enough_is_judged_at_the_point_itself(monkeypatch):
    """On a steep stretch a small move of the point moves β far; what ends is still what has come so far."""
    monkeypatch.setattr(shared_simplex, "_MOVED", 1e-4)
    columns, point, direction = steep(300)
    found = maximise(columns, point, direction, start=point, own=np.arange(300), enough=1e-6)
    assert np.nanmax(found.beta) < 1e-9


def test_a_start_that_has_no_column_and_one_that_cannot_begin():
    columns, point, direction = programs(n=50)
    outside = point[:3] * [0.05, 0.05, 0.05, 40.0, 1.0]
    step = direction[:3].copy()
    step[2] = 0.0
    found = maximise(columns, outside, step, start=outside, own=np.full(3, OWN))
    assert found.status.tolist() == [OPTIMAL, OPTIMAL, STALLED]
    np.testing.assert_allclose(found.beta, [0.0, 0.0, np.nan], atol=1e-12)
    assert np.all((found.code[:2] == OWN).sum(axis=1) == 1)


def test_what_is_unbounded_and_what_only_seems_to_be():
    """A pivot is judged by its own terms: columns of 1e-9 are as good as others."""
    free = Columns(np.array([[0.0, 1.0], [-1.0, -1.0]]), np.eye(2))
    point, direction = np.array([[1.0, -1.0]]), np.array([[0.0, 1.0]])
    found = maximise(free, point, direction, start=point, own=np.array([1]))
    assert found.status.tolist() == [UNBOUNDED] and np.isnan(found.beta[0])
    small = 1e-9 * np.array([[1.0, 2.0, 3.0], [-1.0, -3.0, -3.5], [0.0, 0.0, 0.0]])
    small[2] = 1.0
    columns = Columns(small, np.eye(3)[:, :2])
    step = np.zeros((3, 3))
    step[:, 0] = small[0]
    others = ~np.eye(3, dtype=bool)
    found = maximise(
        columns, small.T, step, start=small.T, own=np.full(3, ARTIFICIAL),
        allowed=lambda some, low, high: others[some, low:high],
    )  # fmt: skip
    assert found.status.tolist() == [OPTIMAL, OPTIMAL, INFEASIBLE]
    np.testing.assert_allclose(found.beta[:2], [-1.0, -0.3], atol=1e-9)


def test_points_moved_far_are_moved_back(monkeypatch):
    """So far that most bases do not fit the points themselves any more, and dual steps have to make them."""
    columns, point, direction = steep(200)
    monkeypatch.setattr(shared_simplex, "_MOVED", 1e-5)
    steps = []
    real = shared_simplex.dual_steps
    monkeypatch.setattr(shared_simplex, "dual_steps", lambda *args: steps.append(len(args[3])) or real(*args))
    found = maximise(columns, point, direction, start=point, own=np.arange(200))
    assert steps and steps[0] > 100
    solved = found.status == OPTIMAL
    assert solved.mean() > 0.9
    np.testing.assert_allclose(found.beta[solved], 0.0, atol=1e-10)
    assert np.all(np.isnan(found.beta[~solved]))


def test_no_programs_and_no_columns():
    columns, point, direction = programs(n=20)
    none = maximise(columns, point[:0], direction[:0], start=point[:0], own=np.zeros(0, dtype=np.intp))
    assert none.beta.shape == (0,) and none.code.shape == (0, 5)
    empty = Columns(np.zeros((5, 0)), columns.slacks)
    alone = maximise(empty, point, direction, start=point, own=np.full(20, OWN))
    np.testing.assert_allclose(alone.beta, 0.0, atol=1e-12)
    alone = maximise(empty, point, direction, start=point, own=np.full(20, ARTIFICIAL))
    assert np.all(alone.status == INFEASIBLE)


@pytest.mark.parametrize(("price", "enters"), [(-4.3e-12, False), (-1e-8, True), (-1e-3, True)])
def test_rounding_in_an_inverse_is_not_taken_for_a_gain(price, enters):
    """A small reduced cost is held against what the point is worth, not against the largest price.

    Lognormal goods with a standard deviation of 3 had a price of 4.3e-12 left of -3e4 after a pivot, where it was zero;
    held against the largest price, 0.18, it entered, and nothing was there to stop it: unbounded, so it seemed.
    """
    columns = Columns(np.zeros((3, 0)), np.eye(3)[:, :2])
    inverse = np.array([[0.0] * 3, [0.0] * 3, [-price, -0.021, -0.184]])
    zero = np.zeros(1, dtype=np.intp)
    running = shared_simplex._Running(
        program=zero, member=zero, first=np.array([True]), code=np.array([[BETA], [0], [ARTIFICIAL]]),
        table=np.column_stack([inverse, np.ones(3)])[:, :, None], clean=zero.copy(), pivots=zero,
    )  # fmt: skip
    size = np.array([[1e-5, 56.0, 1.0]])
    found = shared_simplex._priced(running, columns.blocks[0], 1, size, None)
    assert (found[0] == 0) == enters


@pytest.mark.parametrize("seed", [39, 143])
def test_points_far_below_the_average_that_cannot_be_met(seed):
    rng = np.random.default_rng([9, seed])
    n, m, s = int(rng.integers(5, 120)), int(rng.integers(1, 5)), int(rng.integers(1, 4))
    x, y = np.exp(rng.normal(0, 3, (n, m))), np.exp(rng.normal(0, 3, (n, s)))
    technology = Technology(x, y, (1.0, 1.0))
    point, start, step = technology.point(x, y, np.hstack([x, 0 * y]))
    others = ~np.eye(n, dtype=bool)
    found = maximise(
        technology.columns, point, step, start=start, own=np.full(n, ARTIFICIAL),
        allowed=lambda some, low, high: others[some, low:high],
    )  # fmt: skip
    assert set(found.status) == {OPTIMAL, INFEASIBLE}
    for i in np.flatnonzero(found.status == INFEASIBLE):
        assert found.dual[i] @ point[i] < 0
        assert np.min(found.dual[i] @ technology.columns.matrix[:, others[i]]) >= -1e-10 * np.abs(found.dual[i]).max()


@pytest.mark.parametrize("masked", [False, True])
def test_sets_of_columns_are_solved_as_each_by_itself(masked):
    """Three sets of different sizes, filled up with zeros, of which one has no program at all."""
    many = [(n, *programs(n=n, d=5, seed=n)) for n in (300, 20, 40, 290)]
    matrix = np.zeros((4, 5, 300))
    for j, (n, columns, _, _) in enumerate(many):
        matrix[j, :, :n] = columns.matrix
    asked = [(j, *one) for j, one in enumerate(many) if j != 1]
    member = np.concatenate([np.full(n, j) for j, n, *_ in asked])
    point, direction = (np.concatenate([one[at] for one in asked]) for at in (3, 4))
    own = np.concatenate([np.arange(n) for _, n, *_ in asked])
    left_out = None
    if masked:
        left_out = lambda some, low, high: own[some, None] != np.arange(low, high)  # noqa: E731
    together = maximise(
        Columns(matrix, columns.slacks), point, direction, start=point, member=member,
        own=np.full(len(own), ARTIFICIAL) if masked else own, allowed=left_out,
    )  # fmt: skip
    for j, n, columns, b, g in asked:
        others = ~np.eye(n, dtype=bool)
        alone = maximise(
            columns, b, g, start=b, own=np.full(n, ARTIFICIAL) if masked else np.arange(n),
            allowed=(lambda some, low, high, others=others: others[some, low:high]) if masked else None,
        )  # fmt: skip
        of_set = member == j
        np.testing.assert_array_equal(together.status[of_set], alone.status)
        np.testing.assert_allclose(together.beta[of_set], alone.beta, atol=1e-12)
        np.testing.assert_allclose(together.dual[of_set], alone.dual, atol=1e-9)
        assert together.code[of_set].max() < 300 + 4
    assert set(together.status) == ({OPTIMAL, INFEASIBLE} if masked else {OPTIMAL})


def test_inverses_made_anew_change_nothing_but_rounding(monkeypatch):
    columns, point, direction = programs()
    plain = maximise(columns, point, direction, start=point, own=np.arange(700))
    monkeypatch.setattr(shared_simplex, "_FRESH", 3)
    calls = []
    real = shared_simplex._refreshed

    def spied(running, *rest):
        before = running.table.copy()
        real(running, *rest)
        calls.append(np.abs(running.table - before).max())

    monkeypatch.setattr(shared_simplex, "_refreshed", spied)
    fresh = maximise(columns, point, direction, start=point, own=np.arange(700))
    np.testing.assert_allclose(fresh.beta, plain.beta, atol=1e-12)
    assert len(calls) > 5 and 0 < max(calls) < 1e-8
