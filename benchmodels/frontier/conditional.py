"""Best practice among those alike: frontiers that are conditional on what surrounds the units."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.goods import read_goods
from benchmodels.frontier.scores import Scores, compared, read_only, share_made
from benchmodels.frontier.surroundings import read_surroundings
from benchmodels.frontier.units import FDH, OrderAlpha, OrderM, UnitsFit
from benchmodels.kernels import free_disposal, partial
from benchmodels.kernels.conditional_bandwidths import cross_validated
from benchmodels.kernels.conditional_weights import effective_number, flat, weights_of
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison
    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.conditional_weights import Kind, Surroundings
    from benchmodels.kernels.partial import Weights
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]
    Found = free_disposal.FreeDisposal | partial.PartialFrontier

__all__ = ["Conditional", "ConditionalFit"]

# Effective number of comparable units below which a score is withheld.
_LEAST = 15
# Of order m: effective comparable units for each of the m drawn, below which the score is far from normal.
_NORMAL = 10.0
_FEW = (
    f"fewer than {_LEAST} units, counted by weight, could be compared with it and are alike in what surrounds "
    "them: too few to tell a frontier from"
)
_NOBODY = "there is nobody to hold it against, or nothing moves"
_STATUS = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}


@dataclass(frozen=True, kw_only=True)
class Conditional:
    """A frontier for each unit made of those that are alike in what surrounds them.

    Others count by how alike they are, between 1 and not at all, so that nobody is held against best practice in better
    or worse surroundings. Unlike a second stage this does not take it that surroundings leave the frontier alone.

    Parameters
    ----------
    frontier : OrderM, OrderAlpha or FDH
        Oriented to inputs or outputs; its own rules of who may be held against whom (environment, composition, peers)
        still hold.
    columns : sequence of str
        What surrounds the units and is none of their goods: numbers, in any unit of measure; or text, categories and
        numbers of two values, as levels. Ordered categories keep their order.
    bandwidth : 'cross-validated' or mapping of str to float, default 'cross-validated'
        How alike is alike enough: for each unit by itself, by leaving out one comparable unit at a time (see Notes); or
        one for each column. Numbers: the difference at which others stop counting, in the column's unit of measure,
        above zero; infinite makes no difference. Levels: how much another level counts, 0 (each level apart) to 1 (no
        difference); ordered levels that are d apart count by its d-th power.

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    Notes
    -----
    Numbers have Epanechnikov's kernel, levels those of Racine and Li (2004), and columns are multiplied. The bandwidths
    of each unit are those with which its comparable units predict each other best, by the least-squares criterion for
    conditional densities of Hall, Racine and Li (2004), localised as Bădin, Daraio and Simar (2010) do, but in ranks:
    `benchmodels.kernels.conditional_bandwidths.cross_validated` has the formula, what differs, and how far the two
    are apart. They are a choice, and no test of whether a column matters. Units with fewer than 15 comparable ones have
    none.

    With `FDH` every unit of any weight above zero counts in full. A level's bandwidth above zero then excludes nobody,
    and the column has no effect: give it 0, or use a partial frontier.

    References
    ----------
    Daraio, Simar (2005), J Prod Anal 24:93-121; (2007), Advanced Robust and Nonparametric Methods in Efficiency
    Analysis, ch. 5. Bădin, Daraio, Simar (2010), Eur J Oper Res 201:633-640; (2012), Eur J Oper Res 223:818-833. Hall,
    Racine, Li (2004), J Am Stat Assoc 99:1015-1026. De Witte, Kortelainen (2013), Appl Econ 45:2401-2412.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> rural = np.repeat(["no", "yes"], 40)
    >>> cost = np.where(rural == "yes", 30.0, 20.0) * rng.uniform(1.0, 1.5, 80)
    >>> table = pd.DataFrame({"unit": np.arange(80), "cost": cost, "persons": 100.0, "rural": rural})
    >>> model = FDH(inputs=["cost"], outputs=["persons"], unit="unit")
    >>> fit = Conditional(frontier=model, columns=["rural"], bandwidth={"rural": 0.0}).fit(table)
    >>> fit.to_frame()[["efficiency", "unconditional", "effective"]].groupby(rural).mean().round(2)
         efficiency  unconditional  effective
    no         0.82           0.82       40.0
    yes        0.79           0.53       40.0
    """

    frontier: OrderM | OrderAlpha | FDH
    columns: Sequence[str]
    bandwidth: Literal["cross-validated"] | Mapping[str, float] = field(default="cross-validated", hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.frontier, OrderM | OrderAlpha | FDH):
            raise SpecificationError(
                f"frontier={self.frontier!r}; give OrderM, OrderAlpha or FDH: other frontiers mix or copy units, which "
                "have no surroundings of their own"
            )
        if self.orientation == "graph":
            raise SpecificationError(
                "orientation='graph' moves every good, so that no unit is comparable as it stands; a conditional "
                "frontier needs orientation 'input' or 'output'"
            )
        if isinstance(self.columns, str) or not isinstance(self.columns, Iterable) or not list(self.columns):
            raise SpecificationError(f"columns={self.columns!r}; give a list of columns that surround the units")
        object.__setattr__(self, "columns", tuple(self.columns))
        twice = [name for name in dict.fromkeys(self.columns) if self.columns.count(name) > 1]
        if twice:
            raise SpecificationError(f"columns names {listed(twice)} more than once")
        mixed = sorted({*self.frontier.inputs, *self.frontier.outputs, self.frontier.unit} & set(self.columns))
        if mixed:
            raise SpecificationError(f"{listed(mixed)} is a good or the unit itself, and cannot surround the units too")
        self._check_bandwidth()

    def _check_bandwidth(self) -> None:
        if not isinstance(self.bandwidth, Mapping):
            if self.bandwidth != "cross-validated":
                raise SpecificationError(
                    f"bandwidth={self.bandwidth!r}; give 'cross-validated', or a number for each of "
                    f"{listed(self.columns)}"
                )
            return
        object.__setattr__(self, "bandwidth", dict(self.bandwidth))
        lost, strange = set(self.columns) - set(self.bandwidth), set(self.bandwidth) - set(self.columns)
        if lost or strange:
            raise SpecificationError(
                f"bandwidth names {listed(self.bandwidth)}; a number for each of {listed(self.columns)} is needed"
            )
        for name, value in self.bandwidth.items():
            if isinstance(value, bool) or not isinstance(value, Real) or not float(value) >= 0:
                raise SpecificationError(f"bandwidth of {name!r} is {value!r}; it must be a number above zero")

    @property
    def inputs(self) -> Sequence[str]:
        """Columns of what is used."""
        return self.frontier.inputs

    @property
    def orientation(self) -> Literal["input", "output", "graph"]:
        """Which way a unit is held against the frontier."""
        return self.frontier.orientation

    @property
    def size(self) -> str | None:
        """Column of the unit's size."""
        return self.frontier.size

    def fit(self, data: object) -> ConditionalFit:
        """Hold every unit against those that are alike in what surrounds them.

        Parameters
        ----------
        data : dataframe
            One row a unit; pandas, polars, pyarrow …

        Returns
        -------
        ConditionalFit

        Raises
        ------
        SpecificationError, DataError
            As the options and the table give cause to; fewer than 15 units.

        Warns
        -----
        PartialResultWarning
            Units whose score is withheld, with the reason.
        """
        asked = self.frontier
        conditions = [*asked.environment, *asked.composition, *([asked.size] if asked.size else []), *self.columns]
        goods = read_goods(
            data,
            unit=asked.unit,
            inputs=asked.inputs,
            outputs=asked.outputs,
            conditions=list(dict.fromkeys(conditions)),
            missing=asked.missing,
        )
        if len(goods) < _LEAST:
            raise DataError(
                f"a conditional frontier needs at least {_LEAST} units, to have some that are alike; there are "
                f"{len(goods)}"
            )
        fit = _fitted(self, goods, read_surroundings(goods, self.columns))
        _warn(fit)
        return fit


@dataclass(frozen=True, eq=False, kw_only=True)
class ConditionalFit:
    """Units held against those alike in what surrounds them.

    Parameters
    ----------
    model : Conditional
    goods : Goods
        k units.
    kinds : tuple of {'continuous', 'unordered', 'ordered'}
        As what each of the c columns was taken.
    bandwidth : (k, c) array
        Of each unit and column, as `Conditional` takes them; NaN for units with too few others to find any.
    effective : (k,) array
        Effective number of comparable units, the unit itself among them: (Σ w)² / Σ w² of the weights of those that do
        no less of what does not move.
    scores, unconditional : Scores
        Held against those alike; and against all, as the frontier by itself does. Conditional scores have one more
        status, 'few': fewer than 15 effective comparable units, and the score is withheld.
    std_error : (k,) array
        Of the conditional efficiency, for order m: of drawing other units in the same surroundings; what smoothing over
        surroundings adds is not in it. NaN with fewer than 10 m effective comparable units, where the score is
        far from normal.
    """

    model: Conditional
    goods: Goods
    kinds: tuple[Kind, ...]
    bandwidth: Floats
    effective: Floats
    scores: Scores
    unconditional: Scores
    std_error: Floats

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def unit(self) -> NDArray[np.object_]:
        """Labels (k,), in sorted order; everything else is in the same."""
        return self.goods.unit

    @property
    def efficiency(self) -> Floats:
        """Conditional efficiencies (k,), as in `Scores`."""
        return self.scores.efficiency

    @property
    def status(self) -> NDArray[np.object_]:
        """As in `Scores`, and 'few', (k,)."""
        return self.scores.status

    @property
    def ratio(self) -> Floats:
        """Conditional efficiency as a multiple of the unconditional one (k,).

        How far a unit's surroundings move the frontier that it is held against; read it against a column of them. In
        both orientations, a ratio well above 1 says that those in like surroundings fall short of the best anywhere:
        they need more input, or make less. So a ratio that rises with a column says that more of it is a burden, and
        one that falls with it, that it is a help; a level line, that the frontier does not depend on it. Of free
        disposal the ratio is at least 1; of partial frontiers it may be less, and with few drawn (m near 1, α
        near one half) it shows how surroundings move the middle of units instead of the frontier. Bădin, Daraio and
        Simar (2012) draw expansions of outputs: their ratio is this one's inverse.
        """
        return np.asarray(self.efficiency / self.unconditional.efficiency)

    def __repr__(self) -> str:
        return f"ConditionalFit({len(self.goods)} units, {self.model!r})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit: ``unit, efficiency, unconditional, ratio, effective, status, std_error``."""
        return pd.DataFrame(
            {
                "unit": self.unit,
                "efficiency": self.efficiency,
                "unconditional": self.unconditional.efficiency,
                "ratio": self.ratio,
                "effective": self.effective,
                "status": self.status,
                "std_error": self.std_error,
            }
        ).infer_objects()

    def bandwidths_frame(self) -> pd.DataFrame:
        """Return one row a unit and column: ``unit, column, kind, bandwidth, flat``, by unit.

        ``flat``: the column makes no difference to the unit.
        """
        k, c = self.bandwidth.shape
        return pd.DataFrame(
            {
                "unit": np.repeat(self.unit, c),
                "column": list(self.model.columns) * k,
                "kind": list(self.kinds) * k,
                "bandwidth": self.bandwidth.ravel(),
                "flat": (self.bandwidth == flat(self.kinds)).ravel(),
            }
        ).infer_objects()

    def compare(
        self, *, contrast: Literal["difference", "ratio"] = "ratio", better: Better | None = "low"
    ) -> Comparison:
        """Return observed against best practice in like surroundings, as `benchmodels.frontier.DEAFit.compare`."""
        found = compared(self.model, self.goods, self.scores, contrast=contrast, better=better)
        return replace(found, withheld=np.where(self.status == "few", _FEW, found.withheld).astype(object))


def _fitted(model: Conditional, goods: Goods, around: Surroundings) -> ConditionalFit:
    plain = free_disposal.Goods(goods.inputs, goods.outputs)
    allowed = model.frontier.allowed(goods, goods)
    if isinstance(model.bandwidth, Mapping):
        bandwidth = np.tile(_given(model.columns, model.bandwidth, around.kinds), (len(goods), 1))
    else:
        bandwidth = cross_validated(plain, around, measure=model.orientation, allowed=allowed, least=_LEAST)
    # With too few to find a bandwidth, even those that are not alike at all are too few.
    weights = weights_of(around, np.where(np.isnan(bandwidth), flat(around.kinds), bandwidth))
    effective = _effective(model, plain, allowed, weights)
    found = _held(model, plain, allowed, weights)
    few = effective < _LEAST
    scores = _scored(model, goods, found, few)
    error = np.full(len(goods), np.nan)
    if isinstance(found, partial.PartialFrontier) and isinstance(model.frontier, OrderM):
        kept = (effective >= _NORMAL * model.frontier.m) & ~few
        # An expansion's error is the efficiency's over the square of the efficiency.
        error[kept] = found.std_error[kept] * (scores.efficiency[kept] ** 2 if model.orientation == "output" else 1.0)
    return ConditionalFit(
        model=model,
        goods=goods,
        kinds=around.kinds,
        bandwidth=bandwidth,
        effective=effective,
        scores=scores,
        unconditional=UnitsFit(model=model.frontier, goods=goods).scores,
        std_error=error,
    )


def _held(model: Conditional, units: free_disposal.Goods, allowed: Allowed | None, weights: Weights) -> Found:
    """Return the conditional scores of units, in the kernels' words."""
    asked, measure = model.frontier, model.orientation
    if isinstance(asked, OrderM):
        return partial.order_m(units, units, asked.m, measure=measure, allowed=allowed, weights=weights)
    if isinstance(asked, OrderAlpha):
        return partial.order_alpha(units, units, asked.alpha, measure=measure, allowed=allowed, weights=weights)

    def near(some: Codes, low: int, high: int) -> Mask:
        mask = weights(some)[:, low:high] > 0
        return mask if allowed is None else mask & allowed(some, low, high)

    return free_disposal.score_by_units(units, units, measure=measure, allowed=near)


def _effective(model: Conditional, units: free_disposal.Goods, allowed: Allowed | None, weights: Weights) -> Floats:
    parts = [
        effective_number(np.where(eligible, weights(np.arange(at.start, at.stop)), 0.0))
        for at, _, eligible in free_disposal.comparisons(units, units, measure=model.orientation, allowed=allowed)
    ]
    return np.concatenate(parts)


def _scored(model: Conditional, goods: Goods, found: Found, few: Mask) -> Scores:
    nothing = np.full(len(goods), np.nan)
    score = np.where(few, np.nan, found.score)
    status = np.array([_STATUS.get(int(code), "not solved") for code in found.status], dtype=object)
    output = model.orientation == "output"
    return Scores(
        unit=goods.unit,
        efficiency=share_made(score) if output else score,
        expansion=score if output else nothing,
        inefficiency=nothing,
        status=np.where(few, "few", status).astype(object),
    )


def _given(columns: Sequence[str], bandwidth: Mapping[str, float], kinds: tuple[Kind, ...]) -> Floats:
    """Return the bandwidths (c,) that are given, each of its kind."""
    for name, kind in zip(columns, kinds, strict=True):
        value = bandwidth[name]
        if kind == "continuous" and not value > 0:
            raise SpecificationError(f"bandwidth of {name!r} is {value!r}; it must be above zero, or infinite")
        if kind != "continuous" and value > 1:
            raise SpecificationError(
                f"bandwidth of {name!r} is {value!r}; its values are levels, and the weight of another level must be "
                "from 0 to 1"
            )
    return np.array([float(bandwidth[name]) for name in columns])


def _warn(fit: ConditionalFit) -> None:
    lost = fit.status != "solved"
    if lost.any():
        few = fit.status == "few"
        reasons = [_FEW] * bool(few.any()) + [_NOBODY] * bool((lost & ~few).any())
        warnings.warn(
            f"{int(lost.sum())} of {len(lost)} units have no conditional efficiency ({'; '.join(reasons)}): "
            f"{listed(fit.unit[lost])}",
            PartialResultWarning,
            stacklevel=3,
        )
