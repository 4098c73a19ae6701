"""What units chose, held against the study's comparison: a second step, which no expected value knows of."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, BenchmodelsWarning
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison
    from benchmodels.replication.study import Study
    from benchmodels.replication.tables import Table
    from benchmodels.steering import SecondStep

__all__ = ["Steering", "choices_table", "steering_of", "told_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Steering:
    """What units chose and the differences that go with it.

    Parameters
    ----------
    step : SecondStep, optional
        None where it cannot be had.
    withheld : str
        Why it cannot; else empty.
    reference : mapping of str to str
        By choice, the category that its others are held against; empty for a number.
    notes : tuple of str
        What a reader must know, beside what the step itself tells.
    """

    step: SecondStep | None
    withheld: str
    reference: Mapping[str, str]
    notes: tuple[str, ...]


def steering_of(study: Study, table: Table, comparison: Comparison) -> Steering | None:
    """Hold the study's choices against its main comparison; None where it names none.

    Units without an uncertainty, among them those kept back, and units that lack a choice are not in it, and the notes
    say who lacks one. A choice that is the same everywhere, or too few units, is a reason to withhold the step and none
    to stop the study.
    """
    from benchmodels.steering import second_step

    names = list(study.roles.choice)
    if not names:
        return None
    chosen = table.frame.drop_duplicates(study.roles.unit)[[study.roles.unit, *names]].reset_index(drop=True)
    chosen = chosen.assign(**{name: _categories(chosen[name]) for name in names})
    chosen, used, notes = _complete(chosen, comparison, unit=study.roles.unit, names=names)
    reference = {name: _reference(chosen[name]) for name in names}
    step, withheld = None, ""
    if not len(used):
        withheld = "no unit has both a known uncertainty and all choices"
    else:
        with warnings.catch_warnings():
            # Who has no known uncertainty is told with the comparison.
            warnings.simplefilter("ignore", BenchmodelsWarning)
            try:
                given = comparison.take(used)
                step = second_step(given, chosen, names, unit=study.roles.unit, level=comparison.level)
            except BenchmodelsError as error:
                withheld = str(error)
    return Steering(step=step, withheld=withheld, reference=reference, notes=notes)


def _complete(
    chosen: pd.DataFrame, comparison: Comparison, *, unit: str, names: list[str]
) -> tuple[pd.DataFrame, NDArray[np.intp], tuple[str, ...]]:
    """Return the choices of units that are used, the places of these in the comparison, and who lacks a choice."""
    known = np.isfinite(comparison.estimate) & np.isfinite(comparison.std_error) & (comparison.std_error > 0)
    known &= comparison.withheld == ""
    whole = set(chosen.loc[chosen[names].notna().all(axis=1), unit].tolist())
    has = np.array([label in whole for label in comparison.unit.tolist()], dtype=bool)
    lacking = comparison.unit[known & ~has]
    used = np.flatnonzero(known & has)
    notes: tuple[str, ...] = ()
    if len(lacking):
        notes = (f"{len(lacking)} of {int(known.sum())} units lack a choice and are left out: {listed(lacking)}",)
    rows = chosen[unit].isin(comparison.unit[used].tolist())
    return chosen[rows].reset_index(drop=True), used, notes


def _categories(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as they are, and all else as categories: in their own order, or in that of the alphabet."""
    if pd.api.types.is_numeric_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return column
    met = sorted(column.dropna().astype(str).unique().tolist())
    text = column.where(column.isna(), column.astype(str))
    return pd.Series(pd.Categorical(text, categories=met), index=column.index)


def _reference(column: pd.Series[Any]) -> str:
    """Return the first category that is met; empty for numbers."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return ""
    return next((str(category) for category in column.cat.categories if (column == category).any()), "")


def told_of(steering: Steering) -> tuple[str, ...]:
    """Return what a reader must know, without what the page itself tells: no cause, who is in it, its scale."""
    step = () if steering.step is None else steering.step.notes[2:]
    told = (": held against ", "coefficients are of the logarithm")
    return (*steering.notes, *(note for note in step if not any(part in note for part in told)))


def choices_table(steering: Steering, *, scale: float) -> pd.DataFrame:
    """Return one row per term: what goes with it, and what all terms leave between units.

    Parameters
    ----------
    steering : Steering
    scale : float
        Differences are told times this; logarithms as they are.

    Returns
    -------
    DataFrame
        `choice` and `category` (empty for the constant, and for numbers), `reference`, `estimate`, `std_error`,
        `lower`, `upper`, `p`, `p_choice` (of all terms of the choice together), `measure` ('difference', or 'log
        ratio', whose exponential is a factor), `units`, and of all together `tau` (in the same measure), `i2` and
        `r2`; `withheld`: why there is none, in a row per choice.
    """
    step = steering.step
    if step is None:
        chosen, of = list(steering.reference), list(steering.reference.values())
        rows = pd.DataFrame({"choice": chosen, "category": "", "reference": of, "withheld": steering.withheld})
        return rows.reindex(columns=list(_COLUMNS))
    told = step.to_frame()
    log = step.scale == "log"
    factor = 1.0 if log else scale
    parts = [_split(term, steering.reference) for term in step.terms]
    table = pd.DataFrame({"choice": [choice for choice, _ in parts], "category": [category for _, category in parts]})
    table["reference"] = [steering.reference.get(choice, "") for choice, _ in parts]
    for name in ("estimate", "std_error", "lower", "upper"):
        table[name] = told[name] * factor
    table["p"] = told["p"]
    table["p_choice"] = [step.together(choice)[1] if choice else np.nan for choice, _ in parts]
    table["measure"] = "log ratio" if log else "difference"
    table["units"], table["tau"] = len(step.unit), step.tau * factor
    table["i2"], table["r2"], table["withheld"] = step.i2, step.r2, ""
    return table[list(_COLUMNS)]


_COLUMNS = (
    *("choice", "category", "reference", "estimate", "std_error", "lower", "upper", "p", "p_choice"),
    *("measure", "units", "tau", "i2", "r2", "withheld"),
)


def _split(term: str, reference: Mapping[str, str]) -> tuple[str, str]:
    """Return the choice and the category of a term; both empty for the constant."""
    for choice, of in reference.items():
        if of and term.startswith(f"{choice}[T.") and term.endswith("]"):
            return choice, term[len(choice) + 3 : -1]
        if not of and term == choice:
            return choice, ""
    return "", ""
