"""A fetched table and its source: both whole, and never one beside another's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from benchmodels.errors import DataError
from benchmodels.replication.provenance import fetched
from benchmodels.replication.provenance.manifest import hash_file


def table(value: int) -> pd.DataFrame:
    frame = pd.DataFrame({"område": ["Ærø"], "value": [value]})
    frame.attrs |= {"source": f"Kilde {value}", "licence": "CC BY 4.0"}
    return frame


def told(out: Path) -> dict[str, object]:
    found = json.loads(out.with_name("x.csv.source.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_a_table_is_written_with_its_source(tmp_path: Path) -> None:
    out = fetched.write_fetched(table(1), tmp_path / "x.csv")
    assert out.read_bytes() == "\ufeffområde,value\nÆrø,1\n".encode()
    assert told(out) == {
        "file": "x.csv", "rows": 1, "sha256": hash_file(out), "source": "Kilde 1", "licence": "CC BY 4.0",
    }  # fmt: skip
    fetched.write_fetched(table(2), out)
    assert told(out)["source"] == "Kilde 2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.csv.source.json"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(4))
def test_a_source_never_stands_beside_another_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    out = fetched.write_fetched(table(1), tmp_path / "x.csv")
    left = iter(range(step))
    replace, unlink = os.replace, Path.unlink

    def dying(real):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            if next(left, None) is None:
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("benchmodels.replication.provenance.fetched.os.replace", dying(replace))
        patch.setattr("benchmodels.replication.provenance.fetched.Path.unlink", dying(unlink))
        with pytest.raises(Killed):
            fetched.write_fetched(table(2), out)
    beside = tmp_path / "x.csv.source.json"
    if beside.exists():
        assert told(out)["sha256"] == hash_file(out)
    assert out.read_text(encoding="utf-8-sig").splitlines()[1] in ("Ærø,1", "Ærø,2")


def test_a_failure_leaves_both_as_they_were(tmp_path: Path) -> None:
    out = fetched.write_fetched(table(1), tmp_path / "x.csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    bad = table(2)
    bad["område"] = pd.Series(["\ud800"], dtype=object)
    with pytest.raises(DataError, match="cannot be written as UTF-8"):
        fetched.write_fetched(bad, out)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    for place in (tmp_path, tmp_path / "none" / "x.csv"):
        with pytest.raises(DataError, match="give the name of a file"):
            fetched.write_fetched(table(1), place)
    (tmp_path / "y.csv.source.json").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        fetched.write_fetched(table(1), tmp_path / "y.csv")
    assert not (tmp_path / "y.csv").exists()
