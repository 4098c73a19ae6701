"""Missing covariates: a category of their own, or imputed many times and pooled."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import norm, t

from benchmodels import (
    BenchmodelsWarning,
    Comparison,
    ConvergenceError,
    DataError,
    FixedEffects,
    PartialResultWarning,
    Pooled,
    RandomEffects,
    SpecificationError,
    flag,
    rank,
)
from benchmodels.imputation import completed, impute, pool, pool_coefficients
from benchmodels.kernels import counts

SLOPES = {"g[T.low]": 0.9, "g[T.middle]": 0.5, "girl": 0.5, "age": 0.3}
FORMULA = "y ~ g + girl + age"


def pupils(rng, *, k=12, small=60, large=700, missing_age=False):
    """Composition differs between units and goes with their practice; what is missing depends on outcome and unit."""
    size = np.round(np.geomspace(small, large, k)).astype(int)
    unit = np.repeat(np.arange(k), size)
    n, advantage = len(unit), rng.normal(size=k)
    practice = 0.3 * (0.4 * advantage + rng.normal(size=k))
    girl, age = rng.integers(0, 2, n), np.round(rng.normal(size=n) + 0.3 * advantage[unit], 2)
    middle = 0.3 + 0.6 * advantage[unit] + 0.4 * girl + 0.3 * age
    high = -0.3 + 0.9 * advantage[unit] - 0.3 * girl + 0.5 * age
    g = (np.column_stack([np.zeros(n), middle, high]) + rng.gumbel(size=(n, 3))).argmax(axis=1)
    p = expit(-1.2 + np.array([0.0, -0.4, -0.9])[g] + 0.5 * girl + 0.3 * age + practice[unit])
    y = (rng.random(n) < p).astype(int)
    names = np.array(["low", "middle", "high"], dtype=object)[g]
    data = pd.DataFrame({"unit": unit, "g": names, "girl": girl, "age": age, "p": p, "y": y})
    lacking = data.copy()
    habit = 0.7 * rng.normal(size=k)
    lacking.loc[rng.random(n) < expit(-1.2 + y + 0.5 * girl - 0.3 * age + habit[unit]), "g"] = None
    if missing_age:
        lacking.loc[rng.random(n) < expit(-1.5 + y), "age"] = np.nan
    return data, lacking


@pytest.fixture(scope="module")
def table():
    return pupils(np.random.default_rng(3), k=8, small=40, large=200, missing_age=True)[1]


@pytest.fixture(scope="module", autouse=True)
def fast_limits():
    # The saddlepoint instead of the exact distribution for small units: within 2e-3, and much faster.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "EXACT_COST", 0)
        yield


@pytest.fixture(scope="module")
def fits(table):
    return [model().fit(found) for found in impute(table, model(), imputations=12)]


def compared(fit, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return fit.compare(**options)


# --- a category of their own ---


@pytest.mark.parametrize("model", [Pooled, FixedEffects, RandomEffects])
def test_missing_category_is_one_more_category(table, model):
    lacking = table.drop(columns="age")
    found = model("y ~ g + girl", unit="unit", missing="category").fit(lacking)
    filled = model("y ~ g + girl", unit="unit").fit(lacking.assign(g=lacking["g"].fillna("zz")))
    assert list(found.slopes.index) == ["g[T.low]", "g[T.middle]", "g[T.missing]", "girl"]
    np.testing.assert_allclose(found.slopes, filled.slopes, rtol=1e-9)
    np.testing.assert_allclose(compared(found).lower, compared(filled).lower, rtol=1e-8)
    assert found.design.rows_missing == lacking["g"].isna().sum() > 0
    assert filled.design.rows_missing == found.design.rows_dropped == 0


def test_the_first_category_stays_the_one_that_others_are_held_against(table):
    data = table.assign(g=table["g"].map({"low": "no", "middle": "perhaps", "high": "yes"}))
    found = Pooled("y ~ g", unit="unit", missing="category").fit(data)
    assert list(found.slopes.index) == ["g[T.perhaps]", "g[T.yes]", "g[T.missing]"]
    ordered = data.assign(g=pd.Categorical(data["g"], ["yes", "no", "perhaps"]))
    found = Pooled("y ~ g", unit="unit", missing="category").fit(ordered)
    assert list(found.slopes.index) == ["g[T.no]", "g[T.perhaps]", "g[T.missing]"]


def test_codes_are_categories_where_the_formula_says_so(table):
    codes = table["g"].map({"low": 2.0, "middle": 10.0, "high": 11.0})
    data = table.assign(code=codes, **{"my code": codes})
    for term in ("C(code)", "C(`my code`)"):
        found = Pooled(f"y ~ {term} + girl", unit="unit", missing="category").fit(data)
        assert [name.rpartition("T.")[2] for name in found.slopes.index[:3]] == ["10.0]", "11.0]", "missing]"]
    for formula in ("y ~ code", "y ~ C(code) + code", "y ~ C(girl) + code"):
        with pytest.raises(DataError, match="'code': .*cut numbers into classes or impute"):
            Pooled(formula, unit="unit", missing="category").fit(data)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "categories", "strings"])
def test_missing_category_of_other_dataframes(table, kind):
    import polars as pl
    import pyarrow as pa

    data = table.drop(columns="age")
    other = {
        "polars": pl.from_pandas,
        "pyarrow": pa.Table.from_pandas,
        "categories": lambda d: d.assign(g=d["g"].astype("category")),
        "strings": lambda d: d.convert_dtypes(),
    }[kind](data)
    first, second = (Pooled("y ~ g + girl", unit="unit", missing="category").fit(d) for d in (data, other))
    np.testing.assert_array_equal(first.slopes, second.slopes)
    assert list(first.slopes.index) == list(second.slopes.index)


def test_new_rows_may_lack_what_the_first_ones_lacked(table):
    data = table.assign(sex=np.where(table["girl"] == 1, "girl", "boy"))
    design = Pooled("y ~ g + sex", unit="unit", missing="category").fit(data).design
    new = pd.DataFrame({"g": [None, "low", "missing"], "sex": ["girl", "boy", "boy"]})
    np.testing.assert_allclose(design.encode(new), [[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 1, 0]])
    with pytest.raises(DataError, match="'sex': 1"):
        design.encode(new.assign(sex=["girl", None, "boy"]))
    complete = Pooled("y ~ g", unit="unit", missing="category").fit(data.dropna()).design
    with pytest.raises(DataError, match="'g': 1"):
        complete.encode(new)


@pytest.mark.parametrize(
    ("change", "formula", "said"),
    [
        ({"g": "missing"}, "y ~ g", "a category 'missing' and missing values beside it"),
        ({"g": None}, "y ~ g", "no values at all"),
        ({"y": np.nan}, "y ~ g", "'y': .*leave out rows without outcome, unit"),
        ({"unit": np.nan}, "y ~ g", "'unit': .*leave out rows without outcome, unit"),
        ({"age": np.nan}, "y ~ g + age", "'age': .*is for covariates that are categories"),
        ({"g": 5}, "y ~ g", "mixes 'int', 'str'"),
    ],
)
def test_missing_category_refuses(table, change, formula, said):
    (name, value), data = *change.items(), table.fillna({"age": 0.0})
    data[name] = data[name].astype(object)
    data.loc[:: 1 if value is None else 7, name] = value
    data = data if name == "g" else data.astype({name: float})
    with pytest.raises(DataError, match=said):
        Pooled(formula, unit="unit", missing="category").fit(data)


def test_a_category_called_missing_is_allowed_where_nothing_is(table):
    data = table.assign(g=table["g"].fillna("missing"))
    found = Pooled("y ~ g", unit="unit", missing="category").fit(data)
    assert "g[T.missing]" in found.slopes.index
    assert found.design.rows_missing == 0


def test_a_role_is_never_filled(table):
    data = table.assign(year=np.where(table.index % 5 == 0, None, "2020"))
    with pytest.raises(DataError, match="'year'"):
        Pooled("y ~ year + girl", unit="unit", period="year", missing="category").fit(data)


# --- completed tables ---


def model(formula=FORMULA, **roles):
    return FixedEffects(formula, unit="unit", **roles)


def tables(data, question=None, m=3, **options):
    return list(impute(data, question or model(), imputations=m, **options))


def test_completed_tables_keep_what_is_known_and_fill_the_rest(table):
    before = table.copy(deep=True)
    for completed_table in tables(table):
        assert not completed_table.isna().any().any()
        for name in completed_table:
            known = table[name].notna()
            assert (completed_table.loc[known, name] == table.loc[known, name]).all()
            assert set(completed_table[name]) <= set(table[name].dropna())
        assert sorted(completed_table) == sorted(["y", "unit", "g", "girl", "age"])
        assert "'age', 'g' imputed 3 times, rng 0" in completed_table.attrs["source"]
    pd.testing.assert_frame_equal(table, before)


def test_the_same_seed_gives_the_same_tables(table):
    first, again, other = (tables(table, rng=seed) for seed in (5, np.random.default_rng(5), 6))
    for a, b, c in zip(first, again, other, strict=True):
        pd.testing.assert_frame_equal(a, b)
        assert (a["g"] != c["g"]).any()
    assert (first[0]["g"] != first[1]["g"]).any()
    # Each table has a child of the generator to itself: how many there are does not matter.
    pd.testing.assert_frame_equal(tables(table, m=2, rng=5)[1], first[1])


def test_other_dataframes_are_completed_alike(table):
    import polars as pl
    import pyarrow as pa

    (first,) = tables(table, m=2)[:1]
    for other in (pl.from_pandas(table), pa.Table.from_pandas(table), table.convert_dtypes(dtype_backend="pyarrow")):
        (second,) = tables(other, m=2)[:1]
        for name in first:
            assert first[name].tolist() == second[name].tolist()


def test_what_comes_with_the_table_stays(table):
    data = table.copy()
    data.attrs = {"source": "a register", "simulated": True}
    (first,) = islice(impute(data, model(), imputations=2), 1)
    design = model().fit(first).design
    assert design.source.startswith("a register; 'age', 'g' imputed 2 times")
    assert design.simulated


def test_nothing_missing_gives_the_table_itself(table):
    data = table.dropna().reset_index(drop=True)
    with pytest.warns(BenchmodelsWarning, match="nothing is missing"):
        found = tables(data)
    assert len(found) == 3
    for same in found:
        pd.testing.assert_frame_equal(same, data[list(same)], check_dtype=False)
    one = compared(model().fit(data))
    assert_same(pool([compared(model().fit(same)) for same in found]), one)


BAD = [
    ("no model", lambda d: impute(d, "y ~ g"), SpecificationError, "the model that the tables are for; found str"),
    ("one", lambda d: impute(d, model(), imputations=1), SpecificationError, "2 or more; found 1"),
    ("half", lambda d: impute(d, model(), imputations=2.5), SpecificationError, "2 or more; found 2.5"),
    ("outcome", lambda d: impute(d.assign(y=d["y"].where(d.index > 3)), model()), DataError, "'y': 4.*covariates are"),
    ("unit", lambda d: impute(d.assign(unit=d["unit"].where(d.index > 3)), model()), DataError, "'unit': 4"),
    ("all missing", lambda d: impute(d.assign(g=None), model()), DataError, "'g' has no values at all"),
    ("all missing number", lambda d: impute(d.assign(age=np.nan), model()), DataError, "'age' has no values at all"),
    ("one level", lambda d: impute(d.assign(g=d["g"].where(d["g"] == "low")), model()), DataError, "'g' has one value"),
    ("infinite", lambda d: impute(d.assign(age=d["age"].replace(d["age"][0], np.inf)), model()), DataError, "finite"),
    ("mixed", lambda d: impute(d.assign(g=d["g"].replace("low", 3)), model()), DataError, "'g' mixes"),
    ("no column", lambda d: impute(d, model("y ~ gg")), DataError, "no column 'gg'"),
    ("text outcome", lambda d: impute(d, model("g ~ age")), DataError, "'g'"),
]


@pytest.mark.parametrize(("ask", "error", "said"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_impute_refuses_at_once(table, ask, error, said):
    with pytest.raises(error, match=said):
        ask(table)


def test_a_model_that_is_not_fitted_is_said(table, monkeypatch):
    import sklearn.linear_model as linear

    class Short(linear.LogisticRegression):
        def __init__(self, solver="lbfgs", tol=1e-4, max_iter=1):
            super().__init__(solver=solver, tol=tol, max_iter=1)

    monkeypatch.setattr(linear, "LogisticRegression", Short)
    with pytest.raises(ConvergenceError, match="the imputation model of 'g' was not fitted"):
        tables(table)


def test_a_row_for_several_cases_becomes_several_rows():
    rng = np.random.default_rng(0)
    n = 200
    data = pd.DataFrame({"unit": rng.integers(0, 5, n), "g": rng.choice(list("ab"), n), "y": rng.integers(0, 2, n)})
    data["w"] = rng.integers(0, 6, n)
    data["g"] = data["g"].astype(object).where(rng.random(n) < 0.7, None)
    for found in tables(data, model("y ~ g", frequency="w")):
        assert found["w"].sum() == data["w"].sum()
        assert len(found) == n + np.maximum(data.loc[data["g"].isna(), "w"] - 1, 0).sum()
        assert found.groupby(["unit", "y"])["w"].sum().equals(data.groupby(["unit", "y"])["w"].sum().astype(float))
    # The cases of one row differ in what is drawn for them.
    wide = pd.DataFrame(
        {"unit": [0, 0, 1, 1] * 2 + [0], "g": ["a", "b"] * 4 + [None], "y": [0, 0, 1, 1, 1, 1, 0, 0, 1]}
    )
    found = tables(wide.assign(w=[5] * 8 + [40]), model("y ~ g", frequency="w"))[0]
    assert set(found["g"].tail(40)) == {"a", "b"}


def test_categories_are_drawn_given_unit_and_outcome():
    """With one binary outcome and large units, shares within (unit, outcome) are those of the cases observed."""
    rng = np.random.default_rng(1)
    n = 60_000
    unit = rng.integers(0, 4, n)
    y = (rng.random(n) < 0.3).astype(int)
    level = np.array([-1.0, 0.0, 0.5, 1.5])[unit] + 0.8 * y
    g = np.where(rng.random(n) < expit(level), "b", "a").astype(object)
    data = pd.DataFrame({"unit": unit, "y": y, "g": g})
    gone = rng.random(n) < 0.3 + 0.2 * y
    found = tables(data.assign(g=data["g"].where(~gone, None)), model("y ~ g"), m=2)
    for completed_table in found:
        drawn = (completed_table["g"] == "b")[gone].groupby([unit[gone], y[gone]]).mean()
        size = pd.Series(np.ones(gone.sum())).groupby([unit[gone], y[gone]]).sum()
        truth = expit(
            np.array([-1.0, 0.0, 0.5, 1.5])[drawn.index.get_level_values(0)] + 0.8 * drawn.index.get_level_values(1)
        )
        # Noise of the draws and of the parameters behind them.
        assert (np.abs(drawn - truth) < 4.5 * np.sqrt(2 * truth * (1 - truth) / size)).all()


@pytest.mark.parametrize("known", [0, 4])
def test_what_a_small_unit_is_like_is_drawn_from_its_posterior(known):
    """Twenty units, and one of whose cases few or none are known: effect N(0, 1), information known × p (1 - p)."""
    rng = np.random.default_rng(2)
    unit = np.r_[np.repeat(np.arange(20), 100), np.full(2000, 20)]
    g = np.where(rng.random(len(unit)) < 0.5, "b", "a").astype(object)
    g[2000:] = None
    g[2000 : 2000 + known : 2], g[2001 : 2000 + known : 2] = "a", "b"
    data = pd.DataFrame({"unit": unit, "g": g, "y": rng.integers(0, 2, len(unit))})
    found = impute(data, model("y ~ g"), imputations=150, rng=1)
    shares = np.array([(f["g"] == "b").to_numpy()[2000 + known :].mean() for f in found])
    posterior = 1.0 / np.sqrt(1.0 + known / 4.0)
    assert abs(logit(shares).mean()) < 4.0 * posterior / np.sqrt(150)
    assert logit(shares).std() == pytest.approx(posterior, rel=4.0 / np.sqrt(300))


@pytest.mark.parametrize(("n", "k"), [(300, 12), (5000, 100), (40, 60)])
def test_ridge_of_few_rows_is_that_of_all(n, k):
    from scipy import sparse
    from sklearn.linear_model import BayesianRidge

    rng = np.random.default_rng(0)
    unit, x, weight = rng.integers(0, k, n), rng.normal(size=(n, 3)), rng.integers(1, 4, n).astype(float)
    dense = np.column_stack([np.eye(k)[unit], x])
    y = 0.7 * rng.normal(size=k)[unit] + x @ [1, -0.5, 0] + rng.normal(size=n)
    y -= np.average(y, weights=weight)
    center = np.average(dense, axis=0, weights=weight)
    found = completed._ridge(sparse.csr_array(dense), center, y, weight)
    plain = BayesianRidge(tol=1e-10, max_iter=5000).fit(dense, y, weight)
    for name in ("coef_", "sigma_", "alpha_", "lambda_"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=1e-6, atol=1e-7)


def test_numbers_are_drawn_given_unit_and_outcome():
    """Costs of persons: the imputed number has the regression and the spread that it was made with."""
    rng = np.random.default_rng(4)
    n, k = 20_000, 10
    unit, z = rng.integers(0, k, n), rng.normal(size=n)
    effect = rng.normal(size=k)
    x = effect[unit] + 0.5 * z + rng.normal(size=n)
    y = 2.0 * x + rng.normal(size=n)
    data = pd.DataFrame({"unit": unit, "z": z, "x": 1e4 * x, "y": y})
    gone = rng.random(n) < expit(-1.0 + 0.3 * y)
    question = model("y ~ x + z", family="gaussian")
    for found in tables(data.assign(x=data["x"].where(~gone)), question, m=2):
        fit = question.fit(found)
        table = fit.coefficients().set_index("name")
        assert abs(table.loc["x", "estimate"] * 1e4 - 2.0) < 0.05
        assert abs(table.loc["z", "estimate"]) < 0.05
        drawn = found.loc[gone, "x"].groupby(unit[gone]).mean() / 1e4
        true = pd.Series(x[gone]).groupby(unit[gone]).mean()
        np.testing.assert_allclose(drawn, true, atol=0.15)


def test_few_rows_leave_the_mean_uncertain():
    """Twenty rows known, whose other covariate says nearly all: the mean of the rest varies as theirs would."""
    rng = np.random.default_rng(5)
    z = np.r_[np.linspace(-2, 2, 20), rng.uniform(-2, 2, 1000)]
    x = 3 * z + rng.normal(size=len(z))
    data = pd.DataFrame({"unit": np.arange(len(z)) % 2, "z": z, "x": np.where(np.arange(len(z)) < 20, x, np.nan)})
    found = impute(data.assign(y=np.arange(len(z)) // 2 % 2), model("y ~ x + z"), imputations=200)
    means = [f["x"].to_numpy()[20:].mean() for f in found]
    squares = np.linalg.lstsq(np.column_stack([np.ones(20), z[:20]]), x[:20], rcond=None)[1]
    # Twenty donors are a coarse scale: predictive mean matching falls a little short.
    assert np.std(means) == pytest.approx(np.sqrt(squares.item() / 18 / 20), rel=0.25)


def test_many_categories_take_another_way_to_the_same_place(table, monkeypatch):
    first = tables(table, m=2)[0]
    monkeypatch.setattr(completed, "_DENSE", 0)
    second = tables(table, m=2)[0]
    assert (first["g"] == second["g"]).mean() > 0.99


def test_rows_alike_have_equal_chances_as_donors():
    data = pd.DataFrame({"unit": [0, 1] * 200, "y": [0, 0, 1, 1] * 100, "x": np.arange(400.0)})
    data.loc[::4, "x"] = np.nan
    # The 100 rows to be filled are alike, and the rows that they resemble too: one table takes many of these.
    for found in tables(data, model("y ~ x")):
        assert len(np.unique(found["x"].to_numpy()[::4])) > 40


def test_one_row_a_unit_is_imputed_without_the_unit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=98)
    data = pd.DataFrame({"unit": np.arange(98), "x": x, "cost": 10 + 2 * x + rng.normal(size=98)})
    data.loc[::5, "x"] = np.nan
    question = Pooled("cost ~ x", unit="unit", family="gaussian")
    fits = [question.fit(found) for found in tables(data, question, m=20)]
    table = pool_coefficients([fit.coefficients() for fit in fits]).set_index("name")
    assert abs(table.loc["x", "estimate"] - 2.0) < 3.5 * table.loc["x", "std_error"]
    found = pool([compared(fit) for fit in fits])
    assert (found.withheld != "").all()
    assert np.isfinite(found.null_std_error).all()
    assert (found.null_std_error**2 >= np.mean([compared(f).null_std_error ** 2 for f in fits], axis=0) - 1e-12).all()
    assert flag(found).reference.method == "prediction"


# --- pooling ---


def assert_same(found, one, rtol=1e-10):
    for name in (
        "size", "observed", "expected", "estimate", "lower", "upper", "noise", "std_error", "null_std_error", "df",
        "overlap",
    ):  # fmt: skip
        np.testing.assert_allclose(getattr(found, name), getattr(one, name), rtol=rtol, atol=1e-13, err_msg=name)
    np.testing.assert_allclose(found.covariance(), one.covariance(), rtol=1e-9, atol=1e-15)
    assert found.withheld.tolist() == one.withheld.tolist()


@pytest.mark.parametrize("standard", ["indirect", "direct"])
@pytest.mark.parametrize("contrast", ["difference", "ratio", "rate"])
@pytest.mark.parametrize("reference", ["others", "all"])
def test_tables_that_agree_change_nothing(table, standard, contrast, reference):
    data = table.dropna()
    one = compared(model().fit(data), standard=standard, contrast=contrast, reference=reference)
    assert_same(pool([one] * 5), one)


def test_tables_that_agree_change_nothing_with_few_degrees_of_freedom():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"unit": np.repeat(np.arange(6), 5), "year": np.tile(np.arange(5), 6)})
    data["cost"] = 10 + rng.normal(size=30) + rng.normal(size=6)[data["unit"]]
    question = Pooled("cost ~ 1", unit="unit", family="gaussian", period="year")
    one = compared(question.fit(data))
    assert one.df.tolist() == [4.0] * 6
    assert_same(pool([one] * 3), one)
    # Barnard & Rubin's degrees of freedom do not come back to four.
    assert 2 * t.cdf(t.ppf(0.975, (4 + 1) / (4 + 3) * 4), 4) - 1 == pytest.approx(0.969, abs=5e-4)


def several(fits, m, **options):
    return [compared(fit, **options) for fit in fits[:m]]


@pytest.mark.parametrize("m", [3, 12])
@pytest.mark.parametrize("contrast", ["difference", "ratio", "rate"])
@pytest.mark.parametrize("standard", ["indirect", "direct"])
def test_rubins_rules_by_hand(fits, contrast, standard, m):
    made = several(fits, m, contrast=contrast, standard=standard)
    found, k = pool(made), 8
    for i in range(k):
        o, e = np.mean([c.observed[i] for c in made]), np.mean([c.expected[i] for c in made])
        q = (o - e) / found.size[i] if contrast == "difference" else found.null * o / e
        parts = [
            c.estimate[i] - q if contrast == "difference" else q * (c.observed[i] / o * e / c.expected[i] - 1)
            for c in made
        ]
        within = np.mean([c.std_error[i] ** 2 for c in made])
        between = (1 + 1 / m) * np.sum((parts - np.mean(parts)) ** 2) / (m - 1)
        df = (m - 1) * (1 + within / between) ** 2
        assert found.estimate[i] == pytest.approx(q, rel=1e-12)
        # The mean of the estimates, to first order in how far expected values differ.
        assert q == pytest.approx(np.mean([c.estimate[i] for c in made]), rel=5e-2, abs=1e-12)
        assert found.std_error[i] ** 2 == pytest.approx(within + between, rel=1e-10)
        assert found.df[i] == pytest.approx(df, rel=1e-8)
        quantile = t.ppf(0.975, df)
        for name, sign in (("lower", -1), ("upper", 1)):
            reach = np.sqrt(np.mean([(getattr(c, name)[i] - c.estimate[i]) ** 2 for c in made]))
            reach *= quantile / norm.ppf(0.975)
            at = between if contrast == "difference" else between / q**2 * (q + sign * reach) ** 2
            assert getattr(found, name)[i] == pytest.approx(q + sign * np.sqrt(reach**2 + quantile**2 * at), rel=1e-9)
        null = between if contrast == "difference" else between / q**2 * found.null**2
        assert found.null_std_error[i] ** 2 == pytest.approx(np.mean([c.null_std_error[i] ** 2 for c in made]) + null)


@pytest.mark.parametrize("m", [2, 12])
def test_covariance_across_units(fits, m):
    """Many units: stacked; few: k × k. Either way the mean covariance plus that between tables."""
    made = several(fits, m)
    found = pool(made)
    assert found.shared.shape == (8, min(8, m * made[0].shared.shape[1] + m))
    apart = np.stack([c.estimate for c in made])
    expected = np.mean([c.covariance() for c in made], axis=0) + (1 + 1 / m) * np.cov(apart.T)
    np.testing.assert_allclose(found.covariance(), expected, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(np.sqrt(expected.diagonal()), found.std_error, rtol=1e-10)


def test_many_units_are_not_squared():
    rng = np.random.default_rng(0)
    n, k = 3000, 600
    data = pd.DataFrame({"unit": np.arange(n) % k, "g": rng.choice(list("ab"), n), "y": rng.integers(0, 2, n)})
    data["g"] = data["g"].where(rng.random(n) < 0.8, None)
    question = Pooled("y ~ g", unit="unit")
    made = [compared(question.fit(found)) for found in tables(data, question, m=3)]
    found = pool(made)
    assert found.shared.shape == (k, 3 * made[0].shared.shape[1] + 3)
    np.testing.assert_allclose(
        found.covariance(),
        np.mean([c.covariance() for c in made], axis=0) + (1 + 1 / 3) * np.cov(np.stack([c.estimate for c in made]).T),
        atol=1e-14,
    )


def test_a_unit_without_events_keeps_its_limits(table):
    data = table.assign(y=np.where(table["unit"] == 2, 0, table["y"]))
    question = Pooled(FORMULA, unit="unit")
    made = [compared(question.fit(found), contrast="ratio") for found in tables(data, question, m=5)]
    found = pool(made)
    assert found.estimate[2] == found.lower[2] == 0.0
    plain = np.sqrt(np.mean([c.upper[2] ** 2 for c in made]))
    assert plain < found.upper[2] < 1.1 * plain
    assert (found.lower >= 0).all()


def test_what_is_withheld_in_one_table_is_withheld(fits):
    made = several(fits, 3)
    reasons = made[1].withheld.copy()
    reasons[4] = "its clusters do not vary"
    noise, lower = made[1].noise.copy(), made[1].lower.copy()
    noise[4] = lower[4] = np.nan
    found = pool([made[0], replace(made[1], withheld=reasons, noise=noise, lower=lower), made[2]])
    assert found.withheld[4] == "its clusters do not vary (in 1 of 3 completed tables)"
    assert np.isnan([found.lower[4], found.upper[4], found.noise[4], found.std_error[4]]).all()
    assert np.isfinite(found.estimate).all()
    assert (np.delete(found.withheld, 4) == "").all()
    kept = np.delete(np.arange(8), 4)
    np.testing.assert_allclose(found.covariance()[np.ix_(kept, kept)], pool(made).covariance()[np.ix_(kept, kept)])
    assert pool([replace(made[1], withheld=reasons)] * 2).withheld[4] == "its clusters do not vary"


def test_a_pooled_comparison_is_one_like_any_other(fits):
    found = pool(several(fits, 4, standard="direct", contrast="ratio", better="low"))
    assert isinstance(found, Comparison)
    assert "the spread between 4 completed tables (Rubin's rules)" in found.source.noise
    assert "'age', 'g' imputed 12 times" in found.source.data
    assert rank(found, draws=500).to_frame()["rank"].between(1, 8).all()
    assert len(flag(found).to_frame()) == len(found.to_frame()) == 8
    assert found.better == "low"


def test_pool_refuses_what_does_not_belong_together(table, fits):
    made, fit = several(fits, 2), fits[0]
    pooled = Pooled(FORMULA, unit="unit").fit(table.dropna())
    for other, said in (
        (compared(fit, contrast="ratio"), "differ in contrast"),
        (compared(fit, standard="direct"), "differ in standard"),
        (compared(fit, reference="all"), "differ in reference"),
        (compared(fit, level=0.9), "differ in level"),
        (compared(fit, better="low"), "differ in better"),
        (made[0].take(np.arange(7)), "different units"),
        (made[0].take(np.arange(8)[::-1]), "different units"),
        (replace(made[0], size=2 * made[0].size), "sizes"),
        (compared(pooled), "different models"),
    ):
        with pytest.raises(DataError, match=said):
            pool([made[0], other])
    for few in ([], made[:1]):
        with pytest.raises(DataError, match="two completed tables or more"):
            pool(few)
        with pytest.raises(DataError, match="two completed tables or more"):
            pool_coefficients([fit.coefficients()] * len(few))
    with pytest.raises(DataError, match="different coefficients"):
        pool_coefficients([fit.coefficients(), pooled.coefficients()])


def test_coefficients_against_statsmodels():
    """The same completed regressions, pooled there and here."""
    from statsmodels.imputation.mice import MICE, MICEData
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    data = pd.DataFrame({"y": x @ [1, 2] + rng.normal(size=300), "x1": x[:, 0], "x2": x[:, 1]})
    data.loc[rng.random(300) < 0.3, "x1"] = np.nan
    np.random.seed(0)  # noqa: NPY002 (statsmodels draws from the global generator)
    mice = MICE("y ~ x1 + x2", OLS, MICEData(data))
    reference = mice.fit(n_burnin=2, n_imputations=7)
    frames = [
        pd.DataFrame(
            {
                "term": r.model.exog_names,
                "name": r.model.exog_names,
                "estimate": r.params,
                "std_error": r.bse,
                "df": np.inf,
            }
        )
        for r in mice.results_list
    ]
    found = pool_coefficients(frames)
    np.testing.assert_allclose(found["estimate"], reference.params, rtol=1e-10)
    np.testing.assert_allclose(found["std_error"], reference.bse, rtol=1e-10)
    # There it is the share of the variance; here of the information, with so few tables a little more.
    share = reference.frac_miss_info
    df = (7 - 1) / share**2
    np.testing.assert_allclose(found["df"], df, rtol=1e-8)
    np.testing.assert_allclose(found["fmi"], share + (1 - share) * 2 / (df + 3), rtol=1e-8)
    np.testing.assert_allclose(found["upper"] - found["estimate"], t.ppf(0.975, df) * reference.bse, rtol=1e-8)


def test_coefficients_that_agree_change_nothing(table):
    fit = model().fit(table.dropna())
    for covariance in ("model", "CR1"):
        one = fit.coefficients(covariance=covariance)
        found = pool_coefficients([one] * 4)
        pd.testing.assert_frame_equal(found.drop(columns="fmi"), one, rtol=1e-12)
        assert (found["fmi"] == 0).all()


# --- what it is for ---


def answers(rng, *, m, options, missing_age=False):
    """Estimates of slopes and units with everything known, and by three ways of going without."""
    data, lacking = pupils(rng, missing_age=missing_age)
    question = model()
    truth = FixedEffects(FORMULA.replace("y", "p", 1), unit="unit", family="fractional").fit(data)
    found = {"known": question.fit(data), "drop": model(missing="drop").fit(lacking)}
    if not missing_age:
        found["category"] = model(missing="category").fit(lacking)
    pairs = {name: (fit.coefficients(), compared(fit, **options)) for name, fit in found.items()}
    fits = [question.fit(each) for each in impute(lacking, question, imputations=m, rng=rng)]
    pairs["imputed"] = (
        pool_coefficients([fit.coefficients() for fit in fits]),
        pool([compared(fit, **options) for fit in fits]),
    )
    return compared(truth, **options).estimate, pairs


def rates(replicates, *, seed, m=10, options=None, missing_age=False):
    """Mean bias of slopes, their coverage, and the coverage of units, by way of going without."""
    rng, told = np.random.default_rng(seed), {}
    names, slopes = list(SLOPES), np.array(list(SLOPES.values()))
    for _ in range(replicates):
        truth, pairs = answers(rng, m=m, options=options or {}, missing_age=missing_age)
        for way, (table, found) in pairs.items():
            table = table.set_index("name").loc[names]
            inside = ((table["lower"] <= slopes) & (slopes <= table["upper"])).to_numpy()
            units = (found.lower <= truth) & (truth <= found.upper)
            told.setdefault(way, []).append((table["estimate"].to_numpy() - slopes, inside, units))
    return {way: [np.stack(part) for part in zip(*rows, strict=True)] for way, rows in told.items()}


@pytest.mark.filterwarnings("ignore::benchmodels.DroppedRowsWarning")
def test_imputation_is_nearer_to_what_is_missing():
    """One country: slopes and units by imputation are nearer to those of the full table than without."""
    rng = np.random.default_rng(8)
    errors = {}
    for _ in range(2):
        _, pairs = answers(rng, m=5, options={})
        for way, (table, found) in pairs.items():
            slopes = table.set_index("name").loc[list(SLOPES), "estimate"].to_numpy()
            known = pairs["known"][0].set_index("name").loc[list(SLOPES), "estimate"].to_numpy()
            off = (
                np.abs(slopes - known)[2:].max(),
                np.sqrt(np.mean((found.estimate - pairs["known"][1].estimate) ** 2)),
            )
            errors[way] = np.maximum(errors.get(way, 0.0), off)
    assert (2 * errors["imputed"] < errors["drop"]).all()
    assert (2 * errors["imputed"] < errors["category"]).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::benchmodels.DroppedRowsWarning")
@pytest.mark.parametrize(("options", "missing_age"), [({}, False), ({"standard": "direct", "contrast": "ratio"}, True)])
def test_coverage(options, missing_age):
    """Within four Monte Carlo standard errors of nominal by imputation; not so without."""
    n = 100
    told = rates(n, seed=11, options=options, missing_age=missing_age)
    for way in ("known", "imputed"):
        off, inside, units = told[way]
        assert (np.abs(off.mean(axis=0)) < 4.0 * off.std(axis=0) / np.sqrt(n)).all(), way
        assert (np.abs(inside.mean(axis=0) - 0.95) < 4.0 * np.sqrt(0.95 * 0.05 / n)).all(), way
        each = units.mean(axis=1)
        assert abs(each.mean() - 0.95) < 4.0 * each.std() / np.sqrt(n), way
    for way in set(told) - {"known", "imputed"}:
        off, _, units = told[way]
        assert units.mean() < 0.92, way
        assert (np.abs(off.mean(axis=0)) > 4.0 * off.std(axis=0) / np.sqrt(n)).any(), way
