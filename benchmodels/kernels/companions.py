"""Which units are withheld beside those with few cases, where an attacker knows their sum and this rule.

A rule that looks for the cheapest companions tells of the counts by its choice. Here the companions are the smallest
units by their public size, and their number is raised only where even that cannot be told from the outcome.
"""

from __future__ import annotations

from itertools import combinations, islice
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmodels.kernels.disclosure_risk import Risk

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Positions = NDArray[np.intp]

__all__ = ["LEAST", "sum_bounds", "with_companions", "with_large_companions"]

# Two, so that a unit that knows its own count still cannot compute another's from the sum.
LEAST = 2
# Other tables tried, in search of one that the same units would be withheld from; the first nearly always is.
_TRIED = 64


def with_companions(count: Floats, ceiling: Floats, risk: Risk, *, order: Positions, threshold: int) -> Mask:
    """Return the units withheld: those with few cases and their companions.

    Parameters
    ----------
    count, ceiling : (k,) arrays
        Cases, and how many there could have been; infinite where nothing bounds a count.
    risk : Risk
        By `count_risk` at the same threshold.
    order : (k,) array of int
        Positions of the units in the order in which they are taken as companions; must be public, as that of size.
    threshold : int

    Returns
    -------
    (k,) array of bool
        Someone who knows the published counts, the sum of those withheld, the ceilings and this rule cannot exclude
        any value from ``risk.low`` to ``risk.high`` of any risky unit.

    Raises
    ------
    SpecificationError
        Too few units are left to be companions.

    Notes
    -----
    Companions are units with at least ``threshold`` cases and as many non-cases, the `LEAST` first of them by order.
    They do where each risky unit can take its whole range while the others make up the sum, risky ones within their
    own ranges and companions with ``threshold`` cases or more: all these tables have the same risky units, the same
    companions and the same sum, pass this same test, and so look the same. Else one more companion is taken, and the
    test is of a table in which that one is risky itself, for which the first `LEAST` had been enough: it looks the
    same too. Checked over all tables of small units in ``tests/kernels/test_companions.py``.
    """
    if not risk.risky.any():
        return risk.risky.copy()
    fit = (count >= threshold) & (ceiling - count >= threshold) & ~risk.risky
    able = order[fit[order]]
    for taken in range(LEAST, len(able) + 1):
        withheld = risk.risky.copy()
        withheld[able[:taken]] = True
        total = float(count[withheld].sum())
        for low, high, risky in _tables(withheld, ceiling, risk, able[:taken], threshold):
            if _whole_range(total, low[withheld], high[withheld], risky[withheld]):
                return withheld
    raise SpecificationError(
        f"{int(risk.risky.sum())} units with few cases cannot be protected: {len(able)} others have at least "
        f"{threshold} cases and as many non-cases, and more are needed to hide them among; put units together, or "
        "withhold the total"
    )


def _tables(
    withheld: Mask, ceiling: Floats, risk: Risk, taken: Positions, threshold: int
) -> Iterator[tuple[Floats, Floats, Mask]]:
    """Return the ranges of the withheld units, and which are risky, in tables where `LEAST` companions were enough."""
    least = float(np.nanmin(risk.low, initial=1.0))
    few, many = (least, threshold - 1.0), (ceiling - threshold + 1.0, ceiling - least)
    for turned in islice(combinations(taken.tolist(), len(taken) - LEAST), _TRIED):
        for side in (few, many) if turned else (few,):
            low = np.where(risk.risky, risk.low, float(threshold))
            high = np.where(risk.risky, risk.high, ceiling - threshold)
            risky = risk.risky.copy()
            at = list(turned)
            low[at], high[at] = np.broadcast_to(side[0], len(withheld))[at], np.broadcast_to(side[1], len(withheld))[at]
            risky[at] = True
            if np.all(np.isfinite(low)):
                yield low, high, risky


def _whole_range(total: float, low: Floats, high: Floats, risky: Mask) -> bool:
    """Whether every risky unit can take each end of its range while the others, within theirs, make up the total."""
    rest_low, rest_high = low.sum() - low, np.array([np.delete(high, i).sum() for i in range(len(high))])
    fits = (total - high >= rest_low) & (total - low <= rest_high)
    return bool(np.all(fits[risky]))


def with_large_companions(total: Floats, risk: Risk, *, order: Positions) -> Mask:
    """Return the units withheld where totals of amounts, such as costs, tell of single contributors.

    Parameters
    ----------
    total : (k,) array
        Zero or more, in any unit of measure.
    risk : Risk
        By `dominance_risk`.
    order : (k,) array of int
        As in `with_companions`.

    Returns
    -------
    (k,) array of bool
        Subtraction from the sum of those withheld leaves each risky total open from ``risk.low`` to ``risk.high``.

    Raises
    ------
    SpecificationError
        Too few units are left to be companions.
    """
    if not risk.risky.any():
        return risk.risky.copy()
    able = order[~risk.risky[order] & (total[order] > 0)]
    need = np.where(risk.risky, risk.high - total, -np.inf)
    for taken in range(LEAST, len(able) + 1):
        withheld = risk.risky.copy()
        withheld[able[:taken]] = True
        if np.all(total[withheld].sum() - total >= need):
            return withheld
    raise SpecificationError(
        f"{int(risk.risky.sum())} units whose totals tell of single contributors cannot be protected: {len(able)} "
        "others are too few or too small to hide them among; put units together, or withhold the total"
    )


def sum_bounds(value: Floats, ceiling: Floats, withheld: Mask) -> tuple[Floats, Floats]:
    """Return the bounds of the withheld values that follow from their sum: (k,) and (k,), the value where published.

    Examples
    --------
    >>> low, high = sum_bounds(np.array([3.0, 14.0, 9.0]), np.array([10.0, 15.0, 99.0]), np.array([True, True, False]))
    >>> low.tolist(), high.tolist()
    ([2.0, 7.0, 9.0], [10.0, 15.0, 9.0])
    """
    total, low, high = float(value[withheld].sum()), value.astype(float), value.astype(float)
    for i in np.flatnonzero(withheld):
        others = withheld.copy()
        others[i] = False
        low[i] = max(0.0, total - float(ceiling[others].sum()))
        high[i] = min(float(ceiling[i]), total)
    return low, high
