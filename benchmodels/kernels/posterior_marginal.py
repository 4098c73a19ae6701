"""Random-intercept counts at many draws of the parameters: marginal likelihood of each unit, effects given them.

Copies of the rows, one a draw, stand for that many times the units, so that one quadrature serves a block of draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.linalg import LinAlgError

from benchmodels.errors import ConvergenceError
from benchmodels.kernels.posterior_importance import Point, factor_of
from benchmodels.kernels.quadrature import (
    Place,
    UnitRows,
    _laid_out,
    _modes,
    _node_values,
    differentiate,
    place,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Parameters", "conditional", "draw_effects", "unit_log_likelihoods"]

# Rows of all copies together; steps of an effect's grid; and the fall of its log density, in nats, where that ends.
ROWS, GRID, TAIL = 16_384, 160, 20.0
# A standard deviation below which it is zero to any outcome, so that its inverse square is finite.
LEAST_SD = 1e-9
# Decrement, in standard errors, at which a mode is near enough for a proposal, and the steps after which any place is:
# where units are nothing or all events, a wide spread leaves the few nodes of a quadrature no smooth top.
NEAR, STEPS = 1e-2, 15


@dataclass(frozen=True, eq=False)
class Parameters:
    """Draws: slopes (d, p), level (d,) and unit_sd (d,), link scale; ``start`` (d, k) of the modes."""

    slopes: Floats
    level: Floats
    unit_sd: Floats
    start: Floats


def unit_log_likelihoods(rows: UnitRows, parameters: Parameters, nodes: int) -> Floats:
    """Return the marginal log-likelihood (d, k) of each unit at each draw, in nats without constants of the data.

    Parameters
    ----------
    rows : UnitRows
        n rows of k units, all with rows.
    parameters : Parameters
    nodes : int
        Of the adaptive quadrature.

    Notes
    -----
    Equal to `quadrature.place` at every draw (``test_many_draws_are_each_draw``). Minus infinity in a draw at which a
    mode is not found. Cost for a draw (nodes + 10) n.
    """
    abscissas, log_weights = rule(nodes)

    def values(tiled: UnitRows, eta: Floats, sd: Floats, modes: Floats, scale: Floats) -> Floats:
        positions = modes[:, None] + scale[:, None] * abscissas
        logs = _node_values(tiled, eta, positions) + log_weights - 0.5 * (positions / sd[:, None]) ** 2
        top = logs.max(axis=1)
        return np.asarray(top + np.log(np.exp(logs - top[:, None]).sum(axis=1)) + np.log(scale / sd))

    return _by_blocks(rows, parameters, values, None)


def draw_effects(rows: UnitRows, parameters: Parameters, shares: Floats) -> Floats:
    """Return unit effects (d, k) at given shares (d, k) of their distributions given parameters and outcomes.

    Raises
    ------
    ConvergenceError
        A mode was not found.

    Notes
    -----
    The log density, which is concave, is interpolated between Chebyshev nodes from where it has fallen by some 20 nats
    on one side of the mode to where it has on the other; so many nodes that the nearest poles of a logistic function
    are of no consequence. Its distribution on a fine grid is inverted. Shares below quantiles are right to 5e-4, for
    probit and complementary log-log to standard deviations of 2
    (``test_effects_are_drawn_from_their_distribution``). Cost for a draw some 15 to 25 n, more for wide spreads.
    """

    def values(tiled: UnitRows, eta: Floats, sd: Floats, modes: Floats, scale: Floats, share: Floats) -> Floats:
        def logs_at(effects: Floats) -> Floats:
            logs = _node_values(tiled, eta, effects) - 0.5 * (effects / sd[:, None]) ** 2
            return np.where(np.isnan(logs), -np.inf, logs)

        reach = _reach(logs_at, modes, scale, sd)
        low, width = modes - reach[:, 0], reach.sum(axis=1)
        points, weights = _interpolation(float(0.5 * width.max()))
        logs = logs_at(low[:, None] + width[:, None] * points) @ weights.T
        return np.asarray(low + width * _inverse(logs, share))

    effects = _by_blocks(rows, parameters, values, shares)
    if not np.isfinite(effects).all():
        raise ConvergenceError("the mode of a unit's effect was not found")
    return effects


def _reach(logs_at: Callable[[Floats], Floats], modes: Floats, scale: Floats, sd: Floats) -> Floats:
    """Return the distances (u, 2) below and above the mode at which the log density has fallen by about `TAIL`."""
    normal = np.sqrt(2.0 * TAIL)
    # The prior alone makes it fall by as much at the farthest.
    farthest = normal * sd[:, None]
    reach = np.minimum(np.repeat(normal * scale[:, None], 2, axis=1), farthest)
    top = logs_at(modes[:, None])
    for _ in range(6):
        fall = top - logs_at(modes[:, None] + reach * np.array([-1.0, 1.0]))
        move = np.sqrt(TAIL / np.clip(fall, 1.0, 16.0 * TAIL))
        moved = np.minimum(reach * move, farthest)
        enough = (np.abs(np.log(move)) < 0.2) | (moved >= farthest) & (reach >= farthest)
        reach = np.where(enough, reach, moved)
        if enough.all():
            break
    return np.asarray(reach)


def _interpolation(half: float) -> tuple[Floats, Floats]:
    """Return nodes (m,) from 0 to 1, and the matrix (`GRID` + 1, m) that takes values there to an even grid.

    ``half`` is half the range, link scale: the poles of a logistic function are π away from the real line.
    """
    ellipse = np.pi / half + np.sqrt(1.0 + (np.pi / half) ** 2)
    degree = 2 * int(np.clip(np.ceil(8.0 / np.log(ellipse)), 4, 40))
    angle = np.cos(np.pi * np.arange(degree + 1) / degree)
    # Values to coefficients to values.
    to_values = np.polynomial.chebyshev.chebvander(angle, degree)
    grid = np.polynomial.chebyshev.chebvander(np.linspace(-1.0, 1.0, GRID + 1), degree)
    return 0.5 * (1.0 + angle), np.asarray(np.linalg.solve(to_values.T, grid.T).T)


def _inverse(logs: Floats, share: Floats) -> Floats:
    """Return the places (u,) from 0 to 1 below which densities on an even grid (u, g) have the given shares."""
    density = np.exp(logs - logs.max(axis=1, keepdims=True))
    below = np.zeros_like(density)
    np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]), axis=1, out=below[:, 1:])
    target = share * below[:, -1]
    at = np.minimum((below[:, 1:] < target[:, None]).sum(axis=1), GRID - 1)
    unit = np.arange(len(at))
    low, high, rest = density[unit, at], density[unit, at + 1], target - below[unit, at]
    # Root of low w + (high − low) w² / 2 = rest, in the form without cancellation.
    root = low + np.sqrt(np.maximum(low**2 + 2.0 * (high - low) * rest, 0.0))
    inside = np.divide(2.0 * rest, root, out=np.full_like(rest, 0.5), where=root > 0)
    return np.asarray((at + np.clip(inside, 0.0, 1.0)) / GRID)


def _by_blocks(rows: UnitRows, parameters: Parameters, values: Callable[..., Floats], shares: Floats | None) -> Floats:
    """Work on copies of the rows, a block of draws at a time."""
    d, k, n = len(parameters.level), len(rows.starts), len(rows.outcome)
    copies = max(1, min(d, ROWS // max(n, 1)))
    tiled, result = _tiled(rows, copies), np.empty((d, k))
    # Proposals far out may overflow: what is not a number there is no likelihood.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for first in range(0, d, copies):
            _fill(rows, tiled, parameters, np.arange(first, min(first + copies, d)), values, shares, result)
    return np.where(np.isnan(result), -np.inf, result)


def _fill(
    rows: UnitRows,
    tiled: UnitRows,
    parameters: Parameters,
    draws: NDArray[np.intp],
    values: Callable[..., Floats],
    shares: Floats | None,
    result: Floats,
) -> None:
    """Fill in a block of draws; where a mode is not found in it, in halves, down to the draw that has none."""
    k = len(rows.starts)
    if len(draws) * len(rows.outcome) != len(tiled.outcome):
        tiled = _tiled(rows, len(draws))
    eta = parameters.slopes[draws] @ rows.columns.T
    eta += parameters.level[draws, None]
    eta += rows.offset
    eta = eta.ravel()
    sd = np.repeat(np.maximum(parameters.unit_sd[draws], LEAST_SD), k)
    # One standard deviation for each unit of each draw: the kernel takes whatever broadcasts.
    modes, curvature = _modes(tiled, eta, cast("Any", sd), parameters.start[draws].ravel())
    if np.isfinite(modes).all():
        share = () if shares is None else (shares[draws].ravel(),)
        found = values(tiled, eta, sd, modes, 1.0 / np.sqrt(curvature), *share)
        result[draws] = found.reshape(len(draws), k)
    elif len(draws) == 1:
        result[draws] = -np.inf
    else:
        for half in np.array_split(draws, 2):
            _fill(rows, tiled, parameters, half, values, shares, result)


def _tiled(rows: UnitRows, copies: int) -> UnitRows:
    codes = (rows.codes + len(rows.starts) * np.arange(copies)[:, None]).ravel()
    outcome, size = np.tile(rows.outcome, copies), np.tile(rows.size, copies)
    return _laid_out(np.empty((len(codes), 0)), outcome, size, np.zeros(len(codes)), codes, rows.likelihood)


def conditional(rows: UnitRows, mean: Floats, precision: Floats, nodes: int, sd: float, near: Point | None) -> Point:
    """Return mode, curvature and Laplace's approximation of slopes and level at one unit standard deviation.

    Parameters
    ----------
    rows : UnitRows
    mean, precision : (p + 1,) arrays
        Of the independent normal priors of slopes and, last, level.
    nodes : int
    sd : float
    near : Point, optional
        From where the mode is sought.

    Returns
    -------
    Point
        Its height is without the prior of ``sd``.

    Raises
    ------
    ConvergenceError
        No mode was found.
    """
    k = len(rows.starts)
    theta, inner = (mean.copy(), np.zeros(k)) if near is None else (near.mode, near.inner)
    at = _at(rows, theta, sd, nodes, inner)
    for step_number in range(STEPS + 1):
        there, away = differentiate(rows, at), theta - mean
        q = len(theta)
        score = there.unit_scores.sum(axis=0)[:q] - precision * away
        try:
            factor, half_log_det = factor_of(there.information[:q, :q] + np.diag(precision))
        except LinAlgError:
            factor, half_log_det = factor_of(there.complete[:q, :q] + np.diag(precision))
        step = factor.T @ score
        height = at.value - 0.5 * float(precision @ away**2)
        if not (np.isfinite(height) and np.isfinite(step).all()):
            break
        if float(step @ step) <= NEAR**2 or step_number == STEPS:
            return Point(sd, theta, factor, height - half_log_det, at.modes)
        theta, at = _uphill(rows, at, theta, factor @ step, (mean, precision), height)
    raise ConvergenceError(
        f"no posterior mode of slopes and level was found at a unit standard deviation of {sd:.3g}: are covariates of "
        "very different size, or offsets far out?"
    )


def _at(rows: UnitRows, theta: Floats, sd: float, nodes: int, start: Floats) -> Place:
    return place(rows, theta[:-1], float(theta[-1]), sd, nodes, start if sd > 0 else np.zeros_like(start))


def _uphill(
    rows: UnitRows, at: Place, theta: Floats, move: Floats, prior: tuple[Floats, Floats], height: float
) -> tuple[Floats, Place]:
    """Take a step, or the first of its halves that does not lower the log density."""
    part, nodes = 1.0, len(at.abscissas)
    for _ in range(30):
        ahead = theta + part * move
        there = _at(rows, ahead, at.unit_sd, nodes, at.modes)
        if there.value - 0.5 * float(prior[1] @ (ahead - prior[0]) ** 2) >= height - 1e-9 * (1.0 + abs(height)):
            return ahead, there
        part *= 0.5
    return theta, at
