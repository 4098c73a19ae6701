"""Expected totals of each unit by the others."""

from __future__ import annotations

import numpy as np

from benchmarks.problems import UNITS, Answer, Data
from benchmarks.solvers.solver import Solver


def _rows(data: Data) -> tuple:
    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.families import Family

    unit, size = data["unit"], data["size"]
    return Rows(data["x"], data["y"], size, np.zeros(len(unit)), unit, UNITS, Family("binomial"), size), unit, size


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.families import mean
    from benchmodels.kernels.leave_out import average_levels, leave_out
    from benchmodels.kernels.newton import fit_in_basis

    rows, unit, size = _rows(data)
    rows, _, fit = fit_in_basis(rows)
    without = leave_out(rows, unit, UNITS, fit)
    level = average_levels(rows, unit, without.slopes, np.full(UNITS, fit.levels.mean()), own=False)
    eta = np.einsum("ij,ij->i", rows.columns, without.slopes[unit]) + level[unit]
    return {"expected": np.bincount(unit, size * mean(rows.family, eta), UNITS)}


def literal(data: Data) -> Answer:
    """The same kernel, refitted to the other units' rows once for each unit."""
    from dataclasses import replace

    from benchmodels.kernels.families import mean
    from benchmodels.kernels.leave_out import average_levels
    from benchmodels.kernels.newton import fit_levels

    rows, unit, size = _rows(data)
    expected = np.empty(UNITS)
    for i in range(UNITS):
        others, own = rows.take(unit != i), unit == i
        fit = fit_levels(others)
        zero = np.zeros(len(others.outcome), dtype=np.intp)
        alone = replace(others, codes=zero, groups=1)
        level = average_levels(alone, zero, fit.slopes[None], fit.levels.mean(keepdims=True), own=True)
        expected[i] = size[own] @ mean(rows.family, rows.columns[own] @ fit.slopes + level[0])
    return {"expected": expected}


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.leave_out`: all units at once, by one information matrix each"),
    Solver("98 literal refits", literal, note="by the same Newton kernel, in a loop", turns=3),
)
