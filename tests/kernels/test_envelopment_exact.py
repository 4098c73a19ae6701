"""Small tied cases in fractions: scores are exactly those, and peers are among all that can be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.kernels.technology import Technology, bounds_of
from tests.kernels.exact_lp import efficient_peers, envelopment, optimal_peers, projection, solve

CODES = {"optimal": OPTIMAL, "infeasible": INFEASIBLE, "unbounded": UNBOUNDED}


def tied(rng, low):
    n, m, s = int(rng.integers(1, 9)), *((1, 1), (2, 1), (1, 2))[rng.integers(3)]
    x, y = rng.integers(low, 4, (n, m)).astype(float), rng.integers(low, 4, (n, s)).astype(float)
    x[0, x.max(axis=0) == 0] = 1.0
    y[0, y.max(axis=0) == 0] = 1.0
    return x, y


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs", "irs", (0.5, 1.25)])
@pytest.mark.parametrize("low", [0, 1])
@pytest.mark.parametrize("itself", [True, False])
def test_scores_are_exact(returns, low, itself):
    rng = np.random.default_rng(7)
    for _ in range(12):
        x, y = tied(rng, low)
        n = len(x)
        for step in (np.hstack([x, 0 * y]), np.hstack([0 * x, y]), np.hstack([x, y]), np.hstack([x, y]) * 0 + 1):
            found = envelop(
                Technology(x, y, bounds_of(returns)), x, y, step,
                own=np.arange(n) if itself else np.full(n, ARTIFICIAL),
                allowed=None if itself else lambda some, low, high: some[:, None] != np.arange(low, high),
            )  # fmt: skip
            for i in range(n):
                left = np.arange(n) if itself else np.flatnonzero(np.arange(n) != i)
                program = ((x[left], y[left]), (x[i], y[i]), step[i], bounds_of(returns))
                status, beta, _ = envelopment(*program)
                assert found.status[i] == CODES[status], (x, y, i, step[i])
                if status == "optimal":
                    assert abs(found.beta[i] - float(beta)) <= 1e-12 * max(1.0, abs(float(beta)))


@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_peers_are_among_all_optimal_ones(returns):
    rng = np.random.default_rng(11)
    several = 0
    for _ in range(12):
        x, y = tied(rng, 1)
        step = np.hstack([x, 0 * y])
        found = envelop(Technology(x, y, bounds_of(returns)), x, y, step, own=np.arange(len(x)))
        for i in range(len(x)):
            program = ((x, y), (x[i], y[i]), step[i], bounds_of(returns))
            every = optimal_peers(*program)
            assert set(found.peer[i][found.weight[i] > 1e-9].tolist()) <= every
            several += len(every) > np.count_nonzero(found.weight[i] > 1e-9)
            assert efficient_peers(*program)
    assert several > 3


def test_the_second_phase_ends_on_the_efficient_part():
    """All have the same input, so none can do with less, though units 2 and 3 make less with it."""
    x, y = np.ones((4, 1)), np.array([[2.0, 2.0], [3.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
    program = ((x, y), (x[3], y[3]), [0.0, 1.0, 1.0], bounds_of("vrs"))
    status, beta, _ = envelopment(*program)
    assert (status, beta) == ("optimal", Fraction(1))
    assert optimal_peers(*program) == {0}
    program = ((x, y), (x[2], y[2]), [1.0, 0.0, 0.0], bounds_of("vrs"))
    assert envelopment(*program)[1] == 0
    assert optimal_peers(*program) == {0, 1, 2, 3}
    assert projection(*program) == [1, 2, 2] or projection(*program) == [1, 3, 1]
    assert efficient_peers(*program, weight=[1.0, 1.0, 5.0]) == {0}
    assert efficient_peers(*program, weight=[1.0, 5.0, 1.0]) == {1}


def test_the_oracle_itself():
    third, half = Fraction(1, 3), Fraction(1, 2)
    assert solve([[third], [half]], [Fraction(1)], [Fraction(1), Fraction(1)])[:2] == ("optimal", 3)
    assert solve([[Fraction(1)]], [Fraction(-1)], [Fraction(0)])[0] == "infeasible"
    assert solve([[Fraction(1)], [Fraction(-1)]], [Fraction(1)], [Fraction(1), Fraction(0)])[0] == "unbounded"
    twice = [[Fraction(1), Fraction(2)], [Fraction(1), Fraction(2)]]
    assert solve(twice, [Fraction(1), Fraction(2)], [Fraction(1), Fraction(0)])[1] == 1
