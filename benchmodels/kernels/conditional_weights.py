"""How alike units are in what surrounds them: kernel weights, for frontiers that are conditional on it.

A weight is 1 for the same surroundings and falls towards 0 as they differ. Constants of kernels are left out: a
frontier depends on weights only up to a factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.partial import Weights

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Kind", "Surroundings", "effective_number", "flat", "kernel_weights", "weights_of"]

Kind = Literal["continuous", "unordered", "ordered"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Surroundings:
    """What surrounds n units, in c columns.

    Parameters
    ----------
    values : (n, c) array
        A number in a unit of measure of its own; of ``"unordered"`` and ``"ordered"`` columns a code 0, 1, … of the
        level, in their order.
    kinds : tuple of {"continuous", "unordered", "ordered"}, c of them

    Raises
    ------
    DataError
        Values that are not finite, or codes that are none.
    SpecificationError
        Another kind, or another number of them.
    """

    values: Floats
    kinds: tuple[Kind, ...]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.kinds):
            raise SpecificationError(f"values have shape {self.values.shape}; there are {len(self.kinds)} kinds")
        strange = [kind for kind in self.kinds if kind not in get_args(Kind)]
        if strange:
            raise SpecificationError(f"kind={strange[0]!r}; allowed are {', '.join(map(repr, get_args(Kind)))}")
        if not np.all(np.isfinite(self.values)):
            raise DataError("what surrounds the units must be finite")
        for kind, column in zip(self.kinds, self.values.T, strict=True):
            if kind != "continuous" and not np.all((column >= 0) & (column == np.round(column))):
                raise DataError("levels must be given as codes 0, 1, …")


def flat(kinds: tuple[Kind, ...]) -> Floats:
    """Return the bandwidths (c,) that make no difference between units: infinite, and for levels 1."""
    return np.array([np.inf if kind == "continuous" else 1.0 for kind in kinds])


def kernel_weights(around: Surroundings, points: Codes, bandwidth: Floats) -> Floats:
    """Return how alike each of n units is to some of them (b, n).

    Parameters
    ----------
    around : Surroundings of n units
    points : (b,) array of int
        Positions of the units that others are alike to.
    bandwidth : (b, c) array
        Of each point. Continuous: the distance at which the weight has fallen to zero, in the column's unit of measure,
        above zero; infinite: the column makes no difference. Levels: the weight λ of the next or another level, in [0,
        1]; at 1 the column makes no difference.

    Returns
    -------
    (b, n) array
        The product over columns, in [0, 1]; 1 for the unit itself.

    Raises
    ------
    SpecificationError
        Bandwidths outside their bounds.

    Notes
    -----
    Continuous: Epanechnikov's 1 - (d / h)² within h, after Daraio and Simar (2005), for whom compact support keeps
    units that are far away out of a frontier altogether. Unordered levels: 1 for the same and λ for another. Aitchison
    and Aitken's kernel of L levels, 1 - λ' and λ' / (L - 1), is the same one with λ = λ' / ((1 - λ') (L - 1)). Ordered
    levels: λ to the power of how many levels they are apart. Where λ is above zero, levels exclude nobody.

    References
    ----------
    Daraio, C. and Simar, L. (2005). Introducing environmental variables in nonparametric frontier models: a
    probabilistic approach. Journal of Productivity Analysis 24, 93-121. Racine, J. and Li, Q. (2004). Nonparametric
    estimation of regression functions with both categorical and continuous data. Journal of Econometrics 119, 99-130.
    De Witte, K. and Kortelainen, M. (2013). What explains the performance of students in a heterogeneous environment?
    Conditional efficiency estimation with continuous and discrete environmental variables. Applied Economics 45,
    2401-2412.

    Examples
    --------
    >>> around = Surroundings(values=np.array([[0.0, 0], [1, 0], [1, 1], [4, 1]]), kinds=("continuous", "unordered"))
    >>> kernel_weights(around, np.array([0]), np.array([[2.0, 0.5]]))
    array([[1.   , 0.75 , 0.375, 0.   ]])
    """
    _check(around.kinds, bandwidth)
    weight = np.ones((len(points), len(around.values)))
    for kind, column, width in zip(around.kinds, around.values.T, bandwidth.T, strict=True):
        apart = distances(kind, column[points], column)
        if kind == "continuous":
            weight *= np.maximum(1.0 - (apart / width[:, None]) ** 2, 0.0)
        else:
            weight *= width[:, None] ** apart
    return weight


def distances(kind: Kind, own: Floats, others: Floats) -> Floats:
    """Return how far apart (b, n) values (b,) are from others (n,): 0 or 1 for unordered levels."""
    if kind == "unordered":
        return np.asarray(own[:, None] != others, dtype=np.float64)
    return np.asarray(np.abs(own[:, None] - others))


def weights_of(around: Surroundings, bandwidth: Floats) -> Weights:
    """Return the weights that `benchmodels.kernels.partial.order_m` asks for, with a bandwidth (n, c) of each unit."""
    return lambda points: kernel_weights(around, points, bandwidth[points])


def effective_number(weights: Floats) -> Floats:
    """Return how many equal weights vary as much (b,), of weights (b, n): (Σ w)² / Σ w² (Kish 1965); 0 for none.

    Examples
    --------
    >>> effective_number(np.array([[1.0, 1, 1, 0], [1, 0.5, 0, 0]]))
    array([3. , 1.8])
    """
    largest = weights.max(axis=1, initial=0.0, keepdims=True)
    share = np.divide(weights, largest, out=np.zeros(weights.shape), where=largest > 0)
    square = np.einsum("bj,bj->b", share, share)
    return np.asarray(np.divide(share.sum(axis=1) ** 2, square, out=np.zeros(len(square)), where=square > 0))


def _check(kinds: tuple[Kind, ...], bandwidth: Floats) -> None:
    for kind, width in zip(kinds, bandwidth.T, strict=True):
        if kind == "continuous" and not np.all(width > 0):
            raise SpecificationError("a bandwidth of numbers must be above zero; infinite makes no difference")
        if kind != "continuous" and not np.all((width >= 0) & (width <= 1)):
            raise SpecificationError("a bandwidth of levels must be from 0, each level apart, to 1, no difference")
