"""Do units that steer in one way differ from units that steer in another? A second step, after the comparison.

What a unit chooses itself (who pays, who refers, how it is organised) never enters its expected value: that would
explain away what the comparison is for. It is held against the units' estimates afterwards.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.asked import share
from benchmodels.comparison import an_unshrunken_comparison
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.meta_regression import LEAST_DF, meta_regression
from benchmodels.table import listed, met, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison, Source
    from benchmodels.kernels.meta_regression import MetaRegression
    from benchmodels.table import Table

    Floats = NDArray[np.float64]

__all__ = ["CONSTANT", "SecondStep", "second_step"]

CONSTANT = "(constant)"

# Degrees of freedom below which a reader is told of the coverage simulated with 20 units.
_FEW = 30

_ASSOCIATED = "a choice that goes with a difference need not be its cause: units chose for themselves"


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """One column as numbers: itself, or one column of 0 and 1 for each category after the first."""

    name: str
    categories: tuple[object, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(f"{self.name}[T.{c}]" for c in self.categories[1:]) if self.categories else (self.name,)

    def columns(self, table: Table) -> Floats:
        """Return the columns (n, terms) of a table; a category that was not met before raises."""
        if not self.categories:
            return numbers(table, self.name, role="a choice")[:, None]
        values = table.frame[self.name].to_numpy(dtype=object)
        strange = sorted({str(v) for v in values.tolist() if v not in self.categories})
        if strange:
            raise DataError(
                f"choice {self.name!r} has categories that were not there before: {listed(strange)}; there were "
                f"{listed(self.categories)}"
            )
        return np.column_stack([values == c for c in self.categories[1:]]).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class SecondStep:
    """Estimates of units regressed on what they chose.

    Parameters
    ----------
    terms : (p,) tuple of str
        `CONSTANT`, then the choices; a category is named ``column[T.category]``, as in formulas.
    found : MetaRegression
        Coefficients, their covariance, and what the choices leave between units.
    scale : {'estimate', 'log'}
        'estimate': a coefficient is in the estimate's unit of measure. 'log': it is a difference of logarithms, and
        its exponential a factor on the observed over the expected.
    level : float
        Of the intervals.
    unit : (k,) array
        Units the coefficients rest on.
    effect, std_error, fitted : (k,) arrays
        Their effects on ``scale`` (zero where as expected), the standard errors of these, and what the regression says.
    notes : tuple of str
        What a reader must know, as sentences without a full stop.
    source : Source
        Of the comparison.
    """

    terms: tuple[str, ...]
    found: MetaRegression
    scale: Literal["estimate", "log"]
    level: float
    unit: NDArray[np.object_]
    effect: Floats
    std_error: Floats
    fitted: Floats
    notes: tuple[str, ...]
    source: Source
    _choices: tuple[_Choice, ...] = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"SecondStep({len(self.unit)} units, {', '.join(self.terms[1:])}; τ = {self.tau:.3g}, I² = {self.i2:.0%}, "
            f"R² = {self.r2:.0%})"
        )

    @property
    def tau(self) -> float:
        """Standard deviation between units that the choices leave, on ``scale``."""
        return float(np.sqrt(self.found.tau2))

    @property
    def i2(self) -> float:
        """Share, 0 to 1, of the variance around the regression that is not sampling noise."""
        return self.found.i2

    @property
    def r2(self) -> float:
        """Share, 0 to 1, of the variance between units that the choices go with; NaN where units did not vary."""
        return self.found.r2

    def to_frame(self) -> pd.DataFrame:
        """Return the table ``term, estimate, std_error, lower, upper, p``, one row per term."""
        estimate, half = self.found.coefficients, self.found.half_width(self.level)
        return pd.DataFrame(
            {
                "term": list(self.terms),
                "estimate": estimate,
                "std_error": self.found.std_error,
                "lower": estimate - half,
                "upper": estimate + half,
                "p": self.found.p,
            }
        )

    def units(self) -> pd.DataFrame:
        """Return the table ``unit, effect, std_error, fitted, departure, weight``, one row per unit, on ``scale``.

        ``departure`` is what the choices leave, effect − fitted; ``weight`` the unit's share in the regression, which
        add up to 1.
        """
        weight = 1.0 / (self.std_error**2 + self.found.tau2)
        return pd.DataFrame(
            {
                "unit": pd.Series(self.unit).infer_objects(),
                "effect": self.effect,
                "std_error": self.std_error,
                "fitted": self.fitted,
                "departure": self.effect - self.fitted,
                "weight": weight / weight.sum(),
            }
        )

    def together(self, choice: str) -> tuple[float, float]:
        """Return F and its p-value of all terms of one choice at once, which a choice of several categories asks for.

        Raises
        ------
        SpecificationError
            There is no such choice.
        """
        names = [c.name for c in self._choices]
        if choice not in names:
            raise SpecificationError(f"no choice {choice!r}; there are {listed(names)}")
        own = next(c for c in self._choices if c.name == choice).terms
        return self.found.together(np.flatnonzero([term in own for term in self.terms]))

    def predict(self, data: object) -> pd.DataFrame:
        """Return what goes with given choices, in the comparison's unit of measure or, on the log scale, as ratios.

        Parameters
        ----------
        data : dataframe, n rows
            The columns of the choices.

        Returns
        -------
        DataFrame, n rows
            `estimate`, `lower`, `upper` of the mean of units that choose so, and `unit_lower`, `unit_upper`: limits for
            the true effect of one more such unit.

        Raises
        ------
        DataError
            A column is missing or holds what was not there before.
        """
        table = read_table(data, [c.name for c in self._choices], why="predict")
        table.refuse_missing([c.name for c in self._choices], advice="give each row a value")
        design = np.column_stack([np.ones(len(table.frame)), *(c.columns(table) for c in self._choices)])
        estimate, _, half, wide = self.found.at(design, self.level)
        ends = {
            "estimate": estimate,
            "lower": estimate - half,
            "upper": estimate + half,
            "unit_lower": estimate - wide,
            "unit_upper": estimate + wide,
        }
        return pd.DataFrame({name: np.exp(v) if self.scale == "log" else v for name, v in ends.items()})


def second_step(
    comparison: Comparison, table: object, columns: Sequence[str], *, unit: str, level: float = 0.95
) -> SecondStep:
    """Regress the estimates of units on their choices, weighted by precision, y_i ~ N(x_i'β, τ² + s_i²).

    Parameters
    ----------
    comparison : Comparison
        k units. The regression is of ``estimate - null`` for contrast 'difference', and of log(estimate / null), with
        standard error std_error / estimate, for 'ratio' and 'rate': effects of practice multiply, and the noise of a
        ratio grows with it, so that on its own scale units that are low by chance would weigh most.
    table : dataframe, one row per unit
        Choices of the units.
    columns : sequence of str
        Its columns to regress on: numbers (and truth values, as 0 and 1) as they are, anything else as categories, the
        first of which is what the others are held against.
    unit : str
        Its column with the labels of the comparison's units. Rows of other units are counted and not used.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    SecondStep

    Raises
    ------
    SpecificationError
        A frontier's comparison, too few units, columns that do not vary or not apart from each other, or a ratio of
        zero, which has no logarithm.
    DataError
        A unit is not in the table or twice there, or lacks a choice.

    Warns
    -----
    PartialResultWarning
        Units without a known uncertainty are left out.

    Notes
    -----
    REML's variance between units, Knapp and Hartung's standard errors, Student's t with k - p degrees of freedom; see
    `benchmodels.kernels.meta_regression`. Standard errors of units count as known and independent: what they share
    through the expected values is in each and not used otherwise, as in `benchmodels.shrink`. On simulated special
    education the full covariance moves a slope by at most 0.02 standard errors, and its standard error by less than
    1 %, also where the choice goes with what is expected at a correlation of 0.95 (``tests/test_steering.py``).

    What goes with a choice *and* with the composition is divided by the first step. Where slopes are pooled over units,
    expected values have taken some of what goes with a choice already, and coefficients here are too close to zero;
    slopes within units (``FixedEffects``, or ``RandomEffects(slopes="within")``) leave it to the second step.

    Examples
    --------
    >>> from benchmodels import FixedEffects, datasets
    >>> country = datasets.simulate_denmark()
    >>> model = FixedEffects("segregated ~ sex + diagnosis", unit="municipality", trials="pupils", family="binomial")
    >>> comparison = model.fit(country.special_education()).compare()
    >>> choices = datasets.municipalities().assign(inland=lambda t: t["region"] == "Midtjylland")
    >>> step = second_step(comparison, choices, ["inland"], unit="municipality")
    >>> step.to_frame()["term"].tolist()
    ['(constant)', 'inland']
    """
    comparison = an_unshrunken_comparison(comparison, "second_step")
    share("level", level)
    if comparison.coverage is not None:
        raise SpecificationError(
            "this is a frontier's comparison, whose intervals are not normal: ask the fit itself, fit.second_stage(...)"
        )
    names = _columns(columns, unit)
    used = _used(comparison)
    rows, own, unused = _joined(
        comparison.unit[used], read_table(table, [unit, *names], why="second_step"), unit, names
    )
    choices = tuple(_choice(own, name) for name in names)
    design = _design(own, choices)
    terms = (CONSTANT, *(term for choice in choices for term in choice.terms))
    _check_rank(design, terms)
    y, s = _effects(comparison, used)
    found = meta_regression(y, s, design)
    return SecondStep(
        terms=terms,
        found=found,
        scale="estimate" if comparison.contrast == "difference" else "log",
        level=level,
        unit=rows,
        effect=y,
        std_error=s,
        fitted=design @ found.coefficients,
        notes=_notes(comparison, used, choices, found, unused),
        source=comparison.source,
        _choices=choices,
    )


def _columns(columns: Sequence[str], unit: str) -> list[str]:
    names = [] if isinstance(columns, str) or not isinstance(columns, Iterable) else list(columns)
    if not names or not all(isinstance(name, str) for name in names):
        raise SpecificationError(f"columns={columns!r}; give the names of one or more choices, as ['payment']")
    if not isinstance(unit, str) or len(set(names)) < len(names) or unit in names:
        raise SpecificationError(f"columns={names!r}, unit={unit!r}; name each column once")
    return names


def _used(comparison: Comparison) -> NDArray[np.bool_]:
    known = np.isfinite(comparison.estimate) & np.isfinite(comparison.std_error) & (comparison.std_error > 0)
    used = known & (comparison.withheld == "")
    if not used.all():
        warnings.warn(_left_out(comparison, used), PartialResultWarning, stacklevel=3)
    return np.asarray(used)


def _left_out(comparison: Comparison, used: NDArray[np.bool_]) -> str:
    out = listed(map(str, comparison.unit[~used]))
    return f"{int((~used).sum())} of {len(used)} units have no known uncertainty and are left out: {out}"


def _joined(
    units: NDArray[np.object_], table: Table, unit: str, names: list[str]
) -> tuple[NDArray[np.object_], Table, int]:
    """Return the units, their rows in the same order, and how many rows there are of other units."""
    labels = table.frame[unit]
    if not all(isinstance(label, Hashable) for label in labels.tolist()):
        raise DataError(f"column {unit!r} holds values that are no labels, such as {labels.iloc[0]!r}")
    twice = labels[labels.duplicated() & labels.notna()].unique()
    if len(twice):
        raise DataError(
            f"{len(twice)} units have more than one row in {unit!r}: {listed(twice)}; choices are one row per unit"
        )
    place = {label: row for row, label in enumerate(labels.tolist())}
    lost = [label for label in units.tolist() if label not in place]
    if lost:
        raise DataError(
            f"{len(lost)} of {len(units)} units of the comparison are not in column {unit!r}: {listed(lost)}; the "
            f"column holds such as {listed(labels.head(3))}. Labels must be the same, a number and its text are not"
        )
    frame = table.frame.iloc[[place[label] for label in units.tolist()]].reset_index(drop=True)
    for name in names:
        without = units[frame[name].isna().to_numpy()]
        if len(without):
            raise DataError(
                f"{len(without)} units lack a value in {name!r}: {listed(without)}; fill it in, or take those units "
                "out of the comparison by comparison.take(...)"
            )
    return units, type(table)(frame, len(frame), table.attrs), len(table.frame) - len(units)


def _choice(table: Table, name: str) -> _Choice:
    column = table.frame[name]
    if pd.api.types.is_numeric_dtype(column):
        return _Choice(name=name)
    table.check_category(name)
    there: list[Any] = [c for c in met(column) if (column == c).any()]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        there = sorted(there)
    return _Choice(name=name, categories=tuple(there))


def _design(table: Table, choices: tuple[_Choice, ...]) -> Floats:
    for choice in choices:
        if len(choice.categories) == 1:
            raise SpecificationError(f"choice {choice.name!r} is {choice.categories[0]!r} in every unit; leave it out")
    return np.column_stack([np.ones(len(table.frame)), *(choice.columns(table) for choice in choices)])


def _check_rank(design: Floats, terms: tuple[str, ...]) -> None:
    k, p = design.shape
    if k < p + LEAST_DF:
        raise SpecificationError(f"{k} units have a known uncertainty; {p} terms with the constant need {p + LEAST_DF}")
    columns = design[:, 1:]
    scale = np.abs(columns).max(axis=0)
    centred = (columns - columns.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    spread = np.sqrt((centred**2).sum(axis=0))
    flat = [term for term, s in zip(terms[1:], spread, strict=True) if s < 1e-12]
    if flat:
        raise SpecificationError(f"{listed(flat)} is the same in every unit; leave it out")
    if np.linalg.cond(centred / spread) > 1e10:
        raise SpecificationError(f"the choices do not vary apart from each other: {listed(terms[1:])}; leave one out")


def _effects(comparison: Comparison, used: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return effects, zero where as expected, and their standard errors, (k,) each."""
    estimate, s = comparison.corrected[used], comparison.std_error[used]
    if comparison.contrast == "difference":
        return estimate - comparison.null, s
    nothing = comparison.unit[used][~(estimate > 0)]
    if len(nothing):
        raise SpecificationError(
            f"contrast={comparison.contrast!r} is regressed on the log, and {len(nothing)} units have no more than "
            f"zero: {listed(nothing)}. To leave them out would leave out the lowest: compare(contrast='difference') "
            "has them"
        )
    return np.log(estimate / comparison.null), s / estimate


def _notes(
    comparison: Comparison,
    used: NDArray[np.bool_],
    choices: tuple[_Choice, ...],
    found: MetaRegression,
    unused: int,
) -> tuple[str, ...]:
    notes = [_ASSOCIATED, f"{int(used.sum())} units, each weighted by its precision and the variation between units"]
    if not used.all():
        notes.append(_left_out(comparison, used))
    if comparison.contrast != "difference":
        notes.append("coefficients are of the logarithm of observed over expected: their exponential is a factor")
    notes += [f"{c.name}: held against {c.categories[0]!r}" for c in choices if c.categories]
    if unused:
        notes.append(f"{unused} rows of the table are of units that are not used")
    if found.df < _FEW:
        notes.append("few units: where their precision differs much, 95% intervals were seen to hold 93% of the time")
    if found.tau2 == 0.0:
        notes.append("beside the choices units vary no more than by chance; that no variation is likely is not certain")
    if comparison.replicates is not None:
        notes.append("estimates are corrected for the bias that replicates tell of")
    return tuple(notes)
