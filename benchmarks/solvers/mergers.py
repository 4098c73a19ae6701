"""What all pairs of units could do as one, in parts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.highs import InputModel
from benchmarks.problems import Answer, Data
from benchmarks.solvers.frontier import one_by_one, with_names
from benchmarks.solvers.solver import Solver

# Programs above which a sample is solved one by one, and of how many.
ALL, SAMPLED = 1_500, 600


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.merging import Sums, farrell_of_hull, merged_gains
    from benchmodels.kernels.technology import Technology
    from benchmodels.parallel import one_blas_thread

    x, y, pair = data["x"], data["y"], data["pair"]
    groups = Sums(pair.ravel(), np.arange(0, pair.size + 1, 2))
    with one_blas_thread():
        found = merged_gains(farrell_of_hull(Technology(x, y, (1.0, 1.0)), "input"), x, y, groups, "input")
    return {"efficiency": np.concatenate([found.total, found.corrected, found.harmony])}


def prepared(data: Data) -> Any:
    return with_names(data)


def dataframe(ready: Any) -> Answer:
    from benchmodels.errors import PartialResultWarning
    from benchmodels.frontier.together import MergerGains

    frame, inputs, outputs = ready
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        found = MergerGains(inputs=inputs, outputs=outputs, unit="unit").fit(frame).pairs()
    return {"efficiency": np.concatenate([found.total, found.corrected, found.harmony])}


def warm_starts(data: Data) -> Answer:
    x, y = (data[kind] / data[kind].mean(axis=0) for kind in "xy")
    pair, model = data["pair"], InputModel(x, y)
    own = np.array([model.efficiency(x[i], y[i]) for i in range(len(x))])[:, None]

    def solve(program: int) -> float:
        part, row = divmod(program, len(pair))
        used = (x if part == 0 else x * own)[pair[row]].sum(axis=0)
        times = 0.5 if part == 2 else 1.0
        return float(model.efficiency(times * used, times * y[pair[row]].sum(axis=0)))

    return one_by_one(solve, 3 * len(pair), all_of=ALL, sampled=SAMPLED)


def linprog_loop(data: Data) -> Answer:
    from scipy.optimize import linprog

    x, y = (data[kind] / data[kind].mean(axis=0) for kind in "xy")
    pair, (n, m) = data["pair"], x.shape
    cost, sums = np.append(1.0, np.zeros(n)), np.append(0.0, np.ones(n))[None]
    left = np.column_stack([np.zeros(m + y.shape[1]), np.concatenate([x, -y], axis=1).T])

    def factor(used: np.ndarray, made: np.ndarray) -> float:
        left[:m, 0] = -used
        right = np.append(np.zeros(m), -made)
        found = linprog(cost, left, right, sums, [1.0], (0, None), method="highs", options={"presolve": False})
        return float(found.fun) if found.success else float("nan")

    own = np.array([factor(x[i], y[i]) for i in range(n)])[:, None]

    def solve(program: int) -> float:
        part, row = divmod(program, len(pair))
        used = (x if part == 0 else x * own)[pair[row]].sum(axis=0)
        times = 0.5 if part == 2 else 1.0
        return factor(times * used, times * y[pair[row]].sum(axis=0))

    return one_by_one(solve, 3 * len(pair), all_of=ALL, sampled=SAMPLED)


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.merging.merged_gains`: all programs of a part in one call"),
    Solver("benchmodels, dataframe", dataframe, prepared, note="`MergerGains(...).fit(...).pairs()`"),
    Solver(
        "highspy, warm starts",
        warm_starts,
        needs="highspy",
        note="one model for all; above 1,500 programs 600 are solved and the cost is scaled up",
        turns=3,
    ),
    Solver(
        "loop of SciPy linprog",
        linprog_loop,
        needs="scipy",
        note="highs without presolve; above 1,500 programs 600 are solved and the cost is scaled up",
        turns=3,
    ),
)
