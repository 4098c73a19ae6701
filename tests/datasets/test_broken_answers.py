"""Whatever a server answers, it is figures in their cells or an error of ours, and the cache stays whole."""

import hashlib
import json
import random
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets.services.answer import Answer
from benchmodels.datasets.services.cache import Cache
from benchmodels.datasets.services.figures import read_block
from benchmodels.datasets.services.statbank import StatBank
from benchmodels.datasets.services.tableinfo import choose, read_tableinfo
from benchmodels.datasets.services.transport import Transport
from benchmodels.errors import BenchmodelsError
from tests.datasets import fake_server
from tests.datasets.fake_server import Fault, serving

SELECTION = {"OMRÅDE": ["000", "101", "411"], "FUNK1": "*", "PRISENHED": "*", "Tid": [">=2021"]}
STRANGE = [None, True, -1, 1.5, 10**400, "", "..", "x", [], {}, [[]], {"id": 1}, "\x00", "٣", float("nan")]


def described():
    return read_tableinfo(json.dumps(fake_server.description("REGK31")))


def question(form):
    variables = [{"code": name, "values": list(codes)} for name, codes in choose(described(), SELECTION).items()]
    return {"table": "REGK31", "format": form, "lang": "da", "valuePresentation": "Code", "variables": variables}


def streamed():
    """BULK needs every variable."""
    wanted = SELECTION | {"DRANST": "1", "ART": "TOT"}
    variables = [{"code": name, "values": list(codes)} for name, codes in choose(described(), wanted).items()]
    return question("BULK") | {"variables": variables}


def swapped(chance, content):
    """Put something of another type in the place of one node of a JSON text."""
    found = json.loads(content)
    spots = []

    def walk(node):
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for name, below in pairs:
            spots.append((node, name))
            walk(below)

    walk(found)
    for _ in range(chance.choice((1, 1, 3))):
        node, name = chance.choice(spots)
        node[name] = chance.choice([*STRANGE, chance.choice(spots)[0]])
    try:
        return json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return content[: chance.randrange(len(content))]


def broken(chance, content):
    """Cut, flip, lose, double or foreign bytes; or a wrong type where the content is JSON."""
    ways = ["cut", "flip", "lose", "double", "foreign", "line"] + ["swap"] * 6 * (content[:1] in b"{[")
    way = chance.choice(ways)
    place, end = sorted((chance.randrange(len(content)), chance.randrange(len(content) + 1)))
    if way == "cut":
        return content[:place]
    if way == "flip":
        many = bytearray(content)
        for _ in range(chance.choice((1, 2, 10))):
            many[chance.randrange(len(many))] ^= 1 << chance.randrange(8)
        return bytes(many)
    if way == "lose":
        return content[:place] + content[end:]
    if way == "double":
        return content[:end] + content[place:]
    if way == "foreign":
        foreign = chance.choice(
            [b"\xff", b"\x00", b'"', b";", b"\n", b"<", b"\xe6\xf8\xe5", b"1e999", b".", b",", b"\xef\xbb\xbf"]
        )
        return content[:place] + foreign + content[place:]
    if way == "line":
        lines = content.split(b"\n")
        chance.shuffle(lines)
        return b"\n".join(lines)
    return swapped(chance, content)


def check_block(block, shape):
    assert block.values.shape == block.marks.shape == shape and block.values.dtype == float
    assert not np.isinf(block.values).any() and all(isinstance(mark, str) for mark in block.marks.ravel())
    unmarked = block.marks == ""
    assert np.isfinite(block.values[unmarked]).all()


def check_info(info):
    assert info.id and info.variables and all(variable.values for variable in info.variables.values())
    for name, variable in info.variables.items():
        assert isinstance(name, str) and isinstance(variable.elimination, bool) and isinstance(variable.time, bool)
        assert all(isinstance(code, str) and isinstance(text, str) for code, text in variable.values.items())


@pytest.mark.parametrize("form", ["CSV", "BULK", "JSONSTAT", "tableinfo"])
def test_a_reader_gives_figures_or_an_error_of_ours(form):
    chance = random.Random(f"2026 {form}")
    info = described()
    body = streamed() if form == "BULK" else question(form)
    good, kind = fake_server.answer("tableinfo" if form == "tableinfo" else "data", {**body})
    asked = {
        one["code"]: {code: info.variables[one["code"]].values[code] for code in one["values"]}
        for one in body["variables"]
    }
    shape = tuple(len(codes) for codes in asked.values())
    seen: Counter[str] = Counter()
    for _ in range(500):
        content = broken(chance, good)
        answer = Answer(
            url="", status=200, headers={"content-type": kind}, content=content, whole=chance.random() < 0.5
        )
        try:
            if form == "tableinfo":
                check_info(read_tableinfo(answer.text()))
            else:
                check_block(read_block(answer, asked=asked, form=form, omitted=0.0, what="the answer"), shape)
        except BenchmodelsError as error:
            assert str(error) and len(str(error)) < 2_000
            seen["refused"] += 1
        else:
            seen["read"] += 1
    assert min(seen["refused"], seen["read"]) > 10, seen


def cache_is_whole(folder):
    """Every record is JSON and its content has the hash on record; nothing half-written is left."""
    for record in folder.rglob("entry.json"):
        entry = json.loads(record.read_bytes())
        assert hashlib.sha256((folder / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]
    return not list(folder.rglob(".part-*"))


@pytest.mark.parametrize("form", ["csv", "jsonstat"])
def test_the_client_gives_figures_or_an_error_of_ours_and_keeps_what_it_had(form, tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "BENCHMODELS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    chance = random.Random(f"11 {form}")
    hows = ["plain"] * 6 + ["gzip", "chunked", "close", "short", "chunked_cut", "gzip_cut", "reset"]
    with serving() as server:
        talk = Transport(base=server.url, retries=0, deadline=5.0, backoff=0.0)
        bank = StatBank(cache=Cache(tmp_path), transport=talk)
        offline = StatBank(cache=Cache(tmp_path, offline=True), transport=talk)
        kept = bank.data("REGK31", SELECTION, format=form)
        rows, refused = len(kept), 0
        for turn in range(150):
            server.faults.clear()
            on_data = chance.random() < 0.7
            fault = Fault(how=chance.choice(hows), change=lambda content: broken(chance, content))
            server.faults.extend([None, fault] if on_data else [fault])
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    found = bank.data("REGK31", SELECTION, format=form, refresh=True)
            except BenchmodelsError:
                refused += 1
            else:
                kept, rows = found, len(found)
            assert cache_is_whole(tmp_path)
            try:
                again = offline.data("REGK31", SELECTION, format=form)
            except BenchmodelsError:
                # A description that was read anyway may have other codes: then there are no figures for them yet.
                assert not on_data
                bank.table_info("REGK31", refresh=True)
                again = offline.data("REGK31", SELECTION, format=form)
            if on_data:
                pd.testing.assert_frame_equal(again, kept)
            assert len(again) >= 1 and rows >= 1, turn
        assert 20 < refused < 150
