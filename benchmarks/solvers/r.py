"""Rivals in R: they run where Rscript is on the path, in a process of their own that times itself."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data
from benchmarks.solvers.solver import Solver

SCRIPT = Path(__file__).with_name("rivals.R")
VECTORS = ("slopes", "efficiency")


def _write(data: Data) -> TemporaryDirectory[str]:
    folder = TemporaryDirectory()
    place = Path(folder.name)
    data["x"].T.astype("<f8").tofile(place / "x.bin")
    data["y"].T.astype("<f8").tofile(place / "y.bin")
    data.get("unit", np.arange(len(data["x"]))).astype("<i4").tofile(place / "unit.bin")
    return folder


def _run(task: str, folder: TemporaryDirectory[str]) -> Answer:
    command = ["Rscript", "--vanilla", str(SCRIPT), task, folder.name]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(done.stderr.split())[-200:])
    said: dict[str, list[float]] = {}
    for line in (Path(folder.name) / "answer.txt").read_text(encoding="utf-8").splitlines():
        name, value = line.split()
        said.setdefault(name, []).append(float(value))
    cost = {name: said.pop(name)[0] for name in ("cpu", "wall", "extra_mb")}
    found = {name: np.array(values) if name in VECTORS else values[0] for name, values in said.items()}
    return found | {"cost": cost}


def r_solver(name: str, task: str, note: str, **limits: Any) -> Solver:
    """A rival from ``rivals.R``, by the name of its task there."""
    return Solver(name, partial(_run, task), _write, "Rscript", note, **limits)
