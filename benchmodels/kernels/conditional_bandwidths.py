"""How alike is alike enough: bandwidths of conditional frontiers, by leaving out one unit at a time.

Each unit has bandwidths of its own, found among the units it can be compared with: what surrounds units may matter for
the large and not for the small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError
from benchmodels.kernels.conditional_weights import distances, flat
from benchmodels.kernels.free_disposal import comparisons

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.conditional_weights import Kind, Surroundings
    from benchmodels.kernels.free_disposal import Goods, Measure
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["candidates", "cross_validated", "prediction_errors"]

# Numbers: from hardly any difference to a fifth of a standard deviation, by a factor √2; levels: from 1 to 0.
_SPREADS = (np.inf, *(2.0 ** (k / 2) for k in range(6, -6, -1)))
_SHARES = (1.0, 0.75, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0)
# Of several that predict as well, the smoothest: otherwise rounding would decide.
_AS_GOOD = 1e-10
# The share of ranks by which laws are smoothed while they are judged, and how many waves that takes.
_SMOOTH = 0.1
_WAVES = np.arange(1, 17)
# Units left out, at most: a mean over more of them would choose much the same.
_LEFT_OUT = 200
# Weights held at once, for all candidates of a column: they stay in the processor's cache.
_CELLS = 1 << 17
_SWEEPS = 6


def cross_validated(
    reference: Goods,
    around: Surroundings,
    *,
    measure: Measure,
    allowed: Allowed | None = None,
    least: int = 15,
) -> Floats:
    """Return the bandwidths (n, c) with which comparable units predict each other best, for each of n units.

    Parameters
    ----------
    reference : Goods of n units
    around : Surroundings of the same units, in c columns
    measure : {"input", "output"}
    allowed : callable, optional
        As in `benchmodels.kernels.free_disposal.score_by_units`.
    least : int
        Units with fewer comparable ones, themselves included, get NaN.

    Returns
    -------
    (n, c) array
        As `benchmodels.kernels.conditional_weights.kernel_weights` takes them; infinite, or 1 for levels, where the
        column makes no difference.

    Raises
    ------
    DataError
        As of `score_by_units`; a column that does not vary.

    Notes
    -----
    For a unit o let C be the N units that it can be compared with (``"input"``: with no less of any output;
    ``"output"``: with no more of any input) and r_j what o would score with j as its only peer. Frontiers of o, of any
    order, depend on nothing but the law of r in C, given what surrounds it. Bandwidths are those with which left-out
    units of C are predicted best by the others: by the least-squares criterion of Hall, Racine and Li (2004) for
    conditional densities, localised as Bădin, Daraio and Simar (2010) do, here of the mid-rank u = (rank of r - 1/2) /
    N in C,

        CV_o(h) = mean over i in C of ∫_0^1 f_-i(u)² du - 2 f_-i(u_i),
        f_-i(u) = Σ_{j in C, j ≠ i} w_ij k(u, u_j) / Σ_{j in C, j ≠ i} w_ij,   w_ij = Π_c K((z_ic - z_jc) / h_c),

    with k the normal kernel of width b = .1, reflected at 0 and 1, written in cosines: k(u, v) = 1 + 2 Σ_a
    exp(-(π a b)² / 2) cos(π a u) cos(π a v), so that the integral is a sum. Where i has nobody near, all others count
    alike.

    What is not theirs: they take the goods that move as they are, choose their widths along with h, throw these away,
    and shrink h by N^(-q / ((c + 4) (q + c + 4))), from the rate of a density to that of a distribution function.
    Ranks of r give the same answer in all units of measure and on all scales, and neither far-off figures decide nor
    do rounded or tied ones send b to zero. With b fixed the law is judged at one fineness, for which h has its rate,
    N^(-1 / (c + 4)), as found. The criterion of Li, Lin and Racine (2013) for distribution functions needs no b
    either, but the frontier's side of a law has little say in it, and it smooths too much.
    Simulated with 98 units and one column (60 tables each of three laws of inefficiency), order 10 was off the truth,
    as root mean square of logs, by .049, .055, .055 (theirs .046, .056, .055; Li, Lin and Racine's .073, .073, .066;
    the best single h .039, .043, .047) where the frontier rises with exp(1.5 z), and by .010, .011, .020 (theirs .012,
    .012, .022) where z does not matter.

    Candidates are on a grid (`candidates`, by factors of √2) and are searched column by column from no difference at
    all, until nothing changes: where two columns matter only together this may miss it. Of those as good the smoothest
    is taken. Beyond 200 comparable units, 200 are left out in turn, evenly spread by r. A column that does not matter
    is found to make no difference to about half of 98 units only: a bandwidth is a choice, not a test.
    Time Σ_o min(200, |C_o|) |C_o| per candidate, memory of 2**17 weights: two columns take under .1 s for 98 units and
    about 15 s for 1,000 with a single good that does not move, less with more of them
    (``tests/kernels/test_conditional_weights.py`` has the criterion as a plain loop).

    References
    ----------
    Bădin, L., Daraio, C. and Simar, L. (2010). Optimal bandwidth selection for conditional efficiency measures: a
    data-driven approach. European Journal of Operational Research 201, 633-640. Hall, P., Racine, J. and Li, Q. (2004).
    Cross-validation and the estimation of conditional probability densities. Journal of the American Statistical
    Association 99, 1015-1026. Li, Q., Lin, J. and Racine, J. S. (2013). Optimal bandwidth selection for nonparametric
    conditional distribution and quantile functions. Journal of Business & Economic Statistics 31, 57-65.

    Examples
    --------
    >>> from benchmodels.kernels.conditional_weights import Surroundings
    >>> from benchmodels.kernels.free_disposal import Goods
    >>> kind, noise = np.repeat([0.0, 1.0], 20), np.tile([0.0, 1.0], 20)
    >>> units = Goods((1 + 9 * kind + np.linspace(0, 1, 40))[:, None], np.ones((40, 1)))
    >>> around = Surroundings(values=np.column_stack([kind, noise]), kinds=("unordered", "unordered"))
    >>> cross_validated(units, around, measure="input")[0]
    array([0., 1.])
    """
    grids = candidates(around)
    n = len(reference.inputs)
    chosen = np.full((n, len(grids)), np.nan)
    for at, cost, eligible in comparisons(reference, reference, measure=measure, allowed=allowed):
        for row in range(len(cost)):
            some = np.flatnonzero(eligible[row])
            if len(some) >= max(least, 2):
                chosen[at.start + row] = _search(cost[row, some], around.values[some], around.kinds, grids)
    return chosen


def candidates(around: Surroundings) -> list[Floats]:
    """Return the bandwidths that are tried of each column, the smoothest first.

    Of numbers they are multiples of the standard deviation, or of the interquartile range / 1.349 where that is less
    and above zero: a few units far away do not stretch them.

    Raises
    ------
    DataError
        A column that does not vary.
    """
    grids = []
    for position, (kind, column) in enumerate(zip(around.kinds, around.values.T, strict=True)):
        if np.all(column == column[:1]):
            raise DataError(f"column {position} of what surrounds the units does not vary")
        if kind != "continuous":
            grids.append(np.array(_SHARES))
            continue
        largest = np.abs(column).max()
        low, high = np.quantile(column / largest, [0.25, 0.75])
        spread = float(np.std(column / largest))
        if 0 < high - low < 1.349 * spread:
            spread = float(high - low) / 1.349
        grids.append(np.array(_SPREADS) * (spread * largest))
    return grids


def _search(cost: Floats, values: Floats, kinds: tuple[Kind, ...], grids: list[Floats]) -> Floats:
    """Return the bandwidths (c,) of one unit, whose comparable units have these costs (N,) and values (N, c)."""
    order = np.argsort(cost, kind="stable")
    cost, values = cost[order], values[order]
    width, tried, still = flat(kinds), 0, 0
    while still < len(grids) and tried < _SWEEPS * len(grids):
        column = tried % len(grids)
        error = prediction_errors(cost, values, kinds, width, column, grids[column])
        best = grids[column][np.argmax(error <= error.min() + _AS_GOOD)]
        # The column just chosen need not be tried again until another one has changed.
        still = still + 1 if best == width[column] else 1
        width[column] = best
        tried += 1
    return width


def prediction_errors(
    cost: Floats, values: Floats, kinds: tuple[Kind, ...], width: Floats, column: int, grid: Floats
) -> Floats:
    """Return the criterion (g,) of `cross_validated` for candidates (g,) of one column, the others given.

    Parameters
    ----------
    cost : (N,) array
        In ascending order, in any unit of measure: only ranks count.
    values : (N, c) array; kinds : c of them
        Of the same units.
    width : (c,) array
        Bandwidths of the other columns.
    column : int
    grid : (g,) array
    """
    many = len(cost)
    waves = np.sqrt(2.0) * np.cos(np.pi * _mid_ranks(cost)[:, None] * _WAVES)
    left = np.unique(np.linspace(0, many - 1, min(many, _LEFT_OUT)).round().astype(np.intp))
    step = max(1, _CELLS // (many * len(grid)))
    square, own = np.zeros((len(grid), len(_WAVES))), np.zeros((len(grid), len(_WAVES)))
    for low in range(0, len(left), step):
        out = left[low : low + step]
        weight = np.ones((1, len(out), many))
        for c, kind in enumerate(kinds):
            apart = distances(kind, values[out, c], values[:, c])
            weight = weight * _kernels(kind, apart, grid if c == column else width[c : c + 1])
        found = _predicted(weight, out, waves)
        square += np.einsum("gbk,gbk->gk", found, found)
        own += np.einsum("gbk,bk->gk", found, waves[out])
    damped = np.exp(-0.5 * (np.pi * _SMOOTH * _WAVES) ** 2)
    return np.asarray((square @ damped**2 - 2.0 * own @ damped) / len(left) - 1.0)


def _mid_ranks(cost: Floats) -> Floats:
    """Return the places in (0, 1) of costs (N,) in ascending order; equal costs share the middle of theirs."""
    first, last = np.searchsorted(cost, cost, side="left"), np.searchsorted(cost, cost, side="right")
    return np.asarray((first + last) / (2.0 * len(cost)))


def _predicted(weight: Floats, out: Codes, waves: Floats) -> Floats:
    """Return mean waves (g, b, K) of the others of units left out; their own weights (g, b, N) are set to zero."""
    weight[:, np.arange(len(out)), out] = 0.0
    total = weight.sum(axis=2)
    found = (weight.reshape(-1, len(waves)) @ waves).reshape(*total.shape, -1)
    found /= np.where(total > 0, total, 1.0)[:, :, None]
    alike = (waves.sum(axis=0) - waves[out]) / (len(waves) - 1)
    return np.where((total > 0)[:, :, None], found, alike)


def _kernels(kind: Kind, apart: Floats, grid: Floats) -> Floats:
    """Return kernels (g, b, N) of distances (b, N) for each bandwidth (g,)."""
    if kind == "continuous":
        weight = apart / grid[:, None, None]
        np.multiply(weight, weight, out=weight)
        np.subtract(1.0, weight, out=weight)
        return np.maximum(weight, 0.0, out=weight)
    level = apart.astype(np.intp)
    power: Floats = grid[:, None] ** np.arange(level.max(initial=0) + 1)
    return power[:, level]
