"""Pictures of best practice: what the artists hold, against the fits they are of; nothing is measured in pixels."""

from __future__ import annotations

import warnings
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from benchmodels import plots  # noqa: E402
from benchmodels.errors import BenchmodelsWarning, DataError, SpecificationError  # noqa: E402
from benchmodels.frontier import DEA, FDH, FRH, OrderAlpha, OrderM  # noqa: E402

NAMES = ["Ærø", "Læsø", "København", "Sorø", "Høje-Taastrup", "Faaborg-Midtfyn"]
RETURNS = ["vrs", "crs", "drs", "irs", (0.8, 1.2), (0.5, np.inf), (0.0, 1.5)]


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def tiny(**rest):
    frame = pd.DataFrame({"sted": NAMES, "udgift": [20.0, 40, 40, 60, 70, 50], "borgere": [20.0, 30, 50, 40, 60, 20]})
    frame.attrs.update(rest)
    return frame


def many(k=40, *, seed=3):
    rng = np.random.default_rng(seed)
    names = (NAMES + [f"Kommune {i}" for i in range(len(NAMES), k)])[:k]
    frame = pd.DataFrame(np.exp(rng.normal(2.0, 0.5, (k, 4))), columns=["løn", "drift", "ældre", "børn"])
    return frame.assign(sted=names)


def dea(data=None, *, inputs=("udgift",), outputs=("borgere",), **rest):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        return DEA(inputs=inputs, outputs=outputs, unit="sted", **rest).fit(tiny() if data is None else data)


def fdh(data=None, *, inputs=("udgift",), outputs=("borgere",), model=FDH, **rest):
    return model(inputs=inputs, outputs=outputs, unit="sted", **rest).fit(tiny() if data is None else data)


def four(**rest):
    return dea(many(), inputs=("løn", "drift"), outputs=("ældre", "børn"), **rest)


def artist(ax, gid):
    found = [a for a in ax.get_children() if a.get_gid() == gid]
    return found[0] if found else None


def points(ax, gid):
    found = artist(ax, gid)
    return np.empty((0, 2)) if found is None else np.asarray(found.get_offsets())


def edge(ax):
    return np.column_stack(artist(ax, "edge").get_data())


def arrows(ax):
    return sorted(tuple(a.xy) for a in ax.texts if a.get_gid() == "arrow")


def written(ax):
    return {text.get_text() for text in ax.texts}


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def bars(ax, *gids):
    return [bar.get_width() for bar in ax.patches if bar.get_gid() in (gids or ("bar", "bar off"))]


def rows(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


DRAWN = [
    (lambda fit, **rest: plots.frontier(fit, highlight="Sorø", **rest), dea),
    (lambda fit, **rest: plots.frontier(fit, highlight="Sorø", **rest), fdh),
    (lambda fit, **rest: plots.efficiencies(fit, highlight="Sorø", **rest), four),
    (lambda fit, **rest: plots.targets(fit, "Sorø", **rest), four),
    (lambda fit, **rest: plots.peers(fit, highlight="København", **rest), four),
    (lambda fit, **rest: plots.peers(fit, unit="Sorø", **rest), dea),
    (lambda fit, **rest: plots.dominance(fit, "Sorø", **rest), fdh),
    (lambda fit, **rest: plots.influence(fit.influence(), simulated=fit.goods.simulated, **rest), four),
]


@pytest.mark.parametrize("lang", ["en", "da"])
@pytest.mark.parametrize(("draw", "make"), DRAWN)
def test_given_axes_are_used_and_pyplot_is_not(draw, make, lang):
    ax = Figure(figsize=(6, 5)).add_subplot()
    assert draw(make(), ax=ax, lang=lang) is ax
    ax.figure.canvas.draw()
    assert plt.get_fignums() == []
    assert artist(ax, "simulated") is None


@pytest.mark.parametrize(("draw", "make"), DRAWN)
def test_simulated_figures_say_so(draw, make):
    if make is four:
        data = many()
        data.attrs["simulated"] = True
        fit = dea(data, inputs=("løn", "drift"), outputs=("ældre", "børn"))
    else:
        fit = make(tiny(simulated=True))
    assert artist(draw(fit, lang="da"), "simulated").get_text() == "Simulerede tal"


@pytest.mark.parametrize("returns", RETURNS)
def test_the_edge_is_what_the_fit_says_can_be_made(returns):
    fit = dea(returns=returns, orientation="output")
    line = edge(plots.frontier(fit))
    x = np.linspace(line[0, 0] + 1e-6, 75.0, 40)
    held = fit.evaluate(pd.DataFrame({"sted": [f"p{i:02}" for i in range(40)], "udgift": x, "borgere": 1.0}))
    np.testing.assert_allclose(np.interp(x, *line[1:].T), held.expansion, rtol=1e-7, atol=1e-9)


def test_the_edge_by_hand():
    np.testing.assert_allclose(edge(plots.frontier(dea()))[:-1], [[20, 0], [20, 20], [40, 50], [70, 60]])
    stairs = edge(plots.frontier(fdh()))
    steps = [[20, 0], [20, 20], [40, 20], [40, 50], [70, 50], [70, 60]]
    kept = [row for i, row in enumerate(stairs) if i == 0 or not np.allclose(row, stairs[i - 1])]
    corners = [row for i, row in enumerate(kept) if not 0 < i < len(kept) - 1 or _turns(*kept[i - 1 : i + 2])]
    np.testing.assert_allclose(corners[:-1], steps)


def _turns(a, b, c):
    return abs((b - a)[0] * (c - b)[1] - (b - a)[1] * (c - b)[0]) > 0


@pytest.mark.parametrize(
    ("inputs", "outputs", "alone", "of"),
    [(("løn", "drift"), ("børn",), "børn", ("løn", "drift")), (("løn",), ("ældre", "børn"), "løn", ("ældre", "børn"))],
)
def test_units_on_the_frontier_are_on_the_line_and_all_others_behind(inputs, outputs, alone, of):
    data = many()
    orientation = "input" if alone == "børn" else "output"
    fit = dea(data, inputs=inputs, outputs=outputs, returns="crs", orientation=orientation)
    ax = plots.frontier(fit, lang="da", highlight="Sorø")
    assert ax.get_xlabel().splitlines()[0] == f"{of[0]} pr. {alone}"
    line, sign = edge(ax), 1.0 if alone == "børn" else -1.0
    on, off = points(ax, "on"), points(ax, "off")
    assert len(on) == np.sum(np.abs(fit.efficiency - 1) < 1e-9)
    assert len(on) + len(off) == len(data)
    a, b = line[:-1], line[1:]
    for group, at in ((on, True), (off, False)):
        # Distance to each segment's line, positive away from the frontier; on the hull it is the least that counts.
        away = [_least(sign * (b - a), point - a) for point in group]
        assert np.all(np.abs(away) < 1e-9) if at else np.all(np.array(away) > 1e-9)
    row = data.set_index("sted").loc["Sorø"]
    goal = fit.targets().set_index(["unit", "good"])["target"]["Sorø"]
    np.testing.assert_allclose(arrows(ax), [[goal[of[0]] / goal[alone], goal[of[1]] / goal[alone]]])
    assert row[of[0]] / row[alone] in np.concatenate([on, off])[:, 0]


def _least(along, to):
    return np.min((along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0]) / np.linalg.norm(along, axis=1))


def test_units_outside_the_picture_are_named():
    data = many()
    data["børn"] = 10.0
    data.loc[7, "børn"] = 1e-3
    assert data["sted"][7] == "Kommune 7"
    ax = plots.frontier(dea(data, inputs=("løn", "drift"), outputs=("børn",), returns="crs"))
    assert "outside the picture: Kommune 7" in ax.get_xlabel()
    ax = plots.frontier(dea(data, inputs=("løn", "drift"), outputs=("børn",), returns="crs"), highlight="Kommune 7")
    assert "Kommune 7" not in ax.get_xlabel()


def test_numbers_on_the_axes_can_be_read_and_the_axis_says_how():
    data = many().assign(børn=lambda t: 1e5 * t["børn"])
    crs = dea(data, inputs=("løn", "drift"), outputs=("børn",), returns="crs")
    ax = plots.frontier(crs, lang="da")
    least = min(ax.get_xlim()[1], ax.get_ylim()[1])
    assert least < 0.001
    many_ = 10 ** int(np.ceil(-np.log10(least)))
    assert ax.get_xlabel().splitlines()[0] == f"løn pr. {many_:,} børn".replace(",", ".")
    assert ax.get_ylabel() == f"drift pr. {many_:,} børn".replace(",", ".")
    ticks = [ax.xaxis.get_major_formatter()(tick, None) for tick in ax.get_xticks()]
    np.testing.assert_allclose([float(t.replace(",", ".")) for t in ticks], ax.get_xticks() * many_, atol=1e-9)
    own = plots.frontier(crs, lang="da", labels={"x": "Løn", "y": "Drift"})
    tick = own.get_xticks()[1]
    assert float(own.xaxis.get_major_formatter()(tick, None).replace(",", ".")) == pytest.approx(tick)
    large = plots.frontier(dea(tiny().assign(udgift=lambda t: 1e6 * t["udgift"])), lang="da")
    assert (large.get_xlabel(), large.get_ylabel()) == ("udgift (bruges), millioner", "borgere (ydes)")
    assert large.xaxis.get_major_formatter()(20e6, None) == "20"


@pytest.mark.parametrize("lang", ["en", "da"])
def test_legends_are_no_wider_than_the_axes(lang):
    data = tiny().replace({"sted": {"Sorø": "Ringkøbing-Skjern og Omegns Fællesråd"}})
    for fit in (fdh(data), dea(data)):
        ax = plots.frontier(fit, highlight="Ringkøbing-Skjern og Omegns Fællesråd", lang=lang)
        ax.figure.draw_without_rendering()
        assert ax.get_legend().get_window_extent().x1 <= ax.get_window_extent().x1 + 1.0
    ax = plots.targets(four(), "Sorø", lang=lang)
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x1 <= ax.get_window_extent().x1 + 1.0


def test_frontier_units_are_named_and_the_highlighted_has_its_arrow():
    ax = plots.frontier(dea(), highlight="Sorø", lang="da")
    assert {"Ærø", "København", "Høje-Taastrup", "Sorø"} <= written(ax)
    assert "Læsø" not in written(ax)
    np.testing.assert_allclose(arrows(ax), [(100 / 3, 40.0)])
    assert "Sorø: til sit mål" in legend(ax)
    assert "Front, variabelt skalaafkast" in legend(ax)
    assert not arrows(plots.frontier(dea(), highlight="Ærø"))
    assert arrows(plots.frontier(fdh(), highlight="Sorø")) == [(40.0, 50.0)]
    own = plots.frontier(dea(returns=(0.8, np.inf)), lang="da", labels={"x": "Udgift", "y": "Børn"})
    assert (own.get_xlabel(), own.get_ylabel()) == ("Udgift", "Børn")
    assert "Front, vægte med en sum fra 0,800 til ∞" in legend(own)


def test_scale_does_not_matter():
    for times in (1e-8, 1e8):
        data = tiny()
        data["udgift"] *= times
        line = edge(plots.frontier(dea(data), highlight="Sorø"))
        np.testing.assert_allclose(line[:-1] / [times, 1.0], [[20, 0], [20, 20], [40, 50], [70, 60]])


def test_two_units_and_equal_units():
    data = pd.DataFrame({"sted": ["Ø", "Å"], "udgift": [2.0, 2.0], "borgere": [3.0, 3.0]})
    for returns in RETURNS:
        assert len(points(plots.frontier(dea(data, returns=returns), highlight="Å"), "on")) == 2
    assert len(points(plots.frontier(fdh(data), highlight="Å"), "on")) == 2


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (four, "do not fit in two dimensions"),
        (lambda: dea(many(), inputs=("løn", "drift"), outputs=("børn",)), "returns='crs'"),
        (lambda: fdh(many(), inputs=("løn",), outputs=("ældre", "børn")), "constant returns only"),
        (lambda: fdh(model=OrderM), "partial frontier"),
        (lambda: fdh(model=OrderAlpha), "partial frontier"),
        (lambda: dea(peers={"Sorø": ["Ærø", "København"]}), "a frontier each"),
    ],
)
def test_a_frontier_that_is_no_plane(make, why):
    with pytest.raises(SpecificationError, match=why):
        plots.frontier(make())


@pytest.mark.parametrize("orientation", ["input", "output", "graph", "directional"])
def test_efficiencies_are_the_fits_with_the_frontier_marked_and_no_order_of_names(orientation):
    fit = four(orientation=orientation)
    directional = orientation == "directional"
    distance = fit.inefficiency if directional else fit.efficiency
    ax = plots.efficiencies(fit, lang="da", highlight="Sorø")
    on, off = points(ax, "on"), points(ax, "off")
    np.testing.assert_allclose(on[:, 0], 0.0 if directional else 1.0, atol=1e-9)
    np.testing.assert_allclose(np.sort(np.vstack([on, off])[:, 0]), np.sort(distance), atol=1e-9)
    assert len(on) == np.sum(np.abs(distance - on[0, 0]) < 1e-9)
    assert artist(ax, "beyond") is None
    assert legend(ax) == [f"På fronten ({len(on)})", f"Inden for fronten ({len(off)})"]
    assert "ligger inden for den sande; støj" in ax.get_xlabel()
    assert "ingen rangering" in ax.get_xlabel()
    assert rows(ax) == []
    assert written(ax) == {"Sorø"}
    (name,) = (text for text in ax.texts if text.get_gid() == "name")
    assert name.xy[0] == pytest.approx(distance[list(fit.unit).index("Sorø")])
    assert not [text for text in plots.efficiencies(fit).texts if text.get_text()]


@pytest.mark.parametrize("k", [2, 6, 98, 400])
def test_marks_cover_no_other_of_their_level_and_all_are_in_the_picture(k):
    ax = plots.efficiencies(dea(many(k), inputs=("løn",), outputs=("børn",)), lang="da")
    ax.figure.draw_without_rendering()
    marks, size = [], []
    for gid in ("on", "off"):
        found = artist(ax, gid)
        if found is not None:
            marks.append(ax.transData.transform(points(ax, gid)))
            size += list(np.sqrt(found.get_sizes()))
    at = np.vstack(marks)
    assert len(at) == k
    box = ax.get_window_extent()
    assert np.all((at[:, 1] > box.y0) & (at[:, 1] < box.y1))
    width = min(size) * ax.figure.dpi / 72
    for level in np.unique(np.round(at[:, 1], 3)):
        along = np.sort(at[np.abs(at[:, 1] - level) < 1e-2, 0])
        assert np.all(np.diff(along) > 0.99 * width)


def test_a_partial_frontier_has_units_beyond_it():
    fit = fdh(model=OrderM, m=2)
    ax = plots.efficiencies(fit)
    assert len(points(ax, "beyond")) == np.sum(fit.efficiency > 1 + 1e-9) > 0
    assert f"Beyond the frontier ({len(points(ax, 'beyond'))})" in legend(ax)
    assert "Some of each distance is chance" in ax.get_xlabel()
    assert "the true one" not in ax.get_xlabel()


def test_units_without_an_answer_are_named():
    fit = dea()
    known = fit.efficiency.copy()
    known[list(fit.unit).index("Sorø")] = np.nan
    vars(fit)["scores"] = replace(fit.scores, efficiency=known)
    ax = plots.efficiencies(fit, lang="da", highlight="Sorø")
    assert "ikke vist (intet svar): Sorø" in ax.get_xlabel()
    assert "Sorø" not in written(ax)
    assert len(points(ax, "on")) + len(points(ax, "off")) == 5
    vars(fit)["scores"] = replace(fit.scores, efficiency=np.full(6, np.nan))
    with pytest.raises(SpecificationError, match="nothing to draw"):
        plots.efficiencies(fit)


def test_targets_are_the_fits_in_per_cent_of_now():
    fit = four()
    frame = fit.targets()
    own = frame[frame["unit"] == "Sorø"]
    ax = plots.targets(fit, "Sorø", lang="da")
    np.testing.assert_allclose(points(ax, "now"), [[100.0, i] for i in range(4)])
    share = (100 * own["target"] / own["value"]).to_numpy()
    # Inputs are to fall: the outputs are no goal.
    np.testing.assert_allclose(points(ax, "target"), np.column_stack([share, range(4)])[:2])
    np.testing.assert_allclose(points(ax, "peers output"), np.column_stack([share, range(4)])[2:])
    assert "Det, sammenligningen yder: intet mål" in legend(ax)
    assert rows(ax) == ["løn (bruges)", "drift (bruges)", "ældre (ydes)", "børn (ydes)"]
    assert ax.get_xlabel() == "Sorø, procent af nu"
    ends = np.array([s[1, 0] for s in artist(ax, "move").get_segments()])
    sorø = list(fit.unit).index("Sorø")
    np.testing.assert_allclose(ends, [100 * fit.efficiency[sorø]] * 2 + [100.0] * 2)


def test_what_is_a_goal_is_the_orientations():
    drawn = plots.targets(four(orientation="output"), "Sorø")
    assert points(drawn, "target")[:, 1].tolist() == [2, 3]
    assert points(drawn, "peers input")[:, 1].tolist() == [0, 1]
    assert "What those it is held against use: no goal" in legend(drawn)
    for fit in (four(orientation="graph"), four(orientation="directional")):
        drawn = plots.targets(fit, "Sorø")
        assert points(drawn, "target")[:, 1].tolist() == [0, 1, 2, 3]
        assert artist(drawn, "peers input") is artist(drawn, "peers output") is None
    given = plots.targets(four(nondiscretionary=["drift"]), "Sorø")
    assert points(given, "target")[:, 1].tolist() == [0]
    assert points(given, "peers input")[:, 1].tolist() == [1]


def test_slack_is_drawn_apart_and_a_good_of_zero_says_so():
    data = many().assign(ekstra=1.0)
    data.loc[data["sted"] == "Sorø", "ekstra"] = 0.0
    fit = dea(data, inputs=("løn", "drift"), outputs=("ældre", "ekstra"))
    frame = fit.targets().set_index(["unit", "good"]).loc["Sorø"]
    assert frame.loc["ekstra", "slack"] > 0.1
    ax = plots.targets(fit, "Sorø", lang="da")
    assert points(ax, "peers output")[:, 1].tolist() == [2]
    assert points(ax, "now").tolist() == [[100.0, i] for i in range(4)]
    assert any(text.startswith("0 → ") for text in written(ax))
    (note,) = (text for text in ax.texts if text.get_gid() == "no share")
    assert (note.get_text(), note.xy) == ("intet nu: kun mængder", (100.0, 3))
    wide = dea(pd.DataFrame({"sted": ["a", "b"], "udgift": [1.0, 1.0], "borgere": [2.0, 1.0]}))
    (segment,) = artist(plots.targets(wide, "b"), "slack").get_segments()
    np.testing.assert_allclose(segment[:, 0], [100.0, 200.0])


def test_whole_numbers_are_written_as_such():
    amounts = written(plots.targets(dea(), "Faaborg-Midtfyn", lang="da"))
    assert {"50 → 20", "20 → 20"} <= amounts
    amounts = written(plots.targets(dea(), "Sorø", lang="da"))
    assert {"60 → 33", "40 → 40"} <= amounts
    amounts = written(plots.targets(dea(tiny().assign(udgift=lambda t: t["udgift"] / 8)), "Sorø", lang="da"))
    assert {"7,50 → 4,17", "40 → 40"} <= amounts
    few = pd.DataFrame({"sted": ["Å", "Ø"], "udgift": [2.0, 3.0], "borgere": [3.0, 2.0]})
    assert {"3 → 2", "2 → 3"} <= written(plots.targets(dea(few), "Ø", lang="da"))
    few = pd.DataFrame({"sted": ["Å", "Ø"], "udgift": [2.0, 3.0], "borgere": [4.0, 3.0]})
    assert "3 → 1,50" in written(plots.targets(dea(few, returns="crs"), "Ø", lang="da"))


def test_peers_are_counted_for_others():
    ax = plots.peers(dea(), lang="da")
    assert dict(zip(rows(ax), bars(ax), strict=True)) == {"København": 2.0, "Ærø": 3.0}
    assert rows(ax)[0] == "Ærø"
    assert "af 3, der holdes op mod andre" in ax.get_xlabel()
    assert "Ikke vist: 1 på fronten, som ingen andre holdes op mod" in ax.get_xlabel()
    assert ax.get_xlabel().endswith("Høje-Taastrup")
    assert ax.get_legend() is None
    # Læsø uses as much as København, which does it with more; nobody does what Sorø does but København.
    ax = plots.peers(fdh())
    width = dict(zip(rows(ax), bars(ax), strict=True))
    frame = fdh().peers()
    assert width["Ærø"] == len(frame[(frame["peer"] == "Ærø") & (frame["unit"] != "Ærø")])
    alone = pd.DataFrame({"sted": ["Ø", "Å"], "udgift": [2.0, 3.0], "borgere": [3.0, 4.0]})
    with pytest.raises(SpecificationError, match="no unit is another's peer"):
        plots.peers(fdh(alone))


def test_peers_off_their_own_frontier_are_hatched():
    # Sorø is held against Læsø alone, which has København above it in its own circle.
    fit = dea(tiny(), peers={"Sorø": ["Læsø"], "Læsø": ["Ærø", "København"]}, returns="crs")
    apart = dict(zip(fit.unit, np.abs(fit.efficiency - 1) > 1e-9, strict=True))
    assert apart["Læsø"]
    ax = plots.peers(fit, lang="da")
    assert len(bars(ax, "bar off")) == 1
    assert rows(ax)[[bar.get_gid() for bar in sorted(ax.patches, key=lambda b: b.get_y())].index("bar off")] == "Læsø"
    assert legend(ax) == ["På fronten", "Inden for sin egen front: andre i dens egen kreds gør det bedre"]
    assert all(bar.get_hatch() for bar in ax.patches if bar.get_gid() == "bar off")


def test_copies_of_one_units_peers():
    data = pd.DataFrame({"sted": ["Nyborg", "Ø", "Å"], "udgift": [2.0, 10.0, 7.0], "borgere": [2.0, 4.0, 3.0]})
    fit = fdh(data, model=FRH)
    ax = plots.peers(fit, unit="Ø", lang="da", highlight="Nyborg")
    assert (rows(ax), bars(ax)) == (["2 × Nyborg"], [2.0])
    assert ax.get_xlabel().splitlines()[0] == "Kopier, som Ø holdes op mod"
    assert ax.get_yticklabels()[0].get_fontweight() == "bold"
    assert dict(zip(rows(plots.peers(fit)), bars(plots.peers(fit)), strict=True)) == {"Nyborg": 2.0}
    with pytest.raises(SpecificationError, match="near: Nyborg"):
        plots.peers(fit, unit="Q")
    with pytest.raises(SpecificationError, match="whole units"):
        plots.frontier(fit)


def test_weights_of_one_units_peers():
    ax = plots.peers(dea(), unit="Sorø", lang="da")
    assert rows(ax) == ["København", "Ærø"]
    np.testing.assert_allclose(bars(ax), [2 / 3, 1 / 3])
    assert ax.get_xlabel() == "Vægt i målet for Sorø"


def test_other_peers_that_would_do_are_said():
    data = pd.concat([tiny(), tiny().iloc[[2]].assign(sted="Tvilling")], ignore_index=True)
    fit = dea(data)
    assert "den kunne lige så godt holdes op mod andre" in plots.peers(fit, unit="Sorø", lang="da").get_xlabel()
    assert "could have other peers" in plots.peers(fit).get_xlabel()


def test_dominance_is_in_per_cent_of_the_unit_beaten():
    ax = plots.dominance(fdh(), "Sorø", lang="da")
    assert rows(ax) == ["København"]
    assert {"−33", "+25"} <= written(ax)
    assert "bedre end Sorø" in ax.get_xlabel()
    np.testing.assert_allclose(np.ravel(artist(ax, "gain").get_array()), [np.log2(1.5), np.log2(1.25)])
    assert plots.dominance(fdh(model=OrderM), "Sorø") is not None


def test_many_that_beat_one_are_cut_and_said():
    k = 30
    data = pd.DataFrame({"sted": [f"Å{i}" for i in range(k)], "a": np.arange(1.0, k + 1), "b": 1.0, "c": 0.0})
    data.loc[3, "c"] = 1.0
    ax = plots.dominance(fdh(data, inputs=("a",), outputs=("b", "c")), "Å29")
    assert len(rows(ax)) == 20
    assert "the first 20 of 29" in ax.get_xlabel()
    assert "–" in written(ax)


@pytest.mark.parametrize("orientation", ["input", "output"])
def test_influence_is_the_fits_the_largest_on_top(orientation):
    data = many(98).assign(andet=lambda t: t["løn"].to_numpy()[::-1], syge=lambda t: t["børn"].to_numpy()[::-1])
    found = dea(data, inputs=("løn", "drift", "andet"), outputs=("ældre", "børn", "syge"), orientation=orientation)
    found = found.influence()
    frame = found.to_frame().set_index("unit").sort_values("total", ascending=False)
    moving = frame[frame["total"] > 0]
    assert len(moving) > 15
    last = str(moving.index[-1])
    ax = plots.influence(found, lang="da", highlight=last)
    assert rows(ax) == [*map(str, moving.index[:15]), last]
    drawn = [b.get_width() for b in sorted(ax.patches, key=lambda b: b.get_y()) if b.get_gid() != "highlight"]
    np.testing.assert_allclose(drawn, frame.loc[rows(ax), "total"])
    away = [b.get_y() + b.get_height() / 2 for b in ax.patches if b.get_gid() == "out of reach"]
    np.testing.assert_allclose(sorted(away), np.flatnonzero(frame.loc[rows(ax), "unmatched"]), atol=1e-9)
    texts = [text.get_text() for text in ax.texts if text.get_gid() == "moves"]
    assert [int(text.split()[1].rstrip(",")) for text in texts] == frame.loc[rows(ax), "changed"].tolist()
    assert f"{len(moving)} af 98 enheder flytter andre" in ax.get_xlabel()
    assert ("vist er dem" in ax.get_xlabel()) == (len(moving) > 16)
    assert ("hver bruger" if orientation == "input" else "hver yder") in ax.get_xlabel()
    assert "Ingen er udeladt" in ax.get_xlabel()
    plain = plots.influence(found, lang="da")
    assert len(rows(plain)) == 15
    assert "vist er dem" in plain.get_xlabel()


def test_influence_marks_those_out_of_reach_and_names_the_rest_of_them():
    found = dea().influence()
    frame = found.to_frame().set_index("unit")
    assert frame.index[frame["unmatched"]].tolist() == ["Høje-Taastrup"]
    ax = plots.influence(found)
    assert rows(ax) == ["Ærø", "København"]
    assert "not shown, but out of reach of the others:\nHøje-Taastrup" in ax.get_xlabel()
    assert "2 of 6 units move others\n" in ax.get_xlabel()
    # Nobody but Ø makes anything of the second good, and Å could do with less of the first.
    data = pd.DataFrame({"sted": ["Ø", "Å", "Æ"], "udgift": [1.0, 2.0, 2.0], "borgere": 3.0, "kun": [1.0, 0.0, 0.0]})
    ax = plots.influence(dea(data, outputs=("borgere", "kun")).influence(), lang="da")
    assert legend(ax) == ["Uden for de andres rækkevidde"]
    np.testing.assert_allclose([b.get_width() for b in ax.patches if b.get_gid() == "out of reach"], [1.0])
    assert "men uden for" not in ax.get_xlabel()


def test_influence_says_what_to_give_it():
    fit = dea()
    with pytest.raises(SpecificationError, match="without to_frame"):
        plots.influence(fit.influence().to_frame())
    for wrong in (fit, fdh(), None):
        with pytest.raises(SpecificationError, match=r"what fit.influence\(\) returns, not a"):
            plots.influence(wrong)
    with pytest.raises(SpecificationError, match="near: Sorø"):
        plots.influence(fit.influence(), highlight="Soro")
    with pytest.raises(DataError, match="dfbetas"):
        plots.influence(pd.DataFrame({"unit": ["Ø"]}))
    alone = pd.DataFrame({"sted": ["Ø", "Å"], "udgift": [2.0, 3.0], "borgere": [3.0, 4.0]})
    with pytest.raises(SpecificationError, match="rests on another"):
        plots.influence(dea(alone).influence())
    slopes = pd.DataFrame({"unit": NAMES, "dfbetas": [0.1, -0.9, 0.9, 0.0, 0.2, 0.3], "leverage": 0.2})
    assert len(points(plots.influence(slopes), "above")) == 1


def test_what_cannot_be_drawn():
    for draw in (plots.targets, lambda fit, unit: plots.peers(fit, unit=unit)):
        with pytest.raises(SpecificationError, match="near: Sorø"):
            draw(dea(), "Soro")
        with pytest.raises(SpecificationError, match="mixtures"):
            draw(fdh(), "Sorø")
    with pytest.raises(SpecificationError, match="near: Sorø"):
        plots.dominance(fdh(), "Soro")
    with pytest.raises(SpecificationError, match="no unit beats Ærø"):
        plots.dominance(fdh(), "Ærø")
    with pytest.raises(SpecificationError, match="real units"):
        plots.dominance(dea(), "Sorø")
    for draw in (plots.frontier, plots.efficiencies, plots.peers):
        with pytest.raises(SpecificationError, match="near: Sorø"):
            draw(dea(), highlight="Soro")
    with pytest.raises(SpecificationError, match="partial frontier"):
        plots.peers(fdh(model=OrderM))
    with pytest.raises(SpecificationError, match="labels"):
        plots.frontier(dea(), labels={"z": "x"})
