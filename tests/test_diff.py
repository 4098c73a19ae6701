"""Two results side by side: what differs, and why as far as it can be told."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmodels.errors import BenchmodelsError, DataError
from benchmodels.replication import parse_study, read_study, run_studies, run_study
from benchmodels.replication.provenance.agreement import number
from benchmodels.replication.provenance.differences import Differences, compare_runs

from .test_cli import ROWS, STUDY
from .test_verify import content, damaged, first_format, mutated, put, put_raw, relisted, state

CHANGED = ROWS.replace("Ærø;dreng;120;20", "Ærø;dreng;120;60")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results that differ from the first in one thing each, or in two."""
    place = tmp_path_factory.mktemp("runs")
    (place / "small.toml").write_text(STUDY, encoding="utf-8")
    (place / "small.csv").write_text(ROWS, encoding="utf-8-sig")
    (place / "other").mkdir()
    (place / "other" / "small.csv").write_text(CHANGED, encoding="utf-8-sig")
    (place / "same.csv").write_text(ROWS, encoding="utf-8-sig")
    study = read_study(place / "small.toml")
    (place / "level.toml").write_text(STUDY.replace("[comparison]", "[comparison]\nlevel = 0.8"), encoding="utf-8")
    (place / "words.toml").write_text(
        STUDY.replace("Ikke årsag.", "Kun tal.").replace("[comparison]", "[comparison]\ndecimals = 2"), encoding="utf-8"
    )
    level, words = (read_study(place / f"{name}.toml") for name in ("level", "words"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})
        run_study(study, out=place / "first")
        run_study(study, out=place / "again")
        run_study(study, out=place / "data", data=place / "other" / "small.csv")
        run_study(study, out=place / "named", data=place / "same.csv")
        run_study(level, out=place / "level")
        run_study(words, out=place / "words", danish_csv=True, command="x")
        run_study(study, out=place / "seed", rng=1)
        run_study(level, out=place / "both", data=place / "other" / "small.csv")
    return place


@pytest.fixture
def pair(runs: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The first result twice, to be changed."""
    for name in ("a", "b"):
        shutil.copytree(runs / "first", tmp_path / name)
    return tmp_path / "a", tmp_path / "b"


def lines(found: Differences, about: str) -> list[str]:
    return [finding.text for finding in found.findings if finding.about == about]


def test_identical_runs_have_no_difference_and_nothing_is_touched(runs: Path) -> None:
    before = state(runs)
    found = compare_runs(runs / "first", runs / "again")
    assert found.ok
    assert found.to_text() == f"{runs / 'first'} -> {runs / 'again'}: no difference"
    assert found.to_frame().empty
    assert json.loads(found.to_json())["ok"]
    assert state(runs) == before
    assert compare_runs(runs / "first" / "manifest.json", runs / "first").ok


def test_the_data_alone_is_the_cause(runs: Path) -> None:
    found = compare_runs(runs / "first", runs / "data")
    assert not found.ok
    assert lines(found, "why") == ["small: the tables differ because of the data: all else is alike"]
    [data] = lines(found, "data")
    assert data.startswith("small: sha256: ")
    assert not lines(found, "study") + lines(found, "options") + lines(found, "package") + lines(found, "libraries")
    text = found.to_text().splitlines()
    assert text[1].startswith("why ")
    assert text[2].startswith("data ")
    [moves] = [line for line in lines(found, "tables") if ": different: " in line]
    [table] = found.tables
    counted: dict[tuple[str, str], int] = {}
    rows = [json_rows(runs / name / "small.csv") for name in ("first", "data")]
    for unit in rows[0]:
        pair = (rows[0][unit]["different"], rows[1][unit]["different"])
        if pair[0] != pair[1]:
            counted[pair] = counted.get(pair, 0) + 1
    assert table.moves["different"] == counted
    for (one, other), n in counted.items():
        assert f"{one} -> {other}: {n}" in moves
    [told] = [line for line in lines(found, "tables") if line.startswith("small.csv: observed: ")]
    assert told == "small.csv: observed: 1 of 3 differ, most Ærø: 32.0 -> 72.0"
    [ranks] = [line for line in lines(found, "tables") if line.startswith("small.csv: rank: ")]
    moved = {unit: abs(number(rows[0][unit]["rank"]) - number(rows[1][unit]["rank"])) for unit in rows[0]}
    assert f"{sum(by > 0 for by in moved.values())} of 3 differ" in ranks
    assert json.loads(found.to_json())["verdicts"]["small.csv"]["different"][0]["units"] >= 1


def json_rows(path: Path) -> dict[str, dict[str, str]]:
    import csv

    with path.open(encoding="utf-8-sig", newline="") as stream:
        return {row["unit"]: row for row in csv.DictReader(stream)}


def test_the_study_alone_is_the_cause(runs: Path) -> None:
    found = compare_runs(runs / "first", runs / "level")
    assert lines(found, "study") == ["small: comparison.level: 0.95 -> 0.8"]
    assert lines(found, "why") == ["small: the tables differ because of the study: all else is alike"]
    assert any("difference_lower" in line for line in lines(found, "tables"))
    back = compare_runs(runs / "level", runs / "first")
    assert lines(back, "study") == ["small: comparison.level: 0.8 -> 0.95"]


def test_several_causes_cannot_be_told_apart(runs: Path) -> None:
    found = compare_runs(runs / "first", runs / "both")
    [why] = lines(found, "why")
    assert why == (
        "small: the data and the study differ, and the folders alone cannot tell them apart: run one of them again "
        "with the data of the other and all else as it was, and compare anew"
    )
    # And so it is: with the study of the one and the data of the other each has one cause.
    assert lines(compare_runs(runs / "level", runs / "both"), "why") == [
        "small: the tables differ because of the data: all else is alike"
    ]
    assert lines(compare_runs(runs / "data", runs / "both"), "why") == [
        "small: the tables differ because of the study: all else is alike"
    ]


def test_words_names_and_writing_move_no_table(runs: Path) -> None:
    found = compare_runs(runs / "first", runs / "words")
    assert not lines(found, "why")
    assert not lines(found, "tables")
    assert lines(found, "study") == [
        "small: comparison.decimals: 1 -> 2",
        'small: texts.da.caveats: ["Ikke årsag."] -> ["Kun tal."]',
    ]
    assert lines(found, "options") == ["command:  -> x", "danish_csv: false -> true"]
    named = compare_runs(runs / "first", runs / "named")
    assert lines(named, "data") == ["small: name: small.csv -> same.csv"]
    assert not lines(named, "why")


def test_the_seed_is_told_and_is_the_cause_only_where_a_table_moved(runs: Path) -> None:
    found = compare_runs(runs / "first", runs / "seed")
    assert lines(found, "options") == [
        "seed: 0 -> 1",
    ]
    moved = not all(table.ok for table in found.tables)
    told = (
        "small: the tables differ because of the seed: all else is alike"
        if moved
        else "small: no table differs beyond the tolerances, though this does: the seed"
    )
    assert lines(found, "why") == [told]


def test_versions_and_platform(pair: tuple[Path, Path]) -> None:
    a, b = pair
    table = content(b)
    table["versions"] |= {"benchmodels": "9.9.9", "numpy": "9.0"}
    table["platform"]["machine"] = "riscv"
    put(b, table)
    found = compare_runs(a, b)
    [why] = lines(found, "why")
    assert why.endswith("though this does: the version of benchmodels, the versions of libraries and the machine")
    assert lines(found, "package")[0].endswith("-> 9.9.9")
    assert lines(found, "platform") == ["machine: x86_64 -> riscv".replace("x86_64", content(a)["platform"]["machine"])]


def test_what_the_first_format_does_not_record_is_not_held_to_be_alike(pair: tuple[Path, Path], runs: Path) -> None:
    a, b = pair
    first_format(a)
    found = compare_runs(a, b)
    assert found.ok
    assert lines(found, "platform") == ["the first does not record its platform"]
    [why] = lines(compare_runs(a, runs / "data"), "why")
    assert why == (
        "small: the tables differ because of the data: all else that both record is alike; "
        "versions or platform are not all recorded in both"
    )


def test_tables_changed_by_hand(pair: tuple[Path, Path]) -> None:
    a, b = pair
    text = (b / "small.csv").read_text(encoding="utf-8-sig")
    (b / "small.csv").write_text(text.replace("15.245901639344261", "15.345901639344261"), encoding="utf-8-sig")
    found = compare_runs(a, b)
    [why] = lines(found, "why")
    assert why.endswith(
        "nothing that the manifests record differs: a table was changed afterwards; verify both folders"
    )
    assert lines(found, "files") == [f"small.csv: in {b} it was changed after it was made; it is compared as it is"]
    assert lines(found, "tables") == [
        "small.csv: observed_rate: 1 of 3 differ, most Øst: 15.245901639344261 -> 15.345901639344261"
    ]
    relisted(b, "small.csv")
    assert not lines(compare_runs(a, b), "files")
    (b / "small.csv").write_text(text.replace("Øst,", "Vest,"), encoding="utf-8-sig")
    assert {"small.csv: went: Øst", "small.csv: came: Vest"} <= set(lines(compare_runs(a, b), "tables"))
    (b / "small.csv").write_bytes(b"\xff")
    assert lines(compare_runs(a, b), "tables") == ["small.csv: not UTF-8 at byte 0"]


def test_verdicts_are_counted_the_most_common_change_first(pair: tuple[Path, Path]) -> None:
    a, b = pair
    text = (b / "small.csv").read_text(encoding="utf-8-sig")
    rows = text.splitlines(keepends=True)
    moved = [row.replace("not different", to, 1) for row, to in zip(rows[1:], ("above", "below", "below"), strict=True)]
    (b / "small.csv").write_text("".join([rows[0], *moved]), encoding="utf-8-sig", newline="")
    told = lines(compare_runs(a, b), "tables")
    assert told == ["small.csv: different: not different -> below: 2, not different -> above: 1"]


def test_a_manifest_alone_is_compared_alone(pair: tuple[Path, Path], runs: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    shutil.copy(runs / "level" / "manifest.json", tmp_path / "alone" / "manifest.json")
    found = compare_runs(pair[0], tmp_path / "alone" / "manifest.json")
    assert lines(found, "study") == ["small: comparison.level: 0.95 -> 0.8"]
    assert lines(found, "uncompared") == [
        f"{name}: is not in {tmp_path / 'alone'}, so that it is not compared" for name in ("small.csv", "index.html")
    ]
    assert not lines(found, "why")
    (tmp_path / "twin").mkdir()
    shutil.copy(pair[0] / "manifest.json", tmp_path / "twin" / "manifest.json")
    found = compare_runs(pair[0], tmp_path / "twin")
    assert found.ok
    assert found.uncompared == ("small.csv", "index.html")
    assert found.to_text().splitlines()[0].endswith(": no difference in what was compared")


def test_pages_are_compared_but_for_the_day(pair: tuple[Path, Path]) -> None:
    a, b = pair
    page = (b / "index.html").read_text(encoding="utf-8")
    table = content(b)
    day = table["created"][:10]
    (b / "index.html").write_text(page.replace(day, "2025-01-31"), encoding="utf-8", newline="\n")
    put(b, table | {"created": "2025-01-31T12:00:00+00:00"})
    relisted(b, "index.html")
    assert compare_runs(a, b).ok
    (b / "index.html").write_text(page.replace("Ikke årsag.", "Årsag."), encoding="utf-8", newline="\n")
    put(b, table)
    relisted(b, "index.html")
    found = compare_runs(a, b)
    assert not found.ok
    [line] = lines(found, "page")
    assert line.startswith("index.html: differs in 1 places, first: ")
    assert "Årsag." in line
    (b / "index.html").write_bytes(b"\xff")
    assert lines(compare_runs(a, b), "page")[0].startswith("index.html: cannot be read ('utf-8' codec")


def test_lists_of_files_and_pictures_are_compared(pair: tuple[Path, Path]) -> None:
    a, b = pair
    for folder in pair:
        (folder / "figures").mkdir(exist_ok=True)
        for name in ("figures/x.svg", "figures/x.png"):
            (folder / name).write_bytes(b"<svg/>")
            relisted(folder, name)
    assert compare_runs(a, b).ok
    (b / "more.html").write_text("x", encoding="utf-8")
    relisted(b, "more.html")
    (b / "figures" / "x.svg").write_bytes(b"<svg><g/></svg>")
    relisted(b, "figures/x.svg")
    found = compare_runs(a, b)
    assert not found.ok
    assert lines(found, "files") == [
        "more.html: only in the second",
        "1 other file differs, by the hash: figures/x.svg",
    ]
    (b / "figures" / "x.svg").write_bytes(b"<svg/>")
    assert lines(compare_runs(a, b), "files")[1].startswith("figures/x.svg: in ")
    (b / "more.html").unlink()
    (b / "figures" / "x.svg").unlink()
    (b / "figures" / "x.svg").symlink_to("/etc/hostname")
    found = compare_runs(a, b)
    assert lines(found, "files") == ["more.html: only in the second", lines(found, "files")[1]]
    table = content(a)
    del table["files"]["small.csv"]
    put(a, table)
    assert lines(compare_runs(a, b), "tables") == ["small.csv: only in the second"]


def test_a_danish_table_is_held_against_its_like(runs: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(runs / "words", tmp_path / name)
    a, b = tmp_path / "a", tmp_path / "b"
    assert compare_runs(a, b).ok
    text = (b / "small.da.csv").read_text(encoding="utf-8-sig")
    (b / "small.da.csv").write_text(text.replace(",", "."), encoding="utf-8-sig", newline="")
    relisted(b, "small.da.csv")
    found = compare_runs(a, b)
    assert not found.ok
    told = [line for line in lines(found, "tables") if "observed_rate" in line]
    assert len(told) == 1
    assert told[0].startswith("small.da.csv: observed_rate: 3 of 3 differ, most ")
    assert "(with a point)" in told[0]


def test_studies_that_only_one_has_and_those_kept_back_together(runs: Path, tmp_path: Path) -> None:
    from .test_keeping_back import few

    frame = few()
    frame.to_csv(tmp_path / "few.csv", index=False)
    asked = {
        "study": {"id": "cases"}, "data": {"path": "few.csv"}, "roles": {"unit": "unit", "trials": "people"},
        "model": {"kind": "pooled", "family": "binomial", "formula": "cases ~ 1"},
        "comparison": {"contrast": "difference", "reference": "all"}, "disclosure": {"threshold": 5},
        "texts": {"da": {
            "title": "t", "question": "q", "outcome": "o", "size": "s", "rate": "%", "measure": "p", "caveats": ["c"],
        }},
    }  # fmt: skip
    cases = parse_study(asked, folder=tmp_path)
    more = parse_study(asked | {"study": {"id": "more"}, "disclosure": {"threshold": 15}}, folder=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})
        run_study(cases, out=tmp_path / "one")
        run_studies([cases, more], out=tmp_path / "two")
    found = compare_runs(tmp_path / "one", tmp_path / "two")
    assert "more: only in the second" in lines(found, "study")
    assert lines(found, "data") == [
        "cases: a hash was withheld for disclosure control: whether the data are the same is not told"
    ] + [line for line in lines(found, "data") if "rows" in line]
    [why] = lines(found, "why")
    assert "which studies were run together" in why
    assert "whether the data are the same is not told, their hash being withheld" in why


@pytest.mark.parametrize("other", ["none", "other", "small.csv"])
def test_folders_of_other_things(runs: Path, other: str) -> None:
    for pair in ((runs / other, runs / "first"), (runs / "first", runs / other)):
        with pytest.raises(DataError, match=r"no result of benchmodels: there is no manifest.json"):
            compare_runs(*pair)


@pytest.mark.parametrize("seed", range(3))
def test_mutations_never_end_in_a_traceback(pair: tuple[Path, Path], seed: int) -> None:
    rng = random.Random(seed)
    a, b = pair
    whole, table = content(b), (b / "small.csv").read_bytes()
    answers = {"ok": 0, "differ": 0, "error": 0}
    for n in range(100):
        put_raw(b, mutated(whole, rng) if n % 2 else whole)
        (b / "small.csv").write_bytes(table if n % 2 else damaged(table, rng))
        for one, other in ((a, b), (b, a)):
            try:
                found = compare_runs(one, other)
            except BenchmodelsError as error:
                assert "\n" not in str(error)
                answers["error"] += 1
                continue
            assert len(found.to_text().splitlines()) == 1 + len(found.findings)
            json.loads(found.to_json())
            found.to_frame()
            changed = (b / "small.csv").read_bytes() != table
            assert not (changed and found.ok)
            answers["ok" if found.ok else "differ"] += 1
    assert min(answers.values()) > 5, answers


def test_every_key_is_told_by_its_path(pair: tuple[Path, Path]) -> None:
    a, b = pair
    table: dict[str, Any] = content(b)
    study = table["studies"][0]["study"]
    study["roles"]["choice"] = ["x"]
    study["frontier"] = {"inputs": ["a"]}
    del study["comparison"]["limits"]
    put(b, table)
    assert lines(compare_runs(a, b), "study") == [
        'small: roles.choice: [] -> ["x"]',
        "small: comparison.limits: tau -> none",
        'small: frontier.inputs: none -> ["a"]',
    ]
