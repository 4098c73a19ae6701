"""Tables in Markdown: one for each problem, growth over sizes, and what was asked against what was measured."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import benchmodels
from benchmarks.plan import Item, Target
from benchmarks.problems import Problem
from benchmarks.runner import Measured

PACKAGES = (
    "benchmodels",
    "numpy",
    "scipy",
    "pandas",
    "formulaic",
    "statsmodels",
    "scikit-learn",
    "linearmodels",
    "glum",
    "tabmat",
    "pyfixest",
    "highspy",
    "deapack",
    "pyfrontier",
    "dealib",
)


@dataclass(frozen=True)
class Result:
    """An item of the plan with what was measured."""

    item: Item
    measured: list[Measured]

    @property
    def title(self) -> str:
        return f"{self.item.problem.shape}, {'one thread' if self.item.one_thread else 'threads as they come'}"

    def named(self, name: str) -> Measured | None:
        return next((m for m in self.measured if m.solver.name == name), None)


def table(result: Result) -> str:
    """One line a solver; a time whose answer the judge does not accept is said not to count."""
    problem, base = result.item.problem, result.measured[0]
    lines = [
        f"## {result.title}",
        "",
        f"A score (the worst of the turns: {problem.norm}) above {problem.tolerance:g} does not count.",
        "",
        "| solver | CPU s | ratio | wall s | ratio | memory beyond the data, MB | score | counts | turns |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for m in result.measured:
        if not m.turns:
            lines.append(f"| {m.solver.name} | {m.state} | | | | | | | |")
            continue
        cells = [seconds(m.cpu), ratio(m.cpu, base.cpu), seconds(m.wall), ratio(m.wall, base.wall)]
        cells += [f"{m.extra_mb:.0f}", f"{m.score:.1e}", "yes" if m.accepted else "NO", str(m.turns)]
        lines.append(f"| {m.solver.name}{m.sampled and f' ({m.sampled})'} | " + " | ".join(cells) + " |")
        lines += [f"| … of which {name} | {seconds(s)} | | | | | | | |" for name, s in m.stages.items()]
    return "\n".join(lines)


def seconds(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.3g}"


def ratio(value: float, base: float) -> str:
    return f"{value / base:.2g}" if value < 9.5 * base else f"{value / base:.0f}"


def growth(results: list[Result]) -> str:
    """Exponents of CPU time over sizes of problems that differ in nothing else; empty with one size."""
    alike: dict[tuple[str, bool], list[Result]] = {}
    for r in results:
        rest = r.item.problem.name.replace(r.item.problem.shape.split(" x ")[0].split(",")[0], "n", 1)
        alike.setdefault((rest, r.item.one_thread), []).append(r)
    lines = []
    for (rest, _), group in alike.items():
        ordered = sorted(group, key=lambda r: r.item.problem.size)
        sizes = [r.item.problem.size for r in ordered]
        if len(sizes) < 2:
            continue
        lines += ["", f"{rest}, n = " + ", ".join(f"{n:,}" for n in sizes), ""]
        lines += ["| solver | CPU s | exponent, last two | exponent, all |", "|---|---|---|---|"]
        for name in (m.solver.name for m in ordered[0].measured):
            found = [r.named(name) for r in ordered]
            met = [(n, m.cpu) for n, m in zip(sizes, found, strict=True) if m and m.turns and m.accepted]
            if len(met) > 1:
                times = ", ".join(seconds(t) for _, t in met)
                lines.append(f"| {name} | {times} | {exponent(met[-2:]):.2f} | {exponent(met):.2f} |")
    return "\n".join(["## Growth: CPU time goes as n to the power", *lines]) if lines else ""


def exponent(points: list[tuple[int, float]]) -> float:
    """Slope of log time on log size by least squares."""
    x, y = [math.log(n) for n, _ in points], [math.log(t) for _, t in points]
    center = sum(x) / len(x)
    return sum((a - center) * b for a, b in zip(x, y, strict=True)) / sum((a - center) ** 2 for a in x)


def family_page(results: list[Result], where: str) -> str:
    """All tables of a family of problems, with how the solvers are set."""
    problem: Problem = results[0].item.problem
    notes = {m.solver.name: m.solver.note for r in results for m in r.measured}
    parts = [f"# {problem.family}", problem.about, where, *(table(r) for r in results), growth(results)]
    parts += ["## Settings", "\n".join(f"- {name}: {note}." for name, note in notes.items() if note)]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(results: list[Result], targets: tuple[Target, ...], where: str) -> str:
    """Each target beside what was measured."""
    lines = [
        "# Summary",
        "",
        where,
        "",
        "| problem | threads | asked | measured | met |",
        "|---|---|---|---|---|",
    ]
    for target in targets:
        found = [r for r in results if (r.item.problem, r.item.one_thread) == (target.problem, target.one_thread)]
        if found:
            asked, said, met = judged(target, found[0])
            threads = "one" if target.one_thread else "as they come"
            lines.append(f"| {target.problem.name} | {threads} | {asked} | {said} | {met} |")
    return "\n".join(lines) + "\n"


UNITS_OF = {"cpu": "CPU s", "wall": "wall s", "extra_mb": "MB beyond the data"}


def judged(target: Target, result: Result) -> tuple[str, str, str]:
    """What was asked, what was measured, and whether it is met."""
    unit = UNITS_OF.get(target.what, f"CPU s in {target.what}")
    ours = result.named(target.ours)
    rival = result.named(target.rival) if target.rival else None
    if target.rival:
        wanted = "none" if math.isnan(target.times) else f"at least {target.times:g}"
        asked = f"{wanted} (ratio to {target.rival}, {unit})"
    else:
        asked = f"{target.ours}: at most {target.most:.4g} {unit}"
    for m in (ours, rival) if target.rival else (ours,):
        if m is None or not m.turns:
            return asked, m.state if m else "not run", "—"
        if not m.accepted:
            return asked, f"{m.solver.name} does not count (score {m.score:.1e})", "—"
    assert ours is not None
    value = ours.stages[target.what] if target.what in ours.stages else getattr(ours, target.what)
    if rival is None:
        return asked, f"{value:.3g}", "yes" if value <= target.most else "NO"
    times = getattr(rival, target.what) / value
    met = "—" if math.isnan(target.times) else "yes" if times >= target.times else "NO"
    return asked, f"{times:.3g} ({seconds(getattr(rival, target.what))} / {seconds(value)})", met


def machine(load: tuple[float, ...]) -> str:
    """Machine and versions, and how busy it was."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    busy = " and ".join(f"{value:.1f}" for value in load)
    return (
        f"{platform.system()} {platform.machine()}, {processor}, {os.cpu_count()} logical cores, load average before "
        f"and after {busy}. Python {platform.python_version()}; {packages}. Each measurement in a process of its own, "
        "in turns, median over the turns."
    )


def _version(name: str) -> str:
    if name == "benchmodels":
        return benchmodels.__version__
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
