"""Who is paid for services, and what a person costs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.expenditure.series import Series, names_of, rows_named, with_notes
from benchmodels.table import listed

__all__ = ["PROVIDERS", "provider_mix", "unit_costs"]

PROVIDERS: Mapping[str, str] = {"4.0": "private", "4.7": "municipal", "4.8": "regional"}
"""Who is paid, by the code an account type of purchases (main type 4) begins with; all other types are "other"."""

_OTHER = "other"


def provider_mix(
    table: object,
    *,
    value: str,
    item: str,
    period: str,
    total: str | None,
    by: Sequence[str] = (),
    providers: Mapping[str, str] = PROVIDERS,
) -> pd.DataFrame:
    """Divide purchases of services by who is paid, with each one's growth since the first period.

    Parameters
    ----------
    table : dataframe
        One row per combination of ``by``, item (account type) and period.
    value, item, period, by
        As in `contributions`.
    total : str or None
        The item that is the total, and belongs to no provider; None where there is none.
    providers : mapping, default `PROVIDERS`
        Provider by item, or by the code the item begins with; other items are "other".

    Returns
    -------
    DataFrame
        ``by``, `provider`, ``period``, ``value``, `share` (of all providers together) and `growth` (since the first
        period), fractions. Where a provider's sum is negative, or an item of it missing, its share is missing.

    Raises
    ------
    DataError
        As `growth`; and items of which none is of a provider named.
    """
    if not isinstance(providers, Mapping):
        raise SpecificationError(f"providers={providers!r}; give who is paid by item, as {dict(PROVIDERS)}")
    series = Series.of(table, value, period, [*names_of(by, "by"), item], why="provider_mix")
    notes = () if total is None else series.check_totals(item, total)
    first = series.frame[period].min()
    frame = series.frame[series.frame[item] != total]
    whose = {name: _provider(str(name), providers) for name in frame[item].unique()}
    if set(whose.values()) <= {_OTHER}:
        raise DataError(f"no item of {item!r} is of a provider: {listed(whose)}; providers are by {listed(providers)}")
    frame = frame.assign(provider=frame[item].map(whose))
    keys = [*by, "provider", period]
    sums = frame.groupby(keys, sort=False, observed=True)[value].agg(lambda v: v.sum(skipna=False)).reset_index()
    whole = sums.groupby([*by, period], observed=True)[value].transform(lambda v: v.sum(skipna=False))
    sums["share"] = np.where((sums[value] >= 0) & (whole > 0), sums[value] / whole.where(whole > 0), np.nan)
    base = sums[value].where(sums[period] == first)
    since = base.groupby([sums[name] for name in [*by, "provider"]], observed=True).transform("max")
    sums["growth"] = np.where(since > 0, sums[value] / since.where(since > 0) - 1.0, np.nan)
    refunds = int((sums[value] < 0).sum())
    if refunds:
        notes += (f"{refunds} sums of a provider and period are negative (refunds) and have no share",)
    return with_notes(sums, series.attrs, notes)


def unit_costs(
    costs: object, persons: object, *, on: Sequence[str], cost: str, count: str, least: float = 1.0
) -> pd.DataFrame:
    """Return cost per person (inhabitant aged 18 to 64, full-year recipient), one row for each combination of ``on``.

    Parameters
    ----------
    costs, persons : dataframe
        One row each per combination of ``on``, such as municipality and year.
    on : sequence of str
        Columns that both have.
    cost, count : str
        Column of ``costs``, in any unit of measure; column of ``persons``, in persons or full-year persons.
    least : float, default 1.0
        Persons below which there is no unit cost.

    Returns
    -------
    DataFrame
        ``on``, ``cost``, ``count`` and `unit_cost`. For a comparison the model takes ``cost`` with
        ``exposure=count``.

    Raises
    ------
    DataError
        The same ``on`` twice in a table, or rows of costs without persons.

    Warns
    -----
    PartialResultWarning
        Fewer than ``least`` persons.
    """
    keys = names_of(on, "on")
    if str(cost) == str(count) or isinstance(least, bool) or not isinstance(least, Real) or not least > 0:
        raise SpecificationError(
            f"cost={cost!r}, count={count!r}, least={least!r}; give two columns, and a number of persons above zero"
        )
    if not keys:
        raise SpecificationError("on=[]; give the columns both tables have, as ['municipality', 'year']")
    left, right = Series.of(costs, cost, None, keys, why="costs"), Series.of(persons, count, None, keys, why="persons")
    if (right.frame[count] < 0).any():
        raise DataError(f"{count!r} is negative: {rows_named(right.frame[right.frame[count] < 0], keys)}")
    frame = left.frame[[*keys, cost]].merge(
        right.frame[[*keys, count]], on=keys, how="left", validate="one_to_one", indicator="found"
    )
    lost = frame["found"] == "left_only"
    if lost.any():
        raise DataError(
            f"{int(lost.sum())} rows of costs have no persons: {rows_named(frame[lost], keys)}; both tables must have "
            "the same labels"
        )
    few = ~(frame[count] >= least)
    notes: tuple[str, ...] = ()
    if few.any():
        notes = (
            f"{int(few.sum())} rows have fewer than {least:g} persons and no unit cost: {rows_named(frame[few], keys)}",
        )
        warnings.warn(notes[0], PartialResultWarning, stacklevel=2)
    frame["unit_cost"] = frame[cost] / frame[count].mask(few)
    return with_notes(frame.drop(columns="found"), left.attrs, notes)


def _provider(item: str, providers: Mapping[str, str]) -> str:
    """Return whose an item is: by its name, or by the code before its first space."""
    return providers.get(item, providers.get(item.split(" ")[0], _OTHER))
