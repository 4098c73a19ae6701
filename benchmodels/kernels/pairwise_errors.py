"""Draws of the errors of k estimates, and the few differences between two of them that are large.

A critical value over all pairs rests on the largest differences of the worst draws. One pass in single precision
bounds every unit's largest difference in every draw; only the draws where it is large are looked at again, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]
    Real = NDArray[np.floating[Any]]

__all__ = ["Large", "PairwiseErrors", "draw_errors", "gaussian_draws", "satterthwaite"]

_BLOCK = 1000  # draws that share one child of the generator
_CHUNK = 100_000  # numbers worked on at a time, 0.8 MB: within the second-level cache whatever k
_TILE = 512  # draws of the pass over all pairs, at most; what it works on stays near the second-level cache
_NEGATIVE = 1e-8  # rounding may leave an eigenvalue of a correlation matrix this far below zero, and no further
_SINGLE = 1e-3  # standard errors; single precision is used where its rounding stays below this
_SMALL = 1e-30  # relative; smaller variances are beyond the range of single precision
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
            with np.errstate(divide="ignore", over="ignore"):
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
        d: Floats = self.z[draws][:, others]
        np.subtract(self.z[draws, j, None], d, out=d)
        if self.variance is None:
            d *= self.inverse[j, others]
            return d, np.array(1.0)
        s2: Floats = self.variance[draws][:, others]
        s2 += self.variance[draws, j, None]
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


def draw_errors(
    s: Floats, noise: Floats, df: Floats, *, draws: int, rng: np.random.Generator, errors: Floats | None = None
) -> PairwiseErrors:
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
    errors : (k, b) array, optional
        In place of normal draws; ``s`` is their covariance, and two that are the same are never told apart.

    Returns
    -------
    PairwiseErrors

    Raises
    ------
    DataError
        ``s`` is not a covariance, or two estimates differ by a constant; degrees of freedom that are not above zero, or
        are of noise below zero.

    Notes
    -----
    The bound is the largest studentised difference over all others, in single precision where that is precise to 1e-3
    standard errors, plus what rounding may hide. Errors are taken from their precision-weighted mean, which no
    difference notices and which takes out what all units share. Cost O(k² b), memory 2 k b numbers, or 3 k b.
    """
    finite = np.isfinite(df)
    if not (df > 0.0).all() or not (noise[finite] >= 0.0).all():
        raise DataError("degrees of freedom must be above zero, and the noise they are of not below; leave units out")
    variance = np.diagonal(s)
    s2 = variance[:, None] + variance - 2.0 * s
    np.fill_diagonal(s2, np.inf)
    apart = s2 > 1e-12 * (variance[:, None] + variance)
    if not apart.all() and (errors is None or not (variance > 0.0).all()):
        raise DataError("the difference of two estimates has no standard error; leave one of the two units out")
    # Two whose errors are the same, as units alike in everything, are never told apart.
    s2[~apart] = np.inf
    normal, chi = rng.spawn(2)
    drawn = gaussian_draws(s, draws=draws, rng=normal) if errors is None else errors
    z = np.ascontiguousarray(drawn.T)
    inverse = 1.0 / np.sqrt(s2)
    share = (1.0 / variance) / (1.0 / variance).sum()
    centred = z - (z @ share)[:, None]
    if not finite.any():
        empty = np.empty((0, 0))
        reach = np.abs(centred).max(axis=0) * inverse.max(axis=1)
        bound = _bounds(centred, inverse, None, empty, empty, reach=float(reach.max()))
        return PairwiseErrors(z=z, inverse=inverse, variance=None, scale=empty, shared=empty, bound=bound)
    redrawn = _redrawn(noise, df, draws=draws, rng=chi)
    own = noise[:, None] + noise
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = np.minimum(1.0, s2 / own)
        reach = np.sqrt((np.square(centred) / redrawn).max() / scale.min())
    shared = np.maximum(0.0, s2 - own)
    np.fill_diagonal(shared, 1.0)  # under a difference of zero
    bound = _bounds(centred, inverse, redrawn, scale, shared, reach=float(reach))
    return PairwiseErrors(z=z, inverse=inverse, variance=redrawn, scale=scale, shared=shared, bound=bound)


def satterthwaite(noise: float, others: Floats, df: float, others_df: Floats, variance: Floats) -> Floats:
    """Return the degrees of freedom of the standard error of one estimate less each of m others.

    Parameters
    ----------
    noise, df : float
        Own noise of the one, in squared units of measure, and its degrees of freedom; infinite where it is known.
    others, others_df : (m,) arrays
        Of the others.
    variance : (m,) array
        Of the differences. What is beyond the two own noises counts as known; where there is less than them, since the
        two share something negative, they shrink in proportion.

    Returns
    -------
    (m,) array

    References
    ----------
    Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics Bull 2:110-114.

    Examples
    --------
    >>> satterthwaite(1.0, np.array([1.0, 0.0]), 8.0, np.array([8.0, 8.0]), np.array([2.0, 1.0]))
    array([16.,  8.])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.minimum(1.0, variance / (noise + others))
        spread = np.square(part * noise) / df + np.square(part * others) / others_df
        return np.asarray(np.square(variance) / spread)


def _redrawn(noise: Floats, df: Floats, *, draws: int, rng: np.random.Generator) -> Floats:
    variances = np.repeat(noise[None, :], draws, axis=0)
    finite = np.flatnonzero(np.isfinite(df))
    for child, start in zip(rng.spawn(math.ceil(draws / _BLOCK)), range(0, draws, _BLOCK), strict=True):
        block = variances[start : start + _BLOCK]
        drawn = child.chisquare(df[finite, None], size=(len(finite), len(block))) / df[finite, None]
        block[:, finite] *= drawn.T
    return variances


def _bounds(
    z: Floats, inverse: Floats, variance: Floats | None, scale: Floats, shared: Floats, *, reach: float
) -> Floats:
    """Return (k, b) bounds of each unit's largest difference in each draw.

    ``reach`` is the largest error in standard errors of a difference, which the rounding of one is in proportion to.
    """
    b, k = z.shape
    unit = float(np.abs(z).max())
    slack = 4.0 * float(np.finfo(np.float32).eps) * reach
    smallest = 1.0 / float(inverse.max()) ** 2 if variance is None else float(variance.min())
    single = slack <= _SINGLE and smallest > _SMALL * unit**2
    kind: type[np.floating[Any]] = np.float32 if single else np.float64
    bound = np.empty((k, b))
    step = max(_TILE, _CHUNK // k)
    scratch = np.empty((2, k, step), dtype=kind)
    known = (inverse * unit).astype(kind)
    factors = scale.astype(kind), (shared / unit**2).astype(kind)
    for start in range(0, b, step):
        tile = slice(start, start + step)
        error = (z[tile] / unit).T.astype(kind, order="C")
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if variance is None:
                bound[:, tile] = _largest(error, known, scratch)
            else:
                own = (variance[tile] / unit**2).T.astype(kind, order="C")
                bound[:, tile] = np.sqrt(_largest_squared(error, own, *factors, scratch))
    bound[np.isnan(bound)] = np.inf
    bound *= 1.0 + (1e-5 if single else _ROUNDING)
    bound += slack if single else 0.0
    return bound


def _largest(z: Real, inverse: Real, scratch: Real) -> Real:
    """Return (k, b) the largest |z_j - z_r| / s_jr over r."""
    most = np.zeros_like(z)
    for j in range(len(z) - 1):
        d = scratch[0, j + 1 :, : z.shape[1]]
        np.subtract(z[j + 1 :], z[j], out=d)
        d *= inverse[j, j + 1 :, None]
        np.abs(d, out=d)
        np.maximum(most[j + 1 :], d, out=most[j + 1 :])
        np.maximum(most[j], d.max(axis=0), out=most[j])
    return most


def _largest_squared(z: Real, own: Real, scale: Real, shared: Real, scratch: Real) -> Real:
    """Return (k, b) the largest (z_j - z_r)² / s*_jr² over r."""
    most = np.zeros_like(z)
    for j in range(len(z) - 1):
        d, s2 = scratch[:, j + 1 :, : z.shape[1]]
        np.subtract(z[j + 1 :], z[j], out=d)
        d *= d
        np.add(own[j + 1 :], own[j], out=s2)
        s2 *= scale[j, j + 1 :, None]
        s2 += shared[j, j + 1 :, None]
        d /= s2
        np.maximum(most[j + 1 :], d, out=most[j + 1 :])
        np.maximum(most[j], d.max(axis=0), out=most[j])
    return most
