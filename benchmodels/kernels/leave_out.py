"""Every unit left out in turn, all at once: slopes and the average level of the others.

The full fit, downdated by a unit's own score and information, is the start. Then full passes over the rows for all
k replicates together (matrix products), with the downdated information held fixed, until every replicate's score
norm is below tolerance. A replicate that does not get there is refitted by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels import families
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.families import marginal
from benchmodels.kernels.newton import LevelsFit, fit_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["LeaveOut", "UnitPieces", "average_levels", "leave_out", "unit_pieces"]

# Decrement, in standard errors, at which a replicate counts as found. Standard errors are some 1e-2 of an expected
# value, so this is well inside the relative 1e-8 that is promised against literal refits.
TOLERANCE = 1e-9
# Least eigenvalue, relative to the largest, of the information without the unit, scaled by that of all units; below it
# the others alone do not identify the slopes.
SINGULAR = 1e-11


@dataclass(frozen=True, eq=False)
class UnitPieces:
    """What each unit adds to score and information at one point: gram (k, p, p), border (k, p), weight (k,) …"""

    gram: Floats
    border: Floats
    weight: Floats
    score: Floats
    level_score: Floats


@dataclass(frozen=True, eq=False)
class LeaveOut:
    """Slopes (k, p) and, for each replicate, the levels (g, k) of the other units.

    ``found`` (k,) is False where the others alone do not identify the answer; the numbers there are NaN.
    """

    slopes: Floats
    levels: Floats
    found: NDArray[np.bool_]
    decrement: Floats


def unit_pieces(rows: Rows, unit: Codes, units: int, slopes: Floats, levels: Floats) -> UnitPieces:
    """Return each unit's part of score and information at (p,) slopes and (g,) levels.

    Rows are sorted by unit. Cost n p², memory k p².
    """
    p = rows.columns.shape[1]
    finite = np.isfinite(levels)[rows.codes]
    eta = rows.columns @ slopes + np.where(np.isfinite(levels), levels, 0.0)[rows.codes] + rows.offset
    residual, weight = families.working(rows.family, eta, rows.outcome, rows.size, rows.cases)
    weight, residual = np.where(finite, weight, 0.0), np.where(finite, residual, 0.0)
    gram, border, score = np.zeros((units, p, p)), np.zeros((units, p)), np.zeros((units, p))
    cuts = np.searchsorted(unit, np.arange(units + 1))
    for i in range(units):
        part = slice(cuts[i], cuts[i + 1])
        block = rows.columns[part]
        gram[i] = (block * weight[part, None]).T @ block
        border[i] = weight[part] @ block
        score[i] = residual[part] @ block
    sums = (group_sums(unit, values, units) for values in (weight, residual))
    level_weight, level_score = sums
    return UnitPieces(gram, border, level_weight, score, level_score)


def inverse(matrices: Floats, whole: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Invert (k, p, p) symmetric matrices; NaN, and False, where one is not positive definite.

    ``whole`` (p, p) is the information of all units: its diagonal is the scale, so that what rounding leaves of a
    column which no other unit has is seen for what it is.
    """
    diagonal = whole.diagonal()
    scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(matrices * np.outer(scale, scale))
    positive = np.ones(len(matrices), dtype=bool)
    if matrices.shape[1]:
        positive = values[:, 0] > SINGULAR * np.maximum(values[:, -1], 1e-3)
    values = np.where(positive[:, None], values, 1.0)
    result = np.einsum("kpq,kq,krq->kpr", vectors, 1.0 / values, vectors, optimize=True)
    result *= np.outer(scale, scale)
    result[~positive] = np.nan
    return result, positive


def leave_out(rows: Rows, unit: Codes, units: int, fit: LevelsFit, *, max_passes: int = 30) -> LeaveOut:
    """Fit the model k times, each time without one unit.

    Parameters
    ----------
    rows : Rows
        Sorted by unit; one level (pooled) or one level a unit.
    unit : (n,) array
        Unit of each row, 0 … k − 1.
    fit : LevelsFit
        The fit to all units: the start.

    Notes
    -----
    One pass costs 4 n p k flops in two matrix products; memory is one block × k, and k × k for the levels of unit
    effects. Refits that the fixed information does not bring home are made one by one. Equal to literal refits to
    a relative 1e-8 of the expected values (tests/kernels/test_leave_out.py).
    """
    pieces = unit_pieces(rows, unit, units, fit.slopes, fit.levels)
    alone = rows.groups == 1
    weight = np.where(pieces.weight > 0, pieces.weight, 1.0)
    if alone:
        left_border = pieces.border.sum(0) - pieces.border
        left_weight = pieces.weight.sum() - pieces.weight
        with np.errstate(divide="ignore", invalid="ignore"):
            schur = pieces.gram.sum(0) - pieces.gram
            schur -= left_border[:, :, None] * left_border[:, None, :] / left_weight[:, None, None]
        schur[left_weight <= 0] = 0.0
        whole = pieces.gram.sum(0) - np.outer(pieces.border.sum(0), pieces.border.sum(0)) / pieces.weight.sum()
    else:
        own = pieces.gram - pieces.border[:, :, None] * pieces.border[:, None, :] / weight[:, None, None]
        whole = own.sum(0)
        schur = whole - own
        left_border = left_weight = np.zeros(0)
    inverses, found = inverse(schur, whole)
    if rows.family.link != "identity":
        # Others without events, or with nothing else, have no level to expect by.
        left = rows.outcome.sum() - group_sums(unit, rows.outcome, units)
        found &= left > 1e-12 * rows.outcome.sum()
        if rows.family.share:
            found &= left < (1.0 - 1e-12) * (rows.size.sum() - group_sums(unit, rows.size, units))

    slopes = np.repeat(fit.slopes[None], units, axis=0)
    base = np.where(np.isfinite(fit.levels), fit.levels, 0.0)
    levels = np.repeat(base[:, None], units, axis=1)
    # The start needs no pass: at the full fit the others' score is minus the unit's own.
    score = -pieces.score
    level_score = -pieces.level_score[None, :] if alone else np.zeros((units, units))
    decrement = np.full(units, np.inf)
    scale = np.sqrt(fit.step.dispersion)
    for turn in range(max_passes):
        if alone:
            projected = score - left_border * (level_score[0] / left_weight)[:, None]
            move = np.einsum("kpq,kq->kp", inverses, projected)
            level_move = ((level_score[0] - np.einsum("kp,kp->k", left_border, move)) / left_weight)[None]
        else:
            projected = score - (level_score / weight[:, None]).T @ pieces.border
            move = np.einsum("kpq,kq->kp", inverses, projected)
            level_move = (level_score - pieces.border @ move.T) / weight[:, None]
            level_move[~np.isfinite(fit.levels)] = 0.0
        rise = np.einsum("kp,kp->k", move, score) + np.einsum("gk,gk->k", level_move, level_score)
        decrement = np.sqrt(np.maximum(rise, 0.0)) / scale
        slopes, levels = slopes + move, levels + level_move
        if turn and not np.any(decrement[found] > TOLERANCE):
            break
        score, level_score = _scores(rows, unit, slopes, levels, np.isfinite(fit.levels))
    stuck = found & ~(decrement <= TOLERANCE)
    if stuck.any():
        _refit(rows, unit, stuck, fit, slopes, levels, found, decrement)
    slopes[~found], levels[:, ~found] = np.nan, np.nan
    return LeaveOut(slopes, levels, found, decrement)


def _scores(
    rows: Rows, unit: Codes, slopes: Floats, levels: Floats, finite: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the score of every replicate over the rows of the other units: (k, p) and (g, k)."""
    k, p = slopes.shape
    score, level_score = np.zeros((k, p)), np.zeros(levels.shape)
    for part in row_blocks(len(unit), max(k, p)):
        codes = rows.codes[part]
        eta = rows.columns[part] @ slopes.T
        eta += levels[codes]
        eta += rows.offset[part, None]
        with np.errstate(over="ignore", invalid="ignore"):
            outcome, size, cases = (v[part, None] for v in (rows.outcome, rows.size, rows.cases))
            residual = families.score(rows.family, eta, outcome, size, cases)
        residual[np.arange(len(codes)), unit[part]] = 0.0
        residual[~finite[codes]] = 0.0
        score += residual.T @ rows.columns[part]
        if rows.groups == 1:
            level_score[0] += residual.sum(0)
        else:
            first = int(codes[0])
            cuts = np.flatnonzero(np.diff(codes, prepend=first - 1))
            level_score[codes[cuts]] += np.add.reduceat(residual, cuts, axis=0)
    return score, level_score


def _refit(
    rows: Rows,
    unit: Codes,
    stuck: NDArray[np.bool_],
    fit: LevelsFit,
    slopes: Floats,
    levels: Floats,
    found: NDArray[np.bool_],
    decrement: Floats,
) -> None:
    """Refit, one by one and in place, the replicates that the fixed information did not bring home."""
    for i in np.flatnonzero(stuck):
        keep = unit != i
        met = np.unique(rows.codes[keep])
        one = fit_levels(rows.take(keep))
        found[i] = one.certificate.converged
        slopes[i], levels[met, i], decrement[i] = one.slopes, one.levels, one.certificate.value


def average_levels(
    rows: Rows, unit: Codes, slopes: Floats, start: Floats, *, own: bool, spread: Floats | None = None
) -> Floats:
    """Return the one level (k,) at which expected and observed totals agree over each replicate's reference rows.

    Parameters
    ----------
    slopes : (k, p) array; start : (k,) array
    own : bool
        Whether a replicate's own unit is among its reference rows.
    spread : (k,) array, optional
        Standard deviation of the levels that the mean is taken over, link scale.

    Notes
    -----
    Scalar Newton for all replicates together; the mean is increasing in the level, so the root is unique.
    """
    k = len(slopes)
    level, target = start.copy(), np.full(k, rows.outcome.sum())
    if not own:
        target -= group_sums(unit, rows.outcome, k)
    for _ in range(60):
        total, slope = np.zeros(k), np.zeros(k)
        for part in row_blocks(len(unit), k):
            eta = rows.columns[part] @ slopes.T
            eta += level
            eta += rows.offset[part, None]
            mu, weight, _ = marginal(rows.family, eta, spread)
            if not own:
                mu[np.arange(len(mu)), unit[part]] = 0.0
                weight[np.arange(len(mu)), unit[part]] = 0.0
            total += rows.size[part] @ mu
            slope += rows.size[part] @ weight
        with np.errstate(divide="ignore", invalid="ignore"):
            move = (target - total) / slope
            if rows.family.link != "identity":
                move = np.clip(move, -2.0, 2.0)
        level = level + np.where(np.isfinite(move), move, 0.0)
        # The next move would be of the order of this one's square.
        if not np.any(np.abs(move) > 1e-7 * (1.0 + np.abs(level))):
            break
    return np.where(np.abs(move) <= 1e-7 * (1.0 + np.abs(level)), level, np.nan)
