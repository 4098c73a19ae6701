"""From a fit to a comparison: contrast, covariance and limits for every unit.

With ε_i the sampling error of unit i's total and Z_l the scores of unit l, every contrast is to first order
``T_i = a_i ε_i − h_i' Σ_l Z_l``, the sum over the reference units (without i itself under ``reference="others"``):
the own error, and that of slopes and level inside the expected value. ``a_i`` is the contrast's derivative in the
total, ``h_i = J⁻ᵀ g_i`` its gradient g_i in slopes and level carried back through the estimating equations J.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from benchmodels._version import __version__
from benchmodels.adjustment.contrasts import Contrasted, OwnCases, direct, gradients, indirect, own_cases
from benchmodels.adjustment.equations import Equations, equations
from benchmodels.adjustment.noise import NOISE_TEXT, Noise, NoiseKind, noise_kind, unit_noise
from benchmodels.adjustment.practice import Practice, own_total, population
from benchmodels.comparison import Better, Comparison, Contrast, Source, Standard
from benchmodels.errors import PartialResultWarning
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.counts import Limits, count_limits
from benchmodels.kernels.families import mean, variance
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.fit import Fit
    from benchmodels.kernels.arrow import Rows
    from benchmodels.kernels.newton import LevelsFit

    Floats = NDArray[np.float64]
    # Lower and upper limit of a total, each with the unit's own count there.
    _Edges = tuple[tuple[Floats, Floats], tuple[Floats, Floats]]

__all__ = ["compare"]


def compare(
    fit: Fit,
    rows: Rows,
    solution: LevelsFit,
    practice: Practice,
    *,
    standard: Standard,
    contrast: Contrast,
    level: float,
    limits: Limits,
    better: Better | None,
) -> Comparison:
    """Return the comparison that `Fit.compare` documents."""
    design = fit.design
    found, practice = practice.found, practice.filled(solution)
    unit, k = design.unit, len(design.units)
    own = own_cases(rows, unit, practice, design.inflation)
    kind = noise_kind(design, rows.family, fit.model.cluster)
    system = equations(rows, unit, k, practice, solution, fit.random, own)
    noise = _noise(kind, fit, rows, own, system)
    parts = indirect(rows, unit, practice, own) if standard == "indirect" else direct(rows, unit, practice, own)
    errors = _errors(parts, own, noise, system, contrast, others=practice.others)
    edges = _own_limits(kind, rows, unit, practice, own, noise, standard, level, limits)
    lower, upper = _interval(parts, own, noise, errors, edges, contrast, level)
    if kind == "none":
        null_std_error = _prediction_error(rows, own, practice) * (own.size * errors.scale)
    else:
        null_std_error = _null_error(_null_variance(kind, fit, rows, own, noise), noise, errors)

    withheld = noise.reason.copy()
    # A difference needs no more than an expected value; a ratio needs it above zero.
    unfit: NDArray[np.bool_] = np.asarray([False] * k) if contrast == "difference" else ~(parts.expected > 0) & found
    withheld[unfit] = "its expected value is not above zero, so it has no ratio"
    withheld[~found] = "the other units alone do not identify its expected value"
    _warn(design.units, withheld)
    lost = withheld != ""

    def unless(values: Floats, gone: NDArray[np.bool_]) -> Floats:
        return np.where(gone, np.nan, values)

    return Comparison(
        unit=design.units,
        size=own.size,
        observed=unless(parts.observed, ~found),
        expected=unless(parts.expected, ~found),
        estimate=unless(errors.estimate, ~found | unfit),
        lower=unless(lower, lost),
        upper=unless(upper, lost),
        noise=unless(errors.noise, lost),
        shared=np.where(np.isfinite(errors.shared).all(axis=1, keepdims=True), errors.shared, 0.0),
        core=errors.core,
        null=errors.null,
        null_std_error=unless(null_std_error, ~found | unfit if kind == "none" else lost),
        null_kind="prediction" if kind == "none" else "sampling",
        df=_prediction_df(rows, k, others=practice.others) if kind == "none" else noise.df,
        overlap=_overlap(rows, unit, k, solution),
        withheld=withheld,
        standard=standard,
        contrast=contrast,
        reference="others" if practice.others else "all",
        level=level,
        better=better,
        source=_source(fit, NOISE_TEXT[kind], noise),
    )


@dataclass(frozen=True, eq=False)
class _Errors:
    """A contrast with its errors to first order; (k,) arrays but for the last three.

    ``scale`` turns a total into the contrast, ``null`` is the contrast of a unit as expected; ``own`` and ``own_null``
    are the derivatives in the unit's own total; ``moves`` is the variance that the reference units bring in, of the
    contrast itself (difference) or relative to it; ``noise``, ``shared`` (k, 2q) and ``core`` are the covariance;
    ``relative`` (k, q) is h of the contrast at its null.
    """

    estimate: Floats
    scale: Floats
    null: float
    own: Floats
    own_null: Floats
    moves: Floats
    proportional: bool
    others: bool
    noise: Floats
    shared: Floats
    core: Floats
    relative: Floats

    def moved(self, at: Floats | float) -> Floats:
        """Return the variance that the reference units bring in, where the contrast stands at ``at``."""
        return np.asarray(self.moves * at**2 if self.proportional else self.moves)


def _errors(
    parts: Contrasted, own: OwnCases, noise: Noise, system: Equations, contrast: Contrast, *, others: bool
) -> _Errors:
    jacobian = system.jacobian
    events, q = own.observed.sum(), jacobian.shape[1]
    factor = events / own.size.sum() if contrast == "rate" else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        if contrast == "difference":
            scale, null = 1.0 / own.size, 0.0
            estimate = (parts.observed - parts.expected) * scale
            relative = back = _carry_back(jacobian, system.spread_out(parts.absolute * scale[:, None]))
        else:
            scale, null = factor / parts.expected, float(factor)
            estimate = parts.observed * scale
            relative = _carry_back(jacobian, system.spread_out(parts.relative))
            if contrast == "rate":
                # The overall rate moves with every unit's total, which is the last of its scores.
                relative[:, q - 1] -= 1.0 / events
            back = relative * estimate[:, None]
    a, a_null = parts.own * scale, parts.own_null * scale
    if contrast == "rate" and others:
        a, a_null = a + estimate / events, a_null + null / events
    everything = noise.scores.sum(0)
    rest = everything - noise.scores if others else np.repeat(everything[None], len(a), axis=0)
    noise_part, u = _own_part(noise, a, back, others=others)
    return _Errors(
        estimate=estimate,
        scale=scale,
        null=null,
        own=a,
        own_null=a_null,
        moves=np.einsum("kp,kpq,kq->k", relative, rest, relative),
        proportional=contrast != "difference",
        others=others,
        noise=noise_part,
        shared=np.hstack([back, u]),
        core=np.block([[everything, -np.eye(q)], [-np.eye(q), np.zeros((q, q))]]),
        relative=relative,
    )


def _interval(
    parts: Contrasted, own: OwnCases, noise: Noise, errors: _Errors, edges: _Edges, contrast: Contrast, level: float
) -> tuple[Floats, Floats]:
    """Join limits from the unit's own noise with the error that the reference units bring in.

    Lower and upper are joined apart, squares of distances added, so that limits of a count keep their own shape.

    References
    ----------
    Zou & Donner (2008), Statistics in Medicine 27:1693, eq. 2 (variance estimates recovered from limits).
    """
    (low, count_low), (high, count_high) = edges
    with np.errstate(divide="ignore", invalid="ignore"):
        if contrast == "difference":
            low, high = (low - parts.expected) * errors.scale, (high - parts.expected) * errors.scale
        else:
            low, high = low * errors.scale, high * errors.scale
        if contrast == "rate":
            events = own.observed.sum()
            low = low * (1.0 + (count_low - own.observed) / events)
            high = high * (1.0 + (count_high - own.observed) / events)
        z = -float(ndtri(0.5 * (1.0 - level)))
        pull = 1.0
        if not errors.others:
            # A unit among its own reference cases pulls its expected value along; its interval is that much shorter.
            variance = errors.noise + np.einsum("kp,pq,kq->k", errors.shared, errors.core, errors.shared)
            pull = np.sqrt(variance / (errors.own**2 * noise.total + errors.moved(errors.estimate)))
        below = np.sqrt((errors.estimate - low) ** 2 + z**2 * errors.moved(low))
        above = np.sqrt((high - errors.estimate) ** 2 + z**2 * errors.moved(high))
    return errors.estimate - pull * below, errors.estimate + pull * above


def _null_error(null_variance: Floats, noise: Noise, errors: _Errors) -> Floats:
    """Return the standard error (k,) of the contrast were the unit as expected."""
    own = errors.own_null**2 * null_variance
    if not errors.others:
        there = errors.relative * errors.null if errors.proportional else errors.relative
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.where(noise.total > 0, null_variance / noise.total, 1.0)
        own -= 2.0 * errors.own_null * change * np.einsum("kq,kq->k", noise.cross, there)
        own += (change - 1.0) * np.einsum("kp,kpq,kq->k", there, noise.scores, there)
    return np.sqrt(np.maximum(own + errors.moved(errors.null), 0.0))


def _noise(kind: NoiseKind, fit: Fit, rows: Rows, own: OwnCases, system: Equations) -> Noise:
    unit = fit.design.unit
    weight = rows.size * variance(rows.family, mean(rows.family, own.eta + own.shrunken[unit]))
    with np.errstate(invalid="ignore"):
        residual = rows.outcome - rows.size * mean(rows.family, own.eta + own.level[unit])
    return unit_noise(kind, fit.design, system.columns, weight, residual)


def _carry_back(jacobian: Floats, gradient: Floats) -> Floats:
    """Return J⁻ᵀ g for each unit, (k, q); rows and columns scaled to one first."""
    size = np.sqrt(np.abs(np.einsum("kqq->kq", jacobian)))
    size = np.where(size > 0, size, 1.0)
    scaled = np.swapaxes(jacobian / (size[:, :, None] * size[:, None, :]), 1, 2)
    try:
        return np.asarray(np.linalg.solve(scaled, (gradient / size)[..., None])[..., 0] / size)
    except np.linalg.LinAlgError:
        # A unit that is not identified without itself; it is withheld, the others are solved one by one.
        solved = np.zeros_like(gradient)
        for i in range(len(gradient)):
            solved[i] = np.linalg.lstsq(scaled[i], gradient[i] / size[i], rcond=None)[0] / size[i]
        return solved


def _own_part(noise: Noise, a: Floats, back: Floats, *, others: bool) -> tuple[Floats, Floats]:
    """Return ``noise`` and the second half of ``shared`` of the covariance."""
    cross = np.einsum("kq,kq->k", noise.cross, back)
    inner = np.einsum("kp,kpq,kq->k", back, noise.scores, back)
    own = a**2 * noise.total
    u = a[:, None] * noise.cross
    if others:
        return own + inner + 2.0 * a * cross, u + np.einsum("kpq,kq->kp", noise.scores, back)
    return own, u


def _own_limits(
    kind: str,
    rows: Rows,
    unit: NDArray[np.intp],
    practice: Practice,
    own: OwnCases,
    noise: Noise,
    standard: Standard,
    level: float,
    limits: Limits,
) -> _Edges:
    """Return limits (k,) of the observed total from the unit's own noise alone, each with its own count there."""
    if kind == "counts":
        edges = count_limits(
            rows.family, own.observed, rows.size, own.eta, unit, own.shrunken, confidence=level, limits=limits
        )
    else:
        with np.errstate(invalid="ignore"):
            tail = 0.5 * (1.0 - level)
            quantile = -stdtrit(np.where(noise.df > 0, noise.df, np.nan), tail)
            quantile = np.where(np.isinf(noise.df), -ndtri(tail), quantile)
            reach = quantile * np.sqrt(noise.total)
        _, weight = gradients(rows, unit, own.eta, own.shrunken)
        edges = own.level - reach / weight, own.level + reach / weight
    low, high = ((own_total(rows, unit, practice, edge),) * 2 for edge in edges)
    if standard == "direct":
        scale = own.size / own.size.sum()
        low, high = (
            (population(rows, practice, edge).total * scale, count[1])
            for edge, count in zip(edges, (low, high), strict=True)
        )
    return low, high


def _null_variance(kind: str, fit: Fit, rows: Rows, own: OwnCases, noise: Noise) -> Floats:
    """Return the variance of the total were the unit as expected, (k,)."""
    unit, k = fit.design.unit, len(own.size)

    def at(level: Floats) -> Floats:
        mu = mean(rows.family, own.eta + level[unit])
        return group_sums(unit, rows.size * fit.design.inflation * variance(rows.family, mu), k)

    if kind in ("counts", "weighted"):
        return at(own.null)
    # From spread: as much more or less than the variance function says as it is at the unit's own level.
    return noise.total * at(own.null) / at(own.shrunken)


def _prediction_error(rows: Rows, own: OwnCases, practice: Practice) -> Floats:
    """Return the standard deviation (k,) of observed − expected per size, for one Gaussian row a unit.

    Weighted least squares with variance ∝ 1 / size: with h the leverage and e the residual of the full fit, the
    residual without the row itself is e / (1 − h) and its residual variance loses m e² / (1 − h).
    """
    # Rows of no size carry nothing and are no unit's only row; what is left is one row a unit, in the units' order.
    there = rows.size > 0
    z, size = np.column_stack([rows.columns, np.ones(len(there))])[there], rows.size[there]
    n, q = z.shape
    if n <= q + 1:
        return np.full(len(own.size), np.nan)
    leverage = size * np.einsum("nq,qr,nr->n", z, np.linalg.inv((z * size[:, None]).T @ z), z)
    residual = (own.observed - own.expected) / own.size
    full = residual * (1.0 - leverage) if practice.others else residual
    squares = float(np.sum(size * full**2))
    if not practice.others:
        return np.asarray(np.sqrt(squares / (n - q) * np.maximum(1.0 - leverage, 0.0) / size))
    with np.errstate(divide="ignore", invalid="ignore"):
        left = (squares - size * full**2 / (1.0 - leverage)) / (n - 1 - q)
        return np.asarray(np.sqrt(np.maximum(left, 0.0) / (1.0 - leverage) / size))


def _prediction_df(rows: Rows, k: int, *, others: bool) -> Floats:
    """Return the degrees of freedom (k,) of a prediction; infinite where the row itself is among the reference rows."""
    df = np.sum(rows.size > 0) - 2.0 - rows.columns.shape[1]
    return np.full(k, df if others else np.inf)


def _overlap(rows: Rows, unit: NDArray[np.intp], k: int, solution: LevelsFit, *, bins: int = 20) -> Floats:
    """Return the share (k,) of each unit's case mix that the other units have too.

    Case mix is the linear predictor of the slopes, in ``bins`` classes of equal size over the population; the share is
    the sum over classes of the smaller of the unit's and the others' part.
    """
    if rows.columns.shape[1] == 0:
        return np.full(k, np.nan)
    # Rows alike in case mix are of one class, whatever their unit and their place in the table.
    values, place = np.unique(np.round(rows.columns @ solution.slopes, 9), return_inverse=True)
    size = group_sums(place, rows.size, len(values))
    below = np.cumsum(size) - 0.5 * size
    group = np.minimum((below / size.sum() * bins).astype(np.intp), bins - 1)[place]
    table = group_sums(unit * bins + group, rows.size, k * bins).reshape(k, bins)
    others = table.sum(0) - table
    shared = np.minimum(table / table.sum(1, keepdims=True), others / others.sum(1, keepdims=True))
    return np.asarray(shared.sum(1))


def _warn(units: NDArray[np.object_], withheld: NDArray[np.object_]) -> None:
    lost = withheld != ""
    if not lost.any():
        return
    reasons = listed(sorted(set(withheld[lost].tolist())))
    warnings.warn(
        f"uncertainty withheld for {int(lost.sum())} of {len(units)} units ({reasons}): {listed(units[lost].tolist())}",
        PartialResultWarning,
        stacklevel=4,
    )


def _source(fit: Fit, noise_text: str, noise: Noise) -> Source:
    if np.isfinite(noise.correlation):
        bound = ", the highest that is allowed: do units have trends of their own?" if noise.correlation > 0.979 else ""
        noise_text += f" (correlation of neighbouring periods {noise.correlation:.2f}{bound})"
    return Source(
        model=repr(fit.model),
        version=__version__,
        rows_read=fit.design.rows_read,
        rows_dropped=fit.design.rows_dropped,
        noise=noise_text,
        data=fit.design.source,
        simulated=fit.design.simulated,
    )
