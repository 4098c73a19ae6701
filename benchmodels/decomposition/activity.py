"""Growth in activity as more people, other people, and more activity for people alike."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.decomposition.cells import count_variance
from benchmodels.decomposition.periods import TOTAL, Growth
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.expenditure.series import Series, names_of, rows_named
from benchmodels.kernels.basis import group_sums
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["activity_growth"]

Form = Literal["midpoint", "interaction"]
Counted = Literal["poisson", "gaussian"]


def activity_growth(
    table: object,
    *,
    activity: str,
    population: str,
    group: str,
    period: str,
    by: Sequence[str] = (),
    family: Counted = "poisson",
    form: Form = "midpoint",
    start: object = None,
    end: object = None,
) -> Growth:
    """Split growth in activity A = Σ_g N s_g r_g into size N and composition s of the population, and rates r.

    Parameters
    ----------
    table : dataframe
        One row per combination of ``by``, group and period.
    activity, population : str
        Columns of contacts, admissions, cases …, and of the people they are of.
    group : str
        Column of groups, such as age; for several, make one column of their combinations.
    period, by, start, end
        As in `cost_growth`.
    family : {'poisson', 'gaussian'}, default 'poisson'
        Counts, or amounts whose standard errors are not known.
    form : {'midpoint', 'interaction'}, default 'midpoint'
        'midpoint' (Kitagawa): every part at the mean of the two periods. 'interaction': size and composition at the
        rates, and rates at the population, of the first period; and what is left, ΔN_g Δr_g.

    Returns
    -------
    Growth
        A row for each group, and one for all together, named "(total)", the sum of them. Parts "size" and
        "composition" (together the effect of the population), "rates" and, if asked for, "interaction". A group's size
        is what it would have grown by had it kept its share of the population.

    Raises
    ------
    DataError
        A label and period twice; activity without people; figures below zero; counts that are not whole.
    SpecificationError
        A period that is not there, or an option.

    Warns
    -----
    PartialResultWarning
        Figures of a group are not known: its parts are missing, and so are those of the total and, where it is its
        population that is not known, of the other groups.

    Notes
    -----
    A group without people in one of the periods has no rate there: by convention that of the other period, so that all
    of its change is of the population. Standard errors are of the chance in the counts of both periods, given the
    population: the variance of a count is taken at its rate drawn towards its group's over both periods by the weight
    of one expected event.

    References
    ----------
    Kitagawa (1955), Journal of the American Statistical Association 50:1168-1194. Das Gupta (1993), Standardization
    and Decomposition of Rates, US Bureau of the Census P23-186.

    Examples
    --------
    >>> table = pd.DataFrame({"year": [1, 1, 2, 2], "age": ["0-17", "18-"] * 2})
    >>> table = table.assign(visits=[10, 30, 12, 45], people=[100, 100, 100, 150])
    >>> found = activity_growth(table, activity="visits", population="people", group="age", period="year")
    >>> found.to_frame()[["age", "change", "from_size", "from_composition", "from_rates"]].round(3)
           age  change  from_size  from_composition  from_rates
    0     0-17     2.0      2.475            -2.475         2.0
    1      18-    15.0      8.250             6.750         0.0
    2  (total)    17.0     10.725             4.275         2.0
    """
    for name, value, allowed in (("family", family, Counted), ("form", form, Form)):
        if value not in get_args(allowed):
            raise SpecificationError(f"{name} must be one of {listed(get_args(allowed))}; found {value!r}")
    keys = names_of(by, "by")
    labels = [*keys, group]
    acted, lived = (Series.of(table, name, period, labels, why="activity_growth") for name in (activity, population))
    first, last = acted.ends(start, end)
    frame = acted.between(first, last)
    a = frame[["start", "end"]].to_numpy(dtype=np.float64).T
    n = lived.between(first, last)[["start", "end"]].to_numpy(dtype=np.float64).T
    _check(a, n, frame, labels, family)
    code = np.zeros(len(frame), dtype=np.intp)
    wholes = pd.DataFrame({group: [TOTAL]})
    if keys:
        code = np.asarray(frame.groupby(keys, sort=False, observed=True).ngroup(), dtype=np.intp)
        wholes = frame[keys].drop_duplicates().reset_index(drop=True).assign(**{group: TOTAL})
    parts, variance = _parts(a, n, code, len(wholes), form), _variance(a, n, code, len(wholes), form, family)

    def with_totals(values: Floats) -> Floats:
        sums = np.zeros((len(wholes), *values.shape[1:]))
        np.add.at(sums, code, values)
        return np.concatenate([values, sums])

    both = pd.concat([frame[labels].astype({group: object}), wholes], ignore_index=True)
    order = np.argsort(np.concatenate([code, np.arange(len(wholes))]), kind="stable")
    parts, variance, ends = (with_totals(values)[order] for values in (parts, variance, a.T))
    both = both.iloc[order].reset_index(drop=True)
    notes: tuple[str, ...] = ()
    lost = np.asarray(np.isnan(parts).any(axis=1))
    if lost.any():
        told = f"{int(lost.sum())} of {len(lost)} rows, totals among them, have parts that are not known, because "
        notes = (f"{told}figures are missing in {first} or {last}: {rows_named(both.loc[lost], labels)}",)
        warnings.warn(notes[0], PartialResultWarning, stacklevel=2)
    return Growth(
        labels=both,
        first=first,
        last=last,
        start=ends[:, 0],
        end=ends[:, 1],
        names=("size", "composition", "rates", *(["interaction"] if form == "interaction" else [])),
        parts=parts,
        std_error=np.sqrt(variance),
        notes=notes,
        simulated=bool(acted.attrs.get("simulated", False)),
    )


def _check(a: Floats, n: Floats, frame: pd.DataFrame, labels: list[str], family: Counted) -> None:
    """Raise where activity or people cannot be meant."""
    with np.errstate(invalid="ignore"):
        wrong = {
            "people below zero": (n < 0).any(0),
            "activity without any people": ((n == 0) & (a != 0) & np.isfinite(a)).any(0),
        }
        if family == "poisson":
            wrong["activity below zero"] = (a < 0).any(0)
            wrong["counts that are not whole (of amounts say family='gaussian')"] = (np.isfinite(a) & (a % 1 != 0)).any(
                0
            )
    for what, rows in wrong.items():
        if rows.any():
            raise DataError(f"{int(rows.sum())} series have {what}: {rows_named(frame.loc[rows], labels)}")


def _rates(a: Floats, n: Floats) -> Floats:
    """Return rates (2, m); without people in a period that of the other, and zero without people in both."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(n == 0, np.nan, a / n)
    return np.stack([np.where(n[i] == 0, np.where(n[1 - i] == 0, 0.0, r[1 - i]), r[i]) for i in (0, 1)])


def _people(n: Floats, code: NDArray[np.intp], groups: int) -> tuple[Floats, Floats]:
    """Return the population (2, m) of all groups together, and each group's share (2, m) of it."""
    whole = np.stack([group_sums(code, ends, groups)[code] for ends in n])
    return whole, n / np.where(whole == 0, 1.0, whole)


def _weights(n: Floats, code: NDArray[np.intp], groups: int, form: Form) -> Floats:
    """Return what each part takes of the rates of the two periods, (parts, 2, m)."""
    whole, s = _people(n, code, groups)
    more = n[1] - n[0]
    if form == "midpoint":
        size = (whole[1] - whole[0]) * 0.5 * (s[0] + s[1])
        middle = 0.5 * (n[0] + n[1])
        return np.array([[0.5 * size, 0.5 * size], [0.5 * (more - size), 0.5 * (more - size)], [-middle, middle]])
    size = (whole[1] - whole[0]) * s[0]
    zero = np.zeros_like(more)
    return np.array([[size, zero], [more - size, zero], [-n[0], n[0]], [-more, more]])


def _parts(a: Floats, n: Floats, code: NDArray[np.intp], groups: int, form: Form) -> Floats:
    """Return parts (m, t) of each group."""
    return np.asarray(np.einsum("tim,im->mt", _weights(n, code, groups, form), _rates(a, n)))


def _variance(a: Floats, n: Floats, code: NDArray[np.intp], groups: int, form: Form, family: Counted) -> Floats:
    """Return the variance (m, t) of the parts of each group, given its population."""
    weights = _weights(n, code, groups, form)
    # A rate that is taken from the other period moves with that period's count.
    lone = n == 0
    own = np.where(lone, 0.0, weights) + np.where(lone[::-1], weights[:, ::-1], 0.0)
    known = np.isfinite(a) & np.isfinite(n)
    counts = np.full_like(a, np.nan)
    for g in range(groups):
        inside = (code == g) & known.all(0)
        if inside.any() and n[:, inside].sum() > 0:
            counts[:, inside] = count_variance(a[:, inside], n[:, inside], family)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(lone, 0.0, own / n)
    return np.asarray(np.einsum("tim,im->mt", slope**2, counts))
