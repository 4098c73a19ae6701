"""What the page says of the uncertainty of best practice, and of the average beside it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmodels.beside import AverageBesideBest
from benchmodels.comparison import Coverage
from benchmodels.frontier.simulated import coverage_of
from benchmodels.report import Chapter, wording
from benchmodels.report.beside import beside_of
from benchmodels.report.view import wording_of
from tests.test_report import LABELS, NAMES, comparison, practised, read, render, words_of

WHY = "all frontiers drawn are as far from it, which tells nothing of its error"
SEEN = Coverage(level=0.95, intervals=0.74, ranks=0.66, all_ranks=0.1, shrunken=0.5, simulated="s")
UNSEEN = Coverage(level=0.95, intervals=math.nan, ranks=math.nan, all_ranks=math.nan, shrunken=math.nan, simulated="s")


def drawn(**changes: object) -> Chapter:
    """The chapter with a frontier that was drawn again; of Fanø nothing is known."""
    found = practised().frontier
    nan = np.nan
    scores = found.scores.assign(
        lower=[0.712, 0.86, nan, nan], upper=[0.904, 1.0, nan, nan],
        rank_lower=[12.0, 1, nan, nan], rank_upper=[70.0, 98, nan, nan], withheld=["", "", WHY, ""],
    )  # fmt: skip
    # 98 places: the rest of the units are not on this page.
    more = pd.DataFrame(
        {"unit": [f"K{i}" for i in range(96)], "rank_lower": 1.0, "rank_upper": 98.0, "place": "within"}
    )
    more = more.assign(efficiency=0.9234, comparables=40, peer_for=0, status="solved", withheld="")
    moving = found.targets["part"].eq("input") & found.targets["unit"].ne("Fanø")
    targets = found.targets.assign(lower=np.where(moving, 1_000_000.0, nan), upper=np.where(moving, 1_140_000.0, nan))
    peers = pd.DataFrame(
        [("Aarhus", "Ærø", True, 0.85), ("Aarhus", NAMES[2], True, 0.97), ("Aarhus", "Fanø", True, nan),
         ("Aarhus", "Vejle", False, 0.6), ("Aarhus", "Aarhus", False, 0.9), ("Aarhus", "=1+1", False, 0.4),
         ("Ærø", "Ærø", True, 1.0)],
        columns=["unit", "peer", "found", "frequency"],
    )  # fmt: skip
    made: dict[str, object] = {
        "scores": pd.concat([scores, more], ignore_index=True), "targets": targets, "drawn": peers, "level": 0.95,
        "coverage": SEEN, "noise": "2000 subsamples of 31 of 98 units",
    }  # fmt: skip
    return practised(**(made | changes))


def test_limits_are_told_with_how_often_such_limits_hold() -> None:
    html = render(drawn())
    assert words_of(html, "Aarhus")["slots"]["frontier_limits"] == (
        "Havde andre kommuner været med, kunne andelen have ligget mellem 71\u00a0% og 90\u00a0%. Den slags grænser "
        "skal efter hensigten holde for 95\u00a0% af kommunerne; i simulerede tabeller som denne holdt de for "
        "74\u00a0%."
    )
    english = render(drawn(), lang="en")
    told = words_of(english, "Aarhus")["slots"]["frontier_limits"]
    assert told.startswith("Had other kommuner taken part, the share might have been between 71% and 90%.")
    assert told.endswith("in simulated tables like this one they held for 74%.")
    for said in ("confidence", "95% interval"):
        assert said not in told
    best = words_of(english, "Ærø")["slots"]["frontier_limits"]
    assert "the best of them might have used between 86% and 100% of udgifterne in Ærø." in best
    assert words_of(english, "Vejle")["slots"]["frontier_limits"] == ""
    mirrored = words_of(render(drawn(orientation="output"), lang="en"), "Ærø")["slots"]["frontier_limits"]
    assert "Ærø might have had between 86% and 100% of mindst lige så mange that the best" in mirrored


@pytest.mark.parametrize("coverage", [UNSEEN, None, replace(SEEN, level=0.9)])
def test_where_coverage_is_not_known_the_page_says_so(coverage: Coverage | None) -> None:
    slots = words_of(render(drawn(coverage=coverage), lang="en"), "Aarhus")["slots"]
    assert slots["frontier_limits"].endswith("meant to hold for 95% of kommunerne; how often they do is not known.")
    assert slots["frontier_place"].endswith(
        "of 98, where number 1 is nearest to it. How often that holds is not known."
    )
    assert "nan" not in json.dumps(slots).casefold()


def test_limits_that_round_to_the_same_have_a_decimal() -> None:
    found = drawn().frontier
    scores = found.scores.assign(lower=[0.9121, *found.scores["lower"][1:]], upper=[0.9138, *found.scores["upper"][1:]])
    assert (
        "between 91.2% and 91.4%"
        in words_of(render(drawn(scores=scores), lang="en"), "Aarhus")["slots"]["frontier_limits"]
    )
    scores["lower"] = scores["upper"] = [0.9121, *found.scores["lower"][1:]]
    assert "been 91.2%." in words_of(render(drawn(scores=scores), lang="en"), "Aarhus")["slots"]["frontier_limits"]
    scores["upper"] = [0.9999, *found.scores["upper"][1:]]
    assert (
        "between 91% and 99.9%"
        in words_of(render(drawn(scores=scores), lang="en"), "Aarhus")["slots"]["frontier_limits"]
    )


def test_a_unit_without_limits_is_told_why() -> None:
    told = words_of(render(drawn()), "Fanø")["slots"]["frontier_limits"]
    assert told == (
        "Der kan ikke sættes grænser for tallet: alle lodtrækninger giver det samme tal, og det siger intet om "
        "usikkerheden."
    )
    assert words_of(render(drawn()), "=1+1")["slots"]["frontier_limits"] == ""  # unknown to the frontier


def test_a_place_is_told_only_where_it_leaves_some_out() -> None:
    html = render(drawn())
    assert words_of(html, "Aarhus")["slots"]["frontier_place"] == (
        "Efter bedste praksis ligger Aarhus mellem nummer 12 og 70 af 98, hvor nummer 1 er nærmest. "
        "I de simulerede tabeller holdt den slags grænser for en plads i 66\u00a0% af tilfældene."
    )
    for unit in ("Ærø", "Fanø", "Vejle", "=1+1"):
        assert words_of(html, unit)["slots"]["frontier_place"] == ""
    for upper, told in ((89.0, True), (90.0, False)):  # 78 and 79 of 98: four in five at most
        scores = drawn().frontier.scores
        scores.loc[0, ["rank_lower", "rank_upper"]] = 12.0, upper
        assert bool(words_of(render(drawn(scores=scores)), "Aarhus")["slots"]["frontier_place"]) == told
    without = drawn().frontier.scores.drop(columns=["rank_lower", "rank_upper"])
    assert words_of(render(drawn(scores=without)), "Aarhus")["slots"]["frontier_place"] == ""


def test_how_often_a_peer_was_one_is_told_and_who_else_was() -> None:
    slots = words_of(render(drawn(), lang="en"), "Aarhus")["slots"]
    assert slots["frontier_drawn"] == (
        "Lots were also drawn for who takes part. How often these were used when they took part: "
        f"{NAMES[2]} 97% and Ærø 85%. Others were often used too: Vejle 60%."
    )
    assert words_of(render(drawn(), lang="en"), "Ærø")["slots"]["frontier_drawn"] == ""
    few = drawn(drawn=drawn().frontier.drawn.head(2))
    assert "Others" not in words_of(render(few, lang="en"), "Aarhus")["slots"]["frontier_drawn"]


def test_what_moves_has_limits_in_the_table_of_goods() -> None:
    html = render(drawn())
    assert words_of(html, "Aarhus")["goods"] == [
        ["Udgift", "1.234.567", "1.140.000", "1.000.000\u00a0til\u00a01.140.000"],
        ["Folk: <b>", "12,3", "12,3", ""],
    ]
    assert [good[3] for good in words_of(html, "Fanø")["goods"]] == ["", ""]
    head = '<th scope="col" class="n">Grænser</th>'
    assert head in html
    assert head not in render(practised())


@pytest.mark.parametrize("lang", ["da", "en"])
def test_the_caution_is_another_where_limits_are_told(lang: str) -> None:
    table = wording(lang).table
    plain, limited = render(practised(), lang=lang), render(drawn(), lang=lang)
    for key, there, away in (("frontier_caution", plain, limited), ("frontier_caution_limits", limited, plain)):
        assert there.count(table[key]) == 2
        assert table[key] not in away
    for key, there, away in (("frontier_median_none", plain, limited), ("frontier_median_limits", limited, plain)):
        told = "; " + table[key].format(one="kommune")
        assert told in there
        assert told not in away
    fold = limited[limited.index(table["frontier_method_title"]) :]
    assert {"da": "2000 lodtrækninger af 31 blandt 98 enheder", "en": "2000 subsamples of 31 of 98"}[lang] in fold
    assert table["frontier_method_drawn"].format(many="kommuner") in fold
    assert read(limited).unbalanced == []


# --- average beside best ---


def record(orientation: str = "input", **changes: object) -> AverageBesideBest:
    """Units of each kind; the best would have less of it than Ærø, and of Vejle nothing is known."""
    k = len(NAMES)
    observed, expected = np.full(k, 0.06), np.array([0.05, 0.07, 0.05, 0.07, 0.06, 0.06, 0.06, 0.05])
    to_best = np.array([1.25, 1.1, 1.0, 1.0, 1.1, 1.0, np.nan, 1.1])
    if orientation == "output":
        to_best = 1.0 / to_best
    attainable = observed / to_best
    values: dict[str, object] = {
        "unit": np.array(NAMES, dtype=object),
        "different": np.array(["above", "below"] * 2 + ["not different"] * 2 + ["above", "withheld"], dtype=object),
        "beaten": np.nan_to_num(np.abs(np.log(to_best))) > 0,
        "level": 0.95, "orientation": orientation, "coverage": SEEN, "simulated": False,
        "observed": observed, "expected": expected, "attainable": attainable,
        "to_best": to_best, "best_to_expected": attainable / expected,
    }  # fmt: skip
    for name in ("expected", "attainable", "to_best", "best_to_expected"):
        values |= {f"{name}_lower": 0.9 * values[name], f"{name}_upper": 1.2 * values[name]}
    return AverageBesideBest(**(values | changes))


def with_beside(**changes: object) -> Chapter:
    return replace(drawn(), beside=record(**changes))


def told(unit: str, lang: str = "en", **changes: object) -> str:
    return words_of(render(with_beside(**changes), lang=lang), unit)["slots"]["beside"]


def test_the_two_answers_in_words() -> None:
    both = "The two point the same way: Ærø uses more than expected of its people, and others make the same with less."
    assert told("Ærø").startswith(both)
    assert told("Ærø").endswith("With as little as they use it would not be more than expected.")
    assert "uses less than expected of its people, but others make the same with still less" in told("Aarhus")
    assert "So the difference lies in how much it makes, not in what it uses for it." in told(NAMES[2])
    assert told(NAMES[3]).startswith("The two point the same way")
    assert "the average is not the best" in told("Læsø & co")
    assert told("Fanø").startswith("What Fanø uses cannot be told from what is expected")
    assert "cannot be decided" in told("=1+1")
    assert "De to svar peger hver sin vej" in told("Aarhus", "da")


def test_who_is_above_and_beaten_is_told_whether_price_alone_would_do() -> None:
    low, high = np.full(len(NAMES), 1.01), np.full(len(NAMES), 0.99)
    assert told("Ærø", best_to_expected_lower=low).endswith("so how much it makes counts too.")
    assert told("Ærø", best_to_expected=low, best_to_expected_lower=high).endswith("make the same with less.")
    # Of an output it is the other way round.
    down = np.full(len(NAMES), 0.97)
    less = {"orientation": "output", "different": np.full(len(NAMES), "below")}
    assert told("Ærø", **less, best_to_expected_upper=high).endswith("so what there is to make it with counts too.")
    assert told("Ærø", **less).endswith("As they do it, it would not be less than expected.")
    assert told("Ærø", **less, best_to_expected=down, best_to_expected_upper=low).endswith("make more with the same.")
    assert "may also mean that there is more to make it with" in told("Ærø", orientation="output")
    assert "lies in what it has to make it with" in told(NAMES[2], **less)


@pytest.mark.parametrize("lang", ["da", "en"])
@pytest.mark.parametrize("orientation", ["input", "output"])
def test_every_case_has_words_and_none_is_a_verdict(lang: str, orientation: str) -> None:
    html = render(with_beside(orientation=orientation), lang=lang)
    for unit in NAMES:
        slots = words_of(html, unit)["slots"]
        if unit == "Vejle":
            assert "beside" not in slots
            continue
        said = f"{slots['beside']} {slots['beside_factors']}"
        assert unit in said
        assert not re.search(r"\b(good|bad|better|worse|god|dårlig|bedre|værre)\b", said), said
        assert not re.search(r"\. [a-zæøå]|\.\.|\s{2}|nan|{", said), said
    for side in ("above", "below", "not", "withheld"):
        for how in ("beaten", "best"):
            assert f"beside_{orientation}_{side}_{how}" in wording(lang).table


def test_the_two_factors_multiply_to_the_ratio_and_the_second_has_limits() -> None:
    slots = words_of(render(with_beside(), lang="en"), "Aarhus")["slots"]
    # 0.06 over 0.06 / 1.1, and that over 0.07; the middle one of seven is at 0.06 / 1.1 over 0.05 ... 0.07.
    second = 0.06 / 1.1 / 0.07
    assert slots["beside_factors"].startswith(
        f"In two steps: Aarhus lies 10.0% above what the best would use for the same, and that again lies "
        f"{100 * (1 - second):.1f}% below the expected ({'between'} {100 * (1 - 1.2 * second):.1f}% and "
        f"{100 * (1 - 0.9 * second):.1f}% below by the limits of both)."
    )
    known = record()
    middle = np.nanmedian(known.best_to_expected)
    assert slots["beside_factors"].endswith(f"the last step is {100 * (1 - middle):.1f}% below.")
    best = words_of(render(with_beside(), lang="en"), NAMES[2])["slots"]["beside_factors"]
    assert (
        "what the best would use for the same, and that lies 20.0% above the expected (between 8.0% and 44.0% above"
        in best
    )
    nothing = np.full(len(NAMES), np.nan)
    bare = with_beside(best_to_expected_lower=nothing, best_to_expected_upper=nothing)
    assert "by the limits" not in words_of(render(bare, lang="en"), "Aarhus")["slots"]["beside_factors"]
    astride = with_beside(
        best_to_expected_lower=known.best_to_expected * 0.5, best_to_expected_upper=known.best_to_expected * 2
    )
    assert "below and" in words_of(render(astride, lang="en"), "Aarhus")["slots"]["beside_factors"]


def test_three_rows_on_one_axis() -> None:
    made = with_beside()
    found = beside_of(made, wording_of(made, wording("da")))["Ærø"]
    names, texts, spans, at, low, high = zip(*found.rows, strict=True)
    assert names == ("Nu", "Forventet med gennemsnitlig praksis", "Med bedste praksis, alt andet lige")
    assert texts == ("6,0", "5,0", "4,8")
    assert spans == ("", "4,5\u00a0til\u00a06,0", "4,3\u00a0til\u00a05,8")
    values = np.array([6.0, 5.0, 4.8, 4.5, 6.0, 4.32, 5.76])
    places = np.array([*at, low[1], high[1], low[2], high[2]])
    slope, start = np.polyfit(values, places, 1)
    np.testing.assert_allclose(start + slope * values, places, atol=0.02)
    assert slope > 0
    assert 0 < places.min() < places.max() < 100
    for text, place in found.ticks:
        assert start + slope * float(text.replace(",", ".")) == pytest.approx(place, abs=0.05)
    assert 2 <= len(found.ticks) <= 7
    assert (low[0], high[0]) == (None, None)
    assert words_of(render(made), "Ærø")["beside"]["rows"][1][:3] == [
        "Forventet med gennemsnitlig praksis",
        "5,0",
        spans[1],
    ]


def test_an_interval_far_beyond_the_figures_is_cut_at_the_edge() -> None:
    wide = np.full(len(NAMES), 5.0)
    for upper in (wide, np.full(len(NAMES), np.inf)):
        rows = words_of(render(with_beside(expected_upper=upper)), "Ærø")["beside"]["rows"]
        assert rows[1][5] == 100
        assert 0 < rows[1][4] < rows[1][3] < 50
    nothing = np.full(len(NAMES), np.nan)
    rows = words_of(render(with_beside(expected_lower=nothing, expected_upper=nothing)), "Ærø")["beside"]["rows"]
    assert rows[1][2:] == ["", rows[1][3], None, None]
    same = with_beside(observed=np.full(8, 0.05), expected=np.full(8, 0.05), attainable=np.full(8, 0.05))
    assert len({row[3] for row in words_of(render(same), "Ærø")["beside"]["rows"]}) == 1


def test_the_picture_has_a_table_that_says_it_in_words() -> None:
    html = render(with_beside(), lang="en")
    assert '<h4 class="sub">Average and best practice side by side</h4>' in html
    assert "In %. The bar at the expected is its uncertainty (95%). The striped bar has the limits of best" in html
    assert words_of(html, "Vejle")["beside"] is None
    assert "side by side" not in render(drawn(), lang="en").split("<script")[0]
    nothing = np.full(len(NAMES), np.nan)
    assert "striped" not in render(with_beside(attainable_lower=nothing), lang="en").split("<script")[0]
    made = replace(
        with_beside(), difference=comparison("difference", simulated=True), ratio=comparison("ratio", simulated=True)
    )
    assert 'side by side <span class="small">(Simulated figures)</span>' in render(made, lang="en")


def test_a_rate_without_decimals_has_round_ticks() -> None:
    made = replace(with_beside(), scale=100_000.0, decimals=0, labels=replace(LABELS, inputs="x", outputs="y"))
    ticks = words_of(render(made, lang="en"), "Ærø")["beside"]["ticks"]
    assert all(re.fullmatch(r"\d,\d00", text) for text, _ in ticks), ticks


def test_every_coverage_has_danish_words(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"kind": "subsample", "returns": "vrs", "orientation": "input", "goods": 4, "draws": 100, "coverage": 0.74}
    row |= {"ranks": 0.66, "all_ranks": 0.1, "shrunken": 0.5}
    table = {"level": 0.95, "rows": [row | {"units": 40}, row | {"units": 98}]}
    monkeypatch.setattr("benchmodels.frontier.simulated._simulated", lambda: table)
    da, vrs = wording("da"), {"returns": "vrs", "orientation": "input"}
    for coverage in (
        coverage_of("subsample", units=60, goods=4, **vrs, level=0.95),
        coverage_of("subsample", units=3, goods=4, **vrs, level=0.95),
        coverage_of("subsample, not by its own rule", units=98, goods=4, **vrs, level=0.9),
    ):
        for said in (coverage.of_ranks(), coverage.of_shrunken(), coverage.simulated):
            ours = da.translated(said)
            assert not re.search(r"\b(the|were|not|held|asked|tables|units)\b", ours), ours
