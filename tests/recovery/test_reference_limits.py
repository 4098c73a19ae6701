"""Ordinary units within the reference limits, and false flags among exact nulls, from cases to verdicts.

Each draw is a table of cells of 98 units with compositions of their own; expected values are estimated from it, so
that estimates are tied. Limits at given expected values are in ``tests/reference/test_share_within.py``, flags of
independent estimates in ``tests/test_flags.py``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import fsolve
from scipy.special import expit

from benchmodels import Pooled
from benchmodels.flags import flag, reference_distribution

K, BANDS, NULLS = 98, 6, 60
METHODS = {
    "plain": {"method": "plain"},
    "phi": {"method": "phi"},
    "tau": {"method": "tau"},
    "tau, log": {"method": "tau", "scale": "log"},
    "beta_binomial": {"method": "beta_binomial"},
    "negative_binomial": {"method": "negative_binomial"},
}


@cache
def country():
    """Unit, band, sex, cases and log odds under average practice of each cell; from 300 to 40,000 cases a unit."""
    rng = np.random.default_rng(20)
    size = np.exp(rng.normal(8.0, 0.9, K))
    share = rng.dirichlet(np.full(2 * BANDS, 4.0), K)
    cases = np.round(size[:, None] * share).astype(int).ravel() + 1
    unit, cell = np.repeat(np.arange(K), 2 * BANDS), np.tile(np.arange(2 * BANDS), K)
    band, sex = cell // 2, cell % 2
    return unit, band, sex, cases, -3.0 + 0.25 * band + 0.4 * sex


MODEL = Pooled("outcome ~ C(band) + sex", unit="unit", family="binomial", trials="cases")


def compared(outcome, cases, **options):
    unit, band, sex, _, _ = country()
    table = pd.DataFrame({"unit": unit, "band": band, "sex": sex, "cases": cases, "outcome": outcome})
    return MODEL.fit(table).compare(**options)


def shares_within(*, practice, draws, seed=1, level=0.95):
    """Share of units within the limits of each method, and in the thirds of the smallest and the largest units."""
    rng = np.random.default_rng(seed)
    unit, _, _, cases, eta = country()
    place = np.argsort(np.argsort(np.bincount(unit, cases))) * 3 // K
    found = {name: [] for name in METHODS}
    for _ in range(draws):
        outcome = rng.binomial(cases, expit(eta + practice * rng.normal(size=K)[unit]))
        c = compared(outcome, cases, contrast="ratio")
        for name, options in METHODS.items():
            limits = reference_distribution(c, level=level, **options)
            inside = (c.estimate >= limits.lower) & (c.estimate <= limits.upper)
            found[name].append([inside.mean(), inside[place == 0].mean(), inside[place == 2].mean()])
    return {name: (np.mean(v, axis=0), np.std(v, axis=0) / np.sqrt(draws)) for name, v in found.items()}


def judge(found, *, practice):
    for name, (share, error) in found.items():
        told = ", ".join(f"{s:.4f} ({e:.4f})" for s, e in zip(share, error, strict=True))
        print(f"practice {practice} {name}: all, smallest third, largest third {told}")
        if practice == 0.0 or name != "plain":
            # The Poisson variance of the negative binomial is too large for shares: it holds 1.8 points more.
            assert share[0] == pytest.approx(0.95, abs=0.018 + 4 * error[0]), name
        # A variance between units that does not fall with size belongs to each third alike.
        if name in ("tau", "beta_binomial", "negative_binomial") or practice == 0.0:
            np.testing.assert_allclose(share[1:], 0.95, atol=0.02 + 4 * error.max(), err_msg=name)
    if practice:
        # One factor for all is too wide for small units and too narrow for large ones.
        assert found["phi"][0][1] > 0.96
        assert found["phi"][0][2] < 0.94
        assert found["plain"][0][0] < 0.85


def test_limits_once():
    judge(shares_within(practice=0.25, draws=10), practice=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("practice", [0.0, 0.1, 0.25])
def test_limits_hold_ordinary_units(practice):
    judge(shares_within(practice=practice, draws=500), practice=practice)


@cache
def practice_with_exact_nulls():
    """Log odds of each cell: 60 units exactly as expected, 38 that are not and leave the average where it is."""
    rng = np.random.default_rng(21)
    unit, band, sex, cases, eta = country()
    bad = rng.permutation(K)[NULLS:]
    columns = np.column_stack([*(band == b for b in range(BANDS)), sex]).astype(float)
    own = np.array([np.average(columns[unit == i], axis=0, weights=cases[unit == i]) for i in bad])
    drawn = rng.choice([-1, 1], len(bad)) * (0.08 + rng.exponential(0.25, len(bad)))

    def logits(c):
        effect = np.zeros(K)
        effect[bad] = drawn + own @ c
        return eta + effect[unit]

    def score(c):
        return columns.T @ (cases * (expit(logits(c)) - expit(eta))) / 1000.0

    answer, _, found, _ = fsolve(score, np.zeros(columns.shape[1]), full_output=True)
    assert found == 1
    return logits(answer), np.setdiff1d(np.arange(K), bad)


ASKED = [(margin, rate) for margin in (0.0, 0.05) for rate in (0.05, 0.1, 0.2)]


def judge_verdicts(*, draws, seed=2):
    """Judge plain flags, and discoveries at each margin and rate: false ones, on the wrong side, and true ones."""
    rng = np.random.default_rng(seed)
    logits, nulls = practice_with_exact_nulls()
    cases, p = country()[3], expit(logits)
    truth = compared(np.round(1e6 * cases * p), 1e6 * cases, contrast="ratio").estimate - 1.0
    np.testing.assert_allclose(truth[nulls], 0.0, atol=1e-4)
    truth[nulls] = 0.0
    plain, discoveries = [], []
    for _ in range(draws):
        c = compared(rng.binomial(cases, p), cases, contrast="ratio")
        rows = []
        for margin, rate in ASKED:
            found = flag(c, margin=margin, false_discovery_rate=rate)
            side = (found.discovery == "above") * 1.0 - (found.discovery == "below")
            right = side * np.where(np.abs(truth) > margin, np.sign(truth), 0.0)
            many = max(1.0, np.abs(side).sum())
            rows.append([((side != 0) & (right <= 0)).sum() / many, (right < 0).sum() / many, (right > 0).sum()])
        discoveries.append(rows)
        plain.append([np.isin(found.different[nulls], ["above", "below"]).sum(), found.expected_false])
    (flags, told), (flags_error, told_error) = np.mean(plain, axis=0), np.std(plain, axis=0) / np.sqrt(draws)
    print(f"false flags of {NULLS}: {flags:.3f} ({flags_error:.3f}), told {told:.3f} ({told_error:.3f})")
    assert flags == pytest.approx(3.0, abs=0.2 + 4 * flags_error)
    # The bound expects at least as many as there are.
    assert 3.0 - 4 * told_error < told < 4.9
    mean, error = np.mean(discoveries, axis=0), np.std(discoveries, axis=0) / np.sqrt(draws)
    for (margin, rate), (false, wrong, right), spread in zip(ASKED, mean, error[:, 0], strict=True):
        beyond = (np.abs(truth) > margin).sum()
        print(f"margin {margin} rate {rate}: false {false:.4f} ({spread:.4f}), wrong side {wrong:.4f}", end=", ")
        print(f"{right:.1f} of {beyond} found")
        assert false <= rate + 4 * spread
        assert wrong < 0.02
        assert right > 0.2 * beyond


def test_flags_once():
    judge_verdicts(draws=10)


@pytest.mark.slow
def test_false_flags_and_false_discoveries():
    judge_verdicts(draws=500)
