"""Verification: a result run again from its manifest, and everything that may be wrong with one."""

from __future__ import annotations

import json
import math
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from benchmodels.replication import parse_study, read_study, run_studies, run_study, shipped_studies
from benchmodels.replication.provenance import verification
from benchmodels.replication.provenance.agreement import (
    TOLERANCES,
    Cells,
    compare_cells,
    kind_of,
    number,
    read_cells,
    tolerances,
)
from benchmodels.replication.provenance.crate import write_crate
from benchmodels.replication.provenance.folder import write_csv
from benchmodels.replication.provenance.manifest import read_manifest, short
from benchmodels.replication.provenance.origin import WITHHELD, hash_study
from benchmodels.replication.provenance.shown import compare_shown, compare_words
from benchmodels.replication.provenance.verification import verify_folder

from .test_cli import ROWS, STUDY

OTHER = STUDY.replace('id = "small"', 'id = "other"').replace("small.csv", "data/other.csv")


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time of a run and are compared on the page alone."""
    monkeypatch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    (place / "small.toml").write_text(STUDY, encoding="utf-8")
    (place / "small.csv").write_text(ROWS, encoding="utf-8-sig")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})
        study = read_study(place / "small.toml")
        run_study(study, out=place / "out", danish_csv=True, rng=3, command="benchmodels run x")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    for name in ("small.toml", "small.csv"):
        shutil.copy(made / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def out(made: Path, place: Path) -> Path:
    """A result that was moved elsewhere with its data, as results are."""
    return Path(shutil.copytree(made / "out", place / "out"))


def content(folder: Path) -> dict[str, Any]:
    table = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert isinstance(table, dict)
    return table


def put(folder: Path, table: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def relisted(folder: Path, name: str) -> None:
    """Write the hash of a file into the manifest, as a forger would."""
    from benchmodels.replication.provenance.manifest import hash_file

    table = content(folder)
    table["files"][name] = hash_file(folder / name)
    put(folder, table)


def first_format(folder: Path) -> None:
    """Take out of a manifest what the first format did not have."""
    table = content(folder)
    for key in ("format", "platform", "output", "tolerance"):
        del table[key]
    for name in ("statsmodels", "linearmodels", "scikit-learn", "highspy"):
        del table["versions"][name]
    for record in table["studies"]:
        del record["study_sha256"]
        for key in ("kind", "place", "rounded_sha256"):
            record["data"].pop(key, None)
    put(folder, table)


# ---- the tables ------------------------------------------------------------------------------------------------


def cells(*rows: dict[str, object], name: str = "t.csv") -> Cells:
    keyed = {(str(row["unit"]),): {k: str(v) for k, v in row.items()} for row in rows}
    return Cells(name=name, columns=tuple(rows[0]), rows=keyed)


def test_every_column_that_is_written_has_the_kind_it_should(out: Path) -> None:
    found = {kind: [c for c in read_cells(out / "small.csv").columns if kind_of(c) == kind] for kind in TOLERANCES}
    assert found["label"] == ["unit", "different", "unusual", "withheld"]
    assert found["place"] == ["rank", "rank_lower", "rank_upper", "rank_simultaneous_lower", "rank_simultaneous_upper"]
    assert len(found["figure"]) == 15
    assert kind_of("frontier_rank_upper") == "place"
    assert kind_of("franking") == "figure"
    assert tolerances()["figure"] == {"rtol": 1e-7, "atol": 1e-9}
    assert all(found.reason for found in TOLERANCES.values())


def test_figures_within_and_beyond_the_tolerance() -> None:
    base = {"unit": "Ærø", "ratio": 1.25}
    for factor, beyond in ((1.0, 0), (1 + 0.9e-7, 0), (1 + 1.2e-7, 1), (1 - 0.9e-7, 0), (1 - 1.2e-7, 1), (-1.0, 1)):
        found = compare_cells(cells(base), cells(base | {"ratio": 1.25 * factor}))
        assert [c.beyond for c in found.columns] == [0, beyond], factor
        assert found.ok is (beyond == 0)


def test_a_difference_near_zero_is_as_exact_as_the_figures_it_is_of() -> None:
    row = {"unit": "Ærø", "observed_rate": 20.0, "difference": 1e-12}
    assert compare_cells(cells(row), cells(row | {"difference": -3e-12})).ok
    assert compare_cells(cells(row), cells(row | {"difference": 1.9e-8})).ok
    assert not compare_cells(cells(row), cells(row | {"difference": 2.1e-8})).ok
    lonely = {"unit": "Ærø", "z": 1e-12}
    assert not compare_cells(cells(lonely), cells(lonely | {"z": -3e-12})).ok


def test_a_figure_blown_up_gives_its_neighbours_no_leave() -> None:
    row = {"unit": "Ærø", "observed_rate": 20.0, "difference": 1.0}
    blown = {"unit": "Ærø", "observed_rate": 1e30, "difference": 2.0}
    for one, other in ((row, blown), (blown, row)):
        found = compare_cells(cells(one), cells(other))
        assert [c.column for c in found.beyond] == ["observed_rate", "difference"]


@pytest.mark.parametrize("other", ["", "nan", "inf", "-inf", "1e999", "1.25x", "1,25", "0x1", "１.25", "NaN", " 1.25"])
def test_what_is_no_number_is_beyond_any_tolerance(other: str) -> None:
    one, two = cells({"unit": "Ærø", "ratio": "1.25"}), cells({"unit": "Ærø", "ratio": other})
    for found in (compare_cells(one, two), compare_cells(two, one)):
        [column] = found.beyond
        assert (column.beyond, column.unit) == (1, "Ærø")
    assert compare_cells(two, two).ok


@pytest.mark.parametrize(
    ("column", "a", "b"), [("rank", "3", "4"), ("different", "above", "below"), ("unit2", "a", "b")]
)
def test_places_and_words_are_the_same_or_not(column: str, a: str, b: str) -> None:
    found = compare_cells(cells({"unit": "Ærø", column: a}), cells({"unit": "Ærø", column: b}))
    [beyond] = found.beyond
    assert (beyond.recorded, beyond.found) == (a, b)
    assert compare_cells(cells({"unit": "x", "rank": "3"}), cells({"unit": "x", "rank": "3.0"})).ok
    assert not compare_cells(cells({"unit": "x", "different": "1"}), cells({"unit": "x", "different": "1.0"})).ok


def test_the_worst_difference_is_the_plain_loops() -> None:
    rng = np.random.default_rng(11)
    a = pd.DataFrame({"unit": [f"U{i}" for i in range(60)], "observed": rng.normal(size=60), "expected": 100.0})
    b = a.copy()
    b["observed"] *= 1 + rng.normal(size=60) * 3e-8
    b.loc[[7, 31], "observed"] += [0.5, -0.7]
    pair = [
        cells(*({k: repr(v) if k != "unit" else v for k, v in r.items()} for r in t.to_dict("records"))) for t in (a, b)
    ]
    [_, column, _] = compare_cells(*pair).columns
    worst, count = (0.0, ""), 0
    for i in range(60):
        x, y = a["observed"][i], b["observed"][i]
        allowed = 1e-7 * max(abs(x), abs(y)) + 1e-9 * 100
        count += abs(x - y) > allowed
        worst = max(worst, (abs(x - y) / allowed, f"U{i}"))
    assert (column.beyond, column.unit, column.values) == (count, worst[1], 60)
    assert column.difference == abs(float(column.recorded) - float(column.found))


def test_rows_and_columns_that_went_and_came_and_their_order() -> None:
    one = cells({"unit": "a", "x": 1, "y": 2}, {"unit": "b", "x": 3, "y": 4})
    other = cells({"y": 4, "unit": "b", "z": 0}, {"y": 9, "unit": "c", "z": 0})
    found = compare_cells(one, other)
    assert (found.gone, found.came, found.columns_gone, found.columns_came) == (("a",), ("c",), ("x",), ("z",))
    assert not found.beyond
    assert not found.ok
    same = cells({"y": 4, "unit": "b", "x": 3}, {"y": 2, "unit": "a", "x": 1})
    assert compare_cells(one, same).ok


def test_tables_are_read_as_they_are_written(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "unit": ["=Ærø", '"Øst"; 1,5', "Linje\nto", "0101"],
            "part": ["peer", "peer", "peer", "peer"],
            "ratio": [1.5, np.nan, -2e-9, 3.0],
            "rank": pd.array([1, None, 3, 4], dtype="Int64"),
        }
    )
    for name in ("t.csv", "t.da.csv"):
        write_csv(frame, tmp_path / name, danish=name.endswith(".da.csv"))
    one, danish = read_cells(tmp_path / "t.csv"), read_cells(tmp_path / "t.da.csv")
    assert compare_cells(one, danish).ok
    assert list(one.rows) == [("'=Ærø", "peer"), ('"Øst"; 1,5', "peer"), ("Linje\nto", "peer"), ("0101", "peer")]
    values = [number(row["ratio"]) for row in danish.rows.values()]
    np.testing.assert_array_equal(values, frame["ratio"])


def test_rows_alike_in_their_names_are_told_apart_by_their_place(tmp_path: Path) -> None:
    frame = pd.DataFrame({"unit": ["a", "a", "a"], "ratio": [1.0, 2.0, 3.0]})
    write_csv(frame, tmp_path / "one.csv")
    write_csv(frame.assign(ratio=[1.0, 2.0, 4.0]), tmp_path / "two.csv")
    [_, column] = compare_cells(read_cells(tmp_path / "one.csv"), read_cells(tmp_path / "two.csv")).columns
    assert (column.beyond, column.unit, column.recorded, column.found) == (1, "a / no. 3", "3.0", "4.0")


def test_rows_without_names_are_known_by_their_number(tmp_path: Path) -> None:
    frame = pd.DataFrame({"term": ["a", "b"], "ratio": [1.0, 2.0]})
    write_csv(frame, tmp_path / "one.csv")
    write_csv(frame.assign(ratio=[1.0, 3.0]), tmp_path / "two.csv")
    [column] = compare_cells(read_cells(tmp_path / "one.csv"), read_cells(tmp_path / "two.csv")).beyond
    assert (column.column, column.unit) == ("ratio", "row 2")


def test_tables_belong_to_the_study_with_the_longest_name(out: Path) -> None:
    table = content(out)
    more = [json.loads(json.dumps(table["studies"][0])) for _ in range(2)]
    more[0]["study"]["study"]["id"], more[1]["study"]["study"]["id"] = "small-area", "other"
    put(out, table | {"studies": [*table["studies"], *more]})
    found = read_manifest(out)
    names = ["small.csv", "small-frontier.da.csv", "small-area.csv", "small-area-frontier.csv", "smaller.csv", "x.csv"]
    assert [found.study_of(name) for name in names] == ["small", "small", "small-area", "small-area", "", ""]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "t.csv: the table is empty"),
        (b"\r\n", "t.csv: the table is empty"),
        (b"unit,ratio,ratio\r\na,1,2\r\n", "t.csv: column 'ratio' stands 2 times"),
        (b"unit,ratio\r\na,1\r\nb\r\n", "t.csv: row 3 has 1 cells, and the header 2"),
        (b"unit,ratio\r\na,1,2\r\n", "t.csv: row 2 has 3 cells"),
        (b'unit,ratio\r\n"a,1\r\n', "t.csv: cannot be read as a table"),
        (b"unit,ratio\r\n\xe6,1\r\n", "t.csv: not UTF-8 at byte 12"),
        (b"unit,ratio\r\n" + b"a" * 200_000 + b",1\r\n", "t.csv: cannot be read as a table: field larger"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(DataError) as caught:
        read_cells(tmp_path / "t.csv")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("a", "b", "lang", "places"),
    [
        ("5,042151882602865 %", "5,042151882602864 %", "da", 0),
        ("5.042151882602865 %", "5.042151882602864 %", "en", 0),
        ("5.042151882602865 %", "5.042151882602864 %", "da", 0),
        ("kl. 2,1e-16 (priser)", "kl. 3e-16 (priser)", "da", 0),
        ("1.234 kr.", "1.235 kr.", "da", 1),
        ("1.234,5 kr.", "1.234,6 kr.", "da", 1),
        ("over, 5,0", "under, 5,0", "da", 1),
        ("p12a3 4", "p12a4 4", "en", 1),
        ("1, 2, 3", "1, 2", "en", 1),
        ("Version 0.4.0", "Version 0.4.1", "en", 1),
        # The mark of decimals taken away, or moved.
        ("p = 0.05", "p = 5", "en", 1),
        ("p = 0,05", "p = 5", "da", 1),
        ("gap 2.5 points", "gap 25 points", "en", 1),
        ("gap 2.5 points", "gap 25 points", "da", 1),
        ("1.26", "126", "en", 1),
        ("1,26", "126", "da", 1),
        ("1.260", "1.26", "da", 1),
        ("1,260", "1.26", "en", 1),
        ("1.260", "1.26", "en", 0),
        ("1.234", "1,234", "en", 1),
        ("1.234", "1,234", "da", 1),
        ("0.125", "0.12500000000000003", "da", 0),
        ("0.125", "125", "da", 1),
        # Whole numbers have no last digits.
        ("1234567890", "1234567891", "en", 1),
        ("1.234", "1234", "da", 1),
        ('<td data-value="12.125">', '<td data-value="12.125000000000002">', "da", 0),
        ('<td data-value="12.125">', '<td data-value="12125">', "da", 1),
        ('<td title="12.125 kr.">', '<td title="12.125000000000002 kr.">', "da", 1),
        ("1e999", "2e999", "en", 1),
    ],
)
def test_words_to_the_letter_and_numbers_as_figures(a: str, b: str, lang: Any, places: int) -> None:
    for one, other in ((a, b), (b, a)):
        found, left, right = compare_words(one, other, lang=lang)
        assert min(found, 1) == places
        assert (left == right == "") is (places == 0)


def test_numbers_rounded_to_their_neighbour_are_set_apart() -> None:
    cases: tuple[tuple[str, str, Any, float], ...] = (
        ("99,8 %", "99,9 %", "da", 99.85), ("5.0 of 6", "5.1 of 6", "en", 5.05), ("5.041", "5.042", "en", 5.0415),
        ("1,05", "1,06", "da", 1.055 + 1e-9), ("-0.1", "-0.2", "en", 0.15), ("1.234,5", "1.234,6", "da", 1234.55),
    )  # fmt: skip
    for a, b, lang, half in cases:
        assert compare_shown(a, b, figures=[0.0, half, 1e9], lang=lang)[:2] == (0, 1)
        for figures in ([], [half * 1.01], [0.0, 1e9], [float(half) + 2e-5 * max(1.0, half / 100)]):
            assert compare_shown(a, b, figures=figures, lang=lang)[:2] == (1, 0)
    others: tuple[tuple[str, str, Any, float], ...] = (
        ("99,7 %", "99,9 %", "da", 99.8), ("5.0", "5.2", "en", 5.1), ("5.041", "5.043", "en", 5.042),
        ("above 5", "below 5", "en", 5), ("5", "", "en", 5), ("30", "31", "en", 30.5),
        ("5.041 kr.", "5.042 kr.", "da", 5041.5), ("99,9 %", "100 %", "da", 99.95),
        ("rank 3 of 98", "rank 4 of 98", "da", 3.5), ("0.1", "-0.1", "en", 0.0),
    )  # fmt: skip
    for a, b, lang, half in others:
        assert compare_shown(a, b, figures=[half], lang=lang)[:2] == (1, 0)
    assert compare_shown("1.0 a 2.0", "1.1 b 2.0", figures=[1.05]) == (1, 1, "1.0 a ", "1.1 b ")


def test_a_danish_table_with_points_for_commas_is_another_table(tmp_path: Path) -> None:
    (tmp_path / "t.da.csv").write_text("unit;ratio\r\nÆrø;1,5\r\n", encoding="utf-8-sig")
    (tmp_path / "u.da.csv").write_text("unit;ratio\r\nÆrø;1.5\r\n", encoding="utf-8-sig")
    comma, point = (read_cells(tmp_path / name) for name in ("t.da.csv", "u.da.csv"))
    for one, other in ((comma, point), (point, comma)):
        [column] = compare_cells(one, other).beyond
        assert {column.recorded, column.found} == {"1.5", "1.5 (with a point)"}
    assert compare_cells(point, point).ok


# ---- a folder that is as it was made ---------------------------------------------------------------------------


def test_a_result_is_reproduced_and_not_touched(place: Path, out: Path) -> None:
    before = state(place)
    steps: list[tuple[int, int, str]] = []
    found = verify_folder(out, progress=lambda *step: steps.append(step))
    assert found.ok
    assert found.to_text() == f"{out}: reproduced: 2 tables, 144 values, all to the last digit"
    assert found.to_frame().empty
    assert list(found.to_frame().columns) == [
        "about", "where", "text", "column", "unit", "recorded", "found", "fault",
    ]  # fmt: skip
    assert state(place) == before
    assert steps[-1][:2] == (5, 5)
    told = json.loads(found.to_json())
    assert told["ok"]
    assert told["rerun"]
    assert len(told["columns"]) == 48
    assert verify_folder(out / "manifest.json").ok


def test_the_manifest_says_what_a_rerun_needs(place: Path, out: Path) -> None:
    table = content(out)
    assert table["format"] == 2
    assert table["output"] == {"danish_csv": True}
    assert table["tolerance"] == tolerances()
    assert set(table["platform"]) == {"system", "machine", "python", "blas"}
    [record] = table["studies"]
    assert record["data"]["kind"] == "file"
    assert record["data"]["place"] == "../small.csv"
    assert record["study_sha256"] == hash_study(record["study"])
    assert str(place) not in json.dumps(table)


def test_the_place_of_data_elsewhere_is_not_told(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = tmp_path_factory.mktemp("hemmelig")
    shutil.copy(place / "small.csv", away / "small.csv")
    (place / "small.csv").unlink()
    run_study(read_study(place / "small.toml"), out=place / "out", data=away / "small.csv")
    assert "hemmelig" not in (place / "out" / "manifest.json").read_text(encoding="utf-8")
    found = verify_folder(place / "out")
    assert not found.ok
    assert "data of small: small.csv was not found (looked in" in found.to_text()
    for data in (away, away / "small.csv", str(away)):
        assert verify_folder(place / "out", data=data).ok
    shutil.move(away / "small.csv", away / "renamed.csv")
    assert verify_folder(place / "out", data=away / "renamed.csv").ok


def test_several_studies_each_with_its_own_file(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data" / "other.csv").write_text(ROWS.replace("Aarhus", "Odense"), encoding="utf-8")
    (place / "other.toml").write_text(OTHER, encoding="utf-8")
    studies = [read_study(place / f"{name}.toml") for name in ("small", "other")]
    run_studies(studies, out=place / "out")
    assert verify_folder(place / "out").ok
    shutil.move(place / "data" / "other.csv", place / "other.csv")
    assert verify_folder(place / "out").ok
    (place / "other.csv").write_text(ROWS, encoding="utf-8")
    found = verify_folder(place / "out")
    [fault] = found.faults
    assert fault.text.startswith("data of other: other.csv is not the file that was read (sha256 ")


def test_a_table_in_memory_is_asked_for_and_checked(place: Path) -> None:
    frame = pd.read_csv(place / "small.csv", sep=";")
    run_study(read_study(place / "small.toml"), out=place / "out", data=frame)
    assert verify_folder(place / "out", data=frame).ok
    for given in (None, place / "small.csv"):
        [fault] = verify_folder(place / "out", data=given).faults
        assert fault.text == "data of small: table was a table in memory; give that table as data"
    other = frame.assign(elever=frame["elever"] + 1)
    [fault] = verify_folder(place / "out", data=other).faults
    assert "is not the table that was read (sha256" in fault.text
    [fault] = verify_folder(place / "out", data=frame.drop(columns="elever")).faults
    assert "cannot be read: table: no column 'elever'" in fault.text


def test_the_language_of_the_page_is_that_of_the_result(tmp_path: Path) -> None:
    from .test_study import small_table, spec

    run_study(parse_study(spec()), out=tmp_path / "out", data=small_table(), lang="en")
    found = verify_folder(tmp_path / "out", data=small_table())
    assert found.ok, found.to_text()
    assert [table.name for table in found.tables] == ["small.csv"]


def test_a_hash_that_was_withheld_is_told(place: Path) -> None:
    text = STUDY.replace("[texts.da]", "[disclosure]\nthreshold = 5\n[texts.da]")
    (place / "small.toml").write_text(text, encoding="utf-8")
    run_study(read_study(place / "small.toml"), out=place / "out")
    assert content(place / "out")["studies"][0]["data"]["sha256"] == WITHHELD
    found = verify_folder(place / "out")
    assert found.ok
    [note] = found.findings
    assert "its hash was withheld for disclosure control" in note.text
    (place / "small.csv").write_text(ROWS.replace("140", "150"), encoding="utf-8-sig")
    found = verify_folder(place / "out")
    assert not found.ok
    assert {fault.about for fault in found.faults} == {"tables", "page"}


# ---- a folder that is not --------------------------------------------------------------------------------------


def test_a_tampered_table_is_named_with_unit_and_both_values(out: Path) -> None:
    text = (out / "small.csv").read_text(encoding="utf-8-sig")
    (out / "small.csv").write_text(text.replace("15.245901639344261", "15.345901639344261"), encoding="utf-8-sig")
    before = state(out)
    found = verify_folder(out)
    assert [fault.about for fault in found.faults] == ["files", "tables"]
    lines = found.to_text().splitlines()
    assert lines[0] == f"{out}: not reproduced: 2 faults"
    assert lines[1].startswith("fault small.csv: changed since it was made (sha256 ")
    assert lines[2] == (
        "fault small.csv: observed_rate of Øst: 15.345901639344261 in the folder, 15.245901639344261 when run again "
        "(1 of 3 values differ)"
    )
    worst = found.worst
    assert worst is not None
    assert (worst.column, worst.unit) == ("observed_rate", "Øst")
    assert math.isclose(worst.difference, 0.1)
    assert state(out) == before
    relisted(out, "small.csv")
    assert [fault.about for fault in verify_folder(out).faults] == ["tables"]


def test_tampered_danish_table_page_and_record(out: Path) -> None:
    text = (out / "small.da.csv").read_text(encoding="utf-8-sig")
    (out / "small.da.csv").write_text(text.replace("15,245901639344261", "15,345901639344261"), encoding="utf-8-sig")
    page = (out / "index.html").read_text(encoding="utf-8")
    (out / "index.html").write_text(page.replace("Ikke årsag.", "Årsag."), encoding="utf-8")
    relisted(out, "small.da.csv")
    relisted(out, "index.html")
    table = content(out)
    table["studies"][0]["rows_dropped"] = 2
    table["studies"][0]["data"]["rows"] = 7
    put(out, table)
    told = verify_folder(out).to_text()
    assert "small.da.csv: observed_rate of Øst: 15.345901639344261 in the folder" in told
    assert "index.html: differs in" in told
    assert "Årsag." in told
    assert "manifest.json: rows_dropped of small: 2 recorded, 0 when run again" in told
    assert "manifest.json: data.rows of small: 7 recorded, 6 when run again" in told


def test_a_page_rounded_otherwise_is_a_note_only_where_figures_lie_half_way(
    made: Path, out: Path, rerun_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "13,5" in page
    (out / "index.html").write_text(page.replace("13,5", "13,6", 1), encoding="utf-8", newline="\n")
    relisted(out, "index.html")
    [fault] = verify_folder(out).faults
    assert fault.text.startswith("index.html: differs in 1 places, first: ")
    for name, a, b in (("small.csv", ".", "13.539325842696629"), ("small.da.csv", ",", "13,539325842696629")):
        text = (out / name).read_text(encoding="utf-8-sig")
        assert b in text
        (out / name).write_text(text.replace(b, f"13{a}539325842696624"), encoding="utf-8-sig", newline="")
        relisted(out, name)
    [fault] = verify_folder(out).faults
    assert fault.text.startswith("index.html: differs in 1 places, first: ")
    # As if the run had come to 13.55, within a hair.
    real = verification.run_studies

    def halved(studies: Any, *, out: Path, **options: Any) -> Any:
        found = real(studies, out=out, **options)
        text = (out / "small.csv").read_text(encoding="utf-8-sig")
        text = text.replace("13.539325842696629", "13.550000000000001")
        (out / "small.csv").write_text(text, encoding="utf-8-sig", newline="")
        return found

    monkeypatch.setattr(verification, "run_studies", halved)
    shutil.copy(made / "out" / "small.da.csv", out / "small.da.csv")
    relisted(out, "small.da.csv")
    whole = (made / "out" / "small.csv").read_text(encoding="utf-8-sig")
    for cell, stands in (("13.550000000000001", False), ("13.549999999999999", True)):
        text = whole.replace("13.539325842696629", cell)
        (out / "small.csv").write_text(text, encoding="utf-8-sig", newline="")
        relisted(out, "small.csv")
        assert verify_folder(out).ok is stands
    found = verify_folder(out)
    assert found.ok, found.to_text()
    [note] = found.findings
    assert note.text.startswith("index.html: 1 numbers with decimals are rounded to their neighbour, first: ")


def test_the_day_it_was_made_does_not_count(out: Path) -> None:
    page = (out / "index.html").read_text(encoding="utf-8")
    table = content(out)
    day = table["created"][:10]
    assert day in page
    (out / "index.html").write_text(page.replace(day, "2025-01-31"), encoding="utf-8", newline="\n")
    table["created"] = "2025-01-31T12:00:00+00:00"
    put(out, table)
    relisted(out, "index.html")
    assert verify_folder(out).ok
    (out / "index.html").write_text(page.replace(day, "2025-01-31 2025-01-31"), encoding="utf-8", newline="\n")
    relisted(out, "index.html")
    [fault] = verify_folder(out).faults
    assert fault.about == "page"


@pytest.mark.parametrize("created", ["fraudulent", "2026-11-22", "2026-13-01T00:00:00", "20261122T101112", 5, "x" * 99])
def test_what_is_no_moment_takes_no_word_out_of_the_page(out: Path, created: object) -> None:
    put(out, content(out) | {"created": created})
    with pytest.raises(DataError, match="the manifest is damaged: created: "):
        verify_folder(out)


def test_the_files_are_those_that_a_rerun_writes(out: Path, rerun_once: None) -> None:
    (out / "conclusions.html").write_text("<h1>Ærø snyder</h1>", encoding="utf-8")
    relisted(out, "conclusions.html")
    [fault] = verify_folder(out).faults
    assert fault.text == "conclusions.html: is in the manifest, and was not written when run again"
    (out / "conclusions.html").unlink()
    (out / "index.html").unlink()
    table = content(out)
    for name in ("conclusions.html", "index.html"):
        del table["files"][name]
    put(out, table)
    [fault] = verify_folder(out).faults
    assert fault.text == "index.html: written when run again, not recorded"


def test_a_whole_number_of_the_page_never_moves(out: Path, rerun_once: None) -> None:
    """Though a figure of a table moved by its last digit."""
    text = (out / "small.csv").read_text(encoding="utf-8-sig")
    assert "13.539325842696629" in text
    text = text.replace("13.539325842696629", "13.539325842696627")
    (out / "small.csv").write_text(text, encoding="utf-8-sig", newline="")
    relisted(out, "small.csv")
    assert verify_folder(out).ok
    page = (out / "index.html").read_text(encoding="utf-8")
    assert ">0 af 3<" in page
    page = page.replace(">0 af 3<", ">1 af 3<", 1)
    (out / "index.html").write_text(page, encoding="utf-8", newline="\n")
    relisted(out, "index.html")
    [fault] = verify_folder(out).faults
    assert fault.text.startswith("index.html: differs in 1 places, first: ")


def test_links_out_of_the_folder_are_not_followed(out: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = tmp_path_factory.mktemp("away")
    shutil.copy(out / "small.csv", away / "small.csv")
    for name in ("small.csv", "løs.csv"):
        (out / name).unlink(missing_ok=True)
        (out / name).symlink_to(away / "small.csv")
    (out / "loop").symlink_to(away)
    found = verify_folder(out)
    assert [fault.text for fault in found.faults] == [
        "small.csv: is a link that leads out of the folder, or to nothing",
        "loop: not in the manifest",
        "løs.csv: not in the manifest",
    ]
    assert [table.name for table in found.tables] == ["small.da.csv"]


# ---- pictures --------------------------------------------------------------------------------------------------


def drawn(outcome: Any, *, folder: Path, lang: str) -> dict[str, str]:
    """One picture of each kind, as `figures_of` writes them."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    (folder / "figures").mkdir(exist_ok=True)
    figure = Figure(figsize=(2.0, 1.0))
    figure.subplots().plot(outcome.to_frame()["ratio"])
    for kind in ("svg", "png"):
        with rc_context({"svg.hashsalt": "x"}):
            figure.savefig(folder / "figures" / f"small-a.{kind}", metadata={"Date": None} if kind == "svg" else {})
    return {}


@pytest.fixture
def pictured(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("benchmodels.replication.chapters.figures_of", drawn)
    run_study(read_study(place / "small.toml"), out=place / "out")
    return place / "out"


def test_pictures_are_compared_with_those_drawn_again(pictured: Path) -> None:
    from PIL import Image

    found = verify_folder(pictured)
    assert found.ok
    assert (found.pictures.compared, found.pictures.left) == (2, 0)
    picture = pictured / "figures" / "small-a.png"
    with Image.open(picture) as image:
        image.save(picture, compress_level=1)
    relisted(pictured, "figures/small-a.png")
    assert verify_folder(pictured).ok, "the same points in other bytes"
    with Image.open(picture) as image:
        image.putpixel((7, 7), (255, 0, 0, 255))
        image.save(picture)
    relisted(pictured, "figures/small-a.png")
    (pictured / "figures" / "small-a.svg").write_bytes(b"<svg/>")
    relisted(pictured, "figures/small-a.svg")
    found = verify_folder(pictured)
    assert [fault.text for fault in found.faults] == [
        f"figures/small-a.{kind}: is not the picture that was drawn when run again" for kind in ("png", "svg")
    ]
    table = content(pictured)
    put(pictured, table | {"versions": table["versions"] | {"matplotlib": "3.0"}})
    found = verify_folder(pictured)
    assert found.ok
    assert found.to_text().splitlines()[0].endswith("; 2 pictures not compared")
    assert "note  2 of 2 pictures are not compared, as another matplotlib, benchmodels or platform" in found.to_text()
    assert json.loads(found.to_json())["pictures"] == {"compared": 0, "not_compared": 2}


def bomb() -> bytes:
    """A picture that says it has 40,000 x 40,000 points."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_pictures_that_are_none_are_faults(pictured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shutil.copytree(pictured, pictured.parent / "whole")
    monkeypatch.setattr(verification, "run_studies", lambda *args, out, **options: shutil.copytree(whole, out))
    for content_ in (
        b"",
        b"\x89PNG\r\n\x1a\n",
        bomb(),
        b"\xff\xd8\xff",
        (pictured / "figures/small-a.png").read_bytes()[:200],
    ):
        (pictured / "figures" / "small-a.png").write_bytes(content_)
        relisted(pictured, "figures/small-a.png")
        [fault] = verify_folder(pictured).faults
        assert fault.about == "pictures"


def test_missing_and_added_files_are_named(out: Path) -> None:
    (out / "small.csv").unlink()
    (out / "noter æøå.txt").write_text("x", encoding="utf-8")
    (out / "figures").mkdir(exist_ok=True)
    (out / ".DS_Store").write_bytes(b"")
    found = verify_folder(out)
    assert [fault.text for fault in found.faults] == [
        "small.csv: is missing",
        "noter æøå.txt: not in the manifest",
    ]
    assert [f.text for f in found.findings if not f.fault] == [".DS_Store: not in the manifest"]
    assert [table.name for table in found.tables] == ["small.da.csv"]


def test_tables_that_only_one_side_lists(out: Path) -> None:
    (out / "more.csv").write_text("unit\r\n", encoding="utf-8-sig")
    relisted(out, "more.csv")
    table = content(out)
    del table["files"]["small.csv"]
    put(out, table)
    told = [fault.text for fault in verify_folder(out).faults]
    assert told == [
        "small.csv: not in the manifest",
        "more.csv: was not written when run again",
        "small.csv: written when run again, not recorded",
    ]


def test_a_changed_input_fails_and_is_not_run(place: Path, out: Path) -> None:
    (place / "small.csv").write_text(ROWS.replace("Ærø;dreng;120;20", "Ærø;dreng;120;21"), encoding="utf-8-sig")
    found = verify_folder(out)
    assert not found.ok
    assert not found.rerun
    lines = found.to_text().splitlines()
    assert lines[0] == f"{out}: not run again: 1 fault"
    assert lines[1].startswith("fault data of small: small.csv is not the file that was read (sha256 ")
    assert found.columns_frame().empty
    assert json.loads(found.to_json())["columns"] == []


def test_another_version_fails_unless_allowed(out: Path) -> None:
    table = content(out)
    here = table["versions"]["benchmodels"]
    table["versions"] |= {"benchmodels": "0.3.0", "numpy": "1.0", "python": "3.9.0"}
    put(out, table)
    found = verify_folder(out)
    assert not found.rerun
    assert found.to_text().splitlines()[1:] == [
        f"fault benchmodels: made with 0.3.0, {here} here; "
        "install that version, or allow other versions (--any-version)",
        f"note  python: made with 3.9.0, {found.findings[1].found} here",
        f"note  numpy: made with 1.0, {np.__version__} here",
    ]
    allowed = verify_folder(out, allow_other_versions=True)
    assert allowed.ok
    assert [f.about for f in allowed.findings] == ["libraries", "package", "libraries"]
    del table["versions"]["benchmodels"]
    put(out, table)
    assert "benchmodels: made with no version" in verify_folder(out).to_text()


def test_a_study_changed_in_the_manifest_is_not_run(out: Path) -> None:
    table = content(out)
    table["studies"][0]["study"]["comparison"]["level"] = 0.9
    put(out, table)
    [fault] = verify_folder(out).faults
    assert fault.text == "small: the study in the manifest is not the one that was run (its hash differs)"
    table["studies"][0]["study_sha256"] = hash_study(table["studies"][0]["study"])
    put(out, table)
    found = verify_folder(out)
    assert found.rerun
    assert "difference_lower" in found.to_text()
    table["studies"][0]["study"]["comparison"]["level"] = 2
    table["studies"][0]["study_sha256"] = hash_study(table["studies"][0]["study"])
    put(out, table)
    [fault] = verify_folder(out).faults
    assert (
        fault.text
        == "the study in the manifest is damaged: small: 1 fault   comparison.level: must be less than 1 (found 2)"
    )


def test_another_seed_moves_rank_sets_or_nothing_else(out: Path) -> None:
    table = content(out)
    table["options"]["rng"] = 4
    put(out, table)
    found = verify_folder(out)
    assert not found.ok
    assert [f.column for f in found.faults if f.about == "manifest"] == ["rng"]
    assert {f.column for f in found.faults if f.about == "tables"} <= {
        c.column for t in found.tables for c in t.columns if c.kind == "place"
    }


def test_the_first_format_verifies_and_says_what_it_lacks(out: Path) -> None:
    first_format(out)
    found = verify_folder(out)
    assert found.ok
    assert len(found.tables) == 2
    [note] = found.findings
    assert "does not say where the data lay, nor the platform" in note.text


def test_what_was_taken_out_of_a_manifest_is_missed(out: Path, rerun_once: None) -> None:
    whole = content(out)
    for key in ("platform", "output", "tolerance"):
        put(out, {name: value for name, value in whole.items() if name != key})
        [fault] = verify_folder(out).faults
        assert fault.text == f"manifest.json: {key} taken out since it was made"
    for outer, key in ((None, "study_sha256"), ("data", "kind")):
        table = json.loads(json.dumps(whole))
        record = table["studies"][0]
        del (record if outer is None else record[outer])[key]
        put(out, table)
        assert f"{key} of small taken out since it was made" in verify_folder(out).to_text()
    put(
        out,
        whole | {"tolerance": {"figure": {"rtol": 1e9}}, "versions": {"benchmodels": whole["versions"]["benchmodels"]}},
    )
    found = verify_folder(out)
    assert found.ok
    [one, other] = found.findings
    assert one.text.startswith("manifest.json: does not record the version of python, numpy")
    assert other.text == "manifest.json: records other tolerances than those of this version, which count"


def test_the_first_format_tells_the_kind_of_data_from_its_name(place: Path) -> None:
    frame = pd.read_csv(place / "small.csv", sep=";")
    run_study(read_study(place / "small.toml"), out=place / "out", data=frame)
    first_format(place / "out")
    assert verify_folder(place / "out", data=frame).ok
    assert not verify_folder(place / "out").ok


def test_a_bundled_table_and_its_last_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmodels import datasets

    study = read_study(shipped_studies()["sheltered-housing"])
    asked = study.model_dump(mode="json", exclude_none=True)
    asked["frontier"]["replicates"] = 0
    study = parse_study(asked)
    run_study(study, out=tmp_path / "out")
    assert verify_folder(tmp_path / "out").ok
    with pytest.raises(SpecificationError, match="the result is of bundled data"):
        verify_folder(tmp_path / "out", data=tmp_path)
    real = datasets.load

    def moved(by: float) -> None:
        def load(name: str) -> pd.DataFrame:
            frame = real(name)
            attrs = dict(frame.attrs)
            frame = frame.assign(cost_1000dkk=frame["cost_1000dkk"] * (1 + by))
            frame.attrs |= attrs
            return frame

        monkeypatch.setattr("benchmodels.datasets.load", load)

    moved(3e-16)
    found = verify_folder(tmp_path / "out")
    assert found.ok
    assert "is the same as here but for the last digits" in found.to_text()
    moved(1e-6)
    found = verify_folder(tmp_path / "out")
    assert not found.rerun
    [fault] = found.faults
    assert "denmark.sheltered_housing is not the table that was read" in fault.text
    moved(3e-16)
    first_format(tmp_path / "out")
    [fault] = verify_folder(tmp_path / "out").faults
    assert fault.text.endswith("cannot tell another table from the last digits of another processor")


# ---- what is no manifest ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("absent", "there is no manifest.json"),
        (b"", "the manifest is damaged: Expecting value"),
        (b"{", "the manifest is damaged"),
        (b"[]", "the manifest is damaged: list in place of named parts"),
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b'{"tool": "benchmodels", "format": NaN}', "NaN is no number"),
        (b"[" * 100_000, "the manifest is damaged"),
        (b'{"tool": 1' + b"0" * 5000 + b"}", "the manifest is damaged"),
        ({"tool": "rival"}, "not the manifest of a result of benchmodels (tool: rival)"),
        ({"format": 3}, "a manifest of format 3; this version of benchmodels reads 1 to 2"),
        ({"format": True}, "a manifest of format true"),
        ({"format": "2"}, "a manifest of format 2"),
        ({"studies": []}, "the manifest is damaged: studies"),
        ({"studies": "x"}, "the manifest is damaged: studies"),
        ({"files": {"../small.csv": "0" * 64}}, "must name a file inside the folder"),
        ({"files": {"/etc/passwd": "0" * 64}}, "must name a file inside the folder"),
        ({"files": {"a\x00b": "0" * 64}}, "must name a file inside the folder"),
        ({"files": {"C:\\x": "0" * 64}}, "must name a file inside the folder"),
        ({"files": {"small.csv": "x"}}, "the manifest is damaged: files.small.csv"),
        ({"options": {"lang": "da", "rng": -1}}, "the manifest is damaged: options.rng"),
        ({"options": {"lang": "de", "rng": True}}, "options.lang: Input should be 'da' or 'en'; options.rng"),
        ({"versions": None}, "the manifest is damaged: versions"),
    ],
)
def test_what_is_no_manifest_of_ours(out: Path, change: object, told: str) -> None:
    file = out / "manifest.json"
    if change == "absent":
        file.unlink()
    elif isinstance(change, bytes):
        file.write_bytes(change)
    else:
        assert isinstance(change, dict)
        put(out, content(out) | change)
    with pytest.raises(DataError) as caught:
        verify_folder(out)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_that_are_no_results(tmp_path: Path, out: Path) -> None:
    for place in (tmp_path / "none", tmp_path, tmp_path / "small.csv", out / "small.csv"):
        with pytest.raises(DataError, match=r"no result of benchmodels: there is no manifest.json"):
            verify_folder(place)
    table = content(out)
    put(out, table | {"studies": table["studies"] * 2})
    with pytest.raises(DataError, match="two have one id"):
        read_manifest(out)


def test_a_manifest_of_others_reads_no_file_of_this_machine(
    out: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away") / "secret.csv"
    shutil.copy(out.parent / "small.csv", away)
    (out.parent / "small.csv").unlink()
    table = content(out)
    for place in (str(away), "../../../../../../../../.." + str(away)):
        table["studies"][0]["data"] |= {"place": place, "name": str(away)}
        put(out, table)
        found = verify_folder(out)
        assert not found.rerun
        assert "lies outside of the folder that holds the result; if it may be read" in found.to_text()
    # A link beside the result, under the name that is looked for; with the hash withheld any table would do.
    (out.parent / "small.csv").symlink_to(away)
    for sha256 in (table["studies"][0]["data"]["sha256"], WITHHELD):
        table["studies"][0]["data"] |= {"place": "../small.csv", "name": "small.csv", "sha256": sha256}
        put(out, table)
        found = verify_folder(out)
        assert not found.rerun
        assert "lies outside of the folder that holds the result" in found.to_text()
        assert verify_folder(out, data=out.parent / "small.csv").ok


@pytest.mark.parametrize("kind", ["dataset", "memory", "file"])
@pytest.mark.parametrize("sha256", ["0" * 64, WITHHELD])
def test_the_path_of_a_study_of_others_is_never_read(
    out: Path, tmp_path_factory: pytest.TempPathFactory, kind: str, sha256: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path_factory.mktemp("away") / "hemmelig.csv"
    shutil.copy(out.parent / "small.csv", away)
    table = content(out)
    for path in (str(away), "../" * 12 + str(away)[1:]):
        record = table["studies"][0]
        record["study"]["data"] = {"path": path}
        record["data"] = {"name": away.name, "sha256": sha256, "rows": 6, "kind": kind}
        record["study_sha256"] = hash_study(record["study"])
        put(out, table)
        with monkeypatch.context() as patch:
            patch.setattr("benchmodels.replication.tables.read_table", lambda *a, **k: pytest.fail("it was read"))
            found = verify_folder(out)
        assert not found.rerun
        told = {
            "dataset": "data of small: hemmelig.csv is recorded as bundled data, and the study reads a file",
            "memory": "data of small: hemmelig.csv was a table in memory; give that table as data",
            "file": "data of small: hemmelig.csv was not found (looked in",
        }
        assert told[kind] in found.to_text()


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_a_study_that_takes_all_there_is_ends_as_a_finding(
    out: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def run(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(verification, "run_studies", run)
    found = verify_folder(out)
    assert not found.ok
    [fault] = found.faults
    assert fault.text == "run again: the study asks for more memory than there is"


def test_lines_are_lines_and_no_terminal_obeys_them() -> None:
    assert short("a\nb\x1b[31m\ud800c") == "a b [31m c"
    assert len(short("x" * 1000)) == 60
    assert short({"æ": 1}) == '{"æ": 1}'


# ---- anything at all -------------------------------------------------------------------------------------------

ODD: list[object] = [
    None, True, False, 0, -1, 1, 2, 10**40, 1.5, 1e308, "", "x", "Ærø", "../x", "\x00", "a\nb", "=1+1", [], {}, [[]],
    {"a": 1}, ["x"], "\ud800", "0" * 64, "withheld for disclosure control", "table", "C(køn)", "nan",
]  # fmt: skip


def paths(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, part in inner for path in paths(part, (*at, key)))]


def mutated(table: Any, rng: random.Random) -> Any:
    """Take away, exchange or double one part of a manifest, wherever it lies."""
    table = json.loads(json.dumps(table))
    *way, last = rng.choice([path for path in paths(table) if path])
    inner = table
    for key in way:
        inner = inner[key]
    kind = rng.randrange(4)
    if kind == 0:
        del inner[last]
    elif kind == 1 and isinstance(inner, dict):
        inner[rng.choice(["ny", "id", "æ", "data"])] = inner[last]
    else:
        inner[last] = rng.choice(ODD)
    return table


def damaged(text: bytes, rng: random.Random) -> bytes:
    at, kind = rng.randrange(len(text)), rng.randrange(5)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
    if kind == 2:
        return text[:at] + rng.choice([b'"', b",", b"\r\n", b"\x00", b"9", b"-", b"e", b";"]) + text[at:]
    lines = text.split(b"\r\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    if kind == 3:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines.insert(one, lines[other])
    return b"\r\n".join(lines)


@pytest.fixture
def rerun_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the calculation itself only where it is not the one that was done already."""
    real, asked = verification.run_studies, read_study(made / "small.toml").model_dump(exclude={"data"})

    def run(studies: Any, *, out: Path, **options: Any) -> Any:
        known = {"data": None, "lang": "da", "danish_csv": True, "rng": 3, "command": "benchmodels run x"}
        same = [study.model_dump(exclude={"data"}) for study in studies] == [asked] and all(
            options[key] == value for key, value in known.items()
        )
        return shutil.copytree(made / "out", out) if same else real(studies, out=out, **options)

    monkeypatch.setattr(verification, "run_studies", run)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(3))
def test_mutations_of_a_manifest_never_end_in_a_traceback(out: Path, rerun_once: None, seed: int) -> None:
    rng = random.Random(seed)
    whole, answers = content(out), {"ok": 0, "fault": 0, "error": 0}
    for n in range(60):
        table = mutated(whole, rng)
        if n % 2:
            # Else the hash of the study finds most.
            table |= {"format": 1}
            for record in table["studies"] if isinstance(table.get("studies"), list) else ():
                if isinstance(record, dict):
                    record.pop("study_sha256", None)
        put_raw(out, table)
        try:
            found = verify_folder(out)
        except BenchmodelsError as error:
            assert "\n" not in str(error)
            answers["error"] += 1
            continue
        text = found.to_text()
        assert len(text.splitlines()) == 1 + len(found.findings)
        json.loads(found.to_json())
        found.to_frame(), found.columns_frame()
        answers["ok" if found.ok else "fault"] += 1
    assert min(answers.values()) > 5, answers


def put_raw(folder: Path, table: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(table), encoding="utf-8")


def test_mutations_of_tables_are_always_found(out: Path, rerun_once: None) -> None:
    rng = random.Random(9)
    for name in ("small.csv", "small.da.csv"):
        whole = (out / name).read_bytes()
        for _ in range(35):
            text = damaged(whole, rng)
            (out / name).write_bytes(text)
            found = verify_folder(out)
            assert found.ok is (text == whole)
            assert (name in found.to_text()) is (text != whole)
            json.loads(found.to_json())
        (out / name).write_bytes(whole)


# ---- the crate -------------------------------------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(f"socket.socket.{name}", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def test_a_crate_without_its_library_says_what_to_install(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    before = state(out)
    with pytest.raises(SpecificationError, match=r'a crate needs rocrate; pip install "benchmodels\[provenance\]"'):
        write_crate(out)
    assert state(out) == before


def test_a_crate_reads_back_and_is_verified_with_the_rest(out: Path, no_network: None) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")
    written = write_crate(out, licence="https://creativecommons.org/licenses/by/4.0/")
    assert written == out / "ro-crate-metadata.json"
    assert content(out)["files"]["ro-crate-metadata.json"]
    crate = rocrate.ROCrate(out)
    files = {entity.id: entity for entity in crate.data_entities}
    assert set(files) == {"index.html", "small.csv", "small.da.csv", "manifest.json"}
    for name, entity in files.items():
        assert entity.get("sha256") == (None if name == "manifest.json" else content(out)["files"][name])
    [run] = [entity for entity in crate.contextual_entities if entity.type == "CreateAction"]
    assert [entity.id for entity in run["instrument"]] == ["#benchmodels", "#study-small"]
    assert run["instrument"][0]["softwareVersion"] == content(out)["versions"]["benchmodels"]
    [data, seed] = run["object"]
    assert (data["name"], data["sha256"]) == ("small.csv", content(out)["studies"][0]["data"]["sha256"])
    assert seed["value"] == 3
    assert {entity.id for entity in run["result"]} == set(files)
    assert crate.root_dataset["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.5"
    assert crate.root_dataset["mentions"] == run
    assert str(out.parent) not in written.read_text(encoding="utf-8")
    assert verify_folder(out).ok
    before = (written.read_bytes(), (out / "manifest.json").read_bytes())
    write_crate(out, licence="https://creativecommons.org/licenses/by/4.0/")
    assert (written.read_bytes(), (out / "manifest.json").read_bytes()) == before
    written.write_text(written.read_text(encoding="utf-8").replace("Fravær", "Nærvær"), encoding="utf-8")
    [fault] = verify_folder(out).faults
    assert fault.where == "ro-crate-metadata.json"
    run_study(read_study(out.parent / "small.toml"), out=out)
    assert not written.exists()


def test_a_crate_is_of_what_the_manifest_lists_or_not_made(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rocrate.rocrate")
    with pytest.raises(SpecificationError, match="give its address"):
        write_crate(out, licence="CC BY")
    before = state(out)
    with monkeypatch.context() as patch:
        patch.setattr("benchmodels.replication.provenance.crate.json.dumps", broken_after(1))
        with pytest.raises(OSError, match="disk"):
            write_crate(out)
    assert state(out) == before
    (out / "small.csv").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="small.csv: is not the file that the manifest lists"):
        write_crate(out)
    assert not (out / "ro-crate-metadata.json").exists()


def broken_after(calls: int) -> Any:
    real, left = json.dumps, iter(range(calls))

    def dumps(*args: Any, **kwargs: Any) -> str:
        if next(left, None) is None:
            raise OSError("disk full")
        return real(*args, **kwargs)

    return dumps


def test_a_crate_of_withheld_data_tells_no_hash(place: Path) -> None:
    pytest.importorskip("rocrate.rocrate")
    text = STUDY.replace("[texts.da]", "[disclosure]\nthreshold = 5\n[texts.da]")
    (place / "small.toml").write_text(text, encoding="utf-8")
    run_study(read_study(place / "small.toml"), out=place / "out")
    [data] = [e for e in json.loads(write_crate(place / "out").read_text())["@graph"] if e["@id"] == "#data-small"]
    assert "sha256" not in data
    assert WITHHELD in data["description"]


@pytest.mark.slow
def test_the_demo_is_reproduced(tmp_path: Path) -> None:
    studies = [read_study(path) for path in shipped_studies().values()]
    run_studies(studies, out=tmp_path / "demo", lang="en", danish_csv=True)
    found = verify_folder(tmp_path / "demo")
    assert found.ok, found.to_text()
    assert len(found.tables) == 8
    assert found.worst is None
