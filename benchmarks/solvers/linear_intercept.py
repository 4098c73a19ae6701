"""Linear random intercept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data
from benchmarks.solvers.r import r_solver
from benchmarks.solvers.random_intercept import dataframe, with_formula
from benchmarks.solvers.solver import Solver, names


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.linear_intercept import fit_linear_intercept, unit_statistics

    x, y, unit = data["x"], data["y"], data["unit"]
    one, none = np.ones(len(y)), np.zeros(len(y))
    fit = fit_linear_intercept(unit_statistics(x, y, one, y * y, one, none, unit, int(unit.max()) + 1))
    return {"level": fit.level, "slopes": fit.slopes, "unit_sd": fit.unit_sd, "residual_sd": fit.residual_sd}


def with_ones(data: Data) -> Any:
    return data["y"], np.column_stack([data["x"], np.ones(len(data["y"]))]), data["unit"]


def mixed_lm(ready: Any) -> Answer:
    from statsmodels.regression.mixed_linear_model import MixedLM

    fit = MixedLM(ready[0], ready[1], groups=ready[2]).fit(reml=False, method="bfgs", gtol=1e-6)
    found = {"level": fit.fe_params[-1], "slopes": fit.fe_params[:-1], "unit_sd": np.sqrt(fit.cov_re[0, 0])}
    return found | {"residual_sd": np.sqrt(fit.scale)}


def panel(data: Data) -> Any:
    import pandas as pd

    y, z, unit = with_ones(data)
    order = np.argsort(unit, kind="stable")
    unit = unit[order]
    index = pd.MultiIndex.from_arrays([unit, np.arange(len(unit)) - np.searchsorted(unit, unit)])
    columns = [*names(z.shape[1] - 1), "level"]
    return pd.Series(y[order], index, name="y"), pd.DataFrame(z[order], index, columns)


def linearmodels(ready: Any) -> Answer:
    from linearmodels.panel import RandomEffects

    fit = RandomEffects(*ready).fit()
    found = fit.params.to_numpy()
    parts = fit.variance_decomposition
    sds = {"unit_sd": np.sqrt(parts["Effects"]), "residual_sd": np.sqrt(parts["Residual"])}
    return {"level": found[-1], "slopes": found[:-1], "moments": True} | sds


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.linear_intercept`; rows in no order"),
    Solver(
        "benchmodels, dataframe",
        partial(dataframe, family="gaussian"),
        with_formula,
        note='`RandomEffects(..., family="gaussian").fit(frame)`',
    ),
    Solver(
        "statsmodels MixedLM",
        mixed_lm,
        with_ones,
        "statsmodels",
        "maximum likelihood, bfgs, gtol 1e-6 (the default stops too early)",
        turns=2,
    ),
    Solver(
        "linearmodels RandomEffects",
        linearmodels,
        panel,
        "linearmodels",
        "as it comes; variances by moments; rows sorted before the clock starts",
        turns=3,
    ),
    r_solver("R lme4 lmer", "lmer", "maximum likelihood; run by us once, small, with R 4.2", turns=1),
)
