"""Best practice at prices, fitted: the gap in money, and what of it is waste and what is mix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier.goods import Goods
from benchmodels.frontier.models import DEA
from benchmodels.frontier.programs import solved
from benchmodels.frontier.scores import Scored, Scores, compared, share_made, warn_of_few, warn_of_missing
from benchmodels.kernels import free_disposal
from benchmodels.kernels.priced import Priced, best_profit, best_value, best_value_by_units
from benchmodels.kernels.scaled_units import score_by_scaled_units
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.kernels.technology import Technology, bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison
    from benchmodels.frontier.economics import models

    Floats = NDArray[np.float64]

__all__ = ["EconomicFit", "fit_economic"]

# Of a unit's largest weight, below which a peer is one by rounding alone.
_PART = 1e-9
_STATUS = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}


def fit_economic(model: models.Priced, goods: Goods) -> EconomicFit:
    """Return what the models' ``fit`` documents."""
    fit = EconomicFit(model=model, goods=goods, prices=model.prices_of(goods))
    nothing = ~(fit.observed > 0)
    if model.side != "both" and nothing.any():
        what = "uses none of the inputs that have" if model.side == "input" else "makes none of the outputs that have"
        raise DataError(
            f"a unit that {what} a price ({listed(list(model.prices))}) has nothing to be a share of; leave it out, or "
            f"price more goods: {listed(goods.unit[nothing])}"
        )
    warn_of_few(fit)
    warn_of_missing(fit.scores, "")
    return fit


@dataclass(frozen=True, eq=False, kw_only=True)
class EconomicFit(Scored):
    """Units held against the best that their own prices allow.

    Parameters
    ----------
    model : CostEfficiency, RevenueEfficiency or ProfitEfficiency
    goods : Goods
        k units.
    prices : (k, m + s) array
        NaN of goods without one.
    """

    model: models.Priced
    goods: Goods
    prices: Floats

    def __post_init__(self) -> None:
        self.prices.setflags(write=False)

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is made anew on demand."""
        return {name: getattr(self, name) for name in ("model", "goods", "prices")}

    def __repr__(self) -> str:
        count = int(np.sum(self.status == "solved"))
        return f"EconomicFit({len(self.goods)} units, {count} solved, {type(self.model).__name__})"

    @property
    def _priced(self) -> NDArray[np.bool_]:
        return np.asarray([name in self.model.prices for name in self.goods.names])

    @cached_property
    def observed(self) -> Floats:
        """What each unit's goods cost, fetch, or yield (k,), in the money of its prices."""
        m = len(self.model.inputs)
        sign = -1.0 if self.model.side == "both" else 1.0
        value = np.where(self._priced, self.prices * self.goods.goods, 0.0)
        value[:, :m] *= sign
        return np.asarray(value.sum(axis=1))

    @cached_property
    def optimal(self) -> Floats:
        """The least cost, or the largest revenue or profit (k,); NaN without one."""
        if self.model.side == "both":
            return self._best[0]
        return np.asarray(self.observed * self._best[1].ratio)

    @cached_property
    def _best(self) -> tuple[Floats, Priced]:
        goods, bounds = self.goods, bounds_of(self.model.returns)
        allowed = self.model.allowed(goods, goods)
        if self.model.side == "both":
            return best_profit(goods.inputs, goods.outputs, self.prices, bounds=bounds, allowed=allowed)
        find = best_value if self.model.convex else best_value_by_units
        with one_blas_thread():
            found = find(
                goods.inputs,
                goods.outputs,
                self.prices,
                self._priced,
                side=self.model.side,
                bounds=bounds,
                allowed=allowed,
            )
        return found.ratio, found

    @cached_property
    def scores(self) -> Scores:
        """Efficiency in cost or revenue, or inefficiency in profit, of each unit, and whether it was found."""
        found, none = self._best[1], np.full(len(self.goods), np.nan)
        efficiency, expansion, inefficiency = none, none, none
        if self.model.side == "input":
            efficiency = found.ratio
        elif self.model.side == "output":
            expansion = found.ratio
            efficiency = share_made(expansion)
        else:
            inefficiency = (self.optimal - self.observed) / np.sum(self.prices * self.goods.goods, axis=1)
        told = [_STATUS.get(int(s), "not solved") for s in found.status]
        return Scores(
            unit=self.unit, efficiency=efficiency, expansion=expansion, inefficiency=inefficiency,
            status=np.array(told, dtype=object),
        )  # fmt: skip

    @cached_property
    def technical(self) -> Floats:
        """Efficiency without prices (k,): all goods that have one in proportion; of profit the directional measure."""
        model, goods = self.model, self.goods
        if not model.convex:
            return self._technical_by_units()
        still = [name for name, priced in zip(goods.names, self._priced, strict=True) if not priced]
        side = set(model.inputs if model.side == "input" else model.outputs if model.side == "output" else goods.names)
        without_prices = DEA(
            inputs=model.inputs, outputs=model.outputs, unit=model.unit, environment=model.environment,
            composition=model.composition, nearest=model.nearest, peers=model.peers, returns=model.returns,
            orientation=cast(Literal["input", "output", "directional"], model.orientation),
            nondiscretionary=[name for name in still if name in side],
        )  # fmt: skip
        technology = Technology(goods.inputs, goods.outputs, bounds_of(model.returns))
        scores = solved(without_prices, technology, goods, goods, np.arange(len(goods))).scores()
        return scores.inefficiency if model.side == "both" else scores.efficiency

    def _technical_by_units(self) -> Floats:
        plain = free_disposal.Goods(self.goods.inputs, self.goods.outputs)
        allowed = self.model.allowed(self.goods, self.goods)
        if self.model.side == "both":
            return free_disposal.score_by_units(
                plain, plain, measure="directional", direction=self.goods.goods.copy(), allowed=allowed
            ).score
        found = score_by_scaled_units(
            plain, plain, measure=self.model.side, bounds=bounds_of(self.model.returns), allowed=allowed
        ).score
        return found if self.model.side == "input" else share_made(found)

    def decomposition(self) -> pd.DataFrame:
        """Return the gap and its two parts, one row a unit.

        Columns ``unit, observed, optimal`` in the money of the prices; ``efficiency, technical, allocative``, whose
        product holds (of profit ``inefficiency`` and its two parts, which add up); ``status``.
        """
        efficiency = self.inefficiency if self.model.side == "both" else self.efficiency
        with np.errstate(divide="ignore", invalid="ignore"):
            allocative = efficiency - self.technical if self.model.side == "both" else efficiency / self.technical
        name = "inefficiency" if self.model.side == "both" else "efficiency"
        return pd.DataFrame(
            {
                "unit": self.unit,
                "observed": self.observed,
                "optimal": self.optimal,
                name: efficiency,
                "technical": self.technical,
                "allocative": allocative,
                "status": self.status,
            }
        ).infer_objects()

    def optimum(self) -> pd.DataFrame:
        """Return the best plan at each unit's prices, one row a unit and good.

        Columns ``unit, good, part`` ('input' or 'output'), ``value, optimal, price``. One of many plans where several
        are worth the same. Of goods that are not chosen, what the plan makes or uses, which is no worse.
        """
        k, width = self.goods.goods.shape
        part = np.where(np.arange(width) < len(self.model.inputs), "input", "output").astype(object)
        return pd.DataFrame(
            {
                "unit": np.repeat(self.unit, width),
                "good": np.tile(np.array(self.goods.names, dtype=object), k),
                "part": np.tile(part, k),
                "value": self.goods.goods.ravel(),
                "optimal": self._best[1].goods.ravel(),
                "price": self.prices.ravel(),
            }
        ).infer_objects()

    def peers(self) -> pd.DataFrame:
        """Return the units that the best plan is made of, ``unit, peer, weight``, the largest weight first.

        A weight that is rounding beside the unit's largest is none.
        """
        found = self._best[1]
        largest = np.zeros(len(self.goods))
        np.maximum.at(largest, found.unit, found.weight)
        order = np.lexsort((-found.weight, found.unit))
        order = order[found.weight[order] > _PART * largest[found.unit[order]]]
        frame = {
            "unit": self.unit[found.unit[order]],
            "peer": self.unit[found.peer[order]],
            "weight": found.weight[order],
        }
        return pd.DataFrame(frame).infer_objects()

    @property
    def certificate(self) -> str:
        """What the solutions were checked by, in words."""
        done = self._best[1].status == OPTIMAL
        worst = float(self._best[1].residual[done].max(initial=0.0))
        return f"{int(done.sum())} of {len(done)} solved; largest violation of a row or price, or gap, {worst:.1e}"

    def compare(
        self, *, contrast: Literal["difference", "ratio"] = "ratio", better: Better | None = "low"
    ) -> Comparison:
        """Return observed against least cost; of revenue 1 against its efficiency.

        As `benchmodels.frontier.DEAFit.compare`; the uncertainty is withheld with a reason.

        Raises
        ------
        SpecificationError
            Of profit, which may be below zero.
        """
        if self.model.side == "both":
            raise SpecificationError("compare needs a cost or a revenue: a profit may be zero or less")
        goods = self.goods
        if self.model.side == "input":
            goods = replace(goods, inputs=self.observed[:, None].copy(), names=("cost", *self.model.outputs))
        return compared(_Asked(self.model), goods, self.scores, contrast=contrast, better=better)


@dataclass(frozen=True)
class _Asked:
    """The model as `compared` asks for it: one good, its value."""

    model: models.Priced

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("cost",)

    @property
    def orientation(self) -> str:
        return self.model.orientation

    @property
    def size(self) -> str | None:
        return self.model.size

    def __repr__(self) -> str:
        return repr(self.model)
