"""Linear programs in fractions: the slow simplex by which fast ones are judged, and envelopment written out for it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

ZERO, ONE = Fraction(0), Fraction(1)


def fractions(array):
    """Return an array as nested lists of fractions: the very numbers that the floats are."""
    return [fractions(part) for part in array] if np.ndim(array) else Fraction(float(array))


def solve(columns, target, gain):
    """Return ``(status, value, x)`` of max gain'x, columns x = target, x >= 0, in fractions by Bland's rule.

    ``columns`` is a list of columns. Status is "optimal", "infeasible" or "unbounded".
    """
    d, n = len(target), len(columns)
    rows = [
        [column[i] for column in columns] + [ONE if k == i else ZERO for k in range(d)] + [target[i]] for i in range(d)
    ]
    for i in range(d):
        if rows[i][-1] < 0:
            rows[i] = [-entry for entry in rows[i][:n]] + rows[i][n : n + d] + [-rows[i][-1]]
    basis = [n + i for i in range(d)]
    _climb(rows, basis, [ZERO] * n + [-ONE] * d, n + d)
    if any(j >= n and rows[i][-1] != 0 for i, j in enumerate(basis)):
        return "infeasible", None, None
    for i in range(d):
        if basis[i] >= n:
            other = next((j for j in range(n) if rows[i][j] != 0), None)
            if other is not None:
                _pivot(rows, basis, i, other)
    kept = [i for i in range(d) if basis[i] < n]
    rows, basis = [rows[i] for i in kept], [basis[i] for i in kept]
    if not _climb(rows, basis, list(gain) + [ZERO] * d, n):
        return "unbounded", None, None
    x = [ZERO] * n
    for i, j in enumerate(basis):
        x[j] = rows[i][-1]
    return "optimal", sum((g * v for g, v in zip(gain, x, strict=True)), ZERO), x


def _climb(rows, basis, gain, width):
    """Pivot until nothing gains; return whether there is an end."""
    while True:
        enters = next(
            (
                j
                for j in range(width)
                if gain[j] > sum((gain[b] * row[j] for b, row in zip(basis, rows, strict=True)), ZERO)
            ),
            None,
        )
        if enters is None:
            return True
        stops = [(row[-1] / row[enters], basis[i], i) for i, row in enumerate(rows) if row[enters] > 0]
        if not stops:
            return False
        _pivot(rows, basis, min(stops)[2], enters)


def _pivot(rows, basis, leaves, enters):
    pivot = rows[leaves][enters]
    rows[leaves] = [entry / pivot for entry in rows[leaves]]
    for i, row in enumerate(rows):
        if i != leaves and row[enters] != 0:
            by = row[enters]
            rows[i] = [a - by * b for a, b in zip(row, rows[leaves], strict=True)]
    basis[leaves] = enters


def _goods(reference, point, bounds):
    """Return the columns of units and of slacks, and the target, of `envelopment`; the goods come first, then Σλ."""
    (inputs, outputs), (x, y) = reference, point
    m, s = len(x), len(y)
    low, high = bounds
    ends = [(low, ZERO)] if low == high else [(low, -ONE)] * (low > 0) + [(high, ONE)] * bool(np.isfinite(high))
    unit = [fractions(a) + [-b for b in fractions(c)] + [ONE] * len(ends) for a, c in zip(inputs, outputs, strict=True)]
    d = m + s + len(ends)
    slack = [[ONE if k == i else ZERO for k in range(d)] for i in range(m + s)]
    slack += [[sign if k == m + s + i else ZERO for k in range(d)] for i, (_, sign) in enumerate(ends) if sign]
    target = fractions(x) + [-b for b in fractions(y)] + [Fraction(end) for end, _ in ends]
    return unit, slack, target


def envelopment(reference, point, direction, bounds):
    """Return ``(status, β, λ)`` of a point against reference units ``(inputs (n, m), outputs (n, s))``, all exactly.

    ``point`` is ``(x (m,), y (s,))``, ``direction`` (m + s,) by how much inputs fall and outputs rise in one step.
    """
    unit, slack, target = _goods(reference, point, bounds)
    step = fractions(direction) + [ZERO] * (len(target) - len(direction))
    columns = [step, [-g for g in step], *unit, *slack]
    status, beta, x = solve(columns, target, [ONE, -ONE] + [ZERO] * (len(columns) - 2))
    return status, beta, None if x is None else x[2 : 2 + len(unit)]


def optimal_peers(reference, point, direction, bounds):
    """Return the units that have a positive intensity in some optimal solution: the face of the first phase."""
    unit, slack, target = _goods(reference, point, bounds)
    status, beta, _ = envelopment(reference, point, direction, bounds)
    if status != "optimal":
        return None
    step = fractions(direction) + [ZERO] * (len(target) - len(direction))
    there = [b - beta * g for b, g in zip(target, step, strict=True)]
    return frozenset(_positive(unit, slack, there))


def projection(reference, point, direction, bounds, weight=None):
    """Return where a point comes to, (m + s) goods: after β the largest Σ weight x slack (weights 1 by default)."""
    unit, slack, target = _goods(reference, point, bounds)
    goods = len(direction)
    status, beta, _ = envelopment(reference, point, direction, bounds)
    if status != "optimal":
        return None
    weight = [ONE] * goods if weight is None else fractions(weight)
    step = fractions(direction) + [ZERO] * (len(target) - goods)
    there = [b - beta * g for b, g in zip(target, step, strict=True)]
    gain = [ZERO] * len(unit) + weight + [ZERO] * (len(slack) - goods)
    status, _, x = solve([*unit, *slack], there, gain)
    if status != "optimal":
        return None
    m = len(point[0])
    left = [there[i] - x[len(unit) + i] for i in range(goods)]
    return left[:m] + [-v for v in left[m:]]


def efficient_peers(reference, point, direction, bounds, weight=None):
    """Return the units that can have a positive intensity in what is exactly the projection: the second phase."""
    there = projection(reference, point, direction, bounds, weight)
    if there is None:
        return None
    m = len(point[0])
    unit, slack, target = _goods(reference, point, bounds)
    target = there[:m] + [-v for v in there[m:]] + target[len(there) :]
    return frozenset(_positive(unit, slack[len(there) :], target))


def _positive(unit, slack, target):
    """Return which units can have a positive intensity where units and slacks meet a target."""
    found = set()
    for j in range(len(unit)):
        if j not in found:
            gain = [ONE if i == j else ZERO for i in range(len(unit) + len(slack))]
            status, most, x = solve([*unit, *slack], target, gain)
            if status == "unbounded":
                found.add(j)
            elif status == "optimal" and most > 0:
                found |= {i for i in range(len(unit)) if x[i] > 0}
    return found
