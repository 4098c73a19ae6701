"""Efficiencies of all units against the frontier of all, variable returns, inputs falling."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.highs import InputModel
from benchmarks.problems import Answer, Data
from benchmarks.solvers.r import r_solver
from benchmarks.solvers.solver import Solver

# As `benchmodels.frontier.DEA`: units above which the frame is found first.
MANY = 2_500
# Units above which a slow loop solves a sample, and of how many.
ALL, SAMPLED = 1_000, 40


def certified(found: Any, efficiency: np.ndarray) -> Answer:
    """An answer with the weights and prices of an `Envelopment`."""
    return {"efficiency": efficiency, "peer": found.peer, "weight": found.weight, "price": found.price}


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.envelopment import envelop, frame_of
    from benchmodels.kernels.technology import Technology, bounds_of
    from benchmodels.parallel import one_blas_thread

    x, y = data["x"], data["y"]
    technology, direction = Technology(x, y, bounds_of("vrs")), np.concatenate([x, np.zeros_like(y)], axis=1)
    with one_blas_thread():
        frame = frame_of(technology, direction=direction) if len(x) > MANY else None
        found = envelop(technology, x, y, direction, own=np.arange(len(x)), frame=frame)
    return certified(found, 1.0 - found.beta)


def with_names(data: Data) -> tuple[Any, list[str], list[str]]:
    """A dataframe, and the names of its inputs and outputs."""
    import pandas as pd

    x, y = ([f"{kind}{j}" for j in range(data[kind].shape[1])] for kind in "xy")
    frame = pd.DataFrame(np.concatenate([data["x"], data["y"]], axis=1), columns=[*x, *y])
    return frame.assign(unit=np.arange(len(frame))), x, y


def dataframe(ready: Any) -> Answer:
    from benchmodels.frontier import DEA

    frame, inputs, outputs = ready
    fit = DEA(inputs=inputs, outputs=outputs, unit="unit").fit(frame)
    return certified(fit.programs.found, fit.efficiency)


def scaled(data: Data) -> Data:
    """Goods over their means; units in the order of their mix, so that one's basis is near the next one's."""
    x, y = (data[kind] / data[kind].mean(axis=0) for kind in "xy")
    return {"x": x, "y": y, "order": np.argsort(y[:, 0] / y.sum(axis=1), kind="stable")}


def warm_starts(data: Data) -> Answer:
    x, y, found = data["x"], data["y"], np.empty(len(data["x"]))
    model = InputModel(x, y)
    for i in data["order"]:
        found[i] = model.efficiency(x[i], y[i])
    return {"efficiency": found}


def one_by_one(solve: Callable[[int], float], programs: int, *, all_of: int, sampled: int) -> Answer:
    """Solve each program by itself; where there are more than ``all_of`` a sample, whose costs are scaled up."""
    if programs <= all_of:
        return {"efficiency": np.array([solve(i) for i in range(programs)])}
    at = np.linspace(0, programs - 1, sampled).astype(np.intp)
    wall, cpu = time.perf_counter(), time.process_time()
    found = np.array([solve(i) for i in at.tolist()])
    cost = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    cost = {name: value * programs / sampled for name, value in cost.items()}
    said = f"{sampled} of {programs:,} programs, scaled up"
    return {"efficiency": found, "at": at, "cost": cost, "sampled": said}


def rows(data: Data) -> Data:
    """Rows of the program, with θ in column 0: what linprog wants."""
    x, y = (data[kind] / data[kind].mean(axis=0) for kind in "xy")
    body = np.concatenate([x, -y], axis=1).T
    theta = np.concatenate([-x[0], np.zeros(y.shape[1])])
    return {"x": x, "y": y, "rows": np.column_stack([theta, body])}


def linprog_loop(ready: Data) -> Answer:
    from scipy.optimize import linprog

    x, y, left = ready["x"], ready["y"], ready["rows"]
    m, n = x.shape[1], len(x)
    cost, sums = np.append(1.0, np.zeros(n)), np.append(0.0, np.ones(n))[None]

    def solve(i: int) -> float:
        left[:m, 0] = -x[i]
        right = np.append(np.zeros(m), -y[i])
        found = linprog(cost, left, right, sums, [1.0], (0, None), method="highs", options={"presolve": False})
        return float(found.fun)

    return one_by_one(solve, n, all_of=ALL, sampled=SAMPLED)


def dea_data(data: Data) -> Any:
    from deapack import DEAData

    frame, inputs, outputs = with_names(data)
    return DEAData.from_frame(frame, inputs=inputs, outputs=outputs, dmu="unit")


def deapack(ready: Any) -> Answer:
    from deapack import BCC

    found = BCC(orientation="input", compute_slacks=False).fit(ready)
    return {"efficiency": found.summary_frame["score"].to_numpy(dtype=float)}


def dealib(data: Data) -> Answer:
    from dealib import dea

    return {"efficiency": np.asarray(dea(data["x"], data["y"], rts="vrs", orientation="input").eff)}


def pyfrontier(data: Data) -> Answer:
    from Pyfrontier.frontier_model import EnvelopDEA

    model = EnvelopDEA("VRS", "in")
    model.fit(data["x"], data["y"])
    return {"efficiency": np.array([found.score for found in model.result])}


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.envelopment`: `frame_of` above 2,500 units, `envelop`"),
    Solver("benchmodels, dataframe", dataframe, with_names, note="`DEA(...).fit(frame).efficiency`"),
    Solver(
        "highspy, warm starts",
        warm_starts,
        scaled,
        "highspy",
        "one model, θ's column and the outputs' bounds changed from unit to unit, dual simplex from the last basis, no "
        "presolve; units in the order of their mix, goods over their means",
        turns=2,
        largest=10_000,
    ),
    Solver(
        "loop of SciPy linprog",
        linprog_loop,
        rows,
        "scipy",
        "highs without presolve, rows built once; above 1,000 units 40 are solved and the cost is scaled up",
        turns=3,
    ),
    r_solver("R Benchmarking", "dea", "`dea(FAST = TRUE)`", largest=10_000, turns=2),
    Solver(
        "DEAPack",
        deapack,
        dea_data,
        "deapack",
        "`BCC(compute_slacks=False)`, the table made before the clock starts",
        turns=2,
        largest=1_000,
    ),
    Solver("dealib", dealib, needs="dealib", note="`dea`, one phase", turns=1, largest=10_000),
    Solver(
        "Pyfrontier",
        pyfrontier,
        needs="pyfrontier",
        note="`EnvelopDEA`, CBC through files, slacks too; rounds scores to six decimals, so that the judge refuses it",
        turns=1,
        largest=100,
    ),
)
