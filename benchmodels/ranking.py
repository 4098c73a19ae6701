"""Ranks of units with honest confidence sets: how far up or down a unit could be, given its noise."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.comparison import a_comparison
from benchmodels.errors import BenchmodelsWarning, PartialResultWarning, SpecificationError
from benchmodels.kernels.rank_sets import RankSets, confidence_sets, min_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison, Coverage, Source

    Floats = NDArray[np.float64]

__all__ = ["Ranking", "drawn", "rank", "rankable", "upward", "upward_errors"]

_NAMED = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranking:
    """Ranks of k units with marginal and simultaneous confidence sets.

    A marginal set holds the unit's true rank with probability ``level``: read it for one unit chosen
    beforehand. The simultaneous sets hold all true ranks at once with that probability: read them for the
    whole list, or for a unit chosen because of its place on it.

    Parameters
    ----------
    unit : (k,) array
        Labels, in the order of the comparison.
    estimate : (k,) array
        As in the comparison.
    rank, lower, upper, simultaneous_lower, simultaneous_upper : (k,) arrays
        Whole numbers from 1 to the number of units ranked; NaN for units left out.
    level : float
    draws : int
    better : 'low', 'high' or None
        As in the comparison.
    order : str
        Which unit has rank 1, as a sentence without a full stop.
    notes : tuple of str
        What a reader must know beside the numbers; empty when there is nothing.
    rng : str
        Entropy of the generator.
    source : Source
    coverage : Coverage, optional
        How often such sets held when simulated, where theory does not vouch for their level; short of it they are not
        to be called by it.
    """

    unit: NDArray[np.object_]
    estimate: Floats
    rank: Floats
    lower: Floats
    upper: Floats
    simultaneous_lower: Floats
    simultaneous_upper: Floats
    level: float
    draws: int
    better: Better | None
    order: str
    notes: tuple[str, ...]
    rng: str
    source: Source
    coverage: Coverage | None = None

    def __len__(self) -> int:
        return len(self.unit)

    def __repr__(self) -> str:
        told = f"{self._ranked} of {len(self)} units ranked, level={self.level}, draws={self.draws}"
        found = self.coverage
        held = "" if found is None else f", held {found.ranks:.0%} when simulated"
        doubt = held if found is None or np.isfinite(found.ranks) else ", of unknown coverage"
        return f"Ranking({told}, {self.order}{doubt})"

    def to_frame(self) -> pd.DataFrame:
        """Return the ranking as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "estimate", "rank", "lower", "upper", "simultaneous_lower", "simultaneous_upper")
        frame = pd.DataFrame({name: getattr(self, name) for name in names})
        frame["unit"] = frame["unit"].infer_objects()
        return frame

    def best(self, tau: int) -> NDArray[np.object_]:
        """Return the units that may be among the τ best, by the simultaneous sets: for any τ, also chosen afterwards.

        Best is rank 1 (``order`` says which end that is). Units left out of the ranks are not among them. `best_set`
        is closer for one τ chosen beforehand.
        """
        return np.asarray(self.unit[self.simultaneous_lower <= self._place(tau)])

    def worst(self, tau: int) -> NDArray[np.object_]:
        """Return the units that may be among the τ worst, by the simultaneous sets."""
        return np.asarray(self.unit[self.simultaneous_upper > self._ranked - self._place(tau)])

    def certain(self, tau: int) -> NDArray[np.object_]:
        """Return the units that are certainly among the τ best, by the simultaneous sets: for any τ.

        All of them are, at once, with probability ``level``; often there are none. A unit that ties with others for
        the last of the τ places is not certain of it.
        """
        return np.asarray(self.unit[self.simultaneous_upper <= self._place(tau)])

    @property
    def _ranked(self) -> int:
        return int(np.isfinite(self.rank).sum())

    def _place(self, tau: int) -> int:
        whole("tau", tau, most=self._ranked, what="the number of units ranked")
        return tau


def rank(
    comparison: Comparison,
    *,
    level: float = 0.95,
    draws: int = 10_000,
    rng: int | np.random.Generator | None = 0,
    overlap_threshold: float = 0.2,
) -> Ranking:
    """Rank the units of a comparison, with marginal and simultaneous confidence sets for the ranks.

    Rank 1 is the lowest estimate when ``comparison.better`` is "low", else the highest. Estimates that are
    equal after rounding to 12 significant digits share the smallest of their ranks. Where the comparison has
    replicates, ranks are of the estimates as they were found, and sets of what they are when corrected for bias: a set
    need not hold the rank found.

    Parameters
    ----------
    comparison : Comparison
        k units. Its covariance is used in full; where ``df`` is finite the unit's own noise counts as
        estimated.
    level : float, default 0.95
        Coverage of each marginal set, and of all simultaneous sets together.
    draws : int, default 10,000
        Draws behind the critical values; where the comparison has replicates these are used, as many as they are.
    rng : int, numpy.random.Generator or None, default 0
        The same seed gives the same answer, whatever the order of rows; None takes fresh entropy. Either is
        recorded.
    overlap_threshold : float, default 0.2
        Smallest share of a unit's case mix that other units must have too, between 0 and 1, for indirect ratios and
        rates to be ranked at all.

    Returns
    -------
    Ranking

    Raises
    ------
    SpecificationError
        Fewer than two units have an uncertainty; indirect ratios or rates of units with too different case mix; or an
        option that is not what is asked for.
    DataError
        Degrees of freedom that are not above zero, or a covariance that is none.

    Warns
    -----
    PartialResultWarning
        Units whose uncertainty is withheld are left out; their ranks are NaN.
    BenchmodelsWarning
        The estimates are indirectly standardised: each is against its own case mix.

    Notes
    -----
    98 units and 10,000 draws take 0.1 seconds, 0.2 with finite ``df``; 2,000 units and 1,000 draws 4 to 9.

    Sets are conservative where units are close. Coverage of 98 units of 60 to 6,000 cases at level .95, effects with a
    standard deviation of .35 on the logit, known, shared, estimated (8 ``df``) and binomial noise, 500 data sets each
    (``tests/test_placing.py``): simultaneous sets 1.000, marginal 1.000, of the ten smallest units .999 or more; where
    60 of the 98 are equal .996 to 1.000, .998 to .999, and .994 to .996. The τ best and the τ worst, τ = 5 and 20, hold
    all members in .998 to 1.000. Only where all are equal is the error as large as stated
    (``tests/kernels/test_rank_sets.py``).

    References
    ----------
    Mogstad, Romano, Shaikh, Wilhelm (2024), Rev Econ Stud 91:476-518; the algorithm is in
    `benchmodels.kernels.rank_sets`.
    """
    source = drawn(level, draws, rng, overlap_threshold)
    ranked, kept, notes = rankable(comparison, overlap_threshold)
    errors = upward_errors(ranked)
    sets = confidence_sets(
        upward(ranked),
        ranked.covariance(),
        noise=ranked.noise,
        df=ranked.df,
        level=level,
        draws=draws,
        rng=source,
        errors=errors,
    )
    sets = replace(sets, rank=min_rank(upward(ranked, corrected=False)))
    return Ranking(
        unit=comparison.unit,
        estimate=comparison.estimate,
        **_spread(sets, kept),
        level=level,
        draws=draws if errors is None else errors.shape[1],
        better=comparison.better,
        order=f"rank 1 is the {'lowest' if comparison.better == 'low' else 'highest'} estimate",
        notes=tuple(notes),
        rng=entropy(source),
        source=comparison.source,
        coverage=comparison.coverage,
    )


def drawn(
    level: float, draws: int, rng: int | np.random.Generator | None, overlap_threshold: float
) -> np.random.Generator:
    """Refuse what is no level, number of draws or threshold, and return the generator."""
    share("level", level)
    whole("draws", draws)
    share("overlap_threshold", overlap_threshold, example=0.2)
    return generator(rng)


def upward(ranked: Comparison, *, corrected: bool = True) -> Floats:
    """Return the estimates with the best largest; corrected for bias where it is known, or as they were found."""
    estimate = ranked.corrected if corrected else ranked.estimate
    return -estimate if ranked.better == "low" else estimate


def upward_errors(ranked: Comparison) -> Floats | None:
    """Return the errors (k, b) of these, where they are not normal."""
    errors = ranked.errors()
    return None if errors is None else np.asarray(-errors.T if ranked.better == "low" else errors.T)


def rankable(comparison: Comparison, overlap_threshold: float) -> tuple[Comparison, NDArray[np.bool_], list[str]]:
    """Return the units that can be ranked, which they are, and what a reader must know."""
    comparison = a_comparison(comparison, "a rank")
    kept = np.isfinite(comparison.estimate) & np.isfinite(comparison.std_error) & (comparison.withheld == "")
    if kept.sum() < 2:
        why = "; ".join(dict.fromkeys(str(reason) for reason in comparison.withheld[~kept] if reason))
        raise SpecificationError(
            f"a rank needs at least two units with a known uncertainty; {int(kept.sum())} of {len(comparison)} have one"
            + (f" ({why})" if why else "")
        )
    notes = [*_left_out(comparison, kept), *_case_mix(comparison, kept, overlap_threshold)]
    if comparison.coverage is not None:
        notes.append(comparison.coverage.of_ranks())
    return comparison.take(np.flatnonzero(kept)), kept, notes


def _spread(sets: RankSets, kept: NDArray[np.bool_]) -> dict[str, Floats]:
    """Put the ranks of the units ranked in their places among all units."""
    spread = {}
    for name in ("rank", "lower", "upper", "simultaneous_lower", "simultaneous_upper"):
        spread[name] = np.full(len(kept), np.nan)
        spread[name][kept] = getattr(sets, name)
        spread[name].flags.writeable = False
    return spread


def _left_out(comparison: Comparison, kept: NDArray[np.bool_]) -> list[str]:
    if kept.all():
        return []
    out = [str(unit) for unit in comparison.unit[~kept]]
    named = ", ".join(out[:_NAMED]) + (f" and {len(out) - _NAMED} more" if len(out) > _NAMED else "")
    note = f"{len(out)} of {len(kept)} units have no known uncertainty and are left out of the ranks: {named}"
    warnings.warn(note, PartialResultWarning, stacklevel=4)
    return [note]


def _case_mix(comparison: Comparison, kept: NDArray[np.bool_], threshold: float) -> list[str]:
    """Refuse, warn of or note ranks of estimates that rest on different case mixes; a frontier knows of none."""
    if not np.isfinite(comparison.overlap).any():
        return []
    overlap = np.where(kept & np.isfinite(comparison.overlap), comparison.overlap, np.inf)
    worst = int(np.argmin(overlap))
    apart = bool(overlap[worst] < threshold)
    found = f"unit {comparison.unit[worst]} shares {overlap[worst]:.0%} of its case mix with the others"
    if comparison.standard == "direct":
        extrapolated = "the estimate of a unit with a case mix of its own rests on extrapolation"
        return [f"{extrapolated}: {found}"] if apart else []
    asked = f"indirect {comparison.contrast}s"
    if apart and comparison.contrast != "difference":
        raise SpecificationError(
            f"{asked} of units with so different a case mix cannot be ranked: {found}; the overlap_threshold "
            f"is {threshold:.0%}. Rank compare(standard='direct'), or fewer units"
        )
    note = (
        f"ranks of {asked} hold each unit against its own case mix, not the units against each other; "
        "ranks of compare(standard='direct') do"
    )
    warnings.warn(note, BenchmodelsWarning, stacklevel=4)
    return [note, found] if apart else [note]
