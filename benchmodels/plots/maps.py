"""A map of units, coloured by their estimates, that says where a difference is no more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.comparison import a_comparison
from benchmodels.datasets import municipality_codes, municipality_tiles
from benchmodels.errors import DataError, SpecificationError
from benchmodels.plots.canvas import SMALL, STYLE, axes, factor, listed, mark_simulated, numbers_on, position
from benchmodels.plots.funnels import estimate_label
from benchmodels.plots.texts import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison
    from benchmodels.plots.texts import Lang

    Floats = NDArray[np.float64]

__all__ = ["choropleth"]

# Estimates beyond this share of them share the last colour, so that one unit does not make the others pale.
_OUTER = 0.95
_SIGN = {"above": "▲", "below": "▼"}


def choropleth(
    comparison: Comparison,
    outlines: Mapping[str, Sequence[Floats]] | None = None,
    *,
    ax: Axes | None = None,
    highlight: object = None,
    percent: bool = False,
    scale: float = 1.0,
    lang: Lang = "en",
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw units on a map: coloured by estimate, hatched where it is not different from what is expected.

    Without outlines the map is of Danish municipalities as equal tiles, so that a town counts as much as a heath; a
    triangle says which are above and below what is expected. White with a cross is a unit whose uncertainty is not
    known; dotted, one that is not in the comparison. The outer twentieth of the estimates shares the last colour.

    Parameters
    ----------
    comparison : Comparison
        k units; without outlines, Danish municipalities by name or code.
    outlines : mapping of unit to (points, 2) arrays, optional
        Rings of each area, as from `benchmodels.datasets.read_outlines`; keys are the comparison's labels.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None for a figure of its own.
    highlight : label, optional
        Unit drawn with a thick edge.
    percent : bool, default False
        Write estimates times 100, as percentage points or per cent; the data drawn are unchanged.
    scale : float, default 1.0
        Estimates are written times this; the data drawn are unchanged. Not together with ``percent``.
    lang : {'en', 'da'}, default 'en'
    labels : mapping, optional
        Own words: keys 'estimate', and 'measure', the unit of measure of the estimates as written.

    Returns
    -------
    matplotlib.axes.Axes
        The areas are its first collection, one path a unit, in the comparison's order.

    Raises
    ------
    SpecificationError
        No unit has an estimate, units without an outline, the unit to highlight or a word is not there, or both
        ``percent`` and ``scale``.
    DataError
        Without outlines, a unit that is no Danish municipality; an outline that is no list of rings of points.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    a_comparison(comparison, "choropleth")
    say = words(lang, labels, allowed=("estimate", "measure"))
    times = factor(percent=percent, scale=scale)
    comparison = a_comparison(comparison, "choropleth")
    strong = position(comparison.unit, highlight)
    away = comparison.estimate - comparison.null
    known = np.isfinite(away)
    if not known.any():
        raise SpecificationError("no unit has an estimate; there is nothing to draw")
    if outlines is None:
        rings, names, rest = _tiles(comparison)
        ax = axes(ax, width=9.6, height=8.2)
    else:
        rings, names, rest = _areas(comparison, outlines)
        ax = axes(ax, width=7.5, height=7.5)
    reach = float(np.quantile(np.abs(away[known]), _OUTER)) or 1.0
    colours = LinearSegmentedColormap.from_list("apart", [STYLE["below"]["color"], "#F7F7F7", STYLE["above"]["color"]])
    norm = Normalize(comparison.null - reach, comparison.null + reach)
    face = np.where(known[:, None], colours(norm(np.where(known, comparison.estimate, comparison.null))), 1.0)
    drawn = _draw(ax, rings, face, comparison.different, strong)
    if rest:
        _dotted(ax, rest)
    if names:
        _name(ax, rings, names, comparison.different, face)
    drawn.set(cmap=colours, norm=norm)
    _colours(
        ax,
        drawn,
        comparison,
        reach,
        times,
        say.get("estimate") or estimate_label(comparison, say, percent=percent),
        lang,
    )
    _key(ax, comparison, say, tiles=bool(names), rest=bool(rest))
    ax.set_aspect("equal" if outlines is None else _aspect(rings))
    ax.autoscale_view()
    ax.set_axis_off()
    mark_simulated(ax, say, comparison.source.simulated)
    return ax


def _tiles(comparison: Comparison) -> tuple[list[list[Floats]], list[str], list[list[Floats]]]:
    """Return a square for each unit, its short name, and squares of the municipalities that are not compared."""
    tiles = municipality_tiles()
    row = {f"{code}": i for i, code in enumerate(tiles["code"])}
    try:
        at = [row[code] for code in municipality_codes(comparison.unit.tolist())]
    except DataError as error:
        raise DataError(
            f"{error}. Without outlines the map is of Danish municipalities; give outlines={{unit: rings}} of other "
            "areas, as from datasets.read_outlines"
        ) from error
    if len(set(at)) < len(at):
        raise SpecificationError("two units of the comparison are the same municipality; a map has one tile for each")
    corner = np.array([[0.03, 0.03], [0.97, 0.03], [0.97, 0.97], [0.03, 0.97], [0.03, 0.03]])
    centre = np.column_stack([tiles["column"], tiles["row"].max() - tiles["row"]]).astype(np.float64)
    rest = [i for i in range(len(tiles)) if i not in set(at)]
    return (
        [[centre[i] + corner] for i in at],
        [str(tiles["short"][i]) for i in at],
        [[centre[i] + corner] for i in rest],
    )


def _areas(
    comparison: Comparison, outlines: Mapping[str, Sequence[Floats]]
) -> tuple[list[list[Floats]], list[str], list[list[Floats]]]:
    lost = [str(unit) for unit in comparison.unit if str(unit) not in outlines]
    if lost:
        there = listed(list(outlines), "{names} and {n} more")
        raise SpecificationError(f"no outline of {listed(lost, '{names} and {n} more')}; there are outlines of {there}")
    used = {str(unit) for unit in comparison.unit}
    own = [_rings(str(unit), outlines[str(unit)]) for unit in comparison.unit]
    return own, [], [_rings(name, rings) for name, rings in outlines.items() if name not in used]


def _rings(name: str, given: object) -> list[Floats]:
    try:
        rings = [np.asarray(ring, dtype=np.float64) for ring in given]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        rings = []
    shaped = all(ring.ndim == 2 and ring.shape[1] == 2 and len(ring) > 2 for ring in rings)
    if not rings or not shaped or not all(np.isfinite(ring).all() for ring in rings):
        raise DataError(
            f"the outline of {name!r} cannot be drawn; give one or more rings, each an (m, 2) array of finite points, "
            "three or more"
        )
    return rings


def _path(rings: Sequence[Floats]) -> Any:
    from matplotlib.path import Path

    return Path.make_compound_path(*(Path(ring, closed=True) for ring in rings))


def _draw(
    ax: Axes, rings: list[list[Floats]], face: Floats, different: NDArray[np.object_], strong: int | None
) -> PathCollection:
    from matplotlib.collections import PathCollection

    paths = [_path(part) for part in rings]
    drawn = PathCollection(paths, facecolors=face, edgecolors="#FFFFFF", linewidths=0.4, gid="units")
    ax.add_collection(drawn)
    for verdict, hatch in (("not different", "////"), ("withheld", "xxxx")):
        some = [path for path, is_it in zip(paths, different == verdict, strict=True) if is_it]
        if some:
            ax.add_collection(
                PathCollection(some, facecolors="none", edgecolors="#8A8A8A", hatch=hatch, linewidths=0.0, gid=verdict)
            )
    if strong is not None:
        edge = PathCollection(
            [paths[strong]], facecolors="none", edgecolors="#000000", linewidths=2.2, zorder=4, gid="highlight"
        )
        ax.add_collection(edge)
    return drawn


def _dotted(ax: Axes, rest: list[list[Floats]]) -> None:
    from matplotlib.collections import PathCollection

    paths = [_path(part) for part in rest]
    ax.add_collection(
        PathCollection(paths, facecolors="#FFFFFF", edgecolors="#9A9A9A", linestyles=":", linewidths=0.8, gid="absent")
    )


def _name(ax: Axes, rings: list[list[Floats]], names: list[str], different: NDArray[np.object_], face: Floats) -> None:
    """Write each tile's short name and, where it is different, on which side; light letters on dark tiles."""
    for tile, name, verdict, colour in zip(rings, names, different, face, strict=True):
        x, y = tile[0][:-1].mean(axis=0)
        sign = _SIGN.get(str(verdict), "")
        dark = colour[:3] @ np.array([0.299, 0.587, 0.114]) < 0.5
        # Names on hatches have a pale box behind them, whatever the colour of the tile.
        ink = "#FFFFFF" if sign and dark else "#000000"
        box = None if sign else {"facecolor": "#FFFFFF", "edgecolor": "none", "pad": 0.6, "alpha": 0.75}
        ax.text(x, y + (0.16 if sign else 0.0), name, ha="center", va="center", fontsize=5.9, color=ink, bbox=box)
        if sign:
            ax.text(x, y - 0.2, sign, ha="center", va="center", fontsize=7.0, color=ink)


def _colours(
    ax: Axes, drawn: PathCollection, comparison: Comparison, reach: float, times: float, label: str, lang: Lang
) -> None:
    away = comparison.estimate - comparison.null
    beyond = [bool(np.nanmin(away) < -reach), bool(np.nanmax(away) > reach)]
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((beyond[0], beyond[1]), "neither")
    bar = ax.figure.colorbar(drawn, ax=ax, orientation="horizontal", fraction=0.035, pad=0.02, aspect=40, extend=extend)
    numbers_on(bar.ax.xaxis, lang, scale=times)
    bar.ax.tick_params(labelsize=SMALL + 1)
    bar.set_label(label, fontsize=SMALL + 1.5)


def _key(ax: Axes, comparison: Comparison, say: Mapping[str, str], *, tiles: bool, rest: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Any] = []
    for verdict in ("above", "below") if tiles else ():
        if (comparison.different == verdict).any():
            keys.append(
                Line2D([], [], linestyle="none", color="#000000", marker=STYLE[verdict]["marker"], label=say[verdict])
            )
    if (comparison.different == "not different").any():
        keys.append(Patch(facecolor="#F7F7F7", edgecolor="#8A8A8A", hatch="////", label=say["not different"]))
    if (comparison.different == "withheld").any():
        keys.append(Patch(facecolor="#FFFFFF", edgecolor="#8A8A8A", hatch="xxxx", label=say["withheld"]))
    if rest:
        keys.append(Patch(facecolor="#FFFFFF", edgecolor="#9A9A9A", linestyle=":", label=say["absent"]))
    if keys:
        ax.legend(handles=keys, loc="upper right", fontsize=SMALL + 1, frameon=False)


def _aspect(rings: list[list[Floats]]) -> float:
    """Return how much taller a step north is drawn than one east: that of the middle latitude, if these are degrees."""
    y = np.concatenate([ring[:, 1] for part in rings for ring in part])
    x = np.concatenate([ring[:, 0] for part in rings for ring in part])
    degrees = np.abs(y).max() <= 90.0 and np.abs(x).max() <= 180.0
    return float(1.0 / np.cos(np.radians(0.5 * (y.min() + y.max())))) if degrees else 1.0
