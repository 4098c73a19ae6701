"""Logit without unit effects."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data
from benchmarks.solvers.solver import Solver, formula, frame_of


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.families import Family
    from benchmodels.kernels.newton import fit_in_basis

    n = len(data["y"])
    one, none, codes = np.ones(n), np.zeros(n), np.zeros(n, dtype=np.intp)
    _, basis, fit = fit_in_basis(Rows(data["x"], data["y"], one, none, codes, 1, Family("binomial"), one))
    return {"level": fit.levels[0] + basis.level_shift(fit.slopes), "slopes": basis.to_columns(fit.slopes)}


def with_units(data: Data) -> Any:
    frame = frame_of(data)
    return formula(data["x"].shape[1]), frame


def dataframe(ready: Any) -> Answer:
    from benchmodels import Pooled

    fit = Pooled(ready[0], unit="unit").fit(ready[1])
    return {"level": fit.unit_levels.iloc[0], "slopes": fit.slopes.to_numpy()}


def with_ones(data: Data) -> tuple[np.ndarray, np.ndarray]:
    return data["y"], np.column_stack([data["x"], np.ones(len(data["y"]))])


def statsmodels_glm(ready: Any) -> Answer:
    import statsmodels.api as sm

    found = sm.GLM(*ready, family=sm.families.Binomial()).fit().params
    return {"level": found[-1], "slopes": found[:-1]}


def statsmodels_logit(ready: Any) -> Answer:
    import statsmodels.api as sm

    found = sm.Logit(*ready).fit(disp=0).params
    return {"level": found[-1], "slopes": found[:-1]}


def newton_cholesky(data: Data) -> Answer:
    return _sklearn(data, "newton-cholesky", 1e-6)


def lbfgs(data: Data) -> Answer:
    return _sklearn(data, "lbfgs", 1e-7)


def _sklearn(data: Data, solver: str, tolerance: float) -> Answer:
    from sklearn.linear_model import LogisticRegression

    fit = LogisticRegression(C=np.inf, solver=solver, tol=tolerance, max_iter=200).fit(data["x"], data["y"])
    return {"level": fit.intercept_[0], "slopes": fit.coef_[0]}


def by_column(data: Data) -> Data:
    return {"x": np.asfortranarray(data["x"]), "y": data["y"]}


def glum(data: Data) -> Answer:
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(family="binomial", alpha=0, solver="irls-ls", gradient_tol=1e-6)
    fit = model.fit(data["x"], data["y"])
    return {"level": fit.intercept_, "slopes": fit.coef_}


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.newton.fit_in_basis`"),
    Solver("benchmodels, dataframe", dataframe, with_units, note="`Pooled(...).fit(frame)`"),
    Solver("statsmodels GLM", statsmodels_glm, with_ones, "statsmodels", "IRLS as it comes", turns=2),
    Solver("statsmodels Logit", statsmodels_logit, with_ones, "statsmodels", "Newton as it comes", turns=3),
    Solver(
        "scikit-learn newton-cholesky",
        newton_cholesky,
        needs="scikit-learn",
        note="no penalty, tol 1e-6 (1e-4 is not enough)",
    ),
    Solver("scikit-learn lbfgs", lbfgs, needs="scikit-learn", note="no penalty, tol 1e-7 (1e-6 is not enough)"),
    Solver("glum", glum, by_column, "glum", "alpha 0, irls-ls, gradient_tol 1e-6, columns in Fortran order"),
)
