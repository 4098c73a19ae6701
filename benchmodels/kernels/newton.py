"""Blocked Newton for a generalised linear model with levels (unit effects) absorbed: the whole of a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError

from benchmodels.kernels.arrow import Rows, Step, evaluate
from benchmodels.kernels.basis import Basis, conditioned, orthogonal
from benchmodels.kernels.families import link, working

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Certificate", "LevelsFit", "fit_in_basis", "fit_levels"]

# From this many rows on, a pass is worth saving: a start from every 25th row, passes for the score alone between
# those for the information, and a last one to check. Information is then taken where the decrement is at most
# NEAR standard errors, which moves no standard error by more than a relative 1e-6.
MANY = 200_000
NEAR = 1e-4
SAMPLE = 25
# Rows of that sample a level must have on average for the sample's information to serve.
ENOUGH = 100


@dataclass(frozen=True)
class Certificate:
    """What vouches for an iterative answer: the criterion is the Newton decrement.

    The decrement is the length of the next Newton step in units of standard error, so a value of 1e-8 says that no
    estimate would move by more than 1e-8 of its standard error. ``path`` is the decrement at each iteration. Where an
    estimate runs off to infinity the decrement falls too, by a constant factor a step, and so does the information on
    it: so convergence also asks that no direction has lost nearly all the information it had at the start.
    """

    converged: bool
    iterations: int
    criterion: str
    value: float
    path: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class LevelsFit:
    """Maximum-likelihood slopes and levels, with the information there.

    Parameters
    ----------
    slopes : (p,) array
        On the link scale per unit of each column of the basis.
    levels : (g,) array
        On the link scale; infinite where a level has no events or only events.
    step : Step
        Score and information at the solution.
    certificate : Certificate
    """

    slopes: Floats
    levels: Floats
    step: Step
    certificate: Certificate


def _start(rows: Rows) -> Floats:
    """Return starting levels: each level's own mean, drawn a little to the overall one, less what its offsets add."""
    events, size = rows.level_sums(rows.outcome), rows.level_sums(rows.size)
    if rows.family.link == "identity":
        return np.asarray(events / np.where(size > 0, size, 1.0)) - _offsets(rows, size)
    overall = events.sum() / size.sum()
    # Half a case at the overall mean; in relative size, so that the unit of measure of exposure does not matter.
    prior = 0.5 / max(overall, np.finfo(float).tiny)
    if not rows.family.counted:
        # Nothing is counted, so there is no case to speak of; a thousandth of the mean size keeps off the edge.
        prior = 1e-3 * size.sum() / len(size)
    return link(rows.family, (events + prior * overall) / (size + prior)) - _offsets(rows, size)


def _offsets(rows: Rows, size: Floats) -> Floats:
    """Return what offsets add to the linear predictor of each level's mean (g,); of a log link that is exact.

    Newton's method does not come back from a start that is off by a factor of millions, as the logarithm of inhabitants
    is.
    """
    if not rows.offset.any():
        return np.zeros(len(size))
    whole = np.where(size > 0, size, 1.0)
    middle = np.where(size > 0, rows.level_sums(rows.size * rows.offset) / whole, 0.0)
    if rows.family.link != "log":
        return middle
    apart = np.where(rows.size > 0, rows.offset - middle[rows.codes], 0.0)
    # Far offsets would overflow; they are then no good start in any case.
    risen = rows.level_sums(rows.size * np.exp(np.clip(apart, -500.0, 500.0)))
    return np.asarray(middle + np.log(np.where(size > 0, risen / whole, 1.0)))


def _degenerate(rows: Rows) -> tuple[NDArray[np.bool_], Floats]:
    """Return which levels have no finite estimate, and what it is instead."""
    events, size = rows.level_sums(rows.outcome), rows.level_sums(rows.size)
    infinite = np.zeros(len(events))
    if rows.family.link != "identity":
        infinite[events <= 0] = -np.inf
    if rows.family.share:
        infinite[(events >= size) & (events > 0)] = np.inf
    return infinite != 0, infinite


def fit_in_basis(rows: Rows) -> tuple[Rows, Basis, LevelsFit | None]:
    """Fit slopes and levels in the columns as they are or, where those are ill conditioned, orthogonalised.

    Returns
    -------
    rows : Rows
        With the columns that were used.
    basis : Basis
        From the columns given to those used.
    fit : LevelsFit or None
        None: ``basis.dependent`` columns make every fit impossible; the caller names them.
    """
    p, g = rows.columns.shape[1], rows.groups
    try:
        return rows, Basis(np.zeros(p), None, ()), fit_levels(rows, refuse_ill_conditioned=True)
    except LinAlgError:
        columns, basis = orthogonal(rows.columns, rows.size, rows.codes, g)
        if basis.dependent:
            return rows, basis, None
        rows = replace(rows, columns=columns)
        return rows, basis, fit_levels(rows)


def fit_levels(
    rows: Rows,
    *,
    slopes: Floats | None = None,
    levels: Floats | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 40,
    refuse_ill_conditioned: bool = False,
) -> LevelsFit:
    """Fit slopes and levels by Newton's method (Fisher scoring where the link is not canonical).

    Parameters
    ----------
    rows : Rows
        n rows, p columns, g levels, sorted by level.
    slopes, levels : arrays, optional
        Starting point. By default slopes zero (or those of every 25th row, when there are very many) and each level
        its own mean.
    tolerance : float
        Stop when the decrement is below this many standard errors; the last step is taken all the same.
    max_iterations : int
        Passes over the rows.
    refuse_ill_conditioned : bool
        Look at the information before the first step.

    Returns
    -------
    LevelsFit
        Not converged: ``certificate.converged`` is False and the caller raises.

    Raises
    ------
    LinAlgError
        Ill-conditioned columns, if asked to look.

    Notes
    -----
    A step that overshoots (the slope along it has turned by more than half) or leaves the finite numbers is halved.
    The log-likelihood itself is never evaluated: it costs more than the step. Levels without events, or with
    nothing but events, carry no information on the slopes: they are left out of the steps exactly and returned as
    infinite.
    """
    lost, infinite = _degenerate(rows)
    if lost.any():
        gone = lost[rows.codes]
        rows = replace(rows, size=np.where(gone, 0.0, rows.size), outcome=np.where(gone, 0.0, rows.outcome))
        if lost.all():
            # Nothing is left to learn a slope from; without slopes there is nothing to learn.
            p, g = rows.columns.shape[1], len(lost)
            nothing = Step(np.zeros(p), np.zeros(g), np.zeros((p, p)), np.zeros((g, p)), np.zeros(g), 1.0)
            return LevelsFit(np.zeros(p), infinite, nothing, Certificate(p == 0, 0, "newton decrement", 0.0, ()))
    given = slopes is not None
    slopes = np.zeros(rows.columns.shape[1]) if slopes is None else slopes
    levels = np.where(lost, 0.0, _start(rows)) if levels is None else levels
    path: list[float] = []
    if len(rows.outcome) >= MANY and rows.family.link != "identity" and not given:
        slopes, levels = _approach(rows, slopes, levels, path)
    step = first = evaluate(rows, slopes, levels)
    if refuse_ill_conditioned and not conditioned(step.schur(), step.gram.diagonal()):
        raise LinAlgError("ill-conditioned columns")
    converged = False
    while len(path) < max_iterations:
        try:
            move, level_move, decrement = step.newton()
        except LinAlgError:
            break
        path.append(decrement)
        if decrement <= tolerance or _exhausted(step, decrement):
            # The step is taken; what it changes in the information is of the order of the tolerance.
            slopes, levels, converged = slopes + move, levels + level_move, _informed(step, first)
            break
        if rows.family.link == "identity" or (decrement <= NEAR and len(rows.outcome) >= MANY):
            slopes, levels = slopes + move, levels + level_move
            step = evaluate(rows, slopes, levels, information=step)
        else:
            slopes, levels, step = _advance(rows, slopes, levels, step, move, level_move)
    value = path[-1] if path else float("nan")
    certificate = Certificate(converged, len(path), "newton decrement", value, tuple(path))
    return LevelsFit(slopes, np.where(lost, infinite, levels), step, certificate)


def _approach(rows: Rows, slopes: Floats, levels: Floats, path: list[float]) -> tuple[Floats, Floats]:
    """Come near the maximum of very many rows cheaply: a sample's slopes, then passes for the score alone.

    The information is held at that of the start: a chord, which gains one to two digits a pass at a third of its cost.
    """
    some = rows.take(slice(None, None, SAMPLE))
    start = fit_levels(some, tolerance=0.03)
    if not start.certificate.converged:
        return slopes, levels
    slopes, at = start.slopes, start.step
    if some.groups == len(levels) and len(some.outcome) >= ENOUGH * len(levels) and np.isfinite(start.levels).all():
        levels = start.levels
        share = some.level_sums(some.size) / rows.level_sums(rows.size)
        overall = float(some.size.sum() / rows.size.sum())
        # What is between levels is scaled by each level's own size, what is within them by that of all.
        border, weight = at.border / share[:, None], at.level_weight / share
        gram = at.schur() / overall + border.T @ (border / np.where(weight > 0, weight, 1.0)[:, None])
        step = evaluate(rows, slopes, levels, information=replace(at, gram=gram, border=border, level_weight=weight))
    else:
        levels = _at_slopes(rows, slopes, levels)
        step = evaluate(rows, slopes, levels)
    pairs: list[tuple[Floats, Floats]] = []
    for _ in range(12):
        try:
            move, level_move, decrement = _learned(step, pairs)
        except LinAlgError:
            break
        if path and not decrement < 0.5 * path[-1]:
            break
        path.append(decrement)
        slopes, levels = slopes + move, levels + level_move
        if decrement < NEAR:
            break
        before, step = step, evaluate(rows, slopes, levels, information=step)
        fall = np.r_[before.score - step.score, before.level_score - step.level_score]
        pairs.append((np.r_[move, level_move], fall))
    return slopes, levels


def _learned(step: Step, pairs: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats, float]:
    """Return the step of the information held, corrected by what earlier steps did to the score (L-BFGS)."""
    p, score = len(step.score), np.r_[step.score, step.level_score]
    left, parts = score, []
    for move, fall in reversed(pairs):
        parts.append(float(move @ left) / float(move @ fall))
        left = left - parts[-1] * fall
    found = np.concatenate(replace(step, score=left[:p], level_score=left[p:]).newton()[:2])
    for (move, fall), part in zip(pairs, reversed(parts), strict=True):
        found = found + (part - float(fall @ found) / float(move @ fall)) * move
    return found[:p], found[p:], float(np.sqrt(max(float(found @ score), 0.0) / step.dispersion))


def _at_slopes(rows: Rows, slopes: Floats, levels: Floats) -> Floats:
    """Return the levels after two scalar Newton steps at given slopes, so that information is taken near its end."""
    fixed = rows.columns @ slopes + rows.offset
    for _ in range(2):
        first, weight = working(rows.family, fixed + levels[rows.codes], rows.outcome, rows.size, rows.cases)
        total = rows.level_sums(weight)
        levels = levels + np.clip(rows.level_sums(first) / np.where(total > 0, total, 1.0), -1.0, 1.0)
    return levels


def _exhausted(step: Step, decrement: float) -> bool:
    """Whether a step moves the linear predictor by no more than rounding does, whatever the standard errors are."""
    weight = float(step.level_weight.sum())
    return decrement**2 * step.dispersion <= 1e-24 * weight * step.scale


# Part of the information at the start that must be left in every direction. A category at a tenth of a per mille of
# the overall rate keeps 1e-4 of it; one that runs off to infinity has lost this much after some 16 steps, long before
# the decrement is at its tolerance.
KEPT = 1e-7


def _informed(step: Step, first: Step) -> bool:
    """Whether no direction of the slopes has lost nearly all the information it had at the start."""
    before, now = first.schur(), step.schur()
    diagonal = before.diagonal()
    if not len(diagonal):
        return True
    if not np.all(diagonal > 0):
        return False
    scale = 1.0 / np.sqrt(diagonal)
    least = np.linalg.eigvalsh(before * np.outer(scale, scale))[0]
    return bool(np.linalg.eigvalsh(now * np.outer(scale, scale))[0] > KEPT * least)


def _advance(
    rows: Rows, slopes: Floats, levels: Floats, step: Step, move: Floats, level_move: Floats
) -> tuple[Floats, Floats, Step]:
    rise = float(step.score @ move + step.level_score @ level_move)
    part = 1.0
    for _ in range(12):
        with np.errstate(over="ignore", invalid="ignore"):
            at = evaluate(rows, slopes + part * move, levels + part * level_move)
            ahead = float(at.score @ move + at.level_score @ level_move)
        if np.isfinite(ahead) and np.isfinite(at.gram).all() and ahead >= -0.5 * rise:
            break
        part *= 0.5
    return slopes + part * move, levels + part * level_move, at
