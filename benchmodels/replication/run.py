"""Run studies into one folder with the page and its numbers."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError
from benchmodels.replication.best_practice import frontier_table
from benchmodels.replication.choices import choices_table
from benchmodels.replication.keeping_back import keep_back
from benchmodels.replication.outcome import STEPS, Outcome, answer
from benchmodels.replication.provenance.agreement import tolerances
from benchmodels.replication.provenance.folder import package_version, staged, write_csv, write_manifest
from benchmodels.replication.provenance.origin import hash_study, input_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmodels.replication.study import Language, Study

    Progress = Callable[[int, int, str], None]

__all__ = ["run_studies", "run_study"]


def run_study(study: Study, *, out: str | Path, **options: Any) -> Path:
    """Run one study into a folder; see `run_studies`."""
    return run_studies([study], out=out, **options)


def run_studies(
    studies: Sequence[Study],
    *,
    out: str | Path,
    data: pd.DataFrame | str | Path | None = None,
    lang: Language = "da",
    danish_csv: bool = False,
    rng: int = 0,
    progress: Progress | None = None,
    command: str = "",
) -> Path:
    """Run studies and write one folder: index.html, a table and figures for each, and manifest.json.

    Nothing is left at `out` when anything fails, and an earlier result there stays as it was.

    Parameters
    ----------
    studies : sequence of Study
    out : str or Path
        Folder; new, empty, or holding an earlier result, which is replaced in one move.
    data : DataFrame, str or Path, optional
        In place of the study's own table; for a single study.
    lang : {"da", "en"}
        Language of the page.
    danish_csv : bool
        Also write each table with ``;`` and decimal comma.
    rng : int
        Seed; recorded in the manifest.
    progress : callable, optional
        Called with steps done, steps in all, and what is being done.
    command : str
        The command that repeats the calculation, for the page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        `out` holds files of others; or as the table gives cause to.
    SpecificationError, ConvergenceError
        As the studies and models give cause to.
    """
    from benchmodels.replication.chapters import chapter_of, figures_of

    _check_together(studies, data=data, lang=lang)
    tell = progress or (lambda done, total, words: None)
    total, done = STEPS * len(studies), 0
    kept = keep_back(studies, data=data)
    with staged(out) as folder:
        outcomes, chapters = [], []
        for study, seed in zip(studies, np.random.SeedSequence(rng).spawn(len(studies)), strict=True):
            start = done

            def step(name: str, *, title: str = study.words(lang).title) -> None:
                nonlocal done
                tell(done, total, f"{title}: {name}")
                done += 1

            outcome = answer(study, data=data, kept=kept[study.id], rng=np.random.default_rng(seed), progress=step)
            step("write")
            _write_tables(outcome, folder, danish_csv=danish_csv)
            files = figures_of(outcome, folder=folder, lang=lang)
            chapters.append(chapter_of(outcome, lang=lang, danish_csv=danish_csv, files=files))
            outcomes.append(outcome)
            done = start + STEPS
        options: dict[str, Any] = {"lang": lang, "rng": rng, "command": command}
        records = [_record(outcome, data=data, out=Path(out)) for outcome in outcomes]
        _finish(folder, records, chapters, options=options, danish_csv=danish_csv)
        tell(total, total, "")
    return Path(out) / "index.html"


def _write_tables(outcome: Outcome, folder: Path, *, danish_csv: bool) -> None:
    tables = {outcome.study.id: outcome.to_frame()}
    if outcome.frontier is not None:
        tables[f"{outcome.study.id}-frontier"] = frontier_table(outcome.frontier, outcome.best)
    if outcome.choices is not None:
        tables[f"{outcome.study.id}-choices"] = choices_table(outcome.choices, scale=outcome.study.comparison.scale)
    if outcome.development is not None:
        tables |= {f"{outcome.study.id}-{name}": table for name, table in outcome.development.tables().items()}
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
        if danish_csv:
            write_csv(table, folder / f"{name}.da.csv", danish=True)


def _check_together(studies: Sequence[Study], *, data: object, lang: Language) -> None:
    if not studies:
        raise SpecificationError("no study was given")
    if data is not None and len(studies) > 1:
        raise SpecificationError(f"data takes the place of one study's table; {len(studies)} studies were given")
    ids = [study.id for study in studies]
    if len(set(ids)) < len(ids):
        raise SpecificationError(f"studies of one folder need different ids; found {', '.join(ids)}")
    for study in studies:
        study.words(lang)


def _finish(
    folder: Path,
    records: Sequence[dict[str, Any]],
    chapters: Sequence[Any],
    *,
    options: dict[str, Any],
    danish_csv: bool,
) -> None:
    """Write the page and the manifest, in this order: the manifest holds the hash of the page."""
    from benchmodels.datasets import SIMULATED_NOTICE
    from benchmodels.report import render_page, wording

    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    page = render_page(
        chapters,
        lang=options["lang"],
        version=package_version(),
        date=now.date().isoformat(),
        notice=SIMULATED_NOTICE[options["lang"]],
        command=options["command"],
        files=[(wording(options["lang"])("file_manifest"), "manifest.json")],
    )
    (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
    content = {
        "created": now.isoformat(),
        "options": options,
        "output": {"danish_csv": danish_csv},
        "tolerance": tolerances(),
        "studies": list(records),
    }
    write_manifest(folder, content)


def _frontier_record(outcome: Outcome) -> dict[str, Any]:
    if outcome.frontier is None:
        return {}
    record: dict[str, Any] = {"model": repr(outcome.frontier.model), "certificate": outcome.frontier.certificate}
    drawn = {} if outcome.best is None else outcome.best.record()
    return record | ({"uncertainty": drawn} if drawn else {})


def _record(outcome: Outcome, *, data: pd.DataFrame | str | Path | None, out: Path) -> dict[str, Any]:
    source = outcome.main.source
    study = outcome.study.model_dump(mode="json", exclude_none=True)
    return {
        "study": study,
        "study_sha256": hash_study(study),
        "data": input_record(outcome, data=data, out=out),
        "model": source.model,
        "rows_read": source.rows_read,
        "rows_dropped": source.rows_dropped,
        "noise": source.noise,
        "certificate": outcome.certificate,
        "parts_exact": outcome.parts_exact,
        "frontier": _frontier_record(outcome),
        "reference": outcome.reference.label if outcome.reference is not None else "",
        "rng": outcome.ranking.rng if outcome.ranking is not None else "",
        "notes": list(outcome.notes),
    }
