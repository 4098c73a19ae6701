"""The Hicks-Moorsteen index of productivity: growth of outputs over growth of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.productivity.changes import Changes, warn_of_changes
from benchmodels.frontier.productivity.decompositions import Ask
from benchmodels.frontier.productivity.distances import asked_of, pairs_of, references_of, status_of
from benchmodels.frontier.productivity.panel import PanelModel
from benchmodels.kernels.productivity import radial_distances
from benchmodels.kernels.technology import bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from benchmodels.kernels.productivity import Side

__all__ = ["HicksMoorsteen"]

_Reference = Literal["contemporaneous", "sequential"]

_OWN, _NEXT = Ask("asked", "earlier", "earlier"), Ask("asked", "later", "later")
# Which distances, with which sign in the logarithm: at the earlier technology, then at the later.
_OUTPUTS = {
    Ask("asked", "earlier used, later made", "earlier"): 0.5,
    _OWN: -0.5,
    _NEXT: 0.5,
    Ask("asked", "later used, earlier made", "later"): -0.5,
}
# An efficiency is the reciprocal of Shephard's input distance.
_INPUTS = {
    Ask("asked", "later used, earlier made", "earlier"): -0.5,
    _OWN: 0.5,
    _NEXT: -0.5,
    Ask("asked", "earlier used, later made", "later"): 0.5,
}


@dataclass(frozen=True, kw_only=True)
class HicksMoorsteen(PanelModel):
    """The Hicks-Moorsteen index: by what factor outputs grew, over by what factor inputs did.

    Growth of outputs is how much nearer to the frontier the later outputs would be with the same inputs, of inputs how
    much farther the later inputs with the same outputs: the geometric mean at both periods' technologies. The index is
    multiplicatively complete: ``index`` = ``output_change`` / ``input_change``. Above 1 is progress.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure, the same in all periods.
    unit, period : str
        Columns that name the unit and the period; one row each pair. Periods are of any kind that can be sorted,
        numbers not as text.
    returns : {'crs', 'vrs', 'drs', 'irs'} or (low, high), default 'crs'
    reference : {'contemporaneous', 'sequential'}, default 'contemporaneous'
        As in `Malmquist`.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    It is feasible under all returns, for each mixed point shares what does not move with a unit of the technology. The
    exceptions are zeros: a later period's unit that makes a good of which its inputs could make nothing before, or uses
    none of an input that everyone needs, is 'infeasible'. Not circular.

    References
    ----------
    Bjurek (1996), Scand J Econ 98:303-313.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": [*"AB"] * 2, "year": [1, 1, 2, 2], "cost": [2.0, 4, 2, 5],
    ...     "persons": [2.0, 3, 3, 6]})
    >>> model = HicksMoorsteen(inputs=["cost"], outputs=["persons"], unit="unit", period="year", returns="vrs")
    >>> model.fit(table).index.round(4).tolist()
    [1.5, 1.6]
    """

    reference: _Reference = "contemporaneous"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reference not in get_args(_Reference):
            raise SpecificationError(f"reference={self.reference!r}; allowed are {listed(get_args(_Reference))}")

    def fit(self, data: object) -> Changes:
        """Measure the change of every unit between neighbouring periods.

        Parameters
        ----------
        data : dataframe
            One row a unit and period.

        Returns
        -------
        Changes
            Ratios, with ``output_change`` and ``input_change``.

        Raises
        ------
        SpecificationError, DataError
            As the options and the table give cause to.

        Warns
        -----
        PartialResultWarning
            Changes without an answer, with the reason.
        """
        panel = self.read(data)
        pairs, sets, codes, logs = pairs_of(panel), references_of(panel, self.reference), [], {}
        sides: tuple[tuple[str, Side, dict[Ask, float]], ...] = (
            ("output_change", "output", _OUTPUTS),
            ("input_change", "input", _INPUTS),
        )
        for name, side, signs in sides:
            used, made, member = asked_of(panel, pairs, tuple(signs), self.reference)
            with one_blas_thread():
                held = radial_distances(
                    panel.inputs, panel.outputs, bounds_of(self.returns), side,
                    used=used, made=made, sets=sets, member=member,
                )  # fmt: skip
            logs[name] = np.array(list(signs.values())) @ np.log(pairs.spread(held.value, np.nan))
            codes += list(pairs.spread(held.status, -1))
        changes = Changes(
            unit=panel.unit[pairs.who], earlier=panel.period[pairs.pair], later=panel.period[pairs.pair + 1],
            index=np.exp(logs["output_change"] - logs["input_change"]),
            parts={name: np.exp(value) for name, value in logs.items()}, factors=(),
            status=status_of(pairs, codes), scale="ratio", circular=False, simulated=panel.simulated,
        )  # fmt: skip
        warn_of_changes(changes)
        return changes
