"""Measures of slacks fitted: how inefficient each unit is, good by good."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np

from benchmodels.frontier.measures.tables import peers_table, slacks_table, status_in_words, targets_table
from benchmodels.frontier.scores import Scored, Scores, compared, read_only, warn_of_few, warn_of_missing
from benchmodels.kernels.shared_simplex import ARTIFICIAL, OPTIMAL
from benchmodels.kernels.technology import Technology, bounds_of
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison
    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.scores import Asked
    from benchmodels.kernels.additive import LargestSlacks
    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Returns

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Measured", "Measuring", "SlackFit", "fit_slacks"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """What a measure says of k points.

    Parameters
    ----------
    efficiency, expansion, inefficiency : (k,) arrays
        As in `Scores`; NaN where the measure has none.
    status : (k,) array of int
        As in `LargestSlacks`.
    found : LargestSlacks
        The slacks that make the measure, and the prices that prove them.
    gap : (k,) array
        By how much the measure can be off, by those prices, relative to what it is made of.
    """

    efficiency: Floats
    expansion: Floats
    inefficiency: Floats
    status: Codes
    found: LargestSlacks
    gap: Floats


class Measuring(Protocol):
    """What a model of slacks does with points."""

    @property
    def returns(self) -> Returns | tuple[float, float]:
        """Return returns to scale."""

    def allowed(self, points: Goods, reference: Goods) -> Allowed | None:
        """Return whom points may be held against."""

    def read(self, data: object, *, least: int = 2) -> Goods:
        """Return the goods of a table."""

    def measure(
        self, technology: Technology, points: Goods, reference: Goods, own: Codes, allowed: Allowed | None
    ) -> Measured:
        """Return the measure of points."""


def fit_slacks(model: Measuring, data: object) -> SlackFit:
    """Return what the models' ``fit`` documents."""
    goods = model.read(data)
    technology = Technology(goods.inputs, goods.outputs, bounds_of(model.returns))
    fit = SlackFit(model=model, goods=goods, technology=technology)
    warn_of_few(fit)
    warn_of_missing(fit.scores, "")
    return fit


@dataclass(frozen=True, eq=False, kw_only=True)
class SlackFit(Scored):
    """Units and the slacks that they could do without.

    Parameters
    ----------
    model : Additive, SlackBased or Russell
    goods : Goods
        k units.
    technology : Technology
    """

    model: Measuring  # type: ignore[assignment]
    goods: Goods
    technology: Technology

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is made anew on demand."""
        return {name: getattr(self, name) for name in ("model", "goods", "technology")}

    @cached_property
    def measured(self) -> Measured:
        """The measure of all units, with the slacks behind it and certificates."""
        own, allowed = np.arange(len(self.goods)), self.model.allowed(self.goods, self.goods)
        return self._measured(self.goods, own, allowed)

    def _measured(self, points: Goods, own: Codes, allowed: Allowed | None) -> Measured:
        with one_blas_thread():
            found = self.model.measure(self.technology, points, self.goods, own, allowed)
        read_only(found, found.found)
        return found

    @cached_property
    def scores(self) -> Scores:
        """Efficiency or inefficiency of each unit, and whether it was found."""
        return self._scored(self.goods, self.measured, self.model.allowed(self.goods, self.goods))

    def _scored(self, points: Goods, found: Measured, allowed: Allowed | None) -> Scores:
        return Scores(
            unit=points.unit,
            efficiency=found.efficiency,
            expansion=found.expansion,
            inefficiency=found.inefficiency,
            status=status_in_words(found.status, allowed, len(self.goods)),
        )

    @property
    def certificate(self) -> str:
        """What the solutions were checked by: the largest violation over all units, in words."""
        found, done = self.measured.found, self.measured.status == OPTIMAL
        kinds = (found.primal_residual, found.dual_residual, self.measured.gap)
        primal, dual, gap = (float(kind[done].max(initial=0.0)) for kind in kinds)
        return (
            f"{int(done.sum())} of {len(done)} programs solved, {int(found.cold.sum())} of them one by one; "
            f"largest violation of a row {primal:.1e}, of a price {dual:.1e}, largest gap {gap:.1e}"
        )

    def __repr__(self) -> str:
        best = int(np.sum(self.inefficiency[self.status == "solved"] < 1e-9))
        return f"SlackFit({len(self.goods)} units, {best} without slack that counts, {type(self.model).__name__})"

    def peers(self) -> pd.DataFrame:
        """Return whom each unit is held against, ``unit, peer, weight``: the weights make up the unit's target.

        One solution; where several have as large a sum of slacks, others would do as well.
        """
        return peers_table(self.unit, self.measured.found.peer, self.measured.found.weight)

    def targets(self) -> pd.DataFrame:
        """Return what each unit would use and make as its peers do: ``unit, good, part, value, target, slack``.

        The measure is unique and its slacks need not be. Slacks in goods that the measure does not count (outputs of an
        input orientation, goods that nobody can change) are those of the solution found, and no largest ones.
        """
        sign = np.where(np.arange(len(self.goods.names)) < self.goods.inputs.shape[1], -1.0, 1.0)
        slack = self.measured.found.slack
        return targets_table(self.goods, self.goods.goods + sign * slack, slack)

    def slacks(self) -> pd.DataFrame:
        """Return the slacks that make the measure: one row a unit, a column a good, in the data's units of measure."""
        return slacks_table(self.goods, self.measured.found.slack)

    def evaluate(self, data: object) -> Scores:
        """Hold other units against this frontier; they are no part of it.

        A unit beyond the frontier cannot be met without negative slacks, so it has no measure: its status is
        'infeasible', and a warning names it.

        Parameters
        ----------
        data : dataframe
            One row a unit, with the columns of the model.
        """
        points = self.model.read(data, least=1)
        allowed = self.model.allowed(points, self.goods)
        found = self._measured(points, np.full(len(points), ARTIFICIAL), allowed)
        scores = self._scored(points, found, allowed)
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
        return compared(cast("Asked", self.model), self.goods, self.scores, contrast=contrast, better=better)
