from __future__ import annotations

import contextlib
import json
import logging
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from benchmodels.datasets.services.answer import Answer, ServiceError
from benchmodels.datasets.services.transport import Transport
from benchmodels.datasets.services.uddannelsesstatistik import (
    BASE,
    KEY_VARIABLE,
    URL_VARIABLE,
    Uddannelsesstatistik,
    complete,
)
from benchmodels.datasets.services.uddannelsesstatistik_answers import nearest, page_of
from benchmodels.errors import BenchmodelsError, DataError, SpecificationError

KEY = "hemmelig-8f3a-nogle/+="
SCHOOL = "[Institution].[Beliggenhedskommune]"
PUPIL = "[Bopælskommune].[Bopælskommune]"
YEAR = "[Skoleår].[Skoleår]"
SHARE = "Andel elever over 10 procent"
COUNT = "Antal elever"
VERDICT = "Signifikant"
NAMES = ["København", "Ærø", "Aarhus", "Læsø", "Fanø", "Tårnby"]


def rows() -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    for place, name in enumerate(NAMES):
        for year in ("2023/2024", "2024/2025"):
            if name == "Læsø" and year == "2024/2025":
                continue
            made.append(
                {
                    f"{SCHOOL}.[Beliggenhedskommune]": name,
                    f"{YEAR}.[Skoleår]": year,
                    SHARE: f"{place + 10},{place} %",
                    COUNT: f"{place + 1}.351" if place < 3 else f"{place}",
                    VERDICT: "<fejl>" if name == "Fanø" else "På Niveau",
                }
            )
    return made


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reset()

    def reset(self) -> None:
        self.rows = rows()
        self.measures = [f"[Measures].[{SHARE}]", f"[Measures].[{COUNT}]", VERDICT]
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.keys: list[str | None] = []
        # What is done with every answer of "statistik": (status, content) to (status, content).
        self.change: Callable[[dict[str, object], int, bytes], tuple[int, bytes]] | None = None
        self.kind = "application/json; charset=utf-8"
        self.pause = 0.0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/Api/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    def answer(self, path: str, body: dict[str, object]) -> object:
        if path == "skema":
            levels = [name for name in ("område", "emne", "underemne") if name in body]
            if len(levels) < 3:
                return [{"ID": f"{'GEF'[len(levels)]}S", "Name": "Grundskolen"}, {"ID": "DAG", "Name": "Dagtilbud"}]
            details = [{"name": SCHOOL, "count": 98}, {"name": YEAR, "count": 2}, {"name": PUPIL}]
            return {"detaljer": details, "nøgletal": self.measures, "rapporter": []}
        size, side = int(str(body["side_størrelse"])), int(str(body["side"]))
        return self.rows[(side - 1) * size : side * size]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.rsplit("/", 1)[-1]
        self.server.asked.append((path, body))
        given = self.headers.get("Authorization")
        self.server.keys.append(given)
        status, content = 200, json.dumps(self.server.answer(path, body), ensure_ascii=False).encode()
        if given != f"Bearer {KEY}":
            status, content = (403 if given else 401), f'{{"message": "Ugyldig: {given}"}}'.encode()
        elif self.server.change is not None and path == "statistik":
            status, content = self.server.change(body, status, content)
        time.sleep(self.server.pause)
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", self.server.kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def service(running: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Service:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("BENCHMODELS_OFFLINE", raising=False)
    monkeypatch.setenv("BENCHMODELS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(URL_VARIABLE, running.base)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    running.reset()
    return running


def ask(client: Uddannelsesstatistik | None = None, **other: object) -> pd.DataFrame:
    question: dict[str, object] = {"nøgletal": [SHARE, COUNT], "detaljering": [SCHOOL, YEAR], **other}
    return (client or Uddannelsesstatistik()).statistics("GS", "ELEVFRAV", "FRAVAAR", **question)  # type: ignore[arg-type]


def quick(service: Service, **other: object) -> Uddannelsesstatistik:
    settings: dict[str, object] = {"retries": 0, "backoff": 0.001, "timeout": (2.0, 2.0), "deadline": 3.0, **other}
    return Uddannelsesstatistik(transport=Transport(base=service.base, secret=KEY, **settings))  # type: ignore[arg-type]


def test_the_catalogue(service: Service) -> None:
    client = Uddannelsesstatistik()
    assert client.catalogue().to_dict("list") == {"code": ["GS", "DAG"], "name": ["Grundskolen", "Dagtilbud"]}
    assert client.catalogue("GS")["code"].tolist() == ["ES", "DAG"]
    assert client.catalogue("GS", "KARA")["code"].tolist() == ["FS", "DAG"]
    cube = client.cube("GS", "ELEVFRAV", "FRAVAAR")
    assert cube.nøgletal == (SHARE, COUNT, VERDICT) and cube.detaljer == {SCHOOL: 98, YEAR: 2, PUPIL: None}
    before = len(service.asked)
    assert client.catalogue("GS")["code"].tolist() == ["ES", "DAG"] and len(service.asked) == before
    with pytest.raises(SpecificationError, match="say område too"):
        client.catalogue(emne="KARA")


def test_figures_units_marks_and_what_is_said_of_them(service: Service) -> None:
    table = ask(nøgletal=[SHARE, COUNT, VERDICT], texts=[VERDICT], filtre={YEAR: ["2023/2024", "2024/2025"]})
    assert table.columns.tolist() == [
        *[SCHOOL, YEAR, SHARE, f"{SHARE} (mark)", COUNT, f"{COUNT} (mark)", VERDICT, f"{VERDICT} (mark)"]
    ]
    assert len(table) == 11 and table[SHARE].tolist()[:3] == [10.0, 10.0, 11.1]
    assert table[COUNT].tolist()[:3] == [1351.0, 1351.0, 2351.0]
    assert set(table[f"{SHARE} (mark)"]) == {""}
    fanø = table[table[SCHOOL] == "Fanø"]
    assert fanø[VERDICT].isna().all() and set(fanø[f"{VERDICT} (mark)"]) == {"<fejl>"}
    attrs = table.attrs
    assert attrs["simulated"] is True and "ikke Uddannelsesstatistik.dk" in attrs["source"]
    assert attrs["units"] == {SHARE: "per cent", COUNT: "as written"}
    assert attrs["municipality_concept"] == "the municipality where the school lies (Beliggenhedskommune)"
    assert "Kilde: Uddannelsesstatistik.dk" in attrs["licence"] and "5 pupils" in attrs["suppressed"]
    assert len(attrs["sha256"]) == 64 and attrs["retrieved"].endswith("Z")
    body = service.asked[-1][1]
    assert list(body) == [
        *["område", "emne", "underemne", "nøgletal", "detaljering", "filtre", "indlejret", "tomme_rækker"],
        *["formattering", "side_størrelse", "side"],
    ]
    assert body["side_størrelse"] == 100_000 and body["tomme_rækker"] is False and body["indlejret"] is False
    assert set(service.keys) == {f"Bearer {KEY}"}
    before = len(service.asked)
    again = ask(nøgletal=[SHARE, COUNT, VERDICT], texts=[VERDICT], filtre={YEAR: ["2023/2024", "2024/2025"]})
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs == table.attrs and len(service.asked) == before


def test_whose_municipality(service: Service) -> None:
    for detail, words in [
        ([PUPIL], "where the pupil lives"),
        ([SCHOOL, PUPIL], "both the municipality where the school"),
        ([YEAR], "none"),
    ]:
        service.rows = [{**{f"{name}.{name[name.rindex('[') :]}": "a" for name in detail}, COUNT: "1"}]
        assert words in ask(detaljering=detail, nøgletal=[COUNT]).attrs["municipality_concept"]
    service.rows = [{COUNT: "1.234", YEAR: "2020"}]
    assert ask(detaljering=[], nøgletal=[COUNT])[COUNT].tolist() == [1234.0]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 12])
def test_pages(service: Service, size: int) -> None:
    table = ask(Uddannelsesstatistik(page_size=size))
    whole = ask()
    pd.testing.assert_frame_equal(table, whole)
    sides = [body["side"] for path, body in service.asked if path == "statistik" and body["side_størrelse"] == size]
    turned = [side for side in sides if side != 0]
    assert turned == list(range(1, -(-11 // size) + 2))
    assert len(table.attrs["sha256_of_pages"]) == len(turned)


def test_pages_that_are_capped_are_read_on(service: Service) -> None:
    def capped(body: dict[str, object], status: int, content: bytes) -> tuple[int, bytes]:
        side = int(str(body["side"]))
        return 200, json.dumps(service.rows[(side - 1) * 4 : side * 4]).encode()

    service.change = capped
    assert len(ask()) == 11


def test_pages_that_are_wrong(service: Service) -> None:
    def same(body: dict[str, object], status: int, content: bytes) -> tuple[int, bytes]:
        return 200, json.dumps(service.rows[:4]).encode()

    def sliding(body: dict[str, object], status: int, content: bytes) -> tuple[int, bytes]:
        side = int(str(body["side"]))
        return 200, json.dumps(service.rows[(side - 1) * 3 : (side - 1) * 3 + 4]).encode()

    def twice(body: dict[str, object], status: int, content: bytes) -> tuple[int, bytes]:
        return 200, json.dumps(service.rows[:2] * 2 if body["side"] == 1 else []).encode()

    def fewer(body: dict[str, object], status: int, content: bytes) -> tuple[int, bytes]:
        return 200, json.dumps({"antal": 12, "data": service.rows if body["side"] == 1 else []}).encode()

    def right(body: dict[str, object], status: int, content: bytes) -> tuple[int, bytes]:
        return 200, json.dumps({"antal": 11, "data": service.rows if body["side"] == 1 else []}).encode()

    for change, words in [
        (same, "page 2 is the same as an earlier one"),
        (sliding, "comes on pages 1 and 2"),
        (twice, "comes twice on page 1"),
        (fewer, "there are 12 rows and has given 11"),
    ]:
        service.change = change
        with pytest.raises(DataError) as caught:
            ask(refresh=True)
        assert words in str(caught.value)
    service.change = right
    assert len(ask(refresh=True)) == 11
    service.change = None
    service.rows = []
    with pytest.raises(DataError, match="the service has no rows"):
        ask(refresh=True)
    for size in (0, 100_001, 10.0, True, "5"):
        with pytest.raises(SpecificationError):
            Uddannelsesstatistik(page_size=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [4, 11, 12])
@pytest.mark.parametrize("first", ["from 0", "400", "500", "same", "words", "empty"])
def test_page_0_is_looked_at(service: Service, monkeypatch: pytest.MonkeyPatch, size: int, first: str) -> None:
    """Whether a service counts from 0 or 1, and whatever it says of page 0, no row is lost or there twice."""
    whole = service.rows

    def turned(body: dict[str, object], status: int, content: bytes) -> tuple[int, bytes]:
        number, rows_asked = int(str(body["side"])), int(str(body["side_størrelse"]))
        if first == "from 0":
            return 200, json.dumps(whole[number * rows_asked : (number + 1) * rows_asked]).encode()
        refused = {"400": (400, b"{}"), "500": (500, b"{}"), "words": (200, b'"no"'), "empty": (200, b"[]")}
        if number == 0:
            return refused.get(first, (200, json.dumps(whole[:rows_asked]).encode()))
        return status, content

    service.change = turned
    client = Uddannelsesstatistik(page_size=size, transport=quick(service).transport)
    table = ask(client)
    assert sorted(map(tuple, table[[SCHOOL, YEAR]].to_numpy())) == sorted(
        (str(row[f"{SCHOOL}.[Beliggenhedskommune]"]), str(row[f"{YEAR}.[Skoleår]"])) for row in whole
    )
    # Kept answers say the same without the service.
    asked = [path for path, _ in service.asked].count("statistik")
    # What is kept has the time to the second: one pause shows that it is not asked for again online either.
    paused = (first, size) == ("400", 4)
    time.sleep(1.1 if paused else 0.0)
    for offline in ("0", "1") if paused else ("1",):
        monkeypatch.setenv("BENCHMODELS_OFFLINE", offline)
        pd.testing.assert_frame_equal(ask(client), table)
        assert [path for path, _ in service.asked].count("statistik") == asked


@pytest.mark.parametrize("status", [401, 503])
def test_a_failure_at_page_0_is_no_answer(service: Service, status: int) -> None:
    service.change = lambda body, found, content: (status, b"{}") if body["side"] == 0 else (found, content)
    with pytest.raises(ServiceError):
        ask(quick(service))


def test_pages_of_two_days_are_read_again(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Uddannelsesstatistik(page_size=6)
    ask(client)
    records = [path for path in tmp_path.rglob("entry.json") if '"side": 1' in path.read_text(encoding="utf-8")]
    assert len(records) == 1
    record = json.loads(records[0].read_text(encoding="utf-8"))
    records[0].write_text(json.dumps({**record, "retrieved": "2020-01-01T00:00:00Z"}), encoding="utf-8")
    before = len(service.asked)
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    with pytest.raises(DataError, match="two versions of the data"):
        ask(client)
    monkeypatch.delenv("BENCHMODELS_OFFLINE")
    assert len(ask(client)) == 11 and [body["side"] for _, body in service.asked[before:]] == [1, 0, 2, 3]


def test_a_measure_that_has_a_new_name(service: Service) -> None:
    with pytest.raises(DataError, match=f"no measure 'Antal elev': the nearest are '{COUNT}'"):
        ask(nøgletal=["Antal elev"])
    with pytest.raises(DataError, match="no detail .*nearest are"):
        ask(detaljering=["[Institution].[Beliggenhedskomune]"])
    with pytest.raises(DataError, match="no detail"):
        ask(filtre={"[Køn].[Køn]": ["Pige"]})
    assert not [path for path, _ in service.asked if path == "statistik"]
    ask()
    # The catalogue kept is old: a new name is found by asking again, an old one is refused by the answer.
    service.measures = [SHARE, "Elevtal"]
    service.rows = [{("Elevtal" if name == COUNT else name): value for name, value in row.items()} for row in rows()]
    assert ask(nøgletal=["Elevtal"])["Elevtal"].notna().all()
    with pytest.raises(DataError, match="no measure 'Antal elever'"):
        ask(refresh=True)


def test_what_is_left_out_is_put_back_and_said(service: Service) -> None:
    del service.rows[0][SHARE]
    service.rows[1][SHARE] = ""
    service.rows[2][SHARE] = None
    table = ask()
    assert table[f"{SHARE} (mark)"].tolist()[:4] == ["omitted", "blank", "blank", ""]
    whole = complete(table, units=[*NAMES, "Samsø"], by=SCHOOL)
    assert len(whole) == 14 and whole.attrs["omitted"] == 3 and whole.attrs["source"] == table.attrs["source"]
    added = whole.iloc[11:]
    assert sorted(added[[SCHOOL, YEAR]].itertuples(index=False, name=None)) == [
        ("Læsø", "2024/2025"),
        ("Samsø", "2023/2024"),
        ("Samsø", "2024/2025"),
    ]
    assert added[COUNT].isna().all() and set(added[f"{COUNT} (mark)"]) == {"omitted"}
    pd.testing.assert_frame_equal(whole.iloc[:11], table)
    assert complete(whole, units=[*NAMES, "Samsø"], by=SCHOOL).attrs["omitted"] == 0
    one = table[[SCHOOL, COUNT, f"{COUNT} (mark)"]].iloc[[0]]
    assert len(complete(one, units=NAMES, by=SCHOOL)) == 6
    for wrong in (
        lambda: complete(table, units=NAMES[:3], by=SCHOOL),
        lambda: complete(table, units=NAMES, by="kommune"),
        lambda: complete(table, units=NAMES, by=COUNT),
        lambda: complete(table, units=[*NAMES, NAMES[0]], by=SCHOOL),
        lambda: complete(table, units=[], by=SCHOOL),
        lambda: complete(table, units=[1, 2], by=SCHOOL),
        lambda: complete(table, units="Fanø", by=SCHOOL),
        lambda: complete([1], units=NAMES, by=SCHOOL),  # type: ignore[arg-type]
    ):
        with pytest.raises(DataError):
            wrong()


@pytest.mark.parametrize(
    "other",
    [
        {"nøgletal": []},
        {"nøgletal": COUNT},
        {"nøgletal": [COUNT, COUNT]},
        {"nøgletal": [None]},
        {"nøgletal": 5},
        {"detaljering": ["Skoleår"]},
        {"detaljering": [YEAR, YEAR]},
        {"detaljering": ["[a].[b]; drop"]},
        {"filtre": [YEAR]},
        {"filtre": {YEAR: []}},
        {"filtre": {YEAR: "2024/2025"}},
        {"filtre": {"Skoleår": ["x"]}},
        {"texts": ["x"]},
    ],
)
def test_questions_that_are_none(service: Service, other: dict[str, object]) -> None:
    with pytest.raises(SpecificationError):
        ask(**other)
    assert not service.asked


def test_a_measure_in_words_must_be_said(service: Service) -> None:
    with pytest.raises(DataError, match="name it in texts"):
        ask(nøgletal=[VERDICT])
    service.rows = [{**row, VERDICT: 1} for row in rows()]
    with pytest.raises(DataError, match="take it out of texts"):
        ask(nøgletal=[VERDICT], texts=[VERDICT], refresh=True)
    service.rows = [{**row, COUNT: 1.5} for row in rows()]
    assert set(ask(refresh=True)[COUNT]) == {1.5}
    service.rows[0][COUNT] = "1.5"
    with pytest.raises(DataError, match="its decimal sign is the point"):
        ask(refresh=True)


def test_without_the_right_key_the_variable_is_named(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, status, state in [(None, 401, "no key was sent"), ("forkert-kode-77", 403, "is not accepted")]:
        if value is None:
            monkeypatch.delenv(KEY_VARIABLE)
        else:
            monkeypatch.setenv(KEY_VARIABLE, value)
        with pytest.raises(ServiceError) as caught:
            ask()
        said = str(caught.value)
        assert KEY_VARIABLE in said and state in said and caught.value.status == status
        assert value is None or value not in said + caught.value.words
    for value in ("to ord", "æøå-nøgle", "abc", 'a"\nb-1234'):
        monkeypatch.setenv(KEY_VARIABLE, value)
        with pytest.raises(SpecificationError) as refused:
            ask()
        assert KEY_VARIABLE in str(refused.value) and value not in str(refused.value)
    monkeypatch.setenv(KEY_VARIABLE, f" {KEY}\n")
    assert len(ask()) == 11
    before = len(service.asked)
    for address in ("http://example.org/Api/v1", "https://user:pw@example.org", "ftp://x", "http://[", "x"):
        monkeypatch.setenv(URL_VARIABLE, address)
        with pytest.raises(SpecificationError):
            ask()
    assert len(service.asked) == before


def test_kept_answers_need_neither_net_nor_key(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ask()
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("BENCHMODELS_OFFLINE", "1")
    before = len(service.asked)
    pd.testing.assert_frame_equal(ask(), table)
    assert len(service.asked) == before
    with pytest.raises(DataError, match="offline"):
        ask(nøgletal=[SHARE])


def test_the_official_address_is_not_simulated(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def post(self: Transport, path: str, body: dict[str, object], *, to: Path, limit: int | None = None) -> Answer:
        to.write_text(json.dumps(service.answer(path, dict(body)), ensure_ascii=False), encoding="utf-8")
        return Answer(url=f"{self.base}/{path}", status=200, headers={}, path=to)

    monkeypatch.setattr(Transport, "post", post)
    monkeypatch.delenv(URL_VARIABLE)
    attrs = ask().attrs
    assert attrs["simulated"] is False and attrs["url"] == f"{BASE}/statistik" and not service.asked
    assert attrs["source"].startswith("Kilde: Uddannelsesstatistik.dk, GS/ELEVFRAV/FRAVAAR, hentet ")


@pytest.mark.parametrize(
    ("status", "content", "words"),
    [
        (400, b'{"message": "Ukendt emne"}', "Ukendt emne"),
        (400, '{"title": "Fejl i nøgletal"}'.encode("cp1252"), "Fejl i nøgletal"),
        (404, b"<html><h1>Ikke fundet</h1></html>", "Ikke fundet"),
        (500, b"", "status 500"),
        (503, b"\xff\xfe\x00", "status 503"),
        (200, b"", "is not whole JSON"),
        (200, b"[", "is not whole JSON"),
        (200, json.dumps(rows()).encode()[:-40], "is not whole JSON"),
        (200, b"<html>Login</html>", "is not whole JSON"),
        (200, b"null", "a list of rows expected"),
        (200, b'{"error": "Ukendt"}', "one list of rows expected"),
        (200, b'{"a": [], "b": []}', "one list of rows expected"),
        (200, b"[1, 2]", "rows with named columns"),
        (200, b"[{}]", "rows with named columns"),
        (200, b'[{"x": {"y": 1}}]', "'indlejret' is not used"),
        (200, b'[{"x": true}]', "rows of texts and numbers"),
        (200, b'[{"x": NaN}]', "no number in JSON"),
        (200, b'[{"x": 1e999}]', "too large"),
        (200, b'[{"x": 1, "x": 2}]', "names a column twice"),
        (200, b'[{"x": "\\ud800"}]', "is not whole JSON"),
        (200, b"[" * 100_000, "nested too deep"),
        (200, b"1" * 5000, "is not whole JSON"),
        (200, b"[\x00\x81\x8d]", "is not text"),
    ],
)
def test_answers_that_are_none(service: Service, status: int, content: bytes, words: str) -> None:
    service.change = lambda body, _status, _content: (status, content)
    with pytest.raises(DataError) as caught:
        ask(quick(service))
    assert words in str(caught.value)
    service.change = None
    # Nothing of it was kept.
    assert len(ask(quick(service))) == 11


def test_columns_that_are_not_there(service: Service) -> None:
    for change, words in [
        (lambda row: row.pop(f"{YEAR}.[Skoleår]"), "does not say its [Skoleår].[Skoleår]"),
        (lambda row: row.update({f"{YEAR}.[Skoleår]": None}), "does not say its [Skoleår].[Skoleår]"),
        (lambda row: row.pop(COUNT), "the answer has no measure 'Antal elever'"),
    ]:
        service.rows = rows()
        for row in service.rows:
            change(row)
        with pytest.raises(DataError) as caught:
            ask(refresh=True)
        assert words in str(caught.value)


def test_other_encodings_of_the_same_answer(service: Service) -> None:
    whole = ask()
    plain = json.dumps(rows(), ensure_ascii=False)
    for kind, content in [
        ("application/json; charset=utf-8", b"\xef\xbb\xbf" + plain.encode()),
        ("application/json; charset=iso-8859-1", plain.encode()),
        ("application/json; charset=utf-8", plain.encode("cp1252")),
        ("text/html", plain.encode("latin-1")),
        ("application/json", json.dumps(rows()).encode()),
    ]:
        service.kind = kind
        service.change = lambda body, status, _, content=content: (status, content if body["side"] == 1 else b"[]")
        pd.testing.assert_frame_equal(ask(refresh=True), whole)


def test_a_slow_service_is_left(service: Service) -> None:
    service.pause = 1.0
    start = time.monotonic()
    with pytest.raises(DataError):
        ask(quick(service, deadline=0.3))
    assert time.monotonic() - start < 0.9


def mutated(draw: random.Random, content: bytes) -> bytes:
    how = draw.randrange(6)
    place = draw.randrange(max(1, len(content)))
    if how == 0:
        return content[:place]
    if how == 1:
        return content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :]
    if how == 2:
        piece = content[place : place + draw.randrange(1, 200)]
        return content[:place] + piece * 2 + content[place + len(piece) :]
    if how == 3:
        return content[:place] + content[place + draw.randrange(1, 60) :]
    found = json.loads(content)
    if not found:
        return content
    row = draw.choice(found)
    odd: list[object] = [
        None,
        True,
        "",
        "..",
        "<5",
        "1.5",
        "12,5",
        "12,5 %",
        -1,
        1e300,
        10**400,
        [],
        {},
        "\ud800",
        "\x00",
        "å" * 999,
    ]
    if how == 4:
        row[draw.choice(list(row))] = draw.choice(odd)
    else:
        draw.choice(
            [
                lambda: row.clear(),
                lambda: row.pop(draw.choice(list(row))),
                lambda: found.append(row),
                lambda: found.clear(),
            ]
        )()
    return json.dumps(found).encode()


def test_a_thousand_mutations_end_in_a_table_or_a_benchmodels_error(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(11)
    outcomes = {"table": 0, "error": 0}
    current: dict[str, object] = {"path": "none", "side": 0}

    def post(self: Transport, path: str, body: dict[str, object], *, to: Path, limit: int | None = None) -> Answer:
        content = json.dumps(service.answer(path, dict(body)), ensure_ascii=False).encode()
        if path == current["path"] and body.get("side", 1) == current["side"]:
            content = mutated(draw, content) if path == "statistik" else mutated_catalogue(draw, content)
        to.write_bytes(content)
        return Answer(url=f"{self.base}/{path}", status=200, headers={}, path=to)

    monkeypatch.setattr(Transport, "post", post)
    client = Uddannelsesstatistik(page_size=6)
    clean = ask(client)
    for number in range(1000):
        service.rows = rows()
        current.update(path="skema" if number % 10 == 0 else "statistik", side=draw.choice([1, 1, 2, 3]))
        if current["path"] == "skema":
            current["side"] = 1
        try:
            table = ask(client, refresh=True, nøgletal=[SHARE, COUNT, VERDICT], texts=[VERDICT])
        except BenchmodelsError:
            outcomes["error"] += 1
        else:
            outcomes["table"] += 1
            assert isinstance(table, pd.DataFrame) and table[COUNT].dtype == "float64"
    assert min(outcomes.values()) > 50, outcomes
    current.update(path="none")
    service.rows = rows()
    pd.testing.assert_frame_equal(ask(client, refresh=True), clean)


def mutated_catalogue(draw: random.Random, content: bytes) -> bytes:
    place = draw.randrange(len(content))
    return draw.choice(
        [
            content[:place],
            content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :],
            b"[]",
            b'{"detaljer": [], "n\xc3\xb8gletal": []}',
            b'{"detaljer": [1], "n\xc3\xb8gletal": ["x"]}',
            b'{"detaljer": [{"name": 1}], "n\xc3\xb8gletal": [1]}',
        ]
    )


def test_the_key_is_nowhere(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    said: list[str] = []

    def attempt(step: Callable[[], object]) -> None:
        try:
            made = step()
        except BenchmodelsError as error:
            said.extend([str(error), repr(error), getattr(error, "words", ""), *traceback.format_exception(error)])
        else:
            said.append(f"{made!r}{getattr(made, 'attrs', '')}")

    def echo(status: int) -> Callable[[dict[str, object], int, bytes], tuple[int, bytes]]:
        return lambda body, _status, _content: (status, f'{{"message": "Bearer {KEY}", "k": ["{KEY}"]}}'.encode())

    client = quick(service)
    steps: list[Callable[[], object]] = [
        lambda: client,
        lambda: client.transport,
        lambda: Uddannelsesstatistik().catalogue(),
        lambda: ask(),
        lambda: ask(nøgletal=["Findes ikke"]),
        lambda: ask(nøgletal=[KEY]),
        lambda: ask(detaljering=[KEY]),
        lambda: ask(filtre={YEAR: [KEY]}),
        lambda: client.catalogue(KEY),
        lambda: client.cube("GS", "KARA", KEY),
    ]
    for step in steps:
        attempt(step)
    for status in (200, 400, 401, 403, 500):
        service.change = echo(status)
        attempt(lambda: ask(quick(service), refresh=True))
    service.change = None
    service.pause = 1.0
    attempt(lambda: ask(quick(service, deadline=0.2), refresh=True))
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9/Api/v1")
    attempt(lambda: ask(Uddannelsesstatistik(transport=Transport(base="http://127.0.0.1:9", secret=KEY, retries=0))))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 6 and len(said) >= 14 and caplog.records
    said = [text for text in said if "Findes ikke" not in text]
    for text in [*said, caplog.text, *(str(record.__dict__) for record in caplog.records)]:
        assert KEY not in text and "8f3a" not in text
    for path in files:
        assert KEY.encode() not in path.read_bytes() and "8f3a" not in str(path)


def test_small_parts() -> None:
    assert nearest("x", []) == "there are none"
    assert nearest("zzz", list("abcdefgh")) == "there are 'a', 'b', 'c', 'd', 'e' and 3 more"
    page = page_of(Answer(url="u", status=200, headers={}, content=b'[{"a": 1}]'))
    assert page.rows == [{"a": 1}] and page.total is None
