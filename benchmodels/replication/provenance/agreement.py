"""Tables of two runs laid side by side: row by row of the same unit, column by column, within stated tolerances."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "Agreement",
    "Cells",
    "ColumnAgreement",
    "compare_cells",
    "kind_of",
    "read_cells",
    "tolerances",
]

Kind = Literal["label", "place", "figure"]

# What a table's rows are known by, in this order; what repeats all of them is known by its place among its like.
_KEYS = ("unit", "part", "name")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?", re.ASCII)
_PLACE = re.compile(r"(^|_)rank(_|$)")
_LABELS = frozenset({*_KEYS, "different", "unusual", "withheld"})


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far two numbers of a kind may lie apart.

    Parameters
    ----------
    rtol : float
        Relative to the larger of the two.
    atol : float
        Relative to the largest figure of the row that has the same unit of measure.
    reason : str
        Why not less and not more.
    """

    rtol: float
    atol: float
    reason: str


TOLERANCES: Mapping[Kind, Tolerance] = {
    "label": Tolerance(rtol=0.0, atol=0.0, reason="names and verdicts are words: they are the same or they are not"),
    "place": Tolerance(
        rtol=0.0,
        atol=0.0,
        reason="ranks and their sets are whole numbers from a recorded seed; none moved between three BLAS kernels",
    ),
    "figure": Tolerance(
        rtol=1e-7,
        atol=1e-9,
        reason="the order of sums in BLAS moved figures by at most 1e-10 of themselves, and by 3e-13 of the largest of "
        "their row where they are themselves near zero; drawn limits and shrunken values by no more than the others",
    ),
}

# Columns of one unit of measure: a difference of two large figures is as exact as these are.
_MEASURES = (
    ("observed", "expected"),
    ("observed_rate", "expected_rate", "difference", "difference_std_error", "difference_lower", "difference_upper"),
    ("ratio", "ratio_std_error", "ratio_lower", "ratio_upper"),
    ("shrunken", "shrunken_std_error"),
    ("value", "target", "slack", "lower", "upper"),
)
_FAMILY = {column: columns for columns in _MEASURES for column in columns}


def tolerances() -> dict[str, dict[str, float]]:
    """Return the tolerances by kind of column, as a manifest records them.

    Examples
    --------
    >>> tolerances()["figure"]
    {'rtol': 1e-07, 'atol': 1e-09}
    """
    return {kind: {"rtol": found.rtol, "atol": found.atol} for kind, found in TOLERANCES.items()}


def kind_of(column: str) -> Kind:
    """Return what kind of column it is, by its name.

    Examples
    --------
    >>> [kind_of(name) for name in ("unit", "frontier_rank_lower", "ratio", "different")]
    ['label', 'place', 'figure', 'label']
    """
    if column in _LABELS:
        return "label"
    return "place" if _PLACE.search(column) else "figure"


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """A table of text as it lies on file.

    Parameters
    ----------
    name : str
        Of the file.
    columns : tuple of str
    rows : mapping of key to mapping of column to cell
        By unit, part and name, as far as the table has them, and the place among those alike in all of these.
    """

    name: str
    columns: tuple[str, ...]
    rows: Mapping[tuple[str, ...], Mapping[str, str]]


def read_cells(path: Path) -> Cells:
    """Read a table that `benchmodels.replication.provenance.folder.write_csv` wrote, of either kind, as text.

    Raises
    ------
    DataError
        The file cannot be read, is not UTF-8, or is no table with a name for each column and a cell for each name.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: not UTF-8 at byte {error.start}") from error
    danish = path.name.endswith(".da.csv")
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if danish else ",", strict=True))
    except csv.Error as error:
        raise DataError(f"{path.name}: cannot be read as a table: {error}") from error
    if not lines or not lines[0]:
        raise DataError(f"{path.name}: the table is empty")
    header, *body = lines
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"{path.name}: column {twice[0]!r} stands {header.count(twice[0])} times")
    ragged = next((n for n, line in enumerate(body, start=2) if len(line) != len(header)), None)
    if ragged is not None:
        raise DataError(f"{path.name}: row {ragged} has {len(body[ragged - 2])} cells, and the header {len(header)}")
    return Cells(name=path.name, columns=tuple(header), rows=_keyed(header, body, danish=danish))


def _keyed(header: Sequence[str], body: Sequence[Sequence[str]], *, danish: bool) -> dict[tuple[str, ...], Any]:
    keys = [name for name in _KEYS if name in header]
    seen: Counter[tuple[str, ...]] = Counter()
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for n, line in enumerate(body, start=1):
        row = dict(zip(header, line, strict=True))
        if danish:
            row = {name: cell if name in keys else _pointed(cell) for name, cell in row.items()}
        key = tuple(row[name] for name in keys) or (f"row {n}",)
        seen[key] += 1
        rows[key if seen[key] == 1 else (*key, f"no. {seen[key]}")] = row
    return rows


def _pointed(cell: str) -> str:
    """Return a Danish number as others write it; one that is not written the Danish way is marked, and never equal."""
    if "," in cell:
        point = cell.replace(",", ".", 1)
        return point if _NUMBER.fullmatch(point) else cell
    return f"{cell} (with a point)" if "." in cell and _NUMBER.fullmatch(cell) else cell


@dataclass(frozen=True, kw_only=True)
class ColumnAgreement:
    """One column of two tables.

    Parameters
    ----------
    column : str
    kind : {"label", "place", "figure"}
    values : int
        Rows that both tables have.
    beyond : int
        How many of them differ by more than the tolerance.
    unit : str
        Where they differ most, measured by what is allowed there; '' where all are the same to the last digit.
    recorded, found : str
        The two cells there.
    difference : float
        Between the two; NaN where they are no numbers.
    relative : float
        The difference over the larger of the two; NaN where they are no numbers.
    """

    column: str
    kind: Kind
    values: int
    beyond: int
    unit: str = ""
    recorded: str = ""
    found: str = ""
    difference: float = float("nan")
    relative: float = float("nan")


@dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """Two tables of one name.

    Parameters
    ----------
    name : str
    columns : tuple of ColumnAgreement
        Of the columns that both have.
    gone, came : tuple of str
        Rows that only the first, or only the second, has: by unit, part and name.
    columns_gone, columns_came : tuple of str
    moves : mapping of column to mapping of (str, str) to int
        Of the verdicts ``different`` and ``unusual``: how many went from one to another.
    """

    name: str
    columns: tuple[ColumnAgreement, ...]
    gone: tuple[str, ...]
    came: tuple[str, ...]
    columns_gone: tuple[str, ...]
    columns_came: tuple[str, ...]
    moves: Mapping[str, Mapping[tuple[str, str], int]]

    @property
    def ok(self) -> bool:
        """Whether rows and columns are the same and every cell is within its tolerance."""
        parts = (self.gone, self.came, self.columns_gone, self.columns_came)
        return not any(parts) and not any(column.beyond for column in self.columns)

    @property
    def beyond(self) -> tuple[ColumnAgreement, ...]:
        """Columns with cells beyond their tolerance."""
        return tuple(column for column in self.columns if column.beyond)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per column: kind, values, beyond, and the place and size of the worst difference."""
        fields = list(ColumnAgreement.__dataclass_fields__)
        rows = [{name: getattr(column, name) for name in fields} for column in self.columns]
        return pd.DataFrame(rows, columns=fields)


def compare_cells(recorded: Cells, found: Cells) -> Agreement:
    """Compare two tables row by row of the same unit.

    Parameters
    ----------
    recorded, found : Cells

    Notes
    -----
    The order of rows and of columns does not count. A cell that is empty in one table only is beyond any tolerance.
    """
    shared = [key for key in recorded.rows if key in found.rows]
    both = [name for name in recorded.columns if name in found.columns]
    return Agreement(
        name=recorded.name,
        columns=tuple(_compared(name, shared, recorded, found) for name in both),
        gone=tuple(" / ".join(key) for key in recorded.rows if key not in found.rows),
        came=tuple(" / ".join(key) for key in found.rows if key not in recorded.rows),
        columns_gone=tuple(name for name in recorded.columns if name not in found.columns),
        columns_came=tuple(name for name in found.columns if name not in recorded.columns),
        moves={
            name: Counter(
                (recorded.rows[key][name], found.rows[key][name])
                for key in shared
                if recorded.rows[key][name] != found.rows[key][name]
            )
            for name in ("different", "unusual")
            if name in both
        },
    )


def _compared(column: str, keys: Sequence[tuple[str, ...]], recorded: Cells, found: Cells) -> ColumnAgreement:
    kind = kind_of(column)
    beyond, worst, place = 0, 0.0, None
    for key in keys:
        one, other = recorded.rows[key], found.rows[key]
        if one[column] == other[column]:
            continue
        excess = _excess(kind, column, one, other)
        beyond += excess > 1
        if place is None or excess > worst:
            worst, place = excess, key
    if place is None:
        return ColumnAgreement(column=column, kind=kind, values=len(keys), beyond=0)
    a, b = recorded.rows[place][column], found.rows[place][column]
    x, y = number(a), number(b)
    difference = abs(x - y)
    largest = max(abs(x), abs(y))
    return ColumnAgreement(
        column=column, kind=kind, values=len(keys), beyond=beyond, unit=" / ".join(place), recorded=a, found=b,
        difference=difference, relative=difference / largest if largest else 0.0,
    )  # fmt: skip


def _excess(kind: Kind, column: str, one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """Return how far two cells lie apart over how far they may; infinite for words, or without leave."""
    x, y = number(one[column]), number(other[column])
    difference, largest = abs(x - y), max(abs(x), abs(y))
    if not math.isfinite(difference):
        return math.inf
    asked = TOLERANCES[kind]
    # The smaller of the two rows' largest: a figure blown up in one table gives its neighbours no leave.
    scale = min(_largest(column, row) for row in (one, other))
    allowed = asked.rtol * largest + asked.atol * scale
    if kind == "label" or difference > allowed:
        return difference / allowed if allowed and kind != "label" else math.inf
    return difference / allowed if allowed else 0.0


def _largest(column: str, row: Mapping[str, str]) -> float:
    values = (abs(number(row[name])) for name in _FAMILY.get(column, (column,)) if name in row)
    return max((value for value in values if math.isfinite(value)), default=0.0)


def number(cell: str) -> float:
    """Return a cell as a number; NaN where it is none."""
    return float(cell) if _NUMBER.fullmatch(cell) else math.nan
