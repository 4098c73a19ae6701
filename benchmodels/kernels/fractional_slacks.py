"""The least ratio of what is left of inputs to what outputs could become, in slacks: a ladder of weighted sums.

    ρ = min (1 - a s) / (1 + b s)   over the slacks s that a point can have.

At a trial ρ the program is linear: the ratio is below ρ where (a + ρ b) s comes above 1 - ρ. So the largest weighted
slacks at weights a + ρ b give a smaller ratio, or prove that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.additive import LargestSlacks, largest_slacks
from benchmodels.kernels.shared_simplex import OPTIMAL, STALLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["LeastRatio", "least_ratio"]

# Rounds: 3 to 6 are usual, since each more than squares the error. The gap at which a ratio is proved to be the least.
_MOST, _SURE = 60, 1e-11
# The gap above which it is not given.
_CLOSE = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class LeastRatio:
    """The least ratios of k points.

    Parameters
    ----------
    ratio : (k,) array
        NaN without an answer.
    found : LargestSlacks
        The last program of each point: its slacks make the ratio, its prices prove it.
    gap : (k,) array
        By how much the ratio can be above the least one, by those prices.
    rounds : (k,) array of int
    status : (k,) array of int
        As in `LargestSlacks`; `STALLED` also where the gap is above 1e-9.
    """

    ratio: Floats
    found: LargestSlacks
    gap: Floats
    rounds: Codes
    status: Codes


def least_ratio(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    saved: Floats,
    added: Floats,
    *,
    own: Codes,
    allowed: Allowed | None = None,
) -> LeastRatio:
    """Minimise (1 - Σ saved x slack) / (1 + Σ added x slack), point by point.

    Parameters
    ----------
    technology : Technology
        n reference units.
    inputs : (k, m) array; outputs : (k, s) array
        The points, in the goods' units of measure.
    saved, added : (k, m + s) arrays
        What a unit of measure of slack takes from the numerator, and adds to the denominator: zero or more, and the
        numerator not below zero for any slack that the point can have.
    own, allowed
        As in `largest_slacks`.

    Raises
    ------
    SpecificationError
        As in `largest_slacks`.

    Notes
    -----
    Dinkelbach's method. It ends: each round finds another vertex of a smaller ratio. Where only one of ``saved`` and
    ``added`` is there, one round is enough.

    References
    ----------
    Dinkelbach (1967), Manage Sci 13:492-498. Tone (2001), Eur J Oper Res 130:498-509 (the ratio).

    Examples
    --------
    >>> import numpy as np
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[2.0], [4.0]]), np.array([[2.0], [2.0]])
    >>> saved, added = np.array([[0.5, 0.0], [0.25, 0.0]]), np.array([[0.0, 0.5], [0.0, 0.5]])
    >>> least_ratio(Technology(x, y, (0.0, np.inf)), x, y, saved, added, own=np.arange(2)).ratio.tolist()
    [1.0, 0.5]
    """
    k = len(inputs)
    ratio, gap = np.ones(k), np.full(k, np.inf)
    rounds, status = np.zeros(k, dtype=np.intp), np.full(k, STALLED, dtype=np.intp)
    single = np.asarray(~((saved > 0).any(axis=1) & (added > 0).any(axis=1)))
    last: dict[str, NDArray[np.generic]] = {}
    going = np.arange(k)
    for _ in range(_MOST):
        mask = None if allowed is None else _of(allowed, going)
        found = largest_slacks(
            technology, inputs[going], outputs[going], saved[going] + ratio[going, None] * added[going],
            own=own[going], allowed=mask,
        )  # fmt: skip
        for f in fields(LargestSlacks):
            part = getattr(found, f.name)
            last.setdefault(f.name, part.copy())[going] = part
        rounds[going] += 1
        done = np.asarray(found.status == OPTIMAL)
        slack = np.where(done[:, None], found.slack, 0.0)
        top = 1.0 - np.einsum("ij,ij->i", saved[going], slack)
        bottom = 1.0 + np.einsum("ij,ij->i", added[going], slack)
        # No slack takes more from the top, at this ratio, than what is found: so no ratio is below it by more.
        now = np.maximum(found.total - (1.0 - ratio[going]), 0.0) + found.gap
        gap[going] = np.where(single[going], found.gap, now)
        falls = np.asarray(top / bottom < ratio[going])
        ratio[going] = np.where(done, np.minimum(ratio[going], top / bottom), np.nan)
        close = np.asarray(gap[going] <= _CLOSE)
        status[going] = np.where(done & ~close, STALLED, found.status)
        going = going[np.flatnonzero(done & falls & (gap[going] > _SURE))]
        if not len(going):
            break
    ratio[status != OPTIMAL] = np.nan
    parts = {name: np.asarray(part) for name, part in last.items()}
    return LeastRatio(ratio=ratio, found=LargestSlacks(**parts), gap=gap, rounds=rounds, status=status)


def _of(allowed: Allowed, points: Codes) -> Allowed:
    return lambda some, low, high: allowed(points[some], low, high)
