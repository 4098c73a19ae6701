"""The page: words, numbers, escaping, and what stands on it."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

import benchmodels.report
from benchmodels.comparison import Comparison, Source
from benchmodels.errors import SpecificationError
from benchmodels.flags import Method, explained_share, flag
from benchmodels.report import Chapter, Labels, render_page, wording
from benchmodels.report.chapter import BestPractice
from benchmodels.report.figures import Values, caterpillar, funnel
from benchmodels.report.limits import lines_of

NAMES = ("Ærø", "Aarhus", "<script>alert(1)</script>", 'Nord "Øst"\nby', "Læsø & co", "Fanø", "Vejle", "=1+1")
FOLDER = Path(benchmodels.report.__file__).parent


def comparison(contrast: str, *, simulated: bool = False) -> Comparison:
    k = len(NAMES)
    size = np.array([400.0, 40000.0, 900.0, 3000.0, 152.0, 5000.0, 12345.0, 800.0])
    expected = size * 0.05
    observed = expected * np.array([1.0, 0.8, 1.3, 1.02, 2.0, 0.97, 1.5, 1.1])
    if contrast == "ratio":
        estimate, null, scale = observed / expected, 1.0, size / expected
    else:
        estimate, null, scale = (observed - expected) / size, 0.0, np.ones(k)
    noise = 0.05 * 0.95 / size * scale**2
    noise[4] = np.nan
    half = 1.96 * np.sqrt(noise)
    withheld = np.full(k, "", dtype=object)
    withheld[4] = "it has a single cluster"
    return Comparison(
        unit=np.array(NAMES, dtype=object),
        size=size,
        observed=observed,
        expected=expected,
        estimate=estimate,
        lower=estimate - half,
        upper=estimate + half,
        noise=noise,
        shared=np.zeros((k, 1)),
        core=np.zeros((1, 1)),
        null=null,
        null_std_error=np.sqrt(noise),
        null_kind="sampling",
        df=np.full(k, np.inf),
        overlap=np.full(k, 0.9),
        withheld=withheld,
        standard="indirect",
        contrast=contrast,
        reference="others",
        level=0.95,
        better="low",
        source=Source(
            model="Pooled(unit='m', offset=None, choice=(), formula='a ~ <b>')",
            version="0.1.0",
            rows_read=12345,
            rows_dropped=2,
            noise="the number of cases behind each count (binomial or Poisson)",
            data="</script><b>source</b>",
            simulated=simulated,
        ),
    )


LABELS = Labels(
    title="Fravær <b>højt</b>",
    question="Mere end ventet?",
    outcome="Andel med fravær.",
    size="elever",
    rate="%",
    measure="procentpoint",
    caveats=("Ikke årsag </script><script>alert(2)</script>",),
    terms={"sex": "køn", "C(age)": "alder"},
    one="kommune",
    the_one="kommunen",
    many="kommuner",
    the_many="kommunerne",
    everyone="hele landet",
)


def chapter(contrast: str = "difference", *, simulated: bool = False) -> Chapter:
    gap, ratio = (comparison(c, simulated=simulated) for c in ("difference", "ratio"))
    main = ratio if contrast == "ratio" else gap
    flags = flag(main)
    ranks = np.array([4.0, 1.0, 6.0, 5.0, np.nan, 2.0, 7.0, 3.0])
    ranking = pd.DataFrame({"unit": NAMES, "estimate": main.estimate, "rank": ranks})
    for name, value in (("lower", -1), ("upper", 1), ("simultaneous_lower", -2), ("simultaneous_upper", 2)):
        ranking[name] = np.clip(ranks + value, 1, 7)
    parts = pd.DataFrame(
        [
            {"unit": unit, "term": term, "contribution": value}
            for unit in NAMES
            for term, value in (("C(sex)", -0.004), ("C(age)", 0.002), ("x", 0.0001))
        ]
    )
    return Chapter(
        id="absence" if contrast == "difference" else "cost",
        labels=LABELS,
        difference=gap,
        ratio=ratio,
        contrast=contrast,
        flags=flags.to_frame(),
        ranking=ranking,
        parts=parts,
        calibration=pd.DataFrame(
            {"bin": [1], "size": [5.0], "expected": [0.1], "observed": [0.2], "lower": [0.1], "upper": [0.3]}
        ),
        coefficients=pd.DataFrame({"term": ["C(sex)"], "estimate": [-1.23456]}),
        reference=flags.reference,
        explained=explained_share(main),
        scale=100.0,
        decimals=1,
        counts=True,
        formula="absent ~ C(sex) + C(age) + x",
        kind="fixed-effects",
        notes=("note <i>",),
        files={"file_table": "absence.csv"},
    )


def render(*chapters: Chapter, lang: str = "da", **options: object) -> str:
    return render_page(chapters or (chapter(),), lang=lang, version="0.1.0", date="2026-01-02", **options)


def page_data(html: str) -> dict[str, object]:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S).group(1))


class Reader(HTMLParser):
    """What a browser would see: elements, attributes and text."""

    void = frozenset({"meta", "br", "line", "circle", "path", "rect", "input", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def test_both_languages_have_the_same_keys_and_places() -> None:
    tables = {}
    for lang in ("da", "en"):
        table = tomllib.loads((FOLDER / "words" / f"{lang}.toml").read_text(encoding="utf-8"))
        table.pop("sentences", None)
        tables[lang] = {key: set(re.findall(r"{(\w+)}", text)) for key, text in table.items()}
    assert set(tables["da"]) == set(tables["en"])
    free = {"one", "the_one", "many", "the_many", "everyone", "size", "measure", "level"}
    for key in tables["da"]:
        assert tables["da"][key] - free == tables["en"][key] - free, key


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "da", "en"),
    [
        (1234567.0, 0, False, "1.234.567", "1,234,567"),
        (-1234.56, 1, False, "−1.234,6", "−1,234.6"),
        (0.5, 2, True, "+0,50", "+0.50"),
        (-0.04, 1, True, "0,0", "0.0"),
        (0.0, 0, True, "0", "0"),
        (float("nan"), 1, True, "–", "–"),
        (float("inf"), 1, False, "–", "–"),
    ],
)
def test_numbers(value: float, decimals: int, sign: bool, da: str, en: str) -> None:
    assert wording("da").number(value, decimals, sign=sign) == da
    assert wording("en").number(value, decimals, sign=sign) == en


def test_amounts_and_intervals_in_words() -> None:
    da, en = wording("da"), wording("en")
    assert da.amount(5.12, "%", 1) == "5,1\u00a0%"
    assert en.amount(5.12, "%", 1) == "5.1%"
    assert da.amount(7950.4, "kr. pr. indbygger") == "7.950 kr. pr. indbygger"
    assert da.between(-0.31, 1.2, unit="procentpoint", decimals=1) == "mellem −0,3 og 1,2 procentpoint"
    # Which side of zero an end is on is what a verdict rests on: it is not rounded away, unless it is next to nothing.
    assert da.between(0.02, 1.2, unit="procentpoint", decimals=1) == "mellem 0,02 og 1,20 procentpoint"
    assert da.between(0.0, 1.2, unit="procentpoint", decimals=1) == "mellem 0,0 og 1,2 procentpoint"
    assert da.between(-0.0001, 1.2, unit="procentpoint", decimals=1) == "mellem 0,0 og 1,2 procentpoint"
    assert da.between(0.004, float("inf"), unit="procentpoint", decimals=1) == "mindst 0,004 procentpoint"
    assert en.between(0.1, float("inf"), unit="percentage points", decimals=1) == "at least 0.1 percentage points"
    assert da.between(float("-inf"), 3.0, unit="%", decimals=0) == "højst 3\u00a0%"
    nan = float("nan")
    assert da.between(nan, nan, unit="%", decimals=0) == "usikkerheden kan ikke opgøres"
    assert en.between_relative(0.98, 1.05) == "between 2.0% below and 5.0% above"
    assert da.translated("it has a single cluster") == "der er kun én skole eller gruppe"
    assert da.translated("something new, 0.74") == "something new, 0.74"


def test_danish_order_of_names() -> None:
    names = ["Aalborg", "Ærø", "Odense", "Østby", "Vejle"]
    assert sorted(names, key=wording("da").order) == ["Odense", "Vejle", "Ærø", "Østby", "Aalborg"]
    assert sorted(names, key=wording("en").order)[0] == "Aalborg"


def test_labels_of_terms() -> None:
    assert [LABELS.term(t) for t in ("C(sex)", "C(age)", "bs(sex, df=3)", "other")] == ["køn", "alder", "køn", "other"]


@pytest.mark.parametrize("lang", ["da", "en"])
def test_page_is_one_sound_file_without_outside_links(lang: str) -> None:
    html = render(chapter(), chapter("ratio"), lang=lang, command="benchmodels demo")
    reader = read(html)
    assert reader.open == []
    assert reader.unbalanced == []
    assert reader.elements[0][0] == "html"
    assert reader.elements[0][1]["lang"] == lang
    for _, attributes in reader.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert not re.match(r"\s*(\w+:)?//", attributes.get(name) or ""), attributes
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert "url(" not in html
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in reader.elements:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert set((attributes.get(name) or "").split()) <= set(ids), attributes
        link = attributes.get("href") or ""
        if link.startswith("#") and not link.startswith("#m="):
            assert link[1:] in ids


def test_headings_do_not_skip_a_level() -> None:
    levels = [int(tag[1]) for tag, _ in read(render()).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_text_from_data_and_studies_is_escaped() -> None:
    html = render(chapter(), lang="da", command="<b>x</b>")
    reader = read(html)
    assert sum(tag == "script" for tag, _ in reader.elements) == 2
    assert not [tag for tag, _ in reader.elements if tag in ("b", "i")]
    assert "alert(1)</script>" not in html
    assert "alert(2)</script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert set(page_data(html)["units"]) == set(NAMES)


def test_simulated_figures_carry_a_banner() -> None:
    assert 'class="banner"' not in render()
    html = render(chapter(simulated=True), notice="Made up <b>.")
    assert 'class="banner" role="note"' in html
    assert "Made up &lt;b&gt;." in html
    assert "Tallene på denne side er simulerede" in render(chapter(simulated=True))


def words_of(html: str, unit: str, study: int = 0) -> dict[str, object]:
    data = page_data(html)
    return data["studies"][study]["rows"][str(data["units"].index(unit))]


def test_profile_of_a_unit_in_words() -> None:
    words = words_of(render(), "Aarhus")
    slots = words["slots"]
    assert slots["actual"] == "4,0\u00a0%"
    assert slots["expected"] == "5,0\u00a0%"
    assert slots["gap"] == "−1,0 procentpoint"
    assert slots["gap_between"] == "mellem −1,2 og −0,8 procentpoint"
    assert slots["ratio"] == "20,0\u00a0% under"
    assert slots["sentence"] == (
        "Aarhus har 4,0\u00a0%, hvor man kunne forvente 5,0\u00a0%. Forskellen er −1,0 procentpoint og ligger med "
        "95\u00a0% sikkerhed mellem −1,2 og −0,8 procentpoint. Det svarer til omkring 400 elever færre end forventet. "
        "Tallene bygger på 40.000 elever."
    )
    assert slots["different"] == "▼ Ja, lavere end forventet"
    assert slots["rank"] == (
        "Aarhus er nummer 1 af de 7 kommuner, der kan få en plads. "
        "Ses kommunen alene, ligger pladsen med 95\u00a0% sikkerhed mellem nummer 1 og 2. "
        "Sammenlignes alle kommuner på én gang, ligger den mellem nummer 1 og 3."
    )
    assert words["states"]["different"] == "below"


def test_the_two_verdicts_are_told_apart() -> None:
    states = {unit: words_of(render(), unit)["states"] for unit in NAMES}
    assert states["Vejle"]["different"] == "above"
    assert {state["different"] for state in states.values()} == {"above", "below", "not", "withheld"}
    assert any(s["different"] in ("above", "below") and s["unusual"] == "not" for s in states.values())


def test_withheld_units_are_named_with_their_reason() -> None:
    html = render()
    slots = words_of(html, "Læsø & co")["slots"]
    assert "Usikkerheden kan ikke opgøres: der er kun én skole eller gruppe." in slots["sentence"]
    assert slots["rank"] == "Der er ikke beregnet nogen plads for Læsø & co."
    assert slots["different"] == "○ Kan ikke afgøres"
    assert "<strong>Læsø &amp; co</strong>: der er kun én skole eller gruppe" in html


def test_a_ratio_study_speaks_of_ratios() -> None:
    slots = words_of(render(chapter("ratio"), lang="en"), "Vejle")["slots"]
    assert "That is 50.0% above the expected; with 95% confidence it lies between" in slots["sentence"]


def test_parts_are_ordered_and_add_to_the_expected_value() -> None:
    case = chapter()
    parts = words_of(render(case), "Aarhus")["parts"]
    assert [part[0] for part in parts] == ["Køn", "Alder", "X", "Beregnet uden kommunen selv"]
    assert parts[0][1] == "−0,40"
    expected_rate = 5.0
    assert case.national + sum(part[2] for part in parts) == pytest.approx(expected_rate, abs=1e-12)


def test_direct_figures_are_not_explained_by_own_composition() -> None:
    case = chapter()
    direct = replace(
        case, **{name: replace(getattr(case, name), standard="direct") for name in ("difference", "ratio")}
    )
    html = render(direct)
    assert words_of(html, "Aarhus")["parts"] == []
    assert "regnet om til hele landets sammensætning" in html


def test_ranks_are_counted_among_the_units_ranked() -> None:
    some = words_of(render(lang="en"), "Aarhus")["slots"]["rank"]
    assert some.startswith("Aarhus is number 1 of 7 ranked. ")
    case = chapter()
    full = replace(case, ranking=case.ranking.fillna(8.0))
    assert words_of(render(full, lang="en"), "Aarhus")["slots"]["rank"].startswith("Aarhus is number 1 of 8. ")


@pytest.mark.parametrize(
    ("share", "da", "en"),
    [
        (0.482, "48\u00a0%", "48%"),
        (-0.03, "ingen (−3\u00a0%)", "none (−3%)"),
        (-0.001, "0\u00a0%", "0%"),
    ],
)
def test_a_negative_explained_share_is_told_as_it_is(share: float, da: str, en: str) -> None:
    for lang, told in (("da", da), ("en", en)):
        html = render(replace(chapter(), explained=share), lang=lang)
        assert f'<dd class="big">{told}</dd>' in html
        note = {"da": "tilfældigheder er trukket fra", "en": "chance has been taken out"}[lang]
        assert (note in html) == (round(share * 100) >= 0)


def prediction() -> Chapter:
    case = chapter()
    nan = np.full(len(NAMES), np.nan)
    alone = {
        "null_kind": "prediction",
        "noise": nan,
        "lower": nan,
        "upper": nan,
        "withheld": np.full(len(NAMES), "it has a single row, which says nothing of its own noise", dtype=object),
        "df": np.full(len(NAMES), 5.0),
    }
    gap, ratio = (replace(c, **alone) for c in (case.difference, case.ratio))
    flags = flag(gap)
    return replace(
        case,
        difference=gap,
        ratio=ratio,
        flags=flags.to_frame(),
        reference=flags.reference,
        ranking=None,
        explained=explained_share(gap),
    )


@pytest.mark.parametrize("lang", ["da", "en"])
def test_prediction_limits_are_not_called_chance(lang: str) -> None:
    html = render(prediction(), lang=lang)
    w = wording(lang)
    words = {"one": LABELS.one, "many": LABELS.many, "the_many": LABELS.the_many, "level": w.percent("95")}
    about = w.about(**words)
    for key in ("funnel_own", "funnel_all", "national_spread", "national_dispersion", "national_explained"):
        assert about(key) not in html, key
    for key in (
        "funnel_prediction",
        "funnel_caption_prediction",
        "caterpillar_caption_none",
        "national_undecided_note",
    ):
        assert about(key) in html, key
    assert html.count('class="own"') == 0
    why = w.translated("it has a single row, which says nothing of its own noise")
    assert about("withheld_all", why=why) in html
    lines = [a for tag, a in read(html).elements if tag == "path" and a.get("class") == "spread"]
    assert len(lines) == 2 * 2 + 1  # both limits, wide and narrow, and the key


def test_without_a_reference_the_funnel_promises_no_lines() -> None:
    html = render(replace(chapter(), reference=None), lang="en")
    assert "No limits are drawn" in html
    assert "Inside the solid lines" not in html


def test_a_page_of_units_without_expected_values_can_be_written() -> None:
    case = chapter()
    nan = np.full(len(NAMES), np.nan)
    gap, ratio = (
        replace(c, estimate=nan, expected=nan, observed=nan, lower=nan, upper=nan, noise=nan, null_std_error=nan)
        for c in (case.difference, case.ratio)
    )
    html = render(replace(case, difference=gap, ratio=ratio, reference=None, explained=float("nan"), ranking=None))
    assert "Ærø" in html


def test_the_overall_level_needs_no_expected_values() -> None:
    case = chapter()
    lost = case.difference.observed.copy()
    lost[2] = np.nan
    holed = replace(case, difference=replace(case.difference, observed=lost))
    assert np.isfinite(holed.national)
    assert replace(holed, overall=0.05).national == 5.0


def test_who_is_in_the_average_is_told_with_what_it_means() -> None:
    case = chapter()
    gap, ratio = (replace(c, reference="all") for c in (case.difference, case.ratio))
    for lang, told in (("da", "trækker det forventede mod sit eget tal"), ("en", "towards its own figure")):
        assert told in render(replace(case, difference=gap, ratio=ratio), lang=lang)
        assert told not in render(case, lang=lang)


def test_parts_from_a_grid_are_noted() -> None:
    assert "på et net af værdier" in render(replace(chapter(), parts_exact=False))
    assert "på et net af værdier" not in render()


def test_notes_and_headings_are_in_the_language_of_the_page() -> None:
    notes = (
        "uncertainty withheld for 2 of 98 units ('it has a single case', 'its cases do not vary'): 'Ærø', 'Øst'",
        "3 of 98 units have no known uncertainty and are left out of the ranks: Ærø, Fanø, Læsø and 12 more",
        "no ranks: a rank needs at least two units with a known uncertainty; 0 of 98 have one",
        "something new",
    )
    frame = pd.DataFrame(
        {
            "term": ["1", "C(sex)"],
            "name": ["level", "C(sex)[T.girl]"],
            "estimate": [2.0, -0.00123],
            "std_error": [0.5, 0.00045],
            "lower": [1.0, -0.002],
            "upper": [3.0, 0.0],
        }
    )
    html = render(replace(chapter(), notes=notes, coefficients=frame))
    for told in (
        "<li>Usikkerheden kan ikke opgøres for 2 af 98 enheder (&#39;der er kun én sag&#39;, "
        "&#39;dens sager varierer ikke&#39;): &#39;Ærø&#39;, &#39;Øst&#39;</li>",
        "<li>3 af 98 enheder har ingen kendt usikkerhed og har fået ingen plads: Ærø, Fanø, Læsø og 12 til</li>",
        "<li>Ingen pladser: en plads kræver mindst to enheder med kendt usikkerhed; 0 af 98 har en</li>",
        '<li lang="en">Something new</li>',
        '<th scope="col" class="n">Standardfejl</th>',
        "<td>Niveau</td>",
        '<td>Køn</td><td>C(sex)[T.girl]</td><td class="n">−0,00123</td>',
    ):
        assert told in html, told
    assert ">std_error<" not in html
    english = render(replace(chapter(), notes=notes), lang="en")
    assert f"<li>{notes[2].capitalize()}</li>" in english


def test_sentences_of_models_keep_what_is_not_a_number() -> None:
    da = wording("da")
    simulated = next(said for said in da.sentences if said.startswith("Simulated"))
    assert "CC BY 4.0" in da.translated(simulated)
    periods = "the unit's own variation over periods, with serial correlation pooled over units"
    told = da.translated(f"{periods} (correlation of neighbouring periods 0.52)")
    assert told.endswith("(korrelation mellem naboperioder 0,52)")
    assert told.startswith("enhedens egne udsving")
    mix = "unit Ærø shares 3% of its case mix with the others"
    assert da.translated(mix) == "enheden Ærø har 3\u00a0% af sin sammensætning fælles med de andre"
    assert da("sentence_size", number="5", size="kr.") == "Tallene bygger på 5 kr."


def test_every_warning_of_a_run_has_danish_words() -> None:
    da = wording("da")
    for said, ours in da.sentences.items():
        places = set(re.findall(r"{(\w+)}", said))
        assert places == set(re.findall(r"{(\w+)}", ours)), said
        filled = said.format(**{place: "3" for place in places})
        assert da.translated(filled) != filled, said


def test_without_ranks_parts_or_reference() -> None:
    bare = replace(
        chapter(), ranking=None, parts=None, calibration=None, reference=None, explained=float("nan"), coefficients=None
    )
    html = render(bare)
    assert "Plads blandt" not in html
    assert "(φ)" not in html
    assert "Hvor mange skiller sig ud?" not in html
    with pytest.raises(SpecificationError, match="at least one"):
        render_page([], lang="da", version="", date="")


def test_table_has_every_unit_and_sorts_by_numbers() -> None:
    reader = read(render())
    rows = [attributes for tag, attributes in reader.elements if tag == "tr" and "data-u" in attributes]
    assert len(rows) == len(NAMES)
    numbers = [attributes["data-v"] for tag, attributes in reader.elements if tag == "td" and "data-v" in attributes]
    assert "40000.0" in numbers
    assert all(value == "" or np.isfinite(float(value)) for value in numbers)


@pytest.mark.parametrize("narrow", [False, True])
def test_geometry_stays_within_the_frame(narrow: bool) -> None:
    rng = np.random.default_rng(1)
    k = 30
    gap = np.append(rng.normal(0, 2, k - 1), np.nan)
    values = Values(
        size=np.exp(rng.normal(8, 1, k)),
        gap=gap,
        lower=gap - 5,
        upper=gap + np.where(np.arange(k) == 3, np.inf, 5),
        least=gap * np.nan,
        most=gap * np.nan,
        different=[False] * k,
        unusual=[False] * k,
        titles=["x"] * k,
    )
    drawings = [
        funnel(values, limits=lambda s: (-100 / np.sqrt(s), 100 / np.sqrt(s), s * np.nan, s * np.nan), narrow=narrow),
        caterpillar(values, narrow=narrow),
    ]
    for drawing in drawings:
        assert len(drawing.marks) == k - 1
        for mark in drawing.marks:
            assert drawing.left <= mark.x <= drawing.right
            assert drawing.top <= mark.y <= drawing.bottom
        assert all(drawing.top <= tick.at <= drawing.bottom for tick in drawing.y_ticks)
        assert 2 <= len(drawing.y_ticks) <= 9
    heights = [mark.y for mark in drawings[1].marks]
    assert heights == sorted(heights, reverse=True)
    assert drawings[0].spread == ["", ""]
    assert all(path.startswith("M") for path in drawings[0].own)


def test_funnel_places_larger_units_to_the_right_and_higher_gaps_above() -> None:
    values = Values(
        size=np.array([10.0, 1000.0]),
        gap=np.array([-1.0, 2.0]),
        lower=np.full(2, np.nan),
        upper=np.full(2, np.nan),
        least=np.full(2, np.nan),
        most=np.full(2, np.nan),
        different=[False, True],
        unusual=[False, True],
        titles=["a", "b"],
    )
    first, second = funnel(values, limits=lambda size: (size * np.nan,) * 4, narrow=False).marks
    assert first.x < second.x
    assert first.y > second.y
    assert second.unusual


# --- what counts as ordinary ---


def judged(method: str, contrast: str = "difference") -> Chapter:
    """The chapter with another reference distribution, and the table of some of them."""
    case = chapter(contrast)
    rounded = {}
    for name in ("difference", "ratio"):
        c = getattr(case, name)
        rounded[name] = replace(c, observed=np.round(c.observed))
    case = replace(case, **rounded)
    flags = flag(case.main, method=method)
    kinds = {"plain": 0.0, "tau": 0.0123, method: 0.0123}
    table = pd.DataFrame(
        [
            {"method": kind, "value": value, "above": 3, "below": 1, "chosen": kind == method, "descriptive": False}
            for kind, value in kinds.items()
        ]
    )
    return replace(case, flags=flags.to_frame(), reference=flags.reference, limits=table)


def test_every_reference_distribution_has_words_in_both_languages() -> None:
    for lang in ("da", "en"):
        for method in get_args(Method):
            assert f"limits_{method}" in wording(lang).table


def test_how_many_are_unusual_under_each_reference_distribution() -> None:
    html = render(judged("phi"))
    assert "Hvor mange skiller sig ud?" in html
    start = html.index('<table class="limits"')
    table = html[start : html.index("</table>", start)]
    used = table[table.index('<tr class="used">') :]
    assert table.count('class="used"') == 1
    assert used.startswith(
        '<tr class="used"><th scope="row">Tilfældigheder ganget op (φ\u00a0=\u00a00,0) '
        "<strong>●\u00a0bruges her</strong></th>"
        '<td class="n">4</td><td class="n">3</td><td class="n">1</td></tr>'
    )
    assert "(τ\u00a0=\u00a01,2 procentpoint)" in table
    # The two verdicts stay apart, each under its own heading.
    assert table.index("1. Forskellige fra det forventede") < table.index("2. Usædvanlige blandt kommunerne")
    different = [state["different"] for state in (words_of(html, unit)["states"] for unit in NAMES)]
    above, below = different.count("above"), different.count("below")
    assert f'<td class="n">{above + below}</td><td class="n">{above}</td><td class="n">{below}</td>' in table
    assert "Grænse brugt her: tilfældigheder ganget op" in html
    few = judged("phi")
    few.limits.loc[0, "descriptive"] = True
    assert "fewer than 300 kommuner" in render(few, lang="en")
    trimmed = replace(judged("tau"), reference=replace(judged("tau").reference, winsorise=0.1))
    assert "the outermost 10% pulled in" in render(trimmed, lang="en")


def test_limits_of_chance_alone_are_not_called_ordinary_spread() -> None:
    html = render(judged("plain"), lang="en")
    assert "No room is made for ordinary differences" in html
    assert "ordinary spread</li>" not in html
    paths = [a.get("class") for tag, a in read(html).elements if tag == "path"]
    assert "spread" not in paths
    assert paths.count("own") == 2 * 2 + 1
    assert "than chance alone can explain" in words_of(html, "Vejle")["slots"]["unusual_why"]


@pytest.mark.parametrize("method", ["tau", "garwood", "negative_binomial", "beta_binomial"])
@pytest.mark.parametrize("contrast", ["difference", "ratio"])
def test_lines_and_own_limits_are_those_of_the_reference_distribution(method: str, contrast: str) -> None:
    case = judged(method, contrast)
    reference, main = case.reference, case.main
    factor = 100.0
    own_low, own_high, low, high = lines_of(case, factor)(main.size)
    if method == "garwood":
        assert np.isnan([low, high]).all()
        low, high = own_low, own_high
    else:
        np.testing.assert_allclose(own_low, -own_high)
    expected = reference.limits_at(reference.std_error_at(main.size))
    np.testing.assert_allclose([low, high], [(end - main.null) * factor for end in expected])
    if method != "tau":
        assert np.nanmax(np.abs(high + low) / high) > 0.01, "limits of counts are not symmetric"
    reader = read(render(case))
    marks = [a["d"] for tag, a in reader.elements if tag == "path" and (a.get("class") or "").startswith("single")]
    # Every unit with limits has its own on both drawings, and the key has one.
    assert len(marks) == 2 * int(np.isfinite(reference.lower).sum()) + 1


def test_own_limits_show_where_the_lines_would_mislead() -> None:
    size = np.geomspace(100.0, 10_000.0, 6)
    gap = np.array([0.0, 2.0, 0.0, 2.0, -2.0, 0.0])
    most = np.array([1.0, 1.0, 1.0, 3.0, 1.0, np.nan])
    values = Values(
        size=size,
        gap=gap,
        lower=gap,
        upper=gap,
        least=-most,
        most=most,
        different=[False] * 6,
        unusual=[False] * 6,
        titles=["x"] * 6,
    )
    drawn = funnel(values, limits=lambda s: (s * np.nan, s * np.nan, 0 * s - 1, 0 * s + 1), narrow=False)
    assert [mark.own for mark in drawn.marks] == [False, False, False, True, False, False]
    assert drawn.marks[5].top == 0.0
    assert drawn.marks[0].top < drawn.zero < drawn.marks[0].bottom
    assert drawn.top <= drawn.marks[3].top, "what lies beyond the frame is drawn to the frame"


@pytest.mark.parametrize(("lang", "told"), [("da", "Simulerede tal"), ("en", "Simulated figures")])
def test_every_figure_says_that_it_is_simulated(lang: str, told: str) -> None:
    html = render(chapter(simulated=True), lang=lang)
    drawings = re.findall(r'<svg class="(?:wide|narrow)".*?</svg>', html, re.S)
    assert len(drawings) == 6
    for drawing in drawings:
        assert re.search(rf'<text class="simulated"[^>]*>{told}</text>', drawing)
        assert re.search(rf"<title id=[^>]*>[^<]*{told}</title>", drawing)
    assert told not in render(lang=lang).replace(f'"{told}"', "")


def test_case_mix_in_common_is_behind_a_fold() -> None:
    html = render()
    assert "<summary>Ligner kommunerne hinanden?</summary>" in html
    assert "Alle kommuner har mindst 20\u00a0% fælles med andre. Mindst har Ærø: 90\u00a0%." in html
    case = chapter()
    low = np.array([0.9, 0.8, 0.9, 0.05, 0.9, 0.15, np.nan, 0.7])
    alone = replace(case, difference=replace(case.difference, overlap=low))
    html = render(alone, lang="en")
    assert "2 kommuner have less than 20% in common with others: Nord &#34;Øst&#34;\nby, Fanø." in html
    # Of units of a single row, hardly any has a class in common with others: that tells nothing of case mix.
    rows = replace(case, difference=replace(case.difference, overlap=np.full(len(NAMES), 0.05)))
    assert "Ligner kommunerne" not in render(rows)
    assert "Ligner kommunerne" not in render(
        replace(case, difference=replace(case.difference, overlap=np.full(len(NAMES), np.nan)))
    )


# --- best practice ---


def practised(**changes: object) -> Chapter:
    """The chapter with a frontier: one unit of each kind, and those that the frontier does not know."""
    places = {"Aarhus": (0.9234, "within"), "Ærø": (1.0, "best"), "Fanø": (1.0, "slack"), "Vejle": (np.nan, "none")}
    scores = pd.DataFrame(
        [
            {"unit": unit, "efficiency": value, "place": place, "status": "solved" if value == value else "infeasible"}
            for unit, (value, place) in places.items()
        ]
    ).assign(peer_for=[0, 2, 1, 0], comparables=[40, 40, 40, 8])
    peers = pd.DataFrame(
        [("Aarhus", NAMES[2], 21.15, 0.651), ("Aarhus", "Ærø", 0.4, 0.345), ("Aarhus", "Fanø", 0.001, 0.004),
         ("Ærø", "Ærø", 1.0, 1.0), ("Fanø", "Ærø", 0.0234, 1.0)],
        columns=["unit", "peer", "weight", "share"],
    )  # fmt: skip
    targets = pd.DataFrame(
        [
            {"unit": unit, "good": good, "part": part, "value": value, "target": target, "slack": 0.0}
            for unit in places
            for good, part, value, target in (
                ("cost", "input", 1234567.0, 1140000.0),
                ("persons: <b>", "output", 12.34, 13.34 if unit == "Fanø" else 12.341),
            )
        ]
    )
    circles = pd.DataFrame(
        [("Aarhus", "Ærø"), ("Aarhus", NAMES[2]), ("Aarhus", "Aaby"), ("Fanø", "Ærø")], columns=["unit", "other"]
    )
    labels = replace(
        LABELS, inputs="udgifterne", outputs="mindst lige så mange", terms={"cost": "udgift", "persons": "folk"}
    )
    found = BestPractice(
        scores=scores, peers=peers, targets=targets, circles=circles, orientation="input", returns="crs",
        composition=("C(age)",), nearest=40, model="DEA(<i>)",
        certificate="3 of 4 programs solved, 0 of them one by one; largest violation of a row 1.1e-16, of a price "
        "2.0e-16, largest gap 0.0e+00",
    )  # fmt: skip
    return replace(chapter(), labels=labels, frontier=replace(found, **changes))


def test_best_practice_of_a_unit_in_words() -> None:
    html = render(practised())
    words = words_of(html, "Aarhus")
    assert words["slots"]["frontier"] == (
        "Efter beregningen ville de bedste sammenlignelige kommuner bruge 92\u00a0% af udgifterne i Aarhus til mindst "
        "lige så mange."
    )
    assert words["slots"]["frontier_peers"] == (
        f"Aarhus er holdt op mod {NAMES[2]} (65\u00a0%, ganget med 21), Ærø (34\u00a0%) og Fanø* (under 1\u00a0%)."
    )
    assert words["slots"]["frontier_starred"].startswith("* Har selv nogen i sin kreds")
    assert words["goods"] == [["Udgift", "1.234.567", "1.140.000"], ["Folk: <b>", "12,3", "12,3"]]
    best = words_of(html, "Ærø")
    assert best["goods"] == []
    assert best["slots"]["frontier_peers"] == ""
    assert "Ingen sammenlignelig kommune gør det bedre end Ærø" in best["slots"]["frontier"]
    assert "mangler nogen at holde kommunen op mod" in best["slots"]["frontier"]
    assert "blandt dem, som 2 andre er holdt op mod" in best["slots"]["frontier"]
    loose = words_of(html, "Fanø")
    assert "på nogle af dem gør andre det bedre" in loose["slots"]["frontier"]
    assert loose["goods"]
    # A single peer is all of it, however small a part of that peer; one that nobody does better than has no mark.
    assert loose["slots"]["frontier_peers"] == "Fanø er holdt op mod Ærø (100\u00a0%, ganget med 0,023)."
    assert loose["slots"]["frontier_starred"] == ""
    reader = read(html)
    assert reader.unbalanced == []
    assert not [tag for tag, _ in reader.elements if tag in ("b", "i")]


def test_a_unit_without_an_answer_is_told_why_and_has_no_target() -> None:
    html = render(practised(), lang="en")
    for unit, why in (("Vejle", "no combination of the others comes as far"), ("=1+1", "not part of the calculation")):
        words = words_of(html, unit)
        assert words["slots"]["frontier"].startswith(f"There is no figure of best practice for {unit}: ")
        assert why in words["slots"]["frontier"]
        assert (words["goods"], words["slots"]["frontier_peers"]) == ([], "")
        assert (words["slots"]["frontier_starred"], words["slots"]["frontier_no_goal"]) == ("", "")
        assert "nan" not in json.dumps(words).casefold()


@pytest.mark.parametrize("lang", ["da", "en"])
def test_best_practice_is_no_verdict_and_no_rank(lang: str) -> None:
    html = render(practised(), lang=lang)
    caution = {"da": ("ingen opgjort usikkerhed", "ikke hvem der er god"), "en": ("no stated", "not who is good")}[lang]
    for told in caution:
        assert html.count(told) >= 2
    assert {"da": "1 af 3", "en": "1 of 3"}[lang] in html
    assert {"da": "ville de bedste sammenlignelige bruge 100", "en": "would use 100"}[lang] in html  # the median
    # Nobody is put in order by it: no column of the table of units, no value to sort by.
    assert html.count("aria-sort") == render(chapter(), lang=lang).count("aria-sort")
    assert "0.9234" not in html
    said = " ".join(words_of(html, unit)["slots"]["frontier"] for unit in NAMES).casefold()
    for word in ("nummer", "plads", "rank", "number", "besparelse", "saving"):
        assert word not in said, word
    fold = html[html.index(wording(lang).table["frontier_method_title"]) :]
    assert "DEA(&lt;i&gt;)" in fold
    assert {"da": "3 af 4 regnestykker", "en": "3 of 4 programs"}[lang] in fold
    assert {"da": "de 40 kommuner, den selv medregnet, der ligner mest i age", "en": "the 40 kommuner"}[lang] in fold
    assert wording(lang).table["frontier_title"] not in re.sub(r"<script.*", "", render(lang=lang), flags=re.S)


@pytest.mark.parametrize(
    ("returns", "share", "weight", "told"),
    [
        ("crs", 0.16, 21.2, "(16%, times 21)"),
        ("crs", 0.16, 2.1, "(16%, times 2.1)"),
        ("crs", 0.16, 1.9, "(16%)"),
        ("irs", 0.16, 100.4, "(16%, times 100)"),
        ("drs", 0.16, 0.0123, "(16%, times 0.012)"),
        ("crs", 0.16, 0.07, "(16%, times 0.070)"),
        ("crs", 0.16, 0.09, "(16%)"),  # a mixture of units of about the same size, none of them multiplied
        ("crs", 0.004, 5.0, "(less than 1%)"),
        ("crs", 0.9951, 1.0, "(more than 99%)"),
        ("crs", 0.9899, 1.0, "(99%)"),
        ("vrs", 0.16, 0.012, "(16%)"),
    ],
)
def test_a_peer_is_told_with_its_share_and_how_often_it_is_counted(
    returns: str, share: float, weight: float, told: str
) -> None:
    peers = practised().frontier.peers.copy()
    peers.loc[1, ["share", "weight"]] = share, weight
    words = words_of(render(practised(returns=returns, peers=peers), lang="en"), "Aarhus")
    assert f"Ærø {told}" in words["slots"]["frontier_peers"]
    assert "100" not in words["slots"]["frontier_peers"].replace("times 100", "")


def test_what_is_given_is_for_comparison_and_no_target() -> None:
    html = render(practised(), lang="en")
    assert '<th scope="col" class="n">For comparison</th>' in html
    assert ">Target<" not in html
    # Fanø's comparable ones make more; Aarhus's by less than is told.
    assert words_of(html, "Fanø")["slots"]["frontier_no_goal"] == (
        "That they make more than Fanø in some respects is no target for Fanø: the calculation only sees to it that "
        "they make no less."
    )
    assert words_of(html, "Aarhus")["slots"]["frontier_no_goal"] == ""
    mirrored = words_of(render(practised(orientation="output"), lang="en"), "Aarhus")["slots"]["frontier_no_goal"]
    assert mirrored.startswith("That they use less than Aarhus in some respects is no target")
    assert "What is made is taken as given" in html
    assert "What is used is taken as given" in render(practised(orientation="output"), lang="en")


def test_the_circle_of_a_unit_is_on_the_page_where_there_is_one() -> None:
    html = render(practised())
    slots = words_of(html, "Aarhus")["slots"]
    assert slots["frontier_circle"] == "Kredsen: de 3 kommuner, Aarhus kunne holdes op mod"
    assert slots["frontier_others"] == f"{NAMES[2]}, Ærø, Aaby"  # in Danish order
    assert words_of(html, "Fanø")["slots"]["frontier_circle"] == "Kredsen: den ene kommune, Fanø kunne holdes op mod"
    assert "ingen andre" in words_of(html, "Vejle")["slots"]["frontier_circle"]
    assert words_of(html, "=1+1")["slots"]["frontier_circle"] == ""  # unknown to the frontier
    assert '<details data-if="frontier_circle">' in html
    all_of_them = practised(circles=None, composition=(), nearest=None)
    assert '<details data-if="frontier_circle">' not in render(all_of_them)
    assert words_of(render(all_of_them), "Aarhus")["slots"]["frontier_circle"] == ""


def test_too_few_units_for_the_goods_are_told_in_words() -> None:
    # One input and one output: six units are advised, and all have as many.
    assert practised().frontier.advised == 6
    assert "Det er få" not in render(practised())
    scores = practised().frontier.scores
    some = practised(scores=scores.assign(comparables=[40, 5, 6, 1]))
    assert some.frontier.few == {"Ærø", "Vejle"}
    html = render(some)
    assert "2 af 4 kommuner har under 6 at blive holdt op mod, dem selv medregnet, og 2 slags tal" in html
    assert "kun 5 i kredsen om Ærø" in words_of(html, "Ærø")["slots"]["frontier_few"]
    assert "kun 1 i kredsen om Vejle" in words_of(html, "Vejle")["slots"]["frontier_few"]
    assert words_of(html, "Fanø")["slots"]["frontier_few"] == words_of(html, "=1+1")["slots"]["frontier_few"] == ""


@pytest.mark.parametrize("returns", ["crs", "vrs", "drs", "irs"])
@pytest.mark.parametrize("orientation", ["input", "output"])
def test_every_kind_of_frontier_has_words(returns: str, orientation: str) -> None:
    for lang in ("da", "en"):
        environment = {"x": "high", "y": "low", "z": "same"}
        case = practised(
            returns=returns, orientation=orientation, composition=(), nearest=None, environment=environment
        )
        html = render(case, lang=lang)
        fold = html[html.index(wording(lang).table["frontier_method_title"]) :]
        assert re.search(r"\. [a-zæøå]", re.search(r"<p>(.*?)</p>", fold, re.S).group(1)) is None
        assert "92" in words_of(html, "Aarhus")["slots"]["frontier"]
        assert (wording(lang).table["frontier_method_times"][-30:] in fold) == (returns != "vrs")
        for status in ("absent", "infeasible", "unbounded", "not_solved"):
            assert f"frontier_why_{status}" in wording(lang).table


def test_simulated_best_practice_says_so() -> None:
    case = practised()
    made = replace(case, difference=comparison("difference", simulated=True), ratio=comparison("ratio", simulated=True))
    assert 'Bedste praksis <span class="small">(Simulerede tal)</span>' in render(made)
    assert '<h4 class="sub">Bedste praksis</h4>' in render(case)
