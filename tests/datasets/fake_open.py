"""Two services on this machine that answer like the real ones for studies of open tables, with simulated figures."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from benchmodels.datasets import municipalities, simulate_denmark
from tests.datasets import fake_server
from tests.datasets.fake_server import FakeBank

YEARS = range(2017, 2026)
SHARES = {"53852": 0.25, "53850": 0.22, "53851": 0.53}
BENEFITS = {"30182": "53852", "30181": "53850", "31201": "53851"}
SPLIT = {"40": 0.2, "45": 0.01, "46": 0.005, "47": 0.25, "48": 0.12, "49": 0.015}
ADULTS = ("53838", "53839", "53840", "53841", "53842", "53844", "53845", "53853", "53854", "53858", "53859")
NAMES = dict(zip(municipalities()["code"].astype(str), municipalities()["municipality"], strict=True))
PEOPLE = dict(zip(municipalities()["code"].astype(str), municipalities()["population"], strict=True))
NOT_REPORTING = "825"
AREAS = {
    "000": "Hele landet",
    "084": "Region Hovedstaden",
    "082": "Region Midtjylland",
    **NAMES,
    "411": "Christiansø",
    "920": "Bykommuner",
}


def _tables() -> dict[str, dict[str, object]]:
    years = {str(year): str(year) for year in YEARS}
    quarters = {f"{year}K{quarter}": f"{year}K{quarter}" for year in YEARS for quarter in (1, 2, 3, 4)}
    ages = {"IALT": "Alder i alt", **{str(age): f"{age} år" for age in range(126)}}
    functions = {
        "53850": "5.38.50 Tilbud til længerevarende ophold - længerevarende botilbud (§ 108)",
        "53851": "5.38.51 Botilbudslignende tilbud (omfattet af § 4, stk. 1, nr. 3)",
        "53852": "5.38.52 Tilbud til midlertidigt ophold - midlertidige botilbud (§ 107)",
        "32201": "3.22.01 Folkeskoler",
        **{code: f"5.38.{code[3:]} Anden funktion" for code in ADULTS},
    }
    return {
        "REGK31": {
            "text": "Kommunernes regnskaber på funktioner",
            "unit": "-",
            "variables": {
                "OMRÅDE": AREAS,
                "FUNKTION": functions,
                "DRANST": {"1": "1 Driftskonti", "2": "2 Statsrefusion", "3": "3 Anlægskonti"},
                "ART": {
                    "TOT": "I alt (netto)",
                    "UE": "Udgifter i alt",
                    "S4": "4 Tjenesteydelser m.v.",
                    "40": "4.0 Tjenesteydelser uden moms",
                    "45": "4.5 Entreprenør- og håndværkerydelser",
                    "46": "4.6 Betalinger til staten",
                    "47": "4.7 Betalinger til kommuner",
                    "48": "4.8 Betalinger til regioner",
                    "49": "4.9 Øvrige tjenesteydelser m.v.",
                },
                "PRISENHED": {"LOBM": "Løbende priser (1.000 kr.)", "INDL": "Pr. indbygger, løbende priser (kr.)"},
                "Tid": years,
            },
        },
        "HAND01": {
            "text": "Modtagere af udvalgte ydelser",
            "unit": "Antal",
            "variables": {
                "OMRÅDE": {code: name for code, name in NAMES.items() if code != NOT_REPORTING},
                "YDELSESTYPE": {
                    "30181": "Længerevarende botilbud (SEL § 108)",
                    "30182": "Midlertidigt botilbud (SEL § 107)",
                    "31201": "Socialpædagogisk støtte (SEL § 85) i botilbudslignende tilbud (ABL § 105)",
                },
                "Tid": quarters,
            },
        },
        "FOLK1A": {
            "text": "Befolkningen den 1. i kvartalet",
            "unit": "Antal",
            "variables": {
                "OMRÅDE": AREAS,
                "KØN": {"TOT": "I alt", "1": "Mænd", "2": "Kvinder"},
                "ALDER": ages,
                "CIVILSTAND": {"TOT": "I alt", "U": "Ugift"},
                "Tid": quarters,
            },
        },
        "AUH01": {
            "text": "Offentligt forsørgede",
            "unit": "Antal",
            "variables": {
                "OMRÅDE": AREAS,
                "YDELSESTYPE": {"TOT": "I alt", "FP": "Førtidspension", "EF": "Efterløn"},
                "KØN": {"TOT": "I alt", "M": "Mænd"},
                "ALDER": {"TOT": "Alder i alt", "1664": "16-64 år"},
                "Tid": years,
            },
        },
        "HFUDD11": {
            "text": "Befolkningens højeste fuldførte uddannelse (15-69 år)",
            "unit": "Antal",
            "variables": {
                "BOPOMR": AREAS,
                "HERKOMST": {"TOT": "I alt", "5": "Personer med dansk oprindelse"},
                "HFUDD": {"TOT": "I alt", "H10": "H10 Grundskole", "H20": "H20 Gymnasiale uddannelser"},
                "ALDER": {"TOT": "Alder i alt", **{f"{a}{a + 4}": f"{a}-{a + 4} år" for a in range(15, 70, 5)}},
                "KØN": {"TOT": "I alt", "M": "Mænd"},
                "Tid": years,
            },
        },
        "PRIS112": {
            "text": "Forbrugerprisindeks (2015=100)",
            "unit": "Pct.",
            "variables": {"HOVED": {"1005": "Årsgennemsnit", "1010": "Årsstigning"}, "Tid": years},
        },
    }


TABLES = _tables()
REQUIRED = {"Tid", "FUNKTION", "ART", "PRISENHED", "DRANST", "YDELSESTYPE", "HOVED"}


@functools.cache
def _noise(*words: object) -> float:
    """A number about 0 that the words alone decide, with a standard deviation of about 1."""
    seed = zlib.crc32("/".join(map(str, words)).encode())
    return float(np.random.default_rng(seed).standard_normal())


def _rates(code: str, year: int) -> tuple[float, float, float]:
    """Simulated inhabitants aged 18-64, and shares of these with pension and with basic schooling."""
    adults = round(0.58 * float(PEOPLE[code]) * (1 + 0.003 * (year - 2018)))
    need = _noise(code, "need")
    pension = 0.075 * np.exp(0.22 * need + 0.02 * _noise(code, year, "pension"))
    basic = 0.19 * np.exp(0.12 * need + 0.01 * (2018 - year) + 0.02 * _noise(code, year, "basic"))
    return adults, float(pension), float(basic)


@functools.cache
def _cost(code: str, function: str, year: int) -> float:
    adults, pension, _ = _rates(code, year)
    share = SHARES.get(function, 0.3)
    practice = 0.1 * _noise(code, "practice") + 0.04 * _noise(code, function, year)
    return round(8.9 * adults * share * (pension / 0.075) ** 0.6 * np.exp(practice) * 1.035 ** (year - 2018))


def figure(table: str, codes: dict[str, str]) -> float | None:
    if table == "PRIS112":
        return round(100 * 1.025 ** (int(codes["Tid"]) - 2015), 1)
    area, year = codes.get("OMRÅDE", codes.get("BOPOMR", "")), int(codes["Tid"][:4])
    if area not in NAMES:
        if area != "000" or table != "REGK31":
            return 0.0
        # As in the accounts: the country is its municipalities.
        return float(sum(figure(table, {**codes, "OMRÅDE": code}) or 0.0 for code in NAMES))
    adults, pension, basic = _rates(area, year)
    if table == "REGK31":
        whole = _cost(area, codes["FUNKTION"], year)
        part = SPLIT.get(codes["ART"], 1.0) * (1 + 0.03 * (year - 2018) if codes["ART"] == "40" else 1.0)
        value = whole * part if codes["ART"] != "TOT" else whole
        return float(round(value / adults * 1000 if codes["PRISENHED"] == "INDL" else value))
    if table == "HAND01":
        if area == "563" and codes["Tid"] == "2020K2":
            return None
        cost = _cost(area, BENEFITS[codes["YDELSESTYPE"]], year)
        return round(cost / (900 * 1.02 ** (year - 2018)) * (1 + 0.01 * _noise(area, codes["Tid"])), 1)
    if table == "FOLK1A":
        return float(round(adults / 47)) if codes["ALDER"] != "IALT" else float(PEOPLE[area])
    if table == "AUH01":
        return float(round(adults * pension))
    return float(round(adults / 8 * (basic if codes["HFUDD"] == "H10" else 1.0)))


@contextlib.contextmanager
def statbank(
    tables: dict[str, dict[str, object]] | None = None,
    figures: Callable[[str, dict[str, str]], float | None] | None = None,
) -> Iterator[FakeBank]:
    """Serve these tables and figures; the other fake server's code answers."""
    before = {name: getattr(fake_server, name) for name in ("TABLES", "REQUIRED", "figure", "number")}
    try:
        fake_server.TABLES, fake_server.REQUIRED = tables or TABLES, REQUIRED
        fake_server.figure, fake_server.number = figures or figure, _number
        with fake_server.serving() as server:
            yield server
    finally:
        for name, value in before.items():
            setattr(fake_server, name, value)


def _number(value: float | None, name: str, lang: str) -> str:
    if value is None:
        return ".."
    text = f"{value:.1f}" if name in ("HAND01", "PRIS112") else f"{value:.0f}"
    return text.replace(".", "," if lang == "da" else ".")


SCHOOL = "[Institution].[Beliggenhedskommune]"
EDUCATION = "[Forældres Højest Fuldførte Uddannelse].[Uddannelsesgruppe]"
LEVELS = ("Grundskole", "Erhvervsfaglig uddannelse", "Gymnasial uddannelse", "Kort videregående uddannelse",
          "Mellemlang videregående uddannelse", "Lang videregående uddannelse", "Uoplyst")  # fmt: skip


def school_cubes() -> dict[str, dict[str, object]]:
    """What the catalogue says, and rows of the two cubes, on the simulated country's pupils."""
    truth = simulate_denmark().school_absence()
    sums = truth.groupby("municipality")[["high_absence", "pupils"]].sum()
    basic = truth[truth["parents_education"] == "basic"].groupby("municipality")["pupils"].sum()
    high = truth[truth["parents_education"].isin(["short_or_medium", "long", "higher"])]
    higher = high.groupby("municipality")["pupils"].sum()
    absence, parents = [], []
    for name, row in sums.iterrows():
        low = float(basic.get(name, 0.0)) / row["pupils"]
        top = float(higher.get(name, 0.35 * row["pupils"])) / row["pupils"]
        for start in range(2019, 2025):
            year = f"{start}/{start + 1}"
            if name == "Læsø" and start == 2021:
                continue
            share = 100 * row["high_absence"] / row["pupils"] + 0.8 * _noise(name, start)
            absence.append({f"{SCHOOL}.[Beliggenhedskommune]": name, "[Tid].[Skoleår].[Skoleår]": year,
                            "Over 10 procent": f"{share:.1f}".replace(".", ",") + " %"})  # fmt: skip
            rest = 1 - low - top
            shares = (low, 0.8 * rest, 0.15 * rest, 0.2 * top, 0.5 * top, 0.3 * top, 0.05 * rest)
            for level, part in zip(LEVELS, shares, strict=True):
                count = round(part * row["pupils"] * (1 + 0.02 * _noise(name, start, level)))
                if count >= 5:
                    parents.append({f"{SCHOOL}.[Beliggenhedskommune]": name, "[Skoleår].[Skoleår].[Skoleår]": year,
                                    f"{EDUCATION}.[Uddannelsesgruppe]": level,
                                    "Antal elever": f"{count:,}".replace(",", ".")})  # fmt: skip
    absence.append({f"{SCHOOL}.[Beliggenhedskommune]": "Uoplyst", "[Tid].[Skoleår].[Skoleår]": "2019/2020",
                    "Over 10 procent": "20,0 %"})  # fmt: skip
    return {
        "FRAVAAR": {"measures": ["Gennemsnitligt fravær per skoleår", "Over 10 procent"],
                    "details": [SCHOOL, "[Tid].[Skoleår]"], "rows": absence},
        "TRIVSP": {"measures": ["Antal elever", "Svarfordeling"],
                   "details": [SCHOOL, "[Skoleår].[Skoleår]", EDUCATION], "rows": parents},
    }  # fmt: skip


class Schools(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cubes: dict[str, dict[str, object]]) -> None:
        super().__init__(("127.0.0.1", 0), _SchoolHandler)
        self.cubes = cubes
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/Api/v1"


class _SchoolHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Schools

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        cube = self.server.cubes[body["underemne"]]
        if self.path.endswith("skema"):
            made: object = {"detaljer": [{"name": name} for name in cube["details"]], "nøgletal": cube["measures"]}
        else:
            size, side = int(body["side_størrelse"]), int(body["side"])
            made = cube["rows"][(side - 1) * size : side * size] if side > 0 else []
        content = json.dumps(made, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def schools(cubes: dict[str, dict[str, object]] | None = None) -> Iterator[Schools]:
    server = Schools(cubes or school_cubes())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
