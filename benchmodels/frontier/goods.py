"""The doorway of the frontier models: a table with one row a unit becomes inputs, outputs and given conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.table import Table

    Floats = NDArray[np.float64]

__all__ = ["Goods", "read_goods"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Goods:
    """k units in the order of their labels, each with what it uses, makes and is given.

    Parameters
    ----------
    unit : (k,) array
    inputs : (k, m) array; outputs : (k, s) array
        In the table's units of measure; read only.
    names : tuple of str
        Of the inputs, then of the outputs.
    conditions : DataFrame (k, c)
        Further columns that were asked for: environment, composition, size.
    rows_read, rows_dropped : int
    source : str
    simulated : bool
    """

    unit: NDArray[np.object_]
    inputs: Floats
    outputs: Floats
    names: tuple[str, ...]
    conditions: pd.DataFrame
    rows_read: int
    rows_dropped: int
    source: str = ""
    simulated: bool = False
    goods: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "goods", np.concatenate([self.inputs, self.outputs], axis=1))
        for array in (self.unit, self.inputs, self.outputs, self.goods):
            array.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.unit)


def read_goods(
    data: object,
    *,
    unit: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    conditions: Sequence[str] = (),
    missing: Literal["raise", "drop"] = "raise",
    least: int = 2,
    signed: bool = False,
) -> Goods:
    """Read a table of one row a unit: with ``least`` above 1 the units of a frontier, else points held against one.

    With ``signed``, amounts may be below zero.

    Raises
    ------
    SpecificationError
        No input or no output; a column in two parts.
    DataError
        A column is missing or no number; a unit has two rows, uses nothing, or makes nothing; a good that no unit has.
    """
    named = [unit, *inputs, *outputs]
    if not inputs or not outputs:
        raise SpecificationError("a frontier needs at least one input and one output; benefit of the doubt has none")
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise SpecificationError(f"{listed(twice)} plays two parts among unit, inputs and outputs")
    wanted = list(dict.fromkeys([*named, *conditions]))
    table = read_table(data, wanted, why="the frontier model")
    table, dropped = table.without_missing(wanted, missing)
    order = _ordered(table, unit, least)
    values = {name: numbers(table, name, role=role)[order] for role, some in
              (("an input", inputs), ("an output", outputs)) for name in some}  # fmt: skip
    label = np.array(table.frame[unit].tolist(), dtype=object)[order]
    for name, column in values.items():
        if np.any(column < 0) and not signed:
            raise DataError(
                f"{name!r} is negative for {listed(label[column < 0])}: what is used and made is counted from zero; "
                "shifting it would change the answer. Split it into what is used and what is made, or ask "
                "benchmodels.frontier.DEA for orientation='directional' with direction='range' and returns='vrs', "
                "which does not depend on where zero is"
            )
        if least > 1 and not np.any(column):
            raise DataError(f"{name!r} is zero for every unit; leave it out")
    x, y = (np.column_stack([values[name] for name in some]) for some in (inputs, outputs))
    for goods, verb in ((x, "uses nothing"), (y, "makes nothing")):
        idle = ~goods.any(axis=1)
        if idle.any() and not signed:
            raise DataError(f"a unit that {verb} has no efficiency; leave it out: {listed(label[idle])}")
    return Goods(
        unit=label,
        inputs=x,
        outputs=y,
        names=(*inputs, *outputs),
        conditions=table.frame[list(conditions)].iloc[order].reset_index(drop=True),
        rows_read=table.rows_read,
        rows_dropped=dropped,
        source=str(table.attrs.get("source", "")),
        simulated=bool(table.attrs.get("simulated", False)),
    )


def _ordered(table: Table, unit: str, least: int) -> NDArray[np.intp]:
    """Return the rows in the order of their labels."""
    column: pd.Series[Any] = table.frame[unit]
    twice = column[column.duplicated()].unique().tolist()
    if twice:
        raise DataError(f"{len(twice)} unit(s) have more than one row: {listed(twice)}; sum them, or choose one period")
    if len(column) < least:
        raise DataError(f"a frontier needs at least {least} units; {unit!r} has {len(column)}")
    try:
        return np.asarray(np.argsort(column.to_numpy(dtype=object), kind="stable"), dtype=np.intp)
    except TypeError as error:
        raise DataError(f"the unit column {unit!r} mixes numbers and text; make it one of them") from error
