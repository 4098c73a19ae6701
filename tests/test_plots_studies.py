"""Pictures of courses of absence and of contributions to growth: what is drawn is what was found."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets import expenditure_midtjylland
from benchmodels.errors import SpecificationError
from benchmodels.expenditure import REST, contributions
from benchmodels.plots.courses import courses as draw_courses
from benchmodels.plots.expenditure import contributions as draw_contributions
from tests.test_courses import FOUR, GRADUAL, PASSING, SUDDEN, WELL, courses, rows
from tests.test_plots import artist, said, ticks


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def bars(ax, gid):
    return [(bar.get_x(), bar.get_width()) for bar in ax.patches if bar.get_gid() == gid]


def divided(*tables):
    table = expenditure_midtjylland()
    table = table[table["table"].isin(tables)]
    return contributions(table, value="dkk_1000", item="item", period="year", total="I alt", by=["area"])


@pytest.mark.parametrize(("of", "parts"), [("onset", ["sudden", "gradual"]), ("duration", ["transient", "permanent"])])
@pytest.mark.parametrize("lang", ["en", "da"])
def test_courses_by_unit(of, parts, lang):
    table = rows(*FOUR, ("Fanø", 9, WELL))
    table.attrs = {"simulated": True}
    found = courses(table)
    ax = draw_courses(found, of=of, lang=lang, highlight="Ærø")
    shares = found.shares().sort_values("high", ascending=False)
    assert shares["unit"].tolist() == ["Ballerup", "Ærø", "Fanø"] == ticks(ax.yaxis)
    left = np.zeros(3)
    for name in parts:
        expected = shares[name].to_numpy()
        np.testing.assert_allclose(bars(ax, name), np.column_stack([left, expected]), atol=1e-12)
        left = left + expected
    np.testing.assert_allclose(left, shares["high"])
    segments = np.array([s[:, 0] for s in artist(ax, "interval").get_segments()])
    np.testing.assert_allclose(segments, shares[["lower", "upper"]])
    words = said(ax)
    assert len(words) == 2 + 3
    assert {"en": "above 10%, per cent", "da": "over 10 % fravær, procent"}[lang] in ax.get_xlabel()
    assert {"en": "95% interval", "da": "95 %-interval"}[lang] in ax.get_xlabel()
    assert [label.get_fontweight() for label in ax.get_yticklabels()] == ["normal", "bold", "normal"]
    assert artist(ax, "simulated") is not None
    assert len({bar.get_hatch() for bar in ax.patches}) == 2


def test_courses_of_one_of_several_years():
    two = pd.concat([rows(*FOUR).assign(år=2023), rows(("Ærø", 1, GRADUAL), ("Ærø", 2, PASSING)).assign(år=2024)])
    found = courses(two, year="år")
    ax = draw_courses(found, year=2024)
    assert ticks(ax.yaxis) == ["Ærø"]
    assert bars(ax, "gradual") == [(0.5, 0.5)]
    with pytest.raises(SpecificationError, match="year=None; the courses are of 2023, 2024: give one"):
        draw_courses(found)
    with pytest.raises(SpecificationError, match="of one year"):
        draw_courses(courses(rows(*FOUR)), year=2023)
    with pytest.raises(SpecificationError, match="of='month'"):
        draw_courses(found, of="month", year=2024)
    with pytest.raises(SpecificationError, match="highlight='Herning'"):
        draw_courses(found, year=2024, highlight="Herning")
    with pytest.raises(SpecificationError, match="lang='de'"):
        draw_courses(found, year=2024, lang="de")


def test_nobody_has_high_absence():
    ax = draw_courses(courses(rows(("Ærø", 1, WELL))))
    assert not ax.patches
    assert len(artist(ax, "interval").get_segments()) == 1


@pytest.mark.parametrize("lang", ["en", "da"])
def test_contributions_of_two_areas(lang):
    table = divided(1, 2)
    ax = draw_contributions(table, item="item", by="area", lang=lang)
    for area in ("landsplan", "Midtjylland"):
        own = table[table["area"] == area].set_index("item")["contribution"].drop([REST])
        drawn = [width for _, width in bars(ax, area)]
        assert sorted(drawn) == pytest.approx(sorted(own), rel=1e-12)
        assert drawn[-1] == own["I alt"]
    first = [width for _, width in bars(ax, "landsplan")][:-1]
    assert first == sorted(first, reverse=True)
    assert ticks(ax.yaxis)[0] == "Botilbudslignende tilbud"
    assert ticks(ax.yaxis)[-1] == {"en": "Total", "da": "I alt"}[lang]
    figures = [a.get_text() for a in ax.texts if a.get_gid() == "figure"]
    assert {"en": {"+9.7", "+10.9", "−0.7"}, "da": {"+9,7", "+10,9", "−0,7"}}[lang] <= set(figures)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["landsplan", "Midtjylland"]
    assert len({bar.get_hatch() for bar in ax.patches}) == 2


def test_what_is_not_known_is_said_and_in_the_rest():
    ax = draw_contributions(divided(6), item="item")
    names = ticks(ax.yaxis)
    assert names[-3].replace("\n", " ") == "Afgørelser efter lov om bekæmpelse af ungdomskriminalitet"
    assert names[-2].startswith("Rest: not known in both")
    figures = [a.get_text() for a in ax.texts if a.get_gid() == "figure"]
    assert figures[-3:] == ["not known in both periods", "+2.3", "+1.4"]
    assert ax.get_legend() is None
    assert len(bars(ax, "")) == len(names) - 1


def test_what_cannot_be_drawn():
    with pytest.raises(SpecificationError, match="more than once; give by="):
        draw_contributions(divided(1, 2), item="item")
    with pytest.raises(SpecificationError, match="no columns 'contribution', 'growth'"):
        draw_contributions(expenditure_midtjylland(), item="item")
    with pytest.raises(SpecificationError, match="no columns"):
        draw_contributions([1], item="item")
    many = pd.concat([divided(2).assign(area=name) for name in "abcde"])
    with pytest.raises(SpecificationError, match="5 areas in 'area'; at most 4"):
        draw_contributions(many, item="item", by="area")


def test_axes_that_are_given_are_drawn_on():
    _, both = plt.subplots(1, 2)
    assert draw_contributions(divided(2), item="item", ax=both[0]) is both[0]
    assert draw_courses(courses(rows(("Ærø", 1, SUDDEN))), ax=both[1]) is both[1]
