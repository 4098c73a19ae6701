"""What surrounds the units, read from their table: numbers, levels, and levels in an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.errors import DataError
from benchmodels.kernels.conditional_weights import Surroundings
from benchmodels.table import Table, listed, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.conditional_weights import Kind

    Floats = NDArray[np.float64]

__all__ = ["read_surroundings"]


def read_surroundings(goods: Goods, columns: Sequence[str]) -> Surroundings:
    """Return what surrounds the k units of goods, whose conditions hold the c columns.

    Numbers are continuous, but for those of two values: these, text and categories are levels, and ordered categories
    levels in their order.

    Raises
    ------
    DataError
        A column that is not finite, is the same for all, has a level for each unit alone, or is neither number nor
        category.
    """
    table = Table(goods.conditions, len(goods))
    pairs = [_column(table, goods.unit, name) for name in columns]
    return Surroundings(values=np.column_stack([v for v, _ in pairs]), kinds=tuple(kind for _, kind in pairs))


def _column(table: Table, unit: NDArray[np.object_], name: str) -> tuple[Floats, Kind]:
    """Return one column as numbers, or codes of levels, and what it was taken as."""
    column = table.frame[name]
    kind: Kind = "unordered"
    values: Floats
    if isinstance(column.dtype, pd.CategoricalDtype):
        kind = "ordered" if column.cat.ordered else kind
        values = column.cat.codes.to_numpy().astype(np.float64)
    elif pd.api.types.is_numeric_dtype(column):
        odd = ~np.isfinite(column.to_numpy(float))
        if odd.any():
            raise DataError(f"{name!r} surrounds the units and must be finite; it is not for {listed(unit[odd])}")
        values = numbers(table, name, role="what surrounds the units")
        # One of two values, as truth values are: nothing lies in between.
        levels = np.unique(values)
        if len(levels) > 2:
            return values, "continuous"
        values = np.searchsorted(levels, values).astype(np.float64)
    else:
        table.check_category(name)
        values = pd.factorize(column, sort=True)[0].astype(float)
    many = len(np.unique(values))
    if many < 2:
        raise DataError(f"{name!r} is the same for all units, so that it surrounds nobody differently; leave it out")
    if many == len(values) and kind == "unordered":
        raise DataError(
            f"{name!r} has a level for each unit alone, so that no two are alike; make it fewer levels, or a number"
        )
    return values, kind
