"""Maximum-likelihood random-intercept GLM: Newton's method on adaptive Gauss–Hermite quadrature.

Unit i's rows have linear predictor η_ij = level + x_ij'slopes + offset_ij + u_i with u_i ~ N(0, unit_sd²). The
parameters are (slopes, level, log unit_sd); the pooled model, unit_sd = 0, is fitted first and kept where the
likelihood does not rise from there.

References
----------
Louis (1982), JRSS-B 44:226, equations 3.1 and 3.2; Pinheiro & Bates (1995), JCGS 4:12;
Self & Liang (1987), JASA 82:605, case 5 (a variance on the boundary); DerSimonian & Laird (1986), Controlled Clinical
Trials 7:177 (moment start).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError
from scipy.special import chdtrc, chdtri

from benchmodels.errors import ConvergenceError
from benchmodels.kernels.arrow import solve_scaled
from benchmodels.kernels.climb import LARGEST_SD, Summit, climb, with_exact_information
from benchmodels.kernels.newton import Certificate
from benchmodels.kernels.quadrature import Derivatives, UnitRows, differentiate, place, unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["RandomInterceptFit", "fit_random_intercept", "log_likelihood", "mixed_chi2_p", "profile_unit_sd"]


@dataclass(frozen=True, eq=False)
class RandomInterceptFit:
    """Maximum-likelihood fit; p slopes, k units.

    Parameters
    ----------
    slopes : (p,) array
        Link scale per unit of each column.
    level : float
        Link scale, of a unit whose random intercept is zero.
    unit_sd : float
        Standard deviation of the random intercepts, link scale; zero at the boundary.
    boundary : bool
        The likelihood is largest at ``unit_sd`` zero: the pooled model.
    modes, mode_variance : (k,) arrays
        Conditional mode of each random intercept and inverse curvature there; link scale and its square.
    posterior_mean, posterior_sd : (k,) arrays
        Link scale, parameters taken as known. A unit without rows has the prior's.
    log_likelihood, pooled_log_likelihood : float
        Nats, without binomial coefficients and log(m^y / y!); their difference is free of such constants.
    quadrature_error : float
        How far the estimates would move, in standard errors, were the nodes held in place as they change; zero for
        exact integrals, and mostly above the true error. More nodes lower it.
    information : (p + 2, p + 2) array
        Of (slopes, level, log unit_sd); (p + 1, p + 1) at the boundary.
    unit_scores : (k, p + 2) array
        Each unit's part of the score, in the same order; (k, p + 1) at the boundary.
    certificate : Certificate
    """

    slopes: Floats
    level: float
    unit_sd: float
    boundary: bool
    modes: Floats
    mode_variance: Floats
    posterior_mean: Floats
    posterior_sd: Floats
    log_likelihood: float
    pooled_log_likelihood: float
    quadrature_error: float
    information: Floats
    unit_scores: Floats
    certificate: Certificate


def fit_random_intercept(
    columns: Floats,
    outcome: Floats,
    size: Floats,
    offset: Floats,
    unit: Codes,
    units: int,
    *,
    family: str,
    link: str,
    nodes: int = 9,
    start: RandomInterceptFit | tuple[Floats, float, float] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 60,
) -> RandomInterceptFit:
    """Fit slopes, level and the standard deviation of the units' random intercepts by maximum likelihood.

    Parameters
    ----------
    columns : (n, p) array
        Rows sorted by unit, no column of ones, in a well-conditioned basis.
    outcome, size : (n,) arrays
        Successes and trials, or events and exposure. A row of size zero counts for nothing.
    offset : (n,) array
        Link scale.
    unit : (n,) array; units : int
        Unit of each row, non-decreasing, and how many units there are, k.
    family, link : str
        Binomial with logit, probit or cloglog; Poisson with log.
    nodes : int
        Of the quadrature; odd, at least 5.
    start : RandomInterceptFit or (slopes, level, unit_sd), optional
        The answer for nearly the same rows.
    tolerance : float
        Stop when the Newton decrement is at most this many standard errors.
    max_iterations : int
        Newton steps, each of the pooled and the full model.

    Returns
    -------
    RandomInterceptFit
        Not converged, as where a slope or the standard deviation runs off to infinity: ``certificate.converged`` is
        False and the caller raises.

    Raises
    ------
    SpecificationError
        No such family and link.
    ValueError
        Even or too few nodes.

    Notes
    -----
    Maximises the quadrature's own log-likelihood, so any number of nodes gives a consistent answer
    (``test_agrees_with_lme4``). Units with no events, or nothing but events, are kept. A step on which the
    log-likelihood falls is halved. A variance whose score at zero is not above ``tolerance`` standard errors, and
    beyond which no higher place is met, is zero. ``quadrature_error`` says whether the nodes are enough: below 1e-5
    for unit standard deviations to .5, while at 2 and more with few events a unit nine nodes may leave a tenth of a
    standard error (``test_wide_skew_posteriors_converge_and_say_how_far_off_they_are``). Where Newton is slow for that
    reason the information is the derivative of the score by differences. Cost of a step n p² + n p Q and some 20 n Q
    for the likelihoods; memory some vectors of n and a block.
    """
    if nodes < 5 or nodes % 2 == 0:
        raise ValueError(f"nodes must be odd and at least 5, not {nodes}")
    rows = unit_rows(columns, outcome, size, offset, unit, family, link)
    if isinstance(start, RandomInterceptFit):
        start = (start.slopes, start.level, start.unit_sd)
    pooled = _pooled(rows, start, tolerance, max_iterations)
    value = pooled.at.value
    if not pooled.certificate.converged:
        return _result(pooled, value, unit, units)
    unit_sd = _starting_sd(rows, pooled, nodes, tolerance)
    if unit_sd == 0:
        return _result(pooled, value, unit, units)
    slopes, level = pooled.at.slopes, pooled.at.level
    if start is not None and start[2] > 0:
        slopes, level, unit_sd = start
    at = place(rows, slopes, level, unit_sd, nodes, np.zeros(len(rows.starts)))
    summit = climb(rows, at, tolerance=tolerance, max_iterations=max_iterations)
    if summit.slow and summit.certificate.converged:
        summit = with_exact_information(rows, summit)
    return _result(summit, value, unit, units)


def log_likelihood(
    columns: Floats,
    outcome: Floats,
    size: Floats,
    offset: Floats,
    unit: Codes,
    units: int,
    slopes: Floats,
    level: float,
    unit_sd: float,
    *,
    family: str,
    link: str,
    nodes: int,
) -> float:
    """Return the marginal log-likelihood at given parameters, in nats without constants of the data.

    Parameters are those of :func:`fit_random_intercept`; ``nodes`` is any number from one (Laplace) on, and
    ``unit_sd`` zero is the pooled model.

    Raises
    ------
    ConvergenceError
        The value is not finite, or a mode was not found.
    """
    rows = unit_rows(columns, outcome, size, offset, unit, family, link)
    value = place(rows, slopes, level, unit_sd, nodes, np.zeros(len(rows.starts))).value
    if not np.isfinite(value):
        raise ConvergenceError("the marginal log-likelihood is not finite at these parameters")
    return value


def mixed_chi2_p(statistic: float) -> float:
    """Return the p value of twice a log-likelihood ratio for ``unit_sd`` zero: half χ²(0), half χ²(1).

    References
    ----------
    Self & Liang (1987), JASA 82:605, case 5.
    """
    return 0.5 * float(chdtrc(1.0, statistic)) if statistic > 0 else 1.0


def profile_unit_sd(
    columns: Floats,
    outcome: Floats,
    size: Floats,
    offset: Floats,
    unit: Codes,
    units: int,
    *,
    family: str,
    link: str,
    nodes: int = 9,
    fit: RandomInterceptFit,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the profile-likelihood interval of the unit standard deviation, on the link scale.

    Parameters
    ----------
    columns, outcome, size, offset, unit, units, family, link, nodes
        As given to :func:`fit_random_intercept`.
    fit : RandomInterceptFit
        Its answer, converged; at the boundary too.
    confidence : float
        Of χ²(1), between 0 and 1.

    Returns
    -------
    lower, upper : float
        ``lower`` is zero where even the pooled model is not far enough below; ``upper`` is infinite where the
        likelihood never falls enough.

    Raises
    ------
    ConvergenceError
        Slopes and level were not found at a given standard deviation.

    Notes
    -----
    Slopes and level are refitted at each standard deviation, from those found before. Limits to 1e-6 of themselves
    (``test_profile_limits_have_the_stated_drop``).
    """
    # Loaded here: the package's import stays light.
    from scipy.optimize import brentq

    rows = unit_rows(columns, outcome, size, offset, unit, family, link)
    far = float(np.sqrt(chdtri(1.0, 1.0 - confidence)))
    at = place(rows, fit.slopes, fit.level, fit.unit_sd, nodes, np.zeros(len(rows.starts)))

    def excess(unit_sd: float) -> float:
        """Return the signed root of twice the fall of the profile, less that of the limit."""
        nonlocal at
        value = fit.pooled_log_likelihood
        if unit_sd > 0:
            start = place(rows, at.slopes, at.level, unit_sd, nodes, at.modes)
            summit = climb(rows, start, tolerance=1e-5, max_iterations=60, fixed_sd=True)
            if not summit.certificate.converged:
                raise ConvergenceError(f"slopes and level were not found at a unit standard deviation of {unit_sd:.4g}")
            at, value = summit.at, summit.at.value
        return float(np.sqrt(2.0 * max(fit.log_likelihood - value, 0.0))) - far

    # Wald limits are where the search for brackets begins; at the boundary, the standard error at zero.
    lower = 0.0
    if fit.boundary:
        step = far * _width(differentiate(rows, at))
    else:
        precision = np.linalg.inv(fit.information)[-1, -1]
        step = far * fit.unit_sd * float(np.sqrt(precision))
        if excess(0.0) > 0:
            lower = float(brentq(excess, 0.0, fit.unit_sd, xtol=1e-300, rtol=1e-6))
    near, upper = fit.unit_sd, fit.unit_sd + step
    while excess(upper) < 0:
        near, step = upper, 2.0 * step
        upper = near + step
        if upper > LARGEST_SD:
            return lower, float("inf")
    return lower, float(brentq(excess, near, upper, xtol=1e-300, rtol=1e-6))


def _overall_level(rows: UnitRows) -> float:
    """Return the level at the overall mean, slopes zero; zero where there are no events, or nothing but events."""
    size = max(float(rows.size.sum()), np.finfo(float).tiny)
    with np.errstate(divide="ignore"):
        level = float(rows.likelihood.link(np.asarray(rows.outcome.sum() / size)))
    return level - float(rows.size @ rows.offset) / size if np.isfinite(level) else 0.0


def _pooled(rows: UnitRows, start: tuple[Floats, float, float] | None, tolerance: float, max_iterations: int) -> Summit:
    """Fit the model without random intercepts."""
    n, p = rows.columns.shape
    slopes, level = np.zeros(p), _overall_level(rows)
    if start is not None:
        slopes, level = start[:2]
    elif n > 200_000:
        some = _pooled(rows.take(slice(None, None, 25)), None, 1e-3, max_iterations)
        if some.certificate.converged:
            slopes, level = some.at.slopes, some.at.level
    at = place(rows, slopes, level, 0.0, 1, np.zeros(len(rows.starts)))
    return climb(rows, at, tolerance=tolerance, max_iterations=max_iterations)


def _width(pooled: Derivatives) -> float:
    """Return the standard deviation that is one standard error of the variance away from zero."""
    # Information on the variance at zero, as if the slopes were known, is ½ Σ W².
    return float((0.5 * pooled.unit_weight @ pooled.unit_weight) ** -0.25)


def _starting_sd(rows: UnitRows, pooled: Summit, nodes: int, tolerance: float) -> float:
    """Return a moment estimate of the unit standard deviation, zero where the pooled model is the best there is."""
    residual, weight = pooled.there.unit_score, pooled.there.unit_weight
    width, at = _width(pooled.there), pooled.at
    score = 0.5 * float(np.sum(residual**2 - weight))
    if score * width**2 <= tolerance:
        # The score decides at zero only, and there a single large unit outweighs all others: a higher place is looked
        # for at distances up to what is wide on any link.
        zero = np.zeros(len(rows.starts))
        tried = [width * 3.0**j for j in range(max(3, int(np.ceil(np.log(5.0 / width)))))]
        values = [place(rows, at.slopes, at.level, sd, nodes, zero).value for sd in tried]
        best = int(np.argmax(values))
        # Where the likelihood is flat, as for single cases, quadrature alone makes hills.
        rough = place(rows, at.slopes, at.level, tried[best], nodes // 2 + 1, zero).value
        return tried[best] if values[best] - at.value > abs(values[best] - rough) else 0.0
    total, squares = float(weight.sum()), float(weight @ weight)
    excess = float(np.sum(residual**2 / np.where(weight > 0, weight, 1.0))) - (len(weight) - 1)
    return float(np.sqrt(max(excess * total / (total**2 - squares), score * width**4)))


def _length(there: Derivatives) -> float:
    """Return the length of the score's drift in standard errors; NaN where there are none."""
    try:
        return float(np.sqrt(there.drift @ solve_scaled(there.information, there.drift)))
    except LinAlgError:
        return float("nan")


def _result(summit: Summit, pooled_log_likelihood: float, unit: Codes, units: int) -> RandomInterceptFit:
    at, there = summit.at, summit.there
    met = unit[np.flatnonzero(np.diff(unit, prepend=-1))]
    mean = np.einsum("kq,kq->k", at.posterior, at.nodes)
    variance = np.einsum("kq,kq->k", at.posterior, (at.nodes - mean[:, None]) ** 2)

    def every(values: Floats, otherwise: float) -> Floats:
        full = np.full((units, *values.shape[1:]), otherwise)
        full[met] = values
        return full

    return RandomInterceptFit(
        slopes=at.slopes,
        level=at.level,
        unit_sd=at.unit_sd,
        boundary=at.unit_sd == 0 and summit.certificate.converged,
        modes=every(at.modes, 0.0),
        mode_variance=every(at.scale**2, at.unit_sd**2),
        posterior_mean=every(mean, 0.0),
        posterior_sd=every(np.sqrt(variance), at.unit_sd),
        log_likelihood=at.value,
        pooled_log_likelihood=pooled_log_likelihood,
        quadrature_error=_length(there),
        information=there.information,
        unit_scores=every(there.unit_scores, 0.0),
        certificate=summit.certificate,
    )
