"""Audits as a folder with a page, a table and JSON, and as lines for a terminal."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmodels.replication.provenance.folder import package_version, staged, write_csv, write_manifest
from benchmodels.report.audited import AuditedClaim, AuditedDocument, audit_lines, render_audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmodels.replication.claims.audit import Audit, AuditedNumber
    from benchmodels.report.wording import Lang

_FILES = {"audit_file_csv": "audit.csv", "audit_file_json": "audit.json"}

__all__ = ["audit_json", "audit_table", "terminal_lines", "write_audits"]


def write_audits(audits: Sequence[Audit], *, out: str | Path, lang: Lang = "da", command: str = "") -> Path:
    """Write a folder: index.html, audit.csv, audit.json and manifest.json.

    Parameters
    ----------
    audits : sequence of Audit
    out : str or Path
        Folder; new, empty, or holding an earlier result, which is replaced in one move.
    lang : {"da", "en"}
        Language of the page.
    command : str
        The command that repeats it, for the page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        `out` holds files of others.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    with staged(out) as folder:
        write_csv(audit_table(audits), folder / _FILES["audit_file_csv"], danish=lang == "da")
        (folder / _FILES["audit_file_json"]).write_text(audit_json(audits) + "\n", encoding="utf-8")
        page = render_audit(
            [_document(audit) for audit in audits],
            lang=lang,
            version=package_version(),
            date=now.date().isoformat(),
            command=command,
            files=[
                ("audit_file_csv", "audit.csv"),
                ("audit_file_json", "audit.json"),
                ("file_manifest", "manifest.json"),
            ],
        )
        (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
        documents = [audit.claims.document.id for audit in audits]
        options = {"lang": lang, "command": command}
        write_manifest(folder, {"created": now.isoformat(), "options": options, "audits": documents})
    return Path(out) / "index.html"


def audit_table(audits: Sequence[Audit]) -> pd.DataFrame:
    """Return one row a claim, of all documents."""
    tables = []
    for audit in audits:
        table = audit.to_frame()
        table.insert(0, "document", audit.claims.document.id)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def audit_json(audits: Sequence[Audit]) -> str:
    """Return all documents and numbers as one JSON list."""
    return json.dumps([json.loads(audit.to_json()) for audit in audits], ensure_ascii=False, indent=2)


def terminal_lines(audit: Audit, *, lang: Lang) -> list[tuple[str, str]]:
    """Return a verdict and a line in words for all that is not confirmed, the worst first."""
    return audit_lines(_document(audit), lang=lang)


def _document(audit: Audit) -> AuditedDocument:
    document = audit.claims.document
    return AuditedDocument(
        id=document.id,
        title=document.title,
        source=document.source,
        lang=document.language,
        topic=document.topic,
        data_note=document.data_note,
        seen=document.seen,
        unused=len(audit.unused),
        claims=tuple(_claim(found) for found in audit.numbers),
    )


def _claim(found: AuditedNumber) -> AuditedClaim:
    claim, aside = found.claim, found.aside
    return AuditedClaim(
        id=f"claim-{found.id}",
        where=claim.where,
        quote=claim.quote,
        verdict=found.verdict,
        kind=claim.kind,
        published=found.printed.text,
        unit=claim.unit,
        computed=found.computed,
        lower=found.lower,
        upper=found.upper,
        half=found.printed.half,
        precision=claim.precision or "",
        reason=found.reason,
        faulty=found.faulty,
        note=claim.note,
        cells=tuple((name, tuple((c.address, c.value) for c in cells)) for name, cells in found.arguments.items()),
        aside=None if aside is None else (aside.value, aside.lower, aside.upper),
        own=found.own,
    )
