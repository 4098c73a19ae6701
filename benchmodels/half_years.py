"""A year told from its first half: what doubling takes for granted, and what earlier years say of it."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from benchmodels.asked import share
from benchmodels.errors import SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Annualised", "annualised"]


@dataclass(frozen=True, kw_only=True)
class Annualised:
    """A year, told from its first half.

    Parameters
    ----------
    estimate, std_error, lower, upper : float
        Of the year, in the unit of measure of the half; NaN where nothing is known of the error.
    factor, factor_std_error : float
        Year over first half; the standard error is that of one more year.
    level : float
    notes : tuple of str
    """

    estimate: float
    std_error: float
    lower: float
    upper: float
    factor: float
    factor_std_error: float
    level: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        sure = (
            f"{self.level:.0%} interval {self.lower:g} to {self.upper:g}" if np.isfinite(self.lower) else "no interval"
        )
        return f"Annualised({self.estimate:g}, {sure}; the half times {self.factor:.4g})"


def annualised(
    first_half: float,
    *,
    std_error: float = 0.0,
    earlier: Sequence[tuple[float, float]] = (),
    level: float = 0.95,
) -> Annualised:
    """Return the year that a first half tells of.

    Parameters
    ----------
    first_half : float
        Amount of the first half-year (person-years spent in it, or expenditure).
    std_error : float, default 0.0
        Of that amount, as when it is scaled up from a sample.
    earlier : sequence of (first half, second half)
        Amounts of earlier years. None: the half is doubled.
    level : float, default 0.95

    Returns
    -------
    Annualised
        With two or more earlier years the factor's spread between them is in the standard error, as that of one more
        year: s √(1 + 1 / m) with m - 1 degrees of freedom. With fewer it is not known, and the interval is NaN.

    Raises
    ------
    SpecificationError
        Amounts or a standard error that are no numbers of zero or more.

    Notes
    -----
    A doubled half is the year only where the second half is as large as the first. Where the level rises steadily by
    the share g a year, the doubled half is g / 4 too low: the first half's middle is a quarter of a year before the
    year's. Means of the level (full-time recipients so far) are doubled halves too.

    Examples
    --------
    >>> annualised(50.0).estimate
    100.0
    >>> found = annualised(50.0, earlier=[(40.0, 44.0), (45.0, 48.6)])
    >>> round(found.estimate, 2), round(found.factor, 2)
    (104.5, 2.09)
    """
    share("level", level)
    years = [pair for pair in earlier]
    if any(len(pair) != 2 for pair in years):
        raise SpecificationError("earlier takes pairs of a first and a second half, as [(40.0, 44.0)]")
    strange = [v for v in (first_half, std_error, *(v for pair in years for v in pair)) if not isinstance(v, Real)]
    if strange:
        raise SpecificationError(f"halves and a standard error are numbers; found {listed(strange)}")
    halves = np.array(years, dtype=np.float64).reshape(-1, 2)
    given = np.array([first_half, std_error, *halves.ravel()], dtype=np.float64)
    if not (np.isfinite(given).all() and (given >= 0).all() and (halves[:, 0] > 0).all()):
        raise SpecificationError(
            "halves and a standard error are numbers of zero or more, earlier first halves above zero; found "
            f"{listed(given[~(np.isfinite(given) & (given >= 0))].tolist() or ['an earlier first half of zero'])}"
        )
    m = len(halves)
    factors = halves.sum(axis=1) / halves[:, 0]
    factor = float(factors.mean()) if m else 2.0
    spread = float(factors.std(ddof=1) * np.sqrt(1.0 + 1.0 / m)) if m > 1 else np.nan
    error = float(np.sqrt((factor * std_error) ** 2 + (first_half * spread) ** 2))
    half = float(-stdtrit(m - 1, 0.5 * (1.0 - level))) * error if m > 1 else np.nan
    estimate = factor * first_half
    return Annualised(
        estimate=estimate, std_error=error, lower=estimate - half, upper=estimate + half, factor=factor,
        factor_std_error=spread, level=level, notes=_season(m),
    )  # fmt: skip


def _season(years: int) -> tuple[str, ...]:
    if years == 0:
        return (
            "the half is doubled: that takes the second half to be as large as the first, without season or growth; "
            "where the level rises steadily by a share a year, the doubled half is a quarter of that share too low",
            "how far a year is from its doubled half is not known, so that there is no interval",
        )
    taken = f"the factor on the half is that of {years} earlier year(s), and takes season and growth to be as then"
    return (taken,) if years > 1 else (taken, "one year does not tell how much the factor varies: there is no interval")
