"""Pictures of multiverses: the artists hold the answers."""

from dataclasses import replace

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmodels import Pooled
from benchmodels.errors import SpecificationError
from benchmodels.multiverse import Multiverse
from benchmodels.plots.multiverse_texts import MULTIVERSE_WORDS
from benchmodels.plots.multiverses import specification_curve, specification_ranges
from tests.test_multiverse import TABLE


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def result():
    main = Pooled("absent ~ girl + poor", unit="unit", trials="pupils", period="year")
    return Multiverse(main, optional=("girl", "poor"), models=("pooled", "fixed"), periods=((), (2021,), (2022,))).run(
        TABLE
    )


def artists(ax, gid):
    return [a for a in ax.get_children() if a.get_gid() == gid]


def points(ax, *gids):
    return np.concatenate([a.get_offsets() for gid in gids for a in artists(ax, gid)])


def test_curve_is_sorted_and_the_matrix_says_what_is_in(result):
    ax = specification_curve(result, "Å3")
    row = result.position("Å3")
    drawn = points(ax, "above", "below", "neither")
    drawn = drawn[np.argsort(drawn[:, 0])]
    np.testing.assert_array_equal(drawn[:, 0], np.arange(24))
    np.testing.assert_allclose(drawn[:, 1], np.sort(result.estimate[:, row]))
    main = points(ax, "main")
    assert main[0, 1] == result.estimate[result.main, row]
    below = ax.figure.axes[-1]
    names = [label.get_text() for label in below.get_yticklabels()]
    assert names == [
        "girl", "poor", "Model: one level for all", "Model: a level for each unit", "Periods: all", "Periods: 2021",
        "Periods: 2022",
    ]  # fmt: skip
    order = np.argsort(result.estimate[:, row], kind="stable")
    inside = points(below, "row 1")[:, 0].astype(int)
    formulas = result.by_specification()["formula"].to_numpy()[order]
    assert inside.tolist() == [i for i, formula in enumerate(formulas) if "poor" in formula]
    assert len(points(below, "row 4")) == 8
    assert "Not a confidence interval" in below.get_xlabel()
    assert ax.get_legend().get_title().get_text() == "Å3"


def test_curve_intervals_and_verdicts(result):
    ax = specification_curve(result, "Å3")
    row = result.position("Å3")
    ends = np.concatenate(
        [c.get_segments() for k in ("above", "below", "neither") for c in artists(ax, f"interval {k}")]
    )
    np.testing.assert_allclose(np.sort(ends[:, 0, 1]), np.sort(result.lower[:, row]))
    assert sum(len(points(ax, "above")) for _ in artists(ax, "above")) == (result.verdict[:, row] == 2).sum()


def test_curve_in_danish_with_own_names(result):
    ax = specification_curve(result, "Å0", lang="da", percent=True, names={"poor": "fattige", "2021": "skoleåret 2021"})
    names = [label.get_text() for label in ax.figure.axes[-1].get_yticklabels()]
    assert names[1] == "fattige" and "Perioder: skoleåret 2021" in names
    assert "konfidensinterval" in ax.figure.axes[-1].get_xlabel()
    assert "procentpoint" in ax.get_ylabel()


def test_curve_takes_a_subplot_and_refuses_loose_axes(result):
    figure, (left, right) = plt.subplots(1, 2)
    assert specification_curve(result, "Å0", ax=left) is left
    assert len(figure.axes) == 3
    with pytest.raises(SpecificationError, match="must be a subplot"):
        specification_curve(result, "Å0", ax=plt.figure().add_axes((0.1, 0.1, 0.5, 0.5)))


def test_curve_of_one_specification_has_no_matrix():
    alone = Multiverse(Pooled("absent ~ girl", unit="unit", trials="pupils")).run(TABLE)
    ax = specification_curve(alone, "Å0")
    assert len(ax.figure.axes) == 1 and "1 specification:" in ax.get_xlabel()


def test_what_cannot_be_drawn(result):
    with pytest.raises(SpecificationError, match="no unit 'Å9'"):
        specification_curve(result, "Å9")
    with pytest.raises(SpecificationError, match="lang"):
        specification_curve(result, "Å0", lang="no")
    with pytest.raises(SpecificationError, match="one too many"):
        specification_ranges(result, percent=True, scale=10.0)
    with pytest.raises(SpecificationError, match="highlight"):
        specification_ranges(result, highlight="Ø")


def test_ranges_hold_what_the_frame_says(result):
    ax = specification_ranges(result, highlight="Å2")
    frame = result.to_frame().sort_values("estimate", ascending=False)
    for gid, low, high in (
        ("range", "minimum", "maximum"),
        ("quartiles", "quartile_1", "quartile_3"),
        ("interval", "lower", "upper"),
    ):
        segments = np.array(artists(ax, gid)[0].get_segments())
        np.testing.assert_allclose(segments[:, 0, 0], frame[low])
        np.testing.assert_allclose(segments[:, 1, 0], frame[high])
    assert [label.get_text() for label in ax.get_yticklabels()] == frame["unit"].tolist()
    turning = [a for a in ax.get_children() if str(a.get_gid()).endswith(" turns")]
    assert sum(len(a.get_offsets()) for a in turning) == (~frame["holds"]).sum() > 0
    assert all((a.get_facecolors()[:, :3] == 1.0).all() for a in turning)
    assert "not a confidence interval" in ax.get_xlabel()


def test_a_wild_specification_does_not_hide_the_others(result):
    wild = replace(result, estimate=result.estimate.copy())
    wild.estimate[5, 2], wild.estimate[6, 3] = 40.0, -30.0
    ax = specification_ranges(wild)
    assert -2 < ax.get_xlim()[0] < ax.get_xlim()[1] < 2
    assert len(points(ax, "beyond")) == 2
    assert "Å2 (40.0)" in ax.get_xlabel() and "Å3 (−30.0)" in ax.get_xlabel()
    assert not artists(specification_ranges(result), "beyond")


def test_every_verdict_has_its_word(result):
    frame = result.to_frame()
    told = [text.get_text() for text in specification_ranges(result).get_legend().get_texts()]
    for verdict, word in (("above", "Above expected"), ("below", "Below expected")):
        assert (word in told) == (frame["verdict"] == verdict).any()
    assert len(told) == len(set(told))


def test_words_are_the_same_in_both_languages():
    assert MULTIVERSE_WORDS["en"].keys() == MULTIVERSE_WORDS["da"].keys()
