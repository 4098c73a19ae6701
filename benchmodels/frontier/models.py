"""The models of best practice: what is asked of the best, as frozen questions that hold no data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

from benchmodels.errors import SpecificationError
from benchmodels.frontier.model import FrontierModel
from benchmodels.frontier.weights import WeightRestrictions
from benchmodels.kernels.technology import Returns, bounds_of
from benchmodels.table import listed

if TYPE_CHECKING:
    from benchmodels.frontier.dea import DEAFit

__all__ = ["DEA", "Orientation"]

Orientation = Literal["input", "output", "directional", "graph"]


@dataclass(frozen=True, kw_only=True)
class DEA(FrontierModel):
    """Data envelopment analysis: how much less, or more, the best combinations of other units do with the same.

    The technology holds every unit, all their averages (and multiples, by ``returns``), and whatever uses more to make
    less. A unit is held against the point of its edge that lies in the direction asked for.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure.
    unit : str
        Column that names the unit; one row each.
    returns : {'vrs', 'crs', 'drs', 'irs'} or (low, high), default 'vrs'
        Returns to scale: variable, constant, not increasing, not decreasing; or bounds of the sum of intensities.
    orientation : {'input', 'output', 'directional', 'graph'}, default 'input'
        Whether inputs are to fall in proportion, outputs to rise in proportion, both to move along ``direction``, or
        inputs to fall and outputs to rise by the same factor.
    direction : 'own', 'mean', 'range' or mapping of str to float, default 'own'
        Of the directional measure: the unit's own goods, the mean unit's, from the unit to the best figure of each
        good that any unit has, or an amount of each good. Under variable returns the last two take amounts below zero
        too, since nothing changes where all units have more or less of a good by the same amount.
    nondiscretionary : sequence of str
        Inputs or outputs that nobody can change: they bound the comparison and do not move (Banker & Morey 1986).
    environment : mapping of str to {'high', 'low', 'same'}
        Given conditions: peers are no better placed, where 'high' or 'low' says which is favourable, or have the 'same'
        (Ruggiero 1996). Fewer peers make every unit look better.
    weights : WeightRestrictions, optional
        Bounds of the prices by which goods are weighed; without them a good may count for nothing.
    composition : sequence of str; nearest : int, optional
        Peers are the ``nearest`` units most alike in these columns, by distance in standard deviations.
    peers : mapping of label to labels, optional
        A list of peers for some units.
    size : str, optional
        Column of the unit's size, for `DEAFit.compare`.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    **Zeros and negative figures.** A zero is taken as it is. Figures below zero, as balances have them, are refused but
    where no answer depends on where zero is: ``returns='vrs'``, ``orientation='directional'`` and ``direction='range'``
    (the range directional model) or an amount of each good. Nothing is shifted: a shift would change the answer unseen.
    What is made and unwanted, as waste or complaints, is neither input nor output: `UndesirableDEA`.

    References
    ----------
    Charnes, Cooper, Rhodes (1978), Eur J Oper Res 2:429-444 (constant returns). Banker, Charnes, Cooper (1984), Manage
    Sci 30:1078-1092 (variable). Banker & Morey (1986), Oper Res 34:513-521. Ruggiero (1996), Eur J Oper Res 90:553-565.
    Chambers, Chung, Färe (1998), J Optim Theory Appl 98:351-364 (directional). Portela, Thanassoulis, Simpson (2004),
    J Oper Res Soc 55:1111-1121 (range).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("ABCDEF"), "cost": [20.0, 40, 40, 60, 70, 50],
    ...     "persons": [20.0, 30, 50, 40, 60, 20]})
    >>> DEA(inputs=["cost"], outputs=["persons"], unit="unit").fit(table).efficiency.round(4).tolist()
    [1.0, 0.6667, 1.0, 0.5556, 1.0, 0.4]
    """

    returns: Returns | tuple[float, float] = "vrs"
    orientation: Orientation = "input"
    direction: Literal["own", "mean", "range"] | Mapping[str, float] = field(default="own", hash=False)
    nondiscretionary: Sequence[str] = ()
    weights: WeightRestrictions | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hold_columns("nondiscretionary")
        self._hold_mappings("direction")
        bounds = bounds_of(self.returns)
        if not isinstance(self.returns, str):
            object.__setattr__(self, "returns", bounds)
        if self.orientation not in get_args(Orientation):
            allowed = ", ".join(map(repr, get_args(Orientation)))
            raise SpecificationError(f"orientation={self.orientation!r}; allowed are {allowed}")
        self._check_goods()
        self._check_weights()

    def _check_weights(self) -> None:
        if self.weights is None:
            return
        if not isinstance(self.weights, WeightRestrictions):
            raise SpecificationError(f"weights={self.weights!r}; give benchmodels.frontier.WeightRestrictions")
        self.weights.check(self.inputs, self.outputs)
        if self.weights.virtual and self.signed:
            raise SpecificationError(
                "shares of what goods are worth (virtual) have no meaning where goods may be below 0"
            )

    def _check_goods(self) -> None:
        goods = (*self.inputs, *self.outputs)
        strange = [name for name in self.nondiscretionary if name not in goods]
        if strange:
            raise SpecificationError(
                f"nondiscretionary {listed(strange)} is neither input nor output; a condition that is none of them "
                "belongs to environment"
            )
        moving = {"input": self.inputs, "output": self.outputs}.get(self.orientation, goods)
        if moving and not set(moving) - set(self.nondiscretionary):
            raise SpecificationError(f"every good that orientation={self.orientation!r} moves is nondiscretionary")
        if not isinstance(self.direction, (str, Mapping)):
            raise SpecificationError(f"direction={self.direction!r}; give a name, or an amount of each good by name")
        if self.direction != "own" and self.orientation != "directional":
            raise SpecificationError(f"direction belongs to orientation='directional' (found {self.orientation!r})")
        if isinstance(self.direction, Mapping):
            strange = [name for name in self.direction if name not in goods]
            amounts = list(self.direction.values())
            told = all(isinstance(amount, Real) and 0 <= amount < math.inf for amount in amounts)
            if strange or not told or not any(amounts):
                raise SpecificationError(
                    f"direction={dict(self.direction)!r}; give amounts of zero or more for some of {listed(goods)}"
                )
        elif self.direction not in ("own", "mean", "range"):
            raise SpecificationError(
                f"direction={self.direction!r}; allowed are 'own', 'mean', 'range', or an amount of each good"
            )
        if self.orientation == "graph" and (self.nondiscretionary or not isinstance(self.returns, str)):
            raise SpecificationError("the graph measure moves all goods, under returns 'crs', 'vrs', 'drs' or 'irs'")

    @property
    def signed(self) -> bool:
        """Whether amounts below zero have a meaning: no score depends on where zero is."""
        free = self.orientation == "directional" and self.direction not in ("own", "mean")
        return free and bounds_of(self.returns) == (1.0, 1.0)

    def fit(self, data: object) -> DEAFit:
        """Hold every unit against the frontier of all.

        Parameters
        ----------
        data : dataframe
            One row a unit; pandas, polars, pyarrow …

        Returns
        -------
        DEAFit

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
        from benchmodels.frontier.dea import fit_dea

        return fit_dea(self, self.read(data))
