"""Graph efficiency: closed forms, published figures, and a frontier that is reached."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

from benchmodels.errors import SpecificationError
from benchmodels.kernels.envelopment import envelop, frame_of
from benchmodels.kernels.graph import graph_efficiency
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, OWN, UNBOUNDED
from benchmodels.kernels.technology import Technology, bounds_of

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
EXACT = 1e-12
RETURNS = ("crs", "vrs", "drs", "irs", (0.8, 1.3))

# Bogetoft & Otto, six firms.
BO_X = np.array([[20.0, 40, 40, 60, 70, 50]]).T
BO_Y = np.array([[20.0, 30, 50, 40, 60, 20]]).T


def drawn(seed, n, m, s):
    """Points below a surface with falling returns and a fixed cost."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1.0, 9.0, (n, m))
    level = np.maximum(np.prod(x, axis=1) ** (0.7 / m) - 0.8, 0.05) * rng.uniform(0.4, 1.0, n)
    share = rng.dirichlet(np.ones(s), n)
    return x, level[:, None] * np.sqrt(share)


def graph(x, y, returns, **options):
    return graph_efficiency(Technology(x, y, bounds_of(returns)), x, y, own=np.arange(len(x)), **options)


def test_bogetoft_and_otto():
    found = graph(BO_X, BO_Y, "vrs")
    np.testing.assert_allclose(found.efficiency, [1, 0.79533, 1, 0.76865, 1, 0.58735], atol=5e-6)
    # The second firm moves to the line through the first and the third: 30 / θ = 20 + 1.5 (40 θ - 20).
    assert found.efficiency[1] == pytest.approx((10 + np.sqrt(100 + 4 * 60 * 30)) / 120, abs=EXACT)


def test_constant_returns_are_the_root_of_input_efficiency():
    x, y = drawn(1, 150, 3, 2)
    technology, own = Technology(x, y, bounds_of("crs")), np.arange(150)
    radial = envelop(technology, x, y, np.concatenate([x, 0 * y], axis=1), own=own)
    found = graph(x, y, "crs")
    np.testing.assert_allclose(found.efficiency, np.sqrt(1.0 - radial.beta), rtol=EXACT)
    assert found.rounds.max() == 2


@pytest.mark.parametrize("returns", RETURNS)
def test_projections_are_on_the_frontier(returns):
    x, y = drawn(2, 300, 2, 2)
    found = graph(x, y, returns)
    assert np.all(found.status == OPTIMAL)
    assert found.residual.max() < EXACT
    assert found.rounds.max() <= 8
    assert np.all((found.efficiency > 0) & (found.efficiency <= 1 + EXACT))
    theta = found.efficiency[:, None]
    px, py = x * theta, y / theta
    for side in (1.0, 0.0):
        step = np.concatenate([px, side * py], axis=1)
        again = envelop(Technology(x, y, bounds_of(returns)), px, py, step, own=np.full(300, ARTIFICIAL))
        np.testing.assert_allclose(again.beta, 0.0, atol=1e-9)


def test_one_input_and_one_output_by_a_root_of_the_frontier():
    """The frontier as a curve: the largest output from at most x, in convex combinations of pairs."""
    x, y = drawn(3, 25, 1, 1)
    found = graph(x, y, "vrs")
    a, b = x[:, 0], y[:, 0]

    def most(at):
        share = np.clip((at - a[:, None]) / np.where(a == a[:, None], np.inf, a - a[:, None]), 0.0, 1.0)
        made = b[:, None] + share * (b - b[:, None])
        used = a[:, None] + share * (a - a[:, None])
        return made[used <= at * (1 + 1e-15)].max(initial=-1e3)

    for i in range(25):
        if found.efficiency[i] < 0.999:
            root = brentq(lambda t, i=i: most(t * a[i]) - b[i] / t, 1e-3, 1.0, xtol=1e-14)
            assert found.efficiency[i] == pytest.approx(root, abs=1e-10)


@pytest.mark.parametrize("name", ["tiny6", "syn_dea_degenerate", "syn_dea_a", "charnes1981", "milkProd", "pigdata"])
def test_benchmarking_in_r(name):
    """Bisection there: five digits."""
    path = REFERENCE / "dea" / f"{name}_graph.json"
    if not path.exists():
        pytest.skip("no reference results here")
    told = json.loads(path.read_text())
    data = pd.read_csv(REFERENCE / told["dataset"])
    x, y = data[told["inputs"]].to_numpy(float), data[told["outputs"]].to_numpy(float)
    for returns in ("crs", "vrs", "drs", "irs"):
        theirs = np.array(told["results"][returns], float)
        np.testing.assert_allclose(graph(x, y, returns).efficiency, theirs, atol=1e-5)


def test_units_of_measure_order_and_frame_do_not_matter():
    x, y = drawn(5, 120, 2, 2)
    found = graph(x, y, "vrs")
    order = np.random.default_rng(1).permutation(120)
    moved = graph(x[order] * [1e8, 1e-8], y[order] * [1e-7, 3e6], "vrs")
    np.testing.assert_allclose(moved.efficiency, found.efficiency[order], rtol=1e-11)
    technology = Technology(x, y, bounds_of("vrs"))
    frame = frame_of(technology, direction=np.concatenate([x, y], axis=1))
    assert len(frame) < 120
    np.testing.assert_allclose(graph(x, y, "vrs", frame=frame).efficiency, found.efficiency, rtol=1e-11)


def test_points_beyond_the_frontier():
    """Without themselves: efficient units come above 1, back on the frontier of the others, or nowhere."""
    x, y = drawn(6, 80, 2, 1)
    technology, own = Technology(x, y, bounds_of("vrs")), np.full(80, ARTIFICIAL)

    def others(some, low, high):
        return some[:, None] != np.arange(low, high)

    within = graph(x, y, "vrs").efficiency
    found = graph_efficiency(technology, x, y, own=own, allowed=others)
    answered = found.status == OPTIMAL
    np.testing.assert_allclose(np.minimum(found.efficiency, 1.0)[answered], within[answered], rtol=1e-10)
    assert (found.efficiency[answered] > 1.01).any()
    assert np.all(within[~answered] > 1 - EXACT)
    theta = found.efficiency[answered, None]
    px, py = x[answered] * theta, y[answered] / theta
    number = np.flatnonzero(answered)
    again = envelop(
        technology, px, py, np.concatenate([px, py], axis=1), own=own[answered],
        allowed=lambda some, low, high: others(number[some], low, high),
    )  # fmt: skip
    np.testing.assert_allclose(again.beta, 0.0, atol=1e-9)


def test_points_keep_their_own_comparators():
    """Together as one by one, though some are done before others."""
    x, y = drawn(8, 60, 2, 1)
    technology = Technology(x, y, bounds_of("vrs"))

    def half(some, low, high):
        return (some[:, None] - np.arange(low, high)) % 2 == 0

    together = graph_efficiency(technology, x, y, own=np.arange(60), allowed=half)
    assert len(set(together.rounds)) > 2
    for i in range(60):
        alone = graph_efficiency(
            technology,
            x[[i]],
            y[[i]],
            own=np.array([i]),
            allowed=lambda some, low, high, i=i: half(some + i, low, high),
        )
        assert alone.efficiency[0] == pytest.approx(together.efficiency[i], abs=EXACT)


def test_zeros_and_what_cannot_be_reached():
    x, y = np.array([[1.0, 1.0], [2.0, 3.0], [4.0, 4.0]]), np.array([[1.0], [2.0], [0.0]])
    # Without output it is input efficiency: 0 under constant returns, which no θ reaches.
    vrs, crs = graph(x, y, "vrs"), graph(x, y, "crs")
    assert vrs.efficiency[2] == pytest.approx(0.25, abs=EXACT)
    assert crs.status.tolist() == [OPTIMAL, OPTIMAL, UNBOUNDED]
    assert np.isnan(crs.efficiency[2])
    # No unit does without the first input, whatever θ.
    point = np.array([[0.0, 1.0]]), np.array([[1.0]])
    none = graph_efficiency(Technology(x, y, bounds_of("vrs")), *point, own=np.array([ARTIFICIAL]))
    assert none.status.tolist() == [INFEASIBLE]
    assert np.isnan(none.efficiency[0])


def test_an_output_that_nobody_makes_with_the_rest_of_it():
    """Reached by the directional program, whose outputs fall below zero; by no θ, whose outputs do not."""
    x, y = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    point = np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])
    none = graph_efficiency(Technology(x, y, bounds_of("vrs")), *point, own=np.array([ARTIFICIAL]))
    assert none.status.tolist() == [INFEASIBLE]


@pytest.mark.parametrize("returns", RETURNS)
def test_one_unit_two_units_and_all_equal(returns):
    for n in (1, 2, 9):
        found = graph(np.full((n, 2), 3.0), np.full((n, 1), 2.0), returns)
        assert found.efficiency.tolist() == [1.0] * n
    assert graph_efficiency(
        Technology(BO_X, BO_Y, bounds_of(returns)), BO_X[:0], BO_Y[:0], own=np.zeros(0, dtype=int)
    ).efficiency.shape == (0,)  # fmt: skip


def test_a_point_that_may_use_itself_needs_to_be_a_unit():
    with pytest.raises(SpecificationError, match="6 points may use themselves"):
        graph_efficiency(Technology(BO_X, BO_Y, (1.0, 1.0)), BO_X, BO_Y, own=np.full(6, OWN))
