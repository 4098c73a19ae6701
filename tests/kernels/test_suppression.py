"""An attacker with every published cell cannot bound a withheld one more closely than is stated."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import suppression
from benchmodels.kernels.disclosure_risk import Risk, count_risk, dominance_risk
from benchmodels.kernels.suppression import additive_relations, attack, suppress

CLOSE = 1e-6


def flat(k):
    return np.append(np.full(k, k), -1)


def with_margins(inner):
    table = np.zeros((inner.shape[0] + 1, inner.shape[1] + 1))
    table[:-1, :-1] = inner
    table[-1] = table.sum(0)
    table[:, -1] = table.sum(1)
    return table


def two_way(inner):
    table = with_margins(np.asarray(inner, float))
    return additive_relations(flat(len(inner)), flat(len(inner[0]))), table.ravel(), table.shape


def plain_attack(relations, lower, upper, cell):
    """The attacker's programs as written, solved from scratch with another front end."""
    ends = []
    for sign in (1.0, -1.0):
        cost = np.zeros(len(lower))
        cost[cell] = sign
        done = linprog(cost, A_eq=relations.toarray(), b_eq=np.zeros(relations.shape[0]),
                       bounds=np.column_stack([lower, upper]), method="highs")  # fmt: skip
        ends.append(sign * done.fun if done.status == 0 else -sign * np.inf)
    return ends


def check(relations, value, risk, found, *, lower=0.0, upper=np.inf):
    """Attack by the plain programs: every value that must stay possible is."""
    low = np.where(found.suppressed, lower, value)
    high = np.where(found.suppressed, upper, value)
    for cell in np.flatnonzero(risk.risky):
        assert found.suppressed[cell]
        least, most = plain_attack(relations, low, high, cell)
        np.testing.assert_allclose([found.lower[cell], found.upper[cell]], [least, most], atol=CLOSE)
        assert least <= risk.low[cell] + CLOSE
        assert most >= risk.high[cell] - CLOSE


def test_bounds_against_enumeration():
    rng = np.random.default_rng(1)
    for _ in range(20):
        inner = rng.integers(0, 4, (2, 3)).astype(float)
        relations, value, shape = two_way(inner)
        hidden = np.zeros(shape, bool)
        hidden[:-1, :-1] = rng.random((2, 3)) < 0.7
        hidden = hidden.ravel()
        cells = np.flatnonzero(hidden)
        fits = []
        for guess in product(range(10), repeat=len(cells)) if len(cells) < 5 else ():
            trial = value.copy()
            trial[cells] = guess
            if not np.any(relations @ trial):
                fits.append(guess)
        if not fits:
            continue
        low, high = attack(relations, np.where(hidden, 0, value), np.where(hidden, 9, value), cells=cells)
        np.testing.assert_allclose(low, np.min(fits, axis=0), atol=CLOSE)
        np.testing.assert_allclose(high, np.max(fits, axis=0), atol=CLOSE)
        # A network: every whole count between the bounds belongs to some table.
        for c in range(len(cells)):
            assert {g[c] for g in fits} == set(range(round(low[c]), round(high[c]) + 1))


@pytest.mark.parametrize("threshold", [5, 20])
@pytest.mark.parametrize("seed", range(4))
def test_two_way_tables_are_safe(seed, threshold):
    rng = np.random.default_rng(seed)
    relations, value, shape = two_way(rng.poisson(np.exp(rng.normal(2.5, 1.2, (9, 5)))))
    keep = np.zeros(shape, bool)
    keep[-1] = True
    risk = count_risk(value, threshold=threshold)
    keep &= ~risk.risky.reshape(shape)
    found = suppress(relations, value, risk, lower=np.zeros(len(value)), upper=np.full(len(value), np.inf),
                     keep=keep.ravel())  # fmt: skip
    check(relations, value, risk, found)
    assert not np.any(found.suppressed & keep.ravel())
    assert found.cost == found.suppressed.sum()
    assert found.bound == pytest.approx(found.cost, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_attacker_wins_without_complementary_cells(seed):
    rng = np.random.default_rng(seed)
    inner = rng.integers(8, 60, (6, 4)).astype(float)
    inner[2, 1] = 3.0
    relations, value, _ = two_way(inner)
    risk = count_risk(value, threshold=5)
    cell = np.flatnonzero(risk.risky)
    assert len(cell) == 1
    low, high = attack(relations, np.where(risk.risky, 0, value), np.where(risk.risky, np.inf, value), cells=cell)
    np.testing.assert_allclose([low[0], high[0]], [3.0, 3.0], atol=CLOSE)
    found = suppress(relations, value, risk, lower=np.zeros(len(value)), upper=np.full(len(value), np.inf))
    check(relations, value, risk, found)
    # One cell alone takes a rectangle: three more.
    assert found.suppressed.sum() == 4


def test_fewest_cells_by_trying_all():
    rng = np.random.default_rng(5)
    for _ in range(4):
        relations, value, shape = two_way(rng.integers(0, 12, (3, 3)))
        keep = np.ones(shape, bool)
        keep[:-1, :-1] = False
        risk = count_risk(value, threshold=5)
        risk = Risk(risky=risk.risky & ~keep.ravel(), low=risk.low, high=risk.high)
        floor, roof = np.zeros(len(value)), np.full(len(value), np.inf)
        cells = np.flatnonzero(~keep.ravel())
        best = None
        for size in range(risk.risky.sum(), len(cells) + 1):
            for chosen in combinations(cells, size):
                hidden = np.isin(np.arange(len(value)), chosen)
                if not np.all(hidden[risk.risky]):
                    continue
                risky = np.flatnonzero(risk.risky)
                low, high = attack(relations, np.where(hidden, 0, value), np.where(hidden, np.inf, value), cells=risky)
                if np.all(low <= risk.low[risky] + CLOSE) and np.all(high >= risk.high[risky] - CLOSE):
                    best = size
                    break
            if best is not None:
                break
        if best is None:
            with pytest.raises(SpecificationError, match="cannot be protected"):
                suppress(relations, value, risk, lower=floor, upper=roof, keep=keep.ravel())
        else:
            found = suppress(relations, value, risk, lower=floor, upper=roof, keep=keep.ravel())
            assert found.suppressed.sum() == best


def test_hierarchy_of_regions():
    rng = np.random.default_rng(3)
    region = np.repeat([0, 1, 2], 4)
    parent = np.concatenate([12 + region, np.full(3, 15), [-1]])
    units = np.vstack([rng.integers(6, 40, (12, 2))])
    units[5, 0] = 2
    rows = np.vstack([units, [units[region == r].sum(0) for r in range(3)], units.sum(0)])
    table = np.column_stack([rows, rows.sum(1)]).astype(float)
    relations = additive_relations(parent, flat(2))
    value = table.ravel()
    assert not np.any(relations @ value)
    keep = np.zeros(table.shape, bool)
    keep[12:] = True
    risk = count_risk(value, threshold=5)
    found = suppress(relations, value, risk, lower=np.zeros(len(value)), upper=np.full(len(value), np.inf),
                     keep=keep.ravel(), weight=value)  # fmt: skip
    check(relations, value, risk, found)
    # The help comes from the same region, whose total is published.
    helpers = np.unique(np.flatnonzero(found.suppressed) // 3)
    assert np.all(region[helpers] == 1)


def test_rounded_totals_hide_what_exact_ones_give_away():
    relations = additive_relations(flat(3))
    value = np.array([3.0, 40.0, 57.0, 100.0])
    half = np.array([0, 5.0, 5.0, 5.0])
    hidden = np.array([True, False, False, False])
    exact = attack(relations, np.where(hidden, 0, value), np.where(hidden, np.inf, value), cells=np.array([0]))
    told = attack(relations, np.where(hidden, 0, np.round(value, -1) - half),
                  np.where(hidden, np.inf, np.round(value, -1) + half), cells=np.array([0]))  # fmt: skip
    np.testing.assert_allclose([b[0] for b in exact], [3, 3], atol=CLOSE)
    np.testing.assert_allclose([b[0] for b in told], [0, 15], atol=CLOSE)


def test_risk_of_counts_by_hand():
    count, size = np.array([0, 1, 4, 5, 96, 97, 100, 2.0]), np.array([100, 100, 100, 100, 100, 100, 100, 3.0])
    plain = count_risk(count, size, threshold=5)
    assert plain.risky.tolist() == [False, True, True, False, True, True, False, True]
    np.testing.assert_array_equal(plain.low[[1, 2, 4, 5, 7]], [1, 1, 96, 96, 0])
    np.testing.assert_array_equal(plain.high[[1, 2, 4, 5, 7]], [4, 4, 99, 99, 3])
    zeros = count_risk(count, size, threshold=5, zeros=True)
    assert zeros.risky[[0, 6]].all()
    assert (zeros.low[0], zeros.high[0], zeros.low[6], zeros.high[6]) == (0, 4, 96, 100)
    assert np.isnan(plain.low[0])
    assert count_risk(count, threshold=20).risky.tolist() == [False, True, True, True, False, False, False, True]


def test_dominance_by_hand():
    total = np.array([100.0, 100.0, 50.0, 100.0])
    largest = np.array([[90.0, 8.0], [60.0, 20.0], [50.0, 0.0], [25.0, 25.0]])
    percent = dominance_risk(total, largest, percent=10)
    assert percent.risky.tolist() == [True, False, True, False]
    # 10 % of 90 is 9; what is left of the cell hides 2 of it.
    np.testing.assert_allclose([percent.low[0], percent.high[0]], [93, 107])
    share = dominance_risk(total, largest, share=(1, 75.0))
    assert share.risky.tolist() == [True, False, True, False]
    np.testing.assert_allclose(share.high[0], 120.0)
    both = dominance_risk(total, largest, percent=10, share=(1, 75.0))
    np.testing.assert_allclose(both.high[0], 120.0)


@pytest.mark.parametrize("scale", [1.0, 1e8, 1e-8])
def test_costs_with_one_dominant_contributor(scale):
    rng = np.random.default_rng(4)
    inner = scale * rng.uniform(20, 80, (5, 4))
    relations, value, _ = two_way(inner)
    largest = np.column_stack([0.2 * value, 0.1 * value])
    largest[7] = value[7] * np.array([0.97, 0.02])
    risk = dominance_risk(value, largest, percent=15)
    assert np.flatnonzero(risk.risky).tolist() == [7]
    floor, roof = 0.5 * value, 1.5 * value
    found = suppress(relations, value, risk, lower=floor, upper=roof, weight=value)
    assert found.lower[7] <= risk.low[7] * (1 + CLOSE)
    assert found.upper[7] >= risk.high[7] * (1 - CLOSE)
    again = suppress(relations, value / scale, Risk(risky=risk.risky, low=risk.low / scale, high=risk.high / scale),
                     lower=floor / scale, upper=roof / scale, weight=value / scale)  # fmt: skip
    np.testing.assert_array_equal(found.suppressed, again.suppressed)


def test_large_published_numbers_do_not_drown_small_counts():
    relations = additive_relations(flat(4))
    value = np.array([2.0, 1.0, 3e8, 5e8, 8e8 + 3])
    risk = count_risk(value, threshold=3)
    hidden = risk.risky
    low, high = attack(relations, np.where(hidden, 0, value), np.where(hidden, np.inf, value), cells=np.array([0, 1]))
    np.testing.assert_allclose([low, high], [[0, 0], [3, 3]], atol=CLOSE)
    # Three cases are too few to hide one of them up to four: a large cell helps.
    risk = count_risk(value, threshold=5)
    for roof in (np.full(5, np.inf), np.full(5, 2e9)):
        found = suppress(relations, value, risk, lower=np.zeros(5), upper=roof, keep=np.arange(5) == 4, weight=value)
        assert found.suppressed.tolist() == [True, True, True, False, False]
        check(relations, value, risk, found, upper=roof[0])


def test_all_small():
    relations = additive_relations(flat(4))
    value = np.array([1.0, 1.0, 2.0, 1.0, 5.0])
    risk = count_risk(value[:-1], threshold=5)
    risk = Risk(risky=np.append(risk.risky, False), low=np.append(risk.low, 0), high=np.append(risk.high, 0))
    found = suppress(relations, value, risk, lower=np.zeros(5), upper=np.full(5, np.inf), keep=np.arange(5) == 4)
    assert found.suppressed.tolist() == [True] * 4 + [False]
    check(relations, value, risk, found)


def test_what_cannot_be_protected_is_said():
    relations = additive_relations(flat(2))
    value = np.array([1.0, 1.0, 2.0])
    small = count_risk(value, threshold=5)
    risk = Risk(risky=np.array([True, True, False]), low=small.low, high=small.high)
    roof = np.full(3, np.inf)
    with pytest.raises(SpecificationError, match="cannot be protected"):
        suppress(relations, value, risk, lower=np.zeros(3), upper=roof, keep=np.arange(3) == 2)
    with pytest.raises(SpecificationError, match="tell too much"):
        suppress(relations, value, small, lower=np.zeros(3), upper=roof, keep=np.arange(3) == 2)
    assert suppress(relations, value, small, lower=np.zeros(3), upper=roof).suppressed.all()
    with pytest.raises(DataError, match="add up"):
        suppress(relations, np.array([1.0, 1.0, 3.0]), risk, lower=np.zeros(3), upper=roof)
    with pytest.raises(DataError, match="add up"):
        attack(relations, np.array([0.0, 5.0, 3.0]), np.array([9.0, 5.0, 3.0]), cells=np.array([0]))


def test_nothing_risky_nothing_withheld():
    relations = additive_relations(flat(3))
    value = np.array([9.0, 9.0, 9.0, 27.0])
    found = suppress(relations, value, count_risk(value, threshold=5), lower=np.zeros(4), upper=np.full(4, np.inf))
    assert not found.suppressed.any()
    assert found.cost == found.bound == 0.0


def test_a_pattern_is_not_returned_unless_the_audit_passes(monkeypatch):
    relations = additive_relations(flat(3))
    value = np.array([2.0, 9.0, 30.0, 41.0])
    monkeypatch.setattr(suppression, "_cheapest", lambda table: (table.risky, 0.0))
    with pytest.raises(suppression.ConvergenceError, match="does not protect"):
        suppress(relations, value, count_risk(value, threshold=5), lower=np.zeros(4), upper=np.full(4, np.inf))


def test_permuted_cells_same_cost():
    rng = np.random.default_rng(8)
    inner = rng.poisson(np.exp(rng.normal(2.5, 1.0, (6, 5)))).astype(float)
    costs = []
    for rows in (np.arange(6), rng.permutation(6)):
        relations, value, _ = two_way(inner[rows])
        found = suppress(relations, value, count_risk(value, threshold=5), lower=np.zeros(len(value)),
                         upper=np.full(len(value), np.inf), weight=value)  # fmt: skip
        costs.append(found.cost)
    assert costs[0] == pytest.approx(costs[1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: count_risk(np.array([1.0]), threshold=1),
        lambda: dominance_risk(np.ones(1), np.ones((1, 2)) / 2),
        lambda: dominance_risk(np.ones(1), np.ones((1, 2)) / 2, percent=-1),
        lambda: dominance_risk(np.ones(1), np.ones((1, 2)) / 2, share=(1, 100.0)),
    ],
)
def test_questions_that_cannot_be_asked(call):
    with pytest.raises(SpecificationError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: count_risk(np.array([np.nan]), threshold=5),
        lambda: count_risk(np.array([6.0]), np.array([5.0]), threshold=5),
        lambda: dominance_risk(np.ones(1), np.ones((1, 2)), percent=10),
        lambda: dominance_risk(np.ones(1), np.ones((1, 1)), percent=10),
        lambda: additive_relations(np.array([1, 0])),
        lambda: additive_relations(np.array([5, -1])),
    ],
)
def test_tables_that_do_not_hold(call):
    with pytest.raises(DataError):
        call()
