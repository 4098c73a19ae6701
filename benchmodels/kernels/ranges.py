"""What a quotient of sums may be, when each number in it is known within limits only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["quotient_range"]

# Each step of Dinkelbach's iteration is a Newton step on a convex, piecewise linear function: it ends at a vertex.
_MOST_STEPS = 100


def quotient_range(
    above: Vector, below: Vector, values: Vector, half_widths: Vector, *, above_constant: float, below_constant: float
) -> tuple[float, float, float]:
    """Return (a0 + a'x) / (b0 + b'x) at the given numbers, and its exact least and most over their limits.

    A number that stands above and below the line (a part and its whole, growth over its own start) has one value
    only: interval arithmetic that takes it twice is too wide, the range found here is not.

    Parameters
    ----------
    above, below : array (k,)
        Weights a and b of each number above and below the line.
    values : array (k,)
        The numbers as printed; any unit of measure.
    half_widths : array (k,)
        Half a unit of the last printed digit; 0 for exact numbers. Same units of measure.
    above_constant, below_constant : float
        a0 and b0.

    Returns
    -------
    value, lower, upper : float

    Raises
    ------
    DataError
        What stands below the line is or may be zero.

    Notes
    -----
    A linear-fractional function whose denominator keeps its sign takes its extremes at corners of the box; Dinkelbach
    (1967), Theorem 1, finds them by a few linear steps. Tested against all corners in ``tests/kernels/test_ranges.py``.

    References
    ----------
    Dinkelbach, W. (1967). On nonlinear fractional programming. *Management Science* 13, 492-498.

    Examples
    --------
    A growth from 10 to 12, both rounded to whole numbers:

    >>> one = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    >>> value, lower, upper = quotient_range(
    ...     *one, np.array([12.0, 10.0]), np.array([0.5, 0.5]), above_constant=0.0, below_constant=0.0
    ... )
    >>> float(value), round(lower, 3), round(upper, 3)
    (1.2, 1.095, 1.316)
    """
    bottom = below_constant + below @ values
    play = np.abs(below) @ half_widths
    if abs(bottom) <= play or bottom == 0.0:
        raise DataError("what is divided by is zero, or may be within the rounding of its figures")
    if bottom < 0:
        above, below, above_constant, below_constant = -above, -below, -above_constant, -below_constant
        bottom = -bottom
    value = (above_constant + above @ values) / bottom
    ends = []
    for side in (-1.0, 1.0):
        found = value
        for _ in range(_MOST_STEPS):
            corner = values + side * half_widths * np.sign(above - found * below)
            better = (above_constant + above @ corner) / (below_constant + below @ corner)
            if side * (better - found) <= 1e-15 * abs(found):
                break
            found = better
        ends.append(float(found))
    return float(value), ends[0], ends[1]
