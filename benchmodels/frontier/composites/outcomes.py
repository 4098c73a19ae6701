"""The doorway of composites: outcomes as columns of a table, or as comparisons of the same units."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.comparison import an_unshrunken_comparison
from benchmodels.errors import DataError, DroppedRowsWarning, SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison
    from benchmodels.frontier.composites.model import BenefitOfTheDoubt

    Floats = NDArray[np.float64]

__all__ = ["Outcomes", "read_outcomes"]

# Of the largest amount, below which units do not differ but by rounding.
_SAME = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """s outcomes of k units, in the order of their labels.

    Parameters
    ----------
    unit : (k,) array
    names : tuple of str
    better : tuple of {'high', 'low'}
    value : (k, s) array
        In the outcomes' units of measure.
    std_error : (k, s) array, optional
        Of the estimates, where they are comparisons'; NaN where one is withheld.
    steps : (k, s) array
        By how much a step of the measure moves each outcome, in the outcomes' units of measure.
    rows_read, rows_dropped : int
    source : str
    simulated : bool
    """

    unit: NDArray[np.object_]
    names: tuple[str, ...]
    better: tuple[Better, ...]
    value: Floats
    std_error: Floats | None
    steps: Floats
    rows_read: int
    rows_dropped: int
    source: str
    simulated: bool

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def sign(self) -> Floats:
        """1 where high is better and -1 where low is, (s,)."""
        return np.where(np.array(self.better) == "high", 1.0, -1.0)


def read_outcomes(model: BenefitOfTheDoubt, data: object) -> Outcomes:
    """Return the outcomes of a table, or of comparisons by name, as `BenefitOfTheDoubt.fit` documents."""
    found = _of_comparisons(model, data) if isinstance(data, Mapping) else _of_table(model, data)
    if len(found["unit"]) < 2:
        raise DataError(f"a composite holds units against each other; there are {len(found['unit'])}")
    _check_radial(model, found["better"])
    return Outcomes(names=tuple(model.outcomes), steps=_steps(model, found), **found)


def _of_table(model: BenefitOfTheDoubt, data: object) -> dict[str, Any]:
    if model.unit is None:
        raise SpecificationError("unit=None; say which column of the table names the unit")
    asked = model.better if isinstance(model.better, Mapping) else dict.fromkeys(model.outcomes, model.better)
    unsaid = [name for name in model.outcomes if asked.get(name) is None]
    if unsaid:
        raise SpecificationError(f"better does not say which direction is better of {listed(unsaid)}: 'high' or 'low'")
    wanted = [model.unit, *model.outcomes]
    table = read_table(data, wanted, why="the composite")
    table, dropped = table.without_missing(wanted, model.missing)
    column = table.frame[model.unit]
    twice = column[column.duplicated()].unique().tolist()
    if twice:
        raise DataError(f"{len(twice)} unit(s) have more than one row: {listed(twice)}; choose one, or average them")
    value = np.column_stack([numbers(table, name, role="an outcome") for name in model.outcomes])
    order = _ordered(column.tolist())
    return {
        "unit": _labels(column.tolist())[order],
        "better": tuple(asked[name] for name in model.outcomes),
        "value": value[order],
        "std_error": None,
        "rows_read": table.rows_read,
        "rows_dropped": dropped,
        "source": str(table.attrs.get("source", "")),
        "simulated": bool(table.attrs.get("simulated", False)),
    }


def _of_comparisons(model: BenefitOfTheDoubt, data: Mapping[Any, object]) -> dict[str, Any]:
    if set(data) != set(model.outcomes):
        raise SpecificationError(
            f"comparisons are given for {listed(data)}, and the outcomes are {listed(model.outcomes)}: one each"
        )
    taken = {name: an_unshrunken_comparison(data[name], f"the composite, for {name!r},") for name in model.outcomes}
    units = _labels(list(dict.fromkeys(label for c in taken.values() for label in c.unit.tolist())))
    value, error = (
        np.column_stack([_matched(c, values(c), units) for c in taken.values()])
        for values in (lambda c: c.corrected, _errors)
    )
    lacking = ~np.isfinite(value).all(axis=1)
    if lacking.any():
        told = f"{int(lacking.sum())} of {len(units)} units lack an estimate of an outcome: {listed(units[lacking])}"
        if model.missing == "raise":
            raise DataError(f"{told}; leave them out with missing='drop'")
        warnings.warn(f"{told}; they are left out", DroppedRowsWarning, stacklevel=5)
    kept = np.flatnonzero(~lacking)
    kept = kept[_ordered(units[kept].tolist())]
    sources = dict.fromkeys(c.source.data for c in taken.values() if c.source.data)
    return {
        "unit": units[kept],
        "better": tuple(_direction(model, name, c.better) for name, c in taken.items()),
        "value": value[kept],
        "std_error": error[kept],
        "rows_read": len(units),
        "rows_dropped": int(lacking.sum()),
        "source": "; ".join(sources),
        "simulated": any(c.source.simulated for c in taken.values()),
    }


def _errors(comparison: Comparison) -> Floats:
    """Return standard errors (k,); NaN where they are withheld, or nothing is known of how often they hold."""
    return np.where(comparison.withheld == "", comparison.std_error, np.nan)


def _matched(comparison: Comparison, values: Floats, units: NDArray[np.object_]) -> Floats:
    place = {label: i for i, label in enumerate(comparison.unit.tolist())}
    at = np.array([place.get(label, -1) for label in units.tolist()])
    return np.where(at >= 0, values[at], np.nan)


def _direction(model: BenefitOfTheDoubt, name: str, told: Better | None) -> Better:
    asked = model.better.get(name) if isinstance(model.better, Mapping) else model.better
    if asked is not None and told is not None and asked != told:
        raise SpecificationError(f"better says {asked!r} of {name!r}, and its comparison says {told!r}; make them one")
    found = asked or told
    if found is None:
        raise SpecificationError(f"neither better nor the comparison says which direction is better of {name!r}")
    return found


def _labels(values: list[Any]) -> NDArray[np.object_]:
    label = np.empty(len(values), dtype=object)
    label[:] = values
    return label


def _ordered(labels: list[Any]) -> NDArray[np.intp]:
    try:
        return np.asarray(np.argsort(_labels(labels), kind="stable"), dtype=np.intp)
    except TypeError as error:
        raise DataError("the labels of units mix numbers and text; make them one of these") from error


def _check_radial(model: BenefitOfTheDoubt, better: tuple[str, ...]) -> None:
    if model.orientation == "radial" and len(set(better)) > 1:
        low = [name for name, which in zip(model.outcomes, better, strict=True) if which == "low"]
        raise SpecificationError(
            f"low is better of {listed(low)} and high of the others, and no single proportion makes both better; ask "
            "orientation='directional', which moves each its own way (inverting an outcome would change the answer)"
        )


def _steps(model: BenefitOfTheDoubt, found: dict[str, Any]) -> Floats:
    """Return the steps (k, s), and refuse outcomes that the measure has no meaning for."""
    value, unit = found["value"], found["unit"]
    largest = np.abs(value).max(axis=0)
    for name, column, size in zip(model.outcomes, value.T, largest, strict=True):
        if np.ptp(column) <= _SAME * size:
            raise DataError(f"{name!r} is the same for every unit, and says nothing of any; leave it out")
    if model.direction == "own":
        return _own_steps(model, value, unit)
    if isinstance(model.direction, Mapping):
        step = np.array([float(model.direction[name]) for name in model.outcomes])
    elif model.direction == "spread":
        step = value.std(axis=0, ddof=1)
    else:
        step = value.mean(axis=0)
        below = [name for name, mean in zip(model.outcomes, step, strict=True) if mean <= 0]
        if below:
            raise DataError(
                f"the mean of {listed(below)} is not above zero, and is no step; ask direction='spread' or amounts"
            )
    return np.tile(step, (len(value), 1))


def _own_steps(model: BenefitOfTheDoubt, value: Floats, unit: NDArray[np.object_]) -> Floats:
    instead = (
        "shifting them would change the answer; ask orientation='directional' with direction='spread' or amounts, "
        "which do not depend on where zero is"
    )
    for name, column in zip(model.outcomes, value.T, strict=True):
        if np.any(column < 0):
            raise DataError(f"{name!r} is below zero for {listed(unit[column < 0])}, and has no proportions; {instead}")
        if model.bounded and np.any(column == 0):
            raise DataError(
                f"{name!r} is zero for {listed(unit[column == 0])}, and nothing has no share, so that bounds on shares "
                f"cannot be met; {instead}"
            )
    still = ~(value > 0).any(axis=1)
    if still.any():
        raise DataError(f"all outcomes are zero for {listed(unit[still])}, and nothing moves in proportion; {instead}")
    return value.copy()
