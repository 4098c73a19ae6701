"""Robust covariances against dense forms with explicit dummies, closed forms, identities, R, and simulation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.linalg import LinAlgError, sqrtm

from benchmodels.errors import DataError
from benchmodels.kernels import sandwich as module
from benchmodels.kernels.newton import fit_levels
from benchmodels.kernels.sandwich import WorkingRows, cluster, hc
from tests import plain
from tests.kernels.problems import as_rows, problem

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
CR, HC = ("CR0", "CR1", "CR1S", "CR2"), ("HC0", "HC1", "HC2", "HC3")


# The oracles: n × n projection, square roots by eigenvectors, dummies for levels.


class Dense:
    """The weighted linear model of working arrays, one column a level, rows scaled by √weight."""

    def __init__(self, rows):
        there = rows.weight > 0
        level = plain.dummies(rows.codes, int(rows.codes.max()) + 1)[:, np.unique(rows.codes[there])]
        root = np.sqrt(rows.weight)
        self.x = np.column_stack([rows.columns, level]) * root[:, None]
        self.e = np.where(there, rows.residual / np.where(there, root, 1.0), 0.0)
        self.bread = np.linalg.inv(self.x.T @ self.x)
        self.free = np.eye(len(self.x)) - self.x @ self.bread @ self.x.T
        self.q = rows.columns.shape[1] + (rows.codes.max() == 0)
        self.n, self.k = (there.sum() if rows.cases is None else rows.cases[there].sum()), self.x.shape[1]

    def hc(self, kind):
        power = {"HC2": -0.5, "HC3": -1.0}.get(kind, 0.0)
        scores = self.x * (self.e * self.free.diagonal() ** power)[:, None]
        factor = self.n / (self.n - self.k) if kind == "HC1" else 1.0
        return factor * (self.bread @ scores.T @ scores @ self.bread)[: self.q, : self.q]

    def cluster(self, clusters, kind, *, power=-0.5, contrasts=None):
        contrasts = np.eye(self.q) if contrasts is None else contrasts
        c = np.column_stack([contrasts, np.zeros((len(contrasts), self.k - self.q))]) @ self.bread
        parts, rows = [], []
        for g in np.unique(clusters):
            i = np.flatnonzero(clusters == g)
            values, vectors = np.linalg.eigh(self.free[np.ix_(i, i)])
            kept = values > 1e-9
            scale = np.where(kept, np.where(kept, values, 1.0) ** power, 0.0)
            adjust = (vectors * scale) @ vectors.T if kind == "CR2" else np.eye(len(i))
            parts.append(c @ self.x[i].T @ adjust @ self.e[i])
            rows.append(self.free[:, i] @ adjust @ self.x[i] @ c.T)
        parts, rows = np.array(parts), np.array(rows)
        count = len(parts)
        factor = 1.0 if kind in ("CR0", "CR2") else count / (count - 1)
        factor *= (self.n - 1) / (self.n - self.k) if kind == "CR1S" else 1.0
        df = [np.trace(b) ** 2 / np.sum(b**2) for b in (rows[:, :, r] @ rows[:, :, r].T for r in range(len(c)))]
        return factor * parts.T @ parts, np.array(df) if kind == "CR2" else np.full(len(c), count - 1.0)


def linear(codes, *, p=3, seed=0, weighted=True, clusters=None, scale=1.0):
    """Working arrays of a fitted weighted linear model with clusters that matter."""
    rng = np.random.default_rng(seed)
    n = len(codes)
    columns = rng.normal(size=(n, p)) + 0.5 * rng.normal(size=(int(codes.max()) + 1, p))[codes]
    weight = rng.uniform(0.2, 3.0, n) if weighted else np.ones(n)
    y = columns.sum(1) + rng.normal(size=n) * (1 + 0.5 * np.abs(columns[:, 0] if p else 0.0))
    if clusters is not None:
        y += rng.normal(size=int(clusters.max()) + 1)[clusters]
    x = np.column_stack([columns, plain.dummies(codes, int(codes.max()) + 1)]) * np.sqrt(weight)[:, None]
    slopes = np.linalg.lstsq(x, y * np.sqrt(weight), rcond=None)[0]
    residual = y - np.column_stack([columns, plain.dummies(codes, int(codes.max()) + 1)]) @ slopes
    return WorkingRows(columns, scale * weight * residual, scale * weight, codes.astype(np.intp))


def structures(n=120, seed=5):
    """Levels and clusters in every relation to each other."""
    rng = np.random.default_rng(seed)
    unit = np.sort(rng.integers(0, 8, n))
    school = np.unique(unit * 3 + rng.integers(0, 3, n), return_inverse=True)[1]
    nobody = np.zeros(n, dtype=np.intp)
    return {
        "pooled": (nobody, unit),
        "pooled, unsorted": (nobody, rng.integers(0, 9, n)),
        "clusters are levels": (unit, unit),
        "clusters within levels": (unit, school),
        "clusters of levels": (unit, unit // 3),
        "clusters across levels": (unit, rng.integers(0, 6, n)),
        "some within, some wholes": (unit, np.where(unit < 4, unit, school + 4)),
        "clusters of one row": (unit, np.arange(n)),
    }


STRUCTURES = structures()


def close(found, wanted, rtol=1e-10):
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * np.abs(wanted).max())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", CR)
@pytest.mark.parametrize("name", STRUCTURES)
def test_cluster_equals_the_dense_form(name, kind, weighted):
    codes, clusters = STRUCTURES[name]
    rows = linear(codes, weighted=weighted, clusters=clusters)
    found = cluster(rows, clusters, kind)
    covariance, df = Dense(rows).cluster(clusters, kind)
    close(found.covariance, covariance)
    np.testing.assert_allclose(found.degrees_of_freedom, df, rtol=1e-10)
    assert found.clusters == len(np.unique(clusters))


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("kind", HC)
def test_hc_equals_the_dense_form(kind, each):
    codes, _ = STRUCTURES["clusters are levels"]
    rows = linear(codes if each else 0 * codes)
    close(hc(rows, kind), Dense(rows).hc(kind))


def fitted(family, *, each, seed=0, degenerate=False):
    """Working arrays of a model fitted by the package's own Newton, and its units."""
    matrix, outcome, size, offset, unit = problem(family, seed=seed, degenerate=degenerate)
    rows = as_rows(family, matrix, outcome, size, offset, unit, each=each)
    fit = fit_levels(rows, tolerance=1e-11)
    assert fit.certificate.converged
    finite = np.isfinite(fit.levels)[rows.codes]
    eta = matrix @ fit.slopes + np.where(np.isfinite(fit.levels), fit.levels, 0.0)[rows.codes] + offset
    residual = np.where(finite, outcome - size * plain.mean(family, eta), 0.0)
    return WorkingRows(matrix, residual, np.where(finite, size * plain.weight(family, eta), 0.0), rows.codes), unit


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_generalised_linear_models(family, each):
    """Also with units of no events or nothing else, whose rows carry no information."""
    rows, unit = fitted(family, each=each, degenerate=True)
    year = np.arange(len(unit)) % 7
    for clusters in (unit, year):
        for kind in CR:
            found = cluster(rows, clusters, kind)
            covariance, df = Dense(rows).cluster(clusters[:], kind)
            if each and clusters is unit:
                there = np.unique(unit[rows.weight > 0])
                assert found.clusters == len(there) < 10
                part = np.isin(unit, there)
                some = WorkingRows(*(a[part] for a in (rows.columns, rows.residual, rows.weight, rows.codes)))
                covariance, df = Dense(some).cluster(unit[part], kind)
            close(found.covariance, covariance, 1e-9)
            np.testing.assert_allclose(found.degrees_of_freedom, df, rtol=1e-9)
    for kind in HC:
        close(hc(rows, kind), Dense(rows).hc(kind), 1e-9)


def test_contrasts():
    codes, clusters = STRUCTURES["clusters within levels"]
    rows = linear(codes)
    contrasts = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1e6], [0.0, 0.0, 0.0]])
    found = cluster(rows, clusters, "CR2", contrasts)
    covariance, df = Dense(rows).cluster(clusters, "CR2", contrasts=contrasts[:3])
    np.testing.assert_allclose(found.covariance[:3, :3], covariance, rtol=1e-8)
    np.testing.assert_allclose(found.degrees_of_freedom[:3], df, rtol=1e-10)
    assert np.all(found.covariance[3] == 0)
    assert np.isnan(found.degrees_of_freedom[3])
    whole = cluster(rows, clusters, "CR2").covariance
    np.testing.assert_allclose(found.covariance, contrasts @ whole @ contrasts.T, rtol=1e-9, atol=1e-12)


# Closed forms and identities.


def test_mean_of_equal_clusters():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(10, 4)) + rng.normal(size=(10, 1))
    clusters = np.repeat(np.arange(10), 4)
    rows = WorkingRows(np.zeros((40, 0)), (y - y.mean()).ravel(), np.ones(40), np.zeros(40, dtype=np.intp))
    found = cluster(rows, clusters, "CR2")
    np.testing.assert_allclose(found.covariance, [[y.mean(1).var(ddof=1) / 10]], rtol=1e-12)
    np.testing.assert_allclose(found.degrees_of_freedom, [9.0], rtol=1e-12)
    np.testing.assert_allclose(hc(rows, "HC2"), [[y.var(ddof=1) / 40]], rtol=1e-12)


def test_two_samples_give_welch():
    """HC2 of a difference of means is Welch's variance; Satterthwaite under equal variances in closed form."""
    rng = np.random.default_rng(2)
    a, b = 7, 19
    y, group = rng.normal(size=a + b) * 2, np.repeat([1.0, 0.0], [a, b])
    residual = y - np.where(group == 1, y[:a].mean(), y[a:].mean())
    rows = WorkingRows(group[:, None], residual, np.ones(a + b), np.zeros(a + b, dtype=np.intp))
    found = cluster(rows, np.arange(a + b), "CR2")
    welch = y[:a].var(ddof=1) / a + y[a:].var(ddof=1) / b
    df = (1 / a + 1 / b) ** 2 / (1 / (a**2 * (a - 1)) + 1 / (b**2 * (b - 1)))
    np.testing.assert_allclose(found.covariance[0, 0], welch, rtol=1e-12)
    np.testing.assert_allclose(found.degrees_of_freedom[0], df, rtol=1e-12)
    np.testing.assert_allclose(hc(rows, "HC2")[0, 0], welch, rtol=1e-12)


@pytest.mark.parametrize("name", STRUCTURES)
def test_cr2_is_unbiased_under_its_working_model(name):
    """Summed over unit errors of one row at a time, the covariance is the inverse information."""
    codes, clusters = STRUCTURES[name]
    rows = linear(codes)
    dense = Dense(rows)
    total = np.zeros((dense.q, dense.q))
    for i in range(len(codes)):
        residual = np.sqrt(rows.weight) * dense.free[:, i]
        total += cluster(WorkingRows(rows.columns, residual, rows.weight, rows.codes), clusters, "CR2").covariance
    close(total, dense.bread[: dense.q, : dense.q], 1e-9)


def test_rows_as_clusters_are_hc2():
    for codes in (STRUCTURES["pooled"][0], STRUCTURES["pooled"][1]):
        rows = linear(codes)
        close(cluster(rows, np.arange(len(codes)), "CR2").covariance, hc(rows, "HC2"))


# Invariance.


def answers(rows, clusters):
    found = cluster(rows, clusters, "CR2")
    return [hc(rows, kind) for kind in HC] + [found.covariance, found.degrees_of_freedom]


@pytest.mark.parametrize("name", STRUCTURES)
def test_order_and_labels_do_not_matter(name):
    codes, clusters = STRUCTURES[name]
    rows = linear(codes)
    rng = np.random.default_rng(3)
    order = rng.permutation(len(codes))
    relabel = rng.permutation(int(clusters.max()) + 1) * 3
    moved = WorkingRows(rows.columns[order], rows.residual[order], rows.weight[order], rows.codes[order])
    for one, other in zip(answers(rows, clusters), answers(moved, relabel[clusters][order]), strict=True):
        close(other, one, 1e-11)


@pytest.mark.parametrize("name", STRUCTURES)
def test_blocks_batches_and_series_do_not_matter(name, monkeypatch):
    codes, clusters = STRUCTURES[name]
    rows = linear(codes)
    whole = answers(rows, clusters)
    for attribute, value in (
        ("row_blocks", lambda n, w: [slice(a, min(a + 7, n)) for a in range(0, n, 7)]),
        ("BATCH", 1),
        ("BATCH", 60),
        ("SERIES", 0.0),
        ("SERIES", 0.4),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, attribute, value)
            for one, other in zip(whole, answers(rows, clusters), strict=True):
                close(other, one, 1e-12)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_units_of_measure_do_not_matter(factor):
    for codes, clusters in (STRUCTURES["pooled"], STRUCTURES["clusters within levels"]):
        rows = linear(codes)
        plainly = answers(rows, clusters)
        dispersed = WorkingRows(rows.columns, factor * rows.residual, factor * rows.weight, codes)
        for one, other in zip(plainly, answers(dispersed, clusters), strict=True):
            close(other, one, 1e-11)
        scale = np.array([factor, 1.0, 1.0])
        q = len(plainly[0])
        back = np.append(scale, 1.0)[:q]
        scaled = WorkingRows(rows.columns * scale, rows.residual, rows.weight, codes)
        for one, other in zip(plainly[:-1], answers(scaled, clusters)[:-1], strict=True):
            close(other * np.outer(back, back), one, 1e-11)
        close(answers(scaled, clusters)[-1], plainly[-1], 1e-11)


def test_a_shift_of_the_columns_moves_the_level_only():
    codes, clusters = STRUCTURES["pooled"]
    rows = linear(codes)
    shift = np.array([1e4, -3.0, 0.0])
    moved = WorkingRows(rows.columns + shift, rows.residual, rows.weight, codes)
    turn = np.eye(4)
    turn[3, :3] = -shift
    close(cluster(moved, clusters, "CR2").covariance, turn @ cluster(rows, clusters, "CR2").covariance @ turn.T, 1e-7)


@pytest.mark.parametrize("each", [False, True])
def test_frequencies_are_copies(each):
    codes, clusters = STRUCTURES["clusters within levels"]
    codes = codes if each else 0 * codes
    rows = linear(codes, weighted=False)
    times = np.random.default_rng(4).integers(1, 5, len(codes))
    # The same coefficients only if the rows are fitted with their frequencies; any residual will do here.
    grouped = WorkingRows(rows.columns, rows.residual * times, rows.weight * times, codes, times.astype(float))
    long = np.repeat(np.arange(len(codes)), times)
    copies = WorkingRows(rows.columns[long], rows.residual[long], rows.weight[long], codes[long])
    for one, other in zip(answers(grouped, clusters), answers(copies, clusters[long]), strict=True):
        close(other, one, 1e-11)
    close(cluster(grouped, clusters, "CR1S").covariance, cluster(copies, clusters[long], "CR1S").covariance, 1e-11)


def test_rows_and_clusters_of_nothing():
    codes, clusters = STRUCTURES["clusters within levels"]
    rows = linear(codes)
    plainly = answers(rows, clusters)
    more = [np.concatenate([a, b]) for a, b in ((codes, [codes.max() + 2, 0]), (clusters, [clusters.max() + 5, 0]))]
    empty = WorkingRows(
        np.vstack([rows.columns, np.full((2, 3), 9.0)]),
        np.append(rows.residual, [0.0, 0.0]),
        np.append(rows.weight, [0.0, 0.0]),
        more[0].astype(np.intp),
        np.append(np.ones(len(codes)), [0.0, 0.0]),
    )
    for one, other in zip(plainly, answers(empty, more[1].astype(np.intp)), strict=True):
        close(other, one, 1e-12)


# What a lone row or cluster does.


@pytest.mark.parametrize("each", [False, True])
def test_a_covariate_of_one_cluster_is_withheld(each):
    unit, clusters = STRUCTURES["clusters within levels"]
    codes = unit if each else 0 * unit
    rng = np.random.default_rng(6)
    base = linear(codes)
    own = np.where(clusters == 5, rng.normal(size=len(unit)) if each else 1.0, 0.0)
    columns = np.column_stack([base.columns, own])
    x = np.column_stack([columns, plain.dummies(codes, int(codes.max()) + 1)])
    y = rng.normal(size=len(unit))
    residual = y - x @ np.linalg.lstsq(x * np.sqrt(base.weight)[:, None], y * np.sqrt(base.weight), rcond=None)[0]
    rows = WorkingRows(columns, base.weight * residual, base.weight, codes)
    found = cluster(rows, clusters, "CR2")
    covariance, df = Dense(rows).cluster(clusters, "CR2")
    lone = np.arange(len(df)) == 3
    assert np.isnan(found.covariance[lone]).all()
    assert np.isnan(found.degrees_of_freedom[lone]).all()
    close(found.covariance[np.ix_(~lone, ~lone)], covariance[np.ix_(~lone, ~lone)])
    close(found.degrees_of_freedom[~lone], df[~lone])
    assert np.isfinite(cluster(rows, clusters, "CR1").covariance).all()


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_a_covariate_of_one_row_is_withheld(kind):
    codes = STRUCTURES["pooled"][0]
    base = linear(codes, p=2)
    one = (np.arange(len(codes)) == 17).astype(float)
    rest = WorkingRows(*(np.delete(a, 17, axis=0) for a in (base.columns, base.residual, base.weight, base.codes)))
    rows = WorkingRows(np.column_stack([base.columns, one]), base.residual * (1 - one), base.weight, codes)
    found = hc(rows, kind)
    assert np.isnan(found[2]).all()
    assert np.isnan(found[:, 2]).all()
    kept = [0, 1, 3]
    close(found[np.ix_(kept, kept)], hc(rest, kind))


def test_a_unit_of_one_row_adds_nothing():
    unit = np.append(STRUCTURES["clusters are levels"][1], 8)
    rows = linear(unit, clusters=unit)
    rest = WorkingRows(*(a[:-1] for a in (rows.columns, rows.residual, rows.weight, rows.codes)))
    for kind in ("HC0", "HC2", "HC3"):
        close(hc(rows, kind), hc(rest, kind), 1e-12)
    with_it, without = cluster(rows, unit, "CR2"), cluster(rest, unit[:-1], "CR2")
    close(with_it.covariance, without.covariance, 1e-12)
    close(with_it.degrees_of_freedom, without.degrees_of_freedom, 1e-12)


@pytest.mark.parametrize("name", ["pooled", "clusters within levels"])
def test_a_cluster_of_nearly_all_the_information(name):
    codes, clusters = STRUCTURES[name]
    base = linear(codes)
    columns = base.columns.copy()
    columns[clusters == 4, 1] *= 1e4
    rows = WorkingRows(columns, base.residual, base.weight, codes)
    found = cluster(rows, clusters, "CR2")
    covariance, df = Dense(rows).cluster(clusters, "CR2")
    # The dense form itself is good to 1e-8 here.
    close(found.covariance, covariance, 1e-7)
    np.testing.assert_allclose(found.degrees_of_freedom, df, rtol=1e-8)


def test_what_cannot_be_asked():
    codes, clusters = STRUCTURES["clusters are levels"]
    rows = linear(codes)
    with pytest.raises(DataError, match="at least two clusters"):
        cluster(rows, 0 * clusters, "CR0")
    arrays = (rows.residual, rows.weight, rows.codes)
    for extra in (rows.columns[:, 0] - 2 * rows.columns[:, 1], 1e5 * codes.astype(float), np.full(len(codes), np.nan)):
        with pytest.raises(LinAlgError):
            hc(WorkingRows(np.column_stack([rows.columns, extra]), *arrays), "HC0")
    with pytest.raises(LinAlgError):
        hc(WorkingRows(rows.columns, rows.residual, 0 * rows.weight, 0 * codes), "HC0")
    with pytest.raises(KeyError):
        hc(rows, "HC4")
    with pytest.raises(KeyError):
        cluster(rows, clusters, "CR3")
    few = WorkingRows(rows.columns[:4], rows.residual[:4], rows.weight[:4], 0 * codes[:4])
    assert np.isnan(hc(few, "HC1")).all()
    assert np.isnan(cluster(few, np.arange(4), "CR1S").covariance).all()


# R: sandwich 3.0-2 and fixest 0.14.2.


@pytest.fixture(scope="module")
def reference():
    if not SHARED.exists():
        pytest.skip("reference results are not beside the checkout")
    data = pd.read_csv(SHARED / "data" / "syn_grouped_a.csv")
    names = ("ols_fixest", "glm")
    return data, *(json.loads((SHARED / "mixed" / f"{name}.json").read_text())["results"] for name in names)


def intercept_first(covariance):
    order = np.roll(np.arange(len(covariance)), 1)
    return covariance[np.ix_(order, order)]


def least_squares(data, weight):
    columns = data[["x1", "x2", "w"]].to_numpy(float)
    fit = sm.WLS(data["ylin"].to_numpy(), sm.add_constant(columns), weights=weight).fit()
    return WorkingRows(columns, weight * fit.resid, weight, np.zeros(len(data), dtype=np.intp))


@pytest.mark.parametrize("name", ["ols", "wls"])
def test_r_linear(reference, name):
    data, wanted, _ = reference
    unit = pd.factorize(data["unit"])[0]
    rows = least_squares(data, data["trials"].to_numpy(float) if name == "wls" else np.ones(len(data)))
    for kind in HC:
        np.testing.assert_allclose(intercept_first(hc(rows, kind)), wanted[name][kind], rtol=1e-10)
    for kind, theirs in (("CR1", "cluster_HC0"), ("CR1S", "cluster_HC1")):
        found = intercept_first(cluster(rows, unit, kind).covariance)
        np.testing.assert_allclose(found, wanted[name][theirs], rtol=1e-10)
    if name == "ols":
        found = intercept_first(cluster(rows, unit, "CR2").covariance)
        np.testing.assert_allclose(found, wanted[name]["cluster_HC2"], rtol=1e-10)
        jackknife, _ = Dense(rows).cluster(unit, "CR2", power=-1.0)
        np.testing.assert_allclose(intercept_first(jackknife), wanted[name]["cluster_HC3"], rtol=1e-10)


def test_r_weighted_clusters_are_another_adjustment(reference):
    """vcovCL multiplies w e by the root of I − X M XᵀW, the transpose of what belongs there; ours is unbiased."""
    data, wanted, _ = reference
    unit, weight = pd.factorize(data["unit"])[0], data["trials"].to_numpy(float)
    rows = least_squares(data, weight)
    x = np.column_stack([np.ones(len(data)), rows.columns])
    bread = np.linalg.inv(x.T @ (x * weight[:, None]))
    scores = []
    for i in (np.flatnonzero(unit == g) for g in range(unit.max() + 1)):
        free = np.eye(len(i)) - x[i] @ bread @ (x[i] * weight[i, None]).T
        scores.append(x[i].T @ np.linalg.solve(np.real(sqrtm(free)), rows.residual[i]))
    theirs = bread @ np.array(scores).T @ np.array(scores) @ bread
    np.testing.assert_allclose(theirs, wanted["wls"]["cluster_HC2"], rtol=1e-9)
    ours = intercept_first(cluster(rows, unit, "CR2").covariance)
    np.testing.assert_allclose(np.diag(ours), np.diag(theirs), rtol=0.02)
    assert np.abs(ours / theirs - 1).max() > 1e-4


LINKS = {"probit": sm.families.links.Probit, "cloglog": sm.families.links.CLogLog}


@pytest.mark.parametrize(
    "name", ["logit", "probit", "cloglog", "binomial_trials", "quasibinomial_trials", "poisson", "quasipoisson",
             "gamma_log"]
)  # fmt: skip
def test_r_generalised_linear(reference, name):
    data, _, wanted = reference
    wanted = wanted[name]
    unit = pd.factorize(data["unit"])[0]
    columns = data[list(wanted["coef"])[1:]].to_numpy(float)
    size, offset = np.ones(len(data)), np.zeros(len(data))
    if "poisson" in name:
        family, y, offset = sm.families.Poisson(), data["count"], np.log(data["exposure"].to_numpy())
    elif name == "gamma_log":
        family, y = sm.families.Gamma(sm.families.links.Log()), data["exposure"]
    elif "trials" in name:
        size = data["trials"].to_numpy(float)
        family, y = sm.families.Binomial(), data["succ"] / size
    else:
        family, y = sm.families.Binomial(LINKS.get(name, sm.families.links.Logit)()), data["y"]
    y = y.to_numpy(float)
    fit = sm.GLM(y, sm.add_constant(columns), family, offset=offset, var_weights=size).fit(tol=1e-14, maxiter=100)
    coefficients = fit.params
    slope = 1.0 / family.link.deriv(fit.mu)
    variance = family.variance(fit.mu)
    rows = WorkingRows(
        columns, size * (y - fit.mu) * slope / variance, size * slope**2 / variance, np.zeros(len(y), dtype=np.intp)
    )
    np.testing.assert_allclose(coefficients, list(wanted["coef"].values()), rtol=1e-6)
    # R's weights are those of the last iteration but one: they are as far off as the last step was long.
    for kind in ("HC0", "HC1"):
        close(intercept_first(hc(rows, kind)), np.array(wanted[kind]), 1e-7)
    for kind, theirs in (("CR0", "cluster_HC0_nocadj"), ("CR1", "cluster_HC0"), ("CR1S", "cluster_HC1")):
        if theirs in wanted:
            found = intercept_first(cluster(rows, unit, kind).covariance)
            close(found, np.array(wanted[theirs]), 1e-7)


@pytest.mark.parametrize("name", ["feols", "fepois", "felogit"])
def test_r_absorbed(reference, name):
    """fixest's factor for clusters equal to the levels: G / (G − 1) × (n − 1) / (n − p − 1), all levels as one."""
    data, wanted, glm = reference
    unit = pd.factorize(data["unit"], sort=True)[0].astype(np.intp)
    order = np.argsort(unit, kind="stable")
    data, unit = data.iloc[order], unit[order]
    n, ones, nothing = len(data), np.ones(len(data)), np.zeros(len(data))
    columns = data[["x1", "x2"]].to_numpy(float)
    family, outcome, offset = {
        "feols": ("gaussian", "ylin", nothing),
        "fepois": ("poisson", "count", np.log(data["exposure"].to_numpy())),
        "felogit": ("binomial", "y", nothing),
    }[name]
    rows = as_rows(family, columns, data[outcome].to_numpy(float), ones, offset, unit, each=True)
    fit = fit_levels(rows, tolerance=1e-12)
    np.testing.assert_allclose(fit.slopes, list(wanted[name]["coef"].values()), rtol=1e-6)
    eta = columns @ fit.slopes + fit.levels[unit] + offset
    working = WorkingRows(columns, rows.outcome - plain.mean(family, eta), plain.weight(family, eta), unit)
    units = len(fit.levels)
    plainly = cluster(working, unit, "CR1").covariance * (n - 1) / (n - 3)
    # fixest stops its generalised linear models at a relative change of 1e-8 in the deviance.
    close(plainly, np.array(wanted[name]["vcov_cluster"]), 1e-10 if name == "feols" else 1e-5)
    if name == "feols":
        np.testing.assert_allclose(hc(working, "HC1"), wanted[name]["vcov_hetero"], rtol=1e-10)
        dummies = wanted["ols_dummies"]
        for kind in HC:
            np.testing.assert_allclose(hc(working, kind), np.array(dummies[kind])[1:, 1:], rtol=1e-9)
        stata = cluster(working, unit, "CR1S").covariance
        np.testing.assert_allclose(stata, np.array(dummies["cluster_HC1"])[1:, 1:], rtol=1e-9)
        factor = units / (units - 1) * (n - 1) / (n - 2 - units)
        np.testing.assert_allclose(cluster(working, unit, "CR0").covariance * factor, stata, rtol=1e-12)
    if name == "felogit":
        for kind in ("HC0", "HC1"):
            found = hc(working, kind)
            np.testing.assert_allclose(found, np.array(glm["logit_unit_dummies"][kind])[1:, 1:], rtol=1e-6)


# Coverage.

MANY = np.concatenate([np.exp(np.linspace(np.log(4), np.log(40), 94)), [80, 120, 160, 300]]).astype(int)
FEW = np.array([5, 6, 8, 8, 10, 12, 15, 20, 25, 40, 70, 120])


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "sd"), [(MANY, 0.2), (MANY, 1.0), (FEW, 0.2), (FEW, 1.0)])
def test_coverage_for_a_covariate_of_unequal_units(sizes, sd):
    """The slope of a skewed unit-level covariate, units a sample: CR1 with the normal falls short, CR2 with t does not.

    With few degrees of freedom Satterthwaite's t errs on the safe side; that excess is printed.
    """
    rng = np.random.default_rng(8)
    draws, count = 1000, len(sizes)
    clusters = np.repeat(np.arange(count), sizes)
    n = len(clusters)
    normal = satterthwaite = 0
    for _ in range(draws):
        columns = np.column_stack([np.exp(rng.normal(size=count))[clusters], rng.normal(size=n)])
        x = np.column_stack([columns, np.ones(n)])
        y = sd * rng.normal(size=count)[clusters] + rng.normal(size=n)
        slopes = np.linalg.lstsq(x, y, rcond=None)[0]
        rows = WorkingRows(columns, y - x @ slopes, np.ones(n), np.zeros(n, dtype=np.intp))
        plainly, reduced = cluster(rows, clusters, "CR1"), cluster(rows, clusters, "CR2")
        normal += slopes[0] ** 2 <= plainly.covariance[0, 0] * stats.norm.ppf(0.975) ** 2
        t = stats.t.ppf(0.975, reduced.degrees_of_freedom[0])
        satterthwaite += slopes[0] ** 2 <= reduced.covariance[0, 0] * t**2
    noise = 4 * np.sqrt(0.95 * 0.05 / draws)
    print(
        f"{count} clusters, sd {sd}: CR1 normal {normal / draws:.3f}, CR2 t {satterthwaite / draws:.3f} ± {noise:.3f}"
    )
    assert normal / draws < 0.95 - noise
    assert satterthwaite / draws > 0.95 - noise
    assert satterthwaite / draws < (0.95 + noise if count > 50 else 0.99)
