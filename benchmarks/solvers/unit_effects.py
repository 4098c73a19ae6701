"""Logit with unit effects."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problems import UNITS, Answer, Data
from benchmarks.solvers.r import r_solver
from benchmarks.solvers.solver import Solver, formula, frame_of, names


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.families import Family
    from benchmodels.kernels.newton import fit_in_basis

    one, none = np.ones(len(data["y"])), np.zeros(len(data["y"]))
    rows = Rows(data["x"], data["y"], one, none, data["unit"], UNITS, Family("binomial"), one)
    _, basis, fit = fit_in_basis(rows)
    return {"levels": fit.levels + basis.level_shift(fit.slopes), "slopes": basis.to_columns(fit.slopes)}


def with_formula(data: Data) -> Any:
    return formula(data["x"].shape[1]), frame_of(data)


def dataframe(ready: Any) -> Answer:
    from benchmodels import FixedEffects

    fit = FixedEffects(ready[0], unit="unit").fit(ready[1])
    return {"levels": fit.unit_levels.to_numpy(), "slopes": fit.slopes.to_numpy()}


def pyfixest(ready: Any) -> Answer:
    import pyfixest as pf

    found = pf.feglm(
        ready[0] + " | unit", ready[1], family="logit", vcov="iid", store_data=False, copy_data=False, lean=True
    )
    # Levels are absorbed: the judge takes the best ones at these slopes.
    return {"slopes": found.coef().to_numpy()}


def categorical(data: Data) -> Any:
    import pandas as pd

    frame = frame_of(data)
    units = pd.Categorical(frame["unit"])
    return frame[names(data["x"].shape[1])].assign(unit=units), data["y"]


def glum(ready: Any) -> Answer:
    from glum import GeneralizedLinearRegressor

    fit = GeneralizedLinearRegressor(
        family="binomial", alpha=0, solver="irls-ls", gradient_tol=1e-6, drop_first=True
    ).fit(*ready)
    p = ready[0].shape[1] - 1
    return {"levels": fit.intercept_ + np.append(0.0, fit.coef_[p:]), "slopes": fit.coef_[:p]}


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.newton.fit_in_basis`, rows in no order"),
    Solver("benchmodels, dataframe", dataframe, with_formula, note="`FixedEffects(...).fit(frame)`"),
    Solver(
        "pyfixest feglm",
        pyfixest,
        with_formula,
        "pyfixest",
        "units absorbed, tolerances as they come, iid covariance, nothing stored",
        turns=3,
    ),
    Solver("glum", glum, categorical, "glum", "alpha 0, irls-ls, gradient_tol 1e-6, units as a pandas categorical"),
    r_solver("R fixest feglm", "fixest", "units absorbed; never run by us", turns=3),
)
