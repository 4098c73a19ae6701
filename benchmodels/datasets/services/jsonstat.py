"""JSON-stat, the cube format of statistical offices: versions 1.x (a bundle with one data set) and 2.0."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from benchmodels.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cube", "read_json", "read_jsonstat"]

_MOST_CELLS = 50_000_000
# What Nordic offices write in the place of a number that there is none of.
_MARKS = frozenset({"", ".", "..", "...", "-", ":", "x"})


@dataclass(frozen=True, kw_only=True)
class Cube:
    """A cube of numbers with names on its sides.

    Parameters
    ----------
    label : str
        Title.
    source : str
        Who made it.
    updated : str
        When it was last changed, as written there.
    dimensions : mapping of str to mapping of str to str
        For each side, in order, its codes and their texts, in order.
    values : ndarray, shape of the dimensions
        Numbers in the unit of measure of the table; NaN where there is none.
    marks : ndarray of str, shape of the dimensions
        What stands in the place of a number, or is said of it; an empty text for an ordinary number.
    """

    label: str
    source: str
    updated: str
    dimensions: Mapping[str, Mapping[str, str]]
    values: np.ndarray
    marks: np.ndarray

    def to_frame(self) -> pd.DataFrame:
        """Return one row per cell: a column of codes per side, then ``value`` and ``mark``."""
        import pandas as pd

        grid = np.indices(self.values.shape).reshape(len(self.dimensions), -1)
        columns: dict[str, Any] = {
            name: np.asarray(list(codes), dtype=object)[grid[side]]
            for side, (name, codes) in enumerate(self.dimensions.items())
        }
        return pd.DataFrame({**columns, "value": self.values.ravel(), "mark": self.marks.ravel()})


def read_json(text: str, what: str) -> Any:
    """Return the object that a JSON text holds.

    Parameters
    ----------
    text : str
        JSON without NaN and infinity.
    what : str
        Named in the error.

    Raises
    ------
    DataError
        It is empty, cut, too deep, or no JSON at all.

    Examples
    --------
    >>> read_json('{"a": 1}', "the answer")
    {'a': 1}
    """

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        seen = " ".join(text[:80].split())
        raise DataError(f"{what} is no whole JSON ({type(error).__name__}: {error}); it begins: {seen!r}") from None


def read_jsonstat(text: str, *, what: str = "the answer") -> Cube:
    """Read one JSON-stat data set.

    Parameters
    ----------
    text : str
        JSON-stat 1.x (``{"dataset": …}``) or 2.0 (``{"class": "dataset", …}``); its values a list or a sparse object.
    what : str
        Named in the errors.

    Returns
    -------
    Cube
        With every cell; what is null or a mark is NaN.

    Raises
    ------
    DataError
        The text is not JSON-stat, or its sizes, codes and values do not agree.

    References
    ----------
    JSON-stat format 2.0, sections *dataset*, *dimension*, *category*, *value*, *status* (json-stat.org/full).

    Examples
    --------
    >>> cube = read_jsonstat('{"class": "dataset", "id": ["k"], "size": [2], "value": [1, null],'
    ...                      ' "dimension": {"k": {"category": {"index": ["101", "411"]}}}}')
    >>> cube.to_frame()["value"].tolist()
    [1.0, nan]
    """
    found = read_json(text, what)
    bundle = _object(found, what)
    dataset = _object(bundle.get("dataset", bundle), f"{what}: dataset")
    sides = _object(dataset.get("dimension"), f"{what}: dimension")
    names = dataset.get("id", sides.get("id"))
    sizes = dataset.get("size", sides.get("size"))
    if not _texts(names) or not isinstance(sizes, list) or len(names) != len(sizes) or len(set(names)) != len(names):
        raise DataError(f"{what} is no JSON-stat: its id and size are not two lists of the same length")
    dimensions = {name: _codes(sides.get(name), f"{what}: dimension {name!r:.60}") for name in names}
    shape = tuple(len(codes) for codes in dimensions.values())
    if list(shape) != sizes or any(type(size) is not int for size in sizes):
        raise DataError(f"{what}: its size is {sizes!r:.100}, but its dimensions hold {list(shape)} codes")
    cells = math.prod(shape)
    if not 0 < cells <= _MOST_CELLS:
        raise DataError(f"{what} has {cells:,} cells; allowed are 1 to {_MOST_CELLS:,}: ask for less at a time")
    said = _status(dataset.get("status"), cells, f"{what}: status")
    values, marks = _numbers(_cells(dataset.get("value"), cells, f"{what}: value"), said, cells, what)
    texts = {name: one if isinstance(one := dataset.get(name), str) else "" for name in ("label", "source", "updated")}
    return Cube(dimensions=dimensions, values=values.reshape(shape), marks=marks.reshape(shape), **texts)


def _object(found: object, what: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise DataError(f"{what} is {type(found).__name__}, not an object; is this JSON-stat?")
    return found


def _texts(found: object) -> TypeGuard[list[str]]:
    return isinstance(found, list) and bool(found) and all(isinstance(one, str) for one in found)


def _codes(found: object, what: str) -> dict[str, str]:
    """Return the codes of a side in order, each with its text."""
    category = _object(_object(found, what).get("category"), f"{what}: category")
    labels = category.get("label", {})
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise DataError(f"{what}: its labels are not texts")
    index = category.get("index", list(labels) if len(labels) == 1 else None)
    if isinstance(index, dict):
        if any(type(place) is not int for place in index.values()) or sorted(index.values()) != list(range(len(index))):
            raise DataError(f"{what}: its index is not the numbers 0 to {len(index) - 1}, each once")
        index = sorted(index, key=index.__getitem__)
    if not _texts(index) or len(set(index)) != len(index):
        raise DataError(f"{what}: it has no codes, or the same one twice")
    return {code: labels.get(code, code) for code in index}


def _cells(found: object, cells: int, what: str) -> dict[int, object]:
    """Return the cells by their place, whether they were written as a list or as a sparse object."""
    if isinstance(found, list):
        if len(found) != cells:
            raise DataError(f"{what} has {len(found)} entries for {cells} cells")
        return dict(enumerate(found))
    sparse = _object(found, what)
    places = {
        int(place): one for place, one in sparse.items() if place.isascii() and place.isdigit() and len(place) < 12
    }
    if len(places) != len(sparse) or any(place >= cells for place in places):
        raise DataError(f"{what} names places that are not numbers below {cells}")
    return places


def _status(found: object, cells: int, what: str) -> dict[int, object]:
    """Return what is said of each cell; one text, or a list of one, is said of all."""
    alike = found[0] if isinstance(found, list) and len(found) == 1 else found
    if alike is None or isinstance(alike, str):
        return dict.fromkeys(range(cells), alike) if alike else {}
    return _cells(found, cells, what)


def _numbers(found: Mapping[int, object], said: Mapping[int, object], cells: int, what: str) -> tuple[Any, Any]:
    values, marks = np.full(cells, np.nan), np.full(cells, "..", dtype=object)
    for place, one in found.items():
        if type(one) in (int, float):
            try:
                values[place] = float(one)  # type: ignore[arg-type]
            except OverflowError:
                values[place] = np.inf
            marks[place] = ""
        elif isinstance(one, str) and one.strip() in _MARKS:
            marks[place] = one.strip() or ".."
        elif one is not None:
            raise DataError(f"{what}: cell {place} holds {one!r:.60}, which is no number")
    if np.isinf(values).any():
        raise DataError(f"{what}: cell {int(np.isinf(values).argmax())} holds a number too large to be one")
    values[marks == "-"] = 0.0
    for place, one in said.items():
        if isinstance(one, str) and one:
            marks[place] = one
        elif one is not None and one != "":
            raise DataError(f"{what}: the status of cell {place} is {one!r:.60}, not a text")
    return values, marks
