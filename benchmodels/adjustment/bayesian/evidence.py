"""What the cases of a problem say, summed as far as its family allows, as a density that jax can differentiate.

What is linear in the parameters is summed once. What is not is evaluated per cell (rows alike in unit, covariates and
offset), where the covariates of each distinct pattern are multiplied once; a Gaussian outcome leaves quadratic forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.kernels.basis import group_means, group_sums
from benchmodels.kernels.cells import collapse
from benchmodels.kernels.families import link, mean_and_slope
from benchmodels.kernels.families import variance as spread_of_cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.model import BayesianProblem

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Evidence", "evidence_of", "informed"]

# A level is drawn as it stands where its own cases say at least as much of it as its prior does.
INFORMED = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """What the cases say of slopes (p,) and of each unit's level (k,) at the means of its own covariates.

    Parameters
    ----------
    means : (k, p) array
        Covariates of each unit, centred and scaled: there its level is told apart from the slopes best.
    information : (k,) array
        Inverse variance of the unit's level, from its own cases alone.
    spread : float
        Rough standard deviation of the levels between units.
    start : float
        Rough level, in the outcome's scale, which chains start from.
    scale : float
        Standard deviation of a Gaussian outcome, in which all is told; 1 for counts.
    log_likelihood : callable
        Of (slopes, level, residual_sd) as arrays of jax, up to a constant; ``level`` is about ``start``.
    gaussian : bool
    """

    means: Floats
    information: Floats
    spread: float
    start: float
    scale: float
    log_likelihood: Callable[[Any, Any, Any], Any]
    gaussian: bool

    @property
    def informed(self) -> NDArray[np.bool_]:
        """Units (k,) whose own cases say at least as much of their level as the other units do."""
        return informed(self.information, self.spread**2)


def informed(information: Floats, variance: float | Floats) -> NDArray[np.bool_]:
    """Return what is drawn as it stands (centred); the rest is drawn in standard deviations of its prior.

    The weight of own cases in the posterior is ``information variance / (1 + information variance)``; chains move
    freely in the first form where it is large, in the second where it is small (Betancourt & Girolami 2015).
    """
    told = information * variance
    return np.asarray(told / (1.0 + told) >= INFORMED)


def _spread(level: Floats, variance: Floats) -> float:
    """Return the standard deviation of levels beyond their own variances (DerSimonian & Laird 1986)."""
    weight = 1.0 / variance
    total = weight.sum()
    excess = float(weight @ (level - weight @ level / total) ** 2) - (len(level) - 1)
    return float(np.sqrt(max(excess, 0.0) / (total - weight @ weight / total))) if len(level) > 1 else 0.0


def evidence_of(problem: BayesianProblem) -> Evidence:
    """Return what a problem's cases say, summed as far as its family allows."""
    return _measured(problem) if problem.family.name == "gaussian" else _counted(problem)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Rows alike in unit, covariates and offset as one; patterns are the distinct rows of covariates."""

    patterns: Floats
    pattern: Codes
    unit: Codes
    offset: Floats
    outcome: Floats
    size: Floats


def _cells(problem: BayesianProblem) -> _Cells:
    there = np.flatnonzero(problem.size > 0)
    unit = problem.unit[there]
    patterns, pattern = np.unique(problem.columns[there], axis=0, return_inverse=True)
    offsets, offset = np.unique(problem.offset[there], return_inverse=True)
    cell, first = collapse((unit, pattern, offset), (len(problem.units), len(patterns), len(offsets)))
    sums = (group_sums(cell, values[there], len(first)) for values in (problem.outcome, problem.size))
    return _Cells(patterns, pattern[first], unit[first], problem.offset[there][first], *sums)


def _counted(problem: BayesianProblem) -> Evidence:
    """Evidence of counts. With a canonical link it is Σ y η − Σ size f(η), whose first sum needs no cells."""
    k, family = len(problem.units), problem.family
    cells = _cells(problem)
    events = group_sums(problem.unit, problem.outcome, k)
    trials = group_sums(problem.unit, problem.size, k)
    means = group_means(problem.columns, problem.size, problem.unit, k)
    shift = group_means(problem.offset[:, None], problem.size, problem.unit, k)[:, 0]
    # Half an event more, so that units without events have a level to start from.
    rate = (events + 0.5) / (trials + (1.0 if family.share else 0.0))
    level = link(family, rate)
    variance = spread_of_cases(family, rate) / (trials * mean_and_slope(family, level)[1] ** 2)
    start = float(np.average(level - shift, weights=1.0 / variance))
    products = problem.outcome @ problem.columns - events @ means
    offset = cells.offset + start

    def log_likelihood(slopes: Any, level: Any, _: Any) -> Any:
        import jax.numpy as jnp

        own = level - jnp.asarray(means) @ slopes
        eta = (jnp.asarray(cells.patterns) @ slopes)[cells.pattern] + own[cells.unit] + offset
        if not family.canonical:
            return _by_cell(family.link, eta, cells)
        linear = jnp.asarray(products) @ slopes + jnp.asarray(events) @ level
        return linear - jnp.asarray(cells.size) @ (_log_one_plus_exp(eta) if family.share else jnp.exp(eta))

    return Evidence(
        means=means,
        information=1.0 / variance,
        spread=_spread(level - shift, variance),
        start=start,
        scale=1.0,
        log_likelihood=log_likelihood,
        gaussian=False,
    )


def _log_one_plus_exp(eta: Any) -> Any:
    """Return log(1 + exp(η)), with its derivative from the same exponential: a third of the time of jax's own."""
    import jax
    import jax.numpy as jnp

    def both(x: Any) -> tuple[Any, Any]:
        small = jnp.exp(-jnp.abs(x))
        return jnp.maximum(x, 0.0) + jnp.log1p(small), jnp.where(x > 0, 1.0, small) / (1.0 + small)

    value = jax.custom_vjp(lambda x: both(x)[0])
    value.defvjp(both, lambda slope, upstream: (slope * upstream,))
    return value(eta)


def _by_cell(name: str, eta: Any, cells: _Cells) -> Any:
    """Return the log-likelihood of shares under a link that is not canonical."""
    import jax.numpy as jnp
    from jax.scipy.special import log_ndtr

    if name == "probit":
        yes, no = log_ndtr(eta), log_ndtr(-eta)
    else:
        no = -jnp.exp(eta)
        yes = jnp.log(-jnp.expm1(no))
    return jnp.asarray(cells.outcome) @ yes + jnp.asarray(cells.size - cells.outcome) @ no


def _measured(problem: BayesianProblem) -> Evidence:
    """Evidence of a Gaussian outcome, in its standard deviations: three sums of squares that meet in nothing.

    The residual sum of squares is ``rest + (b - own)' within (b - own) + Σ weight (level - mean)²``, for levels at the
    means of each unit's covariates: deviations within units have no sum.
    """
    k, size = len(problem.units), problem.size
    # A constant outcome has no standard deviation to be told in.
    scale = problem.intercept_sd / problem.prior.intercept_sd or 1.0
    weight, there = group_sums(problem.unit, size, k), np.where(size > 0, size, 1.0)
    value = problem.outcome / there - problem.offset
    start = float(np.average(value, weights=size))
    value = (value - start) / scale
    mean = group_means(value[:, None], size, problem.unit, k)[:, 0]
    means = group_means(problem.columns, size, problem.unit, k)
    apart, left = problem.columns - means[problem.unit], value - mean[problem.unit]
    within = apart.T @ (size[:, None] * apart)
    own = np.asarray(np.linalg.pinv(within, hermitian=True) @ (apart.T @ (size * left)))
    inside = float((problem.squares - problem.outcome**2 / there).clip(min=0.0).sum()) / scale**2
    rest, cases = inside + float(size @ (left - apart @ own) ** 2), float(problem.cases.sum())
    free = max(cases - k, 1.0)
    variance = (rest / free if rest > 0 else 0.5) / weight

    def log_likelihood(slopes: Any, level: Any, residual_sd: Any) -> Any:
        import jax.numpy as jnp

        off, away = slopes - jnp.asarray(own), level - jnp.asarray(mean)
        squares = rest + off @ (jnp.asarray(within) @ off) + jnp.asarray(weight) @ away**2
        return -cases * jnp.log(residual_sd) - 0.5 * squares / residual_sd**2

    return Evidence(
        means=means,
        information=1.0 / variance,
        spread=_spread(mean, variance),
        start=start,
        scale=scale,
        log_likelihood=log_likelihood,
        gaussian=True,
    )
