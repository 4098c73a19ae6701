"""The page of several outcomes at once: what it says, that nothing gets out of its place, and its files."""

from __future__ import annotations

import html as markup
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels import rank
from benchmodels.comparison import Coverage
from benchmodels.errors import SpecificationError
from benchmodels.frontier.composites import BenefitOfTheDoubt, CompositeUncertainty
from benchmodels.replication import several_outcomes
from benchmodels.replication.several_outcomes import composite_of, run_several_outcomes
from benchmodels.report import Labels
from benchmodels.report.composites import CompositeChapter, render_composites
from tests.frontier.test_composites import NAMES, asked, compared, table
from tests.test_report import read

LABELS = Labels(
    title="Tre <ting>", question="Hvem?", outcome="Det, der måles.", size="", rate="", measure="",
    caveats=["Kun det målte & ikke mere."], terms={"fravær": "højt <b>fravær"}, one="kommune", the_one="kommunen",
    many="kommuner", the_many="kommunerne", everyone="hele landet",
)  # fmt: skip
FOUND = {
    "countries": 15.0, "composite": 0.8, "z": 0.79, "top": 0.5, "z_top": 0.6, "practice": 0.7, "z_practice": 0.8,
    "set": 70.0, "set_top": 1.0, "intervals": 0.6, "intervals_limit": 0.93,
}  # fmt: skip
WORDS = {
    "da": ("Med de vægte, der stiller {unit} bedst, gør ingen det bedre", "Simulerede tal"),
    "en": ("By the weights kindest to {unit} nobody does better", "Simulated figures"),
}


@pytest.fixture(scope="module")
def chapter() -> CompositeChapter:
    data = compared(better="low")
    units = data["fravær"].unit.copy()
    units[0] = "<script>alert(1)</script>"
    data = {name: replace(each, unit=units) for name, each in data.items()}
    fit = BenefitOfTheDoubt(outcomes=NAMES, shares=(0.1, 0.5)).fit(data)
    found = fit.uncertainty(replicates=100, rng=0)
    ranking = rank(fit.compare(uncertainty=found))
    return CompositeChapter(labels=LABELS, fit=fit, uncertainty=found, ranking=ranking, found=FOUND, notes=("en note",))


def render(chapter: CompositeChapter, lang: str = "da", **rest: object) -> str:
    return render_composites(chapter, lang=lang, version="1", date="2026-01-01", **rest)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_every_unit_has_its_words(chapter: CompositeChapter, lang: str) -> None:
    page = render(chapter, lang)
    read(page)
    text = markup.unescape(re.sub(r"<[^>]+>", "", page))
    assert page.count("<details") == 30
    assert "<script>alert" not in page.replace("<script>\n(function", "")
    assert "<ting>" not in page
    assert "<b>fravær" not in page
    best = WORDS[lang][0]
    for unit, is_best in zip(chapter.fit.unit, chapter.fit.best, strict=True):
        assert (best.format(unit=unit) in text) == is_best
    # That they are simulated stands on top, at the list and at each table.
    assert page.count(WORDS[lang][1]) >= 32
    assert "{" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.S).replace(
        markup.escape(repr(chapter.fit.model)), ""
    )
    assert not re.search(r"\bnan\b", text)


def test_what_is_known_of_the_limits(chapter: CompositeChapter, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "er ikke simuleret for tabeller som denne" in render(chapter)
    for share, told in ((0.95, "holdt den slags grænser i 95\u00a0% af tilfældene, som de skal"),
                        (0.91, "i simulerede tabeller som denne holdt de i 91\u00a0%")):  # fmt: skip
        seen = Coverage(level=0.95, intervals=share, ranks=1.0, all_ranks=1.0, shrunken=np.nan, simulated="s")
        monkeypatch.setattr(CompositeUncertainty, "coverage", property(lambda self, seen=seen: seen))
        assert told in render(chapter)


def test_what_was_planted_is_told_where_it_is_known(chapter: CompositeChapter) -> None:
    assert "I 15 simulerede lande" in render(chapter)
    assert "rangkorrelation på 0,80; det almindelige gennemsnit af standardiserede udfald med 0,79" in render(chapter)
    assert "havde 100\u00a0% af den indlagte bedste tiendedel, men også 70 af de 30 kommuner" in render(chapter)
    assert "simulerede lande" not in render(replace(chapter, found={}))


def test_real_figures_are_not_called_simulated(chapter: CompositeChapter) -> None:
    outcomes = replace(chapter.fit.outcomes, simulated=False)
    page = render(replace(chapter, fit=replace(chapter.fit, outcomes=outcomes), found={}))
    assert "Simulerede tal" not in page


def test_what_this_page_is_not_of(chapter: CompositeChapter) -> None:
    fit = asked(orientation="directional", direction="spread").fit(table(40))
    with pytest.raises(SpecificationError, match="radial"):
        render(replace(chapter, fit=fit))
    units = chapter.fit.uncertainty(of="units", replicates=100, subset=12, rng=0)
    with pytest.raises(SpecificationError, match="radial"):
        render(replace(chapter, uncertainty=units))


def test_one_folder_with_page_tables_and_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["school-absence", "special-education", "sheltered-housing"]
    data = dict(zip(names, compared(k=40, better="low").values(), strict=True))
    monkeypatch.setattr(several_outcomes, "comparisons_of", lambda studies, better: data)
    for lang, word in (("da", "Simulerede tal"), ("en", "Simulated figures")):
        page = run_several_outcomes(out=tmp_path / lang, lang=lang, replicates=100, danish_csv=True)
        assert word in page.read_text(encoding="utf-8")
        files = {path.name for path in page.parent.iterdir()}
        assert {"index.html", "manifest.json", "composite.csv", "weights.csv", "contributions.csv", "peers.csv",
                "composite.da.csv"} <= files  # fmt: skip
    told = pd.read_csv(tmp_path / "en" / "composite.csv")
    assert told["unit"].nunique() == 40
    assert json.loads((tmp_path / "en" / "manifest.json").read_text(encoding="utf-8"))["studies"] == names
    with pytest.raises(SpecificationError, match="allowed are 'da', 'en'"):
        run_several_outcomes(out=tmp_path / "de", lang="de")


def test_the_planted_is_told_of_simulated_outcomes_alone() -> None:
    names = ["school-absence", "special-education", "sheltered-housing"]
    data = dict(zip(names, compared(k=40, better="low").values(), strict=True))
    labels = replace(LABELS, terms={})
    assert composite_of(data, labels, shares=(0.1, 0.5), replicates=100).found
    assert not composite_of(data, labels, shares=None, replicates=100).found
    real = {name: replace(each, source=replace(each.source, simulated=False)) for name, each in data.items()}
    assert not composite_of(real, labels, shares=(0.1, 0.5), replicates=100).found
