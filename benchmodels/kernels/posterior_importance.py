"""Importance sampling of few parameters, one of which is a standard deviation that may be zero: a nested proposal.

The standard deviation s is laid out on a grid that begins at zero, where nothing special happens: at each of its points
the other parameters have a mode and a curvature there, and Laplace's approximation of the density of s. Between the
points mode and factor of the covariance are interpolated, and the density of s is linear. A draw is s from this density
and the others from a multivariate t about the mode; its weight is the target over the proposal, both exact.

References
----------
Rue, Martino & Chopin (2009), JRSS-B 71:319, section 3 (nested Laplace approximation). Kitagawa (1996), Journal of
Computational and Graphical Statistics 5:1, appendix (systematic resampling). Owen (2013), Monte Carlo theory, methods
and examples, section 9.2 (variance of self-normalised weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Nest", "Point", "Proposals", "effective_draws", "factor_of", "lay", "propose", "resampled"]

# Points of the grid at the end; finest of its first points, in scales; and the fall of the log density, in nats, beyond
# which nothing is looked for.
POINTS, FINEST, FALL = 40, 2.0**-9, 25.0
# Degrees of freedom of the other parameters' t: tails heavier than those of any posterior under a normal prior.
FREEDOM = 8.0


@dataclass(frozen=True, eq=False)
class Point:
    """The other q parameters at one standard deviation.

    Parameters
    ----------
    sd : float
        Zero or more.
    mode : (q,) array
    factor : (q, q) array
        Lower triangular; factor · factor' is the inverse of minus the Hessian of the log density at the mode.
    height : float
        Laplace's approximation of the log density of ``sd``, up to a constant.
    inner : (k,) array
        What is found on the way and makes the next search shorter (modes of unit effects).
    """

    sd: float
    mode: Floats
    factor: Floats
    height: float
    inner: Floats


@dataclass(frozen=True, eq=False)
class Nest:
    """Points of a grid in the standard deviation, g of them, rising from zero."""

    sd: Floats
    mode: Floats
    factor: Floats
    height: Floats
    inner: Floats


@dataclass(frozen=True, eq=False)
class Proposals:
    """Draws (d,) of the standard deviation and (d, q) of the others, their log density (d,), and ``inner`` (d, k)."""

    sd: Floats
    others: Floats
    log_density: Floats
    inner: Floats


def factor_of(precision: Floats) -> tuple[Floats, float]:
    """Return the lower triangular factor of the inverse of a matrix, and half the log of the matrix' determinant.

    Raises
    ------
    LinAlgError
        The matrix is not positive definite.
    """
    # From the reversed matrix, so that the factor of the inverse is lower triangular.
    root = np.linalg.cholesky(precision[::-1, ::-1])[::-1, ::-1]
    factor = solve_triangular(root, np.eye(len(root)), lower=False).T if len(root) else root
    return np.asarray(factor), float(np.log(root.diagonal()).sum())


def lay(conditional: Callable[[float, Point | None], Point], scale: float) -> Nest:
    """Lay the grid out: doubling distances first, then halving the interval that matters most.

    Parameters
    ----------
    conditional : callable
        Of a standard deviation, and a point near it to start from (None for the first): the point there.
    scale : float
        Of the standard deviation's prior, in its unit of measure.

    Notes
    -----
    An interval matters by its width times the fourth root of the higher density at its ends. Cost 40 points.
    """
    points = [conditional(0.0, None)]
    sd, top = FINEST * scale, points[0].height
    while len(points) < POINTS // 2 and (sd <= scale or points[-1].height > top - FALL):
        points.append(conditional(sd, points[-1]))
        top, sd = max(top, points[-1].height), 2.0 * sd
    while len(points) < POINTS:
        height = np.array([p.height for p in points])
        place = np.array([p.sd for p in points])
        worth = np.log(np.diff(place)) + 0.25 * np.maximum(height[1:], height[:-1])
        at = int(np.argmax(worth))
        points.insert(at + 1, conditional(0.5 * (points[at].sd + points[at + 1].sd), points[at]))
    stacked = (np.array([getattr(p, name) for p in points]) for name in ("sd", "mode", "factor", "height", "inner"))
    return Nest(*stacked)


def propose(nest: Nest, draws: int, rng: np.random.Generator) -> Proposals:
    """Draw from the nested proposal.

    Parameters
    ----------
    draws : int
        d. The standard deviation is drawn with one draw in each d-th part of its distribution.
    """
    density = np.exp(nest.height - nest.height.max())
    width = np.diff(nest.sd)
    mass = 0.5 * width * (density[1:] + density[:-1])
    edges = np.concatenate([[0.0], np.cumsum(mass)])
    target = (np.arange(draws) + rng.random(draws)) / draws * edges[-1]
    at = np.clip(np.searchsorted(edges, target, side="right") - 1, 0, len(width) - 1)
    low, high = density[at], density[at + 1]
    rest = np.clip((target - edges[at]) / width[at], 0.0, None)
    # Root of low w + (high − low) w² / 2 = rest, in the form without cancellation.
    w = 2.0 * rest / (low + np.sqrt(np.maximum(low**2 + 2.0 * (high - low) * rest, 0.0)))
    w = np.clip(np.where(np.isfinite(w), w, 0.5), 0.0, 1.0)
    log_density = np.log((1.0 - w) * low + w * high) - np.log(edges[-1])
    sd = (1.0 - w) * nest.sd[at] + w * nest.sd[at + 1]
    mode, inner = (_between(values, at, w) for values in (nest.mode, nest.inner))
    q = mode.shape[1]
    z = rng.standard_normal((draws, q)) * np.sqrt(FREEDOM / rng.chisquare(FREEDOM, draws))[:, None]
    others = np.empty((draws, q))
    for block in (slice(a, a + 512) for a in range(0, draws, 512)):
        factor = _between(nest.factor, at[block], w[block])
        others[block] = mode[block] + np.einsum("dij,dj->di", factor, z[block])
        log_density[block] -= np.log(np.einsum("dii->di", factor)).sum(axis=1)
    log_density -= 0.5 * (FREEDOM + q) * np.log1p(np.sum(z**2, axis=1) / FREEDOM)
    log_density += float(gammaln(0.5 * (FREEDOM + q)) - gammaln(0.5 * FREEDOM)) - 0.5 * q * np.log(FREEDOM * np.pi)
    return Proposals(sd, others, log_density, inner)


def _between(values: Floats, at: Codes, w: Floats) -> Floats:
    """Interpolate (g, …) values of the points."""
    w = w.reshape(-1, *(1 for _ in values.shape[1:]))
    return np.asarray((1.0 - w) * values[at] + w * values[at + 1])


def effective_draws(weights: Floats, values: Floats) -> Floats:
    """Return the number of independent draws (m,) that weighted ones are worth for the mean of each parameter.

    Parameters
    ----------
    weights : (d,) array
        They sum to one.
    values : (d, m) array

    Notes
    -----
    Posterior variance over the variance of the weighted mean, Σ w² (x − x̄)².
    """
    away = (values - weights @ values) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ away) / (weights**2 @ away))


def resampled(weights: Floats, draws: int, rng: np.random.Generator) -> Codes:
    """Return (draws,) positions, drawn systematically by weights (d,) that sum to one, in random order."""
    edges = np.cumsum(weights)
    at = np.searchsorted(edges, (np.arange(draws) + rng.random()) / draws * edges[-1], side="right")
    return np.asarray(rng.permutation(np.minimum(at, len(weights) - 1)))
