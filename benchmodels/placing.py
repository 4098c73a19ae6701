"""Questions about places: which units may be among the best, and whether one unit differs from another."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from benchmodels.asked import generator, share, whole
from benchmodels.errors import SpecificationError
from benchmodels.kernels import rank_sets
from benchmodels.kernels.rank_sets import confidence_sets, min_rank
from benchmodels.ranking import entropy, rankable, upward

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]

__all__ = ["BestSet", "Difference", "best_set", "differs"]

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
    level: float
    critical: float
    draws: int
    notes: tuple[str, ...]
    rng: str

    def __repr__(self) -> str:
        possible = int((self.verdict == "possible").sum())
        return (
            f"BestSet({possible} of {len(self.unit)} units may be among the {self.tau} {self.end}, level={self.level})"
        )

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
    verdict : {'above', 'below', 'not different'}
        The first against the second, for this pair chosen beforehand.
    simultaneous : {'above', 'below', 'not different'}
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
    source = _drawn(level, draws, rng)
    ranked, kept, notes = rankable(comparison, overlap_threshold)
    whole("tau", tau, most=len(ranked), what="the number of units ranked")
    value = upward(ranked) if end == "best" else -upward(ranked)
    found = rank_sets.best_set(
        value,
        ranked.covariance(),
        tau=tau,
        noise=ranked.noise,
        df=ranked.df,
        level=level,
        draws=draws,
        rng=source,
    )
    verdict = np.full(len(kept), "withheld", dtype=object)
    verdict[kept] = np.where(found.member, "possible", "excluded")
    place = np.full(len(kept), np.nan)
    place[kept] = min_rank(value)
    for array in (verdict, place):
        array.flags.writeable = False
    return BestSet(
        unit=comparison.unit,
        estimate=comparison.estimate,
        rank=place,
        verdict=verdict,
        tau=tau,
        end=end,
        level=level,
        critical=found.critical,
        draws=draws,
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
        A unit that is unknown, or whose uncertainty is withheld; the same unit twice; else as `rank`.

    Warns
    -----
    PartialResultWarning, BenchmodelsWarning
        As `rank`.

    Notes
    -----
    The interval is normal, or Student's t with Satterthwaite's degrees of freedom of the two own noises. The
    simultaneous verdict is by the critical value of all pairs, after its last step (`rank`).

    References
    ----------
    Satterthwaite (1946), Biometrics Bull 2:110-114, equation 17.
    """
    places = [_position(comparison, unit) for unit in (first, second)]
    if places[0] == places[1]:
        raise SpecificationError(f"a unit does not differ from itself: {first!r} was given twice")
    source = _drawn(level, draws, rng)
    ranked, kept, notes = rankable(comparison, overlap_threshold)
    i, j = (int(kept[:place].sum()) for place in places)
    covariance = ranked.covariance()
    sets = confidence_sets(
        upward(ranked), covariance, noise=ranked.noise, df=ranked.df, level=level, draws=draws, rng=source
    )
    difference = float(ranked.estimate[i] - ranked.estimate[j])
    variance = float(covariance[i, i] + covariance[j, j] - 2.0 * covariance[i, j])
    std_error = float(np.sqrt(variance))
    df = _satterthwaite(ranked.noise[[i, j]], ranked.df[[i, j]], variance)
    t, tail = difference / std_error, (1.0 - level) / 2.0
    half = std_error * float(-stdtrit(df, tail) if np.isfinite(df) else -ndtri(tail))
    verdict = "above" if difference > half else "below" if difference < -half else "not different"
    return Difference(
        first=first,
        second=second,
        difference=difference,
        std_error=std_error,
        lower=difference - half,
        upper=difference + half,
        df=df,
        p_value=2.0 * float(stdtr(df, -abs(t)) if np.isfinite(df) else ndtr(-abs(t))),
        verdict=verdict,
        # Drawn critical values may miss the quantile of the pair alone by a little, and never say more than it.
        simultaneous=verdict if abs(t) > sets.simultaneous_critical else "not different",
        level=level,
        notes=tuple(notes),
        rng=entropy(source),
    )


def _drawn(level: float, draws: int, rng: int | np.random.Generator | None) -> np.random.Generator:
    """Refuse what is no level or number of draws, and return the generator."""
    share("level", level)
    whole("draws", draws)
    return generator(rng)


def _satterthwaite(noise: Floats, df: Floats, variance: float) -> float:
    if np.isinf(df).all():
        return float("inf")
    # Sharing may leave the difference with less variance than the two own noises have; they shrink in proportion.
    part = noise * min(1.0, variance / noise.sum())
    return float(variance**2 / (part**2 / df).sum())


def _position(comparison: Comparison, unit: object) -> int:
    labels = comparison.unit.tolist()
    if unit not in labels:
        near = difflib.get_close_matches(str(unit), [str(label) for label in labels], n=3, cutoff=0.5)
        hint = (
            f"; did you mean {', '.join(near)}?" if near else f"; the first units are {', '.join(map(str, labels[:5]))}"
        )
        raise SpecificationError(f"there is no unit {unit!r} among the {len(labels)} of the comparison{hint}")
    place = labels.index(unit)
    if not (np.isfinite(comparison.std_error[place]) and comparison.withheld[place] == ""):
        why = comparison.withheld[place] or "no standard error"
        raise SpecificationError(f"the uncertainty of unit {unit!r} is withheld: {why}")
    return int(place)
