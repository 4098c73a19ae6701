"""The model of undesirable outputs, as a frozen question that holds no data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier.goods import read_goods
from benchmodels.frontier.model import FrontierModel
from benchmodels.kernels.technology import Returns, bounds_of
from benchmodels.table import listed

if TYPE_CHECKING:
    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.undesirable.fit import UndesirableFit

__all__ = ["Disposability", "Measured", "UndesirableDEA"]

Measured = Literal["directional", "undesirable", "output", "input"]
Disposability = Literal["weak", "input"]


@dataclass(frozen=True, kw_only=True)
class UndesirableDEA(FrontierModel):
    """Data envelopment with undesirable outputs, as waste, injuries or complaints: they come with what is made.

    Bads can be abated only together with goods, by a share that each unit may have of its own (weak disposability):
    T = {(x, y, b): x ≥ Σ (z + w) x_j, y ≤ Σ z y_j, b = Σ z b_j, Σ (z + w) within the bounds of returns, z, w ≥ 0},
    where z is the activity of a unit that goes on and w the part of it that is given up.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and of what is made and wanted, zero or more, in any unit of measure.
    undesirable : sequence of str
        Columns of what is made and unwanted, zero or more; as they are, neither inverted nor subtracted from anything.
    unit : str
        Column that names the unit; one row each.
    returns : {'vrs', 'crs', 'drs', 'irs'} or (low, high), default 'vrs'
        Returns to scale.
    orientation : {'directional', 'undesirable', 'output', 'input'}, default 'directional'
        Outputs up and bads down along ``direction``; or only bads, only outputs, or only inputs in proportion.
    direction : 'own', 'mean' or mapping of str to float, default 'own'
        Of the directional measure: the unit's own outputs and bads, those of the mean unit, or an amount of each good.
    disposability : {'weak', 'input'}, default 'weak'
        As above; or, as a contrast, bads as if they were inputs: any unit could have more of them, without limit, with
        the inputs that it has, and none could give activity up to have fewer.
    environment, composition, nearest, peers, size, missing
        As of `DEA`.

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    Shephard's older form has one share of abatement for all units. Under variable returns that technology is not
    convex, against what it assumes; the one here is the smallest that has convexity and weak disposability (Kuosmanen &
    Podinovski 2009). Under constant and not increasing returns the two are the same. Bads that could be thrown away
    freely (strong disposability) would cost nothing to avoid, so that no score could depend on them: not offered.

    The price of a bad may have either sign, since its row is an equality. Where it is below zero, fewer of it would
    come with more outputs or fewer inputs: on that part of the frontier a unit is efficient for want of others as dirty
    as it is, and not because it is good.

    A unit with no bads is taken as it is. Figures below zero are refused, and not shifted.

    References
    ----------
    Kuosmanen (2005), Am J Agric Econ 87:1077-1082. Kuosmanen & Podinovski (2009), Am J Agric Econ 91:539-545.
    Chung, Färe, Grosskopf (1997), J Environ Manage 51:229-240 (direction). Hailu & Veeman (2001), Am J Agric Econ
    83:605-616 (bads as inputs).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("ABC"), "staff": 1.0, "power": [1.0, 2.0, 1.0], "smoke": [1.0, 3.0, 2.0]})
    >>> model = UndesirableDEA(inputs=["staff"], outputs=["power"], undesirable=["smoke"], unit="unit")
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # three units are few
    ...     model.fit(table).inefficiency.round(4).tolist()
    [0.0, 0.0, 0.25]
    """

    undesirable: Sequence[str]
    returns: Returns | tuple[float, float] = "vrs"
    orientation: Measured = "directional"
    direction: Literal["own", "mean"] | Mapping[str, float] = field(default="own", hash=False)
    disposability: Disposability = "weak"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hold_columns("undesirable")
        self._hold_mappings("direction")
        bounds = bounds_of(self.returns)
        if not isinstance(self.returns, str):
            object.__setattr__(self, "returns", bounds)
        for name, known in (("orientation", Measured), ("disposability", Disposability)):
            if getattr(self, name) not in get_args(known):
                allowed = ", ".join(map(repr, get_args(known)))
                raise SpecificationError(f"{name}={getattr(self, name)!r}; allowed are {allowed}")
        if not self.undesirable:
            raise SpecificationError("undesirable is empty; without bads ask benchmodels.frontier.DEA")
        if set(self.undesirable) & set(self.environment):
            raise SpecificationError(
                f"{listed(set(self.undesirable) & set(self.environment))} is both bad and environment"
            )
        self._check_direction()

    def _check_direction(self) -> None:
        goods = (*self.inputs, *self.undesirable, *self.outputs)
        if self.direction != "own" and self.orientation != "directional":
            raise SpecificationError(f"direction belongs to orientation='directional' (found {self.orientation!r})")
        if isinstance(self.direction, Mapping):
            amounts = list(self.direction.values())
            told = all(isinstance(amount, Real) and 0 <= amount < math.inf for amount in amounts)
            if set(self.direction) - set(goods) or not told or not any(amounts):
                raise SpecificationError(
                    f"direction={dict(self.direction)!r}; give amounts of zero or more for some of {listed(goods)}"
                )
        elif self.direction not in ("own", "mean"):
            raise SpecificationError(
                f"direction={self.direction!r}; allowed are 'own', 'mean', or an amount of each good"
            )

    def read(self, data: object, *, least: int = 2) -> Goods:
        """Return the goods of a table; bads stand behind the inputs, since they too are to fall."""
        conditions = [*self.environment, *self.composition, *([self.size] if self.size else [])]
        if not self.inputs:
            raise SpecificationError("a frontier needs at least one input; bads are none")
        goods = read_goods(
            data,
            unit=self.unit,
            inputs=(*self.inputs, *self.undesirable),
            outputs=self.outputs,
            conditions=list(dict.fromkeys(conditions)),
            missing=self.missing,
            least=least,
        )
        idle = ~goods.inputs[:, : len(self.inputs)].any(axis=1)
        if idle.any():
            raise DataError(f"a unit that uses nothing has no efficiency; leave it out: {listed(goods.unit[idle])}")
        return replace(goods, inputs=np.array(goods.inputs))

    def fit(self, data: object) -> UndesirableFit:
        """Hold every unit against the frontier of all.

        Parameters
        ----------
        data : dataframe
            One row a unit; pandas, polars, pyarrow …

        Returns
        -------
        UndesirableFit

        Raises
        ------
        SpecificationError, DataError
            As the options and the table give cause to.

        Warns
        -----
        BenchmodelsWarning
            So few units for so many goods that most look efficient.
        PartialResultWarning
            Units without an answer, with the reason.
        """
        from benchmodels.frontier.undesirable.fit import fit_undesirable

        return fit_undesirable(self, self.read(data))
