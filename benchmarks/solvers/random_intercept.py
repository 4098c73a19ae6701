"""Random-intercept logit."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data
from benchmarks.solvers.r import r_solver
from benchmarks.solvers.solver import Solver, formula, frame_of, sorted_by_unit


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.random_intercept import fit_random_intercept

    x, y, unit, starts = sorted_by_unit(data)
    one, none = np.ones(len(y)), np.zeros(len(y))
    fit = fit_random_intercept(x, y, one, none, unit, len(starts), family="binomial", link="logit", nodes=7)
    return {"level": fit.level, "slopes": fit.slopes, "unit_sd": fit.unit_sd}


def with_formula(data: Data) -> Any:
    return formula(data["x"].shape[1]), frame_of(data)


def dataframe(ready: Any, **how: Any) -> Answer:
    from benchmodels import RandomEffects

    fit = RandomEffects(ready[0], unit="unit", **how).fit(ready[1])
    part = fit.random
    found = {"level": part.level - part.center @ part.slopes, "slopes": part.slopes, "unit_sd": fit.unit_sd}
    return found | {"residual_sd": np.sqrt(fit.dispersion)}


SOLVERS = (
    Solver(
        "benchmodels kernel",
        kernel,
        note="`kernels.random_intercept.fit_random_intercept`, 7 nodes; sorting by unit is part of the time",
    ),
    Solver("benchmodels, dataframe", dataframe, with_formula, note="`RandomEffects(...).fit(frame)`, 9 nodes"),
    r_solver("R lme4 glmer", "glmer", "nAGQ 7; run by us once, small, with R 4.2", turns=1, largest=100_000),
)
