"""Are slopes one number for all units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.linalg import eigh
from scipy.special import chdtrc, fdtrc

from benchmodels.adjustment.diagnostics.cases import (
    FEWEST,
)
from benchmodels.adjustment.estimate import rows_of
from benchmodels.adjustment.fit import check_option
from benchmodels.errors import ConvergenceError, SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.families import mean, variance, working
from benchmodels.kernels.newton import LevelsFit, fit_in_basis, fit_levels
from benchmodels.kernels.shape import fit_shape
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.fit import Fit

    Floats = NDArray[np.float64]

__all__ = ["Homogeneity", "homogeneity"]

HomogeneityMethod = Literal["score", "slopes"]


@dataclass(frozen=True)
class Homogeneity:
    """Whether the slopes of one term are the same in all units.

    Parameters
    ----------
    term : str
    statistic, df : float
        Of units' slopes about the common one; ``df`` is its mean when they are alike. Chi-square for counts; for a
        measured outcome ``statistic / df`` is F with ``df`` and ``df_residual`` degrees of freedom.
    df_residual : float
        Infinite for counts.
    p_value : float
    i_squared : float
        Share of the statistic beyond chance, max(0, 1 − df / statistic); 0 to 1.
    units : int
        Units in which the term varies, which alone count.
    note : str
        Why the p value is only rough; empty where nothing speaks against it.
    """

    term: str
    statistic: float
    df: float
    df_residual: float
    p_value: float
    i_squared: float
    units: int
    note: str


def homogeneity(fit: Fit, *, term: str, method: HomogeneityMethod = "score") -> Homogeneity:
    """Test whether the slopes of a term are the same in all units.

    Parameters
    ----------
    fit : Fit
    term : str
        A term of the formula, or one column.
    method : "score" or "slopes"
        "score": score test of a slope for each unit, from the fit of common slopes. "slopes": each unit's own slope
        is found and set against their mean: Cochran's Q for counts, Welch's test for a measured outcome; for one
        column, and units without a finite slope do not count.

    Returns
    -------
    Homogeneity

    Raises
    ------
    SpecificationError
        The term is not there, or varies within fewer than two units.

    Notes
    -----
    Each unit has its own level under the null whatever the model, so practice is not taken for a slope. The score
    statistic is that of a literal fit with the interactions added (statsmodels, to 1e-7) and exactly F for a Gaussian
    outcome (tests/adjustment/test_diagnostics.py). Noise of a measured outcome is as the variance function says, over
    size, and alike in all units; Welch's test lets it differ. One pass over the cells, n p (p + q).

    References
    ----------
    Rao (1948), Proc. Cambridge Phil. Soc. 44:50 (score test); Higgins & Thompson (2002), Statistics in Medicine
    21:1539 (I²); Welch (1951), Biometrika 38:330.
    """
    check_option("method", method, get_args(HomogeneityMethod))
    if fit.model.sampling_weights is not None:
        raise SpecificationError("homogeneity takes sampling weights for cases; compare subgroups(by=…) instead")
    tested = _tested(fit, term)
    if method == "slopes" and tested.shape[1] > 1:
        raise SpecificationError(f"method='slopes' is for one column; {term!r} has {tested.shape[1]}")
    with one_blas_thread():
        rows, solution = _own_level_fit(fit)
        result = (_score_test if method == "score" else _slopes_test)(fit, rows, solution, tested)
    statistic, df, residual, units = result
    if df < 1:
        raise SpecificationError(f"{term!r} varies within {units} unit(s); its slopes are compared between two or more")
    p_value = fdtrc(df, residual, statistic / df) if np.isfinite(residual) else chdtrc(df, statistic)
    excess = max(0.0, 1.0 - df / statistic) if statistic > 0 else 0.0
    return Homogeneity(term, statistic, df, residual, float(p_value), excess, units, _doubts(fit))


def _tested(fit: Fit, term: str) -> Floats:
    """Return the (c, q) columns of a term, of mean zero and spread one."""
    d = fit.design
    where = dict(d.terms).get(term)
    if where is None and term not in d.names:
        raise SpecificationError(f"term={term!r} is not in the formula; there is {listed(n for n, _ in d.terms)}")
    at = where if where is not None else slice(d.names.index(term), d.names.index(term) + 1)
    columns = d.columns[:, at] - d.size @ d.columns[:, at] / d.size.sum()
    spread = np.sqrt(d.size @ columns**2 / d.size.sum())
    return np.asarray(columns / np.where(spread > 0, spread, 1.0))


def _own_level_fit(fit: Fit) -> tuple[Rows, LevelsFit]:
    """Return the fit of common slopes with a level for each unit; columns that units determine are left out."""
    if fit.random is None and not fit.penalised and len(fit._solution.levels) == len(fit.design.units):
        return fit._rows, fit._solution
    rows = rows_of(fit.design, fit._rows.family, each=True)
    found, basis, solution = fit_in_basis(rows)
    if solution is None:
        kept = np.setdiff1d(np.arange(rows.columns.shape[1]), basis.dependent)
        found, basis, solution = fit_in_basis(replace(rows, columns=np.ascontiguousarray(rows.columns[:, kept])))
    if solution is not None and solution.certificate.converged and rows.family.by_row:
        found, solution = fit_shape(found, solution)
    if solution is None or not solution.certificate.converged:
        raise ConvergenceError("no fit with a level for each unit was found, which the test starts from")
    return found, solution


def _score_test(fit: Fit, rows: Rows, solution: LevelsFit, tested: Floats) -> tuple[float, float, float, int]:
    """Return statistic, degrees of freedom (two) and units of the score test of a slope for each unit."""
    unit, starts = fit.design.unit, np.append(fit.design.starts, len(fit.design.unit))
    finite = np.isfinite(solution.levels)
    eta = rows.columns @ solution.slopes + np.where(finite, solution.levels, 0.0)[unit] + rows.offset
    first, weight = working(rows.family, eta, rows.outcome, rows.size, rows.cases)
    k, p, q = len(finite), rows.columns.shape[1], tested.shape[1]
    own, cross, score, common = np.zeros((k, q, q)), np.zeros((k, q, p)), np.zeros((k, q)), np.zeros((p, p))
    for i in np.flatnonzero(finite):
        part = slice(starts[i], starts[i + 1])
        w = weight[part, None]
        x, z = (v[part] - (w * v[part]).sum(axis=0) / w.sum() for v in (tested, rows.columns))
        own[i], cross[i], score[i] = (w * x).T @ x, (w * x).T @ z, first[part] @ x
        common += (w * z).T @ z
    total = group_sums(unit, weight, k)
    values, vectors = np.linalg.eigh(own)
    # In standard deviations of the column; below this a unit's cases are alike in it.
    there = values > 1e-9 * total[:, None]
    inverse = np.einsum("kpq,kq,krq->kpr", vectors, np.where(there, 1.0 / np.where(there, values, 1.0), 0.0), vectors)
    statistic = float(np.einsum("kp,kpq,kq->", score, inverse, score))
    df = float(there.sum()) - p
    if p:
        # What the common slopes of the other columns give way.
        left = common - np.einsum("kqp,kqr,krs->ps", cross, inverse, cross, optimize=True)
        shares, turn = eigh(left, common)
        pull = turn.T @ np.einsum("kqp,kqr,kr->p", cross, inverse, score)
        kept = shares > 1e-8
        statistic += float(np.sum(pull[kept] ** 2 / shares[kept]))
        df += float(kept.sum())
    units = int(there.any(axis=1).sum())
    if rows.family.counted:
        return statistic, df, np.inf, units
    squares, residual = _residual(fit, rows, eta, k + p)
    if residual - df < 1:
        raise SpecificationError("too few cases for a slope in each unit: no degrees of freedom are left for noise")
    return statistic / (max(squares - statistic, np.finfo(float).tiny) / (residual - df)), df, residual - df, units


def _slopes_test(fit: Fit, rows: Rows, solution: LevelsFit, tested: Floats) -> tuple[float, float, float, int]:
    """Return the same from slopes of single units, those of other columns as common."""
    starts = np.append(fit.design.starts, len(fit.design.unit))
    common = rows.columns @ solution.slopes + rows.offset
    found: list[tuple[float, float, float]] = []
    for i in np.flatnonzero(np.isfinite(solution.levels)):
        part = slice(starts[i], starts[i + 1])
        own = replace(rows.take(part), columns=tested[part], offset=common[part])
        try:
            alone = fit_levels(own, refuse_ill_conditioned=True)
        except np.linalg.LinAlgError:
            continue
        precision, df = float(alone.step.schur()[0, 0]), np.inf
        if not rows.family.counted:
            eta = own.columns @ alone.slopes + alone.levels + own.offset
            squares, df = _residual(fit, own, eta, 2, part)
            precision = precision * df / squares if df > 0 and squares > 0 else np.nan
        if alone.certificate.converged and np.isfinite(precision):
            found.append((float(alone.slopes[0]), precision, df))
    slope, weight, own_df = np.array(found).reshape(-1, 3).T
    k, total = len(slope), weight.sum()
    if k < 2:
        return 0.0, k - 1.0, np.inf, k
    statistic = float(weight @ (slope - weight @ slope / total) ** 2)
    spread = float(np.sum((1.0 - weight / total) ** 2 / own_df))
    if spread == 0.0:
        return statistic, k - 1.0, np.inf, k
    return statistic / (1.0 + 2.0 * (k - 2.0) / (k**2 - 1.0) * spread), k - 1.0, (k**2 - 1.0) / (3.0 * spread), k


def _residual(fit: Fit, rows: Rows, eta: Floats, parameters: int, part: slice = slice(None)) -> tuple[float, float]:
    """Return Pearson's sum of squares of the table's rows and its degrees of freedom."""
    d, mu = fit.design, mean(rows.family, eta)
    squares = d.squares[part] - 2.0 * mu * d.outcome[part] + mu**2 * d.size[part]
    return float(np.sum(squares / variance(rows.family, mu))), float(d.cases[part].sum() - parameters)


def _doubts(fit: Fit) -> str:
    d, family, k = fit.design, fit._rows.family, len(fit.design.units)
    events, size = group_sums(d.unit, d.outcome, k), group_sums(d.unit, d.size, k)
    few = int(np.sum((np.minimum(events, size - events) if family.share else events) < FEWEST))
    notes = []
    if family.counted and few:
        kinds = "events, or fewer than 5 cases without" if family.share else "events"
        notes.append(f"{few} of {k} units have fewer than {FEWEST:g} {kinds}: the chi-square is rough")
    if d.cluster is not None or (d.period is not None and not family.counted):
        notes.append("cases of one cluster, or a unit's periods, count as independent")
    return "; ".join(notes)
