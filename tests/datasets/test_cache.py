"""What was fetched once is found again whole, or said to be damaged, and is never lost to a failure."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from benchmodels.datasets.services.answer import ServiceError
from benchmodels.datasets.services.cache import Cache, NotKeptError, request_key
from benchmodels.datasets.services.transport import Transport
from benchmodels.errors import DataError, SpecificationError
from tests.datasets.fake_server import Fault, serving

BODY = {"table": "FOLK1A", "lang": "da", "format": "JSON"}
KEY = "en-hemmelighed"


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "BENCHMODELS_OFFLINE", "BENCHMODELS_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def bank():
    with serving() as server:
        yield server


@pytest.fixture
def talk(bank):
    bank.faults.clear()
    return Transport(base=bank.url, retries=0, secret=KEY, deadline=5.0)


def whole(answer):
    found = json.loads(answer.text())
    if found.get("id") != "FOLK1A":
        raise DataError("not what was asked for")
    return found


def fetch(cache, talk, **options):
    return cache.fetch(talk, "tableinfo", BODY, read=whole, licence="CC BY 4.0", **options)


def files(folder):
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


def entry_file(folder):
    return next(folder.rglob("entry.json"))


def content_file(folder):
    return next(one for one in folder.rglob("*") if one.is_file() and one.name != "entry.json")


def test_an_answer_is_asked_for_once_and_says_where_it_comes_from(tmp_path, bank, talk):
    before = len(bank.asked)
    first, entry = fetch(Cache(tmp_path), talk)
    again, same = fetch(Cache(tmp_path), talk)
    assert first == again and entry == same and len(bank.asked) == before + 1
    assert entry.request == BODY and entry.url == f"{bank.url}/tableinfo" and entry.licence == "CC BY 4.0"
    assert entry.retrieved[:2] == "20" and entry.retrieved.endswith("Z") and entry.content_type.startswith("text/json")
    assert json.loads(entry_file(tmp_path).read_text()) == asdict(entry)
    assert all(KEY.encode() not in one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())


def test_offline_answers_from_the_folder_only(tmp_path, bank, talk, monkeypatch):
    with pytest.raises(NotKeptError, match="Ask once while online") as caught:
        fetch(Cache(tmp_path, offline=True), talk)
    assert "FOLK1A" in str(caught.value) and not list(tmp_path.iterdir())
    fetch(Cache(tmp_path), talk)
    before = len(bank.asked)
    assert fetch(Cache(tmp_path, offline=True), talk)[0]["id"] == "FOLK1A"
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    assert fetch(Cache(tmp_path), talk, refresh=True)[0]["id"] == "FOLK1A"
    with pytest.raises(NotKeptError):
        Cache(tmp_path).fetch(talk, "tableinfo", {"table": "REGK31"}, read=whole, licence="")
    assert len(bank.asked) == before
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "måske")
    with pytest.raises(SpecificationError, match="måske"):
        fetch(Cache(tmp_path), talk)


@pytest.mark.parametrize(
    "damage", ["cut", "flip", "gone", "empty", "record cut", "record other", "record list", "record path"]
)
def test_damage_is_seen_and_healed_or_said(tmp_path, bank, talk, damage):
    good, _ = fetch(Cache(tmp_path), talk)
    content, record = content_file(tmp_path), entry_file(tmp_path)
    if damage == "cut":
        content.write_bytes(content.read_bytes()[:-1])
    elif damage == "flip":
        content.write_bytes(content.read_bytes().replace(b"FOLK1A", b"FOLK1B"))
    elif damage == "gone":
        content.unlink()
    elif damage == "empty":
        content.write_bytes(b"")
    elif damage == "record cut":
        record.write_text(record.read_text()[:-20])
    elif damage == "record list":
        record.write_text("[]")
    else:
        words = json.loads(record.read_text())
        (tmp_path.parent / "outside").write_bytes(content.read_bytes())
        words |= {"key": "0" * 64} if damage == "record other" else {"path": "../outside"}
        record.write_text(json.dumps(words))
    with pytest.raises(NotKeptError, match="cannot be used"):
        fetch(Cache(tmp_path, offline=True), talk)
    before = len(bank.asked)
    assert fetch(Cache(tmp_path), talk)[0] == good and len(bank.asked) == before + 1
    assert fetch(Cache(tmp_path, offline=True), talk)[0] == good


def test_a_failure_leaves_the_old_answer(tmp_path, bank, talk):
    good, entry = fetch(Cache(tmp_path), talk)
    had = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    for fault in (
        Fault(status=500),
        Fault(how="reset"),
        Fault(how="short", change=lambda content: content),
        Fault(body=b"<html>Vi er ikke hjemme</html>"),
        Fault(body=b'{"id": "ANDEN"}'),
        Fault(body=b""),
    ):
        bank.faults.append(fault)
        with pytest.raises((DataError, ValueError)):
            fetch(Cache(tmp_path), talk, refresh=True)
        assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == had
    assert fetch(Cache(tmp_path, offline=True), talk) == (good, entry)


def test_what_was_not_asked_for_is_not_kept(tmp_path, bank, talk):
    bank.faults.append(Fault(body=b'{"id": "ANDEN"}'))
    with pytest.raises(DataError, match="not what was asked"):
        fetch(Cache(tmp_path), talk)
    assert files(tmp_path) == []


def test_a_newer_answer_does_not_touch_the_older_content(tmp_path, bank, talk):
    _, old = fetch(Cache(tmp_path), talk)
    bank.faults.append(Fault(change=lambda content: content + b" "))
    _, new = fetch(Cache(tmp_path), talk, refresh=True)
    assert new.sha256 != old.sha256 and (tmp_path / old.path).exists()
    assert fetch(Cache(tmp_path, offline=True), talk)[1] == new


def test_what_a_killed_process_left_is_swept(tmp_path, talk):
    fetch(Cache(tmp_path), talk)
    home = entry_file(tmp_path).parent
    young, old = home / ".part-young", home / ".part-old"
    young.write_bytes(b"x")
    old.write_bytes(b"x")
    os.utime(old, (time.time() - 100_000,) * 2)
    fetch(Cache(tmp_path), talk, refresh=True)
    assert young.exists() and not old.exists()


def test_many_at_once_in_one_process(tmp_path, talk):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fetch(Cache(tmp_path), talk, refresh=True)[0], range(40)))
    assert all(one == found[0] for one in found)
    assert fetch(Cache(tmp_path, offline=True), talk)[0] == found[0]
    assert len(files(tmp_path)) == 2


def test_two_processes_at_once(tmp_path, bank):
    program = f"""
import json, os
from pathlib import Path
from benchmodels.datasets.services.cache import Cache
from benchmodels.datasets.services.transport import Transport
talk = Transport(base={bank.url!r}, deadline=10.0)
for turn in range(20):
    found, _ = Cache(Path({str(tmp_path)!r})).fetch(
        talk, "tableinfo", {BODY!r}, read=lambda one: json.loads(one.text()), licence="", refresh=turn % 2 == 0)
    assert found["id"] == "FOLK1A"
"""
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [one.wait(60) for one in running] == [0, 0]
    assert len(files(tmp_path)) == 2


def test_the_place_is_chosen_and_must_be_a_folder(tmp_path, monkeypatch, talk):
    assert Cache().place.name == "benchmodels"
    monkeypatch.setenv("BENCHMODELS_CACHE", str(tmp_path / "named"))
    assert Cache().place == tmp_path / "named" and Cache(tmp_path).place == tmp_path
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(Cache(tmp_path / "file"), talk)


def test_the_key_of_a_question():
    base = request_key("https://a/v1", "data", {"a": 1, "b": ["x", "y"]})
    assert base == request_key("https://a/v1/", "/data", {"b": ["x", "y"], "a": 1})
    others = [
        request_key("https://b/v1", "data", {"a": 1, "b": ["x", "y"]}),
        request_key("https://a/v1", "tables", {"a": 1, "b": ["x", "y"]}),
        request_key("https://a/v1", "data", {"a": 1, "b": ["y", "x"]}),
        request_key("https://a/v1", "data", {"a": 1, "b": ["x", "y"]}, method="GET"),
    ]
    assert len({base, *others}) == 5
    for body in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises(SpecificationError):
            request_key("https://a", "data", body)


def test_a_get_is_kept_as_well(tmp_path, bank, talk):
    def read(answer):
        return json.loads(answer.text())[0]["id"]

    assert Cache(tmp_path).fetch(talk, "subjects", {"lang": "da"}, read=read, licence="", method="GET")[0] == "1"
    before = len(bank.asked)
    assert Cache(tmp_path).fetch(talk, "subjects", {"lang": "da"}, read=read, licence="", method="GET")[0] == "1"
    assert len(bank.asked) == before and bank.asked[-1][0].endswith("?lang=da")


def test_too_long_an_answer_is_not_kept(tmp_path, talk):
    with pytest.raises(ServiceError, match="longer than"):
        fetch(Cache(tmp_path), talk, limit=10)
    assert files(tmp_path) == []


def test_nothing_heavy_is_imported():
    program = "import sys; import benchmodels.datasets.services.statbank; print('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "False"
