"""From a question and a table to a fit: read, find the maximum, and name what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NoReturn, get_args

import numpy as np

from benchmodels.adjustment.fit import Fit
from benchmodels.design import Design, read_design
from benchmodels.errors import ConvergenceError, DataError, SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import Basis, group_means, group_sums, orthogonal
from benchmodels.kernels.families import Family
from benchmodels.kernels.firth import fit_firth
from benchmodels.kernels.newton import Certificate, fit_in_basis
from benchmodels.kernels.shape import fit_shape
from benchmodels.parallel import one_blas_thread
from benchmodels.roles import Roles
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Penalty", "check_events", "fit_model", "raise_dependent", "raise_not_converged", "rows_of"]

Penalty = Literal["none", "firth"]


def rows_of(design: Design, family: Family, *, each: bool) -> Rows:
    """Return the design as rows of one level, or of one level a unit."""
    codes = design.unit if each else np.zeros(len(design.unit), dtype=np.intp)
    groups = len(design.starts) if each else 1
    return Rows(design.columns, design.outcome, design.size, design.offset, codes, groups, family, design.cases)


def fit_model(
    model: Roles, formula: str, data: object, *, levels: Literal["one", "each"], penalty: Penalty = "none"
) -> Fit:
    """Read the table and run Newton; errors name columns.

    Raises
    ------
    SpecificationError, DataError, ConvergenceError
    """
    if penalty not in get_args(Penalty):
        raise SpecificationError(f"penalty must be one of {listed(get_args(Penalty))}; found {penalty!r}")
    design, family, each = read_design(formula, model, data), model.kernel_family(), levels == "each"
    penalised = penalty == "firth"
    if penalised and not (family.counted and family.canonical and not family.by_row):
        raise SpecificationError("penalty='firth' is for family='binomial' with the logit link, and for 'poisson'")
    if model.sampling_weights is not None and (penalised or family.by_row):
        raise SpecificationError(
            "sampling_weights do not go with penalty='firth', nor with a negative or beta-binomial"
        )
    check_events(design, family, categories=not penalised)
    if each and design.names and not penalised:
        _check_mixed(design, family)
    with one_blas_thread():
        rows = rows_of(design, family, each=each)
        if penalised:
            columns, basis = orthogonal(rows.columns, rows.size, rows.codes, rows.groups)
            rows = replace(rows, columns=columns)
            solution = None if basis.dependent else fit_firth(rows)
        else:
            rows, basis, solution = fit_in_basis(rows)
        if solution is not None and family.by_row and solution.certificate.converged:
            rows, solution = fit_shape(rows, solution)
    if solution is None:
        raise_dependent(design, basis.dependent, each=each)
    if not solution.certificate.converged:
        raise_not_converged(design, basis, solution.slopes, solution.certificate)
    return Fit(model, design, solution.certificate, rows, basis, solution, penalised=penalised)


def check_events(design: Design, family: Family, *, categories: bool = True) -> None:
    """Raise where the outcome (and with ``categories`` a category of a covariate) leaves nothing to estimate."""
    if family.link == "identity":
        if (
            np.all(design.squares - design.outcome**2 / np.where(design.size > 0, design.size, 1.0) <= 0)
            and np.ptp(design.outcome / np.where(design.size > 0, design.size, 1.0)) == 0
        ):
            raise DataError(f"the outcome {design.outcome_name!r} is the same in every row: nothing to compare")
        return
    events, size = float(design.outcome.sum()), float(design.size.sum())
    if events <= 0:
        raise DataError(f"the outcome {design.outcome_name!r} is zero in every row: nothing to compare")
    if family.share and events >= size:
        raise DataError(f"the outcome {design.outcome_name!r} happens in every case: nothing to compare")
    if not categories:
        return
    # A category without events (or with nothing else) has no finite slope: said before Newton runs away.
    for name, column in zip(design.names, design.columns.T, strict=True):
        # The first rows settle it for a continuous column, without a look at all of it.
        if not all(np.all((part == 0) | (part == 1)) for part in (column[:64], column)):
            continue
        inside = column == 1
        met, of = float(design.outcome[inside].sum()), float(design.size[inside].sum())
        if of > 0 and (met <= 0 or (family.share and met >= of)):
            what = "no events" if met <= 0 else "nothing but events"
            raise DataError(
                f"separation: {name!r} has {what} among its {of:g} cases, so its slope is infinite; merge it with a "
                "neighbouring category, leave it out, or ask for penalty='firth'"
            )


def _check_mixed(design: Design, family: Family) -> None:
    """Raise where no unit has both events and cases without: nothing is left to learn within units."""
    k = len(design.units)
    events, size = group_sums(design.unit, design.outcome, k), group_sums(design.unit, design.size, k)
    mixed = events > 0
    if family.share:
        mixed &= events < size
    if family.link != "identity" and not mixed.any():
        raise DataError(
            f"every unit has no events or nothing but events in {design.outcome_name!r}: slopes within units cannot be "
            "learnt from them; use Pooled"
        )


def raise_dependent(design: Design, dependent: tuple[int, ...], *, each: bool) -> NoReturn:
    """Raise the error that names columns which follow from others, or from the units."""
    weight = np.maximum(design.size, 0.0)
    constant: list[str] = []
    collinear: list[str] = []
    codes = design.unit if each else np.zeros(len(design.unit), dtype=np.intp)
    means = group_means(design.columns, weight, codes, int(codes.max()) + 1)
    for j in dependent:
        column = design.columns[:, j]
        spread = np.max(np.abs(column - means[codes, j])[weight > 0])
        (constant if spread <= 1e-9 * max(1e-300, float(np.max(np.abs(column)))) else collinear).append(design.names[j])
    if constant and each:
        raise SpecificationError(
            f"{listed(constant)} is constant within units, so FixedEffects cannot tell it from the units themselves; "
            "leave it out, or use Pooled"
        )
    if constant:
        raise DataError(f"{listed(constant)} is the same in every row; leave it out")
    raise DataError(
        f"collinear covariates{' within units' if each else ''}: {listed(collinear)} follows exactly from those before "
        f"it in the formula ({listed(design.names)}); leave one out"
    )


def raise_not_converged(design: Design, basis: Basis, slopes: Floats, certificate: Certificate) -> NoReturn:
    """Raise the error that says how far it came, and which column runs away."""
    reach = np.abs(basis.to_columns(slopes)) * design.columns.std(axis=0)
    large = [name for name, size in zip(design.names, reach, strict=True) if not size < 5.0]
    path = ", ".join(f"{v:.1e}" for v in certificate.path[-5:]) or "none"
    why = (
        f"; {listed(large)} runs away, which is what separation looks like (the outcome follows from it without "
        "exception): merge categories, leave it out, or ask for penalty='firth'"
        if large
        else ""
    )
    raise ConvergenceError(
        f"no maximum found after {certificate.iterations} Newton steps "
        f"(last decrements in standard errors: {path}){why}"
    )
