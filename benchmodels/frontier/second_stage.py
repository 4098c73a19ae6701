"""What surrounds the units, and how far they are from the frontier: a second stage that knows how distances arise."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.asked import generator, share, whole
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.bootstrap import distances_of
from benchmodels.kernels.two_stage import TwoStage, algorithm_1, algorithm_2
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit

    Floats = NDArray[np.float64]

__all__ = ["SecondStage", "second_stage_of"]

# Share of replicates without a maximum above which intervals of those left are withheld: the widest are missing.
_MISSING = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class SecondStage:
    """Distances 1 / efficiency regressed on what surrounds the units.

    A positive coefficient goes with a longer distance, so with **less** efficiency, in both orientations.

    Parameters
    ----------
    unit : (k,) array
    names : tuple of str
        Of the columns, after the constant.
    delta : (k,) array
        Distances found.
    found : TwoStage
    algorithm : {1, 2}
    level : float
    """

    unit: NDArray[np.object_]
    names: tuple[str, ...]
    delta: Floats
    found: TwoStage
    algorithm: Literal[1, 2]
    level: float

    def __repr__(self) -> str:
        return f"SecondStage(algorithm {self.algorithm}, {int(self.found.stage.used.sum())} of {len(self.unit)} units)"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a term: ``term, coefficient, std_error, lower, upper``; the constant first, ``sigma`` last.

        Of distances, in their unit: a coefficient is the change of the untruncated mean for one unit of the column.
        """
        stage = self.found.stage
        low, high = self.found.interval(self.level)
        kept = self.found.missing <= _MISSING * len(self.found.errors)
        return pd.DataFrame(
            {
                "term": ["constant", *self.names, "sigma"],
                "coefficient": np.append(stage.coefficients, stage.sigma),
                "std_error": self.found.std_error if kept else np.nan,
                "lower": low if kept else np.nan,
                "upper": high if kept else np.nan,
            }
        )

    def units_frame(self) -> pd.DataFrame:
        """Return one row a unit: ``unit, efficiency, corrected, used_first, used``.

        ``corrected`` for the bias that algorithm 2 finds; ``used_first`` and ``used``: whether the unit is part of the
        first regression, which leaves out those on the frontier, and of the last.
        """
        return pd.DataFrame(
            {
                "unit": self.unit,
                "efficiency": 1.0 / self.delta,
                "corrected": 1.0 / self.found.corrected,
                "used_first": self.found.first.used,
                "used": self.found.stage.used,
            }
        ).infer_objects()


def second_stage_of(
    fit: DEAFit,
    data: object,
    columns: Sequence[str],
    *,
    algorithm: Literal[1, 2],
    first: int,
    replicates: int,
    level: float,
    rng: int | np.random.Generator | None,
) -> SecondStage:
    """Return what `DEAFit.second_stage` documents."""
    if algorithm not in (1, 2) or isinstance(algorithm, bool):
        raise SpecificationError(f"algorithm={algorithm!r}; allowed are 1, 2")
    whole("first", first, least=20, what="enough for a bias")
    whole("replicates", replicates, least=100, what="enough for the tails of an interval")
    share("level", level)
    side, delta = distances_of(fit, "second_stage")
    z = np.column_stack([np.ones(len(delta)), _surroundings(fit, data, columns)])
    with one_blas_thread():
        if algorithm == 1:
            found = algorithm_1(delta, z, replicates, generator(rng))
        else:
            found = algorithm_2(
                fit.goods.inputs, fit.goods.outputs, fit.programs.direction, fit.technology.bounds, side,
                delta=delta, z=z, first=first, second=replicates, rng=generator(rng), allowed=fit.programs.allowed,
            )  # fmt: skip
    if found.missing > _MISSING * replicates:
        warnings.warn(
            f"{found.missing} of {replicates} replicates have no likelihood with a maximum, so that intervals of the "
            "rest would be too short: they are withheld",
            PartialResultWarning,
            stacklevel=3,
        )
    return SecondStage(
        unit=fit.unit, names=tuple(columns), delta=delta, found=found, algorithm=algorithm, level=level
    )  # fmt: skip


def _surroundings(fit: DEAFit, data: object, columns: Sequence[str]) -> Floats:
    """Return the columns (k, p) of the units of the fit, joined by label."""
    if isinstance(columns, str) or not len(columns):
        raise SpecificationError(f"columns={columns!r}; give a list of columns")
    unit = fit.model.unit
    table = read_table(data, [unit, *columns], why="the second stage")
    labels = table.frame[unit]
    twice = labels[labels.duplicated()].tolist()
    if twice:
        raise DataError(f"{len(twice)} unit(s) have more than one row: {listed(twice)}")
    place = {label: i for i, label in enumerate(labels.tolist())}
    lost = [label for label in fit.unit.tolist() if label not in place]
    if lost:
        raise DataError(f"{len(lost)} of {len(fit.unit)} units of the frontier have no row: {listed(lost)}")
    order = [place[label] for label in fit.unit.tolist()]
    return np.column_stack([numbers(table, name, role="a column of the second stage")[order] for name in columns])
