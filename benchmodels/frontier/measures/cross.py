"""Cross-efficiency: every unit rated at the prices that show each of the others at its best."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.model import FrontierModel
from benchmodels.frontier.scores import Scored, Scores, read_only, warn_of_few, warn_of_missing
from benchmodels.kernels.cross_prices import CrossPrices, cross_prices
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.shared_simplex import OPTIMAL
from benchmodels.kernels.technology import Returns, Technology, bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods

    Floats = NDArray[np.float64]

__all__ = ["CrossEfficiency", "CrossFit"]


@dataclass(frozen=True, kw_only=True)
class CrossEfficiency(FrontierModel):
    """Cross-efficiency: the mean of how a unit does at the prices that show each unit at its best.

    A unit that is efficient only at prices of its own choosing (nothing for what it does badly) does badly here.

    Parameters
    ----------
    inputs, outputs, unit, size, missing
        As in `benchmodels.frontier.DEA`; ``environment``, ``composition`` and ``peers`` are refused: every unit rates
        every other.
    returns : 'crs'
        Constant. Under variable returns a unit's best prices come with a constant that may make what others produce
        worth less than nothing, so that their cross-efficiencies come out negative without bound, and depend on where
        prices happen to end; the known corrections change the question (Wu, Liang and Chen 2009 add that no unit may
        come out negative; Lim and Zhu 2015 move the origin for each rater). So these are refused.
    goal : {'benevolent', 'aggressive'}, default 'benevolent'
        Of all prices that show the rater at its best, those that show all others together as well, or as badly, as
        can be. Without a second goal the answer would be whichever prices a solver ends with.
    surrogate : {'ratio', 'difference'}, default 'ratio'
        What is meant by all others together: the ratio of their outputs to their inputs at these prices, or the
        difference, in units of the rater's inputs.

    Raises
    ------
    SpecificationError
        Other returns; conditions; options that cannot be meant.

    Notes
    -----
    ``efficiency`` is the mean over all raters, the unit itself among them. The second goal is about the others
    together: where several prices meet it as well, single cells of the matrix are one of several, and `CrossFit.raters`
    says whose prices are unique. A rater without such prices (one that uses nothing of some input can give the others
    any inefficiency at no cost) is left out of all means, counted and named.

    References
    ----------
    Sexton, Silkman, Hogan (1986), New Directions for Program Evaluation 32:73-105. Doyle, Green (1994), J Oper Res Soc
    45:567-578 (goals, maverick index). Wu, Liang, Chen (2009), Omega 37:909-918. Lim, Zhu (2015), J Oper Res Soc
    66:476-487 (variable returns).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("ABCDEF"), "cost": [20.0, 40, 40, 60, 70, 50],
    ...     "persons": [20.0, 30, 50, 40, 60, 20]})
    >>> CrossEfficiency(inputs=["cost"], outputs=["persons"], unit="unit").fit(table).efficiency.round(4).tolist()
    [0.8, 0.6, 1.0, 0.5333, 0.6857, 0.32]
    """

    returns: Returns | tuple[float, float] = "crs"
    goal: Literal["benevolent", "aggressive"] = "benevolent"
    surrogate: Literal["ratio", "difference"] = "ratio"

    def __post_init__(self) -> None:
        super().__post_init__()
        if bounds_of(self.returns) != bounds_of("crs"):
            raise SpecificationError(
                f"returns={self.returns!r}; cross-efficiency is offered for 'crs': under other returns a rater's "
                "prices come with a constant that lets others come out negative without bound"
            )
        if self.goal not in ("benevolent", "aggressive"):
            raise SpecificationError(
                f"goal={self.goal!r}; allowed are 'benevolent', 'aggressive': without a goal the answer would be "
                "whichever prices a solver ends with"
            )
        if self.surrogate not in ("ratio", "difference"):
            raise SpecificationError(f"surrogate={self.surrogate!r}; allowed are 'ratio', 'difference'")
        if self.environment or self.composition or self.nearest is not None or self.peers is not None:
            raise SpecificationError(
                "environment, composition and peers have no meaning here: every unit rates every other; fit those that "
                "may be compared"
            )

    def fit(self, data: object) -> CrossFit:
        """Let every unit rate all.

        Parameters
        ----------
        data : dataframe
            One row a unit, with the columns of the model.

        Raises
        ------
        SpecificationError, DataError
            As `benchmodels.frontier.DEA.fit`.

        Warns
        -----
        PartialResultWarning
            Raters without prices.
        """
        goods = self.read(data)
        fit = CrossFit(
            model=self, goods=goods, technology=Technology(goods.inputs, goods.outputs, bounds_of(self.returns))
        )
        _warn(fit)
        return fit


def _warn(fit: CrossFit) -> None:
    warn_of_few(fit)
    warn_of_missing(fit.scores, "")
    lost = fit.prices.status != OPTIMAL
    if lost.any():
        warnings.warn(
            f"{int(lost.sum())} of {len(lost)} units have no prices that meet the second goal, and rate nobody: "
            f"{listed(fit.unit[lost])}",
            PartialResultWarning,
            stacklevel=3,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossFit(Scored):
    """Units as all rate them.

    Parameters
    ----------
    model : CrossEfficiency
    goods : Goods
        k units.
    technology : Technology
    """

    model: CrossEfficiency
    goods: Goods
    technology: Technology

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is made anew on demand."""
        return {name: getattr(self, name) for name in ("model", "goods", "technology")}

    @cached_property
    def own(self) -> Floats:
        """Each unit's efficiency at its own best prices (k,): the radial input measure under constant returns."""
        direction = np.concatenate([self.goods.inputs, np.zeros_like(self.goods.outputs)], axis=1)
        with one_blas_thread():
            found = envelop(
                self.technology, self.goods.inputs, self.goods.outputs, direction, own=np.arange(len(self.goods))
            )
        own: Floats = np.where(found.status == OPTIMAL, 1.0 - found.beta, np.nan)
        own.setflags(write=False)
        return own

    @cached_property
    def prices(self) -> CrossPrices:
        """The prices of each rater, and how they were checked."""
        with one_blas_thread():
            found = cross_prices(self.technology, self.own, goal=self.model.goal, surrogate=self.model.surrogate)
        read_only(found)
        return found

    @cached_property
    def ratings(self) -> Floats:
        """How each rater (row) sees each unit (column), (k, k); NaN in the rows of raters without prices."""
        m, price = len(self.model.inputs), self.prices.price
        made, used = price[:, m:] @ self.goods.outputs.T, price[:, :m] @ self.goods.inputs.T
        # At prices that are zero for all that a unit uses and makes it has no rating.
        ratings: Floats = np.divide(made, used, out=np.full(made.shape, np.nan), where=used > 0)
        ratings.setflags(write=False)
        return ratings

    @cached_property
    def scores(self) -> Scores:
        """As ``efficiency`` the mean rating of each unit by all raters."""
        mean = _mean(self.ratings, np.zeros(self.ratings.shape, dtype=np.bool_))
        none = np.full(len(self.goods), np.nan)
        status = np.where(np.isnan(mean), "not solved", "solved").astype(object)
        return Scores(unit=self.unit, efficiency=mean, expansion=none, inefficiency=none, status=status)

    def __repr__(self) -> str:
        asked = f"goal={self.model.goal!r}, surrogate={self.model.surrogate!r}"
        return f"CrossFit({len(self.goods)} units, {int((self.prices.status == OPTIMAL).sum())} raters, {asked})"

    def matrix(self) -> pd.DataFrame:
        """Return how each rater sees each unit: ``rater`` and a column a unit, one row a rater."""
        frame = pd.DataFrame(self.ratings, columns=list(self.unit))
        frame.insert(0, "rater", self.unit, allow_duplicates=True)
        return frame.infer_objects()

    def raters(self) -> pd.DataFrame:
        """Return each unit as seen by itself and by the others, one row a unit.

        Columns ``unit, own, others, mean, maverick, unique``: its efficiency at its own prices, the mean of the others'
        ratings, the mean of all, the maverick index (own - others) / others, large for a unit whom only its own prices
        suit; and whether its prices as a rater are the only ones that meet both goals.

        References
        ----------
        Doyle, Green (1994), J Oper Res Soc 45:567-578, section 5.
        """
        others = _mean(self.ratings, np.eye(len(self.goods), dtype=np.bool_))
        with np.errstate(divide="ignore", invalid="ignore"):
            maverick = (self.own - others) / others
        frame = {
            "unit": self.unit,
            "own": self.own,
            "others": others,
            "mean": self.efficiency,
            "maverick": maverick,
            "unique": self.prices.unique,
        }
        return pd.DataFrame(frame).infer_objects()


def _mean(ratings: Floats, without: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """Return the mean of each column's ratings (k,); NaN without any."""
    there = np.asarray(np.isfinite(ratings) & ~without)
    many = there.sum(axis=0)
    return np.where(many > 0, np.where(there, ratings, 0.0).sum(axis=0) / np.maximum(many, 1), np.nan)
