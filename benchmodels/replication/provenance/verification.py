"""A result run again from its manifest: whether the same numbers come out."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from benchmodels.replication.provenance.agreement import (
    Agreement,
    ColumnAgreement,
    compare_cells,
    read_cells,
    tolerances,
)
from benchmodels.replication.provenance.filed import Pictures, compare_page, compare_pictures, compare_sets, hold_files
from benchmodels.replication.provenance.folder import MANIFEST, TOOL, versions
from benchmodels.replication.provenance.inputs import find_inputs
from benchmodels.replication.provenance.manifest import Finding, Manifest, Record, as_frame, read_manifest, short
from benchmodels.replication.provenance.origin import hash_study
from benchmodels.replication.provenance.shown import compare_words
from benchmodels.replication.run import run_studies
from benchmodels.replication.study import Study, parse_study

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmodels.replication.run import Progress

__all__ = ["Verification", "verify_folder"]

# What a manifest tells of an answer, beside the tables.
_TOLD = ("model", "rows_read", "rows_dropped", "noise", "parts_exact", "reference", "rng", "notes")


@dataclass(frozen=True, eq=False, kw_only=True)
class Verification:
    """What came of running a result again.

    Parameters
    ----------
    folder : Path
    findings : tuple of Finding
        Faults first.
    tables : tuple of Agreement
        Of each table with the one of the rerun, with the worst difference of each column; empty where it was not run.
    rerun : bool
        Whether the calculation was done again.
    pictures : Pictures
        How many on file were compared with those drawn again, and how many could not be.
    """

    folder: Path
    findings: tuple[Finding, ...]
    tables: tuple[Agreement, ...]
    rerun: bool
    pictures: Pictures = Pictures()

    @property
    def faults(self) -> tuple[Finding, ...]:
        """Findings because of which the result does not stand."""
        return tuple(finding for finding in self.findings if finding.fault)

    @property
    def ok(self) -> bool:
        """Whether the files are those of the manifest and the same numbers came out again."""
        return self.rerun and not self.faults

    @property
    def worst(self) -> ColumnAgreement | None:
        """The column with the largest relative difference between two numbers; None where all are the same."""
        columns = [c for table in self.tables for c in table.columns if c.relative == c.relative]
        return max(columns, key=lambda column: column.relative, default=None)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per finding: about, where, text, column, unit, recorded, found, fault."""
        return as_frame(self.findings)

    def columns_frame(self) -> pd.DataFrame:
        """Return one row per column of each table, with the worst difference, its unit and both values."""
        frames = [table.to_frame().assign(table=table.name) for table in self.tables]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def to_text(self) -> str:
        """Return the answer and one line a finding, faults first."""
        lines = [self._answer()]
        lines += [f"{'fault' if finding.fault else 'note '} {finding.text}" for finding in self.findings]
        return "\n".join(lines)

    def _answer(self) -> str:
        count = len(self.faults)
        told = f"{count} {'fault' if count == 1 else 'faults'}"
        if not self.rerun:
            return f"{self.folder}: not run again: {told}"
        if count:
            return f"{self.folder}: not reproduced: {told}"
        cells = sum(column.values for table in self.tables for column in table.columns)
        worst = self.worst
        how = (
            "all to the last digit"
            if worst is None
            else f"the largest relative difference is {worst.relative:.1e} ({worst.column} of {short(worst.unit)})"
        )
        left = self.pictures.left
        but = f"; {left} {'picture' if left == 1 else 'pictures'} not compared" if left else ""
        return f"{self.folder}: reproduced: {len(self.tables)} tables, {cells} values, {how}{but}"

    def to_json(self) -> str:
        """Return the same as JSON, with the worst difference of every column and the tolerances."""
        columns = self.columns_frame().to_dict("records")
        content = {
            "folder": str(self.folder),
            "ok": self.ok,
            "rerun": self.rerun,
            "findings": [finding.to_dict() for finding in self.findings],
            "columns": [{k: None if v != v else v for k, v in row.items()} for row in columns],
            "pictures": {"compared": self.pictures.compared, "not_compared": self.pictures.left},
            "tolerance": tolerances(),
        }
        return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)


def verify_folder(
    folder: str | Path,
    *,
    data: pd.DataFrame | str | Path | None = None,
    progress: Progress | None = None,
    allow_other_versions: bool = False,
) -> Verification:
    """Run a result again from its manifest and compare every file; nothing in the folder is changed.

    Parameters
    ----------
    folder : str or Path
        Of the result, or its manifest.json.
    data : DataFrame, str or Path, optional
        The file that was read, or the folder it lies in; the table itself where it was given in memory. By default a
        file is looked for where it lay, and beside the result.
    progress : callable, optional
        Called with steps done, steps in all, and what is being done.
    allow_other_versions : bool
        Run it also where another version of this package made it.

    Returns
    -------
    Verification

    Raises
    ------
    DataError
        There is no manifest, or it is damaged, of another tool, or of a later format.
    SpecificationError
        `data` is given for a result of bundled data alone, or a table in memory for several studies.

    Notes
    -----
    A result is run as its maker would have: do not verify a folder whose study you would not run. A formula cannot run
    code, and no file outside of the folder that holds the result is read unless `data` says so; but a study may ask for
    any amount of time, and for more memory than there is, which is told as a fault where the machine itself lets go
    in time. Where that matters, verify under a limit of the system's own.

    The tolerances are those of `provenance.agreement.TOLERANCES`, with their measured reasons. The page is
    compared to the letter but for numbers with decimals, which have the tolerance of figures, and, where a figure of a
    table moved in its last digits, may be rounded to their neighbour if a figure lies half way: how many were is told.
    Pictures that another
    matplotlib or platform drew are not compared, which is told. Where disclosure control withheld the hash of the data,
    any table passes for the data, and only the numbers tell.
    """
    manifest = read_manifest(folder)
    findings = [*hold_files(manifest), *_versions(manifest, allow_other_versions), *_complete(manifest)]
    studies, faults = _studies(manifest)
    findings += faults
    if any(finding.fault and finding.about in ("package", "study") for finding in findings):
        return _verified(manifest, findings)
    studies, frame, told = find_inputs(manifest, studies, data)
    findings += told
    if any(finding.fault for finding in told):
        return _verified(manifest, findings)
    with tempfile.TemporaryDirectory(prefix="benchmodels-verify-") as work:
        out = Path(work) / "again"
        options = manifest.content.options
        try:
            run_studies(
                studies,
                out=out,
                data=frame,
                lang=options.lang,
                danish_csv=manifest.danish_csv,
                rng=options.rng,
                progress=progress,
                command=options.command,
            )
        except BenchmodelsError as error:
            findings.append(Finding(about="run", where="", text=f"run again: {short(str(error))}"))
            return _verified(manifest, findings)
        except (MemoryError, RecursionError):
            text = "run again: the study asks for more memory than there is"
            findings.append(Finding(about="run", where="", text=text))
            return _verified(manifest, findings)
        return _compared(manifest, read_manifest(out), findings)


def _compared(manifest: Manifest, again: Manifest, findings: list[Finding]) -> Verification:
    """Compare every file with that of the rerun."""
    tables, faults = _tables(manifest, again)
    same = manifest.content.versions.get(TOOL) == again.content.versions.get(TOOL)
    moved = any(column.unit for table in tables for column in table.columns)
    pictures = compare_pictures(manifest, again, moved=moved)
    told = [*compare_sets(manifest, again, same_version=same), *faults, *_told(manifest, again)]
    told += [*compare_page(manifest, again, moved=moved, fault=same), *pictures.findings]
    return _verified(manifest, findings + told, tables, pictures)


def _verified(
    manifest: Manifest,
    findings: list[Finding],
    tables: list[Agreement] | None = None,
    pictures: Pictures | None = None,
) -> Verification:
    return Verification(
        folder=manifest.folder,
        findings=tuple(sorted(findings, key=lambda finding: not finding.fault)),
        tables=tuple(tables or ()),
        rerun=tables is not None,
        pictures=pictures or Pictures(),
    )


def _versions(manifest: Manifest, allowed: bool) -> Iterable[Finding]:
    recorded, here = manifest.content.versions, versions()
    for name, found in here.items():
        made = recorded.get(name)
        if made == found or (made is None and name != TOOL):
            continue
        fault = name == TOOL and not allowed
        about = "package" if name == TOOL else "libraries"
        made = "no version" if made is None else short(made)
        hint = "; install that version, or allow other versions (--any-version)" if fault else ""
        told = f"{name}: made with {made}, {found} here{hint}"
        yield Finding(about=about, where=name, text=told, recorded=made, found=found, fault=fault)
    lost = [name for name in here if name not in recorded and name != TOOL]
    if lost and manifest.content.format > 1:
        told = f"{MANIFEST}: does not record the version of {', '.join(lost)}"
        yield Finding(about="libraries", where=", ".join(lost), text=told, fault=False)


def _complete(manifest: Manifest) -> Iterable[Finding]:
    """Say what the manifest does not record, or records otherwise than this package does."""
    if manifest.content.format == 1:
        told = "manifest of the first format: it does not say where the data lay, nor the platform"
        yield Finding(about="manifest", where=MANIFEST, text=told, fault=False)
    if manifest.lacking:
        told = f"{MANIFEST}: {', '.join(map(short, manifest.lacking))} taken out since it was made"
        yield Finding(about="manifest", where=MANIFEST, text=told)
    if manifest.content.tolerance not in (None, tolerances()):
        told = f"{MANIFEST}: records other tolerances than those of this version, which count"
        yield Finding(about="manifest", where=MANIFEST, text=told, fault=False)


def _studies(manifest: Manifest) -> tuple[list[Study], list[Finding]]:
    """Read the studies of the manifest again."""
    studies, faults = [], []
    for place, record in enumerate(manifest.content.studies):
        name = record.id or f"study {place + 1}"
        if record.study_sha256 not in (None, hash_study(record.study)):
            told = f"{short(name)}: the study in the manifest is not the one that was run (its hash differs)"
            faults.append(Finding(about="study", where=name, text=told))
            continue
        try:
            study = parse_study(record.study, name=short(name), folder=manifest.folder.parent)
            study.words(manifest.content.options.lang)
            studies.append(study)
        except SpecificationError as error:
            told = f"the study in the manifest is damaged: {_first_fault(error)}"
            faults.append(Finding(about="study", where=name, text=told))
    return studies, faults


def _first_fault(error: SpecificationError) -> str:
    head, _, rest = str(error).partition("\n")
    return " ".join([head, *rest.split("\n")[:1]]).strip()


def _tables(manifest: Manifest, again: Manifest) -> tuple[list[Agreement], list[Finding]]:
    """Compare every table that the manifest lists, or the rerun wrote, with its like."""
    agreements, faults = [], []
    for name in sorted({*manifest.tables, *again.tables}):
        if name not in again.tables:
            faults.append(Finding(about="tables", where=name, text=f"{short(name)}: was not written when run again"))
        elif name not in manifest.tables:
            faults.append(Finding(about="tables", where=name, text=f"{name}: written when run again, not recorded"))
        elif manifest.file(name) is not None:
            try:
                found = compare_cells(read_cells(manifest.folder / name), read_cells(again.folder / name))
            except DataError as error:
                faults.append(Finding(about="tables", where=name, text=str(error)))
                continue
            agreements.append(found)
            faults += _differing(found)
    return agreements, faults


def _differing(found: Agreement) -> Iterable[Finding]:
    name = found.name
    sides: Mapping[str, tuple[str, ...]] = {
        "only in the folder": found.gone,
        "only when run again": found.came,
        "a column only in the folder": found.columns_gone,
        "a column only when run again": found.columns_came,
    }
    for told, rows in sides.items():
        if rows:
            more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
            shown = ", ".join(short(row) for row in rows[:3])
            yield Finding(about="tables", where=name, text=f"{name}: {told}: {shown}{more}", unit=rows[0])
    for c in found.beyond:
        values = f"{_shown(c.recorded)} in the folder, {_shown(c.found)} when run again"
        told = f"{name}: {short(c.column)} of {short(c.unit)}: {values} ({c.beyond} of {c.values} values differ)"
        yield Finding(
            about="tables", where=name, text=told,
            column=c.column, unit=c.unit, recorded=c.recorded, found=c.found,
        )  # fmt: skip


def _shown(cell: str) -> str:
    return short(cell) if cell else "nothing"


def _told(manifest: Manifest, again: Manifest) -> Iterable[Finding]:
    """Compare what the manifests tell of the answers beside the tables."""
    for recorded, found in zip(manifest.content.studies, again.content.studies, strict=True):
        here = _answers(found)
        for key, one in _answers(recorded).items():
            other = here[key]
            if one in (None, "", {}) and manifest.content.format == 1:
                continue
            places, a, b = compare_words(json.dumps(one), json.dumps(other))
            if places:
                told = f"{MANIFEST}: {key} of {recorded.id}: {short(one)} recorded, {short(other)} when run again"
                # How a solver came to its answer may differ by a step between processors; the answer may not.
                fault = not key.endswith("certificate")
                yield Finding(
                    about="manifest", where=recorded.id, column=key, text=told, recorded=a, found=b, fault=fault
                )


def _answers(record: Record) -> dict[str, Any]:
    frontier = dict(record.frontier)
    solved = {"certificate": record.certificate, "frontier.certificate": frontier.pop("certificate", "")}
    data = {"data.rows": record.data.rows, "data.simulated": record.data.simulated}
    return {**{key: getattr(record, key) for key in _TOLD}, **data, "frontier": frontier, **solved}
