"""Which units studies keep back, and the rows that are left out everywhere because of it.

Studies of one table are tables of the same cases: a region less its published municipalities, all ages less one, two
outcomes less one. So a row of a unit that any of them keeps back is in none of them, and where one table may be a part
of another, what is left between the two is a count as well. Differences of three tables or more are not looked at.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Literal

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

    Floats = NDArray[np.float64]

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
    if all(study.disclosure is None for study in studies):
        return {study.id: KeptBack() for study in studies}
    sources: dict[str, list[Study]] = defaultdict(list)
    for study in studies:
        # By content: one file may have two names, and a sheet no name.
        sources[load_table(study, data=data).sha256].append(study)
    found: dict[str, KeptBack] = {}
    for linked in sources.values():
        found |= _of_one_table(linked, data=data)
    return found


def _of_one_table(studies: Sequence[Study], *, data: pd.DataFrame | str | Path | None) -> dict[str, KeptBack]:
    asked = [study for study in studies if study.disclosure is not None]
    if not asked:
        return {study.id: KeptBack() for study in studies}
    _refuse_apart(studies, asked[0])
    without: dict[str, set[object]] = {}
    first: dict[str, Withholding] = {}
    while True:
        # All decide on the same rows, so that the first time each has all its units.
        totals = {s.id: _totals(s, load_table(s, data=data, without=without).frame) for s in asked}
        now = {s.id: _decided(s, totals[s.id]) for s in asked}
        first = first or now
        gone = [(s.roles.unit, set(now[s.id].unit[now[s.id].withheld].tolist())) for s in asked]
        gone += [(a.roles.unit, _between(a, b, totals[a.id], totals[b.id])) for a, b in permutations(asked, 2)]
        if not any(labels for _, labels in gone):
            break
        for column, labels in gone:
            if labels:
                without[column] = without.get(column, set()) | labels
        for study in asked:
            left = set(now[study.id].unit.tolist()) - without.get(study.roles.unit, set())
            if len(left) < 2:
                raise DataError(
                    f"{_together(study, first[study.id], left, without).said()}: too few are left to be compared"
                )
    left_by = {name: set(found.unit.tolist()) for name, found in now.items()}
    return {study.id: _together(study, first[study.id], left_by[study.id], without) for study in asked}


def _refuse_apart(studies: Sequence[Study], first: Study) -> None:
    """Refuse what would undo the protection of one table: a study without it, or one that reads it otherwise."""
    for study in studies:
        if study.disclosure is None:
            raise SpecificationError(
                f"study {study.id!r} reads the table of {first.id!r}, which keeps units back, and would give them "
                "away; add a [disclosure] section to it, or run it in a folder of its own"
            )
        read = [
            {name: getattr(s.data, name) for name in ("sep", "decimal", "encoding", "sheet")} for s in (first, study)
        ]
        if read[0] != read[1]:
            raise SpecificationError(
                f"studies {first.id!r} and {study.id!r} read one file in two ways, so that a unit kept back could pass "
                "under another name; give both the same sep, decimal, encoding and sheet"
            )


def _together(study: Study, first: Withholding, left: set[object], without: Mapping[str, set[object]]) -> KeptBack:
    own = study.roles.unit
    units = first.also(set(first.unit.tolist()) - left)
    notes = [units.told] if units.told else []
    notes += [
        f"the rows of {len(labels)} units of {column!r} are left out here too: another table keeps them back"
        for column, labels in without.items()
        if column != own
    ]
    if study.counted and study.roles.cluster is not None:
        notes.append("counts of clusters within units are not protected: standard errors may tell them")
    return KeptBack(units=units, without=without, notes=tuple(notes))


@dataclass(frozen=True, eq=False)
class _Totals:
    """Total and size of each unit, (k,) each, and who contributes to amounts."""

    unit: NDArray[np.object_]
    total: Floats
    size: Floats
    contributors: Floats
    largest: Floats


def _totals(study: Study, frame: pd.DataFrame) -> _Totals:
    from benchmodels.kernels.basis import group_sums

    with warnings.catch_warnings():
        # Of all units, told once more of those that are published: two counts of rows dropped would tell of the others.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        design = _design(study, frame, by_contributor=not study.counted)
    total, size = (group_sums(design.unit, values, len(design.units)) for values in (design.outcome, design.size))
    contributors, largest = (size, size) if study.counted else _contributors(design)
    return _Totals(design.units, total, size, contributors, largest)


def _decided(study: Study, found: _Totals) -> Withholding:
    """Return what the study keeps back of the rows that it may read, by its own counts or amounts alone."""
    from benchmodels.disclosure import withheld_totals, withheld_units

    asked = study.disclosure
    assert asked is not None
    with warnings.catch_warnings():
        # Told once, of what all studies together keep back.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        if study.counted:
            return withheld_units(
                found.unit, found.total, found.size,
                threshold=asked.threshold, zeros=asked.zeros, bounded=study.bounded,
            )  # fmt: skip
        return withheld_totals(
            found.unit, found.total, found.size, found.contributors, found.largest,
            threshold=asked.threshold, percent=asked.percent,
        )  # fmt: skip


def _between(one: Study, other: Study, a: _Totals, b: _Totals) -> set[object]:
    """Return units whose counts in two tables differ by few cases, where one table may be a part of the other."""
    from benchmodels.disclosure import withheld_units

    if one.roles.unit != other.roles.unit or not (one.counted and other.counted):
        return set()
    common, i, j = np.intersect1d(a.unit.astype(str), b.unit.astype(str), return_indices=True)
    rest = a.total[i] - b.total[j]
    if not len(common) or np.any(rest < 0) or np.any(a.size[i] < b.size[j]) or not np.any(rest > 0):
        return set()
    asked = [study.disclosure for study in (one, other) if study.disclosure is not None]
    threshold, zeros = max(part.threshold for part in asked), any(part.zeros for part in asked)
    told: Literal["published", "withheld"]
    for told in ("published", "withheld"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BenchmodelsWarning)
                found = withheld_units(
                    a.unit[i], rest, a.size[i], threshold=threshold, zeros=zeros, bounded=False, total=told
                )
        except SpecificationError:
            # Too few units differ at all to hide those that differ by little among; their sum is in no statistic.
            continue
        return set(found.unit[found.withheld].tolist())
    return set()


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
    # People who cost nothing are nobody to hide among.
    whole = whole[whole["amount"] > 0]
    contributors = np.bincount(whole["unit"], minlength=k).astype(float)
    ranked = whole.sort_values(["unit", "amount"], ascending=[True, False], kind="stable")
    place = ranked.groupby("unit").cumcount().to_numpy()
    largest = np.zeros((k, 2))
    for n in (0, 1):
        at = place == n
        largest[ranked["unit"].to_numpy()[at], n] = ranked["amount"].to_numpy()[at]
    return contributors, largest
