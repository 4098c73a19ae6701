"""Cross-fitted learners against exact refits, plain loops, and a truth that bends."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import GammaRegressor, Lasso, LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from benchmodels import FixedEffects, Pooled, rank
from benchmodels.adjustment.cross_fitted import CrossFitted
from benchmodels.adjustment.cross_fitted.splits import balanced_folds
from benchmodels.adjustment.learning import beside_regression, learning_curve
from benchmodels.errors import (
    BenchmodelsWarning,
    ConvergenceError,
    DataError,
    PartialResultWarning,
    SpecificationError,
)

EXACT = 1e-8


def cases(seed=1, n=600, k=12):
    rng = np.random.default_rng(seed)
    unit = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    x = np.round(rng.normal(size=n) + 0.1 * unit, 1)
    group = rng.choice(list("abc"), n)
    table = pd.DataFrame({"town": [f"by {u:02d}" for u in unit], "x": x, "group": group})
    table["cost"] = x + 2.0 * (group == "a") + 0.05 * unit + rng.normal(size=n)
    table["n"] = rng.integers(1, 30, n)
    table["k"] = rng.binomial(table["n"], expit(0.7 * np.abs(x) - 1.0 + 0.4 * (group == "b") + 0.1 * (unit % 3)))
    table["years"] = rng.uniform(0.5, 40.0, n)
    table["falls"] = rng.poisson(table["years"] * np.exp(0.3 * x - 1.0))
    return table


def shares(estimator, **options):
    return CrossFitted("k ~ x + group", unit="town", trials="n", estimator=estimator, **{"rng": 1, **options})


def exact_logistic():
    return LogisticRegression(C=np.inf, tol=1e-12, max_iter=2000, solver="newton-cholesky")


# Exact refits


@pytest.mark.parametrize("role", ["none", "frequency", "exposure", "sampling_weights"])
def test_least_squares_without_a_unit_is_pooled_without_it(role):
    table = cases()
    roles = {} if role == "none" else {role: "n"}
    common = {"unit": "town", "family": "gaussian", **roles}
    learnt = CrossFitted("cost ~ x + group", estimator=LinearRegression(), folds="units", **common).fit(table)
    plain = Pooled("cost ~ x + group", **common).fit(table)
    np.testing.assert_allclose(learnt.expected(), plain.expected(), rtol=EXACT)
    one, two = learnt.compare(contrast="ratio"), plain.compare(contrast="ratio")
    np.testing.assert_allclose(one.estimate, two.estimate, rtol=EXACT)
    np.testing.assert_array_equal(one.size, two.size)
    # A pooled model knows of the error of its slopes too; the learner's own is not in the limits.
    assert np.all(one.std_error < 1.03 * two.std_error) and np.all(one.std_error > 0.8 * two.std_error)


def test_logistic_regression_without_a_unit_is_pooled_without_it():
    table = cases()
    for learner in (exact_logistic(), make_pipeline(StandardScaler(), exact_logistic())):
        learnt = shares(learner, folds="units").fit(table)
        plain = Pooled("k ~ x + group", unit="town", trials="n").fit(table)
        np.testing.assert_allclose(learnt.expected(), plain.expected(), rtol=EXACT)


def test_poisson_regression_without_a_unit_is_pooled_without_it():
    table = cases()
    learner = PoissonRegressor(alpha=0, tol=1e-12, solver="newton-cholesky")
    learnt = CrossFitted(
        "falls ~ x", unit="town", family="poisson", exposure="years", estimator=learner, folds="units"
    ).fit(table)
    plain = Pooled("falls ~ x", unit="town", family="poisson", exposure="years").fit(table)
    np.testing.assert_allclose(learnt.expected(), plain.expected(), rtol=EXACT)


def test_fit_is_a_plain_loop():
    table = cases()
    fit = shares(DecisionTreeRegressor(max_depth=3, random_state=0), folds=4).fit(table)
    frame = fit.splits().set_index("unit")
    matrix = np.column_stack([table["x"], table["group"] == "b", table["group"] == "c"]).astype(float)
    fold = frame["fold"].loc[table["town"]].to_numpy()
    for unit, row in frame.iterrows():
        out = fold != row["fold"]
        tree = DecisionTreeRegressor(max_depth=3, random_state=0)
        tree.fit(matrix[out], (table["k"] / table["n"])[out], sample_weight=table["n"][out])
        share = tree.predict(matrix)
        eta = np.log(share / (1 - share))
        other, own = (table["town"] != unit).to_numpy(), (table["town"] == unit).to_numpy()

        def gap(level, eta=eta, other=other):
            return np.sum(table["n"][other] * expit(eta[other] + level)) - table["k"][other].sum()

        level = brentq(gap, -2, 2, xtol=1e-14)
        assert row["expected"] == pytest.approx(np.sum(table["n"][own] * expit(eta[own] + level)), rel=EXACT)


def test_slope_is_a_plain_loop_over_two_folds_left_out():
    table = cases()
    tree = DecisionTreeClassifier(max_depth=5, min_samples_leaf=15, random_state=0)
    fit = shares(tree, folds=3, calibrate="slope").fit(table)
    frame = fit.splits().set_index("unit")
    fold = frame["fold"].loc[table["town"]].to_numpy()
    matrix = np.column_stack([table["x"], table["group"] == "b", table["group"] == "c"]).astype(float)

    def doubled(rows):
        weight = np.r_[table["k"][rows], (table["n"] - table["k"])[rows]]
        there = weight > 0
        event = np.repeat([1, 0], rows.sum())
        return np.vstack([matrix[rows]] * 2)[there], event[there], weight[there]

    def predicted(out):
        # Cells alike are one leaf's case in the fit.
        x, y, weight = doubled(out)
        both = pd.DataFrame(x).assign(y=y, w=weight, u=np.tile(table["town"][out], 2)[_there(table, out)])
        both = both.groupby([0, 1, 2, "y", "u"], as_index=False)["w"].sum()
        model = DecisionTreeClassifier(max_depth=5, min_samples_leaf=15, random_state=0)
        model.fit(both[[0, 1, 2]].to_numpy(), both["y"], sample_weight=both["w"])
        share = model.predict_proba(matrix)[:, 1]
        return np.log(share / (1 - share))

    for f in range(3):
        eta = np.zeros(len(table))
        for g in range(3):
            eta[fold == g] = predicted((fold != f) & (fold != g))[fold == g]
        rest = fold != f
        once = np.column_stack([eta, *(fold == g for g in range(3))])[rest]
        x = np.vstack([once, once])
        weight = np.r_[table["k"][rest], (table["n"] - table["k"])[rest]]
        model = exact_logistic().set_params(fit_intercept=False)
        slope = model.fit(x[:, x.any(axis=0)], np.repeat([1, 0], rest.sum()), sample_weight=weight).coef_[0, 0]
        assert fit._splits[0].slope[f] == pytest.approx(slope, rel=1e-6)
        eta *= slope
        for unit in frame.index[frame["fold"] == f]:
            other, own = (table["town"] != unit).to_numpy(), (table["town"] == unit).to_numpy()
            level = brentq(
                lambda a, eta=eta, other=other: np.sum((table["n"] * expit(eta + a) - table["k"])[other]), -3, 3
            )
            assert frame["expected"][unit] == pytest.approx(np.sum((table["n"] * expit(eta + level))[own]), rel=1e-6)


def _there(table, rows):
    return np.r_[table["k"][rows], (table["n"] - table["k"])[rows]] > 0


# No unit has a part in its own expected value


@pytest.mark.parametrize("calibrate", ["level", "slope"])
@pytest.mark.parametrize("folds", [3, "units"])
def test_what_happens_in_a_unit_does_not_touch_its_own_expected_value(calibrate, folds):
    table = cases(n=400, k=8)
    learner = RandomForestRegressor(8, min_samples_leaf=20)
    model = shares(learner, folds=folds, calibrate=calibrate, repeats=1 if folds == "units" else 2)
    planted = table.copy()
    own = planted["town"] == "by 03"
    planted.loc[own, "k"] = planted.loc[own, "n"]
    before, after = model.fit(table), model.fit(planted)
    for reference, same in (("others", True), ("all", False)):
        one, two = (fit.expected(reference=reference) for fit in (before, after))
        assert (one["by 03"] == two["by 03"]) is np.bool_(same)
    moved = (after.expected() / before.expected() - 1.0).drop("by 03")
    assert np.all(moved > 0.01)
    # In sample the forest follows the unit: its expected value rises with what it did.
    matrix = np.column_stack([table["x"], table["group"] == "b", table["group"] == "c"]).astype(float)

    def in_sample(of):
        forest = RandomForestRegressor(8, min_samples_leaf=20, random_state=1)
        share = forest.fit(matrix, of["k"] / of["n"], sample_weight=of["n"]).predict(matrix)
        return np.sum(share[own] * of["n"][own])

    assert in_sample(planted) > 1.1 * in_sample(table)


def test_folds_are_balanced_whole_units_and_of_the_generator_alone():
    size = np.r_[np.full(5, 1000.0), np.full(20, 10.0), 1.0]
    fold = balanced_folds(size, 5, np.random.default_rng(4))
    assert sorted(fold[:5]) == list(range(5))
    assert np.bincount(fold, size).max() <= 1041
    np.testing.assert_array_equal(fold, balanced_folds(size, 5, np.random.default_rng(4)))
    assert np.any(fold != balanced_folds(size, 5, np.random.default_rng(5)))
    np.testing.assert_array_equal(balanced_folds(size, 26, np.random.default_rng(4)), np.arange(26))


# Promises of every model


def test_same_generator_same_answer_whatever_the_order_of_rows():
    table = cases()
    kept = table.copy()
    model = shares(RandomForestClassifier(6, min_samples_leaf=10), repeats=2)
    one = model.fit(table).expected()
    pd.testing.assert_frame_equal(table, kept)
    pd.testing.assert_series_equal(one, model.fit(table).expected())
    shuffled = model.fit(table.sample(frac=1.0, random_state=3)).expected()
    np.testing.assert_allclose(one, shuffled, rtol=EXACT)
    assert np.any(one != shares(RandomForestClassifier(6, min_samples_leaf=10), repeats=2, rng=2).fit(table).expected())


def test_estimator_given_is_copied_and_never_fitted():
    learner = make_pipeline(SplineTransformer(), LogisticRegression(max_iter=500))
    before = repr(learner.get_params())
    model = shares(learner)
    model.fit(cases())
    assert repr(learner.get_params()) == before
    assert not hasattr(learner[-1], "coef_") and not hasattr(model.estimator[-1], "coef_")
    learner.set_params(logisticregression__C=1e-9)
    assert model.estimator[-1].C == 1.0


def test_model_and_fit_print_compare_and_pickle():
    model = shares(make_pipeline(StandardScaler(), LogisticRegression()), folds=4)
    assert model == shares(make_pipeline(StandardScaler(), LogisticRegression()), folds=4)
    assert model != shares(make_pipeline(StandardScaler(), LogisticRegression(C=2.0)), folds=4)
    assert len({model, shares(make_pipeline(StandardScaler(), LogisticRegression()), folds=4)}) == 1
    assert "\n" not in repr(model) and "folds=4" in repr(model)
    fit = model.fit(cases())
    assert "learnt 4 times" in repr(fit)
    loaded = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_series_equal(loaded.expected(), fit.expected())
    assert list(fit.cells) == ["unit", "cell", "weight", "outcome", "expected", "x", "group[T.b]", "group[T.c]"] or (
        "group" in list(fit.cells)[-1]
    )
    total = (fit.cells["weight"] * fit.cells["expected"]).groupby(fit.cells["unit"]).sum()
    np.testing.assert_allclose(total, fit.expected(), rtol=1e-12)


def test_counts_are_repeated_cases_and_exposure_has_no_unit_of_measure():
    table = cases(n=200)
    long = table.loc[table.index.repeat(table["n"])].copy()
    place = long.groupby(level=0).cumcount()
    long["k"] = (place < long["k"]).astype(int)
    learner = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, tol=1e-10))
    grouped = shares(learner, folds=3).fit(table).expected()
    single = CrossFitted("k ~ x + group", unit="town", estimator=learner, folds=3, rng=1).fit(long).expected()
    np.testing.assert_allclose(grouped, single, rtol=EXACT)
    roles = {"unit": "town", "family": "gaussian", "exposure": "years", "estimator": Ridge(3.0), "rng": 1}
    one = CrossFitted("falls ~ x", **roles).fit(table).expected()
    two = CrossFitted("falls ~ x", **roles).fit(table.assign(years=table["years"] * 365.0)).expected()
    np.testing.assert_allclose(one, two, rtol=EXACT)


@pytest.mark.parametrize("by", [365.25, 1e-12, 1e12])
@pytest.mark.parametrize(
    ("family", "learner"),
    [
        ("poisson", PoissonRegressor(alpha=1.0, tol=1e-12, solver="newton-cholesky")),
        ("gamma", GammaRegressor(alpha=0.5, tol=1e-12, solver="newton-cholesky")),
        ("gaussian", Lasso(0.1, tol=1e-12)),
    ],
)
def test_penalties_do_not_depend_on_what_exposure_is_counted_in(family, learner, by):
    table = cases(n=200)
    table = table.assign(falls=table["falls"] + 0.5) if family == "gamma" else table
    roles = {"unit": "town", "family": family, "exposure": "years", "estimator": learner, "rng": 1}
    one = CrossFitted("falls ~ x", **roles).fit(table).compare()
    two = CrossFitted("falls ~ x", **roles).fit(table.assign(years=table["years"] * by)).compare()
    np.testing.assert_allclose(one.expected, two.expected, rtol=1e-9)
    np.testing.assert_allclose(one.std_error, two.std_error * by, rtol=1e-9)


def test_weights_reach_the_inside_of_pipelines_and_searches():
    table = cases(n=300)
    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    plain = shares(tree, folds=3).fit(table).expected()
    for wrapped in (make_pipeline(StandardScaler(), tree), GridSearchCV(tree, {"max_depth": [2]}, cv=2)):
        np.testing.assert_allclose(shares(wrapped, folds=3).fit(table).expected(), plain, rtol=EXACT)
    without = make_pipeline(StandardScaler(), KNeighborsRegressor())
    with pytest.raises(SpecificationError, match="KNeighborsRegressor.*cannot take weights"):
        shares(without).fit(table)
    # Cases that each stand for one need no weights.
    alone = table.assign(x=np.random.default_rng(1).normal(size=len(table)))
    fit = CrossFitted("cost ~ x", unit="town", family="gaussian", estimator=without, rng=1).fit(alone)
    assert np.isfinite(fit.expected()).all()


# What is said of it


def test_comparison_claims_no_level():
    fit = shares(RandomForestRegressor(10, min_samples_leaf=20), repeats=3, rng=7).fit(cases())
    for contrast in ("difference", "ratio", "rate"):
        for reference in ("others", "all"):
            found = fit.compare(contrast=contrast, reference=reference, better="low")
            assert np.isfinite(found.std_error).all() and np.all(found.lower < found.upper)
            np.testing.assert_allclose(found.expected, fit.expected(reference=reference), rtol=1e-9)
            assert set(found.different) == {"withheld"}
    assert "no level" in found.coverage.of_intervals() and "learner" in found.coverage.of_intervals()
    assert "own uncertainty is not in the limits" in found.source.noise and "3 splits" in found.source.noise
    assert found.source.rng == "7"
    assert np.all((found.overlap > 0.3) & (found.overlap <= 1.0))
    with pytest.raises(SpecificationError, match="standard='indirect'"):
        fit.compare(standard="direct")
    with pytest.raises(SpecificationError, match="no set of coefficients.*beside_regression"):
        fit.coefficients()
    with pytest.raises(SpecificationError, match="reference"):
        fit.compare(reference="none")
    with pytest.warns(BenchmodelsWarning, match="own case mix"):
        rank(fit.compare(), rng=1)


def test_totals_agree_with_the_unit_among_them_and_the_certificate_says_how_far_without():
    table = cases()
    fit = shares(RandomForestRegressor(10, min_samples_leaf=20), repeats=2).fit(table)
    assert fit.expected(reference="all").sum() == pytest.approx(table["k"].sum(), rel=1e-9)
    learnt = np.mean([expit(split.eta) for split in fit._splits], axis=0)
    eta, cells = np.log(learnt / (1 - learnt)), fit.cells
    level = brentq(lambda a: np.sum(cells["weight"] * expit(eta + a)) - table["k"].sum(), -1, 1, xtol=1e-14)
    by_unit = (cells["weight"] * expit(eta + level)).groupby(cells["unit"]).sum()
    np.testing.assert_allclose(fit.expected(reference="all"), by_unit, rtol=EXACT)
    facts, frame = fit.certificate, fit.splits()
    assert facts.total_ratio == pytest.approx(fit.expected().sum() / table["k"].sum(), rel=1e-12)
    assert facts.fits == 10 and facts.slope == (1.0, 1.0) and facts.edge == 0
    assert np.all(frame["lowest"] < frame["highest"]) and facts.split_spread > 0
    np.testing.assert_allclose(frame["expected"], fit.expected(), rtol=1e-12)
    assert np.isnan(shares(Ridge()).fit(table).certificate.split_spread)


def test_slope_draws_in_a_learner_that_is_too_sure_of_itself():
    table = cases(n=900)
    wild = RandomForestRegressor(20, min_samples_leaf=2)
    fit = shares(wild, calibrate="slope", folds=3).fit(table)
    assert fit.certificate.slope[1] < 0.9 and fit.certificate.fits == 6
    plain = Pooled("k ~ x + group", unit="town", trials="n").fit(table)
    slope = {}
    for name, found in (("slope", fit), ("level", shares(wild, folds=3).fit(table))):
        scores = beside_regression(found, plain).scores.set_index("measure")["learner"]
        slope[name] = scores["calibration_slope"]
    assert abs(slope["slope"] - 1.0) < 0.5 * abs(slope["level"] - 1.0)


# A truth that is known


def drawn(seed, *, truth, tied=0.0, k=98):
    """Cases of units with their expected rate under average practice, and their practice."""
    rng = np.random.default_rng(seed)
    n = np.round(np.exp(rng.normal(5.4, 0.7, k))).astype(int) + 20
    lean = rng.normal(size=k)
    practice = 0.25 * (tied * lean + np.sqrt(1 - tied**2) * rng.normal(size=k))
    unit = np.repeat(np.arange(k), n)
    x, z = np.round(rng.normal(size=(2, len(unit))) + 0.7 * np.vstack([lean[unit], -lean[unit]]), 1)
    bent = -2.3 + 0.9 * (np.abs(x) > 1.2) + 0.8 * (x > 0) * (z > 0) - 0.5 * np.sin(2 * z)
    eta = bent if truth == "bent" else -2.0 + 0.6 * x - 0.4 * z
    chance = expit(eta + practice[unit])
    average = expit(eta[:, None] + 0.25 * np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0])) @ np.array([1, 4, 1]) / 6.0
    table = pd.DataFrame({"unit": unit, "x": x, "z": z, "y": rng.binomial(1, chance)})
    rate, expected = np.bincount(unit, chance) / n, np.bincount(unit, average) / n
    return table, n, rate, expected


def forest():
    return RandomForestRegressor(n_estimators=12, min_samples_leaf=30)


@pytest.mark.parametrize(("truth", "better"), [("bent", "learner"), ("linear", "regression")])
def test_learner_wins_where_the_truth_bends_and_regression_where_it_does_not(truth, better):
    errors = {"learner": [], "regression": []}
    deviances = {"learner": [], "regression": []}
    for seed in (1, 2):
        table, n, _, expected = drawn(seed, truth=truth, k=60)
        learner = CrossFitted("y ~ x + z", unit="unit", estimator=forest(), rng=1).fit(table)
        regression = Pooled("y ~ x + z", unit="unit").fit(table)
        scores = beside_regression(learner, regression).scores.set_index("measure")
        for name, fit in (("learner", learner), ("regression", regression)):
            errors[name].append(np.mean((fit.expected().to_numpy() / n - expected) ** 2))
            deviances[name].append(scores.loc["deviance", name])
    worse = "regression" if better == "learner" else "learner"
    assert np.mean(errors[better]) < np.mean(errors[worse])
    assert np.mean(deviances[better]) < np.mean(deviances[worse])


def test_learner_of_pooled_cases_takes_practice_for_composition_where_they_go_together():
    slopes = {"learner": [], "pooled": [], "within": []}
    for seed in (1, 2, 3):
        table, n, rate, expected = drawn(seed, truth="linear", tied=0.8, k=60)
        fits = {
            "learner": CrossFitted("y ~ x + z", unit="unit", estimator=LogisticRegression(), rng=1).fit(table),
            "pooled": Pooled("y ~ x + z", unit="unit").fit(table),
            "within": FixedEffects("y ~ x + z", unit="unit").fit(table),
        }
        for name, fit in fits.items():
            # Without the unit's own noise: its true rate against what is expected of it.
            slopes[name].append(np.polyfit(rate - expected, rate - fit.expected().to_numpy() / n, 1)[0])
    means = {name: np.mean(found) for name, found in slopes.items()}
    assert means["within"] == pytest.approx(1.0, abs=0.1)
    assert means["learner"] < 0.85 and means["pooled"] < 0.85
    assert means["learner"] == pytest.approx(means["pooled"], abs=0.05)


# What cannot be


class Odd(RegressorMixin, BaseEstimator):
    """Predicts whatever it is told."""

    def __init__(self, says=None):
        self.says = says

    def fit(self, x, y, sample_weight=None):
        if self.says == "error":
            raise RuntimeError("the tree fell\non the house")
        if self.says == "warning":
            warnings.warn("did not arrive", UserWarning, stacklevel=1)
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, x):
        mean = np.full(len(x), self.mean_)
        forms = {
            "column": mean[:, None],
            "two": np.column_stack([mean, mean]),
            "short": mean[:-1],
            "nan": np.where(np.arange(len(x)) == 3, np.nan, mean),
            "negative": mean - 2.0,
            "text": np.full(len(x), "mange", dtype=object),
            "zero": 0.0 * mean,
            "one": 0.0 * mean + 1.0,
            "half": (np.arange(len(x)) % 2).astype(float),
        }
        return forms.get(self.says, mean)


class Three(ClassifierMixin, BaseEstimator):
    def fit(self, x, y, sample_weight=None):
        self.classes_ = np.array([0, 1, 2])
        return self

    def predict(self, x):
        return np.zeros(len(x))

    def predict_proba(self, x):
        return np.full((len(x), 3), 1 / 3)


class Duck:
    """Not of scikit-learn's family, and good enough."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def fit(self, x, y, sample_weight=None):
        self.mean = np.average(y, weights=sample_weight)

    def predict(self, x):
        return [self.mean] * len(x)


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (object(), "has no 'fit', 'predict', 'get_params'|has no"),
        (LinearRegression, "is the class LinearRegression"),
        (StandardScaler(), "StandardScaler has no 'predict'"),
        (KMeans(), "is a clusterer"),
        (LinearSVC(), "no predict_proba"),
        (None, "NoneType"),
    ],
)
def test_estimators_that_are_none(estimator, words):
    with pytest.raises(SpecificationError, match=words):
        shares(estimator)


def test_questions_that_are_none():
    for family in ("gaussian", "poisson", "gamma"):
        with pytest.raises(SpecificationError, match="classifier, which learns shares"):
            CrossFitted("cost ~ x", unit="town", family=family, estimator=DummyClassifier())
    for options, words in (
        ({"folds": 1}, "folds=1"),
        ({"folds": True}, "folds=True"),
        ({"folds": "all"}, "folds='all'"),
        ({"folds": 2.5}, "folds=2.5"),
        ({"repeats": 0}, "repeats=0"),
        ({"repeats": 2, "folds": "units"}, "one way only"),
        ({"calibrate": True}, "calibrate must be one of"),
        ({"rng": "x"}, "rng='x'"),
        ({"offset": "x"}, "no place for an offset"),
        ({"family": "beta_binomial"}, "family='binomial'"),
    ):
        with pytest.raises(SpecificationError, match=words):
            shares(Ridge(), **options)
    with pytest.raises(SpecificationError, match="no covariates"):
        CrossFitted("k ~ 1", unit="town", trials="n", estimator=Ridge()).fit(cases())
    with pytest.raises(SpecificationError, match="folds=13 and there are 12 units"):
        shares(Ridge(), folds=13).fit(cases())


@pytest.mark.parametrize(
    ("says", "kind", "words"),
    [
        ("two", SpecificationError, r"shape \(\d+, 2\)"),
        ("short", SpecificationError, "shape"),
        ("nan", ConvergenceError, "nothing finite for 1 of"),
        ("negative", SpecificationError, "between 0 and 1"),
        ("text", SpecificationError, "no number"),
        ("error", SpecificationError, "failed when learning without .*the tree fell$"),
    ],
)
def test_predictions_that_are_none(says, kind, words):
    with pytest.raises(kind, match=words):
        shares(Odd(says)).fit(cases())


def test_constants_columns_and_ducks_are_the_overall_rate_of_the_others():
    table = cases()
    others = {u: table[table["town"] != u] for u in table["town"].unique()}
    sizes = table.groupby("town")["n"].sum()
    rate = pd.Series({u: o["k"].sum() / o["n"].sum() for u, o in others.items()}).sort_index()
    for learner in (Odd(), Odd("column"), Duck(), DummyRegressor(), DummyClassifier(strategy="prior")):
        np.testing.assert_allclose(shares(learner).fit(table).expected(), rate * sizes, rtol=1e-9)
    slope = shares(Odd(), calibrate="slope").fit(table)
    # Its level is of predictions without two folds, each a little off the one without one.
    np.testing.assert_allclose(slope.expected(), rate * sizes, rtol=1e-2)
    assert slope.certificate.slope == (1.0, 1.0)


def test_chances_of_nothing_and_certainty_are_counted_and_never_a_traceback():
    table = cases()
    for says in ("zero", "one", "half"):
        with pytest.raises(ConvergenceError, match="nothing can be expected of any unit"):
            shares(Odd(says)).fit(table)
    with pytest.raises(SpecificationError, match="away from the edge"):
        shares(Odd("zero"), calibrate="slope").fit(table)
    single = pd.DataFrame({"town": list("aabbccdd") * 30, "x": np.tile([0.0, 1.0], 120)})
    single["y"] = (single["x"] > 0).astype(int)
    single.loc[:3, "y"] = 1 - single.loc[:3, "y"]
    sure = CrossFitted("y ~ x", unit="town", estimator=DecisionTreeClassifier(), folds="units").fit(single)
    assert sure.expected().notna().all()
    forest = CrossFitted("y ~ x", unit="town", estimator=RandomForestClassifier(5), folds=4, rng=1)
    few = pd.DataFrame({"town": np.repeat(list("abcdefgh"), 6), "x": np.random.default_rng(2).normal(size=48)})
    few["y"] = (few["x"] + np.random.default_rng(3).normal(size=48) > 0.8).astype(int)
    with pytest.warns(PartialResultWarning, match="no room for what was observed"):
        found = forest.fit(few).compare()
    lost = found.withheld != ""
    assert 0 < lost.sum() < 8 and np.isfinite(found.estimate).all() and np.isfinite(found.lower[~lost]).all()
    np.testing.assert_allclose(found.estimate, (found.observed - found.expected) / found.size, rtol=1e-9)


def test_an_estimators_warnings_are_counted():
    with pytest.warns(PartialResultWarning, match=r"Odd gave 5 warning\(s\), the first: did not arrive"):
        shares(Odd("warning")).fit(cases())


def test_two_units_few_events_and_huge_counts():
    two = cases(k=2, n=60)
    fit = shares(Ridge(), folds=2).fit(two)
    assert np.isfinite(fit.compare().std_error).all()
    with pytest.raises(SpecificationError, match="folds=5 and there are 2 units"):
        shares(Ridge()).fit(two)
    lone = pd.DataFrame({"town": list("aabb"), "x": [0.0, 1, 0, 1], "y": [0, 1, 0, 0]})
    with pytest.raises(DataError, match="without 'a'.*0 in every case|without a"):
        CrossFitted("y ~ x", unit="town", estimator=LogisticRegression(), folds=2).fit(lone)
    fit = CrossFitted("y ~ x", unit="town", estimator=LinearRegression(), folds=2).fit(lone)
    assert fit.certificate.edge == 8
    with pytest.raises(ConvergenceError, match="no unit to compare"):
        fit.compare()
    huge = cases()
    huge = huge.assign(n=huge["n"] * 10**11, k=huge["k"] * 10**11)
    found = shares(LogisticRegression(C=np.inf, max_iter=500), folds=3).fit(huge).compare()
    assert np.isfinite(found.estimate).all() and np.all(found.std_error > 0)
    with pytest.raises(DataError, match="zero in every row"):
        shares(Ridge()).fit(cases().assign(k=0))


def test_a_category_that_only_one_unit_has_is_not_expected_of():
    table = cases()
    table.loc[table["town"] == "by 04", "group"] = "d"
    with pytest.warns(PartialResultWarning, match=r"1 of 12 units.*by 04.*other folds.*d"):
        fit = shares(Ridge(), folds=3).fit(table)
    assert list(fit.expected().index[fit.expected().isna()]) == ["by 04"]
    with pytest.warns(PartialResultWarning, match="withheld for 1 of 12"):
        found = fit.compare()
    assert np.isfinite(found.estimate).sum() == 11
    beside = beside_regression(fit, Pooled("k ~ x", unit="town", trials="n").fit(table))
    assert np.isfinite(beside.scores[["learner", "regression"]]).all(axis=None) and len(beside.movers(50)) == 11


# Learning


def test_scores_are_those_of_scikit_learn_on_single_cases():
    from sklearn.metrics import log_loss, roc_auc_score

    table = cases(n=250)
    learner = shares(RandomForestRegressor(10, min_samples_leaf=10), folds=3).fit(table)
    regression = Pooled("k ~ x", unit="town", trials="n").fit(table)
    beside = beside_regression(learner, regression)
    assert repr(beside).startswith("BesideRegression(") and "\n" not in repr(beside)
    assert beside.units.attrs == {"simulated": False}
    scores = beside.scores.set_index("measure")
    cells = learner.cells
    event = np.repeat([1, 0], len(cells))
    weight = np.r_[cells["outcome"], cells["weight"] - cells["outcome"]]
    chance = np.r_[cells["expected"], cells["expected"]]
    assert scores.loc["deviance", "learner"] == pytest.approx(2 * log_loss(event, chance, sample_weight=weight))
    assert scores.loc["discrimination", "learner"] == pytest.approx(roc_auc_score(event, chance, sample_weight=weight))
    assert scores.loc["squared_error", "learner"] == pytest.approx(np.average((event - chance) ** 2, weights=weight))
    slope = exact_logistic().fit(np.log(chance / (1 - chance))[:, None], event, sample_weight=weight).coef_[0, 0]
    assert scores.loc["calibration_slope", "learner"] == pytest.approx(slope, rel=1e-6)
    np.testing.assert_allclose(beside.units["regression"], regression.expected(), rtol=1e-12)
    moved = (learner.expected() - regression.expected()).to_numpy() / beside.units["size"]
    np.testing.assert_allclose(beside.units["moved"], moved, rtol=1e-9)
    top = beside.movers(3)
    assert np.all(np.diff(top["moved"].abs()) <= 0) and top["moved"].abs().iloc[0] == moved.abs().max()
    assert 0.3 < beside.rank_correlation <= 1.0


def test_a_learner_that_is_the_regression_does_not_differ_from_it():
    table = cases()
    for family, outcome, learner, roles in (
        ("gaussian", "cost", LinearRegression(), {}),
        ("poisson", "falls", PoissonRegressor(alpha=0, tol=1e-12, solver="newton-cholesky"), {"exposure": "years"}),
    ):
        common = {"unit": "town", "family": family, **roles}
        one = CrossFitted(f"{outcome} ~ x + group", estimator=learner, folds="units", **common).fit(table)
        beside = beside_regression(one, Pooled(f"{outcome} ~ x + group", **common).fit(table))
        np.testing.assert_allclose(beside.scores["learner"], beside.scores["regression"], rtol=1e-6)
        assert beside.rank_correlation == pytest.approx(1.0)
        assert np.abs(beside.units["moved"]).max() < 1e-7


def test_questions_of_learning_that_are_none():
    table = cases()
    fit = shares(Ridge()).fit(table)
    with pytest.raises(SpecificationError, match="takes the fit of a CrossFitted"):
        beside_regression(fit, fit)
    with pytest.raises(SpecificationError, match="family"):
        beside_regression(fit, Pooled("cost ~ x", unit="town", family="gaussian").fit(table))
    with pytest.raises(SpecificationError, match="fit both to one table"):
        beside_regression(fit, Pooled("k ~ x", unit="town", trials="n").fit(table[table["town"] != "by 01"]))
    with pytest.raises(SpecificationError, match="outcome of units"):
        beside_regression(fit, Pooled("k ~ x", unit="town", trials="n").fit(table.assign(k=0 * table["k"] + 1)))
    for shares_asked in ((), (0.0,), (1.5,), "a", (0.01,)):
        with pytest.raises(SpecificationError, match="shares"):
            learning_curve(fit, shares=shares_asked)
    with pytest.raises(SpecificationError, match="takes the fit"):
        learning_curve(Pooled("k ~ x", unit="town", trials="n").fit(table))
    with pytest.raises(SpecificationError, match="count"):
        beside_regression(fit, Pooled("k ~ x", unit="town", trials="n").fit(table)).movers(0)


def test_curve_falls_with_units_and_ends_at_the_fit():
    table, *_ = drawn(3, truth="bent", k=40)
    fit = CrossFitted("y ~ x + z", unit="unit", estimator=forest(), rng=1).fit(table)
    curve = learning_curve(fit, shares=(0.1, 0.4, 1.0), repeats=2, rng=1)
    assert list(curve) == ["units", "repeat", "deviance", "level_deviance"]
    assert list(curve["units"]) == [3.0, 3.0, 13.0, 13.0, 32.0]
    means = curve.groupby("units")["deviance"].mean()
    assert np.all(np.diff(means) < 0) and means.iloc[-1] < curve["level_deviance"].iloc[-1]
    pd.testing.assert_frame_equal(curve, learning_curve(fit, shares=(0.1, 0.4, 1.0), repeats=2, rng=1))
    plain = Pooled("y ~ x + z", unit="unit").fit(table)
    scores = beside_regression(fit, plain).scores.set_index("measure")
    # Up to the seeds of the trees and the cases that the level is of.
    assert means.iloc[-1] == pytest.approx(scores.loc["deviance", "learner"], rel=2e-3)
