"""Answers of open-data services kept on disk, each with where it came from and the hash of its content."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from benchmodels.datasets.services.answer import Answer, whole_file
from benchmodels.datasets.services.transport import Method, Transport
from benchmodels.errors import DataError, SpecificationError

__all__ = ["Cache", "Entry", "NotKeptError", "request_key"]

T = TypeVar("T")

_PIECE = 1 << 20
_STALE = 86_400.0
_YES = frozenset({"1", "true", "yes", "ja"})
_NO = frozenset({"", "0", "false", "no", "nej"})


class NotKeptError(DataError):
    """We are offline, and the answer is not in the cache or no longer whole."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of one kept answer.

    Parameters
    ----------
    key : str
        Hash of the question; see `request_key`.
    url : str
        Address that was asked, without any secret.
    request : mapping
        The question as it was sent.
    retrieved : str
        When, as ISO 8601 in UTC to the second.
    sha256 : str
        Hash of the content.
    bytes : int
        Size of the content.
    content_type : str
        As the service gave it.
    licence : str
        Licence of the content, as the client knows it.
    path : str
        File of the content, relative to the cache.
    """

    key: str
    url: str
    request: Mapping[str, object]
    retrieved: str
    sha256: str
    bytes: int
    content_type: str
    licence: str
    path: str


def request_key(base: str, path: str, body: Mapping[str, object], *, method: Method = "POST") -> str:
    """Return the hash by which an answer is found again.

    Parameters
    ----------
    base, path : str
        Address of the service, and what follows it.
    body : mapping
        The question; the order of its names does not matter, the order in its lists does.
    method : {"POST", "GET"}
        How it is asked.

    Returns
    -------
    str
        64 hexadecimal digits; no secret goes into it.

    Raises
    ------
    SpecificationError
        The question cannot be written as JSON.

    Examples
    --------
    >>> request_key("http://a", "data", {"x": 1, "y": 2}) == request_key("http://a/", "/data", {"y": 2, "x": 1})
    True
    """
    try:
        words = [method, base.rstrip("/"), path.strip("/"), body]
        canonical = json.dumps(words, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecificationError(f"the question to {path!r} cannot be written as JSON: {error}") from None


@dataclass(frozen=True)
class Cache:
    """A folder of kept answers.

    Parameters
    ----------
    folder : Path or None
        Where; None: the environment variable ``BENCHMODELS_CACHE``, else the user's cache folder of this system.
    offline : bool
        Answer only from the folder; also when the environment variable ``BENCHMODELS_OFFLINE`` is 1.

    Notes
    -----
    The content lies in a file named by its own hash and the record of it in another; both are put in place whole. A
    second process sees the old answer or the new one, never a mixture, and a newer answer does not overwrite an older
    content. What is damaged is found by its hash and fetched again.

    Examples
    --------
    >>> Cache(Path("data"), offline=True).is_offline
    True
    """

    folder: Path | None = None
    offline: bool = False

    @property
    def is_offline(self) -> bool:
        """Whether nothing may be fetched, by the argument or the environment."""
        said = os.environ.get("BENCHMODELS_OFFLINE", "").strip().lower()
        if said not in _YES | _NO:
            raise SpecificationError(f"BENCHMODELS_OFFLINE is {said!r:.40}; allowed are 1 and 0")
        return self.offline or said in _YES

    @property
    def place(self) -> Path:
        """The folder in use."""
        if self.folder is not None:
            return Path(self.folder)
        named = os.environ.get("BENCHMODELS_CACHE", "").strip()
        if named:
            return Path(named).expanduser()
        import platformdirs

        return Path(platformdirs.user_cache_dir("benchmodels", appauthor=False))

    def fetch(
        self,
        transport: Transport,
        path: str,
        body: Mapping[str, object],
        *,
        read: Callable[[Answer], T],
        licence: str,
        method: Method = "POST",
        refresh: bool = False,
        limit: int | None = None,
    ) -> tuple[T, Entry]:
        """Return what `read` makes of the answer, kept or fetched.

        Parameters
        ----------
        transport : Transport
            How the service is asked.
        path : str
            After the address of the service.
        body : mapping
            The question: JSON of a POST, or the query of a GET (texts only).
        read : callable
            Makes the object wanted from an `Answer`, and raises a `DataError` when the answer is not what was asked
            for: such an answer is never kept, and a kept one that can no longer be read is fetched again.
        licence : str
            Written beside the content.
        method : {"POST", "GET"}
            How it is asked.
        refresh : bool
            Fetch again though it is kept; what is kept stays when that fails.
        limit : int or None
            The most bytes of the answer.

        Returns
        -------
        tuple
            What `read` returned, and the `Entry`.

        Raises
        ------
        NotKeptError
            Offline and not kept, or damaged.
        DataError
            The folder cannot be written; what `read` raises.
        ServiceError
            The service gave no whole answer.
        """
        key = request_key(transport.base, path, body, method=method)
        trouble, offline = "it is not in the cache", self.is_offline
        if not refresh or offline:
            try:
                kept = self._kept(key)
                if kept is not None:
                    return read(self._answer(kept)), kept
            except DataError as error:
                trouble = f"what the cache holds cannot be used ({error})"
        if offline:
            raise NotKeptError(
                f"{transport.base}/{path} is not asked, since we are offline, and {trouble}. Ask once while online "
                f"(without offline and BENCHMODELS_OFFLINE), or put the cache of another machine in {self.place} "
                f"(BENCHMODELS_CACHE names another folder). The question is {_short(body)}"
            )
        return self._fetched(transport, key, path, body, read=read, licence=licence, method=method, limit=limit)

    def _fetched(
        self,
        transport: Transport,
        key: str,
        path: str,
        body: Mapping[str, object],
        *,
        read: Callable[[Answer], T],
        licence: str,
        method: Method,
        limit: int | None,
    ) -> tuple[T, Entry]:
        home = self.place / key[:2] / key
        part = self._part(home)
        try:
            if method == "POST":
                answer = transport.post(path, body, to=part, limit=limit)
            else:
                query = {name: str(value) for name, value in body.items()}
                answer = transport.get(path, query, to=part, limit=limit)
            made = read(answer)
            digest, size = _digest(part)
            entry = Entry(
                key=key,
                url=answer.url,
                request=dict(body),
                retrieved=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                sha256=digest,
                bytes=size,
                content_type=answer.content_type,
                licence=licence,
                path=f"{key[:2]}/{key}/{digest}",
            )
            try:
                part.replace(home / digest)
            except OSError as error:
                raise DataError(f"cannot keep the answer in {home}: {error.strerror}") from None
        finally:
            part.unlink(missing_ok=True)
        with whole_file(home / "entry.json") as file:
            file.write(json.dumps(asdict(entry), ensure_ascii=False, indent=1).encode())
        return made, entry

    def _part(self, home: Path) -> Path:
        try:
            home.mkdir(parents=True, exist_ok=True)
            for old in home.glob(".part-*"):
                # What a killed process left behind; a day is longer than any answer may take.
                with suppress(OSError):
                    if time.time() - old.stat().st_mtime > _STALE:
                        old.unlink()
            handle, name = tempfile.mkstemp(prefix=".part-", dir=home)
            os.close(handle)
        except OSError as error:
            raise DataError(
                f"the cache {self.place} cannot be written ({error.strerror}); BENCHMODELS_CACHE names another folder"
            ) from None
        return Path(name)

    def _kept(self, key: str) -> Entry | None:
        """Return the record of a kept answer whose content is whole; None when nothing is kept."""
        home = self.place / key[:2] / key
        try:
            words = json.loads((home / "entry.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"the record {home / 'entry.json'} cannot be read: {type(error).__name__}") from None
        entry = _entry(words, key)
        if entry is None:
            raise DataError(f"the record {home / 'entry.json'} does not describe an answer to this question")
        if _digest(self.place / entry.path) != (entry.sha256, entry.bytes):
            raise DataError(f"the content {self.place / entry.path} is damaged: its hash is not the one on record")
        return entry

    def _answer(self, entry: Entry) -> Answer:
        headers = {"content-type": entry.content_type}
        return Answer(url=entry.url, status=200, headers=headers, path=self.place / entry.path)


def _entry(words: object, key: str) -> Entry | None:
    names = {one.name for one in fields(Entry)}
    if not isinstance(words, dict) or set(words) != names or words["key"] != key:
        return None
    texts = names - {"bytes", "request"}
    whole = all(isinstance(words[name], str) for name in texts) and isinstance(words["request"], dict)
    # The place of the content follows from the hashes: a record is not to lead us to any other file.
    if not whole or type(words["bytes"]) is not int or words["path"] != f"{key[:2]}/{key}/{words['sha256']}":
        return None
    if len(words["sha256"]) != 64 or not set(words["sha256"]) <= set("0123456789abcdef"):
        return None
    return Entry(**words)


def _digest(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise DataError(f"the content {path} cannot be read: {error.strerror}") from None
    return digest.hexdigest(), size


def _short(body: Mapping[str, object]) -> str:
    words = json.dumps(body, ensure_ascii=False)
    return words if len(words) <= 300 else f"{words[:300]} …"
