"""Courses of absence in studies: from pupils' months to cells, and the specifications that ship with them."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels import cli
from benchmodels.courses import absence_courses
from benchmodels.datasets import load
from benchmodels.datasets.pupil_months import MONTHS, simulate_pupil_months
from benchmodels.datasets.pupils import COVARIATES
from benchmodels.errors import DataError, SpecificationError
from benchmodels.replication import answer, parse_study, read_study, run_study, shipped_studies
from benchmodels.replication.keeping_back import keep_back
from benchmodels.replication.pupil_courses import COURSE_COLUMNS
from benchmodels.replication.study import more_studies
from benchmodels.replication.tables import load_table
from benchmodels.report import wording

TEXTS = {
    "title": "Fravær",
    "question": "Mere end ventet?",
    "outcome": "Andel med højt fravær.",
    "size": "elever",
    "rate": "%",
    "measure": "procentpoint",
    "caveats": ["Ikke årsag."],
}
SPEC: dict[str, object] = {
    "study": {"id": "forløb"[:2] + "rloeb"},
    "data": {
        "path": "months.csv",
        "courses": {
            "pupil": "elev",
            "month": "måned",
            "absent": "fravær",
            "possible": "dage",
            "months": list(range(1, 11)),
            "keep": ["sex"],
        },
    },
    "roles": {"unit": "kommune", "trials": "pupils"},
    "model": {"kind": "fixed-effects", "family": "binomial", "formula": "high ~ C(sex)"},
    "comparison": {"contrast": "difference", "scale": 100.0, "decimals": 1},
    "texts": {"da": TEXTS, "en": copy.deepcopy(TEXTS)},
}
SPEC["study"] = {"id": "courses"}


def spec(**changes: object) -> dict[str, object]:
    table = copy.deepcopy(SPEC)
    for path, value in changes.items():
        *sections, key = path.split("__")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[key] = value
    return table


# Days absent of 20 in ten months, and what they are, told by hand from the rules.
BY_HAND = {
    "well": ([0, 1, 0, 2, 0, 1, 0, 0, 1, 0], {}),
    "struck": ([0, 1, 0, 9, 12, 10, 3, 0, 0, 1], {"high", "sudden", "transient"}),
    "sliding": ([0, 2, 1, 2, 4, 6, 8, 9, 9, 9], {"high", "gradual", "permanent"}),
    "always": ([6, 5, 7, 6, 5, 6, 7, 5, 6, 6], {"high", "from_the_start", "permanent"}),
    "late": ([0, 0, 1, 0, 0, 0, 1, 0, 14, 14], {"high", "sudden"}),
}


def by_hand() -> pd.DataFrame:
    rows = [
        {"kommune": unit, "elev": f"{unit}-{name}", "måned": month, "fravær": days, "dage": 20, "sex": sex}
        for unit, sex in (("Ærø", "boy"), ("Fanø", "girl"))
        for name, (absent, _) in BY_HAND.items()
        for month, days in enumerate(absent, start=1)
    ]
    return pd.DataFrame(rows)


def many(units: int = 6, pupils: int = 60, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = units * pupils
    share = rng.beta(0.8, 8.0, n)
    frame = pd.DataFrame(
        {
            "kommune": np.repeat([f"Ø{place}" for place in np.repeat(np.arange(units), pupils)], 10),
            "elev": np.repeat(np.arange(n), 10),
            "måned": np.tile(np.arange(1, 11), n),
            "dage": 20,
            "sex": np.repeat(np.where(rng.random(n) < 0.5, "boy", "girl"), 10),
        }
    )
    frame["fravær"] = rng.binomial(20, np.repeat(share, 10))
    return frame


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})


def test_one_row_per_pupil_by_hand() -> None:
    table = load_table(parse_study(spec()), data=by_hand())
    assert len(table.frame) == 10
    assert table.rows == 100
    assert set(COURSE_COLUMNS) | {"kommune", "elev", "fravær", "dage", "sex"} == set(table.frame.columns)
    for _, row in table.frame.iterrows():
        unit, name = row["elev"].split("-")
        absent, told = BY_HAND[name]
        assert row["kommune"] == unit
        assert (row["fravær"], row["dage"], row["pupils"]) == (sum(absent), 200, 1)
        kinds = ("high", "sudden", "gradual", "from_the_start", "transient", "permanent")
        assert {kind for kind in kinds if row[kind]} == set(told), name
        assert row["onset_told"] == len(set(told) & {"sudden", "gradual", "from_the_start"})
        assert row["duration_told"] == len(set(told) & {"transient", "permanent"})
        assert row["onset_told"] + row["onset_untold"] == row["high"]
        assert row["duration_told"] + row["duration_untold"] == row["high"]


def test_sums_by_unit_are_those_of_the_courses_themselves() -> None:
    frame = many()
    study = parse_study(spec(data__aggregate={"by": ["kommune", "sex"], "sum": list(COURSE_COLUMNS)}))
    found = load_table(study, data=frame).frame.groupby("kommune")[list(COURSE_COLUMNS)].sum()
    names = {"unit": "kommune", "pupil": "elev", "month": "måned", "absent": "fravær", "possible": "dage"}
    courses = absence_courses(frame, months=range(1, 11), **names)
    expected = courses.per_unit().set_index("unit")[list(COURSE_COLUMNS)]
    pd.testing.assert_frame_equal(found, expected, check_names=False)
    strict = parse_study(spec(data__courses=SPEC["data"]["courses"] | {"threshold": 0.2, "window": 2}))
    twice = absence_courses(frame, months=range(1, 11), threshold=0.2, window=2, **names)
    assert load_table(strict, data=frame).frame["high"].sum() == twice.per_unit()["high"].sum()


def test_rows_are_kept_after_the_courses_are_told() -> None:
    study = parse_study(spec(data__filter={"high": 1}, roles__trials="onset_told", model__formula="sudden ~ C(sex)"))
    table = load_table(study, data=by_hand())
    assert sorted(table.frame["elev"].str.partition("-")[2].unique()) == ["always", "late", "sliding", "struck"]
    assert (table.frame["dage"] == 200).all()


def test_years_are_told_each_by_itself() -> None:
    frame = pd.concat([by_hand().assign(år=2022), by_hand().assign(år=2023, fravær=0)], ignore_index=True)
    courses = SPEC["data"]["courses"] | {"year": "år"}
    table = load_table(parse_study(spec(data__courses=courses)), data=frame).frame
    assert len(table) == 20
    assert table.groupby("år")["high"].sum().to_dict() == {2022: 8, 2023: 0}
    other = frame.assign(sex=np.where(frame["år"] == 2022, "boy", "girl"))
    assert (
        load_table(parse_study(spec(data__courses=courses)), data=other).frame.groupby("år")["sex"].nunique().max() == 1
    )


def test_a_kept_column_that_varies_is_refused_with_count_and_example() -> None:
    frame = by_hand()
    frame.loc[[3, 14, 15], "sex"] = "girl"
    with pytest.raises(
        DataError, match=r"table: 2 pupils have more than one value in 'sex' \(pupil Ærø-well has 'boy' and 'girl'\)"
    ):
        load_table(parse_study(spec()), data=frame)
    frame = by_hand()
    frame.loc[99, "sex"] = None
    with pytest.raises(DataError, match=r"1 pupils have .*Fanø-late has 'girl' and nothing"):
        load_table(parse_study(spec()), data=frame)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"fravær": 21}, "table: .*more is absent in 'fravær' than is possible in 'dage'"),
        ({"fravær": None}, "table: .*'fravær'"),
        ({"elev": None}, "table: .*'elev'"),
        ({"fravær": "to"}, "table: .*'fravær'"),
        ({"måned": 13}, "table: .*months that are not in months="),
        ({"dage": 0, "fravær": 0}, "table: no pupil has any possible days"),
        ({"elev": "den samme"}, "table: .*had a row before"),
    ],
)
def test_months_that_cannot_be_are_errors_of_the_data(changed: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        load_table(parse_study(spec()), data=by_hand().assign(**changed))


def test_columns_that_are_missing_are_named() -> None:
    with pytest.raises(DataError, match="no columns 'dage', 'sex'; there is kommune, elev"):
        load_table(parse_study(spec()), data=by_hand().drop(columns=["dage", "sex"]))
    with pytest.raises(DataError, match="the table has no rows"):
        load_table(parse_study(spec()), data=by_hand().head(0))
    months = SPEC["data"]["courses"] | {"months": []}
    with pytest.raises(SpecificationError, match="order of months does not show"):
        load_table(parse_study(spec(data__courses=months)), data=by_hand())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model__formula": "high ~ C(sex) + C(alder)"}, "data.courses.keep: lacks 'alder', which the study uses"),
        ({"roles__choice": ["betaler"]}, "data.courses.keep: lacks 'betaler'"),
        ({"data__filter": {"måned": 1}}, "data.courses.keep: lacks 'måned'"),
        ({"data__aggregate": {"by": ["kommune", "sex"], "sum": ["hihg"]}}, "data.courses.keep: lacks 'hihg'"),
        ({"data__courses__absent": "elev"}, "data.courses: 'elev' plays two parts"),
        ({"data__courses__keep": ["sex", "high"]}, "data.courses: 'high' is made here"),
        ({"data__courses__year": "months"}, "data.courses.year: must not be called 'months'"),
        ({"data__courses__window": 1}, "data.courses.window: must be greater than or equal to 2 (found 1)"),
        ({"data__courses__threshold": 10}, "data.courses.threshold: must be less than 1 (found 10)"),
        ({"data__courses__pupli": "elev"}, "data.courses.pupli: unknown key; did you mean 'pupil'?"),
    ],
)
def test_faults_of_courses_are_told_with_the_others(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        parse_study(spec(comparison__level=2.0, **changes))
    assert fault in str(caught.value)
    assert "comparison.level" in str(caught.value)


def test_codes_of_pupils_stay_text_in_a_file(tmp_path: Path) -> None:
    frame = by_hand()
    frame = frame[frame["elev"].isin(["Ærø-well", "Ærø-always"])]
    frame["elev"] = np.where(frame["elev"] == "Ærø-well", "007", "7")
    frame.to_csv(tmp_path / "months.csv", index=False)
    table = load_table(parse_study(spec(), folder=tmp_path)).frame
    assert table.set_index("elev")["high"].to_dict() == {"007": 0, "7": 1}


def test_units_kept_back_take_their_pupils_and_leave_the_months_of_others_whole() -> None:
    frame = many()
    frame.loc[frame["kommune"] == "Ø0", "fravær"] = 0
    few = frame["elev"].isin([0, 1])
    frame.loc[few, "fravær"] = 9
    # A pupil of Ø3 who was in Ø0 for two months, with much absence there: high absence is by all months.
    mover = frame["elev"] == 3 * 60
    frame.loc[mover, "fravær"] = 0
    frame.loc[mover & (frame["måned"] <= 2), ["kommune", "fravær"]] = ["Ø0", 16]
    study = parse_study(spec(disclosure={"threshold": 5}))
    kept = keep_back([study], data=frame)[study.id]
    assert "Ø0" in kept.without["kommune"]
    assert "Ø3" not in kept.without["kommune"]
    whole, part = load_table(study, data=frame), load_table(study, data=frame, without=kept.without)
    left = whole.frame[~whole.frame["kommune"].isin(kept.without["kommune"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.frame, left)
    assert part.frame.loc[part.frame["elev"] == 3 * 60, ["high", "dage"]].to_numpy().tolist() == [[1, 200]]
    assert answer(study, data=frame).main.withheld.tolist().count("") == 6 - len(kept.without["kommune"])
    # A pupil without possible days in a unit kept back is in no note.
    idle = frame[frame["elev"] == 2].assign(elev=9999, dage=0, fravær=0)
    assert any("no possible days" in note for note in load_table(study, data=pd.concat([frame, idle])).notes)
    noted = answer(study, data=pd.concat([frame, idle], ignore_index=True)).notes
    assert not any("no possible days" in note for note in noted)


def test_only_rules_that_the_study_rests_on_are_told() -> None:
    def notes(**changes: object) -> str:
        return " | ".join(load_table(parse_study(spec(**changes)), data=by_hand()).notes)

    assert "high absence is above 10 %" in notes()
    assert "sudden:" not in notes()
    onset = notes(roles__trials="onset_told", model__formula="sudden ~ C(sex)")
    assert "sudden:" in onset
    assert "transient:" not in onset
    stays = notes(roles__trials="duration_told", model__formula="permanent ~ C(sex)")
    assert "transient:" in stays
    assert "sudden:" not in stays
    assert notes(roles__trials="dage", model__formula="fravær ~ C(sex)") == ""


def test_more_studies_are_complete_in_both_languages_and_none_is_in_the_demonstration() -> None:
    assert not set(more_studies()) & set(shipped_studies())
    folder = next(iter(more_studies().values())).parent
    assert {path.stem for path in folder.glob("*.toml")} == {*more_studies(), *shipped_studies()}
    for name, path in more_studies().items():
        study = read_study(path)
        da, en = study.words("da"), study.words("en")
        assert study.id == name
        assert len(da.caveats) == len(en.caveats) >= 5
        assert set(da.terms) == set(en.terms)
        assert all(label in da.terms for label in study.roles.choice)
        table = load_table(study).frame
        categories = {str(value) for choice in study.roles.choice for value in table[choice].unique()}
        assert categories <= set(da.terms)
        assert set(da.terms) == {t for t in da.terms if t in study.model.formula} | categories | {*study.roles.choice}


@pytest.mark.parametrize("name", more_studies())
def test_every_study_runs_from_the_command_line_and_says_that_it_is_simulated(
    tmp_path: Path, name: str, without_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        cli.main(["run", str(more_studies()[name]), "--out", "out"])
    assert not left.value.code
    html = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert 'class="banner"' in html
    assert "Ærø" in html
    assert "Simuleret af benchmodels.datasets." in html
    assert '<li lang="en">' not in html  # every note has Danish words
    assert len(pd.read_csv(tmp_path / "out" / f"{name}.csv")) == 98


def test_a_study_on_another_table_of_the_same_columns(tmp_path: Path, without_pictures: None) -> None:
    own = load("denmark.pupil_months").query("municipality in ['Ærø', 'Odense', 'Aarhus', 'Lolland', 'Vejle']")
    own.to_csv(tmp_path / "own.csv", index=False, sep=";", decimal=",", encoding="utf-8")
    page = run_study(read_study(more_studies()["absence-high"]), data=tmp_path / "own.csv", out=tmp_path / "out")
    html = page.read_text(encoding="utf-8")
    assert 'class="banner"' not in html
    assert "Højt fravær er over 10\u00a0% af det mulige" in html
    assert len(pd.read_csv(page.parent / "absence-high.csv")) == 5


def test_danish_words_of_all_that_courses_may_say() -> None:
    da = wording("da")
    frame = by_hand()
    idle = frame[frame["elev"] == "Ærø-well"].assign(elev="x", dage=0, fravær=0)
    short = frame[(frame["elev"] == "Ærø-always") & (frame["måned"] < 4)].assign(elev="y")
    moving = frame[frame["elev"] == "Ærø-struck"].assign(elev="z")
    moving.loc[moving["måned"] > 7, "kommune"] = "Fanø"
    study = parse_study(spec(data__aggregate={"by": ["kommune", "sex"], "sum": list(COURSE_COLUMNS)},
                             roles__trials="onset_told", model__formula="sudden ~ C(sex)"))  # fmt: skip
    told = load_table(study, data=pd.concat([frame, idle, short, moving], ignore_index=True)).notes
    told += absence_courses(frame, unit="kommune", pupil="elev", month="måned", absent="fravær", possible="dage",
                            months=range(1, 11)).notes  # fmt: skip
    assert sum("pupils" in note for note in told) == 3
    for note in told:
        assert da.translated(note) != note, note
        assert not any(word in da.translated(note) for word in (" the ", " of ", " and ")), note


def test_the_simulated_pupils_have_a_truth_that_shows() -> None:
    drawn = simulate_pupil_months(rng=5)
    table = drawn.table
    assert table.attrs["simulated"]
    assert {"Ærø", "København", "Tårnby"} <= set(table["municipality"])
    assert table["municipality"].nunique() == 98
    assert 100_000 < len(table) < 150_000
    assert sorted(table["month"].unique()) == list(MONTHS)
    assert (table["absent_days"] <= table["school_days"]).all()
    assert (table.groupby("pupil")[[*COVARIATES]].nunique() == 1).all(axis=None)
    assert (table.groupby("pupil")["month"].nunique() == len(MONTHS)).all()
    pd.testing.assert_frame_equal(table, simulate_pupil_months(rng=5).table)
    assert not table.equals(simulate_pupil_months(rng=6).table)
    names = {"unit": "municipality", "pupil": "pupil", "month": "month"}
    found = absence_courses(table, absent="absent_days", possible="school_days", **names)
    counts = found.per_unit().merge(drawn.truth, left_on="unit", right_on="municipality", suffixes=("", "_truth"))
    assert 0.15 < counts["high"].sum() / counts["pupils"].sum() < 0.25
    share = table.groupby("municipality")[["absent_days", "school_days"]].sum().reindex(counts["unit"])
    seen = (share["absent_days"] / share["school_days"]).to_numpy()
    assert 0.05 < share["absent_days"].sum() / share["school_days"].sum() < 0.08
    large = (counts["pupils"] > 80).to_numpy()
    for values, truth, least in (
        (seen, "level", 0.5),
        (counts["sudden"] / counts["onset_told"], "sudden_truth", 0.1),
        (counts["permanent"] / counts["duration_told"], "permanent_truth", 0.2),
    ):
        assert np.corrcoef(np.asarray(values)[large], counts[truth].to_numpy()[large])[0, 1] > least, truth
