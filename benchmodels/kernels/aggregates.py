"""Many goods as one: the direction in which units' goods lie, and how near all of them are to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Aggregate", "aggregate_of"]


class Aggregate(NamedTuple):
    """One good of many: what one unit of measure of each counts (p,), the sums (n,), and the first root's share."""

    weight: Floats
    value: Floats
    share: float


def aggregate_of(goods: Floats) -> Aggregate:
    """Sum goods by the first eigenvector of their cross-products.

    Parameters
    ----------
    goods : (n, p) array
        Zero or more, none zero for all units.

    Returns
    -------
    Aggregate
        Weights of zero or more, so that the mean unit has the value 1. ``share`` is the largest eigenvalue over the sum
        of all: 1 where all units have the goods in the same proportion, 1 / p where no two goods ever meet.

    Raises
    ------
    DataError
        Goods that are not finite, negative, or zero for all units.

    Notes
    -----
    Not centred: proportions are asked about, and not correlations. Goods are first divided by their root mean squares,
    so that units of measure do not matter. Of a matrix without negative entries the first eigenvector has none either.

    References
    ----------
    Wilson (2018), Eur J Oper Res 267:349-367.

    Examples
    --------
    >>> found = aggregate_of(np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]))
    >>> found.value.round(4).tolist(), round(found.share, 12)
    ([0.5, 1.0, 1.5], 1.0)
    """
    if not (np.all(np.isfinite(goods)) and np.all(goods >= 0) and np.all(goods.any(axis=0))):
        raise DataError("goods to be summed must be finite, zero or more, and each above zero for some unit")
    # Divided by the largest first, so that squares neither overflow nor vanish.
    largest = goods.max(axis=0)
    size = largest * np.sqrt(np.mean((goods / largest) ** 2, axis=0))
    alike = goods / size
    roots, vectors = np.linalg.eigh(alike.T @ alike)
    weight = np.abs(vectors[:, -1])
    # Rounding where a good has no part in it.
    weight = np.where(weight > 1e-12, weight, 0.0)
    value = alike @ weight
    mean = value.mean()
    return Aggregate(weight=weight / size / mean, value=value / mean, share=float(roots[-1] / roots.sum()))
