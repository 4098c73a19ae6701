"""Simultaneous levels against Šidák's closed form, and bands that hold all truths at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtr

from benchmodels import SpecificationError
from benchmodels.adjustment.given import compare_expected
from benchmodels.bands import simultaneous_level
from benchmodels.comparison import Comparison, Source

SOURCE = Source(model="test", version="0", rows_read=0, rows_dropped=0, noise="test")


def comparison(estimate, noise, *, shared=0.0, df=np.inf, level=0.95):
    k = len(estimate)
    std_error = np.sqrt(noise + shared)
    return Comparison(
        unit=np.arange(k), size=np.ones(k), observed=estimate, expected=np.zeros(k), estimate=estimate,
        lower=estimate - 1.959963984540054 * std_error, upper=estimate + 1.959963984540054 * std_error, noise=noise,
        shared=np.full((k, 1), np.sqrt(shared)), core=np.ones((1, 1)), null=0.0, null_std_error=std_error,
        df=np.full(k, df), overlap=np.full(k, np.nan), withheld=np.full(k, ""), standard="indirect",
        contrast="difference", reference="all", level=level, better=None, source=SOURCE,
    )  # fmt: skip


@pytest.mark.parametrize("df", [np.inf, 4.0])
def test_independent_errors_have_the_level_of_sidak(df):
    found = simultaneous_level(comparison(np.zeros(98), np.geomspace(1e-4, 10, 98), df=df), draws=40_000)
    # The relative error of the tail: 2,000 of 40,000 draws are beyond.
    assert 1 - found == pytest.approx(1 - 0.95 ** (1 / 98), rel=4 / np.sqrt(2000))


def test_errors_that_are_nearly_one_need_no_more_than_the_level():
    found = simultaneous_level(comparison(np.zeros(30), np.full(30, 1e-9), shared=1.0), draws=40_000)
    assert 1 - found == pytest.approx(0.05, rel=0.09)


@pytest.mark.parametrize(("shared", "df"), [(0.0, np.inf), (0.3, np.inf), (0.0, 5.0), (0.3, 5.0)])
def test_band_holds_all_truths_at_once(shared, df):
    rng, noise = np.random.default_rng(3), np.geomspace(0.05, 2.0, 40)
    wide = simultaneous_level(comparison(np.zeros(40), noise, shared=shared, df=df))
    hits = []
    for _ in range(2000):
        own = noise if np.isinf(df) else noise * rng.chisquare(df, 40) / df
        error = np.sqrt(noise) * rng.normal(size=40) + np.sqrt(shared) * rng.normal()
        z = np.abs(error) / np.sqrt(own + shared)
        p = 2 * (stdtr(df, -z) if np.isfinite(df) else stdtr(1e12, -z))
        hits.append((p >= 1 - wide).all())
    hits = np.array(hits, dtype=float)
    assert abs(hits.mean() - 0.95) < 4 * hits.std() / np.sqrt(2000) + 0.005


def test_noise_drawn_where_the_units_share_a_negative_part():
    """Two units whose sum is nearly known: one error up to its sign, so no more than the level of one is needed."""
    whole = replace(comparison(np.array([0.0, 1e-3]), np.ones(2)), shared=np.ones((2, 1)), core=np.full((1, 1), -0.499))
    known = simultaneous_level(whole, draws=40_000)
    assert 1 - known == pytest.approx(0.05, rel=0.09)
    # Own noise is drawn for each unit apart, so that their statistics are no longer one.
    drawn = simultaneous_level(replace(whole, df=np.full(2, 5.0)), draws=40_000)
    assert drawn + 0.01 > 0.95**0.5 - 0.003
    assert drawn < 0.95**0.5 + 0.003


def test_intervals_of_counts_asked_at_that_level_hold_all_at_once():
    rng = np.random.default_rng(0)
    expected = np.geomspace(3, 300, 60)
    ask = {"unit": "u", "observed": "o", "expected": "e", "limits": "exact"}
    hits = []
    for _ in range(300):
        table = pd.DataFrame({"u": range(60), "o": rng.poisson(expected), "e": expected})
        at = compare_expected(table, **ask, level=simultaneous_level(compare_expected(table, **ask), draws=1000))
        hits.append(((at.lower <= 1) & (at.upper >= 1)).all())
    assert np.mean(hits) > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 300)


def test_units_without_an_uncertainty_are_left_out():
    whole = comparison(np.zeros(5), np.ones(5))
    lost = replace(whole, noise=np.array([np.nan, 1, 1, 1, 1]), withheld=np.array(["no", "", "", "", ""]))
    assert simultaneous_level(lost) == simultaneous_level(whole.take(np.arange(1, 5)))
    with pytest.raises(SpecificationError, match="no unit"):
        simultaneous_level(replace(whole, noise=np.full(5, np.nan)))
    with pytest.raises(SpecificationError, match="too few"):
        simultaneous_level(whole, draws=50)
    with pytest.raises(SpecificationError, match="share"):
        simultaneous_level(whole, level=95)


@pytest.mark.parametrize("df", [np.inf, 4.0])
def test_the_order_of_rows_does_not_count(df):
    c = comparison(np.linspace(-1, 1, 20), np.geomspace(0.1, 2.0, 20), shared=0.2, df=df)
    order = np.random.default_rng(1).permutation(20)
    found = simultaneous_level(c, draws=500)
    assert simultaneous_level(c.take(order), draws=500) == pytest.approx(found, abs=1e-12)


def test_withheld_units_are_left_out_whatever_their_noise():
    whole = comparison(np.zeros(5), np.ones(5))
    lost = replace(whole, withheld=np.array(["no", "", "", "", ""]))
    assert simultaneous_level(lost) == simultaneous_level(whole.take(np.arange(1, 5)))


def test_what_is_no_number_is_refused_in_words():
    c = comparison(np.zeros(5), np.ones(5))
    for options in ({"level": "a"}, {"draws": "a"}, {"draws": 1000.5}, {"rng": "a"}, {"level": 0}):
        with pytest.raises(SpecificationError, match=f"{next(iter(options))}="):
            simultaneous_level(c, **options)
