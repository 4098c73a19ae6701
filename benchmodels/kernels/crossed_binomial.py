"""Logit and Poisson models with two random intercepts, crossed or nested, by Laplace's approximation.

For a row of size m, outcome ~ Binomial(m, expit η) or Poisson(m exp η), with η = level + x'slopes + offset + a_i + b_j.
Given slopes, level and two standard deviations, the effects' mode û (in standard deviations) is found by Newton's
method on the block-arrow system of ``crossed_linear``, and

    log L ≈ ℓ(η̂) − û'û / 2 − log |I + Λ'Z'WZΛ| / 2.

Its gradient is exact: û moves with the parameters, and W with û, which takes the third derivative of ℓ. (To treat û as
one more parameter, or W as fixed, is another estimator, or a gradient of nothing.)

References
----------
Tierney & Kadane (1986), J. American Statistical Association 81:82. Breslow & Lin (1995), Biometrika 82:81 (its bias).
Kristensen, Nielsen, Berg, Skaug & Bell (2016), J. Statistical Software 70(5): section 2 (gradient through the mode).
Bates, Mächler, Bolker & Walker (2015), J. Statistical Software 67(1) (notation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import LinAlgError
from scipy.sparse import csc_array
from scipy.special import gammaln

from benchmodels.errors import DataError
from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.crossed_linear import Eliminated, Pairs, eliminate, pairs
from benchmodels.kernels.linear_intercept import scaled_cholesky
from benchmodels.kernels.newton import Certificate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Pair = tuple[Floats, Floats]

__all__ = ["CrossedCountsFit", "fit_crossed_counts"]

Counts = Literal["binomial", "poisson"]

# Decrement, in standard errors, below which the answer counts as found.
TOLERANCE = 1e-6
# A standard deviation this much smaller than its own standard error is zero: the likelihood rises all the way there.
NOTHING = 1e-3
# Part of the information at slopes zero that must be left in every direction: less, and an estimate runs to infinity.
KEPT = 1e-6
CRITERION = "newton decrement"


@dataclass(frozen=True, eq=False)
class CrossedCountsFit:
    """Maximum of Laplace's approximation to the likelihood of two random intercepts; pairs are in the caller's order.

    Parameters
    ----------
    slopes : (p,) array; level : float
        On the link scale per unit of each column; at columns zero.
    factor_sd : (2,) array
        Standard deviation of the effects of each factor, on the link scale.
    boundary : (2,) array of bool
        The maximum lies at a standard deviation of zero.
    covariance : (p + 1, p + 1) array
        Of slopes and level, in that order, with the standard deviations estimated: from the inverse Hessian of all.
    log_likelihood : float
        Of the rows' outcomes, constants included.
    effects, effect_variance : pairs of arrays; certificate : Certificate
        Modes of the effects, and their variance given all other estimates.
    """

    slopes: Floats
    level: float
    factor_sd: Floats
    boundary: NDArray[np.bool_]
    covariance: Floats
    log_likelihood: float
    effects: Pair
    effect_variance: Pair
    certificate: Certificate


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows with a size; ``met`` numbers their pairs of levels, the larger factor first. Effects stand as (k₀ + k₁,)."""

    family: Counts
    columns: Floats
    outcome: Floats
    size: Floats
    offset: Floats
    met: Pairs

    def mean(self, eta: Floats) -> Floats:
        """Return the (n,) means of the outcomes; infinite or not a number where η is out of range."""
        with np.errstate(over="ignore"):
            each = np.exp(eta) if self.family == "poisson" else 0.5 + 0.5 * np.tanh(0.5 * eta)
        return np.asarray(self.size * each)

    def bends(self, mean: Floats) -> Pair:
        """Return the first and the second derivative of the means in η."""
        if self.family == "poisson":
            return mean, mean
        share = mean / self.size
        weight = mean * (1.0 - share)
        return weight, weight * (1.0 - 2.0 * share)

    def log_likelihood(self, eta: Floats) -> float:
        """Return the log-likelihood at η (n,), without its constant."""
        each = np.exp(eta) if self.family == "poisson" else np.maximum(eta, 0.0) + np.log1p(np.exp(-np.abs(eta)))
        return float(self.outcome @ eta - self.size @ each)

    def constant(self) -> float:
        y, m = self.outcome, self.size
        if self.family == "poisson":
            return float(y @ np.log(m) - np.sum(gammaln(y + 1.0)))
        return float(np.sum(gammaln(m + 1.0) - gammaln(y + 1.0) - gammaln(m - y + 1.0)))

    def by_pair(self, values: Floats) -> Floats:
        """Return (c,) sums of (n,) values."""
        return group_sums(self.met.cell, values, len(self.met.first))

    def by_level(self, totals: Floats) -> Floats:
        """Return (k₀ + k₁,) sums of (c,) totals of pairs."""
        places = (self.met.first, self.met.second)
        return np.concatenate([group_sums(at, totals, k) for at, k in zip(places, self.met.levels, strict=True)])

    def spread(self, effects: Floats) -> Floats:
        """Return the (n,) sums of both factors' effects."""
        each = effects[self.met.first] + effects[self.met.levels[0] + self.met.second]
        return np.asarray(each[self.met.cell])


@dataclass(frozen=True, eq=False)
class _Mode:
    """Where ℓ − û'û / 2 is highest: û = √λ a with ``scores`` a = Z'(outcome − mean), so that the effects are λ a.

    ``cells`` (c,) are the working weights of pairs of levels and ``table`` the same as a (k₀, k₁) array; ``found`` is
    I + Λ'Z'WZΛ with the larger factor eliminated. ``half`` is û'û / 2.
    """

    half: float
    scores: Floats
    eta: Floats
    mean: Floats
    cells: Floats
    table: Floats
    found: Eliminated

    def solve(self, ratios: Floats, right: Floats) -> Floats:
        """Return m (k₀ + k₁, q) with (I + Z'WZΛ²) m = right: Λ² m is the effects' covariance times right."""
        shrink, k = self.found.shrink[:, None], len(self.found.shrink)
        second = self.found.solve(right[k:] - ratios[0] * (self.table.T @ (shrink * right[:k])))
        return np.vstack([shrink * (right[:k] - ratios[1] * (self.table @ second)), second])


def _weigh(rows: _Rows, ratios: Floats, half: float, scores: Floats, eta: Floats, mean: Floats) -> _Mode:
    cells = rows.by_pair(rows.bends(mean)[0])
    weights, table, k = rows.by_level(cells), rows.met.table(cells), rows.met.levels[0]
    found = eliminate((weights[:k], weights[k:]), table, ratios, nested=rows.met.nested)
    return _Mode(half, scores, eta, mean, cells, table, found)


def _mode(rows: _Rows, fixed: Floats, ratios: Floats, effects: Floats, *, iterations: int = 60) -> _Mode:
    """Find the effects' mode by Newton's method from a guess, a step halved while it overshoots by more than half.

    Raises LinAlgError where it is not found.
    """
    prior = np.repeat(ratios, rows.met.levels)

    def at(pulls: Floats) -> tuple[Floats, Floats, Floats]:
        eta = fixed + rows.spread(prior * pulls)
        mean = rows.mean(eta)
        return rows.by_level(rows.by_pair(rows.outcome - mean)), eta, mean

    pulls = np.where(prior > 0, effects / np.where(prior > 0, prior, 1.0), 0.0)
    scores, eta, mean = at(pulls)
    for _ in range(iterations):
        if not np.isfinite(scores).all():
            break
        found, left = _weigh(rows, ratios, 0.5 * float(prior @ pulls**2), scores, eta, mean), scores - pulls
        move = found.solve(ratios, left[:, None])[:, 0]
        rise = float((prior * left) @ move)
        # The second term is what rounding of the sums leaves. A factor without variance has scores all the same.
        if rise <= 1e-18 + 1e-24 * float(found.cells.sum()):
            return found
        part, ahead = 2.0, -np.inf
        while not ahead >= -0.5 * rise and part > 1e-9:
            part *= 0.5
            scores, eta, mean = at(pulls + part * move)
            with np.errstate(invalid="ignore"):
                ahead = float((prior * (scores - pulls - part * move)) @ move)
        pulls = pulls + part * move
    raise LinAlgError("no mode of the effects was found")


def _across(rows: _Rows, at: _Mode) -> Floats:
    """Return N S⁻¹ at the (c,) pairs of levels that occur, N the table of working weights."""
    first, second, inverse = rows.met.first, rows.met.second, at.found.inverse
    if inverse.ndim == 1:
        return np.asarray(at.cells * inverse[second])
    result = np.empty(len(first))
    for part in row_blocks(*rows.met.levels):
        cells = slice(*np.searchsorted(first, [part.start, part.stop]))
        result[cells] = (at.table[part] @ inverse)[first[cells] - part.start, second[cells]]
    return result


@dataclass(frozen=True, eq=False)
class _Value:
    """Laplace's log L, its derivatives in (slopes, level) and in both variances λ, the mode, and effects' variances."""

    value: float
    slope: Floats
    ratio_slope: Floats
    effects: Floats
    variances: Floats


def _laplace(rows: _Rows, beta: Floats, ratios: Floats, effects: Floats) -> _Value:
    """Evaluate the approximation and its exact gradient at β = (slopes, level) and λ, from a guess of the mode.

    With C = Λ²(I + Z'WZΛ²)⁻¹ the effects' covariance and g = −½ W' diag ZCZ', the log-determinant's share moves with η̂
    by g. Let (I + Z'WZΛ²) m = Z'g. The derivative in β is X'(outcome − mean + g − W ZΛ²m), and that in λ of a factor is
    ½ (a'a − tr Z'V⁻¹Z) + m'a: what û adds has collapsed into m, as û = √λ a.
    """
    p, (k, _) = rows.columns.shape[1], rows.met.levels
    at = _mode(rows, rows.columns @ beta[:p] + (rows.offset + beta[p]), ratios, effects)
    first, second, found, cross = rows.met.first, rows.met.second, at.found, _across(rows, at)
    leverage = group_sums(first, at.cells * cross, k)
    diagonal = found.inverse if found.inverse.ndim == 1 else found.inverse.diagonal()
    own = ratios[0] * found.shrink * (1.0 + ratios[0] * ratios[1] * found.shrink * leverage)
    variances = np.r_[own, ratios[1] * diagonal]
    spread = own[first] + variances[k + second] - 2.0 * ratios[0] * ratios[1] * found.shrink[first] * cross
    weight, bend = rows.bends(at.mean)
    pull = -0.5 * bend * spread[rows.met.cell]
    m = at.solve(ratios, rows.by_level(rows.by_pair(pull))[:, None])[:, 0]
    adjusted = rows.outcome - at.mean + pull - weight * rows.spread(np.repeat(ratios, rows.met.levels) * m)
    trace = found.shrink @ group_sums(first, at.cells, k) - ratios[1] * float(found.shrink**2 @ leverage)
    traces = np.array([trace, np.sum(found.inverse * found.information)])
    a = at.scores
    squares, shares = (np.array([v[:k] @ a[:k], v[k:] @ a[k:]]) for v in (a, m))
    value = rows.log_likelihood(at.eta) - at.half - 0.5 * found.log_det
    slope = np.r_[adjusted @ rows.columns, adjusted.sum()]
    return _Value(value, slope, 0.5 * (squares - traces) + shares, np.repeat(ratios, rows.met.levels) * a, variances)


def _information(rows: _Rows, weight: Floats) -> tuple[Floats, Floats]:
    """Return the (p + 1, p + 1) matrix X'WX and the (k₀ + k₁, p + 1) Z'WX, ones as the last column."""
    n, p = rows.columns.shape
    gram, sums, root = np.zeros((p + 1, p + 1)), np.zeros((sum(rows.met.levels), p + 1)), np.sqrt(weight)
    for part in row_blocks(n, p + 1):
        block = np.column_stack([rows.columns[part], np.ones(part.stop - part.start)]) * root[part, None]
        gram += block.T @ block
    for place in (rows.met.first, rows.met.levels[0] + rows.met.second):
        entries = weight, place[rows.met.cell], np.arange(n + 1)
        sums[:, :p] += csc_array(entries, shape=(len(sums), n)) @ rows.columns
    sums[:, p] = rows.by_level(rows.by_pair(weight))
    return gram, sums


class _Objective:
    """−log L in coordinates whose unit is about a standard error: slopes and level turned, then both deviations.

    The scale is that of the information at slopes zero and the overall level, so that the first step is one of Fisher's
    scoring. The approximation is even in a standard deviation: zero is an ordinary point of it and needs no bound.
    """

    def __init__(self, rows: _Rows) -> None:
        self.rows, self.effects, self.evaluations = rows, np.zeros(sum(rows.met.levels)), 0
        rate, k = rows.outcome.sum() / rows.size.sum(), rows.met.levels[0]
        level = np.log(rate) - (np.log1p(-rate) if rows.family == "binomial" else 0.0)
        self.origin = np.r_[np.zeros(rows.columns.shape[1]), level]
        mean = rows.mean(rows.offset + level)
        gram, sums = _information(rows, rows.bends(mean)[0])
        scores = rows.by_level(rows.by_pair(rows.outcome - mean))
        parts = [(scores[part], sums[part, -1]) for part in (slice(k), slice(k, None))]
        # Moments: E a² = w + λ w²; at least a tenth of what a mean level's own noise is.
        ratios = np.array([max((a @ a - w.sum()) / (w @ w), 0.1 * np.sum(w > 0) / w.sum()) for a, w in parts])
        at = _weigh(rows, ratios, 0.0, scores, mean, mean)
        gram -= sums.T @ (np.repeat(ratios, rows.met.levels)[:, None] * at.solve(ratios, sums))
        lower, scale = scaled_cholesky(gram)
        self.root = np.linalg.solve(lower, np.diag(scale))
        spread = [w / (1.0 + ratio * w) for ratio, (_, w) in zip(ratios, parts, strict=True)]
        self.scale = np.sqrt(2.0 * ratios * [w @ w for w in spread])
        self.start = np.r_[np.zeros(len(self.origin)), np.sqrt(ratios) * self.scale]

    def parameters(self, z: Floats) -> Pair:
        """Return (slopes, level), and both standard deviations up to their sign."""
        p1 = len(self.origin)
        return self.origin + self.root.T @ z[:p1], z[p1:] / self.scale

    def at(self, z: Floats) -> tuple[float, Floats]:
        """Return value and gradient; an infinite value where there is no mode."""
        self.evaluations += 1
        beta, sd = self.parameters(z)
        try:
            found = _laplace(self.rows, beta, sd**2, self.effects)
        except LinAlgError:
            self.effects = np.zeros(len(self.effects))
            return np.inf, np.full(len(z), np.nan)
        self.effects = found.effects
        return -found.value, -np.r_[self.root @ found.slope, 2.0 * sd * found.ratio_slope / self.scale]

    def descend(self, z: Floats, *, iterations: int = 200) -> Floats:
        """Quasi-Newton (BFGS) until the decrement is about a ten-thousandth."""
        inverse = np.eye(len(z))
        value, gradient = self.at(z)
        for _ in range(iterations):
            move = -inverse @ gradient
            fall = float(gradient @ move)
            if not fall < -1e-8:
                break
            part, ahead = 1.0, self.at(z + move)
            while not ahead[0] <= value + 1e-4 * part * fall and part > 1e-9:
                part *= 0.5
                ahead = self.at(z + part * move)
            step, change = part * move, ahead[1] - gradient
            z, value, gradient = z + step, *ahead
            if change @ step > 1e-12:
                turn = np.eye(len(z)) - np.outer(step, change) / (change @ step)
                inverse = turn @ inverse @ turn.T + np.outer(step, step) / (change @ step)
        return z

    def polish(self, z: Floats, *, h: float = 1e-3) -> tuple[Floats, Floats, Certificate]:
        """Newton steps with one Hessian, of central differences of the exact gradient; its inverse comes along.

        A deviation that is nothing by its own standard error becomes zero.
        """
        columns = [(self.at(z + h * unit)[1] - self.at(z - h * unit)[1]) / (2.0 * h) for unit in np.eye(len(z))]
        curvature = 0.5 * (np.array(columns) + np.array(columns).T)
        if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature)[0] <= KEPT:
            return z, np.full_like(curvature, np.nan), Certificate(False, self.evaluations, CRITERION, np.inf, ())
        inverse, path, deviation = np.asarray(np.linalg.inv(curvature)), [], np.arange(len(z)) >= len(self.origin)
        for _ in range(20):
            z = np.where(deviation & (np.abs(z) * np.sqrt(curvature.diagonal()) < NOTHING), 0.0, z)
            gradient = self.at(z)[1]
            path.append(float(np.sqrt(gradient @ inverse @ gradient)))
            if not path[-1] > TOLERANCE:
                break
            z = z - inverse @ gradient
        return z, inverse, Certificate(path[-1] <= TOLERANCE, self.evaluations, CRITERION, path[-1], tuple(path))


def fit_crossed_counts(
    family: Counts,
    columns: Floats,
    outcome: Floats,
    size: Floats,
    offset: Floats,
    factors: tuple[Codes, Codes],
    levels: tuple[int, int],
) -> CrossedCountsFit:
    """Fit a logit or Poisson model with two random intercepts by Laplace's approximation.

    Parameters
    ----------
    family : {"binomial", "poisson"}
        With logit and log link.
    columns : (n, p) array
        Covariates without a column of ones, in a well-conditioned basis.
    outcome, size : (n,) arrays
        Successes and trials, or events and exposure; rows of size zero do not count.
    offset : (n,) array
        On the link scale.
    factors : two (n,) arrays; levels : two int
        Level of each row, 0 … levels − 1, and how many there are.

    Returns
    -------
    CrossedCountsFit
        Not converged: ``certificate.converged`` is False and the caller raises.

    Raises
    ------
    DataError
        No events or nothing but events, fewer than two levels with a size, factors that cut the rows in the same way.
    LinAlgError
        The columns are collinear, or no mode of the effects was found.

    Notes
    -----
    Laplace's approximation is biased where levels hold little information (a few binary rows each: standard deviations
    come out too low, and slopes towards zero); for one intercept adaptive quadrature has no such bias. An evaluation
    costs three or four passes of n for the mode, two of n p, and k₁³ for the smaller factor when crossed; it takes some
    p + 20 of them to the maximum and 2 p + 6 for the Hessian. The gradient agrees with differences to 1e-7
    (``test_the_gradient_of_laplace``), the maximum with lme4 (``test_lme4_with_a_factor_that_makes_no_difference``).
    """
    swapped = levels[1] > levels[0]
    there = size > 0
    larger, smaller = (codes[there] for codes in (factors[::-1] if swapped else factors))
    met = pairs(larger, smaller, levels[::-1] if swapped else levels)
    rows = _Rows(family, columns[there], outcome[there], size[there], offset[there], met)
    occupied = len(np.unique(met.first)), len(np.unique(met.second))
    if occupied[1] < 2:
        raise DataError(f"a factor has {occupied[1]} level(s) with cases; its standard deviation asks for two")
    if met.nested and occupied[0] == occupied[1]:
        raise DataError("both factors cut the cases in the same way: their standard deviations cannot be told apart")
    if rows.outcome.sum() <= 0 or (family == "binomial" and np.all(rows.outcome >= rows.size)):
        raise DataError("there are no events, or nothing but events: no level can be estimated")
    objective = _Objective(rows)
    z, inverse, certificate = objective.polish(objective.descend(objective.start))
    beta, sd = objective.parameters(z)
    found = _laplace(rows, beta, sd**2, objective.effects)
    p, k, root, order = columns.shape[1], met.levels[0], objective.root, slice(None, None, -1 if swapped else 1)
    pair = [(found.effects[part], found.variances[part]) for part in (slice(k), slice(k, None))][order]
    return CrossedCountsFit(
        slopes=beta[:p],
        level=float(beta[p]),
        factor_sd=np.abs(sd)[order],
        boundary=(sd == 0)[order],
        covariance=root.T @ inverse[: p + 1, : p + 1] @ root,
        log_likelihood=found.value + rows.constant(),
        effects=(pair[0][0], pair[1][0]),
        effect_variance=(pair[0][1], pair[1][1]),
        certificate=certificate,
    )
