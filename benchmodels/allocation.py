"""A budget shared out by need: each unit's part of what all are expected to need, to the krone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmodels.asked import share, whole
from benchmodels.comparison import a_comparison
from benchmodels.errors import DataError, SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

__all__ = ["Allocation", "allocate"]

_MODEL = (
    "need is what an average unit would have with the same composition, so that the budget follows what the model "
    "knows of and nothing else; the equalisation of municipalities adds weighted shares of given criteria instead, and "
    "has no interval"
)
_LARGEST = 2**53


@dataclass(frozen=True, eq=False, kw_only=True)
class Allocation:
    """A budget shared out among k units.

    Parameters
    ----------
    unit : (k,) array
    size, need : (k,) arrays
        Size, and the expected total, in their own units of measure.
    share, std_error, lower, upper : (k,) arrays
        Share of the country's need, 0 to 1, with its interval at ``level``: the error of the expected values. NaN where
        that is not known.
    amount : (k,) array of int
        In krone; they sum to ``budget`` exactly. Of the last year where the change is phased in.
    path : (years, k) array of int
        Amounts year by year; each row sums to the budget.
    today : (k,) array
        Spent today, in krone; NaN where it was not said.
    budget : int
    level : float
    notes : tuple of str
        What a reader must know, as sentences without a full stop.
    """

    unit: NDArray[np.object_]
    size: Floats
    need: Floats
    share: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    amount: Whole
    path: Whole
    today: Floats
    budget: int
    level: float
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.unit)

    def __repr__(self) -> str:
        return f"Allocation({self.budget} among {len(self)} units over {len(self.path)} year(s))"

    def to_frame(self) -> pd.DataFrame:
        """Return the allocation as a table, one row per unit, in krone; ``path`` has the years before the last.

        ``lower`` and ``upper`` are limits of ``by_need``, the share of need, for the error of the expected values under
        this model. They are none of ``amount``, which floor, ceiling or phasing in may have moved out of them.
        """
        columns = {
            "unit": self.unit,
            "size": self.size,
            "need": self.need,
            "share": self.share,
            "amount": self.amount,
            "per_size": self.amount / self.size,
            "by_need": self.share * self.budget,
            "lower": self.lower * self.budget,
            "upper": self.upper * self.budget,
            "today": self.today,
            "change": self.amount - self.today,
        }
        return pd.DataFrame(columns).infer_objects()


def allocate(
    comparison: Comparison,
    budget: int | float,
    *,
    today: Mapping[object, float] | pd.Series[float] | None = None,
    floor: float | None = None,
    ceiling: float | None = None,
    most_change: float | None = None,
    years: int = 1,
    level: float = 0.95,
) -> Allocation:
    """Share a budget out by expected values, E_i / ΣE, within bounds and to the krone.

    Parameters
    ----------
    comparison : Comparison
        k units with their expected totals, indirectly standardised: what an average unit would have had with the same
        people. With ``reference="all"`` all are held against the same standard, which a budget asks for.
    budget : int
        Whole krone (or any smallest coin), zero or more.
    today : mapping or Series, optional
        What each unit has today, in krone, by label. Where it does not sum to the budget, changes are from today's
        shares of the budget.
    floor, ceiling : float, optional
        Least and most krone per unit of size.
    most_change : float, optional
        Largest change in a year, up or down, as a share of the year before (0.05: five per cent); needs ``today``.
    years : int, default 1
        Years over which the change is phased in.
    level : float, default 0.95

    Returns
    -------
    Allocation

    Raises
    ------
    SpecificationError
        A budget that is not whole or below zero, bounds that do not leave room for it, or phasing in without today's
        amounts.
    DataError
        An expected value that is not above zero, or today's amounts that are not said for all units.

    Notes
    -----
    Amounts are λ E_i, kept within each unit's bounds, with the one λ whose sum is the budget: what a bound takes or
    gives is borne by all others in proportion to need. Amounts are rounded down, and the krone left go to the largest
    remainders; a bound is kept but for one krone. Each year's bounds are the change from the year before; floor and
    ceiling are then reached as fast as the change allows.

    The interval is the delta method's on the covariance of the expected values. Over 300 new data sets of 8 units it
    was 7 % wider than the shares' spread (fewer in ``tests/test_allocation.py``). It is withheld where the comparison
    does not tell of expected values apart from what was observed (frontiers, given expected values, rates).

    Examples
    --------
    >>> from benchmodels import compare_expected
    >>> table = pd.DataFrame({"k": ["a", "b", "c"], "o": [1, 2, 3], "e": [1.0, 1.0, 1.0]})
    >>> allocate(compare_expected(table, unit="k", observed="o", expected="e"), 100).amount.tolist()
    [34, 33, 33]
    """
    comparison = a_comparison(comparison, "allocate")
    share("level", level)
    if isinstance(budget, float) and not budget.is_integer():
        raise SpecificationError(f"budget={budget!r}; give a whole number, in krone")
    if isinstance(budget, float):
        budget = int(budget)  # written as 1e9
    whole("budget", budget, least=0, most=_LARGEST, what="in krone")
    whole("years", years)
    need = _need(comparison)
    spent = _today(comparison, today)
    lowest, highest = _bounds(comparison.size, floor, ceiling)
    if most_change is not None:
        share("most_change", most_change, example=0.05)
    if most_change is None and years > 1:
        raise SpecificationError(f"years={years} without most_change; say how much may change in a year")
    if most_change is not None and today is None:
        raise SpecificationError("most_change is a change from today's amounts: give today")
    path = _path(need, int(budget), spent, lowest, highest, most_change, years, comparison.unit)
    s = need / need.sum()
    error = _share_error(comparison, need)
    half = float(-ndtri(0.5 * (1.0 - level))) * error
    return Allocation(
        unit=comparison.unit,
        size=comparison.size,
        need=need,
        share=s,
        std_error=error,
        lower=np.maximum(s - half, 0.0),
        upper=np.minimum(s + half, 1.0),
        amount=path[-1],
        path=path,
        today=spent,
        budget=int(budget),
        level=level,
        notes=_notes(comparison, error, spent, path[-1], s, int(budget)),
    )


def _need(comparison: Comparison) -> Floats:
    if comparison.standard != "indirect" or comparison.coverage is not None:
        raise SpecificationError(
            "a budget by need takes what is expected of each unit's own people on average practice: compare(standard="
            "'indirect') of an adjustment"
        )
    bad = ~(np.isfinite(comparison.expected) & (comparison.expected > 0))
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} unit(s) have no expected value above zero: {listed(comparison.unit[bad])}; take them out"
        )
    return comparison.expected


def _today(comparison: Comparison, today: Mapping[object, float] | pd.Series[float] | None) -> Floats:
    if today is None:
        return np.full(len(comparison), np.nan)
    if not isinstance(today, Mapping | pd.Series):
        raise SpecificationError(f"today takes a mapping or Series by unit; found {type(today).__name__}")
    if isinstance(today, pd.Series) and today.index.has_duplicates:
        raise DataError("today has several amounts for a unit; sum them first")
    said = dict(today.items())
    lost = [label for label in comparison.unit.tolist() if label not in said]
    if lost:
        raise DataError(f"today says nothing of {len(lost)} unit(s): {listed(lost)}")
    values = [said[label] for label in comparison.unit.tolist()]
    bad = [
        label
        for label, value in zip(comparison.unit.tolist(), values, strict=True)
        if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)) or float(value) < 0
    ]
    if bad:
        raise DataError(f"today's amounts are numbers of zero or more; they are not for {listed(bad)}")
    if not sum(values) > 0:
        raise DataError("today's amounts are zero for all units, so that they have no shares to start from")
    return np.array(values, dtype=np.float64)


def _bounds(size: Floats, floor: float | None, ceiling: float | None) -> tuple[Floats, Floats]:
    for name, value in (("floor", floor), ("ceiling", ceiling)):
        number = isinstance(value, Real) and not isinstance(value, bool)
        if value is not None and not (number and np.isfinite(value) and value >= 0):
            raise SpecificationError(f"{name}={value!r}; give krone per unit of size, zero or more")
    low, high = 0.0 if floor is None else floor, np.inf if ceiling is None else ceiling
    if low > high:
        raise SpecificationError(f"floor={floor!r} is above ceiling={ceiling!r}")
    return low * size, high * size


def _path(
    need: Floats, budget: int, spent: Floats, lowest: Floats, highest: Floats, most_change: float | None, years: int,
    unit: NDArray[np.object_],
) -> Whole:  # fmt: skip
    """Return the amounts (years, k)."""
    rows = []
    before = spent / spent.sum() * budget
    for _ in range(years):
        low, high = lowest, highest
        if most_change is not None:
            least, most = before * (1.0 - most_change), before * (1.0 + most_change)
            low, high = np.clip(lowest, least, most), np.clip(highest, least, most)
        before = _within(need, float(budget), low, high)
        rows.append(_rounded(before, budget, unit))
    return np.array(rows, dtype=np.int64)


def _within(need: Floats, budget: float, low: Floats, high: Floats) -> Floats:
    """Return λ × need kept within bounds, with the λ that spends the budget."""
    slack = 1e-9 * max(budget, 1.0)
    if low.sum() > budget + slack or high.sum() < budget - slack:
        raise SpecificationError(
            f"the bounds need between {low.sum():.0f} and {high.sum():.0f} krone, and the budget is {budget:.0f}; "
            "loosen floor, ceiling or most_change"
        )
    # The sum is piecewise linear in λ: sort the places where a unit meets a bound, and solve between two of them.
    places = np.unique(np.concatenate([[0.0], low / need, (high / need)[np.isfinite(high)]]))
    sums = np.array([np.clip(at * need, low, high).sum() for at in places])
    i = int(np.searchsorted(sums, budget, side="right")) - 1
    start = places[max(i, 0)]
    free = (low <= start * need * (1.0 + 1e-12)) & (high > start * need * (1.0 + 1e-12))
    spent = sums[max(i, 0)]
    step = (budget - spent) / need[free].sum() if free.any() else 0.0
    return np.asarray(np.clip((start + step) * need, low, high))


def _rounded(amount: Floats, budget: int, unit: NDArray[np.object_]) -> Whole:
    """Return whole krone that sum to the budget: the largest remainders get one more, equal ones by label."""
    down = np.floor(amount + 1e-9).astype(np.int64)
    left = int(budget) - int(down.sum())
    names = np.argsort(np.argsort(np.array([str(label) for label in unit])))
    order = np.lexsort((names, -np.round(amount - down, 6)))
    down[order[: max(left, 0)]] += 1
    if left < 0:
        down[order[left:]] -= 1
    return down


def _share_error(comparison: Comparison, need: Floats) -> Floats:
    """Return the standard errors (k,) of the shares, NaN where the error of expected values is not told apart."""
    moved = _moved(comparison, need)
    if moved is None:
        return np.full(len(need), np.nan)
    gradient, core = moved
    total = need.sum()
    # Derivative of E_i / ΣE in the parameters.
    turned = (gradient - np.outer(need / total, gradient.sum(axis=0))) / total
    return np.asarray(np.sqrt(np.maximum(np.einsum("kp,pq,kq->k", turned, core, turned), 0.0)))


def _moved(comparison: Comparison, need: Floats) -> tuple[Floats, Floats] | None:
    """Return what the parameters' errors do to expected totals (k, q), and their covariance (q, q).

    An adjustment's covariance is [G, U] [[V, -I], [-I, 0]] [G, U]': V is that of the scores, and G carries them to the
    expected value on the contrast's scale.
    """
    q, odd = divmod(comparison.shared.shape[1], 2)
    core = comparison.core
    if odd or q == 0 or core[q:, q:].any() or not np.array_equal(core[:q, q:], -np.eye(q)):
        return None
    back = comparison.shared[:, :q]
    if comparison.contrast == "difference":
        return back * comparison.size[:, None], core[:q, :q]
    if comparison.contrast == "ratio" and (comparison.estimate > 0).all():
        return back / comparison.estimate[:, None] * need[:, None], core[:q, :q]
    return None


def _notes(
    comparison: Comparison, error: Floats, spent: Floats, amount: Whole, s: Floats, budget: int
) -> tuple[str, ...]:
    notes = [_MODEL]
    if comparison.reference == "others":
        notes.append(
            "each unit's need is expected from the others, so that standards differ a little; compare(reference='all') "
            "holds all against one"
        )
    if np.isnan(error).all():
        notes.append("how surely shares are known cannot be told: the comparison has no error of its expected values")
    if np.isfinite(spent).all() and abs(spent.sum() - budget) > 0.5:
        notes.append(f"today's amounts sum to {spent.sum():.0f}, and the budget is {budget}: changes hold that too")
    bound = int((np.abs(amount - s * budget) > 1.0).sum())
    if bound:
        notes.append(f"{bound} of {len(s)} amounts are not their share of need: bounds or the phasing in hold them")
    return tuple(notes)
