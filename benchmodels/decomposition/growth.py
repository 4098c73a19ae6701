"""Growth in cost as more people, more of them recipients, other measures, dearer measures and higher prices."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.decomposition.periods import Growth
from benchmodels.errors import DataError, PartialResultWarning
from benchmodels.expenditure.series import Series, names_of, rows_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["cost_growth"]


def cost_growth(
    table: object,
    *,
    cost: str,
    recipients: str,
    period: str,
    by: Sequence[str] = (),
    measure: str | None = None,
    price: str | None = None,
    population: str | None = None,
    start: object = None,
    end: object = None,
) -> Growth:
    """Split growth in cost exactly into recipients, mix of measures, unit cost and price.

    C = Σ_m N · (R / N) · (R_m / R) · (C_m / (R_m P_m)) · P_m, of population N, recipients R and prices P.

    Parameters
    ----------
    table : dataframe
        One row per combination of ``by``, measure and period.
    cost, recipients : str
        Columns of costs, in any unit of measure, and of recipients, best as full-year persons.
    period : str
    by : sequence of str
        Columns that tell the series apart, as units.
    measure : str, optional
        Column of kinds of measure (or providers). Without it a change of mix is part of the unit cost.
    price : str, optional
        Column of a price index, above zero, on any base; of its own for each measure where there is one. Without it
        the unit cost is in the prices of each period.
    population : str, optional
        Column of people who might be recipients, the same for all measures of a series.
    start, end : label, optional
        Periods; the first and the last of the table unless given.

    Returns
    -------
    Growth
        Parts "recipients" (or "population" and "share_receiving"), "mix" (with ``measure``), "unit_cost" and "price"
        (with ``price``), in the unit of measure of ``cost``.

    Raises
    ------
    DataError
        A label and period twice, or amounts that are no numbers.
    SpecificationError
        A period that is not there.

    Warns
    -----
    PartialResultWarning
        Parts that are not known, because a figure is missing, below zero, or zero where the other is not: they are
        missing, and not zero. A price that is not known leaves the other parts as they are.

    Notes
    -----
    A part of one measure is L(C_1, C_0) ln(x_1 / x_0) with the logarithmic mean L(a, b) = (a − b) / ln(a / b): the
    additive logarithmic mean Divisia index. It is the one method here, since it is exact for any number of factors,
    depends on no order, turns sign when the periods change places, and gives the same figures whether recipients are
    split further or not, which Shapley values do not; and since `benchmodels.expenditure.split_growth` has it. Of a
    measure that is not used in one of the periods all change is of the mix.

    References
    ----------
    Ang (2005), Energy Policy 33:867-871, table 1. Ang, Liu (2007), Energy Policy 35:238-246: zeros.

    Examples
    --------
    >>> homes = pd.DataFrame({"year": [2018, 2021], "cost": [100.0, 109.0], "persons": [27100, 28000]})
    >>> cost_growth(homes, cost="cost", recipients="persons", period="year").to_frame().round(2)
       start    end  change  growth  from_recipients  from_unit_cost
    0  100.0  109.0     9.0    0.09             3.41            5.59
    """
    keys = names_of(by, "by")
    labels = keys if measure is None else [*keys, measure]
    columns = {"c": cost, "r": recipients} | ({} if price is None else {"p": price})
    columns |= {} if population is None else {"n": population}
    series = {name: Series.of(table, column, period, labels, why="cost_growth") for name, column in columns.items()}
    first, last = series["c"].ends(start, end)
    ends = {name: one.between(first, last) for name, one in series.items()}
    frame = ends["c"][labels].copy() if labels else pd.DataFrame(index=[0])
    groups = frame[keys].drop_duplicates().reset_index(drop=True) if keys else pd.DataFrame(index=[0])
    code = np.zeros(len(frame), dtype=np.intp)
    if keys:
        code = np.asarray(frame.groupby(keys, sort=False, observed=True).ngroup(), dtype=np.intp)
    figures = {name: one[["start", "end"]].to_numpy(dtype=np.float64).T for name, one in ends.items()}
    if population is not None:
        _one_population(figures["n"], code, groups, population)
    split = _split(figures, code, len(groups), mix=measure is not None)
    whole = np.stack([np.bincount(code, figures["c"][at], len(groups)) for at in (0, 1)])
    parts = np.column_stack(list(split.values()))
    notes: tuple[str, ...] = ()
    lost = np.flatnonzero(np.isnan(parts).any(1))
    if len(lost):
        told = f": {rows_named(groups.iloc[lost], keys)}" if keys else ""
        lacking = [name for name, values in split.items() if np.isnan(values).any()]
        notes = (
            f"{len(lost)} of {len(groups)} series have parts that are not known ({', '.join(lacking)}), because "
            f"figures are missing, below zero, or zero by themselves in {first} or {last}{told}",
        )
        warnings.warn(notes[0], PartialResultWarning, stacklevel=2)
    return Growth(
        labels=groups,
        first=first,
        last=last,
        start=whole[0],
        end=whole[1],
        names=tuple(split),
        parts=parts,
        std_error=np.full_like(parts, np.nan),
        notes=notes,
        simulated=bool(series["c"].attrs.get("simulated", False)),
    )


def _one_population(people: Floats, code: NDArray[np.intp], groups: pd.DataFrame, name: str) -> None:
    """Raise where measures of one series have different populations."""
    for ends in people:
        low, high = np.full(len(groups), np.inf), np.full(len(groups), -np.inf)
        known = np.isfinite(ends)
        np.minimum.at(low, code[known], ends[known])
        np.maximum.at(high, code[known], ends[known])
        if np.any(high > low):
            where = (
                rows_named(groups.iloc[np.flatnonzero(high > low)], list(groups.columns))
                if len(groups.columns)
                else "the series"
            )
            raise DataError(f"{name!r} is not the same for all measures of a series in a period: {where}")


def _split(figures: dict[str, Floats], code: NDArray[np.intp], groups: int, *, mix: bool) -> dict[str, Floats]:
    """Return the parts by name, (g,) each; NaN where they are not known."""
    (c0, c1), (r0, r1) = figures["c"], figures["r"]

    def added(values: Floats) -> Floats:
        return np.asarray(np.bincount(code, values, groups), dtype=np.float64)

    both = (c0 > 0) & (c1 > 0) & (r0 > 0) & (r1 > 0)
    unused = ((c0 == 0) & (r0 == 0)) | ((c1 == 0) & (r1 == 0))
    # Of a measure that is not used in a period, all of the change is of the mix; what it costs in the other is known.
    new = unused & ~((c0 < 0) | (c1 < 0) | (r0 < 0) | (r1 < 0)) & np.isfinite(c0 + c1 + r0 + r1)
    new &= ((c0 > 0) == (r0 > 0)) & ((c1 > 0) == (r1 > 0)) & mix
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.where(both | new, 0.0, np.nan)
        apart = np.where(both, np.log(c1 / c0), 1.0)
        # Near one the quotient loses its digits; its series does not.
        mean = np.where(np.abs(apart) < 1e-4, np.sqrt(c0 * c1) * (1.0 + apart**2 / 24.0), (c1 - c0) / apart)
        mean = np.where(both, mean, 0.0) + known
        of_all = np.log(added(r1) / added(r0))[code]
        of_all = np.where(np.isfinite(of_all), of_all, np.nan)
        of_own = np.where(both, np.log(r1 / r0), 0.0)
        parts = {}
        if "n" in figures:
            n0, n1 = figures["n"]
            of_people = np.where((n0 > 0) & (n1 > 0), np.log(n1 / n0), np.nan)
            parts["population"] = added(mean * of_people)
            parts["share_receiving"] = added(mean * (of_all - of_people))
        else:
            parts["recipients"] = added(mean * of_all)
        if mix:
            parts["mix"] = added(mean * (of_own - of_all) + np.where(both, 0.0, c1 - c0))
        of_cost = np.where(both, np.log(c1 / c0) - of_own, 0.0)
        if "p" in figures:
            p0, p1 = figures["p"]
            of_price = np.where(both, np.where((p0 > 0) & (p1 > 0), np.log(p1 / p0), np.nan), 0.0)
            parts["unit_cost"], parts["price"] = added(mean * (of_cost - of_price)), added(mean * of_price)
        else:
            parts["unit_cost"] = added(mean * of_cost)
    return parts
