"""Partial frontiers: the best of m drawn at random (order m), or all but a share of the best (order α).

Both are read off one row: what the point would score with each comparable unit as its only peer, in order. Neither
envelops the data, so a score may lie beyond 1, and one odd unit moves it little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.free_disposal import comparisons, sign_of
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from benchmodels.kernels.free_disposal import Goods, Measure
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    # Weights (b, n) of all reference units for some points (b,).
    Weights = Callable[[Codes], Floats]

__all__ = ["PartialFrontier", "order_alpha", "order_m", "outside_level", "share_outside"]

# A share that is a whole number of units but for rounding is that number.
_WHOLE = 1e-9
# Of a share of units.
_ROUND = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class PartialFrontier:
    """Scores of k points against a partial frontier.

    Parameters
    ----------
    score : (k,) array
        In the measure asked for; NaN where ``status`` is not `OPTIMAL`.
    std_error : (k,) array
        Of the score at the point as it stands, from n units drawn at random; NaN for order α, and with fewer than two
        comparable units.
    comparable : (k,) array
        Units compared with: those no worse in the goods that do not move. With weights the effective number.
    status : (k,) array of int
        `OPTIMAL`; `INFEASIBLE`: nobody to compare with; `UNBOUNDED`: nothing moves, or the expectation is infinite.
    """

    score: Floats
    std_error: Floats
    comparable: Floats
    status: Codes


@dataclass(frozen=True, eq=False)
class _Ordered:
    """Costs (b, c) of a block's comparable units in ascending order, and shares; repeated beyond the last.

    ``above`` is the share of those after each, ``share`` its own; both zero beyond the last.
    """

    at: slice
    cost: Floats
    share: Floats
    above: Floats
    comparable: Floats
    status: Codes


def order_m(
    reference: Goods,
    points: Goods,
    m: float,
    *,
    measure: Measure,
    direction: Floats | None = None,
    exclude: Codes | None = None,
    allowed: Allowed | None = None,
    weights: Weights | None = None,
) -> PartialFrontier:
    """Score k points against the expected best of m units drawn from those they can be compared with.

    With r the score against one comparable unit, and r' the best of m drawn with replacement: ``score`` is E[r'].

    Parameters
    ----------
    reference, points, measure, direction, exclude, allowed
        As in `score_by_units`.
    m : float
        Units drawn; above zero, whole or not. As it grows the score becomes that of free disposal.
    weights : callable, optional
        ``weights(points)``: weights (b, n) of reference units for some points, zero or more: those of a kernel in other
        variables (conditional order m), or how often a unit was drawn in a bootstrap.

    Returns
    -------
    PartialFrontier

    Raises
    ------
    DataError, SpecificationError
        As in `score_by_units`; m that is not above zero.

    Notes
    -----
    No draws are made: with r in ascending order and S_k the share of comparable units after the k-th, the expected
    least of m is r_1 + Σ (r_{k+1} - r_k) S_k^m. ``std_error`` is that of the influence function m ∫ S^(m-1) (1{r > u} -
    S) du, summed in the same pass; the score is root-n consistent and normal in the limit, but slowly: intervals called
    95 % cover 90-93 % with 10 m comparable units, 88-90 % with 5 m, 75-80 % with 2 m, for the score is then half on its
    way to free disposal. Withhold them below 10 m. Points that are themselves among the units are taken as given. A
    good that does not move, such as an input of zero under ``"input"``, is a condition. Memory of 2**18 pairs; 10,000
    units against themselves with six goods take about 4 s, 98 units 1 ms (``tests/kernels/test_partial.py`` enumerates
    all draws).

    References
    ----------
    Cazals, C., Florens, J.-P. and Simar, L. (2002). Nonparametric frontier estimation: a robust approach. Journal of
    Econometrics 106, 1-25. Daraio, C. and Simar, L. (2005). Introducing environmental variables in nonparametric
    frontier models: a probabilistic approach. Journal of Productivity Analysis 24, 93-121. Simar, L. and
    Vanhems, A. (2012). Probabilistic characterization of directional distances and their robust versions. Journal of
    Econometrics 166, 342-354.

    Examples
    --------
    >>> from benchmodels.kernels.free_disposal import Goods
    >>> units = Goods(np.array([[2.0], [4.0]]), np.array([[1.0], [1.0]]))
    >>> order_m(units, units, 2, measure="input").score
    array([1.25 , 0.625])
    """
    if not (np.isfinite(m) and m > 0):
        raise SpecificationError(f"m={m!r}; a number above zero is needed")
    k = len(points.inputs)
    score, error, comparable, status = _blank(k)
    for rows in _ordered(reference, points, measure, direction, exclude, allowed, weights):
        at, before = rows.at, rows.above[:, :-1]
        # The last cost has nothing after it; where a graph cost is infinite there is no expectation.
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.diff(rows.cost, axis=1)
            power = np.where(before > 0, np.exp((m - 1.0) * np.log(before)), 0.0)
            term = np.where(before > 0, gap * power, 0.0)
            best = rows.cost[:, 0] + np.einsum("bj,bj->b", term, before)
            reach = np.concatenate([np.zeros((len(best), 1)), np.cumsum(term, axis=1)], axis=1)
            reach -= np.einsum("bj,bj->b", reach, rows.share)[:, None]
            error[at] = m * np.sqrt(np.einsum("bj,bj,bj,bj->b", rows.share, rows.share, reach, reach))
        score[at], comparable[at] = sign_of(measure) * best, rows.comparable
        status[at] = np.where((rows.status == OPTIMAL) & ~np.isfinite(best), UNBOUNDED, rows.status)
    lost = status != OPTIMAL
    score[lost] = np.nan
    error[lost | (comparable < 2.0 - _WHOLE)] = np.nan
    return PartialFrontier(score=score + 0.0, std_error=error, comparable=comparable, status=status)


def order_alpha(
    reference: Goods,
    points: Goods,
    alpha: float,
    *,
    measure: Measure,
    direction: Floats | None = None,
    exclude: Codes | None = None,
    allowed: Allowed | None = None,
    weights: Weights | None = None,
) -> PartialFrontier:
    """Score k points against the frontier that a share 1 - α of those they can be compared with lies beyond.

    Parameters
    ----------
    reference, points, measure, direction, exclude, allowed, weights
        As in `order_m`.
    alpha : float
        Above 0, up to 1, which is free disposal.

    Returns
    -------
    PartialFrontier
        ``std_error`` is NaN: it takes a density. A bootstrap of rows is valid.

    Raises
    ------
    DataError, SpecificationError
        As in `order_m`; α outside its bounds.

    Notes
    -----
    Quantiles are of the empirical law, without interpolation: the least θ with F(θ) > 1 - α, where F is the share of
    comparable units that score θ or better. Of N comparable units that is the best but (1 - α) N rounded down, in
    every measure; a share within 1e-9 of a whole number of units is that number. Time and memory as of `order_m`.

    References
    ----------
    Aragon, Y., Daouia, A. and Thomas-Agnan, C. (2005). Nonparametric frontier estimation: a conditional quantile-based
    approach. Econometric Theory 21, 358-389. Daouia, A. and Simar, L. (2007). Nonparametric efficiency analysis: a
    multivariate conditional quantile approach. Journal of Econometrics 140, 375-400. Wheelock, D. C. and
    Wilson, P. W. (2008). Non-parametric, unconditional quantile estimation for efficiency analysis with an application
    to Federal Reserve check processing operations. Journal of Econometrics 145, 209-225 (``"graph"``).

    Examples
    --------
    >>> from benchmodels.kernels.free_disposal import Goods
    >>> units = Goods(np.array([[2.0], [4.0], [8.0], [16.0]]), np.ones((4, 1)))
    >>> order_alpha(units, units, 0.75, measure="input").score
    array([2.  , 1.  , 0.5 , 0.25])
    """
    if not 0.0 < alpha <= 1.0:
        raise SpecificationError(f"alpha={alpha!r}; above 0 and up to 1 is needed")
    score, error, comparable, status = _blank(len(points.inputs))
    for rows in _ordered(reference, points, measure, direction, exclude, allowed, weights):
        # The first with no more than a share α after it, strictly less; the last one has nothing after it.
        room = np.minimum(_WHOLE / np.maximum(rows.comparable, 1.0), alpha / 2.0)
        place = (rows.above < (alpha - room)[:, None]).argmax(axis=1)
        best = rows.cost[np.arange(len(place)), place]
        score[rows.at], comparable[rows.at] = sign_of(measure) * best, rows.comparable
        status[rows.at] = np.where((rows.status == OPTIMAL) & ~np.isfinite(best), UNBOUNDED, rows.status)
    score[status != OPTIMAL] = np.nan
    return PartialFrontier(score=score + 0.0, std_error=error, comparable=comparable, status=status)


def outside_level(reference: Goods, points: Goods, *, measure: Measure, direction: Floats | None = None) -> Floats:
    """Return the order α up to which each point lies on or beyond the frontier of that order (k,).

    Parameters
    ----------
    reference, points, measure, direction
        As in `score_by_units`.

    Returns
    -------
    (k,) array
        1 - D / N, where N units are comparable and D of them do at least as well as the point; NaN for nobody to
        compare with. A unit that nothing but itself matches has 1 - 1 / N.

    Examples
    --------
    >>> from benchmodels.kernels.free_disposal import Goods
    >>> units = Goods(np.array([[2.0], [4.0], [8.0], [16.0]]), np.ones((4, 1)))
    >>> outside_level(units, units, measure="input")
    array([0.75, 0.5 , 0.25, 0.  ])
    """
    level = np.full(len(points.inputs), np.nan)
    # What the point itself would cost: one, the same number of steps as none.
    par = {"input": 1.0, "graph": 1.0, "output": -1.0, "directional": 0.0}[measure]
    for at, cost, eligible in comparisons(reference, points, measure=measure, direction=direction):
        many = eligible.sum(axis=1)
        np.divide(many - (eligible & (cost <= par)).sum(axis=1), many, out=level[at], where=many > 0)
    return level


def share_outside(level: Floats, alpha: Floats) -> Floats:
    """Return the share of units beyond the frontier of each order α (a,).

    Parameters
    ----------
    level : (n,) array
        Of `outside_level`; NaN is left out.
    alpha : (a,) array
        Orders, in (0, 1].

    Returns
    -------
    (a,) array
        It falls as α rises. Where it does not fall towards zero, some units stay beyond the others at any order.

    Notes
    -----
    A unit that nobody matches has level 1 - 1/N with N comparable units: one with few of these is never far out by this
    rule, and of fewer than 100 units none is beyond an order of .99.

    References
    ----------
    Simar, L. (2003). Detecting outliers in frontier models: a simple approach. Journal of Productivity Analysis 20,
    391-424 (the same of order m). Daouia, A. and Simar, L. (2007). Journal of Econometrics 140, 375-400.

    Examples
    --------
    >>> share_outside(np.array([0.75, 0.5, 0.25, 0.0]), np.array([0.2, 0.5, 0.9]))
    array([0.75, 0.5 , 0.  ])
    """
    known = np.sort(level[~np.isnan(level)])
    if not len(known):
        return np.full(len(alpha), np.nan)
    return np.asarray((len(known) - np.searchsorted(known, alpha - _ROUND)) / len(known))


def _blank(k: int) -> tuple[Floats, Floats, Floats, Codes]:
    return np.full(k, np.nan), np.full(k, np.nan), np.zeros(k), np.full(k, INFEASIBLE, dtype=np.intp)


def _ordered(
    reference: Goods,
    points: Goods,
    measure: Measure,
    direction: Floats | None,
    exclude: Codes | None,
    allowed: Allowed | None,
    weights: Weights | None,
) -> Iterator[_Ordered]:
    """Yield blocks of points with their comparable units in order, best first; none for a block without any."""
    for at, cost, eligible in comparisons(
        reference, points, measure=measure, direction=direction, exclude=exclude, allowed=allowed
    ):
        weight = None
        if weights is not None:
            weight = np.where(eligible, weights(np.arange(at.start, at.stop)), 0.0)
            if not (np.all(np.isfinite(weight)) and np.all(weight >= 0)):
                raise SpecificationError("weights of units must be finite and zero or more")
            eligible = weight > 0
        many = eligible.sum(axis=1)
        most = int(many.max(initial=0))
        if most == 0:
            continue
        still = np.any(eligible & (cost == -np.inf), axis=1)
        # A cost that is infinite though the unit may be compared must stay in front of those that may not.
        cost = np.where(eligible, np.minimum(cost, np.finfo(float).max), np.inf)
        last = np.maximum(many, 1)[:, None]
        if weight is None:
            cost = np.sort(cost, axis=1)[:, :most]
            rank = np.arange(1, most + 1)
            share = (rank <= last) / last
            above = np.maximum(last - rank, 0) / last
            effective = many.astype(float)
        else:
            order = np.argsort(cost, axis=1, kind="stable")[:, :most]
            cost, weight = np.take_along_axis(cost, order, axis=1), np.take_along_axis(weight, order, axis=1)
            weight = weight / np.maximum(weight.max(axis=1, keepdims=True), np.finfo(float).tiny)
            after = np.cumsum(weight[:, ::-1], axis=1)[:, ::-1]
            total = np.where(many > 0, after[:, 0], 1.0)[:, None]
            share, above = weight / total, np.column_stack([after[:, 1:], np.zeros(len(after))]) / total
            square = np.einsum("bj,bj->b", share, share)
            effective = np.divide(1.0, square, out=np.zeros(len(square)), where=square > 0)
        end = np.take_along_axis(cost, last - 1, axis=1)
        cost = np.where(np.arange(most) < last, cost, end)
        status = np.select([many == 0, still], [INFEASIBLE, UNBOUNDED], OPTIMAL)
        cost[cost == np.finfo(float).max] = np.inf
        yield _Ordered(at=at, cost=cost, share=share, above=above, comparable=effective, status=status)
