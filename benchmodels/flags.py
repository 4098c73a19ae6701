"""Who stands out: two verdicts that stay apart.

*Different* from expected is a statement about one unit, by its own noise. *Unusual* among units is a
statement about the reference distribution, which also holds the ordinary variation of practice between units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from benchmodels.errors import SpecificationError
from benchmodels.kernels.overdispersion import Dispersion, dispersion, z_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]

__all__ = [
    "Flags",
    "Limits",
    "Method",
    "ReferenceDistribution",
    "between_unit_sd",
    "explained_share",
    "flag",
    "reference_distribution",
]

Method = Literal["tau", "phi", "plain"]
Limits = Method | Literal["prediction"]
_METHODS = ("tau", "phi", "plain")


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceDistribution:
    """Distribution of the estimates of ordinary units, and its limits for each unit.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    size : (k,) array
        As in the comparison.
    z : (k,) array
        (estimate - null) / null_std_error, a pure number, not winsorised; NaN where there is no standard
        error.
    null_std_error : (k,) array
        In the estimate's unit of measure.
    phi : float
        Mean squared z-score; 1 where there is sampling noise only. As estimated; limits use max(1, phi). NaN
        for prediction limits.
    tau : float
        Standard deviation between units beyond sampling noise, in the estimate's unit of measure. NaN for
        prediction limits.
    null : float
        Centre, in the estimate's unit of measure.
    lower, upper : (k,) arrays
        Limits at ``level`` around the null, in the estimate's unit of measure. Symmetric on that scale, so
        the lower limit of a ratio or rate may be negative: then no value is unusually low.
    method : {'tau', 'phi', 'plain', 'prediction'}
        Additive variance, multiplicative factor, or sampling noise alone; or limits of a prediction, whose
        standard deviation already holds the variation between units.
    level : float
    winsorise : float
        Quantile at which z-scores were winsorised for phi and tau.
    df : (k,) array
        Degrees of freedom of the quantile behind the limits; infinite where it is the normal one.
    """

    unit: NDArray[np.object_]
    size: Floats
    z: Floats
    null_std_error: Floats
    phi: float
    tau: float
    null: float
    lower: Floats
    upper: Floats
    method: Limits
    level: float
    winsorise: float
    df: Floats

    def limits_at(self, null_std_error: Floats, *, level: float | None = None) -> tuple[Floats, Floats]:
        """Return lower and upper limits at these null standard errors, at this or another level.

        Degrees of freedom are the median over the units with a z-score; each unit's own limits use its own.
        """
        usable = np.isfinite(self.z)
        df = np.asarray(np.median(self.df[usable]) if usable.any() else np.inf)
        asked = self.level if level is None else level
        half = _half_width(null_std_error, self.phi, self.tau, self.method, asked, df)
        return self.null - half, self.null + half

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


@dataclass(frozen=True, eq=False, kw_only=True)
class Flags:
    """Two verdicts on each unit.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    estimate : (k,) array
        As in the comparison.
    different : (k,) array of str
        From what is expected, by the unit's own noise: 'above', 'below', 'not different' or 'withheld'.
    unusual : (k,) array of str
        Among units, by the limits of the reference distribution: 'above', 'below', 'not unusual' or
        'withheld'.
    z : (k,) array
        (estimate - null) / null_std_error, a pure number.
    reference : ReferenceDistribution
    """

    unit: NDArray[np.object_]
    estimate: Floats
    different: NDArray[np.object_]
    unusual: NDArray[np.object_]
    z: Floats
    reference: ReferenceDistribution

    def __repr__(self) -> str:
        counts = {verdict: int((self.unusual == verdict).sum()) for verdict in ("above", "below", "withheld")}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        by = f"{self.reference.method} at {self.reference.level}"
        return f"Flags({len(self.unit)} units; unusual by {by}: {told})"

    def to_frame(self) -> pd.DataFrame:
        """Return both verdicts as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "estimate", "different", "unusual", "z")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()


def reference_distribution(
    comparison: Comparison, *, method: Method = "tau", level: float = 0.95, winsorise: float = 0.0
) -> ReferenceDistribution:
    """Return the reference distribution of the estimates, with funnel limits for each unit.

    With s_i the null standard error and c the normal quantile of ``level``, limits are null ± c sqrt(s_i² +
    τ²) for "tau", null ± c sqrt(max(1, φ)) s_i for "phi" and null ± c s_i for "plain". φ is floored at 1 in
    the limits alone: units that vary less than chance are no ground for narrower ones.

    Where ``comparison.null_kind`` is "prediction" (one Gaussian row per unit), s_i is the standard deviation of a
    leave-one-out prediction and already holds the variation between units: neither φ nor τ can be told apart from
    noise. Limits are then null ± c s_i whatever ``method`` was asked for, with c the quantile of Student's t at the
    comparison's ``df`` (the normal one where that is infinite or 0); φ and τ are NaN and ``method`` of the answer is
    "prediction".

    Parameters
    ----------
    comparison : Comparison
        k units; those without a null standard error have NaN limits and carry no weight.
    method : {'tau', 'phi', 'plain'}, default 'tau'
        Disregarded, and the answer says so, where ``comparison.null_kind`` is "prediction".
    level : float, default 0.95
        Share of ordinary units within the limits.
    winsorise : float, default 0.0
        Quantile at which z-scores are winsorised before φ and τ are estimated; 0 for none. Without it, units
        that stand out widen the limits they are judged by.

    Returns
    -------
    ReferenceDistribution

    Raises
    ------
    SpecificationError
        Unknown method, a level outside (0, 1), or fewer than two units to estimate φ and τ from.

    References
    ----------
    Spiegelhalter (2005), Handling over-dispersion of performance indicators, Qual Saf Health Care 14:347-351.
    """
    if method not in _METHODS:
        raise SpecificationError(f"method={method!r}; allowed are {', '.join(map(repr, _METHODS))}")
    if not 0.0 < level < 1.0:
        raise SpecificationError(f"level={level!r}; give a share between 0 and 1, as 0.95")
    s0 = comparison.null_std_error
    deviation = comparison.estimate - comparison.null
    z = z_scores(deviation, s0)
    found = dispersion(deviation, s0, winsorise=winsorise)
    predicted = comparison.null_kind == "prediction"
    used: Limits = "prediction" if predicted else method
    if found.units < (1 if used in ("plain", "prediction") else 2):
        raise SpecificationError(
            f"{found.units} of {len(comparison)} units have an estimate with a standard error; a reference "
            "distribution by φ or τ needs at least two, one of plain or prediction limits one"
        )
    phi, tau = (np.nan, np.nan) if predicted else (found.phi, float(np.sqrt(found.tau2)))
    s0 = np.where(np.isfinite(z), s0, np.nan)
    known = predicted & np.isfinite(comparison.df) & (comparison.df > 0)
    df = np.where(known, comparison.df, np.inf)
    half = _half_width(s0, phi, tau, used, level, df)
    return ReferenceDistribution(
        unit=comparison.unit,
        size=comparison.size,
        z=z,
        null_std_error=s0,
        phi=phi,
        tau=tau,
        null=comparison.null,
        lower=comparison.null - half,
        upper=comparison.null + half,
        method=used,
        level=level,
        winsorise=winsorise,
        df=df,
    )


def flag(comparison: Comparison, *, method: Method = "tau", level: float = 0.95, winsorise: float = 0.0) -> Flags:
    """Return both verdicts: different from expected by own noise, and unusual among units.

    Parameters
    ----------
    comparison : Comparison
    method, level, winsorise
        Of the reference distribution, for *unusual*; see `reference_distribution`. *Different* is at the
        comparison's own level.

    Returns
    -------
    Flags

    Raises
    ------
    SpecificationError
        As `reference_distribution`.
    """
    reference = reference_distribution(comparison, method=method, level=level, winsorise=winsorise)
    unusual = np.full(len(comparison), "not unusual", dtype=object)
    unusual[comparison.estimate > reference.upper] = "above"
    unusual[comparison.estimate < reference.lower] = "below"
    unusual[np.isnan(reference.z)] = "withheld"
    return Flags(
        unit=comparison.unit,
        estimate=comparison.estimate,
        different=comparison.different,
        unusual=unusual,
        z=reference.z,
        reference=reference,
    )


def between_unit_sd(comparison: Comparison) -> float:
    """Return τ, the standard deviation between units beyond sampling noise, on the estimate's scale.

    Parameters
    ----------
    comparison : Comparison
        With at least two units that have a null standard error; else the answer is NaN.

    Returns
    -------
    float
        0 where units vary no more than chance. NaN where ``comparison.null_kind`` is "prediction": one row per
        unit cannot tell variation between units from noise.

    References
    ----------
    Spiegelhalter (2005), the moment estimate of τ²; see `benchmodels.kernels.overdispersion`.
    """
    if comparison.null_kind == "prediction":
        return float("nan")
    found = dispersion(comparison.estimate - comparison.null, comparison.null_std_error)
    return float(np.sqrt(found.tau2))


def explained_share(comparison: Comparison) -> float:
    """Return the share of the variation of raw rates between units that their composition explains.

    1 - τ²(adjusted) / τ²(raw), both beyond sampling noise and both on the difference scale, whatever the
    contrast: adjusted deviations are (observed - expected) / size, raw ones observed / size less the overall
    rate Σ observed / Σ size. The same null standard errors serve both, so that only the composition differs.

    Parameters
    ----------
    comparison : Comparison
        With ``standard="indirect"``: only there is expected made of the unit's own composition. Units without
        a null standard error carry no weight.

    Returns
    -------
    float
        At most 1, and not clipped below: negative when adjusted rates vary more than raw ones, that is when
        composition explains nothing. NaN when raw rates vary no more than chance, when fewer than two units
        count, or where ``comparison.null_kind`` is "prediction", which knows no noise to subtract.

    Raises
    ------
    SpecificationError
        The comparison is by direct standardisation.

    References
    ----------
    τ² by the moment estimate in Spiegelhalter (2005), Qual Saf Health Care 14:347-351.
    """
    if comparison.standard != "indirect":
        raise SpecificationError(
            f"explained_share needs compare(standard='indirect'); this one is {comparison.standard!r}, whose "
            "expected values are for the country's composition and not for the unit's own"
        )
    if comparison.null_kind == "prediction":
        return float("nan")
    size, observed, expected = comparison.size, comparison.observed, comparison.expected
    s0 = comparison.null_std_error
    if comparison.contrast != "difference":
        # A ratio times E / size is a difference; a rate is a ratio times its null.
        s0 = s0 / comparison.null * expected / size
    counted = np.isfinite(observed) & np.isfinite(size)
    centre = observed[counted].sum() / size[counted].sum()
    adjusted = dispersion((observed - expected) / size, s0)
    raw: Dispersion = dispersion(observed / size - centre, s0)
    if not raw.tau2 > 0.0:
        return float("nan")
    return 1.0 - adjusted.tau2 / raw.tau2


def _half_width(s0: Floats, phi: float, tau: float, method: Limits, level: float, df: Floats) -> Floats:
    tail = (1.0 - level) / 2.0
    normal = float(-ndtri(tail))
    quantile = np.where(np.isfinite(df), -stdtrit(np.where(np.isfinite(df), df, 1.0), tail), normal)
    if method == "tau":
        return np.asarray(quantile * np.sqrt(np.square(s0) + tau**2))
    return np.asarray(quantile * (np.sqrt(max(1.0, phi)) if method == "phi" else 1.0) * s0)
