"""Studies of the same units put together: their adjusted outcomes as one composite, its page and its tables."""

from __future__ import annotations

import datetime
import json
import tomllib
import warnings
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import BenchmodelsWarning, SpecificationError
from benchmodels.frontier.composites import BenefitOfTheDoubt
from benchmodels.ranking import rank
from benchmodels.replication.chapters import words_of_units
from benchmodels.replication.models import model_of
from benchmodels.replication.provenance.folder import package_version, staged, write_csv, write_manifest
from benchmodels.replication.study import read_study, shipped_studies
from benchmodels.replication.tables import load_table
from benchmodels.report.chapter import Labels
from benchmodels.report.composites import CompositeChapter, render_composites

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmodels.comparison import Better, Comparison
    from benchmodels.replication.study import Language, Study

__all__ = ["comparisons_of", "composite_of", "run_several_outcomes"]


def comparisons_of(studies: Sequence[Study], *, better: Mapping[str, Better]) -> dict[str, Comparison]:
    """Return the outcomes of studies of the same units, adjusted, as ratios to average practice.

    Directly standardised: units are held against each other, which ratios of different case mix cannot be.

    Parameters
    ----------
    studies : sequence of Study
    better : mapping of str to {'low', 'high'}
        By the study's id.

    Raises
    ------
    SpecificationError
        A study that keeps counts back: a composite would tell of them.
    """
    found = {}
    for study in studies:
        if study.disclosure is not None:
            raise SpecificationError(
                f"{study.id} keeps small counts back, and composites with others would tell of them; leave it out"
            )
        fit = model_of(study).fit(load_table(study).frame)
        asked = study.comparison
        found[study.id] = fit.compare(
            standard="direct", contrast="ratio", reference=asked.reference, level=asked.level, better=better[study.id]
        )
    return found


def composite_of(
    comparisons: Mapping[str, Comparison],
    labels: Labels,
    *,
    shares: tuple[float, float] | None,
    replicates: int = 2000,
    rng: int = 0,
) -> CompositeChapter:
    """Return what a page tells of comparisons put together, without writing anything.

    Parameters
    ----------
    comparisons : mapping of str to Comparison
        Ratios of the same units.
    labels : Labels
        Words of the page; ``terms`` by the names of the comparisons.
    shares : (low, high), optional
        Of each outcome in the composite.
    replicates : int, default 2000
        Draws of the outcomes.
    rng : int
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BenchmodelsWarning)
        fit = BenefitOfTheDoubt(outcomes=tuple(comparisons), shares=shares).fit(comparisons)
        uncertainty = fit.uncertainty(replicates=replicates, rng=np.random.default_rng(rng))
        ranking = rank(fit.compare(uncertainty=uncertainty), rng=rng)
    notes = [str(each.message) for each in caught if issubclass(each.category, BenchmodelsWarning)]
    planted = _planted()
    like = fit.outcomes.simulated and [list(comparisons), list(shares or ())] == [planted["studies"], planted["shares"]]
    return CompositeChapter(
        labels=labels,
        fit=fit,
        uncertainty=uncertainty,
        ranking=ranking,
        found=_found(planted) if like else {},
        notes=tuple(dict.fromkeys(notes)),
    )


def run_several_outcomes(
    *, out: str | Path, lang: Language = "da", replicates: int = 2000, rng: int = 0, danish_csv: bool = False
) -> Path:
    """Put the three shipped studies together and write one folder: index.html, tables and manifest.json.

    Parameters
    ----------
    out : str or Path
        Folder; new, empty, or holding an earlier result, which is replaced in one move.
    lang : {'da', 'en'}
    replicates : int, default 2000
    rng : int
    danish_csv : bool
        Also write each table with ``;`` and decimal comma.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        `out` holds files of others.
    """
    from pathlib import Path

    from benchmodels.datasets import SIMULATED_NOTICE

    asked = _asked()
    if lang not in asked["texts"]:
        raise SpecificationError(f"lang={lang!r}; allowed are {', '.join(map(repr, asked['texts']))}")
    places = shipped_studies()
    studies = [read_study(places[name]) for name in asked["studies"]]
    low, high = asked["shares"]
    labels = _labels(asked["texts"][lang], lang)
    comparisons = comparisons_of(studies, better=asked["better"])
    chapter = composite_of(comparisons, labels, shares=(low, high), replicates=replicates, rng=rng)
    fit = chapter.fit
    tables = {
        "composite": chapter.uncertainty.to_frame().merge(
            chapter.ranking.to_frame().drop(columns="estimate").rename(
                columns={"lower": "rank_lower", "upper": "rank_upper"}
            ),
            on="unit",
        ),
        "weights": fit.weights(),
        "contributions": fit.contributions(),
        "peers": fit.peers(),
    }  # fmt: skip
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    options = {"lang": lang, "replicates": replicates, "rng": rng}
    with staged(out) as folder:
        for name, table in tables.items():
            write_csv(table, folder / f"{name}.csv")
            if danish_csv:
                write_csv(table, folder / f"{name}.da.csv", danish=True)
        page = render_composites(
            chapter,
            lang=lang,
            version=package_version(),
            date=now.date().isoformat(),
            notice=SIMULATED_NOTICE[lang] if fit.outcomes.simulated else "",
            command="benchmodels.replication.several_outcomes.run_several_outcomes("
            + ", ".join(f"{name}={value!r}" for name, value in ({"out": "out"} | options).items()) + ")",
            files=[(f"{name}.csv", f"{name}.csv") for name in tables],
        )  # fmt: skip
        (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
        content = {"created": now.isoformat(), "options": options, "model": repr(fit.model)}
        content |= {"studies": asked["studies"], "certificate": fit.certificate, "rng": chapter.uncertainty.rng}
        write_manifest(folder, content | {"coverage": chapter.uncertainty.coverage.of_intervals()})
    return Path(out) / "index.html"


def _labels(texts: Mapping[str, Any], lang: Language) -> Labels:
    told: dict[str, Any] = {"size": "", "rate": "", "measure": "", **texts, **words_of_units(lang)}
    return Labels(**told)


def _found(planted: Mapping[str, Any]) -> dict[str, float]:
    mean = planted["mean"]
    return {
        "countries": float(planted["countries"]),
        "composite": mean["found_composite"],
        "z": mean["z_composite"],
        "top": mean["found_composite_top"],
        "z_top": mean["z_composite_top"],
        "set": mean["set"],
        "set_top": mean["set_composite_top"],
        "practice": mean["found_practice"],
        "z_practice": mean["z_practice"],
        "intervals": mean["intervals_composite"],
        "intervals_limit": mean["intervals_limit"],
    }


@cache
def _asked() -> dict[str, Any]:
    text = files("benchmodels.replication").joinpath("several_outcomes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _planted() -> dict[str, Any]:
    """Return the table that ``tests/recovery/planted_composites.py`` writes."""
    text = files("benchmodels.replication").joinpath("planted_composites.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
