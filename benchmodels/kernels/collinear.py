"""Collinear columns: told from others, overall and within units.

Experience and calendar years are collinear within persons, but not between them. The more units are allowed to differ,
the less is left of the information on such a combination, and the normal equations of the columns as they came become
singular. Where it stands as a column of its own, scaling their diagonal to one keeps them regular.

References
----------
Higham (2002), Accuracy and Stability of Numerical Algorithms, 2nd ed., section 10.3 (pivoted Cholesky, and its rank).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, solve_triangular

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["apart_within", "scaled_cholesky"]

# A column of which less than this part of the sum of squares is left after the others cannot be told from them.
COLLINEAR = 1e-13
# Columns of which more than this part is left are far enough from collinear for every order of elimination.
APART = 1e-12
# Columns with this part of what the column with most has left may come before it.
MUCH = 1e-2
# A column whose spread within units is below 1e-12 of its whole spread varies there by rounding only.
ROUNDING = 1e-24


def scaled_cholesky(gram: Floats) -> tuple[Floats, Floats]:
    """Return the lower Cholesky factor of a Gram matrix with its diagonal scaled to one, and the (p,) scale.

    Raises
    ------
    LinAlgError
        A column is a linear combination of the others.
    """
    diagonal = gram.diagonal()
    if not np.all(diagonal > 0):
        raise LinAlgError("a column carries no information")
    scale = 1.0 / np.sqrt(diagonal)
    lower = np.linalg.cholesky(gram * np.outer(scale, scale))
    if np.any(lower.diagonal() ** 2 < COLLINEAR):
        raise LinAlgError("a column is a linear combination of the others")
    return np.asarray(lower), scale


def apart_within(within: Floats, total: Floats) -> tuple[Floats, Floats] | None:
    """Turn columns that are collinear within units, so that what is constant there stands alone.

    Parameters
    ----------
    within : (p, p) array
        Cross-products of the columns about their units' means, in products of their units of measure.
    total : (p,) array
        Their sums of squares about the overall means.

    Returns
    -------
    turn : (p, p) array
        ``columns @ turn`` are uncorrelated within units; its determinant is one, so that no determinant of
        cross-products changes.
    left : (p,) array
        The turned columns' sums of squares within units: zero for those that are constant there.

        None in place of both where the columns that vary within units are told apart there as they are.

    Examples
    --------
    >>> turn, left = apart_within(np.array([[4.0, 2.0], [2.0, 1.0]]), np.array([5.0, 3.0]))
    >>> turn.tolist(), left.tolist()
    ([[1.0, -0.5], [0.0, 1.0]], [4.0, 0.0])
    """
    varying = np.flatnonzero(within.diagonal() > ROUNDING * total)
    if not len(varying):
        return None
    own = within.diagonal()[varying]
    scaled = within[np.ix_(varying, varying)] / np.sqrt(np.outer(own, own))
    try:
        if np.all(np.linalg.cholesky(scaled).diagonal() ** 2 > APART):
            return None
    except LinAlgError:
        pass
    lower, order, rank = _pivoted(scaled, own / total[varying])
    where, scale = varying[order], 1.0 / np.sqrt(own[order])
    turn, left = np.eye(len(within)), np.zeros(len(within))
    unit = solve_triangular(lower, np.diag(lower.diagonal()), lower=True, trans="T")
    turn[np.ix_(where, where)] = unit * np.outer(scale, 1.0 / scale)
    left[where[:rank]] = (lower.diagonal()[:rank] / scale[:rank]) ** 2
    return turn, left


def _pivoted(scaled: Floats, share: Floats) -> tuple[Floats, Codes, int]:
    """Return the lower factor of the pivoted Cholesky with ones past its rank, the order of the columns, and the rank.

    Of the columns with much left, the first is the one with the greatest share of its whole spread within units: taken
    off another, a column brings along what it varies between them.
    """
    rest, lower, order = scaled.copy(), np.eye(len(scaled)), np.arange(len(scaled))
    for i in range(len(scaled)):
        own = rest.diagonal()[i:]
        if own.max() <= COLLINEAR:
            return lower, order, i
        j = i + int(np.argmax(np.where(own >= MUCH * own.max(), own * share[order[i:]], 0.0)))
        for part in (rest, rest.T, lower[:, :i]):
            part[[i, j]] = part[[j, i]]
        order[[i, j]] = order[[j, i]]
        lower[i:, i] = rest[i:, i] / np.sqrt(rest[i, i])
        rest[i:, i:] -= np.outer(lower[i:, i], lower[i:, i])
    return lower, order, len(scaled)
