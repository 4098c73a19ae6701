"""Blocked Newton for a generalised linear model with levels (unit effects) absorbed, never as dummy columns.

The information matrix is an arrow: one p × p block for the slopes, a diagonal for the g levels, and a g × p border.
A Newton step solves the p × p Schur complement and back-substitutes the levels, so the cost of one pass is
n p² + g p² whatever the number of units. The pooled model is the case of one level.

References
----------
Wu, Yang, Kang & He (2022), Statistics in Medicine 41:2840 (block inversion for provider effects).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from benchmodels.kernels.basis import add_level_sums, group_sums, row_blocks
from benchmodels.kernels.families import Family, link, mean_and_weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Certificate", "LevelsFit", "Rows", "Step", "fit_levels", "solve_scaled"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a model, sorted by level.

    Parameters
    ----------
    columns : (n, p) array
        Covariates without a column of ones, in a well-conditioned basis.
    outcome : (n,) array
        Total outcome of the row, in the outcome's unit of measure (successes, events, kroner).
    size : (n,) array
        Trials, exposure or cases of the row; the row's mean is ``size * mean(eta)``.
    offset : (n,) array
        On the link scale.
    codes : (n,) array; starts : (g,) array
        Level of each row, non-decreasing, and first row of each level.
    family : Family
    """

    columns: Floats
    outcome: Floats
    size: Floats
    offset: Floats
    codes: Codes
    starts: Codes
    family: Family

    def level_sums(self, values: Floats) -> Floats:
        """Sum an (n,) array within levels."""
        return np.add.reduceat(values, self.starts)

    def take(self, rows: slice | Codes) -> Rows:
        """Return some of the rows, of a model of one level."""
        return Rows(
            self.columns[rows],
            self.outcome[rows],
            self.size[rows],
            self.offset[rows],
            self.codes[rows],
            self.starts,
            self.family,
        )


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
class Step:
    """Score and information at one point: p slopes, g levels.

    ``dispersion`` is the residual variance (1 for counts), ``scale`` the mean square of the linear predictor's natural
    unit (1 for counts, that of the outcome per size for a Gaussian one).
    """

    score: Floats
    level_score: Floats
    gram: Floats
    border: Floats
    level_weight: Floats
    dispersion: float
    scale: float = 1.0

    def schur(self) -> Floats:
        """Return the (p, p) information on the slopes once the levels are profiled out."""
        safe = np.where(self.level_weight > 0, self.level_weight, 1.0)
        return self.gram - self.border.T @ (self.border / safe[:, None])

    def newton(self) -> tuple[Floats, Floats, float]:
        """Return the step in slopes and levels, and the decrement."""
        if not all(np.isfinite(part).all() for part in (self.gram, self.level_weight, self.score)):
            raise LinAlgError("the information is not finite")
        safe = np.where(self.level_weight > 0, self.level_weight, 1.0)
        projected = self.score - self.border.T @ (self.level_score / safe)
        slopes = solve_scaled(self.schur(), projected)
        levels = (self.level_score - self.border @ slopes) / safe
        decrement = float(slopes @ self.score + levels @ self.level_score)
        return slopes, levels, float(np.sqrt(max(decrement, 0.0) / self.dispersion))


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


def solve_scaled(matrix: Floats, right: Floats) -> Floats:
    """Solve a symmetric positive definite system after scaling its diagonal to one, with one refinement.

    Raises
    ------
    LinAlgError
        The matrix is not positive definite.
    """
    if len(matrix) == 0:
        return np.zeros_like(right)
    diagonal = matrix.diagonal()
    if not np.all(diagonal > 0):
        raise LinAlgError("a column carries no information")
    scale = 1.0 / np.sqrt(diagonal)
    scaled = matrix * np.outer(scale, scale)
    factor = cho_factor(scaled, lower=True)
    target = scale * right if right.ndim == 1 else scale[:, None] * right
    solution = cho_solve(factor, target)
    solution += cho_solve(factor, target - scaled @ solution)
    return np.asarray(scale * solution if right.ndim == 1 else scale[:, None] * solution)


def evaluate(rows: Rows, slopes: Floats, levels: Floats) -> Step:
    """Return score and information at a point in one pass over the rows, by cache-sized blocks."""
    p, g = rows.columns.shape[1], len(rows.starts)
    score, gram, border = np.zeros(p), np.zeros((p, p)), np.zeros((g, p))
    level_score, level_weight = np.zeros(g), np.zeros(g)
    squares = 0.0
    scratch = np.empty((min(len(rows.outcome), 16384), p))
    for part in row_blocks(len(rows.outcome), p):
        block, codes, size = rows.columns[part], rows.codes[part], rows.size[part]
        eta = block @ slopes
        eta += levels[codes]
        eta += rows.offset[part]
        mu, weight = mean_and_weight(rows.family, eta)
        weight *= size
        residual = rows.outcome[part] - size * mu
        score += residual @ block
        scaled = scratch[: len(block)]
        np.multiply(block, np.sqrt(weight)[:, None], out=scaled)
        gram += scaled.T @ scaled
        level_score += group_sums(codes, residual, g)
        level_weight += group_sums(codes, weight, g)
        add_level_sums(block, codes, weight, border)
        if rows.family == "gaussian":
            squares += float(residual @ (residual / np.where(size > 0, size, 1.0)))
    dispersion = scale = 1.0
    if rows.family == "gaussian":
        # Only the unit of measure of the decrement rests on this; the floor is for data that fit exactly.
        total = rows.outcome @ (rows.outcome / np.where(rows.size > 0, rows.size, 1.0))
        dispersion = max(squares / len(rows.outcome), 1e-20 * float(total), np.finfo(float).tiny)
        scale = float(total) / max(float(rows.size.sum()), np.finfo(float).tiny)
    return Step(score, level_score, gram, border, level_weight, dispersion, scale)


def _start(rows: Rows) -> Floats:
    """Return starting levels: each level's own mean, drawn a little to the overall one."""
    events, size = rows.level_sums(rows.outcome), rows.level_sums(rows.size)
    if rows.family == "gaussian":
        return np.asarray(events / np.where(size > 0, size, 1.0))
    overall = events.sum() / size.sum()
    # Half a case at the overall mean; in relative size, so that the unit of measure of exposure does not matter.
    prior = 0.5 / max(overall, np.finfo(float).tiny)
    return link(rows.family, (events + prior * overall) / (size + prior))


def _degenerate(rows: Rows) -> tuple[NDArray[np.bool_], Floats]:
    """Return which levels have no finite estimate, and what it is instead."""
    events, size = rows.level_sums(rows.outcome), rows.level_sums(rows.size)
    infinite = np.zeros(len(events))
    if rows.family != "gaussian":
        infinite[events <= 0] = -np.inf
    if rows.family == "binomial":
        infinite[(events >= size) & (events > 0)] = np.inf
    return infinite != 0, infinite


def fit_levels(
    rows: Rows,
    *,
    slopes: Floats | None = None,
    levels: Floats | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 40,
) -> LevelsFit:
    """Fit slopes and levels by Newton's method.

    Parameters
    ----------
    rows : Rows
        n rows, p columns, g levels, sorted by level.
    slopes, levels : arrays, optional
        Starting point. By default slopes zero (or those of every 25th row, when there are very many rows and one
        level) and each level its own mean.
    tolerance : float
        Stop when the decrement is below this many standard errors; the last step is taken all the same.
    max_iterations : int
        Passes over the rows.

    Returns
    -------
    LevelsFit
        Not converged: ``certificate.converged`` is False and the caller raises.

    Notes
    -----
    A step that overshoots (the slope along it has turned by more than half) or leaves the finite numbers is halved.
    The log-likelihood itself is never evaluated: it costs more than the step. Levels without events, or with
    nothing but events, carry no information on the slopes: they are left out of the steps exactly and returned as
    infinite.
    """
    lost, infinite = _degenerate(rows)
    if lost.any():
        size = np.where(lost[rows.codes], 0.0, rows.size)
        rows = Rows(
            rows.columns,
            np.where(lost[rows.codes], 0.0, rows.outcome),
            size,
            rows.offset,
            rows.codes,
            rows.starts,
            rows.family,
        )
        if lost.all():
            # Nothing is left to learn a slope from; without slopes there is nothing to learn.
            p = rows.columns.shape[1]
            g = len(lost)
            nothing = Step(np.zeros(p), np.zeros(g), np.zeros((p, p)), np.zeros((g, p)), np.zeros(g), 1.0)
            return LevelsFit(np.zeros(p), infinite, nothing, Certificate(p == 0, 0, "newton decrement", 0.0, ()))
    p, n = rows.columns.shape[1], len(rows.outcome)
    levels = np.where(lost, 0.0, _start(rows)) if levels is None else levels
    if slopes is None:
        slopes = np.zeros(p)
        if len(rows.starts) == 1 and n > 200_000 and rows.family != "gaussian":
            some = fit_levels(rows.take(slice(None, None, 25)), tolerance=1e-3)
            if some.certificate.converged:
                slopes, levels = some.slopes, some.levels
    path: list[float] = []
    step = first = evaluate(rows, slopes, levels)
    converged = False
    for _ in range(max_iterations):
        try:
            move, level_move, decrement = step.newton()
        except LinAlgError:
            break
        path.append(decrement)
        if decrement <= tolerance or _exhausted(step, decrement):
            # The step is taken; what it changes in the information is of the order of the tolerance.
            slopes, levels, converged = slopes + move, levels + level_move, _informed(step, first)
            break
        slopes, levels, step = _advance(rows, slopes, levels, step, move, level_move)
    value = path[-1] if path else float("nan")
    certificate = Certificate(converged, len(path), "newton decrement", value, tuple(path))
    return LevelsFit(slopes, np.where(lost, infinite, levels), step, certificate)


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
