"""Posterior ranks and report cards from means and spreads or from draws."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.errors import DataError, SpecificationError
from benchmodels.grading import Posterior, expected_ranks, report_card

UNITS = np.array(["Ærø", "Læsø", "Fanø", "Samsø"], dtype=object)
MEAN, VARIANCE = np.array([0.0, 0.1, 2.0, 4.0]), np.array([0.2, 0.3, 0.1, 0.2])


def test_table_of_expected_ranks():
    frame = expected_ranks(Posterior(unit=UNITS, mean=MEAN, covariance=VARIANCE), tau=2, threshold=1.0)
    columns = ["unit", "expected", "percentile", "rank", "first", "among", "among_rank", "exceeds"]
    assert list(frame.columns) == columns
    assert frame["rank"].tolist() == [4, 3, 2, 1]
    assert frame.exceeds.iloc[3] > 0.99


def test_low_is_high_of_the_negative():
    low = Posterior(unit=UNITS, mean=MEAN, covariance=np.diag(VARIANCE), better="low")
    high = Posterior(unit=UNITS, mean=-MEAN, covariance=VARIANCE)
    np.testing.assert_allclose(low.above(), high.above(), atol=1e-15)
    assert expected_ranks(low, tau=1)["rank"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(report_card(low).found.grade, report_card(high).found.grade)


def test_draws_and_normal_agree():
    normal = Posterior(unit=UNITS, mean=MEAN, covariance=VARIANCE)
    drawn = Posterior(unit=UNITS, draws=normal.sample(draws=20_000, rng=1))
    np.testing.assert_allclose(drawn.above(), normal.above(), atol=0.015)
    card = report_card(drawn)
    assert card.to_frame().grade.tolist() == [3, 3, 2, 1]
    assert "3 grades of 4 units" in repr(card)
    assert "optimal" in repr(card)


def test_refusals():
    with pytest.raises(SpecificationError, match="either"):
        Posterior(unit=UNITS)
    with pytest.raises(SpecificationError, match="either"):
        Posterior(unit=UNITS, mean=MEAN)
    with pytest.raises(DataError, match="shape"):
        Posterior(unit=UNITS, mean=MEAN, covariance=np.ones(3))
    with pytest.raises(DataError, match="column"):
        Posterior(unit=UNITS, draws=np.zeros((5, 3)))
