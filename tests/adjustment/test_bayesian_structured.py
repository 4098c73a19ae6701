"""Effects that are tied: the scaled map against dense algebra, its posterior against a grid, outcomes together."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import expit

from benchmodels.adjustment.bayesian import BayesianRandomEffects
from benchmodels.adjustment.bayesian.structured import _penalised, fit_spatial, unit_map
from benchmodels.adjustment.bayesian.together import fit_together
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from tests.lip_cancer import LIP_CANCER

# Clayton & Kaldor (1987), table 1, as in Banerjee, Carlin & Gelfand (2003), section 5.4: the neighbours of each county.
BORDERS = [
    [5, 9, 11, 19], [7, 10], [6, 12], [18, 20, 28], [1, 11, 12, 13, 19], [3, 8], [2, 10, 13, 16, 17], [6],
    [1, 11, 17, 19, 23, 29], [2, 7, 16, 22], [1, 5, 9, 12], [3, 5, 11], [5, 7, 17, 19], [31, 32, 35], [25, 29, 50],
    [7, 10, 17, 21, 22, 29], [7, 9, 13, 16, 19, 29], [4, 20, 28, 33, 55, 56], [1, 5, 9, 13, 17], [4, 18, 55],
    [16, 29, 50], [10, 16], [9, 29, 34, 36, 37, 39], [27, 30, 31, 44, 47, 48, 55, 56], [15, 26, 29],
    [25, 29, 42, 43], [24, 31, 32, 55], [4, 18, 33, 45], [9, 15, 16, 17, 21, 23, 25, 26, 34, 43, 50],
    [24, 38, 42, 44, 45, 56], [14, 24, 27, 32, 35, 46, 47], [14, 27, 31, 35], [18, 28, 45, 56],
    [23, 29, 39, 40, 42, 43, 51, 52, 54], [14, 31, 32, 37, 46], [23, 37, 39, 41], [23, 35, 36, 41, 46],
    [30, 42, 44, 49, 51, 54], [23, 34, 36, 40, 41], [34, 39, 41, 49, 52], [36, 37, 39, 40, 46, 49, 53],
    [26, 30, 34, 38, 43, 51], [26, 29, 34, 42], [24, 30, 38, 48, 49], [28, 30, 33, 56], [31, 35, 37, 41, 47, 53],
    [24, 31, 46, 48, 49, 53], [24, 44, 47, 49], [38, 40, 41, 44, 47, 48, 52, 53, 54], [15, 21, 29],
    [34, 38, 42, 54], [34, 40, 49, 54], [41, 46, 47, 49], [34, 38, 49, 51, 52], [18, 20, 24, 27, 56],
    [18, 24, 30, 33, 45, 55],
]  # fmt: skip
SCOTLAND = {i + 1: near for i, near in enumerate(BORDERS)}
COUNTIES = np.arange(1, 57).astype(object)


def letters(text):
    return np.array(list(text), dtype=object)


def dense(k, borders):
    """The covariance of the intrinsic autoregression, conditioned on sums of zero by algebra, not by eigenvectors."""
    precision = np.zeros((k, k))
    for i, j in borders:
        precision[[i, j], [i, j]] += 1.0
        precision[i, j] -= 1.0
        precision[j, i] -= 1.0
    loose = np.linalg.inv(precision + 1e-7 * np.eye(k))
    one = np.ones((k, 1))
    return loose - loose @ one @ np.linalg.solve(one.T @ loose @ one, one.T @ loose)


def test_scale_of_scotland_is_the_published_one():
    # Morris (2018), Stan case study, by INLA: 0.4853175; and its update of 2021 for the map with three islands: 0.4504.
    assert unit_map(COUNTIES, SCOTLAND).factor[0] == pytest.approx(0.4853175, abs=2e-6)
    sea = {6, 8, 11}
    mainland = {i: [j for j in near if j not in sea] for i, near in SCOTLAND.items() if i not in sea}
    found = unit_map(COUNTIES, mainland)
    assert np.sort(found.factor)[0] == pytest.approx(0.4504, abs=5e-5)
    assert np.isnan(found.factor).sum() == 3
    assert len(set(found.part.tolist())) == 4


def test_map_of_parts_and_islands_is_that_of_dense_algebra():
    # Two parts, a square with a diagonal and a pair; and an island between them in the order of units.
    found = unit_map(letters("abcdefg"), {"a": ["b", "c"], "b": ["d"], "c": "d", "d": "a", "f": "g"})
    square = dense(4, [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)])
    pair = dense(2, [(0, 1)])
    wanted = np.zeros((7, 7))
    wanted[:4, :4] = square / np.exp(np.log(square.diagonal()).mean())
    wanted[4, 4] = 1.0
    wanted[5:, 5:] = pair / np.exp(np.log(pair.diagonal()).mean())
    np.testing.assert_allclose(found.covariance(), wanted, atol=1e-6)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(7), atol=1e-12)
    assert (found.variance >= 0).all()


def test_forms_of_neighbours_say_the_same():
    units = letters("abcd")
    table = pd.DataFrame(0.0, index=list("dcba"), columns=list("abcd"))
    table.loc["a", "b"], table.loc["b", "c"] = 1.0, 0.5
    wanted = unit_map(units, {"a": "b", "c": ["b"]}).covariance()
    np.testing.assert_allclose(unit_map(units, table).covariance(), wanted, atol=1e-12)
    array = table.loc[list("abcd")].to_numpy()
    np.testing.assert_allclose(unit_map(units, array).covariance(), wanted, atol=1e-12)
    np.testing.assert_allclose(unit_map(units, array.T).covariance(), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("neighbours", "message"),
    [
        ({"a": "z"}, "neighbours name 'z', which are no units"),
        ({"a": ["a", "b"]}, "'a' would be their own neighbours"),
        ({"a": []}, "no unit has a neighbour"),
        ({}, "no unit has a neighbour"),
        (np.ones((3, 3)), r"shape \(3, 3\); for 4 units give a \(4, 4\) array"),
        (np.full((4, 4), np.nan), "below zero or missing"),
        (-np.ones((4, 4)), "below zero or missing"),
        ({"a": 2}, "each unit a list of units"),
        ({"a": [["b"]]}, "a list within a list"),
        (np.full((4, 4), "b"), "array of numbers"),
        ([("a", "b")], "a mapping of each unit to units, or an array of numbers"),
    ],
)
def test_maps_that_cannot_be_meant(neighbours, message):
    with pytest.raises(DataError, match=message):
        unit_map(letters("abcd"), neighbours)


@pytest.mark.parametrize("borders", [SCOTLAND, {1: [2]}, {i: [i + 1] for i in range(1, 56)}])
def test_penalised_prior_is_a_density_with_two_thirds_below_half(borders):
    variance = unit_map(COUNTIES, borders).variance

    def density(mixing):
        return np.exp(float(_penalised(np, mixing, variance)))

    assert quad(density, 0.0, 0.5, points=[1e-4, 0.01])[0] == pytest.approx(2 / 3, abs=2e-5)
    assert quad(density, 0.5, 1.0, points=[0.99])[0] == pytest.approx(1 / 3, abs=2e-5)
    assert density(0.99e-4) == pytest.approx(density(1.01e-4), rel=5e-3)
    # Exponential in the distance: ratios of densities over its derivative.
    gain = variance[variance > 1e-9] - 1.0
    at = np.array([0.2, 0.4, 0.6])
    distance = np.sqrt((at[:, None] * gain - np.log1p(at[:, None] * gain)).sum(axis=1))
    rise = (at[:, None] * gain**2 / (1.0 + at[:, None] * gain)).sum(axis=1) / (2.0 * distance)
    log = np.log([density(m) for m in at] / rise)
    assert np.diff(log) / np.diff(distance) == pytest.approx(np.full(2, np.diff(log)[0] / np.diff(distance)[0]))


def test_penalised_prior_of_a_long_row_is_a_density_still():
    units = np.arange(1500).astype(object)
    variance = unit_map(units, {i: [i + 1] for i in range(1499)}).variance
    total = quad(lambda m: np.exp(float(_penalised(np, m, variance))), 0.0, 1.0, points=[1e-4, 1e-3, 0.01])[0]
    assert total == pytest.approx(1.0, abs=1e-3)


def row_of_units(k=7, cases=4):
    """Measured outcomes of units in a row, of whom neighbours are alike."""
    rng = np.random.default_rng(4)
    effect = np.array([2.0, 1.4, 1.1, 0.1, -0.9, -1.2, -1.9])[:k]
    table = pd.DataFrame({"unit": np.repeat(np.arange(k), cases)})
    return table.assign(y=30.0 + effect[table["unit"]] + rng.normal(size=len(table)))


def on_a_grid(asked_sd, table, covariance):
    """Posterior means (effects, unit_sd, mixing, residual_sd) by dense algebra at each point of a grid."""
    mean, cases = table.groupby("unit")["y"].mean().to_numpy(), table.groupby("unit").size().to_numpy()
    k, n = len(mean), len(table)
    inside = ((table["y"] - mean[table["unit"]]) ** 2).sum()
    sd, mixing, residual = np.meshgrid(
        np.linspace(0.02, 5.0, 70) * asked_sd, np.linspace(0.005, 0.995, 60), np.linspace(0.1, 2.0, 50) * asked_sd
    )
    sd, mixing, residual = (values.reshape(-1, 1, 1) for values in (sd, mixing, residual))
    effects = sd**2 * ((1.0 - mixing) * np.eye(k) + mixing * covariance)
    whole = effects + residual**2 * np.diag(1.0 / cases) + 25.0 * asked_sd**2
    apart = mean - table["y"].mean()
    solved = np.linalg.solve(whole, np.broadcast_to(apart[:, None], (len(sd), k, 1)))[..., 0]
    log = -0.5 * (np.linalg.slogdet(whole)[1] + solved @ apart)
    sd, mixing, residual = sd[:, 0, 0], mixing[:, 0, 0], residual[:, 0, 0]
    log -= (n - k) * np.log(residual) + 0.5 * inside / residual**2
    log -= 0.5 * (sd**2 + residual**2) / asked_sd**2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    return weight @ np.einsum("gij,gj->gi", effects, solved), weight @ sd, weight @ mixing, weight @ residual


def test_spatial_posterior_is_that_of_a_grid():
    pytest.importorskip("numpyro")
    table = row_of_units()
    borders = {i: [i + 1] for i in range(6)}
    model = BayesianRandomEffects("y ~ 1", unit="unit", family="gaussian", draws=4000, rng=2)
    fit = fit_spatial(model, table, borders, mixing_prior="uniform", warmup=600)
    effects, sd, mixing, residual = on_a_grid(table["y"].std(ddof=0), table, fit.map.covariance())
    ess = fit.draws.diagnostics.ess
    found = {"unit_sd": fit.draws.unit_sd, "mixing": fit.mixing, "residual_sd": fit.draws.residual_sd}
    found |= {f"effect of {i}": fit.draws.effects[:, i] for i in range(7)}
    wanted = [sd, mixing, residual, *effects]
    for (name, draws), value in zip(found.items(), wanted, strict=True):
        # The grid's own step adds a hundredth of a standard deviation.
        assert abs(draws.mean() - value) < draws.std() * (4.0 / np.sqrt(ess[name]) + 0.01), name
    assert fit.summary()["parameter"].tolist() == ["intercept", "unit_sd", "residual_sd", "mixing"]
    assert fit.compare().replicate_kind == "draws"
    assert fit.unit_effects()["unit"].tolist() == list(range(7))


@pytest.mark.slow
def test_lip_cancer_of_scotland_as_by_inla():
    pytest.importorskip("numpyro")
    # Morris (2018), Stan case study, R-INLA's bym2 on the percentage outdoors over ten: intercept -0.2216 (0.1265),
    # slope 0.3707 (0.1320). Its priors differ (gamma of the precision, beta of the mixing, wider slopes), and move the
    # means by a tenth of a standard deviation.
    table = LIP_CANCER.assign(x=LIP_CANCER["outdoor"] / 10.0)
    model = BayesianRandomEffects("observed ~ x", unit="county", family="poisson", exposure="expected", rng=1)
    fit = fit_spatial(model, table, SCOTLAND, mixing_prior="uniform")
    slope = fit.draws.slopes[:, 0]
    intercept = fit.draws.intercept - slope * (table["expected"] @ table["x"]) / table["expected"].sum()
    assert slope.mean() == pytest.approx(0.3707, abs=0.2 * 0.132)
    assert slope.std() == pytest.approx(0.1320, rel=0.1)
    assert intercept.mean() == pytest.approx(-0.2216, abs=0.2 * 0.1265)
    assert intercept.std() == pytest.approx(0.1265, rel=0.1)
    assert fit.mixing.mean() > 0.5


def two_outcomes(k=40, seed=5):
    """Shares and a measured outcome of the same units, with effects of correlation 0.8."""
    rng = np.random.default_rng(seed)
    effect = rng.multivariate_normal([0.0, 0.0], [[0.25, 0.8 * 0.5 * 3.0], [0.8 * 0.5 * 3.0, 9.0]], k)
    name, pupils = np.array([f"skole {i:03d} ø" for i in range(k)]), rng.integers(60, 300, k)
    absence = pd.DataFrame({"unit": name, "n": pupils, "y": rng.binomial(pupils, expit(-1.0 + effect[:, 0]))})
    cost = pd.DataFrame({"unit": np.repeat(name, 3), "y": 50.0 + np.repeat(effect[:, 1], 3) + rng.normal(size=3 * k)})
    models = {
        "absence": BayesianRandomEffects("y ~ 1", unit="unit", trials="n"),
        "cost": BayesianRandomEffects("y ~ 1", unit="unit", family="gaussian"),
    }
    return models, {"absence": absence, "cost": cost}, effect


def test_outcomes_together():
    pytest.importorskip("numpyro")
    models, tables, effect = two_outcomes()
    with warnings.catch_warnings():
        # So few draws are warned of, as they should be.
        warnings.simplefilter("ignore", PartialResultWarning)
        fit = fit_together(models, tables, draws=800, warmup=300, rng=1)
    assert fit.effects.shape == (800, 2, 40)
    told = fit.correlations()
    assert told[["outcome", "other"]].values.tolist() == [["absence", "cost"]]
    realised = np.corrcoef(effect.T)[0, 1]
    assert told["lower"][0] < realised < told["upper"][0]
    assert told["above_zero"][0] > 0.999
    np.testing.assert_allclose(fit.correlation[:, 0, 0], 1.0, atol=1e-10)
    np.testing.assert_array_equal(fit.correlation[:, 0, 1], fit.correlation[:, 1, 0])
    for j, name in enumerate(("absence", "cost")):
        draws = fit.fits[name].draws
        np.testing.assert_array_equal(draws.effects, fit.effects[:, j])
        assert np.corrcoef(draws.effects.mean(axis=0), effect[:, j])[0, 1] > 0.9
        assert fit.fits[name].compare().unit.tolist() == sorted(tables["absence"]["unit"])
        assert set(draws.parameters) <= set(draws.diagnostics.ess)
    assert fit.fits["cost"].draws.unit_sd.mean() == pytest.approx(effect[:, 1].std(), rel=0.3)
    assert fit.fits["absence"].draws.residual_sd is None


@pytest.mark.slow
def test_correlation_of_many_units_is_found():
    pytest.importorskip("numpyro")
    models, tables, effect = two_outcomes(k=250, seed=6)
    fit = fit_together(models, tables, draws=4000, rng=1)
    realised = np.corrcoef(effect.T)[0, 1]
    draws = fit.correlation[:, 0, 1]
    assert abs(draws.mean() - realised) < 3.0 * draws.std()
    assert draws.std() < 0.05


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m, t: ({"absence": m["absence"]}, t["absence"]), SpecificationError, "two or more outcomes"),
        (lambda m, t: (m, {"absence": t["absence"]}), SpecificationError, "data has tables for 'absence'"),
        (lambda m, t: (m, {**t, "cost": t["cost"].iloc[3:]}), DataError, "do not share 'skole 000 ø'"),
    ],
)
def test_outcomes_that_do_not_go_together(change, error, message):
    models, tables, _ = two_outcomes(k=5)
    models, tables = change(models, tables)
    with pytest.raises(error, match=message):
        fit_together(models, tables)


@pytest.mark.parametrize("concentration", [0, -1.0, True, "two", float("nan")])
def test_concentration_is_above_zero(concentration):
    models, tables, _ = two_outcomes(k=5)
    with pytest.raises(SpecificationError, match="concentration is a number above zero"):
        fit_together(models, tables, concentration=concentration)


def test_prior_of_the_mixing_is_one_of_two():
    model = BayesianRandomEffects("y ~ 1", unit="unit", family="gaussian")
    with pytest.raises(SpecificationError, match="mixing_prior"):
        fit_spatial(model, row_of_units(), {0: [1]}, mixing_prior="beta")
