"""How sure an efficiency is: distances resampled, their bias, and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.asked import generator, share, whole
from benchmodels.errors import SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.frontier_bootstrap import Side, pseudo_distances, rate, subset_distances
from benchmodels.kernels.smoothed_scores import Rule, bandwidth_of, smoothed_draws
from benchmodels.parallel import map_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit

    Floats = NDArray[np.float64]

__all__ = ["FrontierBootstrap", "bootstrap_of"]

Kind = Literal["smoothed", "subsample"]
# Replicates drawn together; a part of what makes the answer.
_BLOCK = 20
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
        Units of a subsample; else 0.
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
    def bias(self) -> Floats:
        """Bias of the distances (k,): below zero, since the frontier found lies within the true one."""
        return np.asarray(np.nanmean(self.errors, axis=0))

    @property
    def std_error(self) -> Floats:
        """Standard error of the distances (k,)."""
        return np.asarray(np.nanstd(self.errors, axis=0, ddof=1))

    @property
    def interval(self) -> tuple[Floats, Floats]:
        """Ends of the basic interval of the distances, (k,) each."""
        tail = (1.0 - self.level) / 2.0
        low, high = np.nanquantile(self.errors, [tail, 1.0 - tail], axis=0)
        return self.delta - high, self.delta - low

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit, on the scale of efficiencies.

        Columns ``unit, efficiency, corrected, lower, upper``: found, corrected for bias, and the ends of the interval
        for the true efficiency, below the one found; ``bias, std_error`` of the distance 1 / efficiency, ``ratio``
        |bias| / std_error, and ``advised``: above √3 the corrected efficiency is nearer to the truth in mean square.
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
    model, k = fit.model, len(fit.goods)
    if kind not in get_args(Kind):
        raise SpecificationError(f"kind={kind!r}; allowed are {', '.join(map(repr, get_args(Kind)))}")
    if model.orientation not in ("input", "output"):
        raise SpecificationError("bootstrap needs an efficiency: orientation='input' or 'output'")
    whole("replicates", replicates, least=100, what="enough for the tails of an interval")
    share("level", level)
    side: Side = "input" if model.orientation == "input" else "output"
    delta = np.asarray(1.0 / fit.efficiency)
    usable = np.isfinite(delta)
    if not usable.all():
        raise SpecificationError(f"{int((~usable).sum())} units have no efficiency; leave them out, and fit again")
    # Rounding puts some on the frontier a little beyond it.
    delta = np.maximum(delta, 1.0)
    if kind == "smoothed":
        if subset is not None:
            raise SpecificationError("subset belongs to kind='subsample'")
        h = bandwidth_of(delta, bandwidth) if isinstance(bandwidth, str) else float(bandwidth)
        if not 0.0 < h < np.inf:
            raise SpecificationError(f"bandwidth={bandwidth!r}; give a rule, or a number above 0")
        work, m = _smoothed(fit, delta, h, side), 0
    else:
        m = round(k**0.7) if subset is None else subset
        whole("subset", m, least=fit.goods.goods.shape[1] + 1, most=k - 1, what="units of a subsample")
        work, h = _subsampled(fit, delta, m, side), float("nan")
    parts = map_blocks(work, replicates, block=_BLOCK, rng=generator(rng), workers=workers, progress=progress)
    errors = np.concatenate(parts)
    return FrontierBootstrap(
        unit=fit.unit, delta=delta, errors=errors, kind=kind, bandwidth=h, subset=m, level=level
    )  # fmt: skip


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
