"""Distances to a frontier, whichever it is, and the comparison that they make."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd

from benchmodels._version import __version__
from benchmodels.comparison import Comparison, Source
from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.comparison import Better
    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.model import FrontierModel

    Floats = NDArray[np.float64]

__all__ = ["Asked", "Scored", "Scores", "compared", "read_only", "share_made", "warn_of_few", "warn_of_missing"]

_WHY = {
    "infeasible": (
        "no combination of the others comes as far in what does not move, so there is nothing to be held against"
    ),
    "alone": "there is nobody that it may be held against",
    "unbounded": "the measure has no bound along this direction",
    "contradictory": "its weight restrictions contradict each other: something could be made of nothing",
    "not solved": "its program was not solved",
}
# An expansion that is zero but for rounding: one step back takes all of the outputs.
_NOTHING = 1e-12


class Asked(Protocol):
    """What a model of best practice says of its comparison."""

    @property
    def inputs(self) -> Sequence[str]:
        """Columns."""

    @property
    def orientation(self) -> str:
        """Which way a unit is held against the frontier."""

    @property
    def size(self) -> str | None:
        """Column of the unit's size."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Distances of k units to a frontier.

    Parameters
    ----------
    unit : (k,) array
    efficiency : (k,) array
        Share of its inputs a unit would need on the frontier (input, graph), or of what could be made that it makes
        (output); 1 on the frontier, above 1 beyond another's, infinite where nothing could be made; NaN for the
        directional measure.
    expansion : (k,) array
        By what factor outputs could rise, Farrell's output measure: output and graph; else NaN.
    inefficiency : (k,) array
        Steps along the direction to the frontier: directional and multi-directional; what slacks add up to, or 1 less
        the efficiency: measures of slacks; else NaN.
    status : (k,) array of str
        'solved'; 'infeasible': no combination of the others comes as far in what does not move, as outputs where inputs
        fall; 'alone': there is nobody that it may be held against; 'unbounded'; 'contradictory': weight restrictions
        that the unit's own goods cannot meet; or 'not solved'.
    """

    unit: NDArray[np.object_]
    efficiency: Floats
    expansion: Floats
    inefficiency: Floats
    status: NDArray[np.object_]

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        return f"Scores({len(self.unit)} units, {int((self.status == 'solved').sum())} solved)"

    def to_frame(self) -> pd.DataFrame:
        """Return the scores as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "efficiency", "expansion", "inefficiency", "status")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()


def read_only(*records: Any) -> None:
    """Close the arrays of records: what was found is not to be changed by the way."""
    for record in records:
        for f in fields(record):
            value = getattr(record, f.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)


class Scored:
    """What every fit of a frontier has: units, their distances to it, and whom they may be held against."""

    model: FrontierModel
    goods: Goods

    @property
    def scores(self) -> Scores:
        """Distances of all units, and whether they were found."""
        raise NotImplementedError

    @property
    def unit(self) -> NDArray[np.object_]:
        """Labels (k,), in sorted order; everything else is in the same."""
        return self.goods.unit

    @property
    def efficiency(self) -> Floats:
        """As in `Scores`, (k,)."""
        return self.scores.efficiency

    @property
    def expansion(self) -> Floats:
        """As in `Scores`, (k,)."""
        return self.scores.expansion

    @property
    def inefficiency(self) -> Floats:
        """As in `Scores`, (k,)."""
        return self.scores.inefficiency

    @property
    def status(self) -> NDArray[np.object_]:
        """As in `Scores`, (k,)."""
        return self.scores.status

    @cached_property
    def comparables(self) -> NDArray[np.intp]:
        """How many units each may be held against (k,), itself among them."""
        allowed, k = self.model.allowed(self.goods, self.goods), len(self.goods)
        if allowed is None:
            return np.full(k, k)
        return np.concatenate([allowed(some, 0, k).sum(axis=1) for some in _parts(k)]).astype(np.intp)

    def comparable(self) -> pd.DataFrame:
        """Return all others that each unit may be held against, ``unit, other``, by unit; its peers are among them."""
        allowed, k = self.model.allowed(self.goods, self.goods), len(self.goods)
        pairs = []
        for some in _parts(k):
            mask = np.ones((len(some), k), dtype=np.bool_) if allowed is None else allowed(some, 0, k).copy()
            mask[np.arange(len(some)), some] = False
            pairs.append(np.stack(np.nonzero(mask)) + [[some[0]], [0]])
        unit, other = np.concatenate(pairs, axis=1)
        return pd.DataFrame({"unit": self.unit[unit], "other": self.unit[other]}).infer_objects()

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit, by label: ``unit, efficiency, expansion, inefficiency, status, comparables``."""
        return self.scores.to_frame().assign(comparables=self.comparables)


def _parts(k: int, size: int = 500) -> list[NDArray[np.intp]]:
    return [np.arange(low, min(low + size, k)) for low in range(0, k, size)]


def share_made(expansion: Floats) -> Floats:
    """Return output efficiencies from expansions (k,); infinite where the others could make nothing."""
    nothing = np.abs(expansion) < _NOTHING
    return np.where(nothing, np.inf, 1.0 / np.where(nothing, 1.0, expansion))


def compared(
    model: Asked, goods: Goods, scores: Scores, *, contrast: Literal["difference", "ratio"], better: Better | None
) -> Comparison:
    """Return what the fits' ``compare`` documents."""
    if model.orientation not in ("input", "output"):
        raise SpecificationError(
            f"compare needs an efficiency, by orientation='input' or 'output', which {type(model).__name__} has not as "
            "it is asked; DEA, SlackBased and Russell do, with one of these"
        )
    if better not in ("low", None):
        raise SpecificationError(
            f"better={better!r}; what is compared is the observed over what the best would have (or over it), in both "
            "orientations 1 at the frontier and more behind it: give 'low' or None"
        )
    if contrast not in ("difference", "ratio"):
        raise SpecificationError(f"contrast={contrast!r}; allowed are 'difference', 'ratio'")
    k, single = len(goods), model.orientation == "input" and len(model.inputs) == 1
    observed = goods.inputs[:, 0].copy() if single else np.ones(k)
    expected = observed * scores.efficiency
    size = np.ones(k) if model.size is None else _size_of(goods, model.size)
    ratio = contrast == "ratio"
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = observed / expected if ratio else (observed - expected) / size
    none = np.full(k, np.nan)
    why = (
        "the uncertainty of best practice is known by a bootstrap of DEA alone: the best found fall short of the best "
        "there could be, and errors in figures go beyond it"
    )
    return Comparison(
        unit=goods.unit,
        size=size,
        observed=observed,
        expected=expected,
        estimate=estimate,
        lower=none,
        upper=none,
        noise=none,
        shared=np.zeros((k, 0)),
        core=np.zeros((0, 0)),
        null=1.0 if ratio else 0.0,
        null_std_error=none,
        df=np.full(k, np.inf),
        overlap=none,
        withheld=np.array([_WHY.get(s, why) for s in scores.status], dtype=object),
        standard="indirect",
        contrast=contrast,
        reference="all",
        level=0.95,
        better=better,
        source=Source(
            model=repr(model),
            version=__version__,
            rows_read=goods.rows_read,
            rows_dropped=goods.rows_dropped,
            noise="nothing: a frontier's uncertainty is not known from one table without resampling",
            data=goods.source,
            simulated=goods.simulated,
        ),
    )


def _size_of(goods: Goods, name: str) -> Floats:
    column = goods.conditions[name]
    if not pd.api.types.is_numeric_dtype(column) or not np.all(column > 0):
        raise DataError(f"size {name!r} must be a positive number")
    return column.to_numpy(float)


def warn_of_missing(scores: Scores, which: str) -> None:
    """Warn once of units without an answer, and why."""
    lost = scores.status != "solved"
    if lost.any():
        reasons = "; ".join(dict.fromkeys(_WHY[s] for s in scores.status[lost]))
        warnings.warn(
            f"{int(lost.sum())} of {len(lost)} units {which}have no efficiency ({reasons}): "
            f"{listed(scores.unit[lost])}",
            PartialResultWarning,
            stacklevel=4,
        )


def warn_of_few(fit: Scored) -> None:
    """Warn of units that are held against few others in too many goods (Cooper, Seiford, Tone 2007)."""
    m, s = fit.goods.inputs.shape[1], fit.goods.outputs.shape[1]
    wanted = max(m * s, 3 * (m + s))
    few = fit.comparables < wanted
    if not few.any():
        return
    if few.all():
        who = f"{fit.comparables.max()} units are few for {m} inputs and {s} outputs (at least {wanted} are advised)"
        which = "most"
    else:
        who = (
            f"{int(few.sum())} of {len(few)} units are held against few others for {m} inputs and {s} outputs (at "
            f"least {wanted}, themselves included, are advised): {listed(fit.unit[few])}"
        )
        which = "most of these"
    warnings.warn(
        f"{who}: {which} will look efficient, for want of anyone to be held against", BenchmodelsWarning, stacklevel=4
    )
