"""Mean efficiency with an interval that holds, and whether groups of units have the same."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy import special, stats

from benchmodels.asked import entropy, generator, share
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.frontier.testing.asked import asked_of, check_enough, check_numbers, kinds_of
from benchmodels.frontier.testing.outcome import HypothesisTest, judged
from benchmodels.frontier.testing.sizes import settings, size_of
from benchmodels.frontier.units import OrderAlpha, OrderM, UnitsFit
from benchmodels.kernels import free_disposal
from benchmodels.kernels.frontier_means import Moments, contrasts, exponent, moments, part_of
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit
    from benchmodels.frontier.testing.asked import Asked

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Centre", "MeanEfficiency", "compare_means", "mean_efficiency"]

Centre = Literal["subsample", "all"]
# Parts of the units that are left out in turn, at most: each is a frontier of its own.
_PARTS = 100
# Units that a jackknife needs to tell an error.
_LEAST = 10
# Standard errors below are of efficiencies that differ by rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanEfficiency:
    """Mean efficiency of g groups of units, each held against its own frontier.

    Parameters
    ----------
    group : (g,) array of str
    units : (g,) array of int
    found : (g,) array
        Mean of the efficiencies found.
    bias : (g,) array
        Of that mean, above zero: units look better than they are; NaN for partial frontiers, where it is negligible.
    mean, std_error, lower, upper : (g,) arrays
        Corrected for bias, with the ends of the interval; no error and no ends, NaN, where all units are as efficient.
    part : (g,) array of int
        Over how many units the mean is taken in the middle of the interval, or would be by the theorem: fewer than all
        where goods are many.
    coverage : (g,) array
        How often such intervals held the true mean of simulated tables; NaN where unknown.
    told : (g,) array of str
        Of which tables, or why it is not known.
    level : float
    rng : str
        Entropy of the generator.
    """

    group: NDArray[np.object_]
    units: Codes
    found: Floats
    bias: Floats
    mean: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    part: Codes
    coverage: Floats
    told: NDArray[np.object_]
    level: float
    rng: str

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        unknown = "how often such intervals hold is not known"
        held = [f"such held in {share:.0%} of simulated tables" if share >= 0 else unknown for share in self.coverage]
        shown = (
            f"{group}: {mean:.3f} ({low:.3f} to {high:.3f}; {told})"
            for group, mean, low, high, told in zip(self.group, self.mean, self.lower, self.upper, held, strict=True)
        )
        return f"MeanEfficiency({'; '.join(shown)}; asked for at {self.level:.0%})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group."""
        names = ("group", "units", "found", "bias", "mean", "std_error", "lower", "upper", "part", "coverage", "told")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()


def mean_efficiency(
    fit: DEAFit | UnitsFit,
    data: object | None = None,
    column: str | None = None,
    *,
    centre: Centre = "subsample",
    halvings: int = 20,
    level: float = 0.95,
    rng: int | np.random.Generator | None = None,
) -> MeanEfficiency:
    """Return the mean efficiency of all units, or of each kind of them, with an interval for the true mean.

    The ordinary mean of efficiencies is too high, and its ordinary interval soon holds the true mean never at all: the
    bias falls slower than the interval's length. So the bias is found by halving the units, and taken away.

    Parameters
    ----------
    fit : fit of `benchmodels.frontier.DEA` (returns 'vrs' or 'crs'), `FDH`, `OrderM` or `OrderAlpha`
        Oriented to inputs or outputs.
    data : dataframe, column : str, optional
        Kinds of units, joined by label: **each kind is held against its own frontier**, so that means are independent.
    centre : {'subsample', 'all'}, default 'subsample'
        Where goods are many the interval is around the mean of a random part of the units, `part_of`; or around that of
        all, as long, which holds the true mean more often than it says, and does not depend on which part was drawn.
    halvings : int, default 20
    level : float, default .95
    rng : int, Generator or None
        For the halves, and the part; the same seed gives the same answer, whatever the order of rows.

    Returns
    -------
    MeanEfficiency

    Raises
    ------
    SpecificationError
        Another fit; data without a column, or the other way round; options that cannot be meant.
    DataError
        Too few units of a kind.

    Warns
    -----
    PartialResultWarning
        Kinds of which all units are as efficient, which tells nothing of the error: no interval.

    Notes
    -----
    With κ the rate of the efficiencies (`benchmodels.kernels.frontier_means.exponent`), μ̂ their mean and B̂ =
    (μ̂* - μ̂) / (2^κ - 1), μ̂* that of units held against halves: μ̂ - B̂ ± z σ̂ / √n where κ >= 2/5 (FDH: 1/3), Theorem
    4.3 of the paper; else μ̂ over n_κ = ⌊n^(2κ)⌋ units, and √n_κ, Theorem 4.4. Units are a sample of many that there
    might be. Efficiencies, from 0 to 1, are averaged in both orientations; the paper has distances, of which they are
    smooth functions.

    Intervals asked for at 95 % held the true mean in .92, .90 and .85 of simulated tables of 98 units with two, three
    and four goods under constant returns, in .88, .80 and .64 under variable ones, and in .40, .00 and .00 with FDH,
    whose bias is larger than halving tells: ``coverage`` says so.

    Partial frontiers have no such bias, but units share one frontier: the standard error is that of a jackknife that
    leaves out each unit, or each of 100 parts of them, in turn.

    References
    ----------
    Kneip, Simar & Wilson (2015), Econom Theory 31:394-422.

    Examples
    --------
    >>> from benchmodels.frontier import DEA
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(1, 10, 100)
    >>> table = pd.DataFrame({"unit": range(100), "x": x, "y": x**0.8 * rng.uniform(0.5, 1, 100)})
    >>> fit = DEA(inputs=["x"], outputs=["y"], unit="unit").fit(table)
    >>> found = mean_efficiency(fit, rng=1)
    >>> found.found.round(2), found.mean.round(2), found.lower.round(2), found.upper.round(2)
    (array([0.77]), array([0.75]), array([0.71]), array([0.78]))
    """
    share("level", level)
    if centre not in get_args(Centre):
        raise SpecificationError(f"centre={centre!r}; allowed are {', '.join(map(repr, get_args(Centre)))}")
    if (data is None) != (column is None):
        raise SpecificationError("data and column go together")
    source = generator(rng)
    if isinstance(fit, UnitsFit) and isinstance(fit.model, OrderM | OrderAlpha):
        return _of_partial(fit, data, column, level, source)
    asked = asked_of(fit, "the mean efficiency", ("vrs", "crs", "fdh"))
    check_numbers(level=level, halvings=halvings)
    names, groups = _groups(fit, data, column)
    check_enough({name: len(units) for name, units in zip(names, groups, strict=True)}, asked.goods, 2)
    rows = _moments(asked, groups, halvings, source)
    whole_part = centre == "subsample"
    mean = (rows.part_mean if whole_part else rows.mean) - rows.bias
    error = np.sqrt(rows.variance / rows.part)
    half = float(special.ndtri(0.5 + level / 2.0)) * error
    known = [
        size_of(
            "means", "interval", asked.estimator, units=len(units), goods=asked.goods, side=asked.side,
            level=round(1.0 - level, 10), strange=_strange(halvings, centre, len(units), int(part)),
        )
        for units, part in zip(groups, rows.part, strict=True)
    ]  # fmt: skip
    return _with_error(MeanEfficiency(
        group=np.array(names, dtype=object), units=rows.units, found=rows.mean, bias=rows.bias, mean=mean,
        std_error=error, lower=mean - half, upper=mean + half, part=rows.part,
        coverage=np.array([1.0 - one.size for one in known]), told=np.array([one.told for one in known], dtype=object),
        level=level, rng=entropy(source),
    ))  # fmt: skip


def compare_means(
    fit: DEAFit | UnitsFit,
    data: object,
    column: str,
    *,
    halvings: int = 20,
    level: float = 0.05,
    rng: int | np.random.Generator | None = None,
) -> HypothesisTest:
    """Test whether kinds of units have the same mean efficiency, each against its own frontier.

    Parameters
    ----------
    fit : fit of `benchmodels.frontier.DEA` (returns 'vrs' or 'crs') or `FDH`
    data : dataframe, column : str
        Kinds of units: text, categories or two values; joined by label.
    halvings, level, rng
        As in `mean_efficiency`; level .05 by default.

    Returns
    -------
    HypothesisTest

    Raises
    ------
    SpecificationError, DataError
        As `mean_efficiency`; all units of all kinds efficient.

    Notes
    -----
    Of two kinds T = (μ̂₁ - μ̂₂ - (B̂₁ - B̂₂)) / √(σ̂₁² / n₁ + σ̂₂² / n₂), two-sided, of which the sign is by the order of
    names; of more the Wald statistic that all are the same, by the same errors and the χ² law (ours, not the paper's).
    A difference is one of distances from frontiers that may themselves be different: `check_separability` asks of
    these. Simulated were two kinds of as many units; with fewer of one the table counts as one of twice the smaller,
    and with more kinds the verdict is withheld.

    References
    ----------
    Kneip, Simar & Wilson (2016), J Bus Econ Stat 34:435-456, section 3.1.
    """
    asked = asked_of(fit, "the comparison of means", ("vrs", "crs", "fdh"))
    check_numbers(level=level, halvings=halvings)
    source = generator(rng)
    names, groups = _groups(fit, data, column)
    counted = {name: len(units) for name, units in zip(names, groups, strict=True)}
    check_enough(counted, asked.goods, 2)
    rows = _moments(asked, groups, halvings, source)
    error = np.sqrt(rows.variance / rows.part)
    if not (error > _ROUNDING).all():
        lost = [name for name, one in zip(names, error, strict=True) if not one > _ROUNDING]
        raise DataError(f"all units of {', '.join(lost)} are efficient among their own kind: nothing is to be compared")
    value, p = _wald(rows) if len(names) > 2 else _two_sided(rows)
    kinds = "" if len(names) == 2 else f"it was simulated with 2 kinds of units, and these are {len(names)}"
    known = size_of(
        "means", "means", asked.estimator, units=2 * min(counted.values()), goods=asked.goods, side=asked.side,
        level=level, strange=kinds or _strange(halvings, "subsample", 0, 0),
    )  # fmt: skip
    verdict, reason = judged(p, level, known)
    return HypothesisTest(
        question="means", null=f"mean efficiency is the same whatever {column!r}",
        statistic_name="z" if len(names) == 2 else "Wald", statistic=value, p_value=p, level=level,
        verdict=verdict, reason=reason, size=known.size, power=known.power, units=len(asked.inputs),
        goods=asked.goods, splits=0, halvings=halvings, replicates=0, statistics=np.array([value]),
        replicated=np.empty(0), rng=entropy(source),
    )  # fmt: skip


def _groups(fit: DEAFit | UnitsFit, data: object | None, column: str | None) -> tuple[tuple[str, ...], list[Codes]]:
    if data is None or column is None:
        return ("all",), [np.arange(len(fit.goods))]
    kinds, names = kinds_of(fit, data, column, slices=None)
    return names, [np.flatnonzero(kinds == kind) for kind in range(len(names))]


def _moments(asked: Asked, groups: list[Codes], halvings: int, source: np.random.Generator) -> Moments:
    with one_blas_thread():
        return moments(
            asked.inputs, asked.outputs, asked.side, asked.estimator, groups,
            kappa=exponent(asked.estimator, asked.goods), halvings=halvings, rngs=source.spawn(len(groups)),
            parts=[part_of(len(units), asked.estimator, asked.goods) for units in groups],
        )  # fmt: skip


def _two_sided(rows: Moments) -> tuple[float, float]:
    one, two = (Moments(**{name: getattr(rows, name)[i : i + 1] for name in rows.__dataclass_fields__}) for i in (0, 1))
    value = float(contrasts(one, two)[0])
    return value, float(2.0 * special.ndtr(-abs(value)))


def _wald(rows: Moments) -> tuple[float, float]:
    weight = rows.part / rows.variance
    mean = rows.part_mean - rows.bias
    value = float(np.sum(weight * (mean - np.sum(weight * mean) / weight.sum()) ** 2))
    return value, float(stats.chi2.sf(value, len(mean) - 1))


def _strange(halvings: int, centre: Centre, units: int, part: int) -> str:
    simulated = settings()["halvings_of_means"]
    if halvings != simulated:
        return f"it was simulated with halvings={simulated}, and this is {halvings}"
    if centre == "all" and part < units:
        return "it was simulated around the mean of a part of the units, and this is around that of all"
    return ""


def _of_partial(
    fit: UnitsFit, data: object | None, column: str | None, level: float, source: np.random.Generator
) -> MeanEfficiency:
    """Return the means of a partial frontier, with the errors of a jackknife."""
    if fit.model.orientation == "graph" or fit.model.allowed(fit.goods, fit.goods) is not None:
        raise SpecificationError(
            "the mean efficiency needs orientation 'input' or 'output', and units that may be held against all others"
        )
    names, groups = _groups(fit, data, column)
    few = [f"{name}: {len(units)}" for name, units in zip(names, groups, strict=True) if len(units) < _LEAST]
    if few:
        raise DataError(f"at least {_LEAST} units of each kind are needed; there are {', '.join(few)}")
    rows = [_jackknifed(fit, units, rng) for units, rng in zip(groups, source.spawn(len(groups)), strict=True)]
    mean, error, parts = (np.array(column) for column in zip(*rows, strict=True))
    half = stats.t.ppf(0.5 + level / 2.0, parts - 1) * error
    none, units = np.full(len(mean), np.nan), np.array([len(some) for some in groups])
    why = "it was not simulated with partial frontiers"
    return _with_error(MeanEfficiency(
        group=np.array(names, dtype=object), units=units, found=mean, bias=none, mean=mean.copy(), std_error=error,
        lower=mean - half, upper=mean + half, part=units.copy(), coverage=none.copy(),
        told=np.array([why] * len(mean), dtype=object), level=level, rng=entropy(source),
    ))  # fmt: skip


def _with_error(found: MeanEfficiency) -> MeanEfficiency:
    """Return means without intervals where no error was found: efficiencies that are all the same tell of none."""
    lost = ~(found.std_error > _ROUNDING)
    if not lost.any():
        return found
    warnings.warn(
        f"{int(lost.sum())} of {len(lost)} means have no interval, since all their units are as efficient: "
        f"{listed(found.group[lost])}",
        PartialResultWarning,
        stacklevel=4,
    )
    error, low, high, coverage = (
        np.where(lost, np.nan, column) for column in (found.std_error, found.lower, found.upper, found.coverage)
    )
    told = np.where(lost, "all units are as efficient, which tells nothing of the error", found.told).astype(object)
    return replace(found, std_error=error, lower=low, upper=high, coverage=coverage, told=told)


def _jackknifed(fit: UnitsFit, units: Codes, rng: np.random.Generator) -> tuple[float, float, int]:
    parts = min(len(units), _PARTS)
    part = rng.permutation(np.arange(len(units)) % parts)
    every = _partial_mean(fit, units)
    left = np.array([_partial_mean(fit, units[part != j]) for j in range(parts)])
    # Parts differ by one unit at most, so that all count alike.
    return every, float(np.sqrt((parts - 1) / parts * np.sum((left - left.mean()) ** 2))), parts


def _partial_mean(fit: UnitsFit, units: Codes) -> float:
    some = free_disposal.Goods(fit.goods.inputs[units], fit.goods.outputs[units])
    score = fit.model.score(some, some, exclude=None, allowed=None).score
    return float(np.mean(1.0 / score if fit.model.orientation == "output" else score))
