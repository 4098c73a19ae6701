"""The narrow waist: one row per unit with observed, expected, estimate and its uncertainty.

Every model ends in a `Comparison`; every use (ranks, flags, plots, reports) starts from one and never needs to
know which model spoke.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "Better",
    "Comparison",
    "Contrast",
    "Coverage",
    "NullKind",
    "Reference",
    "ReplicateKind",
    "Source",
    "Standard",
    "a_comparison",
    "an_unshrunken_comparison",
]

Standard = Literal["indirect", "direct"]
Contrast = Literal["difference", "ratio", "rate"]
Reference = Literal["others", "all"]
Better = Literal["low", "high"]
NullKind = Literal["sampling", "prediction"]
ReplicateKind = Literal["errors", "draws"]

_PER_UNIT = (
    "size",
    "observed",
    "expected",
    "estimate",
    "lower",
    "upper",
    "noise",
    "null_std_error",
    "df",
    "overlap",
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a comparison comes from.

    Parameters
    ----------
    model : str
        The model as printed.
    version : str
        Version of benchmodels.
    rows_read, rows_dropped : int
        Rows of the table at the doorway, and those dropped on request.
    noise : str
        What a unit's own sampling noise rests on, as a sentence without a full stop.
    data : str
        What the table says of its own origin; empty when it says nothing.
    simulated : bool
        The figures are simulated; every page that shows them must say so.
    rng : str
        Entropy of the generator, where random numbers were used; else empty.
    """

    model: str
    version: str
    rows_read: int
    rows_dropped: int
    noise: str
    data: str = ""
    simulated: bool = False
    rng: str = ""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often what is asked for at a level held the truth when it was simulated, where theory does not vouch for it.

    Parameters
    ----------
    level : float
        As asked for in the simulation.
    intervals, ranks, shrunken : float
        Share of units whose interval, marginal rank set, and interval of the shrunken value held the truth; NaN where
        that was not simulated.
    all_ranks : float
        Share of simulated tables where all simultaneous rank sets did.
    simulated : str
        What was simulated, as a sentence without a full stop.
    """

    level: float
    intervals: float
    ranks: float
    all_ranks: float
    shrunken: float
    simulated: str

    def reached(self, level: float) -> bool:
        """Return whether intervals at a level were seen to hold as often as it says, to half a hundredth."""
        return level == self.level and self.intervals >= level - 0.005

    def of_intervals(self) -> str:
        """Return what a reader must know beside intervals."""
        if not np.isfinite(self.intervals):
            return f"how often these intervals hold is not known, so that they have no level: {self.simulated}"
        return (
            f"intervals asked for at {self.level:.0%} held {self.intervals:.0%} of the truths simulated: "
            f"{self.simulated}"
        )

    def of_ranks(self) -> str:
        """Return what a reader must know beside rank sets."""
        if not (np.isfinite(self.ranks) and np.isfinite(self.all_ranks)):
            return f"how often these rank sets hold is not known, so that they have no level: {self.simulated}"
        return (
            f"rank sets asked for at {self.level:.0%} held the rank of {self.ranks:.0%} of the units, and of all units "
            f"at once in {self.all_ranks:.0%} of the tables simulated: {self.simulated}"
        )

    def of_shrunken(self) -> str:
        """Return what a reader must know beside intervals of shrunken values."""
        if not np.isfinite(self.shrunken):
            return f"how often these intervals hold is not known, so that they have no level: {self.simulated}"
        return (
            f"intervals of shrunken values asked for at {self.level:.0%} held {self.shrunken:.0%} of the truths "
            f"simulated: {self.simulated}"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Observed against expected for k units, with the covariance of the k estimates.

    The covariance of the estimates is ``diag(noise) + shared @ core @ shared.T``: own sampling noise, and what the
    units share through the estimated expected values. ``core`` is symmetric and may be indefinite (a unit left out
    of its own expected value is *negatively* tied to the others). Where there are replicates it is theirs. All arrays
    are read-only copies.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    size : (k,) array
        Cases, trials or exposure of the unit, in the table's own unit of measure.
    observed, expected : (k,) arrays
        Totals in the outcome's unit of measure. Under ``standard="direct"`` both are for the country's
        composition at this unit's size.
    estimate : (k,) array
        ``(observed - expected) / size`` (difference), ``observed / expected`` (ratio), or the ratio times the
        overall rate (rate).
    lower, upper : (k,) arrays
        Interval for the estimate at ``level``: the unit's own noise and that of the expected value, nothing else.
        NaN where withheld.
    noise : (k,) array; shared : (k, q) array; core : (q, q) array
        The covariance, in squared units of the estimate. ``noise`` is NaN where withheld.
    null : float
        The estimate of a unit that is exactly as expected: 0, 1 or the overall rate.
    null_std_error : (k,) array
        Standard error the estimate would have, were the unit as expected: the scale of its z-score.
    null_kind : "sampling" or "prediction"
        What ``null_std_error`` holds: sampling noise alone; or, where a unit's own noise is not known, the standard
        deviation of a leave-one-out prediction, which the variation between units is part of.
    df : (k,) array
        Degrees of freedom of the own noise (of the prediction); infinite for counts.
    overlap : (k,) array
        Share of the unit's case mix that the other units have too, 0 to 1; NaN where the model has no covariates.
    withheld : (k,) array of str
        Why a unit's uncertainty is withheld; empty where it is not.
    standard, contrast, reference, level, better
        As asked of ``compare``; ``better`` says which direction is better, or None.
    source : Source
    replicates : (b, k) array, optional
        Joint uncertainty that is neither normal nor centred, in the estimate's unit of measure; ``noise`` is then its
        variance, and nothing is shared. NaN where withheld.
    replicate_kind : 'errors', 'draws' or None
        Bootstrap errors θ* − θ̂, or draws from a posterior; None without replicates.
    coverage : Coverage, optional
        How often intervals and what rests on them held when simulated, where theory does not vouch for their level.

    Raises
    ------
    DataError
        Arrays of different length, duplicate unit labels, or replicates that are of no kind.
    """

    unit: NDArray[np.object_]
    size: Floats
    observed: Floats
    expected: Floats
    estimate: Floats
    lower: Floats
    upper: Floats
    noise: Floats
    shared: Floats
    core: Floats
    null: float
    null_std_error: Floats
    null_kind: NullKind = "sampling"
    df: Floats
    overlap: Floats
    withheld: NDArray[np.object_]
    standard: Standard
    contrast: Contrast
    reference: Reference
    level: float
    better: Better | None
    source: Source
    replicates: Floats | None = None
    replicate_kind: ReplicateKind | None = None
    coverage: Coverage | None = None
    std_error: Floats = field(init=False)

    def __post_init__(self) -> None:
        k = len(self.unit)
        for name in ("unit", "withheld"):
            self._freeze(name, np.array(getattr(self, name), dtype=object))
        for name in (*_PER_UNIT, "shared", "core"):
            self._freeze(name, np.array(getattr(self, name), dtype=np.float64))
        for name in ("withheld", *_PER_UNIT):
            if getattr(self, name).shape != (k,):
                raise DataError(f"{name} has shape {getattr(self, name).shape}; one value for each of {k} units")
        q = self.shared.shape[1] if self.shared.ndim == 2 else -1
        if self.shared.shape != (k, q) or self.core.shape != (q, q):
            raise DataError(f"shared {self.shared.shape} and core {self.core.shape} do not fit {k} units")
        if self.replicates is not None or self.replicate_kind is not None:
            self._check_replicates(k, q)
        if len(set(self.unit.tolist())) != k:
            raise DataError("unit labels must be unique in a comparison")
        spread = self.noise + np.einsum("kq,qr,kr->k", self.shared, self.core, self.shared)
        # Rounding may leave a variance of exactly zero a hair below it; anything more would be an error upstream.
        spread = np.where((spread < 0) & (spread > -1e-12 * np.abs(self.noise)), 0.0, spread)
        self._freeze("std_error", np.sqrt(spread))

    def __setstate__(self, state: dict[str, object]) -> None:
        # Pickle makes arrays writeable again.
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    def _check_replicates(self, k: int, q: int) -> None:
        """Take in replicates that are a (b, k) array of a kind and agree with the noise; there is nothing beside."""
        if self.replicates is None or self.replicate_kind not in get_args(ReplicateKind):
            raise DataError(
                f"replicate_kind={self.replicate_kind!r}; replicates are of kind 'errors' or 'draws', and only they are"
            )
        self._freeze("replicates", np.array(self.replicates, dtype=np.float64))
        shape, known = self.replicates.shape, np.isfinite(self.noise)
        if len(shape) != 2 or shape[0] < 2 or shape[1] != k or q or np.isfinite(self.df[known]).any():
            raise DataError(
                f"replicates have shape {shape}; (b, {k}) is needed, with two or more, and nothing shared, nor degrees "
                "of freedom"
            )
        spread = np.var(self.replicates[:, known], axis=0, ddof=1)
        if not np.allclose(spread, self.noise[known], rtol=1e-6, atol=0.0):
            raise DataError("noise must be the variance of the replicates, which are to be finite where it is")

    def _freeze(self, name: str, value: NDArray[np.generic]) -> None:
        value.flags.writeable = False
        object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.unit)

    def __repr__(self) -> str:
        return (
            f"Comparison({len(self)} units, {self.standard} {self.contrast}, reference={self.reference!r}, "
            f"level={self.level}, {int((self.withheld != '').sum())} withheld)"
        )

    @property
    def different(self) -> NDArray[np.object_]:
        """Verdict on each unit by its own noise: 'above', 'below', 'not different' or 'withheld'.

        Of all units where intervals were seen to hold less often than they say (`coverage`).
        """
        if self.coverage is not None and not self.coverage.reached(self.level):
            return np.full(len(self), "withheld", dtype=object)
        verdict = np.full(len(self), "not different", dtype=object)
        verdict[self.lower > self.null] = "above"
        verdict[self.upper < self.null] = "below"
        verdict[~(np.isfinite(self.lower) | np.isfinite(self.upper))] = "withheld"
        return verdict

    @property
    def corrected(self) -> Floats:
        """The estimates (k,) without the bias that errors tell of, or the means of draws; else as they are."""
        if self.replicates is None:
            return self.estimate
        mean = self.replicates.mean(axis=0)
        found = self.estimate - mean if self.replicate_kind == "errors" else mean
        return np.where(np.isnan(mean), self.estimate, found)

    def errors(self) -> Floats | None:
        """Return the errors (b, k) of the corrected estimates, about zero; None where they are normal."""
        if self.replicates is None:
            return None
        centred: Floats = self.replicates - self.replicates.mean(axis=0)
        return centred if self.replicate_kind == "errors" else -centred

    def covariance(self) -> Floats:
        """Return the (k, k) covariance of the estimates. Memory k²: for 98 units, not for 100,000."""
        if self.replicates is not None:
            return np.atleast_2d(np.cov(self.replicates, rowvar=False))
        return np.diag(self.noise) + self.shared @ self.core @ self.shared.T

    def to_frame(self) -> pd.DataFrame:
        """Return the comparison as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "size", "observed", "expected", "estimate", "std_error", "lower", "upper")
        frame = pd.DataFrame({name: getattr(self, name) for name in names})
        frame["unit"] = frame["unit"].infer_objects()
        return frame

    def take(self, units: NDArray[np.intp]) -> Comparison:
        """Return the comparison of some of the units, by position; their estimates do not change."""
        per_unit = {name: getattr(self, name)[units] for name in ("unit", "withheld", "shared", *_PER_UNIT)}
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name not in per_unit}
        if self.replicates is not None:
            rest["replicates"] = self.replicates[:, units]
        return Comparison(**per_unit, **rest)


def a_comparison(given: object, what: str) -> Comparison:
    """Return what was given where it is a comparison, or raise SpecificationError."""
    if isinstance(given, Comparison):
        return given
    raise SpecificationError(
        f"{what} takes a Comparison, and this is a {type(given).__name__}: give fit.compare(), of a frontier "
        "fit.compare(bootstrap=fit.bootstrap())"
    )


def an_unshrunken_comparison(given: object, what: str) -> Comparison:
    """Return a comparison whose estimates are of the units' own cases, or raise SpecificationError."""
    comparison = a_comparison(given, what)
    if comparison.replicate_kind == "draws":
        raise SpecificationError(
            f"{what} takes estimates that are each unit's own, and these are means of draws from a posterior, drawn "
            "towards the others already: see unit_effects(), exceedance() and ranks() of the fit, or compare() of "
            "RandomEffects"
        )
    return comparison
