"""The studies that come with the package and fetch their tables."""

from __future__ import annotations

from pathlib import Path

__all__ = ["open_studies"]

_FOLDER = Path(__file__).parent / "studies" / "open"


def open_studies() -> dict[str, Path]:
    """Return the studies on public figures that are fetched when they run: id and file.

    Examples
    --------
    >>> sorted(open_studies())
    ['real-school-absence', 'real-sheltered-housing']
    """
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}
