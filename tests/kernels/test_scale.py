"""Scale efficiency, returns and most productive sizes: published figures, and three ways of asking that agree."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.multipliers import price_ranges
from benchmodels.kernels.scale import nature_of_returns, productive_scale, returns_of_prices, scale_efficiency
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, OWN
from benchmodels.kernels.technology import Technology, bounds_of

EXACT = 1e-12

# Bogetoft & Otto, six firms.
BO_X = np.array([[20.0, 40, 40, 60, 70, 50]]).T
BO_Y = np.array([[20.0, 30, 50, 40, 60, 20]]).T


def asked(x, y, returns, side="input", own=None, points=None, **options):
    px, py = (x, y) if points is None else points
    own = np.arange(len(px)) if own is None else own
    technology = Technology(x, y, bounds_of(returns))
    goods = px, py, np.concatenate([px * (side != "output"), py * (side != "input")], axis=1)
    return technology, goods, own, envelop(technology, *goods, own=own, **options)


def efficiency(x, y, returns, side="input"):
    beta = asked(x, y, returns, side)[3].beta
    return 1.0 - beta if side == "input" else 1.0 / (1.0 + beta)


def on_a_grid(seed, n):
    """Whole numbers on and below a plane: with a start that costs, constant returns, then half of them."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 8, (n, 2)).astype(float)
    total = x.sum(axis=1)
    best = np.where(total < 5, total - 1.0, np.minimum(total, 9.0 + (total - 9.0) // 2))
    return x, np.maximum(best - rng.integers(0, 3, n), 1.0)[:, None]


def test_bogetoft_and_otto():
    crs, drs, vrs = (efficiency(BO_X, BO_Y, returns) for returns in ("crs", "drs", "vrs"))
    np.testing.assert_allclose(crs, [0.8, 0.6, 1, 8 / 15, 24 / 35, 0.32], atol=EXACT)
    np.testing.assert_allclose(drs, [0.8, 0.6, 1, 8 / 15, 1, 0.32], atol=EXACT)
    np.testing.assert_allclose(vrs, [1, 2 / 3, 1, 5 / 9, 1, 0.4], atol=EXACT)
    np.testing.assert_allclose(scale_efficiency(crs, vrs), [0.8, 0.9, 1, 0.96, 24 / 35, 0.8], atol=EXACT)
    named = ["increasing", "increasing", "constant", "increasing", "decreasing", "increasing"]
    assert nature_of_returns(crs, drs, vrs).tolist() == named
    technology, goods, own, found = asked(BO_X, BO_Y, "crs")
    size = productive_scale(technology, *goods, found, own=own)
    np.testing.assert_allclose(size.lower, [0.4, 0.6, 1, 0.8, 1.2, 0.4], atol=EXACT)
    np.testing.assert_allclose(size.upper, size.lower, atol=EXACT)
    assert size.returns.tolist() == named


@pytest.mark.parametrize("side", ["input", "output"])
def test_three_ways_to_ask_for_returns_agree(side):
    """By efficiencies, by the sizes of peers, and by the price of Σλ = 1."""
    x, y = on_a_grid(4, 120)
    crs, drs, vrs = (efficiency(x, y, returns, side) for returns in ("crs", "drs", "vrs"))
    named = nature_of_returns(crs, drs, vrs)
    assert set(named) == {"increasing", "constant", "decreasing"}
    technology, goods, own, found = asked(x, y, "crs", side)
    size = productive_scale(technology, *goods, found, own=own)
    assert np.all(size.status == OPTIMAL)
    assert (size.upper > size.lower + 0.1).any()
    scale = scale_efficiency(crs, vrs)
    inside = (size.lower <= 1 + 1e-9) & (size.upper >= 1 - 1e-9)
    np.testing.assert_array_equal(inside, scale > 1 - 1e-9)
    assert size.returns.tolist() == named.tolist()
    technology, goods, own, found = asked(x, y, "vrs", side)
    ranges = price_ranges(technology, *goods, found, own=own)
    by_price = returns_of_prices(ranges.returns_lower[:, 0], ranges.returns_upper[:, 0])
    assert by_price.tolist() == named.tolist()


def test_most_productive_sizes_are_as_productive():
    """At both ends of its range the unit's projection has crs efficiency 1, and variable-returns efficiency 1."""
    x, y = on_a_grid(7, 60)
    technology, goods, own, found = asked(x, y, "crs")
    size = productive_scale(technology, *goods, found, own=own)
    theta = (1.0 - found.beta)[:, None]
    own = np.full(len(x), ARTIFICIAL)
    for at in (size.lower, size.upper):
        points = theta * x / at[:, None], y / at[:, None]
        for returns in ("crs", "vrs"):
            beta = asked(x, y, returns, own=own, points=points)[3].beta
            np.testing.assert_allclose(beta, 0.0, atol=1e-9)


def test_units_of_measure_and_order_do_not_matter():
    x, y = on_a_grid(9, 50)
    technology, goods, own, found = asked(x, y, "crs")
    size = productive_scale(technology, *goods, found, own=own)
    order = np.random.default_rng(1).permutation(50)
    technology, goods, own, found = asked(x[order] * [1e8, 1e-8], y[order] * 1e7, "crs")
    again = productive_scale(technology, *goods, found, own=own)
    np.testing.assert_allclose(again.lower, size.lower[order], rtol=1e-10)
    np.testing.assert_allclose(again.upper, size.upper[order], rtol=1e-10)


def test_what_has_no_answer_stays_without():
    nothing = np.array([np.nan, 0.5])
    assert scale_efficiency(nothing, nothing)[1] == 1.0
    assert np.isnan(scale_efficiency(nothing, nothing)[0])
    assert nature_of_returns(nothing, nothing, nothing).tolist() == ["", "constant"]
    assert returns_of_prices(nothing, nothing).tolist() == ["", "decreasing"]
    x, y = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 1.0]]), np.array([[1.0], [1.0], [1.0]])
    # The last may not use itself, and nobody else does without the second input that it has none of.
    reference, point = (np.array([[1.0, 1.0], [2.0, 1.0]]), np.ones((2, 1))), (np.array([[1.0, 0.0]]), np.ones((1, 1)))
    technology, goods, own, found = asked(*reference, "crs", own=np.array([ARTIFICIAL]), points=point)
    size = productive_scale(technology, *goods, found, own=own)
    assert size.status.tolist() == [INFEASIBLE]
    assert np.isnan(size.lower[0])
    assert size.returns.tolist() == [""]
    technology, goods, own, found = asked(x, y, "crs")
    assert productive_scale(technology, *goods, found, own=own).status.tolist() == [OPTIMAL] * 3


def test_proportional_units_are_different_sizes():
    """Four of one ray: which are equal columns, and far from equal peers."""
    x, y = np.array([[3.0], [2.0], [8.0], [1.0], [4.0]]), np.array([[6.0], [4.0], [16.0], [2.0], [4.0]])
    technology, goods, own, found = asked(x, y, "crs")
    size = productive_scale(technology, *goods, found, own=own)
    np.testing.assert_allclose(size.lower, np.array([6, 4, 16, 2, 4]) / 16, atol=EXACT)
    np.testing.assert_allclose(size.upper, np.array([6, 4, 16, 2, 4]) / 2, atol=EXACT)


def test_units_that_are_all_equal():
    technology, goods, own, found = asked(np.ones((300, 2)), np.ones((300, 1)), "crs")
    size = productive_scale(technology, *goods, found, own=own)
    np.testing.assert_allclose([size.lower, size.upper], 1.0, atol=EXACT)


def test_questions_that_cannot_be_asked():
    with pytest.raises(DataError, match="1 efficiencies are higher under constant"):
        scale_efficiency(np.array([0.9, 0.5]), np.array([0.8, 0.5]))
    with pytest.raises(DataError, match="higher under non-increasing than under variable"):
        nature_of_returns(np.array([0.5]), np.array([0.9]), np.array([0.8]))
    technology, goods, own, found = asked(BO_X, BO_Y, "vrs")
    with pytest.raises(SpecificationError, match="constant returns"):
        productive_scale(technology, *goods, found, own=own)
    technology, goods, own, found = asked(BO_X, BO_Y, "crs")
    with pytest.raises(SpecificationError, match="6 points may use themselves"):
        productive_scale(technology, *goods, found, own=np.full(6, OWN))
