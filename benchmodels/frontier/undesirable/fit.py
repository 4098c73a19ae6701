"""A frontier with undesirable outputs fitted: distances, peers with what they give up, and prices of either sign."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, PartialResultWarning
from benchmodels.frontier.scores import (
    Scored,
    Scores,
    compared,
    read_only,
    share_made,
    warn_of_few,
    warn_of_missing,
)
from benchmodels.kernels.envelopment import Envelopment, envelop
from benchmodels.kernels.faces import SecondPhase, second_phase
from benchmodels.kernels.multipliers import PriceRanges, price_ranges
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.kernels.technology import Technology, bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison
    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.undesirable.model import UndesirableDEA
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["UndesirableFit", "fit_undesirable"]

_STATUS = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}


def fit_undesirable(model: UndesirableDEA, goods: Goods) -> UndesirableFit:
    """Return what `UndesirableDEA.fit` documents."""
    fit = UndesirableFit(model=model, goods=goods, technology=technology_of(model, goods))
    warn_of_few(fit)
    warn_of_missing(fit.scores, "")
    return fit


def technology_of(model: UndesirableDEA, goods: Goods) -> Technology:
    """Return the technology: n units, and where giving up an activity takes one, behind them each unit given up.

    Where Σ (z + w) has no lower bound a unit that is given up is no more than one that is not there.
    """
    bounds, bads = bounds_of(model.returns), _bads(model)
    if model.disposability == "input":
        return Technology(goods.inputs, goods.outputs, bounds)
    inputs, outputs = goods.inputs, goods.outputs
    if bounds[0] > 0:
        inputs = np.concatenate([inputs, np.where(bads[: inputs.shape[1]], 0.0, inputs)])
        outputs = np.concatenate([outputs, np.zeros_like(outputs)])
    return Technology(inputs, outputs, bounds, strict=bads)


def _bads(model: UndesirableDEA) -> NDArray[np.bool_]:
    m, b, s = len(model.inputs), len(model.undesirable), len(model.outputs)
    return np.repeat([False, True, False], [m, b, s])


@dataclass(frozen=True, eq=False, kw_only=True)
class UndesirableFit(Scored):
    """Units held against the frontier of all of them, where bads cannot be thrown away for nothing.

    Parameters
    ----------
    model : UndesirableDEA
    goods : Goods
        k units; their inputs are the inputs and then the bads.
    technology : Technology
        Of k columns, or of 2 k: behind the units each of them given up.
    """

    model: UndesirableDEA
    goods: Goods
    technology: Technology

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is made anew on demand: it holds functions, which cannot be written down."""
        return {name: getattr(self, name) for name in ("model", "goods", "technology")}

    @cached_property
    def _step(self) -> Floats:
        return _direction(self.model, self.goods, self.goods)

    @cached_property
    def _allowed(self) -> Allowed | None:
        return _twice(self.model.allowed(self.goods, self.goods), len(self.goods))

    @cached_property
    def found(self) -> Envelopment:
        """Solutions of all units, with certificates; goods are inputs, bads, outputs."""
        with one_blas_thread():
            found = envelop(
                self.technology, self.goods.inputs, self.goods.outputs, self._step,
                own=np.arange(len(self.goods)), allowed=self._allowed,
            )  # fmt: skip
        read_only(found)
        return found

    @cached_property
    def scores(self) -> Scores:
        """Efficiency, expansion or inefficiency of each unit, and whether it was found."""
        return _scores(self.model, self.goods, self.found, self._allowed, len(self.goods))

    @cached_property
    def second_phase(self) -> SecondPhase:
        """Slacks of inputs and outputs left at the frontier, and the peers there; warns of those not found."""
        with one_blas_thread():
            found = second_phase(
                self.technology, self.goods.inputs, self.goods.outputs, self._step, self.found,
                own=np.arange(len(self.goods)), allowed=self._allowed, weights=1.0 / self.goods.goods.mean(axis=0),
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
        apart = self.inefficiency if self.model.orientation == "directional" else 1.0 - self.efficiency
        best = int(np.sum(np.abs(apart[self.status == "solved"]) < 1e-9))
        asked = f"orientation={self.model.orientation!r}, disposability={self.model.disposability!r}"
        return f"UndesirableFit({len(self.goods)} units, {best} on the frontier, {asked})"

    def peers(self) -> pd.DataFrame:
        """Return whom each unit is held against, the largest weight first: ``unit, peer, weight, given_up, unique``.

        ``weight`` is how much of the peer's activity there is (z + w), and ``given_up`` which share of that is given up
        to abate, w / (z + w): none of its outputs and bads come of it, though its inputs are used.
        """
        found, k = self.second_phase, len(self.goods)
        unit, place = np.nonzero((found.peer >= 0) & (found.weight > 0))
        peer, weight = found.peer[unit, place], found.weight[unit, place]
        frame = pd.DataFrame({"unit": unit, "peer": peer % k, "weight": weight, "up": weight * (peer >= k)})
        frame = frame.groupby(["unit", "peer"], as_index=False).sum()
        frame = frame.sort_values(["unit", "weight"], ascending=[True, False], kind="stable", ignore_index=True)
        at = frame["unit"].to_numpy()
        return pd.DataFrame(
            {
                "unit": self.unit[at],
                "peer": self.unit[frame["peer"].to_numpy()],
                "weight": frame["weight"],
                "given_up": frame["up"] / frame["weight"],
                "unique": found.unique[at],
            }
        ).infer_objects()

    def targets(self) -> pd.DataFrame:
        """Return what each unit would use and make as its peers do, one row a unit and good.

        Columns ``unit, good, part`` ('input', 'undesirable' or 'output'), ``value, target, slack``, as in
        `DEAFit.targets`; under weak disposability bads have no slack.
        """
        width, both = self.goods.goods.shape[1], len(self.model.inputs) + len(self.model.undesirable)
        sign = np.where(np.arange(width) < both, -1.0, 1.0)
        slack = self.second_phase.slack
        moved = self.goods.goods + sign * (self.found.beta[:, None] * self._step + slack)
        values = {"value": self.goods.goods, "target": moved, "slack": slack}
        return self._by_good().assign(**{name: value.ravel() for name, value in values.items()})

    def _by_good(self) -> pd.DataFrame:
        k, width = self.goods.goods.shape
        m, b = len(self.model.inputs), len(self.model.undesirable)
        parts = np.repeat(np.array(["input", "undesirable", "output"], dtype=object), [m, b, width - m - b])
        return pd.DataFrame(
            {
                "unit": np.repeat(self.unit, width),
                "good": np.tile(np.array(self.goods.names, dtype=object), k),
                "part": np.tile(parts, k),
            }
        ).infer_objects()

    @cached_property
    def _price_ranges(self) -> PriceRanges:
        with one_blas_thread():
            found = price_ranges(
                self.technology, self.goods.inputs, self.goods.outputs, self._step, self.found,
                own=np.arange(len(self.goods)), allowed=self._allowed,
            )  # fmt: skip
        lost = np.isnan(np.concatenate([found.lower, found.upper], axis=1)).any(axis=1) & (self.found.status == OPTIMAL)
        if lost.any():
            warnings.warn(
                f"the ends of some prices of {int(lost.sum())} of {len(lost)} units were not found: "
                f"{listed(self.unit[lost])}",
                PartialResultWarning,
                stacklevel=4,
            )
        return found

    def multipliers(self) -> pd.DataFrame:
        """Return the shadow price of each good, with its ends over all that are optimal.

        One row a unit and good, ``unit, good, part, price, lower, upper``: per unit of measure, where the direction has
        the value 1. The price of a bad over that of an output is how much of the output less of the bad costs at the
        frontier; below zero it costs nothing and the unit is dirtier than any use of it (see `UndesirableDEA`).
        """
        ends = self._price_ranges
        values = {"price": self.found.price, "lower": ends.lower, "upper": ends.upper}
        return self._by_good().assign(**{name: value.ravel() for name, value in values.items()})

    def evaluate(self, data: object) -> Scores:
        """Hold other units against this frontier; they are no part of it.

        Parameters
        ----------
        data : dataframe
            One row a unit, with the columns of the model.
        """
        points = self.model.read(data, least=1)
        allowed = _twice(self.model.allowed(points, self.goods), len(self.goods))
        step = _direction(self.model, points, self.goods)
        with one_blas_thread():
            found = envelop(
                self.technology, points.inputs, points.outputs, step,
                own=np.full(len(points), ARTIFICIAL), allowed=allowed,
            )  # fmt: skip
        scores = _scores(self.model, points, found, allowed, len(self.goods))
        warn_of_missing(scores, "of the units evaluated ")
        return scores

    def compare(
        self, *, contrast: Literal["difference", "ratio"] = "ratio", better: Better | None = "low"
    ) -> Comparison:
        """Return observed against best practice: a single bad (or input) and what the best would have, else 1 and θ.

        Parameters
        ----------
        contrast : {'difference', 'ratio'}, default 'ratio'
            (O − E) / size, or O / E.
        better : {'low', 'high'} or None, default 'low'

        Returns
        -------
        Comparison
            Without uncertainty, and with the reason.

        Raises
        ------
        SpecificationError
            The directional measure.
        """
        if self.model.orientation != "undesirable":
            return compared(self.model, self.goods, self.scores, contrast=contrast, better=better)
        m, asked = len(self.model.inputs), _AsInputs(self.model.undesirable, "input", self.model.size)
        goods = replace(self.goods, inputs=self.goods.inputs[:, m:].copy(), names=self.goods.names[m:])
        found = compared(asked, goods, self.scores, contrast=contrast, better=better)
        return replace(found, source=replace(found.source, model=repr(self.model)))


class _AsInputs(NamedTuple):
    """Bads as what is compared: observed, and what the best would have of them."""

    inputs: Sequence[str]
    orientation: str
    size: str | None


def _direction(model: UndesirableDEA, points: Goods, reference: Goods) -> Floats:
    """Return by how much each point's inputs and bads fall and outputs rise in a step, (k, m + b + s)."""
    step, m, b = points.goods.copy(), len(model.inputs), len(model.undesirable)
    part = np.repeat(["input", "undesirable", "output"], [m, b, step.shape[1] - m - b])
    if isinstance(model.direction, Mapping):
        step[:] = [model.direction.get(name, 0.0) for name in points.names]
    else:
        if model.direction == "mean":
            step[:] = reference.goods.mean(axis=0)
        moving = ["undesirable", "output"] if model.orientation == "directional" else [model.orientation]
        step[:, ~np.isin(part, moving)] = 0.0
    still = ~step.any(axis=1)
    if still.any():
        raise DataError(f"nothing moves for {listed(points.unit[still])}: all goods of the direction are zero there")
    return step


def _scores(model: UndesirableDEA, points: Goods, found: Envelopment, allowed: Allowed | None, units: int) -> Scores:
    beta, none = found.beta, np.full(len(points), np.nan)
    efficiency, expansion, inefficiency = none, none, none
    if model.orientation == "directional":
        inefficiency = beta
    elif model.orientation == "output":
        expansion = 1.0 + beta
        efficiency = share_made(expansion)
    else:
        efficiency = 1.0 - beta
    status = np.array([_STATUS.get(int(s), "not solved") for s in found.status], dtype=object)
    lost = np.flatnonzero(found.status == INFEASIBLE)
    if allowed is not None and len(lost):
        status[lost[~allowed(lost, 0, units).any(axis=1)]] = "alone"
    return Scores(
        unit=points.unit, efficiency=efficiency, expansion=expansion, inefficiency=inefficiency, status=status
    )


def _twice(allowed: Allowed | None, n: int) -> Allowed | None:
    """Return a mask of units for columns of units and, behind them, of units given up."""
    if allowed is None:
        return None

    def both(some: Codes, low: int, high: int) -> NDArray[np.bool_]:
        return np.asarray(allowed(some, 0, n)[:, np.arange(low, high) % n])

    return both
