"""The default engine: effects integrated out by quadrature, the few parameters by importance sampling."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp

from benchmodels.adjustment.bayesian.posterior import Diagnostics, PosteriorDraws
from benchmodels.errors import PartialResultWarning
from benchmodels.kernels.linear_intercept import unit_statistics
from benchmodels.kernels.posterior_importance import Point, effective_draws, lay, propose, resampled
from benchmodels.kernels.posterior_linear import linear_posterior
from benchmodels.kernels.posterior_marginal import Parameters, conditional, draw_effects, unit_log_likelihoods
from benchmodels.kernels.quadrature import UnitRows, place, unit_rows
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.model import BayesianProblem

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["LARGEST_KHAT", "count_rows", "nodes_for", "pareto", "sample_importance", "smoothed"]

LARGEST_KHAT = 0.7
# Nodes of the quadrature, and the change in the log-likelihood up to which fewer are kept.
NODES, SMALL = (5, 9, 15, 25, 41), 0.01


def sample_importance(problem: BayesianProblem, *, draws: int, rng: np.random.Generator) -> PosteriorDraws:
    """Draw jointly from the posterior of parameters and unit effects.

    Warns
    -----
    PartialResultWarning
        The weights' tail index is above 0.7, so that the draws are not to be trusted.
    """
    with one_blas_thread():
        found = (_linear if problem.family.name == "gaussian" else _counts)(problem, draws, rng)
    khat = found.diagnostics.khat
    if not khat <= LARGEST_KHAT:
        warnings.warn(
            f"the importance weights have a tail index (k-hat) of {khat:.2f}, above {LARGEST_KHAT}: these draws are "
            "not to be trusted; ask for engine='nuts', or a prior that rules out what cannot be",
            PartialResultWarning,
            stacklevel=4,
        )
    return found


def smoothed(log_ratio: Floats) -> tuple[Floats, float]:
    """Return Pareto-smoothed weights (d,), which sum to one, and their tail index (Vehtari et al. 2024, JMLR 25:72)."""
    # What has no density at all is far below the rest; infinities would be passed on.
    log_ratio = np.where(np.isfinite(log_ratio), log_ratio, -1e300)
    log_weights, khat = pareto(-(log_ratio - log_ratio.max()))
    weights = np.exp(log_weights - np.max(log_weights))
    return weights / weights.sum(), float(khat)


def pareto(log_likelihood: Floats, *, efficiency: float = 1.0) -> tuple[Floats, Floats]:
    """Return smoothed log weights (…, d), of what is *left out*, and their tail indices (…).

    Parameters
    ----------
    log_likelihood : (…, d) array
        Minus the log of raw weights.
    efficiency : float
        Effective number of draws over their number.
    """
    # Loaded here: the package's import stays light.
    stats: Any = import_module("arviz_stats.base").array_stats
    log_weights, khat = np.empty(log_likelihood.shape), np.empty(log_likelihood.shape[:-1])
    for at in np.ndindex(khat.shape):
        try:
            log_weights[at], khat[at] = stats.psislw(log_likelihood[at], r_eff=efficiency)
        except ValueError:
            # The largest weights are all the same: there is no tail to smooth.
            log_weights[at], khat[at] = -log_likelihood[at] - logsumexp(-log_likelihood[at]), -np.inf
    return log_weights, khat


def count_rows(problem: BayesianProblem) -> tuple[UnitRows, Codes]:
    """Return the rows laid out for quadrature, and the units that have any."""
    rows = unit_rows(
        problem.columns, problem.outcome, problem.size, problem.offset, problem.unit,
        problem.family.name, problem.family.link,
    )  # fmt: skip
    return rows, problem.unit[rows.starts]


def nodes_for(rows: UnitRows, slopes: Floats, level: float, unit_sd: float) -> int:
    """Return how many nodes the quadrature needs at these parameters."""
    start = np.zeros(len(rows.starts))
    value = place(rows, slopes, level, unit_sd, NODES[0], start).value
    for nodes, more in zip(NODES[:-1], NODES[1:], strict=True):
        finer = place(rows, slopes, level, unit_sd, more, start).value
        if abs(finer - value) <= SMALL:
            return nodes
        value = finer
    return NODES[-1]


def _prior(problem: BayesianProblem) -> tuple[Floats, Floats]:
    """Return means and precisions (p + 1,) of slopes and level."""
    p = len(problem.names)
    mean = np.r_[np.zeros(p), problem.intercept_center]
    return mean, np.r_[np.full(p, problem.slope_sd), problem.intercept_sd] ** -2.0


def _counts(problem: BayesianProblem, draws: int, rng: np.random.Generator) -> PosteriorDraws:
    rows, met = count_rows(problem)
    mean, precision = _prior(problem)
    scale, p = problem.unit_sd_scale, len(problem.names)

    def point(sd: float, near: Point | None) -> Point:
        found = conditional(rows, mean, precision, NODES[0], sd, near)
        return replace(found, height=found.height - 0.5 * (sd / scale) ** 2)

    nest = lay(point, scale)
    # Where the spread may well be: the largest within six nats of the highest density.
    high = int(np.flatnonzero(nest.height > nest.height.max() - 6.0)[-1])
    nodes = nodes_for(rows, nest.mode[high, :p], float(nest.mode[high, p]), float(nest.sd[high]))
    proposals = propose(nest, draws, rng)
    theta = proposals.others
    at = Parameters(theta[:, :p], theta[:, p], proposals.sd, proposals.inner)
    log_density = unit_log_likelihoods(rows, at, nodes).sum(axis=1)
    log_density -= 0.5 * ((theta - mean) ** 2 @ precision + (proposals.sd / scale) ** 2)
    weights, khat = smoothed(log_density - proposals.log_density)
    keep = resampled(weights, draws, rng)
    kept = Parameters(at.slopes[keep], at.level[keep], at.unit_sd[keep], at.start[keep])
    # A unit without rows keeps its prior.
    effects = rng.standard_normal((draws, len(problem.units))) * kept.unit_sd[:, None]
    effects[:, met] = draw_effects(rows, kept, rng.random((draws, len(met))))
    values = np.column_stack([theta[:, p], theta[:, :p], proposals.sd])
    return _draws(problem, kept.slopes, kept.level, kept.unit_sd, effects, None, (keep, khat, values))


def _linear(problem: BayesianProblem, draws: int, rng: np.random.Generator) -> PosteriorDraws:
    statistics = unit_statistics(
        problem.columns, problem.outcome, problem.size, problem.squares, problem.cases, problem.offset, problem.unit,
        len(problem.units),
    )  # fmt: skip
    mean, precision = _prior(problem)
    posterior = linear_posterior(statistics, float(mean[-1]), precision, problem.residual_sd_scale)
    scale = problem.unit_sd_scale

    def point(sd: float, near: Point | None) -> Point:
        found = posterior.conditional(sd, near)
        return replace(found, height=found.height - 0.5 * (sd / scale) ** 2)

    proposals = propose(lay(point, scale), draws, rng)
    log_residual = proposals.others[:, 0]
    log_density = posterior.log_density(proposals.sd, log_residual) - 0.5 * (proposals.sd / scale) ** 2
    weights, khat = smoothed(log_density - proposals.log_density)
    keep = resampled(weights, draws, rng)
    sd, residual = proposals.sd[keep], np.exp(log_residual[keep])
    slopes, level, effects = posterior.draw(sd, residual, rng)
    values = np.column_stack([proposals.sd, np.exp(log_residual)])
    return _draws(problem, slopes, level + mean[-1], sd, effects, residual, (keep, khat, values))


def _draws(
    problem: BayesianProblem,
    slopes: Floats,
    level: Floats,
    unit_sd: Floats,
    effects: Floats,
    residual_sd: Floats | None,
    kept: tuple[Codes, float, Floats],
) -> PosteriorDraws:
    keep, khat, values = kept
    d, names = len(level), problem.names
    # How often each proposal was kept is what its weight has become.
    effective = np.minimum(effective_draws(np.bincount(keep, minlength=len(values)) / d, values), d)
    every = ["intercept", *names, "unit_sd"]
    if residual_sd is not None:
        # Slopes and level are drawn anew for each draw that is kept.
        effective = np.r_[np.full(len(names) + 1, d), effective]
        every.append("residual_sd")
    return PosteriorDraws(
        names=names,
        intercept=level,
        slopes=slopes / problem.scale,
        unit_sd=unit_sd,
        effects=effects,
        residual_sd=residual_sd,
        engine="quadrature",
        diagnostics=Diagnostics(khat=khat, ess=dict(zip(every, effective.tolist(), strict=True))),
    )
