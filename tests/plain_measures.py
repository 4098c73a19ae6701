"""Measures beyond the radial, each written as the program of its paper and solved unit by unit by scipy."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

BOUNDS = {"crs": (0, np.inf), "vrs": (1, 1), "drs": (0, 1), "irs": (1, np.inf)}


def returns_rows(returns, n, columns):
    """Rows of the sum of the first n of some columns: those with an inequality, and those with an equality."""
    low, high = BOUNDS.get(returns, returns) if isinstance(returns, str) else returns
    row = np.concatenate([np.ones(n), np.zeros(columns - n)])
    if low == high:
        return [], [], [row], [low]
    less = [(-row, -low)] * (low > 0) + [(row, high)] * bool(np.isfinite(high))
    return [a for a, _ in less], [b for _, b in less], [], []


def solve(cost, a_ub, b_ub, a_eq, b_eq, bounds):
    """The least cost, and where; NaN where there is none."""
    found = linprog(
        cost, A_ub=np.array(a_ub) if len(a_ub) else None, b_ub=b_ub if len(a_ub) else None,
        A_eq=np.array(a_eq) if len(a_eq) else None, b_eq=b_eq if len(a_eq) else None, bounds=bounds, method="highs",
    )  # fmt: skip
    return (found.fun, found.x) if found.status == 0 else (np.nan, None)


def additive(x, y, x0, y0, weights, returns, upper=None):
    """The largest weighted sum of slacks, rows as shares of the point."""
    n, m, q = len(x), x.shape[1], x.shape[1] + y.shape[1]
    goods, own = np.column_stack([x, y]), np.concatenate([x0, y0])
    size = np.where(own != 0, np.abs(own), 1.0)
    sign = np.where(np.arange(q) < m, 1.0, -1.0)
    rows = np.column_stack([(goods / size).T, np.diag(sign)])
    a_ub, b_ub, a_eq, b_eq = returns_rows(returns, n, n + q)
    top = np.full(q, np.inf) if upper is None else np.asarray(upper) / size
    value, _ = solve(
        np.concatenate([np.zeros(n), -np.asarray(weights) * size]), a_ub, b_ub, [*rows, *a_eq],
        [*(own / size), *b_eq], [(0, None)] * n + [(0, None if np.isinf(t) else t) for t in top],
    )  # fmt: skip
    return -value


def slacks_based(x, y, x0, y0, returns):
    """Tone (2001) without orientation by Charnes and Cooper's change of variables: t, tλ, ts."""
    n, m, s = len(x), x.shape[1], y.shape[1]
    q = m + s
    size = np.concatenate([x0, y0])
    goods = np.column_stack([x, y]) / size
    sign = np.where(np.arange(q) < m, 1.0, -1.0)
    rows = np.column_stack([goods.T, np.diag(sign), -np.ones(q)])
    unit = np.concatenate([np.zeros(n + m), np.full(s, 1 / s), [1.0]])
    cost = np.concatenate([np.zeros(n), np.full(m, -1 / m), np.zeros(s), [1.0]])
    low, high = BOUNDS.get(returns, returns) if isinstance(returns, str) else returns
    total = np.concatenate([np.ones(n), np.zeros(q + 1)])
    t = np.zeros(n + q + 1)
    t[-1] = 1.0
    a_ub, b_ub, a_eq, b_eq = [], [], [*rows, unit], [0.0] * q + [1.0]
    if low == high:
        a_eq.append(total - low * t)
        b_eq.append(0.0)
    else:
        if low > 0:
            a_ub.append(low * t - total)
            b_ub.append(0.0)
        if np.isfinite(high):
            a_ub.append(total - high * t)
            b_ub.append(0.0)
    return solve(cost, a_ub, b_ub, a_eq, b_eq, [(0, None)] * (n + q + 1))[0]


def russell(x, y, x0, y0, returns, orientation):
    """Färe and Lovell (1978): the mean of shares of inputs, at most 1 each, or of factors of outputs, at least 1."""
    n, m, s = len(x), x.shape[1], y.shape[1]
    if orientation == "input":
        rows = [np.concatenate([x[:, i], -x0[i] * np.eye(m)[i]]) for i in range(m)]
        rows += [np.concatenate([-y[:, r], np.zeros(m)]) for r in range(s)]
        a_ub, b_ub, a_eq, b_eq = returns_rows(returns, n, n + m)
        cost, b = np.concatenate([np.zeros(n), np.full(m, 1 / m)]), [0.0] * m + list(-y0)
        bounds = [(0, None)] * n + [(0, 1)] * m
        return solve(cost, [*rows, *a_ub], [*b, *b_ub], a_eq, b_eq, bounds)[0]
    rows = [np.concatenate([x[:, i], np.zeros(s)]) for i in range(m)]
    rows += [np.concatenate([-y[:, r], y0[r] * np.eye(s)[r]]) for r in range(s)]
    a_ub, b_ub, a_eq, b_eq = returns_rows(returns, n, n + s)
    cost = np.concatenate([np.zeros(n), np.full(s, -1 / s)])
    bounds = [(0, None)] * n + [(1, None)] * s
    return -solve(cost, [*rows, *a_ub], [*x0, *([0.0] * s), *b_ub], a_eq, b_eq, bounds)[0]


def alone(x, y, x0, y0, good, returns):
    """By how much one input can fall, or output rise, while all else stays (Bogetoft & Hougaard 1999)."""
    n, m, q = len(x), x.shape[1], x.shape[1] + y.shape[1]
    goods, own = np.column_stack([x, y]), np.concatenate([x0, y0])
    sign = np.where(np.arange(q) < m, 1.0, -1.0)
    rows = [np.append(sign[i] * goods[:, i], 1.0 if i == good else 0.0) for i in range(q)]
    a_ub, b_ub, a_eq, b_eq = returns_rows(returns, n, n + 1)
    value, _ = solve(
        np.append(np.zeros(n), -1.0), [*rows, *a_ub], [*(sign * own), *b_ub], a_eq, b_eq, [(0, None)] * (n + 1)
    )
    return -value


def along(x, y, x0, y0, step, returns):
    """How many steps can be taken at once."""
    n, m, q = len(x), x.shape[1], x.shape[1] + y.shape[1]
    goods, own = np.column_stack([x, y]), np.concatenate([x0, y0])
    sign = np.where(np.arange(q) < m, 1.0, -1.0)
    rows = [np.append(sign[i] * goods[:, i], step[i]) for i in range(q)]
    a_ub, b_ub, a_eq, b_eq = returns_rows(returns, n, n + 1)
    value, _ = solve(
        np.append(np.zeros(n), -1.0), [*rows, *a_ub], [*(sign * own), *b_ub], a_eq, b_eq, [(0, None)] * (n + 1)
    )
    return -value


def best_ratio(x, y, i):
    """Efficiency of unit i in ratio form under constant returns, and prices (v, u) of it."""
    n, m = x.shape
    value, price = solve(
        -np.concatenate([np.zeros(m), y[i]]), np.column_stack([-x, y]), np.zeros(n),
        [np.concatenate([x[i], np.zeros(y.shape[1])])], [1.0], [(0, None)] * (m + y.shape[1]),
    )  # fmt: skip
    return -value, price


def second_goal(x, y, i, theta, goal, surrogate):
    """Doyle and Green (1994): of the prices that are best for unit i, those with the best or worst for the others."""
    n, m = x.shape
    others = np.arange(n) != i
    total_x, total_y = x[others].sum(axis=0), y[others].sum(axis=0)
    ratio = surrogate == "ratio"
    aim = np.concatenate([np.zeros(m) if ratio else -total_x, total_y])
    one = np.concatenate([total_x if ratio else x[i], np.zeros(y.shape[1])])
    sign = 1.0 if goal == "benevolent" else -1.0
    value, price = solve(
        -sign * aim, np.column_stack([-x, y]), np.zeros(n), [one, np.concatenate([-theta * x[i], y[i]])], [1.0, 0.0],
        [(0, None)] * (m + y.shape[1]),
    )  # fmt: skip
    return -sign * value, price
