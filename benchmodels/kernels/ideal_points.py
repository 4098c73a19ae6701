"""Ideal points: what each good could become if it alone changed, and how far a point can go there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.envelopment import Envelopment, envelop
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["IdealPoints", "towards_ideal"]

# The share of a good below which a change of it is rounding.
_DUST = 1e-10


@dataclass(frozen=True, eq=False, kw_only=True)
class IdealPoints:
    """Ideal points of k points, and the way there.

    Parameters
    ----------
    potential : (k, m + s) array
        By how much each input could fall, or output rise, alone: in units of measure, zero for goods that do not move;
        NaN without an answer.
    beta : (k,) array
        The share of the way to the ideal point that is within the technology; 0 for a point that is its own ideal.
    way : (k, m + s) array
        The direction of ``last``: the potential; where that is nothing, the mean good of each that moves.
    last : Envelopment
        The program along the way.
    status : (k,) array of int
        As in `Envelopment`; `INFEASIBLE` also where the point is beyond the technology.
    """

    potential: Floats
    beta: Floats
    way: Floats
    last: Envelopment
    status: Codes


def towards_ideal(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    moves: NDArray[np.bool_],
    *,
    own: Codes,
    allowed: Allowed | None = None,
) -> IdealPoints:
    """Find the ideal points of k points and move towards them.

    Parameters
    ----------
    technology : Technology
        n reference units.
    inputs : (k, m) array; outputs : (k, s) array
        The points.
    moves : (m + s,) array of bool
        Goods that move.
    own, allowed
        As in `envelop`.

    Notes
    -----
    One batch of as many programs a point as goods move, and one more: 98 points with four inputs and two outputs take
    some 10 ms. A change below 1e-10 of a good, or of its mean where the point has none, is none.

    References
    ----------
    Bogetoft & Hougaard (1999), J Prod Anal 12:233-247.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[1.0, 4.0], [4.0, 1.0], [4.0, 4.0]]), np.ones((3, 1))
    >>> technology, moves = Technology(x, y, (1.0, 1.0)), np.array([True, True, False])
    >>> found = towards_ideal(technology, x, y, moves, own=np.arange(3))
    >>> found.potential[2].tolist(), found.beta.tolist()
    ([3.0, 3.0, 0.0], [0.0, 0.0, 0.5])
    """
    k, goods = len(inputs), np.flatnonzero(moves)
    whole = np.concatenate([inputs, outputs], axis=1)
    each, good = np.repeat(np.arange(k), len(goods)), np.tile(goods, k)
    size = np.where(whole > 0, whole, technology.scale)
    step = np.zeros((len(each), whole.shape[1]))
    step[np.arange(len(each)), good] = size[each, good]
    mask = None if allowed is None else _of(allowed, each)
    alone = envelop(technology, inputs[each], outputs[each], step, own=own[each], allowed=mask)
    share = alone.beta.reshape(k, len(goods))
    status = alone.status.reshape(k, len(goods)).max(axis=1, initial=OPTIMAL)
    status[(status == OPTIMAL) & (share < -_DUST).any(axis=1)] = INFEASIBLE
    share[status != OPTIMAL] = np.nan
    share[np.abs(share) <= _DUST] = 0.0
    potential = np.zeros(whole.shape)
    potential[:, goods] = share * size[:, goods]
    still = np.asarray(~(np.nan_to_num(potential) > 0).any(axis=1))
    way = np.where(still[:, None], technology.scale * moves, potential)
    last = envelop(technology, inputs, outputs, way, own=own, allowed=allowed)
    status = np.where(status == OPTIMAL, last.status, status)
    potential[status != OPTIMAL] = np.nan
    beta = np.where(status == OPTIMAL, np.where(still, 0.0, last.beta), np.nan)
    return IdealPoints(potential=potential, beta=beta, way=way, last=last, status=status)


def _of(allowed: Allowed, points: Codes) -> Allowed:
    return lambda some, low, high: allowed(points[some], low, high)
