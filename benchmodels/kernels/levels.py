"""The level at which a unit's own cases add up to a given total."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.families import Family, mean_and_slope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["own_levels"]


def own_levels(family: Family, size: Floats, eta: Floats, unit: Codes, target: Floats, start: Floats) -> Floats:
    """Return each unit's own level (k,): expected equal to ``target`` over its own rows.

    Parameters
    ----------
    size, eta : (n,) arrays
        Trials, exposure or cases of each row, and its linear predictor without the level.
    unit : (n,) array
        Unit of each row.
    target, start : (k,) arrays
        Total wanted, and where to begin; a start that is not finite is zero.

    Returns
    -------
    (k,) array
        Infinite where the target is at the edge of what is possible; NaN where Newton does not arrive.
    """
    k = len(target)
    most = group_sums(unit, size, k)
    level = np.where(np.isfinite(start), start, 0.0)
    edge = np.zeros(k)
    if family.link != "identity":
        edge[target <= 0] = -np.inf
    if family.share:
        edge[(target >= most) & (target > 0)] = np.inf
    for _ in range(80):
        mu, slope = mean_and_slope(family, eta + level[unit])
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = (target - group_sums(unit, size * mu, k)) / group_sums(unit, size * slope, k)
        move = gap if family.link == "identity" else np.clip(gap, -1.0, 1.0)
        move = np.where((edge == 0) & np.isfinite(move), move, 0.0)
        level = level + move
        if not np.any(np.abs(move) > 1e-13 * (1.0 + np.abs(level))):
            break
    level = np.where(np.abs(move) <= 1e-8 * (1.0 + np.abs(level)), level, np.nan)
    return np.where(edge == 0, level, edge)
