"""Claims: how printed numbers are read, what each kind works out, and what a file of claims is refused for."""

from __future__ import annotations

import copy
import random
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from benchmodels.errors import BenchmodelsError, SpecificationError
from benchmodels.replication import audit_claims, literature, parse_claims, published, read_claims
from benchmodels.replication.claims.cells import read_grids
from benchmodels.replication.claims.printed import read_printed
from benchmodels.replication.claims.specification import ARGUMENTS
from benchmodels.replication.claims.units import factor

DOCUMENT = {"id": "a-b", "title": "Titel", "source": "Nogen (2023)", "language": "da"}
TABLE = {
    "title": "Tabel 1",
    "unit": "1.000 kr.",
    "total": "I alt",
    "groups": {"Begge": ["Ærø", "Ås"]},
    "cells": {
        "Ærø": {"2018": "1.000", "2022": "1.210"},
        "Ås": {"2018": "3.000", "2022": "3.600"},
        "I alt": {"2018": "4.000", "2022": "4.811"},
        "Ny": {"2018": "-", "2022": "1"},
    },
}


def claim(kind: str, published: str, unit: str = "", **arguments: object) -> dict[str, object]:
    return {"id": "x", "where": "s. 1", "quote": "q", "kind": kind, "published": published, "unit": unit, **arguments}


def file_of(*claims: dict[str, object]) -> dict[str, object]:
    return {"document": DOCUMENT, "tables": {"1": TABLE}, "claims": list(claims)}


def found(one: dict[str, object]):
    return audit_claims(parse_claims(file_of(one))).numbers[0]


A18, A22, B18, B22 = "1 | Ærø | 2018", "1 | Ærø | 2022", "1 | Ås | 2018", "1 | Ås | 2022"
T18, T22 = "1 | I alt | 2018", "1 | I alt | 2022"


@pytest.mark.parametrize(
    ("text", "language", "value", "half"),
    [
        ("1.234,5", "da", 1234.5, 0.05),
        ("1,234.5", "en", 1234.5, 0.05),
        ("35.754.748", "da", 35754748, 0.5),
        ("−20,9", "da", -20.9, 0.05),
        ("-20.90", "en", -20.9, 0.005),
        (".883", "en", 0.883, 0.0005),
        ("1 234", "da", 1234, 0.5),
        ("1.2e-3", "en", 0.0012, 0.00005),
        ("0", "da", 0, 0.5),
    ],
)
def test_printed_numbers(text, language, value, half):
    number = read_printed(text, language=language)
    assert (number.value, number.half) == pytest.approx((value, half), rel=1e-12)


@pytest.mark.parametrize("text", ["", "x", "1.2345", "1.23,4.5", "1,2,3", "12%", "--3", "1.234.5", "nan", "inf", "½"])
def test_what_is_no_danish_number_is_refused(text):
    with pytest.raises(SpecificationError, match="no number"):
        read_printed(text, language="da")


WORKED_OUT = [
    (claim("value", "1,21", "mio. kr.", of=A22), 1.21),
    (claim("sum", "5", "mio. kr.", of=[A22, B22]), 4.81),
    (claim("sum", "5", "mio. kr.", of="1 | Begge | 2022"), 4.81),
    (claim("sum", "5", "mio. kr.", of="1 | * | 2022"), 4.811),
    (claim("mean", "2", "mio. kr.", of=[A18, B18]), 2.0),
    (claim("count", "2", of="1 | * | 2018"), 2.0),
    (claim("difference", "210", of=A22, base=A18), 210.0),
    (claim("growth", "21", "%", of=A22, base=A18), 21.0),
    (claim("share", "25", "%", of=A18, base=T18), 25.0),
    (claim("ratio", "3", of=B18, base=A18), 3.0),
    (claim("share_of_growth", "26", "%", of=A22, base=A18, whole=T22, whole_base=T18), 100 * 210 / 811),
    (claim("contribution", "5", "pct.point", of=A22, base=A18, whole_base=T18), 5.25),
    (claim("growth_of_ratio", "1", "%", of=A22, base=A18, per=B22, per_base=B18), 100 * (1.21 / 1.2 - 1)),
    (claim("rank", "2", of=A18, among=[A18, B18]), 2.0),
    (claim("rank", "2", of=A18, among="1 | * | 2018"), 2.0),
    (claim("rank", "1", of=A22, base=A18, among=[A22, B22], among_base=[A18, B18], by="growth"), 1.0),
    (claim("rank", "2", of=A22, base=A18, among=[A22, B22], among_base=[A18, B18], by="difference"), 2.0),
]


@pytest.mark.parametrize(
    ("one", "value"),
    WORKED_OUT,
    ids=lambda x: x["kind"] if isinstance(x, dict) else "",
)
def test_what_each_kind_works_out(one, value):
    assert found(one).computed == pytest.approx(value, rel=1e-12)


def test_every_kind_is_tried():
    assert {one["kind"] for one, _ in WORKED_OUT} == set(ARGUMENTS)


def test_verdicts():
    # 1.210 is anything from 1.209,5 to 1.210,5; 1.000 likewise: growth between 20.89 and 21.11 per cent.
    def verdict(text):
        return found(claim("growth", text, "%", of=A22, base=A18)).verdict

    assert [verdict(t) for t in ("21", "21,0", "21,1", "20,9", "21,2", "20,8", "-21")] == [
        "confirmed",
        "confirmed",
        "rounding",
        "rounding",
        "contradicted",
        "contradicted",
        "contradicted",
    ]


def test_half_a_unit_is_within():
    assert found(claim("value", "1,2", "mio. kr.", of=A22, precision="0,02")).verdict == "confirmed"
    assert found(claim("value", "1,22", "mio. kr.", of=A22, precision="0,02")).verdict == "confirmed"
    assert found(claim("value", "1,23", "mio. kr.", of=A22, precision="0,02")).verdict == "contradicted"


def test_printed_totals_are_claims():
    audit = audit_claims(parse_claims(file_of(claim("value", "1.000", of=A18))))
    totals = {f.id: (f.verdict, f.computed) for f in audit.numbers if not f.own}
    # In 2022 a part of 1 and rounding make 4.811; in 2018 the dash is not there, and not zero either.
    assert totals == {"total-1-2018": ("confirmed", 4000), "total-1-2022": ("confirmed", 4811)}


def test_what_is_missing_is_said():
    empty = found(claim("value", "1", of="1 | Ny | 2018"))
    assert (empty.verdict, empty.reason) == ("not computable", "the cell '1 | Ny | 2018' is empty")
    assert "did you mean 'Ærø'" in found(claim("value", "1", of="1 | Æro | 2018")).reason
    assert "has no column '2019'" in found(claim("value", "1", of="1 | Ærø | 2019")).reason
    small = found(claim("difference", "0", of=A18, base=A18))
    assert (small.computed, small.lower, small.upper) == (0, 0, 0)
    said = found(claim("growth", "3", "%", missing="Antal personer."))
    assert (said.verdict, said.reason) == ("not computable", "Antal personer.")


def test_a_number_beside_that_never_confirms():
    first, second = (claim("value", n, missing="m") | {"id": i} for i, n in (("f", "27.100"), ("s", "28.000")))
    third = claim("growth", "3", "%", missing="m", aside={"of": ["s"], "base": ["f"]})
    last = audit_claims(parse_claims(file_of(first, second, third))).numbers[2]
    assert last.verdict == "not computable"
    assert last.aside.value == pytest.approx(100 * (28000 / 27100 - 1))


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (claim("guess", "1", of=A18), "there is no kind 'guess'"),
        (claim("growth", "1", of=A18), "takes of, base"),
        (claim("value", "1", of=A18, base=A22), "takes of"),
        (claim("value", "1"), "found none"),
        (claim("value", "1.2345", of=A18), "no number"),
        (claim("value", "1", of="1 | Ærø"), "a cell is written"),
        (claim("value", "1", of="2 | Ærø | 2018"), "there is no table '2'"),
        (claim("value", "1", of=A18, missing="m"), "not both"),
        (claim("value", "1", of=A18, aside={"of": ["nobody"]}), "there is no claim 'nobody'"),
        (claim("growth", "1", missing="m", aside={"of": ["x"]}), "takes of, base"),
        (claim("efficiency", "1", of="A", fit="none"), "there is no fit 'none'"),
        (claim("value", "1", of=A18, by="size"), "by"),
        (claim("value", "1", of=A18, eval="print(1)"), "there is no such key"),
        (claim("value", "1", of=A18, precison="10"), "did you mean 'precision'"),
        (claim("value", 9.7, of=A18), "in quotes: published = '9.7'"),
        (claim("coefficient", "1", of="x"), "needs the name of a fit; the file has no [fits] section"),
        (claim("rank", "1", of=A18), "by 'difference' or 'growth' it takes base and among_base too"),
        (claim("value", "1", of=3), "of"),
    ],
)
def test_faults_are_told(one, told):
    with pytest.raises(SpecificationError, match="(?s)fault") as refused:
        parse_claims(file_of(one))
    assert told in str(refused.value)


def test_all_faults_at_once():
    with pytest.raises(SpecificationError) as refused:
        parse_claims(file_of(claim("value", "x", of="9 | a | b"), claim("growth", "1", of=A18)))
    assert all(part in str(refused.value) for part in ("no number", "no table '9'", "takes of, base", "used twice"))


def test_units_of_measure():
    assert "cannot be told in 'personer'" in found(claim("value", "1", "personer", of=A18)).reason
    with pytest.raises(SpecificationError, match="a share is told in"):
        factor("", "kr.", share=True)


def test_tables_are_read_long_wide_and_from_frames(tmp_path: Path):
    (tmp_path / "wide.csv").write_text("unit,a,b\nÆ,1,2\nØ,3,4\n", encoding="utf-8")
    content = file_of(claim("sum", "10", of="w | * | *"))
    content["tables"] = {"w": {"title": "t", "path": "wide.csv", "rows": "unit", "decimals": 0}}
    claims = parse_claims(content, folder=tmp_path)
    assert audit_claims(claims).numbers[0].verdict == "confirmed"
    other = pd.DataFrame({"unit": ["Æ", "Ø"], "a": [1, 3], "b": [2, 14]})
    assert audit_claims(claims, tables={"w": other}).numbers[0].computed == 20
    with pytest.raises(SpecificationError, match="no table 'v'"):
        read_grids(claims, tables={"v": other})
    twice = pd.DataFrame({"unit": ["Æ", "Æ"], "a": [1, 3], "b": [2, 14]})
    assert "twice" in audit_claims(claims, tables={"w": twice}).numbers[0].reason
    (tmp_path / "wide.csv").unlink()
    assert "no file" in audit_claims(claims).numbers[0].reason


@pytest.mark.parametrize("path", [*published().values(), *literature().values()], ids=lambda p: p.stem)
def test_files_that_ship_are_sound(path):
    claims = read_claims(path)
    assert claims.document.id == path.stem


def _mutated(rng: random.Random, content):
    """Change one thing deep in a file: drop it, put something of another type in its place, or repeat it."""
    content = copy.deepcopy(content)
    places = []

    def walk(node):
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in list(items):
            places.append((node, key))
            walk(value)

    walk(content)
    node, key = rng.choice(places)
    what = rng.randrange(8)
    junk = [
        None,
        -1,
        1e308,
        "",
        "\x00",
        "æ" * 500,
        [],
        {},
        [[]],
        True,
        "1 | * | *",
        float("nan"),
        "../../etc",
        "9.9.9,9",
    ]
    if what == 0 and isinstance(node, dict):
        del node[key]
    elif what == 1 and isinstance(node, dict):
        node[rng.choice(["eval", "of", "base", "fit", "by", "aside", ""])] = node[key]
    elif what == 2 and isinstance(node, list):
        node.append(node[key])
    elif what == 3 and isinstance(node[key], str):
        text = list(node[key]) or ["x"]
        text[rng.randrange(len(text))] = rng.choice("|,.-*0æ \n")
        node[key] = "".join(text)
    else:
        node[key] = rng.choice(junk)
    return content


def test_malformed_files_end_in_an_error_of_ours_or_in_an_audit():
    rng = random.Random(1)
    small = file_of(
        claim("value", "1", of=A18),
        claim("growth", "21", "%", of=A22, base=A18) | {"id": "y"},
        claim("rank", "1", of=A18, among="1 | * | 2018") | {"id": "z", "aside": {}},
    )
    big = tomllib.loads(published()["kl-partnerskab"].read_text(encoding="utf-8"))
    ends = {"audit": 0, "refused": 0}
    for turn in range(1200):
        content = small if turn % 3 else big
        for _ in range(rng.randrange(1, 4)):
            content = _mutated(rng, content)
        try:
            audit = audit_claims(parse_claims(content))
        except BenchmodelsError as error:
            assert str(error)
            ends["refused"] += 1
        else:
            assert sum(audit.counts().values()) == len(audit.numbers)
            audit.to_json()
            ends["audit"] += 1
    assert min(ends.values()) > 50, ends


def test_malformed_bytes_end_in_an_error_of_ours(tmp_path: Path):
    rng = random.Random(2)
    whole = published()["kl-partnerskab"].read_bytes()
    path = tmp_path / "claims.toml"
    for _ in range(150):
        text = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        path.write_bytes(bytes(text[: rng.randrange(1, len(text))] if rng.random() < 0.5 else text))
        try:
            read_claims(path)
        except SpecificationError as error:
            assert str(path.name) in str(error)
    with pytest.raises(SpecificationError, match="cannot be read"):
        read_claims(tmp_path)


def typed(cells: dict[str, dict[str, str]], *claims: dict[str, object], **spec: object):
    tables = {"t": {"title": "t", "cells": cells, **spec}}
    return audit_claims(parse_claims({"document": DOCUMENT, "tables": tables, "claims": list(claims)})).numbers


def test_every_printed_digit_counts():
    """A difference in the last of eleven digits is a difference."""
    cells = {"a": {"x": "35.754.748.150"}}
    verdicts = {
        text: typed(cells, claim("value", text, of="t | a | x"))[0].verdict
        for text in ("35.754.748.150", "35.754.748.151", "35.754.748.123")
    }
    assert list(verdicts.values()) == ["confirmed", "contradicted", "contradicted"]


def test_totals_keep_their_decimals():
    cells = {"y": {"a": "1,25"}, "z": {"a": "2,25"}, "I alt": {"a": "3,41"}}
    numbers = typed(cells, claim("value", "1,25", of="t | y | a"), total="I alt", unit="mia. kr.")
    assert [(n.printed.text, n.verdict) for n in numbers if not n.own] == [("3,41", "contradicted")]
    cells["I alt"] = {"a": "3,51"}
    numbers = typed(cells, claim("value", "1,25", of="t | y | a"), total="I alt")
    assert [n.verdict for n in numbers if not n.own] == ["rounding"]


@pytest.mark.parametrize("name", ["Året 2022", "2022 (mio. kr.)", "x" * 300, "å"])
def test_totals_of_any_column(name):
    numbers = typed({"a": {name: "1"}, "I alt": {name: "1"}}, claim("value", "1", of=f"t | a | {name}"), total="I alt")
    assert [n.verdict for n in numbers] == ["confirmed", "confirmed"]


def test_a_total_and_a_claim_of_the_same_name_are_told_apart():
    one = claim("value", "1", of="t | a | x") | {"id": "total-t-x"}
    numbers = typed({"a": {"x": "1"}, "I alt": {"x": "1"}}, one, total="I alt")
    assert len({n.id for n in numbers}) == 2


def test_tables_in_unlike_units_of_measure():
    def both(one: dict[str, object]) -> tuple[float, str]:
        tables = {
            "k": {"title": "k", "unit": "kr.", "cells": {"a": {"x": "1"}, "b": {"x": "5"}}},
            "m": {"title": "m", "unit": "mio.kr.", "cells": {"a": {"x": "1"}}},
            "p": {"title": "p", "unit": "personer", "cells": {"a": {"x": "4"}}},
        }
        number = audit_claims(parse_claims({"document": DOCUMENT, "tables": tables, "claims": [one]})).numbers[0]
        return number.computed, number.reason

    assert both(claim("sum", "1", "kr.", of=["k | a | x", "m | a | x"]))[0] == pytest.approx(1_000_001)
    assert both(claim("share", "1", "%", of="k | a | x", base="m | a | x"))[0] == pytest.approx(1e-4)
    assert both(claim("rank", "1", of="m | a | x", among=["m | a | x", "k | b | x"]))[0] == 1
    assert both(claim("ratio", "1", of="k | b | x", base="p | a | x"))[0] == pytest.approx(1.25)
    assert "unlike units" in both(claim("sum", "1", of=["k | a | x", "p | a | x"]))[1]


def test_other_printed_numbers_in_their_own_units():
    old, new = (
        claim("value", n, u, missing="m") | {"id": i}
        for i, n, u in (("o", "1.000", "mio. kr."), ("n", "4", "mia. kr."))
    )
    last = claim("growth", "3", "%", missing="m", aside={"of": ["n"], "base": ["o"]})
    assert audit_claims(parse_claims(file_of(old, new, last))).numbers[2].aside.value == pytest.approx(300)


def test_intervals_that_only_touch_do_not_meet():
    cells = {"a": {"x": "53,3", "y": "4"}}
    told = [typed(cells, claim("value", text, of="t | a | x"))[0].verdict for text in ("53,2", "53,3", "53,4")]
    assert told == ["contradicted", "confirmed", "contradicted"]
    assert typed(cells, claim("value", "3", of="t | a | y"))[0].verdict == "contradicted"


@pytest.mark.parametrize("text", ["1e400", "9" * 400, "1e9999999", "1 0 0"])
def test_numbers_that_are_none(text):
    with pytest.raises(SpecificationError):
        read_printed(text, language="en")


@pytest.mark.parametrize("precision", ["0", "-1", "1.000.000.000"])
def test_a_precision_that_confirms_anything_is_refused(precision):
    with pytest.raises(SpecificationError, match="precision"):
        read_printed("500", language="da", precision=precision)


def test_a_figure_kept_back_is_not_nothing():
    def total(mark: str):
        return typed({"a": {"x": "3"}, "b": {"x": mark}, "c": {"x": "4"}}, claim("sum", "7", of="t | * | x"))[0]

    assert total("-").verdict == total("–").verdict == "confirmed"
    for mark in ("..", "x", "*", ":", "", "5 kr", "12,3,4"):
        assert total(mark).verdict == "not computable", mark
    assert "holds '..'" in total("..").reason


def test_marks_in_files(tmp_path: Path):
    (tmp_path / "w.csv").write_text('unit,a,b\nNA,1,3\n" Æ ",..,4\nØ,"1,000",5\n', encoding="utf-8")
    content = file_of(
        claim("value", "1", of="w | NA | a"),
        claim("sum", "12", of="w | * | b") | {"id": "b"},
        claim("sum", "1", of="w | * | a") | {"id": "a"},
        claim("value", "4", of="w | Æ | b") | {"id": "space"},
    )
    content["tables"] = {"w": {"title": "t", "path": "w.csv", "rows": "unit", "decimals": {"a": 0}}}
    numbers = audit_claims(parse_claims(content, folder=tmp_path)).numbers
    assert [n.verdict for n in numbers] == ["confirmed", "confirmed", "not computable", "confirmed"]
    assert [c.half for c in numbers[0].cells + numbers[3].cells] == [0.5, 0.0]


def test_ranks_pair_like_with_like():
    cells = {"x": {"a": "10", "b": "20"}, "y": {"a": "-", "b": "500"}, "z": {"a": "1", "b": "-"}}
    stars = {"among": "t | * | b", "among_base": "t | * | a", "by": "growth"}
    number = typed(cells, claim("rank", "1", of="t | x | b", base="t | x | a", **stars))[0]
    assert "same rows" in number.reason
    cells = {"x": {"a": "10", "b": "20"}, "y": {"a": "1", "b": "5"}}
    number = typed(cells, claim("rank", "1", of="t | x | b", base="t | y | a", **stars))[0]
    assert "'base' must be" in number.reason


def test_growth_from_a_debt_has_no_per_cent():
    cells = {"x": {"a": "-100", "b": "-50"}, "y": {"a": "10", "b": "20"}}
    assert "above zero" in typed(cells, claim("growth", "-50", "%", of="t | x | b", base="t | x | a"))[0].reason
    among = {"among": ["t | x | b", "t | y | b"], "among_base": ["t | x | a", "t | y | a"], "by": "growth"}
    assert "above zero" in typed(cells, claim("rank", "1", of="t | x | b", base="t | x | a", **among))[0].reason
    assert typed(cells, claim("difference", "50", of="t | x | b", base="t | x | a"))[0].verdict == "confirmed"


def test_a_group_counts_each_row_once_and_names_are_composed():
    decomposed = "A\u030as"
    cells = {decomposed: {"x": "3"}, "Ø": {"x": "4"}}
    numbers = typed(
        cells,
        claim("sum", "7", of="t | begge | x"),
        claim("value", "3", of="t | Ås | x") | {"id": "y"},
        groups={"begge": ["Ås", decomposed, "Ø"]},
    )
    assert [n.verdict for n in numbers] == ["confirmed", "confirmed"]


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "a/../../b.csv"])
def test_tables_lie_below_the_file(path, tmp_path):
    content = file_of(claim("value", "1", of="w | a | x"))
    content["tables"] = {"w": {"title": "t", "path": path, "rows": "r"}}
    with pytest.raises(SpecificationError, match="in or below the folder"):
        parse_claims(content, folder=tmp_path)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path):
    (tmp_path / "secret.csv").write_text("r,x\nbob,1\n", encoding="utf-8")
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "t.csv").symlink_to(tmp_path / "secret.csv")
    content = file_of(claim("value", "1", of="w | bob | x"))
    content["tables"] = {"w": {"title": "t", "path": "t.csv", "rows": "r"}}
    number = audit_claims(parse_claims(content, folder=folder)).numbers[0]
    assert number.verdict == "not computable" and "bob" not in number.reason


def test_control_characters_and_endless_numbers_are_refused(tmp_path: Path):
    with pytest.raises(SpecificationError, match="control characters"):
        parse_claims(file_of(claim("value", "1", of=A18) | {"quote": "a\x1b]0;title\x07"}))
    (tmp_path / "c.toml").write_text(f"x = {'9' * 5000}", encoding="utf-8")
    with pytest.raises(SpecificationError, match="not valid TOML"):
        read_claims(tmp_path / "c.toml")


@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252"])
def test_a_danish_table_is_read_as_danish(tmp_path: Path, sep, encoding):
    lines = ["område", "2018", "2022"], ["Ærø", '"1.234"', '"1.500,5"'], ["I alt", '"1.234"', '"1.500,5"']
    (tmp_path / "da.csv").write_bytes("\r\n".join(sep.join(line) for line in lines).encode(encoding))
    content = file_of(
        claim("value", "1.234", of="t | Ærø | 2018"), claim("value", "1.500,5", of="t | Ærø | 2022") | {"id": "y"}
    )
    spec = {"title": "t", "path": "da.csv", "rows": "område", "total": "I alt"}
    content["tables"] = {"t": spec if encoding != "cp1252" else spec | {"encoding": "cp1252"}}
    numbers = audit_claims(parse_claims(content, folder=tmp_path)).numbers
    assert [n.verdict for n in numbers] == ["confirmed"] * 4
    assert [n.printed.text for n in numbers if not n.own] == ["1.234", "1.500,5"]


def test_a_table_may_have_other_marks_than_its_document(tmp_path: Path):
    (tmp_path / "en.csv").write_text('r,x,y\na,1.5,"1,234"\n', encoding="utf-8")
    content = file_of(claim("value", "1,5", of="t | a | x"), claim("value", "1.234", of="t | a | y") | {"id": "y"})
    spec = {"title": "t", "path": "en.csv", "rows": "r"}
    content["tables"] = {"t": spec | {"language": "en"}}
    assert [n.verdict for n in audit_claims(parse_claims(content, folder=tmp_path)).numbers] == ["confirmed"] * 2
    content["tables"] = {"t": spec}
    reason = audit_claims(parse_claims(content, folder=tmp_path)).numbers[0].reason
    assert "holds '1.5'" in reason and "language = 'en'" in reason


def test_more_decimals_than_the_table_has_are_refused(tmp_path: Path):
    (tmp_path / "t.csv").write_text("r,x\na,1.234\nb,2.000\n", encoding="utf-8")
    content = file_of(claim("value", "1", of="t | a | x"))
    content["document"] = DOCUMENT | {"language": "en"}
    content["tables"] = {"t": {"title": "t", "path": "t.csv", "rows": "r", "decimals": 0}}
    assert "more decimals than the table's" in audit_claims(parse_claims(content, folder=tmp_path)).numbers[0].reason
    (tmp_path / "t.csv").write_text("r,x\na,1.000\nb,2.000\n", encoding="utf-8")
    assert audit_claims(parse_claims(content, folder=tmp_path)).numbers[0].verdict == "confirmed"


@pytest.mark.parametrize("text", ["0.125", "01.234", "0.000"])
def test_no_thousands_after_a_zero(text):
    with pytest.raises(SpecificationError, match="no number"):
        read_printed(text, language="da")
