"""Courses of absence from a table: months, pupils who move, what is counted, and what the words are worth."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, Pooled
from benchmodels.courses import AbsenceCourses, absence_courses
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.courses import DURATIONS, ONSETS, courses_of

SCHOOL_YEAR = (8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6)
SUDDEN = [0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9]
GRADUAL = [0, 1, 2, 2, 4, 6, 8, 9, 9, 9, 9]
PASSING = [0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0]
WELL = [0, 1, 0, 1, 0, 2, 0, 0, 1, 0, 0]


def rows(*pupils, month=SCHOOL_YEAR, possible=20):
    """One row per pupil and month, of (unit, pupil, days)."""
    parts = [
        pd.DataFrame({"kommune": unit, "elev": pupil, "måned": list(month), "fravær": days, "skoledage": possible})
        for unit, pupil, days in pupils
    ]
    return pd.concat(parts, ignore_index=True)


def courses(table, **options):
    names = {"unit": "kommune", "pupil": "elev", "month": "måned", "absent": "fravær", "possible": "skoledage"}
    return absence_courses(table, **(names | {"months": SCHOOL_YEAR} | options))


FOUR = (("Ærø", 4, WELL), ("Ærø", 1, SUDDEN), ("Ballerup", 3, PASSING), ("Ballerup", 2, GRADUAL))


@pytest.mark.parametrize("shuffled", [False, True])
def test_pupils_and_units(shuffled):
    table = rows(*FOUR)
    found = courses(table.sample(frac=1, random_state=3) if shuffled else table)
    frame = found.to_frame()
    assert frame.columns.tolist() == [
        "unit", "pupil", "absent", "possible", "high", "months", "onset", "duration", "begins", "ends", "moved",
    ]  # fmt: skip
    assert frame["unit"].tolist() == ["Ballerup", "Ballerup", "Ærø", "Ærø"]
    assert frame["pupil"].tolist() == [2, 3, 1, 4]
    assert frame["onset"].tolist() == ["gradual", "sudden", "sudden", "not high"]
    assert frame["duration"].tolist() == ["permanent", "transient", "permanent", "not high"]
    assert frame["begins"].tolist()[:3] == [12, 11, 11]
    assert frame["ends"].tolist()[:3] == [6, 2, 6]
    assert pd.isna(frame["begins"].iloc[3])
    assert frame["absent"].tolist() == [59, 36, 72, 5]
    assert frame["possible"].tolist() == [220.0] * 4
    units = found.per_unit()
    assert units.to_dict("list") == {
        "unit": ["Ballerup", "Ærø"],
        "pupils": [2, 2],
        "high": [2, 1],
        "sudden": [1, 1],
        "gradual": [1, 0],
        "from_the_start": [0, 0],
        "onset_told": [2, 1],
        "onset_untold": [0, 0],
        "transient": [1, 0],
        "permanent": [1, 1],
        "duration_told": [2, 1],
        "duration_untold": [0, 0],
    }
    assert repr(found) == "AbsenceCourses(4 pupils, 3 with absence above 10%)"
    assert "above 10 % of what was possible" in found.notes[0]


@pytest.mark.parametrize(
    "month",
    [
        [f"2023M{m:02d}" for m in range(8, 13)] + [f"2024M{m:02d}" for m in range(1, 7)],
        [f"2023-{m:02d}" for m in range(8, 13)] + [f"2024-{m:02d}" for m in range(1, 7)],
        [202300 + m for m in range(8, 13)] + [202400 + m for m in range(1, 7)],
        pd.period_range("2023-08", periods=11, freq="M"),
        pd.date_range("2023-08-01", periods=11, freq="MS"),
        [d.date() for d in pd.date_range("2023-08-01", periods=11, freq="MS")],
    ],
)
def test_months_whose_order_shows(month):
    table = rows(*FOUR, month=month)
    ours, asked = courses(table.sample(frac=1, random_state=1), months=None).to_frame(), courses(rows(*FOUR)).to_frame()
    for name in ("unit", "pupil", "onset", "duration", "absent"):
        assert ours[name].tolist() == asked[name].tolist(), name
    assert str(ours["begins"].iloc[0])[:7] == str(list(month)[4])[:7]


def test_an_ordered_categorical_says_the_order():
    names = ["aug", "sep", "okt", "nov", "dec", "jan", "feb", "mar", "apr", "maj", "jun"]
    table = rows(*FOUR, month=names)
    table["måned"] = pd.Categorical(table["måned"], categories=names, ordered=True)
    assert courses(table, months=None).to_frame()["begins"].tolist()[:3] == ["dec", "nov", "nov"]


def test_years_are_told_each_by_itself():
    two = pd.concat([rows(*FOUR).assign(år="2022/23"), rows(("Ærø", 1, WELL), ("Ærø", 4, SUDDEN)).assign(år="2023/24")])
    found = courses(two.sample(frac=1, random_state=2), year="år")
    frame = found.to_frame().set_index(["år", "pupil"])
    assert frame.loc[("2022/23", 1), "onset"] == "sudden"
    assert not frame.loc[("2023/24", 1), "high"]
    assert found.per_unit()[["unit", "år", "pupils", "high"]].to_numpy().tolist() == [
        ["Ballerup", "2022/23", 2, 2], ["Ærø", "2022/23", 2, 1], ["Ærø", "2023/24", 2, 1],
    ]  # fmt: skip
    dated = two.assign(måned=[f"{y[:4]}-{m:02d}" for y, m in zip(two["år"], two["måned"], strict=True)])
    # Months are of the calendar year here: what matters is that each year has its own eleven.
    assert len(courses(dated, year="år", months=None).to_frame()) == 6
    with pytest.raises(SpecificationError, match="22 months in one year; give year="):
        courses(dated, months=None)


def test_pupils_who_move():
    moving = rows(("Ærø", 1, SUDDEN), ("Ærø", 2, SUDDEN), ("Ærø", 3, WELL), ("Ærø", 5, SUDDEN))
    order = {m: i for i, m in enumerate(SCHOOL_YEAR)}
    place = moving["måned"].map(order)
    # Pupil 1 has four of eleven months elsewhere, pupil 2 seven; of pupil 5 each has five and one month of none.
    moving.loc[(moving["elev"] == 1) & (place >= 7), "kommune"] = "Ballerup"
    moving.loc[(moving["elev"] == 2) & (place < 7), "kommune"] = "Ballerup"
    moving.loc[(moving["elev"] == 5) & (place > 5), "kommune"] = "Ballerup"
    moving.loc[(moving["elev"] == 5) & (place == 5), ["fravær", "skoledage"]] = 0
    # Within a month: two rows of one pupil and month, in two units.
    split = moving[(moving["elev"] == 3) & (place == 0)]
    moving.loc[split.index, "skoledage"] = 12
    moving = pd.concat([moving, split.assign(kommune="Ballerup", skoledage=8)])
    frame = courses(moving.sample(frac=1, random_state=5)).to_frame().set_index("pupil")
    assert frame["unit"].to_dict() == {1: "Ærø", 2: "Ballerup", 3: "Ærø", 5: "Ballerup"}
    assert frame["moved"].all()
    assert frame["onset"].to_dict() == {1: "sudden", 2: "sudden", 3: "not high", 5: "sudden"}
    assert frame["possible"].to_dict() == {1: 220, 2: 220, 3: 220, 5: 200}
    assert any(note.startswith("4 pupils were in several units") for note in courses(moving).notes)


def test_pupils_without_possible_days_and_short_years_are_counted():
    table = pd.concat(
        [rows(*FOUR), rows(("Ærø", 9, [0] * 11), possible=0), rows(("Ærø", 8, SUDDEN[:5]), month=range(8, 13))]
    )
    found = courses(table)
    assert 9 not in found.to_frame()["pupil"].tolist()
    assert any(note.startswith("1 pupils have no possible days") for note in found.notes)
    assert any(note.startswith("1 pupils have high absence and too few months") for note in found.notes)
    units = found.per_unit().set_index("unit")
    assert units.loc["Ærø", ["pupils", "high", "onset_told", "onset_untold", "duration_untold"]].tolist() == [
        3,
        2,
        1,
        1,
        1,
    ]


def test_months_that_nobody_has_are_no_gaps():
    months = (*SCHOOL_YEAR[:4], 70, 71, *SCHOOL_YEAR[4:])
    empty = rows(*[(unit, pupil, [0, 0]) for unit, pupil, _ in FOUR], month=[70, 71], possible=0)
    with_them = pd.concat([rows(*FOUR), empty])
    pd.testing.assert_frame_equal(courses(with_them, months=months).to_frame(), courses(rows(*FOUR)).to_frame())


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda t: t.assign(fravær=t["fravær"] * -1), {}, DataError, "'fravær' .* at least 0"),
        (lambda t: t.assign(skoledage=-1), {}, DataError, "'skoledage' .* at least 0"),
        (lambda t: t.assign(skoledage=8), {}, DataError, "more is absent .*: 16 row"),
        (lambda t: t.assign(skoledage=np.where(t["måned"] == 11, 0, 20)), {}, DataError, "more is absent .*: 4 row"),
        (lambda t: t.assign(fravær=t["fravær"].mask(t.index == 3)), {}, DataError, "leave out the rows of months"),
        (lambda t: t.assign(fravær="to"), {}, DataError, "must be a number"),
        (lambda t: pd.concat([t, t.head(3)]), {}, DataError,
         "3 rows are of a pupil, month and unit that had a row before: pupil 4, month 8, unit Ærø"),
        (lambda t: t.assign(elev=1), {}, DataError, "rows are of a pupil, month and unit that had a row before"),
        (lambda t: t, {"months": (8, 9, 10)}, DataError, "holds months that are not in months=8, 9, 10"),
        (lambda t: t, {"months": None}, SpecificationError, "8 may be August or the eighth month"),
        (lambda t: t.assign(måned="august"), {"months": None}, SpecificationError, "the order of months does not show"),
        (lambda t: t, {"months": "august"}, SpecificationError, "each once"),
        (lambda t: t, {"months": (8, 8)}, SpecificationError, "each once"),
        (lambda t: t, {"months": 11}, SpecificationError, "each once"),
        (lambda t: t, {"months": ([8], [9])}, SpecificationError, "each once"),
        (lambda t: t, {"months": ()}, SpecificationError, "each once"),
        (lambda t: t, {"threshold": 10}, SpecificationError, "threshold=10"),
        (lambda t: t, {"window": 1}, SpecificationError, "window=1"),
        (lambda t: t, {"window": 7}, SpecificationError, "window=7"),
        (lambda t: t, {"unit": "elev"}, SpecificationError, "one column cannot be two things"),
        (lambda t: t, {"pupil": "elv"}, DataError, "did you mean 'elev'"),
        (lambda t: t.assign(fravær=0, skoledage=0), {}, DataError, "no pupil has any possible days"),
        (lambda t: t.head(0), {}, DataError, "no rows"),
        (lambda t: None, {}, DataError, "a dataframe is needed"),
        (lambda t: t.assign(elev=[[1]] * 44), {}, DataError, "no labels"),
        (lambda t: t.assign(måned=[[1]] * 44), {}, DataError, "no labels"),
        (lambda t: t, {"unit": ["kommune"]}, SpecificationError, "names of columns are text"),
    ],
)  # fmt: skip
def test_what_cannot_be_told(change, options, error, message):
    with pytest.raises(error, match=message):
        courses(change(rows(*FOUR)), **options)


def test_it_keeps_its_source_and_can_be_kept():
    table = rows(*FOUR)
    table.attrs = {"simulated": True, "source": "us"}
    before = table.copy()
    found = pickle.loads(pickle.dumps(courses(table)))
    assert isinstance(found, AbsenceCourses)
    assert found.to_frame().attrs == found.per_unit().attrs == {"simulated": True, "source": "us"}
    pd.testing.assert_frame_equal(table, before)


def ill(rng, share, n):
    """Days ill in months of 20, in spells of one to five days that are each as likely."""
    starts = [rng.poisson(20 * np.asarray(share) / 15, (n, len(share))) for _ in range(5)]
    return np.minimum(20, sum(length * s for length, s in enumerate(starts, start=1))).astype(float)


def shares(days):
    found = courses_of(days, np.full(days.shape, 20.0), threshold=0.1, window=3)
    onset = np.bincount(found.onset[found.high], minlength=len(ONSETS)) / found.high.sum()
    duration = np.bincount(found.duration[found.high], minlength=len(DURATIONS)) / found.high.sum()
    return dict(zip(ONSETS, onset, strict=True)), dict(zip(DURATIONS, duration, strict=True))


def test_what_the_words_are_worth():
    """The figures of the docstring, to a percentage point."""
    rng = np.random.default_rng(5)
    steady, _ = shares(ill(rng, [0.15] * 10, 40_000))
    jump, stays = shares(ill(rng, [0.03] * 4 + [0.40] * 6, 40_000))
    climb, _ = shares(ill(rng, np.r_[0.03, np.linspace(0.03, 0.40, 7), 0.40, 0.40], 40_000))
    _, back = shares(ill(rng, [0.03] * 3 + [0.40] * 4 + [0.03] * 3, 40_000))
    told = [steady["from the start"], steady["gradual"], steady["sudden"], jump["sudden"], jump["gradual"]]
    np.testing.assert_allclose(told, [0.70, 0.20, 0.10, 0.58, 0.36], atol=0.012)
    np.testing.assert_allclose([climb["sudden"], climb["gradual"]], [0.34, 0.51], atol=0.012)
    np.testing.assert_allclose([stays["permanent"], back["transient"]], [0.94, 0.94], atol=0.012)


def test_shares_add_up_and_have_limits():
    found = courses(pd.concat([rows(*FOUR), rows(("Ærø", 8, SUDDEN[:5]), month=range(8, 13))]))
    shares = found.shares(level=0.9)
    assert shares["high"].tolist() == [1.0, 2 / 3]
    for names in (
        ["sudden", "gradual", "from_the_start", "onset_untold"],
        ["transient", "permanent", "duration_untold"],
    ):
        np.testing.assert_allclose(shares[names].sum(axis=1), shares["high"], rtol=1e-12)
    # Wilson's limits of 2 of 3, by its formula.
    z, n, p = 1.6448536269514722, 3, 2 / 3
    middle, half = (p + z**2 / 6) / (1 + z**2 / 3), z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(shares[["lower", "upper"]].iloc[1], [middle - half, middle + half], rtol=1e-10)
    with pytest.raises(SpecificationError, match="level=95"):
        found.shares(level=95)


def test_counts_go_to_the_models():
    rng = np.random.default_rng(6)
    k, each = 30, 150
    jumps = np.repeat(rng.uniform(size=k) < 0.5, each)
    sick = rng.uniform(size=k * each) < 0.3
    share = np.where(sick[:, None], np.where(jumps[:, None], [0.0] * 4 + [0.6] * 7, [0.4] * 11), 0.02)
    days = rng.binomial(20, share)
    table = pd.DataFrame(
        {
            "kommune": np.repeat([f"K{i:02d}" for i in range(k)], each * 11),
            "elev": np.repeat(np.arange(k * each), 11),
            "måned": np.tile(SCHOOL_YEAR, k * each),
            "fravær": days.ravel(),
            "skoledage": 20,
        }
    )
    units = courses(table).per_unit()
    level = Pooled("high ~ 1", unit="unit", trials="pupils", family="binomial").fit(units).compare()
    assert level.observed.sum() == units["high"].sum()
    course = FixedEffects("sudden ~ 1", unit="unit", trials="onset_told", family="binomial").fit(units).compare()
    sudden = np.array([u in set(table.loc[np.repeat(jumps, 11), "kommune"]) for u in course.unit])
    assert (course.different[sudden] == "above").all()
    assert (course.different[~sudden] == "below").all()


@pytest.mark.parametrize("name", ["months", "high", "pupils"])
def test_a_year_by_a_name_of_the_answer_is_refused(name):
    table = pd.DataFrame({"s": "A", "p": 1, "m": range(1, 11), "a": 1, "d": 20, name: 2024})
    with pytest.raises(SpecificationError, match="rename"):
        absence_courses(table, unit="s", pupil="p", month="m", absent="a", possible="d", year=name)
