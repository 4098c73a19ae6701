"""A well-conditioned basis for the columns.

Columns that are well conditioned are used as they are (Newton scales them inside), and the first information matrix
tells. Ill-conditioned ones are centred and turned by the R factor of a blocked QR of the group-centred columns, so
that the normal equations that follow are solved near the identity. Coefficients go back by one p × p product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.sparse import csc_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Basis", "add_level_sums", "conditioned", "group_means", "group_sums", "orthogonal", "row_blocks"]

# Past this condition number of the scaled Gram matrix (the square of the columns' own) normal equations would lose
# more than half of the digits; the columns are then orthogonalised first.
GRAM_CONDITION = 1e8
# A column of which less than this part of the sum of squares is left after the others is counted as collinear:
# the square of 1e-9, about what survives double rounding of the data themselves.
COLLINEAR = 1e-9


@dataclass(frozen=True)
class Basis:
    """Columns in which a model is fitted: ``z = (x - center) @ turn``.

    Parameters
    ----------
    center : (p,) array
        In the columns' own units of measure; zero when the columns are used as they are.
    turn : (p, p) array or None
        None: the columns are used as they are.
    dependent : tuple of int
        Columns that are linear combinations of those before them (within groups).
    """

    center: Floats
    turn: Floats | None
    dependent: tuple[int, ...]

    def to_columns(self, gamma: Floats) -> Floats:
        """Turn coefficients (…, p) on z into coefficients on x."""
        return gamma if self.turn is None else gamma @ self.turn.T

    def level_shift(self, gamma: Floats) -> Floats:
        """Return what must be added to a level on z to get the level on x, shape (…,)."""
        return -(self.to_columns(gamma) @ self.center)

    def apply(self, columns: Floats) -> Floats:
        """Return the (n, p) columns in this basis; the same array when nothing is turned."""
        return columns if self.turn is None else (columns - self.center) @ self.turn


def row_blocks(n: int, width: int, *, elements: int = 1 << 18) -> list[slice]:
    """Cut n rows into blocks of about ``elements`` numbers of ``width`` columns, to stay in cache."""
    step = max(256, min(16384, elements // max(width, 1)))
    return [slice(a, min(a + step, n)) for a in range(0, n, step)]


def add_level_sums(block: Floats, codes: NDArray[np.intp], weight: Floats, sums: Floats) -> None:
    """Add the weighted column sums of a block of rows, within levels, to the (g, p) ``sums`` in place."""
    low = int(codes.min())
    shape = (int(codes.max()) - low + 1, len(codes))
    sums[low : low + shape[0]] += csc_array((weight, codes - low, np.arange(len(codes) + 1)), shape=shape) @ block


def group_sums(codes: NDArray[np.intp], values: Floats, groups: int) -> Floats:
    """Return the (g,) sums of (n,) values within groups."""
    return np.asarray(np.bincount(codes, values, groups), dtype=np.float64)


def group_means(columns: Floats, weight: Floats, codes: NDArray[np.intp], groups: int) -> Floats:
    """Return the (g, p) weighted means of rows within groups; a group of no weight has mean zero."""
    sums = np.zeros((groups, columns.shape[1]))
    for rows in row_blocks(len(columns), columns.shape[1]):
        add_level_sums(columns[rows], codes[rows], weight[rows], sums)
    total = group_sums(codes, weight, groups)
    return sums / np.where(total > 0, total, 1.0)[:, None]


def conditioned(within: Floats, raw: NDArray[np.floating]) -> bool:
    """Whether columns are fit for normal equations as they stand.

    Parameters
    ----------
    within : (p, p) array
        Their Gram matrix (information) about the means of their levels.
    raw : (p,) array
        Their sums of squares (the diagonal of the information) about zero.
    """
    own = within.diagonal()
    if not len(own):
        return True
    if not (np.isfinite(within).all() and np.all(own > 1e-6 * raw)):
        return False
    scale = 1.0 / np.sqrt(own)
    eigenvalues = np.linalg.eigvalsh(within * np.outer(scale, scale))
    return bool(eigenvalues[0] * GRAM_CONDITION > eigenvalues[-1])


def orthogonal(columns: Floats, weight: Floats, codes: NDArray[np.intp], groups: int) -> tuple[Floats, Basis]:
    """Return the columns in an orthogonal basis, fit for normal equations however collinear they are, and that basis.

    Parameters
    ----------
    columns : (n, p) array
        Rows sorted by group, no column of ones. Not changed.
    weight : (n,) array
        Size of each row, non-negative.
    codes : (n,) array; groups : int
        Group of each row, and how many there are. One group: the overall level. k groups: unit effects.

    Returns
    -------
    z : (n, p) array
        ``columns`` itself when some are dependent.
    basis : Basis
        Its ``dependent`` columns, if any, make every fit impossible; the caller names them.

    Notes
    -----
    Blocked Householder QR, 4 n p² flops; memory one block and the result.
    """
    p = columns.shape[1]
    if p == 0:
        return columns, Basis(np.zeros(0), None, ())
    means, root = group_means(columns, weight, codes, groups), np.sqrt(weight)
    raw = np.zeros(p)
    for rows in row_blocks(len(columns), p):
        raw += weight[rows] @ (columns[rows] * columns[rows])
    p = columns.shape[1]
    size = np.sqrt(np.where(raw > 0, raw, 1.0))
    triangle = np.zeros((0, p))
    for rows in row_blocks(len(columns), p):
        block = (columns[rows] - means[codes[rows]]) * (root[rows, None] / size)
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, block]), mode="r"))
    triangle = np.vstack([triangle, np.zeros((max(0, p - len(triangle)), p))])
    norms = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
    # Each column's own part, after those that stand before it in the formula, against its own length: the later
    # column is the one that is named.
    own = np.abs(np.asarray(np.linalg.qr(triangle, mode="r")).diagonal())
    dependent = tuple(int(j) for j in np.flatnonzero(own <= COLLINEAR * np.maximum(norms, 1e-5)))
    center = (root**2) @ columns / max(float(root @ root), np.finfo(float).tiny)
    if dependent:
        return columns, Basis(center, None, dependent)
    _, upper, order = qr(triangle, mode="economic", pivoting=True)
    turn = np.empty((p, p))
    turn[order] = solve_triangular(upper, np.eye(p))
    turn /= size[:, None]
    turn *= np.sqrt(float(root @ root))
    return (columns - center) @ turn, Basis(center, turn, ())
