"""How sure an efficiency is: distances resampled, their bias, and intervals."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.asked import generator, share, whole
from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.frontier_bootstrap import Side, pseudo_distances, rate, subset_distances
from benchmodels.kernels.smoothed_scores import Rule, bandwidth_of, smoothed_draws
from benchmodels.parallel import map_blocks
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit

    Floats = NDArray[np.float64]

__all__ = ["FrontierBootstrap", "bootstrap_of"]

Kind = Literal["smoothed", "subsample"]
# Share of replicates without an answer above which those left say nothing: they are the ones that hold the unit itself.
_MISSING = 0.5
# Replicates drawn together; a part of what makes the answer.
_BLOCK = 20
# Sizes of subsamples over which their intervals' volatility is taken.
_WINDOW = 5
# Above which a correction for bias takes away more than it adds: 4 σ² < σ² + bias².
_ADVISED = np.sqrt(3.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class FrontierBootstrap:
    """Efficiencies with what resampling says of their error.

    Parameters
    ----------
    unit : (k,) array
    delta : (k,) array
        Distances found, 1 or more: 1 / efficiency.
    errors : (r, k) array
        Of replicates: how far distances to resampled frontiers are from those found; for subsamples times the rate
        (m / n)^κ. NaN where a subsample came nowhere near a unit.
    kind : {'smoothed', 'subsample'}
    bandwidth : float
        Of the smoothed kind; else NaN.
    subset : int
        Units of a subsample; 0 for the smoothed kind.
    level : float
    """

    unit: NDArray[np.object_]
    delta: Floats
    errors: Floats
    kind: Kind
    bandwidth: float
    subset: int
    level: float

    def __post_init__(self) -> None:
        read_only(self)

    @property
    def missing(self) -> Floats:
        """Share of the replicates that came nowhere near each unit (k,); above a half its interval is withheld."""
        return np.asarray(np.isnan(self.errors).mean(axis=0))

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
        ends = basic_interval(self.delta, self.errors, self.level)
        return tuple(np.where(self.missing > _MISSING, np.nan, end) for end in ends)  # type: ignore[return-value]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit, on the scale of efficiencies.

        Columns ``unit, efficiency, corrected, lower, upper``: found, corrected for bias, and the ends of the interval
        for the true efficiency, below the one found; ``bias, std_error`` of the distance 1 / efficiency, ``ratio``
        |bias| / std_error, and ``advised``: above √3 the corrected efficiency is nearer to the truth in mean square;
        ``missing``, the share of replicates that came nowhere near the unit and are left out of all this.
        """
        low, high = self.interval
        bias, error = self.bias, self.std_error
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(bias) / error
            frame = {
                "unit": self.unit,
                "efficiency": 1.0 / self.delta,
                "corrected": 1.0 / (self.delta - bias),
                "lower": 1.0 / high,
                "upper": 1.0 / low,
                "bias": bias,
                "std_error": error,
                "ratio": ratio,
                "advised": ratio > _ADVISED,
                "missing": self.missing,
            }
        return pd.DataFrame(frame).infer_objects()


def bootstrap_of(
    fit: DEAFit,
    *,
    replicates: int,
    kind: Kind,
    bandwidth: Rule | float,
    subset: int | None,
    level: float,
    rng: int | np.random.Generator | None,
    workers: int,
    progress: Callable[[int], None] | None,
) -> FrontierBootstrap:
    """Return what `DEAFit.bootstrap` documents."""
    if kind not in get_args(Kind):
        raise SpecificationError(f"kind={kind!r}; allowed are {', '.join(map(repr, get_args(Kind)))}")
    whole("replicates", replicates, least=100, what="enough for the tails of an interval")
    share("level", level)
    side, delta = distances_of(fit, "bootstrap")
    k = len(delta)
    if kind == "smoothed":
        if subset is not None:
            raise SpecificationError("subset belongs to kind='subsample'")
        h = bandwidth_of(delta, bandwidth) if isinstance(bandwidth, str) else float(bandwidth)
        if not 0.0 < h < np.inf:
            raise SpecificationError(f"bandwidth={bandwidth!r}; give a rule, or a number above 0")
        work, m = _smoothed(fit, delta, h, side), 0
    else:
        least, found = fit.goods.goods.shape[1] + 1, generator(rng)
        if subset is None:
            m = _least_volatile(fit, delta, side, least=least, replicates=max(100, replicates // 10), rng=found)
        else:
            whole("subset", subset, least=least, most=k - 1, what="units of a subsample")
            m = subset
        work, h, rng = _subsampled(fit, delta, m, side), float("nan"), found
    parts = map_blocks(work, replicates, block=_BLOCK, rng=generator(rng), workers=workers, progress=progress)
    errors = np.concatenate(parts)
    found_by = FrontierBootstrap(
        unit=fit.unit, delta=delta, errors=errors, kind=kind, bandwidth=h, subset=m, level=level
    )  # fmt: skip
    far = found_by.missing > _MISSING
    if far.any():
        warnings.warn(
            f"{int(far.sum())} of {k} units have no interval, since more than half of the subsamples come nowhere near "
            f"them: {listed(fit.unit[far])}",
            PartialResultWarning,
            stacklevel=4,
        )
    return found_by


def distances_of(fit: DEAFit, what: str) -> tuple[Side, Floats]:
    """Return the side that moves and the distances (k,) of a fit, 1 or more, or raise where there are none."""
    if fit.model.orientation not in ("input", "output"):
        raise SpecificationError(f"{what} needs an efficiency: orientation='input' or 'output'")
    delta = np.asarray(1.0 / fit.efficiency)
    if not np.isfinite(delta).all():
        raise SpecificationError(
            f"{int((~np.isfinite(delta)).sum())} units have no efficiency; leave them out, and fit again"
        )
    # Rounding puts some on the frontier a little beyond it.
    return ("input" if fit.model.orientation == "input" else "output"), np.maximum(delta, 1.0)


def basic_interval(delta: Floats, errors: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the ends (k,) of intervals for distances (k,), by errors (r, k) of replicates."""
    tail = (1.0 - level) / 2.0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(errors, [tail, 1.0 - tail], axis=0)
    return delta - high, delta - low


def _least_volatile(
    fit: DEAFit, delta: Floats, side: Side, *, least: int, replicates: int, rng: np.random.Generator
) -> int:
    """Return the size of subsamples around which intervals change least, of k to the power .4, .45, …, .9."""
    k = len(delta)
    sizes = [m for m in sorted({round(k**power) for power in np.arange(0.4, 0.91, 0.05)}) if least <= m < k]
    if len(sizes) < _WINDOW:
        raise SpecificationError(f"{k} units are too few to choose the size of subsamples; give subset")
    ends = []
    for m in sizes:
        errors = np.concatenate(map_blocks(_subsampled(fit, delta, m, side), replicates, block=_BLOCK, rng=rng))
        ends.append(basic_interval(delta, errors, 0.95))
    both = np.array(ends)
    spread = [np.nanstd(both[j : j + _WINDOW], axis=0).sum(axis=0) for j in range(len(sizes) - _WINDOW + 1)]
    return sizes[int(np.nanmean(spread, axis=1).argmin()) + _WINDOW // 2]


def _smoothed(fit: DEAFit, delta: Floats, bandwidth: float, side: Side) -> Callable[[int, np.random.Generator], Floats]:
    goods, bounds, direction = fit.goods, fit.technology.bounds, fit.programs.direction
    allowed = fit.programs.allowed

    def work(size: int, rng: np.random.Generator) -> Floats:
        drawn = smoothed_draws(delta, bandwidth, size, rng)
        found = pseudo_distances(
            goods.inputs, goods.outputs, direction, bounds, side, delta=delta, drawn=drawn, allowed=allowed
        )
        return np.asarray(found - delta)

    return work


def _subsampled(fit: DEAFit, delta: Floats, m: int, side: Side) -> Callable[[int, np.random.Generator], Floats]:
    technology, direction, k = fit.technology, fit.programs.direction, len(delta)
    allowed, shrink = fit.programs.allowed, (m / k) ** rate(fit.goods.goods.shape[1], fit.technology.bounds)

    def work(size: int, rng: np.random.Generator) -> Floats:
        sets = [np.sort(rng.choice(k, m, replace=False)) for _ in range(size)]
        return np.asarray(shrink * (subset_distances(technology, direction, side, sets, allowed=allowed) - delta))

    return work
