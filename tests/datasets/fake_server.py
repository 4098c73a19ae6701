"""A server on this machine that answers like the StatBank, with simulated figures, and that fails as it is told."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import socket
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

AREAS = {
    "000": "Hele landet",
    "084": "Region Hovedstaden",
    "085": "Region Sjælland",
    "083": "Region Syddanmark",
    "082": "Region Midtjylland",
    "081": "Region Nordjylland",
    "101": "København",
    "400": "Bornholm",
    "411": "Christiansø",
    "492": "Ærø",
    "751": "Aarhus",
}
TABLES = {
    "FOLK1A": {
        "text": "Befolkningen den 1. i kvartalet",
        "unit": "Antal",
        "variables": {
            "OMRÅDE": AREAS,
            "KØN": {"TOT": "I alt", "1": "Mænd", "2": "Kvinder"},
            "ALDER": {"IALT": "Alder i alt", "0": "0 år", "1": "1 år", "10": "10 år"},
            "Tid": {
                f"{year}K{quarter}": f"{year}K{quarter}" for year in (2018, 2019, 2020) for quarter in (1, 2, 3, 4)
            },
        },
    },
    "REGK31": {
        "text": "Kommunernes regnskaber på funktioner",
        "unit": "1.000 kr.",
        "variables": {
            "OMRÅDE": AREAS,
            "FUNK1": {
                "52821": "5.28.21 Forebyggende foranstaltninger",
                "32201": "3.22.01 Folkeskoler",
                "22105": "2.21.05",
            },
            "DRANST": {"1": "1 Driftskonti", "3": "3 Anlægskonti"},
            "ART": {"TOT": "Nettoudgifter i alt", "1": "1 Lønninger"},
            "PRISENHED": {"LOBM": "Løbende priser (1.000 kr.)", "INDL": "Pr. indbygger, løbende priser (kr.)"},
            "Tid": {str(year): str(year) for year in range(2016, 2023)},
        },
    },
}
REQUIRED = {"Tid", "FUNK1", "PRISENHED"}


def figure(table: str, codes: dict[str, str]) -> float | None:
    """The simulated figure of a cell: a number that the codes alone decide; None where it is suppressed."""
    mixed = zlib.crc32(json.dumps([table, sorted(codes.items())]).encode())
    if codes.get("OMRÅDE") == "411" and mixed % 5 == 0:
        return None
    if table == "FOLK1A":
        return float(mixed % 700_000)
    return (mixed % 9_000_000 - 100_000) / 100


def total(table: str, name: str) -> str:
    return next(iter(TABLES[table]["variables"][name]))


@dataclass
class Fault:
    """One answer that is not what it should be."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "plain"  # plain, reset, drip, drip_headers, short, chunked_cut, close, gzip_cut, gzip
    change: Callable[[bytes], bytes] | None = None


class FakeBank(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: deque[Fault | None] = deque()
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.seen_headers: list[dict[str, str]] = []
        self.limit = 1_000_000
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[FakeBank]:
    server = FakeBank()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Refusal(Exception):
    def __init__(self, code: str, words: str) -> None:
        self.body = json.dumps({"errorTypeCode": code, "message": words}, ensure_ascii=False).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeBank

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.respond({})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.respond(json.loads(raw))

    def respond(self, body: dict[str, object]) -> None:
        with self.server.lock:
            self.server.asked.append((self.path, body))
            self.server.seen_headers.append(dict(self.headers))
            fault = self.server.faults.popleft() if self.server.faults else None
        status, kind = 200, "application/json; charset=utf-8"
        try:
            if fault is not None and fault.change is None:
                content = fault.body
            else:
                content, kind = answer(self.path.split("?")[0].rsplit("/", 1)[-1], body, self.server.limit)
        except Refusal as refusal:
            status, content = 400, refusal.body
        if fault is None:
            self.plain(status, content, {"Content-Type": kind})
            return
        if fault.change is not None:
            content = fault.change(content)
        headers = {"Content-Type": kind, **fault.headers}
        getattr(self, fault.how)(fault.status if fault.change is None else status, content, headers)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def plain(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.head(status, {"Content-Length": str(len(content)), **headers})
        self.wfile.write(content)

    def gzip(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.plain(status, gzip.compress(content), {**headers, "Content-Encoding": "gzip"})

    def gzip_cut(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.plain(status, gzip.compress(content)[:-12], {**headers, "Content-Encoding": "gzip"})

    def short(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.head(status, {**headers, "Content-Length": str(len(content) + 100)})
        self.wfile.write(content)
        self.close_connection = True

    def close(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.head(status, {**headers, "Connection": "close"})
        self.wfile.write(content)
        self.close_connection = True

    def chunked(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.head(status, {**headers, "Transfer-Encoding": "chunked"})
        middle = len(content) // 2
        for part in (content[:middle], content[middle:]):
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def chunked_cut(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.head(status, {**headers, "Transfer-Encoding": "chunked"})
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.close_connection = True

    def reset(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def drip(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.head(status, {**headers, "Content-Length": "1000"})
        for _ in range(200):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.02)

    def drip_headers(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for place in range(200):
            self.wfile.write(f"X-{place}: y\r\n".encode())
            self.wfile.flush()
            time.sleep(0.02)


def answer(function: str, body: dict[str, object], limit: int = 1_000_000) -> tuple[bytes, str]:
    """What the service answers, as bytes and content type."""
    made: object
    if function == "subjects":
        made = [
            {"id": "1", "description": "Borgere", "active": True, "hasSubjects": True,
             "subjects": [{"id": "3401", "description": "Befolkning", "active": True, "subjects": []}]},
            {"id": "4", "description": "Økonomi", "active": True, "hasSubjects": False, "subjects": []},
        ]  # fmt: skip
    elif function == "tables":
        made = [
            {"id": name, "text": table["text"], "unit": table["unit"], "updated": "2026-08-11T08:00:00", "active": True,
             "firstPeriod": next(iter(table["variables"]["Tid"])), "latestPeriod": list(table["variables"]["Tid"])[-1],
             "variables": [one.lower() for one in table["variables"]]}
            for name, table in TABLES.items()
        ]  # fmt: skip
    elif function == "tableinfo":
        made = description(str(body.get("table", "")).upper())
    elif function == "data":
        return figures(body, limit)
    else:
        raise Refusal("REQUEST-NOTFOUND", "Findes ikke")
    return json.dumps(made, ensure_ascii=False).encode(), "text/json; charset=utf-8"


def description(name: str) -> dict[str, object]:
    if name not in TABLES:
        raise Refusal("EXTRACT-NOTFOUND", "Tabellen blev ikke fundet")
    table = TABLES[name]
    return {
        "id": name,
        "text": table["text"],
        "description": f"{table['text']} efter {', '.join(table['variables'])}".lower(),
        "unit": table["unit"],
        "suppressedDataValue": "0",
        "updated": "2026-08-11T08:00:00",
        "active": True,
        "contacts": [{"name": "Ingen", "phone": "", "mail": ""}],
        "documentation": {"id": "0", "url": "https://www.dst.dk/statistikdokumentation/0"},
        "footnote": {"text": "Simulerede tal.", "mandatory": False} if name == "REGK31" else None,
        "variables": [
            {
                "id": one,
                "text": one.lower(),
                "elimination": one not in REQUIRED,
                "time": one == "Tid",
                **({"map": "Denmark_municipality_07"} if one == "OMRÅDE" else {}),
                "values": [{"id": code, "text": text} for code, text in values.items()],
            }
            for one, values in table["variables"].items()
        ],
    }


def figures(body: dict[str, object], limit: int) -> tuple[bytes, str]:
    name, form = str(body["table"]).upper(), str(body["format"])
    if name not in TABLES:
        raise Refusal("EXTRACT-NOTFOUND", "Tabellen blev ikke fundet")
    variables = TABLES[name]["variables"]
    chosen: dict[str, list[str]] = {}
    for one in body["variables"]:
        chosen[one["code"]] = list(one["values"])
        for code in one["values"]:
            if code not in variables[one["code"]]:
                raise Refusal("EXTRACT-NOTFOUND", f"Kan ikke finde værdien: {code} ({one['code']})")
    for one in variables:
        if one not in chosen and (form == "BULK" or one in REQUIRED):
            raise Refusal("EXTRACT-NOTALLOWED", f"Der skal vælges værdier for variabel: {one}")
    cells = math.prod(map(len, chosen.values())) * (len(chosen) + 1)
    if form != "BULK" and cells > limit:
        said, most = (f"{number:,}".replace(",", ".") for number in (cells, limit))
        raise Refusal(
            "REQUEST-LIMIT",
            f"Forespørgslen på op mod {said} celler er over begrænsningen på {most} celler for denne filtype. "
            "Anvend BULK eller andet streaming format i stedet.",
        )
    rest = {one: total(name, one) for one in variables if one not in chosen}
    rows = list(combinations(chosen))
    values = [figure(name, {**rest, **row}) for row in rows]
    if form == "JSONSTAT":
        return cube(name, chosen, values), "text/json; charset=utf-8"
    written = str(body.get("valuePresentation", "Value"))
    lines = [";".join([*(one.upper() for one in chosen), "INDHOLD"])]
    for row, value in zip(rows, values, strict=True):
        if form == "BULK" and value == 0:
            continue
        shown = [code if written == "Code" else variables[one][code] for one, code in row.items()]
        lines.append(";".join([*shown, number(value, name, str(body.get("lang", "da")))]))
    mark = "\ufeff" if form == "CSV" else ""
    return (mark + "\r\n".join(lines) + "\r\n").encode(), "text/csv; charset=utf-8"


def number(value: float | None, name: str, lang: str) -> str:
    if value is None:
        return ".."
    if name == "FOLK1A":
        return f"{value:.0f}"
    return f"{value:.2f}".replace(".", "," if lang == "da" else ".")


def combinations(chosen: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    if not chosen:
        yield {}
        return
    (first, codes), *others = chosen.items()
    for code in codes:
        for rest in combinations(dict(others)):
            yield {first: code, **rest}


def cube(name: str, chosen: dict[str, list[str]], values: list[float | None]) -> bytes:
    variables = TABLES[name]["variables"]
    sides: dict[str, object] = {
        one: {
            "label": one.lower(),
            "category": {
                "index": {code: at for at, code in enumerate(codes)},
                "label": {code: variables[one][code] for code in codes},
            },
        }
        for one, codes in chosen.items()
    }
    sides["ContentsCode"] = {
        "label": "Indhold",
        "category": {"index": {name: 0}, "label": {name: TABLES[name]["text"]}},
    }
    names = [*list(chosen)[:-1], "ContentsCode", list(chosen)[-1]]
    sizes = [1 if one == "ContentsCode" else len(chosen[one]) for one in names]
    dataset = {
        "dimension": {**sides, "id": names, "size": sizes, "role": {"metric": ["ContentsCode"], "time": ["Tid"]}},
        "label": TABLES[name]["text"],
        "source": "Danmarks Statistik",
        "updated": "2026-08-11T06:00:00Z",
        "value": values,
    }
    return json.dumps({"dataset": dataset}, ensure_ascii=False).encode()
