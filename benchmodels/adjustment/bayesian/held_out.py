"""Log-likelihoods of units with their effects integrated out, and units left out by importance weights."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from benchmodels.adjustment.bayesian.importance import LARGEST_KHAT, count_rows, nodes_for, pareto
from benchmodels.errors import PartialResultWarning
from benchmodels.kernels import posterior_linear
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.posterior_marginal import Parameters, unit_log_likelihoods
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.fit import BayesianFit

    Floats = NDArray[np.float64]

__all__ = ["leave_one_unit_out", "unit_log_likelihood"]


def unit_log_likelihood(fit: BayesianFit) -> Floats:
    """Return the log-likelihood (d, k) of each unit at every draw of the parameters, its effect integrated out."""
    problem, draws = fit._problem, fit.draws
    slopes = fit._scaled_slopes
    if draws.residual_sd is not None:
        p = problem
        rows = Rows(p.columns, p.outcome, p.size, p.offset, p.unit, len(p.units), p.family, p.cases)
        return posterior_linear.unit_log_likelihoods(
            rows, p.design.starts, p.squares, slopes, draws.intercept, draws.unit_sd, draws.residual_sd
        )
    rows_of_counts, met = count_rows(problem)
    wide = int(np.argsort(draws.unit_sd)[int(0.975 * len(draws))])
    nodes = nodes_for(rows_of_counts, slopes[wide], float(draws.intercept[wide]), float(draws.unit_sd[wide]))
    start = np.broadcast_to(draws.effects.mean(axis=0)[met], (len(draws), len(met)))
    found = np.zeros((len(draws), len(problem.units)))
    at = Parameters(slopes, draws.intercept, draws.unit_sd, start)
    found[:, met] = unit_log_likelihoods(rows_of_counts, at, nodes)
    return found


def leave_one_unit_out(fit: BayesianFit) -> pd.DataFrame:
    """Return what `BayesianFit.leave_one_unit_out` documents."""
    draws, units = fit.draws, fit._problem.units
    log_likelihood = unit_log_likelihood(fit).T
    least = min(draws.diagnostics.ess.values(), default=float(len(draws)))
    effective = float(np.clip(least / len(draws), 1e-3, 1.0)) if np.isfinite(least) else 1.0
    log_weights, khat = pareto(log_likelihood, efficiency=effective)
    elpd = logsumexp(log_weights + log_likelihood, axis=1) - logsumexp(log_weights, axis=1)
    bad = ~(khat <= LARGEST_KHAT)
    if bad.any():
        warnings.warn(
            f"{int(bad.sum())} of {len(units)} units tell so much of the parameters (k-hat above {LARGEST_KHAT}) that "
            f"their elpd is not to be trusted; fit without them: {listed(units[bad].tolist())}",
            PartialResultWarning,
            stacklevel=4,
        )
    return pd.DataFrame({"unit": units, "elpd": elpd, "khat": khat}).infer_objects()
