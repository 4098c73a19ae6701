"""Neighbours, tiles and outlines of areas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmodels import DataError, SpecificationError, datasets

OUTLINES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "dk" / "kommuner_500k_2014.geojson"


def test_every_municipality_has_a_tile_of_its_own_and_a_short_name() -> None:
    tiles, known = datasets.municipality_tiles(), datasets.municipalities()
    assert sorted(tiles["code"]) == sorted(known["code"])
    assert not tiles.duplicated(["column", "row"]).any()
    assert tiles["short"].is_unique
    assert tiles["short"].str.len().max() <= 8
    # Each name begins as the municipality does, so that a reader can guess it.
    assert all(short[0] == name[0] for short, name in zip(tiles["short"], tiles["municipality"], strict=True))


def test_tiles_keep_neighbours_and_directions() -> None:
    tiles = datasets.municipality_tiles().set_index("municipality")
    pairs = [(a, b) for a, near in datasets.municipality_neighbours().items() for b in near if a < b]
    at = {name: np.array([row.column, row.row]) for name, row in tiles.iterrows()}
    touching = [np.abs(at[a] - at[b]).max() <= 1 for a, b in pairs]
    assert len(pairs) == 192
    assert np.mean(touching) > 0.9
    assert at["Frederikshavn"][1] < at["Aalborg"][1] < at["Aarhus"][1] < at["Aabenraa"][1]  # north is up
    assert at["Esbjerg"][0] < at["Odense"][0] < at["København"][0] < at["Bornholm"][0]  # west is left


def test_neighbours_are_mutual_and_known() -> None:
    near = datasets.municipality_neighbours()
    assert len(near) == 98
    assert all(a in near[b] for a, others in near.items() for b in others)
    assert near["Tårnby"] == ["København", "Dragør"]
    assert near["Frederiksberg"] == ["København"]
    assert {name for name, others in near.items() if not others} == {"Bornholm", "Ærø", "Samsø", "Læsø", "Fanø"}
    land = datasets.municipality_neighbours(across=["land"])
    assert "Slagelse" in near["Nyborg"] and "Slagelse" not in land["Nyborg"]
    assert {name for name, others in land.items() if not others} >= {"Langeland", "Morsø"}
    assert datasets.municipality_neighbours(labels="code")[155] == [185]


def test_neighbours_refuse_what_is_not_there() -> None:
    with pytest.raises(SpecificationError, match="allowed are 'municipality' and 'code'"):
        datasets.municipality_neighbours(labels="name")  # type: ignore[arg-type]
    for wrong in (["ferry"], "land"):
        with pytest.raises(SpecificationError, match="a list of 'land', 'bridge' or both"):
            datasets.municipality_neighbours(across=wrong)  # type: ignore[arg-type]


@pytest.mark.skipif(not OUTLINES.exists(), reason="the outlines are not here")
def test_neighbours_are_those_that_share_points_of_a_border() -> None:
    rings = datasets.read_outlines(OUTLINES, key="lau_1")
    owners: dict[tuple[float, float], set[str]] = {}
    for code, parts in rings.items():
        for ring in parts:
            for point in map(tuple, ring.tolist()):
                owners.setdefault(point, set()).add(code.lstrip("0"))
    shared = {(a, b) for found in owners.values() for a in found for b in found if a < b}
    near = datasets.municipality_neighbours(labels="code", across=["land"])
    assert shared == {(str(a), str(b)) for a, others in near.items() for b in others if str(a) < str(b)}


SQUARE = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]


def written(folder: Path, content: object) -> Path:
    path = folder / "areas.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def feature(geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def test_parts_of_an_area_are_put_together(tmp_path: Path) -> None:
    one = feature({"type": "Polygon", "coordinates": SQUARE}, name="Læsø")
    two = feature({"type": "MultiPolygon", "coordinates": [SQUARE, SQUARE]}, name="Læsø")
    path = written(tmp_path, {"type": "FeatureCollection", "features": [one, two]})
    found = datasets.read_outlines(path, key="name")
    assert list(found) == ["Læsø"]
    assert [ring.shape for ring in found["Læsø"]] == [(4, 2)] * 3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not GeoJSON"),
        ("[1, 2]", "not a GeoJSON FeatureCollection"),
        ({"features": []}, "not a GeoJSON FeatureCollection"),
        ({"features": [3]}, "has no property 'name'; it has none"),
        ({"features": [feature(None, id=1)]}, "has no property 'name'; it has id"),
        ({"features": [feature(None, name="a")]}, "outlines are polygons"),
        ({"features": [feature({"type": "Point", "coordinates": [1, 2]}, name="a")]}, "is 'Point'"),
        ({"features": [feature({"type": "Polygon", "coordinates": [[1, 2]]}, name="a")]}, "a ring that is no list"),
        ({"features": [feature({"type": "Polygon", "coordinates": [[["x", 2]] * 4]}, name="a")]}, "a ring"),
        ({"features": [feature({"type": "Polygon", "coordinates": [[[1, 2]]]}, name="a")]}, "three or more points"),
        ({"features": [feature({"type": "Polygon", "coordinates": [[[1, None]] * 4]}, name="a")]}, "three or more"),
    ],
)
def test_broken_outlines_end_in_a_message(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(DataError, match=told):
        datasets.read_outlines(written(tmp_path, content), key="name")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        datasets.read_outlines(tmp_path / "none.geojson", key="name")
