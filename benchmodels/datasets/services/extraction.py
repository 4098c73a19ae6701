"""A large question asked in pieces that the service allows, put together again cell by cell."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from benchmodels.datasets.services.answer import ServiceError
from benchmodels.datasets.services.cache import Entry, NotKeptError
from benchmodels.datasets.services.figures import Block
from benchmodels.datasets.services.tableinfo import Selection

__all__ = ["Extraction", "cells", "halves", "limit_said"]

Form = Literal["CSV", "BULK", "JSONSTAT"]
Progress = Callable[[int, int, str], None]

# One streamed answer has no limit, but one of hundreds of megabytes that breaks off is asked for again from its start.
_STREAMED_CELLS = 20_000_000
# More questions than this are no longer one extraction but a burden on a free service.
_MOST_QUESTIONS = 2_000
_WRITTEN = r"\d{1,3}(?:[.,\s]\d{3})+(?!\d)|\d{1,15}"


def cells(selection: Mapping[str, tuple[str, ...]]) -> int:
    """Return the cells of a question as the service counts them.

    Parameters
    ----------
    selection : mapping of str to tuple of str
        Codes by variable.

    Returns
    -------
    int
        Rows times columns, where the columns are the variables asked for and the figure itself.

    References
    ----------
    Statistics Denmark, *Statistikbank API*, "Begrænsninger på udtræk".

    Examples
    --------
    >>> cells({"OMRÅDE": ("000", "101"), "Tid": ("2023", "2024", "2025")})
    18
    """
    return math.prod(len(codes) for codes in selection.values()) * (len(selection) + 1)


def halves(selection: Selection) -> list[Selection]:
    """Return the selection in two, cut through its longest variable; in one when it is a single row.

    The cut depends on nothing but the selection: a limit that was lower yesterday gives pieces of the same pieces, so
    that what is in the cache is found again.
    """
    longest = max(selection, key=lambda name: len(selection[name]))
    codes = selection[longest]
    if len(codes) == 1:
        return [selection]
    middle = len(codes) // 2
    return [{**selection, longest: codes[:middle]}, {**selection, longest: codes[middle:]}]


def limit_said(words: str, asked: int) -> int:
    """Return the limit that the service names when it refuses a question.

    Parameters
    ----------
    words : str
        Its own, as "… op mod 6.224.652 celler er over begrænsningen på 1.000.000 celler …".
    asked : int
        Cells of the question it refused.

    Returns
    -------
    int
        Cells; at least 1, and less than `asked`: half of it when no such number is named.

    Examples
    --------
    >>> limit_said("op mod 6.224.652 celler er over begrænsningen på 1.000.000 celler", 6_224_652)
    1000000
    """
    named = re.findall(rf"(?:begræns|grænse|maks|limit|max)\D{{0,60}}({_WRITTEN})", words, re.IGNORECASE)
    said = [int(re.sub(r"\D", "", one)) for one in named or re.findall(_WRITTEN, words)]
    below = [one for one in said if 1 < one < asked]
    return max(1, max(below, default=asked // 2))


@dataclass(kw_only=True)
class Extraction:
    """One question on its way.

    Parameters
    ----------
    ask : callable
        Fetches the block of a piece in a format, or takes it from the cache.
    selection : dict of str to tuple of str
        Codes by variable, all of them.
    form : {"CSV", "BULK", "JSONSTAT"}
        Format asked for.
    most_cells : int
        Cells of one question in a format that is not streamed; lowered when the service says so.
    may_stream : bool
        Whether a refusal may be answered by asking for BULK instead.
    progress : callable or None
        Told the rows we have, the rows there are, and words.
    """

    ask: Callable[[Selection, Form], tuple[Block, Entry]]
    selection: Selection
    form: Form
    most_cells: int
    may_stream: bool
    progress: Progress | None = None
    entries: list[Entry] = field(default_factory=list, init=False)
    duplicates: int = field(default=0, init=False)

    def run(self) -> Block:
        """Ask piece by piece and return the whole; what was answered before an error is in the cache.

        Raises
        ------
        ServiceError
            The service refuses even one row, or fails.
        NotKeptError
            Offline, and a piece is not in the cache.
        """
        shape = tuple(len(codes) for codes in self.selection.values())
        values, marks = np.full(shape, np.nan), np.full(shape, "", dtype=object)
        spot = {name: {code: place for place, code in enumerate(codes)} for name, codes in self.selection.items()}
        missed: NotKeptError | None = None
        rows, todo = 0, [self.selection]
        while todo:
            piece = todo.pop()
            if cells(piece) > self._limit and len(parts := halves(piece)) > 1:
                todo.extend(reversed(parts))
                continue
            try:
                block, entry = self.ask(piece, self.form)
            except ServiceError as error:
                todo.extend(self._smaller(piece, error))
                continue
            except NotKeptError as error:
                # The service may have allowed less at a time when it was asked: its pieces are pieces of this one.
                missed = missed or error
                if len(parts := halves(piece)) == 1:
                    raise missed from None
                todo.extend(reversed(parts))
                continue
            at = np.ix_(*[[spot[name][code] for code in codes] for name, codes in piece.items()])
            values[at], marks[at] = block.values, block.marks
            self.entries.append(entry)
            self.duplicates += block.duplicates
            rows += block.values.size
            self._tell(rows, values.size)
        return Block(values=values, marks=marks, duplicates=self.duplicates)

    @property
    def _limit(self) -> int:
        return _STREAMED_CELLS if self.form == "BULK" else self.most_cells

    def _smaller(self, piece: Selection, error: ServiceError) -> list[Selection]:
        """Return what to ask instead of a piece that was too large, or raise what the service said."""
        parts = halves(piece)
        if error.code != "REQUEST-LIMIT" or len(parts) == 1:
            raise error
        if self.form == "BULK":
            return parts[::-1]
        self.most_cells = limit_said(error.words, cells(piece))
        if cells(self.selection) // self.most_cells > _MOST_QUESTIONS:
            raise error
        if self.may_stream and not self.entries:
            self.form = "BULK"
            return [piece]
        return parts[::-1]

    def _tell(self, rows: int, total: int) -> None:
        if self.progress is not None:
            self.progress(rows, total, f"{rows:,} of {total:,} rows, questions answered: {len(self.entries)}")
