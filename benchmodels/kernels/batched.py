"""Many generalised linear models at once on the same rows: bootstrap, resampled clusters, multiverse.

Newton's method for all replicates together. Replicates stand last in every small array, so that one instruction works
on many of them; the information of a chunk of replicates is one matrix product of their weights with the products of
pairs of columns; and its factor is the Cholesky factor of a block-arrow matrix, levels first, for the whole chunk.

References
----------
Dennis & Schnabel (1983), Numerical Methods for Unconstrained Optimization, section 6.3 (step halving); Davison &
Hinkley (1997), Bootstrap Methods and their Application, sections 2.2–2.3 (parametric, cases) and 3.8 (clusters).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import logit

from benchmodels.errors import DataError
from benchmodels.kernels.basis import group_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Flags = NDArray[np.bool_]
    Start = tuple[Floats, Floats]
    Canonical = Literal["binomial", "poisson", "gaussian"]

__all__ = ["BatchFit", "bootstrap_cells", "bootstrap_clusters", "fit_batch", "simulate_binomial"]

# Numbers in an array of a chunk of replicates, replicates in a chunk, and numbers in a block of its rows.
CHUNK, MOST, BLOCK = 1 << 22, 1024, 1 << 17
# Passes from a common start, before a replicate begins anew among the others that were slow.
QUICK = 8
# Once the decrement is below this and falls by this factor a pass, the factor serves the steps that follow too.
NEAR = 0.1
# A column counts as collinear with less than this part of its sum of squares left after levels and other columns, and
# as the rounding of a constant with less than this part of its root mean square left about its means within levels.
SINGULAR, CONSTANT = 1e-12, 1e-12
# Part of the information at the start that a slope must keep, as in `newton`.
KEPT = 1e-7


@dataclass(frozen=True, eq=False)
class BatchFit:
    """Maximum-likelihood estimates of B replicates with p columns and g levels; NaN where there are none.

    Parameters
    ----------
    slopes : (B, p) array
        On the link scale per unit of each column; NaN too in columns that a replicate does not use.
    levels : (B, g) array
        On the link scale; infinite in a level with no events or only events, NaN in one without weight.
    converged : (B,) array of bool
        False: no maximum (separation, collinear columns), or not found; slopes and levels are NaN.
    decrement : (B,) array
        Length of the last Newton step in standard errors; it has no meaning where a replicate has not converged.
    iterations : (B,) array of int
        Passes over the rows since the start that served.
    """

    slopes: Floats
    levels: Floats
    converged: Flags
    decrement: Floats
    iterations: Codes


def _nothing(b: int, p: int, g: int) -> BatchFit:
    nan = np.full((b, p), np.nan), np.full((b, g), np.nan)
    return BatchFit(*nan, np.zeros(b, dtype=bool), np.full(b, np.nan), np.zeros(b, dtype=np.intp))


def _some(values: Floats, which: Codes, axis: int = -1) -> Floats:
    """Return some replicates of an array that all may share."""
    return values if values.shape[axis] == 1 else values.take(which, axis)


def _moments(family: Canonical, eta: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Return means of rows, infinite where they overflow, and information on the linear predictor, which is lost."""
    if family == "gaussian":
        return size * eta, size
    if family == "poisson":
        fitted = size * np.exp(eta, out=eta)
        return fitted, fitted
    np.exp(np.negative(eta, out=eta), out=eta)
    eta += 1.0
    fitted = size * np.divide(1.0, eta, out=eta)
    return fitted, fitted * np.subtract(1.0, eta, out=eta)


@dataclass(frozen=True, eq=False)
class _Block:
    """Rows of the design (p, r), sorted by level: ``cuts`` are the first rows of the levels ``met``, and r."""

    columns: Floats
    offset: Floats
    rows: slice
    met: slice
    cuts: Codes


@dataclass(frozen=True, eq=False)
class _Factor:
    """Cholesky factor of the information: ``root`` (g, B) of the levels' own, ``lower`` (p, g + p, B) of all slopes.

    ``pivots`` (p, B): information on a slope given the levels and the columns before it, or zero if there is none.
    """

    root: Floats
    lower: Floats
    pivots: Floats

    def solve(self, score: Floats, level_score: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the steps (p, B) and (g, B), and the square of their length in the metric of the information."""
        g, p = len(self.root), len(self.lower)
        z = np.concatenate([level_score / self.root, score])
        for j in range(p):
            z[g + j] -= np.einsum("kb,kb->b", self.lower[j, : g + j], z[: g + j])
            z[g + j] /= self.lower[j, g + j]
        length = np.einsum("kb,kb->b", z, z)
        for j in reversed(range(p)):
            z[g + j] /= self.lower[j, g + j]
            z[: g + j] -= self.lower[j, : g + j] * z[g + j]
        return z[g:], z[:g] / self.root, length


def _factorise(weights: Floats, lower: Floats, triangle: Floats, uses: Flags | None) -> _Factor:
    """Factorise the information on levels (g, B), its border in ``lower``, and that on slopes, which are overwritten.

    A column that is not in use is given infinite information of its own, which holds its slope where it is.
    """
    (g, b), p, at = weights.shape, len(lower), 0
    root, pivots = np.sqrt(np.where(weights > 0, weights, 1.0)), np.empty((p, b))
    lower[:, :g] /= root
    for j in range(p):
        column = triangle[at : at + p - j]
        at += p - j
        least = SINGULAR * column[0]
        column -= np.einsum("ikb,kb->ib", lower[j:, : g + j], lower[j, : g + j])
        pivots[j] = np.where(column[0] > least, column[0], 0.0)
        np.divide(column, np.sqrt(np.where(column[0] > least, column[0], 1.0)), out=lower[j:, g + j])
        if uses is not None:
            lower[j + 1 :, g + j, ~uses[j]], lower[j, g + j, ~uses[j]], pivots[j, ~uses[j]] = 0.0, np.inf, 1.0
    return _Factor(root, lower, pivots)


@dataclass(frozen=True, eq=False)
class _Chunk:
    """B replicates that are fitted together: outcome and size (B, n) or (1, n), and columns in use (p, B)."""

    blocks: list[_Block]
    outcome: Floats
    size: Floats
    uses: Flags | None
    family: Canonical
    replicates: int

    def take(self, which: Codes) -> _Chunk:
        """Return some of the replicates."""
        uses = None if self.uses is None else self.uses[:, which]
        outcome, size = _some(self.outcome, which, 0), _some(self.size, which, 0)
        return replace(self, outcome=outcome, size=size, uses=uses, replicates=len(which))

    def sums(self, slopes: Floats, levels: Floats, factor: _Factor | None) -> tuple[Floats, Floats, Floats, _Factor]:
        """Return scores (p, B) and (g, B), dispersion (B,), and the factor: that given, or else that of this point."""
        p, g, b = len(slopes), len(levels), self.replicates
        score, level_score, squares = np.zeros((p, b)), np.zeros((g, b)), np.full((2, b), np.finfo(float).tiny)
        alike = len(self.size) == 1 and self.uses is None and (self.family == "gaussian" or slopes.shape[1] == 1)
        shapes = (g,), (p, g + p), (p * (p + 1) // 2,)
        weights, lower, triangle = (np.zeros((*shape, 1 if alike else b)) for shape in shapes)
        for block in self.blocks:
            size, outcome = self.size[:, block.rows], self.outcome[:, block.rows]
            eta, own = slopes.T @ block.columns, levels[block.met].T
            eta += own if own.shape[1] == 1 else np.repeat(own, np.diff(block.cuts), axis=1)
            eta += block.offset
            fitted, weight = _moments(self.family, eta, size)
            residual = outcome - fitted
            score += block.columns @ residual.T
            level_score[block.met] += np.add.reduceat(residual, block.cuts[:-1], axis=1).T
            if self.family == "gaussian":
                # Only the unit of measure of the decrement rests on these; the second is for data that fit exactly.
                each = np.maximum(size, np.finfo(float).tiny)
                squares[0] += np.sum(residual**2 / each, axis=1)
                squares[1] += np.sum((1e-6 * outcome) ** 2 / each, axis=1)
            if factor is None:
                # Products of pairs of columns, the lower triangle column by column.
                pairs = [block.columns[:0], *(block.columns[j:] * row for j, row in enumerate(block.columns))]
                triangle += np.concatenate(pairs) @ weight.T
                weights[block.met] += np.add.reduceat(weight, block.cuts[:-1], axis=1).T
                for level, part in zip(range(g)[block.met], map(slice, block.cuts[:-1], block.cuts[1:]), strict=True):
                    lower[:, level] += block.columns[:, part] @ weight[:, part].T
        dispersion = squares.max(axis=0) / self.size.shape[1] if self.family == "gaussian" else np.ones(b)
        return score, level_score, dispersion, factor or _factorise(weights, lower, triangle, self.uses)


def _newton(chunk: _Chunk, slopes: Floats, levels: Floats, tolerance: float, max_iterations: int) -> BatchFit:
    """Fit a chunk from slopes (p, B) and levels (g, B), or (p, 1) and (g, 1) for all; levels left out stay."""
    p, g, b = len(slopes), len(levels), chunk.replicates
    fit, slopes = _nothing(b, p, g), slopes if chunk.uses is None else slopes * chunk.uses
    active, factor, near, last, first = np.arange(b), None, False, 0.0, None
    move, level_move, before = np.zeros((p, 1)), np.zeros((g, 1)), np.zeros(1)
    for iteration in range(1, max_iterations + 1):
        score, level_score, dispersion, factor = chunk.sums(slopes, levels, factor if near else None)
        first = factor.pivots if first is None else first
        step, level_step, length = factor.solve(score, level_score)
        ahead = np.sum(score * move, axis=0) + np.sum(level_score * level_move, axis=0)
        # A step along which the slope has turned is halved, unless it has cut the decrement to less than a third.
        good = np.isfinite(ahead) & ((ahead >= 0) | (length <= 0.1 * before))
        move, level_move = np.where(good, step, -0.5 * move), np.where(good, level_step, -0.5 * level_move)
        slopes, levels, before = slopes + move, levels + level_move, np.where(good, length, before)
        decrement = np.sqrt(length / dispersion)
        informed = np.all(factor.pivots > KEPT * first, axis=0)
        over = good & ((decrement <= tolerance) | ~informed)
        near, last = good.all() and decrement.max() <= NEAR * min(1.0, last), decrement.max()
        fit.decrement[active], fit.iterations[active] = decrement, iteration
        fit.converged[active] = done = over & informed
        if over.any():
            fit.slopes[active[done]], fit.levels[active[done]] = slopes[:, done].T, levels[:, done].T
            rest = np.flatnonzero(~over)
            active, chunk, first = active[rest], chunk.take(rest), _some(first, rest)
            factor = replace(factor, **{name: _some(part, rest) for name, part in vars(factor).items()})
            parts = slopes, levels, move, level_move, before
            slopes, levels, move, level_move, before = (part[..., rest] for part in parts)
        if not len(active):
            break
    return fit


class _Design:
    """Columns and offset about ``means`` (g, p) and ``shifts`` (g,) within levels, weighted by the average size."""

    def __init__(
        self, columns: Floats, offset: Floats, codes: Codes, size: Floats, family: Canonical, replicates: int
    ) -> None:
        (n, p), self.family = columns.shape, family
        groups = np.arange(int(codes[-1]) + 1)
        both = np.column_stack([columns, offset])
        means = group_means(both, size, codes, len(groups))
        inside = (both - means[codes]).T
        # What is left of a constant is set to zero, so that it counts as collinear whatever its rounding.
        within, raw = (np.einsum("pn,pn,n->p", part, part, size) for part in (inside[:p], columns.T))
        inside[:p][within <= CONSTANT**2 * raw] = 0.0
        self.starts, self.means, self.shifts = np.searchsorted(codes, groups), means[:, :p], means[:, p]
        self.blocks, step = [], max(64, BLOCK // replicates)
        for rows in (slice(a, min(a + step, n)) for a in range(0, n, step)):
            met = slice(int(codes[rows.start]), int(codes[rows.stop - 1]) + 1)
            cuts = np.concatenate([[rows.start], self.starts[met][1:], [rows.stop]]) - rows.start
            part = np.ascontiguousarray(inside[:, rows])
            self.blocks.append(_Block(part[:p], part[p], rows, met, cuts))

    def fit(
        self, outcome: Floats, size: Floats, uses: Flags | None, start: Start | None, tolerance: float, passes: int
    ) -> BatchFit:
        """Fit a chunk of replicates, less the levels that have no finite estimate; by default from their own means."""
        b, family = max(len(outcome), len(size), 1 if uses is None else uses.shape[1]), self.family
        events, sizes = (np.add.reduceat(part, self.starts, axis=1) for part in (outcome, size))
        infinite = np.where(sizes > 0, 0.0, np.nan)
        if family != "gaussian":
            infinite = np.where((events <= 0) & (sizes > 0), -np.inf, infinite)
        if family == "binomial":
            infinite = np.where((events >= sizes) & (sizes > 0), np.inf, infinite)
        lost = infinite != 0
        # Half a case at the overall mean, as in `newton`.
        overall = events.sum(axis=1, keepdims=True) / sizes.sum(axis=1, keepdims=True)
        prior = 0.0 if family == "gaussian" else 0.5 / overall
        own = (events + prior * overall) / (sizes + prior)
        if family != "gaussian":
            own = np.asarray(logit(own) if family == "binomial" else np.log(own))
        if lost.any():
            kept = np.repeat(~lost, np.diff(self.starts, append=outcome.shape[1]), axis=1)
            outcome, size = np.where(kept, outcome, 0.0), np.where(kept, size, 0.0)
        slopes, levels = np.zeros((self.means.shape[1], own.shape[0])), np.where(lost, 0.0, own).T
        if start is not None:
            inside = start[1] + self.means @ start[0] + self.shifts
            slopes, levels = start[0][:, None], np.where(np.isfinite(inside), inside, 0.0)[:, None]
        found = _newton(_Chunk(self.blocks, outcome, size, uses, family, b), slopes, levels, tolerance, passes)
        levels = found.levels - found.slopes @ self.means.T - self.shifts
        failed = np.where(found.converged, 0.0, np.nan)[:, None]
        slopes = found.slopes if uses is None else np.where(uses.T, found.slopes, np.nan)
        return replace(found, slopes=slopes, levels=np.where(infinite == 0, levels, infinite + failed))


def fit_batch(
    columns: Floats,
    outcome: Floats,
    size: Floats,
    offset: Floats,
    *,
    family: Canonical,
    weights: Floats | None = None,
    codes: Codes | None = None,
    subsets: Flags | None = None,
    start: Start | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 40,
) -> BatchFit:
    """Fit B models with the canonical link to the same rows, each with outcomes, sizes, weights or columns of its own.

    Parameters
    ----------
    columns : (n, p) array
        Covariates in any unit of measure, without a column of ones.
    outcome, size : (n,) or (B, n) arrays
        Total outcome of the row (successes, events, kroner) and its trials, exposure or cases: the row's mean is
        ``size * mean(eta)``.
    offset : (n,) array
        On the link scale.
    family : str
        "binomial" (logit), "poisson" (log) or "gaussian" (identity).
    weights : (B, n) array, optional
        How many times a replicate has the row, non-negative; multiplies its outcome and its size.
    codes : (n,) array, optional
        Level of each row: 0 … g − 1, non-decreasing, each met. None: one level.
    subsets : (B, p) array of bool, optional
        Columns that a replicate uses. None: all.
    start : tuple of arrays (p,) and (g,), optional
        Slopes and levels from which every replicate starts. By default those of the average replicate or, with
        ``subsets``, zero and the replicate's own means: from there replicates that fail try again.
    tolerance : float
        Stop when the decrement is below this many standard errors; the last step is taken all the same.
    max_iterations : int
        Passes over the rows.

    Returns
    -------
    BatchFit

    Notes
    -----
    A level without events, or with nothing but events, leaves its rows out of the replicate exactly. Separation is told
    as in `newton`, by lost information: if that along a direction v vanishes, so does the Cholesky pivot of the last
    column in v, and no pivot is smaller than what is left along some direction. Converged answers agree with single
    fits to 1e-8 standard errors (test_same_as_single_fits). A pass costs (n + g) p² / 2 multiplications and n
    exponentials a replicate; memory beyond arguments and result is some six arrays of max(2²², 8 (n + p (g + p)))
    numbers and four of n p, whatever B.
    """
    n, p = columns.shape
    codes = np.zeros(n, dtype=np.intp) if codes is None else codes
    outcome, size, own = np.atleast_2d(outcome), np.atleast_2d(size), np.ones((1, 1)) if weights is None else weights
    b, g = max(len(outcome), len(size), len(own), 1 if subsets is None else len(subsets)), int(codes[-1]) + 1
    each = min(b, MOST, max(8, CHUNK // (n + p * (g + p))))
    middle, total = (np.einsum("bn,bn->n", own, part)[None] / max(len(own), len(part)) for part in (outcome, size))
    design, fit = _Design(columns, offset, codes, total[0], family, each), _nothing(b, p, g)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        if start is None and subsets is None and b > 1:
            whole = design.fit(middle, total, None, None, NEAR, max_iterations)
            start = (whole.slopes[0], whole.levels[0]) if whole.converged[0] else None
        for begin, passes in ((start, min(QUICK, max_iterations)), (None, max_iterations))[start is None :]:
            rest = np.flatnonzero(~fit.converged)
            for which in filter(len, np.split(rest, range(each, len(rest), each))):
                part = _some(outcome, which, 0), _some(size, which, 0)
                if weights is not None:
                    part = part[0] * weights[which], part[1] * weights[which]
                uses = None if subsets is None else subsets[which].T
                found = design.fit(*part, uses, begin, tolerance, passes)
                for values, some in zip(vars(fit).values(), vars(found).values(), strict=True):
                    values[which] = some
    return fit


def bootstrap_cells(outcome: Floats, size: Floats, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the cases of the whole table with replacement, without writing them out.

    Parameters
    ----------
    outcome, size : (n,) arrays
        Successes and trials of each cell, whole numbers.
    replicates : int
    rng : Generator
        One child for each fixed block of replicates, and results do not depend on who works on which block.

    Returns
    -------
    outcome, size : (replicates, n) arrays
        Multinomial over the 2 n pairs of cell and result, so sizes vary too.

    Raises
    ------
    DataError
        Outcomes or sizes are not whole numbers with 0 ≤ outcome ≤ size, or there is no case.
    """
    counts = np.concatenate([outcome, size - outcome])
    if np.any(counts != np.floor(counts)) or np.any(counts < 0) or not counts.any():
        raise DataError("cases to redraw are whole numbers of successes and trials, 0 <= outcome <= size, at least one")
    drawn, met = np.zeros((replicates, len(counts))), counts > 0
    drawn[:, met] = rng.multinomial(int(counts.sum()), counts[met] / counts.sum(), size=replicates)
    return drawn[:, : len(size)], drawn[:, : len(size)] + drawn[:, len(size) :]


def simulate_binomial(mean: Floats, size: Floats, replicates: int, rng: np.random.Generator) -> Floats:
    """Draw successes (replicates, n) of cells with chances ``mean`` (n,) and trials ``size`` (n,), whole numbers."""
    return rng.binomial(size.astype(np.int64), mean, size=(replicates, len(size))).astype(np.float64)


def bootstrap_clusters(clusters: Codes, units: Codes, replicates: int, rng: np.random.Generator) -> Floats:
    """Draw whole clusters with replacement within units, each of which keeps its number of clusters.

    Parameters
    ----------
    clusters : (n,) array
        Cluster of each row, 0 … G − 1, in any order.
    units : (G,) array
        Unit of each cluster; one and the same for clusters of the whole table.
    replicates : int; rng : Generator

    Returns
    -------
    (replicates, n) array
        How many times each row is drawn.
    """
    drawn = np.empty((replicates, len(units)))
    for unit in np.unique(units):
        own = np.flatnonzero(units == unit)
        drawn[:, own] = rng.multinomial(len(own), np.full(len(own), 1.0 / len(own)), size=replicates)
    return drawn[:, clusters]
