"""Digits of standard errors where columns are far from zero and close to each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels.adjustment import FixedEffects, Pooled
from benchmodels.adjustment import coefficients as module

# Statistical Reference Datasets of the National Institute of Standards and Technology, Longley: certified values.
CERTIFIED = {
    "level": (-3482258.63459582, 890420.383607373),
    "GNPDEFL": (15.0618722713733, 84.9149257747669),
    "GNP": (-0.358191792925910e-01, 0.334910077722432e-01),
    "UNEMP": (-2.02022980381683, 0.488399681651699),
    "ARMED": (-1.03322686717359, 0.214274163161675),
    "POP": (-0.511041056535807e-01, 0.226073200069370),
    "YEAR": (1829.15146461355, 455.478499142212),
}


def test_longley_as_certified():
    data = pytest.importorskip("statsmodels.datasets.longley").load_pandas().data
    data["row"] = np.arange(16).astype(str)
    formula = "TOTEMP ~ GNPDEFL + GNP + UNEMP + ARMED + POP + YEAR"
    fit = Pooled(formula, unit="row", family="gaussian").fit(data)
    table = fit.coefficients().set_index("name")
    for name, (estimate, error) in CERTIFIED.items():
        np.testing.assert_allclose(table.loc[name, "estimate"], estimate, rtol=2e-11, err_msg=name)
        np.testing.assert_allclose(table.loc[name, "std_error"], error, rtol=5e-12, err_msg=name)
    np.testing.assert_allclose(np.sqrt(fit.dispersion), 304.854073561965, rtol=5e-12)


def made(*, family: str, shift: float, apart: float, seed: int = 0) -> pd.DataFrame:
    """Two columns that differ by ``apart`` of their spread, ``shift`` spreads from zero."""
    rng = np.random.default_rng(seed)
    n = 400
    unit = np.repeat(np.arange(8), n // 8)
    x = np.round(rng.normal(size=n) * 2**20) / 2**20
    z = x + np.round(apart * rng.normal(size=n) * 2**30) / 2**30
    eta = 0.3 * x + 0.1 * rng.normal(size=8)[unit]
    outcome = {
        "gaussian": lambda: eta + rng.normal(size=n),
        "poisson": lambda: rng.poisson(np.exp(1.0 + eta)).astype(float),
        "binomial": lambda: rng.binomial(20, 1.0 / (1.0 + np.exp(-eta))).astype(float),
    }[family]()
    return pd.DataFrame({"y": outcome, "x": x + shift, "z": z + shift, "unit": unit.astype(str), "cases": 20.0})


@pytest.mark.parametrize("model", [Pooled, FixedEffects])
@pytest.mark.parametrize("family", ["gaussian", "poisson", "binomial"])
@pytest.mark.parametrize(("shift", "apart"), [(0.0, 1e-3), (512.0, 1.0), (512.0, 1e-3)])
def test_moved_columns_have_the_same_errors(model, family, shift, apart):
    """Against columns at zero that are orthogonal: x, and z less x."""
    asked = {"unit": "unit", "family": family} | ({"trials": "cases"} if family == "binomial" else {})
    far = model("y ~ x + z", **asked).fit(made(family=family, shift=shift, apart=apart)).coefficients()
    data = made(family=family, shift=0.0, apart=apart)
    data["difference"] = (data["z"] - data["x"]) / apart
    near = model("y ~ x + difference", **asked).fit(data)
    inverse = module._model(near)[:2, :2]
    back = np.array([[1.0, -1.0 / apart], [0.0, 1.0 / apart]])
    expected = np.sqrt((back @ inverse @ back.T).diagonal())
    found = far.set_index("name").loc[["x", "z"], "std_error"]
    # Counts: information is taken at the last step but one, where estimates are good to 1e-8 standard errors or more.
    np.testing.assert_allclose(found, expected, rtol=1e-9 if family == "gaussian" else 1e-7)


def test_columns_near_zero_take_no_more_passes(monkeypatch):
    monkeypatch.setattr(module, "whiten", None)
    data = made(family="gaussian", shift=3.0, apart=0.5)
    assert np.isfinite(Pooled("y ~ x + z", unit="unit", family="gaussian").fit(data).coefficients()["std_error"]).all()
