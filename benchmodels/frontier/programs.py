"""The programs behind a frontier model: points, where they move, whom they may have as peers, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError
from benchmodels.frontier.scores import Scores, read_only, share_made
from benchmodels.frontier.weights import restricted
from benchmodels.kernels.envelopment import Envelopment, envelop, frame_of
from benchmodels.kernels.faces import SecondPhase, second_phase
from benchmodels.kernels.graph import graph_efficiency
from benchmodels.kernels.multipliers import PriceRanges, price_ranges
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, STALLED, UNBOUNDED
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.models import DEA
    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Programs", "direction_of", "solved"]

# Units above which it pays to find the frame first.
_MANY = 2500
_STATUS = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}
# Of a target's inputs, relative to the point's: rounding, and not below zero.
_ZERO = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Programs:
    """k points held against a technology.

    Parameters
    ----------
    model : DEA
    technology : Technology
        With the trade-offs of weight restrictions.
    points, reference : Goods
    inputs, outputs, direction : arrays (k, m), (k, s), (k, m + s)
        Where the programs start, and one step: the points' own goods, but for the graph measure the projection.
    own : (k,) array of int; allowed : callable or None; frame : array of int or None
        As for `envelop`.
    found : Envelopment
    status : (k,) array of int
        Of the measure that is asked for: that of ``found``, but for the graph measure, which is more than one program.
    efficiency : (k,) array
        Of the graph measure; else NaN.
    nothing : (k,) array of bool
        Weight restrictions make something of nothing for the point, which has no answer then.
    """

    model: DEA
    technology: Technology
    points: Goods
    reference: Goods
    inputs: Floats
    outputs: Floats
    direction: Floats
    own: Codes
    allowed: Allowed | None
    frame: Codes | None
    found: Envelopment
    status: Codes
    efficiency: Floats
    nothing: NDArray[np.bool_]

    def __post_init__(self) -> None:
        read_only(self, self.found)

    def scores(self) -> Scores:
        """Return the distances in the measure that is asked for."""
        beta, none = self.found.beta, np.full(len(self.points), np.nan)
        efficiency, expansion, inefficiency = none, none, none
        if self.model.orientation == "input":
            efficiency = 1.0 - beta
        elif self.model.orientation == "output":
            expansion = 1.0 + beta
            efficiency = share_made(expansion)
        elif self.model.orientation == "graph":
            efficiency = self.efficiency
            expansion = 1.0 / efficiency
        else:
            inefficiency = beta
        return Scores(
            unit=self.points.unit,
            efficiency=efficiency,
            expansion=expansion,
            inefficiency=inefficiency,
            status=self._told(),
        )

    def _told(self) -> NDArray[np.object_]:
        """Return the status of each point (k,) in words."""
        told = np.array([_STATUS.get(int(s), "not solved") for s in self.status], dtype=object)
        lost = np.flatnonzero(self.status == INFEASIBLE)
        if self.allowed is not None and len(lost):
            told[lost[~self.allowed(lost, 0, len(self.reference)).any(axis=1)]] = "alone"
        told[self.nothing] = "contradictory"
        return told

    def projected(self) -> Floats:
        """Return the goods (k, m + s) at the frontier, before slacks."""
        sign = np.where(np.arange(self.direction.shape[1]) < self.inputs.shape[1], -1.0, 1.0)
        goods = np.concatenate([self.inputs, self.outputs], axis=1)
        return np.asarray(goods + sign * self.found.beta[:, None] * self.direction)

    def second_phase(self) -> SecondPhase:
        """Return the largest slacks at the frontier, and the peers there.

        Slacks are in units of the mean good; where the model does not depend on where zero is, of the good's range.
        With weight restrictions the largest slacks may leave less than nothing of an input: such a target is withheld
        (Podinovski 2007, Eur J Oper Res 181:586-591).
        """
        weights = 1.0 / _spread(self.reference) if self.model.signed else None
        with one_blas_thread():
            found = second_phase(
                self.technology, self.inputs, self.outputs, self.direction, self.found,
                own=self.own, allowed=self.allowed, frame=self.frame, weights=weights,
            )  # fmt: skip
        if self.technology.moves is not None and not self.model.signed:
            m = self.inputs.shape[1]
            left = self.projected()[:, :m] - found.slack[:, :m]
            below = np.asarray((left < -_ZERO * (np.abs(self.inputs) + self.technology.scale[:m])).any(axis=1))
            found = _withheld(found, below)
        return found

    def price_ranges(self) -> PriceRanges:
        """Return the ends of each price over all that are optimal."""
        with one_blas_thread():
            return price_ranges(
                self.technology, self.inputs, self.outputs, self.direction, self.found,
                own=self.own, allowed=self.allowed, frame=self.frame,
            )  # fmt: skip


def solved(
    model: DEA, technology: Technology, points: Goods, reference: Goods, own: Codes, *, others: bool = False
) -> Programs:
    """Move points to the frontier of the reference units; ``others``: each without the unit of its own place."""
    allowed, nothing = model.allowed(points, reference), np.zeros(len(points), dtype=np.bool_)
    if others:
        allowed = _without_itself(allowed)
    if model.weights is not None:
        with one_blas_thread():
            found_with = restricted(model.weights, technology, points, allowed)
        technology, allowed, nothing = found_with.technology, found_with.allowed, found_with.nothing
    step = direction_of(model, points, reference)
    inputs, outputs, efficiency = points.inputs, points.outputs, np.full(len(points), np.nan)
    with one_blas_thread():
        frame = None
        if allowed is None and len(reference) > _MANY:
            frame = frame_of(technology, direction=direction_of(model, reference, reference))
        if model.orientation == "graph":
            graph = graph_efficiency(technology, inputs, outputs, own=own, allowed=allowed, frame=frame)
            found, status, efficiency = graph.last, graph.status, graph.efficiency
            known = np.where(np.isfinite(efficiency), efficiency, 1.0)[:, None]
            inputs, outputs = inputs * known, outputs / known
            step = np.concatenate([inputs, outputs], axis=1)
        else:
            found = envelop(technology, inputs, outputs, step, own=own, allowed=allowed, frame=frame)
            status = found.status
    found.status[nothing], found.beta[nothing] = STALLED, np.nan
    status, efficiency = np.where(nothing, STALLED, status), np.where(nothing, np.nan, efficiency)
    return Programs(
        model=model,
        technology=technology,
        points=points,
        reference=reference,
        inputs=inputs,
        outputs=outputs,
        direction=step,
        own=own,
        allowed=allowed,
        frame=frame,
        found=found,
        status=status,
        efficiency=efficiency,
        nothing=nothing,
    )


def _withheld(found: SecondPhase, lost: NDArray[np.bool_]) -> SecondPhase:
    """Take slacks and peers of some points (k,) back."""
    count = np.diff(found.first)
    kept = np.where(lost, 0, count)
    return SecondPhase(
        slack=np.where(lost[:, None], np.nan, found.slack),
        peer=np.where(lost[:, None], -1, found.peer),
        weight=np.where(lost[:, None], 0.0, found.weight),
        first=np.append(0, np.cumsum(kept)),
        possible=found.possible[~np.repeat(lost, count)],
        unique=found.unique & ~lost,
        status=np.where(lost, STALLED, found.status),
        residual=found.residual,
    )


def direction_of(model: DEA, points: Goods, reference: Goods) -> Floats:
    """Return by how much each point's inputs fall and outputs rise in a step, (k, m + s)."""
    m = len(model.inputs)
    step = points.goods.copy()
    if isinstance(model.direction, Mapping):
        step[:] = [model.direction.get(name, 0.0) for name in points.names]
    elif model.direction == "mean":
        step[:] = reference.goods.mean(axis=0)
    elif model.direction == "range":
        least, most = reference.inputs.min(axis=0), reference.outputs.max(axis=0)
        step[:] = np.maximum(np.concatenate([points.inputs - least, most - points.outputs], axis=1), 0.0)
    if model.orientation == "input":
        step[:, m:] = 0.0
    elif model.orientation == "output":
        step[:, :m] = 0.0
    step[:, [name in model.nondiscretionary for name in points.names]] = 0.0
    still = ~(step > 0).any(axis=1)
    if still.any() and model.direction == "range":
        # The best in everything that moves has no way to go; along the whole range its distance is zero.
        step[still] = _spread(reference)
        step[:, [name in model.nondiscretionary for name in points.names]] = 0.0
    elif still.any():
        raise DataError(f"nothing moves for {listed(points.unit[still])}: all goods of the direction are zero there")
    return step


def _spread(reference: Goods) -> Floats:
    """Return how far apart units are in each good (m + s,), which does not depend on where zero is."""
    spread = np.ptp(reference.goods, axis=0)
    return np.where(spread > 0, spread, 1.0)


def _without_itself(mask: Allowed | None) -> Allowed:
    def allowed(some: Codes, low: int, high: int) -> NDArray[np.bool_]:
        others = some[:, None] != np.arange(low, high)
        return np.asarray(others if mask is None else others & mask(some, low, high))

    return allowed
