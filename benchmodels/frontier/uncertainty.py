"""A frontier's comparison with what a bootstrap says of its errors, and how often such intervals were seen to hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.comparison import Comparison, Coverage
from benchmodels.errors import SpecificationError
from benchmodels.frontier.bootstrap import FrontierBootstrap
from benchmodels.frontier.simulated import coverage_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit

    Floats = NDArray[np.float64]

__all__ = ["with_replicates"]


def with_replicates(comparison: Comparison, fit: DEAFit, found: FrontierBootstrap) -> Comparison:
    """Return the comparison of a frontier with errors, intervals and their coverage.

    Parameters
    ----------
    comparison : Comparison
        Of k units, without uncertainty: observed O, and expected O / δ.
    fit : DEAFit
    found : FrontierBootstrap
        Of the fit.

    Raises
    ------
    SpecificationError
        A bootstrap of another fit.

    Notes
    -----
    An error e of a distance δ is that of the estimate g(δ), the ratio δ or the difference O (1 - 1 / δ) / size, as
    g(δ) - g(δ - e), so that the basic interval of the one is that of the other. A replicate that came nowhere near a
    unit has one of its other errors, in turn, so that each unit has all b.
    """
    same = isinstance(found, FrontierBootstrap) and np.array_equal(found.unit, fit.unit)
    if not same or not np.allclose(found.delta, np.maximum(1.0 / fit.efficiency, 1.0), rtol=1e-9, atol=0.0):
        raise SpecificationError("bootstrap is not of this fit; give the one of its own bootstrap()")
    lost = found.withheld != ""
    errors = np.where(lost, np.nan, _completed(found.errors, np.isfinite(found.errors)))
    replicates = _estimated(comparison, found.delta) - _estimated(comparison, found.delta - errors)
    low, high = found.interval
    return replace(
        comparison,
        lower=_estimated(comparison, low),
        upper=_estimated(comparison, high),
        noise=np.var(replicates, axis=0, ddof=1),
        withheld=found.withheld,
        level=found.level,
        replicates=replicates,
        replicate_kind="errors",
        coverage=_coverage(fit, found),
        source=replace(comparison.source, noise=found.told, rng=found.rng),
    )


def _estimated(comparison: Comparison, delta: Floats) -> Floats:
    """Return the estimates that distances (k,) or (b, k) would make."""
    if comparison.contrast == "ratio":
        return delta
    return np.asarray(comparison.observed * (1.0 - 1.0 / delta) / comparison.size)


def _completed(errors: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return errors (b, k) with those of the other replicates, in turn, where a replicate has none.

    Moved a little, so that the mean stays that of the replicates that have one.
    """
    filled = errors.copy()
    for unit in np.flatnonzero(known.any(axis=0) & ~known.all(axis=0)):
        there, gaps = errors[known[:, unit], unit], ~known[:, unit]
        taken = np.resize(there, int(gaps.sum()))
        filled[gaps, unit] = taken - taken.mean() + there.mean()
    return filled


def _coverage(fit: DEAFit, found: FrontierBootstrap) -> Coverage:
    """Return what is known of the coverage, where a rule of the user's own is new.

    A circle of units that may be held against each other counts as a table of its size; the smallest one for all.
    """
    return coverage_of(
        f"{found.kind}{'' if found.by_rule else ', not by its own rule'}",
        units=int(fit.comparables.min()),
        goods=fit.goods.goods.shape[1],
        returns=str(fit.model.returns),
        orientation=fit.model.orientation,
        level=found.level,
    )
