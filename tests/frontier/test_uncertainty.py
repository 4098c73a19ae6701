"""A frontier's comparison with a bootstrap: the same intervals on every scale, and what is not known is withheld."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmodels import flag, rank, shrink
from benchmodels.errors import SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier.simulated import coverage_of

pytestmark = pytest.mark.filterwarnings("ignore::benchmodels.errors.BenchmodelsWarning")


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(10, 100, (n, 2))
    made = np.prod(x**0.45, axis=1) * np.exp(-np.abs(rng.normal(0, 0.3, n)))
    return pd.DataFrame({"unit": [f"Ø{i:02d}" for i in range(n)], "a": x[:, 0], "b": x[:, 1], "y": made})


def fitted(inputs=("a",), orientation="input", **options):
    return DEA(inputs=list(inputs), outputs=["y"], unit="unit", orientation=orientation, **options).fit(table())


@pytest.fixture(scope="module")
def fit():
    return fitted()


@pytest.fixture(scope="module")
def found(fit):
    return fit.bootstrap(replicates=300, rng=1)


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("kind", ["subsample", "smoothed"])
def test_ratios_are_distances(orientation, kind):
    fit = fitted(("a", "b"), orientation)
    found = fit.bootstrap(replicates=200, kind=kind, rng=1)
    comparison, told = fit.compare(bootstrap=found), found.to_frame()
    known = comparison.withheld == ""
    np.testing.assert_allclose(comparison.estimate, 1.0 / fit.efficiency, rtol=1e-12)
    np.testing.assert_allclose(1.0 / comparison.upper[known], told["lower"][known], rtol=1e-9)
    np.testing.assert_allclose(1.0 / comparison.lower[known], told["upper"][known], rtol=1e-9)
    np.testing.assert_allclose(1.0 / comparison.corrected[known], told["corrected"][known], rtol=1e-2)
    whole = known & (found.missing == 0)
    np.testing.assert_allclose(1.0 / comparison.corrected[whole], told["corrected"][whole], rtol=1e-9)
    np.testing.assert_allclose(comparison.std_error[whole], told["std_error"][whole], rtol=1e-9)
    assert comparison.replicates.shape == (200, 60) and comparison.replicate_kind == "errors"
    assert comparison.level == found.level


def test_differences_have_the_same_ends(fit, found):
    ratio, gap = (fit.compare(contrast=contrast, bootstrap=found) for contrast in ("ratio", "difference"))
    assert (gap.withheld == ratio.withheld).all() and (gap.size == 1).all()
    known = gap.withheld == ""
    for name in ("estimate", "lower", "upper"):
        of_ratio = gap.observed * (1 - 1 / getattr(ratio, name))
        np.testing.assert_allclose(getattr(gap, name)[known], of_ratio[known], rtol=1e-9, atol=1e-12)
    # Replicates are errors of the estimate itself: its basic interval.
    low, high = np.quantile(gap.replicates[:, known], [0.025, 0.975], axis=0)
    whole = (found.missing == 0)[known]
    np.testing.assert_allclose((gap.estimate[known] - high)[whole], gap.lower[known][whole], rtol=1e-2, atol=0.05)


def test_what_is_missing_is_withheld_with_a_reason():
    """A unit that makes most is within reach of no subsample without it, and never moves in those with it."""
    frame = table()
    frame.loc[0, ["a", "y"]] = [1000.0, 900.0]
    fit = DEA(inputs=["a"], outputs=["y"], unit="unit").fit(frame)
    with pytest.warns(match="no interval"):
        found = fit.bootstrap(replicates=200, subset=20, rng=1)
    comparison = fit.compare(bootstrap=found)
    assert "come nowhere near" in comparison.withheld[0]
    assert np.isnan(comparison.replicates[:, 0]).all() and np.isnan(comparison.lower[0])
    with pytest.warns(match="left out"):
        ranks = rank(comparison)
    assert np.isnan(ranks.rank[0]) and np.isfinite(ranks.rank[comparison.withheld == ""]).all()


def test_without_a_bootstrap_nothing_is_known(fit):
    comparison = fit.compare()
    assert comparison.replicates is None and comparison.coverage is None
    assert set(comparison.different) == {"withheld"}


def test_another_fit_is_refused(found):
    other = DEA(inputs=["a"], outputs=["y"], unit="unit", returns="crs").fit(table())
    with pytest.raises(SpecificationError, match="another fit"):
        other.compare(bootstrap=found)
    with pytest.raises(SpecificationError, match="another fit"):
        DEA(inputs=["a"], outputs=["y"], unit="unit").fit(table(50)).compare(bootstrap=found)


def test_uses_say_how_often_they_hold():
    fit = DEA(inputs=["a"], outputs=["y"], unit="unit").fit(table(120))
    comparison = fit.compare(bootstrap=fit.bootstrap(replicates=300, rng=1))
    cover = comparison.coverage
    assert 0.5 < cover.intervals < 0.95 and "98 units with 2 goods" in cover.simulated
    assert set(comparison.different) == {"withheld"}
    flags = flag(comparison)
    assert set(flags.unusual) == set(flags.discovery) == set(flags.practical) == {"withheld"}
    assert flags.reference is None and np.isnan(flags.z).all()
    with pytest.warns(match="left out") if (comparison.withheld != "").any() else _nothing():
        ranks, shrunken = rank(comparison), shrink(comparison)
    assert cover.of_ranks() in ranks.notes and cover.of_shrunken() in shrunken.notes
    kept = np.isfinite(ranks.rank)
    assert (ranks.upper - ranks.lower)[kept].mean() > 10
    assert np.isfinite(shrunken.shrunken[kept]).all()


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_coverage_is_that_of_tables_no_easier():
    some = coverage_of("subsample", units=150, goods=2, level=0.95)
    assert "98 units with 2 goods" in some.simulated
    more = coverage_of("subsample", units=150, goods=3, level=0.95)
    assert "98 units with 4 goods" in more.simulated
    assert "300 units with 4 goods" in coverage_of("subsample", units=5000, goods=3, level=0.95).simulated
    for unknown in (
        coverage_of("subsample", units=10, goods=2, level=0.95),
        coverage_of("subsample", units=98, goods=7, level=0.95),
        coverage_of("subsample", units=98, goods=2, level=0.9),
    ):
        assert np.isnan(unknown.intervals) and "were simulated" in unknown.simulated
        assert not unknown.reached(unknown.level)
    assert not replace(some, intervals=0.94).reached(0.95) and replace(some, intervals=0.95).reached(0.95)


def test_a_size_is_per_inhabitant():
    frame = table().assign(people=np.arange(1.0, 61))
    fit = DEA(inputs=["a"], outputs=["y"], unit="unit", size="people").fit(frame)
    found = fit.bootstrap(replicates=200, rng=1)
    gap = fit.compare(contrast="difference", bootstrap=found)
    np.testing.assert_allclose(gap.estimate, (gap.observed - gap.expected) / gap.size, rtol=1e-9, atol=1e-12)
    plain = fitted().compare(contrast="difference", bootstrap=found)
    known = gap.withheld == ""
    np.testing.assert_allclose(gap.std_error[known], (plain.std_error / gap.size)[known], rtol=1e-9)
