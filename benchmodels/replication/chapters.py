"""From the results of a study to its chapter of the page and its figures on file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmodels.errors import SpecificationError
from benchmodels.report.chapter import Chapter, Labels
from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmodels.replication.outcome import Outcome
    from benchmodels.replication.study import Language, Study

__all__ = ["chapter_of", "figures_of", "labels_of"]

_MUNICIPALITY: dict[str, dict[str, str]] = {
    "da": {
        "one": "kommune",
        "the_one": "kommunen",
        "many": "kommuner",
        "the_many": "kommunerne",
        "everyone": "hele landet",
    },
    "en": {
        "one": "municipality",
        "the_one": "the municipality",
        "many": "municipalities",
        "the_many": "the municipalities",
        "everyone": "the whole country",
    },
}


def labels_of(study: Study, lang: Language) -> Labels:
    """Return the words of a study in a language; its units are municipalities unless it says otherwise."""
    texts = study.words(lang)
    names = _MUNICIPALITY[lang] if texts.words is None else texts.words.model_dump()
    return Labels(**texts.model_dump(exclude={"words"}), **names)


def chapter_of(outcome: Outcome, *, lang: Language, danish_csv: bool, files: dict[str, str]) -> Chapter:
    """Return the chapter of a study.

    Parameters
    ----------
    outcome : Outcome
    lang : {"da", "en"}
    danish_csv : bool
        A table with decimal comma was written too.
    files : dict of str to str
        Further files: key of the word for each, and its place.
    """
    study = outcome.study
    tables = {"file_table": f"{study.id}.csv"} | ({"file_table_da": f"{study.id}.da.csv"} if danish_csv else {})
    return Chapter(
        id=study.id,
        labels=labels_of(study, lang),
        difference=outcome.difference,
        ratio=outcome.ratio,
        contrast=study.comparison.contrast,
        flags=outcome.flags,
        ranking=None if outcome.ranking is None else outcome.ranking.to_frame(),
        shrinkage=None if outcome.shrinkage is None else outcome.shrinkage.to_frame(),
        parts=outcome.parts,
        calibration=outcome.calibration,
        coefficients=outcome.coefficients,
        reference=outcome.reference,
        overall=outcome.overall,
        parts_exact=outcome.parts_exact,
        explained=outcome.explained,
        scale=study.comparison.scale,
        decimals=study.comparison.decimals,
        counts=study.roles.trials is not None and study.model.family == "binomial",
        formula=study.model.formula,
        kind=study.model.kind,
        notes=outcome.notes,
        files=tables | files,
    )


def figures_of(outcome: Outcome, *, folder: Path, lang: Language) -> dict[str, str]:
    """Write the figures of a study as SVG and PNG; return the key of each word and the place of its SVG.

    The figure library is imported here only; the page draws its own figures and needs none of these.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from benchmodels import plots

    main, ranking, calibration = outcome.main, outcome.ranking, outcome.calibration
    reference, asked = outcome.reference, outcome.study.comparison
    words = labels_of(outcome.study, lang)
    percent = asked.scale == 100
    size = {"size": first_upper(words.size)}
    gap = {"estimate": first_upper(words.measure)} if asked.contrast == "difference" and asked.scale in (1, 100) else {}
    shown: dict[str, Any] = {"percent": percent and asked.contrast == "difference", "lang": lang}
    drawn: dict[str, Callable[[Any], object]] = {
        "caterpillar": lambda ax: plots.caterpillar(main, ax=ax, labels=gap, **shown)
    }
    if reference is not None:
        drawn["funnel"] = lambda ax: plots.funnel(main, reference, ax=ax, labels=size | gap, **shown)
    if ranking is not None:
        drawn["ranks"] = lambda ax: plots.rank_sets(ranking, ax=ax, lang=lang)
    if calibration is not None:
        drawn["calibration"] = lambda ax: plots.calibration(calibration, ax=ax, percent=percent, lang=lang)
    (folder / "figures").mkdir(exist_ok=True)
    places = {}
    for name, draw in drawn.items():
        tall = name in ("caterpillar", "ranks")
        height = min(16.0, 2.0 + 0.16 * len(main)) if tall else 5.5
        figure = Figure(figsize=(8.0, height), layout="constrained")
        try:
            draw(figure.subplots())
        except SpecificationError:
            # A picture that cannot be drawn of these results is left out; the page has its own.
            continue
        for kind in ("svg", "png"):
            place = folder / "figures" / f"{outcome.study.id}-{name}.{kind}"
            # The same results make the same bytes: names inside an SVG are drawn at random without a salt.
            with rc_context({"svg.hashsalt": outcome.study.id}):
                figure.savefig(place, dpi=150, metadata={"Date": None} if kind == "svg" else None)
        places[f"file_{name}"] = f"figures/{outcome.study.id}-{name}.svg"
    return places
