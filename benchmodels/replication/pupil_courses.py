"""Pupils' months made one row per pupil, with the course of the absence as counts of 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, DataError

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmodels.courses import AbsenceCourses
    from benchmodels.replication.study import Courses

__all__ = ["COURSE_COLUMNS", "pupils_of"]

_KEPT = "row is kept"
# Column, and the onset or duration that it counts.
_ONSETS = {"sudden": "sudden", "gradual": "gradual", "from_the_start": "from the start"}
_DURATIONS = {"transient": "transient", "permanent": "permanent"}

COURSE_COLUMNS: tuple[str, ...] = (
    *("pupils", "high", *_ONSETS, "onset_told", "onset_untold"),
    *(*_DURATIONS, "duration_told", "duration_untold"),
)
"""What is made of a pupil's months, beside the columns that the pupil has."""


def pupils_of(
    frame: pd.DataFrame, asked: Courses, *, unit: str, kept: pd.Series[bool], used: Collection[str], name: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return one row per pupil (and year) of the units that are read, and what a reader must know.

    Parameters
    ----------
    frame : DataFrame, one row per pupil and month
    asked : Courses
    unit : str
        Column of units; a pupil in several belongs to the one with most possible days.
    kept : Series, one truth value a row of ``frame``
        False for rows of units kept back. A pupil is left out with the unit that it belongs to, and else keeps all
        months: a course without some of them would be another.
    used : collection of str
        Columns that the study uses: rules of what it does not use are not told.
    name : str
        What the table is called in errors.

    Raises
    ------
    DataError
        As `benchmodels.absence_courses`; or a column that is kept is not the same in all months of a pupil.
    """
    keys = [asked.pupil, *([asked.year] if asked.year else [])]
    found = _told(frame, asked, unit=unit, name=name)
    _refuse_varying(frame, keys, asked.keep, name=name)
    pupils = _counted(found, asked, unit=unit)
    own = frame.drop_duplicates(keys)[[*keys, *asked.keep]]
    table = pupils.merge(own, on=keys, how="left", validate="1:1")
    table.attrs = dict(frame.attrs)
    if kept.all():
        return table, _notes(found, used)
    rows = frame[[*keys, unit]].assign(**{_KEPT: kept.to_numpy()})
    by = rows.groupby([*keys, unit], sort=False, observed=True)[_KEPT].all().reset_index()
    read = table[[*keys, unit]].merge(by, on=[*keys, unit], how="left", validate="1:1")[_KEPT].to_numpy(dtype=bool)
    table = table[read].reset_index(drop=True)
    if table.empty:
        return table, ()
    # Counts in notes are of those who are read: of all pupils they would tell of those kept back.
    theirs = frame.merge(table[keys], on=keys, how="inner")
    return table, _notes(_told(theirs, asked, unit=unit, name=name), used)


def _notes(found: AbsenceCourses, used: Collection[str]) -> tuple[str, ...]:
    """Return the notes without the rules of onset, of duration, or of all courses, where nothing rests on them."""
    begins, stays = (
        bool({*columns} & {*used})
        for columns in ((*_ONSETS, "onset_told", "onset_untold"), (*_DURATIONS, "duration_told", "duration_untold"))
    )
    silent = [said for said, told in (("from the start:", begins), ("transient:", stays)) if not told]
    silent += [] if begins or stays else ["tell its course"]
    silent += [] if begins or stays or "high" in used else ["high absence is above"]
    return tuple(note for note in found.notes if not any(said in note for said in silent))


def _told(frame: pd.DataFrame, asked: Courses, *, unit: str, name: str) -> AbsenceCourses:
    from benchmodels.courses import absence_courses

    columns = asked.model_dump(include={"pupil", "month", "absent", "possible", "year", "threshold", "window"})
    months: Any = asked.months or None
    try:
        return absence_courses(frame, unit=unit, months=months, **columns)
    except BenchmodelsError as error:
        raise type(error)(f"{name}: {error}") from error


def _counted(found: AbsenceCourses, asked: Courses, *, unit: str) -> pd.DataFrame:
    told = found.to_frame()
    high, onset, duration = told["high"].to_numpy(dtype=bool), told["onset"].astype(str), told["duration"].astype(str)
    flags = {"pupils": np.ones(len(told), dtype=bool), "high": high}
    flags |= {column: (onset == category).to_numpy() for column, category in _ONSETS.items()}
    flags |= {column: (duration == category).to_numpy() for column, category in _DURATIONS.items()}
    flags["onset_told"] = np.logical_or.reduce([flags[column] for column in _ONSETS])
    flags["duration_told"] = np.logical_or.reduce([flags[column] for column in _DURATIONS])
    flags["onset_untold"] = high & ~flags["onset_told"]
    flags["duration_untold"] = high & ~flags["duration_told"]
    names = {"unit": unit, "pupil": asked.pupil, "absent": asked.absent, "possible": asked.possible}
    years = {asked.year: told[asked.year]} if asked.year else {}
    columns = {own: told[column] for column, own in names.items()} | years
    return pd.DataFrame(columns | {column: flags[column].astype(np.int64) for column in COURSE_COLUMNS})


def _refuse_varying(frame: pd.DataFrame, keys: list[str], columns: list[str], *, name: str) -> None:
    pupil = frame.groupby(keys, sort=False, observed=True).ngroup().to_numpy()
    first = np.zeros(pupil.max() + 1, dtype=np.intp)
    first[pupil[::-1]] = np.arange(len(pupil))[::-1]
    for column in columns:
        codes = pd.factorize(frame[column])[0]
        other = codes != codes[first[pupil]]
        if not other.any():
            continue
        row = int(np.flatnonzero(other)[0])
        there = [frame[column].iloc[place] for place in (first[pupil[row]], row)]
        who = ", ".join(str(frame[key].iloc[row]) for key in keys)
        values = " and ".join("nothing" if pd.isna(value) else repr(str(value)) for value in there)
        raise DataError(
            f"{name}: {len(np.unique(pupil[other]))} pupils have more than one value in {column!r} (pupil {who} has "
            f"{values}); a column in data.courses.keep is the pupil's own, the same in all months: make it so, as of "
            "the first month"
        )
