"""Wild cluster bootstrap of one contrast: whole clusters of residuals are given random signs, nothing is refitted.

Each replicate's t-statistic needs from a cluster its score and its information along the contrast only, so all
replicates are a few matrix products of (clusters × replicates). With the null imposed, numerator and variance of a
replicate are polynomials in the hypothesised value, so the interval costs no further replicates.

References
----------
Cameron, Gelbach & Miller (2008), Review of Economics and Statistics 90:414. Roodman, MacKinnon, Nielsen & Webb (2019),
Stata Journal 19:4. Kline & Santos (2012), Journal of Econometric Methods 1:23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse import csr_array

from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.sandwich import WorkingRows, present, shared_levels, sums_by, whiten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["WildTest", "wild_bootstrap"]

# Replicates whose squared t-statistic is within this part of the observed one count as equal to it: two sign vectors,
# all alike, give the observed one itself up to rounding.
TIE = 1e-9
# Values tried from the estimate outwards until one is rejected, in standard errors; past the last, the interval is
# unbounded on that side.
STEPS = 0.25 * 1.25 ** np.arange(70)
# Halvings of the last step: to 1e-15 of it.
HALVINGS = 50
WEBB = np.array([0.5, 1.0, 1.5]) ** 0.5
# Numbers in one batch of multipliers.
BATCH = 1 << 22


@dataclass(frozen=True)
class WildTest:
    """Test and interval for one contrast.

    Parameters
    ----------
    p_value : float
        Two-sided, symmetric; NaN where the contrast's robust standard error is zero.
    lower, upper : float
        In the contrast's unit of measure; infinite where no value on that side is rejected.
    replicates : int
        Multiplier vectors computed.
    exact : bool
        Whether these (and their mirror images) are all vectors of signs there are.
    """

    p_value: float
    lower: float
    upper: float
    replicates: int
    exact: bool


@dataclass(frozen=True, eq=False)
class Pieces:
    """What each cluster gives along a direction d of unit length: G clusters, q coordinates, g levels.

    ``score`` (G, q) its score, ``gram`` (G, q) its information times d; ``level_score`` and ``level_gram`` (G, g) the
    same for the levels that it shares with other clusters.
    """

    direction: Floats
    score: Floats
    gram: Floats
    level_score: csr_array
    level_gram: csr_array


@dataclass(frozen=True, eq=False)
class Replicates:
    """Numerators ``a0 + a1 δ`` and variances ``v0 + v1 δ + v2 δ²`` of b replicates, rows of (5, b) ``terms``.

    ``variance`` is the observed one; δ is the estimate less the value tested, in units of the direction. ``whole``
    says that the observed statistic is among the replicates.
    """

    terms: Floats
    variance: float
    whole: bool

    def p_value(self, distance: float) -> float:
        """Return the p-value at a distance δ."""
        a0, a1, v0, v1, v2 = self.terms
        square = (a0 + a1 * distance) ** 2 * self.variance
        # A variance that rounds to below zero is zero, and its replicate counts as extreme.
        extreme = int(np.sum(square >= distance**2 * (v0 + distance * (v1 + distance * v2)) * (1.0 - TIE)))
        return extreme / len(a0) if self.whole else (extreme + 1) / (len(a0) + 1)

    def bound(self, sign: float, alpha: float) -> float:
        """Return the distance on one side up to which no value is rejected."""
        unit = sign * np.sqrt(self.variance)
        inside = 0.0
        for step in STEPS:
            if self.p_value(step * unit) <= alpha:
                break
            inside = step
        else:
            return sign * np.inf
        outside = step
        for _ in range(HALVINGS):
            middle = 0.5 * (inside + outside)
            if self.p_value(middle * unit) <= alpha:
                outside = middle
            else:
                inside = middle
        return float(inside * unit)


def wild_bootstrap(
    rows: WorkingRows,
    clusters: Codes,
    contrast: Floats,
    estimate: float,
    *,
    method: Literal["restricted", "score"],
    rng: np.random.Generator,
    null: float = 0.0,
    replicates: int = 9999,
    level: float = 0.95,
    multipliers: Literal["rademacher", "webb"] = "rademacher",
) -> WildTest:
    """Test one contrast of the coefficients, and invert the test.

    Parameters
    ----------
    rows : WorkingRows
        At the unrestricted solution.
    clusters : (n,) array
        Cluster of each row.
    contrast : (q,) array
        In the coefficients' order; the level last when pooled.
    estimate, null : float
        Contrast of the fitted coefficients, and its value under the null, in the contrast's unit of measure.
    method : str
        "restricted": the null is imposed on the residuals, which is exact for linear models. "score": for any model,
        the scores at the solution are perturbed and the information is held fixed.
    rng : numpy.random.Generator
    replicates : int
        Multiplier vectors drawn. Where there are no more vectors of signs than this, all are taken.
    level : float
        Of the interval.
    multipliers : str
        "rademacher": ±1. "webb": ±√½, ±1, ±√1½, for about ten clusters or fewer, where there are few vectors of signs.

    Raises
    ------
    LinAlgError
        The columns are collinear within levels.
    DataError
        Fewer than two clusters.

    Notes
    -----
    The statistic is (estimate − null) / robust standard error (CR0; a constant factor cancels). The p-value is
    (1 + replicates at least as extreme) / (1 + replicates). Of all 2^G vectors of signs half are computed, since the
    others mirror them; restricted, the observed statistic is itself one of them and the p-value is their share, never
    below 2^(1 − G): with five clusters or fewer no value is rejected at 5 %. The interval holds the values about the
    estimate that are not rejected, up to the first that is, tried in steps of a quarter. Where a covariate varies in a
    few clusters only, the restricted bootstrap rejects far too seldom (MacKinnon & Webb 2018, Econometrics Journal
    21:114); few Satterthwaite degrees of freedom of the CR2 covariance show it.

    A replicate multiplies the scores of cluster g by v_g and makes the one step b = Σ v_g s_g (the information is the
    identity), whose own residual scores v_g s_g − K_g b give its variance. For a linear model that is the refit, to
    1e-10 (tests/kernels/test_wild.py). Restricted: s_g + K_g d δ in place of s_g. Kline & Santos (2012) centre the
    perturbed scores at their mean where here each cluster takes its own part K_g of the step: the same for clusters
    of equal information. Cost 4 n q² + 4 G q R; memory one batch of multipliers and 5 R.

    References
    ----------
    Webb (2023), Canadian Journal of Economics 56:839 (six points). MacKinnon, Nielsen & Webb (2024), arXiv 2406.00650
    (linearised, for logit).
    """
    clusters, count = present(clusters, rows.weight)
    pieces, length = _pieces(rows, clusters, count, contrast)
    own = pieces.score @ pieces.direction
    variance = float(own @ own)
    exact = multipliers == "rademacher" and count < 63 and 2**count <= replicates
    number = 2 ** (count - 1) if exact else replicates
    if not (variance > 0 and length > 0):
        return WildTest(np.nan, np.nan, np.nan, number, exact)
    drawn = _signs(count) if exact else _draws(count, replicates, multipliers, rng)
    terms = np.hstack([_terms(pieces, values) for values in drawn])
    if method == "score":
        terms[[1, 3, 4]] = 0.0
    made = Replicates(terms, variance, exact and method == "restricted")
    lower = float(estimate - length * made.bound(1.0, 1.0 - level))
    upper = float(estimate - length * made.bound(-1.0, 1.0 - level))
    return WildTest(made.p_value((estimate - null) / length), lower, upper, number, exact)


def _pieces(rows: WorkingRows, clusters: Codes, count: int, contrast: Floats) -> tuple[Pieces, float]:
    """Return the clusters' pieces along a contrast, and the contrast per unit of the direction."""
    white = whiten(rows)
    image = contrast @ white.back
    length = float(np.sqrt(image @ image))
    direction = image / length if length > 0 else image
    q, g = len(image), len(white.level_weight)
    shared = shared_levels(rows, clusters, white)
    score, gram = np.zeros((count, q)), np.zeros((count, q))
    level_score, level_gram = np.zeros(len(shared.owner)), np.zeros(len(shared.owner))
    for part in row_blocks(len(clusters), q):
        z, residual = white.coordinates(rows, part), rows.residual[part]
        along = rows.weight[part] * (z @ direction)
        score += sums_by(clusters[part], residual, count, z)
        gram += sums_by(clusters[part], along, count, z)
        inside = shared.pair[part] >= 0
        pair = shared.pair[part][inside]
        level_score += group_sums(pair, residual[inside], len(shared.owner))
        level_gram += group_sums(pair, along[inside], len(shared.owner))
    place, shape = (shared.owner, shared.level), (count, g)
    sparse = [csr_array((values / shared.root, place), shape=shape) for values in (level_score, level_gram)]
    return Pieces(direction, score, gram, *sparse), length


def _signs(count: int) -> Iterator[Floats]:
    """Yield all vectors of signs, as (G, b) batches, the first sign positive."""
    total = 2 ** (count - 1)
    step = max(1, BATCH // count)
    for start in range(0, total, step):
        number = np.arange(start, min(start + step, total))
        yield np.where(number >> np.arange(count - 1, -1, -1)[:, None] & 1, -1.0, 1.0)


def _draws(
    count: int, replicates: int, multipliers: Literal["rademacher", "webb"], rng: np.random.Generator
) -> Iterator[Floats]:
    values: Floats = np.concatenate([-WEBB, WEBB]) if multipliers == "webb" else np.array([-1.0, 1.0])
    step = max(1, BATCH // count)
    for start in range(0, replicates, step):
        yield values[rng.integers(0, len(values), size=(count, min(step, replicates - start)), dtype=np.int8)]


def _terms(pieces: Pieces, values: Floats) -> Floats:
    """Return the (5, b) terms of the replicates with (G, b) multipliers."""
    parts = []
    for score, level_score in ((pieces.score, pieces.level_score), (pieces.gram, pieces.level_gram)):
        step = score.T @ values
        left = values * (score @ pieces.direction)[:, None]
        left -= pieces.gram @ step
        left -= pieces.level_gram @ (level_score.T @ values)
        parts.append((pieces.direction @ step, left))
    (start, left), (slope, right) = parts
    squares = (np.einsum("gb,gb->b", one, two) for one, two in ((left, left), (left, right), (right, right)))
    constant, linear, quadratic = squares
    return np.stack([start, slope, constant, 2.0 * linear, quadratic])
