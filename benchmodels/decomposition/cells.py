"""A gap in a rate over cells: who the unit serves, and how often it happens to people alike (Kitagawa)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmodels.asked import share
from benchmodels.decomposition.steps import Step, Steps, check_sum, row_of, rows_of
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.basis import group_sums
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Form", "Kitagawa", "columns_of", "count_variance", "kitagawa"]

Form = Literal["midpoint", "interaction"]
Against = Literal["others", "all"]
Counted = Literal["binomial", "poisson", "gaussian"]

# Units times cells: some 400 MB in all.
MOST_CELLS = 5_000_000

_PARTS = {"midpoint": ("composition", "rates"), "interaction": ("composition", "rates", "interaction")}


@dataclass(frozen=True, eq=False, kw_only=True)
class Kitagawa:
    """Each unit's rate above the reference's, as composition and rates.

    Parameters
    ----------
    unit : (k,) array
    names : tuple of str
        "composition", "rates" and, in the form "interaction", that.
    parts : (k, len(names)) array
        In the unit of measure of the rate; a row sums to ``rate - reference``.
    std_error : (k, len(names)) array
        Of the parts, compositions as they are; NaN where it is not known.
    rate, reference : (k,) arrays
        Of the unit, and of what it is held against.
    gap_std_error : (k,) array
    cells : DataFrame
        C rows: the cells.
    by_cell : (k, C, len(names)) array
        The parts by cell. A cell's composition is against the mean of both rates: above zero where the unit has more of
        people with high rates, or fewer with low ones; over cells that changes nothing.
    empty : (k,) array of int
        Cells with cases in the reference and none in the unit.
    empty_share : (k,) array
        Their share of the reference's cases, 0 to 1.
    form, against
        As asked for.
    simulated : bool
    """

    unit: NDArray[np.object_]
    names: tuple[str, ...]
    parts: Floats
    std_error: Floats
    rate: Floats
    reference: Floats
    gap_std_error: Floats
    cells: pd.DataFrame
    by_cell: Floats
    empty: NDArray[np.intp]
    empty_share: Floats
    form: Form
    against: Against
    simulated: bool = False

    def __repr__(self) -> str:
        return (
            f"Kitagawa({len(self.unit)} units against {self.against}, {len(self.cells)} cells; {', '.join(self.names)})"
        )

    def to_frame(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return ``unit, part, contribution, std_error, lower, upper``: a row per unit and part, the gap last."""
        share("level", level)
        k, q = len(self.unit), len(self.names) + 1
        value = np.column_stack([self.parts, self.rate - self.reference]).ravel()
        error = np.column_stack([self.std_error, self.gap_std_error]).ravel()
        half = -ndtri(0.5 * (1.0 - level)) * error
        return pd.DataFrame(
            {
                "unit": np.repeat(self.unit, q),
                "part": np.tile(np.array([*self.names, "gap"], dtype=object), k),
                "contribution": value,
                "std_error": error,
                "lower": value - half,
                "upper": value + half,
            }
        ).infer_objects()

    def of(self, unit: object, *, level: float = 0.95) -> pd.DataFrame:
        """Return one unit's rows of the table."""
        return rows_of(self.to_frame(level=level), self.unit, unit)

    def cells_of(self, unit: object) -> pd.DataFrame:
        """Return one unit's parts by cell: the cells' columns, then one column per part."""
        i = row_of(self.unit, unit)
        return self.cells.assign(**{name: self.by_cell[i, :, j] for j, name in enumerate(self.names)})

    def steps(self, unit: object) -> Steps:
        """Return one unit's way from the reference's rate to its own, for a waterfall."""
        i = row_of(self.unit, unit)
        parts = (
            Step(name=name, value=float(value), std_error=float(error), word=True)
            for name, value, error in zip(self.names, self.parts[i], self.std_error[i], strict=True)
        )
        first = Step(name=self.against, value=float(self.reference[i]), total=True, word=True)
        last = Step(name="observed", value=float(self.rate[i]), total=True, word=True)
        return Steps(label=str(self.unit[i]), rows=(first, *parts, last), simulated=self.simulated)


def kitagawa(
    table: object,
    *,
    unit: str,
    cells: Sequence[str],
    outcome: str,
    size: str,
    family: Counted = "binomial",
    against: Against = "others",
    form: Form = "midpoint",
) -> Kitagawa:
    """Divide every unit's gap in a rate exactly: Σ_c s_c r_c − Σ_c S_c R_c, of shares s, S and rates r, R of cells c.

    Parameters
    ----------
    table : dataframe
        Any number of rows per unit and cell; they are added up.
    unit : str
        Column of units; two groups are two units.
    cells : sequence of str
        Columns whose combinations are the cells, as sex, age and diagnosis. Numbers count as labels.
    outcome, size : str
        Columns of cases, and of what they are out of (people, person-years); at least zero.
    family : {'binomial', 'poisson', 'gaussian'}, default 'binomial'
        What cases are: some of ``size``; events in ``size`` person-years; or amounts, whose standard errors are not
        known from a table of totals and are NaN.
    against : {'others', 'all'}, default 'others'
        All other units together, or all units together: then the unit is part of what it is held against.
    form : {'midpoint', 'interaction'}, default 'midpoint'
        'midpoint': composition Σ (s − S)(r + R)/2 and rates Σ (r − R)(s + S)/2. 'interaction': both from the
        reference, Σ (s − S) R and Σ (r − R) S, and what is left, Σ (s − S)(r − R).

    Returns
    -------
    Kitagawa

    Raises
    ------
    DataError
        Missing or negative figures, more cases than people, a unit of no size, or only one unit.
    SpecificationError
        An option that is not one of these, or too many cells.

    Notes
    -----
    A cell without people in the unit has no rate there and is counted. By convention its rate is the reference's, so
    that its whole part is composition; a cell that only the unit has takes the unit's rate for the reference's. Where
    ``empty_share`` is large, rates are compared over few of the reference's people.

    Standard errors are of the chance in the cases, of unit and reference, at the compositions as they are: no sampling
    of people. A cell's variance is taken at its rate drawn towards all units' by the weight of one expected event, so
    that a cell without cases has one too.

    References
    ----------
    Kitagawa (1955), Journal of the American Statistical Association 50:1168-1194.

    Examples
    --------
    >>> table = pd.DataFrame({"town": list("aabb"), "old": [0, 1, 0, 1]})
    >>> table = table.assign(cases=[10, 40, 20, 10], people=[100, 100, 200, 50])
    >>> found = kitagawa(table, unit="town", cells=["old"], outcome="cases", size="people")
    >>> found.to_frame()[["unit", "part", "contribution"]].head(3).round(3)
      unit         part  contribution
    0    a  composition          0.06
    1    a        rates          0.07
    2    a          gap          0.13
    """
    for name, value, allowed in (("family", family, Counted), ("against", against, Against), ("form", form, Form)):
        if value not in get_args(allowed):
            raise SpecificationError(f"{name} must be one of {listed(get_args(allowed))}; found {value!r}")
    simulated, units, labels, y, n = _cross(
        table, unit, columns_of(cells, (unit, outcome, size), "cells"), outcome, size, family
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        rest_y, rest_n = (y.sum(0) - y, n.sum(0) - n) if against == "others" else (y.sum(0), n.sum(0))
        rest_n = np.broadcast_to(rest_n, n.shape)
        r, big_r = y / n, np.broadcast_to(rest_y / rest_n, n.shape)
    s, big_s = n / n.sum(1, keepdims=True), rest_n / rest_n.sum(1, keepdims=True)
    lone, lacking = n == 0, rest_n == 0
    r, big_r = np.where(lone, np.where(lacking, 0.0, big_r), r), np.where(lacking, np.where(lone, 0.0, r), big_r)
    by_cell, weights = _parts(s, big_s, r, big_r, form)
    parts = by_cell.sum(axis=1)
    rate, reference = (s * r).sum(1), (big_s * big_r).sum(1)
    check_sum(parts, rate - reference, np.abs(s * r).sum(1) + np.abs(big_s * big_r).sum(1))
    middle = 0.5 * (rate + reference)[:, None]
    by_cell[:, :, 0] -= (s - big_s) * middle
    weights += [(s, -big_s)]
    variance = count_variance(y, n, family)
    errors = [_error(own, rest, n, lone, lacking, variance, against) for own, rest in weights]
    return Kitagawa(
        unit=units,
        names=_PARTS[form],
        parts=parts,
        std_error=np.stack(errors[:-1], axis=1),
        rate=rate,
        reference=reference,
        gap_std_error=errors[-1],
        cells=labels,
        by_cell=by_cell,
        empty=(lone & ~lacking).sum(1),
        empty_share=np.where(lone, big_s, 0.0).sum(1),
        form=form,
        against=against,
        simulated=simulated,
    )


def _parts(
    s: Floats, big_s: Floats, r: Floats, big_r: Floats, form: Form
) -> tuple[Floats, list[tuple[Floats, Floats]]]:
    """Return parts by cell (k, C, q), and for each what it takes of the unit's and the reference's rates, (k, C)."""
    more = s - big_s
    if form == "midpoint":
        half, middle = 0.5 * more, 0.5 * (s + big_s)
        weights = [(half, half), (middle, -middle)]
    else:
        weights = [(np.zeros_like(s), more), (big_s.copy(), -big_s), (more, -more)]
    return np.stack([own * r + rest * big_r for own, rest in weights], axis=2), weights


def _error(
    own: Floats,
    rest: Floats,
    n: Floats,
    lone: NDArray[np.bool_],
    lacking: NDArray[np.bool_],
    variance: Floats,
    against: Against,
) -> Floats:
    """Return the standard error (k,) of Σ_c own r_c + rest R_c; ``variance`` (k, C) is that of each unit's cases."""
    # What has no rate of its own has the other's.
    own, rest = (
        np.where(lone, 0.0, own) + np.where(lacking, rest, 0.0),
        (np.where(lacking, 0.0, rest) + np.where(lone, own, 0.0)),
    )
    others_n = n.sum(0) - n
    others = np.maximum(variance.sum(0) - variance, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_own = np.where(lone, 0.0, own / n)
        if against == "all":
            of_rest = np.where(n.sum(0) > 0, rest / n.sum(0), 0.0)
            of_own = of_own + of_rest
        else:
            of_rest = np.where(others_n > 0, rest / others_n, 0.0)
    return np.asarray(np.sqrt((of_own**2 * variance + of_rest**2 * others).sum(1)))


def count_variance(y: Floats, n: Floats, family: Counted) -> Floats:
    """Return the variance (k, C) of cases y out of n, at rates drawn towards the column's, and that to the overall one.

    The weight of what rates are drawn to is one expected event (or, of shares above a half, one expected non-event).
    NaN where nothing is known of chance.
    """
    if family == "gaussian" or y.sum() == 0 or (family == "binomial" and y.sum() == n.sum()):
        # Where it never happens, or always, nothing says how much chance there is.
        return np.full_like(n, np.nan)
    overall = np.full(1, y.sum() / n.sum())
    column = _drawn(y.sum(0), n.sum(0), overall, family)
    rate = _drawn(y, n, column, family)
    return n * rate * (1.0 - rate) if family == "binomial" else n * rate


def _drawn(y: Floats, n: Floats, to: Floats, family: Counted) -> Floats:
    scarce = np.minimum(to, 1.0 - to) if family == "binomial" else to
    known = scarce > 0
    weight = 1.0 / np.where(known, scarce, 1.0)
    return np.where(known, (y + weight * to) / (n + weight), to)


def columns_of(given: object, others: tuple[object, ...], what: str) -> list[str]:
    """Return names of columns, or raise SpecificationError where they are none, or named twice."""
    names = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise SpecificationError(f"{what}={given!r}; give the names of one or more columns, as ['age']")
    every = [*names, *others]
    if not all(isinstance(name, str) for name in every) or len(set(every)) < len(every):
        raise SpecificationError(f"{listed(every)}: name each column once, as text")
    return names


def _cross(
    table: object, unit: str, cells: list[str], outcome: str, size: str, family: Counted
) -> tuple[bool, NDArray[np.object_], pd.DataFrame, Floats, Floats]:
    """Return whether figures are simulated, units (k,), cells (C rows), and cases and people (k, C)."""
    read = read_table(table, [unit, *cells, outcome, size], why="kitagawa")
    read.refuse_missing([unit, *cells, outcome, size], advice="give every row its labels and figures")
    y = numbers(read, outcome, role="the outcome", least=None if family == "gaussian" else 0.0)
    n = numbers(read, size, role="the size", least=0.0)
    if np.any((n == 0) & (y != 0)):
        raise read.row_error(outcome, (n == 0) & (y != 0), f"cases without any {size!r}")
    if family == "binomial" and np.any(y > n):
        raise read.row_error(outcome, y > n, f"more cases than {size!r}; if they are events, say family='poisson'")
    try:
        code, units = pd.factorize(read.frame[unit], sort=True)
        grouped = read.frame.groupby(cells, sort=True, observed=True)
        cell = grouped.ngroup().to_numpy()
    except TypeError as error:
        raise DataError(f"{listed([unit, *cells])} hold labels of several kinds; make each of them one") from error
    labels = read.frame[cells].iloc[np.unique(cell, return_index=True)[1]].reset_index(drop=True)
    k, c = len(units), len(labels)
    if k < 2:
        raise DataError(f"{unit!r} has one unit, {listed(units)}; a gap needs two")
    if k * c > MOST_CELLS:
        raise SpecificationError(f"{c} cells in {k} units are too many; take fewer columns, or classes of numbers")
    place = code * c + cell
    ys, ns = (group_sums(place, values, k * c).reshape(k, c) for values in (y, n))
    gone = ns.sum(1) == 0
    if gone.any():
        raise DataError(f"{int(gone.sum())} units have no {size!r} at all: {listed(np.asarray(units)[gone])}")
    if np.any(ns.sum() - ns.sum(1) == 0):
        raise DataError("all people are in one unit; a gap needs two")
    return bool(read.attrs.get("simulated", False)), np.array(list(units), dtype=object), labels, ys, ns
