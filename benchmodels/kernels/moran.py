"""Moran's I: do neighbours have alike values? With moments, permutations, and a form that knows how sure values are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Moran", "moran", "standardised"]

# Numbers in one block of permuted values.
BLOCK = 1 << 18
# Permutations that give the same I but for rounding count as equal to it.
EQUAL = 1e-12


@dataclass(frozen=True, eq=False)
class Moran:
    """Moran's I of n units with neighbours; all numbers are pure.

    Parameters
    ----------
    statistic, expectation : float
        I, and its mean −1 / (n − 1) where values are independent of place.
    variance_normal, variance_random : float
        Variance of I were values normal draws; and over all permutations of the values as they are.
    p_value : float
        Two-sided, from random permutations: twice the smaller tail, the observed order counted in.
    permutations : int
    used : (k,) array of bool
        Units that count: their value is known and they have a neighbour whose value is known.
    islands : int
        Units of known value without such a neighbour.
    """

    statistic: float
    expectation: float
    variance_normal: float
    variance_random: float
    p_value: float
    permutations: int
    used: NDArray[np.bool_]
    islands: int

    @property
    def z(self) -> float:
        """(I − expectation) / standard deviation over permutations."""
        return float((self.statistic - self.expectation) / np.sqrt(self.variance_random))


def moran(
    values: Floats,
    weights: Floats | sparse.sparray,
    *,
    variances: Floats | None = None,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
) -> Moran:
    """Return Moran's I with its moments and a permutation test.

    Parameters
    ----------
    values : (k,) array
        Any unit of measure; NaN where not known.
    weights : (k, k) array or sparse array
        How much unit j is a neighbour of unit i, not negative, zero on the diagonal; need not be symmetric.
    variances : (k,) array, optional
        Sampling variances, the values' unit of measure squared; NaN where not known. Given: I of the values as
        `standardised` makes them, which are equally sure.
    permutations : int
    rng : Generator, optional

    Returns
    -------
    Moran

    Raises
    ------
    SpecificationError
        The weights are not of this kind.
    DataError
        Fewer than four units with neighbours, or values that do not vary.

    Notes
    -----
    Means and variances are exact over all permutations (tests/kernels/test_moran.py goes through every one). Time and
    memory: ``permutations`` × links, and one block. A unit without neighbours says nothing of place and is left out
    of n.

    References
    ----------
    Cliff & Ord (1981), Spatial Processes, p. 21 (moments under normality and randomisation).
    """
    table = _checked(weights, len(values))
    known = np.isfinite(values) & (True if variances is None else np.isfinite(variances))
    linked = sparse.diags_array(known.astype(float)) @ (table + table.T) @ known.astype(float)
    used = known & (linked > 0)
    n = int(used.sum())
    if n < 4:
        raise DataError(f"Moran's I needs four units with neighbours; found {n}")
    kept = values[used] if variances is None else standardised(values[used], variances[used])
    z = kept / np.max(np.abs(kept), initial=np.finfo(float).tiny)
    z = z - z.mean()
    if not np.sum(z**2) > 1e-24 * n:
        raise DataError("the values are the same everywhere, so they have no pattern in space")
    z = z / np.sqrt(np.mean(z**2))
    table = table[used][:, used]
    statistic = float(z @ (table @ z) / table.sum())
    expectation = -1.0 / (n - 1)
    normal, random = _variances(table, z, expectation)
    generator = np.random.default_rng() if rng is None else rng
    p_value = _permuted(table, z, statistic, permutations, generator)
    islands = int((known & ~used).sum())
    return Moran(statistic, expectation, normal, random, p_value, permutations, used, islands)


def standardised(values: Floats, variances: Floats) -> Floats:
    """Return values less their precision-weighted mean, over the standard deviation each would have by chance.

    Parameters
    ----------
    values, variances : (k,) arrays
        Estimates and their sampling variances, above zero.

    Returns
    -------
    (k,) array
        Pure numbers: (y − b) / √(a + s²), with b the mean and a the moment estimate of the variance between units.

    Notes
    -----
    With rates y = x / n and s² = b / n this is the empirical Bayes standardisation of Assunção and Reis. A negative
    ``a`` counts as zero; they replace the whole variance by s² only where it would be negative.

    References
    ----------
    Assunção & Reis (1999), Statistics in Medicine 18:2147.
    """
    if not np.all(variances > 0):
        raise DataError("sampling variances must be above zero")
    # Relative to the smallest variance, so that no unit of measure overflows.
    least = float(variances.min())
    weight = least / variances
    total = weight.sum()
    gap = (values - weight @ values / total) / np.sqrt(least)
    between = max(float(weight @ gap**2 - len(values)) / total, 0.0)
    return np.asarray(gap / np.sqrt(between + variances / least))


def _checked(weights: Floats | sparse.sparray, k: int) -> sparse.csr_array:
    table = sparse.csr_array(weights, dtype=np.float64)
    if table.shape != (k, k):
        raise SpecificationError(f"weights have shape {table.shape}; {k} units need ({k}, {k})")
    if not np.all(np.isfinite(table.data)) or np.any(table.data < 0):
        raise SpecificationError("weights of neighbours must be finite and not negative")
    if np.any(table.diagonal() != 0):
        raise SpecificationError(f"{int(np.sum(table.diagonal() != 0))} unit(s) are neighbours of themselves")
    return table


def _variances(table: sparse.csr_array, z: Floats, expectation: float) -> tuple[float, float]:
    """Return the variance of I for normal values, and over permutations of z, whose mean square is one."""
    n, s0 = float(len(z)), float(table.sum())
    both = table + table.T
    s1 = 0.5 * float(both.multiply(both).sum())
    s2 = float(np.sum(both.sum(axis=1) ** 2))
    normal = (n * n * s1 - n * s2 + 3.0 * s0**2) / ((n * n - 1.0) * s0**2) - expectation**2
    kurtosis = float(np.mean(z**4))
    first = n * ((n * n - 3.0 * n + 3.0) * s1 - n * s2 + 3.0 * s0**2)
    second = kurtosis * ((n * n - n) * s1 - 2.0 * n * s2 + 6.0 * s0**2)
    random = (first - second) / ((n - 1.0) * (n - 2.0) * (n - 3.0) * s0**2) - expectation**2
    return normal, random


def _permuted(
    table: sparse.csr_array, z: Floats, statistic: float, permutations: int, rng: np.random.Generator
) -> float:
    """Return the two-sided share of permutations that are as far out."""
    s0 = float(table.sum())
    above = below = 1
    step = max(1, BLOCK // len(z))
    for done in range(0, permutations, step):
        draws = rng.permuted(np.tile(z, (min(step, permutations - done), 1)), axis=1).T
        found = np.einsum("nr,nr->r", draws, table @ draws) / s0
        above += int(np.sum(found >= statistic - EQUAL))
        below += int(np.sum(found <= statistic + EQUAL))
    return float(min(1.0, 2.0 * min(above, below) / (permutations + 1.0)))
