"""Exact collapse of rows to cells: rows alike in every covariate become one row with their totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.basis import row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Codes = NDArray[np.intp]

__all__ = ["collapse"]


def collapse(codes: Sequence[Codes], radix: Sequence[int]) -> tuple[Codes, Codes]:
    """Number the distinct combinations of several codes.

    Parameters
    ----------
    codes : sequence of (n,) arrays
        The first is the slowest: cells come out sorted by it (the unit), then by the next.
    radix : sequence of int
        Number of values of each code; codes are in 0 … radix − 1.

    Returns
    -------
    cell : (n,) array
        Cell of each row.
    first : (c,) array
        A row of each cell.

    Notes
    -----
    Mixed-radix numbers while they fit 62 bits; where the next code would overflow, the numbers so far are first
    replaced by their rank. Dense numbering by ``bincount`` when the number of possible cells is at most 4 n, else
    by sorting.
    """
    n = len(codes[0])
    number, possible = np.zeros(n, dtype=np.int64), 1
    for code, values in zip(codes, radix, strict=True):
        if possible > (1 << 62) // max(values, 1):
            met, number = np.unique(number, return_inverse=True)
            possible = len(met)
        # In place: with ten million rows each array is 80 MB.
        number *= values
        number += code
        possible *= max(values, 1)
    if possible <= 4 * n:
        occupied = np.zeros(possible, dtype=bool)
        occupied[number] = True
        cell = (np.cumsum(occupied, dtype=np.intp) - 1)[number]
        first = np.empty(int(occupied.sum()), dtype=np.intp)
        # Written backwards, so that each cell keeps its first row.
        for rows in reversed(row_blocks(n, 1)):
            first[cell[rows][::-1]] = np.arange(rows.stop - 1, rows.start - 1, -1)
        return cell, first
    _, first, cell = np.unique(number, return_index=True, return_inverse=True)
    return cell.astype(np.intp), first.astype(np.intp)
