"""Frontiers drawn for a bootstrap: how large subsamples are, how much is smoothed, and the work of a block."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.asked import whole
from benchmodels.errors import SpecificationError
from benchmodels.kernels.frontier_bootstrap import (
    Measure,
    Replicates,
    Side,
    pseudo_replicates,
    rate,
    strange_replicates,
    subset_replicates,
)
from benchmodels.kernels.heterogeneous_scores import cloud_of, normal_bandwidth, smoothed_units
from benchmodels.kernels.smoothed_scores import Rule, bandwidth_of, smoothed_draws
from benchmodels.parallel import map_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit

    Floats = NDArray[np.float64]
    # So many replicates, and how many units were drawn in vain for them.
    Work = Callable[[int, np.random.Generator], tuple[Replicates, int]]

__all__ = ["BLOCK", "Kind", "bandwidth_asked", "basic_interval", "shrink_of", "size_asked", "work_of"]

Kind = Literal["smoothed", "subsample", "simar-wilson-2000"]
# Replicates drawn together; a part of what makes the answer.
BLOCK = 20
# Sizes of subsamples over which their intervals' volatility is taken.
_WINDOW = 5


def bandwidth_asked(fit: DEAFit, kind: Kind, bandwidth: Rule | float | None, delta: Floats) -> float:
    """Return the bandwidth asked for, or that of a rule."""
    if kind == "subsample":
        if bandwidth is not None:
            raise SpecificationError("bandwidth belongs to kind='smoothed' and 'simar-wilson-2000'")
        return float("nan")
    if kind == "smoothed" and (bandwidth is None or isinstance(bandwidth, str)):
        return bandwidth_of(delta, "silverman" if bandwidth is None else bandwidth)
    if bandwidth is None:
        return normal_bandwidth(*fit.goods.goods.shape)
    number = isinstance(bandwidth, Real) and not isinstance(bandwidth, bool)
    if not number or not 0.0 < float(bandwidth) < np.inf:
        asked = "a rule, or a number" if kind == "smoothed" else "a number, in standard deviations,"
        raise SpecificationError(f"bandwidth={bandwidth!r}; give {asked} above 0")
    return float(bandwidth)


def work_of(fit: DEAFit, kind: Kind, delta: Floats, measure: Measure, *, bandwidth: float, subset: int) -> Work:
    """Return the work of a block of replicates."""
    if kind == "subsample":
        return _subsampled(fit, subset, measure)
    low, high = fit.technology.bounds
    if low not in (0.0, 1.0) or high not in (1.0, np.inf):
        raise SpecificationError(
            f"kind={kind!r} needs returns 'crs', 'vrs', 'drs' or 'irs'; with bounds ({low:g}, {high:g}) units on the "
            "frontier would make a larger technology than the one that they are drawn from"
        )
    drawn = _smoothed if kind == "smoothed" else _heterogeneous
    return drawn(fit, delta, bandwidth, "input" if measure == "input" else "output")


def basic_interval(delta: Floats, errors: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the ends (k,) of intervals for distances (k,), by errors (r, k) of replicates."""
    tail = (1.0 - level) / 2.0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(errors, [tail, 1.0 - tail], axis=0)
    return delta - high, delta - low


def size_asked(
    fit: DEAFit,
    delta: Floats,
    measure: Measure,
    subset: int | None,
    *,
    replicates: int,
    rng: np.random.Generator,
    workers: int,
) -> int:
    """Return the size of subsamples that is asked for, or the one around which intervals move least."""
    least = fit.goods.goods.shape[1] + 1
    if len(delta) <= least:
        raise SpecificationError(f"{len(delta)} units are too few for subsamples, which are of {least} units or more")
    if subset is None:
        fewer = max(100, replicates // 10)
        return _least_volatile(fit, delta, measure, least=least, replicates=fewer, rng=rng, workers=workers)
    whole("subset", subset, least=least, most=len(delta) - 1, what="units of a subsample")
    return int(subset)


def _least_volatile(
    fit: DEAFit,
    delta: Floats,
    measure: Measure,
    *,
    least: int,
    replicates: int,
    rng: np.random.Generator,
    workers: int,
) -> int:
    """Return the size of subsamples around which intervals change least, of k to the power .4, .45, …, .9."""
    k = len(delta)
    sizes = [m for m in sorted({round(k**power) for power in np.arange(0.4, 0.91, 0.05)}) if least <= m < k]
    if len(sizes) < _WINDOW:
        raise SpecificationError(f"{k} units are too few to choose the size of subsamples; give subset")
    ends = []
    for m in sizes:
        parts = map_blocks(_subsampled(fit, m, measure), replicates, block=BLOCK, rng=rng, workers=workers)
        errors = shrink_of(fit, m) * (np.concatenate([part.distance for part, _ in parts]) - delta)
        ends.append(basic_interval(delta, errors, 0.95))
    both = np.array(ends)
    spread = [np.nanstd(both[j : j + _WINDOW], axis=0).sum(axis=0) for j in range(len(sizes) - _WINDOW + 1)]
    return sizes[int(np.nanmean(spread, axis=1).argmin()) + _WINDOW // 2]


def _smoothed(fit: DEAFit, delta: Floats, bandwidth: float, side: Side) -> Work:
    goods, bounds, direction = fit.goods, fit.technology.bounds, fit.programs.direction
    allowed = fit.programs.allowed

    def work(size: int, rng: np.random.Generator) -> tuple[Replicates, int]:
        drawn = smoothed_draws(delta, bandwidth, size, rng)
        return pseudo_replicates(
            goods.inputs, goods.outputs, direction, bounds, side, delta=delta, drawn=drawn, allowed=allowed
        ), 0  # fmt: skip

    return work


def _heterogeneous(fit: DEAFit, delta: Floats, bandwidth: float, side: Side) -> Work:
    technology, direction = fit.technology, fit.programs.direction
    if fit.programs.allowed is not None:
        raise SpecificationError(
            "kind='simar-wilson-2000' draws units that are nobody's, so that nothing says who may be held against "
            "them; leave out environment, composition and peers, or give another kind"
        )
    moving = np.asarray(direction.any(axis=0))
    cloud = cloud_of(technology, moving, delta)

    def work(size: int, rng: np.random.Generator) -> tuple[Replicates, int]:
        pool, vain = smoothed_units(
            technology, moving, side, cloud, bandwidth=bandwidth, replicates=size, rng=rng
        )  # fmt: skip
        return strange_replicates(technology, direction, side, pool), vain

    return work


def _subsampled(fit: DEAFit, m: int, measure: Measure) -> Work:
    technology, direction, allowed, k = fit.technology, fit.programs.direction, fit.programs.allowed, len(fit.goods)

    def work(size: int, rng: np.random.Generator) -> tuple[Replicates, int]:
        sets = [np.sort(rng.choice(k, m, replace=False)) for _ in range(size)]
        return subset_replicates(technology, direction, measure, sets, allowed=allowed), 0

    return work


def shrink_of(fit: DEAFit, m: int) -> float:
    """Return how much smaller the errors of all units are than those of m of them."""
    return float((m / len(fit.goods)) ** rate(fit.goods.goods.shape[1], fit.technology.bounds))
