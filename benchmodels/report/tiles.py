"""A map for the page: one tile a municipality, coloured by its gap and hatched where that is not different."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.datasets import municipality_codes, municipality_tiles
from benchmodels.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Tile", "TileMap", "tile_map"]

SIDE = 44  # user units of the SVG
# Gaps beyond this share of them share the strongest colour, so that one unit does not make the others pale.
_OUTER = 0.95
_PALE, _ABOVE, _BELOW = (np.array(rgb) for rgb in ((247, 247, 247), (154, 52, 18), (29, 79, 145)))


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One unit: its place, its colour as #rrggbb, whether letters on it are light, and what is said of it."""

    unit: int
    x: int
    y: int
    fill: str
    light: bool
    short: str
    verdict: str
    title: str


@dataclass(frozen=True, kw_only=True)
class TileMap:
    """Tiles in user units of an SVG, those that are not compared, and the gap that has the strongest colour."""

    width: int
    height: int
    side: int
    tiles: Sequence[Tile]
    absent: Sequence[tuple[int, int]]
    reach: float
    low: str
    high: str


def tile_map(labels: Sequence[str], gap: Floats, verdicts: Sequence[str], titles: Sequence[str]) -> TileMap | None:
    """Place units on the map.

    Parameters
    ----------
    labels : sequence of str, k
        Danish municipalities, by name or code.
    gap : (k,) array
        Estimate less what is expected, as the page writes it; NaN where not known.
    verdicts : sequence of str, k
        'above', 'below', 'not' or 'withheld'.
    titles : sequence of str, k
        What is said of each where it is pointed at.

    Returns
    -------
    TileMap or None
        None where a unit is no municipality, two are the same, or no gap is known.
    """
    try:
        codes = municipality_codes(labels).tolist()
    except DataError:
        return None
    known = np.isfinite(gap)
    if len(set(codes)) < len(codes) or not known.any():
        return None
    table = municipality_tiles()
    columns, rows = table["column"].to_numpy(dtype=int), table["row"].to_numpy(dtype=int)
    place = {str(code): i for i, code in enumerate(table["code"])}
    at = [(SIDE * int(columns[i]), SIDE * int(rows[i])) for i in range(len(table))]
    reach = float(np.quantile(np.abs(gap[known]), _OUTER)) or 1.0
    share = np.clip(np.where(known, gap, 0.0) / reach, -1.0, 1.0)
    colour = _PALE + np.abs(share)[:, None] * (np.where(share[:, None] > 0, _ABOVE, _BELOW) - _PALE)
    tiles = [
        Tile(
            unit=i,
            x=at[place[code]][0],
            y=at[place[code]][1],
            fill=_hex(colour[i]),
            light=bool(colour[i] @ np.array([0.299, 0.587, 0.114]) < 140),
            short=str(table["short"].iloc[place[code]]),
            verdict=verdicts[i],
            title=titles[i],
        )
        for i, code in enumerate(codes)
    ]
    return TileMap(
        width=SIDE * (1 + int(columns.max())),
        height=SIDE * (1 + int(rows.max())),
        side=SIDE,
        tiles=tiles,
        absent=[at[i] for code, i in place.items() if code not in set(codes)],
        reach=reach,
        low=_hex(_BELOW),
        high=_hex(_ABOVE),
    )


def _hex(rgb: NDArray[np.floating] | NDArray[np.integer]) -> str:
    return "#" + "".join(f"{round(float(part)):02x}" for part in rgb)
