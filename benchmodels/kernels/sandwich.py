"""Robust covariance of the coefficients of a generalised linear model, from the working arrays of its fit.

A fit leaves two numbers a row: the derivative of the log-likelihood in the linear predictor (residual) and its
information (weight). With them every such model is a weighted linear one at its solution, so one kernel serves
them all. Levels (unit effects) are profiled out, never dummy columns. All sums are taken in coordinates in which the
information is the identity, so that the leverage of a cluster is its own Gram matrix there.

References
----------
Bell & McCaffrey (2002), Survey Methodology 28:169. Pustejovsky & Tipton (2018), Journal of Business & Economic
Statistics 36:672, and its correction (2023), doi 10.1080/07350015.2023.2174123.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import LinAlgError, solve_triangular
from scipy.sparse import csc_array, csr_array

from benchmodels.errors import DataError
from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.cells import collapse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Clustered", "WorkingRows", "cluster", "hc"]

# Least eigenvalue of the information scaled to a unit diagonal, and part of a column's squares left within levels.
SINGULAR, CONSTANT = 1e-11, 1e-18
# One minus a leverage, at or below which the leverage is counted as one: the residual there is zero whatever the
# outcome is, so the row or cluster tells nothing of its own variance. Rounding leaves some 1e-14.
LONE = 1e-10
# Part of a contrast's variance that may rest on such a row or cluster before the contrast is withheld.
LONE_PART = 1e-8
# Frobenius norm of a cluster's leverage below which (I - K)^(-1/2) is summed as a series, exact to rounding and several
# times faster than eigenvectors; and numbers in one batch of clusters' Gram matrices.
SERIES, BATCH = 0.05, 1 << 21


@dataclass(frozen=True, eq=False)
class WorkingRows:
    """A fitted model at its solution, as rows in any order.

    Parameters
    ----------
    columns : (n, p) array
        Covariates without a column of ones, in a well-conditioned basis and in its units of measure.
    residual : (n,) array
        First derivative of the row's log-likelihood in its linear predictor, up to the dispersion. Canonical link:
        total outcome less size × mean.
    weight : (n,) array
        Fisher information of the row on its linear predictor, up to the same dispersion, which cancels: size ×
        slope² / variance function. A row of weight zero is not there.
    codes : (n,) array
        Level of each row, 0 … g − 1. All zero: the pooled model, with one level.
    cases : (n,) array, optional
        Cases of equal size that the row stands for; ``residual`` and ``weight`` are their totals. None: one each.
    squares : (n,) array, optional
        Sum of the squares of those cases' residuals. None: they are identical.
    """

    columns: Floats
    residual: Floats
    weight: Floats
    codes: Codes
    cases: Floats | None = None
    squares: Floats | None = None

    def count(self) -> tuple[float, int]:
        """Return how many cases and how many estimated coefficients, levels included, there are."""
        there = self.weight > 0
        cases = there.sum() if self.cases is None else self.cases[there].sum()
        return float(cases), self.columns.shape[1] + len(np.unique(self.codes[there]))


@dataclass(frozen=True, eq=False)
class Whitened:
    """Coordinates z = (x − mean of its level) @ turn whose information is the identity.

    ``means`` (g, p), ``turn`` (p, p), ``level_weight`` (g,) the information on each level. Coefficients are
    ``back`` (q, q) @ coefficients on z: q = p + 1, the level last, when pooled; q = p when levels are absorbed.
    """

    means: Floats
    turn: Floats
    level_weight: Floats
    back: Floats

    def coordinates(self, rows: WorkingRows, take: slice | Codes) -> Floats:
        """Return the (m, q) coordinates of some of the rows."""
        z = (rows.columns[take] - self.means[rows.codes[take]]) @ self.turn
        if len(self.level_weight) > 1:
            return np.asarray(z)
        return np.column_stack([z, np.full(len(z), self.back[-1, -1])])


@dataclass(frozen=True, eq=False)
class SharedLevels:
    """Pairs of a cluster and an absorbed level that it holds a part of; a level wholly in one cluster is not here.

    ``pair`` (n,) of each row, −1 where there is none; ``owner`` (m,), ascending, and ``level`` (m,) the cluster and
    level of each pair, ``slot`` (m,) its number within the cluster, ``root`` (m,) of the level's information.
    """

    pair: Codes
    owner: Codes
    level: Codes
    slot: Codes
    root: Floats


@dataclass(frozen=True, eq=False)
class Clustered:
    """Cluster-robust covariance of r contrasts.

    Parameters
    ----------
    covariance : (r, r) array
        In products of the contrasts' units of measure. NaN for a contrast that rests on a lone cluster (CR2).
    degrees_of_freedom : (r,) array
        Of a t-distribution: Satterthwaite's for CR2, else the clusters with any information less one.
    """

    covariance: Floats
    degrees_of_freedom: Floats
    clusters: int


def whiten(rows: WorkingRows) -> Whitened:
    """Find coordinates whose information is the identity, at 2 n p² in two passes; LinAlgError if there are none."""
    n, p = rows.columns.shape
    g = int(rows.codes.max()) + 1
    level_weight = group_sums(rows.codes, rows.weight, g)
    safe = np.where(level_weight > 0, level_weight, 1.0)
    means = sums_by(rows.codes, rows.weight, g, rows.columns) / safe[:, None]
    gram = np.zeros((p, p))
    for part in row_blocks(n, p):
        block = rows.columns[part] - means[rows.codes[part]]
        block *= np.sqrt(rows.weight[part])[:, None]
        gram += block.T @ block
    diagonal = gram.diagonal()
    if not (level_weight.any() and np.all(diagonal > CONSTANT * (diagonal + level_weight @ means**2))):
        raise LinAlgError("a column, or the level, carries no information")
    scale = 1.0 / np.sqrt(diagonal)
    scaled = gram * np.outer(scale, scale)
    if np.linalg.eigvalsh(scaled).min(initial=np.inf) <= SINGULAR * p:
        raise LinAlgError("the columns are collinear")
    turn = scale[:, None] * solve_triangular(np.linalg.cholesky(scaled), np.eye(p), lower=True).T
    if g > 1:
        return Whitened(means, turn, level_weight, turn)
    back = np.zeros((p + 1, p + 1))
    back[:p, :p], back[p, :p], back[p, p] = turn, -(means[0] @ turn), 1.0 / np.sqrt(level_weight[0])
    return Whitened(means, turn, level_weight, back)


def sums_by(codes: Codes, weight: Floats, groups: int, matrix: Floats) -> Floats:
    """Return the (groups, q) weighted sums of an (n, q) matrix, rows in any order, in one pass."""
    picker = csc_array((weight, codes, np.arange(len(codes) + 1)), shape=(groups, len(codes)))
    return np.asarray(picker @ matrix)


def present(clusters: Codes, weight: Floats) -> tuple[Codes, int]:
    """Number the clusters that have any information 0 … G − 1; DataError if there are fewer than two."""
    there = group_sums(clusters, weight, int(clusters.max()) + 1) > 0
    count = int(there.sum())
    if count < 2:
        raise DataError(f"a cluster-robust covariance needs at least two clusters with information; found {count}")
    # Rows of a cluster without information add nothing wherever they are put.
    return np.maximum(np.cumsum(there) - 1, 0)[clusters], count


def shared_levels(rows: WorkingRows, clusters: Codes, white: Whitened) -> SharedLevels:
    """Find the absorbed levels that are spread over several clusters; none in the pooled model."""
    g = len(white.level_weight)
    cell, first = collapse([clusters, rows.codes], [int(clusters.max()) + 1, g])
    owner, level = clusters[first], rows.codes[first]
    there = group_sums(cell, rows.weight, len(first)) > 0
    keep = there & (np.bincount(level[there], minlength=g)[level] > 1) & (g > 1)
    pair = np.where(keep[cell], (np.cumsum(keep) - 1)[cell], -1)
    owner, level = owner[keep], level[keep]
    slot = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return SharedLevels(pair, owner, level, slot, np.sqrt(white.level_weight[level]))


def hc(rows: WorkingRows, kind: Literal["HC0", "HC1", "HC2", "HC3"]) -> Floats:
    """Return the heteroscedasticity-consistent covariance of the slopes (and the level, when pooled).

    Parameters
    ----------
    rows : WorkingRows
        Every row a case, or ``cases`` identical ones.
    kind : str
        A case's squared residual times 1 (HC0), n / (n − p − levels) (HC1), 1 / (1 − h) (HC2), 1 / (1 − h)² (HC3),
        h the case's leverage in the weighted projection, levels included.

    Returns
    -------
    (q, q) array
        In products of the coefficients' units of measure; q = p + 1 when pooled, the level last, else p. HC2 and HC3:
        NaN for a coefficient that rests on a case of leverage one.

    Raises
    ------
    LinAlgError
        The columns are collinear within levels.

    Notes
    -----
    Cost 6 n q²; memory one block. Equal to the dense form to 1e-10 and to R's sandwich::vcovHC (test_sandwich.py).

    References
    ----------
    MacKinnon & White (1985), Journal of Econometrics 29:305. Zeileis (2006), Journal of Statistical Software 16(9).
    """
    white = whiten(rows)
    q = len(white.back)
    level_variance = 1.0 / np.where(white.level_weight > 0, white.level_weight, 1.0) * (len(white.level_weight) > 1)
    power = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}[kind]
    meat, lone = np.zeros((q, q)), np.zeros(q)
    for part in row_blocks(len(rows.weight), q):
        z = white.coordinates(rows, part)
        cases = np.ones(len(z)) if rows.cases is None else rows.cases[part]
        cases = np.where(cases > 0, cases, 1.0)
        square = rows.residual[part] ** 2 / cases if rows.squares is None else rows.squares[part]
        if power:
            weight = rows.weight[part] / cases
            free = 1.0 - weight * (np.einsum("nq,nq->n", z, z) + level_variance[rows.codes[part]])
            alone = free <= LONE
            square = np.where(alone, 0.0, square / np.where(alone, 1.0, free) ** power)
            lone += weight[alone] @ (z[alone] @ white.back.T) ** 2
        meat += (z * square[:, None]).T @ z
    covariance = white.back @ meat @ white.back.T
    if kind == "HC1":
        n, estimated = rows.count()
        covariance *= n / (n - estimated) if n > estimated else np.nan
    return _withhold(covariance, lone > LONE_PART * np.einsum("qr,qr->q", white.back, white.back))


def cluster(
    rows: WorkingRows, clusters: Codes, kind: Literal["CR0", "CR1", "CR1S", "CR2"], contrasts: Floats | None = None
) -> Clustered:
    """Return the cluster-robust covariance of contrasts of the slopes (and the level, when pooled).

    Parameters
    ----------
    rows : WorkingRows
    clusters : (n,) array
        Cluster of each row: within levels, equal to them, made of whole levels, or across them.
    kind : str
        CR0: plain. CR1: × G / (G − 1), the ``HC0`` of sandwich::vcovCL. CR1S: × G / (G − 1) × (n − 1) / (n − p −
        levels), its ``HC1`` and Stata's factor; fixest counts all levels nested in clusters as one. CR2: the residuals
        of cluster g times (I − H_gg)^(−1/2), unbiased under the working model.
    contrasts : (r, q) array, optional
        In the coefficients' order, the level last when pooled. By default the q coefficients themselves.

    Raises
    ------
    LinAlgError
        The columns are collinear within levels.
    DataError
        Fewer than two clusters.

    Notes
    -----
    The working model of CR2 is independent rows of variance 1 / weight, the root symmetric for rows scaled by √weight.
    For unequal weights the root of Pustejovsky & Tipton (eq. 7–8), of the same criterion (eq. 5–6), is a little other.

    With Z_g the cluster's rows in coordinates of identity information and K_g = Z_gᵀZ_g, the adjusted score is
    (I − K_g)^(−1/2) Z_gᵀe_g: no matrix of the cluster's own size is formed. A level wholly inside a cluster makes
    I − H_gg singular, but only along the level's own column, which in this metric is orthogonal to the centred ones;
    so with the pseudo-inverse root (tolerance 1e-10) absorbing first is exact (Theorem 2 as corrected, for equal
    weights; in this metric they are). A level that several clusters share adds a column to K_g in each, so clusters
    inside or across levels are exact too. Where a cluster has leverage one along a coefficient (Theorem 1 excludes
    it) it tells nothing of its own variance: contrasts of that coefficient are NaN.

    Degrees of freedom (eq. 11) are 1 / Σ_gh (a_gᵀa_h)² with a_gᵀa_g = cᵀK_g c, a_gᵀa_h = −u_gᵀu_h,
    u_g = K_g (I − K_g)^(−1/2) c and c of unit length. Cost 6 n q² + G q² (q + r), and (q + l)³ for a cluster that
    shares l levels; memory G q r. Equal to the n × n form with dummies to 1e-10, and to R's sandwich::vcovCL, whose
    ``HC2`` is CR2 for equal weights (for others it adjusts w e where e is meant): tests/kernels/test_sandwich.py.

    References
    ----------
    Liang & Zeger (1986), Biometrika 73:13 (CR0). Zeileis, Köll & Graham (2020), Journal of Statistical Software 95(1).
    """
    white = whiten(rows)
    clusters, count = present(clusters, rows.weight)
    matrix = white.back if contrasts is None else contrasts @ white.back
    df, lone = np.full(len(matrix), count - 1.0), np.zeros(len(matrix), dtype=bool)
    if kind == "CR2":
        scores, df, lone = _bias_reduced(rows, clusters, count, white, matrix)
    else:
        scores = np.zeros((count, len(white.back)))
        for part in row_blocks(len(clusters), len(white.back)):
            scores += sums_by(clusters[part], rows.residual[part], count, white.coordinates(rows, part))
    root = scores @ matrix.T
    covariance = root.T @ root
    factors = {"CR0": 0, "CR1": 1, "CR1S": 2, "CR2": 0}[kind]
    if factors:
        covariance *= count / (count - 1)
    if factors == 2:
        n, estimated = rows.count()
        covariance *= (n - 1) / (n - estimated) if n > estimated else np.nan
    return Clustered(_withhold(covariance, lone), df, count)


def _withhold(covariance: Floats, lone: NDArray[np.bool_]) -> Floats:
    covariance[lone] = covariance[:, lone] = np.nan
    return covariance


def _bias_reduced(
    rows: WorkingRows, clusters: Codes, count: int, white: Whitened, matrix: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return adjusted scores (G, q), degrees of freedom (r,), and which contrasts rest on a lone cluster."""
    q, r = len(white.back), len(matrix)
    length = np.sqrt(np.einsum("rq,rq->r", matrix, matrix))
    unit = (matrix / np.where(length > 0, length, 1.0)[:, None]).T
    shared = shared_levels(rows, clusters, white)
    scores, slopes, levels = np.empty((count, q)), np.empty((r, count, q)), np.empty((r, len(shared.owner)))
    total, lone = np.zeros(r), np.zeros(r)
    for low, high, gram, score in _batches(rows, clusters, count, white, shared):
        root, alone = _inverse_root(gram)
        scores[low:high] = np.einsum("gij,gj->gi", root[:, :q], score)
        part = gram @ (root[:, :, :q] @ unit)
        slopes[:, low:high] = part[:, :q].transpose(2, 0, 1)
        pairs = slice(*np.searchsorted(shared.owner, (low, high)))
        levels[:, pairs] = part[shared.owner[pairs] - low, q + shared.slot[pairs]].T
        total += np.sum(np.einsum("gir,ir->gr", gram[:, :q, :q] @ unit, unit) ** 2, axis=0)
        lone += np.sum((alone[:, :, :q] @ unit) ** 2, axis=(0, 1))
    place, shape = (shared.owner, shared.level), (count, len(white.level_weight))
    for i in range(r):
        total[i] += _products(slopes[i], csr_array((levels[i], place), shape=shape))
    known = (lone <= LONE_PART) & (length > 0)
    return scores, np.where(known, 1.0 / np.where(known, total, 1.0), np.nan), lone > LONE_PART


def _batches(
    rows: WorkingRows, clusters: Codes, count: int, white: Whitened, shared: SharedLevels
) -> Iterator[tuple[int, int, Floats, Floats]]:
    """Yield (first, last + 1, Gram matrices, scores) of clusters, padded with zeros to as many levels as one has."""
    q = len(white.back)
    order = None if np.all(clusters[1:] >= clusters[:-1]) else np.argsort(clusters, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(clusters, minlength=count))])
    wide = np.bincount(shared.owner, minlength=count)
    low = 0
    while low < count:
        size = (q + np.maximum.accumulate(wide[low:])) ** 2 * np.arange(1, count - low + 1)
        high = low + max(1, int(np.searchsorted(size, BATCH)))
        most = int(wide[low:high].max())
        gram, score = np.zeros((high - low, q + most, q + most)), np.zeros((high - low, q + most))
        for part in row_blocks(starts[high] - starts[low], q + most):
            inside = slice(starts[low] + part.start, starts[low] + part.stop)
            take = inside if order is None else order[inside]
            z, owner = white.coordinates(rows, take), clusters[take] - low
            score[:, :q] += sums_by(owner, rows.residual[take], high - low, z)
            z *= np.sqrt(rows.weight[take])[:, None]
            cuts = np.append(np.flatnonzero(np.diff(owner, prepend=-1)), len(owner))
            for a, b in zip(cuts[:-1], cuts[1:], strict=True):
                gram[owner[a], :q, :q] += z[a:b].T @ z[a:b]
            if most:
                _add_levels(gram, score, z, owner, rows, take, shared)
        gram[:, :q, q:] = gram[:, q:, :q].transpose(0, 2, 1)
        yield low, high, gram, score
        low = high


def _add_levels(
    gram: Floats, score: Floats, z: Floats, owner: Codes, rows: WorkingRows, take: slice | Codes, shared: SharedLevels
) -> None:
    """Add, in place, what a block of rows gives to the columns of shared levels; ``z`` is scaled by √weight."""
    count, q = len(gram), z.shape[1]
    most = gram.shape[1] - q
    inside = shared.pair[take] >= 0
    pair = shared.pair[take][inside]
    place = owner[inside] * most + shared.slot[pair]
    diagonal, root = np.arange(q, q + most), shared.root[pair]
    column, residual = np.sqrt(rows.weight[take][inside]) / root, rows.residual[take][inside] / root
    gram[:, q:, :q] += sums_by(place, column, count * most, z[inside]).reshape(count, most, q)
    gram[:, diagonal, diagonal] += group_sums(place, column**2, count * most).reshape(count, most)
    score[:, q:] += group_sums(place, residual, count * most).reshape(count, most)


def _inverse_root(gram: Floats) -> tuple[Floats, Floats]:
    """Return the pseudo-inverse roots (c, w, w) of I − K, and the (c, w, w) directions, as rows, of leverage one."""
    root, alone, identity = np.empty_like(gram), np.zeros_like(gram), np.eye(gram.shape[1])
    norm = np.sqrt(np.einsum("gij,gij->g", gram, gram))
    small = norm <= SERIES
    if small.any():
        matrix, total = gram[small], identity
        for k in range(int(np.log(1e-18) / np.log(max(float(norm[small].max()), 1e-18))), 0, -1):
            total = identity + (1.0 - 0.5 / k) * (matrix @ total)
        root[small] = total
    if not small.all():
        values, vectors = np.linalg.eigh(gram[~small])
        lone = 1.0 - values <= LONE
        scale = np.where(lone, 0.0, 1.0 / np.sqrt(np.where(lone, 1.0, 1.0 - values)))
        rows = vectors.transpose(0, 2, 1)
        root[~small], alone[~small] = (vectors * scale[:, None, :]) @ rows, rows * lone[:, :, None]
    return root, alone


def _products(slopes: Floats, levels: csr_array) -> float:
    """Return Σ (u_gᵀu_h)² over ordered pairs of different clusters; u is a row of (slopes (G, q), levels (G, g))."""
    length = np.einsum("gq,gq->g", slopes, slopes) + levels.power(2).sum(axis=1)
    # The longest, of which there are few, one by one: their squared lengths would swamp the products.
    long = length > 1.0
    some, part = slopes[~long], levels[~long]
    total = np.sum((some.T @ some) ** 2) + 2.0 * np.sum((part.T @ some) ** 2) + (part.T @ part).power(2).sum()
    total -= np.sum(length[~long] ** 2)
    for g in np.flatnonzero(long):
        products = (slopes @ slopes[g] + levels @ levels[[g]].toarray()[0]) ** 2
        products[g] = 0.0
        total += 2.0 * products[~long].sum() + products[long].sum()
    return float(total)
