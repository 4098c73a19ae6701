"""Gaussian model with two random intercepts, crossed (unit and period) or nested (school in municipality).

For a case of size s with outcome v, v / s = level + x'slopes + a_i + b_j + e, with Var(e) = residual_sd² / s. Factor 0,
the one with more levels, is eliminated first: its block is diagonal. What is left for factor 1, S = I + λ₁ Z₁'V₀⁻¹Z₁,
is dense, and diagonal again when factor 0 is nested in it. The likelihood, its exact derivatives in the two variance
ratios λ, and the predictions need sums by level only: an evaluation never looks at a row.

References
----------
Bates, Mächler, Bolker & Walker (2015), J. Statistical Software 67(1): eq. 30-42, profiled deviance and REML criterion.
Henderson (1975), Biometrics 31:423 (best linear unbiased predictors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, solve_triangular
from scipy.ndimage import minimum_filter
from scipy.sparse import csc_array, csr_array

from benchmodels.errors import DataError
from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.cells import collapse
from benchmodels.kernels.linear_intercept import EXPLAINED, TOLERANCE, Method, scaled_cholesky, unit_statistics
from benchmodels.kernels.newton import Certificate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Pair = tuple[Floats, Floats]

__all__ = ["CrossedLinearFit", "CrossedStatistics", "Eliminated", "Pairs", "crossed_statistics", "eliminate",
           "fit_crossed_linear", "pairs"]  # fmt: skip

# Starting values of the variance ratio, for a case of mean size: from chance differences to differences that drown it.
STARTS = (0.0, 0.005, 0.1, 2.0)
# Above this part of level pairs that occur, products with the table of them are faster in dense storage.
DENSE = 0.1


@dataclass(frozen=True, eq=False)
class CrossedStatistics:
    """All that two Gaussian random intercepts need to know of the rows.

    Factor 0 has the more levels, k₀ of them, and factor 1 k₁; columns stand as p covariates, ones, outcome (q = p + 2).

    Parameters
    ----------
    weights : (k₀,) and (k₁,) arrays; table : (k₀, k₁) array or sparse array
        Total size of each level, and of each pair of levels.
    nested : bool
        Each level of factor 0 occurs with one of factor 1.
    center : (p + 1,) array
        Overall means of covariates and outcome, in their own units of measure; all that follows is about them.
    means : (k₀, q) array; within : (q, q) array
        By level of factor 0; cross-products of cases about them.
    rest : (k₁, q) array
        Weighted sums by level of factor 1 of the cases less the means of their level of factor 0.
    cases : float; swapped : bool
        Number of cases; whether factor 0 is the caller's second one.
    """

    weights: Pair
    table: Floats
    nested: bool
    center: Floats
    means: Floats
    within: Floats
    rest: Floats
    cases: float
    swapped: bool


@dataclass(frozen=True, eq=False)
class CrossedLinearFit:
    """Maximum (restricted) likelihood of two Gaussian random intercepts; pairs are in the caller's order.

    Parameters
    ----------
    slopes : (p,) array; level : float
        Outcome's unit of measure per unit of each column; at columns zero.
    factor_sd : (2,) array; residual_sd : float
        Standard deviation of the effects of each factor, and of a case of size one; outcome's unit of measure.
    boundary : (2,) array of bool
        The maximum lies at a standard deviation of zero, with the likelihood falling from there.
    covariance : (p + 1, p + 1) array
        Of slopes and level, in that order, at the estimated variances.
    log_likelihood : float
        Of the cases' outcome / √size; restricted under "reml".
    effects, effect_variance : pairs of arrays
        Best linear unbiased predictors, and their variance given slopes and level.
    maxima : int; certificate : Certificate
        Local maxima found from the grid of starting values; what vouches for the highest.
    """

    slopes: Floats
    level: float
    factor_sd: Floats
    residual_sd: float
    boundary: NDArray[np.bool_]
    covariance: Floats
    log_likelihood: float
    effects: Pair
    effect_variance: Pair
    maxima: int
    certificate: Certificate


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of the (k₀, k₁) levels that occur: ``cell`` (n,) by row; ``first`` and ``second`` level (c,) by cell."""

    cell: Codes
    first: Codes
    second: Codes
    levels: tuple[int, int]
    nested: bool

    def table(self, total: Floats) -> Floats:
        """Return the (c,) totals of pairs as a (k₀, k₁) array; a sparse one where few pairs occur."""
        if self.nested or len(total) <= DENSE * self.levels[0] * self.levels[1]:
            return csr_array((total, (self.first, self.second)), shape=self.levels)  # type: ignore[no-any-return]
        table = np.zeros(self.levels)
        table[self.first, self.second] = total
        return table


def pairs(larger: Codes, smaller: Codes, levels: tuple[int, int]) -> Pairs:
    """Number the pairs of levels of n rows."""
    cell, row = collapse([larger, smaller], levels)
    first, second = larger[row], smaller[row]
    return Pairs(cell, first, second, levels, len(np.unique(first)) == len(first))


def crossed_statistics(
    columns: Floats,
    outcome: Floats,
    size: Floats,
    squares: Floats,
    cases: Floats,
    offset: Floats,
    factors: tuple[Codes, Codes],
    levels: tuple[int, int],
) -> CrossedStatistics:
    """Reduce rows to what two Gaussian random intercepts need.

    Parameters
    ----------
    columns : (n, p) array; outcome, size, squares, cases, offset : (n,) arrays
        As for ``linear_intercept.unit_statistics``.
    factors : two (n,) arrays; levels : two int
        Level of each row, 0 … levels − 1, and how many there are; rows in any order (fastest when sorted by the first).

    Raises
    ------
    DataError
        A factor has fewer than two levels with cases, its levels have one case each, or both factors cut the cases in
        the same way.

    Notes
    -----
    Cost n p² / 2 multiplications; memory of one block of rows and of the pairs of levels that occur.
    """
    swapped = levels[1] > levels[0]
    larger, smaller = factors[::-1] if swapped else factors
    k = levels[::-1] if swapped else levels
    by_level = unit_statistics(columns, outcome, size, squares, cases, offset, larger, k[0])
    weights = by_level.weight, group_sums(smaller, size, k[1])
    met = pairs(larger[size > 0], smaller[size > 0], k)
    occupied = [int(np.sum(weight > 0)) for weight in weights]
    if occupied[1] < 2:
        raise DataError(f"a factor has {occupied[1]} level(s) with cases; its standard deviation asks for two")
    if met.nested and occupied[0] == occupied[1]:
        raise DataError("both factors cut the cases in the same way: their standard deviations cannot be told apart")
    p, place = columns.shape[1], np.r_[0 : columns.shape[1], columns.shape[1] + 1]
    means, within, rest = np.ones((k[0], p + 2)), np.zeros((p + 2, p + 2)), np.zeros((k[1], p + 2))
    means[:, place] = by_level.means
    within[np.ix_(place, place)] = by_level.within
    if not met.nested:
        at = by_level.means + by_level.center
        value = outcome / np.where(size > 0, size, 1.0) - offset
        for rows in row_blocks(len(outcome), p):
            apart = np.column_stack([columns[rows], value[rows]]) - at[larger[rows]]
            entries = (size[rows], smaller[rows], np.arange(len(apart) + 1))
            rest[:, place] += csc_array(entries, shape=(k[1], len(apart))) @ apart
    table, center = met.table(group_sums(met.cell, size[size > 0], len(met.first))), by_level.center
    return CrossedStatistics(weights, table, met.nested, center, means, within, rest, by_level.cases, swapped)


@dataclass(frozen=True, eq=False)
class Eliminated:
    """The block-arrow matrix I + Λ'Z'WZΛ with its diagonal block, factor 0, eliminated.

    Parameters
    ----------
    shrink : (k₀,) array
        1 / (1 + λ₀ w₀).
    information, inverse : (k₁, k₁) or, when nested, (k₁,) arrays
        Z₁'V₀⁻¹Z₁, and the inverse of S = I + λ₁ Z₁'V₀⁻¹Z₁; their diagonals where they are diagonal.
    log_det : float
        Of the whole matrix.
    """

    shrink: Floats
    information: Floats
    inverse: Floats
    log_det: float

    def solve(self, right: Floats) -> Floats:
        """Return S⁻¹ times a (k₁, m) array."""
        return self.inverse[:, None] * right if self.inverse.ndim == 1 else np.asarray(self.inverse @ right)

    def leverage(self, table: Floats) -> Floats:
        """Return the (k₀,) diagonal of N S⁻¹ N', N the table of pairs of levels."""
        if self.inverse.ndim == 1:
            return np.asarray((table * table) @ self.inverse)
        result = np.empty(len(self.shrink))
        for rows in row_blocks(len(result), len(self.inverse)):
            part = table[rows]
            result[rows] = (part * (part @ self.inverse)).sum(axis=1)
        return result


def eliminate(weights: Pair, table: Floats, ratios: Floats, *, nested: bool) -> Eliminated:
    """Eliminate the larger factor at two variance ratios λ.

    Parameters
    ----------
    weights : (k₀,) and (k₁,) arrays; table : (k₀, k₁) array or sparse array
        Sizes (or working weights) by level and by pair of levels.
    ratios : (2,) array
        Variance of each factor's effects over that of a case of size one.
    """
    shrink = 1.0 / (1.0 + ratios[0] * weights[0])
    log_det = float(np.log1p(ratios[0] * weights[0]).sum())
    if nested:
        information = np.asarray(table.T @ shrink)
        inverse = 1.0 / (1.0 + ratios[1] * information)
        return Eliminated(shrink, information, inverse, log_det - float(np.log(inverse).sum()))
    lost = table.T @ ((ratios[0] * shrink)[:, None] * table)
    lost = lost if isinstance(lost, np.ndarray) else lost.toarray()
    information = np.diag(weights[1]) - lost
    lower = np.linalg.cholesky(np.eye(len(lost)) + ratios[1] * information)
    half = solve_triangular(lower, np.eye(len(lost)), lower=True)
    return Eliminated(shrink, information, half.T @ half, log_det + 2.0 * float(np.log(lower.diagonal()).sum()))


@dataclass(frozen=True, eq=False)
class _Point:
    """The criterion −2 log L at two ratios, all else profiled out; ``step`` (2,) are its derivatives.

    ``pulls`` (k₀,) and (k₁,) are Z'V⁻¹ residual, ``root`` (p + 1, p + 1) a matrix with root'root = (X'V⁻¹X)⁻¹,
    ``traces`` (2,) what the columns leave of tr Z'V⁻¹Z, as a part of it.
    """

    deviance: float
    step: Floats
    variance: float
    coefficients: Floats
    pulls: Pair
    root: Floats
    traces: Floats
    eliminated: Eliminated


def _evaluate(statistics: CrossedStatistics, ratios: Floats, method: Method) -> _Point:
    s, p1 = statistics, len(statistics.center)
    found = eliminate(s.weights, s.table, ratios, nested=s.nested)
    shrunk = s.weights[0] * found.shrink
    gram = s.within + s.means.T @ (shrunk[:, None] * s.means)
    sums = s.rest + s.table.T @ (found.shrink[:, None] * s.means)
    second = found.solve(sums)
    gram -= ratios[1] * (sums.T @ second)
    first = shrunk[:, None] * s.means - (ratios[1] * found.shrink)[:, None] * (s.table @ second)
    lower, scale = scaled_cholesky(gram[:p1, :p1])
    root = np.asarray(np.linalg.solve(lower, np.diag(scale)), dtype=np.float64)
    image = root @ gram[:p1, p1]
    coefficients = root.T @ image
    rss = float(gram[p1, p1] - image @ image)
    if not rss > 1e-13 * gram[p1, p1]:
        raise DataError("the columns fit the outcome without error: there is no residual variance to measure by")
    pulls = tuple(part[:, p1] - part[:, :p1] @ coefficients for part in (first, second))
    own = shrunk.sum() - ratios[1] * float(found.shrink**2 @ found.leverage(s.table))
    traces = np.array([own, np.sum(found.inverse * found.information)])
    left = traces - [np.sum((part[:, :p1] @ root.T) ** 2) for part in (first, second)]
    df, log_det, log_det_step = s.cases, found.log_det, traces
    if method == "reml":
        df -= p1
        log_det += 2.0 * float(np.log(lower.diagonal()).sum() - np.log(scale).sum())
        log_det_step = left
    step = log_det_step - df / rss * np.array([pull @ pull for pull in pulls])
    deviance = log_det + df * float(1.0 + np.log(2.0 * np.pi * rss / df))
    return _Point(deviance, step, rss / df, coefficients, (pulls[0], pulls[1]), root, left / traces, found)


class _Profile:
    """The criterion −log L in t = log(1 + λ w): linear in λ near the boundary and logarithmic far from it."""

    def __init__(self, statistics: CrossedStatistics, method: Method) -> None:
        self.statistics, self.method, self.evaluations = statistics, method, 0
        self.most = np.array([weight.max() for weight in statistics.weights])

    def ratios(self, t: Floats) -> Floats:
        return np.asarray(np.expm1(t) / self.most)

    def at(self, t: Floats) -> tuple[float, Floats]:
        """Return value and gradient; an infinite value where the ratios are too far out for the arithmetic."""
        self.evaluations += 1
        try:
            point = _evaluate(self.statistics, self.ratios(t), self.method)
        except LinAlgError:
            return np.inf, np.full(2, np.nan)
        return 0.5 * point.deviance, 0.5 * point.step * np.exp(t) / self.most

    def curvature(self, t: Floats, gradient: Floats) -> Floats:
        """Return the Hessian by differences of the exact gradient, ahead, which is inside at a boundary too."""
        h = 1e-5
        matrix = np.column_stack([(self.at(t + h * unit)[1] - gradient) / h for unit in np.eye(2)])
        return np.asarray(0.5 * (matrix + matrix.T))

    def descend(self, t: Floats, *, iterations: int = 60) -> tuple[Floats, float, Certificate]:
        """Projected Newton from a start, with steps of at most e⁴ in a ratio, halved until the value falls."""
        value, gradient = self.at(t)
        path, found = [np.inf], False
        while not found and len(path) <= iterations:
            free = (t > 0) | (gradient < 0)
            curvature = self.curvature(t, gradient)[np.ix_(free, free)]
            if not np.isfinite(curvature).all():
                break
            size, axes = np.linalg.eigh(curvature)
            image = axes.T @ gradient[free]
            path.append(float(np.sqrt(np.sum(image**2 / size))) if np.all(size > 0) else np.inf)
            found = path[-1] <= TOLERANCE
            move = np.zeros(2)
            move[free] = np.clip(-axes @ (image / np.abs(size)), -4.0, 4.0)
            for _ in range(30):
                ahead = np.maximum(t + move, 0.0)
                value_ahead, gradient_ahead = self.at(ahead)
                if found or value_ahead <= value + 1e-13 * abs(value):
                    break
                move *= 0.5
            t, value, gradient = ahead, value_ahead, gradient_ahead
        return t, value, Certificate(found, self.evaluations, "newton decrement", path[-1], tuple(path[1:]))


def fit_crossed_linear(statistics: CrossedStatistics, *, method: Method = "ml") -> CrossedLinearFit:
    """Fit two Gaussian random intercepts by maximum or restricted maximum likelihood.

    Parameters
    ----------
    statistics : CrossedStatistics; method : {"ml", "reml"}
        The restricted likelihood is that of the columns as they are, as in lme4.

    Returns
    -------
    CrossedLinearFit
        Not converged: ``certificate.converged`` is False and the caller raises.

    Raises
    ------
    DataError
        The columns explain a whole factor or fit without error, or there are no more cases than coefficients.
    LinAlgError
        The columns are collinear.

    Notes
    -----
    Newton steps on the profiled criterion from every local minimum of a grid of 16 starting values, boundaries
    included. An evaluation costs k₀ p² and, when crossed, k₁³ + k₀ k₁² (dense) or the pairs that meet (sparse): the
    smaller factor may have a few thousand levels. Agrees with dense matrices to 1e-9 (``test_dense``) and with
    published fits (``test_penicillin``, ``test_pastes``).
    """
    profile = _Profile(statistics, method)
    p1 = len(statistics.center)
    if statistics.cases <= p1:
        raise DataError(f"{statistics.cases:g} cases for {p1} coefficients: nothing is left for a residual variance")
    if np.any(_evaluate(statistics, np.zeros(2), "reml").traces <= EXPLAINED):
        raise DataError("the columns tell every level of a factor from the others: nothing is left for its deviation")
    scale = statistics.cases / float(statistics.weights[0].sum())
    ticks = np.log1p(np.multiply.outer(profile.most * scale, STARTS))
    values = np.array([[profile.at(np.array([a, b]))[0] for b in ticks[1]] for a in ticks[0]])
    lowest = minimum_filter(values, size=3, mode="constant", cval=np.inf) == values
    ends = [profile.descend(np.array([ticks[0, a], ticks[1, b]])) for a, b in np.argwhere(lowest)]
    t, _, certificate = min(ends, key=lambda end: end[1])
    maxima = len(np.unique(np.round([end[0] for end in ends], 3), axis=0))
    return _report(statistics, profile.ratios(t), method, maxima, certificate)


def _report(
    statistics: CrossedStatistics, ratios: Floats, method: Method, maxima: int, certificate: Certificate
) -> CrossedLinearFit:
    point = _evaluate(statistics, ratios, method)
    p = len(statistics.center) - 1
    middle = statistics.center[:p]
    shrink, inverse, root = point.eliminated.shrink, point.eliminated.inverse, point.root.copy()
    root[:, p] -= root[:, :p] @ middle
    own = ratios[0] * shrink * (1.0 + ratios[0] * ratios[1] * shrink * point.eliminated.leverage(statistics.table))
    other = ratios[1] * (inverse if inverse.ndim == 1 else inverse.diagonal())
    order = slice(None, None, -1) if statistics.swapped else slice(None)
    effects = (ratios[0] * point.pulls[0], ratios[1] * point.pulls[1])[order]
    variances = (point.variance * own, point.variance * other)[order]
    return CrossedLinearFit(
        slopes=point.coefficients[:p],
        level=float(point.coefficients[p] + statistics.center[p] - middle @ point.coefficients[:p]),
        factor_sd=np.sqrt(ratios * point.variance)[order],
        residual_sd=float(np.sqrt(point.variance)),
        boundary=(ratios == 0)[order],
        covariance=point.variance * (root.T @ root),
        log_likelihood=-0.5 * point.deviance,
        effects=(effects[0], effects[1]),
        effect_variance=(variances[0], variances[1]),
        maxima=maxima,
        certificate=certificate,
    )
