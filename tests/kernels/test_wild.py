"""The wild cluster bootstrap against a loop of literal refits, one Newton step written out, and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from benchmodels.errors import DataError
from benchmodels.kernels import wild as module
from benchmodels.kernels.sandwich import WorkingRows, cluster
from benchmodels.kernels.wild import wild_bootstrap
from tests import plain

GROUPS = 7


def structures(n=70, seed=2):
    rng = np.random.default_rng(seed)
    clusters = np.append(np.arange(GROUPS), rng.integers(0, GROUPS, n - GROUPS))
    nobody = np.zeros(n, dtype=np.intp)
    return {
        "pooled": (nobody, clusters),
        "clusters are levels": (clusters, clusters),
        "clusters within levels": (clusters // 3, clusters),
        "clusters of levels": (clusters * 2 + rng.integers(0, 2, n), clusters),
        "clusters across levels": (rng.integers(0, 5, n), clusters),
    }


STRUCTURES = structures()


class Linear:
    """A weighted linear model with dummies for levels: everything by least squares on the rows."""

    def __init__(self, codes, clusters, *, p=2, seed=0):
        rng = np.random.default_rng(seed)
        n = len(codes)
        self.columns = rng.normal(size=(n, p)) + rng.normal(size=(GROUPS, p))[clusters]
        self.weight = rng.uniform(0.3, 2.0, n)
        self.y = self.columns @ np.ones(p) + rng.normal(size=GROUPS)[clusters] + rng.normal(size=n)
        self.x = np.column_stack([self.columns, plain.dummies(codes, int(codes.max()) + 1)])
        self.codes, self.clusters = codes, clusters
        self.bread = np.linalg.inv(self.x.T @ (self.x * self.weight[:, None]))

    def fit(self, y):
        return self.bread @ (self.x.T @ (self.weight * y))

    def std_error(self, residual, c):
        scores = self.x * (self.weight * residual)[:, None]
        sums = np.array([scores[self.clusters == g].sum(0) for g in range(GROUPS)])
        return np.sqrt(np.sum((sums @ self.bread @ c) ** 2))

    def t_statistics(self, c, null, signs):
        """Observed t, and one for each vector of multipliers, the null imposed and every replicate refitted."""
        beta = self.fit(self.y)
        pull = self.bread @ c
        restricted = beta - pull * (c @ beta - null) / (c @ pull)
        residual = self.y - self.x @ restricted
        replicates = []
        for v in signs:
            y = self.x @ restricted + residual * v[self.clusters]
            again = self.fit(y)
            replicates.append((c @ again - null) / self.std_error(y - self.x @ again, c))
        return (c @ beta - null) / self.std_error(self.y - self.x @ beta, c), np.array(replicates)

    def rows(self):
        return WorkingRows(self.columns, self.weight * (self.y - self.x @ self.fit(self.y)), self.weight, self.codes)

    def contrast(self, *values):
        """The contrast for the kernel, and for all columns of the dense model."""
        c = np.array(values + (0.0,) * (self.x.shape[1] - len(values)))
        return c[: 3 if self.codes.max() == 0 else 2], c


SIGNS = np.array(list(itertools.product([-1.0, 1.0], repeat=GROUPS)))


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_replicate_is_a_refit(name):
    model = Linear(*STRUCTURES[name])
    short, c = model.contrast(1.0, -0.5)
    rng = np.random.default_rng(1)
    multipliers = np.vstack([SIGNS[:40], rng.choice(np.concatenate([-module.WEBB, module.WEBB]), size=(40, GROUPS))])
    pieces, length = module._pieces(model.rows(), model.clusters, GROUPS, short)
    a0, a1, v0, v1, v2 = module._terms(pieces, multipliers.T)
    estimate = c @ model.fit(model.y)
    for null in (estimate, 0.0, estimate - 3.0, 40.0):
        _, wanted = model.t_statistics(c, null, multipliers)
        delta = (estimate - null) / length
        found = (a0 + a1 * delta) / np.sqrt(v0 + v1 * delta + v2 * delta**2)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", STRUCTURES)
def test_enumerated_signs_equal_a_loop_of_refits(name):
    model = Linear(*STRUCTURES[name])
    short, c = model.contrast(1.0, 0.0)
    estimate = c @ model.fit(model.y)
    rng = np.random.default_rng(0)

    def p_value(null):
        t, replicates = model.t_statistics(c, null, SIGNS)
        return np.mean(np.abs(replicates) >= np.abs(t) * (1 - 1e-10))

    def kernel(null, level=0.9):
        return wild_bootstrap(
            model.rows(), model.clusters, short, estimate, method="restricted", rng=rng, null=null, level=level
        )

    for null in (0.0, 1.0, estimate, estimate + 0.3):
        found = kernel(null)
        np.testing.assert_allclose(found.p_value, p_value(null), rtol=1e-12)
        assert found.exact
        assert found.replicates == 2 ** (GROUPS - 1)
    found = kernel(0.0)
    assert found.lower < estimate < found.upper
    for bound in (found.lower, found.upper):
        inside = bound + 1e-7 * (estimate - bound)
        outside = bound - 1e-7 * (estimate - bound)
        assert p_value(inside) > 0.1 >= p_value(outside)


def test_a_null_at_the_estimate_is_not_rejected_and_few_clusters_reject_nothing():
    codes, clusters = STRUCTURES["pooled"]
    four = np.minimum(clusters, 3)
    model = Linear(codes, four)
    estimate = float(model.fit(model.y)[0])
    short, _ = model.contrast(1.0)
    for method in ("restricted", "score"):
        found = wild_bootstrap(
            model.rows(), four, short, estimate, method=method, rng=np.random.default_rng(0), null=estimate
        )
        assert found.p_value == 1.0
    assert found.replicates == 8
    found = wild_bootstrap(model.rows(), four, short, estimate, method="restricted", rng=np.random.default_rng(0))
    assert found.p_value >= 0.125
    assert (found.lower, found.upper) == (-np.inf, np.inf)


def score_loop(x, residual, weight, clusters, c, multipliers):
    """t-statistics of one Newton step from perturbed scores, dummies and all."""
    bread = np.linalg.inv(x.T @ (x * weight[:, None]))
    groups = [clusters == g for g in range(int(clusters.max()) + 1)]
    replicates = []
    for v in multipliers:
        step = bread @ (x.T @ (residual * v[clusters]))
        left = residual * v[clusters] - weight * (x @ step)
        sums = np.array([x[g].T @ left[g] for g in groups])
        replicates.append(c @ step / np.sqrt(np.sum((sums @ bread @ c) ** 2)))
    sums = np.array([x[g].T @ residual[g] for g in groups])
    return np.array(replicates), np.sqrt(np.sum((sums @ bread @ c) ** 2))


@pytest.mark.parametrize("name", STRUCTURES)
def test_scores_equal_one_newton_step(name):
    codes, clusters = STRUCTURES[name]
    model = Linear(codes, clusters)
    outcome = np.random.default_rng(3).poisson(np.exp(0.3 * model.columns[:, 0])).astype(float)
    outcome[::2] += 1.0
    beta = plain.dense_fit("poisson", model.x, outcome, np.ones(len(codes)), np.zeros(len(codes)))
    mu = np.exp(model.x @ beta)
    rows = WorkingRows(model.columns, outcome - mu, mu, codes)
    short, c = model.contrast(1.0, 1.0)
    estimate = float(c @ beta)
    replicates, se = score_loop(model.x, outcome - mu, mu, clusters, c, SIGNS[2 ** (GROUPS - 1) :])

    def p_value(null):
        return (1 + np.sum(np.abs(replicates) >= abs(estimate - null) / se * (1 - 1e-10))) / (1 + len(replicates))

    for null in (0.0, estimate, estimate - se, estimate + 2 * se):
        found = wild_bootstrap(
            rows, clusters, short, estimate, method="score", rng=np.random.default_rng(0), null=null, level=0.9
        )
        np.testing.assert_allclose(found.p_value, p_value(null), rtol=1e-12)
    np.testing.assert_allclose(found.upper - estimate, estimate - found.lower, rtol=1e-9)
    for bound in (found.lower, found.upper):
        assert p_value(bound + 1e-9 * (estimate - bound)) > 0.1 >= p_value(bound - 1e-9 * (estimate - bound))


def larger(seed=0, count=40):
    """More clusters than their signs can be enumerated, of unequal size."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(count), rng.integers(2, 30, count))
    n = len(clusters)
    columns = rng.normal(size=(n, 2)) + rng.normal(size=(count, 2))[clusters]
    y = rng.normal(size=count)[clusters] + rng.normal(size=n)
    x = np.column_stack([columns, np.ones(n)])
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    return WorkingRows(columns, y - x @ beta, np.ones(n), np.zeros(n, dtype=np.intp)), clusters, beta


@pytest.mark.parametrize("method", ["restricted", "score"])
@pytest.mark.parametrize("multipliers", ["rademacher", "webb"])
def test_drawn_multipliers(method, multipliers):
    rows, clusters, beta = larger()
    contrast = np.array([1.0, 0.0, 0.0])

    def kernel(seed, rows=rows, scale=1.0, **more):
        return wild_bootstrap(
            rows, clusters, scale * contrast, scale * beta[0], method=method, multipliers=multipliers,
            rng=np.random.default_rng(seed), **more,
        )  # fmt: skip

    one, two = kernel(1), kernel(2)
    assert not one.exact
    assert one.replicates == 9999
    assert one == kernel(1)
    assert one != two
    assert abs(one.p_value - two.p_value) < 6 * np.sqrt(2 * 0.25 / 9999)
    se = np.sqrt(cluster(rows, clusters, "CR1").covariance[0, 0])
    assert 1.8 < (one.upper - one.lower) / (2 * se) < 3.0
    assert kernel(1, level=0.99).lower < one.lower < one.upper < kernel(1, level=0.99).upper
    # Units of measure, of contrast, dispersion and columns.
    scaled = kernel(1, scale=1e8)
    np.testing.assert_allclose([scaled.lower, scaled.upper], [1e8 * one.lower, 1e8 * one.upper], rtol=1e-9)
    dispersed = WorkingRows(rows.columns, 1e-8 * rows.residual, 1e-8 * rows.weight, rows.codes)
    np.testing.assert_allclose(kernel(1, rows=dispersed).lower, one.lower, rtol=1e-9)
    assert scaled.p_value == one.p_value == kernel(1, rows=dispersed).p_value


def test_multipliers_have_mean_zero_and_variance_one():
    rng = np.random.default_rng(0)
    for name in ("rademacher", "webb"):
        values = np.hstack(list(module._draws(50, 20_000, name, rng)))
        assert values.shape == (50, 20_000)
        assert abs(values.mean()) < 4 / 1000
        assert abs(np.mean(values**2) - 1) < 4 * 0.5 / 1000
        assert abs(np.mean(values**3)) < 4 * 1.5 / 1000
        points = [0.5, 1.0, 1.5] if name == "webb" else [1.0]
        np.testing.assert_allclose(
            np.unique(values), [-np.sqrt(a) for a in points[::-1]] + [np.sqrt(a) for a in points]
        )
    np.testing.assert_array_equal(
        np.unique(np.hstack([np.hstack(list(module._signs(5))), -np.hstack(list(module._signs(5)))]), axis=1).T,
        np.array(list(itertools.product([-1.0, 1.0], repeat=5))),
    )


def test_batches_and_blocks_do_not_matter(monkeypatch):
    model = Linear(*STRUCTURES["clusters across levels"])
    short, c = model.contrast(1.0, 0.0)

    def kernel():
        return wild_bootstrap(
            model.rows(), model.clusters, short, c @ model.fit(model.y), method="restricted",
            rng=np.random.default_rng(0), level=0.8,
        )  # fmt: skip

    whole = kernel()
    monkeypatch.setattr(module, "BATCH", 20)
    monkeypatch.setattr(module, "row_blocks", lambda n, w: [slice(a, min(a + 3, n)) for a in range(0, n, 3)])
    parts = kernel()
    assert parts.p_value == whole.p_value
    np.testing.assert_allclose([parts.lower, parts.upper], [whole.lower, whole.upper], rtol=1e-10)


def test_what_cannot_be_asked():
    rows, clusters, beta = larger()
    more = {"method": "restricted", "rng": np.random.default_rng(0)}
    with pytest.raises(DataError, match="at least two clusters"):
        wild_bootstrap(rows, 0 * clusters, np.array([1.0, 0.0, 0.0]), beta[0], **more)
    exact = WorkingRows(rows.columns, 0 * rows.residual, rows.weight, rows.codes)
    found = wild_bootstrap(exact, clusters, np.array([1.0, 0.0, 0.0]), beta[0], **more)
    assert np.isnan([found.p_value, found.lower, found.upper]).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["restricted", "score"])
def test_size_with_twelve_unequal_clusters(method):
    """The restricted bootstrap holds its size to 4 Monte Carlo standard errors where CR1 with the normal does not."""
    rng = np.random.default_rng(5)
    sizes = np.array([4, 5, 6, 8, 8, 10, 12, 15, 20, 30, 45, 60])
    clusters = np.repeat(np.arange(12), sizes)
    n, draws = len(clusters), 2000
    columns = rng.normal(size=(n, 1)) + rng.normal(size=(12, 1))[clusters]
    x = np.column_stack([columns, np.ones(n)])
    rejected, normal = 0, 0
    for _ in range(draws):
        y = 0.6 * rng.normal(size=12)[clusters] + rng.normal(size=n)
        beta = np.linalg.lstsq(x, y, rcond=None)[0]
        rows = WorkingRows(columns, y - x @ beta, np.ones(n), np.zeros(n, dtype=np.intp))
        found = wild_bootstrap(rows, clusters, np.array([1.0, 0.0]), beta[0], method=method, rng=rng, replicates=4096)
        rejected += found.p_value <= 0.05
        se = np.sqrt(cluster(rows, clusters, "CR1").covariance[0, 0])
        normal += abs(beta[0] / se) > stats.norm.ppf(0.975)
        assert (found.p_value <= 0.05) == (not found.lower <= 0 <= found.upper)
    noise = 4 * np.sqrt(0.05 * 0.95 / draws)
    print(f"{method}: {rejected / draws:.4f}, CR1 with the normal {normal / draws:.4f}, nominal 0.05 ± {noise:.4f}")
    assert normal / draws > 0.05 + noise
    assert rejected / draws < (0.05 + noise if method == "restricted" else normal / draws)
