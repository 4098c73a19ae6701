"""The StatBank's tables come back cell by cell as they were asked for, however they are asked for and split."""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets.services.answer import Answer, ServiceError
from benchmodels.datasets.services.cache import Cache, NotKeptError
from benchmodels.datasets.services.extraction import cells, halves, limit_said
from benchmodels.datasets.services.figures import numbers, read_block
from benchmodels.datasets.services.statbank import StatBank
from benchmodels.datasets.services.tableinfo import choose, read_tableinfo
from benchmodels.datasets.services.transport import Transport
from benchmodels.errors import DataError, SpecificationError
from tests.datasets import fake_server
from tests.datasets.fake_server import TABLES, Fault, figure, serving, total

REGK31 = {"OMRÅDE": "*", "FUNK1": ["52821", "32201"], "PRISENHED": ["LOBM", "INDL"], "TID": ["2021", "2022"]}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("BENCHMODELS_OFFLINE", "BENCHMODELS_CACHE", "BENCHMODELS_STATBANK_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server():
    with serving() as one:
        yield one


@pytest.fixture
def bank(server, tmp_path):
    server.faults.clear()
    server.asked.clear()
    server.limit = 1_000_000
    return open_bank(server, tmp_path)


def open_bank(server, folder, *, offline=False, lang="da", **options):
    talk = Transport(base=server.url, retries=0, deadline=5.0)
    return StatBank(cache=Cache(folder, offline=offline), lang=lang, transport=talk, **options)


def described(name="FOLK1A"):
    return read_tableinfo(json.dumps(fake_server.description(name)))


def data_questions(server):
    return [body for path, body in server.asked if path.endswith("/data")]


def expected(table, chosen):
    """Plain loop over the combinations of the codes."""
    rest = {name: total(table, name) for name in TABLES[table]["variables"] if name not in chosen}
    rows = []
    for codes in itertools.product(*chosen.values()):
        value = figure(table, {**rest, **dict(zip(chosen, codes, strict=True))})
        rows.append((*codes, np.nan if value is None else value))
    return pd.DataFrame(rows, columns=[*chosen, "value"])


def full(table, selection):
    return choose(described(table), selection)


def agrees(frame, table, selection):
    chosen = full(table, selection)
    plain = expected(table, chosen)
    assert list(frame.columns) == [*chosen, "value", "mark"]
    assert [tuple(row) for row in frame[list(chosen)].to_numpy()] == [
        tuple(row) for row in plain[list(chosen)].to_numpy()
    ]
    np.testing.assert_array_equal(frame["value"], plain["value"])
    return True


@pytest.mark.parametrize("form", ["auto", "csv", "jsonstat"])
def test_every_cell_is_the_one_asked_for(bank, form):
    frame = bank.data("regk31", REGK31, format=form)
    assert agrees(frame, "REGK31", REGK31) and len(frame) == 11 * 2 * 2 * 2
    suppressed = frame["value"].isna()
    assert suppressed.any() and (frame.loc[suppressed, "OMRÅDE"] == "411").all()
    assert set(frame["mark"]) == {"", ".."} and ((frame["mark"] == "..") == suppressed).all()
    assert frame["OMRÅDE"].iloc[0] == "000"


def test_a_streamed_answer_leaves_zeros_out_and_they_come_back(bank, monkeypatch):
    def mostly_nothing(table, codes):
        return {"000": 5.0, "101": 0.0, "411": None}.get(codes["OMRÅDE"], 7.0)

    monkeypatch.setattr(fake_server, "figure", mostly_nothing)
    asked = {"OMRÅDE": ["000", "101", "411"], "KØN": "TOT", "ALDER": "IALT", "Tid": "2020K4"}
    frame = bank.data("FOLK1A", asked, format="bulk").set_index("OMRÅDE")
    assert frame["value"].tolist()[:2] == [5.0, 0.0] and np.isnan(frame["value"]["411"])
    assert frame["mark"].tolist() == ["", "omitted", ".."]


def test_provenance_is_on_the_frame(bank, server):
    frame = bank.data("REGK31", REGK31, labels=True)
    attrs = frame.attrs
    day = attrs["retrieved"][:10]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day) and re.fullmatch("[0-9a-f]{64}", attrs["sha256"])
    host = f"127.0.0.1:{server.server_address[1]}"
    assert attrs["source"] == f"Simulerede tal fra {host}, ikke fra Danmarks Statistik (tabel REGK31, hentet {day})"
    assert attrs["simulated"] is True and "CC BY" not in attrs["licence"]
    assert attrs["unit"] == "1.000 kr." and attrs["footnote"] == "Simulerede tal." and attrs["questions"] == 1
    assert attrs["request"]["PRISENHED"] == ["LOBM", "INDL"] and attrs["request"]["OMRÅDE"][0] == "000"
    assert frame["OMRÅDE_text"].iloc[0] == "Hele landet" and "Christiansø" in set(frame["OMRÅDE_text"])


def test_the_official_source_is_named_as_the_licence_asks(monkeypatch, tmp_path):
    official = StatBank(cache=Cache(tmp_path))
    assert official.address == "https://api.statbank.dk/v1" and not official.simulated
    assert official._source("REGK31", "2026-11-22") == (
        "Danmarks Statistik, Statistikbanken, tabel REGK31, hentet 2026-11-22, CC BY 4.0"
    )
    english = StatBank(lang="en", cache=Cache(tmp_path))
    assert english._source("FOLK1A", "2026-11-22").startswith(
        "Statistics Denmark, StatBank, table FOLK1A, retrieved 2026"
    )
    monkeypatch.setenv("BENCHMODELS_STATBANK_URL", "http://api.statbank.dk/v1")
    assert StatBank().simulated
    for wrong in (
        {"lang": "sv"},
        {"most_cells": 0},
        {"base": "http://a.example", "transport": Transport(base="http://b.example")},
    ):
        with pytest.raises(SpecificationError):
            StatBank(**wrong)


def test_asked_once_then_from_the_folder(bank, server, tmp_path):
    first = bank.data("REGK31", REGK31)
    assert len(server.asked) == 2
    again = open_bank(server, tmp_path, offline=True).data("REGK31", REGK31)
    pd.testing.assert_frame_equal(first, again)
    assert first.attrs == again.attrs and len(server.asked) == 2
    with pytest.raises(NotKeptError, match="offline"):
        open_bank(server, tmp_path, offline=True).data("REGK31", REGK31 | {"TID": "2020"})
    bank.data("REGK31", REGK31, refresh=True)
    assert len(server.asked) == 4


@pytest.mark.parametrize("limit", [5, 6, 30, 100, 999])
def test_a_refusal_for_size_is_answered_with_smaller_questions(bank, server, limit):
    server.limit = limit
    told = []
    frame = bank.data("REGK31", REGK31, format="csv", progress=lambda *said: told.append(said))
    assert agrees(frame, "REGK31", REGK31)
    answered = [body for body in data_questions(server) if cells_of(body) <= limit]
    assert frame.attrs["questions"] == len(answered) == len(told)
    # The limit is read from the one refusal, and not felt for.
    assert len(data_questions(server)) - len(answered) == (limit < 88 * 5)
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told}) and told[-1][:2] == (88, 88)


def cells_of(body):
    return cells({one["code"]: tuple(one["values"]) for one in body["variables"]})


def test_a_limit_below_one_row_is_the_services_word(bank, server):
    server.limit = 4
    with pytest.raises(ServiceError, match="begrænsningen på 4 celler"):
        bank.data("REGK31", REGK31, format="csv")


def test_known_limits_are_kept_without_asking_too_much(server, tmp_path, bank):
    small = open_bank(server, tmp_path, most_cells=50)
    assert agrees(small.data("REGK31", REGK31, format="jsonstat"), "REGK31", REGK31)
    assert all(cells_of(body) <= 50 for body in data_questions(server)) and len(data_questions(server)) > 8


def test_auto_streams_what_is_too_large_when_every_variable_is_given(server, tmp_path, bank):
    every = dict.fromkeys(TABLES["FOLK1A"]["variables"], "*")
    frame = open_bank(server, tmp_path, most_cells=500).data("FOLK1A", every)
    assert agrees(frame, "FOLK1A", every) and [body["format"] for body in data_questions(server)] == ["BULK"]
    server.asked.clear()
    server.limit = 500
    frame = bank.data("FOLK1A", every, refresh=True)
    assert agrees(frame, "FOLK1A", every) and [body["format"] for body in data_questions(server)] == ["CSV", "BULK"]
    server.asked.clear()
    frame = open_bank(server, tmp_path, offline=True).data("FOLK1A", every)
    assert agrees(frame, "FOLK1A", every) and server.asked == []


def test_an_interrupted_extraction_goes_on_where_it_was(bank, server, tmp_path):
    server.limit = 100
    bank.table_info("REGK31")
    server.faults.extend([None, None, None, None, Fault(status=500)])
    with pytest.raises(ServiceError, match="500"):
        bank.data("REGK31", REGK31, format="csv")
    before = [json.dumps(body) for body in data_questions(server)]
    server.asked.clear()
    frame = bank.data("REGK31", REGK31, format="csv")
    assert agrees(frame, "REGK31", REGK31)
    again = [json.dumps(body) for body in data_questions(server) if cells_of(body) <= 100]
    answered = [body for body in before if cells_of(json.loads(body)) <= 100][:-1]
    assert answered and not set(answered) & set(again)
    server.asked.clear()
    assert agrees(open_bank(server, tmp_path, offline=True).data("REGK31", REGK31, format="csv"), "REGK31", REGK31)


def test_halves_and_cells_are_what_they_say():
    selection = {"a": tuple("abcde"), "b": ("x",)}
    assert cells(selection) == 15 and cells({"OMRÅDE": ("0",) * 105, "KØN": ("0",) * 3, "ALDER": ("0",) * 127,
                                             "CIV": ("0",) * 5, "Tid": ("0",) * 71}) == 85_210_650  # fmt: skip
    first, second = halves(selection)
    assert first["a"] + second["a"] == selection["a"] and first["b"] == second["b"] == ("x",)
    assert halves({"a": ("x",)}) == [{"a": ("x",)}]


@pytest.mark.parametrize(
    ("words", "asked", "limit"),
    [
        ("Op mod 6.224.652 celler er over begrænsningen på 1.000.000 celler for denne filtype.", 6_224_652, 1_000_000),
        ("The request for 500,000 cells exceeds the limit of 160,000 cells", 500_000, 160_000),
        ("op mod 6.000.000 celler er over begrænsningen på 500.000 celler", 7_000_000, 500_000),
        ("Forespørgslen returnerer for mange observationer", 1_000, 500),
        ("", 1, 1),
        ("grænse 99999999999999999999", 10, 5),
    ],
)  # fmt: skip
def test_the_limit_is_read_from_the_refusal(words, asked, limit):
    assert limit_said(words, asked) == limit


def test_a_table_says_what_it_holds(bank):
    info = bank.table_info("regk31")
    assert (info.id, info.unit, info.first_period, info.last_period) == ("REGK31", "1.000 kr.", "2016", "2022")
    assert list(info.variables) == ["OMRÅDE", "FUNK1", "DRANST", "ART", "PRISENHED", "Tid"]
    assert info.variables["OMRÅDE"].values["411"] == "Christiansø" and info.variables["OMRÅDE"].map.startswith(
        "Denmark"
    )
    assert (
        info.variables["DRANST"].elimination and not info.variables["PRISENHED"].elimination and info.time.id == "Tid"
    )
    with pytest.raises(SpecificationError, match="no table NIX1"):
        bank.table_info("NIX1")
    for wrong in ("", "../data", "A B", None, "x" * 41):
        with pytest.raises(SpecificationError):
            bank.table_info(wrong)


def test_subjects_and_tables(bank, server):
    subjects = bank.subjects()
    assert subjects["id"].tolist() == ["1", "4", "3401"] and subjects["parent"].tolist()[2] == "1"
    tables = bank.tables("3401")
    assert tables.loc[0, "id"] == "FOLK1A" and tables.loc[0, "last_period"] == "2020K4" and tables.loc[0, "active"]
    assert server.asked[-1][1] == {"lang": "da", "format": "JSON", "includeInactive": False, "subjects": ["3401"]}
    for broken in (b"{}", b"[1]", b'[{"id": 1, "description": "x"}]', b"[null]"):
        server.faults.append(Fault(body=broken))
        with pytest.raises(DataError, match="list of"):
            bank.subjects(refresh=True)
        server.faults.append(Fault(body=broken))
        with pytest.raises(DataError, match="list of"):
            bank.tables(refresh=True)


# --- selections -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        ("*", [f"{year}K{quarter}" for year in (2018, 2019, 2020) for quarter in (1, 2, 3, 4)]),
        ("2019k2", ["2019K2"]),
        ("*K1", ["2018K1", "2019K1", "2020K1"]),
        ("20*9K*", ["2019K1", "2019K2", "2019K3", "2019K4"]),
        (">=2020", ["2020K1", "2020K2", "2020K3", "2020K4"]),
        (">2020K2", ["2020K3", "2020K4"]),
        (">2018<2020", ["2019K1", "2019K2", "2019K3", "2019K4"]),
        ("<=2018K2", ["2018K1", "2018K2"]),
        ("<=2018", ["2018K1", "2018K2", "2018K3", "2018K4"]),
        (">=2018K4<=2019K1", ["2018K4", "2019K1"]),
        ("(1)", ["2020K4"]),
        ("(2)", ["2020K3"]),
        ("-(1)", ["2018K1"]),
        ("+(1)", ["2020K4"]),
        ("(-n+3)", ["2020K2", "2020K3", "2020K4"]),
        ("-(-n+2)", ["2018K1", "2018K2"]),
        ("(4n+1)", ["2018K4", "2019K4", "2020K4"]),
        ("(4n)", ["2018K1", "2019K1", "2020K1"]),
        (["(1)", "2018K1", "2018K1"], ["2018K1", "2020K4"]),
        ({"2020K1", "2018K3"}, ["2018K3", "2020K1"]),
    ],
)
def test_patterns_mean_codes_of_the_table(asked, codes):
    assert choose(described(), {"tid": asked}) == {"Tid": tuple(codes)}


def test_a_stretch_of_other_codes_follows_the_order_of_the_table():
    assert choose(described(), {"ALDER": ">=1", "Tid": "(1)"})["ALDER"] == ("1", "10")
    assert choose(described(), {"ALDER": ">=IALT<=0", "Tid": "(1)"})["ALDER"] == ("IALT", "0")
    assert choose(described("REGK31"), REGK31 | {"TID": [2021, np.int64(2022)]})["Tid"] == ("2021", "2022")


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({}, "nothing is asked for"),
        ({"OMRÅDE": "*"}, "needs codes for Tid"),
        ({"OMRAADE": "*", "Tid": "*"}, "nearest are OMRÅDE"),
        ({"OMRÅDE": "1001", "Tid": "*"}, "nothing that is '1001'; the nearest are 101"),
        ({"OMRÅDE": ["101", "København"], "Tid": "*"}, "nothing that is 'København'"),
        ({"OMRÅDE": [], "Tid": "*"}, "no code is asked for"),
        ({"OMRÅDE": None, "Tid": "*"}, "is a text, not None"),
        ({"OMRÅDE": True, "Tid": "*"}, "is a text, not True"),
        ({"OMRÅDE": [["101"]], "Tid": "*"}, "is a text"),
        ({"OMRÅDE": "(1)", "Tid": "*"}, "nothing that is"),
        ({"OMRÅDE": "sum(101;411)", "Tid": "*"}, "nothing that is"),
        ({"Tid": ">=2035"}, "to begin or end at"),
        ({"Tid": "(99)"}, "nothing that is"),
        ({"Tid": "(x)"}, "nothing that is"),
        ({"Tid": "()"}, "nothing that is"),
        ({"Tid": ">2020"}, "nothing that is"),
        ({"Tid": "9*"}, "nothing that is"),
        ({"Tid": "*", "TID": "*"}, "given twice"),
        (["Tid"], "codes by variable, not list"),
    ],
)
def test_a_selection_that_does_not_fit_is_refused_before_anybody_is_asked(bank, server, selection, words):
    bank.table_info("FOLK1A")
    with pytest.raises(SpecificationError, match=re.escape(words)):
        bank.data("FOLK1A", selection)
    assert len(server.asked) == 1


def test_streamed_answers_need_every_variable(bank, server):
    with pytest.raises(SpecificationError, match="KØN, ALDER: a streamed answer leaves no variable out"):
        bank.data("FOLK1A", {"OMRÅDE": "*", "Tid": "*"}, format="bulk")
    with pytest.raises(SpecificationError, match="format is 'px'"):
        bank.data("FOLK1A", {"Tid": "*"}, format="px")
    assert data_questions(server) == []


def test_too_many_rows_are_refused_before_anybody_is_asked(bank, server):
    wide = fake_server.description("FOLK1A")
    wide["variables"][0]["values"] = [{"id": str(code), "text": ""} for code in range(600_000)]
    server.faults.append(Fault(body=json.dumps(wide).encode()))
    with pytest.raises(SpecificationError, match="21,600,000 rows"):
        bank.data("FOLK1A", {"OMRÅDE": "*", "KØN": "*", "Tid": "*"})
    assert data_questions(server) == []


# --- answers that are not as they should be ---------------------------------------------------------------------------

ASKED = {"OMRÅDE": ["000", "411"], "KØN": ["TOT"], "ALDER": ["IALT"], "Tid": ["2020K3", "2020K4"]}
HEAD = "OMRÅDE;KØN;ALDER;TID;INDHOLD"
ROWS = [
    "000;TOT;IALT;2020K3;5824857",
    "000;TOT;IALT;2020K4;5831769",
    "411;TOT;IALT;2020K3;91",
    "411;TOT;IALT;2020K4;..",
]


def block(text, *, form="CSV", whole=True, codec="utf-8", header="text/csv; charset=utf-8"):
    info = described()
    asked = {name: {code: info.variables[name].values[code] for code in codes} for name, codes in ASKED.items()}
    answer = Answer(url="", status=200, headers={"content-type": header}, content=text.encode(codec), whole=whole)
    return read_block(answer, asked=asked, form=form, omitted=0.0, what="the answer")


def lines(*rows, head=HEAD, end="\r\n"):
    return end.join([head, *rows]) + end


GOOD = [5824857, 5831769, 91, np.nan]


@pytest.mark.parametrize(
    "text",
    [
        lines(*ROWS),
        lines(*ROWS, end="\n"),
        "\ufeff" + lines(*ROWS),
        lines(*ROWS).rstrip(),
        lines(*ROWS[::-1]),
        lines(*ROWS, ROWS[1]),
        lines(*[row.replace("IALT", '"IALT"') for row in ROWS]),
        lines(*["Hele landet" + row[3:] if row.startswith("000") else "Christiansø" + row[3:] for row in ROWS]),
        lines(*[row.replace("5824857", "5.824.857").replace("5831769", "5 831 769") for row in ROWS]),
        lines(*[f"{one[-2]};{';'.join(one[:-2])};{one[-1]}" for one in (row.split(";") for row in ROWS)],
              head="TID;OMRÅDE;KØN;ALDER;INDHOLD"),
        lines(ROWS[0], "", *ROWS[1:]),
        lines(*[row.replace("91", "\u00a091 ") for row in ROWS]),
    ],
)  # fmt: skip
def test_the_same_figures_however_they_are_written(text):
    found = block(text)
    np.testing.assert_array_equal(found.values.ravel(), GOOD)
    assert found.marks.ravel().tolist() == ["", "", "", ".."]
    assert found.duplicates == text.count(ROWS[1]) // 2


def test_letters_in_another_coding():
    text = lines(*[row.replace("411", "Christiansø").replace("000", "Hele landet") for row in ROWS])
    for codec in ("cp1252", "utf-16"):
        np.testing.assert_array_equal(block(text, codec=codec).values.ravel(), GOOD)


def test_a_row_that_is_not_there_is_never_silent():
    found = block(lines(*ROWS[:3]))
    assert np.isnan(found.values[1, 0, 0, 1]) and found.marks[1, 0, 0, 1] == "absent"
    found = block(lines(*ROWS[:3]), form="BULK")
    assert found.values[1, 0, 0, 1] == 0.0 and found.marks[1, 0, 0, 1] == "omitted"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \r\n", "is empty"),
        (HEAD + "\r\n", "a head and not one row"),
        ("<html><body>Vi opdaterer</body></html>", "a page for people, not figures: Vi opdaterer"),
        ('{"errorTypeCode":"REQUEST-LIMIT","message":"for meget"}', "REQUEST-LIMIT"),
        (lines(*ROWS, head="OMRÅDE;KØN;TID;INDHOLD"), "columns OMRÅDE; KØN; TID; INDHOLD"),
        (lines(*ROWS, head=HEAD + ";MERE"), "were asked for"),
        (lines(*ROWS, head="OMRÅDE;OMRÅDE;ALDER;TID;INDHOLD"), "were asked for"),
        (lines(*[row.replace(";", ",") for row in ROWS]), "another number of columns"),
        (lines(ROWS[0], "000;TOT"), "another number of columns than 5 in row 2"),
        (lines(*[row + ";1" for row in ROWS]), "another number of columns"),
        (lines(*[row + ";1;2" for row in ROWS]), "another number of columns"),
        (lines(ROWS[0], ROWS[1] + ";1;2;3"), "another number of columns than 5 in row 2"),
        (lines(*ROWS[:3], '411;TOT;IALT;2020K4;"12'), "no table of 5 columns"),
        (lines(*ROWS, "101;TOT;IALT;2020K4;12"), "'101' in column OMRÅDE, which was not asked for"),
        (lines(*ROWS, "000;TOT;IALT;2020K4;12"), "two different figures"),
        (lines(*ROWS[:3], "411;TOT;IALT;2020K4;tolv"), "'tolv' where numbers"),
        (lines(*ROWS[:3], "411;TOT;IALT;2020K4;1e999"), "too large"),
        (lines(*ROWS[:3], "411;TOT;IALT;2020K4;nan"), "'nan'"),
        (lines(*ROWS[:3], "411;TOT;IALT;2020K4;١٢"), "'١٢'"),
        (lines(*ROWS[:3], "411;TOT;IALT;2020K4;1.234"), "cannot be mistaken"),
        (lines(*ROWS[:2], "411;TOT;IALT;2020K3;1,5", "411;TOT;IALT;2020K4;2.5"), "one decimal sign"),
    ],
)
def test_answers_that_are_not_what_was_asked_for(text, words):
    with pytest.raises(DataError, match=re.escape(words)):
        block(text)


def test_an_end_that_nothing_proves():
    assert block(lines(*ROWS), whole=False).duplicates == 0
    with pytest.raises(DataError, match="may be cut"):
        block(lines(*ROWS).rstrip(), whole=False)


@pytest.mark.parametrize(
    ("texts", "values", "marks"),
    [
        (["1", "-2", "+3"], [1, -2, 3], ["", "", ""]),
        (["42955,60", "1072,20"], [42955.6, 1072.2], ["", ""]),
        (["42955.60", "1072.20"], [42955.6, 1072.2], ["", ""]),
        (["1.234.567", "12"], [1234567, 12], ["", ""]),
        (["1.234", "0,5"], [1234, 0.5], ["", ""]),
        (["0.123"], [0.123], [""]),
        (["1,234.5"], [1234.5], [""]),
        (["\u22121,5", "2\u202f000,5"], [-1.5, 2000.5], ["", ""]),
        (["1,5E-05", "1E+3"], [1.5e-5, 1000], ["", ""]),
        (["..", "...", ".", "-", "", "7*"], [np.nan, np.nan, np.nan, 0, np.nan, 7], ["..", "...", ".", "-", "..", "*"]),
        ([], [], []),
    ],
)
def test_numbers_as_they_are_written(texts, values, marks):
    found, said = numbers(texts)
    np.testing.assert_array_equal(found, values)
    assert said.tolist() == marks


@pytest.mark.parametrize(
    "texts",
    [
        ["1.234"],
        ["1,234", "56,789"],
        ["1,5", "2.5"],
        ["1.23.456"],
        ["12 34"],
        ["1,,2"],
        ["*"],
        ["--1"],
        ["0x1"],
        ["1", None],
    ],
)
def test_numbers_that_are_never_guessed(texts):
    with pytest.raises(DataError):
        numbers(texts)


def test_a_cube_in_another_order_or_of_other_codes():
    chosen = {name: list(codes) for name, codes in ASKED.items()}
    found = json.loads(fake_server.cube("FOLK1A", chosen, GOOD[:3] + [None]))
    assert np.isnan(block(json.dumps(found), form="JSONSTAT").values[1, 0, 0, 1])
    turned = json.loads(json.dumps(found))
    turned["dataset"]["dimension"]["OMRÅDE"]["category"]["index"] = {"411": 0, "000": 1}
    np.testing.assert_array_equal(
        block(json.dumps(turned), form="JSONSTAT").values.ravel(), [91, np.nan, 5824857, 5831769]
    )
    three = {"OMRÅDE": ["101", "411", "000"], "Tid": ["2020K4"]}
    asked = {"OMRÅDE": {code: code for code in ("000", "101", "411")}, "Tid": {"2020K4": "2020K4"}}
    answer = Answer(url="", status=200, headers={}, content=fake_server.cube("FOLK1A", three, [101, 411, 0]))
    turned_thrice = read_block(answer, asked=asked, form="JSONSTAT", omitted=0.0, what="the answer")
    assert turned_thrice.values.ravel().tolist() == [0, 101, 411]
    for change in (
        lambda cube: cube["dimension"].update(id=["OMRÅDE", "ContentsCode", "Tid"], size=[2, 1, 2]),
        lambda cube: cube["dimension"]["KØN"]["category"].update(index={"1": 0}),
        lambda cube: cube["dimension"].update(
            size=[2, 1, 1, 2, 2], ContentsCode={"category": {"index": ["a", "b"]}}
        ) or cube.update(value=[1] * 8),
    ):  # fmt: skip
        broken = json.loads(json.dumps(found))
        change(broken["dataset"])
        with pytest.raises(DataError):
            block(json.dumps(broken), form="JSONSTAT")


def test_codes_that_differ_in_small_letters_only_are_not_mixed_up():
    asked = {"KODE": {"a": "lille", "A": "stort", "b": "lille"}, "Tid": {"2020": "2020"}}
    text = "KODE;TID;INDHOLD\na;2020;1\nA;2020;2\nb;2020;3\n"

    def read(text):
        answer = Answer(url="", status=200, headers={}, content=text.encode())
        return read_block(answer, asked=asked, form="CSV", omitted=0.0, what="the answer").values.ravel().tolist()

    assert read(text) == [1, 2, 3]
    for unclear in ("B;2020;3", "lille;2020;3"):
        with pytest.raises(DataError, match="not asked for"):
            read(text.replace("b;2020;3", unclear))


def test_a_variable_called_as_the_figures_are_is_refused(bank, server):
    strange = fake_server.description("FOLK1A")
    strange["variables"][1]["id"] = "mark"
    server.faults.extend([Fault(body=json.dumps(strange).encode()), Fault(body=b"MARK;TID;INDHOLD\nTOT;2020K4;1\n")])
    with pytest.raises(DataError, match="called mark"):
        bank.data("FOLK1A", {"mark": "TOT", "Tid": "(1)"})


def test_english_numbers_and_danish_numbers_are_the_same(server, tmp_path, bank):
    danish, english = bank.data("REGK31", REGK31), open_bank(server, tmp_path, lang="en").data("REGK31", REGK31)
    pd.testing.assert_frame_equal(danish, english)
    assert english.attrs["source"].startswith("Simulated figures from")
