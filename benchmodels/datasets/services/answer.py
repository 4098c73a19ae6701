"""The answer of an open-data service: its bytes, its text, the service's own words when it says no."""

from __future__ import annotations

import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import IO

from benchmodels.errors import DataError

__all__ = ["Answer", "ServiceError", "clean", "decode", "own_words", "whole_file"]

# Codecs that a header may name; Python knows others that run escapes or unpack archives.
_CODECS = frozenset({"utf-8", "iso-8859-1", "iso-8859-15", "latin-1", "windows-1252", "cp1252", "utf-16", "us-ascii"})
# Classes of the marks that turn the direction of writing.
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


class ServiceError(DataError):
    """The service said no, or said nothing that can be used.

    Attributes
    ----------
    status : int or None
        HTTP status of the answer; None when there was none.
    code : str or None
        The service's own code of the error, as ``"REQUEST-LIMIT"``.
    words : str
        The service's own words, cut to 500 characters, without markup and without any secret.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None, words: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.words = words


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One whole answer of a service.

    Parameters
    ----------
    url : str
        Where it came from, without any secret.
    status : int
        HTTP status, always 200: a part (206) or a promise (202) is no answer.
    headers : mapping of str to str
        Lower-case names; only those that describe the content.
    content : bytes or None
        The unpacked content, or None when it lies in `path`.
    path : Path or None
        The file that holds the content.
    whole : bool
        Whether its length was proven, by ``Content-Length``, chunks or packing. False when only the end of the
        connection ended it: the reader must then see by the content that nothing is missing.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes | None = field(default=None, repr=False)
    path: Path | None = None
    whole: bool = True

    @property
    def content_type(self) -> str:
        """The content type as the service gave it, or an empty text."""
        return self.headers.get("content-type", "")

    def read(self) -> bytes:
        """Return the whole content."""
        if self.content is not None:
            return self.content
        if self.path is None:
            return b""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read the answer kept in {self.path}: {error.strerror}") from None

    def text(self) -> str:
        """Return the content as text; see `decode`."""
        return decode(self.read(), self.content_type)


def decode(content: bytes, content_type: str = "") -> str:
    r"""Turn bytes into text: UTF-8 when they are, then what the header says, then Windows-1252.

    Parameters
    ----------
    content : bytes
        With or without a byte order mark.
    content_type : str
        The header, as ``"text/csv; charset=iso-8859-1"``; a wrong one does no harm to UTF-8.

    Returns
    -------
    str
        Without the byte order mark.

    Raises
    ------
    DataError
        The bytes are no text in any of the three.

    Examples
    --------
    >>> decode("Ærø".encode()), decode("Ærø".encode("cp1252"), "text/csv; charset=utf-8")
    ('Ærø', 'Ærø')
    """
    named = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type, re.IGNORECASE)
    tries = ["utf-8-sig"]
    if named and named.group(1).lower() in _CODECS:
        tries.append(named.group(1).lower())
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        tries.append("utf-16")
    for codec in [*tries, "cp1252"]:
        with suppress(UnicodeError):
            text = content.decode(codec)
            if "\x00" not in text:
                return text.removeprefix("\ufeff")
    raise DataError(
        f"an answer of {len(content)} bytes is not text: neither UTF-8, nor what its header says "
        f"({content_type or 'no content type'}), nor Windows-1252; it may be damaged: ask again"
    )


def clean(text: str) -> str:
    r"""Return a text of a service on one line, without what a terminal would obey or no file can hold.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Control characters and line ends are spaces, half characters (lone surrogates) are U+FFFD, and marks that turn
        the direction of writing are gone.

    Examples
    --------
    >>> clean("\x1b[2JÆrø\ud800")
    ' [2JÆrø\ufffd'
    """
    if text.isprintable():
        return text
    return "".join(map(_harmless, text))


def _harmless(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    if kind == "Cs":
        return "\ufffd"
    return "" if unicodedata.bidirectional(letter) in _TURNS else letter


def own_words(content: bytes, content_type: str) -> tuple[str | None, str]:
    """Return the code and the words of an error body in JSON, XML, HTML or plain text.

    Parameters
    ----------
    content : bytes
        What came with the error.
    content_type : str
        Its header.

    Returns
    -------
    tuple
        The service's code, or None, and its words on one line without markup.

    Examples
    --------
    >>> own_words(b'{"errorTypeCode": "REQUEST-LIMIT", "message": "for mange celler"}', "text/json")
    ('REQUEST-LIMIT', 'for mange celler')
    """
    try:
        text = decode(content, content_type)
    except DataError:
        return None, ""
    code = None
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, str):
            text = found
        elif isinstance(found, dict):
            named = {str(name).lower(): value for name, value in found.items()}
            first = [named[name] for name in ("errortypecode", "code", "error") if isinstance(named.get(name), str)]
            code = first[0] if first else None
            said = [
                named[name] for name in ("message", "detail", "title", "besked") if isinstance(named.get(name), str)
            ]
            text = said[0] if said else text
    tagged = re.search(r"<(?:\w+:)?errorTypeCode>\s*([^<]{1,100}?)\s*<", text, re.IGNORECASE)
    words = re.search(r"<(?:\w+:)?message>([^<]*)<", text, re.IGNORECASE)
    if tagged:
        code, text = tagged.group(1), words.group(1) if words else text
    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>", " ", text)
    return code and clean(code[:100]), " ".join(clean(unescape(text)).split())


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` and put it in its place only when the block ends well.

    Parameters
    ----------
    path : Path
        The file to be; its folder is made. Two processes that write the same file do not disturb each other.

    Yields
    ------
    file
        Open for bytes.

    Raises
    ------
    DataError
        The folder or the file cannot be written.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        part = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        part = None
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError) or error.strerror is None:
            raise
        raise DataError(f"cannot write {path}: {error.strerror}") from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
