"""Smoothed resampling of distances to a frontier: mirrored at the frontier, with bandwidths by rules that are named.

Distances δ are at least 1 and pile up there, where a kernel estimate has its edge. So they are mirrored at 1, smoothed,
and folded back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import optimize

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Rule", "bandwidth_of", "smoothed_draws"]

Rule = Literal["normal", "silverman", "cross-validated"]

# A distance this near to 1 is on the frontier: such ties say nothing of the spread beside it.
_TIED = 1e-6
# Pairs of distances looked at together.
_PAIRS = 2**18


def bandwidth_of(delta: Floats, rule: Rule) -> float:
    """Return the bandwidth of a smoothed bootstrap of distances.

    Parameters
    ----------
    delta : (n,) array
        Distances, 1 or more.
    rule : {'normal', 'silverman', 'cross-validated'}
        With m distances above 1, mirrored to 2 m, standard deviation s and interquartile range R of these: the normal
        reference 1.06 s (2 m)^(-1/5); Silverman's .9 min(s, R / 1.34) (2 m)^(-1/5); or the minimum of the unbiased
        cross-validation criterion under a Gaussian kernel. Each times 2^(1/5) (m / n)^(1/5) (s_n / s), s_n the standard
        deviation of all distances, for the n that are drawn.

    Raises
    ------
    SpecificationError
        Another rule.
    DataError
        Fewer than two distances above 1, or all of them alike.

    References
    ----------
    Silverman (1986), Density estimation, eq. 3.28, 3.31, section 3.4.3. Daraio & Simar (2007), Advanced robust and
    nonparametric methods in efficiency analysis, section 3.4 (ties left out, and the factor).
    """
    if rule not in get_args(Rule):
        raise SpecificationError(f"rule={rule!r}; allowed are {', '.join(map(repr, get_args(Rule)))}")
    inner = delta[delta > 1.0 + _TIED]
    if len(inner) < 2 or np.ptp(inner) == 0.0:
        raise DataError(
            f"{len(inner)} units lie within the frontier, too few to smooth their distances; give a bandwidth"
        )
    both = np.concatenate([2.0 - inner, inner])
    spread = float(np.std(both, ddof=1))
    if rule == "cross-validated":
        h = _cross_validated(both, spread)
    else:
        quartiles = float(np.subtract(*np.quantile(both, [0.75, 0.25]))) / 1.34
        h = (1.06 * spread if rule == "normal" else 0.9 * min(spread, quartiles)) * len(both) ** -0.2
    return float(h * 2.0**0.2 * (len(inner) / len(delta)) ** 0.2 * float(np.std(delta, ddof=1)) / spread)


def _cross_validated(values: Floats, spread: float) -> float:
    """Return the bandwidth with the least unbiased cross-validation criterion, of values (c,)."""
    c = len(values)
    step = max(1, _PAIRS // c)

    def criterion(h: float) -> float:
        total = 0.0
        for first in range(0, c, step):
            quarter = np.exp(-0.25 * np.subtract.outer(values[first : first + step], values) ** 2 / (h * h))
            total += quarter.sum() - np.sqrt(8.0) * c / (c - 1.0) * np.square(quarter, out=quarter).sum()
        # Each pair both ways, and each value with itself, which is no pair.
        terms = 0.5 * (total - c * (1.0 - np.sqrt(8.0) * c / (c - 1.0)))
        return float((1.0 + 2.0 * terms / c) / (2.0 * c * h * np.sqrt(np.pi)))

    largest = 1.144 * spread * c**-0.2
    grid = np.geomspace(0.05 * largest, largest, 40)
    at = int(np.argmin([criterion(h) for h in grid]))
    ends = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    return float(optimize.minimize_scalar(criterion, bounds=ends, method="bounded").x)


def smoothed_draws(delta: Floats, bandwidth: float, replicates: int, rng: np.random.Generator) -> Floats:
    """Draw distances from their smoothed distribution, mirrored at 1 and with the variance of the distances.

    Parameters
    ----------
    delta : (n,) array
    bandwidth : float
    replicates : int
    rng : Generator

    Returns
    -------
    (replicates, n) array
        A few may be a little below 1, after the variance is set right.

    References
    ----------
    Simar & Wilson (1998), Manage Sci 44:49-61, section 3, steps 3 (equations 2.23 to 2.25).
    """
    n = len(delta)
    drawn = delta[rng.integers(n, size=(replicates, n))]
    mean = drawn.mean(axis=1, keepdims=True)
    spread = drawn + bandwidth * rng.standard_normal((replicates, n))
    np.subtract(2.0, spread, out=spread, where=spread < 1.0)
    return np.asarray(mean + (spread - mean) / np.sqrt(1.0 + bandwidth**2 / np.var(delta)))
