"""Solvers of the problems: a function of the data that returns (level, slopes …)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Data = dict[str, np.ndarray]


def benchmodels_kernel() -> Callable[[Data], np.ndarray]:
    from benchmodels.kernels.basis import well_conditioned
    from benchmodels.kernels.newton import Rows, fit_levels

    def solve(data: Data) -> np.ndarray:
        n = len(data["y"])
        size, codes = np.ones(n), np.zeros(n, dtype=np.intp)
        columns, basis = well_conditioned(data["x"], size, codes, 1)
        fit = fit_levels(Rows(columns, data["y"], size, np.zeros(n), codes, np.zeros(1, dtype=np.intp), "binomial"))
        return np.r_[fit.levels + basis.level_shift(fit.slopes), basis.to_columns(fit.slopes)]

    return solve


def benchmodels_dataframe() -> Callable[[Data], np.ndarray]:
    import pandas as pd

    from benchmodels import Pooled

    def solve(data: Data) -> np.ndarray:
        frame = pd.DataFrame(data["x"], columns=[f"x{j}" for j in range(data["x"].shape[1])])
        frame["y"], frame["unit"] = data["y"], np.arange(len(frame)) % 98
        fit = Pooled("y ~ " + " + ".join(frame.columns[:-2]), unit="unit").fit(frame)
        return np.r_[fit.unit_levels.iloc[0], fit.slopes.to_numpy()]

    return solve


def statsmodels_glm() -> Callable[[Data], np.ndarray]:
    import statsmodels.api as sm

    def solve(data: Data) -> np.ndarray:
        model = sm.GLM(data["y"], sm.add_constant(data["x"]), family=sm.families.Binomial())
        return np.asarray(model.fit().params)

    return solve


def statsmodels_logit() -> Callable[[Data], np.ndarray]:
    import statsmodels.api as sm

    def solve(data: Data) -> np.ndarray:
        return np.asarray(sm.Logit(data["y"], sm.add_constant(data["x"])).fit(disp=0).params)

    return solve


def _sklearn(solver: str) -> Callable[[Data], np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    def solve(data: Data) -> np.ndarray:
        fit = LogisticRegression(C=np.inf, solver=solver, tol=1e-8, max_iter=200).fit(data["x"], data["y"])
        return np.r_[fit.intercept_, fit.coef_[0]]

    return solve


def sklearn_newton_cholesky() -> Callable[[Data], np.ndarray]:
    return _sklearn("newton-cholesky")


def sklearn_lbfgs() -> Callable[[Data], np.ndarray]:
    return _sklearn("lbfgs")


SOLVERS = {
    "benchmodels kernel": benchmodels_kernel,
    "benchmodels from a dataframe": benchmodels_dataframe,
    "statsmodels GLM": statsmodels_glm,
    "statsmodels Logit": statsmodels_logit,
    "scikit-learn newton-cholesky": sklearn_newton_cholesky,
    "scikit-learn lbfgs": sklearn_lbfgs,
}
