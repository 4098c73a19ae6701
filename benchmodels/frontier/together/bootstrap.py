"""How sure the gains of mergers are: groups held against frontiers drawn anew, part by part."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.frontier.together.simulated import held_in
from benchmodels.kernels.frontier_bootstrap import rate
from benchmodels.kernels.merging import Sums, replicated_gains
from benchmodels.kernels.smoothed_scores import bandwidth_of, smoothed_draws
from benchmodels.kernels.technology import Technology
from benchmodels.parallel import map_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.frontier.together.gains import Gains
    from benchmodels.kernels.merging import Merged

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["PARTS", "Kind", "MergerBootstrap", "Part", "merger_bootstrap"]

Kind = Literal["subsample", "smoothed"]
Part = Literal["total", "learning", "harmony", "size", "corrected"]
PARTS: tuple[Part, ...] = get_args(Part)
# Of whose errors the ends are taken one by one: their frontiers lie to one side, so that errors do. Those of the others
# are of one frontier beside another, and go both ways: their ends are as far to both sides.
_ONE_SIDED = ("total", "learning")
# No merger of a convex technology does worse by these.
_NO_COST = ("learning", "harmony")
# Replicates drawn together; and that make an interval.
BLOCK, _LEAST = 20, 100
# Share of replicates without an answer above which those left say nothing.
_MISSING = 0.5
# Above which a correction for bias takes away more than it adds, and bias is what there is to see.
_DOMINATES = np.sqrt(3.0)
# How far below its level an interval may have held in simulations before no verdict rests on it.
_SHORT = 0.05
# Of the number of units: how many a subsample has. Smaller ones end short of most mergers, larger ones hold less often.
_POWER = 0.65
# What large units that are few do to a cost of size, and of what has size in it.
_FEW_LARGE = "size looks like a cost where large units are few, also where it is none"
_WITH_SIZE = ("total", "size", "corrected")
# A factor that is 1 but for rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class MergerBootstrap:
    """Gains of g groups with what resampling says of their errors.

    Parameters
    ----------
    gains : Gains
        Whose errors they are.
    errors : (r, g, 5) array
        Of replicates, of the logarithms of total, learning, harmony, size and corrected, in this order: how far those
        by frontiers drawn are from those found; of subsamples times the rate (m / k)^κ. NaN where a frontier drawn ends
        short of the group, or of one of its units.
    kind : {'subsample', 'smoothed'}
    subset : int
        Units of a subsample; 0 of the smoothed kind.
    bandwidth : float
        Of the smoothed kind, by Silverman's rule; else NaN.
    by_rule : bool
        The subset is by the rule, which is what was simulated.
    level : float
    rng : str
        Entropy of the generator.

    Notes
    -----
    On the logarithmic scale the parts add up, in each replicate as in what was found. How often the intervals hold is
    simulated (`held`, and `to_frame`): where that is more than .05 below the level, or was not simulated, or where bias
    is more than √3 standard errors, there is an interval and no verdict.
    """

    gains: Gains
    errors: Floats
    kind: Kind
    subset: int
    bandwidth: float
    by_rule: bool
    level: float
    rng: str

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        return f"MergerBootstrap({len(self.gains)} groups, {self.told}, level={self.level:g})"

    @property
    def told(self) -> str:
        """What was done, in words without a full stop."""
        r, k = len(self.errors), len(self.gains.fit.goods)
        if self.kind == "subsample":
            return f"{r} subsamples of {self.subset} of {k} units"
        return f"{r} replicates of the smoothed bootstrap of Simar and Wilson (1998), bandwidth {self.bandwidth:.3g}"

    @cached_property
    def log(self) -> Floats:
        """Logarithms of what was found, (g, 5)."""
        return logs_of(self.gains)

    @cached_property
    def missing(self) -> Floats:
        """Share of replicates without an answer for each group, (g,)."""
        return np.asarray(np.isnan(self.errors[:, :, 0]).mean(axis=0))

    @cached_property
    def withheld(self) -> NDArray[np.object_]:
        """Why a group has no interval (g,); empty where it has."""
        reasons = np.full(len(self.gains), "", dtype=object)
        reasons[self.missing > _MISSING] = "more than half of the frontiers drawn end short of it"
        reasons[self.gains.status != "solved"] = "it has no potential, or not in parts"
        reasons.setflags(write=False)
        return reasons

    @cached_property
    def bias(self) -> Floats:
        """Bias of the logarithms, (g, 5)."""
        return self._over(np.nanmean)

    @cached_property
    def std_error(self) -> Floats:
        """Standard errors of the logarithms, (g, 5)."""
        return self._over(np.nanstd, ddof=1)

    def _over(self, statistic: Callable[..., Any], **options: Any) -> Floats:
        with warnings.catch_warnings():
            # Of groups without any answer, which are withheld.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = statistic(self.errors, axis=0, **options)
        return np.where((self.withheld == "")[:, None], found, np.nan)

    @cached_property
    def interval(self) -> tuple[Floats, Floats]:
        """Ends of the intervals of the factors, (g, 5) each: of the true ones, one group and part at a time.

        Basic ones of total and learning; of harmony, size and corrected as far to both sides. Learning and harmony are
        no cost, which ends their intervals at 1.
        """
        tail = (1.0 - self.level) / 2.0
        low, high = self._over(np.nanquantile, q=tail), self._over(np.nanquantile, q=1.0 - tail)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            far = np.nanquantile(np.abs(self.errors), self.level, axis=0)
        one_sided = np.isin(PARTS, _ONE_SIDED)
        ends = [self.log - np.where(one_sided, high, far), self.log - np.where(one_sided, low, -far)]
        no_cost = np.isin(PARTS, _NO_COST)
        if self.gains.fit.model.orientation == "input":
            cut = [np.where(no_cost, np.minimum(end, 0.0), end) for end in ends]
        else:
            cut = [np.where(no_cost, np.maximum(end, 0.0), end) for end in ends]
        known = (self.withheld == "")[:, None]
        found = [np.where(known, np.exp(end), np.nan) for end in cut]
        return found[0], found[1]

    @cached_property
    def held(self) -> dict[str, float]:
        """How often intervals of each part held in simulations like this; NaN where none are.

        And ``best``: how often the best group was among those that may be; ``ranks``: how often all ranks held.
        """
        model, goods = self.gains.fit.model, self.gains.fit.goods
        if not self.by_rule:
            return dict.fromkeys((*PARTS, "best", "ranks"), float("nan"))
        return held_in(
            self.kind, returns=model.returns, orientation=model.orientation, units=len(goods),
            goods=goods.goods.shape[1], level=self.level,
        )  # fmt: skip

    def verdicts(self, part: Part = "corrected") -> NDArray[np.object_]:
        """Return 'gain', 'cost', 'not different' or 'withheld' for each group, (g,), one group at a time.

        A cost is withheld where returns to scale let size be one (`why_no_verdict`).
        """
        gain, cost = self._sides(part)
        told = np.select([gain, cost], ["gain", "cost"], "not different").astype(object)
        told[self.why_no_verdict(part) != ""] = "withheld"
        return told

    def why_no_verdict(self, part: Part = "corrected") -> NDArray[np.object_]:
        """Return why there is no verdict on a part of each group, (g,); empty where there is one.

        Of many small units the best are better than of few large ones by number alone, and no frontier drawn anew
        knows it. In a simulated country in which prices do not depend on size, intervals had size as a cost for 126 of
        192 pairs of neighbours (``tests/frontier/test_mergers.py``), so that a cost of it is not called one.
        """
        place, held = self._place(part), self.held[part]
        reasons = self.withheld.copy()
        with np.errstate(invalid="ignore", divide="ignore"):
            dominated = np.abs(self.bias[:, place]) > _DOMINATES * self.std_error[:, place]
        reasons[(reasons == "") & dominated] = "its bias is more than √3 standard errors"
        if np.isnan(held):
            reasons[reasons == ""] = "how often such intervals hold was not simulated"
        elif held < self.level - _SHORT:
            reasons[reasons == ""] = f"such intervals held in {held:.0%} of simulated cases"
        if part in _WITH_SIZE and self.gains.fit.model.returns in ("vrs", "drs"):
            reasons[(reasons == "") & self._sides(part)[1]] = _FEW_LARGE
        return reasons

    def _sides(self, part: Part) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return whether the interval of a part lies all on the side of a gain, and of a cost, (g,) each."""
        low, high = (end[:, self._place(part)] for end in self.interval)
        less, more = high < 1.0 - _ROUNDING, low > 1.0 + _ROUNDING
        return (less, more) if self.gains.fit.model.orientation == "input" else (more, less)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group and part.

        Columns ``group, part, value, lower, upper, bias, std_error, ratio`` (of logarithms; |bias| / std_error),
        ``verdict, why, held`` (how often such intervals held in simulations) and ``missing``, the share of replicates
        without an answer.
        """
        g, p = len(self.gains), len(PARTS)
        low, high = self.interval
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.abs(self.bias) / self.std_error
        return pd.DataFrame(
            {
                "group": np.repeat(self.gains.groups.name, p),
                "part": np.tile(np.array(PARTS, dtype=object), g),
                "value": np.exp(self.log).ravel(),
                "lower": low.ravel(),
                "upper": high.ravel(),
                "bias": self.bias.ravel(),
                "std_error": self.std_error.ravel(),
                "ratio": ratio.ravel(),
                "verdict": np.stack([self.verdicts(part) for part in PARTS], axis=1).ravel(),
                "why": np.stack([self.why_no_verdict(part) for part in PARTS], axis=1).ravel(),
                "held": np.tile([self.held[part] for part in PARTS], g),
                "missing": np.repeat(self.missing, p),
            }
        ).infer_objects()

    def best(self, part: Part = "corrected") -> pd.DataFrame:
        """Return which groups may be the one with most to gain, of all at once.

        The best of many found is best in part by chance. So the intervals here hold for all groups together, and a
        group may be the best where its own reaches as far as the nearer end of every other's. Groups without an
        interval are left out and may be the best as well.

        Columns ``group, value, lower, upper, best_rank, worst_rank, may_be_best``: rank 1 has most to gain, and the
        ranks are meant to hold for all groups together; ``held``, in which share of simulated tables all of them did
        (NaN where that was not simulated; where it is far below the level, trust ``may_be_best`` alone, whose share is
        ``self.held["best"]``). Simulated for ``part="corrected"``, of 30 groups.

        Parameters
        ----------
        part : {'corrected', 'total', 'learning', 'harmony', 'size'}, default 'corrected'

        Raises
        ------
        SpecificationError
            No group has an interval; another part.
        """
        place = self._place(part)
        at = np.flatnonzero(self.withheld == "")
        if not len(at):
            raise SpecificationError("no group has an interval, so that nothing can be said of which is the best")
        # What is known without error, as size under constant returns, differs by rounding alone.
        error, value = np.maximum(self.std_error[at, place], _ROUNDING), self.log[at, place]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            largest = np.nanmax(np.abs(self.errors[:, at, place]) / error, axis=1)
        far = np.maximum(float(np.nanquantile(largest, self.level)) * error, _ROUNDING)
        # Worth is high where there is much to gain.
        sign = -1.0 if self.gains.fit.model.orientation == "input" else 1.0
        low, high = sign * value - far, sign * value + far
        best = 1 + len(at) - np.searchsorted(np.sort(low), high, side="right")
        worst = len(at) - np.searchsorted(np.sort(high), low, side="left")
        ends = np.sort(np.exp(sign * np.stack([low, high])), axis=0)
        frame = pd.DataFrame(
            {
                "group": self.gains.groups.name[at],
                "value": np.exp(value),
                "lower": ends[0],
                "upper": ends[1],
                "best_rank": best,
                "worst_rank": worst,
                "may_be_best": best == 1,
                "held": self.held["ranks"] if part == "corrected" else np.nan,
            }
        )
        order = np.argsort(-sign * value, kind="stable")
        return frame.iloc[order].reset_index(drop=True).infer_objects()

    def _place(self, part: Part) -> int:
        if part not in PARTS:
            raise SpecificationError(f"part={part!r}; allowed are {', '.join(map(repr, PARTS))}")
        return PARTS.index(part)


def logs_of(found: Gains | Merged) -> Floats:
    """Return the logarithms of the parts, along a last axis; NaN of what there is not, or is nothing."""
    parts = np.stack([getattr(found, part) for part in PARTS], axis=-1)
    return np.log(np.where(parts > 0, parts, np.nan))


def merger_bootstrap(
    gains: Gains,
    *,
    replicates: int,
    kind: Kind,
    subset: int | None,
    level: float,
    rng: int | np.random.Generator | None,
    workers: int,
    progress: Callable[[int], None] | None,
) -> MergerBootstrap:
    """Return what `Gains.bootstrap` documents."""
    fit = gains.fit
    if kind not in get_args(Kind):
        raise SpecificationError(f"kind={kind!r}; allowed are {', '.join(map(repr, get_args(Kind)))}")
    technology = fit.technology
    if technology is None:
        raise SpecificationError(
            "the frontier of units as they are (returns='fdh') has errors of another law; give 'vrs', 'crs', 'drs' or "
            "'irs'"
        )
    whole("replicates", replicates, least=_LEAST, what="enough for the tails of an interval")
    share("level", level)
    k, least = len(fit.goods), fit.goods.goods.shape[1] + 1
    m, bandwidth = 0, float("nan")
    if kind == "smoothed":
        if subset is not None:
            raise SpecificationError("subset belongs to kind='subsample'")
        bandwidth = bandwidth_of(_distances(gains), "silverman")
    else:
        if k <= least:
            raise SpecificationError(f"{k} units are too few for subsamples, which are of {least} units or more")
        m = max(least, round(k**_POWER)) if subset is None else subset
        whole("subset", m, least=least, most=k - 1, what="units of a subsample")
    found = generator(rng)
    # Only units that are put together are held against what is drawn.
    used, place = np.unique(gains.groups.sums.unit, return_inverse=True)
    sums = Sums(place.astype(np.intp), gains.groups.sums.first)
    log = logs_of(gains)

    def work(size: int, drawn: np.random.Generator) -> Floats:
        pool, sets = _pseudo(gains, bandwidth, size, drawn) if kind == "smoothed" else (
            technology, [np.sort(drawn.choice(k, m, replace=False)) for _ in range(size)],
        )  # fmt: skip
        side = fit.model.orientation
        return logs_of(replicated_gains(pool, fit.goods.inputs[used], fit.goods.outputs[used], sums, side, sets)) - log

    parts = map_blocks(work, replicates, block=BLOCK, rng=found, workers=workers, least=_LEAST, progress=progress)
    shrink = (m / k) ** rate(fit.goods.goods.shape[1], technology.bounds) if m else 1.0
    resampled = MergerBootstrap(
        gains=gains, errors=shrink * np.concatenate(parts), kind=kind, subset=int(m), bandwidth=bandwidth,
        by_rule=subset is None, level=level, rng=entropy(found),
    )  # fmt: skip
    lost = resampled.withheld[(resampled.withheld != "") & (gains.status == "solved")]
    if len(lost):
        warnings.warn(
            f"{len(lost)} of {len(gains)} groups have no interval ({'; '.join(dict.fromkeys(lost))})",
            PartialResultWarning,
            stacklevel=3,
        )
    return resampled


def _distances(gains: Gains) -> Floats:
    """Return the distances of the units (k,), 1 or more but for rounding, which is taken away."""
    factor = gains.fit.factor
    delta = 1.0 / factor if gains.fit.model.orientation == "input" else factor
    if not np.isfinite(delta).all():
        raise SpecificationError(
            f"{int((~np.isfinite(delta)).sum())} units have no efficiency; leave them out, and fit again"
        )
    return np.maximum(delta, 1.0)


def _pseudo(gains: Gains, bandwidth: float, size: int, rng: np.random.Generator) -> tuple[Technology, list[Codes]]:
    """Return frontiers of units on their own rays, as far within the frontier found as was drawn."""
    goods, delta = gains.fit.goods, _distances(gains)
    k = len(goods)
    drawn = smoothed_draws(delta, bandwidth, size, rng)
    times = (drawn / delta).reshape(-1, 1)
    inputs, outputs = np.tile(goods.inputs, (size, 1)), np.tile(goods.outputs, (size, 1))
    moved = (inputs * times, outputs) if gains.fit.model.orientation == "input" else (inputs, outputs / times)
    technology = gains.fit.technology
    bounds = (1.0, 1.0) if technology is None else technology.bounds
    return Technology(*moved, bounds), list(np.arange(size * k).reshape(size, k))
