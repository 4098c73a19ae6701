"""φ and τ² against closed forms, a plain loop and FunnelPlotR."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import SpecificationError
from benchmodels.kernels.overdispersion import dispersion, winsorised, z_scores

FOLDER = Path(__file__).parents[1] / "reference" / "funnelplotr"
EXACT = 1e-10


def plain(deviation, s, q=0.0):
    """Spiegelhalter (2005), as loops."""
    z = [d / e for d, e in zip(deviation, s, strict=True)]
    low, high = np.quantile(z, q), np.quantile(z, 1 - q)
    z = [min(max(value, low), high) for value in z]
    n = len(z)
    phi = sum(value**2 for value in z) / n
    w = [1 / e**2 for e in s]
    tau2 = (n * phi - (n - 1)) / (sum(w) - sum(v**2 for v in w) / sum(w))
    return phi, max(0.0, tau2)


@pytest.mark.parametrize("q", [0.0, 0.1, 0.25])
def test_agrees_with_plain_loop(q):
    rng = np.random.default_rng(1)
    s = rng.uniform(0.1, 2.0, 40)
    deviation = rng.normal(0, 1, 40)
    found = dispersion(deviation, s, winsorise=q)
    phi, tau2 = plain(deviation, s, q)
    np.testing.assert_allclose([found.phi, found.tau2], [phi, tau2], rtol=EXACT)
    assert found.units == 40


def test_closed_form_with_equal_standard_errors():
    # Equal s: Σw - Σw²/Σw = (k - 1) / s², so τ² = s² (kφ - (k - 1)) / (k - 1).
    deviation, s = np.array([3.0, -3.0, 1.0, -1.0]), np.full(4, 0.5)
    found = dispersion(deviation, s)
    assert found.phi == pytest.approx(20.0, rel=EXACT)
    assert found.tau2 == pytest.approx(0.25 * (4 * 20 - 3) / 3, rel=EXACT)


def test_less_than_chance_gives_zero_and_phi_is_not_floored():
    found = dispersion(np.array([0.1, -0.1, 0.1]), np.ones(3))
    assert found.tau2 == 0.0
    assert found.phi == pytest.approx(0.01, rel=EXACT)


def test_unusable_units_carry_no_weight():
    deviation = np.array([1.0, -2.0, np.nan, 3.0, 1.0, np.inf])
    s = np.array([1.0, 0.5, 1.0, np.nan, 0.0, 1.0])
    assert dispersion(deviation, s) == dispersion(deviation[:2], s[:2])
    assert np.isnan(z_scores(deviation, s)).tolist() == [False, False, True, True, True, True]


@pytest.mark.parametrize("k", [0, 1])
def test_too_few_units(k):
    found = dispersion(np.ones(k), np.ones(k))
    assert np.isnan(found.phi)
    assert np.isnan(found.tau2)
    assert found.units == k


def test_units_of_measure_are_irrelevant():
    rng = np.random.default_rng(2)
    deviation, s = rng.normal(0, 2, 30), rng.uniform(0.5, 2, 30)
    one, other = dispersion(deviation, s), dispersion(deviation * 1e-120, s * 1e-120)
    assert other.phi == pytest.approx(one.phi, rel=EXACT)
    assert other.tau2 / 1e-240 == pytest.approx(one.tau2, rel=EXACT)


def test_winsorising():
    z = np.array([-9.0, np.nan, -1.0, 0.0, 1.0, 9.0])
    np.testing.assert_array_equal(winsorised(z, quantile=0.25), [-1.0, np.nan, -1.0, 0.0, 1.0, 1.0])
    assert winsorised(z, quantile=0.0) is z
    for wrong in (-0.1, 0.5, 1.0):
        with pytest.raises(SpecificationError, match="winsorise"):
            winsorised(z, quantile=wrong)


def test_tau_recovers_the_truth():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        s = rng.uniform(0.2, 1.0, 98)
        found.append(dispersion(rng.normal(0, np.sqrt(s**2 + 0.25)), s).tau2)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.25) < 4 * error


@pytest.mark.parametrize(
    ("key", "trim"),
    [("PR|95|trim0.1|adjusted", 0.1), ("SR|CQC|95|trim0|adjusted", 0.0), ("SR|CQC|95|trim0.1|adjusted", 0.1)],
)
def test_agrees_with_funnelplotr(key, trim):
    data = pd.read_csv(FOLDER / "syn_indicators_a.csv")
    expected = json.loads((FOLDER / "funnel.json").read_text())["results"][key]
    if key.startswith("PR"):
        y, s = np.arcsin(np.sqrt(data.n / data.denom)), 1 / (2 * np.sqrt(data.denom))
        target = np.arcsin(np.sqrt(data.n.sum() / data.denom.sum()))
    else:
        y, s, target = np.sqrt(data.observed / data.expected), 1 / (2 * np.sqrt(data.expected)), 1.0
    found = dispersion((y - target).to_numpy(), s.to_numpy(), winsorise=trim)
    np.testing.assert_allclose([found.phi, found.tau2], [expected["phi"], expected["tau2"]], rtol=EXACT)
