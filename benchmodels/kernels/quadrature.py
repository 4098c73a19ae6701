"""Adaptive Gauss–Hermite quadrature over one random intercept a unit, for all units at once.

A unit's marginal likelihood is the integral of exp(f(u)), with f(u) = Σ_j ℓ_j(η_j + u) + log N(u; 0, σ²) over its
rows. The nodes are laid around the mode of f and scaled by its curvature there. Rows are read in blocks of whole
units, once for the values at the nodes and once for the derivatives.

References
----------
Liu & Pierce (1994), Biometrika 81:624 (adaptive nodes); Pinheiro & Bates (1995), JCGS 4:12;
Louis (1982), JRSS-B 44:226, equations 3.1 and 3.2 (score and information from the complete data).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.basis import row_blocks
from benchmodels.kernels.likelihood import Likelihood, row_likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Derivatives", "Group", "Place", "UnitRows", "differentiate", "place", "rule", "unit_rows"]

# Rows read at a time: some 8 arrays of nodes x rows stay in a level-2 cache. Blocks of 1,000 to 8,000 rows differ by a
# tenth.
ROWS = 4096


@dataclass(frozen=True)
class Group:
    """Consecutive units that are read together: several small ones in one slice of rows, or a large one in several."""

    units: slice
    parts: tuple[slice, ...]
    counts: Codes


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Rows sorted by unit; units without rows are left out.

    Parameters
    ----------
    columns : (n, p) array
        Covariates without a column of ones.
    outcome, size, offset : (n,) arrays
        Outcome total; trials or exposure; link scale.
    codes : (n,) array; starts : (k,) array
        Unit of each row, 0 … k − 1 without gaps, and first row of each.
    groups : tuple of Group
    likelihood : Likelihood
    """

    columns: Floats
    outcome: Floats
    size: Floats
    offset: Floats
    codes: Codes
    starts: Codes
    groups: tuple[Group, ...]
    likelihood: Likelihood

    def linear(self, slopes: Floats, level: float) -> Floats:
        """Return the (n,) linear predictor without the random intercept."""
        eta = self.offset + level
        # By blocks, a product of twice the speed of one over all rows.
        for part in row_blocks(len(eta), len(slopes)):
            eta[part] += self.columns[part] @ slopes
        return eta

    def take(self, part: slice) -> UnitRows:
        """Return some of the rows."""
        return _laid_out(
            self.columns[part],
            self.outcome[part],
            self.size[part],
            self.offset[part],
            self.codes[part],
            self.likelihood,
        )

    def unit_sums(self, values: Floats) -> Floats:
        """Sum an (n,) array within units."""
        return np.asarray(np.add.reduceat(values, self.starts))


@dataclass(frozen=True, eq=False)
class Place:
    """The marginal log-likelihood at one point of the parameters, with what its nodes are.

    Parameters
    ----------
    slopes : (p,) array; level : float; unit_sd : float
        Link scale; ``unit_sd`` zero is the pooled model, whose one node a unit is zero.
    value : float
        Log-likelihood in nats, without constants of the data; minus infinity where it cannot be had.
    eta : (n,) array
        Linear predictor without the random intercept.
    modes, scale : (k,) arrays
        Mode of each unit's intercept given its data, and curvature there to the power −½; link scale.
    abscissas : (Q,) array
        Nodes are ``modes + scale * abscissas``.
    nodes, posterior : (k, Q) arrays
        Nodes on the link scale, and their weights given the data, which sum to one in a unit.
    """

    slopes: Floats
    level: float
    unit_sd: float
    value: float
    eta: Floats
    modes: Floats
    scale: Floats
    abscissas: Floats
    nodes: Floats
    posterior: Floats


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Derivatives of the log-likelihood in slopes, level and (unless the model is pooled) log unit_sd; d in all.

    Parameters
    ----------
    unit_scores : (k, d) array
        Exact gradient of each unit's quadrature, in nats.
    complete, information : (d, d) arrays
        Information there would be if the intercepts were seen, and that of the outcomes alone.
    drift : (d,) array
        The part of the summed score that comes from the nodes' place: zero for exact integrals.
    unit_score, unit_weight : (k,) arrays
        Posterior means of Σ ℓ′ and −Σ ℓ″ over each unit's rows.
    """

    unit_scores: Floats
    drift: Floats
    complete: Floats
    information: Floats
    unit_score: Floats
    unit_weight: Floats


def unit_rows(
    columns: Floats, outcome: Floats, size: Floats, offset: Floats, unit: Codes, family: str, link: str
) -> UnitRows:
    """Lay rows sorted by unit out for quadrature.

    Raises
    ------
    SpecificationError
        No such family and link.
    """
    return _laid_out(columns, outcome, size, offset, unit, row_likelihood(family, link))


def _laid_out(
    columns: Floats, outcome: Floats, size: Floats, offset: Floats, unit: Codes, likelihood: Likelihood
) -> UnitRows:
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    ends = np.append(starts[1:], len(unit))
    counts = ends - starts
    groups, first = [], 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + ROWS, side="right")))
        begin, end = int(starts[first]), int(ends[last - 1])
        cuts = np.linspace(begin, end, -(-(end - begin) // ROWS) + 1).astype(int)
        parts = tuple(slice(int(a), int(b)) for a, b in zip(cuts[:-1], cuts[1:], strict=True))
        groups.append(Group(slice(first, last), parts, counts[first:last]))
        first = last
    codes = np.repeat(np.arange(len(starts)), counts)
    return UnitRows(columns, outcome, size, offset, codes, starts, tuple(groups), likelihood)


def rule(nodes: int) -> tuple[Floats, Floats]:
    """Return abscissas z and log(weight) + z²/2 of the Gauss–Hermite rule for the standard normal, (Q,) each."""
    abscissas, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return abscissas, np.log(weights / weights.sum()) + 0.5 * abscissas**2


def _spread(values: Floats, counts: Codes) -> Floats:
    """Turn (g, Q) values of the units of a group into (Q, rows); (Q, 1), which broadcasts, for a single unit."""
    return values.T if len(counts) == 1 else np.asarray(np.repeat(values.T, counts, axis=1))


def _row_sums(values: Floats, counts: Codes) -> Floats:
    """Sum (Q, rows) values within the units of a group: (g, Q)."""
    if len(counts) == 1:
        return np.asarray(values.sum(axis=1)[None, :])
    return np.asarray(np.add.reduceat(values, np.cumsum(counts) - counts, axis=1).T)


def _add_products(block: Floats, values: Floats, counts: Codes, sums: Floats) -> None:
    """Add the products of (Q, rows) values and (rows, p) columns within units to the (g, Q, p) ``sums`` in place."""
    ends = np.cumsum(counts)
    if len(counts) == 1:
        sums[0] += values @ block
    elif len(block) > 16 * len(counts):
        for i, (a, b) in enumerate(zip(ends - counts, ends, strict=True)):
            sums[i] += values[:, a:b] @ block[a:b]
    else:
        # Few rows a unit: a BLAS call costs more than it does.
        for q, value in enumerate(values):
            sums[:, q] += np.add.reduceat(block * value[:, None], ends - counts, axis=0)


def _modes(rows: UnitRows, eta: Floats, unit_sd: float, start: Floats) -> tuple[Floats, Floats]:
    """Return mode and curvature of each unit's log posterior, (k,) each, by Newton within brackets; NaN on failure."""
    modes, precision = start.copy(), unit_sd**-2
    low, high = np.full(len(modes), -np.inf), np.full(len(modes), np.inf)
    first, second = np.empty(len(eta)), np.empty(len(eta))
    for _ in range(100):
        for part in row_blocks(len(eta), 0):
            at = eta[part] + modes[rows.codes[part]]
            first[part], second[part] = rows.likelihood.derivatives(at, rows.outcome[part], rows.size[part])
        slope = rows.unit_sums(first) - modes * precision
        curvature = rows.unit_sums(second) + precision
        step = slope / curvature
        if not np.isfinite(step).all():
            break
        # In posterior standard deviations; convergence is quadratic.
        if np.max(np.abs(slope) / np.sqrt(curvature)) <= 1e-9:
            return modes, curvature
        low, high = np.where(slope > 0, modes, low), np.where(slope < 0, modes, high)
        # Two on the link scale is far for any link; past that the quadratic says nothing.
        modes = modes + np.clip(step, -2.0, 2.0)
        outside = (modes < low) | (modes > high)
        modes[outside] = 0.5 * (low[outside] + high[outside])
    return np.full_like(start, np.nan), np.full_like(start, np.nan)


def _node_values(rows: UnitRows, eta: Floats, nodes: Floats) -> Floats:
    """Return the (k, Q) log-likelihood of each unit's rows at its nodes."""
    values = np.zeros_like(nodes)
    for group in rows.groups:
        for part in group.parts:
            at = eta[part] + _spread(nodes[group.units], group.counts)
            terms = rows.likelihood.value(at, rows.outcome[part], rows.size[part])
            values[group.units] += _row_sums(terms, group.counts)
    return values


def place(rows: UnitRows, slopes: Floats, level: float, unit_sd: float, nodes: int, start: Floats) -> Place:
    """Lay the nodes at a point of the parameters and evaluate the log-likelihood there.

    Parameters
    ----------
    rows : UnitRows
        n rows, p columns, k units.
    slopes : (p,) array; level : float; unit_sd : float
        Link scale; ``unit_sd`` zero for the pooled model.
    nodes : int
        Q, of each unit; one is the Laplace approximation.
    start : (k,) array
        From where the modes are sought, on the link scale.

    Notes
    -----
    Cost some 5 n Q for the nodes and 5 n for each Newton step to the modes.
    """
    eta = rows.linear(slopes, level)
    # Trial points may be absurd: what overflows there is not a value, and is not accepted.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if unit_sd == 0:
            flat = np.zeros((len(rows.starts), 1))
            value = float(_node_values(rows, eta, flat).sum())
            at = Place(slopes, level, 0.0, value, eta, flat[:, 0], flat[:, 0], np.zeros(1), flat, np.ones_like(flat))
        else:
            at = _place_nodes(rows, eta, (slopes, level, unit_sd), nodes, start)
    return at if np.isfinite(at.value) else replace(at, value=-np.inf)


def _place_nodes(
    rows: UnitRows, eta: Floats, parameters: tuple[Floats, float, float], nodes: int, start: Floats
) -> Place:
    unit_sd = parameters[2]
    abscissas, log_weights = rule(nodes)
    modes, curvature = _modes(rows, eta, unit_sd, start)
    scale = 1.0 / np.sqrt(curvature)
    positions = modes[:, None] + scale[:, None] * abscissas
    logs = _node_values(rows, eta, positions)
    logs += log_weights - 0.5 * (positions / unit_sd) ** 2
    top = logs.max(axis=1)
    posterior = np.exp(logs - top[:, None])
    total = posterior.sum(axis=1)
    posterior /= total[:, None]
    value = float(np.sum(top + np.log(total) + np.log(scale / unit_sd)))
    return Place(*parameters, value, eta, modes, scale, abscissas, positions, posterior)


def differentiate(rows: UnitRows, at: Place) -> Derivatives:
    """Return the exact gradient of the quadrature, and the information by Louis's identity at its nodes.

    Notes
    -----
    With w the posterior weight of a node and s the score of the complete data there, the score at fixed nodes is
    Σ w s (Fisher's identity) and the information E_w[complete information] − Var_w[s]. The nodes move with the
    parameters as well; that part, zero for exact integrals, is added to the score by the chain rule through mode and
    curvature, so that the score vanishes where the quadrature itself is largest, whatever the number of nodes. In
    the information it is left out: its error is that of the quadrature. Cost n p² + n p Q
    (``test_score_is_that_of_the_quadrature``, ``test_information_is_minus_the_derivative_of_the_score``).
    """
    p, nodes = rows.columns.shape[1], at.nodes.shape[1]
    pooled = at.unit_sd == 0
    size = p + 1 if pooled else p + 2
    complete, variance, drift = np.zeros((size, size)), np.zeros((size, size)), np.zeros(size)
    unit_scores = np.empty((len(rows.starts), size))
    unit_score, unit_weight = np.empty(len(rows.starts)), np.zeros(len(rows.starts))
    for group in rows.groups:
        units = group.units
        sums = np.zeros((len(group.counts), nodes if pooled else nodes + 2, p + 1))
        for part in group.parts:
            unit_weight[units] += _add_part(rows, at, group, part, sums, complete)
        weights = at.posterior[units]
        unit_score[units] = np.einsum("kq,kq->k", weights, sums[:, :nodes, p])
        if pooled:
            unit_scores[units] = sums[:, 0]
            continue
        squares = (at.nodes[units] / at.unit_sd) ** 2
        scores = np.concatenate([sums[:, :nodes], (squares - 1.0)[:, :, None]], axis=2)
        mean = np.einsum("kq,kqd->kd", weights, scores)
        scores -= mean[:, None, :]
        scores *= np.sqrt(weights)[:, :, None]
        flat = scores.reshape(-1, size)
        variance += flat.T @ flat
        complete[-1, -1] += 2.0 * float(np.sum(weights * squares))
        by_place = _drift(at, units, sums)
        unit_scores[units] = mean + by_place
        drift += by_place.sum(axis=0)
    return Derivatives(unit_scores, drift, complete, complete - variance, unit_score, unit_weight)


def _add_part(rows: UnitRows, at: Place, group: Group, part: slice, sums: Floats, complete: Floats) -> Floats:
    """Add a block's scores at the nodes to ``sums`` and its information to ``complete``; return (g,) weight sums."""
    p = rows.columns.shape[1]
    block, outcome, size = rows.columns[part], rows.outcome[part], rows.size[part]
    eta = at.eta[part]
    # Where slopes run off the logistic function overflows, to the right limit.
    with np.errstate(over="ignore"):
        first, second = rows.likelihood.derivatives(eta + _spread(at.nodes[group.units], group.counts), outcome, size)
    weights = _spread(at.posterior[group.units], group.counts)
    weight = np.einsum("qr,qr->r", np.broadcast_to(weights, second.shape), second)
    if at.unit_sd > 0:
        third = rows.likelihood.third(eta + _spread(at.modes[group.units, None], group.counts)[0], outcome, size)
        # The middle node is the mode.
        first = np.vstack([first, second[len(second) // 2], third])
    _add_products(block, first, group.counts, sums[:, :, :p])
    sums[:, :, p] += _row_sums(first, group.counts)
    scaled = block * np.sqrt(weight)[:, None]
    complete[:p, :p] += scaled.T @ scaled
    border = weight @ block
    complete[:p, p] += border
    complete[p, :p] += border
    complete[p, p] += weight.sum()
    return _row_sums(weight[None, :], group.counts)[:, 0]


def _drift(at: Place, units: slice, sums: Floats) -> Floats:
    """Return the part of the score through the nodes' place, (g, p + 2): see ``differentiate``."""
    weights, modes, scale = at.posterior[units], at.modes[units, None], at.scale[units, None]
    nodes, precision = at.nodes[units], at.unit_sd**-2
    slope = sums[:, : nodes.shape[1], -1] - nodes * precision
    by_mode = np.einsum("kq,kq->k", weights, slope)[:, None]
    by_scale = 1.0 / scale + np.einsum("kq,kq,q->k", weights, slope, at.abscissas)[:, None]
    mode_move = scale**2 * np.hstack([-sums[:, -2], 2.0 * modes * precision])
    flat = np.full_like(modes, -2.0 * precision)
    curvature_move = np.hstack([sums[:, -1], flat]) + sums[:, -1, -1:] * mode_move
    return np.asarray(by_mode * mode_move - 0.5 * by_scale * scale**3 * curvature_move)
