"""Limits in closed form for a Poisson count, a share and a directly standardised rate.

What a count's limits become when cases of a unit differ in their chances is in `benchmodels.kernels.counts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv, gammaincinv, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["byar_limits", "clopper_pearson_limits", "dobson_limits", "poisson_limits", "wilson_limits"]


def poisson_limits(count: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Return exact limits of a Poisson mean.

    Parameters
    ----------
    count : (k,) array
        Events, zero or more; may be fractional.
    level : float
        Two-sided, such as 0.95.

    Returns
    -------
    lower, upper : (k,) arrays
        Events. Zero below a count of zero; NaN for a missing one.

    References
    ----------
    Garwood (1936), Biometrika 28:437.

    Examples
    --------
    >>> lower, upper = poisson_limits(np.array([10.0]), level=0.95)
    >>> float(lower[0]).__round__(4), float(upper[0]).__round__(4)
    (4.7954, 18.3904)
    """
    tail = 0.5 * (1.0 - level)
    # Zero times the count: what is missing stays missing.
    lower = np.where(count > 0, gammaincinv(np.where(count > 0, count, 1.0), tail), 0.0 * count)
    return lower, np.asarray(gammaincinv(count + 1.0, 1.0 - tail))


def byar_limits(count: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Return Byar's limits of a Poisson mean: within a few per mille of the exact ones from ten events on.

    Parameters and returns as `poisson_limits`.

    References
    ----------
    Breslow & Day (1987), Statistical Methods in Cancer Research II, eq. 2.13.
    """
    z = -float(ndtri(0.5 * (1.0 - level)))
    safe, more = np.where(count > 0, count, 1.0), count + 1.0
    # Below some tenths of an event the cube turns negative.
    root = np.maximum(1.0 - 1.0 / (9.0 * safe) - z / (3.0 * np.sqrt(safe)), 0.0)
    lower = np.where(count > 0, count * root**3, 0.0 * count)
    return lower, np.asarray(more * (1.0 - 1.0 / (9.0 * more) + z / (3.0 * np.sqrt(more))) ** 3)


def clopper_pearson_limits(count: Floats, size: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Return exact limits of a binomial share.

    Parameters
    ----------
    count, size : (k,) arrays
        Events and trials, 0 ≤ count ≤ size; may be fractional.
    level : float
        Two-sided.

    Returns
    -------
    lower, upper : (k,) arrays
        Shares; NaN without trials.

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26:404.
    """
    tail = 0.5 * (1.0 - level)
    inside, below = count > 0, count < size
    lower = betaincinv(np.where(inside, count, 1.0), np.where(inside, size - count + 1.0, 1.0), tail)
    upper = betaincinv(np.where(below, count + 1.0, 1.0), np.where(below, size - count, 1.0), 1.0 - tail)
    there = np.where((size > 0) & np.isfinite(count), 1.0, np.nan)
    return np.where(inside, lower, 0.0) * there, np.where(below, upper, 1.0) * there


def wilson_limits(count: Floats, size: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Return Wilson's score limits of a binomial share.

    Parameters and returns as `clopper_pearson_limits`; coverage is near the level on average and not at least it.

    References
    ----------
    Wilson (1927), JASA 22:209; Brown, Cai & DasGupta (2001), Statistical Science 16:101, eq. 4.
    """
    z2 = float(ndtri(0.5 * (1.0 - level))) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (count + 0.5 * z2) / (size + z2)
        half = np.sqrt(z2 * (count * (size - count) / size + 0.25 * z2)) / (size + z2)
        lower, upper = centre - half, centre + half
    # Exactly the edge, not rounding of it.
    lower, upper = np.where(count <= 0, 0.0, lower), np.where(count >= size, 1.0, upper)
    there = np.where(size > 0, 1.0, np.nan)
    return lower * there, upper * there


def dobson_limits(
    rate: Floats, std_error: Floats, count: Floats, lower: Floats, upper: Floats
) -> tuple[Floats, Floats]:
    """Return limits of a weighted sum of Poisson rates, from those of the plain count behind it.

    Parameters
    ----------
    rate, std_error : (k,) arrays
        Standardised rate Σ w_s O_s / n_s and √Σ w_s² O_s / n_s², in one unit of measure.
    count, lower, upper : (k,) arrays
        Σ O_s and its limits (`poisson_limits` or `byar_limits`), in events.

    Returns
    -------
    lower, upper : (k,) arrays
        In the unit of measure of ``rate``. NaN without events: the weights say nothing of the one that might come.

    References
    ----------
    Dobson, Kuulasmaa, Eberle & Scherer (1991), Statistics in Medicine 10:457, eq. 5.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(count > 0, std_error / np.sqrt(count), np.nan)
    return rate + scale * (lower - count), rate + scale * (upper - count)
