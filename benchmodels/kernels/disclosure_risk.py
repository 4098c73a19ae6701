"""Which figures tell of single contributors, and what must stay possible for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["Risk", "count_risk", "dominance_risk"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Risk:
    """Cells that would tell of single contributors, and what must stay possible for each.

    Parameters
    ----------
    risky : (m,) array of bool
    low, high : (m,) arrays
        Every value between must stay possible, in the cell's unit of measure; NaN where the cell is not risky.
    """

    risky: Mask
    low: Floats
    high: Floats


def count_risk(count: Floats, size: Floats | None = None, *, threshold: int, zeros: bool = False) -> Risk:
    """Find counts below a threshold, and where the size is public too those whose complement is.

    Parameters
    ----------
    count, size : (m,) arrays
        Cases, and cases that could have been counted: then ``size - count`` is a count as well.
    threshold : int
        The smallest count that may be told, 2 or more.
    zeros : bool, default False
        A count of none (or of all) is withheld too: it says something of everyone.

    Returns
    -------
    Risk
        Every count from 1 (0 with ``zeros``) to ``threshold - 1`` must stay possible, or every such complement.

    Raises
    ------
    SpecificationError, DataError
        A threshold below 2; counts that are missing, negative or above their size.

    Examples
    --------
    >>> count_risk(np.array([0.0, 3.0, 5.0, 98.0]), np.full(4, 100.0), threshold=5).risky
    array([False,  True, False,  True])
    """
    if threshold < 2:
        raise SpecificationError(f"threshold={threshold!r}; a count is small below 2 or more")
    whole = np.full(len(count), np.inf) if size is None else size
    if not np.all((count >= 0) & (count <= whole)):
        raise DataError("counts must be there, zero or more, and at most their size")
    least = 0.0 if zeros else 1.0
    few, rest = ((least <= part) & (part < threshold) for part in (count, whole - count))
    # A unit so small that all its counts are few on one side or the other has them all for its range.
    small, end = whole <= 2.0 * threshold - 2.0, np.where(whole < threshold, 0.0, least)
    low = np.where(small, end, np.where(few, least, whole - threshold + 1.0))
    high = np.where(small, whole - end, np.where(few, threshold - 1.0, whole - least))
    return _risk(few | rest, low, high)


def dominance_risk(
    total: Floats, largest: Floats, *, percent: float | None = None, share: tuple[int, float] | None = None
) -> Risk:
    """Find totals, such as costs, from which a contributor could be estimated too closely.

    Parameters
    ----------
    total : (m,) array
        Sum of the contributions to a cell, in their unit of measure.
    largest : (m, c) array
        The largest contributions to each cell, in any order, 0 where there are fewer.
    percent : float, optional
        p of the p % rule, risky where ``total - x1 - x2 < p/100 x1``: the second largest knows the first to within p %.
    share : (int, float), optional
        (n, k) of the dominance rule, risky where the n largest are more than k % of the total.

    Returns
    -------
    Risk
        An estimate must miss the total by so much, on both sides, that the rule holds no more.

    Raises
    ------
    SpecificationError, DataError
        No rule or one out of range; contributions that are negative, too few for the rule or above their total.

    References
    ----------
    Hundepool et al. (2012), Statistical Disclosure Control, sections 4.2.1 (rules) and 4.2.2 (protection levels).

    Examples
    --------
    >>> dominance_risk(np.array([100.0, 100.0]), np.array([[90.0, 8.0], [40.0, 30.0]]), percent=10).risky
    array([ True, False])
    """
    asked = [n for n, rule in ((2, percent), (share[0] if share else 0, share)) if rule is not None]
    bad = (percent is not None and percent <= 0) or (share is not None and not (share[0] >= 1 and 0 < share[1] < 100))
    if not asked or bad:
        raise SpecificationError(f"percent={percent!r}, share={share!r}; give p > 0, or n of 1 or more and 0 < k < 100")
    first = -np.sort(-largest, axis=1)
    if first.shape[1] < max(asked) or np.any(first < 0) or not np.all(first.sum(1) <= total * (1.0 + 1e-9)):
        raise DataError(f"at least {max(asked)} contributions a cell, zero or more, that add to at most their total")
    need = np.full(len(total), -np.inf)
    if percent is not None:
        need = np.maximum(need, percent / 100.0 * first[:, 0] - (total - first[:, :2].sum(1)))
    if share is not None:
        need = np.maximum(need, 100.0 / share[1] * first[:, : share[0]].sum(1) - total)
    # A remainder that is nothing but rounding is none.
    return _risk(need > 1e-12 * total, np.maximum(total - need, 0.0), total + need)


def _risk(risky: Mask, low: Floats, high: Floats) -> Risk:
    return Risk(risky=risky, low=np.where(risky, low, np.nan), high=np.where(risky, high, np.nan))
