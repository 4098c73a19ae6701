"""Variation between units beyond their own sampling noise: z-scores, factor φ and additive variance τ².

Everything here describes the *reference distribution*, that is who stands out beyond ordinary variation. None
of it says how well a single unit is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Dispersion", "dispersion", "winsorised", "z_scores"]


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


def winsorised(z: Floats, *, quantile: float) -> Floats:
    """Return z-scores with the most extreme ones pulled in to the quantiles q and 1 - q.

    Parameters
    ----------
    z : (k,) array
        z-scores; NaN are passed over and stay NaN.
    quantile : float
        q, from 0 (nothing is pulled in) to below 0.5. Quantiles interpolate linearly between order
        statistics.

    Returns
    -------
    (k,) array

    Raises
    ------
    SpecificationError
        q outside [0, 0.5).

    References
    ----------
    Spiegelhalter (2005), step 2 of the estimation of φ: "winsorise" by setting the lowest 100q % to the
    q-quantile and the highest likewise.

    Examples
    --------
    >>> winsorised(np.array([-9.0, -1.0, 0.0, 1.0, 9.0]), quantile=0.25)
    array([-1., -1.,  0.,  1.,  1.])
    """
    if not 0.0 <= quantile < 0.5:
        raise SpecificationError(f"winsorise={quantile!r}; give a share from 0 (none) to below 0.5")
    if quantile == 0.0 or not np.isfinite(z).any():
        return z
    low, high = np.nanquantile(z, [quantile, 1.0 - quantile])
    return np.clip(z, low, high)


def dispersion(deviation: Floats, null_std_error: Floats, *, winsorise: float = 0.0) -> Dispersion:
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

    Returns
    -------
    Dispersion

    Notes
    -----
    φ = (1/I) Σ z_i² and, with w_i = 1 / s_i² over the I usable units,

        τ² = (I φ - (I - 1)) / (Σ w_i - Σ w_i² / Σ w_i), and 0 where that is negative.

    This is the moment estimator of DerSimonian and Laird with the target in place of the weighted mean. Units
    without a usable z-score carry no weight. Cost O(k).

    References
    ----------
    Spiegelhalter (2005), Qual Saf Health Care 14:347-351, the displayed estimates of φ and τ².
    DerSimonian and Laird (1986), Control Clin Trials 7:177-188: the moment estimator.

    Examples
    --------
    >>> dispersion(np.array([3.0, -3.0, 1.0, -1.0]), np.ones(4))
    Dispersion(phi=5.0, tau2=5.666666666666667, units=4)
    """
    z = winsorised(z_scores(deviation, null_std_error), quantile=winsorise)
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
