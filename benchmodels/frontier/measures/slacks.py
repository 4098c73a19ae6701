"""Measures made of slacks: how much less of each input, and more of each output, all at once.

A radial measure moves goods in proportion and leaves the rest as slacks that no score counts. Here every slack counts;
the models differ in what a unit of each is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.measures.fit import Measured, SlackFit, fit_slacks
from benchmodels.frontier.measures.tables import movable, refuse_idle
from benchmodels.frontier.model import FrontierModel
from benchmodels.kernels.additive import largest_slacks
from benchmodels.kernels.fractional_slacks import least_ratio
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import Returns, bounds_of
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Additive", "Russell", "SlackBased", "Weights"]

Weights = Literal["unit", "mean", "ram", "bam"]
_VARIABLE = (1.0, 1.0)
# Of the largest amount of a good.
_ROUNDING = 1e-13


@dataclass(frozen=True, kw_only=True)
class SlackModel(FrontierModel):
    """What the models of this module share."""

    returns: Returns | tuple[float, float] = "vrs"
    nondiscretionary: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hold_columns("nondiscretionary")
        bounds = bounds_of(self.returns)
        if not isinstance(self.returns, str):
            object.__setattr__(self, "returns", bounds)

    def measure(
        self, technology: Technology, points: Goods, reference: Goods, own: Codes, allowed: Allowed | None
    ) -> Measured:
        """Return the measure of points against reference units."""
        raise NotImplementedError

    def fit(self, data: object) -> SlackFit:
        """Hold every unit against the frontier of all.

        Parameters
        ----------
        data : dataframe
            One row a unit, with the columns of the model.

        Raises
        ------
        SpecificationError, DataError
            Columns or values that cannot be meant, as in `benchmodels.frontier.DEA.fit`.

        Warns
        -----
        BenchmodelsWarning
            Few units for many goods.
        PartialResultWarning
            Units without an answer.
        """
        return fit_slacks(self, data)


@dataclass(frozen=True, kw_only=True)
class Additive(SlackModel):
    """The additive measure: the largest weighted sum of what a unit could use less and make more.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing
        As in `benchmodels.frontier.DEA`.
    returns : {'vrs', 'crs', 'drs', 'irs'} or (low, high), default 'vrs'
        As in `benchmodels.frontier.DEA`.
    weights : {'mean', 'unit', 'ram', 'bam'} or mapping of str to float, default 'mean'
        What a unit of measure of slack in each good counts: 1 over the good's mean; 1, in the units of the data; 1 over
        the good's range and the number of goods (range-adjusted, RAM); 1 over how far the unit is from the least of the
        input, or most of the output, that any unit has, and the number of goods (bounded-adjusted, BAM); or an amount
        of each good by name, 0 for those not named.
    nondiscretionary : sequence of str
        Goods that nobody can change: they bound the comparison, their slacks do not count, nor do they among the goods.

    Raises
    ------
    SpecificationError
        Options that cannot be meant; 'ram' with other than variable returns, under which slacks may be larger than
        the range.

    Notes
    -----
    ``inefficiency`` is the sum, zero for a unit without slack; ``efficiency`` is 1 less it, for 'ram' and 'bam', where
    the sum cannot be above 1 (of a unit that is evaluated and beyond the range of the fit, RAM's may be below zero).
    No answer depends on units of measure, but with 'unit' and a mapping. Under variable returns none depends on where
    zero is, but with 'mean', so that amounts may be below zero. Under other returns BAM's targets are held to the range
    of the data, as its authors do; a good in which the unit is the best already counts as without slack, and one in
    which it is almost the best counts by a weight without bound: BAM is not continuous there.

    References
    ----------
    Charnes, Cooper, Golany, Seiford, Stutz (1985), J Econometrics 30:91-107. Cooper, Park, Pastor (1999), J Prod Anal
    11:5-42 (RAM). Cooper, Pastor, Borras, Aparicio, Pastor (2011), J Prod Anal 35:85-94 (BAM).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("ABCDEF"), "cost": [20.0, 40, 40, 60, 70, 50],
    ...     "persons": [20.0, 30, 50, 40, 60, 20]})
    >>> asked = Additive(inputs=["cost"], outputs=["persons"], unit="unit", weights="unit")
    >>> asked.fit(table).inefficiency.round(6).tolist()
    [0.0, 20.0, 0.0, 30.0, 0.0, 40.0]
    """

    weights: Weights | Mapping[str, float] = field(default="mean", hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hold_mappings("weights")
        movable(self.inputs, self.outputs, self.nondiscretionary, "none")
        if isinstance(self.weights, Mapping):
            self._check_amounts(self.weights)
        elif self.weights not in get_args(Weights):
            allowed = ", ".join(map(repr, get_args(Weights)))
            raise SpecificationError(f"weights={self.weights!r}; allowed are {allowed}, or an amount by good")
        if self.weights == "ram" and bounds_of(self.returns) != _VARIABLE:
            raise SpecificationError(
                f"weights='ram' with returns={self.returns!r}: slacks may be larger than the range there, so that the "
                "measure has no bound; weights='bam' holds targets to the range, or ask for returns='vrs'"
            )

    def _check_amounts(self, weights: Mapping[str, float]) -> None:
        goods = (*self.inputs, *self.outputs)
        strange = [name for name in weights if name not in goods]
        still = [name for name in weights if name in self.nondiscretionary and weights[name]]
        told = all(isinstance(some, Real) and 0 <= some < math.inf for some in weights.values())
        if strange or still or not told or not any(weights.values()):
            raise SpecificationError(
                f"weights={dict(weights)}; give amounts of zero or more, not all zero, of goods that can change: "
                f"{listed([name for name in goods if name not in self.nondiscretionary])}"
            )

    @property
    def orientation(self) -> Literal["none"]:
        """All goods count."""
        return "none"

    @property
    def signed(self) -> bool:
        """Whether amounts below zero have a meaning: no answer depends on where zero is."""
        return bounds_of(self.returns) == _VARIABLE and self.weights != "mean"

    def measure(
        self, technology: Technology, points: Goods, reference: Goods, own: Codes, allowed: Allowed | None
    ) -> Measured:
        """Return the measure of points against reference units."""
        upper = np.full(points.goods.shape, np.inf)
        beyond: NDArray[np.bool_] = np.zeros(len(points), dtype=np.bool_)
        moves = movable(self.inputs, self.outputs, self.nondiscretionary, "none")
        if self.weights == "bam":
            room = _room(points, reference)
            beyond = np.asarray((room < 0).any(axis=1))
            if bounds_of(self.returns) != _VARIABLE:
                upper = np.maximum(room, 0.0)
            each = _over(room) / moves.sum()
        else:
            each = np.broadcast_to(self._shared(reference, moves), points.goods.shape)
        found = largest_slacks(
            technology, points.inputs, points.outputs, np.where(moves, each, 0.0), own=own, upper=upper, allowed=allowed
        )
        status = np.where(beyond & (found.status == OPTIMAL), INFEASIBLE, found.status)
        total = np.where(status == OPTIMAL, found.total, np.nan)
        none = np.full(len(points), np.nan)
        bounded = self.weights in ("ram", "bam")
        return Measured(
            efficiency=1.0 - total if bounded else none,
            expansion=none,
            inefficiency=total,
            status=status,
            found=found,
            gap=found.gap,
        )

    def _shared(self, reference: Goods, moves: NDArray[np.bool_]) -> Floats:
        """Return weights (m + s,) that are the same for all points."""
        if isinstance(self.weights, Mapping):
            return np.array([float(self.weights.get(name, 0.0)) for name in reference.names])
        if self.weights == "ram":
            return np.asarray(_over(np.ptp(reference.goods, axis=0)) / moves.sum())
        if self.weights == "mean":
            return np.asarray(1.0 / reference.goods.mean(axis=0))
        return np.ones(len(reference.names))


@dataclass(frozen=True, kw_only=True)
class SlackBased(SlackModel):
    """The slacks-based measure: the mean share of inputs needed, over the mean factor by which outputs could grow.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing
        As in `benchmodels.frontier.DEA`.
    returns : {'vrs', 'crs', 'drs', 'irs'} or (low, high), default 'vrs'
        As in `benchmodels.frontier.DEA`.
    orientation : {'none', 'input', 'output'}, default 'none'
        Whether slacks of all goods count, of inputs, or of outputs.
    nondiscretionary : sequence of str
        Goods that nobody can change: they bound the comparison and are not in the means.

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    ``efficiency`` is in (0, 1], and never above the radial one of the same returns. It does not depend on units of
    measure, and does on where zero is, even under variable returns.
    **Zeros**: a good that the unit has nothing of is not in its means, since no share of nothing can be taken (Tone's
    case of a good that the unit has no function for); its slack may be what it is. So a unit that makes nothing of an
    output is compared by what it does make; a unit with nothing of any good that moves is a `DataError`.
    Without orientation it is the enhanced Russell graph measure of Pastor, Ruiz and Sirvent. With one it is `Russell`.

    References
    ----------
    Tone (2001), Eur J Oper Res 130:498-509. Pastor, Ruiz, Sirvent (1999), Eur J Oper Res 115:596-607.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("ABCDEF"), "cost": [20.0, 40, 40, 60, 70, 50],
    ...     "persons": [20.0, 30, 50, 40, 60, 20]})
    >>> asked = SlackBased(inputs=["cost"], outputs=["persons"], unit="unit")
    >>> asked.fit(table).efficiency.round(4).tolist()
    [1.0, 0.6, 1.0, 0.5333, 1.0, 0.32]
    """

    orientation: Literal["none", "input", "output"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.orientation not in ("none", "input", "output"):
            raise SpecificationError(f"orientation={self.orientation!r}; allowed are 'none', 'input', 'output'")
        movable(self.inputs, self.outputs, self.nondiscretionary, self.orientation)

    def measure(
        self, technology: Technology, points: Goods, reference: Goods, own: Codes, allowed: Allowed | None
    ) -> Measured:
        """Return the measure of points against reference units."""
        saved, added = self._shares(points)
        found = least_ratio(technology, points.inputs, points.outputs, saved, added, own=own, allowed=allowed)
        none = np.full(len(points), np.nan)
        return Measured(
            efficiency=found.ratio,
            expansion=1.0 / found.ratio if self.orientation == "output" else none,
            inefficiency=1.0 - found.ratio,
            status=found.status,
            found=found.found,
            gap=found.gap,
        )

    def _shares(self, points: Goods) -> tuple[Floats, Floats]:
        """Return what a unit of slack takes from the mean of inputs, and adds to that of outputs, (k, m + s)."""
        moves = movable(self.inputs, self.outputs, self.nondiscretionary, self.orientation)
        counts, m = np.asarray((points.goods > 0) & moves), len(self.inputs)
        refuse_idle(points, counts)
        saved, added = np.zeros(points.goods.shape), np.zeros(points.goods.shape)
        for part, at in ((saved, slice(None, m)), (added, slice(m, None))):
            many = np.maximum(counts[:, at].sum(axis=1, keepdims=True), 1)
            part[:, at] = _over(np.where(counts[:, at], points.goods[:, at], 0.0)) / many
        return saved, added


@dataclass(frozen=True, kw_only=True)
class Russell(SlackBased):
    """The Russell measure: the mean of the least shares of each input, or of the largest factors of each output.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing, returns, nondiscretionary
        As in `SlackBased`.
    orientation : {'input', 'output'}, default 'input'

    Raises
    ------
    SpecificationError
        Options that cannot be meant; the graph measure, which is no linear program and was replaced by the enhanced
        one: `SlackBased` without orientation.

    Notes
    -----
    Each input has a share of its own, at most 1, or each output a factor, at least 1: where x is used and s is slack,
    1 - s/x. So the measure is that of `SlackBased` with the same orientation. ``expansion`` is the mean factor.

    References
    ----------
    Färe, Lovell (1978), J Econ Theory 19:150-162. Pastor, Ruiz, Sirvent (1999), Eur J Oper Res 115:596-607.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("ABCDEF"), "cost": [20.0, 40, 40, 60, 70, 50],
    ...     "persons": [20.0, 30, 50, 40, 60, 20]})
    >>> asked = Russell(inputs=["cost"], outputs=["persons"], unit="unit", orientation="output")
    >>> asked.fit(table).expansion.round(4).tolist()
    [1.0, 1.6667, 1.0, 1.4167, 1.0, 2.6667]
    """

    orientation: Literal["none", "input", "output"] = "input"

    def __post_init__(self) -> None:
        if self.orientation not in ("input", "output"):
            raise SpecificationError(
                f"orientation={self.orientation!r}; allowed are 'input', 'output'. The graph measure is no linear "
                "program; its enhanced form is SlackBased(orientation='none')"
            )
        super().__post_init__()


def _room(points: Goods, reference: Goods) -> Floats:
    """Return how far points are from the least input and the most output of the reference units, (k, m + s)."""
    least, most = reference.inputs.min(axis=0), reference.outputs.max(axis=0)
    room = np.concatenate([points.inputs - least, most - points.outputs], axis=1)
    # What is as close as rounding is there: its weight would be without bound.
    return np.where(np.abs(room) <= _ROUNDING * np.abs(reference.goods).max(axis=0), 0.0, room)


def _over(amount: Floats) -> Floats:
    """Return 1 / amount, and 0 of what is not above zero."""
    return np.divide(1.0, amount, out=np.zeros_like(amount, dtype=np.float64), where=amount > 0)
