"""The data of a result, found again and held against the hash that was recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmodels.errors import BenchmodelsError, SpecificationError
from benchmodels.replication.provenance.manifest import Finding, Manifest, Record, hash_file, short
from benchmodels.replication.provenance.origin import WITHHELD, hash_rounded
from benchmodels.replication.study import Study, parse_study
from benchmodels.replication.tables import load_table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["find_inputs"]


def find_inputs(
    manifest: Manifest, studies: Sequence[Study], data: pd.DataFrame | str | Path | None
) -> tuple[list[Study], pd.DataFrame | None, list[Finding]]:
    """Find the data of every study.

    Parameters
    ----------
    manifest : Manifest
    studies : sequence of Study
        In the order of the manifest.
    data : DataFrame, str or Path, optional
        A file, a folder to look in, or the table that was given in memory.

    Returns
    -------
    studies : list of Study
        Those that read a file read the one that was found.
    frame : DataFrame or None
        The table that was given in memory.
    findings : list of Finding
        A fault for each study whose data is not found, or is not what it was.

    Raises
    ------
    SpecificationError
        `data` is given and no study read a file or a table in memory, or a table for several studies.
    """
    records = manifest.content.studies
    kinds = [_kind(record, study) for record, study in zip(records, studies, strict=True)]
    if data is not None and set(kinds) == {"dataset"}:
        raise SpecificationError("the result is of bundled data; data does not apply to it")
    frame = data if isinstance(data, pd.DataFrame) else None
    if frame is not None and len(records) > 1:
        raise SpecificationError(f"a table in memory is of one study; the result has {len(records)}")
    ready, findings = [], []
    for record, study, kind in zip(records, studies, kinds, strict=True):
        if kind == "dataset" and study.data.dataset is None:
            # Else the path of the study, which may be any file of this machine, would be read for the bundled table.
            findings.append(_fault(record, "is recorded as bundled data, and the study reads a file"))
        elif frame is None and kind == "file":
            file, told = _file(manifest, record, data)
            findings += told
            ready.append(study if file is None else _reading(study, file))
        elif frame is None and kind == "memory":
            findings.append(_fault(record, "was a table in memory; give that table as data"))
        else:
            findings += _table(record, study, frame)
            ready.append(study)
        if record.data.sha256 == WITHHELD:
            findings.append(_unknown(record))
    return ready, frame, findings


def _kind(record: Record, study: Study) -> str:
    """Return what the data was; of the first format told from its name."""
    if record.data.kind is not None:
        return record.data.kind
    if record.data.name == study.data.dataset:
        return "dataset"
    # Only a table in memory has a name without an ending, which no file can be read without.
    return "memory" if record.data.name == "table" else "file"


def _fault(record: Record, told: str, found: str = "") -> Finding:
    text = f"data of {record.id}: {short(record.data.name)} {told}"
    return Finding(about="data", where=record.id, text=text, recorded=record.data.sha256, found=found)


def _unknown(record: Record) -> Finding:
    text = (
        f"data of {record.id}: its hash was withheld for disclosure control, so that it cannot be told whether this is "
        "the same data"
    )
    return Finding(about="data", where=record.id, text=text, recorded=WITHHELD, fault=False)


def _file(manifest: Manifest, record: Record, data: object) -> tuple[Path | None, list[Finding]]:
    """Return the first file that has the recorded hash, or what is wrong with those that are there."""
    given = isinstance(data, str | Path)
    places = _places(manifest, record, data)
    there = [place for place in places if os.path.isfile(place)]
    if not there:
        looked = ", ".join(dict.fromkeys(short(str(place.parent)) for place in places))
        return None, [_fault(record, f"was not found (looked in {looked}); say where it is with data (--data)")]
    if not given:
        # Links resolved: a manifest of others shall not have any file of this machine read.
        beside = os.path.realpath(manifest.folder.resolve().parent)
        there = [place for place in there if Path(os.path.realpath(place)).is_relative_to(beside)]
    if not there:
        told = "lies outside of the folder that holds the result; if it may be read, say where it is with data (--data)"
        return None, [_fault(record, told)]
    if record.data.sha256 == WITHHELD:
        return there[0], []
    found = ""
    for place in there:
        try:
            found = hash_file(place)
        except BenchmodelsError as error:
            return None, [_fault(record, f"cannot be checked: {error}")]
        if found == record.data.sha256:
            return place, []
    told = f"is not the file that was read (sha256 {short(record.data.sha256)[:12]}… recorded, {found[:12]}… found)"
    return None, [_fault(record, told, found)]


def _places(manifest: Manifest, record: Record, data: object) -> list[Path]:
    name = record.data.name.replace("\\", "/").rsplit("/", 1)[-1].replace("\0", "")
    if isinstance(data, str | Path):
        given = Path(data)
        return [given / name] if given.is_dir() else [given]
    places = [manifest.folder.resolve().parent / name]
    if record.data.place is not None and "\0" not in record.data.place:
        places = [manifest.folder / record.data.place, *places]
    return places


def _reading(study: Study, file: Path) -> Study:
    """Return the study with its data in this file."""
    asked = study.model_dump(mode="json", exclude_none=True)
    asked["data"] = {key: value for key, value in asked["data"].items() if key != "dataset"}
    asked["data"]["path"] = str(file.resolve())
    return parse_study(asked, name=study.id)


def _table(record: Record, study: Study, frame: pd.DataFrame | None) -> list[Finding]:
    """Hold a bundled table, or one in memory, against its hash."""
    try:
        found = load_table(study, data=frame)
    except BenchmodelsError as error:
        return [_fault(record, f"cannot be read: {short(str(error))}")]
    except (MemoryError, RecursionError):
        return [_fault(record, "cannot be read: it takes more memory than there is")]
    if record.data.sha256 in (WITHHELD, found.sha256):
        return []
    recorded, rounded = record.data.sha256, record.data.rounded_sha256
    if frame is None and rounded == hash_rounded(found):
        told = "is the same as here but for the last digits, which another processor sums in another order"
        text = f"data of {record.id}: {short(record.data.name)} {told}"
        return [Finding(about="data", where=record.id, text=text, recorded=recorded, found=found.sha256, fault=False)]
    told = f"is not the table that was read (sha256 {short(recorded)[:12]}… recorded, {found.sha256[:12]}… found)"
    if frame is None and rounded is None:
        told += "; a manifest of the first format cannot tell another table from the last digits of another processor"
    return [_fault(record, told, found.sha256)]
