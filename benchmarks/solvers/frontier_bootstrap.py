"""All units against many frontiers of pseudo-units."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.highs import InputModel
from benchmarks.problems import Answer, Data
from benchmarks.solvers.frontier import one_by_one, with_names
from benchmarks.solvers.solver import Solver

# Replicates that are held against their frontiers together, as in the package.
BLOCK = 20
# Programs above which SciPy solves a sample, and of how many; replicates that warm starts solve.
ALL, SAMPLED, WARMED = 500, 500, 10


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.frontier_bootstrap import pseudo_replicates
    from benchmodels.parallel import one_blas_thread

    x, y, drawn = data["x"], data["y"], data["drawn"]
    direction, parts = np.concatenate([x, np.zeros_like(y)], axis=1), []
    with one_blas_thread():
        for low in range(0, len(drawn), BLOCK):
            some = drawn[low : low + BLOCK]
            found = pseudo_replicates(x, y, direction, (1.0, 1.0), "input", delta=data["delta"], drawn=some)
            parts.append(found.distance)
    return {"efficiency": 1.0 / np.concatenate(parts).ravel()}


def prepared(data: Data) -> Any:
    return with_names(data), len(data["drawn"]), data["seed"]


def dataframe(ready: Any) -> Answer:
    from benchmodels.frontier import DEA

    (frame, inputs, outputs), replicates, seed = ready
    fit = DEA(inputs=inputs, outputs=outputs, unit="unit").fit(frame)
    found = fit.bootstrap(kind="smoothed", replicates=replicates, rng=seed)
    return {"efficiency": 1.0 / (found.delta + found.errors).ravel()}


def warm_starts(data: Data) -> Answer:
    x, y, drawn = data["x"], data["y"], data["drawn"]
    by_x, by_y = x.mean(axis=0), y.mean(axis=0)
    x, y = x / by_x, y / by_y
    order = np.argsort(y[:, 0] / y.sum(axis=1), kind="stable")
    some = np.linspace(0, len(drawn) - 1, min(WARMED, len(drawn))).astype(np.intp)
    found, wall, cpu = np.empty((len(some), len(x))), time.perf_counter(), time.process_time()
    for row, replicate in enumerate(some.tolist()):
        model = InputModel(x * (drawn[replicate] / data["delta"])[:, None], y)
        for unit in order.tolist():
            found[row, unit] = model.efficiency(x[unit], y[unit])
    times = len(drawn) / len(some)
    cost = {"wall": (time.perf_counter() - wall) * times, "cpu": (time.process_time() - cpu) * times}
    at = (some[:, None] * len(x) + np.arange(len(x))).ravel()
    said = f"{len(some)} of {len(drawn):,} replicates, scaled up"
    return {"efficiency": found.ravel(), "at": at, "cost": cost, "sampled": said}


def linprog_loop(data: Data) -> Answer:
    from scipy.optimize import linprog

    x, y = (data[kind] / data[kind].mean(axis=0) for kind in "xy")
    n, m = x.shape
    cost, sums = np.append(1.0, np.zeros(n)), np.append(0.0, np.ones(n))[None]
    left = np.column_stack([np.zeros(m + y.shape[1]), np.concatenate([x, -y], axis=1).T])

    def solve(program: int) -> float:
        replicate, i = divmod(program, n)
        left[:m, 0] = -x[i]
        left[:m, 1:] = x.T * (data["drawn"][replicate] / data["delta"])
        right = np.append(np.zeros(m), -y[i])
        found = linprog(cost, left, right, sums, [1.0], (0, None), method="highs", options={"presolve": False})
        return float(found.fun) if found.success else float("nan")

    return one_by_one(solve, len(data["drawn"]) * n, all_of=ALL, sampled=SAMPLED)


SOLVERS = (
    Solver(
        "benchmodels kernel", kernel, note="`kernels.frontier_bootstrap.pseudo_replicates`, 20 replicates at a time"
    ),
    Solver("benchmodels, dataframe", dataframe, prepared, note="`DEA(...).fit(...).bootstrap(kind='smoothed')`"),
    Solver(
        "highspy, warm starts",
        warm_starts,
        needs="highspy",
        note="a model for each replicate, units in the order of their mix; ten replicates are solved",
        turns=3,
    ),
    Solver(
        "loop of SciPy linprog",
        linprog_loop,
        needs="scipy",
        note="highs without presolve; above 500 programs 500 are solved and the cost is scaled up",
        turns=3,
    ),
)
