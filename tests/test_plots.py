"""Pictures: what the artists hold, in both languages; nothing is measured in pixels."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from benchmodels import plots  # noqa: E402
from benchmodels.comparison import Comparison, Source  # noqa: E402
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError  # noqa: E402
from benchmodels.flags import flag, reference_distribution  # noqa: E402
from benchmodels.plots.texts import _WORDS, number, percentage  # noqa: E402
from benchmodels.ranking import rank  # noqa: E402

NAMES = ["Ærø", "Læsø", "Aabenraa", "Høje-Taastrup", "København", "Faaborg-Midtfyn", "Sorø", "Køge"]


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def make(k=40, *, seed=1, withheld=(), contrast="difference", **rest):
    rng = np.random.default_rng(seed)
    unit = NAMES[:k] + [f"Kommune {i}" for i in range(len(NAMES), k)]
    size = np.exp(rng.normal(8.5, 1.2, k))
    s0 = np.sqrt(0.05 * 0.95 / size) * rng.uniform(0.9, 1.1, k)
    null = {"difference": 0.0, "ratio": 1.0, "rate": 0.05}[contrast]
    s0 = s0 * {"difference": 1.0, "ratio": 20.0, "rate": 1.0}[contrast]
    estimate = rng.normal(null, 2.5 * s0)
    noise = s0**2
    noise[list(withheld)] = s0[list(withheld)] = np.nan
    values = {
        "unit": unit,
        "size": size,
        "observed": estimate,
        "expected": np.ones(k),
        "estimate": estimate,
        "lower": estimate - 2 * np.sqrt(noise),
        "upper": estimate + 2 * np.sqrt(noise),
        "noise": noise,
        "shared": np.zeros((k, 0)),
        "core": np.zeros((0, 0)),
        "null": null,
        "null_std_error": s0,
        "null_kind": "sampling",
        "df": np.full(k, np.inf),
        "overlap": np.full(k, np.nan),
        "withheld": np.where(np.isnan(noise), "one cluster", ""),
        "standard": "direct",
        "contrast": contrast,
        "reference": "others",
        "level": 0.95,
        "better": None,
        "source": Source(model="m", version="0", rows_read=k, rows_dropped=0, noise="counts"),
    }
    return Comparison(**(values | rest))


def artist(ax, gid):
    found = [a for a in ax.get_children() if a.get_gid() == gid]
    return found[0] if found else None


def points(ax, gid):
    found = artist(ax, gid)
    return np.empty((0, 2)) if found is None else np.asarray(found.get_offsets())


def said(ax):
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    return [*legend, ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")]


def ticks(axis):
    axis.figure.canvas.draw()
    return [label.get_text() for label in axis.get_ticklabels()]


def bins():
    expected = np.linspace(0.01, 0.1, 10)
    observed = expected + np.r_[np.zeros(8), 0.02, -0.02]
    return pd.DataFrame(
        {
            "bin": range(1, 11),
            "size": 100,
            "expected": expected,
            "observed": observed,
            "lower": observed - 0.01,
            "upper": observed + 0.01,
        }
    )


def test_importing_plots_does_not_import_matplotlib():
    code = "import sys, benchmodels.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("lang", ["en", "da"])
def test_given_axes_are_used_and_pyplot_is_not(lang):
    c = make()
    ranking = rank(c, draws=500)
    for draw in (
        lambda ax: plots.funnel(c, ax=ax, lang=lang, highlight="Ærø"),
        lambda ax: plots.caterpillar(c, ax=ax, lang=lang, highlight="Ærø"),
        lambda ax: plots.rank_sets(ranking, ax=ax, lang=lang, highlight="Ærø"),
        lambda ax: plots.calibration(bins(), ax=ax, lang=lang),
    ):
        ax = Figure(figsize=(6, 5)).add_subplot()
        assert draw(ax) is ax
        ax.figure.canvas.draw()
    assert plt.get_fignums() == []


# ---------------------------------------------------------------- funnel


@pytest.mark.parametrize("method", ["tau", "phi", "plain"])
def test_funnel_draws_every_unit_by_its_own_limits(method):
    c = make(withheld=(3, 5))
    ax = plots.funnel(c, reference_distribution(c, method=method))
    verdict = flag(c, method=method).unusual
    for gid, word in (("above", "above"), ("below", "below"), ("neither", "not unusual"), ("withheld", "withheld")):
        rows = verdict == word
        np.testing.assert_array_equal(points(ax, gid), np.column_stack([c.size, c.estimate])[rows])
    assert len({tuple(artist(ax, g).get_paths()[0].vertices.ravel()) for g in ("above", "below", "neither")}) == 3


def test_funnel_curves_are_the_limits_at_typical_standard_errors():
    c = make()
    reference = reference_distribution(c, level=0.9)
    ax = plots.funnel(c, reference)
    for level in (0.9, 0.998):
        lower, upper = artist(ax, f"lower {level}"), artist(ax, f"upper {level}")
        expected = reference.limits_at(reference.std_error_at(upper.get_xdata()), level=level)
        np.testing.assert_allclose([lower.get_ydata(), upper.get_ydata()], expected)
    assert {"90% limits", "99.8% limits"} <= set(said(ax))


def test_funnel_draws_own_limits_where_the_curve_would_mislead():
    c = make()
    s0 = c.null_std_error.copy()
    s0[10] *= 5  # knows much less than others of its size
    estimate = c.estimate.copy()
    estimate[10] = 3.0 * c.null_std_error[10]
    odd = make(null_std_error=s0, estimate=estimate)
    reference = reference_distribution(odd, method="plain")
    bars = {tuple(np.round(s, 12).ravel()) for s in artist(plots.funnel(odd, reference), "own limits").get_segments()}
    own = np.array([[odd.size[10], reference.lower[10]], [odd.size[10], reference.upper[10]]])
    assert tuple(np.round(own, 12).ravel()) in bars


def test_funnel_says_which_reference_distribution():
    c = make()
    tau = reference_distribution(c).tau
    danish = plots.funnel(c, lang="da", percent=True).get_title(loc="left")
    assert danish == f"Referencefordeling: additiv τ = {number(100 * tau, 'da')} procentpoint; grænser 95 % og 99,8 %"
    assert "sampling noise alone" in plots.funnel(c, reference_distribution(c, method="plain")).get_title(loc="left")
    assert "φ = " in plots.funnel(c, reference_distribution(c, method="phi")).get_title(loc="left")


@pytest.mark.parametrize(
    ("lang", "label", "told"),
    [
        ("en", "95% prediction limits", "Prediction limits 95%: where a unit like the others would fall"),
        ("da", "95 %-prædiktionsgrænser", "Prædiktionsgrænser 95 %: hvor en enhed som de andre ville ligge"),
    ],
)
def test_prediction_limits_are_one_line_under_their_own_name(lang, label, told):
    c = make(null_kind="prediction", noise=np.full(40, np.nan), df=np.full(40, 37.0))
    ax = plots.funnel(c, lang=lang, highlight="Ærø")
    assert [line.get_gid() for line in ax.lines if line.get_gid()] == ["upper 0.95", "lower 0.95"]
    assert {label, told} <= set(said(ax))
    assert not any(word in text for text in said(ax) for word in ("τ", "φ", "noise", "tilfældig"))


def counted(k=40, *, contrast="ratio", seed=3, **rest):
    """Counts of few events, more varied than chance, so that their limits are not symmetric."""
    rng = np.random.default_rng(seed)
    size = np.round(np.exp(rng.normal(5.5, 1.0, k)))
    expected = size * 0.05
    observed = rng.poisson(expected * rng.gamma(8.0, 1 / 8.0, k)).astype(float)
    spread = np.sqrt(expected * 0.95)
    ratio = contrast == "ratio"
    values = {
        "size": size,
        "observed": observed,
        "expected": expected,
        "estimate": observed / expected if ratio else (observed - expected) / size,
        "null_std_error": spread / expected if ratio else spread / size,
        "standard": "indirect",
        "contrast": contrast,
    }
    return make(k, **(values | rest))


@pytest.mark.parametrize("contrast", ["ratio", "difference"])
@pytest.mark.parametrize("method", ["garwood", "beta_binomial", "negative_binomial", "empirical_null"])
def test_limits_that_are_not_symmetric_are_drawn_as_they_are(method, contrast):
    c = counted(contrast=contrast)
    reference = reference_distribution(c, method=method)
    ax = plots.funnel(c, reference, highlight="Ærø")
    lower, upper = artist(ax, "lower 0.95"), artist(ax, "upper 0.95")
    expected = reference.limits_at(reference.std_error_at(upper.get_xdata()), level=0.95)
    np.testing.assert_allclose([lower.get_ydata(), upper.get_ydata()], expected)
    up, down = upper.get_ydata() - c.null, c.null - lower.get_ydata()
    assert np.abs(up / down - 1.0).max() > 0.005
    verdict = flag(c, method=method).unusual
    for gid in ("above", "below"):
        assert len(points(ax, gid)) == (verdict == gid).sum()
    bars = [np.round(s, 10).tolist() for s in artist(ax, "own limits").get_segments()]
    assert np.round([[c.size[0], reference.lower[0]], [c.size[0], reference.upper[0]]], 10).tolist() in bars


@pytest.mark.parametrize(
    ("method", "en", "da"),
    [
        ("garwood", "exact Poisson limits", "eksakte Poissongrænser"),
        ("beta_binomial", "beta-binomial ρ = ", "betabinomial ρ = "),
        ("negative_binomial", "negative binomial κ = ", "negativ binomial κ = "),
        ("empirical_null", "practice in it; descriptive, 40 units", "praksis medregnet; kun beskrivende, 40 enheder"),
    ],
)
def test_funnel_says_which_limits_of_counts(method, en, da):
    c = counted()
    reference = reference_distribution(c, method=method)
    assert en in plots.funnel(c, reference).get_title(loc="left")
    assert da in plots.funnel(c, reference, lang="da").get_title(loc="left")


@pytest.mark.parametrize(("lang", "told"), [("en", "Simulated figures"), ("da", "Simulerede tal")])
def test_pictures_of_simulated_figures_say_so(lang, told):
    real = make()
    c = make(source=Source(model="m", version="0", rows_read=40, rows_dropped=0, noise="n", simulated=True))
    for simulated, comparison in ((False, real), (True, c)):
        drawn = [
            plots.funnel(comparison, lang=lang),
            plots.caterpillar(comparison, lang=lang),
            plots.rank_sets(rank(comparison, draws=200), lang=lang),
            plots.calibration(bins(), simulated=simulated, lang=lang),
        ]
        for ax in drawn:
            assert [text.get_text() for text in ax.texts if text.get_gid() == "simulated"] == [told] * simulated


def test_plain_limits_need_no_dispersion():
    c = make(3, withheld=(1, 2))
    reference = reference_distribution(c, method="plain")
    assert np.isnan(reference.phi)
    assert "sampling noise alone" in plots.funnel(c, reference).get_title(loc="left")


@pytest.mark.parametrize(("span", "scale"), [(10, "linear"), (30, "log")])
def test_funnel_sizes_are_logarithmic_when_they_span_much(span, scale):
    ax = plots.funnel(make(size=np.geomspace(100, 100 * span, 40)))
    assert ax.get_xscale() == scale
    low, high = ax.get_xlim()
    assert low < 100 < 100 * span < high


def test_funnel_highlights_and_names():
    c = make()
    ax = plots.funnel(c, highlight="Ærø")
    np.testing.assert_array_equal(points(ax, "highlight"), [[c.size[0], c.estimate[0]]])
    bold = [text.get_text() for text in ax.texts if text.get_fontweight() == "bold"]
    assert bold == ["Ærø"]
    unusual = set(c.unit[np.isin(flag(c).unusual, ("above", "below"))])
    assert {text.get_text() for text in ax.texts} - {"Ærø"} <= unusual


def test_funnel_names_units_it_cannot_show():
    c = make()
    estimate, size = c.estimate.copy(), c.size.copy()
    estimate[1], size[2] = np.nan, 0.0
    ax = plots.funnel(make(estimate=estimate, size=size))
    assert "not shown (no value): Læsø, Aabenraa" in ax.get_title(loc="left")


def test_ratio_axis_does_not_go_below_zero():
    c = make(contrast="ratio")
    ax = plots.funnel(make(contrast="ratio", estimate=3 * np.abs(c.estimate)))
    assert ax.get_ylim()[0] >= 0


# ---------------------------------------------------------------- one row per unit


def rows_named(ax):
    return dict(zip([t.get_text() for t in ax.get_yticklabels()], ax.get_yticks(), strict=True))


@pytest.mark.parametrize(
    ("better", "rule"), [(None, "highest on top"), ("high", "highest on top"), ("low", "lowest on top")]
)
def test_caterpillar_order_and_intervals(better, rule):
    c = make(better=better, withheld=(2,))
    ax = plots.caterpillar(c)
    named = rows_named(ax)
    assert len(named) == 40
    order = sorted(range(40), key=lambda i: c.estimate[i] if better == "low" else -c.estimate[i])
    assert [named[c.unit[i]] for i in order] == list(range(40))
    assert rule in ax.get_xlabel()
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first row is on top
    drawn = {}
    for gid, word in (("above", "above"), ("below", "below"), ("neither", "not different")):
        assert len(points(ax, gid)) == (c.different == word).sum()
        lines = artist(ax, f"interval {gid}")
        for (x0, y), (x1, _) in [] if lines is None else lines.get_segments():
            drawn[int(y)] = (x0, x1)
    for i in range(40):
        if i == 2:
            assert int(named[c.unit[i]]) not in drawn
        else:
            np.testing.assert_allclose(drawn[int(named[c.unit[i]])], (c.lower[i], c.upper[i]))
    assert points(ax, "withheld").tolist() == [[c.estimate[2], named["Aabenraa"]]]


def test_an_interval_without_an_end_runs_to_the_edge():
    c = make()
    lower = c.lower.copy()
    lower[0] = -np.inf
    ax = plots.caterpillar(make(lower=lower))
    segments = [s for g in ("above", "below", "neither") for s in artist(ax, f"interval {g}").get_segments()]
    edge = [s for s in segments if s[0, 0] == ax.get_xlim()[0]]
    assert len(edge) == 1
    assert edge[0][0, 1] == rows_named(ax)["Ærø"]


@pytest.mark.parametrize(("k", "all_named"), [(3, True), (98, True), (400, False)])
def test_names_are_all_there_or_thinned_and_told(k, all_named):
    c = make(k)
    ranking = rank(c, draws=200, level=0.9)
    last = c.unit[-1]
    for ax in (plots.caterpillar(c, highlight=last), plots.rank_sets(ranking, highlight=last)):
        named = rows_named(ax)
        assert (len(named) == k) == all_named
        assert ("one unit in" in ax.get_xlabel()) != all_named
        assert last in named
        bold = [t.get_text() for t in ax.get_yticklabels() if t.get_fontweight() == "bold"]
        assert bold == [last]
        assert ax.figure.get_size_inches()[1] <= 16.0
        ax.figure.canvas.draw()
        boxes = [t.get_window_extent() for t in ax.get_yticklabels()]
        heights = sorted((b.y0, b.y1) for b in boxes)
        # Names keep clear of each other; a box is a little taller than its letters.
        assert all(a[1] - b[0] < 0.35 * (a[1] - a[0]) for a, b in zip(heights, heights[1:], strict=False))
        assert min(b.x0 for b in boxes) >= 0


def test_rank_sets_draw_what_the_ranking_says():
    c = make(30, withheld=(4,), better="low")
    with pytest.warns(PartialResultWarning):
        ranking = rank(c, draws=500)
    ax = plots.rank_sets(ranking, highlight="Sorø", lang="da")
    frame = ranking.to_frame().dropna().set_index("unit")
    named = rows_named(ax)
    assert set(named) == set(frame.index)
    assert [u for u, _ in sorted(named.items(), key=lambda item: item[1])] == frame["rank"].sort_values().index.tolist()
    by_row = frame.loc[sorted(named, key=named.get)]
    for gid, prefix in (("marginal", ""), ("simultaneous", "simultaneous_")):
        ends = np.array([[s[0, 0], s[1, 0]] for s in artist(ax, gid).get_segments()])
        np.testing.assert_array_equal(ends, by_row[[f"{prefix}lower", f"{prefix}upper"]])
    np.testing.assert_array_equal(points(ax, "rank")[:, 0], by_row["rank"])
    assert "København" in ax.get_xlabel()
    assert "1 = lavest" in ax.get_xlabel()
    assert ticks(ax.xaxis)[0] == "1"


# ---------------------------------------------------------------- calibration


def test_calibration_points_and_verdicts():
    frame = bins().sample(frac=1.0, random_state=1)
    before = frame.copy()
    ax = plots.calibration(frame)
    np.testing.assert_allclose(points(ax, "above"), [[0.09, 0.11]])
    np.testing.assert_allclose(points(ax, "below"), [[0.1, 0.08]])
    assert len(points(ax, "neither")) == 8
    assert len(artist(ax, "interval").get_segments()) == 10
    assert ax.get_xlim() == ax.get_ylim()
    pd.testing.assert_frame_equal(frame, before)
    with pytest.raises(DataError, match="lower"):
        plots.calibration(frame.drop(columns="lower"))
    with pytest.raises(SpecificationError, match="no bin"):
        plots.calibration(frame.assign(expected=np.nan))


# ---------------------------------------------------------------- words and refusals


def test_danish_has_comma_and_letters_and_percent_changes_no_data():
    c = make()
    plain, ax = plots.caterpillar(c), plots.caterpillar(c, lang="da", percent=True)
    np.testing.assert_array_equal(points(plain, "above"), points(ax, "above"))
    first = ax.get_xlabel().splitlines()[0]
    assert first == "Forskel fra det forventede, direkte standardiseret, procentpoint"
    assert "Ærø" in rows_named(ax)
    assert "95 %-interval" in said(ax)
    values = {float(t.replace("−", "-").replace(",", ".")) for t in ticks(ax.xaxis) if t}
    assert max(values) > 1
    assert not any("." in t for t in ticks(ax.xaxis))
    assert any("." in t for t in ticks(plain.xaxis))


def test_scale_and_unit_of_measure():
    c = make()
    own = {"measure": "kr. pr. indbygger"}
    tau = reference_distribution(c).tau
    ax = plots.funnel(c, lang="da", scale=1000.0, labels=own)
    assert ax.get_ylabel() == "Forskel fra det forventede, direkte standardiseret, kr. pr. indbygger"
    assert f"τ = {number(1000 * tau, 'da')} kr. pr. indbygger;" in ax.get_title(loc="left")
    plain = plots.caterpillar(c)
    ax = plots.caterpillar(c, lang="da", scale=1000.0, labels=own)
    assert ax.get_xlabel().startswith("Forskel fra det forventede, direkte standardiseret, kr. pr. indbygger\n")
    np.testing.assert_array_equal(points(plain, "above"), points(ax, "above"))
    values = [
        [float(t.replace("−", "-")) for t in ticks(a.xaxis) if t] for a in (plain, plots.caterpillar(c, scale=1e3))
    ]
    np.testing.assert_allclose(values[1], np.multiply(values[0], 1000.0))
    ax = plots.calibration(bins(), lang="da", scale=1000.0, labels=own)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Forventet, kr. pr. indbygger", "Observeret, kr. pr. indbygger")
    drawn = [plots.calibration(bins(), scale=scale).xaxis for scale in (1.0, 1e3)]
    written = [[float(t.replace("−", "-")) for t in ticks(axis) if t] for axis in drawn]
    np.testing.assert_allclose(written[1], np.multiply(written[0], 1000.0))
    assert plots.calibration(bins()).get_xlabel() == "Expected"
    assert plots.calibration(bins(), percent=True).get_xlabel() == "Expected, per cent"
    for draw, data in ((plots.funnel, c), (plots.caterpillar, c), (plots.calibration, bins())):
        with pytest.raises(SpecificationError, match="one too many"):
            draw(data, percent=True, scale=1000.0)


def test_both_languages_have_the_same_words():
    assert _WORDS["en"].keys() == _WORDS["da"].keys()


def test_numbers():
    assert number(-1234567.0, "da", decimals=0) == "−1.234.567"
    assert number(-0.0001, "en", decimals=2) == "0.00"
    assert number(0.0, "da") == "0,00"
    assert (percentage(0.998, "da"), percentage(0.95, "en")) == ("99,8 %", "95%")


def test_own_words():
    ax = plots.funnel(make(), labels={"size": "Elever", "estimate": "Flere end ventet"})
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Elever", "Flere end ventet")
    with pytest.raises(SpecificationError, match="xlabel"):
        plots.funnel(make(), labels={"xlabel": "Elever"})
    with pytest.raises(SpecificationError, match="lang='dk'"):
        plots.caterpillar(make(), lang="dk")


def test_dollar_signs_in_labels_are_letters():
    unit = ["$a$", *make().unit[1:]]
    ax = plots.caterpillar(make(unit=unit), highlight="$a$")
    assert not any(t.get_parse_math() for t in ax.get_yticklabels())
    plots.funnel(make(unit=unit), highlight="$a$").figure.canvas.draw()


def test_unknown_unit_is_refused_with_names_near_it():
    for draw in (plots.funnel, plots.caterpillar):
        with pytest.raises(SpecificationError, match="Høje-Taastrup"):
            draw(make(), highlight="Høje Tåstrup")


def test_nothing_to_draw():
    nothing = make(5, withheld=range(5))
    empty = make(5).take(np.array([], dtype=int))
    for c in (nothing, empty):
        for draw in (plots.funnel, plots.caterpillar):
            with pytest.raises(SpecificationError):
                draw(c)
    c = make(6)
    with pytest.raises(SpecificationError, match="other units"):
        plots.funnel(c, reference_distribution(make(7)))
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("funnel", {}, "funnel takes a Comparison, and this is a DataFrame"),
        ("caterpillar", {}, "takes a Comparison"),
        ("choropleth", {}, "takes a Comparison"),
        ("rank_sets", {}, r"rank\(…\) returns; found a DataFrame"),
        ("among_peers", {"unit": "Ærø"}, "compare_within_peers"),
        ("profile", {"unit": "Ærø"}, "profile"),
        ("departures", {}, "second_step"),
        ("courses", {}, "absence_courses"),
        ("year_to_year", {"earlier": 2022, "later": 2023}, "forecast"),
        ("foretold", {"period": 2023}, "forecast"),
        ("specification_ranges", {}, r"Multiverse\(…\)\.run\(table\)"),
        ("specification_curve", {"unit": "Ærø"}, r"Multiverse\(…\)\.run\(table\)"),
    ],
)
def test_what_a_picture_cannot_draw_ends_in_what_it_does(name, more, message):
    with pytest.raises(SpecificationError, match=message):
        getattr(plots, name)(pd.DataFrame({"unit": NAMES}), **more)
    assert plt.get_fignums() == []
