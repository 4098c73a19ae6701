"""Pictures of periods: what the artists hold, in both languages."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

from benchmodels import FixedEffects  # noqa: E402
from benchmodels.errors import SpecificationError  # noqa: E402
from benchmodels.plots import years as plots  # noqa: E402
from benchmodels.years import by_period, forecast  # noqa: E402

YEARS = (2018, 2020, 2021)  # unevenly apart: 2018 and 2020 are two steps, 2020 and 2021 one


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def comparisons(contrast):
    rng = np.random.default_rng(1)
    unit = ["Ærø", "Læsø", *(f"enhed {i:02d}" for i in range(38))]
    own = rng.normal(size=40)
    rows = []
    for year in YEARS:
        level = 1 / (1 + np.exp(2 - 0.4 * own - 0.2 * rng.normal(size=40)))
        for need in (0, 1):
            cases = rng.integers(300, 900, 40)
            rows.append(
                pd.DataFrame(
                    {"unit": unit, "year": year, "need": need, "cases": cases, "n": rng.binomial(cases, level)}
                )
            )
    model = FixedEffects("n ~ need", unit="unit", trials="cases")
    return by_period(model, pd.concat(rows), period="year", contrast=contrast)


@pytest.fixture(scope="module")
def found():
    return forecast(comparisons("ratio"))


@pytest.fixture(scope="module")
def differences():
    return forecast(comparisons("difference"))


def artist(ax, gid):
    return next(a for a in ax.get_children() if a.get_gid() == gid)


@pytest.mark.parametrize(("earlier", "later", "lag"), [(2020, 2021, 1), (2018, 2020, 2), (2021, 2018, 3)])
def test_a_period_against_another_with_the_line_of_its_lag(found, earlier, later, lag):
    ax = plots.year_to_year(found, earlier=earlier, later=later)
    s, t = YEARS.index(earlier), YEARS.index(later)
    np.testing.assert_allclose(artist(ax, "units").get_offsets(), found.estimate[:, [s, t]])
    x, y = artist(ax, "lasts").get_data()
    g = found.autocovariances
    assert g.lags.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(y, min(g.covariance[lag] / g.covariance[0], 1.0) * x)
    np.testing.assert_allclose(*artist(ax, "unchanged").get_data())
    assert str(earlier) in ax.get_xlabel() and str(later) in ax.get_ylabel() and "log" in ax.get_xlabel()


def test_the_limits_are_those_of_the_correlation(found):
    ax = plots.year_to_year(found, earlier=2020, later=2021)
    _, lower, upper = found.autocovariances.correlation(0.95)
    points = artist(ax, "limits").get_paths()[0].vertices
    last = points[points[:, 0] == points[:, 0].max()]
    np.testing.assert_allclose(sorted({*np.round(last[:, 1] / last[:, 0], 9)}), [lower[1], upper[1]], rtol=1e-7)


def test_what_came_against_what_was_foretold(found):
    ax = plots.foretold(found, period=2021)
    frame = found.to_frame().query("period == 2021")
    low, high = frame["estimate_lower"] <= frame["estimate"], frame["estimate"] <= frame["estimate_upper"]
    drawn = {a.get_gid(): a.get_offsets() for a in ax.get_children() if a.get_gid() in ("neither", "above", "below")}
    wanted = {"neither": low & high, "above": ~high, "below": ~low}
    assert set(drawn) == {kind for kind, rows in wanted.items() if rows.any()}
    for kind, points in drawn.items():
        np.testing.assert_allclose(points, frame.loc[wanted[kind], ["forecast", "estimate"]])
    bars = np.array(artist(ax, "limits").get_segments())
    np.testing.assert_allclose(bars[:, :, 1], frame[["estimate_lower", "estimate_upper"]])


def test_units_outside_of_their_limits_are_told_apart(found):
    from dataclasses import replace

    moved, one, two = found.estimate.copy(), list(found.unit).index("Ærø"), list(found.unit).index("Læsø")
    moved[one, 2] += 5.0
    moved[two, 2] -= 5.0
    ax = plots.foretold(replace(found, estimate=moved), period=2021, highlight="Læsø")
    assert moved[one, 2] in artist(ax, "above").get_offsets()[:, 1]
    assert moved[two, 2] in artist(ax, "below").get_offsets()[:, 1]
    bold = [text.get_text() for text in ax.texts if text.get_fontweight() == "bold"]
    ring = artist(ax, "highlight").get_offsets()
    np.testing.assert_allclose(ring, [[found.forecast[two, 2], moved[two, 2]]])
    assert bold == ["Læsø"] and "Ærø" in [text.get_text() for text in ax.texts]


def test_simulated_figures_are_said_to_be_without_being_told(found):
    from dataclasses import replace

    assert not found.simulated
    for simulated in (False, True):
        made = replace(found, simulated=simulated)
        for ax in (plots.year_to_year(made, earlier=2020, later=2021), plots.foretold(made, period=2021)):
            assert ("Simulated figures" in [text.get_text() for text in ax.texts]) == simulated


def test_in_danish_and_in_per_cent(differences):
    ax = plots.year_to_year(differences, earlier=2020, later=2021, percent=True, simulated=True, lang="da")
    ax.figure.draw_without_rendering()
    assert ax.get_xlabel() == "2020: afstand fra enhedernes gennemsnit, procentpoint"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "Intet ændret" and "0," in labels[1] and labels[1].startswith("Hvad der varer ved")
    assert "Simulerede tal" in [text.get_text() for text in ax.texts]
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert any(abs(float(tick.replace("−", "-").replace(",", "."))) >= 1 for tick in ticks if tick)
    ax = plots.foretold(differences, period=2020, lang="da")
    assert ax.get_xlabel() == "Forudsagt ud fra de andre perioder"


def test_a_unit_that_is_not_known_is_not_drawn(found):
    from dataclasses import replace

    gone = found.estimate.copy()
    gone[list(found.unit).index("Ærø"), 1] = np.nan
    ax = plots.year_to_year(replace(found, estimate=gone), earlier=2020, later=2021, highlight="Ærø")
    assert len(artist(ax, "units").get_offsets()) == 39
    assert "Ærø" not in [text.get_text() for text in ax.texts]
    assert "highlight" not in [a.get_gid() for a in ax.get_children()]
    with pytest.raises(SpecificationError, match="nothing to draw"):
        plots.foretold(replace(found, estimate=np.full_like(gone, np.nan)), period=2020)


def test_what_cannot_be_drawn_is_said(found):
    with pytest.raises(SpecificationError, match=r"no period 2019.*2018, 2020"):
        plots.foretold(found, period=2019)
    with pytest.raises(SpecificationError, match="give two periods"):
        plots.year_to_year(found, earlier=2020, later=2020)
    with pytest.raises(SpecificationError, match="near: Ærø"):
        plots.foretold(found, period=2020, highlight="Æro")
    with pytest.raises(SpecificationError, match="logarithms"):
        plots.foretold(found, period=2020, percent=True)
    coming = forecast(comparisons("ratio"), of="next")
    with pytest.raises(SpecificationError, match="left out"):
        plots.foretold(coming, period="next")
