"""Pairs of distances are drawn as the paper has it, and points held against what they make as by a loop."""

import numpy as np
from scipy.optimize import linprog

from benchmodels.kernels.paired_scores import paired_bandwidth, paired_draws, paired_replicates


def test_draws_have_the_reflected_pairs_own_moments():
    rng = np.random.default_rng(0)
    delta = 1 + np.abs(rng.multivariate_normal([0, 0], [[0.09, 0.06], [0.06, 0.09]], 200))
    drawn = paired_draws(delta, paired_bandwidth(200), (200, 200), rng)
    assert drawn.shape == (200, 200, 2)
    assert drawn.min() >= 1
    # The second moment about the frontier: that of the pairs, and of the noise what is not taken back by shrinking.
    h, many = paired_bandwidth(200), 200
    whole, noise = ((delta - 1) ** 2).mean(axis=0), np.var(delta, axis=0, ddof=1)
    told = (whole + h**2 * noise) / (1 + h**2)
    np.testing.assert_allclose(((drawn - 1) ** 2).mean(axis=(0, 1)), told, rtol=4 * 3 / np.sqrt(many**2))
    # Both periods of a unit are drawn together.
    assert np.corrcoef(drawn.reshape(-1, 2).T)[0, 1] > 0.5 * np.corrcoef(delta.T)[0, 1]


def test_units_without_waste_are_drawn_without():
    drawn = paired_draws(np.ones((10, 2)), 0.4, (3, 5), np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, 1.0)


def by_loop(x, y, rows_x, rows_y, side):
    n, m, s = len(rows_x), rows_x.shape[1], rows_y.shape[1]
    if side == "input":
        left = np.block([[rows_x.T, -x[:, None]], [-rows_y.T, np.zeros((s, 1))]])
        found = linprog(np.append(np.zeros(n), 1.0), left, np.append(np.zeros(m), -y))
        return found.fun
    left = np.block([[rows_x.T, np.zeros((m, 1))], [-rows_y.T, y[:, None]]])
    return -1 / linprog(np.append(np.zeros(n), -1.0), left, np.append(x, np.zeros(s))).fun


def test_replicates_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    x, y, later = rng.uniform(1, 5, (10, 2)), rng.uniform(1, 5, (10, 1)), np.repeat([0, 1], 5)
    used, made = np.array([0, 5, 0, 5, 5, 1]), np.array([0, 5, 0, 5, 0, 1])
    reference = np.array([0, 1, 1, 0, 0, 2])
    ratio, inside = rng.uniform(0.8, 1.5, (3, 10)), rng.random((3, 10)) < 0.8
    inside[:, [2, 7]] = True
    # A point against its own pseudo-unit: the program starts there, and it makes the point by a step.
    for side in ("input", "output"):
        for kept in (None, inside):
            value, _ = paired_replicates(
                (x, y), ratio, (0.0, np.inf), side, later=later, used=used, made=made, reference=reference, inside=kept
            )
            for r in range(3):
                there = np.ones(10, dtype=bool) if kept is None else kept[r]
                for j in range(len(used)):
                    rows = there & ((later == reference[j]) | (reference[j] == 2))
                    move = ratio[r][rows, None]
                    pool = (x[rows] * move, y[rows]) if side == "input" else (x[rows], y[rows] / move)
                    np.testing.assert_allclose(value[r, j], by_loop(x[used[j]], y[made[j]], *pool, side), rtol=1e-8)
