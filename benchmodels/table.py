"""A foreign table, taken in once and checked: the only place that reads dataframes of other libraries."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, DroppedRowsWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["MISSING", "Table", "listed", "met", "named_missing", "numbers", "read_table"]

# The category of cases that lack a value; one name in every language.
MISSING = "missing"


def listed(values: Iterable[object], *, most: int = 8) -> str:
    """Return values as a list for a message, cut after ``most``."""
    shown = [repr(v) if isinstance(v, str) else str(v) for v in values]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


@dataclass(frozen=True, eq=False)
class Table:
    """The columns that are used, as pandas, with a plain index."""

    frame: pd.DataFrame
    rows_read: int
    attrs: dict[str, Any] = field(default_factory=dict)

    def refuse_missing(self, names: Sequence[str], *, advice: str = "") -> None:
        """Raise where a used column has missing values, with a count for each and advice on what to do."""
        counts = {name: int(self.frame[name].isna().sum()) for name in dict.fromkeys(names)}
        lacking = {name: count for name, count in counts.items() if count}
        if lacking:
            what = ", ".join(f"{name!r}: {count}" for name, count in lacking.items())
            advice = advice or (
                "fill or impute them (benchmodels.imputation), or say missing='drop' or, for categorical covariates, "
                "missing='category'"
            )
            raise DataError(f"missing values in {len(lacking)} column(s) of {len(self.frame)} rows ({what}); {advice}")

    def without_missing(self, names: Sequence[str], missing: Literal["raise", "drop", "category"]) -> tuple[Table, int]:
        """Return the table without rows that lack a used value, and how many those were."""
        if missing == "raise":
            self.refuse_missing(names)
            return self, 0
        if missing == "category":
            self.refuse_missing(
                names,
                advice="missing='category' is for covariates that are categories: cut numbers into classes or impute "
                "them (benchmodels.imputation), and leave out rows without outcome, unit or another role",
            )
            return self, 0
        lacking = self.frame[list(dict.fromkeys(names))].isna().any(axis=1).to_numpy()
        dropped = int(lacking.sum())
        if dropped == len(self.frame):
            raise DataError(f"no rows are left: each of the {dropped} rows lacks a value in a column that is used")
        if not dropped:
            return self, 0
        warnings.warn(
            f"{dropped} of {len(self.frame)} rows dropped: they lack a value in {listed(dict.fromkeys(names))}",
            DroppedRowsWarning,
            stacklevel=5,
        )
        return replace(self, frame=self.frame.loc[~lacking].reset_index(drop=True)), dropped

    def with_category(self, names: Sequence[str]) -> Table:
        """Return the table with the category "missing", after the others, where these covariates lack a value.

        Raises
        ------
        DataError
            A covariate has no value at all, or a category of that name already.
        """
        filled = {}
        for name in names:
            column = self.frame[name]
            if not pd.api.types.is_numeric_dtype(column):
                self.check_category(name)
            categorical = isinstance(column.dtype, pd.CategoricalDtype)
            known = list(column.cat.categories) if categorical else sorted(column.dropna().unique().tolist())
            if not known:
                raise DataError(f"covariate {name!r} has no values at all; leave it out")
            if MISSING in known:
                raise DataError(
                    f"covariate {name!r} has a category {MISSING!r} and missing values beside it; rename the category, "
                    "or make them one"
                )
            filled[name] = pd.Categorical(named_missing(column), categories=[*known, MISSING])
        return replace(self, frame=self.frame.assign(**filled))

    def check_labels(self, names: Sequence[str]) -> None:
        """Raise where a column holds what cannot be a label, such as a list."""
        for name in names:
            strange = np.array([not isinstance(label, Hashable) for label in self.frame[name].tolist()])
            if strange.any():
                raise self.row_error(name, strange, f"{name!r} holds values that are no labels")

    def check_category(self, name: str) -> None:
        """Raise where a covariate of text cannot be meant as a category."""
        values = pd.Series(_distinct(self.frame[name], f"covariate {name!r}"), dtype=object).dropna().tolist()
        kinds = {type(v) for v in values}
        if any(issubclass(kind, date | time | timedelta) for kind in kinds):
            raise DataError(
                f"covariate {name!r} holds dates or times such as {values[0]}; make a number (year) or a category "
                "(text) of it first"
            )
        if len(kinds) > 1:
            names = listed(sorted(k.__name__ for k in kinds))
            raise DataError(f"covariate {name!r} mixes {names}; make it one of them")
        if kinds == {str} and len(values) > 20:
            unread = pd.to_numeric(pd.Series(values).str.replace(",", ".", regex=False), errors="coerce").isna().mean()
            if unread < 0.2:
                raise DataError(
                    f"covariate {name!r} holds numbers as text (such as {values[0]!r}); turn them into numbers "
                    "(decimal comma?), and what stands for 'missing' into missing values"
                )

    def row_error(self, name: str, wrong: NDArray[np.bool_], message: str) -> DataError:
        """Return an error that counts the offending rows and shows the first."""
        first = int(np.flatnonzero(wrong)[0])
        value = self.frame[name].iloc[first]
        return DataError(f"{message}: {int(wrong.sum())} row(s), the first is row {first} with {name!r} = {value}")


def read_table(data: object, wanted: Sequence[str], *, why: str) -> Table:
    """Take the wanted columns out of any dataframe.

    Raises
    ------
    DataError
        Not a dataframe, no rows, a column is missing or twice there.
    """
    import narwhals as nw

    if isinstance(data, pd.DataFrame):
        _refuse_twice(list(data.columns))
    try:
        source: Any = nw.from_native(cast("Any", data), eager_only=True)
    except TypeError as error:
        raise DataError(
            f"a dataframe is needed (pandas, polars, pyarrow …); found {type(data).__name__}"
            + ("; call .collect() on a lazy frame first" if "Lazy" in type(data).__name__ else "")
        ) from error
    except Exception as error:
        # narwhals has errors of its own for what it cannot hold (columns twice there); the table is at fault.
        raise DataError(f"cannot read the dataframe: {error}") from error
    if not hasattr(source, "columns"):
        raise DataError(f"a dataframe is needed; found {type(data).__name__}")
    there = list(source.columns)
    _refuse_twice(there)
    if not there:
        raise DataError("the table has no columns")
    for name in wanted:
        if name not in there:
            near = get_close_matches(str(name), [str(c) for c in there], n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise DataError(f"no column {name!r}, asked for by {why}{hint} The table has {listed(there, most=30)}")
    if not len(source):
        raise DataError("the table has no rows")
    names = list(dict.fromkeys(wanted))
    frame = pd.DataFrame({name: _column(source[name]) for name in names})
    return Table(frame, len(frame), dict(getattr(data, "attrs", None) or {}))


def named_missing(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the column with "missing" where it lacks a value."""
    return column.astype(object).where(column.notna(), MISSING)


def _refuse_twice(names: list[Any]) -> None:
    twice = sorted({str(c) for c in names if names.count(c) > 1})
    if twice:
        raise DataError(f"the table has several columns named {listed(twice)}; rename or drop one of them")


def _distinct(column: pd.Series[Any], what: str) -> list[Any]:
    try:
        return list(met(column).tolist())
    except TypeError as error:
        kind = type(column.iloc[0]).__name__
        raise DataError(f"{what} holds {kind} values, which are neither numbers nor categories") from error


def met(column: pd.Series[Any]) -> Any:
    """Return the distinct values of a column; categories that are not met have been taken out at the door."""
    return column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.unique()


def _column(series: Any) -> pd.Series[Any]:
    """Return one column for pandas, whatever held it: numbers, text as objects, or categories.

    Categories keep their order and lose what is not met; truth values become 0 and 1.
    """
    import narwhals as nw

    native = series.to_native()
    if isinstance(native, pd.Series):
        column = native.reset_index(drop=True)
    elif isinstance(series.dtype, nw.Enum):
        column = pd.Series(pd.Categorical(series.to_list(), categories=list(series.dtype.categories)))
    elif series.dtype == nw.Categorical and hasattr(native, "unify_dictionaries"):
        column = native.to_pandas()
    else:
        # A polars Categorical has no order of its own: plain text then.
        column = pd.Series(series.to_numpy() if series.dtype.is_numeric() else series.to_list())
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        # One place more, which code -1 (missing) marks.
        met = np.zeros(len(categories) + 1, dtype=bool)
        met[column.cat.codes.to_numpy()] = True
        return column if met[:-1].all() else column.cat.set_categories(categories[met[:-1]])
    if pd.api.types.is_string_dtype(column.dtype) and column.dtype != object:
        # One kind of text, with None for what is missing, whichever library stores it.
        # Each text is one object, however many rows have it.
        codes, found = pd.factorize(column)
        texts = np.full(len(found) + 1, None, dtype=object)
        texts[:-1] = found
        return pd.Series(texts[codes], dtype=object)
    if not pd.api.types.is_numeric_dtype(column) and pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        return column.astype("boolean").astype("Float64" if column.isna().any() else "int64")
    if pd.api.types.is_bool_dtype(column):
        return column.astype("Float64" if column.isna().any() else "int64")
    return column


def _kind(column: pd.Series[Any], example: object) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "categories"
    return "text" if isinstance(example, str) else f"{type(example).__name__} values"


def numbers(table: Table, name: str, *, role: str, least: float | None = None) -> NDArray[np.float64]:
    """Return a column as finite float64, (n,).

    Raises
    ------
    DataError
        Not a number, not finite, or below ``least``.
    """
    column = table.frame[name]
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_complex_dtype(column):
        # The first value that is no number, not the first value: '..' among numbers is what is at fault.
        read = pd.to_numeric(column, errors="coerce") if pd.api.types.is_string_dtype(column) else column
        first = int(np.argmax(pd.isna(read).to_numpy()))
        example = column.iloc[first]
        example = example.item() if isinstance(example, np.generic) else example
        raise DataError(
            f"{name!r} is {role} and must be a number; it holds {_kind(column, example)} such as {example!r} "
            f"(row {first})" + (" (decimal comma?)" if isinstance(example, str) and "," in example else "")
        )
    values = column.to_numpy(dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise table.row_error(name, ~np.isfinite(values), f"{name!r} is {role} and must be finite")
    # Squares of what is outside these bounds leave double precision.
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest > 1e100 or 0.0 < largest < 1e-100:
        strange = np.abs(values) == largest
        message = f"{name!r} is {role} and is out of all proportion; change its unit of measure"
        raise table.row_error(name, strange, message)
    if least is not None and np.any(values < least):
        raise table.row_error(name, values < least, f"{name!r} is {role} and must be at least {least:g}")
    return values
