"""What productivity change is made of: which parts are defined for which reference technology, and their formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "DECOMPOSITIONS", "Ask", "Base", "Decomposition", "Name", "Reference", "asks", "decomposition_table", "parts",
]  # fmt: skip

Reference = Literal["contemporaneous", "sequential", "global", "biennial"]
Name = Literal["fglr", "fgnz", "ray-desli", "grifell-tatje-lovell", "bias"]
Base = Literal["both", "earlier", "later"]
Point = Literal["earlier", "later", "later used, earlier made", "earlier used, later made"]


class Ask(NamedTuple):
    """A distance: under which returns, of which point, to which reference.

    ``returns`` is 'asked' (those of the model), 'crs' or 'vrs'; a reference 'common' is that of all periods (global) or
    of both (biennial).
    """

    returns: Literal["asked", "crs", "vrs"]
    point: Point
    reference: Literal["earlier", "later", "common"]


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """A decomposition of the index.

    Parameters
    ----------
    parts : tuple of str
        Columns that the index is told with.
    factors : tuple of str
        Those whose product it is.
    references : tuple of str
        Reference technologies that it is defined for.
    returns : tuple of str
        Returns of the index that it is defined for; empty for all.
    source : str
    """

    parts: tuple[str, ...]
    factors: tuple[str, ...]
    references: tuple[Reference, ...]
    returns: tuple[str, ...]
    source: str


_EVERY: tuple[Reference, ...] = ("contemporaneous", "sequential", "global", "biennial")
_BASIC = ("efficiency_change", "technical_change")
_SCALE = ("pure_efficiency_change", "technical_change", "scale_change")

# Which decomposition is defined for which reference technology, and at which returns; all others raise.
DECOMPOSITIONS: Mapping[Name, Decomposition] = MappingProxyType(
    {
        "fglr": Decomposition(
            parts=_BASIC,
            factors=_BASIC,
            references=_EVERY,
            returns=(),
            source=(
                "Färe, Grosskopf, Lindgren, Roos (1992), J Product Anal 3:85-101; sequential: Shestalova (2003), J "
                "Product Anal 19:211-226; global: Pastor & Lovell (2005), Econ Lett 88:266-271"
            ),
        ),
        "fgnz": Decomposition(
            parts=(*_BASIC, "pure_efficiency_change", "scale_change"),
            factors=_SCALE,
            references=_EVERY,
            returns=("crs",),
            source="Färe, Grosskopf, Norris, Zhang (1994), Am Econ Rev 84:66-83",
        ),
        "ray-desli": Decomposition(
            parts=_SCALE,
            factors=_SCALE,
            references=_EVERY,
            returns=("crs",),
            source=(
                "Ray & Desli (1997), Am Econ Rev 87:1033-1039; biennial: Pastor, Asmild, Lovell (2011), Socio-Econ "
                "Plan Sci 45:10-15"
            ),
        ),
        "grifell-tatje-lovell": Decomposition(
            parts=_SCALE,
            factors=_SCALE,
            references=("contemporaneous",),
            returns=("vrs",),
            source="Grifell-Tatjé & Lovell (1999), Top 7:81-101",
        ),
        "bias": Decomposition(
            parts=(*_BASIC, "output_bias", "input_bias", "magnitude"),
            factors=("efficiency_change", "output_bias", "input_bias", "magnitude"),
            references=("contemporaneous",),
            returns=("crs",),
            source="Färe, Grifell-Tatjé, Grosskopf, Lovell (1997), Scand J Econ 99:119-127",
        ),
    }
)


def decomposition_table() -> pd.DataFrame:
    """Return which decomposition is defined for which reference technology, one row each.

    Columns ``decomposition, reference, returns, factors, source``.

    Examples
    --------
    >>> decomposition_table().groupby("decomposition", sort=False)["reference"].agg(len).to_dict()
    {'fglr': 4, 'fgnz': 4, 'ray-desli': 4, 'grifell-tatje-lovell': 1, 'bias': 1}
    """
    rows = [
        {
            "decomposition": name,
            "reference": reference,
            "returns": ", ".join(told.returns) or "any",
            "factors": " × ".join(told.factors),
            "source": told.source,
        }
        for name, told in DECOMPOSITIONS.items()
        for reference in told.references
    ]
    return pd.DataFrame(rows)


def parts(get: Callable[[Ask], Floats], name: Name, *, common: bool, base: Base, side: str) -> dict[str, Floats]:
    """Return the logarithm of the index and of its parts, by a function that gives the logarithm of each distance.

    Parameters
    ----------
    get : callable
        The logarithm of an efficiency.
    name : str
        Of the decomposition.
    common : bool
        The reference technology is one for both periods: global or biennial.
    base : {'both', 'earlier', 'later'}
        Of which period the technology is that both points are held against; 'both' is the geometric mean of the two.
    side : {'input', 'output'}
    """
    if name == "fglr":
        index, caught = _index(get, "asked", common, base), _caught(get, "asked")
        return {"index": index, "efficiency_change": caught, "technical_change": index - caught}
    if name == "fgnz":
        index, caught, pure = _index(get, "crs", common, base), _caught(get, "crs"), _caught(get, "vrs")
        return {"index": index, "efficiency_change": caught, "technical_change": index - caught,
                "pure_efficiency_change": pure, "scale_change": caught - pure}  # fmt: skip
    if name == "bias":
        return _biased(get, base)
    pure, by_size = _caught(get, "vrs"), _index(get, "vrs", common, base)
    if name == "ray-desli":
        index = _index(get, "crs", common, base)
        scale = index - by_size
    else:
        scale = _scale(get, base, side)
        index = by_size + scale
    return {"index": index, "pure_efficiency_change": pure, "technical_change": by_size - pure, "scale_change": scale}


def asks(name: Name, *, common: bool, base: Base, side: str) -> tuple[Ask, ...]:
    """Return the distances that a decomposition needs."""
    met: dict[Ask, None] = {}

    def note(ask: Ask) -> Floats:
        met[ask] = None
        return np.zeros(1)

    parts(note, name, common=common, base=base, side=side)
    return tuple(met)


def _caught(get: Callable[[Ask], Floats], returns: Literal["asked", "crs", "vrs"]) -> Floats:
    """How much nearer the later point is to its own frontier than the earlier one to its own."""
    return get(Ask(returns, "later", "later")) - get(Ask(returns, "earlier", "earlier"))


def _index(get: Callable[[Ask], Floats], returns: Literal["asked", "crs", "vrs"], common: bool, base: Base) -> Floats:
    references: tuple[Literal["earlier", "later", "common"], ...] = (
        ("common",) if common else ("earlier", "later") if base == "both" else (base,)
    )
    found = [get(Ask(returns, "later", where)) - get(Ask(returns, "earlier", where)) for where in references]
    return np.asarray(sum(found) / len(found))


def _biased(get: Callable[[Ask], Floats], base: Base) -> dict[str, Floats]:
    index, caught = _index(get, "crs", False, base), _caught(get, "crs")

    def shift(point: Point) -> Floats:
        """How far the frontier moved, seen from a point."""
        return get(Ask("crs", point, "earlier")) - get(Ask("crs", point, "later"))

    magnitude, mixed, later = shift("earlier"), shift("later used, earlier made"), shift("later")
    return {
        "index": index, "efficiency_change": caught, "technical_change": index - caught,
        "output_bias": (later - mixed) / 2.0, "input_bias": (mixed - magnitude) / 2.0, "magnitude": magnitude,
    }  # fmt: skip


def _scale(get: Callable[[Ask], Floats], base: Base, side: str) -> Floats:
    """Scale efficiency where only the goods that do not move change, from their earlier to their later amounts."""

    def at(point: Point, reference: Literal["earlier", "later"]) -> Floats:
        return get(Ask("crs", point, reference)) - get(Ask("vrs", point, reference))

    first: Point = "earlier used, later made" if side == "input" else "later used, earlier made"
    second: Point = "later used, earlier made" if side == "input" else "earlier used, later made"
    found = []
    if base != "later":
        found.append(at(first, "earlier") - at("earlier", "earlier"))
    if base != "earlier":
        found.append(at("later", "later") - at(second, "later"))
    return np.asarray(sum(found) / len(found))
