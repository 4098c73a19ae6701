"""Differences between one unit and others, with their intervals and verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from benchmodels.kernels.pairwise_errors import satterthwaite
from benchmodels.kernels.rank_sets import confidence_sets
from benchmodels.ranking import upward, upward_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["pair_differences"]


def pair_differences(
    ranked: Comparison, i: int, others: Positions, *, level: float, draws: int, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Return difference, interval and verdicts of unit i against each of the others, by name.

    Parameters
    ----------
    ranked : Comparison
        k units with a known uncertainty.
    i : int; others : (m,) array of int
        Positions.
    level, draws, rng
        As in `benchmodels.placing.differs`.

    Returns
    -------
    dict
        Each (m,). Verdicts and p values are withheld where intervals are known to hold less often than they say.
    """
    covariance, errors = ranked.covariance(), ranked.errors()
    critical = confidence_sets(
        upward(ranked), covariance, noise=ranked.noise, df=ranked.df, level=level, draws=draws, rng=rng,
        errors=upward_errors(ranked),
    ).simultaneous_critical  # fmt: skip
    difference = ranked.corrected[i] - ranked.corrected[others]
    # Rounding may leave that of two units with the same errors below zero.
    variance = np.maximum(covariance[i, i] + np.diagonal(covariance)[others] - 2.0 * covariance[i, others], 0.0)
    std_error = np.sqrt(variance)
    if errors is not None:
        apart = errors[:, i, None] - errors[:, others]
        pairs = _by_replicates(difference, std_error, apart, level=level, critical=critical)
        if ranked.coverage is not None and not ranked.coverage.reached(level):
            pairs["p_value"] = np.full(len(others), np.nan)
            pairs["verdict"] = pairs["simultaneous"] = np.full(len(others), "withheld")
        return pairs
    df = satterthwaite(ranked.noise[i], ranked.noise[others], ranked.df[i], ranked.df[others], variance)
    t, tail = difference / std_error, (1.0 - level) / 2.0
    known = np.isinf(df)
    half = std_error * -np.where(known, ndtri(tail), stdtrit(np.where(known, 1.0, df), tail))
    verdict = np.where(difference > half, "above", np.where(difference < -half, "below", "not different"))
    return {
        "difference": difference,
        "std_error": std_error,
        "lower": difference - half,
        "upper": difference + half,
        "df": df,
        "p_value": 2.0 * np.where(known, ndtr(-np.abs(t)), stdtr(np.where(known, 1.0, df), -np.abs(t))),
        "verdict": verdict,
        # Drawn critical values may miss the quantile of the pair alone by a little, and never say more than it.
        "simultaneous": np.where(np.abs(t) > critical, verdict, "not different"),
    }


def _by_replicates(
    difference: Floats, std_error: Floats, apart: Floats, *, level: float, critical: float
) -> dict[str, NDArray[Any]]:
    """Return the same by errors (b, m) of differences corrected for bias, which need not be normal."""
    low, high = np.quantile(apart, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    lower, upper = difference - high, difference - low
    verdict = np.where(lower > 0, "above", np.where(upper < 0, "below", "not different"))
    beyond = (np.sum(apart >= difference, axis=0) + 1.0) / (len(apart) + 1.0)
    short = (np.sum(apart <= difference, axis=0) + 1.0) / (len(apart) + 1.0)
    return {
        "difference": difference,
        "std_error": std_error,
        "lower": lower,
        "upper": upper,
        "df": np.full(len(difference), np.inf),
        "p_value": np.minimum(2.0 * np.minimum(beyond, short), 1.0),
        "verdict": verdict,
        "simultaneous": np.where(np.abs(difference) > critical * std_error, verdict, "not different"),
    }
