"""Totals of units at many draws of the parameters: under their own practice, and under average practice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from benchmodels.errors import ConvergenceError
from benchmodels.kernels.families import marginal, mean
from benchmodels.kernels.posterior_levels import population_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.arrow import Rows

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["DrawnPractice", "average_totals", "own_totals", "population_means", "predicted_totals"]

# Numbers in an array of rows × draws.
BLOCK = 1 << 20
# Move of the average level, on the link scale, up to which the expected totals are linear in it.
LINEAR = 3e-4


@dataclass(frozen=True, eq=False)
class DrawnPractice:
    """Practice at d draws: slopes (d, p), each unit's level (d, k), and the spread (d,) of levels; link scale."""

    slopes: Floats
    levels: Floats
    spread: Floats

    def __len__(self) -> int:
        return len(self.spread)


def own_totals(rows: Rows, starts: Codes, drawn: DrawnPractice) -> Floats:
    """Return each unit's expected total (d, k) of its own rows at its own level.

    Parameters
    ----------
    rows : Rows
        n rows sorted by unit; ``codes`` are units.
    starts : (k,) array
        First row of each unit.
    """
    totals = np.empty(drawn.levels.shape)
    for part in _blocks(len(rows.outcome), len(drawn)):
        eta = _linear(rows, drawn.slopes[part]) + drawn.levels[part].T[rows.codes]
        totals[part] = np.add.reduceat(rows.size[:, None] * mean(rows.family, eta), starts, axis=0).T
    return totals


def average_totals(rows: Rows, starts: Codes, drawn: DrawnPractice, total: Floats, start: Floats) -> Floats:
    """Return each unit's total (d, k) under average practice: a mean over levels about the one that gives the total.

    Parameters
    ----------
    total : (d,) array
        Of all rows together, in the outcome's unit of measure.
    start : (d,) array
        Near the average level, link scale.

    Raises
    ------
    ConvergenceError
        No such level was found.

    Notes
    -----
    Newton on one level a draw. At the end the totals are moved along their derivative: their sum is right, and each is
    to a relative 1e-7, the square of the last move (``test_expected_adds_up_in_every_draw``). Average practice is the
    same for all rows that are alike, whatever their unit: cost for a draw some two passes of a mean over levels of the
    p different rows, 64 p for the logit, 2 p for other links.
    """
    alike = _alike(rows, starts)
    size = alike.size.sum(axis=0)
    expected = np.empty(drawn.levels.shape)
    for part in _blocks(len(size), len(drawn)):
        eta, level = _linear(alike, drawn.slopes[part]), start[part].copy()
        for _ in range(40):
            mu, slope, _ = marginal(rows.family, eta + level, drawn.spread[part])
            there, rise = size @ mu, size @ slope
            with np.errstate(divide="ignore", invalid="ignore"):
                move = (total[part] - there) / rise
            if not np.isfinite(move).all():
                raise ConvergenceError("no average level was found at a draw from the posterior")
            if rows.family.link == "identity" or np.abs(move).max() <= LINEAR:
                break
            level += np.clip(move, -2.0, 2.0)
        else:
            raise ConvergenceError("no average level was found at a draw from the posterior")
        mu += slope * move
        expected[part] = (alike.size @ mu).T
    return expected


def population_means(rows: Rows, drawn: DrawnPractice) -> Floats:
    """Return the mean (d, k) per unit of size of all rows together at each unit's level.

    Raises
    ------
    ConvergenceError
        The levels of a draw are too far apart.
    """
    alike = _alike(rows, np.zeros(1, dtype=np.intp))
    size = alike.size.sum(axis=0)
    means = np.empty(drawn.levels.shape)
    for part in _blocks(len(size), len(drawn)):
        eta = np.ascontiguousarray(_linear(alike, drawn.slopes[part]).T)
        for at, levels, row in zip(eta, drawn.levels[part], range(part.start, part.stop), strict=True):
            curve = population_curve(rows.family, at, size, float(levels.min()), float(levels.max()))
            means[row] = curve(levels)
    return means


def predicted_totals(
    rows: Rows, starts: Codes, drawn: DrawnPractice, residual: Floats | None, rng: np.random.Generator
) -> Floats:
    """Draw each unit's new total (d, k): the outcomes of its own cases another time, at its own level.

    ``residual`` (d,) is the residual standard deviation of a Gaussian outcome, None for counts.
    """
    totals = np.empty(drawn.levels.shape)
    size = rows.size[:, None]
    for part in _blocks(len(rows.outcome), len(drawn)):
        mu = mean(rows.family, _linear(rows, drawn.slopes[part]) + drawn.levels[part].T[rows.codes])
        if residual is not None:
            new: Any = size * mu + residual[part] * np.sqrt(size) * rng.standard_normal(mu.shape)
        elif rows.family.share:
            new = rng.binomial(np.broadcast_to(size, mu.shape).astype(np.int64), np.clip(mu, 0.0, 1.0))
        else:
            new = rng.poisson(size * mu)
        totals[part] = np.add.reduceat(new, starts, axis=0).T
    return totals


@dataclass(frozen=True, eq=False)
class _Alike:
    """The p rows that differ: ``columns`` (p, q), ``offset`` (p,), and the size (k, p) of them in each unit."""

    columns: Floats
    offset: Floats
    size: csr_array


def _alike(rows: Rows, starts: Codes) -> _Alike:
    different, place = np.unique(np.column_stack([rows.columns, rows.offset]), axis=0, return_inverse=True)
    unit = np.searchsorted(starts, np.arange(len(rows.size)), side="right") - 1
    size = csr_array((rows.size, (unit, place.ravel())), shape=(len(starts), len(different)))
    return _Alike(different[:, :-1], different[:, -1], size)


def _linear(rows: Rows | _Alike, slopes: Floats) -> Floats:
    eta: Floats = rows.columns @ slopes.T
    eta += rows.offset[:, None]
    return eta


def _blocks(rows: int, draws: int) -> list[slice]:
    length = max(1, BLOCK // max(rows, 1))
    return [slice(a, min(a + length, draws)) for a in range(0, draws, length)]
