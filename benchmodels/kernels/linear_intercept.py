"""Gaussian random intercept: one pass over the rows, then a profile in one variance ratio.

For a case of size s with outcome v, v / s = level + x'slopes + u_unit + e, with Var(u) = unit_sd² and
Var(e) = residual_sd² / s. With λ = unit_sd² / residual_sd² and W a unit's total size, all that the likelihood needs is

    X'V⁻¹X = A + Σ d (m − m̄)(m − m̄)',   d = W / (1 + λ W),

A the cross-products within units, m the unit means and m̄ their mean with weights d. Both parts are sums of squares:
nothing cancels, however much larger the differences between units are than those within them. An evaluation costs
k p² and never looks at a row.

References
----------
Bates, Mächler, Bolker & Walker (2015), J. Statistical Software 67(1): eq. 30-42, profiled deviance and REML criterion.
Henderson (1975), Biometrics 31:423 (best linear unbiased predictors).
Hodges & Henn (2014), Biometrics 70:712 (several maxima of the restricted likelihood).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import LinAlgError
from scipy.optimize import brentq
from scipy.sparse import csc_array
from scipy.special import ndtri

from benchmodels.errors import DataError
from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.collinear import apart_within, scaled_cholesky
from benchmodels.kernels.newton import Certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = [
    "LinearInterceptFit", "Method", "UnitStatistics", "fit_linear_intercept", "profile_unit_sd", "scaled_cholesky",
    "unit_statistics",
]  # fmt: skip

Method = Literal["ml", "reml"]

# Part of the information on the unit variance that must survive the columns.
EXPLAINED = 1e-9
# Decrement, in standard errors of the log variance ratio, below which the answer counts as found.
TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class UnitStatistics:
    """All that the Gaussian random intercept needs to know of the rows.

    Parameters
    ----------
    weight : (k,) array
        Total size of each unit.
    center : (p + 1,) array
        Overall means of the p columns and, last, of outcome / size less the offset; own units of measure.
    means : (k, p + 1) array
        Unit means less ``center``; of no meaning for a unit of no weight.
    within : (p + 1, p + 1) array
        Cross-products of cases about their own unit's means.
    cases : float
        Number of cases behind the rows.
    """

    weight: Floats
    center: Floats
    means: Floats
    within: Floats
    cases: float


@dataclass(frozen=True, eq=False)
class LinearInterceptFit:
    """Maximum (restricted) likelihood of a Gaussian random intercept.

    Parameters
    ----------
    slopes : (p,) array; level : float
        Outcome's unit of measure per unit of each column; at columns zero.
    unit_sd, residual_sd : float
        Standard deviation of unit effects, and of a case of size one; outcome's unit of measure.
    boundary : bool
        The maximum lies at ``unit_sd`` = 0, with the likelihood falling from there.
    covariance : (p + 1, p + 1) array
        Of slopes and level, in that order, at the estimated variances.
    log_likelihood, pooled_log_likelihood : float
        Of the cases' outcome / √size, at the maximum and at ``unit_sd`` = 0; restricted under "reml".
    effects, effect_variance : (k,) arrays
        Best linear unbiased predictors, and their variance given slopes and level; prior variance without cases.
    method : {"ml", "reml"}
    maxima : int
        Local maxima met on the grid, the boundary among them.
    certificate : Certificate
    """

    slopes: Floats
    level: float
    unit_sd: float
    residual_sd: float
    boundary: bool
    covariance: Floats
    log_likelihood: float
    pooled_log_likelihood: float
    effects: Floats
    effect_variance: Floats
    method: Method
    maxima: int
    certificate: Certificate


def unit_statistics(
    columns: Floats,
    outcome: Floats,
    size: Floats,
    squares: Floats,
    cases: Floats,
    offset: Floats,
    unit: Codes,
    units: int,
) -> UnitStatistics:
    """Reduce rows to what a Gaussian random intercept needs.

    Parameters
    ----------
    columns : (n, p) array
        Covariates without a column of ones, each in its own unit of measure.
    outcome, size : (n,) arrays
        Totals of the cell, in the outcome's and in the size's unit of measure.
    squares : (n,) array
        Sum over the cell's cases of outcome² / size.
    cases : (n,) array
        How many cases the cell stands for; not counted where the size is zero.
    offset : (n,) array
        Outcome's unit of measure per unit of size.
    unit : (n,) array; units : int
        Unit of each row, 0 … k − 1, in any order (fastest when sorted).

    Raises
    ------
    DataError
        A cell's squares contradict its total, or there is nothing to tell units from cases by: fewer than two units
        with cases, or one case in each.

    Notes
    -----
    Cost n p² / 2 multiplications (BLAS-3), memory of one block. Rows are first shifted by one of them, so that a mean
    of 1e8 standard deviations costs no digits but those the data have lost (``test_mean_far_above_the_spread``).
    """
    number, occupied = float(cases[size > 0].sum()), int(np.sum(group_sums(unit, size, units) > 0))
    if occupied < 2 or number <= occupied:
        found = f"{number:g} cases in {occupied} units"
        raise DataError(f"{found}: a standard deviation between units asks for two units, one of them with two cases")
    value = outcome / np.where(size > 0, size, 1.0)
    inside, rounding = squares - outcome * value, 1e-15 * (1.0 + cases) * squares
    if np.any(inside < -rounding):
        raise DataError("the sum of outcome² / size of a cell is smaller than the square of its total / size")
    weight, center, means = _means(columns, value - offset, size, unit, units)
    within = _within(columns, value - offset, size, unit, means + center)
    within[-1, -1] += inside[inside > rounding].sum()
    return UnitStatistics(weight, center, means, within, number)


def _means(columns: Floats, value: Floats, size: Floats, unit: Codes, units: int) -> tuple[Floats, Floats, Floats]:
    n, p = columns.shape
    weight, first = group_sums(unit, size, units), np.argmax(size)
    sums = np.zeros((units, p + 1))
    sums[:, p] = group_sums(unit, size * (value - value[first]), units)
    for rows in row_blocks(n, p):
        block = columns[rows] - columns[first]
        # One entry a row: the product adds each weighted row to its unit's sum without an array of the block's size.
        entries = (size[rows], unit[rows], np.arange(len(block) + 1))
        sums[:, :p] += csc_array(entries, shape=(units, len(block))) @ block
    means = sums / np.where(weight > 0, weight, 1.0)[:, None]
    center = weight @ means / weight.sum()
    return weight, center + np.r_[columns[first], value[first]], means - center


def _within(columns: Floats, value: Floats, size: Floats, unit: Codes, at: Floats) -> Floats:
    n, p = columns.shape
    within, root = np.zeros((p + 1, p + 1)), np.sqrt(size)
    for rows in row_blocks(n, p):
        block = columns[rows] - np.take(at[:, :p], unit[rows], axis=0)
        block *= root[rows, None]
        rest = root[rows] * (value[rows] - at[unit[rows], p])
        within[:p, :p] += block.T @ block
        within[:p, p] += rest @ block
        within[p, p] += rest @ rest
    within[p, :p] = within[:p, p]
    return within


def _apart(statistics: UnitStatistics) -> tuple[UnitStatistics, Floats]:
    """Return the statistics of columns told apart at every ratio, under the same criterion, and the turn to them.

    The (p + 1, p + 1) turn also has a last row and column, for the outcome or the level, which stays as it is.
    """
    p = len(statistics.center) - 1
    total = statistics.within.diagonal()[:p] + statistics.weight @ statistics.means[:, :p] ** 2
    found = apart_within(statistics.within[:p, :p], total)
    if found is None:
        return statistics, np.eye(p + 1)
    whole = np.eye(p + 1)
    whole[:p, :p], left = found
    within = np.diag(np.r_[left, statistics.within[p, p]])
    within[:p, p] = within[p, :p] = np.where(left > 0, statistics.within[p, :p] @ whole[:p, :p], 0.0)
    turned = replace(statistics, center=statistics.center @ whole, means=statistics.means @ whole, within=within)
    return turned, whole


@dataclass(frozen=True, eq=False)
class _Point:
    """The criterion at one variance ratio, slopes and level profiled out: −2 log L = log_det + rss / σ² + df log 2πσ².

    ``…_step`` are derivatives with respect to the ratio. ``shrunk`` (k,) is d, ``middle`` (p + 1,) the mean of the unit
    means with weights d, ``residual`` (k,) what the columns leave of the unit means, ``root`` (p, p) a matrix with
    root'root = (X'V⁻¹X)⁻¹.
    """

    df: float
    log_det: float
    log_det_step: float
    rss: float
    rss_step: float
    slopes: Floats
    shrunk: Floats
    middle: Floats
    residual: Floats
    root: Floats

    @property
    def deviance(self) -> float:
        """−2 log L with the residual variance profiled out."""
        return float(self.log_det + self.df * (1.0 + np.log(2.0 * np.pi * self.rss / self.df)))

    @property
    def step(self) -> float:
        return self.log_det_step + self.df * self.rss_step / self.rss


def _evaluate(statistics: UnitStatistics, ratio: float, method: Method) -> _Point:
    p, weight = len(statistics.center) - 1, statistics.weight
    shrunk = weight / (1.0 + ratio * weight)
    total = float(shrunk.sum())
    middle = shrunk @ statistics.means / total
    apart = statistics.means - middle
    gram = statistics.within + apart.T @ (shrunk[:, None] * apart)
    lower, scale = scaled_cholesky(gram[:p, :p])
    root = np.asarray(np.linalg.solve(lower, np.diag(scale)), dtype=np.float64)
    image = root @ gram[:p, p]
    slopes = root.T @ image
    residual = apart[:, p] - apart[:, :p] @ slopes
    rss = float(gram[p, p] - image @ image)
    if not rss > 1e-13 * gram[p, p]:
        raise DataError("the columns fit the outcome without error: there is no residual variance to measure units by")
    df, log_det, log_det_step = statistics.cases, float(np.log1p(ratio * weight).sum()), total
    if method == "reml":
        df -= p + 1
        square = shrunk**2
        log_det += np.log(total) + 2.0 * float(np.log(lower.diagonal()).sum() - np.log(scale).sum())
        turned = apart[:, :p] @ root.T
        log_det_step -= float(square.sum()) / total + float(square @ np.einsum("kp,kp->k", turned, turned))
    rss_step = -float(np.sum((shrunk * residual) ** 2))
    return _Point(df, log_det, log_det_step, rss, rss_step, slopes, shrunk, middle, residual, root)


def fit_linear_intercept(statistics: UnitStatistics, *, method: Method = "ml") -> LinearInterceptFit:
    """Fit a Gaussian random intercept by maximum or restricted maximum likelihood.

    Parameters
    ----------
    statistics : UnitStatistics
    method : {"ml", "reml"}
        The restricted likelihood is that of the columns as they are, as in lme4: it depends on their scale by a
        constant.

    Returns
    -------
    LinearInterceptFit
        Not converged: ``certificate.converged`` is False and the caller raises.

    Raises
    ------
    DataError
        No standard deviation between units can be learned: the columns explain all units or all cases, the outcome
        does not vary within units, or there are no more cases than coefficients. Or the columns are collinear;
        within units only they may be.

    Notes
    -----
    The derivative of the criterion is bracketed on a grid of two points a decade of the ratio and its roots are found
    to rounding; of several maxima the highest is returned. Two maxima closer than the grid are taken for one.
    Agrees with lme4 to 1e-7 (``test_lme4_on_exam``) and with dense matrices to 1e-9 (``test_dense``).
    """
    p, weight = len(statistics.center) - 1, statistics.weight
    if statistics.cases <= p + 1:
        raise DataError(f"{statistics.cases:g} cases for {p + 1} coefficients: nothing is left for a residual variance")
    try:
        if _evaluate(statistics, 0.0, "reml").log_det_step <= EXPLAINED * weight.sum():
            raise DataError("the columns tell every unit from the others: nothing is left for a unit's own level")
        turned, turn = _apart(statistics)
        fit = _highest(turned, method)
    except LinAlgError as error:
        raise DataError("a column does not vary, or follows from the others up to rounding: leave it out") from error
    return replace(fit, slopes=turn[:p, :p] @ fit.slopes, covariance=turn @ fit.covariance @ turn.T)


def _highest(statistics: UnitStatistics, method: Method) -> LinearInterceptFit:
    most, least = statistics.weight.max(), statistics.weight[statistics.weight > 0].min()
    decades = 10.0 + np.log10(most / least)
    ratios = np.r_[0.0, np.geomspace(1e-4 / most, 1e6 / least, int(2 * decades) + 1), np.logspace(8, 16, 5) / least]
    # log(1 + λ W) is linear in λ near the boundary and logarithmic far from it.
    ends = np.log1p(most * ratios)

    def slope(t: float) -> float:
        return float(_evaluate(statistics, np.expm1(t) / most, method).step * np.exp(t) / (2.0 * most))

    slopes = np.array([slope(t) for t in ends])
    if slopes[-1] < 0:
        raise DataError("the outcome hardly varies within units: there is no residual variance to measure units by")
    found = [0.0] if slopes[0] >= 0 else []
    for i in np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0)):
        found.append(float(brentq(slope, ends[i], ends[i + 1], xtol=1e-15, rtol=1e-14)))
    points = [_evaluate(statistics, np.expm1(t) / most, method) for t in found]
    best = int(np.argmin([point.deviance for point in points]))
    certificate = _certify(slope, found[best], len(ratios))
    return _report(statistics, points[best], float(np.expm1(found[best]) / most), method, len(found), certificate)


def _certify(slope: Callable[[float], float], at: float, passes: int) -> Certificate:
    """Measure the Newton step that is left; at the boundary the fall of the likelihood has been seen already."""
    if at == 0:
        return Certificate(True, passes, "newton decrement", 0.0, ())
    curvature = 1e4 * (slope(at + 1e-4) - slope(at))
    value = abs(slope(at)) / np.sqrt(curvature) if curvature > 0 else np.inf
    return Certificate(bool(value <= TOLERANCE), passes, "newton decrement", float(value), (float(value),))


def _report(
    statistics: UnitStatistics, point: _Point, ratio: float, method: Method, maxima: int, certificate: Certificate
) -> LinearInterceptFit:
    p = len(point.slopes)
    variance = point.rss / point.df
    at = statistics.center + point.middle
    covariance = np.empty((p + 1, p + 1))
    covariance[:p, :p] = point.root.T @ point.root
    covariance[p, :p] = covariance[:p, p] = -covariance[:p, :p] @ at[:p]
    covariance[p, p] = 1.0 / point.shrunk.sum() + np.sum((point.root @ at[:p]) ** 2)
    return LinearInterceptFit(
        slopes=point.slopes,
        level=float(at[p] - at[:p] @ point.slopes),
        unit_sd=float(np.sqrt(ratio * variance)),
        residual_sd=float(np.sqrt(variance)),
        boundary=bool(ratio == 0),
        covariance=variance * covariance,
        log_likelihood=-0.5 * point.deviance,
        pooled_log_likelihood=-0.5 * _evaluate(statistics, 0.0, method).deviance,
        effects=ratio * point.shrunk * point.residual,
        effect_variance=variance * ratio / (1.0 + ratio * statistics.weight),
        method=method,
        maxima=maxima,
        certificate=certificate,
    )


def profile_unit_sd(
    statistics: UnitStatistics, fit: LinearInterceptFit, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the profile-likelihood interval of the standard deviation between units.

    Parameters
    ----------
    statistics : UnitStatistics; fit : LinearInterceptFit
        The fit's criterion, restricted or not, is the one profiled; every other parameter is maximised over.
    confidence : float
        Between 0 and 1; the criterion may fall by half the χ²₁ quantile.

    Returns
    -------
    lower, upper : float
        Outcome's unit of measure; ``lower`` is 0 where the criterion does not fall so far on the way there.

    Notes
    -----
    At each end a root in the residual variance inside a root in unit_sd, some hundred evaluations of k p².
    """
    statistics = _apart(statistics)[0]
    target = -2.0 * fit.log_likelihood + float(ndtri(0.5 + 0.5 * confidence)) ** 2
    residual = 2.0 * np.log(fit.residual_sd)

    def excess(log_square: float) -> float:
        square = float(np.exp(log_square))

        def step(s: float) -> float:
            inverse = float(np.exp(-s))
            point = _evaluate(statistics, square * inverse, fit.method)
            by_ratio = point.log_det_step + point.rss_step * inverse
            return point.df - point.rss * inverse - square * inverse * by_ratio

        # The criterion is flat in s here, so half the digits will do.
        s = _root(step, residual, 0.01 if step(residual) < 0 else -0.01, tolerance=1e-9)
        point = _evaluate(statistics, square * float(np.exp(-s)), fit.method)
        return float(point.log_det + point.rss * np.exp(-s) + point.df * (np.log(2.0 * np.pi) + s) - target)

    start = 2.0 * np.log(fit.unit_sd) if not fit.boundary else residual - np.log(statistics.weight.sum())
    upper = float(np.exp(0.5 * _root(excess, start, 1.0, tolerance=1e-12)))
    if -2.0 * fit.pooled_log_likelihood <= target:
        return 0.0, upper
    return float(np.exp(0.5 * _root(excess, start, -1.0, tolerance=1e-12))), upper


def _root(function: Callable[[float], float], start: float, width: float, *, tolerance: float) -> float:
    """Return the first root met on the way from ``start`` by steps that double, the first of them ``width``."""
    below = function(start) < 0
    near, far = start, start + width
    while (function(far) < 0) == below:
        width *= 2.0
        near, far = far, far + width
    return float(brentq(function, min(near, far), max(near, far), xtol=tolerance, rtol=1e-14))
