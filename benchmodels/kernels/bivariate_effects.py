"""Correlation of two effects of the same units that are each estimated with known noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import chdtrc, chdtri

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["LEAST", "EffectCorrelation", "effect_correlation"]

# Units below which a correlation of effects is not told: its interval would be all of -1 to 1.
LEAST = 20
_EDGE = 0.999


@dataclass(frozen=True, kw_only=True)
class EffectCorrelation:
    """Correlation of two effects.

    Parameters
    ----------
    estimate, lower, upper : float
        By restricted maximum likelihood, with its profile interval; an end beyond 0.999 is told as 1.
    first_sd, second_sd : float
        Standard deviations of the effects, in their own units of measure.
    moments : float
        By the method of moments; NaN where a variance is not above zero. May be beyond 1.
    plain : float
        Pearson's, of the estimates as they are: nearer zero than the effects', for their noise.
    p : float
        Of no correlation, by the likelihood ratio.
    units : int
    """

    estimate: float
    lower: float
    upper: float
    first_sd: float
    second_sd: float
    moments: float
    plain: float
    p: float
    units: int


def effect_correlation(
    estimate: Floats, std_error: Floats, *, noise_correlation: float = 0.0, level: float = 0.95
) -> EffectCorrelation | None:
    """Return the correlation of effects in y_i ~ N(θ_i, S_i), θ_i ~ N(μ, T), of two outcomes.

    Parameters
    ----------
    estimate, std_error : (k, 2) arrays
        Each column in its own unit of measure; standard errors above zero, taken as known.
    noise_correlation : float, default 0.0
        Of the two errors of a unit, the same for all.
    level : float, default 0.95

    Returns
    -------
    EffectCorrelation or None
        None with fewer than 20 units, or where one of the effects does not vary by more than noise: a correlation with
        a constant is none.

    Notes
    -----
    The restricted likelihood over the two standard deviations and the correlation; the interval holds all correlations
    whose likelihood, at the best standard deviations, is within half the quantile of χ²(1). Coverage is in
    ``tests/test_profiles.py``. Cost about 20 maximisations in two unknowns.

    References
    ----------
    van Houwelingen, Arends & Stijnen (2002), Stat Med 21:589-624 (bivariate random effects, profile intervals).
    """
    k = len(estimate)
    if k < LEAST:
        return None
    scale = estimate.std(axis=0, ddof=1)
    if not (scale > 0).all():
        return None
    y, s = (estimate - estimate.mean(axis=0)) / scale, std_error / scale
    spread = y.T @ y / (k - 1)
    noise = np.array([[1.0, noise_correlation], [noise_correlation, 1.0]]) * (s.T @ s / k)
    inside = spread - noise
    # Where the likelihood has no variance between units there is nothing that could go together.
    own = [_alone(y[:, j], s[:, j]) for j in (0, 1)]
    if min(own) <= 0.0:
        return None
    start = np.log(np.array(own))

    guess = float(np.clip(inside[0, 1] / np.exp(start.sum()), -0.9, 0.9))
    best = minimize(
        lambda u: _deviance(y, s, u[:2], float(np.tanh(u[2])), noise_correlation),
        np.append(start, np.arctanh(guess)), method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-7, "maxiter": 2000},
    )  # fmt: skip
    around = best.x[:2] + np.array([[0.0, 0.0], [0.15, 0.0], [0.0, 0.15]])

    def profile(correlation: float) -> float:
        found = minimize(
            lambda u: _deviance(y, s, u, correlation, noise_correlation), best.x[:2], method="Nelder-Mead",
            options={"xatol": 1e-3, "fatol": 1e-5, "maxiter": 400, "initial_simplex": around},
        )  # fmt: skip
        return float(found.fun)

    r = float(np.clip(np.tanh(best.x[2]), -_EDGE, _EDGE))
    least = min(float(best.fun), profile(r))
    bound = least + float(chdtri(1.0, 1.0 - level))
    ends = [_end(lambda c: profile(c) - bound, r, edge) for edge in (-_EDGE, _EDGE)]
    ratio = max(profile(0.0) - least, 0.0)
    known = bool((np.diag(inside) > 0).all())
    return EffectCorrelation(
        estimate=r,
        lower=ends[0],
        upper=ends[1],
        first_sd=float(np.exp(best.x[0]) * scale[0]),
        second_sd=float(np.exp(best.x[1]) * scale[1]),
        moments=float(inside[0, 1] / np.sqrt(inside[0, 0] * inside[1, 1])) if known else float("nan"),
        plain=float(spread[0, 1] / np.sqrt(spread[0, 0] * spread[1, 1])),
        p=float(chdtrc(1.0, ratio)),
        units=k,
    )


def _end(above: Callable[[float], float], r: float, edge: float) -> float:
    """Return where the profile leaves the interval on one side, or 1 (-1) where it does not before the edge."""
    if abs(edge - r) < 1e-6 or above(edge) <= 0.0 or above(r) >= 0.0:
        return float(np.sign(edge))
    return float(brentq(above, r, edge, xtol=1e-3))


def _alone(y: Floats, s: Floats) -> float:
    """Return the standard deviation between units of one outcome by restricted maximum likelihood; 0 where none."""
    at = np.concatenate([[0.0], np.geomspace(1e-3, 3.0, 60)])
    w = 1.0 / (s[:, None] ** 2 + at**2)
    mean = (w * y[:, None]).sum(axis=0) / w.sum(axis=0)
    deviance = -np.log(w).sum(axis=0) + np.log(w.sum(axis=0)) + (w * (y[:, None] - mean) ** 2).sum(axis=0)
    return float(at[int(np.argmin(deviance))])


def _deviance(y: Floats, s: Floats, log_sd: Floats, correlation: float, noise_correlation: float) -> float:
    """Return minus twice the restricted log-likelihood, but for a constant."""
    t1, t2 = np.exp(np.clip(log_sd, -12.0, 6.0))
    a, b = s[:, 0] ** 2 + t1**2, s[:, 1] ** 2 + t2**2
    c = noise_correlation * s[:, 0] * s[:, 1] + correlation * t1 * t2
    det = a * b - c**2
    p, q, o = b / det, a / det, -c / det
    inner = np.array([[p.sum(), o.sum()], [o.sum(), q.sum()]])
    right = np.array([(p * y[:, 0] + o * y[:, 1]).sum(), (o * y[:, 0] + q * y[:, 1]).sum()])
    m = np.linalg.solve(inner, right)
    d, e = y[:, 0] - m[0], y[:, 1] - m[1]
    return float(
        np.log(det).sum()
        + (p * d**2 + 2.0 * o * d * e + q * e**2).sum()
        + np.log(inner[0, 0] * inner[1, 1] - inner[0, 1] ** 2)
    )
