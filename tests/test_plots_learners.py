"""Pictures of learners: what the artists hold, in both languages."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

from benchmodels.errors import DataError, SpecificationError  # noqa: E402
from benchmodels.plots import learners as plots  # noqa: E402


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def curve():
    units = [5.0, 5.0, 20.0, 20.0, 80.0]
    return pd.DataFrame(
        {"units": units, "repeat": [0, 1, 0, 1, 0], "deviance": [0.8, 0.9, 0.7, 0.72, 0.65], "level_deviance": 0.78}
    )


def units():
    names = ["Ærø", "Læsø", "Aabenraa", "Høje-Taastrup", "København"]
    size = np.array([10.0, 20.0, 300.0, 500.0, 6000.0])
    regression = size * [0.04, 0.05, 0.06, 0.05, 0.07]
    learner = size * [0.08, 0.05, 0.055, np.nan, 0.071]
    return pd.DataFrame({"unit": names, "size": size, "learner": learner, "regression": regression})


def artist(ax, gid):
    return next(a for a in ax.get_children() if a.get_gid() == gid)


def test_curve_holds_every_part_and_their_means():
    ax = plots.learning(curve())
    np.testing.assert_allclose(artist(ax, "part").get_offsets(), curve()[["units", "deviance"]])
    x, y = artist(ax, "mean").get_data()
    np.testing.assert_allclose(x, [5.0, 20.0, 80.0])
    np.testing.assert_allclose(y, [0.85, 0.71, 0.65])
    np.testing.assert_allclose(artist(ax, "level").get_data()[1], 0.78)
    assert ax.get_xlabel() == "Units learnt from"


def test_simulated_figures_are_said_to_be_without_being_told():
    for draw, table in ((plots.learning, curve()), (plots.learner_beside, units())):
        table.attrs = {"simulated": True}
        assert "Simulated figures" in [text.get_text() for text in draw(table).texts]


def test_curve_says_what_it_cannot_show():
    lost = curve()
    lost.loc[0, "deviance"] = np.inf
    ax = plots.learning(lost, lang="da", simulated=True)
    assert len(artist(ax, "part").get_offsets()) == 4
    assert "1 af 5 ikke vist" in ax.get_xlabel() and ax.get_xlabel().startswith("Enheder, der læres af")
    assert any("imul" in text.get_text() for text in ax.texts)
    with pytest.raises(SpecificationError, match="finite"):
        plots.learning(lost.assign(deviance=np.inf))
    for bad in (curve().drop(columns="units"), None):
        with pytest.raises(DataError, match="units"):
            plots.learning(bad)


def test_units_lie_by_what_both_expect_and_those_that_move_are_named():
    ax = plots.learner_beside(units(), highlight="København", percent=True)
    np.testing.assert_allclose(artist(ax, "above").get_offsets(), [[0.04, 0.08], [0.07, 0.071]])
    np.testing.assert_allclose(artist(ax, "below").get_offsets(), [[0.05, 0.05], [0.06, 0.055]])
    np.testing.assert_allclose(artist(ax, "alike").get_data(), [[0.04, 0.08]] * 2)
    named = {text.get_text(): text.get_fontweight() for text in ax.texts}
    np.testing.assert_allclose(artist(ax, "highlight").get_offsets(), [[0.07, 0.071]])
    assert named["København"] == "bold" and named["Ærø"] == "normal" and "Høje-Taastrup" not in named
    assert ax.get_xlabel() == "Expected by the regression, per cent"
    drawn = plots.learner_beside(units(), lang="da")
    assert drawn.get_ylabel() == "Forventet efter læringsmodellen"


def test_pictures_go_where_they_are_told_and_refuse_what_is_not_there():
    _, ax = plt.subplots()
    assert plots.learning(curve(), ax=ax) is ax
    assert plots.learner_beside(units(), ax=ax) is ax
    with pytest.raises(SpecificationError, match="highlight"):
        plots.learner_beside(units(), highlight="Atlantis")
    with pytest.raises(DataError, match=r"beside_regression\(…\)\.units.*found a dict"):
        plots.learner_beside({})
    with pytest.raises(SpecificationError, match="nothing to draw"):
        plots.learner_beside(units().assign(learner=np.nan))
    with pytest.raises(DataError, match="learner"):
        plots.learner_beside(units().drop(columns="learner"))
    with pytest.raises(DataError, match="'units'.* must be numbers"):
        plots.learning(curve().assign(units="few"))
    with pytest.raises(SpecificationError, match="lang"):
        plots.learning(curve(), lang="sv")
