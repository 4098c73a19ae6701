"""The estimating equations behind an expected value: what a case adds to each, and how each moves.

The unknowns are the slopes, then what the model estimates beside them but expects nothing by (the pooled level under a
link that is not canonical; level and log standard deviation of random effects), and last the average level α* of
ΣE = ΣO. Levels of unit effects are profiled out. To first order an error in a unit's outcomes moves the unknowns by
J⁻¹ of its scores; the scores here are per unit of residual, so that the noise of cases, clusters or periods goes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.adjustment.contrasts import OwnCases, expected_gradients
from benchmodels.kernels import families
from benchmodels.kernels.basis import group_means, group_sums
from benchmodels.kernels.leave_out import unit_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.practice import Practice
    from benchmodels.adjustment.random import RandomPart
    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.newton import LevelsFit

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Equations", "equations"]


@dataclass(frozen=True, eq=False)
class Equations:
    """Estimating equations in q unknowns.

    Parameters
    ----------
    columns : (n, q) array
        What a row adds to each equation per unit of its residual; the last column is one.
    jacobian : (k, q, q) array
        The derivative of the reference units' equations, each unit's own reference.
    place : (p + 2,) array of int
        Where slopes, log spread and average level stand among the unknowns; −1 for a spread that is not there.
    """

    columns: Floats
    jacobian: Floats
    place: Codes

    def spread_out(self, gradient: Floats) -> Floats:
        """Return a gradient (k, p + 2) in slopes, log spread and average level as one in the unknowns, (k, q)."""
        full = np.zeros((len(gradient), self.columns.shape[1]))
        there = self.place >= 0
        full[:, self.place[there]] = gradient[:, there]
        return full


def equations(
    rows: Rows,
    unit: Codes,
    k: int,
    practice: Practice,
    solution: LevelsFit,
    random: RandomPart | None,
    own: OwnCases,
) -> Equations:
    """Return the estimating equations of a fit; the scores' noise is taken at each unit's own level."""
    n, p = rows.columns.shape
    eta = own.eta + own.shrunken[unit]
    pull = families.pull(rows.family, eta, rows.outcome, rows.size, rows.cases)
    drawn = pull[:, None]
    alone = rows.groups == 1
    everyone = rows.columns @ solution.slopes + rows.offset
    spread = None if practice.spread is None else np.full(k, float(np.nanmean(practice.spread)))
    moves = expected_gradients(rows, unit, everyone, np.full(k, float(np.mean(practice.average))), spread)
    if random is not None:
        columns, inner = _random_system(rows, unit, random, pull, eta, own)
        whole = len(random.names)
        place = np.r_[random.inside, -1 if random.boundary else whole + 1, columns.shape[1] - 1]
    elif alone:
        parts = unit_pieces(rows, unit, k, solution.slopes, solution.levels)
        border, corner = parts.border[:, :, None], parts.weight[:, None, None]
        inner = np.block([[parts.gram, border], [np.swapaxes(border, 1, 2), corner]])
        columns = np.column_stack([drawn * rows.columns, pull, np.ones(n)])
        place = np.r_[np.arange(p), -1, p + 1]
        if rows.family.canonical:
            # The pooled level is the average level: its equation is ΣE = ΣO already.
            columns, place = columns[:, : p + 1], np.r_[np.arange(p), -1, p]
    else:
        information = rows.size * families.mean_and_slope(rows.family, eta)[1] * pull
        means = group_means(rows.columns, information, unit, k)[unit]
        columns = np.column_stack([drawn * (rows.columns - means), np.ones(n)])
        parts = unit_pieces(rows, unit, k, solution.slopes, solution.levels)
        safe = np.where(parts.weight > 0, parts.weight, 1.0)
        inner = parts.gram - parts.border[:, :, None] * parts.border[:, None, :] / safe[:, None, None]
        place = np.r_[np.arange(p), -1, p]
    pieces = inner if inner.shape[1] == columns.shape[1] else _framed(inner, moves, place)
    total = pieces.sum(0)
    jacobian = total - pieces if practice.others else np.repeat(total[None], k, axis=0)
    return Equations(columns, jacobian, place.astype(np.intp))


def _random_system(
    rows: Rows, unit: Codes, random: RandomPart, pull: Floats, eta: Floats, own: OwnCases
) -> tuple[Floats, Floats]:
    """Return columns (n, q) and pieces (k, q − 1, q − 1) of a random-intercept fit.

    A unit's posterior mean gives way to a residual by its reliability; what it leaves is in the score (the marginal
    score's derivative in the outcome, by the curvature at the unit's own level).
    """
    k = len(own.size)
    z = random.scaled_columns
    information = rows.size * families.mean_and_slope(rows.family, eta)[1] * pull / random.dispersion
    weight = group_sums(unit, information, k)
    precision = np.inf if random.boundary else 1.0 / random.unit_sd**2
    kept = (weight / (weight + precision))[unit]
    columns = [pull[:, None] * (z - kept[:, None] * group_means(z, information, unit, k)[unit]), pull * (1.0 - kept)]
    if not random.boundary:
        effect = own.shrunken - random.level - random.context
        columns.append(pull * (2.0 * effect * precision / (weight + precision))[unit])
    scores = np.column_stack(columns) / random.dispersion
    return np.column_stack([scores, np.ones(len(unit))]), _random_pieces(z, information, kept, unit, random)


def _random_pieces(columns: Floats, information: Floats, kept: Floats, unit: Codes, random: RandomPart) -> Floats:
    """Share the (q, q) information of slopes, level and log standard deviation out among units, (k, q, q).

    By the curvature at each unit's own level; what the sum differs from the whole by is shared equally, as is the
    information on the standard deviation, to which each unit is one draw.
    """
    k, q = int(unit[-1]) + 1, len(random.information)
    pieces = np.zeros((k, q, q))
    z = np.column_stack([columns, np.ones(len(columns))])
    r = z.shape[1]
    cuts = np.searchsorted(unit, np.arange(k + 1))
    for i in range(k):
        part = slice(cuts[i], cuts[i + 1])
        weighted = information[part, None] * z[part]
        sums = weighted.sum(0)
        total = sums[-1] if sums[-1] > 0 else 1.0
        pieces[i, :r, :r] = weighted.T @ z[part] - np.outer(sums, sums) * (kept[cuts[i]] / total)
    return np.asarray(pieces + (random.information - pieces.sum(0)) / k)


def _framed(inner: Floats, moves: Floats, place: Codes) -> Floats:
    """Add the equation of the average level, the last, to (k, r, r) pieces."""
    k, r, _ = inner.shape
    pieces = np.zeros((k, r + 1, r + 1))
    pieces[:, :r, :r] = inner
    there = place >= 0
    pieces[:, r, place[there]] = moves[:, there]
    return pieces
