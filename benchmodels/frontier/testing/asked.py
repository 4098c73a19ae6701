"""What a test of a frontier is asked of: the goods of a fit, and kinds of its units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.asked import share, whole
from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier.dea import DEAFit
from benchmodels.frontier.units import FDH, UnitsFit
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.kernels.frontier_means import Estimator, Side

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Asked", "asked_of", "check_enough", "check_numbers", "kinds_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """Goods (n, m) and (n, s) of n units in the order of their labels, the side that moves, and the estimator."""

    inputs: Floats
    outputs: Floats
    side: Side
    estimator: Estimator

    @property
    def goods(self) -> int:
        """How many are used or made."""
        return int(self.inputs.shape[1] + self.outputs.shape[1])


def asked_of(fit: object, what: str, allowed: tuple[Estimator, ...]) -> Asked:
    """Return what a fit holds for a test, or raise where it does not fit.

    Raises
    ------
    SpecificationError
        Neither a fit of `benchmodels.frontier.DEA` nor of `benchmodels.frontier.FDH`; another orientation or other
        returns; goods that do not move, or units that may not be held against all others.
    """
    returns: object
    held: Sequence[str]
    if isinstance(fit, DEAFit):
        returns, held = fit.model.returns, fit.model.nondiscretionary
    elif isinstance(fit, UnitsFit) and isinstance(fit.model, FDH):
        returns, held = "fdh", ()
    else:
        raise SpecificationError(f"{what} is of a fit of DEA or FDH; found {type(fit).__name__}")
    if returns not in allowed:
        names = ", ".join("FDH" if name == "fdh" else f"DEA with returns={name!r}" for name in allowed)
        raise SpecificationError(f"{what} is of {names}; found {'FDH' if returns == 'fdh' else f'returns={returns!r}'}")
    if fit.model.orientation not in ("input", "output"):
        raise SpecificationError(
            f"{what} needs an efficiency: orientation='input' or 'output'; found {fit.model.orientation!r}"
        )
    if held or fit.model.allowed(fit.goods, fit.goods) is not None:
        raise SpecificationError(
            f"{what} rests on laws of frontiers that all units share and along which all inputs, or outputs, move: "
            "leave out nondiscretionary, environment, composition and peers"
        )
    lost = fit.status != "solved"
    if lost.any():
        raise SpecificationError(
            f"{int(lost.sum())} units have no efficiency: {listed(fit.unit[lost])}; leave them out"
        )
    side: Side = "input" if fit.model.orientation == "input" else "output"
    estimator: Estimator = next(name for name in allowed if name == returns)
    return Asked(inputs=fit.goods.inputs, outputs=fit.goods.outputs, side=side, estimator=estimator)


def check_numbers(*, level: float, splits: int | None = None, halvings: int, replicates: int | None = None) -> None:
    """Raise SpecificationError where they cannot be meant."""
    share("level", level, example=0.05)
    whole("halvings", halvings, what="halvings of a sample, for its bias")
    if splits is not None:
        whole("splits", splits, what="random splits of the units into halves")
    if replicates is not None:
        whole("replicates", replicates, least=19, what="enough for a p-value of 5 %")


def check_enough(numbers_of: dict[str, int], goods: int, parts: int) -> None:
    """Raise DataError where a part of the units of any kind has no more units than goods: all would be efficient."""
    least = parts * (goods + 1)
    few = [f"{name}: {n}" for name, n in numbers_of.items() if n < least]
    if few:
        more = f" and {len(few) - 8} more" if len(few) > 8 else ""
        raise DataError(
            f"at least {least} units of each kind are needed, {parts} part(s) with more units than the {goods} goods; "
            f"there are {', '.join(few[:8])}{more}"
        )


def kinds_of(fit: DEAFit | UnitsFit, data: object, column: str, *, slices: int | None) -> tuple[Codes, tuple[str, ...]]:
    """Return the kind (n,) of each unit of a fit, joined by label, and their names.

    Numbers of more than two values are cut at their quantiles into ``slices``; where that is None they are refused.

    Raises
    ------
    SpecificationError, DataError
        No such column; units without a row, or with two; missing values; all units of one kind.
    """
    unit = fit.model.unit
    if not isinstance(column, str) or column == unit:
        raise SpecificationError(f"column={column!r}; give the name of one column, which is not the unit's")
    table = read_table(data, [unit, column], why="the test")
    table = replace(table, frame=table.frame[table.frame[unit].isin(fit.unit.tolist())].reset_index(drop=True))
    labels = table.frame[unit]
    twice = labels[labels.duplicated()].tolist()
    if twice:
        raise DataError(f"{len(twice)} unit(s) have more than one row: {listed(twice)}")
    place = {label: i for i, label in enumerate(labels.tolist())}
    lost = [label for label in fit.unit.tolist() if label not in place]
    if lost:
        raise DataError(f"{len(lost)} of {len(fit.unit)} units of the frontier have no row: {listed(lost)}")
    table.refuse_missing([column], advice="fill them, or leave these units out of the frontier as well")
    order = [place[label] for label in fit.unit.tolist()]
    told = table.frame[column]
    if pd.api.types.is_numeric_dtype(told) and told.nunique() > 2:
        return _sliced(numbers(table, column, role="a column of the test")[order], column, slices)
    if not pd.api.types.is_numeric_dtype(told):
        table.check_category(column)
    codes, names = pd.factorize(told.iloc[order].astype(object), sort=True)
    if len(names) < 2:
        raise DataError(f"{column!r} is the same for all units")
    return codes.astype(np.intp), tuple(str(name) for name in names)


def _sliced(values: Floats, column: str, slices: int | None) -> tuple[Codes, tuple[str, ...]]:
    if slices is None:
        raise SpecificationError(f"{column!r} holds numbers of many values; give kinds of units (text, or two values)")
    whole("slices", slices, least=2, what="into which the numbers are cut, with as many units in each")
    if not np.isfinite(values).all():
        raise DataError(f"{column!r} must be finite")
    ends = np.quantile(values, np.arange(1, slices) / slices)
    codes = np.searchsorted(ends, values, side="left").astype(np.intp)
    met, codes = np.unique(codes, return_inverse=True)
    if len(met) < slices:
        raise DataError(f"{column!r} has too few values for {slices} slices of as many units each")
    edges = [values.min(), *ends, values.max()]
    # As few digits as tell the slices apart.
    for digits in range(4, 18):
        names = tuple(f"{edges[i]:.{digits}g} to {edges[i + 1]:.{digits}g}" for i in range(slices))
        if len(set(names)) == slices:
            break
    return codes, names
