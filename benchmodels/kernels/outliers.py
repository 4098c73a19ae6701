"""Units on which the frontier rests: far from the rest of the data, or far beyond what the others can do.

A frontier is made by few units, so one wrong figure moves everybody. Nothing here removes a unit; each rule says how
much hangs on it, and by which convention that is called too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = [
    "Departures", "DominanceTest", "Removal", "SuperEfficient", "depart", "judge_dominance", "removals", "screen",
]  # fmt: skip

# Subsets whose ratios are computed at once.
_BLOCK = 50_000
# Share of a cross-product below which it is zero.
_NONE = 1e-12
# Change of a score that counts as one; solutions are good to 1e-9.
_MOVED = 1e-7


@dataclass(frozen=True, eq=False, kw_only=True)
class Removal:
    """Subsets of one size without which the data are most compact, the most telling first.

    Parameters
    ----------
    units : (c, size) array of int
    ratio : (c,) array
        R: the determinant of goods' cross-products without the subset, divided by that with all units; in [0, 1].
    log_ratio : (c,) array
        log R less that of the first. A first subset that stands apart has a long way to the second.
    exact : bool
        No subset of this size has a lower ratio than those listed; otherwise there were too many to prove it.
    """

    units: Codes
    ratio: Floats
    log_ratio: Floats
    exact: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Departures:
    """What changes for everyone where a unit leaves; n units.

    Parameters
    ----------
    before : (n,) array
        Steps β of each unit to the frontier of all.
    beyond : (n,) array
        Steps of each unit to the frontier of all others; below zero for one that lies beyond it, NaN where they do not
        reach it from any side (``status`` `INFEASIBLE`).
    status : (n,) array of int
        Of ``beyond``.
    unit, point : (t,) arrays of int
        All pairs of a unit that leaves and another that it was a peer of, by unit and point; nobody else changes.
    after : (t,) array
        Steps of the point then.
    moved : (n,) array of int
        Others whose steps become fewer by more than 1e-7.
    total, largest : (n,) arrays
        Sum and largest of the steps they are spared.
    unsolved : int
        Programs without an answer; what rests on them is NaN.
    """

    before: Floats
    beyond: Floats
    status: Codes
    unit: Codes
    point: Codes
    after: Floats
    moved: Codes
    total: Floats
    largest: Floats
    unsolved: int


@dataclass(frozen=True, eq=False, kw_only=True)
class DominanceTest:
    """Test of each unit's weight on the frontier.

    Parameters
    ----------
    statistic : (n,) array
        Sum of the others' squared inefficiencies without the unit, divided by that with it; NaN where that is zero.
    p : (n,) array
        Probability of no larger a statistic under F(n - 1, n - 1).
    """

    statistic: Floats
    p: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class SuperEfficient:
    """Units beyond the others, by two conventions.

    Parameters
    ----------
    above : (n,) array of bool
        Beyond the threshold.
    share : float
        Of those with a score.
    limit : float
        Upper quartile and ``factor`` times the distance between quartiles.
    outside : (n,) array of bool
        Beyond that.
    unscored : (n,) array of bool
        Without a score: nobody else comes near in some good. Neither rule says anything of these.
    """

    above: Mask
    share: float
    limit: float
    outside: Mask
    unscored: Mask


def removals(goods: Floats, *, most: int = 3, kept: int = 25, subsets: int = 1_000_000) -> tuple[Removal, ...]:
    """Find the units without which the data take up least room (Wilson's statistic; the data cloud).

    Parameters
    ----------
    goods : (n, d) array
        Inputs and outputs, in any units of measure, linearly independent, no more goods than units less ``most``.
    most : int
        Largest size of a subset.
    kept : int
        Subsets listed of each size.
    subsets : int
        Subsets computed of each size, at most.

    Returns
    -------
    tuple of Removal
        Of size 1, 2, …, ``most``.

    Raises
    ------
    DataError
        Goods that are not finite, or not linearly independent; too few units.

    Notes
    -----
    With H the projection on the goods, R of a subset L is det(I - H_LL). Its eigenvalues give R >= 1 - Σ h_l, so
    subsets of too little leverage need not be looked at: the search starts from the best subsets of the size before,
    each with one unit more, and then visits every subset that could still be among the ``kept``. Where these are more
    than ``subsets`` the start is the answer, and ``exact`` is false. 98 units, six goods and subsets of up to 3 take
    about .1 s, 10,000 units 4 s (``tests/kernels/test_outliers.py`` compares with literal removal).

    References
    ----------
    Wilson, P. W. (1993). Detecting outliers in deterministic nonparametric frontier models with multiple outputs.
    Journal of Business & Economic Statistics 11, 319-323. Andrews, D. F. and Pregibon, D. (1978). Finding the outliers
    that matter. Journal of the Royal Statistical Society B 40, 85-93. Bogetoft, P. and Otto, L. (2011). Benchmarking
    with DEA, SFA, and R. Springer, section 5.13.

    Examples
    --------
    >>> [one] = removals(np.array([[1.0, 1.1], [2.0, 2.1], [3.0, 2.9], [2.0, 9.0], [1.5, 1.4]]), most=1)
    >>> one.units[0], one.exact
    (array([3]), True)
    """
    n, d = goods.shape
    if not np.all(np.isfinite(goods)):
        raise DataError("goods must be finite")
    if n - most < d:
        raise DataError(f"{n} units without {most} are fewer than {d} goods")
    length = np.abs(goods).max(axis=0)
    if not np.all(length > 0):
        raise DataError("a good is zero for every unit; leave it out")
    scaled = goods / length
    base, spread, _ = np.linalg.svd(scaled / np.linalg.norm(scaled, axis=0), full_matrices=False)
    if spread[-1] < _NONE * spread[0]:
        raise DataError("goods are linearly dependent; leave one out")
    leverage = np.einsum("ij,ij->i", base, base)
    order = np.argsort(-leverage, kind="stable")
    base, leverage = base[order], leverage[order]
    found: list[Removal] = []
    best, carried = np.empty((1, 0), dtype=np.intp), max(kept, min(500, subsets // n))
    for size in range(1, most + 1):
        best, ratio = _lowest(base, _one_more(best, n), carried)
        # Nothing that is left out by this has a ratio below the last one listed.
        need = 1.0 - ratio[min(kept, len(ratio)) - 1] - 1e-9 if len(ratio) >= kept else -np.inf
        every = _of_leverage(leverage, size, need, subsets)
        if every is not None:
            best, ratio = _lowest(base, np.concatenate([best, every]), carried)
        ratio = np.where(ratio > _NONE, ratio, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_ratio = np.where(ratio == ratio[0], 0.0, np.log(ratio / ratio[0]))[:kept]
        units = np.sort(order[best[:kept]], axis=1)
        found.append(Removal(units=units, ratio=ratio[:kept], log_ratio=log_ratio, exact=every is not None))
    return tuple(found)


def _one_more(subsets: Codes, n: int) -> Codes:
    """Return subsets (c, size + 1) that are one of these and another unit, each once."""
    more = np.column_stack([np.repeat(subsets, n, axis=0), np.tile(np.arange(n), len(subsets))])
    more = np.sort(more, axis=1)
    return np.unique(more[(np.diff(more, axis=1) > 0).all(axis=1)], axis=0)


def _of_leverage(leverage: Floats, size: int, need: float, most: int) -> Codes | None:
    """Return the subsets (c, size) of a leverage together of at least ``need``; none where they are too many.

    ``leverage`` (n,) falls.
    """
    n = len(leverage)
    subsets, total = np.empty((1, 0), dtype=np.intp), np.zeros(1)
    for left in range(size, 0, -1):
        # The next has at least its part of what is missing, for those after it have less.
        end = np.searchsorted(-leverage, -(need - total) / left, side="right")
        first = subsets[:, -1] + 1 if subsets.shape[1] else np.zeros(len(subsets), dtype=np.intp)
        count = np.maximum(np.minimum(end, n - left + 1) - first, 0)
        if count.sum() > most:
            return None
        row = np.repeat(np.arange(len(subsets)), count)
        place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
        subsets, total = np.column_stack([subsets[row], place]), total[row] + leverage[place]
    return subsets


def _lowest(base: Floats, subsets: Codes, most: int) -> tuple[Codes, Floats]:
    """Return the subsets of lowest ratio, each once, and their ratios, in ascending order."""
    size = subsets.shape[1]
    kept, ratios = subsets[:0], np.empty(0)
    for low in range(0, len(subsets), _BLOCK):
        part = subsets[low : low + _BLOCK]
        rows = base[part]
        ratio = np.linalg.det(np.eye(size) - rows @ rows.transpose(0, 2, 1))
        kept, first = np.unique(np.concatenate([kept, part]), axis=0, return_index=True)
        ratios = np.concatenate([ratios, ratio])[first]
        lowest = np.argsort(ratios, kind="stable")[:most]
        kept, ratios = kept[lowest], ratios[lowest]
    return kept, ratios


def depart(
    technology: Technology, direction: Floats, *, allowed: Allowed | None = None, run: Callable[..., Any] = map
) -> Departures:
    """Let each unit leave in turn, and say what changes for the others and how far it is beyond them.

    Parameters
    ----------
    technology : Technology
        n units.
    direction : (n, m + s) array
        By how much each unit's inputs fall and outputs rise in one step; its own inputs and zeros make β = 1 - θ.
    allowed : callable, optional
        As in `envelop`.
    run : callable
        As in `envelop`.

    Returns
    -------
    Departures

    Notes
    -----
    A unit that is no peer in a point's basic solution can leave without changing it. So only pairs of a peer and a
    point are solved again, all together, each without its peer: about n (m + s) programs for n frontiers of n points.
    98 units with six goods take about .013 s (``tests/kernels/test_outliers.py`` compares with literal removal); some
    thousands of units, which then cannot be cut to their frame, minutes.

    Examples
    --------
    >>> from benchmodels.kernels.technology import Technology
    >>> inputs, outputs = np.array([[2.0], [4.0], [5.0]]), np.array([[2.0], [2.0], [2.0]])
    >>> found = depart(Technology(inputs, outputs, (1.0, 1.0)), np.column_stack([inputs, np.zeros(3)]))
    >>> found.before.round(2), found.beyond.round(2), found.total.round(2)
    (array([0. , 0.5, 0.6]), array([-1. ,  0.5,  0.6]), array([0.9, 0. , 0. ]))
    """
    inputs, outputs = technology.inputs, technology.outputs
    n = len(inputs)
    full = envelop(technology, inputs, outputs, direction, own=np.arange(n), allowed=allowed, run=run)
    before = np.where(full.status == OPTIMAL, full.beta, np.nan)
    point, place = np.nonzero((full.peer >= 0) & (full.weight > 0))
    # A peer may hold two places of a basis: as a column, and as the point's own start.
    pairs = np.unique(np.column_stack([full.peer[point, place], point]), axis=0)
    unit, point = pairs[:, 0], pairs[:, 1]
    own = np.where(unit == point, ARTIFICIAL, point)

    def others(some: Codes, low: int, high: int) -> Mask:
        left = unit[some, None] != np.arange(low, high)
        return np.asarray(left if allowed is None else left & allowed(point[some], low, high))

    left = envelop(
        technology, inputs[point], outputs[point], direction[point], own=own, run=run, allowed=others
    )  # fmt: skip
    after = np.where(left.status == OPTIMAL, left.beta, np.nan)
    itself = unit == point
    unsolved = int(np.isnan(before).sum() + np.sum(np.isnan(after) & ~(itself & (left.status == INFEASIBLE))))
    beyond, status = before.copy(), full.status.copy()
    beyond[unit[itself]], status[unit[itself]] = after[itself], left.status[itself]
    unit, point, after = unit[~itself], point[~itself], after[~itself]
    spared = before[point] - after
    largest = np.zeros(n)
    with np.errstate(invalid="ignore"):
        np.maximum.at(largest, unit, spared)
    return Departures(
        before=before, beyond=beyond, status=status, unit=unit, point=point, after=after,
        moved=np.bincount(unit[spared > _MOVED], minlength=n), largest=largest, unsolved=unsolved,
        total=np.bincount(unit, weights=spared, minlength=n).astype(np.float64),
    )  # fmt: skip


def judge_dominance(departures: Departures) -> DominanceTest:
    """Test whether one unit makes the others look inefficient, as the regulator of German networks does.

    Parameters
    ----------
    departures : Departures
        Of n units; inefficiency is counted in steps.

    Returns
    -------
    DominanceTest
        A unit whose ``p`` is below .05 is an outlier by that rule.

    Notes
    -----
    With E efficiencies, the statistic of unit i is Σ_{k≠i} (E_k(without i) - 1)² / Σ_{k≠i} (E_k - 1)². The law is that
    of two independent sums of squared half-normal inefficiencies; here both sums are of the same units, so that p is a
    convention, not the rate of false alarms.

    References
    ----------
    Anreizregulierungsverordnung (2007), annex 3 to section 12. Bogetoft, P. and Otto, L. (2011). Benchmarking with DEA,
    SFA, and R. Springer. Banker, R. D. (1996). Hypothesis tests using data envelopment analysis. Journal of
    Productivity Analysis 7, 139-159.
    """
    n, square = len(departures.before), departures.before**2
    others = square.sum() - square
    change = departures.after**2 - square[departures.point]
    without = others + np.bincount(departures.unit, weights=change, minlength=n)
    statistic = np.full(n, np.nan)
    np.divide(without, others, out=statistic, where=others > _NONE * max(n, 1))
    return DominanceTest(statistic=statistic, p=np.asarray(stats.f.cdf(statistic, n - 1, n - 1)))


def screen(efficiency: Floats, *, threshold: float = 1.2, factor: float = 1.5) -> SuperEfficient:
    """Say which units lie far beyond the others.

    Parameters
    ----------
    efficiency : (n,) array
        Super-efficiency, a share: above 1 for a unit beyond the frontier of all others; NaN without a score.
    threshold : float
        Above which a unit is screened out by Banker's rule.
    factor : float
        Of the distance between quartiles, in the rule of the regulator of German networks.

    Returns
    -------
    SuperEfficient

    Raises
    ------
    SpecificationError
        A threshold below 1 or a factor below 0.

    Notes
    -----
    Quartiles are interpolated linearly between scores in order (type 7 of Hyndman and Fan), of all units with a score.

    References
    ----------
    Banker, R. D. and Chang, H. (2006). The super-efficiency procedure for outlier identification, not for ranking
    efficient units. European Journal of Operational Research 175, 1311-1320. Anreizregulierungsverordnung (2007),
    annex 3 to section 12.

    Examples
    --------
    >>> found = screen(np.array([0.7, 0.8, 0.9, 1.0, 2.5]))
    >>> found.outside, round(found.limit, 3)
    (array([False, False, False, False,  True]), 1.3)
    """
    if not (threshold >= 1.0 and factor >= 0.0):
        raise SpecificationError(f"threshold={threshold!r}, factor={factor!r}; at least 1 and 0 are needed")
    unscored = np.isnan(efficiency)
    scores = efficiency[~unscored]
    low, high = np.quantile(scores, [0.25, 0.75]) if len(scores) else (np.nan, np.nan)
    limit = float(high + factor * (high - low))
    share = float(np.mean(scores > threshold)) if len(scores) else np.nan
    return SuperEfficient(
        above=efficiency > threshold, share=share, limit=limit, outside=efficiency > limit, unscored=unscored
    )
