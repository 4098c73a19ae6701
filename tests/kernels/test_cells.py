"""Collapse against pandas, and past the range of one integer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels.kernels.cells import collapse


def made(n, radix, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, r, n) for r in radix]


@pytest.mark.parametrize(
    ("n", "radix"),
    [
        (1, [1]),
        (500, [3, 4, 2]),  # dense numbering
        (500, [50, 60, 70]),  # sorting
        (300, [2] * 80),  # 2**80 possible cells: past 62 bits
        (200, [2**31, 2**31, 2**31]),
        (100, [1, 1, 5, 1]),
    ],
)
def test_cells_are_those_of_a_group_by(n, radix):
    codes = made(n, radix)
    if len(radix) == 80:
        # Repeat rows, so that something does collapse.
        again = np.random.default_rng(1).integers(0, 40, n)
        codes = [code[again] for code in codes]
    cell, first = collapse(codes, radix)
    frame = pd.DataFrame(np.column_stack(codes))
    groups = frame.groupby(list(frame.columns), sort=False)
    assert len(first) == groups.ngroups
    # The same rows share a cell, whatever the cells are called.
    assert len(set(zip(cell.tolist(), groups.ngroup().tolist(), strict=True))) == len(first)
    # Sorted by the first code, and each cell's first row is its first.
    assert (np.diff(codes[0][first]) >= 0).all()
    np.testing.assert_array_equal(first, [np.flatnonzero(cell == c)[0] for c in range(len(first))])


def test_totals_are_those_of_a_group_by():
    codes = made(2000, [7, 3, 5])
    values = np.random.default_rng(9).integers(0, 100, 2000).astype(float)
    cell, first = collapse(codes, [7, 3, 5])
    frame = pd.DataFrame({"a": codes[0], "b": codes[1], "c": codes[2], "v": values})
    expected = frame.groupby(["a", "b", "c"])["v"].sum()
    found = pd.Series(
        np.bincount(cell, values),
        index=pd.MultiIndex.from_arrays([c[first] for c in codes], names=list("abc")),
    )
    pd.testing.assert_series_equal(found.sort_index(), expected.sort_index(), check_names=False, check_index_type=False)
