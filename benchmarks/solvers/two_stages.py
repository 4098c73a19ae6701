"""Algorithm 2 of Simar and Wilson: distances, corrections, truncated regressions."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data
from benchmarks.solvers.frontier import with_names
from benchmarks.solvers.solver import Solver

TIED = 1e-6


def _told(found: Any) -> Answer:
    stages = (found.first, found.stage)
    return {
        "slopes": np.array([stage.coefficients for stage in stages]),
        "sigma": np.array([stage.sigma for stage in stages]),
        "corrected": found.corrected,
        "errors": found.errors,
    }


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.envelopment import envelop
    from benchmodels.kernels.technology import Technology
    from benchmodels.kernels.two_stage import algorithm_2
    from benchmodels.parallel import one_blas_thread

    x, y = data["x"], data["y"]
    direction, bounds = np.concatenate([x, np.zeros_like(y)], axis=1), (1.0, 1.0)
    with one_blas_thread():
        found = envelop(Technology(x, y, bounds), x, y, direction, own=np.arange(len(x)))
        delta = np.maximum(1.0 / (1.0 - found.beta), 1.0)
        return _told(
            algorithm_2(
                x, y, direction, bounds, "input", delta=delta, z=data["z"], first=data["first"],
                second=data["replicates"], rng=np.random.default_rng(data["seed"]),
            )
        )  # fmt: skip


def prepared(data: Data) -> Any:
    frame, inputs, outputs = with_names(data)
    return frame.assign(z1=data["z"][:, 1], z2=data["z"][:, 2]), inputs, outputs, data


def dataframe(ready: Any) -> Answer:
    from benchmodels.frontier import DEA

    frame, inputs, outputs, data = ready
    fit = DEA(inputs=inputs, outputs=outputs, unit="unit").fit(frame)
    told = fit.second_stage(
        frame, ["z1", "z2"], first=data["first"], replicates=data["replicates"], rng=data["seed"]
    )  # fmt: skip
    return _told(told.found)


def scipy_loop(data: Data) -> Answer:
    """One linear program and one regression at a time."""
    from scipy.optimize import linprog

    x, y = (data[kind] / data[kind].mean(axis=0) for kind in "xy")
    z, rng = data["z"], np.random.default_rng(data["seed"])
    n, m = x.shape
    cost, sums = np.append(1.0, np.zeros(n)), np.append(0.0, np.ones(n))[None]
    left = np.column_stack([np.zeros(m + y.shape[1]), np.concatenate([x, -y], axis=1).T])

    def distances(reference: np.ndarray) -> np.ndarray:
        left[:m, 1:], found = reference.T, np.empty(n)
        for i in range(n):
            left[:m, 0] = -x[i]
            right = np.append(np.zeros(m), -y[i])
            solved = linprog(cost, left, right, sums, [1.0], (0, None), method="highs", options={"presolve": False})
            found[i] = 1.0 / solved.fun
        return found

    delta = np.maximum(distances(x), 1.0)
    stages = [_regressed(delta, z, None)]
    errors = np.zeros(n)
    for _ in range(data["first"]):
        errors += distances(x * (_drawn(z, stages[0], rng) / delta)[:, None]) - delta
    corrected = delta - errors / data["first"]
    stages.append(_regressed(corrected, z, stages[0]))
    used = corrected > 1.0 + TIED
    drawn = [_regressed(_drawn(z[used], stages[1], rng), z[used], stages[1]) for _ in range(data["replicates"])]
    return {
        "slopes": np.array([stage[:-1] for stage in stages]),
        "sigma": np.array([stage[-1] for stage in stages]),
        "corrected": corrected,
        "errors": np.array(drawn) - stages[1],
    }


def _drawn(z: np.ndarray, stage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy.special import ndtr, ndtri

    mean, sd = z @ stage[:-1], stage[-1]
    # From the upper tail, where the normal distribution has its digits.
    return mean - sd * ndtri(rng.uniform(size=len(z)) * ndtr((mean - 1.0) / sd))


def _regressed(delta: np.ndarray, z: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """Coefficients and, last, the standard deviation."""
    from scipy.optimize import minimize
    from scipy.special import log_ndtr

    used = delta > 1.0 + TIED
    d, w = delta[used], z[used]
    if start is None:
        slopes = np.linalg.lstsq(w, d, rcond=None)[0]
        start = np.append(slopes, np.std(d - w @ slopes))

    def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
        sd = np.exp(theta[-1])
        mean = w @ theta[:-1]
        e, above = (d - mean) / sd, (mean - 1.0) / sd
        tail = log_ndtr(above)
        mills = np.exp(-0.5 * above**2 - tail) / np.sqrt(2.0 * np.pi)
        value = len(d) * theta[-1] + 0.5 * e @ e + tail.sum()
        return value, -np.append((e - mills) @ w / sd, np.sum(e**2 - 1.0 + mills * above))

    found = minimize(
        negative, np.append(start[:-1], np.log(start[-1])), jac=True, method="BFGS", options={"gtol": 1e-6}
    )
    return np.append(found.x[:-1], np.exp(found.x[-1]))


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.two_stage.algorithm_2`"),
    Solver("benchmodels, dataframe", dataframe, prepared, note="`DEA(...).fit(...).second_stage(...)`"),
    Solver(
        "loop of SciPy linprog and BFGS",
        scipy_loop,
        needs="scipy",
        note="highs without presolve; the likelihood with its gradient, from the estimate that is drawn from",
        turns=2,
    ),
)
