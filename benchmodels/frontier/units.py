"""Best practice of real units: each is held against others as they are, not against mixtures of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError
from benchmodels.frontier.model import FrontierModel
from benchmodels.frontier.scores import Scored, Scores, compared, share_made, warn_of_missing
from benchmodels.kernels import free_disposal, partial, scaled_units, whole_copies
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.kernels.technology import Returns, bounds_of

ByCopies = scaled_units.ScaledUnits | whole_copies.Replicability

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison
    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Held = free_disposal.Goods
    Found = free_disposal.FreeDisposal | partial.PartialFrontier | ByCopies

__all__ = ["FDH", "FRH", "OrderAlpha", "OrderM", "UnitsFit"]

_STATUS = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}


@dataclass(frozen=True, kw_only=True)
class ByUnits(FrontierModel):
    """What the models of this module share: each unit is held against others as they are."""

    orientation: Literal["input", "output", "graph"] = "input"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.orientation not in ("input", "output", "graph"):
            raise SpecificationError(f"orientation={self.orientation!r}; allowed are 'input', 'output', 'graph'")

    def fit(self, data: object) -> UnitsFit:
        """Hold every unit against all others; raises and warns as `benchmodels.frontier.DEA.fit`."""
        fit = UnitsFit(model=self, goods=self.read(data))
        warn_of_missing(fit.scores, "")
        return fit

    def score(self, reference: Held, points: Held, *, exclude: Codes | None, allowed: Allowed | None) -> Found:
        """Return the scores of points against reference units, in the kernels' words."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FDH(ByUnits):
    """Free disposal hull: how much less, or more, one other unit does with no more of anything and no less made.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing
        As in `benchmodels.frontier.DEA`.
    orientation : {'input', 'output', 'graph'}, default 'input'
    returns : {'vrs', 'crs', 'drs', 'irs'} or (low, high), default 'vrs'
        By which factor another unit may be made larger or smaller before it is held against: by 1, as it is; by any; by
        1 at most; by 1 at least; or between two bounds, as (.85, 1.15), constant returns near each unit.

    References
    ----------
    Deprins, Simar, Tulkens (1984), in The Performance of Public Enterprises, 243-267. Kerstens, Vanden Eeckaut (1999),
    Eur J Oper Res 113:206-214 (returns).

    Examples
    --------
    >>> table = pd.DataFrame({"unit": list("abc"), "cost": [20.0, 40, 60], "persons": [20.0, 50, 40]})
    >>> FDH(inputs=["cost"], outputs=["persons"], unit="unit").fit(table).efficiency.round(4).tolist()
    [1.0, 1.0, 0.6667]
    """

    returns: Returns | tuple[float, float] = "vrs"

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = bounds_of(self.returns)
        if not isinstance(self.returns, str):
            object.__setattr__(self, "returns", bounds)

    def score(
        self, reference: Held, points: Held, *, exclude: Codes | None, allowed: Allowed | None
    ) -> free_disposal.FreeDisposal | scaled_units.ScaledUnits:
        """Return the scores of points, and all units that give them."""
        bounds = bounds_of(self.returns)
        if bounds != (1.0, 1.0):
            return scaled_units.score_by_scaled_units(
                reference, points, measure=self.orientation, bounds=bounds, exclude=exclude, allowed=allowed
            )
        return free_disposal.score_by_units(
            reference, points, measure=self.orientation, exclude=exclude, allowed=allowed
        )


@dataclass(frozen=True, kw_only=True)
class FRH(ByUnits):
    """Free replicability hull: against other units put together, each as often as wanted, and never a part of one.

    Between `FDH` and `benchmodels.frontier.DEA` under constant returns: two places of another unit's kind count, half a
    place does not. One integer program a unit: meant for some hundred units.

    Parameters
    ----------
    inputs, outputs, unit, environment, composition, nearest, peers, size, missing
        As in `benchmodels.frontier.DEA`.
    orientation : {'input', 'output'}, default 'input'
    copies : {'whole', 'one or more'}, default 'whole'
        Of each unit whole copies; or any number from one up, where a unit can be made larger as it is but not smaller
        (additive and increasing returns).

    References
    ----------
    Tulkens (1993), J Prod Anal 4:183-210. Bogetoft, Otto (2011), Benchmarking with DEA, SFA, and R ('add', 'irs2').

    Examples
    --------
    >>> table = pd.DataFrame({"unit": list("ab"), "cost": [2.0, 5], "persons": [1.0, 2]})
    >>> FRH(inputs=["cost"], outputs=["persons"], unit="unit").fit(table).efficiency.tolist()
    [1.0, 0.8]
    """

    copies: Literal["whole", "one or more"] = "whole"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.orientation == "graph":
            raise SpecificationError("orientation='graph' is not linear in copies; allowed are 'input', 'output'")
        if self.copies not in ("whole", "one or more"):
            raise SpecificationError(f"copies={self.copies!r}; allowed are 'whole', 'one or more'")

    def score(
        self, reference: Held, points: Held, *, exclude: Codes | None, allowed: Allowed | None
    ) -> whole_copies.Replicability:
        """Return the scores of points, and copies that give them."""
        measure: Literal["input", "output"] = "output" if self.orientation == "output" else "input"
        whole = self.copies == "whole"
        return whole_copies.replicability(
            reference, points, measure=measure, exclude=exclude, allowed=allowed, whole=whole
        )


@dataclass(frozen=True, kw_only=True)
class OrderM(ByUnits):
    """Order-m: a unit against the best of m others, drawn at random from those it can be compared with.

    One outlying unit is seldom among the m, so that it does not decide for everyone; a unit may be beyond the frontier.

    Parameters
    ----------
    inputs, outputs, unit, orientation, environment, composition, nearest, peers, size, missing
        As in `FDH`.
    m : float, default 25
        How many are drawn; the larger, the closer to `FDH`.

    References
    ----------
    Cazals, Florens, Simar (2002), J Econom 106:1-25.
    """

    m: float = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.m, bool) or not isinstance(self.m, Real) or not self.m >= 1:
            raise SpecificationError(f"m={self.m!r}; give a number of units, 1 or more")

    def score(
        self, reference: Held, points: Held, *, exclude: Codes | None, allowed: Allowed | None
    ) -> partial.PartialFrontier:
        """Return the expected scores of points."""
        return partial.order_m(reference, points, self.m, measure=self.orientation, exclude=exclude, allowed=allowed)


@dataclass(frozen=True, kw_only=True)
class OrderAlpha(ByUnits):
    """Order-α: a unit against what all but a share 1 - α of those that it can be compared with do worse than.

    Parameters
    ----------
    inputs, outputs, unit, orientation, environment, composition, nearest, peers, size, missing
        As in `FDH`.
    alpha : float, default 0.95
        The larger, the closer to `FDH`, which is 1.

    References
    ----------
    Aragon, Daouia, Thomas-Agnan (2005), Econom Theory 21:358-389. Daouia, Simar (2007), J Econom 140:375-400.
    """

    alpha: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, Real) or not 0.0 < self.alpha <= 1.0:
            raise SpecificationError(f"alpha={self.alpha!r}; give a share above 0, to 1")

    def score(
        self, reference: Held, points: Held, *, exclude: Codes | None, allowed: Allowed | None
    ) -> partial.PartialFrontier:
        """Return the scores of points."""
        return partial.order_alpha(
            reference, points, self.alpha, measure=self.orientation, exclude=exclude, allowed=allowed
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitsFit(Scored):
    """Units held against each other as they are.

    Parameters
    ----------
    model : FDH, FRH, OrderM or OrderAlpha
    goods : Goods
        k units.
    """

    model: ByUnits
    goods: Goods

    @cached_property
    def scores(self) -> Scores:
        """Efficiency and expansion of each unit, and whether they were found."""
        return self._scored(self.goods, self._found)

    @cached_property
    def _found(self) -> Found:
        return self._held(self.goods)

    def _held(self, points: Goods, exclude: Codes | None = None) -> Found:
        """Return the scores of points against the units of the fit, but for one each."""
        allowed = self.model.allowed(points, self.goods)
        return self.model.score(_plain(self.goods), _plain(points), exclude=exclude, allowed=allowed)

    def __repr__(self) -> str:
        return f"UnitsFit({len(self.goods)} units, {self.model!r})"

    def peers(self) -> pd.DataFrame:
        """Return the real units that each score is against: ``unit, peer, copies``.

        Of `FDH` all of them where several tie, with the factor of each; of `FRH` one set of copies, which need not be
        the only one.

        Raises
        ------
        SpecificationError
            A partial frontier, which is not any unit's.
        """
        found = self._found
        if isinstance(found, partial.PartialFrontier):
            raise SpecificationError("a partial frontier is an expectation over many units, and has no peers")
        copies = found.copies if isinstance(found, ByCopies) else np.ones(len(found.peer), np.intp)
        frame = {"unit": self.unit[found.point], "peer": self.unit[found.peer], "copies": copies}
        return pd.DataFrame(frame).infer_objects()

    def dominators(self, *, strict: bool = False) -> pd.DataFrame:
        """Return the units that beat each unit: no more of any input and no less of any output, and not the same.

        Columns ``unit, better, gain, least``, the largest gain first: the mean and the smallest, over all goods, of
        how much less of an input or more of an output the better unit has, as a share of the mean over all units.
        ``strict``: better in every good.
        """
        goods, allowed = _plain(self.goods), self.model.allowed(self.goods, self.goods)
        found = free_disposal.dominators(goods, goods, strict=strict, allowed=allowed)
        frame = {
            "unit": self.unit[found.point],
            "better": self.unit[found.unit],
            "gain": found.gain + 0.0,
            "least": found.least + 0.0,
        }
        return pd.DataFrame(frame).infer_objects()

    def evaluate(self, data: object) -> Scores:
        """Hold other units against these; they are not among them."""
        points = self.model.read(data, least=1)
        scores = self._scored(points, self._held(points))
        warn_of_missing(scores, "of the units evaluated ")
        return scores

    def super_efficiency(self) -> Scores:
        """Hold each unit against the others alone, as `benchmodels.frontier.DEAFit.super_efficiency`."""
        others = np.arange(len(self.goods))
        scores = self._scored(self.goods, self._held(self.goods, others), others)
        warn_of_missing(scores, "held against the others ")
        return scores

    def compare(
        self, *, contrast: Literal["difference", "ratio"] = "ratio", better: Better | None = "low"
    ) -> Comparison:
        """Return observed against best practice, as `benchmodels.frontier.DEAFit.compare`."""
        return compared(self.model, self.goods, self.scores, contrast=contrast, better=better)

    def _scored(self, points: Goods, found: Found, exclude: Codes | None = None) -> Scores:
        measure, nothing = self.model.orientation, np.full(len(points), np.nan)
        told = np.array([_STATUS.get(int(s), "not solved") for s in found.status], dtype=object)
        allowed, lost = self.model.allowed(points, self.goods), np.flatnonzero(found.status == INFEASIBLE)
        if allowed is not None and len(lost):
            there = allowed(lost, 0, len(self.goods)).copy()
            if exclude is not None:
                there[np.arange(len(lost)), exclude[lost]] = False
            told[lost[~there.any(axis=1)]] = "alone"
        expansion = found.score if measure == "output" else nothing
        if measure == "graph":
            expansion = 1.0 / found.score
        return Scores(
            unit=points.unit,
            efficiency=share_made(found.score) if measure == "output" else found.score,
            expansion=expansion,
            inefficiency=nothing,
            status=told,
        )


def _plain(goods: Goods) -> free_disposal.Goods:
    return free_disposal.Goods(goods.inputs, goods.outputs)
