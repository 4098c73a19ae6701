"""Statistics Denmark's StatBank (statistikbanken.dk): its tables as data frames that say where they come from."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import numpy as np

from benchmodels.datasets.services.answer import Answer, ServiceError
from benchmodels.datasets.services.cache import Cache, Entry, NotKeptError
from benchmodels.datasets.services.extraction import Extraction, Form, Progress, cells
from benchmodels.datasets.services.figures import Block, read_block, service_text
from benchmodels.datasets.services.jsonstat import read_json
from benchmodels.datasets.services.tableinfo import Selection, TableInfo, choose, read_tableinfo
from benchmodels.datasets.services.transport import Transport
from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StatBank"]

_OFFICIAL = "https://api.statbank.dk/v1"
_LICENCE = "CC BY 4.0"
_MOST_ROWS = 20_000_000
_DESCRIPTION_BYTES = 100_000_000
_FORMS: dict[str, Form] = {"csv": "CSV", "jsonstat": "JSONSTAT", "bulk": "BULK"}


@dataclass(frozen=True, kw_only=True)
class StatBank:
    """The StatBank, asked only when asked to, with every answer kept.

    Parameters
    ----------
    cache : Cache
        Where answers are kept; ``Cache(offline=True)`` never asks.
    lang : {"da", "en"}
        Language of titles and texts; the codes are the same.
    base : str or None
        Address; None: the environment variable ``BENCHMODELS_STATBANK_URL``, else the official one. Figures of any
        other host are marked as simulated.
    transport : Transport or None
        How it is asked, when the usual patience will not do; it has its own address.
    most_cells : int
        Cells of one question (rows times variables and figure) in formats that are not streamed. The service's own
        limit, 1,000,000 since May 2021, has been changed before: when it refuses, the limit it names is used instead.

    Notes
    -----
    Selections, eliminated variables, streamed formats and the way cells are counted follow the service's documentation.

    References
    ----------
    Statistics Denmark, *Statistikbank API*, dst.dk (sections TABLEINFO, DATA, Streamingformater, Begrænsninger på
    udtræk).

    Examples
    --------
    >>> StatBank(lang="en").address
    'https://api.statbank.dk/v1'
    """

    cache: Cache = field(default_factory=Cache)
    lang: Literal["da", "en"] = "da"
    base: str | None = None
    transport: Transport | None = None
    most_cells: int = 1_000_000

    def __post_init__(self) -> None:
        if self.lang not in ("da", "en"):
            raise SpecificationError(f"lang is {self.lang!r}; allowed are 'da' and 'en'")
        if self.base is not None and self.transport is not None:
            raise SpecificationError("give base or transport, not both: a transport has its own address")
        if not self.most_cells >= 1:
            raise SpecificationError(f"most_cells is {self.most_cells}; allowed is 1 and more")

    @property
    def address(self) -> str:
        """Address that is asked."""
        return self._transport().base

    @property
    def simulated(self) -> bool:
        """Whether the figures come from another host than Statistics Denmark's."""
        return urlsplit(self.address)[:2] != urlsplit(_OFFICIAL)[:2]

    def subjects(self, *, refresh: bool = False) -> pd.DataFrame:
        """Return all subjects as rows ``id``, ``description``, ``active``, ``parent`` (None at the top)."""
        import pandas as pd

        body = {"lang": self.lang, "format": "JSON", "recursive": True}
        rows, _ = self._described("subjects", body, _subjects, refresh=refresh)
        return pd.DataFrame(rows, columns=["id", "description", "active", "parent"])

    def tables(self, subject: str | None = None, *, inactive: bool = False, refresh: bool = False) -> pd.DataFrame:
        """Return the tables of a subject, or all, one row each.

        Parameters
        ----------
        subject : str or None
            Code from `subjects`; None is all.
        inactive : bool
            Also those that are no longer kept up.
        refresh : bool
            Ask again though the answer is kept.

        Returns
        -------
        DataFrame
            ``id, text, unit, updated, first_period, last_period, active, variables`` (names, separated by comma).
        """
        import pandas as pd

        body: dict[str, object] = {"lang": self.lang, "format": "JSON", "includeInactive": inactive}
        if subject is not None:
            body["subjects"] = [str(subject)]
        rows, _ = self._described("tables", body, _tables, refresh=refresh)
        return pd.DataFrame(rows, columns=list(_TABLE_COLUMNS.values()))

    def table_info(self, table: str, *, refresh: bool = False) -> TableInfo:
        """Return what a table holds: title, unit, notes, variables with their codes and texts.

        Parameters
        ----------
        table : str
            Its code, as ``"FOLK1A"``; small letters do.
        refresh : bool
            Ask again though the answer is kept, as after new periods have come.

        Raises
        ------
        SpecificationError
            `table` is no code of a table, or of none that there is.
        ServiceError
            The service does not answer.
        DataError
            What it answers does not describe that table.
        """
        if not isinstance(table, str) or not re.fullmatch(r"[A-Za-z0-9ÆØÅæøå_]{1,40}", table):
            raise SpecificationError(f"{table!r:.60} is no code of a table; a code is letters and digits, as FOLK1A")

        def read(text: str) -> TableInfo:
            info = read_tableinfo(text)
            if info.id.upper() != table.upper():
                raise DataError(f"table {table} was asked for, and {info.id!r:.60} was described")
            return info

        body = {"table": table.upper(), "lang": self.lang, "format": "JSON"}
        try:
            info: TableInfo = self._described("tableinfo", body, read, refresh=refresh)[0]
        except ServiceError as error:
            if error.code != "EXTRACT-NOTFOUND":
                raise
            raise SpecificationError(
                f"the service has no table {table.upper()}; StatBank.tables() lists those there are"
            ) from error
        return info

    def data(
        self,
        table: str,
        selection: Mapping[str, object],
        *,
        format: Literal["auto", "csv", "jsonstat", "bulk"] = "auto",
        labels: bool = False,
        refresh: bool = False,
        progress: Progress | None = None,
    ) -> pd.DataFrame:
        """Return figures of a table, one row per combination of the codes asked for.

        Parameters
        ----------
        table : str
            Its code, as ``"REGK31"``.
        selection : mapping of str to str or sequence of str
            By variable: codes, patterns (``"*"``, ``"2*"``), stretches (``">=2018"``), for time places (``"(1)"`` is
            the newest period, ``"(-n+3)"`` the newest three). A variable left out is eliminated: the table answers
            for its total. See `benchmodels.datasets.services.tableinfo.choose`.
        format : {"auto", "csv", "jsonstat", "bulk"}
            How to ask. ``"auto"``: csv; bulk when there are too many cells and every variable is given; several
            questions of csv otherwise.
        labels : bool
            Also a column ``<variable>_text`` per variable.
        refresh : bool
            Ask again though answers are kept.
        progress : callable or None
            Told the rows we have, the rows there are, and words, after each question.

        Returns
        -------
        DataFrame
            One text column of codes per variable, in the order of the table; ``value``, in the unit of the table (a
            variable as ``PRISENHED`` may say more), NaN where the service gives none; ``mark``: empty for an ordinary
            number, ``..`` and the other marks as they stand, ``-`` for nothing (value 0), ``*`` for a preliminary
            number, ``"omitted"`` for a row that a streamed answer leaves out (value as the table says, nearly always
            0), ``"absent"`` for one that another answer leaves out (NaN). Its ``attrs`` say source, licence, table,
            title, unit, updated, footnote, documentation, retrieved, request, url, questions, duplicates, sha256,
            simulated.

        Raises
        ------
        SpecificationError
            The selection does not fit the table, or asks for more than 20,000,000 rows; nothing was asked then.
        ServiceError
            The service refuses or fails. What was answered before is kept: the same call goes on from there.
        DataError
            An answer is not what was asked for; or offline and not kept.

        Notes
        -----
        A table whose suppressed figures are zeros (``suppressed_value`` "0") does not tell them from real zeros.
        """
        info = self.table_info(table, refresh=refresh)
        if format not in ("auto", *_FORMS):
            raise SpecificationError(f"format is {format!r}; allowed are 'auto', 'csv', 'jsonstat' and 'bulk'")
        chosen = choose(info, selection, streamed=format == "bulk")
        rows = math.prod(len(codes) for codes in chosen.values())
        if rows > _MOST_ROWS:
            raise SpecificationError(
                f"{rows:,} rows of table {info.id} are asked for; allowed are {_MOST_ROWS:,} at a time: ask for fewer "
                f"codes ({', '.join(f'{name}: {len(codes)}' for name, codes in chosen.items())})"
            )
        block, entries = self._extract(info, chosen, format, refresh=refresh, progress=progress)
        frame = _frame(info, chosen, block, labels=labels)
        frame.attrs.update(self._provenance(info, chosen, block, entries))
        return frame

    def _extract(
        self, info: TableInfo, chosen: Selection, format: str, *, refresh: bool, progress: Progress | None
    ) -> tuple[Block, list[Entry]]:
        def ask(piece: Selection, form: Form) -> tuple[Block, Entry]:
            return self._ask(info, piece, form, refresh=refresh)

        streamable = format == "auto" and len(chosen) == len(info.variables)
        forms: list[Form] = [_FORMS.get(format, "CSV")]
        if streamable:
            forms.append("BULK")
        if streamable and cells(chosen) > self.most_cells:
            forms.reverse()
        missed: NotKeptError | None = None
        for form in forms:
            extraction = Extraction(
                ask=ask,
                selection=chosen,
                form=form,
                most_cells=self.most_cells,
                may_stream=streamable and form == "CSV",
                progress=progress,
            )
            try:
                return extraction.run(), extraction.entries
            except NotKeptError as error:
                missed = missed or error
        raise missed or AssertionError("no format was tried")  # pragma: no cover

    def _ask(self, info: TableInfo, piece: Selection, form: Form, *, refresh: bool) -> tuple[Block, Entry]:
        body: dict[str, object] = {"table": info.id, "format": form, "lang": self.lang}
        if form != "JSONSTAT":
            body |= {"valuePresentation": "Code", "delimiter": "Semicolon"}
        body["variables"] = [{"code": name, "values": list(codes)} for name, codes in piece.items()]
        asked = {name: {code: info.variables[name].values[code] for code in codes} for name, codes in piece.items()}

        def read(answer: Answer) -> Block:
            what = f"the answer for table {info.id} ({form})"
            return read_block(answer, asked=asked, form=form, omitted=_omitted(info), what=what)

        return self.cache.fetch(self._transport(), "data", body, read=read, licence=self._licence, refresh=refresh)

    def _described(self, path: str, body: Mapping[str, object], read: Any, *, refresh: bool) -> tuple[Any, Entry]:
        def read_answer(answer: Answer) -> Any:
            return read(service_text(answer, f"the answer to {path}"))

        return self.cache.fetch(
            self._transport(),
            path,
            body,
            read=read_answer,
            licence=self._licence,
            refresh=refresh,
            limit=_DESCRIPTION_BYTES,
        )

    def _transport(self) -> Transport:
        if self.transport is not None:
            return self.transport
        named = os.environ.get("BENCHMODELS_STATBANK_URL", "").strip()
        return Transport(base=self.base or named or _OFFICIAL)

    @property
    def _licence(self) -> str:
        return "simulated figures: no licence" if self.simulated else _LICENCE

    def _provenance(self, info: TableInfo, chosen: Selection, block: Block, entries: list[Entry]) -> dict[str, object]:
        # The oldest piece speaks for the whole: no figure is older than it says.
        retrieved = min(entry.retrieved for entry in entries)
        hashes = [entry.sha256 for entry in entries]
        whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
        return {
            "source": self._source(info.id, retrieved[:10]),
            "licence": self._licence,
            "table": info.id,
            "title": info.text,
            "unit": info.unit,
            "updated": info.updated,
            "footnote": info.footnote,
            "documentation": info.documentation,
            "retrieved": retrieved,
            "request": {name: list(codes) for name, codes in chosen.items()},
            "url": entries[0].url,
            "questions": len(entries),
            "duplicates": block.duplicates,
            "sha256": whole,
            "simulated": self.simulated,
        }

    def _source(self, table: str, date: str) -> str:
        host = urlsplit(self.address).netloc
        if self.lang == "da":
            if self.simulated:
                return f"Simulerede tal fra {host}, ikke fra Danmarks Statistik (tabel {table}, hentet {date})"
            return f"Danmarks Statistik, Statistikbanken, tabel {table}, hentet {date}, {_LICENCE}"
        if self.simulated:
            return f"Simulated figures from {host}, not from Statistics Denmark (table {table}, retrieved {date})"
        return f"Statistics Denmark, StatBank, table {table}, retrieved {date}, {_LICENCE}"


def _omitted(info: TableInfo) -> float:
    written = info.suppressed_value.strip().replace(",", ".")
    return float(written) if re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", written) else float("nan")


def _frame(info: TableInfo, chosen: Selection, block: Block, *, labels: bool) -> pd.DataFrame:
    import pandas as pd

    size = block.values.size
    columns: dict[str, Any] = {}
    inner = size
    for name, codes in chosen.items():
        # The first variable changes slowest, as in the table itself.
        inner //= len(codes)
        place = np.tile(np.repeat(np.arange(len(codes)), inner), size // (inner * len(codes)))
        columns[name] = pd.Series(np.asarray(codes, dtype=object)[place], dtype="str")
        if labels:
            texts = np.asarray([info.variables[name].values[code] for code in codes], dtype=object)
            columns[f"{name}_text"] = pd.Series(texts[place], dtype="str")
    if taken := {"value", "mark"} & set(columns):
        raise DataError(
            f"table {info.id} has a variable called {taken.pop()}, as the figures themselves are called here"
        )
    columns["value"] = block.values.ravel()
    columns["mark"] = pd.Series(block.marks.ravel(), dtype="str")
    return pd.DataFrame(columns)


_TABLE_COLUMNS = {
    "id": "id",
    "text": "text",
    "unit": "unit",
    "updated": "updated",
    "firstPeriod": "first_period",
    "latestPeriod": "last_period",
    "active": "active",
    "variables": "variables",
}


def _tables(text: str) -> list[list[object]]:
    rows: list[list[object]] = []
    for one in _listed(read_json(text, "the list of tables"), "the list of tables"):
        row = [one.get(name) for name in _TABLE_COLUMNS]
        names = row[-1] if isinstance(row[-1], list) else []
        if not isinstance(row[0], str) or not all(isinstance(cell, str | bool | None) for cell in row[1:-1]):
            raise DataError(f"the list of tables has a table that is described as {one!r:.100}")
        rows.append([*row[:-1], ", ".join(str(name) for name in names)])
    return rows


def _subjects(text: str) -> list[list[object]]:
    rows: list[list[object]] = []
    todo: list[tuple[Any, str | None]] = [(read_json(text, "the list of subjects"), None)]
    while todo:
        level, parent = todo.pop(0)
        for one in _listed(level, "the list of subjects"):
            name, words, active = one.get("id"), one.get("description"), one.get("active", True)
            if not isinstance(name, str) or not isinstance(words, str) or not isinstance(active, bool):
                raise DataError(f"the list of subjects has a subject that is described as {one!r:.100}")
            rows.append([name, words, active, parent])
            if one.get("subjects"):
                todo.append((one["subjects"], name))
    return rows


def _listed(found: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DataError(f"{what} is no list of objects")
    return found
