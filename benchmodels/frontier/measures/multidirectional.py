"""Multi-directional efficiency: each unit moves towards what it could reach in each good by itself."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.measures.tables import (
    movable,
    peers_table,
    refuse_idle,
    slacks_table,
    status_in_words,
    targets_table,
)
from benchmodels.frontier.model import FrontierModel
from benchmodels.frontier.scores import Scored, Scores, compared, read_only, warn_of_few, warn_of_missing
from benchmodels.kernels.faces import SecondPhase, second_phase
from benchmodels.kernels.ideal_points import IdealPoints, towards_ideal
from benchmodels.kernels.shared_simplex import ARTIFICIAL, OPTIMAL
from benchmodels.kernels.technology import Returns, Technology, bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison
    from benchmodels.frontier.goods import Goods

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["MultiDirectional", "MultiDirectionalFit"]


@dataclass(frozen=True, kw_only=True)
class MultiDirectional(FrontierModel):
    """Multi-directional efficiency (MEA): how far a unit can go towards its own ideal point, and what that takes.

    The ideal point has of each good what the unit could reach if it changed that good alone. No unit reaches all of it
    at once; the frontier is met on the straight way there.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing
        As in `benchmodels.frontier.DEA`.
    returns : {'vrs', 'crs', 'drs', 'irs'} or (low, high), default 'vrs'
        As in `benchmodels.frontier.DEA`.
    orientation : {'input', 'output', 'none'}, default 'input'
        Whether inputs, outputs, or all goods move.
    nondiscretionary : sequence of str
        Goods that nobody can change: they bound the comparison and do not move.

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    ``inefficiency`` is β, the share of the way to the ideal point that can be gone: what the authors call the distance.
    It says which goods could be saved together, and **not how much**: with one good that moves it is 1 for every unit
    that is not on the frontier, and two units' β have different ideal points behind them. ``efficiency`` compares: the
    mean share of what moves that is needed, over the mean factor of outputs; `MultiDirectionalFit.potentials` has them
    good by good. β and the way do not depend on units of measure, nor, under variable returns, on where zero is;
    ``efficiency`` does on where zero is. A good that the unit has nothing of is not in its means.

    References
    ----------
    Bogetoft, Hougaard (1999), J Prod Anal 12:233-247. Asmild, Hougaard, Kronborg, Kvist (2003), J Prod Anal 19:137-152.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("ABCDEF"), "cost": [20.0, 40, 40, 60, 70, 50],
    ...     "persons": [20.0, 30, 50, 40, 60, 20]})
    >>> fit = MultiDirectional(inputs=["cost"], outputs=["persons"], unit="unit").fit(table)
    >>> fit.efficiency.round(4).tolist()
    [1.0, 0.6667, 1.0, 0.5556, 1.0, 0.4]
    """

    returns: Returns | tuple[float, float] = "vrs"
    orientation: Literal["input", "output", "none"] = "input"
    nondiscretionary: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hold_columns("nondiscretionary")
        bounds = bounds_of(self.returns)
        if not isinstance(self.returns, str):
            object.__setattr__(self, "returns", bounds)
        if self.orientation not in ("input", "output", "none"):
            raise SpecificationError(f"orientation={self.orientation!r}; allowed are 'input', 'output', 'none'")
        self.moves()

    def moves(self) -> NDArray[np.bool_]:
        """Return which goods move (m + s,)."""
        return movable(self.inputs, self.outputs, self.nondiscretionary, self.orientation)

    def fit(self, data: object) -> MultiDirectionalFit:
        """Hold every unit against the frontier of all; raises and warns as `benchmodels.frontier.DEA.fit`."""
        goods = self.read(data)
        fit = MultiDirectionalFit(
            model=self, goods=goods, technology=Technology(goods.inputs, goods.outputs, bounds_of(self.returns))
        )
        _warn(fit)
        return fit


def _warn(fit: MultiDirectionalFit) -> None:
    warn_of_few(fit)
    warn_of_missing(fit.scores, "")


@dataclass(frozen=True, eq=False, kw_only=True)
class MultiDirectionalFit(Scored):
    """Units and their ways to the ideal.

    Parameters
    ----------
    model : MultiDirectional
    goods : Goods
        k units.
    technology : Technology
    """

    model: MultiDirectional
    goods: Goods
    technology: Technology

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is made anew on demand."""
        return {name: getattr(self, name) for name in ("model", "goods", "technology")}

    @cached_property
    def found(self) -> IdealPoints:
        """Ideal points, the steps towards them, and certificates."""
        return self._found(self.goods, np.arange(len(self.goods)))

    def _found(self, points: Goods, own: Codes) -> IdealPoints:
        with one_blas_thread():
            found = towards_ideal(
                self.technology, points.inputs, points.outputs, self.model.moves(), own=own,
                allowed=self.model.allowed(points, self.goods),
            )  # fmt: skip
        read_only(found, found.last)
        return found

    @cached_property
    def scores(self) -> Scores:
        """Efficiency, and as ``inefficiency`` β, of each unit, and whether they were found."""
        return self._scored(self.goods, self.found)

    def _scored(self, points: Goods, found: IdealPoints) -> Scores:
        change, m = _shares(points, found), len(self.model.inputs)
        moves = np.asarray((points.goods > 0) & self.model.moves())
        refuse_idle(points, moves)
        needed, made = (_mean(change[:, at], moves[:, at]) for at in (slice(None, m), slice(m, None)))
        return Scores(
            unit=points.unit,
            efficiency=needed / made,
            expansion=made if self.model.orientation == "output" else np.full(len(points), np.nan),
            inefficiency=found.beta,
            status=status_in_words(found.status, self.model.allowed(points, self.goods), len(self.goods)),
        )

    @cached_property
    def second_phase(self) -> SecondPhase:
        """Slacks left at the frontier, and the peers there, as `benchmodels.frontier.DEAFit.second_phase`."""
        own, allowed = np.arange(len(self.goods)), self.model.allowed(self.goods, self.goods)
        with one_blas_thread():
            found = second_phase(
                self.technology, self.goods.inputs, self.goods.outputs, self.found.way, self.found.last, own=own,
                allowed=allowed,
            )  # fmt: skip
        read_only(found)
        lost = (found.status != OPTIMAL) & (self.status == "solved")
        if lost.any():
            warnings.warn(
                f"the slacks of {int(lost.sum())} of {len(lost)} units were not found, so they have no peers and no "
                f"targets: {listed(self.unit[lost])}",
                PartialResultWarning,
                stacklevel=3,
            )
        return found

    def __repr__(self) -> str:
        best = int(np.sum(self.inefficiency[self.status == "solved"] < 1e-9))
        asked = f"orientation={self.model.orientation!r}, returns={self.model.returns!r}"
        return f"MultiDirectionalFit({len(self.goods)} units, {best} at their ideal point, {asked})"

    def potentials(self) -> pd.DataFrame:
        """Return what each good could become alone, and what it does on the way all go: one row a unit and good.

        Columns ``unit, good, part, value, ideal, reached, share``: ``ideal`` is the most that could be saved or made if
        that good alone changed, ``reached`` what is left or made at the frontier, β of the way there, and ``share``
        what that is of the value (at most 1 of an input, at least 1 of an output; NaN where there is nothing).
        """
        sign = self._sign
        frame = targets_table(self.goods, self._reached, np.zeros(self.goods.goods.shape))
        frame["ideal"] = (self.goods.goods + sign * self.found.potential).ravel()
        frame["share"] = np.where(self.goods.goods > 0, _shares(self.goods, self.found), np.nan).ravel()
        frame = frame.rename(columns={"target": "reached"})
        return frame[["unit", "good", "part", "value", "ideal", "reached", "share"]]

    @property
    def _sign(self) -> Floats:
        return np.where(np.arange(len(self.goods.names)) < len(self.model.inputs), -1.0, 1.0)

    @property
    def _reached(self) -> Floats:
        return np.asarray(self.goods.goods + self._sign * self.found.beta[:, None] * self.found.potential)

    def peers(self) -> pd.DataFrame:
        """Return whom each unit is held against: ``unit, peer, weight``."""
        return peers_table(self.unit, self.second_phase.peer, self.second_phase.weight)

    def targets(self) -> pd.DataFrame:
        """Return the way to the frontier and the slack that is left there, as `benchmodels.frontier.DEAFit.targets`."""
        slack = self.second_phase.slack
        return targets_table(self.goods, self._reached + self._sign * slack, slack)

    def slacks(self) -> pd.DataFrame:
        """Return the slack left at the frontier: one row a unit, a column a good."""
        return slacks_table(self.goods, self.second_phase.slack)

    def evaluate(self, data: object) -> Scores:
        """Hold other units against this frontier; one that is beyond it has no ideal point, and is 'infeasible'.

        Parameters
        ----------
        data : dataframe
            One row a unit, with the columns of the model.
        """
        points = self.model.read(data, least=1)
        scores = self._scored(points, self._found(points, np.full(len(points), ARTIFICIAL)))
        warn_of_missing(scores, "of the units evaluated ")
        return scores

    def compare(
        self, *, contrast: Literal["difference", "ratio"] = "ratio", better: Better | None = "low"
    ) -> Comparison:
        """Return observed against best practice, as `benchmodels.frontier.DEAFit.compare`; its uncertainty is withheld.

        Raises
        ------
        SpecificationError
            A measure of another orientation than 'input' or 'output'.
        """
        return compared(self.model, self.goods, self.scores, contrast=contrast, better=better)


def _shares(points: Goods, found: IdealPoints) -> Floats:
    """Return what of each good is left, or made, at the frontier, as a share of what there is (k, m + s)."""
    sign = np.where(np.arange(points.goods.shape[1]) < points.inputs.shape[1], -1.0, 1.0)
    there = points.goods > 0
    step = np.divide(found.beta[:, None] * found.potential, points.goods, out=np.zeros(there.shape), where=there)
    return np.asarray(1.0 + sign * step)


def _mean(share: Floats, counts: NDArray[np.bool_]) -> Floats:
    """Return the mean of the shares that count, 1 where none does (k,); NaN of a point without an answer."""
    many = counts.sum(axis=1)
    total = np.where(counts, share - 1.0, 0.0).sum(axis=1)
    return np.where(np.isnan(share).any(axis=1), np.nan, 1.0 + total / np.maximum(many, 1))
