"""Does a study's answer hold under other specifications? Its multiverse, as tables, pictures and sentences."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmodels.errors import BenchmodelsWarning, SpecificationError
from benchmodels.multiverse.found import VERDICTS
from benchmodels.replication.chapters import labels_of
from benchmodels.replication.keeping_back import keep_back
from benchmodels.replication.models import model_of
from benchmodels.replication.tables import load_table
from benchmodels.report.wording import first_upper, wording

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from benchmodels.multiverse import Multiverse, MultiverseResult
    from benchmodels.replication.study import Language, Study
    from benchmodels.report.wording import Wording

__all__ = ["Robustness", "multiverse_of", "run_multiverse"]


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """What a multiverse of a study gave: the result, what it says as sentences, and the files that were written."""

    found: MultiverseResult
    sentences: tuple[str, ...]
    files: tuple[Path, ...]


def multiverse_of(study: Study, *, always: tuple[str, ...] = ()) -> Multiverse:
    """Return the multiverse of a study: every term in or out, with one level for all and with levels of units.

    Parameters
    ----------
    study : Study
    always : tuple of str
        Terms of the formula that are never left out.

    Raises
    ------
    SpecificationError
        A term to keep that is not in the formula, or no term is left to choose.
    """
    from benchmodels.multiverse import Multiverse
    from benchmodels.multiverse.specifications import split_terms

    asked, terms = study.comparison, split_terms(study.model.formula)
    strange = [term for term in always if term not in terms]
    if strange:
        raise SpecificationError(
            f"{study.id}: no term {', '.join(strange)} in the formula; there are {', '.join(terms)}"
        )
    period = study.roles.period
    # Rows of several years are compared within them, whatever else is in the model.
    free = tuple(t for t in terms if t not in always and not (period and t in (period, f"C({period})")))
    if not free:
        raise SpecificationError(f"{study.id}: no term of the formula may be left out, so there is nothing to vary")
    own = {"pooled": "pooled", "fixed-effects": "fixed"}.get(study.model.kind, "random")
    own = "random within" if study.model.kind == "random-effects-within" else own
    models: Any = (own, *(name for name in ("pooled", "fixed") if name != own))
    return Multiverse(
        model_of(study),
        optional=free,
        models=models,
        standard=asked.standard,
        contrast=asked.contrast,
        reference=asked.reference,
        level=asked.level,
        better=asked.better,
    )


def run_multiverse(
    study: Study,
    *,
    out: Path,
    data: pd.DataFrame | str | Path | None = None,
    always: tuple[str, ...] = (),
    unit: str | None = None,
    lang: Language = "da",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Robustness:
    """Ask a study's question under every specification, and write what came of it.

    Parameters
    ----------
    study : Study
    out : Path
        Folder, made where it is not there: ``units.csv``, ``specifications.csv``, ``drivers.csv``, ``ranges.svg`` and,
        with a unit, ``curve.svg``, each picture as PNG too.
    data : DataFrame, str or Path, optional
        In place of the study's own table.
    always : tuple of str
        Terms that are never left out.
    unit : str, optional
        Whose specification curve is drawn.
    lang : {"da", "en"}
    workers : int
    progress : callable, optional
        Called with the number of specifications done, and of all.

    Raises
    ------
    DataError, SpecificationError
        As the table, the study and the model give cause to.
    """
    kept = keep_back([study], data=data)[study.id]
    table = load_table(study, data=data, without=kept.without)
    multiverse = multiverse_of(study, always=always)
    total = sum(s.model is not None for s in multiverse.specifications())
    with warnings.catch_warnings():
        # What cannot be estimated is in the table of specifications, and counted in the sentences.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        found = multiverse.run(
            table.frame, workers=workers, progress=None if progress is None else lambda done: progress(done, total)
        )
    if unit is not None:
        found.position(unit)
    out.mkdir(parents=True, exist_ok=True)
    scale = study.comparison.scale if found.contrast == "difference" else 1.0
    files = [*_tables(found, out, scale), *_pictures(found, study, out, unit, lang)]
    kept_back = tuple(first_upper(wording(lang).translated(note)) for note in kept.notes)
    return Robustness(found=found, sentences=_sentences(found, study, unit, lang) + kept_back, files=tuple(files))


def _tables(found: MultiverseResult, out: Path, scale: float) -> list[Path]:
    units = found.to_frame()
    estimates = ["estimate", "lower", "upper", "minimum", "quartile_1", "median", "quartile_3", "maximum"]
    units[estimates] *= scale
    files = []
    for name, frame in (("units", units), ("specifications", found.by_specification()), ("drivers", found.drivers())):
        files.append(out / f"{name}.csv")
        frame.to_csv(files[-1], index=False, encoding="utf-8-sig")
    return files


def _pictures(found: MultiverseResult, study: Study, out: Path, unit: str | None, lang: Language) -> list[Path]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from benchmodels import plots

    words = labels_of(study, lang)
    shown: dict[str, Any] = {"lang": lang}
    if found.contrast == "difference":
        shown |= {"scale": study.comparison.scale, "labels": {"measure": words.measure}}
    names = {choice.name: first_upper(words.term(choice.name)) for choice in found.choices[:-3]}
    rows = sum(len(choice.options) if i >= len(names) else 1 for i, choice in enumerate(found.choices))
    drawn: dict[str, tuple[float, Callable[[Any], object]]] = {
        "ranges": (
            min(16.0, 2.0 + 0.16 * len(found.unit)),
            lambda ax: plots.specification_ranges(found, ax=ax, highlight=unit, **shown),
        )
    }
    if unit is not None:
        drawn["curve"] = (
            3.4 + 0.22 * rows,
            lambda ax: plots.specification_curve(found, unit, ax=ax, names=names, **shown),
        )
    files = []
    for name, (height, draw) in drawn.items():
        figure = Figure(figsize=(8.5, height), layout="constrained")
        draw(figure.subplots())
        for kind in ("svg", "png"):
            files.append(out / f"{name}.{kind}")
            with rc_context({"svg.hashsalt": study.id}):
                figure.savefig(files[-1], dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return files


def _sentences(found: MultiverseResult, study: Study, unit: str | None, lang: Language) -> tuple[str, ...]:
    w = wording(lang).about(many=labels_of(study, lang).many)
    units, drivers = found.to_frame(), found.drivers()
    done = sum(status == "estimated" for status in found.status)
    judged = units["verdict"].isin(("above", "below"))
    told = [
        w("multiverse_done", done=w.number(done), all=w.number(len(found.status))),
        w("multiverse_holds", holds=w.number(int(units["holds"].sum())), all=w.number(len(units))),
        w(
            "multiverse_different",
            holds=w.number(int((judged & units["holds"]).sum())),
            all=w.number(int(judged.sum())),
        ),
    ]
    if drivers["shapley"].notna().any():
        first = drivers.iloc[0]
        name = str(first["choice"])
        name = w("multiverse_model") if name == "model" else labels_of(study, lang).term(name)
        told.append(w("multiverse_driver", choice=name, share=w.percent(w.number(100.0 * float(first["shapley"])))))
    if unit is not None:
        told += _of_unit(found, study, unit, w, lang)
    if found.simulated:
        told.append(w("multiverse_simulated"))
    told.append(w("multiverse_reading"))
    return tuple(first_upper(sentence) for sentence in told)


def _of_unit(found: MultiverseResult, study: Study, unit: str, w: Wording, lang: Language) -> list[str]:
    """Return what one unit has in the chosen specification and over all; nothing where the chosen one has none."""
    row = found.of(unit).iloc[0]
    chosen, low, high = (float(row[name]) for name in ("estimate", "minimum", "maximum"))
    if not isfinite(chosen):
        return []
    counts = {name: int((found.verdict[:, found.position(unit)] == i).sum()) for i, name in enumerate(VERDICTS)}
    about = {
        "unit": str(row["unit"]),
        "above": w.number(counts["above"]),
        "below": w.number(counts["below"]),
        "judged": w.number(sum(counts[name] for name in VERDICTS[:3])),
    }
    if found.contrast == "ratio":
        return [w("multiverse_unit_ratio", chosen=w.relative(chosen), between=w.between_relative(low, high), **about)]
    asked = study.comparison
    measure = labels_of(study, lang).measure
    said = w.amount(chosen * asked.scale, measure, asked.decimals, sign=True)
    between = w.between(low * asked.scale, high * asked.scale, unit=measure, decimals=asked.decimals)
    return [w("multiverse_unit", chosen=said, between=between, **about)]
