"""Questions about places: which units may be among the best, and whether one unit differs from another."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.asked import entropy, whole
from benchmodels.errors import SpecificationError
from benchmodels.kernels import rank_sets
from benchmodels.kernels.rank_sets import min_rank
from benchmodels.pairs import pair_differences
from benchmodels.ranking import drawn, rankable, upward, upward_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["BestSet", "Difference", "Differences", "best_set", "differences", "differs"]

End = Literal["best", "worst"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BestSet:
    """Units that may be among the τ best (or worst) of k.

    Parameters
    ----------
    unit, estimate : (k,) arrays
        As in the comparison.
    rank : (k,) array
        1 for the best (for the worst); NaN for units left out.
    verdict : (k,) array of str
        'possible', 'excluded' or 'withheld'. All true members are possible, together, with probability ``level``.
    tau : int
    end : {'best', 'worst'}
    better : 'low', 'high' or None
        As in the comparison; the best are the highest where it is None.
    level : float
    critical : float
        In standard errors of a difference.
    draws : int
    notes : tuple of str
    rng : str
        Entropy of the generator.
    """

    unit: NDArray[np.object_]
    estimate: Floats
    rank: Floats
    verdict: NDArray[np.object_]
    tau: int
    end: End
    better: Better | None
    level: float
    critical: float
    draws: int
    notes: tuple[str, ...]
    rng: str

    def __repr__(self) -> str:
        possible = int((self.verdict == "possible").sum())
        end = self.end if self.better is not None else "highest" if self.end == "best" else "lowest"
        return f"BestSet({possible} of {len(self.unit)} units may be among the {self.tau} {end}, level={self.level})"

    def to_frame(self) -> pd.DataFrame:
        """Return the set as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "estimate", "rank", "verdict")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()


@dataclass(frozen=True, eq=False, kw_only=True)
class Difference:
    """Whether two units differ.

    Parameters
    ----------
    first, second : labels
    difference, std_error, lower, upper : float
        First less second, its standard error and interval at ``level``, in the estimate's unit of measure.
    df : float
        Degrees of freedom of the standard error (Satterthwaite); infinite where noise is known.
    p_value : float
        Two-sided, for this pair chosen beforehand.
    verdict : {'above', 'below', 'not different', 'withheld'}
        The first against the second, for this pair chosen beforehand; withheld where the comparison's intervals are
        known to hold less often than they say.
    simultaneous : {'above', 'below', 'not different', 'withheld'}
        The same when all pairs of the comparison are tested at once, with all right at ``level``: for a pair that was
        chosen because of its estimates.
    level : float
    notes : tuple of str
    rng : str
        Entropy of the generator.
    """

    first: object
    second: object
    difference: float
    std_error: float
    lower: float
    upper: float
    df: float
    p_value: float
    verdict: str
    simultaneous: str
    level: float
    notes: tuple[str, ...]
    rng: str

    def to_frame(self) -> pd.DataFrame:
        """Return the difference as a table of one row; always the same columns in the same order."""
        names = ("first", "second", "difference", "std_error", "lower", "upper", "p_value", "verdict", "simultaneous")
        return pd.DataFrame({name: [getattr(self, name)] for name in names})


@dataclass(frozen=True, eq=False, kw_only=True)
class Differences:
    """Whether one unit differs from each of m others.

    Parameters
    ----------
    unit : label
    other : (m,) array
        Labels.
    difference, std_error, lower, upper, df, p_value : (m,) arrays
        Of ``unit`` less the other; all but the difference NaN where the other's uncertainty is withheld.
    verdict, simultaneous : (m,) arrays of str
        'above', 'below', 'not different' or 'withheld'; as in `Difference`.
    level : float
    notes : tuple of str
    rng : str
        Entropy of the generator.
    """

    unit: object
    other: NDArray[np.object_]
    difference: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    df: Floats
    p_value: Floats
    verdict: NDArray[np.object_]
    simultaneous: NDArray[np.object_]
    level: float
    notes: tuple[str, ...]
    rng: str

    def __len__(self) -> int:
        return len(self.other)

    def __repr__(self) -> str:
        told = ", ".join(f"{int((self.simultaneous == word).sum())} {word}" for word in ("above", "below"))
        return f"Differences({self.unit!r} against {len(self)} units; among all pairs: {told}, level={self.level})"

    def to_frame(self) -> pd.DataFrame:
        """Return the differences as a table; always the same columns in the same order, one row per other unit."""
        names = ("other", "difference", "std_error", "lower", "upper", "p_value", "verdict", "simultaneous")
        frame = {"unit": [self.unit] * len(self)} | {name: getattr(self, name) for name in names}
        return pd.DataFrame(frame).infer_objects()


def best_set(
    comparison: Comparison,
    *,
    tau: int = 5,
    end: End = "best",
    level: float = 0.95,
    draws: int = 10_000,
    rng: int | np.random.Generator | None = 0,
    overlap_threshold: float = 0.2,
) -> BestSet:
    """Return the units that may be among the τ best, or the τ worst, for a τ chosen beforehand.

    Parameters
    ----------
    comparison : Comparison
        k units.
    tau : int, default 5
        τ, from 1 to the number of units ranked.
    end : {'best', 'worst'}, default 'best'
        Best is the lowest estimate when ``comparison.better`` is "low", else the highest.
    level : float, default 0.95
        Probability that every unit truly among the τ is in the set.
    draws, rng, overlap_threshold
        As in `rank`.

    Returns
    -------
    BestSet

    Raises
    ------
    SpecificationError
        As `rank`; an unknown end; or τ is not from 1 to the number of units ranked.

    Warns
    -----
    PartialResultWarning, BenchmodelsWarning
        As `rank`. Units whose uncertainty is withheld are neither possible nor excluded.

    References
    ----------
    Mogstad, Romano, Shaikh, Wilhelm (2024), Rev Econ Stud 91:476-518; see `benchmodels.kernels.rank_sets.best_set`.
    """
    if end not in ("best", "worst"):
        raise SpecificationError(f"end={end!r}; allowed are 'best', 'worst'")
    source = drawn(level, draws, rng, overlap_threshold)
    ranked, kept, notes = rankable(comparison, overlap_threshold)
    whole("tau", tau, most=len(ranked), what="the number of units ranked")
    sign = 1.0 if end == "best" else -1.0
    value, errors = sign * upward(ranked), upward_errors(ranked)
    found = rank_sets.best_set(
        value,
        ranked.covariance(),
        tau=tau,
        noise=ranked.noise,
        df=ranked.df,
        level=level,
        draws=draws,
        rng=source,
        errors=None if errors is None else sign * errors,
    )
    return BestSet(
        unit=comparison.unit,
        estimate=comparison.estimate,
        rank=_spread(min_rank(sign * upward(ranked, corrected=False)), kept),
        verdict=_spread(np.where(found.member, "possible", "excluded"), kept),
        tau=tau,
        end=end,
        better=comparison.better,
        level=level,
        critical=found.critical,
        draws=draws if errors is None else errors.shape[1],
        notes=tuple(notes),
        rng=entropy(source),
    )


def differs(
    comparison: Comparison,
    first: object,
    second: object,
    *,
    level: float = 0.95,
    draws: int = 10_000,
    rng: int | np.random.Generator | None = 0,
    overlap_threshold: float = 0.2,
) -> Difference:
    """Return whether one unit differs from another, by itself and among all pairs.

    Parameters
    ----------
    comparison : Comparison
        Its covariance is used in full: what the two units share cancels.
    first, second : labels
        Two units with a known uncertainty.
    level : float, default 0.95
        Of the interval and of both verdicts.
    draws, rng, overlap_threshold
        As in `rank`.

    Returns
    -------
    Difference

    Raises
    ------
    SpecificationError
        A unit that is unknown, or whose uncertainty is withheld; the same unit twice; else, as DataError, as `rank`.

    Warns
    -----
    PartialResultWarning, BenchmodelsWarning
        As `rank`.

    Notes
    -----
    The interval is normal, or Student's t with the degrees of freedom of the two own noises together
    (`benchmodels.kernels.pairwise_errors.satterthwaite`); of a comparison with replicates the basic one, of the
    difference corrected for bias. The simultaneous verdict is by the critical value of all
    pairs, after its last step (`rank`).
    """
    places = [_known(comparison, unit) for unit in (first, second)]
    if places[0] == places[1]:
        raise SpecificationError(f"a unit does not differ from itself: {first!r} was given twice")
    source = drawn(level, draws, rng, overlap_threshold)
    ranked, kept, notes = rankable(comparison, overlap_threshold)
    i, j = (int(kept[:place].sum()) for place in places)
    pair = pair_differences(ranked, i, np.array([j]), level=level, draws=draws, rng=source)
    return Difference(
        first=first,
        second=second,
        **{name: value.tolist()[0] for name, value in pair.items()},
        level=level,
        notes=tuple(notes),
        rng=entropy(source),
    )


def differences(
    comparison: Comparison,
    unit: object,
    others: Sequence[object] | None = None,
    *,
    level: float = 0.95,
    draws: int = 10_000,
    rng: int | np.random.Generator | None = 0,
    overlap_threshold: float = 0.2,
) -> Differences:
    """Return whether one unit differs from each of several others, or from all; as `differs`, drawn once.

    Parameters
    ----------
    comparison : Comparison
        k units.
    unit : label
        A unit with a known uncertainty.
    others : sequence of labels, optional
        m other units, in any order; all others when None.
    level, draws, rng, overlap_threshold
        As in `differs`.

    Returns
    -------
    Differences
        In the order of ``others``, or of the comparison.

    Raises
    ------
    DataError, SpecificationError
        As `differs`; or ``others`` has none, or one of them twice.

    Warns
    -----
    PartialResultWarning, BenchmodelsWarning
        As `rank`. A unit whose uncertainty is withheld has its difference and nothing else.

    Notes
    -----
    ``verdict`` is for one pair chosen beforehand. For those picked from the table afterwards read ``simultaneous``.
    """
    i = _known(comparison, unit)
    others = [label for label in comparison.unit.tolist() if label != unit] if others is None else list(others)
    at = np.array([_position(comparison, label) for label in others], dtype=np.intp)
    if len(at) == 0 or len(set(at.tolist())) < len(at):
        raise SpecificationError(f"others={others!r}; give different units, at least one")
    if i in at:
        raise SpecificationError(f"a unit does not differ from itself: {unit!r} is among the others")
    source = drawn(level, draws, rng, overlap_threshold)
    ranked, kept, notes = rankable(comparison, overlap_threshold)
    place = np.cumsum(kept) - 1
    known = kept[at]
    pairs = pair_differences(ranked, int(place[i]), place[at[known]], level=level, draws=draws, rng=source)
    return Differences(
        unit=unit,
        other=comparison.unit[at],
        difference=comparison.corrected[i] - comparison.corrected[at],
        **{name: _spread(value, known) for name, value in pairs.items() if name != "difference"},
        level=level,
        notes=tuple(notes),
        rng=entropy(source),
    )


def _spread(value: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Put numbers or words in their places among all; the others are NaN or 'withheld'."""
    words = value.dtype.kind == "U"
    spread: NDArray[Any] = np.full(len(known), "withheld", object) if words else np.full(len(known), np.nan)
    spread[known] = value
    spread.flags.writeable = False
    return spread


def _known(comparison: Comparison, unit: object) -> int:
    place = _position(comparison, unit)
    if not (np.isfinite(comparison.std_error[place]) and comparison.withheld[place] == ""):
        why = comparison.withheld[place] or "no standard error"
        raise SpecificationError(f"the uncertainty of unit {unit!r} is withheld: {why}")
    return place


def _position(comparison: Comparison, unit: object) -> int:
    labels = comparison.unit.tolist()
    if unit not in labels:
        near = difflib.get_close_matches(str(unit), [str(label) for label in labels], n=3, cutoff=0.5)
        hint = (
            f"; did you mean {', '.join(near)}?" if near else f"; the first units are {', '.join(map(str, labels[:5]))}"
        )
        raise SpecificationError(f"there is no unit {unit!r} among the {len(labels)} of the comparison{hint}")
    return int(labels.index(unit))
