"""Variation between units beyond their own sampling noise: z-scores, factor φ and additive variance τ².

Everything here describes the *reference distribution*, that is who stands out beyond ordinary variation. None
of it says how well a single unit is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Dispersion", "Sides", "dispersion", "truncated", "winsorised", "z_scores"]

Sides = Literal["both", "low", "high"]


@dataclass(frozen=True, kw_only=True)
class Dispersion:
    """Dispersion of units around what is expected of them.

    Parameters
    ----------
    phi : float
        Mean squared z-score, a pure number; 1 where there is sampling noise only. Not floored. NaN with fewer
        than two usable units.
    tau2 : float
        Additive variance between units, in squared units of measure of the deviations; 0 where the moment
        estimate is negative. NaN with fewer than two usable units.
    units : int
        Units it rests on.
    """

    phi: float
    tau2: float
    units: int


def z_scores(deviation: Floats, null_std_error: Floats) -> Floats:
    """Return z-scores under the null.

    Parameters
    ----------
    deviation : (k,) array
        Estimate minus its null value, in the estimate's unit of measure.
    null_std_error : (k,) array
        Standard error were the unit as expected, in the same unit of measure.

    Returns
    -------
    (k,) array
        Pure numbers; NaN where either part is not finite or the standard error is not above zero.

    References
    ----------
    Spiegelhalter (2005), Handling over-dispersion of performance indicators, Qual Saf Health Care 14:347-351:
    the "naive" z-score z_i = (y_i - t) / s_i with s_i taken at the target t.

    Examples
    --------
    >>> z_scores(np.array([0.02, -0.01, 0.01]), np.array([0.01, 0.01, np.nan]))
    array([ 2., -1., nan])
    """
    usable = np.isfinite(deviation) & np.isfinite(null_std_error) & (null_std_error > 0)
    z = np.full(np.shape(deviation), np.nan)
    np.divide(deviation, null_std_error, out=z, where=usable)
    return z


def winsorised(z: Floats, *, quantile: float, sides: Sides = "both") -> Floats:
    """Return z-scores with the most extreme ones pulled in to the quantiles q and 1 - q.

    Parameters
    ----------
    z : (k,) array
        z-scores; NaN are passed over and stay NaN.
    quantile : float
        q, from 0 (nothing is pulled in) to below 0.5. Quantiles interpolate linearly between order
        statistics.
    sides : {'both', 'low', 'high'}, default 'both'
        Tails that are pulled in.

    Returns
    -------
    (k,) array

    Raises
    ------
    SpecificationError
        q outside [0, 0.5), or unknown sides.

    References
    ----------
    Spiegelhalter (2005), step 2 of the estimation of φ: "winsorise" by setting the lowest 100q % to the
    q-quantile and the highest likewise.

    Examples
    --------
    >>> winsorised(np.array([-9.0, -1.0, 0.0, 1.0, 9.0]), quantile=0.25)
    array([-1., -1.,  0.,  1.,  1.])
    """
    _share("winsorise", quantile, sides)
    if quantile == 0.0 or not np.isfinite(z).any():
        return z
    low, high = np.nanquantile(z, [quantile, 1.0 - quantile])
    return np.clip(z, None if sides == "high" else low, None if sides == "low" else high)


def truncated(z: Floats, *, share: float, sides: Sides = "both") -> Floats:
    """Return z-scores with the most extreme ones set to NaN, so that they carry no weight.

    Parameters
    ----------
    z : (k,) array
        z-scores; NaN are passed over and stay NaN.
    share : float
        q, from 0 (nothing is dropped) to below 0.5: of k scores those of rank r (1 for the lowest) with
        r < q (k + 1) or r >= (1 - q)(k + 1) are dropped. Equal scores have their mean rank.
    sides : {'both', 'low', 'high'}, default 'both'
        Tails that are dropped.

    Returns
    -------
    (k,) array

    Raises
    ------
    SpecificationError
        q outside [0, 0.5), or unknown sides.

    Notes
    -----
    With k + 1 a multiple of 1 / q, one more is dropped above than below.

    References
    ----------
    NHS Digital, Summary Hospital-level Mortality Indicator, indicator specification: 10 % truncation of the z-scores
    before τ² is estimated, so that the units in the tails are out of it altogether.

    Examples
    --------
    >>> truncated(np.array([-9.0, -1.0, 0.0, 1.0, 9.0]), share=0.25)
    array([nan, -1.,  0.,  1., nan])
    """
    _share("truncate", share, sides)
    usable = np.isfinite(z)
    if share == 0.0 or not usable.any():
        return z
    _, position, ties = np.unique(z[usable], return_inverse=True, return_counts=True)
    place = (np.cumsum(ties) - 0.5 * (ties - 1))[position] / (usable.sum() + 1)
    # A place such as 90 / 100 must not depend on how 1 - 0.1 is rounded.
    low, high = place < share - 1e-12, place >= 1.0 - share - 1e-12
    kept = z.copy()
    kept[np.flatnonzero(usable)[(low & (sides != "high")) | (high & (sides != "low"))]] = np.nan
    return kept


def _share(name: str, share: float, sides: Sides) -> None:
    if not 0.0 <= share < 0.5:
        raise SpecificationError(f"{name}={share!r}; give a share from 0 (none) to below 0.5")
    if sides not in ("both", "low", "high"):
        raise SpecificationError(f"sides={sides!r}; allowed are 'both', 'low', 'high'")


def dispersion(
    deviation: Floats,
    null_std_error: Floats,
    *,
    winsorise: float = 0.0,
    truncate: float = 0.0,
    sides: Sides = "both",
) -> Dispersion:
    """Estimate the dispersion factor φ and the additive variance τ² of units around the null.

    The model of φ is Var(y_i) = φ s_i²; of τ², Var(y_i) = s_i² + τ².

    Parameters
    ----------
    deviation : (k,) array
        Estimate minus its null value, in the estimate's unit of measure.
    null_std_error : (k,) array
        Standard error were the unit as expected, in the same unit of measure.
    winsorise : float, default 0.0
        Quantile at which z-scores are winsorised before both estimates; 0 for none.
    truncate : float, default 0.0
        Share of the z-scores dropped, with their weights, from each tail before both estimates; 0 for none.
    sides : {'both', 'low', 'high'}, default 'both'
        Tails that are trimmed.

    Returns
    -------
    Dispersion

    Raises
    ------
    SpecificationError
        A share outside [0, 0.5), unknown sides, or both ways of trimming at once.

    Notes
    -----
    φ = (1/I) Σ z_i² and, with w_i = 1 / s_i² over the I usable units,

        τ² = (I φ - (I - 1)) / (Σ w_i - Σ w_i² / Σ w_i), and 0 where that is negative.

    This is the moment estimator of DerSimonian and Laird with the target in place of the weighted mean. Units
    without a usable z-score carry no weight. Cost O(k), with trimming k log k.

    Neither way of trimming is corrected for what it takes from ordinary units: of noise alone 10 % winsorised leave φ
    near 0.68 and 10 % truncated near 0.44 in place of 1 (``tests/kernels/test_overdispersion.py``).

    References
    ----------
    Spiegelhalter (2005), Qual Saf Health Care 14:347-351, the displayed estimates of φ and τ².
    DerSimonian and Laird (1986), Control Clin Trials 7:177-188: the moment estimator.

    Examples
    --------
    >>> dispersion(np.array([3.0, -3.0, 1.0, -1.0]), np.ones(4))
    Dispersion(phi=5.0, tau2=5.666666666666667, units=4)
    """
    if winsorise > 0.0 and truncate > 0.0:
        raise SpecificationError(f"winsorise={winsorise!r} and truncate={truncate!r}; give one of them")
    z = winsorised(z_scores(deviation, null_std_error), quantile=winsorise, sides=sides)
    z = truncated(z, share=truncate, sides=sides)
    usable = np.isfinite(z)
    units = int(usable.sum())
    if units < 2:
        return Dispersion(phi=np.nan, tau2=np.nan, units=units)
    phi = float(np.mean(z[usable] ** 2))
    # Weights relative to their largest, so that no unit of measure can overflow the squares.
    smallest = float(null_std_error[usable].min())
    weight = (smallest / null_std_error[usable]) ** 2
    total = weight.sum()
    excess = units * phi - (units - 1)
    tau2 = max(0.0, excess / (total - (weight**2).sum() / total)) * smallest**2
    return Dispersion(phi=phi, tau2=float(tau2), units=units)
