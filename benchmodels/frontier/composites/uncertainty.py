"""How sure a composite is: outcomes drawn again within their errors, or units drawn again; and the comparison of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.composites.simulated import coverage_of
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.composites import compose_again
from benchmodels.kernels.frontier_bootstrap import rate
from benchmodels.kernels.shrunken_draws import ShrunkenOutcomes, shrunken_outcomes
from benchmodels.parallel import map_blocks
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison, Coverage
    from benchmodels.frontier.composites.fit import BenefitOfTheDoubtFit

    Floats = NDArray[np.float64]
    Work = Callable[[int, np.random.Generator], Floats]

__all__ = ["CompositeUncertainty", "Of", "uncertainty_of", "with_uncertainty"]

Of = Literal["outcomes", "units"]
# Replicates that make an interval, and those drawn together: a part of what makes the answer.
_LEAST, _BLOCK = 100, 50
# Sizes of subsamples over which their intervals' volatility is taken.
_WINDOW = 5
# Steps from the frontier up to which a unit is on it; of the largest standard error, the least that is one.
_ON, _ROUNDING = 1e-9, 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class CompositeUncertainty:
    """Composites with what drawing again says of their uncertainty.

    Parameters
    ----------
    unit : (k,) array
    fit : BenefitOfTheDoubtFit
    of : {'outcomes', 'units'}
    distance : (k,) array
        Found: 1 / efficiency, or the inefficiency.
    replicates : (b, k) array
        Of the distance. Of outcomes: draws of what it may truly be. Of units: errors of it, the distances to subsamples
        less those found, times the rate (m / k)^κ, κ = 2 / (s + 1).
    withheld : (k,) array of str
        Why a unit has no interval; empty where it has.
    reliability : (s,) array
        Share of the variance between units of each outcome that is not noise; NaN of units.
    subset : int
        Units of a subsample; else 0.
    by_rule : bool
        The subset is by its own rule, and errors of outcomes are independent: what was simulated.
    level : float
    rng : str
        Entropy of the generator.
    """

    unit: NDArray[np.object_]
    fit: BenefitOfTheDoubtFit
    of: Of
    distance: Floats
    replicates: Floats
    withheld: NDArray[np.object_]
    reliability: Floats
    subset: int
    by_rule: bool
    level: float
    rng: str

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        return f"CompositeUncertainty({len(self.unit)} units, {self.told}, level={self.level:g})"

    @property
    def told(self) -> str:
        """What was done, in words without a full stop."""
        b, k = self.replicates.shape
        if self.of == "units":
            return f"{b} subsamples of {self.subset} of {k} units, their outcomes as they are"
        return f"{b} draws of the outcomes of {k} units around their shrunken estimates, errors of units independent"

    @cached_property
    def interval(self) -> tuple[Floats, Floats]:
        """Ends of the interval of the distance (k,) each; NaN where withheld."""
        tail = (1.0 - self.level) / 2.0
        low, high = np.quantile(self.replicates, [tail, 1.0 - tail], axis=0)
        if self.of == "units":
            low, high = self.distance - high, self.distance - low
        lost = self.withheld != ""
        return np.where(lost, np.nan, low), np.where(lost, np.nan, high)

    @property
    def corrected(self) -> Floats:
        """The distances (k,): means of draws, or without the bias that errors tell of; NaN where withheld."""
        mean = self.replicates.mean(axis=0)
        found = mean if self.of == "outcomes" else self.distance - mean
        return np.where(self.withheld != "", np.nan, found)

    @property
    def coverage(self) -> Coverage:
        """How often such intervals held the truth when it was known."""
        model, outcomes = self.fit.model, self.fit.outcomes
        free = model.direction != "own"
        return coverage_of(
            self.of if self.by_rule else f"{self.of}, not as simulated",
            units=len(self.unit),
            outcomes=len(outcomes.names),
            measure=model.orientation if model.orientation == "radial" or free else "directional, own",
            bounded=model.bounded,
            reliability=float(np.min(self.reliability)),
            level=self.level,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit, on the scale of efficiencies, or of inefficiencies where the measure is directional.

        Columns ``unit, efficiency, corrected, lower, upper, std_error, best``: found; by draws the middle of what it
        may truly be, by subsamples corrected for bias; the ends of the interval; the standard deviation of the
        distance; and in which share of the draws nobody does better by the unit's kindest weights: how likely it is
        among the best there are (NaN of units). Of the directional measure ``inefficiency`` stands in the place of
        ``efficiency``.
        """
        low, high = self.interval
        lost = self.withheld != ""
        radial = self.fit.model.orientation == "radial"
        shown = (self.distance, self.corrected, low, high)
        if radial:
            shown = (1.0 / self.distance, 1.0 / self.corrected, 1.0 / high, 1.0 / low)
        best = np.mean(self.replicates <= (1.0 if radial else 0.0) + _ON, axis=0)
        frame = {
            "unit": self.unit,
            "efficiency" if radial else "inefficiency": shown[0],
            "corrected": shown[1],
            "lower": shown[2],
            "upper": shown[3],
            "std_error": np.where(lost, np.nan, self.replicates.std(axis=0, ddof=1)),
            "best": np.where(lost | (self.of == "units"), np.nan, best),
        }
        return pd.DataFrame(frame).infer_objects()


def uncertainty_of(
    fit: BenefitOfTheDoubtFit,
    *,
    of: Of,
    replicates: int,
    noise_correlation: float | Floats,
    subset: int | None,
    level: float,
    rng: int | np.random.Generator | None,
    workers: int,
    progress: Callable[[int], None] | None,
) -> CompositeUncertainty:
    """Return what `BenefitOfTheDoubtFit.uncertainty` documents."""
    if of not in get_args(Of):
        raise SpecificationError(f"of={of!r}; allowed are 'outcomes', 'units'")
    whole("replicates", replicates, least=_LEAST, what="enough for the tails of an interval")
    share("level", level)
    lost = ~np.isfinite(fit.distance)
    if lost.any():
        raise SpecificationError(f"{int(lost.sum())} units have no composite; leave them out, and fit again")
    found, k = generator(rng), len(fit.unit)
    independent = np.ndim(noise_correlation) == 0 and noise_correlation == 0
    m, reliability, factor = 0, np.full(len(fit.outcomes.names), np.nan), 1.0
    withheld = np.full(k, "", dtype=object)
    if of == "outcomes":
        if subset is not None:
            raise SpecificationError("subset belongs to of='units'")
        drawn = _shrunken(fit, noise_correlation)
        reliability = drawn.reliability
        withheld[~drawn.known.all(axis=1)] = "the uncertainty of an outcome of its own is not known"
        work = _drawn(fit, drawn)
    else:
        if not independent:
            raise SpecificationError("noise_correlation belongs to of='outcomes'")
        m = _size(fit, subset, replicates=replicates, rng=found, workers=workers)
        work, factor = _subsampled(fit, m), _shrink(fit, m)
    parts = map_blocks(work, replicates, block=_BLOCK, rng=found, workers=workers, least=_LEAST, progress=progress)
    distance = np.concatenate(parts)
    gone = ~np.isfinite(distance).all(axis=0)
    withheld[gone & (withheld == "")] = "some of its programs were not solved"
    drawn_again = distance if of == "outcomes" else factor * (distance - fit.distance)
    spread = np.where(withheld == "", np.nan_to_num(drawn_again).std(axis=0), np.nan)
    still = spread <= _ROUNDING * np.nanmax(spread, initial=0.0)
    # Of draws it is an answer: the unit is the best in all of them.
    withheld[still & (of == "units")] = "all that was drawn leaves it where it is, which tells nothing of its error"
    _warn(fit, withheld)
    return CompositeUncertainty(
        unit=fit.unit, fit=fit, of=of, distance=fit.distance,
        replicates=np.where(withheld == "", drawn_again, np.nan), withheld=withheld, reliability=reliability, subset=m,
        by_rule=subset is None and independent, level=level, rng=entropy(found),
    )  # fmt: skip


def _warn(fit: BenefitOfTheDoubtFit, withheld: NDArray[np.object_]) -> None:
    lost = withheld != ""
    if lost.any():
        reasons = "; ".join(dict.fromkeys(withheld[lost]))
        warnings.warn(
            f"{int(lost.sum())} of {len(lost)} units have no interval ({reasons}): {listed(fit.unit[lost])}",
            PartialResultWarning,
            stacklevel=4,
        )


def _shrunken(fit: BenefitOfTheDoubtFit, correlation: float | Floats) -> ShrunkenOutcomes:
    outcomes = fit.outcomes
    if outcomes.std_error is None:
        raise SpecificationError(
            "the outcomes are columns of a table and have no errors; fit comparisons, as {'absence': comparison, …}, "
            "or ask of='units'"
        )
    return shrunken_outcomes(outcomes.value, outcomes.std_error, correlation=correlation, names=outcomes.names)


def _drawn(fit: BenefitOfTheDoubtFit, drawn: ShrunkenOutcomes) -> Work:
    from benchmodels.frontier.composites.fit import distance_of

    outcomes, own = fit.outcomes, fit.model.direction == "own"
    k = len(fit.unit)

    def work(size: int, rng: np.random.Generator) -> Floats:
        value = drawn.draw(size, rng).reshape(size * k, -1)
        if own and np.any(value <= 0):
            raise DataError(
                f"{int(np.sum(value <= 0))} of {value.size} outcomes are drawn at or below zero: they are too "
                "uncertain to be held against each other in proportion; ask orientation='directional' with "
                "direction='spread'"
            )
        steps = value if own else np.tile(outcomes.steps[0], (len(value), 1))
        sets = [np.arange(k) + k * j for j in range(size)]
        return distance_of(fit, compose_again(value * outcomes.sign, steps, fit.corners, sets, sets))

    return work


def _subsampled(fit: BenefitOfTheDoubtFit, m: int) -> Work:
    from benchmodels.frontier.composites.fit import distance_of

    better, steps, k = fit.outcomes.value * fit.outcomes.sign, fit.outcomes.steps, len(fit.unit)

    def work(size: int, rng: np.random.Generator) -> Floats:
        sets = [np.sort(rng.choice(k, m, replace=False)) for _ in range(size)]
        return distance_of(fit, compose_again(better, steps, fit.corners, sets, [np.arange(k)] * size))

    return work


def _shrink(fit: BenefitOfTheDoubtFit, m: int) -> float:
    """Return how much smaller errors of all units are than those of m: s outcomes, and one input that all have."""
    return float((m / len(fit.unit)) ** rate(len(fit.outcomes.names), (1.0, 1.0)))


def _size(
    fit: BenefitOfTheDoubtFit, subset: int | None, *, replicates: int, rng: np.random.Generator, workers: int
) -> int:
    """Return the size of subsamples asked for, or the one around which intervals change least."""
    k, least = len(fit.unit), len(fit.outcomes.names) + 2
    if subset is not None:
        whole("subset", subset, least=least, most=k - 1, what="units of a subsample")
        return int(subset)
    sizes = [m for m in sorted({round(k**power) for power in np.arange(0.4, 0.91, 0.05)}) if least <= m < k]
    if len(sizes) < _WINDOW:
        raise SpecificationError(f"{k} units are too few to choose the size of subsamples; give subset")
    ends = []
    for m in sizes:
        parts = map_blocks(_subsampled(fit, m), max(100, replicates // 10), block=_BLOCK, rng=rng, workers=workers)
        errors = _shrink(fit, m) * (np.concatenate(parts) - fit.distance)
        ends.append(np.nanquantile(errors, [0.025, 0.975], axis=0))
    both = np.array(ends)
    spread = [np.nanstd(both[j : j + _WINDOW], axis=0).sum(axis=0) for j in range(len(sizes) - _WINDOW + 1)]
    return sizes[int(np.nanmean(spread, axis=1).argmin()) + _WINDOW // 2]


def with_uncertainty(comparison: Comparison, fit: BenefitOfTheDoubtFit, found: CompositeUncertainty) -> Comparison:
    """Return the comparison of a composite with draws or errors, intervals and their coverage.

    Raises
    ------
    SpecificationError
        The uncertainty of another fit.
    """
    same = isinstance(found, CompositeUncertainty) and np.array_equal(found.unit, fit.unit)
    if not same or not np.allclose(found.distance, fit.distance, rtol=1e-9, atol=1e-12):
        raise SpecificationError("uncertainty is not of this fit; give the one of its own uncertainty()")
    low, high = found.interval
    replicates = _with_some_error(found.replicates) if found.of == "outcomes" else found.replicates
    return replace(
        comparison,
        lower=low,
        upper=high,
        noise=np.var(replicates, axis=0, ddof=1),
        withheld=found.withheld,
        level=found.level,
        replicates=replicates,
        replicate_kind="draws" if found.of == "outcomes" else "errors",
        coverage=found.coverage,
        source=replace(comparison.source, noise=found.told, rng=found.rng),
    )


def _with_some_error(draws: Floats) -> Floats:
    """Return draws (b, k) in which units that are the best in all of them have an error of a billionth.

    Ranks and differences are told by standard errors; without one there is no difference between two such units. This
    is far below whatever is told, and makes them what they are: never told apart from each other.
    """
    spread = draws.std(axis=0)
    still = np.flatnonzero(spread <= _ROUNDING * np.nanmax(spread, initial=0.0))
    some = np.random.default_rng(0).standard_normal((len(draws), len(still)))
    drawn = draws.copy()
    drawn[:, still] += _ROUNDING * np.nanmax(spread, initial=0.0) * (some - some.mean(axis=0))
    return drawn
