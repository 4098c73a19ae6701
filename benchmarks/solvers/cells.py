"""Categorical covariates and unit effects from a dataframe of single cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problems import FACTORS, UNITS, Answer, Data
from benchmarks.solvers.solver import Solver, Stages

FACTOR_NAMES = [f"f{j}" for j in range(len(FACTORS))]
FORMULA = "y ~ " + " + ".join(f"C({name})" for name in FACTOR_NAMES)


def frame(data: Data) -> Any:
    return data["frame"]


def kernel(frame: Any) -> Answer:
    """Code the columns, collapse to cells, make the cells' matrix, fit: by hand and by stages."""
    import pandas as pd

    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.cells import collapse
    from benchmodels.kernels.families import Family
    from benchmodels.kernels.newton import fit_in_basis

    stage = Stages()
    with stage("coding"):
        codes = [pd.factorize(frame[name], sort=True)[0] for name in ["unit", *FACTOR_NAMES]]
    with stage("collapse"):
        cell, first = collapse(codes, [UNITS, *FACTORS])
        size = np.bincount(cell, minlength=len(first)).astype(float)
        y = np.bincount(cell, frame["y"].to_numpy(), len(first))
    with stage("fit"):
        unit, *factors = (code[first] for code in codes)
        pairs = zip(factors, FACTORS, strict=True)
        columns = np.column_stack([code == i for code, levels in pairs for i in range(1, levels)]).astype(float)
        _, basis, fit = fit_in_basis(Rows(columns, y, size, np.zeros(len(y)), unit, UNITS, Family("binomial"), size))
    found = {"levels": fit.levels + basis.level_shift(fit.slopes), "slopes": basis.to_columns(fit.slopes)}
    return found | {"stages": stage.seconds}


def dataframe(frame: Any) -> Answer:
    from benchmodels import FixedEffects

    fit = FixedEffects(FORMULA, unit="unit").fit(frame)
    return {"levels": fit.unit_levels.to_numpy(), "slopes": fit.slopes.to_numpy()}


def pyfixest(frame: Any) -> Answer:
    import pyfixest as pf

    found = pf.feglm(
        FORMULA + " | unit", frame, family="logit", vcov="iid", store_data=False, copy_data=False, lean=True
    )
    return {"slopes": found.coef().to_numpy()}


def categorical(data: Data) -> Any:
    import pandas as pd

    table = data["frame"]
    coded = {name: pd.Categorical(table[name]) for name in [*FACTOR_NAMES, "unit"]}
    return pd.DataFrame(coded), table["y"].to_numpy(dtype=float)


def glum(ready: Any) -> Answer:
    from glum import GeneralizedLinearRegressor

    fit = GeneralizedLinearRegressor(
        family="binomial", alpha=0, solver="irls-ls", gradient_tol=1e-6, drop_first=True
    ).fit(*ready)
    p = sum(FACTORS) - len(FACTORS)
    return {"levels": fit.intercept_ + np.append(0.0, fit.coef_[p:]), "slopes": fit.coef_[:p]}


SOLVERS = (
    Solver("benchmodels kernel", kernel, frame, note="`pandas.factorize`, `kernels.cells.collapse`, `fit_in_basis`"),
    Solver("benchmodels, dataframe", dataframe, frame, note="`FixedEffects(...).fit(frame)`"),
    Solver(
        "pyfixest feglm",
        pyfixest,
        frame,
        "pyfixest",
        "units absorbed, tolerances as they come, iid covariance, nothing stored",
        turns=2,
        largest=1_000_000,
    ),
    Solver(
        "glum",
        glum,
        categorical,
        "glum",
        "alpha 0, irls-ls, gradient_tol 1e-6, all columns pandas categoricals before the clock starts",
        turns=2,
        largest=1_000_000,
    ),
)
