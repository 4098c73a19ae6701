"""Effects of units that drift over periods: how they covary between periods, noise taken out, and what that foretells.

An effect of unit i in period t is estimated as e_it = m_t + μ_it + noise of known variance s_it², independent between
periods and units. The signal μ is stationary: Cov(μ_it, μ_iu) = g(|t − u|), with any g.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri, stdtrit

from benchmodels.errors import ConvergenceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "LEAST_PAIRS",
    "Autocovariances",
    "Prediction",
    "autocovariances",
    "centred",
    "convex",
    "predict",
    "share_left",
]

# Units that are seen at a lag, below which its covariance is withheld.
LEAST_PAIRS = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Autocovariances:
    """Covariances of the signal by lag.

    Parameters
    ----------
    lags : (l,) array
        Periods apart, the first of them 0.
    covariance : (l,) array
        g, in squared units of the effects; unbiased given the weights, so that it may be negative. NaN where fewer than
        `LEAST_PAIRS` units are seen at the lag.
    influence : (k, l) array
        What each unit adds to the error of g: the errors' covariance is influenceᵀ influence × k / (k − 1).
    units : (l,) array
        How many units are seen at the lag.
    pairs : (l,) array
        How many pairs of periods of one unit.
    """

    lags: NDArray[np.intp]
    covariance: Floats
    influence: Floats
    units: NDArray[np.intp]
    pairs: NDArray[np.intp]

    @property
    def errors(self) -> Floats:
        """Covariance (l, l) of the errors; units are independent."""
        k = len(self.influence)
        return np.asarray(self.influence.T @ self.influence * (k / max(k - 1, 1)))

    def signal(self, level: float) -> tuple[float, float]:
        """Return limits of g(0), by a chi-squared of the same mean and variance (Satterthwaite); NaN where g(0) ≤ 0."""
        found, spread = float(self.covariance[0]), float(self.errors[0, 0])
        if not (found > 0 and spread > 0):
            return float("nan"), float("nan")
        df = 2.0 * found**2 / spread
        tail = 0.5 * (1.0 - level)
        return float(df * found / chdtri(df, tail)), float(df * found / chdtri(df, 1.0 - tail))

    def correlation(self, level: float) -> tuple[Floats, Floats, Floats]:
        """Return g(l) / g(0) and its limits, (l,) each, within −1 and 1.

        Notes
        -----
        Limits are Fieller's: the ratios that the data do not contradict. NaN, all three, where g(0) is not told from
        zero at the level (the set would be unbounded), or the lag was not seen by enough units.
        """
        g, v, c = self.covariance, self.errors, self._reach(level) ** 2
        found, low, high = (np.full(len(g), np.nan) for _ in range(3))
        found[0] = low[0] = high[0] = 1.0
        a = g[0] ** 2 - c[0] * v[0, 0]
        if not (a > 0 and g[0] > 0):
            found[0] = low[0] = high[0] = np.nan
            return found, low, high
        for i in range(1, len(g)):
            b, d = g[i] * g[0] - c[i] * v[0, i], g[i] ** 2 - c[i] * v[i, i]
            root = np.sqrt(max(b * b - a * d, 0.0)) if np.isfinite(g[i]) else np.nan
            found[i], low[i], high[i] = g[i] / g[0], (b - root) / a, (b + root) / a
        return np.clip(found, -1.0, 1.0), np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0)

    def _reach(self, level: float) -> Floats:
        return np.asarray(-stdtrit(np.maximum(self.units - 1.0, 1.0), 0.5 * (1.0 - level)))


def centred(effect: Floats, variance: Floats, signal: float) -> tuple[Floats, Floats]:
    """Return effects less the mean of their period, and the weight of each unit in that mean; (k, t) both."""
    seen = np.isfinite(effect)
    weight = np.where(seen, 1.0 / np.where(seen, variance + signal, 1.0), 0.0)
    total = weight.sum(axis=0)
    share = weight / np.where(total > 0, total, 1.0)
    return effect - np.sum(share * np.where(seen, effect, 0.0), axis=0), share


def autocovariances(effect: Floats, variance: Floats, position: NDArray[np.intp]) -> Autocovariances:
    """Estimate the covariance of the signal at each lag from products of effects in different periods.

    Parameters
    ----------
    effect, variance : (k, t) arrays
        Estimates and the variances of their noise; NaN where a unit is not known in a period.
    position : (t,) array of int
        Of the periods, in steps of one period; ascending.

    Notes
    -----
    With c_it the effect less the precision-weighted mean of its period (weights h), E[c_it c_iu] is g(t − u) times
    1 − h_it − h_iu + Σ_j h_jt h_ju, and for t = u it is g(0) + s_it² − 1 / Σ_j w_jt. g(l) is the weighted sum of the
    products over that of these factors, with weights w_it w_iu, w = 1 / (g(0) + s²), which are best where g is small;
    g(0) goes in until it no longer changes (as in Paule and Mandel's estimate). Errors are those of a ratio of sums
    over independent units.

    Raises
    ------
    ConvergenceError
        The variance g(0) does not settle.

    References
    ----------
    Chetty, Friedman & Rockoff (2014), American Economic Review 104:2593, section II.B and appendix A (there weighted by
    class size). Paule & Mandel (1982), Journal of Research of the National Bureau of Standards 87:377.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> lasting = rng.normal(size=(4000, 1))
    >>> e = lasting + rng.normal(size=(4000, 3)) * 0.5
    >>> found = autocovariances(e, np.full(e.shape, 0.25), np.arange(3))
    >>> found.covariance.round(1)
    array([1., 1., 1.])
    """
    # In units of the typical noise and effect, so that the unit of measure plays no part in when to stop.
    scale = float(np.nanmedian(variance) + np.nanvar(effect))
    scale = scale if scale > 0 else 1.0
    e, s2 = effect / np.sqrt(scale), variance / scale
    lags = np.unique(np.subtract.outer(position, position))
    lags = lags[lags >= 0]
    signal, found = max(float(np.nanmean(e**2 - s2)), 0.0), np.nan
    for _ in range(200):
        found, *_ = _lag(e, s2, position, 0, signal)
        moved, signal = abs(max(found, 0.0) - signal), max(found, 0.0)
        # Too few units have no variance, and say so by NaN.
        if not moved > 1e-12:
            break
    else:
        raise ConvergenceError(f"the variance of what lasts was not found in 200 steps (last move {moved:.1e})")
    columns = [_lag(e, s2, position, int(lag), signal) for lag in lags]
    return Autocovariances(
        lags=lags,
        covariance=np.array([c[0] for c in columns]) * scale,
        influence=np.column_stack([c[1] for c in columns]) * scale,
        units=np.array([c[2] for c in columns]),
        pairs=np.array([c[3] for c in columns]),
    )


def _lag(e: Floats, s2: Floats, position: NDArray[np.intp], lag: int, signal: float) -> tuple[float, Floats, int, int]:
    """Return the covariance at a lag, the units' influence (k,) on it, units seen and pairs of periods."""
    c, share = centred(e, s2, signal)
    seen = np.isfinite(e)
    weight = np.where(seen, 1.0 / np.where(seen, s2 + signal, 1.0), 0.0)
    top, base, pairs = np.zeros(len(e)), np.zeros(len(e)), np.zeros(len(e), dtype=np.intp)
    for t, u in np.argwhere(np.subtract.outer(position, position) == lag):
        both = seen[:, t] & seen[:, u]
        w = weight[:, t] * weight[:, u] * both
        if lag == 0:
            product = np.where(both, c[:, t] ** 2 - s2[:, t] + 1.0 / max(float(weight[:, t].sum()), 1e-300), 0.0)
            factor = np.ones(len(e))
        else:
            product = np.where(both, c[:, t] * c[:, u], 0.0)
            factor = 1.0 - share[:, t] - share[:, u] + float(share[:, t] @ share[:, u])
        top, base, pairs = top + w * product, base + w * factor, pairs + both
    units = int((pairs > 0).sum())
    if units < LEAST_PAIRS:
        return float("nan"), np.full(len(e), np.nan), units, int(pairs.sum())
    found = float(top.sum() / base.sum())
    return found, (top - found * base) / base.sum(), units, int(pairs.sum())


def convex(found: Autocovariances) -> tuple[Floats, Floats, float]:
    """Return covariances at lags 0, 1, … to the last seen, of a process whose ties loosen ever more slowly.

    Parameters
    ----------
    found : Autocovariances
        Seen at lag 0 at least.

    Returns
    -------
    covariance : (l,) array
        Convex, falling and not below zero: as near as can be to the estimates, each weighing as many pairs as it rests
        on; on a line between lags that are seen. Constant from the last lag on.
    errors : (l, l) array
        Covariance of their errors, kinks taken as known.
    moved : float
        Largest change to an estimate, as a share of the variance at lag 0.

    Notes
    -----
    Such covariances are sums of a constant and of triangles (1 − l / j)₊ with weights of zero or more, so that every
    series of any length can have them (Pólya's criterion): estimates that no process can have would make predictions
    of any size. AR(1), what lasts, what is gone at once, and sums of these are convex; cycles are not.

    References
    ----------
    Pólya (1949), Proceedings of the Berkeley Symposium 115 (theorem 1).
    """
    from scipy.optimize import nnls

    known = np.isfinite(found.covariance)
    lags, g = found.lags[known], found.covariance[known]
    every = np.arange(int(lags[-1]) + 1)
    corners = np.maximum(lags[1:], 1)
    basis = np.column_stack([np.ones(len(every)), *(np.maximum(1.0 - every / corner, 0.0) for corner in corners)])
    root = np.sqrt(found.pairs[known])
    scale = float(np.abs(g).max()) or 1.0
    rows = basis[lags] * root[:, None]
    weight, _ = nnls(rows, g / scale * root)
    kept = weight > 0
    fitted = basis @ weight * scale
    turn = basis[:, kept] @ np.linalg.pinv(rows[:, kept]) * root
    errors = turn @ found.errors[np.ix_(known, known)] @ turn.T
    moved = float(np.abs(fitted[lags] - g).max()) / scale
    return np.asarray(fitted), np.asarray(errors), moved


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction:
    """The best linear prediction of the signal of one period from others.

    Parameters
    ----------
    signal : (k,) array
        Of the period, less the mean of its units.
    variance : (k,) array
        Of signal less prediction, that from estimated covariances included.
    estimated : (k,) array
        The part of the variance that is from estimated covariances.
    weights : (k, t) array
        Of the units' centred effects; zero for the period itself and those not known.
    """

    signal: Floats
    variance: Floats
    estimated: Floats
    weights: Floats


def predict(
    centred_effect: Floats,
    variance: Floats,
    gaps: NDArray[np.intp],
    target: NDArray[np.intp],
    covariance: Floats,
    errors: Floats,
) -> Prediction:
    """Predict the signal of a period from the effects of others.

    Parameters
    ----------
    centred_effect, variance : (k, t) arrays
        Of the t periods that may be used; NaN where not known.
    gaps : (t, t) array of int; target : (t,) array of int
        Periods apart, of each other and from the one to predict.
    covariance : (l,) array
        g at lags 0, 1, …, positive semi-definite (`convex`); farther lags have the last.
    errors : (l, l) array
        Covariance of the errors of g; NaN counts as zero.

    Notes
    -----
    With Σ = [g(|t − u|)] + diag(s²) and γ = [g(gap to the target)] over the periods that are known, the weights are
    Σ⁻¹γ and the variance g(0) − γ'Σ⁻¹γ. What the error of g adds is to first order, by differences of the prediction in
    each lag.

    References
    ----------
    Chetty, Friedman & Rockoff (2014), American Economic Review 104:2593, equation (6).
    """
    last = len(covariance) - 1
    seen = np.isfinite(centred_effect)
    e = np.where(seen, centred_effect, 0.0)
    noise = np.where(seen, variance, 1.0)

    def solved(g: Floats) -> tuple[Floats, Floats]:
        between = g[np.minimum(gaps, last)][None] * (seen[:, :, None] & seen[:, None, :])
        towards = g[np.minimum(target, last)][None] * seen
        steps = np.arange(e.shape[1])
        # Unknown periods stand alone with a variance of one, and nothing ties them to the target.
        between[:, steps, steps] = np.where(seen, g[0] + noise, 1.0)
        return np.asarray(np.linalg.solve(between, towards[:, :, None])[:, :, 0]), np.asarray(towards)

    weights, towards = solved(covariance)
    signal = np.sum(weights * e, axis=1)
    step = 1e-5 * covariance[0]
    moves = np.zeros((len(e), last + 1))
    for lag in range(last + 1):
        shift = np.zeros(last + 1)
        shift[lag] = step
        there = [np.sum(solved(covariance + sign * shift)[0] * e, axis=1) for sign in (1.0, -1.0)]
        moves[:, lag] = (there[0] - there[1]) / (2.0 * step)
    estimated = np.einsum("kl,lm,km->k", moves, np.nan_to_num(errors), moves)
    known = np.maximum(covariance[0] - np.sum(weights * towards, axis=1), 0.0)
    return Prediction(signal=signal, variance=known + estimated, estimated=estimated, weights=weights)


def share_left(before: Floats, after: Floats, unit: NDArray[np.intp], level: float) -> tuple[float, float, float]:
    """Return Σ sign(x) y / Σ |x| with its limits: what is left in y of the distances x.

    Parameters
    ----------
    before, after : (m,) arrays
        Distances in two periods.
    unit : (m,) array of int
        Whose they are; two units or more.

    Notes
    -----
    Given x, the standard error is from the spread of y about the share times x, summed by unit, by t with as many
    degrees of freedom as units less one; squares are raised by 1 / (1 − own share of Σ|x|).
    """
    _, code = np.unique(unit, return_inverse=True)
    size = np.bincount(code, np.abs(before))
    total = float(size.sum())
    found = float(np.sum(np.sign(before) * after)) / total
    left = np.bincount(code, np.sign(before) * after - found * np.abs(before))
    error = float(np.sqrt(np.sum(left**2 / np.maximum(1.0 - size / total, 1e-12)))) / total
    half = -float(stdtrit(len(size) - 1.0, 0.5 * (1.0 - level))) * error
    return found, found - half, found + half
