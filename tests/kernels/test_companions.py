"""All tables of small units are withheld from, and what looks the same is held together: no count drops out."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.kernels.companions import LEAST, sum_bounds, with_companions, with_large_companions
from benchmodels.kernels.disclosure_risk import count_risk, dominance_risk
from benchmodels.kernels.suppression import additive_relations, attack


def narrowed(size, threshold, *, zeros, choose=with_companions):
    """Return how many withheld risky counts there are in all tables, and how many of them lose a possible value.

    The attacker knows sizes, published counts, the sum of the others and the rule; tables that look alike to him are
    those with the same units withheld.
    """
    size = np.asarray(size, float)
    order = np.argsort(size, kind="stable")
    alike = defaultdict(list)
    for table in itertools.product(*[range(int(s) + 1) for s in size]):
        count = np.array(table, float)
        risk = count_risk(count, size, threshold=threshold, zeros=zeros)
        if not risk.risky.any():
            continue
        try:
            withheld = choose(count, size, risk, order=order, threshold=threshold)
        except SpecificationError:
            continue
        alike[withheld.tobytes(), count[~withheld].tobytes(), count[withheld].sum()].append((count, risk))
    risky = lost = 0
    for tables in alike.values():
        values = [set(column) for column in np.array([count for count, _ in tables]).T]
        for _, risk in tables:
            for i in np.flatnonzero(risk.risky):
                risky += 1
                lost += not values[i].issuperset(np.arange(risk.low[i], risk.high[i] + 1))
    return risky, lost


SMALL = [((8, 9, 10, 11), 2), ((2, 2, 6, 7, 8), 2), ((8, 9, 10, 12), 3), ((4, 5, 6, 7), 2)]
LARGE = [((12, 13, 14, 15), 4), ((2, 6, 7, 8, 9), 2), ((3, 4, 8, 9, 10), 3), ((1, 7, 8, 9, 10), 2)]


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(
    ("size", "threshold"), [*SMALL, *(pytest.param(*case, marks=pytest.mark.slow) for case in LARGE)]
)
def test_no_count_drops_out_of_what_looks_alike(size, threshold, zeros):
    risky, lost = narrowed(size, threshold, zeros=zeros)
    assert risky > 600
    assert lost == 0


def test_the_fewest_companions_would_tell():
    """One companion, which withstands addition and subtraction, does not withstand knowledge of the rule."""

    def one(count, size, risk, *, order, threshold):
        fit = (count >= threshold) & (size - count >= threshold) & ~risk.risky
        withheld = risk.risky.copy()
        withheld[order[fit[order]][:1]] = True
        return withheld

    risky, lost = narrowed((8, 9, 10, 11), 3, zeros=False, choose=one)
    assert lost > 0.05 * risky


def bounded(count, size, withheld, known=()):
    """Bounds by linear programming, where some withheld units tell their own count."""
    k = len(count)
    open_ = withheld & ~np.isin(np.arange(k), known)
    low, high = (
        np.append(np.where(open_, 0.0, count), count.sum()),
        np.append(np.where(open_, size, count), count.sum()),
    )
    return attack(additive_relations(np.append(np.full(k, k), -1)), low, high, cells=np.flatnonzero(open_))


@pytest.mark.parametrize("threshold", [5, 20])
def test_bounds_and_a_single_unit_that_tells_its_count(threshold):
    rng = np.random.default_rng(threshold)
    for _ in range(20):
        size = np.round(np.exp(rng.normal(6.0, 1.0, 98))) + 2 * threshold
        count = rng.binomial(size.astype(int), 0.05).astype(float)
        risk = count_risk(count, size, threshold=threshold)
        withheld = with_companions(count, size, risk, order=np.argsort(size), threshold=threshold)
        assert withheld.sum() >= risk.risky.sum() + LEAST * risk.risky.any()
        low, high = sum_bounds(count, size, withheld)
        hidden = np.flatnonzero(withheld)
        if not len(hidden):
            continue
        by_program = bounded(count, size, withheld)
        np.testing.assert_allclose(low[hidden], by_program[0], atol=1e-6)
        np.testing.assert_allclose(high[hidden], by_program[1], atol=1e-6)
        insider = int(hidden[rng.integers(len(hidden))])
        least, most = bounded(count, size, withheld, known=(insider,))
        rest = hidden[hidden != insider]
        assert np.all(most - least > 0)
        risky = risk.risky[rest]
        assert np.all((least <= risk.low[rest] + 1e-6)[risky] & (most >= risk.high[rest] - 1e-6)[risky])


def test_third_companion_where_two_have_the_fewest_cases():
    count, size = np.array([1.0, 5.0, 5.0, 5.0, 50.0]), np.array([50.0, 60.0, 70.0, 80.0, 500.0])
    risk = count_risk(count, size, threshold=5)
    withheld = with_companions(count, size, risk, order=np.arange(5), threshold=5)
    assert withheld.tolist() == [True, True, True, True, False]
    count[1] = 30.0
    risk = count_risk(count, size, threshold=5)
    assert with_companions(count, size, risk, order=np.arange(5), threshold=5).sum() == 3


def test_unbounded_counts():
    count, size = np.array([1.0, 30.0, 40.0, 50.0]), np.full(4, np.inf)
    risk = count_risk(count, None, threshold=5)
    withheld = with_companions(count, size, risk, order=np.arange(4), threshold=5)
    assert withheld.tolist() == [True, True, True, False]
    assert sum_bounds(count, size, withheld)[1].tolist() == [71.0, 71.0, 71.0, 50.0]


@pytest.mark.parametrize("count", [[3.0], [1.0, 40.0], [2.0, 40.0, 0.0, 0.0]])
def test_too_few_companions(count):
    count = np.array(count)
    risk = count_risk(count, np.full(len(count), 100.0), threshold=5)
    with pytest.raises(SpecificationError, match="others have at least 5 cases"):
        with_companions(count, np.full(len(count), 100.0), risk, order=np.arange(len(count)), threshold=5)


def test_amounts_are_left_open_by_what_the_rule_asks():
    total = np.array([100.0, 1.0, 2.0, 60.0, 80.0])
    largest = np.array([[95.0, 4.0], [0.2, 0.1], [0.4, 0.1], [10, 10], [10, 10]])
    risk = dominance_risk(total, largest, percent=10)
    assert risk.risky.tolist() == [True, False, False, False, False]
    # 10 % of 95 less the 1 that is left: 8.5 are wanted, and the two smallest together hold 3.
    withheld = with_large_companions(total, risk, order=np.arange(5))
    assert withheld.tolist() == [True, True, True, True, False]
    with pytest.raises(SpecificationError, match="too small to hide"):
        with_large_companions(total[:3], dominance_risk(total[:3], largest[:3], percent=10), order=np.arange(3))
