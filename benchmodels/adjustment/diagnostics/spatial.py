"""Is there a map in what units have left over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse

from benchmodels.errors import DataError
from benchmodels.kernels.moran import moran
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.fit import Fit

    Neighbours: TypeAlias = Mapping[Any, Iterable[Any]] | pd.DataFrame | NDArray[np.float64]

__all__ = ["neighbour_weights", "spatial"]


def spatial(
    fit: Fit, neighbours: Neighbours, *, permutations: int = 9999, rng: int | np.random.Generator | None = None
) -> pd.DataFrame:
    """Return Moran's I of what units have left over: whether neighbours deviate alike.

    Parameters
    ----------
    fit : Fit
    neighbours : mapping of unit to units, or (k, k) array or DataFrame
        A mapping gives each unit's neighbours the same weight, adding to one; an array (units in the fit's order, a
        DataFrame by its labels) is taken as it stands. Units without neighbours are left out and counted.
    permutations : int
    rng : int, Generator or None

    Returns
    -------
    DataFrame
        ``values, statistic, expectation, std_error, z, p_value, units, islands`` in two rows: "estimate" is I of
        observed / expected (of the difference per size under the identity link), "standardised" of the same in equal
        precision, which small units do not drown. Standard errors are over permutations; p values two-sided.

    References
    ----------
    Moran (1950), Biometrika 37:17; Assunção & Reis (1999), Statistics in Medicine 18:2147.
    """
    weights = neighbour_weights(fit.design.units, neighbours)
    compared = fit.compare(contrast="difference" if fit._rows.family.link == "identity" else "ratio")
    variances, generator = compared.null_std_error**2, np.random.default_rng(rng)
    values = np.where(np.isfinite(variances), compared.estimate, np.nan)
    found = []
    for name, given in (("estimate", None), ("standardised", variances)):
        i = moran(values, weights, variances=given, permutations=permutations, rng=generator)
        error, counts = np.sqrt(i.variance_random), (int(i.used.sum()), i.islands)
        found.append((name, i.statistic, i.expectation, error, i.z, i.p_value, *counts))
    columns = ["values", "statistic", "expectation", "std_error", "z", "p_value", "units", "islands"]
    return pd.DataFrame(found, columns=columns)


def neighbour_weights(units: NDArray[np.object_], neighbours: Neighbours) -> sparse.csr_array:
    """Return the weights (k, k) of each unit's neighbours, in the units' order; see `spatial`."""
    if isinstance(neighbours, pd.DataFrame):
        lost = [unit for unit in units.tolist() if unit not in neighbours.index or unit not in neighbours.columns]
        if lost:
            raise DataError(f"neighbours have no row and column for {listed(lost)}")
        neighbours = neighbours.loc[units.tolist(), units.tolist()].to_numpy(dtype=np.float64)
    k = len(units)
    if not isinstance(neighbours, Mapping):
        try:
            weights = np.asarray(neighbours, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError("neighbours are a mapping of each unit to units, or an array of numbers") from error
        if weights.shape != (k, k):
            raise DataError(f"neighbours have shape {weights.shape}; for {k} units give a ({k}, {k}) array")
        return sparse.csr_array(weights)
    place = {unit: i for i, unit in enumerate(units.tolist())}
    alone = [unit for unit, near in neighbours.items() if not isinstance(near, str | Iterable)]
    if alone:
        raise DataError(f"neighbours give each unit a list of units; of {listed(alone)} there is a single value")
    try:
        pairs = {(a, b) for a, near in neighbours.items() for b in ([near] if isinstance(near, str) else near)}
    except TypeError as error:
        raise DataError("neighbours are a mapping of each unit to units; found a list within a list") from error
    unknown = sorted({str(unit) for unit in {*neighbours, *(b for _, b in pairs)} if unit not in place})
    if unknown:
        raise DataError(f"neighbours name {listed(unknown)}, which are no units of the fit")
    at = np.array([(place[a], place[b]) for a, b in pairs], dtype=np.intp).reshape(-1, 2)
    count = np.bincount(at[:, 0], minlength=k)
    return sparse.csr_array((1.0 / count[at[:, 0]], (at[:, 0], at[:, 1])), shape=(k, k))
