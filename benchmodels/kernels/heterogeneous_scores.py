"""Smoothed resampling of units whose distances depend on where they are: on what does not move, and on proportions.

A unit is its distance to the frontier, the angles between the goods that move, and the goods that do not. Their joint
density is smoothed, mirrored where the distance is 1; what is drawn is carried to the frontier along its own ray, and
away from it by the distance drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import ARTIFICIAL
from benchmodels.kernels.technology import Technology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.frontier_bootstrap import Side

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Cloud", "angles_of", "cloud_of", "normal_bandwidth", "smoothed_units", "unit_vectors"]

# Rounds of draws for those that came where no unit can be.
_ROUNDS = 200


@dataclass(frozen=True, eq=False)
class Cloud:
    """n units in the coordinates that are smoothed.

    Parameters
    ----------
    place : (n, d) array
        Distance, angles, and goods that do not move, divided by their means.
    root : (c, d) array
        ``root.T @ root`` is their covariance.
    """

    place: Floats
    root: Floats


def angles_of(goods: Floats) -> Floats:
    """Return the angles (n, p - 1), from 0 to π / 2, of points (n, p) that are zero or more.

    Of each good to the length of all that follow, so that any may be zero.
    """
    tail = np.sqrt(np.cumsum(goods[:, ::-1] ** 2, axis=1)[:, ::-1])
    return np.arctan2(tail[:, 1:], goods[:, :-1])


def unit_vectors(angles: Floats) -> Floats:
    """Return the points (n, p) of length 1 with angles (n, p - 1).

    Examples
    --------
    >>> unit_vectors(angles_of(np.array([[3.0, 0.0, 4.0]]))).round(12).tolist()
    [[0.6, 0.0, 0.8]]
    """
    ones = np.ones((len(angles), 1))
    return np.hstack([np.cos(angles), ones]) * np.hstack([ones, np.cumprod(np.sin(angles), axis=1)])


def cloud_of(technology: Technology, moving: Mask, delta: Floats) -> Cloud:
    """Return the coordinates of units with distances (n,), of whose goods (m + s,) some move."""
    goods = np.concatenate([technology.inputs, technology.outputs], axis=1) / technology.scale
    place = np.column_stack([delta, angles_of(goods[:, moving]), goods[:, ~moving]])
    # A triangle: no unit of measure changes what is drawn; and it may be singular.
    root = np.linalg.qr(place - place.mean(axis=0), mode="r") / np.sqrt(len(place))
    return Cloud(place, root)


def normal_bandwidth(n: int, d: int) -> float:
    """Return (4 / ((d + 2) n))^(1 / (d + 4)), of a normal kernel with the covariance of n normal points (n, d).

    References
    ----------
    Silverman (1986), Density estimation, eq. 4.14 and section 4.3.2.
    """
    return float((4.0 / ((d + 2.0) * n)) ** (1.0 / (d + 4.0)))


def smoothed_units(
    technology: Technology,
    moving: Mask,
    side: Side,
    cloud: Cloud,
    *,
    bandwidth: float,
    replicates: int,
    rng: np.random.Generator,
) -> tuple[Technology, int]:
    """Draw units from the smoothed distribution of all.

    Parameters
    ----------
    technology : Technology
        n units.
    moving : (m + s,) array of bool
        Goods that move, all inputs or all outputs.
    side : {'input', 'output'}
    cloud : Cloud
        Of the same units.
    bandwidth : float
        In standard deviations.
    replicates : int
        r.
    rng : Generator

    Returns
    -------
    Technology
        r n units, n of each replicate in turn.
    int
        How many were drawn in vain: with an angle or a good below zero, or with more outputs, or fewer inputs, than any
        combination of the units; others took their place.

    Raises
    ------
    DataError
        Nearly all are drawn in vain.

    Notes
    -----
    Draws have the mean and the covariance of the units, but for those in vain and for the distance: mirrored at 1 it
    spreads about 1 and not about its mean, and is drawn in more than smoothing has spread it.

    References
    ----------
    Simar & Wilson (2000), J Appl Stat 27:779-802, section 4.
    """
    n = len(cloud.place)
    base, mirrored = _bases(n, replicates * n, rng)
    centre = _mirrored(cloud.place[base], mirrored).reshape(replicates, n, -1).mean(axis=1).repeat(n, axis=0)
    goods = np.empty((replicates * n, len(moving)))
    left, vain = np.arange(replicates * n), 0
    for _ in range(_ROUNDS):
        drawn = _around(cloud, base, mirrored, centre[left], bandwidth, rng)
        found, there = _placed(technology, moving, side, drawn)
        goods[left[there]] = found[there]
        left = left[~there]
        if not len(left):
            m = technology.inputs.shape[1]
            return Technology(goods[:, :m], goods[:, m:], technology.bounds), vain
        vain += len(left)
        base, mirrored = _bases(n, len(left), rng)
    raise DataError(f"hardly any smoothed unit is one that there could be; a bandwidth below {bandwidth:.3g} is needed")


def _bases(n: int, size: int, rng: np.random.Generator) -> tuple[Codes, Mask]:
    """Return the units around which is drawn, and whether around their mirror images."""
    drawn = rng.integers(2 * n, size=size)
    return drawn % n, drawn >= n


def _mirrored(place: Floats, mirrored: Mask) -> Floats:
    distance = np.where(mirrored, 2.0 - place[:, 0], place[:, 0])
    return np.concatenate([distance[:, None], place[:, 1:]], axis=1)


def _around(
    cloud: Cloud, base: Codes, mirrored: Mask, centre: Floats, bandwidth: float, rng: np.random.Generator
) -> Floats:
    """Draw around units, or their mirror images by mirrored kernels, and fold back what is beyond the frontier."""
    noise = rng.standard_normal((len(base), len(cloud.root))) @ cloud.root
    spread = _mirrored(cloud.place[base] + bandwidth * noise, mirrored)
    drawn = centre + (spread - centre) / np.sqrt(1.0 + bandwidth**2)
    drawn[:, 0] = 1.0 + np.abs(drawn[:, 0] - 1.0)
    return np.asarray(drawn)


def _placed(technology: Technology, moving: Mask, side: Side, drawn: Floats) -> tuple[Floats, Mask]:
    """Return the goods of what is drawn (c, m + s), and whether the technology reaches as far along its ray."""
    m, width = technology.inputs.shape[1], int(moving.sum())
    angles, fixed = drawn[:, 1:width], drawn[:, width:]
    there = np.all((angles >= 0) & (angles <= np.pi / 2), axis=1) & np.all(fixed >= 0, axis=1)
    goods = np.zeros((len(drawn), len(moving)))
    goods[:, moving], goods[:, ~moving] = unit_vectors(angles), fixed
    goods *= technology.scale
    some = goods[there]
    found = envelop(technology, some[:, :m], some[:, m:], some * moving, own=np.full(len(some), ARTIFICIAL))
    share = 1.0 - found.beta if side == "input" else 1.0 + found.beta
    reached = np.asarray(share > 0)
    away = drawn[there, 0] if side == "input" else 1.0 / drawn[there, 0]
    goods[np.ix_(there, moving)] *= (np.where(reached, share, 1.0) * away)[:, None]
    there[there] = reached
    return goods, there
