"""A fetched table as a file, with what it is of beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmodels.errors import DataError
from benchmodels.replication.provenance.manifest import hash_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_fetched"]

_TOLD = (
    "source",
    "licence",
    "table",
    "title",
    "unit",
    "updated",
    "retrieved",
    "url",
    "request",
    "simulated",
    "footnote",
)


def write_fetched(frame: pd.DataFrame, out: str | Path) -> Path:
    """Write a fetched table as CSV, and its source, licence and date as ``<out>.source.json``.

    Codes and marks are written as they are, so that a program reads back what was fetched; both files are whole or
    not there, and a source never stands beside another table than its own.

    Parameters
    ----------
    frame : DataFrame
        With what a client of ours says of it in its ``attrs``.
    out : str or Path
        A file name; an earlier file is replaced.

    Raises
    ------
    DataError
        The place is a folder, or in a folder that is not there, or cannot be written.
    """
    out = Path(out)
    if out.is_dir() or not out.parent.is_dir():
        raise DataError(f"{out} is a folder or in a folder that is not there; give the name of a file")
    beside = out.with_name(f"{out.name}.source.json")
    table, source = (path.with_name(f".{path.name}.{os.getpid()}.partial") for path in (out, beside))
    try:
        table.write_bytes(frame.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"))
        told = {name: frame.attrs[name] for name in _TOLD if name in frame.attrs}
        content = {"file": out.name, "rows": len(frame), "sha256": hash_file(table), **told}
        source.write_text(json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")
        # In this order: wherever it ends, no source tells of a table that it is not of.
        beside.unlink(missing_ok=True)
        os.replace(table, out)
        os.replace(source, beside)
    except UnicodeEncodeError as error:
        raise DataError(f"{out}: the table cannot be written as UTF-8 (at {error.start}: {error.reason})") from error
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        for part in (table, source):
            part.unlink(missing_ok=True)
    return out
