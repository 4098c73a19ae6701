"""Cross-fitting by unit: folds, what each learns from the others, and the level no unit has a say in for itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.adjustment.cross_fitted.learner import at_edge
from benchmodels.errors import ConvergenceError, SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import group_means
from benchmodels.kernels.families import mean
from benchmodels.kernels.levels import own_levels
from benchmodels.kernels.newton import fit_in_basis
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.cross_fitted.learner import Learner

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Calibrate", "CrossFit", "average_mean", "balanced_folds", "common_level", "cross_fit"]

Calibrate = Literal["level", "slope"]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """One split: c cells, k units, f folds.

    Parameters
    ----------
    fold : (k,) array of int
    eta : (c,) array
        Linear predictor of each cell, learnt without its unit, before a level.
    level : (k,) array
        α* of each unit, in which it has no say; infinite or NaN where the others do not give one.
    slope : (f,) array
        What the linear predictor was multiplied by; 1 under ``calibrate="level"``.
    fits, edge : int
        How many times the estimator learnt; cells whose mean was predicted to be 0 (or 1) exactly.
    """

    fold: Codes
    eta: Floats
    level: Floats
    slope: Floats
    fits: int
    edge: int


def balanced_folds(size: Floats, folds: int, rng: np.random.Generator) -> Codes:
    """Return a fold (k,) for each unit: the largest are dealt out one to each, then the next largest, at random.

    Parameters
    ----------
    size : (k,) array
        Trials, exposure or cases of each unit.
    folds : int
        From 2 to k; k leaves one unit out at a time.
    rng : Generator
    """
    k = len(size)
    if folds == k:
        return np.arange(k)
    order = np.argsort(-size, kind="stable")
    fold = np.zeros(k, dtype=np.intp)
    for start in range(0, k, folds):
        dealt = order[start : start + folds]
        fold[dealt] = rng.permutation(folds)[: len(dealt)]
    return fold


def cross_fit(
    learner: Learner,
    rows: Rows,
    unit: Codes,
    units: NDArray[np.object_],
    fold: Codes,
    calibrate: Calibrate,
    rng: np.random.Generator,
) -> CrossFit:
    """Learn each fold's expected outcomes from the other folds, and each unit's level from the other units.

    Parameters
    ----------
    learner : Learner
    rows : Rows
        c cells without columns or offset.
    unit : (c,) array of int; units : (k,) array
    fold : (k,) array of int
    calibrate : "level" or "slope"
        "slope": f (f − 1) / 2 further fits without two folds at a time, which say how cells that the learner has not
        seen are predicted, without the fold that the slope is for.
    rng : Generator
    """
    folds, where = int(fold.max()) + 1, fold[unit]
    names = [listed(units[fold == f].tolist()) for f in range(folds)]
    unseen, edges = _unseen(learner, where, names, rng) if calibrate == "slope" else (None, 0)
    found, level, slope = np.zeros(len(unit)), np.zeros(len(units)), np.ones(folds)
    for f in range(folds):
        inside = where == f
        eta, edge = learner.predictions(~inside, rng, names[f])
        edges += edge
        if unseen is not None:
            _refuse_edges(learner, edges)
            unseen[f, inside] = eta[inside]
            slope[f] = _slope(rows, unseen[f], where, f, names[f])
            eta = slope[f] * unseen[f]
        found[inside] = eta[inside]
        for i in np.flatnonzero(fold == f):
            # Not by subtraction: the unit's own outcomes would come back in the last digit.
            level[i] = common_level(rows, eta, unit != i)
    fits = folds if unseen is None else folds * (folds + 1) // 2
    return CrossFit(fold, found, level, slope, fits, edges)


def _unseen(learner: Learner, where: Codes, names: list[str], rng: np.random.Generator) -> tuple[Floats, int]:
    """Return predictions (f, c) without fold f and the cell's own, which stay 0 inside f; and how many at the edge."""
    folds, edges = len(names), 0
    found = np.zeros((folds, len(where)))
    for f in range(folds):
        for g in range(f):
            eta, edge = learner.predictions((where != f) & (where != g), rng, f"{names[f]}, {names[g]}")
            found[f, where == g], found[g, where == f] = eta[where == g], eta[where == f]
            edges += edge
    return found, edges


def _refuse_edges(learner: Learner, edges: int) -> None:
    if edges:
        raise SpecificationError(
            f"calibrate='slope' needs means away from the edge, and {type(learner.estimator).__name__} predicts 0 or 1 "
            "exactly; let it average over more cases (min_samples_leaf=…), or say calibrate='level'"
        )


def common_level(rows: Rows, eta: Floats, among: Mask) -> float:
    """Return the one level at which observed and expected totals agree over some of the cells; NaN for none.

    What is predicted to be 0 or 1 exactly is so at any level.
    """
    never, always = at_edge(rows.family, eta)
    there = among & (rows.size > 0)
    target = rows.outcome[there].sum() - rows.size[there & always].sum()
    there &= ~(never | always)
    if not there.any():
        return 0.0 if target == 0 else float("nan")
    zero = np.zeros(int(there.sum()), dtype=np.intp)
    return float(own_levels(rows.family, rows.size[there], eta[there], zero, np.array([target]), np.zeros(1))[0])


def _slope(rows: Rows, eta: Floats, where: Codes, fold: int, without: str) -> float:
    """Return the slope of the outcome on predictions of unseen cells within folds; 1 where these are all alike.

    Within, as a fold that lies high makes its own predictions, learnt without it, lie low.
    """
    part = replace(rows, columns=eta[:, None], codes=where, groups=int(where.max()) + 1)
    part = part.take((where != fold) & (rows.size > 0))
    middle = group_means(part.columns, part.size, part.codes, part.groups)[part.codes]
    if np.max(np.abs(part.columns - middle)) <= 1e-9 * (1.0 + np.max(np.abs(part.columns))):
        return 1.0
    _, basis, solution = fit_in_basis(part)
    if solution is None or not solution.certificate.converged:
        raise ConvergenceError(f"no calibration slope was found without {without}; say calibrate='level'")
    return float(basis.to_columns(solution.slopes)[0])


def average_mean(rows: Rows, unit: Codes, splits: list[CrossFit]) -> Floats:
    """Return the expected mean (c,) of each cell under average practice, averaged over splits."""
    with np.errstate(invalid="ignore"):
        means = [mean(rows.family, split.eta + split.level[unit]) for split in splits]
    return np.mean(means, axis=0)  # type: ignore[no-any-return]
