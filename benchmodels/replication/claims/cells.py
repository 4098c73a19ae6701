"""The cells of printed tables, by 'table | row | column', each with what rounding may hide."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from benchmodels.replication.claims.printed import Printed, PrintLanguage, read_printed
from benchmodels.replication.tables import read_text_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmodels.replication.claims.specification import Claims, TableSpec

__all__ = ["Cell", "Grid", "MissingCellError", "read_grids"]

# What a printed table has where there was nothing, such as an act not yet in force: a sum passes over it.
_NOTHING = ("-", "–", "—")
_OTHER: dict[PrintLanguage, PrintLanguage] = {"da": "en", "en": "da"}


class MissingCellError(DataError):
    """A claim rests on a cell that the table does not have, or keeps back."""


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

    def times(self, factor: float) -> Cell:
        """Return the cell in another unit of measure."""
        return replace(self, value=self.value * factor, half=self.half * factor)


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
        By row and column; what is not a number is not there.
    marks : dict of (str, str) to str
        Where a figure is unknown, kept back or cannot be read: what stands there, in words.
    rows, columns : tuple of str
        In the order of the table.
    """

    name: str
    spec: TableSpec
    frame: pd.DataFrame
    cells: Mapping[tuple[str, str], Cell]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    marks: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def find(self, row: str, column: str) -> list[Cell]:
        """Return the cells of a row, or of a group of rows, and a column.

        '*' stands for every row but the printed total, or for every column.

        Raises
        ------
        MissingCellError
            The row, the column or the number in it is not there. A star passes over a dash, for nothing; not over a
            figure that is unknown or kept back.
        """
        if row == "*":
            rows = [r for r in self.rows if r != self.spec.total]
        else:
            members = self.spec.groups.get(row, [row])
            rows = list(dict.fromkeys(self._known("row", member, self.rows) for member in members))
        columns = list(self.columns) if column == "*" else [self._known("column", column, self.columns)]
        places = [(r, c) for r in rows for c in columns]
        lacking = [place for place in places if place not in self.cells]
        kept_back = [place for place in lacking if place in self.marks]
        wanted = kept_back if "*" in (row, column) and len(lacking) < len(places) else lacking
        if wanted:
            r, c = wanted[0]
            raise MissingCellError(f"the cell '{self.name} | {r} | {c}' {self.marks.get((r, c), 'is empty')}")
        return [self.cells[place] for place in places if place in self.cells]

    def _known(self, what: str, name: str, there: tuple[str, ...]) -> str:
        if _same(name) in there:
            return _same(name)
        near = difflib.get_close_matches(name, there, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(map(repr, there[:8])) or 'none'}"
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
        except BenchmodelsError as error:
            grids[name] = error if isinstance(error, DataError) else DataError(str(error))
    return grids


def _grid(name: str, spec: TableSpec, given: pd.DataFrame | None, claims: Claims) -> Grid:
    language = spec.language or claims.document.language
    if given is None and spec.cells is not None:
        return _gathered(name, spec, pd.DataFrame(), _typed(spec, language), language)
    if given is None and spec.path is not None:
        frame = _printed_frame(claims.folder, spec)
    else:
        frame = _dataset(str(spec.dataset)) if given is None else given
    for column, wanted in spec.where.items():
        _require(frame, column, name)
        frame = frame[frame[column].astype(str) == str(wanted)]
    frame = frame.reset_index(drop=True)
    if spec.rows is None:
        frame = frame.assign(row=[str(place) for place in range(1, len(frame) + 1)])
    rows = spec.rows or "row"
    _require(frame, rows, name)
    labels = [_same(str(label)) for label in frame[rows]]
    if spec.columns is None:
        others = [c for c in frame.columns if c != rows and _holds_numbers(frame[c], language)]
        told = [(r, _same(str(c)), v) for c in others for r, v in zip(labels, frame[c], strict=True)]
    else:
        _require(frame, spec.columns, name)
        _require(frame, str(spec.values), name)
        columns = [_same(str(label)) for label in frame[spec.columns]]
        told = list(zip(labels, columns, frame[str(spec.values)], strict=True))
    numeric = _numeric(frame, labels=rows, language=language)
    return _gathered(name, spec, numeric, [(r, c, v, spec.half(c)) for r, c, v in told], language)


def _typed(spec: TableSpec, language: PrintLanguage) -> list[tuple[str, str, object, float]]:
    """Return the cells that are typed into the file, each with the precision of its digits."""
    told: list[tuple[str, str, object, float]] = []
    for row, cells in (spec.cells or {}).items():
        for column, text in cells.items():
            number = _read(text, language)
            told.append((_same(row), _same(column), text, number.half if number else 0.0))
    return told


def _gathered(
    name: str,
    spec: TableSpec,
    frame: pd.DataFrame,
    told: list[tuple[str, str, object, float]],
    language: PrintLanguage,
) -> Grid:
    cells: dict[tuple[str, str], Cell] = {}
    marks: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str]] = set()
    for row, column, content, half in told:
        if (row, column) in seen:
            raise DataError(f"table {name!r}: row {row!r} and column {column!r} are there twice")
        seen.add((row, column))
        value = _number(content, language)
        if value is not None and math.isinf(value):
            raise DataError(f"table {name!r}: the cell of row {row!r} and column {column!r} is infinite")
        if value is not None and not math.isnan(value):
            _refuse_more_decimals(content, half, language, where=f"{name} | {row} | {column}")
            cells[row, column] = Cell(name, row, column, value, half)
        elif isinstance(content, str) and content.strip() not in _NOTHING:
            marks[row, column] = _unread(content.strip(), language)
    rows = tuple(dict.fromkeys(row for row, *_ in told))
    columns = tuple(dict.fromkeys(column for _, column, *_ in told))
    if spec.total is not None and spec.total not in rows:
        raise DataError(f"table {name!r} has no row {spec.total!r} with totals")
    return Grid(name=name, spec=spec, frame=frame, cells=cells, rows=rows, columns=columns, marks=marks)


def _read(text: str, language: PrintLanguage) -> Printed | None:
    """Return a printed number, or None for text that is none in this language."""
    try:
        return read_printed(text, language=language)
    except SpecificationError:
        return None


def _number(content: object, language: PrintLanguage) -> float | None:
    """Return a number, or None for text that is none; a missing value is NaN, for nothing."""
    if isinstance(content, str):
        number = _read(content, language)
        return None if number is None else number.value
    try:
        return float(content)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _unread(text: str, language: PrintLanguage) -> str:
    """Say what stands in a cell that is no number, and what to do where it is one with the other marks."""
    if not text:
        return "is empty"
    other = _OTHER[language]
    if _read(text, other) is not None:
        return f"holds {text!r}, which is a number with the marks of {other!r}: give the table language = {other!r}"
    return f"holds {text!r}"


def _refuse_more_decimals(content: object, half: float, language: PrintLanguage, *, where: str) -> None:
    """Refuse text with more decimals than the table is said to have: one of the two is misread."""
    number = _read(content, language) if isinstance(content, str) else None
    if number is None or half <= 0:
        return
    units = number.value / (2 * half)
    if abs(units - round(units)) > 1e-6:  # zeros beyond the printed decimals say nothing and do no harm
        raise DataError(
            f"the cell '{where}' holds {content!r}, with more decimals than the table's: mend decimals, or language "
            f"(found {language!r})"
        )


def _printed_frame(folder: Path, spec: TableSpec) -> pd.DataFrame:
    """Read a CSV file as the text it holds; it must lie in or below the folder of the file of claims."""
    base = folder.resolve()
    path = (base / str(spec.path)).resolve()
    if not path.is_relative_to(base):
        raise DataError(f"{spec.path}: a table lies in or below the folder of the file of claims")
    return read_text_table(path, sep=spec.sep, encoding=spec.encoding)


def _dataset(name: str) -> pd.DataFrame:
    from benchmodels.datasets import load
    from benchmodels.replication.claims.libraries import LIBRARY_DATASETS, load_dataset

    return load_dataset(name) if name in LIBRARY_DATASETS else load(name)


def _holds_numbers(column: pd.Series, language: PrintLanguage) -> bool:
    """Whether a column has a number at all, with whichever marks; labels and remarks have none."""
    values = (_number(content, language) for content in column)
    if any(value is not None and math.isfinite(value) for value in values):
        return True
    return any(isinstance(content, str) and _read(content, _OTHER[language]) is not None for content in column)


def _numeric(frame: pd.DataFrame, *, labels: str, language: PrintLanguage) -> pd.DataFrame:
    """Return the table with columns of nothing but numbers as numbers, for a model; labels stay text."""
    kept = {}
    for name in frame.columns:
        column = frame[name]
        if name != labels and not pd.api.types.is_numeric_dtype(column):
            numbers = [_number(content, language) for content in column]
            if all(number is not None and math.isfinite(number) for number in numbers):
                column = pd.Series(numbers, index=column.index, dtype=float)
        kept[name] = column
    return pd.DataFrame(kept)


def _same(label: str) -> str:
    """Return a label in one form: letters composed, one space between words."""
    return " ".join(unicodedata.normalize("NFC", label).split())


def _require(frame: pd.DataFrame, column: str, name: str) -> None:
    there: Iterable[str] = [str(c) for c in frame.columns]
    if column not in there:
        raise DataError(f"table {name!r} has no column {column!r}; there is {', '.join(there)}")
