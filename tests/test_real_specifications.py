"""Studies on fetched tables run from the command line: against services, from what is kept, and without either."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmodels import cli
from benchmodels.replication import chapters, read_study
from benchmodels.replication.open_studies import open_studies
from tests.datasets import fake_open

STATBANK, SCHOOLS = "BENCHMODELS_STATBANK_URL", "BENCHMODELS_UDDANNELSESSTATISTIK_URL"
SIMULATED = {"da": "Simulerede tal", "en": "Simulated figures"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "BENCHMODELS_OFFLINE", STATBANK, SCHOOLS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BENCHMODELS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHMODELS_UDDANNELSESSTATISTIK_KEY", "not-a-secret")
    monkeypatch.chdir(tmp_path)
    # Drawn on file by every study alike, and slowly.
    monkeypatch.setattr(chapters, "figures_of", lambda *_, **__: {})


def run(name: str, *words: str) -> int:
    try:
        cli.main(["run", str(open_studies()[name]), *words])
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_both_are_complete_in_both_languages() -> None:
    assert set(open_studies()) == {"real-sheltered-housing", "real-school-absence"}
    for name, path in open_studies().items():
        study = read_study(path)
        assert study.id == name and study.data.dataset is not None and study.data.dataset.startswith("open.")
        assert study.words("da").terms.keys() == study.words("en").terms.keys()
        assert len(study.words("da").caveats) == len(study.words("en").caveats)


def test_sheltered_housing_runs_from_the_services_and_from_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_open.statbank() as server:
        monkeypatch.setenv(STATBANK, server.url)
        assert run("real-sheltered-housing", "--lang", "da", "--out", "first") == 0
    # The server is gone.
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    assert run("real-sheltered-housing", "--lang", "en", "--out", "again") == 0
    for name in ("", "-development", "-providers", "-unit-costs", "-growth-split"):
        first, again = (tmp_path / out / f"real-sheltered-housing{name}.csv" for out in ("first", "again"))
        assert first.read_bytes() == again.read_bytes()
    for out, lang in (("first", "da"), ("again", "en")):
        text = (tmp_path / out / "index.html").read_text(encoding="utf-8")
        assert SIMULATED[lang] in text and "REGK31 (20" in text and "HAND01 (20" in text
    danish = (tmp_path / "first" / "index.html").read_text(encoding="utf-8")
    assert "ikke fra Danmarks Statistik" in danish and "kommuner mangler helårspersoner" in danish
    assert "municipalities" not in danish.split("<main")[1].split("<script")[0].replace("<code>", "")
    manifest = json.loads((tmp_path / "first" / "manifest.json").read_text(encoding="utf-8"))
    record = manifest["studies"][0]["data"]
    assert record["name"] == "open.sheltered_housing" and record["simulated"] is True
    assert "not from Statistics Denmark" in record["source"]
    table = pd.read_csv(tmp_path / "first" / "real-sheltered-housing.csv")
    assert len(table) == 98 and table["ratio"].between(0.5, 2).all()
    # What a verification fetches is what is kept.
    with pytest.raises(SystemExit) as left:
        cli.main(["verify", "first"])
    assert left.value.code == 0


def test_school_absence_runs_from_the_services_and_from_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_open.schools() as server:
        monkeypatch.setenv(SCHOOLS, server.url)
        assert run("real-school-absence", "--lang", "en", "--out", "first") == 0
    monkeypatch.delenv("BENCHMODELS_UDDANNELSESSTATISTIK_KEY")
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    assert run("real-school-absence", "--lang", "da", "--out", "again") == 0
    name = "real-school-absence.csv"
    assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    for out, lang in (("first", "en"), ("again", "da")):
        text = (tmp_path / out / "index.html").read_text(encoding="utf-8")
        assert SIMULATED[lang] in text and "GS/TRIV/TRIVSP (20" in text and "not-a-secret" not in text
    assert len(pd.read_csv(tmp_path / "first" / name)) == 98


@pytest.mark.parametrize("name", sorted(open_studies()))
def test_without_anything_one_clear_error_and_no_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    assert run(name, "--out", "none") != 0
    told = capsys.readouterr().err
    assert str(tmp_path / "cache") in told and "--data FILE" in told and "Traceback" not in told
    assert not (tmp_path / "none").exists()


def test_a_table_of_ones_own_takes_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmodels.datasets.services.open_schools import school_absence

    with fake_open.schools() as server:
        monkeypatch.setenv(SCHOOLS, server.url)
        table = school_absence()
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    monkeypatch.setenv("BENCHMODELS_CACHE", str(tmp_path / "other"))
    columns = ["municipality", "school_year", "high_absence", "pupils", "low_education_pct", "higher_education_pct"]
    table[columns].to_csv(tmp_path / "own.csv", index=False)
    assert run("real-school-absence", "--data", "own.csv", "--out", "own") == 0
    # A file does not say of itself that it is simulated.
    assert SIMULATED["da"] not in (tmp_path / "own" / "index.html").read_text(encoding="utf-8")
