"""Questions put to an open-data service over the net: one whole answer, or one clear error."""

from __future__ import annotations

import json
import random
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal, NoReturn
from urllib.parse import quote, urljoin, urlsplit

from benchmodels.datasets.services.answer import Answer, ServiceError, clean, decode, own_words, whole_file
from benchmodels.datasets.services.wire import (
    PIECE,
    check_address,
    closing,
    port_of,
    requests_library,
    unheard,
    unpacked,
    wait_asked,
    within,
)
from benchmodels.errors import DataError, SpecificationError

__all__ = ["Answer", "ServiceError", "Transport", "decode"]

# Statuses that mean "not now": everything else in 4xx and 5xx is an answer that a second try will not change.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT_HEADERS = frozenset({"content-type", "content-disposition", "date", "etag", "last-modified"})
_WORDS = 500
_ERROR_BYTES = 65_536
_LONGEST_WAIT = 120.0
_MOST_REDIRECTS = 3

Method = Literal["GET", "POST"]


class _Passing(Exception):
    """A failure that a new try may heal; never leaves this module."""

    def __init__(self, error: ServiceError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Transport:
    """How one service is asked: where, how long, how often, how much, and as whom.

    Parameters
    ----------
    base : str
        Address that every path is put after, as ``"https://api.statbank.dk/v1"``.
    timeout : tuple of two floats
        Seconds to connect, and between two bytes.
    deadline : float
        Seconds for one whole answer, from the question to the last byte: a server that drips cannot hold us for ever.
    retries : int
        Tries after the first, when the connection fails, the answer is cut or the status means "not now".
    backoff : float
        Seconds before the second try, doubled each time, times a random number between 1/2 and 1. A ``Retry-After`` of
        up to 120 seconds is obeyed instead; a longer one is said in the error.
    most_bytes : int
        The most bytes of one unpacked answer.
    headers : mapping of str to str
        Sent with every question; never shown.
    secret : str or None
        Bearer token; sent to `base` only, never shown, logged or kept, and taken out of every message.

    Raises
    ------
    SpecificationError
        An address, number or secret that cannot be used; the library `requests` is missing.
    ServiceError
        The service did not give a whole answer.

    Notes
    -----
    A redirect is followed within the same host and port only (or from http to https on their usual ports), never from
    https to http. A key is sent by https only, but to this machine. Only gzip is asked for, and a packed
    answer that ends before its own end mark is an error, as is one shorter than its ``Content-Length``.
    """

    base: str
    timeout: tuple[float, float] = (10.0, 60.0)
    deadline: float = 600.0
    retries: int = 4
    backoff: float = 0.5
    most_bytes: int = 2_000_000_000
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_address(self.base)
        if self.secret is not None and not re.fullmatch(r"[\x21-\x7e]{4,}", self.secret):
            raise SpecificationError(
                "the key is not one that can be sent: at least 4 visible ASCII characters without spaces are allowed; "
                "copy it again (it is not shown here)"
            )
        if self.secret is not None and not unheard(self.base):
            raise SpecificationError(
                f"{self.base!r:.200} would carry the key readable over the net; give an address that begins with https "
                "(http is for this machine alone)"
            )
        numbers = (*self.timeout, self.deadline, self.backoff, float(self.retries), float(self.most_bytes))
        if any(not number >= 0 for number in numbers) or not self.deadline > 0 or not self.most_bytes > 0:
            raise SpecificationError(
                "timeout, deadline, backoff, retries and most_bytes of a transport are not negative"
            )
        object.__setattr__(self, "base", self.base.rstrip("/"))

    def post(
        self, path: str, body: Mapping[str, object], *, to: Path | None = None, limit: int | None = None
    ) -> Answer:
        """Send `body` as JSON and return the whole answer.

        Parameters
        ----------
        path : str
            After the base, as ``"tableinfo"``.
        body : mapping
            What can be written as JSON.
        to : Path or None
            File that is to hold the content; it appears only when the answer is whole. None keeps it in memory.
        limit : int or None
            The most bytes of this answer, if fewer than `most_bytes`.
        """
        try:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise SpecificationError(f"the question to {path!r} cannot be written as JSON: {error}") from None
        return self._ask("POST", path, content, {}, to, limit)

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, to: Path | None = None, limit: int | None = None
    ) -> Answer:
        """Ask with an address only; parameters as in `post`."""
        return self._ask("GET", path, None, dict(query or {}), to, limit)

    def scrub(self, text: str) -> str:
        """Return `text` without the secret in any of the forms a library or a server may write it in."""
        if self.secret is None:
            return text
        forms = {self.secret, quote(self.secret), quote(self.secret, safe=""), json.dumps(self.secret)[1:-1]}
        return re.sub("|".join(map(re.escape, forms)), "***", text, flags=re.IGNORECASE)

    def _error(
        self, message: str, *, status: int | None = None, code: str | None = None, words: str = ""
    ) -> ServiceError:
        """Every error of this class is made here, so that none can hold the secret."""
        code = code if code is None else self.scrub(code)
        return ServiceError(clean(self.scrub(message)), status=status, code=code, words=self.scrub(words))

    def _ask(
        self,
        method: Method,
        path: str,
        content: bytes | None,
        query: dict[str, str],
        to: Path | None,
        limit: int | None,
    ) -> Answer:
        if self.secret is not None and self.secret.encode() in (content or b"") + path.encode():
            raise SpecificationError("the key is part of the question itself; it belongs in the key only")
        most = self.most_bytes if limit is None else min(limit, self.most_bytes)
        for attempt in range(self.retries + 1):
            try:
                return self._once(method, path, content, query, to, most)
            except _Passing as passing:
                if attempt == self.retries:
                    raise self._final(passing.error, attempt + 1) from None
                wait = passing.wait
            time.sleep(self.backoff * 2**attempt * random.uniform(0.5, 1.0) if wait is None else wait)
        raise AssertionError("a loop over at least one try has returned or raised")  # pragma: no cover

    def _final(self, error: ServiceError, tries: int) -> ServiceError:
        if tries == 1:
            return error
        return self._error(f"{error} ({tries} tries)", status=error.status, code=error.code, words=error.words)

    def _once(
        self, method: Method, path: str, content: bytes | None, query: dict[str, str], to: Path | None, most: int
    ) -> Answer:
        end = time.monotonic() + self.deadline
        address = f"{self.base}/{quote(path.lstrip('/'), safe='/')}"
        requests = requests_library()
        with requests.Session() as session, self._said(address):
            session.auth = self._sign
            for _ in range(_MOST_REDIRECTS + 1):
                response = self._send(session, method, address, content, query, end)
                with closing(response):
                    if response.status_code not in _REDIRECTS:
                        return self._receive(response, address, to, most, end)
                    address = self._redirected(response, method, address)
                    query = {}
        raise self._error(f"{self.base} sent us on more than {_MOST_REDIRECTS} times; the last address was {address}")

    def _sign(self, request: Any) -> Any:
        # Given as `auth`, so that no password of a netrc file is ever put in its place.
        if self.secret is not None:
            request.headers["Authorization"] = f"Bearer {self.secret}"
        return request

    def _send(
        self,
        session: Any,
        method: Method,
        address: str,
        content: bytes | None,
        query: dict[str, str],
        end: float,
    ) -> Any:
        headers = {"Accept-Encoding": "gzip", "User-Agent": "benchmodels", **self.headers}
        if content is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"

        def send() -> Any:
            return session.request(
                method,
                address,
                data=content,
                params=query,
                headers=headers,
                timeout=self.timeout,
                stream=True,
                allow_redirects=False,
            )

        return within(end, send, lambda: self._too_late(address))

    def _too_late(self, address: str) -> ServiceError:
        return self._error(
            f"{address} has not given a whole answer in {self.deadline:g} seconds; ask for less, or allow "
            "a longer deadline"
        )

    def _redirected(self, response: Any, method: Method, address: str) -> str:
        target = urljoin(address, str(response.headers.get("Location", "")))
        old, new = urlsplit(address), urlsplit(target)
        same = (old.hostname, port_of(old.netloc, old.scheme)) == (new.hostname, port_of(new.netloc, new.scheme))
        usual = (port_of(old.netloc, old.scheme), port_of(new.netloc, new.scheme)) == (80, 443)
        upgraded = usual and old.hostname == new.hostname and (old.scheme, new.scheme) == ("http", "https")
        if not (same or upgraded) or (old.scheme, new.scheme) == ("https", "http") or new.username is not None:
            place = f"{new.scheme}://{new.netloc.rpartition('@')[2]}"
            raise self._error(
                f"{address} sends us on to another host or port, {place}; nothing was sent there: if the "
                "service has moved, give the new address as base",
                status=response.status_code,
            )
        if method == "POST" and response.status_code not in (307, 308):
            raise self._error(
                f"{address} answers a question with a redirect (status {response.status_code}) that would "
                "drop the question; give the new address as base",
                status=response.status_code,
            )
        return target

    def _receive(self, response: Any, address: str, to: Path | None, most: int, end: float) -> Answer:
        if response.status_code != 200:
            self._refused(response, address, end)
        pieces = self._pieces(response, address, most, end)
        headers = {
            name.lower(): self.scrub(value) for name, value in response.headers.items() if name.lower() in _KEPT_HEADERS
        }
        url, status = self.scrub(address), response.status_code
        told = {name.lower() for name in response.headers}
        whole = bool(told & {"content-length", "transfer-encoding", "content-encoding"})
        if to is None:
            memory = BytesIO()
            self._pour(pieces, memory, address)
            return Answer(url=url, status=status, headers=headers, content=memory.getvalue(), whole=whole)
        with whole_file(to) as file:
            self._pour(pieces, file, address)
        return Answer(url=url, status=status, headers=headers, path=to, whole=whole)

    def _pour(self, pieces: Iterator[bytes], file: IO[bytes], address: str) -> None:
        key = (self.secret or "").encode()
        tail = b""
        for piece in pieces:
            if key:
                tail = tail[-len(key) :] + piece
                if key in tail:
                    raise self._error(f"the answer of {address} holds the key it was asked with; it is not kept")
            file.write(piece)

    def _pieces(self, response: Any, address: str, most: int, end: float) -> Iterator[bytes]:
        """Yield the unpacked content, and raise when it is cut, too long or too late."""
        packed = response.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
        if packed not in ("gzip", "x-gzip", "identity"):
            raise self._error(f"{address} answers packed as {self.scrub(packed)[:40]!r}; only gzip was asked for")
        unpack = None if packed == "identity" else zlib.decompressobj(wbits=31)
        total = 0
        for piece in self._raw(response, address, end):
            for part in [piece] if unpack is None else unpacked(unpack, piece):
                total += len(part)
                if total > most:
                    raise self._error(
                        f"the answer of {address} is longer than the {most:,} bytes allowed; ask for less"
                    )
                yield part
        if unpack is not None and not unpack.eof:
            raise _Passing(self._error(f"the packed answer of {address} is cut before its end"))

    def _raw(self, response: Any, address: str, end: float) -> Iterator[bytes]:
        declared = response.headers.get("Content-Length", "")
        read = 0
        while True:
            if time.monotonic() > end:
                raise self._too_late(address)
            piece = response.raw.read1(PIECE, decode_content=False)
            if not piece:
                break
            read += len(piece)
            yield piece
        if declared.isdecimal() and read != int(declared):
            raise _Passing(self._error(f"the answer of {address} is cut: {read} bytes of {declared} have come"))

    def _refused(self, response: Any, address: str, end: float) -> NoReturn:
        content = b""
        with suppress(_Passing, ServiceError, zlib.error):
            for piece in self._pieces(response, address, _ERROR_BYTES, end):
                content += piece
        code, words = own_words(content, response.headers.get("Content-Type", ""))
        words = self.scrub(words)[:_WORDS]
        status = response.status_code
        said = f"; it says: {words}" if words else ", and says nothing more"
        hint = {401: "; is the key right?", 403: "; is the key right?", 429: "; wait, and ask for less at a time"}
        error = self._error(
            f"{address} refuses with status {status}{f' ({code})' if code else ''}{said}{hint.get(status, '')}",
            status=status,
            code=code if code else None,
            words=words,
        )
        if status not in _PASSING or code == "REQUEST-LIMIT":
            raise error
        wait = wait_asked(response.headers.get("Retry-After", ""))
        if wait is not None and wait > _LONGEST_WAIT:
            raise self._error(f"{error}; it asks us to come back in {wait:.0f} seconds", status=status, words=words)
        raise _Passing(error, wait)

    @contextmanager
    def _said(self, address: str) -> Iterator[None]:
        """Turn every error of the libraries below into ours; the chain is cut, since theirs may hold the headers."""
        from urllib3.exceptions import HTTPError

        requests = requests_library()
        try:
            yield
        except (
            requests.exceptions.SSLError,
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
        ) as error:
            raise self._error(f"no safe connection to {address}: {type(error).__name__}") from None
        except zlib.error:
            raise _Passing(self._error(f"the packed answer of {address} is damaged")) from None
        except (requests.exceptions.RequestException, HTTPError, ConnectionError, TimeoutError) as error:
            reason = f"{type(error).__name__}: {self.scrub(str(error))[:200]}"
            raise _Passing(
                self._error(f"no whole answer from {address} ({reason}); is the net there, and is the service up?")
            ) from None
        except (ValueError, OSError) as error:
            if isinstance(error, DataError | SpecificationError):
                raise
            raise self._error(f"no whole answer from {address}: {self.scrub(str(error))[:200]}") from None
