"""Draws of the errors of k estimates, and the few differences between two of them that are large.

A critical value over all pairs rests on the largest differences of the worst draws. A cheap bound on every
unit's largest difference finds them, so that the k x k differences of a draw are never all computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["Large", "PairwiseErrors", "draw_errors", "gaussian_draws"]

_BLOCK = 1000  # draws that share one child of the generator
_CHUNK = 100_000  # numbers worked on at a time, 0.8 MB: within the second-level cache whatever k
_NEGATIVE = 1e-8  # rounding may leave an eigenvalue of a correlation matrix this far below zero, and no further
_GROUPS = 8  # of units with like noise, for the bounds
_ROUNDING = 1e-7  # relative; the error of a studentised difference is below 1e-9 where one has a standard error


@dataclass(frozen=True, kw_only=True)
class Large:
    """Studentised differences of at least a floor, one entry each: (z_first - z_second) / s.

    Parameters
    ----------
    draw, first, second : (n,) arrays of int
        Positions.
    value : (n,) array
        Signed; a pure number.
    """

    draw: Positions
    first: Positions
    second: Positions
    value: Floats


@dataclass(frozen=True, kw_only=True)
class PairwiseErrors:
    """Draws of the k estimation errors, what studentises their differences, and what bounds these.

    Parameters
    ----------
    z : (b, k) array
        Errors, in the estimates' unit of measure.
    inverse : (k, k) array
        One over the standard error of each difference; 0 on the diagonal.
    variance : (b, k) array, optional
        Re-drawn own noise, where that is itself estimated: the squared standard error of a pair is then
        ``scale`` times the sum of the two, plus ``shared``.
    scale, shared : (k, k) arrays
        Empty where ``variance`` is None.
    bound : (k, b) array
        No studentised difference of unit j to another in a draw is larger, in absolute value.
    """

    z: Floats
    inverse: Floats
    variance: Floats | None
    scale: Floats
    shared: Floats
    bound: Floats

    def large(self, j: int, others: slice, floor: float) -> Large:
        """Return the differences of unit j to the others that are at least ``floor`` in absolute value."""
        draws = np.flatnonzero(self.bound[j] >= floor)
        start = others.indices(len(self.inverse))[0]
        width = len(self.inverse) - start
        step = max(1, _CHUNK // max(1, width))
        least = floor**2 * (1.0 - _ROUNDING)
        draw, second, value = [], [], []
        for first in range(0, len(draws), step):
            some = draws[first : first + step]
            d, s2 = self._differences(j, others, some)
            # Squares spare a root and a division for every difference that is not large.
            at = np.flatnonzero(np.square(d) >= least * s2)
            row, column = np.divmod(at, width)
            draw.append(some[row])
            second.append(column + start)
            value.append(d.ravel()[at] / np.sqrt(s2.ravel()[at]) if s2.ndim else d.ravel()[at])
        empty = np.empty(0, dtype=np.intp)
        found = np.concatenate([empty, *draw])
        return Large(
            draw=found,
            first=np.full(len(found), j),
            second=np.concatenate([empty, *second]),
            value=np.concatenate([np.empty(0), *value]),
        )

    def _differences(self, j: int, others: slice, draws: Positions) -> tuple[Floats, Floats]:
        """Return differences z_j - z_r, one row a draw, and their variance; divided already where that is known."""
        d: Floats = self.z[draws, j, None] - self.z[draws, others]
        if self.variance is None:
            d *= self.inverse[j, others]
            return d, np.array(1.0)
        s2: Floats = self.variance[draws, others] + self.variance[draws, j, None]
        s2 *= self.scale[j, others]
        s2 += self.shared[j, others]
        return d, s2


def gaussian_draws(covariance: Floats, *, draws: int, rng: np.random.Generator) -> Floats:
    """Draw from N(0, covariance) through the symmetric root of the correlation matrix.

    Parameters
    ----------
    covariance : (k, k) array
        Symmetric and positive semidefinite up to rounding, in squared units of measure.
    draws : int
        b.
    rng : numpy.random.Generator
        Each block of 1,000 draws uses one child of it.

    Returns
    -------
    (k, b) array

    Raises
    ------
    DataError
        A variance that is not above zero, or an eigenvalue of the correlation matrix below -1e-8: the matrix
        is then no covariance, and clipping would hide an error made further up.

    Notes
    -----
    The symmetric root is a continuous function of the matrix, so rounding in it moves the draws by as little;
    a triangular factor needs a strictly positive matrix and eigenvectors alone are not continuous. Cost O(k³
    + k² b), and O(k b) for a diagonal matrix.

    Examples
    --------
    >>> z = gaussian_draws(np.diag([4.0, 0.25]), draws=4000, rng=np.random.default_rng(1))
    >>> bool(abs(z[0].std() - 2.0) < 0.1)
    True
    """
    variance = np.diagonal(covariance)
    if not (np.isfinite(covariance).all() and (variance > 0).all()):
        raise DataError("the covariance of the estimates must be finite, with variances above zero; leave units out")
    sd = np.sqrt(variance)
    independent = np.count_nonzero(covariance) == len(sd)
    root = sd[:, None] if independent else sd[:, None] * _correlation_root(covariance / np.outer(sd, sd))
    z = np.empty((len(sd), draws))
    for child, start in zip(rng.spawn(math.ceil(draws / _BLOCK)), range(0, draws, _BLOCK), strict=True):
        block = z[:, start : start + _BLOCK]
        normal = child.standard_normal(block.shape)
        (np.multiply if independent else np.matmul)(root, normal, out=block)
    return z


def _correlation_root(correlation: Floats) -> Floats:
    value, vector = np.linalg.eigh(correlation)
    if value[0] < -_NEGATIVE:
        raise DataError(
            "the covariance of the estimates is not positive semidefinite: smallest eigenvalue of the "
            f"correlation matrix {value[0]:.3g}, allowed is rounding down to {-_NEGATIVE:g}"
        )
    root: Floats = (vector * np.sqrt(np.maximum(value, 0.0))) @ vector.T
    return root


def draw_errors(s: Floats, noise: Floats, df: Floats, *, draws: int, rng: np.random.Generator) -> PairwiseErrors:
    """Draw the errors, and own noise where it is itself an estimate.

    Parameters
    ----------
    s : (k, k) array
        Covariance of the estimates, in squared units of measure.
    noise : (k,) array
        Part of its diagonal that is the unit's own noise.
    df : (k,) array
        Degrees of freedom of the own noise; infinite where it is known.
    draws : int
        b.
    rng : numpy.random.Generator

    Returns
    -------
    PairwiseErrors

    Raises
    ------
    DataError
        ``s`` is not a covariance, or two estimates differ by a constant.

    Notes
    -----
    The bound. |z_j - z_r| / s_jr <= (√w_j / s_jr) |z_j| / √w_j + (√w_r / s_jr) |z_r| / √w_r for any positive w; the
    largest error and the largest factors over a group of units bound all its differences to unit j, closely where
    the group has like w. Errors are taken from their precision-weighted mean, which no difference notices and which
    takes out what all units share. Where own noise is re-drawn, w are the draws. Memory 2 k b numbers, or 4 k b.
    """
    variance = np.diagonal(s)
    s2 = variance[:, None] + variance - 2.0 * s
    np.fill_diagonal(s2, np.inf)
    if not (s2 > 1e-12 * (variance[:, None] + variance)).all():
        raise DataError("the difference of two estimates has no standard error; leave one of the two units out")
    normal, chi = rng.spawn(2)
    z = np.ascontiguousarray(gaussian_draws(s, draws=draws, rng=normal).T)
    inverse = 1.0 / np.sqrt(s2)
    share = (1.0 / variance) / (1.0 / variance).sum()
    centred = z - (z @ share)[:, None]
    empty = np.empty((0, 0))
    groups = np.array_split(np.argsort(variance, kind="stable"), min(_GROUPS, len(variance)))
    if np.isinf(df).all():
        root = np.sqrt(np.maximum(variance - 2.0 * (s @ share) + share @ s @ share, 1e-9 * variance))
        factors = root[:, None] * inverse, root * inverse
        bound = _bounds(np.abs(centred) / root, groups, *factors, None)
        return PairwiseErrors(z=z, inverse=inverse, variance=None, scale=empty, shared=empty, bound=bound)
    redrawn = _redrawn(noise, df, draws=draws, rng=chi)
    own = noise[:, None] + noise
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.minimum(1.0, s2 / own)
        u = np.abs(centred) / np.sqrt(redrawn)
    u[np.isnan(u)] = np.inf
    factor = 1.0 / np.sqrt(scale)
    bound = _bounds(u, groups, factor, factor, redrawn)
    shared = np.maximum(0.0, s2 - own)
    np.fill_diagonal(shared, 1.0)  # under a difference of zero
    return PairwiseErrors(z=z, inverse=inverse, variance=redrawn, scale=scale, shared=shared, bound=bound)


def _redrawn(noise: Floats, df: Floats, *, draws: int, rng: np.random.Generator) -> Floats:
    variances = np.repeat(noise[None, :], draws, axis=0)
    finite = np.flatnonzero(np.isfinite(df))
    for child, start in zip(rng.spawn(math.ceil(draws / _BLOCK)), range(0, draws, _BLOCK), strict=True):
        block = variances[start : start + _BLOCK]
        drawn = child.chisquare(df[finite, None], size=(len(finite), len(block))) / df[finite, None]
        block[:, finite] *= drawn.T
    return variances


def _bounds(u: Floats, groups: list[Positions], near: Floats, far: Floats, w: Floats | None) -> Floats:
    """Return (k, b) bounds from absolute errors (b, k) in their own standard errors.

    ``near`` and ``far`` (k, k) are the factors of a unit's own error and of the other's; where own noise w (b, k) is
    re-drawn, √(w_j / (w_j + w_r)) and √(w_r / (w_j + w_r)) come on top.
    """
    b, k = u.shape
    group = np.empty(k, dtype=np.intp)
    first, second, low, high = (np.empty((len(groups), b)) for _ in range(4))
    place = np.empty((len(groups), b), dtype=np.intp)
    rows = np.arange(b)
    for g, units in enumerate(groups):
        group[units] = g
        some = u[:, units]
        top = some.argmax(axis=1)
        first[g], place[g] = some[rows, top], units[top]
        some[rows, top] = 0.0
        second[g] = some.max(axis=1)
        if w is not None:
            low[g], high[g] = w[:, units].min(axis=1), w[:, units].max(axis=1)
    nearest = np.stack([near[:, units].max(axis=1) for units in groups], axis=1)
    farthest = np.stack([far[:, units].max(axis=1) for units in groups], axis=1)
    bound = np.empty((k, b))
    for j in range(k):
        other = first.copy()
        np.copyto(other[group[j]], second[group[j]], where=place[group[j]] == j)
        a, e = nearest[j, :, None], farthest[j, :, None]
        if w is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                a, e = a * np.sqrt(w[:, j] / (w[:, j] + low)), e * np.sqrt(high / (w[:, j] + high))
        with np.errstate(invalid="ignore"):
            other *= e
            other += a * u[:, j]
        other.max(axis=0, out=bound[j])
    bound[np.isnan(bound)] = np.inf
    bound *= 1.0 + _ROUNDING
    return bound
