"""Many refits of one small grouped logit."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data
from benchmarks.solvers.solver import Solver


def kernel(data: Data) -> Answer:
    from benchmodels.kernels.batched import fit_batch

    fit = fit_batch(data["x"], data["y"], data["size"], np.zeros(len(data["x"])), family="binomial")
    return {"level": fit.levels[:, 0], "slopes": fit.slopes}


def _by_row(found: list[np.ndarray]) -> Answer:
    rows = np.array(found)
    return {"level": rows[:, -1], "slopes": rows[:, :-1]}


def statsmodels_loop(data: Data) -> Answer:
    import statsmodels.api as sm

    z, family = np.column_stack([data["x"], np.ones(len(data["x"]))]), sm.families.Binomial()

    def refit(y: np.ndarray, size: np.ndarray, start: np.ndarray | None) -> Any:
        return sm.GLM(np.column_stack([y, size - y]), z, family=family).fit(start_params=start).params

    start = refit(data["y"].mean(axis=0), data["size"].mean(axis=0), None)
    return _by_row([refit(y, size, start) for y, size in zip(data["y"], data["size"], strict=True)])


def sklearn_loop(data: Data) -> Answer:
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression

    n = len(data["x"])
    x, event, found = np.vstack([data["x"], data["x"]]), np.repeat([1, 0], n), []
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-6, warm_start=True)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for y, size in zip(data["y"], data["size"], strict=True):
            model.fit(x, event, sample_weight=np.concatenate([y, size - y]))
            found.append(np.append(model.coef_[0], model.intercept_))
    return _by_row(found)


SOLVERS = (
    Solver("benchmodels kernel", kernel, note="`kernels.batched.fit_batch`"),
    Solver(
        "loop of statsmodels GLM",
        statsmodels_loop,
        needs="statsmodels",
        note="IRLS, started at the fit to the average replicate",
        turns=3,
    ),
    Solver(
        "loop of scikit-learn newton-cholesky",
        sklearn_loop,
        needs="scikit-learn",
        note="no penalty, tol 1e-6, warm start, checks of the input off",
        turns=3,
    ),
)
