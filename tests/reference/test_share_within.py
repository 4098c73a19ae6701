"""Share of ordinary units within the limits, method by method: simulated counts of units that differ in practice."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.comparison import Comparison, Source
from benchmodels.flags import reference_distribution

K, DRAWS = 98, 150


def country(rng, *, practice, size=6.5, shape="normal", kind="ratio"):
    """k units of very different size whose true ratios vary by ``practice`` (relative standard deviation)."""
    cases = np.round(np.exp(rng.normal(size, 0.9, K)))
    share = rng.uniform(0.05, 0.12, K)
    if kind == "shares":
        share = np.full(K, 0.1)
    expected = cases * share
    if kind == "shares":
        odds = (1 - practice) / practice if practice else np.inf
        chance = rng.beta(0.1 * odds, 0.9 * odds, K) if practice else share
        observed = rng.binomial(cases.astype(int), chance).astype(float)
        spare = 0.9
    else:
        ratio = rng.gamma(1 / practice**2, practice**2, K) if shape == "gamma" else 1 + practice * rng.normal(size=K)
        observed = rng.poisson(expected * np.maximum(ratio, 0)).astype(float)
        spare = 1.0
    estimate, s0 = observed / expected, np.sqrt(spare / expected)
    return Comparison(
        unit=np.arange(K),
        size=cases,
        observed=observed,
        expected=expected,
        estimate=estimate,
        lower=estimate - 1.96 * s0,
        upper=estimate + 1.96 * s0,
        noise=s0**2,
        shared=np.zeros((K, 0)),
        core=np.zeros((0, 0)),
        null=1.0,
        null_std_error=s0,
        df=np.full(K, np.inf),
        overlap=np.full(K, np.nan),
        withheld=np.full(K, "", dtype=object),
        standard="indirect",
        contrast="ratio",
        reference="all",
        level=0.95,
        better=None,
        source=Source(model="m", version="0", rows_read=K, rows_dropped=0, noise="counts"),
    )


def within(rng, draws=DRAWS, *, practice, shape="normal", kind="ratio", size=6.5, **options):
    """Return the share of units within the limits, and its Monte Carlo standard error over countries."""
    found = []
    for _ in range(draws):
        c = country(rng, practice=practice, shape=shape, kind=kind, size=size)
        limits = reference_distribution(c, **options)
        found.append(np.mean((c.estimate >= limits.lower) & (c.estimate <= limits.upper)))
    return np.mean(found), np.std(found) / np.sqrt(draws)


HOLDS = [
    # Sampling noise alone.
    ({"method": "plain"}, {"practice": 0.0}),
    ({"method": "garwood"}, {"practice": 0.0}),
    ({"method": "phi"}, {"practice": 0.0}),
    ({"method": "tau"}, {"practice": 0.0}),
    ({"method": "negative_binomial"}, {"practice": 0.0}),
    ({"method": "beta_binomial"}, {"practice": 0.0, "kind": "shares"}),
    # Practice varies by a fifth.
    ({"method": "tau"}, {"practice": 0.2}),
    ({"method": "tau", "scale": "square_root"}, {"practice": 0.2}),
    ({"method": "tau", "scale": "log"}, {"practice": 0.2}),
    ({"method": "negative_binomial"}, {"practice": 0.2, "shape": "gamma"}),
    ({"method": "negative_binomial"}, {"practice": 0.5, "shape": "gamma"}),
    ({"method": "beta_binomial"}, {"practice": 0.02, "kind": "shares"}),
    ({"method": "empirical_null"}, {"practice": 0.2}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "truth"), HOLDS, ids=str)
@pytest.mark.parametrize("level", [0.95, 0.998])
def test_limits_hold_the_stated_share(options, truth, level):
    share, error = within(np.random.default_rng(11), **truth, **options, level=level)
    print(f"{options} {truth} level {level}: {share:.4f} ({error:.4f})")
    # Estimated dispersion, and the skewness of counts beside normal limits, cost up to two points at 95 %.
    assert share > level - (0.02 if level < 0.99 else 0.008) - 4 * error
    assert share < level + (0.03 if level < 0.99 else 0.002) + 4 * error


@pytest.mark.slow
@pytest.mark.parametrize("how", ["winsorise", "truncate"])
def test_trimming_as_published_holds_fewer(how):
    none, _ = within(np.random.default_rng(12), practice=0.2, method="tau", scale="log")
    share, error = within(np.random.default_rng(12), practice=0.2, method="tau", scale="log", **{how: 0.1})
    print(f"{how}: {share:.4f} ({error:.4f}); without {none:.4f}")
    assert share < none - 0.01
    assert share > {"winsorise": 0.87, "truncate": 0.77}[how]


@pytest.mark.slow
def test_plain_limits_call_ordinary_practice_unusual():
    share, _ = within(np.random.default_rng(13), practice=0.2, method="plain", size=8.5)
    print(f"plain, practice .2: {share:.4f}")
    assert share < 0.7


def test_every_method_once():
    rng = np.random.default_rng(1)
    for options in (o for o, _ in HOLDS):
        share, _ = within(
            rng,
            draws=3,
            practice=0.02 if options["method"] == "beta_binomial" else 0.0,
            kind="shares" if options["method"] == "beta_binomial" else "ratio",
            **options,
        )
        assert 0.88 < share <= 1.0, options
