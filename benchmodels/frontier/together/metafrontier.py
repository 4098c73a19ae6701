"""Kinds of units beside each other: the frontier of each kind, that of all, and the gap between them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.asked import whole
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.goods import read_goods
from benchmodels.frontier.scores import read_only
from benchmodels.frontier.together.groups import read_groups
from benchmodels.frontier.together.sharing import Moving, Reallocation, reallocated
from benchmodels.kernels.merging import Farrell, Side, farrell_of_hull
from benchmodels.kernels.technology import Returns, Technology, bounds_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Metafrontier", "MetafrontierFit", "Union"]

Union = Literal["convex", "non-convex"]


@dataclass(frozen=True, kw_only=True)
class Metafrontier:
    """Units held against the best of their own kind, and against the best of all kinds.

    A unit's efficiency against all is that against its own kind times the *technology gap ratio*: how near the frontier
    of its kind comes to that of all, at the unit's own mix and size.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure.
    unit : str
        Column that names the unit; one row each.
    group : str
        Column that says of which kind each unit is.
    returns : {'vrs', 'crs', 'drs', 'irs'}, default 'vrs'
    orientation : {'input', 'output'}, default 'input'
    union : {'convex', 'non-convex'}, default 'convex'
        What all kinds together can do: averages across kinds as well; or what some kind can do by itself, where
        averages of units that work in different ways have no meaning. Gaps are no larger then.
    least : int, optional
        Units that a kind needs, by default three times the number of goods: fewer make a frontier that is far within
        the true one, which looks like a gap. Kinds with fewer have no efficiency and no gap of their own; what they do
        is still part of what all can do.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    A frontier of few units lies further within the true one than that of many, so that a small kind has a smaller gap
    ratio by its size alone, whatever it does: compare kinds of like numbers, or mistrust the ratio.

    References
    ----------
    O'Donnell, Rao, Battese (2008), Empir Econ 34:231-255. Afsharian & Podinovski (2018), Eur J Oper Res 268:1085-1092
    (which union).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("abcd"), "kind": ["town", "town", "land", "land"],
    ...     "cost": [10.0, 20, 20, 40], "persons": [10.0, 10, 10, 10]})
    >>> model = Metafrontier(inputs=["cost"], outputs=["persons"], unit="unit", group="kind", least=2)
    >>> model.fit(table).to_frame()[["unit", "efficiency", "gap_ratio", "meta"]]
      unit  efficiency  gap_ratio  meta
    0    a         1.0        1.0  1.00
    1    b         0.5        1.0  0.50
    2    c         1.0        0.5  0.50
    3    d         0.5        0.5  0.25
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    unit: str
    group: str
    returns: Returns = "vrs"
    orientation: Side = "input"
    union: Union = "convex"
    least: int | None = None
    missing: Literal["raise", "drop"] = "raise"

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise SpecificationError(f"{name}={value!r}; give a list of columns")
            object.__setattr__(self, name, tuple(value))
        for name, allowed in (
            ("returns", get_args(Returns)), ("orientation", get_args(Side)), ("union", get_args(Union)),
            ("missing", ("raise", "drop")),
        ):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise SpecificationError(f"{name}={getattr(self, name)!r}; allowed are {', '.join(map(repr, allowed))}")
        if self.group in (*self.inputs, *self.outputs, self.unit):
            raise SpecificationError(f"group={self.group!r} is the unit, or a good; give the column of the kinds")
        if self.least is not None:
            whole("least", self.least, what="units of a kind")

    def fit(self, data: object) -> MetafrontierFit:
        """Hold every unit against its own kind and all.

        Parameters
        ----------
        data : dataframe
            One row a unit; pandas, polars, pyarrow …

        Raises
        ------
        SpecificationError, DataError
            As the options and the table give cause to; fewer than two kinds.

        Warns
        -----
        PartialResultWarning
            Kinds that are too small, with their units.
        """
        goods = read_goods(
            data, unit=self.unit, inputs=self.inputs, outputs=self.outputs, conditions=[self.group],
            missing=self.missing, least=2,
        )  # fmt: skip
        return _fitted(self, goods)


@dataclass(frozen=True, eq=False, kw_only=True)
class MetafrontierFit:
    """Units, their kinds, and their efficiencies against both.

    Parameters
    ----------
    model : Metafrontier
    goods : Goods
        k units.
    group : (k,) array
        The kind of each unit.
    efficiency : (k,) array
        Against the unit's own kind, in (0, 1]; NaN where the kind is too small.
    meta : (k,) array
        Against all, in (0, 1].
    withheld : (k,) array of str
        Why a unit has no efficiency of its own kind, and no gap ratio; empty where it has.
    """

    model: Metafrontier
    goods: Goods
    group: NDArray[np.object_]
    efficiency: Floats
    meta: Floats
    withheld: NDArray[np.object_]

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def unit(self) -> NDArray[np.object_]:
        """Labels (k,), in sorted order."""
        return self.goods.unit

    @cached_property
    def gap_ratio(self) -> Floats:
        """Technology gap ratios (k,), in (0, 1]: 1 where the unit's kind is as good as any at what the unit does."""
        ratio = self.meta / self.efficiency
        ratio.setflags(write=False)
        return ratio

    def __repr__(self) -> str:
        kinds = len(dict.fromkeys(self.group.tolist()))
        return f"MetafrontierFit({len(self.goods)} units of {kinds} kinds, {self.model!r})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit: ``unit, group, efficiency, gap_ratio, meta, withheld``."""
        names = ("unit", "group", "efficiency", "gap_ratio", "meta", "withheld")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()

    def reallocation(
        self, groups: Sequence[Sequence[Any]] | Mapping[Any, Sequence[Any]], *, moving: Moving = "both"
    ) -> Reallocation:
        """Let the units of each group share, each by the technology of its own kind.

        Parameters and errors as of `MergersFit.reallocation`; and none of the units may be of a kind that is too small.
        """
        asked = read_groups(groups, self.unit)
        small = np.unique(asked.sums.unit[self.withheld[asked.sums.unit] != ""])
        if len(small):
            raise SpecificationError(
                f"{listed(self.unit[small])} cannot share by the technology of their own kind: "
                f"{'; '.join(dict.fromkeys(self.withheld[small]))}"
            )
        of_kind = {
            kind: Technology(self.goods.inputs[at], self.goods.outputs[at], bounds_of(self.model.returns))
            for kind in dict.fromkeys(self.group.tolist())
            if (at := self.group == kind).any() and self.goods.goods[at].any(axis=0).all()
        }
        bare = [kind for kind in dict.fromkeys(self.group[asked.sums.unit].tolist()) if kind not in of_kind]
        if bare:
            raise SpecificationError(f"a good is zero for every unit of {listed(bare)}; leave it out to let them share")
        technologies = [of_kind.get(kind) for kind in self.group.tolist()]
        return reallocated(self.goods, technologies, asked, self.model.orientation, moving)

    def groups(self) -> pd.DataFrame:
        """Return one row a kind, by name.

        Columns ``group, units, efficiency, gap_ratio, meta`` (means over its units), ``least_gap_ratio,
        most_gap_ratio``, ``leading`` (the share of its units at a gap ratio of 1) and ``withheld``.
        """
        rows = []
        for kind in dict.fromkeys(sorted(self.group.tolist())):
            at = self.group == kind
            ratio = self.gap_ratio[at]
            row = {"group": kind, "units": int(at.sum())}
            row |= {name: float(getattr(self, name)[at].mean()) for name in ("efficiency", "gap_ratio", "meta")}
            row |= {"least_gap_ratio": float(ratio.min()), "most_gap_ratio": float(ratio.max())}
            known = np.isfinite(ratio).all()
            row |= {"leading": float(np.mean(ratio > 1.0 - 1e-9)) if known else np.nan}
            rows.append(row | {"withheld": self.withheld[at][0]})
        return pd.DataFrame(rows).infer_objects()


def _fitted(model: Metafrontier, goods: Goods) -> MetafrontierFit:
    group = np.array(goods.conditions[model.group].tolist(), dtype=object)
    try:
        kinds = sorted(dict.fromkeys(group.tolist()))
    except TypeError as error:
        raise DataError(f"the column {model.group!r} mixes numbers and text; make it one of them") from error
    if len(kinds) < 2:
        raise DataError(f"a metafrontier needs two kinds or more; {model.group!r} has {listed(kinds)} alone")
    least = 3 * goods.goods.shape[1] if model.least is None else model.least
    sets = [np.flatnonzero(group == kind) for kind in kinds]
    withheld = np.full(len(goods), "", dtype=object)
    for kind, units in zip(kinds, sets, strict=True):
        if len(units) < least:
            withheld[units] = f"{kind!r} has {len(units)} units, too few (of {least}) for a frontier of their own"
    technology = Technology(goods.inputs, goods.outputs, bounds_of(model.returns))
    with one_blas_thread():
        own, meta = _factors(model, technology, sets)
    lost = withheld != ""
    own[lost] = np.nan
    if model.orientation == "output":
        own, meta = 1.0 / own, 1.0 / meta
    _warn(goods, lost, ~np.isfinite(meta) | (~np.isfinite(own) & ~lost), withheld)
    return MetafrontierFit(model=model, goods=goods, group=group, efficiency=own, meta=meta, withheld=withheld)


def _factors(model: Metafrontier, technology: Technology, sets: list[Codes]) -> tuple[Floats, Floats]:
    """Return Farrell factors (k,) of all units by their own kind, and by all."""
    k, every = len(technology.inputs), [np.arange(len(technology.inputs))]
    member = np.empty(k, dtype=np.intp)
    for kind, units in enumerate(sets):
        member[units] = kind
    of_kinds: Farrell = farrell_of_hull(technology, model.orientation, sets=sets)
    if model.union == "convex":
        own, _ = of_kinds(technology.inputs, technology.outputs, member, inside=False)
        of_all = farrell_of_hull(technology, model.orientation, sets=every)
        meta, _ = of_all(technology.inputs, technology.outputs, np.zeros(k, dtype=np.intp), inside=False)
        return own, meta
    # What some kind can do by itself: the best answer of all kinds, where those that end short of a unit have none.
    g = len(sets)
    found, _ = of_kinds(
        np.tile(technology.inputs, (g, 1)), np.tile(technology.outputs, (g, 1)), np.repeat(np.arange(g), k),
        inside=False,
    )  # fmt: skip
    factor = found.reshape(g, k)
    best = np.fmin.reduce(factor) if model.orientation == "input" else np.fmax.reduce(factor)
    return factor[member, np.arange(k)], best


def _warn(goods: Goods, small: NDArray[np.bool_], unsolved: NDArray[np.bool_], withheld: NDArray[np.object_]) -> None:
    if small.any():
        warnings.warn(
            f"{int(small.sum())} of {len(small)} units have no efficiency of their own kind and no gap ratio "
            f"({'; '.join(dict.fromkeys(withheld[small]))}): {listed(goods.unit[small])}",
            PartialResultWarning,
            stacklevel=4,
        )
    if unsolved.any():
        warnings.warn(
            f"the programs of {int(unsolved.sum())} of {len(unsolved)} units were not solved: "
            f"{listed(goods.unit[unsolved])}",
            PartialResultWarning,
            stacklevel=4,
        )
