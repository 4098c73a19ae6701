"""A posterior as the DataTree that ArviZ reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels._version import __version__
from benchmodels.adjustment.bayesian.held_out import unit_log_likelihood
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.posterior_totals import predicted_totals

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xarray import DataTree

    from benchmodels.adjustment.bayesian.fit import BayesianFit

    Floats = NDArray[np.float64]

__all__ = ["to_datatree"]


def to_datatree(fit: BayesianFit, rng: np.random.Generator) -> DataTree:
    """Return what `BayesianFit.to_datatree` documents."""
    # Loaded here: the package's import stays light.
    from arviz_base import from_dict

    draws, problem = fit.draws, fit._problem
    rows, drawn = fit._practice()
    starts, units = problem.design.starts, list(problem.units)
    parameters = {"intercept": draws.intercept, "unit_sd": draws.unit_sd, "effects": draws.effects}
    if len(draws.names):
        parameters["slopes"] = draws.slopes
    if draws.residual_sd is not None:
        parameters["residual_sd"] = draws.residual_sd

    def by_chain(values: Floats) -> Floats:
        return values.reshape(draws.chains, -1, *values.shape[1:])

    predicted = predicted_totals(rows, starts, drawn, draws.residual_sd, rng)
    tree: DataTree = from_dict(
        {
            "posterior": {name: by_chain(values) for name, values in parameters.items()},
            "log_likelihood": {"outcome": by_chain(unit_log_likelihood(fit))},
            "posterior_predictive": {"outcome": by_chain(predicted)},
            "observed_data": {"outcome": group_sums(rows.codes, rows.outcome, len(units))},
        },
        coords={"unit": units, "term": list(draws.names)},
        dims={"slopes": ["term"], "effects": ["unit"], "outcome": ["unit"]},
        attrs={"posterior": {"model": repr(fit.model), "version": __version__, "engine": draws.engine, "rng": fit.rng}},
    )
    return tree
