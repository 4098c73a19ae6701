"""Window analysis: a unit in each of a few neighbouring periods counts as a unit of its own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.asked import whole
from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.productivity.panel import PanelModel
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.productivity import radial_distances
from benchmodels.kernels.shared_simplex import OPTIMAL
from benchmodels.kernels.technology import bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Windows", "WindowsFit"]


@dataclass(frozen=True, kw_only=True)
class Windows(PanelModel):
    """Window analysis: efficiencies within windows of neighbouring periods, which move on by one period each.

    Few units are many when each period counts, and a unit is held against itself in the periods beside. There is taken
    to be no technical change within a window.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure, the same in all periods.
    unit, period : str
        Columns that name the unit and the period; one row each pair. Periods are of any kind that can be sorted,
        numbers not as text.
    returns : {'crs', 'vrs', 'drs', 'irs'} or (low, high), default 'crs'
    orientation : {'input', 'output'}, default 'input'
    width : int, default 3
        Periods of a window, from 1 to all of the panel; a unit that is absent in some of them counts in the others.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    References
    ----------
    Charnes, Clark, Cooper, Golany (1985), Ann Oper Res 2:95-112.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": [*"AB"] * 3, "year": [1, 1, 2, 2, 3, 3], "cost": [2.0, 4, 2, 4, 2, 4],
    ...     "persons": [2.0, 2, 3, 4, 3, 6]})
    >>> model = Windows(inputs=["cost"], outputs=["persons"], unit="unit", period="year", width=2)
    >>> model.fit(table).to_frame()["efficiency"].round(3).tolist()
    [0.667, 0.333, 1.0, 0.667, 1.0, 0.667, 1.0, 1.0]
    """

    orientation: Literal["input", "output"] = "input"
    width: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.orientation not in ("input", "output"):
            raise SpecificationError(f"orientation={self.orientation!r}; allowed are 'input', 'output'")
        whole("width", self.width, what="periods of a window")

    def fit(self, data: object) -> WindowsFit:
        """Hold every unit in every period against the windows that hold the period.

        Parameters
        ----------
        data : dataframe
            One row a unit and period.

        Returns
        -------
        WindowsFit

        Raises
        ------
        SpecificationError, DataError
            As the options and the table give cause to; a window wider than the panel.

        Warns
        -----
        PartialResultWarning
            Units without an answer.
        """
        panel = self.read(data)
        whole("width", self.width, most=len(panel.period), what="the panel's periods")
        sets = [panel.in_periods(t, t + self.width - 1) for t in range(len(panel.period) - self.width + 1)]
        rows = np.concatenate(sets)
        window = np.repeat(np.arange(len(sets)), [len(some) for some in sets])
        with one_blas_thread():
            held = radial_distances(
                panel.inputs, panel.outputs, bounds_of(self.returns), self.orientation,
                used=rows, made=rows, sets=sets, member=window,
            )  # fmt: skip
        fit = WindowsFit(
            model=self, unit=panel.unit[panel.who[rows]], first=panel.period[window],
            last=panel.period[window + self.width - 1], period=panel.period[panel.when[rows]], efficiency=held.value,
            status=np.where(held.status == OPTIMAL, "solved", "not solved").astype(object),
        )  # fmt: skip
        lost = fit.status != "solved"
        if lost.any():
            warnings.warn(
                f"{int(lost.sum())} of {len(lost)} programs were not solved, of "
                f"{listed(dict.fromkeys(fit.unit[lost].tolist()))}",
                PartialResultWarning,
                stacklevel=2,
            )
        return fit


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowsFit:
    """Efficiencies of w units, periods and windows, window by window.

    Parameters
    ----------
    model : Windows
    unit, first, last, period : (w,) arrays
        Labels of the unit, of the window's first and last period, and of the period.
    efficiency : (w,) array
        In (0, 1]; NaN without an answer.
    status : (w,) array of str
    """

    model: Windows
    unit: NDArray[np.object_]
    first: NDArray[np.object_]
    last: NDArray[np.object_]
    period: NDArray[np.object_]
    efficiency: Floats
    status: NDArray[np.object_]

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        return f"WindowsFit({len(set(self.unit.tolist()))} units, width={self.model.width})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit, window and period: ``unit, first, last, period, efficiency, status``."""
        names = ("unit", "first", "last", "period", "efficiency", "status")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()

    def stability(self) -> pd.DataFrame:
        """Return how stable each unit's efficiency is, one row a unit.

        Columns ``unit, mean, std_deviation`` over all windows and periods; ``largest_within_period``, by how much the
        same period's efficiency differs at most between windows, and ``largest_overall``, between any two. Descriptive:
        windows overlap, so that a row of the table counts more the more windows it is in.
        """
        frame = self.to_frame()
        by = frame.groupby("unit", sort=True)["efficiency"]
        spread = frame.groupby(["unit", "period"], sort=False)["efficiency"].agg(lambda some: some.max() - some.min())
        told = pd.DataFrame({"mean": by.mean(), "std_deviation": by.std()})
        told["largest_within_period"] = spread.groupby(level="unit").max()
        told["largest_overall"] = by.max() - by.min()
        return told.reset_index()
