"""Bootstraps of distances to a frontier: how far those found are from the true ones.

The frontier found is made of the units that are there, and lies within the true one; how far is learnt by drawing
reference units from what was found, and holding the points against them. To resample rows would not do: the frontier
of a resample is made of the same few units again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL, OPTIMAL
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Side", "pseudo_distances", "rate", "subset_distances"]

Side = Literal["input", "output"]


def rate(goods: int, bounds: tuple[float, float]) -> float:
    """Return the exponent κ at which n distances come near to the true ones, as n to the power -κ.

    Examples
    --------
    >>> rate(6, (0.0, float("inf"))), round(rate(6, (1.0, 1.0)), 4)
    (0.3333333333333333, 0.2857)
    """
    cone = bounds == (0.0, np.inf)
    return 2.0 / (goods + (0 if cone else 1))


def pseudo_distances(
    inputs: Floats,
    outputs: Floats,
    direction: Floats,
    bounds: tuple[float, float],
    side: Side,
    *,
    delta: Floats,
    drawn: Floats,
    allowed: Allowed | None = None,
) -> Floats:
    """Hold units against units on their own rays that are as far within the frontier as was drawn.

    Parameters
    ----------
    inputs : (n, m) array; outputs : (n, s) array
    direction : (n, m + s) array
        Each unit's own inputs, or outputs, that move; zero elsewhere.
    bounds : (float, float)
        Of Σλ.
    side : {'input', 'output'}
        Whether inputs are divided by a distance, or outputs multiplied.
    delta : (n,) array
        Distances of the units, 1 or more.
    drawn : (r, n) array
        Those of the pseudo-units.
    allowed : callable, optional
        ``allowed(units, low, high)``: against which of units low to high, or their pseudo-units, each may be held.

    Returns
    -------
    (r, n) array
        Distances to the r frontiers; NaN without an answer.

    Notes
    -----
    Each program begins at the pseudo-unit of its own, so that none needs a first phase.
    """
    (r, n), m = drawn.shape, inputs.shape[1]
    points = [np.tile(part, (r, 1)) for part in (inputs, outputs, direction)]
    step = (1.0 - drawn / delta if side == "input" else delta / drawn - 1.0).reshape(-1, 1) * points[2]
    pool = Technology(points[0] - step[:, :m], points[1] + step[:, m:], bounds)
    every = np.arange(r * n)
    mask = None if allowed is None else lambda some, low, high: allowed(some % n, low, high)
    return _distances(pool, points, side, own=every, sets=list(every.reshape(r, n)), allowed=mask)


def subset_distances(
    technology: Technology, direction: Floats, side: Side, sets: Sequence[Codes], *, allowed: Allowed | None = None
) -> Floats:
    """Hold all n units of a technology against r sets of them, (r, n); NaN where these come nowhere near.

    ``sets`` are ascending positions; a unit may be in a set or not. The rest as in `pseudo_distances`.
    """
    n, r = len(technology.inputs), len(sets)
    own = np.full((r, n), ARTIFICIAL)
    for row, units in zip(own, sets, strict=True):
        row[units] = units
    points = [np.tile(part, (r, 1)) for part in (technology.inputs, technology.outputs, direction)]
    mask = None if allowed is None else _of_sets(allowed, sets, n)
    return _distances(technology, points, side, own=own.ravel(), sets=sets, allowed=mask)


def _of_sets(allowed: Allowed, sets: Sequence[Codes], n: int) -> Allowed:
    """Return a mask of units as one of places in the sets, of which each holds n points."""
    held = np.zeros((len(sets), max(len(units) for units in sets)), dtype=np.intp)
    for row, units in zip(held, sets, strict=True):
        row[: len(units)] = units

    def mask(some: Codes, low: int, high: int) -> Mask:
        return np.take_along_axis(allowed(some % n, 0, n), held[some // n, low:high], axis=1)

    return mask


def _distances(
    pool: Technology, points: list[Floats], side: Side, *, own: Codes, sets: Sequence[Codes], allowed: Allowed | None
) -> Floats:
    n = len(own) // len(sets)
    found = envelop(pool, *points, own=own, sets=sets, member=np.repeat(np.arange(len(sets)), n), allowed=allowed)
    beta = np.where(found.status == OPTIMAL, found.beta, np.nan)
    with np.errstate(divide="ignore"):
        delta = 1.0 / (1.0 - beta) if side == "input" else 1.0 + beta
    return np.asarray(delta.reshape(len(sets), n))
