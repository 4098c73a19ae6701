"""The funnel of a second step, read from its artists."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, SecondStep, SpecificationError, datasets, plots, second_step


@pytest.fixture(scope="module")
def step() -> SecondStep:
    table = datasets.simulate_denmark().special_education()
    model = FixedEffects("segregated ~ sex + diagnosis", unit="municipality", trials="pupils", family="binomial")
    choices = datasets.municipalities().assign(inland=lambda t: t["region"] == "Midtjylland")
    return second_step(model.fit(table).compare(), choices, ["inland"], unit="municipality")


def test_units_are_what_the_regression_rests_on(step: SecondStep) -> None:
    units = step.units()
    assert len(units) == 98
    assert np.allclose(units["departure"], units["effect"] - units["fitted"])
    assert units["weight"].sum() == pytest.approx(1.0)
    # Weighted departures are uncorrelated with the columns: the normal equations of the regression.
    inland = (
        datasets.municipalities().set_index("municipality")["region"].loc[units["unit"]].to_numpy() == "Midtjylland"
    )
    assert units["weight"] @ units["departure"] == pytest.approx(0.0, abs=1e-12)
    assert (units["weight"] * inland) @ units["departure"] == pytest.approx(0.0, abs=1e-12)
    fitted = {float(step.found.coefficients[0]), float(step.found.coefficients.sum())}
    assert set(units["fitted"].round(12)) == {round(value, 12) for value in fitted}


def test_the_funnel_shows_departures_and_both_limits(step: SecondStep) -> None:
    ax = plots.departures(step, percent=True, highlight="Ærø", lang="da")
    drawn = {line.get_gid(): line for line in ax.lines if line.get_gid()}
    units = step.units()
    outer = 1.959964 * np.hypot(units["std_error"], step.tau)
    above = units["departure"] > outer
    assert drawn["above"].get_xdata() == pytest.approx(units["departure"][above])
    n = sum(len(drawn[name].get_xdata()) for name in ("above", "below", "neither") if name in drawn)
    assert n == 98
    assert drawn["highlight"].get_xdata()[0] == units.set_index("unit")["departure"]["Ærø"]
    low, high = ax.get_ylim()
    assert low > high == 0.0
    told = " ".join(text.get_text() for text in ax.get_legend().get_texts())
    assert "95 %" in told and "τ = " in told
    assert "Over de yderste grænser" in told and ax.get_ylabel() == "Standardfejl, procentpoint"
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1.0  # hides neither curve nor point
    plt.close("all")


def test_a_unit_that_is_not_there(step: SecondStep) -> None:
    with pytest.raises(SpecificationError, match="highlight"):
        plots.departures(step, highlight="Atlantis")
    with pytest.raises(SpecificationError, match="second_step.*found a NoneType"):
        plots.departures(None)
    plt.close("all")


def test_units_that_do_not_vary_say_so() -> None:
    table = pd.DataFrame({"unit": list("abcdefgh"), "o": [10.0] * 8, "e": [10.0] * 8, "choice": [0, 1] * 4})
    from benchmodels import compare_expected

    alike = second_step(
        compare_expected(table, unit="unit", observed="o", expected="e"), table, ["choice"], unit="unit"
    )
    ax = plots.departures(alike)
    assert ax.get_title(loc="left") == "Units do not vary by more than chance"
    plt.close("all")
