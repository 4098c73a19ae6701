"""Pictures of productivity: what the artists hold, in both languages."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

from benchmodels.errors import PartialResultWarning, SpecificationError  # noqa: E402
from benchmodels.frontier.productivity import HicksMoorsteen, Luenberger, Malmquist  # noqa: E402
from benchmodels.plots.productivity import productivity_of_unit, productivity_of_units  # noqa: E402

GOODS = {"inputs": ["x"], "outputs": ["y", "z"], "unit": "unit", "period": "year"}


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    unit = ["Ærø", "Læsø", *(f"enhed {i}" for i in range(10))]
    return pd.concat(
        pd.DataFrame(rng.uniform(1, 3, (12, 3)), columns=["x", "y", "z"]).assign(unit=unit, year=t) for t in range(3)
    )


@pytest.fixture(scope="module")
def drawn(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return Malmquist(**GOODS).fit(table).bootstrap(replicates=100, rng=1)


def artist(ax, gid):
    return next(a for a in ax.get_children() if a.get_gid() == gid)


@pytest.mark.parametrize(("lang", "said"), [("en", "Technical change"), ("da", "Teknisk ændring")])
def test_a_unit(drawn, lang, said):
    ax = productivity_of_unit(drawn, unit="Ærø", lang=lang, simulated=True)
    frame = drawn.to_frame().query("unit == 'Ærø' and part == 'technical_change'")
    np.testing.assert_allclose(artist(ax, "technical_change").get_offsets()[:, 1], frame["change"])
    ends = np.array([segment[:, 1] for segment in artist(ax, "technical_change interval").get_segments()])
    np.testing.assert_allclose(ends, frame[["lower", "upper"]])
    assert said in [text.get_text() for text in ax.get_legend().get_texts()]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0–1", "1–2"]
    assert artist(ax, "simulated").get_text() in ("Simulated figures", "Simulerede tal")
    assert "95" in artist(ax, "coverage").get_text()


def test_all_units_in_order(drawn, table):
    ax = productivity_of_units(drawn, earlier=1, highlight="Læsø", lang="da")
    values = artist(ax, "withheld").get_offsets()[:, 0]
    assert np.all(np.diff(values) >= 0)
    assert len(values) == 12
    bold = [label.get_text() for label in ax.get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == ["Læsø"]
    for model in (Luenberger(**GOODS), HicksMoorsteen(**GOODS), Malmquist(**GOODS)):
        found = model.fit(table)
        ax = productivity_of_units(found, earlier=0)
        kept = found.to_frame().query("`from` == 0")["index"]
        np.testing.assert_allclose(artist(ax, "known").get_offsets()[:, 0], np.sort(kept))
        productivity_of_unit(found, unit="Ærø")


def test_what_cannot_be_drawn(drawn):
    for wrong in ({"earlier": 7}, {"earlier": 0, "part": "luck"}, {"earlier": 0, "highlight": "Fanø"}):
        with pytest.raises(SpecificationError):
            productivity_of_units(drawn, **wrong)
    with pytest.raises(SpecificationError, match="^unit=.Fanø. is not among"):
        productivity_of_unit(drawn, unit="Fanø")
    with pytest.raises(SpecificationError, match="no part"):
        productivity_of_unit(drawn, unit="Ærø", parts=("luck",))
