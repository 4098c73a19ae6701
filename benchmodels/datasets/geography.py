"""Where Danish municipalities lie: neighbours, a map of tiles, and outlines from a file of one's own.

No outlines come with the package: those with a licence that lets them be passed on are large, and a map of areas shows
how much land a municipality has, which is what a comparison of people is not about.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmodels.datasets.packaged import municipalities, read_packaged
from benchmodels.errors import DataError, SpecificationError

__all__ = ["Crossing", "Outlines", "municipality_neighbours", "municipality_tiles", "read_outlines"]

Crossing = Literal["land", "bridge"]
Outlines: TypeAlias = dict[str, list[NDArray[np.float64]]]


def municipality_tiles() -> pd.DataFrame:
    """Read a map of Denmark in 98 equal tiles, one a municipality.

    Returns
    -------
    DataFrame, 98 rows
        `code` (official number), `municipality` (Danish name), `short` (at most 8 letters), `column` from the west and
        `row` from the north, whole numbers from 0.

    Notes
    -----
    Tiles were placed so that as many neighbours as possible touch (92 of 100 pairs of neighbours do, corners
    included), directions are kept, and the sea is left open. Bornholm is moved to the west, as on most maps.

    Examples
    --------
    >>> tiles = municipality_tiles()
    >>> len(tiles), bool(tiles.duplicated(["column", "row"]).any())
    (98, False)
    """
    tiles = read_packaged("tiles.csv").merge(municipalities()[["code", "municipality"]], on="code", validate="1:1")
    return tiles[["code", "municipality", "short", "column", "row"]]


def municipality_neighbours(
    *, labels: Literal["municipality", "code"] = "municipality", across: Collection[Crossing] = ("land", "bridge")
) -> dict[Any, list[Any]]:
    """Return each Danish municipality's neighbours, as maps and models of neighbourhood take them.

    Parameters
    ----------
    labels : {"municipality", "code"}
        How municipalities are named.
    across : collection of {"land", "bridge"}
        What counts: a border on land (186 pairs), or a bridge or dam between two that have none (6 pairs: the two
        Belts, Langeland, Falster, and Mors to both sides).

    Returns
    -------
    dict of label to list of labels
        All 98, those without a neighbour (Bornholm, Ærø, Samsø, Læsø, Fanø) with an empty list.

    Raises
    ------
    SpecificationError
        Other labels or crossings.

    Notes
    -----
    Borders after the reform of 2007, from boundaries of 2014 at 1:500,000. Municipalities that meet in a corner only
    are not neighbours.

    Examples
    --------
    >>> municipality_neighbours()["Tårnby"]
    ['København', 'Dragør']
    """
    if labels not in ("municipality", "code"):
        raise SpecificationError(f"labels is {labels!r}; allowed are 'municipality' and 'code'")
    unknown = {across} if isinstance(across, str) else set(across) - set(get_args(Crossing))
    if unknown:
        raise SpecificationError(f"across holds {sorted(unknown)}; it is a list of 'land', 'bridge' or both")
    places = municipalities()
    name = dict(zip(places["code"], places[labels], strict=True))
    found: dict[Any, list[Any]] = {label: [] for label in name.values()}
    pairs = read_packaged("neighbours.csv")
    pairs = pairs[pairs["kind"].isin(list(across))]
    there = list(zip(pairs["code"], pairs["neighbour"], strict=True))
    for one, other in sorted([*there, *((b, a) for a, b in there)]):
        found[name[one]].append(name[other])
    return found


def read_outlines(path: str | Path, *, key: str) -> Outlines:
    """Read the outlines of areas from a GeoJSON file of one's own.

    Parameters
    ----------
    path : str or Path
        GeoJSON, a FeatureCollection of polygons or multipolygons, in any coordinates.
    key : str
        Property that names the area; features of the same name are put together.

    Returns
    -------
    dict of str to list of (points, 2) arrays
        Rings of each area: outlines, and holes in them, in the file's coordinates.

    Raises
    ------
    DataError
        No GeoJSON, no polygons, or a feature without the key; the message says which properties there are.
    """
    place = Path(path)
    try:
        content = json.loads(place.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{place}: is not GeoJSON in UTF-8 ({str(error):.80})") from error
    features = content.get("features") if isinstance(content, Mapping) else None
    if not isinstance(features, list) or not features:
        raise DataError(f"{place}: is not a GeoJSON FeatureCollection with features in it")
    outlines: Outlines = {}
    for number, feature in enumerate(features):
        given = feature.get("properties") if isinstance(feature, Mapping) else None
        properties = given if isinstance(given, Mapping) else {}
        if properties.get(key) is None:
            there = ", ".join(map(str, properties)) or "none"
            raise DataError(f"{place}: feature {number} has no property {key!r}; it has {there}")
        outlines.setdefault(str(properties[key]), []).extend(
            _rings(feature.get("geometry"), f"{place}: feature {number}")
        )
    return outlines


def _rings(geometry: Any, where: str) -> list[NDArray[np.float64]]:
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    parts = geometry.get("coordinates") if isinstance(geometry, Mapping) else None
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(parts, list):
        raise DataError(f"{where} is {kind!r}; outlines are polygons or multipolygons")
    rings = []
    try:
        for polygon in [parts] if kind == "Polygon" else parts:
            for ring in polygon:
                points = np.array([point[:2] for point in ring], dtype=np.float64)
                if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
                    raise ValueError("no ring")
                rings.append(points)
    except (TypeError, ValueError, IndexError) as error:
        raise DataError(f"{where} has a ring that is no list of three or more points") from error
    return rings
