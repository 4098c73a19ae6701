from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets import municipalities
from benchmodels.datasets.place_names import _division, _former, fold
from benchmodels.datasets.places import (
    country_gap,
    in_reform,
    kind_of_area,
    municipality_codes,
    only_municipalities,
    reforms,
)
from benchmodels.errors import BenchmodelsError, DataError, SpecificationError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

SPELLINGS = [
    ("Århus", "751"),
    ("Aarhus", "751"),
    ("AARHUS", "751"),
    ("  aarhus   kommune ", "751"),
    ("Høje Taastrup", "169"),
    ("Høje-Taastrup", "169"),
    ("Høje-Tåstrup", "169"),
    ("Hoeje-Taastrup", "169"),
    ("Ålborg", "851"),
    ("Åbenrå", "580"),
    ("Aabenraa", "580"),
    ("Nordfyn", "480"),
    ("Nordfyns", "480"),
    ("Nordfyns Kommune", "480"),
    ("Vesthimmerland", "820"),
    ("Vesthimmerlands Kommune", "820"),
    ("Brønderslev-Dronninglund", "810"),
    ("Brønderslev", "810"),
    ("Frederiksværk-Hundested", "260"),
    ("Bornholm", "400"),
    ("Bornholms Regionskommune", "400"),
    ("Københavns Kommune", "101"),
    ("Copenhagen", "101"),
    ("Copenhagen Municipality", "101"),
    ("Koebenhavn", "101"),
    ("KØBENHAVN", "101"),
    ("Lyngby-Tårbæk", "173"),
    ("Lyngby\u2013Taarbæk", "173"),
    ("Fåborg Midtfyn", "430"),
    ("Aeroe", "492"),
    (unicodedata.normalize("NFD", "Århus"), "751"),
    (unicodedata.normalize("NFD", "Ærø Kommune"), "492"),
    ("Ringkøbing\u00a0-\u00a0Skjern", "760"),
    ("\ufeffKøge", "259"),
    (101, "101"),
    (101.0, "101"),
    (np.int64(101), "101"),
    (np.float32(101), "101"),
    ("101", "101"),
    ("0101", "101"),
    ("101.0", "101"),
    ("101 København", "101"),
    ("0101 København", "101"),
    ("101: København", "101"),
    ("København (101)", "101"),
    ("400 Bornholm", "400"),
]


@pytest.mark.parametrize(("label", "code"), SPELLINGS)
def test_spellings(label: object, code: str) -> None:
    assert municipality_codes([label]).tolist() == [code]
    assert kind_of_area([label]).tolist() == ["municipality"]


def test_every_municipality_by_name_code_and_both() -> None:
    table = municipalities()
    codes = table["code"].astype(str).tolist()
    names = table["municipality"].tolist()
    for labels in (
        names,
        [name.upper() for name in names],
        [unicodedata.normalize("NFD", name) for name in names],
        [f"{name} Kommune" for name in names],
        [name.replace("aa", "å").replace("Aa", "Å") for name in names],
        codes,
        [int(code) for code in codes],
        [f"0{code}" for code in codes],
        [f"{code} {name}" for code, name in zip(codes, names, strict=True)],
    ):
        assert municipality_codes(labels).tolist() == codes


def test_no_two_names_fold_to_one() -> None:
    for year in (None, 1980, 2003, 2006):
        division = _division(year)
        assert len({fold(name) for name in division.codes.values()}) == len(division.codes)
        # An alias of one municipality is never the name of another.
        assert all(division.names[fold(name)] == code for code, name in division.codes.items())
    former = _former()
    assert all(former.names[fold(name)] == code for code, name in former.codes.items())


def test_index_and_name_of_a_series_are_kept() -> None:
    given = pd.Series(["Fanø", "Læsø"], index=["b", "a"], name="kommune")
    out = municipality_codes(given)
    assert out.index.tolist() == ["b", "a"] and out.tolist() == ["563", "825"]
    assert municipality_codes(given.astype("category")).tolist() == ["563", "825"]
    assert municipality_codes([]).empty and kind_of_area(pd.Series([], dtype="str")).empty


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("Holsteinsborg", "did you mean 'Holstebro'"),
        ("Kobenhavn", "did you mean 'København'"),
        ("Kolde", "did you mean 'Kolding'"),
        ("Leeds", "no Danish area has this name"),
        ("KÃ¸benhavn", "'København' read in the wrong encoding (utf-8 read as latin-1)"),
        ("Ã…rhus", "'Århus' read in the wrong encoding"),
        ("KÃƒÂ¸benhavn", "'København' read in the wrong encoding"),
        ("K›benhavn", "cp850 read as cp1252"),
        ("Region SjÃ¦lland", "'Region Sjælland' read in the wrong encoding"),
        ("K\ufffdbenhavn", "letters were lost"),
        ("101 Aalborg", "the code is of municipality 101 and the name of municipality 851"),
        ("Brovst", "was a municipality until 2006 and went to 849 Jammerbugt"),
        ("Egtved", "was divided between 621 Kolding and 630 Vejle"),
        ("803", "Brovst (803) was a municipality until 2006"),
        ("Hele landet", "this is the country; leave such rows out with only_municipalities"),
        ("Region Sjælland", "this is region 085"),
        (84, "this is region 084"),
        ("Landsdel Fyn", "this is province 07"),
        ("Christiansø", "Christiansø, which is no municipality"),
        (411, "Christiansø"),
        (920, "this is group 920"),
        ("Uoplyst", "this is unallocated"),
        (None, "the label is missing"),
        (float("nan"), "the label is missing"),
        (pd.NA, "the label is missing"),
        (pd.NaT, "the label is missing"),
        ("", "the label is empty"),
        ("   ", "the label is empty"),
        (True, "a truth value is no label"),
        (101.5, "no code of an area"),
        (-101, "no code of an area"),
        (float("inf"), "no code of an area"),
        (10**400, "no code of an area"),
        (102, "no area has the code 102"),
        ("\u0661\u0660\u0661", "no Danish area"),
        (b"101", "a bytes is no label"),
        (["Fanø"], "a list is no label"),
        (np.array([1, 2]), "a ndarray is no label"),
        (1j, "a complex is no label"),
    ],
)
def test_what_is_no_municipality_is_said(label: object, words: str) -> None:
    with pytest.raises(DataError) as caught:
        municipality_codes([label])
    assert words in str(caught.value)


def test_many_wrong_labels_are_counted() -> None:
    with pytest.raises(DataError, match=r"^9 labels of areas .*and 4 more$"):
        municipality_codes([f"Sted {letter}" for letter in "abcdefghi"])
    with pytest.raises(DataError, match="a column or list of labels is needed"):
        municipality_codes("København")
    with pytest.raises(DataError, match="a column or list of labels is needed"):
        municipality_codes(101)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["000", 0, "0", "Hele landet", "All Denmark", "I alt", "Landsplan", "000 Hele landet"], "country"),
        ([81, "085", "Region Nordjylland", "Nordjylland", "Region of Southern Denmark", "1084", "Sjælland"], "region"),
        (["North Denmark Region", "Capital Region of Denmark", "Region Zealand", "084 Region Hovedstaden"], "region"),
        ([1, "01", 11, "Landsdel Byen København", "Province Bornholm", "Landsdel Nordjylland", "Fyn"], "province"),
        (["04 Bornholm", "11 Nordjylland", "Province Vest- og Sydsjælland", "06 Vest- og Sydsjælland"], "province"),
        ([910, "960", "Landkommuner"], "group"),
        ([411, "0411", "Christiansø", "411 Christiansø"], "christiansø"),
        ([997, "999", "Uoplyst", "Uoplyst kommune", "Unknown municipality", "999 Uoplyst"], "unallocated"),
        (["Brovst", 803, "Grenå", "Grenaa", "Nykøbing F.", "401", "Neksø"], "former municipality"),
    ],
)
def test_kinds(labels: list[object], kind: str) -> None:
    assert set(kind_of_area(labels)) == {kind}


def test_reforms_agree_with_the_official_counts() -> None:
    table = reforms()
    today = municipalities()

    def there(year: int) -> pd.DataFrame:
        return table[(table["first_year"] <= year) & (year <= table["last_year"])]

    assert {year: there(year)["code"].nunique() for year in (1975, 2002, 2003, 2005, 2006)} == {
        1975: 275,
        2002: 275,
        2003: 271,
        2005: 271,
        2006: 270,
    }
    for year in (1975, 2003, 2006):
        assert set(there(year)["new_code"]) == set(today["code"].astype(str))
    # From the 271 of 2005, 32 went on with code and area; the other 239 became 66.
    last = there(2005)
    alone = last.groupby("new_code")["code"].agg(["size", "first"])
    kept = alone[(alone["size"] == 1)]
    assert len(kept) == 32 and (kept.index == kept["first"]).all()
    assert last["code"].nunique() - 32 == 239 and 98 - 32 == 66
    divided = table[table["share"] == "part"]
    assert divided["code"].nunique() == 13 and (divided.groupby("code")["new_code"].nunique() >= 2).all()
    assert (table[table["share"] == "whole"].groupby("code").size() == 1).all()
    assert not set(divided["code"]) & set(table.loc[table["share"] == "whole", "code"])
    assert not table.duplicated(["code", "new_code"]).any()


def test_old_and_new_codes_overlap_and_the_year_tells_them_apart() -> None:
    assert municipality_codes(["Aabybro", 849], year=2006).tolist() == ["849", "849"]
    assert municipality_codes(["Jammerbugt", 849], year=2007).tolist() == ["849", "849"]
    assert municipality_codes(["Frederikssund"], year=1999).tolist() == ["209"]
    assert municipality_codes(["Rønne", "Marstal"], year=2002).tolist() == ["407", "443"]
    assert municipality_codes(["Bornholm", "Bornholms Regionskommune"], year=2003).tolist() == ["400", "400"]
    table = reforms()
    for year in (1975, 2002, 2003, 2006):
        there = table[(table["first_year"] <= year) & (year <= table["last_year"])].drop_duplicates("code")
        assert municipality_codes(there["municipality"], year=year).tolist() == there["code"].tolist()
    for label, year, words in [
        ("Jammerbugt", 2006, "Jammerbugt (849) came into being in 2007, after 2006"),
        ("190", 2006, "Furesø (190) came into being in 2007"),
        ("Bornholm", 2002, "Bornholm (400) came into being in 2003"),
        ("Rønne", 2003, "until 2002"),
    ]:
        with pytest.raises(DataError) as caught:
            municipality_codes([label], year=year)
        assert words in str(caught.value), str(caught.value)
    for year in (1974, True, 2006.0, "2006"):
        with pytest.raises(SpecificationError):
            municipality_codes(["København"], year=year)  # type: ignore[arg-type]


def test_in_reform() -> None:
    assert in_reform("615", 2006) and in_reform("Rønne", 2002) and in_reform(849, 2006)
    assert not in_reform("101", 1990) and not in_reform("400", 2003) and not in_reform("492", 2006)
    assert in_reform("Marstal", 2005) and not in_reform("849", 2007)
    same = [code for code in reforms().query("last_year == 2006")["code"].unique() if not in_reform(code, 2006)]
    assert len(same) == 33
    with pytest.raises(DataError):
        in_reform("190", 2006)


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "area": ["Hele landet", "Region Hovedstaden", "Bornholm", "Christiansø", "Fanø", "Uoplyst", "Uoplyst"],
            "n": [110.0, 70.0, 40.0, 1.0, 50.0, 10.0, 9.0],
        },
        index=list("gfedcba"),
    )


def test_only_municipalities() -> None:
    kept = only_municipalities(frame(), "area")
    assert kept["area"].tolist() == ["Bornholm", "Fanø"] and kept["municipality_code"].tolist() == ["400", "563"]
    assert kept.index.tolist() == ["e", "c"]
    assert kept.attrs["left_out"] == {
        "country": {"Hele landet": 1},
        "region": {"Region Hovedstaden": 1},
        "christiansø": {"Christiansø": 1},
        "unallocated": {"Uoplyst": 2},
    }
    assert len(kept.attrs["absent"]) == 96
    moved = only_municipalities(frame(), "area", christiansø="bornholm")
    assert moved.groupby("municipality_code")["n"].sum().to_dict() == {"400": 41.0, "563": 50.0}
    assert "christiansø" not in moved.attrs["left_out"]
    assert only_municipalities(frame().iloc[:2], "area").empty
    for wrong in (
        lambda: only_municipalities(frame(), "kommune"),
        lambda: only_municipalities(kept, "area"),
        lambda: only_municipalities(frame(), "area", christiansø="keep"),  # type: ignore[arg-type]
        lambda: only_municipalities(frame().assign(area="Leeds"), "area"),
        lambda: only_municipalities(pd.concat([frame(), frame()], axis=1), "area"),
        lambda: only_municipalities([1], "area"),  # type: ignore[arg-type]
    ):
        with pytest.raises(BenchmodelsError):
            wrong()


def test_country_gap() -> None:
    gap = country_gap(frame(), "area", "n")
    assert (gap.country, gap.municipalities, gap.difference, gap.rows) == (110.0, 91.0, 19.0, 2)
    assert gap.share == pytest.approx(19 / 110) and len(gap.absent) == 96 and gap.without_value == ()
    assert str(gap) == "the country row is 110 and its 2 municipalities add up to 91: 19 apart, 17.3 per cent"
    holed = country_gap(frame().assign(n=[110, 70, np.nan, 1, 50, 10, 9]), "area", "n")
    assert holed.without_value == ("Bornholm",) and holed.difference == 59
    assert np.isnan(country_gap(frame().assign(n=0), "area", "n").share)
    for wrong in (
        frame().iloc[1:],
        pd.concat([frame(), frame()]),
        pd.concat([frame(), frame().iloc[2:3]]),
        frame().assign(n="a"),
        frame().assign(n=True),
        frame().assign(n=[np.nan, 1, 1, 1, 1, 1, 1]),
    ):
        with pytest.raises(DataError):
            country_gap(wrong, "area", "n")


def test_anything_ends_in_a_code_or_a_benchmodels_error() -> None:
    draw = random.Random(7)
    names = [*municipalities()["municipality"], "Hele landet", "Region Sjælland", "0101", "101 København"]
    letters = "abeøåÆ ()-:.,0127\u00a0\ufffd\u0301Ã¸\x00\n"
    for _ in range(3000):
        text = list(draw.choice(names))
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(text) + 1)
            text[place : place + draw.randint(0, 2)] = draw.choice(letters)
        try:
            codes = municipality_codes(["".join(text)])
        except BenchmodelsError:
            continue
        assert codes.iloc[0] in set(municipalities()["code"].astype(str))


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not here")
def test_real_files() -> None:
    codes = set(municipalities()["code"].astype(str))
    for name, column, expected in [
        ("dk_kommune_indicators_98.csv", "kommune", 98),
        ("kommune_codes_lau1.csv", "label_dk", 98),
        ("dst_indkp101_disposable_income_1987_2017.csv", "region", 98),
        ("dst_ras200_employment_rate_2008_2017.csv", "region", 98),
        ("dst_statusu6_2024_youth_education_status.csv", "kommune", 98),
        ("uddannelsesstatistik_trivsel_fravaer_time_merged.csv", "kommune", None),
        ("uddannelsesstatistik_uddannelse_score_time.csv", "kommune", None),
    ]:
        table = pd.read_csv(SHARED / "dk" / name)
        kept = only_municipalities(table, column)
        assert set(kept["municipality_code"]) <= codes
        if expected is not None:
            assert kept["municipality_code"].nunique() == expected, name
            assert kept.attrs["absent"] == []
        if "kommune_kode" in table:
            assert (kept["municipality_code"] == table["kommune_kode"].astype(str)).all()
        if "lau_1" in table:
            assert (kept["municipality_code"] == kept["lau_1"].astype(str)).all()
    youth = pd.read_csv(SHARED / "dk" / "dst_statusu6_2024_youth_education_status.csv")
    gap = country_gap(youth, "kommune", "total")
    assert (gap.country, gap.municipalities, gap.difference) == (601166, 540278, 60888)
    assert gap.absent == ()


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not here")
def test_english_authorities_are_refused() -> None:
    for name, column in [("dfe_lait_la_panel_2022_2025.csv", "la_name"), ("dfe_sen2_ehc_plans_by_la.csv", "la_name")]:
        labels = pd.read_csv(SHARED / "england" / name, dtype=str)[column].dropna().unique()
        for label in labels:
            with pytest.raises(DataError):
                municipality_codes([label])
