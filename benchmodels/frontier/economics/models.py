"""The models of best practice at prices, as frozen questions that hold no data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier.goods import read_goods
from benchmodels.frontier.model import FrontierModel
from benchmodels.kernels.technology import Returns, bounds_of
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.economics.fits import EconomicFit
    from benchmodels.frontier.goods import Goods

    Floats = NDArray[np.float64]

__all__ = ["CostEfficiency", "ProfitEfficiency", "RevenueEfficiency"]


@dataclass(frozen=True, kw_only=True)
class Priced(FrontierModel):
    """What the models of this module share: goods with prices.

    Parameters
    ----------
    prices : mapping of good to column or number
        What one unit of measure of a good costs or fetches: a column with each unit's own price, or one price for all.
    returns : {'vrs', 'crs', 'drs', 'irs'} or (low, high), default 'vrs'
        As in `benchmodels.frontier.DEA`.
    convex : bool, default True
        Whether mixtures of units count; else each unit alone, as in `benchmodels.frontier.FDH`.
    """

    prices: Mapping[str, str | float] = field(default_factory=dict, hash=False)
    returns: Returns | tuple[float, float] = "vrs"
    convex: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.prices, Mapping):
            raise SpecificationError(f"prices={self.prices!r}; give a column or a number for each good, by its name")
        self._hold_mappings("prices")
        bounds = bounds_of(self.returns)
        if not isinstance(self.returns, str):
            object.__setattr__(self, "returns", bounds)
        if not isinstance(self.convex, bool):
            raise SpecificationError(f"convex={self.convex!r}; give True or False")
        goods = self._sold()
        strange = [name for name in self.prices if name not in goods]
        if strange or not self.prices:
            found = f"found {listed(list(self.prices))}" if self.prices else "there are none"
            raise SpecificationError(f"prices are of {listed(goods)}; {found}")
        for name, price in self.prices.items():
            told = isinstance(price, Real) and not isinstance(price, bool) and 0 < float(price) < math.inf
            if not isinstance(price, str) and not told:
                raise SpecificationError(f"prices[{name!r}]={price!r}; give a column, or a positive number")
        bare = [name for name in goods if name not in self.prices]
        if bare and (not self.convex or self.side == "both"):
            raise SpecificationError(f"{listed(bare)} has no price; {self._all_priced()}")

    @property
    def side(self) -> Literal["input", "output", "both"]:
        """Which goods are chosen at their prices."""
        raise NotImplementedError

    @property
    def orientation(self) -> str:
        """Which way a unit is held against the frontier."""
        return self.side

    def _sold(self) -> tuple[str, ...]:
        parts = {"input": self.inputs, "output": self.outputs, "both": (*self.inputs, *self.outputs)}
        return tuple(parts[self.side])

    def _all_priced(self) -> str:
        return "the largest profit needs all prices" if self.side == "both" else "with convex=False every one needs one"

    def read(self, data: object, *, least: int = 2) -> Goods:
        """Return the goods, conditions and prices of a table, as ``fit`` reads them."""
        columns = [price for price in self.prices.values() if isinstance(price, str)]
        conditions = [*self.environment, *self.composition, *([self.size] if self.size else []), *columns]
        return read_goods(
            data, unit=self.unit, inputs=self.inputs, outputs=self.outputs, conditions=list(dict.fromkeys(conditions)),
            missing=self.missing, least=least,
        )  # fmt: skip

    def prices_of(self, goods: Goods) -> Floats:
        """Return the price of each good (k, m + s) that has one; else NaN.

        Raises
        ------
        DataError
            A price that is no positive number.
        """
        found = np.full(goods.goods.shape, np.nan)
        for name, price in self.prices.items():
            at = goods.names.index(name)
            if not isinstance(price, str):
                found[:, at] = float(price)
                continue
            column = goods.conditions[price]
            if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
                raise DataError(f"{price!r}, the price of {name!r}, holds no numbers (found {column.dtype})")
            found[:, at] = column.to_numpy(float)
            wrong = ~(np.isfinite(found[:, at]) & (found[:, at] > 0))
            if wrong.any():
                raise DataError(f"{price!r}, the price of {name!r}, is no positive number: {listed(goods.unit[wrong])}")
        return found

    def fit(self, data: object) -> EconomicFit:
        """Hold every unit against the best that its prices allow; raises and warns as `DEA.fit`."""
        from benchmodels.frontier.economics.fits import fit_economic

        return fit_economic(self, self.read(data))


@dataclass(frozen=True, kw_only=True)
class CostEfficiency(Priced):
    """Cost efficiency: the least that a unit's outputs could cost at its own prices, as a share of what they do cost.

    It is technical efficiency, how far all inputs with a price could fall together, times allocative efficiency, what a
    cheaper mix of them would save beyond that.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing
        As in `benchmodels.frontier.DEA`.
    prices : mapping of input to column or number
        What one unit of measure costs: each unit's own price, or one for all. An input without a price is fixed: the
        plan has no more of it, and its cost does not count.
    returns, convex
        As in `benchmodels.frontier.DEA`; mixtures of units, or each alone (free disposal).

    References
    ----------
    Farrell (1957), J R Stat Soc A 120:253-290. Färe, Grosskopf, Lovell (1985), The Measurement of Efficiency of
    Production, Kluwer.

    Examples
    --------
    >>> three = pd.DataFrame({"staff": [3.0, 1, 4], "rooms": [2.0, 3, 6], "users": [3.0, 5, 6]})
    >>> table = pd.concat([three, 2 * three, 3 * three]).assign(unit=range(9))
    >>> model = CostEfficiency(inputs=["staff", "rooms"], outputs=["users"], unit="unit", returns="crs",
    ...     prices={"staff": 4.0, "rooms": 2.0})
    >>> model.fit(table).decomposition()[["efficiency", "technical", "allocative"]][:3].round(3).values.tolist()
    [[0.375, 0.9, 0.417], [1.0, 1.0, 1.0], [0.429, 0.6, 0.714]]
    """

    @property
    def side(self) -> Literal["input"]:
        """Inputs are chosen."""
        return "input"


@dataclass(frozen=True, kw_only=True)
class RevenueEfficiency(Priced):
    """Revenue efficiency: a unit's revenue as a share of the most that its inputs could make at its own prices.

    It is technical efficiency, how far all outputs could rise together, times allocative efficiency, that of their mix.
    A price may be a weight that says what an output is worth to those it serves; then so does the answer.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing, returns, convex
        As in `CostEfficiency`.
    prices : mapping of output to column or number
        What one unit of measure fetches or is worth. An output without a price is to be made as it is.

    References
    ----------
    As `CostEfficiency`.
    """

    @property
    def side(self) -> Literal["output"]:
        """Outputs are chosen."""
        return "output"


@dataclass(frozen=True, kw_only=True)
class ProfitEfficiency(Priced):
    """Profit efficiency: what a unit's profit falls short of the largest, as a share of its own cost and revenue.

    The Nerlovian measure: technical inefficiency, how far inputs could fall and outputs rise by the same share of
    themselves, plus allocative inefficiency, that of mix and size. Under constant returns the largest profit is zero or
    without a bound.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing, returns, convex
        As in `CostEfficiency`.
    prices : mapping of good to column or number
        Of every input and output.

    References
    ----------
    Chambers, Chung, Färe (1998), J Optim Theory Appl 98:351-364.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.convex and bounds_of(self.returns) != (1.0, 1.0):
            raise SpecificationError(f"returns={self.returns!r} with convex=False; profits of units alone need 'vrs'")

    @property
    def side(self) -> Literal["both"]:
        """All goods are chosen."""
        return "both"

    @property
    def orientation(self) -> str:
        """Inputs fall and outputs rise."""
        return "directional"
