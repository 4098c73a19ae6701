"""Which of many units differ, and in which direction, at a stated rate of false discoveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtr, stdtr

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Dependence", "adjusted_p_values", "interval_p_values", "null_share"]

Dependence = Literal["positive", "any"]


def interval_p_values(deviation: Floats, std_error: Floats, *, margin: float, df: Floats) -> Floats:
    """Return p values of the interval null |δ| ≤ margin.

    p = P(T ≥ (|d| - margin) / s) + P(T ≥ (|d| + margin) / s): the tail beyond the nearer end of the interval, and that
    on the far side.

    Parameters
    ----------
    deviation : (k,) array
        d, estimate minus its null value, in the estimate's unit of measure.
    std_error : (k,) array
        s, in the same unit of measure; where it is 0 the deviation is known.
    margin : float
        0 or more, in the same unit of measure; 0 gives the two-sided p value of a point null.
    df : (k,) array
        Degrees of freedom of T; infinite (or 0, not known) for the normal distribution.

    Returns
    -------
    (k,) array
        NaN where the deviation or its standard error is.

    Raises
    ------
    SpecificationError
        A margin below zero or not finite.

    Notes
    -----
    Largest over the null at its ends, where it is uniform. Where δ is beyond one end, p ≤ t together with an estimate
    on the *other* side has a chance of at most t / 2, which is what directional error rates ask for.

    References
    ----------
    Hodges & Lehmann (1954), J R Stat Soc B 16:261 (interval nulls); Berger & Delampady (1987), Stat Sci 2:317, eq. 5.

    Examples
    --------
    >>> z, one = np.array([0.5, 2.0, 3.0]), np.ones(3)
    >>> interval_p_values(z, one, margin=1.0, df=np.full(3, np.inf)).round(4)
    array([0.7583, 0.16  , 0.0228])
    """
    if not (np.isfinite(margin) and margin >= 0.0):
        raise SpecificationError(f"margin={margin!r}; give a number of 0 or more, in the estimate's unit of measure")
    usable = np.isfinite(deviation) & np.isfinite(std_error) & (std_error >= 0)
    size = np.abs(np.where(usable, deviation, 0.0))
    scale = np.where(usable & (std_error > 0), std_error, 1.0)
    near, far = (margin - size) / scale, (-margin - size) / scale
    known = np.isfinite(df) & (df > 0)
    student = np.where(known, df, 1.0)
    p = np.where(known, stdtr(student, near) + stdtr(student, far), ndtr(near) + ndtr(far))
    p = np.where(std_error == 0, (size <= margin).astype(float), p)
    return np.where(usable, np.minimum(p, 1.0), np.nan)


def adjusted_p_values(p: Floats, *, dependence: Dependence = "positive") -> Floats:
    """Return step-up adjusted p values: the smallest false discovery rate at which each is a discovery.

    Parameters
    ----------
    p : (k,) array
        p values; NaN are passed over and stay NaN.
    dependence : {'positive', 'any'}, default 'positive'
        'positive': Benjamini & Hochberg, for independent or positively dependent p values. 'any': Benjamini &
        Yekutieli, whose factor 1 + 1/2 + … + 1/k holds whatever the dependence.

    Returns
    -------
    (k,) array

    Raises
    ------
    SpecificationError
        Unknown dependence, or p values outside [0, 1].

    Notes
    -----
    Discoveries at rate q, with the sign of the estimate, keep the *directional* rate at q: false are the units of the
    null and those declared on the wrong side (Benjamini & Yekutieli 2005, theorem 3; for 'any' Guo & Romano 2015).

    References
    ----------
    Benjamini & Hochberg (1995), J R Stat Soc B 57:289; Benjamini & Yekutieli (2001), Ann Stat 29:1165, theorem 1.3;
    Benjamini & Yekutieli (2005), J Am Stat Assoc 100:71.

    Examples
    --------
    >>> adjusted_p_values(np.array([0.01, 0.04, np.nan, 0.03]))
    array([0.03, 0.04,  nan, 0.04])
    """
    if dependence not in ("positive", "any"):
        raise SpecificationError(f"dependence={dependence!r}; allowed are 'positive', 'any'")
    usable = np.isfinite(p)
    if np.any((p[usable] < 0) | (p[usable] > 1)):
        raise SpecificationError("p values must be from 0 to 1")
    adjusted = np.full(np.shape(p), np.nan)
    count = int(usable.sum())
    if count == 0:
        return adjusted
    place = np.arange(1, count + 1)
    order = np.argsort(p[usable], kind="stable")
    factor = count * ((1.0 / place).sum() if dependence == "any" else 1.0)
    raised = p[usable][order] * factor / place
    stepped = np.minimum.accumulate(raised[::-1])[::-1]
    found = np.empty(count)
    found[order] = np.minimum(stepped, 1.0)
    adjusted[usable] = found
    return adjusted


def null_share(p: Floats, *, above: float = 0.5) -> float:
    """Return Storey's bound of the share of units of which the null is true.

    π0 = (number of p values above λ, plus one) / (k (1 - λ)), and no more than 1.

    Parameters
    ----------
    p : (k,) array
        p values, uniform under the null; NaN are passed over.
    above : float, default 0.5
        λ.

    Returns
    -------
    float
        From above 0 to 1; on average too large, never too small. NaN without a p value.

    References
    ----------
    Storey, Taylor & Siegmund (2004), J R Stat Soc B 66:187, eq. 6 (with the one added).

    Examples
    --------
    >>> null_share(np.array([0.001, 0.002, 0.01, 0.02, 0.3, 0.9]))
    0.6666666666666666
    """
    count = int(np.isfinite(p).sum())
    if count == 0:
        return float("nan")
    return min(1.0, float((p > above).sum() + 1) / (count * (1.0 - above)))
