"""Pictures of average beside best practice, and of intervals that hold less often than they say."""

from __future__ import annotations

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmodels import plots
from benchmodels.comparison import Coverage
from benchmodels.errors import SpecificationError
from benchmodels.plots import texts
from benchmodels.ranking import rank
from tests.test_plots import artist, make, points, said, ticks
from tests.test_report_uncertain import record

SEEN = Coverage(level=0.95, intervals=0.74, ranks=0.66, all_ranks=0.1, shrunken=0.5, simulated="s")
UNSEEN = replace(SEEN, intervals=math.nan, ranks=math.nan, all_ranks=math.nan)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def ends(ax, gid):
    found = artist(ax, gid)
    return None if found is None else found.get_segments()[0][:, 0].tolist()


@pytest.mark.parametrize("lang", ["en", "da"])
def test_three_rows_of_one_unit(lang):
    found = record()
    ax = plots.beside(found, unit="Aarhus", lang=lang, scale=1000.0, labels={"measure": "kr."})
    for place, name in enumerate(("observed", "expected", "attainable")):
        np.testing.assert_allclose(points(ax, name), [[getattr(found, name)[1], place]])
    assert ends(ax, "interval expected") == pytest.approx([0.063, 0.084])
    assert ends(ax, "interval attainable") == pytest.approx([0.9 * 0.06 / 1.1, 1.2 * 0.06 / 1.1])
    assert ends(ax, "interval observed") is None
    names = ticks(ax.yaxis)
    assert [name.splitlines()[-1] for name in names] == {
        "en": ["60.0", "70.0", "54.5"],
        "da": ["60,0", "70,0", "54,5"],
    }[lang]
    assert ax.get_title(loc="left") == "Aarhus"
    assert "kr." in ax.get_xlabel()
    assert {"en": "asked for at 95%;\nheld for 74% in simulations", "da": "holdt for 74 % i simuleringer"}[
        lang
    ] in ax.get_xlabel()
    assert {"en": "95% interval", "da": "95 %-interval"}[lang] in ax.get_xlabel()


def test_limits_are_called_by_their_level_only_where_it_was_reached():
    reached = plots.beside(record(coverage=replace(SEEN, intervals=0.951)), unit="Ærø").get_xlabel()
    assert "Striped: 95% limits of best practice" in reached
    assert "how often that holds is not known" in plots.beside(record(coverage=UNSEEN), unit="Ærø").get_xlabel()
    nothing = np.full(8, np.nan)
    none = plots.beside(record(attainable_lower=nothing, attainable_upper=nothing), unit="Ærø")
    assert "Striped" not in none.get_xlabel()
    assert artist(none, "interval attainable") is None


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("lang", ["en", "da"])
def test_all_units_by_the_two_factors(orientation, lang):
    found = record(orientation, simulated=True)
    ax = plots.beside(found, highlight="Aarhus", lang=lang)
    drawn = {kind: len(points(ax, kind)) for kind in ("above", "below", "neither", "withheld")}
    assert drawn == {"above": 2, "below": 2, "neither": 2, "withheld": 1}
    np.testing.assert_allclose(points(ax, "highlight"), [[found.best_to_expected[1], found.to_best[1]]])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    x, y = artist(ax, "as expected").get_data()
    np.testing.assert_allclose(np.array(x) * np.array(y), 1.0)
    say = texts.words(lang)
    corners = [f"{vertical} {side}" for vertical in ("up", "down") for side in ("left", "right")]
    assert [artist(ax, f"corner {c}").get_text() for c in corners] == [
        say[f"beside {orientation} {c}"] for c in corners
    ]
    assert artist(ax, "simulated").get_text() == say["simulated"]
    assert "0" in ticks(ax.xaxis)
    assert [text.get_text() for text in ax.texts if text.get_text() == "Aarhus"]
    low, high = ax.get_xlim()
    assert low < np.nanmin(found.best_to_expected) < np.nanmax(found.best_to_expected) < high


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(SpecificationError, match="not both"):
        plots.beside(record(), unit="Ærø", highlight="Fanø")
    with pytest.raises(SpecificationError, match="'Vejle' has no figure of best practice"):
        plots.beside(record(), unit="Vejle")
    with pytest.raises(SpecificationError, match="not among the 8 units"):
        plots.beside(record(), unit="Odense")
    with pytest.raises(SpecificationError, match="nothing to draw"):
        plots.beside(record(attainable=np.full(8, np.nan)))
    with pytest.raises(SpecificationError, match="this picture has"):
        plots.beside(record(), labels={"estimate": "x"})
    assert len(points(plots.beside(record(), highlight="Vejle"), "above")) == 2  # not known: nothing to ring


def test_one_unit_and_units_that_are_all_equal():
    one = {name: value[:1] for name, value in vars(record()).items() if isinstance(value, np.ndarray)}
    assert len(points(plots.beside(record(**one)), "above")) == 1
    same = {name: np.full(8, value) for name, value in (("to_best", 1.0), ("best_to_expected", 1.0))}
    assert len(points(plots.beside(record(**same)), "above")) == 2


@pytest.mark.parametrize("lang", ["en", "da"])
def test_intervals_that_hold_less_often_are_drawn_without_verdicts(lang):
    c = make(coverage=SEEN)
    ax = plots.caterpillar(c, lang=lang)
    shown = np.isfinite(c.lower)
    assert len(artist(ax, "interval neither").get_segments()) == shown.sum()
    assert artist(ax, "above") is None
    told = said(ax)
    assert {"en": "Estimate (no verdict)", "da": "Estimat (ingen afgørelse)"}[lang] in told
    assert {"en": "Interval asked for at 95%; held for 74% in simulations"}.get(
        lang, "Interval, der skulle holde for 95 %; holdt for 74 % i simuleringer"
    ) in told
    assert texts.words(lang)["interval"].format(level=texts.percentage(0.95, lang)) not in told
    if lang == "en":
        assert "Interval asked for at 95%; how often that holds is not known" in said(
            plots.caterpillar(make(coverage=UNSEEN))
        )
        held = make(coverage=replace(SEEN, intervals=0.96))
        assert "95% interval" in said(plots.caterpillar(held))
        assert artist(plots.caterpillar(held), "interval above") is not None


def test_nothing_but_withheld_units_is_still_refused():
    c = make(coverage=SEEN)
    nothing = np.full(len(c), np.nan)
    with pytest.raises(SpecificationError, match="nothing to draw"):
        plots.caterpillar(replace(c, lower=nothing, upper=nothing))


@pytest.mark.parametrize("lang", ["en", "da"])
def test_rank_sets_say_how_often_they_hold(lang):
    ranking = rank(make(), draws=200)
    plain = said(plots.rank_sets(ranking, lang=lang))
    told = said(plots.rank_sets(replace(ranking, coverage=SEEN), lang=lang))
    say = texts.words(lang)
    level = texts.percentage(0.95, lang)
    for key, held in (("marginal", "66"), ("simultaneous", "10")):
        assert say[key].format(level=level) in plain
        assert say[key].format(level=level) not in told
        assert [text for text in told if text.startswith(say[f"{key} asked"].split(",")[0]) and held in text]
    assert say["held unknown"] in " ".join(said(plots.rank_sets(replace(ranking, coverage=UNSEEN), lang=lang)))
