"""The files of a result held against its manifest and against those of a rerun: which there are, page and pictures."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

from benchmodels.errors import DataError
from benchmodels.replication.provenance.agreement import number, read_cells
from benchmodels.replication.provenance.crate import CRATE
from benchmodels.replication.provenance.folder import MANIFEST, TOOL
from benchmodels.replication.provenance.manifest import Finding, hash_file, short
from benchmodels.replication.provenance.shown import compare_shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmodels.replication.provenance.manifest import Manifest

__all__ = ["PAGE", "Pictures", "compare_page", "compare_pages", "compare_pictures", "compare_sets", "hold_files"]

PAGE = "index.html"
# Of the file managers of macOS and Windows.
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_DAY = "(the day)"


def hold_files(manifest: Manifest) -> Iterable[Finding]:
    """Hold every file against its hash, and look for what should not be there."""
    folder = manifest.folder
    listed = manifest.content.files
    for name, recorded in listed.items():
        path = manifest.file(name)
        if path is None:
            link = (folder / name).is_symlink()
            told = f"{short(name)}: {'is a link that leads out of the folder, or to nothing' if link else 'is missing'}"
            yield Finding(about="files", where=name, text=told, recorded=recorded)
            continue
        try:
            found = hash_file(path)
        except DataError as error:
            yield Finding(about="files", where=name, text=str(error), recorded=recorded)
            continue
        if found != recorded:
            told = (
                f"{short(name)}: changed since it was made (sha256 {recorded[:12]}… in the manifest, {found[:12]}… now)"
            )
            yield Finding(about="files", where=name, text=told, recorded=recorded, found=found)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_dir() and not path.is_symlink()) or name == MANIFEST or name in listed:
            continue
        litter = path.name in _LITTER and not path.is_symlink()
        yield Finding(about="files", where=name, text=f"{short(name)}: not in the manifest", fault=not litter)


def compare_sets(manifest: Manifest, again: Manifest, *, same_version: bool) -> Iterable[Finding]:
    """Say which files are listed and not made by a rerun, or the other way; tables are told of where they are compared.

    Parameters
    ----------
    manifest, again : Manifest
        As recorded, and of the rerun.
    same_version : bool
        Whether this version of the package made both: a later one may make more.
    """
    one, other = ({n for n in found.content.files if not n.endswith(".csv")} for found in (manifest, again))
    for name in sorted(one - other - {CRATE}):
        if name.rpartition("/")[2] not in _LITTER:
            told = f"{short(name)}: is in the manifest, and was not written when run again"
            yield Finding(about="files", where=name, text=told)
    for name in sorted(other - one):
        told = f"{short(name)}: written when run again, not recorded"
        yield Finding(about="files", where=name, text=told, fault=same_version)


def compare_page(manifest: Manifest, again: Manifest, *, moved: bool, fault: bool) -> Iterable[Finding]:
    """Compare the page with that of the rerun, numbers as numbers and without the day that it was made on.

    Parameters
    ----------
    manifest, again : Manifest
        As recorded, and of the rerun.
    moved : bool
        Whether any figure of a table differs in its last digits: only then may a number be rounded otherwise, and only
        where a figure of a table lies half way between the two.
    fault : bool
        Whether a difference is one.
    """
    if PAGE not in manifest.content.files or PAGE not in again.content.files or manifest.file(PAGE) is None:
        # Told of already.
        return
    try:
        beyond, rounded, a, b = compare_pages(manifest, again, figures=_shown_figures(again) if moved else ())
    except DataError as error:
        yield Finding(about="page", where=PAGE, text=str(error))
        return
    values = f"first: {short(a)!r} in the folder, {short(b)!r} when run again"
    if beyond:
        told = f"{PAGE}: differs in {beyond} places, {values}"
        yield Finding(about="page", where=PAGE, text=told, recorded=a, found=b, fault=fault)
    elif rounded:
        told = f"{PAGE}: {rounded} numbers with decimals are rounded to their neighbour, {values}"
        yield Finding(about="page", where=PAGE, text=told, recorded=a, found=b, fault=False)


def _shown_figures(found: Manifest) -> list[float]:
    """Return the figures of all tables as a page shows them: as they are, in per cent, and as per cent more or less."""
    figures: set[float] = set()
    for name in found.tables:
        for row in read_cells(found.folder / name).rows.values():
            for cell in row.values():
                value = number(cell)
                figures.update(abs(form) for form in (value, 100 * value, 100 * (value - 1)) if isfinite(form))
    return sorted(figures)


def compare_pages(first: Manifest, second: Manifest, *, figures: Sequence[float] = ()) -> tuple[int, int, str, str]:
    """Compare two pages as `benchmodels.replication.provenance.shown.compare_shown` does, in the language of the first.

    Raises
    ------
    DataError
        One cannot be read.
    """
    texts = []
    for found in (first, second):
        try:
            texts.append((found.folder / PAGE).read_bytes().decode("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{PAGE}: cannot be read ({short(str(error))})") from error
    # In both alike: a day that stands on one page only is a difference.
    for day in {found.content.created[:10] for found in (first, second)} - {""}:
        texts = [text.replace(day, _DAY) for text in texts]
    return compare_shown(texts[0], texts[1], figures=figures, lang=first.content.options.lang)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What came of comparing the pictures on file with those drawn again.

    Parameters
    ----------
    compared, left : int
        How many were compared, and how many could not be.
    findings : tuple of Finding
    """

    compared: int = 0
    left: int = 0
    findings: tuple[Finding, ...] = field(default=())


def compare_pictures(manifest: Manifest, again: Manifest, *, moved: bool) -> Pictures:
    """Compare drawings by their text and pictures of points by their points.

    Parameters
    ----------
    manifest, again : Manifest
        As recorded, and of the rerun.
    moved : bool
        Whether any figure of a table differs in its last digits.

    Notes
    -----
    The same figures give the same picture where the same versions of this package and of matplotlib draw it on a
    platform of the same kind; a picture that differs is a fault there, and elsewhere it is told that it was not
    compared. Settings of matplotlib that are the user's own move pictures too.
    """
    exact = not moved and _drawn_alike(manifest, again)
    here = set(again.content.files)
    names = [n for n in manifest.content.files if n in here and n.endswith((".svg", ".png"))]
    there = [name for name in names if manifest.file(name) is not None]
    unlike = [name for name in there if not _same_picture(manifest.folder / name, again.folder / name)]
    if exact or not unlike:
        told = "is not the picture that was drawn when run again"
        faults = [Finding(about="pictures", where=n, text=f"{short(n)}: {told}") for n in unlike]
        return Pictures(compared=len(there), findings=tuple(faults))
    why = "figures moved in their last digits" if moved else "another matplotlib, benchmodels or platform drew them"
    shown = ", ".join(map(short, unlike[:3])) + (f" and {len(unlike) - 3} more" if len(unlike) > 3 else "")
    text = f"{len(unlike)} of {len(there)} pictures are not compared, as {why}: {shown}"
    note = Finding(about="pictures", where=", ".join(unlike), text=text, fault=False)
    return Pictures(compared=len(there) - len(unlike), left=len(unlike), findings=(note,))


def _drawn_alike(manifest: Manifest, again: Manifest) -> bool:
    one, other = manifest.content, again.content
    keys = (TOOL, "matplotlib")
    return one.platform == other.platform and all(one.versions.get(key) == other.versions.get(key) for key in keys)


def _same_picture(one: Path, other: Path) -> bool:
    try:
        first, second = one.read_bytes(), other.read_bytes()
        if first == second:
            return True
        if one.suffix == ".svg":
            texts: Sequence[str] = [content.decode("utf-8") for content in (first, second)]
            return compare_shown(texts[0], texts[1], lang="en")[0] == 0
    except (OSError, UnicodeDecodeError):
        return False
    return _same_points(one, other)


def _same_points(one: Path, other: Path) -> bool:
    """Whether two pictures have the same points: another library packs the same ones into other bytes."""
    import numpy as np
    from PIL import Image

    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(one, formats=["PNG"]) as first,
            Image.open(other, formats=["PNG"]) as second,
        ):
            # One of another size, which might fill the memory, is never unpacked.
            alike = (first.size, first.mode) == (second.size, second.mode)
            return alike and bool(np.array_equal(np.asarray(first), np.asarray(second)))
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, *bombs):
        return False
