"""JSON-stat is read as its two versions are written, and refused when its parts do not agree."""

import json
import random

import numpy as np
import pytest

from benchmodels.datasets.services.jsonstat import read_json, read_jsonstat
from benchmodels.errors import BenchmodelsError, DataError

SIDES = {
    "OMRÅDE": {
        "label": "område",
        "category": {"index": {"101": 1, "000": 0}, "label": {"000": "Hele landet", "101": "København"}},
    },
    "ContentsCode": {"category": {"label": {"FOLK1A": "Befolkningen"}}},
    "Tid": {"category": {"index": ["2024", "2025", "2026"]}},
}
NAMES, SIZES, VALUES = ["OMRÅDE", "ContentsCode", "Tid"], [2, 1, 3], [1, 2.5, None, 4, 5, 6]
OLD = {
    "dataset": {
        "dimension": {**SIDES, "id": NAMES, "size": SIZES},
        "value": VALUES,
        "label": "t",
        "source": "s",
        "updated": "u",
    }
}
NEW = {"class": "dataset", "version": "2.0", "id": NAMES, "size": SIZES, "dimension": SIDES, "value": VALUES}


def read(found):
    return read_jsonstat(json.dumps(found, ensure_ascii=False))


@pytest.mark.parametrize("found", [OLD, NEW], ids=["1.x", "2.0"])
def test_both_versions_say_the_same(found):
    cube = read(found)
    assert list(cube.dimensions) == NAMES and cube.dimensions["OMRÅDE"] == {"000": "Hele landet", "101": "København"}
    np.testing.assert_array_equal(cube.values, np.array([[[1, 2.5, np.nan]], [[4, 5, 6]]]))
    assert cube.marks[0, 0].tolist() == ["", "", ".."] and cube.dimensions["Tid"]["2025"] == "2025"


def test_the_frame_is_what_a_plain_loop_makes():
    frame = read(NEW).to_frame()
    place, rows = 0, []
    for area in ("000", "101"):
        for year in ("2024", "2025", "2026"):
            rows.append((area, "FOLK1A", year, VALUES[place]))
            place += 1
    assert [tuple(row) for row in frame[NAMES].to_numpy()] == [row[:3] for row in rows]
    np.testing.assert_array_equal(frame["value"], np.array([row[3] for row in rows], dtype=float))


def test_sparse_values_and_status():
    cube = read(NEW | {"value": {"0": 7, "5": 8}, "status": {"5": "*"}})
    np.testing.assert_array_equal(cube.values.ravel(), [7, np.nan, np.nan, np.nan, np.nan, 8])
    assert cube.marks.ravel().tolist() == ["", "..", "..", "..", "..", "*"]
    assert read(NEW | {"status": "p"}).marks.ravel().tolist() == ["p"] * 6
    assert read(NEW | {"status": ["p"]}).marks.ravel().tolist() == ["p"] * 6
    marked = read(NEW | {"value": ["..", "-", "...", 1, 2, 3], "status": None})
    np.testing.assert_array_equal(marked.values.ravel(), [np.nan, 0, np.nan, 1, 2, 3])
    assert marked.marks.ravel().tolist() == ["..", "-", "...", "", "", ""]


@pytest.mark.parametrize(
    "change",
    [
        {"value": [1, 2, 3]},
        {"value": None},
        {"value": [True, 2, 3, 4, 5, 6]},
        {"value": ["1", 2, 3, 4, 5, 6]},
        {"value": [10**400, 2, 3, 4, 5, 6]},
        {"value": {"6": 1}},
        {"value": {"-1": 1}},
        {"value": {"²": 1}},
        {"size": [2, 1, 4]},
        {"size": [2.0, 1, 3]},
        {"size": [True, 1, 3]},
        {"size": "2,1,3"},
        {"id": ["OMRÅDE", "OMRÅDE", "Tid"]},
        {"id": ["OMRÅDE", "Tid"]},
        {"id": []},
        {"id": [1, 2, 3]},
        {"dimension": []},
        {"dimension": {"OMRÅDE": SIDES["OMRÅDE"]}},
        {"dimension": SIDES | {"Tid": {"category": {"index": ["2024", "2024", "2026"]}}}},
        {"dimension": SIDES | {"Tid": {"category": {"index": {"2024": 0, "2025": 0, "2026": 2}}}}},
        {"dimension": SIDES | {"Tid": {"category": {"index": {"2024": 0, "2025": "1", "2026": 2}}}}},
        {"dimension": SIDES | {"Tid": {"category": {"label": {"2024": "a", "2025": "b", "2026": "c"}}}}},
        {"dimension": SIDES | {"Tid": {"category": {"index": ["2024", "2025", "2026"], "label": {"2024": 1}}}}},
        {"status": {"0": 5}},
        {"status": ["p", "q"]},
    ],
)
def test_parts_that_do_not_agree(change):
    with pytest.raises(DataError):
        read(NEW | change)


@pytest.mark.parametrize(
    "text",
    ["", " ", "null", "[]", "{}", "7", '"x"', "{", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000, '{"a": ' * 50_000,
     "1" * 5_000,
     "<html>", '{"dataset": []}', '{"dataset": {"dimension": {"id": ["a"], "size": [1], "a": null}}}'],
)  # fmt: skip
def test_what_is_no_json_stat(text):
    with pytest.raises(DataError):
        read_jsonstat(text)


def test_a_cube_of_nothing_or_too_much_is_refused_before_it_is_made():
    with pytest.raises(DataError, match="codes"):
        read(
            {"class": "dataset", "id": ["a"], "size": [0], "dimension": {"a": {"category": {"index": []}}}, "value": []}
        )
    side = {"category": {"index": [str(code) for code in range(4_000)]}}
    with pytest.raises(DataError, match="64,000,000,000 cells"):
        read({"id": list("abc"), "size": [4_000] * 3, "dimension": dict.fromkeys("abc", side), "value": {}})


def test_errors_say_what_stood_there():
    with pytest.raises(DataError, match="it begins: '{\"a\": 1'"):
        read_json('{"a": 1', "the answer")
    with pytest.raises(DataError, match="cell 3 holds 'syv'"):
        read(NEW | {"value": [1, 2, 3, "syv", 5, 6]})


def test_a_thousand_broken_texts_are_read_or_refused():
    chance = random.Random(2026)
    good = [json.dumps(one, ensure_ascii=False) for one in (OLD, NEW)]
    read_anyway = 0
    for turn in range(1_500):
        text = list(good[turn % 2])
        for _ in range(chance.choice((1, 1, 2, 5))):
            place = chance.randrange(len(text))
            text[place] = chance.choice(
                ["", '"', "{", "]", "0", "-", ",", "null", "x", text[chance.randrange(len(text))]]
            )
        broken = "".join(text)[: chance.choice((None, None, chance.randrange(len(text))))]
        try:
            cube = read_jsonstat(broken)
        except BenchmodelsError:
            continue
        read_anyway += 1
        assert cube.values.shape == tuple(len(codes) for codes in cube.dimensions.values()) == cube.marks.shape
        assert not np.isinf(cube.values).any() and len(cube.to_frame()) == cube.values.size
        assert all(isinstance(mark, str) for mark in cube.marks.ravel())
    assert 50 < read_anyway < 1_400
