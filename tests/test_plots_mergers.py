"""Pictures of mergers, partners and gaps between kinds: what the artists hold, in both languages."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

from benchmodels.errors import PartialResultWarning, SpecificationError  # noqa: E402
from benchmodels.frontier.together import MergerGains, Metafrontier  # noqa: E402
from benchmodels.plots.merger_texts import RETURNS, SAID  # noqa: E402
from benchmodels.plots.mergers import gap_ratios, merger_parts, partners  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::benchmodels.errors.PartialResultWarning")


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(3)
    size = np.exp(rng.normal(0, 0.6, 40))
    data = pd.DataFrame({"unit": [f"Ø{i:02d}" for i in range(40)], "x": 10 * size})
    data["y"] = 5 * size**0.9 * np.exp(-np.abs(rng.normal(0, 0.3, 40)))
    data["kind"] = np.repeat(["by", "land", "ø"], [20, 16, 4])
    data.attrs["simulated"] = True
    return MergerGains(inputs=["x"], outputs=["y"], unit="unit").fit(data), data


@pytest.fixture(scope="module")
def resampled(fit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return fit[0].partners("Ø03").bootstrap(replicates=100, rng=1)


def of(ax, gid):
    return [artist for artist in (*ax.patches, *ax.lines, *ax.collections, *ax.texts) if artist.get_gid() == gid]


def test_the_words_are_there_in_both_languages():
    assert set(SAID["en"]) == set(SAID["da"])
    assert set(RETURNS["en"]) == set(RETURNS["da"]) == {"vrs", "crs", "drs", "irs", "fdh"}


@pytest.mark.parametrize("lang", ["en", "da"])
def test_a_merger_in_parts(resampled, lang):
    gains = resampled.gains
    at = int(np.flatnonzero(resampled.withheld == "")[0])
    name = gains.groups.name[at]
    ax = merger_parts(resampled, name, lang=lang)
    bars = {bar.get_y() + bar.get_height() / 2: bar for bar in ax.patches}
    ends = 100 * np.cumprod([gains.learning[at], gains.harmony[at], gains.size[at]])
    np.testing.assert_allclose(ends[-1], 100 * gains.total[at])
    for place, (start, end) in enumerate(zip([100, *ends[:-1]], ends, strict=True), start=1):
        if abs(end - start) < 1e-7:
            continue
        bar = bars[float(place)]
        np.testing.assert_allclose(sorted([bar.get_x(), bar.get_x() + bar.get_width()]), sorted([start, end]))
        assert bar.get_gid() == ("gain" if end < start else "cost")
        assert bool(bar.get_hatch()) == (end > start)
    low, high = resampled.interval
    whiskers = {float(line.get_segments()[0][0, 1]): line.get_segments()[0][:, 0] for line in of(ax, "interval")}
    np.testing.assert_allclose(whiskers[4.0], 100 * np.array([low[at, 0], high[at, 0]]))
    assert len(of(ax, "simulated")) == 1
    assert SAID[lang]["not saving"].split(":")[0] in ax.get_xlabel().replace("\n", " ")
    figures = [text.get_text() for text in of(ax, "figure")]
    assert figures[0] == ("100.0" if lang == "en" else "100,0")
    assert any(SAID[lang]["gain"] in text or SAID[lang]["cost"] in text for text in figures)


def test_a_merger_that_costs_says_so(fit):
    gains = fit[0].pairs()
    at = int(np.nanargmax(gains.size))
    ax = merger_parts(gains, gains.groups.name[at])
    assert "Size is a cost" in ax.get_xlabel()
    assert not of(ax, "interval")
    one = gains.some(np.array([at]))
    assert merger_parts(one, lang="da").get_title(loc="left") == one.groups.name[0]


def test_what_cannot_be_drawn(fit, resampled):
    gains = fit[0].pairs()
    lost = gains.groups.name[int(np.flatnonzero(gains.status != "solved")[0])]
    with pytest.raises(SpecificationError, match="infeasible"):
        merger_parts(gains, lost)
    with pytest.raises(SpecificationError, match="name the one"):
        merger_parts(gains)
    with pytest.raises(SpecificationError, match="no group"):
        merger_parts(gains, "Ø99")
    with pytest.raises(SpecificationError, match="draws Gains"):
        merger_parts(fit[0])
    with pytest.raises(SpecificationError, match="pairs with"):
        partners(gains, "Ø01")
    with pytest.raises(SpecificationError, match="most"):
        partners(resampled, "Ø03", most=0)
    with pytest.raises(SpecificationError, match="lang"):
        partners(resampled, "Ø03", lang="sv")
    with pytest.raises(SpecificationError, match="MetafrontierFit"):
        gap_ratios(fit[0])


@pytest.mark.parametrize("lang", ["en", "da"])
def test_partners(resampled, lang):
    gains = resampled.gains
    ax = partners(resampled, "Ø03", most=12, lang=lang)
    shown = [text.get_text() for text in ax.get_yticklabels()]
    best = [next(u for u in gains.groups.members(i) if u != "Ø03") for i in range(12)]
    assert shown == best
    drawn = np.concatenate([points.get_offsets() for kind in SAID["en"] for points in of(ax, kind)])
    drawn = drawn[np.argsort(drawn[:, 1])]
    np.testing.assert_allclose(drawn[:, 0], 100 * gains.by_merging[:12])
    np.testing.assert_allclose(of(ax, "total")[0].get_offsets()[:, 0], 100 * gains.potential[:12])
    known = [name in set(resampled.best()["group"]) for name in gains.groups.name[:12]]
    assert len(of(ax, "interval")) == sum(known)
    label = ax.get_xlabel().replace("\n", " ")
    assert SAID[lang]["by chance"] in label
    lost = int((~np.isfinite(gains.total)).sum())
    assert SAID[lang]["no answer"].format(n=lost, all=39) in label


def test_partners_without_intervals(fit):
    ax = partners(fit[0].partners("Ø03"), "Ø03", most=5)
    assert not of(ax, "interval")
    assert len(of(ax, "found")[0].get_offsets()) == 5


@pytest.mark.parametrize("lang", ["en", "da"])
def test_gaps_between_kinds(fit, lang):
    found = Metafrontier(inputs=["x"], outputs=["y"], unit="unit", group="kind").fit(fit[1])
    ax = gap_ratios(found, lang=lang)
    kinds = found.groups().set_index("group")
    assert [text.get_text() for text in ax.get_yticklabels()][-1] == "ø (4)"
    np.testing.assert_allclose(
        sorted(line.get_xdata()[0] for line in of(ax, "mean")), sorted(kinds["gap_ratio"].dropna())
    )
    assert sum(len(points.get_offsets()) for points in of(ax, "unit")) == 36
    assert [text.get_text() for text in of(ax, "withheld")] == [SAID[lang]["few"]]
