"""Whose doing is the variance? The variance over a crossing of choices, divided among the choices."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["ChoiceShares", "choice_shares"]


@dataclass(frozen=True, eq=False)
class ChoiceShares:
    """Variances of k values over S rows, in squared units of the values, by d choices.

    Parameters
    ----------
    variance : (k,) array
        Over all rows with a value; divided by their number.
    first_order : (d, k) array
        Of the means by one choice.
    total : (d, k) array
        Variance less that of the means by all other choices.
    shapley : (d, k) array
        Sums to ``variance`` over the choices.
    """

    variance: Floats
    first_order: Floats
    total: Floats
    shapley: Floats


def choice_shares(values: Floats, codes: Sequence[Codes], levels: Sequence[int]) -> ChoiceShares:
    """Divide the variance of values over rows among the choices that make the rows.

    Parameters
    ----------
    values : (S, k) array
        NaN where a row has no value.
    codes : d (S,) arrays of int
        Option of each choice in each row; no two rows alike.
    levels : d int
        Number of options of each choice.

    Returns
    -------
    ChoiceShares

    Notes
    -----
    With v(T) the variance of the means by the choices in T: first order v({j}), total v(all) − v(all but j), Shapley
    the mean over orders of v(T + j) − v(T). In a full crossing these are the sums of squares of the analysis of
    variance (the total with all interactions, Shapley with an even part of each). Sums over one axis after another:
    time and memory k Π(1 + levels).

    References
    ----------
    Song, Nelson & Staum (2016), SIAM/ASA Journal on Uncertainty Quantification 4:1060; Owen & Prieur (2017), the same
    5:986 (choices that are not crossed).
    """
    d, k = len(levels), values.shape[1]
    there = np.isfinite(values)
    count = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, values, 0.0).sum(axis=0) / count
    centred = np.where(there, values - mean, 0.0)
    if d == 0:
        nothing = np.zeros((0, k))
        return ChoiceShares(np.where(count > 0, (centred**2).sum(axis=0) / count, np.nan), nothing, nothing, nothing)
    sums, counts = np.zeros((*levels, k)), np.zeros((*levels, k))
    sums[tuple(codes)], counts[tuple(codes)] = centred, there
    explained = _explained(sums, counts, d)
    everything = tuple(range(d))
    first = np.stack([explained[(j,)] for j in everything])
    rest = np.stack([explained[everything[:j] + everything[j + 1 :]] for j in everything])
    shapley = np.zeros((d, k))
    for j in everything:
        others = everything[:j] + everything[j + 1 :]
        for size in range(d):
            weight = factorial(size) * factorial(d - size - 1) / factorial(d)
            for chosen in combinations(others, size):
                shapley[j] += weight * (explained[tuple(sorted((*chosen, j)))] - explained[chosen])
    return ChoiceShares(explained[everything], first, explained[everything] - rest, shapley)


def _explained(sums: Floats, counts: Floats, d: int) -> dict[tuple[int, ...], Floats]:
    """Return the variance of means by each set of choices; each is summed from one with a choice more."""
    number = np.maximum(counts.sum(axis=tuple(range(d))), 1.0)
    unknown = counts.sum(axis=tuple(range(d))) == 0
    found: dict[tuple[int, ...], Floats] = {}

    def visit(sums: Floats, counts: Floats, kept: tuple[int, ...], until: int) -> None:
        squares = sums**2 / np.maximum(counts, 1.0)
        found[kept] = np.where(unknown, np.nan, squares.reshape(-1, sums.shape[-1]).sum(axis=0) / number)
        # Choices are left out from the last to the first, so that each set is met once.
        for place in range(until):
            visit(sums.sum(axis=place), counts.sum(axis=place), kept[:place] + kept[place + 1 :], place)

    visit(sums, counts, tuple(range(d)), d)
    found[()] = np.where(unknown, np.nan, 0.0)
    return found
