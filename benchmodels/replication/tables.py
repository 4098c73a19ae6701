"""Tables for studies: bundled, CSV, XLSX or Parquet, read explicitly and refused with a reason."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmodels.errors import DataError
from benchmodels.replication.pupil_courses import pupils_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from benchmodels.replication.study import Study

__all__ = ["Table", "load_table", "read_table", "read_text_table"]

_EXTRAS = {".xlsx": ("openpyxl", "excel"), ".xlsm": ("openpyxl", "excel"), ".parquet": ("pyarrow", "parquet")}


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A table and where it came from.

    Parameters
    ----------
    frame : DataFrame
        Rows as the model sees them: filtered, and summed where the study says so.
    cases : DataFrame
        The same before they are summed.
    name : str
        Data set, file name, or 'table' for one handed over in memory.
    sha256 : str
        Hash of the file's bytes, or of the table's values where there is no file.
    rows : int
        Rows read, before any filter.
    source : str
        What the table says of its own origin.
    simulated : bool
        The figures are simulated.
    notes : tuple of str
        What a reader must know of how the rows were made.
    """

    frame: pd.DataFrame
    cases: pd.DataFrame
    name: str
    sha256: str
    rows: int
    source: str
    simulated: bool
    notes: tuple[str, ...] = ()


def load_table(
    study: Study,
    *,
    data: pd.DataFrame | str | Path | None = None,
    without: Mapping[str, Collection[object]] | None = None,
) -> Table:
    """Load the table of a study, or the one given in its place.

    Parameters
    ----------
    study : Study
    data : DataFrame, str or Path, optional
        Takes the place of the study's own data set or file; the study's filter and sums still apply.
    without : mapping of str to labels, optional
        Columns, and the labels in them whose rows are left out before anything else is done.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        The file is missing, empty or unreadable, or lacks a column that the study names.
    """
    spec = study.data
    if data is None and spec.dataset is not None:
        from benchmodels.datasets import load

        frame, name = load(spec.dataset), spec.dataset
    elif isinstance(data, pd.DataFrame):
        frame, name = data, "table"
    else:
        path = Path(data) if data is not None else study.data_file
        if path is None:  # the study was checked to have one of the two
            raise DataError(f"study {study.id!r} names no data")
        options = spec.model_dump(include={"sep", "decimal", "encoding", "sheet"})
        pupil = [] if spec.courses is None else [spec.courses.pupil]
        frame = read_table(path, **options, labels=[study.roles.unit, *pupil])
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        # Labels as their own study reads them: a code keeps its zeros there, and may be a number here.
        labels = read_table(path, **options, labels=list(without)) if without else frame
        return _prepared(study, frame, _kept(labels, without, path.name), name=path.name, sha256=sha256)
    return _prepared(study, frame, _kept(frame, without, name), name=name, sha256=_hash_frame(frame))


def _kept(labels: pd.DataFrame, without: Mapping[str, Collection[object]] | None, name: str) -> pd.Series[bool]:
    """Return which rows are left, by the labels of units."""
    require_columns(labels, without or {}, name=name)
    kept = pd.Series(True, index=labels.index)
    for column, gone in (without or {}).items():
        kept &= ~labels[column].isin(list(gone))
    return kept


def _prepared(study: Study, frame: pd.DataFrame, kept: pd.Series[bool], *, name: str, sha256: str) -> Table:
    spec, rows = study.data, len(frame)
    attrs = dict(frame.attrs)
    if not rows:
        raise DataError(f"{name}: the table has no rows")
    notes = _told(attrs)
    if spec.courses is not None:
        asked = spec.courses
        require_columns(frame, [study.roles.unit, *asked.columns()], name=name)
        used = re.findall(r"\w+", study.model.formula) + [*study.roles.columns(), *spec.filter]
        frame, told = pupils_of(frame, asked, unit=study.roles.unit, kept=kept, used=used, name=name)
        notes, kept = (*notes, *told), pd.Series(True, index=frame.index)
    named = [name for part in (study.frontier, study.development) if part is not None for name in part.columns()]
    require_columns(frame, [*study.roles.columns(), *spec.filter, *named], name=name)
    frame = frame[kept.to_numpy()]
    if frame.empty:
        raise DataError(f"{name}: no row is left without the units kept back")
    for column, wanted in spec.filter.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        chosen = frame[frame[column].isin(values)]
        if chosen.empty:
            there = sorted(frame[column].dropna().astype(str).unique())[:10]
            raise DataError(f"{name}: no row has {column} = {wanted!r}; there is {', '.join(there)}")
        frame = chosen
    _refuse_varying_choices(frame, study, name=name)
    cases = frame.reset_index(drop=True)
    if spec.aggregate is not None:
        frame = _summed(frame, by=spec.aggregate.by, columns=spec.aggregate.sum, name=name)
        require_columns(frame, study.roles.columns(), name=f"{name} after aggregation")
    return Table(
        frame=frame.reset_index(drop=True),
        cases=cases,
        name=name,
        sha256=sha256,
        rows=rows,
        source=str(attrs.get("source", "")),
        simulated=bool(attrs.get("simulated", False)),
        notes=notes,
    )


def _told(attrs: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return what a table says that its readers must know."""
    notes = attrs.get("notes", ())
    return tuple(note for note in notes if isinstance(note, str)) if isinstance(notes, tuple | list) else ()


def _refuse_varying_choices(frame: pd.DataFrame, study: Study, *, name: str) -> None:
    """Raise DataError where a unit has more than one value of what it is to have chosen."""
    unit = study.roles.unit
    for column in study.roles.choice:
        met = frame.groupby(unit, sort=False, observed=True)[column].nunique(dropna=False)
        varying = met.index[met > 1].tolist()
        if varying:
            there = frame.loc[frame[unit] == varying[0], column].drop_duplicates().head(3)
            values = ", ".join("nothing" if pd.isna(value) else repr(str(value)) for value in there)
            raise DataError(
                f"{name}: choice {column!r} is not one per unit: {len(varying)} of {len(met)} have more than one value "
                f"(unit {varying[0]!r} in {unit!r} has {values}). A choice is the unit's own, the same in all its rows"
            )


def _summed(frame: pd.DataFrame, *, by: list[str], columns: list[str], name: str) -> pd.DataFrame:
    """Sum some columns within groups; keep the others only where they are constant within every group."""
    require_columns(frame, [*by, *columns], name=name)
    for column in columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            raise DataError(f"{name}: column {column!r} is to be summed and is not numeric")
    groups = frame.groupby(by, sort=False, observed=True, dropna=False)
    rest = [column for column in frame.columns if column not in {*by, *columns}]
    constant = [column for column in rest if int(groups[column].nunique(dropna=False).max()) == 1]
    # A sum with a part missing is missing: it is no smaller sum.
    sums = groups[columns].sum().where(groups[columns].count().eq(groups.size(), axis=0))
    whole = pd.concat([groups[constant].first(), sums], axis=1).reset_index()
    whole.attrs = dict(frame.attrs)
    return whole


def require_columns(frame: pd.DataFrame, names: Iterable[str], *, name: str) -> None:
    """Raise DataError that names every missing column, its nearest neighbour and what there is."""
    there = [str(column) for column in frame.columns]
    missing = []
    for wanted in dict.fromkeys(names):
        if wanted not in there:
            folded = {column.casefold(): column for column in there}
            near = difflib.get_close_matches(wanted.casefold(), list(folded), n=1, cutoff=0.6)
            missing.append(f"{wanted!r}" + (f" (did you mean {folded[near[0]]!r}?)" if near else ""))
    if missing:
        plural = "column" if len(missing) == 1 else "columns"
        raise DataError(f"{name}: no {plural} {', '.join(missing)}; there is {', '.join(there)}")


def read_table(
    path: str | Path,
    *,
    sep: str | None = None,
    decimal: str | None = None,
    encoding: str = "utf-8-sig",
    sheet: str | None = None,
    labels: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a CSV, XLSX or Parquet file.

    Parameters
    ----------
    path : str or Path
    sep : str, optional
        Column separator of a CSV file. By default the one of ``; tab , |`` found in the header line.
    decimal : str, optional
        Decimal mark of a CSV file. By default ``,`` where the separator is ``;``, as spreadsheets in a Danish
        locale write it, and ``.`` otherwise.
    encoding : str
        Of a CSV file; UTF-8 with or without byte-order mark by default.
    sheet : str, optional
        Of an XLSX file; the first by default.
    labels : sequence of str
        Columns of a CSV file that stay text, so that a code such as '0101' keeps its zero.

    Raises
    ------
    DataError
        The file is missing, empty, of another kind, not in this encoding, or needs an extra not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no file {path}")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name}: the file is empty")
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv", ".txt"):
        return _read_csv(path, sep=sep, decimal=decimal, encoding=encoding, labels=labels)
    if kind not in _EXTRAS:
        raise DataError(
            f"{path.name}: files of this kind cannot be read; allowed are .csv, .tsv, .txt, .xlsx, .parquet"
        )
    module, extra = _EXTRAS[kind]
    try:
        if kind == ".parquet":
            frame: Any = pd.read_parquet(path)
        else:
            frame = pd.read_excel(path, sheet_name=sheet if sheet is not None else 0, engine="openpyxl")
    except ImportError as error:
        raise DataError(f'{path.name}: reading it needs {module}; pip install "benchmodels[{extra}]"') from error
    except (ValueError, OSError, KeyError) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error
    except Exception as error:  # a damaged file raises the library's own kinds (BadZipFile, ArrowInvalid, ...)
        raise DataError(f"{path.name}: cannot be read: {type(error).__name__}: {error}") from error
    return pd.DataFrame(frame)


def read_text_table(path: str | Path, *, sep: str | None = None, encoding: str = "utf-8-sig") -> pd.DataFrame:
    """Read a CSV file as the text it holds: every cell as it was typed, an empty one as ''.

    Parameters
    ----------
    path : str or Path
    sep, encoding : str
        As in `read_table`.

    Raises
    ------
    DataError
        The file is missing, empty, not in this encoding, or no CSV.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no file {path.name}")
    text = _csv_text(path, encoding)
    sep = sep or _separator(text)
    try:
        return pd.read_csv(io.StringIO(text), sep=sep, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path.name}: cannot be read as CSV with separator {sep!r}: {error}") from error


def _csv_text(path: Path, encoding: str) -> str:
    try:
        text = path.read_bytes().decode(encoding)
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding.lower().replace("_", "-").startswith("utf-8") else encoding
        raise DataError(
            f"{path.name}: the file is not {name} (byte {error.start} cannot be read); save it as UTF-8 (in a "
            "spreadsheet: 'CSV UTF-8'), or give data.encoding in the study (in a file of claims, encoding of the "
            "table), such as 'cp1252' for Western Windows"
        ) from error
    except LookupError as error:
        raise DataError(f"{path.name}: no encoding {encoding!r}") from error
    if not text.strip():
        raise DataError(f"{path.name}: the file is empty")
    return text


def _read_csv(
    path: Path, *, sep: str | None, decimal: str | None, encoding: str, labels: Sequence[str]
) -> pd.DataFrame:
    text = _csv_text(path, encoding)
    sep = sep or _separator(text)
    mark = decimal or ("," if sep == ";" else ".")
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep=sep, decimal=mark, skipinitialspace=True, dtype=dict.fromkeys(labels, str)
        )
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path.name}: cannot be read as CSV with separator {sep!r}: {error}") from error
    if decimal is None and mark == ",":
        _refuse_points(frame, name=path.name, labels=labels)
    return frame


def _refuse_points(frame: pd.DataFrame, *, name: str, labels: Sequence[str]) -> None:
    """Refuse columns like '1.234' where a decimal comma was inferred: it may be 1234 or 1.234."""
    for column in frame.columns:
        values = frame[column].dropna()
        if column in labels or values.empty or pd.api.types.is_numeric_dtype(values):
            continue
        text = values.astype(str)
        pointed = text.str.fullmatch(r"[-+]?\d[\d.]*\.\d+(,\d+)?")
        if pointed.any() and (pointed | text.str.fullmatch(r"[-+]?\d+(,\d+)?")).all():
            raise DataError(
                f"{name}: column {column!r} holds numbers such as {text[pointed].iloc[0]!r}, which read differently "
                "with decimal comma and decimal point; give data.decimal = '.', or save the file without "
                "thousands separators"
            )


def _separator(text: str) -> str:
    """Find the separator that splits the header line into most names; quoted parts do not count."""
    header = next(line for line in text.splitlines() if line.strip())
    counts = {sep: len(next(csv.reader([header], delimiter=sep))) for sep in (";", "\t", ",", "|")}
    best = max(counts, key=lambda sep: counts[sep])
    return best if counts[best] > 1 else ","


def _hash_frame(frame: pd.DataFrame) -> str:
    """Hash the values of a table with its column names; the index does not count."""
    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()
