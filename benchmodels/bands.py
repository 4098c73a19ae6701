"""At which level intervals hold for all units at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, stdtr

from benchmodels.asked import generator, share, whole
from benchmodels.errors import SpecificationError
from benchmodels.kernels.pairwise_errors import gaussian_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]

__all__ = ["simultaneous_level"]


def simultaneous_level(
    comparison: Comparison, *, level: float = 0.95, draws: int = 10_000, rng: int | np.random.Generator | None = 0
) -> float:
    """Return the level of each interval at which all intervals of a comparison hold together.

    ``fit.compare(level=simultaneous_level(comparison))`` has a band with the shape that limits of counts have.

    Parameters
    ----------
    comparison : Comparison
        k units; those without an uncertainty are not among those that must hold.
    level : float
        Chance that every interval holds its truth.
    draws : int
        b, of the k joint errors; the level found has a relative error of about 1 / √(b (1 − level)) in its tail.
    rng : int, numpy.random.Generator or None
        The same seed gives the same answer, whatever the order of rows.

    Returns
    -------
    float
        Between ``level`` (errors that are all one) and level**(1/k) (errors that are independent).

    Raises
    ------
    SpecificationError
        No unit has an uncertainty, or one by replicates; a level outside (0, 1), or fewer draws than 5 / (1 − level).

    Notes
    -----
    The (1 − level) quantile of the smallest p value of a draw from the joint distribution of the errors; where the own
    noise is estimated (finite ``df``) it is drawn too. Closed form and coverage: ``tests/test_bands.py``.

    References
    ----------
    Montiel Olea & Plagborg-Møller (2019), Journal of Applied Econometrics 34:1, section 3 (sup-t bands).
    """
    share("level", level)
    whole("draws", draws)
    if comparison.replicates is not None:
        raise SpecificationError(
            "a band is for normal errors; the intervals of this comparison are those of replicates"
        )
    if draws * (1.0 - level) < 5.0:
        raise SpecificationError(
            f"draws={draws} is too few for level={level}; use {math.ceil(5 / (1 - level))} or more"
        )
    known = np.isfinite(comparison.std_error) & (comparison.std_error > 0) & (comparison.withheld == "")
    there = np.flatnonzero(known)
    if not len(there):
        raise SpecificationError("no unit has a known uncertainty, so there is no band")
    # Drawn in an order of the estimates' own, so that the order of rows does not count.
    some = comparison.take(there[np.lexsort((comparison.estimate[there], comparison.std_error[there]))])
    normal, chi = generator(rng).spawn(2)
    errors = gaussian_draws(some.covariance(), draws=draws, rng=normal)
    variance = np.broadcast_to(some.std_error[:, None] ** 2, errors.shape)
    finite = np.flatnonzero(np.isfinite(some.df))
    if len(finite):
        variance, df = variance.copy(), some.df[finite, None]
        own = some.noise[finite, None]
        whole_variance = variance[finite]
        # What units share may be negative, and then takes its part of the own noise; as rank sets do.
        drawn = own * np.minimum(1.0, whole_variance / own) * chi.chisquare(df, size=(len(finite), draws)) / df
        variance[finite] = drawn + np.maximum(0.0, whole_variance - own)
    statistic = -np.abs(errors) / np.sqrt(variance)
    tail = ndtr(statistic)
    tail[finite] = stdtr(some.df[finite, None], statistic[finite])
    return float(1.0 - np.quantile(2.0 * tail.min(axis=0), 1.0 - level, method="lower"))
