"""Firth's penalised likelihood: finite slopes and levels where maximum likelihood runs off to infinity.

The penalty ½ log |information| adds h_j (½ − μ_j) to the score of a row of leverage h_j: half a success in h_j further
trials (a Poisson row: h_j / 2 further events). So a fit to rows so augmented, and leverages at that fit, take turns.

References
----------
Firth (1993), Biometrika 80:27, section 3.3; Heinze & Schemper (2002), Statistics in Medicine 21:2409.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError

from benchmodels.kernels.arrow import Rows, evaluate, solve_scaled
from benchmodels.kernels.basis import row_blocks
from benchmodels.kernels.families import mean_and_slope
from benchmodels.kernels.leave_out import LeaveOut
from benchmodels.kernels.newton import Certificate, LevelsFit, fit_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["firth_leave_out", "fit_firth", "leverages"]


def leverages(rows: Rows, slopes: Floats, levels: Floats) -> Floats:
    """Return the leverage (n,) of each row, levels included; they add up to p + g."""
    step = evaluate(rows, slopes, levels)
    p = len(slopes)
    weight = np.where(step.level_weight > 0, step.level_weight, 1.0)
    means = step.border / weight[:, None]
    inverse = solve_scaled(step.schur(), np.eye(p))
    leverage = np.zeros(len(rows.outcome))
    for part in row_blocks(len(leverage), p):
        codes = rows.codes[part]
        centred = rows.columns[part] - means[codes]
        eta = rows.columns[part] @ slopes + levels[codes] + rows.offset[part]
        own = rows.size[part] * mean_and_slope(rows.family, eta)[1]
        leverage[part] = own * (np.einsum("np,np->n", centred @ inverse, centred) + 1.0 / weight[codes])
    return leverage


def _augmented(rows: Rows, leverage: Floats) -> Rows:
    size = rows.size + leverage if rows.family.share else rows.size
    return replace(rows, outcome=rows.outcome + 0.5 * leverage, size=size)


def fit_firth(
    rows: Rows, *, start: LevelsFit | None = None, tolerance: float = 1e-8, max_turns: int = 500
) -> LevelsFit:
    """Fit slopes and levels by maximum penalised likelihood.

    Parameters
    ----------
    rows : Rows
        n rows, p columns, g levels; binomial-logit or Poisson-log.
    start : LevelsFit, optional
        The answer for nearly the same rows, all levels finite.
    tolerance : float
        Stop when the penalised score asks for a step of at most this many standard errors.
    max_turns : int
        Turns of leverages and fit.

    Returns
    -------
    LevelsFit
        All levels finite, those without events too. ``step`` is that of the rows as they are, at the solution.

    Notes
    -----
    Each turn costs some four passes; turns gain a digit or two where there is information, less where events are few.
    Equal to a general optimiser on the penalised likelihood to 1e-7 (tests/kernels/test_firth.py).
    """
    g = rows.groups
    even = np.where(rows.size > 0, 1.0, 0.0)
    leverage = even * (rows.columns.shape[1] + g) / max(float(even.sum()), 1.0)
    slopes, levels = (None, None) if start is None else (start.slopes, start.levels)
    path: list[float] = []
    converged = False
    for _ in range(max_turns):
        if slopes is not None and levels is not None:
            try:
                leverage = leverages(rows, slopes, levels)
                path.append(evaluate(_augmented(rows, leverage), slopes, levels).newton()[2])
            except LinAlgError:
                break
            if path[-1] <= tolerance:
                converged = True
                break
        fit = fit_levels(_augmented(rows, leverage), slopes=slopes, levels=levels, tolerance=1e-10)
        if not fit.certificate.converged:
            break
        slopes, levels = fit.slopes, fit.levels
    value = path[-1] if path else float("nan")
    certificate = Certificate(converged, len(path), "newton decrement", value, tuple(path))
    slopes = np.zeros(rows.columns.shape[1]) if slopes is None else slopes
    levels = np.zeros(g) if levels is None else levels
    return LevelsFit(slopes, levels, evaluate(rows, slopes, levels), certificate)


def firth_leave_out(rows: Rows, unit: Codes, units: int, fit: LevelsFit) -> LeaveOut:
    """Fit k times, each time without one unit, from the full fit.

    Returns
    -------
    LeaveOut
        ``levels`` of the left-out unit itself is that of the full fit; it enters nothing.
    """
    p = rows.columns.shape[1]
    slopes, levels = np.full((units, p), np.nan), np.repeat(fit.levels[:, None], units, axis=1)
    found, decrement = np.zeros(units, dtype=bool), np.full(units, np.nan)
    for i in range(units):
        keep = unit != i
        met = np.unique(rows.codes[keep])
        start = replace(fit, levels=fit.levels[met])
        one = fit_firth(rows.take(keep), start=start)
        found[i], decrement[i] = one.certificate.converged, one.certificate.value
        if found[i]:
            slopes[i], levels[met, i] = one.slopes, one.levels
    levels[:, ~found] = np.nan
    return LeaveOut(slopes, levels, found, decrement)
