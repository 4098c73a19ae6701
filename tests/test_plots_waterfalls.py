"""Waterfalls: what the artists hold, in both languages; nothing is measured in pixels but that words fit."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

from benchmodels import FixedEffects  # noqa: E402
from benchmodels.datasets import simulate_denmark  # noqa: E402
from benchmodels.decomposition import (  # noqa: E402
    LEFT_OUT,
    Step,
    Steps,
    activity_growth,
    cost_growth,
    decompose,
    kitagawa,
)
from benchmodels.errors import SpecificationError  # noqa: E402
from benchmodels.plots.waterfalls import _SAID, waterfall  # noqa: E402


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="module")
def pupils():
    return simulate_denmark().special_education()


@pytest.fixture(scope="module")
def parts(pupils):
    model = FixedEffects("segregated ~ sex + diagnosis", unit="municipality", trials="pupils")
    return decompose(model.fit(pupils), std_error=True)


def steps(values, *, errors=None, names=None, start=0.05, end=None, word=False):
    names = [f"led {i}" for i in range(len(values))] if names is None else names
    errors = [float("nan")] * len(values) if errors is None else errors
    end = start + float(np.nansum(values)) if end is None else end
    rows = [Step(name=n, value=v, std_error=e, word=word) for n, v, e in zip(names, values, errors, strict=True)]
    first, last = (Step(name=n, value=v, total=True, word=True) for n, v in (("country", start), ("expected", end)))
    return Steps(label="Ærø", rows=(first, *rows, last))


def bars(ax, kind="part"):
    return [bar for bar in ax.patches if bar.get_gid() == kind]


def written(ax):
    return [text.get_text() for text in ax.texts if text.get_gid() == "figure"]


def named(ax):
    return [text.get_text().replace("\n", " ") for text in ax.get_yticklabels()]


def spans(ax, kind="part"):
    return [(bar.get_x(), bar.get_width()) for bar in bars(ax, kind)]


def totals(ax):
    return [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "total"]


def test_words_are_there_in_both_languages():
    assert _SAID["en"].keys() == _SAID["da"].keys()


def test_bars_lead_from_the_country_to_what_is_observed(parts):
    found = parts.steps("Ærø")
    ax = waterfall(found, percent=True, lang="da", names={"sex": "Køn", "diagnosis": "Diagnose"})
    assert named(ax)[0] == "Hele landet"
    assert named(ax)[-4:] == [
        "At enheden selv er udeladt",
        "Forventet",
        "Rest: praksis, det ikke målte, tilfældighed",
        "Observeret",
    ]
    assert set(named(ax)[1:3]) == {"Køn", "Diagnose"}
    values = {step.name: step.value for step in found.rows}
    np.testing.assert_allclose(totals(ax), [values["country"], values["expected"], values["observed"]])
    at = values["country"]
    order = [*sorted(("sex", "diagnosis"), key=lambda name: -abs(values[name])), LEFT_OUT, "practice"]
    for (start, width), name in zip(spans(ax), order, strict=True):
        assert width == pytest.approx(values[name])
        assert start == pytest.approx(at, abs=1e-12)
        at += values[name]
    errors = {step.name: step.std_error for step in found.rows}
    lines = [c.get_segments()[0] for c in ax.collections if c.get_gid() == "interval"]
    assert len(lines) == 3
    reach = lines[-1][1, 0] - lines[-1][0, 0]
    assert reach == pytest.approx(2 * 1.959964 * errors["practice"], rel=1e-6)
    assert "95 %-intervaller" in ax.get_xlabel()
    assert "største først" in ax.get_xlabel()
    assert any(text.get_gid() == "simulated" for text in ax.texts)
    assert written(ax)[0] == f"{100 * values['country']:.2f}".replace(".", ",")


def test_terms_beyond_most_are_gathered_and_counted():
    values = np.linspace(-0.02, 0.03, 30)
    names = [f"Forældrenes højeste fuldførte uddannelse, gruppe {i}" for i in range(30)]
    ax = waterfall(steps(values, names=names), most=6, lang="da")
    assert len(bars(ax)) == 5
    ((_, width),) = spans(ax, "gathered")
    largest = sorted(values, key=abs, reverse=True)[:5]
    np.testing.assert_allclose([w for _, w in spans(ax)], largest)
    assert width == pytest.approx(values.sum() - sum(largest))
    assert "Øvrige (25 led)" in named(ax)
    # One that fits is not gathered alone.
    assert not bars(waterfall(steps(values[:6]), most=6), "gathered")
    figure = ax.figure
    figure.draw_without_rendering()
    for label in ax.get_yticklabels():
        assert label.get_window_extent().x0 >= 0
    for text in ax.texts:
        assert text.get_window_extent().x1 <= figure.bbox.x1


def test_parts_that_are_not_known_are_what_is_left_together():
    homes = pd.DataFrame({"year": [2018, 2021], "cost": [100.0, 109.0], "persons": [27100, 28000], "p": [1.0, np.nan]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cost_growth(homes, cost="cost", recipients="persons", period="year", price="p")
    ax = waterfall(found.steps(), lang="da", labels={"measure": "mio. kr."})
    ((start, width),) = spans(ax, "unsplit")
    assert (start, width) == pytest.approx((103.412, 5.588), abs=1e-3)
    assert "Enhedsudgift + Priser og lønninger (kendes ikke hver for sig)" in named(ax)
    assert written(ax) == ["100,00", "+3,41", "+5,59", "109,00"]
    assert ax.get_xlabel() == "mio. kr."
    # The end is not known either: no bar, and it says so.
    ax = waterfall(steps([0.01, np.nan], end=np.nan))
    assert not bars(ax, "unsplit")
    assert written(ax) == ["0.0500", "+0.0100", "not known", "not known"]


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-18, 0.0], [1e12, -3e12], [-1e-9, -2e-9], [5.0]])
def test_gaps_of_every_size(values):
    ax = waterfall(steps(values, start=0.0))
    low, high = ax.get_xlim()
    assert np.isfinite([low, high]).all()
    assert high > low
    ax.figure.draw_without_rendering()


def test_zero_is_written_without_a_sign():
    assert written(waterfall(steps([0.02, 0.0, -0.01]))) == ["0.0500", "+0.0200", "−0.0100", "0.0000", "0.0600"]


def test_kitagawa_in_english(pupils):
    found = kitagawa(pupils, unit="municipality", cells=["sex", "diagnosis"], outcome="segregated", size="pupils")
    ax = waterfall(found.steps("Lolland"), percent=True)
    assert named(ax) == ["All others together", "Composition", "Rates, people alike", "Observed"]
    assert "per cent" in ax.get_xlabel()
    assert "largest first" not in ax.get_xlabel()
    assert ax.get_title(loc="left") == "Lolland"


def test_a_term_may_have_the_name_of_a_word():
    ax = waterfall(steps([0.01, 0.02], names=["practice", "$x$"]), lang="da")
    assert named(ax)[1:3] == ["$x$", "practice"]
    ax.figure.draw_without_rendering()


def test_what_cannot_be_drawn(parts):
    with pytest.raises(SpecificationError, match="waterfall draws Steps.*found Decomposition"):
        waterfall(parts)
    with pytest.raises(SpecificationError, match=r"names has \['age'\]"):
        waterfall(parts.steps("Ærø"), names={"age": "Alder"})
    with pytest.raises(SpecificationError, match="most=0"):
        waterfall(parts.steps("Ærø"), most=0)
    with pytest.raises(SpecificationError, match="one too many"):
        waterfall(parts.steps("Ærø"), percent=True, scale=2.0)
    for scale in (0.0, np.nan, "a thousand"):
        with pytest.raises(SpecificationError, match="scale="):
            waterfall(parts.steps("Ærø"), scale=scale)
    with pytest.raises(SpecificationError, match="lang='sv'"):
        waterfall(parts.steps("Ærø"), lang="sv")
    with pytest.raises(SpecificationError, match="nothing to draw"):
        waterfall(steps([np.nan], start=np.nan, end=np.nan))


def test_the_series_of_all_is_named_in_the_language_of_the_picture():
    table = pd.DataFrame({"age": ["young", "old"] * 2, "year": [1, 1, 2, 2], "people": [10.0, 20, 10, 30]})
    table["visits"] = [5.0, 20, 6, 40]
    found = activity_growth(table, activity="visits", population="people", group="age", period="year")
    for lang, title in (("da", "I alt"), ("en", "Total")):
        assert waterfall(found.steps("(total)"), lang=lang).get_title(loc="left") == title
    assert waterfall(found.steps("old")).get_title(loc="left") == "old"
