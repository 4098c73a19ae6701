"""Studies: the file and its faults, the table, the folder of results."""

from __future__ import annotations

import copy
import json
import tomllib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import BenchmodelsWarning, DataError, SpecificationError
from benchmodels.replication import answer, parse_study, read_study, run_studies, run_study, shipped_studies
from benchmodels.replication.provenance.folder import harmless, staged, write_csv
from benchmodels.replication.tables import load_table, read_table

TEXTS = {
    "title": "Fravær",
    "question": "Mere end ventet?",
    "outcome": "Andel med fravær.",
    "size": "elever",
    "rate": "%",
    "measure": "procentpoint",
    "caveats": ["Ikke årsag."],
    "terms": {"sex": "køn"},
}
SPEC: dict[str, object] = {
    "study": {"id": "small"},
    "data": {"path": "small.csv"},
    "roles": {"unit": "kommune", "trials": "elever"},
    "model": {"kind": "fixed-effects", "family": "binomial", "formula": "fravær ~ C(sex)"},
    "comparison": {"contrast": "difference", "scale": 100.0, "decimals": 1},
    "texts": {"da": TEXTS, "en": copy.deepcopy(TEXTS)},
}


def spec(**changes: object) -> dict[str, object]:
    table = copy.deepcopy(SPEC)
    for path, value in changes.items():
        *sections, key = path.split("__")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[key] = value
    return table


def small_table(names: tuple[str, ...] = ("Ærø", "Århus", "Øst", "Vest")) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = [
        {"kommune": name, "sex": sex, "elever": int(n), "fravær": int(rng.binomial(n, p))}
        for i, name in enumerate(names)
        for sex, p in (("boy", 0.2 + 0.03 * i), ("girl", 0.1 + 0.03 * i))
        for n in [rng.integers(150, 400)]
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def small() -> object:
    return parse_study(spec())


def test_shipped_studies_are_complete_in_both_languages() -> None:
    ids = {read_study(path).id for path in shipped_studies().values()}
    assert ids == set(shipped_studies())
    for path in shipped_studies().values():
        study = read_study(path)
        da, en = study.words("da"), study.words("en")
        assert len(da.caveats) == len(en.caveats) >= 5
        assert set(da.terms) == set(en.terms)
        frontier = study.frontier
        others = set() if frontier is None else set(frontier.columns())
        if frontier is not None and frontier.outputs_by is not None:
            others |= set(load_table(study).cases[frontier.outputs_by])
        assert all(name in study.model.formula or name in others for name in da.terms)


def test_every_fault_is_told_at_once() -> None:
    table = spec(
        study__id="../evil",
        comparison__standard="indirekt",
        comparison__levle=0.9,
        comparison__level=1.5,
        roles__unti="kommune",
        model__formula="no tilde",
        data__dataset="denmark.school_absence",
        texts__da__titel="x",
        texts__de=TEXTS,
    )
    del table["roles"]["unit"]
    del table["texts"]["da"]["measure"]
    with pytest.raises(SpecificationError) as caught:
        parse_study(table, name="x.toml")
    told = str(caught.value)
    for fault in (
        "comparison.standard: must be one of 'indirect', 'direct' (found 'indirekt')",
        "comparison.levle: unknown key; did you mean 'level'? (allowed: ",
        "comparison.level: must be less than 1 (found 1.5)",
        "roles.unti: unknown key; did you mean 'unit'?",
        "roles.unit: is missing",
        "study.id: must be written as small letters a-z, digits and hyphens (found '../evil')",
        "model.formula: must be written as 'outcome ~ terms' (found 'no tilde')",
        "data: exactly one of 'dataset' and 'path' must be given (found both)",
        "texts.da.titel: unknown key; did you mean 'title'?",
        "texts.da.measure: is missing",
        "texts.de: must be one of 'da', 'en' (found 'de')",
    ):
        assert fault in told, told
    assert told.startswith("x.toml: 11 faults")


def test_a_missing_section_and_roles_that_do_not_fit() -> None:
    table = spec(model__family="poisson")
    del table["comparison"]
    with pytest.raises(SpecificationError, match=r"comparison: is missing\n  roles.trials: belongs to family"):
        parse_study(table)


def test_study_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="none.toml: cannot be read"):
        read_study(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[study\n", encoding="utf-8")
    with pytest.raises(SpecificationError, match=r"bad.toml: not valid TOML: .*line 1"):
        read_study(tmp_path / "bad.toml")
    (tmp_path / "latin.toml").write_bytes("[study]\nid = 'æ'".encode("latin-1"))
    with pytest.raises(SpecificationError, match="not UTF-8 at byte 14"):
        read_study(tmp_path / "latin.toml")


def test_texts_in_a_language_the_study_does_not_have() -> None:
    table = spec()
    del table["texts"]["en"]
    with pytest.raises(SpecificationError, match=r"no texts in 'en'; it has 'da'. Add a \[texts.en\]"):
        parse_study(table).words("en")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ('kommune,elever,pris\nÆrø,10,1.5\n"Aa, by",20,-2.5\n', "utf-8"),
        ('kommune,elever,pris\r\nÆrø,10,1.5\r\n"Aa, by",20,-2.5\r\n', "utf-8-sig"),
        ("kommune;elever;pris\nÆrø;10;1,5\nAa, by;20;-2,5\n", "utf-8-sig"),
        ("kommune\telever\tpris\nÆrø\t10\t1.5\nAa, by\t20\t-2.5\n", "utf-8"),
    ],
)
def test_csv_as_it_comes(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    frame = read_table(path)
    assert list(frame.columns) == ["kommune", "elever", "pris"]
    assert frame["kommune"].tolist() == ["Ærø", "Aa, by"]
    assert frame["pris"].tolist() == [1.5, -2.5]


def test_csv_codes_keep_their_zero_and_points_are_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("kode;pris\n0101;1.234\n0147;56\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"column 'pris' holds numbers such as '1.234'.*data.decimal = '.'"):
        read_table(path, labels=["kode"])
    frame = read_table(path, labels=["kode"], decimal=".")
    assert frame["kode"].tolist() == ["0101", "0147"]
    assert frame["pris"].tolist() == [1.234, 56.0]


def test_tables_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no file .*none.csv"):
        read_table(tmp_path / "none.csv")
    for content in (b"", b" \n\n"):
        (tmp_path / "empty.csv").write_bytes(content)
        with pytest.raises(DataError, match="empty.csv: the file is empty"):
            read_table(tmp_path / "empty.csv")
    (tmp_path / "latin.csv").write_bytes("kommune,n\nÆrø,1\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"is not UTF-8 \(byte 10 .*save it as UTF-8 .*or give data.encoding"):
        read_table(tmp_path / "latin.csv")
    assert read_table(tmp_path / "latin.csv", encoding="cp1252")["kommune"].tolist() == ["Ærø"]
    (tmp_path / "t.doc").write_bytes(b"x")
    with pytest.raises(DataError, match="allowed are .csv"):
        read_table(tmp_path / "t.doc")
    (tmp_path / "t.xlsx").write_bytes(b"not a workbook")
    with pytest.raises(DataError, match="t.xlsx: cannot be read"):
        read_table(tmp_path / "t.xlsx")

    def missing(*args: object, **kwargs: object) -> None:
        raise ImportError("openpyxl")

    monkeypatch.setattr(pd, "read_excel", missing)
    with pytest.raises(DataError, match=r'pip install "benchmodels\[excel\]"'):
        read_table(tmp_path / "t.xlsx")


def test_xlsx_and_parquet(tmp_path: Path) -> None:
    table = small_table()
    table.to_excel(tmp_path / "t.xlsx", index=False, sheet_name="Ark æøå")
    table.to_parquet(tmp_path / "t.parquet")
    for frame in (read_table(tmp_path / "t.xlsx", sheet="Ark æøå"), read_table(tmp_path / "t.parquet")):
        assert frame["fravær"].tolist() == table["fravær"].tolist()
    with pytest.raises(DataError, match="t.xlsx: cannot be read"):
        read_table(tmp_path / "t.xlsx", sheet="none")


def test_missing_columns_name_the_nearest() -> None:
    table = small_table().rename(columns={"kommune": "Kommuner"})
    with pytest.raises(DataError, match=r"no column 'kommune' \(did you mean 'Kommuner'\?\); there is Kommuner, sex"):
        load_table(parse_study(spec()), data=table)
    with pytest.raises(DataError, match="the table has no rows"):
        load_table(parse_study(spec()), data=small_table().iloc[:0])


def test_filter_and_aggregate() -> None:
    table = pd.DataFrame(
        {
            "kommune": ["a", "a", "b", "b", "b"],
            "service": ["x", "y", "x", "y", "z"],
            "elever": [1, 2, 3, 4, 99],
            "same": [7, 7, 8, 8, 8],
        }
    )
    study = parse_study(
        spec(data__filter={"service": ["x", "y"]}, data__aggregate={"by": ["kommune"], "sum": ["elever"]})
    )
    found = load_table(study, data=table)
    assert found.frame.to_dict("list") == {"kommune": ["a", "b"], "same": [7, 8], "elever": [3, 7]}
    assert found.rows == 5
    lost = parse_study(spec(data__aggregate={"by": ["kommune"], "sum": ["elever"]}, roles__cluster="service"))
    with pytest.raises(DataError, match="table after aggregation: no column 'service'"):
        load_table(lost, data=table)
    with pytest.raises(DataError, match="no row has service = 'q'; there is x, y, z"):
        load_table(parse_study(spec(data__filter={"service": "q"})), data=table)


def test_text_is_made_harmless_and_numbers_stay() -> None:
    nasty = ["=cmd|' /C calc'!A0", "+1", "-x", "@x", "\tx", "\rx", "\nx", " =1+1", "＝1", "Ærø", "a-b"]
    frame = pd.DataFrame({"unit": nasty, "gap": np.linspace(-5, 5, len(nasty))})
    safe = harmless(frame)
    assert safe["unit"].tolist() == [f"'{text}" for text in nasty[:-2]] + nasty[-2:]
    assert safe["gap"].tolist() == frame["gap"].tolist()
    mixed = harmless(pd.DataFrame({"unit": pd.Series([-1, "-1"], dtype=object)}))
    assert mixed["unit"].tolist() == [-1, "'-1"]


def test_csv_round_trip_in_both_forms(tmp_path: Path) -> None:
    frame = pd.DataFrame({"unit": ['Sankt "Hans"\nby; nord, øst', "=x"], "gap": [-1.5, 2.25]})
    for danish in (False, True):
        path = tmp_path / f"{danish}.csv"
        write_csv(frame, path, danish=danish)
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        back = read_table(path)
        assert back["unit"].tolist() == [frame["unit"][0], "'=x"]
        assert back["gap"].tolist() == [-1.5, 2.25]
    assert b"-1,5" in path.read_bytes()


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_when_writing_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), staged(tmp_path / "deep" / "out") as folder:
        (folder / "half.csv").write_text("x", encoding="utf-8")
        raise error
    assert files(tmp_path) == set()


def test_an_old_result_survives_a_failure_and_is_replaced_by_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = parse_study(spec())
    out = tmp_path / "out"
    run_study(study, out=out, data=small_table(), danish_csv=True)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr("benchmodels.report.render_page", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_study(study, out=out, data=small_table())
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    with monkeypatch.context() as patch:  # the very last move fails
        real = __import__("os").replace

        def broken(source: object, target: object) -> None:
            if str(source).endswith(".partial"):
                raise OSError("disk")
            real(source, target)

        patch.setattr("benchmodels.replication.provenance.folder.os.replace", broken)
        with pytest.raises(OSError, match="disk"):
            run_study(study, out=out, data=small_table())
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    run_study(study, out=out, data=small_table())
    assert "small.da.csv" not in files(out)
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_folders_of_others_are_refused(tmp_path: Path) -> None:
    study = parse_study(spec())
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="file is a file"):
        run_study(study, out=tmp_path / "file", data=small_table())
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "manifest.json").write_text('{"tool": "other", "files": {}}', encoding="utf-8")
    with pytest.raises(DataError, match=r"not a result of benchmodels \(manifest.json\)"):
        run_study(study, out=foreign, data=small_table())
    ours = tmp_path / "ours"
    ours.mkdir()
    run_study(study, out=ours, data=small_table())
    (ours / "my notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"\(my notes.txt\)"):
        run_study(study, out=ours, data=small_table())
    assert (ours / "my notes.txt").read_text(encoding="utf-8") == "mine"


def test_folder_table_and_manifest(tmp_path: Path) -> None:
    table = small_table(("Ærø", "=Århus", '<script>alert("1")</script>', 'Nord\n"Øst"; 1'))
    path = tmp_path / "data" / "small.csv"
    path.parent.mkdir()
    table.to_csv(path, index=False)
    study = parse_study(spec(), folder=path.parent)
    page = run_study(study, out=tmp_path / "out", danish_csv=True, rng=7, lang="en", command="benchmodels run x")
    assert page == tmp_path / "out" / "index.html"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["tool"] == "benchmodels"
    assert set(manifest["files"]) == {p for p in files(tmp_path / "out") if "." in p} - {"manifest.json"}
    assert {"python", "benchmodels", "numpy", "scipy", "pandas"} <= set(manifest["versions"])
    assert manifest["options"] == {"lang": "en", "rng": 7, "command": "benchmodels run x"}
    [record] = manifest["studies"]
    assert record["data"]["name"] == "small.csv"
    assert record["data"]["rows"] == 8
    import hashlib

    assert record["data"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert parse_study(record["study"]).model == study.model
    assert record["rng"]
    assert str(tmp_path) not in json.dumps(manifest)
    written = read_table(tmp_path / "out" / "small.csv")
    danish = read_table(tmp_path / "out" / "small.da.csv")
    pd.testing.assert_frame_equal(written, danish)
    assert set(written["unit"]) == {"Ærø", "'=Århus", '<script>alert("1")</script>', 'Nord\n"Øst"; 1'}
    answered = answer(study, rng=np.random.default_rng(np.random.SeedSequence(7).spawn(1)[0])).to_frame()
    np.testing.assert_allclose(written["difference"], answered["difference"], rtol=1e-12)
    assert written["rank_lower"].tolist() == answered["rank_lower"].tolist()


def test_rows_and_totals_in_the_table() -> None:
    frame = answer(parse_study(spec(comparison__rank=False)), data=small_table()).to_frame()
    np.testing.assert_allclose(frame["difference"], frame["observed_rate"] - frame["expected_rate"], rtol=1e-9)
    np.testing.assert_allclose(frame["ratio"], frame["observed"] / frame["expected"], rtol=1e-9)
    assert "rank" not in frame


def test_units_of_a_single_row_are_withheld_and_the_page_still_stands(tmp_path: Path) -> None:
    table = small_table(("a", "b", "c", "d", "e", "f")).drop_duplicates("kommune")
    table["x"] = np.arange(6.0) ** 2
    study = parse_study(
        spec(
            model__kind="pooled",
            model__family="gaussian",
            model__formula="fravær ~ x",
            roles={"unit": "kommune", "exposure": "elever"},
        )
    )
    outcome = answer(study, data=table)
    assert outcome.ranking is None
    assert any(note.startswith("no ranks: ") for note in outcome.notes)
    assert set(outcome.to_frame()["different"]) == {"withheld"}
    html = run_study(study, out=tmp_path / "out", data=table).read_text(encoding="utf-8")
    assert "der er kun én række" in html


def test_the_same_seed_gives_the_same_ranks_and_row_order_does_not_matter() -> None:
    study, table = parse_study(spec()), small_table()
    first = answer(study, data=table, rng=3).to_frame()
    again = answer(study, data=table.sample(frac=1, random_state=1), rng=3).to_frame()
    numbers = first.columns[1:].difference(["different", "unusual", "withheld"])
    pd.testing.assert_frame_equal(
        first.set_index("unit")[numbers].astype(float),
        again.set_index("unit").loc[first["unit"], numbers].astype(float),
        rtol=1e-8,
    )


def test_our_warnings_become_notes_and_others_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmodels.replication import outcome as place

    def noisy(*args: object, **kwargs: object) -> object:
        warnings.warn("ours", BenchmodelsWarning, stacklevel=1)
        warnings.warn("theirs", UserWarning, stacklevel=1)
        return load_table(*args, **kwargs)

    monkeypatch.setattr(place, "load_table", noisy)
    with pytest.warns(UserWarning, match="theirs") as caught:
        outcome = answer(parse_study(spec()), data=small_table())
    assert "ours" in outcome.notes
    assert [str(item.message) for item in caught] == ["theirs"]


def one_row_per_unit(k: int = 30) -> tuple[object, pd.DataFrame]:
    rng = np.random.default_rng(11)
    people, share = rng.integers(2_000, 90_000, k), rng.normal(25, 5, k)
    cost = (0.2 * share + rng.normal(0, 1, k)) * people
    names = [f"Kommune {i}" for i in range(k)]
    table = pd.DataFrame({"kommune": names, "borgere": people, "andel": share, "udgift": cost})
    study = parse_study(
        spec(
            roles={"unit": "kommune", "exposure": "borgere"},
            model={"kind": "pooled", "family": "gaussian", "formula": "udgift ~ andel"},
            comparison__decimals=0,
        )
    )
    return study, table


def test_one_row_per_unit_is_judged_by_prediction_limits_and_nothing_is_said_of_practice(tmp_path: Path) -> None:
    study, table = one_row_per_unit()
    outcome = answer(study, data=table)
    assert outcome.main.null_kind == "prediction"
    assert outcome.reference is not None
    assert outcome.reference.method == "prediction"
    assert np.isnan([outcome.explained, outcome.reference.tau, outcome.reference.phi]).all()
    html = run_study(study, out=tmp_path / "out", data=table).read_text(encoding="utf-8")
    for gone in ("(τ)", "(φ)", "af variationen forklares", "tilfældigheder alene", "almindelig spredning"):
        assert gone not in html
    assert "prædiktionsgrænser: hvor en kommune som de andre ville ligge" in html
    assert "usikkerheden kan ikke opgøres for 30 af 30 enheder" in html.casefold()
    assert (tmp_path / "out" / "figures" / "small-funnel.svg").exists()


def test_no_unit_with_an_expected_value_is_refused_with_the_reason(tmp_path: Path) -> None:
    table = small_table(("Ærø", "Øst")).assign(sex=["boy", "boy", "girl", "girl"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match=r"none of the 2 units has an expected value .*the other units alone"):
            run_study(parse_study(spec(model__kind="pooled")), out=tmp_path / "out", data=table)
    assert files(tmp_path) == set()


def test_parts_that_do_not_add_up_or_are_gathered_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmodels.decomposition as decomposition
    from benchmodels.errors import BenchmodelsError
    from benchmodels.replication.chapters import chapter_of

    real, study, table = decomposition.decompose, parse_study(spec()), small_table()

    def fail(fit: object) -> None:
        raise BenchmodelsError("the parts do not add to the gap (by 1.0e-06)")

    monkeypatch.setattr(decomposition, "decompose", fail)
    outcome = answer(study, data=table)
    assert outcome.parts is None
    assert "no decomposition: the parts do not add to the gap (by 1.0e-06)" in outcome.notes
    monkeypatch.setattr(decomposition, "decompose", lambda fit: replace(real(fit), exact=False))
    outcome = answer(study, data=table)
    assert outcome.parts is not None
    assert not chapter_of(outcome, lang="da", danish_csv=False, files={}).parts_exact


def test_the_overall_level_is_that_of_the_table_whatever_the_standard() -> None:
    table = small_table()
    for standard in ("indirect", "direct"):
        outcome = answer(parse_study(spec(comparison__standard=standard)), data=table)
        assert outcome.overall == pytest.approx(table["fravær"].sum() / table["elever"].sum(), rel=1e-12)


def test_studies_that_cannot_stand_together(tmp_path: Path, small: object) -> None:
    for studies, data, told in (
        ([], None, "no study"),
        ([small, small], None, "different ids"),
        ([small, small], "x", "one study"),
    ):
        with pytest.raises(SpecificationError, match=told):
            run_studies(studies, out=tmp_path / "out", data=data)
    assert files(tmp_path) == set()


def test_a_study_can_be_written_as_toml_with_relative_data(tmp_path: Path) -> None:
    text = Path(shipped_studies()["school-absence"]).read_text(encoding="utf-8")
    text = text.replace('dataset = "denmark.school_absence"', 'path = "rows.csv"')
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    assert tomllib.loads(text)["data"] == {"path": "rows.csv"}
    study = read_study(tmp_path / "s.toml")
    assert study.data_file == tmp_path / "rows.csv"
    with pytest.raises(DataError, match="no file .*rows.csv"):
        answer(study)


# --- what counts as ordinary ---


def counts(k: int = 40) -> pd.DataFrame:
    """Units with few cases counted, which differ by more than chance."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"kommune": np.repeat([f"Kommune {i}" for i in range(k)], 2), "sex": ["boy", "girl"] * k})
    frame["elever"] = rng.integers(60, 900, 2 * k)
    chance = 0.08 * np.repeat(rng.gamma(6.0, 1 / 6.0, k), 2)
    frame["fravær"] = rng.binomial(frame["elever"], chance)
    return frame


LIMITS = ("tau", "phi", "plain", "garwood", "beta_binomial", "negative_binomial", "empirical_null")


@pytest.mark.parametrize("limits", LIMITS)
def test_a_study_names_its_reference_distribution(limits: str) -> None:
    from benchmodels.flags import flag
    from benchmodels.replication.chapters import limits_of

    outcome = answer(parse_study(spec(comparison__limits=limits, comparison__rank=False)), data=counts())
    assert outcome.reference is not None
    assert outcome.reference.method == limits
    asked = flag(outcome.main, method=limits)
    assert outcome.flags["unusual"].tolist() == asked.unusual.tolist()
    assert outcome.flags["different"].tolist() == outcome.main.different.tolist()
    table = limits_of(outcome)
    assert table is not None
    assert table.loc[table["chosen"], "method"].tolist() == [limits]
    also = {"garwood", "negative_binomial"} & {limits}
    assert set(table["method"]) == {"plain", "phi", "tau", "beta_binomial", "empirical_null", *also}
    for record in table.to_dict("records"):
        unusual = flag(outcome.main, method=record["method"]).unusual
        assert (record["above"], record["below"]) == ((unusual == "above").sum(), (unusual == "below").sum())
    assert table.set_index("method")["descriptive"].to_dict() == {m: m == "empirical_null" for m in table["method"]}
    told = [note for note in outcome.notes if "empirical null" in note]
    assert len(told) == (2 if limits == "empirical_null" else 0)


def test_z_scores_are_winsorised_or_truncated_when_a_study_asks() -> None:
    plain = answer(parse_study(spec(comparison__rank=False)), data=counts()).reference
    for how in ("winsorise", "truncate"):
        table = spec(comparison__rank=False, comparison__limits="phi")
        table["comparison"][how] = 0.1
        found = answer(parse_study(table), data=counts()).reference
        assert getattr(found, how) == 0.1
        assert found.phi < plain.phi


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"comparison__limits": "tau2"}, "comparison.limits: must be one of 'tau', 'phi', 'plain', 'garwood', "),
        (
            {"comparison__limits": "beta_binomial", "model__family": "poisson"},
            r"comparison.limits: 'beta_binomial' is of counts, family 'binomial', .* \(found family 'poisson'\)",
        ),
        (
            {"comparison__limits": "negative_binomial", "model__family": "gaussian"},
            "comparison.limits: 'negative_binomial' is of counts, family 'binomial', 'beta_binomial', 'poisson', ",
        ),
        (
            {"comparison__limits": "garwood", "comparison__standard": "direct"},
            "comparison.limits: 'garwood' is of the counts of each unit's own cases, standard 'indirect'",
        ),
        (
            {"comparison__limits": "beta_binomial", "roles__sampling_weights": "w"},
            "comparison.limits: 'beta_binomial' is of whole counts",
        ),
        (
            {"comparison__limits": "plain", "comparison__winsorise": 0.1},
            r"comparison.winsorise: is for limits 'tau' and 'phi' \(found limits 'plain'\)",
        ),
        (
            {"comparison__winsorise": 0.1, "comparison__truncate": 0.1},
            "comparison.truncate: not together with winsorise",
        ),
        ({"comparison__truncate": 0.5}, "comparison.truncate: must be less than 0.5"),
    ],
)
def test_impossible_limits_are_refused_with_the_other_faults(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(SpecificationError, match=fault) as caught:
        parse_study(spec(roles__unti="x", **changes))
    assert "roles.unti: unknown key" in str(caught.value)


def test_limits_that_cannot_be_found_are_an_error_and_not_silently_others() -> None:
    few = counts(9)
    with pytest.raises(SpecificationError, match=r"comparison.limits = 'empirical_null': 9 units have a z-score"):
        answer(parse_study(spec(comparison__limits="empirical_null")), data=few)
    broken = counts().astype({"fravær": float})
    broken["fravær"] *= 0.9
    with pytest.raises(SpecificationError, match=r"comparison.limits = 'garwood'.* whole numbers"):
        answer(parse_study(spec(comparison__limits="garwood")), data=broken)
    # In the table of the others such limits are left out.
    from benchmodels.replication.chapters import limits_of

    table = limits_of(answer(parse_study(spec(comparison__rank=False)), data=few))
    assert table is not None
    assert table["method"].tolist() == ["plain", "phi", "tau", "beta_binomial"]


def test_prediction_limits_take_the_place_of_those_asked_and_say_so() -> None:
    from benchmodels.replication.chapters import limits_of
    from benchmodels.report import wording

    study, table = one_row_per_unit()
    asked = study.model_copy(update={"comparison": study.comparison.model_copy(update={"limits": "phi"})})
    outcome = answer(asked, data=table)
    assert outcome.reference is not None
    assert outcome.reference.method == "prediction"
    [note] = [note for note in outcome.notes if note.startswith("prediction limits are used")]
    assert "(limits = 'phi' was asked)" in note
    assert wording("da").translated(note) != note
    assert limits_of(outcome) is None
    assert not any(note.startswith("prediction limits") for note in answer(study, data=table).notes)


def test_figures_on_file_are_the_same_bytes_and_say_that_they_are_simulated(tmp_path: Path) -> None:
    outcome = answer(parse_study(spec(comparison__limits="beta_binomial")), data=counts(12))
    main = replace(outcome.difference, source=replace(outcome.difference.source, simulated=True))
    outcome = replace(outcome, difference=main, ranking=replace(outcome.ranking, source=main.source))
    from benchmodels.replication.chapters import figures_of

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        places = figures_of(outcome, folder=tmp_path / name, lang="da")
    assert {f"file_{name}" for name in ("funnel", "caterpillar", "ranks", "calibration", "overlap")} == set(places)
    for place in places.values():
        for kind in ("svg", "png"):
            first, second = ((tmp_path / name / place).with_suffix(f".{kind}") for name in ("one", "two"))
            assert first.read_bytes() == second.read_bytes(), place
        text = (tmp_path / "one" / place).read_text(encoding="utf-8")
        # Letters are drawn as paths, each after a comment that holds the words; the title is text.
        assert "<!-- Simulerede tal -->" in text
        assert "<dc:title>Fravær: Simulerede tal</dc:title>" in text


# --- best practice ---


GOODS = {"inputs": "udgifterne", "outputs": "lige så mange"}


def asked_of_the_best(**changes: object) -> dict[str, object]:
    table = spec(
        roles={"unit": "kommune", "exposure": "borgere", "period": "år"},
        model={"kind": "pooled", "family": "gaussian", "formula": "udgift ~ andel"},
        data__aggregate={"by": ["kommune", "år"], "sum": ["udgift", "pladser"]},
        comparison__rank=False,
        frontier={"inputs": ["udgift"], "outputs": ["pladser"], "returns": "crs"},
        texts__da__frontier=GOODS,
        texts__en__frontier=GOODS,
    )
    table["frontier"] |= changes
    return table


def places(k: int = 14) -> pd.DataFrame:
    """Units in three years with two services each, the price of a place known."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(k):
        for year in (2020, 2021, 2022):
            people, share = int(rng.integers(2_000, 9_000)), float(rng.normal(20, 4))
            for service in ("let", "tung"):
                many = float(rng.integers(20, 60) * (1 + i % 3))
                rows.append((f"K{i:02d}", year, service, people, share, many, many * (10.0 + i % 5), f"R{i % 2}"))
    return pd.DataFrame(rows, columns=["kommune", "år", "service", "borgere", "andel", "pladser", "udgift", "egn"])


def test_the_frontier_is_of_sums_over_all_rows_of_a_unit() -> None:
    data = places()
    data.attrs = {"simulated": True, "source": "drawn"}
    outcome = answer(parse_study(asked_of_the_best()), data=data)
    fit = outcome.frontier
    assert fit is not None
    sums = data.groupby("kommune")[["udgift", "pladser"]].sum()
    price = sums["udgift"] / sums["pladser"]
    # One input, one output, constant returns: the least price against one's own.
    np.testing.assert_allclose(fit.efficiency, price.min() / price, rtol=1e-9)
    assert fit.goods.simulated
    frame = outcome.to_frame().set_index("unit")
    np.testing.assert_allclose(frame["frontier_efficiency"], (price.min() / price)[frame.index], rtol=1e-9)
    assert "frontier_efficiency" not in answer(parse_study(spec()), data=small_table()).to_frame()


def test_outputs_are_split_by_the_levels_of_a_column_that_is_summed_away() -> None:
    data = places()
    data = data[~((data["kommune"] == "K03") & (data["service"] == "tung"))]
    outcome = answer(parse_study(asked_of_the_best(outputs_by="service")), data=data)
    goods = outcome.frontier.goods
    assert goods.names == ("udgift", "pladser: let", "pladser: tung")
    split = data.groupby(["kommune", "service"])["pladser"].sum().unstack(fill_value=0.0)
    np.testing.assert_allclose(goods.outputs, split.to_numpy())
    assert goods.outputs[3, 1] == 0.0
    lost = data.assign(service=data["service"].where(data["år"] > 2020))
    with pytest.raises(DataError, match="frontier: table: 'service' lacks values"):
        answer(parse_study(asked_of_the_best(outputs_by="service")), data=lost)


def test_conditions_are_averaged_by_size_and_frequencies_multiply() -> None:
    data = places()
    table = asked_of_the_best(composition=["andel"], nearest=5, environment={"egn": "same", "borgere": "low"})
    goods = answer(parse_study(table), data=data).frontier.goods
    weighted = data.groupby("kommune").apply(lambda g: np.average(g["andel"], weights=g["borgere"]))
    np.testing.assert_allclose(goods.conditions["andel"], weighted)
    assert goods.conditions["egn"].tolist() == [f"R{i % 2}" for i in range(14)]
    mixed = data.assign(egn=np.where(data["år"] == 2020, "x", data["egn"]))
    with pytest.raises(DataError, match="frontier: 'egn' is to be the same for peers"):
        answer(parse_study(table), data=mixed)
    table = asked_of_the_best()
    del table["data"]["aggregate"]
    table["roles"] |= {"frequency": "gange"}
    twice = data.assign(gange=1 + (data["år"] == 2020))
    found = answer(parse_study(table), data=twice).frontier.goods
    rows = pd.concat([data, data[data["år"] == 2020]])
    np.testing.assert_allclose(found.inputs[:, 0], rows.groupby("kommune")["udgift"].sum())


def test_goods_per_period_are_means_over_the_periods_a_unit_has() -> None:
    data = places()
    data = data[~((data["kommune"] == "K03") & (data["år"] == 2021))]
    table = asked_of_the_best(outputs_by="service")
    sums = answer(parse_study(table), data=data).frontier
    table["frontier"]["per_period"] = True
    means = answer(parse_study(table), data=data).frontier
    years = np.array([2.0 if unit == "K03" else 3.0 for unit in means.unit])
    np.testing.assert_allclose(means.goods.goods, sums.goods.goods / years[:, None])
    np.testing.assert_allclose(means.efficiency, sums.efficiency, rtol=1e-9)  # constant returns
    # The comparison leaves rows without a period out; of sums there is no telling how many periods they are of.
    lost = data.assign(år=data["år"].astype(float).where((data["kommune"] != "K05") | (data["år"] > 2020)))
    del table["data"]["aggregate"]
    table["model"]["missing"] = "drop"
    with pytest.raises(DataError, match="frontier: table: 'år' lacks values, and goods are told per period"):
        answer(parse_study(table), data=lost)


def test_a_sum_that_lacks_a_part_is_missing_and_not_smaller() -> None:
    data = places().assign(dage=1.0)
    data.loc[7, "dage"] = np.nan
    with pytest.raises(DataError, match="frontier: .*'dage'"):
        answer(parse_study(asked_of_the_best(outputs=["dage"])), data=data)
    with pytest.raises(DataError, match=r"table: no column 'pladserne' \(did you mean 'pladser'\?\)"):
        answer(parse_study(asked_of_the_best(outputs=["pladserne"])), data=data)
    with pytest.raises(DataError, match="frontier: table: column 'service' is not numeric"):
        answer(parse_study(asked_of_the_best(outputs=["service"])), data=data)


def test_both_halves_are_of_the_same_units() -> None:
    data = places()
    data["andel"] = data["andel"].where(data["kommune"] != "K05")
    table = asked_of_the_best()
    table["model"]["missing"] = "drop"
    outcome = answer(parse_study(table), data=data)
    assert outcome.frontier.unit.tolist() == outcome.main.unit.tolist()
    assert "K05" not in outcome.frontier.unit


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"frontier__returns": "CRS"}, r"frontier.returns: must be one of 'crs', 'vrs', 'drs', 'irs' \(found 'CRS'\)"),
        ({"frontier__inputs": ["udgift", "pladser"]}, "frontier: 'pladser' plays two parts"),
        ({"frontier__outputs": ["kommune"]}, "frontier: 'kommune' plays two parts"),
        ({"frontier__outputs_by": "udgift"}, "frontier: 'udgift' plays two parts"),
        ({"frontier__environment": {"udgift": "low"}}, "frontier: 'udgift' plays two parts"),
        ({"frontier__environment": {"x": "good"}}, "frontier.environment.x: must be one of 'high', 'low', 'same'"),
        ({"frontier__nearest": 9}, r"frontier: composition and nearest go together \(found only 'nearest'\)"),
        ({"frontier__composition": ["x"]}, "composition and nearest go together .found only 'composition'"),
        ({"frontier__per_period": "yes"}, "frontier.per_period: "),
        ({"frontier__inptus": ["x"]}, "frontier.inptus: unknown key; did you mean 'inputs'"),
        ({"frontier__inputs": []}, "frontier.inputs: "),
        ({"roles__sampling_weights": "w"}, "frontier: sums of a sample are no totals"),
        ({"texts__da__frontier": {"inputs": "x"}}, "texts.da.frontier.outputs: is missing"),
        ({"frontier": "udgift"}, "frontier: "),
    ],
)
def test_faults_of_a_frontier_are_told_with_the_others(changes: dict[str, object], fault: str) -> None:
    table = asked_of_the_best()
    for path, value in {**changes, "roles__unti": "x"}.items():
        *sections, key = path.split("__")
        inner = table
        for section in sections:
            inner = inner[section]
        inner[key] = value
    with pytest.raises(SpecificationError, match=fault) as caught:
        parse_study(table)
    assert "roles.unti: unknown key" in str(caught.value)


def test_goods_per_period_need_a_period() -> None:
    table = asked_of_the_best(per_period=True)
    parse_study(table)
    del table["roles"]["period"]
    with pytest.raises(SpecificationError, match="frontier.per_period: needs roles.period"):
        parse_study(table)


def test_a_frontier_and_its_words_go_together() -> None:
    table = asked_of_the_best()
    del table["texts"]["en"]["frontier"]
    with pytest.raises(SpecificationError, match="texts.en.frontier: is missing: the study has a frontier"):
        parse_study(table)
    with pytest.raises(SpecificationError, match="texts.da.frontier: the study has no frontier"):
        parse_study(spec(texts__da__frontier=GOODS))


def test_peers_and_targets_on_file_and_their_certificate_in_the_manifest(tmp_path: Path) -> None:
    study = parse_study(asked_of_the_best(outputs_by="service", composition=["andel"], nearest=3))
    html = run_study(study, out=tmp_path / "out", data=places(), danish_csv=True, lang="en").read_text(encoding="utf-8")
    out = tmp_path / "out"
    table, danish = (read_table(out / f"small-frontier{ending}") for ending in (".csv", ".da.csv"))
    pd.testing.assert_frame_equal(table, danish)
    assert list(table) == ["unit", "part", "name", "weight", "share", "value", "target", "slack"]
    peers, goods = table[table["part"] == "peer"], table[table["part"] != "peer"]
    np.testing.assert_allclose(peers.groupby("unit")["share"].sum(), 1.0)
    assert peers.groupby("unit")["share"].apply(lambda s: s.is_monotonic_decreasing).all()
    assert len(goods) == 14 * 3
    # The peers, as many times as they count, use what the target says.
    cost = goods[goods["part"] == "input"].set_index("unit")
    made = (peers["weight"] * cost["value"].loc[peers["name"]].to_numpy()).groupby(peers["unit"]).sum()
    np.testing.assert_allclose(made, cost["target"], rtol=1e-9)
    units = read_table(out / "small.csv").set_index("unit")
    np.testing.assert_allclose(cost["target"] / cost["value"], units["frontier_efficiency"][cost.index], rtol=1e-9)
    [record] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["studies"]
    assert record["frontier"]["certificate"].startswith("14 of 14 programs solved")
    assert parse_study(record["study"]).frontier == study.frontier
    assert "small-frontier.da.csv" in html
    # Three units to be held against, one input and two outputs: the page and the notes say that they are few.
    assert "14 of 14 municipalities have less than 9 to be held against, themselves included" in html


def test_whom_a_unit_may_be_held_against_follows_the_conditions() -> None:
    from benchmodels.replication.best_practice import best_practice_of

    free = best_practice_of(answer(parse_study(asked_of_the_best()), data=places()).frontier)
    assert free.circles is None
    assert set(free.scores["comparables"]) == {14}
    assert not free.few
    fit = answer(parse_study(asked_of_the_best(environment={"borgere": "low"})), data=places()).frontier
    found = best_practice_of(fit)
    people = fit.goods.conditions["borgere"]
    wanted = {unit: set(fit.unit[people >= own]) for unit, own in zip(fit.unit, people, strict=True)}
    assert found.scores["comparables"].tolist() == [len(wanted[unit]) for unit in fit.unit]
    circles = found.circles.groupby("unit")["other"].agg(set)
    assert {unit: circles.get(unit, set()) | {unit} for unit in fit.unit} == wanted
    assert found.few == {unit for unit, others in wanted.items() if len(others) < 6}
    assert 0 < len(found.few) < 14


def test_a_unit_without_an_answer_stays_in_the_tables_as_missing() -> None:
    from benchmodels.replication.best_practice import best_practice_of

    outcome = answer(parse_study(asked_of_the_best()), data=places())
    fit = outcome.frontier
    efficiency, status = fit.efficiency.copy(), fit.status.copy()
    efficiency[2], status[2] = np.nan, "infeasible"
    fit.__dict__["scores"] = replace(fit.scores, efficiency=efficiency, status=status)
    found = best_practice_of(fit).scores
    assert found["place"].tolist().count("none") == 1
    assert found.loc[2, ["place", "status"]].tolist() == ["none", "infeasible"]
    assert outcome.to_frame()["frontier_efficiency"].isna().tolist() == [i == 2 for i in range(14)]


def test_slack_is_told_apart_from_nobody_doing_better() -> None:
    from benchmodels.replication.best_practice import best_practice_of

    fit = answer(parse_study(asked_of_the_best()), data=places()).frontier
    best = best_practice_of(fit).scores.query("place == 'best'")["unit"].tolist()
    assert len(best) == 3  # the price of a place is the same in every fifth unit
    targets = fit.targets()
    rows = targets.index[(targets["unit"].isin(best)) & (targets["part"] == "output")]
    # By rounding alone, not at all, and by a tenth.
    targets.loc[rows, "slack"] = targets.loc[rows, "value"] * [1e-12, 0.0, 0.1]
    fit.__dict__["targets"] = lambda: targets
    found = best_practice_of(fit).scores.set_index("unit")
    assert found.loc[best, "place"].tolist() == ["best", "best", "slack"]
    assert set(found["place"]) == {"best", "slack", "within"}
