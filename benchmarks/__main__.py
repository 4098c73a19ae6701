"""Run the benchmarks: ``python -m benchmarks [--problem NAME] [--runs 5] [--threads 1 2]``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("benchmodels", "numpy", "scipy", "pandas", "statsmodels", "scikit-learn")


def one(problem: str, solver: str) -> None:
    """Solve once in this process, after a warm-up on a small problem; print a line of JSON."""
    from benchmarks.problems import PROBLEMS, Logit
    from benchmarks.solvers import SOLVERS

    solve = SOLVERS[solver]()
    small = Logit(2_000, PROBLEMS[problem].p)
    solve(small.data())
    data = PROBLEMS[problem].data()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    answer = solve(data)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "wall": wall,
                "cpu": cpu,
                "peak_mb": peak / 1024,
                "extra_mb": (peak - before) / 1024,
                "score": PROBLEMS[problem].score(data, answer),
            }
        )
    )


def run(problem: str, runs: int, threads: int) -> str:
    from benchmarks.problems import PROBLEMS
    from benchmarks.solvers import SOLVERS

    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env |= {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    results: dict[str, list[dict[str, float]]] = {name: [] for name in SOLVERS}
    for turn in range(runs):
        for name in SOLVERS:
            command = [sys.executable, "-m", "benchmarks", "--one", problem, name]
            done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=HERE.parent, check=False)
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            results[name].append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{problem}, {threads} thread(s): turn {turn + 1} of {runs}", file=sys.stderr)
    tolerance = PROBLEMS[problem].tolerance
    middle = {n: {key: statistics.median(r[key] for r in rs) for key in rs[0]} for n, rs in results.items() if rs}
    base = middle["benchmodels kernel"]
    lines = [
        f"{threads} BLAS/OpenMP thread(s), median of {runs} runs in turns",
        "",
        "| solver | CPU s | ratio | wall s | ratio | memory beyond the data, MB | score norm | counts |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, m in middle.items():
        lines.append(
            f"| {name} | {m['cpu']:.2f} | {m['cpu'] / base['cpu']:.1f} "
            f"| {m['wall']:.2f} | {m['wall'] / base['wall']:.1f} "
            f"| {m['extra_mb']:.0f} | {m['score']:.1e} | {'yes' if m['score'] <= tolerance else 'NO'} |"
        )
    return "\n".join(lines)


def machine() -> str:
    def known(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    packages = ", ".join(f"{name} {known(name)}" for name in PACKAGES)
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} logical cores"
    return f"{where}, Python {platform.python_version()}; {packages}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--one", nargs=2, metavar=("PROBLEM", "SOLVER"), help=argparse.SUPPRESS)
    parser.add_argument("--problem", default="logit_1e6x30")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    tables = [run(options.problem, options.runs, threads) for threads in dict.fromkeys(options.threads)]
    text = f"# {options.problem}\n\n{machine()}\n\n" + "\n\n".join(tables) + "\n"
    (HERE / "results" / f"{options.problem}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
