"""Mergers: what units could save, or make, together, and why."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from benchmodels.asked import whole
from benchmodels.errors import BenchmodelsWarning, PartialResultWarning, SpecificationError
from benchmodels.frontier.goods import read_goods
from benchmodels.frontier.together.gains import WHY, Gains, gains_of
from benchmodels.frontier.together.groups import (
    Groups,
    all_pairs,
    connected_groups,
    near_pairs,
    read_groups,
)
from benchmodels.frontier.together.sharing import Moving, Reallocation, reallocated
from benchmodels.kernels import free_disposal
from benchmodels.kernels.merging import Farrell, Side, farrell_of_hull, farrell_of_units
from benchmodels.kernels.technology import Technology, bounds_of
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods

    Floats = NDArray[np.float64]

__all__ = ["MergerGains", "MergersFit", "MergerReturns"]

MergerReturns = Literal["vrs", "crs", "drs", "irs", "fdh"]


@dataclass(frozen=True, kw_only=True)
class MergerGains:
    """What units could save, or make, as one, by the best practice of all, after Bogetoft and Wang.

    The sum of a group's inputs and outputs is held against the frontier of all units as they are today. What it could
    do better is a product of three: *learning*, what each unit could do by itself; *harmony*, what they gain by the mix
    of the group in the place of each one's own; and *size*, what it costs or gains to work at the size of all of them.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure; totals, never rates or shares,
        since they are summed.
    unit : str
        Column that names the unit; one row each.
    returns : {'vrs', 'crs', 'drs', 'irs', 'fdh'}, default 'vrs'
        Returns to scale, as of `benchmodels.frontier.DEA`, or units as they are (`benchmodels.frontier.FDH`). Much of
        the answer rests on it: 'crs' says beforehand that size is neither gain nor cost, 'drs' that it is no gain,
        'irs' that it is no cost; 'vrs' leaves it to the data, which seldom hold units as large as merged ones.
    orientation : {'input', 'output'}, default 'input'
        Whether less is to be used, or more to be made.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    Potentials are no savings: nobody has merged, and the frontier is of units that run themselves. They leave out what
    a merger costs, what distance costs, and what wages and service levels become when they are made equal.

    Where many units are small and few are large, the best of the small ones are better than the best of the large ones
    by number alone. Under 'vrs' and 'drs' size then looks like a cost, and no interval knows it: in a simulated country
    in which prices do not depend on size that was so for 126 of 192 pairs of neighbours. Such a verdict is withheld.

    A group that makes more than any unit has no potential where inputs fall (status 'infeasible'), but under constant
    or increasing returns. Where outputs rise it has one: it is held against the largest units, with inputs to spare, so
    that ``size`` tells as a cost what nobody has tried.

    References
    ----------
    Bogetoft & Wang (2005), J Prod Anal 23:145-171. Bogetoft & Otto (2011), Benchmarking with DEA, SFA, and R, ch. 9.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"unit": list("abcdefghi"), "staff": [10.0, 30, 20] + 6 * [40.0],
    ...     "cars": [30.0, 10, 20] + 6 * [40.0], "visits": [10.0, 10, 16] + 6 * [10.0]})
    >>> fit = MergerGains(inputs=["staff", "cars"], outputs=["visits"], unit="unit", returns="crs").fit(table)
    >>> fit.gains([["a", "b"]]).to_frame()[["group", "total", "learning", "harmony", "size"]].round(3)
       group  total  learning  harmony  size
    0  a + b  0.625       1.0    0.625   1.0
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    unit: str
    returns: MergerReturns = "vrs"
    orientation: Side = "input"
    missing: Literal["raise", "drop"] = "raise"

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise SpecificationError(f"{name}={value!r}; give a list of columns")
            object.__setattr__(self, name, tuple(value))
        for name, allowed in (
            ("returns", get_args(MergerReturns)), ("orientation", get_args(Side)), ("missing", ("raise", "drop")),
        ):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise SpecificationError(f"{name}={getattr(self, name)!r}; allowed are {', '.join(map(repr, allowed))}")

    def fit(self, data: object) -> MergersFit:
        """Hold every unit against the frontier of all; `MergersFit` puts them together.

        Parameters
        ----------
        data : dataframe
            One row a unit; pandas, polars, pyarrow …

        Raises
        ------
        SpecificationError, DataError
            As the options and the table give cause to.

        Warns
        -----
        BenchmodelsWarning
            So few units for so many goods that most look efficient, and learning is told as harmony and size.
        """
        goods = read_goods(
            data, unit=self.unit, inputs=self.inputs, outputs=self.outputs, missing=self.missing, least=2
        )  # fmt: skip
        m, s = len(self.inputs), len(self.outputs)
        wanted = max(m * s, 3 * (m + s))
        if len(goods) < wanted:
            warnings.warn(
                f"{len(goods)} units are few for {m} inputs and {s} outputs (at least {wanted} are advised): most will "
                "look efficient, so that little is left to learn and much seems gained by merging",
                BenchmodelsWarning,
                stacklevel=2,
            )
        return MergersFit(model=self, goods=goods)


@dataclass(frozen=True, eq=False, kw_only=True)
class MergersFit:
    """Units and their frontier, to be put together in groups.

    Parameters
    ----------
    model : MergerGains
    goods : Goods
        k units.
    """

    model: MergerGains
    goods: Goods

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is made anew on demand: it holds functions, which cannot be written down."""
        return {"model": self.model, "goods": self.goods}

    def __repr__(self) -> str:
        return f"MergersFit({len(self.goods)} units, {self.model!r})"

    @property
    def unit(self) -> NDArray[np.object_]:
        """Labels (k,), in sorted order."""
        return self.goods.unit

    @cached_property
    def technology(self) -> Technology | None:
        """What the units can do; None of units as they are."""
        if self.model.returns == "fdh":
            return None
        return Technology(self.goods.inputs, self.goods.outputs, bounds_of(self.model.returns))

    @cached_property
    def farrell(self) -> Farrell:
        """The frontier, as kernels take it."""
        if self.technology is None:
            return farrell_of_units(free_disposal.Goods(self.goods.inputs, self.goods.outputs), self.model.orientation)
        return farrell_of_hull(self.technology, self.model.orientation)

    @cached_property
    def factor(self) -> Floats:
        """Farrell's measure of each unit (k,): of its inputs what it would need, of its outputs what it could make."""
        with one_blas_thread():
            found, _ = self.farrell(
                self.goods.inputs, self.goods.outputs, np.zeros(len(self.goods), dtype=np.intp), inside=False
            )
        found.setflags(write=False)
        return found

    def gains(self, groups: Sequence[Sequence[Any]] | Mapping[Any, Sequence[Any]]) -> Gains:
        """Put groups of units together.

        Parameters
        ----------
        groups : sequence of sequences of labels, or mapping of name to such
            Two units or more each. Groups may overlap: each is a question of its own.

        Returns
        -------
        Gains
            In the order asked for.

        Raises
        ------
        SpecificationError
            A group of one unit, or with a unit twice or unknown; two groups of the same units.

        Warns
        -----
        PartialResultWarning
            Groups beyond what any units do, with their number.
        """
        return self._gained(read_groups(groups, self.unit))

    def pairs(self, *, among: Literal["all"] | Mapping[Any, Sequence[Any]] = "all") -> Gains:
        """Put all units together two by two, or those that are neighbours; warns as `gains`.

        Parameters
        ----------
        among : 'all' or mapping of label to labels, default 'all'
            Neighbours of each unit, as `benchmodels.datasets.municipality_neighbours` has them; a pair counts where
            either is on the other's list, and neighbours that are not in the table are left out.
        """
        return self._gained(self._paired(among))

    def partners(self, unit: Any, *, among: Literal["all"] | Mapping[Any, Sequence[Any]] = "all") -> Gains:
        """Put one unit together with each other, or with each neighbour; the most to gain by merging first.

        By ``corrected``, harmony times size: what the units could each learn by themselves is no reason to merge.
        Parameters, errors and warnings as of `pairs`.
        """
        return self._gained(self._paired(among, unit)).ordered()

    def connected(self, neighbours: Mapping[Any, Sequence[Any]], *, units: int = 3) -> Gains:
        """Put together all groups of so many units that hang together by neighbours; warns as `gains`.

        Parameters
        ----------
        neighbours : mapping of label to labels
            As ``among`` of `pairs`.
        units : int, default 3
            From 2 to 6; the number of groups grows fivefold with each where units have four or five neighbours.
        """
        whole("units", units, least=2, most=6, what="units of a group")
        return self._gained(connected_groups(self.unit, neighbours, int(units)))

    def reallocation(
        self, groups: Sequence[Sequence[Any]] | Mapping[Any, Sequence[Any]], *, moving: Moving = "both"
    ) -> Reallocation:
        """Let units share without a merger: goods move between the units of a group, each goes on by itself.

        Parameters
        ----------
        groups : as of `gains`
        moving : {'both', 'inputs', 'outputs'}, default 'both'
            What may move; the other stays where it is. With both, under a convex technology, none does better than
            the mean of the group, each of the units alike: the program is that of harmony, of units as they are.

        Returns
        -------
        Reallocation

        Raises
        ------
        SpecificationError
            Groups as of `gains`; units as they are (``returns='fdh'``), of which this is no linear program.
        """
        if self.technology is None:
            raise SpecificationError("reallocation needs a convex technology: returns 'vrs', 'crs', 'drs' or 'irs'")
        asked = read_groups(groups, self.unit)
        return reallocated(self.goods, [self.technology] * len(self.goods), asked, self.model.orientation, moving)

    def _paired(self, among: object, unit: Any = None) -> Groups:
        if isinstance(among, str) and among == "all":
            return all_pairs(self.unit, unit=unit)
        if not isinstance(among, Mapping):
            raise SpecificationError(f"among={among!r}; give 'all', or a list of neighbours unit by unit")
        return near_pairs(self.unit, among, unit=unit)

    def _gained(self, groups: Groups) -> Gains:
        found = gains_of(self, groups)
        reasons = [f"{(found.status == s).sum()} {why}" for s, why in WHY.items() if (found.status == s).any()]
        if reasons:
            warnings.warn(
                f"of {len(groups)} groups under returns={self.model.returns!r} some have no answer, or not in parts: "
                f"{'; '.join(reasons)}",
                PartialResultWarning,
                stacklevel=3,
            )
        return found
