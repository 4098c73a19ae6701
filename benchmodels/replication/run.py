"""Run studies: table, fit, comparison, verdicts, ranks, and one folder with the page and its numbers."""

from __future__ import annotations

import datetime
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, BenchmodelsWarning, DataError, SpecificationError
from benchmodels.replication.folder import package_version, staged, write_csv, write_manifest
from benchmodels.replication.tables import Table, load_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmodels.comparison import Comparison
    from benchmodels.disclosure import Withholding
    from benchmodels.flags import ReferenceDistribution
    from benchmodels.ranking import Ranking
    from benchmodels.replication.study import Language, Study

    Progress = Callable[[int, int, str], None]

__all__ = ["Outcome", "answer", "run_studies", "run_study"]

_STEPS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """All results of one study.

    Parameters
    ----------
    study : Study
    table : Table
    difference, ratio : Comparison
        The same fit with both contrasts, by the study's standard and reference.
    flags : DataFrame
        unit, estimate, different, unusual, z of the study's contrast.
    reference : ReferenceDistribution, optional
        None where fewer than two units have an uncertainty.
    ranking : Ranking, optional
        Of direct standardisation; None where the study asks for none.
    parts, calibration : DataFrame, optional
        None where the model does not have them.
    parts_exact : bool
        False where continuous covariates were gathered on a grid for the parts.
    coefficients : DataFrame
    overall : float
        Observed rate of all units together, in the outcome's unit of measure.
    explained : float
    certificate : str
        That the fit converged, as the fit says it.
    notes : tuple of str
        Warnings, once each.
    """

    study: Study
    table: Table
    difference: Comparison
    ratio: Comparison
    flags: pd.DataFrame
    reference: ReferenceDistribution | None
    ranking: Ranking | None
    parts: pd.DataFrame | None
    parts_exact: bool
    calibration: pd.DataFrame | None
    coefficients: pd.DataFrame
    overall: float
    explained: float
    certificate: str
    notes: tuple[str, ...]

    @property
    def main(self) -> Comparison:
        """The comparison with the study's own contrast."""
        return self.ratio if self.study.comparison.contrast == "ratio" else self.difference

    def to_frame(self) -> pd.DataFrame:
        """Return one row per unit: totals, rates on the scale told, both contrasts, both verdicts, ranks."""
        gap, ratio, scale = self.difference, self.ratio, self.study.comparison.scale
        frame = pd.DataFrame(
            {
                "unit": gap.unit,
                "size": gap.size,
                "observed": gap.observed,
                "expected": gap.expected,
                "observed_rate": gap.observed / gap.size * scale,
                "expected_rate": gap.expected / gap.size * scale,
                "difference": gap.estimate * scale,
                "difference_std_error": gap.std_error * scale,
                "difference_lower": gap.lower * scale,
                "difference_upper": gap.upper * scale,
                "ratio": ratio.estimate,
                "ratio_std_error": ratio.std_error,
                "ratio_lower": ratio.lower,
                "ratio_upper": ratio.upper,
                "different": self.main.different,
            }
        )
        frame["unit"] = frame["unit"].infer_objects()
        frame = frame.merge(self.flags[["unit", "unusual", "z"]], on="unit", how="left", validate="1:1")
        if self.ranking is not None:
            ranks = self.ranking.to_frame().drop(columns="estimate")
            names = {"lower": "rank_lower", "upper": "rank_upper"}
            names |= {f"simultaneous_{end}": f"rank_simultaneous_{end}" for end in ("lower", "upper")}
            whole = ranks.rename(columns=names).set_index("unit").astype("Int64").reset_index()
            frame = frame.merge(whole, on="unit", how="left", validate="1:1")
        frame["overlap"], frame["withheld"] = gap.overlap, gap.withheld
        return frame


def answer(
    study: Study,
    *,
    data: pd.DataFrame | str | Path | None = None,
    rng: int | np.random.Generator | None = 0,
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Answer the question of one study, writing nothing.

    Parameters
    ----------
    study : Study
    data : DataFrame, str or Path, optional
        In place of the study's own table.
    rng : int, numpy.random.Generator or None
        For the confidence sets of ranks.
    progress : callable, optional
        Called with the name of each of five steps as it begins.

    Raises
    ------
    DataError, SpecificationError, ConvergenceError
        As the table, the study and the model give cause to; a DataError where no unit has an expected value.
    """
    step = progress or (lambda _: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BenchmodelsWarning)
        step("table")
        table = load_table(study, data=data)
        step("fit")
        fit = _fit(study, table.frame)
        hidden = _withholding(study, fit)
        if hidden is not None and hidden.withheld.any():
            # Coefficients and expected values of the others would still depend on the counts kept back.
            fit = _fit(study, hidden.rows(table.frame, unit=study.roles.unit))
        step("compare")
        asked = study.comparison
        options: dict[str, Any] = {"reference": asked.reference, "level": asked.level, "better": asked.better}
        gap, ratio = (
            _published(fit.compare(standard=asked.standard, contrast=contrast, **options), hidden)
            for contrast in ("difference", "ratio")
        )
        main = ratio if asked.contrast == "ratio" else gap
        _refuse_without_expected(main)
        flags, reference, explained = _verdicts(main)
        (parts, exact), calibration = _parts(fit), _calibration(fit, study)
        step("rank")
        ranking = _ranking(fit, study, hidden, options=options, rng=rng)
    return Outcome(
        study=study,
        table=table,
        difference=gap,
        ratio=ratio,
        flags=flags,
        reference=reference,
        ranking=ranking,
        parts=parts,
        parts_exact=exact,
        calibration=calibration,
        coefficients=fit.coefficients(),
        overall=float(fit.design.outcome.sum() / fit.design.size.sum()),
        explained=explained,
        certificate=str(fit.certificate),
        notes=_notes(caught, ranking, hidden),
    )


def _fit(study: Study, frame: pd.DataFrame) -> Any:
    from benchmodels.adjustment import FixedEffects, Pooled, RandomEffects

    asked = study.model
    options: dict[str, Any] = {"family": asked.family, "link": asked.link, "missing": asked.missing}
    options |= study.roles.model_dump() | {"choice": tuple(study.roles.choice)}
    if asked.kind.startswith("random-effects"):
        slopes: Any = "within" if asked.kind.endswith("within") else "pooled"
        return RandomEffects(asked.formula, slopes=slopes, **options).fit(frame)
    model: type[Pooled | FixedEffects] = Pooled if asked.kind == "pooled" else FixedEffects
    return model(asked.formula, **options).fit(frame)


def _withholding(study: Study, fit: Any) -> Withholding | None:
    """Return which units are kept back; None where the study asks for no disclosure control."""
    if study.disclosure is None:
        return None
    from benchmodels.disclosure import withheld_units
    from benchmodels.kernels.basis import group_sums

    d = fit.design
    count, size = (group_sums(d.unit, values, len(d.units)) for values in (d.outcome, d.size))
    return withheld_units(d.units, count, size, **study.disclosure.model_dump())


def _published(comparison: Comparison, hidden: Withholding | None) -> Comparison:
    return comparison if hidden is None else hidden.apply(comparison)


def _calibration(fit: Any, study: Study) -> pd.DataFrame:
    """Return observed against expected in groups of cases, without groups of few."""
    frame: pd.DataFrame = fit.calibration()
    if study.disclosure is None:
        return frame
    from benchmodels.disclosure import publishable_frame, withheld_units

    count = (frame["observed"] * frame["size"]).round().to_numpy()
    with warnings.catch_warnings():
        # Groups are no units; that some are empty is seen in the table.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        hidden = withheld_units(frame["bin"], count, frame["size"].to_numpy(), **study.disclosure.model_dump())
    return publishable_frame(frame, hidden, unit="bin", keep=("size", "units", "group", "expected"))


def _refuse_without_expected(comparison: Comparison) -> None:
    if not np.isfinite(comparison.estimate).any():
        reasons = "; ".join(dict.fromkeys(str(why) for why in comparison.withheld if why))
        hint = ", or comparison.reference = 'all'" if comparison.reference == "others" else ""
        raise DataError(
            f"none of the {len(comparison)} units has an expected value to be compared with"
            f"{f' ({reasons})' if reasons else ''}; it takes more units, or fewer terms in the formula{hint}"
        )


def _verdicts(comparison: Comparison) -> tuple[pd.DataFrame, ReferenceDistribution | None, float]:
    from benchmodels.flags import explained_share, flag

    try:
        flags = flag(comparison, level=comparison.level)
    except SpecificationError as error:
        # Fewer than two units with an uncertainty: there is no reference distribution, and the page says so.
        warnings.warn(str(error), BenchmodelsWarning, stacklevel=2)
        table = pd.DataFrame({"unit": comparison.unit, "estimate": comparison.estimate})
        table["different"], table["unusual"], table["z"] = comparison.different, "withheld", np.nan
        return table, None, float("nan")
    explained = explained_share(comparison) if comparison.standard == "indirect" else float("nan")
    return flags.to_frame(), flags.reference, explained


def _parts(fit: Any) -> tuple[pd.DataFrame | None, bool]:
    from benchmodels.decomposition import decompose

    try:
        found = decompose(fit)
    except BenchmodelsError as error:
        # Of all kinds: parts that do not add up are not shown, and the rest of the result does not rest on them.
        warnings.warn(f"no decomposition: {error}", BenchmodelsWarning, stacklevel=2)
        return None, True
    return found.to_frame(), found.exact


def _ranking(
    fit: Any,
    study: Study,
    hidden: Withholding | None,
    *,
    options: dict[str, Any],
    rng: int | np.random.Generator | None,
) -> Ranking | None:
    """Rank by direct standardisation: indirect figures are each against their own case mix and do not line up."""
    if not study.comparison.rank:
        return None
    from benchmodels.ranking import rank

    direct = _published(fit.compare(standard="direct", contrast=study.comparison.contrast, **options), hidden)
    try:
        return rank(direct, level=study.comparison.level, rng=rng)
    except SpecificationError as error:
        warnings.warn(f"no ranks: {error}", BenchmodelsWarning, stacklevel=2)
        return None


def _notes(
    caught: Sequence[warnings.WarningMessage], ranking: Ranking | None, hidden: Withholding | None
) -> tuple[str, ...]:
    """Keep our own warnings as notes, once each; hand all others on to where they were going."""
    for item in caught:
        if not issubclass(item.category, BenchmodelsWarning):
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno, source=item.source)
    told = [str(item.message) for item in caught if issubclass(item.category, BenchmodelsWarning)]
    notes = tuple(dict.fromkeys([*told, *(ranking.notes if ranking is not None else ())]))
    if hidden is None:
        return notes
    from benchmodels.disclosure import publishable_notes

    return publishable_notes(notes, hidden)


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
    total, done = _STEPS * len(studies), 0
    with staged(out) as folder:
        outcomes, chapters = [], []
        for study, seed in zip(studies, np.random.SeedSequence(rng).spawn(len(studies)), strict=True):
            start = done

            def step(name: str, *, title: str = study.words(lang).title) -> None:
                nonlocal done
                tell(done, total, f"{title}: {name}")
                done += 1

            outcome = answer(study, data=data, rng=np.random.default_rng(seed), progress=step)
            step("write")
            write_csv(outcome.to_frame(), folder / f"{study.id}.csv")
            if danish_csv:
                write_csv(outcome.to_frame(), folder / f"{study.id}.da.csv", danish=True)
            files = figures_of(outcome, folder=folder, lang=lang)
            chapters.append(chapter_of(outcome, lang=lang, danish_csv=danish_csv, files=files))
            outcomes.append(outcome)
            done = start + _STEPS
        _finish(folder, outcomes, chapters, lang=lang, rng=rng, command=command)
        tell(total, total, "")
    return Path(out) / "index.html"


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
    outcomes: Sequence[Outcome],
    chapters: Sequence[Any],
    *,
    lang: Language,
    rng: int,
    command: str,
) -> None:
    """Write the page and the manifest, in this order: the manifest holds the hash of the page."""
    from benchmodels.datasets import SIMULATED_NOTICE
    from benchmodels.report import render_page, wording

    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    page = render_page(
        chapters,
        lang=lang,
        version=package_version(),
        date=now.date().isoformat(),
        notice=SIMULATED_NOTICE[lang],
        command=command,
        files=[(wording(lang)("file_manifest"), "manifest.json")],
    )
    (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
    content = {
        "created": now.isoformat(),
        "options": {"lang": lang, "rng": rng, "command": command},
        "studies": [_record(outcome) for outcome in outcomes],
    }
    write_manifest(folder, content)


def _record(outcome: Outcome) -> dict[str, Any]:
    table, source = outcome.table, outcome.main.source
    return {
        "study": outcome.study.model_dump(mode="json", exclude_none=True),
        "data": {
            "name": table.name,
            # Of a small table the counts kept back could be found by trying.
            "sha256": table.sha256 if outcome.study.disclosure is None else "withheld for disclosure control",
            "rows": table.rows,
            "simulated": table.simulated,
        },
        "model": source.model,
        "rows_read": source.rows_read,
        "rows_dropped": source.rows_dropped,
        "noise": source.noise,
        "certificate": outcome.certificate,
        "parts_exact": outcome.parts_exact,
        "rng": outcome.ranking.rng if outcome.ranking is not None else "",
        "notes": list(outcome.notes),
    }
