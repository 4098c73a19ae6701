"""The commands around results and their sources: fetch, verify, diff, crate."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmodels import cli
from tests.datasets.fake_server import FakeBank, serving
from tests.test_cli import ROWS, STUDY


def leave(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    return int(left.value.code or 0)


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with serving() as server:
        monkeypatch.setenv("BENCHMODELS_STATBANK_URL", server.url)
        monkeypatch.setenv("BENCHMODELS_CACHE", str(tmp_path / "kept"))
        yield server


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "small.csv").write_text(ROWS, encoding="utf-8-sig")
    monkeypatch.chdir(tmp_path)
    assert leave("run", "small.toml", "--out", "first") == 0
    return tmp_path


def test_fetch_says_what_a_table_holds(bank: FakeBank, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("fetch", "folk1a") == 0
    said = capsys.readouterr().out
    assert said.startswith("FOLK1A: Befolkningen den 1. i kvartalet")
    assert "OMRÅDE" in said and "084 = Region Hovedstaden" in said


def test_fetch_writes_a_table_and_what_it_is_of(bank: FakeBank, tmp_path: Path, capsys) -> None:
    out = tmp_path / "folk.csv"
    asked = ("fetch", "FOLK1A", "OMRÅDE=101,751", "KØN=TOT", "ALDER=IALT", "Tid=*")
    assert leave(*asked, "--out", str(out)) == 0
    table = pd.read_csv(out, dtype={"OMRÅDE": str}, encoding="utf-8-sig")
    assert set(table["OMRÅDE"]) == {"101", "751"}
    told = json.loads((tmp_path / "folk.csv.source.json").read_text(encoding="utf-8"))
    assert told["simulated"] is True and told["rows"] == len(table)
    assert "FOLK1A" in told["source"] and told["request"]
    assert not list(tmp_path.glob(".*partial"))
    capsys.readouterr()
    before = len(bank.asked)
    assert leave(*asked, "--offline") == 0
    assert len(bank.asked) == before
    assert len(capsys.readouterr().out.splitlines()) == len(table) + 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("FOLK1A", "OMRÅDE"), 2, "VARIABLE=CODES"),
        (("FOLK1A", "OMRADE=101", "Tid=*"), 2, "OMRÅDE"),
        (("NOSUCH", "Tid=*"), 2, "NOSUCH"),
        (("FOLK1A", "OMRÅDE=*", "Tid=*", "--offline"), 3, "offline"),
    ],
)
def test_fetch_says_what_is_wrong(bank: FakeBank, capsys, arguments, code, told) -> None:
    assert leave("fetch", *arguments) == code
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


def test_verify_and_diff(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert leave("verify", "first") == 0
    assert "reproduced" in capsys.readouterr().out
    table = result / "first" / "small.csv"
    kept = table.read_bytes()
    table.write_bytes(kept.replace(b"Aarhus,1780", b"Aarhus,1790", 1))
    assert leave("verify", "first") == 5
    assert "size of Aarhus: 1790.0 in the folder, 1780.0 when run again" in capsys.readouterr().out
    table.write_bytes(kept)
    rows = (result / "small.csv").read_text(encoding="utf-8-sig")
    (result / "small.csv").write_text(rows.replace("110;12", "110;22"), encoding="utf-8-sig")
    assert leave("verify", "first") == 5
    assert "small.csv" in capsys.readouterr().out
    assert leave("run", "small.toml", "--out", "second") == 0
    assert leave("diff", "first", "second") == 0
    assert "because of the data: all else is alike" in capsys.readouterr().out
    assert leave("diff", "first", "second", "--json") == 0
    assert json.loads(capsys.readouterr().out[0:])["ok"] is False
    assert leave("verify", "nowhere") == 3


def test_crate(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rocrate")
    assert leave("crate", "first") == 0
    content = json.loads((result / "first" / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    assert {"small.csv", "index.html"} <= {entity["@id"] for entity in content["@graph"]}
    assert leave("verify", "first") == 0
    assert leave("crate", "nowhere") == 3
