"""Steering choices in studies: a second step that no expected value knows of, its table and its fold on the page."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets import load, municipalities, simulate_denmark
from benchmodels.datasets.special_provision import simulate_special_provision
from benchmodels.errors import DataError, SpecificationError
from benchmodels.replication import answer, parse_study, run_study
from benchmodels.replication.chapters import figures_of
from benchmodels.replication.choices import choices_table
from benchmodels.report import wording
from benchmodels.steering import second_step

TEXTS = {
    "title": "Fravær",
    "question": "Mere end ventet?",
    "outcome": "Andel med fravær.",
    "size": "elever",
    "rate": "%",
    "measure": "procentpoint",
    "caveats": ["Ikke årsag."],
    "terms": {"sex": "køn", "betaler": "hvem der betaler", "skole": "skolerne selv"},
}
SPEC: dict[str, object] = {
    "study": {"id": "valg"},
    "data": {"path": "valg.csv"},
    "roles": {"unit": "kommune", "trials": "elever", "choice": ["betaler", "udvalg"]},
    "model": {"kind": "fixed-effects", "family": "binomial", "formula": "fravær ~ C(sex)"},
    "comparison": {"contrast": "difference", "scale": 100.0, "decimals": 1},
    "texts": {"da": TEXTS, "en": copy.deepcopy(TEXTS)},
}
NAMES = [f"Ø{place:02d}" for place in range(20)]


def spec(**changes: object) -> dict[str, object]:
    table = copy.deepcopy(SPEC)
    for path, value in changes.items():
        *sections, key = path.split("__")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[key] = value
    return table


def cells(seed: int = 3) -> pd.DataFrame:
    """Units whose practice is 5 points higher where the centre pays; the number of panels means nothing."""
    rng = np.random.default_rng(seed)
    rows = []
    for place, name in enumerate(NAMES):
        payer = ("centralt", "delt", "skole")[place % 3]
        practice = {"centralt": 0.05, "delt": 0.0, "skole": 0.0}[payer] + 0.01 * rng.standard_normal()
        for sex, share in (("boy", 0.2), ("girl", 0.12)):
            pupils = int(rng.integers(300, 900))
            rows.append(
                {
                    "kommune": name,
                    "sex": sex,
                    "elever": pupils,
                    "fravær": int(rng.binomial(pupils, share + practice)),
                    "betaler": payer,
                    "udvalg": 1 + place % 4,
                }
            )
    return pd.DataFrame(rows)


def fold(page: Path) -> str:
    html = page.read_text(encoding="utf-8")
    return re.search(r'<details id="choices-[^"]*">.*?</details>', html, re.S).group(0)


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pictures on file take most of the time of a run and are tested with the studies.
    monkeypatch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})


def test_the_step_is_that_of_the_comparison_and_the_comparison_knows_nothing_of_it() -> None:
    table = cells()
    outcome = answer(parse_study(spec()), data=table)
    bare = spec()
    bare["roles"].pop("choice")
    alone = answer(parse_study(bare), data=table)
    assert alone.choices is None
    np.testing.assert_array_equal(outcome.main.estimate, alone.main.estimate)
    np.testing.assert_array_equal(outcome.to_frame()["rank"], alone.to_frame()["rank"])

    plain = table.drop_duplicates("kommune")[["kommune", "betaler", "udvalg"]]
    step = second_step(alone.main, plain, ["betaler", "udvalg"], unit="kommune")
    told = choices_table(outcome.choices, scale=100.0)
    expected = step.to_frame()
    for name in ("estimate", "std_error", "lower", "upper"):
        np.testing.assert_allclose(told[name], 100.0 * expected[name], rtol=1e-12)
    np.testing.assert_allclose(told["p"], expected["p"], rtol=1e-12)
    assert told["choice"].tolist() == ["", "betaler", "betaler", "udvalg"]
    assert told["category"].tolist() == ["", "delt", "skole", ""]
    assert told["reference"].tolist() == ["", "centralt", "centralt", ""]
    assert told["p_choice"].iloc[1] == told["p_choice"].iloc[2] == step.together("betaler")[1]
    np.testing.assert_allclose(told[["tau", "i2", "r2"]].iloc[0], [100.0 * step.tau, step.i2, step.r2])
    # What was put in is found: five points, and nothing.
    assert (told["upper"].iloc[1:3] < -2.0).all()
    assert told["lower"].iloc[3] < 0.0 < told["upper"].iloc[3]


def test_the_order_of_rows_does_not_matter_and_categories_have_their_own() -> None:
    table = cells()
    here = choices_table(answer(parse_study(spec()), data=table).choices, scale=1.0)
    shuffled = table.sample(frac=1.0, random_state=1)
    there = choices_table(answer(parse_study(spec()), data=shuffled).choices, scale=1.0)
    pd.testing.assert_frame_equal(here, there, rtol=1e-9)
    order = ["skole", "delt", "centralt", "ingen"]
    own = table.assign(betaler=pd.Categorical(table["betaler"], categories=order, ordered=True))
    told = choices_table(answer(parse_study(spec()), data=own).choices, scale=1.0)
    assert told["reference"].tolist()[1] == "skole"
    assert told["category"].tolist() == ["", "delt", "centralt", ""]
    truth = choices_table(
        answer(parse_study(spec(roles__choice=["udvalg"])), data=table.assign(udvalg=table["udvalg"] > 2)).choices,
        scale=1.0,
    )
    assert truth["reference"].tolist() == ["", ""]


def test_a_choice_that_varies_within_a_unit_is_refused_by_name() -> None:
    table = cells()
    table.loc[5, "betaler"] = "skole" if table.loc[4, "betaler"] != "skole" else "delt"
    with pytest.raises(DataError, match=r"choice 'betaler' is not one per unit: 1 of 20 .*unit 'Ø02' in 'kommune'"):
        answer(parse_study(spec()), data=table)
    table = cells()
    table.loc[1, "udvalg"] = np.nan
    with pytest.raises(DataError, match=r"choice 'udvalg' .*'Ø00'.*nothing"):
        answer(parse_study(spec()), data=table)
    with pytest.raises(DataError, match="no column 'udvalg'"):
        answer(parse_study(spec()), data=cells().drop(columns="udvalg"))


def test_rows_that_are_summed_away_cannot_hide_that_a_choice_varies() -> None:
    study = parse_study(spec(data__aggregate={"by": ["kommune", "sex"], "sum": ["elever", "fravær"]}))
    parts = pd.concat([cells(), cells(4)], ignore_index=True)
    assert answer(study, data=parts).choices.step is not None
    parts.loc[21, "betaler"] = "noget andet"
    with pytest.raises(DataError, match="choice 'betaler' is not one per unit"):
        answer(study, data=parts)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model__formula": "fravær ~ C(sex) + C(betaler)"}, "model.formula: 'betaler' is the unit's own choice"),
        ({"model__formula": "fravær ~ sex + np.log(`udvalg`)"}, "model.formula: 'udvalg' is the unit's own choice"),
        ({"roles__choice": ["betaler", "betaler"]}, "roles.choice: names 'betaler' twice"),
        ({"roles__choice": ["kommune"]}, "roles.choice: 'kommune' plays another part"),
        ({"roles__choice": ["fravær"]}, "roles.choice: 'fravær' plays another part"),
        (
            {"frontier": {"inputs": ["a"], "outputs": ["b"], "returns": "crs", "environment": {"udvalg": "low"}}},
            "frontier: 'udvalg' is the unit's own choice and no condition",
        ),
    ],
)
def test_a_choice_is_no_condition_and_plays_no_other_part(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        parse_study(spec(comparison__level=2.0, **changes))
    assert fault in str(caught.value)
    assert "comparison.level" in str(caught.value)  # told at once with the others
    assert parse_study(spec(model__formula="fravær ~ C(sex) + betaler2")).roles.choice == ["betaler", "udvalg"]


@pytest.mark.parametrize("lang", ["da", "en"])
@pytest.mark.parametrize(
    ("table", "da", "en"),
    [
        (
            cells().assign(betaler="centralt"),
            "Det kan ikke regnes ud: valget &#39;betaler&#39; er &#39;centralt&#39; i alle enheder.",
            "It cannot be worked out: choice &#39;betaler&#39; is &#39;centralt&#39; in every unit",
        ),
        (
            cells().assign(udvalg=7),
            "Det kan ikke regnes ud: &#39;udvalg&#39; er ens i alle enheder.",
            "same in every unit",
        ),
        (cells().head(12), "6 enheder har en kendt usikkerhed, og 4 led med konstanten kræver 7.", "need 7"),
        (
            cells().assign(
                betaler=lambda t: np.where(t["udvalg"] > 2, "delt", "skole"), udvalg=lambda t: t["udvalg"] > 2
            ),
            "valgene varierer ikke uafhængigt af hinanden",
            "the choices do not vary apart from each other",
        ),
        (cells().assign(udvalg=np.nan), "ingen enhed har både en kendt usikkerhed og alle valg", "no unit has both"),
    ],
)
def test_what_cannot_be_told_is_withheld_with_the_reason(
    tmp_path: Path, table: pd.DataFrame, da: str, en: str, lang: str
) -> None:
    page = run_study(parse_study(spec()), data=table, out=tmp_path / "out", lang=lang)
    assert (da if lang == "da" else en) in fold(page)
    assert "<table" not in fold(page)


def test_units_without_a_choice_are_left_out_and_told(tmp_path: Path) -> None:
    table = cells()
    table.loc[table["kommune"].isin(["Ø03", "Ø07"]), "betaler"] = None
    outcome = answer(parse_study(spec()), data=table)
    assert len(outcome.main) == 20
    assert sorted(outcome.choices.step.unit) == [name for name in NAMES if name not in ("Ø03", "Ø07")]
    page = run_study(parse_study(spec()), data=table, out=tmp_path / "out")
    assert "<li>2 af 20 enheder mangler et valg og er udeladt: &#39;Ø03&#39;, &#39;Ø07&#39;</li>" in fold(page)
    assert "18 kommuner er regnet med" in fold(page)


def test_units_kept_back_are_not_in_it() -> None:
    table = cells()
    table.loc[0, ["elever", "fravær"]] = [30, 2]
    table.loc[1, ["elever", "fravær"]] = [30, 1]
    outcome = answer(parse_study(spec(disclosure={"threshold": 5})), data=table)
    hidden = set(outcome.main.unit[outcome.main.withheld != ""].tolist())
    assert "Ø00" in hidden
    assert set(outcome.choices.step.unit) == set(NAMES) - hidden
    assert not outcome.choices.notes
    rest = table[~table["kommune"].isin(hidden)]
    alone = answer(parse_study(spec()), data=rest)
    pd.testing.assert_frame_equal(
        choices_table(outcome.choices, scale=1.0), choices_table(alone.choices, scale=1.0), rtol=1e-9
    )


def test_a_ratio_is_told_in_per_cent_and_a_zero_withholds_it(tmp_path: Path) -> None:
    study = parse_study(spec(comparison__contrast="ratio"))
    outcome = answer(study, data=cells())
    told = choices_table(outcome.choices, scale=100.0)
    assert set(told["measure"]) == {"log ratio"}
    # Logarithms are not told times a hundred: only differences have a scale.
    np.testing.assert_allclose(told["estimate"], outcome.choices.step.found.coefficients)
    assert told["tau"].iloc[0] == outcome.choices.step.tau
    page = run_study(study, data=cells(), out=tmp_path / "out")
    w = wording("da")
    change = 100.0 * np.expm1(told["estimate"].iloc[2])
    decimals = max(1 - int(np.floor(np.log10(100.0 * told["std_error"].iloc[2]))), 0)
    assert f">{w.number(change, decimals, sign=True)}</td>" in fold(page)
    assert "Hvor mange procent højere eller lavere" in fold(page)
    table = cells()
    table.loc[table["kommune"] == "Ø05", "fravær"] = 0
    nothing = run_study(study, data=table, out=tmp_path / "zero")
    assert "1 enheder har intet over nul: &#39;Ø05&#39;" in fold(nothing)


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        (
            "da",
            (
                "<summary>Styringsvalg",
                "20 kommuner er regnet med",
                "er ikke det samme, som at det er årsagen",
                "Hvem der betaler, sammenlignet med »centralt« (p-værdi for alle på én gang: &lt; 0,001)",
                '<th scope="row">Skolerne selv</th>',
                '<th scope="row">Udvalg, pr. måleenhed</th>',
                "(τ)",
                "(I²)",
            ),
        ),
        (
            "en",
            (
                "<summary>Steering choices",
                "20 municipalities are part of it",
                "does not mean that it is the cause",
                "compared with &#39;centralt&#39; (p-value of all at once: &lt; 0.001)",
            ),
        ),
    ],
)
def test_the_fold_on_the_page_and_the_table_on_file(tmp_path: Path, lang: str, told: tuple[str, ...]) -> None:
    page = run_study(parse_study(spec()), data=cells(), out=tmp_path / "out", lang=lang, danish_csv=True)
    for text in told:
        assert text in fold(page), text
    html = page.read_text(encoding="utf-8")
    assert 'href="valg-choices.csv"' in html
    assert 'href="valg-choices.da.csv"' in html
    frame = pd.read_csv(page.parent / "valg-choices.csv", encoding="utf-8-sig", keep_default_na=False, na_values=[""])
    assert frame["units"].tolist() == [20] * 4
    assert frame["choice"].fillna("").tolist() == ["", "betaler", "betaler", "udvalg"]
    danish = (page.parent / "valg-choices.da.csv").read_text(encoding="utf-8-sig")
    assert danish.startswith("choice;category;reference;estimate")
    manifest = json.loads((page.parent / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["studies"][0]["study"]["roles"]["choice"] == ["betaler", "udvalg"]


def test_text_of_choices_is_escaped_and_a_page_without_choices_has_no_fold(tmp_path: Path) -> None:
    table = cells().assign(betaler=lambda t: t["betaler"].replace("delt", "<script>alert(1)</script>"))
    page = run_study(parse_study(spec()), data=table, out=tmp_path / "out")
    assert "<script>alert(1)" not in page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in fold(page)
    bare = spec()
    bare["roles"].pop("choice")
    page = run_study(parse_study(bare), data=table, out=tmp_path / "bare")
    assert "Styringsvalg" not in page.read_text(encoding="utf-8")
    assert not (page.parent / "valg-choices.csv").exists()


def test_one_row_a_unit_has_no_uncertainty_to_weigh_by() -> None:
    table = cells().drop_duplicates("kommune")
    study = parse_study(spec(model__family="gaussian", model__formula="fravær ~ elever", model__kind="pooled",
                             roles={"unit": "kommune", "choice": ["betaler"]}))  # fmt: skip
    outcome = answer(study, data=table)
    assert outcome.choices.step is None
    assert outcome.choices.withheld


def test_choices_of_the_simulated_country_follow_practice_and_change_nothing_else() -> None:
    cells_of, steered = load("denmark.special_education"), load("denmark.special_education_steering")
    pd.testing.assert_frame_equal(cells_of, steered[cells_of.columns.tolist()])
    assert steered.attrs["simulated"]
    drawn = simulate_special_provision(rng=11)
    practice = simulate_denmark(rng=11).practice["special_education"].fixed
    means = [practice[(drawn.steering["payment"] == who).to_numpy()].mean() for who in ("municipality", "schools")]
    assert means[0] > means[1] + 0.5 * practice.std()
    share = drawn.school_start["special_start"].sum() / drawn.school_start["pupils"].sum()
    assert abs(share - 0.036) < 0.003
    again = simulate_special_provision(rng=11)
    pd.testing.assert_frame_equal(drawn.school_start, again.school_start)
    assert not drawn.school_start.equals(simulate_special_provision(rng=12).school_start)
    counts = drawn.school_start.groupby("municipality")[["pupils", "special_start"]].sum()
    seen = np.log((counts["special_start"] + 0.5) / (counts["pupils"] - counts["special_start"] + 0.5))
    truth = drawn.truth.set_index("municipality")["practice"].reindex(counts.index)
    large = counts["pupils"] > counts["pupils"].median()
    assert np.corrcoef(seen[large], truth[large])[0, 1] > 0.4


def test_pictures_on_file_have_the_funnel_of_the_step_and_a_map_where_units_are_municipalities(tmp_path: Path) -> None:
    table, study = cells(), parse_study(spec())
    places = figures_of(answer(study, data=table), folder=tmp_path, lang="da")
    assert places["file_departures"] == "figures/valg-departures.svg"
    assert "procentpoint" in (tmp_path / places["file_departures"]).read_text(encoding="utf-8")
    assert "file_map" not in places  # Ø00 is nowhere

    real = dict(zip(NAMES, municipalities()["municipality"], strict=False))
    places = figures_of(answer(study, data=table.replace({"kommune": real})), folder=tmp_path, lang="da")
    assert (tmp_path / places["file_map"]).stat().st_size > 10_000
    for lang in ("da", "en"):
        for key in ("file_map", "file_departures"):
            assert wording(lang).table[key]
