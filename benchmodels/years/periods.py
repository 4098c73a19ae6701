"""Comparisons by period: made from one table, and read into arrays of units by periods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.comparison import a_comparison
from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from benchmodels.formula import read_formula
from benchmodels.roles import Roles
from benchmodels.table import listed, read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison, Contrast, Reference, Standard

    Floats = NDArray[np.float64]

__all__ = ["Scale", "YearEffects", "by_period", "checked", "positions_of", "year_effects"]

Scale = Literal["estimate", "log"]

# Periods as text: a year, or a part of one by its letter (half-year, quarter in Danish and in English, month).
_TEXT = re.compile(r"(\d{4})(?:([HKQM])(\d{1,2}))?")
_A_YEAR = {"H": 2, "K": 4, "Q": 4, "M": 12}

# As `Source.noise` says it where own noise is between clusters.
_CLUSTERED = "the spread of cluster totals within the unit"
_SAME = (
    "own noise is between clusters: where the same clusters (persons, schools) are met in several periods, their noise "
    "is not independent between periods, so that correlations are too high, changes too uncertain and pooled years too "
    "certain"
)


def by_period(
    model: Any,
    data: object,
    *,
    period: str,
    standard: Standard = "indirect",
    contrast: Contrast = "difference",
    reference: Reference = "others",
    level: float = 0.95,
    better: Better | None = None,
) -> dict[Any, Comparison]:
    """Fit a model to each period of a table on its own, and compare.

    Each period has slopes and an average practice of its own, so that comparisons of different periods share no case.

    Parameters
    ----------
    model : Pooled, FixedEffects or RandomEffects
        Without the period among its covariates.
    data : dataframe
    period : str
        Column of the year, half-year or month.
    standard, contrast, reference, level, better
        See `benchmodels.Fit.compare`.

    Returns
    -------
    dict of Comparison
        By period, in order.

    Raises
    ------
    SpecificationError, DataError
        The period is among the covariates, has missing values or one value only; or a fit of one period fails, which
        the message names.

    Examples
    --------
    >>> from benchmodels import FixedEffects, datasets
    >>> table = datasets.simulate_denmark().special_education(years=(2022, 2023))
    >>> model = FixedEffects("segregated ~ sex + diagnosis", unit="municipality", trials="pupils", family="binomial")
    >>> {year: len(found) for year, found in by_period(model, table, period="year").items()}
    {2022: 98, 2023: 98}
    """
    if not isinstance(model, Roles) or not isinstance(getattr(model, "formula", None), str):
        raise SpecificationError(f"by_period takes a model such as FixedEffects(…); this is a {type(model).__name__}")
    asked: Any = model
    outcome, _, variables = read_formula(asked.formula)
    if period in variables or period == outcome:
        raise SpecificationError(
            f"{period!r} is in the formula, and it is the same in every row of a period; take it out, as each "
            "period is fitted on its own"
        )
    table = read_table(data, [outcome, *model.played().values(), *variables, period], why="by_period")
    table.refuse_missing([period], advice="give each row its period, or leave it out")
    try:
        labels = sorted(table.frame[period].unique().tolist())
    except TypeError as error:
        raise DataError(f"the period column {period!r} mixes numbers and text; make it one of them") from error
    if len(labels) < 2:
        raise DataError(f"{period!r} has one period only, {labels[0]!r}; there is nothing to follow")
    found = {}
    for label in labels:
        part = table.frame[(table.frame[period] == label).to_numpy()].reset_index(drop=True)
        part.attrs = dict(table.attrs)
        try:
            fit = asked.fit(part)
            found[label] = fit.compare(
                standard=standard, contrast=contrast, reference=reference, level=level, better=better
            )
        except (DataError, SpecificationError) as error:
            raise type(error)(f"{period} {label}: {error}") from error
        except BenchmodelsError as error:
            error.add_note(f"while fitting {period} {label}")
            raise
    return found


@dataclass(frozen=True, eq=False, kw_only=True)
class YearEffects:
    """Estimates of k units in t periods, about what is as expected.

    Parameters
    ----------
    unit : (k,) array; period : (t,) tuple
        Labels; periods in order.
    position : (t,) array of int
        Of the periods, in the shortest step that all distances are whole numbers of.
    effect, variance : (k, t) arrays
        Estimate less null ("estimate"), or the logarithm of estimate over null ("log"); and the variance of its noise.
        NaN where a unit is absent, withheld or has no logarithm.
    scale : "estimate" or "log"
    notes : tuple of str
        What a reader must know, as sentences without a full stop.
    comparisons : (t,) tuple of Comparison
    place : (k, t) array of int
        Row of the unit in the period's comparison; −1 where it is absent.
    """

    unit: NDArray[np.object_]
    period: tuple[Any, ...]
    position: NDArray[np.intp]
    effect: Floats
    variance: Floats
    scale: Scale
    notes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    place: NDArray[np.intp]

    def by_period(self, name: str) -> Floats:
        """Return an attribute of the comparisons, (k, t); NaN where a unit is absent."""
        columns = [
            np.where(rows >= 0, np.asarray(getattr(c, name), dtype=np.float64)[rows], np.nan)
            for c, rows in zip(self.comparisons, self.place.T, strict=True)
        ]
        return np.column_stack(columns)


def checked(comparisons: object, what: str, *, least: int = 2) -> dict[Any, Comparison]:
    """Return comparisons by period in order, or say why they cannot be held together.

    Raises
    ------
    SpecificationError
        Not a mapping, too few periods, no comparisons, of different kinds, or of a frontier.
    """
    if not isinstance(comparisons, Mapping):
        raise SpecificationError(
            f"{what} takes comparisons by period, such as {{2022: …, 2023: …}} or by_period(...); this is a "
            f"{type(comparisons).__name__}"
        )
    if len(comparisons) < least:
        raise SpecificationError(f"{what} needs {least} periods or more; there are {len(comparisons)}")
    for label in comparisons:
        a_comparison(comparisons[label], f"each period of {what}")
    try:
        ordered = {label: comparisons[label] for label in sorted(comparisons)}
    except TypeError as error:
        raise SpecificationError(f"the periods {listed(comparisons)} mix numbers and text; make them one") from error
    first = next(iter(ordered.values()))
    for label, found in ordered.items():
        if found.replicates is not None or found.coverage is not None:
            raise SpecificationError(f"{label} is a comparison by replicates, whose noise is not normal")
        for name in ("standard", "contrast", "reference"):
            if getattr(found, name) != getattr(first, name):
                raise SpecificationError(
                    f"the periods have different {name}s ({getattr(first, name)!r}, and {getattr(found, name)!r} in "
                    f"{label}); compare them alike"
                )
    return ordered


def year_effects(comparisons: object, what: str, *, least: int = 2) -> YearEffects:
    """Return comparisons by period as arrays of units by periods; see `checked` for what is raised."""
    ordered = checked(comparisons, what, least=least)
    found = tuple(ordered.values())
    unit = list(dict.fromkeys(label for c in found for label in c.unit.tolist()))
    rows = [{label: i for i, label in enumerate(c.unit.tolist())} for c in found]
    place = np.array([[row.get(label, -1) for row in rows] for label in unit], dtype=np.intp)
    scale: Scale = "estimate" if found[0].contrast == "difference" else "log"
    shape = (len(unit), len(found))
    effect, variance, events = np.full(shape, np.nan), np.full(shape, np.nan), 0
    for t, (c, at) in enumerate(zip(found, place.T, strict=True)):
        known = np.isfinite(c.std_error) & (c.std_error > 0) & (c.withheld == "")
        y, s = c.estimate - c.null, c.std_error
        if scale == "log":
            positive = c.estimate > 0
            events += int((known & ~positive).sum())
            known = known & positive
            safe = np.where(positive, c.estimate, 1.0)
            y, s = np.log(safe / c.null), c.std_error / safe
        there = (at >= 0) & known[at]
        effect[there, t], variance[there, t] = y[at[there]], s[at[there]] ** 2
    return YearEffects(
        unit=np.array(unit, dtype=object),
        period=tuple(ordered),
        position=positions_of(list(ordered)),
        effect=effect,
        variance=variance,
        scale=scale,
        notes=_notes(found, place, effect, events),
        comparisons=found,
        place=place,
    )


def _notes(found: tuple[Comparison, ...], place: NDArray[np.intp], effect: Floats, events: int) -> tuple[str, ...]:
    notes = []
    absent = int((place < 0).any(axis=1).sum())
    if absent:
        notes.append(f"{absent} of {len(place)} units are not in every period")
    if events:
        notes.append(f"{events} estimates of zero have no logarithm and are left out; differences keep them")
    lost = int((np.isnan(effect) & (place >= 0)).sum()) - events
    if lost:
        notes.append(f"{lost} estimates have no known uncertainty and are left out")
    if any(c.source.noise.startswith(_CLUSTERED) for c in found):
        notes.append(_SAME)
    if any(c.null_kind == "prediction" for c in found):
        notes.append("the uncertainty of one row a unit is that of a prediction, which practice is part of")
    return tuple(notes)


def positions_of(labels: list[Any]) -> NDArray[np.intp]:
    """Return positions of periods in the shortest step, so that a period that is left out counts.

    Whole numbers as they are (yyyymm: months), quarters of a number (2020.5), dates by their months (by their days
    where a month has several), and text such as 2020, 2020H1, 2020K1 (or Q) and 2020M01; of other labels their places.
    """
    values = _numbered(labels)
    if values is None or np.any(np.diff(values) <= 0):
        return np.arange(len(labels), dtype=np.intp)
    values = values - values[0]
    return np.asarray(values // np.gcd.reduce(values), dtype=np.intp)


def _numbered(labels: list[Any]) -> NDArray[np.int64] | None:
    """Return whole numbers as far apart as the periods are; None where labels do not tell."""
    if all(isinstance(label, date) for label in labels):
        # Ends of months, and first Mondays, are months apart and not days.
        months = [label.year * 12 + label.month for label in labels]
        apart = months if len(set(months)) == len(months) else [label.toordinal() for label in labels]
        return np.array(apart, dtype=np.int64)
    if all(isinstance(label, str) for label in labels):
        told = [_TEXT.fullmatch(label) for label in labels]
        if any(found is None for found in told) or len({found[2] for found in told if found}) > 1:
            return None
        parts = [(int(found[1]), _A_YEAR.get(found[2], 1), int(found[3] or 1)) for found in told if found]
        if any(not 1 <= part <= in_a_year for _, in_a_year, part in parts):
            return None
        return np.array([year * in_a_year + part for year, in_a_year, part in parts], dtype=np.int64)
    if not all(isinstance(label, int | float | np.integer) and float(4 * label).is_integer() for label in labels):
        return None
    if not all(float(label).is_integer() for label in labels):
        return np.array([round(4 * label) for label in labels], dtype=np.int64)
    values = np.array(labels, dtype=np.int64)
    month = values % 100
    if np.all((values > 190000) & (values < 210013) & (month >= 1) & (month <= 12)):
        values = values // 100 * 12 + month
    return values


def frame_of(columns: dict[str, Any], unit: str = "unit") -> pd.DataFrame:
    """Return a frame whose labels have the kind they came with."""
    frame = pd.DataFrame(columns)
    for name in (unit, "period"):
        if name in frame:
            frame[name] = frame[name].infer_objects()
    return frame
