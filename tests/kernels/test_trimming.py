"""Trimming of extreme units against the published rules, plainly."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.kernels.overdispersion import dispersion
from benchmodels.kernels.trimming import drawn_in, trimmed, truncated


def test_one_sided_winsorising():
    z = np.array([-9.0, -1.0, 0.0, 1.0, 9.0])
    np.testing.assert_array_equal(drawn_in(z, quantile=0.25, sides="low"), [-1.0, -1.0, 0.0, 1.0, 9.0])
    np.testing.assert_array_equal(drawn_in(z, quantile=0.25, sides="high"), [-9.0, -1.0, 0.0, 1.0, 1.0])
    with pytest.raises(SpecificationError, match="sides='up'"):
        drawn_in(z, quantile=0.25, sides="up")


@pytest.mark.parametrize("k", [5, 9, 19, 98, 99])
@pytest.mark.parametrize("share", [0.1, 0.25])
def test_truncation_by_tenths_of_rank(k, share):
    # The published rule in words: groups floor(rank / (share (k + 1))); the first and the last are dropped.
    z = np.random.default_rng(k).normal(size=k)
    rank = z.argsort().argsort() + 1
    group = np.floor(np.round(rank / (k + 1) / share, 9))
    both = (group == 0) | (group == round(1 / share) - 1)
    np.testing.assert_array_equal(np.isnan(truncated(z, share=share)), both)
    np.testing.assert_array_equal(np.isnan(truncated(z, share=share, sides="low")), group == 0)
    np.testing.assert_array_equal(np.isnan(truncated(z, share=share, sides="high")), both & (group > 0))


def test_truncation_passes_over_what_is_missing_and_keeps_ties_together():
    z = np.array([np.nan, 3.0, 1.0, 1.0, 2.0, np.inf, -2.0])
    found = truncated(z, share=0.2)
    np.testing.assert_array_equal(np.isnan(found), [True, True, False, False, False, False, True])
    assert truncated(z, share=0.0) is z
    np.testing.assert_array_equal(truncated(np.ones(9), share=0.1), np.ones(9))


def test_truncated_units_are_out_of_the_weights_too():
    rng = np.random.default_rng(6)
    deviation, s = rng.normal(0, 2, 40), rng.uniform(0.2, 2.0, 40)
    kept = np.isfinite(truncated(deviation / s, share=0.1))
    assert dispersion(trimmed(deviation, s, truncate=0.1), s) == dispersion(deviation[kept], s[kept])
    assert kept.sum() < 40
    with pytest.raises(SpecificationError, match="one of them"):
        trimmed(deviation, s, truncate=0.1, winsorise=0.1)


def test_what_trimming_takes_from_noise_alone():
    rng = np.random.default_rng(7)
    z = rng.normal(size=200_000)
    ones = np.ones_like(z)
    assert dispersion(trimmed(z, ones, winsorise=0.1), ones).phi == pytest.approx(0.675, abs=0.01)
    assert dispersion(trimmed(z, ones, truncate=0.1), ones).phi == pytest.approx(0.438, abs=0.01)
