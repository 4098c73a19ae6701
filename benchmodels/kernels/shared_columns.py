"""The columns that many linear programs share, cut so that the products of a block stay in cache."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["ARTIFICIAL", "BETA", "DUST", "OWN", "Block", "Columns", "sizes"]

# What a place of a basis holds beside columns 0..n-1 and slacks n..n+q-1.
BETA, ARTIFICIAL, OWN = -1, -2, -3

# Columns priced at once, besides the slacks: so many that the products of a chunk of programs stay in cache.
_BLOCK = 256
# What a column's entries may stand for beside themselves: a zero of it can meet rounding in an inverse.
DUST = 1e-4


class Block(NamedTuple):
    """Columns low to high and all slacks: as priced (d, c), as they are (c, d), their sizes (c, d), and codes (c,)."""

    low: int
    high: int
    priced: Floats
    columns: Floats
    size: Floats
    code: Codes


@dataclass(frozen=True, eq=False)
class Columns:
    """Shared columns, cut into blocks, each with the slacks behind it.

    Parameters
    ----------
    matrix : (d, n) array
        A; entries of order 1.
    slacks : (d, q) array
        S: a unit vector or its negative each, at most one a row.
    """

    matrix: Floats
    slacks: Floats
    blocks: list[Block] = field(init=False, repr=False)
    slack_row: Codes = field(init=False, repr=False)
    slack_sign: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n, q = self.matrix.shape[1], self.slacks.shape[1]
        cuts = np.linspace(0, n, max(1, -(-n // _BLOCK)) + 1).astype(np.intp).tolist()
        blocks = []
        for low, high in itertools.pairwise(cuts):
            part = np.concatenate([self.matrix[:, low:high], self.slacks], axis=1)
            largest = np.abs(part).max(axis=0)
            priced = part / np.where(largest > 0, largest, 1.0)
            code = np.concatenate([np.arange(low, high), n + np.arange(q)])
            blocks.append(Block(low, high, priced, np.ascontiguousarray(part.T), np.abs(part.T) + DUST, code))
        row = np.abs(self.slacks).argmax(axis=0)
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "slack_row", row)
        object.__setattr__(self, "slack_sign", self.slacks[row, np.arange(q)])

    def basis(self, code: Codes, direction: Floats, own: Floats) -> Floats:
        """Return the matrices (k, d, d) of bases, a column for each place."""
        whole = np.concatenate([self.matrix, self.slacks], axis=1).T
        found = whole[np.maximum(code, 0)]
        for label, values in ((BETA, direction), (ARTIFICIAL, own), (OWN, own)):
            unit, place = np.nonzero(code == label)
            found[unit, place] = values[unit]
        return np.ascontiguousarray(found.transpose(0, 2, 1))


def sizes(point: Floats) -> Floats:
    """Return of what size each row of points (k, d) is; a row that is zero is held against the largest one."""
    size = np.abs(point)
    return np.where(size > 0, size, size.max(axis=1, keepdims=True))
