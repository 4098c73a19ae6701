"""The page over time and together: what it says, what it keeps silent about, and its files."""

from __future__ import annotations

import html as markup
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import Malmquist, MergerBootstrap, MergerGains
from benchmodels.frontier.productivity.simulated import ChangeCoverage
from benchmodels.replication import together_and_over_time
from benchmodels.replication.together_and_over_time import run_together_and_over_time, tables_of, together_of
from benchmodels.report import Labels, wording
from benchmodels.report.listing import Axis, all_of, change, change_span
from benchmodels.report.together_over_time import TogetherChapter, render_together_over_time
from tests.test_report import read

GOODS = {"inputs": ["cost"], "outputs": ["beds", "visits"], "unit": "unit"}
LABELS = Labels(
    title="Over <tid>", question="Hvor?", outcome="Det, der måles.", size="", rate="", measure="",
    caveats=["Kun det målte & ikke mere."], terms={"cost": "<b>udgifter", "beds": "senge", "visits": "besøg"},
    one="kommune", the_one="kommunen", many="kommuner", the_many="kommunerne", everyone="hele landet",
)  # fmt: skip
ENGLISH = replace(
    LABELS, title="Over <time>", question="Where?", outcome="What is measured.", caveats=["Only what is measured."],
    terms={"cost": "costs", "beds": "beds", "visits": "visits"}, one="municipality", the_one="the municipality",
    many="municipalities", the_many="the municipalities", everyone="the whole country",
)  # fmt: skip
LABEL = {"da": "Simulerede tal", "en": "Simulated figures"}
SCRIPT = "<script>alert(1)</script>"


def panel(k: int = 24, years: int = 3, *, simulated: bool = True) -> pd.DataFrame:
    """Units of which the last is an island, and the last but one far larger than any other."""
    rng = np.random.default_rng(5)
    size = np.exp(rng.normal(0, 0.4, k))
    size[-2] = 40.0
    waste, rows = np.exp(np.abs(rng.normal(0, 0.15, k))), []
    names = [SCRIPT, *(f"By {j:02d}" for j in range(1, k - 2)), "Storby", "Ærø"]
    for year in range(2018, 2018 + years):
        beds, visits = size * rng.uniform(0.7, 1.3, k), size * rng.uniform(0.7, 1.3, k)
        cost = np.hypot(beds, visits) ** 0.95 * waste * 1.02 ** (year - 2018) * np.exp(rng.normal(0, 0.03, k))
        rows.append(pd.DataFrame({"unit": names, "year": year, "cost": cost, "beds": beds, "visits": visits}))
    table = pd.concat(rows, ignore_index=True)
    table.attrs = {"simulated": simulated, "source": "a source"}
    return table


def near(table: pd.DataFrame) -> dict[str, list[str]]:
    """A ring of all but the island, and everybody beside the large one."""
    names = [name for name in dict.fromkeys(table["unit"]) if name != "Ærø"]
    found = {name: [names[(j + 1) % len(names)]] for j, name in enumerate(names)}
    found["Storby"] = [*found["Storby"], "By 05", "By 06"]
    return found | {"Ærø": []}


def chaptered(table: pd.DataFrame, labels: Labels = LABELS) -> TogetherChapter:
    return together_of(
        table, labels, inputs=["cost"], outputs=["beds", "visits"], unit="unit", period="year",
        neighbours=near(table), replicates=100,
    )  # fmt: skip


@pytest.fixture(scope="module")
def chapter() -> TogetherChapter:
    return chaptered(panel())


def render(chapter: TogetherChapter, lang: str = "da", **rest: object) -> str:
    return render_together_over_time(chapter, lang=lang, version="1", date="2026-01-01", **rest)


def plain(page: str) -> str:
    page = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", markup.unescape(re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " "))


def of_unit(page: str, unit: str) -> str:
    """Return what stands in the panel of a unit."""
    for found in re.findall(r"<details id=.*?</details>", page, flags=re.S):
        if f'<span class="name">{markup.escape(unit)}</span>' in found:
            return plain(found)
    raise AssertionError(unit)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_every_unit_and_every_table_is_there(chapter: TogetherChapter, lang: str) -> None:
    page = render(replace(chapter, labels=LABELS if lang == "da" else ENGLISH), lang)
    reader = read(page)
    assert (reader.open, reader.unbalanced) == ([], [])
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.count("<details") == 24
    for captured in ("<script>alert", "<tid>", "<time>", "<b>udgifter"):
        assert captured not in page.replace("<script>\n(function", "")
    # That they are simulated stands on top, at each table and at each heading of figures.
    for caption in re.findall(r"<caption>(.*?)</caption>", page, flags=re.S):
        assert LABEL[lang] in caption
    how = wording(lang)("together_how_title")
    headings = re.findall(r"<h[23]>(.*?)</h[23]>", page[: page.index(f"<h2>{how}")], flags=re.S)
    assert len(headings) == 3 + 2 * 24
    assert all(LABEL[lang] in heading for heading in headings)
    text = plain(page)
    assert not re.search(r"\bnan\b|None(?! chosen)|{\w+}", text)


def test_nothing_of_the_danish_page_is_english(chapter: TogetherChapter) -> None:
    text = plain(render(replace(chapter, labels=replace(LABELS, terms={}))))
    assert chapter.notes
    for word in ("the", "of", "and", "are", "units", "groups", "withheld", "years", "limits", "simulated", "frontiers"):
        assert not re.search(rf"\b{word}\b", re.sub(r"(Malmquist|MergerGains)\(.*?\)\s", "", text)), word


def test_every_message_has_danish_words() -> None:
    da, table = wording("da"), panel()
    lost = table[~((table["unit"] == "By 03") & (table["year"] == 2020))]
    mean = table.groupby("unit", as_index=False)[["cost", "beds", "visits"]].mean()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PartialResultWarning)
        fit = Malmquist(**GOODS, period="year", returns="vrs").fit(lost)
        drawn = fit.bootstrap(replicates=100, rng=0)
        MergerGains(**GOODS).fit(mean).pairs(among=near(table)).bootstrap(replicates=100, rng=0)
    said = [str(each.message) for each in caught] + [drawn.coverage.simulated]
    assert len(said) >= 4
    for sentence in said:
        assert da.translated(sentence) != sentence
        assert not re.search(r"\b(the|of|are|have|no|not)\b", da.translated(sentence)), da.translated(sentence)


def test_words_over_time_are_the_numbers(chapter: TogetherChapter) -> None:
    w, page = wording("en"), render(replace(chapter, labels=ENGLISH), "en")
    direct, frame = chapter.direct.to_frame(), chapter.drawn.to_frame()
    chained = chapter.fit.cumulated()
    for unit in ("By 07", "Ærø"):
        text = of_unit(page, unit)
        found = direct[(direct["unit"] == unit) & (direct["part"] == "index")].iloc[0]
        verb = "more" if found["change"] >= 1 else "less"
        share = w.number(abs(100 * (found["change"] - 1)), 1)
        assert f"{unit} got {share}% {verb} for the money in 2020 than in 2018" in text
        for row in frame[frame["unit"] == unit].to_dict("records"):
            written = change(w, row["change"]).replace("\u00a0", " ")
            span = change_span(w, row["lower"], row["upper"]).replace("\u00a0", " ")
            assert f"{written} ({span})" in text
        chain = chained[(chained["unit"] == unit) & (chained["to"] == 2020)]["index"].iloc[0]
        assert f"Multiplied year by year it comes to {change(w, chain)}" in text


def test_words_of_partners_are_the_numbers(chapter: TogetherChapter) -> None:
    w, page = wording("en"), render(replace(chapter, labels=ENGLISH), "en")
    best = chapter.mergers.gains.best_partners().set_index("unit")
    frame = chapter.mergers.gains.to_frame().set_index("group")
    for unit in ("By 10", "By 15"):
        text, row = of_unit(page, unit), best.loc[unit]
        assert f"Of 2 neighbours with an answer {row['partner']} is the one" in text
        share = w.number(abs(100 * (row["corrected"] - 1)), 1)
        assert f"corresponds to {share}% {'lower' if row['corrected'] < 1 else 'higher'} expenditure" in text
        group = next(name for name in frame.index if set(name.split(" + ")) == {unit, row["partner"]})
        for part in ("learning", "harmony", "size", "corrected"):
            assert change(w, frame.loc[group, part]) in text
        assert f"{w.number(100 * frame.loc[group, 'total'], 1)}%" in text
        assert f"Learning corresponds to {w.number(100 * (1 - row['learning']), 1)}% lower expenditure" in text


def test_bars_of_a_partner_follow_each_other(chapter: TogetherChapter) -> None:
    page = render(chapter)
    ways = re.findall(r'<span class="track way".*?</span>', page, flags=re.S)
    assert ways
    for way in ways:
        bars = re.findall(r'together_\w+( up)?" style="left:([\d.]+)%;width:([\d.]+)%', way)
        assert len(bars) == 3
        at = float(re.findall(r'class="zero" style="left:([\d.]+)%', way)[0])
        for up, left, width in bars:
            first, last = float(left), float(left) + float(width)
            assert 0 <= first <= last <= 100.01
            begins, ends = (first, last) if up else (last, first)
            assert begins == pytest.approx(at, abs=0.02)
            at = ends
        assert float(re.findall(r'class="end" style="left:([\d.]+)%', way)[0]) == pytest.approx(at, abs=0.03)


def test_islands_and_pairs_beyond_what_anyone_shows(chapter: TogetherChapter) -> None:
    page = render(chapter)
    assert "Ærø har ingen nabo på land eller over en bro." in of_unit(page, "Ærø")
    status = chapter.mergers.gains.status
    lost = int((status != "solved").sum())
    assert lost >= 3
    assert f"Af {len(status)} nabopar har {len(status) - lost} et svar." in plain(page)
    told = plain(page)
    assert f"Nabopar uden et fuldt svar: {(status == 'infeasible').sum()} (" in told
    assert "Storby). Grunden er, at de to sammen er større" in told
    assert "Storby har naboer, men sammen med ingen af dem er der et svar." in of_unit(page, "Storby")
    assert "Uden svar: Storby." in of_unit(page, "By 05")


def test_a_unit_that_came_later_has_no_change_since_the_first_year() -> None:
    table = panel()
    lost = table[~((table["unit"] == "By 03") & (table["year"] == 2018))]
    lost.attrs = table.attrs
    page = render(chaptered(lost, ENGLISH), "en")
    text = of_unit(page, "By 03")
    assert "For By 03 there is no direct comparison of 2018 and 2020." in text
    assert "2018–2020, years multiplied – – –" in text
    assert "Changes that are missing: 1. The reason: the municipality is there in one of the two years only." in plain(
        page
    )


def seen(*enough: str) -> ChangeCoverage:
    names = ("index", "efficiency_change", "technical_change")
    return ChangeCoverage(
        level=0.95, parts={name: 0.95 if name in enough else 0.7 for name in names}, enough=enough,
        simulated="25 panels of 98 units with 3–6 goods, constant returns, half-normal waste",
    )  # fmt: skip


def test_changes_are_not_judged_where_limits_do_not_hold(chapter: TogetherChapter) -> None:
    unknown = ChangeCoverage(
        level=0.95, parts={}, enough=(),
        simulated="no panels of 24 units with 3 goods were simulated at 95% (subsample, fglr, contemporaneous, crs, "
        "input)",
    )  # fmt: skip
    silent = [(unknown, "Hvor ofte grænserne holder, vides ikke"), (seen(), "holdt de i 70 % af tilfældene")]
    for coverage, told in silent:
        found = replace(
            chapter,
            drawn=replace(chapter.drawn, coverage=coverage),
            direct=replace(chapter.direct, coverage=coverage),
        )
        page = render(found)
        assert told in plain(page)
        assert "siger siden ikke af nogen enkelt kommune" in plain(page)
        assert "0 af 48" in plain(page)
        assert not re.search(r"<strong>(fremgang|tilbagegang|uafgjort)</strong>", page)
        assert "også når usikkerheden er regnet med" not in of_unit(page, "By 07").split("Sammen ")[0]


def test_changes_are_judged_where_limits_hold(chapter: TogetherChapter) -> None:
    coverage = seen("index", "efficiency_change", "technical_change")
    found = replace(
        chapter, drawn=replace(chapter.drawn, coverage=coverage), direct=replace(chapter.direct, coverage=coverage)
    )
    page, frame = render(found), found.drawn.to_frame()
    assert "De holder altså, som de skal." in plain(page)
    both = pd.concat([frame, found.direct.to_frame()])
    for verdict, word in (("progress", "fremgang"), ("regress", "tilbagegang"), ("undecided", "uafgjort")):
        assert page.count(f"<strong>{word}</strong>") == (both["verdict"] == verdict).sum()
    index = frame[frame["part"] == "index"]["verdict"]
    assert f"{index.isin(['progress', 'regress']).sum()} af 48" in plain(page)
    some = replace(chapter, drawn=replace(chapter.drawn, coverage=seen("technical_change")))
    assert "er gået frem eller tilbage: hvad de bedste kan." in plain(render(some))


def test_mergers_are_not_judged_where_limits_do_not_hold(
    chapter: TogetherChapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ("total", "learning", "harmony", "size", "corrected", "best", "ranks")
    for share, told, why in (
        (np.nan, "er ikke simuleret for en tabel som denne", "hvor ofte den slags grænser holder, er ikke simuleret"),
        (0.6, "holdt de i 60 % for selve sammenlægningen", "den slags grænser holdt i 60 % af simulerede tilfælde"),
    ):
        monkeypatch.setattr(MergerBootstrap, "held", dict.fromkeys(parts, share))
        text = plain(render(replace(chapter, mergers=replace(chapter.mergers))))
        assert told in text
        assert why in text
        assert "Med usikkerheden regnet med er 0 en gevinst og 0 en merudgift" in text
        assert not re.search(r"er en (gevinst|merudgift), også", text)
    monkeypatch.setattr(MergerBootstrap, "held", dict.fromkeys(parts, 0.96))
    sure = replace(chapter.mergers)
    verdicts = sure.verdicts("corrected")
    text = plain(render(replace(chapter, mergers=sure)))
    counted = [int((verdicts == kind).sum()) for kind in ("gain", "cost", "not different")]
    assert sum(counted) > 0
    assert "er {} en gevinst og {} en merudgift; for {} kan det ikke".format(*counted) in text


def test_who_else_may_be_the_best_partner(chapter: TogetherChapter) -> None:
    page = render(replace(chapter, labels=ENGLISH), "en")
    gains = chapter.mergers.gains
    for unit in ("By 10", "By 12"):
        at = np.array([i for i in range(len(gains)) if unit in gains.groups.members(i)])
        own = replace(chapter.mergers, gains=gains.some(at), errors=chapter.mergers.errors[:, at])
        text = of_unit(page, unit)
        if (own.withheld != "").all():
            assert "cannot be said" in text
        elif (own.withheld != "").any() or own.best()["may_be_best"].all():
            assert "Any of the others may as well be the best" in text
        else:
            assert "is the best neighbour, also when" in text


def test_real_figures_are_not_called_simulated() -> None:
    found = chaptered(panel(simulated=False))
    assert "Simulerede tal" not in render(found)
    assert not any(table["simulated"].any() for table in tables_of(found).values())


def test_what_this_page_is_not_of(chapter: TogetherChapter) -> None:
    table = panel()
    mean = table.groupby("unit", as_index=False)[["cost", "beds", "visits"]].mean()
    with pytest.raises(SpecificationError, match="pairs"):
        rising = MergerGains(**GOODS, orientation="output").fit(mean).pairs(among={"By 01": ["By 02"]})
        render(replace(chapter, mergers=rising.bootstrap(replicates=100, rng=0)))
    with pytest.raises(SpecificationError, match="one level"):
        render(replace(chapter, direct=replace(chapter.direct, level=0.9)))
    with pytest.raises(SpecificationError, match="the same units"):
        render(replace(chapter, fit=Malmquist(**GOODS, period="year").fit(table[table["unit"] != "By 03"])))
    with pytest.raises(SpecificationError, match="changes in index"):
        render(replace(chapter, drawn=replace(chapter.drawn, names=("index", "a", "b"))))


def test_one_folder_with_page_tables_and_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = together_and_over_time._table(together_and_over_time._asked())
    assert len(table) == 490
    few = table["municipality"].isin(table["municipality"].unique()[:30])
    attrs, table = table.attrs, table[few & (table["year"] > 2019)]
    table.attrs = attrs
    monkeypatch.setattr(together_and_over_time, "_table", lambda asked: table)
    for lang in ("da", "en"):
        page = run_together_and_over_time(out=tmp_path / lang, lang=lang, replicates=100, danish_csv=True)
        assert LABEL[lang] in page.read_text(encoding="utf-8")
        there = {path.name for path in page.parent.iterdir()}
        names = ("changes", "changes_direct", "changes_cumulated", "changes_mean", "mergers", "partners")
        assert {"index.html", "manifest.json", "mergers_intervals.csv", "mergers_intervals.da.csv"} <= there
        assert {f"{name}.csv" for name in names} <= there
    for path in (tmp_path / "en").glob("*[!a].csv"):
        assert pd.read_csv(path)["simulated"].all()
    told = json.loads((tmp_path / "en" / "manifest.json").read_text(encoding="utf-8"))
    assert told["options"] == {"lang": "en", "replicates": 100, "rng": 0}
    assert told["simulated"] is True
    assert set(told["coverage"]) == {"over_time", "together"}
    with pytest.raises(SpecificationError, match="allowed are 'da', 'en'"):
        run_together_and_over_time(out=tmp_path / "de", lang="de")
    (tmp_path / "da" / "own.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="own"):
        run_together_and_over_time(out=tmp_path / "da", replicates=100)


def test_axis_and_words() -> None:
    w = wording("en")
    axis = Axis.around([-7.2, np.nan, 3.0], through=0.0)
    assert (axis.low, axis.high, axis.step) == (-8.0, 4.0, 2.0)
    assert axis.at(-8.0) == 0.0
    assert axis.at(4.0) == 100.0
    assert axis.reach(4.0, -2.0) == {"left": 50.0, "width": 50.0}
    assert [text for _, text in axis.ticks(w, through=0.0, sign=True)] == ["−8%", "−4%", "0%", "+4%"]
    assert Axis.around([], through=100.0).high > 100.0
    assert (change(w, 0.5), change(w, np.nan)) == ("−50.0%", "–")
    assert change_span(w, np.nan, 1.0) == ""
    assert [all_of(w, ["a"]), all_of(w, ["a", "b", "c"])] == ["a", "a, b and c"]
