"""A fetched table as a file, with what it is of beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmodels.errors import DataError
from benchmodels.replication.manifest import hash_file

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
    not there.

    Parameters
    ----------
    frame : DataFrame
        With what a client of ours says of it in its ``attrs``.
    out : str or Path
        A file name; an earlier file is replaced.

    Raises
    ------
    DataError
        The place is a folder, or in a folder that is not there.
    """
    out = Path(out)
    if out.is_dir() or not out.parent.is_dir():
        raise DataError(f"{out} is a folder or in a folder that is not there; give the name of a file")
    _put(out, frame.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"))
    told = {name: frame.attrs[name] for name in _TOLD if name in frame.attrs}
    content = {"file": out.name, "rows": len(frame), "sha256": hash_file(out), **told}
    beside = out.with_name(f"{out.name}.source.json")
    _put(beside, (json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n").encode())
    return out


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
