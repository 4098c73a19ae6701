"""Public tables come back as studies need them, or with an error that says what is not as expected."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets import Cache, StatBank, Uddannelsesstatistik, load, municipalities
from benchmodels.datasets.services.open_schools import school_absence, school_covariates
from benchmodels.datasets.services.open_tables import ADULT_FUNCTIONS, adult_expenditure, sheltered_housing
from benchmodels.errors import DataError, SpecificationError
from tests.datasets import fake_open
from tests.datasets.fake_open import BENEFITS, EDUCATION, NAMES, NOT_REPORTING, SCHOOL, figure

YEARS = [2019, 2020]
FUNCTIONS = {"§ 107 midlertidigt botilbud": "53852", "§ 108 længerevarende botilbud": "53850",
             "ABL § 105 botilbudslignende": "53851"}  # fmt: skip


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("BENCHMODELS_OFFLINE", "BENCHMODELS_STATBANK_URL", "BENCHMODELS_UDDANNELSESSTATISTIK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BENCHMODELS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHMODELS_UDDANNELSESSTATISTIK_KEY", "not-a-secret")


@pytest.fixture(scope="module")
def housing(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    with fake_open.statbank() as server:
        bank = StatBank(cache=Cache(tmp_path_factory.mktemp("kept")), base=server.url)
        return sheltered_housing(bank, years=YEARS), [body for path, body in server.asked if path.endswith("data")]


def asked(**codes: str) -> float | None:
    return figure(codes.pop("table"), codes)


def test_every_figure_is_that_of_the_table(housing: tuple[pd.DataFrame, object]) -> None:
    """A plain loop over the rows, each figure asked of its table by its own codes."""
    frame, _ = housing
    assert list(frame.columns[:4]) == ["municipality_code", "municipality", "year", "service"]
    assert len(frame) == 98 * 2 * 3 and not frame.duplicated(["municipality_code", "year", "service"]).any()
    for row in frame.iloc[::7].to_dict("records"):
        area, year, function = row["municipality_code"], str(row["year"]), FUNCTIONS[row["service"]]
        assert row["municipality"] == NAMES[area]
        cost = {"table": "REGK31", "OMRÅDE": area, "FUNKTION": function, "Tid": year, "PRISENHED": "LOBM"}
        assert row["cost_1000dkk"] == asked(**cost, ART="TOT")
        assert row["purchases_private_1000dkk"] == asked(**cost, ART="40")
        assert row["purchases_municipal_1000dkk"] == asked(**cost, ART="47")
        assert row["purchases_regional_1000dkk"] == asked(**cost, ART="48")
        assert row["purchases_other_1000dkk"] == sum(asked(**cost, ART=art) for art in ("45", "46", "49"))
        benefit = next(code for code, of in BENEFITS.items() if of == function)
        quarters = [
            asked(table="HAND01", OMRÅDE=area, YDELSESTYPE=benefit, Tid=f"{year}K{quarter}") for quarter in range(1, 5)
        ]
        known = area != NOT_REPORTING and None not in quarters
        mean = np.mean(quarters) if known else np.nan
        np.testing.assert_allclose(row["full_year_persons"], mean, rtol=1e-12)
        people = sum(asked(table="FOLK1A", OMRÅDE=area, ALDER=str(age), Tid=f"{year}K1") for age in range(18, 65))
        assert row["population_18_64"] == people
        pension = asked(table="AUH01", OMRÅDE=area, YDELSESTYPE="FP", Tid=year)
        np.testing.assert_allclose(row["disability_pension_pct"], 100 * pension / people, rtol=1e-12)
        basic, whole = (asked(table="HFUDD11", BOPOMR=area, HFUDD=code, Tid=year) for code in ("H10", "TOT"))
        np.testing.assert_allclose(row["low_education_pct"], 100 * basic / whole, rtol=1e-12)
        assert row["consumer_prices"] == asked(table="PRIS112", HOVED="1005", Tid=year)


def test_totals_and_per_inhabitant_are_never_mixed_in(housing: tuple[object, list[dict[str, object]]]) -> None:
    by = {str(body["table"]): {one["code"]: one["values"] for one in body["variables"]} for body in housing[1]}
    assert by["REGK31"]["PRISENHED"] == ["LOBM"] and by["REGK31"]["DRANST"] == ["1"]
    assert set(by["REGK31"]["ART"]) == {"TOT", "40", "45", "46", "47", "48", "49"}
    assert by["FOLK1A"]["ALDER"] == [str(age) for age in range(18, 65)] and by["FOLK1A"]["KØN"] == ["TOT"]
    assert by["FOLK1A"]["Tid"] == ["2019K1", "2020K1"]
    assert by["HFUDD11"]["ALDER"] == [f"{age}{age + 4}" for age in range(25, 65, 5)]
    assert by["AUH01"]["YDELSESTYPE"] == ["FP"] and by["AUH01"]["ALDER"] == ["TOT"]
    for table, variable in (("REGK31", "OMRÅDE"), ("HAND01", "OMRÅDE"), ("HFUDD11", "BOPOMR")):
        assert not {"411", "920", "082"} & set(by[table][variable])


def test_what_is_missing_is_said_and_not_zero(housing: tuple[pd.DataFrame, object]) -> None:
    frame, _ = housing
    lacking = frame[frame["full_year_persons"].isna()]
    assert set(zip(lacking["municipality"], lacking["year"], strict=True)) == {
        ("Læsø", 2019),
        ("Læsø", 2020),
        ("Fanø", 2020),
    }
    assert not frame.drop(columns="full_year_persons").isna().any().any()
    notes = frame.attrs["notes"]
    assert notes[0] == "2 municipalities lack full_year_persons in some year or service: Fanø, Læsø"
    assert not any("country" in note for note in notes)  # it is the sum of its municipalities


def test_persons_that_a_streamed_answer_leaves_out_are_not_zero() -> None:
    def without(table: str, codes: dict[str, str]) -> float | None:
        return 0.0 if table == "HAND01" and codes["OMRÅDE"] == "492" else figure(table, codes)

    with fake_open.statbank(figures=without) as server:
        frame = sheltered_housing(StatBank(base=server.url, most_cells=2_000), years=[2019])
        assert {
            body["format"] for path, body in server.asked if body.get("table") == "HAND01" and "format" in body
        } >= {"BULK"}
    assert frame.loc[frame["municipality_code"] == "492", "full_year_persons"].isna().all()
    assert frame["full_year_persons"].isna().sum() == 6  # and those of Læsø, which is not in the table


def test_the_origin_of_every_table_is_kept(housing: tuple[pd.DataFrame, object]) -> None:
    attrs = housing[0].attrs
    assert attrs["simulated"] is True and "not from Statistics Denmark" in attrs["source"]
    tables = [one["table"] for one in attrs["sources"]]
    assert tables == ["REGK31", "HAND01", "FOLK1A", "AUH01", "HFUDD11", "PRIS112"]
    assert all(one["retrieved"] and one["sha256"] and one["url"].startswith("http://127") for one in attrs["sources"])
    for table in tables:
        assert f"{table} (20" in attrs["source"]


def test_a_country_beyond_its_municipalities_is_said() -> None:
    def more(table: str, codes: dict[str, str]) -> float | None:
        found = figure(table, codes)
        return found + 5_000 if table == "REGK31" and codes["OMRÅDE"] == "000" and found else found

    with fake_open.statbank(figures=more) as server:
        frame = sheltered_housing(StatBank(base=server.url), years=[2019])
    told = [note for note in frame.attrs["notes"] if "country" in note]
    assert len(told) == 1 and "15,000 apart" in told[0]


def test_offline_says_the_same_and_asks_nobody(tmp_path: Path) -> None:
    with fake_open.statbank() as server:
        first = sheltered_housing(StatBank(cache=Cache(tmp_path), base=server.url), years=[2019])
        url = server.url
    again = sheltered_housing(StatBank(cache=Cache(tmp_path, offline=True), base=url, lang="en"), years=[2019])
    pd.testing.assert_frame_equal(first, again)
    assert first.attrs == again.attrs


def changed(table: str, variable: str, **codes: str | None) -> dict[str, dict[str, object]]:
    """The tables with some texts changed, or codes left out (None)."""
    tables = copy.deepcopy(fake_open.TABLES)
    values: dict[str, str] = tables[table]["variables"][variable]  # type: ignore[index]
    for code, text in codes.items():
        if text is None:
            del values[code.removeprefix("_")]
        else:
            values[code.removeprefix("_")] = text
    return tables


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (changed("REGK31", "FUNKTION", _53850=None), "REGK31.*FUNKTION: code 53850 .*længerevarende.*it is not there"),
        (changed("REGK31", "FUNKTION", _53852="5.38.52 Pleje"), "53852 .*midlertidig.*it now means '5.38.52 Pleje'"),
        (changed("REGK31", "PRISENHED", LOBM="Løbende priser (kr.)"), "PRISENHED: code LOBM.*1.000.*it now means"),
        (changed("REGK31", "DRANST", _1="1 Anlæg"), "DRANST: code 1 .*drift"),
        (changed("REGK31", "ART", _48="4.8 Betalinger til staten"), "ART: code 48 .*region"),
        (changed("HAND01", "YDELSESTYPE", _30181="Aflastning"), "HAND01.*YDELSESTYPE: code 30181"),
        (changed("FOLK1A", "ALDER", _40=None), "FOLK1A.*ALDER: code 40 .*it is not there"),
        (changed("AUH01", "YDELSESTYPE", FP="Pension"), "AUH01.*one text 'Førtidspension' is expected, and none is"),
        (changed("AUH01", "YDELSESTYPE", FP="Førtidspension A", EF="Førtidspension B"), "and 2 begin so"),
        (changed("HFUDD11", "ALDER", _3034=None), "HFUDD11.*bands that cover the ages 25-64 once"),
        (changed("HFUDD11", "HFUDD", H10="Forskere"), "HFUDD: code H10 .*grundskole.*it now means 'Forskere'"),
        (changed("PRIS112", "HOVED", _1005="Årsstigning"), "PRIS112.*HOVED: code 1005 .*gennemsnit"),
        (changed("HAND01", "Tid", **{"2019K3": None}), "HAND01 .*no figures for 2019K3; it has 2017K1 to 2025K4"),
    ],
)
def test_a_table_that_is_not_as_expected_is_an_error(tables: dict[str, dict[str, object]], said: str) -> None:
    with fake_open.statbank(tables) as server, pytest.raises(DataError, match=said):
        sheltered_housing(StatBank(base=server.url), years=[2019])


def test_a_variable_that_has_another_name_is_an_error() -> None:
    tables = copy.deepcopy(fake_open.TABLES)
    variables = tables["REGK31"]["variables"]
    tables["REGK31"]["variables"] = {("FUNK1" if name == "FUNKTION" else name): v for name, v in variables.items()}  # type: ignore[attr-defined]
    with fake_open.statbank(tables) as server, pytest.raises(DataError, match=r"REGK31 .* no variable FUNKTION.*FUNK1"):
        sheltered_housing(StatBank(base=server.url), years=[2019])


def test_a_table_that_is_gone_is_an_error() -> None:
    tables = {name: table for name, table in fake_open.TABLES.items() if name != "HAND01"}
    with (
        fake_open.statbank(tables) as server,
        pytest.raises(DataError, match="table HAND01 is needed for this: the service has no"),
    ):
        sheltered_housing(StatBank(base=server.url), years=[2019])


@pytest.mark.parametrize("years", [[], "2019", [2019, 2019], ["2019"], [1066], [2019.0], [True]])
def test_years_that_are_none(years: object) -> None:
    with pytest.raises(SpecificationError, match="years="):
        sheltered_housing(StatBank(base="http://127.0.0.1:9"), years=years)  # type: ignore[arg-type]


def test_adult_expenditure_keeps_totals_and_parts_apart() -> None:
    with fake_open.statbank() as server:
        frame = adult_expenditure(StatBank(base=server.url), years=[2019, 2021])
    assert set(frame["function"]) == set(ADULT_FUNCTIONS)
    assert set(frame["kind"]) == {"country", "region", "municipality"}
    assert set(frame.loc[frame["kind"] == "municipality", "area_code"]) == set(NAMES)
    assert not {"411", "920"} & set(frame["area_code"])
    total = frame[frame["account"] == "TOT"]
    assert set(total["provider"]) == {"total"} and set(frame["account"]) == {"TOT", "40", "45", "46", "47", "48", "49"}
    one = frame.query("area_code == '101' and function == '53851' and year == 2021").set_index("account")["dkk_1000"]
    codes = {"OMRÅDE": "101", "FUNKTION": "53851", "Tid": "2021", "PRISENHED": "LOBM"}
    assert one.to_dict() == {art: figure("REGK31", {**codes, "ART": art}) for art in one.index}


@pytest.mark.parametrize("name", ["open.sheltered_housing", "open.adult_expenditure", "open.school_absence"])
def test_without_network_or_cache_the_error_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    with pytest.raises(DataError) as caught:
        load(name)
    told = str(caught.value)
    for words in (name, str(tmp_path / "cache"), "BENCHMODELS_OFFLINE=1", "--data FILE", "BENCHMODELS_CACHE"):
        assert words in told
    assert ("cost_1000dkk" in told) or ("high_absence" in told) or ("dkk_1000" in told)


def client(server: fake_open.Schools, **options: object) -> Uddannelsesstatistik:
    from benchmodels.datasets.services.transport import Transport

    return Uddannelsesstatistik(transport=Transport(base=server.url, retries=0), **options)  # type: ignore[arg-type]


def test_school_absence_is_that_of_the_cubes() -> None:
    cubes = fake_open.school_cubes()
    with fake_open.schools(cubes) as server:
        frame = school_absence(client(server), years=["2021/2022", "2023/2024"])
    assert len(frame) == 98 * 2 and list(frame["municipality"].unique()) == list(municipalities()["municipality"])
    rows: list[dict[str, str]] = cubes["FRAVAAR"]["rows"]  # type: ignore[assignment]
    shares = {
        (row[f"{SCHOOL}.[Beliggenhedskommune]"], row["[Tid].[Skoleår].[Skoleår]"]): row["Over 10 procent"]
        for row in rows
    }
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for row in cubes["TRIVSP"]["rows"]:  # type: ignore[attr-defined]
        key = (row[f"{SCHOOL}.[Beliggenhedskommune]"], row["[Skoleår].[Skoleår].[Skoleår]"])
        level = row[f"{EDUCATION}.[Uddannelsesgruppe]"]
        counts.setdefault(key, {})[level] = float(row["Antal elever"].replace(".", ""))
    for row in frame.to_dict("records"):
        key = (row["municipality"], row["school_year"])
        if key == ("Læsø", "2021/2022"):
            assert np.isnan(row["high_absence"]) and np.isnan(row["pupils"]) and np.isnan(row["low_education_pct"])
            continue
        written = float(shares[key].removesuffix(" %").replace(",", "."))
        assert row["high_absence"] == pytest.approx(written / 100, rel=1e-12)
        found = counts[key]
        known = sum(n for level, n in found.items() if level != "Uoplyst")
        higher = sum(n for level, n in found.items() if "videregående" in level)
        assert row["pupils"] == sum(found.values())
        assert row["low_education_pct"] == pytest.approx(100 * found.get("Grundskole", 0.0) / known, rel=1e-12)
        assert row["higher_education_pct"] == pytest.approx(100 * higher / known, rel=1e-12)
    assert frame.attrs["simulated"] is True
    assert "GS/ELEVFRAV/FRAVAAR (20" in frame.attrs["source"] and "GS/TRIV/TRIVSP (20" in frame.attrs["source"]
    assert [one["municipality_concept"].startswith("the municipality where the school") for one in
            frame.attrs["sources"]] == [True, True]  # fmt: skip
    assert frame.attrs["notes"][0] == "1 municipalities lack high_absence in some year: Læsø"


@pytest.mark.parametrize("written", ["percent", "plain", "fraction"])
def test_shares_are_read_however_they_are_written(written: str) -> None:
    cubes = fake_open.school_cubes()
    rows: list[dict[str, str]] = cubes["FRAVAAR"]["rows"]  # type: ignore[assignment]
    with fake_open.schools(copy.deepcopy(cubes)) as server:
        plain = school_absence(client(server), years=["2019/2020"])["high_absence"]
    for row in rows:
        number = row["Over 10 procent"].removesuffix(" %")
        value = float(number.replace(",", "."))
        row["Over 10 procent"] = {
            "percent": f"{number} %",
            "plain": number,
            "fraction": f"{value / 100:.4f}".replace(".", ","),
        }[written]
    with fake_open.schools(cubes) as server:
        found = school_absence(client(server), years=["2019/2020"])["high_absence"]
    np.testing.assert_allclose(found, plain, rtol=1e-9)


def renamed(cube: str, kind: str, old: str, new: str) -> dict[str, dict[str, object]]:
    cubes = fake_open.school_cubes()
    names: list[str] = cubes[cube][kind]  # type: ignore[assignment]
    names[names.index(old)] = new
    return cubes


@pytest.mark.parametrize(
    ("cubes", "said"),
    [
        (
            renamed("FRAVAAR", "measures", "Over 10 procent", "Over 10 pct."),
            "measure 'Over 10 procent'.*'Over 10 p",
        ),
        (renamed("FRAVAAR", "details", SCHOOL, "[Skole].[Kommune]"), r"Beliggenhedskommune.*\[Skole\].\[Kommune\]"),
        (renamed("TRIVSP", "details", EDUCATION, "[Mor].[Uddannelse]"), "Uddannelsesgruppe"),
        (renamed("TRIVSP", "measures", "Antal elever", "Elever"), "the measure 'Antal elever'"),
    ],
)
def test_a_cube_that_is_not_as_expected_is_an_error(cubes: dict[str, dict[str, object]], said: str) -> None:
    with fake_open.schools(cubes) as server, pytest.raises(DataError, match=said):
        school_absence(client(server), years=["2019/2020"])


def test_education_without_the_levels_is_an_error() -> None:
    cubes = fake_open.school_cubes()
    for row in cubes["TRIVSP"]["rows"]:  # type: ignore[attr-defined]
        row[f"{EDUCATION}.[Uddannelsesgruppe]"] = row[f"{EDUCATION}.[Uddannelsesgruppe]"].replace("videregående", "høj")
    with fake_open.schools(cubes) as server, pytest.raises(DataError, match="expected to have groups"):
        school_covariates(client(server), years=["2019/2020"])


def test_school_years_that_are_not_there() -> None:
    with fake_open.schools() as server:
        with pytest.raises(DataError, match="no row is of the school years 2011/2012; there is 2019/2020"):
            school_absence(client(server), years=["2011/2012"])
        for wrong in ([], ["2019"], ["2019/2021"], "2019/2020", ["2019/2020", "2019/2020"], [2019]):
            with pytest.raises(SpecificationError, match="years="):
                school_absence(client(server), years=wrong)  # type: ignore[arg-type]
