"""Pictures of diagnostics: what the artists hold, in both languages; nothing is measured in pixels."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from benchmodels.errors import DataError, SpecificationError  # noqa: E402
from benchmodels.plots import diagnostics as plots  # noqa: E402

NAMES = ["Ærø", "Læsø", "Aabenraa", "Høje-Taastrup", "København", "Faaborg-Midtfyn", "Sorø", "Køge", "Århus"]


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def influence():
    steps = [0.1, -0.2, 0.9, -0.8, 0.3, np.nan, 0.0, 0.65, -0.66]
    leverage = [0.1, 0.05, 0.2, 0.15, 0.1, 0.1, 0.1, 0.1, 0.1]
    return pd.DataFrame({"unit": NAMES, "dfbetas": steps, "name": "x", "leverage": leverage})


def overlap():
    return pd.DataFrame(
        {"unit": NAMES, "size": np.geomspace(100, 90_000, 9), "overlap": [0.6, np.nan, *np.linspace(0.8, 1, 7)]}
    )


def subgroups():
    frame = pd.MultiIndex.from_product([NAMES, ["ung", "gammel"]], names=["unit", "group"]).to_frame(index=False)
    ratio = np.geomspace(0.25, 4.0, 18)
    frame = frame.assign(observed=100 * ratio, expected=100.0, ratio=ratio, lower=ratio * 0.8, upper=ratio * 1.25)
    frame.loc[4, ["ratio", "lower", "upper"]] = np.nan
    return frame.drop(index=7)


DRAWN = [(plots.influence, influence), (plots.overlap, overlap), (plots.subgroups, subgroups)]


def artist(ax, gid):
    found = [a for a in ax.get_children() if a.get_gid() == gid]
    return found[0] if found else None


def points(ax, gid):
    return np.asarray(artist(ax, gid).get_offsets())


def written(ax):
    return {text.get_text() for text in ax.texts}


@pytest.mark.parametrize("lang", ["en", "da"])
@pytest.mark.parametrize(("draw", "make"), DRAWN)
def test_given_axes_are_used_pyplot_is_not_and_the_frame_stays(draw, make, lang):
    frame, before = make(), make()
    ax = Figure(figsize=(6, 5)).add_subplot()
    assert draw(frame, ax=ax, lang=lang, highlight="Sorø") is ax
    ax.figure.canvas.draw()
    assert plt.get_fignums() == []
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(("draw", "make"), DRAWN)
def test_what_cannot_be_drawn(draw, make):
    frame = make()
    with pytest.raises(DataError, match=frame.columns[-1]):
        draw(frame.drop(columns=frame.columns[-1]))
    with pytest.raises(SpecificationError, match="nothing to draw"):
        draw(frame.assign(dfbetas=np.nan, overlap=np.nan, ratio=np.nan))
    with pytest.raises(SpecificationError, match="near: Sorø"):
        draw(frame, highlight="Soro")


def test_influence_marks_what_is_beyond_the_guide():
    ax = plots.influence(influence(), lang="da")
    np.testing.assert_allclose(points(ax, "above"), [[0.2, 0.9]])
    np.testing.assert_allclose(points(ax, "below"), [[0.15, -0.8]])
    # 2 / √9 = 0.667: just inside.
    assert len(points(ax, "neither")) == 6
    guides = sorted(line.get_ydata()[0] for line in ax.lines if line.get_gid() == "guide")
    np.testing.assert_allclose(guides, [-2 / 3, 2 / 3])
    assert {"Aabenraa", "Høje-Taastrup"} == written(ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Over 2 / √9", "Under −2 / √9", "Imellem"]
    assert "Køge" in written(plots.influence(influence(), highlight="Køge"))


def test_overlap_names_the_most_isolated():
    ax = plots.overlap(overlap(), lang="da")
    np.testing.assert_allclose(points(ax, "neither")[:, 1], overlap()["overlap"].dropna())
    assert ax.get_xscale() == "log"
    assert "Ærø" in written(ax)
    assert "Læsø" not in written(ax)
    assert ax.get_ylabel().replace("\n", " ") == "Andel af sammensætningen, som andre også har, procent"


def test_subgroups_are_sorted_and_marked():
    frame = subgroups()
    ax = plots.subgroups(frame, lang="da", highlight="Sorø")
    field = artist(ax, "ratio").get_array()
    assert field.shape == (9, 2)
    total = frame.groupby("unit")[["observed", "expected"]].sum()
    order = (total["observed"] / total["expected"]).sort_values(ascending=False).index.tolist()
    ax.figure.canvas.draw()
    assert [t.get_text() for t in ax.get_yticklabels()] == order
    at = {name: i for i, name in enumerate(order)}
    for _, row in frame.iterrows():
        value = field[at[row["unit"]], ["ung", "gammel"].index(row["group"])]
        if np.isnan(row["ratio"]):
            assert value is np.ma.masked
        else:
            assert value == pytest.approx(np.clip(np.log2(row["ratio"]), -1, 1))
    # An empty field: the row that was dropped.
    assert field[at["Høje-Taastrup"], 1] is np.ma.masked
    assert len(points(ax, "above")) == (frame["lower"] > 1).sum()
    assert len(points(ax, "below")) == (frame["upper"] < 1).sum()
    np.testing.assert_allclose(points(ax, "withheld"), [[0, at["Aabenraa"]]])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["ung", "gammel"]
    assert artist(ax, "highlight") is not None
    bar = ax.figure.axes[1]
    assert [t.get_text() for t in bar.get_yticklabels()] == ["0,5", "0,7", "1,0", "1,4", "2,0"]


def test_a_ratio_of_zero_has_the_colour_of_the_end():
    frame = subgroups().assign(lower=0.0)
    frame.loc[0, ["observed", "ratio"]] = 0.0
    ax = plots.subgroups(frame)
    assert artist(ax, "ratio").get_array().min() == -1.0


@pytest.mark.parametrize(("draw", "frame"), DRAWN)
def test_simulated_figures_are_told_along_the_edge(draw, frame):
    for simulated in (False, True):
        ax = draw(frame(), simulated=simulated, lang="da")
        told = [text.get_text() for text in ax.texts if text.get_gid() == "simulated"]
        assert told == ["Simulerede tal"] * simulated
        ax.figure.canvas.draw()


def test_overlap_has_own_word_for_size():
    assert plots.overlap(overlap(), labels={"size": "Elever"}).get_xlabel() == "Elever"
    with pytest.raises(SpecificationError, match="labels"):
        plots.overlap(overlap(), labels={"measure": "%"})
