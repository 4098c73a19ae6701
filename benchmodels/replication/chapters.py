"""From the results of a study to its chapter of the page and its figures on file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from benchmodels.replication.best_practice import best_practice_of
from benchmodels.replication.choices import choices_table, told_of
from benchmodels.report.chapter import Chapter, Labels
from benchmodels.report.development import Development
from benchmodels.report.limits import shares_case_mix
from benchmodels.report.wording import first_upper, wording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmodels.reference import Method, ReferenceDistribution
    from benchmodels.replication.outcome import Outcome
    from benchmodels.replication.study import Language, Study

__all__ = ["chapter_of", "figures_of", "labels_of", "limits_of", "words_of_units"]

# Limits that say something of any outcome, and those of counts, by the family of the model.
_ANY: tuple[Method, ...] = ("plain", "phi", "tau")
_OF_COUNTS: dict[str, tuple[Method, ...]] = {
    "binomial": ("beta_binomial",),
    "beta_binomial": ("beta_binomial",),
    "poisson": ("negative_binomial",),
    "negative_binomial": ("negative_binomial",),
}

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


def words_of_units(lang: Language) -> dict[str, str]:
    """Return what a unit is called where nothing else is said."""
    return dict(_MUNICIPALITY[lang])


def labels_of(study: Study, lang: Language) -> Labels:
    """Return the words of a study in a language; its units are municipalities unless it says otherwise."""
    texts = study.words(lang)
    names = _MUNICIPALITY[lang] if texts.words is None else texts.words.model_dump()
    goods = {} if texts.frontier is None else texts.frontier.model_dump()
    return Labels(**texts.model_dump(exclude={"words", "frontier", "development"}), **goods, **names)


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
    names = {"file_table": study.id} | ({} if outcome.frontier is None else {"file_frontier": f"{study.id}-frontier"})
    names |= {} if outcome.choices is None else {"file_choices": f"{study.id}-choices"}
    growth = {} if outcome.development is None else outcome.development.tables()
    names |= {f"file_{name.replace('-', '_')}": f"{study.id}-{name}" for name in growth}
    tables = {key: f"{name}.csv" for key, name in names.items()}
    if danish_csv:
        tables |= {f"{key}_da": f"{name}.da.csv" for key, name in names.items()}
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
        limits=limits_of(outcome),
        frontier=None if outcome.frontier is None else best_practice_of(outcome.frontier, outcome.best),
        beside=None if outcome.best is None else outcome.best.beside,
        choices=None if outcome.choices is None else choices_table(outcome.choices, scale=study.comparison.scale),
        choice_notes=() if outcome.choices is None else told_of(outcome.choices),
        development=_development(outcome, lang),
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


def _development(outcome: Outcome, lang: Language) -> Development | None:
    found, words = outcome.development, outcome.study.words(lang).development
    if found is None or words is None:
        return None
    told: dict[str, Any] = {name: getattr(words, name) or "" for name in ("money", "person", "recipient", "recipients")}
    frames = {name: getattr(found, name) for name in ("contributions", "providers", "unit_costs", "split")}
    return Development(**frames, **told, start=str(found.start), end=str(found.end), base=found.base, notes=found.notes)


def limits_of(outcome: Outcome) -> pd.DataFrame | None:
    """Return how many units are unusual under each reference distribution that the outcome has.

    Parameters
    ----------
    outcome : Outcome
        Its comparison is that which is published: units kept back count nowhere.

    Returns
    -------
    DataFrame or None
        Columns method, value, above, below, chosen, descriptive; one row for each that can be found, the one asked for
        among them. ``value`` is φ, τ (on the estimate's scale), ρ, κ or the null's standard deviation in standard
        errors. None where one row a unit leaves no choice, or no unit has limits.
    """
    from benchmodels.flags import flag

    asked, found = outcome.study.comparison, outcome.reference
    if found is None or found.method == "prediction":
        return None
    kinds = [*_ANY, *_OF_COUNTS.get(outcome.study.model.family, ()), "empirical_null"]
    rows = []
    for kind in [*kinds, *([] if asked.limits in kinds else [asked.limits])]:
        chosen = kind == asked.limits
        trim: dict[str, Any] = {"winsorise": asked.winsorise, "truncate": asked.truncate} if chosen else {}
        try:
            flags = flag(outcome.main, method=kind, level=outcome.main.level, **trim)
        except BenchmodelsError:
            # Too few units for it, or none to be found: the table has those that can be compared.
            continue
        reference = flags.reference
        if reference is None:
            continue
        rows.append(
            {
                "method": kind,
                "value": _spread(reference),
                "above": int((flags.unusual == "above").sum()),
                "below": int((flags.unusual == "below").sum()),
                "chosen": chosen,
                "descriptive": len(reference.notes) > 1,
            }
        )
    return pd.DataFrame(rows)


def _spread(reference: ReferenceDistribution) -> float:
    """Return the one figure that the limits rest on, beside noise; NaN where they rest on noise alone."""
    if reference.counts is not None:
        return reference.counts.dispersion
    if reference.empirical is not None:
        return float(reference.empirical.sd(np.asarray(reference.empirical.size)))
    return {"tau": reference.tau, "phi": reference.phi}.get(reference.method, math.nan)


def figures_of(outcome: Outcome, *, folder: Path, lang: Language) -> dict[str, str]:
    """Write the figures of a study as SVG and PNG; return the key of each word and the place of its SVG.

    The figure library is imported here only; the page draws its own figures and needs none of these.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from benchmodels import plots

    main, ranking, calibration = outcome.main, outcome.ranking, outcome.calibration
    reference, asked = outcome.reference, outcome.study.comparison
    words, simulated = labels_of(outcome.study, lang), main.source.simulated
    gaps = asked.contrast == "difference"
    shown: dict[str, Any] = {"scale": asked.scale if gaps else 1.0, "lang": lang}
    measure = {"measure": words.measure} if gaps else {}
    size = {"size": first_upper(words.size)}
    drawn: dict[str, Callable[[Any], object]] = {
        "caterpillar": lambda ax: plots.caterpillar(main, ax=ax, labels=measure, **shown)
    }
    if reference is not None:
        drawn["funnel"] = lambda ax: plots.funnel(main, reference, ax=ax, labels=size | measure, **shown)
    if ranking is not None:
        drawn["ranks"] = lambda ax: plots.rank_sets(ranking, ax=ax, lang=lang)
    if calibration is not None:
        told: dict[str, Any] = {"scale": asked.scale, "labels": {"measure": words.rate}, "simulated": simulated}
        drawn["calibration"] = lambda ax: plots.calibration(calibration, ax=ax, lang=lang, **told)
    beside = None if outcome.best is None else outcome.best.beside
    if beside is not None:
        drawn["beside"] = lambda ax: plots.beside(beside, ax=ax, lang=lang)
    if shares_case_mix(main.overlap):
        mix = pd.DataFrame({name: getattr(main, name) for name in ("unit", "size", "overlap")})
        drawn["overlap"] = lambda ax: plots.overlap(mix, ax=ax, simulated=simulated, lang=lang, labels=size)
    drawn["map"] = lambda ax: plots.choropleth(main, ax=ax, labels=measure, **shown)
    step = None if outcome.choices is None else outcome.choices.step
    if step is not None:
        points = step.scale == "estimate" and asked.scale == 100.0
        drawn["departures"] = lambda ax: plots.departures(step, ax=ax, percent=points, lang=lang)
    title = words.title + (f": {wording(lang)('simulated_label')}" if simulated else "")
    (folder / "figures").mkdir(exist_ok=True)
    places = {}
    for name, draw in drawn.items():
        tall = name in ("caterpillar", "ranks")
        height = min(16.0, 2.0 + 0.16 * len(main)) if tall else 5.5
        figure = Figure(figsize=(8.0, height), layout="constrained")
        try:
            draw(figure.subplots())
        except (SpecificationError, DataError):
            # A picture that cannot be drawn of these results is left out, such as a map of what are no municipalities.
            continue
        for kind in ("svg", "png"):
            place = folder / "figures" / f"{outcome.study.id}-{name}.{kind}"
            # The same results make the same bytes: names inside an SVG are drawn at random without a salt.
            with rc_context({"svg.hashsalt": outcome.study.id}):
                metadata = {"Title": title} | ({"Date": None} if kind == "svg" else {})
                figure.savefig(place, dpi=150, metadata=metadata)
        places[f"file_{name}"] = f"figures/{outcome.study.id}-{name}.svg"
    return places
