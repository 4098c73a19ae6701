"""Data envelopment fitted: efficiencies, and who and what stands behind each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels._version import __version__
from benchmodels.comparison import Comparison, Source
from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.reference import reference_mask
from benchmodels.kernels.envelopment import Envelopment, envelop, frame_of
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.kernels.technology import Technology, bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better
    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.models import DEA
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["DEAFit", "Scores", "fit_dea"]

# Units above which it pays to find the frame first.
_MANY = 2500
_STATUS = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}
_WHY = {
    "infeasible": "no combination of the others makes as much of everything, so there is nothing to be held against",
    "unbounded": "the measure has no bound along this direction",
    "not solved": "its program was not solved",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Distances of k units to a frontier.

    Parameters
    ----------
    unit : (k,) array
    efficiency : (k,) array
        Share of its inputs a unit would need on the frontier (input, graph), or of what could be made that it makes
        (output); 1 on the frontier, above 1 beyond another's; NaN for the directional measure.
    expansion : (k,) array
        By what factor outputs could rise, Farrell's output measure: output and graph; else NaN.
    inefficiency : (k,) array
        Steps along the direction to the frontier: directional; else NaN.
    status : (k,) array of str
        'solved', 'infeasible', 'unbounded' or 'not solved'.
    """

    unit: NDArray[np.object_]
    efficiency: Floats
    expansion: Floats
    inefficiency: Floats
    status: NDArray[np.object_]

    def to_frame(self) -> pd.DataFrame:
        """Return the scores as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "efficiency", "expansion", "inefficiency", "status")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()


def fit_dea(model: DEA, goods: Goods) -> DEAFit:
    """Return what `DEA.fit` documents."""
    _warn_of_dimensions(goods)
    technology = Technology(goods.inputs, goods.outputs, bounds_of(model.returns))
    fit = DEAFit(model=model, goods=goods, technology=technology)
    _warn_of_missing(fit.scores, "")
    return fit


@dataclass(frozen=True, eq=False, kw_only=True)
class DEAFit:
    """Units held against the frontier of all of them.

    Parameters
    ----------
    model : DEA
    goods : Goods
        k units.
    technology : Technology
    """

    model: DEA
    goods: Goods
    technology: Technology

    @cached_property
    def envelopment(self) -> Envelopment:
        """The programs' solutions with their certificates."""
        return self._moved(self.goods, np.arange(len(self.goods)))

    @cached_property
    def scores(self) -> Scores:
        """Efficiency, expansion or inefficiency of each unit, and whether it was found."""
        return _scores(self.model, self.goods, self.envelopment)

    @property
    def unit(self) -> NDArray[np.object_]:
        """Labels (k,), in sorted order; everything else is in the same."""
        return self.goods.unit

    @property
    def efficiency(self) -> Floats:
        """As in `Scores`, (k,)."""
        return self.scores.efficiency

    @property
    def expansion(self) -> Floats:
        """As in `Scores`, (k,)."""
        return self.scores.expansion

    @property
    def inefficiency(self) -> Floats:
        """As in `Scores`, (k,)."""
        return self.scores.inefficiency

    @property
    def status(self) -> NDArray[np.object_]:
        """As in `Scores`, (k,)."""
        return self.scores.status

    @property
    def certificate(self) -> str:
        """What the solutions were checked by: the largest violation over all units, in words."""
        found = self.envelopment
        solved = found.status == OPTIMAL
        primal, dual = (float(r[solved].max(initial=0.0)) for r in (found.primal_residual, found.dual_residual))
        return (
            f"{int(solved.sum())} of {len(solved)} programs solved, {int(found.cold.sum())} of them one by one; "
            f"largest violation of a row {primal:.1e}, of a price {dual:.1e}"
        )

    def __repr__(self) -> str:
        solved = self.status == "solved"
        value = self.inefficiency if self.model.orientation == "directional" else self.efficiency
        best = int(np.sum(np.abs(value[solved] - (0.0 if self.model.orientation == "directional" else 1.0)) < 1e-9))
        return (
            f"DEAFit({len(self.goods)} units, {best} on the frontier, {self.model.orientation}, {self.model.returns})"
        )

    def peers(self) -> pd.DataFrame:
        """Return whom each unit is held against: ``unit, peer, weight``, the largest weight first."""
        found = self.envelopment
        unit, place = np.nonzero((found.peer >= 0) & (found.weight > 1e-9))
        frame = pd.DataFrame(
            {
                "unit": self.unit[unit],
                "peer": self.unit[found.peer[unit, place]],
                "weight": found.weight[unit, place],
                "order": unit,
            }
        )
        frame = frame.sort_values(["order", "weight"], ascending=[True, False], kind="stable")
        return frame.drop(columns="order").reset_index(drop=True).infer_objects()

    def targets(self) -> pd.DataFrame:
        """Return what each unit would use and make as its peers do, one row a unit and good.

        Columns ``unit, good, part`` ('input' or 'output'), ``value, target, slack``: from value to target by the move
        to the frontier, and by the slack that is left there.
        """
        found, m = self.envelopment, len(self.model.inputs)
        k, width = self.goods.goods.shape
        sign = np.where(np.arange(width) < m, -1.0, 1.0)
        step = direction_of(self.model, self.goods, self.goods)
        target = self.goods.goods + sign * (found.beta[:, None] * step + found.slack)
        return pd.DataFrame(
            {
                "unit": np.repeat(self.unit, width),
                "good": np.tile(np.array(self.goods.names, dtype=object), k),
                "part": np.tile(np.where(sign < 0, "input", "output").astype(object), k),
                "value": self.goods.goods.ravel(),
                "target": target.ravel(),
                "slack": np.where(np.isfinite(target), found.slack, np.nan).ravel(),
            }
        ).infer_objects()

    def evaluate(self, data: object) -> Scores:
        """Hold other units against this frontier; they are no part of it, and their efficiency may exceed 1.

        Parameters
        ----------
        data : dataframe
            One row a unit, with the columns of the model.
        """
        points = self.model.read(data, least=1)
        found = _scores(self.model, points, self._moved(points, np.full(len(points), ARTIFICIAL)))
        _warn_of_missing(found, "of the units evaluated ")
        return found

    def super_efficiency(self) -> Scores:
        """Hold each unit against the frontier of the others: how far a unit on the frontier is beyond them.

        References
        ----------
        Andersen & Petersen (1993), Manage Sci 39:1261-1264.
        """
        found = self._moved(self.goods, np.full(len(self.goods), ARTIFICIAL), others=True)
        return _scores(self.model, self.goods, found)

    def compare(
        self,
        *,
        contrast: Literal["difference", "ratio"] = "ratio",
        better: Better | None = "low",
    ) -> Comparison:
        """Return observed against best practice: a single input and what the frontier would need of it, else 1 and θ.

        Parameters
        ----------
        contrast : {'difference', 'ratio'}, default 'ratio'
            (O − E) / size, or O / E.
        better : {'low', 'high'} or None, default 'low'

        Returns
        -------
        Comparison
            Without uncertainty, which is withheld with a reason: a frontier is pushed out by chance as well as by
            practice, and the distance to it is too small for everyone.

        Raises
        ------
        SpecificationError
            Another orientation than 'input' or 'output'.
        """
        if self.model.orientation not in ("input", "output"):
            raise SpecificationError("compare needs an efficiency: orientation='input' or 'output'")
        k, single = len(self.goods), self.model.orientation == "input" and len(self.model.inputs) == 1
        observed = self.goods.inputs[:, 0].copy() if single else np.ones(k)
        expected = observed * self.efficiency
        size = np.ones(k) if self.model.size is None else self.goods.conditions[self.model.size].to_numpy(float)
        if not np.all(size > 0):
            raise DataError(f"size {self.model.size!r} must be positive")
        ratio = contrast == "ratio"
        with np.errstate(divide="ignore", invalid="ignore"):
            estimate = observed / expected if ratio else (observed - expected) / size
        none = np.full(k, np.nan)
        why = "best practice has no uncertainty of its own yet: chance pushes a frontier out"
        solved = self.status == "solved"
        return Comparison(
            unit=self.unit,
            size=size,
            observed=observed,
            expected=expected,
            estimate=estimate,
            lower=none,
            upper=none,
            noise=none,
            shared=np.zeros((k, 0)),
            core=np.zeros((0, 0)),
            null=1.0 if ratio else 0.0,
            null_std_error=none,
            df=np.full(k, np.inf),
            overlap=none,
            withheld=np.where(solved, why, [_WHY.get(s, "") for s in self.status]).astype(object),
            standard="indirect",
            contrast=contrast,
            reference="all",
            level=0.95,
            better=better,
            source=Source(
                model=repr(self.model),
                version=__version__,
                rows_read=self.goods.rows_read,
                rows_dropped=self.goods.rows_dropped,
                noise="nothing: a frontier's uncertainty is not known from one table without resampling",
                data=self.goods.source,
                simulated=self.goods.simulated,
            ),
        )

    def _moved(self, points: Goods, own: Codes, *, others: bool = False) -> Envelopment:
        """Move points to the frontier; ``others``: each without the unit of its own place."""
        model, technology = self.model, self.technology
        mask = reference_mask(
            points,
            self.goods,
            environment=model.environment,
            peers=model.peers,
            composition=model.composition,
            nearest=model.nearest,
        )
        if others:
            mask = _without_itself(mask)
        step = direction_of(model, points, self.goods)
        with one_blas_thread():
            frame = None
            if mask is None and len(self.goods) > _MANY:
                frame = frame_of(technology, direction=direction_of(model, self.goods, self.goods))
            return envelop(technology, points.inputs, points.outputs, step, own=own, allowed=mask, frame=frame)


def direction_of(model: DEA, points: Goods, reference: Goods) -> Floats:
    """Return by how much each point's inputs fall and outputs rise in a step, (k, m + s)."""
    m = len(model.inputs)
    step = points.goods.copy()
    if isinstance(model.direction, Mapping):
        step[:] = [model.direction.get(name, 0.0) for name in points.names]
    elif model.direction == "mean":
        step[:] = reference.goods.mean(axis=0)
    if model.orientation == "input":
        step[:, m:] = 0.0
    elif model.orientation == "output":
        step[:, :m] = 0.0
    step[:, [name in model.nondiscretionary for name in points.names]] = 0.0
    still = ~(step > 0).any(axis=1)
    if still.any():
        raise DataError(
            f"nothing moves for {listed(points.unit[still])}: the goods of the direction are all zero there"
        )
    return step


def _without_itself(mask: Allowed | None) -> Allowed:
    def allowed(some: Codes, low: int, high: int) -> NDArray[np.bool_]:
        others = some[:, None] != np.arange(low, high)
        return np.asarray(others if mask is None else others & mask(some, low, high))

    return allowed


def _scores(model: DEA, points: Goods, found: Envelopment) -> Scores:
    k = len(points)
    efficiency, expansion, inefficiency = (np.full(k, np.nan) for _ in range(3))
    if model.orientation == "input":
        efficiency = 1.0 - found.beta
    elif model.orientation == "output":
        expansion = 1.0 + found.beta
        efficiency = 1.0 / expansion
    else:
        inefficiency = found.beta
    status = np.array([_STATUS.get(int(s), "not solved") for s in found.status], dtype=object)
    return Scores(
        unit=points.unit, efficiency=efficiency, expansion=expansion, inefficiency=inefficiency, status=status
    )


def _warn_of_dimensions(goods: Goods) -> None:
    m, s = goods.inputs.shape[1], goods.outputs.shape[1]
    wanted = max(m * s, 3 * (m + s))
    if len(goods) < wanted:
        warnings.warn(
            f"{len(goods)} units are few for {m} inputs and {s} outputs (at least {wanted} are advised): most will "
            "look efficient, for want of anyone to be held against",
            BenchmodelsWarning,
            stacklevel=4,
        )


def _warn_of_missing(scores: Scores, which: str) -> None:
    lost = scores.status != "solved"
    if lost.any():
        reasons = "; ".join(dict.fromkeys(_WHY[s] for s in scores.status[lost]))
        warnings.warn(
            f"{int(lost.sum())} of {len(lost)} units {which}have no efficiency ({reasons}): "
            f"{listed(scores.unit[lost])}",
            PartialResultWarning,
            stacklevel=4,
        )
