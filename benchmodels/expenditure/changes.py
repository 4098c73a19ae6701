"""Growth from one period to another, and which items it consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmodels.errors import DataError
from benchmodels.expenditure.series import Series, names_of, rows_named, with_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["REST", "contributions", "growth"]

# What a total has beyond the parts that are known.
REST = "(rest)"


def growth(
    table: object, *, value: str, period: str, by: Sequence[str] = (), start: object = None, end: object = None
) -> pd.DataFrame:
    """Return growth from one period to another, one row for each combination of ``by``.

    Parameters
    ----------
    table : dataframe
        One row per combination of ``by`` and period.
    value, period : str
        Columns of amounts, in any unit of measure, and of years.
    by : sequence of str
        Columns that tell the series apart.
    start, end : label, optional
        Periods; the first and the last of the table unless given.

    Returns
    -------
    DataFrame
        ``by``, `start`, `end` and `change` in the unit of measure of ``value``, and `growth` as a fraction of `start`.
        A value that is missing, or no row, makes both `change` and `growth` missing; a start of zero or below (a net
        refund) makes `growth` missing.

    Raises
    ------
    DataError
        The same ``by`` and period twice; the message names columns that tell the rows apart.
    SpecificationError
        A period that is not there, or the same one twice.

    Examples
    --------
    >>> from benchmodels.datasets import expenditure_midtjylland
    >>> table = expenditure_midtjylland().query("item == 'I alt' and table <= 2")
    >>> growth(table, value="dkk_1000", period="year", by=["area"])[["area", "growth"]].round(3)
              area  growth
    0    landsplan   0.097
    1  Midtjylland   0.109
    """
    series = Series.of(table, value, period, by, why="growth")
    first, last = series.ends(start, end)
    frame = series.between(first, last)
    return with_notes(frame, series.attrs, _of_missing(frame, series.by, first, last))


def contributions(
    table: object,
    *,
    value: str,
    item: str,
    period: str,
    total: str | None,
    by: Sequence[str] = (),
    start: object = None,
    end: object = None,
) -> pd.DataFrame:
    """Divide the growth of a total among its items: percentage points that add up to it.

    Parameters
    ----------
    table : dataframe
        One row per combination of ``by``, item and period.
    value, item, period : str
        Columns of amounts, names of items, and years.
    total : str or None
        The item that is the total; None where there is none, and the total is then the sum of the items that are known
        in both periods.
    by, start, end
        As in `growth`.

    Returns
    -------
    DataFrame
        ``by``, ``item``, `start`, `end`, `change`, `growth`, `contribution` (change over the total's start, a fraction:
        0.01 is a percentage point) and `share_of_growth` (change over the total's change). Last the total, and before
        it `REST`: what it has beyond the items known in both periods, by rounding, missing figures or items that are
        not in the table. Contributions of items and `REST` add up to the total's.

    Raises
    ------
    DataError
        As `growth`; and a total that is not there, or missing.

    Warns
    -----
    BenchmodelsWarning
        A total differs from the sum of its items by more than rounding to whole units of measure.

    Notes
    -----
    Shares of growth are beyond 1 or below 0 where items move against each other, and missing where the total does not
    change. A dash that was read as missing is not zero: an item that is new in the period is in `REST`.

    Examples
    --------
    >>> from benchmodels.datasets import expenditure_midtjylland
    >>> adults = expenditure_midtjylland().query("table == 2")
    >>> parts = contributions(adults, value="dkk_1000", item="item", period="year", total="I alt")
    >>> homes = parts[parts["item"].str.contains("botilbud", case=False)]
    >>> round(float(homes["share_of_growth"].sum()), 2), round(float(parts["contribution"].iloc[:-1].sum()), 3)
    (0.81, 0.109)
    """
    series = Series.of(table, value, period, [*names_of(by, "by"), item], why="contributions")
    first, last = series.ends(start, end)
    frame = series.between(first, last)
    notes = _of_missing(frame, series.by, first, last)
    if total is not None:
        notes += series.check_totals(item, total)
    groups = [frame] if not by else [group for _, group in frame.groupby(list(by), sort=False, observed=True)]
    parts = [_with_total(group, item, total, list(by)) for group in groups]
    return with_notes(pd.concat(parts, ignore_index=True), series.attrs, notes)


def _with_total(frame: pd.DataFrame, item: str, total: str | None, by: list[str]) -> pd.DataFrame:
    """Return the items of one total, what they leave of it, and the total."""
    items = frame[frame[item] != total]
    known = items[items["change"].notna()]
    if total is None:
        if known.empty:
            raise DataError(f"no item is known in both periods: {rows_named(items, [*by, item])}")
        start, end = float(known["start"].sum()), float(known["end"].sum())
        rest = []
    else:
        of_total = frame[frame[item] == total]
        if of_total["change"].isna().all():
            raise DataError(
                f"the total {total!r} is not known in both periods: {rows_named(items.head(1), [*by, item])}"
            )
        start, end = float(of_total["start"].iloc[0]), float(of_total["end"].iloc[0])
        left = [start - float(known["start"].sum()), end - float(known["end"].sum())]
        rest = [(REST, *left, left[1] - left[0])]
    rows = pd.DataFrame(
        [*rest, ("(total)" if total is None else total, start, end, end - start)],
        columns=[item, "start", "end", "change"],
    )
    rows["growth"] = rows["change"] / rows["start"].where((rows["start"] > 0) & (rows[item] != REST))
    for name in by:
        rows[name] = items[name].iloc[0]
    whole = pd.concat([items, rows], ignore_index=True)[frame.columns]
    whole["contribution"] = whole["change"] / start if start > 0 else float("nan")
    whole["share_of_growth"] = whole["change"] / (end - start) if end != start else float("nan")
    return whole


def _of_missing(frame: pd.DataFrame, by: list[str], first: object, last: object) -> tuple[str, ...]:
    """Return notes of series without growth, and why."""
    lacking, refunds = frame[frame["change"].isna()], frame[frame["start"] <= 0]
    notes: tuple[str, ...] = ()
    if len(lacking):
        named = f": {rows_named(lacking, by)}" if by else ""
        notes += (f"{len(lacking)} series are not known in both {first} and {last}{named}; missing is not zero",)
    if len(refunds):
        named = f": {rows_named(refunds, by)}" if by else ""
        notes += (f"{len(refunds)} series start at zero or below (refunds) and have no growth in per cent{named}",)
    return notes
