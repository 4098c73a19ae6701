"""Rows of a model and their score and information, with levels (unit effects) never as dummy columns.

The information matrix is an arrow: one p × p block for the slopes, a diagonal for the g levels, and a g × p border.
A Newton step solves the p × p Schur complement and back-substitutes the levels, so the cost of one pass is
n p² + g p² whatever the number of units. The pooled model is the case of one level.

References
----------
Wu, Yang, Kang & He (2022), Statistics in Medicine 41:2840 (block inversion for provider effects).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from benchmodels.kernels.basis import add_level_sums, group_sums, row_blocks
from benchmodels.kernels.families import Family, score, working

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Rows", "Step", "evaluate", "solve_scaled"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a model, in any order; those of a level together are summed faster where levels are very many.

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
    codes : (n,) array; groups : int
        Level of each row, counted from 0, and the number of levels g; each has a row.
    family : Family
    cases : (n,) array
        How many cases of equal size and outcome the row stands for: of consequence where rows may not be added up.
    """

    columns: Floats
    outcome: Floats
    size: Floats
    offset: Floats
    codes: Codes
    groups: int
    family: Family
    cases: Floats

    def level_sums(self, values: Floats) -> Floats:
        """Sum an (n,) array within levels."""
        return group_sums(self.codes, values, self.groups)

    def take(self, rows: slice | Codes | NDArray[np.bool_]) -> Rows:
        """Return some of the rows, with the levels that they have."""
        met, codes = np.unique(self.codes[rows], return_inverse=True)
        return Rows(
            self.columns[rows],
            self.outcome[rows],
            self.size[rows],
            self.offset[rows],
            codes.astype(np.intp),
            len(met),
            self.family,
            self.cases[rows],
        )


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


def evaluate(rows: Rows, slopes: Floats, levels: Floats, *, information: Step | None = None) -> Step:
    """Return score and information at a point in one pass over the rows, by cache-sized blocks.

    With ``information`` given only the score is computed, at a third of the cost, and that information is kept.
    """
    n, p = rows.columns.shape
    g, alone = rows.groups, rows.groups == 1
    total, gram, border = np.zeros(p), np.zeros((p, p)), np.zeros((g, p))
    level_total, level_weight = np.zeros(g), np.zeros(g)
    squares = 0.0
    parts = row_blocks(n, p)
    scratch = np.empty((parts[0].stop if parts else 0, p))
    for part in parts:
        block, codes, size = rows.columns[part], rows.codes[part], rows.size[part]
        eta = block @ slopes
        eta += levels[0] if alone else levels[codes]
        eta += rows.offset[part]
        outcome, cases = rows.outcome[part], rows.cases[part]
        if information is None:
            first, weight = working(rows.family, eta, outcome, size, cases)
        else:
            first = score(rows.family, eta, outcome, size, cases)
        total += first @ block
        _add(level_total, codes, first, alone=alone)
        if rows.family.link == "identity":
            squares += float(first @ (first / np.where(size > 0, size, 1.0)))
        if information is not None:
            continue
        _add(level_weight, codes, weight, alone=alone)
        if alone:
            border[0] += weight @ block
        else:
            add_level_sums(block, codes, weight, border)
        scaled = scratch[: len(block)]
        np.multiply(block, np.sqrt(weight, out=weight)[:, None], out=scaled)
        gram += scaled.T @ scaled
    dispersion = scale = 1.0
    if rows.family.link == "identity":
        # Only the unit of measure of the decrement rests on this; the floor is for data that fit exactly.
        raw = float(rows.outcome @ (rows.outcome / np.where(rows.size > 0, rows.size, 1.0)))
        dispersion = max(squares / n, 1e-20 * raw, np.finfo(float).tiny)
        scale = raw / max(float(rows.size.sum()), np.finfo(float).tiny)
    if information is not None:
        return replace(information, score=total, level_score=level_total, dispersion=dispersion)
    return Step(total, level_total, gram, border, level_weight, dispersion, scale)


def _add(sums: Floats, codes: Codes, values: Floats, *, alone: bool) -> None:
    if alone:
        sums[0] += values.sum()
    else:
        low = int(codes.min())
        met = np.bincount(codes - low, values)
        sums[low : low + len(met)] += met
