"""The map of the page: its tiles, and when there is none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmodels import datasets
from benchmodels.report.tiles import SIDE, tile_map

NAMES = datasets.municipalities()["municipality"].tolist()


def drawn(gap: np.ndarray, names: list[str] = NAMES):
    verdicts = ["above" if g > 0.5 else "below" if g < -0.5 else "not" for g in gap]
    return tile_map(names, gap, verdicts, [f"{name}: {g:.1f}" for name, g in zip(names, gap, strict=True)])


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_each_municipality_has_a_tile_whose_colour_is_its_gap() -> None:
    gap = np.linspace(-1.0, 1.0, 98)
    found = drawn(gap)
    assert [tile.unit for tile in found.tiles] == list(range(98))
    assert len({(tile.x, tile.y) for tile in found.tiles}) == 98
    assert found.absent == []
    assert max(tile.x for tile in found.tiles) + SIDE == found.width
    # Red is stronger than blue above, and the other way round below; paler towards the middle.
    tint = np.array([rgb(tile.fill)[0] - rgb(tile.fill)[2] for tile in found.tiles])
    assert (np.diff(tint) >= 0).all()
    assert tint[0] < -100 < 100 < tint[-1]
    assert found.reach == pytest.approx(np.quantile(np.abs(gap), 0.95))
    assert rgb(found.tiles[49].fill) == pytest.approx((247, 247, 247), abs=6)


def test_units_without_a_figure_are_pale_and_those_that_are_not_there_are_absent() -> None:
    gap = np.array([np.nan, 1.0, -1.0])
    found = drawn(gap, NAMES[:3])
    assert rgb(found.tiles[0].fill) == (247, 247, 247)
    assert len(found.absent) == 95


@pytest.mark.parametrize(
    ("names", "gap"),
    [
        (["school 1", "school 2"], [1.0, 2.0]),
        (["København", "Københavns Kommune"], [1.0, 2.0]),
        (["Aarhus", "Odense"], [np.nan, np.nan]),
    ],
)
def test_there_is_no_map_of_what_cannot_be_placed(names: list[str], gap: list[float]) -> None:
    assert drawn(np.array(gap), names) is None


def test_equal_units_are_all_pale() -> None:
    found = drawn(np.zeros(98))
    assert {tile.fill for tile in found.tiles} == {"#f7f7f7"}


def test_the_page_has_the_map_with_all_units_and_their_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmodels.replication import read_study, run_study, shipped_studies

    monkeypatch.setattr("benchmodels.replication.chapters.figures_of", lambda *args, **kwargs: {})
    page = run_study(read_study(shipped_studies()["special-education"]), out=tmp_path / "out", lang="da")
    html = page.read_text(encoding="utf-8")
    picture = re.search(r'<svg class="map".*?</svg>', html, re.S).group(0)
    assert picture.count('class="tile"') == 98
    assert "Simulerede tal" in picture
    hatched = picture.count('fill="url(#special-education-map-not)"')
    signs = picture.count("▲</text>") + picture.count("▼</text>")
    assert hatched + signs + picture.count('fill="url(#special-education-map-withheld)"') == 98
    assert hatched > 0 and signs > 0
    assert "Kort over kommuner" in html
