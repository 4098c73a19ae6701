"""A question over the net gives one whole answer or one clear error, and never the key."""

import gzip
import json
import logging
import pickle
import socket
import time
import traceback

import pytest

from benchmodels.datasets.services import transport as module
from benchmodels.datasets.services.answer import Answer, ServiceError, clean, decode, own_words, whole_file
from benchmodels.datasets.services.transport import Transport
from benchmodels.datasets.services.wire import unpacked, wait_asked
from benchmodels.errors import BenchmodelsError, DataError, SpecificationError
from tests.datasets.fake_server import Fault, serving

KEY = "hemmelig-nøglefri-1234".replace("ø", "o")
BODY = {"table": "FOLK1A", "lang": "da", "format": "JSON"}


@pytest.fixture(autouse=True)
def straight_to_this_machine(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def bank():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def no_faults_left(request):
    yield
    if "bank" in request.fixturenames:
        request.getfixturevalue("bank").faults.clear()


def quick(bank, **options):
    return Transport(
        base=bank.url, **{"backoff": 0.001, "timeout": (2.0, 2.0), "deadline": 5.0, "retries": 2, **options}
    )


def test_a_whole_answer_is_the_same_however_it_is_sent(bank):
    plain = quick(bank).post("tableinfo", BODY)
    assert plain.status == 200 and json.loads(plain.text())["id"] == "FOLK1A" and plain.whole
    for how in ("gzip", "chunked", "close"):
        bank.faults.append(Fault(how=how, change=lambda content: content))
        answer = quick(bank).post("tableinfo", BODY)
        assert answer.read() == plain.read(), how
        assert answer.whole is (how != "close")


def test_a_file_appears_only_when_it_is_whole(bank, tmp_path):
    target = tmp_path / "new" / "answer.json"
    answer = quick(bank).post("tableinfo", BODY, to=target)
    assert answer.path == target and answer.content is None and json.loads(target.read_bytes())["id"] == "FOLK1A"
    target.write_bytes(b"old")
    bank.faults.extend([Fault(how="short", change=lambda content: content)] * 3)
    with pytest.raises(ServiceError, match="cut|whole"):
        quick(bank).post("tableinfo", BODY, to=target)
    assert target.read_bytes() == b"old" and [one.name for one in target.parent.iterdir()] == ["answer.json"]


@pytest.mark.parametrize("how", ["short", "chunked_cut", "gzip_cut", "reset"])
def test_a_broken_answer_is_asked_for_again_and_then_given_up(bank, how):
    bank.faults.extend([Fault(how=how, change=lambda content: content)] * 2)
    assert json.loads(quick(bank).post("tableinfo", BODY).text())["id"] == "FOLK1A"
    bank.faults.extend([Fault(how=how, change=lambda content: content)] * 3)
    with pytest.raises(ServiceError, match="3 tries"):
        quick(bank).post("tableinfo", BODY)
    assert not bank.faults


def test_damaged_packing_is_an_error(bank):
    bank.faults.extend([Fault(body=b"no gzip", headers={"Content-Encoding": "gzip"})] * 3)
    with pytest.raises(ServiceError, match="damaged"):
        quick(bank).post("tableinfo", BODY)
    bank.faults.append(Fault(body=b"x", headers={"Content-Encoding": "br"}))
    with pytest.raises(ServiceError, match="only gzip"):
        quick(bank).post("tableinfo", BODY)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_not_now_heals(bank, status):
    bank.faults.extend([Fault(status=status, body=b"vent"), Fault(status=status)])
    assert quick(bank).post("tableinfo", BODY).status == 200


def test_a_plain_no_is_not_asked_again(bank):
    before = len(bank.asked)
    with pytest.raises(ServiceError, match="Tabellen blev ikke fundet") as caught:
        quick(bank).post("tableinfo", {"table": "NIXEN"})
    assert (caught.value.status, caught.value.code) == (400, "EXTRACT-NOTFOUND")
    assert len(bank.asked) == before + 1
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.code == "EXTRACT-NOTFOUND"


@pytest.mark.parametrize("status", [202, 204, 206, 304, 404, 410])
def test_a_part_or_a_promise_is_no_answer(bank, status):
    bank.faults.append(Fault(status=status, headers={"Content-Length": "0"}))
    with pytest.raises(ServiceError, match=f"status {status}") as caught:
        quick(bank).post("tableinfo", BODY)
    assert caught.value.status == status


def test_retry_after_is_obeyed_up_to_a_point(bank, monkeypatch):
    waited = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    bank.faults.append(Fault(status=503, headers={"Retry-After": "7"}))
    quick(bank).post("tableinfo", BODY)
    assert waited == [7.0]
    bank.faults.append(Fault(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(ServiceError, match="3600 seconds"):
        quick(bank).post("tableinfo", BODY)
    waited.clear()
    bank.faults.extend([Fault(status=500)] * 2)
    quick(bank, backoff=0.5).post("tableinfo", BODY)
    assert 0.25 <= waited[0] <= 0.5 <= waited[1] <= 1.0


def test_retry_after_may_be_a_date_or_nonsense():
    assert wait_asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert wait_asked("Wed, 21 Oct 2115 07:28:00 GMT") > 1e9
    assert wait_asked("soon") is None and wait_asked("") is None and wait_asked("-5") is None


@pytest.mark.parametrize("how", ["drip", "drip_headers"])
def test_a_drip_ends_at_the_deadline(bank, how):
    bank.faults.append(Fault(how=how))
    start = time.monotonic()
    with pytest.raises(ServiceError, match="0.3 seconds"):
        quick(bank, deadline=0.3).post("tableinfo", BODY)
    assert time.monotonic() - start < 2.0


def test_silence_ends_at_the_timeout():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServiceError, match="no whole answer"):
            Transport(base=address, timeout=(0.2, 0.2), retries=0).post("data", {})


def test_nobody_there():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ServiceError, match="is the net there"):
        Transport(base=f"http://127.0.0.1:{port}", retries=1, backoff=0.001).post("data", {})


def test_too_much_is_too_much_packed_or_not(bank):
    bomb = gzip.compress(b"0" * 5_000_000)
    assert len(bomb) < 10_000
    bank.faults.append(Fault(body=bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ServiceError, match="100,000 bytes"):
        quick(bank, most_bytes=100_000).post("tableinfo", BODY)
    with pytest.raises(ServiceError, match="10 bytes"):
        quick(bank).post("tableinfo", BODY, limit=10)


def test_unpacking_gives_small_parts():
    import zlib

    packed = gzip.compress(b"0" * 1_000_000)
    parts = list(unpacked(zlib.decompressobj(wbits=31), packed))
    assert max(map(len, parts)) <= 1 << 16 and sum(map(len, parts)) == 1_000_000


def test_a_redirect_stays_on_its_host(bank):
    with serving() as other:
        for status in (301, 302, 307, 308):
            bank.faults.append(Fault(status=status, headers={"Location": f"{other.url}/tableinfo"}))
            with pytest.raises(ServiceError, match="another host"):
                quick(bank, secret=KEY).post("tableinfo", BODY)
        assert other.asked == []
    bank.faults.append(Fault(status=307, headers={"Location": "/v1/tableinfo?again"}))
    assert quick(bank).post("tableinfo", BODY).status == 200
    bank.faults.append(Fault(status=301, headers={"Location": "/v1/tableinfo"}))
    with pytest.raises(ServiceError, match="drop the question"):
        quick(bank).post("tableinfo", BODY)
    bank.faults.extend([Fault(status=307, headers={"Location": "/v1/tableinfo"})] * 5)
    with pytest.raises(ServiceError, match="more than 3 times"):
        quick(bank).post("tableinfo", BODY)


class Sent:
    """An answer that sends on."""

    def __init__(self, location):
        self.status_code, self.headers = 307, {"Location": location}


@pytest.mark.parametrize(
    ("address", "location", "followed"),
    [
        ("http://api.example.dk/v1", "https://api.example.dk/v1/x", True),
        ("http://api.example.dk/v1", "https://api.example.dk:443/v1/x", True),
        ("http://api.example.dk/v1", "https://api.example.dk:8443/v1/x", False),
        ("http://127.0.0.1:8080/v1", "https://127.0.0.1:9999/v1/x", False),
        ("http://127.0.0.1:8080/v1", "https://127.0.0.1/v1/x", False),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:9999/v1/x", False),
        ("https://api.example.dk/v1", "https://api.example.dk:8443/v1/x", False),
        ("https://api.example.dk/v1", "http://api.example.dk:443/v1/x", False),
        ("https://api.example.dk/v1", "https://api.example.dk/v2/x", True),
    ],
)
def test_a_redirect_to_another_port_is_not_followed(address, location, followed):
    transport = Transport(base=address)
    if followed:
        assert transport._redirected(Sent(location), "GET", address) == location
        return
    with pytest.raises(ServiceError, match="another host or port, http") as caught:
        transport._redirected(Sent(location), "GET", address)
    assert location.partition("/v")[0] in str(caught.value)


def test_an_address_that_we_are_sent_to_can_be_printed():
    transport = Transport(base="https://api.example.dk/v1")
    with pytest.raises(ServiceError) as caught:
        transport._redirected(Sent("https://x\x07\x9b.dk/v1"), "GET", transport.base)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("base", "sent"),
    [
        ("https://api.example.dk/v1", True),
        ("http://127.0.0.1:8080/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://localhost/v1", True),
        ("http://api.example.dk/v1", False),
        ("http://localhost.example.dk/v1", False),
        ("http://127.0.0.1.example.dk/v1", False),
        ("http://10.0.0.1/v1", False),
        ("HTTP://api.example.dk/v1", False),
    ],
)
def test_a_key_is_never_sent_readable_over_the_net(base, sent):
    assert Transport(base=base).base == base
    if sent:
        assert Transport(base=base, secret=KEY).secret == KEY
        return
    with pytest.raises(SpecificationError, match="give an address that begins with https") as caught:
        Transport(base=base, secret=KEY)
    assert KEY not in str(caught.value)


def test_words_of_a_service_hold_nothing_that_a_terminal_obeys():
    assert clean("Ærø 5\xa0%, 1.000–2.000") == "Ærø 5\xa0%, 1.000–2.000"
    assert clean("\x1b]0;x\x07a\r\nb\u2028c\x9bd") == " ]0;x a  b c d"
    assert clean("\ud800a\u202eb\u2066") == "\ufffdab"
    body = b'{"errorTypeCode": "A\\u001b[2J", "message": "nej\\u001b[31m\\ud800"}'
    assert own_words(body, "") == ("A [2J", "nej [31m\ufffd")
    assert own_words(b"<p>&#27;[2Jnej</p>", "text/html") == (None, "[2Jnej")


def test_an_error_of_a_service_can_be_printed(bank):
    bank.faults.append(Fault(status=400, body=b'{"message": "\\u001b[2J\\udfff"}'))
    with pytest.raises(ServiceError) as caught:
        quick(bank).post("tableinfo", BODY)
    str(caught.value).encode()
    assert str(caught.value).isprintable()


def test_a_description_holds_texts_that_can_be_printed_and_codes_that_can_be_sent():
    from benchmodels.datasets.services.tableinfo import read_tableinfo

    def told(**parts):
        value = {"id": "2020", "text": "\ud800 2020"} | parts.pop("value", {})
        variable = {"id": "Tid", "text": "tid\x1b[2J", "time": True, "values": [value]} | parts.pop("variable", {})
        return json.dumps(
            {"id": "T", "text": "\x1b]0;x\x07Folketal", "unit": "Antal\n", "variables": [variable]} | parts
        )

    info = read_tableinfo(told())
    assert (info.text, info.unit) == (" ]0;x Folketal", "Antal ")
    assert info.variables["Tid"].text == "tid [2J"
    assert info.variables["Tid"].values == {"2020": "\ufffd 2020"}
    for parts in ({"id": "T\x1b"}, {"variable": {"id": "T\nid"}}, {"value": {"id": "\udfff"}}):
        with pytest.raises(DataError, match="with characters that no code has") as caught:
            read_tableinfo(told(**parts))
        assert str(caught.value).isprintable()


def test_the_key_is_sent_and_never_said(bank, caplog, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    caplog.set_level(logging.DEBUG)
    talk = quick(bank, secret=KEY, headers={"X-Extra": KEY}, retries=0)
    talk.post("tableinfo", BODY)
    assert bank.seen_headers[-1]["Authorization"] == f"Bearer {KEY}"
    quick(bank).post("tableinfo", BODY)
    assert "Authorization" not in bank.seen_headers[-1]
    assert KEY not in repr(talk)
    echo = json.dumps({"message": f"Bearer {KEY} er udløbet", "code": KEY}).encode()
    for fault in (
        Fault(status=401, body=echo),
        Fault(status=500, body=f"<html>{KEY}</html>".encode()),
        Fault(status=302, headers={"Location": f"http://{KEY}.example/x"}),
        Fault(body=KEY.encode()),
        Fault(body=b"0" * 65_530 + KEY.encode() + b"1" * 70_000),
    ):
        bank.faults.append(fault)
        with pytest.raises(BenchmodelsError) as caught:
            talk.post("tableinfo", BODY, to=tmp_path / "kept")
        said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
        assert KEY not in said
        assert not (tmp_path / "kept").exists()
    with pytest.raises(SpecificationError, match="part of the question") as caught:
        talk.post("tableinfo", {"key": KEY})
    assert KEY not in str(caught.value) and KEY not in caplog.text


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "æøå-æøå", "abc"])
def test_a_key_that_cannot_be_sent_is_not_shown(key):
    with pytest.raises(SpecificationError) as caught:
        Transport(base="https://a.example", secret=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "base",
    ["", "ftp://a.example", "a.example", "http://", "https://u:p@a.example", "http://a.example?x=1", "http://a:nix/",
     "http://a\nb.example", "http://[::1", "http://a.example#x"],
)  # fmt: skip
def test_an_address_that_cannot_be_asked(base):
    with pytest.raises(SpecificationError):
        Transport(base=base)


def test_numbers_that_cannot_be():
    for options in ({"retries": -1}, {"deadline": 0}, {"timeout": (float("nan"), 1.0)}, {"most_bytes": 0}):
        with pytest.raises(SpecificationError):
            Transport(base="https://a.example", **options)


def test_what_is_no_json_is_not_sent(bank):
    before = len(bank.asked)
    for body in ({"x": float("nan")}, {"x": object()}, {"x": {1, 2}}):
        with pytest.raises(SpecificationError):
            quick(bank).post("tableinfo", body)
    assert len(bank.asked) == before


def test_get_puts_the_question_in_the_address(bank):
    quick(bank).get("subjects", {"lang": "da", "q": "Ærø & co"})
    assert bank.asked[-1][0] == "/v1/subjects?lang=da&q=%C3%86r%C3%B8+%26+co"


def test_text_is_read_as_what_it_is():
    for content, header in (
        ("Ærø".encode(), "text/csv; charset=iso-8859-1"),
        ("\ufeffÆrø".encode(), ""),
        ("Ærø".encode("latin-1"), "text/csv; charset=utf-8"),
        ("Ærø".encode("latin-1"), "text/csv; charset=nix"),
        ("Ærø".encode("utf-16"), ""),
    ):
        assert decode(content, header) == "Ærø", (content, header)
    assert decode("5 €".encode("cp1252")) == "5 €"
    for content in (b"\x81\x8d\xff", b"a\x00b", b"\xff\xfe\x00"):
        with pytest.raises(DataError, match="not text"):
            decode(content, "text/csv; charset=unicode_escape")


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b'{"errorTypeCode": "REQUEST-LIMIT", "message": "for mange"}', "REQUEST-LIMIT", "for mange"),
        (b"<Error><errorTypeCode>X-Y</errorTypeCode><message>nej &amp; nej</message></Error>", "X-Y", "nej & nej"),
        (b"<html><style>p{}</style><h1>503</h1>\n<p>Lukket</p></html>", None, "503 Lukket"),
        (b'"kun en tekst"', None, "kun en tekst"),
        (b"[1, 2]", None, "[1, 2]"),
        (b"", None, ""),
        (b"\x81\x00", None, ""),
        (b"[" * 100_000, None, "[" * 100_000),
    ],
)
def test_the_services_own_words(content, code, words):
    assert own_words(content, "") == (code, words)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot write"), whole_file(tmp_path / "file" / "below"):
        pass
    with pytest.raises(KeyError), whole_file(tmp_path / "new"):
        raise KeyError("x")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_an_answer_reads_its_content():
    assert Answer(url="", status=200, headers={}).read() == b""
    assert "content" not in repr(Answer(url="", status=200, headers={}, content=b"content"))


def test_without_the_library_it_says_what_to_install(bank, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(SpecificationError, match=r"benchmodels\[data\]"):
        quick(bank).post("tableinfo", BODY)
