"""Distances of units in two periods, drawn together from a smooth density, and points held against what they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.productivity import Side

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["paired_bandwidth", "paired_draws", "paired_replicates"]

# Two periods, of which each has its distances on either side of the frontier.
_SIGNS = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
# Part of a point's outputs below which nothing can be made of its inputs, but for rounding.
_NOTHING = 1e-12


def paired_bandwidth(units: int) -> float:
    """Return the bandwidth of pairs of distances in standard deviations, (4 / (5 n))^(1/6).

    References
    ----------
    Simar & Wilson (1999), Eur J Oper Res 115:459-471, section 4.

    Examples
    --------
    >>> round(paired_bandwidth(98), 4)
    0.4487
    """
    return float((4.0 / (5.0 * units)) ** (1.0 / 6.0))


def paired_draws(delta: Floats, bandwidth: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Draw pairs of distances from a bivariate kernel density, reflected at the frontier in both periods.

    Parameters
    ----------
    delta : (n, 2) array
        Distances of units in the earlier and the later period, 1 or more.
    bandwidth : float
        In standard deviations: the kernel has the covariance of the pairs times its square; of pairs of which one is
        reflected, the covariance changes sign as theirs does.
    shape : (r, k)
        Replicates, and pairs in each.
    rng : Generator

    Returns
    -------
    (r, k, 2) array
        1 or more, with the covariance of the reflected pairs: draws are shrunken towards their mean in each replicate
        by √(1 + h²).

    References
    ----------
    Simar & Wilson (1999), Eur J Oper Res 115:459-471, steps 1-6 of section 4.
    """
    n = len(delta)
    values, vectors = np.linalg.eigh(np.cov(delta.T))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    sign = _SIGNS[rng.integers(4, size=shape)]
    drawn = 1.0 + sign * (delta[rng.integers(n, size=shape)] - 1.0)
    noise = sign * (rng.standard_normal((*shape, 2)) @ root.T)
    mean = drawn.mean(axis=1, keepdims=True)
    drawn = mean + (drawn + bandwidth * noise - mean) / np.sqrt(1.0 + bandwidth**2)
    return np.asarray(1.0 + np.abs(drawn - 1.0))


def paired_replicates(
    goods: tuple[Floats, Floats],
    ratio: Floats,
    bounds: tuple[float, float],
    side: Side,
    *,
    later: Codes,
    used: Codes,
    made: Codes,
    reference: Codes,
    inside: Mask | None = None,
) -> tuple[Floats, Codes]:
    """Hold points of two periods against pseudo-units of either, or of both.

    Parameters
    ----------
    goods : (n, m) array, (n, s) array
        Inputs and outputs of the units of both periods.
    ratio : (r, n) array
        By what a unit's inputs are multiplied, or its outputs divided, to make its pseudo-unit.
    bounds : (float, float)
        Of Σλ.
    side : {'input', 'output'}
    later : (n,) array of int
        0 for rows of the earlier period, 1 for those of the later one.
    used, made : (k,) arrays of int
        Rows of which points use the inputs and make the outputs.
    reference : (k,) array of int
        0, 1: pseudo-units of the earlier, the later period; 2: of both.
    inside : (r, n) array of bool, optional
        Which pseudo-units a replicate has; all by default.

    Returns
    -------
    (r, k) array
        Efficiencies; NaN without an answer.
    (r, k) array of int
        Statuses of the programs.

    Notes
    -----
    A point against its own period begins at its own pseudo-unit, and needs no first phase. Sets are of the pseudo-units
    of a replicate and period; all are solved in one call of `envelop`.
    """
    (x, y), (r, n), m = goods, ratio.shape, goods[0].shape[1]
    stretch = ratio.reshape(-1, 1)
    pool_x, pool_y = np.tile(x, (r, 1)), np.tile(y, (r, 1))
    pool_x, pool_y = (pool_x * stretch, pool_y) if side == "input" else (pool_x, pool_y / stretch)
    kinds = np.unique(reference)
    rows = [np.flatnonzero((later == kind) | (kind == 2)) for kind in kinds]
    kept = np.ones((r, n), dtype=np.bool_) if inside is None else inside
    sets = [copy * n + some[kept[copy, some]] for copy in range(r) for some in rows]
    place = np.searchsorted(kinds, reference)
    member = (np.arange(r)[:, None] * len(kinds) + place).ravel()
    itself = (used == made) & ((later[used] == reference) | (reference == 2))
    own = np.where(itself & kept[:, used], np.arange(r)[:, None] * n + used, ARTIFICIAL).ravel()
    at_x, at_y = np.tile(x[used], (r, 1)), np.tile(y[made], (r, 1))
    step = np.concatenate([at_x, at_y], axis=1)
    step[:, m:] *= side == "output"
    step[:, :m] *= side == "input"
    found = envelop(Technology(pool_x, pool_y, bounds), at_x, at_y, step, own=own, sets=sets, member=member)
    value = np.full(len(own), np.nan)
    known = found.status == OPTIMAL
    if side == "input":
        value[known] = 1.0 - found.beta[known]
    else:
        known &= 1.0 + np.nan_to_num(found.beta) > _NOTHING
        value[known] = 1.0 / (1.0 + found.beta[known])
    status = np.where((found.status == OPTIMAL) & ~known, INFEASIBLE, found.status)
    return value.reshape(r, -1), status.reshape(r, -1)
