"""One process for each measurement, solvers in turns, medians over the turns."""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.problems import Problem
from benchmarks.solvers import Solver, solvers_of

ROOT = Path(__file__).parents[1]
# What forces an OpenBLAS kernel is taken out; what sets a number of threads is set to one, or taken out too.
FORCED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
THREADS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
# A solve shorter than this is repeated in its process until it has taken as long, and averaged.
LEAST_SECONDS = 0.3
MOST_SECONDS = 900


@dataclass(frozen=True)
class Measured:
    """Medians over the turns of one solver; ``state`` is empty, or says why there are none.

    ``sampled`` is empty, or says what part of the problem was solved and scaled up.
    """

    solver: Solver
    state: str = ""
    turns: int = 0
    cpu: float = float("nan")
    wall: float = float("nan")
    extra_mb: float = float("nan")
    score: float = float("nan")
    accepted: bool = False
    stages: dict[str, float] = field(default_factory=dict)
    sampled: str = ""


def cpu_seconds() -> float:
    """User and system time of this process, all its threads, and its children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def forget_peak() -> float:
    """Set the peak of the resident memory back to its present size, MB, and return that."""
    gc.collect()
    # Linux only: elsewhere the peak of making the data may hide that of the solver.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_mb()


def peak_mb() -> float:
    """``ru_maxrss`` in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def measure(problem: Problem, solver: Solver) -> dict[str, object]:
    """Solve in this process, after a warm-up on a small problem; the making of the data and the score are not timed."""
    solver.solve(solver.prepare(problem.small().data()))
    data = problem.data()
    ready = solver.prepare(data)
    before = forget_peak()
    repeats, wall, cpu = 0, time.perf_counter(), cpu_seconds()
    while not repeats or time.perf_counter() - wall < LEAST_SECONDS:
        answer = solver.solve(ready)
        repeats += 1
    cost = {"wall": (time.perf_counter() - wall) / repeats, "cpu": (cpu_seconds() - cpu) / repeats}
    cost["extra_mb"] = peak_mb() - before
    cost |= answer.get("cost", {})
    said = {"stages": answer.get("stages", {}), "sampled": answer.get("sampled", "")}
    return cost | said | {"score": problem.score(data, answer)}


def environment(*, one_thread: bool) -> dict[str, str]:
    """The environment of a measurement."""
    env = {name: value for name, value in os.environ.items() if name not in (*FORCED, *THREADS)}
    return env | dict.fromkeys(THREADS, "1") if one_thread else env


def in_process_of_its_own(problem: Problem, solver: Solver, *, one_thread: bool) -> dict[str, object] | str:
    """Return what was measured, or why nothing was."""
    command = [sys.executable, "-m", "benchmarks", "--one", problem.name, solver.name]
    try:
        done = subprocess.run(
            command,
            env=environment(one_thread=one_thread),
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {MOST_SECONDS} s"
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
    return json.loads(done.stdout.splitlines()[-1])


def run(problem: Problem, *, turns: int, one_thread: bool, only: tuple[str, ...] = ()) -> list[Measured]:
    """Measure every solver of a problem in turns: A B C A B C …"""
    solvers = [s for s in solvers_of(problem) if not only or s.name in only]
    found: dict[str, list[dict]] = {s.name: [] for s in solvers}
    states = {s.name: "" if s.installed() else "not installed" for s in solvers}
    start = time.perf_counter()
    for turn in range(turns):
        for solver in solvers:
            if states[solver.name] or turn >= solver.turns:
                continue
            result = in_process_of_its_own(problem, solver, one_thread=one_thread)
            if isinstance(result, str):
                states[solver.name] = result
            else:
                found[solver.name].append(result)
        spent = time.perf_counter() - start
        print(f"{problem.name}: turn {turn + 1} of {turns}, {spent:.0f} s", file=sys.stderr, flush=True)
    return [summed_up(problem, s, states[s.name], found[s.name]) for s in solvers]


def summed_up(problem: Problem, solver: Solver, state: str, found: list[dict]) -> Measured:
    """Medians over turns; the worst score counts."""
    if state or not found:
        return Measured(solver, state)
    middle = {key: statistics.median(f[key] for f in found) for key in ("cpu", "wall", "extra_mb")}
    stages = {name: statistics.median(f["stages"][name] for f in found) for name in found[0]["stages"]}
    scores = [f["score"] for f in found]
    accepted = all(s <= problem.tolerance for s in scores)
    said = {"stages": stages, "sampled": found[0].get("sampled", "")}
    return Measured(solver, "", len(found), **middle, score=max(scores), accepted=accepted, **said)
