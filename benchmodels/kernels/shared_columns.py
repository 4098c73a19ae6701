"""The columns that many linear programs share, cut so that the products of a block stay in cache."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]
    # Which columns lo..hi a program (by its number) may use: (programs, columns).
    Allowed = Callable[[Codes, int, int], Mask]

__all__ = ["ARTIFICIAL", "BETA", "DUST", "OWN", "Block", "Columns", "apart", "cheapest", "products", "sizes"]

# What a place of a basis holds beside columns 0..n-1 and slacks n..n+q-1.
BETA, ARTIFICIAL, OWN = -1, -2, -3

# Columns priced at once, besides the slacks: so many that the products of a chunk of programs stay in cache.
_BLOCK = 256
# Products of prices and columns that are worked out and searched at once.
_ENTRIES = 2**16
# Of a row where a start is not its point, relative to the point; less than points are moved by.
_CLEAR = 1e-10
# What a column's entries may stand for beside themselves: a zero of it can meet rounding in an inverse.
DUST = 1e-4


class Block(NamedTuple):
    """Columns low to high of every set, and all slacks: as priced and as they are (r, d, c), and their codes (c,)."""

    low: int
    high: int
    priced: Floats
    columns: Floats
    code: Codes


@dataclass(frozen=True, eq=False)
class Columns:
    """Shared columns, cut into blocks, each with the slacks behind it.

    Parameters
    ----------
    matrix : (d, n) or (r, d, n) array
        A, or one A for each of r sets of programs; entries of order 1. A column of zeros is never used, so that sets
        of different sizes are filled up with them.
    slacks : (d, q) array
        S: a unit vector or its negative each, at most one a row.
    """

    matrix: Floats
    slacks: Floats
    blocks: list[Block] = field(init=False, repr=False)
    slack_row: Codes = field(init=False, repr=False)
    slack_sign: Floats = field(init=False, repr=False)
    _each: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sets = self.matrix if self.matrix.ndim == 3 else self.matrix[None]
        (r, d, n), q = sets.shape, self.slacks.shape[1]
        cuts = np.linspace(0, n, max(1, -(-n // _BLOCK)) + 1).astype(np.intp).tolist()
        slacks = np.broadcast_to(self.slacks, (r, d, q))
        blocks = []
        for low, high in itertools.pairwise(cuts):
            part = np.concatenate([sets[:, :, low:high], slacks], axis=2)
            largest = np.abs(part).max(axis=1, keepdims=True)
            priced = part / np.where(largest > 0, largest, 1.0)
            code = np.concatenate([np.arange(low, high), n + np.arange(q)])
            blocks.append(Block(low, high, priced, part, code))
        row = np.abs(self.slacks).argmax(axis=0)
        each = np.concatenate([sets, slacks], axis=2)
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "slack_row", row)
        object.__setattr__(self, "slack_sign", self.slacks[row, np.arange(q)])
        object.__setattr__(self, "_each", np.ascontiguousarray(each.transpose(0, 2, 1)))

    @property
    def count(self) -> int:
        """Columns of a set, n."""
        return int(self.matrix.shape[-1])

    def of_set(self, j: int) -> Floats:
        """Return the columns of a set, slacks behind them, (d, n + q)."""
        return np.asarray(self._each[j].T)

    def taken(self, code: Codes, member: Codes | None = None) -> Floats:
        """Return columns and slacks (k, ..., d) by their codes (k, ...); ``member`` (k,) is the set of each row."""
        if len(self._each) == 1 or member is None:
            return np.asarray(self._each[0].take(code, axis=0))
        return np.asarray(self._each[member.reshape(-1, *[1] * (code.ndim - 1)), code])

    def basis(self, code: Codes, direction: Floats, own: Floats, member: Codes | None = None) -> Floats:
        """Return the matrices (k, d, d) of bases, a column for each place."""
        found = self.taken(np.maximum(code, 0), member)
        unit, place = np.nonzero(code < BETA)
        found[unit, place] = own[unit]
        beta = code[:, 0] == BETA
        found[beta, 0] = direction[beta]
        return np.ascontiguousarray(found.transpose(0, 2, 1))


def products(price: Floats, columns: Floats, member: Codes | None = None) -> Floats:
    """Return prices (k, d) times the columns (r, d, c) of each one's set, (k, c).

    ``member`` (k,) is the set of each, ascending; all are of the first set by default.
    """
    if len(columns) == 1 or member is None or not len(price):
        return np.asarray(price @ columns[0])
    found = np.empty((len(price), columns.shape[2]))
    first = (np.flatnonzero(member[1:] != member[:-1]) + 1).tolist()
    for low, high in itertools.pairwise([0, *first, len(price)]):
        np.matmul(price[low:high], columns[member[low]], out=found[low:high])
    return found


def cheapest(
    price: Floats, block: Block, columns: Floats, member: Codes, programs: Codes, allowed: Allowed | None
) -> tuple[Codes, Floats]:
    """Return the place in a block of the column that is worth least, (k,), and what it is worth.

    ``price`` (k, d); ``columns`` (r, d, c) are those of the block, as they are or as they are priced; ``programs`` (k,)
    are the numbers that ``allowed`` knows. A few programs at a time, so that their products stay in cache.
    """
    best, least = np.empty(len(price), dtype=np.intp), np.empty(len(price))
    size = _ENTRIES // columns.shape[2]
    for low in range(0, len(price), size):
        at = slice(low, low + size)
        cost = products(price[at], columns, member[at])
        if allowed is not None:
            cost[:, : block.high - block.low][~allowed(programs[at], block.low, block.high)] = np.inf
        place = cost.argmin(axis=1)
        best[at], least[at] = place, cost[np.arange(len(place)), place]
    return best, least


def apart(point: Floats, direction: Floats, start: Floats) -> set[int]:
    """Return the rows where some point is not its start, or a multiple of it, and a step along its direction."""
    usable = np.isfinite(point + start + direction).all(axis=1)
    b, g, a = point[usable], direction[usable], start[usable]
    if np.array_equal(a, b):
        return set()
    # The start once and least squares on the direction; or least squares on both, where these are not the same.
    aa, gg, ag, ab, gb = (np.einsum("ij,ij->i", *two) for two in ((a, a), (g, g), (a, g), (a, b), (g, b)))
    whole = aa * gg - ag * ag
    whole = np.where(whole > _CLEAR * aa * gg, whole, np.inf)
    once = (np.ones(len(a)), (gb - ag) / np.where(gg > 0.0, gg, 1.0))
    size = _CLEAR * np.abs(b).max(axis=1, initial=0.0, keepdims=True)
    apart = []
    for of_start, of_step in (once, ((gg * ab - ag * gb) / whole, (aa * gb - ag * ab) / whole)):
        rest = b - of_start[:, None] * a - of_step[:, None] * g
        apart.append(set(np.flatnonzero((np.abs(rest) > size).any(axis=0)).tolist()))
    return min(apart, key=len)


def sizes(point: Floats) -> Floats:
    """Return of what size each row of points (k, d) is; a row that is zero is held against the largest one."""
    size = np.abs(point)
    return np.where(size > 0, size, size.max(axis=1, keepdims=True))
