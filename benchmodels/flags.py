"""Who stands out: verdicts that stay apart.

*Different* from expected is a statement about one unit, by its own noise. *Unusual* among units is a
statement about the reference distribution, which also holds the ordinary variation of practice between units.
Of many units that are different, *discoveries* are those that may be named at a stated rate of false ones; and
*practical* says whether a difference is of a size that matters, or whether that is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.asked import share
from benchmodels.comparison import a_comparison
from benchmodels.errors import SpecificationError
from benchmodels.kernels.false_discoveries import Dependence, adjusted_p_values, interval_p_values, null_share
from benchmodels.kernels.overdispersion import Dispersion, dispersion
from benchmodels.kernels.trimming import Sides
from benchmodels.reference import Limits, Method, ReferenceDistribution, Scale, reference_distribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]

__all__ = [
    "Flags",
    "Limits",
    "Method",
    "ReferenceDistribution",
    "Scale",
    "between_unit_sd",
    "explained_share",
    "flag",
    "reference_distribution",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Flags:
    """Verdicts on each unit.

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
        (estimate - null) / null_std_error on the scale of the reference distribution, a pure number.
    discovery : (k,) array of str
        More than ``margin`` from the null, at the false discovery rate: 'above', 'below', 'none' or 'withheld'. It
        rests on the unit's own noise, as *different* does.
    adjusted_p : (k,) array
        Smallest false discovery rate at which the unit is a discovery; NaN where withheld.
    practical : (k,) array of str
        By the unit's interval. 'above' and 'below': all of it is beyond the margin. 'as expected': all of it is within.
        'not enough information': it holds differences that matter and differences that do not. Or 'withheld'.
    margin : float
        Largest difference from the null that does not matter, in the estimate's unit of measure.
    false_discovery_rate : float
        Of the discoveries.
    null_share : float
        Bound of the share of units that are exactly as expected, from 0 to 1; NaN where no unit has an interval.
    expected_false : float
        False flags to expect among *different*: units with an interval, times one less the comparison's level, times
        ``null_share``; NaN with it.
    expected_false_at_most : float
        The same were all units exactly as expected.
    reference : ReferenceDistribution or None
        None where nobody is expected to be at the null, as at a frontier, and *unusual* is withheld.
    """

    unit: NDArray[np.object_]
    estimate: Floats
    different: NDArray[np.object_]
    unusual: NDArray[np.object_]
    z: Floats
    discovery: NDArray[np.object_]
    adjusted_p: Floats
    practical: NDArray[np.object_]
    margin: float
    false_discovery_rate: float
    null_share: float
    expected_false: float
    expected_false_at_most: float
    reference: ReferenceDistribution | None

    def __repr__(self) -> str:
        counts = {verdict: int((self.unusual == verdict).sum()) for verdict in ("above", "below", "withheld")}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        by = "nothing" if self.reference is None else f"{self.reference.method} at {self.reference.level}"
        return f"Flags({len(self.unit)} units; unusual by {by}: {told})"

    def to_frame(self) -> pd.DataFrame:
        """Return the verdicts as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "estimate", "different", "unusual", "z", "discovery", "adjusted_p", "practical")
        return pd.DataFrame({name: getattr(self, name) for name in names}).infer_objects()


def flag(
    comparison: Comparison,
    *,
    method: Method = "tau",
    level: float = 0.95,
    winsorise: float = 0.0,
    truncate: float = 0.0,
    sides: Sides = "both",
    scale: Scale = "estimate",
    margin: float = 0.0,
    false_discovery_rate: float = 0.05,
    dependence: Dependence = "positive",
) -> Flags:
    """Return the verdicts: different from expected, unusual among units, discoveries, and what matters.

    Parameters
    ----------
    comparison : Comparison
    method, level, winsorise, truncate, sides, scale
        Of the reference distribution, for *unusual*; see `reference_distribution`. *Different* and *practical* are at
        the comparison's own level.
    margin : float, default 0.0
        Largest difference from the null, up or down, that does not matter, in the estimate's unit of measure. With 0
        no unit can be shown to be as expected, however well it is known.
    false_discovery_rate : float, default 0.05
        Expected share of discoveries that are within the margin or on the other side of it.
    dependence : {'positive', 'any'}, default 'positive'
        Benjamini & Hochberg or Benjamini & Yekutieli; see `benchmodels.kernels.false_discoveries`.

    Returns
    -------
    Flags
        All verdicts are 'withheld' where intervals are known to hold less often than they say (a frontier's), and
        discoveries where errors are those of replicates, which have no p values.

    Raises
    ------
    SpecificationError
        As `reference_distribution`; a margin below 0, a rate outside (0, 1), or an unknown dependence.

    Notes
    -----
    A unit with an interval can be a discovery and its difference still not be shown to matter: the one asks whether
    the estimate is too far out for so many units, the other whether its interval is. p values are of the normal (with
    finite ``df``, Student's t) distribution of the estimate, also where the comparison's intervals of counts are exact.
    Simulated with 60 of 98 units exactly as expected (``tests/test_flags.py``): at a rate of 10 % asked, 6.5 % of the
    discoveries are false (by 'any' 1.4 %), 0.3 % on the wrong side; plain 95 % intervals flag 3.0 of the sixty, where
    ``expected_false`` is 3.9 on average.

    References
    ----------
    Benjamini & Yekutieli (2005), J Am Stat Assoc 100:71 (direction); Guo & Romano (2015), Stat Probab Lett 97:72;
    Storey, Taylor & Siegmund (2004), J R Stat Soc B 66:187; Jones, Ohlssen & Spiegelhalter (2008), J Clin Epidemiol
    61:232 (false discoveries among health care providers); Schuirmann (1987), J Pharmacokinet Biopharm 15:657
    (equivalence by an interval within the margin).
    """
    comparison = a_comparison(comparison, "flag")
    share("false_discovery_rate", false_discovery_rate, example=0.05)
    if not isinstance(margin, Real):
        raise SpecificationError(f"margin={margin!r}; give a number of 0 or more, in the estimate's unit of measure")
    reference = None
    if np.isfinite(comparison.null_std_error).any() or not np.isfinite(comparison.std_error).any():
        reference = reference_distribution(
            comparison, method=method, level=level, winsorise=winsorise, truncate=truncate, sides=sides, scale=scale
        )
    different = comparison.different
    deviation = comparison.estimate - comparison.null
    # p values are of a normal distribution, which errors of replicates do not have.
    no_law = comparison.replicates is not None
    own = np.where(no_law | (different == "withheld"), np.nan, comparison.std_error)
    adjusted = adjusted_p_values(
        interval_p_values(deviation, own, margin=margin, df=comparison.df), dependence=dependence
    )
    shown = int((different != "withheld").sum())
    bound = null_share(interval_p_values(deviation, own, margin=0.0, df=comparison.df))
    return Flags(
        unit=comparison.unit,
        estimate=comparison.estimate,
        different=different,
        unusual=_unusual(comparison, reference),
        z=np.full(len(comparison), np.nan) if reference is None else reference.z,
        discovery=_discoveries(deviation, adjusted, false_discovery_rate),
        adjusted_p=adjusted,
        practical=_practical(comparison, margin),
        margin=margin,
        false_discovery_rate=false_discovery_rate,
        null_share=bound,
        expected_false=shown * (1.0 - comparison.level) * bound,
        expected_false_at_most=shown * (1.0 - comparison.level),
        reference=reference,
    )


def _unusual(comparison: Comparison, reference: ReferenceDistribution | None) -> NDArray[np.object_]:
    if reference is None:
        return np.full(len(comparison), "withheld", dtype=object)
    verdict = np.full(len(comparison), "not unusual", dtype=object)
    verdict[comparison.estimate > reference.upper] = "above"
    verdict[comparison.estimate < reference.lower] = "below"
    verdict[np.isnan(reference.z) | np.isnan(reference.upper)] = "withheld"
    return verdict


def _discoveries(deviation: Floats, adjusted: Floats, rate: float) -> NDArray[np.object_]:
    verdict = np.full(len(deviation), "none", dtype=object)
    verdict[(adjusted <= rate) & (deviation > 0)] = "above"
    verdict[(adjusted <= rate) & (deviation < 0)] = "below"
    verdict[np.isnan(adjusted)] = "withheld"
    return verdict


def _practical(comparison: Comparison, margin: float) -> NDArray[np.object_]:
    low, high = comparison.lower - comparison.null, comparison.upper - comparison.null
    verdict = np.full(len(comparison), "not enough information", dtype=object)
    verdict[(low >= -margin) & (high <= margin)] = "as expected"
    verdict[low > margin] = "above"
    verdict[high < -margin] = "below"
    verdict[comparison.different == "withheld"] = "withheld"
    return verdict


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
    if counted.sum() < 2:
        return float("nan")
    centre = observed[counted].sum() / size[counted].sum()
    adjusted = dispersion((observed - expected) / size, s0)
    raw: Dispersion = dispersion(observed / size - centre, s0)
    if not raw.tau2 > 0.0:
        return float("nan")
    return 1.0 - adjusted.tau2 / raw.tau2
