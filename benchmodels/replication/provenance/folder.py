"""The folder of results: written beside its place and moved in whole, so that nobody meets half a result."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FORMAT",
    "MANIFEST",
    "TOOL",
    "harmless",
    "package_version",
    "staged",
    "versions",
    "write_csv",
    "write_manifest",
]

MANIFEST = "manifest.json"
TOOL = "benchmodels"
# Of the manifest: 2 says also what a rerun needs. Those of 1 have no such key.
FORMAT = 2
_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_LIBRARIES = (
    "benchmodels", "numpy", "scipy", "pandas", "formulaic", "statsmodels", "linearmodels", "scikit-learn", "highspy",
    "matplotlib", "jinja2", "pydantic",
)  # fmt: skip


@contextmanager
def staged(out: str | Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `out` when the block ends well, and vanishes if not.

    The temporary folder is a sibling of `out`, so that the move is a rename within one file system. A folder
    that holds anything but an earlier result of this package is refused before any work is done.

    Parameters
    ----------
    out : str or Path
        Where the result is to stand.

    Yields
    ------
    Path
        The temporary folder to write in.

    Raises
    ------
    DataError
        `out` is a file, or holds files that are not ours.
    """
    out = Path(out).resolve()
    _refuse_foreign(out)
    made = _make_parents(out.parent)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        os.chmod(work, 0o777 & ~_umask())
        yield work
        _refuse_foreign(out)
        _swap(work, out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        for folder in made:
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def _swap(work: Path, out: Path) -> None:
    """Move the new folder in and the old one away; if the new one cannot be moved, put the old one back."""
    if not out.exists():
        os.replace(work, out)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
    try:
        os.replace(out, aside / "old")
        os.replace(work, out)
    except BaseException:
        if (aside / "old").exists():
            os.replace(aside / "old", out)
        aside.rmdir()  # empty by now; were it not, the old result is still in it and is not deleted
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _refuse_foreign(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise DataError(f"{out} is a file; give a folder")
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    if not there and not any(out.iterdir()):
        return
    ours = _files_of(out / MANIFEST)
    foreign = sorted(there - ours - {MANIFEST}) if ours else sorted(there)
    if not ours or foreign:
        shown = ", ".join(foreign[:3]) or "folders"
        raise DataError(f"{out} holds files that are not a result of benchmodels ({shown}); choose another folder")


def _files_of(path: Path) -> set[str]:
    """Names of the files that a manifest of ours lists; empty if it is not one."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return set(manifest["files"]) if manifest["tool"] == TOOL else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _make_parents(parent: Path) -> list[Path]:
    """Make missing parents; return those made, innermost first."""
    missing = []
    while not parent.exists():
        missing.append(parent)
        parent = parent.parent
    for folder in reversed(missing):
        folder.mkdir()
    return missing


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which no spreadsheet takes a text cell for a formula; numbers stay numbers.

    Examples
    --------
    >>> harmless(pd.DataFrame({"unit": ["=1+1", "Aarhus"], "gap": [-1.5, 2.0]})).to_dict("list")
    {'unit': ["'=1+1", 'Aarhus'], 'gap': [-1.5, 2.0]}
    """
    frame = frame.copy()
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].map(_guarded)
    return frame


def _guarded(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_ACTIVE) else value


def write_csv(frame: pd.DataFrame, path: Path, *, danish: bool = False) -> None:
    """Write a table that opens rightly in spreadsheets: UTF-8 with mark, text made harmless.

    Parameters
    ----------
    frame : DataFrame
    path : Path
    danish : bool
        Separator ``;`` and decimal comma instead of ``,`` and decimal point.
    """
    sep, decimal = (";", ",") if danish else (",", ".")
    harmless(frame).to_csv(path, index=False, sep=sep, decimal=decimal, encoding="utf-8-sig", lineterminator="\r\n")


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write manifest.json: what was asked, of which bytes, with which versions, and every file with its hash."""
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    manifest = {
        "tool": TOOL,
        "format": FORMAT,
        "versions": versions(),
        "platform": _platform(),
        **content,
        "files": files,
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=2, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that a number or a page may rest on."""
    return {"python": platform.python_version()} | {name: package_version(name) for name in _LIBRARIES}


def _platform() -> dict[str, str]:
    """Return what the last digits may rest on; nothing that tells of the machine's owner."""
    built = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_implementation(),
        "blas": " ".join(str(built[key]) for key in ("name", "version") if key in built),
    }


def package_version(name: str = "benchmodels") -> str:
    """Return the installed version of a package, or 'not installed'."""
    try:
        return version(name)
    except PackageNotFoundError:
        if name == TOOL:
            import benchmodels

            return str(getattr(benchmodels, "__version__", "not installed"))
        return "not installed"
