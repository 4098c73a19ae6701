"""Small parts of a talk over the net: addresses, waiting, unpacking, and an end to patience."""

from __future__ import annotations

import ipaddress
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from benchmodels.errors import DataError, SpecificationError

__all__ = ["check_address", "closing", "port_of", "requests_library", "unheard", "unpacked", "wait_asked", "within"]

PIECE = 1 << 16


def requests_library() -> Any:
    """Return the library `requests`, or raise a `SpecificationError` that says how to get it."""
    try:
        return import_module("requests")
    except ImportError:
        raise SpecificationError(
            "open data are fetched with the library requests, which is not installed: pip install 'benchmodels[data]'"
        ) from None


def within(end: float, send: Callable[[], Any], too_late: Callable[[], DataError]) -> Any:
    """Call `send` in a thread that is left behind at `end`: a server may drip its headers slower than any timeout."""
    outcome: list[Any] = []
    left_behind = threading.Event()

    def call() -> None:
        try:
            response = send()
        except BaseException as error:
            outcome.append(error)
            return
        outcome.append(response)
        if left_behind.is_set():
            response.close()

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(max(0.0, end - time.monotonic()))
    if not outcome:
        left_behind.set()
        raise too_late()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@contextmanager
def closing(response: Any) -> Iterator[None]:
    """Close the response after the block, however it ends."""
    try:
        yield
    finally:
        response.close()


def unpacked(unpack: Any, piece: bytes) -> Iterator[bytes]:
    """Unpack in bounded parts, so that a small packed answer cannot fill the memory."""
    while piece and not unpack.eof:
        part = unpack.decompress(piece, PIECE)
        if part:
            yield part
        piece = unpack.unconsumed_tail


def wait_asked(said: str) -> float | None:
    """Seconds that a Retry-After header asks for, or None when it cannot be read."""
    if re.fullmatch(r"\d{1,9}", said.strip()):
        return float(said)
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(said)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def check_address(base: str) -> None:
    """Raise a `SpecificationError` unless `base` is an http address that carries no password."""
    with suppress(ValueError):
        parts = urlsplit(base)
        if parts.username is not None or parts.password is not None:
            raise SpecificationError("an address of a service holds no user name or password; give the key as secret")
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        if usable and port_of(parts.netloc, parts.scheme) and not re.search(r"[\s\x00-\x1f]", base):
            return
    raise SpecificationError(
        f"{base!r:.200} is no address of a service; allowed is https://host/path (or http for tests)"
    )


def port_of(netloc: str, scheme: str) -> int:
    """Return the port of an address, the usual one when it names none; raise a ValueError when it is no number."""
    return urlsplit(f"//{netloc}").port or (443 if scheme == "https" else 80)


def unheard(base: str) -> bool:
    """Return whether nobody on the way can read what is sent there: https, or a name of this machine itself."""
    parts = urlsplit(base)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    return False
