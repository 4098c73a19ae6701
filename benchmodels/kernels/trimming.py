"""The most extreme units taken out of, or drawn in for, the variation between units that they are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.overdispersion import winsorised, z_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Sides", "drawn_in", "trimmed", "truncated"]

Sides = Literal["both", "low", "high"]


def trimmed(
    deviation: Floats, null_std_error: Floats, *, winsorise: float = 0.0, truncate: float = 0.0, sides: Sides = "both"
) -> Floats:
    """Return deviations with those of the most extreme z-scores drawn in or dropped.

    Parameters
    ----------
    deviation, null_std_error : (k,) arrays
        As of `benchmodels.kernels.overdispersion.dispersion`, which the answer is for.
    winsorise : float
        Quantile at which z-scores are drawn in; 0 for none.
    truncate : float
        Share of the z-scores dropped from each tail, weights and all; 0 for none.
    sides : {'both', 'low', 'high'}
        Tails that are trimmed.

    Returns
    -------
    (k,) array
        NaN where dropped.

    Raises
    ------
    SpecificationError
        A share outside [0, 0.5), unknown sides, or both ways of trimming at once.

    Notes
    -----
    Neither way is corrected for what it takes from ordinary units: of noise alone 10 % winsorised leave φ near 0.68 and
    10 % truncated near 0.44 in place of 1 (``tests/kernels/test_trimming.py``).
    """
    if winsorise > 0.0 and truncate > 0.0:
        raise SpecificationError(f"winsorise={winsorise!r} and truncate={truncate!r}; give one of them")
    z = z_scores(deviation, null_std_error)
    kept = truncated(drawn_in(z, quantile=winsorise, sides=sides), share=truncate, sides=sides)
    return deviation if kept is z else kept * null_std_error


def drawn_in(z: Floats, *, quantile: float, sides: Sides = "both") -> Floats:
    """Return z-scores winsorised on one side or both.

    Parameters
    ----------
    z : (k,) array
        NaN are passed over and stay NaN.
    quantile : float
        q, from 0 (nothing is drawn in) to below 0.5; quantiles interpolate linearly between order statistics.
    sides : {'both', 'low', 'high'}

    Returns
    -------
    (k,) array

    Raises
    ------
    SpecificationError
        q outside [0, 0.5), or unknown sides.

    References
    ----------
    Spiegelhalter (2005), Qual Saf Health Care 14:347-351, step 2 of the estimation of φ.

    Examples
    --------
    >>> drawn_in(np.array([-9.0, -1.0, 0.0, 1.0, 9.0]), quantile=0.25, sides="low")
    array([-1., -1.,  0.,  1.,  9.])
    """
    _check("winsorise", quantile, sides)
    both = winsorised(z, quantile=quantile)
    if both is z or sides == "both":
        return both
    return np.maximum(both, z) if sides == "low" else np.minimum(both, z)


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
    _check("truncate", share, sides)
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


def _check(name: str, share: float, sides: Sides) -> None:
    if not 0.0 <= share < 0.5:
        raise SpecificationError(f"{name}={share!r}; give a share from 0 (none) to below 0.5")
    if sides not in ("both", "low", "high"):
        raise SpecificationError(f"sides={sides!r}; allowed are 'both', 'low', 'high'")
