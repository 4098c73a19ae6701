"""All units against each of the frontiers that leave one unit out."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.highs import InputModel
from benchmarks.problems import Answer, Data
from benchmarks.solvers.frontier import certified, one_by_one, rows, scaled
from benchmarks.solvers.solver import Solver

# Programs above which SciPy solves a sample, and of how many.
ALL, SAMPLED = 2_000, 500


def kernel(data: Data) -> Answer:
    """One call: every program has a mask of its own over the same columns."""
    from benchmodels.kernels.envelopment import envelop
    from benchmodels.kernels.shared_simplex import ARTIFICIAL
    from benchmodels.kernels.technology import Technology, bounds_of

    x, y, unit, left = (data[name] for name in ("x", "y", "unit", "left"))
    technology, direction = Technology(x, y, bounds_of("vrs")), np.concatenate([x, np.zeros_like(y)], axis=1)

    def allowed(programs: np.ndarray, low: int, high: int) -> np.ndarray:
        return left[programs, None] != np.arange(low, high)

    own = np.where(unit == left, ARTIFICIAL, unit)
    found = envelop(technology, x[unit], y[unit], direction[unit], own=own, allowed=allowed)
    return certified(found, 1.0 - found.beta)


def frontier_by_frontier(data: Data) -> Answer:
    """One call for each frontier, with its own columns."""
    from benchmodels.kernels.envelopment import envelop
    from benchmodels.kernels.shared_simplex import ARTIFICIAL
    from benchmodels.kernels.technology import Technology, bounds_of

    x, y = data["x"], data["y"]
    n, direction, parts = len(x), np.concatenate([x, np.zeros_like(y)], axis=1), []
    for left in range(n):
        others = np.flatnonzero(np.arange(n) != left)
        own = np.where(np.arange(n) == left, ARTIFICIAL, np.arange(n) - (np.arange(n) > left))
        found = envelop(Technology(x[others], y[others], bounds_of("vrs")), x, y, direction, own=own)
        peer = np.where(found.peer >= 0, others[found.peer], -1)
        parts.append({"efficiency": 1.0 - found.beta, "peer": peer, "weight": found.weight, "price": found.price})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def warm_starts(data: Data) -> Answer:
    x, y = data["x"], data["y"]
    found, model = np.empty((len(x), len(x))), InputModel(x, y)
    for left in range(len(x)):
        model.leave_out(left)
        for i in data["order"]:
            found[left, i] = model.efficiency(x[i], y[i])
    return {"efficiency": found.ravel()}


def linprog_loop(ready: Any) -> Answer:
    from scipy.optimize import linprog

    x, y, left_side = ready["x"], ready["y"], ready["rows"]
    m, n = x.shape[1], len(x)
    cost, sums = np.append(1.0, np.zeros(n - 1)), np.append(0.0, np.ones(n - 1))[None]

    def solve(program: int) -> float:
        left, i = divmod(program, n)
        others = np.delete(left_side, left + 1, axis=1)
        others[:m, 0] = -x[i]
        right = np.append(np.zeros(m), -y[i])
        found = linprog(cost, others, right, sums, [1.0], (0, None), method="highs", options={"presolve": False})
        return float(found.fun) if found.success else float("nan")

    return one_by_one(solve, n * n, all_of=ALL, sampled=SAMPLED)


SOLVERS = (
    Solver(
        "benchmodels kernel", kernel, note="`kernels.envelopment.envelop`: one call, a mask of columns for each program"
    ),
    Solver("loop of the kernel", frontier_by_frontier, note="a call for each frontier, with its own columns", turns=3),
    Solver(
        "highspy, warm starts",
        warm_starts,
        scaled,
        "highspy",
        "one model, the weight of the unit left out held at zero; else as for DEA",
        turns=3,
    ),
    Solver(
        "loop of SciPy linprog",
        linprog_loop,
        rows,
        "scipy",
        "highs without presolve; above 2,000 programs 500 are solved and the cost is scaled up",
        turns=3,
    ),
)
