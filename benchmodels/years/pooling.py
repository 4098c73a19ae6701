"""Several periods held together, beside what each says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.special import chdtrc

from benchmodels.comparison import Comparison
from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.table import listed
from benchmodels.years.periods import YearEffects, frame_of, year_effects

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["PooledYears", "Weights", "pooled_years"]

Weights = Literal["precision", "size"]


@dataclass(frozen=True, eq=False, kw_only=True)
class PooledYears:
    """One comparison of several periods, and whether the periods agree.

    Parameters
    ----------
    comparison : Comparison
        Of the periods together; ranks, flags and shrinkage start from it.
    period : (t,) tuple
    estimate, weight : (k, t) arrays
        What each period says, and its weight; NaN and 0 where a unit is absent.
    q, p : (k,) arrays
        Cochran's Q of each unit's periods about its pooled estimate, and its p-value: did the unit change?
    notes : tuple of str
    """

    comparison: Comparison
    period: tuple[object, ...]
    estimate: Floats
    weight: Floats
    q: Floats
    p: Floats
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"PooledYears({len(self.comparison)} units, periods {listed(self.period)})"

    def to_frame(self) -> pd.DataFrame:
        """Return ``unit, periods, estimate, std_error, lower, upper, q, p``, then one column for each period."""
        c = self.comparison
        columns = {
            "unit": c.unit,
            "periods": (self.weight > 0).sum(axis=1),
            "estimate": c.estimate,
            "std_error": c.std_error,
            "lower": c.lower,
            "upper": c.upper,
            "q": self.q,
            "p": self.p,
        }
        each = {str(label): self.estimate[:, t] for t, label in enumerate(self.period)}
        return frame_of({**columns, **each})


def pooled_years(comparisons: object, *, weights: Weights = "size") -> PooledYears:
    """Hold the comparisons of several periods together, one estimate for each unit.

    Parameters
    ----------
    comparisons : mapping of period to Comparison
        Contrast "difference" or "ratio", one level; see `by_period`.
    weights : "size" or "precision"
        "size": by size (differences) or by expected total (ratios), which is Σ(O − E) / Σ size and ΣO / ΣE, as if the
        periods had been one. "precision": by one over the variance the estimate would have, were the unit as expected;
        its own variance would go with the estimate, and pull ratios down.

    Returns
    -------
    PooledYears

    Raises
    ------
    SpecificationError
        Rates, whose null differs between periods; different levels; comparisons of different kinds.

    Warns
    -----
    PartialResultWarning
        Units are withheld whose uncertainty is in one of their periods.

    Notes
    -----
    The estimand is the mean of a unit's practice over its periods; what practice drifts is not noise and does not widen
    the interval. Periods are taken as independent, which they are where no case is in two of them and each was fitted
    on its own. Limits join those of the periods by squares of distances (Zou and Donner 2008). A unit that is not in
    every period is pooled over those it has.

    Examples
    --------
    >>> from benchmodels import Pooled, datasets
    >>> from benchmodels.years import by_period
    >>> table = datasets.simulate_denmark().special_education(years=(2021, 2022, 2023))
    >>> model = Pooled("segregated ~ sex", unit="municipality", trials="pupils", family="binomial")
    >>> pooled_years(by_period(model, table, period="year"))
    PooledYears(98 units, periods 2021, 2022, 2023)
    """
    if weights not in get_args(Weights):
        raise SpecificationError(f"weights must be one of {listed(get_args(Weights))}; found {weights!r}")
    found = year_effects(comparisons, "pooled_years")
    levels = {c.level for c in found.comparisons}
    if len(levels) > 1:
        raise SpecificationError(f"the comparisons have levels {listed(sorted(levels))}; compare them alike")
    if found.comparisons[0].contrast == "rate":
        raise SpecificationError("rates have another null in each period; pool ratios or differences")
    weight = _weights(found, weights)
    comparison = _pooled(found, weight)
    estimate, variance = found.by_period("estimate"), found.by_period("std_error") ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(weight > 0, 1.0 / variance, 0.0)
        middle = np.nansum(precision * np.nan_to_num(estimate), axis=1) / precision.sum(axis=1)
        q = np.sum(precision * (np.nan_to_num(estimate) - middle[:, None]) ** 2, axis=1)
    df = (weight > 0).sum(axis=1) - 1.0
    told = (comparison.withheld == "") & (df > 0) & np.isfinite(q)
    return PooledYears(
        comparison=comparison,
        period=found.period,
        estimate=estimate,
        weight=weight,
        q=np.where(told, q, np.nan),
        p=np.where(told, chdtrc(np.where(told, df, 1.0), np.where(told, q, 0.0)), np.nan),
        notes=found.notes,
    )


def _weights(found: YearEffects, weights: Weights) -> Floats:
    """Return weights (k, t) of the periods a unit has, summing to one."""
    if weights == "precision":
        raw = found.by_period("null_std_error") ** -2.0
    else:
        raw = found.by_period("size" if found.scale == "estimate" else "expected")
    present = found.place >= 0
    # A unit that is withheld in a period is withheld altogether; its weights only have to be numbers.
    raw = np.where(present, np.where(np.isfinite(raw), raw, 1.0), 0.0)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def _pooled(found: YearEffects, weight: Floats) -> Comparison:
    """Return the comparison of the weighted means."""
    first, k = found.comparisons[0], len(found.unit)
    names = ("size", "observed", "expected", "estimate", "lower", "upper", "noise", "null_std_error", "df", "overlap")
    by = {name: found.by_period(name) for name in names}
    there = weight > 0
    value = {name: np.where(there, v, 0.0) for name, v in by.items()}
    estimate = np.sum(weight * value["estimate"], axis=1)
    below = np.sqrt(np.sum((weight * (value["estimate"] - value["lower"])) ** 2, axis=1))
    above = np.sqrt(np.sum((weight * (value["upper"] - value["estimate"])) ** 2, axis=1))
    own = weight**2 * value["noise"]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Satterthwaite: infinite where all periods' noise is known.
        df = np.sum(own, axis=1) ** 2 / np.sum(np.where(there, own**2 / by["df"], 0.0), axis=1)
    shared, cores = [], []
    for c, rows, w in zip(found.comparisons, found.place.T, weight.T, strict=True):
        shared.append(np.where(rows[:, None] >= 0, c.shared[rows] * w[:, None], 0.0))
        cores.append(c.core)
    withheld = np.full(k, "", dtype=object)
    for t, c in enumerate(found.comparisons):
        rows = found.place[:, t]
        for i in np.flatnonzero(rows >= 0):
            if c.withheld[rows[i]] and not withheld[i]:
                withheld[i] = f"withheld in {found.period[t]}: {c.withheld[rows[i]]}"
    lost = withheld != ""
    if lost.any():
        who = listed(map(str, found.unit[lost]))
        warnings.warn(
            f"{int(lost.sum())} of {k} units are withheld, as they are in a period: {who}",
            PartialResultWarning,
            stacklevel=3,
        )
    return Comparison(
        unit=found.unit,
        size=value["size"].sum(axis=1),
        observed=value["observed"].sum(axis=1),
        expected=value["expected"].sum(axis=1),
        estimate=estimate,
        lower=np.where(lost, np.nan, estimate - below),
        upper=np.where(lost, np.nan, estimate + above),
        noise=np.where(lost, np.nan, own.sum(axis=1)),
        shared=np.where(lost[:, None], 0.0, np.column_stack(shared)),
        core=_blocks(cores),
        null=first.null,
        null_std_error=np.where(lost, np.nan, np.sqrt(np.sum((weight * value["null_std_error"]) ** 2, axis=1))),
        null_kind=first.null_kind,
        df=np.where(lost, np.nan, df),
        overlap=np.sum(value["overlap"] * weight, axis=1),
        withheld=withheld,
        standard=first.standard,
        contrast=first.contrast,
        reference=first.reference,
        level=first.level,
        better=first.better,
        source=replace(
            first.source,
            rows_read=sum(c.source.rows_read for c in found.comparisons),
            rows_dropped=sum(c.source.rows_dropped for c in found.comparisons),
            model=f"{first.source.model}, each of {listed(found.period)} on its own",
            simulated=any(c.source.simulated for c in found.comparisons),
        ),
    )


def _blocks(parts: list[Floats]) -> Floats:
    """Return matrices along a diagonal."""
    sizes = [len(part) for part in parts]
    whole, start = np.zeros((sum(sizes), sum(sizes))), 0
    for part, size in zip(parts, sizes, strict=True):
        whole[start : start + size, start : start + size] = part
        start += size
    return whole
