"""Who steers a fit, and who has no peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.adjustment.diagnostics.cases import (
    equal_groups,
    warn_lost,
)
from benchmodels.kernels.arrow import Rows, solve_scaled
from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.families import marginal
from benchmodels.kernels.leave_out import unit_pieces
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.fit import Fit
    from benchmodels.adjustment.practice import Practice

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["influence", "overlap"]

# Classes of the case mix, each with the same part of the population.
CLASSES = 20


def influence(fit: Fit) -> pd.DataFrame:
    """Return who steers the fit: what leaving each unit out does to slopes and to others' expected rates.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    DataFrame
        ``unit, dfbetas, name, shift, shifted, leverage``. ``dfbetas``: slope less the slope without the unit, in
        standard errors of the full fit, of the coefficient ``name`` that moves most. ``shift``: expected rate of
        ``shifted``, the other unit that moves most, less the same without this unit. ``leverage``: the unit's share
        of the information on slopes (and level); the shares add to one. NaN where the others alone have no fit.

    Notes
    -----
    One pass over the cells for all units together, n k p; never k² in memory.

    References
    ----------
    Belsley, Kuh & Welsch (1980), Regression Diagnostics, section 2.1, with units deleted for rows.
    """
    rows, unit, k = fit._rows, fit.design.unit, len(fit.design.units)
    practice = fit.practice("others")
    warn_lost(fit, ~practice.found)
    names = np.array([*fit.slopes.index, ""], dtype=object)
    change = fit._basis.to_columns(fit._solution.slopes - practice.slopes)
    inside = np.arange(change.shape[1]) if fit.random is None else fit.random.inside
    columns = len(fit.design.names if fit.random is None else fit.random.names)
    weighted = fit.model.sampling_weights is not None
    errors = fit.coefficients(covariance="HC1" if weighted else "model")["std_error"].to_numpy()
    change = change / errors[len(errors) - columns :][inside]
    most = np.full(k, -1)
    if change.shape[1]:
        most = np.where(practice.found, np.argmax(np.abs(np.nan_to_num(change)), axis=1), -1)
    steered = np.column_stack([change, np.full(k, np.nan)])[np.arange(k), most]
    with one_blas_thread():
        shift, where = _shifts(fit, practice)
    return pd.DataFrame(
        {
            "unit": fit.design.units,
            "dfbetas": steered,
            "name": names[most],
            "shift": shift,
            "shifted": np.where(practice.found, fit.design.units[where], ""),
            "leverage": _leverage(fit, rows, unit, k),
        }
    ).infer_objects()


def _shifts(fit: Fit, practice: Practice) -> tuple[Floats, Codes]:
    """Return the largest move of another unit's expected rate when each is left out, and that unit's position."""
    rows, k = fit._rows, len(practice.average)
    starts = np.append(fit.design.starts, len(rows.size))
    base = fit.expected(reference="all").to_numpy()
    largest, where = np.zeros(k), np.zeros(k, dtype=np.intp)
    for j in range(k):
        total, size = np.zeros(k), 0.0
        own = slice(starts[j], starts[j + 1])
        for block in row_blocks(own.stop - own.start, k):
            part = slice(own.start + block.start, own.start + block.stop)
            eta = rows.columns[part] @ practice.slopes.T + practice.average + rows.offset[part, None]
            total += rows.size[part] @ marginal(rows.family, eta, practice.spread)[0]
            size += rows.size[part].sum()
        moved = (base[j] - total) / size
        moved[j] = 0.0
        more = np.abs(moved) > np.abs(largest)
        largest[more], where[more] = moved[more], j
    return np.where(practice.found, largest, np.nan), where


def _leverage(fit: Fit, rows: Rows, unit: Codes, k: int) -> Floats:
    """Return each unit's share of the information; levels of units give way to it by their reliability."""
    pieces = unit_pieces(rows, unit, k, fit._solution.slopes, fit._solution.levels)
    edge = np.column_stack([pieces.border, pieces.weight])
    whole = np.concatenate([np.concatenate([pieces.gram, pieces.border[:, :, None]], axis=2), edge[:, None]], axis=1)
    weight = np.where(pieces.weight > 0, pieces.weight, 1.0)
    kept = np.zeros(k)
    if fit.random is not None and not fit.random.boundary:
        kept = weight / (weight + fit.random.dispersion / fit.random.unit_sd**2)
    elif rows.groups > 1 and fit.random is None:
        kept, whole, edge = np.ones(k), pieces.gram, pieces.border
    whole = whole - (kept / weight)[:, None, None] * edge[:, :, None] * edge[:, None, :]
    q = whole.shape[1]
    if q == 0:
        return np.full(k, np.nan)
    return np.asarray(np.einsum("pq,kqp->k", solve_scaled(whole.sum(axis=0), np.eye(q)), whole) / q)


def overlap(fit: Fit) -> pd.DataFrame:
    """Return how far each unit's case mix is found elsewhere, the most isolated unit first.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    DataFrame
        ``unit, size, overlap, comparable``. ``overlap``: share of the case mix that the others have too, 0 to 1, over
        20 classes of the linear predictor of the slopes. ``comparable``: effective size of the others' cases once they
        are weighted to the unit's case mix, in the unit of measure of size (Kish); what no other unit has is left out.

    References
    ----------
    Kish (1965), Survey Sampling (effective size under unequal weights).
    """
    rows, d = fit._rows, fit.design
    k = len(d.units)
    score = rows.columns @ fit._solution.slopes
    codes = equal_groups(score, rows.size, CLASSES)
    classes = int(codes.max()) + 1
    table = group_sums(d.unit * classes + codes, rows.size, k * classes).reshape(k, classes)
    others, size = table.sum(axis=0) - table, table.sum(axis=1)
    mix = table / size[:, None]
    shared = np.minimum(mix, others / others.sum(axis=1, keepdims=True)).sum(axis=1)
    matched = np.where(others > 0, mix, 0.0)
    squares = np.sum(matched**2 / np.where(others > 0, others, 1.0), axis=1)
    comparable = np.divide(matched.sum(axis=1) ** 2, squares, out=np.zeros(k), where=squares > 0)
    shared = shared if rows.columns.shape[1] else np.full(k, np.nan)
    frame = pd.DataFrame({"unit": d.units, "size": size, "overlap": shared, "comparable": comparable}).infer_objects()
    return frame.sort_values("overlap", kind="stable", ignore_index=True)
