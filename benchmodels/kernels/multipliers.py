"""Ranges of multipliers: how far each price can move while all of them stay optimal.

An efficient unit sits at a corner of the frontier, where many prices support it. Those found are one corner of that
set; which one says nothing about the unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.faces import TIED, no_own, prices_of
from benchmodels.kernels.shared_columns import products
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, Columns, maximise
from benchmodels.kernels.small_programs import SURE, SmallPrograms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.envelopment import Envelopment
    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["PriceRanges", "price_ranges"]

# By how much of itself a point is moved to learn a price at its end; the second where the first is too far.
_MOVES = (1e-4, 1e-6)
# Programs solved together.
_CHUNK = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class PriceRanges:
    """Ends of the multipliers of k points over all that are optimal.

    Parameters
    ----------
    lower, upper : (k, m + s) arrays
        Per unit of measure of each good, where Σ price x direction = 1; infinite where there is no end, NaN where it
        was not found.
    returns_lower, returns_upper : (k, r) arrays
        Of the multipliers of the bounds of Σλ. Under variable returns, all negative: returns increase at the
        projection; all positive: they decrease.
    single : (k,) array of bool
        There is one vector of multipliers.
    """

    lower: Floats
    upper: Floats
    returns_lower: Floats
    returns_upper: Floats
    single: Mask


def price_ranges(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    direction: Floats,
    found: Envelopment,
    *,
    own: Codes,
    allowed: Allowed | None = None,
    frame: Codes | None = None,
) -> PriceRanges:
    """Find the smallest and largest optimal price of each good and bound, point by point.

    Parameters
    ----------
    technology : Technology
        n reference units.
    inputs : (k, m) array; outputs : (k, s) array; direction : (k, m + s) array; own, allowed, frame
        As given to `envelop`.
    found : Envelopment
        What it returned.

    Returns
    -------
    PriceRanges

    Raises
    ------
    SpecificationError
        A point that may use itself without being a reference unit.

    Notes
    -----
    The distance is a concave function of the point; its one-sided slopes in a row are the ends of that row's price. So
    the point is moved a little and solved again: if the prices found there still give the distance at the point
    itself, they are an end, exactly. Where they do not, the move was too far: it is made smaller, and at last the end
    is found by a program of its own. Where a moved point cannot be reached, the ray that proves it shows that a price
    has no end. A point with a nondegenerate solution has one vector of prices and costs nothing; others cost 2 (m + s)
    programs (``test_ranges_are_exact``).

    References
    ----------
    Rosen, Schaffnit & Paradi (1998), Journal of Productivity Analysis 9, 215-232 (one-sided slopes as ends).

    Examples
    --------
    >>> import numpy as np
    >>> from benchmodels.kernels.envelopment import envelop
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [4.0]])
    >>> goods = x, y, np.concatenate([x, 0.0 * y], axis=1)
    >>> technology, own = Technology(x, y, (1.0, 1.0)), np.arange(3)
    >>> ranges = price_ranges(technology, *goods, envelop(technology, *goods, own=own), own=own)
    >>> [float(end.round(12)) for end in (ranges.lower[1, 1], ranges.upper[1, 1], ranges.upper[2, 1])]
    [0.25, 1.0, inf]
    """
    no_own(own)
    columns = technology.columns if frame is None else technology.part(frame)
    point, _, step = technology.point(inputs, outputs, direction)
    length = technology.lengths(inputs, outputs)
    price = np.where(found.status[:, None] == OPTIMAL, prices_of(technology, found, length), np.nan)
    low, high = price.copy(), price.copy()
    todo = np.flatnonzero((found.status == OPTIMAL) & ~_nondegenerate(technology, found, point, length))
    low[todo], high[todo] = np.nan, np.nan
    d, ends = point.shape[1], {1.0: low, -1.0: high}
    program = np.array([(i, row, sign) for i in todo for row in range(d) for sign in ends]).reshape(-1, 3)
    unit, row, sign = program[:, 0].astype(np.intp), program[:, 1].astype(np.intp), program[:, 2]
    end = np.full(len(program), np.nan)
    for move in _MOVES:
        left = np.flatnonzero(np.isnan(end))
        for some in (left[at : at + _CHUNK] for at in range(0, len(left), _CHUNK)):
            i = unit[some]
            end[some] = _ends(
                columns, point[i], step[i], found.beta[i], row[some], sign[some], move, _of(allowed, i)
            )  # fmt: skip
    programs = SmallPrograms()
    for p in np.flatnonzero(np.isnan(end)):
        i = unit[p]
        end[p] = _end_by_program(columns, point[i], step[i], found.beta[i], row[p], sign[p], _of(allowed, i), programs)
    for which, values in ends.items():
        there = sign == which
        values[unit[there], row[there]] = end[there]
    goods, per = len(technology.scale), technology.scale * length[:, None]
    with np.errstate(invalid="ignore"):
        narrow = np.all(high - low <= SURE * np.abs(price).max(axis=1, keepdims=True), axis=1)
    return PriceRanges(
        lower=low[:, :goods] / per,
        upper=high[:, :goods] / per,
        returns_lower=low[:, goods:],
        returns_upper=high[:, goods:],
        single=narrow & (found.status == OPTIMAL),
    )


def _of(allowed: Allowed | None, point: Codes | int) -> Allowed | None:
    """Return which columns programs may use, that are numbered from 0 and are of the points given."""
    if allowed is None:
        return None
    number = np.atleast_1d(point)
    return lambda some, low, high: allowed(number[some], low, high)


def _nondegenerate(technology: Technology, found: Envelopment, point: Floats, length: Floats) -> Mask:
    """Whether all but β of a basis is positive, so that its prices are the only ones."""
    weight = found.weight * technology.length[np.maximum(found.peer, 0)] / length[:, None]
    slack = found.slack / technology.scale / length[:, None]
    goods = slack.shape[1]
    positive = (weight > TIED).sum(axis=1) + (slack > TIED).sum(axis=1)
    if technology.bounds[0] != technology.bounds[1]:
        positive += (np.abs(weight.sum(axis=1)[:, None] - point[:, goods:]) > TIED).sum(axis=1)
    return np.asarray(positive == point.shape[1] - 1)


def _ends(
    columns: Columns,
    point: Floats,
    step: Floats,
    beta: Floats,
    row: Codes,
    sign: Floats,
    move: float,
    allowed: Allowed | None,
) -> Floats:
    """Return the lower (sign 1) or upper (sign -1) ends of prices of a row each; NaN where the move is too far."""
    each, size = np.arange(len(point)), np.abs(point).max(axis=1)
    moved = point.copy()
    moved[each, row] += sign * move * size
    found = maximise(
        columns, moved, step, start=moved, own=np.full(len(point), ARTIFICIAL, dtype=np.intp), allowed=allowed
    )
    price = found.dual
    room = TIED * np.abs(price).max(axis=1)
    worst = np.zeros(len(point))
    for block in columns.blocks:
        cost = products(price, block.priced)
        if allowed is not None:
            cost[:, : block.high - block.low][~allowed(each, block.low, block.high)] = 0.0
        worst = np.minimum(worst, cost.min(axis=1))
    worth = np.einsum("ij,ij->i", price, point)
    is_price = (found.status == OPTIMAL) & (worst >= -room) & (np.abs(worth - beta) <= room * size)
    level = np.abs(np.einsum("ij,ij->i", price, step)) <= room * np.abs(step).max(axis=1)
    is_ray = (found.status == INFEASIBLE) & (worst >= -room) & level & (np.abs(worth) <= room * size)
    is_ray &= sign * price[each, row] < -room
    return np.where(is_price, price[each, row], np.where(is_ray, -sign * np.inf, np.nan))


def _end_by_program(
    columns: Columns,
    point: Floats,
    step: Floats,
    beta: float,
    row: int,
    sign: float,
    allowed: Allowed | None,
    programs: SmallPrograms,
) -> float:
    """Return one end from the optimal prices themselves: π a >= 0 for columns and slacks, π g = 1, π b <= β.

    Where no π is the last one in this row, some ρ has ρ a >= 0, ρ g = 0, ρ b <= 0 and moves the price by 1.
    """
    n = columns.matrix.shape[1]
    usable = np.arange(n) if allowed is None else np.flatnonzero(allowed(np.zeros(1, dtype=np.intp), 0, n)[0])
    target = np.zeros(len(point))
    target[row] = sign
    body = np.column_stack([columns.matrix[:, usable], columns.slacks, step, -point, target])
    gain, lower, upper = np.zeros(body.shape[1]), np.zeros(body.shape[1]), np.full(body.shape[1], np.inf)
    gain[-3:-1], lower[-3], upper[-1] = (1.0, -beta), -np.inf, 0.0
    solved = programs.solve(body, target, gain, lower, upper)
    if solved.status == OPTIMAL:
        return sign * float(solved.value @ gain)
    gain[-3:], upper[-1] = (0.0, 0.0, -1.0), np.inf
    solved = programs.solve(body, target, gain, lower, upper)
    return -sign * np.inf if solved.status == OPTIMAL and solved.value[-1] > 0.5 else np.nan
