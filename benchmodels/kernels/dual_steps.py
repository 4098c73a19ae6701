"""Dual steps: bases that are optimal in cost, but do not fit their points, are led to where they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.kernels.shared_columns import DUST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_columns import Allowed, Columns

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["dual_steps", "short_places"]

# Of a variable below zero, relative to the terms that it is a sum of; of a pivot, to its own: one that is sure, and one
# that is taken where there is no other, since it is more than rounding.
_BELOW, _SURE, _PIVOT = 1e-13, 1e-10, 1e-13
# Ratios of costs that count as equal: among them the largest pivot is taken.
_NEAR, _ROUNDING = 1e-9, 1e-13
# Steps, of which few are usual, and entries of a table of programs by columns.
_MOST, _ENTRIES = 60, 2**20


def short_places(inverse: Floats, value: Floats, point: Floats) -> Mask:
    """Return which values (k, d) of bases are below zero by more than rounding: by the terms that they are sums of.

    ``inverse`` is (k, d, d) and ``point`` (k, d); place 0 holds a variable that is free.
    """
    short = np.asarray(value < -_BELOW * np.matmul(np.abs(inverse), np.abs(point)[:, :, None])[:, :, 0])
    short[:, 0] = False
    return short


def dual_steps(
    columns: Columns,
    point: Floats,
    member: Codes,
    programs: Codes,
    code: Codes,
    inverse: Floats,
    allowed: Allowed | None = None,
) -> None:
    """Make bases fit their points; those that do not get there in 60 steps are left as they are.

    Parameters
    ----------
    columns : Columns
    point : (k, d) array
    member : (k,) array of int
        Set of columns of each program, ascending.
    programs : (p,) array of int
        Which of the k programs.
    code : (k, d) array of int; inverse : (k, d, d) array
        Bases and their inverses; those of ``programs`` are written.
    allowed : callable, optional
        As in `maximise`.

    Notes
    -----
    Dual simplex. Of each program the place furthest below zero leaves, and the column enters whose reduced cost is the
    first to come to zero; of those within rounding the one with the largest pivot. Cost per step: n d multiplications.
    """
    size = max(1, _ENTRIES // max(1, columns.count))
    for j in np.unique(member[programs]).tolist():
        of_set = programs[member[programs] == j]
        body = columns.of_set(j)
        for low in range(0, len(of_set), size):
            some = of_set[low : low + size]
            usable = None if allowed is None else allowed(some, 0, columns.count)
            _stepped(body, point[some], some, code, inverse, usable)


def _stepped(body: Floats, point: Floats, some: Codes, code: Codes, inverse: Floats, usable: Mask | None) -> None:
    """Take the steps of programs with the same columns (d, c), together."""
    held, table, near = code[some], inverse[some], np.abs(body) + DUST
    going = np.arange(len(some))
    for _ in range(_MOST):
        b, now = point[going], table[going]
        # How much of a place comes from rounding alone: by its own row of the inverse.
        short = np.matmul(now, b[:, :, None])[:, :, 0]
        short += _BELOW * np.matmul(np.abs(now), np.abs(b)[:, :, None])[:, :, 0]
        short[:, 0] = 0.0
        out = short.argmin(axis=1)
        fits = short.min(axis=1) >= 0.0
        there = going[fits]
        code[some[there]], inverse[some[there]] = held[there], table[there]
        going, now, b, out = going[~fits], now[~fits], b[~fits], out[~fits]
        each = np.arange(len(going))
        row, price = now[each, out], now[:, 0]
        move = row @ body
        terms = np.abs(row) @ near
        if usable is not None:
            move[:, : usable.shape[1]][~usable[going]] = 0.0
        against = move < -_SURE * terms
        none = ~against.any(axis=1)
        against[none] = move[none] < -_PIVOT * terms[none]
        ratio = np.full(move.shape, np.inf)
        np.divide(np.maximum(price @ body, 0.0), -move, out=ratio, where=against)
        worth = (np.abs(price) * np.abs(b)).sum(axis=1)
        limit = ratio.min(axis=1) * (1.0 + _NEAR) + _ROUNDING * worth
        enters = np.where(ratio <= limit[:, None], -move, -np.inf).argmax(axis=1)
        # Without a column that could, the program is left as it was.
        can = np.isfinite(limit)
        going, now, out, row, enters = going[can], now[can], out[can], row[can], enters[can]
        if not len(going):
            return
        each = np.arange(len(going))
        step = np.matmul(now, body[:, enters].T[:, :, None])[:, :, 0]
        row = row / step[each, out][:, None]
        step[each, out] = 0.0
        now = now - step[:, :, None] * row[:, None]
        now[each, out] = row
        table[going] = now
        held[going, out] = enters
