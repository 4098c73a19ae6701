"""The reference distribution: how far the estimates of ordinary units lie apart, and its limits for each unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from benchmodels.asked import share
from benchmodels.errors import SpecificationError
from benchmodels.kernels.count_dispersion import (
    CountDispersion,
    count_dispersion,
    count_quantiles,
)
from benchmodels.kernels.empirical_null import EmpiricalNull, empirical_null
from benchmodels.kernels.intervals import poisson_limits
from benchmodels.kernels.overdispersion import dispersion, z_scores
from benchmodels.kernels.trimming import Sides, trimmed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison, Contrast

    Floats = NDArray[np.float64]

__all__ = ["Limits", "Method", "ReferenceDistribution", "Scale", "reference_distribution"]

Method = Literal["tau", "phi", "plain", "garwood", "beta_binomial", "negative_binomial", "empirical_null"]
Limits = Method | Literal["prediction"]
Scale = Literal["estimate", "log", "square_root", "arcsine"]

_COUNTED = ("garwood", "beta_binomial", "negative_binomial")
_TRIMMED = ("tau", "phi", "plain")
_DESCRIPTIVE = 300  # units below which an empirical null is no ground for a test


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceDistribution:
    """Distribution of the estimates of ordinary units, and its limits for each unit.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    size, expected : (k,) arrays
        As in the comparison.
    z : (k,) array
        (estimate - null) / null_std_error on ``scale``, a pure number, not trimmed; NaN where there is no standard
        error.
    null_std_error : (k,) array
        In the estimate's unit of measure.
    phi : float
        Mean squared z-score; 1 where there is sampling noise only. As estimated; limits use max(1, phi). NaN
        for prediction limits.
    tau : float
        Standard deviation between units beyond sampling noise, on ``scale``: in the estimate's unit of measure unless
        that is another. NaN for prediction limits.
    null : float
        Centre, in the estimate's unit of measure.
    lower, upper : (k,) arrays
        Limits at ``level`` around the null, in the estimate's unit of measure. Symmetric on ``scale``, so that on the
        estimate's own the lower limit of a ratio or rate may be negative: then no value is unusually low.
    method : {'tau', 'phi', 'plain', 'garwood', 'beta_binomial', 'negative_binomial', 'empirical_null', 'prediction'}
        What the limits rest on; ``label`` says it in words.
    level : float
    scale : {'estimate', 'log', 'square_root', 'arcsine'}
        Scale of z-scores, φ, τ and of the limits before they are turned back.
    winsorise, truncate : float
        Shares at which z-scores were pulled in, and dropped, for φ and τ.
    sides : {'both', 'low', 'high'}
        Tails that were trimmed.
    df : (k,) array
        Degrees of freedom of the quantile behind the limits; infinite where it is the normal one.
    contrast : {'difference', 'ratio', 'rate'}
        As in the comparison.
    counts : CountDispersion or None
        Of the beta-binomial and negative binomial limits.
    empirical : EmpiricalNull or None
        Of the limits by an empirical null.
    notes : tuple of str
        What a reader must know beside the limits; empty when there is nothing.
    """

    unit: NDArray[np.object_]
    size: Floats
    expected: Floats
    z: Floats
    null_std_error: Floats
    phi: float
    tau: float
    null: float
    lower: Floats = field(init=False)
    upper: Floats = field(init=False)
    method: Limits
    level: float
    scale: Scale
    winsorise: float
    truncate: float
    sides: Sides
    df: Floats
    contrast: Contrast
    counts: CountDispersion | None
    empirical: EmpiricalNull | None
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.method in _COUNTED:
            lower, upper = self._count_limits(self.size, self.expected, self.level)
            known = np.isfinite(self.z)
            lower, upper = np.where(known, lower, np.nan), np.where(known, upper, np.nan)
        else:
            lower, upper = self._normal_limits(self.null_std_error, self.level, self.df)
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @property
    def label(self) -> str:
        """What the limits rest on, in English words, with its figure."""
        figure = {
            "tau": f"additive variance between units, τ = {self.tau:.3g}",
            "phi": f"multiplicative factor, φ = {self.phi:.3g}",
            "plain": "sampling noise alone",
            "garwood": "exact Poisson interval of the expected count",
            "prediction": "leave-one-out prediction",
        }.get(self.method, "")
        if self.counts is not None:
            name = "beta-binomial, ρ" if self.method == "beta_binomial" else "negative binomial, κ"
            figure = f"{name} = {self.counts.dispersion:.3g}"
        if self.empirical is not None:
            sd = float(self.empirical.sd(np.asarray(self.empirical.size)))
            figure = f"empirical null, centre {self.empirical.mean:.2f}, standard deviation {sd:.2f} standard errors"
        if self.scale != "estimate":
            figure += f", {self.scale.replace('_', ' ')} scale"
        for how, trim in (("winsorised", self.winsorise), ("truncated", self.truncate)):
            if trim > 0.0 and self.method in _TRIMMED:
                tails = "" if self.sides == "both" else f" on the {self.sides} side"
                figure += f", {100.0 * trim:.3g} % {how}{tails}"
        return figure

    def limits_at(self, null_std_error: Floats, *, level: float | None = None) -> tuple[Floats, Floats]:
        """Return lower and upper limits at these null standard errors, at this or another level.

        Degrees of freedom are the median over the units with a z-score; each unit's own limits use its own. Limits of
        counts are those of a unit with the overall rate, whose size follows from the null standard error.
        """
        usable = np.isfinite(self.z)
        asked = self.level if level is None else level
        if self.method in _COUNTED:
            rate = self.expected[usable].sum() / self.size[usable].sum()
            spare = 1.0 - rate if self.method == "beta_binomial" else 1.0
            # The squared coefficient of variation of a count is spare / expected.
            relative = null_std_error / (rate if self.contrast == "difference" else self.null)
            expected = spare / np.square(relative)
            return self._count_limits(expected / rate, expected, asked)
        df = np.asarray(np.median(self.df[usable]) if usable.any() else np.inf)
        return self._normal_limits(null_std_error, asked, df)

    def std_error_at(self, size: Floats) -> Floats:
        """Return the null standard error typical of a size: least squares of its log on log size."""
        usable = np.isfinite(self.z) & (self.size > 0)
        if not usable.any():
            raise SpecificationError("no unit has both a size and a standard error; there is no typical one")
        x, y = np.log(self.size[usable]), np.log(self.null_std_error[usable])
        spread = ((x - x.mean()) ** 2).sum()
        slope = ((x - x.mean()) * y).sum() / spread if spread > 1e-12 * usable.sum() else -0.5
        typical: Floats = np.exp(y.mean() + slope * (np.log(size) - x.mean()))
        return typical

    def to_frame(self) -> pd.DataFrame:
        """Return z-scores and limits as a table; always the same columns, one row per unit."""
        frame = pd.DataFrame({name: getattr(self, name) for name in ("unit", "z", "lower", "upper")})
        frame["unit"] = frame["unit"].infer_objects()
        return frame

    def _normal_limits(self, null_std_error: Floats, level: float, df: Floats) -> tuple[Floats, Floats]:
        tail = (1.0 - level) / 2.0
        normal = float(-ndtri(tail))
        quantile = np.where(np.isfinite(df), -stdtrit(np.where(np.isfinite(df), df, 1.0), tail), normal)
        slope, s0 = _slope(self.scale, self.null), np.asarray(null_std_error)
        scaled = s0 * slope
        middle = np.zeros_like(scaled)
        if self.method == "tau":
            half = quantile * np.sqrt(np.square(scaled) + self.tau**2)
        elif self.method == "phi":
            half = quantile * np.sqrt(max(1.0, self.phi)) * scaled
        elif self.empirical is not None:
            half = quantile * self.empirical.sd(1.0 / np.square(scaled)) * scaled
            middle = self.empirical.mean * scaled
        else:
            half = quantile * scaled
        return _turned_back(self.scale, self.null, middle - half), _turned_back(self.scale, self.null, middle + half)

    def _count_limits(self, size: Floats, expected: Floats, level: float) -> tuple[Floats, Floats]:
        if self.counts is None:
            lower, upper = poisson_limits(np.where(expected > 0, expected, np.nan), level=level)
        else:
            spread, tail = self.counts.dispersion, (1.0 - level) / 2.0
            lower, upper = count_quantiles(self.counts.family, size, expected, spread, tail=tail)
        if self.contrast == "difference":
            return (lower - expected) / size, (upper - expected) / size
        return self.null * lower / expected, self.null * upper / expected


def reference_distribution(
    comparison: Comparison,
    *,
    method: Method = "tau",
    level: float = 0.95,
    winsorise: float = 0.0,
    truncate: float = 0.0,
    sides: Sides = "both",
    scale: Scale = "estimate",
) -> ReferenceDistribution:
    """Return the reference distribution of the estimates, with funnel limits for each unit.

    With s_i the null standard error and c the normal quantile of ``level``, limits are null ± c sqrt(s_i² + τ²) for
    "tau", null ± c sqrt(max(1, φ)) s_i for "phi" and null ± c s_i for "plain", there with c of Student's t where the
    unit's noise is itself estimated (``comparison.df``). φ is floored at 1 in the limits alone: units that vary less
    than chance are no ground for narrower ones. On another ``scale`` the same holds of the transformed estimates, by
    the delta method at the null, and limits are turned back.

    "beta_binomial" and "negative_binomial" are limits of counts: their dispersion is the marginal maximum likelihood
    given the expected values, and limits are exact discrete quantiles. "garwood" is the exact Poisson interval of the
    expected count, without over-dispersion. "empirical_null" takes the centre and spread of the z-scores in the middle
    of the distribution, the variance linear in 1 / s_i²; it absorbs real variation of practice and below 300 units
    describes only, which ``notes`` say.

    Where ``comparison.null_kind`` is "prediction" (one Gaussian row per unit), s_i is the standard deviation of a
    leave-one-out prediction and already holds the variation between units: neither φ nor τ can be told apart from
    noise. Limits are then null ± c s_i whatever ``method`` was asked for, with c the quantile of Student's t at the
    comparison's ``df`` (the normal one where that is infinite or 0); φ and τ are NaN and ``method`` of the answer is
    "prediction".

    Parameters
    ----------
    comparison : Comparison
        k units; those without a null standard error have NaN limits and carry no weight.
    method : {'tau', 'phi', 'plain', 'garwood', 'beta_binomial', 'negative_binomial', 'empirical_null'}, default 'tau'
        Disregarded, and the answer says so, where ``comparison.null_kind`` is "prediction".
    level : float, default 0.95
        Share of ordinary units within the limits.
    winsorise : float, default 0.0
        Quantile at which z-scores are winsorised before φ and τ are estimated; 0 for none. Without it, units
        that stand out widen the limits they are judged by.
    truncate : float, default 0.0
        Share of units that are left out of φ and τ at each end; 0 for none. Not together with ``winsorise``.
    sides : {'both', 'low', 'high'}, default 'both'
        Tails that are winsorised or truncated.
    scale : {'estimate', 'log', 'square_root', 'arcsine'}, default 'estimate'
        Scale on which limits are symmetric. Log and square root are of ratios and rates, arcsine (of the square root)
        of rates that are shares of cases. On the log scale an estimate of zero counts as that of half an event.

    Returns
    -------
    ReferenceDistribution

    Raises
    ------
    SpecificationError
        Unknown option, a level outside (0, 1), a scale that does not fit the contrast, or estimates below 0 on it,
        trimming where neither φ nor τ is used, limits of counts where there are none, or too few units: φ, τ and
        counts need two, an empirical null ten.

    Notes
    -----
    Simulated with 98 units (``tests/reference/test_share_within.py``), 95 % limits hold 95 to 96 % of ordinary units by
    every method, and 99.8 % limits 99.5 to 99.9 %, but 99.1 % on the log scale where counts are small. Winsorising and
    truncation as published take from ordinary units too and are not corrected for it: of 10 %, with τ = 0.2, they leave
    88 % and 83 % within 95 % limits. Plain limits hold 38 % of large units that differ in practice by a fifth. φ holds
    on average only: with practice of standard deviation .25 its 95 % limits hold 99.8 % of the smallest third of units
    and 84.5 % of the largest, those of τ and of counts 95 % of each (``tests/recovery/test_reference_limits.py``).
    Where few events are expected (half of the units below 4.5) 95 % limits hold 96 % on the estimate's own scale, 93 %
    on the square root and 88 % on the log scale (``tests/test_flags.py``): there use limits of counts.

    Limits of counts take the binomial (Poisson) variance of the unit's mean chance; where chances differ between its
    cases the true one is smaller. The published variants are: UK trusts' ratios by the Care Quality Commission,
    ``scale="square_root", winsorise=0.1``; the Summary Hospital-level Mortality Indicator, ``scale="log",
    truncate=0.1``.

    References
    ----------
    Spiegelhalter (2005), Handling over-dispersion of performance indicators, Qual Saf Health Care 14:347-351.
    Spiegelhalter (2005), Funnel plots for comparing institutional performance, Stat Med 24:1185-1202, appendix A.
    Spiegelhalter et al. (2012), J R Stat Soc A 175:1-47, section 4 (winsorised z-scores in regulation).
    """
    _options(comparison, method, level, winsorise, truncate, scale)
    s0 = comparison.null_std_error
    deviation = _deviation(comparison, scale)
    scaled = s0 * _slope(scale, comparison.null)
    z = z_scores(deviation, scaled)
    kept = trimmed(deviation, scaled, winsorise=winsorise, truncate=truncate, sides=sides)
    found = dispersion(kept, scaled)
    predicted = comparison.null_kind == "prediction"
    used: Limits = "prediction" if predicted else method
    there = int(np.isfinite(z).sum())
    if there < 1 or (used in ("tau", "phi") and found.units < 2):
        left = f", and truncate={truncate} leaves {found.units}" if found.units < there else ""
        raise SpecificationError(
            f"{there} of {len(comparison)} units have an estimate with a standard error{left}; a reference "
            "distribution by φ or τ needs at least two, one of plain or prediction limits one"
        )
    phi, tau = (np.nan, np.nan) if predicted else (found.phi, float(np.sqrt(found.tau2)))
    # Of chance alone, or of a prediction: there it matters how well the unit's noise is known.
    known = (used in ("plain", "prediction")) & np.isfinite(comparison.df) & (comparison.df > 0)
    counts = _counts(comparison, used, np.isfinite(z))
    empirical = None
    if used == "empirical_null":
        with np.errstate(divide="ignore"):
            empirical = empirical_null(z, 1.0 / np.square(scaled))
    return ReferenceDistribution(
        unit=comparison.unit,
        size=comparison.size,
        expected=comparison.expected,
        z=z,
        null_std_error=np.where(np.isfinite(z), s0, np.nan),
        phi=phi,
        tau=tau,
        null=comparison.null,
        method=used,
        level=level,
        scale=scale,
        winsorise=winsorise,
        truncate=truncate,
        sides=sides,
        df=np.where(known, comparison.df, np.inf),
        contrast=comparison.contrast,
        counts=counts,
        empirical=empirical,
        notes=_notes(empirical),
    )


def _options(
    comparison: Comparison, method: Method, level: float, winsorise: float, truncate: float, scale: Scale
) -> None:
    """Refuse what cannot be asked."""
    for name, value, allowed in (("method", method, get_args(Method)), ("scale", scale, get_args(Scale))):
        if value not in allowed:
            raise SpecificationError(f"{name}={value!r}; allowed are {', '.join(map(repr, allowed))}")
    share("level", level)
    for name, trim in (("winsorise", winsorise), ("truncate", truncate)):
        if not isinstance(trim, Real):
            raise SpecificationError(f"{name}={trim!r}; give a share from 0 (none) to below 0.5")
    if method not in _TRIMMED and (winsorise > 0.0 or truncate > 0.0):
        raise SpecificationError(f"winsorise and truncate are for φ and τ; method={method!r} uses neither")
    if scale == "estimate":
        return
    if method in _COUNTED or comparison.null_kind == "prediction":
        raise SpecificationError(f"scale={scale!r}; limits of counts and of predictions have the estimate's scale only")
    if comparison.contrast == "difference" or (scale == "arcsine" and comparison.contrast != "rate"):
        needed = "a rate" if scale == "arcsine" else "a ratio or a rate"
        raise SpecificationError(f"scale={scale!r} is of {needed}; the contrast is {comparison.contrast!r}")
    if not comparison.null > 0.0 or (comparison.estimate < 0.0).any():
        raise SpecificationError(f"scale={scale!r} is of estimates of zero or more; use scale='estimate'")
    if scale == "arcsine" and np.nanmax(comparison.estimate, initial=comparison.null) > 1.0:
        raise SpecificationError("scale='arcsine' is of shares; an estimate is above 1")


def _deviation(comparison: Comparison, scale: Scale) -> Floats:
    """Return estimate less null on the scale."""
    estimate, null = comparison.estimate, comparison.null
    if scale == "log":
        half = null * (comparison.observed + 0.5) / (comparison.expected + 0.5)
        return np.asarray(np.log(np.where(estimate == 0.0, half, estimate) / null))
    if scale == "square_root":
        return np.asarray(np.sqrt(estimate) - np.sqrt(null))
    if scale == "arcsine":
        return np.asarray(np.arcsin(np.sqrt(estimate)) - np.arcsin(np.sqrt(null)))
    return np.asarray(estimate - null)


def _slope(scale: Scale, null: float) -> float:
    """Return the derivative of the scale at the null."""
    if scale == "log":
        return 1.0 / null
    if scale == "square_root":
        return float(0.5 / np.sqrt(null))
    return float(0.5 / np.sqrt(null * (1.0 - null))) if scale == "arcsine" else 1.0


def _turned_back(scale: Scale, null: float, moved: Floats) -> Floats:
    """Return the estimate this far from the null on the scale; beyond the scale's end, at its end."""
    if scale == "log":
        return np.asarray(null * np.exp(moved))
    if scale == "square_root":
        return np.asarray(np.square(np.maximum(np.sqrt(null) + moved, 0.0)))
    if scale == "arcsine":
        return np.asarray(np.square(np.sin(np.clip(np.arcsin(np.sqrt(null)) + moved, 0.0, np.pi / 2))))
    return np.asarray(null + moved)


def _counts(comparison: Comparison, used: Limits, usable: NDArray[np.bool_]) -> CountDispersion | None:
    if used not in _COUNTED:
        return None
    observed = comparison.observed[usable]
    whole = np.abs(observed - np.round(observed)) <= 1e-6
    if comparison.standard != "indirect" or not whole.all() or (observed < 0).any():
        raise SpecificationError(
            f"method={used!r} is of the counts of each unit's own cases; it needs standard='indirect' and whole numbers"
        )
    if used == "garwood":
        return None
    family: Literal["beta_binomial", "negative_binomial"] = (
        "beta_binomial" if used == "beta_binomial" else "negative_binomial"
    )
    return count_dispersion(family, np.round(observed), comparison.size[usable], comparison.expected[usable])


def _notes(empirical: EmpiricalNull | None) -> tuple[str, ...]:
    if empirical is None:
        return ()
    absorbed = (
        "an empirical null holds all that varies between ordinary units, real practice too: it says who stands out "
        "from it, not who differs from what is expected"
    )
    if empirical.units >= _DESCRIPTIVE:
        return (absorbed,)
    return (
        absorbed,
        f"with {empirical.units} units (fewer than {_DESCRIPTIVE}) the empirical null describes and does not test; the "
        f"standard error of its standard deviation is {empirical.sd_std_error:.2f}",
    )
