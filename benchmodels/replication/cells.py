"""The cells of printed tables, by 'table | row | column', each with what rounding may hide."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.replication.printed import read_printed
from benchmodels.replication.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmodels.replication.claims import Claims, TableSpec

__all__ = ["Cell", "Grid", "MissingCellError", "read_grids"]

# What a printed table leaves empty: an act not yet in force, a figure kept back, nothing to count.
_EMPTY = ("", "-", "–", "—", "..", "...", ".", ":", "x", "*")


class MissingCellError(DataError):
    """A claim rests on a cell that the table does not have."""


@dataclass(frozen=True, order=True)
class Cell:
    """One printed number and its place.

    Parameters
    ----------
    table, row, column : str
    value : float
        In the table's unit of measure.
    half : float
        Half a unit of the last printed digit; 0 for exact numbers.
    """

    table: str
    row: str
    column: str
    value: float
    half: float

    @property
    def address(self) -> str:
        """Its place as a claim writes it."""
        return f"{self.table} | {self.row} | {self.column}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """A table as cells.

    Parameters
    ----------
    name : str
    spec : TableSpec
    frame : DataFrame
        The table as it was read, for fits.
    cells : dict of (str, str) to Cell
        By row and column; an empty cell is not there.
    rows, columns : tuple of str
        In the order of the table, empty cells included.
    """

    name: str
    spec: TableSpec
    frame: pd.DataFrame
    cells: Mapping[tuple[str, str], Cell]
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def find(self, row: str, column: str) -> list[Cell]:
        """Return the cells of a row, or of a group of rows, and a column.

        '*' stands for every row but the printed total, or for every column.

        Raises
        ------
        MissingCellError
            The row, the column or the number in it is not there. A star passes over what is empty.
        """
        if row == "*":
            rows = [r for r in self.rows if r != self.spec.total]
        else:
            rows = [self._known("row", r, self.rows) for r in self.spec.groups.get(row, [row])]
        columns = list(self.columns) if column == "*" else [self._known("column", column, self.columns)]
        empty = [(r, c) for r in rows for c in columns if (r, c) not in self.cells]
        if empty and ("*" not in (row, column) or len(empty) == len(rows) * len(columns)):
            raise MissingCellError(f"the cell '{self.name} | {empty[0][0]} | {empty[0][1]}' is empty")
        return [self.cells[r, c] for r in rows for c in columns if (r, c) in self.cells]

    def _known(self, what: str, name: str, there: tuple[str, ...]) -> str:
        if name in there:
            return name
        near = difflib.get_close_matches(name, there, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(map(repr, there[:8]))}"
        raise MissingCellError(f"table {self.name!r} has no {what} {name!r}; {hint}")


def read_grids(claims: Claims, *, tables: Mapping[str, pd.DataFrame] | None = None) -> dict[str, Grid | DataError]:
    """Read every table of a file of claims.

    Parameters
    ----------
    claims : Claims
    tables : mapping of str to DataFrame, optional
        Frames that take the place of tables, by name: as the file's `path` or `dataset` would be read.

    Returns
    -------
    dict of str to Grid or DataError
        A table that cannot be read is the error it gave: what rests on others can still be worked out.

    Raises
    ------
    SpecificationError
        `tables` names a table that the file does not have.
    """
    given = dict(tables or {})
    unknown = [name for name in given if name not in claims.tables]
    if unknown:
        there = ", ".join(claims.tables)
        raise SpecificationError(f"{claims.document.id}: there is no table {unknown[0]!r}; there is {there}")
    grids: dict[str, Grid | DataError] = {}
    for name, spec in claims.tables.items():
        try:
            grids[name] = _grid(name, spec, given.get(name), claims)
        except DataError as error:
            grids[name] = error
    return grids


def _grid(name: str, spec: TableSpec, given: pd.DataFrame | None, claims: Claims) -> Grid:
    if spec.cells is not None and given is None:
        return _typed(name, spec, claims)
    frame = _frame(spec, claims) if given is None else given
    for column, wanted in spec.where.items():
        _require(frame, column, name)
        frame = frame[frame[column].astype(str) == str(wanted)]
    frame = frame.reset_index(drop=True)
    if spec.rows is None:
        frame = frame.assign(row=[str(place) for place in range(1, len(frame) + 1)])
    rows = spec.rows or "row"
    _require(frame, rows, name)
    if spec.columns is None:
        numeric = [c for c in frame.columns if c != rows and pd.api.types.is_numeric_dtype(frame[c])]
        told = [(str(r), str(c), v) for c in numeric for r, v in zip(frame[rows], frame[c], strict=True)]
    else:
        _require(frame, spec.columns, name)
        _require(frame, str(spec.values), name)
        values = pd.to_numeric(frame[str(spec.values)], errors="coerce")
        told = list(zip(frame[rows].astype(str), frame[spec.columns].astype(str), values, strict=True))
    half = 0.0 if spec.decimals is None else 0.5 * 10.0**-spec.decimals
    return _gathered(name, spec, frame, [(row, column, float(value), half) for row, column, value in told])


def _typed(name: str, spec: TableSpec, claims: Claims) -> Grid:
    """Read a table that is typed into the file, each cell with the precision of its digits."""
    told = []
    for row, cells in (spec.cells or {}).items():
        for column, text in cells.items():
            if text.strip() in _EMPTY:
                told.append((row, column, math.nan, 0.0))
                continue
            number = read_printed(text, language=claims.document.language)
            told.append((row, column, number.value, number.half))
    frame = pd.DataFrame(told, columns=["row", "column", "value", "half"])
    return _gathered(name, spec, frame, told)


def _gathered(name: str, spec: TableSpec, frame: pd.DataFrame, told: list[tuple[str, str, float, float]]) -> Grid:
    cells: dict[tuple[str, str], Cell] = {}
    for row, column, value, half in told:
        if (row, column) in cells:
            raise DataError(f"table {name!r}: row {row!r} and column {column!r} are there twice")
        if math.isinf(value):
            raise DataError(f"table {name!r}: the cell of row {row!r} and column {column!r} is infinite")
        if not math.isnan(value):
            cells[row, column] = Cell(name, row, column, value, half)
    rows = tuple(dict.fromkeys(row for row, *_ in told))
    columns = tuple(dict.fromkeys(column for _, column, *_ in told))
    if spec.total is not None and spec.total not in rows:
        raise DataError(f"table {name!r} has no row {spec.total!r} with totals")
    return Grid(name=name, spec=spec, frame=frame, cells=cells, rows=rows, columns=columns)


def _frame(spec: TableSpec, claims: Claims) -> pd.DataFrame:
    if spec.dataset is not None:
        from benchmodels.datasets import load
        from benchmodels.replication.libraries import LIBRARY_DATASETS, load_dataset

        return load_dataset(spec.dataset) if spec.dataset in LIBRARY_DATASETS else load(spec.dataset)
    return read_table(claims.folder / str(spec.path), sep=",", decimal=".", labels=[spec.rows] if spec.rows else ())


def _require(frame: pd.DataFrame, column: str, name: str) -> None:
    there: Iterable[str] = [str(c) for c in frame.columns]
    if column not in there:
        raise DataError(f"table {name!r} has no column {column!r}; there is {', '.join(there)}")
