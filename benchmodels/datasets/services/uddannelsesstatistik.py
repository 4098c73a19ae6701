"""Figures from Uddannelsesstatistik.dk, with what is left out said."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import pandas as pd

from benchmodels.datasets.services.answer import Answer, ServiceError
from benchmodels.datasets.services.cache import Cache, Entry
from benchmodels.datasets.services.transport import Transport
from benchmodels.datasets.services.uddannelsesstatistik_answers import (
    Cube,
    Page,
    complete,
    nearest,
    page_of,
    read_cube,
    read_names,
    reader,
    table_of,
)
from benchmodels.errors import DataError, SpecificationError

__all__ = ["BASE", "KEY_VARIABLE", "URL_VARIABLE", "Cube", "Uddannelsesstatistik", "complete"]

BASE = "https://api.uddannelsesstatistik.dk/Api/v1"
"""Address of the service."""

KEY_VARIABLE = "BENCHMODELS_UDDANNELSESSTATISTIK_KEY"
"""Environment variable that holds the key; there is no other way to give it."""

URL_VARIABLE = "BENCHMODELS_UDDANNELSESSTATISTIK_URL"
"""Environment variable of another address, for tests and mirrors."""

LICENCE = "Free reuse, also commercial, with attribution: Kilde: Uddannelsesstatistik.dk and the date of retrieval"
SUPPRESSED = (
    "Cells of fewer than 3 observations (fewer than 5 pupils for well-being and the socio-economic reference) are left "
    "out of the answer by the service, not shown as missing; complete() puts their rows back without values"
)

T = TypeVar("T")

_OFFICIAL = "api.uddannelsesstatistik.dk"
_LARGEST_PAGE = 100_000
_MOST_PAGES = 1_000
# How a service refuses a page that it does not have; all else may pass.
_REFUSALS = frozenset({400, 404, 416, 422, 500})
# Pages read further apart than this may be of two versions of the data.
_ONE_READING = timedelta(hours=1)
_DETAIL = re.compile(r"\[[^\[\]]+\]\.\[[^\[\]]+\]")
_MONTHS = (
    *("januar", "februar", "marts", "april", "maj", "juni"),
    *("juli", "august", "september", "oktober", "november", "december"),
)


@dataclass(frozen=True, kw_only=True)
class Uddannelsesstatistik:
    """The ministry's open data on day care, schools and education.

    Parameters
    ----------
    cache : Cache
        Where answers are kept.
    transport : Transport or None
        How the service is asked; None: at its official address (or that of the environment variable
        ``BENCHMODELS_UDDANNELSESSTATISTIK_URL``) with the key of ``BENCHMODELS_UDDANNELSESSTATISTIK_KEY``.
    page_size : int
        Rows asked for at a time, at most 100,000.

    Raises
    ------
    SpecificationError
        The page size, the address or the key cannot be used.

    Notes
    -----
    The key is free (``https://api.uddannelsesstatistik.dk/GetStarted``). It is read from the environment when the
    service is asked and is in no object of this class; answers that are kept are read without it.

    Examples
    --------
    >>> Uddannelsesstatistik(page_size=500).page_size
    500
    """

    cache: Cache = field(default_factory=Cache)
    transport: Transport | None = None
    page_size: int = _LARGEST_PAGE

    def __post_init__(self) -> None:
        if type(self.page_size) is not int or not 1 <= self.page_size <= _LARGEST_PAGE:
            raise SpecificationError(
                f"page_size is {self.page_size!r:.40}; a whole number from 1 to {_LARGEST_PAGE:,} is allowed"
            )

    def catalogue(self, område: str | None = None, emne: str | None = None, *, refresh: bool = False) -> pd.DataFrame:
        """List the areas, the topics of an area, or the subtopics of a topic.

        Parameters
        ----------
        område, emne : str or None
            Codes, as "GS" and "KARA".
        refresh : bool
            Ask again though the answer is kept.

        Returns
        -------
        DataFrame
            `code` and `name`.

        Raises
        ------
        DataError
            The service gave no catalogue.
        SpecificationError
            A topic without an area.
        """
        self._without_key((område, emne))
        if emne is not None and område is None:
            raise SpecificationError("a topic (emne) is of an area: say område too")
        body = {name: _text(name, value) for name, value in (("område", område), ("emne", emne)) if value is not None}
        names, _ = self._ask("skema", body, read_names, refresh=refresh)
        return pd.DataFrame(names, columns=["code", "name"], dtype="str")

    def cube(self, område: str, emne: str, underemne: str, *, refresh: bool = False) -> Cube:
        """Return the measures and details of a cube.

        Parameters
        ----------
        område, emne, underemne : str
            Codes, as "GS", "KARA", "KARAGNS".
        refresh : bool
            Ask again though the answer is kept.

        Returns
        -------
        Cube

        Raises
        ------
        DataError
            There is no such cube, or the service gave no catalogue.
        """
        self._without_key((område, emne, underemne))
        codes = [_text(*pair) for pair in (("område", område), ("emne", emne), ("underemne", underemne))]
        body = dict(zip(("område", "emne", "underemne"), codes, strict=True))
        return self._ask("skema", body, reader(read_cube, *codes), refresh=refresh)[0]

    def statistics(
        self,
        område: str,
        emne: str,
        underemne: str,
        *,
        nøgletal: Sequence[str],
        detaljering: Sequence[str],
        filtre: Mapping[str, Sequence[str]] | None = None,
        texts: Sequence[str] = (),
        refresh: bool = False,
    ) -> pd.DataFrame:
        """Ask a cube and return every page of the answer as one table.

        Parameters
        ----------
        område, emne, underemne : str
            Codes, as "GS", "ELEVFRAV", "FRAVAAR".
        nøgletal : sequence of str
            Names of the measures.
        detaljering : sequence of str
            What the rows are told apart by, as "[Institution].[Beliggenhedskommune]" and "[Skoleår].[Skoleår]".
        filtre : mapping of str to sequence of str, or None
            Labels to keep, by detail.
        texts : sequence of str
            Those of `nøgletal` that are words by nature, as "Signifikant".
        refresh : bool
            Ask again though the answers are kept.

        Returns
        -------
        DataFrame, one row for each combination that the service gives
            The details; for each measure its value (in the unit the service writes, see ``attrs["units"]``) and, in
            "<measure> (mark)", what stands instead of one. ``attrs`` says source, date, licence, hash, whose
            municipality it is and what is left out.

        Raises
        ------
        DataError
            A measure or detail is not in the catalogue (the nearest are named), the service refuses (also for want of
            a key), or its answer is not whole.
        SpecificationError
            The question itself is not one.

        Notes
        -----
        Pages are asked for from 1 until one is empty, and page 0 if there is one; a row that comes twice is an error.
        Suppressed cells are NOT in the table: a mean over what is left is a mean over the larger units. See `complete`.
        """
        self._without_key((område, emne, underemne, nøgletal, detaljering, filtre, texts))
        body = _question(self, (område, emne, underemne), nøgletal, detaljering, filtre, texts)
        if not self.cache.is_offline:
            self._known(body, refresh)
        pages, entries = self._pages(body, refresh)
        if not pages:
            raise DataError(
                f"the service has no rows for {'/'.join((område, emne, underemne))} with these details and filters: "
                "either no label is written so, or every cell is too small to be shown"
            )
        table, units = table_of(pages, list(detaljering), list(nøgletal), list(texts))
        table.attrs.update(self._attrs(body, entries, units))
        return table

    def _without_key(self, words: object) -> None:
        """Refuse a question with the key in it before any message can show the question."""
        secret = self._transport().secret
        if secret is not None and secret in repr(words):
            raise SpecificationError(
                f"the key is part of the question; it belongs in the environment variable {KEY_VARIABLE} only"
            )

    def _known(self, body: Mapping[str, object], refresh: bool) -> None:
        """Check measures and details with the catalogue, with a fresh one before anything is refused."""
        codes = [str(body[name]) for name in ("område", "emne", "underemne")]
        asked = _asked(body)
        for fresh in dict.fromkeys((refresh, True)):
            cube = self.cube(codes[0], codes[1], codes[2], refresh=fresh)
            there = {"measure": cube.nøgletal, "detail": tuple(cube.detaljer)}
            wrong = [(kind, name) for kind, name in asked if name not in there[kind]]
            if not wrong:
                return
        said = "; ".join(f"no {kind} {name!r}: {nearest(name, there[kind])}" for kind, name in wrong)
        raise DataError(f"the cube {'/'.join(codes)} has {said}. Names change without notice; see cube()")

    def _pages(self, body: dict[str, object], refresh: bool) -> tuple[list[Page], list[Entry]]:
        pages, entries = self._read_pages(body, refresh)
        times = [datetime.fromisoformat(entry.retrieved) for entry in entries]
        if max(times) - min(times) <= _ONE_READING:
            return pages, entries
        if self.cache.is_offline:
            raise DataError(
                f"the pages kept were read between {min(times):%Y-%m-%d %H:%M} and {max(times):%Y-%m-%d %H:%M} and may "
                "be of two versions of the data; ask once while online, with refresh=True"
            )
        return self._read_pages(body, True)

    def _read_pages(self, body: dict[str, object], refresh: bool) -> tuple[list[Page], list[Entry]]:
        pages: list[Page] = []
        entries: list[Entry] = []
        begun = datetime.now(UTC).replace(microsecond=0)
        for number in range(1, _MOST_PAGES + 1):
            page, entry = self._ask("statistik", {**body, "side": number}, page_of, refresh=refresh)
            entries.append(entry)
            # What was found out when page 1 was fetched is kept with it.
            client = self if datetime.fromisoformat(entry.retrieved) >= begun else self._kept_only()
            if number == 1 and (before := client._page_before(body, page, refresh)) is not None:
                pages.append(before[0])
                entries.append(before[1])
            if not page.rows:
                return pages, entries
            if any(page.rows == earlier.rows for earlier in pages):
                raise DataError(
                    f"page {number} is the same as an earlier one: the service does not turn pages; ask again"
                )
            pages.append(page)
        raise DataError(f"there are more than {_MOST_PAGES} pages of {self.page_size:,} rows; ask for less")

    def _kept_only(self) -> Uddannelsesstatistik:
        return replace(self, cache=replace(self.cache, offline=True))

    def _page_before(self, body: dict[str, object], first: Page, refresh: bool) -> tuple[Page, Entry] | None:
        """Return page 0 where the service counts from 0, and page 1 is not the first; None where it counts from 1.

        One row is asked for first. An error, no row, or a row of page 1 is the answer of a service that counts from 1.
        """
        before = {**body, "side": 0}
        try:
            probe, _ = self._ask("statistik", {**before, "side_størrelse": 1}, page_of, refresh=refresh)
            if not probe.rows or probe.rows[0] in first.rows:
                return None
            page, entry = self._ask("statistik", before, page_of, refresh=refresh)
        except ServiceError as error:
            if error.status in _REFUSALS:
                return None
            raise
        except DataError:
            # No list of rows, or no such answer is kept.
            return None
        return None if not page.rows or page.rows == first.rows else (page, entry)

    def _ask(
        self, path: str, body: Mapping[str, object], read: Callable[[Answer], T], *, refresh: bool
    ) -> tuple[T, Entry]:
        transport = self._transport()
        try:
            return self.cache.fetch(transport, path, body, read=read, licence=LICENCE, refresh=refresh)
        except ServiceError as error:
            if error.status not in (401, 403):
                raise
            state = "no key was sent" if transport.secret is None else "the key that was sent is not accepted"
            raise ServiceError(
                f"{transport.base} refuses with status {error.status}: {state}. Set the environment variable "
                f"{KEY_VARIABLE} to your key, without quotes and spaces; it is free at https://{_OFFICIAL}/GetStarted",
                status=error.status,
                code=error.code,
                words=error.words,
            ) from None

    def _transport(self) -> Transport:
        if self.transport is not None:
            return self.transport
        base = os.environ.get(URL_VARIABLE, "").strip() or BASE
        if not re.fullmatch(r"([\x21-\x7e]{4,})?", os.environ.get(KEY_VARIABLE, "").strip()):
            raise SpecificationError(
                f"{KEY_VARIABLE} does not hold a key that can be sent: at least 4 visible ASCII characters without "
                "spaces are allowed; copy it again (it is not shown here)"
            )
        transport = Transport(base=base, secret=os.environ.get(KEY_VARIABLE, "").strip() or None)
        parts = urlsplit(base)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise SpecificationError(f"{URL_VARIABLE} must begin with https://, since a key is sent there")
        return transport

    def _attrs(self, body: Mapping[str, object], entries: list[Entry], units: dict[str, str]) -> dict[str, object]:
        host = urlsplit(entries[0].url)
        official = (host.scheme, host.hostname) == ("https", _OFFICIAL)
        hashes = [entry.sha256 for entry in entries]
        retrieved = max(entry.retrieved for entry in entries)
        day = datetime.fromisoformat(retrieved)
        cube = "/".join(str(body[name]) for name in ("område", "emne", "underemne"))
        date = f"hentet {day.day}. {_MONTHS[day.month - 1]} {day.year}"
        origin = "Uddannelsesstatistik.dk" if official else f"{host.netloc}, ikke Uddannelsesstatistik.dk"
        return {
            "simulated": not official,
            "source": f"Kilde: {origin}, {cube}, {date}",
            "retrieved": retrieved,
            "licence": LICENCE,
            "question": dict(body),
            "url": entries[0].url,
            "sha256": hashlib.sha256("".join(hashes).encode()).hexdigest() if len(hashes) > 1 else hashes[0],
            "sha256_of_pages": hashes,
            "units": units,
            "municipality_concept": _concept(body),
            "suppressed": SUPPRESSED,
        }


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SpecificationError(f"{name} is {value!r:.60}; a text is needed, as the catalogue writes it")
    return value


def _texts(name: str, values: object, *, least: int) -> list[str]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise SpecificationError(f"{name} is {values!r:.60}; a list of texts is needed")
    given = [_text(name, value) for value in values]
    if len(given) < least or len(set(given)) != len(given):
        raise SpecificationError(f"{name} is {given!r:.200}; at least {least} and none of them twice are needed")
    return given


def _question(
    client: Uddannelsesstatistik,
    codes: tuple[str, str, str],
    nøgletal: Sequence[str],
    detaljering: Sequence[str],
    filtre: Mapping[str, Sequence[str]] | None,
    texts: Sequence[str],
) -> dict[str, object]:
    names = ("område", "emne", "underemne")
    measures = _texts("nøgletal", nøgletal, least=1)
    details = _texts("detaljering", detaljering, least=0)
    strange = set(_texts("texts", texts, least=0)) - set(measures)
    if strange:
        raise SpecificationError(f"texts names {sorted(strange)!r:.200}, which nøgletal does not")
    if filtre is not None and not isinstance(filtre, Mapping):
        raise SpecificationError(f"filtre is {filtre!r:.60}; a mapping of details to lists of labels is needed")
    filters = {
        _text("filtre", name): _texts(f"filtre of {name}", kept, least=1) for name, kept in (filtre or {}).items()
    }
    for name in [*details, *filters]:
        if not _DETAIL.fullmatch(name):
            raise SpecificationError(f"the detail {name!r:.80} is not written as '[Skoleår].[Skoleår]'")
    return {
        **{name: _text(name, code) for name, code in zip(names, codes, strict=True)},
        "nøgletal": measures,
        "detaljering": details,
        "filtre": filters,
        "indlejret": False,
        "tomme_rækker": False,
        "formattering": "json",
        "side_størrelse": client.page_size,
    }


def _asked(body: Mapping[str, object]) -> list[tuple[str, str]]:
    lists = {name: body[name] for name in ("nøgletal", "detaljering", "filtre")}
    kinds = {"nøgletal": "measure", "detaljering": "detail", "filtre": "detail"}
    return [(kinds[key], str(name)) for key, names in lists.items() if isinstance(names, Iterable) for name in names]


def _concept(body: Mapping[str, object]) -> str:
    details = " ".join(name for kind, name in _asked(body) if kind == "detail").casefold()
    found = [
        words
        for sign, words in (
            ("beliggenhedskommune", "the municipality where the school lies (Beliggenhedskommune)"),
            ("bopælskommune", "the municipality where the pupil lives (Bopælskommune)"),
        )
        if sign in details
    ]
    if len(found) == 2:
        return f"both {found[0]} and {found[1]}: they are not the same pupils"
    if found:
        return found[0]
    return "not said by the service: see what its detail means" if "kommune" in details else "none"
