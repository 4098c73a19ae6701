"""Every number that is kept of csranks 1.2.3 on ties and on counts: which are defined alike, and how the rest differ.

Ties. A rank here is one more than the number of units above (``irank`` with omega 0); the other ranks of a tied unit,
which its set must hold too, run to k less the number of units below (omega 1).

Counts. `csranks_multinom` tests every pair by the binomial distribution of one count given the sum of the two, with
Holm's correction (Bazylik, Mogstad, Romano, Shaikh, Wilhelm 2024, arXiv 2402.00192): exact for any size.
`confidence_sets` takes estimates with a normal error and the critical value of their joint distribution: closer, and
for large counts. So its sets lie within those of the package here, a bound by one rank at most. In the package a
marginal set has the same bounds with "Bonferroni" as with "Holm", and they are Holm's.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from benchmodels.kernels.rank_sets import confidence_sets, min_rank

KEPT = json.loads((Path(__file__).parent / "csranks" / "csranks_ties_multinomial.json").read_text())
COUNTS = np.array(KEPT["multinomial"]["counts"])
SETS = {key: value for key, value in KEPT["multinomial"].items() if key != "counts"}


def test_every_rank_of_tied_values():
    kept = KEPT["ties"]
    x = np.array(kept["x"], dtype=float)
    first, last = min_rank(x), len(x) + 1 - min_rank(-x)
    np.testing.assert_array_equal(first, kept["irank_omega0"])
    np.testing.assert_array_equal(last, kept["irank_omega1"])
    np.testing.assert_array_equal((first + last) / 2, kept["irank_omega05"])
    np.testing.assert_array_equal((first + last) / 2 / len(x), kept["frank_omega05"])
    np.testing.assert_array_equal(min_rank(-x), kept["irank_increasing"])


def test_without_noise_the_sets_of_tied_values_are_their_ranks():
    kept = KEPT["ties"]
    sets = confidence_sets(np.array(kept["x"], dtype=float), 1e-12 * np.eye(8), rng=np.random.default_rng(0))
    for prefix in ("", "simultaneous_"):
        np.testing.assert_array_equal(getattr(sets, prefix + "lower"), kept["irank_omega0"])
        np.testing.assert_array_equal(getattr(sets, prefix + "upper"), kept["irank_omega1"])


def exact(side, family, steps):
    """Rank sets by binomial tests of pairs; the oracle of the package's definition, and of the containment below."""
    k = len(COUNTS)
    pairs = [(j, r) for j in range(k) for r in range(k) if j != r]
    p = {(j, r): binom.sf(COUNTS[j] - 1, COUNTS[j] + COUNTS[r], 0.5) for j, r in pairs}  # of j is not above r
    lower, upper = [1] * k, [k] * k
    for unit in range(k):
        asked = pairs
        if family == "marginal":
            asked = [(j, r) for j, r in pairs if (unit == j and side != "lower") or (unit == r and side != "upper")]
        rejected = set()
        for place, pair in enumerate(sorted(asked, key=p.__getitem__)):
            if p[pair] > 0.05 / (len(asked) - place * steps):
                break
            rejected.add(pair)
        if side != "upper":
            lower[unit] += sum((r, unit) in rejected for r in range(k))
        if side != "lower":
            upper[unit] -= sum((unit, r) in rejected for r in range(k))
    return lower, upper


@pytest.mark.parametrize("key", SETS)
def test_counts(key):
    side, family, correction = key.split("|")
    kept = np.array([SETS[key]["L"], SETS[key]["U"]])
    steps = correction == "Holm" or family == "marginal"
    np.testing.assert_array_equal(exact(side, family, steps), kept)

    share = COUNTS / COUNTS.sum()
    covariance = (np.diag(share) - np.outer(share, share)) / COUNTS.sum()  # singular: shares sum to one
    ours = "both" if side == "two-sided" else side
    sets = confidence_sets(share, covariance, side=ours, rng=np.random.default_rng(0))
    prefix = "simultaneous_" if family == "simul" else ""
    lower, upper = getattr(sets, prefix + "lower"), getattr(sets, prefix + "upper")
    assert (lower >= kept[0]).all()
    assert (upper <= kept[1]).all()
    assert max(np.abs(lower - kept[0]).max(), np.abs(upper - kept[1]).max()) <= 1


def test_the_package_ignores_bonferroni_for_one_unit():
    for side in ("two-sided", "lower", "upper"):
        assert SETS[f"{side}|marginal|Bonferroni"] == SETS[f"{side}|marginal|Holm"]
    assert np.not_equal(exact("lower", "marginal", False)[0], SETS["lower|marginal|Bonferroni"]["L"]).any()
