"""How strong would what is not measured have to be? E-values of the units' estimates."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.comparison import a_comparison
from benchmodels.errors import SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]

__all__ = ["READING", "Measure", "e_value", "e_values"]

Measure = Literal["risk ratio", "odds ratio", "odds ratio, rare", "standardised difference"]

READING = (
    "The E-value is the least strength, as a risk ratio, that one unmeasured condition of the cases would need both "
    "with the unit and with the outcome, beyond all that is adjusted for, to move the estimate (or its limit) to what "
    "is expected. It does not say that such a condition exists"
)
"""What a page that shows E-values must say."""


def e_values(ratio: object, *, measure: Measure = "risk ratio") -> Floats:
    """Return the E-value of each ratio: RR + √(RR (RR − 1)) for a risk ratio above one, of its inverse below.

    Parameters
    ----------
    ratio : array of any shape
        In the unit of measure that ``measure`` says; ratios are zero or more.
    measure : str
        "risk ratio"; "odds ratio, rare": taken as one, for outcomes below 15 per cent; "odds ratio": of a common
        outcome, RR ≈ √OR; "standardised difference": in standard deviations of the outcome, RR ≈ exp(0.91 d).

    Returns
    -------
    array of the same shape
        1 or more; infinite for a ratio of zero, NaN for NaN.

    Raises
    ------
    SpecificationError
        A measure that is none, no numbers, or a negative ratio.

    References
    ----------
    VanderWeele & Ding (2017), Annals of Internal Medicine 167:268, table 2 (with the approximations for odds ratios of
    common outcomes and for differences).

    Examples
    --------
    >>> e_values([3.9, 1.8, 1.0]).round(2).tolist()
    [7.26, 3.0, 1.0]
    """
    if measure not in get_args(Measure):
        raise SpecificationError(f"measure must be one of {listed(get_args(Measure))}; found {measure!r}")
    try:
        value = np.asarray(ratio, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"ratio={ratio!r}; give numbers") from error
    with np.errstate(over="ignore"):
        if measure == "standardised difference":
            value = np.exp(0.91 * value)
        elif np.any(value < 0):
            raise SpecificationError(f"a {measure} is zero or more; the least given is {np.nanmin(value):g}")
        if measure == "odds ratio":
            value = np.sqrt(value)
    with np.errstate(divide="ignore", over="ignore"):
        away = np.where(value < 1.0, 1.0 / value, value)
        # RR (1 + √(1 − 1/RR)): the same number, and infinite where the product would be.
        return np.asarray(away * (1.0 + np.sqrt(1.0 - 1.0 / away)))


def e_value(comparison: Comparison, *, sd: float | None = None) -> pd.DataFrame:
    """Return how strongly something unmeasured would have to be tied to unit and outcome to explain each estimate.

    The E-value is the least strength, as a risk ratio, that an unmeasured condition of the cases needs both with the
    unit (how much commoner it is there) and with the outcome, beyond all that is adjusted for, to make a unit that is
    as expected look like this one. Compare it with what the measured conditions do: one as strong as those that are
    adjusted for may well have been left out; one that is stronger than all of them hardly.

    Parameters
    ----------
    comparison : Comparison
        k units. Ratios are risk ratios as they stand, rates are divided by the overall rate.
    sd : float, optional
        Standard deviation of the outcome *between cases*, in the estimate's unit of measure; differences then are taken
        for exp(0.91 × difference / sd). Without it differences are refused, for they have no scale of their own.

    Returns
    -------
    DataFrame
        ``unit, estimate, risk_ratio, e_value, limit, e_value_limit``, one row per unit. ``limit``: the limit of the
        interval nearest to what is expected, as a risk ratio; 1 where the interval holds it, and so is its E-value.
        NaN where withheld; infinite for a unit without events.

    Raises
    ------
    SpecificationError
        Not a comparison, a difference without ``sd``, an ``sd`` that is not above zero or is not asked for.

    Notes
    -----
    The bound behind it holds for one condition, or the sum of several, and for the worst case: a real one of that
    strength usually explains less. Units are many, and E-values of those that were picked for their estimates are
    too large; the limits, at a simultaneous level, are the safer reading.

    References
    ----------
    VanderWeele & Ding (2017), Annals of Internal Medicine 167:268; Ding & VanderWeele (2016), Epidemiology 27:368.

    Examples
    --------
    >>> from benchmodels import compare_expected
    >>> table = pd.DataFrame({"unit": ["a", "b"], "events": [90, 100], "expected": [50.0, 98.0]})
    >>> found = compare_expected(table, unit="unit", observed="events", expected="expected", contrast="ratio")
    >>> e_value(found)[["e_value", "e_value_limit"]].round(2).values.tolist()
    [[3.0, 2.27], [1.16, 1.0]]
    """
    given = a_comparison(comparison, "e_value")
    measure = _measure(given, sd)
    known = np.isfinite(given.lower) & np.isfinite(given.upper)
    holds = known & (given.lower <= given.null) & (given.upper >= given.null)
    nearest = np.where(given.lower > given.null, given.lower, given.upper)
    estimate = _on_scale(given.estimate, given.null, sd)
    limit = np.where(holds, 0.0 if sd is not None else 1.0, _on_scale(nearest, given.null, sd))
    limit = np.where(known, limit, np.nan)
    frame = pd.DataFrame(
        {
            "unit": given.unit,
            "estimate": given.estimate,
            "risk_ratio": estimate if sd is None else np.exp(0.91 * estimate),
            "e_value": e_values(estimate, measure=measure),
            "limit": limit if sd is None else np.exp(0.91 * limit),
            "e_value_limit": e_values(limit, measure=measure),
        }
    )
    frame["unit"] = frame["unit"].infer_objects()
    return frame


def _measure(given: Comparison, sd: float | None) -> Measure:
    """Return what the estimates are once they are on a scale, or raise where they have none."""
    if given.contrast != "difference":
        if sd is not None:
            raise SpecificationError(f"sd is for differences; a {given.contrast} is a risk ratio as it stands")
        return "risk ratio"
    if sd is None:
        raise SpecificationError(
            "a difference has no E-value without a scale: use compare(contrast='ratio'), or give sd=…, the standard "
            "deviation of the outcome between cases in the same unit of measure"
        )
    if isinstance(sd, bool) or not isinstance(sd, Real) or not 0.0 < float(sd) < np.inf:
        raise SpecificationError(f"sd={sd!r}; give a number above zero, in the estimate's unit of measure")
    return "standardised difference"


def _on_scale(value: Floats, null: float, sd: float | None) -> Floats:
    """Return ratios to what is expected, or differences from it in standard deviations."""
    if sd is not None:
        return (value - null) / float(sd)
    # An expected total of a measured outcome may be negative, and so may a ratio: it is then no risk ratio.
    return np.where(value >= 0, value / null, np.nan)
