"""Bounds of the prices by which a frontier weighs goods, as trade-offs that it then takes to be possible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.free_production import makes_of_nothing
from benchmodels.kernels.technology import Technology
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["Restricted", "WeightRestrictions", "restricted"]


@dataclass(frozen=True, kw_only=True)
class WeightRestrictions:
    """Bounds of the prices that data envelopment may give to goods.

    Without bounds each unit is seen with the prices that suit it best, which may be zero for all that it does poorly.
    A bound says what trade-off is taken to be possible everywhere: if a doctor is worth at most four nurses, a unit can
    do with a doctor less and four nurses more. So efficiencies fall, and a target may lie beyond what any average of
    units does.

    Parameters
    ----------
    ratios : mapping of (str, str) to (low, high)
        Ends of price of the first good / price of the second, in the goods' units of measure; ``inf`` for no upper end.
        Both inputs, or both outputs (assurance region of type I); or one of each (type II: linked), which may leave
        something to be made of nothing, and is then refused.
    cone : sequence of mappings of str to float
        Sums of price x number that are zero or more: a polyhedral cone of prices, of which ratios are the plain case.
    virtual : mapping of str to (low, high)
        Ends, from 0 to 1, of the share of a good in what all inputs, or all outputs, **of the unit itself** are worth.
        They bind the prices by which a unit is held against others, and not what others are worth by them; so each unit
        has a frontier of its own.

    Raises
    ------
    SpecificationError
        Bounds that cannot be meant: no two numbers, the lower above the upper, below zero, shares that cannot add to 1.

    Notes
    -----
    Bounds of a price by itself are not offered: what a price is depends on what is set to one, and with it on the
    orientation, so that the same bound is another restriction in another model; ratios and shares do not.

    Restrictions that no prices above zero can meet are refused when the model is fitted (something could be made of
    nothing), or, where they are shares that only some units cannot meet, these units have the status 'contradictory'.

    References
    ----------
    Thompson, Langemeier, Lee, Lee, Thrall (1990), J Econometrics 46:93-108 (assurance regions). Charnes, Cooper, Huang,
    Sun (1990), J Econometrics 46:73-91 (cones). Wong & Beasley (1990), J Oper Res Soc 41:829-835 (virtual shares).
    Podinovski (2004), J Oper Res Soc 55:1311-1322 (trade-offs).

    Examples
    --------
    >>> WeightRestrictions(ratios={("doctors", "nurses"): (1, 4)}, virtual={"pupils": (0.2, 0.6)}).virtual
    {'pupils': (0.2, 0.6)}
    """

    ratios: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict, hash=False)
    cone: Sequence[Mapping[str, float]] = field(default=(), hash=False)
    virtual: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, most in (("ratios", math.inf), ("virtual", 1.0)):
            given = getattr(self, name)
            if not isinstance(given, Mapping):
                raise SpecificationError(f"{name}={given!r}; give the ends (low, high) of each by name")
            object.__setattr__(self, name, {key: _ends(name, key, ends, most) for key, ends in given.items()})
        for pair in self.ratios:
            if not (isinstance(pair, tuple) and len(pair) == 2 and pair[0] != pair[1]):
                raise SpecificationError(f"ratios holds {pair!r}; needed are two goods, (first, second)")
        if isinstance(self.cone, Mapping | str) or not isinstance(self.cone, Sequence):
            raise SpecificationError(f"cone={self.cone!r}; give a list of mappings of goods to numbers")
        rows = []
        for row in self.cone:
            told = isinstance(row, Mapping) and all(_number(value) and math.isfinite(value) for value in row.values())
            if not told or not any(row.values()):
                raise SpecificationError(f"cone holds {row!r}; needed are goods with a number each, not all zero")
            rows.append({name: float(value) for name, value in row.items()})
        object.__setattr__(self, "cone", tuple(rows))
        if not (self.ratios or self.cone or self.virtual):
            raise SpecificationError("no weight is restricted; give ratios, cone or virtual, or leave weights out")

    @property
    def named(self) -> set[str]:
        """The goods that are named."""
        return {name for group in (*self.ratios, *self.cone, self.virtual) for name in group}

    def check(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Raise where a good is not the model's, or shares of its inputs or outputs cannot add to 1."""
        strange = sorted(self.named - {*inputs, *outputs}, key=repr)
        if strange:
            raise SpecificationError(f"weights name {listed(strange)}; the goods are {listed([*inputs, *outputs])}")
        for part, names in (("inputs", inputs), ("outputs", outputs)):
            ends = [self.virtual.get(name, (0.0, 1.0)) for name in names]
            low, high = (math.fsum(end) for end in zip(*ends, strict=True))
            if low > 1.0 + 1e-12 or high < 1.0 - 1e-12:
                raise SpecificationError(
                    f"shares of the {part} between {low:g} and {high:g} in all cannot add to 1; widen virtual={ends}"
                )

    def shared(self, names: Sequence[str], inputs: int) -> Floats:
        """Return trade-offs (t, m + s) that all units have: how much inputs and outputs rise together."""
        rows = []
        for (first, second), (low, high) in self.ratios.items():
            rows += [{first: 1.0, second: -low}] if low > 0 else []
            rows += [{first: -1.0, second: high}] if high < math.inf else []
        # Of prices p of inputs and q of outputs, a p + b q >= 0 is the trade-off (a, -b).
        values = [[row.get(name, 0.0) for name in names] for row in (*rows, *self.cone)]
        return np.array(values).reshape(-1, len(names)) * np.where(np.arange(len(names)) < inputs, 1.0, -1.0)

    def own(self, names: Sequence[str], inputs: int, goods: Floats) -> Floats:
        """Return trade-offs (k, v, m + s) of units with goods (k, m + s): those of their own; zeros for none."""
        part = np.arange(len(names)) < inputs
        found = np.zeros((len(goods), 2 * len(self.virtual), len(names)))
        for j, (name, (low, high)) in enumerate(self.virtual.items()):
            at = list(names).index(name)
            worth = np.where(part == part[at], goods, 0.0) * (1.0 if part[at] else -1.0)
            alone = np.where(np.arange(len(names)) == at, worth, 0.0)
            if low > 0.0:
                found[:, 2 * j] = alone - low * worth
            if high < 1.0:
                found[:, 2 * j + 1] = high * worth - alone
        return found


@dataclass(frozen=True, eq=False)
class Restricted:
    """A technology with trade-offs, which columns each point may use, and whether (k,) they make something of nothing.

    Parameters
    ----------
    technology : Technology
    allowed : callable or None
        As for `envelop`.
    nothing : (k,) array of bool
    """

    technology: Technology
    allowed: Allowed | None
    nothing: Mask


def restricted(
    weights: WeightRestrictions, technology: Technology, points: Goods, allowed: Allowed | None
) -> Restricted:
    """Give a technology the trade-offs of weight restrictions.

    Raises
    ------
    SpecificationError
        Restrictions with which something could be made of nothing, whatever the unit.
    """
    m, n, k = points.inputs.shape[1], len(technology.inputs), len(points)
    shared, own = weights.shared(points.names, m), weights.own(points.names, m, points.goods)
    if len(shared):
        common = Technology(technology.inputs, technology.outputs, technology.bounds, moves=shared)
        if makes_of_nothing(common)[0]:
            raise SpecificationError(
                "the weight restrictions contradict each other, or the data: with the trade-offs that they stand for, "
                "outputs could be made of nothing or without end; widen ratios or cone, linked ones first"
            )
    row, place = np.nonzero(own.any(axis=2))
    moves = np.concatenate([shared, own[row, place]])
    whole = Technology(technology.inputs, technology.outputs, technology.bounds, moves=moves if len(moves) else None)
    if not len(row):
        return Restricted(whole, None if allowed is None else _masked(allowed, n, None), np.zeros(k, dtype=np.bool_))
    owner = np.append(np.full(len(shared), -1), row)
    return Restricted(whole, _masked(allowed, n, owner), makes_of_nothing(whole, owner, k))


def _masked(allowed: Allowed | None, n: int, owner: NDArray[np.intp] | None) -> Allowed:
    """Return which columns points may use: units as ``allowed`` has it, and trade-offs behind them that are theirs."""

    def both(some: NDArray[np.intp], low: int, high: int) -> Mask:
        found = np.ones((len(some), high - low), dtype=np.bool_)
        units = max(min(high, n) - low, 0)
        if allowed is not None and units:
            found[:, :units] = allowed(some, low, low + units)
        if owner is not None and high > n:
            whose = owner[max(low, n) - n : high - n]
            found[:, units:] = (whose == -1) | (whose == some[:, None])
        return found

    return both


def _ends(kind: str, key: object, ends: object, most: float) -> tuple[float, float]:
    two = isinstance(ends, Sequence) and not isinstance(ends, str) and len(ends) == 2
    if not two or not all(_number(end) for end in ends):  # type: ignore[attr-defined]
        raise SpecificationError(f"{kind} of {key!r} is {ends!r}; needed are two numbers, (low, high)")
    low, high = (float(end) for end in ends)  # type: ignore[attr-defined]
    if not 0.0 <= low <= high <= most or math.isinf(low) or high == 0.0:
        raise SpecificationError(f"{kind} of {key!r} is {ends!r}; needed is 0 <= low <= high <= {most:g}, high above 0")
    return low, high


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
