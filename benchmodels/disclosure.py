"""Which units are withheld because their figures would tell of few people, or of one.

A unit is withheld with all that is derived from it (`benchmodels.publishing`), with other units where a sum would give
it by subtraction, and what describes all units together is computed anew without it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.comparison import Comparison
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.companions import sum_bounds, with_companions, with_large_companions
from benchmodels.kernels.disclosure_risk import Risk, count_risk, dominance_risk
from benchmodels.kernels.suppression import additive_relations, suppress
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["Withholding", "withheld_cells", "withheld_totals", "withheld_units"]

Total = Literal["published", "withheld"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Withholding:
    """Which units are withheld, and how closely their counts (or totals) can be bounded from what is published.

    It does not tell which of the units withheld have few cases themselves: that alone would narrow the others.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    size : (k,) array
        Cases or trials.
    withheld : (k,) array of bool
    lower, upper : (k,) arrays
        Tightest bounds of a withheld value that follow by subtraction; NaN where it is published.
    threshold : int
        The smallest count (number of contributors) that may be told.
    reason : str
        What stands where a unit is withheld; the same for all, so that it tells nothing of one.
    total : 'published' or 'withheld'
        Whether the value of all units together is known.
    """

    unit: NDArray[np.object_]
    size: Floats
    withheld: NDArray[np.bool_]
    lower: Floats
    upper: Floats
    threshold: int
    reason: str
    total: Total

    @property
    def told(self) -> str:
        """How many units are withheld, and which; empty where none is."""
        gone = self.unit[self.withheld].tolist()
        if not gone:
            return ""
        return f"{len(gone)} of {len(self.unit)} units withheld for disclosure control: {listed(gone)}"

    def to_frame(self) -> pd.DataFrame:
        """Return the decision as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "size", "withheld", "lower", "upper")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def also(self, labels: set[object]) -> Withholding:
        """Return the decision with further units withheld, such as those that another table withholds."""
        further = np.array([label in labels for label in self.unit.tolist()]) & ~self.withheld
        if not further.any():
            return self
        # Of these only what everyone knows is told; the sum is then of more units, and bounds only get wider.
        lower, upper = np.where(further, 0.0, self.lower), np.where(further, np.inf, self.upper)
        return replace(self, withheld=self.withheld | further, lower=lower, upper=upper)

    def rows(self, frame: pd.DataFrame, *, unit: str) -> pd.DataFrame:
        """Return the rows of a table whose unit is published: a model fitted to them knows nothing of the others.

        Raises
        ------
        DataError
            A label that was not decided on, such as 101 for '0101'.
        """
        self.refuse_unknown(frame[unit])
        return frame[~frame[unit].isin(self.unit[self.withheld].tolist())]

    def refuse_unknown(self, labels: pd.Series[Any]) -> None:
        """Raise DataError where a label was not decided on: it would pass as published."""
        decided = set(self.unit.tolist())
        unknown = [label for label in labels.dropna().unique().tolist() if label not in decided]
        if unknown:
            raise DataError(
                f"not among the units decided on: {listed(unknown)}; these are {listed(self.unit.tolist())}"
            )

    def apply(self, comparison: Comparison) -> Comparison:
        """Return a comparison of all k units in which the withheld ones have a reason and no number but their size.

        Parameters
        ----------
        comparison : Comparison
            Of all units, or of those in `rows`; with any contrast and standard.

        Raises
        ------
        DataError
            A published unit is missing, or one is not among the units decided on.
        """
        place = {label: i for i, label in enumerate(comparison.unit.tolist())}
        published = self.unit[~self.withheld].tolist()
        unknown = sorted(set(map(str, place)) - set(map(str, self.unit.tolist())))
        missing = [str(label) for label in published if label not in place]
        if unknown or missing:
            raise DataError(f"units of another comparison: not decided on {listed(unknown)}; missing {listed(missing)}")
        source, target = np.array([place[label] for label in published], dtype=np.intp), np.flatnonzero(~self.withheld)
        filled: dict[str, Any] = {f.name: getattr(comparison, f.name) for f in fields(comparison) if f.init}
        for name, values in filled.items():
            if name == "replicates" and values is not None:
                filled[name] = np.full((len(values), len(self.unit)), np.nan)
                filled[name][:, target] = values[:, source]
            elif isinstance(values, np.ndarray) and name != "core":
                empty = 0.0 if name == "shared" else self.reason if name == "withheld" else np.nan
                filled[name] = np.full((len(self.unit), *values.shape[1:]), empty, dtype=values.dtype)
                filled[name][target] = values[source]
        # Of those published what the comparison rests on, which may be fewer rows than were decided on.
        size = np.where(self.withheld, self.size, filled["size"])
        return Comparison(**(filled | {"unit": self.unit, "size": size}))


def withheld_units(
    unit: ArrayLike,
    count: Floats,
    size: Floats,
    *,
    threshold: int = 5,
    zeros: bool = False,
    bounded: bool = True,
    total: Total = "published",
) -> Withholding:
    """Decide which units are withheld: those with few cases, and companions that hide them where their sum is known.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    count, size : (k,) arrays
        Cases counted, and cases that could have been; both ``count`` and ``size - count`` are protected.
    threshold : int, default 5
        The smallest count that may be told; 5 and 20 are in use.
    zeros : bool, default False
        Counts of none and of all are withheld too.
    bounded : bool, default True
        False where ``size`` is an exposure, such as person-years, that is no ceiling of the count.
    total : 'published' or 'withheld'
        Published unless no figure of all units together is known from anywhere: no overall rate, and no expected value
        of any model in whose fit the withheld units took part, for each of these is made of the total. With 'withheld',
        fit to `Withholding.rows`, and no companions are needed.

    Returns
    -------
    Withholding
        An attacker who knows all that is published, the sizes, the sum of the withheld counts, and this rule itself
        cannot exclude any count from 1 (0 with ``zeros``) to ``threshold - 1`` of a unit with few cases; nor any such
        complement. One unit that knows its own count cannot compute another's by subtraction.

    Raises
    ------
    SpecificationError
        Too few units are left to hide those with few cases among.
    DataError
        Counts missing, negative, no whole numbers or above their size; duplicate labels.

    Warns
    -----
    PartialResultWarning
        Units are withheld.

    Notes
    -----
    Companions are the two smallest units by size, which is public, that have enough cases themselves; seldom three.
    Not covered: withheld units that know their own counts and reason from the rule, or tell each other; other tables of
    the same cases (regions, age groups, outcomes that add up), which must leave out the same rows, as studies run
    together do; the same table published at a lower threshold; and clusters (schools) within units that are published,
    whose counts a standard error between clusters may give away.

    Examples
    --------
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = withheld_units(list("abcd"), np.array([2.0, 9, 30, 41]), np.array([50.0, 100, 300, 400]))
    >>> found.withheld.tolist(), found.upper[0].item()
    ([True, True, True, False], 41.0)
    """
    _check_total(total)
    label, order = _labelled(unit, size, count)
    count, size = np.asarray(count, float), np.asarray(size, float)
    if not np.array_equal(count, np.round(count)):
        raise DataError("counts must be whole numbers, and there for every unit; for amounts see withheld_totals")
    ceiling = size if bounded else np.full(len(count), np.inf)
    risk = count_risk(count, ceiling, threshold=threshold, zeros=zeros)
    withheld = risk.risky
    if total == "published":
        withheld = with_companions(count, ceiling, risk, order=order, threshold=threshold)
    few = f"fewer than {threshold} cases in it or in a unit that its figures would give away"
    return _decision(label, size, count, ceiling, withheld, threshold=threshold, reason=few, total=total)


def withheld_totals(
    unit: ArrayLike,
    amount: Floats,
    size: Floats,
    contributors: Floats,
    largest: Floats,
    *,
    threshold: int = 5,
    percent: float = 10.0,
    total: Total = "published",
) -> Withholding:
    """Decide which units are withheld where amounts, such as costs, are summed over contributors.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    amount : (k,) array
        Sum of the contributions, zero or more, in any unit of measure.
    size : (k,) array
        What the amount is told per, which is public; companions are taken in its order.
    contributors : (k,) array
        How many persons or places contribute more than nothing.
    largest : (k, 2) array
        The two largest contributions, 0 where there is none.
    threshold : int, default 5
        The smallest number of contributors that may be told of.
    percent : float, default 10
        p of the p % rule: the second largest contributor must not be able to estimate the largest to within p %.
    total
        As in `withheld_units`.

    Returns
    -------
    Withholding
        Subtraction from the sum leaves every withheld amount open by so much that the p % rule holds, on both sides;
        an amount of few contributors by p % of itself. Which units were chosen may tell more of amounts than
        subtraction does.

    Raises
    ------
    SpecificationError
        Too few units are left to hide those withheld among.
    DataError
        Amounts or contributions missing, negative or not adding up; duplicate labels.

    Warns
    -----
    PartialResultWarning
        Units are withheld.

    References
    ----------
    Hundepool et al. (2012), Statistical Disclosure Control, chapter 4: rules of dominance, and how far off an estimate
    must be.

    Examples
    --------
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = withheld_totals(list("abcd"), np.array([99.0, 90, 95, 300]),
    ...         np.array([50.0, 60, 70, 80]), np.full(4, 9.0), np.array([[90.0, 5], [20, 15], [20, 15], [50, 50]]))
    >>> found.withheld.tolist()
    [True, True, True, False]
    """
    if threshold < 2:
        raise SpecificationError(f"threshold={threshold!r}; a number of contributors is small below 2 or more")
    _check_total(total)
    label, order = _labelled(unit, size, amount, contributors)
    amount, size, contributors = (np.asarray(values, float) for values in (amount, size, contributors))
    if not (np.all(amount >= 0) and np.all(np.isfinite(amount)) and np.all(contributors >= 0)):
        raise DataError("amounts must be there and zero or more, as must the numbers of contributors")
    risk = dominance_risk(amount, np.asarray(largest, float), percent=percent)
    few = (contributors < threshold) & (contributors > 0)
    risk = Risk(
        risky=risk.risky | few,
        low=np.where(few, np.fmin(amount * (1.0 - percent / 100.0), risk.low), risk.low),
        high=np.where(few, np.fmax(amount * (1.0 + percent / 100.0), risk.high), risk.high),
    )
    withheld = risk.risky
    if total == "published":
        withheld = with_large_companions(amount, risk, order=order)
    ceiling = np.full(len(amount), np.inf)
    reason = (
        f"fewer than {threshold} contributors, or one that dominates, in it or in a unit that its figures would give "
        "away"
    )
    return _decision(label, size, amount, ceiling, withheld, threshold=threshold, reason=reason, total=total)


def withheld_cells(
    counts: pd.DataFrame, *, threshold: int = 5, zeros: bool = False, margin: str = "total"
) -> pd.DataFrame:
    """Decide which cells of a table of units by classes are withheld, where its margins are published too.

    Parameters
    ----------
    counts : DataFrame (k, c)
        Cases of k units (rows) in c classes that exclude each other (columns), without margins.
    threshold, zeros
        As in `withheld_units`.
    margin : str
        What the margins are called.

    Returns
    -------
    DataFrame (k + 1, c + 1) of bool
        True where a cell, or a margin, is withheld. Addition and subtraction of all that is published leaves every
        count from 1 (0 with ``zeros``) to ``threshold - 1`` possible in each cell with few cases. As few cells as
        possible, margins last; unlike in `withheld_units`, someone who knows this rule may exclude some counts.

    Raises
    ------
    SpecificationError, ConvergenceError
        As `benchmodels.kernels.suppression.suppress`, which finds and proves the pattern.
    DataError
        Counts that are missing or negative, no whole numbers, or in a table without rows or columns.

    Examples
    --------
    >>> counts = pd.DataFrame({"boys": [3, 40, 50], "girls": [60, 70, 80]}, index=["Ærø", "Odense", "Aarhus"])
    >>> int(withheld_cells(counts).to_numpy().sum())
    4
    """
    k, c = counts.shape
    try:
        value = counts.to_numpy(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"counts must be numbers: {error}") from error
    if not (k and c) or not np.array_equal(value, np.round(value)) or np.any(value < 0):
        raise DataError("a table of one row and column or more, with whole counts of zero or more in every cell")
    whole = np.block([[value, value.sum(axis=1, keepdims=True)], [value.sum(axis=0), value.sum()]])
    weight = np.ones(whole.shape)
    weight[:, c], weight[k, :], weight[k, c] = c + 1.0, k + 1.0, (k + 1.0) * (c + 1.0)
    found = suppress(
        additive_relations(np.append(np.full(k, k), -1), np.append(np.full(c, c), -1)),
        whole.ravel(),
        count_risk(whole.ravel(), threshold=threshold, zeros=zeros),
        lower=np.zeros(whole.size),
        upper=np.full(whole.size, np.inf),
        weight=weight.ravel(),
    )
    labels = [*counts.index.tolist(), margin], [*counts.columns.tolist(), margin]
    return pd.DataFrame(found.suppressed.reshape(whole.shape), *labels)


def _check_total(total: Total) -> None:
    if total not in get_args(Total):
        raise SpecificationError(f"total={total!r}; allowed are {', '.join(map(repr, get_args(Total)))}")


def _labelled(unit: ArrayLike, size: Floats, *values: Floats) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Return labels, and positions in the public order: by size, and by label where sizes are equal."""
    there = list(unit) if isinstance(unit, list | tuple) else np.asarray(unit, dtype=object).tolist()
    lengths = {len(there), len(size), *map(len, values)}
    if len(lengths) > 1:
        raise DataError(
            f"one label, count and size for each unit; found {', '.join(map(str, sorted(lengths)))} of them"
        )
    label = np.empty(len(there), dtype=object)
    for i, name in enumerate(there):
        label[i] = name
    try:
        twice = len(set(there)) < len(there)
    except TypeError as error:
        raise DataError("labels of units must be text or numbers") from error
    if twice:
        raise DataError("units to be withheld need one label each; some labels are there twice")
    by_label = np.array(sorted(range(len(label)), key=lambda i: str(label[i])), dtype=np.intp)
    return label, by_label[np.argsort(np.asarray(size, float)[by_label], kind="stable")]


def _decision(
    label: NDArray[np.object_],
    size: Floats,
    value: Floats,
    ceiling: Floats,
    withheld: Mask,
    *,
    threshold: int,
    reason: str,
    total: Total,
) -> Withholding:
    lower, upper = sum_bounds(value, ceiling, withheld) if total == "published" else (np.zeros(len(value)), ceiling)
    found = Withholding(
        unit=label,
        size=size,
        withheld=withheld,
        lower=np.where(withheld, lower, np.nan),
        upper=np.where(withheld, upper, np.nan),
        threshold=threshold,
        reason=reason,
        total=total,
    )
    if found.told:
        warnings.warn(found.told, PartialResultWarning, stacklevel=3)
    return found
