"""Luenberger's indicator of productivity: differences of directional distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.productivity.changes import Changes, warn_of_changes
from benchmodels.frontier.productivity.decompositions import Ask, Reference, asks, parts
from benchmodels.frontier.productivity.distances import asked_of, pairs_of, references_of, status_of
from benchmodels.frontier.productivity.panel import PanelModel
from benchmodels.kernels.productivity import directional_distances
from benchmodels.kernels.technology import bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.productivity.panel import Panel

    Floats = NDArray[np.float64]

__all__ = ["Luenberger"]


@dataclass(frozen=True, kw_only=True)
class Luenberger(PanelModel):
    """Luenberger's productivity indicator: by how many steps along a direction a unit does better than before.

    The distance to the earlier period's frontier falls, and that to the later one's; the mean of both. Above 0 is
    progress, of the indicator and its parts, which add up: efficiency change and technical change.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure, the same in all periods.
    unit, period : str
        Columns that name the unit and the period; one row each pair. Periods are of any kind that can be sorted,
        numbers not as text.
    returns : {'crs', 'vrs', 'drs', 'irs'} or (low, high), default 'crs'
    direction : 'own', 'mean' or mapping of str to float, default 'own'
        One step: each point's own goods, so that a step of .1 is ten per cent; the mean of all rows of the panel; or an
        amount of each good (those left out do not move).
    reference : {'contemporaneous', 'sequential', 'global', 'biennial'}, default 'contemporaneous'
        As in `Malmquist`.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    A point beyond another period's frontier has a distance below zero; where no number of steps back meets it, it is
    'infeasible', under constant returns too (Briec & Kerstens 2009, J Optim Theory Appl 143:571-578).

    References
    ----------
    Chambers, Färe, Grosskopf (1996), Pac Econ Rev 1:181-190.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": [*"AB"] * 2, "year": [1, 1, 2, 2], "cost": [2.0, 4, 2, 4],
    ...     "persons": [2.0, 2, 3, 4]})
    >>> fit = Luenberger(inputs=["cost"], outputs=["persons"], unit="unit", period="year", direction={"cost": 2.0})
    >>> fit.fit(table).index.round(4).tolist()
    [0.4167, 0.8333]
    """

    direction: Literal["own", "mean"] | Mapping[str, float] = field(default="own", hash=False)
    reference: Reference = "contemporaneous"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reference not in get_args(Reference):
            raise SpecificationError(f"reference={self.reference!r}; allowed are {listed(get_args(Reference))}")
        if isinstance(self.direction, Mapping):
            object.__setattr__(self, "direction", dict(self.direction))
            goods, amounts = {*self.inputs, *self.outputs}, list(self.direction.values())
            told = all(isinstance(amount, Real) and 0 <= amount < math.inf for amount in amounts)
            if set(self.direction) - goods or not told or not any(amounts):
                raise SpecificationError(
                    f"direction={dict(self.direction)!r}; give amounts of zero or more for some of "
                    f"{listed((*self.inputs, *self.outputs))}"
                )
        elif self.direction not in ("own", "mean"):
            raise SpecificationError(f"direction={self.direction!r}; allowed are 'own', 'mean', or amounts by name")

    def fit(self, data: object) -> Changes:
        """Measure the change of every unit between neighbouring periods.

        Parameters
        ----------
        data : dataframe
            One row a unit and period.

        Returns
        -------
        Changes
            Differences, with the parts ``efficiency_change`` and ``technical_change``.

        Raises
        ------
        SpecificationError, DataError
            As the options and the table give cause to.

        Warns
        -----
        PartialResultWarning
            Changes without an answer, with the reason.
        """
        panel, common = self.read(data), self.reference in ("global", "biennial")
        pairs, asked = pairs_of(panel), asks("fglr", common=common, base="both", side="input")
        used, made, member = asked_of(panel, pairs, asked, self.reference)
        with one_blas_thread():
            held = directional_distances(
                panel.inputs, panel.outputs, bounds_of(self.returns), self._step(panel),
                used=used, made=made, sets=references_of(panel, self.reference), member=member,
            )  # fmt: skip
        value, code = pairs.spread(held.value, np.nan), pairs.spread(held.status, -1)
        # Nearer to the frontier is better, as a larger efficiency is.
        nearness: dict[Ask, Floats] = {ask: -row for ask, row in zip(asked, value, strict=True)}
        found = parts(nearness.__getitem__, "fglr", common=common, base="both", side="input")
        changes = Changes(
            unit=panel.unit[pairs.who], earlier=panel.period[pairs.pair], later=panel.period[pairs.pair + 1],
            index=found.pop("index"), parts=found, factors=tuple(found), status=status_of(pairs, list(code)),
            scale="difference", circular=self.reference == "global", simulated=panel.simulated,
        )  # fmt: skip
        warn_of_changes(changes)
        return changes

    def _step(self, panel: Panel) -> Floats:
        goods = np.concatenate([panel.inputs, panel.outputs], axis=1)
        if isinstance(self.direction, Mapping):
            return np.array([float(self.direction.get(name, 0.0)) for name in panel.names])
        return goods if self.direction == "own" else np.asarray(goods.mean(axis=0))
