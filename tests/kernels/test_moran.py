"""Moran's I against sums by hand, every permutation of a small map, and plain loops."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import sparse

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import moran as module
from benchmodels.kernels.moran import moran, standardised


def lattice(rows, columns):
    """Rook neighbours of a lattice, by a loop."""
    k = rows * columns
    table = np.zeros((k, k))
    for i in range(k):
        for j in range(k):
            apart = abs(i // columns - j // columns) + abs(i % columns - j % columns)
            table[i, j] = float(apart == 1)
    return table


def plain(values, table):
    """Moran's I by two loops."""
    z = values - values.mean()
    total = 0.0
    for i in range(len(z)):
        for j in range(len(z)):
            total += table[i, j] * z[i] * z[j]
    return len(z) / table.sum() * total / np.sum(z**2)


def few(values, table, **rest):
    return moran(np.asarray(values, float), table, permutations=49, rng=np.random.default_rng(0), **rest)


def test_three_by_three_by_hand():
    """Values 1 … 9: Σz² = 60, products over the 12 borders add to 40, so I = 9/24 · 80/60 = 1/2.

    Each border counts twice: S0 = 24, S1 = ½ · 24 · 2² = 48. Four corners with two neighbours, four sides with three,
    one centre with four: S2 = 4 · 4² + 4 · 6² + 8² = 272.
    """
    found = few(np.arange(1, 10), lattice(3, 3))
    assert found.statistic == pytest.approx(0.5, abs=1e-14)
    assert found.expectation == -1 / 8
    assert found.variance_normal == pytest.approx((81 * 48 - 9 * 272 + 3 * 24**2) / (80 * 24**2) - 1 / 64, abs=1e-15)
    assert found.variance_normal == pytest.approx(0.053125, abs=1e-15)
    # b2 = 9 · (2 · (1 + 16 + 81 + 256)) / 60² = 1.77
    first = 9 * ((81 - 27 + 3) * 48 - 9 * 272 + 3 * 576)
    second = 1.77 * ((81 - 9) * 48 - 18 * 272 + 6 * 576)
    assert found.variance_random == pytest.approx((first - second) / (8 * 7 * 6 * 576) - 1 / 64, abs=1e-15)
    assert found.z == pytest.approx((0.5 + 1 / 8) / np.sqrt(found.variance_random))


@pytest.mark.parametrize("n", [4, 7, 30, 1000])
def test_gradient_on_a_path(n):
    """Values 1 … n along a line, where all sums have a closed form."""
    table = np.zeros((n, n))
    i = np.arange(n - 1)
    table[i, i + 1] = table[i + 1, i] = 1.0
    squares = n * (n * n - 1) / 12
    # z_i z_{i+1} = (z_i² + z_{i+1}² − 1) / 2, and the ends are missing once: ((n − 1) / 2)² each.
    products = squares - ((n - 1) / 2) ** 2 - (n - 1) / 2
    found = few(np.arange(n), sparse.csr_array(table))
    assert found.statistic == pytest.approx(n / (n - 1) * products / squares, abs=1e-12)


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (6, 6)])
def test_checkerboard_is_minus_one(shape):
    board = np.indices(shape).sum(axis=0).ravel() % 2
    assert few(board, lattice(*shape)).statistic == pytest.approx(-1.0, abs=1e-14)


def test_everyone_a_neighbour_of_everyone_is_the_expectation():
    """With all weights alike I is −1 / (n − 1) whatever the values: no variance is left."""
    found = few(np.random.default_rng(1).normal(size=8), 1.0 - np.eye(8))
    assert found.statistic == pytest.approx(found.expectation, abs=1e-14)
    assert found.variance_random == pytest.approx(0.0, abs=1e-14)
    assert found.p_value == 1.0


@pytest.mark.parametrize("symmetric", [True, False])
def test_moments_are_those_of_every_permutation(symmetric):
    rng = np.random.default_rng(2)
    table = rng.random((6, 6)) * (rng.random((6, 6)) < 0.6)
    np.fill_diagonal(table, 0.0)
    table = table + table.T if symmetric else table
    values = rng.exponential(size=6)
    every = np.array([plain(values[list(order)], table) for order in permutations(range(6))])
    found = moran(values, table, permutations=20_000, rng=np.random.default_rng(3))
    assert found.statistic == pytest.approx(plain(values, table), abs=1e-14)
    assert every.mean() == pytest.approx(found.expectation, abs=1e-13)
    assert every.var() == pytest.approx(found.variance_random, rel=1e-10)
    tails = np.mean(every >= found.statistic - 1e-12), np.mean(every <= found.statistic + 1e-12)
    exact = min(1.0, 2 * min(tails))
    assert abs(found.p_value - exact) < 4 * 2 * np.sqrt(min(tails) / 20_000)


def test_normal_variance_is_that_of_normal_draws():
    rng = np.random.default_rng(4)
    table = lattice(3, 3)
    draws = np.array([plain(z, table) for z in rng.normal(size=(4000, 9))])
    found = few(draws[:9], table)
    error = np.sqrt(2 / 4000) * found.variance_normal
    assert abs(draws.var() - found.variance_normal) < 4 * 1.5 * error


def test_permutations_do_not_depend_on_blocks(monkeypatch):
    rng = np.random.default_rng(5)
    values, table = rng.normal(size=30), lattice(5, 6)
    one = moran(values, table, permutations=999, rng=np.random.default_rng(1))
    monkeypatch.setattr(module, "BLOCK", 30 * 7)
    again = moran(values, table, permutations=999, rng=np.random.default_rng(1))
    assert one.p_value == again.p_value


def test_p_values_are_uniform_without_pattern():
    """500 maps: the share rejected at 5 per cent is within 4 Monte Carlo errors."""
    rng, table = np.random.default_rng(6), lattice(5, 5)
    variances = 1.0 / rng.uniform(1, 50, 25)
    for given in (None, variances):
        spread = np.sqrt(variances)
        p = [
            moran(rng.normal(size=25) * spread, table, variances=given, permutations=199, rng=rng).p_value
            for _ in range(500)
        ]
        assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 500)


def test_equal_variances_change_nothing_and_units_of_measure_neither():
    rng, table = np.random.default_rng(7), lattice(4, 4)
    values = rng.normal(size=16)
    base = few(values, table)
    variances = rng.uniform(0.5, 4, 16)
    sure = few(values, table, variances=variances)
    assert few(values, table, variances=np.full(16, 0.3)).statistic == pytest.approx(base.statistic, abs=1e-13)
    for scale in (1e-8, 1e8):
        again = few(values * scale + 3 * scale, table * scale)
        assert (again.statistic, again.variance_random) == pytest.approx((base.statistic, base.variance_random))
        assert again.p_value == base.p_value
        again = few(values * scale, table, variances=variances * scale**2)
        assert again.statistic == pytest.approx(sure.statistic, rel=1e-10)
    order = rng.permutation(16)
    assert few(values[order], table[np.ix_(order, order)]).statistic == pytest.approx(base.statistic, abs=1e-13)


@pytest.mark.parametrize("spread", [0.3, 0.0])
def test_rates_are_standardised_as_assuncao_and_reis_do(spread):
    """Their formula as printed, for counts out of populations; ``spread`` = 0 makes their ``a`` negative."""
    rng = np.random.default_rng(8)
    population = rng.integers(200, 50_000, 40).astype(float)
    chance = 0.02 * np.exp(spread * rng.normal(size=40))
    count = rng.poisson(population * chance) if spread else np.round(population * 0.02)
    rate, b = count / population, count.sum() / population.sum()
    s2 = np.sum(population * (rate - b) ** 2) / population.sum()
    a = s2 - b / (population.sum() / 40)
    assert (a > 0) == (spread > 0)
    expected = (rate - b) / np.sqrt(max(a, 0.0) + b / population)
    np.testing.assert_allclose(standardised(rate, b / population), expected, rtol=1e-11, atol=1e-12)


def test_small_units_no_longer_drown_the_pattern():
    """A gradient seen through very unequal noise: the precision-aware I finds it, the plain one hardly does."""
    rng, table = np.random.default_rng(9), lattice(8, 8)
    size = np.where(rng.random(64) < 0.3, 20.0, 5000.0)
    truth = 0.01 * (np.arange(64) // 8 - 3.5)
    values = truth + rng.normal(size=64) / np.sqrt(size)
    assert few(values, table, variances=1 / size).z > few(values, table).z + 2.0


def test_islands_and_unknown_values_are_left_out_and_counted():
    """Bornholm and Læsø have no neighbours; a neighbour whose value is not known is none."""
    rng, table = np.random.default_rng(10), lattice(3, 4)
    values = rng.normal(size=12)
    base = few(values, table)
    more = np.zeros((15, 15))
    more[:12, :12] = table
    # Unit 13 has its only neighbour in unit 14, whose value is not known.
    more[13, 14] = 1.0
    found = few(np.r_[values, 5.0, -7.0, np.nan], more)
    assert (found.statistic, found.variance_random) == pytest.approx((base.statistic, base.variance_random))
    assert found.islands == 2
    np.testing.assert_array_equal(found.used, np.r_[np.ones(12, bool), [False] * 3])
    unsure = few(np.r_[values, 1.0], np.pad(table, (0, 1), constant_values=0.0), variances=np.r_[np.ones(12), np.nan])
    assert unsure.islands == 0
    assert unsure.statistic == pytest.approx(base.statistic)


def test_a_unit_that_others_only_point_to_counts():
    """Links one way round: the statistic takes (w_ij + w_ji) / 2, so directions do not matter to it."""
    rng, both = np.random.default_rng(11), lattice(3, 4)
    values = rng.normal(size=12)
    one_way = np.triu(both)
    found = few(values, one_way)
    assert found.used.all()
    assert found.statistic == pytest.approx(few(values, both).statistic, abs=1e-14)


def test_what_cannot_be_asked():
    values = np.arange(4.0)
    with pytest.raises(SpecificationError, match=r"\(4, 4\)"):
        moran(values, np.ones((4, 3)))
    with pytest.raises(SpecificationError, match="themselves"):
        moran(values, np.ones((4, 4)))
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(SpecificationError, match="not negative"):
            moran(values, np.where(np.eye(4) == 1, 0.0, wrong))
    with pytest.raises(DataError, match="four units"):
        moran(values, np.zeros((4, 4)))
    with pytest.raises(DataError, match="same everywhere"):
        moran(np.full(9, 1e8), lattice(3, 3))
    with pytest.raises(DataError, match="above zero"):
        moran(np.arange(9.0), lattice(3, 3), variances=np.zeros(9))
