"""Random intercepts of units: estimation, what is estimated beside the slopes, and average practice without a unit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from benchmodels.adjustment.estimate import check_events, raise_dependent, raise_not_converged, rows_of
from benchmodels.adjustment.fit import Fit
from benchmodels.adjustment.practice import Practice
from benchmodels.design import Design, read_design
from benchmodels.errors import ConvergenceError, DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels import linear_intercept as linear
from benchmodels.kernels import random_intercept as quadrature
from benchmodels.kernels.arrow import Rows, Step
from benchmodels.kernels.basis import Basis, conditioned, group_means, orthogonal, row_blocks
from benchmodels.kernels.leave_out import average_levels
from benchmodels.kernels.newton import Certificate, LevelsFit
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.adjustment.models import RandomEffects
    from benchmodels.comparison import Reference

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["RandomPart", "fit_random"]

Found: TypeAlias = linear.LinearInterceptFit | quadrature.RandomInterceptFit

# Nodes of the adaptive quadrature, and those where its own estimate of its error is above this part of a standard
# error: with a wide spread and few events a unit's posterior is far from normal.
NODES, MORE_NODES = 9, 25
QUADRATURE_ERROR = 0.01


@dataclass(frozen=True, eq=False)
class Arrays:
    """What the kernels of random intercepts read; n rows, P columns, sorted by unit."""

    columns: Floats
    design: Design
    rows: Rows

    @cached_property
    def binary(self) -> tuple[Floats, Floats, Floats, Floats, Codes, int]:
        """Arguments of the quadrature."""
        d = self.design
        return self.columns, d.outcome, d.size, d.offset, d.unit, len(d.units)

    @cached_property
    def statistics(self) -> linear.UnitStatistics:
        """What the linear model knows of the rows."""
        return self.without(None)

    def without(self, left: int | None) -> linear.UnitStatistics:
        """What the linear model knows of the rows of all units, or of all but one."""
        d = self.design
        keep: Any = slice(None) if left is None else d.unit != left
        unit = d.unit if left is None else d.unit[keep] - (d.unit[keep] > left)
        return linear.unit_statistics(
            self.columns[keep],
            d.outcome[keep],
            d.size[keep],
            d.squares[keep],
            d.cases[keep],
            d.offset[keep],
            unit,
            len(d.units) - (left is not None),
        )


@dataclass(frozen=True, eq=False)
class RandomPart:
    """What a random-intercept fit knows beside slopes and levels; p slopes of the expected value, P of the model.

    Parameters
    ----------
    names : tuple of P str
        Columns of the model: those of the formula, then (``slopes="within"``) the unit means of those that vary.
    slopes : (P,) array; covariance : (P + 1, P + 1) array
        On the link scale per unit of measure of each column; the covariance has the level last.
    center : (P,) array
        Means of the columns, in their units of measure.
    inside : (m,) array of int
        Columns by which something is expected.
    level, unit_sd : float
        On the link scale, at the centre of the columns.
    boundary : bool
        The maximum lies at a unit_sd of zero: the pooled model.
    dispersion : float
        Residual variance of a Gaussian outcome; 1 for counts.
    information : (P + 2, P + 2) array
        Of slopes, level and log unit_sd on the scaled columns; (P + 1, P + 1) at the boundary.
    context : (k,) array
        What the terms between units, which stay in the unit effect, add to it.
    posterior_mean, posterior_sd : (k,) arrays
        Of the random intercept, without context, parameters taken as known.
    log_likelihood, pooled_log_likelihood : float
        At the maximum, and at a unit_sd of zero.
    """

    names: tuple[str, ...]
    slopes: Floats
    covariance: Floats
    center: Floats
    inside: Codes
    level: float
    unit_sd: float
    boundary: bool
    dispersion: float
    information: Floats
    context: Floats
    posterior_mean: Floats
    posterior_sd: Floats
    log_likelihood: float
    pooled_log_likelihood: float
    _arrays: Arrays
    _found: Found
    _nodes: int

    @property
    def expected_names(self) -> tuple[str, ...]:
        """Columns by which something is expected."""
        return tuple(self.names[j] for j in self.inside)

    @property
    def scaled_columns(self) -> Floats:
        """The (n, P) columns as fitted, of mean zero and spread one."""
        return self._arrays.columns

    def sd_interval(self, level: float) -> tuple[float, float]:
        """Return the profile-likelihood interval of ``unit_sd``; the lower limit may be zero."""
        arrays, found = self._arrays, self._found
        with one_blas_thread():
            if isinstance(found, linear.LinearInterceptFit):
                return linear.profile_unit_sd(arrays.statistics, found, level)
            family = arrays.rows.family
            return quadrature.profile_unit_sd(
                *arrays.binary, family=family.name, link=family.link, nodes=self._nodes, fit=found, confidence=level
            )

    def practice(self, rows: Rows, unit: Codes, reference: Reference) -> Practice:
        """Return average practice for each unit: slopes, spread and average level.

        Under ``reference="others"`` the model is fitted again without each unit, from the fit less the unit's own part
        of the score: one or two Newton steps for counts, a one-dimensional profile for a Gaussian outcome.
        """
        arrays, k, inside = self._arrays, len(self.context), self.inside
        start = np.full(k, self.level)
        if reference == "all":
            slopes, spread = self._found.slopes[inside][None], np.array([self.unit_sd])
            average = np.repeat(average_levels(rows, unit, slopes, start[:1], own=True, spread=spread), k)
            return Practice(np.repeat(slopes, k, axis=0), average, np.ones(k, bool), False, np.repeat(spread, k))
        slopes, spread = np.full((k, len(inside)), np.nan), np.full(k, np.nan)
        without = _linear_without if rows.family.name == "gaussian" else _counts_without
        for i in range(k):
            one = without(arrays, self, i)
            if one is not None and one.certificate.converged:
                slopes[i], spread[i] = one.slopes[inside], one.unit_sd
        found = np.isfinite(spread)
        filled, sd = np.where(found[:, None], slopes, 0.0), np.where(found, spread, self.unit_sd)
        average = average_levels(rows, unit, filled, start, own=False, spread=sd)
        return Practice(slopes, np.where(found, average, np.nan), found, True, spread)

    def no_spread_p(self) -> float:
        """Return the p value of unit_sd = 0: twice the log-likelihood ratio against half χ²(0), half χ²(1)."""
        return quadrature.mixed_chi2_p(2.0 * (self.log_likelihood - self.pooled_log_likelihood))


def fit_random(model: RandomEffects, data: object) -> Fit:
    """Read the table and find the maximum of the marginal likelihood; errors name columns."""
    family = model.kernel_family()
    if family.name not in ("binomial", "poisson", "gaussian"):
        raise SpecificationError(
            f"RandomEffects takes family='binomial', 'poisson' or 'gaussian'; found {model.family!r}"
        )
    if model.method == "reml" and family.name != "gaussian":
        raise SpecificationError("method='reml' is for family='gaussian'; use method='ml'")
    if model.sampling_weights is not None:
        raise SpecificationError("sampling_weights do not go with RandomEffects; use FixedEffects or Pooled")
    design = read_design(model.formula, model, data)
    check_events(design, family)
    rows = rows_of(design, family, each=True)
    columns, names, varying = _model_columns(design, model.slopes)
    with one_blas_thread():
        scaled, basis = _scaled(columns, design.size)
        if not _well_apart(scaled, design.size):
            dependent = orthogonal(columns, design.size, np.zeros_like(design.unit), 1)[1].dependent
            if dependent:
                _raise_dependent(design, names, dependent)
        arrays = Arrays(scaled, design, rows)
        found, nodes = _maximum(arrays, model.method)
    if not found.certificate.converged:
        p = len(design.names)
        raise_not_converged(design, _part(basis, slice(0, p)), found.slopes[:p], found.certificate)
    return _fit(model, design, arrays, basis, names, varying, found, nodes)


def _model_columns(design: Design, slopes: str) -> tuple[Floats, tuple[str, ...], Codes]:
    """Return columns, their names, and which of the formula's vary within units."""
    p = len(design.names)
    if slopes == "pooled" or p == 0:
        return design.columns, design.names, np.arange(p)
    k = len(design.units)
    means = group_means(design.columns, design.size, design.unit, k)
    apart = np.abs(design.columns - means[design.unit]).max(axis=0)
    varying = np.flatnonzero(apart > 1e-9 * np.maximum(np.abs(design.columns).max(axis=0), 1e-300))
    if not len(varying):
        raise SpecificationError(
            "slopes='within' needs a covariate that varies within units; these do not: " + ", ".join(design.names)
        )
    # What is alike in all units on average has a slope within units only.
    apart = np.ptp(means[:, varying], axis=0)
    between = varying[apart > 1e-9 * np.maximum(np.abs(means[:, varying]).max(axis=0), 1e-300)]
    columns = np.column_stack([design.columns, means[:, between][design.unit]])
    return columns, (*design.names, *(f"mean({design.names[j]})" for j in between)), varying


def _scaled(columns: Floats, size: Floats) -> tuple[Floats, Basis]:
    """Return columns of mean zero and spread one, in one array of their size; a constant column is only centred."""
    total, scaled = float(size.sum()), np.empty(columns.shape)
    center = size @ columns / total
    squares = np.zeros(columns.shape[1])
    parts = row_blocks(*columns.shape)
    for part in parts:
        block = np.subtract(columns[part], center, out=scaled[part])
        squares += np.einsum("n,np,np->p", size[part], block, block)
    spread = np.sqrt(squares / total)
    scale = 1.0 / np.where(spread > 0, spread, 1.0)
    for part in parts:
        scaled[part] *= scale
    return scaled, Basis(center, np.diag(scale), ())


def _well_apart(scaled: Floats, size: Floats) -> bool:
    """Whether no column is near a combination of others, told by the Gram matrix: a tenth of the cost of a QR."""
    p = scaled.shape[1]
    gram = np.zeros((p, p))
    for part in row_blocks(*scaled.shape):
        block = scaled[part] * np.sqrt(size[part])[:, None]
        gram += block.T @ block
    return conditioned(gram, gram.diagonal())


def _part(basis: Basis, which: slice) -> Basis:
    assert basis.turn is not None
    return Basis(basis.center[which], basis.turn[which, which], ())


def _raise_dependent(design: Design, names: Sequence[str], dependent: tuple[int, ...]) -> None:
    p = len(design.names)
    own = tuple(j for j in dependent if j < p)
    if own:
        raise_dependent(design, own, each=False)
    lost = ", ".join(names[j] for j in dependent)
    raise SpecificationError(
        f"{lost} follows from the other columns, so slopes within and between units cannot be told apart; with "
        f"{len(design.units)} units use fewer covariates, or slopes='pooled'"
    )


def _maximum(arrays: Arrays, method: Literal["ml", "reml"]) -> tuple[Found, int]:
    """Return the maximum, and the quadrature nodes it was found with."""
    family = arrays.rows.family
    if family.name == "gaussian":
        return linear.fit_linear_intercept(arrays.statistics, method=method), 0
    found = quadrature.fit_random_intercept(*arrays.binary, family=family.name, link=family.link, nodes=NODES)
    if not found.certificate.converged or found.quadrature_error <= QUADRATURE_ERROR:
        return found, NODES
    found = quadrature.fit_random_intercept(
        *arrays.binary, family=family.name, link=family.link, nodes=MORE_NODES, start=found
    )
    if found.quadrature_error > QUADRATURE_ERROR:
        warnings.warn(
            f"the quadrature of {MORE_NODES} nodes may be {found.quadrature_error:.2f} standard errors off: units with "
            f"few events differ by {found.unit_sd:.1f} on the link scale; FixedEffects makes no assumption on how",
            PartialResultWarning,
            stacklevel=4,
        )
    return found, MORE_NODES


def _fit(
    model: RandomEffects,
    design: Design,
    arrays: Arrays,
    basis: Basis,
    names: tuple[str, ...],
    varying: Codes,
    found: Found,
    nodes: int,
) -> Fit:
    k, whole, scale = len(design.units), len(names), np.asarray(basis.turn)
    if isinstance(found, linear.LinearInterceptFit):
        effects, sd, dispersion = found.effects, np.sqrt(found.effect_variance), found.residual_sd**2
        covariance = found.covariance
        information: Floats = np.asarray(np.linalg.inv(covariance))
        if not found.boundary:
            # Slopes and spread are orthogonal; nothing that is linear in the level rests on the spread's own precision.
            information = np.pad(information, (0, 1))
            information[-1, -1] = 2.0 * k
    else:
        effects, sd, dispersion = found.modes, found.posterior_sd, 1.0
        information = found.information
        covariance = np.asarray(np.linalg.inv(information))[: whole + 1, : whole + 1]
    # The restricted likelihood is of the columns as they came, not as they were scaled.
    unscaled = np.log(scale.diagonal()).sum() if model.method == "reml" else 0.0
    mean = effects if isinstance(found, linear.LinearInterceptFit) else found.posterior_mean
    expected_by = _expected_by(model, design, varying, whole)
    inside, outside = expected_by, np.setdiff1d(np.arange(whole), expected_by)
    turn = np.block([[scale, np.zeros((whole, 1))], [-(basis.center @ scale)[None], np.ones((1, 1))]])
    between = arrays.columns[:, outside] @ found.slopes[outside]
    context = group_means(between[:, None], design.size, design.unit, k)[:, 0]
    random = RandomPart(
        names=names,
        slopes=basis.to_columns(found.slopes),
        covariance=turn @ covariance @ turn.T,
        center=basis.center,
        inside=inside,
        level=float(found.level),
        unit_sd=float(found.unit_sd),
        boundary=found.boundary,
        dispersion=dispersion,
        information=information,
        context=context,
        posterior_mean=mean,
        posterior_sd=sd,
        log_likelihood=found.log_likelihood + unscaled,
        pooled_log_likelihood=found.pooled_log_likelihood + unscaled,
        _arrays=arrays,
        _found=found,
        _nodes=nodes,
    )
    columns = arrays.columns if len(inside) == whole else np.ascontiguousarray(arrays.columns[:, inside])
    rows = replace(arrays.rows, columns=columns)
    solution = _solution(rows, found.slopes[inside], found.level + context + effects, found.certificate)
    own_basis = Basis(basis.center[inside], scale[np.ix_(inside, inside)], ())
    return Fit(model, design, found.certificate, rows, own_basis, solution, random)


def _expected_by(model: RandomEffects, design: Design, varying: Codes, whole: int) -> Codes:
    """Return the columns by which something is expected: without context, only slopes within units."""
    if model.slopes == "pooled" or model.context == "composition":
        return np.arange(whole)
    return varying


def _solution(rows: Rows, slopes: Floats, levels: Floats, certificate: Certificate) -> LevelsFit:
    """Slopes and levels as one record with those of unit effects; it carries no information of its own."""
    p, g = len(slopes), len(levels)
    nothing = Step(np.zeros(p), np.zeros(g), np.zeros((p, p)), np.zeros((g, p)), np.zeros(g), 1.0)
    return LevelsFit(slopes, levels, nothing, certificate)


def _counts_without(arrays: Arrays, random: RandomPart, i: int) -> quadrature.RandomInterceptFit | None:
    found = random._found
    assert isinstance(found, quadrature.RandomInterceptFit)
    columns, outcome, size, offset, unit, units = arrays.binary
    keep = unit != i
    own = found.information - found.information / units
    move = np.linalg.solve(own, -found.unit_scores[i])
    p = columns.shape[1]
    unit_sd = 0.0 if found.boundary else float(found.unit_sd * np.exp(np.clip(move[-1], -1.0, 1.0)))
    start = (found.slopes + move[:p], float(found.level + move[p]), unit_sd)
    rest, family = unit[keep] - (unit[keep] > i), arrays.rows.family
    try:
        return quadrature.fit_random_intercept(
            columns[keep], outcome[keep], size[keep], offset[keep], rest, units - 1,
            family=family.name, link=family.link, nodes=random._nodes, start=start,
        )  # fmt: skip
    except (ConvergenceError, np.linalg.LinAlgError):
        return None


def _linear_without(arrays: Arrays, random: RandomPart, i: int) -> linear.LinearInterceptFit | None:
    found = random._found
    assert isinstance(found, linear.LinearInterceptFit)
    try:
        return linear.fit_linear_intercept(arrays.without(i), method=found.method)
    except (DataError, np.linalg.LinAlgError):
        return None
