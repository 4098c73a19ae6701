"""What can be produced from what: the rows and columns that every envelopment program shares.

A reference unit j is a column (x_j, -y_j, ...); free disposal gives each good a slack, and returns to scale bound the
sum of the intensities λ. A point (x, y) is met by the technology where Xλ <= x, Yλ >= y for some λ that is allowed.

Trade-offs (p, q) that are possible from anywhere are columns of their own, with nothing in the rows of Σλ: then
Xλ + Pπ <= x and Yλ + Qπ >= y for some π >= 0. To the multipliers each is a restriction, v p - u q >= 0. A good without
free disposal has no slack: its row is an equality, and its price may have either sign.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.shared_simplex import Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Returns", "Technology", "bounds_of"]

Returns = Literal["crs", "vrs", "drs", "irs"]

_BOUNDS: dict[str, tuple[float, float]] = {
    "crs": (0.0, np.inf),
    "vrs": (1.0, 1.0),
    "drs": (0.0, 1.0),
    "irs": (1.0, np.inf),
}


def bounds_of(returns: Returns | tuple[float, float]) -> tuple[float, float]:
    """Return the bounds of Σλ.

    Raises
    ------
    SpecificationError
        Another name; or bounds that do not hold 1 between them, so that units would not be in their own technology.

    Examples
    --------
    >>> bounds_of("drs"), bounds_of((0.8, 1.2))
    ((0.0, 1.0), (0.8, 1.2))
    """
    if isinstance(returns, str):
        if returns not in _BOUNDS:
            raise SpecificationError(
                f"returns={returns!r}; allowed are {', '.join(map(repr, _BOUNDS))}, or (low, high)"
            )
        return _BOUNDS[returns]
    try:
        low, high = (float(end) for end in returns)
    except (TypeError, ValueError):
        raise SpecificationError(f"returns={returns!r}; give a name or two numbers, (low, high)") from None
    if not 0.0 <= low <= 1.0 <= high:
        raise SpecificationError(f"returns={returns!r}; bounds of the sum of intensities need 0 <= low <= 1 <= high")
    return low, high


@dataclass(frozen=True, eq=False)
class Technology:
    """n reference units with m inputs and s outputs, in units of measure of its own.

    Parameters
    ----------
    inputs : (n, m) array; outputs : (n, s) array
        In any unit of measure; zero or more, but for a Σλ of 1, where no answer depends on where zero is; each good
        not zero for some unit.
    bounds : (float, float)
        Of Σλ, which `bounds_of` gives.
    moves : (t, m + s) array, optional
        Trade-offs: by how much inputs and outputs rise together, in the goods' units of measure. Their columns are n
        to n + t - 1; they are no reference units, and nobody's peers.
    strict : (m + s,) array of bool, optional
        Goods without free disposal; at least one good has it.

    Raises
    ------
    DataError
        Goods that are not finite, or negative where that has no meaning; a good that is zero for every unit; trade-offs
        that are not finite, of another shape, or that change nothing.

    References
    ----------
    Podinovski (2004), J Oper Res Soc 55:1311-1322 (weight restrictions as trade-offs).
    """

    inputs: Floats
    outputs: Floats
    bounds: tuple[float, float]
    moves: Floats | None = None
    strict: NDArray[np.bool_] | None = None
    scale: Floats = field(init=False, repr=False)
    length: Floats = field(init=False, repr=False)
    columns: Columns = field(init=False, repr=False)

    def __post_init__(self) -> None:
        goods = np.concatenate([self.inputs, self.outputs], axis=1)
        if not (np.all(np.isfinite(goods)) and (self.bounds == (1.0, 1.0) or np.all(goods >= 0))):
            raise DataError("inputs and outputs must be finite and, unless Σλ is 1, zero or more")
        if len(goods) and not np.all(goods.any(axis=0)):
            raise DataError("an input or output is zero for every unit; leave it out")
        # Means that neither a product nor a sum can overflow; goods of any unit of measure come to order 1.
        object.__setattr__(self, "scale", np.mean(np.abs(goods), axis=0) if len(goods) else np.ones(goods.shape[1]))
        body, length = self._rows(goods)
        trades = self._trades()
        body, length = np.concatenate([body, trades]), np.append(length, np.ones(len(trades)))
        object.__setattr__(self, "length", length)
        object.__setattr__(self, "columns", Columns(np.ascontiguousarray(body.T), self._slacks()))

    @property
    def cone(self) -> bool:
        """Whether intensities are free, so that a point and its multiples have the same answer."""
        return self.bounds == (0.0, np.inf)

    @property
    def rows(self) -> int:
        """Rows of a program: goods, and one for each bound of Σλ (one for both where they are the same)."""
        low, high = self.bounds
        return len(self.scale) + (1 if low == high else int(low > 0) + int(np.isfinite(high)))

    def places(self, frame: Codes | None = None) -> Codes:
        """Return which columns there are: those of all units, or of a frame, and behind them all trade-offs."""
        n, count = len(self.inputs), len(self.length)
        return np.arange(count) if frame is None else np.concatenate([frame, np.arange(n, count)])

    def _rows(self, goods: Floats) -> tuple[Floats, Floats]:
        """Return the points as rows (k, d), and what each was divided by: its largest entry, under a cone."""
        m, body = self.inputs.shape[1], goods / self.scale
        body[:, m:] *= -1.0
        length = np.abs(body).max(axis=1, initial=0.0)
        length = np.where(length > 0, length, 1.0) if self.cone else np.ones(len(body))
        extra = np.ones((len(body), self.rows - len(self.scale)))
        return np.concatenate([body / length[:, None], extra], axis=1), length

    def _trades(self) -> Floats:
        """Return the trade-offs as rows (t, d), each with largest entry 1."""
        goods, m = len(self.scale), self.inputs.shape[1]
        moves = np.zeros((0, goods)) if self.moves is None else np.asarray(self.moves, dtype=np.float64)
        if moves.ndim != 2 or moves.shape[1] != goods or not np.all(np.isfinite(moves)):
            raise DataError(f"trade-offs of shape {moves.shape}; needed are finite changes of each of {goods} goods")
        body = moves / self.scale
        largest = np.abs(body).max(axis=1, initial=0.0, keepdims=True)
        if not np.all(largest > 0):
            raise DataError("a trade-off changes nothing; leave it out")
        body[:, m:] *= -1.0
        return np.concatenate([body / largest, np.zeros((len(body), self.rows - goods))], axis=1)

    def _slacks(self) -> Floats:
        goods, d = len(self.scale), self.rows
        strict = np.zeros(goods, dtype=np.bool_) if self.strict is None else np.asarray(self.strict, dtype=np.bool_)
        if strict.shape != (goods,) or strict.all():
            raise DataError(
                f"strict={strict}; needed is whether each of {goods} goods has no slack, which one must have"
            )
        slacks = np.eye(d)[:, :goods][:, ~strict]
        low, high = self.bounds
        if low == high:
            return slacks
        signs = [-1.0] * (low > 0) + [1.0] * bool(np.isfinite(high))
        return np.concatenate([slacks, np.eye(d)[:, goods:] * signs], axis=1)

    def part(self, units: Codes) -> Columns:
        """Return the columns of some units, in the same units of measure, and of all trade-offs behind them."""
        return Columns(np.ascontiguousarray(self.columns.matrix[:, self.places(units)]), self.columns.slacks)

    def point(self, inputs: Floats, outputs: Floats, direction: Floats) -> tuple[Floats, Floats, Floats]:
        """Return points, the columns they would be, and directions, (k, d) each, in the technology's units of measure.

        ``direction`` (k, m + s) is by how much inputs fall and outputs rise in one step, in the goods' own units.
        """
        start, length = self._rows(np.concatenate([inputs, outputs], axis=1))
        goods, (low, high) = len(self.scale), self.bounds
        point, step = start.copy(), np.zeros_like(start)
        limits = [low] if low == high else [low] * (low > 0) + [high] * bool(np.isfinite(high))
        point[:, goods:] = limits
        step[:, :goods] = direction / self.scale / length[:, None]
        return point, start, step

    def lengths(self, inputs: Floats, outputs: Floats) -> Floats:
        """Return what points (k,) are divided by."""
        return self._rows(np.concatenate([inputs, outputs], axis=1))[1] if self.cone else np.ones(len(inputs))
