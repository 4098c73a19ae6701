"""The command line: what it writes, what it says, and the code it leaves with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmodels import cli
from benchmodels.errors import BenchmodelsError, ConvergenceError

ROOT = Path(__file__).parents[1]

STUDY = """
[study]
id = "small"
[data]
path = "small.csv"
[roles]
unit = "kommune"
trials = "elever"
[model]
kind = "fixed-effects"
family = "binomial"
formula = "fravær ~ C(køn)"
[comparison]
contrast = "difference"
scale = 100
[texts.da]
title = "Fravær"
question = "Mere end ventet?"
outcome = "Andel med fravær."
size = "elever"
rate = "%"
measure = "procentpoint"
caveats = ["Ikke årsag."]
"""
ROWS = """kommune;køn;elever;fravær
Ærø;dreng;120;20
Ærø;pige;110;12
Aarhus;dreng;900;140
Aarhus;pige;880;101
Øst;dreng;300;41
Øst;pige;310;52
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "small.csv").write_text(ROWS, encoding="utf-8-sig")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leave(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    return int(left.value.code or 0)


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", env=env)


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from benchmodels.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as left: assert not left.code, left.code\n"
        "heavy = {'matplotlib', 'statsmodels', 'sklearn', 'arviz_base', 'arviz_stats', 'linearmodels', 'jinja2',"
        " 'pydantic', 'openpyxl'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    assert "demo" in done.stdout
    done = run_python("-m", "benchmodels.cli", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("benchmodels 0.")


def test_run_writes_the_page_and_says_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("run", "small.toml", "--danish-csv") == 0
    out = capsys.readouterr()
    page = folder / "benchmodels-small" / "index.html"
    assert out.out.strip().endswith(f"{page} in a browser.")
    assert "Ærø" in page.read_text(encoding="utf-8")
    assert (page.parent / "small.da.csv").exists()
    assert "benchmodels run small.toml --lang da" in page.read_text(encoding="utf-8")


def test_multiverse_says_what_holds_and_writes_tables_and_pictures(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave("multiverse", "small.toml", "--unit", "Ærø", "--out", "many") == 0
    said = capsys.readouterr().out
    assert "4 af 4 specifikationer kunne beregnes." in said
    assert "ingen sandsynlighed" in said
    assert (folder / "many" / "curve.png").exists()
    assert leave("multiverse", "small.toml", "--unit", "Atlantis", "--out", "none") == 2
    assert "no unit 'Atlantis'" in capsys.readouterr().err
    assert leave("multiverse", "small.toml", "--always", "C(alder)") == 2
    assert "there are C(køn)" in capsys.readouterr().err
    assert leave("multiverse", "smal") == 2
    assert not (folder / "none").exists()


def test_run_on_another_table(folder: Path) -> None:
    (folder / "other.csv").write_text(ROWS.replace("Aarhus", "Odense"), encoding="utf-8")
    assert leave("run", "small.toml", "--data", "other.csv", "--out", "result") == 0
    text = (folder / "result" / "small.csv").read_text(encoding="utf-8-sig")
    assert "Odense" in text
    assert "Aarhus" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["run", "none.toml"], 2, "benchmodels: study file none.toml: cannot be read"),
        (["run", "bad.toml"], 2, "benchmodels: bad.toml: 2 faults\n  comparison.contrast: must be one of"),
        (["run", "small.toml", "--lang", "en"], 2, "benchmodels: study 'small' has no texts in 'en'"),
        (["run", "small.toml", "--data", "none.csv"], 3, "benchmodels: no file none.csv"),
        (["run", "small.toml", "--data", "short.csv"], 3, "no column 'elever' (did you mean 'elev'?)"),
        (["run", "small.toml", "--out", "."], 3, "holds files that are not a result of benchmodels"),
        (["run"], 2, "Missing argument"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_errors_are_one_clear_line_and_a_code(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str
) -> None:
    bad = STUDY.replace('"difference"', '"diff"').replace("scale = 100", "scael = 100")
    (folder / "bad.toml").write_text(bad, encoding="utf-8")
    (folder / "short.csv").write_text(ROWS.replace("elever", "elev"), encoding="utf-8")
    before = sorted(folder.iterdir())
    assert leave(*arguments) == code
    said = capsys.readouterr()
    assert told in said.err
    assert "Traceback" not in said.err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConvergenceError("no optimum"), 4),
        (BenchmodelsError("other"), 1),
        (OSError("disk full"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_codes_of_other_errors(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("benchmodels.replication.run.answer", fail)
    before = sorted(folder.iterdir())
    assert leave("run", "small.toml") == code
    assert capsys.readouterr().err.startswith("benchmodels: ")
    assert sorted(folder.iterdir()) == before


def test_an_internal_error_is_one_line_unless_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("zero-size array\nto reduction")

    monkeypatch.delenv("BENCHMODELS_DEBUG", raising=False)
    monkeypatch.setattr("benchmodels.report.render_page", fail)
    before = sorted(folder.iterdir())
    assert leave("run", "small.toml") == 1
    said = capsys.readouterr()
    assert said.err == "benchmodels: internal error: ValueError: zero-size array to reduction; please report it\n"
    assert sorted(folder.iterdir()) == before
    monkeypatch.setenv("BENCHMODELS_DEBUG", "1")
    with pytest.raises(ValueError, match="zero-size"):
        cli.main(["run", "small.toml"])
    assert sorted(folder.iterdir()) == before


def test_units_without_expected_values_are_an_error_of_the_data(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "kommune;køn;elever;fravær\nÆrø;dreng;120;20\nÆrø;dreng;110;12\nØst;pige;900;140\nØst;pige;880;101\n"
    (folder / "two.csv").write_text(rows, encoding="utf-8")
    (folder / "pooled.toml").write_text(STUDY.replace("fixed-effects", "pooled"), encoding="utf-8")
    before = sorted(folder.iterdir())
    assert leave("run", "pooled.toml", "--data", "two.csv") == 3
    said = capsys.readouterr()
    assert said.err.startswith("benchmodels: none of the 2 units has an expected value")
    assert said.err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_warnings_of_numpy_stay_off_the_terminal(folder: Path) -> None:
    code = (
        "import numpy as np, benchmodels.replication.outcome as run\n"
        "real = run.load_table\n"
        "def noisy(*a, **k):\n"
        "    np.array([1.0, -1.0]) / np.zeros(2); np.sqrt(-np.ones(2))\n"
        "    return real(*a, **k)\n"
        "run.load_table = noisy\n"
        "from benchmodels.cli import main\n"
        "main(['run', 'small.toml', '--out', 'quiet'])\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    loud = run_python("-c", f"import os; os.environ['BENCHMODELS_DEBUG'] = '1'\n{code}")
    assert "RuntimeWarning: divide by zero" in loud.stderr


def test_a_file_of_another_encoding_is_told_in_plain_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "latin.csv").write_bytes(ROWS.encode("cp1252"))
    assert leave("run", "small.toml", "--data", "latin.csv") == 3
    said = capsys.readouterr().err
    assert "latin.csv: the file is not UTF-8" in said
    assert "CSV UTF-8" in said
    assert "utf-8-sig" not in said


def test_demo_runs_the_shipped_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pictures on file take most of the time of a run and are tested with the studies.
    monkeypatch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})
    assert leave("demo", "--out", str(tmp_path / "demo"), "--lang", "en") == 0
    html = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    for title in ("Segregated special education", "Pupils with high absence", "Expenditure on sheltered housing"):
        assert title in html
    assert 'class="banner"' in html
    assert {path.name for path in (tmp_path / "demo").glob("*.csv")} == {
        "special-education.csv",
        "school-absence.csv",
        "sheltered-housing.csv",
        "sheltered-housing-frontier.csv",
    }
