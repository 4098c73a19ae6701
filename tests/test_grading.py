"""Posterior ranks and report cards from means and spreads or from draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
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


def test_what_is_not_finite_is_refused_and_never_graded():
    draws = np.random.default_rng(0).normal(MEAN, 1.0, size=(50, 4))
    draws[3, 1] = np.nan
    for rest in ({"draws": draws}, {"mean": draws[3], "covariance": VARIANCE}, {"mean": MEAN, "covariance": draws[3]}):
        with pytest.raises(DataError, match="leave out units"):
            Posterior(unit=UNITS, **rest)
    with pytest.raises(DataError, match="no rows"):
        Posterior(unit=UNITS, draws=np.zeros((0, 4)))
    with pytest.raises(DataError, match="below zero"):
        Posterior(unit=UNITS, mean=MEAN, covariance=np.array([2.0, 3.0, -1.0, 4.0]))
    with pytest.raises(DataError, match="no number"):
        Posterior(unit=UNITS, mean=["a", "b", "c", "d"], covariance=VARIANCE)


def test_lists_and_series_are_taken():
    listed = Posterior(unit=UNITS.tolist(), mean=pd.Series(MEAN, index=UNITS), covariance=VARIANCE.tolist())
    assert report_card(listed).to_frame().grade.tolist() == [3, 3, 2, 1]


def test_options_that_are_none_are_refused_in_words():
    normal = Posterior(unit=UNITS, mean=MEAN, covariance=VARIANCE)
    for options in ({"tau": 2.5}, {"tau": "2"}, {"tau": 5}, {"threshold": "a"}, {"draws": 0}, {"rng": "a"}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            expected_ranks(normal, **({"tau": 2} | options))
    for options in ({"concordance_value": "a"}, {"time_limit": None}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            report_card(normal, **options)
    with pytest.raises(SpecificationError, match="better='up'"):
        Posterior(unit=UNITS, mean=MEAN, covariance=VARIANCE, better="up")


@pytest.mark.parametrize("dense", [False, True])
def test_the_order_of_units_does_not_count(dense):
    covariance = np.diag(VARIANCE) + 0.05 if dense else VARIANCE
    order = np.array([2, 0, 3, 1])
    moved = covariance[np.ix_(order, order)] if dense else covariance[order]
    found = expected_ranks(Posterior(unit=UNITS, mean=MEAN, covariance=covariance), tau=2, draws=500)
    again = expected_ranks(Posterior(unit=UNITS[order], mean=MEAN[order], covariance=moved), tau=2, draws=500)
    pd.testing.assert_frame_equal(again, found.iloc[order].reset_index(drop=True), check_exact=False, rtol=1e-9)
    # The draws have the covariance asked for, each in its own place.
    drawn = Posterior(unit=UNITS[order], mean=MEAN[order], covariance=moved).sample(draws=40_000)
    np.testing.assert_allclose(np.cov(drawn.T), moved if dense else np.diag(moved), atol=0.01)


def test_equal_posteriors_are_told_apart_by_their_labels():
    order = np.array([1, 3, 2, 0])
    found, again = (
        expected_ranks(Posterior(unit=units, mean=np.zeros(4), covariance=np.ones(4)), tau=1, draws=300)
        for units in (UNITS, UNITS[order])
    )
    assert found["first"].iloc[order].tolist() == again["first"].tolist()
