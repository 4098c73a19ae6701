"""How a unit stands among its peers: against their mean, and in what place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.comparison import a_comparison
from benchmodels.errors import SpecificationError
from benchmodels.kernels.rank_sets import confidence_sets
from benchmodels.peers import Peers
from benchmodels.ranking import upward, upward_errors
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison, Source

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["AmongPeers", "compare_within_peers"]

Weights = Literal["precision", "size", "equal"]


@dataclass(frozen=True, eq=False, kw_only=True)
class AmongPeers:
    """Each of n units against the mean of its peers.

    Parameters
    ----------
    unit, estimate : (n,) arrays
        As in the comparison (corrected for bias where that is known).
    peer_mean, difference, std_error, lower, upper : (n,) arrays
        Weighted mean of the peers, the unit less that, and its standard error and interval at ``level``, in the
        estimate's unit of measure. NaN where withheld.
    verdict : (n,) array of str
        'above', 'below', 'not different' or 'withheld': the unit against its peers, for a unit chosen beforehand.
    rank, rank_lower, rank_upper, of : (n,) arrays
        Place among itself and its peers, its marginal set at ``level``, and how many they are; rank 1 is the lowest
        estimate where ``better`` is 'low', else the highest.
    peers : tuple of (m,) arrays of labels
        Peers with a known uncertainty, which the mean is of.
    comparison : Comparison
    level : float
    weights : {'precision', 'size', 'equal'}
    better : 'low', 'high' or None
    notes : tuple of str
    rng : str
    source : Source
    """

    unit: NDArray[np.object_]
    estimate: Floats
    peer_mean: Floats
    difference: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    verdict: NDArray[np.object_]
    rank: Floats
    rank_lower: Floats
    rank_upper: Floats
    of: Floats
    peers: tuple[NDArray[np.object_], ...]
    comparison: Comparison
    level: float
    weights: Weights
    better: Better | None
    notes: tuple[str, ...]
    rng: str
    source: Source

    def __repr__(self) -> str:
        said = {name: int((self.verdict == name).sum()) for name in ("above", "below", "not different", "withheld")}
        told = ", ".join(f"{count} {name}" for name, count in said.items())
        return f"AmongPeers({len(self.unit)} units against the mean of their peers, level={self.level}: {told})"

    def to_frame(self) -> pd.DataFrame:
        """Return the table, one row per unit; always the same columns in the same order."""
        names = (
            "unit", "estimate", "peer_mean", "difference", "std_error", "lower", "upper", "verdict", "rank",
            "rank_lower", "rank_upper", "of",
        )  # fmt: skip
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()


def compare_within_peers(
    comparison: Comparison,
    peers: Peers,
    *,
    weights: Weights = "precision",
    level: float = 0.95,
    draws: int = 2000,
    rng: int | np.random.Generator | None = 0,
) -> AmongPeers:
    """Hold each unit against the mean of its peers, with the covariance of all of them.

    Parameters
    ----------
    comparison : Comparison
        k units, each of them among those of ``peers``.
    peers : Peers
    weights : {'precision', 'size', 'equal'}, default 'precision'
        Of the peers' mean: one over the squared standard error, the size, or one. Weights count as known.
    level : float, default 0.95
    draws : int, default 2,000
        Behind the rank sets.
    rng : int, numpy.random.Generator or None, default 0

    Returns
    -------
    AmongPeers

    Raises
    ------
    SpecificationError
        A unit of the comparison has no peers, or an unknown option.

    Notes
    -----
    With c the row of +1 for the unit and -w for its peers, the variance is c' S c, S the covariance of the comparison
    (own noise, and what units share through expected values); degrees of freedom by Satterthwaite over the own noises;
    with replicates, percentiles of their errors. Peers differ from each other by more than noise: the mean is of these
    very peers, and not of all units like them.
    """
    comparison = a_comparison(comparison, "compare_within_peers")
    if not isinstance(peers, Peers):
        raise SpecificationError(f"peers={type(peers).__name__}; give what find_peers returns")
    share("level", level)
    whole("draws", draws, least=200)
    if weights not in get_args(Weights):
        raise SpecificationError(f"weights={weights!r}; allowed are {listed(get_args(Weights))}")
    source = generator(rng)
    told = entropy(source)
    found = _aligned(comparison, peers)
    known = np.isfinite(comparison.estimate) & np.isfinite(comparison.std_error) & (comparison.withheld == "")
    rows, names = np.full((len(found), 10), np.nan), []
    for i, own in enumerate(found):
        kept = own[known[own]]
        names.append(comparison.unit[kept])
        if known[i] and len(kept):
            rows[i] = _held(comparison, i, kept, weights, level, draws, source)
    told_here = comparison.coverage is None or comparison.coverage.reached(level)
    verdict = np.full(len(found), "withheld", dtype=object)
    if told_here:
        verdict = np.where(rows[:, 3] > 0, "above", np.where(rows[:, 4] < 0, "below", "not different")).astype(object)
        verdict[np.isnan(rows[:, 2])] = "withheld"
    return AmongPeers(
        unit=comparison.unit, estimate=comparison.corrected, peer_mean=rows[:, 0], difference=rows[:, 1],
        std_error=rows[:, 2], lower=rows[:, 3], upper=rows[:, 4], verdict=verdict, rank=rows[:, 5],
        rank_lower=rows[:, 6], rank_upper=rows[:, 7], of=rows[:, 8], peers=tuple(names), comparison=comparison,
        level=level, weights=weights, better=comparison.better, notes=_notes(comparison, peers, rows, known),
        rng=told, source=comparison.source,
    )  # fmt: skip


def _aligned(comparison: Comparison, peers: Peers) -> list[Positions]:
    """Return each unit's peers as positions in the comparison."""
    place = {label: i for i, label in enumerate(comparison.unit.tolist())}
    there = {label: i for i, label in enumerate(peers.unit.tolist())}
    lost = [label for label in place if label not in there]
    if lost:
        raise SpecificationError(f"{len(lost)} unit(s) of the comparison are not among the peers: {listed(lost)}")
    found = []
    for label in place:
        own = [place[name] for name in peers.unit[peers.peer[there[label]]].tolist() if name in place]
        found.append(np.array(own, dtype=np.intp))
    return found


def _held(
    comparison: Comparison, i: int, own: Positions, weights: Weights, level: float, draws: int,
    rng: np.random.Generator,
) -> list[float]:  # fmt: skip
    """Return peers' mean, difference, its error and interval, rank with its set, how many, and degrees of freedom."""
    part = comparison.take(np.append(i, own))
    raw = {"precision": part.std_error**-2.0, "size": part.size, "equal": np.ones(len(part))}[weights][1:]
    # A peer without any error is all of a mean by precision.
    w = np.where(np.isinf(raw), 1.0, 0.0) if np.isinf(raw).any() else raw
    c = np.append(1.0, -w / w.sum())
    covariance, values = part.covariance(), part.corrected
    variance = float(c @ covariance @ c)
    difference = float(c @ values)
    error = np.sqrt(max(variance, 0.0))
    noise = np.square(c) * part.noise
    finite = np.isfinite(part.df) & (part.df > 0)
    df = variance**2 / (noise[finite] ** 2 / part.df[finite]).sum() if finite.any() else np.inf
    tail, errors = 0.5 * (1.0 - level), part.errors()
    if errors is None:
        half = -float(stdtrit(df, tail) if np.isfinite(df) else ndtri(tail)) * error
        lower, upper = difference - half, difference + half
    else:
        low, high = np.quantile(errors @ c, [tail, 1.0 - tail])
        lower, upper = difference - float(high), difference - float(low)
    sets = confidence_sets(
        upward(part), covariance, noise=part.noise, df=part.df, level=level, draws=draws, rng=rng,
        errors=upward_errors(part),
    )  # fmt: skip
    ranked = [float(sets.rank[0]), float(sets.lower[0]), float(sets.upper[0]), float(len(part))]
    return [float(values[0] - difference), difference, float(error), lower, upper, *ranked, float(df)]


def _notes(comparison: Comparison, peers: Peers, rows: Floats, known: NDArray[np.bool_]) -> tuple[str, ...]:
    notes = [*peers.notes]
    if comparison.standard == "indirect" and np.isfinite(comparison.overlap).any():
        notes.append(
            "indirectly standardised estimates hold each unit against its own case mix, and its peers against theirs; "
            "peers that are alike in composition make that the same"
        )
    gone = len({*peers.unit.tolist()} - {*comparison.unit.tolist()})
    if gone:
        notes.append(f"{gone} unit(s) among the peers are not in the comparison, and count in nobody's mean")
    without = int((known & np.isnan(rows[:, 2])).sum())
    if without:
        notes.append(f"{without} unit(s) have no peer with a known uncertainty, and are not held against anybody")
    if comparison.coverage is not None:
        notes.append(comparison.coverage.of_intervals())
    return tuple(notes)
