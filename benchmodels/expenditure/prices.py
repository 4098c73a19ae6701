"""Fixed prices, and growth in cost as more recipients, other measures and a higher cost of each."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.expenditure.series import Series, names_of, rows_named, with_notes
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["fixed_prices", "split_growth"]


def split_growth(
    table: object,
    *,
    cost: str,
    recipients: str,
    period: str,
    by: Sequence[str] = (),
    measure: str | None = None,
    start: object = None,
    end: object = None,
) -> pd.DataFrame:
    """Split growth in cost exactly: C = Σ_m R · (R_m / R) · (C_m / R_m), recipients, mix of measures, cost of each.

    Parameters
    ----------
    table : dataframe
        One row per combination of ``by``, measure and period.
    cost, recipients : str
        Columns of costs, in any unit of measure, and of recipients, best as full-year persons.
    period, by, start, end
        As in `growth`.
    measure : str, optional
        Column of kinds of measure, such as kinds of housing. Without it a change of mix is part of the unit cost.

    Returns
    -------
    DataFrame
        One row for each combination of ``by``: `cost_growth`, `recipients_growth` and `unit_cost_growth`, fractions
        with (1 + cost) = (1 + recipients)(1 + unit cost); then `change` and its parts `from_recipients`, `from_mix`
        (with ``measure``) and `from_unit_cost` in the unit of measure of ``cost``, which add up to it.

    Raises
    ------
    DataError
        As `growth`.

    Warns
    -----
    PartialResultWarning
        A cost or number of recipients is missing or negative in one of the periods, or one of them is zero and the
        other is not; or nothing is there to grow from. The parts of such a row are missing.

    Notes
    -----
    A part of one measure is L(C_1, C_0) ln(x_1 / x_0), with the logarithmic mean L(a, b) = (a - b) / ln(a / b): the
    additive logarithmic mean Divisia index. It is exact, does not depend on the order of the factors, and turns sign
    when the periods change places. All that a measure costs that is not used in the other period (no cost and no
    recipients) is of the mix, the limit of the index.

    References
    ----------
    Ang (2005), Energy Policy 33:867-871, table 1. Ang, Liu (2007), Energy Policy 35:238-246: zeros.

    Examples
    --------
    >>> homes = pd.DataFrame({"year": [2018, 2021], "cost": [100.0, 109.0], "persons": [27100, 28000]})
    >>> split = split_growth(homes, cost="cost", recipients="persons", period="year")
    >>> split[["recipients_growth", "unit_cost_growth", "from_recipients", "from_unit_cost"]].round(3)
       recipients_growth  unit_cost_growth  from_recipients  from_unit_cost
    0              0.033             0.055            3.412           5.588
    """
    labels = names_of(by, "by") if measure is None else [*names_of(by, "by"), measure]
    costs, persons = (Series.of(table, name, period, labels, why="split_growth") for name in (cost, recipients))
    first, last = costs.ends(start, end)
    frame = costs.between(first, last).drop(columns=["change", "growth"])
    frame[["r0", "r1"]] = persons.between(first, last)[["start", "end"]]
    keys, lost = names_of(by, "by"), _unknown(frame, zeros=measure is not None)
    if not keys:
        frame.insert(0, "_all", 0)
    groups = keys or ["_all"]
    code = np.asarray(frame.groupby(groups, sort=False, observed=True).ngroup(), dtype=np.intp)
    out = np.bincount(code, lost) > 0
    out |= ~(np.bincount(code, frame["start"]) > 0) | ~(np.bincount(code, frame["end"]) > 0)
    result = frame[groups].drop_duplicates().reset_index(drop=True)
    for name, values in _split(frame[["start", "end", "r0", "r1"]].to_numpy(), code).items():
        if name != "from_mix" or measure is not None:
            result[name] = np.where(out, np.nan, values)
    notes: tuple[str, ...] = ()
    if out.any():
        told = f": {rows_named(frame[lost], labels)}" if labels else ""
        notes = (
            f"{int(lost.sum())} series have a cost or recipients that are missing, negative or zero by itself in "
            f"{first} or {last}, and {int(out.sum())} splits are not made{told}",
        )
        warnings.warn(notes[0], PartialResultWarning, stacklevel=2)
    return with_notes(result.drop(columns="_all", errors="ignore"), costs.attrs, notes)


def _unknown(frame: pd.DataFrame, *, zeros: bool) -> pd.Series[bool]:
    """Return where costs or recipients are not both known and above zero, or both zero where that may be."""
    known = pd.Series(True, index=frame.index)
    for cost, recipients in (("start", "r0"), ("end", "r1")):
        known &= ((frame[cost] > 0) & (frame[recipients] > 0)) | (zeros & (frame[cost] == 0) & (frame[recipients] == 0))
    return ~known


def _split(ends: Floats, code: NDArray[np.intp]) -> dict[str, Floats]:
    """Return growth and its parts by group, (g,) each, of costs and recipients (m, 4) at both ends."""
    c0, c1, r0, r1 = ends.T
    groups = int(code.max()) + 1

    def added(values: Floats) -> Floats:
        return np.asarray(np.bincount(code, values, groups), dtype=np.float64)

    with np.errstate(divide="ignore", invalid="ignore"):
        whole_c0, whole_c1, whole_r0, whole_r1 = (added(column) for column in ends.T)
        both = (c0 > 0) & (c1 > 0)
        mean = np.where(both, np.where(c0 == c1, c0, (c1 - c0) / np.log(c1 / c0)), 0.0)
        of_recipients = np.log(whole_r1 / whole_r0)[code]
        of_own = np.where(both, np.log(r1 / r0), 0.0)
        of_unit_cost = np.where(both, np.log(c1 / c0) - of_own, 0.0)
        # The limit of a measure that is all but unused in one period: all of its change is of the mix.
        of_new = np.where(both, 0.0, c1 - c0)
        return {
            "cost_growth": whole_c1 / whole_c0 - 1.0,
            "recipients_growth": whole_r1 / whole_r0 - 1.0,
            "unit_cost_growth": (whole_c1 / whole_r1) / (whole_c0 / whole_r0) - 1.0,
            "change": whole_c1 - whole_c0,
            "from_recipients": added(mean * of_recipients),
            "from_mix": added(mean * (of_own - of_recipients) + of_new),
            "from_unit_cost": added(mean * of_unit_cost),
        }


def fixed_prices(
    table: pd.DataFrame, *, value: str, period: str, index: Mapping[Any, float] | pd.Series[float], base: object
) -> pd.DataFrame:
    """Return the table with amounts in the prices of one period, by a price index.

    Parameters
    ----------
    table : DataFrame
        Any rows; a column of amounts and one of periods.
    value, period : str
        Those columns.
    index : mapping or Series
        Price level by period, above zero, on any base.
    base : label
        Period whose prices amounts are given in.

    Returns
    -------
    DataFrame
        A copy; amounts times ``index[base] / index[period]``, and ``attrs["prices"]`` says the base.

    Raises
    ------
    SpecificationError
        A base that the index does not have, or amounts that are in fixed prices already.
    DataError
        A period without an index, or an index that is no number above zero.

    Examples
    --------
    >>> table = pd.DataFrame({"year": [2018, 2022], "cost": [100.0, 120.0]})
    >>> fixed_prices(table, value="cost", period="year", index={2018: 100.0, 2022: 110.0}, base=2022)["cost"].tolist()
    [110.00000000000001, 120.0]
    """
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"a pandas DataFrame is needed, since the rest of it is returned; found {type(table).__name__}")
    if not isinstance(index, Mapping | pd.Series):
        raise DataError(f"index={index!r}; give price levels by period, as {{2018: 100.0, 2022: 110.2}}")
    prices: pd.Series[Any] = pd.Series(dict(index), dtype=object)
    level = pd.to_numeric(prices, errors="coerce")
    if not len(level) or not (level > 0).all() or not np.isfinite(level).all():
        raise DataError(f"index must be numbers above zero by period; found {listed(prices.tolist())}")
    series = Series.of(
        table.reset_index(drop=True).assign(_row=range(len(table))), value, period, ["_row"], why="fixed_prices"
    )
    if "prices" in series.attrs:
        raise SpecificationError(f"the amounts are in fixed prices already: {series.attrs['prices']}")
    if not isinstance(base, Hashable) or base not in level.index:
        raise SpecificationError(f"base={base!r}; the index has {listed(level.index, most=30)}")
    lost = set(series.frame[period].unique().tolist()) - set(level.index.tolist())
    if lost:
        raise DataError(f"the index lacks {listed(sorted(lost, key=str))}; it has {listed(level.index, most=30)}")
    factor = float(level.to_dict()[base]) / series.frame[period].map(level).astype(np.float64)
    result = table.assign(**{value: (series.frame[value] * factor).to_numpy()})
    result.attrs.update(series.attrs, prices=f"prices of {base}")
    return result
