"""The map: its colours, hatches and names, read from the artists."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from benchmodels import Comparison, DataError, FixedEffects, SpecificationError, datasets, plots


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    table = datasets.simulate_denmark().special_education()
    model = FixedEffects("segregated ~ sex + diagnosis", unit="municipality", trials="pupils", family="binomial")
    return model.fit(table).compare(better="low")


@pytest.fixture(autouse=True)
def closed() -> object:
    yield
    plt.close("all")


def named(ax: Axes, gid: str) -> list[object]:
    return [c for c in ax.collections if c.get_gid() == gid]


def test_a_tile_for_each_unit_coloured_by_its_estimate(comparison: Comparison) -> None:
    ax = plots.choropleth(comparison)
    (units,) = named(ax, "units")
    assert len(units.get_paths()) == 98
    red, _, blue = units.get_facecolors()[:, :3].T
    away = comparison.estimate - comparison.null
    far = np.abs(away) > 0.5 * np.quantile(np.abs(away), 0.95)
    assert ((red - blue)[far & (away > 0)] > 0.3).all()
    assert ((red - blue)[far & (away < 0)] < -0.3).all()
    # The farther from expected on one side, the stronger: monotone in the estimate.
    assert (np.diff((red - blue)[np.argsort(away)]) >= -1e-6).mean() > 0.9


def test_hatched_are_those_that_are_not_different(comparison: Comparison) -> None:
    ax = plots.choropleth(comparison)
    (hatched,) = named(ax, "not different")
    assert len(hatched.get_paths()) == (comparison.different == "not different").sum() > 0
    assert hatched.get_hatch()
    signs = [t.get_text() for t in ax.texts if t.get_text() in "▲▼"]
    assert signs.count("▲") == (comparison.different == "above").sum()
    assert signs.count("▼") == (comparison.different == "below").sum()


def test_withheld_and_absent_units_are_told_apart(comparison: Comparison) -> None:
    lost = np.zeros(98, dtype=bool)
    lost[:3] = True
    blank = {name: np.where(lost, np.nan, getattr(comparison, name)) for name in ("noise", "lower", "upper")}
    some = replace(comparison, **blank).take(np.arange(90))
    ax = plots.choropleth(some)
    (withheld,), (absent,) = named(ax, "withheld"), named(ax, "absent")
    assert len(withheld.get_paths()) == 3
    assert len(absent.get_paths()) == 8
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "Not compared" in told and "Uncertainty not known" in told


def test_units_may_be_named_by_code_or_in_other_spellings(comparison: Comparison) -> None:
    codes = replace(comparison, unit=datasets.municipality_codes(comparison.unit.tolist()).to_numpy(dtype=object))
    by_name, by_code = (named(plots.choropleth(c), "units")[0] for c in (comparison, codes))
    assert all(
        np.allclose(a.vertices, b.vertices) for a, b in zip(by_name.get_paths(), by_code.get_paths(), strict=True)
    )


def test_the_highlighted_unit_has_a_thick_edge(comparison: Comparison) -> None:
    ax = plots.choropleth(comparison, highlight="Ærø", lang="da")
    (edge,), (units,) = named(ax, "highlight"), named(ax, "units")
    place = comparison.unit.tolist().index("Ærø")
    assert np.allclose(edge.get_paths()[0].vertices, units.get_paths()[place].vertices)
    assert any(t.get_text() == "Simulerede tal" for t in ax.texts)


def test_own_outlines(comparison: Comparison) -> None:
    two = comparison.take(np.array([0, 1]))
    square = np.array([[0.0, 55.0], [1.0, 55.0], [1.0, 56.0], [0.0, 55.0]])
    outlines = {str(two.unit[0]): [square, square + 3], str(two.unit[1]): [square + 1], "elsewhere": [square - 2]}
    ax = plots.choropleth(two, outlines)
    (units,), (absent,) = named(ax, "units"), named(ax, "absent")
    assert [len(p.vertices) for p in units.get_paths()] == [8, 4]
    assert len(absent.get_paths()) == 1
    assert ax.get_aspect() == pytest.approx(1 / np.cos(np.radians(56)), rel=0.1)
    with pytest.raises(SpecificationError, match="no outline of"):
        plots.choropleth(two, {"elsewhere": [square]})
    for wrong in ("square", None, [], [square[:, :1]], [square[:2]], [square * np.nan]):
        with pytest.raises(DataError, match="outline of .* cannot be drawn"):
            plots.choropleth(two, outlines | {str(two.unit[1]): wrong})
    with pytest.raises(SpecificationError, match="choropleth takes a Comparison"):
        plots.choropleth(None, outlines)


def test_what_cannot_be_drawn(comparison: Comparison) -> None:
    nothing = replace(comparison, estimate=np.full(98, np.nan))
    with pytest.raises(SpecificationError, match="nothing to draw"):
        plots.choropleth(nothing)
    strange = replace(comparison, unit=np.array([f"hospital {i}" for i in range(98)], dtype=object))
    with pytest.raises(DataError, match=r"give outlines=\{unit: rings\}"):
        plots.choropleth(strange)
    twice = comparison.take(np.array([0, 1]))
    twice = replace(twice, unit=np.array(["København", "Københavns Kommune"], dtype=object))
    with pytest.raises(SpecificationError, match="the same municipality"):
        plots.choropleth(twice)
    with pytest.raises(SpecificationError, match="highlight"):
        plots.choropleth(comparison, highlight="Atlantis")
