"""Design weights: estimates of the population, errors of the sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, Pooled, RandomEffects, SpecificationError
from tests import plain


def survey(seed=0, n=1500, k=8):
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, k, n)
    x, group = rng.integers(-2, 3, n), rng.choice(list("ab"), n)
    eta = -0.7 + 0.4 * x + 0.3 * (group == "b") + 0.3 * rng.normal(size=k)[unit]
    # Those with an event were drawn more often.
    y = (rng.random(n) < plain.mean("binomial", eta)).astype(int)
    weight = np.where(y, 1.0, 2.5) * rng.uniform(0.5, 2, n)
    return pd.DataFrame({"unit": [f"u{i}" for i in unit], "x": x, "g": group, "y": y, "w": weight})


def asked(model=Pooled, **more):
    return model("y ~ x + g", unit="unit", sampling_weights="w", **more)


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
def test_estimates_and_errors_are_those_of_weighted_scores(family):
    data = survey()
    fit = asked(family=family).fit(data)
    dense = np.column_stack([np.ones(len(data)), data["x"], data["g"] == "b"]).astype(float)
    w, y = data["w"].to_numpy(), data["y"].to_numpy(float)
    beta = plain.dense_fit(family, dense, w * y, w, np.zeros(len(y)))
    names = ["level", "x", "g[T.b]"]
    frame = fit.coefficients(covariance="HC0").set_index("name").loc[names]
    np.testing.assert_allclose(frame["estimate"], beta, rtol=1e-8)
    mu = plain.mean(family, dense @ beta)
    bread = np.linalg.inv((dense * (w * plain.weight(family, dense @ beta))[:, None]).T @ dense)
    sandwich = bread @ (dense * ((w * (y - mu)) ** 2)[:, None]).T @ dense @ bread
    np.testing.assert_allclose(frame["std_error"] ** 2, sandwich.diagonal(), rtol=1e-8)


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
@pytest.mark.parametrize("standard", ["indirect", "direct"])
def test_equal_weights_change_nothing_and_their_scale_does_not_matter(family, standard):
    data = survey()
    plainly = Pooled("y ~ x + g", unit="unit", family=family).fit(data).compare(standard=standard)
    one = asked(family=family).fit(data.assign(w=1.0)).compare(standard=standard)
    np.testing.assert_allclose(one.lower, plainly.lower, rtol=1e-10)
    first, second = (asked(family=family).fit(data.assign(w=c * data["w"])).compare(standard=standard) for c in (1, 40))
    for name in ("estimate", "std_error", "lower", "upper", "null_std_error"):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-8, atol=1e-12)


def test_weights_are_not_frequencies():
    """Three times the weight is no more cases; three times the frequency is."""
    data = survey().assign(w=3, f=3)
    weighted = asked().fit(data).compare()
    counted = Pooled("y ~ x + g", unit="unit", frequency="f").fit(data).compare()
    np.testing.assert_allclose(weighted.estimate, counted.estimate, rtol=1e-8)
    np.testing.assert_allclose(weighted.std_error / counted.std_error, np.sqrt(3), rtol=0.02)


def test_a_units_interval_covers_its_population():
    """A finite population with fixed practice, sampled by outcome; the target is the population's own contrast."""
    rng = np.random.default_rng(5)
    people = survey(3, n=40_000)
    truth = Pooled("y ~ x + g", unit="unit").fit(people).compare(contrast="ratio").estimate
    chance = np.where(people["y"] == 1, 0.10, 0.04)
    hits = []
    for _ in range(120):
        drawn = people[rng.random(len(people)) < chance]
        data = drawn.assign(w=1.0 / chance[drawn.index])
        c = asked().fit(data).compare(contrast="ratio")
        hits.append((c.lower <= truth) & (truth <= c.upper))
    each = np.array(hits).mean(axis=1)
    # Sampling 6 per cent without replacement makes intervals a hair too long.
    assert abs(each.mean() - 0.95) < 4 * each.std(ddof=1) / np.sqrt(len(each)) + 0.005


def test_what_weights_do_not_go_with():
    data = survey()
    with pytest.raises(SpecificationError, match="takes sampling weights for cases; use 'HC1'"):
        asked().fit(data).coefficients()
    with pytest.raises(SpecificationError, match="sampling_weights do not go with RandomEffects"):
        asked(RandomEffects).fit(data)
    with pytest.raises(SpecificationError, match="sampling_weights do not go with penalty"):
        asked(FixedEffects, penalty="firth").fit(data)
