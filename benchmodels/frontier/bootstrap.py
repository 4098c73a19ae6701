"""How sure an efficiency is: distances resampled, their bias, and intervals."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.resampled import (
    BLOCK,
    Kind,
    bandwidth_asked,
    basic_interval,
    shrink_of,
    size_asked,
    work_of,
)
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.frontier_bootstrap import Measure, Side, merged
from benchmodels.parallel import map_blocks
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit
    from benchmodels.kernels.smoothed_scores import Rule

    Floats = NDArray[np.float64]

__all__ = ["FrontierBootstrap", "Interval", "Kind", "bootstrap_of", "distances_of"]

Interval = Literal["basic", "percentile"]
# Replicates that make an interval.
_LEAST = 100
# Share of replicates without an answer above which those left say nothing: they are the ones that hold the unit itself.
_MISSING = 0.5
# Of the largest standard error; a smaller one is none.
_ROUNDING = 1e-9
# Above which a correction for bias takes away more than it adds: 4 σ² < σ² + bias².
_ADVISED = np.sqrt(3.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class FrontierBootstrap:
    """Distances to the frontier with what resampling says of their error.

    Parameters
    ----------
    unit : (k,) array
    fit : DEAFit
        Whose distances they are.
    measure : {'input', 'output', 'directional'}
        The fit's orientation.
    delta : (k,) array
        Distances found: 1 / efficiency, 1 or more; of the directional measure the inefficiency, 0 or more.
    errors : (r, k) array
        Of replicates: how far distances to resampled frontiers are from those found; for subsamples times the rate
        (m / n)^κ. NaN where a replicate has no answer: its frontier ends short of the unit, or it was not solved.
    stalled : (k,) array of int
        In how many replicates a unit's program was not solved.
    pair, count, chance : (c,) arrays of int
        k x unit + peer for pairs that were met, by position; in how many replicates; and in how many they could be:
        those that hold the peer and have an answer for the unit. Empty where pseudo-units are nobody's.
    kind : {'smoothed', 'subsample', 'simar-wilson-2000'}
    bandwidth : float
        Of the smoothed kinds; else NaN.
    subset : int
        Units of a subsample; 0 for the smoothed kinds.
    by_rule : bool
        The subset, or the bandwidth, is by the kind's own rule: what was simulated (`Coverage`).
    vain : float
        Share of the pseudo-units of 'simar-wilson-2000' that were drawn beyond what the units can do, and drawn again.
    level : float
    rng : str
        Entropy of the generator.
    """

    unit: NDArray[np.object_]
    fit: DEAFit
    measure: Measure
    delta: Floats
    errors: Floats
    stalled: NDArray[np.intp]
    pair: NDArray[np.intp]
    count: NDArray[np.intp]
    chance: NDArray[np.intp]
    kind: Kind
    bandwidth: float
    subset: int
    by_rule: bool
    vain: float
    level: float
    rng: str

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def told(self) -> str:
        """What was done, in words without a full stop."""
        r, k = self.errors.shape
        if self.kind == "subsample":
            return f"{r} subsamples of {self.subset} of {k} units"
        name = "Simar and Wilson (1998)" if self.kind == "smoothed" else "Simar and Wilson (2000)"
        return f"{r} replicates of the smoothed bootstrap of {name}, bandwidth {self.bandwidth:.3g}"

    def __repr__(self) -> str:
        return f"FrontierBootstrap({len(self.unit)} units, {self.told}, level={self.level:g})"

    @property
    def missing(self) -> Floats:
        """Share of the replicates without an answer for each unit (k,)."""
        return np.asarray(np.isnan(self.errors).mean(axis=0))

    @cached_property
    def withheld(self) -> NDArray[np.object_]:
        """Why a unit's uncertainty is withheld (k,); empty where it is not."""
        spread = self.std_error
        reasons = np.full(len(self.unit), "", dtype=object)
        # Rounding beside the errors of others, whatever the unit of measure.
        reasons[spread <= _ROUNDING * np.nanmax(spread, initial=0.0)] = (
            "all frontiers drawn are as far from it, which tells nothing of its error"
        )
        reasons[self.missing > _MISSING] = "more than half of the frontiers drawn come nowhere near it"
        reasons.setflags(write=False)
        return reasons

    @property
    def bias(self) -> Floats:
        """Bias of the distances (k,): below zero, since the frontier found lies within the true one."""
        known = np.isfinite(self.errors)
        count = np.where(known.any(axis=0), known.sum(axis=0), np.nan)
        return np.asarray(np.where(known, self.errors, 0.0).sum(axis=0) / count)

    @property
    def std_error(self) -> Floats:
        """Standard error of the distances (k,)."""
        known = np.isfinite(self.errors)
        count = np.where(known.sum(axis=0) > 1, known.sum(axis=0) - 1.0, np.nan)
        square = np.where(known, self.errors - self.bias, 0.0) ** 2
        return np.asarray(np.sqrt(square.sum(axis=0) / count))

    @property
    def interval(self) -> tuple[Floats, Floats]:
        """Ends of the basic interval of the distances, (k,) each."""
        return self._ends("basic")

    @property
    def percentile_interval(self) -> tuple[Floats, Floats]:
        """Ends of the interval by percentiles of the replicates, moved by twice the bias (Simar & Wilson 1998).

        They lie on both sides of the distance corrected for bias, and may lie before the frontier found.
        """
        return self._ends("percentile")

    def _ends(self, interval: Interval) -> tuple[Floats, Floats]:
        if interval not in get_args(Interval):
            raise SpecificationError(f"interval={interval!r}; allowed are {', '.join(map(repr, get_args(Interval)))}")
        low, high = basic_interval(self.delta, self.errors, self.level)
        if interval == "percentile":
            # The same errors the other way round: q - 2 bias where the basic one has -q.
            low, high = 2.0 * (self.delta - self.bias) - high, 2.0 * (self.delta - self.bias) - low
        if self.measure == "directional" and interval == "basic":
            # But for rounding no error leads before the frontier found.
            low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
        lost = self.withheld != ""
        return np.where(lost, np.nan, low), np.where(lost, np.nan, high)

    def to_frame(self, *, interval: Interval = "basic") -> pd.DataFrame:
        """Return one row a unit, on the scale of efficiencies, or of inefficiencies where the measure is directional.

        Columns ``unit, efficiency, corrected, lower, upper``: found, corrected for bias, and the ends of the interval
        for the true efficiency, below the one found; ``bias, std_error`` of the distance 1 / efficiency, ``ratio``
        |bias| / std_error, and ``advised``: above √3 the corrected efficiency is nearer to the truth in mean square;
        ``missing``, the share of replicates without an answer, which are left out of all this: most came nowhere near
        the unit. Where the uncertainty is `withheld` there is nothing but that. Of the directional measure
        ``inefficiency`` stands in the place of ``efficiency``, and all is told of the inefficiency itself: the true one
        is above the one found.

        Parameters
        ----------
        interval : {'basic', 'percentile'}, default 'basic'
            By errors as they are found, which never leads beyond the efficiency found (and often ends below it); or as
            `percentile_interval`, which may.
        """
        low, high = self._ends(interval)
        lost = self.withheld != ""
        bias, error = (np.where(lost, np.nan, part) for part in (self.bias, self.std_error))
        directional = self.measure == "directional"
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(bias) / error
            shown = (self.delta, self.delta - bias, low, high)
            if not directional:
                shown = (1.0 / self.delta, 1.0 / (self.delta - bias), 1.0 / high, 1.0 / low)
        frame = {
            "unit": self.unit,
            "inefficiency" if directional else "efficiency": shown[0],
            "corrected": shown[1],
            "lower": shown[2],
            "upper": shown[3],
            "bias": bias,
            "std_error": error,
            "ratio": ratio,
            "advised": ratio > _ADVISED,
            "missing": self.missing,
        }
        return pd.DataFrame(frame).infer_objects()

    def peers(self) -> pd.DataFrame:
        """Return whom each unit is held against over the replicates, the most frequent first.

        Columns ``unit, peer, found, frequency``: whether it is a peer in the fit itself (`DEAFit.peers`), and in which
        share of the replicates that hold the peer, and have an answer for the unit, its pseudo-unit is one. A unit may
        be its own peer, as in the fit: it stays on the frontier so often. Peers of replicates are those of one solution
        of each program, before slacks.

        Raises
        ------
        SpecificationError
            Of kind 'simar-wilson-2000', whose pseudo-units are nobody's.
        """
        if self.kind == "simar-wilson-2000":
            raise SpecificationError("pseudo-units of kind='simar-wilson-2000' are nobody's, so there are no peers")
        k, second = len(self.unit), self.fit.second_phase
        unit, place = np.nonzero((second.peer >= 0) & (second.weight > 0))
        found = unit * k + second.peer[unit, place]
        pair = np.union1d(self.pair, found)
        unit, peer = np.divmod(pair, k)
        frequency = np.where(self.missing[unit] < 1.0, 0.0, np.nan)
        frequency[np.searchsorted(pair, self.pair)] = self.count / self.chance
        order = np.lexsort((-frequency, unit))
        columns = {"unit": self.unit[unit], "peer": self.unit[peer], "found": np.isin(pair, found)}
        return pd.DataFrame(columns | {"frequency": frequency}).iloc[order].reset_index(drop=True).infer_objects()

    def targets(self, *, interval: Interval = "basic") -> pd.DataFrame:
        """Return what each unit would use and make at the frontier, one row a unit and good.

        Columns ``unit, good, part`` ('input' or 'output'), ``value, target, lower, upper``: the target by the frontier
        found, and the ends that the interval for the distance to the true frontier gives it, which lie further on. By
        the move along the direction alone (in proportion, but for the directional measure): slacks that are left there
        are not told, and a good that does not move has its value throughout.

        Parameters
        ----------
        interval : {'basic', 'percentile'}, default 'basic'
            As in `to_frame`.
        """
        programs = self.fit.programs
        k, width = programs.direction.shape
        inputs = np.arange(width) < programs.inputs.shape[1]
        value = np.concatenate([programs.inputs, programs.outputs], axis=1)
        step = np.where(inputs, -1.0, 1.0) * programs.direction

        def moved(delta: Floats) -> Floats:
            if self.measure == "input":
                delta = 1.0 - 1.0 / delta
            elif self.measure == "output":
                delta = delta - 1.0
            return np.asarray(np.where(step == 0.0, value, value + delta[:, None] * step))

        target, one, other = moved(self.delta), *(moved(end) for end in self._ends(interval))
        return pd.DataFrame(
            {
                "unit": np.repeat(self.unit, width),
                "good": np.tile(np.array(self.fit.goods.names, dtype=object), k),
                "part": np.tile(np.where(inputs, "input", "output").astype(object), k),
                "value": value.ravel(),
                "target": target.ravel(),
                "lower": np.minimum(one, other).ravel(),
                "upper": np.maximum(one, other).ravel(),
            }
        ).infer_objects()


def bootstrap_of(
    fit: DEAFit,
    *,
    replicates: int,
    kind: Kind,
    bandwidth: Rule | float | None,
    subset: int | None,
    level: float,
    rng: int | np.random.Generator | None,
    workers: int,
    progress: Callable[[int], None] | None,
) -> FrontierBootstrap:
    """Return what `DEAFit.bootstrap` documents."""
    if kind not in get_args(Kind):
        raise SpecificationError(f"kind={kind!r}; allowed are {', '.join(map(repr, get_args(Kind)))}")
    whole("replicates", replicates, least=_LEAST, what="enough for the tails of an interval")
    share("level", level)
    measure, delta = _measured(fit, kind)
    found, m = generator(rng), 0
    h = bandwidth_asked(fit, kind, bandwidth, delta)
    if kind == "subsample":
        m = size_asked(fit, delta, measure, subset, replicates=replicates, rng=found, workers=workers)
    elif subset is not None:
        raise SpecificationError("subset belongs to kind='subsample'")
    work = work_of(fit, kind, delta, measure, bandwidth=h, subset=m)
    parts = map_blocks(
        work, replicates, block=BLOCK, rng=found, workers=workers, least=_LEAST, progress=progress
    )  # fmt: skip
    drawn, vain = merged([part for part, _ in parts]), sum(some for _, some in parts)
    named = slice(0 if kind == "simar-wilson-2000" else None)
    resampled = FrontierBootstrap(
        unit=fit.unit, fit=fit, measure=measure, delta=delta,
        errors=(shrink_of(fit, m) if m else 1.0) * (drawn.distance - delta), stalled=drawn.stalled,
        pair=drawn.pair[named], count=drawn.count[named], chance=drawn.chance[named], kind=kind, bandwidth=h, subset=m,
        by_rule=bandwidth in (None, "silverman") and subset is None, vain=vain / (vain + drawn.distance.size),
        level=level, rng=entropy(found),
    )  # fmt: skip
    _warn(resampled)
    return resampled


def _warn(found: FrontierBootstrap) -> None:
    """Warn of units that the replicates say too little of, and of replicates that were not solved."""
    far, lost = found.withheld != "", found.stalled > 0
    if far.any():
        reasons = "; ".join(dict.fromkeys(found.withheld[far]))
        warnings.warn(
            f"{int(far.sum())} of {len(far)} units have no interval ({reasons}): {listed(found.unit[far])}",
            PartialResultWarning,
            stacklevel=4,
        )
    if lost.any():
        warnings.warn(
            f"{int(found.stalled.sum())} of {found.errors.size} programs of the replicates were not solved, and are "
            f"left out, for {listed(found.unit[lost])}",
            PartialResultWarning,
            stacklevel=4,
        )


def _measured(fit: DEAFit, kind: Kind) -> tuple[Measure, Floats]:
    """Return the measure and the distances (k,) that are resampled."""
    _without_weights(fit, "bootstrap")
    if fit.model.orientation != "directional":
        return distances_of(fit, "bootstrap")
    if kind != "subsample":
        raise SpecificationError(
            f"kind={kind!r} needs an efficiency: orientation='input' or 'output'; give 'subsample'"
        )
    lost = fit.status != "solved"
    if lost.any():
        raise SpecificationError(f"{int(lost.sum())} units have no inefficiency; leave them out, and fit again")
    return "directional", np.maximum(fit.inefficiency, 0.0)


def distances_of(fit: DEAFit, what: str) -> tuple[Side, Floats]:
    """Return the side that moves and the distances (k,) of a fit, 1 or more, or raise where there are none."""
    _without_weights(fit, what)
    if fit.model.orientation not in ("input", "output"):
        more = ", or 'directional' by subsamples" if what == "bootstrap" else ""
        raise SpecificationError(
            f"{what} is not of orientation={fit.model.orientation!r}; it needs an efficiency of orientation='input' or "
            f"'output'{more}"
        )
    delta = np.asarray(1.0 / fit.efficiency)
    if not np.isfinite(delta).all():
        raise SpecificationError(
            f"{int((~np.isfinite(delta)).sum())} units have no efficiency; leave them out, and fit again"
        )
    # Rounding puts some on the frontier a little beyond it.
    return ("input" if fit.model.orientation == "input" else "output"), np.maximum(delta, 1.0)


def _without_weights(fit: DEAFit, what: str) -> None:
    if fit.model.weights is not None:
        raise SpecificationError(
            f"{what} is not of a frontier with weights: how far such frontiers found are from the true ones is not "
            "known; fit without weights"
        )
