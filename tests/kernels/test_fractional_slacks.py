"""The least ratio of slacks, against the fractional program made linear by Charnes and Cooper's change of variables."""

import numpy as np
import pytest

from benchmodels.kernels import fractional_slacks as module
from benchmodels.kernels.additive import largest_slacks
from benchmodels.kernels.fractional_slacks import least_ratio
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, STALLED
from benchmodels.kernels.technology import Technology, bounds_of
from tests import plain_measures

SOLVER = 1e-7
CERTIFIED = 1e-9
RETURNS = ("vrs", "crs", "drs", "irs", (0.8, 1.2))


def problem(n=40, m=3, s=2, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.lognormal(0, 0.6, (n, m)), rng.lognormal(0, 0.6, (n, s))
    return x, y, np.column_stack([1 / x / m, 0 * y]), np.column_stack([0 * x, 1 / y / s])


@pytest.mark.parametrize("returns", RETURNS)
def test_charnes_and_cooper(returns):
    x, y, saved, added = problem()
    found = least_ratio(Technology(x, y, bounds_of(returns)), x, y, saved, added, own=np.arange(40))
    assert np.all(found.status == OPTIMAL) and found.gap.max() <= CERTIFIED and found.rounds.max() <= 6
    wanted = [plain_measures.slacks_based(x, y, *point, returns) for point in zip(x, y, strict=True)]
    np.testing.assert_allclose(found.ratio, wanted, rtol=SOLVER)
    slack = found.found.slack
    kept = (1 - (saved * slack).sum(axis=1)) / (1 + (added * slack).sum(axis=1))
    np.testing.assert_allclose(kept, found.ratio, rtol=1e-12)


@pytest.mark.parametrize("side", ["saved", "added"])
def test_one_side_is_one_round(side):
    x, y, saved, added = problem(seed=1)
    technology = Technology(x, y, (1.0, 1.0))
    parts = (saved, 0 * added) if side == "saved" else (0 * saved, added)
    found = least_ratio(technology, x, y, *parts, own=np.arange(40))
    assert np.all(found.rounds == 1) and found.gap.max() <= CERTIFIED
    total = largest_slacks(technology, x, y, sum(parts), own=np.arange(40)).total
    np.testing.assert_allclose(found.ratio, 1 - total if side == "saved" else 1 / (1 + total), rtol=1e-12)


def test_who_may_be_a_peer_stays_with_each_point():
    x, y, saved, added = problem(seed=2)
    rng = np.random.default_rng(3)
    some = rng.random((40, 40)) < 0.4
    some[np.arange(40), np.arange(40)] = True
    found = least_ratio(
        Technology(x, y, (1.0, 1.0)), x, y, saved, added, own=np.arange(40), allowed=lambda at, a, b: some[at, a:b]
    )  # fmt: skip
    for i in range(40):
        wanted = plain_measures.slacks_based(x[some[i]], y[some[i]], x[i], y[i], "vrs")
        np.testing.assert_allclose(found.ratio[i], wanted, rtol=SOLVER)


def test_a_point_beyond_the_frontier_has_no_ratio():
    x, y, saved, added = problem(seed=4)
    technology, own = Technology(x, y, (1.0, 1.0)), np.full(40, ARTIFICIAL)
    at = np.where(np.arange(40)[:, None] < 5, 0.1 * x.min(axis=0), x)
    found = least_ratio(technology, at, y, saved, added, own=own)
    assert np.all(found.status[:5] == INFEASIBLE) and np.isnan(found.ratio[:5]).all()
    assert np.all(found.status[5:] == OPTIMAL)


def test_what_is_not_proved_is_no_number(monkeypatch):
    x, y, saved, added = problem(seed=5)
    calls = []

    def failing(*arguments, **options):
        found = largest_slacks(*arguments, **options)
        calls.append(1)
        if len(calls) > 1:
            found.status[:] = STALLED
        return found

    monkeypatch.setattr(module, "largest_slacks", failing)
    found = least_ratio(Technology(x, y, (1.0, 1.0)), x, y, saved, added, own=np.arange(40))
    lost = found.status == STALLED
    assert lost.any() and np.all(np.isnan(found.ratio) == lost)
