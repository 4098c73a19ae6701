"""What hangs on each unit of a frontier: a table that says it, and removes nobody."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.asked import whole
from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.scores import share_made
from benchmodels.kernels.envelopment import Envelopment, envelop
from benchmodels.kernels.outliers import Departures, depart, judge_dominance, removals, screen
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit
    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.programs import Programs

    Floats = NDArray[np.float64]

__all__ = ["Influence", "efficiency_ladder", "influence_of", "removals_of"]

# Of the largest weight, below which a peer is one by rounding alone; and of an efficiency, below which it is no rise.
_PART, _RISE = 1e-9, 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Influence:
    """What changes for everyone where a unit leaves the frontier's reference.

    Parameters
    ----------
    unit : (k,) array
    departures : Departures
        Of k units, in steps along their directions.
    output : bool
        Whether a step is of outputs.
    simulated : bool
    """

    unit: NDArray[np.object_]
    departures: Departures
    output: bool
    simulated: bool = False

    def __repr__(self) -> str:
        return f"Influence({len(self.unit)} units, {int((self.departures.moved > 0).sum())} of them move others)"

    def efficiency(self, steps: Floats) -> Floats:
        """Return the efficiencies of steps."""
        return share_made(1.0 + steps) if self.output else 1.0 - steps

    def changes(self) -> pd.DataFrame:
        """Return all whose efficiency rests on another: ``leaves, unit, before, after``, with and without that unit.

        Nobody else changes. The largest change first, unit by unit that leaves.
        """
        found = self.departures
        frame = pd.DataFrame(
            {
                "leaves": self.unit[found.unit],
                "unit": self.unit[found.point],
                "before": self.efficiency(found.before[found.point]),
                "after": self.efficiency(found.after),
                "order": found.unit,
                "gain": found.before[found.point] - found.after,
            }
        )
        frame = frame[frame["gain"] > 1e-7].sort_values(["order", "gain"], ascending=[True, False], kind="stable")
        return frame.drop(columns=["order", "gain"]).reset_index(drop=True).infer_objects()

    def to_frame(self, *, threshold: float = 1.2, factor: float = 1.5) -> pd.DataFrame:
        """Return one row a unit; nobody is removed.

        Parameters
        ----------
        threshold : float, default 1.2
            Super-efficiency above which Banker and Chang's rule finds a unit suspicious.
        factor : float, default 1.5
            Of the distance between quartiles, in the rule of the regulator of German networks.

        Returns
        -------
        DataFrame
            ``unit, efficiency``; ``super_efficiency``, NaN where the others make no such goods from any amount (then
            ``unmatched``); ``changed``, others whose efficiency rises where the unit leaves, by ``total`` and at most
            ``largest``, in steps along their directions; ``above_threshold`` and ``above_quartiles``, missing for an
            unmatched unit, of which these rules say nothing and which is worth the first look; ``dominance`` and its
            ``p``, the regulator's test, below .05 for an outlier by that rule: a convention, not an error rate.
        """
        for name, value in (("threshold", threshold), ("factor", factor)):
            if isinstance(value, bool) or not isinstance(value, Real):
                raise SpecificationError(f"{name}={value!r}; give a number")
        found = self.departures
        beyond = self.efficiency(found.beyond)
        far, test = screen(beyond, threshold=threshold, factor=factor), judge_dominance(found)
        return pd.DataFrame(
            {
                "unit": self.unit,
                "efficiency": self.efficiency(found.before),
                "super_efficiency": beyond,
                "unmatched": found.status == INFEASIBLE,
                "changed": found.moved,
                "total": found.total,
                "largest": found.largest,
                "above_threshold": _judged(far.above, far.unscored),
                "above_quartiles": _judged(far.outside, far.unscored),
                "dominance": test.statistic,
                "p": test.p,
            }
        ).infer_objects()


def _judged(mask: NDArray[np.bool_], unscored: NDArray[np.bool_]) -> Any:
    """Return what a rule says, missing where it says nothing."""
    return pd.arrays.BooleanArray(mask, unscored)


def influence_of(programs: Programs) -> Influence:
    """Let each unit leave in turn; what `DEAFit.influence` documents."""
    orientation = programs.model.orientation
    if orientation not in ("input", "output"):
        raise SpecificationError("influence needs an efficiency: orientation='input' or 'output'")
    if programs.nothing.any():
        raise SpecificationError(
            f"the weight restrictions contradict each other for {listed(programs.points.unit[programs.nothing])}; "
            "widen them, or leave these units out, and fit again"
        )
    with one_blas_thread():
        found = depart(programs.technology, programs.direction, allowed=programs.allowed)
    if found.unsolved:
        warnings.warn(
            f"{found.unsolved} programs without one unit were not solved; what rests on them is missing",
            PartialResultWarning,
            stacklevel=3,
        )
    points = programs.points
    return Influence(unit=points.unit, departures=found, output=orientation == "output", simulated=points.simulated)


def removals_of(goods: Goods, *, most: int, kept: int) -> pd.DataFrame:
    """Return what `DEAFit.removals` documents."""
    rows = [
        {"size": len(units), "units": tuple(goods.unit[units].tolist()), "ratio": ratio, "log_ratio": log_ratio,
         "exact": found.exact}
        for found in removals(goods.goods, most=most, kept=kept)
        for units, ratio, log_ratio in zip(found.units, found.ratio.tolist(), found.log_ratio.tolist(), strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["size", "units", "ratio", "log_ratio", "exact"])


def efficiency_ladder(
    fit: DEAFit, unit: object, *, by: Literal["effect", "weight"] = "effect", steps: int = 8
) -> pd.DataFrame:
    """Take away a unit's peers one by one: how much of its distance rests on how few others.

    Parameters
    ----------
    fit : DEAFit
        Of orientation 'input' or 'output'.
    unit : label
        Whose ladder it is.
    by : {'effect', 'weight'}, default 'effect'
        Which peer goes first: the one without whom the unit comes closest to the frontier of those left, or the one
        that counts most in the unit's target. Where peers are not unique, one set of them.
    steps : int, default 8
        Peers taken away, at most. It ends where nobody is left ahead of the unit.

    Returns
    -------
    DataFrame
        ``step, removed, efficiency, status``: step 0 with all peers, then each peer as it goes and the efficiency
        without it and those before.

    Raises
    ------
    SpecificationError
        Another orientation or kind of fit; a unit that is not there, or whose weight restrictions contradict each
        other; options that cannot be meant.

    References
    ----------
    Bogetoft & Otto (2011), Benchmarking with DEA, SFA, and R, Springer (efficiency ladder).

    Examples
    --------
    >>> from benchmodels.frontier import DEA
    >>> table = pd.DataFrame({"unit": list("ABCDEF"), "cost": [20.0, 40, 40, 60, 70, 50],
    ...     "persons": [20.0, 30, 50, 40, 60, 20]})
    >>> fit = DEA(inputs=["cost"], outputs=["persons"], unit="unit", returns="crs").fit(table)
    >>> efficiency_ladder(fit, "B")["efficiency"].round(4).tolist()
    [0.6, 0.75, 0.875, 1.0]
    """
    programs = getattr(fit, "programs", None)
    if programs is None:
        raise SpecificationError(f"efficiency_ladder takes a fit of benchmodels.frontier.DEA (found {fit!r})")
    if programs.model.orientation not in ("input", "output"):
        raise SpecificationError("a ladder needs an efficiency: orientation='input' or 'output'")
    if by not in ("effect", "weight"):
        raise SpecificationError(f"by={by!r}; allowed are 'effect', 'weight'")
    whole("steps", steps, what="peers taken away")
    labels = fit.unit.tolist()
    if unit not in labels:
        raise SpecificationError(f"unit={unit!r} is not there; the fit has {listed(labels)}")
    i, gone = labels.index(unit), np.zeros(len(labels), dtype=np.bool_)
    if programs.nothing[i]:
        raise SpecificationError(f"the weight restrictions contradict each other for {unit!r}, which has no efficiency")
    found, record = _without(programs, i, gone[None, :]), []
    record.append((0, None, found))
    while len(record) <= steps and found.status[0] == OPTIMAL and found.beta[0] > _RISE:
        peer, weight = found.peer[0], found.weight[0]
        counts = (peer >= 0) & (peer != i) & (weight > _PART * weight.max())
        # In the order of labels, so that ties do not hang on the order of a basis.
        tried = np.sort(peer[counts])
        if by == "weight":
            tried = peer[[np.argmax(np.where(counts, weight, -1.0))]]
        each = np.repeat(gone[None, :], len(tried), axis=0)
        each[np.arange(len(tried)), tried] = True
        rest = _without(programs, i, each)
        best = int(np.argmin(np.where(rest.status == OPTIMAL, rest.beta, np.inf)))
        gone, found = each[best], _one(rest, best)
        record.append((len(record), labels[tried[best]], found))
    beta = np.array([one.beta[0] for _, _, one in record])
    status = ["solved" if one.status[0] == OPTIMAL else "not solved" for _, _, one in record]
    return pd.DataFrame(
        {
            "step": [step for step, _, _ in record],
            "removed": np.array([peer for _, peer, _ in record], dtype=object),
            "efficiency": share_made(1.0 + beta) if programs.model.orientation == "output" else 1.0 - beta,
            "status": status,
        }
    )


def _without(programs: Programs, i: int, gone: NDArray[np.bool_]) -> Envelopment:
    """Hold unit i against those that are not gone (c, n), once for each set of those gone."""
    count = len(gone)
    own = np.where(gone[:, i], ARTIFICIAL, i)

    def allowed(some: NDArray[np.intp], low: int, high: int) -> NDArray[np.bool_]:
        # Behind the units are the trade-offs of weight restrictions, which stay.
        there = np.ones((len(some), high - low), dtype=np.bool_)
        units = max(min(high, gone.shape[1]) - low, 0)
        there[:, :units] = ~gone[some, low : low + units]
        if programs.allowed is not None:
            there &= programs.allowed(np.full(len(some), i), low, high)
        return there

    goods = (np.repeat(a[i : i + 1], count, axis=0) for a in (programs.inputs, programs.outputs, programs.direction))
    with one_blas_thread():
        return envelop(programs.technology, *goods, own=own, allowed=allowed)


def _one(found: Envelopment, i: int) -> Envelopment:
    return Envelopment(**{name: value[i : i + 1] for name, value in vars(found).items()})
