"""Which units a unit may be held against: no better placed, of its own kind, on its list, or most like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.shared_simplex import Allowed

    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Favourable", "reference_mask"]

Favourable = Literal["high", "low", "same"]


def reference_mask(
    points: Goods,
    reference: Goods,
    *,
    environment: Mapping[str, Favourable],
    peers: Mapping[Any, Sequence[Any]] | None,
    composition: Sequence[str],
    nearest: int | None,
) -> Allowed | None:
    """Return which reference units each point may have as peers; None where all may.

    Raises
    ------
    SpecificationError, DataError
        Options that do not go together; labels or values that are not there.
    """
    parts: list[Allowed] = [_placed(points, reference, name, kind) for name, kind in environment.items()]
    if peers is not None:
        parts.append(_listed(points, reference, peers))
    if (nearest is None) != (not composition):
        raise SpecificationError("nearest, a number of units, and composition, what they are alike in, go together")
    if nearest is not None:
        parts.append(_nearest(points, reference, composition, nearest))
    if not parts:
        return None

    def allowed(some: Codes, low: int, high: int) -> Mask:
        return np.asarray(np.logical_and.reduce([part(some, low, high) for part in parts]))

    return allowed


def _placed(points: Goods, reference: Goods, name: str, kind: Favourable) -> Allowed:
    """Peers that are placed no better, after Ruggiero (1996); or that are of the same kind."""
    own, theirs = points.conditions[name], reference.conditions[name]
    if kind == "same":
        codes, _ = pd.factorize(pd.concat([own, theirs], ignore_index=True))
        a, b = codes[: len(own)], codes[len(own) :]
        return lambda some, low, high: a[some, None] == b[None, low:high]
    if kind not in ("high", "low"):
        raise SpecificationError(f"environment[{name!r}]={kind!r}; say which is favourable: 'high', 'low', or 'same'")
    if not pd.api.types.is_numeric_dtype(own):
        raise DataError(f"environment {name!r} holds text; it can only be the 'same'")
    sign = 1.0 if kind == "high" else -1.0
    z, w = sign * own.to_numpy(float), sign * theirs.to_numpy(float)
    return lambda some, low, high: w[None, low:high] <= z[some, None]


def _listed(points: Goods, reference: Goods, peers: Mapping[Any, Sequence[Any]]) -> Allowed:
    """Peers by list; a unit without a list has all, and each unit itself."""
    place = {label: j for j, label in enumerate(reference.unit.tolist())}
    known = place.keys() | set(points.unit.tolist())
    strange = [label for label in peers if label not in known]
    strange += [label for some in peers.values() for label in some if label not in place]
    if strange:
        raise SpecificationError(f"peers names units that are not there: {listed(dict.fromkeys(strange))}")
    mask = np.ones((len(points), len(reference)), dtype=np.bool_)
    for i, label in enumerate(points.unit.tolist()):
        if label in peers:
            mask[i] = False
            mask[i, [place[other] for other in peers[label]] + ([place[label]] if label in place else [])] = True
    return lambda some, low, high: mask[some, low:high]


def _nearest(points: Goods, reference: Goods, composition: Sequence[str], nearest: int) -> Allowed:
    """Peers that are most alike in composition, by distance in standard deviations; each unit itself among them."""
    for name in composition:
        if not all(pd.api.types.is_numeric_dtype(goods.conditions[name]) for goods in (reference, points)):
            raise DataError(f"composition {name!r} holds text; distances need numbers")
    if not isinstance(nearest, (int, np.integer)) or not 1 <= nearest <= len(reference):
        raise SpecificationError(f"nearest={nearest!r}; give a whole number from 1 to {len(reference)}, the units")
    theirs = reference.conditions[list(composition)].to_numpy(float)
    own = points.conditions[list(composition)].to_numpy(float)
    if not np.isfinite(theirs).all() or not np.isfinite(own).all():
        raise DataError(f"composition must be finite: {listed(composition)}")
    centre, spread = theirs.mean(axis=0), theirs.std(axis=0)
    flat = spread <= 1e-12 * np.abs(theirs).max(axis=0)
    if flat.any():
        raise DataError(f"composition does not vary: {listed(np.array(composition)[flat].tolist())}")
    own, theirs = (own - centre) / spread, (theirs - centre) / spread
    place = {label: j for j, label in enumerate(reference.unit.tolist())}
    itself = np.array([place.get(label, -1) for label in points.unit.tolist()])

    def allowed(some: Codes, low: int, high: int) -> Mask:
        distance = ((own[some, None, :] - theirs[None, :, :]) ** 2).sum(axis=2)
        known = itself[some] >= 0
        distance[known, itself[some][known]] = -1.0
        limit = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1 : nearest]
        return np.asarray((distance <= limit)[:, low:high])

    return allowed
