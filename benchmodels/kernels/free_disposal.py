"""Frontiers of units as they are: no unit in between, no weights, no program.

Each score asks one question of a point and a reference unit: how far would the point go if this unit alone were its
peer? The answers, points by units, are made in blocks; the best of a row is free disposal (FDH), and expectations and
quantiles of a row are the partial frontiers of another module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = [
    "Dominance", "FreeDisposal", "Goods", "Measure", "blocks", "check_goods", "comparisons", "dominators",
    "score_by_units", "sign_of", "steps_of",
]  # fmt: skip

Measure = Literal["input", "output", "directional", "graph"]

# Pairs of a point and a unit held at once: 2 MB for an array of them, and about six arrays.
_CELLS = 1 << 18
# Units whose scores differ by less, relative to the goods they are made of, share a place.
_TIE = 1e-12


class Goods(NamedTuple):
    """Inputs (n, m) and outputs (n, s) of n units or points, each in a unit of measure of its own."""

    inputs: Floats
    outputs: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class FreeDisposal:
    """Scores of k points, with every unit that gives one.

    Parameters
    ----------
    score : (k,) array
        In the measure asked for; NaN where ``status`` is not `OPTIMAL`.
    status : (k,) array of int
        `OPTIMAL`; `INFEASIBLE`: no unit reaches the goods that the measure holds; `UNBOUNDED`: nothing moves, as where
        every output is zero and outputs are to be multiplied.
    point, peer : (t,) arrays of int
        All pairs of a point and a reference unit that gives its score, by point and then unit.
    """

    score: Floats
    status: Codes
    point: Codes
    peer: Codes


@dataclass(frozen=True, eq=False, kw_only=True)
class Dominance:
    """Pairs of a point and a real unit that beats it, by point, the one that beats it by most first.

    Parameters
    ----------
    point, unit : (t,) arrays of int
    gain : (t,) array
        Mean over goods of how much less input or more output the unit has, each as a share of the mean of that good
        over reference units.
    least : (t,) array
        The smallest of these; above zero where every good is better.
    """

    point: Codes
    unit: Codes
    gain: Floats
    least: Floats


def score_by_units(
    reference: Goods,
    points: Goods,
    *,
    measure: Measure,
    direction: Floats | None = None,
    exclude: Codes | None = None,
    allowed: Allowed | None = None,
) -> FreeDisposal:
    """Score k points against n units as they are (free disposal hull).

    Parameters
    ----------
    reference : Goods of n units; points : Goods of k points
        In the same units of measure; zero or more, but for ``measure="directional"`` any finite number.
    measure : {"input", "output", "directional", "graph"}
        ``"input"``: the least θ for which some unit has no more than θ times the inputs and no less of any output.
        ``"output"``: the largest φ for which some unit has φ times the outputs and no more of any input.
        ``"directional"``: the most steps β. ``"graph"``: the least θ with θ times the inputs and 1/θ times the outputs.
    direction : (k, m + s) array, optional
        For ``"directional"``: by how much inputs fall and outputs rise in one step, zero or more, in goods' own units.
    exclude : (k,) array of int, optional
        The reference unit that a point may not use, -1 for none: its own position gives super-efficiency.
    allowed : callable, optional
        ``allowed(points, low, high)``: which reference units low to high each of some points may use, as booleans.

    Returns
    -------
    FreeDisposal

    Raises
    ------
    DataError
        Goods that are not finite, or negative under another measure than ``"directional"``; shapes that do not fit.
    SpecificationError
        Another measure; a direction that is missing, not asked for or negative.

    Notes
    -----
    A good that the measure leaves alone, or that has nothing to multiply (an input of zero under ``"input"``), must be
    met as it stands: compared exactly, so round first what is equal but for floating point. Ties: scores within 1e-12.
    Time O(n k (m + s)), memory of 2**18 pairs: 10,000 units against themselves with six goods take about 2 s
    (``tests/kernels/test_free_disposal.py`` compares with a plain loop).

    References
    ----------
    Deprins, D., Simar, L. and Tulkens, H. (1984). Measuring labor-efficiency in post offices. In Marchand, M.,
    Pestieau, P. and Tulkens, H. (eds), The Performance of Public Enterprises, North-Holland, 243-267.
    Tulkens, H. (1993). On FDH efficiency analysis: some methodological issues and applications to retail banking,
    courts, and urban transit. Journal of Productivity Analysis 4, 183-210.

    Examples
    --------
    >>> units = Goods(np.array([[2.0], [4.0], [5.0]]), np.array([[1.0], [3.0], [2.0]]))
    >>> found = score_by_units(units, units, measure="input")
    >>> found.score, found.peer
    (array([1. , 1. , 0.8]), array([0, 1, 1]))
    """
    k = len(points.inputs)
    best, room = np.full(k, np.inf), np.zeros(k)
    pairs: list[tuple[Codes, Codes]] = []
    for at, cost, eligible in comparisons(
        reference, points, measure=measure, direction=direction, exclude=exclude, allowed=allowed
    ):
        cost[~eligible] = np.inf
        best[at] = cost.min(axis=1, initial=np.inf)
        room[at] = _TIE * _size(Goods(*(goods[at] for goods in points)), direction, at, best[at])
        there = np.isfinite(best[at])
        row, unit = np.nonzero((cost <= (best[at] + room[at])[:, None]) & there[:, None])
        pairs.append((row + at.start, unit))
    status = np.select([best == np.inf, best == -np.inf], [INFEASIBLE, UNBOUNDED], OPTIMAL)
    point, peer = _joined(pairs)
    score = sign_of(measure) * np.where(status == OPTIMAL, best, np.nan) + 0.0
    return FreeDisposal(score=score, status=status, point=point, peer=peer)


def sign_of(measure: Measure) -> float:
    """Return 1 where the best score is the least, -1 where it is the largest."""
    return 1.0 if measure in ("input", "graph") else -1.0


def comparisons(
    reference: Goods,
    points: Goods,
    *,
    measure: Measure,
    direction: Floats | None = None,
    exclude: Codes | None = None,
    allowed: Allowed | None = None,
) -> Iterator[tuple[slice, Floats, Mask]]:
    """Yield blocks of points with each unit's cost, and whether the unit may be compared.

    Parameters and errors are those of `score_by_units`.

    Yields
    ------
    at : slice
        Points of the block.
    cost : (b, n) array
        The point's score if the unit were its peer, times `sign_of`, so that the least is best; whatever where the unit
        may not be compared; ``-inf`` where nothing moves.
    eligible : (b, n) array of bool
        Whether the point may use the unit, and the unit is no worse in the goods that do not move.
    """
    check_goods(reference, points, measure, direction)
    for at, eligible in blocks(len(reference.inputs), len(points.inputs), exclude=exclude, allowed=allowed):
        steps = None if direction is None else direction[at]
        cost = _costs(reference, Goods(*(goods[at] for goods in points)), measure, steps, eligible)
        yield at, cost, eligible


def blocks(n: int, k: int, *, exclude: Codes | None, allowed: Allowed | None) -> Iterator[tuple[slice, Mask]]:
    """Yield slices of k points, and which of n units (b, n) each may be compared with."""
    step = max(1, _CELLS // max(n, 1))
    for low in range(0, k, step):
        at = slice(low, min(low + step, k))
        some = np.arange(at.start, at.stop)
        eligible = np.ones((len(some), n), dtype=np.bool_) if allowed is None else allowed(some, 0, n).copy()
        if exclude is not None:
            row = np.flatnonzero(exclude[at] >= 0)
            eligible[row, exclude[at][row]] = False
        yield at, eligible


def _costs(reference: Goods, points: Goods, measure: Measure, direction: Floats | None, eligible: Mask) -> Floats:
    """Return the costs of a block, and strike out units that are worse in a good that does not move."""
    m = reference.inputs.shape[1]
    goods = np.concatenate(reference, axis=1)
    own = np.concatenate(points, axis=1)
    step = steps_of(points, measure, direction)
    cost = np.full(eligible.shape, -np.inf)
    each = np.empty(eligible.shape)
    for i in range(goods.shape[1]):
        unit, point, moves = goods[None, :, i], own[:, i : i + 1], step[:, i : i + 1] > 0
        if not moves.all():
            eligible &= moves | (unit <= point if i < m else unit >= point)
        if not moves.any():
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            if measure == "directional":
                np.divide(unit - point if i < m else point - unit, step[:, i : i + 1], out=each)
            elif i < m:
                np.divide(unit, point, out=each)
            elif measure == "output":
                np.divide(unit, -point, out=each)
            else:
                np.divide(point, unit, out=each)
        np.maximum(cost, each, out=cost, where=np.broadcast_to(moves, each.shape))
    return cost


def steps_of(points: Goods, measure: Measure, direction: Floats | None) -> Floats:
    """Return (b, m + s) by how much each good moves; zero where it does not."""
    if direction is not None:
        return direction
    inputs = points.inputs if measure in ("input", "graph") else np.zeros_like(points.inputs)
    outputs = points.outputs if measure in ("output", "graph") else np.zeros_like(points.outputs)
    return np.concatenate([inputs, outputs], axis=1)


def _size(points: Goods, direction: Floats | None, at: slice, best: Floats) -> Floats:
    """Return of which order (b,) the terms are that a point's score is made of."""
    size = np.where(np.isfinite(best), np.abs(best), 0.0)
    if direction is None:
        return size
    step = direction[at]
    part = np.zeros_like(step)
    np.divide(np.abs(np.concatenate(points, axis=1)), step, out=part, where=step > 0)
    return np.asarray(size + part.max(axis=1, initial=0.0))


def check_goods(reference: Goods, points: Goods, measure: Measure, direction: Floats | None = None) -> None:
    """Raise as `score_by_units` does."""
    if measure not in get_args(Measure):
        raise SpecificationError(f"measure={measure!r}; allowed are {', '.join(map(repr, get_args(Measure)))}")
    if (direction is not None) != (measure == "directional"):
        raise SpecificationError("a direction goes with measure='directional', and only with it")
    m, s = reference.inputs.shape[1], reference.outputs.shape[1]
    k = len(points.inputs)
    if points.inputs.shape != (k, m) or points.outputs.shape != (k, s):
        raise DataError(f"points have goods {points.inputs.shape} and {points.outputs.shape}; units have {m} and {s}")
    if direction is not None and direction.shape != (k, m + s):
        raise SpecificationError(f"direction has shape {direction.shape}; {(k, m + s)} is needed")
    if direction is not None and not (np.all(np.isfinite(direction)) and np.all(direction >= 0)):
        raise SpecificationError("steps of a direction must be finite and zero or more")
    every = [*reference, *points]
    if not all(np.all(np.isfinite(goods)) for goods in every):
        raise DataError("inputs and outputs must be finite")
    if measure != "directional" and not all(np.all(goods >= 0) for goods in every):
        raise DataError("inputs and outputs must be zero or more where they are multiplied")


def _joined(pairs: list[tuple[Codes, Codes]]) -> tuple[Codes, Codes]:
    empty = np.empty(0, dtype=np.intp)
    first, second = zip(*pairs, strict=True) if pairs else ((empty,), (empty,))
    return np.concatenate(first), np.concatenate(second)


def dominators(reference: Goods, points: Goods, *, strict: bool = False, allowed: Allowed | None = None) -> Dominance:
    """List for each point the real units that beat it.

    Parameters
    ----------
    reference : Goods of n units; points : Goods of k points
        Finite, in the same units of measure.
    strict : bool
        Better in every good. By default: worse in none and better in one at least, so that no unit beats its equal.
    allowed : callable, optional
        As in `score_by_units`.

    Returns
    -------
    Dominance
        Equal gains are in the order of rows.

    Raises
    ------
    DataError
        Goods that are not finite, or shapes that do not fit.

    Examples
    --------
    >>> units = Goods(np.array([[2.0], [4.0], [5.0]]), np.array([[1.0], [3.0], [1.0]]))
    >>> found = dominators(units, units)
    >>> found.point, found.unit
    (array([2, 2]), array([1, 0]))
    """
    goods, own = np.concatenate(reference, axis=1), np.concatenate(points, axis=1)
    still = np.zeros(own.shape)
    pairs = [
        (row + at.start, unit)
        for at, _, eligible in comparisons(reference, points, measure="directional", direction=still, allowed=allowed)
        for row, unit in [np.nonzero(eligible)]
    ]
    point, unit = _joined(pairs)
    # Means of halves cannot overflow.
    scale = 2.0 * np.mean(np.abs(goods) / 2.0, axis=0) if len(goods) else np.ones(goods.shape[1])
    better = np.where(np.arange(goods.shape[1]) < reference.inputs.shape[1], -1.0, 1.0) / np.where(scale > 0, scale, 1)
    gaps = (goods[unit] - own[point]) * better
    gain, least = gaps.mean(axis=1), gaps.min(axis=1, initial=np.inf)
    kept = least > 0 if strict else (gaps > 0).any(axis=1)
    point, unit, gain, least = point[kept], unit[kept], gain[kept], least[kept]
    order = np.lexsort((unit, -gain, point))
    return Dominance(point=point[order], unit=unit[order], gain=gain[order], least=least[order])
