"""Which units studies keep back, and the rows that are left out everywhere because of it.

Studies of one table are tables of the same cases: a region less its published municipalities, all ages less one, two
outcomes less one. So a row of a unit that any of them keeps back is in none of them.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, BenchmodelsWarning, DataError, SpecificationError
from benchmodels.replication.models import model_of
from benchmodels.replication.tables import load_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmodels.design import Design
    from benchmodels.disclosure import Withholding
    from benchmodels.replication.study import Study

__all__ = ["KeptBack", "keep_back"]

_ROW = "row of the table"


@dataclass(frozen=True, eq=False, kw_only=True)
class KeptBack:
    """What one study keeps back, by its own counts and by those of the others run with it.

    Parameters
    ----------
    units : Withholding, optional
        Of all units of the study; None where the study asks for no disclosure control.
    without : mapping of str to set
        Columns, and the labels in them whose rows no study may read.
    notes : tuple of str
        What a reader must know.
    """

    units: Withholding | None = None
    without: Mapping[str, set[object]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def said(self) -> str:
        """How many units are kept back and why, for errors about what is left."""
        if self.units is None or not self.units.withheld.any():
            return ""
        found = self.units
        told = f"{int(found.withheld.sum())} of {len(found.unit)} units"
        return f"{told} are kept back by disclosure.threshold = {found.threshold}"


def keep_back(studies: Sequence[Study], *, data: pd.DataFrame | str | Path | None = None) -> dict[str, KeptBack]:
    """Decide for studies that are run together which units each of them keeps back.

    Parameters
    ----------
    studies : sequence of Study
    data : DataFrame, str or Path, optional
        In place of the study's own table, for a single study.

    Returns
    -------
    dict of str to KeptBack
        By the id of the study.

    Raises
    ------
    SpecificationError
        A study without disclosure control reads the table of one that has it; or few cases cannot be hidden.
    DataError
        As the tables give cause to; or too little is left.
    """
    sources: dict[str, list[Study]] = defaultdict(list)
    for study in studies:
        own = study.data.dataset or f"{study.data_file.resolve() if study.data_file else ''} {study.data.sheet or ''}"
        sources[own].append(study)
    found: dict[str, KeptBack] = {}
    for linked in sources.values():
        found |= _of_one_table(linked, data=data)
    return found


def _of_one_table(studies: Sequence[Study], *, data: pd.DataFrame | str | Path | None) -> dict[str, KeptBack]:
    asked = [study for study in studies if study.disclosure is not None]
    if not asked:
        return {study.id: KeptBack() for study in studies}
    for study in studies:
        if study.disclosure is None:
            raise SpecificationError(
                f"study {study.id!r} reads the table of {asked[0].id!r}, which keeps units back, and would give them "
                "away; add a [disclosure] section to it, or run it in a folder of its own"
            )
    without: dict[str, set[object]] = {study.roles.unit: set() for study in asked}
    first: dict[str, Withholding] = {}
    while True:
        # All decide on the same rows, so that the first time each has all its units.
        now = {s.id: _decided(s, load_table(s, data=data, without=without).frame) for s in asked}
        first = first or now
        for study in asked:
            found = now[study.id]
            without[study.roles.unit] |= set(found.unit[found.withheld].tolist())
        if not any(found.withheld.any() for found in now.values()):
            break
    left = {name: set(found.unit.tolist()) for name, found in now.items()}
    return {study.id: _together(study, first[study.id], left[study.id], without) for study in asked}


def _together(study: Study, first: Withholding, left: set[object], without: Mapping[str, set[object]]) -> KeptBack:
    own = study.roles.unit
    units = first.also(set(first.unit.tolist()) - left)
    others = {column: labels for column, labels in without.items() if labels and column != own}
    notes = [units.told] if units.told else []
    notes += [
        f"the rows of {len(labels)} units of {column!r} are left out here too: another table keeps them back"
        for column, labels in others.items()
    ]
    kept = KeptBack(units=units, without={c: labels for c, labels in without.items() if labels}, notes=tuple(notes))
    if len(left) < 2:
        raise DataError(f"{kept.said()}: too few are left to be compared")
    return kept


def _decided(study: Study, frame: pd.DataFrame) -> Withholding:
    """Return what the study keeps back of the rows that it may read, by its own counts or amounts alone."""
    from benchmodels.disclosure import withheld_totals, withheld_units
    from benchmodels.kernels.basis import group_sums

    asked = study.disclosure
    assert asked is not None
    with warnings.catch_warnings():
        # Of all units, told once more of those that are published: two counts of rows dropped would tell of the others.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        design = _design(study, frame, by_contributor=not study.counted)
        total, size = (group_sums(design.unit, values, len(design.units)) for values in (design.outcome, design.size))
        if study.counted:
            return withheld_units(
                design.units, total, size, threshold=asked.threshold, zeros=asked.zeros, bounded=study.bounded
            )
        contributors, largest = _contributors(design)
        return withheld_totals(
            design.units, total, size, contributors, largest, threshold=asked.threshold, percent=asked.percent
        )


def _design(study: Study, frame: pd.DataFrame, *, by_contributor: bool) -> Design:
    from benchmodels.design import read_design

    roles = study.roles
    if by_contributor and roles.cluster is None:
        if roles.period is not None:
            raise SpecificationError(
                "disclosure of costs needs to know who they are for, which a table of one row a unit and period does "
                "not tell; give rows of persons or places, or the role cluster"
            )
        # Every row is a contributor: rows alike must not be put together.
        frame = frame.assign(**{_ROW: np.arange(len(frame))})
        roles = roles.model_copy(update={"cluster": _ROW})
    try:
        return read_design(study.model.formula, model_of(study.model_copy(update={"roles": roles})), frame)
    except BenchmodelsError as error:
        raise type(error)(f"study {study.id!r}: {error}") from error


def _contributors(design: Design) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many contribute to each unit's amount, and the two largest contributions."""
    table = pd.DataFrame(
        {"unit": design.unit, "cluster": design.cluster, "amount": design.outcome, "cases": design.weights}
    )
    whole = table.groupby(["unit", "cluster"], sort=True, as_index=False).sum()
    if (whole["amount"] < 0).any():
        raise DataError("amounts below zero: rules of dominance are for what adds up, such as costs")
    k = len(design.units)
    contributors = np.bincount(whole["unit"], minlength=k).astype(float)
    ranked = whole.sort_values(["unit", "amount"], ascending=[True, False], kind="stable")
    place = ranked.groupby("unit").cumcount().to_numpy()
    largest = np.zeros((k, 2))
    for n in (0, 1):
        at = place == n
        largest[ranked["unit"].to_numpy()[at], n] = ranked["amount"].to_numpy()[at]
    return contributors, largest
