"""The range of a quotient of sums: all corners of the box are the oracle."""

from itertools import product

import numpy as np
import pytest

from benchmodels.errors import DataError
from benchmodels.kernels.ranges import quotient_range


def corners(above, below, values, half, a0, b0):
    found = []
    for signs in product((-1.0, 1.0), repeat=len(values)):
        x = values + np.array(signs) * half
        found.append((a0 + above @ x) / (b0 + below @ x))
    return min(found), max(found)


@pytest.mark.parametrize("seed", range(40))
def test_all_corners(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 8))
    above, below = rng.integers(-2, 3, size=(2, k)).astype(float)
    values, half = rng.uniform(5, 100, k), rng.uniform(0, 0.5, k)
    a0, b0 = rng.normal(size=2)
    if abs(b0 + below @ values) <= np.abs(below) @ half + 0.1:
        b0 += 1000.0
    value, lower, upper = quotient_range(above, below, values, half, above_constant=a0, below_constant=b0)
    least, most = corners(above, below, values, half, a0, b0)
    assert value == pytest.approx((a0 + above @ values) / (b0 + below @ values), rel=1e-13)
    assert lower == pytest.approx(least, rel=1e-12, abs=1e-12)
    assert upper == pytest.approx(most, rel=1e-12, abs=1e-12)


def test_a_number_that_stands_on_both_sides_has_one_value():
    # A share of a whole that holds it: (x) / (x + y); naive interval arithmetic would give [4.5/11, 5.5/9].
    value, lower, upper = quotient_range(
        np.array([1.0, 0.0]),
        np.array([1.0, 1.0]),
        np.array([5.0, 5.0]),
        np.array([0.5, 0.5]),
        above_constant=0.0,
        below_constant=0.0,
    )
    assert (value, lower, upper) == pytest.approx((0.5, 0.45, 0.55))


def test_negative_below_the_line():
    value, lower, upper = quotient_range(
        np.array([1.0, 0.0]),
        np.array([0.0, -1.0]),
        np.array([6.0, 3.0]),
        np.array([0.5, 0.0]),
        above_constant=0.0,
        below_constant=0.0,
    )
    assert (value, lower, upper) == pytest.approx((-2.0, -6.5 / 3, -5.5 / 3))


@pytest.mark.parametrize("bottom, half", [(0.0, 0.0), (0.3, 0.5), (-0.3, 0.5)])
def test_what_may_be_zero_is_not_divided_by(bottom, half):
    with pytest.raises(DataError, match="zero"):
        quotient_range(
            np.zeros(1), np.ones(1), np.array([bottom]), np.array([half]), above_constant=1.0, below_constant=0.0
        )
