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
    whole = known & (found.missing == 0)
    truths = found.delta[whole] - found.errors[:, whole]
    np.testing.assert_allclose(
        gap.estimate[whole] - gap.replicates[:, whole], gap.observed[whole] * (1 - 1 / truths), rtol=1e-9, atol=1e-9
    )
    assert whole.sum() > 40


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
    with pytest.raises(SpecificationError, match="not of this fit"):
        other.compare(bootstrap=found)
    with pytest.raises(SpecificationError, match="not of this fit"):
        other.compare(bootstrap="found")
    with pytest.raises(SpecificationError, match="not of this fit"):
        DEA(inputs=["a"], outputs=["y"], unit="unit").fit(table(50)).compare(bootstrap=found)


def test_uses_say_how_often_they_hold():
    fit = DEA(inputs=["a"], outputs=["y"], unit="unit").fit(table(98))
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


def asked(kind="subsample", units=98, goods=2, returns="vrs", orientation="input", level=0.95):
    return coverage_of(kind, units=units, goods=goods, returns=returns, orientation=orientation, level=level)


def test_coverage_is_the_least_of_the_tables_beside():
    assert "98 units with 2 goods" in asked().simulated
    among = asked(units=150, goods=3)
    assert "98–300 units with 2–4 goods" in among.simulated
    some = [asked(units=n, goods=goods) for n in (98, 300) for goods in (2, 4)]
    for name in ("intervals", "ranks", "all_ranks", "shrunken"):
        assert getattr(among, name) == min(getattr(each, name) for each in some), name


@pytest.mark.parametrize(
    "beyond",
    [{"units": 39}, {"units": 301}, {"goods": 7}, {"level": 0.9}, {"kind": "subsample, not by its own rule"},
     {"returns": "drs"}, {"returns": "crs", "orientation": "output"}, {"returns": "crs", "units": 150}],
)  # fmt: skip
def test_beyond_them_it_is_not_known(beyond):
    unknown = asked(**beyond)
    assert np.isnan(unknown.intervals) and "were simulated" in unknown.simulated
    assert not unknown.reached(unknown.level)


def test_a_level_is_reached_to_half_a_hundredth():
    some = asked()
    assert not replace(some, intervals=0.9449).reached(0.95) and replace(some, intervals=0.9451).reached(0.95)


def test_coverage_is_of_the_rule_that_was_simulated():
    fit = DEA(inputs=["a"], outputs=["y"], unit="unit").fit(table(98))
    for options in ({"subset": 50}, {"kind": "smoothed", "bandwidth": 0.01}):
        found = fit.bootstrap(replicates=100, rng=1, **options)
        assert np.isnan(fit.compare(bootstrap=found).coverage.intervals), options
    smoothed = fit.bootstrap(replicates=100, rng=1, kind="smoothed", bandwidth="silverman")
    assert np.isfinite(fit.compare(bootstrap=smoothed).coverage.intervals)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_what_is_withheld_does_not_depend_on_units_of_measure(scale):
    """A unit that is answered only by subsamples that hold it has the same answer always: its error is not known."""
    frame = table(40)
    some = DEA(inputs=["a"], outputs=["y"], unit="unit").fit(frame)
    other = DEA(inputs=["a"], outputs=["y"], unit="unit").fit(frame.assign(a=frame["a"] * scale))
    found, scaled = (each.bootstrap(replicates=200, subset=25, rng=1) for each in (some, other))
    one = some.compare(contrast="difference", bootstrap=found)
    two = other.compare(contrast="difference", bootstrap=scaled)
    assert one.withheld.tolist() == two.withheld.tolist() == found.withheld.tolist()
    assert any("tells nothing of its error" in why for why in one.withheld) and (one.withheld == "").mean() > 0.8
    np.testing.assert_allclose(two.std_error, one.std_error * scale, rtol=1e-6)
    told = found.to_frame()[found.withheld != ""]
    assert told[["corrected", "lower", "upper", "bias", "std_error", "ratio"]].isna().all(axis=None)
    assert not told["advised"].any()
    targets = found.targets()
    assert targets.loc[targets["unit"].isin(told["unit"]) & (targets["part"] == "input"), "lower"].isna().all()


def test_a_size_is_per_inhabitant():
    frame = table().assign(people=np.arange(1.0, 61))
    fit = DEA(inputs=["a"], outputs=["y"], unit="unit", size="people").fit(frame)
    found = fit.bootstrap(replicates=200, rng=1)
    gap = fit.compare(contrast="difference", bootstrap=found)
    np.testing.assert_allclose(gap.estimate, (gap.observed - gap.expected) / gap.size, rtol=1e-9, atol=1e-12)
    plain = fitted().compare(contrast="difference", bootstrap=found)
    known = gap.withheld == ""
    np.testing.assert_allclose(gap.std_error[known], (plain.std_error / gap.size)[known], rtol=1e-9)
