"""What a solver is, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from shutil import which
from time import process_time
from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data


@dataclass(frozen=True)
class Solver:
    """A way to solve a problem.

    ``prepare`` turns the data into the solver's own favourite form and is not timed; ``solve`` is. Packages are
    imported inside them, so that none needs to be there until it runs (and the warm-up pays for it). ``turns`` and
    ``largest`` spare slow ones: at most so many turns, at most so large a problem. ``note`` says how it is set.
    """

    name: str
    solve: Callable[[Any], Answer]
    prepare: Callable[[Data], Any] = lambda data: data
    needs: str | None = None
    note: str = ""
    turns: int = 99
    largest: int | None = None

    def installed(self) -> bool:
        if self.needs is None:
            return True
        if self.needs == "Rscript":
            return which("Rscript") is not None
        try:
            return bool(version(self.needs))
        except PackageNotFoundError:
            return False


def names(p: int) -> list[str]:
    return [f"x{j}" for j in range(p)]


def frame_of(data: Data) -> Any:
    """The data as a dataframe: x0 …, y and, if there are any, units."""
    import pandas as pd

    frame = pd.DataFrame(data["x"], columns=names(data["x"].shape[1]))
    frame["y"] = data["y"]
    if "unit" in data:
        frame["unit"] = data["unit"]
    return frame


def formula(p: int) -> str:
    return "y ~ " + " + ".join(names(p))


def sorted_by_unit(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Covariates, outcome and unit of rows in the order of units, and the first row of each: part of what is timed."""
    # Sixteen bits are sorted in linear time.
    order = np.argsort(data["unit"].astype(np.uint16), kind="stable")
    unit = data["unit"][order]
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    return data["x"].take(order, axis=0), data["y"][order], unit, starts


class Stages:
    """CPU seconds of the stages of one solver."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = process_time()
        yield
        self.seconds[name] = process_time() - start
