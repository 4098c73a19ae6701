"""Distances between units in what surrounds them, and who is nearest whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["mahalanobis_distances", "nearest_order", "weighted_distances"]


def weighted_distances(values: Floats, weight: Floats) -> Floats:
    """Return √(Σ_j w_j ((x_ij - x_lj) / s_j)²), s_j the standard deviation of column j.

    Parameters
    ----------
    values : (n, c) array
        In any units of measure; no column is constant.
    weight : (c,) array
        Zero or more.

    Returns
    -------
    (n, n) array
        In standard deviations.

    Examples
    --------
    >>> weighted_distances(np.array([[0.0], [1.0], [2.0]]), np.ones(1)).tolist()[0]
    [0.0, 1.0, 2.0]
    """
    scaled = values / values.std(axis=0, ddof=1) * np.sqrt(weight)
    return np.asarray(np.sqrt(((scaled[:, None] - scaled[None]) ** 2).sum(axis=2)))


def mahalanobis_distances(values: Floats) -> Floats | None:
    """Return √((x_i - x_l)' S⁻¹ (x_i - x_l)), S the covariance of the columns; None where S is singular.

    Parameters
    ----------
    values : (n, c) array
        In any units of measure.

    Returns
    -------
    (n, n) array or None
    """
    scaled = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    left, spread, _ = np.linalg.svd(scaled, full_matrices=False)
    if len(values) <= values.shape[1] or spread[-1] <= 1e-8 * spread[0]:
        return None
    turned = left * np.sqrt(len(values) - 1.0)
    return np.asarray(np.sqrt(((turned[:, None] - turned[None]) ** 2).sum(axis=2)))


def nearest_order(distance: Floats, label: NDArray[np.str_]) -> NDArray[np.intp]:
    """Return the order of others by distance; those as near, to 10 digits of the largest, by label.

    Parameters
    ----------
    distance : (m,) array
    label : (m,) array of str
    """
    largest = float(distance.max(initial=0.0))
    rounded = np.round(distance / largest, 10) if largest > 0 else np.zeros_like(distance)
    return np.asarray(np.lexsort((label, rounded)))
