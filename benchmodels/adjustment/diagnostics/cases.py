"""Cases as diagnostics see them: expected without their own unit, and in groups."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.families import link, marginal, mean
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.fit import Fit

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    # A term or column of the formula, or a value for each row of fit.cells.
    Grouping: TypeAlias = str | pd.Series[Any] | NDArray[Any]

__all__ = ["FEWEST", "UNIDENTIFIED", "cross_fitted", "equal_groups", "of_cells", "warn_lost"]

# Below this many expected events a ratio says little, and is not shown.
FEWEST = 5.0
UNIDENTIFIED = "the other units alone do not identify its expected value"


def cross_fitted(fit: Fit) -> tuple[Floats, Floats]:
    """Return each cell's mean per size without its own unit, and the linear predictor of that mean; NaN where none."""
    rows, unit = fit._rows, fit.design.unit
    practice = fit.practice("others")
    warn_lost(fit, ~practice.found)
    if practice.found.sum() < 2:
        raise DataError("fewer than two units have an expected value that the others identify")
    eta = practice.own_eta(rows, unit) + practice.average[unit]
    if practice.spread is None:
        return mean(rows.family, eta), eta
    mu = marginal(rows.family, eta, practice.spread[unit])[0]
    return mu, link(rows.family, mu)


def warn_lost(fit: Fit, lost: NDArray[np.bool_]) -> None:
    """Warn of units, (k,), that have no expected value."""
    if lost.any():
        message = f"left out, as {UNIDENTIFIED.replace(' its ', ' their ')}: {listed(fit.design.units[lost].tolist())}"
        warnings.warn(f"{int(lost.sum())} of {len(lost)} units {message}", PartialResultWarning, stacklevel=4)


def equal_groups(values: Floats, size: Floats, groups: int) -> Codes:
    """Return groups (c,) of rising value and about equal size; values alike to nine digits stay together."""
    reach = float(np.ptp(values))
    _, at = np.unique(np.round((values - values.min()) / (reach if reach > 0 else 1.0), 9), return_inverse=True)
    alike = np.bincount(at, size)
    middle = (np.cumsum(alike) - 0.5 * alike) / size.sum()
    group = np.minimum((middle * groups).astype(np.intp), groups - 1)
    return np.unique(group[at], return_inverse=True)[1].astype(np.intp)


def of_cells(fit: Fit, by: Grouping) -> Any:
    """Return what cells are grouped by, (c,): numbers of a column, or the categories of a term in its own order."""
    d = fit.design
    if not isinstance(by, str):
        coded = isinstance(by, pd.Series) and isinstance(by.dtype, pd.CategoricalDtype)
        values = pd.Categorical(by) if coded else np.asarray(by)
        if values.shape != (len(d.unit),) or pd.isna(values).any():
            raise SpecificationError(
                f"by takes the name of a term or column, or one value for each of the {len(d.unit)} rows of fit.cells, "
                f"none missing; found shape {values.shape}"
            )
        return values
    if by in d.names:
        return d.columns[:, d.names.index(by)]
    where = dict(d.terms).get(by)
    if where is None:
        there = listed(dict.fromkeys([*(name for name, _ in d.terms), *d.names]))
        raise SpecificationError(f"by={by!r} is not in the formula; there is {there}")
    columns, names = d.columns[:, where], d.names[where]
    if not np.all((columns == 0) | (columns == 1)) or np.any(columns.sum(axis=1) > 1):
        raise SpecificationError(f"{by!r} is no category; name one of its columns: {listed(names)}")
    plain = [name.rsplit("[", 1)[-1].removeprefix("T.").rstrip("]") for name in names]
    labels = list(names) if ":" in by else plain
    known = next((met for name, met in d._encoder.levels.items() if name in by), frozenset())
    rest = [str(value) for value in known if str(value) not in labels]
    labels.insert(0, rest[0] if len(rest) == 1 and ":" not in by else f"not {listed(labels)}")
    codes = np.where(columns.any(axis=1), columns.argmax(axis=1) + 1, 0)
    return pd.Categorical.from_codes(codes, pd.Index(labels), ordered=True)
