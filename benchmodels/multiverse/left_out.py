"""Which unit moves whose expected value: every unit left out, and what that does to every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.adjustment import Fit
from benchmodels.errors import SpecificationError
from benchmodels.kernels.basis import row_blocks
from benchmodels.kernels.families import marginal
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["MOST_UNITS", "leave_out_matrix"]

# A table of 200 MB.
MOST_UNITS = 5000


def leave_out_matrix(fit: Fit) -> pd.DataFrame:
    """Return what leaving each unit out does to the expected rate of every unit.

    `benchmodels.adjustment.diagnostics.influence` keeps the largest of each row of it, and its unit.

    Parameters
    ----------
    fit : Fit
        k units.

    Returns
    -------
    (k, k) DataFrame
        Row: the unit left out; column: the unit whose expected rate moves. Values: its expected rate with all units
        less that without the unit of the row, in the outcome's unit of measure per unit of size; the unit's difference
        (observed less expected) moves by the same with the opposite sign. Rows of NaN where the others alone have no
        fit.

    Raises
    ------
    SpecificationError
        Not a fit, or more than 5,000 units.

    Notes
    -----
    Passes over the cells that `influence` makes too, n k p; the fits without a unit are those of ``compare()``.
    """
    if not isinstance(fit, Fit):
        raise SpecificationError(f"leave_out_matrix takes a Fit, such as model.fit(data); found {type(fit).__name__}")
    rows, k = fit._rows, len(fit.design.units)
    if k > MOST_UNITS:
        raise SpecificationError(
            f"{k:,} units make a table of {k * k:,} numbers; at most {MOST_UNITS:,} units are set against each other. "
            "benchmodels.adjustment.diagnostics.influence gives the largest move of each"
        )
    practice = fit.practice("others")
    base = fit.expected(reference="all").to_numpy()
    starts = np.append(fit.design.starts, len(rows.size))
    moved = np.empty((k, k))
    with one_blas_thread():
        for j in range(k):
            total, size = np.zeros(k), 0.0
            for block in row_blocks(int(starts[j + 1] - starts[j]), k):
                part = slice(starts[j] + block.start, starts[j] + block.stop)
                eta = rows.columns[part] @ practice.slopes.T + practice.average + rows.offset[part, None]
                total += rows.size[part] @ marginal(rows.family, eta, practice.spread)[0]
                size += rows.size[part].sum()
            moved[:, j] = (base[j] - total) / size
    moved[~practice.found] = np.nan
    units = pd.Index(fit.design.units)
    return pd.DataFrame(moved, index=units.rename("left_out"), columns=units.rename("unit"))
