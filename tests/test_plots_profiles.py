"""Pictures of one unit over several outcomes, and of a unit among its peers."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.peer_comparison import compare_within_peers
from benchmodels.peers import find_peers
from benchmodels.plots import profiles as drawn
from benchmodels.profiles import profile
from tests.test_flags import make


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def line(ax, gid):
    found = [a for a in ax.get_lines() if a.get_gid() == gid]
    return np.column_stack(found[0].get_data()) if found else np.empty((0, 2))


def bars(ax, gid):
    found = [a for a in ax.collections if a.get_gid() == gid]
    return np.array(found[0].get_segments()) if found else np.empty((0, 2, 2))


def said(ax):
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    return " | ".join([*texts, *(t.get_text() for t in ax.texts), ax.get_xlabel(), ax.get_title(loc="left")])


def record(k=25, **rest):
    rng = np.random.default_rng(1)
    away = rng.normal(size=(k, 3))
    away[4] = [9.0, -9.0, 0.1]
    outcomes = {name: make(away[:, j], np.ones(k), **rest) for j, name in enumerate(["fravær", "trivsel", "udgift"])}
    outcomes["trivsel"] = replace(outcomes["trivsel"], better="high")
    return profile(outcomes)


@pytest.mark.parametrize("lang", ["en", "da"])
def test_a_row_an_outcome_with_its_interval_and_verdict(lang):
    found = record()
    ax = drawn.profile(found, unit="Enhed 4", lang=lang, labels={"fravær": "Højt fravær"})
    own = found.of("Enhed 4")
    for row, verdict in enumerate(["above", "below", "not different"]):
        np.testing.assert_allclose(line(ax, verdict), [[own["standardised"][row], row]])
        ends = bars(ax, f"interval {verdict}")[0][:, 0]
        np.testing.assert_allclose(ends, [own["standardised_lower"][row], own["standardised_upper"][row]])
    others = line(ax, "others")
    assert len(others) == 24 * 3
    assert (np.abs(others[:, 1] - np.round(others[:, 1])) < 0.2).all()
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0] == "Højt fravær"
    assert names[1] == {"en": "trivsel\n(high is better)", "da": "trivsel\n(højt er bedst)"}[lang]
    assert {"en": "together at 95% (Holm)", "da": "på én gang, 95 % (Holm)"}[lang] in said(ax)
    assert ax.get_title(loc="left") == "Enhed 4"
    low, high = ax.get_ylim()
    assert low > high


def test_what_is_lacking_is_said_and_simulated_too():
    found = record()
    outcomes = {"a": make(np.zeros(9) + 1, np.ones(9)), "b": make(np.arange(8.0), np.ones(8))}
    outcomes["a"] = replace(outcomes["a"], source=replace(outcomes["a"].source, simulated=True))
    ax = drawn.profile(profile(outcomes, multiplicity="fdr"), unit="Enhed 8")
    assert "no figure" in said(ax) and "Simulated" in said(ax) and "5% of them expected to be wrong" in said(ax)
    with pytest.raises(SpecificationError, match="unit='Ribe' is not among the 25 units, such as Enhed 0"):
        drawn.profile(found, unit="Ribe")
    with pytest.raises(SpecificationError, match="the outcomes are 'fravær'"):
        drawn.profile(found, unit="Enhed 1", labels={"x": "y"})


def test_a_long_name_leaves_room_for_what_it_names():
    name = "a" * 60 + " in the school year that ended last, of all pupils"
    found = drawn.profile(record(), unit="Enhed 4", labels={"fravær": name})
    assert max(map(len, found.get_yticklabels()[0].get_text().splitlines())) <= 30
    found.figure.canvas.draw()
    assert found.get_position().width > 0.4


def test_title_and_legend_do_not_meet():
    ax = drawn.profile(record(), unit="Enhed 4")
    ax.figure.draw_without_rendering()
    title = next(t for t in ax.get_children() if getattr(t, "get_text", str)() == "Enhed 4")
    assert not title.get_window_extent().overlaps(ax.get_legend().get_window_extent())


def among(better=None, weights="precision"):
    rng = np.random.default_rng(2)
    estimate = rng.normal(size=12)
    estimate[3] = 6.0
    comparison = make(0.01 * estimate, np.full(12, 0.005), better=better)
    group = find_peers(pd.DataFrame({"unit": comparison.unit, "x": np.arange(12.0)}), ["x"], unit="unit", k=4)
    return compare_within_peers(comparison, group, weights=weights)


@pytest.mark.parametrize(("lang", "better"), [("en", None), ("da", "low")])
def test_a_unit_among_its_peers(lang, better):
    found = among(better)
    ax = drawn.among_peers(found, unit="Enhed 3", lang=lang, percent=True)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert set(names) == {"Enhed 3", *found.peers[3]}
    values = [found.estimate[int(name.split()[1])] for name in names]
    assert values == sorted(values, reverse=better is None)
    own = names.index("Enhed 3")
    np.testing.assert_allclose(line(ax, "unit"), [[found.estimate[3], own]])
    ends = bars(ax, "interval unit")[0][:, 0]
    np.testing.assert_allclose(ends, [found.comparison.lower[3], found.comparison.upper[3]])
    assert len(line(ax, "peer")) == 4
    assert line(ax, "mean")[0, 0] == pytest.approx(found.peer_mean[3])
    assert ax.get_yticklabels()[own].get_fontweight() == "bold"
    place = {"en": "number 1 of 5", "da": "nummer 5 af 5"}[lang]
    assert place in said(ax)
    assert {"en": "Above its peers", "da": "Over de sammenlignelige"}[lang] in said(ax)
    assert {"en": "weighted by precision", "da": "vægtet efter sikkerhed"}[lang] in said(ax)
    assert {"en": "percentage points", "da": "procentpoint"}[lang] in said(ax)
    told = f"{100 * found.difference[3]:.1f}"
    assert (told if lang == "en" else told.replace(".", ",")) in said(ax)


def test_who_is_not_held_against_anybody_is_not_drawn():
    found = among()
    found = replace(found, difference=np.where(np.arange(12) == 5, np.nan, found.difference))
    with pytest.raises(SpecificationError, match="not held against any peer"):
        drawn.among_peers(found, unit="Enhed 5")
    with pytest.raises(SpecificationError, match="one too many"):
        drawn.among_peers(found, unit="Enhed 3", percent=True, scale=2.0)


def test_no_verdict_is_drawn_as_none():
    found = replace(among(), verdict=np.full(12, "withheld", dtype=object))
    assert "No verdict" in said(drawn.among_peers(found, unit="Enhed 3"))
