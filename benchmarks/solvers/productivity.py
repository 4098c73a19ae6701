"""Solvers of productivity problems."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.problems import Answer, Data
from benchmarks.solvers.solver import Solver


def prepared(data: Data) -> Any:
    import pandas as pd

    years, n, m = data["x"].shape
    goods = np.concatenate([data["x"], data["y"]], axis=2).reshape(years * n, -1)
    names = [*(f"x{j}" for j in range(m)), *(f"y{j}" for j in range(goods.shape[1] - m))]
    frame = pd.DataFrame(goods, columns=names)
    frame = frame.assign(unit=np.tile(np.arange(n), years), year=np.repeat(np.arange(years), n))
    return frame, names[:m], names[m:], data["drawn"].shape[1], data["seed"]


def dataframe(ready: Any) -> Answer:
    from benchmodels.errors import PartialResultWarning
    from benchmodels.frontier.productivity import Malmquist

    frame, inputs, outputs, replicates, seed = ready
    model = Malmquist(inputs=inputs, outputs=outputs, unit="unit", period="year", decomposition="fgnz")
    with warnings.catch_warnings():
        # Of some parts of a few changes replicates tell nothing.
        warnings.simplefilter("ignore", PartialResultWarning)
        found = model.fit(frame).bootstrap(replicates=replicates, rng=seed)
    return {"efficiency": found.found * np.exp(found.errors)}


SOLVERS = (
    Solver(
        "benchmodels, dataframe",
        dataframe,
        prepared,
        note="`Malmquist(..., decomposition='fgnz').fit(...).bootstrap()`",
    ),
)
