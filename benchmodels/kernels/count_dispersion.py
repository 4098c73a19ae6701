"""Counts that vary more than chance: beta-binomial and negative binomial, their dispersion and their quantiles.

Both are one formula in their dispersion, which is the plain count where it is zero, so that no value of it needs a case
of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from benchmodels.errors import ConvergenceError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["CountDispersion", "CountFamily", "count_dispersion", "count_quantiles", "log_rising"]

CountFamily = Literal["beta_binomial", "negative_binomial"]

_STIRLING = 12.0  # from here on four terms of the remainder are exact to rounding
_GRID = 81


@dataclass(frozen=True, kw_only=True)
class CountDispersion:
    """Dispersion of counts around what is expected of them.

    Parameters
    ----------
    family : {'beta_binomial', 'negative_binomial'}
    dispersion : float
        Beta-binomial: ρ, the correlation of two cases of a unit, from 0 to below 1; a count of n cases has variance
        n p (1 - p) (1 + (n - 1) ρ). Negative binomial: κ, the squared coefficient of variation of the rates between
        units; a count has variance E (1 + κ E). A pure number; 0 where counts vary no more than chance.
    gain : float
        Log-likelihood above that of no dispersion, 0 or more.
    units : int
        Units it rests on.
    """

    family: CountFamily
    dispersion: float
    gain: float
    units: int


def log_rising(count: Floats, step: Floats) -> Floats:
    """Return Σ log(1 + j d) over j = 0 … m - 1, for counts m and steps d of one shape.

    Parameters
    ----------
    count : array
        m, 0 or more; may be fractional.
    step : array
        d, 0 or more, a pure number.

    Returns
    -------
    array

    Notes
    -----
    log Γ(1/d + m) - log Γ(1/d) + m log d, which is a difference of large numbers where d is small. There the
    difference of Stirling's series is taken term by term, and its leading part (1 + x) log(1 + x) - x, with x = m d, by
    its power series where x is small. Relative accuracy 1e-12 for d from 0 to 1e8 (``tests/kernels/
    test_count_dispersion.py``).

    Examples
    --------
    >>> log_rising(np.array([3.0]), np.array([0.5])), float(np.log(1.5 * 2.0))
    (array([1.09861229]), 1.0986122886681098)
    """
    count, step = np.broadcast_arrays(np.asarray(count, float), np.asarray(step, float))
    found = np.zeros(count.shape)
    near = (step > 0) & (step < 1.0 / _STIRLING) & (count > 0)
    far = (step >= 1.0 / _STIRLING) & (count > 0)
    m, d = count[far], step[far]
    found[far] = gammaln(1.0 / d + m) - gammaln(1.0 / d) + m * np.log(d)
    m, d = count[near], step[near]
    x = m * d
    found[near] = _entropy(x) / d - 0.5 * np.log1p(x) + _remainder(d / (1.0 + x)) - _remainder(d)
    return found


def _entropy(x: Floats) -> Floats:
    """Return (1 + x) log(1 + x) - x."""
    series = np.zeros_like(x)
    small = np.minimum(x, 0.1)
    for n in range(16, 1, -1):
        series = small * ((1.0 if n % 2 == 0 else -1.0) / (n * (n - 1.0)) + series)
    return np.where(x <= 0.1, series * small, (1.0 + x) * np.log1p(x) - x)


def _remainder(inverse: Floats) -> Floats:
    """Return the remainder of Stirling's formula for log Γ at 1 / ``inverse``."""
    square = inverse * inverse
    found = np.zeros_like(inverse)
    for bottom in (1188.0, -1680.0, 1260.0, -360.0, 12.0):
        found = found * square + 1.0 / bottom
    return found * inverse


def _log_likelihood(family: CountFamily, count: Floats, size: Floats, expected: Floats, dispersion: float) -> float:
    """Return the log-likelihood less what does not depend on the dispersion."""
    if family == "negative_binomial":
        lift = expected * dispersion
        spare = np.log1p(lift) / dispersion - expected if dispersion > 0 else 0.0 * expected
        return float((log_rising(count, np.full_like(count, dispersion)) - count * np.log1p(lift) - spare).sum())
    share = expected / size
    step = np.full_like(count, dispersion / (1.0 - dispersion))
    # Rising factors of the successes, of the failures and of all.
    parts = log_rising(count, step / share) + log_rising(size - count, step / (1.0 - share)) - log_rising(size, step)
    return float(parts.sum())


def count_dispersion(family: CountFamily, count: Floats, size: Floats, expected: Floats) -> CountDispersion:
    """Estimate the dispersion of counts around their expected values by marginal maximum likelihood.

    Beta-binomial: count ~ Binomial(size, q), q ~ Beta with mean expected / size. Negative binomial: count ~
    Poisson(expected g), g ~ Gamma with mean 1. The expected values count as known.

    Parameters
    ----------
    family : {'beta_binomial', 'negative_binomial'}
    count, size, expected : (k,) arrays
        Events, cases (trials or exposure) and expected events of k units. Units that are not finite, or whose chance
        is not strictly between 0 and 1 (negative binomial: expected not above 0), carry no weight.

    Returns
    -------
    CountDispersion

    Raises
    ------
    SpecificationError
        Fewer than two usable units, or more events than cases of a beta-binomial count.
    ConvergenceError
        The likelihood rises to the end of the range looked at.

    Notes
    -----
    One number, found on a grid over sixteen powers of ten and refined by Brent's method; never less likely than no
    dispersion. Cost: about 120 evaluations of O(k), 7 to 20 ms for 98 units.

    References
    ----------
    Griffiths (1973), Biometrics 29:637 (beta-binomial); Lawless (1987), Canadian J. Statistics 15:209 (negative
    binomial).

    Examples
    --------
    >>> found = count_dispersion("negative_binomial", np.array([3.0, 30.0, 12.0]), np.full(3, 90.0), np.full(3, 15.0))
    >>> round(found.dispersion, 3)
    0.605
    """
    usable = np.isfinite(count) & np.isfinite(expected) & np.isfinite(size) & (expected > 0)
    if family == "beta_binomial":
        if np.any(count[usable] > size[usable]):
            raise SpecificationError("a beta-binomial count cannot have more events than cases: size must be trials")
        usable &= expected < size
    count, size, expected = count[usable], size[usable], expected[usable]
    units = int(usable.sum())
    if units < 2:
        raise SpecificationError(f"{units} units have a count and an expected count; its dispersion needs two")
    none = _log_likelihood(family, count, size, expected, 0.0)

    def loss(place: float) -> float:
        # The correlation stays below one; its odds, like κ, may be any number above zero.
        odds = float(np.exp(place))
        value = odds / (1.0 + odds) if family == "beta_binomial" else odds
        return none - _log_likelihood(family, count, size, expected, value)

    # Far below the dispersion at which the largest unit's variance is 1e-6 above that of chance.
    first = np.log(1e-8 / (1.0 + (size if family == "beta_binomial" else expected).max()))
    grid = np.linspace(first, np.log(1e8), _GRID)
    at = np.array([loss(place) for place in grid])
    best = int(np.argmin(at))
    if at[best] > -1e-9 or best == 0:
        return CountDispersion(family=family, dispersion=0.0, gain=0.0, units=units)
    if best == _GRID - 1:
        raise ConvergenceError("the dispersion of the counts has no finite estimate: every unit has none or all events")
    found = minimize_scalar(loss, bracket=tuple(grid[best - 1 : best + 2]), method="brent", options={"xtol": 1e-10})
    odds = float(np.exp(found.x))
    value = odds / (1.0 + odds) if family == "beta_binomial" else odds
    return CountDispersion(family=family, dispersion=value, gain=-float(found.fun), units=units)


def count_quantiles(
    family: CountFamily, size: Floats, expected: Floats, dispersion: float, *, tail: float
) -> tuple[Floats, Floats]:
    """Return the counts below and above which lies at most a tail of the distribution, interpolated between counts.

    Parameters
    ----------
    family : {'beta_binomial', 'negative_binomial'}
    size, expected : (k,) arrays
        Cases and expected events. Cases of a beta-binomial count are rounded to whole numbers.
    dispersion : float
        ρ or κ, a pure number; 0 for the binomial and the Poisson distribution.
    tail : float
        Chance beyond each of the two, below 0.5.

    Returns
    -------
    lower, upper : (k,) arrays
        In events. A count below ``lower`` has a chance below ``tail``, and so has a count above ``upper``. ``lower``
        is between -1 and 0 where even no events would not be rare. NaN where a unit has no distribution.

    Notes
    -----
    With r the smallest count with P(R ≤ r) ≥ tail, lower = r - (P(R ≤ r) - tail) / P(R = r): the paper's interpolation.
    Its upper limit, by the same formula at 1 - tail, lets a count be above it whose chance exceeds the tail; here the
    formula is mirrored, which gives exactly one event more. Chances are summed over all counts of the unit by their
    ratios (negative binomial: over counts up to far beyond the tail), so that no dispersion is a case of its own. Cost:
    some 25 ns a case.

    References
    ----------
    Spiegelhalter (2005), Funnel plots for comparing institutional performance, Stat Med 24:1185-1202, appendix A.1.1.
    Boucheron, Lugosi & Massart (2013), Concentration inequalities, section 2.4 (how far counts are summed).

    Examples
    --------
    >>> lower, upper = count_quantiles("negative_binomial", np.array([90.0]), np.array([10.0]), 0.0, tail=0.025)
    >>> lower.round(3), upper.round(3)
    (array([3.775]), array([17.16]))
    """
    lower, upper = np.full(len(size), np.nan), np.full(len(size), np.nan)
    usable = np.isfinite(expected) & np.isfinite(size) & (expected > 0)
    if family == "beta_binomial":
        usable &= expected < size
    for i in np.flatnonzero(usable):
        mass = _mass(family, float(size[i]), float(expected[i]), dispersion, tail)
        lower[i] = _edge(mass, tail)
        # The same from the other end, where chances are added from the smallest on.
        upper[i] = len(mass) - 1 - _edge(mass[::-1], tail)
    return lower, upper


def _edge(mass: Floats, tail: float) -> float:
    total = np.cumsum(mass)
    r = int(np.searchsorted(total, tail))
    return float(r - (total[r] - tail) / mass[r])


def _mass(family: CountFamily, size: float, expected: float, dispersion: float, tail: float) -> Floats:
    """Return the chances of 0, 1, … events by the ratios of neighbours."""
    if family == "beta_binomial":
        n, share = round(size), expected / size
        r = np.arange(n, dtype=np.float64)
        rise = (share * (1.0 - dispersion) + r * dispersion) * (n - r)
        fall = ((1.0 - share) * (1.0 - dispersion) + (n - 1.0 - r) * dispersion) * (r + 1.0)
        ratio = np.log(rise) - np.log(fall)
    else:
        # The distribution is sub-gamma: beyond this many events lies less than e^-25 of the tail looked for.
        reach, stretch = np.log(1.0 / tail) + 25.0, 1.0 + dispersion * expected
        top = expected + np.sqrt(2.0 * reach * expected * stretch) + reach * stretch
        r = np.arange(np.ceil(top), dtype=np.float64)
        ratio = np.log(expected * (1.0 + dispersion * r)) - np.log((r + 1.0) * (1.0 + dispersion * expected))
    log_mass = np.concatenate([[0.0], np.cumsum(ratio)])
    mass = np.exp(log_mass - log_mass.max())
    return np.asarray(mass / mass.sum())
