"""Run the benchmarks: ``python -m benchmarks [WORD ...] [--small] [--out FOLDER]``."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.plan import PLAN, PROBLEMS, SMALL, TARGETS
from benchmarks.runner import measure, run
from benchmarks.solvers import solvers_of
from benchmarks.tables import Result, family_page, machine, summary


def one(problem_name: str, solver_name: str) -> None:
    """Measure once in this process; print a line of JSON."""
    problem = PROBLEMS[problem_name]
    solver = next(s for s in solvers_of(problem) if s.name == solver_name)
    print(json.dumps(measure(problem, solver)))


def pages(results: list[Result], load: float) -> dict[str, str]:
    """A page for each family of problems and the summary, by file name."""
    where = machine((load, os.getloadavg()[0]))
    by_family: dict[str, list[Result]] = {}
    for result in results:
        by_family.setdefault(result.item.problem.family, []).append(result)
    found = {re.sub(r"\W+", "_", family) + ".md": family_page(own, where) for family, own in by_family.items()}
    return found | {"summary.md": summary(results, TARGETS, where)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="run only problems whose name has one of these in it")
    parser.add_argument("--small", action="store_true", help="small sizes, one turn: does everything run?")
    parser.add_argument("--turns", type=int, help="at most so many turns")
    parser.add_argument("--out", type=Path, help="folder for the pages; benchmarks/results for a whole run, else none")
    parser.add_argument("--one", nargs=2, metavar=("PROBLEM", "SOLVER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    plan = [i for i in (SMALL if options.small else PLAN) if not options.words or _named(i.problem.name, options.words)]
    if not plan:
        parser.error("no problem has such a name: " + "; ".join(PROBLEMS))
    if options.turns:
        plan = [replace(item, turns=min(item.turns, options.turns)) for item in plan]
    whole = not options.small and not options.words and not options.turns
    folder = options.out or (Path(__file__).parent / "results" if whole else None)
    load, start, results = os.getloadavg()[0], time.perf_counter(), []
    for item in plan:
        measured = run(item.problem, turns=item.turns, one_thread=item.one_thread, only=item.only)
        results.append(Result(item, measured))
        written = pages(results, load)
        # After every problem, so that a run cut short leaves what it has.
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in written.items():
                (folder / name).write_text(text, encoding="utf-8")
    print(written["summary.md"] if folder else "\n".join(written.values()))
    print(f"{time.perf_counter() - start:.0f} seconds")


def _named(name: str, words: list[str]) -> bool:
    return any(word in name for word in words)


if __name__ == "__main__":
    main()
