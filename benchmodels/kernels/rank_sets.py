"""Confidence sets for ranks, by step-down tests of all pairwise differences.

k units have estimates with a joint normal error of known covariance S. A unit's rank set is what is left
after asking of every other unit whether it is certainly better or certainly worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["RankSets", "confidence_sets", "gaussian_draws", "min_rank"]

_BLOCK = 1000  # draws that share one child of the generator
_CHUNK = 200_000  # numbers worked on at a time, 1.6 MB: near the second-level cache whatever k
_NEGATIVE = 1e-8  # rounding may leave an eigenvalue of a correlation matrix this far below zero, and no further
_TAIL = 3  # a later step looks first at this many times the draws beyond the critical value


@dataclass(frozen=True, kw_only=True)
class RankSets:
    """Ranks and their confidence sets; rank 1 is the largest estimate.

    Parameters
    ----------
    rank, lower, upper, simultaneous_lower, simultaneous_upper : (k,) arrays of int
        Rank, and first and last rank of the marginal and of the simultaneous set.
    critical : (k,) array; simultaneous_critical : float
        Critical values of the last step, in standard errors of a difference.
    """

    rank: Positions
    lower: Positions
    upper: Positions
    simultaneous_lower: Positions
    simultaneous_upper: Positions
    critical: Floats
    simultaneous_critical: float


@dataclass(frozen=True, kw_only=True)
class _Errors:
    """Draws of the k estimation errors, and what studentises their differences.

    ``inverse`` is one over the standard error of each difference. Where own noise is itself estimated,
    ``variance`` holds its re-drawn values and the squared standard error of a pair is ``scale`` times their
    sum, plus ``shared``.
    """

    z: Floats
    inverse: Floats
    variance: Floats | None
    scale: Floats
    shared: Floats

    def take(self, draws: Positions) -> _Errors:
        variance = None if self.variance is None else self.variance[:, draws]
        return _Errors(
            z=self.z[:, draws], inverse=self.inverse, variance=variance, scale=self.scale, shared=self.shared
        )

    def differences(self, j: int, rows: Positions, draws: slice) -> Floats:
        """Return (z_j - z_r) / s_jr for the rows r, one column a draw."""
        d = self.z[rows, draws]
        np.subtract(self.z[j, draws], d, out=d)
        if self.variance is None:
            d *= self.inverse[j, rows, None]
            return d
        s2 = self.variance[rows, draws]
        s2 += self.variance[j, draws]
        s2 *= self.scale[j, rows, None]
        s2 += self.shared[j, rows, None]
        d /= np.sqrt(s2, out=s2)
        return d

    def extremes(self, j: int, rows: Positions, *, up: int, down: int) -> tuple[Floats, Floats]:
        """Return the largest difference over ``rows[:up]`` and its negative over ``rows[down:]``, by draw."""
        b = self.z.shape[1]
        high, low = np.full(b, -np.inf), np.full(b, -np.inf)
        step = max(64, _CHUNK // max(1, len(rows)))
        for start in range(0, b, step):
            draws = slice(start, start + step)
            d = self.differences(j, rows, draws)
            if up > 0:
                d[:up].max(axis=0, out=high[draws])
            if down < len(rows):
                np.negative(d[down:].min(axis=0), out=low[draws])
        return high, low


def min_rank(estimate: Floats) -> Positions:
    """Return ranks, 1 for the largest; equal estimates share the smallest of their ranks.

    Parameters
    ----------
    estimate : (k,) array
        Any unit of measure. Two estimates are equal when they are so after rounding to 12 significant digits.

    Returns
    -------
    (k,) array of int

    Examples
    --------
    >>> min_rank(np.array([0.3, 0.1 + 0.2, 0.1, 0.5]))
    array([2, 2, 4, 1])
    """
    rounded = np.array([float(f"{value:.11e}") for value in estimate])
    ascending = np.sort(rounded)
    above: Positions = len(rounded) - np.searchsorted(ascending, rounded, side="right")
    return above + 1


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
    + k² b).

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
    value, vector = np.linalg.eigh(covariance / np.outer(sd, sd))
    if value[0] < -_NEGATIVE:
        raise DataError(
            "the covariance of the estimates is not positive semidefinite: smallest eigenvalue of the "
            f"correlation matrix {value[0]:.3g}, allowed is rounding down to {-_NEGATIVE:g}"
        )
    root = sd[:, None] * ((vector * np.sqrt(np.maximum(value, 0.0))) @ vector.T)
    z = np.empty((len(sd), draws))
    for child, start in zip(rng.spawn(math.ceil(draws / _BLOCK)), range(0, draws, _BLOCK), strict=True):
        block = z[:, start : start + _BLOCK]
        np.matmul(root, child.standard_normal(block.shape), out=block)
    return z


def confidence_sets(
    estimate: Floats,
    covariance: Floats,
    *,
    noise: Floats | None = None,
    df: Floats | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    rng: np.random.Generator,
) -> RankSets:
    """Return marginal and simultaneous two-sided confidence sets for the ranks of k units.

    The ranks are those of θ in θ̂ ~ N(θ, S); rank 1 is the largest. Unit j's set is {1 + units certainly
    above it, ..., k - units certainly below it}.

    Parameters
    ----------
    estimate : (k,) array
        θ̂, in any unit of measure.
    covariance : (k, k) array
        S, in squared units of it; may be dense.
    noise : (k,) array, optional
        Part of the diagonal of S that is the unit's own noise; needed where ``df`` is finite.
    df : (k,) array, optional
        Degrees of freedom of the own noise; infinite or None where it is known.
    level : float, default 0.95
        Joint coverage: of one unit's set (marginal) or of all k sets at once (simultaneous).
    draws : int, default 10,000
        b.
    rng : numpy.random.Generator

    Returns
    -------
    RankSets

    Raises
    ------
    DataError
        S is not a covariance, or two estimates differ by a constant (their difference has no standard error).
    SpecificationError
        Fewer than two units, a level outside [0.5, 1), or too few draws for the level.

    Notes
    -----
    For unit j the 2(k - 1) one-sided hypotheses θ_j <= θ_r and θ_j >= θ_r are tested together by T_jr = (θ̂_j
    - θ̂_r) / s_jr, s_jr² = S_jj + S_rr - 2 S_jr; for the simultaneous sets all k(k - 1) of them. The critical
    value is the ceil(level b)-th smallest of the largest drawn (z_j - z_r) / s_jr over the hypotheses still
    standing, z ~ N(0, S). Those rejected leave, the critical value is taken anew, until none is rejected. A
    rejected hypothesis leaves its opposite behind, which keeps the familywise error including errors of sign
    at 1 - level for any truth; dropping the pair would be a little sharper and is not covered by the theorem.

    Finite ``df`` (bootstrap-t): in each draw the own noise is n*_j = n_j χ²/df and the pair is studentised by
    s*² = (n*_j + n*_r) min(1, s_jr² / (n_j + n_r)) + max(0, s_jr² - n_j - n_r), which has the right tails
    when the own noise is all there is and stays positive when what the units share is negative.

    Units are taken in the order of their estimates, so the answer does not depend on the order of rows. Later
    steps look at the largest draws only when that provably gives the same critical value. Cost O(k² b) a
    step, memory O(k b + k²); measured by ``test_time_and_memory`` in ``tests/kernels/test_rank_sets.py``.

    References
    ----------
    Mogstad, Romano, Shaikh, Wilhelm (2024), Inference for ranks with applications to mobility across
    neighbourhoods and academic achievement across countries, Rev Econ Stud 91:476-518, section 3: rank
    sets from confidence sets for differences, for one unit and for all, and their stepwise improvement.
    Romano and Wolf (2005), Exact and approximate stepdown methods for multiple hypothesis testing, JASA
    100:94-108: the quantile of the maximum over the hypotheses still standing.

    Examples
    --------
    >>> sets = confidence_sets(np.array([9.0, 1.0, 1.1]), np.eye(3), rng=np.random.default_rng(0))
    >>> sets.rank, sets.lower, sets.upper
    (array([1, 3, 2]), array([1, 2, 2]), array([1, 3, 3]))
    """
    k = len(estimate)
    _check(k, noise, df, level, draws)
    index = math.ceil(level * draws) - 1
    order = np.lexsort((np.diagonal(covariance), estimate))
    theta, s = estimate[order], covariance[np.ix_(order, order)]
    own = np.zeros(k) if noise is None else noise[order]
    freedom = np.full(k, np.inf) if df is None else df[order]
    errors = _draw_errors(s, own, freedom, draws=draws, rng=rng)
    t = (theta[:, None] - theta) * errors.inverse
    critical, together = np.empty(k), np.full(draws, -np.inf)
    for j in range(k):
        critical[j], high = _marginal(errors, t[j], j, index)
        np.maximum(together, high, out=together)
    joint = _simultaneous(errors, t, together, index)
    back = np.argsort(order)
    sets = {
        "lower": 1 + (t < -critical[:, None]).sum(axis=1),
        "upper": k - (t > critical[:, None]).sum(axis=1),
        "simultaneous_lower": 1 + (t < -joint).sum(axis=1),
        "simultaneous_upper": k - (t > joint).sum(axis=1),
    }
    return RankSets(
        rank=min_rank(estimate),
        critical=critical[back],
        simultaneous_critical=joint,
        **{name: value[back] for name, value in sets.items()},
    )


def _check(k: int, noise: Floats | None, df: Floats | None, level: float, draws: int) -> None:
    if k < 2:
        raise SpecificationError(f"a rank needs at least two units to compare; there is {k}")
    if noise is None and df is not None and np.isfinite(df).any():
        raise SpecificationError(
            "finite df needs noise, the part of each variance that they are the degrees of freedom of"
        )
    if not 0.5 <= level < 1.0:
        raise SpecificationError(f"level={level!r}; give a share from 0.5 to below 1, as 0.95")
    if draws * (1.0 - level) < 5.0:
        raise SpecificationError(
            f"draws={draws} is too few for level={level}; use at least {math.ceil(5 / (1 - level))}"
        )


def _draw_errors(s: Floats, noise: Floats, df: Floats, *, draws: int, rng: np.random.Generator) -> _Errors:
    """Draw the errors, and own noise where it is itself an estimate."""
    variance = np.diagonal(s)
    s2 = variance[:, None] + variance - 2.0 * s
    np.fill_diagonal(s2, np.inf)
    if not (s2 > 1e-12 * (variance[:, None] + variance)).all():
        raise DataError("the difference of two estimates has no standard error; leave one of the two units out")
    normal, chi = rng.spawn(2)
    z = gaussian_draws(s, draws=draws, rng=normal)
    empty = np.empty((0, 0))
    inverse = 1.0 / np.sqrt(s2)
    if np.isinf(df).all():
        return _Errors(z=z, inverse=inverse, variance=None, scale=empty, shared=empty)
    own = noise[:, None] + noise
    variances = np.repeat(noise[:, None], draws, axis=1)
    finite = np.flatnonzero(np.isfinite(df))
    for child, start in zip(chi.spawn(math.ceil(draws / _BLOCK)), range(0, draws, _BLOCK), strict=True):
        block = variances[:, start : start + _BLOCK]
        block[finite] *= child.chisquare(df[finite, None], size=(len(finite), block.shape[1])) / df[finite, None]
    with np.errstate(divide="ignore"):
        scale = np.minimum(1.0, s2 / own)
    return _Errors(z=z, inverse=inverse, variance=variances, scale=scale, shared=np.maximum(0.0, s2 - own))


def _marginal(errors: _Errors, t: Floats, j: int, index: int) -> tuple[float, Floats]:
    """Return unit j's critical value, and for each draw the largest difference to any other unit."""
    rows = np.argsort(t, kind="stable")
    rows = rows[rows != j]
    ordered = t[rows]
    high, low = errors.extremes(j, rows, up=len(rows), down=0)

    def standing(c: float) -> tuple[int, int]:
        return int(np.searchsorted(ordered, c, side="right")), int(np.searchsorted(ordered, -c, side="left"))

    def rejected(c: float) -> int:
        up, down = standing(c)
        return len(rows) - up + down

    def maxima(c: float, draws: Positions | None) -> Floats:
        up, down = standing(c)
        some = errors if draws is None else errors.take(draws)
        return np.maximum(*some.extremes(j, rows, up=up, down=down))

    return _step_down(np.maximum(high, low), index, rejected, maxima), high


def _simultaneous(errors: _Errors, t: Floats, first: Floats, index: int) -> float:
    """Return the critical value of all ordered pairs; each direction of a pair is its own hypothesis."""
    k = len(t)
    others = ~np.eye(k, dtype=bool)

    def rejected(c: float) -> int:
        return int((t > c).sum())

    def maxima(c: float, draws: Positions | None) -> Floats:
        some = errors if draws is None else errors.take(draws)
        largest = np.full(some.z.shape[1], -np.inf)
        for j in range(k):
            rows = np.flatnonzero((t[j] <= c) & others[j])
            np.maximum(largest, some.extremes(j, rows, up=len(rows), down=len(rows))[0], out=largest)
        return largest

    return _step_down(first, index, rejected, maxima)


def _step_down(
    first: Floats,
    index: int,
    rejected: Callable[[float], int],
    maxima: Callable[[float, Positions | None], Floats],
) -> float:
    """Return the critical value at which no further hypothesis is rejected.

    ``first`` (b,) holds the maxima over all hypotheses and ``index`` the order statistic that is the critical
    value; ``maxima(c, draws)`` are those over what stands at c. They never exceed the first ones, so when the
    order statistic among the largest first maxima is no less than the smallest of these, it is the one among
    all draws.
    """
    b = len(first)
    left_out = max(0, b - _TAIL * (b - index))
    place = np.argpartition(first, (left_out, index))
    critical, floor = float(first[place[index]]), float(first[place[left_out]])
    tail = np.sort(place[left_out:])
    count = 0
    while rejected(critical) > count:
        count = rejected(critical)
        new = float(np.partition(maxima(critical, tail), index - left_out)[index - left_out])
        if new < floor:
            new = float(np.partition(maxima(critical, None), index)[index])
        critical = new
    return critical
