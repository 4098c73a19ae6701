"""The doorway: roles, a formula and any dataframe become arrays by name.

Only here is a formula read and a foreign table taken in. What comes out is sorted by unit and collapsed to cells,
exactly: rows alike in unit and covariates are one row with their totals.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.formula import evaluated, levels_met, made_in_order, matrix_of, read_formula
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.cells import collapse
from benchmodels.roles import Roles
from benchmodels.table import Table, listed, named_missing, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

# Rows in a block of sums over cells.
BLOCK = 1 << 20
# Rows that tell a continuous column when none of them repeats.
DISTINCT = 5_000

__all__ = ["Design", "is_category", "read_design"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """Arrays by name: c cells (or rows, where nothing collapses), p columns, k units; sorted by unit.

    Parameters
    ----------
    outcome_name, names : str, tuple of str
        The outcome's column and the p columns of the model matrix, without one for the level.
    terms : tuple of (str, slice)
        Formula terms and their columns.
    columns : (c, p) array
        In the covariates' own units of measure.
    outcome, size : (c,) arrays
        Totals of the outcome; trials, exposure or cases.
    squares : (c,) array
        Sum over the cell's cases of outcome² / size: what the variance of cases needs beyond the totals.
    cases : (c,) array
        How many cases (rows of the table) the cell stands for.
    weights : (c,) array
        Sum of the sampling weights of those cases; their number without such weights.
    outcome_squares, products, size_squares : (c,) arrays
        Sums over the cell's cases of outcome², outcome × size and size²: what the spread of single rows needs.
    inflation : (c,) array
        Variance of the cell's total over that of as many cases as its size says; 1 without sampling weights.
    offset : (c,) array
        On the link scale.
    unit : (c,) array of int; units : (k,) array
        Unit of each cell, and their labels in sorted order.
    period, cluster : (c,) arrays or None
        Position of the period on its scale; number of the cluster.
    rows_read, rows_dropped, rows_missing : int
        Rows of the table, those dropped, and those that have the category "missing" in a covariate.
    """

    outcome_name: str
    names: tuple[str, ...]
    terms: tuple[tuple[str, slice], ...]
    columns: Floats
    outcome: Floats
    size: Floats
    squares: Floats
    cases: Floats
    weights: Floats
    outcome_squares: Floats
    products: Floats
    size_squares: Floats
    inflation: Floats
    offset: Floats
    unit: Codes
    units: NDArray[np.object_]
    period: Floats | None
    cluster: Codes | None
    rows_read: int
    rows_dropped: int
    rows_missing: int = 0
    source: str = ""
    simulated: bool = False
    _encoder: _Encoder = field(repr=False)

    def encode(self, data: object) -> Floats:
        """Return the (n, p) columns of new rows, encoded as the first table was.

        Raises
        ------
        DataError
            A column is missing, holds missing values, or a level that the first table did not have.
        """
        return self._encoder.encode(data)

    @property
    def starts(self) -> Codes:
        """First cell of each unit, (k,)."""
        return np.searchsorted(self.unit, np.arange(len(self.units)))


@dataclass(frozen=True, eq=False)
class _Encoder:
    """Remembers how covariates were encoded."""

    spec: Any
    variables: tuple[str, ...]
    levels: dict[str, frozenset[object]]
    lacking: tuple[str, ...]

    def encode(self, data: object) -> Floats:
        table = read_table(data, self.variables, why="the formula")
        table.refuse_missing([name for name in self.variables if name not in self.lacking])
        named = {name: named_missing(table.frame[name]) for name in self.lacking}
        table = replace(table, frame=table.frame.assign(**named)) if named else table
        for name in self.variables:
            if name not in self.levels:
                numbers(table, name, role="a covariate")
        for name, known in self.levels.items():
            unseen = sorted(repr(v) for v in set(table.frame[name].unique().tolist()) - known)
            if unseen:
                raise DataError(
                    f"column {name!r} has levels that the fitted table did not have: {', '.join(unseen[:8])}; "
                    f"it had {', '.join(sorted(map(repr, known)))}"
                )
        result = evaluated(
            str(self.spec.formula), lambda: self.spec.get_model_matrix(table.frame, na_action="raise", output="numpy")
        )
        return matrix_of(result, None)[0]


def read_design(formula: str, roles: Roles, data: object) -> Design:
    """Read a table once: check it, collapse it, and return arrays by name.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"`` in the grammar of formulaic; the level is always in the model.
    roles : Roles
    data : dataframe
        pandas, polars, pyarrow … : anything narwhals reads. Not changed.

    Returns
    -------
    Design

    Raises
    ------
    SpecificationError
        The formula or the roles cannot be meant.
    DataError
        The table does not hold what they ask for.

    Notes
    -----
    Rows are collapsed before any matrix is made, so 700,000 pupils with categorical covariates never become
    700,000 × p numbers. Where the formula calls a function that looks at the whole column (``center``, ``bs``, …)
    the matrix is made first.
    """
    outcome_name, right, variables = read_formula(formula)
    _check_roles(roles, outcome_name, variables)
    wanted = [outcome_name, *roles.played().values(), *variables]
    table = read_table(data, wanted, why="the formula and the roles")
    lacking = _lacking(table, right, variables, roles)
    table, dropped = table.without_missing([name for name in wanted if name not in lacking], roles.missing)
    _check_covariates(table, [v for v in variables if v not in lacking])
    rows_missing = int(table.frame[lacking].isna().any(axis=1).sum())
    table = table.with_category(lacking) if lacking else table
    units, unit = _units(table, roles.unit)
    amounts = _amounts(table, roles, outcome_name)
    _check_sizes(units, unit, amounts.size * amounts.drawn * amounts.cases, roles)
    period = _periods(table, roles.period)
    cluster = None if roles.cluster is None else pd.factorize(table.frame[roles.cluster])[0].astype(np.intp)

    keys: list[NDArray[Any]] = [unit]
    if roles.offset is not None:
        keys.append(amounts.offset)
    family = roles.kernel_family()
    keys += [key for key in (cluster, None if family.counted else period) if key is not None]
    if family.by_row:
        keys += [amounts.value, amounts.size]
    stateful = re.search(r"\w\s*\(", re.sub(r"\bC\s*\(", "", right)) is not None
    covariates = [] if stateful else [table.frame[v] for v in variables]
    cell, first = _cells(keys, covariates, stateful=stateful)
    cells = len(first)
    # One matrix only: of the cells; or, where the formula looks at whole columns, of all rows and then sorted.
    matrix, names, terms, spec = made_in_order(
        right, table.frame, first, cell if cells == len(cell) else None, stateful=stateful
    )
    total = amounts.totals(cell, cells)
    total["inflation"] /= np.where(total["size"] > 0, total["size"], 1.0)
    return Design(
        outcome_name=outcome_name,
        names=names,
        terms=terms,
        columns=matrix,
        **total,
        offset=amounts.offset[first],
        unit=unit[first],
        units=units,
        period=None if period is None else period[first],
        cluster=None if cluster is None else cluster[first],
        rows_read=table.rows_read,
        rows_dropped=dropped,
        rows_missing=rows_missing,
        source=str(table.attrs.get("source", "")),
        simulated=bool(table.attrs.get("simulated", False)),
        _encoder=_Encoder(spec, variables, levels_met(spec, table.frame, variables), tuple(lacking)),
    )


def is_category(table: Table, right: str, name: str) -> bool:
    """Return whether a covariate is a category: no number, or a number that the formula only has as C(…)."""
    if not pd.api.types.is_numeric_dtype(table.frame[name]):
        return True
    spelled = rf"(?:`{re.escape(name)}`|(?<![\w.`]){re.escape(name)}(?![\w.`]))"
    outside = re.sub(rf"\bC\(\s*{spelled}", "", right)
    return outside != right and re.search(spelled, outside) is None


def _lacking(table: Table, right: str, variables: Sequence[str], roles: Roles) -> list[str]:
    """Return the covariates whose missing values get a category of their own."""
    if roles.missing != "category":
        return []
    free = [v for v in variables if v not in roles.played().values() and table.frame[v].isna().any()]
    return [v for v in free if is_category(table, right, v)]


def _check_roles(roles: Roles, outcome: str, variables: Sequence[str]) -> None:
    chosen = sorted(set(roles.choice) & set(variables))
    if chosen:
        raise SpecificationError(
            f"{listed(chosen)} is under the unit's own control (role choice) and never enters an expected value; "
            "take it out of the formula and study it in a second step"
        )
    if outcome in variables:
        raise SpecificationError(f"the outcome {outcome!r} is also among the covariates")
    for role, column in roles.played().items():
        if column == outcome:
            raise SpecificationError(f"{column!r} is both the outcome and the role {role}")
        if column in variables and role not in ("period", "exposure"):
            hint = "; FixedEffects absorbs unit effects without dummy columns" if role == "unit" else ""
            raise SpecificationError(f"{column!r} plays the role {role} and cannot also be a covariate{hint}")


def _check_covariates(table: Table, variables: Sequence[str]) -> None:
    for name in variables:
        if pd.api.types.is_numeric_dtype(table.frame[name]):
            numbers(table, name, role="a covariate")
        else:
            table.check_category(name)


def _units(table: Table, name: str) -> tuple[NDArray[np.object_], Codes]:
    column = table.frame[name]
    if pd.api.types.is_float_dtype(column):
        values = column.to_numpy()
        if not np.all(np.isfinite(values)) or np.any(values != np.round(values)):
            raise DataError(f"the unit column {name!r} holds fractional or infinite numbers; units need ids or names")
        column = column.astype("int64")
    try:
        unit, labels = pd.factorize(column, sort=True)
    except TypeError as error:
        raise DataError(f"the unit column {name!r} mixes numbers and text; make it one of them") from error
    names = np.array(list(labels), dtype=object)
    kinds = {type(v) for v in names.tolist()}
    if len(kinds) > 1:
        raise DataError(f"the unit column {name!r} mixes types ({listed(sorted(k.__name__ for k in kinds))})")
    if kinds == {str}:
        bare = pd.Series([" ".join(unicodedata.normalize("NFC", label).split()) for label in names])
        twins = bare[bare.duplicated(keep=False)].unique().tolist()
        if twins:
            raise DataError(
                f"units in {name!r} differ only by blanks, or by how their letters are encoded: {listed(twins)}; make "
                "their names alike"
            )
    if len(names) < 2:
        raise DataError(f"a comparison needs at least two units; {name!r} has one: {listed(names.tolist())}")
    return names, unit.astype(np.intp)


@dataclass(frozen=True, eq=False)
class _Amounts:
    """What each row brings: outcome and size of a case, how many cases, how often drawn, and its offset; all (n,)."""

    value: Floats
    size: Floats
    cases: Floats
    drawn: Floats
    offset: Floats

    def totals(self, cell: Codes, cells: int) -> dict[str, Floats]:
        """Return the cells' sums, by name, each (cells,); in blocks of rows, so that products never fill memory."""
        sums: dict[str, Floats] = {}
        for rows in (slice(a, a + BLOCK) for a in range(0, len(cell), BLOCK)):
            for name, values in self._products(rows).items():
                part = group_sums(cell[rows], values, cells)
                sums[name] = sums[name] + part if name in sums else part
        return sums

    def _products(self, rows: slice) -> dict[str, Floats]:
        value, size, cases, drawn = self.value[rows], self.size[rows], self.cases[rows], self.drawn[rows]
        there, total, square = (size > 0) & (drawn > 0), drawn * cases, drawn**2 * cases
        return {
            "outcome": value * total,
            "size": size * total,
            "squares": value * value / np.where(size > 0, size, 1.0) * total,
            "cases": cases * there,
            "weights": total * there,
            "outcome_squares": value * value * square,
            "products": value * size * square,
            "size_squares": size * size * square,
            "inflation": size * square,
        }


def _amounts(table: Table, roles: Roles, outcome: str) -> _Amounts:
    """Return what each row adds to its cell, and its offset."""
    # One number seen n times: no memory.
    one, none = np.broadcast_to(1.0, len(table.frame)), np.broadcast_to(0.0, len(table.frame))
    value = numbers(table, outcome, role="the outcome")
    family = roles.kernel_family()
    of_trials = family.share and family.counted
    column = roles.trials or roles.exposure
    size = one if column is None else numbers(table, column, role="trials" if of_trials else "exposure", least=0.0)
    cases = one
    if roles.frequency is not None:
        cases = numbers(table, roles.frequency, role="frequency", least=0.0)
        if np.any(cases != np.round(cases)):
            raise table.row_error(roles.frequency, cases != np.round(cases), "frequency counts cases and must be whole")
    offset = none if roles.offset is None else numbers(table, roles.offset, role="offset")
    _check_outcome(table, roles, outcome, value, size)
    if family.name == "fractional":
        value = value * size
    drawn = one
    if roles.sampling_weights is not None:
        drawn = numbers(table, roles.sampling_weights, role="sampling_weights", least=0.0)
    return _Amounts(value, size, cases, drawn, offset)


def _check_outcome(table: Table, roles: Roles, outcome: str, value: Floats, size: Floats) -> None:
    """Raise where values of the outcome are outside what the family knows."""
    family = roles.kernel_family()
    if family.counted and np.any(value < 0):
        raise table.row_error(outcome, value < 0, f"the outcome {outcome!r} is a count and cannot be negative")
    if family.share and not family.counted:
        outside = (value < 0) | (value > 1)
        if np.any(outside):
            raise table.row_error(outcome, outside, f"the outcome {outcome!r} is a share and lies between 0 and 1")
        return
    if family.name == "gamma" and np.any((value <= 0) & (size > 0)):
        raise table.row_error(
            outcome,
            (value <= 0) & (size > 0),
            f"the outcome {outcome!r} must be above zero for family='gamma'; for costs with zeros use TwoPart",
        )
    if family.share:
        if roles.trials is None and not np.all((value == 0) | (value == 1)):
            raise table.row_error(
                outcome,
                (value != 0) & (value != 1),
                f"the outcome {outcome!r} is not 0 or 1; for counts say trials=…, with the column of denominators "
                "(a share alone does not say how sure it is)",
            )
        over = value > size
        if np.any(over):
            raise table.row_error(outcome, over, f"more successes in {outcome!r} than trials in {roles.trials!r}")
    elif np.any((size == 0) & (value != 0)):
        raise table.row_error(outcome, (size == 0) & (value != 0), f"{outcome!r} where {roles.exposure!r} is zero")


def _check_sizes(units: NDArray[np.object_], unit: Codes, size: Floats, roles: Roles) -> None:
    empty = units[np.bincount(unit, size, len(units)) <= 0]
    if len(empty):
        what = roles.trials or roles.exposure or roles.frequency
        names = listed(empty.tolist())
        raise DataError(f"{len(empty)} unit(s) have no cases (all {what!r} zero): {names}; leave them out")


def _periods(table: Table, name: str | None) -> Floats | None:
    """Return the position of each row's period: the number itself (yyyymm: the month), else its place when sorted."""
    if name is None:
        return None
    column = table.frame[name]
    if pd.api.types.is_numeric_dtype(column):
        values = numbers(table, name, role="period")
        month = values % 100
        if np.all((values > 190000) & (values < 210013) & (values == np.round(values)) & (month >= 1) & (month <= 12)):
            # Months written as yyyymm: December and January are neighbours.
            return values // 100 * 12 + month
        return values
    return np.asarray(pd.factorize(column, sort=True)[0], dtype=np.float64)


def _coded(key: NDArray[Any] | pd.Series[Any]) -> tuple[NDArray[Any], int]:
    """Return codes in the smallest whole numbers that hold them, and how many there are."""
    column = key if isinstance(key, pd.Series) else pd.Series(key)
    if isinstance(column.dtype, pd.CategoricalDtype) and not column.hasnans:
        return column.cat.codes.to_numpy(), len(column.cat.categories)
    if pd.api.types.is_float_dtype(column) and len(column) > DISTINCT and column.iloc[:DISTINCT].is_unique:
        # Among so many rows a column of fewer than a million values repeats: this one hardly does.
        return np.zeros(0, dtype=np.intp), len(column)
    code, values = pd.factorize(column)
    return code.astype(np.min_scalar_type(len(values))), len(values)


def _cells(keys: list[NDArray[Any]], covariates: list[pd.Series], *, stateful: bool) -> tuple[Codes, Codes]:
    """Return the cell of each row and a row of each cell, sorted by unit (the first key)."""
    n = len(keys[0])
    codes: list[NDArray[Any]] = [np.asarray(keys[0], dtype=np.intp)]
    radix = [int(keys[0].max()) + 1]
    others: list[Any] = [*keys[1:], *covariates]
    for key in others:
        code, values = _coded(key)
        codes.append(code)
        radix.append(values)
        # A column that hardly repeats (a continuous one) makes cells as many as rows: sorting is all that is left.
        stateful = stateful or (n > 1000 and values > n // 2)
        if stateful:
            break
    if stateful:
        # Few bits are sorted in linear time.
        order = np.argsort(codes[0].astype(np.min_scalar_type(radix[0])), kind="stable")
        cell = np.empty(n, dtype=np.intp)
        cell[order] = np.arange(n)
        return cell, order
    return collapse(codes, radix)
