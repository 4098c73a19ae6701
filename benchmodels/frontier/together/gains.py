"""What groups of units could gain as one, in parts, and who is whose best partner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.merging import merged_gains
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.frontier.together.bootstrap import Kind, MergerBootstrap
    from benchmodels.frontier.together.groups import Groups
    from benchmodels.frontier.together.mergers import MergersFit

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["WHY", "Gains", "gains_of"]

WHY = {
    "infeasible": "are larger, or of another mix, than any units show, so that nothing is there to hold them against",
    "mean infeasible": "have a potential without harmony and size: no unit is there to hold their mean against",
    "unbounded": "have no outputs that could be multiplied",
    "not solved": "have a program that was not solved",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Gains:
    """Potentials of g groups, as factors of what they use (inputs fall) or make (outputs rise) together.

    Where inputs fall a factor below 1 is a gain, and above 1 a cost: .9 is what nine tenths of the inputs would do.
    Where outputs rise it is the other way round. ``total`` is ``learning`` x ``harmony`` x ``size``.

    Parameters
    ----------
    fit : MergersFit
    groups : Groups
    total : (g,) array
        What the group could do as one unit; NaN without an answer, as the others.
    corrected : (g,) array
        What of it is left where each unit has first become as good as it can be by itself: ``harmony`` x ``size``.
    learning : (g,) array
        What the units could each do by themselves.
    harmony : (g,) array
        What they gain by the mix of inputs and outputs of the group (also called scope, or mix); known where the group
        is too large for the others to be.
    size : (g,) array
        What it gains, or costs, to work at the size of all of them.
    status : (g,) array of str
        'solved'; 'infeasible': the group is larger, or of another mix, than any units show; 'mean infeasible': of units
        as they are, none is there to hold its mean against, so that harmony and size are not known apart; 'unbounded';
        or 'not solved'.
    """

    fit: MergersFit
    groups: Groups
    total: Floats
    corrected: Floats
    learning: Floats
    harmony: Floats
    size: Floats
    status: NDArray[np.object_]

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.groups)

    def __repr__(self) -> str:
        solved = int((self.status == "solved").sum())
        asked = self.fit.model
        return f"Gains({len(self)} groups, {solved} solved, {asked.orientation!r}, returns={asked.returns!r})"

    @property
    def potential(self) -> Floats:
        """Share of the inputs that could be spared, or by which outputs could grow, (g,); below zero it is a cost."""
        return self._share(self.total)

    @property
    def by_merging(self) -> Floats:
        """The same of ``corrected``: what is left of the potential beyond what units could do by themselves, (g,)."""
        return self._share(self.corrected)

    def _share(self, factor: Floats) -> Floats:
        return 1.0 - factor if self.fit.model.orientation == "input" else factor - 1.0

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group.

        Columns ``group, units, total, learning, harmony, size, corrected, potential, by_merging, status``.
        """
        names = ("total", "learning", "harmony", "size", "corrected", "potential", "by_merging", "status")
        return pd.DataFrame(
            {"group": self.groups.name, "units": self.groups.sums.size} | {name: getattr(self, name) for name in names}
        ).infer_objects()

    def amounts(self) -> pd.DataFrame:
        """Return what each group uses and makes, and would as one unit, one row a group and good.

        Columns ``group, good, part`` ('input' or 'output'), ``value, target``: the target is of the move in proportion
        alone, and NaN where there is no potential; goods that do not move have their value.
        """
        goods = self.fit.goods
        value = self.groups.sums.of(goods.goods)
        inputs = np.arange(value.shape[1]) < goods.inputs.shape[1]
        moves = inputs if self.fit.model.orientation == "input" else ~inputs
        factor = np.where(moves, self.total[:, None], np.where(np.isnan(self.total), np.nan, 1.0)[:, None])
        return pd.DataFrame(
            {
                "group": np.repeat(self.groups.name, value.shape[1]),
                "good": np.tile(np.array(goods.names, dtype=object), len(self)),
                "part": np.tile(np.where(inputs, "input", "output").astype(object), len(self)),
                "value": value.ravel(),
                "target": (value * factor).ravel(),
            }
        ).infer_objects()

    def best_partners(self, *, by: Literal["corrected", "total"] = "corrected") -> pd.DataFrame:
        """Return for each unit the partner with which there is most to gain, of the pairs that were asked for.

        Columns ``unit, partner, total, learning, harmony, size, corrected, asked, solved``: the last two count the
        unit's pairs, and those with an answer. The best of many found is best in part by chance, and its gain too
        large: `bootstrap` tells which others may be as good.

        Parameters
        ----------
        by : {'corrected', 'total'}, default 'corrected'
            With or without what units could do by themselves, which is no reason to merge.

        Raises
        ------
        SpecificationError
            Groups that are no pairs.
        """
        if by not in ("corrected", "total"):
            raise SpecificationError(f"by={by!r}; allowed are 'corrected', 'total'")
        if np.any(self.groups.sums.size != 2):
            raise SpecificationError("best partners are of pairs; some of these groups have more units")
        pair = self.groups.sums.unit.reshape(-1, 2)
        worth = self._share(getattr(self, by))
        row = np.tile(np.arange(len(pair)), 2)
        unit, other = np.concatenate([pair[:, 0], pair[:, 1]]), np.concatenate([pair[:, 1], pair[:, 0]])
        order = np.lexsort((other, -np.nan_to_num(worth[row], nan=-np.inf), unit))
        there, first, count = np.unique(unit[order], return_index=True, return_counts=True)
        best = order[first]
        solved = np.bincount(unit, weights=np.isfinite(worth[row]), minlength=len(self.groups.label))[there]
        known = np.isfinite(worth[row[best]])
        partner = np.where(known, self.groups.label[other[best]], None)
        factors = {name: getattr(self, name)[row[best]] for name in ("total", "learning", "harmony", "size")}
        frame = {"unit": self.groups.label[there], "partner": partner} | factors
        frame |= {"corrected": self.corrected[row[best]], "asked": count, "solved": solved.astype(np.intp)}
        return pd.DataFrame(frame).infer_objects()

    def ordered(self, *, by: Literal["corrected", "total"] = "corrected") -> Gains:
        """Return the same groups, the most to gain first and those without an answer last."""
        if by not in ("corrected", "total"):
            raise SpecificationError(f"by={by!r}; allowed are 'corrected', 'total'")
        worth = self._share(getattr(self, by))
        return self.some(np.argsort(-np.nan_to_num(worth, nan=-np.inf), kind="stable"))

    def some(self, at: Codes) -> Gains:
        """Return some of the groups, by position."""
        factors = {
            name: getattr(self, name)[at] for name in ("total", "corrected", "learning", "harmony", "size", "status")
        }
        return replace(self, groups=self.groups.some(at), **factors)

    def position(self, group: object) -> int:
        """Return the position of a group by its name."""
        names = [str(name) for name in self.groups.name]
        if str(group) not in names:
            raise SpecificationError(f"there is no group {group!r} among the {len(names)}: {listed(names)}")
        return names.index(str(group))

    def bootstrap(
        self,
        *,
        replicates: int = 400,
        kind: Kind = "subsample",
        subset: int | None = None,
        level: float = 0.95,
        rng: int | np.random.Generator | None = None,
        workers: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> MergerBootstrap:
        """Say how sure the gains are, part by part: groups held against frontiers drawn anew.

        Parameters
        ----------
        replicates : int, default 400
            Frontiers drawn, 100 or more.
        kind : {'subsample', 'smoothed'}, default 'subsample'
            Frontiers of some of the units; or of units as far within the frontier as was drawn, on their own rays
            (Simar & Wilson 1998), which takes waste to be alike everywhere.
        subset : int, optional
            Units of a subsample; by default k to the power .7.
        level : float, default 0.95
        rng : int, Generator or None
        workers : int, default 1
        progress : callable, optional
            Called with the number of replicates done.

        Returns
        -------
        MergerBootstrap

        Raises
        ------
        SpecificationError
            Units as they are (``returns='fdh'``), whose frontier has another law; numbers that cannot be meant.

        Warns
        -----
        PartialResultWarning
            Groups whose uncertainty is withheld, with the reason.

        Notes
        -----
        Of 98 simulated units with 2 to 5 goods, variable returns, inputs falling, 95 % intervals by subsamples held in
        .95 to .98 of cases for ``corrected``, .95 to .99 for ``total``, .96 to 1.00 for ``size``, but .86 to .98 for
        ``learning`` and .83 to .96 for ``harmony``; and four to six groups in ten had none, since most frontiers drawn
        end short of them. Smoothed ones held less often, and so did all where outputs rise: verdicts are withheld there
        (`MergerBootstrap.held`). Which of 30 groups is the best could hardly ever be told.

        All pairs of 98 units take about a minute and a half of a processor for 400 replicates; the partners of one unit
        about two seconds.
        """
        from benchmodels.frontier.together.bootstrap import merger_bootstrap

        return merger_bootstrap(
            self, replicates=replicates, kind=kind, subset=subset, level=level, rng=rng, workers=workers,
            progress=progress,
        )  # fmt: skip


def gains_of(fit: MergersFit, groups: Groups) -> Gains:
    """Return the gains of groups of the units of a fit."""
    with one_blas_thread():
        found = merged_gains(
            fit.farrell,
            fit.goods.inputs,
            fit.goods.outputs,
            groups.sums,
            fit.model.orientation,
            unit=fit.factor,
            cone=fit.model.returns == "crs",
            convex=fit.model.returns != "fdh",
        )
    named = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}
    status = np.array([named.get(int(code), "not solved") for code in found.status], dtype=object)
    status[(found.status == INFEASIBLE) & np.isfinite(found.total) & np.isfinite(found.corrected)] = "mean infeasible"
    return Gains(
        fit=fit, groups=groups, total=found.total, corrected=found.corrected, learning=found.learning,
        harmony=found.harmony, size=found.size, status=status,
    )  # fmt: skip
